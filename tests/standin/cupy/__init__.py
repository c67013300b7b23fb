"""What the library uses of CuPy, on devices that are not there: a stand-in, found where this folder's parent is on the path.

Kernels are compiled by NVRTC with the options that they are given and those that CuPy adds, and their PTX is executed by
``tests/ptx``. Arrays lie in the host's memory, between guards, each on a device of its own: what CuPy refuses is refused, such as an
array of another device than the thread's current one, or one of NumPy's among the device's. ``$STANDIN_DEVICES`` says how many
devices there are, ``$STANDIN_NAME`` what they are called, ``$STANDIN_TIMEOUT`` whether they have a display's watchdog. Nothing here
knows the library.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

TESTS = str(Path(__file__).parents[2])
if TESTS not in sys.path:
    sys.path.append(TESTS)

from . import cuda  # noqa: E402
from .arrays import arange, asarray, ascontiguousarray, asnumpy, bare, empty, full, made, ndarray, zeros  # noqa: E402
from .kernels import RawModule  # noqa: E402
from .memory import PINNED, POOL  # noqa: E402

__version__ = "14.2.0+standin"
__all__ = [
    "RawModule",
    "arange",
    "asarray",
    "ascontiguousarray",
    "asnumpy",
    "cuda",
    "empty",
    "full",
    "get_default_memory_pool",
    "get_default_pinned_memory_pool",
    "ndarray",
    "zeros",
]


def get_default_memory_pool() -> Any:
    return POOL


def get_default_pinned_memory_pool() -> Any:
    return PINNED


def __getattr__(name: str) -> Any:
    """NumPy's functions, of the device's arrays."""
    if name.startswith("_"):
        raise AttributeError(name)
    function = getattr(np, name)
    return lambda *given, **named: made(function(*(bare(each) for each in given), **named))
