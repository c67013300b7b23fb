"""Which backend runs: the one asked for, or the fastest present."""

from __future__ import annotations

from functools import cache

from .cpu import CpuEngine
from .numpy import NumpyEngine
from .program import Engine


@cache
def _made(name: str, threads: int | None) -> Engine:
    if name == "cuda":
        from .cuda import CudaEngine

        return CudaEngine()
    return CpuEngine(threads) if name == "cpu" else NumpyEngine()


def choose(name: str, threads: int | None = None) -> tuple[Engine, str]:
    """The engine called ``name``, and why it was taken. ``auto``: cuda, else cpu, else numpy.

    Raises:
        RuntimeError: the backend asked for by name is absent; the message has the remedy.
    """
    if name != "auto":
        return _made(name, threads), f"backend={name!r} was asked for"
    reasons = []
    for candidate in ("cuda", "cpu", "numpy"):
        try:
            engine = _made(candidate, threads)
        except (RuntimeError, ImportError) as error:
            reasons.append(f"no {candidate}: {str(error).splitlines()[0]}")
            continue
        return engine, f"the fastest present{' (' + '; '.join(reasons) + ')' if reasons else ''}"
    raise AssertionError("the numpy backend is always present")
