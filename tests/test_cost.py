"""What a plan says of time and launches, and what a result says of the hardware's ceiling."""

from __future__ import annotations

import dataclasses
import re

import pytest

import ensemble as en
from ensemble.backends import measured
from ensemble.backends.cost import ceiling, counts, instructions, named
from ensemble.backends.numpy import NumpyEngine
from ensemble.run.estimate import _launches
from ensemble.run.experiment import Experiment

H200 = 3.35e13  # thread-instructions/s: 132 multiprocessors of 128 at 1.98 GHz
RUN = {
    "landscape": en.QuarticSaddle(dim=16),
    "optimizer": en.Adam(lr=0.01),
    "noise": en.Gaussian(sigma=0.1),
    "start": en.NormalCloud(scale=0.1),
    "instances": 50,
    "steps": 40,
    "backend": "numpy",
}


def test_a_trial_gives_the_time_of_the_whole():
    plan = en.simulate(**RUN, plan_only=True)
    assert plan.basis == "a trial of a few instances"
    rate = plan.coordinate_steps / plan.seconds
    assert plan.coordinate_steps == 50 * 16 * 40
    assert 1e3 < rate < 1e10
    assert plan.launches >= 1


def test_a_plan_prints_what_the_run_will_take():
    plan = dataclasses.replace(
        en.simulate(**RUN, plan_only=True), seconds=5400.0, launches=27_000, bytes_needed=3_210_000, basis="a guess"
    )
    text = str(plan)
    assert "1 configurations x 50 instances x 16 coordinates, 40 steps on numpy" in text
    assert "3.21 MB of" in text
    assert "27,000 or fewer" in text
    assert "90 min or less" in text
    assert "a guess" in text


@pytest.fixture
def h200(monkeypatch, tmp_path):
    """The engine of a device with the H200's instruction rate, whatever computes; nobody has measured it."""
    monkeypatch.setenv("ENSEMBLE_CACHE", str(tmp_path))
    monkeypatch.setattr(NumpyEngine, "thread_instructions", lambda self: H200)
    monkeypatch.setattr(NumpyEngine, "device_name", "a device")
    monkeypatch.setattr(NumpyEngine, "describe", lambda self, program: {"thread_instructions_per_second": H200})


def planned(**changes):
    return en.simulate(**RUN | changes, plan_only=True)


@pytest.mark.usefixtures("h200")
def test_a_gpu_is_planned_by_what_was_measured_on_it_once_it_was():
    assert planned().at_least
    assert not planned(dtype="float64").at_least  # a trial: no instructions were counted
    assert "or less" in str(planned(dtype="float64"))
    least = planned().seconds
    measured.keep("a device", "2026-01-01", [measured.Rate("Adam", 16, "float32", 0.5)])
    assert planned().seconds == pytest.approx(2 * least)
    assert planned().basis == "rates measured on this device, 2026-01-01"
    assert re.search(r"time      [^ ]+ s or less, .*\(rates measured on this device, 2026-01-01\)", str(planned()))
    assert planned(dtype="float64").basis == "a trial of a few instances"
    rates = [
        measured.Rate(name, dim, dtype, {"float32": 0.5, "float64": 0.25}[dtype] / (1 + (dim > 100)) / (1 + len(name)))
        for name in ("Adam", "HeavyBall", "Momentum")
        for dim in (16, 1024)
        for dtype in ("float32", "float64")
    ]
    measured.keep("a device", "2026-01-02", rates)
    assert planned().seconds == pytest.approx(2 * 5 * least)
    assert planned(dtype="float64").seconds == pytest.approx(4 * 5 * least)
    large = 64 * counts()["Adam", 64] / counts()["Adam", 16] * least
    assert planned(landscape=en.QuarticSaddle(dim=1024)).seconds == pytest.approx(4 * 5 * large)
    other = counts()["AdaGrad", 16] / counts()["Adam", 16] * least
    assert planned(optimizer=en.AdaGrad()).seconds == pytest.approx(2 * 9 * other)  # the median of all


