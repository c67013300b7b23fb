"""Parts of a user's own, some named like the library's, each with the rule that it follows written out again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import ensemble as en
from ensemble.arithmetic.vec import total
from ensemble.part import FRACTION, NOT_NEGATIVE, POSITIVE, number, scheduled, structure

STEP = """
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {"""
VELOCITY = """
    enum Column { lr, columns };
    struct State {
        Vec v;
        template <class Visit>
        HD void each(Visit&& visit) {
            visit(v);
        }
    };"""


@dataclass(frozen=True)
class HeavyBall(en.Optimizer):
    """Steps by the sign of the velocity: not the library's rule of that name, with its fields."""

    lr: Any = scheduled(domain=NOT_NEGATIVE)
    beta: float = number(0.9, FRACTION)
    vectors = ("v",)
    pointwise = True
    kernel = f"""
struct HeavyBall {{
    number beta;{VELOCITY}{STEP}
        s.v = beta * s.v - now[lr] * gradient(x);
        return x + now[lr] * sign(s.v);
    }}
}};
"""

    def step(self, x, gradient, state, now):
        state.v = self.beta * state.v - now.lr * gradient(x)
        return x + now.lr * np.sign(state.v)


def doubled():
    """Another class of the name HeavyBall, with another rule."""

    @dataclass(frozen=True)
    class Another(HeavyBall):
        kernel = HeavyBall.kernel.replace("now[lr] * sign(s.v)", "real(2) * now[lr] * sign(s.v)")

        def step(self, x, gradient, state, now):
            state.v = self.beta * state.v - now.lr * gradient(x)
            return x + 2 * now.lr * np.sign(state.v)

    Another.__name__ = Another.__qualname__ = "HeavyBall"
    return Another


def of_signs(h, x, lr, beta, steps, factor=1):
    """Where signed steps of the velocity lead on a quadratic."""
    v = np.zeros_like(x)
    for _ in range(steps):
        v = beta * v - lr * h * x
        x = x + factor * lr * np.sign(v)
    return x


@dataclass(frozen=True)
class Quartic(en.Landscape):
    """``sum_k a x_k^4 / 4 - x_k^2 / 2``."""

    dim: int = structure(1, low=1)
    a: float = number(1.0, POSITIVE)
    pointwise = True
    kernel = """
struct Quartic : Unconstrained {
    number a;
    enum Column { columns };
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        return sum((real(0.25) * a) * ((x * x) * (x * x)) - real(0.5) * (x * x));
    }
    template <class Now>
    HD auto gradient(const Vec& x, const Now&) const {
        return a * ((x * x) * x) - x;
    }
    template <class Now>
    HD auto hessian_product(const Vec& x, const Vec& v, const Now&) const {
        return ((real(3) * a) * (x * x) - real(1)) * v;
    }
    template <class Now>
    HD auto hessian_diagonal(const Vec& x, const Now&) const {
        return (real(3) * a) * (x * x) - real(1);
    }
};
"""

    def value(self, x, now=None):
        return total((0.25 * self.a) * ((x * x) * (x * x)) - 0.5 * (x * x))

    def gradient(self, x, now=None):
        return self.a * ((x * x) * x) - x

    def hessian_product(self, x, v, now=None):
        return ((3 * self.a) * (x * x) - 1) * v

    def hessian_diagonal(self, x, now=None):
        return (3 * self.a) * (x * x) - 1


@dataclass(frozen=True)
class Gaussian(en.Noise):
    """Always the same pull, and no noise."""

    sigma: Any = scheduled(domain=NOT_NEGATIVE)
    pointwise = True
    kernel = """
struct Gaussian {
    enum Column { sigma, columns };
    template <class G, class Landscape, class Now>
    HD auto apply(const Vec&, G&& gradient, const Landscape&, const Now& now) const {
        return static_cast<G&&>(gradient) + now[sigma];
    }
};
"""

    def apply(self, x, gradient, landscape, now):
        return gradient + now.sigma


@dataclass(frozen=True)
class Never(en.Event):
    """Always."""

    kernel = """
struct Never {
    enum Column { columns };
    template <class Landscape, class Now>
    HD integer check(const Vec&, const Landscape&, const Now&) const {
        return integer_of(1);
    }
};
"""

    def check(self, x, landscape, now):
        return np.ones(x.shape[0], dtype=np.int32)


@dataclass(frozen=True)
class Adam(en.Adam):
    """The library's fields with a rule of its own, and no struct."""

    def step(self, x, gradient, state, now):
        return x - now.lr * gradient(x)
