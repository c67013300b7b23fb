"""examples/slurm and examples/dask as they stand, with local processes; srun and scontrol are stand-ins that run and note."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from stored_runs import data_digest

import ensemble as en

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = ["--instances", "60", "--dim", "16", "--backend", "numpy"]
pytestmark = [
    pytest.mark.skipif(os.name != "posix" or shutil.which("bash") is None, reason="shell scripts and signals"),
    pytest.mark.filterwarnings("ignore:.*starts already satisfy the event"),
]


def whole(steps):
    """The unbroken run of the same study."""
    return data_digest(
        en.simulate(
            landscape=en.QuarticSaddle(dim=16), optimizer=en.Adam(lr=en.grid(1e-3, 3e-3, 1e-2)), noise=en.Gaussian(0.1),
            start=en.NormalCloud(0.1), event=en.LeftBall(1.5), instances=60, steps=steps, backend="numpy", progress=False,
        )
    )  # fmt: skip


@pytest.fixture
def slurm(tmp_path):
    """Starts tasks of a job array: ``array.sbatch`` itself, as SLURM would on a node."""
    shutil.copytree(EXAMPLES / "slurm", tmp_path / "slurm")
    stand_ins = tmp_path / "bin"
    stand_ins.mkdir()
    (stand_ins / "srun").write_text('#!/bin/bash\nexec "$@"\n')
    (stand_ins / "scontrol").write_text(f'#!/bin/bash\necho "$@" >> {tmp_path}/requeued\n')
    (stand_ins / "python").symlink_to(sys.executable)
    for one in ("srun", "scontrol"):
        (stand_ins / one).chmod(0o755)
    path = os.pathsep.join([str(stand_ins), os.environ["PATH"]])
    started = []

    def start(script, task, count, *arguments):
        environment = os.environ | {
            "PATH": path, "SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": str(count), "SLURM_ARRAY_JOB_ID": "9",
            "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "ignore",
        }  # fmt: skip
        started.append(
            subprocess.Popen(
                ["bash", script, *arguments], cwd=tmp_path / "slurm", env=environment, start_new_session=True
            )
        )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def holders(store):
    found = {}
    for path in (store / "claims").glob("*.json"):
        try:
            found[json.loads(path.read_text())["pid"]] = path.name
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_a_job_array_is_told_to_end_loses_a_node_and_ends_with_the_same_bits(slurm, tmp_path):
    store, steps = tmp_path / "slurm" / "runs" / "escape", 2500
    more = [*SMALL, "--steps", str(steps), "--checkpoint", "0.2"]
    tasks = [slurm("array.sbatch", k, 3, *more) for k in range(3)]
    end = time.monotonic() + 60
    while len(holders(store)) < 3:
        assert time.monotonic() < end
        time.sleep(0.02)
    told, lost, *_ = holders(store)
    os.kill(told, signal.SIGUSR1)
    os.kill(lost, signal.SIGKILL)
    statuses = sorted(task.wait(timeout=120) for task in tasks)
    assert statuses == [0, 0, 137]
    assert (tmp_path / "requeued").read_text().startswith("requeue 9_")
    again = [slurm("array.sbatch", k, 3, *more) for k in range(3)]
    assert [task.wait(timeout=120) for task in again] == [0, 0, 0]
    done = subprocess.run(
        [sys.executable, "study.py", *more], cwd=tmp_path / "slurm", capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "lr" in done.stdout
    assert data_digest(en.open(store).result()) == whole(steps)


@pytest.mark.slow
def test_workers_join_a_store_that_one_part_began(slurm, tmp_path):
    store = tmp_path / "slurm" / "runs" / "escape"
    more = [*SMALL, "--steps", "60"]
    assert slurm("array.sbatch", 0, 6, *more).wait(timeout=120) == 0
    workers = [slurm("workers.sbatch", k, 2, "runs/escape") for k in range(2)]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    assert data_digest(en.open(store).result()) == whole(60)


@pytest.mark.slow
def test_workers_of_dask_run_the_same_study(tmp_path):
    pytest.importorskip("distributed")
    command = [sys.executable, str(EXAMPLES / "dask" / "run.py"), *SMALL, "--steps", "60", "--workers", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert "lr" in done.stdout
    assert data_digest(en.open(tmp_path / "runs" / "escape").result()) == whole(60)
