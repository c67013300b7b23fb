"""Devices that are not there, for tests of the CUDA backend itself: ``standin/cupy``, in place of CuPy."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ensemble.backends import choice

FOLDER = Path(__file__).parent / "standin"
needs_nvrtc = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the NVRTC wheel these tests use is for Linux x86-64",
)


def _modules() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] in ("cupy", "cupyx")]


@pytest.fixture
def two_devices(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The stand-in for CuPy, with two devices, and no engine made before."""
    for name in _modules():
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("STANDIN_DEVICES", "2")
    choice._made.cache_clear()
    import cupy

    yield cupy
    choice._made.cache_clear()
    for name in _modules():
        del sys.modules[name]
