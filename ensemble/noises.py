"""Gradient noise: what the optimizer sees in place of the exact gradient.

Every noise but :class:`Spikes` draws for each coordinate by itself, and consumes the same random words at each step whatever
they turn out to be. Noises may be added: ``Gaussian(0.1) + AlphaStable(1.5, 0.01)`` (:class:`Superposition`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .arithmetic.elementary import exp, log, log_uniform, sin, sin_cos_turn, tanh
from .arithmetic.random import Stream, uniform
from .arithmetic.vec import Array, smaller
from .landscapes.base import Landscape
from .part import FRACTION, NOT_NEGATIVE, POSITIVE, Domain, Part, derived, inner, nested, number, scheduled, vector

__all__ = [
    "AlphaStable",
    "DiagonalGaussian",
    "Gaussian",
    "HessianAligned",
    "Multiplicative",
    "NoNoise",
    "Noise",
    "Rademacher",
    "Spikes",
    "StudentT",
    "Superposition",
]


@dataclass(frozen=True)
class Noise(Part):
    """A model of the noise in a stochastic gradient."""

    kernel_header = "noises.cuh"
    made_like = "a noise, such as Gaussian(sigma=0.1)"

    gives_gradient: ClassVar[bool] = False
    """Whether the noise makes the gradient itself, of a batch: it then defines :meth:`gradient`, and :meth:`apply` changes nothing."""

    def apply(self, x: Array, gradient: Array, landscape: Landscape, now: Any) -> Array:
        """The noisy gradient (instances, dim) at ``x``, given the exact one. Every call in one step sees one draw."""
        raise TypeError(
            f"{type(self).__name__} does not say how it acts; define apply(self, x, gradient, landscape, now)."
        )

    @property
    def draws_batches(self) -> bool:
        """Whether the gradient that it acts on is that of a batch of samples (:class:`~ensemble.Minibatch`), and not the exact one."""
        return any(part.gives_gradient for part in nested(self) if isinstance(part, Noise))

    def gradient(self, x: Array, landscape: Any, now: Any) -> Array:
        """The gradient (instances, dim) at ``x`` that :meth:`apply` is given: the exact one, or that of the noise that draws batches."""
        for f in fields(self):
            part = getattr(self, f.name)
            if isinstance(part, Noise) and part.draws_batches:
                return part.gradient(x, landscape, getattr(now, f.name).within(now))
        return landscape.gradient(x, now.landscape)

    def on(self, landscape: Landscape) -> Noise:
        """This noise, and those that it wraps, for a landscape; raises where they cannot be of it."""
        inside = {f.name: getattr(self, f.name) for f in fields(self)}
        changes = {name: part.on(landscape) for name, part in inside.items() if isinstance(part, Noise)}
        changes = {name: part for name, part in changes.items() if part is not inside[name]}
        return dataclasses.replace(self, **changes) if changes else self

    def __add__(self, other: object) -> Noise:
        """Both at once: the :class:`Superposition` of this noise and another."""
        if not isinstance(other, Noise):
            return NotImplemented
        if isinstance(self, NoNoise) or isinstance(other, NoNoise):
            return other if isinstance(self, NoNoise) else self
        return Superposition(self, other)


@dataclass(frozen=True)
class NoNoise(Noise):
    """The exact gradient."""

    def apply(self, x: Array, gradient: Array, landscape: Landscape, now: Any) -> Array:
        return gradient


@dataclass(frozen=True)
class Gaussian(Noise):
    """Isotropic Gaussian noise, ``g + sigma z`` with z standard normal in each coordinate.

    A minibatch of size B is ``sigma / sqrt(B)``; ``sigma`` may be a schedule, such as
    :class:`~ensemble.schedules.PerBatch` of a growing batch. At rate ``lr`` the effective temperature per unit time ``lr * t``
    is ``D = lr sigma^2 / 2``.
    """

    sigma: Any = scheduled(domain=NOT_NEGATIVE)

    def apply(self, x: Array, gradient: Array, landscape: Landscape, now: Any) -> Array:
        return gradient + now.sigma * now.random.normals(Stream.NOISE)


@dataclass(frozen=True)
class DiagonalGaussian(Noise):
    """Gaussian noise with a size for each coordinate, ``g_k + sigma_k z_k``. It sees the same z as :class:`Gaussian`."""

    sigma: Any = vector(domain=NOT_NEGATIVE)

    def apply(self, x: Array, gradient: Array, landscape: Landscape, now: Any) -> Array:
        return gradient + self.sigma * now.random.normals(Stream.NOISE)


@dataclass(frozen=True)
class HessianAligned(Noise):
    """Noise of a minibatch near a minimum: covariance ``|H(x)| / batch``, ``g_k + sqrt(|h_kk| / batch) z_k``.

    Near a minimum of an average log-loss the covariance of the gradient of one example is the Fisher information, which is the
    Hessian (Jastrzebski et al. 2017, section 3, arXiv:1711.04623; Zhu et al. 2019, arXiv:1803.00195). h_kk is the
    landscape's exact Hessian diagonal at x: where the Hessian is diagonal the covariance is ``|H| / batch`` exactly; elsewhere
    it is the diagonal of that, without the correlations. ``batch`` may be a schedule.
    """

    batch: Any = scheduled(domain=POSITIVE)

    def columns(self, t: NDArray[np.float64], prefix: str = "") -> Iterator[tuple[str, NDArray[np.float64]]]:
        yield f"{prefix}share", 1.0 / dict(super().columns(t, prefix))[f"{prefix}batch"]

    def apply(self, x: Array, gradient: Array, landscape: Landscape, now: Any) -> Array:
        size = np.sqrt(np.abs(landscape.hessian_diagonal(x, now.landscape)) * now.share)
        return gradient + size * now.random.normals(Stream.NOISE)


@dataclass(frozen=True)
class Multiplicative(Noise):
    """Noise in proportion to the gradient, ``g_k (1 + sigma z_k)``: it vanishes at stationary points, as where a model
    interpolates its data.
    """

    sigma: float = number(domain=NOT_NEGATIVE)

    def apply(self, x: Array, gradient: Array, landscape: Landscape, now: Any) -> Array:
        return gradient * (self.sigma * now.random.normals(Stream.NOISE) + x.dtype.type(1))


@dataclass(frozen=True)
class Rademacher(Noise):
    """Two-point noise, ``g_k +- sigma`` with equal chances: the cheapest noise, from the top bit of one word."""

    pointwise = True

    sigma: float = number(domain=NOT_NEGATIVE)

    def apply(self, x: Array, gradient: Array, landscape: Landscape, now: Any) -> Array:
        one = x.dtype.type(1)
        return gradient + self.sigma * np.where(now.random.words(Stream.NOISE) >> np.uint32(31), one, -one)


def _expm1(y: Array) -> Array:
    """``exp(y) - 1`` for y >= 0, to a few units in the last place."""
    one, two = y.dtype.type(1), y.dtype.type(2)
    h = tanh(y * y.dtype.type(0.5))
    return np.where(y < one, two * h / (one - h), exp(y) - one)


def _finite(size: Array) -> Array:
    """A draw's size, the largest number where it is beyond the format: what is infinite times 0 would be no number."""
    return smaller(size, np.finfo(size.dtype).max)


