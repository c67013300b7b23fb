"""What recording at every step costs beside the run, and saving beside writing the same bytes: ratios taken inside a round."""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Progress = Callable[[str], None]
Call = Callable[[], Any]
ROUNDS = 7
RUNS = ((4096, 64, 200), (1000, 16, 1000), (1, 16, 30_000))
"""(instances, dimension, steps) of runs of which every step is recorded."""
RECORDED = ("value", "gradient_norm", "distance", "x")


def rounds(calls: Sequence[Call], count: int = ROUNDS) -> np.ndarray:
    """Wall seconds (round, call), interleaved, after one call of each that is not counted."""
    found = np.empty((count + 1, len(calls)))
    for row in found:
        for k, call in enumerate(calls):
            begin = time.perf_counter()
            call()
            row[k] = time.perf_counter() - begin
    return found[1:]


def of_rounds(ratios: np.ndarray) -> dict[str, float]:
    """The median of ratios, and how far they go."""
    return {"times": float(np.median(ratios)), "lowest": float(ratios.min()), "highest": float(ratios.max())}


def records(
    backend: str, quick: bool, say: Progress, runs: Sequence[tuple[int, int, int]] = RUNS
) -> list[dict[str, Any]]:
    """How many times as long a run takes that records every step, without the writing, and how long that is beside the run.

    Writing is the copy of what the result holds of it, (instances, steps[, dim]), into new memory.
    """
    import ensemble as en

    found = []
    for (instances, dim, steps), quantity in [(run, quantity) for run in runs for quantity in RECORDED]:
        common: dict[str, Any] = {
            "landscape": en.QuarticSaddle(dim=dim),
            "optimizer": en.Adam(lr=1e-2),
            "noise": en.Gaussian(sigma=0.1),
            "start": en.NormalCloud(scale=0.1),
            "instances": instances,
            "steps": steps,
            "backend": backend,
        }
        with_record = common | {"record": en.Record(quantity, at=range(steps + 1))}
        kept = next(iter(en.simulate(**with_record).outcomes[""].records.values()))
        calls = [lambda a=common: en.simulate(**a), lambda a=with_record: en.simulate(**a), lambda a=kept: a.copy()]
        alone, recorded, written = rounds(calls, 3 if quick else ROUNDS).T
        row = {"backend": backend, "instances": instances, "dim": dim, "steps": steps, "recorded": quantity}
        row |= of_rounds((recorded - written) / alone) | {"writing": float(np.median(written / alone))}
        say(
            f"{quantity} of every step, {backend}, {instances:,} x {dim}: {row['times']:.2f} times, writing {row['writing']:.2f}"
        )
        found.append(row)
    return found


def saving(backend: str, quick: bool, say: Progress, instances: int = 200_000) -> dict[str, Any]:
    """How many times as long ``save`` takes as writing and flushing as many bytes: each time a new file."""
    import ensemble as en

    result = en.simulate(
        landscape=en.QuarticSaddle(dim=64),
        optimizer=en.Adam(lr=1e-3),
        noise=en.Gaussian(sigma=0.1),
        start=en.NormalCloud(scale=0.1),
        instances=instances,
        steps=10,
        backend=backend,
    )
    with tempfile.TemporaryDirectory() as folder:
        ours, plain = Path(folder) / "ours.nc", Path(folder) / "plain"
        content = result.save(ours).read_bytes()

        def write() -> None:
            with open(plain, "wb", buffering=0) as file:
                rest = memoryview(content)
                while len(rest):
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            plain.unlink()

        def save() -> None:
            result.save(ours)
            ours.unlink()

        saved, written = rounds([save, write]).T
    row = {"bytes": len(content), "seconds": float(np.median(saved))} | of_rounds(saved / written)
    say(f"saving {len(content) / 1e6:,.0f} MB: {row['times']:.2f} times writing them")
    return row
