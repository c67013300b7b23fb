"""How do momentum's beta and Adam's beta1 and beta2 decide the way through Rosenbrock's valley?

Question. From thousands of starts on f(x, y) = (1 - x)^2 + 100 (y - x^2)^2, a narrow curved valley: which way do
gradient descent, SGD, momentum and Adam take, how do loss and gradient norm fall, and how do the share that comes
within 1e-4 of the minimum and the time to get there depend on beta, and on beta1 and beta2?

Expected. The Hessian at the minimum has curvatures 1001.6 and 0.399: condition 2508. Near it the linear laws are exact:
gradient descent, heavy ball and Nesterov's method settle below and never above the rates 2/h, 2(1+beta)/h and (2+2
beta)/((1+2 beta) h), h = 1001.6, and f falls per step by the squared spectral radius of a 2 x 2 matrix. For heavy ball
that is least at beta = (1 - sqrt(lr 0.399))^2, below it about 1 - 2 lr 0.399/(1 - beta), above it beta: low beta is
like gradient descent, high beta overshoots. Adam's first step is lr in each coordinate from every start; a small beta2
makes all of its steps so, and where it ends is then a cycle across the valley whose width is a multiple of lr (1 -
beta1)/(1 + beta1) and which no tolerance below its height will accept.

Found. The laws near the minimum hold, the edges of stability to 1 % on both sides for each of 20,000 instances (seed
0). From the box heavy ball needs 35,567 steps at beta = 0, 3,450 at .9, 715 at .98 and 933 at .99; the linear law puts
the best at .980 and describes every median to 2 % up to .95. Beyond it overshoots: .4 % and 2.7 % of all starts diverge
at .98 and .99, of Nesterov's 9.7 % and 19 %, though those that arrive are the fastest of all (268 steps). Adam has a
ridge, not a peak: at rate .01 every start arrives for beta2 from .5 to .99 if beta1 is .5 to .8 and for beta2 = .9 to
.99 if it is .9 or .95, fastest (377 steps) at (.9, .9); the default (.9, .999) needs 5,588, since it remembers the
gradients of a start high on the wall for a thousand steps and more. With beta1 = 0, or beta2 = 0, it ends on the cycle
across the valley, above the tolerance: at most 21 % arrive, and .03 % where both are 0. Low beta1 beside high beta2 is
slow but not unstable. Left alone Adam does not stay: from 10,000 steps on its loss rises again, since its denominator
shrinks with the gradients.

Run `python studies/rosenbrock.py`, or with `--quick`. Exit status 1: a law fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import report
import xarray as xr
from minima import near

import ensemble as en
from ensemble import plots, statistics

VALLEY = en.Rosenbrock(dim=2)
CURVATURES = np.linalg.eigvalsh(VALLEY.hessian((1.0, 1.0)))
START = en.UniformBox(low=(-2.0, -1.0), high=(2.0, 3.0))
LR, ADAM_LR, BETA = 2.5e-4, 1e-2, 0.9
TOLERANCE, SIGMA = 1e-4, 10.0
PLACES = plots.palette(["GD", "SGD", "heavy ball", "Nesterov", "Adam"])
PATHS = 1_000  # steps


@dataclass(frozen=True)
class Size(report.Size):
    """How much to run; ``steps`` is the horizon of the sweep of beta."""

    adam_steps: int
    betas: tuple[float, ...]
    beta1: tuple[float, ...]
    beta2: tuple[float, ...]


FULL = Size(
    20_000,
    80_000,
    6_000,
    (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99),
    (0.0, 0.5, 0.8, 0.9, 0.95, 0.99),
    (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999),
)
QUICK = Size(1_000, 15_000, 3_000, (0.8, 0.9, 0.95, 0.98, 0.99), (0.0, 0.5, 0.9, 0.99), (0.0, 0.9, 0.99, 0.999))
QUICK_NUMPY = Size(100, 5_000, 1_000, (0.95, 0.99), (0.0, 0.9), (0.9, 0.999))


def go(study: report.Study[Size], name: str, optimizers: dict[str, en.Optimizer], **more: Any) -> xr.Dataset:
    """Runs one comparison in double precision."""
    given = {"start": START, "noise": en.Gaussian(0.0), "dtype": "float64", "keep_x": False} | more
    return study.compare(name, optimizers, landscape=VALLEY, **given)


# ---- the sweeps


def times(study: report.Study[Size], sweep: str, runs: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Finds median times and shares that arrive, and adds them as rows to the table."""
    curves, ends = statistics.survival(runs), statistics.shares(runs, labels=[1])
    arrived = ends.sel(outcome="event 1").rename(lower="share_lower", upper="share_upper")
    for place in report.places(curves["median"]):
        one, share = curves.isel(place), arrived.isel(place)
        row = {"sweep": sweep} | {d: one[d].item() for d in place}
        row |= {"n": int(one["n"]), "diverged": int(one["diverged"])}
        study.rows.append(row | report.with_limits(share, "share") | report.with_limits(one, "median"))
    return curves, arrived


