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
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import report
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import norm

import ensemble as en
from ensemble import plots, statistics

FloatArray = NDArray[np.float64]
CURVATURES = np.array([0.25, 0.5, 1.0, 2.0])
START, SIGMA, LR = 2.0, 1.0, 0.2
CUTS, CUT = 3, 4  # stages of the comparison with growing batches, and the factor between them
STEEP_LR, STEEP_CLOUD = 0.2, 2.0
WARMUPS = (1, 2, 3, 4, 6, 8, 12)
PARTS = {
    "schedules": "Table: nine schedules",
    "floors": "Table: constant rates",
    "batches": "Table: batches that grow",
    "averages": "Table: last iterates and averages",
    "warm-up": "Table: warm-up",
}
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Size(report.Size):
    """How much to run; ``rates`` are the constant ones of the sweep of floors."""

    rates: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


FULL = Size(20_000, 4_000)
QUICK = Size(4_000, 1_000, (0.05, 0.2, 0.8))


# ---- the laws


def second_moments(lr: FloatArray, sigma: FloatArray, start: float = START) -> FloatArray:
    """E x_t^2 at every curvature (steps + 1, 4), for rates and noise by step (steps,)."""
    found = np.full((lr.size + 1, CURVATURES.size), start**2)
    for t, (rate, size) in enumerate(zip(lr, sigma, strict=True)):
        found[t + 1] = (1 - rate * CURVATURES) ** 2 * found[t] + (rate * size) ** 2
    return found


def averaged_moments(lr: FloatArray, start: float = START) -> FloatArray:
    """E m_t^2 at every curvature (steps + 1, 4), m_t the mean of x_1 ... x_t: with E x_t^2 and E x_t m_t a closed recursion."""
    square, both, found = np.full(4, start**2), np.zeros(4), np.zeros((lr.size + 1, 4))
    found[0] = start**2  # nothing is averaged yet: the start is shown
    own = np.zeros(4)
    for t, rate in enumerate(lr, start=1):
        keep, weight = 1 - rate * CURVATURES, 1 / t
        square = keep**2 * square + (rate * SIGMA) ** 2
        carried = keep * both
        own = (1 - weight) ** 2 * own + 2 * weight * (1 - weight) * carried + weight**2 * square
        both = (1 - weight) * carried + weight * square
        found[t] = own
    return found


def best_moments(t: FloatArray, start: float = START) -> FloatArray:
    """What no schedule gets below, (steps, 4): 1/E grows by h^2/sigma^2 at most with each gradient."""
    return 1 / (1 / start**2 + CURVATURES**2 * t[:, None] / SIGMA**2)


def loss(squares: FloatArray) -> FloatArray:
    """E f of second moments (..., 4)."""
    return squares @ CURVATURES / 2


def rates(schedule: en.Schedule, steps: int) -> FloatArray:
    return schedule(np.arange(1.0, steps + 1))


@cache
def lost_share(warmup: float) -> float:
    """P(gradient descent from the cloud runs away) on (x^2-1)^2/4, by the map of many starts and their density."""
    x0 = np.linspace(0, 8 * STEEP_CLOUD, 20_001)
    weight, x = norm.pdf(x0 / STEEP_CLOUD) * 2 / STEEP_CLOUD * (x0[1] - x0[0]), x0.copy()
    for t in range(1, int(max(WARMUPS)) + 40):
        lr = STEEP_LR * min(1.0, t / warmup)
        x = np.where(np.abs(x) < 1e3, x - lr * (x**3 - x), x)
    return float(weight[np.abs(x) >= 1e3].sum())


# ---- the runs


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
    result = en.compare(
        optimizers,
        landscape=en.Quadratic(CURVATURES),
        noise=en.Gaussian(SIGMA),
        start=en.Point(START),
        record=record,
        instances=study.size.instances,
        steps=study.size.steps,
        seed=(study.seed + number) % 2**64,
        backend=study.backend,
    )
    return study.keep(name, result).dataset


