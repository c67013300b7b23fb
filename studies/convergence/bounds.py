"""Rates on functions that are no quadratics, and the bounds that no instance may break.

Gradient descent at 1/L keeps f_k - f* <= (1 - mu/L)^k (f_0 - f*) under the condition of Polyak and Lojasiewicz (Karimi,
Nutini and Schmidt 2016), f_k - f* <= L |x_0 - x*|^2/2k on a convex function, and min_{t<T} |g_t|^2 <= 2L (f_0 - f*)/T
on any smooth one (Nesterov 2004). With noise and lr <= 1/L the mean of |g|^2 over T steps is at most
2 (f_0 - f*)/(lr T) + L lr d sigma^2 (Ghadimi and Lan 2013). At its minimum the PL function x^2 + 3 sin^2 x has
the curvature L = 8, so that the factors near it, and the mean of f under noise and falling rates, are a quadratic's.
"""

from __future__ import annotations

import numpy as np
import report

import ensemble as en

from .cases import BETA, METHODS, NOISY_METHODS, FloatArray, Study, descend, fit, note_power
from .quadratics import CONDITION, FLAT, ILL

PL, PL_SMOOTH, PL_START = en.PolyakLojasiewicz(dim=4), 8.0, en.UniformBox(-10.0, 10.0)
RASTRIGIN, RASTRIGIN_SMOOTH, RASTRIGIN_START = en.Rastrigin(dim=4), 2 + 40 * np.pi**2, en.UniformBox(-5.12, 5.12)
GROUPS = 10  # of instances, each with its own noise: their spread is the error of an average over steps


# ---- Polyak-Lojasiewicz


