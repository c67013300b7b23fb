"""Every start that is not drawn from one stream of normals or uniforms alone, against its law; the others are in test_simulate."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.stats import qmc

import ensemble as en

SADDLE = en.QuarticSaddle(dim=4, unstable=2)


def drawn(start, landscape=SADDLE, instances=64, dtype="float64", **more):
    """The starting points (instances, dim)."""
    given = {
        "landscape": landscape,
        "optimizer": en.GradientDescent(lr=0.0),
        "noise": en.NoNoise(),
        "start": start,
        "event": en.Never(),
        "instances": instances,
        "steps": 1,
        "backend": "numpy",
        "dtype": dtype,
        "progress": False,
    }
    return en.simulate(**given | more).dataset["x"].to_numpy()


DESIGNS = [
    en.Points(np.sin(np.arange(12.0)).reshape(3, 4)),
    en.NearStationary(0.5, 0.1, along=(1.0, 0.0, 1.0, 0.0)),
    en.Sobol(-1.0, 2.0),
    en.LatinHypercube(-1.0, 2.0, points=50),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("start", DESIGNS, ids=lambda s: type(s).__name__)
def test_a_start_depends_on_the_instance_s_id_alone(start, dtype):
    whole = drawn(start, instances=120, dtype=dtype)
    assert whole.dtype == dtype
    assert np.array_equal(drawn(start, instances=40, dtype=dtype), whole[:40])
    assert np.array_equal(drawn(start, instances=7, dtype=dtype, first_instance=33), whole[33:40])


@pytest.mark.parametrize("start", DESIGNS, ids=lambda s: type(s).__name__)
def test_numpy_and_cpu_start_at_the_same_points(cpu, start):
    assert np.array_equal(drawn(start, backend="cpu", math="precise"), drawn(start))


@pytest.mark.parametrize("start", DESIGNS[1:], ids=lambda s: type(s).__name__)
def test_another_seed_or_an_unpaired_configuration_starts_elsewhere(start):
    assert not np.array_equal(drawn(start, seed=1), drawn(start, seed=2))
    rates = {"optimizer": en.GradientDescent(lr=en.grid(0.0, 1e-300))}
    paired, unpaired = drawn(start, **rates), drawn(start, **rates, paired=False)
    assert np.array_equal(paired[0], paired[1])
    assert np.array_equal(unpaired[0], paired[0])
    assert not np.isclose(unpaired[0], unpaired[1]).all()


def test_points_are_dealt_out_in_turn():
    points = np.arange(12.0).reshape(3, 4)
    assert np.array_equal(drawn(en.Points(points), instances=8), points[np.arange(8) % 3])
    assert en.Points(points) == en.Points(points.tolist())
    assert hash(en.Points(points)) == hash(en.Points(points.tolist()))
    assert en.Points(points) != en.Points(points + 1)


def test_near_stationary_is_normal_around_the_named_point(cpu):
    top = en.QuarticSaddle(dim=4, unstable=2, gamma=4.0)
    for name in (p.name for p in top.stationary_points()):
        (point, *_) = [p for p in top.stationary_points() if p.name == name]
        x = drawn(en.NearStationary.of(top, name, 0.1), top, instances=20_000, backend="cpu")
        z = (x - np.array(point.x)) / 0.1
        assert stats.kstest(z.ravel(), stats.norm.cdf).pvalue > 1e-4


def test_near_stationary_may_keep_to_the_stable_directions():
    (saddle, *_) = [p for p in SADDLE.stationary_points() if p.index == 2]
    x = drawn(en.NearStationary.of(SADDLE, saddle.name, 0.1, stable_only=True), instances=500)
    assert (x[:, :2] == 0).all()
    assert stats.kstest(x[:, 2:].ravel() / 0.1, stats.norm.cdf).pvalue > 1e-4
    whole = drawn(en.NearStationary.of(SADDLE, saddle.name, 0.1), instances=500)
    assert np.array_equal(whole[:, 2:], x[:, 2:])  # the same normals


def test_sobol_is_scipy_s_sequence_shifted_by_the_seed():
    u = drawn(en.Sobol(0.0, 1.0), instances=4096)
    words = np.floor(u * 2.0**32).astype(np.uint64)
    plain = (qmc.Sobol(4, scramble=False, bits=32).random(4096) * 2.0**32).astype(np.uint64)
    shift = words[0] ^ plain[0]
    assert np.array_equal(words ^ shift, plain)
    assert len(np.unique(shift)) == 4


def test_sobol_points_are_even_where_powers_of_two_are_asked():
    low, high = (-1.0, 0.0, 2.0, -3.0), (1.0, 5.0, 2.5, 3.0)
    x = drawn(en.Sobol(low, high), instances=256, seed=3)
    u = (x - np.array(low)) / (np.array(high) - np.array(low))
    assert ((u > 0) & (u < 1)).all()
    assert (np.sort(np.floor(u * 256).astype(int), axis=0) == np.arange(256)[:, None]).all()
    random = np.random.default_rng(0).random((256, 4))
    assert qmc.discrepancy(u) < 0.2 * qmc.discrepancy(random)


def test_a_latin_hypercube_has_one_point_in_each_slice():
    low, high = (-1.0, 0.0, 2.0, -3.0), (1.0, 5.0, 2.5, 3.0)
    x = drawn(en.LatinHypercube(low, high, points=200), instances=400)
    u = (x - np.array(low)) / (np.array(high) - np.array(low))
    assert (np.sort(np.floor(u[:200] * 200).astype(int), axis=0) == np.arange(200)[:, None]).all()
    assert np.array_equal(x[200:], x[:200])
    assert np.abs(np.corrcoef(u[:200].T) - np.eye(4)).max() < 4 / np.sqrt(200)
    within = u[:200] * 200 % 1
    assert stats.kstest(within.ravel(), stats.uniform.cdf).pvalue > 1e-4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: en.Points([1.0, 2.0]), r"points of shape \(2,\)\): give an array \(points, dim\)"),
        (lambda: drawn(en.Points([[1.0, 2.0]])), "give 4 numbers for each point"),
        (lambda: en.Sobol(1.0, 0.0), r"Sobol\(low=1.0, high=0.0\): give low <= high"),
        (lambda: en.LatinHypercube([0.0, 0.0], [1.0, 1.0, 1.0], 8), "low has 2 numbers and high 3"),
        (lambda: en.LatinHypercube(0.0, 1.0, 0), "points must be a whole number of at least 1"),
        (lambda: en.NearStationary(0.0, -1.0), "scale must be a number of at least 0"),
        (lambda: en.NearStationary(0.0, 1.0, along=-1.0), "along must be a number of at least 0"),
        (lambda: en.NearStationary.of(SADDLE, "summit", 0.1), "lists no such point, but 'saddle'"),
        (
            lambda: en.NearStationary.of(en.Rotated(SADDLE), "saddle", 0.1, stable_only=True),
            "the Hessian there is not diagonal",
        ),
    ],
)
def test_what_no_start_can_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
