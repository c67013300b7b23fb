"""How fast do gradient descent, momentum, Nesterov's method and Adam converge, with noise and without?

Question. With what factor per step, or what power of the step, does f - f* fall on a quadratic, on a function that is
Polyak-Lojasiewicz (PL) but not convex, on a convex and on a non-convex function; what does noise in the gradient leave of
these rates, at a constant rate of learning and at rates that fall like 1/t and 1/sqrt(t); and is any bound violated?

Expected. Gradient descent at 1/L: f_k - f* <= (1 - mu/L)^k (f_0 - f*) under PL (Karimi et al. 2016), <= L |x_0 - x*|^2/2k if
convex, min_{t<T} |g_t|^2 <= 2L (f_0 - f*)/T always: bounds that no instance may break. On a quadratic of condition number
k = 100 the optimal tunings contract |x| by (k-1)/(k+1) = .98019802 (gradient descent), (sqrt k - 1)/(sqrt k + 1) = .81818182
(heavy ball) and 1 - 2/sqrt(3k+1) = .88472 (Nesterov; Lessard, Recht and Packard 2016) per step; the roots of both momentum
methods are double there, so that a factor t comes with it. With curvatures from 1e-6 to 1 and equal starts
gradient descent has f ~ 1/t; momentum .9 changes the constant alone, and momentum 1 - 3/T chosen for the horizon T
makes it 1/T^2. On quadratics gradient descent, heavy ball and Nesterov's method are linear in x and in the noise: the
variance of each coordinate obeys a recursion in 2 x 2 matrices, and mean and spread of f are exact at every step, for every
schedule. With noise a constant rate ends on a floor, E f = sum_k lr sigma^2 / (2 (2 - lr h_k)) for SGD; a rate like 1/t
gives E f ~ 1/t if f is PL, one like 1/sqrt(t) gives 1/sqrt(t) if it is convex, and momentum changes neither exponent.
Non-convex: mean_{t<T} E |g_t|^2 <= 2 (f_0 - f*)/(lr T) + L lr d sigma^2 for lr <= 1/L (Ghadimi and Lan 2013), so that lr ~
1/sqrt(T) gives 1/sqrt(T). Adam of a constant rate has no theorem: where noise fills its denominator it should be
momentum at the rate lr/sigma, with a floor that grows with lr sigma and not with lr sigma^2.

Found. No bound is broken and every exact law holds, |z| <= 2.3 (seed 0, 20,000 instances each). Condition 100: f falls
by .9608, .6749 and .7885 per step, to 1e-3 what the exact law says of that window, t^2 and all, and |x| within .5 % of
the limits. Convex: exponents .998, 1.010 and 1.007; with momentum for the horizon 1.999 +- .005. With noise and a rate
~ 1/t: .985, .994 and .986 for SGD, heavy ball and Nesterov, still rising to 1 (the recursion says the same); PL .992 to
1.004; with 1/sqrt(t) .492, .486, .487. The floor of SGD grows like lr^1.026 (2 - lr h is the rest) and sigma^2.000,
Adam's like lr^.989 and sigma^1.002: four times the noise costs SGD sixteen times the loss and Adam four times. Adam
without noise needs more steps than gradient descent on the tuned quadratic and spreads over ten orders of magnitude.
The mean of |g|^2 over T steps falls like T^-.578 on Rastrigin's function, at a fourth to a third of its bound: the
start still weighs in. The bounds differ in what they are worth: of L |x_0|^2/2k the worst instance takes 14 %, of 2L
(f_0 - f*)/T about a half.

Run `python studies/convergence_rates.py`, or with `--quick`. Exit status 1: an exact law lies more than four standard errors
from the sample, or a bound is broken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import report
import xarray as xr
from numpy.typing import NDArray

import ensemble as en
from ensemble import plots, statistics
from ensemble.statistics import laws

FloatArray = NDArray[np.float64]
DIM = 16  # of every quadratic: one program for each optimizer
BETA = 0.9
CONDITION = 100.0
ILL = np.repeat([1 / CONDITION, 1.0], DIM // 2)
FAIR = np.repeat([0.1, 1.0], DIM // 2)
STIFF = np.repeat([0.5, 2.0], DIM // 2)
FLAT = np.geomspace(1e-6, 1.0, DIM)
PLACES = plots.palette(["GD", "SGD", "heavy ball", "Nesterov", "Adam", "Nesterov for T"])
RATES, SIGMAS = (0.01, 0.02, 0.05, 0.1), (0.5, 1.0, 2.0)
PL, PL_SMOOTH = en.PolyakLojasiewicz(dim=4), 8.0
WAVY, WAVY_SMOOTH = en.Rastrigin(dim=4), 2 + 40 * np.pi**2
GROUPS = 10  # of instances, each with its own noise: their spread is the error of an average over steps
SURPLUS = 8.0  # momentum 1 - 8/T for the horizon T
ADAM_ERROR = 0.02  # relative, of Adam's floor: its denominator still moves a little


@dataclass(frozen=True)
class Size(report.Size):
    """How much to run; ``steps`` is the horizon of the runs with noise."""

    horizons: tuple[int, ...]
    resamples: int


FULL = Size(20_000, 4_000, (32, 64, 128, 256, 512), 400)
QUICK = Size(2_000, 1_000, (32, 64, 128), 220)
QUICK_NUMPY = Size(300, 400, (16, 32, 64), 220)


# ---- methods and their tunings


SGD = report.LinearMethod()
METHODS = {"GD": SGD, "heavy ball": report.LinearMethod(BETA), "Nesterov": report.LinearMethod(BETA, ahead=True)}


def tuned(condition: float) -> dict[str, tuple[report.LinearMethod, float, float]]:
    """The optimal tunings for curvatures from 1/condition to 1: the method, its rate, and the factor of |x|."""
    found = {
        "GD": laws.gradient_descent_tuning(1 / condition, 1.0),
        "heavy ball": laws.heavy_ball_tuning(1 / condition, 1.0),
        "Nesterov": laws.nesterov_tuning(1 / condition, 1.0),
    }
    return {
        name: (report.LinearMethod(one.beta, ahead=name == "Nesterov"), one.lr, one.factor)
        for name, one in found.items()
    }


# ---- running and fitting


def descend(study: report.Study[Size], name: str, optimizers: Any, landscape: en.Landscape, **more: Any) -> xr.Dataset:
    """One case: the records of all its optimizers."""
    given: dict[str, Any] = {"start": en.NormalCloud(1.0), "noise": en.Gaussian(0.0), "steps": study.size.steps}
    given |= {"instances": study.size.instances}
    given |= {"record": en.Record(["value"], at=en.log_spaced(60))} | more
    result = en.compare(
        optimizers,
        landscape=landscape,
        seed=study.seed,
        backend=study.backend,
        dtype="float64",
        keep_x=False,
        **given,
    )
    return study.keep(name, result).dataset


def fit(
    study: report.Study[Size], problem: str, rate: str, runs: xr.Dataset, theorem: dict[str, str], **more: Any
) -> xr.Dataset:
    """The fitted rates of a case, as rows of the table."""
    found = statistics.convergence_rate(runs, resamples=study.size.resamples, **more)
    study.rows += report.rate_rows(found, {"problem": problem, "rate": rate}, theorem)
    return found


def note(
    study: report.Study[Size], problem: str, rate: str, name: str, x: Any, fitted: tuple[float, float], theorem: str
) -> None:
    """A row of the table for a power that was fitted across configurations."""
    fixed = {"problem": problem, "rate": rate, "optimizer": name, "n": study.size.instances}
    study.rows.append(report.power_row(np.asarray(x), *fitted, fixed, theorem))


def check_law(study: report.Study[Size], what: str, runs: xr.Dataset, law: tuple[FloatArray, FloatArray]) -> None:
    """The mean of f against the exact one, at three of the recorded steps."""
    steps = runs["step"].to_numpy()
    for t in steps[np.linspace(0, steps.size - 1, 4).astype(int)[1:]].tolist():
        study.check(report.Check.mean(f"E f at step {t}, {what}", runs["value"].sel(step=t), law[0][t], law[1][t]))


def check_exponent(study: report.Study[Size], what: str, fitted: Any, law: FloatArray, allowed: float) -> None:
    """The fitted exponent against that of the exact mean over the same window."""
    t = np.unique(np.geomspace(int(fitted["since"]), int(fitted["until"]), 40).astype(int))
    exact = -np.polyfit(np.log(t), np.log(law[t]), 1)[0]
    error = float(fitted["exponent_upper"] - fitted["exponent_lower"]) / 4
    study.check(report.Check.asymptotic(f"exponent, {what}", float(fitted["exponent"]), exact, allowed, error))


# ---- the cases


def without_noise(study: report.Study[Size]) -> xr.Dataset:
    """The ill-conditioned quadratic with the optimal tunings, and Adam."""
    steps = 600
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
        # A double root makes f ~ t^2 factor^2t: over this window the exact law, and not only its limit, can be compared.
        exact = float(np.exp(np.polyfit(t, np.log(law[0][t]), 1)[0] / 2))
        study.check(report.Check.asymptotic(f"factor of |x| in its window, {name}", seen, exact, 1e-3))
        study.check(report.Check.asymptotic(f"factor of |x| in the limit, {name}", seen, factor, 6e-3))
    return runs


def convex(study: report.Study[Size]) -> xr.Dataset:
    """The quadratic with curvatures down to 1e-6: in these steps no more than convex."""
    steps, landscape = 1_000, en.Quadratic(tuple(FLAT))
    runs = descend(
        study,
        "convex",
        {name: method.optimizer(1.0) for name, method in METHODS.items()} | {"Adam": en.Adam(0.01)},
        landscape,
        steps=steps,
    )
    theorem = {"GD": "exponent 1", "heavy ball": "exponent 1", "Nesterov": "exponent 1", "Adam": "none"}
    found = fit(study, "convex", "1/L", runs, theorem)
    for name, method in METHODS.items():
        law = method.value_law(FLAT, 1.0, steps)
        check_law(study, f"{name}, convex", runs.sel(optimizer=name), law)
        check_exponent(study, f"{name}, convex", found.sel(optimizer=name), law[0], 0.02)
    # Momentum chosen for the horizon: each configuration is read at its own.
    horizons = np.array(study.size.horizons)
    betas = 1 - SURPLUS / horizons
    chosen = descend(
        study,
        "convex_momentum",
        {"Nesterov for T": en.Nesterov(1.0, beta=en.grid(betas.tolist()))},
        landscape,
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
    note(study, "convex", "1/L", "Nesterov for T", horizons, (-slope, error), "exponent 2")
    return runs


def falling_rates(study: report.Study[Size]) -> xr.Dataset:
    """Noise, with rates that fall like 1/t on a strongly convex quadratic and like 1/sqrt(t) on the flat one."""
    steps = study.size.steps
    cases = {
        "quadratic, condition 10": (FAIR, lambda gain: en.InverseTime(gain, 1 / 20), 1.0, "1/t", "exponent 1"),
        "convex": (FLAT, en.InverseSqrt, 0.1, "1/sqrt(t)", "exponent 1/2"),
    }
    first = None
    for problem, (h, schedule, sigma, rate, theorem) in cases.items():
        rates = {name: schedule(1 - method.beta) for name, method in METHODS.items()}
        runs = descend(
            study,
            f"{problem.split(',')[0]}_falling",
            {("SGD" if name == "GD" else name): METHODS[name].optimizer(lr) for name, lr in rates.items()}
            | {"Adam": en.Adam(schedule(0.3))},
            en.Quadratic(tuple(h)),
            noise=en.Gaussian(sigma),
        )
        found = fit(study, f"{problem}, noise {sigma:g}", rate, runs, {"": theorem, "Adam": "none"})
        for name, lr in rates.items():
            said, what = "SGD" if name == "GD" else name, f"{problem}, rate {rate}"
            law = METHODS[name].value_law(h, lr, steps, sigma)
            check_law(study, f"{said}, {what}", runs.sel(optimizer=said), law)
            check_exponent(study, f"{said}, {what}", found.sel(optimizer=said), law[0], 0.02)
        first = runs if first is None else first
    assert first is not None
    return first


def adam_floor(h: FloatArray, lr: float, sigma: float) -> float:
    """Adam's stationary E f where noise fills its denominator: averaged momentum at the rate lr/sqrt(sigma^2 + E g^2)."""
    floor = 0.0
    for curvature in h:
        variance = 0.0
        for _ in range(50):
            rate = lr / np.sqrt(sigma**2 + curvature**2 * variance)
            variance = laws.averaged_momentum_variance(curvature, rate, sigma, 0.9)
        floor += curvature * variance / 2
    return floor


