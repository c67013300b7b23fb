"""A user's struct that is wrong, crashes or never returns costs one clear error, and neither the process nor a wrong number."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest

from ensemble.backends import trial

ROOT = Path(__file__).parents[2]
PART = """
from dataclasses import dataclass
from typing import Any
import numpy as np
import ensemble as en
from ensemble.backends import trial
from ensemble.part import NOT_NEGATIVE, number, scheduled
trial.SECONDS = 2

@dataclass(frozen=True)
class Mine(en.Optimizer):
    lr: Any = scheduled(domain=NOT_NEGATIVE)
    beta: float = number(0.9)
    gamma: float = number(0.9)
    vectors = ("v", "w")
    kernel = '''
struct Mine {
    number beta, gamma;
    enum Column { lr, columns };
    struct State {
        Vec v, w;
        template <class Visit>
        HD void each(Visit&& visit) {
            visit(v);
            visit(w);
        }
    };
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        s.v = beta * s.v - now[lr] * gradient(x);
        s.w = gamma * s.w + s.v;
        return x + s.w;
    }
};
'''

    def step(self, x, gradient, state, now):
        state.v = self.beta * state.v - now.lr * gradient(x)
        state.w = self.gamma * state.w + state.v
        return x + state.w
"""
RUN = """
try:
    found = en.simulate(landscape=en.Quadratic([1.0, 2.0]), optimizer=en.Clip(Mine(0.1)), start=en.Point(1.0), instances=3, steps=5,
                        backend="cpu", progress=False)
    print("ran", found.dataset["x"].to_numpy()[0])
except ValueError as error:
    print(type(error).__name__, error)
"""


def run(text, tmp_path, notebook=False):
    """Runs a script in an empty folder; what it prints."""
    script = tmp_path / "script.py"
    script.write_text(text)
    code = [str(script)]
    if notebook:  # text that no file holds, in a module of its own, as a notebook's cells are run
        script.rename(tmp_path / "cells.txt")
        code = ["-c", "exec(compile(open('cells.txt').read(), '<cell>', 'exec'), {'__name__': '__main__'})"]
    done = subprocess.run(
        [sys.executable, *code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr == ""
    return done.stdout


CHANGES = {
    "fields swapped": (("number beta, gamma;", "number gamma, beta;"), r"in step \d, instance \d+: x"),
    "a field forgotten": (
        ("number beta, gamma;", "number beta; static constexpr real gamma = 0.9;"),
        r"its struct is -\d+ bytes off: give the numbers",
    ),
    "too many fields": (
        ("number beta, gamma;", "number beta, gamma, a, b, c;"),
        r"its struct is \+\d+ bytes off: give the numbers",
    ),
    "a state not visited": (("visit(w);", ""), "its State::each visits 1 vectors, and the class names 2"),
    "a state visited twice": (
        ("visit(w);", "visit(w); visit(w);"),
        "its State::each visits 3 vectors, and the class names 2",
    ),
    "one visited for another": (("visit(w);", "visit(v);"), r"in step \d, instance \d+: "),
    "states in another order": (
        ("visit(v);", ""),
        ("visit(w);", "visit(w); visit(v);"),
        r"in step \d, instance 0: state.base.v\[0\]",
    ),
    "another rule": (("return x + s.w", "return x - s.w"), r"in step 1, instance 0: x\[0\] is .* and not"),
    "an endless loop": (
        ("return x + s.w", "for (volatile int spin = 1; spin;) {} return x + s.w"),
        "does not return within 2 s",
    ),
    "a crash": (("return x + s.w", "*(volatile int*)0 = 1; return x + s.w"), r"its struct crashes \(SIG"),
    "memory written over": (
        ("return x + s.w", "for (long k = 0; k < (1l << 33); ++k) ((volatile char*)&s)[k << 12] = 1; return x + s.w"),
        r"its struct crashes \(SIG",
    ),
    "what does not compile": (("gradient(x);", "gradiant(x);"), "line 15.*gradiant"),
    "what is not there": (("Vec step(", "Vec stepped("), "no member named .*step"),
    "a text that does not end": (
        ("return x + s.w;\n    }\n};", "return x + s.w;"),
        "Mine.kernel does not compile, line",
    ),
}


SELDOM = {"a state visited twice", "one visited for another", "states in another order"}
"""Found as others are that stand above."""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What a process says of the usual faults or of the others, one after another: it outlives them all."""
    return cache(lambda seldom: _said([f for f in CHANGES if (f in SELDOM) == seldom], tmp_path_factory))


def _said(faults, tmp_path_factory):
    text = PART + "import sys\nCELL = " + repr(PART) + "\n"
    for fault in faults:
        cell = PART
        for here, there in CHANGES[fault][:-1]:
            assert here in cell
            cell = cell.replace(here, there)
        text += f"exec(compile({cell!r}, '<cell>', 'exec'), globals())" + RUN
    ignored = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"  # then no one learns how a child ended
    *lines, end = run(text + ignored + PART + RUN, tmp_path_factory.mktemp("faults")).splitlines()
    assert end.startswith("ran "), "and then what is right still runs"
    return dict(zip(faults, lines, strict=True))


@pytest.mark.ci
@pytest.mark.parametrize("fault", [pytest.param(f, marks=pytest.mark.slow) if f in SELDOM else f for f in CHANGES])
def test_a_struct_that_does_not_do_what_its_python_does_is_one_clear_error(fault, said, cpu):
    line = said(fault in SELDOM)[fault]
    assert re.match("(PartError Mine in Clip: |KernelError )", line), line
    assert re.search(CHANGES[fault][-1], line), line
    assert len(line.split(" ", 1)[1]) <= 300


@pytest.mark.ci
def test_a_script_in_an_empty_folder_runs_its_struct_and_is_led_to_the_line_of_a_fault(tmp_path, cpu):
    text = PART.replace("gradient(x);", "gradiant(x);", 1)
    line = text[: text.index("gradiant")].count("\n") + 1
    said = run(text + RUN + PART + RUN, tmp_path).splitlines()
    assert said[0].startswith(f"KernelError Mine.kernel does not compile, line 15 (script.py:{line}): "), said
    assert said[1].startswith("ran "), said


@pytest.mark.slow
def test_what_a_check_says_of_an_endless_loop_is_a_report(tmp_path, cpu):
    text = PART.replace("return x + s.w;", "for (volatile int spin = 1; spin;) {} return x + s.w;")
    said = run(text + "report = en.check(Mine(0.1))\nprint(report.ok, report)\n", tmp_path, notebook=True)
    assert said.startswith("False Mine: not what it says")
    assert "does not return within 2 s" in said


@pytest.mark.ci
def test_a_struct_that_waits_for_a_busy_machine_is_not_said_to_be_endless(monkeypatch):
    monkeypatch.setattr(trial, "SECONDS", 1)
    assert trial.in_child(lambda: time.sleep(1.5) or 7) == 7
    with pytest.raises(trial.TrialError, match="does not return within 1 s"):
        trial.in_child(lambda: sum(iter(int, 1)))
