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
from typing import Any

import numpy as np
import report
import xarray as xr
from adam.steps import longest_step
from exits import noiseless
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
EPS = 1e-12  # 0 would be 0/0 in a coordinate without gradient; the default 1e-8 is no small number on a plateau
OPTIMIZERS: dict[str, Callable[[float, float], en.Optimizer]] = {
    "GD": lambda lr, clip: en.GradientDescent(lr),
    "heavy ball": lambda lr, clip: en.HeavyBall(lr, BETA),
    "Nesterov": lambda lr, clip: en.Nesterov(lr, BETA),
    "clipped norm": lambda lr, clip: en.Clip(en.GradientDescent(lr), norm=clip),
    "clipped values": lambda lr, clip: en.ClipValue(en.GradientDescent(lr), limit=clip),
    "Adam": lambda lr, clip: en.Adam(lr, eps=EPS),
    "AMSGrad": lambda lr, clip: en.AMSGrad(lr, eps=EPS),
    "sign": lambda lr, clip: en.SignSGD(lr),
    "Lion": lambda lr, clip: en.Lion(lr),
    "RMSProp": lambda lr, clip: en.RMSProp(lr, rho=RHO, eps=EPS**2),
    "AdaGrad": lambda lr, clip: en.AdaGrad(lr, eps=EPS**2),
}
"""By the rate and what gradients are clipped at."""
SOME = ("GD", "heavy ball", "clipped norm", "clipped values", "Adam", "sign")
PLACES = plots.palette(
    ["AdaGrad", "GD", "heavy ball", "clipped norm", "Adam", "sign", "RMSProp", "clipped values", "Lion"]
)


@dataclass(frozen=True)
class Size(report.Size):
    """How much to run; ``steps`` is the horizon in the valley."""

    names: tuple[str, ...]
    sigmas: tuple[float, ...]
    heights: tuple[float, ...]
    plateau_steps: int


FULL = Size(20_000, 2_000, tuple(OPTIMIZERS), (2.0, 3.0, 5.0, 10.0), (1.5, 2.0, 2.5, 3.0, 3.5), 120_000)
QUICK = Size(2_000, 600, SOME, (3.0, 5.0, 10.0), (1.5, 2.0, 2.5, 3.0), 6_000)
QUICK_NUMPY = Size(200, 200, ("GD", "clipped norm", "Adam"), (5.0, 10.0), (1.5, 2.0), 500)


def go(study: report.Study[Size], name: str, landscape: en.Landscape, optimizers: Any, **more: Any) -> xr.Dataset:
    """Runs one comparison in double precision."""
    return study.compare(name, optimizers, landscape=landscape, dtype="float64", keep_x=False, **more)


# ---- the cliff


def slope(study: report.Study[Size]) -> None:
    """Runs down the slope, without noise: every arrival time is known."""
    steps, lengths = 3_000, noiseless.steps_on_a_slope(20_000, BETA, RHO, NORM)
    runs = go(
        study,
        "slope",
        CLIFF,
        {name: OPTIMIZERS[name](LR, NORM) for name in study.size.names},
        start=en.UniformBox(low=(-4.0, 0.0), high=(-3.0, 0.0)),
        noise=en.Gaussian(0.0),
        event=en.Crossed(normal=(1.0, 0.0), offset=-2.0),
        steps=steps,
    )

    def law_of(name: str, sigma: float) -> tuple[str, laws.TimeLaw]:
        return "exact", noiseless.down_a_slope(LR * lengths[name], 1.0, 2.0)

    study.rows += report.escape_rows("slope", runs, {"sigma": 0.0}, law_of)
    study.check(*report.time_checks(runs, {"sigma": 0.0}, law_of, "{optimizer}, down the slope"))


def pull(x: FloatArray) -> FloatArray:
    """Returns the cliff's gradient along x."""
    return (SLOPE + WALL) / (1 + np.exp(-x / WIDTH)) - SLOPE