def floors(study: report.Study[Size]) -> xr.Dataset:
    """Noise at constant rates: where f ends, over rates and noises."""
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
        for rate in RATES:
            for size in SIGMAS:
                sample = runs["value"].sel(optimizer=name, lr=rate, sigma=size).to_numpy()
                what = f"floor of E f, {name}, rate {rate:g}, noise {size:g}"
                if name == "Adam":
                    law, error = adam_floor(STIFF, rate, size), sample.std() / np.sqrt(sample.size)
                    study.check(report.Check.asymptotic(what, sample.mean(), law, ADAM_ERROR, error))
                    continue
                variance = np.array([laws.heavy_ball_variance(h, rate, size, BETA * (name != "SGD")) for h in STIFF])
                spread = float(np.sqrt(((STIFF * variance) ** 2).sum() / 2))
                study.check(report.Check.mean(what, sample, float(STIFF @ variance / 2), spread))
        for dim, values, other in (("lr", RATES, {"sigma": 1.0}), ("sigma", SIGMAS, {"lr": 0.01})):
            samples = runs["value"].sel(optimizer=name, **other).transpose(dim, "instance").to_numpy()
            slope, error = report.power(np.array(values), samples)
            theorem = "none" if name == "Adam" else f"{dim}^{1 if dim == 'lr' else 2}"
            note(study, "quadratic, floor", f"against {dim}", name, values, (slope, error), theorem)
    return runs


