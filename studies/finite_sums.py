"""How fast do gradient descent and stochastic gradient descent solve a finite sum, and what do batches and their order change?

Question. On least squares and on logistic regression: how do the gaps of gradient descent, of SGD at a constant rate, of SGD at
falling rates and of SGD where all samples can be fitted fall with the step? What does going through the samples in a new order
every epoch change against drawing them?

Expected. On least squares the first two moments of SGD with replacement obey exact recursions (z = x - x*, residuals r_i):
m' = (I - lr H) m, M' = (I - lr H) M (I - lr H) + lr^2/B (S - H M H), S the mean of a_i a_i^T E (a_i . z - r_i)^2; so
E f - f* = tr(H M)/2 is known at every step, for every batch and rate, the floor of a constant rate among them. Gradient descent
falls by 1 - lr h_min a step along the flattest direction in the end, whatever the function; SGD's gap at rates a/(t + b) like 1/t
(Bottou, Curtis and Nocedal 2018, arXiv:1606.04838, theorem 4.7); where all residuals are 0 it falls exponentially. In a new order
every epoch the gap at epochs' ends falls like 1/t^2 or faster (Safran and Shamir 2020, arXiv:1908.00045; Mishchenko et al. 2020,
arXiv:2006.05988), and of f_i = h x^2/2 - b_i x at a constant rate the variance is lr^2 s^2 (sum_j rho^2j - (sum_j rho^j)^2/n) /
(1 - rho^2n), rho = 1 - lr h, exactly, against lr s_n^2/(h (2 - lr h)) with replacement.

Found. All 26 comparisons with laws hold (seed 0, 20,000 instances, 4,000 steps). SGD's floor at lr = 0.05 is 0.01604 with single
samples (law 0.01598) and 0.00359 with four (0.00361); at falling rates the gap after 4,000 steps is 1.910e-4 (1.895e-4) and 4.83e-5
(4.83e-5). Where all samples can be fitted SGD is as fast as gradient descent, whatever the batch: below 1e-9 at step 300. At epochs'
ends the exponents of t are -1.00 for samples drawn and -2.47 in a new order every epoch, on the way from 1/t^3 to 1/t^2: after 300
epochs the gap is 16,303 times smaller. On one coordinate the variance at an epoch's end is 0.00647 (0.00644) in a new order, against
0.1016 (0.1015).

Run `python studies/finite_sums.py`, or with `--quick`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import report
import xarray as xr
from numpy.typing import NDArray

import ensemble as en
from ensemble import plots

Floats = NDArray[np.float64]
SAMPLES, DIM = 40, 4
LR = 0.05
FALLING = 2.0, 40.0  # a and b of the rates a/(t + b)
BATCHES = (1, 4)
ROW = (1.0, -2.0, 0.5, 3.0, -1.0, 0.25)  # the b_i of one coordinate
BEND, RATES = 1.3, (0.1, 0.05)
SLOPE = 0.15  # allowed of exponents measured over a decade and a half
RATE = 0.01  # allowed of the logarithm of a factor


@dataclass(frozen=True)
class Size(report.Size):
    """``descent`` steps of gradient descent on logistic regression; ``epochs`` of orders compared."""

    descent: int = 4000
    epochs: int = 300


def problem(noise: float) -> en.LeastSquares:
    """Least squares whose answers have an error of that size."""
    data = en.data.teacher(SAMPLES, DIM, noise=noise, test=0.0, seed=3)
    return en.LeastSquares(*data.train)


def gaps(f: en.LeastSquares, start: float, rates: Floats, batch: float) -> Floats:
    """E f - f* after 0 ... T steps of SGD with replacement, exactly, (T + 1,)."""
    a, x = f.A, f.solution()
    h, r = a.T @ a / len(a), f.y - a @ x
    m = np.full(DIM, start) - x
    whole, found = np.outer(m, m), []
    for lr in (*rates, 0.0):
        found.append(np.trace(h @ whole) / 2)
        square = np.einsum("ni,ij,nj->n", a, whole, a) - 2 * r * (a @ m) + r * r
        spread = (a * square[:, None]).T @ a / len(a) - h @ whole @ h
        step = np.eye(DIM) - lr * h
        whole, m = step @ whole @ step + lr**2 / batch * spread, step @ m
    return np.array(found)


def least_squares(study: report.Study[Size]) -> None:
    """Every rate of the table where all is known exactly."""
    steps, drawn = study.size.steps, {}
    t = np.arange(1, steps + 1)
    falling = FALLING[0] / (t + FALLING[1])
    cases: dict[str, tuple[float, Any, Floats, Any]] = {
        "constant rate": (0.5, LR, np.full(steps, LR), BATCHES),
        "falling rates": (0.5, lambda s: FALLING[0] / (s + FALLING[1]), falling, BATCHES),
        "interpolation": (0.0, LR, np.full(steps, LR), BATCHES),
        "gradient descent": (0.5, LR, np.full(steps, LR), (SAMPLES,)),
    }
    for name, (noise, lr, rates, batches) in cases.items():
        f = problem(noise)
        full = name == "gradient descent"
        for batch in batches:
            result = en.simulate(
                landscape=f,
                optimizer=en.GradientDescent(lr),
                noise=en.Minibatch(order="full") if full else en.Minibatch(batch),
                start=en.Point(0.0),
                record=en.Record(["value"], at=en.log_spaced(30)),
                instances=2 if full else study.size.instances,
                steps=steps,
                seed=study.seed,
                backend=study.backend,
                dtype="float64",
            )
            label = name if full else f"{name}, batch {batch}"
            runs = study.keep(label.replace(" ", "_").replace(",", ""), result).dataset
            lowest = float(f.value(f.solution()[None])[0, 0])
            law = gaps(f, 0.0, rates, np.inf if full else batch)
            drawn[label] = compare(study, label, runs, lowest, law, full)
    study.draw(
        "gaps",
        plots.curves(
            {name: (x[x > 0], y[x > 0]) for name, (x, y, _) in drawn.items()},
            laws={name: (x[x > 0], z[x > 0]) for name, (x, _, z) in drawn.items()},
            x_label="step",
            y_label="E f - f*",
            log=(True, True),
            limits=(1e-9, 10.0),
            width=plots.DOUBLE,
        ),
        "Least squares: the mean gap against the step, and the exact recursion (dotted).",
    )


def compare(
    study: report.Study[Size], label: str, runs: xr.Dataset, lowest: float, law: Floats, full: bool
) -> tuple[Floats, Floats, Floats]:
    """Checks at a few recorded steps, a row of the table, and the curve with its law."""
    at = runs["step"].to_numpy()
    gap = runs["value"].to_numpy() - lowest
    for k in (len(at) // 3, 2 * len(at) // 3, len(at) - 1):
        what = f"least squares, {label}: E f - f* after {at[k]} steps"
        if full:
            study.check(report.Check.asymptotic(what, gap[0, k] + lowest, law[at[k]] + lowest, 1e-9))
        elif law[at[k]] > 1e-6 * law[0]:  # below, the mean is made by instances that are too rare to be seen
            study.check(report.Check.mean(what, gap[:, k], law[at[k]]))
    late = at >= at[-1] / 8
    slope = np.polyfit(np.log(at[late]), np.log(np.maximum(gap.mean(axis=0)[late], 1e-300)), 1)[0]
    row = {"case": label, "gap": gap[:, -1].mean(), "law": law[at[-1]], "exponent of t": slope}
    study.rows.append(row)
    if label.startswith("falling"):
        seen, known = slope, np.polyfit(np.log(at[late]), np.log(law[at[late]]), 1)[0]
        study.check(report.Check.at_most(f"{label}: exponent of t less the recursion's", abs(seen - known), 0.05))
    return at.astype(float), gap.mean(axis=0), law[at]


def logistic(study: report.Study[Size]) -> None:
    """Gradient descent on logistic regression: linear in the end, at the rate of the flattest direction."""
    data = en.data.load("breast_cancer")
    f = en.LogisticRegression(*data.train, l2=0.05)
    lr = 1.0 / f.smoothness
    result = en.simulate(
        landscape=f,
        optimizer=en.GradientDescent(lr),
        start=en.Point(0.0),
        record=en.Record(["x"], at=en.lin_spaced(41)),
        instances=1,
        steps=study.size.descent,
        backend=study.backend,
        dtype="float64",
    )
    runs = study.keep("logistic", result).dataset
    path, at = runs["path"].to_numpy()[0], runs["step"].to_numpy()
    bends, directions = np.linalg.eigh(f.hessian(path[-1]))
    slowest = np.abs(f.gradient(path) @ directions[:, 0])
    seen = np.flatnonzero((slowest > 1e-12) & (slowest < 1e-5))
    factor = np.log(slowest[seen[-1]] / slowest[seen[0]]) / (at[seen[-1]] - at[seen[0]])
    what = "logistic regression, GD: logarithm of the factor of the flattest direction in a step"
    study.check(report.Check.asymptotic(what, factor, float(np.log(1 - lr * bends[0])), RATE))
    study.find(
        f"On logistic regression (breast_cancer, l2 = 0.05) gradient descent's gradient along the flattest direction falls by "
        f"1 - {-np.expm1(factor):.5f} a step; 1 - lr h_min = 1 - {lr * bends[0]:.5f}."
    )


def orders(study: report.Study[Size]) -> None:
    """One coordinate: the variance at epochs' ends, drawn and in a new order every epoch; and exponents at falling rates."""
    b, n = np.array(ROW), len(ROW)
    f = en.LeastSquares(np.full((n, 1), np.sqrt(BEND)), b / np.sqrt(BEND))  # h x^2/2 - b_i x, and a constant
    for order in ("replacement", "reshuffle"):
        result = en.simulate(
            landscape=f,
            optimizer=en.GradientDescent(en.grid(*RATES)),
            noise=en.Minibatch(1, order),
            start=en.Point(float(b.mean() / BEND)),
            instances=study.size.instances,
            steps=60 * n,
            seed=study.seed,
            backend=study.backend,
            dtype="float64",
        )
        x = study.keep(f"order_{order}", result).dataset["x"].to_numpy()[..., 0]
        for k, lr in enumerate(RATES):
            rho = (1 - lr * BEND) ** np.arange(n)
            if order == "reshuffle":
                law = lr**2 * b.var(ddof=1) * ((rho**2).sum() - rho.sum() ** 2 / n) / (1 - (1 - lr * BEND) ** (2 * n))
            else:
                law = lr * b.var() / (BEND * (2 - lr * BEND))
            what = f"one coordinate, {order}, lr = {lr:g}: variance at an epoch's end"
            study.check(report.Check.mean(what, (x[k] - b.mean() / BEND) ** 2, law))
            study.rows.append({"case": what, "gap": x[k].var(), "law": law, "exponent of t": np.nan})
    exponents(study)


