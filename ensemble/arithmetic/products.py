"""Products over the coordinates, and for each coordinate the product of all others: the twin of ``kernels/base/products.cuh``.

Arrays are (instances, dim). The tree is the reductions': blocks of four from first to last, then over the blocks halves by
strides from large to small.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .primitive import primitive
from .vec import BLOCK, Array, _reduce, blocks


@primitive
def product(a: Array) -> Array:
    """Product over the coordinates of ``a`` (instances, dim): (instances, 1)."""
    return _reduce(a, np.multiply, 1.0, 1.0)


class _Dual:
    """A number and its derivative along a direction; ``slope`` None: the number alone."""

    def __init__(self, value: Array, slope: Array | None = None) -> None:
        self.value, self.slope = value, slope

    def __mul__(self, other: _Dual) -> _Dual:
        value = self.value * other.value
        if self.slope is None or other.slope is None:
            return _Dual(value)
        return _Dual(value, self.value * other.slope + self.slope * other.value)

    def __getitem__(self, index: Any) -> _Dual:
        return _Dual(self.value[index], None if self.slope is None else self.slope[index])


def _one(like: _Dual) -> _Dual:
    return _Dual(np.ones_like(like.value), None if like.slope is None else np.zeros_like(like.value))


@primitive
def others(a: Array) -> Array:
    """Coordinate i of the result is the product of all coordinates of ``a`` (instances, dim) but the i-th. They may be 0."""
    return _others(a, None)[0]


@primitive
def others_change(a: Array, slope: Array) -> Array:
    """How :func:`others` changes as ``a`` (instances, dim) changes along ``slope`` (instances, dim)."""
    return _others(a, slope)[1]


def _others(a: Array, slope: Array | None) -> tuple[Array, Array]:
    """The products, and their derivative along ``slope``; no division."""
    rows, dim = a.shape
    width, count = min(dim, BLOCK), blocks(dim)
    leaves = 1 << (count - 1).bit_length()

    def padded(given: Array, fill: float) -> Array:
        whole = np.full((rows, leaves * width), fill, dtype=given.dtype)
        whole[:, :dim] = given
        return whole.reshape(rows, leaves, width)

    each = _Dual(padded(a, 1.0), None if slope is None else padded(slope, 0.0))
    part = each[:, :, 0]
    for c in range(1, width):
        part = part * each[:, :, c]
    outside, leaf, stride = _one(part), np.arange(leaves), leaves // 2
    while stride:
        outside = outside * part[:, (leaf & (2 * stride - 1)) ^ stride]
        part = part[:, :stride] * part[:, stride:]
        stride //= 2
    rest, change = np.empty_like(each.value), np.empty_like(each.value)
    before = _one(each[:, :, 0])
    for c in range(width):
        after = _one(each[:, :, 0])
        for k in range(c + 1, width):
            after = after * each[:, :, k]
        found = before * after * outside
        rest[:, :, c] = found.value
        if found.slope is not None:
            change[:, :, c] = found.slope
        before = before * each[:, :, c]
    flat = rest.reshape(rows, -1)[:, :dim]
    return flat, change.reshape(rows, -1)[:, :dim]
