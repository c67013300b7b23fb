"""Parts as a user writes them, in the algebra alone: their structs, and a landscape's derivatives, are derived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ensemble as en
from ensemble.arithmetic.random import Stream
from ensemble.optimizers.adaptive import quotient
from ensemble.part import FRACTION, NOT_NEGATIVE, POSITIVE, array, flag, inner, number, scheduled, structure, vector


@dataclass(frozen=True)
class Chain(en.Landscape):
    """Springs between neighbours in a rippled bowl, from its value alone."""

    dim: int = structure(5, low=2)
    stiffness: float = number(2.0, POSITIVE)
    ripple: float = number(0.3)

    def value(self, x, now=None):
        stretch = en.shift(x, 1) - x
        springs = en.where(en.index(x) < en.dim(x) - 1, self.stiffness * (stretch * stretch), 0.0)
        return 0.5 * en.total(springs) + en.total(0.25 * x**4 + self.ripple * en.cos(3.0 * x) + en.exp(-x * x))


@dataclass(frozen=True)
class Anchored(en.Landscape):
    """Everything that couples coordinates: sums in sums, single coordinates, a vector, an array, powers and roots."""

    dim: int = structure(5, low=2)
    anchor: Any = vector(0.5)
    weights: Any = array((0.5, 1.5))

    def value(self, x, now=None):
        away = x - self.anchor
        distance = en.sqrt(1.0 + en.dot(away, away))
        first, last = en.at(x, 0), en.at(x, -1)
        pull = self.weights[0] * distance + self.weights[1] * en.log(1.0 + first * first * (last - 1.0) ** 2)
        return pull + en.tanh(en.total(x) / en.dim(x)) + en.total(en.maximum(x, 0.0) ** 3 + en.absolute(x) * x * x)


@dataclass(frozen=True)
class Mirrored(en.Landscape):
    """Another landscape at ``offset - 2 x``, kept to a ball: the diagonal of its Hessian takes products."""

    base: en.Landscape = inner()
    offset: float = number(1.0)
    radius: float = number(1.5, POSITIVE)

    @property
    def dimension(self):
        return self.base.dimension

    def value(self, x, now=None):
        return self.base.value(self.offset - 2.0 * x, now)

    def project(self, x, now=None):
        square = en.dot(x, x)
        return en.where(square > self.radius * self.radius, self.radius / en.sqrt(square), 1.0) * x


@dataclass(frozen=True)
class SignMomentum(en.optimizers.Optimizer):
    """Sign of the momentum, with decay, and a look back at the momentum before."""

    lr: Any = scheduled(domain=NOT_NEGATIVE)
    beta: float = number(0.9, FRACTION)
    decay: float = number(0.01, NOT_NEGATIVE)
    delayed: bool = flag(False)
    vectors = ("m",)

    def constants(self):
        return {"gain": 1.0 - self.beta}

    def step(self, x, gradient, state, now):
        before = state.m
        state.m = self.beta * before + self.gain * gradient(x)
        seen = before if self.delayed else state.m
        return (x - (now.lr * self.decay) * x) - now.lr * en.where(seen > 0, 1.0, en.where(seen < 0, -1.0, 0.0))


@dataclass(frozen=True)
class Laplace(en.noises.Noise):
    """Two exponentials, from uniforms, larger where the gradient is."""

    size: float = number(0.1, NOT_NEGATIVE)

    def apply(self, x, gradient, landscape, now):
        u = now.random.uniforms(Stream.NOISE) - 0.5
        tail = -en.log(en.maximum(1.0 - 2.0 * en.absolute(u), 1e-6))
        return gradient + self.size * (1.0 + en.absolute(gradient)) * en.where(u < 0, -tail, tail)


@dataclass(frozen=True)
class Apart(en.events.Event):
    """The largest coordinate has left the smallest behind, or the value has fallen: two labels."""

    gap: float = number(2.0)
    value: float = number(-1.0)

    @property
    def labels(self):
        return 2

    def check(self, x, landscape, now):
        far = en.largest(x) - en.smallest(x) >= self.gap
        low = landscape.value(x, now) <= self.value
        return en.where(far, 1, en.where(low, 2, 0))[:, 0].astype("int32")


@dataclass(frozen=True)
class Normed(en.optimizers.Optimizer):
    """A step of the rate's length, and none at a gradient of 0 where eps is 0: a quotient of an instance's numbers."""

    lr: Any = scheduled(domain=NOT_NEGATIVE)
    eps: float = number(0.0, NOT_NEGATIVE)

    def step(self, x, gradient, state, now):
        g = gradient(x)
        return x - quotient(now.lr * en.total(g), en.total(g * g) + self.eps, self.eps) * g


@dataclass(frozen=True)
class Stale(en.optimizers.Optimizer):
    """An expression and a mask of the state, used in its next value and once more after that."""

    lr: Any = scheduled(0.1, NOT_NEGATIVE)
    vectors = ("m",)

    def step(self, x, gradient, state, now):
        g = gradient(x)
        ahead, up = 2.0 * state.m - g, state.m > 0.1 * g
        state.m = en.where(up, 0.5 * ahead, g)
        return x - now.lr * en.where(up, ahead, g)
