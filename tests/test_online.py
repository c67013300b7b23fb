"""Regret against Reddi, Kale and Kumar's counterexample and plain sums; noise against the gradient where both are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from simulated_runs import covers, curves, runs

import ensemble as en
from ensemble.statistics import noise_to_signal, regret

LINEAR = en.OnlineLinear(dim=1, period=3, C=3.0)


def learned(optimizer, steps=300, landscape=LINEAR):
    return en.simulate(
        landscape=landscape, optimizer=optimizer, start=en.Point(1.0), record=en.Record("x", at=list(range(steps))),
        instances=3, steps=steps, dtype="float64", backend="numpy", progress=False,
    )  # fmt: skip


def test_regret_is_the_plain_sum_over_rounds():
    run = learned(en.GradientDescent(lr=en.InverseSqrt(0.5)), 20)
    found = regret(run, LINEAR)
    x, total, slope = run.dataset["path"].values[0, :, 0], 0.0, 0.0
    for t in range(1, 21):
        c = 3.0 if t % 3 == 1 else -1.0
        total, slope = total + c * x[t - 1], slope + c
        assert found.regret[0].sel(round=t).item() == pytest.approx(total + abs(slope))
    assert regret(run, LINEAR, best=-1.0).regret[0, -1].item() == pytest.approx(total + slope)
    np.testing.assert_allclose(found.average_regret, found.regret / found["round"])


def test_adam_has_the_regret_of_the_worst_point_and_amsgrad_none_in_the_long_run():
    """A round of three costs 3 - 1 - 1 = 1 at +1 where it could cost -1: two thirds lost per step, for ever."""
    settings = {"beta1": 0.0, "beta2": 0.1, "eps": 0.0}
    adam = en.RMSProp(lr=en.InverseSqrt(0.5), rho=0.1, eps=0.0)  # is Adam with beta1 = 0 and no bias correction
    stuck = regret(learned(adam), LINEAR)
    assert stuck["mean"][-1].item() == pytest.approx(2 / 3, abs=0.04)
    amsgrad = en.AMSGrad(lr=en.InverseSqrt(0.5), bias_correction=False, **settings)
    better = regret(learned(amsgrad, 900), LINEAR)
    assert better["mean"].sel(round=900) < 0.1 < 0.5 < better["mean"].sel(round=30)
    assert stuck.mean_lower[-1] == stuck.mean_upper[-1] == stuck["mean"][-1]  # one start, no noise


def test_points_of_any_losses_can_be_compared_with_one():
    f = en.Quadratic([2.0])
    found = regret(learned(en.GradientDescent(lr=0.1), 40, f), f, best=0.0)
    assert found.regret[0, -1].item() == pytest.approx(sum(0.8 ** (2 * t) for t in range(40)))


def test_losses_drawn_at_random_are_looked_at_in_the_mean():
    f = en.StochasticLinear(dim=2, C=1010.0, small=10.0, probability=0.01)
    run = learned(en.GradientDescent(lr=1e-4), 30, f)
    slope = 0.01 * 1010 - 0.99 * 10
    x = run.dataset["path"].values.sum(axis=2)
    np.testing.assert_allclose(regret(run, f).regret[:, -1], slope * (x.sum(axis=1) + 2 * 30), rtol=1e-9)


def walked(noise, landscape, at=(0, 1, 5)):
    return en.simulate(
        landscape=landscape, optimizer=en.GradientDescent(lr=0.01), noise=noise, start=en.NormalCloud(scale=1.0),
        record=en.Record("x", at=list(at)), instances=40, steps=5, dtype="float64", backend="numpy", progress=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("noise", "power"),
    [
        (en.Gaussian(sigma=0.5), lambda g: 0.25 * 3),
        (en.Rademacher(sigma=0.5), lambda g: 0.25 * 3),
        (en.Multiplicative(sigma=0.3), lambda g: 0.09 * (g**2).sum(axis=-1)),
        (en.HessianAligned(batch=4.0), lambda g: (1.0 + 2.0 + 5.0) / 4),
        (en.AlphaStable(alpha=2.0, scale=0.5), lambda g: 2 * 0.25 * 3),
        (en.NoNoise(), lambda g: 0.0),
        (en.Gaussian(en.Cosine(0.5, 10_000)) + en.Rademacher(0.5), lambda g: 0.5 * 3),
    ],
)
def test_the_ratio_is_the_noises_variance_over_the_squared_gradient(noise, power):
    f = en.Quadratic([1.0, 2.0, 5.0])
    run = walked(noise, f)
    found = noise_to_signal(run, f, noise, draws=150)
    g = run.dataset["path"].values * np.array([1.0, 2.0, 5.0])
    expected = power(g) / (g**2).sum(axis=-1)
    np.testing.assert_allclose(found.ratio, expected, rtol=0.6)
    if expected.any():
        excess = (found.ratio / expected).values - 1
        assert abs(excess.mean()) < 5 * max(excess.std(), 1e-12) / math.sqrt(excess.size) + 1e-12
    assert (found.median_lower <= found["median"]).all()


# ---- grids: each configuration with its own landscape and noise


CLOUD = en.NormalCloud(scale=1.0)


def swept(landscape, noise, optimizer, steps=6, start=CLOUD):
    return en.simulate(
        landscape=landscape, optimizer=optimizer, noise=noise, start=start, record=en.Record("x", at=list(range(steps))),
        instances=7, steps=steps, backend="numpy", progress=False,
    )  # fmt: skip


def is_each_alone(whole, alone, **place):
    """Whether a configuration's part of a dataset is, to the bit, what it is by itself."""
    here = whole.isel(place).drop_vars([c for c in whole.coords if c not in alone.coords])
    xr.testing.assert_identical(here.drop_attrs(), alone.drop_attrs())


