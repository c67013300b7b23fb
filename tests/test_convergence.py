"""Rates of convergence against exact laws, statsmodels' least squares, and what simulated runs must show."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from simulated_runs import covers, curves

import ensemble as en
from ensemble.statistics import convergence_rate

STEP = en.log_spaced(60).steps(1000)
T = np.maximum(STEP, 0.5)  # the start needs some value in a power law


def cloud(n, seed=0):
    return np.exp(np.random.default_rng(seed).normal(size=(n, 1)))


def named(found):
    return found.regime.attrs["flag_meanings"].split()[found.regime.item() + 1]


@pytest.mark.parametrize("n", [10, 1000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_factor_and_a_power_are_found_exactly_at_any_size(n):
    linear = convergence_rate(curves(cloud(n) * 0.99**STEP, STEP), resamples=200)
    assert named(linear) == "linear"
    assert linear.evidence > 100
    for name in ("factor", "factor_lower", "factor_upper", "factor_of_linear"):
        assert linear[name].item() == pytest.approx(0.99, rel=1e-9)
    power = convergence_rate(curves(cloud(n) * T**-0.75, STEP), resamples=200)
    assert named(power) == "power"
    for name in ("exponent", "exponent_lower", "exponent_upper", "exponent_of_power"):
        assert power[name].item() == pytest.approx(0.75, rel=1e-9)
    assert (linear.regime_stability, power.regime_stability) == (1, 1)
    assert linear.share.sel(regime_name="linear") == power.share.sel(regime_name="power") == 1


def test_the_fits_and_their_evidence_are_statsmodels():
    rng = np.random.default_rng(1)
    values = np.exp(rng.normal(size=(30, STEP.size))) / T
    found = convergence_rate(curves(values, STEP), since=100)
    used = (STEP >= 100) & (STEP <= 1000)
    for y, of, evidence in (
        (np.log(np.median(values, axis=0)), found, found.evidence),
        (np.log(values[7]), found.isel(instance=7).rename(instance_factor="f", instance_exponent="e"), None),
    ):
        fits = [sm.OLS(y[used], sm.add_constant(z[used])).fit() for z in (STEP.astype(float), np.log(T))]
        factor, exponent = (of.factor, of.exponent) if evidence is not None else (of.f, of.e)
        assert factor.item() == pytest.approx(np.exp(fits[0].params[1]))
        assert exponent.item() == pytest.approx(-fits[1].params[1])
        seen = found.evidence.item() if evidence is not None else found.instance_evidence[7].item()
        assert seen == pytest.approx(fits[1].bic - fits[0].bic) == pytest.approx(fits[1].aic - fits[0].aic)


def test_gradient_descent_on_a_quadratic_converges_by_its_factor_and_sgd_reaches_its_floor():
    run = en.simulate(
        landscape=en.Quadratic([1.0, 2.0]),
        optimizer=en.GradientDescent(lr=0.1),
        noise=en.Gaussian(sigma=en.grid(0.0, 1.0)),
        start=en.NormalCloud(scale=1.0),
        record=en.Record("value", at=en.log_spaced(50)),
        instances=200,
        steps=400,
        dtype="float64",
        backend="numpy",
        progress=False,
    )
    found = convergence_rate(run)
    assert found.regime.values.tolist() == [1, 0]
    assert found.factor[0].item() == pytest.approx(0.9**2, rel=1e-5)  # of f; |x| falls by 0.9
    assert "floor in 1, linear in 1 of 2 groups" in found.attrs["note"]
    # Stationary f = (h_1 x_1^2 + h_2 x_2^2)/2 is close to exponential of mean lr/2 (1/1.9 + 1/1.8).
    assert found.level[1].item() == pytest.approx(0.1 / 2 * (1 / 1.9 + 1 / 1.8) * np.log(2), rel=0.1)


def test_a_fall_that_ends_within_the_window_is_a_floor_from_there():
    step = np.arange(0, 201, 5)
    found = convergence_rate(curves(cloud(40) * (0.8**step + 1e-5), step), since=10)
    assert named(found) == "floor"
    assert 45 <= found.levels_from.item() <= 65  # 0.8^52 = 1e-5
    assert found.level.item() == pytest.approx(1e-5 * np.median(cloud(40)), rel=0.2)


def test_a_sum_of_exponentials_is_no_floor():
    step = np.arange(0, 201, 5)
    found = convergence_rate(curves(cloud(40) * (0.8**step + 1e-3 * 0.97**step), step), since=10)
    assert named(found) in ("linear", "power")
    assert np.isnan(found.levels_from)


def test_what_noise_hides_is_undecided():
    rng = np.random.default_rng(2)
    step = np.arange(0, 101, 5)
    values = 0.99**step * np.exp(0.6 * rng.normal(size=(10, step.size)))
    found = convergence_rate(curves(values, step), since=20)
    assert named(found) in ("undecided", "floor")
    assert abs(found.evidence) < 6


def test_two_exact_fits_are_not_told_apart_by_their_last_bits():
    step = np.arange(0, 41)
    for eps, kind in ((1e-9, np.float64), (1e-4, np.float32)):
        values = (cloud(20) * (1 + eps * (step % 2 - 2 * step))).astype(kind)  # the fall is a few roundings
        found = convergence_rate(curves(values, step), since=4)
        assert named(found) in ("undecided", "floor", "linear")
    assert abs(convergence_rate(curves(np.ones((20, 41)), step), since=4).evidence) < 1e-9


def test_the_window_ends_where_the_optimum_is_reached():
    step = np.arange(0, 2001, 20)
    deep = -39.1661657
    values = deep + cloud(50) * 0.95**step
    found = convergence_rate(curves(values, step), optimum=deep)
    assert named(found) == "linear"
    # e is below 8 roundings of f there; the last decade above that is fitted.
    assert found.until.item() < 800
    assert found.factor.item() == pytest.approx(0.95, rel=2e-3)


def test_what_an_event_stopped_is_not_taken_for_a_floor():
    step = np.arange(0, 101, 2)
    values = cloud(100) * 0.9**step
    stop = np.where(np.arange(100) < 40, 50, 0)
    values = np.where((stop[:, None] > 0) & (step > stop[:, None]), values[:, [25]], values)
    found = convergence_rate(curves(values, step, event_step=stop), resamples=200)
    assert found.share.sel(regime_name="linear") == 1
    np.testing.assert_allclose(found.instance_factor, 0.9)
    stop[:60] = 50
    values = np.where((stop[:, None] > 0) & (step > stop[:, None]), values[:, [25]], values)
    assert convergence_rate(curves(values, step, event_step=stop))["until"] == 50  # then most have stopped


def test_those_that_diverge_count_as_infinite():
    lost = np.where(np.arange(40) < 15, 30, -1)
    values = cloud(40) * 0.99**STEP
    values[(lost[:, None] > 0) & (lost[:, None] <= STEP)] = np.nan
    found = convergence_rate(curves(values, STEP, diverged_step=lost), resamples=200)
    assert found.diverged == 15
    assert found.factor.item() == pytest.approx(0.99)
    assert (found.instance_regime[:15] == -1).all()
    assert found.share_upper.sel(regime_name="linear") == 1
    lost[:] = 4
    with pytest.raises(ValueError, match="usable records of value lie in steps"):
        convergence_rate(curves(values, STEP, diverged_step=lost))


def test_each_configuration_has_its_own_window_and_rate():
    values = np.stack([cloud(30) * factor**STEP for factor in (0.5, 0.999)])
    found = convergence_rate(curves(values, STEP, dims=("lr", "instance"), lr=[0.1, 0.2]), resamples=200)
    np.testing.assert_allclose(found.factor, [0.5, 0.999])
    assert found.factor.dims == ("lr",)
    assert found.instance_factor.dims == ("lr", "instance")
    assert found["until"].values.tolist() == [1000, 1000]


def test_a_part_of_the_instances_recorded_is_enough():
    run = en.simulate(
        landscape=en.Quadratic([1.0]), optimizer=en.GradientDescent(lr=0.1), start=en.NormalCloud(scale=1.0),
        record=en.Record("value", at=en.lin_spaced(40), instances=list(range(5, 25))),
        instances=30, steps=117, dtype="float64", backend="numpy", progress=False,
    )  # fmt: skip
    found = convergence_rate(run, resamples=200)
    assert found.instance.values.tolist() == list(range(5, 25))
    assert found.factor.item() == pytest.approx(0.81)


GOOD = curves(cloud(20) * 0.99**STEP, STEP)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: convergence_rate(GOOD, "distance"), r"quantity='distance' was not recorded .*has value"),
        (lambda: convergence_rate(GOOD.isel(step=slice(0, 60, 8))), r"3 usable records of value .* record more"),
        (lambda: convergence_rate(GOOD, since=900), "usable records of value lie in steps 900 to 1000"),
        (lambda: convergence_rate(curves(np.ones((20, 50)), np.arange(100, 150)), since=100), "too narrow to tell"),
        (lambda: convergence_rate(GOOD, optimum=0.5), "below optimum=0.5; give the true limit"),
        (lambda: convergence_rate(GOOD, optimum=np.nan), "optimum=nan; give"),
        (lambda: convergence_rate(GOOD, since=0), "since=0; give"),
        (lambda: convergence_rate(GOOD.isel(instance=slice(9))), "9 instances .* give at least 10"),
        (lambda: convergence_rate(GOOD, resamples=100), "resamples=100 are too few"),
        (lambda: convergence_rate(GOOD.rename(value="value_quantile")), "recorded as a summary"),
        (lambda: convergence_rate(GOOD.drop_vars("step")), "no coordinate 'step'"),
    ],
)
def test_what_the_sample_cannot_bear_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_records_without_finished_instances_are_refused():
    values = GOOD.value.values.copy()
    values[:5, 40:] = np.nan
    stop = np.where(np.arange(20) < 5, int(STEP[39]), 0)
    with pytest.raises(ValueError, match="survivors=True: what is left late is a selection"):
        convergence_rate(curves(values, STEP, event_step=stop))


def test_the_rate_of_a_median_errs_as_a_median_of_normals_does():
    """Each instance has its own normal rate, so the median's rate is the rates' median: sd sqrt(pi/2)/sqrt(n)."""
    rates = 0.01 * np.random.default_rng(4).normal(size=(30, 401, 1)) - 0.1
    found = convergence_rate(curves(np.exp(rates * STEP), STEP, dims=("trial", "instance")), until=200, resamples=200)
    middle = np.median(rates[..., 0], axis=1)
    np.testing.assert_allclose(np.log(found.factor), middle)
    np.testing.assert_allclose(np.log(found.factor_upper * found.factor_lower), 2 * middle)
    error = np.log(found.factor_upper / found.factor_lower) / (2 * 1.959964)
    assert error.mean().item() == pytest.approx(0.01 * np.sqrt(np.pi / 2 / 401), rel=0.1)


SHIFTS = {
    "normal": lambda rng, size: rng.normal(size=size),
    "log_exponential": lambda rng, size: np.log(rng.exponential(size=size)),
    "t2": lambda rng, size: rng.standard_t(2, size),
    "uniform": lambda rng, size: 3 * rng.random(size),
}


@pytest.mark.slow
@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize(
    ("law", "name", "truth", "n"), [("linear", "factor", 0.99, 20), ("power", "exponent", 0.8, 100)]
)
def test_intervals_cover_ninety_five_percent(law, name, truth, n, shift):
    """2,000 data sets of instances with their own scales, whose noise lasts from record to record."""
    rng = np.random.default_rng(3)
    step = np.arange(0, 201, 10)
    noise = rng.normal(size=(2000, n, step.size))
    noise = SHIFTS[shift](rng, (2000, n, 1)) + 0.3 * (noise + np.roll(noise, 1, axis=-1))
    trend = truth**step if law == "linear" else np.maximum(step, 1.0) ** -truth
    data = curves(np.exp(noise) * trend, step, dims=("trial", "instance"))
    found = convergence_rate(data, since=20, resamples=200)
    assert 0.93 <= covers(found, name, truth) <= 0.97