@dataclass(frozen=True)
class StudentT(Noise):
    """Student's t noise, ``g_k + scale t_k`` with ``df`` degrees of freedom: a power-law tail ``|t|^-df``.

    Bailey (1994), eq. 2.1: ``t = sqrt(df (u^(-2/df) - 1)) cos(2 pi v)`` from two uniforms per coordinate. The variance is
    ``scale^2 df/(df - 2)`` for df > 2 and infinite below; there is no mean for df <= 1. Uniforms end at 2^-33, so ``|t|`` ends
    near ``sqrt(df) 2^(33/df)``, or at the format's largest number before ``scale``.
    """

    pointwise = True

    df: float = number(domain=POSITIVE)
    scale: float = number(1.0, NOT_NEGATIVE)

    def constants(self) -> Mapping[str, float]:
        return {"exponent": -2.0 / self.df, "spread": self.scale * math.sqrt(self.df)}

    def apply(self, x: Array, gradient: Array, landscape: Landscape, now: Any) -> Array:
        first, second = now.random.words(Stream.NOISE), now.random.words(Stream.NOISE_SECOND)
        radius = _finite(np.sqrt(_expm1(self.exponent * log_uniform(first, x.dtype))))  # type: ignore[attr-defined]
        return gradient + self.spread * (radius * sin_cos_turn(second, x.dtype)[1])  # type: ignore[attr-defined]


_TO_TWO = Domain(lambda v: 0 < v <= 2, "a number greater than 0 and at most 2")


