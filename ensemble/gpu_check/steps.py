"""The steps of ``gpu-check``: what each runs, how long it may take, and whether what it needs is here."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
CHECKOUT = PACKAGE.parent
TOOLS = ("/usr/local/cuda/bin", "/opt/cuda/bin")
"""Where NVIDIA's tools are that are not on the path."""

Command = tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """``command`` makes what is run, given the folder of results, or says in a text what is lacking for it.

    ``rows``: what it prints are results, one JSON object a line; ``read`` finds them in what it wrote into the folder. ``quick``: part
    of ``--quick``, with that argument if it prints rows. ``excused``: words of its output that say that the machine does not allow it.
    """

    name: str
    what: str
    seconds: float
    command: Callable[[Path], Command | str]
    rows: bool = False
    read: Callable[[Path], list[dict[str, Any]]] | None = None
    quick: bool = False
    excused: str = ""


def module(name: str, *arguments: str) -> Command:
    return (sys.executable, "-m", f"ensemble{name}", *arguments)


def tool(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(TOOLS))


def is_here(*names: str) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in names)


def _tests(out: Path) -> Command | str:
    if not (CHECKOUT / "tests" / "test_device.py").is_file():
        return "not installed: the tests are in a checkout of the repository"
    if not is_here("pytest"):
        return "not installed: pytest"
    tests = str(CHECKOUT / "tests")
    return (sys.executable, "-m", "pytest", "-m", "gpu", "-p", "no:cacheprovider", "--maxfail", "8", tests)


def _sanitizer(check: str) -> Callable[[Path], Command | str]:
    def command(out: Path) -> Command | str:
        found = tool("compute-sanitizer")
        if found is None:
            return "not installed: compute-sanitizer"
        flags = ("--tool", check, "--error-exitcode", "9", "--print-limit", "20")
        return (found, *flags, *module(".gpu_check.forms", "--no-pool"))

    return command


def _profile(dim: int) -> Callable[[Path], Command | str]:
    def command(out: Path) -> Command | str:
        found = tool("ncu")
        if found is None:
            return "not installed: ncu"
        flags = ("--clock-control", "none", "--kernel-name", "advance", "--launch-skip", "3", "--launch-count", "1")
        return (found, *flags, "--set", "full", *module(".gpu_check.rates", "--one", str(dim)))

    return command


def _peers(out: Path) -> Command | str:
    study = CHECKOUT / "studies" / "performance.py"
    if not study.is_file():
        return "not installed: the comparison is in a checkout of the repository"
    if not (is_here("jax", "optax") or is_here("torch")):
        return "not installed: JAX and optax, or PyTorch"
    if not is_here("typer", "matplotlib"):
        return "not installed: typer and matplotlib"
    options = ("--quick", "--only", "cells", "--backend", "cuda", "--out", str(out / "peers"))
    return (sys.executable, str(study), *options)


def _contestants(out: Path) -> list[dict[str, Any]]:
    """Ours and others' rates for each piece of work, and how many times theirs ours is."""
    found = []
    for cell in json.loads((out / "peers" / "performance.json").read_text())["cells"]:
        (ours, *others) = cell["contestants"]
        for one in (ours, *others):
            row = {"work": cell["label"], "who": one["name"], "rate": one["rate"], "times": ours["rate"] / one["rate"]}
            found.append(row | {"largest z of its moments": one["max_z"]})
    return found


STEPS = (
    Step("self-check", "known answers, bits and a law on every backend", 300, lambda _: module(""), quick=True),
    Step(
        "bits",
        "every form of a kernel against the bits of NumPy",
        300,
        lambda _: module(".gpu_check.forms"),
        rows=True,
        quick=True,
    ),
    Step(
        "rates",
        "coordinate-steps a second, and their share of the counted ceiling",
        300,
        lambda _: module(".gpu_check.rates"),
        rows=True,
        quick=True,
    ),
    Step("tests", "the tests that need a GPU", 900, _tests),
    *(
        Step(check, f"compute-sanitizer's {check}", 300, _sanitizer(check))
        for check in ("memcheck", "racecheck", "synccheck", "initcheck")
    ),
    *(
        Step(f"ncu-{dim}", f"a profile of Adam at {dim} coordinates", 180, _profile(dim), excused="ERR_NVGPUCTRPERM")
        for dim in (16, 1024)
    ),
    Step("peers", "the same work in JAX, PyTorch and NumPy", 600, _peers, read=_contestants),
)
