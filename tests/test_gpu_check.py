"""``python -m ensemble gpu-check``, on a stand-in for CuPy that executes its kernels' PTX: each step, and faults that it must name."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import conftest
import pytest
from _pytest.config import _prepareconfig
from standins import FOLDER, needs_nvrtc, two_devices
from test_device import has_device

import ensemble as en
from ensemble.backends import measured
from ensemble.gpu_check import command, forms
from ensemble.gpu_check.steps import STEPS, Step

__all__ = ["two_devices"]
ROOT = Path(__file__).parents[1]


def checked(arguments: list[str], package: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, of the package that lies in a folder."""
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (package, FOLDER)))} | environment
    return subprocess.run(
        [sys.executable, "-m", "ensemble", "gpu-check", *arguments],
        cwd=package,
        env=variables,
        capture_output=True,
        text=True,
    )


def report(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "gpu-check.json").read_text())


def statuses(folder: Path) -> dict[str, str]:
    return {step["name"]: step["status"] for step in report(folder)["steps"]}


class Outside(HTMLParser):
    """What a page asks others for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.asked += [f"{tag} {name}" for name, _ in attrs if name in ("src", "href")] + [tag] * (
            tag in ("script", "link")
        )
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.slow  # .ci/run has the same command run
@needs_nvrtc
def test_a_sound_device_passes_and_later_plans_use_its_rates(
    tmp_path: Path, two_devices: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"a stand-in <{tmp_path.name}>"
    run = {
        "landscape": en.QuarticSaddle(dim=16),
        "optimizer": en.Adam(),
        "start": en.Point(0.0),
        "instances": 10,
        "steps": 10,
        "backend": "cuda",
    }
    monkeypatch.setenv("STANDIN_NAME", name)
    before = en.simulate(**run, plan_only=True)
    assert before.at_least
    try:
        done = checked(["--out", str(tmp_path / "out"), "--quick"], STANDIN_NAME=name)
        assert done.returncode == 0, done.stdout + done.stderr
        after = en.simulate(**run, plan_only=True)
    finally:
        measured._file(name).unlink(missing_ok=True)
    assert set(statuses(tmp_path / "out").items()) >= {
        ("self-check", "ok"),
        ("bits", "ok"),
        ("rates", "ok"),
        ("tests", "left out"),
    }
    assert list(statuses(tmp_path / "out")) == [step.name for step in STEPS]
    found = report(tmp_path / "out")
    assert found["machine"]["device"] == name
    assert found["faults"] == []
    rows = {step["name"]: step["rows"] for step in found["steps"]}
    assert {row["form"] for row in rows["bits"]} == {form.name for form in forms.FORMS if form.quick}
    assert all(0 < row["fast"] < forms.TOLERANCE[row["dtype"]] for row in rows["bits"])
    assert not after.at_least
    assert after.basis.startswith("rates measured on this device, 2")
    assert after.seconds == pytest.approx(before.seconds / next(r["share"] for r in rows["rates"] if r["dim"] == 16))
    page = (tmp_path / "out" / "report.html").read_text()
    outside = Outside()
    outside.feed(page)
    assert outside.asked == outside.open == []
    for step in STEPS:
        assert f"<td>{step.name}</td>" in page
    assert "no fault" in page


def with_fault(folder: Path, file: str, pattern: str, change: str) -> Path:
    """A copy of the package whose kernels have a fault."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "ensemble", folder / "ensemble", ignore=ignore)
    shutil.copytree(ROOT / "kernels", folder / "kernels", ignore=ignore)
    path = folder / "kernels" / file
    text, count = re.subn(pattern, change, path.read_text())
    assert count
    path.write_text(text)
    return folder


FAULTS = {
    "a barrier dropped": (("base/device.cuh", r"__syncthreads\(\);", ";"), ["bits"]),
    "another constant": (("random.cuh", "0xD2511F53", "0xD2511F55"), ["self-check", "bits"]),
}


