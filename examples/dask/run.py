"""A stored study by workers of Dask: processes of this machine, its GPUs, or a cluster that runs already.

python run.py --workers 4                  four processes, a thread each
python run.py --gpus                       a process for each GPU of this machine
python run.py --scheduler tcp://host:8786  the workers of a cluster, which see the same disk
"""

import argparse

import distributed

import ensemble as en

parser = argparse.ArgumentParser()
parser.add_argument("--store", default="runs/escape")
parser.add_argument("--workers", type=int, default=2)
parser.add_argument("--gpus", action="store_true")
parser.add_argument("--scheduler")
parser.add_argument("--instances", type=int, default=1_000_000)
parser.add_argument("--steps", type=int, default=20_000)
parser.add_argument("--dim", type=int, default=64)
parser.add_argument("--backend", default="auto")


def client(given: argparse.Namespace) -> distributed.Client:
    """The workers that were asked for."""
    if given.scheduler:
        return distributed.Client(given.scheduler)
    if given.gpus:
        return distributed.Client(en.cluster.local_gpus())
    return distributed.Client(
        distributed.LocalCluster(n_workers=given.workers, threads_per_worker=1, dashboard_address=None)
    )


if __name__ == "__main__":
    given = parser.parse_args()
    with client(given) as workers:
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
            client=workers,
        )
        if workers.cluster is not None:
            workers.cluster.close()
    print(en.statistics.survival(result)["median"].to_series())