def valley(study: report.Study[Size]) -> tuple[xr.Dataset, dict[float, laws.ExitLaw]]:
    """Runs in the valley, with noise: who is thrown out to x <= -2.5? SGD's exact laws, by noise, are returned too."""
    steps, sigmas = study.size.steps, study.size.sigmas
    runs = go(
        study,
        "valley",
        CLIFF,
        {name: OPTIMIZERS[name](VALLEY_LR, VALLEY_NORM) for name in study.size.names},
        start=en.Point((FOOT, 0.0)),
        noise=en.Gaussian(en.grid(sigmas)),
        event=en.Crossed(normal=(-1.0, 0.0), offset=-OUT),
        steps=steps,
    )
    known = {sigma: laws.exit_law(pull, VALLEY_LR, sigma, OUT, 6.0, FOOT, steps) for sigma in sigmas}

    def law_of(name: str, sigma: float) -> tuple[str, laws.TimeLaw | None]:
        return ("exact", known[sigma]) if name == "GD" else ("", None)

    study.rows += report.escape_rows("valley", runs, {}, law_of)
    for sigma, law in known.items():
        seen = runs["event_step"].sel(optimizer="GD", sigma=sigma).to_numpy()
        what = f"SGD is thrown out by step {steps}, noise {sigma:g}"
        study.check(report.Check.share(what, int(np.sum(seen > 0)), seen.size, 1 - float(law.survival[steps])))
        if law.survival[steps] < 0.5:
            study.check(*report.Check.times(f"SGD is thrown out, noise {sigma:g}", law, seen, steps))
    return runs, known


def longest_steps(study: report.Study[Size]) -> None:
    """Runs from high up the wall, nobody stopped: the longest steps against their bounds."""
    steps, sigma = 200, 3.0
    runs = go(
        study,
        "longest_steps",
        CLIFF,
        {name: OPTIMIZERS[name](VALLEY_LR, VALLEY_NORM) for name in study.size.names},
        start=en.UniformBox(low=(-1.0, -2.0), high=(1.0, 2.0)),
        noise=en.Gaussian(sigma),
        event=en.Crossed(normal=(-1.0, 0.0), offset=1e9),
        steps=steps,
        record=en.Record(["x"], at=range(steps + 1), instances=min(500, study.size.instances)),
    )
    adam = np.array([longest_step(t) for t in range(1, steps + 1)])[:, None]
    for name, one in report.by_optimizer(runs).items():
        moved = np.diff(one["path"].transpose(..., "step", "coordinate").to_numpy(), axis=-2)
        far = np.abs(moved) / VALLEY_LR
        most = far.max()
        if name == "clipped norm":
            length = np.sqrt((moved**2).sum(axis=-1)).max() / VALLEY_LR
            study.check(report.Check.at_most("longest step over lr, clipped norm", length, VALLEY_NORM))
        elif name == "clipped values":
            study.check(report.Check.at_most("longest step in a coordinate over lr, clipped values", most, VALLEY_NORM))
        elif name == "Adam":
            share = float((far / adam).max())
            study.check(report.Check.at_most("longest step in a coordinate over its bound, Adam", share, 1.0))
        elif name in ("sign", "Lion"):
            study.check(report.Check.equal(f"longest step in a coordinate over lr, {name}", most, 1.0, 1e-9))
        study.rows.append({"sweep": "longest step", "optimizer": name, "sigma": sigma, "longest step / lr": most})


# ---- the plateau


def plateau_law(name: str, sigma: float, distance: float) -> tuple[str, laws.TimeLaw | None]:
    """Says the law of the time from a start uniform about that distance, where it is known."""
    low, high = distance - HALF, distance + HALF
    if name == "sign":
        return "exact", noiseless.sign_descent_off_the_plateau(LR, low, high)
    if name == "heavy ball":
        return "exact", noiseless.heavy_ball_off_the_plateau(PLATEAU_LR, BETA, low, high)
    if name == "GD":
        return "exact", noiseless.gradient_descent_off_the_plateau(PLATEAU_LR, low, high)
    return "", None


def plateau(study: report.Study[Size]) -> None:
    """Runs off the plateau without noise, from starts uniform about each height."""
    names = [name for name in study.size.names if name not in ("clipped norm", "clipped values", "Nesterov", "AMSGrad")]
    middles, horizon = study.size.heights, study.size.plateau_steps
    box = en.zipped(low=[x - HALF for x in middles], high=[x + HALF for x in middles])
    runs = go(
        study,
        "plateau",
        FLAT,
        {name: OPTIMIZERS[name](PLATEAU_LR if name in ("GD", "heavy ball") else LR, NORM) for name in names},
        start=en.UniformBox(low=box.low, high=box.high),
        event=en.Below(math.tanh(0.5)),
        steps=horizon,
    )
    (dim,) = (d for d in runs["event_step"].dims if d not in ("optimizer", "instance"))
    runs = runs.drop_vars([c for c in runs.coords if runs[c].dims == (dim,)])
    runs = runs.rename({dim: "distance"}).assign_coords(distance=list(middles))
    study.rows += report.escape_rows("plateau", runs, {"sigma": 0.0}, plateau_law)
    study.check(*report.time_checks(runs, {"sigma": 0.0}, plateau_law, "{optimizer}, plateau from {distance:g}"))
    for middle in middles if "Adam" in names else ():
        fewest = float(runs["event_step"].sel(optimizer="Adam", distance=middle).min())
        bound = (middle - HALF - 1) / LR / longest_step(1_000)
        study.check(report.Check.at_least(f"fewest steps of Adam, plateau from {middle:g}", fewest, bound))


