"""Workers of a ``distributed.Client``: any number of them, lost ones and poisoned shards. Real processes."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from standins import needs_nvrtc, two_devices
from stored_runs import data_digest, python, simulate

import ensemble as en

distributed = pytest.importorskip("distributed")
__all__ = ["two_devices"]
pytestmark = pytest.mark.filterwarnings("ignore:.*starts already satisfy the event")
MORE = {"record": en.Record("value", at=en.log_spaced(9), instances=25)}


@pytest.fixture
def workers(monkeypatch):
    """Starts clients with so many worker processes, of one thread each."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1]), *sys.path]))
    opened = []

    def start(count):
        cluster = distributed.LocalCluster(
            n_workers=count, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", silence_logs=50
        )
        opened.append(cluster)
        client = distributed.Client(cluster)
        opened.append(client)
        return client

    yield start
    for one in reversed(opened):
        one.close()


@dataclasses.dataclass(frozen=True)
class SlowStart(en.starts.Start):
    """A start that takes its time, and ends the process of the worker that draws the instances of ``poison``."""

    poison: int = -1
    wait: float = 0.0
    fails: bool = False

    def draw(self, source):
        time.sleep(self.wait)
        if self.poison in source.ids:
            if self.fails:
                raise ZeroDivisionError("poisoned")
            os.kill(os.getpid(), signal.SIGKILL)
        return 0.01 * source.normals()


@pytest.mark.ci
@pytest.mark.parametrize("count", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(4, marks=pytest.mark.slow)])
def test_any_number_of_workers_gives_the_same_bits(count, workers, tmp_path):
    simulate(**MORE, store=tmp_path / "run", shard=(0, 10))
    found = simulate(**MORE, store=tmp_path / "run", client=workers(count))
    assert data_digest(found) == data_digest(simulate(**MORE))
    assert len(en.open(tmp_path / "run").shards) == 10


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 4])
def test_any_number_of_workers_gives_the_same_bits_on_the_cpu(count, workers, cpu, tmp_path):
    more = MORE | {"backend": "cpu", "steps": 3000, "instances": 2000}
    found = simulate(**more, store=tmp_path / "run", client=workers(count))
    assert data_digest(found) == data_digest(simulate(**more))


@pytest.mark.ci
def test_a_killed_workers_shard_is_run_again_without_anybody_doing_anything(workers, tmp_path):
    more = MORE | {"start": SlowStart(wait=0.4)}
    simulate(**more, store=tmp_path / "run", shard=(0, 10))
    client = workers(2)
    victim = next(iter(client.scheduler_info()["workers"].values()))
    pid = client.submit(os.getpid, workers=[victim["name"]], pure=False).result()
    killer = subprocess.Popen([sys.executable, "-c", f"import os, time; time.sleep(1.0); os.kill({pid}, 9)"])
    found = simulate(**more, store=tmp_path / "run", client=client)
    killer.wait()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert data_digest(found) == data_digest(simulate(**more))


@pytest.mark.slow
@pytest.mark.parametrize("fails", [True, False])
def test_a_poisoned_shard_is_listed_with_its_reason_and_all_others_are_there(fails, workers, tmp_path):
    more = {"start": SlowStart(poison=23, fails=fails)}
    simulate(**more, store=tmp_path / "run", shard=(0, 10))
    reason = "ZeroDivisionError: poisoned" if fails else "KilledWorker"
    with pytest.raises(en.ShardsFailedError, match=f"1 shards failed 3 times .instances 20 to 24: {reason}") as caught:
        simulate(**more, store=tmp_path / "run", client=workers(2))
    assert [(first, last) for first, last, _ in caught.value.reasons] == [(20, 24)]
    assert [shard.state for shard in en.open(tmp_path / "run").shards].count("finished") == 9
    status = python("-m", "ensemble", "store", "status", tmp_path / "run")
    assert status.returncode == 1
    assert re.search(rf"failed +20 to 24, {3 if fails else 1} times: {reason}", status.stdout)


@pytest.mark.slow
def test_shards_that_wait_behind_one_that_kills_its_worker_are_not_blamed(workers, tmp_path, monkeypatch):
    monkeypatch.setattr(
        en.stores.clients, "AHEAD", 10
    )  # all at the only worker, whose every end the scheduler lays to all
    more = {"start": SlowStart(poison=23)}
    simulate(**more, store=tmp_path / "run", shard=(0, 10))
    with pytest.raises(en.ShardsFailedError, match=r"1 shards failed 3 times .instances 20 to 24: KilledWorker"):
        simulate(**more, store=tmp_path / "run", client=workers(1))
    assert [shard.state for shard in en.open(tmp_path / "run").shards].count("finished") == 9


@pytest.mark.slow
def test_workers_of_another_version_are_refused(workers, tmp_path, monkeypatch):
    monkeypatch.setattr(en.stores.clients, "code", lambda: "another")
    with pytest.raises(en.ShardsFailedError, match=r"a worker has descent-ensemble .* install the same on both"):
        simulate(store=tmp_path / "run", client=workers(1))


def test_distributed_is_not_imported_unless_it_is_asked_for(tmp_path):
    code = (
        "import sys, ensemble as en\nen.simulate(landscape=en.Quadratic([1.0]), optimizer=en.GradientDescent(0.1), "
        "start=en.Point(1.0), instances=2, steps=2, backend='numpy', store='run')\n"
        "print([m for m in sys.modules if m.partition('.')[0] == 'distributed'])  # xarray takes dask where it is there"
    )
    done = python(code=code, cwd=tmp_path)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.ci
def test_each_worker_of_local_gpus_sees_one_gpu():
    with en.cluster.local_gpus(devices=[0, 3]) as cluster, distributed.Client(cluster) as client:
        client.wait_for_workers(2, timeout=60)
        seen = client.run(lambda: os.environ["CUDA_VISIBLE_DEVICES"])
        assert sorted(seen.values()) == ["0", "3"]
        assert set(client.nthreads().values()) == {1}


def test_without_a_gpu_local_gpus_says_so(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(RuntimeError, match=r"no GPU was found .*give devices=\[0, 1\]"):
        en.cluster.local_gpus()
    with pytest.raises(ValueError, match="devices='0'"):
        en.cluster.local_gpus("0")


@needs_nvrtc
def test_all_devices_of_a_machine_work_on_one_store(two_devices, tmp_path):
    more = {"instances": 8, "steps": 6, "math": "precise", "optimizer": en.GradientDescent(0.1)}
    simulate(**more | {"backend": "cuda"}, store=tmp_path / "run", shard=(0, 4))
    found = simulate(**more | {"backend": "cuda"}, store=tmp_path / "run", devices="all")
    assert two_devices.memory.MADE[0]
    assert two_devices.memory.MADE[1]
    whole = simulate(**more)
    assert np.array_equal(found.dataset["x"], whole.dataset["x"])


@pytest.mark.slow
def test_a_run_without_workers_says_so_and_goes_on_with_new_ones(workers, tmp_path, monkeypatch):
    monkeypatch.setattr("ensemble.stores.clients.LONELY", 0.5)
    client = workers(1)
    cluster = client.cluster
    client.run(os.getpid)
    cluster.scale(0)
    while client.nthreads():
        time.sleep(0.05)
    wanted = data_digest(simulate())
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        helper = threading.Timer(3.0, cluster.scale, (1,))
        helper.start()
        found = simulate(store=tmp_path / "run", client=client)
        helper.join()
    assert data_digest(found) == wanted
    said = [str(w.message) for w in told if "no worker" in str(w.message)]
    assert len(said) == 1
    assert "shards wait for one; start workers" in said[0]