@pytest.mark.ci
@needs_nvrtc
@pytest.mark.parametrize("what", ["a barrier dropped", pytest.param("another constant", marks=pytest.mark.slow)])
def test_a_fault_in_the_kernels_is_named_with_its_step(what: str, tmp_path: Path) -> None:
    change, steps = FAULTS[what]
    only = [word for step in steps for word in ("--only", step)]
    done = checked(["--out", str(tmp_path / "out"), "--quick", *only], with_fault(tmp_path / "package", *change))
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.splitlines()[-1] == f"gpu-check: FAULT in {', '.join(steps)}"
    assert statuses(tmp_path / "out") == dict.fromkeys(steps, "FAULT")
    bits = next(step for step in report(tmp_path / "out")["steps"] if step["name"] == "bits")
    if what == "a barrier dropped":
        assert re.match(r"64 lanes, float32: .*no barrier between", bits["said"])
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"FAULT in {', '.join(steps)}" in page
    assert escape(bits["said"]) in page


@pytest.mark.ci
@pytest.mark.skipif(has_device(), reason="a CUDA device is present")
def test_without_a_gpu_one_line_says_what_is_missing(tmp_path: Path) -> None:
    done = checked(["--out", str(tmp_path / "out")], PYTHONPATH=str(ROOT))
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(r"gpu-check: backend='cuda' needs CuPy and a CUDA device: pip install .*\n", done.stderr)
    assert not (tmp_path / "out").exists()


# ---- what becomes of steps


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs steps of one's own on a machine that is not asked: the exit status, what was reported, and what was printed."""
    monkeypatch.setattr(command, "machine", lambda _: {"device": "none", "compute_capability": "90", "cupy": "14"})

    def run(*steps: Step, arguments: tuple[str, ...] = ()) -> tuple[int, list[dict[str, Any]], Any]:
        code = command.main(["--out", str(tmp_path / "out"), *arguments], steps or STEPS)
        found = report(tmp_path / "out")["steps"] if (tmp_path / "out").is_dir() else []
        return code, found, capsys.readouterr()

    return run


def python(name: str, text: str, seconds: float = 20.0, **more: Any) -> Step:
    return Step(name, "a step", seconds, lambda _: (sys.executable, "-c", text), **more)


