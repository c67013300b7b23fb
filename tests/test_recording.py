"""What is recorded within a segment has the bits of what is recorded between two, and costs no segments."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import sys

import numpy as np
import pytest
from device_runs import program, same_bits
from emulated import EmulatedEngine
from remote import BusyEngine

import ensemble as en
from ensemble.backends.cpu import CpuEngine
from ensemble.backends.numpy import NumpyEngine
from ensemble.backends.program import Engine
from ensemble.run import recorder
from ensemble.run.experiment import Experiment
from ensemble.run.plan import plan_run
from ensemble.run.progress import Reporter
from ensemble.run.recording import SEPARATE, Room
from ensemble.run.runs import execute

needs_compiler = pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++"))), reason="no C++ compiler on PATH")
EVERYTHING = en.Record(["x", "value", "gradient_norm", "distance"], at=range(51), point=0.25)
USUAL = {
    "landscape": en.QuarticSaddle(dim=9),
    "optimizer": en.HeavyBall(lr=en.grid(0.05, 0.1), beta=0.5),
    "noise": en.Gaussian(sigma=0.3),
    "start": en.NormalCloud(scale=0.1),
    "event": en.LeftBall(radius=0.8),
    "record": EVERYTHING,
    "instances": 19,
    "steps": 50,
    "seed": 4,
    "first_instance": 0,
    "dtype": "float64",
    "math": "precise",
    "check_every": 1,
    "paired": True,
}
CASES = {
    "finishing": {},
    "diverging": {"optimizer": en.HeavyBall(lr=en.grid(0.1, 9.0), beta=0.5), "event": en.LeftBall(1e9)},
    "survivors": {"record": dataclasses.replace(EVERYTHING, survivors=True)},
    "some, now and then": {"record": en.Record(["value", "x"], [1, *range(4, 50, 3)], instances=[2, 3, 17])},
    "an event that labels": {"event": en.LeftBall(radius=0.8, stop=False)},
    "moments": {"record": en.Record(["value", "x"], at=range(51), summary=True)},
    "averages": {
        "optimizer": en.EMA(en.HeavyBall(lr=en.grid(0.1, 9.0))),
        "event": en.Reported(en.LeftBall(0.8)),
        "check_every": 10,
    },
    "losses that change": {
        "landscape": en.OnlineLinear(dim=2),
        "optimizer": en.HeavyBall(lr=en.grid(0.05, 0.1)),
        "event": en.LeftBall(1.0),
    },
    "mixed tiles": {"instances": 3, "optimizer": en.HeavyBall(lr=en.grid(0.05, 0.1, 0.2, 0.3, 0.4)), "paired": False},
    "kicks": {"optimizer": en.PerturbedGD(0.05, 0.5, 1.0, en.grid(3, 7)), "noise": en.NoNoise()},
    "draws kept": {"landscape": en.DoubleWell(dim=1), "dtype": "float32", "event": en.Crossed([1.0], 0.0)},
    "what follows": {
        "landscape": en.DoubleWell(dim=9, stiffness=en.grid(1.0, -0.05)),
        "optimizer": en.HeavyBall(lr=en.grid(0.05, 0.3), beta=0.5),
        "noise": en.Gaussian(sigma=1.0),
        "event": en.LeftBall(3.0),
        "record": en.Record(
            ["step_size", "effective_rate", "nearest", "nearest_index", "value"],
            at=[0, *range(3, 20), 25, 40, 41, 50],
            state=["v"],
            observables={"other": en.QuarticSaddle(dim=9)},
        ),
    },
    "what follows, of averages": {
        "landscape": en.DeepLinear(layers=3, width=2),
        "optimizer": en.EMA(en.Clip(en.Adam(lr=en.grid(0.05, 0.1)), 1.0), 0.1),
        "start": en.NormalCloud(0.5),
        "event": en.LeftBall(2.0),
        "record": en.Record(
            ["layer_gradient_norm", "step_size", "x"],
            at=range(2, 51),
            instances=[1, 2, 3, 8, 11, 17],
            state=["base.base.v", "mean", "v"],
        ),
    },
}
UNLIKE = ("kicks", "draws kept", "what follows", "what follows, of averages")
"""Programs of their own, which take their time to compile."""
FAST = {"dtype": "float32", "math": "fast"}


def run(arguments, engine, ring_bytes, monkeypatch, segment_steps=None, per_batch=None):
    """The outcome of a run, where what is recorded within a segment may take so much memory."""
    monkeypatch.setattr(Engine, "ring_bytes", ring_bytes)
    setting = Experiment(**USUAL | arguments)
    plan = plan_run(setting, engine, True)
    if per_batch:
        plan = dataclasses.replace(plan, batches=-(-setting.instances // per_batch), instances_per_batch=per_batch)
    return execute(setting, engine, plan, False, "test", segment_steps=segment_steps)


def same(one, other):
    assert one.records.keys() == other.records.keys()
    assert np.array_equal(one.record_steps, other.record_steps)
    for name in ("x", "event_step", "event", "diverged_step"):
        assert same_bits(getattr(one, name), getattr(other, name)), name
    for name, values in one.records.items():
        assert same_bits(values, other.records[name]), name
    return True


def some(arguments, slots):
    """Memory for so many recorded steps."""
    setting = Experiment(**USUAL | arguments)
    p = setting.program(setting.sweep().parts, 0, setting.instances)
    instances = setting.record.places(setting.instances).size
    room = Room.of(setting.record, setting.steps, 0, instances, p, NumpyEngine())
    return slots * room.places * (room.shown + room.found)


# ---- bits


def rarely(names, rare):
    return [pytest.param(name, marks=pytest.mark.slow) if name in rare else name for name in names]


@pytest.mark.parametrize("name", CASES)
def test_records_within_a_segment_of_the_specification_are_those_between_two(name, monkeypatch):
    case = CASES[name]
    apart = run(case, NumpyEngine(), 0, monkeypatch)
    assert apart.segments >= len(apart.record_steps) - 1
    assert same(run(case, NumpyEngine(), 1 << 26, monkeypatch), apart)


@pytest.mark.ci
@pytest.mark.parametrize("name", rarely(CASES, UNLIKE))
def test_records_within_a_segment_have_the_bits_of_those_between_two(name, cpu, monkeypatch):
    case = CASES[name]
    apart = run(case, NumpyEngine(), 0, monkeypatch)
    assert same(run(case, cpu, 1 << 26, monkeypatch), apart)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["finishing", "averages", "some, now and then", "mixed tiles", "what follows", "what follows, of averages"]
)
def test_no_cut_changes_a_bit_of_what_is_recorded_within(name, cpu, monkeypatch):
    case = CASES[name]
    apart = run(case, NumpyEngine(), 0, monkeypatch)
    for slots, cut in [(2, {}), (5, {"segment_steps": 7}), (50, {"segment_steps": 7}), (50, {"per_batch": 2})]:
        assert same(run(case, cpu, some(case, slots), monkeypatch, **cut), apart), (slots, cut)


@pytest.mark.parametrize(
    "name", rarely(["finishing", "mixed tiles", "losses that change"], CASES.keys() - {"finishing"})
)
def test_records_of_fused_arithmetic_are_the_same_within_and_between(name, cpu, monkeypatch):
    case = CASES[name] | FAST
    assert same(run(case, cpu, 1 << 26, monkeypatch), run(case, cpu, 0, monkeypatch))


def test_the_cases_reach_what_they_are_for(monkeypatch):
    found = {name: run(case, NumpyEngine(), 1 << 26, monkeypatch) for name, case in CASES.items()}
    for name in CASES.keys() - {"diverging", "averages"}:
        assert (found[name].event_step > 0).any(), name
        assert len(np.unique(found[name].event_step)) > 3, name
    for name in ("diverging", "averages"):
        assert (found[name].event_step > 0).any(), name
        assert (found[name].diverged_step > 0).any(), name
    for name in ("diverging", "averages", "survivors"):
        assert np.isnan(found[name].records["value"]).any(), name
        assert np.isfinite(found[name].records["value"]).any(), name
    assert CpuEngine().mixed(program(en.QuarticSaddle(dim=9), en.Adam(), others=[{}], instances=3))


def test_records_elsewhere_are_those_of_the_host(monkeypatch):
    for name in ("survivors", "some, now and then", "averages", "what follows", "what follows, of averages"):
        within = run(CASES[name], BusyEngine(), some(CASES[name], 6), monkeypatch)
        assert same(within, run(CASES[name], NumpyEngine(), 0, monkeypatch)), name


DEVICE = {
    "finishing": {"lanes": 2},
    "survivors": {"lanes": 1},
    "some, now and then": {"lanes": 2, "streamed": True},
    "averages": {"lanes": 4, "window": 1},
    "losses that change": {"lanes": 1},
    "an event that labels": {"lanes": 1, "window": 2},
    "diverging": {"lanes": 2, "streamed": True},
    "kicks": {"lanes": 4},
    "what follows": {"lanes": 2},
    "what follows, of averages": {"lanes": 1},
}


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("name", rarely(DEVICE, DEVICE.keys() - {"finishing", "survivors"}))
def test_records_on_the_device_path_have_the_bits_of_the_specification(name, monkeypatch):
    record = dataclasses.replace(CASES[name].get("record", EVERYTHING), at=[*range(20), 25, 30])
    case = CASES[name] | {"instances": 5, "steps": 30, "record": record}
    if record.instances is not None:
        case["record"] = dataclasses.replace(record, instances=[1, 4])
    within = run(case, EmulatedEngine(**DEVICE[name]), some(case, 13), monkeypatch, segment_steps=14, per_batch=5)
    if "window" in DEVICE[name]:  # where an instance's coordinates are apart, it is looked at between two
        assert within.segments >= len(within.record_steps) - 1
    else:
        assert within.segments < 6
    assert same(within, run(case, NumpyEngine(), 0, monkeypatch))


def test_a_resumed_ensemble_records_what_the_unbroken_one_does(cpu):
    arguments = {k: v for k, v in USUAL.items() if k not in ("steps", "record")} | {"backend": "cpu", "progress": False}
    whole = en.simulate(**arguments, steps=50, record=EVERYTHING).dataset
    half = en.simulate(**arguments, steps=25, record=dataclasses.replace(EVERYTHING, at=en.lin_spaced(26)))
    resumed = half.resume(50).dataset
    assert resumed.sizes["step"] == 26 + 13
    for name in ("path", "value", "gradient_norm", "distance"):
        np.testing.assert_array_equal(resumed[name], whole[name].sel(step=resumed["step"]), name)


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_a_replay_shows_every_step_with_the_same_bits(cpu, backend, monkeypatch):
    arguments = {k: v for k, v in USUAL.items() if k != "optimizer"} | {"backend": backend, "progress": False}
    result = en.simulate(**arguments, optimizer=en.HeavyBall(0.1, beta=0.5))
    ended = 0
    for instance in (0, 7, 18):
        path = en.replay(result, instance)
        own = result.dataset.isel(instance=instance).sel(step=path["step"])
        for name in ("x", "value", "gradient_norm"):
            np.testing.assert_array_equal(path[name], own["path" if name == "x" else name], name)
        ended += path.attrs["ended_by"] == "event"
    assert ended


def test_ctrl_c_leaves_what_was_recorded_to_the_step_reached(monkeypatch):
    arguments = {k: v for k, v in USUAL.items() if k not in ("steps", "record")} | {
        "backend": "numpy",
        "progress": False,
    }
    record = en.Record(["x", "value"], at=en.lin_spaced(5001))
    whole = en.simulate(**arguments, steps=5000, record=record).dataset
    told = []

    def press(*_):
        told.append(_)
        if len(told) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Reporter, "update", press)
    part = en.simulate(**arguments, steps=5000, record=record).dataset
    reached = int(part.attrs["steps"])
    assert len(told) < reached < 5000  # segments recorded several steps
    assert np.array_equal(part["step"], np.arange(reached + 1))
    for name in ("path", "value"):
        np.testing.assert_array_equal(part[name], whole[name].sel(step=part["step"]), name)


# ---- moments


@pytest.mark.parametrize("dims", [(), (3,)], ids=["", "of coordinates"])
@pytest.mark.parametrize("lost", ["none", "at once", "one by one"])
def test_moments_and_quantiles_are_those_that_numpy_finds_step_by_step(dims, lost, monkeypatch):
    """Whichever instances are finite at a step, and however many steps are handled at once."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(2, 7, 40, *dims)).astype(np.float32)
    ends = {
        "none": np.full(14, 40),
        "at once": np.repeat([40, 25, 0], [8, 4, 2]),
        "one by one": rng.permutation(14) * 3,
    }[lost]
    for (c, i), end in zip(np.ndindex(2, 7), ends.tolist(), strict=True):
        values[(c, i, slice(end, None), 0)[: 3 + bool(dims)]] = np.nan
    values[1, :, 5] = np.inf
    for at_once in (1, 60, 1 << 18):
        monkeypatch.setattr(recorder, "AT_ONCE", at_once)
        found = recorder.summarise("v", values, (0.1, 0.5))
        for c, k in np.ndindex(2, 40):
            there = values[c, :, k].astype(np.float64)
            there = there[np.isfinite(there).reshape(7, -1).all(axis=1)]
            assert found["v_n"][c, k] == len(there)
            few = np.full(dims, np.nan)
            mean = there.mean(axis=0) if len(there) else few
            variance = there.var(axis=0, ddof=1) if len(there) > 1 else few
            quantiles = np.quantile(there, (0.1, 0.5), axis=0) if len(there) else np.array([few, few])
            np.testing.assert_allclose(found["v_mean"][c, k], mean, rtol=1e-13, atol=1e-15)
            np.testing.assert_allclose(found["v_variance"][c, k], variance, rtol=1e-13)
            np.testing.assert_array_equal(found["v_quantile"][c, k], np.moveaxis(quantiles, 0, -1))


