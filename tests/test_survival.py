"""Survival curves against libraries, hand formulas and known laws."""

from __future__ import annotations

import warnings
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from simulated_runs import covers, geometric, runs

from ensemble.statistics import compare_survival, escape_rate, survival, survival_table
from ensemble.statistics.intervals import mean_interval


def staggered(n, seed=1, longest=300):
    """Return runs with tied event times and a horizon of its own for every instance."""
    rng = np.random.default_rng(seed)
    horizon = xr.DataArray(rng.integers(1, longest, n), dims="instance")
    return runs(rng.geometric(0.01, n), horizon)


def observed(data):
    """Return (last step watched, had the event) of every instance."""
    had = data.event_step.values > 0
    return np.where(had, data.event_step.values, data.horizon.values), had


@pytest.mark.parametrize(("n", "horizon"), [(10, 1000), (10, 60), (1000, 1000), (1000, 12), (1_000_000, 400)])
def test_the_curve_and_its_band_are_scipys(n, horizon):
    data = runs(geometric(0.01, n), horizon)
    time, had = observed(data)
    oracle = stats.ecdf(stats.CensoredData.right_censored(time, ~had)).sf
    found = survival(data).set_index(step="step")
    at = found.sel(step=oracle.quantiles)
    np.testing.assert_allclose(at.survival, oracle.probabilities, rtol=1e-12)
    between = (oracle.probabilities > 0) & (oracle.probabilities < 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # "undefined at some observations": where S is 0 or 1
        band = oracle.confidence_interval(0.95, method="log-log")
    np.testing.assert_allclose(at.lower[between], band.low.probabilities[between], rtol=1e-9)
    np.testing.assert_allclose(at.upper[between], band.high.probabilities[between], rtol=1e-9)
    assert found.events.sum() == found.events_total == had.sum()
    assert found.n == n == found.events_total + found.censored


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=12))
def test_the_curve_is_the_product_of_fractions(instances):
    time, horizon = np.array(instances).T
    data = runs(time, xr.DataArray(horizon, dims="instance"))
    last, had = observed(data)
    found = survival(data)
    product = Fraction(1)
    for step in range(int(horizon.max()) + 1):
        at_risk, events = int((last >= step).sum()), int(((last == step) & had).sum())
        product *= 1 if at_risk == 0 else Fraction(at_risk - events, at_risk)
        if step in found.step:
            here = found.sel(step=step)
            assert here.survival.item() == pytest.approx(float(product), abs=1e-14)
            assert (here.at_risk, here.events) == (at_risk, events)
            assert here.lower <= here.survival <= here.upper


def test_curve_median_and_restricted_mean_are_lifelines():
    lifelines = pytest.importorskip("lifelines")
    utils = pytest.importorskip("lifelines.utils")
    data = staggered(5000)
    time, had = observed(data)
    fit = lifelines.KaplanMeierFitter(alpha=0.05).fit(time, had)
    found = survival(data)
    np.testing.assert_allclose(found.survival, fit.survival_function_at_times(found.step.values), rtol=1e-11)
    assert found["median"] == fit.median_survival_time_
    limits = utils.median_survival_times(fit.confidence_interval_).iloc[0].to_numpy()
    np.testing.assert_array_equal([found.median_lower, found.median_upper], limits)
    mean = utils.restricted_mean_survival_time(fit, t=int(found.horizon))
    assert found.restricted_mean.item() == pytest.approx(mean, rel=1e-10)


def test_band_and_quantiles_are_statsmodels():
    duration = pytest.importorskip("statsmodels.duration.api")
    data = staggered(4000, seed=2)
    time, had = observed(data)
    fit = duration.SurvfuncRight(time, had)
    found = survival(data)
    at = found.sel(step=fit.surv_times)
    np.testing.assert_allclose(at.survival, fit.surv_prob, rtol=1e-11)
    np.testing.assert_array_equal(at.at_risk, fit.n_risk)
    error = fit.surv_prob_se / (fit.surv_prob * -np.log(fit.surv_prob))
    np.testing.assert_allclose(at.upper, fit.surv_prob ** np.exp(-stats.norm.ppf(0.975) * error), rtol=1e-9)
    for q in (0.25, 0.5):
        assert found["quantile"].sel(q=q) == fit.quantile(q)


def test_without_censoring_the_summaries_are_those_of_the_sample():
    time = geometric(0.05, 500)
    found = survival(runs(time, 10_000))
    assert found["median"] == np.sort(time)[249]
    assert found.restricted_mean.item() == pytest.approx(time.mean())
    limits = [found.restricted_mean_lower.item(), found.restricted_mean_upper.item()]
    np.testing.assert_allclose(limits, mean_interval(time.astype(float), 0.95)[1:])
    np.testing.assert_array_equal(found["quantile"], np.quantile(time, found.q, method="inverted_cdf"))


