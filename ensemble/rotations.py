"""Cheap orthogonal maps: signs, a mix of all coordinates, signs again. The twin of ``kernels/base/rotations.cuh``.

R costs O(dim log dim) and needs no matrix. The mix is the Walsh-Hadamard transform over sqrt(dim) where dim is a power of two.
Elsewhere it is the same butterfly with the pairs that have no partner left out: stage s = 1, 2, 4, ... takes coordinates i and
i xor s to (sum, difference)/sqrt(2) where both exist. One pass leaves the last coordinates nearly to themselves, so there are
three, with new signs between them. (Householder reflections, log dim of them, stay near the identity in many dimensions.)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .vec import Array, butterfly


def passes(dim: int) -> int:
    """How often coordinates are mixed."""
    return 1 if dim & (dim - 1) == 0 else 3


def random_signs(dim: int, seed: int) -> NDArray[np.float64]:
    """+-1, (passes + 1, dim), from numpy's PCG64."""
    return np.random.Generator(np.random.PCG64(seed)).choice((-1.0, 1.0), size=(passes(dim) + 1, dim))


def _stage(x: Array, s: int) -> Array:
    i = np.arange(x.shape[1])
    both = (i ^ s) < x.shape[1]
    other = x[:, np.where(both, i ^ s, i)]
    mixed = np.where(i & s, other - x, x + other)
    return np.where(both, mixed * x.dtype.type(math.sqrt(0.5)), x)


def _mix(x: Array, back: bool) -> Array:
    dim = x.shape[1]
    if dim & (dim - 1) == 0:
        return (x.dtype.type(1) / np.sqrt(x.dtype.type(dim))) * butterfly(x)
    strides = [1 << k for k in range((dim - 1).bit_length())]
    for s in reversed(strides) if back else strides:
        x = _stage(x, s)
    return x


def rotate(x: Array, signs: Array) -> Array:
    """R x for points ``x`` (instances, dim); ``signs`` (passes + 1, dim)."""
    for p in range(passes(x.shape[1])):
        x = _mix(signs[p] * x, back=False)
    return signs[-1] * x


def rotate_back(x: Array, signs: Array) -> Array:
    """R^T x, which undoes :func:`rotate`."""
    x = signs[-1] * x
    for p in reversed(range(passes(x.shape[1]))):
        x = signs[p] * _mix(x, back=True)
    return x
