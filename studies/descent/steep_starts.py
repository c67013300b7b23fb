"""Starts that are too steep for the rate: who runs away, and what warm-up saves of them.

Gradient descent without noise in the double well (x^2-1)^2/4, at a rate beyond the edge of stability where the cloud of
starts ends. No chance is left after the start: the share that runs away is the cloud's mass on the starts that the map
x' = x - lr_t (x^3 - x) takes to infinity, lr_t rising linearly over the warm-up.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import report
from scipy.stats import norm

import ensemble as en
from ensemble import plots, statistics

LR, CLOUD = 0.2, 2.0
WARMUPS = (1, 2, 3, 4, 6, 8, 12)
STEPS = max(WARMUPS) + 40


@cache
def lost_share(warmup: float) -> float:
    """P(gradient descent from the cloud runs away), by the map of many starts and their density."""
    x0 = np.linspace(0, 8 * CLOUD, 20_001)
    weight, x = norm.pdf(x0 / CLOUD) * 2 / CLOUD * (x0[1] - x0[0]), x0.copy()
    for t in range(1, STEPS):
        lr = LR * min(1.0, t / warmup)
        x = np.where(np.abs(x) < 1e3, x - lr * (x**3 - x), x)
    return float(weight[np.abs(x) >= 1e3].sum())


def warm_up(study: report.Study[Any]) -> None:
    """From a wide cloud in the double well, without noise: who runs away, against the length of warm-up."""
    lr = en.Warmup(en.Constant(LR), steps=en.grid([float(w) for w in WARMUPS]))
    runs = study.simulate(
        "warm_up",
        number=6,
        landscape=en.DoubleWell(),
        optimizer=en.GradientDescent(lr),
        start=en.NormalCloud(CLOUD),
        steps=STEPS,
        dtype="float64",
    )
    found = statistics.shares(runs).sel(outcome="diverged")
    (dim,) = map(str, found["share"].dims)
    laws = [lost_share(warmup) for warmup in WARMUPS]
    for k, (warmup, law) in enumerate(zip(WARMUPS, laws, strict=True)):
        one = found.isel({dim: k})
        count, n = int(one["count"]), int(one["n"])
        study.check(report.Check.share(f"share lost, warm-up over {warmup} steps", count, n, law))
        study.rows.append(
            {"part": "warm-up", "schedule": f"warm-up over {warmup}", "step": STEPS, "quantity": "share lost"}
            | {"seen": float(one["share"]), "seen_lower": float(one["lower"]), "seen_upper": float(one["upper"])}
            | {"law": law, "n": n}
        )
    figure = plots.curves(
        {"gradient descent": found.drop_vars("outcome")},
        "share",
        dim,
        laws={"gradient descent": (WARMUPS, laws)},
        x_label="steps of warm-up (1: none)",
        y_label="share that runs away",
    )
    caption = f"Double well, rate {LR:g}, starts normal with {CLOUD:g}: shares that run away."
    study.draw("warm_up", figure, caption)
    first, last = float(found["share"][0]), float(found["share"][-1])
    study.find(
        f"Where starts are steep warm-up decides: of a cloud of size {CLOUD:g} in the double well at rate {LR:g} "
        f"{100 * first:.1f} % run away without it, {100 * last:.2f} % with {WARMUPS[-1]} steps of it."
    )
