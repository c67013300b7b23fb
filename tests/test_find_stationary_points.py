"""find_stationary_points against the points that landscapes list in closed form, and counts from the literature."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from parts import example, kinds

import ensemble as en

ALL_OF_THEM = {
    "Himmelblau": (en.Himmelblau(), (-6.0, 6.0), {0: 4, 1: 4, 2: 1}),  # Himmelblau (1972)
    "QuarticSaddle": (en.QuarticSaddle(dim=4, unstable=3), (-2.0, 2.0), {0: 8, 1: 12, 2: 6, 3: 1}),
    "StyblinskiTang": (en.StyblinskiTang(dim=3), (-5.0, 5.0), {0: 8, 1: 12, 2: 6, 3: 1}),
    "Rosenbrock": (en.Rosenbrock(dim=4), (-2.0, 2.0), {0: 2, 1: 1}),  # Kok and Sandrock (2009): a second minimum
    "DoubleWell": (en.DoubleWell(dim=3), (-2.0, 2.0), {0: 2, 1: 1}),
    "Rastrigin": (en.Rastrigin(dim=2), (-1.6, 1.6), {0: 9, 1: 24, 2: 16}),
}


@pytest.mark.parametrize("name", ALL_OF_THEM)
def test_all_of_them_are_found_each_once(name):
    landscape, box, wanted = ALL_OF_THEM[name]
    found = en.find_stationary_points(landscape, box, starts=1024, backend="numpy")
    assert Counter(p.index for p in found) == wanted
    assert len({p.name for p in found}) == len(found)
    assert (np.diff([p.value for p in found]) > -1e-9).all()
    for p in found:
        assert np.abs(landscape.gradient(np.array([p.x]))).max() < 1e-8
        np.testing.assert_allclose(p.curvatures, np.linalg.eigvalsh(landscape.hessian(p.x)), rtol=1e-9, atol=1e-9)
        assert landscape.value(np.array([p.x]))[0, 0] == pytest.approx(p.value, abs=1e-12)


def test_the_second_minimum_of_rosenbrock_is_where_it_was_published():
    found = en.find_stationary_points(en.Rosenbrock(dim=4), (-2.0, 2.0), starts=256, backend="numpy")
    second = next(p for p in found if p.name == "minimum 2")
    np.testing.assert_allclose(second.x, (-0.77565923, 0.61309337, 0.38206284, 0.14597160), atol=1e-6)
    assert second.value == pytest.approx(3.70142861, abs=1e-7)


@pytest.mark.parametrize("kind", list(kinds("landscape")), ids=lambda k: k.__name__)
def test_listed_points_that_are_isolated_are_found(kind):
    landscape = example(kind, 2)
    listed = [p for p in landscape.stationary_points() if p.curvatures and min(map(abs, p.curvatures)) > 1e-6]
    if landscape.dimension > 8 or not listed:
        return  # nothing is promised of a landscape that lists none, or whose points come in families
    around = np.array([p.x for p in listed])
    starts = np.concatenate([around + 0.01 * np.random.default_rng(k).normal(size=around.shape) for k in range(4)])
    low, high = starts.min(axis=0) - 0.5, starts.max(axis=0) + 0.5
    found = np.array([p.x for p in en.find_stationary_points(landscape, (low, high), starts=starts, backend="numpy")])
    for p in listed:
        assert len(found), p.name
        assert np.abs(found - np.array(p.x)).max(axis=1).min() < 1e-6, p.name


def test_a_point_with_lower_values_beside_it_is_no_minimum():
    found = en.find_stationary_points(en.MonkeySaddle(), starts=128, backend="numpy")
    assert [p.name for p in found if "saddle" in p.name] == ["degenerate saddle 1"]
    assert [p.name for p in found if "minimum" in p.name] == ["minimum 1", "minimum 2", "minimum 3"]


@pytest.mark.parametrize(
    ("a", "names"), [(2.0, {"minimum 1"}), (0.5, {"minimum 1", "minimum 2", "degenerate saddle 1"})]
)
def test_a_degenerate_point_is_reported_once(a, names):
    """x^4 - 3 x^2 y + y^2 + a (x^2 + y^2)^2: along y = 3/2 x^2 it is (a - 5/4) x^4 + ..., without curvature at 0."""

    @en.landscape(dim=2)
    def valley(x, y, a=1.0):
        return x**4 - 3 * x**2 * y + y**2 + a * (x**2 + y**2) ** 2

    found = en.find_stationary_points(valley(a=a), (-2.0, 2.0), starts=256, backend="numpy")
    assert {p.name for p in found} == names


def test_events_starts_and_statistics_take_what_was_found():
    landscape = en.Himmelblau()
    found = en.find_stationary_points(landscape, starts=512, backend="numpy")
    assert en.NearMinimum.of(landscape, 0.1, points=found).wells == 4
    result = en.simulate(
        landscape=landscape,
        optimizer=en.GradientDescent(0.01),
        start=en.NearStationary.of(landscape, "saddle 1 of index 1", 0.1, points=found),
        event=en.NearMinimum.of(landscape, 0.01, points=found),
        instances=64,
        steps=2000,
        backend="numpy",
        progress=False,
    )
    nearest = en.statistics.nearest_minimum(result, tolerance=0.1, points=found)
    assert set(np.unique(nearest["minimum"])) <= {0, 1, 2, 3}
    names = nearest["stationary_name"].to_numpy()
    labels = result.dataset["event"].to_numpy()
    assert (names[nearest["minimum"].to_numpy()] == np.char.add("minimum ", labels.astype(str))).all()


def test_the_same_points_on_every_backend(cpu):
    found = [en.find_stationary_points(en.Himmelblau(), starts=128, backend=backend) for backend in ("numpy", "cpu")]
    assert found[0] == found[1]


def test_points_that_are_none_are_told():
    with pytest.raises(ValueError, match="give what find_stationary_points returns, points of 2 coordinates"):
        en.NearMinimum.of(en.Himmelblau(), 0.1, points=[(1.0, 2.0)])
