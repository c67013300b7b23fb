"""Bad input gets one clear line that names what was given and what to give, and loses nothing.

One table: a row is a public argument, a call that gives it something wrong, and what the message must say.
"""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import shutil
import subprocess
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from parts import all_kinds, example

import ensemble as en
from ensemble.backends.numpy import NumpyEngine

PACKAGE = Path(en.__file__).parent
RUN = {
    "landscape": en.QuarticSaddle(dim=3),
    "optimizer": en.GradientDescent(lr=0.1),
    "noise": en.Gaussian(sigma=0.2),
    "start": en.NormalCloud(scale=0.1),
    "event": en.LeftBall(radius=0.5),
    "instances": 12,
    "steps": 30,
    "backend": "numpy",
    "progress": False,
}
RULES = {"a": en.GradientDescent(0.1), "b": en.HeavyBall(0.1)}
SHARED = {name: value for name, value in RUN.items() if name != "optimizer"}
RESULT = en.simulate(**RUN | {"optimizer": en.GradientDescent(en.grid(0.1, 0.2)), "paired": False})
PAIRED = en.simulate(**RUN | {"optimizer": en.GradientDescent(en.grid(0.1, 0.2))})
COMPARED = en.compare(RULES, **SHARED)


def simulate(**arguments):
    return lambda: en.simulate(**RUN | arguments)


def compare(optimizers=RULES, **arguments):
    return lambda: en.compare(optimizers, **SHARED | arguments)


def record(quantities="value", at=(0, 1), **arguments):
    return lambda: en.Record(quantities, at=at, **arguments)


class Row(NamedTuple):
    """``says``: regular expressions, all found in the message: what was given, and what to give."""

    argument: str
    call: object
    says: tuple[str, ...]


def row(argument, call, *says):
    return Row(argument, call, says)


def of_both(argument, given, *says):
    """The same wrong argument to simulate and to compare."""
    rows = [row(f"simulate.{argument}", simulate(**{argument: given}), *says)]
    if argument != "optimizer":
        rows.append(row(f"compare.{argument}", compare(**{argument: given}), *says))
    return rows


