"""Bad input gets one clear line that names what was given and what to give, and loses nothing.

One table: a row is a public argument, a call that gives it something wrong, and what the message must say. The rows of
the statistics lie in `bad_statistics.py` and `bad_rates.py`.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import os
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from functools import partial

import bad_data
import bad_rates
import bad_statistics
import numpy as np
import pytest
import sympy
from bad_calls import COMPARED, RESULT, RULES, RUN, SHARED, complaint, row
from parts import all_kinds, example

import ensemble as en
from ensemble.backends.numpy import NumpyEngine

X = sympy.Symbol("x")
SUM = en.LeastSquares.random(9, 3)


def total(x):
    return np.sum(x)


def simulate(**arguments):
    return lambda: en.simulate(**RUN | arguments)


def compare(optimizers=RULES, **arguments):
    return lambda: en.compare(optimizers, **SHARED | arguments)


def record(quantities="value", at=(0, 1), **arguments):
    return lambda: en.Record(quantities, at=at, **arguments)


def of_both(argument, given, *says):
    """The same wrong argument to simulate and to compare."""
    rows = [row(f"simulate.{argument}", simulate(**{argument: given}), *says)]
    if argument != "optimizer":
        rows.append(row(f"compare.{argument}", compare(**{argument: given}), *says))
    return rows


BETWEEN = partial(en.path_between, a=(0.0, 0.0), b=(1.0, 1.0), landscape=en.Himmelblau(), backend="numpy")
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
    *of_both("event", en.Crossed([1.0] * 5), "5 numbers", "normal must be a list of 3"),
    *of_both("event", en.Crossed(1.0, 0.5), r"normal=1\.0", r"a list of 3 numbers: \[1, 0, 0\] is the first coordinate"),
    *of_both("event", en.Crossed(en.grid([1, 0, 0], 2)), r"normal=2\.0", r"\[1, 1, 1\] the sum of all"),
    *of_both("event", en.AnyOf(en.Below(0.0), en.LeftSlab(1.0, 0.5)), r"LeftSlab\(normal=1\.0\)", "a list of 3 numbers"),
    *of_both("record", "value", "'value'", r"made like Record\(\["),
    *of_both("record", en.Record("value", at=[31]), "step 31 lies beyond the horizon of 30", "raise steps="),
    *of_both("record", en.Record("value", at=[0], instances=[12]), "place 12", "give places from 0 to 11"),
    *of_both("record", en.Record("distance", at=[0], point=[1, 2]), "2 numbers", "give one or 3"),
    *(r for bad in (0, -1, 2**31, 1.5, "9", True, None) for r in of_both("steps", bad, f"steps={bad!r}", "whole number from 1")),
    *(r for bad in (0, -5, 2**32, 1e3, None) for r in of_both("instances", bad, f"instances={bad!r}", "whole number from 1")),
    *(r for bad in (-1, 2**64, 0.5, "x") for r in of_both("seed", bad, f"seed={bad!r}", "whole number from 0")),
    *(r for bad in ("tpu", None, 3, ["cpu"]) for r in of_both("backend", bad, "backend=", "one of 'auto', 'cuda', 'cpu', 'numpy'")),
    *of_both("backend", "gpu", "backend=", "give 'cuda'"),
    *(r for bad in ("float16", int, None, "x", 7) for r in of_both("dtype", bad, "dtype=", "one of 'float32', 'float64'")),
    *(r for bad in ("exact", None, 1) for r in of_both("math", bad, f"math={bad!r}", "one of 'fast', 'precise'")),
    *(r for bad in (0, 31, 1.0, False) for r in of_both("check_every", bad, f"check_every={bad!r}", "whole number from 1 to 30")),
    *(r for bad in (1, None, "yes") for r in of_both("paired", bad, f"paired={bad!r}", "True or False")),
    *(r for bad in (0, None) for r in of_both("keep_x", bad, f"keep_x={bad!r}", "True or False")),
    *(r for bad in (0, -2, 1.5, "2") for r in of_both("threads", bad, f"threads={bad!r}", "whole number from 1 to 4096")),
    *(r for bad in (1, "yes") for r in of_both("progress", bad, f"progress={bad!r}", "True or False")),
    *(r for bad in (1, None) for r in of_both("plan_only", bad, f"plan_only={bad!r}", "True or False")),
    *(r for bad in (-1, 2**32, 0.0) for r in of_both("first_instance", bad, f"first_instance={bad!r}", "whole number from 0")),
    *(r for bad in (3, "", "a\0b") for r in of_both("store", bad, "store=", "the path of a folder, new or a store's")),
    *(r for bad in (0, -1, "soon", None, True) for r in of_both("checkpoint", bad, "checkpoint=", "give seconds above 0")),
    *(r for bad in ("3 years", 0) for r in of_both("limit", bad, "limit=", "give seconds above 0, or a text such as '90s'")),
    *(r for bad in ((3, 3), 2, (0, 1, 2), (-1, 2), "0/2") for r in of_both("shard", bad, "shard=", r"give \(i, n\), part i of n")),
    *(r for bad in (3, "tcp://host") for r in of_both("client", bad, "client=", "give a distributed.Client or a cluster")),
    *(r for bad in (2, [0, 1], "both") for r in of_both("devices", bad, "devices=", "give one of 'all'")),
    *of_both("devices", "all", r"devices='all': this is of a stored run", "give store= a folder"),
    *of_both("shard", (0, 2), r"shard=\(0, 2\): this is of a stored run", "give store= a folder"),
    *of_both("instances", 4_000_000_000, "4000000000 instances", "GiB", "Take fewer instances"),
    row("simulate.landscape", simulate(landscape=en.DoubleWell(stiffness=1e300)), "stiffness.*1e[+]300", "dtype='float64'"),
    row("simulate.event", simulate(event=en.LeftBall(1e-45)), "radius", "float32", "another number, or dtype="),
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
    *(row(f"{of.__name__}.epochs", of(steps=None, epochs=bad, noise=en.Minibatch(2), landscape=SUM), "epochs=", "whole number from 1")
      for of in (simulate, compare) for bad in (0, 1.5, "2")),
    *(row(f"{of.__name__}.epochs", of(epochs=2), "epochs=2", "give one of the two") for of in (simulate, compare)),
    # finite sums
    *(row("finite_sum.function", partial(en.finite_sum, bad), r"finite_sum\(", "give a Python function of a point and a sample")
      for bad in (3, "x", float)),
    *(row("finite_sum.name", partial(en.finite_sum, lambda x, s: x[0], name=bad), "name=", "a name as Python's classes have")
      for bad in (3, "two words")),
    # sweeps
    row("grid.values", lambda: en.grid(), r"grid\(\) was given no value", "give at least one"),
    row("grid.values", lambda: en.grid([]), "no value", "give at least one"),
    row("grid.values", lambda: en.Adam(lr=en.grid(0.1, "x")), r"lr='x'", "at least 0"),
    row("grid.values", lambda: en.Adam(lr=en.grid(0.1, -1.0)), r"lr=-1\.0", "at least 0"),
    row("grid.values", lambda: en.QuarticSaddle(dim=en.grid(2, 3)), r"dim=grid\(", "ensemble.compare"),
    row("grid.values", lambda: en.Quadratic(en.grid([1.0], [1.0, 2.0])), r"lengths \[1, 2\]", "give one length"),
    row("grid.values", lambda: en.Adam(lr=en.grid(range(0))), "no value", "give at least one"),
    *(row("drawn.law", partial(en.drawn, bad), r"drawn\(", "give a law, such as LogUniform")
      for bad in (0.1, None, en.Uniform, "uniform", en.Gaussian(0.1))),
    row("drawn.law", lambda: en.Adam(en.Uniform(0.1, 0.2)), "not Uniform", r"give en\.drawn\(\.\.\.\)"),
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
    *(row("Record.observables", partial(en.Record, [], [0], observables=bad), "observables=", "give")
      for bad in (3, "well", {"a": 3}, {"a b": en.Himmelblau()}, {"value": en.Himmelblau()})),
    *(row("Record.point", record("distance", point=bad), "point=", "one finite number, or one for each coordinate")
      for bad in ("origin", [[0.0]], float("nan"), [1, None], True)),
    *(row("Record.state", record(state=bad), "state=", "give names of vectors that the optimizer keeps")
      for bad in ([3], ["value"], ["a b"], None, {"m": 1}, ["m."])),
    *(row("Record.points", record(points=bad), "points=", "give None, or what find_stationary_points returns")
      for bad in ([1.0], [], "minimum", [en.StationaryPoint("a", (math.nan,), 0.0, 0)], [en.StationaryPoint("a", (1.0,), 0.0, -1)],
                  [en.StationaryPoint("a", (1.0,), 0.0, 0), en.StationaryPoint("b", (1.0, 2.0), 0.0, 0)])),
    *(row("Record.histograms", record(histograms={"value": bad}, summary=True), "'value'", "edges of at least one bin", "that rise")
      for bad in ([1, 0], [0, math.inf], 10, [0], range(20_000), "edges")),
    row("Record.histograms", record(histograms={"x": [0, 1]}, summary=True), "'x'", "not recorded", "names out of value"),
    row("Record.histograms", record(histograms={"value": [0, 1]}), "are summaries", "summary=True"),
    row("Record.histograms", record(histograms=[1, 2], summary=True), "histograms=", "give a mapping"),
    row("Record.summary", record(summary=1), "summary=1", "True or False"),
    row("Record.survivors", record(survivors="yes"), "survivors='yes'", "True or False"),
    *(row(f"{f.__name__}.count", partial(f, bad), rf"{f.__name__}\(count={bad!r}\)", "whole number of steps, at least 2")
      for f in (en.log_spaced, en.lin_spaced) for bad in (1, 0, 2.5, "60", None, True)),
    # parts of one's own
    *(row("check.part", partial(en.check, bad), f"part={bad!r}", "give a landscape, an optimizer") for bad in (3, None, "Adam")),
    *(row("check.dim", partial(en.check, en.Adam(), dim=bad), f"dim={bad!r}", "whole number from 1 to 4096") for bad in (0, "x", 10**9)),
    *(row("check.landscape", partial(en.check, en.Adam(), landscape=bad), "landscape", r"made like QuarticSaddle\(dim=16\)")
      for bad in (5, en.Adam())),
    *(row("source.part", partial(en.source, bad), re.escape(f"source({bad!r})"), "give a landscape, an optimizer")
      for bad in (3, None, "Adam")),
    *(row("landscape.function", partial(en.landscape, bad), re.escape(f"landscape({bad!r})"), "give a Python function")
      for bad in (3, "valley", [1.0])),
    *(row("landscape.dim", partial(en.landscape, total, dim=bad), f"dim={bad!r}", "whole number of at least 1")
      for bad in (0, -1, 1.5, "2", True)),
    *(row("landscape.name", partial(en.landscape, total, name=bad), re.escape(f"name={bad!r}"), "a name as Python's classes have")
      for bad in (3, "", "two words", "1st")),
    *(row("from_sympy.expression", partial(en.from_sympy, bad, "x"), "give an expression of SymPy") for bad in ("x**2", 3, None)),
    *(row("from_sympy.symbols", partial(en.from_sympy, X**2, bad), "symbols=", "give the coordinates")
      for bad in ((), "", 3, None, [X, X], [1])),
    *(row("from_sympy.parameters", partial(en.from_sympy, X**2, "x", parameters=bad), "parameters=", "names and numbers|no such symbol")
      for bad in (3, [1.0], {1: 2.0}, {"c": 1.0})),
    *(row("from_sympy.name", partial(en.from_sympy, X**2, "x", name=bad), re.escape(f"name={bad!r}"), "a name as Python's classes have")
      for bad in (3, "two words")),
    # stationary points
    *(row("find_stationary_points.landscape", partial(en.find_stationary_points, bad), "landscape=", "give a landscape")
      for bad in (3, en.Adam(), None)),
    *(row("find_stationary_points.box", partial(en.find_stationary_points, en.Himmelblau(), bad), "box=", r"give \(low, high\)")
      for bad in (3.0, (1.0, 0.0), (0.0, float("inf")), "box")),
    *(row("find_stationary_points.starts", partial(en.find_stationary_points, en.Himmelblau(), starts=bad), "starts=", "give how many")
      for bad in (0, 1.5, None, [[0.0, 1.0, 2.0]], True)),
    *(row("find_stationary_points.seed", partial(en.find_stationary_points, en.Himmelblau(), seed=bad), f"seed={bad!r}", "whole number")
      for bad in (-1, 0.5, None)),
    row("find_stationary_points.backend", partial(en.find_stationary_points, en.Himmelblau(), backend="gpu"), "'gpu'", "give 'auto'"),
    # paths
    *(row("path_between.landscape", partial(BETWEEN, landscape=bad), "landscape=", "give the landscape") for bad in (None, 3, en.Adam())),
    *(row(f"path_between.{a}", partial(BETWEEN, **{a: bad}), f"{a}=", "give a stationary point, or 2 numbers")
      for a in ("a", "b", "through") for bad in ((1.0,), "x", (0.0, float("nan")))),
    row("path_between.b", partial(BETWEEN, b=(0.0, 0.0)), "one point", "give two that differ"),
    *(row(f"path_between.{a}", partial(BETWEEN, **{a: bad}), f"{a}={bad!r}", "give")
      for a, wrong in (("images", (4, 2.5)), ("steps", (0, "all")), ("tolerance", (0, 1.0, None)), ("backend", ("gpu",))) for bad in wrong),
    # results
    *(row("load.path", partial(en.load, bad), re.escape(repr(bad)), "the path of a file")
      for bad in (None, 5, "", ["a.nc"])),
    *(row("load.parts", partial(en.load, "x.nc", bad), "parts=", r"give classes of parts, such as \[valley\]")
      for bad in (3, "valley", [3], [en.Adam(0.1)], None)),
    row("load.path", lambda: en.load("/nowhere/at/all.nc"), "'/nowhere/at/all.nc'", "no such file"),
    *(row("open.store", partial(en.open, bad), "store", "'runs/escape'") for bad in (3, None, b"x")),
    row("open.store", lambda: en.open("/nowhere/at/all"), "'/nowhere/at/all' is no store", "give the folder of one"),
    row("open.parts", partial(en.open, "/nowhere", [3]), "parts=", r"give classes of parts, such as \[valley\]"),
    row("merge.sources", lambda: en.merge("runs/a", "c"), "'runs/a'", "give a list of folders, files or results"),
    row("merge.sources", lambda: en.merge([], "c"), r"sources=\[\]", "give at least one"),
    row("merge.sources", lambda: en.merge([3], "c"), r"sources\[0\]", "'runs/a'"),
    row("merge.store", lambda: en.merge([RESULT], 3), "store=3", "the path of a folder"),
    row("load.path", lambda: en.load("/"), "'/'", "not a file; give one that Result.save wrote"),
    *(row("Result.save.path", partial(RESULT.save, bad), re.escape(repr(bad)), "the path of a file") for bad in (None, "", 3)),
    row("Result.save.path", lambda: RESULT.save("/nowhere/run.nc"), "'/nowhere/run.nc'", "does not exist; make it first"),
    row("Result.save.path", lambda: RESULT.save("/"), "'/'", "this is a folder; give the name of a file"),
    row("Result.save.state", lambda: RESULT.save("/tmp/x.nc", state=1), "state=1", "True or False"),
    *(row("Result.resume.steps", partial(RESULT.resume, bad), f"steps={bad!r}", "whole number from 31") for bad in (30, 1.5)),
    row("Result.resume.steps", RESULT.resume, "steps=None", "all that was asked is done; give steps beyond 30"),
    row("Result.resume.progress", lambda: RESULT.resume(40, progress=2), "progress=2", "True or False"),
    row("Result.resume.force", lambda: RESULT.resume(40, force=1), r"resume\(force\)=1", "True or False"),
    row("Result.fields.force", lambda: RESULT.fields(force="yes"), r"fields\(force\)='yes'", "True or False"),
    row("replay.force", lambda: en.replay(COMPARED, 0, optimizer="a", force=None), r"replay\(force\)=None", "True or False"),
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
    *bad_data.ROWS,
    *bad_statistics.ROWS,
    *bad_rates.ROWS,
]  # fmt: skip


@pytest.mark.parametrize("case", TABLE, ids=[f"{r.argument}-{i}" for i, r in enumerate(TABLE)])
def test_a_wrong_argument_is_named_with_what_to_give(case):
    message = complaint(case.call)
    for words in case.says:
        assert re.search(words, message), f"{words!r} is not in: {message}"


def public_arguments():
    """``function.argument`` of everything public that is not a part; parts have a table of their own below."""
    functions = {
        f.__name__: f
        for f in (
            en.landscape,
            en.finite_sum,
            en.from_sympy,
            en.source,
            en.simulate,
            en.compare,
            en.grid,
            en.zipped,
            en.drawn,
            en.log_spaced,
            en.lin_spaced,
            en.open,
            en.merge,
        )
    }
    functions |= {"check": en.check, "load": en.load, "replay": en.replay, "Record": en.Record}
    functions |= {"Result.save": en.Result.save, "Result.resume": en.Result.resume}
    functions |= {
        "path_between": en.path_between,
        "Result.fields": en.Result.fields,
        "find_stationary_points": en.find_stationary_points,
    }
    functions |= {f"data.{n}": f for n in en.data.__all__ if inspect.isfunction(f := getattr(en.data, n))}
    functions |= {n: f for n in en.statistics.__all__ if inspect.isfunction(f := getattr(en.statistics, n))}
    return {f"{name}.{a}" for name, f in functions.items() for a in inspect.signature(f).parameters if a != "self"}


def test_the_table_has_a_row_for_every_public_argument():
    assert public_arguments() - {r.argument for r in TABLE} == set()


def test_what_is_public_is_known_to_the_table():
    """A new public name is either a part, found by itself, or needs rows here."""
    known = {a.split(".")[0] for a in public_arguments()} | {kind.__name__ for kind in all_kinds()} | {"Minibatch"}
    bases = {"FiniteSum", "Law", "Landscape", "Optimizer", "Noise", "Start", "Event", "Schedule", "StationaryPoint"}
    errors = {"UnfinishedError", "UnreadableFileError", "OtherExperimentError"}
    errors |= {"ShardsFailedError", "StoreInUseError", "Stopped"}
    algebra = set(en.algebra.__all__)  # functions of arrays, called where a part computes
    others = {"Result", "Store", "Stream", "cluster", "data", "plots", "report", "statistics"}
    assert set(en.__all__) - known - bases - errors - algebra - others == set()


# ---- parts: every field of every kind, by what the field declares

NO_NUMBERS = (Fraction(1, 2), Decimal("0.5"), True, np.True_, np.timedelta64(1, "s"), 1j, np.complex64(1), "1.0", b"1")
WRONG = {
    "number": (*NO_NUMBERS, None, float("nan"), float("inf"), [1.0, 2.0], 10**400),
    "vector": (*NO_NUMBERS, None, float("nan"), [[1.0, 2.0]], [], ["a"], [1.0, float("inf")], [1.0, [2.0]], {}),
    "scheduled": (*NO_NUMBERS, None, float("nan"), [0.1, 0.2]),
    "structure": (*NO_NUMBERS, -1, 1.5, [2]),
    "flag": (1, "yes", None),
    "array": ("text", [[1.0], [1.0, 2.0]], [float("nan")], None, [[Fraction(1, 2)]], [[1j]], [[True]]),
    "inner": (*NO_NUMBERS, None, 0.1, "base"),
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
        if what == "inner" and bad == 0.1 and issubclass(kind, en.Schedule):
            continue  # a constant schedule
        arguments = {f.name: getattr(good, f.name) for f in dataclasses.fields(kind) if f.init} | {field.name: bad}
        message = complaint(lambda arguments=arguments: kind(**arguments))
        assert re.search(rf"\b{field.name}\b", message), message
        assert kind.__name__ in message, message
        assert re.search(r"must be|give", message), message


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.__name__)
def test_every_field_of_a_number_takes_pythons_and_numpys_as_the_same_one(kind):
    part = example(kind)
    for f in dataclasses.fields(kind):
        if not f.init or f.metadata.get("kind") not in ("number", "scheduled") or getattr(part, f.name) is None:
            continue
        usual = getattr(part, f.name)
        for own in (
            np.float64(usual),
            np.longdouble(usual),
            *((int(usual), np.uint16(usual)) if usual % 1 == 0 else ()),
        ):
            made = dataclasses.replace(part, **{f.name: own})
            assert made == part, (f.name, own)
            assert type(getattr(made, f.name)) is float, (f.name, own)


@pytest.mark.parametrize("number", [*NO_NUMBERS, None, [1.0], np.array([1])], ids=repr)
def test_what_is_no_number_of_a_part_is_none_of_a_run_a_record_or_a_statistic(number):
    for call in (
        simulate(steps=number),
        simulate(seed=number),
        lambda: en.Record("value", at=[number]),
        lambda: en.Record("value", at=[0], quantiles=[number]),
        lambda: en.Record("distance", at=[0], point=[number, number]),
        lambda: en.statistics.survival(RESULT.dataset, confidence=number),
        lambda: en.statistics.laws.saddle_exit(lr=number, gamma=1.0, sigma=0.1, radius=1.0, steps=9),
        lambda: en.Rotated(en.QuarticSaddle(2), seed=number),
    ):
        complaint(call)


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


@pytest.mark.ci
@pytest.mark.parametrize("compiler", ["/nonexistent/c++", shutil.which("false") or "/bin/false"])
def test_without_a_compiler_auto_takes_numpy_and_says_so_and_cpu_says_what_to_install(compiler, tmp_path):
    environment = os.environ | {"CXX": compiler, "CUDA_VISIBLE_DEVICES": "", "ENSEMBLE_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", ABSENT], capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    backend, reason, error = done.stdout.splitlines()
    assert backend == "numpy"
    assert re.search(rf"no cpu: .*{re.escape(compiler)}", reason)
    assert re.search(rf"{re.escape(compiler)}.*(Install one|Set \$CXX)", error)


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