def pl(study: report.Study[Size]) -> None:
    """The PL function: without noise at a quarter of 1/L, with noise and rates that fall like 1/t."""
    steps, lr, start = 300, 0.25 / PL_SMOOTH, en.UniformBox(-10.0, 10.0)
    optimizers = {name: method.optimizer(lr) for name, method in METHODS.items()} | {"Adam": en.Adam(0.05)}
    runs = descend(study, "pl", optimizers, PL, steps=steps, start=start)
    most = 1 - lr * PL.pl_constant * (2 - PL_SMOOTH * lr)
    found = fit(study, "PL", "1/4L", runs, {"GD": f"factor at most {most:.5f}", "": "none"}, since=steps // 3)
    near = float((1 - lr * PL_SMOOTH) ** 2)
    study.check(report.Check.asymptotic("factor of f, GD, PL", float(found.sel(optimizer="GD")["factor"]), near, 1e-3))
    study.check(report.Check.at_most("factor of f, GD, PL", float(found.sel(optimizer="GD")["factor"]), most))
    for name in ("heavy ball", "Nesterov"):  # complex roots: |root|^2 is their product
        near = BETA * (1 - lr * PL_SMOOTH * METHODS[name].ahead)
        seen = float(found.sel(optimizer=name)["factor"])
        study.check(report.Check.asymptotic(f"factor of f, {name}, PL", seen, near, 0.01))

    rates = {name: en.InverseTime((1 - method.beta) / PL_SMOOTH, 0.1) for name, method in METHODS.items()}
    optimizers = {("SGD" if name == "GD" else name): METHODS[name].optimizer(lr) for name, lr in rates.items()}
    optimizers["Adam"] = en.Adam(en.InverseTime(0.3, 0.1))
    runs = descend(study, "pl_falling", optimizers, PL, start=start, noise=en.Gaussian(1.0))
    fit(study, "PL, noise 1", "1/t", runs, {"": "exponent 1", "Adam": "none"})
    for name, rate in rates.items():
        said, last = "SGD" if name == "GD" else name, study.size.steps
        law = METHODS[name].value_law(np.full(4, 8.0), rate, last, 1.0, 0.0)[0][-1]
        sample = runs["value"].sel(optimizer=said, step=last).to_numpy()
        error = sample.std() / np.sqrt(sample.size)
        study.check(report.Check.asymptotic(f"E f at step {last}, {said}, PL", sample.mean(), law, 0.01, error))


def non_convex(study: report.Study[Size]) -> None:
    """Rastrigin's function: gradients without noise, and their mean square over T steps with noise and rates ~ 1/sqrt(T)."""
    start = en.UniformBox(-5.12, 5.12)
    optimizers = {name: method.optimizer(0.25 / WAVY_SMOOTH) for name, method in METHODS.items()}
    record = en.Record(["gradient_norm"], at=en.log_spaced(60))
    runs = descend(
        study, "non_convex", optimizers | {"Adam": en.Adam(0.01)}, WAVY, steps=200, start=start, record=record
    )
    theorem = {"GD": "min |g|^2 <= 2L (f_0 - f*)/T", "": "none"}
    fit(study, "non-convex (|g|)", "1/4L", runs, theorem, quantity="gradient_norm", since=40)

    horizons, sigma = np.array(study.size.horizons), 8.0
    rates = np.sqrt(horizons[0] / horizons) / WAVY_SMOOTH
    noisy = descend(
        study,
        "non_convex_noise",
        {"SGD": en.GradientDescent(en.grid(np.repeat(rates, GROUPS).tolist()))},
        WAVY,
        steps=int(horizons[-1]),
        start=start,
        noise=en.Gaussian(sigma),
        record=en.Record(["value", "gradient_norm"], at=range(horizons[-1]), summary=True, quantiles=(0.5,)),
        instances=max(study.size.instances // GROUPS, 2),
        paired=False,
    ).isel(optimizer=0)
    square = noisy["gradient_norm_variance"] * (1 - 1 / noisy["gradient_norm_n"]) + noisy["gradient_norm_mean"] ** 2
    squares = square.to_numpy().reshape(horizons.size, GROUPS, -1)
    above = noisy["value_mean"].to_numpy().reshape(horizons.size, GROUPS, -1)[:, :, 0].mean(axis=1)
    means = np.array([one[:, :t].mean(axis=1) for one, t in zip(squares, horizons.tolist(), strict=True)])
    for t, lr, seen, gap in zip(horizons.tolist(), rates, means, above, strict=True):
        bound = 2 * gap / (lr * t) + WAVY_SMOOTH * lr * 4 * sigma**2
        error = float(seen.std(ddof=1) / np.sqrt(GROUPS))
        study.check(report.Check.at_most(f"mean |g|^2 over {t} steps, SGD, non-convex", seen.mean(), bound, error))
    slope, error = report.power(horizons, means)
    problem = "non-convex (mean |g|^2), noise 8"
    note(study, problem, "1/sqrt(T)", "SGD", horizons, (-slope, error), "exponent 1/2")


def bounds(study: report.Study[Size]) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Gradient descent at 1/L everywhere: for every bound the largest share of it that any instance takes, by step."""
    places: dict[str, tuple[en.Landscape, en.Start, float]] = {
        "quadratic": (en.Quadratic(tuple(ILL)), en.NormalCloud(1.0), 1.0),
        "convex": (en.Quadratic(tuple(FLAT)), en.NormalCloud(1.0), 1.0),
        "PL": (PL, en.UniformBox(-10.0, 10.0), PL_SMOOTH),
        "non-convex": (WAVY, en.UniformBox(-5.12, 5.12), WAVY_SMOOTH),
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


# ---- pictures, words and the command


def draw(
    study: report.Study[Size],
    quiet: xr.Dataset,
    falling: xr.Dataset,
    ends: xr.Dataset,
    shares: dict[str, tuple[FloatArray, FloatArray]],
) -> None:
    """The figures."""

    def each(runs: xr.Dataset) -> dict[str, xr.Dataset]:
        return {name: runs.sel(optimizer=name).drop_vars("optimizer") for name in runs["optimizer"].to_numpy().tolist()}

    steps = np.arange(601)
    lines = {name: (steps, m.value_law(ILL, lr, 600)[0]) for name, (m, lr, _) in tuned(CONDITION).items()}
    figure = plots.fan(
        each(quiet), "value", laws=lines, log=(False, True), limits=(1e-30, 100), places=PLACES, y_label="f - f*"
    )
    study.draw("linear", figure, "A quadratic of condition 100 with the optimal tunings; dotted: the exact mean of f.")
    t, h = np.arange(1, study.size.steps + 1), FAIR
    lines = {
        said: (t, METHODS[name].value_law(h, en.InverseTime(1 - METHODS[name].beta, 1 / 20), t[-1], 1.0)[0][1:])
        for said, name in (("SGD", "GD"), ("heavy ball", "heavy ball"), ("Nesterov", "Nesterov"))
    }
    figure = plots.fan(each(falling), "value", laws=lines, places=PLACES, y_label="f - f*")
    study.draw(
        "falling", figure, "Noise 1 and rates that fall like 1/t, condition 10; dotted: the exact mean of f, slope -1."
    )
    curves, dotted = {}, {}
    for name in ("SGD", "Adam"):
        for sigma in (SIGMAS[0], SIGMAS[-1]):
            sample = ends["value"].sel(optimizer=name, sigma=sigma).transpose("lr", "instance").to_numpy()
            mean, half = sample.mean(axis=1), 1.96 * sample.std(axis=1) / np.sqrt(sample.shape[1])
            curves[f"{name}, σ = {sigma:g}"] = (np.array(RATES), mean, mean - half, mean + half)
            law = (
                [adam_floor(STIFF, lr, sigma) for lr in RATES]
                if name == "Adam"
                else [sum(h * laws.sgd_variance(h, lr, sigma) / 2 for h in STIFF) for lr in RATES]
            )
            dotted[f"{name}, σ = {sigma:g}"] = (RATES, law)
    figure = plots.curves(
        curves,
        laws=dotted,
        log=(True, True),
        x_label="rate",
        y_label="floor of E f",
        note=f"n = {study.size.instances:,}; bars 95 %",
    )
    study.draw(
        "floors",
        figure,
        "Where f ends at a constant rate: 16 times as high for SGD where noise is four times as large, four times for Adam.",
    )
    figure = plots.curves(
        shares,
        laws={"the bound": ((1.0, 500.0), (1.0, 1.0))},
        log=(True, True),
        limits=(1e-4, 3.0),
        x_label="step t",
        y_label="largest share of the bound",
        note=f"worst of {study.size.instances:,} instances",
    )
    study.draw("bounds", figure, "Gradient descent at 1/L: how much of each bound the worst instance takes.")


def findings(study: report.Study[Size]) -> None:
    """What the table says, in sentences."""
    rows = {(row["problem"], row["rate"], row["optimizer"]): row for row in study.rows}

    def said(column: str, problem: str, rate: str, names: tuple[str, ...]) -> str:
        return "; ".join(f"{name} {report.interval(rows[problem, rate, name], column)}" for name in names)

    three, noisy = tuple(METHODS), ("SGD", "heavy ball", "Nesterov")
    study.find(f"Condition 100, factor of f per step: {said('factor', 'quadratic, condition 100', 'optimal', three)}.")
    study.find(f"Convex, exponent: {said('exponent', 'convex', '1/L', (*three, 'Nesterov for T'))}.")
    study.find(
        f"Noise and a rate ~ 1/t, exponent: {said('exponent', 'quadratic, condition 10, noise 1', '1/t', noisy)}; "
        f"PL: {said('exponent', 'PL, noise 1', '1/t', noisy)}. A rate ~ 1/sqrt(t) on the convex function: "
        f"{said('exponent', 'convex, noise 0.1', '1/sqrt(t)', noisy)}. Momentum improves none of them."
    )
    study.find(
        f"The floor of a constant rate: power of the rate {said('exponent', 'quadratic, floor', 'against lr', ('SGD', 'Adam'))}, "
        f"of the noise {said('exponent', 'quadratic, floor', 'against sigma', ('SGD', 'Adam'))}."
    )
    study.find(
        f"Non-convex: {said('exponent', 'non-convex (mean |g|^2), noise 8', '1/sqrt(T)', ('SGD',))} for the mean of |g|^2 "
        "over T steps at a rate ~ 1/sqrt(T)."
    )


def run(study: report.Study[Size]) -> None:
    """Rates of convergence, with and without noise: fits beside theorems, exact laws and bounds."""
    quiet = without_noise(study)
    convex(study)
    falling = falling_rates(study)
    ends = floors(study)
    pl(study)
    non_convex(study)
    draw(study, quiet, falling, ends, bounds(study))
    study.tables["Fitted rates"] = report.rate_table(study.rows, ["problem", "rate", "optimizer"])
    findings(study)


app = report.command(run, FULL, QUICK, QUICK_NUMPY)

if __name__ == "__main__":
    app()
