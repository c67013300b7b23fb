"""The memory that a plan states is what the run then takes, by tracemalloc: every array of NumPy's is in its count."""

from __future__ import annotations

import gc
import math
import tracemalloc

import numpy as np
import pytest

import ensemble as en
from ensemble.backends.cpu import CpuEngine
from ensemble.backends.layout import tiles_of
from ensemble.backends.numpy import NumpyEngine
from ensemble.run import pace
from ensemble.run.plan import MEMORY_SHARE

SADDLE = {
    "landscape": en.QuarticSaddle(dim=16),
    "optimizer": en.Adam(lr=0.01),
    "noise": en.Gaussian(sigma=0.1),
    "start": en.NormalCloud(scale=0.1),
    "instances": 100_000,
    "steps": 4,
}
CASES = {
    "few coordinates": {"landscape": en.QuarticSaddle(dim=2), "instances": 400_000},
    "many coordinates": {"landscape": en.QuarticSaddle(dim=1024), "instances": 2_000},
    "no final iterates": {"keep_x": False},
    "escapes, in NumPy": {"event": en.LeftBall(radius=1.0), "dtype": "float64", "backend": "numpy", "steps": 1},
    "records": {"record": en.Record(["value", "gradient_norm", "distance"], at=[0, 1, 4])},
    "summaries": {"record": en.Record(["value"], at=range(5), summary=True)},
    "paths of some": {"record": en.Record(["x"], at=range(5), instances=20_000)},
    "records of all steps": {
        "record": en.Record(["value", "distance"], at=range(61)),
        "instances": 20_000,
        "steps": 60,
    },
    "paths within a segment": {
        "record": en.Record(["x", "value"], at=range(31), instances=5_000),
        "instances": 20_000,
        "steps": 30,
        "dtype": "float64",
        "backend": "numpy",
    },
    "averages": {"optimizer": en.Average(en.Adam(lr=0.01))},
    "ten thousand configurations": {
        "optimizer": en.Adam(lr=en.grid(np.geomspace(1e-4, 1e-1, 10_000))),
        "instances": 2,
    },
    "numbers drawn": {"optimizer": en.Adam(lr=en.drawn(en.LogUniform(1e-4, 1e-1)))},
    "configurations": {"optimizer": en.Adam(lr=en.grid(0.01, 0.02, 0.03)), "instances": 30_000},
}


@pytest.fixture(autouse=True)
def room(monkeypatch):
    """As much as any case needs, whatever else this machine is doing."""
    for engine in (CpuEngine, NumpyEngine):
        monkeypatch.setattr(engine, "memory_available", lambda self: 4 << 30)


def needed_and_taken(**arguments):
    """What the plan says, and the traced peak."""
    arguments = SADDLE | arguments
    small = {"instances": 20_000 if "record" in arguments else 64}
    en.simulate(**arguments | small)  # compiled, imported
    plan = en.simulate(**arguments, plan_only=True)
    assert plan.batches == 1
    gc.collect()
    tracemalloc.start()
    result = en.simulate(**arguments)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    del result
    return plan.bytes_needed, peak


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A busy machine may take so long for a step that a run parts its batch, which then needs other memory than was planned."""
    monkeypatch.setattr(pace, "STEP_SECONDS", math.inf)


@pytest.mark.ci
@pytest.mark.parametrize("case", CASES)
def test_a_run_takes_the_memory_that_was_planned_within_a_tenth(case):
    needed, taken = needed_and_taken(**{"backend": "cpu"} | CASES[case])
    assert needed == pytest.approx(taken, rel=0.1)


def test_optimizers_side_by_side_plan_for_each_others_results():
    optimizers = {"a": en.Adam(lr=0.01), "b": en.HeavyBall(lr=0.01), "c": en.GradientDescent(lr=0.1)}
    arguments = {name: value for name, value in SADDLE.items() if name != "optimizer"} | {
        "backend": "numpy",
        "steps": 1,
    }
    en.compare(optimizers, **arguments | {"instances": 64})
    plans = en.compare(optimizers, **arguments, plan_only=True)
    tracemalloc.start()
    result = en.compare(optimizers, **arguments)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(plan.bytes_of_results for plan in plans.values()) == pytest.approx(peak, rel=0.1)
    assert result.dataset.sizes["optimizer"] == 3


def test_batches_hold_no_more_than_the_results_and_one_of_them(monkeypatch):
    arguments = SADDLE | {"keep_x": False, "backend": "cpu"}
    en.simulate(**arguments | {"instances": 64})
    room = en.simulate(**arguments, plan_only=True).bytes_needed // 2
    monkeypatch.setattr(CpuEngine, "memory_available", lambda self: room / MEMORY_SHARE)
    plan = en.simulate(**arguments, plan_only=True)
    assert plan.batches > 1
    gc.collect()
    tracemalloc.start()
    en.simulate(**arguments)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak == pytest.approx(plan.bytes_needed, rel=0.1)
    assert peak < 1.05 * room


@pytest.mark.parametrize("width", [1, 4, 16])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_tiles_hold_every_row_once_and_no_two_configurations(width, share):
    configurations, instances = 5, 37
    rows = np.flatnonzero(np.random.default_rng(1).random(configurations * instances) < share).astype(np.int32)
    rows = rows[rows // instances != 2]  # a configuration without any
    tiles = tiles_of(rows, instances, width, mixed=False)
    assert tiles.shape[1] == width
    assert np.array_equal(tiles[tiles >= 0], rows)
    assert all(np.unique(tile[tile >= 0] // instances).size == 1 for tile in tiles)
    assert (tiles[:, 0] >= 0).all()
    mixed = tiles_of(rows, instances, width, mixed=True)
    assert mixed.shape == (-(-rows.size // width), width)
    assert np.array_equal(mixed[mixed >= 0], rows)
