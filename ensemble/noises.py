"""Gradient noise: what the optimizer sees in place of the exact gradient. Twins in ``kernels/noises.cuh``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .landscapes.base import Landscape
from .part import NOT_NEGATIVE, Part, number
from .random import Stream
from .vec import Array

__all__ = ["Gaussian", "NoNoise", "Noise"]


@dataclass(frozen=True)
class Noise(Part):
    """A model of the noise in a stochastic gradient."""

    def apply(self, x: Array, gradient: Array, landscape: Landscape, now: Any) -> Array:
        """The noisy gradient (instances, dim) at ``x``, given the exact one. Every call in one step sees one draw."""
        raise TypeError(
            f"{type(self).__name__} does not say how it acts; define apply(self, x, gradient, landscape, now)."
        )


@dataclass(frozen=True)
class NoNoise(Noise):
    """The exact gradient."""

    def apply(self, x: Array, gradient: Array, landscape: Landscape, now: Any) -> Array:
        return gradient


@dataclass(frozen=True)
class Gaussian(Noise):
    """Isotropic Gaussian noise, ``g + sigma z`` with z standard normal in each coordinate.

    A minibatch of size B is ``sigma / sqrt(B)``. At rate ``lr`` the effective temperature per unit time ``lr * t`` is
    ``D = lr sigma^2 / 2``.
    """

    sigma: float = number(domain=NOT_NEGATIVE)

    def apply(self, x: Array, gradient: Array, landscape: Landscape, now: Any) -> Array:
        return gradient + self.sigma * now.random.normals(Stream.NOISE)
