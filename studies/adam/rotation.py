"""A quadratic of condition 100 along the axes and rotated: SGD does not see the difference, and Adam does.

In any frame E f of SGD follows one exact recursion, of the second moments along the eigenvectors.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import report
from numpy.typing import NDArray

import ensemble as en
from ensemble import plots

FloatArray = NDArray[np.float64]
SPECTRUM = np.geomspace(0.1, 10.0, 8)
LR, SIGMA = 0.02, 0.3


def run(study: report.Study[Any], steps: int) -> None:
    """Runs SGD and Adam along the axes and in a rotated frame."""
    base = en.Quadratic(SPECTRUM)
    law = report.LinearMethod().value_law(SPECTRUM, LR, steps, SIGMA)[0]
    curves, means = {}, {}
    for frame, landscape in (("along the axes", base), ("rotated", en.Rotated(base, seed=1))):
        runs = study.compare(
            f"rotation_{frame.replace(' ', '_')}",
            {"SGD": en.GradientDescent(LR), "Adam": en.Adam(LR)},
            landscape=landscape,
            start=en.NormalCloud(1.0),
            steps=steps,
            noise=en.Gaussian(SIGMA),
            record=en.Record(["value"], at=en.log_spaced(25), summary=True),
        )
        t = runs["step"].to_numpy()
        for name, one in report.by_optimizer(runs).items():
            mean = one["value_mean"].to_numpy()
            error = np.sqrt(one["value_variance"] / one["value_n"]).to_numpy()
            curves[f"{name}, {frame}"] = report.banded(t[1:], mean[1:], error[1:])
            means[name, frame] = mean
            for place in (int(t.searchsorted(30)), t.size - 1):
                known = law[t[place]] if name == "SGD" else math.nan
                seen = report.seen_row(float(mean[place]), float(error[place]), known, study.size.instances)
                row = {"part": "rotation", "optimizer": name, "quantity": f"f at step {t[place]}, {frame}"}
                study.rows.append(row | seen)
                if name == "SGD":
                    what = f"E f at step {t[place]}, SGD, {frame}"
                    study.check(report.Check.exact(what, float(mean[place]), known, float(error[place])))
    figure = plots.curves(
        curves,
        laws={"SGD, along the axes": (np.arange(1, steps + 1), law[1:])},
        x_label="step t",
        y_label="mean of f",
        log=(True, True),
        note=f"n = {study.size.instances:,}; bands 95 %",
    )
    caption = "A quadratic of condition 100 along the axes and in a rotated frame: SGD sees no difference."
    study.draw("rotation", figure, caption)
    ratio = means["Adam", "rotated"] / means["Adam", "along the axes"]
    worst = int(np.argmax(np.abs(np.log(ratio))))
    study.find(
        f"A rotation changes Adam's mean loss by a factor of up to {ratio[worst]:.3g} (at step {t[worst]}), "
        f"{ratio[-1]:.3g} at the end; SGD's stays the same exact curve."
    )
