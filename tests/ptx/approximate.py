"""PTX's approximate functions of floats: anything within the bounds of PTX ISA 9.1, section 9.7.3, "Floating Point Instructions".

``div.approx``, ``div.full`` and ``tanh.approx``, which no kernel has, are not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arithmetic import flush
from .kinds import PtxError


def _relative(bound: float) -> Callable[[Any, Any], Any]:
    return lambda x, exact: bound * np.abs(exact)


def _ulps(count: float) -> Callable[[Any, Any], Any]:
    return lambda x, exact: count * np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)


def _ulps_from_nearest(count: float) -> Callable[[Any, Any], Any]:
    """Beside the error of the float that lies nearest."""
    return lambda x, exact: _ulps(count)(x, exact) + np.abs(exact.astype(np.float32).astype(np.float64) - exact)


def _of_logarithm(x: Any, exact: Any) -> Any:
    return np.where((x > 0.5) & (x < 2), 2.0**-22, 2.0**-22 * np.abs(exact))


def _of_angle(x: Any, exact: Any) -> Any:
    """Beyond 100 pi PTX promises nothing: the widest that there is."""
    near, far = np.abs(x) <= 2 * np.pi, np.abs(x) <= 100 * np.pi
    return np.where(near, 2.0**-20.5, np.where(far, 2.0**-14.7, 2.0))


FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    "rcp": (lambda x: 1 / x, _ulps(1)),  # 9.7.3.13: 1 ulp
    "sqrt": (np.sqrt, _relative(2.0**-23)),  # 9.7.3.15
    "rsqrt": (lambda x: 1 / np.sqrt(x), _relative(2.0**-22.9)),  # 9.7.3.16
    "sin": (np.sin, _of_angle),  # 9.7.3.18: absolute, 2^-20.5 on [-2 pi, 2 pi], 2^-14.7 on [-100 pi, 100 pi]
    "cos": (np.cos, _of_angle),  # 9.7.3.19: the same
    "lg2": (np.log2, _of_logarithm),  # 9.7.3.20: absolute on (0.5, 2), relative beyond
    "ex2": (np.exp2, _ulps_from_nearest(2)),  # 9.7.3.21: 2 ulp from the correctly rounded result
}
"""Opcode -> the function in float64, and how far PTX lets its result be from it, a function of operand and value."""


@dataclass(frozen=True)
class Approximation:
    """Results at a share of the bounds: 0 the nearest float, 1 the farthest that is allowed, on a side that ``seed`` chooses.

    The side is a function of the operand, as a device's error is.
    """

    share: float = 0.0
    seed: int = 0

    def value(self, opcode: str, x: Any) -> Any:
        """``opcode.approx.ftz.f32``. PtxError: it is not known here."""
        if opcode not in FUNCTIONS:
            raise PtxError(f"{opcode}.approx is not known here")
        function, bound = FUNCTIONS[opcode]
        x = flush(np.asarray(x, dtype=np.float32))
        operand = x.astype(np.float64)
        exact = function(operand)
        free = np.isfinite(exact) & (operand != 0)  # of zeros, infinities and NaN the values are given
        room = np.where(free, bound(operand, np.where(free, exact, 0.0)), 0.0)
        side = np.where(self._bits(x), 1.0, -1.0)
        found = (exact + self.share * side * room).astype(np.float32)
        beyond = free & (np.abs(found - exact) > room)  # rounded outwards
        nearest = exact.astype(np.float32)
        inwards = np.nextafter(found, nearest)
        return flush(np.where(beyond, inwards, found))

    def _bits(self, x: Any) -> Any:
        mixed = (x.view(np.uint32) ^ np.uint32(self.seed)) * np.uint32(0x9E3779B1)
        return (mixed ^ mixed >> np.uint32(15)) >> np.uint32(9) & np.uint32(1)


NEAREST = Approximation()
