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

import ensemble as en
from ensemble import plots, statistics
from ensemble.statistics import laws

VALLEY = en.Rosenbrock(dim=2)
CURVATURES = np.linalg.eigvalsh(VALLEY.hessian((1.0, 1.0)))
START = en.UniformBox(low=(-2.0, -1.0), high=(2.0, 3.0))
LR, NEAR_LR, ADAM_LR, BETA = 2.5e-4, 1e-3, 1e-2, 0.9
TOLERANCE, SIGMA = 1e-4, 10.0
PLACES = plots.palette(["GD", "SGD", "heavy ball", "Nesterov", "Adam"])
PATHS = 1_000
CURVED = 0.01  # relative, of laws that are linear in the distance to the minimum, for a cloud of 1e-5


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


# ---- laws near the minimum


def method(name: str, beta: float) -> report.LinearMethod:
    """The linear method of a name."""
    return report.LinearMethod(0.0 if name == "GD" else beta, ahead=name == "Nesterov")


def radius(name: str, beta: float, lr: float) -> float:
    """Factor of |x| per step near the minimum, in the limit: the largest root over both curvatures."""
    a = 1 - lr * CURVATURES
    keep = a if name == "Nesterov" else np.ones(2)
    roots = [np.roots([1.0, -(a_k + beta * k), beta * k]) for a_k, k in zip(a, keep, strict=True)]
    return float(np.abs(roots).max())


def go(study: report.Study[Size], name: str, optimizers: dict[str, en.Optimizer], **more: Any) -> xr.Dataset:
    """One comparison in double precision: the local laws reach far below the loss at which single precision ends."""
    given: dict[str, Any] = {"start": START, "noise": en.Gaussian(0.0), "instances": study.size.instances} | more
    result = en.compare(
        optimizers, landscape=VALLEY, seed=study.seed, backend=study.backend, dtype="float64", keep_x=False, **given
    )
    return study.keep(name, result).dataset


def near_the_minimum(study: report.Study[Size]) -> None:
    """Speeds against the linear law, and the edges of stability."""
    steps, cloud = 1_000, en.NormalCloud(1e-5, center=1.0)  # further down f is rounding
    betas = (0.5, 0.9, 0.95, 0.98)
    runs = go(
        study,
        "near",
        {"heavy ball": en.HeavyBall(NEAR_LR, en.grid(betas)), "Nesterov": en.Nesterov(NEAR_LR, en.grid(betas))},
        start=cloud,
        steps=steps,
        record=en.Record(["value"], at=en.log_spaced(40)),
    )
    found = statistics.convergence_rate(runs, resamples=220)
    for name in ("heavy ball", "Nesterov"):
        for beta in betas:
            mean, spread = method(name, beta).value_law(CURVATURES, NEAR_LR, steps, 0.0, 1e-5)
            one = runs["value"].sel(optimizer=name, beta=beta)
            for t in (int(one["step"][20]), steps):
                sample = one.sel(step=t).to_numpy()
                error = spread[t] / np.sqrt(sample.size)
                what = f"E f at step {t} near the minimum, {name}, beta {beta:g}"
                study.check(report.Check.asymptotic(what, sample.mean(), mean[t], CURVED, error))
            fit = found.sel(optimizer=name, beta=beta)
            row = {"sweep": "near the minimum", "optimizer": name, "beta": beta, "n": int(fit["n"])}
            row |= {"factor" + end: float(fit["factor" + end]) for end in ("", "_lower", "_upper")}
            row |= {"law": radius(name, beta, NEAR_LR) ** 2}
            study.rows.append(row)

    edges = {"GD": laws.gradient_descent_edge(CURVATURES[-1])}
    edges |= {
        "heavy ball": laws.heavy_ball_edge(CURVATURES[-1], BETA),
        "Nesterov": laws.nesterov_edge(CURVATURES[-1], BETA),
    }
    shares = (0.99, 1.01)
    left = go(
        study,
        "edges",
        {
            name: method(name, BETA).optimizer(en.grid([share * edge for share in shares]))
            for name, edge in edges.items()
        },
        start=cloud,
        steps=2_000,
        record=en.Record(["distance"], at=[2_000], point=1.0),
    ).isel(step=0)
    away = ~(left["distance"].transpose("configuration", "instance").to_numpy() < 1e-4)  # or diverged
    for name, edge in edges.items():
        for share in shares:
            here = ((left["optimizer"] == name) & (left["lr"] == share * edge)).to_numpy()
            what = f"share that leaves the minimum, {name} at {share:g} of its edge {edge:.6f}"
            study.check(report.Check.share(what, int(away[here].sum()), away.shape[1], float(share > 1)))


