"""Primitives: the operations of whole-vector algebra. They compute with arrays, and are recorded where symbols stand for them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np

working: ContextVar[type[np.floating[Any]]] = ContextVar("working", default=np.float64)
"""The type in which a step is computed in NumPy: what a choice between two plain numbers is made in."""

_OVER_COORDINATES = frozenset({"total", "dot", "largest", "smallest", "product", "at", "shift", "index"})
"""Primitives that know instances from coordinates; of one point (dim,) they return one number, or (dim,)."""


def _of_point(name: str, function: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    arrays = (np.asarray(a)[None] if getattr(a, "ndim", 0) == 1 else a for a in arguments)
    found = function(*arrays, **options)
    return found[0] if name in ("shift", "index") else found[0, 0]


F = TypeVar("F", bound=Callable[..., Any])


class Recorded:
    """What stands for an array while a method is recorded (``tracing/symbols.py``)."""

    def recorded(self, name: str, *arguments: Any) -> Any:
        """What stands for the result of the primitive ``name`` on ``arguments``."""
        raise NotImplementedError


@contextmanager
def computed_in(dtype: np.dtype[Any]) -> Iterator[None]:
    """Within it, steps are computed in ``dtype``."""
    token = working.set(dtype.type)
    try:
        yield
    finally:
        working.reset(token)


def primitive(function: F) -> F:
    """A function of arrays that is recorded, by its name, where one of its arguments stands for an array."""
    name = function.__name__

    @functools.wraps(function)
    def called(*arguments: Any, **options: Any) -> Any:
        seen: type[np.ndarray[Any, Any]] | None = None
        for argument in arguments:
            if isinstance(argument, Recorded):
                return argument.recorded(name, *arguments, *options.values())
            if isinstance(argument, np.ndarray) and type(argument) is not np.ndarray:
                seen = type(argument)
        if name in _OVER_COORDINATES and max((getattr(a, "ndim", 0) for a in arguments), default=0) == 1:
            return _of_point(name, function, arguments, options)
        if seen is None:
            return function(*arguments, **options)
        plain = (a.view(np.ndarray) if isinstance(a, np.ndarray) else a for a in arguments)
        found = function(*plain, **options)
        return tuple(_seen(f, seen) for f in found) if isinstance(found, tuple) else _seen(found, seen)

    return called  # type: ignore[return-value]


def _seen(found: Any, kind: type[np.ndarray[Any, Any]]) -> Any:
    return np.asarray(found).view(kind) if isinstance(found, (np.ndarray, np.generic)) else found