@dataclass(frozen=True)
class AlphaStable(Noise):
    """Symmetric alpha-stable (Levy) noise, ``g_k + scale s_k`` with ``E exp(i t s) = exp(-|t|^alpha)``.

    alpha = 2 is the normal with variance 2, alpha = 1 Cauchy's law; below 2 the variance is infinite, the tail ``|s|^-alpha``. The
    model of Simsekli, Sagun, Gurbuzbalaban (2019), eq. 5 (arXiv:1901.06053). Chambers, Mallows, Stuck (1976): with V uniform on
    (-pi/2, pi/2) and W exponential, ``s = sin(alpha V) / cos(V)^(1/alpha) (cos((1 - alpha) V) / W)^((1 - alpha)/alpha)``, from two
    words per coordinate. The angles are taken from the nearer end, d = pi/2 - |V|, and W near 0 from 1 - u, so that both tails keep
    their relative accuracy. SGD on ``h x^2/2`` ends alpha-stable with scale ``lr scale / (1 - |1 - lr h|^alpha)^(1/alpha)``.
    """

    pointwise = True

    alpha: float = number(domain=_TO_TWO)
    scale: float = number(1.0, NOT_NEGATIVE)

    def constants(self) -> Mapping[str, float]:
        a = self.alpha
        return {
            "sine_start": (2.0 - a) * (math.pi / 2),
            "ratio_start": (1.0 - abs(1.0 - a)) * (math.pi / 2),
            "ratio_slope": abs(1.0 - a),
            "of_cosine": -1.0 / a,
            "of_ratio": (1.0 - a) / a,
        }

    def apply(self, x: Array, gradient: Array, landscape: Landscape, now: Any) -> Array:
        k: Any = self
        kind = x.dtype.type
        sign, low = _folded(now.random.words(Stream.NOISE))
        upper, rest = _folded(now.random.words(Stream.NOISE_SECOND))
        d = low.astype(x.dtype) * kind(math.pi * 2.0**-32) + kind(math.pi * 2.0**-33)  # pi/2 - |V|
        v = uniform(rest, x.dtype)  # u, or 1 - u where u > 1/2
        u = kind(1) - v
        log_u = log(np.where(upper, u, v))
        near_one = np.where(u < kind(1), -(log_u * (v / (kind(1) - u))), v)
        w = np.where(upper, near_one, -log_u)
        ratio = log(sin(k.ratio_slope * d + k.ratio_start)) - log(w)
        size = sin(k.alpha * d + k.sine_start) * _finite(exp(k.of_cosine * log(sin(d)) + k.of_ratio * ratio))
        return gradient + self.scale * np.where(sign, size, -size)


def _folded(words: NDArray[np.uint32]) -> tuple[NDArray[np.bool_], NDArray[np.uint32]]:
    """Whether a word's top bit is set, and the word's distance from the nearer end."""
    upper = (words >> np.uint32(31)) != 0
    return upper, np.where(upper, ~words, words)


@dataclass(frozen=True)
class Spikes(Noise):
    """Rare large gradients: with ``probability``, once per instance and step, g is multiplied by ``1 + size``.

    Else it is multiplied by ``1 - size probability / (1 - probability)``, so the mean is g: the seldom, large and informative
    gradients of Reddi et al. (2018), example 1. Below probability 1/(1 + size) every gradient keeps its direction.
    """

    probability: float = number(domain=FRACTION)
    size: float = number(domain=NOT_NEGATIVE)

    def constants(self) -> Mapping[str, float]:
        p = self.probability
        return {"spike": 1.0 + self.size, "usual": 1.0 - self.size * p / (1.0 - p)}

    def apply(self, x: Array, gradient: Array, landscape: Landscape, now: Any) -> Array:
        k: Any = self
        spiked = now.random.uniform_of_instance(Stream.NOISE) <= self.probability
        return gradient * np.where(spiked, k.spike, k.usual)


MOST_ADDED = 16


@dataclass(frozen=True)
class Superposition(Noise):
    """Two noises at once, ``first + second``: each sees the exact gradient g and adds its own deviation from it.

    The optimizer sees ``g + (first(g) - g) + (second(g) - g)``: additive noises add up, ``Gaussian(0.1) + AlphaStable(1.5, 0.01)``,
    and those in proportion to the gradient do not multiply each other, ``Multiplicative(a) + Multiplicative(b)`` is
    ``g (1 + a z + b z')``. All draw independently, two of one kind too, so that variances add; the first draws what it would
    draw alone, so that runs with and without the second are paired. Sums may be nested, of 16 noises at most. With a
    :class:`~ensemble.Minibatch` among them g is the gradient of its batch, and the batches are those that it draws alone.
    """

    pointwise = True
    scratch = 1

    first: Noise = inner()
    second: Noise = inner()
    places_of_first: int = derived()

    def validate(self) -> None:
        if places(self) > MOST_ADDED:
            raise ValueError(f"Superposition: {places(self)} noises were added; give at most {MOST_ADDED}.")
        if self.first.draws_batches and self.second.draws_batches:
            raise ValueError("Superposition: two of the noises draw batches; give one Minibatch.")
        object.__setattr__(self, "places_of_first", places(self.first))

    def apply(self, x: Array, gradient: Array, landscape: Landscape, now: Any) -> Array:
        first = self.first.apply(x, gradient, landscape, _inside(now, "first", 0))
        second = self.second.apply(x, gradient, landscape, _inside(now, "second", self.places_of_first))
        return first + (second - gradient)


def places(noise: Noise) -> int:
    """How many noises there are in a noise, each of which draws for itself."""
    return sum(not isinstance(part, Superposition) for part in nested(noise))


def _inside(now: Any, name: str, place: int) -> Any:
    """``now`` as the noise in field ``name`` sees it, with draws of its own."""
    seen = getattr(now, name).within(now)
    seen.random = now.random.of_place(place)
    return seen
