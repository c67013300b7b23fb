"""Linear losses on which Adam goes to the worst point: in fixed order, 3x, -x, -x, ... on [-1, 1], and in random order.

Reddi, Kale and Kumar 2018 (arXiv:1904.09237): theorem 1 has Adam's path on the losses in fixed order, theorem 4
AMSGrad's bound on the regret; SGD's is Zinkevich's (2003). In random order the gradient is 11 with probability 0.1 and
else -1, mean 0.2, and where no wall is met Adam drifts by exactly -lr sqrt(1 - beta2^t) E g_t/sqrt(v_t) in step t, with
v_t the average of the squares before it is corrected: that expectation is carried back to v_0 = 0 by the transfer
operator of v.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import report
import xarray as xr
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

import ensemble as en
from ensemble import plots, statistics

FloatArray = NDArray[np.float64]
RATE, FORGET = 0.5, 0.1  # in fixed order: rate / sqrt(t), and beta2
STARTS = 1_001
SLOPE, OFTEN, MEMORY = 11.0, 0.1, 0.9  # in random order: the rare slope, how often it comes, and beta2
MEAN_SLOPE = OFTEN * SLOPE - (1 - OFTEN)
FEW, SMALL_LR, LR = 150, 1e-3, 0.02  # so few and so small steps that no wall is met, and the rate of the long run
PLACES = plots.palette(["SGD", "AMSGrad", "Adam"])


# ---- laws


def path(amsgrad: bool, steps: int) -> FloatArray:
    """Follows x_1 ... x_(steps + 1) from x_1 = 1 on the losses in fixed order, written out by hand."""
    x, v, largest, path = 1.0, 0.0, 0.0, [1.0]
    for t in range(1, steps + 1):
        g = 3.0 if t % 3 == 1 else -1.0
        v = FORGET * v + (1 - FORGET) * g * g
        largest = max(largest, v)
        x = min(1.0, max(-1.0, x - RATE / math.sqrt(t) * g / math.sqrt(largest if amsgrad else v)))
        path.append(x)
    return np.array(path)


def amsgrad_bound(steps: int) -> float:
    """Bounds R_T by theorem 4, beta1 = 0: D^2 sqrt(T vmax)/lr + lr sqrt(1 + log T)/sqrt(1 - beta2) |g_1:T|."""
    t = np.arange(1, steps + 1)
    g = np.where(t % 3 == 1, 3.0, -1.0)
    most = (1 - FORGET) * (9 + FORGET + FORGET**2) / (1 - FORGET**3)
    second = RATE * math.sqrt(1 + math.log(steps)) / math.sqrt(1 - FORGET) * float(np.linalg.norm(g))
    return 4 * math.sqrt(steps * most) / RATE + second


def drifts(steps: int) -> FloatArray:
    """Returns E g_t / sqrt(v_t), t = 1 ... steps, v_0 = 0: carried back through v <- beta2 v + (1 - beta2) g^2."""
    v = np.concatenate([[0.0], np.geomspace(1e-4, SLOPE**2, 4_000)])

    def after(g: float) -> FloatArray:
        return np.asarray(MEMORY * v + (1 - MEMORY) * g * g)

    u = OFTEN * SLOPE / np.sqrt(after(SLOPE)) - (1 - OFTEN) / np.sqrt(after(1.0))
    found = []
    for _ in range(steps):
        found.append(u[0])
        line = CubicSpline(v, u)
        u = OFTEN * line(after(SLOPE)) + (1 - OFTEN) * line(after(1.0))
    return np.array(found)


def mean_path(steps: int) -> FloatArray:
    """Returns E (x_0 - x_t)/lr of Adam on the losses in random order, t = 0 ... steps, while no wall is met."""
    t = np.arange(1, steps + 1)
    return np.concatenate([[0.0], np.cumsum(np.sqrt(1 - MEMORY**t) * drifts(steps))])


# ---- fixed order


def fixed_order(study: report.Study[Any], rounds: int) -> None:
    """Runs the losses in fixed order, where nothing is random but the start: the ends, and the regret on the way."""
    steps, landscape, rate = rounds // 3 * 3, en.OnlineLinear(), en.InverseSqrt(RATE)
    optimizers = {
        "SGD": en.GradientDescent(rate),
        "AMSGrad": en.AMSGrad(rate, beta1=0.0, beta2=FORGET, eps=0.0, bias_correction=False),
        "Adam": en.RMSProp(rate, rho=FORGET, eps=0.0),
    }
    runs = study.compare(
        "fixed_order",
        optimizers,
        landscape=landscape,
        start=en.Points(np.linspace(1.0, -1.0, STARTS)[:, None]),  # the first is the theorem's
        record=en.Record(["x"], at=range(steps), instances=range(0, STARTS, 10)),
        instances=STARTS,
        steps=steps,
        dtype="float64",
    )
    check_paths(study, runs, steps)
    found = statistics.regret(runs, landscape)
    check_regret(study, found, steps)
    for name in optimizers:
        last = found["average_regret"].sel(optimizer=name)[:, -1].to_numpy()
        row = {"part": "fixed order", "optimizer": name, "quantity": f"regret a round after {steps}"}
        study.rows.append(row | report.mean_row(last))
        x = runs["x"].sel(optimizer=name).to_numpy()
        study.rows.append(row | {"quantity": f"x after {steps}"} | report.mean_row(x))
    rounds_shown = np.unique(np.geomspace(3, steps, 60).astype(int) // 3 * 3 - 1)
    shown = found[["mean", "mean_lower", "mean_upper"]].isel(round=rounds_shown)
    figure = plots.curves(
        report.by_optimizer(shown),
        "mean",
        "round",
        laws={"2/3, Adam's least from 1": ((3, steps), (2 / 3, 2 / 3))},
        x_label="round T",
        y_label="mean regret a round",
        log=(True, True),
        note=f"{found.sizes['instance']} starts; bands: of their mean",
        places=PLACES,
    )
    study.draw("regret", figure, "Losses 3x, -x, -x, ...: what a round costs more than the best fixed point.")
    regrets = ", ".join(f"{float(found['mean'].sel(optimizer=name)[-1]):.3g} ({name})" for name in optimizers)
    study.find(
        "In fixed order every start ends at the worst point under Adam, exactly; "
        f"after {steps:,} rounds the regret a round is {regrets}."
    )


def check_paths(study: report.Study[Any], runs: xr.Dataset, steps: int) -> None:
    """Checks that Adam ends at 1, and that from 1 the paths are those by hand."""
    first = runs["path"].isel(recorded_instance=0, coordinate=0)
    adam = first.sel(optimizer="Adam").to_numpy()
    study.check(report.Check.equal("largest 1 - x_(3t+1) of Adam from x_1 = 1", float(1 - adam[::3].min()), 0.0))
    there = int((runs["x"].sel(optimizer="Adam") == 1).sum())
    study.check(report.Check.share(f"x = 1 after {steps} steps, Adam, all starts", there, STARTS, 1.0))
    for name in ("Adam", "AMSGrad"):
        off = np.abs(first.sel(optimizer=name).to_numpy() - path(name == "AMSGrad", steps)[:-1]).max()
        study.check(report.Check.equal(f"largest distance from the path by hand, {name}", float(off), 0.0))


def check_regret(study: report.Study[Any], found: xr.Dataset, steps: int) -> None:
    """Checks that Adam's regret from 1 stays above 2/3 a round, and that of the others below their bounds."""
    each = found["average_regret"].isel(round=slice(2, None, 3))
    lowest = float(each.sel(optimizer="Adam").isel(instance=0).min())
    study.check(report.Check.at_least("regret a round of Adam from 1, at every 3t", lowest, 2 / 3))
    t = np.arange(1, steps + 1)
    bounds = {"SGD": (2 / RATE + 9 * RATE) / np.sqrt(t), "AMSGrad": np.array([amsgrad_bound(int(k)) for k in t]) / t}
    for name, bound in bounds.items():
        closest = float((found["average_regret"].sel(optimizer=name) / bound).max())
        study.check(report.Check.at_most(f"regret over its bound, {name}, all rounds and starts", closest, 1.0))


