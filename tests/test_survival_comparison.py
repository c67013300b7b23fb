"""Log-rank and bootstrap comparisons against libraries, exact arithmetic and textbook errors."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from simulated_runs import covers, geometric, runs

from ensemble.statistics import compare_survival, comparison, logrank, logranks, survival
from ensemble.statistics.intervals import mean_interval


def test_logrank_is_lifelines_with_ties_censoring_and_four_groups():
    lifelines = pytest.importorskip("lifelines.statistics")
    time = np.stack([geometric(p, 400, seed) for seed, p in enumerate((0.02, 0.02, 0.022, 0.03))])
    data = runs(time, 70, dims=("lr", "instance"))
    found = logrank(data, "lr")
    last, had = np.minimum(time, 70), time <= 70
    oracle = lifelines.multivariate_logrank_test(last.ravel(), np.repeat(range(4), 400), had.ravel())
    assert found.statistic.item() == pytest.approx(oracle.test_statistic, rel=1e-9)
    assert found.pvalue.item() == pytest.approx(oracle.p_value, rel=1e-7)
    assert found.degrees == 3
    assert found.observed.sum().item() == pytest.approx(found.expected.sum().item())


def test_logrank_is_statsmodels_with_different_horizons():
    duration = pytest.importorskip("statsmodels.duration.api")
    time = np.stack([geometric(0.02, 300, 1), geometric(0.025, 300, 2)])
    horizon = xr.DataArray([40, 90], dims="optimizer")
    found = logrank(runs(time, horizon, dims=("optimizer", "instance")), "optimizer")
    limit = horizon.values[:, None]
    last, had = np.minimum(time, limit), time <= limit
    statistic, pvalue = duration.survdiff(last.ravel(), had.ravel().astype(int), np.repeat([0, 1], 300))
    assert found.statistic.item() == pytest.approx(statistic)
    assert found.pvalue.item() == pytest.approx(pvalue)


@pytest.mark.parametrize("n", [10, 3000])
def test_logrank_is_scipys_where_that_is_right(n):
    time = np.stack([geometric(0.05, n, 1), geometric(0.06, n, 2)])
    found = logrank(runs(time, 30, dims=("lr", "instance")), "lr")
    sample = [stats.CensoredData.right_censored(np.minimum(t, 30), t > 30) for t in time]
    oracle = stats.logrank(*sample)
    assert found.statistic.item() == pytest.approx(oracle.statistic**2)
    assert found.pvalue.item() == pytest.approx(oracle.pvalue)


def test_logrank_of_a_million_with_ties_is_the_hand_formula():
    time = np.stack([geometric(0.2, 500_000, 1), geometric(0.2, 500_000, 2)])
    found = logrank(runs(time, 12, dims=("lr", "instance")), "lr")
    difference = variance = Fraction(0)
    for step in range(1, 13):
        n0, n1 = (int(np.count_nonzero(t >= step)) for t in time)
        d0, d1 = (int(np.count_nonzero(t == step)) for t in time)
        n, d = n0 + n1, d0 + d1
        difference += d0 - Fraction(d * n0, n)
        variance += Fraction(d * (n - d) * n0 * n1, n * n * (n - 1))
    assert found.statistic.item() == pytest.approx(float(difference**2 / variance), rel=1e-9)
    assert found.statistic.item() < 16


def test_logrank_blocks_change_nothing(monkeypatch):
    data = runs(geometric(0.01, (3, 2, 500)), 300, dims=("lr", "beta", "instance"))
    whole = logrank(data, "lr")
    monkeypatch.setattr(logranks, "_CELLS", 30)
    xr.testing.assert_allclose(logrank(data, "lr"), whole, rtol=1e-10)
    assert whole.statistic.dims == ("beta",)
    assert whole.expected.dims == ("beta", "lr")


WEIGHTS = {
    "gehan": ("wilcoxon", {}),
    "tarone-ware": ("tarone-ware", {}),
    (1, 0): ("fleming-harrington", {"p": 1, "q": 0}),
    (0, 1): ("fleming-harrington", {"p": 0, "q": 1}),
    (0.5, 2): ("fleming-harrington", {"p": 0.5, "q": 2}),
}


@pytest.mark.parametrize("weights", WEIGHTS)
def test_weighted_logrank_is_lifelines_whatever_the_blocks(weights, monkeypatch):
    lifelines = pytest.importorskip("lifelines.statistics")
    time = np.stack([geometric(p, 200, seed) for seed, p in enumerate((0.02, 0.024, 0.03))])
    data = runs(time, 70, dims=("lr", "instance"))
    found = logrank(data, "lr", weights=weights)
    last, had = np.minimum(time, 70), time <= 70
    name, more = WEIGHTS[weights]
    oracle = lifelines.multivariate_logrank_test(
        last.ravel(), np.repeat(range(3), 200), had.ravel(), weightings=name, **more
    )
    assert found.statistic.item() == pytest.approx(oracle.test_statistic, rel=1e-9)
    assert found.pvalue.item() == pytest.approx(oracle.p_value, rel=1e-7)
    assert found.observed.sum().item() == pytest.approx(found.expected.sum().item())
    monkeypatch.setattr(logranks, "_CELLS", 30)
    assert logrank(data, "lr", weights=weights).statistic.item() == pytest.approx(found.statistic.item(), rel=1e-10)


@pytest.mark.parametrize(
    ("weights", "theirs"),
    [("logrank", {}), ("gehan", {"weight_type": "gb"}), ((1, 0), {"weight_type": "fh", "fh_p": 1})],
)
def test_stratified_logrank_is_statsmodels(weights, theirs):
    duration = pytest.importorskip("statsmodels.duration.api")
    # Strata differ by far more than groups do.
    p = np.array([[0.01, 0.013], [0.05, 0.06], [0.2, 0.23]])
    time = np.stack([[geometric(p[s, g], 150, 10 * s + g) for g in range(2)] for s in range(3)])
    data = runs(time, 60, dims=("sigma", "lr", "instance"))
    found = logrank(data, "lr", strata="sigma", weights=weights)
    last, had = np.minimum(time, 60), (time <= 60).astype(int)
    strata, group = np.repeat(range(3), 300), np.tile(np.repeat(range(2), 150), 3)
    statistic, pvalue = duration.survdiff(last.ravel(), had.ravel(), group, strata=strata, **theirs)
    assert found.statistic.dims == ()
    assert found.statistic.item() == pytest.approx(statistic)
    assert found.pvalue.item() == pytest.approx(pvalue)
    assert found.observed.dims == ("lr",)
    pooled = logrank(runs(time.transpose(1, 0, 2).reshape(2, -1), 60, dims=("lr", "instance")), "lr", weights=weights)
    assert pooled.pvalue.item() > 1.5 * found.pvalue.item()


def test_strata_leave_the_other_dimensions():
    time = geometric(0.05, (2, 3, 4, 50))
    data = runs(time, 60, dims=("a", "lr", "b", "instance"), coords={"a": [1.0, 2.0], "b": list("wxyz")})
    found = logrank(data, "lr", strata="b")
    assert found.statistic.dims == ("a",)
    for k in range(2):
        alone = logrank(data.isel(a=k, drop=True), "lr", strata=["b"])
        assert alone.statistic.item() == pytest.approx(found.statistic[k].item())
    both = logrank(data, "lr", strata=["b", "a"])
    assert both.statistic.dims == ()
    assert both.attrs["strata"] == "b, a"
    each = logrank(data, "lr")
    assert both.expected.values == pytest.approx(each.expected.sum(("a", "b")).values)


def test_late_differences_are_seen_by_weights_that_look_for_them():
    """Half of the instances are alike until step 30; from there on one group's are faster."""
    rng = np.random.default_rng(0)
    early, late = rng.integers(1, 31, (2, 400)), 30 + np.stack([rng.geometric(p, 400) for p in (0.05, 0.08)])
    data = runs(np.where(np.arange(400) % 2 == 0, early, late), 200, dims=("lr", "instance"))
    late_one, early_one = (logrank(data, "lr", weights=w).pvalue.item() for w in ((0, 1), "gehan"))
    assert late_one < 1e-3 < early_one


