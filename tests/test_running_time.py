"""Times to a tolerance: counted by hand, by SciPy's ECDF, and against the law of restarts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from simulated_runs import covers, curves, geometric, runs
from statsmodels.emplike.descriptive import DescStat
from statsmodels.stats.proportion import proportion_confint

import ensemble as en
import ensemble.plots
from ensemble.statistics import time_to_tolerance

STEP = np.array([0, 1, 2, 5, 10, 20])
VALUES = np.array([[9, 4, 3, 2, 1, 0.5], [9, 8, 7, 6, 5, 4], [1, 0.1, 3, 3, 3, 3]] * 4)


def test_times_are_the_first_recorded_steps_at_or_below_the_tolerance():
    found = time_to_tolerance(curves(VALUES, STEP), [4.0, 1.0, 0.01])
    assert found.time.values[:, :3].tolist() == [[1, 20, 0], [10, -1, 0], [-1, -1, -1]]
    assert found.successes.values.tolist() == [12, 8, 0]
    assert found.gap == 9  # step 20 came ten after the record before
    by_hand = [(1 + 20 + 0) / 3, (10 + 20 + 0) / 2, np.inf]
    np.testing.assert_allclose(found.expected_running_time, by_hand)
    assert "no success in 1 of 3" in found.attrs["note"]
    np.testing.assert_allclose(found.ecdf.sel(step=[0, 1, 10, 20]), np.array([2, 3, 4, 5]) / 9)


def test_the_optimum_is_taken_off():
    found = time_to_tolerance(curves(VALUES - 39.0, STEP), 4.0, optimum=-39.0)
    assert found.time.values[0, :3].tolist() == [1, 20, 0]


@pytest.mark.parametrize("n", [10, 1000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_the_distribution_is_scipys_and_shares_are_statsmodels(n):
    time = geometric(0.03, n, seed=2)
    found = time_to_tolerance(runs(time, 40))
    oracle = stats.ecdf(stats.CensoredData.right_censored(np.minimum(time, 40), time > 40)).cdf
    seen = found.step.values[(found.step.values > 0) & (found.step.values <= time[time <= 40].max())]
    np.testing.assert_allclose(found.ecdf_each.sel(step=seen)[0], oracle.evaluate(seen), atol=1e-12)
    assert found.time.values[0].tolist() == np.where(time <= 40, time, -1).tolist()
    success = (time <= 40).sum()
    for fate, count in (("converged", success), ("stuck", n - success), ("diverged", 0)):
        here = found.isel(tolerance=0).sel(fate=fate)
        limits = proportion_confint(count, n, method="wilson")
        np.testing.assert_allclose([here.share, here.share_lower, here.share_upper], [count / n, *limits], atol=1e-12)


def test_every_run_costs_the_steps_it_took():
    lost, event = np.full(20, -1), np.zeros(20, int)
    lost[:5], event[5:10] = 7, 12
    values = np.where(np.arange(20)[:, None] < 15, 9.0, np.where(STEP >= 5, 1.0, 9.0)) * np.ones(STEP.size)
    found = time_to_tolerance(curves(values, STEP, event_step=event, diverged_step=lost), 2.0).isel(tolerance=0)
    assert found.expected_running_time == (5 * 7 + 5 * 12 + 5 * 20 + 5 * 5) / 5
    np.testing.assert_allclose(found.share, [0.25, 0.5, 0.25])


def test_all_or_none_met():
    every = time_to_tolerance(runs([3] * 10, 5))
    assert every.expected_running_time == every.expected_running_time_lower == every.expected_running_time_upper == 3
    none = time_to_tolerance(runs([9] * 10, 5))
    assert np.isinf(none.expected_running_time)
    assert np.isinf(none.expected_running_time_lower)
    assert none.ecdf.values.tolist() == [0, 0]
    assert none.share_lower.sel(fate="stuck") > 0.7
    assert none.attrs["note"].startswith("no success in 1 of 1")


def test_the_runs_own_event_and_a_record_at_every_step_agree():
    run = en.simulate(
        landscape=en.Quadratic([1.0]), optimizer=en.GradientDescent(lr=en.grid(0.05, 0.1)),
        noise=en.Gaussian(sigma=0.1), start=en.NormalCloud(scale=1.0), event=en.Below(1e-3),
        record=en.Record("value", at=list(range(61))), instances=50, steps=60, backend="numpy", progress=False,
    )  # fmt: skip
    own, seen = time_to_tolerance(run), time_to_tolerance(run, 1e-3)
    started_inside = (seen.time.values == 0).sum()  # an event is first asked after the first step
    later = seen.time.values > 0
    np.testing.assert_array_equal(own.time.values[later], seen.time.values[later])
    assert started_inside < 10
    assert own.time.dims == ("lr", "tolerance", "instance")
    assert own.gap.max() == 0 == seen.gap.max()
    assert en.plots.ecdf(seen.isel(tolerance=0), "time") is not None


GOOD = curves(VALUES, STEP)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: time_to_tolerance(GOOD, []), r"tolerances=\[\]; give one positive number or several"),
        (lambda: time_to_tolerance(GOOD, [1.0, 1.0]), "each once"),
        (lambda: time_to_tolerance(GOOD, -1.0), "tolerances=-1.0"),
        (lambda: time_to_tolerance(GOOD, "small"), "tolerances='small'"),
        (lambda: time_to_tolerance(GOOD, 1.0, label=2), "label=2 belongs to events"),
        (lambda: time_to_tolerance(GOOD, 1.0, quantity="distance"), "was not recorded"),
        (lambda: time_to_tolerance(GOOD.isel(instance=slice(9)), 1.0), "9 instances .* give at least 10"),
    ],
)
def test_what_the_sample_cannot_bear_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(("n", "horizon"), [(10, 30), (10, 300), (40, 15), (500, 60)])
def test_at_its_limits_the_expected_running_time_has_the_likelihood_ratio_of_statsmodels(n, horizon):
    time = geometric(0.05, n, seed=7)
    found = time_to_tolerance(runs(time, horizon)).isel(tolerance=0)
    for limit in (found.expected_running_time_lower.item(), found.expected_running_time_upper.item()):
        u = np.minimum(time, horizon) - limit * (time <= horizon)
        twice_log_ratio = DescStat(np.append(u, -u.mean())).test_mean(0.0)[0]
        assert twice_log_ratio == pytest.approx(stats.f.ppf(0.95, 1, n - 1), rel=1e-6)
    assert found.expected_running_time_lower < found.expected_running_time < found.expected_running_time_upper


def test_where_few_succeed_the_expected_running_time_has_no_upper_limit():
    few, enough = (time_to_tolerance(runs([3] * k + [99] * (10 - k), 20)).isel(tolerance=0) for k in (3, 4))
    assert np.isinf(few.expected_running_time_upper)
    assert few.expected_running_time_lower < few.expected_running_time == (9 + 140) / 3
    assert enough.expected_running_time < enough.expected_running_time_upper < 2000


def running(n, horizon, sets=2000):
    """Return time_to_tolerance of geometric times cut at a horizon: ERT is 50 at any, since E min(T, h) = P(T <= h)/p."""
    return time_to_tolerance(runs(geometric(0.02, (sets, n), seed=5), horizon, dims=("trial", "instance")))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "horizon"), [(20, 100), (20, 300), (50, 60), (50, 100), (50, 300), (200, 20), (200, 60), (200, 300)]
)
def test_intervals_of_the_expected_running_time_cover_ninety_five_percent(n, horizon):
    assert 0.93 <= covers(running(n, horizon), "expected_running_time", 50.0) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("horizon", [100, 300])
def test_they_cover_nearly_as_many_at_ten_instances(horizon):
    assert 0.925 <= covers(running(10, horizon, sets=8000), "expected_running_time", 50.0) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(("n", "horizon", "most"), [(10, 20, 1.0), (10, 60, 0.98), (20, 20, 0.98), (20, 60, 0.98)])
def test_where_ten_or_fewer_succeed_they_cover_at_least_ninety_five_percent(n, horizon, most):
    """Few successes have few counts to tell apart, and no upper limit is right at last."""
    assert 0.95 <= covers(running(n, horizon), "expected_running_time", 50.0) <= most
