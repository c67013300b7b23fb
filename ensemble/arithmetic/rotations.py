"""Cheap orthogonal maps: signs, mixes of all coordinates, reflections. The twin of ``kernels/base/rotations.cuh``.

R costs O(dim log dim) and needs no matrix. Where dim is a power of two it is signs, the Walsh-Hadamard transform over
sqrt(dim), signs. Elsewhere the butterfly leaves out the pairs that have no partner: stage s = 1, 2, 4, ... takes coordinates i
and i xor s to (sum, difference)/sqrt(2) where both exist. One such mix leaves the last coordinates nearly to themselves, and
signs alone can make several of them cancel; so there are three, with a Householder reflection at a random vector between
each two. (Reflections alone stay near the identity in many dimensions.)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .vec import Array, butterfly, total


def _power_of_two(dim: int) -> bool:
    return dim & (dim - 1) == 0


def random_frame(dim: int, seed: int) -> NDArray[np.float64]:
    """The vectors that R is made of, (2 or 4, dim), from numpy's PCG64: signs, two unit vectors, signs."""
    draw = np.random.Generator(np.random.PCG64(seed))
    signs = draw.choice((-1.0, 1.0), size=(2, dim))
    if _power_of_two(dim):
        return signs
    normals = draw.normal(size=(2, dim))
    units = normals / np.sqrt(np.sum(normals**2, axis=1, keepdims=True))
    return np.stack([signs[0], units[0], units[1], signs[1]])


def _stage(x: Array, s: int) -> Array:
    i = np.arange(x.shape[1])
    both = (i ^ s) < x.shape[1]
    other = x[:, np.where(both, i ^ s, i)]
    mixed = np.where(i & s, other - x, x + other)
    return np.where(both, mixed * x.dtype.type(math.sqrt(0.5)), x)


def _mix(x: Array, back: bool) -> Array:
    dim = x.shape[1]
    if _power_of_two(dim):
        return (x.dtype.type(1) / np.sqrt(x.dtype.type(dim))) * butterfly(x)
    strides = [1 << k for k in range((dim - 1).bit_length())]
    for s in reversed(strides) if back else strides:
        x = _stage(x, s)
    return x


def _mirror(x: Array, u: Array) -> Array:
    along = total(u * x)
    return x - (along + along) * u


def rotate(x: Array, frame: Array) -> Array:
    """R x for points ``x`` (instances, dim)."""
    x = _mix(frame[0] * x, back=False)
    for u in frame[1:-1]:
        x = _mix(_mirror(x, u), back=False)
    return frame[-1] * x


def rotate_back(x: Array, frame: Array) -> Array:
    """R^T x, which undoes :func:`rotate`."""
    x = _mix(frame[-1] * x, back=True)
    for u in frame[-2:0:-1]:
        x = _mix(_mirror(x, u), back=True)
    return frame[0] * x
