"""A good call of everything public that takes arguments: what random bad calls are made of."""

from __future__ import annotations

import dataclasses
import inspect
from functools import partial

import numpy as np
import own_functions
import sympy
import xarray as xr
from bad_calls import COMPARED, PAIRED, RESULT, RULES, RUN, SHARED
from bad_rates import LAW, LEARNED, LINEAR, ON, ONE, RUNS, TIMES, WELL
from parts import all_kinds, example

import ensemble as en
from ensemble import plots

S = en.statistics
X = sympy.Symbol("x")
HILLS = en.Himmelblau()
POINTS = np.array([[0.5, -0.2, 0.1], [0.1, 0.0, 0.3]])
EIGENVALUES = np.array([[-1.0, 0.5, 2.0], [-0.5, 0.7, 3.0]])
INDICES = S.saddle_index(RESULT)
DRAWN = en.simulate(**RUN | {"optimizer": en.GradientDescent(en.drawn(en.Uniform(0.1, 0.2)))})
TWO = {"landscape": en.SharpFlat(dim=3), "start": en.NormalCloud(3.0), "noise": None, "event": None, "steps": 200}
MINIMA = S.nearest_minimum(en.simulate(**RUN | TWO), tolerance=0.5)
TRACK = np.array([[0.0, 0.0], [0.5, 1.0], [2.0, 1.5]])
PLANE = plots.Plane.axes(2)
MAP = xr.Dataset({"median": (("a", "b"), [[1.0, 2.0], [3.0, 4.0]])}, {"a": [1, 2], "b": [0.1, 0.2]})
PLANES = en.simulate(
    **RUN | {"landscape": en.LogisticRegression.random(12, 4), "event": None, "noise": en.Minibatch(3)},
)
FIGURE = plots.survival(RESULT)


