"""Compilers as people have them: with options, behind a launcher, absent, broken, for another machine, or gone meanwhile."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from conftest import HAS_COMPILER

pytestmark = pytest.mark.skipif(not HAS_COMPILER or os.name != "posix", reason="no C++ compiler on PATH")

RUN = """
import sys, warnings, ensemble as en
some = dict(landscape=en.Quadratic(1.0, dim=2), optimizer=en.GradientDescent(0.5), start=en.Point(1.0), instances=3, steps=1)
for _ in range(2):
    d = en.simulate(**some).dataset
print(d.attrs["backend"], float(d["x"].sum()))
print(d.attrs["backend_reason"])
try:
    print(en.simulate(**some, backend="cpu").dataset.attrs["backend"])
except RuntimeError as error:
    print(error)
"""


def told(script, folder, compiler):
    environment = os.environ | {"ENSEMBLE_CACHE": str(folder), "CXX": compiler, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), [line for line in done.stderr.splitlines() if "Warning: " in line]


def script_at(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


@pytest.mark.slow
def test_a_command_with_options_or_behind_a_launcher_is_used_and_its_options_make_another_library(tmp_path):
    launcher = script_at(tmp_path / "launcher", f'echo used >> {tmp_path}/log\nexec "$@"')
    name = next(n for n in ("g++", "clang++", "c++") if shutil.which(n))
    probe = "from ensemble.backends import compiler; compiler.check(); print(compiler.compiler()[1:])"
    for number, command in enumerate((name, f"{name} -g0", f"'{launcher}' {name}"), 1):
        lines, warnings = told(probe, tmp_path / "cache", command)
        assert not warnings
        assert len(list((tmp_path / "cache").glob("*/*.so"))) == number
    assert (tmp_path / "log").read_text().count("used") >= 2
    assert lines == [repr((name,))]


BROKEN = {
    "absent": ("no-such-compiler -O2", "which is not on the PATH"),
    "no command line": ('"g++', "is no command line"),
    "fails at once": ("false", "does not run"),
    "knows its version alone": (
        'case "$*" in *--version*) echo "a compiler 1.0";; *) echo "x: error: broken" >&2; exit 1;; esac',
        "error: broken",
    ),
    "makes nothing": ("exit 0", "fails at a small program"),
    "makes what cannot be loaded": (
        'case "$*" in *--version*) echo "a compiler 1.0";; *) for last; do :; done; printf "\\\\177ELFnonsense" > "$last";; esac',
        "can keep compiled kernels in no folder",
    ),
}


OFTEN = {"absent", "knows its version alone", "makes what cannot be loaded"}


@pytest.mark.ci
@pytest.mark.parametrize("how", [how if how in OFTEN else pytest.param(how, marks=pytest.mark.slow) for how in BROKEN])
def test_auto_goes_on_in_numpy_with_one_warning_and_cpu_says_one_clear_line(how, tmp_path):
    command, words = BROKEN[how]
    if any(sign in command for sign in ("exit", "case")):
        command = script_at(tmp_path / "compiler", command)
    lines, warnings = told(RUN, tmp_path / "cache", command)
    assert lines[0] == "numpy 3.0"
    assert "no cpu: " in lines[1]
    assert words in lines[1]
    assert len(lines) == 3
    assert words in lines[2]
    assert "backend='numpy'" in lines[2] or "$CXX" in lines[2]
    assert len(lines[2]) <= 300
    assert len(warnings) == 1
    assert words in warnings[0]


GONE = """
import os, sys, ensemble as en
compiler = os.environ["CXX"]
some = dict(landscape=en.Quadratic(1.0, dim=2), optimizer=en.GradientDescent(0.5), start=en.Point(1.0), instances=3)
import ensemble.backends.cpu as cpu
advance = cpu.CpuEngine.advance
def once(self, *given, **more):
    if os.path.exists(compiler):
        os.remove(compiler)
    return advance(self, *given, **more)
cpu.CpuEngine.advance = once
d = en.simulate(**some, steps=3, record=en.Record(["value", "gradient_norm"], at=[2, 3]), backend="cpu").dataset
print(d["value"].isel(instance=0).values.tolist(), os.path.exists(compiler))
try:
    en.simulate(**{**some, "landscape": en.Rosenbrock()}, steps=3, backend="cpu")
except RuntimeError as error:
    print(error)
"""


@pytest.mark.ci
def test_a_compiler_that_vanishes_once_a_run_has_begun_loses_nothing_and_is_named_by_the_next_run(tmp_path):
    name = shutil.which("g++") or shutil.which("clang++") or shutil.which("c++")
    lines, _ = told(GONE, tmp_path / "cache", script_at(tmp_path / "compiler", f'exec {name} "$@"'))
    assert lines[0] == "[0.0625, 0.015625] False"
    assert lines[1].startswith("backend='cpu'")
    assert str(tmp_path / "compiler") in lines[1]
    assert len(lines) == 2


ENDINGS = """
import atexit, os, sys, threading, ensemble as en
some = dict(landscape=en.Quadratic(1.0, dim=64), optimizer=en.GradientDescent(0.5), start=en.Point(1.0), instances=2000, steps=1,
            backend="cpu")
def run(threads):
    return float(en.simulate(**some, threads=threads).dataset["x"][0, 0])
"""


@pytest.mark.slow
def test_threads_from_1_to_40_in_turn_leave_no_more_than_the_most_that_worked_at_once(tmp_path):
    lines, _ = told(
        ENDINGS
        + """
from ensemble.backends import crew
print({run(threads) for threads in range(1, 41)}, len(crew._crew._threads) <= 39)
""",
        os.environ.get("ENSEMBLE_CACHE", tmp_path),
        os.environ.get("CXX", ""),
    )
    assert lines == ["{0.5} True"]


@pytest.mark.ci
def test_a_run_at_exit_works_and_one_while_python_is_ending_says_so(tmp_path):
    """``atexit`` before and after the first use, and a ``__del__`` that is called when modules are taken down."""
    lines, _ = told(
        "import sys; sys.modules['dask'] = None  # where xarray finds it, Python takes no modules down\n"
        + ENDINGS
        + """
atexit.register(lambda: print("at exit", run(3), flush=True))
class Last:
    def __init__(self):
        self.simulate, self.some, self.write = en.simulate, some, os.write  # the names of modules are gone by then
    def __del__(self):
        try:
            self.write(1, repr(self.simulate(**self.some)).encode())
        except RuntimeError as error:
            self.write(1, str(error).encode())
en.backends.choice.keep = Last()
print(run(2), flush=True)
""",
        os.environ.get("ENSEMBLE_CACHE", tmp_path),
        os.environ.get("CXX", ""),
    )
    assert lines[:2] == ["0.5", "at exit 0.5"]
    assert lines[2].startswith("Python is ending and can run nothing more")
    assert len(lines) == 3
