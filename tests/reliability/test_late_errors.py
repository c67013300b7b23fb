"""What comes late costs nothing that was finished: errors, memory that runs out, kernels that were not compiled."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import warnings
from typing import ClassVar

import numpy as np
import pytest

import ensemble as en
from ensemble.backends import compiler
from ensemble.backends.numpy import NumpyEngine
from ensemble.run.batch import Batch
from ensemble.run.plan import MEMORY_SHARE

ESCAPE = {
    "landscape": en.QuarticSaddle(dim=3),
    "optimizer": en.HeavyBall(lr=0.05),
    "noise": en.Gaussian(sigma=0.2),
    "event": en.LeftBall(radius=1.6),
    "instances": 40,
    "steps": 60,
    "backend": "numpy",
    "dtype": "float64",
}


@dataclasses.dataclass(frozen=True)
class LateStart(en.starts.Start):
    """A start of one's own that fails for some of the instances."""

    broken: ClassVar[bool] = True

    def draw(self, source):
        if self.broken and source.ids.max() >= 25:
            raise ZeroDivisionError("no such\nstart")
        return 0.01 * source.normals()


LATE, HORIZON = 1101, 1200
"""A step at which no schedule is looked at before a run of so many."""


@dataclasses.dataclass(frozen=True)
class LateRate(en.schedules.Schedule):
    """A schedule that fails at one step, which nobody asks of it before the run."""

    broken: ClassVar[bool] = True

    def __call__(self, t):
        if self.broken and (t == LATE).any():
            raise LookupError("no rate there")
        return np.full(t.shape, 0.05)


def in_batches(monkeypatch, **arguments):
    room = en.simulate(**ESCAPE | arguments, plan_only=True).bytes_needed
    monkeypatch.setattr(NumpyEngine, "memory_available", lambda self: 0.9 * room / MEMORY_SHARE)


def test_batches_finished_before_an_error_come_with_it_and_resume_does_the_rest(monkeypatch):
    monkeypatch.setattr(LateStart, "broken", False)
    whole = en.simulate(**ESCAPE, start=LateStart())
    in_batches(monkeypatch, start=LateStart())
    monkeypatch.setattr(LateStart, "broken", True)
    with pytest.raises(en.UnfinishedError, match=r"ZeroDivisionError \(no such\).*\.result.*resume\(\)") as error:
        en.simulate(**ESCAPE, start=LateStart())
    assert isinstance(error.value.__cause__, ZeroDivisionError)
    assert len(str(error.value)) <= 300
    assert "\n" not in str(error.value)
    part = error.value.result
    n = part.dataset.sizes["instance"]
    assert 0 < n <= 25
    assert part.dataset.equals(whole.dataset.isel(instance=slice(n)))
    assert (part.dataset.attrs["interrupted"], part.dataset.attrs["interrupted_by"]) == (1, "ZeroDivisionError")
    assert part.dataset.attrs["unfinished"] == f"{n} of 40 instances, at step 60 of 60"
    with pytest.raises(en.UnfinishedError) as again:
        part.resume()
    assert again.value.result.dataset.equals(part.dataset)
    monkeypatch.setattr(LateStart, "broken", False)
    assert part.resume().dataset.equals(whole.dataset)


@pytest.mark.ci
def test_optimizers_finished_before_an_error_come_with_it(monkeypatch, tmp_path):
    rest = {name: value for name, value in ESCAPE.items() if name != "optimizer"}
    rest |= {"start": en.NormalCloud(0.1), "steps": HORIZON, "instances": 2}
    optimizers = {"a": en.HeavyBall(0.05), "b": en.GradientDescent(LateRate()), "c": en.Adam(0.01)}
    with pytest.raises(
        en.UnfinishedError, match=r"LookupError \(no rate there\).*b: at step .*; c: not begun"
    ) as error:
        en.compare(optimizers, **rest)
    part = error.value.result
    assert part.dataset["optimizer"].to_numpy().tolist() == ["a", "b"]
    assert int(part.dataset["horizon"].sel(optimizer="a")) == HORIZON
    assert 0 < int(part.dataset["horizon"].sel(optimizer="b")) < LATE
    assert list(part.settings) == ["a", "b", "c"]
    monkeypatch.setattr(LateRate, "broken", False)
    assert part.resume().dataset.equals(en.compare(optimizers, **rest).dataset)


