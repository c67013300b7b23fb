"""What recording at every step costs beside the run, saving beside writing the same bytes, and a store beside the run: ratios taken
inside a round.
"""

import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

Progress = Callable[[str], None]
Call = Callable[[], Any]
ROUNDS = 7
RUNS = ((4096, 64, 200), (1000, 16, 1000), (1, 16, 30_000))
"""(instances, dimension, steps) of runs of which every step is recorded."""
STORED = ((5.0, 60.0), (5.0, 1.0), (60.0, 60.0), (60.0, 10.0))
"""(seconds of a run alone, seconds between its checkpoints) of runs in stores."""
RECORDED = ("value", "gradient_norm", "distance", "x")


def rounds(
    calls: Sequence[Call], count: int = ROUNDS, clock: Callable[[], Any] = lambda: time.perf_counter()
) -> np.ndarray:
    """What passes on a clock, by default wall seconds (round, call), interleaved, after one call of each that is not counted."""
    found = []
    for _ in range(count + 1):
        row = []
        for call in calls:
            begin = clock()
            call()
            row.append(clock() - begin)
        found.append(row)
    return np.array(found[1:])


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


def teams(
    backend: str, quick: bool, say: Progress, size: tuple[int, int] = (4096, 64), configurations: int = 8
) -> list[dict[str, Any]]:
    """How many times as fast a sweep of paired configurations is as one configuration of as many instances as all of them.

    The same work, Gaussian noise.
    """
    import ensemble as en

    instances, dim = size
    steps = 300 if quick else 1500
    rates = np.linspace(1e-3, 2e-3, configurations)
    optimizers: dict[str, Callable[[Any], Any]] = {
        "GradientDescent": lambda lr: en.GradientDescent(lr),
        "HeavyBall": lambda lr: en.HeavyBall(lr, beta=0.9),
        "Adam": lambda lr: en.Adam(lr),
    }
    found = []
    for name, made in optimizers.items():

        def run(count: int, lr: Any, made: Callable[[Any], Any] = made) -> Call:
            return lambda: en.simulate(
                landscape=en.QuarticSaddle(dim=dim),
                optimizer=made(lr),
                noise=en.Gaussian(sigma=0.1),
                start=en.NormalCloud(scale=1e-3),
                instances=count,
                steps=steps,
                backend=backend,
                progress=False,
            )

        one, swept = run(configurations * instances, 1e-3), run(instances, en.grid(*rates))
        seconds = rounds([one, swept], 3 if quick else ROUNDS)
        row = {"backend": backend, "instances": instances, "dim": dim, "optimizer": name}
        row |= {"configurations": configurations} | of_rounds(seconds[:, 0] / seconds[:, 1])
        row["coordinate-steps/s"] = float(np.median(configurations * instances * dim * steps / seconds[:, 1]))
        say(f"{configurations} paired configurations, {name}, {backend}: {row['times']:.2f} times as fast as one")
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


def stores(
    backend: str, quick: bool, say: Progress, lengths: Sequence[tuple[float, float]] = STORED, instances: int = 20_000
) -> list[dict[str, Any]]:
    """How many times as long a run takes in a store, with its checkpoints and checksums, as alone: each time a new store.

    ``lengths``: (seconds that the run takes alone, seconds between its checkpoints).
    """
    import ensemble as en

    found = []
    for seconds, checkpoint in lengths[: 1 if quick else None]:
        common: dict[str, Any] = {
            "landscape": en.QuarticSaddle(dim=64),
            "optimizer": en.Adam(lr=1e-3),
            "noise": en.Gaussian(sigma=0.1),
            "start": en.NormalCloud(scale=0.1),
            "instances": instances,
            "backend": backend,
        }
        steps = 50
        en.simulate(**common, steps=steps)
        while (took := _seconds(partial(en.simulate, **common, steps=steps))) < min(1.0, seconds):
            steps *= 2
        took = min(took, *(_seconds(partial(en.simulate, **common, steps=steps)) for _ in range(2)))
        steps = max(1, round(steps * seconds / took))
        with tempfile.TemporaryDirectory() as folder:
            places = (Path(folder) / str(k) for k in itertools.count())
            run = partial(en.simulate, **common, steps=steps)
            stored = partial(_stored, run, places, checkpoint)
            found_here = rounds([run, stored], 2 if quick else 5 if seconds < 30 else 3, _clocks)
        alone, kept = found_here[:, 0], found_here[:, 1]  # (round, clock)
        row = {"backend": backend, "seconds": float(np.median(alone[:, 0])), "checkpoint": checkpoint, "steps": steps}
        row |= of_rounds(kept[:, 0] / alone[:, 0]) | {"processor": float(np.median(kept[:, 1] / alone[:, 1]))}
        say(
            f"a run of {row['seconds']:.1f} s in a store, checkpoints every {checkpoint:g} s: {row['times']:.3f} times, "
            f"{row['processor']:.3f} of the processors' time"
        )
        found.append(row)
    return found


def _clocks() -> np.ndarray:
    """The wall's, and that of the processors at work for this process: other processes' work is in the first alone."""
    return np.array([time.perf_counter(), time.process_time()])


def _stored(run: Callable[..., Any], places: Iterator[Path], checkpoint: float) -> None:
    run(store=next(places), checkpoint=checkpoint)


def _seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
