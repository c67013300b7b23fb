"""Lengths whose squares overflow or vanish, and directions of draws that are zero: right in every format and on every backend."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
from device_runs import differences, program, run
from emulated import COMPILERS, EmulatedEngine
from parts import kinds

import ensemble as en
from ensemble.arithmetic import vec
from ensemble.arithmetic.random import Stream
from ensemble.backends.numpy import NumpyEngine, seen_by_kernel

BACKENDS = ["numpy", "cpu"]
needs_compiler = pytest.mark.skipif(not COMPILERS, reason="no C++ compiler on PATH")


def simulated(backend, **changes):
    given = {
        "landscape": en.Rosenbrock(),
        "optimizer": en.GradientDescent(lr=0.0),
        "noise": en.NoNoise(),
        "start": en.Point([1e6, 0.0]),
        "event": en.Never(),
        "instances": 3,
        "steps": 1,
        "backend": backend,
        "dtype": "float32",
        "math": "precise",
        "progress": False,
    }
    return en.simulate(**given | changes).dataset


# ---- the primitive


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_length_is_right_at_every_size(dtype):
    form, rng = np.finfo(dtype), np.random.default_rng(0)
    for exponent in range(form.minexp, form.maxexp - 3):
        v = (rng.uniform(0.5, 1.0, (4, 7)) * 2.0**exponent).astype(dtype)
        exact = np.array([math.hypot(*row) for row in v.astype(float)])
        assert np.abs(vec.length(v)[:, 0] / exact - 1).max() < 4 * form.eps
        assert np.array_equal(vec.lengths(v), vec.length(v))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rescaling_changes_no_bit_of_a_length(dtype):
    v = np.random.default_rng(1).normal(size=(50, 9)).astype(dtype)
    usual = np.sqrt(vec.dot(v, v))
    for exponent in (-100, -60, 0, 50, 100) if dtype == "float32" else (-900, -500, 0, 400, 1000):
        scale = np.dtype(dtype).type(2.0) ** exponent
        assert np.array_equal(vec.length(v * scale), usual * scale)


def test_lengths_of_what_is_no_number_or_nothing():
    v = np.array([[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0], [-0.0, 3.0]], dtype=np.float32)
    for found in (vec.length(v), vec.lengths(v)):
        np.testing.assert_array_equal(found[:, 0], [0.0, np.nan, np.inf, 3.0])


# ---- what takes lengths


@pytest.mark.parametrize("backend", BACKENDS)
def test_clipping_and_records_hold_where_squares_overflow(cpu, backend):
    """|grad| of Rosenbrock's function at (1e6, 0) is 4e20, whose square is beyond float32."""
    found = simulated(
        backend,
        optimizer=en.Clip(en.GradientDescent(1.0), 1.0),
        steps=100,
        record=en.Record(["gradient_norm", "distance"], at=[0, 100]),
    )
    assert (found["status"] == 0).all()
    assert found["x"][0].values == pytest.approx([999_900.0, 0.0], abs=1e-3)
    assert found["gradient_norm"][0].values == pytest.approx([4e20, 4 * 999_900.0**3 * 100], rel=1e-5)
    assert found["distance"][0].values == pytest.approx([1e6, 999_900.0], rel=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_distances_and_clips_hold_where_squares_vanish(cpu, backend):
    start, flat = en.Point([3e-30, 4e-30]), en.Quadratic(1.0, dim=2)
    record = en.Record(["gradient_norm", "distance"], at=[0, 1])
    found = simulated(backend, landscape=flat, start=start, record=record)
    assert found["distance"].values == pytest.approx(5e-30, rel=1e-6)
    assert found["gradient_norm"].values == pytest.approx(5e-30, rel=1e-6)
    clipped = simulated(backend, landscape=flat, start=start, optimizer=en.Clip(en.GradientDescent(1.0), 1e-30))
    assert clipped["x"][0].values == pytest.approx([2.4e-30, 3.2e-30], rel=1e-6)
    worst = simulated(backend, landscape=flat, start=start, optimizer=en.SAM(en.GradientDescent(1.0), 0.5))
    assert worst["x"][0].values == pytest.approx([-0.3, -0.4], rel=1e-6)  # the gradient there is the point itself


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("radius", [0.0, 1e-30, 1e-24, 1e-12, 1.0, 1e16])
def test_events_compare_lengths_with_radii_of_every_size(cpu, backend, radius):
    """Inside and outside of a radius, told apart by a hundredth of it."""
    for share in (0.99, 1.01):
        size = share * radius if radius else (share > 1) * 1e-35
        given = {"landscape": en.Quadratic(1.0, dim=2), "start": en.Point([0.6 * size, 0.8 * size])}
        events = {"below": en.GradientBelow(radius), "flat": en.SecondOrderStationary(radius, 0.0)}
        if radius:
            events |= {"left": en.LeftBall(radius), "near": en.NearMinimum([[0.0, 0.0]], radius)}
        for name, event in events.items():
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("warnings.warn", lambda *_, **__: None)  # starts inside are what is asked here
                hit = simulated(backend, **given, event=event)["event"].values
            assert (hit == ((share > 1) == (name == "left"))).all(), (name, share)


@pytest.mark.parametrize("backend", BACKENDS)
def test_perturbed_descent_compares_gradients_of_every_size(cpu, backend):
    for g_thres, start in ((1e-30, 0.5e-30), (1e-30, 2e-30), (1e20, 0.5e18)):
        kick = en.PerturbedGD(lr=0.0, radius=1e17, g_thres=g_thres, t_thres=10)
        x = simulated(backend, landscape=en.Quadratic(1.0, dim=2), start=en.Point(start), optimizer=kick)["x"]
        assert (np.abs(x - np.float32(start)).max() > 0) == (start * math.sqrt(2) <= g_thres)


@needs_compiler
@pytest.mark.parametrize(
    ("wrapper", "dtype"),
    [
        (en.Clip, "float32"),
        (en.SAM, "float64"),
        *(pytest.param(*rest, marks=pytest.mark.slow) for rest in [(en.Clip, "float64"), (en.SAM, "float32")]),
    ],
)
def test_lanes_of_a_device_take_the_same_lengths(wrapper, dtype):
    """Instances whose gradients are ordinary, vanish when squared, and overflow, side by side in a warp."""
    size = 1e-30 if dtype == "float32" else 1e-200
    p = program(en.Quadratic(1.0, dim=10), wrapper(en.GradientDescent(0.1)), dtype=dtype, noise=en.NoNoise())
    some = run(NumpyEngine(), p, 1)
    for scale in (size, 1.0, 1e17):
        states = []
        for engine in (NumpyEngine(), EmulatedEngine(2)):
            state = engine.new_state(p)
            state.x[:] = some.x * p.dtype.type(scale) ** (np.arange(p.rows) % 2)[:, None]
            engine.advance(p, state, np.arange(p.rows, dtype=np.int32), 1, 6)
            states.append(state)
        assert not differences(*states)
        assert np.isfinite(states[0].x).all()


# ---- directions


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_normal_draw_of_zero_gives_a_point_on_the_sphere(cpu, backend):
    """Both coordinates of these instances are 0 in float32: the uniform behind their radius rounds to 1."""
    for instance in (10_000_704, 93_730_743):
        for start, radius in ((en.Sphere(1.0), 1.0), (en.Sphere(3.0, center=5.0), 3.0)):
            given = {"start": start, "landscape": en.QuarticSaddle(dim=2), "first_instance": instance, "instances": 2}
            x = simulated(backend, **given)["x"].values
            center = 5.0 if radius > 1 else 0.0
            assert np.hypot(*(x - center).T) == pytest.approx(radius, rel=1e-6)
        ball = simulated(backend, **given | {"start": en.Ball(2.0)})["x"].values
        assert (np.hypot(*ball.T) <= 2.0).all()


KICKED = {"dim": 2, "first_instance": 1_799_789, "step": 12}


@pytest.mark.slow
@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_perturbation_drawn_as_zero_is_finite(cpu, backend, dim):
    """Instance 1,799,789 draws 0 in step 12 of two dimensions, in steps 24 and 25 of one."""
    given = {
        "landscape": en.Quadratic(0.0, dim=dim),
        "optimizer": en.PerturbedGD(lr=0.1, radius=0.25, g_thres=1.0, t_thres=0),
        "start": en.Point(0.0),
        "first_instance": 1_799_789,
        "steps": 25,
        "record": en.Record("x", at=range(26)),
    }
    found = simulated(backend, **given)
    assert (found["status"] == 0).all()
    steps = np.diff(found["path"].values, axis=1)
    assert (np.sqrt((steps**2).sum(axis=-1)) <= 0.25 * (1 + 1e-5)).all()
    assert (np.abs(steps[0, {1: 24, 2: 11}[dim]]) > 0).all()


@needs_compiler
def test_lanes_of_a_device_perturb_alike_where_the_draw_is_zero():
    kick = en.PerturbedGD(lr=0.1, radius=0.25, g_thres=1.0, t_thres=0)
    p = program(en.Quadratic(0.0, dim=2), kick, noise=en.NoNoise(), dtype="float32", first_instance=1_799_789)
    p = dataclasses.replace(p, seed=0, instances=3)
    assert not differences(run(EmulatedEngine(1), p, 14), run(NumpyEngine(), p, 14))


def test_directions_of_zeros_are_those_of_their_signs():
    zeros = np.array([[0.0, -0.0], [-0.0, -0.0], [3.0, 4.0]], dtype=np.float32)
    half = math.sqrt(0.5)
    expected = [[half, -half], [-half, -half], [0.6, 0.8]]
    v, size = vec.direction(zeros)
    np.testing.assert_allclose(v / size, expected, rtol=1e-6)
    np.testing.assert_allclose(vec.directions(zeros), expected, rtol=1e-6)
    assert vec.directions(np.array([[0.0], [-0.0]], dtype=np.float32)).ravel().tolist() == [1.0, -1.0]


# ---- draws

EDGES = np.array(
    sorted({w + k & 0xFFFFFFFF for w in (0, 1 << 31, 1 << 30, 3 << 30, 1 << 32) for k in range(-130, 130)}),
    dtype=np.uint32,
)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_word_makes_a_noise_that_is_no_number(dtype):
    """Every pair of words at the ends of uniforms and angles, for laws from the heaviest tail to the lightest."""
    first, second = (a.reshape(-1, 4) for a in np.meshgrid(EDGES, EDGES))
    words = {Stream.NOISE: first, Stream.NOISE_SECOND: second}
    now = SimpleNamespace(random=SimpleNamespace(words=words.__getitem__))
    laws = [en.StudentT(df, 1e-3) for df in (0.05, 0.1, 0.3, 1.0, 2.5, 30.0, 1e6)]
    laws += [en.AlphaStable(alpha, 1e-3) for alpha in (0.05, 0.1, 0.3, 0.8, 1.0, 1.3, 1.99, 2.0)]
    laws += [kind(0.5) for kind in kinds("noise") if kind is en.Rademacher]
    x = np.zeros(first.shape, dtype=dtype)
    with np.errstate(all="ignore"):
        for law in laws:
            assert np.isfinite(
                seen_by_kernel([law], None, x.dtype, 4).apply(x, x, en.Quadratic(1.0, dim=4), now)
            ).all(), law