@dataclasses.dataclass(frozen=True)
class LateNoise(en.Noise):
    """A noise that fails at one step for some of the instances, after others have taken that step and more."""

    broken: ClassVar[bool] = True
    step: ClassVar[int] = LATE

    def apply(self, x, gradient, landscape, now):
        if self.broken and now.t == self.step and now.random.instance.max() >= 25:
            raise ArithmeticError("no noise there")
        return gradient


FAILING = {
    "schedule": ({"optimizer": en.GradientDescent(LateRate())}, LateRate, LookupError),
    "noise": ({"noise": LateNoise()}, LateNoise, ArithmeticError),
}


@pytest.mark.parametrize("what", FAILING)
@pytest.mark.parametrize(
    "record", [None, en.Record(["x", "value"], at=en.lin_spaced(HORIZON + 1))], ids=["", "recorded"]
)
def test_an_error_in_the_only_batch_leaves_the_steps_that_all_had_taken(what, record, monkeypatch):
    """In a schedule it comes before a segment; in a rule, after some of the instances have taken it."""
    changes, failing, kind = FAILING[what]
    arguments = ESCAPE | {"start": en.NormalCloud(0.1), "steps": HORIZON, "record": record} | changes
    monkeypatch.setattr(NumpyEngine.__init__, "__defaults__", (30,))  # coordinates, ten instances, at once
    with pytest.raises(
        en.UnfinishedError, match=rf"{kind.__name__} \(no \w+ there\).*missing: at step [\d,]+ of 1,200"
    ) as error:
        en.simulate(**arguments)
    assert type(error.value.__cause__) is kind
    part = error.value.result
    reached = int(part.dataset["horizon"])
    assert 0 < reached < LATE
    monkeypatch.setattr(failing, "broken", False)
    whole = en.simulate(**arguments)
    assert part.resume().dataset.equals(whole.dataset)
    to_there = en.simulate(
        **arguments | {"steps": reached, "record": record and dataclasses.replace(record, at=range(reached + 1))}
    )
    assert part.dataset.equals(to_there.dataset)


def test_an_error_that_a_resumed_run_meets_leaves_the_steps_after_those_that_it_had(monkeypatch):
    arguments = ESCAPE | {"start": en.NormalCloud(0.1), "noise": LateNoise()}
    part = en.simulate(**arguments | {"steps": LATE - 300})
    with pytest.raises(en.UnfinishedError) as error:
        part.resume(HORIZON)
    assert LATE - 300 < int(error.value.result.dataset["horizon"]) < LATE
    monkeypatch.setattr(LateNoise, "broken", False)
    assert error.value.result.resume().dataset.equals(en.simulate(**arguments | {"steps": HORIZON}).dataset)


def test_an_error_before_anything_was_finished_is_raised_as_it_is(monkeypatch):
    monkeypatch.setattr(LateNoise, "step", 1)
    with pytest.raises(ArithmeticError, match="no noise there"):
        en.simulate(**ESCAPE | {"noise": LateNoise()}, start=en.NormalCloud(0.1))
    with pytest.raises(ZeroDivisionError):
        en.simulate(**ESCAPE, start=LateStart())


@pytest.mark.parametrize("more", [{"instances": 2**24 + 1}, {"instances": 2, "first_instance": 2**24 - 1}])
def test_what_a_start_cannot_draw_in_the_end_is_refused_before_the_run(more, monkeypatch):
    monkeypatch.setattr(Batch, "run", None)
    with pytest.raises(ValueError, match=r"Sobol: instance ids below 16,777,216 have a point, not 16,777,216"):
        en.simulate(**ESCAPE | {"start": en.Sobol(-1.0, 1.0)} | more)
    with pytest.raises(ValueError, match=r"Sobol: at most 21201 coordinates, not 30000"):
        en.simulate(**ESCAPE | {"start": en.Sobol(-1.0, 1.0), "landscape": en.QuarticSaddle(dim=30_000)})


