"""How long does noisy gradient descent take over a barrier, and which of three laws says so best?

Question. SGD in the double well (x^2-1)^2/4 from -1 until x >= 1, against temperature D = lr sigma^2 / 2, learning
rate, dimension and stiffness; and between a sharp and a flat well in d dimensions, where the other coordinates are
stiffer at the one than at the saddle. What is the mean of lr T, and does the prefactor of Eyring and Kramers hold?

Expected. Three laws, of growing simplicity. Exact: the transfer operator of the step, in one dimension by
`laws.double_well_mean`, between the two wells in the plane of x_1 and the distance from the axis, which see nothing of
d but the law of that distance. Continuous, lr -> 0: the double integral of Gardiner (2009), section 5.5.2, or the
backward equation in the same plane. Eyring (1935) and Kramers (1940), also D -> 0: the mean of lr T is 2 pi / |lambda|
sqrt(|det H_saddle| / det H_minimum) exp(barrier / D), lambda the curvature down the saddle. In the double well the
other coordinates are the same everywhere: they cancel, exactly, at every stiffness and in every rotation. Between wells
of curvature h and H the transverse curvature at the saddle is about sqrt(h H): each coordinate more shortens the way
out of the sharp well and lengthens that out of the flat one.

Found. All 45 comparisons with laws hold (seed 0, 20,000 instances). At D = 0.1 and lr = 0.05 the mean of lr T is
65.6 +- 0.9: 65.916 by the exact law, 66.269 by the integral, 54.125 by Kramers, who is 18 % short there and 8 % at
D = 0.05. At lr = 0.4 it is 42.4, and only the exact law says so. In eight dimensions nothing changes at stiffness 0.5,
2 and 8, nor turned. From 2 to 6 dimensions the way out of the sharp well takes 0.270 times as long (0.272 by the exact
law, 0.235 by Eyring and Kramers), out of the flat one 4.55 times (4.52, 3.75), at D = 0.2, a quarter of the barrier; as
D -> 0 the backward equation and Eyring and Kramers agree to 0.4 %.

Run `python studies/kramers.py`, or with `--quick`. Configurations draw their own noise. Between the two wells the
horizon is twenty times the longer mean, whatever --steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import report
import xarray as xr
from exits.double_well import crossing_time
from exits.wells import WAYS, at_zero, continuous, exact, eyring_kramers, wells
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

import ensemble as en
from ensemble import plots
from ensemble.statistics import laws

LR, BASE, STIFFNESS = 0.05, 0.1, (0.5, 2.0, 8.0)
Curve = tuple[ArrayLike, ArrayLike]
WARM, WELL_LR = 0.2, 0.1  # of the wells
LIMIT_ERROR = 0.01  # relative, of the extrapolation to D = 0: the next power of D
PLACES = plots.palette(["SGD", "integral", "Kramers"])


# ---- the runs


@dataclass(frozen=True)
class Size(report.Size):
    """Says how much to run: temperatures at LR, rates at BASE; all that is turned or many-dimensional at both."""

    temperatures: tuple[float, ...]
    rates: tuple[float, ...]
    dims: tuple[int, ...]
    turned: bool = True


def cross(
    study: report.Study[Size], name: str, landscape: en.Landscape, pairs: Sequence[tuple[float, float]]
) -> xr.DataArray:
    """Runs from -1 until x_1 >= 1 in a double well of any kind, for pairs of rate and temperature."""
    dim = landscape.dimension
    axis = landscape.turned_back(np.eye(1, dim))[0] if isinstance(landscape, en.Rotated) else np.eye(1, dim)[0]
    noise = [math.sqrt(2 * temperature / lr) for lr, temperature in pairs]
    both = en.zipped(lr=[lr for lr, _ in pairs], sigma=noise)
    runs = study.simulate(
        name,
        landscape=landscape,
        optimizer=en.GradientDescent(both.lr),
        noise=en.Gaussian(both.sigma),
        start=en.Point(tuple(-axis)),
        event=en.Crossed(normal=tuple(axis), offset=1.0),
        keep_x=False,
        paired=False,
    )
    return runs["event_step"]


def note(
    study: report.Study[Size],
    kind: str,
    what: Mapping[str, Any],
    step: NDArray[np.int64],
    lr: float,
    law: tuple[float, float, float],
) -> None:
    """Notes a row: the mean of lr T with its interval, and the three laws."""
    hidden = int(np.sum(step < 0))
    row = {"sweep": kind, "dim": 1, "stiffness": math.nan, "turned": False, **what}
    row |= {"lr": lr, "n": step.size, "censored": hidden}
    row |= report.mean_columns("mean", lr * step) if not hidden else {"mean": math.nan}
    study.rows.append(row | dict(zip(("exact", "continuous", "kramers"), law, strict=True)))


def double_wells(study: report.Study[Size]) -> None:
    """Compares one dimension by temperature and rate, and eight, stiff, soft and turned, with one and the same law."""
    size = study.size
    swept = [(LR, d) for d in size.temperatures] + [(lr, BASE) for lr in size.rates if lr != LR]
    many = en.DoubleWell(dim=8, stiffness=en.grid(STIFFNESS))
    runs = cross(study, "double_well", en.DoubleWell(), swept).to_numpy()
    places = [({"temperature": d}, lr, step) for (lr, d), step in zip(swept, runs, strict=True)]
    stiff = cross(study, "stiff", many, [(LR, BASE)]).transpose("stiffness", ..., "instance").to_numpy()
    places += [
        ({"temperature": BASE, "dim": 8, "stiffness": k}, LR, step)
        for k, step in zip(STIFFNESS, stiff.reshape(len(STIFFNESS), -1), strict=True)
    ]
    if size.turned:
        turned = en.Rotated(en.DoubleWell(dim=8, stiffness=STIFFNESS[0]), seed=study.seed)
        step = cross(study, "turned", turned, [(LR, BASE)]).to_numpy().ravel()
        places.append(({"temperature": BASE, "dim": 8, "stiffness": STIFFNESS[0], "turned": True}, LR, step))
    for what, lr, step in places:
        temperature = what["temperature"]
        law = crossing_time(lr, temperature, study.size.steps if np.any(step < 0) else None)
        said = f"double well, lr = {lr:g}, " + ", ".join(f"{k} = {v:g}" for k, v in what.items())
        study.check(*report.Check.times(said, law, step, size.steps))
        other = laws.double_well_mean_continuous(temperature), laws.double_well_mean_kramers(temperature)
        note(study, "double well", what, step, lr, (lr * law.mean, *other))


def sharp_and_flat(study: report.Study[Size], dim: int) -> None:
    """Runs both ways between the two wells; the horizon is twenty times the longer mean."""
    here = [exact(way, dim, WARM, WELL_LR) for way in WAYS]
    off = [0.0] * (dim - 1)
    both = en.zipped(
        x=[(way.start, *off) for way in WAYS],
        normal=[(way.side, *off) for way in WAYS],
        offset=[way.side * way.end for way in WAYS],
    )
    runs = study.simulate(
        f"wells_{dim}",
        landscape=wells(dim),
        optimizer=en.GradientDescent(WELL_LR),
        noise=en.Gaussian(math.sqrt(2 * WARM / WELL_LR)),
        start=en.Point(both.x),
        event=en.Crossed(normal=both.normal, offset=both.offset),
        steps=math.ceil(20 * max(mean for mean, _ in here)),
        keep_x=False,
        paired=False,
    )
    for way, (mean, sd), step in zip(WAYS, here, runs["event_step"].to_numpy(), strict=True):
        study.check(report.Check.mean(f"E T, {way.name}, d = {dim}", step, mean, sd))
        known = WELL_LR * mean, continuous(way, dim, WARM), eyring_kramers(way, dim, WARM)
        note(study, way.name, {"dim": dim, "temperature": WARM}, step, WELL_LR, known)


# ---- limits, pictures and words


def compare_limits(study: report.Study[Size]) -> float:
    """Compares laws in their limits of small rates and temperatures; returns the slope of the Arrhenius plot."""
    study.check(
        report.Check.asymptotic(
            "double well: integral over Kramers' formula, limit D -> 0",
            at_zero(lambda d: laws.double_well_mean_continuous(d) / laws.double_well_mean_kramers(d), 0.01),
            1.0,
            LIMIT_ERROR,
        )
    )
    for way in WAYS:
        for dim in study.size.dims:
            ratio = at_zero(lambda d, w=way, k=dim: continuous(w, k, d) / eyring_kramers(w, k, d), 0.02)
            what = f"{way.name}, d = {dim}: backward equation over Eyring and Kramers, limit D -> 0"
            study.check(report.Check.asymptotic(what, ratio, 1.0, LIMIT_ERROR))
    rows = report.where(study.rows, sweep="double well", dim=1)
    slow = min(report.where(rows, temperature=BASE), key=lambda r: r["lr"])
    error = report.error_of(slow, "mean")
    what = f"double well, D = {BASE:g}, lr = {slow['lr']:g}: lr E T against the integral, lr -> 0"
    study.check(report.Check.asymptotic(what, slow["mean"], slow["continuous"], slow["lr"], error))
    rows = report.where(rows, lr=LR)
    weight = report.slope_weights(np.array([1 / r["temperature"] for r in rows]))
    spread = [report.error_of(r, "mean") / r["mean"] for r in rows]
    slope, known = (float(weight @ np.log([r[name] for r in rows])) for name in ("mean", "exact"))
    what = "double well: slope of ln(lr E T) against 1/D, least squares"
    study.check(report.Check.exact(what, slope, known, float(np.linalg.norm(weight * spread))))
    return slope


def picture(
    rows: Sequence[Mapping[str, Any]],
    x: str,
    lines: Mapping[str, Curve],
    exact: Curve,
    log: tuple[bool, bool],
    label: str,
) -> Figure:
    """Draws what was seen, dotted the exact law, and the other two as lines or points of their own."""
    kept = [[row[column] for row in rows] for column in (x, "mean", "mean_lower", "mean_upper")]
    return plots.curves(
        {"SGD": tuple(kept), **lines},
        laws={"SGD": exact},
        law_name="exact",
        x_label=label,
        y_label="mean of lr T",
        log=log,
        note=f"n = {rows[0]['n']:,}; bars 95 %",
        places=PLACES,
    )


def draw(study: report.Study[Size]) -> None:
    """Draws the Arrhenius plot, the double well against the rate, and the two wells against the dimension."""
    size, integral, kramers = study.size, laws.double_well_mean_continuous, laws.double_well_mean_kramers
    rows = report.where(study.rows, sweep="double well", dim=1)
    rows = [r | {"inverse": 1 / r["temperature"]} for r in rows]
    inverse = np.linspace(1 / max(size.temperatures), 1 / min(size.temperatures), 41)
    study.draw(
        "arrhenius",
        picture(
            report.where(rows, lr=LR),
            "inverse",
            {
                "integral": (inverse, [integral(1 / v) for v in inverse]),
                "Kramers": (inverse, [kramers(1 / v) for v in inverse]),
            },
            (inverse, [LR * crossing_time(LR, 1 / v).mean for v in inverse]),
            (False, True),
            "1 / temperature",
        ),
        f"Mean time over the barrier of the double well against the inverse temperature, lr = {LR:g}, and three laws.",
    )
    rates = np.geomspace(min(size.rates), max(size.rates), 25)
    study.draw(
        "rates",
        picture(
            sorted(report.where(rows, temperature=BASE), key=lambda r: r["lr"]),
            "lr",
            {"integral": (rates, [integral(BASE)] * 25), "Kramers": (rates, [kramers(BASE)] * 25)},
            (rates, [lr * crossing_time(lr, BASE).mean for lr in rates]),
            (True, False),
            "learning rate",
        ),
        f"The same against the learning rate, at temperature {BASE:g}: the integral is the limit of small rates.",
    )
    for way in WAYS:
        own = report.where(study.rows, sweep=way.name)
        dims = [r["dim"] for r in own]
        lines = {"integral": (dims, [r["continuous"] for r in own]), "Kramers": (dims, [r["kramers"] for r in own])}
        study.draw(
            way.name.replace(" ", "_"),
            picture(own, "dim", lines, (dims, [r["exact"] for r in own]), (False, True), "dimension"),
            f"Mean time {way.name} against the dimension, temperature {WARM:g}, lr = {WELL_LR:g}, and three laws; "
            f"here the integral is the backward equation's.",
        )


def run(study: report.Study[Size]) -> None:
    """Holds every run to the exact law and the laws to each other in their limits, and draws four pictures."""
    double_wells(study)
    for dim in study.size.dims:
        sharp_and_flat(study, dim)
    slope = compare_limits(study)
    draw(study)
    one = report.where(study.rows, lr=LR, temperature=BASE)[0]
    study.find(
        f"At D = {BASE:g} and lr = {LR:g} the mean of lr T is "
        f"{one['mean']:.2f} [{one['mean_lower']:.2f}, {one['mean_upper']:.2f}]; "
        f"the exact law says {one['exact']:.3f}, the integral {one['continuous']:.3f}, Kramers {one['kramers']:.3f}."
    )
    study.find(f"The slope of the Arrhenius plot is {slope:.4f}; the barrier is 0.25.")
    for way in WAYS:
        own = report.where(study.rows, sweep=way.name)
        growth = [own[-1][c] / own[0][c] for c in ("mean", "exact", "continuous", "kramers")]
        study.find(
            f"From {own[0]['dim']} to {own[-1]['dim']} dimensions the mean time {way.name} is multiplied by "
            f"{growth[0]:.3g} (exact {growth[1]:.3g}, backward equation {growth[2]:.3g}, "
            f"Eyring and Kramers {growth[3]:.3g})."
        )


FULL = Size(20_000, 300_000, (0.05, 0.0625, 0.08, 0.1, 0.125, 0.2), (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4), (2, 4, 6))
QUICK = Size(2_000, 60_000, (0.0625, 0.08, 0.1, 0.2), (0.0125, 0.05, 0.2), (2, 4), turned=False)
QUICK_NUMPY = Size(300, 30_000, (0.1, 0.2), (0.025, 0.05, 0.2), (2,), turned=False)
app = report.command(run, FULL, QUICK, QUICK_NUMPY)

if __name__ == "__main__":
    app()
