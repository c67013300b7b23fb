"""Small matrices kept row by row in the coordinates of a point: the twin of ``kernels/base/matrices.cuh``.

A matrix is (instances, rows, cols); every sum of products runs in one written order, from the first term on or by the tree of
:mod:`ensemble.arithmetic.vec`.
"""

from __future__ import annotations

import numpy as np

from .vec import Array, total


def _at_column(product: Array, column: int) -> Array:
    """``product`` (instances, rows) in one column of a matrix of zeros, summed by the tree over all coordinates."""
    instances, rows, cols = product.shape
    whole = np.zeros_like(product)
    whole[:, :, column] = product[:, :, column]
    return total(whole.reshape(instances, rows * cols))[:, 0]


def gram(u: Array, w: Array, symmetric: bool = False) -> Array:
    """``u^T w`` of two matrices (instances, rows, cols): (instances, cols, cols)."""
    instances, _, cols = u.shape
    g = np.empty((instances, cols, cols), dtype=u.dtype)
    for a in range(cols):
        for b in range(cols):
            if symmetric and b < a:
                g[:, a, b] = g[:, b, a]
            else:
                product = np.zeros_like(u)
                product[:, :, a] = u[:, :, a] * w[:, :, b]
                g[:, a, b] = _at_column(product, a)
    return g


def times(u: Array, s: Array) -> Array:
    """``u s``, (instances, rows, cols) and (instances, cols, cols)."""
    result = np.zeros_like(u)
    for a in range(u.shape[2]):
        result = result + u[:, :, a : a + 1] * s[:, a : a + 1, :]
    return result


def gram_with(f: Array, u: Array) -> Array:
    """``f^T u``, f (rows, inside) the same for all instances: (instances, inside, cols)."""
    instances, _, cols = u.shape
    g = np.empty((instances, f.shape[1], cols), dtype=u.dtype)
    for a in range(f.shape[1]):
        product = f[None, :, a : a + 1] * u
        for b in range(cols):
            g[:, a, b] = _at_column(product, b)
    return g


def times_factor(f: Array, s: Array) -> Array:
    """``f s``, f (rows, inside) and s (instances, inside, cols): (instances, rows, cols)."""
    result = np.zeros((s.shape[0], f.shape[0], s.shape[2]), dtype=s.dtype)
    for a in range(f.shape[1]):
        result = result + f[None, :, a : a + 1] * s[:, a : a + 1, :]
    return result


def product(a: Array, b: Array) -> Array:
    """``a b`` of small matrices (instances, n, m) and (instances, m, k), each entry summed from the first term on."""
    result = a[:, :, :1] * b[:, :1, :]
    for k in range(1, a.shape[2]):
        result = result + a[:, :, k : k + 1] * b[:, k : k + 1, :]
    return result


def transpose(a: Array) -> Array:
    """Each matrix of ``a`` (instances, n, m) transposed."""
    return a.transpose(0, 2, 1)
