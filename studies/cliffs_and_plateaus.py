"""What does a cliff throw out that clipping saves, and who leaves a plateau where the gradient has vanished?

Question. A gentle slope ends at a steep wall (slope 1, wall 100): how long does every optimizer take down the slope,
how likely is it that noise on the wall throws it back out of the valley, and how far does a step go at most, with
gradients clipped by norm or by value and with the steps that Adam and sign descent take? On a plateau, tanh of x^2/2,
the gradient vanishes like exp(-x^2): how does the time to leave grow with the distance?

Expected. On the slope the gradient is constant and every step known: lr for gradient descent, Adam, AMSGrad, sign
descent and Lion, lr (1 - beta^t)/(1 - beta) for heavy ball and Nesterov, lr/sqrt(t) for AdaGrad, lr/sqrt(1 - rho^t) for
RMSProp, lr c where the norm is clipped at c < 1: the distribution of arrival times is exact. SGD in the valley: the
transfer operator of its step is the exact law of the time until it is thrown out. Clipping bounds a step by lr times
the norm, or the limit in each coordinate; Adam's is at most lr (sum_i w_i^2/u_i)^(1/2) with w and u the weights of its
two averages (Cauchy and Schwarz), 7.27 lr at the defaults, more than the lr (1 - beta1)/sqrt(1 - beta2) = 3.16 lr that
Kingma and Ba (2015, s2.1) give. On the plateau gradient descent without noise is a map that grows, so its times are
exact by the map's inverse: they grow like exp(x^2), for heavy ball toward 1 - beta times that (exact from a fine grid
of starts); sign descent takes (x - 1)/lr steps, exactly, and Adam, RMSProp and Lion must grow linearly too.

Found. Every law holds, |z| <= 3.0 (seed 0, 20,000 instances each; one draw of starts is behind all of the times without
noise). At noise 3 the wall throws SGD out of its valley in 62 % of all runs of 2,000 steps (exact law: 62 %), heavy
ball and Nesterov at the same rate in all of them, within 17 and 11 steps; clipping at 10, by norm or by value, leaves
3.3 and 3.4 %, and Adam, sign descent, RMSProp and AdaGrad lose nobody, Lion 2.1 %. At noise 5 clipping no longer saves:
98 % are out, of Adam's still none, as the slope is then lost to noise and not to the wall. The longest steps over lr:
110 for gradient descent, 10 with either clip, 3.16 = 1/sqrt(1 - rho) for RMSProp, 1.14 for Adam, whose bound is far
away. Off the plateau from 1.5 and from 3.5 gradient descent takes 8 and 23,185 steps, heavy ball 4 and 2,386, sign
descent 25 and 125, Adam 25 and 84 (its gradient grows on the way, which makes its steps longer than lr), RMSProp 16 and
71, AdaGrad 151 and 840: momentum gains a constant, a sign the exponential. An epsilon of 0 in Adam is 0/0 = NaN in a
coordinate that has no gradient.

Run `python studies/cliffs_and_plateaus.py`, or with `--quick`. Exit status 1: a law fails.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import report
import xarray as xr
from numpy.typing import NDArray

import ensemble as en
from ensemble import plots
from ensemble.statistics import laws

FloatArray = NDArray[np.float64]
SLOPE, WALL, WIDTH = 1.0, 100.0, 0.1
CLIFF = en.Cliff(dim=2, slope=SLOPE, wall=WALL, width=WIDTH)
FOOT = WIDTH * math.log(SLOPE / WALL)  # where the minimum is
FLAT = en.Plateau(en.Quadratic(1.0, dim=1))
LR, BETA, RHO, NORM = 0.02, 0.9, 0.9, 0.5
VALLEY_LR, VALLEY_NORM, OUT = 0.05, 10.0, -2.5
PLATEAU_LR, HALF = 0.1, 0.1
WATCHED = 500
NAMES = (
    "GD",
    "heavy ball",
    "Nesterov",
    "clipped norm",
    "clipped values",
    "Adam",
    "AMSGrad",
    "sign",
    "Lion",
    "RMSProp",
    "AdaGrad",
)
PLACES = plots.palette(
    ["AdaGrad", "GD", "heavy ball", "clipped norm", "Adam", "sign", "RMSProp", "clipped values", "Lion"]
)
EPS = 1e-12  # 0 would be 0/0 in a coordinate without gradient; the default 1e-8 is no small number on a plateau


@dataclass(frozen=True)
class Size(report.Size):
    """How much to run; ``steps`` is the horizon in the valley."""

    names: tuple[str, ...]
    sigmas: tuple[float, ...]
    heights: tuple[float, ...]
    plateau_steps: int


FULL = Size(20_000, 2_000, NAMES, (2.0, 3.0, 5.0, 10.0), (1.5, 2.0, 2.5, 3.0, 3.5), 120_000)
SOME = ("GD", "heavy ball", "clipped norm", "clipped values", "Adam", "sign")
QUICK = Size(2_000, 600, SOME, (3.0, 5.0, 10.0), (1.5, 2.0, 2.5, 3.0), 6_000)
QUICK_NUMPY = Size(200, 200, ("GD", "clipped norm", "Adam"), (5.0, 10.0), (1.5, 2.0), 500)


def optimizer(name: str, lr: float, clip: float) -> en.Optimizer:
    """An optimizer of the study."""
    made: dict[str, en.Optimizer] = {
        "GD": en.GradientDescent(lr),
        "heavy ball": en.HeavyBall(lr, BETA),
        "Nesterov": en.Nesterov(lr, BETA),
        "clipped norm": en.Clip(en.GradientDescent(lr), norm=clip),
        "clipped values": en.ClipValue(en.GradientDescent(lr), limit=clip),
        "Adam": en.Adam(lr, eps=EPS),
        "AMSGrad": en.AMSGrad(lr, eps=EPS),
        "sign": en.SignSGD(lr),
        "Lion": en.Lion(lr),
        "RMSProp": en.RMSProp(lr, rho=RHO, eps=EPS**2),
        "AdaGrad": en.AdaGrad(lr, eps=EPS**2),
    }
    return made[name]


# ---- laws


STEP_OF: dict[str, Callable[[FloatArray], FloatArray]] = {
    "heavy ball": lambda t: (1 - BETA**t) / (1 - BETA),
    "Nesterov": lambda t: (1 - BETA**t) / (1 - BETA),
    "clipped norm": lambda t: NORM + 0 * t,
    "clipped values": lambda t: NORM + 0 * t,
    "RMSProp": lambda t: 1 / np.sqrt(1 - RHO**t),
    "AdaGrad": lambda t: 1 / np.sqrt(t),
}
"""The step on a slope of 1, over the rate; that of the others is 1."""


def times_of(reached: FloatArray, low: float, high: float) -> laws.TimeLaw:
    """Law of the first t with reached[t] >= d, for a distance d that is uniform between ``low`` and ``high``."""
    return report.time_law(np.clip((high - reached) / (high - low), 0.0, 1.0))


def down_the_slope(name: str, low: float, high: float) -> laws.TimeLaw:
    """Exact law of the time to cover a distance uniform between ``low`` and ``high`` at a constant gradient of 1."""
    t = np.arange(1.0, 20_000)
    far = np.append(0.0, np.cumsum(LR * STEP_OF.get(name, np.ones_like)(t)))
    return times_of(far[: np.searchsorted(far, high) + 1], low, high)


def off_the_plateau(low: float, high: float) -> laws.TimeLaw:
    """Exact law of gradient descent's time until |x| <= 1, from a start uniform between: the map is inverted from 1 on."""
    x, past = 1.0, [1.0]
    while x < high:
        y = x
        for _ in range(8):  # Newton: phi(x) = x - lr x sech^2(x^2/2) grows
            bend = 1 / math.cosh(x * x / 2) ** 2
            slope = 1 - PLATEAU_LR * bend * (1 - 2 * x * x * math.tanh(x * x / 2))
            x -= (x - PLATEAU_LR * x * bend - y) / slope
        past.append(x)
    return times_of(np.array(past), low, high)


