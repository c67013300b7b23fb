"""What does each schedule of the learning rate reach under gradient noise, and does averaging do better?

Question. SGD with Gaussian noise of size 1 on quadratics of curvatures 1/4, 1/2, 1 and 2 from the point 2: how far do constant,
stepwise, exponential, linear, cosine, 1/t and 1/sqrt(t) rates come, with and without warm-up? Is growing the batch the same as cutting
the rate? Does Polyak's and Ruppert's average reach the best rate that there is at every curvature? And what is warm-up good for?

Expected. Exact at every step for every schedule: E x_t = (1 - lr_t h) E x_(t-1) and E x_t^2 = (1 - lr_t h)^2 E x_(t-1)^2 + lr_t^2 sigma^2,
with a similar recursion of three moments for averages. A constant rate ends at the floor lr sigma^2 / (h (2 - lr h)). No schedule
gets below 1 / (1/x_0^2 + h^2 t / sigma^2), which lr_t = 1 / (h t + sigma^2 / (h x_0^2)) attains. The rate 1/t has E x_t^2 = sigma^2 / t
exactly at h = 1 (the mean of t draws), sigma^2 / ((2h - 1) t) for 2h > 1, and only t^-2h for 2h < 1 (Chung 1954). Averages reach
sigma^2 / (h^2 t) at every h (Polyak and Juditsky 1992). Cutting the rate by k and growing the batch k times have the same lr / batch and,
to first order in lr h, the same noise (Smith et al. 2018, arXiv:1711.00489): exactly, floors differ by (2 - lr h / k) / (2 - lr h).
Without noise, warm-up of a rate beyond the edge of stability at the start saves those instances that the map of (x, t) saves.

Found. All 81 comparisons hold, |z| <= 2.2 (seed 0, 20,000 instances, 4,000 steps). From rate 0.2 E f ends at 0.0014 (1/t), 0.0031
(exponential), 0.0037 (steps), 0.0053 (cosine), 0.0065 (1/sqrt(t)), 0.0081 (linear) and 0.22 (constant); nothing gets below 0.00094. That is
the order for noise alone: all but 1/t and 1/sqrt(t) sit on the floor for most of the run and fall at its end. Growing the batch
instead of cutting the rate takes 1,743 steps instead of 3,984 and ends 11 % higher, all of it of second order. t h^2 E x^2 / sigma^2, 1 at
best: 1/t is at 21.6, 2.7, 1.00 and 1.34 for the four curvatures, averages of a constant or 1/sqrt(t) rate at 1.00 to 1.03 for all.
Warm-up is of no use on a quadratic; in a double well, from starts of spread 2 at rate 0.2, it lowers the share that runs away from
9.7 % to 0.2 % within 4 steps.

Run `python studies/schedules.py`, or with `--quick`. Schedules that are compared are paired: they see the same noise. Exit status 1:
an exact law lies more than four standard errors from the sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import report
import xarray as xr
from descent.moments import averaged_moments, best_moments, floor, loss, second_moments
from descent.steep_starts import warm_up
from numpy.typing import NDArray
from report import Z95

import ensemble as en
from ensemble import plots

FloatArray = NDArray[np.float64]
CURVATURES = np.array([0.25, 0.5, 1.0, 2.0])
START, SIGMA, LR = 2.0, 1.0, 0.2
CUTS, CUT = 3, 4  # stages of the comparison with growing batches, and the factor between them
PARTS = {
    "schedules": "Table: nine schedules",
    "floors": "Table: constant rates",
    "batches": "Table: batches that grow",
    "averages": "Table: last iterates and averages",
    "warm-up": "Table: warm-up",
}


@dataclass(frozen=True)
class Size(report.Size):
    """How much to run; ``rates`` are the constant ones of the sweep of floors."""

    rates: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


FULL = Size(20_000, 4_000)
QUICK = Size(4_000, 1_000, (0.05, 0.2, 0.8))


def schedules_of(steps: int) -> dict[str, en.Schedule]:
    """Nine schedules for a run of that length."""
    return {
        "constant": en.Constant(LR),
        "steps": en.StepDecay(LR, factor=0.25, every=steps / 4),
        "exponential": en.ExponentialDecay(LR, factor=0.01 ** (1 / steps)),
        "linear": en.LinearDecay(LR, steps=steps),
        "cosine": en.Cosine(LR, steps=steps),
        "1/t": en.InverseTime(LR, k=LR * CURVATURES[0]),
        "1/sqrt(t)": en.InverseSqrt(2 * LR),
        "constant after warm-up": en.Warmup(en.Constant(LR), steps=steps / 20),
        "cosine after warm-up": en.Cosine(LR, steps=steps, warmup=steps / 20),
    }


def descend(
    study: report.Study[Size], name: str, optimizers: dict[str, en.Optimizer], record: en.Record, number: int
) -> xr.Dataset:
    """Optimizers from the start down the quadratic."""
    quadratic, noise, start = en.Quadratic(CURVATURES), en.Gaussian(SIGMA), en.Point(START)
    return study.compare(name, optimizers, number=number, landscape=quadratic, noise=noise, start=start, record=record)


def mean_loss(lr: FloatArray) -> FloatArray:
    """E f at every step (steps + 1,) by the law, for rates by step."""
    return loss(CURVATURES, second_moments(CURVATURES, lr, SIGMA, START))


def compare(study: report.Study[Size], what: str, one: xr.Dataset, law: float) -> dict[str, Any]:
    """Checks E f of one configuration at one step; what a row says of it."""
    seen, error = float(one["mean"]), float(one["error"])
    study.check(report.Check.exact(what, seen, law, error))
    ends = {"seen": seen, "seen_lower": seen - Z95 * error, "seen_upper": seen + Z95 * error}
    return {"quantity": "E f", **ends, "law": law}


def compare_shapes(study: report.Study[Size]) -> None:
    """Nine schedules: the loss against the step."""
    steps, given = study.size.steps, schedules_of(study.size.steps)
    record = en.Record(["value"], at=en.log_spaced(50), summary=True)
    runs = descend(study, "shapes", {name: en.GradientDescent(s) for name, s in given.items()}, record, 0)
    found, t = report.mean_of_summary(runs, "value"), runs["step"].to_numpy()
    best = loss(CURVATURES, best_moments(CURVATURES, t.astype(float), SIGMA, START))
    laws, ends = {}, {}
    for name, schedule in given.items():
        law = mean_loss(schedule(np.arange(1.0, steps + 1)))
        laws[name], one = (t, law[t]), found.sel(optimizer=name)
        early = int(t.searchsorted(steps // 10))
        compare(study, f"E f at step {t[early]}, {name}", one.isel(step=early), law[t[early]])
        row = compare(study, f"E f at step {steps}, {name}", one.isel(step=-1), law[-1])
        ends[name] = row["seen"]
        what = f"E f at step {steps}, {name}: what no schedule beats"
        study.check(report.Check.at_least(what, row["seen"], best[-1], float(one["error"][-1])))
        setting = {"part": "schedules", "schedule": name, "step": steps}
        study.rows.append(setting | row | {"best": best[-1], "n": study.size.instances})
    shown = ("constant", "steps", "linear", "cosine", "1/t", "1/sqrt(t)")
    curves = {name: found.sel(optimizer=name, step=t[1:]).drop_vars("optimizer") for name in shown}
    figure = plots.curves(
        curves | {"no schedule gets below": (t[1:], best[1:])},
        "mean",
        "step",
        laws={name: laws[name] for name in shown},
        x_label="step t",
        y_label="mean of f",
        log=(True, True),
    )
    words = "dotted: the exact laws"
    study.draw("schedules", figure, f"Mean loss against the step under six schedules from rate {LR:g}; {words}.")
    said = ", ".join(f"{ends[name]:.3g} ({name})" for name in sorted(ends, key=lambda name: ends[name]))
    study.find(f"After {steps:,} steps E f is {said}; no schedule can get below {best[-1]:.3g}.")
    at = int(t.searchsorted(steps // 40))
    with_, without = (float(found["mean"].sel(optimizer=name)[at]) for name in ("constant after warm-up", "constant"))
    study.find(
        f"On a quadratic warm-up only delays: half way through one of {steps // 20} steps, at step {t[at]}, E f is "
        f"{with_:.4g} with it and {without:.4g} without; at the end there is no difference."
    )


def measure_floors(study: report.Study[Size]) -> None:
    """Constant rates: the floor against the rate."""
    steps, swept = study.size.steps, study.size.rates
    record = en.Record(["value"], at=[steps], summary=True)
    runs = descend(study, "floors", {"SGD": en.GradientDescent(en.grid(swept))}, record, 1)
    found = report.mean_of_summary(runs.isel(optimizer=0), "value").isel(step=0)
    for k, lr in enumerate(swept):
        row = compare(study, f"E f, constant rate {lr:g}", found.isel(lr=k), mean_loss(np.full(steps, lr))[-1])
        setting = {"part": "floors", "schedule": f"constant {lr:g}", "step": steps}
        study.rows.append(setting | row | {"floor": floor(CURVATURES, lr, SIGMA), "n": study.size.instances})
    fine = np.geomspace(swept[0], swept[-1], 60)
    figure = plots.curves(
        {"SGD": found.drop_vars(["step", "optimizer"]), "first order, lr σ² d / 4": (fine, fine * SIGMA**2)},
        "mean",
        "lr",
        laws={"SGD": (fine, [floor(CURVATURES, lr, SIGMA) for lr in fine])},
        law_name="exact floor",
        x_label="learning rate",
        y_label=f"mean of f at step {steps:,}",
        log=(True, True),
    )
    study.draw("floors", figure, "The floor of constant rates: exact, and to first order in the rate.")


def listed(values: FloatArray) -> en.Schedule:
    """The schedule that reads its values, one for each step."""
    return en.FromFunction(lambda t: float(values[int(t) - 1]))


def grow_batches(study: report.Study[Size]) -> None:
    """Cut the rate twice, or grow the batch by the same factor in as many times fewer steps: the same examples are seen."""
    stage = study.size.steps // (CUTS * CUT ** (CUTS - 1)) * CUT ** (CUTS - 1)
    cut = np.repeat([CUT**k for k in range(CUTS)], stage)
    grown = np.concatenate([np.full(stage // CUT**k, float(CUT**k)) for k in range(CUTS)])
    ways = {
        "rate cut": (LR / cut, np.ones(cut.size)),
        "batch grown": (np.full(grown.size, LR), grown),
        "neither": (np.full(cut.size, LR), np.ones(cut.size)),
    }
    shown, laws, ends = {}, {}, {}
    for name, (lr, batch) in ways.items():
        examples = np.concatenate([[0.0], np.cumsum(batch)])  # by step
        at = sorted({int(np.argmin(np.abs(examples - e))) for e in np.linspace(0, examples[-1], 49)})
        runs = study.simulate(
            f"batches_{name.replace(' ', '_')}",
            number=2,
            landscape=en.Quadratic(CURVATURES),
            optimizer=en.GradientDescent(listed(lr)),
            noise=en.Gaussian(en.PerBatch(SIGMA, listed(batch))),
            start=en.Point(START),
            record=en.Record(["value"], at=at, summary=True),
            steps=lr.size,
        )
        found = report.mean_of_summary(runs, "value")
        moments = second_moments(CURVATURES, lr, SIGMA / np.sqrt(batch), START)
        shown[name] = found.assign_coords(examples=("step", examples[at])).isel(step=slice(1, None))
        law = loss(CURVATURES, moments)
        laws[name] = (examples[1:], law[1:])
        row = compare(study, f"E f at the end, {name}", found.isel(step=-1), law[-1])
        x = runs["x"].to_numpy().astype(float)
        for k, h in enumerate(CURVATURES):
            study.check(report.Check.mean(f"E x^2 at the end, {name}, curvature {h:g}", x[:, k] ** 2, moments[-1, k]))
        setting = {"part": "batches", "schedule": name, "step": lr.size}
        study.rows.append(setting | row | {"n": study.size.instances})
        ends[name] = row["seen"]
    log = (False, True)
    figure = plots.curves(shown, "mean", "examples", laws=laws, x_label="examples seen", y_label="mean of f", log=log)
    study.draw("batches", figure, f"Rate {LR:g} cut twice by {CUT}, or the batch grown twice by {CUT} in fewer steps.")
    study.find(
        f"Growing the batch {CUT} times instead of cutting the rate {CUT} times, twice, sees the same {cut.size:,} examples in "
        f"{grown.size:,} steps instead of {cut.size:,} and ends at E f {ends['batch grown']:.4g} against {ends['rate cut']:.4g}: "
        f"{100 * (ends['batch grown'] / ends['rate cut'] - 1):.1f} % higher, all of it of second order in lr h."
    )


def average(study: report.Study[Size]) -> None:
    """Last iterates and averages: how far from sigma^2 / (h^2 t), the best there is."""
    steps, n = study.size.steps, study.size.instances
    last = {"last, 1/t": en.InverseTime(1.0, 1.0), "last, 1/sqrt(t)": en.InverseSqrt(1.0)}
    averaged = {"average, 1/sqrt(t)": en.InverseSqrt(1.0), "average, constant": en.Constant(LR)}
    optimizers: dict[str, en.Optimizer] = {name: en.GradientDescent(s) for name, s in last.items()}
    optimizers |= {name: en.Average(en.GradientDescent(s)) for name, s in averaged.items()}
    at = np.unique(np.rint(np.geomspace(1, steps, 19)).astype(int))
    runs = descend(study, "averages", optimizers, en.Record(["x"], at=at.tolist()), 5)
    curves, laws = {}, {}
    for name, schedule in (last | averaged).items():
        moments = averaged_moments if name in averaged else second_moments
        law = moments(CURVATURES, schedule(np.arange(1.0, steps + 1)), SIGMA, START)
        path = runs["path"].sel(optimizer=name).transpose("step", "instance", "coordinate")
        squares = path.to_numpy().astype(float) ** 2
        mean, error = squares.mean(axis=1), squares.std(axis=1, ddof=1) / math.sqrt(n)
        for k, h in enumerate(CURVATURES):
            scale, here, off = at * h**2 / SIGMA**2, mean[:, k], error[:, k]
            seen, low, high = scale * here, scale * (here - Z95 * off), scale * (here + Z95 * off)
            curves[name, h], laws[name, h] = (at, seen, low, high), (at, scale * law[at, k])
            what = f"E x^2 at step {steps}, {name}, curvature {h:g}"
            study.check(report.Check.exact(what, here[-1], law[-1, k], off[-1]))
            study.rows.append(
                {"part": "averages", "schedule": name, "step": steps, "curvature": h}
                | {"quantity": "t h^2 E x^2 / sigma^2", "seen": seen[-1], "seen_lower": low[-1]}
                | {"seen_upper": high[-1], "law": scale[-1] * law[-1, k], "n": n}
            )
            if name in averaged and steps >= 500:  # what is left of the start and of the next term goes like 1/sqrt(t)
                what = f"t h^2 E m^2 / sigma^2, {name}, curvature {h:g}"
                allowed = 3 / math.sqrt(steps)
                study.check(report.Check.asymptotic(what, seen[-1], 1.0, allowed, scale[-1] * off[-1]))
    x = runs["x"].sel(optimizer="last, 1/t").to_numpy()[:, 2].astype(float)
    study.check(report.Check.mean("E x^2 = sigma^2 / t with rate 1/t at h = 1", x**2, SIGMA**2 / steps))
    words, lowest = "t h² E x² / σ²", CURVATURES[0]
    of_all = f"{words} at curvature {lowest:g}, 1 at best: last iterates and averages."
    of_one = "The rate 1/t at four curvatures: best at h = 1, hopeless below 1/2."
    for picture, shown, caption in (
        ("averages", {name: (name, lowest) for name in optimizers}, of_all),
        ("inverse_time", {f"h = {h:g}": ("last, 1/t", h) for h in CURVATURES}, of_one),
    ):
        figure = plots.curves(
            {label: curves[key] for label, key in shown.items()},
            laws={label: laws[key] for label, key in shown.items()},
            x_label="step t",
            y_label=words,
            log=(True, True),
            note=f"n = {n:,}; bands 95 %",
        )
        study.draw(picture, figure, caption)
    ends = {name: ", ".join(f"{curves[name, h][1][-1]:.3g}" for h in CURVATURES) for name in optimizers}
    study.find(
        f"t h^2 E x^2 / sigma^2 at the end, 1 at best: {'; '.join(f'{name} {end}' for name, end in ends.items())} "
        "(curvatures 1/4, 1/2, 1, 2). Averages alone need no knowledge of the curvature."
    )


def run(study: report.Study[Size]) -> None:
    """Nine schedules, floors, growing batches, averages and warm-up, each with its law."""
    compare_shapes(study)
    measure_floors(study)
    grow_batches(study)
    average(study)
    warm_up(study)
    study.tables = report.tables_by(study.rows, "part", PARTS)


app = report.command(run, FULL, QUICK)

if __name__ == "__main__":
    app()