# ---- segments


class Counting(NumpyEngine):
    """Counts how often it is asked."""

    def __init__(self):
        super().__init__()
        self.advanced = self.observed = 0

    def advance(self, *args, **kwargs):
        self.advanced += 1
        super().advance(*args, **kwargs)

    def observe(self, *args, **kwargs):
        self.observed += 1
        return super().observe(*args, **kwargs)


@pytest.mark.parametrize("every", [1, 4, 100])
def test_segments_are_no_more_where_more_is_recorded(every, monkeypatch):
    steps, length = 400, 100
    case = {"steps": steps, "event": en.Never(), "instances": 2, "optimizer": en.HeavyBall(0.1)}
    for record in (None, en.Record(["value", "x"], at=range(0, steps + 1, every))):
        engine = Counting()
        found = run(case | {"record": record}, engine, 1 << 26, monkeypatch, segment_steps=length)
        assert found.segments == engine.advanced == steps // length
        assert engine.observed <= engine.advanced + 1
    engine = Counting()
    found = run(
        case | {"record": record}, engine, some(case | {"record": record}, 2), monkeypatch, segment_steps=length
    )
    assert engine.advanced == found.segments == max(steps // length, -(-(found.record_steps.size - 1) // 2))


@pytest.mark.ci
def test_a_replay_of_many_steps_takes_few_segments(monkeypatch):
    engine = Counting()
    result = en.simulate(
        landscape=en.Rosenbrock(),
        optimizer=en.GradientDescent(1e-3),
        start=en.Point(0.5),
        steps=6000,
        instances=2,
        backend="numpy",
    )
    monkeypatch.setattr(sys.modules["ensemble.simulate"], "engine_for", lambda *_: (engine, ""))
    assert en.replay(result, 1).sizes["step"] == 6001
    assert (
        engine.advanced < 60
    )  # each takes eight times as many steps as the one before, until it takes a fifth of a second


def test_no_segment_records_more_than_there_is_room_for():
    rng = np.random.default_rng(0)
    for _ in range(200):
        horizon = int(rng.integers(1, 400))
        steps = np.unique(rng.integers(0, horizon + 1, size=rng.integers(1, 200)))
        room = Room(steps, 3, int(rng.choice([0, 2, 3, 10, 500])), 8, 4)
        reached, taken = 0, steps[steps == 0].tolist()
        while reached < horizon:
            last = room.end(reached, min(horizon, reached + int(rng.integers(1, 60))))
            assert last > reached
            within = room.within(reached + 1, last)
            assert within.size <= max(room.slots, 1)
            assert room.slots or not within.size or within[-1] == last  # looked at when it is over
            taken, reached = taken + within.tolist(), last
        assert taken == steps.tolist()


def test_few_steps_and_large_ensembles_end_a_segment_each(monkeypatch):
    p = program(en.QuarticSaddle(dim=1000), en.Adam(), instances=10, dtype="float32")

    def slots(record, instances):
        return Room.of(record, 1000, 0, instances, p, NumpyEngine()).slots

    monkeypatch.setattr(Engine, "ring_bytes", 10**6)
    assert slots(en.Record("x", at=range(1001)), 10) == 25  # of 40,000 bytes
    assert slots(en.Record(["value", "x"], at=range(1001)), 10) == 24  # and 40
    assert slots(en.Record("value", at=range(1001)), 10) == 1000  # of 40
    assert slots(en.Record("x", at=range(1001)), 125) == 2
    assert slots(en.Record("x", at=range(1001)), 126) == slots(en.Record("x", at=range(1001)), 0) == 0
    assert slots(en.Record("x", at=range(1, SEPARATE + 2)), 1) == SEPARATE + 1
    assert slots(en.Record("x", at=range(SEPARATE + 1)), 1) == 0  # the start is not taken in a segment
