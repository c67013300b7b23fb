"""Rows of bad input to the statistics of escape laws and hazards, and of what was recorded along the way."""

from __future__ import annotations

import dataclasses
import re
from functools import partial

import numpy as np
from bad_calls import RUN, row

import ensemble as en

S, NAN, INF, HUGE = en.statistics, float("nan"), float("inf"), 10**400
WELL = RUN | {
    "landscape": en.DoubleWell(),
    "optimizer": en.GradientDescent(en.grid(0.1, 0.2, 0.3)),
    "noise": en.Gaussian(0.3),
    "event": en.LeftBall(0.5),
    "record": en.Record(["value", "x"], at=range(41)),
    "steps": 40,
}
TIMES = en.simulate(**WELL | {"paired": False})
RUNS = en.simulate(**WELL)
ON = en.simulate(**WELL | {"event": None})
ONE = en.simulate(**WELL | {"optimizer": en.GradientDescent(0.1)})
FEW = en.simulate(**WELL | {"instances": 5})
SPARSE = en.simulate(**WELL | {"record": en.Record(["value", "x"], at=[0, 10, 20]), "check_every": 2})
BARE = en.simulate(**WELL | {"record": None})
SUMMARY = en.simulate(**WELL | {"record": en.Record("value", at=range(41), summary=True)})
QUIET = en.simulate(**WELL | {"noise": en.NoNoise(), "event": en.LeftBall(50.0)})
NAMELESS = RUNS.dataset.drop_attrs()
LINEAR = en.OnlineLinear(dim=2)
LEARNED = en.simulate(
    **WELL | {"landscape": LINEAR, "optimizer": en.GradientDescent(0.1), "noise": en.NoNoise(), "event": None}
)
LAW = S.laws.saddle_exit(0.1, 1.0, 0.3, 0.5, 200)

OF_LAW = partial(S.against_law, RUNS, LAW)
ARRHENIUS = partial(S.arrhenius, TIMES, "lr")
RATE = partial(S.convergence_rate, ON, optimum=-1.0)
HAZARD = partial(S.hazard, RUNS)
SIGNAL = partial(S.noise_to_signal, ONE, WELL["landscape"], WELL["noise"], draws=2)
PAIRS = partial(S.paired_difference, RUNS, "lr")
REGRET = partial(S.regret, LEARNED, LINEAR)
TIME = partial(S.time_to_tolerance, ON, 0.1, optimum=-1.0)
OF_EVENT = partial(S.time_to_tolerance, RUNS)
ALL = (ARRHENIUS, RATE, PAIRS, TIME, OF_LAW, HAZARD, SIGNAL, REGRET)
RECORDED = (RATE, PAIRS, TIME)
AT_POINTS = (SIGNAL, REGRET)


def given(call, name, values, *says):
    """Rows of one argument of a call that is good but for it, given each of the values in place of the good one."""
    function = call.func
    named = dict(zip(_names(function), call.args)) | call.keywords
    argument = f"{function.__name__}.{name}"
    return [row(argument, partial(function, **named | {name: bad}), *says) for bad in values]


def told(call, name, values, *says):
    """The same where the message repeats the value as Python writes it."""
    rows = zip(values, given(call, name, values, *says))
    return [r._replace(says=(rf"^{name}={_written(bad)}", *says)) for bad, r in rows]


def _names(function):
    code = function.__code__
    return code.co_varnames[: code.co_argcount]


def _written(value):
    return re.escape(repr(value)[:30])


def curve(**changes):
    return dataclasses.replace(LAW, **{name: np.array(v) if name == "survival" else v for name, v in changes.items()})


