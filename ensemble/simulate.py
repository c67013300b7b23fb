"""simulate and compare: the front door."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from .backends.choice import check_python_goes_on
from .events import Event, Never
from .landscapes.base import Landscape
from .noises import Noise
from .optimizers import Optimizer
from .plain import check_kind, flag, one_of, whole
from .records import Record
from .results.result import Result, carry_out
from .run.engines import engine_for
from .run.estimate import estimated
from .run.experiment import Experiment
from .run.given import MOST_STEPS, checked_setting, horizon
from .run.plan import Plan, plan_runs
from .starts import Start
from .stores.clients import checked_client
from .stores.stored import checked_part, checked_store, stored
from .stores.working import seconds
from .words import told


def simulate(
    *,
    landscape: Landscape,
    optimizer: Optimizer,
    start: Start,
    steps: int | None = None,
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
    epochs: int | None = None,
    store: str | os.PathLike[str] | None = None,
    checkpoint: float | str = 60.0,
    shard: tuple[int, int] | None = None,
    limit: float | str | None = None,
    client: Any = None,
    devices: str | None = None,
) -> Result | Any:
    """Runs an ensemble: every instance is one optimizer on one landscape from its own start with its own noise.

    Args:
        landscape: what is descended; fixes the dimension.
        optimizer: the rule. Numbers of any part may be a :func:`ensemble.grid`: the product of all grids is the list of
            configurations, and each runs ``instances`` instances.
        start: where instances begin.
        steps: the horizon, 1 to 2^31 - 2; or ``epochs``.
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
        progress: show a bar; None: on a terminal and in a notebook.
        plan_only: return the :class:`~ensemble.run.plan.Plan` (memory, batches, launches, time) and run only what tells the speed: on the
            CPU a few instances for a moment, on a GPU nothing.
        first_instance: id of the first instance: shards of one ensemble run on several machines.
        epochs: in place of ``steps``, with :class:`~ensemble.Minibatch` as the noise: as many steps as these passes through the
            samples take.
        store: a folder in which the run outlives whatever ends it. The same call again does only what is missing there, and returns
            the same result, bit for bit. ``instances`` and ``steps`` are totals: more of them add to what is there; another setting is
            refused. :func:`ensemble.open` reads it at any moment; ``python -m ensemble work FOLDER`` joins in.
        checkpoint: of a stored run: seconds between two checkpoints, at least; or a text such as ``"5min"``.
        shard: ``(i, n)``: of a stored run only part i of n, for job arrays; the result is that of the part.
        limit: of a stored run: ends it after so many seconds, or ``"3h"``, as SIGTERM and SIGUSR1 do: with a checkpoint, exit status
            75 and the command that goes on.
        client: of a stored run: a ``distributed.Client``, whose workers run the shards.
        devices: of a stored run: ``"all"`` takes every GPU of this machine.

    Returns:
        A :class:`Result`, or a :class:`~ensemble.run.plan.Plan` where ``plan_only``. A run that Ctrl-C ended is a valid result to
        the step reached, its ``interrupted`` attribute 1; of a stored run it is what is finished.

    Raises:
        ValueError, TypeError: an argument cannot be used; the message says what was given and what to give.
        RuntimeError: an absent backend was asked for.
        MemoryError: the ensemble cannot fit, even in batches.
        OSError: ``store`` cannot be written, or is a folder of other things.
        OtherExperimentError: a ValueError; ``store`` holds another experiment; the difference is named field by field.
        StoreInUseError: a RuntimeError; another process works on ``store``; its number and machine are named.
        ShardsFailedError: a RuntimeError; some shards failed three times on workers; the others are there.
        Stopped: a SystemExit with status 75; a stored run was told to end.
    """
    check_python_goes_on()
    setting = checked_setting(
        landscape,
        optimizer,
        start,
        horizon(steps, epochs, noise, landscape),
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
    return _run(
        {"": setting},
        backend,
        keep_x,
        threads,
        progress,
        plan_only,
        _Stored(store, checkpoint, shard, limit, client, devices),
    )


def compare(
    optimizers: Mapping[str, Optimizer],
    *,
    landscape: Landscape,
    start: Start,
    steps: int | Mapping[str, int] | None = None,
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
    epochs: int | None = None,
    store: str | os.PathLike[str] | None = None,
    checkpoint: float | str = 60.0,
    shard: tuple[int, int] | None = None,
    limit: float | str | None = None,
    client: Any = None,
    devices: str | None = None,
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
    if epochs is not None or steps is None:
        steps = horizon(steps, epochs, noise, landscape)  # type: ignore[assignment]
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
    return _run(
        settings,
        backend,
        keep_x,
        threads,
        progress,
        plan_only,
        _Stored(store, checkpoint, shard, limit, client, devices),
    )


# ---- running


class _Stored(NamedTuple):
    """What was given for a stored run, unchecked."""

    store: object
    checkpoint: object
    shard: object
    limit: object
    client: object
    devices: object


def _run(
    settings: dict[str, Experiment],
    backend: str,
    keep_x: object,
    threads: object,
    progress: object,
    plan_only: object,
    given: _Stored,
) -> Result | Any:
    keep = flag("keep_x", keep_x)
    count = None if threads is None else whole("threads", threads, 1, 4096)
    show = None if progress is None else flag("progress", progress)
    every, part = seconds("checkpoint", given.checkpoint), checked_part(given.shard)
    limit = None if given.limit is None else seconds("limit", given.limit)
    store = None if given.store is None else checked_store(given.store)
    client = checked_client(given.client)
    devices = None if given.devices is None else one_of("devices", given.devices, ("all",))
    for name in ("shard", "limit", "client", "devices"):
        if store is None and getattr(given, name) is not None:
            raise ValueError(
                f"{name}={told(getattr(given, name))}: this is of a stored run; give store= a folder, too."
            )
    engine, reason = engine_for(one_of("backend", backend, ("auto", "cuda", "cpu", "numpy")), count, settings.values())
    options = {"backend": engine.name, "backend_reason": reason, "keep_x": keep, "threads": count}
    only = flag("plan_only", plan_only)
    if store is not None and not only:
        return stored(store, settings, engine, options, show, every, limit, part, client, devices)
    plans = plan_runs(settings, engine, keep)
    if only:
        plans = {name: estimated(plan, settings[name], engine) for name, plan in plans.items()}
        return plans.get("", plans)
    return carry_out(settings, settings, engine, plans, options, show, {})


__all__ = ["Plan", "compare", "simulate"]