@pytest.mark.usefixtures("h200")
@pytest.mark.parametrize("spoilt", [b"", b"{}", b'{"rates": 3}', b"\xff", "of other kernels", "of none"])
def test_what_was_not_measured_so_is_not_used(spoilt, monkeypatch):
    path = measured.keep("a device", "2026-01-01", [measured.Rate("Adam", 16, "float32", 0.5)])
    assert not planned().at_least
    if spoilt == "of other kernels":
        monkeypatch.setattr(measured.sources, "digest", lambda _: "another")
    elif spoilt == "of none":
        path.write_text(path.read_text().replace("0.5", "0.0"))
    else:
        path.write_bytes(spoilt)
    assert planned().at_least
    assert "at least" in str(planned())


@pytest.mark.usefixtures("h200")
def test_a_gpu_is_planned_by_its_ceiling_and_a_result_states_its_share():
    plan = planned()
    assert plan.basis == "the ceiling of counted instructions"
    assert plan.seconds == pytest.approx(50 * 16 * 40 * counts()["Adam", 16] / H200)
    assert re.search(r"time      at least [^ ]+ s, plus the launches, .* coordinate-steps/s \(the ceiling", str(plan))
    attrs = en.simulate(**RUN).dataset.attrs
    achieved = attrs["coordinate_steps_per_second"]
    assert attrs["share_of_ceiling"] == pytest.approx(achieved * counts()["Adam", 16] / H200)
    assert "share_of_ceiling" not in en.simulate(**RUN | {"dtype": "float64"}).dataset.attrs
    both = en.compare(
        {"a": en.Adam(), "b": en.GradientDescent(0.1)}, **{k: v for k, v in RUN.items() if k != "optimizer"}
    )
    expected = 50 * 16 * 40 * (counts()["Adam", 16] + counts()["GradientDescent", 16]) / H200
    assert both.dataset.attrs["share_of_ceiling"] == pytest.approx(expected / both.dataset.attrs["wall_time"])


def test_the_ceilings_are_those_of_the_design():
    """Gradient descent, heavy ball and Adam with Gaussian noise: at least 1.59e12, 1.52e12 and 1.05e12 there, to three digits."""
    for optimizer, least in ((en.GradientDescent(0.1), 1.59e12), (en.HeavyBall(0.1), 1.52e12), (en.Adam(), 1.05e12)):
        found = ceiling(optimizer, 64, H200)
        assert found is not None
        assert least <= round(found, -10) < 1.2 * least


def test_what_was_not_counted_has_no_ceiling():
    class Mine(en.Optimizer):
        pass

    assert instructions(en.Newton(iterations=3), 64) is None
    assert instructions(en.Muon(0.01, row_length=2), 64) is None  # whose matrices may have any shape
    assert instructions(en.Clip(Mine(), 1.0), 64) is None
    assert instructions(en.AMSGrad(max_of_corrected=True), 64) is None
    assert named(en.Clip(en.Average(en.Adam()), 1.0)) == "Clip(Average(Adam))"
    assert instructions(en.Clip(en.Average(en.Adam()), 1.0), 64) > instructions(en.Clip(en.Adam(), 1.0), 64)


def test_launches_end_where_something_is_recorded_and_take_as_long_as_segments_do():
    def launches(each, **more):
        s = setting(**more)
        return _launches(s, s.program(s.sweep().parts, 0, s.instances), NumpyEngine(), each)

    record = en.Record(["value"], at=[0, 10, 20])
    segments = en.simulate(**RUN, record=record).dataset.attrs["segments"]
    assert 3 <= launches(1e-9, record=record) == segments <= 8  # a step, eight times as many, ...
    steps = 10**7
    assert 1e-3 * steps / 2.0 <= launches(1e-3, steps=steps) <= 1.2 * 1e-3 * steps / 0.2


def setting(**more):
    given = RUN | {
        "event": en.Never(), "first_instance": 0, "seed": 0, "dtype": "float32", "math": "fast", "check_every": 1, "paired": True,
        "record": None,
    } | more  # fmt: skip
    return Experiment(**{f.name: given[f.name] for f in dataclasses.fields(Experiment)})
