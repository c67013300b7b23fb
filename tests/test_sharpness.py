"""Sharpness of minima and curvature of saddles against dense linear algebra and closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import ensemble as en
from ensemble.backends.choice import choose
from ensemble.field import Field
from ensemble.statistics import largest_eigenvalue, smallest_eigenvalue, spectrum

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
    "beyond the iterations": en.Rosenbrock(dim=220),
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
        estimate = found(landscape, x)
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


def test_the_compiled_backend_finds_the_same_eigenvalues(cpu):
    landscape = LANDSCAPES["factorization"]
    x = random_points(landscape, 30)
    field = Field(landscape, cpu)
    for found in (largest_eigenvalue, smallest_eigenvalue):
        np.testing.assert_allclose(found(field, x).value, found(landscape, x).value, rtol=1e-12)
