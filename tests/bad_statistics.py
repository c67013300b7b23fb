"""Rows of bad input to the statistics of escapes, minima, saddles and sharpness."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
from bad_calls import PAIRED, RESULT, RUN, row

import ensemble as en

STATIONARITY = partial(en.statistics.second_order_stationarity, gradient_tolerance=0.1, curvature_tolerance=0.1)
ON_LANDSCAPES = {
    "sharpness": en.statistics.sharpness,
    "quench": en.statistics.quench,
    "nearest_minimum": en.statistics.nearest_minimum,
    "saddle_index": en.statistics.saddle_index,
    "second_order_stationarity": STATIONARITY,
}
QUENCH = partial(en.statistics.quench, RESULT)
FOR_INTERVAL, FOR_POWER = en.statistics.instances_for_interval, en.statistics.instances_for_power
INDICES = en.statistics.saddle_index(RESULT)
POINTS = np.zeros((2, 3))
EIGENVALUES = (en.statistics.largest_eigenvalue, en.statistics.smallest_eigenvalue)
NEARBY = (en.statistics.keskar, en.statistics.sam_sharpness)
AT_POINTS = (*EIGENVALUES, *NEARBY, en.statistics.spectrum, en.statistics.trace, en.statistics.log_determinant)
STATISTICS = (
    (en.statistics.survival, ()),
    (en.statistics.escape_rate, ()),
    (en.statistics.logrank, ("lr",)),
    (en.statistics.compare_survival, ("lr",)),
)
TABLES = (en.statistics.to_dataframe, en.statistics.to_latex)
DRAWN = en.simulate(**RUN | {"optimizer": en.GradientDescent(en.drawn(en.Uniform(0.1, 0.2)))})
RUNS_WITH_VALUES = en.simulate(**RUN | {"record": en.Record("value", at=[0, 4])})
S_OF_RESULT = en.statistics.survival(RESULT)
BOOTSTRAP = partial(en.statistics.compare_survival, RESULT, "lr")
SUM = en.LeastSquares.random(9, 3)
COVARIANCE = en.statistics.noise_covariance
ROWS = [
    *(row("noise_covariance.landscape", partial(COVARIANCE, bad, [0.0] * 3), "landscape=", "give a FiniteSum")
      for bad in (None, RUN["landscape"])),
    *(row("noise_covariance.x", partial(COVARIANCE, SUM, bad), "x=", "give a point of 3 finite numbers")
      for bad in (None, [0.0], "x", [[0.0] * 2], [float("nan")] * 3)),
    *(row("noise_covariance.batch", partial(COVARIANCE, SUM, [0.0] * 3, bad), f"batch={bad!r}", "a whole number from 1 to 9")
      for bad in (0, 1.5, 10)),
    *(row("noise_covariance.order", partial(COVARIANCE, SUM, [0.0] * 3, order=bad), f"order={bad!r}", "replacement")
      for bad in ("reshuffle", None)),
    *(row(f"{f.__name__}.data", partial(f, bad, *dim), words, "give")
      for f, dim in STATISTICS for bad, words in ((None, "NoneType"), (RESULT.dataset.drop_vars("horizon"), "lacks horizon"))),
    *(row(f"{f.__name__}.label", partial(f, RESULT, *dim, label=bad), f"label={bad!r}", "give an event's label")
      for f, dim in STATISTICS for bad in (0, 1.5, "left", True)),
    *(row(f"{f.__name__}.confidence", partial(f, RESULT, *dim, confidence=bad), f"confidence={bad!r}", "give.*between 0 and 1")
      for f, dim in STATISTICS if f is not en.statistics.logrank for bad in (0, 1, 95, "high", None, float("nan"), True)),
    *(row("against_drawn.data", partial(en.statistics.against_drawn, bad, "lr"), words, "give")
      for bad, words in ((None, "NoneType"), (DRAWN.dataset.drop_vars("horizon"), "lacks horizon"))),
    *(row("against_drawn.of", partial(en.statistics.against_drawn, DRAWN, bad), "of=", "they drew: lr")
      for bad in ("x", 3, None, "horizon")),
    *(row("against_drawn.value", partial(en.statistics.against_drawn, DRAWN, "lr", value=bad), "value=", "give one of")
      for bad in ("x", 3, "horizon", "nobody")),
    *(row("against_drawn.bins", partial(en.statistics.against_drawn, DRAWN, "lr", bins=bad), f"bins={bad!r}", "give")
      for bad in (0, 1.5, "many", 2000, 13)),
    *(row("against_drawn.label", partial(en.statistics.against_drawn, DRAWN, "lr", label=bad), f"label={bad!r}", "give an event's label")
      for bad in (0, 1.5, "left", True)),
    *(row("against_drawn.confidence", partial(en.statistics.against_drawn, DRAWN, "lr", confidence=bad), "confidence=", "give")
      for bad in (0, 1, 95, "high", None)),
    *(row("survival.max_steps", partial(en.statistics.survival, RESULT, max_steps=bad), f"max_steps={bad!r}", "at least 10")
      for bad in (9, "all", 10.5)),
    *(row("survival_table.curves", partial(en.statistics.survival_table, bad), "no survival curves", r"give what survival\(\)")
      for bad in (None, RESULT.dataset, RESULT)),
    *(row(f"{of.__name__}.data", partial(of, bad), "data=", "give a result") for of in TABLES for bad in (3, None, "name.nc")),
    *(row(f"{of.__name__}.variables", partial(of, S_OF_RESULT, bad), "variables=", "give a list|they have")
      for of in TABLES for bad in ("median", [], ["nobody"], [3])),
    *(row("to_latex.words", partial(en.statistics.to_latex, S_OF_RESULT, words=bad), "words=", "give|the table has")
      for bad in (3, {"z": "w"}, {"n": 3})),
    *(row("to_latex.digits", partial(en.statistics.to_latex, S_OF_RESULT, digits=bad), f"digits={bad!r}", "give a whole number")
      for bad in (0, 1.5, 99)),
    *(row("shares.data", partial(en.statistics.shares, bad), words, "give")
      for bad, words in ((None, "NoneType"), (RESULT.dataset.drop_vars("status"), "lacks status"))),
    *(row("generalisation.data", partial(en.statistics.generalisation, bad, (POINTS, [0, 1])), words, "give")
      for bad, words in ((None, "NoneType"), (RESULT.dataset, "Dataset"), (RESULT, "QuarticSaddle"))),
    *(row("generalisation.test", partial(en.statistics.generalisation, RESULT, bad), "test=", r"give a pair \(X, y\)")
      for bad in (None, POINTS, (POINTS,), (POINTS, [0, 1, 2]), "test")),
    *(row("generalisation.sharpness_measure", partial(en.statistics.generalisation, RESULT, (POINTS, [0, 1]), sharpness_measure=bad),
          "sharpness_measure=", "give one of largest_eigenvalue") for bad in ("flat", 3, ["trace"])),
    *(row("generalisation.confidence", partial(en.statistics.generalisation, RESULT, (POINTS, [0, 1]), confidence=bad),
          f"confidence={bad!r}", "give.*between 0 and 1") for bad in (0, 95, "high", None)),
    row("quenched.values", partial(en.statistics.quenched, RESULT, "lr"), "values=", "give a DataArray"),
    *(row("quenched.over", partial(en.statistics.quenched, RESULT.dataset["x"], bad), "over=", "give the one of the landscape's seed")
      for bad in ("seed", "instance", None, 3)),
    row("quenched.values", partial(en.statistics.quenched, RESULT.dataset["x"], "lr"), "2 landscapes", "give at least 10"),
    *(row("quenched.confidence", partial(en.statistics.quenched, RESULT.dataset["x"], "lr", confidence=bad), f"confidence={bad!r}",
          "give.*between 0 and 1") for bad in (0, 95, "high", None)),
    *(row("shares.labels", partial(en.statistics.shares, RESULT, labels=bad), "labels=", "give event labels")
      for bad in ("1", [0], [1.5], [], 1, [1, 1], [2])),
    *(row("shares.confidence", partial(en.statistics.shares, RESULT, confidence=bad), f"confidence={bad!r}", "give.*between 0 and 1")
      for bad in (0, 95, "high", None)),
    *(row("mean.data", partial(en.statistics.mean, bad, "x"), "data=", "give a result") for bad in (None, 3, "name.nc")),
    *(row("mean.of", partial(en.statistics.mean, RESULT, bad), "of=", "give|see")
      for bad in (None, 3, "nobody", "horizon", "event_step", "status", RESULT.dataset["horizon"])),
    *(row("mean.at", partial(en.statistics.mean, RESULT, "x", at=bad), "at=", "leave it out") for bad in (0, [1], "last")),
    *(row("mean.at", partial(en.statistics.mean, RUNS_WITH_VALUES, "value", at=bad), "at=", "give steps that were recorded")
      for bad in (1, [0, 3], 1.0, "last", [], True, [[0]])),
    *(row("mean.confidence", partial(en.statistics.mean, RESULT, "x", confidence=bad), f"confidence={bad!r}", "give.*between 0 and 1")
      for bad in (0, 95, "high", None)),
    *(row("logrank.weights", partial(en.statistics.logrank, RESULT, "lr", weights=bad), "weights=", "give one of 'logrank'")
      for bad in ("peto", None, 3, (1,), (1, -1), (1, "a"), (float("nan"), 0))),
    *(row("logrank.strata", partial(en.statistics.logrank, RESULT, "lr", strata=bad), "strata=", "give (names|dimensions)")
      for bad in ("lr", "nobody", 3, [], ["lr", "lr"])),
    *(row("instances_for_interval.half_width", partial(FOR_INTERVAL, bad, share=0.5), "half_width=", "give a positive")
      for bad in (0, -1.0, "narrow", None, float("nan"))),
    *(row("instances_for_interval.share", partial(FOR_INTERVAL, 0.1, share=bad), "share=", "give a number from 0 to 1")
      for bad in (-0.1, 2, "half", float("nan"))),
    *(row("instances_for_interval.sd", partial(FOR_INTERVAL, 0.1, sd=bad), "sd=", "give the standard deviation")
      for bad in (-0.1, 0, "half", float("inf"))),
    *(row("instances_for_interval.sd", partial(FOR_INTERVAL, 0.1, **bad), "share=", "give exactly one")
      for bad in ({}, {"share": 0.5, "sd": 1.0})),
    *(row("instances_for_interval.confidence", partial(FOR_INTERVAL, 0.1, share=0.5, confidence=bad),
          f"confidence={bad!r}", "give.*between 0 and 1") for bad in (0, 95, "high", None)),
    *(row("instances_for_power.power", partial(FOR_POWER, bad, shares=(0.1, 0.2)), "power=", "between 0 and 1")
      for bad in (0, 1, "high", None)),
    *(row("instances_for_power.difference", partial(FOR_POWER, difference=bad, sd=1.0), "difference=", "give a number other")
      for bad in (0, "much", float("inf"))),
    *(row("instances_for_power.sd", partial(FOR_POWER, difference=1.0, sd=bad), "sd=", "give")
      for bad in (0, -1, "much", None)),
    *(row("instances_for_power.paired", partial(FOR_POWER, difference=1.0, sd=1.0, paired=bad), "paired=", "True or False")
      for bad in (1, None, "yes")),
    *(row("instances_for_power.shares", partial(FOR_POWER, shares=bad), "shares=", "give two different shares")
      for bad in (0.5, (0.1,), (0.1, 0.1), (0.1, 2), ("a", "b"))),
    *(row("instances_for_power.hazard_ratio", partial(FOR_POWER, hazard_ratio=bad), "hazard_ratio=", "give a")
      for bad in (0, 1, -2, "twice")),
    *(row("instances_for_power.observed", partial(FOR_POWER, hazard_ratio=2.0, observed=bad), "observed=", "give a")
      for bad in (0, -1, 2, "all")),
    row("instances_for_power.shares", FOR_POWER, "shares=None", "give exactly one of"),
    *(row("instances_for_power.confidence", partial(FOR_POWER, shares=(0.1, 0.2), confidence=bad),
          f"confidence={bad!r}", "give.*between 0 and 1") for bad in (0, 95, "high", None)),
    *(row("shares.where", partial(en.statistics.shares, RESULT, where=bad), "where=", "give a mapping")
      for bad in ({}, 3, {"a": 3}, [True])),
    *(row("escape_rate.after", partial(en.statistics.escape_rate, RESULT, after=bad), f"after={bad!r}", "give.*0 or more")
      for bad in (-1, "late", 1.5)),
    *(row(f"{f.__name__}.landscape", partial(f, bad, POINTS), re.escape(repr(bad)[:12]), "give a landscape|ask a landscape")
      for f in AT_POINTS for bad in (None, "saddle", en.QuarticSaddle, en.Quadratic(en.grid(1.0, 2.0), dim=3))),
    *(row(f"{f.__name__}.x", partial(f, RUN["landscape"], bad), words, r"give points \(points, 3\)|leave them out")
      for f in AT_POINTS for bad, words in ((None, "x=None"), ("x", "x='x'"), (np.zeros(3), r"shape \(3,\)"),
                                            (np.zeros((2, 4)), r"\(2, 4\)"), (np.zeros((0, 3)), r"\(0, 3\)"),
                                            (POINTS + np.nan, "2 points not finite"))),
    *(row(f"{f.__name__}.{name}", partial(f, RUN["landscape"], POINTS, **{name: bad}), f"{name}={bad!r}", "give")
      for f in EIGENVALUES for name, wrong in (("tolerance", (0, 1, "small", None)), ("iterations", (0, 1.5, "all", None)),
                                               ("seed", (-1, "x", 0.5)), ("strict", (1, "yes", None))) for bad in wrong),
    *(row(f"{f.__name__}.{name}", partial(f, en.Quadratic(1.0, dim=3), POINTS, **{name: bad}), f"{name}={bad!r}", "give")
      for f in NEARBY for name, wrong in (("starts", (-1, 1.5, "all")), ("steps", (0, 1.5, None)), ("seed", (-1, "x"))) for bad in wrong),
    *(row(f"{f.__name__}.{name}", partial(f, en.Quadratic(1.0, dim=3), POINTS, **{name: bad}), f"{name}={bad!r}", "give")
      for f, name in ((en.statistics.keskar, "epsilon"), (en.statistics.sam_sharpness, "rho"), (en.statistics.log_determinant, "tolerance"))
      for bad in (0, -1.0, float("inf"), "small", None)),
    *(row("keskar.floor", partial(en.statistics.keskar, en.Quadratic(1.0, dim=3), POINTS, floor=bad), f"floor={bad!r}", "give")
      for bad in (1.0, float("nan"), float("-inf"), None)),
    *(row("trace.probes", partial(en.statistics.trace, en.Quadratic(1.0, dim=3), POINTS, probes=bad), f"probes={bad!r}", "at least 2")
      for bad in (1, 0, 2.5, "many")),
    *(row("trace.seed", partial(en.statistics.trace, en.Quadratic(1.0, dim=3), POINTS, probes=2, seed=bad), f"seed={bad!r}", "give")
      for bad in (-1, 0.5, 2**64)),
    *(row(f"{name}.data", partial(f, bad), words, "give a r")
      for name, f in ON_LANDSCAPES.items() for bad, words in ((None, "NoneType"), (RESULT.dataset, "Dataset"),
                         (en.simulate(**RUN | {"keep_x": False}), "lacks x"))),
    *(row(f"quench.{name}", partial(QUENCH, **{"lr": 0.1} | {name: bad}), f"{name}={bad!r}", "give")
      for name, wrong in (("lr", (0, -0.1, "fast", True, float("nan"))), ("steps", (0, 1.5, None)),
                          ("gradient_tolerance", (0, -1.0, "small", None)), ("dtype", ("float16", None)), ("progress", (1, "yes")))
      for bad in wrong),
    *(row(f"second_order_stationarity.{name}", partial(STATIONARITY, RESULT, **{name: bad}), f"{name}={bad!r}", "give")
      for name, wrong in (("gradient_tolerance", (0, -1.0, "small")), ("curvature_tolerance", (0, -1.0, None)),
                          ("confidence", (0, 95, "high"))) for bad in wrong),
    *(row("saddle_index.tolerance", partial(en.statistics.saddle_index, RESULT, tolerance=bad), f"tolerance={bad!r}", "give")
      for bad in (0, 1.0, "small", None)),
    *(row("index_against_loss.found", partial(en.statistics.index_against_loss, bad), "without indices", r"give what saddle_index\(\)")
      for bad in (None, RESULT, RESULT.dataset)),
    *(row(f"index_against_loss.{name}", partial(en.statistics.index_against_loss, INDICES, **{name: bad}), f"{name}=", "give")
      for name, wrong in (("bins", (0, 2.5, "all", [1.0], [2.0, 1.0], None)), ("confidence", (0, 95, "high"))) for bad in wrong),
    *(row("nearest_minimum.points", partial(en.statistics.nearest_minimum, RESULT, points=bad), "points=", "find_stationary_points")
      for bad in ([], 3, [(0.0, 0.0, 0.0)])),
    *(row("nearest_minimum.tolerance", partial(en.statistics.nearest_minimum, RESULT, tolerance=bad), f"tolerance={bad!r}", "give")
      for bad in (0, -1.0, "near", None)),
    *(row("occupancy_against_sharpness.found", partial(en.statistics.occupancy_against_sharpness, bad), "without minima",
          r"give what nearest_minimum\(\)") for bad in (None, RESULT, RESULT.dataset)),
    *(row("occupancy_against_sharpness.confidence",
          partial(en.statistics.occupancy_against_sharpness, en.statistics.nearest_minimum(RESULT), confidence=bad),
          f"confidence={bad!r}", "give.*between 0 and 1") for bad in (0, 95, "high", None)),
    *(row("sharpness.measures", partial(en.statistics.sharpness, RESULT, measures=bad), "measures=", "give names out of largest_eigenvalue")
      for bad in ("trace", [], ["flatness"], {}, {"a": 1}, None)),
    row("escape_rate.after", partial(en.statistics.escape_rate, RESULT, after=30), "after step 30", "give a smaller `after`"),
    *(row(f"{f.__name__}.dim", partial(f, RESULT, bad), f"dim={bad!r}", r"it has: lr")
      for f, dim in STATISTICS if dim for bad in ("beta", None, 0)),
    row("logrank.data", partial(en.statistics.logrank, PAIRED, "lr"), "are paired", r"use compare_survival\(\)"),
    *(row("compare_survival.until", partial(BOOTSTRAP, until=bad), f"until={bad!r}", "from 1 to the smallest horizon, 30")
      for bad in (0, 31, "end", 2.5)),
    *(row("compare_survival.reference", partial(BOOTSTRAP, reference=bad), "reference=", r"give one of \[0\.1, 0\.2\]")
      for bad in (0.3, True, "a", [0.1], np.array([0.1, 0.2]))),
    *(row("compare_survival.resamples", partial(BOOTSTRAP, resamples=bad), f"resamples={bad!r}", "give.*200")
      for bad in (10, "many", 300.5, 10**30)),
    *(row("compare_survival.seed", partial(BOOTSTRAP, seed=bad), f"seed={bad!r}", "give a whole number") for bad in (-1, "x", 0.5)),
]  # fmt: skip
