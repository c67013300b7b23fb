"""Descents that arithmetic ends are reported in every precision, and no others are."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from parts import example, kinds

import ensemble as en
from ensemble.backends.program import Program
from ensemble.run.underflow import flushed_to_zero


def warned(**arguments) -> int:
    """How many instances a run says that arithmetic ended."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = en.simulate(progress=False, **arguments)
    counts = [int(str(w.message).split()[1]) for w in said if "flushed to 0" in str(w.message)]
    assert counts == [n for n in [result.outcomes[""].flushed] if n]
    return sum(counts)


OCTOPUS = {
    "landscape": en.Octopus(dim=10),
    "optimizer": en.GradientDescent(0.25),
    "start": en.UniformBox(-1, 1),
    "instances": 40,
    "backend": "numpy",
}


@pytest.mark.parametrize(("dtype", "steps", "ends"), [("float32", 1500, "1.18e-38"), ("float64", 9000, "2.23e-308")])
def test_what_arithmetic_holds_at_a_saddle_of_the_octopus_is_reported_in_every_precision(dtype, steps, ends):
    with pytest.warns(UserWarning, match=f"{dtype} ends at {ends}, .* give a little noise, .* or PerturbedGD"):
        result = en.simulate(**OCTOPUS, steps=steps, dtype=dtype, math="precise", progress=False)
    x = result.dataset["x"].to_numpy()
    passed = OCTOPUS["landscape"].passed(x)[:, 0].astype(int)
    stuck = passed < 10
    held = np.abs(x[stuck, passed[stuck]])  # of each the coordinate whose turn it is
    assert stuck.sum() >= 36
    assert (held <= np.finfo(dtype).smallest_subnormal).all()  # 0, or a number that x + x/2, rounded, does not change
    assert result.outcomes[""].flushed == stuck.sum()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        later = en.simulate(**OCTOPUS | {"noise": en.Gaussian(1e-6)}, steps=1500, dtype=dtype, progress=False)
    assert (OCTOPUS["landscape"].passed(later.dataset["x"].to_numpy()) == 10).all()  # the remedy is one


def test_a_descent_on_its_way_is_not_said_to_be_held():
    """Coordinates below 1e-200 that wait, or that grow and would leave in time."""
    arguments = OCTOPUS | {"dtype": "float64", "math": "precise"}
    result = en.simulate(**arguments, steps=900, progress=False)
    smallest = np.abs(result.dataset["x"].to_numpy()).min(axis=1)
    assert ((smallest > 0) & (smallest < 1e-200)).all()
    assert result.outcomes[""].flushed == 0


def test_what_an_event_has_ended_is_not_said_to_be_held():
    assert warned(**OCTOPUS | {"event": en.LeftSlab((1.0,) + (0.0,) * 9, 5.0)}, steps=1500) == 0
    assert warned(**OCTOPUS | {"event": en.LeftSlab((1.0,) + (0.0,) * 9, 5.0, stop=False)}, steps=1500) > 30


# ---- no false alarms


def minima(landscape: en.Landscape) -> np.ndarray:
    return np.array([p.x for p in landscape.stationary_points() if p.index == 0 and "saddle" not in p.name])


LISTED = [kind for kind in kinds("landscape") if len(minima(example(kind, 4)))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_minimum_of_any_landscape_is_taken_for_a_ridge(dtype):
    """The exact minima, which descents may reach to the bit: many of their coordinates are 0."""
    assert len(LISTED) > 15
    for kind in LISTED:
        landscape = example(kind, 4)
        x = minima(landscape).astype(dtype)
        parts = {
            "landscape": landscape,
            "optimizer": en.Adam(),
            "noise": en.NoNoise(),
            "event": en.Never(),
            "start": en.NormalCloud(1.0),
        }
        program = Program((parts,), landscape.dimension, len(x), 0, np.dtype(dtype), "fast", 0, 1, True)
        ended = np.zeros(len(x), dtype=bool)
        assert flushed_to_zero(program, lambda a, b, x=x: x[a:b], lambda a, b, e=ended: e[a:b], 9) == 0, kind


def test_fields_of_several_seeds_are_each_looked_at():
    shared = {"optimizer": en.Adam(), "noise": en.NoNoise(), "event": en.Never(), "start": en.NormalCloud(1.0)}
    parts = tuple(shared | {"landscape": en.RandomField(4, 8, seed=k)} for k in range(2))
    program = Program(parts, 4, 3, 0, np.dtype("float32"), "fast", 0, 1, True)
    x, ended = np.zeros((6, 4), dtype=np.float32), np.zeros(6, dtype=bool)
    assert flushed_to_zero(program, lambda a, b: x[a:b], lambda a, b: ended[a:b], 9) == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds("landscape"), ids=lambda k: k.__name__)
def test_no_ordinary_run_is_said_to_be_held(kind):
    """From all over, and from and near every stationary point, noisy or not, by several methods."""
    landscape = example(kind, 4)
    lr = 1 / (landscape.smoothness or 20.0)
    points = [en.NearStationary(p.x, s) for p in landscape.stationary_points()[:8] for s in (0.0, 1e-3)]
    for start, noise, dtype in itertools.product(
        [en.NormalCloud(0.5), *points], (None, en.Gaussian(0.01), en.Multiplicative(0.1)), ("float32", "float64")
    ):
        for optimizer in (en.GradientDescent(lr), en.HeavyBall(lr / 2), en.Adam(0.01)):
            run = {"landscape": landscape, "optimizer": optimizer, "noise": noise, "start": start, "dtype": dtype}
            assert warned(**run, instances=8, steps=150, backend="numpy", math="precise") == 0, run
