"""simulate and compare: the front door."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from .events import Event, Never
from .landscapes.base import Landscape
from .noises import Noise
from .optimizers import Optimizer
from .plain import check_kind, flag, one_of, whole
from .records import Record
from .results.history import unchanged
from .results.result import Result
from .run.engines import engine_for
from .run.estimate import estimated
from .run.experiment import Experiment
from .run.given import MOST_STEPS, checked_setting
from .run.plan import Plan, plan_run, plan_runs
from .run.running import carry_out
from .run.runs import execute
from .starts import Start
from .words import told


def simulate(
    *,
    landscape: Landscape,
    optimizer: Optimizer,
    start: Start,
    steps: int,
    instances: int,
    noise: Noise | None = None,
    event: Event | None = None,
    record: Record | None = None,
    seed: int = 0,
    backend: str = "auto",
    dtype: str = "float32",
    math: str = "fast",
    check_every: int = 1,
    paired: bool = True,
    keep_x: bool = True,
    threads: int | None = None,
    progress: bool | None = None,
    plan_only: bool = False,
    first_instance: int = 0,
) -> Result | Any:
    """Runs an ensemble: every instance is one optimizer on one landscape from its own start with its own noise.

    Args:
        landscape: what is descended; fixes the dimension.
        optimizer: the rule. Numbers of any part may be a :func:`ensemble.grid`: the product of all grids is the list of
            configurations, and each runs ``instances`` instances.
        start: where instances begin.
        steps: the horizon, 1 to 2^31 - 2.
        instances: of each configuration. The first N of 2N are those of N: an instance depends on its id alone.
        noise: of the gradient; None: the exact gradient.
        event: its first step is recorded and ends the instance, unless it was made with ``stop=False``; None: none.
            Divergence is always watched.
        record: what to write down along the way.
        seed: 0 to 2^64 - 1.
        backend: ``"auto"`` (the fastest present, named in the result), ``"cuda"``, ``"cpu"`` or ``"numpy"``.
        dtype: ``"float32"`` or ``"float64"``.
        math: ``"fast"`` (fused operations; hardware functions on a GPU) or ``"precise"`` (the same bits on every backend).
        check_every: the event is asked at multiples of this step; the first *checked* step is recorded.
        paired: configurations see the same starts and the same noise; False: each draws for itself.
        keep_x: keep the final iterates.
        threads: of the cpu backend; None: all processors of the process.
        progress: show a bar; None: on a terminal.
        plan_only: return the :class:`~ensemble.run.plan.Plan` (memory, batches, launches, time) and run only what tells the speed: on the
            CPU a few instances for a moment, on a GPU nothing.
        first_instance: id of the first instance: shards of one ensemble run on several machines.

    Returns:
        A :class:`Result`, or a :class:`~ensemble.run.plan.Plan` where ``plan_only``. A run that Ctrl-C ended is a valid result to
        the step reached, its ``interrupted`` attribute 1.

    Raises:
        ValueError, TypeError: an argument cannot be used; the message says what was given and what to give.
        RuntimeError: an absent backend was asked for.
        MemoryError: the ensemble cannot fit, even in batches.
    """
    setting = checked_setting(
        landscape,
        optimizer,
        start,
        steps,
        instances,
        noise,
        event,
        record,
        seed,
        dtype,
        math,
        check_every,
        paired,
        first_instance,
    )
    return _run({"": setting}, backend, keep_x, threads, progress, plan_only)


def compare(
    optimizers: Mapping[str, Optimizer],
    *,
    landscape: Landscape,
    start: Start,
    steps: int | Mapping[str, int],
    instances: int,
    noise: Noise | None = None,
    event: Event | None = None,
    record: Record | None = None,
    seed: int = 0,
    backend: str = "auto",
    dtype: str = "float32",
    math: str = "fast",
    check_every: int = 1,
    paired: bool = True,
    keep_x: bool = True,
    threads: int | None = None,
    progress: bool | None = None,
    plan_only: bool = False,
    first_instance: int = 0,
) -> Result | Any:
    """Runs several optimizers on the same landscape, starts, noise and seed: ``compare({"Adam": Adam(...), ...}, ...)``.

    Results are stacked along ``optimizer``. If the optimizers' grids differ, all (optimizer, configuration) pairs lie along
    one dimension ``configuration`` with coordinates. ``steps`` may differ (a mapping from name to horizon) where there is
    an event and no record; the variable ``horizon`` then says whose is which. Everything else is as in :func:`simulate`.

    Raises:
        ValueError, TypeError, RuntimeError, MemoryError: as :func:`simulate`.
    """
    if not isinstance(optimizers, Mapping) or not optimizers:
        raise ValueError(f"compare(optimizers={told(optimizers)}): give a mapping from name to optimizer.")
    bad = [name for name in optimizers if not isinstance(name, str) or not name]
    if bad:
        raise ValueError(f"compare(optimizers=...): names must be non-empty text, not {told(bad)}.")
    for name, optimizer in optimizers.items():
        check_kind(f"optimizers[{told(name)}]", optimizer, Optimizer, "Adam(lr=1e-3)")
    horizons: dict[str, Any]
    if isinstance(steps, Mapping):
        if set(steps) != set(optimizers):
            raise ValueError(f"compare(steps=...): given for {list(steps)}; give one for each of {list(optimizers)}.")
        horizons = {name: whole(f"steps[{told(name)}]", steps[name], 1, MOST_STEPS) for name in optimizers}
        if len(set(horizons.values())) > 1 and (event is None or type(event) is Never):
            raise ValueError(
                "compare(steps=...): different horizons need an event; give event=, or one number of steps."
            )
        if len(set(horizons.values())) > 1 and record is not None:
            raise ValueError(
                "compare(steps=...): different horizons cannot be recorded together; drop record=, or give one."
            )
    else:
        horizons = dict.fromkeys(optimizers, steps)
    settings = {
        name: checked_setting(
            landscape,
            o,
            start,
            horizons[name],
            instances,
            noise,
            event,
            record,
            seed,
            dtype,
            math,
            check_every,
            paired,
            first_instance,
        )
        for name, o in optimizers.items()
    }
    return _run(settings, backend, keep_x, threads, progress, plan_only)


# ---- running


def _run(
    settings: dict[str, Experiment], backend: str, keep_x: object, threads: object, progress: object, plan_only: object
) -> Result | Any:
    keep = flag("keep_x", keep_x)
    count = None if threads is None else whole("threads", threads, 1, 4096)
    show = None if progress is None else flag("progress", progress)
    engine, reason = engine_for(one_of("backend", backend, ("auto", "cuda", "cpu", "numpy")), count, settings.values())
    plans = plan_runs(settings, engine, keep)
    if flag("plan_only", plan_only):
        plans = {name: estimated(plan, settings[name], engine) for name, plan in plans.items()}
        return plans.get("", plans)
    options = {"backend": engine.name, "backend_reason": reason, "keep_x": keep, "threads": count}
    return carry_out(settings, settings, engine, plans, options, show, {})


def replayed(
    result: Result,
    instance: object,
    configuration: Mapping[str, Any] | int | None,
    optimizer: str | None,
    steps: object,
    force: object,
) -> xr.Dataset:
    """Recomputes the path of one instance; see :func:`ensemble.replay`."""
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


__all__ = ["Plan", "compare", "simulate"]
