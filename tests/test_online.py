"""Regret against Reddi, Kale and Kumar's counterexample and plain sums; noise against the gradient where both are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from simulated_runs import curves

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
