"""Gradient descent and momentum on quadratics with noise: linear, so that mean and spread of f are exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ensemble as en

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class LinearMethod:
    """Gradient descent with momentum; ``ahead``: at the look-ahead point."""

    beta: float = 0.0
    ahead: bool = False

    @classmethod
    def named(cls, name: str, beta: float) -> LinearMethod:
        """Makes gradient descent for "GD", whatever beta, Nesterov's method for "Nesterov", else heavy ball."""
        return cls(0.0 if name == "GD" else beta, ahead=name == "Nesterov")

    def optimizer(self, lr: Any) -> en.Optimizer:
        if not self.beta:
            return en.GradientDescent(lr)
        return en.Nesterov(lr, self.beta) if self.ahead else en.HeavyBall(lr, self.beta)

    def value_law(
        self, h: FloatArray, lr: Any, steps: int, sigma: float = 0.0, spread: float = 1.0
    ) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of f(x_t), t = 0 ... steps, from x_0 ~ N(0, spread^2).

        (x, v) moves by a matrix and a push of the noise, so every coordinate stays normal, and f is a sum of squares.
        """
        t = np.arange(1.0, steps + 1)
        rates = lr(t) if isinstance(lr, en.Schedule) else np.full(steps, lr)
        p = np.zeros((h.size, 2, 2))
        p[:, 0, 0] = spread**2
        variance = [p[:, 0, 0]]
        for rate in rates:
            a = 1 - rate * h
            keep = self.beta * (a if self.ahead else np.ones_like(a))
            move = np.stack([np.stack([a, keep], -1), np.stack([a - 1, keep], -1)], -2)
            p = move @ p @ move.transpose(0, 2, 1) + (rate * sigma) ** 2
            variance.append(p[:, 0, 0])
        v = np.array(variance)
        return v @ h / 2, np.sqrt(v**2 @ h**2 / 2)

    def factor(self, h: FloatArray, lr: float) -> float:
        """Returns the factor of |x| per step in the long run without noise: the largest root over all curvatures."""
        a = 1 - lr * h
        keep = a if self.ahead else np.ones_like(a)
        roots = [np.roots([1.0, -(a_k + self.beta * k), self.beta * k]) for a_k, k in zip(a, keep, strict=True)]
        return float(np.abs(roots).max())
