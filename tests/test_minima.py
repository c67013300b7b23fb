"""Where the instances end: shares of outcomes, quenching, and which minimum it is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from simulated_runs import runs

from ensemble.statistics import shares

# ---- shares of outcomes


def outcomes(censored, first, second, diverged):
    """Return runs of which so many were censored, had event 1, had event 2, and diverged."""
    n = censored + first + second + diverged
    code = np.repeat([0, 1, 2, 3], [censored, first, second, diverged])
    time = np.where((code == 1) | (code == 2), 5, 99)
    return runs(time, 10, event=np.where(code < 3, code, 0), diverged_step=np.where(code == 3, 4, -1)), n


@pytest.mark.parametrize("counts", [(0, 40, 0, 0), (7, 3, 20, 1), (5, 5, 5, 5), (1, 0, 0, 0), (0, 0, 1000, 1)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_shares_and_their_intervals_are_statsmodels_and_scipys(counts, confidence):
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    data, n = outcomes(*counts)
    found = shares(data, labels=[1, 2], confidence=confidence)
    assert found.outcome.values.tolist() == ["censored", "event 1", "event 2", "diverged"]
    np.testing.assert_array_equal(found["count"], counts)
    np.testing.assert_allclose(found.share, np.array(counts) / n)
    assert found.n == n
    for k, low, high in zip(counts, found.lower.values, found.upper.values, strict=True):
        oracle = stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
        np.testing.assert_allclose([low, high], [oracle.low, oracle.high], atol=1e-14)
        np.testing.assert_allclose(
            [low, high], proportion.proportion_confint(k, n, 1 - confidence, "wilson"), atol=1e-12
        )


def test_every_configuration_has_its_own_shares():
    time = np.array([[1, 2, 99, 99], [1, 1, 1, 99]])
    data = runs(time, 10, dims=("lr", "instance"), coords={"lr": [0.1, 0.2]})
    found = shares(data)
    assert found.share.dims == ("lr", "outcome")
    np.testing.assert_array_equal(found.share.sel(outcome="event 1"), [0.5, 0.75])
    np.testing.assert_array_equal(found.share.sum("outcome"), 1.0)
    assert found.label.values.tolist() == [0, 1, -1]


def test_an_event_that_nobody_had_is_listed_where_it_is_asked_for():
    data = outcomes(3, 4, 0, 0)[0]
    assert shares(data).sizes["outcome"] == 3
    never = shares(data, labels=[1, 2]).sel(outcome="event 2")
    assert never.share == never.lower == 0
    assert never.upper > 0
    with pytest.raises(ValueError, match=r"labels=\[2\], and events were \[1\]; give"):
        shares(data, labels=[2])


@pytest.mark.slow
@pytest.mark.parametrize("p", [0.05, 0.3, 0.5])
def test_ninety_five_percent_intervals_of_a_share_cover_ninety_five_percent(p):
    had = np.random.default_rng(3).random((2000, 300)) < p
    found = shares(runs(np.where(had, 5, 99), 10, dims=("trial", "instance"))).sel(outcome="event 1")
    assert 0.93 <= float(((found.lower <= p) & (p <= found.upper)).mean()) <= 0.97