def mean_with_limits(runs: xr.Dataset) -> xr.Dataset:
    """The mean of f over the instances of a summary, with its interval."""
    error = np.sqrt(runs["value_variance"] / runs["value_n"])
    mean = runs["value_mean"]
    n = runs["value_n"].max("step")
    found = {"loss": mean, "loss_lower": mean - Z95 * error, "loss_upper": mean + Z95 * error, "error": error, "n": n}
    return xr.Dataset(found, attrs={"confidence": 0.95})


def compare_shapes(study: report.Study[Size]) -> None:
    """Nine schedules: the loss against the step."""
    steps = study.size.steps
    given = schedules_of(steps)
    record = en.Record(["value"], at=en.log_spaced(50), summary=True)
    runs = descend(study, "shapes", {name: en.GradientDescent(s) for name, s in given.items()}, record, 0)
    found, t = mean_with_limits(runs), runs["step"].to_numpy()
    best = loss(best_moments(t.astype(float)))
    laws = {}
    for name, schedule in given.items():
        law = loss(second_moments(rates(schedule, steps), np.full(steps, SIGMA)))
        laws[name] = (t, law[t])
        one = found.sel(optimizer=name)
        for place in (t.searchsorted(steps // 10), t.size - 1):
            seen, error = float(one["loss"][place]), float(one["error"][place])
            study.check(report.Check.exact(f"E f at step {t[place]}, {name}", seen, law[t[place]], error))
        study.check(
            report.Check.at_least(f"E f at step {steps}, {name}: what no schedule beats", seen, best[-1], error)
        )
        study.rows.append(
            {"part": "schedules", "schedule": name, "step": steps, "quantity": "E f", "seen": seen}
            | {"seen_lower": seen - Z95 * error, "seen_upper": seen + Z95 * error, "law": law[-1]}
            | {"best": best[-1], "n": study.size.instances}
        )
    shown = ("constant", "steps", "linear", "cosine", "1/t", "1/sqrt(t)")
    figure = plots.curves(
        {name: found.sel(optimizer=name, step=t[1:]).drop_vars("optimizer") for name in shown}
        | {"no schedule gets below": (t[1:], best[1:])},
        "loss",
        "step",
        laws={name: laws[name] for name in shown},
        x_label="step t",
        y_label="mean of f",
        log=(True, True),
    )
    words = "dotted: the exact laws"
    study.draw("schedules", figure, f"Mean loss against the step under six schedules from rate {LR:g}; {words}.")
    ends = {name: float(found["loss"].sel(optimizer=name)[-1]) for name in given}
    order = sorted(ends, key=lambda name: ends[name])
    study.find(
        f"After {steps:,} steps E f is "
        + ", ".join(f"{ends[name]:.3g} ({name})" for name in order)
        + f"; no schedule can get below {best[-1]:.3g}."
    )
    at = int(t.searchsorted(steps // 40))
    with_, without = (float(found["loss"].sel(optimizer=name)[at]) for name in ("constant after warm-up", "constant"))
    study.find(
        f"On a quadratic warm-up only delays: half way through one of {steps // 20} steps, at step {t[at]}, E f is {with_:.4g} with it "
        f"and {without:.4g} without; at the end there is no difference."
    )


def measure_floors(study: report.Study[Size]) -> None:
    """Constant rates: the floor against the rate."""
    runs = descend(
        study,
        "floors",
        {"SGD": en.GradientDescent(en.grid(study.size.rates))},
        en.Record(["value"], at=[study.size.steps], summary=True),
        1,
    ).isel(optimizer=0)
    found = mean_with_limits(runs).isel(step=0)
    for k, lr in enumerate(study.size.rates):
        law = loss(second_moments(np.full(study.size.steps, lr), np.full(study.size.steps, SIGMA)))[-1]
        seen, error = float(found["loss"][k]), float(found["error"][k])
        study.check(report.Check.exact(f"E f, constant rate {lr:g}", seen, law, error))
        floor = sum(h * statistics.laws.sgd_variance(h, lr, SIGMA) for h in CURVATURES) / 2
        study.rows.append(
            {
                "part": "floors",
                "schedule": f"constant {lr:g}",
                "step": study.size.steps,
                "quantity": "E f",
                "seen": seen,
            }
            | {"seen_lower": seen - Z95 * error, "seen_upper": seen + Z95 * error, "law": law}
            | {"floor": floor, "n": study.size.instances}
        )
    lr = np.geomspace(study.size.rates[0], study.size.rates[-1], 60)
    floors = np.array([sum(h * statistics.laws.sgd_variance(h, r, SIGMA) for h in CURVATURES) / 2 for r in lr])
    figure = plots.curves(
        {"SGD": found.drop_vars(["step", "optimizer"]), "first order, lr σ² d / 4": (lr, lr * SIGMA**2)},
        "loss",
        "lr",
        laws={"SGD": (lr, floors)},
        law_name="exact floor",
        x_label="learning rate",
        y_label=f"mean of f at step {study.size.steps:,}",
        log=(True, True),
    )
    study.draw("floors", figure, "The floor of constant rates: exact, and to first order in the rate.")


def grow_batches(study: report.Study[Size]) -> None:
    """Cut the rate twice, or grow the batch by the same factor in as many times fewer steps: the same examples are seen."""
    stage = study.size.steps // (CUTS * CUT ** (CUTS - 1)) * CUT ** (CUTS - 1)
    cut = [CUT**k for k in range(CUTS) for _ in range(stage)]
    grown = [CUT**k for k in range(CUTS) for _ in range(stage // CUT**k)]
    ways: dict[str, tuple[list[float], list[float]]] = {
        "rate cut": ([LR / k for k in cut], [1.0] * len(cut)),
        "batch grown": ([LR] * len(grown), [float(k) for k in grown]),
        "neither": ([LR] * len(cut), [1.0] * len(cut)),
    }
    shown, laws, ends = {}, {}, {}
    for name, (lr, batch) in ways.items():
        size = en.PerBatch(SIGMA, en.FromFunction(listed(batch)))
        seen = np.concatenate([[0.0], np.cumsum(batch)])  # examples by step
        at = sorted({int(np.argmin(np.abs(seen - e))) for e in np.linspace(0, seen[-1], 49)})
        result = en.simulate(
            landscape=en.Quadratic(CURVATURES),
            optimizer=en.GradientDescent(en.FromFunction(listed(lr))),
            noise=en.Gaussian(size),
            start=en.Point(START),
            record=en.Record(["value"], at=at, summary=True),
            instances=study.size.instances,
            steps=len(lr),
            seed=(study.seed + 2) % 2**64,
            backend=study.backend,
        )
        runs = study.keep(f"batches_{name.replace(' ', '_')}", result).dataset
        found = mean_with_limits(runs)
        moments = second_moments(np.array(lr), SIGMA / np.sqrt(batch))
        shown[name] = found.assign_coords(examples=("step", seen[at])).isel(step=slice(1, None))
        laws[name] = (seen[1:], loss(moments)[1:])
        ends[name] = float(found["loss"][-1])
        study.check(
            report.Check.exact(f"E f at the end, {name}", ends[name], laws[name][1][-1], float(found["error"][-1]))
        )
        x = runs["x"].to_numpy().astype(float)
        for k, h in enumerate(CURVATURES):
            study.check(report.Check.mean(f"E x^2 at the end, {name}, curvature {h:g}", x[:, k] ** 2, moments[-1, k]))
        study.rows.append(
            {"part": "batches", "schedule": name, "step": len(lr), "quantity": "E f", "seen": ends[name]}
            | {f"seen_{end}": float(found[f"loss_{end}"][-1]) for end in ("lower", "upper")}
            | {"law": laws[name][1][-1], "n": study.size.instances}
        )
    figure = plots.curves(
        shown,
        "loss",
        "examples",
        laws=laws,
        x_label="examples seen",
        y_label="mean of f",
        log=(False, True),
    )
    study.draw("batches", figure, f"Rate {LR:g} cut twice by {CUT}, or the batch grown twice by {CUT} in fewer steps.")
    study.find(
        f"Growing the batch {CUT} times instead of cutting the rate {CUT} times, twice, sees the same {len(cut):,} examples in "
        f"{len(grown):,} steps instead of {len(cut):,} and ends at E f {ends['batch grown']:.4g} against {ends['rate cut']:.4g}: "
        f"{100 * (ends['batch grown'] / ends['rate cut'] - 1):.1f} % higher, all of it of second order in lr h."
    )


def listed(values: list[float]) -> Callable[[float], float]:
    """The function of the step that reads a list."""
    return lambda t: values[int(t) - 1]


def average(study: report.Study[Size]) -> None:
    """Last iterates and averages: how far from sigma^2 / (h^2 t), the best there is."""
    steps = study.size.steps
    given: dict[str, tuple[bool, en.Schedule]] = {
        "last, 1/t": (False, en.InverseTime(1.0, 1.0)),
        "last, 1/sqrt(t)": (False, en.InverseSqrt(1.0)),
        "average, 1/sqrt(t)": (True, en.InverseSqrt(1.0)),
        "average, constant": (True, en.Constant(LR)),
    }
    optimizers: dict[str, en.Optimizer] = {
        name: en.Average(en.GradientDescent(s)) if averaged else en.GradientDescent(s)
        for name, (averaged, s) in given.items()
    }
    at = np.unique(np.rint(np.geomspace(1, steps, 19)).astype(int))
    runs = descend(study, "averages", optimizers, en.Record(["x"], at=at.tolist()), 5)
    efficiency: dict[str, tuple[FloatArray, ...]] = {}
    laws, by_curvature, by_law = {}, {}, {}
    for name, (averaged, schedule) in given.items():
        lr = rates(schedule, steps)
        law = averaged_moments(lr) if averaged else second_moments(lr, np.full(steps, SIGMA))
        squares = (
            runs["path"].sel(optimizer=name).transpose("step", "instance", "coordinate").to_numpy().astype(float) ** 2
        )
        mean, error = squares.mean(axis=1), squares.std(axis=1, ddof=1) / math.sqrt(squares.shape[1])
        for k, h in enumerate(CURVATURES):
            scale = at * h**2 / SIGMA**2
            curve = tuple(
                scale * y for y in (mean[:, k], mean[:, k] - Z95 * error[:, k], mean[:, k] + Z95 * error[:, k])
            )
            study.check(
                report.Check.exact(
                    f"E x^2 at step {steps}, {name}, curvature {h:g}", mean[-1, k], law[-1, k], error[-1, k]
                )
            )
            study.rows.append(
                {
                    "part": "averages",
                    "schedule": name,
                    "step": steps,
                    "curvature": h,
                    "quantity": "t h^2 E x^2 / sigma^2",
                }
                | dict(zip(("seen", "seen_lower", "seen_upper"), (c[-1] for c in curve), strict=True))
                | {"law": scale[-1] * law[-1, k], "n": study.size.instances}
            )
            if k == 0:
                efficiency[name], laws[name] = (at, *curve), (at, scale * law[at, k])
            if name == "last, 1/t":
                by_curvature[f"h = {h:g}"], by_law[f"h = {h:g}"] = (at, *curve), (at, scale * law[at, k])
            if averaged and steps >= 500:  # what is left of the start and of the next term goes like 1/sqrt(t)
                allowed, error_here = 3 / math.sqrt(steps), scale[-1] * error[-1, k]
                what = f"t h^2 E m^2 / sigma^2, {name}, curvature {h:g}"
                study.check(report.Check.asymptotic(what, curve[0][-1], 1.0, allowed, error_here))
    study.check(
        report.Check.mean(
            "E x^2 = sigma^2 / t with rate 1/t at h = 1",
            runs["x"].sel(optimizer="last, 1/t").to_numpy()[:, 2].astype(float) ** 2,
            SIGMA**2 / steps,
        )
    )
    words = "t h² E x² / σ²"
    figure = plots.curves(
        efficiency,
        laws=laws,
        x_label="step t",
        y_label=words,
        log=(True, True),
        note=f"n = {study.size.instances:,}; bands 95 %",
    )
    study.draw("averages", figure, f"{words} at curvature {CURVATURES[0]:g}, 1 at best: last iterates and averages.")
    figure = plots.curves(
        by_curvature,
        laws=by_law,
        x_label="step t",
        y_label=words,
        log=(True, True),
        note=f"n = {study.size.instances:,}; bands 95 %",
    )
    study.draw("inverse_time", figure, "The rate 1/t at four curvatures: best at h = 1, hopeless below 1/2.")
    study.find(
        "t h^2 E x^2 / sigma^2 at the end, 1 at best: "
        + "; ".join(
            f"{name} "
            + ", ".join(
                f"{row['seen']:.3g}" for row in study.rows if row["part"] == "averages" and row["schedule"] == name
            )
            for name in given
        )
        + " (curvatures 1/4, 1/2, 1, 2). Averages alone need no knowledge of the curvature."
    )


def warm_up(study: report.Study[Size]) -> None:
    """Gradient descent without noise from a wide cloud in the double well: who runs away, against the length of warm-up."""
    result = en.simulate(
        landscape=en.DoubleWell(),
        optimizer=en.GradientDescent(en.Warmup(en.Constant(STEEP_LR), steps=en.grid([float(w) for w in WARMUPS]))),
        start=en.NormalCloud(STEEP_CLOUD),
        instances=study.size.instances,
        steps=max(WARMUPS) + 40,
        seed=(study.seed + 6) % 2**64,
        backend=study.backend,
        dtype="float64",
    )
    found = statistics.shares(study.keep("warm_up", result)).sel(outcome="diverged")
    dim = next(str(d) for d in found["share"].dims)
    for k, warmup in enumerate(WARMUPS):
        one, law = found.isel({dim: k}), lost_share(warmup)
        study.check(
            report.Check.share(f"share lost, warm-up over {warmup} steps", int(one["count"]), int(one["n"]), law)
        )
        study.rows.append(
            {
                "part": "warm-up",
                "schedule": f"warm-up over {warmup}",
                "step": max(WARMUPS) + 40,
                "quantity": "share lost",
            }
            | {"seen": float(one["share"]), "seen_lower": float(one["lower"]), "seen_upper": float(one["upper"])}
            | {"law": law, "n": int(one["n"])}
        )
    figure = plots.curves(
        {"gradient descent": found.drop_vars("outcome")},
        "share",
        dim,
        laws={"gradient descent": (WARMUPS, [lost_share(w) for w in WARMUPS])},
        x_label="steps of warm-up (1: none)",
        y_label="share that runs away",
    )
    study.draw(
        "warm_up", figure, f"Double well, rate {STEEP_LR:g}, starts normal with {STEEP_CLOUD:g}: shares that run away."
    )
    first, last = float(found["share"][0]), float(found["share"][-1])
    study.find(
        f"Where starts are steep warm-up decides: of a cloud of size {STEEP_CLOUD:g} in the double well at rate {STEEP_LR:g} "
        f"{100 * first:.1f} % run away without it, {100 * last:.2f} % with {WARMUPS[-1]} steps of it."
    )


# ---- the command


def run(study: report.Study[Size]) -> None:
    """Nine schedules, floors, growing batches, averages and warm-up, each with its law."""
    compare_shapes(study)
    measure_floors(study)
    grow_batches(study)
    average(study)
    warm_up(study)
    for part, heading in PARTS.items():
        rows = [row for row in study.rows if row["part"] == part]
        study.tables[heading] = report.table_of([{k: v for k, v in row.items() if k != "part"} for row in rows])


app = report.command(run, FULL, QUICK)

if __name__ == "__main__":
    app()
