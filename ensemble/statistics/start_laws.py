"""Random starts, and the exact law of the step at which descent without noise leaves a saddle from one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import betainc, erf

from .exit_laws import FloatArray, TimeLaw, require_positive, require_steps


class StartLaw(Protocol):
    """A random start, as far as one of its coordinates goes.

    >>> isinstance(NormalStart(1.0).within(np.array([1.0])), np.ndarray)
    True
    """

    def within(self, u: FloatArray) -> FloatArray:
        """Return P(|x_1| <= u), u >= 0, shape kept."""
        ...


@dataclass(frozen=True)
class NormalStart:
    """Every coordinate N(0, scale^2).

    >>> round(float(NormalStart(scale=1.0).within(1.0)), 6)
    0.682689
    """

    scale: float

    def __post_init__(self) -> None:
        require_positive({"scale": self.scale})

    def within(self, u: FloatArray) -> FloatArray:
        return np.asarray(erf(u / (self.scale * math.sqrt(2.0))))


@dataclass(frozen=True)
class BallStart:
    """Uniform in the ball of that radius in `dim` dimensions: |x_1|/radius ~ sqrt(Beta(1/2, (dim+1)/2)).

    >>> round(random_start_exit(lr=0.1, gamma=1.0, radius=1.0, start=BallStart(radius=0.01, dim=10), steps=0).mean, 6)
    68.06869
    """

    radius: float
    dim: int

    def __post_init__(self) -> None:
        require_positive({"radius": self.radius, "dim": self.dim})

    def within(self, u: FloatArray) -> FloatArray:
        return np.asarray(betainc(0.5, (self.dim + 1) / 2, np.minimum(u / self.radius, 1.0) ** 2))


@dataclass(frozen=True)
class SphereStart:
    """Uniform on the sphere of that radius in `dim` >= 2 dimensions: |x_1|/radius ~ sqrt(Beta(1/2, (dim-1)/2)).

    >>> round(random_start_exit(lr=0.1, gamma=1.0, radius=1.0, start=SphereStart(radius=0.01, dim=10), steps=0).mean, 6)
    67.019485
    """

    radius: float
    dim: int

    def __post_init__(self) -> None:
        require_positive({"radius": self.radius})
        if self.dim < 2:
            raise ValueError(f"dim={self.dim}; give 2 or more (in one dimension the sphere is two points)")

    def within(self, u: FloatArray) -> FloatArray:
        return np.asarray(betainc(0.5, (self.dim - 1) / 2, np.minimum(u / self.radius, 1.0) ** 2))


def random_start_exit(lr: float, gamma: float, radius: float, start: StartLaw, steps: int) -> TimeLaw:
    """Exact law of the first t >= 1 with |x_t| >= radius for gradient descent without noise from a random start.

    |x_t| = a^t |x_0| with a = 1 + lr gamma, so P(T > t) = P(|x_0| <= radius a^-t) for t >= 1; mean and sd by summing
    the whole tail. Times in steps. ValueError: lr, gamma or radius not positive, steps negative.

    >>> law = random_start_exit(lr=0.1, gamma=1.0, radius=1.0, start=NormalStart(scale=0.01), steps=100)
    >>> round(law.mean, 4), law.median, law.survival.shape
    (55.4821, 53, (101,))
    """
    require_positive({"lr": lr, "gamma": gamma, "radius": radius})
    require_steps(steps)
    log_growth = math.log1p(lr * gamma)
    tail = np.ones(1)
    while tail.size <= steps or tail[-1] > 1e-18:
        more = np.arange(tail.size, 2 * tail.size + 64, dtype=float)
        tail = np.append(tail, start.within(radius * np.exp(-more * log_growth)))
    mean = float(tail.sum())
    square = float(np.sum((2.0 * np.arange(tail.size) + 1.0) * tail))
    return TimeLaw(tail[: steps + 1], mean, math.sqrt(max(square - mean**2, 0.0)), int(np.argmax(tail <= 0.5)))
