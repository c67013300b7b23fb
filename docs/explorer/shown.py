"""What the explorer shows: landscapes of two coordinates with an event each, and optimizers with their sliders."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from typed import Typed

import ensemble as en

Slider = tuple[str, float, float, float, bool]
"""(field, lowest, highest, at first, whether it is logarithmic)."""


@dataclass(frozen=True)
class Scene:
    """A landscape, where its cloud starts, what is timed, and the rates to begin with."""

    name: str
    landscape: en.Landscape
    formula: str
    event: en.Event
    timed: str
    center: tuple[float, float]
    spread: float
    sigma: float
    lr: float
    window: tuple[tuple[float, float], tuple[float, float]]


SCENES = (
    Scene(
        "saddle",
        en.QuarticSaddle(dim=2),
        "f = −x²/2 + x⁴/4 + y²/2",
        en.LeftSlab([1.0, 0.0], 0.5, stop=False),
        "left |x| < 0.5",
        (0.0, 0.0),
        0.01,
        1.0,
        0.05,
        ((-1.8, 1.8), (-1.3, 1.3)),
    ),
    Scene(
        "double well",
        en.DoubleWell(dim=2),
        "f = (x² − 1)²/4 + y²/2",
        en.Crossed([1.0, 0.0], 0.0, stop=False),
        "crossed x = 0",
        (-1.0, 0.0),
        0.05,
        2.0,
        0.05,
        ((-2.0, 2.0), (-1.5, 1.5)),
    ),
    Scene(
        "bowl",
        en.Quadratic([1.0, 10.0]),
        "f = x²/2 + 5y²",
        en.Below(0.1, stop=False),
        "reached f ≤ 0.1",
        (-2.0, 1.0),
        0.2,
        1.0,
        0.05,
        ((-2.8, 2.8), (-2.1, 2.1)),
    ),
    Scene(
        "degenerate saddle",
        en.DegenerateSaddle(dim=2),
        "f = −x⁴/4 + x⁶/6 + y²/2",
        en.LeftSlab([1.0, 0.0], 0.5, stop=False),
        "left |x| < 0.5",
        (0.0, 0.0),
        0.05,
        1.0,
        0.05,
        ((-1.6, 1.6), (-1.2, 1.2)),
    ),
    Scene(
        "cliff",
        en.Cliff(dim=2),
        "A slope down to the foot of a wall at x = 0.",
        en.Crossed([1.0, 0.0], -0.5, stop=False),
        "crossed x = −0.5",
        (-2.0, 0.0),
        0.2,
        1.0,
        0.02,
        ((-3.2, 0.8), (-1.5, 1.5)),
    ),
    Scene(
        "valley",
        en.Rosenbrock(),
        "f = (1 − x)² + 100 (y − x²)²",
        en.Below(0.1, stop=False),
        "reached f ≤ 0.1",
        (-1.2, 1.0),
        0.15,
        1.0,
        0.0005,
        ((-2.0, 2.0), (-0.8, 2.4)),
    ),
    Scene(
        "corners",
        en.Beale(),
        "f = (1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²",
        en.Below(0.1, stop=False),
        "reached f ≤ 0.1",
        (1.0, -1.0),
        0.2,
        2.0,
        0.005,
        ((-4.0, 4.0), (-3.0, 3.0)),
    ),
    Scene(
        "four minima",
        en.Himmelblau(),
        "f = (x² + y − 11)² + (x + y² − 7)²",
        en.Below(1.0, stop=False),
        "reached f ≤ 1",
        (0.0, 0.0),
        1.5,
        10.0,
        0.002,
        ((-5.5, 5.5), (-5.0, 5.0)),
    ),
    Scene(
        "many minima",
        en.Rastrigin(dim=2),
        "f = 20 + Σ (x² − 10 cos 2πx)",
        en.Below(1.0, stop=False),
        "reached f ≤ 1",
        (2.5, 2.5),
        0.7,
        80.0,
        0.002,
        ((-5.2, 5.2), (-4.4, 4.4)),
    ),
    Scene(
        "needle",
        en.Ackley(dim=2),
        "A cone at 0 among ripples.",
        en.Below(1.0, stop=False),
        "reached f ≤ 1",
        (2.0, 2.0),
        0.4,
        4.0,
        0.1,
        ((-4.0, 4.0), (-3.0, 3.0)),
    ),
    Scene(
        "waves",
        en.Levy(dim=2),
        "Waves of sin² on a bowl, least at (1, 1).",
        en.Below(1.0, stop=False),
        "reached f ≤ 1",
        (-4.0, -3.0),
        0.5,
        10.0,
        0.05,
        ((-8.0, 8.0), (-6.0, 6.0)),
    ),
    Scene(
        "sharp and flat",
        en.SmoothSharpFlat(dim=2),
        "A sharp well at x = −1, a flat one at x = 2.",
        en.Crossed([1.0, 0.0], 0.5, stop=False),
        "crossed x = 0.5",
        (-1.0, 0.0),
        0.05,
        4.0,
        0.1,
        ((-3.0, 4.2), (-2.6, 2.6)),
    ),
    Scene(
        "monkey saddle",
        en.MonkeySaddle(),
        "f = x³ − 3xy² + (x² + y²)²/4",
        en.LeftBall(1.0, stop=False),
        "left the unit disc",
        (0.0, 0.0),
        0.05,
        1.0,
        0.02,
        ((-4.2, 4.2), (-3.6, 3.6)),
    ),
    Scene(
        "Styblinski–Tang",
        en.StyblinskiTang(dim=2),
        "f = ½ Σ (x⁴ − 16x² + 5x)",
        en.Below(-70.0, stop=False),
        "reached f ≤ −70",
        (0.0, 0.0),
        1.0,
        10.0,
        0.004,
        ((-5.0, 5.0), (-4.6, 4.6)),
    ),
)

OWN = Scene(
    "your own f(x, y)",
    Typed(tape=[0.0] * 8),
    "",
    en.Below(0.0, stop=False),
    "reached f ≤ level",
    (0.1, 0.1),
    0.3,
    0.3,
    0.01,
    ((-2.0, 2.0), (-1.5, 1.5)),
)
"""The page puts the formula, its minima and the level into it."""

LR: Slider = ("lr", 1e-5, 2.0, 0.01, True)
BETA: Slider = ("beta", 0.0, 0.99, 0.9, False)
BETA1: Slider = ("beta1", 0.0, 0.99, 0.9, False)
BETA2: Slider = ("beta2", 0.5, 0.9999, 0.999, False)
RHO: Slider = ("rho", 0.0, 0.999, 0.9, False)
DECAY: Slider = ("weight_decay", 0.0, 1.0, 0.01, False)
OPTIMIZERS: tuple[tuple[str, en.Optimizer, tuple[Slider, ...], tuple[str, float]], ...] = (
    ("SGD", en.GradientDescent(0.01), (LR,), ("lr", 1.0)),
    ("heavy ball", en.HeavyBall(0.01), (LR, BETA), ("lr", 0.2)),
    ("Nesterov", en.Nesterov(0.01), (LR, BETA), ("lr", 0.2)),
    ("AdaGrad", en.AdaGrad(0.01), (LR,), ("window", 0.03)),
    ("RMSProp", en.RMSProp(0.01), (LR, RHO), ("window", 0.003)),
    ("Adam", en.Adam(0.01), (LR, BETA1, BETA2), ("window", 0.004)),
    ("AdamW", en.AdamW(0.01), (LR, BETA1, BETA2, DECAY), ("window", 0.004)),
    ("AMSGrad", en.AMSGrad(0.01), (LR, BETA1, BETA2), ("window", 0.004)),
    ("NAdam", en.NAdam(0.01), (LR, BETA1, BETA2), ("window", 0.004)),
    ("RAdam", en.RAdam(0.01), (LR, BETA1, BETA2), ("lr", 1.0)),
    ("AdaBelief", en.AdaBelief(0.01), (LR, BETA1, BETA2), ("window", 0.004)),
    ("Adamax", en.Adamax(0.01), (LR, BETA1, BETA2), ("window", 0.004)),
    ("Adadelta", en.Adadelta(1.0), (LR, RHO), ("one", 1.0)),
    ("Lion", en.Lion(0.01), (LR, BETA1, ("beta2", 0.5, 0.9999, 0.99, False), DECAY), ("window", 0.002)),
    ("signSGD", en.SignSGD(0.01), (LR,), ("window", 0.002)),
    ("SGLD", en.SGLD(0.01, 0.1), (LR, ("temperature", 1e-4, 10.0, 0.1, True)), ("lr", 1.0)),
    (
        "SAM",
        en.SAM(en.GradientDescent(0.01), rho=0.1),
        (("base.lr", 1e-5, 2.0, 0.01, True), ("rho", 0.0, 1.0, 0.1, False)),
        ("lr", 1.0),
    ),
)
"""Name, optimizer, its sliders, and its first rate: so many times the scene's, or its width where steps do not grow with slopes, or 1."""


def first_rate(scene: Scene, share: tuple[str, float]) -> float:
    """The rate that an optimizer begins with on a scene."""
    (left, right), _ = scene.window
    basis, factor = share
    return float(f"{ {'lr': scene.lr, 'window': right - left, 'one': 1.0}[basis] * factor:.3g}")


def call_of(optimizer: en.Optimizer, sliders: tuple[Slider, ...], prefix: str = "") -> str:
    """The optimizer as one types it, with {beta1} where the number of a slider belongs."""
    given = []
    for f in dataclasses.fields(optimizer):
        inner = getattr(optimizer, f.name)
        if isinstance(inner, en.Optimizer):
            given.append(f"{f.name}={call_of(inner, sliders, f'{prefix}{f.name}.')}")
        elif any(name == prefix + f.name for name, *_ in sliders):
            given.append(f"{f.name}={{{prefix}{f.name}}}")
    return f"en.{type(optimizer).__name__}({', '.join(given)})"


def said(part: Any) -> str:
    """A part as one types it, whose numbers are not swept; an event here labels, and its instance goes on."""
    text = f"en.{part!r}"
    return f"{text[:-1]}, stop=False)" if isinstance(part, en.Event) else text