def test_the_restricted_mean_has_the_variance_and_the_skewness_of_its_jackknife():
    """Efron & Tibshirani 1993, ch. 11: leave each instance out. A third is censored at times of their own."""
    n = 150
    data = staggered(n, longest=200)
    found = survival(data)
    without = np.array([survival(data.isel(instance=np.arange(n) != k)).restricted_mean.item() for k in range(n)])
    error, skew = without.std() * (n - 1) / np.sqrt(n), stats.skew(-without) / np.sqrt(n)
    below = (found.restricted_mean - found.restricted_mean_lower).item()
    above = (found.restricted_mean_upper - found.restricted_mean).item()
    q = stats.t.ppf(0.975, n - 1)
    assert below + above == pytest.approx(2 * q * error, rel=0.03)
    # Hall's limits to first order: both error skew (q^2/3 + 1/6) further up than without skewness.
    assert (above - below) / 2 == pytest.approx(error * skew * (q**2 / 3 + 1 / 6), rel=0.1)


def test_the_curve_meets_the_geometric_law():
    p, n, horizon = 0.01, 200_000, 150
    found = survival(runs(geometric(p, n), horizon))
    law = (1 - p) ** found.step.values
    z = (found.survival - law)[1:] / np.sqrt(law * (1 - law) / n)[1:]
    assert np.abs(z).max() < 4
    mean = (1 - (1 - p) ** horizon) / p
    error = (found.restricted_mean_upper - found.restricted_mean_lower) / 2 / stats.norm.ppf(0.975)
    assert abs(found.restricted_mean - mean) < 4 * error


def test_where_nothing_happened_it_says_no_events():
    data = runs([[900, 950, 990], [2, 5, 999]], 100, dims=("lr", "instance"), coords={"lr": [0.1, 0.2]})
    found = survival(data)
    assert found.no_events.values.tolist() == [True, False]
    assert "no events in 1 of 2 groups" in found.attrs["note"]
    none = found.sel(lr=0.1)
    assert (none.survival == 1).all()
    assert (none.upper == 1).all()
    # Not NaN: three of three survived, so S is at least the exact binomial bound.
    np.testing.assert_allclose(none.lower[1:], stats.binomtest(3, 3).proportion_ci(0.95).low)
    assert none.restricted_mean == 100
    for name in ("median", "median_lower", "median_upper", "restricted_mean_lower", "restricted_mean_upper"):
        assert np.isnan(none[name])
    assert [row["note"] for row in survival_table(found)] == ["no events", ""]


def test_a_curve_that_reaches_zero_keeps_an_honest_upper_limit():
    found = survival(runs([3, 4, 7, 9], 50))
    assert found.survival[-1] == 0 == found.lower[-1]
    assert found.upper[-1].item() == pytest.approx(stats.binomtest(0, 4).proportion_ci(0.95).high)


def test_diverged_instances_never_have_the_event_and_are_counted():
    time = np.array([5, 6, 7, 8])
    found = survival(runs(time, 10, diverged_step=[-1, 3, -1, -1]))
    assert (found.diverged, found.events_total, found.censored) == (1, 3, 0)
    assert found.survival.sel(step=8) == 0.25
    assert found.at_risk.sel(step=10) == 1
    assert survival_table(found)[0]["note"] == "1 diverged"


def test_an_event_before_a_divergence_counts_as_the_event():
    """A run that labels its event and goes on may diverge later."""
    found = survival(runs([2, 8, 9], 10, diverged_step=[5, 5, -1]))
    assert (found.events_total, found.diverged, found.censored) == (2, 1, 0)


def test_other_labels_compete():
    data = runs([5, 6, 7, 8], 10, event=[1, 2, 1, 2])
    found = survival(data, label=2)
    assert (found.events_total, found.competing, found.censored) == (2, 2, 0)
    assert found.survival.sel(step=8) == 0.5
    total = sum(1 - survival(data, label=label).survival.sel(step=10) for label in (1, 2))
    assert total == 1 - survival(data).survival.sel(step=10)


def test_groups_share_the_union_of_steps_and_end_at_their_horizon():
    horizon = xr.DataArray([5, 9], dims="optimizer")
    data = runs([[2, 4, 9], [3, 8, 11]], horizon, dims=("optimizer", "instance"), coords={"optimizer": ["gd", "adam"]})
    found = survival(data)
    assert found.step.values.tolist() == [0, 2, 3, 4, 5, 8, 9]
    np.testing.assert_allclose(found.survival.sel(optimizer="gd"), np.array([3, 2, 2, 1, 1, np.nan, np.nan]) / 3)
    np.testing.assert_allclose(found.survival.sel(optimizer="adam"), np.array([3, 3, 2, 2, 2, 1, 1]) / 3)
    assert found.horizon.values.tolist() == [5, 9]


def test_dimensions_keep_their_order_and_coordinates():
    time = geometric(0.1, (2, 3, 40))
    coords = {"lr": [1e-3, 1e-2], "beta": [0.0, 0.5, 0.9]}
    data = runs(time, 30, dims=("lr", "beta", "instance"), coords=coords)
    found = survival(SimpleNamespace(dataset=data.transpose("instance", "lr", "beta")))
    assert found.survival.dims == ("lr", "beta", "step")
    alone = survival(data.isel(lr=1, beta=2))
    np.testing.assert_array_equal(found.survival.isel(lr=1, beta=2).sel(step=alone.step), alone.survival)
    rows = survival_table(found)
    assert len(rows) == 6
    assert rows[5]["lr"] == 1e-2
    assert rows[5]["beta"] == 0.9
    assert rows[5]["n"] == 40


