"""A picture of every part: landscapes as contours, optimizers as paths on one ravine, noises, starts, events, schedules."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib import rc_context

import ensemble as en
from ensemble.plots.directions import Plane
from ensemble.plots.picture import STYLE, Picture
from ensemble.plots.planes import surface_of
from ensemble.plots.style import COLOURS

WIDE, HIGH = 2.5, 2.1
"""Inches."""
RAVINE, BEGIN = en.Quadratic([1.0, 12.0]), (-3.0, 1.0)
HALF = en.GradientDescent(0.1)

LANDSCAPES: dict[str, Callable[[], en.Landscape]] = {
    "Composed": lambda: en.Composed(lambda f: np.log(1 + f), en.Rosenbrock()),
    "DeepLinear": lambda: en.DeepLinear(layers=2),
    "MatrixFactorization": lambda: en.MatrixFactorization([[1.0], [0.6]]),
    "MultiWell": lambda: en.MultiWell([[-1.0, -0.6], [1.0, -0.4], [0.1, 1.1]], curvatures=(2.0, 6.0, 3.0)),
    "MatrixSensing": lambda: en.MatrixSensing.random(size=2, rank=1, measurements=24),
    "PhaseRetrieval": lambda: en.PhaseRetrieval.random(dim=2, measurements=24),
    "PSpinFeatures": lambda: en.PSpinFeatures(dim=3, features=64),
    "SphericalPSpin": lambda: en.SphericalPSpin(dim=3),
    "Plateau": lambda: en.Plateau(en.Himmelblau(), height=60.0),
    "Quadratic": lambda: RAVINE,
    "Rotated": lambda: en.Rotated(RAVINE, seed=2),
    "Scaled": lambda: en.Scaled(en.MonkeySaddle(), -1.0),
    "SharpFlat": lambda: en.SharpFlat(dim=2, sharp=6.0),
    "SmoothSharpFlat": lambda: en.SmoothSharpFlat(dim=2, sharp=6.0, smoothing=0.5),
}
WINDOWS = {
    "MatrixFactorization": ((-1.6, 1.6), (-1.4, 1.4)), "PhaseRetrieval": ((-2.5, 2.5), (-2.2, 2.2)),
    "MatrixSensing": ((-2.5, 2.5), (-2.2, 2.2)),
    "MultiWell": ((-2.0, 2.0), (-1.5, 2.0)), "Octopus": ((-14.0, 14.0), (-14.0, 14.0)),
    "OnlineLinear": ((-1.0, 1.0), (-1.0, 1.0)), "StochasticLinear": ((-1.0, 1.0), (-1.0, 1.0)),
}  # fmt: skip
"""Windows where the landscape names none, or another shows more."""

OPTIMIZERS: dict[str, Callable[[], en.Optimizer]] = {
    "Adadelta": lambda: en.Adadelta(lr=1.0, eps=1e-2),
    "AdaGrad": lambda: en.AdaGrad(0.5),
    "AdaGradRMS": lambda: en.AdaGradRMS(0.1),
    "Adai": lambda: en.Adai(lr=0.05),
    "Average": lambda: en.Average(HALF),
    "Clip": lambda: en.Clip(en.GradientDescent(0.15), norm=2.0),
    "ClipValue": lambda: en.ClipValue(en.GradientDescent(0.15), limit=1.5),
    "EMA": lambda: en.EMA(en.GradientDescent(0.15), beta=0.8),
    "GradientDescent": lambda: en.GradientDescent(0.15),
    "HeavyBall": lambda: en.HeavyBall(0.03, beta=0.8),
    "L2": lambda: en.L2(en.HeavyBall(0.03, beta=0.8), weight_decay=1.0),
    "Lion": lambda: en.Lion(0.07),
    "Momentum": lambda: en.Momentum(0.15, beta=0.8),
    "Muon": lambda: en.Muon(0.1, row_length=2),
    "Nesterov": lambda: en.Nesterov(0.03, beta=0.8),
    "Newton": lambda: en.Newton(lr=0.3),
    "PerturbedGD": lambda: en.PerturbedGD(0.1, radius=0.4, g_thres=0.5, t_thres=8),
    "Preconditioned": lambda: en.Preconditioned(lr=0.2),
    "RMSPropMomentum": lambda: en.RMSPropMomentum(0.02, beta=0.8, rho=0.99),
    "SaddleFreeNewton": lambda: en.SaddleFreeNewton(lr=0.2, damping=4.0, smoothness=12.0),
    "SAM": lambda: en.SAM(en.GradientDescent(0.1), rho=0.3),
    "SGLD": lambda: en.SGLD(0.05, temperature=0.3),
    "WeightDecay": lambda: en.WeightDecay(en.HeavyBall(0.03, beta=0.8), lr=0.03, weight_decay=1.0),
}
"""Those that a rate of 0.1 alone does not show well."""

NOISES: dict[str, Callable[[], en.Noise]] = {
    "AlphaStable": lambda: en.AlphaStable(1.5, 0.3),
    "DiagonalGaussian": lambda: en.DiagonalGaussian((0.8, 0.2)),
    "Gaussian": lambda: en.Gaussian(0.5),
    "HessianAligned": lambda: en.HessianAligned(4.0),
    "Multiplicative": lambda: en.Multiplicative(0.4),
    "Minibatch": lambda: en.Minibatch(4),
    "Rademacher": lambda: en.Rademacher(0.5),
    "Spikes": lambda: en.Spikes(0.1, 0.8),
    "StudentT": lambda: en.StudentT(2.0, 0.3),
    "Superposition": lambda: en.Gaussian(0.15) + en.Rademacher(0.7),
}
STARTS: dict[str, Callable[[], en.Start]] = {
    "Ball": lambda: en.Ball(1.0),
    "LatinHypercube": lambda: en.LatinHypercube(-1.0, 1.0, points=200),
    "NearStationary": lambda: en.NearStationary((0.5, 0.0), 0.4, along=(0.2, 1.0)),
    "NormalCloud": lambda: en.NormalCloud(0.4),
    "Point": lambda: en.Point((0.5, -0.3)),
    "Points": lambda: en.Points([[0.8, 0.0], [-0.4, 0.7], [-0.4, -0.7]]),
    "Sobol": lambda: en.Sobol(-1.0, 1.0),
    "Sphere": lambda: en.Sphere(1.0),
    "UniformBox": lambda: en.UniformBox(-1.0, 1.0),
}
WELL = en.DoubleWell(dim=2)
EVENTS: dict[str, Callable[[], en.Event]] = {
    "AllOf": lambda: en.AllOf(en.Crossed((1.0, 0.0), 0.0), en.LeftBall(1.0)),
    "AnyOf": lambda: en.AnyOf(en.Below(0.1), en.LeftBall(1.6)),
    "Below": lambda: en.Below(0.15),
    "Crossed": lambda: en.Crossed((1.0, 0.5), 0.4),
    "GradientBelow": lambda: en.GradientBelow(0.4),
    "LeftBall": lambda: en.LeftBall(1.2),
    "LeftSlab": lambda: en.LeftSlab((1.0, 0.5), 0.8),
    "NearMinimum": lambda: en.NearMinimum.of(WELL, 0.5),
    "Never": lambda: en.Never(),
    "Reported": lambda: en.Reported(en.Below(0.15)),
    "SecondOrderStationary": lambda: en.SecondOrderStationary(0.4, 0.5),
}
SCHEDULES: dict[str, Callable[[], en.Schedule]] = {
    "Constant": lambda: en.Constant(0.1),
    "Cosine": lambda: en.Cosine(0.1, steps=80, warmup=15),
    "ExponentialDecay": lambda: en.ExponentialDecay(0.1, 0.96),
    "FromFunction": lambda: en.FromFunction(lambda t: 0.06 + 0.04 * np.sin(t / 8)),
    "InverseSqrt": lambda: en.InverseSqrt(0.1),
    "AcceleratedMomentum": en.AcceleratedMomentum,
    "InverseTime": lambda: en.InverseTime(0.1, k=0.1),
    "LinearDecay": lambda: en.LinearDecay(0.1, steps=80),
    "OneCycle": lambda: en.OneCycle(0.1, steps=80),
    "PerBatch": lambda: en.PerBatch(1.0, en.StepDecay(8.0, factor=2.0, every=25)),
    "Piecewise": lambda: en.Piecewise([0.1, 0.03, 0.05], at=[30, 70], line=True),
    "StepDecay": lambda: en.StepDecay(0.1, factor=0.5, every=25),
    "WarmRestarts": lambda: en.WarmRestarts(0.1, first=14, factor=2.0),
    "Warmup": lambda: en.Warmup(en.ExponentialDecay(0.1, 0.98), steps=20),
}


def tries(kind: type, listed: dict[str, Callable[[], Any]], *others: Callable[[], Any]) -> Any:
    """The part shown of a class: the listed one, else the first of ``others`` that can be made.

    ValueError: none can be; say in this file what of it is to be drawn.
    """
    for make in [listed[kind.__name__]] if kind.__name__ in listed else others:
        try:
            return make()
        except (TypeError, ValueError, AttributeError):
            continue
    raise ValueError(f"{kind.__name__}: say in docs/make/thumbnails.py what of it is to be drawn.")


def on_data(kind: type) -> Any:
    """A landscape of data, on forty samples of two numbers."""
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(40, 2))
    seen = rows @ [1.0, -0.5] + 0.3 * generator.normal(size=40)
    for answers in (np.sign(seen), (seen > 0).astype(int), seen):
        for more in ({}, {"hidden": 1}):
            try:
                return kind(rows, answers, **more)
            except (TypeError, ValueError):
                continue
    raise ValueError(f"{kind.__name__} takes no such data")


def blank() -> tuple[Picture, Any]:
    figure = Picture(WIDE, HIGH, layout="constrained")
    return figure, figure.subplots()


def run(**given: Any) -> Any:
    """A small run on NumPy: nothing is compiled for these pictures."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*starts already satisfy the event")
        return en.simulate(**{"backend": "numpy", "progress": False, "dtype": "float64"} | given).dataset


