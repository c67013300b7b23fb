"""Methods that learn the Hessian from gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arithmetic.vec import Array, dot, total
from ..part import NOT_NEGATIVE, scheduled, structure
from ..words import told
from .base import Gradient, Optimizer

__all__ = ["LBFGS"]

LEAST_CURVATURE = 1e-10
"""Of a pair that is remembered, as torch.optim.LBFGS has it."""

MOST_PAIRS = 20
"""Every instance keeps two vectors of each, and a kernel has lines for all of them."""


@dataclass(frozen=True)
class LBFGS(Optimizer):
    """L-BFGS: ``x <- x + lr d``, d by the two-loop recursion over the last ``memory`` pairs of steps s and changes y of the gradient.

    Nocedal (1980); Nocedal and Wright (2006), algorithm 7.4. The initial matrix is ``s.y / y.y`` of the last pair. Without a line search,
    step for step torch.optim.LBFGS(max_iter=1): the first step is ``-lr min(1, 1/|g|_1) g``, and a pair with ``s.y <= 1e-10`` is left
    out, so that d stays a direction of descent where gradients have no noise. Noise of the gradient is in y, and so in the matrix.
    """

    lr: Any = scheduled(1.0, NOT_NEGATIVE)
    memory: int = structure(5, low=1)

    def validate(self) -> None:
        if self.memory > MOST_PAIRS:
            raise ValueError(f"LBFGS(memory={told(self.memory)}): give a whole number from 1 to {MOST_PAIRS}.")

    @property
    def vectors(self) -> tuple[str, ...]:  # type: ignore[override]
        """The last gradient, the last step, and the pairs from the oldest to the newest."""
        pairs = range(self.memory)
        return ("g", "move", *(f"s{k}" for k in pairs), *(f"y{k}" for k in pairs))

    def tables(self, t: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return {"first": np.where(t == 1, 1.0, 0.0)}

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        zero, one = x.dtype.type(0), x.dtype.type(1)
        g = gradient(x)
        change = g - state.g
        keep = (now.first == 0) & (dot(state.move, change) > LEAST_CURVATURE)
        for k in range(self.memory):
            newest = k == self.memory - 1
            for name, new in (("s", state.move), ("y", change)):
                following = new if newest else getattr(state, f"{name}{k + 1}")
                setattr(state, f"{name}{k}", np.where(keep, following, getattr(state, f"{name}{k}")))
        pairs = [(getattr(state, f"s{k}"), getattr(state, f"y{k}")) for k in range(self.memory)]
        with np.errstate(all="ignore"):
            curvatures = [dot(s, y) for s, y in pairs]  # 0 where there is no pair yet
            weights = [np.where(c > 0, one / c, zero) for c in curvatures]
            size = dot(pairs[-1][1], pairs[-1][1])
            d = zero - g
            along = []
            for (s, y), weight in zip(reversed(pairs), reversed(weights), strict=True):
                along.append(weight * dot(s, d))
                d = d - along[-1] * y
            d = np.where(size > 0, curvatures[-1] / size, one) * d
            for (s, y), weight, a in zip(pairs, weights, reversed(along), strict=True):
                d = d + (a - weight * dot(y, d)) * s
            short = total(np.abs(g))
            rate = now.lr * np.where((now.first > 0) & (short > 1), one / short, one)
        state.g = g
        state.move = rate * d
        return x + rate * d
