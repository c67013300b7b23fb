"""How long does Adam stay at a saddle? A stored study: run by itself, as parts of a job array, or joined by workers.

python study.py                      all of it, on this machine; the same command goes on where it was ended
SLURM_ARRAY_TASK_ID=3 ... study.py   one part, as array.sbatch starts it
"""

import argparse
import os

import ensemble as en

parser = argparse.ArgumentParser()
parser.add_argument("--store", default="runs/escape")
parser.add_argument("--instances", type=int, default=1_000_000)
parser.add_argument("--steps", type=int, default=20_000)
parser.add_argument("--dim", type=int, default=64)
parser.add_argument("--backend", default="auto")
parser.add_argument("--checkpoint", default="60s")

if __name__ == "__main__":
    given = parser.parse_args()
    task = os.environ.get("SLURM_ARRAY_TASK_ID")
    result = en.simulate(
        landscape=en.QuarticSaddle(dim=given.dim),
        optimizer=en.Adam(lr=en.grid(1e-3, 3e-3, 1e-2)),
        noise=en.Gaussian(sigma=0.1),
        start=en.NormalCloud(scale=0.1),
        event=en.LeftBall(radius=1.5),
        instances=given.instances,
        steps=given.steps,
        backend=given.backend,
        store=given.store,
        checkpoint=given.checkpoint,
        shard=None if task is None else (int(task), int(os.environ["SLURM_ARRAY_TASK_COUNT"])),
    )
    if task is None:
        print(en.statistics.survival(result)["median"].to_series())