def test_thinning_keeps_exact_values_and_every_event():
    data = runs(geometric(1e-4, (2, 20_000)), 60_000, dims=("lr", "instance"))
    whole, thin = survival(data, max_steps=10**6), survival(data)
    assert whole.sizes["step"] > 10_000 > 2002 >= thin.sizes["step"] > 1500
    assert (whole.attrs["thinned"], thin.attrs["thinned"]) == (0, 1)
    for name in ("survival", "lower", "upper", "at_risk"):
        np.testing.assert_array_equal(thin[name], whole[name].sel(step=thin.step))
    np.testing.assert_array_equal(thin.events.sum("step"), whole.events_total)
    assert thin["median"].equals(whole["median"])
    assert thin.restricted_mean.equals(whole.restricted_mean)
    assert -thin.survival.diff("step").min() < 0.005


def test_results_survive_a_file(tmp_path):
    data = runs(geometric(0.1, (2, 50)), 5, dims=("lr", "instance"), coords={"lr": [0.1, 0.2]})
    for i, found in enumerate((survival(data), escape_rate(data), compare_survival(data, "lr"))):
        found.to_netcdf(tmp_path / f"{i}.nc", engine="scipy")
        with xr.open_dataset(tmp_path / f"{i}.nc", engine="scipy") as back:
            xr.testing.assert_equal(back, found)


GOOD = runs(geometric(0.1, (2, 50)), 30, dims=("lr", "instance"), coords={"lr": [0.1, 0.2]})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: survival(GOOD, confidence=1.5), r"confidence=1.5; give a number between 0 and 1"),
        (lambda: survival(GOOD, confidence=float("nan")), r"confidence=nan"),
        (lambda: survival(GOOD, max_steps=1), r"max_steps=1; give a whole number of at least 10"),
        (lambda: survival(GOOD, label=0), r"label=0; give an event's label"),
        (lambda: survival([1, 2, 3]), r"data=\[1, 2, 3\] \(list\); give an xarray.Dataset"),
        (lambda: survival(GOOD.drop_vars("event_step")), r"lacks event_step; give"),
        (lambda: survival(GOOD.isel(instance=slice(0, 0))), r"no instances"),
        (lambda: survival(GOOD.isel(lr=slice(0, 0))), r"at least one configuration"),
        (lambda: survival(GOOD.assign(event_step=GOOD.event_step * 1.0)), r"float64; give integers"),
        (lambda: survival(GOOD.assign(event_step=GOOD.event_step * 0)), r"first passage is at step 1 or later"),
        (
            lambda: survival(GOOD.assign(event_step=GOOD.event_step.where(GOOD.event_step < 0, 31))),
            r"beyond its horizon",
        ),
        (lambda: survival(GOOD.assign(horizon=0)), r"horizon is 0"),
        (lambda: survival(GOOD.assign(horizon=("seed", [30, 30]))), r"horizon varies along \['seed'\]"),
        (lambda: survival(GOOD.assign(status=GOOD.status * 2)), r"without a diverged_step"),
        (
            lambda: survival(runs([2], 9, diverged_step=[5]).assign(diverged_step=("instance", [2]))),
            "strictly before",
        ),
        (lambda: survival(GOOD.assign_coords(instance=[0] * 50)), r"same instance id occurs twice"),
        (lambda: survival_table(GOOD), r"give what survival\(\) returned"),
    ],
)
def test_what_the_sample_cannot_bear_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 50, 200])
@pytest.mark.parametrize("censoring", ["none", "at one horizon", "at random"])
def test_ninety_five_percent_intervals_cover_ninety_five_percent(n, censoring):
    """2,000 data sets; of 20 times few can be medians, and where they end at one horizon few differ."""
    dims, time = ("trial", "instance"), geometric(0.01, (2000, n), seed=11)
    late = np.random.default_rng(12).integers(1, 300, time.shape)
    horizon = {"none": 10**5, "at one horizon": 100, "at random": xr.DataArray(late, dims=dims)}[censoring]
    found = survival(runs(time, horizon, dims=dims))
    for step in (10, 50, 100):
        at, law = found.isel(step=np.searchsorted(found.step, step, side="right") - 1), 0.99**step
        assert 0.93 <= float(((at.lower <= law) & (law <= at.upper)).mean()) <= 0.97
    # Not reached is NaN: a limit beyond the horizon.
    for q, law in ((0.25, 29), (0.5, 69)):
        assert 0.93 <= covers(found.fillna(np.inf).sel(q=q), "quantile", law) <= (0.98 if n == 20 else 0.97)
    mean = (1 - 0.99**found.horizon) / 0.01
    assert 0.93 <= covers(found, "restricted_mean", mean) <= (0.985 if n == 20 else 0.97)