def test_where_all_escape_at_once_there_is_nothing_to_test():
    found = logrank(runs(np.full((2, 20), 7), 30, dims=("lr", "instance")), "lr")
    assert np.isnan(found.pvalue)
    assert found.attrs["note"] == ""


def test_paired_groups_are_refused_by_logrank_with_the_remedy():
    data = runs(geometric(0.1, (2, 50)), 30, dims=("lr", "instance"), paired=1)
    with pytest.raises(ValueError, match=r"paired.*compare_survival"):
        logrank(data, "lr")


def test_independent_differences_have_the_textbook_error():
    time = np.stack([geometric(0.02, 3000, 1), geometric(0.03, 3000, 2)])
    found = compare_survival(runs(time, 100, dims=("lr", "instance")), "lr")
    capped = np.minimum(time, 100)
    assert found.restricted_mean_difference.item() == pytest.approx(capped[1].mean() - capped[0].mean())
    error = np.sqrt(capped.var(axis=1).sum() / 3000)
    width = (found.restricted_mean_difference_upper - found.restricted_mean_difference_lower).item()
    assert width == pytest.approx(2 * stats.norm.ppf(0.975) * error, rel=0.08)
    assert found.logrank_statistic.item() == logrank(runs(time, 100, dims=("lr", "instance")), "lr").statistic.item()
    assert found.median_difference.item() == np.median(time[1]) - np.median(time[0])
    assert found.median_difference_pvalue.item() == pytest.approx(2 / 2001)