@pytest.mark.ci
def test_a_step_that_does_not_end_is_ended_with_all_that_it_started_and_the_others_run(
    ran: Any, tmp_path: Path
) -> None:
    child = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    text = f"{child}; open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid)); print('begun', flush=True); p.wait()"
    began = time.monotonic()
    code, (endless, next_one), said = ran(python("endless", text, 3.0), python("next", "print('fine')"))
    assert time.monotonic() - began < 30
    assert code == 1
    assert (endless["status"], endless["said"]) == ("FAULT", "did not end within 3 s")
    assert endless["printed"] == ["begun"]
    assert next_one["status"] == "ok"
    assert said.err.splitlines() == ["gpu-check: FAULT in endless"]
    time.sleep(0.2)
    stat = Path(f"/proc/{(tmp_path / 'pid').read_text()}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.ci
def test_what_has_no_time_is_left_out_and_is_no_fault(ran: Any) -> None:
    sleeps = python("sleeps", "import time; time.sleep(60)")
    code, (cut, left_out), said = ran(sleeps, python("next", ""), arguments=("--minutes", "0.05"))
    assert code == 0
    assert (cut["status"], cut["said"]) == ("left out", "cut short; give more --minutes")
    assert (left_out["status"], left_out["said"]) == ("left out", "no time was left; give more --minutes")
    assert said.err == ""


def test_a_step_that_fails_or_dies_is_a_fault_with_its_last_words(ran: Any, tmp_path: Path) -> None:
    fails, dies = python("fails", "raise SystemExit('no <luck>')"), python("dies", "import os; os.abort()")
    rows = python("rows", 'print(\'{"wrong": ""}\'); print(\'{"wro\')', rows=True)
    code, found, said = ran(fails, dies, rows)
    assert code == 1
    assert [step["status"] for step in found] == ["FAULT", "FAULT", "ok"]
    assert found[0]["said"] == "exit status 1: no <luck>"
    assert found[1]["said"].startswith("exit status -6")
    assert found[2]["rows"] == [{"wrong": ""}]
    assert said.err.splitlines() == ["gpu-check: FAULT in fails, dies"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<details open><summary>fails</summary><pre>no &lt;luck&gt;</pre></details>" in page


def test_tools_that_are_not_here_count_neither_way_and_those_that_find_something_do(
    ran: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("--only", "memcheck", "--only", "ncu-16")
    monkeypatch.setattr("ensemble.gpu_check.steps.TOOLS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    code, found, _ = ran(arguments=asked)
    assert code == 0
    assert [step["said"] for step in found] == ["not installed: compute-sanitizer", "not installed: ncu"]
    for name, text in {
        "compute-sanitizer": "echo Invalid __global__ read of size 4 bytes $*; exit 9",
        "ncu": "echo ERR_NVGPUCTRPERM; exit 1",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    code, (memcheck, ncu), _ = ran(arguments=asked)
    assert code == 1
    assert memcheck["status"] == "FAULT"
    assert re.match(r"exit status 9: Invalid .* --tool memcheck .*ensemble.gpu_check.forms --no-pool", memcheck["said"])
    assert (ncu["status"], ncu["said"]) == ("not installed", "not allowed on this machine: ERR_NVGPUCTRPERM")


def test_rates_beside_others_are_read_from_what_the_comparison_wrote(ran: Any, tmp_path: Path) -> None:
    (peers,) = (step for step in STEPS if step.name == "peers")
    written = ROOT / "studies" / "results" / "performance" / "performance.json"
    folder = str(tmp_path / "out" / "peers")
    copies = f"import os, shutil; os.mkdir({folder!r}); shutil.copy({str(written)!r}, {folder!r})"
    _, (found,), _ = ran(replace(peers, command=lambda _: (sys.executable, "-c", copies)))
    assert found["status"] == "ok"
    assert found["rows"][0]["who"].startswith("ensemble, ")
    assert found["rows"][0]["times"] == 1
    fastest = {}
    for row in found["rows"]:
        if "NumPy" not in row["who"] and "ensemble" not in row["who"]:
            fastest[row["work"]] = min(fastest.get(row["work"], 1e9), row["times"])
    assert all(4 < times < 14 for times in fastest.values())  # as README says of that machine
    assert re.fullmatch(r"[\d.]+ to [\d.]+ times the rates of others", found["said"])


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupt_ends_the_step_and_leaves_what_was_found(ran: Any, tmp_path: Path) -> None:
    def strike(_: Path) -> tuple[str, ...]:
        return sys.executable, "-c", "import os, signal, time; os.kill(os.getppid(), signal.SIGINT); time.sleep(60)"

    code, found, said = ran(python("before", ""), Step("struck", "a step", 20.0, strike), python("after", ""))
    assert code == 130
    assert [step["name"] for step in found] == ["before"]
    assert said.err.startswith("gpu-check: interrupted in struck; ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--out"),
        (["--out", "x", "--minutes", "0"], "--minutes 0.0: give minutes from 0 to 1440"),
        (["--out", "x", "--minutes", "nan"], "--minutes nan: give minutes"),
        (["--out", "x", "--minutes", "soon"], "--minutes"),
        (["--out", "x", "--only", "everything"], "--only"),
        (["--out", "/dev/null/x"], "--out '/dev/null/x' cannot be written (Not a directory); give another folder"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "machine", lambda _: {"device": "none"})
    assert command.main(arguments) == 2
    assert said in capsys.readouterr().err
    assert not Path("x").exists()


# ---- the tests that need a GPU


def test_tests_on_a_gpu_are_spread_over_processes_one_by_one() -> None:
    pytest.importorskip("xdist")
    for given, dist in (
        (["-m", "gpu", str(FOLDER.parent / "test_device.py")], "load"),
        (["-m", "gpu", "-n", "0"], "no"),
    ):
        config = _prepareconfig([*given, "-p", "no:cacheprovider"])
        conftest.pytest_cmdline_main(config)
        assert config.option.dist == (dist if conftest.usable_cores() > 1 else "no")


@pytest.mark.slow
@needs_nvrtc
def test_the_tests_that_need_a_gpu_pass_and_fail_with_the_device(tmp_path: Path) -> None:
    for chosen, status, said in (
        ("beyond_registers and Quartic", "ok", "1 passed"),
        ("of_none", "FAULT", "exit status 5"),  # no test at all is a fault
    ):
        checked(["--out", str(tmp_path), "--only", "tests"], PYTEST_ADDOPTS=f"-k '{chosen}'")
        assert statuses(tmp_path) == {"tests": status}
        assert said in report(tmp_path)["steps"][0]["said"]