# ---- random order


def random_order(study: report.Study[Any], steps: int) -> None:
    """Runs the losses in random order: the first steps beside the exact drift, and the ends."""
    drift = mean_path(FEW)
    first_steps(study, drift)
    worse = ends(study, steps)
    study.find(
        f"In random order the drift of Adam is {-drift[-1] / FEW:+.3g} lr a step, uphill, where SGD's is "
        f"{-MEAN_SLOPE:+.3g}; after {steps:,} steps {worse['Adam']:.1f} % of Adam's instances are in the worse half, "
        f"{worse['AMSGrad']:.1f} % of AMSGrad's and {worse['SGD']:.1f} % of SGD's."
    )


def from_the_middle(study: report.Study[Any], name: str, lr: float, steps: int, **more: Any) -> xr.Dataset:
    """Runs SGD, AMSGrad and Adam from 0 on the losses in random order."""
    optimizers = {
        "SGD": en.GradientDescent(lr),
        "AMSGrad": en.AMSGrad(lr, beta1=0.0, beta2=MEMORY, eps=0.0, bias_correction=False),
        "Adam": en.Adam(lr, beta1=0.0, beta2=MEMORY, eps=0.0),
    }
    landscape = en.StochasticLinear(C=SLOPE, small=1.0, probability=OFTEN)
    return study.compare(name, optimizers, landscape=landscape, start=en.Point(0.0), steps=steps, **more)