def test_restricted_means_have_students_interval_where_nothing_is_skewed_and_halls_where_something_is():
    time = np.array([np.r_[10:30, 31:51], np.r_[12:92:2]])
    error = np.hypot(*stats.sem(time, axis=1))
    alone = compare_survival(runs(time, 1000, dims=("lr", "instance")), "lr")
    limits = [alone.restricted_mean_difference_lower, alone.restricted_mean_difference_upper]
    oracle = stats.t.interval(0.95, 39, time[1].mean() - time[0].mean(), error)
    np.testing.assert_allclose(np.squeeze(limits), oracle, rtol=1e-9)
    skewed = geometric(0.1, (2, 30))
    paired = compare_survival(runs(skewed, 1000, dims=("lr", "instance"), paired=1), "lr")
    limits = [paired[f"restricted_mean_difference{end}"].item() for end in ("", "_lower", "_upper")]
    np.testing.assert_allclose(limits, mean_interval((skewed[1] - skewed[0]).astype(float), 0.95))


@pytest.mark.parametrize("paired", [0, 1])
def test_the_p_value_of_the_restricted_mean_is_that_of_the_interval_that_ends_at_zero(paired):
    data = runs(geometric(0.1, (2, 25)) + [[0], [2]], 1000, dims=("lr", "instance"), paired=paired)
    p = compare_survival(data, "lr").restricted_mean_difference_pvalue.item()
    at = compare_survival(data, "lr", confidence=1 - p)
    limits = at.restricted_mean_difference_lower.item(), at.restricted_mean_difference_upper.item()
    assert min(map(abs, limits)) == pytest.approx(0, abs=1e-9)


def shifted(paired):
    """Return two groups: the second escapes three steps after the first, instance by instance."""
    time = geometric(0.02, 1000)
    return runs([time, time + 3], 10_000, dims=("rule", "instance"), coords={"rule": ["gd", "adam"]}, paired=paired)


def test_pairing_cancels_what_the_groups_share():
    found = compare_survival(shifted(paired=1), "rule").sel(rule="adam")
    for name in ("restricted_mean", "median"):
        limits = [found[f"{name}_difference{end}"].item() for end in ("", "_lower", "_upper")]
        np.testing.assert_allclose(limits, 3.0)
    assert found.restricted_mean_difference_pvalue < 0.002
    assert "logrank_pvalue" not in found
    alone = compare_survival(shifted(paired=0), "rule").sel(rule="adam")
    assert alone.restricted_mean_difference_lower < 0 < 6 < alone.restricted_mean_difference_upper
    assert alone.restricted_mean_difference_pvalue > 0.05


def test_the_paired_interval_has_the_error_of_the_differences():
    rng = np.random.default_rng(3)
    first = rng.geometric(0.01, 4000)
    second = np.maximum(1, first + rng.integers(-5, 10, 4000))
    found = compare_survival(runs([first, second], 10**6, dims=("lr", "instance"), paired=1), "lr")
    width = (found.restricted_mean_difference_upper - found.restricted_mean_difference_lower).item()
    assert width == pytest.approx(2 * stats.norm.ppf(0.975) * (second - first).std() / np.sqrt(4000), rel=0.08)


def test_the_reference_can_be_chosen_and_turns_the_sign():
    forth, back = (compare_survival(shifted(1), "rule", reference=name) for name in ("gd", "adam"))
    assert (forth.rule.values.tolist(), back.rule.values.tolist()) == (["adam"], ["gd"])
    assert forth.restricted_mean_difference.item() == -back.restricted_mean_difference.item()
    assert forth.restricted_mean_reference.item() == back.restricted_mean.item()


