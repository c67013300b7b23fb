"""What does the batch size change: time, floor, sharpness, and what is learned?

Question. SGD at a constant rate with batches from 1 sample to all: how many steps, and how many samples, does it take to a given training
loss, at which loss does it stop, how sharp is where it stops, and how well does it do on other samples? What does the rule
of scaling the rate with the batch (Goyal et al. 2017) keep?

Expected. On least squares the floor of SGD with replacement is the fixed point of an exact recursion of second moments
(finite_sums.py), for every rate and batch: in the limit of small rates it depends on lr/B alone, and the recursion says by how much it
does not at finite ones. Steps to a loss at the best rate of each batch follow S(B) = S_min (1 + B_crit/B), and B_crit is of the
size of the gradient noise scale tr(cov)/|grad f|^2 along the way (McCandlish, Kaplan, Amodei et al. 2018, arXiv:1812.06162), a rule
of thumb and no law. Smaller batches and larger rates end in flatter places (Keskar et al. 2017, arXiv:1609.04836; Jastrzebski et al.
2017, arXiv:1711.04623): asked here, not presumed.

Found. All 3 floors are as the recursion says (seed 0, 20,000 instances): from lr = 0.02 and single samples to lr = 0.32 and batches of
16 the floor rises by a factor of 1.198, where the rule of scaling would have it stay. On digits (64 networks each, 1,000 steps) the
training loss 0.25 is reached after 339, 89, 55 and 50 steps with batches of 2, 8, 32 and 128 at the best of three rates: S_min = 33,
B_crit = 18; the noise scale rises on the way there from 30 to 542. In samples small batches are cheapest: 678, 709, 1,751 and 6,396. At
lr = 0.45 with batches of 2 SGD does not get there, ends sharper (0.39) than with 128 (0.15), and tells 85.5 % of the test digits,
against 96.4 %.

Run `python studies/batch_size.py`, or with `--quick`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import finite_sums
import numpy as np
import report
import xarray as xr
from numpy.typing import NDArray

import ensemble as en
from ensemble import plots
from ensemble.statistics import generalisation, sharpness

Floats = NDArray[np.float64]
HIDDEN = 16
TOLERANCE = 0.25  # of the training loss of the network on digits
SCALED = ((0.02, 1), (0.08, 4), (0.32, 16))  # rates and batches of one ratio
SHARP = 4  # instances of each configuration whose sharpness is measured


@dataclass(frozen=True)
class Size(report.Size):
    """``floors`` instances on least squares; batches and rates on digits."""

    floors: int = 20_000
    batches: tuple[int, ...] = (2, 8, 32, 128)
    rates: tuple[float, ...] = (0.05, 0.15, 0.45)


def floors(study: report.Study[Size]) -> None:
    """Least squares: the floor at one lr/B, by the recursion and seen; and how far from constant it is."""
    f, settle = finite_sums.problem(0.5), 600
    lowest = float(f.value(f.solution()[None])[0, 0])
    laws = []
    for lr, batch in SCALED:
        result = en.simulate(
            landscape=f,
            optimizer=en.GradientDescent(lr),
            noise=en.Minibatch(batch),
            start=en.Point(tuple(f.solution())),
            record=en.Record(["value"], at=[settle]),
            instances=study.size.floors,
            steps=settle,
            seed=study.seed,
            backend=study.backend,
            dtype="float64",
        )
        gap = study.keep(f"floor_{batch}", result).dataset["value"].to_numpy()[:, 0] - lowest
        law = _floor(f, lr, batch)
        laws.append(law)
        study.check(report.Check.mean(f"least squares, lr = {lr:g}, batch {batch}: floor", gap, law))
        study.rows.append(_row(f"floor, lr = {lr:g}, batch {batch}", gap.mean(), law))
    ratio = laws[-1] / laws[0]
    study.find(
        f"On least squares the rate and the batch {SCALED[-1][1]} times as large leave the floor {ratio:.3f} times as high, by the exact "
        f"recursion, which 1 would be where only lr/B counts; all {len(SCALED)} floors are as it says."
    )


def _floor(f: en.LeastSquares, lr: float, batch: float) -> float:
    """E f - f* in the long run, from the solution on: the recursion's fixed point."""
    a, x = f.A, f.solution()
    h, r, dim = a.T @ a / len(a), f.y - a @ x, a.shape[1]
    step = np.eye(dim) - lr * h
    fourth = np.einsum("ni,nj,nk,nl->ijkl", a, a, a, a).reshape(dim * dim, -1) / len(a)
    still = ((a * r[:, None]).T @ (a * r[:, None]) / len(a)).ravel()
    move = np.kron(step, step) + lr**2 / batch * (fourth - np.kron(h, h))
    m = np.linalg.solve(np.eye(dim * dim) - move, lr**2 / batch * still)
    return float(np.trace(h @ m.reshape(dim, dim)) / 2)


