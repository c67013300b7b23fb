"""Hazards in stretches against lifelines' life table, intervals written a second way and known laws."""

from __future__ import annotations

import numpy as np
import pytest
from lifelines.utils import survival_table_from_events
from simulated_runs import FEW_AND_MANY, brown_cai_dasgupta, covers, geometric, runs

from ensemble.statistics import escape_rate, hazard


@pytest.mark.parametrize("n", [10, 100, 1000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_every_step_has_lifelines_events_at_risk_and_an_interval(n):
    time = geometric(0.05, n, seed=1)
    found = hazard(runs(time, 30), list(range(31)))
    oracle = survival_table_from_events(np.minimum(time, 30), time <= 30).reindex(np.arange(1, 31))
    risk = np.array([(time >= t).sum() for t in range(1, 31)])
    np.testing.assert_array_equal(found.exposure, risk)
    here = oracle["at_risk"].notna().values
    np.testing.assert_array_equal(found.events[here], oracle["observed"].values[here])
    np.testing.assert_array_equal(found.exposure[here], oracle["at_risk"].values[here])
    for k in (0, 10, 29):
        if risk[k] > 50:
            limits = brown_cai_dasgupta(int(found.events[k]), int(risk[k]))
            np.testing.assert_allclose([found.hazard_lower[k], found.hazard_upper[k]], limits)


def test_one_stretch_is_the_escape_rate():
    data = runs(geometric(0.02, 2000), 100)
    one, rate = hazard(data, 1).isel(bin=0), escape_rate(data)
    for end in ("", "_lower", "_upper"):
        assert one[f"hazard{end}"].item() == pytest.approx(rate[f"probability{end}"].item())
    assert (one["first"], one["last"], one.exposure) == (1, 100, rate.exposure)


def test_stretches_hold_equally_many_events_and_follow_a_rising_hazard():
    time = np.ceil(100 * np.random.default_rng(3).weibull(3.0, 20_000)).astype(int)
    found = hazard(runs(time, 150))
    assert found.sizes["bin"] == 10
    assert (np.abs(found.events[:9] - 2000) < 600).all()
    # Weibull: P(T > t) = exp(-(t/100)^3); the hazard of a stretch lies between those of its ends.
    first, last = (1 - np.exp(((t - 1) / 100) ** 3 - (t / 100) ** 3) for t in (found["first"], found["last"]))
    assert (found.hazard_upper > first).all()
    assert (found.hazard_lower < last).all()
    assert (np.diff(found.hazard) > 0).all()


def test_checking_rarely_gives_hazards_per_step():
    time = geometric(0.004, 50_000, seed=5)
    found = hazard(runs(-(-time // 25) * 25, 500, check_every=25), [0, 100, 500], confidence=0.999)
    assert ((found.hazard_lower < 0.004) & (found.hazard_upper > 0.004)).all()
    assert found["last"].values.tolist() == [100, 500]


def test_nobody_left_and_no_events_are_said():
    found = hazard(runs([2] * 10, 20), [0, 5, 20])
    assert np.isnan(found.hazard[1])
    assert (found.hazard_lower[1], found.hazard_upper[1], found.exposure[1]) == (0, 1, 0)
    never = hazard(runs([99] * 10, 20))
    assert (never.sizes["bin"], never.hazard.item()) == (1, 0)
    assert never.hazard_upper.item() == pytest.approx(brown_cai_dasgupta(0, 200)[1])


def test_groups_share_their_stretches():
    found = hazard(runs(geometric(0.1, (2, 500)), 30, dims=("lr", "instance"), coords={"lr": [0.1, 0.2]}), 4)
    assert found.hazard.dims == ("lr", "bin")
    assert found["first"].dims == ("bin",)


@pytest.mark.parametrize(
    ("bins", "message"),
    [(0, "bins=0; give a number"), ([5, 3], r"bins=\[5, 3\]"), ([0.5, 2], "rising steps"), ("ten", "bins='ten'")],
)
def test_stretches_that_cannot_be_are_refused(bins, message):
    with pytest.raises(ValueError, match=message):
        hazard(runs([3] * 20, 10), bins)


def test_ends_between_checks_are_refused():
    with pytest.raises(ValueError, match="multiples of 7"):
        hazard(runs([7] * 20, 14, check_every=7), [0, 10])


@pytest.mark.slow
def test_intervals_cover_ninety_five_percent_in_every_stretch():
    found = hazard(runs(geometric(0.02, (2000, 200), seed=11), 60, dims=("trial", "instance")), [0, 20, 60])
    for k in range(2):
        assert 0.93 <= covers(found.isel(bin=k), "hazard", 0.02) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(("expected", "n", "horizon"), FEW_AND_MANY)
def test_intervals_cover_ninety_five_percent_whether_events_are_few_or_many(expected, n, horizon):
    share = 1.25 * expected / n  # so that about `expected` come late
    p = -np.expm1(np.log1p(-share) / horizon)
    data = runs(geometric(p, (2000, n), seed=expected), horizon, dims=("trial", "instance"))
    late = hazard(data, [0, horizon // 5, horizon]).isel(bin=1)
    assert 0.93 <= covers(late, "hazard", p) <= 0.97