def heavy_ball_off_the_plateau(low: float, high: float) -> laws.TimeLaw:
    """Heavy ball's, from a grid of 10,000 starts: far finer than the sample can see."""
    x = low + (high - low) * (np.arange(10_000) + 0.5) / 10_000
    v, tail = np.zeros_like(x), [1.0]
    inside = np.ones(x.size, bool)
    while inside.any():
        v = BETA * v - PLATEAU_LR * x / np.cosh(x * x / 2) ** 2
        x = x + v
        inside &= np.abs(x) > 1
        tail.append(float(inside.mean()))
    return report.time_law(np.array(tail))


def longest_step_of_adam(t: int, beta1: float = 0.9, beta2: float = 0.999) -> float:
    """The most that step t can be, over lr: the root of sum w_i^2/u_i over the weights of the two corrected averages."""
    age = np.arange(float(t))
    w = (1 - beta1) * beta1**age / (1 - beta1**t)
    u = (1 - beta2) * beta2**age / (1 - beta2**t)
    return float(np.sqrt((w**2 / u).sum()))


# ---- the cliff


def go(study: report.Study[Size], name: str, landscape: en.Landscape, optimizers: Any, **more: Any) -> xr.Dataset:
    """One comparison."""
    given: dict[str, Any] = {"instances": study.size.instances, "dtype": "float64"} | more
    result = en.compare(optimizers, landscape=landscape, seed=study.seed, backend=study.backend, keep_x=False, **given)
    return study.keep(name, result).dataset


