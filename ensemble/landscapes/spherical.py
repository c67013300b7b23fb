"""Glasses: random functions on a sphere."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..arithmetic.drawn import Real, drawn_normals
from ..arithmetic.random import Stream
from ..arithmetic.vec import Array, dot, length
from ..grids import Grid
from ..part import seeded, structure
from .base import Box, Landscape, derived_array
from .random_field import MOST_NUMBERS


@dataclass(frozen=True)
class OnSphere(Landscape):
    """A function on the sphere ``|x|^2 = dim``; of any other point but 0 that of ``y = x sqrt(dim)/|x|``, the point of the sphere.

    The gradient is tangential. Hessian products are those of the sphere, ``P (H - (g . y / dim)) P v`` at ``y`` with the projection
    P onto the tangent space, g and H the gradient and Hessian in the space around (times ``dim/|x|^2``). An iterate is brought back
    to the sphere after every step. Momentum and moments of past gradients are kept as they are, and not turned along.
    """

    normals: ClassVar[int] = 1
    coordinates_per_lane = 8

    def _level(self, y: Array) -> Array:
        """The value at ``y`` on the sphere, (instances, 1)."""
        raise NotImplementedError

    def _slope(self, y: Array) -> Array:
        """The gradient in the space around, (instances, dim)."""
        raise NotImplementedError

    def _bend(self, y: Array, v: Array) -> Array:
        """The Hessian in the space around times v, (instances, dim)."""
        raise NotImplementedError

    def _bends(self, y: Array) -> Array:
        """The diagonal of that Hessian, (instances, dim)."""
        raise NotImplementedError

    def constants(self) -> Mapping[str, float]:
        return {"root": math.sqrt(self.dimension)}

    def _on_sphere(self, x: Array) -> tuple[Array, Array]:
        """``sqrt(dim)/|x|`` and ``y``."""
        scale = self._known("root") / length(x)
        return scale, scale * x

    def project(self, x: Array, now: Any = None) -> Array:
        return self._on_sphere(x)[1]

    def tangent(self, x: Array, v: Array) -> Array:
        y = self._on_sphere(x)[1]
        return v - (dot(v, y) / x.shape[1]) * y

    def value(self, x: Array, now: Any = None) -> Array:
        return self._level(self._on_sphere(x)[1])

    def gradient(self, x: Array, now: Any = None) -> Array:
        scale, y = self._on_sphere(x)
        g = self._slope(y)
        return scale * (g - (dot(g, y) / x.shape[1]) * y)

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        n = x.shape[1]
        scale, y = self._on_sphere(x)
        pull = dot(self._slope(y), y) / n
        along = v - (dot(v, y) / n) * y
        h = self._bend(y, along) - pull * along
        return (scale * scale) * (h - (dot(h, y) / n) * y)

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        n = x.shape[1]
        scale, y = self._on_sphere(x)
        pull = dot(self._slope(y), y) / n
        h = self._bend(y, y) - pull * y
        across, both = (h * y) / n, dot(h, y) / (n * n)
        return (scale * scale) * ((self._bends(y) - pull) - 2.0 * across + both * (y * y))

    def _box(self) -> Box:
        return -1.0 - self._known("root"), 1.0 + self._known("root")


@dataclass(frozen=True)
class SphericalPSpin(OnSphere):
    """The spherical p-spin glass, ``H(x) = dim^(-(p-1)/2) sum J_(i_1 ... i_p) x_(i_1) ... x_(i_p)`` on ``|x|^2 = dim``, J standard normal.

    Crisanti and Sommers (1992). Over the disorder H is Gaussian with ``E H(x) H(y) = dim (x . y / dim)^p``. How many stationary points of
    which index lie at which energy is known at every dim (Auffinger, Ben Arous and Cerny 2013, arXiv:1003.1129):
    ``statistics.laws.pspin_points``, ``pspin_complexity``; index against energy: ``pspin_index``; gradient flow ends at
    ``pspin_threshold``, in energies per coordinate. Derivatives are the sphere's. Saddles that optimizers meet in large
    networks were compared with this function's: Dauphin et al. (2014), arXiv:1406.2572.

    The couplings are ``disorder_seed``'s, never the run's: a grid over it is an average over disorder. A gradient costs
    ``dim^p / (p-1)!`` multiplications, for ``p=3`` and dim 64 130,000: for larger ones there is :class:`PSpinFeatures`.
    """

    dim: int = structure(low=2)
    p: int = structure(3, low=2)
    disorder_seed: int = seeded()
    couplings: Any = derived_array()
    squares: Any = derived_array()

    def validate(self) -> None:
        least = self.dim * max(self.dim, self.p)  # of larger ones the binomial takes long
        if least > MOST_NUMBERS or math.comb(self.dim + self.p - 2, self.p - 1) * self.dim > MOST_NUMBERS:
            raise ValueError(
                f"SphericalPSpin(dim={self.dim}, p={self.p}) has more than {MOST_NUMBERS:,} couplings; "
                f"give fewer coordinates, or PSpinFeatures(dim={self.dim}, features={16 * self.dim}, p={self.p})."
            )
        if not isinstance(self.disorder_seed, Grid):
            couplings, squares = _couplings(self.dim, self.p, self.disorder_seed)
            object.__setattr__(self, "couplings", couplings)
            object.__setattr__(self, "squares", squares)

    def _level(self, y: Array) -> Array:
        return dot(self._slope(y), y) / self.p  # Euler's relation

    def _slope(self, y: Array) -> Array:
        return _summed(y, self.couplings.astype(y.dtype), self.p - 1)

    def _bend(self, y: Array, v: Array) -> Array:
        rows = iter(self.couplings.astype(y.dtype))
        whole = np.zeros_like(y)

        def add(depth: int, weight: Array, change: Array, first: int) -> None:
            nonlocal whole
            for i in range(first, y.shape[1]):
                here, there = y[:, i : i + 1], v[:, i : i + 1]
                product, slope = weight * here, change * here + weight * there
                if depth == 1:
                    whole = whole + slope * next(rows)
                else:
                    add(depth - 1, product, slope, i)

        add(self.p - 1, np.ones_like(y[:, :1]), np.zeros_like(y[:, :1]), 0)
        return whole

    def _bends(self, y: Array) -> Array:
        return _summed(y, self.squares.astype(y.dtype), self.p - 2)


def _summed(y: Array, rows: Array, depth: int) -> Array:
    """The sum over ``i_1 <= ... <= i_depth`` of ``y_(i_1) ... y_(i_depth)`` times the next of ``rows``; of depth 0 the one row."""
    left, whole = iter(rows), np.zeros_like(y)
    if depth == 0:
        return whole + next(left)

    def add(depth: int, weight: Array, first: int) -> None:
        nonlocal whole
        for i in range(first, y.shape[1]):
            product = weight * y[:, i : i + 1]
            if depth == 1:
                whole = whole + product * next(left)
            else:
                add(depth - 1, product, i)

    add(depth, np.ones_like(y[:, :1]), 0)
    return whole


@lru_cache(maxsize=128)
def _couplings(dim: int, p: int, seed: int) -> tuple[Real, Real]:
    """What :meth:`SphericalPSpin._slope` and the diagonal of the Hessian sum: (rows, dim) each.

    The coefficient of a monomial is the sum of its couplings, a normal of variance ``p!/(k_1! k_2! ...)``, k_i times x_i. They are drawn
    one for each monomial ``i_1 <= ... <= i_p`` in lexicographic order.
    """
    drawn = drawn_normals(seed, Stream.DISORDER, math.comb(dim + p - 1, p))
    size = dim ** (-(p - 1) / 2)

    def derivatives(order: int) -> Real:
        """The coefficients of the ``order``-th derivative by one coordinate: a row for each monomial that is left."""
        rest = _sorted_indices(dim, p - order)
        columns = []
        for i in range(dim):
            whole = np.sort(np.concatenate([rest, np.full((len(rest), order), i)], axis=1), axis=1)
            coefficients = size * np.sqrt(_orders(whole)) * drawn[_rank(whole, dim)]
            power = (whole == i).sum(axis=1)  # x_i^power is derived `order` times
            falling = np.prod([power - k for k in range(order)], axis=0)
            columns.append(coefficients * falling)
        return np.stack(columns, axis=1)

    found = derivatives(1), derivatives(2)
    for array in found:
        array.setflags(write=False)
    return found


def _sorted_indices(dim: int, count: int) -> NDArray[np.int64]:
    """All ``i_1 <= ... <= i_count`` below dim, in lexicographic order, (how many, count)."""
    found = list(itertools.combinations_with_replacement(range(dim), count))
    return np.array(found, dtype=np.int64).reshape(len(found), count)


def _orders(indices: NDArray[np.int64]) -> Real:
    """In how many orders the sorted indices of each row can stand, ``p!/(k_1! k_2! ...)``."""
    run, product = np.ones(len(indices)), np.ones(len(indices))
    for k in range(1, indices.shape[1]):
        run = np.where(indices[:, k] == indices[:, k - 1], run + 1, 1.0)
        product *= run
    return np.asarray(math.factorial(indices.shape[1]) / product)


def _rank(indices: NDArray[np.int64], dim: int) -> NDArray[np.int64]:
    """The place of each row of sorted indices among all of them in lexicographic order."""
    p = indices.shape[1]
    # i_1 < i_2 + 1 < ... are combinations without repetition; those after a row are counted from the other end
    last = dim + p - 2 - (indices + np.arange(p))
    table = np.array([[math.comb(n, k) for k in range(p + 1)] for n in range(dim + p)], dtype=np.int64)
    after = sum(table[last[:, k], p - k] for k in range(p))
    return np.asarray(table[dim + p - 1, p] - 1 - after)


@dataclass(frozen=True)
class PSpinFeatures(OnSphere):
    """The spherical p-spin glass by random features: ``H(x) = sqrt(dim/(p! features)) sum_m g_m He_p(w_m . x / sqrt(dim))``.

    ``He_p`` is Hermite's polynomial (``He_3(z) = z^3 - 3z``), ``w_m`` and ``g_m`` are standard normal. On the sphere
    ``E_w He_p(w . x / sqrt(dim)) He_p(w . y / sqrt(dim)) = p! (x . y / dim)^p``: the covariance is that of :class:`SphericalPSpin`
    on average over ``w``, exactly, and given ``w`` up to O(features^(-1/2)); take 16 dim features or more. Derivatives cost
    O(dim features): for sizes at which all couplings are too many. Derivatives are those of the sphere (``OnSphere``).
    """

    dim: int = structure(low=2)
    features: int = structure(low=1)
    p: int = structure(3, low=2)
    disorder_seed: int = seeded()
    frequencies: Any = derived_array()
    weights: Any = derived_array()

    def validate(self) -> None:
        if self.dim * self.features > MOST_NUMBERS:
            raise ValueError(
                f"PSpinFeatures(dim={self.dim}, features={self.features}) has {self.dim * self.features:,} frequencies; give a product "
                f"of at most {MOST_NUMBERS:,}."
            )
        if not isinstance(self.disorder_seed, Grid):
            frequencies, weights = _features(self.dim, self.features, self.disorder_seed)
            object.__setattr__(self, "frequencies", frequencies)
            object.__setattr__(self, "weights", weights)

    def constants(self) -> Mapping[str, float]:
        n, p = self.dim, self.p
        level = math.sqrt(n / (math.factorial(p) * self.features))
        more = {"per_root": 1 / math.sqrt(n), "size": level, "rise": level * p / math.sqrt(n)}
        return {**super().constants(), **more, "turn": level * p * (p - 1) / n}

    def _terms(self, y: Array, order: int, whole: Array, term: Callable[[Array, Array], Array]) -> Array:
        """``whole`` and, feature by feature, ``term(g He_order(w . y / sqrt(dim)), w)``."""
        weights, per_root = self.weights.astype(y.dtype), self._known("per_root")
        for w, g in zip(self.frequencies.astype(y.dtype), weights, strict=True):
            whole = whole + term(g * hermite(order, dot(w, y) * per_root), w)
        return whole

    def _level(self, y: Array) -> Array:
        return self._known("size") * self._terms(y, self.p, np.zeros_like(y[:, :1]), lambda h, w: h)

    def _slope(self, y: Array) -> Array:
        return self._known("rise") * self._terms(y, self.p - 1, np.zeros_like(y), lambda h, w: h * w)

    def _bend(self, y: Array, v: Array) -> Array:
        whole = self._terms(y, self.p - 2, np.zeros_like(y), lambda h, w: (h * dot(w, v)) * w)
        return self._known("turn") * whole

    def _bends(self, y: Array) -> Array:
        return self._known("turn") * self._terms(y, self.p - 2, np.zeros_like(y), lambda h, w: h * (w * w))


def hermite(order: int, z: Array) -> Array:
    """``He_order(z)``: ``He_(n+1) = z He_n - n He_(n-1)``."""
    before, here = np.ones_like(z), z
    if order == 0:
        return before
    for n in range(1, order):
        before, here = here, z * here - n * before
    return here


@lru_cache(maxsize=128)
def _features(dim: int, features: int, seed: int) -> tuple[Real, Real]:
    frequencies = drawn_normals(seed, Stream.DISORDER, features * dim).reshape(features, dim)
    weights = drawn_normals(seed, Stream.DISORDER, features, part=1)
    for array in (frequencies, weights):
        array.setflags(write=False)
    return frequencies, weights
