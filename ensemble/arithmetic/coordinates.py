"""Arrays as a user's own methods see them: NumPy's functions compute what the kernels compute, to the bit.

NumPy's ``exp`` or ``x**3`` differ from the kernels' in the last bit, and from themselves on other machines; a choice between two
plain numbers would be made in float64. Here ``np.exp(x)`` is :func:`~ensemble.arithmetic.elementary.exp`, a whole power is
repeated multiplication, and a choice is made in the program's type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import elementary, vec
from .primitive import working


def whole_power(x: Any, n: int) -> Any:
    """``x`` to the whole power ``n`` by squaring: the same products wherever it is written."""
    if n < 0:
        return 1.0 / whole_power(x, -n)
    if n == 0:
        return x * 0.0 + 1.0
    if n == 1:
        return x
    half = whole_power(x, n // 2)
    return half * half * x if n % 2 else half * half


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(exponent, (int, float, np.integer)) and float(exponent).is_integer():
        return whole_power(base, int(exponent))
    if isinstance(exponent, float) and exponent == 0.5:
        return np.sqrt(base)
    dtype = np.result_type(base) if not isinstance(base, (int, float)) else np.result_type(exponent)
    return elementary.pow(*np.broadcast_arrays(np.asarray(base, dtype=dtype), np.asarray(exponent, dtype=dtype)))


_OURS: dict[Any, Callable[..., Any]] = {
    np.exp: elementary.exp,
    np.log: elementary.log,
    np.tanh: elementary.tanh,
    np.sin: elementary.sin,
    np.cos: elementary.cos,
    np.maximum: vec.maximum,
    np.minimum: vec.minimum,
    np.power: _power,
    np.square: lambda a: a * a,
    np.reciprocal: lambda a: 1.0 / a,
    np.sign: vec.sign,
}


class Coordinates(np.ndarray[Any, Any]):
    """An array whose functions are the kernels'."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [a.view(np.ndarray) if isinstance(a, Coordinates) else a for a in inputs]
        out = options.get("out")
        if ufunc in _OURS and method == "__call__" and not options:
            found = _OURS[ufunc](*plain)
        else:
            if out is not None:
                options["out"] = tuple(a.view(np.ndarray) if isinstance(a, Coordinates) else a for a in out)
            found = getattr(ufunc, method)(*plain, **options)
        if out is not None:
            return out[0]
        if isinstance(found, tuple):
            return tuple(_seen(a) for a in found)
        return _seen(found)

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        if function is np.where and len(arguments) == 3 and all(isinstance(a, (int, float)) for a in arguments[1:]):
            arguments = (arguments[0], *(working.get()(a) for a in arguments[1:]))
        return super().__array_function__(function, types, arguments, options)


def _seen(found: Any) -> Any:
    return np.asarray(found).view(Coordinates) if isinstance(found, (np.ndarray, np.generic)) else found


def as_coordinates(a: NDArray[Any]) -> Coordinates:
    """The same numbers as a user's own methods see them."""
    return np.asarray(a).view(Coordinates)
