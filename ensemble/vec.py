"""Whole-vector primitives in NumPy: the twin of ``kernels/base/vec.cuh``, ``reductions.cuh`` and ``moves.cuh``.

Arrays are (instances, dim); reductions return one number for each instance, (instances, 1). Coordinates come in blocks of
four. A reduction goes through a block from first to last, then over the blocks by one binary tree, padded with the neutral
value to a power of two and halved by strides from large to small: NumPy's own ``sum`` and ``dot`` associate differently.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
BLOCK = 4


def blocks(dim: int) -> int:
    """Number of blocks of four that hold ``dim`` coordinates."""
    return -(-dim // BLOCK)


def _reduce(a: Array, op: Callable[[Array, Array], Array], skipped: float, neutral: float) -> Array:
    rows, dim = a.shape
    count = blocks(dim)
    if dim % BLOCK and dim > BLOCK:  # coordinates past the end leave a block's value as it is
        whole = np.full((rows, count * BLOCK), skipped, dtype=a.dtype)
        whole[:, :dim] = a
        a = whole
    width = min(dim, BLOCK)
    part = a[:, 0::width]
    for c in range(1, width):
        part = op(part, a[:, c::width])
    padded = 1 << (count - 1).bit_length()
    if padded != count:
        whole = np.full((rows, padded), neutral, dtype=a.dtype)
        whole[:, :count] = part
        part = whole
    while part.shape[1] > 1:
        half = part.shape[1] // 2
        part = op(part[:, :half], part[:, half:])
    return part.copy() if dim == 1 else part


def total(a: Array) -> Array:
    """Sum over the coordinates of ``a`` (instances, dim): (instances, 1)."""
    return _reduce(a, np.add, -0.0, 0.0)


def dot(a: Array, b: Array) -> Array:
    """Inner product of ``a`` and ``b`` (instances, dim): (instances, 1)."""
    product = a * b
    return total(np.broadcast_to(product, np.broadcast_shapes(product.shape, (1, 1))))


def largest(a: Array) -> Array:
    """Largest coordinate of ``a`` (instances, dim): (instances, 1)."""
    low = float(np.finfo(a.dtype).min)
    return _reduce(a, lambda p, q: np.where(p > q, p, q), low, low)


def smallest(a: Array) -> Array:
    """Smallest coordinate of ``a`` (instances, dim): (instances, 1)."""
    high = float(np.finfo(a.dtype).max)
    return _reduce(a, lambda p, q: np.where(p < q, p, q), high, high)


def lengths(a: Any, xp: Any = np) -> Any:
    """``|a|`` of each row of ``a`` (instances, dim), (instances, 1), for an array of any library ``xp``: the bits of dot."""
    rows, dim = a.shape
    count = blocks(dim)
    whole = xp.zeros((rows, count * BLOCK), dtype=a.dtype)
    whole[:, :dim] = a * a
    part = whole[:, 0::BLOCK]
    for c in range(1, BLOCK):
        part = part + whole[:, c::BLOCK]
    tree = xp.zeros((rows, 1 << (count - 1).bit_length()), dtype=a.dtype)
    tree[:, :count] = part
    while tree.shape[1] > 1:
        half = tree.shape[1] // 2
        tree = tree[:, :half] + tree[:, half:]
    return xp.sqrt(tree)


def first_index(predicate: Array, dtype: Any = np.float64) -> Array:
    """Smallest coordinate number at which ``predicate`` (instances, dim) holds, or dim: (instances, 1)."""
    dim = predicate.shape[1]
    return smallest(np.where(predicate, np.arange(dim, dtype=dtype), np.asarray(dim, dtype=dtype)))


def shift(a: Array, k: int) -> Array:
    """Coordinate i of the result is ``a[:, i + k]``, zero past the ends."""
    result = np.zeros_like(a)
    if abs(k) < a.shape[1]:
        if k > 0:
            result[:, :-k] = a[:, k:]
        else:
            result[:, -k:] = a[:, :k]
    return result


def butterfly(a: Array) -> Array:
    """The unnormalised Walsh-Hadamard transform of ``a`` (instances, dim), dim a power of two.

    Raises:
        ValueError: dim is not a power of two.
    """
    rows, dim = a.shape
    if dim & (dim - 1):
        raise ValueError(f"butterfly was given {dim} coordinates; give a power of two.")
    s = 1
    while s < dim:
        pairs = a.reshape(rows, dim // (2 * s), 2, s)
        a = np.stack([pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]], axis=2).reshape(rows, dim)
        s *= 2
    return a
