"""Constant escape rates against intervals written a second way and known laws."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_runs import FEW_AND_MANY, brown_cai_dasgupta, covers, geometric, runs

from ensemble.statistics import escape_rate


@pytest.mark.parametrize("n", [2000, 2])
def test_the_rate_is_events_by_exposure_with_wilsons_interval_modified_for_few_events(n):
    time = geometric(0.01, n)
    found = escape_rate(runs(time, 120))
    events, exposure = int((time <= 120).sum()), int(np.minimum(time, 120).sum())
    assert found.probability.item() == pytest.approx(events / exposure)
    assert found.rate.item() == pytest.approx(-np.log1p(-events / exposure))
    oracle = brown_cai_dasgupta(events, exposure)
    np.testing.assert_allclose([found.probability_lower, found.probability_upper], oracle)
    np.testing.assert_allclose(1 / found.probability_upper, found.mean_lower)
    assert found.hazard_constant == (1 if n > 2 else -1)


@pytest.mark.parametrize("p", [0.3, 0.01, 1e-5])
@pytest.mark.parametrize("n", [1000, 1_000_000])
def test_the_rate_of_a_geometric_law_is_found(p, n):
    found = escape_rate(runs(geometric(p, n, seed=4), int(1 / p)))
    error = p * np.sqrt((1 - p) / found.events_total.item())
    assert abs(found.probability.item() - p) < 4 * error
    assert found.hazard_constant == 1
    assert found.goodness_pvalue > 1e-4
    assert found.distance < 2.5 / np.sqrt(n)


def test_checking_rarely_gives_the_same_rate_per_step():
    time = geometric(0.004, 100_000, seed=5)
    data = runs(-(-time // 25) * 25, 510, check_every=25)
    found = escape_rate(data)
    assert found.probability_lower < 0.004 < found.probability_upper
    assert found.hazard_constant == 1
    # A last interval of 10 steps is left out with its events: 20 whole checks remain.
    assert found.events_total == (time <= 500).sum()


def test_the_check_of_a_constant_hazard_has_its_stated_law():
    found = escape_rate(runs(geometric(0.4, (500, 300), seed=9), 50, dims=("trial", "instance")))
    excess = (found.chi_square - found.degrees).sum() / np.sqrt(2 * found.degrees.sum())
    assert abs(excess) < 4


def test_a_hazard_that_rises_is_called_plainly_not_constant():
    rng = np.random.default_rng(6)
    time = np.ceil(100 * rng.weibull(3.0, 500)).astype(int)
    found = escape_rate(runs(time, 300))
    assert found.hazard_constant == 0
    assert found.distance > 0.2
    assert "plainly not constant in 1 of 1" in found.attrs["note"]


def test_the_approach_to_a_steady_hazard_can_be_left_out():
    time = 40 + geometric(0.02, 20_000, seed=7)
    data = runs(time, 400)
    assert escape_rate(data).hazard_constant == 0
    late = escape_rate(data, after=40)
    assert late.hazard_constant == 1
    assert late.probability_lower < 0.02 < late.probability_upper


def test_divergence_ends_the_exposure_of_a_rate():
    data = runs([5, 50, 50], 10, diverged_step=[-1, 4, -1])
    found = escape_rate(data)
    assert found.exposure == 5 + 3 + 10
    assert (found.events_total, found.diverged, found.hazard_constant) == (1, 1, -1)


def test_two_exits_share_the_rate():
    rng = np.random.default_rng(8)
    data = runs(rng.geometric(0.02, 5000), 100, event=rng.integers(1, 3, 5000))
    parts = [escape_rate(data, label=label) for label in (1, 2)]
    assert parts[0].probability + parts[1].probability == pytest.approx(escape_rate(data).probability.item())


def test_no_events_bound_the_rate_from_above():
    found = escape_rate(runs([900] * 20, 100))
    assert found.no_events
    assert found.rate == 0 == found.rate_lower
    assert found.probability_upper.item() == pytest.approx(brown_cai_dasgupta(0, 2000)[1])
    assert np.isinf(found.mean_upper)
    assert "no events in 1 of 1" in found.attrs["note"]


GOOD = runs(geometric(0.1, (2, 50)), 30, dims=("lr", "instance"), coords={"lr": [0.1, 0.2]})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: escape_rate(GOOD, after=-1), r"after=-1; give"),
        (lambda: escape_rate(GOOD, after=30), r"no instance is at risk after step 30"),
        (lambda: escape_rate(GOOD.assign_attrs(check_every=7)), r"no multiple of attrs\['check_every'\]=7"),
        (lambda: escape_rate(GOOD.assign_attrs(check_every=0)), r"'check_every'\]=0; give"),
    ],
)
def test_what_the_sample_cannot_bear_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.slow
@pytest.mark.parametrize(("expected", "n", "horizon"), FEW_AND_MANY)
def test_intervals_cover_ninety_five_percent_whether_events_are_few_or_many(expected, n, horizon):
    share = expected / n
    p = -np.expm1(np.log1p(-share) / horizon)
    data = runs(geometric(p, (2000, n), seed=expected), horizon, dims=("trial", "instance"))
    assert 0.93 <= covers(escape_rate(data), "probability", p) <= 0.97


@pytest.mark.slow
def test_intervals_cover_and_a_constant_hazard_is_seldom_doubted():
    found = escape_rate(runs(geometric(0.01, (2000, 200), seed=11), 100, dims=("trial", "instance")))
    assert 0.93 <= covers(found, "probability", 0.01) <= 0.97
    assert 0.003 <= float((found.goodness_pvalue < 0.01).mean()) <= 0.02