# ---- the sweeps


def times(study: report.Study[Size], sweep: str, runs: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Median times and shares, as rows of the table."""
    curves, ends = statistics.survival(runs), statistics.shares(runs, labels=[1])
    arrived = ends.sel(outcome="event 1")
    for place in report.places(curves["median"]):
        one, share = curves.isel(place), arrived.isel(place)
        row: dict[str, Any] = {"sweep": sweep} | {d: one[d].item() for d in place}
        row |= {"n": int(one["n"]), "diverged": int(one["diverged"])}
        row |= {"share": float(share["share"]), "share_lower": float(share["lower"])}
        row |= {"share_upper": float(share["upper"])}
        study.rows.append(row | {"median" + end: float(one["median" + end]) for end in ("", "_lower", "_upper")})
    return curves, arrived


def sweep_beta(study: report.Study[Size]) -> tuple[xr.Dataset, xr.Dataset]:
    """Momentum: from the box until f <= 1e-4."""
    betas = en.grid(study.size.betas)
    optimizers: dict[str, en.Optimizer] = {"heavy ball": en.HeavyBall(LR, betas), "Nesterov": en.Nesterov(LR, betas)}
    runs = go(study, "beta", optimizers, steps=study.size.steps, event=en.Below(TOLERANCE))
    return runs, times(study, "beta", runs)[0]


def sweep_adam(study: report.Study[Size]) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Adam's two memories: from the box until f <= 1e-4."""
    adam = en.Adam(ADAM_LR, beta1=en.grid(study.size.beta1), beta2=en.grid(study.size.beta2))
    few = min(study.size.instances, 1_000)
    runs = go(
        study,
        "adam",
        {"Adam": adam},
        steps=study.size.adam_steps,
        event=en.Below(TOLERANCE),
        record=en.Record(["x"], at=[0, 1], instances=few),
    ).isel(optimizer=0)
    x = runs["path"].transpose(..., "step", "coordinate").to_numpy()
    far = np.abs(x[..., 1, :] - x[..., 0, :])
    study.check(
        report.Check.equal("shortest first step of Adam in a coordinate, over lr", far.min() / ADAM_LR, 1.0, 1e-5)
    )
    study.check(
        report.Check.equal("longest first step of Adam in a coordinate, over lr", far.max() / ADAM_LR, 1.0, 1e-5)
    )
    return runs, *times(study, "adam", runs)


def sweep_methods(study: report.Study[Size]) -> xr.Dataset:
    """All methods from the box, without noise and with it: loss and gradient norm."""
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


def tracks(study: report.Study[Size], optimizers: dict[str, tuple[en.Optimizer, float]]) -> dict[str, en.Result]:
    """Paths from three starts that are the same for all, by programs that are there already."""
    return {
        name: en.simulate(
            landscape=VALLEY,
            optimizer=optimizer,
            noise=en.Gaussian(sigma),
            start=en.Points([[-1.5, 2.5], [-0.5, -0.7], [1.8, 0.5]]),
            record=en.Record(["x"], at=range(PATHS + 1)),
            instances=3,
            steps=PATHS,
            seed=study.seed,
            backend=study.backend,
            dtype="float64",
        )
        for name, (optimizer, sigma) in optimizers.items()
    }


def draw(study: report.Study[Size], methods: xr.Dataset, beta: tuple[xr.Dataset, xr.Dataset], adam: Any) -> None:
    """The figures."""
    window = ((-2.1, 2.1), (-1.2, 3.4))
    shown: dict[str, tuple[en.Optimizer, float]] = {
        "GD": (en.GradientDescent(LR), 0.0),
        "SGD": (en.GradientDescent(LR), 5 * SIGMA),
        "heavy ball": (en.HeavyBall(LR, BETA), 0.0),
        "Nesterov": (en.Nesterov(LR, BETA), 0.0),
        "Adam": (en.Adam(ADAM_LR), 0.0),
        "Adam, beta1 = 0": (en.Adam(ADAM_LR, beta1=0.0), 0.0),
    }
    figure = plots.paths(VALLEY, tracks(study, shown), limits=window, places=PLACES)
    study.draw(
        "paths",
        figure,
        f"{PATHS:,} steps from the same three starts; the minimum is at (1, 1). SGD's noise: {5 * SIGMA:g}.",
    )
    betas: dict[str, tuple[en.Optimizer, float]] = {
        f"beta = {b:g}": (en.HeavyBall(LR, b), 0.0) for b in (0.0, 0.5, 0.8, 0.9, 0.98, 0.99)
    }
    figure = plots.paths(VALLEY, tracks(study, betas), limits=window)
    study.draw(
        "paths_beta",
        figure,
        f"Heavy ball at the rate {LR:g}, {PATHS:,} steps: smoother and faster with beta, then past the mark.",
    )

    names = methods["optimizer"].to_numpy().tolist()
    for column, sigma, said in (
        ("value", 0.0, "loss"),
        ("gradient_norm", 0.0, "gradient_norm"),
        ("value", SIGMA, "loss_noise"),
    ):
        data = {
            "SGD" if sigma and name == "GD" else name: methods.sel(optimizer=name, sigma=sigma).drop_vars(
                ["optimizer", "sigma"]
            )
            for name in names
        }
        label = "f" if column == "value" else "norm of the gradient"
        figure = plots.fan(data, column, places=PLACES, y_label=label, limits=(1e-3 if sigma else 1e-12, 1e4))
        study.draw(
            said,
            figure,
            f"{label.capitalize()} from starts over the whole box" + f", noise {SIGMA:g}." if sigma else ".",
        )

    runs, curves = beta
    speeds = {}
    for name in ("heavy ball", "Nesterov"):
        base = curves.sel(optimizer=name)["median"]
        known = [b for b in study.size.betas if np.isfinite(float(base.sel(beta=b)))]
        at = float(base.sel(beta=known[0])) * np.log(radius(name, known[0], LR))
        speeds[name] = ([1 / (1 - b) for b in known], [at / np.log(radius(name, b, LR)) for b in known])
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
    study.draw(
        "beta",
        figure,
        f"Time to f <= {TOLERANCE:g} against momentum; dotted: what the speed near the minimum says of it.",
    )
    adams, *both = adam
    # As words: rounded to three digits .9999 would be 1.
    names = [f"{b:g}" for b in study.size.beta2]
    adam_times, adam_shares = (one.assign_coords(beta2=names) for one in both)
    figure = plots.heat_map(adam_shares, "beta1", "beta2", "share", value_label=f"share with f <= {TOLERANCE:g}")
    study.draw(
        "adam_share",
        figure,
        f"Adam at the rate {ADAM_LR:g}: share that comes to f <= {TOLERANCE:g} in {study.size.adam_steps:,} steps.",
    )
    figure = plots.heat_map(adam_times, "beta1", "beta2", "median", value_label="median time (steps)", log=True)
    study.draw("adam_time", figure, "The median time of all instances; hatched where fewer than half arrive.")
    best = curves.sel(optimizer="heavy ball")["median"].idxmin("beta").item()
    picked = {
        f"heavy ball, beta = {study.size.betas[0]:g}": runs.sel(optimizer="heavy ball", beta=study.size.betas[0]),
        f"heavy ball, beta = {best:g}": runs.sel(optimizer="heavy ball", beta=best),
        f"Nesterov, beta = {best:g}": runs.sel(optimizer="Nesterov", beta=best),
        "Adam": adams.sel(beta1=0.9, beta2=0.999),
    }
    picked = {name: one.drop_vars([c for c in one.coords if c not in one.dims]) for name, one in picked.items()}
    study.draw("ecdf", plots.ecdf(picked), f"Share of all starts that have come to f <= {TOLERANCE:g}.")


def findings(study: report.Study[Size]) -> None:
    """What the table says, in sentences."""
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
        f"Adam is fastest at (beta1, beta2) = ({quick['beta1']:g}, {quick['beta2']:g}): {quick['median']:,.0f} steps; at its "
        f"default {report.shown(default['median'])}. Fewer than 1 % arrive at {', '.join(none) or 'no pair'}."
    )


def run(study: report.Study[Size]) -> None:
    """Rosenbrock's valley: paths, losses, momentum's beta, Adam's beta1 and beta2."""
    near_the_minimum(study)
    beta = sweep_beta(study)
    adam = sweep_adam(study)
    draw(study, sweep_methods(study), beta, adam)
    swept = {name: [row for row in study.rows if row["sweep"] == name] for name in ("beta", "adam", "near the minimum")}
    study.tables |= {f"Table: {name}": report.table_of(rows) for name, rows in swept.items()}
    findings(study)


app = report.command(run, FULL, QUICK, QUICK_NUMPY)

if __name__ == "__main__":
    app()
