"""Interleaved timing and the comparison of outputs.

All contestants are warm before the first timing; a round runs each of them once, in the same order; ratios are taken
inside a round and only then reduced to a median, so that a machine that slows down slows both sides of a ratio.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from peers.work import Contestant, Outcome, Run, Work

AGREE = 5.0
"""Standard errors within which two contestants have the same statistics."""


@dataclass
class Row:
    """One contestant's timings on one work."""

    name: str
    family: str
    work: Work
    steps: int
    seconds: list[float] = field(default_factory=list)
    z: float | None = None
    diverged: int = 0

    @property
    def rates(self) -> np.ndarray:
        """Coordinate-steps/s of each round."""
        return self.work.instances * self.work.dim * self.steps / np.array(self.seconds)

    @property
    def rate(self) -> float:
        return float(np.median(self.rates))


@dataclass(frozen=True)
class Ratio:
    """Median over rounds of the ratio inside a round, with the lowest and highest round."""

    median: float
    low: float
    high: float


def ratio(rates: np.ndarray, others: Iterable[np.ndarray]) -> Ratio:
    """`rates` (rounds,) over the fastest of `others` in each round."""
    inside = rates / np.max(np.stack(list(others)), axis=0)
    return Ratio(float(np.median(inside)), float(inside.min()), float(inside.max()))


def timed(run: Run, seed: int) -> tuple[float, Outcome]:
    """Wall seconds of one run, to the result on the host, and the result."""
    begin = time.perf_counter()
    outcome = run(seed)
    return time.perf_counter() - begin, outcome


def calibrated(
    contestant: Contestant, work: Work, seconds: float, at_least: int = 5, at_most: int = 100_000
) -> tuple[int, Run]:
    """The prepared run and the number of steps that make it last about `seconds`."""
    steps = 20
    while True:
        run = contestant.prepare(work, steps)
        wall = min(timed(run, seed)[0] for seed in (1, 2))
        if wall > seconds / 3 or steps >= at_most:
            break
        steps = min(at_most, max(2 * steps, min(20 * steps, int(0.9 * steps * seconds / wall))))
    wanted = max(at_least, int(steps * seconds / wall)) if wall > 3 * seconds else max(at_least, steps)
    if wanted != steps:
        steps = wanted
        run = contestant.prepare(work, steps)
    return steps, run


def interleaved(rows: Sequence[Row], runs: Sequence[Run], rounds: int) -> list[Outcome]:
    """Time every run once a round; the outcomes of the last round."""
    outcomes: list[Outcome] = []
    for seed in range(1, rounds + 1):
        outcomes = []
        for row, run in zip(rows, runs, strict=True):
            wall, outcome = timed(run, seed)
            row.seconds.append(wall)
            outcomes.append(outcome)
    for row, outcome in zip(rows, outcomes, strict=True):
        row.diverged = outcome.diverged
    return outcomes


def disagreement(x: np.ndarray, reference: np.ndarray) -> float:
    """Largest difference of two samples (instances, dim), in standard errors: mean, variance of coordinates 0 and 1.

    Instances that are not finite are left out: the table counts them apart.
    """
    worst = 0.0
    for k in range(min(2, x.shape[1])):
        mean, variance = [], []
        for sample in (x[:, k].astype(np.float64), reference[:, k].astype(np.float64)):
            kept = sample[np.isfinite(sample)]
            centred = kept - kept.mean()
            second = float(np.mean(centred**2))
            mean.append((float(kept.mean()), second / len(kept)))
            variance.append((second, (float(np.mean(centred**4)) - second**2) / len(kept)))
        for (a, a_error), (b, b_error) in (mean, variance):
            error = np.sqrt(a_error + b_error)
            worst = max(worst, abs(a - b) / error if error > 0 else (0.0 if a == b else np.inf))
    return float(worst)


def compare(
    work: Work, contestants: Sequence[Contestant], reference: Contestant, rounds: int, seconds: float
) -> list[Row]:
    """Time all contestants on one work; each timed output against `reference` after the same number of steps."""
    rows, runs = [], []
    for contestant in contestants:
        steps, run = calibrated(contestant, work, seconds)
        rows.append(Row(contestant.name, contestant.family, work, steps))
        runs.append(run)
    outcomes = interleaved(rows, runs, rounds)
    for row, outcome in zip(rows, outcomes, strict=True):
        row.z = disagreement(outcome.x, reference.prepare(work, row.steps)(1_000_003).x)
    return rows
