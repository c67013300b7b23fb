"""How many ways lead down: indices against what landscapes declare, index against loss, second-order stationarity."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from simulated_runs import covers

import ensemble as en
from ensemble.statistics import index_against_loss, quench, saddle_index, second_order_stationarity


def at(landscape, points, **changes):
    """Return a result whose instances are at the listed points."""
    given = {
        "landscape": landscape,
        "optimizer": en.GradientDescent(lr=1e-300),
        "start": en.Points(np.asarray(points)),
        "steps": 1,
        "instances": len(points),
        "backend": "numpy",
        "dtype": "float64",
    }
    return en.simulate(**given | changes)


# ---- index


@pytest.mark.parametrize(
    "landscape",
    [
        en.StyblinskiTang(dim=3),
        en.Himmelblau(),
        en.QuarticSaddle(dim=4, unstable=2),
        en.MatrixFactorization.random(size=6, rank=3, true_rank=2),
        en.Rotated(en.Quadratic((1.0, -2.0, -3.0, 4.0))),
    ],
    ids=lambda landscape: type(landscape).__name__,
)
def test_stationary_points_have_the_index_that_is_declared(landscape):
    declared = landscape.stationary_points()
    found = saddle_index(at(landscape, [point.x for point in declared]))
    assert found.saddle_index.values.tolist() == [point.index for point in declared]
    np.testing.assert_allclose(found.final_value, [point.value for point in declared], atol=1e-12)
    assert found.gradient_norm.max() < 1e-9


def test_directions_without_curvature_are_flat_and_not_down():
    # U U^T = M: turning U changes nothing, so rank (rank-1)/2 directions are flat at a minimum of full rank
    landscape = en.MatrixFactorization.random(size=6, rank=3)
    found = saddle_index(at(landscape, [landscape.stationary_points()[-1].x]))
    assert (found.saddle_index.item(), found.flat_directions.item()) == (0, 3)


def test_where_an_instance_diverged_there_is_no_index():
    found = saddle_index(at(en.QuarticSaddle(dim=2), [[0.0, 0.0], [1e7, 0.0]], optimizer=en.GradientDescent(lr=0.1)))
    assert found.saddle_index.values.tolist() == [1, -1]
    assert np.isnan(found.smallest_eigenvalue[1])
    with pytest.raises(ValueError, match="every instance diverged"):
        saddle_index(at(en.QuarticSaddle(dim=2), [[1e7, 0.0]], optimizer=en.GradientDescent(lr=0.1)))


# ---- index against loss


def indices(index, value, dim=10):
    """Return what saddle_index would for instances of this index and value."""
    return xr.Dataset({"saddle_index": ("instance", index), "final_value": ("instance", value)}, attrs={"dim": dim})


def test_means_are_scipys_and_their_intervals_halls():
    rng = np.random.default_rng(0)
    value = rng.normal(size=3000)
    index = rng.binomial(10, stats.norm.cdf(value))
    found = index_against_loss(indices(index, value), bins=np.linspace(-2, 2, 9))
    inside = np.abs(value) <= 2
    edges = np.append(found.bin_lower, found.bin_upper[-1])
    mean = stats.binned_statistic(value[inside], index[inside] / 10, "mean", edges).statistic
    np.testing.assert_allclose(found.fraction, mean)
    assert found["count"].sum() == inside.sum()
    for k in range(8):
        here = index[(value >= edges[k]) & (value < edges[k + 1])] / 10
        limits = np.array([found.fraction_lower[k], found.fraction_upper[k]])
        T, g = (here.mean() - limits) / here.std(ddof=1), stats.skew(here)
        cubic = T + g * T**2 / 3 + g**2 * T**3 / 27 + g / (6 * here.size)  # Hall 1992
        inside_unit = (limits > 0) & (limits < 1)
        q = stats.t.ppf(0.975, here.size - 1) * np.array([1, -1]) / np.sqrt(here.size)
        np.testing.assert_allclose(cubic[inside_unit], q[inside_unit])
        oracle = stats.binomtest(int((here == 0).sum()), here.size).proportion_ci(method="wilson")
        np.testing.assert_allclose(
            [found.minima_lower[k], found.minima_upper[k]], [oracle.low, oracle.high], atol=1e-12
        )


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 20, 200])
@pytest.mark.parametrize("dim", [10, 100])
def test_intervals_cover_ninety_five_percent(n, dim):
    """2,000 data sets of three bins, n instances in each, whose directions lead down by chance."""
    down = np.repeat([0.1, 0.2, 0.5], n)
    index = np.random.default_rng(5).binomial(dim, down, (2000, 3 * n))
    value = np.broadcast_to(np.repeat([0.5, 1.5, 2.5], n), index.shape)
    dims = ("trial", "instance")
    data = xr.Dataset({"saddle_index": (dims, index), "final_value": (dims, value)}, attrs={"dim": dim})
    found = index_against_loss(data, bins=[0.0, 1.0, 2.0, 3.0])
    assert (found["count"] == n).all()
    for k in range(3):
        assert 0.93 <= covers(found.isel(bin=k), "fraction", down[k * n]) <= 0.97


@pytest.mark.slow
def test_intervals_of_the_share_of_minima_cover_ninety_five_percent_on_average():
    """Of a share Wilson's coverage swings with the share and n: 2,000 data sets, each with its own."""
    rng = np.random.default_rng(6)
    share = rng.uniform(0.05, 0.95, (2000, 1))
    index = np.where(rng.random((2000, 20)) < share, 0, 3)
    dims = ("trial", "instance")
    data = xr.Dataset({"saddle_index": (dims, index), "final_value": (dims, 1.0 * index)}, attrs={"dim": 10})
    found = index_against_loss(data, bins=[-1.0, 4.0]).isel(bin=0)
    assert 0.93 <= covers(found, "minima", xr.DataArray(share[:, 0], dims="trial")) <= 0.97


