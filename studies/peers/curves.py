"""Throughput against one quantity at a time, and heavy-tailed escapes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import erf

from peers.measure import Row, calibrated, interleaved, timed
from peers.work import Contestant, Outcome, Work

COMPILED = ("ensemble cpu", "ensemble cuda")
"""Ours, which take at least 200 steps at every point: fewer would time the starts and the result, not the steps."""

Progress = Callable[[str], None]


@dataclass
class Curve:
    """Coordinate-steps/s of several contestants against `x`; not a number where one was left out."""

    name: str
    title: str
    x_label: str
    x: list[int]
    lines: dict[str, list[float]] = field(default_factory=dict)


def sweep(
    curve: Curve,
    contestants: Sequence[Contestant],
    work_at: Callable[[int], Work],
    steps_at: Callable[[int], int] | None,
    limit: Callable[[Contestant, int], bool],
    seconds: float,
    rounds: int,
    say: Progress,
) -> Curve:
    """Measure every contestant at every point; `steps_at` fixes the steps, else they are chosen to last `seconds`."""
    curve.lines = {c.name: [] for c in contestants}
    for point in curve.x:
        work = work_at(point)
        rows, runs = [], []
        for contestant in contestants:
            if limit(contestant, point):
                continue
            if steps_at is None:
                steps, run = calibrated(contestant, work, seconds, 200 if contestant.family in COMPILED else 5)
            else:
                steps = steps_at(point)
                run = contestant.prepare(work, steps)
            rows.append(Row(contestant.name, contestant.family, work, steps))
            runs.append(run)
        interleaved(rows, runs, rounds)
        measured = {row.name: row.rate for row in rows}
        for name, line in curve.lines.items():
            line.append(measured.get(name, float("nan")))
        say(f"{curve.name} {point:,}: " + ", ".join(f"{n} {r / 1e6:,.0f}" for n, r in measured.items()))
    return curve


def against_instances(contestants: Sequence[Contestant], quick: bool, say: Progress) -> Curve:
    """Dim 16, 1e2 to 1e7 instances (peers to 1e6: beyond, their arrays only stream through memory)."""
    points = [100, 1_000, 4_000, 10_000, 100_000] + ([] if quick else [1_000_000, 10_000_000])
    curve = Curve("instances", "Adam on QuarticSaddle, dim 16", "instances", points)
    return sweep(
        curve,
        contestants,
        lambda n: Work("QuarticSaddle", "Adam", n, 16),
        None,
        lambda c, n: n > 1_000_000 and c.family not in COMPILED,
        0.2 if quick else 1.0,
        2 if quick else 3,
        say,
    )


def against_dimension(contestants: Sequence[Contestant], quick: bool, say: Progress) -> Curve:
    """Dim 1 to 16,384 at 2^20 coordinates in all."""
    points = [1, 16, 256, 4_096] if quick else [1, 2, 4, 16, 64, 256, 1_024, 4_096, 8_192, 16_384]
    curve = Curve("dimension", "Adam on QuarticSaddle, 1,048,576 coordinates in all", "dimension", points)
    return sweep(
        curve,
        contestants,
        lambda dim: Work("QuarticSaddle", "Adam", 2**20 // dim, dim),
        None,
        lambda c, dim: False,
        0.2 if quick else 1.0,
        2 if quick else 3,
        say,
    )


def against_steps(contestants: Sequence[Contestant], quick: bool, say: Progress) -> Curve:
    """Steps per call, 4,096 x 64: what a call costs before its first step."""
    points = [1, 10, 100, 1_000] if quick else [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000]
    curve = Curve("steps", "Adam on QuarticSaddle, 4,096 x 64", "steps per call", points)
    return sweep(
        curve,
        contestants,
        lambda steps: Work("QuarticSaddle", "Adam", 4_096, 64),
        lambda steps: steps,
        lambda c, steps: steps > 1_000 and not c.family.startswith("ensemble"),
        0.0,
        2 if quick else 5,
        say,
    )


def escapes(backend: str, quick: bool, say: Progress) -> dict[str, Any]:
    """First passages of a random walk, median 50 steps, longest 5,000: wall time against the steps really taken.

    On a flat landscape SGD is a walk of normal steps `lr sigma`; it has passed `d` of them by step t with probability
    `erfc((d + 0.5826) / sqrt(2 t))` (the constant is the walk's mean overshoot), so d = 4.19 makes 50 the median.
    """
    import ensemble as en

    horizon, dim = 5_000, 16
    instances = 16_384 if quick else 131_072
    common: dict[str, Any] = {
        "landscape": en.Quadratic(curvature=0.0, dim=dim),
        "optimizer": en.GradientDescent(lr=1.0),
        "noise": en.Gaussian(sigma=1.0),
        "start": en.Point([0.0] * dim),
        "instances": instances,
        "backend": backend,
    }
    first = [1.0] + [0.0] * (dim - 1)
    passages = {**common, "event": en.Crossed(normal=first, offset=4.19), "steps": horizon}
    watched = {**common, "event": en.Crossed(normal=first, offset=1e9), "steps": 200}

    def run(arguments: dict[str, Any]) -> Callable[[int], Outcome]:
        def once(seed: int) -> Outcome:
            step = np.asarray(en.simulate(**arguments, seed=seed).dataset["event_step"])
            return Outcome(np.where(step < 0, arguments["steps"], step), 0)

        return once

    for arguments in (passages, watched):
        run(arguments)(0)
    shares, walls, taken = [], [], np.zeros(0)
    for seed in range(1, 3 if quick else 6):
        full, _ = timed(run(watched), seed)
        wall, outcome = timed(run(passages), seed)
        taken = outcome.x
        shares.append(wall / (full * taken.sum() / (instances * 200)))
        walls.append(wall)
    result = {
        "backend": backend,
        "instances": instances,
        "median_step": float(np.median(taken)),
        "longest_step": int(taken.max()),
        "mean_step": float(taken.mean()),
        "still_inside": float(np.mean(taken == horizon)),
        "expected_inside": float(erf((4.19 + 0.5826) / np.sqrt(2 * horizon))),
        "wall_seconds": float(np.median(walls)),
        "times_ideal": float(np.median(shares)),
    }
    say(f"escapes, {backend}: {result['times_ideal']:.2f} times steps taken / throughput")
    return result
