"""What a file says of a run in words: every part and setting, versions and the machine; and the settings made from it again."""

from __future__ import annotations

import dataclasses
import json
import math
import platform
import time
import uuid
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ..cost import ceiling
from ..grids import Grid
from ..part import Part, plain
from ..records import Record, Spaced
from ..setting import Outcome, Setting, standing
from ..twins import full_name, unlike

FORMAT = "descent-ensemble 1"


def provenance(
    settings: dict[str, Setting], outcomes: dict[str, Outcome], options: dict[str, Any], ended_by: str
) -> dict[str, Any]:
    import scipy

    from .. import __version__

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
    return share | {
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
        "settings": json.dumps({name: _described(s) for name, s in settings.items()}),
        "options": json.dumps(options),
    }


def _at_ceiling(setting: Setting, outcome: Outcome, coordinate_steps: int) -> float:
    """Seconds that the steps would take at the ceiling of counted instructions; NaN where it is not known."""
    allowed = outcome.device.get("thread_instructions_per_second")
    if allowed is None or setting.dtype != "float32":
        return math.nan
    most = ceiling(setting.optimizer, setting.landscape.dimension, allowed)  # type: ignore[attr-defined]
    return math.nan if most is None else coordinate_steps / most


def _described(setting: Setting) -> dict[str, Any]:
    described = {f.name: plain(getattr(setting, f.name)) for f in dataclasses.fields(setting) if f.name != "record"}
    if setting.record is not None:
        record = {f.name: plain(getattr(setting.record, f.name)) for f in dataclasses.fields(setting.record)}
        if isinstance(setting.record.at, Spaced):
            record["at"] = {"kind": setting.record.at.kind, "count": setting.record.at.count}
        described["record"] = record
    groups: dict[str, int] = {}
    orders = {}
    for role, part in setting.roles().items():
        for path, g in _grids(part, role):
            orders[path] = [g.order, groups.setdefault(g.group, len(groups))]
    described["grids"] = orders
    return described


def _grids(part: Part, path: str) -> list[tuple[str, Grid]]:
    found = []
    for f in dataclasses.fields(part):
        value = getattr(part, f.name)
        if isinstance(value, Grid):
            found.append((f"{path}.{f.name}", value))
        elif isinstance(value, Part):
            found += _grids(value, f"{path}.{f.name}")
    return found


# ---- the settings again


def subclasses(kind: type[Part]) -> list[type[Part]]:
    return [c for s in kind.__subclasses__() for c in (s, *subclasses(s))]


def _kind(described: Mapping[str, Any], kinds: Sequence[type[Part]]) -> type[Part]:
    """The class that a file names: of several of one name, as a notebook makes them, the newest that is as the file's was."""
    named = [kind for kind in reversed(kinds) if full_name(kind) == described["part"]]
    if not named:
        raise ValueError(
            f"load: the file uses the part {described['part']!r}, which is not defined here; import its module first."
        )
    changed = [unlike(described.get("class", {}), kind) for kind in named]
    if "" not in changed:
        warnings.warn(
            f"load: {described['part']} has changed since the file was made ({changed[0]}): resume and replay run another rule.",
            stacklevel=2,
        )
    return named[changed.index("") if "" in changed else 0]


def _part(described: Mapping[str, Any], kinds: Sequence[type[Part]], path: str, orders: dict[str, Any]) -> Part:
    kind = _kind(described, kinds)
    arguments: dict[str, Any] = {}
    for f in dataclasses.fields(kind):
        if f.name not in described or not f.init:
            continue
        value, here = described[f.name], f"{path}.{f.name}"
        if isinstance(value, dict) and "grid" in value:
            order, group = orders[here]
            values = tuple(_value(v, kinds, here, orders) for v in value["grid"])
            arguments[f.name] = Grid(values, orders.setdefault(f"group {group}", uuid.uuid4().hex), order)
        else:
            arguments[f.name] = _value(value, kinds, here, orders)
    return kind(**arguments)


def _value(value: Any, kinds: Sequence[type[Part]], path: str, orders: dict[str, Any]) -> Any:
    if isinstance(value, dict) and "part" in value:
        return _part(value, kinds, path, orders)
    return tuple(value) if isinstance(value, list) else value


def rebuilt(described: Mapping[str, Any], kinds: Sequence[type[Part]]) -> Setting:
    roles = ("landscape", "optimizer", "noise", "start", "event")
    orders = dict(described["grids"])
    parts = {role: _part(described[role], kinds, role, orders) for role in roles}
    record = None
    if described.get("record"):
        given = dict(described["record"])
        at = given.pop("at")
        record = Record(at=Spaced(**at) if isinstance(at, dict) else at, **given)
    names = ("instances", "first_instance", "steps", "seed", "dtype", "math", "check_every", "paired")
    return Setting(**parts, **{n: described[n] for n in names}, record=record)  # type: ignore[arg-type]
