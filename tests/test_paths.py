"""Paths of least energy between minima: barriers that are known in closed form or were published."""

from __future__ import annotations

import numpy as np
import pytest

import ensemble as en

MINIMA = ((-0.558224, 1.441726), (0.623499, 0.028038))


@en.landscape(dim=2)
def muller_brown(x, y):
    """Mueller and Brown (1979), doi:10.1007/BF00547608."""
    rows = (
        (-200, -1, 0, -10, 1, 0),
        (-100, -1, 0, -10, 0, 0.5),
        (-170, -6.5, 11, -6.5, -0.5, 1.5),
        (15, 0.7, 0.6, 0.7, -1, 1),
    )
    return sum(A * np.exp(a * (x - p) ** 2 + b * (x - p) * (y - q) + c * (y - q) ** 2) for A, a, b, c, p, q in rows)


def test_the_barrier_of_a_double_well_is_found_from_a_bent_start():
    path = en.path_between(
        (-1.0, 0.0, 0.0), (1.0, 0.0, 0.0), en.DoubleWell(dim=3), through=(0.3, 1.0, -1.0), backend="numpy"
    )
    assert path.converged
    assert path.barrier == pytest.approx(0.25, abs=1e-12)
    assert path.barrier_back == pytest.approx(0.25, abs=1e-12)
    assert path.length == pytest.approx(2.0, abs=1e-3)
    np.testing.assert_allclose(path.saddle.x, 0.0, atol=1e-9)
    assert path.saddle.index == 1
    np.testing.assert_allclose(np.sqrt((np.diff(path.x, axis=0) ** 2).sum(axis=1)), path.length / 32, rtol=1e-2)


def test_a_bent_path_over_two_saddles_has_its_published_barrier():
    path = en.path_between(*MINIMA, muller_brown(), backend="numpy")
    assert path.converged
    assert path.saddle.value == pytest.approx(-40.6648, abs=1e-3)
    np.testing.assert_allclose(path.saddle.x, (-0.822, 0.624), atol=1e-3)
    assert path.barrier == pytest.approx(-40.6648 + 146.6995, abs=1e-3)
    assert path.slope < 0.05
    assert len(path.x) == len(path.value) == 33


def test_a_path_on_a_sphere_stays_there():
    glass = en.SphericalPSpin(4, disorder_seed=2)
    minima = [p for p in en.find_stationary_points(glass, starts=512, backend="numpy") if p.index == 0]
    path = en.path_between(minima[0], minima[1], glass, backend="numpy")
    np.testing.assert_allclose((path.x**2).sum(axis=1), 4.0, rtol=1e-12)
    assert path.barrier > 0
    assert path.saddle.index == 1
    assert path.barrier - path.barrier_back == pytest.approx(minima[1].value - minima[0].value)


def test_a_path_downhill_all_the_way_has_no_saddle():
    path = en.path_between((1.0, 1.0), (0.0, 0.0), en.Quadratic([1.0, 2.0]), images=9, steps=200, backend="numpy")
    assert path.barrier == 0.0
    assert path.barrier_back == pytest.approx(1.5)
    assert path.saddle is None