def test_few_or_equal_indices_have_an_interval_that_is_not_a_point():
    found = index_against_loss(indices([0] * 30 + [3, 5], [0.0] * 30 + [1.0, 1.0]), bins=[0.0, 0.5, 0.9, 1.0])
    np.testing.assert_allclose(found.fraction, [0.0, np.nan, 0.4])
    assert found.fraction_upper[0] == pytest.approx(stats.binomtest(0, 30).proportion_ci(method="wilson").high)
    assert found.fraction_upper[2] - found.fraction_lower[2] > 0.5
    assert np.isnan(found.minima_lower[1])
    assert found["count"].values.tolist() == [30, 0, 2]


def test_every_instance_is_in_a_bin_where_bins_are_counted():
    for value in (np.arange(50.0), np.zeros(50), np.full(50, -3.0)):
        assert index_against_loss(indices([1] * 50, value), bins=7)["count"].sum() == 50
    assert index_against_loss(indices([1] * 49 + [-1], [0.0] * 49 + [np.nan]))["count"].sum() == 49


def test_saddles_of_high_loss_lead_down_in_more_ways():
    declared = en.StyblinskiTang(dim=4).stationary_points()
    found = index_against_loss(saddle_index(at(en.StyblinskiTang(dim=4), [point.x for point in declared])), bins=4)
    assert found["count"].sum() == 81
    assert (np.diff(found.fraction) > 0).all()
    assert found.minima[0] > found.minima[1] > found.minima[3] == 0


# ---- second-order stationarity


def test_every_instance_has_one_outcome():
    points = [[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.5, 0.5], [1e7, 0.0]]
    result = at(en.QuarticSaddle(dim=2), points, optimizer=en.GradientDescent(lr=0.1))
    found = second_order_stationarity(result, gradient_tolerance=1e-3, curvature_tolerance=0.1)
    counts = dict(zip(found.outcome.values.tolist(), found["count"].values.tolist(), strict=True))
    assert counts == {"second-order": 2, "saddle": 1, "moving": 1, "unknown": 0, "diverged": 1}
    oracle = stats.binomtest(2, 5).proportion_ci(method="wilson")
    np.testing.assert_allclose([found.lower[0], found.upper[0]], [oracle.low, oracle.high])
    lenient = second_order_stationarity(result, gradient_tolerance=1e-3, curvature_tolerance=1.0)
    assert lenient["count"].sel(outcome="second-order") == 3


def test_what_lanczos_cannot_tell_is_called_unknown():
    landscape = en.Quadratic.spectrum(400, 1e9)
    found = second_order_stationarity(
        at(landscape, np.zeros((2, 400))), gradient_tolerance=0.1, curvature_tolerance=0.1
    )
    assert found["count"].sel(outcome="unknown") == 2


def test_descent_from_almost_every_start_ends_at_no_saddle():
    result = en.simulate(
        landscape=en.QuarticSaddle(dim=2),
        optimizer=en.GradientDescent(lr=0.1),
        start=en.NormalCloud(scale=1.0),
        steps=1,
        instances=2000,
        backend="numpy",
    )
    ended = quench(result, lr=0.1)
    found = second_order_stationarity(ended, gradient_tolerance=1e-5, curvature_tolerance=1e-3)
    assert found.share.sel(outcome="second-order") == 1.0
    right = int((ended.dataset.x[:, 0] > 0).sum())
    assert abs(right - 1000) <= 4 * np.sqrt(2000 / 4)