def landscape(kind: type[en.Landscape]) -> Picture:
    """Contours in the landscape's own window; dots are minima, crosses saddles, a triangle a maximum."""
    others = (lambda: kind(dim=2), kind, lambda: kind.random(dim=2), lambda: kind.random(), lambda: on_data(kind))
    part = tries(kind, LANDSCAPES, *others)
    figure, axes = blank()
    named = getattr(part, "picture", None)
    window = WINDOWS.get(kind.__name__) or named or ((-2.0, 2.0), (-2.0, 2.0))
    if part.dimension == 1:
        x = np.linspace(*window[0], 400)
        axes.plot(x, part.value(x[:, None])[:, 0], color=COLOURS[2])
        axes.set(xlabel="$x_1$", ylabel="f")
        return figure
    place = np.arange(part.dimension)
    middle = np.where(place < 2, 0.0, np.cos(place))  # spheres have no 0, networks are flat there
    surface_of(part, Plane.axes(part.dimension, center=middle), [], window).draw(axes)
    axes.set_aspect("auto")
    try:
        known = [point for point in part.stationary_points() if part.dimension == 2]
    except ValueError:
        known = []
    for point in known:
        between = 0 < point.index < part.dimension or "saddle" in point.name
        marker = "X" if between else "^" if point.index else "o"
        axes.plot(*point.x, marker, color="black", markeredgecolor="white", markersize=5)
    return figure


