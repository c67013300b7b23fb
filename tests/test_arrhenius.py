"""Barriers from escape rates: exact lines, statsmodels' weighted fit, coverage with and without pairs."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from simulated_runs import covers, geometric, runs

import ensemble as en
import ensemble.plots
from ensemble.statistics import arrhenius, escape_rate

T = np.array([0.1, 0.125, 0.2, 0.25])


def lives(n, paired, seed=0, barrier=0.5, trials=None, horizon=400):
    """Return geometric times with rate 2 exp(-barrier/T) per step; paired: the same uniforms at all temperatures."""
    rate = 2.0 * np.exp(-barrier / T)
    shape = (n,) if trials is None else (trials, n)
    rng = np.random.default_rng(seed)
    uniform = rng.random((*shape[:-1], 1 if paired else T.size, shape[-1]))
    time = np.ceil(np.log(uniform) / -rate[:, None]).astype(int)
    dims = ("trial",)[: len(shape) - 1] + ("temperature", "instance")
    return runs(time, horizon, dims=dims, coords={"temperature": T}, paired=int(paired))


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("n", [1000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_the_barrier_and_prefactor_are_found(n, paired):
    found = arrhenius(lives(n, paired), "temperature")
    assert found.barrier_lower < 0.5 < found.barrier_upper
    assert found.log_prefactor_lower < np.log(2) < found.log_prefactor_upper
    assert found.barrier_upper - found.barrier_lower < 4 / np.sqrt(n)
    assert found.goodness_pvalue > 1e-3
    assert found.degrees == 2


def test_the_line_is_statsmodels_weighted_by_events():
    data = lives(2000, False)
    found, rate = arrhenius(data, "temperature"), escape_rate(data)
    np.testing.assert_allclose(found.log_rate, np.log(rate.rate))
    fit = sm.WLS(np.log(rate.rate.values), sm.add_constant(1 / T), weights=rate.events_total.values).fit()
    np.testing.assert_allclose([found.log_prefactor, -found.barrier], fit.params)
    np.testing.assert_allclose(found.fit, fit.fittedvalues)
    np.testing.assert_allclose(found.log_rate_error, 1 / np.sqrt(rate.events_total), rtol=0.1)
    # Independent groups: the known variances give the interval that the instances' influence finds.
    scale = np.sqrt(np.diag(np.linalg.inv(fit.model.exog.T @ np.diag(rate.events_total.values) @ fit.model.exog)))
    width = found.barrier_upper - found.barrier_lower
    assert width.item() == pytest.approx(2 * stats.norm.ppf(0.975) * scale[1], rel=0.12)


def test_the_errors_of_a_paired_fit_are_its_jackknifes():
    """Efron & Tibshirani 1993, ch. 11: leave each instance out at all temperatures. A third is censored at the lowest."""
    n = 120
    data = lives(n, True, seed=2, horizon=80)
    found = arrhenius(data, "temperature")
    without = [arrhenius(data.isel(instance=np.arange(n) != k), "temperature") for k in range(n)]
    for name in ("barrier", "log_prefactor"):
        error = np.std([w[name].item() for w in without]) * (n - 1) / np.sqrt(n)
        width = (found[f"{name}_upper"] - found[f"{name}_lower"]).item()
        assert width == pytest.approx(2 * stats.t.ppf(0.975, n - 1) * error, rel=0.04)


def test_a_curve_is_not_taken_for_a_line():
    rate = 0.02 * T / T[0]  # no barrier: a power of T
    time = np.stack([geometric(p, 10_000, seed=i) for i, p in enumerate(rate)])
    data = runs(time, 500, dims=("temperature", "instance"), coords={"temperature": T})
    assert arrhenius(data, "temperature").goodness_pvalue < 1e-4


def test_temperatures_and_times_can_be_given():
    data = lives(2000, False).rename(temperature="lr").assign_coords(lr=[1, 2, 3, 4])
    found = arrhenius(data, "lr", T, time_per_step=0.05)
    whole = arrhenius(lives(2000, False), "temperature")
    assert found.barrier.item() == pytest.approx(whole.barrier.item())
    np.testing.assert_allclose(np.log(found.rate), found.log_rate)
    np.testing.assert_allclose(found.rate_upper, whole.rate_upper / 0.05)
    assert en.plots.arrhenius(found, "temperature") is not None
    assert found.log_prefactor.item() == pytest.approx(whole.log_prefactor.item() - np.log(0.05))
    assert found.temperature.values.tolist() == T.tolist()


def test_sgd_leaves_a_well_over_its_barrier():
    """Kramers: the barrier of (x^2-1)^2/4 is 1/4."""
    lr, temperature = 0.05, np.array([0.08, 0.1, 0.13])
    run = en.simulate(
        landscape=en.DoubleWell(), optimizer=en.GradientDescent(lr=lr), start=en.Point(-1.0),
        noise=en.Gaussian(sigma=en.grid(*np.sqrt(2 * temperature / lr))), event=en.Crossed(1.0, 0.0),
        instances=600, steps=3000, paired=False, backend="numpy", progress=False,
    )  # fmt: skip
    found = arrhenius(run, "sigma", temperature, time_per_step=lr, after=100)
    # The top is no point of no return and the prefactor depends on T a little: the model's own error.
    assert found.barrier.item() == pytest.approx(0.25, abs=0.06)


GOOD = lives(50, False)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: arrhenius(GOOD.isel(temperature=slice(2)), "temperature"),
            "2 different temperatures .* need 3 or more",
        ),
        (lambda: arrhenius(GOOD, "temperature", [1, 1, 2, 3]), "3 different temperatures"),
        (lambda: arrhenius(GOOD, "temperature", [1, 2, 3]), "a positive number for each of the 4 members"),
        (lambda: arrhenius(GOOD, "temperature", [0, 1, 2, 3]), "give a positive number"),
        (lambda: arrhenius(GOOD, "lr"), "dim='lr' is not a configuration dimension"),
        (lambda: arrhenius(lives(50, False, barrier=2.0), "temperature"), "no events at temperature 0.1"),
        (
            lambda: arrhenius(GOOD.assign(event_step=GOOD.event_step.where(GOOD.temperature < 0.25, 1)), "temperature"),
            "all escape at the first check at temperature 0.25 .* leave it out",
        ),
        (lambda: arrhenius(GOOD, "temperature", time_per_step=0), "time_per_step=0; give"),
        (lambda: arrhenius(GOOD.drop_attrs(), "temperature"), "'paired'.* missing"),
        (lambda: arrhenius(GOOD, "temperature", after=-1), "after=-1"),
        (lambda: arrhenius(GOOD, "temperature", after=400), "no instance is at risk"),
        (lambda: arrhenius(GOOD.isel(instance=slice(4)), "temperature"), "4 instances"),
    ],
)
def test_what_the_sample_cannot_bear_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.slow
@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("n", [20, 50, 200])
def test_intervals_cover_ninety_five_percent(paired, n):
    found = arrhenius(lives(n, paired, seed=4, trials=2000), "temperature")
    assert 0.93 <= covers(found, "barrier", 0.5) <= 0.97
    assert 0.93 <= covers(found, "log_prefactor", np.log(2)) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(("n", "least"), [(50, 0.9), (200, 0.93)])
def test_so_they_do_where_paired_runs_are_censored_but_for_the_prefactor_of_few(n, least):
    """Half are censored at the lowest temperature, a fifth at the next."""
    found = arrhenius(lives(n, True, seed=4, trials=2000, horizon=40), "temperature")
    assert 0.93 <= covers(found, "barrier", 0.5) <= 0.97
    assert least <= covers(found, "log_prefactor", np.log(2)) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("paired", [False, True])
def test_five_percent_of_true_lines_are_called_wrong(paired):
    found = arrhenius(lives(200, paired, seed=4, trials=2000), "temperature")
    assert 0.03 <= float((found.goodness_pvalue < 0.05).mean()) <= 0.07
