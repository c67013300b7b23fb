"""Sharpness of minima and curvature of saddles against dense linear algebra and closed forms."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest
import xarray as xr
from remote import RemoteEngine

import ensemble as en
from ensemble.backends.choice import choose
from ensemble.run.field import Field
from ensemble.statistics import (
    keskar,
    largest_eigenvalue,
    log_determinant,
    sam_sharpness,
    sharpness,
    smallest_eigenvalue,
    spectrum,
    trace,
)

LANDSCAPES = {
    "diagonal": en.Quadratic((3.0, 1.0, -5.0, 0.0, 3.0)),
    "round": en.Quadratic(2.0, dim=40),
    "all down": en.Quadratic(-2.0, dim=40),
    "ill-conditioned": en.Quadratic.spectrum(60, 1e4),
    "flat": en.OnlineLinear(),
    "one coordinate": en.DoubleWell(),
    "two coordinates": en.Rosenbrock(),
    "factorization": en.MatrixFactorization.random(size=20, rank=3),
    "deep linear": en.DeepLinear(layers=3, width=4, target=np.diag([2.0, 1.5, 1.0, 0.5])),
    "beyond the iterations": en.Rosenbrock(dim=110),
}


def random_points(landscape, count=None, seed=0):
    count = count or (12 if landscape.dimension < 100 else 2)
    return np.random.default_rng(seed).normal(size=(count, landscape.dimension))


# ---- eigenvalues


@pytest.mark.parametrize("landscape", LANDSCAPES.values(), ids=LANDSCAPES)
def test_the_ends_of_the_spectrum_are_those_of_the_dense_hessian(landscape):
    x = random_points(landscape)
    dense = np.linalg.eigvalsh(np.stack([landscape.hessian(point) for point in x]))
    size = np.abs(dense).max(axis=1)
    for found, exact in ((largest_eigenvalue, dense[:, -1]), (smallest_eigenvalue, dense[:, 0])):
        estimate = found(landscape, x, iterations=100)
        assert estimate.converged.all()
        np.testing.assert_array_less(np.abs(estimate.value - exact), 1e-12 * size + 1e-300)
        np.testing.assert_array_less(estimate.error, 1e-8 * size + 1e-300)
    np.testing.assert_allclose(spectrum(landscape, x), dense, atol=1e-12 * (size.max() + 1e-300))


def test_an_eigenvalue_that_has_not_converged_is_not_given():
    landscape = en.Quadratic.spectrum(400, 1e6)
    x = random_points(landscape, 3)
    found = smallest_eigenvalue(landscape, x, iterations=20)
    assert not found.converged.any()
    assert np.isnan(found.value).all()
    assert (found.error > 1e-8).all()
    with pytest.raises(ValueError, match=r"3 of 3 eigenvalues did not converge in 20 iterations.*dim is 400"):
        smallest_eigenvalue(landscape, x, iterations=20, strict=True)


def test_what_is_found_does_not_depend_on_how_points_are_cut(monkeypatch):
    landscape = LANDSCAPES["factorization"]
    x = random_points(landscape)
    whole = largest_eigenvalue(landscape, x)
    monkeypatch.setattr("ensemble.statistics.points.HELD", 1)
    np.testing.assert_allclose(largest_eigenvalue(landscape, x).value, whole.value, rtol=1e-13)
    np.testing.assert_allclose(spectrum(landscape, x)[:, -1], whole.value, rtol=1e-12)


def test_float32_products_give_float32_eigenvalues():
    field = Field(LANDSCAPES["factorization"], choose("numpy")[0], "float32")
    x = random_points(field.landscape)
    exact = largest_eigenvalue(field.landscape, x).value
    rough = largest_eigenvalue(field, x)
    assert rough.converged.all()
    np.testing.assert_allclose(rough.value, exact, rtol=1e-5)
    assert np.abs(rough.value - exact).max() > 1e-9


def test_the_dense_hessian_is_for_small_dimensions():
    landscape = en.Quadratic(1.0, dim=600)
    with pytest.raises(ValueError, match=r"dim 600.*up to dim 512.*take largest_eigenvalue"):
        spectrum(landscape, np.zeros((1, 600)))


# ---- fields


def test_a_result_has_the_field_of_every_configuration_on_its_backend():
    run = {"start": en.NormalCloud(scale=1.0), "steps": 3, "instances": 4, "backend": "numpy"}
    swept = en.simulate(
        landscape=en.QuarticSaddle(dim=3, gamma=en.grid(1.0, 2.0)),
        optimizer=en.GradientDescent(lr=en.grid(0.1, 0.2, 0.3)),
        **run,
    )
    fields = swept.fields()
    assert [field.landscape.gamma for field in fields] == [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]
    assert fields[0] is fields[2]
    assert (fields[0].engine.name, fields[0].dtype, swept.fields("float32")[0].dtype) == ("numpy", "float64", "float32")
    x = np.random.default_rng(0).normal(size=(5, 3))
    v = np.random.default_rng(1).normal(size=(5, 3))
    landscape = fields[4].landscape
    np.testing.assert_array_equal(fields[4].values(x), landscape.value(x)[:, 0])
    np.testing.assert_array_equal(fields[4].gradients(x), landscape.gradient(x))
    np.testing.assert_array_equal(fields[4].products(x, v), landscape.hessian_product(x, v))
    np.testing.assert_array_equal(fields[4].diagonals(x), landscape.hessian_diagonal(x))


def test_everything_is_found_where_arrays_live_on_a_device():
    landscape = en.MatrixFactorization.random(size=6, rank=2)
    field, here = Field(landscape, RemoteEngine()), Field(landscape, choose("numpy")[0])
    x = random_points(landscape, 3)
    for measure in (trace, partial(trace, probes=3), keskar, sam_sharpness):
        for ours, theirs in zip(measure(field, x), measure(here, x), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    for measure in (largest_eigenvalue, smallest_eigenvalue):  # whose sums there are not those of a matrix product
        ours, theirs = measure(field, x), measure(here, x)
        for a, b in zip(ours[:3], theirs[:3], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)
        assert np.isfinite(ours.vector).all()  # of eigenvalues that come in families there are many
    np.testing.assert_array_equal(spectrum(field, x), spectrum(here, x))
    for ours, theirs in zip(
        field.descend(field.place(x), 0.01, 100, 1.0), here.descend(x, 0.01, 100, 1.0), strict=True
    ):
        np.testing.assert_array_equal(field.fetch(ours), theirs)


def test_the_compiled_backend_finds_the_same_eigenvalues(cpu):
    landscape = LANDSCAPES["factorization"]
    x = random_points(landscape, 30)
    field = Field(landscape, cpu)
    for found in (largest_eigenvalue, smallest_eigenvalue):
        np.testing.assert_allclose(found(field, x).value, found(landscape, x).value, rtol=1e-12)


# ---- trace


@pytest.mark.parametrize("name", ["diagonal", "factorization", "deep linear", "two coordinates"])
def test_the_exact_trace_is_the_sum_of_the_eigenvalues(name):
    landscape = LANDSCAPES[name]
    x = random_points(landscape)
    found = trace(landscape, x)
    np.testing.assert_allclose(found.value, spectrum(landscape, x).sum(axis=1), rtol=1e-11, atol=1e-11)
    assert not found.error.any()


def test_hutchinsons_estimate_has_the_variance_that_its_law_says():
    landscape, count, probes = LANDSCAPES["deep linear"], 4000, 4
    x = np.repeat(random_points(landscape, 1), count, axis=0)
    h = landscape.hessian(x[0])
    law = 2 * ((h**2).sum() - (np.diag(h) ** 2).sum()) / probes
    found = trace(landscape, x, probes=probes)
    away = found.value - np.trace(h)
    assert abs(away.mean()) <= 4 * np.sqrt(law / count)
    for squares in (away**2, found.error**2):
        assert abs(squares.mean() - law) <= 4 * squares.std() / np.sqrt(count)


def test_hutchinsons_estimate_of_a_diagonal_hessian_is_exact():
    found = trace(LANDSCAPES["diagonal"], np.ones((3, 5)), probes=2)
    np.testing.assert_allclose(found.value, 2.0)
    assert not found.error.any()


def test_a_landscape_that_does_not_say_its_diagonal_has_its_trace():
    class Bare(en.Quadratic):
        hessian_diagonal = en.Landscape.hessian_diagonal

    np.testing.assert_allclose(trace(Bare((1.0, 2.0, 4.0)), np.zeros((2, 3))).value, 7.0)
    np.testing.assert_allclose(
        trace(Bare(1.0, dim=600), np.zeros((2, 600))).value, 600.0
    )  # it follows from the gradient


# ---- how far f rises nearby

CURVATURES = np.array([1.0, 2.0, 5.0, 0.5, 3.0])


@pytest.mark.parametrize("epsilon", [1e-3, 5e-2])
def test_keskars_sharpness_of_a_quadratic_is_the_sum_of_its_curvatures(epsilon):
    found = keskar(en.Quadratic(CURVATURES), np.zeros((3, 5)), epsilon=epsilon)
    np.testing.assert_allclose(found.value, 100 * (CURVATURES * epsilon**2 / 2).sum(), rtol=1e-9)
    assert found.converged.all()


def test_keskars_sharpness_of_a_turned_quadratic_is_that_of_its_highest_corner():
    landscape = en.Rotated(en.Quadratic(CURVATURES))
    corners = 1e-3 * np.array(list(itertools.product((-1.0, 1.0), repeat=5)))
    highest = 100 * landscape.value(corners).max()
    np.testing.assert_allclose(keskar(landscape, np.zeros((1, 5)), starts=10).value, highest, rtol=1e-9)


def test_keskars_sharpness_is_relative_to_the_loss_above_its_floor():
    wells = en.StyblinskiTang(dim=1)
    deep = wells.stationary_points()[0]
    x = np.array([deep.x])
    half = 1e-3 * (abs(deep.x[0]) + 1)
    rise = max(wells.value(x + half), wells.value(x - half)) - deep.value
    np.testing.assert_allclose(keskar(wells, x, floor=deep.value - 2.0).value, 100 * rise[0] / 3.0, rtol=1e-6)
    with pytest.raises(ValueError, match=r"f is -39\.1662 at 1 of 1 points, below floor=0\.0.*give floor"):
        keskar(wells, x)


@pytest.mark.parametrize("landscape", [en.Quadratic(CURVATURES), en.Rotated(en.Quadratic(CURVATURES))])
def test_sam_sharpness_of_a_quadratic_is_that_of_its_largest_curvature(landscape):
    for rho in (0.05, 2.0, 1e80):
        found = sam_sharpness(landscape, np.zeros((2, 5)), rho=rho)
        np.testing.assert_allclose(found.value, rho**2 * 5.0 / 2, rtol=1e-9)
        assert found.converged.all()


def test_the_rise_in_a_ball_or_box_is_that_of_a_fine_grid():
    landscape, x = en.Himmelblau(), np.random.default_rng(4).uniform(-4, 4, (6, 2))
    side = np.linspace(-1, 1, 401)
    square = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    disc = square[(square**2).sum(axis=1) <= 1]
    ball, box = sam_sharpness(landscape, x, rho=0.5, steps=60), keskar(landscape, x, epsilon=0.2, steps=60)
    for k, point in enumerate(x):
        base = landscape.value(point[None])[0, 0]
        around = landscape.value(point + 0.5 * disc).max() - base
        inside = 100 * (landscape.value(point + 0.2 * (np.abs(point) + 1) * square).max() - base) / (1 + base)
        assert around - 1e-9 <= ball.value[k] <= around + 2e-2 * (1 + around)
        assert inside - 1e-9 <= box.value[k] <= inside * (1 + 1e-3)


# ---- volume


def test_the_log_determinant_is_that_of_dense_linear_algebra_and_needs_a_minimum():
    landscape = en.Rotated(en.Quadratic(CURVATURES))
    exact = np.linalg.slogdet(landscape.hessian(np.zeros(5)))[1]
    np.testing.assert_allclose(log_determinant(landscape, np.zeros((2, 5))).value, exact, rtol=1e-12)
    saddle = log_determinant(en.QuarticSaddle(dim=3), np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    np.testing.assert_array_equal(saddle.converged, [False, True])
    np.testing.assert_allclose(saddle.value, [np.nan, np.log(2.0)])


# ---- where an ensemble ended


def test_every_instance_has_its_sharpness_and_the_diverged_have_none():
    result = en.simulate(
        landscape=en.Quadratic(en.grid((1.0, 3.0), (2.0, 30.0))),
        optimizer=en.GradientDescent(lr=en.grid(0.05, 0.1)),
        start=en.NormalCloud(scale=1.0),
        steps=300,
        instances=5,
        backend="numpy",
    )
    found = sharpness(result, measures=["largest_eigenvalue", "trace", "log_determinant"])
    assert found.largest_eigenvalue.dims == ("curvature", "lr", "instance")
    diverged = result.dataset.status.values == 2
    assert diverged[1, 1].all()
    assert diverged.sum() == 5
    np.testing.assert_array_equal(np.isnan(found.largest_eigenvalue), diverged)
    np.testing.assert_array_equal(found.trace_converged, ~diverged)
    np.testing.assert_allclose(found.largest_eigenvalue[0], 3.0)
    np.testing.assert_allclose(found.trace[1, 0], 32.0)
    np.testing.assert_allclose(found.log_determinant[0], np.log(3.0))
    x = result.dataset.x.values[0, 0].astype(np.float64)
    np.testing.assert_allclose(found.final_value[0, 0], (x**2 @ [1.0, 3.0]) / 2)
    assert found.largest_eigenvalue.attrs["units"] == "units of f per unit of x squared"


def test_a_measure_of_ones_own_is_a_function_of_the_field_and_the_points():
    result = en.simulate(
        landscape=en.Quadratic((1.0, 3.0)),
        optimizer=en.GradientDescent(lr=0.3),
        start=en.NormalCloud(scale=1.0),
        steps=200,
        instances=4,
        backend="numpy",
    )
    own = {"sam": partial(sam_sharpness, rho=0.1), "first": lambda field, x: x[:, 0]}
    found = sharpness(result, measures=own)
    np.testing.assert_allclose(found.sam, 0.1**2 * 3.0 / 2)
    np.testing.assert_array_equal(found["first"], result.dataset.x[:, 0])
    with pytest.raises(ValueError, match=r"'bad' gave shape \(\); give \(4,\)"):
        sharpness(result, measures={"bad": lambda field, x: 1.0})


def test_optimizers_that_are_compared_and_results_that_are_loaded_have_their_sharpness(tmp_path):
    run = {"landscape": LANDSCAPES["factorization"], "start": en.NormalCloud(scale=1.0), "steps": 5, "instances": 4}
    rules = {"slow": en.GradientDescent(lr=en.grid(0.001, 0.01)), "fast": en.HeavyBall(lr=0.02)}
    result = en.compare(rules, **run, backend="numpy")
    found = sharpness(result)
    assert found.trace.dims == ("configuration", "instance")
    assert found.optimizer.values.tolist() == ["slow", "slow", "fast"]
    field = result.fields()[0]
    for c in range(3):
        exact = spectrum(field, result.dataset.x[c])
        np.testing.assert_allclose(found.trace[c], exact.sum(axis=1))
        np.testing.assert_allclose(found.largest_eigenvalue[c], exact[:, -1])
    xr.testing.assert_identical(sharpness(en.load(result.save(tmp_path / "run.nc"))), found)
    found.to_netcdf(tmp_path / "found.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "found.nc", engine="h5netcdf") as back:
        xr.testing.assert_equal(back, found)


def test_the_eigenvector_is_the_direction_in_which_a_saddle_is_left():
    landscape = en.QuarticSaddle(dim=6, unstable=1, gamma=2.0)
    x = np.zeros((3, 6))
    found = smallest_eigenvalue(landscape, x)
    np.testing.assert_allclose(found.vector, np.tile(np.eye(6)[0], (3, 1)), atol=1e-12)
    rotated = en.Rotated(en.Quadratic([-3.0, 1.0, 2.0, 5.0]))
    lowest, highest = (f(rotated, np.zeros((1, 4))) for f in (smallest_eigenvalue, largest_eigenvalue))
    for pair, value in ((lowest, -3.0), (highest, 5.0)):
        assert pair.value[0] == pytest.approx(value)
        np.testing.assert_allclose(rotated.hessian(np.zeros(4)) @ pair.vector[0], value * pair.vector[0], atol=1e-10)
        assert np.linalg.norm(pair.vector[0]) == pytest.approx(1.0)