def optimizer(kind: type[en.Optimizer]) -> Picture:
    """60 steps on the ravine x^2/2 + 6 y^2, a dot for each; what the optimizer reports, where it averages."""
    part = tries(kind, OPTIMIZERS, lambda: kind(lr=0.1), lambda: kind(HALF), lambda: kind(en.Adam(0.1)), kind)
    path = run(
        landscape=RAVINE,
        optimizer=part,
        start=en.Point(BEGIN),
        steps=60,
        instances=1,
        record=en.Record(["x"], at=range(61)),
    )
    track = path["path" if "path" in path else "x"].to_numpy().reshape(-1, 2)
    figure, axes = blank()
    surface_of(RAVINE, Plane.axes(2), [], ((-3.6, 1.4), (-1.5, 1.5))).draw(axes)
    axes.set_aspect("auto")
    axes.plot(*track.T, ".-", color=COLOURS[4], linewidth=0.8, markersize=3)
    axes.plot(*track[0], "o", color="white", markeredgecolor=COLOURS[4], markersize=4, zorder=3)
    axes.plot(*track[-1], "X", color="black", markeredgecolor="white", markersize=6, zorder=4)
    return figure


def noise(kind: type[en.Noise]) -> Picture:
    """2,000 noisy gradients (dots) around the exact one, the arrow."""
    part = tries(kind, NOISES, kind, lambda: kind(0.5), lambda: kind(4))
    where, ground = np.array([1.0, 1.0]), en.Quadratic([1.0, 2.0])
    given = {
        "optimizer": en.GradientDescent(1.0),
        "noise": part,
        "start": en.Point(where),
        "steps": 1,
        "instances": 2000,
    }
    try:
        seen = run(landscape=ground, **given)
    except (TypeError, ValueError):  # noise of samples
        ground = on_data(en.LeastSquares)  # type: ignore[attr-defined]
        seen = run(landscape=ground, **given)
    gradients, exact = where - seen["x"].to_numpy(), ground.gradient(where[None])[0]
    figure, axes = blank()
    few = len(np.unique(gradients.round(6), axis=0)) < 20
    axes.plot(*gradients.T, ".", color=COLOURS[6], markersize=9 if few else 2.5, markeredgewidth=0)
    arrow = {"arrowstyle": "-|>", "color": "black", "shrinkA": 0, "shrinkB": 0, "linewidth": 1.1}
    axes.annotate("", tuple(exact), (0.0, 0.0), arrowprops=arrow)
    wide = max(
        2.5, 1.1 * np.quantile(np.abs(gradients[:, 0] - exact[0]), 0.98)
    )  # batches come in clusters, some far away
    axes.set(
        xlim=(exact[0] - wide, exact[0] + wide),
        ylim=(exact[1] - 1.08 * wide, exact[1] + 1.08 * wide),
        xlabel="$g_1$",
        ylabel="$g_2$",
    )
    return figure


