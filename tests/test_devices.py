"""The CUDA backend itself, over a stand-in for CuPy that executes its kernels' PTX: several devices, pinned memory, watchdogs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import own_parts
import pytest
from standins import needs_nvrtc, two_devices
from test_remote_arrays import CALLS, LOOKS, RECORDS, RUN, assert_same, run

import ensemble as en
from ensemble.backends import choice
from ensemble.backends.cuda import CudaEngine
from ensemble.backends.program import Engine
from ensemble.checks import companions, structs
from ensemble.run.field import Field
from ensemble.run.plan import Memory

__all__ = ["two_devices"]
pytestmark = [needs_nvrtc, pytest.mark.filterwarnings("ignore:.*starts already satisfy the event")]
OFTEN = {"record 0", "record 1", "averages", "start Sphere", "start Points", "sharpness"}


def rarely(names: Any) -> list[Any]:
    return [name if name in OFTEN else pytest.param(name, marks=pytest.mark.slow) for name in names]


def engine_of(devices: Any, number: int) -> CudaEngine:
    with devices.cuda.Device(number):
        return CudaEngine()


@contextmanager
def taken(engine: Engine) -> Iterator[None]:
    """Whatever backend is asked for, it is this one."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("ensemble.run.engines", "ensemble.run.field"):
            patch.setattr(sys.modules[module], "choose", lambda *_: (engine, ""))
        yield


# ---- several devices


@pytest.mark.parametrize("name", rarely(CALLS))
def test_an_ensemble_made_on_one_device_stays_there_whichever_is_current(name: str, two_devices: Any) -> None:
    with taken(engine_of(two_devices, 1)):
        found = run(CALLS[name], backend="cuda", math="precise")
    assert two_devices.memory.MADE[1]
    assert not two_devices.memory.MADE[0]
    assert_same(found, run(CALLS[name]))


@pytest.mark.parametrize("name", rarely(LOOKS))
def test_what_looks_at_an_ensemble_stays_on_its_device_too(name: str, two_devices: Any) -> None:
    with taken(engine_of(two_devices, 1)):
        found = LOOKS[name](run({"record": RECORDS[1]}, backend="cuda", math="precise"))
    assert not two_devices.memory.MADE[0]
    assert_same(found, LOOKS[name](run({"record": RECORDS[1]})), rtol=1e-9)  # sums in another order


def test_a_trial_for_a_plan_runs_on_its_device(two_devices: Any) -> None:
    with taken(engine_of(two_devices, 1)):
        plan = run({}, backend="cuda", dtype="float64", plan_only=True)
    assert "trial" in plan.basis
    assert two_devices.memory.MADE[1]
    assert not two_devices.memory.MADE[0]


def test_a_run_takes_the_current_device_of_its_thread(two_devices: Any) -> None:
    assert choice.choose("cuda")[0].device == 0
    with two_devices.cuda.Device(1):
        engine, _ = choice.choose("cuda")
        assert engine.device == 1
        assert choice.choose("auto")[0] is engine
    assert choice.choose("cuda")[0].device == 0


def test_a_field_may_be_looked_at_by_threads_whose_device_is_another(two_devices: Any) -> None:
    field, x = Field(en.Quadratic([1.0, 3.0]), engine_of(two_devices, 1)), np.ones((5, 2))
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(field.fetch(field.values(field.place(x))))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [values.tolist() for values in found] == [[2.0] * 5] * 2
    single = field.place(x)
    with two_devices.cuda.Device(0), pytest.raises(ValueError, match="must be same as the current device"):
        single + single  # what is kept from happening
    with field.here():
        assert field.fetch(single + single).tolist() == (x + x).tolist()


def test_a_struct_of_ones_own_is_tried_on_the_device_where_there_is_no_compiler(two_devices: Any) -> None:
    part = own_parts.HeavyBall(lr=0.1)
    program = companions.program_of(part, en.QuarticSaddle(dim=8), "float64")
    assert structs.struct_fault(program, part, engine_of(two_devices, 1)) == ""


# ---- a display's watchdog


def test_where_a_watchdog_ends_long_kernels_the_engine_knows(two_devices: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not CudaEngine().watched
    monkeypatch.setenv("STANDIN_TIMEOUT", "1")
    assert CudaEngine().watched


# ---- pinned memory


@pytest.mark.parametrize("record", RECORDS[:2], ids=["of all", "of some"])
def test_pinned_memory_is_counted_by_the_plan_and_given_back(record: en.Record, two_devices: Any) -> None:
    pool, engine = two_devices.get_default_pinned_memory_pool(), CudaEngine()
    with taken(engine):
        result = run({"record": record, "steps": 30} if record is RECORDS[0] else {"record": record})
    setting = next(iter(result.settings.values()))
    program = setting.program(setting.sweep().parts, 0, setting.instances)
    planned = Memory.of(setting, program, engine, True, False).arriving(setting.instances)
    assert 0 < pool.most <= planned
    assert pool.used == pool.kept == 0


def test_batches_are_no_larger_than_what_arrives_of_them_has_room_for(
    two_devices: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = CudaEngine()
    asked = {**RUN, "instances": 100_000, "record": en.Record(["x"], at=[60], summary=True), "keep_x": False}
    with taken(engine):
        whole = en.simulate(**asked, plan_only=True)
        assert whole.batches == 1
        monkeypatch.setattr(engine, "host_memory_available", lambda: int(1.6 * whole.bytes_of_results))
        fewer = en.simulate(**asked, plan_only=True)
    assert fewer.batches > 1
    assert fewer.bytes_of_results == whole.bytes_of_results