def slope(study: report.Study[Size]) -> xr.Dataset:
    """Down the slope, without noise: every arrival time is known."""
    runs = go(
        study,
        "slope",
        CLIFF,
        {name: optimizer(name, LR, NORM) for name in study.size.names},
        start=en.UniformBox(low=(-4.0, 0.0), high=(-3.0, 0.0)),
        noise=en.Gaussian(0.0),
        event=en.Crossed(normal=(1.0, 0.0), offset=-2.0),
        steps=3_000,
    )
    study.rows += report.escape_rows(
        "slope", runs, {"sigma": 0.0}, lambda name, sigma: ("exact", down_the_slope(name, 1.0, 2.0))
    )
    for name in study.size.names:
        steps = runs["event_step"].sel(optimizer=name).to_numpy()
        study.check(*report.Check.times(f"{name}, down the slope", down_the_slope(name, 1.0, 2.0), steps, 3_000))
    return runs


@cache
def thrown_law(sigma: float, steps: int) -> laws.ExitLaw:
    """Exact law of SGD's time until it is thrown out of the valley to x <= -2.5."""

    def gradient(x: Any) -> Any:
        return (SLOPE + WALL) / (1 + np.exp(-x / WIDTH)) - SLOPE

    return laws.exit_law(gradient, VALLEY_LR, sigma, OUT, 6.0, FOOT, steps)


def valley(study: report.Study[Size]) -> xr.Dataset:
    """In the valley, with noise: who is thrown out, and how long steps are."""
    steps, sigmas = study.size.steps, study.size.sigmas
    optimizers = {name: optimizer(name, VALLEY_LR, VALLEY_NORM) for name in study.size.names}
    given: dict[str, Any] = {"start": en.Point((FOOT, 0.0)), "noise": en.Gaussian(en.grid(sigmas))}
    runs = go(
        study, "valley", CLIFF, optimizers, steps=steps, event=en.Crossed(normal=(-1.0, 0.0), offset=-OUT), **given
    )

    def law_of(name: str, sigma: float) -> tuple[str, laws.TimeLaw | None]:
        return ("exact", thrown_law(sigma, steps)) if name == "GD" else ("", None)

    study.rows += report.escape_rows("valley", runs, {}, law_of)
    for sigma in sigmas:
        seen = runs["event_step"].sel(optimizer="GD", sigma=sigma).to_numpy()
        law = thrown_law(sigma, steps)
        gone = int(np.sum(seen > 0))
        what = f"SGD is thrown out by step {steps}, noise {sigma:g}"
        study.check(report.Check.share(what, gone, seen.size, 1 - float(law.survival[steps])))
        if law.survival[steps] < 0.5:
            study.check(*report.Check.times(f"SGD is thrown out, noise {sigma:g}", law, seen, steps))
    return runs


