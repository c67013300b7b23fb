"""Near a minimum gradient descent and momentum are linear: their speeds and edges of stability, seen and by law.

With curvatures h at the minimum (x, v) of gradient descent, heavy ball or Nesterov's method moves along each
eigenvector by a 2 x 2 matrix. So E f is exact (`report.LinearMethod`), its factor per step is in the long run the
squared spectral radius, and a method settles below the rates 2/h, 2(1+beta)/h and (2+2 beta)/((1+2 beta) h) of the
largest h, and above them never.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import report
import xarray as xr
from numpy.typing import NDArray

import ensemble as en
from ensemble import statistics
from ensemble.statistics import laws

LR, BETAS = 1e-3, (0.5, 0.9, 0.95, 0.98)  # of the speeds
BETA, SHARES = 0.9, (0.99, 1.01)  # of the edges, and the shares of them at which methods run
CLOUD = 1e-5  # of the starts: further down f is rounding
CURVED = 0.01  # relative, of laws that are linear in the distance to the minimum, for such a cloud


@dataclass(frozen=True)
class Minimum:
    """Where methods start: every coordinate is ``at``, and ``curvatures`` rise."""

    landscape: en.Landscape
    at: float
    curvatures: NDArray[np.float64]

    def run(self, study: report.Study[Any], name: str, optimizers: dict[str, en.Optimizer], **more: Any) -> xr.Dataset:
        """Runs optimizers without noise from a small cloud around it; single precision does not reach so far down."""
        given = {"noise": en.Gaussian(0.0), "start": en.NormalCloud(CLOUD, center=self.at)} | more
        return study.compare(name, optimizers, landscape=self.landscape, dtype="float64", keep_x=False, **given)


def compare_speeds(study: report.Study[Any], minimum: Minimum) -> None:
    """Compares E f at two steps with the linear law, and notes the factors per step that are fitted."""
    steps, betas = 1_000, en.grid(BETAS)
    optimizers = {"heavy ball": en.HeavyBall(LR, betas), "Nesterov": en.Nesterov(LR, betas)}
    record = en.Record(["value"], at=en.log_spaced(40))
    runs = minimum.run(study, "near", optimizers, steps=steps, record=record)
    found = statistics.convergence_rate(runs, resamples=220)
    for name, beta in product(optimizers, BETAS):
        method = report.LinearMethod.named(name, beta)
        mean, spread = method.value_law(minimum.curvatures, LR, steps, spread=CLOUD)
        one = runs["value"].sel(optimizer=name, beta=beta)
        for t in (int(one["step"][20]), steps):
            sample = one.sel(step=t).to_numpy()
            error = spread[t] / np.sqrt(sample.size)
            what = f"E f at step {t} near the minimum, {name}, beta {beta:g}"
            study.check(report.Check.asymptotic(what, sample.mean(), mean[t], CURVED, error))
        fit = found.sel(optimizer=name, beta=beta)
        row = {"sweep": "near the minimum", "optimizer": name, "beta": beta, "n": int(fit["n"])}
        law = method.factor(minimum.curvatures, LR) ** 2
        study.rows.append(row | report.with_limits(fit, "factor") | {"law": law})


def compare_edges(study: report.Study[Any], minimum: Minimum) -> None:
    """Compares the edges of stability: everybody stays at 0.99 of them and leaves at 1.01."""
    steps, largest = 2_000, minimum.curvatures[-1]
    edges = {
        "GD": laws.gradient_descent_edge(largest),
        "heavy ball": laws.heavy_ball_edge(largest, BETA),
        "Nesterov": laws.nesterov_edge(largest, BETA),
    }
    optimizers = {
        name: report.LinearMethod.named(name, BETA).optimizer(en.grid([share * edge for share in SHARES]))
        for name, edge in edges.items()
    }
    record = en.Record(["distance"], at=[steps], point=minimum.at)
    left = minimum.run(study, "edges", optimizers, steps=steps, record=record).isel(step=0)
    away = ~(left["distance"].transpose("configuration", "instance").to_numpy() < 10 * CLOUD)  # or diverged
    for (name, edge), share in product(edges.items(), SHARES):
        here = ((left["optimizer"] == name) & (left["lr"] == share * edge)).to_numpy()
        what = f"share that leaves the minimum, {name} at {share:g} of its edge {edge:.6f}"
        study.check(report.Check.share(what, int(away[here].sum()), away.shape[1], float(share > 1)))
