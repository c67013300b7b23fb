"""Rates on quadratics, without noise and with it, beside laws that are exact at every step.

Gradient descent, heavy ball and Nesterov's method are linear in x and in the noise, so that mean and spread of f follow
from a recursion in 2 x 2 matrices (`report.LinearMethod.value_law`). Their optimal tunings are those of Polyak (1964),
Nesterov (2004) and Lessard, Recht and Packard (2016). At a constant rate f ends at sum_k h_k Var(x_k)/2 with the
stationary variances of `ensemble.statistics.laws`; Adam, whose denominator noise fills, ends there as averaged momentum
at the rate lr/sqrt(sigma^2 + E g^2) does, solved for the variance that it depends on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import report
import xarray as xr

import ensemble as en
from ensemble.statistics import laws

from .cases import (
    BETA,
    METHODS,
    NOISY_METHODS,
    FloatArray,
    Study,
    check_exponent,
    check_law,
    descend,
    fit,
    note_power,
)

DIM = 16  # of every quadratic: one program for each optimizer
CONDITION = 100.0
ILL = np.repeat([1 / CONDITION, 1.0], DIM // 2)
FAIR = np.repeat([0.1, 1.0], DIM // 2)
STIFF = np.repeat([0.5, 2.0], DIM // 2)
FLAT = np.geomspace(1e-6, 1.0, DIM)
RATES, SIGMAS = (0.01, 0.02, 0.05, 0.1), (0.5, 1.0, 2.0)
SURPLUS = 8.0  # momentum 1 - 8/T for the horizon T
ADAM_ERROR = 0.02  # relative, of Adam's floor: its denominator still moves a little


# ---- without noise


def tuned(condition: float) -> dict[str, tuple[report.LinearMethod, float, float]]:
    """Returns the optimal tunings for curvatures from 1/condition to 1: the method, its rate, and the factor of |x|."""
    found = {
        "GD": laws.gradient_descent_tuning(1 / condition, 1.0),
        "heavy ball": laws.heavy_ball_tuning(1 / condition, 1.0),
        "Nesterov": laws.nesterov_tuning(1 / condition, 1.0),
    }
    return {name: (report.LinearMethod.named(name, one.beta), one.lr, one.factor) for name, one in found.items()}


def ill_conditioned(study: Study, steps: int = 600) -> xr.Dataset:
    """Fits the ill-conditioned quadratic with the optimal tunings, and Adam."""
    methods = tuned(CONDITION)
    optimizers = {name: method.optimizer(lr) for name, (method, lr, _) in methods.items()} | {"Adam": en.Adam(0.01)}
    runs = descend(study, "quadratic", optimizers, en.Quadratic(tuple(ILL)), steps=steps)
    theorem = {name: f"factor {factor**2:.6f}" for name, (_, _, factor) in methods.items()}
    found = fit(study, "quadratic, condition 100", "optimal", runs, theorem | {"Adam": "none"})
    for name, (method, lr, factor) in methods.items():
        law = method.value_law(ILL, lr, steps)
        one = found.sel(optimizer=name)
        check_law(study, f"{name}, tuned", runs.sel(optimizer=name), law)
        seen, t = float(one["factor"]) ** 0.5, np.arange(int(one["since"]), int(one["until"]) + 1)
        # A double root makes f ~ t^2 factor^2t: over this window the exact law, not only its limit, can be compared.
        exact = float(np.exp(np.polyfit(t, np.log(law[0][t]), 1)[0] / 2))
        study.check(report.Check.asymptotic(f"factor of |x| in its window, {name}", seen, exact, 1e-3))
        study.check(report.Check.asymptotic(f"factor of |x| in the limit, {name}", seen, factor, 6e-3))
    return runs


def convex(study: Study, steps: int = 1_000) -> None:
    """Fits the quadratic with curvatures down to 1e-6, which in these steps is no more than convex."""
    optimizers = {name: method.optimizer(1.0) for name, method in METHODS.items()} | {"Adam": en.Adam(0.01)}
    runs = descend(study, "convex", optimizers, en.Quadratic(tuple(FLAT)), steps=steps)
    found = fit(study, "convex", "1/L", runs, {"": "exponent 1", "Adam": "none"})
    for name, method in METHODS.items():
        law = method.value_law(FLAT, 1.0, steps)
        check_law(study, f"{name}, convex", runs.sel(optimizer=name), law)
        check_exponent(study, f"{name}, convex", found.sel(optimizer=name), law[0], 0.02)


def convex_with_momentum(study: Study) -> None:
    """Fits the same with momentum chosen for the horizon; each configuration is read at its own."""
    horizons = np.array(study.size.horizons)
    betas = 1 - SURPLUS / horizons
    chosen = descend(
        study,
        "convex_momentum",
        {"Nesterov for T": en.Nesterov(1.0, beta=en.grid(betas.tolist()))},
        en.Quadratic(tuple(FLAT)),
        steps=int(horizons[-1]),
        record=en.Record(["value"], at=horizons.tolist()),
    ).isel(optimizer=0)
    at_end = np.array([chosen["value"].isel(beta=k).sel(step=t).to_numpy() for k, t in enumerate(horizons.tolist())])
    exact = []
    for beta, t, sample in zip(betas, horizons.tolist(), at_end, strict=True):
        mean, spread = (a[t] for a in report.LinearMethod(float(beta), ahead=True).value_law(FLAT, 1.0, t))
        exact.append(mean)
        study.check(report.Check.mean(f"E f at its horizon {t}, Nesterov for T", sample, mean, spread))
    slope, error = report.power(horizons, at_end)
    law = np.polyfit(np.log(horizons), np.log(exact), 1)[0]
    study.check(report.Check.exact("exponent, Nesterov for T", -slope, -law, error))
    note_power(study, "convex", "1/L", "Nesterov for T", horizons, (-slope, error), "exponent 2")


# ---- noise, and rates that fall


def inverse_time(lr: float) -> en.Schedule:
    """Returns the rate that falls like 1/t on the quadratic of condition 10."""
    return en.InverseTime(lr, 1 / 20)


def decaying_rates(study: Study) -> xr.Dataset:
    """Fits rates ~ 1/t on a strongly convex quadratic, whose runs it returns, and rates ~ 1/sqrt(t) on the flat one."""
    strong = decay_rate(study, "quadratic, condition 10", FAIR, inverse_time, 1.0, "1/t", "exponent 1")
    decay_rate(study, "convex", FLAT, en.InverseSqrt, 0.1, "1/sqrt(t)", "exponent 1/2")
    return strong


def decay_rate(
    study: Study,
    problem: str,
    h: FloatArray,
    schedule: Callable[[float], en.Schedule],
    sigma: float,
    rate: str,
    theorem: str,
) -> xr.Dataset:
    """Fits a quadratic under noise ``sigma`` and a schedule of the rate, of which methods of momentum take 1 - beta."""
    schedules = {name: schedule(1 - method.beta) for name, method in NOISY_METHODS.items()}
    optimizers = {name: NOISY_METHODS[name].optimizer(lr) for name, lr in schedules.items()}
    runs = descend(
        study,
        f"{problem.split(',')[0]}_falling",
        optimizers | {"Adam": en.Adam(schedule(0.3))},
        en.Quadratic(tuple(h)),
        noise=en.Gaussian(sigma),
    )
    found = fit(study, f"{problem}, noise {sigma:g}", rate, runs, {"": theorem, "Adam": "none"})
    for name, lr in schedules.items():
        law = NOISY_METHODS[name].value_law(h, lr, study.size.steps, sigma)
        what = f"{name}, {problem}, rate {rate}"
        check_law(study, what, runs.sel(optimizer=name), law)
        check_exponent(study, what, found.sel(optimizer=name), law[0], 0.02)
    return runs


# ---- noise at a constant rate


def adam_floor(h: FloatArray, lr: float, sigma: float) -> float:
    """Returns Adam's stationary E f where noise fills its denominator: that of averaged momentum, by iteration."""
    floor = 0.0
    for curvature in h:
        variance = 0.0
        for _ in range(50):
            rate = lr / np.sqrt(sigma**2 + curvature**2 * variance)
            variance = laws.averaged_momentum_variance(curvature, rate, sigma, 0.9)
        floor += curvature * variance / 2
    return floor


