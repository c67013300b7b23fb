"""The algebra that parts are written in: what acts on all coordinates of all instances at once, the same on every backend.

In a method of a part, vectors are (instances, dim) and numbers of instances (instances, 1); in a function given to
:func:`ensemble.landscape`, (dim,) and single numbers. NumPy's functions of the same names mean the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .arithmetic.elementary import cos, exp, log, sin, tanh
from .arithmetic.elementary import pow as _pow
from .arithmetic.primitive import primitive, working
from .arithmetic.vec import Array, dot, first_index, largest, maximum, minimum, shift, smallest, total

__all__ = [
    "absolute",
    "at",
    "cos",
    "dim",
    "dot",
    "exp",
    "first_index",
    "index",
    "largest",
    "log",
    "maximum",
    "minimum",
    "power",
    "shift",
    "sin",
    "smallest",
    "sqrt",
    "tanh",
    "total",
    "where",
]


@primitive
def index(x: Array) -> Array:
    """The number of each coordinate of ``x`` (instances, dim), from 0: (1, dim), in the type of x."""
    return np.arange(x.shape[-1], dtype=x.dtype)[None, :]


@primitive
def dim(x: Array) -> Any:
    """How many coordinates ``x`` (instances, dim) has, a number in the type of x."""
    return x.dtype.type(x.shape[-1])


@primitive
def at(x: Array, i: int) -> Array:
    """Coordinate ``i`` of ``x`` (instances, dim): (instances, 1). Below 0 it counts from the end.

    Raises:
        IndexError: x has no such coordinate.
    """
    if not -x.shape[-1] <= i < x.shape[-1]:
        raise IndexError(
            f"at(x, {i}): x has {x.shape[-1]} coordinates; give one of {-x.shape[-1]} ... {x.shape[-1] - 1}."
        )
    place = i % x.shape[-1]
    return x[..., place : place + 1]


@primitive
def where(condition: Array, a: Any, b: Any) -> Array:
    """``a`` where ``condition`` holds and ``b`` elsewhere, for each coordinate or each instance."""
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):  # no array says in which type
        return np.where(condition, working.get()(a), working.get()(b))
    return np.where(condition, a, b)


@primitive
def sqrt(a: Array) -> Array:
    """The square root of each number; NaN below 0."""
    with np.errstate(invalid="ignore"):
        return np.sqrt(a)


@primitive
def absolute(a: Array) -> Array:
    """The size of each number."""
    return np.abs(a)


@primitive
def power(base: Array, exponent: Any) -> Array:
    """``base`` to the power ``exponent`` for bases above 0, to a few units in the last place. Whole powers are ``x**3``."""
    base, exponent = np.broadcast_arrays(base, np.asarray(exponent, dtype=np.asarray(base).dtype))
    return _pow(base, exponent)
