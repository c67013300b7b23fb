"""Many wells, of chosen places, depths and curvatures."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np

from ..algebra import where
from ..arithmetic.elementary import exp, log
from ..arithmetic.vec import Array, dot
from ..part import POSITIVE, array, number, structure
from .base import Box, Landscape, Picture, StationaryPoint, numbers


@dataclass(frozen=True)
class MultiWell(Landscape):
    """The soft minimum of parabolas: ``f(x) = -smoothing log sum_k exp(-E_k/smoothing)``, ``E_k = h_k |x - c_k|^2/2 - depth_k``.

    ``centers`` (wells, dim); ``curvatures`` and ``depths``, one number for each well or one for all. At temperature
    ``smoothing`` the Gibbs measure exp(-f/T) is a mixture of Gaussians around the centres, with weights in proportion to
    ``exp(depth_k/T) h_k^(-dim/2)`` (:meth:`gibbs_weights`): occupancy against curvature, exactly known. Where wells are
    further apart than their widths ``sqrt(smoothing/h_k)``, each has a minimum near its centre; those are listed as
    Newton's method finds them.
    """

    coordinates_per_lane = 8

    centers: Any = array()
    curvatures: Any = array(1.0)
    depths: Any = array(0.0)
    smoothing: float = number(0.1, POSITIVE)
    dim: int | None = structure(None, low=1)
    wells: int | None = structure(None, low=1)

    @classmethod
    def lattice(
        cls,
        dim: int,
        per_side: int = 3,
        spacing: float = 2.0,
        curvatures: tuple[float, float] = (0.5, 8.0),
        smoothing: float = 0.1,
        seed: int = 0,
    ) -> Self:
        """Wells on a cubic lattice around 0, ``per_side^dim`` of them, with curvatures log-uniform between two bounds."""
        line = (np.arange(per_side) - (per_side - 1) / 2) * spacing
        centers = np.array(list(itertools.product(line, repeat=dim)))
        return cls(centers, _log_uniform(len(centers), curvatures, seed), 0.0, smoothing)

    @classmethod
    def scattered(
        cls,
        dim: int,
        wells: int = 8,
        box: tuple[float, float] = (-4.0, 4.0),
        curvatures: tuple[float, float] = (0.5, 8.0),
        smoothing: float = 0.1,
        seed: int = 0,
    ) -> Self:
        """Wells uniform in a box, with curvatures log-uniform between two bounds."""
        centers = np.random.default_rng([seed, 1]).uniform(*box, size=(wells, dim))
        return cls(centers, _log_uniform(wells, curvatures, seed), 0.0, smoothing)

    def validate(self) -> None:
        centers = self.centers
        if centers.ndim != 2 or 0 in centers.shape:
            raise ValueError(
                f"MultiWell(centers of shape {centers.shape}): give an array (wells, dim), such as [[-2.0, 0.0], [2.0, 0.0]]."
            )
        wells, dim = centers.shape
        if self.dim not in (None, dim) or self.wells not in (None, wells):
            raise ValueError(
                f"MultiWell(dim={self.dim}, wells={self.wells}): centers is ({wells}, {dim}); leave dim and wells out."
            )
        object.__setattr__(self, "dim", dim)
        object.__setattr__(self, "wells", wells)
        for name in ("curvatures", "depths"):
            values = getattr(self, name)
            if values.shape not in ((), (wells,)):
                raise ValueError(
                    f"MultiWell({name} of shape {values.shape}): give one number, or one for each of {wells} wells."
                )
            object.__setattr__(self, name, np.broadcast_to(values, (wells,)).copy())
        if not (self.curvatures > 0).all():
            raise ValueError(f"MultiWell(curvatures={self.curvatures.tolist()}): give numbers greater than 0.")

    def gibbs_weights(self) -> tuple[float, ...]:
        """Share of each well in the mixture that exp(-f/smoothing) is."""
        self._one_configuration("gibbs_weights()")
        weight = self.depths / self.smoothing - 0.5 * self.dimension * np.log(self.curvatures)
        weight = np.exp(weight - weight.max())
        return numbers(weight / weight.sum())

    def _tables(self, x: Array) -> tuple[Array, Array, Array]:
        """Centres, curvatures and depths in the dtype of x."""
        return self.centers.astype(x.dtype), self.curvatures.astype(x.dtype), self.depths.astype(x.dtype)

    def _weights(self, x: Array) -> tuple[list[Array], Array, Array]:
        """exp((lowest - E_k)/smoothing) of each well, their sum, and the lowest energy."""
        centers, curvatures, depths = self._tables(x)
        energies = []
        for c, h, depth in zip(centers, curvatures, depths, strict=True):
            away = x - c
            energies.append((h * x.dtype.type(0.5)) * dot(away, away) - depth)
        lowest = energies[0]
        for energy in energies[1:]:
            lowest = where(energy < lowest, energy, lowest)
        weights = [exp((lowest - energy) / self.smoothing) for energy in energies]
        whole = weights[0]
        for weight in weights[1:]:
            whole = whole + weight
        return weights, whole, lowest

    def value(self, x: Array, now: Any = None) -> Array:
        _, whole, lowest = self._weights(x)
        return lowest - self.smoothing * log(whole)

    def _mean_slope(self, x: Array) -> tuple[list[Array], Array, Array]:
        """Share of each well, the gradient, and the mean curvature."""
        centers, curvatures, _ = self._tables(x)
        weights, whole, _ = self._weights(x)
        shares = [weight / whole for weight in weights]
        slope, bend = np.zeros_like(x), np.zeros_like(whole)
        for share, c, h in zip(shares, centers, curvatures, strict=True):
            slope = slope + (share * h) * (x - c)
            bend = bend + share * h
        return shares, slope, bend

    def gradient(self, x: Array, now: Any = None) -> Array:
        return self._mean_slope(x)[1]

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        centers, curvatures, _ = self._tables(x)
        shares, slope, bend = self._mean_slope(x)
        mean, spread = dot(slope, v), np.zeros_like(x)
        for share, c, h in zip(shares, centers, curvatures, strict=True):
            away = x - c
            spread = spread + (share * (h * dot(away, v) - mean) * h) * away
        return bend * v - spread / self.smoothing

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        centers, curvatures, _ = self._tables(x)
        shares, slope, bend = self._mean_slope(x)
        spread = np.zeros_like(x)
        for share, c, h in zip(shares, centers, curvatures, strict=True):
            off = h * (x - c) - slope
            spread = spread + share * (off * off)
        return bend - spread / self.smoothing

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        wells = cast(int, self.wells)
        if wells * self.dimension > 4096 or self.dimension > 64:
            return ()
        found: list[StationaryPoint] = []
        for k in range(wells):
            point = self._found(f"well {k}", self.centers[k], 0)
            near = np.linalg.norm(np.subtract(point.x, self.centers[k])) < np.sqrt(self.smoothing / self.curvatures[k])
            if near and min(point.curvatures or (-1.0,)) > 0:
                found.append(point)
        return tuple(found)

    def _reach(self) -> float:
        return float(np.abs(self.centers).max() + 2 / np.sqrt(self.curvatures.min()))

    def _smoothness(self) -> float:
        # The Hessian is at most the largest h and at least the smallest less the variance of the wells' slopes over smoothing;
        # a variance is at most a quarter of the squared range, largest in a corner of the box.
        slopes = self.curvatures[:, None] * self.centers
        gap = 0.0
        for j, k in itertools.combinations(range(cast(int, self.wells)), 2):
            tilt, shift = self.curvatures[j] - self.curvatures[k], slopes[j] - slopes[k]
            gap = max(gap, float(np.sum((abs(tilt) * self._reach() + np.abs(shift)) ** 2)))
        return float(max(self.curvatures.max(), gap / (4 * self.smoothing) - self.curvatures.min()))

    def _box(self) -> Box:
        return -self._reach(), self._reach()

    def _picture(self) -> Picture:
        return (-self._reach(), self._reach()), (-self._reach(), self._reach())


def _log_uniform(count: int, bounds: Sequence[float], seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    low, high = bounds
    if not 0 < low <= high:
        raise ValueError(f"MultiWell: curvatures={tuple(bounds)} was given; give bounds with 0 < low <= high.")
    return np.exp(np.random.default_rng([seed, 0]).uniform(np.log(low), np.log(high), size=count))