def exponents(study: report.Study[Size]) -> None:
    """At rates a/(t + b) from the solution on: the gap at epochs' ends, drawn and in a new order every epoch."""
    f, curves = problem(0.5), {}
    lowest = float(f.value(f.solution()[None])[0, 0])
    a, b = 4.0, 160.0
    for order, law in (("replacement", -1.0), ("reshuffle", -2.0)):
        epochs = np.unique(np.geomspace(1, study.size.epochs, 16).astype(int))
        result = en.simulate(
            landscape=f,
            optimizer=en.GradientDescent(lambda t: a / (t + b)),
            noise=en.Minibatch(1, order),
            start=en.Point(tuple(f.solution())),
            record=en.Record(["value"], at=epochs * SAMPLES),
            instances=max(200, study.size.instances // 10),
            steps=int(epochs[-1]) * SAMPLES,
            seed=study.seed,
            backend=study.backend,
            dtype="float64",
        )
        runs = study.keep(f"exponent_{order}", result).dataset
        t, gap = runs["step"].to_numpy() + b, runs["value"].to_numpy() - lowest
        late = t >= t[-1] / 8
        slope = np.polyfit(np.log(t[late]), np.log(gap.mean(axis=0)[late]), 1)[0]
        what = f"falling rates, {order}: exponent of t at epochs' ends"
        if order == "replacement":
            study.check(report.Check.asymptotic(what, slope, law, SLOPE))
        else:  # the variance falls like 1/t^3, and is still seen beside the bias
            study.check(report.Check.at_most(what, slope, law))
        study.rows.append({"case": what, "gap": gap[:, -1].mean(), "law": np.nan, "exponent of t": slope})
        curves[order] = t - b, gap.mean(axis=0)
    study.draw(
        "orders",
        plots.curves(curves, x_label="step", y_label="E f - f*", log=(True, True)),
        "Falling rates on least squares: the gap at epochs' ends, samples drawn, and in a new order every epoch.",
    )
    ratio = curves["replacement"][1][-1] / curves["reshuffle"][1][-1]
    study.find(
        f"After {study.size.epochs} epochs at falling rates the gap of samples in a new order every epoch is {ratio:,.0f} times "
        f"smaller than that of drawn ones."
    )


def run(study: report.Study[Size]) -> None:
    """Everything."""
    steps: tuple[Callable[[report.Study[Size]], None], ...] = (least_squares, logistic, orders)
    for step in steps:
        step(study)
    held = sum(check.holds for check in study.checks)
    study.findings.insert(
        0,
        f"{held} of {len(study.checks)} laws hold, moments of SGD with replacement among them at every step looked at.",
    )


app = report.command(run, Size(20_000, 4000), Size(2_000, 1000, descent=4000, epochs=100))

if __name__ == "__main__":
    app()
