"""Intervals of shares against statsmodels and their stated coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from ensemble.statistics.intervals import wilson


@pytest.mark.parametrize("n", [1, 10, 1000, 100_000])
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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wilson(5, 4), "count=5 of n=4; give counts from 0"),
        (lambda: wilson(-1, 4), "count=-1 of n=4"),
        (lambda: wilson(np.nan, 4), "count=nan of n=4"),
        (lambda: wilson(1, 4, 95), "confidence=95"),
    ],
)
def test_counts_that_cannot_be_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
