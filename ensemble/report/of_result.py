"""The page of one result, made by itself."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import xarray as xr

from .. import plots
from ..results.loading import load
from ..results.result import Result
from ..results.shown import parts_of
from ..statistics import shares, survival
from ..words import told
from .report import Report


def write(
    result: Result | str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    title: str | None = None,
    label: int | None = None,
    confidence: float = 0.95,
) -> Path:
    """Write one page of everything that a result can show, and return the path of its ``report.html``.

    A headline, the pictures of :func:`ensemble.plots.compare_all`, what became of the instances, escape times where there were
    events, the parts, and what ran. ``result`` is one of simulate, compare or load, or the name of its file; ``title`` is over
    it; ``label`` counts events of that label only. Limits are of ``confidence``.

    ValueError: no result, a label or confidence that is none. OSError: the folder cannot be written to.
    """
    if isinstance(result, (str, os.PathLike)):
        result = load(result)
    if not isinstance(result, Result):
        raise ValueError(
            f"write(result={told(result)}): give a result of simulate, compare or load, or the name of its file."
        )
    runs = result.dataset
    found = shares(runs, confidence=confidence)
    page = Report(title or _title(result), folder)
    picture = plots.compare_all(result, label=label, confidence=confidence)
    page.say(_headline(found, int(runs.sizes["instance"])))
    if runs.attrs.get("unfinished"):
        page.say(f"The run ended early: {runs.attrs['unfinished']}.")
    page.draw("everything", picture, "What became of the instances, when, and what was recorded.")
    page.table("Outcomes", found)
    if bool((runs["event_step"] >= 0).any()):
        page.table("Escape times", survival(runs, label=label, confidence=confidence))
    page.table("Parts", [{"part": role, "is": part} for role, part in parts_of(result.settings)])
    page.made_by(result)
    return page.write()


def _title(result: Result) -> str:
    landscapes = dict.fromkeys(type(s.landscape).__name__ for s in result.settings.values())
    optimizers = list(dict.fromkeys(name or type(s.optimizer).__name__ for name, s in result.settings.items()))
    shown = ", ".join(optimizers[:4]) + (f" and {len(optimizers) - 4} more" if len(optimizers) > 4 else "")
    return f"{shown} on {', '.join(landscapes)}"


def _headline(found: xr.Dataset, instances: int) -> str:
    """How the instances ended, over all configurations."""
    share = found["share"]
    rest = [d for d in share.dims if d != "outcome"]
    configurations = int(np.prod([share.sizes[d] for d in rest]))
    words = []
    for outcome in share["outcome"].to_numpy().tolist():
        each = share.sel(outcome=outcome).to_numpy().ravel()
        low, high = float(each.min()), float(each.max())
        if high > 0:
            said = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
            words.append(f"{outcome} {said}")
    of = f"{instances:,} instances" + (f" in each of {configurations:,} configurations" if configurations > 1 else "")
    return f"Shares of {of}: {', '.join(words)}."