def longest_steps(study: report.Study[Size]) -> None:
    """From high up the wall, nobody stopped: the longest steps against their bounds."""
    steps = 200
    runs = go(
        study,
        "longest_steps",
        CLIFF,
        {name: optimizer(name, VALLEY_LR, VALLEY_NORM) for name in study.size.names},
        start=en.UniformBox(low=(-1.0, -2.0), high=(1.0, 2.0)),
        noise=en.Gaussian(3.0),
        event=en.Crossed(normal=(-1.0, 0.0), offset=1e9),
        steps=steps,
        record=en.Record(["x"], at=range(steps + 1), instances=min(WATCHED, study.size.instances)),
    )
    x = runs["path"].transpose("optimizer", ..., "step", "coordinate").to_numpy()
    moved = np.diff(x, axis=2)
    bounds = np.array([longest_step_of_adam(t) for t in range(1, steps + 1)])[:, None]
    for name, one in zip(runs["optimizer"].to_numpy().tolist(), moved, strict=True):
        far = np.abs(one) / VALLEY_LR
        length, most = np.sqrt((one**2).sum(axis=-1)).max() / VALLEY_LR, far.max()
        if name == "clipped norm":
            study.check(report.Check.at_most("longest step over lr, clipped norm", length, VALLEY_NORM))
        elif name == "clipped values":
            study.check(report.Check.at_most("longest step in a coordinate over lr, clipped values", most, VALLEY_NORM))
        elif name == "Adam":
            share = float((far / bounds).max())
            study.check(report.Check.at_most("longest step in a coordinate over its bound, Adam", share, 1.0))
        elif name in ("sign", "Lion"):
            study.check(report.Check.equal(f"longest step in a coordinate over lr, {name}", most, 1.0, 1e-9))
        study.rows.append({"sweep": "longest step", "optimizer": name, "sigma": 3.0, "longest step / lr": most})


# ---- the plateau


def plateau(study: report.Study[Size]) -> xr.Dataset:
    """Off the plateau without noise, from starts uniform about each height."""
    names = [name for name in study.size.names if name not in ("clipped norm", "clipped values", "Nesterov", "AMSGrad")]
    middles = study.size.heights
    box = en.zipped(low=[x - HALF for x in middles], high=[x + HALF for x in middles])
    runs = go(
        study,
        "plateau",
        FLAT,
        {name: optimizer(name, PLATEAU_LR if name in ("GD", "heavy ball") else LR, NORM) for name in names},
        start=en.UniformBox(low=box.low, high=box.high),
        event=en.Below(math.tanh(0.5)),
        steps=study.size.plateau_steps,
    )
    (dim,) = (d for d in runs["event_step"].dims if d not in ("optimizer", "instance"))
    runs = runs.drop_vars([c for c in runs.coords if runs[c].dims == (dim,)])
    runs = runs.rename({dim: "distance"}).assign_coords(distance=list(middles))

    def law_of(name: str, sigma: float, distance: float) -> tuple[str, laws.TimeLaw | None]:
        low, high = distance - HALF, distance + HALF
        if name == "sign":
            t = np.arange(0.0, (high - 1) / LR + 2)
            return "exact", times_of(LR * t, low - 1, high - 1)
        if name == "heavy ball":
            return "exact", heavy_ball_off_the_plateau(low, high)
        return ("exact", off_the_plateau(low, high)) if name == "GD" else ("", None)

    study.rows += report.escape_rows("plateau", runs, {"sigma": 0.0}, law_of)
    for place in report.places(runs["event_step"].isel(instance=0)):
        one = runs.isel(place)
        name, middle, steps = one["optimizer"].item(), one["distance"].item(), one["event_step"].to_numpy()
        law = law_of(name, 0.0, middle)[1]
        if law is not None:
            what = f"{name}, plateau from {middle:g}"
            study.check(*report.Check.times(what, law, steps, study.size.plateau_steps))
        elif name == "Adam":
            bound = (middle - HALF - 1) / LR / longest_step_of_adam(1_000)
            study.check(
                report.Check.at_least(f"fewest steps of Adam, plateau from {middle:g}", float(steps.min()), bound)
            )
    return runs


# ---- pictures and words