def test_each_configuration_has_its_own_landscape_and_noise_to_the_bit():
    curvatures, sigmas, rates = ((1.0, 2.0), (3.0, 0.5)), (0.2, 0.4), (0.01, 0.1)
    f, noise = en.Quadratic(en.grid(*curvatures)), en.Gaussian(sigma=en.grid(*sigmas))
    found = noise_to_signal(swept(f, noise, en.GradientDescent(lr=en.grid(*rates))), f, noise)
    assert found.ratio.dims == ("curvature", "sigma", "lr", "instance", "step")
    for i, curvature in enumerate(curvatures):
        for j, sigma in enumerate(sigmas):
            for k, rate in enumerate(rates):
                own = en.Quadratic(curvature), en.Gaussian(sigma=sigma)
                alone = noise_to_signal(swept(*own, en.GradientDescent(lr=rate)), *own)
                is_each_alone(found, alone, curvature=i, sigma=j, lr=k)


def test_the_ratio_grows_with_the_square_of_the_noise():
    f, noise = en.Quadratic([1.0, 2.0]), en.Gaussian(sigma=en.grid(0.125, 0.25, 0.5))
    run = swept(f, noise, en.GradientDescent(lr=0.1))
    start = noise_to_signal(run, f, noise).ratio.sel(step=0)  # the same points and draws
    np.testing.assert_allclose(start.sel(sigma=0.5), 16 * start.sel(sigma=0.125), rtol=1e-12)
    np.testing.assert_allclose(start.sel(sigma=0.25), 4 * start.sel(sigma=0.125), rtol=1e-12)


def test_regret_of_a_grid_is_that_of_each_configuration_to_the_bit():
    slopes, rates = (2.0, 3.0, 5.0), (0.05, 0.5)
    losses = en.OnlineLinear(dim=1, period=3, C=en.grid(*slopes))
    found = regret(swept(losses, en.Gaussian(0.1), en.Adam(lr=en.grid(*rates)), 30), losses)
    assert found.regret.dims == ("C", "lr", "instance", "round")
    for i, slope in enumerate(slopes):
        for k, rate in enumerate(rates):
            own = en.OnlineLinear(dim=1, period=3, C=slope)
            is_each_alone(found, regret(swept(own, en.Gaussian(0.1), en.Adam(lr=rate), 30), own), C=i, lr=k)


def test_configurations_are_found_in_zipped_compared_and_selected_runs():
    f, sweep = en.Quadratic([1.0, 2.0]), en.zipped(lr=(0.01, 0.1), sigma=(0.2, 0.4))
    noise = en.Gaussian(sigma=sweep.sigma)
    run = swept(f, noise, en.GradientDescent(lr=sweep.lr))
    found = noise_to_signal(run, f, noise)
    for j, (rate, sigma) in enumerate(((0.01, 0.2), (0.1, 0.4))):
        alone = noise_to_signal(swept(f, en.Gaussian(sigma), en.GradientDescent(lr=rate)), f, en.Gaussian(sigma))
        is_each_alone(found, alone, lr_sigma=j)
        is_each_alone(noise_to_signal(run.dataset.isel(lr_sigma=[j]), f, noise), alone, lr_sigma=0)
        np.testing.assert_array_equal(
            noise_to_signal(run.dataset.isel(lr_sigma=j), f, en.Gaussian(sigma)).ratio, alone.ratio
        )
    sigmas, rules = en.grid(0.2, 0.4), {"GD": en.GradientDescent(lr=en.grid(0.01, 0.1)), "Adam": en.Adam(lr=0.01)}
    both = en.compare(
        rules, landscape=f, noise=en.Gaussian(sigmas), start=en.NormalCloud(scale=1.0), instances=7, steps=6,
        record=en.Record("x", at=list(range(6))), backend="numpy", progress=False,
    )  # fmt: skip
    found = noise_to_signal(both, f, en.Gaussian(sigmas))
    for number in range(6):
        sigma, lr = found.sigma[number].item(), found.lr[number].item()
        rule = en.Adam(lr=lr) if found.optimizer[number] == "Adam" else en.GradientDescent(lr=lr)
        alone = noise_to_signal(swept(f, en.Gaussian(sigma), rule), f, en.Gaussian(sigma))
        np.testing.assert_array_equal(found.ratio[number], alone.ratio)


