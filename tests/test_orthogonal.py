"""Muon against singular values and polar factors that SciPy finds, and the laws of its paths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from counting import Counted
from cubin import compile_cubin, report
from device_runs import ends_on_numpy_and_cpu, program
from scipy.linalg import polar

import ensemble as en
from ensemble.backends import sources

LR = 0.05
EXACT = (1.5, -0.5, 0.0)
"""Newton and Schulz's own coefficients, which lead every singular value to 1."""
SHAPES = [(7, 3), (3, 7), (4, 4), (1, 6), (6, 1), (2, 8), (30, 8)]


def path(optimizer: en.Optimizer, start: Any, steps: int, **more: Any) -> np.ndarray:
    """The path (steps + 1, dim) on |x|^2/2, whose gradient is x."""
    given: dict[str, Any] = {"dtype": "float64", "backend": "numpy", "progress": False} | more
    result = en.simulate(
        landscape=en.Quadratic(1.0, dim=np.size(start)),
        optimizer=optimizer,
        start=en.Point(np.ravel(start)),
        record=en.Record(["x"], at=range(steps + 1)),
        instances=1,
        steps=steps,
        **given,
    )
    return result.dataset["path"].to_numpy()[0]


def matrices(rows: int, row_length: int, count: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, rows, row_length))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("rows", "row_length"), SHAPES)
@pytest.mark.parametrize("coefficients", [(3.4445, -4.7750, 2.0315), (1.875, -1.25, 0.375)])
def test_a_step_sends_each_singular_value_through_the_polynomial(rows, row_length, count, coefficients):
    start = matrices(rows, row_length, count)
    rule = en.Muon(LR, row_length=row_length, rows=rows, coefficients=coefficients, iterations=4)
    moved = -np.diff(path(rule, start, 1), axis=0).reshape(start.shape)
    for m, step in zip(start, moved, strict=True):
        u, s, v = np.linalg.svd(m, full_matrices=False)
        s = s / np.linalg.norm(m)
        for _ in range(4):
            s = np.polyval([coefficients[2], 0, coefficients[1], 0, coefficients[0], 0], s)
        expected = LR * np.sqrt(max(1.0, rows / row_length)) * (u * s) @ v
        np.testing.assert_allclose(step, expected, atol=1e-13)


@pytest.mark.parametrize(("rows", "row_length"), SHAPES)
def test_with_enough_iterations_a_step_is_the_polar_factor_and_goes_down_by_the_nuclear_norm(rows, row_length):
    (start,) = matrices(rows, row_length)
    rule = en.Muon(LR, row_length=row_length, coefficients=EXACT, iterations=60)
    step = -np.diff(path(rule, start, 1), axis=0).reshape(start.shape) / (LR * np.sqrt(max(1.0, rows / row_length)))
    np.testing.assert_allclose(step, polar(start)[0], atol=1e-12)
    assert np.sum(step * start) == pytest.approx(np.linalg.svd(start, compute_uv=False).sum(), rel=1e-12)


def test_without_momentum_all_singular_values_shrink_at_one_rate_until_they_are_within_a_step():
    """Gradient descent takes them down in proportion to themselves: the largest of five waits for the smallest."""
    u, _, v = np.linalg.svd(matrices(6, 5)[0], full_matrices=False)
    s = np.array([1.0, 0.9, 0.5, 0.3, 0.26])
    rule = en.Muon(0.01 / np.sqrt(6 / 5), row_length=5, beta=0.0, coefficients=EXACT, iterations=20)
    found = path(rule, (u * s) @ v, 110).reshape(-1, 6, 5)
    for t, x in enumerate(found):
        left = s - 0.01 * t
        still = left > 0.011
        np.testing.assert_allclose(np.linalg.svd(x, compute_uv=False)[: still.sum()], left[still], atol=1e-11)
    assert np.linalg.svd(found[-1], compute_uv=False).max() < 0.011


def test_a_turn_of_rows_and_of_columns_turns_the_path():
    (start,) = matrices(5, 3)
    left, right = np.linalg.qr(matrices(5, 5, seed=1)[0])[0], np.linalg.qr(matrices(3, 3, seed=2)[0])[0]
    rule = en.Muon(LR, row_length=3)
    plain = path(rule, start, 40).reshape(-1, 5, 3)
    np.testing.assert_allclose(path(rule, left @ start @ right, 40).reshape(-1, 5, 3), left @ plain @ right, atol=1e-10)


def test_matrices_side_by_side_do_not_see_each_other():
    both = matrices(4, 3, 2)
    rule = en.Muon(LR, row_length=3, rows=4)
    together = path(rule, both, 30)
    apart = [path(rule, each, 30) for each in both]
    np.testing.assert_allclose(together, np.hstack(apart), rtol=1e-12)


