"""simulate and compare in a store: what is missing of it is done, and the whole returned."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..backends.choice import every_engine
from ..backends.memory import least_memory
from ..backends.program import Engine
from ..plain import is_whole
from ..results.files import UnreadableFileError, opened, reason, shown
from ..results.history import decided, digest
from ..results.result import Result, make_result
from ..run.estimate import estimated
from ..run.experiment import Experiment
from ..run.plan import Memory, plan_runs
from ..run.running import warnings_of
from ..run.runs import finished
from ..warned import warn_with
from ..words import told
from . import description
from .clients import by_workers
from .description import NAME, Description, grown
from .gathering import gather, merged_history
from .locks import Holding, in_use
from .shards import DAMAGED, LOCK, SHARDS, Range, listed, piece_of, pieces, swept
from .working import Ending, Work, by_devices, part_of

SHARD_SECONDS = 60.0
"""A shard takes about so long,"""
SHARD_BYTES = 1 << 29
"""and its file is no larger than this,"""
LEAST_COORDINATES = {"cuda": 1 << 26, "cpu": 1 << 20, "numpy": 1 << 16}
"""unless it had fewer coordinates, of which a backend needs so many to be busy."""
AT_LEAST = {"cuda": 1e11, "cpu": 5e7, "numpy": 2e6}
"""Coordinate-steps/s of a backend where it is slow: what takes no minute at this speed is one shard, and no trial is run."""
EXIT_STATUS = 75
"""Of a process that was told to end and has more to do: EX_TEMPFAIL, which queues take for a reason to start it again."""


class Stopped(SystemExit):
    """A stored run was told to end, has written a checkpoint, and ends the process with status 75. ``goes_on``: the command that does."""

    def __init__(self, words: str, goes_on: str) -> None:
        super().__init__(EXIT_STATUS)
        self.words, self.goes_on = words, goes_on

    def __str__(self) -> str:
        return self.words


def checked_store(store: object) -> Path:
    if not isinstance(store, (str, os.PathLike)) or not os.fspath(store) or "\0" in str(store):
        raise TypeError(f"store={told(store)}: give the path of a folder, new or a store's.")
    return Path(store)


def checked_part(shard: object) -> tuple[int, int] | None:
    """(i, n)."""
    if shard is None:
        return None
    if not isinstance(shard, (tuple, list)) or len(shard) != 2 or not all(is_whole(k, 0) for k in shard):
        raise ValueError(f"shard={told(shard)}: give (i, n), part i of n, i from 0 to n - 1.")
    i, n = map(int, shard)
    if not 0 <= i < n:
        raise ValueError(f"shard={told(shard)}: give (i, n), part i of n, i from 0 to n - 1.")
    return i, n


def stored(
    path: Path,
    settings: dict[str, Experiment],
    engine: Engine,
    options: dict[str, Any],
    show: bool | None,
    every: float,
    limit: float | None,
    part: tuple[int, int] | None,
    client: Any = None,
    devices: str | None = None,
) -> Result:
    """The result of every setting in a store: what is there is read, what is missing is run, by this process and whoever joins it;
    or by the workers of a ``client``; or by all ``devices`` of this machine.

    Raises:
        OtherExperimentError: the store holds another experiment.
        StoreInUseError: another process has it.
        Stopped: the process was told to end, and has written a checkpoint.
        Exception: of some kind, from a shard; what is finished is in the store.
    """
    folder = made(path)
    with Holding() as holding, Ending(limit) as ending:
        if part is None and (held := holding.take(folder / LOCK, also_silent=False)) is not None:
            raise in_use(folder, held)
        engines = every_engine(engine) if devices == "all" and client is None else [engine]
        workers = len(engines) if client is None else max(1, len(client.nthreads()))
        work = prepared(folder, settings, engine, options, part[1] if part else workers)
        work.every, work.show = every, show
        if part is None:
            swept(folder)
            set_apart(folder)
        try:
            if client is not None:
                by_workers(work, client, ending, part)
            elif len(engines) > 1:
                by_devices(work, engines, holding, ending, part)
            else:
                work.all(holding, ending, part)
        except Exception as error:
            error.add_note(f"{standing_of(work)} are in store={shown(folder)}; the same call goes on from there.")
            raise
        if ending.by and work.missing(part):
            return ended(work, ending, settings, part)
    return result_of(work, settings, None if part is None else part_of(work.everyone, work.size, part))


def made(path: Path) -> Path:
    """The folder of a store: a new one, an empty one, or a store's.

    Raises:
        OSError: it cannot be made, or something else is there.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        others = [name for name in os.listdir(path) if not name.startswith(".")]
    except OSError as error:
        failed = OSError(f"store={shown(path)}: no folder can be made there ({reason(error)}); give another place.")
        failed.errno = error.errno
        raise failed from error
    if others and NAME not in others and not set(others) <= {LOCK, SHARDS, "checkpoints", "claims", "failed"}:
        raise OSError(f"store={shown(path)}: the folder holds other things; give a new folder, or a store's.")
    return path


def prepared(
    folder: Path, settings: dict[str, Experiment], engine: Engine, options: dict[str, Any], parts: int = 1
) -> Work:
    """The work that a store is, once it holds what was asked: begun, or grown where more is asked now."""
    while True:
        try:
            there = description.read(folder)
        except FileNotFoundError:
            size = shard_size(settings, engine, options["keep_x"], parts)
            asked = Description.of(settings, engine.name, options["keep_x"], size)
            asked.create(folder)
            continue
        break
    asked = Description.of(settings, engine.name, options["keep_x"], there.shard)
    wanted = grown(there, asked, folder)
    if wanted != there:
        wanted.write(folder)
    work = Work(folder, settings, wanted.at, wanted.shard, options, engine)
    work.folders()
    return work


