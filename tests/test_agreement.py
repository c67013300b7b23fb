"""Samples that follow a law, and samples that do not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from simulated_runs import geometric, runs

import ensemble as en
from ensemble.statistics import against_law, laws


def geometric_law(p, steps):
    tail = (1.0 - p) ** np.arange(steps + 1)
    return laws.TimeLaw(tail, 1 / p, np.sqrt(1 - p) / p, int(np.argmax(tail <= 0.5)))


def test_the_scores_of_a_sample_are_those_of_scipy():
    time = geometric(0.1, 500, seed=1)
    found = against_law(runs(time, 1000), geometric_law(0.1, 1000))
    assert found.z_mean.item() == pytest.approx((time.mean() - 10) / (np.sqrt(90) / np.sqrt(500)))
    assert found.z_restricted_mean.item() == pytest.approx(found.z_mean.item(), rel=1e-6)
    t = stats.geom(0.1).median()
    share = (time > t).mean()
    assert found.z_median.item() == pytest.approx((share - 0.9**t) / np.sqrt(0.9**t * (1 - 0.9**t) / 500))
    oracle = stats.kstest(time, stats.geom(0.1).cdf)
    # SciPy looks at both sides of each jump, as if the law had none: on whole steps that is too far.
    assert found.distance <= oracle.statistic
    steps = np.arange(200)
    by_hand = np.abs((time[:, None] <= steps).mean(axis=0) - stats.geom(0.1).cdf(steps)).max()
    assert found.distance.item() == pytest.approx(by_hand)
    assert found.pvalue_bound.item() == pytest.approx(min(1, 2 * np.exp(-1000 * by_hand**2)))


@pytest.mark.parametrize("n", [10, 1000, 100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("horizon", [5, 30, 5000])
def test_a_sample_of_the_law_agrees_with_it_censored_or_not(n, horizon):
    found = against_law(runs(geometric(0.02, n, seed=n), horizon), geometric_law(0.02, 6000))
    for name in ("z_restricted_mean", "z_median"):
        assert abs(found[name].item()) < 4
    assert found.pvalue_bound > 1e-4
    assert np.isnan(found.z_mean) == (found.escaped < n)
    assert found["until"] == horizon


def test_another_law_is_told_apart_at_every_score():
    found = against_law(runs(geometric(0.022, 20_000), 500), geometric_law(0.02, 200))
    assert found["until"] == 200  # where the law's curve ends
    assert found.z_restricted_mean < -8
    assert found.z_median < -8
    assert found.pvalue_bound < 1e-6


def test_nobody_or_everybody_escaping_is_compared_too():
    none = against_law(runs([900] * 50, 10), geometric_law(0.001, 2000))
    assert abs(none.z_median) < 1
    assert none.escaped == 0
    sure = laws.TimeLaw(np.array([1.0, 1.0, 0.0]), 2.0, 0.0, 2)
    every = against_law(runs([2] * 50, 10), sure)
    assert every.distance == every.z_median == 0
    assert np.isnan(every.z_mean)  # a law without spread has no standard errors
    assert against_law(runs([3] * 50, 10), sure).pvalue_bound < 1e-6


def test_those_that_diverge_never_escape():
    data = runs(np.r_[geometric(0.1, 500), np.full(500, 999)], 50, diverged_step=np.where(np.arange(1000) < 500, -1, 3))
    assert against_law(data, geometric_law(0.1, 50)).z_median > 10


def test_the_law_may_depend_on_the_configuration():
    run = en.simulate(
        landscape=en.Quadratic([-1.0]),
        optimizer=en.GradientDescent(lr=en.grid(0.05, 0.1)),
        noise=en.Gaussian(sigma=en.grid(0.5, 1.0)),
        start=en.Point(0.0),
        event=en.LeftBall(1.0),
        instances=2000,
        steps=400,
        paired=False,
        backend="numpy",
        progress=False,
    )
    found = against_law(run, lambda lr, sigma: laws.saddle_exit(lr, 1.0, sigma, 1.0, 400))
    assert found.z_mean.dims == ("lr", "sigma")
    assert np.unique(found.law_mean).size == 4
    for name in ("z_mean", "z_restricted_mean", "z_median"):
        assert (np.abs(found[name]) < 4).all()
    assert (found.pvalue_bound > 1e-3).all()


GOOD = runs([3] * 20, 10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: against_law(GOOD, 3.0), r"law=3.0; give a TimeLaw"),
        (lambda: against_law(GOOD, lambda: None), "the function gave None; let it return a TimeLaw"),
        (lambda: against_law(GOOD.assign_attrs(check_every=5), geometric_law(0.1, 9)), "checked every 5 steps"),
        (lambda: against_law(GOOD, laws.TimeLaw(np.array([1.0]), 1, 1, 1)), r"shape \(1,\); give P\(T > t\)"),
        (lambda: against_law(GOOD, laws.TimeLaw(np.array([0.5, 1.0]), 1, 1, 1)), "falling"),
    ],
)
def test_what_has_no_comparison_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.slow
def test_scores_are_standard_normal_and_the_bound_holds():
    data = runs(geometric(0.02, (2000, 300), seed=9), 60, dims=("trial", "instance"))
    found = against_law(data, geometric_law(0.02, 60))
    for name in ("z_restricted_mean", "z_median"):
        assert 0.035 <= float((np.abs(found[name]) > stats.norm.ppf(0.975)).mean()) <= 0.065
    assert float((found.pvalue_bound < 0.05).mean()) <= 0.05