def of(function, *given, **named):
    """The function and its good arguments, all by name."""
    names = [
        n
        for n, p in inspect.signature(function).parameters.items()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    return function, dict(zip(names, given, strict=False)) | named


RUNNING = {
    "simulate": of(en.simulate, **RUN | {"plan_only": True}),
    "compare": of(en.compare, RULES, **SHARED | {"plan_only": True}),
    "replay": of(en.replay, RESULT, 3, {"lr": 0.1}, steps=10),
    "resume": of(en.Result.resume, COMPARED, 40, progress=False),
    "fields": of(en.Result.fields, RESULT, "float64"),
    "merge": of(en.merge, [RESULT], "merged"),
    "log_spaced": of(en.log_spaced, 5),
    "lin_spaced": of(en.lin_spaced, 5),
    "Record": of(
        en.Record, ["value"], at=[0, 1], instances=[0, 2], quantiles=[0.5], point=0.0, observables={"well": HILLS}
    ),
    "find_stationary_points": of(en.find_stationary_points, HILLS, (-5.0, 5.0), starts=8, seed=0, backend="numpy"),
    "path_between": of(
        en.path_between,
        (3.0, 2.0),
        (-2.8, 3.1),
        HILLS,
        images=5,
        steps=5,
        tolerance=0.1,
        through=(0.0, 3.0),
        backend="numpy",
    ),
    "load": of(en.load, "no such file", parts=[en.Adam]),
    "landscape": of(en.landscape, own_functions.chain.function, dim=2, name="Bowl"),
    "from_sympy": of(en.from_sympy, X**2 + sympy.Symbol("a") * X, "x", parameters={"a": 1.0}, name="Bowl"),
    "finite_sum": of(en.finite_sum, lambda x, sample: x[0] * sample[0], name="Sum"),
    "Minibatch": of(en.Minibatch, 8, order="reshuffle", drop_last=True),
    "source": of(en.source, en.Adam()),
    "check": of(en.check, en.HeavyBall(0.1), dim=3, landscape=en.QuarticSaddle(dim=3)),
}
STATISTICS = {
    "against_drawn": of(S.against_drawn, DRAWN, "lr", bins=2, label=1, confidence=0.9),
    "against_law": of(S.against_law, RUNS, LAW, label=1),
    "arrhenius": of(S.arrhenius, TIMES, "lr", [0.1, 0.2, 0.3], time_per_step=0.1, after=0, label=1, confidence=0.9),
    "compare_survival": of(
        S.compare_survival, PAIRED, "lr", reference=0.1, until=20, resamples=200, seed=1, confidence=0.9
    ),
    "convergence_rate": of(
        S.convergence_rate, ON, "value", -1.0, since=1, until=40, resamples=200, seed=1, confidence=0.9
    ),
    "escape_rate": of(S.escape_rate, RESULT, label=1, confidence=0.9, after=1),
    "hazard": of(S.hazard, RUNS, 3, label=1, confidence=0.9),
    "index_against_loss": of(S.index_against_loss, INDICES, bins=3, confidence=0.9),
    "keskar": of(S.keskar, en.Quadratic(1.0, dim=3), POINTS, epsilon=0.01, floor=0.0, starts=1, steps=2, seed=1),
    "largest_eigenvalue": of(
        S.largest_eigenvalue, RUN["landscape"], POINTS, tolerance=1e-3, iterations=50, seed=1, strict=True
    ),
    "log_determinant": of(S.log_determinant, en.Quadratic(1.0, dim=3), POINTS, tolerance=1e-6),
    "generalisation": of(
        S.generalisation, PLANES, (np.eye(4), [0, 1, 0, 1]), sharpness_measure="trace", confidence=0.9
    ),
    "instances_for_interval": of(S.instances_for_interval, 0.1, share=0.5, confidence=0.9),
    "instances_for_power": of(S.instances_for_power, 0.9, difference=1.0, sd=2.0, paired=False, confidence=0.9),
    "logrank": of(S.logrank, RESULT, "lr", label=1, weights=(1, 0)),
    "mean": of(S.mean, RUNS, "value", at=[40], confidence=0.9),
    "nearest_minimum": of(S.nearest_minimum, RESULT, tolerance=0.1),
    "noise_covariance": of(S.noise_covariance, en.LeastSquares.random(9, 3), np.zeros(3), 2, order="no_replacement"),
    "noise_to_signal": of(S.noise_to_signal, ONE, WELL["landscape"], WELL["noise"], draws=2, confidence=0.9, seed=1),
    "occupancy_against_sharpness": of(S.occupancy_against_sharpness, MINIMA, confidence=0.9),
    "paired_difference": of(S.paired_difference, RUNS, "lr", "value", step=40, reference=0.1, confidence=0.9),
    "quench": of(S.quench, RESULT, lr=0.1, steps=20, gradient_tolerance=0.1, dtype="float64", progress=False),
    "quenched": of(S.quenched, xr.DataArray(np.eye(12), dims=("seed", "instance")), "seed", confidence=0.9),
    "regret": of(S.regret, LEARNED, LINEAR, [-1.0, -1.0], confidence=0.9),
    "saddle_index": of(S.saddle_index, RESULT, tolerance=1e-6),
    "sam_sharpness": of(S.sam_sharpness, en.Quadratic(1.0, dim=3), POINTS, rho=0.1, starts=1, steps=2, seed=1),
    "second_order_stationarity": of(
        S.second_order_stationarity, RESULT, gradient_tolerance=0.1, curvature_tolerance=0.1, confidence=0.9
    ),
    "shares": of(S.shares, RESULT, labels=[1], confidence=0.9),
    "sharpness": of(S.sharpness, RESULT, measures=["trace"]),
    "smallest_eigenvalue": of(
        S.smallest_eigenvalue, RUN["landscape"], POINTS, tolerance=1e-3, iterations=50, seed=1, strict=True
    ),
    "spectrum": of(S.spectrum, RUN["landscape"], POINTS),
    "survival": of(S.survival, RESULT, label=1, confidence=0.9, max_steps=20),
    "to_dataframe": of(S.to_dataframe, RESULT, ["event_step"]),
    "to_latex": of(S.to_latex, S.survival(RESULT), ["median"], words={"median": "T"}, digits=2),
    "survival_table": of(S.survival_table, S.survival(RESULT)),
    "time_to_tolerance": of(S.time_to_tolerance, ON, [0.1, 0.2], quantity="value", optimum=-1.0, confidence=0.9),
    "trace": of(S.trace, RUN["landscape"], POINTS, probes=4, seed=1),
}
LOOK = {"width": 3.0, "height": 2.0, "places": {"all": 1}}
NAMED = {"laws": {"all": ([1, 2], [0.5, 0.2])}, "law_name": "exact"}
PICTURES = {
    "Plane": of(plots.Plane, np.zeros(2), np.eye(2), ("a", "b")),
    "against": of(
        plots.against, RESULT, "lr", **LOOK, **NAMED, label=1, confidence=0.9, x_label="rate", log=(True, False)
    ),
    "against_drawn": of(
        plots.against_drawn,
        DRAWN,
        "lr",
        **LOOK,
        bins=2,
        label=1,
        confidence=0.9,
        x_label="rate",
        log=(True, False),
    ),
    "arrhenius": of(
        plots.arrhenius, S.arrhenius(TIMES, "lr"), "temperature", **LOOK, **NAMED, x_label="x", y_label="y"
    ),
    "bars": of(
        plots.bars, S.shares(RESULT), "share", "outcome", **LOOK, names={"censored": "left"}, x_label="x", limits=(0, 1)
    ),
    "compare_all": of(plots.compare_all, RESULT, label=1, confidence=0.9),
    "curves": of(
        plots.curves,
        ON,
        "value",
        "step",
        **LOOK,
        **NAMED,
        x_label="x",
        y_label="y",
        log=(False, True),
        limits=(0, 1),
        note="n",
    ),
    "ecdf": of(plots.ecdf, RESULT, "event_step", **LOOK, **NAMED, confidence=0.9, x_label="x", y_label="y", log=False),
    "fan": of(
        plots.fan, ON, "value", quantiles=[0.1, 0.5], **LOOK, **NAMED, y_label="y", log=(False, False), limits=(0, 1)
    ),
    "heat_map": of(
        plots.heat_map,
        MAP,
        "a",
        "b",
        "median",
        value_label="v",
        log=True,
        center=None,
        limits=(1, 2),
        note="n",
        columns=2,
        width=4.0,
    ),
    "index_against_loss": of(plots.index_against_loss, INDICES, bins=3, confidence=0.9, **LOOK, **NAMED),
    "palette": of(plots.palette, ["a", "b"]),
    "paths": of(plots.paths, HILLS, TRACK, limits=((0, 1), (0, 2)), columns=2, places={"": 1}, width=4.0),
    "plane": of(plots.plane, HILLS, PLANE, TRACK, limits=((0, 1), (0, 2)), columns=2, places={"": 1}, width=4.0),
    "save": of(plots.save, FIGURE, "figure.png", "png"),
    "spectrum": of(plots.spectrum, EIGENVALUES, bins=5, **LOOK, **NAMED, log=True, limits=(-1, 3)),
    "survival": of(
        plots.survival, RESULT, **LOOK, **NAMED, label=1, confidence=0.9, log=True, limits=(1, 20), numbers_at_risk=True
    ),
    "style": of(plots.style, "standard"),
    "table": of(plots.table, FIGURE),
    "violins": of(
        plots.violins,
        INDICES,
        "final_value",
        **LOOK,
        laws={"all": 1.0},
        law_name="l",
        y_label="y",
        log=False,
        limits=(0, 1),
    ),
    "animate": of(
        plots.animate,
        HILLS,
        TRACK[None],
        "film.gif",
        plane=PLANE,
        limits=((0, 1), (0, 2)),
        tail=2,
        frames_per_second=5,
        width=2.0,
        dpi=40,
    ),
}


def fields_of(kind):
    """The arguments that a part's example has, by name."""
    part = example(kind)
    return {f.name: getattr(part, f.name) for f in dataclasses.fields(kind) if f.init}


CONSTRUCTORS = {kind.__name__: (kind, fields_of(kind)) for kind in all_kinds()}
GROUPS = {"constructors": CONSTRUCTORS, "runs": RUNNING, "statistics": STATISTICS, "pictures": PICTURES}
UNCALLED = {"Picture"}
"""Public classes that users do not make."""


def call(group, name, /, **changed):
    """The good call with some arguments changed, ready to be made."""
    function, given = GROUPS[group][name]
    return partial(function, **given | changed)