# ---- pictures and words


def draw(study: report.Study[Size], thrown: xr.Dataset, known: dict[float, laws.ExitLaw]) -> None:
    """Draws paths, the shares that are not yet thrown out, and the times off the plateau."""
    tracks = report.tracks(
        {name: (OPTIMIZERS[name](VALLEY_LR, VALLEY_NORM), 3.0) for name in SOME},
        steps=150,
        landscape=CLIFF,
        start=en.UniformBox(low=(-1.9, -1.4), high=(-1.4, 1.4)),
        instances=4,
        seed=study.seed,
        backend="numpy",
    )
    figure = plots.paths(CLIFF, tracks, limits=((-5.5, 0.7), (-1.6, 1.6)), places=PLACES)
    caption = f"150 steps at the rate {VALLEY_LR:g} with noise 3; the wall begins at 0, clips are at {VALLEY_NORM:g}."
    study.draw("paths", figure, caption)

    sigma, steps = study.size.sigmas[-2], study.size.steps
    curves = report.by_optimizer(thrown, [name for name in SOME if name in study.size.names], sigma=sigma)
    law = {"GD": (np.arange(steps + 1), known[sigma].survival[: steps + 1])}
    figure = plots.survival(curves, laws=law, log=True, places=PLACES, limits=(1, steps))
    caption = f"Share not yet thrown out to x <= {OUT:g}, noise {sigma:g}; dotted: the exact law of SGD."
    study.draw("thrown", figure, caption)

    seen, law = report.medians(study.rows, "plateau", "distance", [name for name in PLACES if name != "Lion"])
    figure = plots.against(
        seen, "distance", laws=law, x_label="distance x of the start", log=(False, True), places=PLACES
    )
    shapes = "exponential in x^2 for gradient descent, linear for signs"
    study.draw("plateau", figure, f"Median time to |x| <= 1 on the plateau tanh(x^2/2): {shapes}.")


def findings(study: report.Study[Size]) -> None:
    """Says in sentences what the table says."""
    size = study.size
    rows = {(row["sweep"], row["optimizer"], row.get("distance", row["sigma"])): row for row in study.rows}
    gone = {key[1:]: row["events_total"] / row["n"] for key, row in rows.items() if key[0] == "valley"}
    noises = ", ".join(f"{sigma:g}" for sigma in size.sigmas)
    said = "; ".join(
        f"{name} " + ", ".join(f"{100 * gone[name, sigma]:.3g} %" for sigma in size.sigmas) for name in size.names
    )
    study.find(f"Thrown out of the valley within {size.steps:,} steps at noise {noises}: {said}.")
    longest = {key[1]: row["longest step / lr"] for key, row in rows.items() if key[0] == "longest step"}
    said = "; ".join(f"{name} {step:.4g}" for name, step in longest.items())
    study.find(f"Longest step in a coordinate over lr: {said}.")
    near, far = size.heights[0], size.heights[-1]
    median = {
        key[1:]: report.shown(row["median"]) or "beyond the horizon" for key, row in rows.items() if key[0] == "plateau"
    }
    names = [name for name in size.names if (name, near) in median]
    said = "; ".join(f"{name} {median[name, near]} -> {median[name, far]}" for name in names)
    study.find(f"Median time off the plateau from {near:g} -> {far:g}: {said}.")


def run(study: report.Study[Size]) -> None:
    """Cliffs and plateaus: arrival down a slope, throws from a wall, the longest steps, the way off a plateau."""
    slope(study)
    thrown, known = valley(study)
    longest_steps(study)
    plateau(study)
    draw(study, thrown, known)
    fields = {"slope": ["sigma"], "valley": ["sigma"], "plateau": ["distance"]}
    study.tables |= report.escape_tables(study.rows, fields)
    findings(study)


app = report.command(run, FULL, QUICK, QUICK_NUMPY)

if __name__ == "__main__":
    app()