def _row(what: str, seen: float, law: float = np.nan, **more: float) -> dict[str, Any]:
    names = ("steps", "samples", "train_loss", "test_accuracy", "gap", "sharpness")
    return {"what": what, "seen": seen, "law": law} | {name: more.get(name, np.nan) for name in names}


def digits(study: report.Study[Size]) -> None:
    """The network on digits over batch and rate."""
    data = en.data.load("digits")
    network = en.TwoLayerNetwork(HIDDEN, "tanh", "softmax", X=data.train.X, y=data.train.y)
    shared: dict[str, Any] = {
        "landscape": network,
        "start": en.Initialisation.of(network, "glorot"),
        "seed": study.seed,
        "backend": study.backend,
    }
    rates = en.grid(*study.size.rates)
    batches = en.grid(*study.size.batches)
    result = en.simulate(
        optimizer=en.GradientDescent(rates),
        noise=en.Minibatch(batches),
        record=en.Record(["value"], at=en.log_spaced(24)),
        instances=study.size.instances,
        steps=study.size.steps,
        **shared,
    )
    study.keep("digits", result)
    few = en.simulate(
        optimizer=en.GradientDescent(rates),
        noise=en.Minibatch(batches),
        instances=SHARP,
        steps=study.size.steps,
        **shared,
    )
    bends = sharpness(study.keep("few", few), measures=["largest_eigenvalue"])["largest_eigenvalue"].mean("instance")
    learned = generalisation(result, data.test, sharpness_measure=None)
    steps = times(result.dataset)
    table(study, steps, learned, bends)
    critical(study, network, shared, steps)
    show(study, bends, learned)


def times(runs: xr.Dataset) -> xr.DataArray:
    """Steps to the tolerance of the mean training loss, between recorded steps on a line; infinite where it is not reached."""
    mean = runs["value"].mean("instance").transpose("lr", "batch", "step").to_numpy().astype(float)
    at = runs["step"].to_numpy().astype(float)
    found = np.full(mean.shape[:2], np.inf)
    for place in np.ndindex(found.shape):
        below = np.flatnonzero(mean[place] <= TOLERANCE)
        if below.size:
            k = int(below[0])
            high, low = mean[place][k - 1], mean[place][k]
            found[place] = at[k - 1] + (at[k] - at[k - 1]) * (high - TOLERANCE) / (high - low)
    return xr.DataArray(found, dims=("lr", "batch"), coords={"lr": runs["lr"], "batch": runs["batch"]})


def table(study: report.Study[Size], steps: xr.DataArray, learned: xr.Dataset, bends: xr.DataArray) -> None:
    """A row of each configuration."""
    for lr in study.size.rates:
        for batch in study.size.batches:
            at = {"lr": lr, "batch": batch}
            one, time = learned.sel(at, method="nearest"), float(steps.sel(at, method="nearest"))
            more = {name: float(one[f"{name}_mean"]) for name in ("train_loss", "test_accuracy", "gap")}
            reached = time if np.isfinite(time) else np.nan
            more |= {"steps": reached, "samples": reached * batch, "sharpness": float(bends.sel(at, method="nearest"))}
            study.rows.append(_row(f"digits, lr = {lr:g}, batch {batch}", np.nan, **more))


