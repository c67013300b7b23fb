"""A result as notebooks show it: what ran, what became of the instances, and the dataset to unfold."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
import xarray as xr

from ..run.experiment import Experiment

ROLES = ("landscape", "optimizer", "noise", "start", "event")
MOST = 300
"""Letters of a part shown."""
LINES = 12
"""Configurations shown; the dataset has all."""
OUTCOMES = (("with event", "#0072B2"), ("censored", "#BBBBBB"), ("diverged", "#D55E00"))
_CELL = "style='text-align:left;padding:1px 8px 1px 0'"


def html(dataset: xr.Dataset, settings: Mapping[str, Experiment], summary: str) -> str:
    """``summary``: the result in one line, over everything else."""
    lines = [f"<div><b>Ensemble</b>: {escape(summary)}</div>"]
    if missing := str(dataset.attrs.get("unfinished", "")):
        lines.append(f"<div style='color:#D55E00'>Ended early: {escape(missing)}</div>")
    folded = f"<details><summary>the dataset</summary>{dataset._repr_html_()}</details>"
    return "\n".join([*lines, _parts(settings), _outcomes(dataset), folded])


def parts_of(settings: Mapping[str, Experiment], most: int = MOST) -> list[tuple[str, str]]:
    """What every setting was made of, (role, part) in ``most`` letters; what all share is said once."""
    rows: dict[tuple[str, str], list[str]] = {}
    for name, setting in settings.items():
        for role in ROLES:
            rows.setdefault((role, repr(getattr(setting, role))), []).append(name)
    lines = []
    for (role, part), names in sorted(rows.items(), key=lambda row: ROLES.index(row[0][0])):
        who = "" if len(names) == len(settings) else f" ({', '.join(names)})"
        lines.append((role + who, part if len(part) <= most else f"{part[:most]} ..."))
    return lines


def _parts(settings: Mapping[str, Experiment]) -> str:
    lines = [
        f"<tr><td {_CELL}>{escape(role)}</td><td {_CELL}><code>{escape(part)}</code></td></tr>"
        for role, part in parts_of(settings)
    ]
    return f"<table>{''.join(lines)}</table>" if lines else ""


def _outcomes(dataset: xr.Dataset) -> str:
    """A bar for each configuration: how many had their event, were censored, diverged."""
    status = dataset["status"]
    dims = [d for d in status.dims if d != "instance"]
    shape = [status.sizes[d] for d in dims]
    lines = []
    for index in list(np.ndindex(*shape))[:LINES]:
        one = status.isel(dict(zip(dims, index, strict=True)))
        counts = np.bincount(one.to_numpy().ravel(), minlength=3)[[1, 0, 2]]
        names = [
            f"{c} = {v:g}" if isinstance(v := one[c].item(), float) else str(v) for c in one.coords if not one[c].dims
        ]
        parts = "".join(
            f"<div style='width:{12 * count / max(counts.sum(), 1):.3f}em;height:0.8em;background:{colour}'></div>"
            for count, (_, colour) in zip(counts, OUTCOMES, strict=True)
        )
        said = ", ".join(f"{count:,} {name}" for count, (name, _) in zip(counts, OUTCOMES, strict=True) if count)
        lines.append(
            f"<tr><td {_CELL}>{escape(', '.join(names))}</td><td {_CELL}><div style='display:flex'>{parts}</div></td>"
            f"<td {_CELL}>{said}</td></tr>"
        )
    more = int(np.prod(shape)) - len(lines)
    after = f"<div>and {more:,} more configurations</div>" if more else ""
    return f"<table>{''.join(lines)}</table>{after}"