def polyak_lojasiewicz(study: Study) -> None:
    """Fits the PL function without noise, at a quarter of 1/L."""
    steps, lr = 300, 0.25 / PL_SMOOTH
    optimizers = {name: method.optimizer(lr) for name, method in METHODS.items()} | {"Adam": en.Adam(0.05)}
    runs = descend(study, "pl", optimizers, PL, steps=steps, start=PL_START)
    most = 1 - lr * PL.pl_constant * (2 - PL_SMOOTH * lr)
    found = fit(study, "PL", "1/4L", runs, {"GD": f"factor at most {most:.5f}", "": "none"}, since=steps // 3)
    factor = {name: float(found.sel(optimizer=name)["factor"]) for name in METHODS}
    near = float((1 - lr * PL_SMOOTH) ** 2)
    study.check(report.Check.asymptotic("factor of f, GD, PL", factor["GD"], near, 1e-3))
    study.check(report.Check.at_most("factor of f, GD, PL", factor["GD"], most))
    for name in ("heavy ball", "Nesterov"):  # complex roots: |root|^2 is their product
        near = BETA * (1 - lr * PL_SMOOTH * METHODS[name].ahead)
        study.check(report.Check.asymptotic(f"factor of f, {name}, PL", factor[name], near, 0.01))


def polyak_lojasiewicz_with_noise(study: Study) -> None:
    """Fits the PL function with noise and rates that fall like 1/t."""
    last = study.size.steps
    rates = {name: en.InverseTime((1 - method.beta) / PL_SMOOTH, 0.1) for name, method in NOISY_METHODS.items()}
    optimizers = {name: NOISY_METHODS[name].optimizer(lr) for name, lr in rates.items()}
    optimizers["Adam"] = en.Adam(en.InverseTime(0.3, 0.1))
    runs = descend(study, "pl_falling", optimizers, PL, start=PL_START, noise=en.Gaussian(1.0))
    fit(study, "PL, noise 1", "1/t", runs, {"": "exponent 1", "Adam": "none"})
    for name, lr in rates.items():
        law = NOISY_METHODS[name].value_law(np.full(4, 8.0), lr, last, 1.0, 0.0)[0][-1]
        sample = runs["value"].sel(optimizer=name, step=last).to_numpy()
        error = sample.std() / np.sqrt(sample.size)
        study.check(report.Check.asymptotic(f"E f at step {last}, {name}, PL", sample.mean(), law, 0.01, error))


# ---- neither convex nor PL


def non_convex(study: Study) -> None:
    """Fits the size of the gradient on Rastrigin's function without noise."""
    optimizers = {name: method.optimizer(0.25 / RASTRIGIN_SMOOTH) for name, method in METHODS.items()}
    optimizers["Adam"] = en.Adam(0.01)
    record = en.Record(["gradient_norm"], at=en.log_spaced(60))
    runs = descend(study, "non_convex", optimizers, RASTRIGIN, steps=200, start=RASTRIGIN_START, record=record)
    theorem = {"GD": "min |g|^2 <= 2L (f_0 - f*)/T", "": "none"}
    fit(study, "non-convex (|g|)", "1/4L", runs, theorem, quantity="gradient_norm", since=40)


def non_convex_with_noise(study: Study, sigma: float = 8.0) -> None:
    """Compares the mean of |g|^2 over T steps there, with noise and rates ~ 1/sqrt(T), with its bound, and fits it."""
    horizons = np.array(study.size.horizons)
    rates = np.sqrt(horizons[0] / horizons) / RASTRIGIN_SMOOTH
    runs = descend(
        study,
        "non_convex_noise",
        {"SGD": en.GradientDescent(en.grid(np.repeat(rates, GROUPS).tolist()))},
        RASTRIGIN,
        steps=int(horizons[-1]),
        start=RASTRIGIN_START,
        noise=en.Gaussian(sigma),
        record=en.Record(["value", "gradient_norm"], at=range(horizons[-1]), summary=True, quantiles=(0.5,)),
        instances=max(study.size.instances // GROUPS, 2),
        paired=False,
    ).isel(optimizer=0)
    square = runs["gradient_norm_variance"] * (1 - 1 / runs["gradient_norm_n"]) + runs["gradient_norm_mean"] ** 2
    squares = square.to_numpy().reshape(horizons.size, GROUPS, -1)
    above = runs["value_mean"].to_numpy().reshape(horizons.size, GROUPS, -1)[:, :, 0].mean(axis=1)
    means = np.array([one[:, :t].mean(axis=1) for one, t in zip(squares, horizons.tolist(), strict=True)])
    for t, lr, seen, gap in zip(horizons.tolist(), rates, means, above, strict=True):
        bound = 2 * gap / (lr * t) + RASTRIGIN_SMOOTH * lr * 4 * sigma**2
        error = float(seen.std(ddof=1) / np.sqrt(GROUPS))
        study.check(report.Check.at_most(f"mean |g|^2 over {t} steps, SGD, non-convex", seen.mean(), bound, error))
    slope, error = report.power(horizons, means)
    problem = f"non-convex (mean |g|^2), noise {sigma:g}"
    note_power(study, problem, "1/sqrt(T)", "SGD", horizons, (-slope, error), "exponent 1/2")


# ---- every bound, instance by instance


def bounds(study: Study) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Runs gradient descent at 1/L everywhere; returns the largest share of each bound that is taken, by step."""
    places: dict[str, tuple[en.Landscape, en.Start, float]] = {
        "quadratic": (en.Quadratic(tuple(ILL)), en.NormalCloud(1.0), 1.0),
        "convex": (en.Quadratic(tuple(FLAT)), en.NormalCloud(1.0), 1.0),
        "PL": (PL, PL_START, PL_SMOOTH),
        "non-convex": (RASTRIGIN, RASTRIGIN_START, RASTRIGIN_SMOOTH),
    }
    shares = {}
    for name, (landscape, start, smooth) in places.items():
        runs = descend(
            study,
            f"bounds_{name}",
            {"GD": en.GradientDescent(1 / smooth)},
            landscape,
            start=start,
            steps=500,
            record=en.Record(["value", "gradient_norm", "distance"], at=en.log_spaced(60)),
        ).isel(optimizer=0)
        value, g, away = (
            runs[q].transpose("instance", "step").to_numpy() for q in ("value", "gradient_norm", "distance")
        )
        t, first = runs["step"].to_numpy(), value[:, :1]
        found = {"min |g|^2": np.minimum.accumulate(g, axis=1) ** 2 * (t + 1) / (2 * smooth * first)}
        if name in ("quadratic", "PL"):
            mu = PL.pl_constant if name == "PL" else 1 / CONDITION
            found["f linear"] = value / first / (1 - mu / smooth) ** t
        if name == "convex":
            found["f 1/t"] = value * 2 * t / (smooth * away[:, :1] ** 2)
        for bound, share in found.items():
            worst = share[:, 1:].max(axis=0)  # at the start some hold with equality
            study.check(report.Check.at_most(f"largest share of the bound ({bound}), GD, {name}", worst.max(), 1.0))
            shares[f"{bound}, {name}"] = (t[1:].astype(float), worst)
    return shares
