"""Whole-vector primitives in NumPy: the twin of ``kernels/base/vec.cuh``, ``reductions.cuh``, ``lengths.cuh`` and ``moves.cuh``.

Arrays are (instances, dim); reductions return one number for each instance, (instances, 1). Coordinates come in blocks of
four. A reduction goes through a block from first to last, then over the blocks by one binary tree, padded with the neutral
value to a power of two and halved by strides from large to small: NumPy's own ``sum`` and ``dot`` associate differently.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .primitive import primitive

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


@primitive
def in_type_of(x: Array, given: Any) -> Array:
    """``given``, a number or one for each coordinate, as an array in the type of x."""
    return np.asarray(given, dtype=x.dtype)


@primitive
def total(a: Array) -> Array:
    """Sum over the coordinates of ``a`` (instances, dim): (instances, 1)."""
    return _reduce(a, np.add, -0.0, 0.0)


@primitive
def dot(a: Array, b: Array) -> Array:
    """Inner product of ``a`` and ``b`` (instances, dim): (instances, 1)."""
    product = a * b
    return total(np.broadcast_to(product, np.broadcast_shapes(product.shape, (1, 1))))


@primitive
def larger(a: Array, b: Any) -> Array:
    """The larger of each two numbers; where ``a`` is NaN, NaN, so that divergence is seen."""
    return np.where(a < b, b, a)


@primitive
def smaller(a: Array, b: Any) -> Array:
    """The smaller of each two numbers; where ``a`` is NaN, NaN, so that divergence is seen."""
    return np.where(a > b, b, a)


@primitive
def sign(a: Array) -> Array:
    """-1, 0 or 1 for each number; NaN stays NaN."""
    one = a.dtype.type(1)
    return np.where(a > 0, one, np.where(a < 0, -one, a.dtype.type(0) * a))


@primitive
def maximum(a: Array, b: Any) -> Array:
    """The larger of each two numbers, NaN where one of them is: NumPy's maximum."""
    return np.where((a >= b) | (a != a), a, b)


@primitive
def minimum(a: Array, b: Any) -> Array:
    """The smaller of each two numbers, NaN where one of them is: NumPy's minimum."""
    return np.where((a <= b) | (a != a), a, b)


@primitive
def largest(a: Array) -> Array:
    """Largest coordinate of ``a`` (instances, dim): (instances, 1)."""
    low = float(np.finfo(a.dtype).min)
    return _reduce(a, lambda p, q: np.where(p > q, p, q), low, low)


@primitive
def smallest(a: Array) -> Array:
    """Smallest coordinate of ``a`` (instances, dim): (instances, 1)."""
    high = float(np.finfo(a.dtype).max)
    return _reduce(a, lambda p, q: np.where(p < q, p, q), high, high)


@dataclass(frozen=True)
class Rescaling:
    """Where a sum of squares says nothing, and the power of two by which the vector is multiplied before it is taken again.

    From ``least`` on a sum of squares is right to rounding in any dimension, whichever of its terms have vanished; multiplication
    by a power of two rounds nothing, so that a length has the same bits either way.
    """

    least: float
    reduced: float

    def needed(self, square: Any) -> Any:
        """Where ``square`` has overflowed, lies below ``least`` or is NaN."""
        return ~((square >= self.least) & (square < np.inf))

    def factors(self, square: Any, xp: Any = np) -> Any:
        """The power of two for each of ``square``, 1 where none is needed."""
        kind = square.dtype.type
        unusual = xp.where(square > 1, kind(self.reduced), kind(1 / self.reduced))
        return xp.where(self.needed(square), unusual, kind(1))


_RESCALING = {4: Rescaling(2.0**-74, 2.0**-96), 8: Rescaling(2.0**-900, 2.0**-700)}


@primitive
def rescaled(v: Array) -> tuple[Array, Array, Array]:
    """``v / unit`` (instances, dim), its length and ``unit`` (instances, 1): 1 but where the squares of v overflow or vanish."""
    with np.errstate(all="ignore"):
        square, how = dot(v, v), _RESCALING[v.dtype.itemsize]
        if not how.needed(square).any():
            return v, np.sqrt(square), np.ones_like(square)
        factors = how.factors(square)
        v = factors * v
        return v, np.sqrt(dot(v, v)), 1 / factors


def length(v: Array) -> Array:
    """``|v|`` of ``v`` (instances, dim): (instances, 1)."""
    _, size, unit = rescaled(v)
    return size * unit


def radius_to_compare(radius: float) -> tuple[float, float]:
    """A power of two by which a radius and what is compared with it are multiplied, and the square of their product.

    1 and the square of the radius, unless that would overflow or vanish in float32.
    """
    scale = 1.0
    if not 2.0**-37 <= radius <= 2.0**63:
        scale = 2.0 ** min(max(-math.frexp(radius)[1], -126), 126) if radius else 2.0**126
    return scale, (scale * radius) ** 2


def direction(v: Array) -> tuple[Array, Array]:
    """Normals ``v`` (instances, dim) and their length (instances, 1); where they are 0, the direction of their signs and its own.

    In one and two dimensions a draw of normals in float32 is 0 once in 2^25 times. Squares of normals never vanish.
    """
    square = dot(v, v)
    still = square == 0
    if still.any():
        v = np.where(still, np.copysign(v.dtype.type(1), v), v)
        square = np.where(still, v.dtype.type(v.shape[1]), square)
    return v, np.sqrt(square)


def lengths(a: Any, xp: Any = np) -> Any:
    """``|a|`` of each row of ``a`` (instances, dim), (instances, 1), for an array of any library ``xp``: the bits of :func:`length`."""
    with np.errstate(all="ignore"):
        square, how = _squares(a, xp), _RESCALING[a.dtype.itemsize]
        if not bool(how.needed(square).any()):
            return xp.sqrt(square)
        factors = how.factors(square, xp)
        return xp.sqrt(_squares(factors * a, xp)) * (1 / factors)


def directions(a: Any, xp: Any = np) -> Any:
    """``a / |a|`` of each row of ``a`` (instances, dim), for an array of any library ``xp``; of zeros as in :func:`direction`."""
    size = lengths(a, xp)
    still = size == 0
    if bool(still.any()):
        a = xp.where(still, xp.copysign(a.dtype.type(1), a), a)
        size = lengths(a, xp)
    return a / size


def _squares(a: Any, xp: Any) -> Any:
    """The sum of squares of each row, (instances, 1): the bits of dot."""
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
    return tree


@primitive
def first_index(predicate: Array, dtype: Any = np.float64) -> Array:
    """Smallest coordinate number at which ``predicate`` (instances, dim) holds, or dim: (instances, 1)."""
    dim = predicate.shape[1]
    return smallest(np.where(predicate, np.arange(dim, dtype=dtype), np.asarray(dim, dtype=dtype)))


@primitive
def shift(a: Array, k: int) -> Array:
    """Coordinate i of the result is ``a[:, i + k]``, zero past the ends."""
    result = np.zeros_like(a)
    if abs(k) < a.shape[1]:
        if k > 0:
            result[:, :-k] = a[:, k:]
        else:
            result[:, -k:] = a[:, :k]
    return result


@primitive
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
