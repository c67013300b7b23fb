"""Paired differences against Student's law, exact tests of SciPy and statsmodels, and what pairing is worth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from simulated_runs import covers, curves
from statsmodels.stats.descriptivestats import sign_test

import ensemble as en
from ensemble.statistics import paired_difference


def two(first, second, **given):
    """Return the dataset of two optimizers whose last value is given, the first one zero before."""
    values = np.stack([np.stack([np.zeros_like(v), v], axis=-1) for v in (first, second)])
    return curves(values, [0, 10], dims=("optimizer", "instance"), optimizer=["GD", "Adam"], **given)


@pytest.mark.parametrize("n", [10, 100, 10_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_the_mean_has_students_interval_and_the_tests_are_exact(n):
    rng = np.random.default_rng(n)
    shared = 10 * rng.normal(size=n)
    first, second = shared + rng.normal(size=n), shared + rng.normal(size=n) + 0.3
    found = paired_difference(two(first, second)).sel(optimizer="Adam")
    oracle = stats.ttest_rel(second, first)
    limits = oracle.confidence_interval()
    assert found["mean"].item() == pytest.approx((second - first).mean())
    width = limits.high - limits.low
    tolerance = {10: 0.4, 100: 0.05}.get(n, 0.01) * width  # a sample of few normals is skewed
    np.testing.assert_allclose([found.mean_lower, found.mean_upper], limits, atol=tolerance)
    assert found.sign_pvalue.item() == pytest.approx(sign_test(second - first, 0)[1])
    assert found.wilcoxon_pvalue.item() == pytest.approx(stats.wilcoxon(second, first, zero_method="pratt").pvalue)
    assert found["median"].item() == pytest.approx(np.median(second - first))
    assert found.correlation.item() == pytest.approx(np.corrcoef(first, second)[0, 1])
    reduction = (first.var() + second.var()) / (second - first).var()
    assert found.variance_reduction.item() == pytest.approx(reduction)
    assert (found.n, found.n_mean, found.better + found.worse, found.ties) == (n, n, n, 0)


def test_ties_count_for_nobody():
    first = np.arange(40.0)
    second = first + np.r_[np.zeros(30), np.full(9, 1.0), -1.0]
    found = paired_difference(two(first, second))
    assert (found.better, found.worse, found.ties) == (1, 9, 30)
    assert found.sign_pvalue.item() == pytest.approx(stats.binomtest(1, 10).pvalue)
    assert found["median"] == found.median_lower == found.median_upper == 0
    same = paired_difference(two(first, first))
    assert same["mean"] == same.mean_lower == same.mean_upper == 0
    assert (same.sign_pvalue, same.wilcoxon_pvalue, same.variance_reduction) == (1, 1, np.inf)


def test_divergence_is_worse_than_any_value():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 50))
    lost = np.full((2, 50), -1)
    lost[1, :30] = lost[0, 25:32] = 5  # 25 of Adam alone, 5 of both, 2 of GD alone
    found = paired_difference(two(first, second, diverged_step=lost))
    assert (found.n, found.n_mean) == (45, 18)
    assert np.isposinf(found["median"])
    assert found.worse >= 25
    assert found["mean"].item() == pytest.approx((second - first)[32:].mean())
    lost[1, :45] = 5
    few = paired_difference(two(first, second, diverged_step=lost))
    assert np.isnan(few["mean"])
    assert few.n_mean == 5


def test_the_same_noise_makes_small_differences_visible():
    """Two rates on a quadratic: x follows two nearly equal averages of one noise."""
    run = en.simulate(
        landscape=en.Quadratic([1.0]),
        optimizer=en.GradientDescent(lr=en.grid(0.1, 0.11, 0.2)),
        noise=en.Gaussian(sigma=1.0),
        start=en.Point(1.0),
        record=en.Record("value", at=[0, 50, 100]),
        instances=300,
        steps=100,
        backend="numpy",
        progress=False,
    )
    found = paired_difference(run, "lr")
    assert found.lr.values.tolist() == [0.11, 0.2]
    assert found.correlation[0] > 0.98
    assert found.variance_reduction[0] > 20 > found.variance_reduction[1]
    assert (found.mean_lower > 0).all()
    back = paired_difference(run, "lr", reference=0.11, step=50)
    assert back.attrs["step"] == 50
    assert back["mean"].sel(lr=0.1) < 0


GOOD = two(np.arange(20.0), np.arange(20.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paired_difference(GOOD.assign_attrs(paired=0)), r"attrs\['paired'\] is 0: instance i of one group"),
        (lambda: paired_difference(GOOD.drop_attrs()), r"attrs\['paired'\] is missing"),
        (lambda: paired_difference(GOOD, "lr"), "dim='lr' is not a configuration dimension"),
        (lambda: paired_difference(GOOD, reference="SGD"), "reference='SGD' is not in 'optimizer'"),
        (lambda: paired_difference(GOOD, step=3), "step=3 was not recorded"),
        (lambda: paired_difference(GOOD, quantity="x"), "quantity='x' was not recorded"),
        (lambda: paired_difference(GOOD.isel(instance=slice(5))), "5 instances"),
        (lambda: paired_difference(GOOD, confidence=95), "confidence=95"),
    ],
)
def test_what_the_sample_cannot_bear_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.slow
@pytest.mark.parametrize(("n", "least"), [(20, 0.93), (200, 0.93)])
def test_intervals_cover_ninety_five_percent_and_five_percent_of_nulls_are_called_different(n, least):
    """Skewed differences, exponential less exponential of twice the mean; corrected by Hall (1992)."""
    rng = np.random.default_rng(6)
    shared = 5 * rng.normal(size=(2000, n))
    draws = [rng.exponential(mean, (2000, n)) for mean in (1.0, 2.0, 1.0)]
    first, second, third = (np.stack([shared + draw] * 2, axis=-1) for draw in draws)
    names = {"dims": ("trial", "optimizer", "instance"), "optimizer": ["GD", "Adam"]}
    found = paired_difference(curves(np.stack([first, second], axis=1), [0, 10], **names))
    assert least <= covers(found, "mean", 1.0) <= 0.97
    # P(X2 - X1 > m) = (2/3) exp(-m/2) for m > 0.
    assert 0.93 <= covers(found, "median", 2 * np.log(4 / 3)) <= 0.97
    null = paired_difference(curves(np.stack([first, third], axis=1), [0, 10], **names))
    assert 0.02 <= float((null.sign_pvalue < 0.05).mean()) <= 0.06  # discrete: at most 5 %
    assert 0.035 <= float((null.wilcoxon_pvalue < 0.05).mean()) <= 0.065
