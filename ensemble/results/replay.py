"""replay: the path of one instance, computed again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from ..plain import whole
from ..records import Record
from ..run.engines import engine_for
from ..run.plan import plan_run
from ..run.runs import execute
from ..words import told
from .history import unchanged
from .result import Result


def replay(
    result: Result,
    instance: int,
    configuration: Mapping[str, Any] | int | None = None,
    optimizer: str | None = None,
    steps: int | None = None,
    force: bool = False,
) -> xr.Dataset:
    """The full path of one instance, recomputed bit for bit.

    Args:
        result: of :func:`ensemble.simulate` or :func:`ensemble.compare`.
        instance: its id.
        configuration: which one, if several were run: coordinates (``{"lr": 1e-3}``) or the place in the list.
        optimizer: whose, if several were compared.
        steps: how far; None: to the run's end.
        force: recompute although settings, a part of yours or the version of this package are no longer what ran.

    Returns:
        ``x`` (step, coordinate), ``value`` (step) and ``gradient_norm`` (step), from the start (step 0) to the instance's
        event, divergence or the horizon; attrs say which ended it.

    Raises:
        ValueError: no such instance, configuration or optimizer; or something has changed that decides the numbers.
    """
    return _replayed(result, instance, configuration, optimizer, steps, force)


def _replayed(
    result: Result,
    instance: object,
    configuration: Mapping[str, Any] | int | None,
    optimizer: str | None,
    steps: object,
    force: object,
) -> xr.Dataset:
    if not isinstance(getattr(result, "settings", None), Mapping):
        raise TypeError(f"replay(result={type(result).__name__}): give the Result of simulate, compare or load.")
    unchanged("replay", result, force)
    names = list(result.settings)
    if optimizer is not None and names == [""]:
        raise ValueError(
            f"replay(optimizer={told(optimizer)}): one optimizer was run and has no name; leave optimizer out."
        )
    if optimizer is None and len(names) > 1:
        raise ValueError(
            f"replay(optimizer={told(optimizer)}): {len(names)} optimizers were compared; give optimizer= one of {', '.join(names)}."
        )
    name = names[0] if optimizer is None else optimizer
    if name not in result.settings:
        raise ValueError(f"replay(optimizer={told(optimizer)}): give one of {', '.join(names)}.")
    if name not in result.outcomes:
        raise ValueError(
            f"replay(optimizer={told(name)}): it had not begun when the run was ended; resume the result first."
        )
    setting, outcome = result.settings[name], result.outcomes[name]
    first = setting.first_instance
    place = whole("instance", instance, first, first + outcome.instances - 1) - first
    sweep = setting.sweep()
    c = _configuration(configuration, sweep)
    horizon = outcome.reached if steps is None else whole("steps", steps, 1, outcome.reached)
    ends = [int(a[c, place]) for a in (outcome.event_step, outcome.diverged_step)]
    if not setting.event.stop:  # type: ignore[attr-defined]
        ends[0] = -1
    last = min([e for e in ends if e > 0] + [horizon])
    parts: dict[str, Any] = dict(sweep.parts[c])
    if c and not setting.paired:
        parts = {}  # an unpaired configuration draws by its place among all of them
    alone = dataclasses.replace(
        setting,
        **parts,
        instances=1,
        first_instance=first + place,
        steps=last,
        record=Record(["x", "value", "gradient_norm"], at=range(last + 1)),
    )
    engine, _ = engine_for(result.options["backend"], result.options["threads"], [alone])
    found = execute(alone, engine, plan_run(alone, engine, True), False, "replay")
    if found.reached < last:
        raise KeyboardInterrupt(f"replay was ended at step {found.reached:,} of {last:,}; call it again.")
    assert found.record_steps is not None
    path = {name: values[0 if parts else c, 0] for name, values in found.records.items()}
    ended = "event" if last == ends[0] else "diverged" if last == ends[1] else "horizon"
    return xr.Dataset(
        {
            "x": (("step", "coordinate"), path["x"], {"long_name": "iterate"}),
            "value": ("step", path["value"], {"long_name": "f(x), without noise"}),
            "gradient_norm": (
                "step",
                path["gradient_norm"],
                {"long_name": "norm of the exact gradient"},
            ),
        },
        coords={"step": ("step", found.record_steps, {"units": "steps"})},
        attrs={"instance": first + place, "ended_by": ended, "optimizer": name},
    )


def _configuration(given: Mapping[str, Any] | int | None, sweep: Any) -> int:
    count = len(sweep.parts)
    axes = ", ".join(f"{field}={list(values)}" for a in sweep.axes for field, values in a.coordinates.items())
    if given is None:
        if count > 1:
            raise ValueError(f"replay: {count} configurations were run; give configuration= a mapping out of {axes}.")
        return 0
    if not isinstance(given, Mapping):
        return whole("configuration", given, 0, count - 1)
    unknown = sorted(map(str, set(given) - {field for a in sweep.axes for field in a.coordinates}))
    if unknown:
        raise ValueError(
            f"replay(configuration={told(dict(given))}): {', '.join(map(str, unknown))[:80]} was not swept; give {axes or 'none'}."
        )
    index = []
    for axis in sweep.axes:
        matching = [
            i
            for i in range(axis.size)
            if all(field not in given or values[i] == given[field] for field, values in axis.coordinates.items())
        ]
        if len(matching) != 1:
            raise ValueError(f"replay(configuration={told(dict(given))}): give exactly one of {axes}.")
        index.append(matching[0])
    return int(np.ravel_multi_index(index, sweep.shape)) if index else 0