STATIONARITY = partial(en.statistics.second_order_stationarity, gradient_tolerance=0.1, curvature_tolerance=0.1)
ON_LANDSCAPES = {
    "sharpness": en.statistics.sharpness,
    "quench": en.statistics.quench,
    "nearest_minimum": en.statistics.nearest_minimum,
    "saddle_index": en.statistics.saddle_index,
    "second_order_stationarity": STATIONARITY,
}
QUENCH = partial(en.statistics.quench, RESULT)
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
BOOTSTRAP = partial(en.statistics.compare_survival, RESULT, "lr")
TABLE = [
    # simulate and compare
    *of_both("landscape", en.QuarticSaddle, "the class QuarticSaddle", r"made like QuarticSaddle\(dim=16\)"),
    *of_both("landscape", en.Adam(), r"Adam\(", "landscape must be"),
    *of_both("optimizer", en.Adam, "the class Adam", r"made like Adam\(lr=1e-3\)"),
    *of_both("optimizer", "adam", "'adam'", "made like"),
    *of_both("start", 0.5, r"0\.5 \(float\)", r"made like NormalCloud\(scale=0\.1\)"),
    *of_both("start", en.Point([1.0, 2.0]), "2 numbers", "one number or 3, the landscape's dimension"),
    *of_both("start", en.Point(en.grid([1.0, 2.0], 1.0)), "2 numbers", "one number or 3"),
    *of_both("start", en.UniformBox(en.grid(0.0, 2.0), 1.0), r"low=2\.0, high=1\.0", "give low <= high"),
    *of_both("noise", 0.1, r"0\.1 \(float\)", r"made like Gaussian\(sigma=0\.1\)"),
    *of_both("event", "left", "'left'", r"made like LeftBall\(radius=1\.0\)"),
    *of_both("event", en.Crossed([1.0] * 5), "5 numbers", "one number or 3"),
    *of_both("record", "value", "'value'", r"made like Record\(\["),
    *of_both("record", en.Record("value", at=[31]), "step 31 lies beyond the horizon of 30", "raise steps="),
    *of_both("record", en.Record("value", at=[0], instances=[12]), "place 12", "give places from 0 to 11"),
    *of_both("record", en.Record("distance", at=[0], point=[1, 2]), "2 numbers", "give one or 3"),
    *(r for bad in (0, -1, 2**31, 1.5, "9", True, None) for r in of_both("steps", bad, f"steps={bad!r}", "whole number from 1")),
    *(r for bad in (0, -5, 2**32, 1e3, None) for r in of_both("instances", bad, f"instances={bad!r}", "whole number from 1")),
    *(r for bad in (-1, 2**64, 0.5, "x") for r in of_both("seed", bad, f"seed={bad!r}", "whole number from 0")),
    *(r for bad in ("gpu", None, 3, ["cpu"]) for r in of_both("backend", bad, "backend=", "one of 'auto', 'cuda', 'cpu', 'numpy'")),
    *(r for bad in ("float16", int, None, "x", 7) for r in of_both("dtype", bad, "dtype=", "one of 'float32', 'float64'")),
    *(r for bad in ("exact", None, 1) for r in of_both("math", bad, f"math={bad!r}", "one of 'fast', 'precise'")),
    *(r for bad in (0, 31, 1.0, False) for r in of_both("check_every", bad, f"check_every={bad!r}", "whole number from 1 to 30")),
    *(r for bad in (1, None, "yes") for r in of_both("paired", bad, f"paired={bad!r}", "True or False")),
    *(r for bad in (0, None) for r in of_both("keep_x", bad, f"keep_x={bad!r}", "True or False")),
    *(r for bad in (0, -2, 1.5, "2") for r in of_both("threads", bad, f"threads={bad!r}", "whole number from 1 to 4096")),
    *(r for bad in (1, "yes") for r in of_both("progress", bad, f"progress={bad!r}", "True or False")),
    *(r for bad in (1, None) for r in of_both("plan_only", bad, f"plan_only={bad!r}", "True or False")),
    *(r for bad in (-1, 2**32, 0.0) for r in of_both("first_instance", bad, f"first_instance={bad!r}", "whole number from 0")),
    *of_both("instances", 4_000_000_000, "4000000000 instances", "GiB", "Take fewer instances"),
    row("simulate.landscape", simulate(landscape=en.DoubleWell(stiffness=1e300)), "stiffness.*1e[+]300", "dtype='float64'"),
    row("simulate.event", simulate(event=en.LeftBall(1e-25)), "radius", "float32", "another number, or dtype="),
    row("simulate.optimizer", simulate(optimizer=en.HeavyBall(1e-60)), "lr.*1e-60", "dtype='float64'"),
    row("compare.optimizers", compare([en.Adam()]), r"\[Adam\(", "a mapping from name to optimizer"),
    row("compare.optimizers", compare({}), r"optimizers=\{\}", "a mapping from name to optimizer"),
    row("compare.optimizers", compare({"": en.Adam()}), r"\[''\]", "non-empty text"),
    row("compare.optimizers", compare({1: en.Adam()}), r"\[1\]", "non-empty text"),
    row("compare.optimizers", compare({"a": en.Gaussian(0.1)}), "Gaussian", r"made like Adam\(lr=1e-3\)"),
    row("compare.steps", compare(steps={"a": 5}), r"given for \['a'\]", r"each of \['a', 'b'\]"),
    row("compare.steps", compare(steps={"a": 5, "b": [6]}), r"steps\['b'\]=\[6\]", "whole number from 1"),
    row("compare.steps", compare(steps={"a": 5, "b": 6}, event=None), "different horizons", "give event="),
    row("compare.steps", compare(steps={"a": 5, "b": 6}, record=en.Record("value", at=[0])), "recorded together", "drop record="),
    row("compare.check_every", compare(steps={"a": 50, "b": 20}, check_every=30), "check_every=30", "from 1 to 20"),
    # sweeps
    row("grid.values", lambda: en.grid(), r"grid\(\) was given no value", "give at least one"),
    row("grid.values", lambda: en.grid([]), "no value", "give at least one"),
    row("grid.values", lambda: en.Adam(lr=en.grid(0.1, "x")), r"lr='x'", "at least 0"),
    row("grid.values", lambda: en.Adam(lr=en.grid(0.1, -1.0)), r"lr=-1\.0", "at least 0"),
    row("grid.values", lambda: en.QuarticSaddle(dim=en.grid(2, 3)), r"dim=grid\(", "ensemble.compare"),
    row("grid.values", lambda: en.Quadratic(en.grid([1.0], [1.0, 2.0])), r"lengths \[1, 2\]", "give one length"),
    row("grid.values", lambda: en.Adam(lr=en.grid(range(0))), "no value", "give at least one"),
    row("zipped.values", lambda: en.zipped(lr=(1, 2)), r"1 field", "at least two, or use grid"),
    row("zipped.values", lambda: en.zipped(lr=(1, 2), sigma=(1,)), r"'lr': 2, 'sigma': 1", "one and the same length"),
    row("zipped.values", lambda: en.zipped(lr=(), sigma=()), "lengths", "one and the same length"),
    row("zipped.values", lambda: en.zipped(lr=(1, 2), sigma=(1, 2)).beta, "no field 'beta'", "lr, sigma"),
    # records
    *(row("Record.quantities", record(bad), "quantities=", "names out of value, gradient_norm, distance, x")
      for bad in ("loss", ["value", "loss"], [], "", 3, None, [["value"]])),
    *(row("Record.at", record(at=bad), "at=", r"log_spaced\(n\), lin_spaced\(n\) or a list of steps from 0")
      for bad in ([], -1, [-1], [0.5], "all", None, [[1]], [True])),
    *(row("Record.instances", record(instances=bad), "instances=", "a number n of at least 1", "places from 0")
      for bad in (0, -1, 2.5, [], [0.5], [-1], "all", True, [[0]])),
    *(row("Record.quantiles", record(summary=True, quantiles=bad), "quantiles=", "numbers from 0 to 1")
      for bad in ([1.5], [-0.1], "half", [None], 0.5, [float("nan")])),
    *(row("Record.point", record("distance", point=bad), "point=", "one finite number, or one for each coordinate")
      for bad in ("origin", [[0.0]], float("nan"), [1, None], True)),
    row("Record.summary", record(summary=1), "summary=1", "True or False"),
    row("Record.summary", record("x", summary=True), r"Record\(\['x'\], summary=True\)", "record x of a few instances"),
    row("Record.survivors", record(survivors="yes"), "survivors='yes'", "True or False"),
    *(row(f"{f.__name__}.count", partial(f, bad), rf"{f.__name__}\({bad!r}\)", "whole number of at least 2")
      for f in (en.log_spaced, en.lin_spaced) for bad in (1, 0, 2.5, "60", None, True)),
    # results
    *(row("load.path", partial(en.load, bad), re.escape(repr(bad)), "the path of a file")
      for bad in (None, 5, "", ["a.nc"])),
    row("load.path", lambda: en.load("/nowhere/at/all.nc"), "'/nowhere/at/all.nc'", "no such file"),
    row("load.path", lambda: en.load("/"), "'/'", "no such file; give one that Result.save wrote"),
    *(row("Result.save.path", partial(RESULT.save, bad), re.escape(repr(bad)), "the path of a file") for bad in (None, "", 3)),
    row("Result.save.path", lambda: RESULT.save("/nowhere/run.nc"), "'/nowhere/run.nc'", "does not exist; make it first"),
    row("Result.save.path", lambda: RESULT.save("/"), "'/'", "this is a folder; give the name of a file"),
    row("Result.save.state", lambda: RESULT.save("/tmp/x.nc", state=1), "state=1", "True or False"),
    *(row("Result.resume.steps", partial(RESULT.resume, bad), f"steps={bad!r}", "whole number from 31") for bad in (30, 1.5, None)),
    row("Result.resume.progress", lambda: RESULT.resume(40, progress=2), "progress=2", "True or False"),
    row("replay.result", lambda: en.replay(RESULT.dataset, 0), "Dataset", "the Result of simulate, compare or load"),
    *(row("replay.instance", partial(en.replay, COMPARED, bad, optimizer="a"), f"instance={bad!r}", "from 0 to 11")
      for bad in (12, -1, "0", 1.0)),
    row("replay.configuration", lambda: en.replay(RESULT, 0), "2 configurations were run", r"lr=\[0\.1, 0\.2\]"),
    row("replay.configuration", lambda: en.replay(RESULT, 0, {"lr": 0.3}), r"\{'lr': 0\.3\}", r"exactly one of lr=\[0\.1, 0\.2\]"),
    row("replay.configuration", lambda: en.replay(RESULT, 0, {"sigma": 0.3}), "sigma was not swept", r"give lr=\[0\.1, 0\.2\]"),
    row("replay.configuration", lambda: en.replay(RESULT, 0, 2), "configuration=2", "from 0 to 1"),
    row("replay.configuration", lambda: en.replay(RESULT, 0, "first"), "configuration='first'", "from 0 to 1"),
    row("replay.optimizer", lambda: en.replay(COMPARED, 0), "2 optimizers were compared", "optimizer= one of a, b"),
    row("replay.optimizer", lambda: en.replay(COMPARED, 0, optimizer="c"), "optimizer='c'", "one of a, b"),
    row("replay.optimizer", lambda: en.replay(RESULT, 0, 0, optimizer="c"), "optimizer='c'", "leave optimizer out"),
    *(row("Result.fields.dtype", partial(RESULT.fields, bad), f"dtype={bad!r}", "give 'float32' or 'float64'")
      for bad in ("float16", None, 64)),
    row("replay.steps", lambda: en.replay(COMPARED, 0, optimizer="a", steps=31), "steps=31", "from 1 to 30"),
    # statistics
    *(row(f"{f.__name__}.data", partial(f, bad, *dim), words, "give")
      for f, dim in STATISTICS for bad, words in ((None, "NoneType"), (RESULT.dataset.drop_vars("horizon"), "lacks horizon"))),
    *(row(f"{f.__name__}.label", partial(f, RESULT, *dim, label=bad), f"label={bad!r}", "give an event's label")
      for f, dim in STATISTICS for bad in (0, 1.5, "left", True)),
    *(row(f"{f.__name__}.confidence", partial(f, RESULT, *dim, confidence=bad), f"confidence={bad!r}", "give.*between 0 and 1")
      for f, dim in STATISTICS if f is not en.statistics.logrank for bad in (0, 1, 95, "high", None, float("nan"), True)),
    *(row("survival.max_steps", partial(en.statistics.survival, RESULT, max_steps=bad), f"max_steps={bad!r}", "at least 10")
      for bad in (9, "all", 10.5)),
    *(row("survival_table.curves", partial(en.statistics.survival_table, bad), "no survival curves", r"give what survival\(\)")
      for bad in (None, RESULT.dataset, RESULT)),
    *(row("shares.data", partial(en.statistics.shares, bad), words, "give")
      for bad, words in ((None, "NoneType"), (RESULT.dataset.drop_vars("status"), "lacks status"))),
    *(row("shares.labels", partial(en.statistics.shares, RESULT, labels=bad), "labels=", "give event labels")
      for bad in ("1", [0], [1.5], [], 1, [1, 1], [2])),
    *(row("shares.confidence", partial(en.statistics.shares, RESULT, confidence=bad), f"confidence={bad!r}", "give.*between 0 and 1")
      for bad in (0, 95, "high", None)),
    *(row("escape_rate.after", partial(en.statistics.escape_rate, RESULT, after=bad), f"after={bad!r}", "give.*0 or more")
      for bad in (-1, "late", 1.5)),
    *(row(f"{f.__name__}.landscape", partial(f, bad, POINTS), re.escape(repr(bad)[:12]), "give a landscape|ask a landscape")
      for f in AT_POINTS for bad in (None, "saddle", en.QuarticSaddle, en.Quadratic(en.grid(1.0, 2.0), dim=3))),
    *(row(f"{f.__name__}.x", partial(f, RUN["landscape"], bad), words, r"give points \(points, 3\)|leave them out")
      for f in AT_POINTS for bad, words in ((None, "object"), ("x", "x of shape"), (np.zeros(3), r"shape \(3,\)"),
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
      for bad in (-1, 0.5)),
    *(row(f"{name}.data", partial(f, bad), words, "give a r")
      for name, f in ON_LANDSCAPES.items() for bad, words in ((None, "NoneType"), (RESULT.dataset, "Dataset"),
                         (en.simulate(**RUN | {"keep_x": False}), "lacks x"))),
    *(row(f"quench.{name}", partial(QUENCH, **{"lr": 0.1} | {name: bad}), f"{name}={bad!r}", "give")
      for name, wrong in (("lr", (0, -0.1, "fast", True, float("nan"))), ("steps", (0, 1.5, None)),
                          ("gradient_tolerance", (0, -1.0, "small", None)), ("dtype", ("float16", None))) for bad in wrong),
    *(row(f"second_order_stationarity.{name}", partial(STATIONARITY, RESULT, **{name: bad}), f"{name}={bad!r}", "give")
      for name, wrong in (("gradient_tolerance", (0, -1.0, "small")), ("curvature_tolerance", (0, -1.0, None)),
                          ("confidence", (0, 95, "high"))) for bad in wrong),
    *(row("saddle_index.tolerance", partial(en.statistics.saddle_index, RESULT, tolerance=bad), f"tolerance={bad!r}", "give")
      for bad in (0, 1.0, "small", None)),
    *(row("index_against_loss.found", partial(en.statistics.index_against_loss, bad), "without indices", r"give what saddle_index\(\)")
      for bad in (None, RESULT, RESULT.dataset)),
    *(row(f"index_against_loss.{name}", partial(en.statistics.index_against_loss, INDICES, **{name: bad}), f"{name}=", "give")
      for name, wrong in (("bins", (0, 2.5, "all", [1.0], [2.0, 1.0], None)), ("confidence", (0, 95, "high"))) for bad in wrong),
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
    row("compare_survival.reference", partial(BOOTSTRAP, reference=0.3), r"reference=0\.3", r"give one of \[0\.1, 0\.2\]"),
    *(row("compare_survival.resamples", partial(BOOTSTRAP, resamples=bad), f"resamples={bad!r}", "give.*200")
      for bad in (10, "many", 300.5)),
    *(row("compare_survival.seed", partial(BOOTSTRAP, seed=bad), f"seed={bad!r}", "give a whole number") for bad in (-1, "x", 0.5)),
]  # fmt: skip


def complaint(call):
    """The message of the error that a call raises, after a look at where it comes from."""
    with pytest.raises((ValueError, TypeError, AttributeError, OSError, RuntimeError, MemoryError)) as caught:
        call()
    raised_in = Path(traceback.extract_tb(caught.value.__traceback__)[-1].filename)
    message = str(caught.value)
    assert PACKAGE in raised_in.parents, f"raised inside {raised_in}: {message}"
    assert message
    assert "\n" not in message, f"more than one line: {message}"
    assert len(message) < 600, message
    return message


@pytest.mark.parametrize("case", TABLE, ids=[f"{r.argument}-{i}" for i, r in enumerate(TABLE)])
def test_a_wrong_argument_is_named_with_what_to_give(case):
    message = complaint(case.call)
    for words in case.says:
        assert re.search(words, message), f"{words!r} is not in: {message}"


def public_arguments():
    """``function.argument`` of everything public that is not a part; parts have a table of their own below."""
    functions = {f.__name__: f for f in (en.simulate, en.compare, en.grid, en.zipped, en.log_spaced, en.lin_spaced)}
    functions |= {"load": en.load, "replay": en.replay, "Record": en.Record}
    functions |= {"Result.save": en.Result.save, "Result.resume": en.Result.resume}
    functions |= {"Result.fields": en.Result.fields}
    functions |= {n: f for n in en.statistics.__all__ if inspect.isfunction(f := getattr(en.statistics, n))}
    return {f"{name}.{a}" for name, f in functions.items() for a in inspect.signature(f).parameters if a != "self"}


def test_the_table_has_a_row_for_every_public_argument():
    assert public_arguments() - {r.argument for r in TABLE} == set()


def test_what_is_public_is_known_to_the_table():
    """A new public name is either a part, found by itself, or needs rows here."""
    known = {a.split(".")[0] for a in public_arguments()} | {kind.__name__ for kind in all_kinds()}
    bases = {"Landscape", "Optimizer", "Noise", "Start", "Event", "Schedule", "StationaryPoint"}
    assert set(en.__all__) - known - bases - {"Result", "statistics"} == set()


# ---- parts: every field of every kind, by what the field declares

WRONG = {
    "number": ("1.0", None, True, float("nan"), float("inf"), [1.0, 2.0], 1j, 10**400),
    "vector": ("1.0", None, True, float("nan"), [[1.0, 2.0]], [], ["a"], [1.0, float("inf")], [1.0, [2.0]], {}),
    "scheduled": ("1.0", None, float("nan"), [0.1, 0.2]),
    "structure": (-1, 1.5, "2", True, [2]),
    "flag": (1, "yes", None),
    "array": ("text", [[1.0], [1.0, 2.0]], [float("nan")], None),
    "inner": (None, 0.1, "base"),
}
FIELDS = [(kind, f) for kind in all_kinds() for f in dataclasses.fields(kind) if f.init]


def outside(field):
    """Numbers that the field's domain forbids."""
    return [v for v in (-1.0, 0.0, 1.0, 1e300) if "domain" in field.metadata and not field.metadata["domain"].holds(v)]


@pytest.mark.parametrize(("kind", "field"), FIELDS, ids=[f"{k.__name__}.{f.name}" for k, f in FIELDS])
def test_every_field_of_every_part_refuses_what_it_cannot_use(kind, field):
    what = "flag" if field.metadata.get("flag") else field.metadata.get("kind")
    wrong = [*WRONG.get(what, (None, 0.5)), *(outside(field) if what != "array" else [])]
    good = example(kind)
    for bad in wrong:
        if bad is None and field.default is None:
            continue
        arguments = {f.name: getattr(good, f.name) for f in dataclasses.fields(kind) if f.init} | {field.name: bad}
        message = complaint(lambda arguments=arguments: kind(**arguments))
        assert re.search(rf"\b{field.name}\b", message), message
        assert kind.__name__ in message, message
        assert re.search(r"must be|give", message), message


def test_an_argument_that_a_part_does_not_have_is_named_by_python():
    with pytest.raises(TypeError, match="learning_rate"):
        en.Adam(learning_rate=0.1)
    with pytest.raises(TypeError, match="'lr'"):
        en.GradientDescent()


# ---- backends and places that are absent


def test_an_absent_gpu_is_an_error_with_the_remedy():
    if shutil.which("nvidia-smi"):
        pytest.skip("this machine may have a GPU")
    message = complaint(simulate(backend="cuda"))
    assert re.search(r"backend='cuda' needs", message)
    assert re.search(r"pip install.*backend='cpu'", message)


ABSENT = """
import ensemble as en
some = dict(
    landscape=en.DoubleWell(), optimizer=en.GradientDescent(0.1), start=en.Point(0.5), instances=4, steps=3,
)
attrs = en.simulate(**some).dataset.attrs
print(attrs["backend"])
print(attrs["backend_reason"])
try:
    en.simulate(**some, backend="cpu")
except RuntimeError as error:
    print(error)
"""


@pytest.mark.parametrize("compiler", ["/nonexistent/c++", shutil.which("false") or "/bin/false"])
def test_without_a_compiler_auto_takes_numpy_and_says_so_and_cpu_says_what_to_install(compiler, tmp_path):
    environment = os.environ | {"CXX": compiler, "CUDA_VISIBLE_DEVICES": "", "ENSEMBLE_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", ABSENT], capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    backend, reason, error = done.stdout.splitlines()
    assert backend == "numpy"
    assert re.search(rf"no cpu: .*{re.escape(compiler)}", reason)
    assert re.search(rf"{re.escape(compiler)}.*(Install one|Set \$CXX)", error)


# ---- files


@pytest.fixture
def saved(tmp_path):
    return RESULT.save(tmp_path / "run.nc")


def still_good(result, folder):
    """The result is as usable as before, and nothing was left in the folder beyond what was there."""
    again = result.save(folder / "again.nc")
    assert en.load(again).dataset.identical(result.dataset)
    again.unlink()
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("place", ["read only", "/proc/run.nc", "a file/run.nc", "x" * 300 + ".nc"])
def test_an_unwritable_place_loses_nothing(place, tmp_path):
    (tmp_path / "a file").write_text("")
    target = tmp_path / place
    if place == "read only":
        target = tmp_path / "closed" / "run.nc"
        target.parent.mkdir(mode=0o500)
        if os.access(target.parent, os.W_OK):
            pytest.skip("this user may write everywhere")
    if place.startswith("/proc"):
        if not os.path.isdir("/proc/self"):
            pytest.skip("no /proc")
        target = Path(place)
    before = sorted(p.name for p in tmp_path.iterdir())
    message = complaint(lambda: RESULT.save(target))
    assert target.name[:20] in message
    assert re.search("the result is still in memory|make it first", message)
    assert still_good(RESULT, tmp_path) == before


@pytest.mark.parametrize("stage", ["to_netcdf", "fsync", "replace"])
def test_a_disk_that_fails_while_writing_leaves_the_old_file(stage, saved, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    owner = {"to_netcdf": "xarray.Dataset.to_netcdf", "fsync": "os.fsync", "replace": "os.replace"}[stage]
    with monkeypatch.context() as patch:
        patch.setattr(owner, full)
        message = complaint(lambda: COMPARED.save(saved))
    assert re.search(r"run\.nc.*No space left.*still in memory", message)
    assert en.load(saved).dataset.identical(RESULT.dataset)
    assert still_good(COMPARED, saved.parent) == ["run.nc"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError("HDF5 says no")])
def test_no_temporary_file_stays_whatever_ends_the_writing(error, saved, monkeypatch):
    def fail(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("xarray.Dataset.to_netcdf", fail)
        with pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else OSError):
            COMPARED.save(saved)
    assert still_good(RESULT, saved.parent) == ["run.nc"]


def test_a_file_that_is_not_ours_is_told_apart(tmp_path):
    text, other, empty = tmp_path / "notes.txt", tmp_path / "other.nc", tmp_path / "empty.nc"
    text.write_text("escape times\n" * 100)
    RESULT.dataset.drop_attrs().to_netcdf(other, engine="h5netcdf")
    empty.write_bytes(b"")
    for file, words in (
        (text, "not a netCDF-4 file"),
        (empty, "not a netCDF-4 file"),
        (other, "another program wrote it"),
    ):
        message = complaint(lambda file=file: en.load(file))
        assert re.search(rf"{file.name}.*{words}.*Give a file that Result.save wrote", message)


def test_a_file_that_another_program_changed_is_refused(saved):
    with en.load(saved).dataset as dataset:
        dataset.to_netcdf(saved, engine="h5netcdf")
    assert re.search("another program wrote it.*xarray.open_dataset", complaint(lambda: en.load(saved)))


def test_a_file_cut_short_is_refused_wherever_it_was_cut(saved):
    whole = saved.read_bytes()
    places = [1, 8, 9, 100, len(whole) // 3, len(whole) // 2, *(len(whole) - k for k in (1000, 200, 90, 89, 88, 30, 1))]
    for size in places:
        saved.write_bytes(whole[:size])
        message = complaint(lambda: en.load(saved))
        assert re.search(
            r"run\.nc.*(cut short|damaged|not a netCDF-4).*Give a file that Result\.save wrote", message
        ), size
    saved.write_bytes(whole)
    assert en.load(saved).dataset.identical(RESULT.dataset)


def test_a_file_with_a_flipped_bit_is_refused_wherever_it_is(saved):
    whole = bytearray(saved.read_bytes())
    rng = np.random.default_rng(0)
    for place in [0, 5, *rng.integers(0, len(whole), 100).tolist(), *range(len(whole) - 92, len(whole) - 1, 7)]:
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        saved.write_bytes(changed)
        message = complaint(lambda: en.load(saved))
        assert re.search(r"run\.nc.*(damaged|cut short|not a netCDF-4).*Give a file", message), place


# ---- what went wrong before does not go wrong after


def test_after_a_refusal_the_same_parts_run(monkeypatch):
    optimizer = en.Adam(lr=en.grid(0.1, 0.2))
    for bad in ({"steps": 0}, {"dtype": "x"}, {"event": en.Crossed([1.0] * 9)}):
        with pytest.raises(ValueError, match=r"give|must be"):
            en.simulate(**RUN | {"optimizer": optimizer} | bad)
    first = en.simulate(**RUN | {"optimizer": optimizer}).dataset
    with monkeypatch.context() as patch:
        patch.setattr(NumpyEngine, "memory_available", lambda self: 10)
        with pytest.raises(MemoryError):
            en.simulate(**RUN | {"optimizer": optimizer})
    assert en.simulate(**RUN | {"optimizer": optimizer}).dataset.equals(first)
