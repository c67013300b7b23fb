"""Which backend runs: the one asked for, or the fastest present."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from functools import cache

from ..classes import read
from ..part import Part
from .cpu import CpuEngine
from .libraries import say_once
from .numpy import NumpyEngine
from .program import Engine
from .twins import NoTwinError, twin_of


@cache
def _made(name: str, threads: int | None, device: int = 0) -> Engine:
    if name == "cuda":
        from .cuda import CudaEngine

        return CudaEngine()
    return CpuEngine(threads) if name == "cpu" else NumpyEngine()


def _engine(name: str, threads: int | None) -> Engine:
    """The engine of that name; of several GPUs, that of the thread's current one."""
    if name != "cuda":
        return _made(name, threads)
    from .cuda import current_device

    return _made(name, threads, current_device())


def every_engine(engine: Engine) -> list[Engine]:
    """An engine of the same kind for every device of this machine; where it is the processor, that one."""
    if engine.name != "cuda":
        return [engine]
    from .cuda import each_device

    return [_made("cuda", None, number) for number in each_device()]


def check_python_goes_on() -> None:
    """Raises RuntimeError where Python takes itself down: then nothing can be imported or started."""
    if sys.is_finalizing():
        raise RuntimeError("Python is ending and can run nothing more; run it before, or by atexit.register.")


def choose(name: str, threads: int | None = None, parts: Iterable[Part] = ()) -> tuple[Engine, str]:
    """The engine called ``name``, and why it was taken. ``auto``: cuda, else cpu, else numpy; numpy where one of ``parts`` has no
    CUDA struct, with a warning that says so. ``cuda`` is the thread's current device.

    Where ``auto`` finds no compiler, or a backend that is there and does not work, it warns, once for each process.

    Raises:
        RuntimeError: the backend asked for by name is absent, the message has the remedy; or Python is ending.
        NoTwinError: a part has no struct for the backend asked for by name.
    """
    check_python_goes_on()
    read.cache_clear()
    lacking = "" if name == "numpy" else _lacking(parts, name)
    if name != "auto":
        return _engine(name, threads), f"backend={name!r} was asked for"
    if lacking:
        warnings.warn(f"backend='auto' takes numpy: {lacking}", stacklevel=5)
        return _made("numpy", threads), f"only numpy can: {lacking}"
    reasons: list[str] = []
    for candidate in ("cuda", "cpu", "numpy"):
        try:
            engine = _engine(candidate, threads)
        except (RuntimeError, ImportError) as error:
            reasons.append(f"no {candidate}: {str(error).splitlines()[0]}")
            if getattr(error, "worth_a_warning", True):
                say_once(f"backend='auto' goes without {candidate}: {str(error).splitlines()[0]}")
            continue
        return engine, f"the fastest present{' (' + '; '.join(reasons) + ')' if reasons else ''}"
    raise AssertionError("the numpy backend is always present")


def _lacking(parts: Iterable[Part], name: str) -> str:
    """Why a compiled backend cannot run the parts; empty: it can."""
    for part in parts:
        try:
            twin_of(part)
        except NoTwinError as error:
            if name != "auto":
                raise NoTwinError(f"backend={name!r}: {error}") from None
            return str(error)
    return ""
