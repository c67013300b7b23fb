"""Random fields on the whole space."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..arithmetic.drawn import Real, drawn_normals, drawn_uniforms
from ..arithmetic.elementary import cos, sin
from ..arithmetic.random import Stream
from ..arithmetic.vec import Array, dot
from ..grids import Grid
from ..part import NOT_NEGATIVE, POSITIVE, number, seeded, structure
from .base import Box, Landscape, Picture, derived_array

MOST_NUMBERS = 1 << 24
"""Numbers that a random landscape is drawn from, at most: 128 MiB of them."""


@dataclass(frozen=True)
class RandomField(Landscape):
    """A smooth random function, ``f(x) = confinement/2 |x|^2 + sigma sqrt(2/features) sum_m cos(w_m . x / length + phase_m)``.

    Random Fourier features (Rahimi and Recht 2007) of the Gaussian field with covariance ``sigma^2 exp(-|x - y|^2 / (2 length^2))``:
    ``w_m`` is standard normal, ``phase_m`` uniform on a turn. At every number of features, on average over fields and without
    confinement: ``E f = 0``, ``E f^2 = sigma^2``, ``E |grad f|^2 = dim sigma^2/length^2``; the field is Gaussian up to
    O(1/features), its kurtosis ``3 - 3/(2 features)``. In two dimensions a quarter of its stationary points are minima, a half
    saddles, a quarter maxima; how many a confined field has, in many dimensions, says Fyodorov (2004), arXiv:cond-mat/0401287.

    The field is ``seed``'s, drawn by the library's generator, and never the run's: ``seed=grid(range(100))`` is an average over
    100 fields. Derivatives cost O(dim features).
    """

    coordinates_per_lane = 8
    smooth_everywhere = True

    dim: int = structure(low=1)
    features: int = structure(512, low=1)
    length: float = number(1.0, POSITIVE)
    sigma: float = number(1.0, NOT_NEGATIVE)
    confinement: float = number(0.0)
    seed: int = seeded()
    frequencies: Any = derived_array()
    phases: Any = derived_array()

    def validate(self) -> None:
        if self.dim * self.features > MOST_NUMBERS:
            raise ValueError(
                f"RandomField(dim={self.dim}, features={self.features}) has {self.dim * self.features:,} frequencies; give a product "
                f"of at most {MOST_NUMBERS:,}."
            )
        if not isinstance(self.seed, Grid):
            frequencies, phases = _drawn(self.dim, self.features, self.seed)
            object.__setattr__(self, "frequencies", frequencies)
            object.__setattr__(self, "phases", phases)

    def constants(self) -> Mapping[str, float]:
        amplitude = self.sigma * math.sqrt(2 / self.features)
        return {
            "per_length": 1 / self.length,
            "amplitude": amplitude,
            "slope": amplitude / self.length,
            "bend": amplitude / self.length / self.length,
        }

    def _summed(self, x: Array, whole: Array, term: Callable[[Array, Array], Array]) -> Array:
        """``whole`` and, feature by feature, ``term(w . x / length + phase, w)``."""
        y, phases = self._known("per_length") * x, self.phases.astype(x.dtype)
        for w, phase in zip(self.frequencies.astype(y.dtype), phases, strict=True):
            whole = whole + term(dot(w, y) + phase, w)
        return whole

    def value(self, x: Array, now: Any = None) -> Array:
        whole = self._summed(x, np.zeros_like(x[:, :1]), lambda z, w: cos(z))
        return self._known("amplitude") * whole + (0.5 * self.confinement) * dot(x, x)

    def gradient(self, x: Array, now: Any = None) -> Array:
        waves = self._summed(x, np.zeros_like(x), lambda z, w: sin(z) * w)
        return self.confinement * x - self._known("slope") * waves

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        waves = self._summed(x, np.zeros_like(x), lambda z, w: (cos(z) * dot(w, v)) * w)
        return self.confinement * v - self._known("bend") * waves

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        waves = self._summed(x, np.zeros_like(x), lambda z, w: cos(z) * (w * w))
        return self.confinement - self._known("bend") * waves

    def _smoothness(self) -> float:
        bend = self.constants()["bend"]
        return float(abs(self.confinement) + bend * np.linalg.norm(self.frequencies, 2) ** 2)

    def _box(self) -> Box:
        return -4 * self.length, 4 * self.length

    def _picture(self) -> Picture:
        return (-4 * self.length, 4 * self.length), (-4 * self.length, 4 * self.length)


@lru_cache(maxsize=256)
def _drawn(dim: int, features: int, seed: int) -> tuple[Real, Real]:
    frequencies = drawn_normals(seed, Stream.DISORDER, features * dim).reshape(features, dim)
    phases = 2 * np.pi * drawn_uniforms(seed, Stream.DISORDER, features, part=1)
    for array in (frequencies, phases):
        array.setflags(write=False)
    return frequencies, phases
