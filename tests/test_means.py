"""Means with intervals, shares of conditions, and how many instances are enough."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from simulated_runs import curves, geometric, runs

import ensemble as en
from ensemble.statistics import instances_for_interval, instances_for_power, mean, shares
from ensemble.statistics.intervals import mean_interval, wilson

RUN = {
    "landscape": en.QuarticSaddle(dim=4),
    "optimizer": en.GradientDescent(en.grid(0.1, 0.2, 8.0)),
    "noise": en.Gaussian(0.3),
    "start": en.NormalCloud(0.5),
    "instances": 60,
    "steps": 40,
    "backend": "numpy",
}
AT = [0, 10, 40]


@pytest.fixture(scope="module")
def recorded():
    return en.simulate(**RUN, record=en.Record(["value", "x"], at=AT))


def test_means_are_those_of_the_array_with_hall_s_interval(recorded):
    found = mean(recorded, "value", at=[10, 40], confidence=0.9)
    assert found["mean"].dims == ("lr", "step")
    for lr in (0.1, 0.2):
        for step in (10, 40):
            values = recorded.dataset["value"].sel(lr=lr, step=step).to_numpy().astype(float)
            center, lower, upper = mean_interval(values, 0.9)
            one = found.sel(lr=lr, step=step)
            assert float(one["mean"]) == pytest.approx(center, rel=1e-14)
            assert float(one["lower"]) == pytest.approx(lower, rel=1e-12)
            assert float(one["upper"]) == pytest.approx(upper, rel=1e-12)
            assert float(one["sd"]) == pytest.approx(values.std(ddof=1), rel=1e-12)
            assert int(one["n"]) == 60
    assert found.attrs["interval"] == "corrected for skewness"
    assert found["mean"].attrs["units"] == recorded.dataset["value"].attrs["units"]


def test_what_has_diverged_is_left_out_and_counted(recorded):
    lost = recorded.dataset["status"].sel(lr=8.0) == 2
    assert lost.any()
    found = mean(recorded, "x").sel(lr=8.0)
    assert (found["n"] == 60 - int(lost.sum())).all()
    if int(lost.sum()) == 60:
        assert np.isnan(found["mean"]).all()


def test_anything_made_of_the_dataset_is_averaged_and_paths_too(recorded):
    square = (recorded.dataset["x"].sel(lr=[0.1, 0.2]).astype(float) ** 2).sum("coordinate")
    found = mean(recorded, square)
    assert found["mean"].dims == ("lr",)
    np.testing.assert_allclose(found["mean"], square.mean("instance"), rtol=1e-14)
    along = mean(recorded, "path", at=40)
    assert along["mean"].dims == ("lr", "coordinate")
    ends = recorded.dataset["x"].sel(lr=0.1).to_numpy().astype(float).mean(axis=0)
    np.testing.assert_allclose(along["mean"].sel(lr=0.1), ends, rtol=1e-12)


def test_a_summary_has_students_interval(recorded):
    summary = en.simulate(**RUN, record=en.Record(["value", "x"], at=AT, summary=True))
    found, whole = mean(summary, "value"), mean(recorded, "value")
    np.testing.assert_allclose(found["mean"].sel(lr=0.1), whole["mean"].sel(lr=0.1), rtol=1e-6)
    values = recorded.dataset["value"].sel(lr=0.1, step=40).to_numpy().astype(float)
    low, high = stats.t.interval(0.95, 59, values.mean(), stats.sem(values))
    one = found.sel(lr=0.1, step=40)
    assert (float(one["lower"]), float(one["upper"])) == pytest.approx((low, high), rel=1e-6)
    assert found.attrs["interval"] == "Student's interval"
    assert mean(summary, "path")["mean"].dims == ("lr", "step", "coordinate")


def test_intervals_hold_the_truth_as_often_as_they_say():
    draws = np.random.default_rng(0).exponential(size=(4000, 30))
    data = curves(draws[..., None], [1], dims=("lr", "instance"))
    found = mean(data, "value")
    inside = ((found["lower"] <= 1) & (found["upper"] >= 1)).mean()
    assert 0.93 < float(inside) < 0.96


def test_few_values_and_equal_ones():
    data = curves(np.full((3, 2, 1), 2.0), [1], dims=("lr", "instance"))
    found = mean(data, "value")
    assert np.isnan(found["lower"]).all()
    assert (found["mean"] == 2).all()
    same = mean(curves(np.full((3, 20, 1), 2.0), [1], dims=("lr", "instance")), "value")
    assert (same["lower"] == 2).all()
    assert (same["upper"] == 2).all()


def test_tiny_and_huge_values_have_their_skewness():
    values = np.random.default_rng(1).exponential(size=40)
    for scale in (1e-150, 1e150):
        one, scaled = (mean(curves(v[:, None], [1]), "value", at=1) for v in (values, values * scale))
        assert float(scaled["upper"]) == pytest.approx(float(one["upper"]) * scale, rel=1e-10)


def test_a_record_without_the_finished_is_refused():
    data = curves(np.ones((20, 3)), [1, 2, 3], event_step=np.arange(20) % 4)
    values = data["value"].where(data["step"] <= data["event_step"].where(data["event_step"] > 0, 99))
    with pytest.raises(ValueError, match="survivors=True"):
        mean(data.assign(value=values), "value")


def test_conditions_are_counted_each_by_itself(recorded):
    x = recorded.dataset["x"]
    found = shares(recorded, where={"right": x.isel(coordinate=0) > 0, "far": (x**2).sum("coordinate") > 0.1})
    assert found["share"].dims == ("lr", "outcome")
    assert found["outcome"].values.tolist() == ["right", "far"]
    for lr in (0.1, 0.2):
        count = int((x.sel(lr=lr).isel(coordinate=0) > 0).sum())
        one = found.sel(lr=lr, outcome="right")
        assert int(one["count"]) == count
        expected = wilson(count, 60)
        assert (float(one["share"]), float(one["lower"]), float(one["upper"])) == pytest.approx(
            tuple(map(float, expected))
        )
    turned = shares(recorded, where={"right": (x.isel(coordinate=0) > 0).transpose("instance", "lr")})
    assert (turned["count"] == found["count"].sel(outcome=["right"])).all()


def test_conditions_on_what_was_recorded_are_counted_at_every_step_and_coordinate(recorded):
    path = recorded.dataset["path"]
    first = path.isel(coordinate=0)
    found = shares(recorded, where={"left": first <= 0, "right": first > 0})
    assert found["share"].dims == ("lr", "step", "outcome")
    assert found["n"].dims == ("lr",)
    assert found["step"].equals(path["step"])
    for name, met in (("left", first <= 0), ("right", first > 0)):
        expected = met.sum("instance").transpose("lr", "step")
        assert (found["count"].sel(outcome=name).to_numpy() == expected.to_numpy()).all()
    last = shares(recorded, where={"right": first.isel(step=-1) > 0})
    upper = found["upper"].isel(step=-1).sel(outcome="right")
    assert (upper.to_numpy() == last["upper"].sel(outcome="right").to_numpy()).all()
    each = shares(recorded, where={"right": path > 0})
    assert set(each["share"].dims) == {"lr", "step", "coordinate", "outcome"}
    assert (each["count"].isel(coordinate=0, outcome=0) == found["count"].sel(outcome="right")).all()
    with pytest.raises(ValueError, match="along 'step'; give one size for all"):
        shares(recorded, where={"a": first > 0, "b": first.isel(step=[0]) > 0})
    with pytest.raises(ValueError, match="give one of each"):
        shares(recorded, where={"a": first > 0, "b": first.isel(step=0) > 0})


@pytest.mark.parametrize("bad", [{}, {"a": 3}, [1], {"a": xr.DataArray([1.0, 2.0], dims="instance")}, {3: None}, "a"])
def test_what_is_no_condition_is_refused(recorded, bad):
    with pytest.raises(ValueError, match=r"where=.*give a mapping"):
        shares(recorded, where=bad)


def test_conditions_of_other_runs_and_labels_beside_them_are_refused(recorded):
    x = recorded.dataset["x"].isel(coordinate=0) > 0
    with pytest.raises(ValueError, match="sizes"):
        shares(recorded, where={"a": x.isel(instance=slice(9))})
    with pytest.raises(ValueError, match="give one of them"):
        shares(recorded, where={"a": x}, labels=[1])


# ---- sizes


@pytest.mark.parametrize("confidence", [0.9, 0.99])
@pytest.mark.parametrize("share", [0.5, 0.1, 0.003, 1.0])
@pytest.mark.parametrize("half_width", [0.2, 0.02, 0.001])
def test_a_share_s_interval_is_as_narrow_as_was_wanted_and_one_fewer_is_not_enough(share, half_width, confidence):
    n = instances_for_interval(half_width, share=share, confidence=confidence)

    def half(n):
        _, lower, upper = wilson(share * n, n, confidence)
        return max(upper - share, share - lower)

    assert half(n) <= half_width
    assert n == 1 or half(n - 1) > half_width


def test_a_mean_s_interval_is_as_narrow_as_was_wanted():
    for sd, half_width in ((1.0, 0.5), (3.0, 0.01), (20.0, 1.0)):
        n = instances_for_interval(half_width, sd=sd)
        low, high = stats.t.interval(0.95, n - 1, 0, sd / np.sqrt(n))
        assert (high - low) / 2 <= half_width
        low, high = stats.t.interval(0.95, n - 2, 0, sd / np.sqrt(n - 1))
        assert (high - low) / 2 > half_width


@pytest.mark.parametrize("power", [0.5, 0.8, 0.99])
@pytest.mark.parametrize("size", [0.05, 0.3, 2.0])
def test_the_power_of_student_s_tests_is_statsmodels(size, power):
    weights = pytest.importorskip("statsmodels.stats.power")
    for paired, test in ((True, weights.TTestPower()), (False, weights.TTestIndPower())):
        n = instances_for_power(power, difference=-3 * size, sd=3.0, paired=paired)

        def reached(n, test=test):
            return test.power(size, n, 0.05)

        assert reached(n) >= power
        assert n == 2 or reached(n - 1) < power


def test_the_power_for_shares_is_fleiss():
    """Fleiss, Levin, Paik 2003, Statistical Methods for Rates and Proportions, table A.4, less its continuity correction."""
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    for a, b in ((0.1, 0.2), (0.5, 0.55), (0.9, 0.99)):
        n = instances_for_power(0.9, shares=(a, b))
        power = proportion.power_proportions_2indep(a - b, b, n, alpha=0.05).power
        assert power == pytest.approx(0.9, abs=0.02)


def test_the_power_of_the_logrank_test_is_lifelines():
    lifelines = pytest.importorskip("lifelines.statistics")
    for ratio, observed in ((0.7, 1.0), (1.5, 0.4), (2.0, 0.8)):
        # Of their formula, with as many in both groups and as many events in either.
        theirs, _ = lifelines.sample_size_necessary_under_cph(0.8, 1.0, observed, observed, ratio)
        ours = instances_for_power(0.8, hazard_ratio=ratio, observed=observed)
        schoenfeld = 4 * (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) ** 2 / np.log(ratio) ** 2 / 2 / observed
        assert ours == int(np.ceil(schoenfeld))
        assert theirs == pytest.approx(
            ours, rel=0.2
        )  # their (ratio + 1)/(ratio - 1) is 2/ln(ratio) near 1 (Freedman 1982)


def test_a_difference_is_seen_as_often_as_was_wanted():
    """Log-rank tests of geometric times, horizons cutting a third of them off."""
    p, ratio, horizon, power = 0.01, 1.3, 100, 0.8
    faster = 1 - (1 - p) ** ratio
    observed = 1 - ((1 - p) ** horizon + (1 - faster) ** horizon) / 2
    n = instances_for_power(power, hazard_ratio=ratio, observed=observed)
    time = np.stack([geometric(p, (600, n), 1), geometric(faster, (600, n), 2)])
    data = runs(time, horizon, dims=("lr", "seed", "instance"))
    seen = float((en.statistics.logrank(data, "lr")["pvalue"] < 0.05).mean())
    assert abs(seen - power) < 4 * np.sqrt(power * (1 - power) / 600) + 0.01


def test_more_than_can_be_counted_is_refused():
    with pytest.raises(ValueError, match="2\\^53"):
        instances_for_interval(1e-9, share=0.5)
    with pytest.raises(ValueError, match="2\\^53"):
        instances_for_power(difference=1e-12, sd=1.0)