def test_everything_is_compiled_before_anything_runs(cpu, monkeypatch):
    """Kernels that look at values, and those of a last batch so small that its tiles mix configurations."""
    asked, begun, library = set(), [], compiler.library
    arguments = ESCAPE | {
        "optimizer": en.HeavyBall(lr=en.grid(0.05, 0.04)),
        "start": en.NormalCloud(0.1),
        "record": en.Record(["value"], at=[50]),
        "backend": "cpu",
        "dtype": "float32",
        "instances": 41,
    }

    def noted(source, *rest):
        if begun:
            assert source in asked
        asked.add(source)
        return library(source, *rest)

    front, beginning = sys.modules["ensemble.simulate"], Batch.__init__
    plans = front.plan_runs
    monkeypatch.setattr(compiler, "library", noted)
    monkeypatch.setattr(Batch, "__init__", lambda batch, *a: begun.append(1) or beginning(batch, *a))
    for size in (41, 20):  # then the last is of one
        asked.clear()
        begun.clear()
        monkeypatch.setattr(
            front,
            "plan_runs",
            lambda *a, size=size: {k: dataclasses.replace(p, instances_per_batch=size) for k, p in plans(*a).items()},
        )
        en.simulate(**arguments)
    assert len(begun) == 3
    assert len(asked) == 5  # advance and observe of both kinds, and draw


HALVED = """
import resource, numpy as np, ensemble as en
from ensemble.backends.cpu import CpuEngine
MB = 1 << 20
CpuEngine.batch_coordinates = None  # as large as memory lets them be
CpuEngine.memory_available = lambda self: 22 << 30  # memory that others have taken since, or a limit that nobody can read
parts = dict(landscape=en.QuarticSaddle(dim=64), optimizer=en.GradientDescent(0.1), start=en.NormalCloud(0.1),
             noise=en.Gaussian(0.1), steps=3, backend="cpu", threads=1)
alone = en.simulate(**parts, instances=64, first_instance=499_000).dataset
whole = en.simulate(**parts, instances=2000).dataset
size = [int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmSize:")][0]
"""


@pytest.mark.ci
def test_memory_that_does_not_suffice_halves_the_batch_and_changes_no_bit():
    """128 MB of iterates where 90 MB are left."""
    script = """
assert en.simulate(**parts, instances=500_000, keep_x=False, plan_only=True).batches == 1
resource.setrlimit(resource.RLIMIT_AS, (size + 90 * MB, resource.RLIM_INFINITY))
record = en.Record("x", at=[3], instances=range(499_000, 499_064))
d = en.simulate(**parts, instances=500_000, keep_x=False, record=record).dataset
print(d.attrs["batches"], d.sizes["instance"], d.attrs["interrupted"])
print(np.array_equal(d["path"].to_numpy()[:, 0], alone["x"]))
"""
    done = subprocess.run([sys.executable, "-c", HALVED + script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    batches, instances, interrupted, same = done.stdout.split()
    assert int(batches) > 1
    assert (instances, interrupted, same) == ("500000", "0", "True")


@pytest.mark.ci
def test_where_halving_does_not_help_one_error_says_the_numbers():
    script = """
resource.setrlimit(resource.RLIMIT_AS, (size + 60 * MB, resource.RLIM_INFINITY))
try:
    en.simulate(**parts, instances=500_000)
except MemoryError as error:
    print(type(error).__name__, len(str(error)), str(error))
d = en.simulate(**parts, instances=2000).dataset
print(np.array_equal(d["x"], whole["x"]))
"""
    done = subprocess.run([sys.executable, "-c", HALVED + script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told, same = done.stdout.strip().splitlines()
    assert told.startswith("MemoryError")
    assert int(told.split()[1]) <= 300
    assert "500000 were planned, 0 are done" in told
    assert "x 64 coordinates, about" in told
    assert same == "True"


def test_warnings_of_ended_runs_point_at_the_caller(monkeypatch):
    in_batches(monkeypatch, start=en.NormalCloud(2.0))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        en.simulate(**ESCAPE, start=en.NormalCloud(2.0))
    assert [w.filename for w in told] == [__file__]
