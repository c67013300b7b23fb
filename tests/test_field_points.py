"""Points given to a field: what a kernel would read beyond its end is converted, or refused in one line."""

import numpy as np
import pytest
from conftest import HAS_COMPILER

import ensemble as en

BACKENDS = ["numpy", *(["cpu"] if HAS_COMPILER else [])]


@pytest.fixture(scope="module", params=BACKENDS)
def field(request):
    return en.simulate(
        landscape=en.Quadratic([1.0, 2.0, 4.0]),
        optimizer=en.GradientDescent(0.1),
        start=en.Point(1.0),
        instances=2,
        steps=1,
        backend=request.param,
    ).fields()[0]


def test_points_of_another_dtype_or_order_are_converted(field):
    """Half as many bytes as the kernel reads: 40,000 points of float32 for a field in float64."""
    x = np.random.default_rng(0).normal(size=(40_000, 3)).astype(np.float32)
    exact = x.astype(np.float64) * [1.0, 2.0, 4.0]
    for given in (x, x.astype(np.float64), np.asfortranarray(x), x.astype(np.float64)[::-1][::-1]):
        np.testing.assert_allclose(field.gradients(given), exact, rtol=1e-15)
        np.testing.assert_allclose(field.products(given, x), exact, rtol=1e-15)
    np.testing.assert_allclose(field.values([[1, 1, 1]]), 3.5, rtol=1e-15)
    np.testing.assert_allclose(field.gradients(np.ones((2, 3), dtype=int)), [[1, 2, 4]] * 2, rtol=1e-15)


@pytest.mark.parametrize("shape", [(3,), (4, 2), (4, 3, 1), ()])
def test_points_of_another_shape_are_refused(field, shape):
    for call in (field.values, field.gradients, field.gradient_norms):
        with pytest.raises(ValueError, match=r"^x of shape .* was given; give an array \(points, 3\)\.$"):
            call(np.zeros(shape))
    with pytest.raises(ValueError, match=r"^v of shape"):
        field.products(np.zeros((4, 3)), np.zeros(shape))