def draw(study: report.Study[Size], thrown: xr.Dataset, left: xr.Dataset) -> None:
    """The figures."""
    shown: dict[str, en.Optimizer] = {
        name: optimizer(name, VALLEY_LR, VALLEY_NORM)
        for name in ("GD", "heavy ball", "clipped norm", "clipped values", "Adam", "sign")
    }
    found = {
        name: en.simulate(
            landscape=CLIFF,
            optimizer=one,
            noise=en.Gaussian(3.0),
            start=en.UniformBox(low=(-1.9, -1.4), high=(-1.4, 1.4)),
            record=en.Record(["x"], at=range(151)),
            instances=4,
            steps=150,
            seed=study.seed,
            backend="numpy",
        )
        for name, one in shown.items()
    }
    figure = plots.paths(CLIFF, found, limits=((-5.5, 0.7), (-1.6, 1.6)), places=PLACES)
    study.draw(
        "paths",
        figure,
        f"150 steps at the rate {VALLEY_LR:g} with noise 3; the wall begins at 0, clips are at {VALLEY_NORM:g}.",
    )

    sigma = study.size.sigmas[-2]
    names = [
        name
        for name in ("GD", "heavy ball", "clipped norm", "clipped values", "Adam", "sign")
        if name in study.size.names
    ]
    curves = {name: thrown.sel(optimizer=name, sigma=sigma).drop_vars(["optimizer", "sigma"]) for name in names}
    law = thrown_law(sigma, study.size.steps).survival[: study.size.steps + 1]
    figure = plots.survival(
        curves, laws={"GD": (np.arange(law.size), law)}, log=True, places=PLACES, limits=(1, study.size.steps)
    )
    study.draw(
        "thrown", figure, f"Share not yet thrown out to x <= {OUT:g}, noise {sigma:g}; dotted: the exact law of SGD."
    )

    seen, law_lines = report.medians(study.rows, "plateau", "distance", [name for name in PLACES if name != "Lion"])
    figure = plots.against(
        seen, "distance", laws=law_lines, x_label="distance x of the start", log=(False, True), places=PLACES
    )
    study.draw(
        "plateau",
        figure,
        "Median time to |x| <= 1 on the plateau tanh(x^2/2): exponential in x^2 for gradient descent, linear for signs.",
    )


def findings(study: report.Study[Size]) -> None:
    """What the table says, in sentences."""
    size = study.size
    rows = {(row["sweep"], row["optimizer"], row.get("distance", row["sigma"])): row for row in study.rows}
    gone = {
        name: [rows["valley", name, s]["events_total"] / rows["valley", name, s]["n"] for s in size.sigmas]
        for name in size.names
    }
    said = "; ".join(
        f"{name} " + ", ".join(f"{100 * share:.3g} %" for share in shares) for name, shares in gone.items()
    )
    study.find(
        f"Thrown out of the valley within {size.steps:,} steps at noise {', '.join(f'{s:g}' for s in size.sigmas)}: {said}."
    )
    longest = "; ".join(
        f"{row['optimizer']} {row['longest step / lr']:.4g}" for row in study.rows if row["sweep"] == "longest step"
    )
    study.find(f"Longest step in a coordinate over lr: {longest}.")
    ends = (size.heights[0], size.heights[-1])
    names = [name for name in size.names if ("plateau", name, ends[0]) in rows]
    said = "; ".join(
        f"{name} " + " -> ".join(report.shown(rows["plateau", name, x]["median"]) or "beyond the horizon" for x in ends)
        for name in names
    )
    study.find(f"Median time off the plateau from {ends[0]:g} -> {ends[1]:g}: {said}.")


def run(study: report.Study[Size]) -> None:
    """Cliffs and plateaus: arrival down a slope, throws from a wall, the longest steps, the way off a plateau."""
    slope(study)
    thrown = valley(study)
    longest_steps(study)
    left = plateau(study)
    draw(study, thrown, left)
    for sweep, columns in (("slope", ["sigma"]), ("valley", ["sigma"]), ("plateau", ["distance"])):
        rows = [row for row in study.rows if row["sweep"] == sweep]
        study.tables[f"Table: {sweep}"] = report.escape_table(rows, columns)
    findings(study)


app = report.command(run, FULL, QUICK, QUICK_NUMPY)

if __name__ == "__main__":
    app()
