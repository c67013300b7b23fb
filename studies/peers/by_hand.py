"""Gradients as one writes them by hand, next to those that follow from the value alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import ensemble as en
from ensemble.arithmetic.products import others

Gradient = Callable[..., Any]


def _first(x: Any, first: Any, rest: Any) -> Any:
    return en.where(en.index(x) < 1, first, rest)


def _quadratic(f: Any, x: Any, now: Any = None) -> Any:
    return f._h(x) * x


def _quartic_saddle(f: Any, x: Any, now: Any = None) -> Any:
    return en.where(en.index(x) < f.unstable, (x * x - f.gamma) * x, f.stiffness * x)


def _double_well(f: Any, x: Any, now: Any = None) -> Any:
    return _first(x, (x * x - 1.0) * x, f.stiffness * x)


def _sharp_flat(f: Any, x: Any, now: Any = None) -> Any:
    first, second = f._parabolas(x)
    a = en.at(x, 0)
    slope = en.where(first < second, f.sharp * (a + f.sharp_at), f.flat * (a - f.flat_at))
    return _first(x, slope, f.stiffness * x)


def _degenerate_saddle(f: Any, x: Any, now: Any = None) -> Any:
    square = x * x
    return _first(x, (f.confinement * square - 1.0) * (square * x), f.stiffness * x)


def _rosenbrock(f: Any, x: Any, now: Any = None) -> Any:
    before = en.shift(x, -1)
    from_next = -4.0 * f.b * (x * (en.shift(x, 1) - x * x)) - 2.0 * (f.a - x)
    from_before = (2.0 * f.b) * (x - before * before)
    last = en.where(en.index(x) < en.dim(x) - 1, from_next, 0.0)
    return last + en.where(en.index(x) > 0, from_before, 0.0)


def _rastrigin(f: Any, x: Any, now: Any = None) -> Any:
    return 2.0 * x + (2.0 * math.pi * f.A) * en.sin(2.0 * math.pi * x)


def _styblinski_tang(f: Any, x: Any, now: Any = None) -> Any:
    return x * (2.0 * (x * x) - 16.0) + 2.5


def _griewank(f: Any, x: Any, now: Any = None) -> Any:
    root = en.sqrt(en.index(x) + 1.0)
    angle = x / root
    return x / 2000.0 + others(en.cos(angle)) * en.sin(angle) / root


def _levy(f: Any, x: Any, now: Any = None) -> Any:
    rise, height, rate, s, c = f._terms(x)
    head = (0.25 * math.pi) * en.sin(2.0 * f._angle_of_first(x))
    slope = 2.0 * rise * (1.0 + height * (s * s)) + (2.0 * math.pi * (height * rate)) * (rise * rise) * (s * c)
    return _first(x, head, 0.0) + 0.25 * slope


def _himmelblau(f: Any, x: Any, now: Any = None) -> Any:
    a, b, u, w = f._terms(x)
    return _first(x, 4.0 * (a * u) + 2.0 * w, 2.0 * u + 4.0 * (b * w))


def _beale(f: Any, x: Any, now: Any = None) -> Any:
    a, b, d1, d2, d3, t1, t2, t3 = f._terms(x)
    turn = t1 + 2.0 * (b * t2) + 3.0 * (b * b * t3)
    return _first(x, -2.0 * (t1 * d1 + t2 * d2 + t3 * d3), 2.0 * (a * turn))


def _booth(f: Any, x: Any, now: Any = None) -> Any:
    u, w = f._terms(x)
    return _first(x, 2.0 * u + 4.0 * w, 4.0 * u + 2.0 * w)


def _plateau(f: Any, x: Any, now: Any = None) -> Any:
    return f._level(x, now)[1] * f.base.gradient(x, now)


BY_HAND: dict[type[en.Landscape], Gradient] = {
    en.Quadratic: _quadratic,
    en.QuarticSaddle: _quartic_saddle,
    en.DegenerateSaddle: _degenerate_saddle,
    en.DoubleWell: _double_well,
    en.SharpFlat: _sharp_flat,
    en.Rosenbrock: _rosenbrock,
    en.Rastrigin: _rastrigin,
    en.StyblinskiTang: _styblinski_tang,
    en.Griewank: _griewank,
    en.Levy: _levy,
    en.Himmelblau: _himmelblau,
    en.Beale: _beale,
    en.Booth: _booth,
    en.Plateau: _plateau,
}
"""The gradients of the landscapes that say only their value; the others say theirs themselves."""


def landscapes(dim: int = 16) -> list[en.Landscape]:
    """One of each kind whose value is a formula, in ``dim`` coordinates where it can have so many."""
    return [
        en.Ackley(dim=dim),
        en.Beale(),
        en.Booth(),
        en.Cliff(dim=dim),
        en.DegenerateSaddle(dim=dim),
        en.DoubleWell(dim=dim),
        en.Griewank(dim=dim),
        en.Himmelblau(),
        en.Levy(dim=dim),
        en.MonkeySaddle(),
        en.MultiWell(np.sin(1.0 + np.arange(3 * dim)).reshape(3, dim)),
        en.Octopus(dim=dim),
        en.Plateau(en.DoubleWell(dim=dim)),
        en.PolyakLojasiewicz(dim=dim),
        en.Quadratic(1.3, dim=dim),
        en.QuarticSaddle(dim=dim),
        en.Rastrigin(dim=dim),
        en.Rosenbrock(dim=dim),
        en.Schwefel(dim=dim),
        en.SharpFlat(dim=dim),
        en.SmoothSharpFlat(dim=dim),
        en.StyblinskiTang(dim=dim),
    ]


def _with(part: en.Landscape, methods: dict[str, Gradient]) -> en.Landscape:
    kind = type(part)
    changed = object.__new__(type(kind.__name__, (kind,), {"__module__": __name__, **methods}))
    vars(changed).update(vars(part))
    return changed


def by_hand(part: en.Landscape) -> en.Landscape:
    """The landscape with the gradient that one writes by hand."""
    return _with(part, {"gradient": BY_HAND[type(part)]}) if type(part) in BY_HAND else part


def from_value(part: en.Landscape) -> en.Landscape:
    """The landscape with all that it says but its value left out."""
    base = en.Landscape
    names = ("gradient", "hessian_product", "hessian_diagonal")
    return _with(part, {name: getattr(base, name) for name in names})