def sweep_beta(study: report.Study[Size]) -> tuple[xr.Dataset, xr.Dataset]:
    """Runs momentum from the box until f <= 1e-4."""
    betas = en.grid(study.size.betas)
    optimizers = {"heavy ball": en.HeavyBall(LR, betas), "Nesterov": en.Nesterov(LR, betas)}
    runs = go(study, "beta", optimizers, steps=study.size.steps, event=en.Below(TOLERANCE))
    return runs, times(study, "beta", runs)[0]


def sweep_adam(study: report.Study[Size]) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Runs Adam with many memories from the box until f <= 1e-4."""
    runs = go(
        study,
        "adam",
        {"Adam": en.Adam(ADAM_LR, beta1=en.grid(study.size.beta1), beta2=en.grid(study.size.beta2))},
        steps=study.size.adam_steps,
        event=en.Below(TOLERANCE),
        record=en.Record(["x"], at=[0, 1], instances=min(study.size.instances, 1_000)),
    ).isel(optimizer=0)
    x = runs["path"].transpose(..., "step", "coordinate").to_numpy()
    far = np.abs(x[..., 1, :] - x[..., 0, :])
    for which, step in (("shortest", far.min()), ("longest", far.max())):
        what = f"{which} first step of Adam in a coordinate, over lr"
        study.check(report.Check.equal(what, step / ADAM_LR, 1.0, 1e-5))
    return runs, *times(study, "adam", runs)


def sweep_methods(study: report.Study[Size]) -> xr.Dataset:
    """Runs all methods from the box, without noise and with it: loss and gradient norm."""
    return go(
        study,
        "methods",
        {
            "GD": en.GradientDescent(LR),
            "heavy ball": en.HeavyBall(LR, BETA),
            "Nesterov": en.Nesterov(LR, BETA),
            "Adam": en.Adam(ADAM_LR),
        },
        noise=en.Gaussian(en.grid(0.0, SIGMA)),
        steps=min(study.size.steps, 20_000),
        record=en.Record(["value", "gradient_norm"], at=en.log_spaced(50)),
    )


# ---- pictures and words


def draw_paths(study: report.Study[Size]) -> None:
    """Draws paths from three starts that are the same for all, by programs that are there already."""
    methods = {
        "GD": (en.GradientDescent(LR), 0.0),
        "SGD": (en.GradientDescent(LR), 5 * SIGMA),
        "heavy ball": (en.HeavyBall(LR, BETA), 0.0),
        "Nesterov": (en.Nesterov(LR, BETA), 0.0),
        "Adam": (en.Adam(ADAM_LR), 0.0),
        "Adam, beta1 = 0": (en.Adam(ADAM_LR, beta1=0.0), 0.0),
    }
    betas = {f"beta = {b:g}": (en.HeavyBall(LR, b), 0.0) for b in (0.0, 0.5, 0.8, 0.9, 0.98, 0.99)}
    same = f"{PATHS:,} steps from the same three starts; the minimum is at (1, 1). SGD's noise: {5 * SIGMA:g}."
    momentum = f"Heavy ball at the rate {LR:g}, {PATHS:,} steps: smoother and faster with beta, then past the mark."
    for name, shown, places, caption in (("paths", methods, PLACES, same), ("paths_beta", betas, None, momentum)):
        tracks = report.tracks(
            shown,
            steps=PATHS,
            landscape=VALLEY,
            start=en.Points([[-1.5, 2.5], [-0.5, -0.7], [1.8, 0.5]]),
            instances=3,
            seed=study.seed,
            backend=study.backend,
            dtype="float64",
        )
        figure = plots.paths(VALLEY, tracks, limits=((-2.1, 2.1), (-1.2, 3.4)), places=places)
        study.draw(name, figure, caption)


def draw_falls(study: report.Study[Size], methods: xr.Dataset) -> None:
    """Draws the loss and the gradient norm against the step."""
    said = {"value": ("f", "Loss"), "gradient_norm": ("norm of the gradient", "Norm of the gradient")}
    for name, column, sigma in (
        ("loss", "value", 0.0),
        ("gradient_norm", "gradient_norm", 0.0),
        ("loss_noise", "value", SIGMA),
    ):
        label, words = said[column]
        runs = report.by_optimizer(methods, sigma=sigma)
        shown = {"SGD" if sigma and optimizer == "GD" else optimizer: one for optimizer, one in runs.items()}
        limits = (1e-3 if sigma else 1e-12, 1e4)
        figure = plots.fan(shown, column, places=PLACES, y_label=label, limits=limits)
        noise = f", noise {SIGMA:g}" if sigma else ""
        study.draw(name, figure, f"{words} from starts over the whole box{noise}.")


def draw_beta(study: report.Study[Size], curves: xr.Dataset) -> None:
    """Draws the times against momentum, and what the speed near the minimum makes of the first of them."""
    speeds = {}
    for name in ("heavy ball", "Nesterov"):
        median = curves["median"].sel(optimizer=name)
        known = [b for b in study.size.betas if np.isfinite(float(median.sel(beta=b)))]
        rate = [np.log(report.LinearMethod.named(name, b).factor(CURVATURES, LR)) for b in known]
        at = float(median.sel(beta=known[0])) * rate[0]
        speeds[name] = ([1 / (1 - b) for b in known], [at / one for one in rate])
    memory = curves.assign_coords(memory=("beta", 1 / (1 - curves["beta"].to_numpy()))).swap_dims(beta="memory")
    figure = plots.curves(
        memory.drop_vars("beta"),
        "median",
        "memory",
        laws=speeds,
        log=(True, True),
        places=PLACES,
        x_label="memory 1/(1 - beta), steps",
        y_label="median time (steps)",
    )
    caption = f"Time to f <= {TOLERANCE:g} against momentum; dotted: what the speed near the minimum says of it."
    study.draw("beta", figure, caption)


def draw_adam(study: report.Study[Size], times: xr.Dataset, shares: xr.Dataset) -> None:
    """Draws the share that arrives and the median time over Adam's two memories."""
    # As words: rounded to three digits .9999 would be 1.
    names = [f"{b:g}" for b in study.size.beta2]
    times, shares = (one.assign_coords(beta2=names) for one in (times, shares))
    figure = plots.heat_map(shares, "beta1", "beta2", "share", value_label=f"share with f <= {TOLERANCE:g}")
    arrive = f"share that comes to f <= {TOLERANCE:g} in {study.size.adam_steps:,} steps"
    study.draw("adam_share", figure, f"Adam at the rate {ADAM_LR:g}: {arrive}.")
    figure = plots.heat_map(times, "beta1", "beta2", "median", value_label="median time (steps)", log=True)
    study.draw("adam_time", figure, "The median time of all instances; hatched where fewer than half arrive.")


