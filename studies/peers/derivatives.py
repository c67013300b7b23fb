"""What a gradient that follows from the value alone costs next to one that is written by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import ensemble as en
from peers.by_hand import by_hand, from_value, landscapes
from peers.measure import Row, calibrated, interleaved, ratio
from peers.work import Contestant, Outcome, Run, Work


def _form(name: str, landscape: en.Landscape, backend: str) -> Contestant:
    """Gradient descent without noise: nothing but the gradient takes time."""

    def prepare(work: Work, steps: int) -> Run:
        def run(seed: int, steps: int = steps) -> Outcome:
            dataset = en.simulate(
                landscape=landscape,
                optimizer=en.GradientDescent(1e-4),
                noise=en.NoNoise(),
                start=en.NormalCloud(0.5),
                event=en.Never(),
                instances=work.instances,
                steps=steps,
                seed=seed,
                backend=backend,
                dtype=work.dtype,
                progress=False,
            ).dataset
            return Outcome(np.asarray(dataset["x"]), int((np.asarray(dataset["status"]) == 2).sum()))

        run(0, 1)
        return run

    return Contestant(name, prepare, name)


def compared(
    backend: str, rounds: int, seconds: float, say: Callable[[str], None], only: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """A row for each landscape whose value is a formula: the median over rounds of derived over hand-written speed."""
    found = []
    for part in landscapes():
        name = type(part).__name__
        if only and name not in only:
            continue
        work = Work(name, "GradientDescent", 65_536 // part.dimension, part.dimension)
        forms = [_form("by hand", by_hand(part), backend), _form("from the value", from_value(part), backend)]
        steps, _ = calibrated(forms[0], work, seconds)
        rows = [Row(form.name, form.family, work, steps) for form in forms]
        interleaved(rows, [form.prepare(work, steps) for form in forms], rounds)
        against = ratio(rows[1].rates, [rows[0].rates])
        found.append(
            {
                "backend": backend,
                "landscape": name,
                "dim": part.dimension,
                "by_hand": rows[0].rate,
                "from_the_value": rows[1].rate,
                "ratio": against.median,
                "low": against.low,
                "high": against.high,
            }
        )
        say(f"{name}: {rows[0].rate / 1e6:,.0f} M by hand, {against.median:.2f} of it from the value alone")
    if found:
        say(f"median {np.median([row['ratio'] for row in found]):.2f}")
    return found
