"""What a file says of a run in words: every part and setting, versions and the machine."""

from __future__ import annotations

import dataclasses
import json
import math
import platform
import time
from typing import Any

import numpy as np
import xarray as xr

from ..backends.cost import ceiling
from ..classes import formula, full_name, in_library, source_text
from ..grids import MANY, Grid, Listed
from ..landscapes.finite_sum import FiniteSum
from ..part import Part, nested, plain
from ..records import Spaced
from ..run.experiment import Experiment
from ..run.outcome import Outcome, standing
from ..version import __version__

FORMAT = "descent-ensemble 2"
ARRAYS = {"x", "vectors", "integers", "event_step", "event", "diverged_step", "reported"} | {
    "records", "record_steps", "record_places"
}  # fmt: skip
"""What an outcome holds in arrays; a file keeps the rest as text."""


def provenance(
    settings: dict[str, Experiment], outcomes: dict[str, Outcome], options: dict[str, Any], ended_by: str
) -> dict[str, Any]:
    import scipy

    first = next(iter(settings.values()))
    taken, at_ceiling = 0, 0.0
    for name, outcome in outcomes.items():
        ended = (outcome.event_step >= 0) & settings[name].event.stop  # type: ignore[attr-defined]
        ends = np.where(ended, outcome.event_step, np.int32(outcome.reached))
        ended = outcome.diverged_step >= 0
        ends[ended] = np.minimum(ends[ended], outcome.diverged_step[ended])
        own = int(ends.sum(dtype=np.int64)) * settings[name].landscape.dimension  # type: ignore[attr-defined]
        taken, at_ceiling = taken + own, at_ceiling + _at_ceiling(settings[name], outcome, own)
    wall = sum(o.wall_time for o in outcomes.values())
    device = next(iter(outcomes.values())).device
    share = {"share_of_ceiling": at_ceiling / wall} if wall > 0 and np.isfinite(at_ceiling) else {}
    sampled = {"samples": first.landscape.samples} if isinstance(first.landscape, FiniteSum) else {}
    return (
        share
        | sampled
        | {
            "title": "ensemble of optimizers",
            "Conventions": "CF-1.11",
            "format": FORMAT,
            "source": f"descent-ensemble {__version__}",
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "versions": json.dumps(
                {
                    "descent-ensemble": __version__,
                    "python": platform.python_version(),
                    "numpy": np.__version__,
                    "scipy": scipy.__version__,
                    "xarray": xr.__version__,
                }
            ),
            "seed": str(first.seed),
            "backend": options["backend"],
            "backend_reason": options["backend_reason"],
            "device": str(device.get("device", "")),
            "launch": json.dumps(device),
            "dtype": first.dtype,
            "math": first.math,
            "check_every": first.check_every,
            "event_stops": int(first.event.stop),  # type: ignore[attr-defined]
            "paired": int(first.paired),
            "dim": first.landscape.dimension,  # type: ignore[attr-defined]
            "instances": next(iter(outcomes.values())).instances,
            "instances_asked": first.instances,
            "steps": max(o.reached for o in outcomes.values()),
            "interrupted": int(bool(missing := standing(settings, outcomes))),
            "interrupted_by": ended_by,
            "unfinished": missing,
            "segments": sum(o.segments for o in outcomes.values()),
            "batches": max(o.batches for o in outcomes.values()),
            "started_inside": sum(o.started_inside for o in outcomes.values()),
            "wall_time": wall,
            "coordinate_steps": taken,
            "coordinate_steps_per_second": taken / wall if wall > 0 else 0.0,
            "settings": as_json({name: described(s) for name, s in settings.items()}),
            "outcomes": json.dumps({name: facts(o) for name, o in outcomes.items()}),
            "options": json.dumps(options),
            "definitions": json.dumps(definitions(settings)),
        }
    )


def as_json(found: Any, sort_keys: bool = False) -> str:
    """The text of what is in JSON's types, as ``json.dumps`` makes it; that of a long grid is made once."""
    texts: dict[str, str] = {}

    def cut(value: Any) -> Any:
        if isinstance(value, Listed):
            texts[json.dumps(token := f"\0{len(texts)}")] = value.text
            return token
        if isinstance(value, dict):
            return {name: cut(inside) for name, inside in value.items()}
        return [cut(inside) for inside in value] if type(value) is list and len(value) < MANY else value

    text = json.dumps(cut(found), sort_keys=sort_keys)
    for token, of_list in texts.items():
        text = text.replace(token, of_list)
    return text


def definitions(settings: dict[str, Experiment]) -> dict[str, dict[str, str]]:
    """Of every class that is not the library's: its text as its author wrote it, and the struct that follows from its methods."""
    found: dict[str, dict[str, str]] = {}
    for setting in settings.values():
        for part in (p for role in setting.roles().values() for p in nested(role)):
            kind = type(part)
            if not in_library(kind) and full_name(kind) not in found:
                found[full_name(kind)] = {"source": source_text(kind), "formula": formula(part)}
    return found


def facts(outcome: Outcome) -> dict[str, Any]:
    """What an outcome holds beside arrays."""
    found = {f.name: getattr(outcome, f.name) for f in dataclasses.fields(outcome)}
    return {name: value for name, value in found.items() if name not in ARRAYS}


def _at_ceiling(setting: Experiment, outcome: Outcome, coordinate_steps: int) -> float:
    """Seconds that the steps would take at the ceiling of counted instructions; NaN where it is not known."""
    allowed = outcome.device.get("thread_instructions_per_second")
    if allowed is None or setting.dtype != "float32":
        return math.nan
    most = ceiling(setting.optimizer, setting.landscape.dimension, allowed, outcome.device.get("team", 1))  # type: ignore[attr-defined]
    return math.nan if most is None else coordinate_steps / most


def described(setting: Experiment) -> dict[str, Any]:
    """A setting in JSON's types."""
    found: dict[str, Any] = {
        f.name: plain(getattr(setting, f.name)) for f in dataclasses.fields(setting) if f.name != "record"
    }
    if setting.record is not None:
        record = {f.name: plain(getattr(setting.record, f.name)) for f in dataclasses.fields(setting.record)}
        if isinstance(setting.record.at, Spaced):
            record["at"] = {"kind": setting.record.at.kind, "count": setting.record.at.count}
        if setting.record.points is not None:
            record["points"] = [dataclasses.asdict(point) for point in setting.record.points]
        for name in ("state", "points", "histograms"):  # records of before these were there are told in the same words
            if not record[name]:
                del record[name]
        found["record"] = record
    grids = [item for role, part in setting.roles().items() for item in _grids(part, role)]
    # Their order among each other: how many others a process has written before is nothing of the experiment.
    places = {order: place for place, order in enumerate(sorted({g.order for _, g in grids}))}
    groups: dict[str, int] = {}
    found["grids"] = {path: [places[g.order], groups.setdefault(g.group, len(groups))] for path, g in grids}
    return found


def _grids(part: Part, path: str) -> list[tuple[str, Grid]]:
    found = []
    for f in dataclasses.fields(part):
        value = getattr(part, f.name)
        if isinstance(value, Grid):
            found.append((f"{path}.{f.name}", value))
        elif isinstance(value, Part):
            found += _grids(value, f"{path}.{f.name}")
    return found