def first_steps(study: report.Study[Any], drift: FloatArray) -> None:
    """Compares the mean of x far from the walls with the exact ``drift``, E (x_0 - x_t)/lr of Adam."""
    at = [0, 10, 25, 50, 100, FEW]
    runs = from_the_middle(study, "random_order_start", SMALL_LR, FEW, record=en.Record(["x"], at=at))
    for step in at[1:]:
        for name, law in (("SGD", -SMALL_LR * MEAN_SLOPE * step), ("Adam", -SMALL_LR * drift[step])):
            x = runs["path"].sel(optimizer=name, step=step).to_numpy().ravel().astype(float)
            study.check(report.Check.mean(f"E x_{step}, random order, rate {SMALL_LR:g}, {name}", x, law))
            row = {"part": "random order", "optimizer": name, "quantity": f"x after {step}, rate {SMALL_LR:g}"}
            study.rows.append(row | report.mean_row(x, law))
    x = runs["path"].isel(coordinate=0).transpose("optimizer", "step", ...).astype(float)
    steps = np.arange(FEW + 1)
    figure = plots.curves(
        {name: report.mean_curve(at, x.sel(optimizer=name).to_numpy()) for name in PLACES},
        laws={"SGD": (steps, -SMALL_LR * MEAN_SLOPE * steps), "Adam": (steps, -SMALL_LR * drift)},
        law_name="exact",
        x_label="step t",
        y_label="mean of x (best: -1)",
        note=f"n = {study.size.instances:,}; bars 95 %",
        places=PLACES,
    )
    caption = "Adam drifts uphill, SGD downhill, and AMSGrad turns once it has seen the rare slope."
    study.draw("drift", figure, f"Losses in random order: {caption}")


def ends(study: report.Study[Any], steps: int) -> dict[str, float]:
    """Shows where the instances are in the end; returns by optimizer how many of a hundred are in the worse half."""
    runs = from_the_middle(study, "random_order_end", LR, steps)
    x = runs["x"].isel(coordinate=0)
    shares = statistics.shares(runs, where={"left": x <= 0, "right": x > 0})
    names = {"left": "better half, x < 0", "right": "worse half, x > 0"}
    figure = plots.bars(report.by_optimizer(shares, PLACES), names=names, places=PLACES)
    caption = f"Losses in random order: where the instances are after {steps:,} steps at rate {LR:g}."
    study.draw("random_order", figure, caption)
    for name in PLACES:
        row = {"part": "random order", "optimizer": name, "quantity": f"x after {steps}, rate {LR:g}"}
        study.rows.append(row | report.mean_row(x.sel(optimizer=name)))
    return {name: 100 * float(shares["share"].sel(optimizer=name, outcome="right")) for name in PLACES}