def test_at_a_stationary_point_and_below_epsilon_there_is_no_direction():
    np.testing.assert_array_equal(path(en.Muon(LR, row_length=3, eps=0.0), np.zeros(6), 5), np.zeros((6, 6)))
    small = 1e-9 * matrices(2, 3)[0]
    step = np.abs(np.diff(path(en.Muon(LR, row_length=3), small, 1), axis=0)).max()
    assert 0 < step < LR * 3.4445**5 * 1e-9 / 1e-7 * 3


@pytest.mark.parametrize("size", [1e25, 1e-30])
def test_squares_that_overflow_or_vanish_change_no_step_in_single_precision(size):
    """The gradient of size |x|^2/2 is size x."""
    start = matrices(4, 3)[0].ravel()

    def steps(curvature: float) -> np.ndarray:
        ends = ends_on_numpy_and_cpu(
            landscape=en.Quadratic(curvature, dim=12),
            optimizer=en.Muon(LR, row_length=3, eps=0.0),
            noise=en.NoNoise(),
            start=en.Point(start),
            instances=9,
            steps=1,
            dtype="float32",
        )
        assert np.array_equal(*ends)
        return ends[0] - start.astype(np.float32)

    plain = steps(1.0)
    np.testing.assert_allclose(steps(size), plain, rtol=1e-4, atol=1e-6)
    assert np.abs(plain).max() > LR / 10


def test_on_a_linear_network_a_weak_direction_of_the_target_takes_no_longer_than_a_strong_one():
    """Each layer a matrix of its own. The time of gradient descent grows as one over the direction's strength (Saxe 2014)."""

    def median(rule: en.Optimizer, weak: float) -> float:
        result = en.simulate(
            landscape=en.DeepLinear(layers=2, width=2, target=np.diag([1.0, weak])),
            optimizer=rule,
            start=en.NormalCloud(0.05),
            event=en.Below(1e-3),
            instances=100,
            steps=1_000,
            dtype="float64",
            backend="numpy",
            progress=False,
        )
        steps = result.dataset["event_step"].to_numpy()
        assert (steps > 0).all()
        return float(np.median(steps))

    muon, descent = en.Muon(0.02, row_length=2, rows=2), en.GradientDescent(0.3)
    assert median(muon, 0.1) < 1.2 * median(muon, 0.6)
    assert median(descent, 0.1) > 2.5 * median(descent, 0.6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("row_length", "rows", "dim"), [(2, None, 70), pytest.param(3, 5, 30, marks=pytest.mark.slow), (4, 2, 16)]
)
def test_tall_and_wide_matrices_have_the_same_bits_on_numpy_and_cpu(row_length, rows, dim, dtype):
    ends = ends_on_numpy_and_cpu(
        landscape=en.Rosenbrock(dim=dim),
        optimizer=en.Muon(0.01, row_length=row_length, rows=rows),
        noise=en.Gaussian(0.1),
        start=en.NormalCloud(1.0),
        instances=9,
        steps=12,
        dtype=dtype,
    )
    assert np.array_equal(*ends)


def test_numbers_drawn_for_each_instance_have_the_same_bits_on_numpy_and_cpu():
    drawn = {"lr": en.drawn(en.LogUniform(1e-3, 0.1)), "eps": en.drawn(en.LogUniform(1e-3, 10.0))}
    ends = ends_on_numpy_and_cpu(
        landscape=en.Quadratic(1.0, dim=12), optimizer=en.Muon(**drawn, row_length=3), dtype="float32"
    )
    assert np.array_equal(*ends)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("row_length", "rows", "dim"),
    [(8, 8, 64), pytest.param(4, 4, 64, marks=pytest.mark.slow), pytest.param(2, None, 40_000, marks=pytest.mark.slow)],
)
def test_a_kernel_keeps_the_matrices_in_registers(row_length, rows, dim, dtype):
    p = program(
        en.QuarticSaddle(dim=dim),
        en.Muon(LR, row_length=row_length, rows=rows),
        instances=10**6,
        dtype=dtype,
        math="fast",
    )
    assert report(compile_cubin(Counted().source(p, "advance"), sources.kernels())).local_memory == 0


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"row_length": 0}, "row_length must be a whole number of at least 1"),
        ({"row_length": 9, "rows": 9}, "give at most 8 rows, or rows of at most 8 numbers"),
        ({"row_length": 2, "coefficients": (1.5, -0.5)}, "give three numbers"),
        ({"row_length": 2, "coefficients": "exact"}, "coefficients"),
        ({"row_length": 4}, "on 6 coordinates"),
        ({"row_length": 2, "rows": 2}, "on 6 coordinates"),
        ({"row_length": 12}, "on 6 coordinates"),
    ],
)
def test_what_fits_no_matrix_is_refused(given, says):
    with pytest.raises(ValueError, match=says):
        path(en.Muon(LR, **given), np.ones(6), 1)