def shard_size(settings: dict[str, Experiment], engine: Engine, keep_x: bool, parts: int) -> int:
    """Instances of a shard: about a minute's, all equally many."""
    total = next(iter(settings.values())).instances
    seconds = bytes_each = 0.0
    coordinates = 0
    much = sum(s.steps * s.instances * s.landscape.dimension * len(s.sweep().parts) for s in settings.values())  # type: ignore[attr-defined]
    with engine.here():
        few = {
            name: dataclasses.replace(s, instances=min(s.instances, 1 << 16), record=None)
            for name, s in settings.items()
        }
        plans = plan_runs(few, engine, keep_x)
        for name, setting in few.items():
            if much > SHARD_SECONDS * AT_LEAST[engine.name]:
                seconds += estimated(plans[name], setting, engine).seconds / setting.instances
            whole = settings[name]
            memory = Memory.of(whole, whole.program(whole.sweep().parts, 0, total), engine, keep_x, False)
            bytes_each += (memory.kept + memory.recorded) * plans[name].configurations
            coordinates += plans[name].configurations * plans[name].dim
    size = min(total, SHARD_SECONDS / max(seconds, 1e-12), SHARD_BYTES / bytes_each)
    size = max(size, LEAST_COORDINATES[engine.name] / coordinates)
    count = max(parts, math.ceil(total / max(1, int(size))))
    return max(1, -(-total // count))


def set_apart(folder: Path, warn: bool = True) -> list[str]:
    """Puts damaged shards aside, so that they are run again, and warns of it; their names."""
    found = []
    for one in listed(folder):
        try:
            with opened(one.shard(folder)):
                pass
        except (UnreadableFileError, OSError):
            (folder / DAMAGED).mkdir(exist_ok=True)
            os.replace(one.shard(folder), folder / DAMAGED / one.shard(folder).name)
            found.append(one.shard(folder).name)
    if found and warn:
        warn_with(
            found,
            f"store={shown(folder)}: {len(found)} damaged shards are run again ({', '.join(found[:3])}); they are kept in {DAMAGED}/.",
            stacklevel=5,
        )
    return found


# ---- what came of it


def standing_of(work: Work) -> str:
    shards = work.shards()
    return f"{sum(map(work.done, shards)):,} of {len(shards):,} shards"


def command() -> str:
    """The command that this process was started with."""
    return shlex.join(sys.orig_argv)


def ended(
    work: Work, ending: Ending, settings: dict[str, Experiment], part: tuple[int, int] | None, goes_on: str = ""
) -> Result:
    """What to do of work that was told to end. Ctrl-C: what is finished, with a warning; all else ends the process."""
    there = f"{standing_of(work)} are in store={shown(work.folder)}, with a checkpoint of what is under way"
    if ending.by == "SIGINT":
        here = work.everyone if part is None else part_of(work.everyone, work.size, part)
        finished_ones = []
        for whole, covered in pieces(work.shards(part)):
            if not work.done(whole):
                break
            finished_ones.append(covered)
        if finished_ones and here is not None:
            result = result_of(work, settings, Range(here.first, finished_ones[-1].last), by="SIGINT")
            warn_with(result, f"Ended by Ctrl-C: {there}; the same call goes on. The result holds what is finished.", 5)
            return result
        raise KeyboardInterrupt(f"{there}; the same call goes on.")
    goes_on = goes_on or command()
    words = f"ensemble: ended by {ending.by}: {there}. To go on: {goes_on}"
    with contextlib.suppress(Exception):
        print(words, file=sys.stderr, flush=True)
    raise Stopped(words, goes_on)


def result_of(
    work: Work, settings: Mapping[str, Experiment], here: Range | None, by: str = "", warn: bool = True
) -> Result:
    """The result of all instances, or of those ``here``.

    Raises:
        MemoryError: it does not fit.
        UnreadableFileError: a shard is damaged.
    """
    everyone = work.everyone
    here = here or everyone
    asked = dict(settings)
    if not by:  # a part is an experiment by itself
        asked = {name: piece_of(setting, None, here, summary=True) for name, setting in asked.items()}
    read = {name: piece_of(setting, work.at.get(name), here) for name, setting in settings.items()}
    needed = [
        (whole, Range(max(covered.first, here.first), min(covered.last, here.last)))
        for whole, covered in pieces(work.shards())
        if covered.first <= here.last and covered.last >= here.first
    ]
    size, (free, limit) = sum(one.shard(work.folder).stat().st_size for one, _ in needed), least_memory()
    large = MemoryError(
        f"store={shown(work.folder)} has what was asked, and its result of {size / 2**30:.2f} GiB does not fit into the "
        f"{free / 2**30:.2f} GiB that {limit} leaves: read it with en.open, which loads what is asked of it alone."
    )
    if size > free:
        raise large
    try:
        found = gather(work.folder, read, settings, needed)
        outcomes = {name: finished(o, asked[name], None) for name, o in found.outcome().items()}
    except MemoryError as error:
        raise large from error
    history = merged_history(found.history, digest(decided(asked, work.options)))
    result = make_result(asked, outcomes, work.options, by, history=history)
    if warn:
        for words in warnings_of(asked, outcomes, {}):
            warn_with(result, words, stacklevel=5)
    return result
