"""The highest point of a landscape in a small box or ball around many points at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..run.field import Field
from .eigenvalues import extreme_pairs
from .lifetimes import BoolArray, FloatArray, check_whole
from .points import Probes, chunks

_AT_REST = 1e-6
"""A last step that adds less than this share of the rise: the ascent has come to rest."""


@dataclass(frozen=True)
class Box:
    """All y with `|y_k| <= widths_k`; widths (points, dim)."""

    widths: FloatArray

    def part(self, here: slice) -> Box:
        return Box(self.widths[here])

    def size(self, count: int) -> FloatArray:
        """What a unit of u is in y = size u, (points, dim) or (points, 1)."""
        return self.widths

    def fit(self, u: FloatArray) -> FloatArray:
        """The nearest u inside."""
        return np.clip(u, -1.0, 1.0)

    def top(self, slope: FloatArray) -> FloatArray:
        """The u at which a linear function of this slope is largest."""
        return np.sign(slope)


@dataclass(frozen=True)
class Ball:
    """All y with `|y| <= radius`."""

    radius: float

    def part(self, here: slice) -> Ball:
        return self

    def size(self, count: int) -> FloatArray:
        return np.full((count, 1), self.radius)

    def fit(self, u: FloatArray) -> FloatArray:
        return u / np.maximum(_length(u), 1.0)

    def top(self, slope: FloatArray) -> FloatArray:
        length = _length(slope)
        return slope / np.where(length > 0, length, 1.0)


def highest(
    field: Field, x: FloatArray, region: Box | Ball, starts: int, steps: int, seed: int
) -> tuple[FloatArray, BoolArray]:
    """Return how far f rises in the region around x (points, dim), at least 0, and whether the ascent came to rest.

    Each step takes the better of two points, if it is higher: where the linear part is largest (for a convex f it always
    rises), and a step along the gradient put back into the region, its length halved where it does not rise.
    """
    check_whole("starts", starts, 0, "the whole number of random points to start from, 0 to 10,000", 10_000)
    check_whole("steps", steps, 1, "a whole number of 1 to 10,000 steps of ascent", 10_000)
    rise, settled = np.zeros(len(x)), np.ones(len(x), dtype=bool)
    for part in chunks(len(x), 8 * 16 * field.dim):
        here, local = x[part], region.part(part)
        base = _values(field, here)
        sharpest = extreme_pairs(field, here, 1.0, seed=seed).vector
        slope = local.size(len(here)) * field.fetch(field.gradients(field.place(here)))
        probes = Probes(seed, part.start, part.stop - part.start, field.dim)
        first = [local.top(slope), local.top(sharpest), local.top(-sharpest)]
        first += [local.fit(probes.uniform(1 + number)) for number in range(starts)]
        for u in first:
            top, rest = _climb(field, here, local, u, base, steps)
            better = top > rise[part]
            rise[part] = np.where(better, top, rise[part])
            settled[part] = np.where(better, rest, settled[part])
    return rise, settled


def _climb(
    field: Field, x: FloatArray, region: Box | Ball, u: FloatArray, base: FloatArray, steps: int
) -> tuple[FloatArray, BoolArray]:
    """Return the rise above `base` from one start u (points, dim), and whether the last step added next to nothing."""
    size = region.size(len(x))
    rise = _values(field, x + size * u) - base
    stride = np.ones((len(x), 1))
    gained = rise
    for _ in range(steps):
        slope = size * field.fetch(field.gradients(field.place(x + size * u)))
        length = _length(slope)
        along = region.fit(u + stride * slope / np.where(length > 0, length, 1.0))
        corner = region.top(slope)
        risen, jumped = (_values(field, x + size * v) - base for v in (along, corner))
        stride = np.where((risen > rise)[:, None], np.minimum(2.0 * stride, 4.0 * u.shape[1] ** 0.5), 0.5 * stride)
        chosen = np.where((jumped >= risen)[:, None], corner, along)
        best = np.maximum(risen, jumped)
        better = best > rise
        u = np.where(better[:, None], chosen, u)
        gained = np.where(better, best - rise, 0.0)
        rise = np.where(better, best, rise)
    return rise, gained <= _AT_REST * np.abs(rise)


def _values(field: Field, x: FloatArray) -> FloatArray:
    """Return f (points,) in float64, minus infinity where it is not a number."""
    value = field.fetch(field.values(field.place(x))).astype(np.float64)
    return np.where(np.isnan(value), -np.inf, value)


def _length(a: FloatArray) -> FloatArray:
    """Return lengths (points, 1); squares of what is large or small would be none."""
    size = np.abs(a).max(axis=1, keepdims=True)
    size = np.where((size > 0) & np.isfinite(size), size, 1.0)
    length: FloatArray = size * np.sqrt(((a / size) ** 2).sum(axis=1, keepdims=True))
    return length
