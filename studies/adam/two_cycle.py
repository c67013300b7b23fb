"""The two-cycle x = A, -A, ... that Adam has on x^2/2 without noise, and who settles on it.

A is lr (1 - beta1)/(2 (1 + beta1)) - eps. The cycle draws its neighbours in where the Jacobian of two steps of (x, m,
v) has all its eigenvalues within the unit circle, which depends on both betas: not at the defaults (Bock and Weiss
2019).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import report
import xarray as xr
from numpy.typing import NDArray

import ensemble as en
from ensemble import plots
from ensemble.statistics import laws

FloatArray = NDArray[np.float64]
LR, EPS = 0.1, 1e-8


def amplitude(beta1: float) -> float:
    """Returns the A of the cycle."""
    return laws.adam_two_cycle(LR, beta1, EPS, 1.0)


def radius(beta1: float, beta2: float) -> float:
    """Returns the largest eigenvalue, in size, of the Jacobian of two steps at the cycle, by central differences."""
    size = amplitude(beta1)

    def two_steps(point: FloatArray) -> FloatArray:
        x, m, v = point
        for _ in range(2):
            m, v = beta1 * m + (1 - beta1) * x, beta2 * v + (1 - beta2) * x * x
            x -= LR * m / (math.sqrt(v) + EPS)
        return np.array([x, m, v])

    cycle = np.array([size, -size * (1 - beta1) / (1 + beta1), size**2])
    change = [(two_steps(cycle + d) - two_steps(cycle - d)) / (2 * d.sum()) for d in np.diag(1e-6 * np.abs(cycle))]
    return float(np.abs(np.linalg.eigvals(np.stack(change, axis=1))).max())


def run(study: report.Study[Any], steps: int, beta1s: Sequence[float], beta2s: Sequence[float]) -> None:
    """Runs Adam without noise on a parabola, over beta1 and beta2, and counts who settles on the cycle."""
    runs = study.compare(
        "two_cycle",
        {"Adam": en.Adam(LR, beta1=en.grid(beta1s), beta2=en.grid(beta2s))},
        landscape=en.Quadratic([1.0]),
        start=en.NormalCloud(1.0),
        steps=steps,
        record=en.Record(["x"], at=[steps - 1, steps]),
        dtype="float64",
    )
    on = on_the_cycle(runs["path"].isel(coordinate=0, optimizer=0), beta1s)
    n = on.sizes["instance"]
    radii = {(beta1, beta2): radius(beta1, beta2) for beta1, beta2 in product(beta1s, beta2s)}
    for (beta1, beta2), largest in radii.items():
        count = int(on.sel(beta1=beta1, beta2=beta2).sum())
        what = f"share on the cycle, beta1 {beta1:g}, beta2 {beta2:g}"
        row = {"part": "two-cycle", "optimizer": "Adam", "quantity": what}
        study.rows.append(row | report.share_row(count, n, law=largest))
        # Near 1 the horizon is too short to tell.
        if steps / 2 * math.log(largest) < -14 or largest > 1.001:
            study.check(report.Check.share(f"{what}, eigenvalue {largest:.3f}", count, n, float(largest < 1)))
    figure = plots.heat_map(
        xr.Dataset({"share": on.mean("instance"), "n": n}).round(3),
        "beta1",
        "beta2",
        "share",
        x_label="β₁",
        y_label="β₂",
        value_label="share on the two-cycle",
        limits=(0.0, 1.0),
        note=f"step {steps:,}",
    )
    caption = f"Adam at rate {LR:g} on x²/2 without noise: share of the starts that settle on the two-cycle."
    study.draw("two_cycle", figure, caption)
    everybody = on.all("instance").transpose("beta1", "beta2").to_numpy()
    full = int(everybody.sum())
    slow = sum(largest < 1 for largest in radii.values()) - full
    study.find(
        f"Adam's two-cycle takes in every start at {full} of {everybody.size} pairs of betas, all with beta1 at most "
        f"{beta1s[int(np.flatnonzero(everybody.any(axis=1)).max())]:g}; at {slow} more it is stable, but slower than "
        f"{steps:,} steps, and at {everybody.size - slow - full} it is unstable and nobody is on it."
    )


def on_the_cycle(path: xr.DataArray, beta1s: Sequence[float]) -> xr.DataArray:
    """Tells whether the last two points of a path are those of the cycle, to a thousandth."""
    size = xr.DataArray([amplitude(beta1) for beta1 in beta1s], {"beta1": list(beta1s)}, "beta1")
    before, last = path.isel(step=0), path.isel(step=1)
    return (abs(abs(last) - size) < 1e-3 * size) & (abs(before + last) < 2e-3 * size)
