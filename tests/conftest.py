"""What several test files share."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from ensemble.backends.choice import choose

HAS_COMPILER = any(shutil.which(name) for name in ("g++", "clang++", "c++"))
PRINTED = "printed"


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """The whole suite runs in a process for each core, a file at a time, where pytest-xdist is installed.

    What names files, a debugger or a number of processes (``-n 0``) runs as it says; so does each of those processes, which
    is told the whole suite too. Tests on a GPU are spread one by one, files or not: compiling takes most of their time.
    """
    if hasattr(config, "workerinput"):
        return
    gpu = config.option.markexpr == "gpu"
    whole = gpu or config.args_source is pytest.Config.ArgsSource.TESTPATHS
    asked = getattr(config.option, "numprocesses", 0)
    if whole and asked is None and not config.option.usepdb and (cores := usable_cores()) > 1:
        config.option.numprocesses, config.option.dist = min(cores, 8), "load" if gpu else "loadfile"
        config.option.loadscopereorder = False  # files with few tests are those that take long: they would come last


def pytest_configure() -> None:
    """Ctrl-C is for tests that send it, too, where a shell has started this by ``pytest &`` and has it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_itemcollected(item: pytest.Item) -> None:
    """What is marked ``ci`` is slow, and ``.ci/run`` takes it all the same, but for cases that are marked ``slow`` by themselves."""
    if item.get_closest_marker("ci") is None:
        return
    if item.get_closest_marker("slow") is None:
        item.add_marker("slow")
    else:
        item.own_markers = [mark for mark in item.own_markers if mark.name != "ci"]


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.fixture
def printed(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Shows a text at the end of the run, from whichever process the test runs in."""
    return lambda text: request.node.user_properties.append((PRINTED, text))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for reports in terminalreporter.stats.values():
        for one in reports:
            if getattr(one, "when", None) == "call":
                for name, text in one.user_properties:
                    if name == PRINTED:
                        terminalreporter.write_line(text)


@pytest.fixture(scope="session")
def cpu():
    """The cpu engine; tests that ask for it are skipped where there is no compiler."""
    if not HAS_COMPILER:
        pytest.skip("no C++ compiler on PATH")
    return choose("cpu")[0]


@pytest.fixture(scope="session")
def compile_together():
    """Runs small simulations two at a time, so that what they compile is ready, and sooner than one after another."""

    def run(simulations):
        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(simulation) for simulation in simulations]:
                future.result()

    return run