def sgd_floor(h: FloatArray, lr: float, sigma: float) -> float:
    """Returns SGD's stationary E f."""
    return sum(curvature * laws.sgd_variance(curvature, lr, sigma) / 2 for curvature in h)


def noise_floors(study: Study) -> xr.Dataset:
    """Compares where f ends with the laws, over constant rates and noises, and fits its powers of both."""
    lr, sigma = en.grid(RATES), en.grid(SIGMAS)
    runs = descend(
        study,
        "floors",
        {"SGD": en.GradientDescent(lr), "heavy ball": en.HeavyBall(lr, BETA), "Adam": en.Adam(lr)},
        en.Quadratic(tuple(STIFF)),
        start=en.Point(0.0),
        noise=en.Gaussian(sigma),
        record=en.Record(["value"], at=[study.size.steps]),
    ).isel(step=0)
    for name in ("SGD", "heavy ball", "Adam"):
        ends = runs["value"].sel(optimizer=name)
        for rate in RATES:
            for size in SIGMAS:
                study.check(check_of_floor(name, rate, size, ends.sel(lr=rate, sigma=size).to_numpy()))
        for dim, values, other in (("lr", RATES, {"sigma": 1.0}), ("sigma", SIGMAS, {"lr": 0.01})):
            fitted = report.power(np.array(values), ends.sel(**other).transpose(dim, "instance").to_numpy())
            theorem = "none" if name == "Adam" else f"{dim}^{1 if dim == 'lr' else 2}"
            note_power(study, "quadratic, floor", f"against {dim}", name, values, fitted, theorem)
    return runs


def check_of_floor(name: str, lr: float, sigma: float, sample: FloatArray) -> report.Check:
    """Compares one floor; only Adam's law is asymptotic: the others' coordinates are normal with a known variance."""
    what = f"floor of E f, {name}, rate {lr:g}, noise {sigma:g}"
    if name == "Adam":
        error = sample.std() / np.sqrt(sample.size)
        return report.Check.asymptotic(what, sample.mean(), adam_floor(STIFF, lr, sigma), ADAM_ERROR, error)
    variance = np.array([laws.heavy_ball_variance(h, lr, sigma, BETA * (name != "SGD")) for h in STIFF])
    spread = float(np.sqrt(((STIFF * variance) ** 2).sum() / 2))
    return report.Check.mean(what, sample, float(STIFF @ variance / 2), spread)