ROWS = [
    # what all of them take
    *(r for f in ALL for r in given(f, "data", (None, 5, "run.nc"), r"data=.* \((NoneType|int|str)\); give an xarray.Dataset")),
    *(r for f in ALL for r in given(f, "data", (RUNS.dataset.drop_vars("horizon"),), "lacks horizon; give")),
    *(r for f in ALL for r in given(f, "data", (RUNS.dataset.isel(instance=slice(0)),), "no instances; give at least one")),
    *(r for f in ALL if f is not OF_LAW
      for r in told(f, "confidence", (0, 1, 95, "high", None, NAN, True, [0.9]), "give a number between 0 and 1")),
    *(r for f in (OF_LAW, ARRHENIUS, HAZARD, OF_EVENT)
      for r in told(f, "label", (0, 1.5, "left", True, NAN, [1]), "give an event's label")),
    *told(RATE, "resamples", (10, "many", 300.5, None, True, 10**30), "give.*200"),
    *told(RATE, "seed", (-1, "x", 0.5, None, True), "give a whole number of at least 0"),
    *(r for f in (ARRHENIUS, RATE, PAIRS, TIME) for r in given(f, "data", (FEW,), "5 instances per group", "give at least 10")),
    # what is recorded
    *(r for f in RECORDED for r in given(f, "data", (BARE,), "'value' was not recorded.*has nothing", r"give Record\(\['value'\]")),
    *(r for f in RECORDED for r in given(f, "data", (SUMMARY,), "recorded as a summary", "summary=False")),
    *(r for f in RECORDED for r in told(f, "quantity", ("distance",), r"has value, path\); give Record\(\['distance'\]")),
    *(r for f in RECORDED
      for r in told(f, "quantity", ("loss", "", None, 3, ["value"]), r"has value, path\); give the name of a recorded")),
    *(r for f in RECORDED for r in given(f, "quantity", ("path", "x", "event_step"), "has dimensions", "give one recorded over")),
    *(r for f in (RATE, TIME)
      for r in told(f, "optimum", ("low", None, NAN, INF, True, [0.0], 1j, HUGE), "give the .*finite")),
    *(r for f in AT_POINTS for r in given(f, "data", (BARE,), "'path' was not recorded.*has nothing", r"give Record\(\['x'\]")),
    *(r for f in AT_POINTS
      for r in told(f, "landscape", (None, "well", en.DoubleWell, en.Gaussian(0.1)), "give the landscape of the runs, made like")),
    *(r for f in AT_POINTS for r in given(f, "landscape", (en.Quadratic(1.0, dim=7),), "the landscape 7; give the runs' landscape")),
    # laws
    *given(OF_LAW, "data", (SPARSE,), "checked every 2 steps", "check_every=1"),
    *told(OF_LAW, "law", (None, "saddle", 5, [LAW]), "give a TimeLaw"),
    *given(OF_LAW, "law", (S.laws.TimeLaw, lambda sigma: LAW, lambda: LAW), r"cannot be called .*\(lr\)", "give a function of these"),
    *given(OF_LAW, "law", (lambda lr: None, lambda lr: lr), "the function gave", "let it return a TimeLaw"),
    *(r for bad in ([1.0], [[1.0, 0.5]], [1.0, NAN, 0.5], [1.0, 0.2, 0.5], [1.0, -0.1], [2.0, 1.0], [0.9, 0.5], "x", None, [True, False])
      for r in given(OF_LAW, "law", (curve(survival=bad),), "survival curve .* has shape", "give.*falling from 1")),
    *(r for name, wrong in (("mean", (NAN, None, "long")), ("sd", (-1.0, NAN, None)), ("median", (0, -3, 1.5, None))) for bad in wrong
      for r in given(OF_LAW, "law", (curve(**{name: bad}),), f"the law's {name}={bad!r}", "give the")),
    # rates against the temperature
    *given(ARRHENIUS, "data", (QUIET,), r"no events at temperature 0\.1 \(lr=0\.1\)", "run longer or leave it out"),
    *given(ARRHENIUS, "data", (ONE,), "dim='lr' is not a configuration dimension", "a single configuration"),
    *given(ARRHENIUS, "data", (TIMES.dataset.drop_attrs(),), r"attrs\['paired'\] is missing; set it to 1"),
    *told(ARRHENIUS, "dim", ("beta", "instance", None, 0, ["lr"]), "it has: lr"),
    *told(ARRHENIUS, "temperature",
          (1.0, "hot", [1, 2], [1, 2, 0], [1, 2, -1], [1, 2, NAN], [1, 2, INF], [[1, 2, 3]], [True] * 3, ["1", "2", "3"], [1, 2, None],
           [1, 2, HUGE], [1j, 2, 3], [[1], [1, 2], 3], {}), "give a positive number for each of the 3 members of 'lr'"),
    *given(ARRHENIUS, "temperature", ([1, 1, 2],), "2 different temperatures", "need 3 or more, each once"),
    *told(ARRHENIUS, "time_per_step",
          (0, -1.0, "slow", "1.0", None, NAN, INF, True, [1, 2], [1, 2, 0], [1, 2, INF], [[1, 2, 3]], [[1], [1, 2]], HUGE, 1j),
          "give a positive number, or one for each member of 'lr'"),
    *told(ARRHENIUS, "after", (-1, "late", 1.5, None, True), "give.*0 or more"),
    *given(ARRHENIUS, "after", (40,), "no instance is at risk after", "give a smaller `after`"),
    # hazards
    *told(HAZARD, "bins",
          (0, -1, 2.5, "all", None, True, 10**30, [], [5], [0.5, 1.0], [5, 2], [-1, 5], [0, 5, 5], [[0, 1]], [0, NAN], [0, [1]],
           [True, False], [0, 2**70], ["a", "b"], {}), "give a number of stretches from 1 to 1000000, or their ends in rising steps"),
    *given(partial(S.hazard, SPARSE), "bins", ([0, 3, 10],), r"bins=\[0, 3, 10\]", "multiples of 2"),
    # convergence
    *given(RATE, "data", (SPARSE,), "2 usable records of value lie in steps 2 to 20", "record more steps"),
    *given(RATE, "data", (ON.dataset.drop_vars("step"),), "no coordinate 'step'; give the steps"),
    *given(RATE, "optimum", (1.0,), "below optimum=1; give the true limit"),
    *(r for name in ("since", "until")
      for r in told(RATE, name, (0, -1, 1.5, "last", True, NAN), "give a recorded step of at least 1, or None")),
    *given(RATE, "since", (39, 1000), "usable records of value lie in steps (39|1000) to 40", "a wider window by since="),
    *given(RATE, "since", (25,), "from step 25 to 40 is too narrow", "a factor 2 apart"),
    *given(RATE, "until", (2,), "usable records of value lie in steps 1 to 2", "a wider window by since= and until="),
    # times and differences
    *told(TIME, "tolerances", (0, -1.0, NAN, INF, "small", "0.1", [], [0.1, 0.1], [[0.1]], True, [True], {}, [0.1, None], HUGE, 1j),
          "give one positive number or several, each once"),
    *given(TIME, "label", (1,), "label=1 belongs to events; give tolerances or a label"),
    *given(OF_EVENT, "optimum", (3.0,), r"optimum=3\.0 belong to tolerances; give tolerances"),
    *given(OF_EVENT, "quantity", ("gradient_norm", None), "quantity=('gradient_norm'|None) .*belong to tolerances; give tolerances"),
    *given(PAIRS, "data", (TIMES,), r"attrs\['paired'\] is 0", "run with paired=True"),
    *given(PAIRS, "data", (NAMELESS,), r"attrs\['paired'\] is missing", "run with paired=True"),
    *told(PAIRS, "dim", ("beta", "instance", None, 0, ["lr"]), "it has: lr"),
    *told(PAIRS, "step", (-1, 1.5, "last", True, NAN, 41), "give (a recorded step|one) ?,? ?such as 40"),
    *told(PAIRS, "reference", (0.15, "Adam", 1, True, NAN, [0.1], {}), r"is not in 'lr'; give one of \[0\.1, 0\.2, 0\.3\]"),
    *given(PAIRS, "reference", (np.array([0.1, 0.2]),), r"reference=array.* is not in 'lr'; give one of"),
    # regret, and noise against the gradient
    *given(REGRET, "data", (SPARSE,), "x at every step from 0 on; record it with Record"),
    *given(REGRET, "data", (ONE,), "the runs have 1 coordinates, the landscape 2; give the runs' landscape"),
    *given(REGRET, "landscape", (en.Quadratic(1.0, dim=2),), "losses of Quadratic are not linear; give best="),
    *given(REGRET, "landscape", (en.OnlineLinear(dim=2, C=en.grid(3.0, 4.0)),), "did not sweep its C", "give the value they had"),
    *told(REGRET, "best",
          ("origin", "1.0", NAN, True, {}, HUGE, [NAN, 0], [1, 2, 3], [[0.0, 0.0]], [0, None], ["0", "1"], [1j, 0], [[1], [1, 2]]),
          "give one finite number, or one for each of the 2 coordinates"),
    *told(REGRET, "best", ([5.0, 0.0],), r"outside the domain of OnlineLinear; give .*\[1\.0, 0\.0\]"),
    *given(SIGNAL, "landscape", (en.DoubleWell(stiffness=en.grid(1.0, 2.0)),), "did not sweep its stiffness", "give the value they had"),
    *told(SIGNAL, "noise", (None, 0.3, "gaussian", en.Gaussian, en.DoubleWell()), "give the noise of the runs, made like Gaussian"),
    *told(SIGNAL, "noise", (en.Gaussian(en.grid(0.1, 0.2)), en.AlphaStable(en.grid(1.5, 2.0), 0.1)),
          "did not sweep its.*give the value they had"),
    *told(SIGNAL, "noise", (en.Gaussian(en.InverseSqrt(en.grid(0.1, 0.2))),),
          r"did not sweep its sigma\.lr \(they have: a single configuration\)"),
    *given(SIGNAL, "noise", (en.Gaussian(0.1) + en.StudentT(1.5),), "no finite variance", "give noise that has one"),
    *given(SIGNAL, "noise", (en.AlphaStable(1.5, 0.1), en.StudentT(2.0, 0.1)), "no finite variance", "give noise that has one"),
    *given(SIGNAL, "noise", (en.DiagonalGaussian([1.0, 2.0]),), "2 numbers", "must be one number or 1, the landscape's dimension"),
    *told(SIGNAL, "draws", (0, 1, 2.5, "many", None, True), "give a whole number of draws, at least 2"),
    *told(SIGNAL, "seed", (-1, "x", 0.5, None, True, 2**64), r"give a whole number from 0 to 2\^64 - 1"),
]  # fmt: skip
