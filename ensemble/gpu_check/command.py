"""The command itself: one step after another, each in a process of its own under a limit of its own; results are written as they come."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..backends import sources
from ..version import __version__
from ..words import told
from .machine import NO_GPU
from .page import page
from .steps import PACKAGE, STEPS, Command, Step, module

MACHINE_SECONDS = 120.0
LEAST_SECONDS = 2.0
"""A step is not begun for less."""
KEPT_LINES, KEPT_COLUMNS = 80, 400
"""Of what a step printed, at its end, in the report."""
MINUTES, QUICK_MINUTES = 30.0, 5.0
OK, FAULT, ABSENT, LEFT_OUT = "ok", "FAULT", "not installed", "left out"


def parsed(arguments: Sequence[str], steps: Sequence[Step]) -> argparse.Namespace:
    names = [step.name for step in steps]
    parser = argparse.ArgumentParser("python -m ensemble gpu-check", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="folder for report.html, gpu-check.json and logs"
    )
    parser.add_argument(
        "--minutes", type=float, help=f"for all steps together; {MINUTES:g}, or {QUICK_MINUTES:g} with --quick"
    )
    parser.add_argument("--quick", action="store_true", help="the least that says something, in a minute or two")
    parser.add_argument(
        "--only", action="append", choices=names, metavar="STEP", help=f"one of {', '.join(names)}; may be repeated"
    )
    given = parser.parse_args(arguments)
    if given.minutes is None:
        given.minutes = QUICK_MINUTES if given.quick else MINUTES
    if not 0 < given.minutes <= 24 * 60:
        parser.error(f"--minutes {told(given.minutes)}: give minutes from 0 to {24 * 60}, such as 30")
    return given


def environment() -> dict[str, str]:
    """A step's: it imports the package that runs, wherever that lies."""
    path = os.pathsep.join(filter(None, (str(PACKAGE.parent), os.environ.get("PYTHONPATH", ""))))
    return os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def ended(command: Command, seconds: float, folder: Path, name: str) -> tuple[int | None, float]:
    """Runs a command, whose output goes to ``NAME.out`` and ``NAME.log``: its exit status, None if it did not end in time; seconds."""
    began = time.monotonic()
    with open(folder / f"{name}.out", "wb") as out, open(folder / f"{name}.log", "wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=log, env=environment(), start_new_session=True
        )
        try:
            return process.wait(seconds), time.monotonic() - began
        except subprocess.TimeoutExpired:
            return None, time.monotonic() - began
        finally:
            if process.poll() is None:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process and those that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(3)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def rows_in(path: Path) -> list[dict[str, Any]]:
    """The JSON objects among a file's lines: a process that was ended may have begun one."""
    found = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            found.append(row)
    return found


def printed(folder: Path, name: str, what: str) -> list[str]:
    text = (folder / f"{name}.{what}").read_text(errors="replace")
    return [line[:KEPT_COLUMNS] for line in text.splitlines() if line.strip()]


def result(step: Step, folder: Path, deadline: float, quick: bool, asked: bool) -> dict[str, Any]:
    """Runs a step, and says what came of it. ``asked``: it was, by its name."""
    entry: dict[str, Any] = {"name": step.name, "what": step.what, "seconds": 0.0, "rows": [], "printed": []}
    if quick and not step.quick and not asked:
        return entry | {"status": LEFT_OUT, "said": "not part of --quick"}
    command = step.command(folder)
    if isinstance(command, str):
        return entry | {"status": ABSENT, "said": command}
    left = deadline - time.monotonic()
    if left < LEAST_SECONDS:
        return entry | {"status": LEFT_OUT, "said": "no time was left; give more --minutes"}
    if quick and step.rows:
        command = (*command, "--quick")
    code, seconds = ended(command, min(step.seconds, left), folder, step.name)
    out = printed(folder, step.name, "out")
    entry["seconds"] = round(seconds, 1)
    entry["rows"] = rows_in(folder / f"{step.name}.out") if step.rows else []
    if step.read is not None and not code and code is not None:
        entry["rows"] = step.read(folder)
    entry["printed"] = [*([] if step.rows else out), *printed(folder, step.name, "log")][-KEPT_LINES:]
    if code is None and left < step.seconds:
        return entry | {"status": LEFT_OUT, "said": "cut short; give more --minutes"}
    if code is None:
        return entry | {"status": FAULT, "said": f"did not end within {step.seconds:g} s"}
    if code and step.excused and any(step.excused in line for line in entry["printed"]):
        return entry | {"status": ABSENT, "said": f"not allowed on this machine: {step.excused}"}
    return entry | {"status": FAULT if code else OK, "said": said_of(entry, code)}


