"""What several test files share."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from ensemble.backends.choice import choose

HAS_COMPILER = any(shutil.which(name) for name in ("g++", "clang++", "c++"))


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