@pytest.mark.parametrize("paired", [0, 1])
def test_how_much_fits_in_memory_changes_no_result(monkeypatch, paired):
    data = runs(geometric(0.005, (3, 2, 200)), 600, dims=("lr", "beta", "instance"), paired=paired)
    whole = compare_survival(data, "lr", resamples=300, seed=5)
    monkeypatch.setattr(comparison, "_CELLS", 1000)
    xr.testing.assert_allclose(compare_survival(data, "lr", resamples=300, seed=5), whole, rtol=1e-10)
    assert whole.restricted_mean_difference.dims == ("beta", "lr")
    other = compare_survival(data, "lr", resamples=300, seed=6)
    assert not other.median_difference_lower.equals(whole.median_difference_lower)


@pytest.mark.parametrize("until", [17, 40])
def test_compared_medians_are_those_of_the_curves(until):
    """Also where exactly half have escaped, and where the median is the last step compared."""
    time = np.array([[3] * 5 + [17] * 5 + [30] * 10, [4] * 10 + [17] * 10])
    data = runs(time, 40, dims=("lr", "instance"), paired=1)
    found = compare_survival(data, "lr", until=until)
    assert (
        [found.median_reference.item(), found["median"].item()] == survival(data)["median"].values.tolist() == [17, 4]
    )


def test_comparison_ends_at_the_smallest_horizon():
    time = geometric(0.02, 500)
    horizon = xr.DataArray([40, 90], dims="optimizer")
    data = runs([time, time], horizon, dims=("optimizer", "instance"), paired=1)
    found = compare_survival(data, "optimizer")
    assert found["until"] == 40
    assert found.restricted_mean_difference == 0
    assert found.restricted_mean_difference_pvalue == 1
    with pytest.raises(ValueError, match="smallest horizon, 40"):
        compare_survival(data, "optimizer", until=41)


def test_a_median_that_few_resamples_reach_has_no_upper_limit():
    time = np.array([np.arange(1, 41), np.r_[np.arange(21, 43), np.full(18, 500)]])
    found = compare_survival(runs(time, 100, dims=("lr", "instance")), "lr")
    assert found.median_difference == 20
    assert 0 < found.median_difference_lower < 20
    assert np.isposinf(found.median_difference_upper)
    assert found.median_difference_pvalue < 0.05
    back = compare_survival(runs(time, 100, dims=("lr", "instance")), "lr", reference=1)
    assert np.isneginf(back.median_difference_lower)
    assert found.median_reference.item() == back["median"].item() == 20


def test_medians_that_are_not_reached_stay_nan_and_empty_comparisons_are_named():
    time = np.array([np.r_[np.arange(1, 31), np.full(70, 500)], np.full(100, 500)])
    data = runs([time, time + 400], 100, dims=("beta", "lr", "instance"), paired=1)
    found = compare_survival(data, "lr")
    assert found.restricted_mean_difference.isel(beta=0, lr=0) == pytest.approx(100 - np.minimum(time[0], 100).mean())
    assert np.isnan(found.median_difference).all()
    assert np.isnan(found.restricted_mean_difference_pvalue.isel(beta=1)).all()
    assert found.attrs["note"].startswith("no events in 1 of 2 comparisons")


GOOD = runs(geometric(0.1, (2, 50)), 30, dims=("lr", "instance"), coords={"lr": [0.1, 0.2]})


DIMS = ("trial", "lr", "instance")


