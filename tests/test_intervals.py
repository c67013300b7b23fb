"""Intervals of shares and medians against statsmodels and their stated coverage; resampling against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.rates import confint_poisson

from ensemble.statistics import intervals
from ensemble.statistics.intervals import (
    ResampledMedians,
    mean_interval,
    median_interval,
    modified_wilson,
    resampled_counts,
    wilson,
)


@pytest.mark.parametrize("n", [1, 10, 1000, 1_000_000])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_wilsons_interval_is_statsmodels(n, confidence):
    count = np.unique([0, 1, n // 3, n // 2, n - 1, n])
    share, lower, upper = wilson(count, n, confidence)
    oracle = proportion_confint(count, n, alpha=1 - confidence, method="wilson")
    np.testing.assert_array_equal(share, count / n)
    np.testing.assert_allclose([lower, upper], oracle, rtol=1e-12, atol=1e-15)


def test_wilsons_interval_solves_the_score_equation():
    share, lower, upper = wilson(7, 30, 0.9)
    for limit in (lower, upper):
        assert abs(share - limit) / np.sqrt(limit * (1 - limit) / 30) == pytest.approx(stats.norm.ppf(0.95))


def test_nothing_and_everything_seen_reach_the_ends_and_nobody_asked_says_nothing():
    share, lower, upper = wilson([0, 50, 0], [50, 50, 0])
    assert (lower[0], upper[1]) == (0, 1)
    assert 0 < upper[0] < 0.08
    assert lower[1] == pytest.approx(1 - upper[0])
    assert np.isnan(share[2])
    assert (lower[2], upper[2]) == (0, 1)


def test_wilsons_interval_covers_on_average_what_it_says():
    """The exact average coverage over shares: Brown, Cai and DasGupta 2001 (it swings with the share and n)."""
    n = 40
    _, lower, upper = wilson(np.arange(n + 1), n)
    p = np.linspace(0.05, 0.95, 400)
    inside = (lower <= p[:, None]) & (p[:, None] <= upper)
    coverage = (stats.binom.pmf(np.arange(n + 1), n, p[:, None]) * inside).sum(axis=1)
    assert 0.945 < coverage.mean() < 0.96


def test_few_counts_have_the_limits_of_brown_cai_and_dasguptas_table_and_more_have_wilsons():
    table = {0.9: (0.105, 0.532, 1.102), 0.95: (0.051, 0.355, 0.818), 0.99: (0.010, 0.149, 0.436)}
    for n in (10, 50, 51, 10**12):
        most = 3 if n > 50 else 2
        few, more = np.arange(1, most + 1), np.array([0, most + 1, n // 2])
        for confidence, known in table.items():
            np.testing.assert_allclose(modified_wilson(few, n, confidence)[1] * n, known[:most], atol=5e-4)
            np.testing.assert_array_equal(modified_wilson(more, n, confidence), wilson(more, n, confidence))
            _, lower, upper = modified_wilson(np.arange(11), 10, confidence)
            np.testing.assert_allclose(upper, 1 - lower[::-1])
    # At a confidence that the paper does not look at the limits only widen Wilson's.
    assert modified_wilson(1, 100, 0.1)[1] == wilson(1, 100, 0.1)[1]
    np.testing.assert_array_equal(np.array(modified_wilson(0, 0)), [np.nan, 0, 1])


def test_limits_of_rare_events_among_many_are_those_of_a_poisson_law():
    for count in (4, 20, 1000, 10**6):
        oracle = confint_poisson(count, 1e12, method="score")
        np.testing.assert_allclose(modified_wilson(count, 1e12)[1:], oracle, rtol=1e-8)


@pytest.mark.parametrize("n", [51, 200, 10**6])
def test_the_interval_of_few_events_covers_what_it_says(n):
    """The exact coverage, from the binomial law: from almost no expected count to 30, or to half of n."""
    count, expected = np.arange(min(n, 100) + 1), np.linspace(0.01, min(30, n / 2), 3000)
    _, lower, upper = modified_wilson(count, n)
    p = (expected / n)[:, None]
    coverage = (stats.binom.pmf(count, n, p) * ((lower <= p) & (p <= upper))).sum(axis=1)
    assert coverage.min() > 0.927
    assert coverage[expected < 1].min() > 0.949
    some, many = coverage[expected >= 2], coverage[expected >= 10]
    assert (some > 0.928).all()
    assert (some < 0.979).all()
    assert 0.948 < some.mean() < 0.953
    assert 0.93 < many.min() < many.max() < 0.97


@pytest.mark.parametrize("confidence", [0.5, 0.95])
@pytest.mark.parametrize("n", [1, 2, 5, 6, 10, 37, 1000])
def test_the_interval_of_a_median_covers_exactly_where_values_fall_off_exponentially_on_either_side(n, confidence):
    """Of the k values below the median the nearest is an exponential/k away, of the n - k above one an exponential/(n-k).

    Then (1 - w) X_k + w X_{k+1} is above the median with chance k w/(k w + (n - k) (1 - w)).
    """
    values, tail = np.arange(1.0, n + 1), (1 - confidence) / 2
    middle, lower, upper = median_interval(np.random.default_rng(n).permutation(values), confidence)
    assert middle == np.median(values)
    if 0.5**n >= tail:
        assert (lower, upper) == (-np.inf, np.inf)  # not even all of the values cover
        return
    assert upper == pytest.approx(n + 1 - lower)
    k, w = int(lower), lower % 1
    beyond = k * w / (k * w + (n - k) * (1 - w))
    assert stats.binom.cdf(k - 1, n, 0.5) + beyond * stats.binom.pmf(k, n, 0.5) == pytest.approx(tail)


def test_the_median_of_values_that_diverged_is_infinite():
    assert median_interval(np.r_[np.zeros(10), np.full(90, np.inf)], 0.95) == (np.inf, np.inf, np.inf)
    assert np.isnan(median_interval(np.empty(0), 0.95)).all()


@pytest.mark.parametrize("n", [6, 10, 37])
def test_no_limit_of_a_median_lies_between_a_finite_and_an_infinite_value(n):
    plain = median_interval(np.arange(float(n)), 0.95)
    k = int(plain[1])  # before the lower limit come values 0 ... k
    for low in range(n + 1):
        for high in range(n + 1 - low):
            values = np.r_[np.full(low, -np.inf), np.arange(low, n - high), np.full(high, np.inf)]
            _, lower, upper = median_interval(values, 0.95)
            kept = np.isfinite(values)
            assert lower == (plain[1] if kept[k] and kept[k + 1] else values[k])
            assert upper == (plain[2] if kept[n - 1 - k] and kept[n - 2 - k] else values[n - 1 - k])


def test_equal_values_have_themselves_as_limits():
    assert median_interval(np.full(30, 0.1), 0.95) == (0.1, 0.1, 0.1)


@pytest.mark.slow
@pytest.mark.parametrize("n", [8, 10, 20, 50, 200])
def test_the_interval_of_a_median_covers_ninety_five_percent_under_many_laws(n):
    rng, size = np.random.default_rng(n), (2000, n)
    draws = {
        "normal": (rng.normal(size=size), 0.0),
        "exponential": (rng.exponential(size=size), np.log(2)),
        "Cauchy": (rng.standard_cauchy(size), 0.0),
        "uniform": (rng.random(size), 0.5),
        "two peaks": (rng.normal(size=size) + 1.5 * rng.choice([-1.0, 1.0], size), 0.0),
    }
    for name, (values, truth) in draws.items():
        limits = np.array([median_interval(x, 0.95) for x in values])
        assert 0.93 <= np.mean((limits[:, 1] <= truth) & (truth <= limits[:, 2])) <= 0.97, name


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 50])
def test_the_interval_of_a_median_covers_what_it_must_where_values_have_a_gap_or_ties(n):
    rng, size = np.random.default_rng(n), (2000, n)
    least = {10: 0.8906, 50: 0.9351}[n]  # 1 - 2 P(Bin <= k)
    for values in (
        rng.choice([-1.0, 1.0], size) * rng.uniform(1, 2, size),
        rng.choice([-1, 0, 1], size, p=[0.49, 0.02, 0.49]),
    ):
        limits = np.array([median_interval(x, 0.95) for x in values.astype(float)])
        assert np.mean((limits[:, 1] <= 0) & (limits[:, 2] >= 0)) > least - 0.02


def test_the_interval_of_a_mean_is_students_where_nothing_is_skewed_and_solves_halls_cubic_elsewhere():
    even = np.r_[-np.arange(1.0, 11), np.arange(1.0, 11)] + 3
    oracle = stats.ttest_1samp(even, 0).confidence_interval()
    np.testing.assert_allclose(mean_interval(even, 0.95), [3, *oracle])
    x = np.random.default_rng(0).exponential(size=30)
    mean, *limits = mean_interval(x, 0.9)
    g, n = stats.skew(x), x.size
    for limit, sign in zip(limits, (1, -1), strict=True):
        T = (mean - limit) / x.std(ddof=1)
        cubic = T + g * T**2 / 3 + g**2 * T**3 / 27 + g / (6 * n)
        assert cubic * np.sqrt(n) == pytest.approx(sign * stats.t.ppf(0.95, n - 1))
    assert mean_interval(np.full(10, 2.0), 0.95) == (2, 2, 2)


@pytest.mark.slow
def test_the_interval_of_a_mean_covers_ninety_five_percent_of_skewed_values_too():
    rng = np.random.default_rng(1)
    draws = (
        (rng.exponential(size=(2000, 20)), 1.0),
        (rng.normal(size=(2000, 20)) ** 2, 1.0),
        (rng.normal(size=(2000, 20)), 0.0),
        (rng.random((2000, 20)), 0.5),
    )
    for values, truth in draws:
        limits = np.array([mean_interval(x, 0.95) for x in values])
        assert 0.93 <= np.mean((limits[:, 1] <= truth) & (truth <= limits[:, 2])) <= 0.97


@pytest.mark.parametrize("n", [10, 11, 5000])
def test_resampled_medians_are_the_medians_of_the_resamples(n, monkeypatch):
    rng = np.random.default_rng(n)
    values = np.stack([rng.normal(size=n), rng.integers(3, size=n).astype(float), np.full(n, np.inf)], axis=1)
    counts = np.concatenate(list(resampled_counts(n, 40, seed=1)))
    assert (counts.sum(axis=1) == n).all()
    repeated = [np.median(np.repeat(values[:, :2], row.astype(int), axis=0), axis=0) for row in counts]
    found = ResampledMedians(values)(counts)
    np.testing.assert_array_equal(found[:, :2], repeated)
    assert np.isinf(found[:, 2]).all()
    # Rows that no sane resampling gives, so that the median falls outside the band.
    lone = np.zeros((2, n))
    lone[0, values[:, 0].argmin()] = lone[1, values[:, 0].argmax()] = n
    np.testing.assert_array_equal(ResampledMedians(values)(lone)[:, 0], [values[:, 0].min(), values[:, 0].max()])
    monkeypatch.setattr(intervals, "CELLS", 3 * n)
    np.testing.assert_array_equal(np.concatenate(list(resampled_counts(n, 40, seed=1))), counts)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wilson(5, 4), "count=5 of n=4; give counts from 0"),
        (lambda: wilson(-1, 4), "count=-1 of n=4"),
        (lambda: wilson(np.nan, 4), "count=nan of n=4"),
        (lambda: wilson(1, 4, 95), "confidence=95"),
        (lambda: modified_wilson([2, 5], 4), "count=5 of n=4"),
    ],
)
def test_counts_that_cannot_be_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