def start(kind: type[en.Start]) -> Picture:
    """200 starts in two coordinates."""
    part = tries(kind, STARTS, kind, lambda: kind(1.0))
    seen = run(landscape=WELL, optimizer=en.GradientDescent(0.0), start=part, steps=1, instances=200)
    figure, axes = blank()
    few = len(np.unique(seen["x"].to_numpy(), axis=0)) < 20
    axes.plot(*seen["x"].to_numpy().T, ".", color=COLOURS[2], markersize=10 if few else 4, alpha=0.7, markeredgewidth=0)
    axes.set(xlim=(-1.35, 1.35), ylim=(-1.35, 1.35), xlabel="$x_1$", ylabel="$x_2$")
    return figure


def event(kind: type[en.Event]) -> Picture:
    """Where it holds, on the contours of a double well: a colour for each label."""
    part = tries(kind, EVENTS, kind, lambda: kind(0.5))
    across, up = np.meshgrid(np.linspace(-2, 2, 121), np.linspace(-1.7, 1.7, 121))
    points = np.column_stack([across.ravel(), up.ravel()])
    seen = run(
        landscape=WELL,
        optimizer=en.GradientDescent(0.0),
        start=en.Points(points),
        event=part,
        steps=1,
        instances=len(points),
    )
    label = seen["event"].to_numpy().reshape(across.shape)
    figure, axes = blank()
    surface_of(WELL, Plane.axes(2), [], ((-2.0, 2.0), (-1.7, 1.7))).draw(axes)
    axes.set_aspect("auto")
    for k in range(1, label.max() + 1):
        axes.contourf(across, up, label == k, [0.5, 1.5], colors=[COLOURS[(1, 3, 5)[(k - 1) % 3]]], alpha=0.55)
    return figure


def schedule(kind: type[en.Schedule]) -> Picture:
    """The number at each of 100 steps."""
    part = tries(kind, SCHEDULES, lambda: kind(0.1), kind)
    t = np.arange(1, 101)
    figure, axes = blank()
    axes.plot(t, part(t.astype(float)), color=COLOURS[2])
    axes.set(xlabel="step t", ylabel="value", ylim=(0, None))
    return figure


DRAWN: dict[type, Callable[[Any], Picture]] = {
    en.Landscape: landscape, en.Optimizer: optimizer, en.Noise: noise, en.Start: start, en.Event: event, en.Schedule: schedule,
}  # fmt: skip


def caption(kind: type) -> str:
    """What the pictures of a kind show."""
    return (inspect.getdoc(DRAWN[kind]) or "").strip()


def save(kind: type, part: type, path: Any) -> None:
    with rc_context(STYLE | {"axes.grid": kind in (en.Schedule, en.Start, en.Noise), "font.size": 7}):
        DRAWN[kind](part).savefig(path, dpi=200)