def critical(
    study: report.Study[Size], network: en.TwoLayerNetwork, shared: dict[str, Any], steps: xr.DataArray
) -> None:
    """S(B) = S_min (1 + B_crit/B) at the best rates, and the gradient noise scale on the way to the tolerance."""
    best = steps.min("lr").to_numpy()
    sizes = np.array(study.size.batches, dtype=float)
    reached = np.isfinite(best)
    if reached.sum() < 3:
        study.find(
            f"The loss {TOLERANCE:g} is reached with {int(reached.sum())} batches: too few to speak of a critical one."
        )
        return
    slope, least = np.polyfit(1 / sizes[reached], best[reached], 1)
    b_crit = slope / least
    first, last = along_the_way(study, network, shared, int(best[reached][-1]))
    curve = sizes[reached], best[reached]
    line = np.geomspace(sizes[reached][0], sizes[reached][-1], 50)
    study.draw(
        "critical",
        plots.curves(
            {"best rate": curve},
            laws={"best rate": (line, least * (1 + b_crit / line))},
            law_name="S_min (1 + B_crit/B)",
            x_label="batch",
            y_label=f"steps to training loss {TOLERANCE:g}",
            log=(True, True),
        ),
        "Steps to the tolerance at the best rate of each batch.",
    )
    study.find(
        f"On digits the loss {TOLERANCE:g} takes {', '.join(f'{s:.0f}' for s in best[reached])} steps with batches of "
        f"{', '.join(f'{b:.0f}' for b in sizes[reached])} at their best rates: S_min = {least:.0f}, B_crit = {b_crit:.0f}; the noise scale "
        f"rises along the way there from {first:.0f} to {last:.0f}."
    )


def along_the_way(
    study: report.Study[Size], network: en.TwoLayerNetwork, shared: dict[str, Any], steps: int
) -> tuple[float, float]:
    """The gradient noise scale at the start and where the tolerance is reached, of the largest batch and rate; medians of a few."""
    runs = en.simulate(
        optimizer=en.GradientDescent(study.size.rates[-1]),
        noise=en.Minibatch(study.size.batches[-1]),
        record=en.Record(["x"], at=[0, max(1, steps)]),
        instances=SHARP,
        steps=max(1, steps),
        **shared,
    ).dataset
    path = runs["path"].transpose("step", "instance", "coordinate").to_numpy().astype(float)
    first, last = (float(np.median([noise_scale(network, x) for x in points])) for points in path)
    return first, last


def noise_scale(network: en.TwoLayerNetwork, x: Floats) -> float:
    """``tr(cov)/|grad f|^2`` of single samples' gradients at x (dim,)."""
    single = np.concatenate(
        [
            network.batch_gradient(x[None].repeat(len(rows), axis=0), rows[:, None])
            for rows in np.array_split(np.arange(network.samples), 24)
        ]
    )
    mean = single.mean(axis=0)
    return float(((single - mean) ** 2).sum(axis=1).mean() / (mean @ mean))


def show(study: report.Study[Size], bends: xr.DataArray, learned: xr.Dataset) -> None:
    """Sharpness and test accuracy over the batch, a curve for each rate."""
    sharp = bends.to_dataset(name="sharpness")
    study.draw(
        "sharpness",
        plots.curves(sharp, "sharpness", "batch", y_label="largest curvature", log=(True, True)),
        f"Sharpness after {study.size.steps:,} steps against the batch.",
    )
    study.draw(
        "accuracy",
        plots.curves(learned, "test_accuracy_mean", "batch", y_label="test accuracy", log=(True, False)),
        f"Test accuracy after {study.size.steps:,} steps against the batch.",
    )
    low, high = bends.isel(lr=-1, batch=0), bends.isel(lr=-1, batch=-1)
    small, large = (float(learned["test_accuracy_mean"].isel(lr=-1, batch=k)) for k in (0, -1))
    study.find(
        f"At lr = {study.size.rates[-1]:g} the largest curvature after {study.size.steps:,} steps is {float(low):.2f} with batches of "
        f"{study.size.batches[0]} and {float(high):.2f} with {study.size.batches[-1]}; test accuracies are {small:.4f} and {large:.4f}."
    )


def run(study: report.Study[Size]) -> None:
    """Everything."""
    floors(study)
    digits(study)


app = report.command(
    run,
    Size(64, 1000),
    Size(10, 200, floors=2000, batches=(4, 16, 64), rates=(0.1, 0.4)),
    Size(10, 60, floors=200, batches=(4, 16), rates=(0.4,)),
)

if __name__ == "__main__":
    app()