def test_fields_of_one_name_are_told_apart_by_their_part():
    f, noise = en.Quadratic([1.0]), en.AlphaStable(alpha=2.0, scale=en.grid(0.5, 2.0))
    run = swept(f, noise, en.GradientDescent(lr=0.1), start=en.NormalCloud(scale=en.grid(2.0, 0.5)))
    start = noise_to_signal(run, f, noise).ratio.sel(step=0)
    assert start.dims == ("noise_scale", "start_scale", "instance")
    np.testing.assert_allclose(start.sel(noise_scale=2.0), 16 * start.sel(noise_scale=0.5), rtol=1e-12)


GRID = en.Gaussian(sigma=en.grid(0.1, 0.2))
SWEPT = swept(en.Quadratic([1.0]), GRID, en.GradientDescent(lr=0.1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: noise_to_signal(SWEPT, en.Quadratic([1.0]), en.Gaussian(0.1)),
            "swept its sigma over 0.1, 0.2; give it",
        ),
        (lambda: noise_to_signal(SWEPT, en.Quadratic([1.0]), en.NoNoise()), "swept its sigma over 0.1, 0.2; give it"),
        (
            lambda: noise_to_signal(SWEPT, en.Quadratic([1.0]), en.Gaussian(en.grid(0.1, 0.3))),
            r"noise=Gaussian\(sigma=grid\(0.1, 0.3\)\); the runs had sigma=0.2 as well; give it with their grid",
        ),
        (
            lambda: noise_to_signal(SWEPT, en.Quadratic(en.grid(1.0, 2.0), dim=1), GRID),
            r"the runs did not sweep its curvature \(they have: sigma\); give the value they had",
        ),
        (lambda: regret(SWEPT, en.Quadratic(en.grid(1.0, 2.0), dim=1), 0.0), "did not sweep its curvature"),
    ],
)
def test_grids_that_are_not_those_of_the_runs_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


GOOD = walked(en.NoNoise(), en.Quadratic([1.0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: regret(GOOD, LINEAR), r"x at every step from 0 on; record it with Record\('x', at=range"),
        (lambda: regret(curves(np.ones((4, 3)), [0, 1, 2]), LINEAR), "quantity='path' was not recorded"),
        (lambda: regret(learned(en.GradientDescent(0.1), 5), en.Quadratic([1.0])), "are not linear; give best="),
        (lambda: regret(learned(en.GradientDescent(0.1), 5), en.Quadratic([1.0, 1.0]), 0.0), "have 1 coordinates"),
        (lambda: regret(learned(en.GradientDescent(0.1), 5), LINEAR, best=[1.0, 2.0]), "best=.*give one finite number"),
        (lambda: noise_to_signal(GOOD, en.Quadratic([1.0]), en.AlphaStable(alpha=1.5)), "no finite variance"),
        (lambda: noise_to_signal(GOOD, en.Quadratic([1.0]), en.NoNoise(), draws=1), "draws=1; give"),
        (lambda: noise_to_signal(GOOD, en.Quadratic([1.0, 1.0]), en.NoNoise()), "give the runs' landscape"),
    ],
)
def test_what_the_sample_cannot_bear_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---- coverage


def recorded(x, steps):
    """Return 2,000 data sets of runs that were at x (2000, instances, steps, dim)."""
    dims = ("trial", "instance")
    data = runs(np.full(x.shape[:2], 999), 100, dims=dims)
    return data.assign(path=((*dims, "step", "coordinate"), x)).assign_coords(step=steps)


LOSSES = {  # landscape, the point to compare with, draws of x (sets, n, rounds, 1), mean regret per round
    "even": (en.OnlineLinear(dim=1, period=3, C=3.0), 0.0, lambda rng, size: rng.uniform(-1, 1, size), 0.0),
    "squares": (en.Quadratic([2.0]), 0.0, lambda rng, size: rng.normal(size=size), 1.0),
    "exponential": (en.Quadratic([2.0]), 0.0, lambda rng, size: np.sqrt(rng.exponential(size=size)), 1.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n", [10, 20, 200])
def test_intervals_of_mean_regret_cover_ninety_five_percent(loss, n):
    landscape, best, draw, truth = LOSSES[loss]
    x = draw(np.random.default_rng(8), (2000, n, 4, 1))
    found = regret(recorded(x, np.arange(4)), landscape, best)
    slack = 0.01 if n == 10 else 0.0  # ten say little of their skewness
    for rounds in (1, 4):
        assert 0.93 - slack <= covers(found.sel(round=rounds), "mean", truth) <= 0.97 + slack


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 200])
@pytest.mark.parametrize("dim", [1, 5])
def test_intervals_of_the_median_ratio_cover_ninety_five_percent(n, dim):
    """Noise of +-sigma has |noise|^2 = dim sigma^2 always, at standard normal x the ratio dim sigma^2/chi-square(dim)."""
    x = np.random.default_rng(9).normal(size=(2000, n, 1, dim))
    found = noise_to_signal(recorded(x, [0]), en.Quadratic([1.0] * dim), en.Rademacher(sigma=0.5), draws=2)
    truth = dim * 0.25 / stats.chi2.median(dim)
    assert 0.93 <= covers(found.isel(step=0), "median", truth) <= 0.97
