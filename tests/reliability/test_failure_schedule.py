"""What is lost where workers are lost again and again: the real scheduler and real processes that are killed, and work that only waits."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from stored_runs import ESCAPE

import ensemble as en
from ensemble.results.files import seal_of
from ensemble.stores.clients import by_workers
from ensemble.stores.stored import made, prepared
from ensemble.stores.working import Ending

distributed = pytest.importorskip("distributed")
MINUTE = 0.4
"""Seconds for which a minute stands."""
TICKS = 20
"""A shard takes a minute, and notes so often that it goes on."""


def waits(job, one):
    """A task that takes a minute and writes a file; one whose answer was lost finds the file there, as those that compute do."""
    path = one.shard(job.folder)
    if path.exists():
        return path.name, seal_of(path)
    log = os.open(job.folder / "log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    for _ in range(TICKS):
        time.sleep(MINUTE / TICKS)
        os.write(log, f"{one.name}\n".encode())
    os.close(log)
    path.write_text(f"{one.name} {os.getpid()}")
    return path.name, seal_of(path)


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "hours"), [(4, 1)])
def test_a_loss_an_hour_of_every_worker_wastes_less_than_five_percent(workers, hours, tmp_path, monkeypatch, printed):
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parent), *sys.path])
    )
    shards = 60 * hours * workers
    store = made(tmp_path / "run")
    experiment = ESCAPE | {"instances": shards}
    with pytest.raises(en.Stopped):
        en.simulate(**experiment, store=store, shard=(0, shards), limit=1e-6)
    said = en.stores.description.read(store)
    engine = en.backends.choice.choose("numpy")[0]
    options = {"backend": "numpy", "backend_reason": "", "keep_x": True, "threads": None}
    work = prepared(store, said.experiments(), engine, options)
    monkeypatch.setattr(type(work), "done", lambda self, one: one.shard(self.folder).exists())
    killed, over, rng = [], threading.Event(), random.Random(1)
    cluster = distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", silence_logs=50
    )
    with cluster, distributed.Client(cluster) as client:

        def lose():
            while not over.wait(rng.expovariate(1.0) * 60 * MINUTE / workers):
                pids = [nanny.process.pid for nanny in cluster.workers.values() if nanny.process and nanny.process.pid]
                if pids:
                    killed.append(rng.choice(pids))
                    os.kill(killed[-1], signal.SIGKILL)

        losses = threading.Thread(target=lose)
        losses.start()
        try:
            with Ending() as ending:
                by_workers(work, client, ending, None, waits)
        finally:
            over.set()
            losses.join()
    assert all(map(work.done, work.shards()))
    ticks = len((store / "log").read_text().splitlines())
    wasted = ticks / (TICKS * shards) - 1
    printed(
        f"{shards} shards of a minute on {workers} workers, {len(killed)} killed: {100 * wasted:.2f} % of the work twice"
    )
    assert killed
    assert 0 <= wasted < 0.05
    assert json.loads((store / "experiment.json").read_text())["settings"][""]["instances"] == shards
