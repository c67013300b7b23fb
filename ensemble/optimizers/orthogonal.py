"""Methods whose steps are orthogonal matrices."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..arithmetic.matrices import product, times
from ..arithmetic.vec import Array, larger, length, total
from ..part import FRACTION, NOT_NEGATIVE, data, flag, number, scheduled, structure
from ..schedules import at_steps
from ..words import told
from .base import Gradient, Optimizer

__all__ = ["Muon"]

MOST_SHORT = 8
"""Numbers along the shorter side of a matrix: every lane holds the square of so many products."""

JORDAN = (3.4445, -4.7750, 2.0315)
"""Coefficients by which small singular values grow fastest; they end between 0.7 and 1.2, not at 1."""


@dataclass(frozen=True)
class Muon(Optimizer):
    """Muon: momentum made orthogonal, ``m <- beta m + (1 - beta) g; x <- x - lr scale O(beta m + (1 - beta) g)``.

    Jordan and others (2024), kellerjordan.github.io/posts/muon; torch.optim.Muon, which works in bfloat16. The coordinates are matrices
    of ``rows`` rows of ``row_length`` numbers, one after another; rows None: one matrix. ``scale`` is ``sqrt(max(1, rows / row_length))``.
    ``O`` leaves the singular vectors of each matrix and sends its singular values s, as ``s / max(|.|_F, eps)``, ``iterations`` times
    through the polynomial ``a s + b s^3 + c s^5`` with the ``coefficients`` (a, b, c): Newton and Schulz's iteration, without a
    decomposition. Jordan's, the default, lead into 0.7 to 1.2; (1.5, -0.5, 0) and more iterations lead to 1, and so to the nearest
    orthogonal matrix, the direction of steepest descent in the spectral norm. Of one row or one column ``O`` is the direction.
    ``nesterov=False`` makes ``m`` itself orthogonal. The shorter side has at most 8 numbers. With ``eps = 0``: 0/0 is taken as 0.
    """

    scratch = 4
    vectors = ("m",)

    lr: Any = scheduled(domain=NOT_NEGATIVE)
    row_length: int = structure(low=1)
    rows: int | None = structure(None, low=1)
    beta: Any = scheduled(0.95, FRACTION)
    iterations: int = structure(5, low=1)
    nesterov: bool = flag(True)
    coefficients: Any = data(JORDAN)
    eps: float = number(1e-7, NOT_NEGATIVE)

    def validate(self) -> None:
        if self.coefficients.shape != (3,):
            raise ValueError(
                f"Muon(coefficients={told(self.coefficients.tolist())}): give three numbers (a, b, c), such as (1.5, -0.5, 0)."
            )
        if self.row_length > MOST_SHORT and (self.rows or 1) > MOST_SHORT:
            raise ValueError(
                f"Muon(rows={told(self.rows)}, row_length={told(self.row_length)}): give at most {MOST_SHORT} rows, or rows of at most "
                f"{MOST_SHORT} numbers."
            )

    def at_dim(self, dim: int) -> Self:
        """This rule with ``rows`` filled in; ValueError where its matrices do not fill ``dim`` coordinates."""
        rows = self.rows or max(1, dim // self.row_length)
        if dim % (rows * self.row_length):
            raise ValueError(
                f"Muon(rows={told(self.rows)}, row_length={told(self.row_length)}) on {dim} coordinates: give sides whose product "
                f"divides {dim}."
            )
        return self if self.rows else dataclasses.replace(self, rows=rows)

    def constants(self) -> Mapping[str, float]:
        a, b, c = self.coefficients.tolist()
        return {"a": a, "b": b, "c": c, "scale": math.sqrt(max(1.0, (self.rows or 1) / self.row_length))}

    def tables(self, t: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        return {"gain": 1.0 - at_steps(self.beta, t)}

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        seen: Any = self
        g = gradient(x)
        state.m = now.beta * state.m + now.gain * g
        direction = now.beta * state.m + now.gain * g if self.nesterov else state.m
        return x - (now.lr * seen.scale) * self._orthogonal(direction)

    def _orthogonal(self, direction: Array) -> Array:
        """Every matrix of ``direction`` (instances, dim) with its singular values led towards 1."""
        seen: Any = self
        rows, row_length = seen.rows, self.row_length
        size, wide = rows * row_length, row_length > rows
        result = np.zeros_like(direction)
        for first in range(0, direction.shape[1], size):
            own = slice(first, first + size)

            def flat(m: Array, own: slice = own) -> Array:
                whole = np.zeros_like(direction)
                whole[:, own] = (m.transpose(0, 2, 1) if wide else m).reshape(-1, size)
                return whole

            m = direction[:, own].reshape(-1, rows, row_length)
            m = m.transpose(0, 2, 1) if wide else m  # (instances, longer side, shorter side)
            with np.errstate(all="ignore"):
                size_of = larger(length(flat(m)), self.eps)
                m = m / np.where(size_of > 0, size_of, direction.dtype.type(1))[:, :, None]
                for _ in range(self.iterations):
                    m = _towards_one(m, flat, seen.a, seen.b, seen.c)
            result = result + flat(m)
        return result


def _towards_one(m: Array, flat: Any, a: Any, b: Any, c: Any) -> Array:
    """``a m + m (b m^T m + c (m^T m)^2)``; ``flat`` lays a matrix out along the coordinates, over which sums run."""
    short = m.shape[2]
    gram = np.empty((m.shape[0], short, short), dtype=m.dtype)
    for i in range(short):
        for j in range(i, short):
            products = np.zeros_like(m)
            products[:, :, i] = m[:, :, i] * m[:, :, j]
            gram[:, i, j] = gram[:, j, i] = total(flat(products))[:, 0]
    a, b, c = (np.asarray(number, m.dtype).reshape(-1, 1, 1) for number in (a, b, c))
    return a * m + times(m, b * gram + c * product(gram, gram))