def without_attribute(name):
    data = GOOD.copy()
    data.attrs = {key: value for key, value in GOOD.attrs.items() if key != name}
    return data


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: logrank(GOOD, "beta"), r"dim='beta' is not a configuration dimension .* lr"),
        (lambda: logrank(GOOD.isel(lr=[0]), "lr"), r"one member"),
        (lambda: logrank(without_attribute("paired"), "lr"), r"'paired'\] is missing"),
        (lambda: logrank(GOOD, "lr", label=7), r"no events with label 7 in any group"),
        (lambda: compare_survival(without_attribute("paired"), "lr"), r"neither a paired nor an independent"),
        (lambda: compare_survival(GOOD.isel(instance=slice(9)), "lr"), r"9 instances .* give at least 10"),
        (lambda: compare_survival(GOOD, "lr", reference=0.3), r"reference=0.3 is not in 'lr'"),
        (lambda: compare_survival(GOOD, "lr", until=31), r"until=31; give a step from 1 to"),
        (lambda: compare_survival(GOOD, "lr", resamples=100), r"resamples=100 are too few"),
        (lambda: compare_survival(GOOD, "lr", confidence=0), r"confidence=0; give"),
    ],
)
def test_what_the_sample_cannot_bear_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def two_rules(paired, later, n=200, shared=True, sets=2000, p=0.01):
    """Return data sets of two rules: the second escapes `later` steps later, of the same law by itself or on shared times."""
    rng = np.random.default_rng(12)
    first, second = rng.geometric(p, (2, sets, n))
    if paired:
        common, own = (rng.geometric(p, (sets, n)), rng.integers(1, int(0.2 / p), (2, sets, n)))
        first, second = common + own if shared else np.array([first, second]) + common // 4
    time = np.stack([first, second + later], axis=1)
    return runs(time, 10**6, dims=("trial", "rule", "instance"), paired=int(paired))


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 100, 200])
@pytest.mark.parametrize("paired", [False, True])
def test_intervals_of_differences_of_restricted_means_cover_ninety_five_percent(paired, n):
    found = compare_survival(two_rules(paired, 10, n), "rule", resamples=200)
    assert 0.93 <= covers(found, "restricted_mean_difference", 10.0) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 100])
def test_and_where_the_second_rule_is_twice_as_slow_and_some_are_censored(n):
    time = np.stack([geometric(p, (2000, n), seed=k) for k, p in enumerate((0.01, 0.005))], axis=1)
    data = runs(time, 150, dims=("trial", "rule", "instance"))
    first, second = ((1 - (1 - p) ** 150) / p for p in (0.01, 0.005))
    found = compare_survival(data, "rule", resamples=200)
    assert 0.93 <= covers(found, "restricted_mean_difference", second - first) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("paired", [False, True])
def test_five_percent_of_null_comparisons_are_called_different(paired):
    found = compare_survival(two_rules(paired, later=0), "rule", resamples=600)
    assert 0.03 <= float((found.restricted_mean_difference_pvalue < 0.05).mean()) <= 0.07
    assert float((found.median_difference_pvalue < 0.05).mean()) <= 0.06  # cautious, most of all where it is paired


@pytest.mark.slow
@pytest.mark.parametrize(("n", "resamples"), [(20, 600), (100, 400), (1000, 200)])
@pytest.mark.parametrize("until", [None, 1200])
def test_intervals_of_differences_of_medians_cover_ninety_five_percent(n, resamples, until):
    """Also where a third is censored: a median not reached leaves a side open. Twenty times can be few medians."""
    found = compare_survival(two_rules(False, 100, n, p=1e-3), "rule", resamples=resamples, until=until)
    assert 0.93 <= covers(found, "median_difference", 100.0) <= (0.98 if n == 20 else 0.97)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "resamples"), [(20, 600), (100, 400), (1000, 200)])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("until", [None, 1700])
def test_intervals_of_differences_of_paired_medians_cover_at_least_ninety_five_percent(n, resamples, shared, until):
    found = compare_survival(two_rules(True, 100, n, shared, p=1e-3), "rule", resamples=resamples, until=until)
    assert covers(found, "median_difference", 100.0) >= 0.94


@pytest.mark.slow
@pytest.mark.parametrize(("p", "groups", "n"), [(0.02, 3, 100), (0.3, 2, 200), (0.002, 2, 50)], ids=str)
@pytest.mark.parametrize("censoring", ["none", "at one horizon", "at random"])
def test_logrank_pvalues_are_uniform_when_nothing_differs(p, groups, n, censoring):
    """With ties in plenty (p = 0.3) and few: 2,000 data sets against the uniform law."""
    shape = (2000, groups, n)
    late = np.random.default_rng(14).integers(1, int(2 / p), shape)
    horizon = {"none": 10**6, "at one horizon": int(1.2 / p), "at random": xr.DataArray(late, dims=DIMS)}[censoring]
    pvalue = logrank(runs(geometric(p, shape, seed=13), horizon, dims=DIMS), "lr").pvalue.values
    assert stats.kstest(pvalue, "uniform").pvalue > 1e-3
    assert 0.035 <= (pvalue < 0.05).mean() <= 0.065
