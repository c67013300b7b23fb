"""Weight decay w on Booth's function |A x - b|^2: divided like a gradient (coupled), or not (decoupled).

As lr -> 0 and with v settled, v = g^2 + sigma^2 for noise of size sigma in each coordinate. Coupled decay then has
SGD's fixed point, (H + w) x = H a, with a the minimum and H the Hessian. Decoupled decay balances g/sqrt(v) = -w x:
with much noise that is nearly (H + w sigma) x = H a, and without noise the best point of the box |x_k| <= 1/w (Xie and
Li 2024, arXiv:2404.04454).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import report
from numpy.typing import NDArray
from scipy.optimize import lsq_linear, root

import ensemble as en
from ensemble import plots

FloatArray = NDArray[np.float64]
BOOTH = np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([7.0, 5.0])  # A and b
DECAYS, NOISES, LR, BETA2 = (0.1, 0.25, 0.5, 1.0), (0.0, 3.0, 10.0), 0.01, 0.99
COUPLED, DECOUPLED = "coupled (Adam + L2)", "decoupled (AdamW)"


def fixed_point(decoupled: bool, w: float, sigma: float) -> FloatArray:
    """Returns where decay w takes Adam as lr -> 0 and v is settled."""
    a, b = BOOTH
    h = 2 * a.T @ a
    if not decoupled:
        return np.asarray(np.linalg.solve(h + w * np.eye(2), 2 * a.T @ b))
    if sigma == 0:
        return np.asarray(lsq_linear(a, b, (-1 / w, 1 / w), tol=1e-14).x)

    def balance(x: FloatArray) -> FloatArray:
        g = 2 * a.T @ (a @ x - b)
        return np.asarray(g / np.sqrt(g * g + sigma**2) + w * x)

    return np.asarray(root(balance, np.linalg.solve(h + w * sigma * np.eye(2), 2 * a.T @ b), tol=1e-12).x)


def run(study: report.Study[Any], steps: int) -> None:
    """Runs coupled and decoupled decay: where do they take x, without noise and with?"""
    w = en.grid(DECAYS)
    optimizers = {COUPLED: en.AdamL2(LR, w, beta2=BETA2), DECOUPLED: en.AdamW(LR, w, beta2=BETA2)}
    noise = en.Gaussian(en.grid(NOISES))
    runs = study.compare("decay", optimizers, landscape=en.Booth(), start=en.Point(0.0), steps=steps, noise=noise)
    ends = runs["x"].transpose("optimizer", "sigma", "weight_decay", "instance", "coordinate")
    curves, lines = {}, {}
    fine = np.geomspace(DECAYS[0], DECAYS[-1], 40)
    for name in optimizers:
        for sigma in NOISES:
            x = ends.sel(optimizer=name, sigma=sigma).to_numpy().astype(float)
            compare_with_law(study, name, sigma, x)
            if name == DECOUPLED or sigma == NOISES[0]:
                label = f"AdamW, noise {sigma:g}" if name == DECOUPLED else "Adam + L2, any noise"
                curves[label] = report.mean_curve(DECAYS, x[:, :, 1])
                lines[label] = (fine, [fixed_point(name == DECOUPLED, f, sigma)[1] for f in fine])
    figure = plots.curves(
        curves,
        laws=lines,
        x_label="weight decay w",
        y_label="x₂ in the long run (3 without decay)",
        log=(True, False),
        note=f"n = {study.size.instances:,}",
    )
    caption = "coupled decay has one fixed point, decoupled decay a box of 1/w that noise rounds off."
    study.draw("decay", figure, f"Booth's function: {caption}")

    def end(name: str, sigma: float) -> float:
        return float(runs["x"].sel(optimizer=name, weight_decay=0.5, sigma=sigma).mean("instance")[1])

    said = " and ".join(
        f"{end(name, 0.0):.4g} ({end(name, NOISES[-1]):.4g} with noise {NOISES[-1]:g}), {name}" for name in optimizers
    )
    study.find(f"Decay 0.5 takes x_2 from 3 to {said}: noise weighs on decoupled decay alone.")


def compare_with_law(study: report.Study[Any], name: str, sigma: float, x: FloatArray) -> None:
    """Compares the means of ends x (decay, instance, coordinate) with the fixed points, and adds them to the table."""
    # Without noise a coordinate with no gradient left chatters about its place.
    allowed = 0.02 if sigma else 0.04
    for w, ends in zip(DECAYS, x, strict=True):
        law = fixed_point(name == DECOUPLED, w, sigma)
        for c in range(2):
            row = report.mean_row(ends[:, c], float(law[c]))
            what = f"E x_{c + 1}, {name}, w {w:g}, noise {sigma:g}"
            error = float(ends[:, c].std(ddof=1)) / np.sqrt(row["n"])
            study.check(report.Check.asymptotic(what, row["seen"], row["law"], allowed, error))
            quantity = f"x_{c + 1}, w {w:g}, noise {sigma:g}"
            study.rows.append({"part": "decay", "optimizer": name, "quantity": quantity} | row)
