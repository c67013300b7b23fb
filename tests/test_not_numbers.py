"""What a gradient that is NaN, infinite, -0 or subnormal does: to the instance that has it, and to none of its neighbours."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from device_runs import differences, program, run
from emulated import COMPILERS, EmulatedEngine
from parts import example, kinds
from poison import KINDS, Poisoned, poisoned_instances

import ensemble as en
from ensemble.backends.numpy import NumpyEngine

needs_compiler = pytest.mark.skipif(not COMPILERS, reason="no C++ compiler on PATH")
INSTANCES, STEPS = 40, 6
BOUNDED = (en.SignSGD, en.Lion, en.ClipValue)
"""Rules that take of an infinite gradient no more than its sign."""


def named(kind):
    return kind.__name__


def simulated(what, backend="numpy", **changes):
    """A run in which the first gradient of some instances is ``what``; with None, the same run without."""
    noise = changes.pop("noise", en.Gaussian(0.1))
    given = {
        "landscape": en.QuarticSaddle(dim=6),
        "optimizer": en.GradientDescent(0.01),
        "noise": noise if what is None else Poisoned(noise, 1, KINDS[what]),
        "start": en.Point(0.5),
        "event": en.Never(),
        "instances": INSTANCES,
        "steps": STEPS,
        "backend": backend,
        "dtype": "float32",
        "math": "precise",
        "progress": False,
    }
    return en.simulate(**given | changes).dataset


def diverged_at_once_and_alone(what, **changes):
    """Whether exactly the instances hit end as diverged in step 1, and all others have the bits of a run without."""
    found, clean = simulated(what, **changes), simulated(None, **changes)
    hit = poisoned_instances(INSTANCES, found["x"].dtype)
    assert 0 < hit.sum() < INSTANCES
    assert (found["status"][hit] == 2).all()
    assert (found["diverged_step"][hit] == 1).all()
    for name in ("x", "status", "event_step"):
        assert np.array_equal(found[name][~hit], clean[name][~hit], equal_nan=True)
    assert (clean["diverged_step"] != 1).all()


@pytest.mark.parametrize("kind", kinds("optimizer"), ids=named)
def test_nan_at_the_first_gradient_ends_an_instance_under_every_optimizer(kind):
    landscape = en.QuarticSaddle(dim=6)
    diverged_at_once_and_alone("nan", optimizer=example(kind, 6), landscape=landscape)


@pytest.mark.parametrize("kind", kinds("optimizer"), ids=named)
@pytest.mark.parametrize("what", ["inf", "-inf"])
def test_an_infinite_gradient_ends_an_instance_unless_only_its_sign_is_used(kind, what):
    if kind not in BOUNDED:
        diverged_at_once_and_alone(what, optimizer=example(kind, 6))
        return
    one = kind(en.GradientDescent(0.01)) if kind is en.ClipValue else example(kind, 6)
    found, clean = (simulated(each, optimizer=one, steps=1) for each in (what, None))
    hit = poisoned_instances(INSTANCES, "float32")
    assert (found["status"] == 0).all()
    assert np.array_equal(found["x"][~hit], clean["x"][~hit])
    moved = found["x"][hit, 0] - 0.5
    assert (np.sign(moved) == (-1 if what == "inf" else 1)).all()


@pytest.mark.parametrize("kind", kinds("noise"), ids=named)
def test_no_noise_hides_nan(kind):
    diverged_at_once_and_alone("nan", noise=example(kind, 6), optimizer=en.GradientDescent(1e-6))


@pytest.mark.parametrize("kind", kinds("landscape"), ids=named)
def test_no_landscape_s_constraint_hides_nan(kind):
    landscape = example(kind, 6)
    diverged_at_once_and_alone("nan", landscape=landscape, start=en.Point(0.1), optimizer=en.GradientDescent(1e-6))


@pytest.mark.parametrize("kind", [en.Adam, en.AMSGrad, en.SignSGD, en.Adai], ids=named)
def test_what_averages_reports_no_number_of_an_instance_that_diverged(kind):
    averaged = en.EMA(en.ClipValue(example(kind, 6)))
    diverged_at_once_and_alone("nan", optimizer=averaged)
    assert np.isnan(simulated("nan", optimizer=averaged)["x"][poisoned_instances(INSTANCES, "float32")]).all()


@pytest.mark.parametrize("kind", kinds("optimizer"), ids=named)
def test_zeros_of_either_sign_and_subnormal_gradients_are_ordinary(kind):
    """They keep an instance finite; -0 does what 0 does, and a subnormal at most what the least normal number does."""
    for what in ("-0", "subnormal"):
        found = simulated(what, optimizer=example(kind, 6), noise=en.NoNoise())
        assert (found["status"] == 0).all()
        assert np.isfinite(found["x"]).all()


SELECTED = [en.ClipValue]
SOME = [pytest.param(kind, marks=() if kind in SELECTED else pytest.mark.slow) for kind in kinds("optimizer")]


@pytest.mark.parametrize("kind", SOME, ids=named)
def test_nan_ends_an_instance_alike_on_the_cpu_and_on_the_lanes_of_a_device(cpu, kind):
    """Not its neighbours in a tile or a warp, and with the bits of the NumPy reference."""
    p = program(en.QuarticSaddle(dim=6), example(kind, 6), dtype="float32", noise=Poisoned(en.Gaussian(0.1)))
    reference = run(NumpyEngine(), p, STEPS)
    assert 0 < (reference.diverged_step == 1).sum() < p.rows
    assert not differences(run(cpu, p, STEPS), reference)
    if COMPILERS:
        assert not differences(run(EmulatedEngine(2), p, STEPS), reference)


@needs_compiler
def test_a_box_keeps_nan_on_every_backend(cpu):
    p = program(en.OnlineLinear(dim=6), en.SignSGD(0.1), dtype="float32", noise=Poisoned(en.NoNoise()))
    reference = run(NumpyEngine(), p, STEPS)
    assert 0 < (reference.diverged_step == 1).sum() < p.rows
    for engine in (cpu, EmulatedEngine(2), EmulatedEngine(1, window=1)):
        assert not differences(run(engine, p, STEPS), reference)


@pytest.mark.filterwarnings("ignore:.*starts already satisfy the event")
@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_statistics_count_what_diverged_and_leave_it_out(cpu, backend):
    found = simulated("nan", backend, event=en.LeftBall(0.4), optimizer=en.ClipValue(en.GradientDescent(0.01)))
    hit = poisoned_instances(INSTANCES, "float32")
    assert (found["status"][hit] == 2).all()
    assert (found["event_step"][hit] == -1).all()
    assert (found["event_step"][~hit] == 1).all()


def test_poison_in_a_later_step_ends_an_instance_there():
    later = dataclasses.replace(Poisoned(en.Gaussian(0.1)), at=4)
    found = simulated(None, noise=later, optimizer=en.ClipValue(en.Adam(0.01)))
    hit = poisoned_instances(INSTANCES, "float32", step=4)
    assert np.array_equal(found["diverged_step"].values, np.where(hit, 4, -1))