def draw_arrivals(study: report.Study[Size], runs: xr.Dataset, best: float, adam: xr.Dataset) -> None:
    """Draws the share that has arrived against the step."""
    first = study.size.betas[0]
    picked = {
        f"heavy ball, beta = {first:g}": runs.sel(optimizer="heavy ball", beta=first),
        f"heavy ball, beta = {best:g}": runs.sel(optimizer="heavy ball", beta=best),
        f"Nesterov, beta = {best:g}": runs.sel(optimizer="Nesterov", beta=best),
        "Adam": adam.sel(beta1=0.9, beta2=0.999),
    }
    picked = {name: one.drop_vars([c for c in one.coords if c not in one.dims]) for name, one in picked.items()}
    study.draw("ecdf", plots.ecdf(picked), f"Share of all starts that have come to f <= {TOLERANCE:g}.")


def findings(study: report.Study[Size]) -> None:
    """Says in sentences what the table says."""
    rows = [row for row in study.rows if row["sweep"] == "beta" and row["optimizer"] == "heavy ball"]
    arrived = [row for row in rows if np.isfinite(row["median"])]
    best = min(arrived, key=lambda row: row["median"])
    star = (1 - np.sqrt(LR * CURVATURES[0])) ** 2
    study.find(
        f"Heavy ball is fastest at beta = {best['beta']:g}: {best['median']:,.0f} steps to f <= {TOLERANCE:g}, "
        f"{arrived[0]['median'] / best['median']:.1f} times as fast as at beta = {arrived[0]['beta']:g} "
        f"(the linear law is fastest at {star:.4f})."
    )
    cells = [row for row in study.rows if row["sweep"] == "adam"]
    quick = min((row for row in cells if np.isfinite(row["median"])), key=lambda row: row["median"])
    none = [f"({row['beta1']:g}, {row['beta2']:g})" for row in cells if row["share"] < 0.01]
    default = next((row for row in cells if (row["beta1"], row["beta2"]) == (0.9, 0.999)), quick)
    study.find(
        f"Adam is fastest at (beta1, beta2) = ({quick['beta1']:g}, {quick['beta2']:g}): {quick['median']:,.0f} steps; "
        f"at its default {report.shown(default['median'])}. Fewer than 1 % arrive at {', '.join(none) or 'no pair'}."
    )


def run(study: report.Study[Size]) -> None:
    """Rosenbrock's valley: paths, losses, momentum's beta, Adam's beta1 and beta2."""
    minimum = near.Minimum(VALLEY, 1.0, CURVATURES)
    near.compare_speeds(study, minimum)
    near.compare_edges(study, minimum)
    runs, curves = sweep_beta(study)
    adam, *found = sweep_adam(study)
    methods = sweep_methods(study)
    draw_paths(study)
    draw_falls(study, methods)
    draw_beta(study, curves)
    draw_adam(study, *found)
    draw_arrivals(study, runs, curves.sel(optimizer="heavy ball")["median"].idxmin("beta").item(), adam)
    swept = {name: [row for row in study.rows if row["sweep"] == name] for name in ("beta", "adam", "near the minimum")}
    study.tables |= {f"Table: {name}": report.table_of(rows) for name, rows in swept.items()}
    findings(study)


app = report.command(run, FULL, QUICK, QUICK_NUMPY)

if __name__ == "__main__":
    app()