def said_of(entry: dict[str, Any], code: int) -> str:
    """A step in a line."""
    wrong = [row for row in entry["rows"] if row.get("wrong")]
    if wrong:
        return f"{wrong[0]['form']}, {wrong[0]['dtype']}: {wrong[0]['wrong']}"[:KEPT_COLUMNS]
    if code:
        return f"exit status {code}: {entry['printed'][-1] if entry['printed'] else 'nothing was printed'}"[
            :KEPT_COLUMNS
        ]
    shares = [row["share"] for row in entry["rows"] if row.get("share")]
    if shares:
        return f"{len(shares)} rates, {min(shares):.0%} to {max(shares):.0%} of the counted ceiling"
    times = [row["times"] for row in entry["rows"] if row.get("times", 1) != 1]
    if times:
        return f"{min(times):.3g} to {max(times):.3g} times the rates of others"
    if entry["rows"]:
        return f"{len(entry['rows'])} forms have the bits of NumPy"
    return entry["printed"][-1].strip("= ") if entry["name"] == "tests" and entry["printed"] else ""


def write(path: Path, text: str) -> None:
    """The whole text or what was there before."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        file.write(text)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def machine(folder: Path) -> dict[str, Any]:
    """What the machine says of itself, or why it cannot be checked (``missing``)."""
    code, _ = ended(module(".gpu_check.machine"), MACHINE_SECONDS, folder, "machine")
    found = rows_in(folder / "machine.out")
    if code in (0, NO_GPU) and found:
        return found[-1]
    lines = printed(folder, "machine", "log")
    why = f"did not end within {MACHINE_SECONDS:g} s" if code is None else f"ended with exit status {code}"
    return {"missing": f"asking for the GPU {why}{f': {lines[-1]}' if lines else ''}"[:KEPT_COLUMNS]}


def main(arguments: Sequence[str], steps: Sequence[Step] = STEPS) -> int:
    """Runs the steps; the exit status is 0 if nothing is wrong, 1 if something is, 2 if there is no GPU or no sense in the arguments."""
    try:
        given = parsed(arguments, steps)
    except SystemExit as error:
        return int(error.code or 0)
    with tempfile.TemporaryDirectory() as scratch:
        found = machine(Path(scratch))
    if "missing" in found:
        print(f"gpu-check: {found['missing']}", file=sys.stderr)
        return 2
    folder: Path = given.out
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / "gpu-check.json", "{}")
    except OSError as error:
        print(
            f"gpu-check: --out {told(str(folder))} cannot be written ({error.strerror}); give another folder.",
            file=sys.stderr,
        )
        return 2
    deadline = time.monotonic() + 60 * given.minutes
    report: dict[str, Any] = {
        "gpu_check": 1,
        "version": __version__,
        "kernels": sources.digest(("advance.cuh", "check.cuh", "observe.cuh", "draw.cuh")),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "quick": given.quick,
        "machine": found,
        "steps": [],
    }
    print(f"{found['device']}, compute capability {found['compute_capability']}, CuPy {found['cupy']}", flush=True)
    wanted = [step for step in steps if not given.only or step.name in given.only]
    for step in wanted:
        try:
            entry = result(step, folder, deadline, given.quick, bool(given.only))
        except KeyboardInterrupt:
            print(f"gpu-check: interrupted in {step.name}; {folder} holds what was found before", file=sys.stderr)
            return 130
        report["steps"].append(entry)
        report["faults"] = [each["name"] for each in report["steps"] if each["status"] == FAULT]
        write(folder / "gpu-check.json", json.dumps(report, indent=1))
        write(folder / "report.html", page(report, [each.name for each in wanted]))
        print(f"{step.name:<11}{entry['status']:<14}{entry['seconds']:7.1f} s  {entry['said']}", flush=True)
    print(f"written to {folder}: report.html to read, gpu-check.json to send back", flush=True)
    if report["faults"]:
        print(f"gpu-check: FAULT in {', '.join(report['faults'])}", file=sys.stderr)
        return 1
    return 0
