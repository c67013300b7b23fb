"""``python -m ensemble store`` and ``python -m ensemble work``."""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..results.files import UnreadableFileError, opened, reason
from ..results.history import code, decided_of
from ..run.engines import engine_for
from . import checkpoints, description
from .description import accepted
from .locks import ALIVE, Holding, look, remove
from .merging import merge
from .opened import DAMAGED, FINISHED, MISSING, RUNNING, Store
from .shards import CHECKPOINTS, CLAIMS, FAILED, LOCK, SHARDS, ShardFile, listed, swept
from .stored import EXIT_STATUS, Stopped, checked_part, ended, set_apart
from .working import Ending, Work, all_failures, seconds

USAGE = """Usage: python -m ensemble store status DIR     what there is; exit status 0: all of it, 1: not all
       python -m ensemble store verify DIR     reads every byte; exit status 0: all sound, 1: something is damaged
       python -m ensemble store repair DIR     breaks a lock whose holder is gone, puts damaged shards aside, lets failed ones be tried
                 [--accept-version]            again; with --accept-version another version of this package may go on
       python -m ensemble store merge FROM ... DIR   joins stores and saved results in a new store
       python -m ensemble work DIR [--shard i/n] [--limit 3h] [--checkpoint 60] [--threads N] [--import MODULE ...]
                                               runs what is missing, with any number of others; exit status 0: nothing is left, 1: a shard
                                               failed, 75: told to end, there is more. MODULE defines parts of your own

Exit status 2: the arguments are not understood, or DIR is no store."""


def main(arguments: list[str]) -> int:
    """Does what follows ``python -m ensemble``; returns the exit status."""
    try:
        if arguments[:1] == ["work"]:
            return _work(arguments[1:])
        commands = {"status": status, "verify": verify, "repair": repair}
        what, rest = (arguments[1:2] or [""])[0], arguments[2:]
        if what in commands:
            flags = {a for a in rest if a.startswith("--")}
            places = [a for a in rest if not a.startswith("--")]
            if len(places) == 1 and flags <= ({"--accept-version"} if what == "repair" else set()):
                return repair(Path(places[0]), bool(flags)) if what == "repair" else commands[what](Path(places[0]))
        elif what == "merge" and len(rest) >= 2:
            print(merge(rest[:-1], rest[-1]))
            return 0
        print(USAGE, file=sys.stderr)
        return 2
    except (FileNotFoundError, UnreadableFileError) as error:
        print(error, file=sys.stderr)
        return 2
    except (ValueError, OSError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1


def status(folder: Path) -> int:
    """Prints what there is; 0 where that is all."""
    store = Store(folder)
    print(
        f"{folder}: {store.instances:,} instances, steps {', '.join(f'{n:,}' for n in sorted(set(store.steps.values())))}"
    )
    counts = Counter(shard.state for shard in store.shards)
    for state in (FINISHED, RUNNING, MISSING, DAMAGED):
        if counts[state]:
            print(f"  {state:9} {store.count(state):,} instances in {counts[state]:,} shards")
    for shard in store.shards:
        if shard.state == RUNNING or (shard.state == MISSING and any(shard.steps.values())):
            at = ", ".join(f"{name + ' ' if name else ''}step {step:,}" for name, step in shard.steps.items())
            print(f"  {shard.first:,} to {shard.last:,}: {shard.state}, {at}{' by ' + shard.by if shard.by else ''}")
    print(f"  lock      {store.holder or 'nobody'}")
    for one, times, why in all_failures(folder):
        print(f"  failed    {one.first:,} to {one.last:,}, {times} times: {why}")
    return 0 if store.complete else 1


def verify(folder: Path) -> int:
    """Reads every byte; 0 where all is sound."""
    said, wrong, count = description.read(folder), 0, 0
    numbers = said.numbers()
    for kind in (SHARDS, CHECKPOINTS):
        for one in listed(folder, kind):
            path = folder / kind / f"{one.name}.nc"
            count += 1
            try:
                with opened(path):
                    pass
                if kind == SHARDS:
                    with ShardFile(path) as file:
                        own = decided_of(file.text("settings"), {"backend": said.backend})
                    if _apart(own) != _apart(numbers):
                        raise UnreadableFileError(f"{path} is of another experiment than its store.")
                else:
                    checkpoints.progress(path)
            except FileNotFoundError:  # finished meanwhile
                count -= 1
            except (UnreadableFileError, OSError) as error:
                wrong += 1
                print(error)
    print(f"{folder}: {count - wrong:,} of {count:,} files are sound")
    return 1 if wrong else 0


def _apart(numbers: Mapping[str, object]) -> dict[str, object]:
    """What shards of one store have in common."""
    found: dict[str, object] = {}
    for name, one in numbers.items():
        if isinstance(one, dict):
            found[name] = {k: v for k, v in one.items() if k not in ("instances", "first_instance", "record")}
    return found


def repair(folder: Path, accept_version: bool = False) -> int:
    """Breaks what the dead hold, and puts aside what is damaged; 0 where nothing stands in the way any longer."""
    said = description.read(folder)
    lock = folder / LOCK
    held = look(lock)
    if held is not None:
        if held.state == ALIVE:
            print(f"{folder} is in use by {held}: its lock stays.", file=sys.stderr)
            return 1
        remove(lock, held.content)
        print(f"broke the lock of {held.holder}")
    for name in sorted(os.listdir(folder / CLAIMS)) if (folder / CLAIMS).is_dir() else []:
        path = folder / CLAIMS / name
        claim = look(path)
        if claim is not None and claim.state != ALIVE and not name.startswith("."):
            remove(path, claim.content)
            print(f"broke the claim of {claim.holder} on {path.stem}")
    if (folder / SHARDS).is_dir() and (folder / CHECKPOINTS).is_dir():
        swept(folder)
        for name in set_apart(folder, warn=False):
            print(f"{name} is damaged; it was put aside, and is run again")
    for one in listed(folder, CHECKPOINTS):
        try:
            with opened(one.checkpoint(folder)):
                pass
        except (UnreadableFileError, OSError) as error:
            one.checkpoint(folder).unlink(missing_ok=True)
            print(f"removed a damaged checkpoint ({reason(error)})")
    for name in os.listdir(folder / FAILED) if (folder / FAILED).is_dir() else []:
        (folder / FAILED / name).unlink(missing_ok=True)
    if accept_version and said.code != code():
        accepted(said).write(folder)
        print(f"this version goes on where {said.version} (code {said.code[:8]}) was")
    return 0


# ---- working


def _work(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m ensemble work", add_help=True, allow_abbrev=False)
    parser.add_argument("folder")
    parser.add_argument("--shard", default=None)
    parser.add_argument("--limit", default=None)
    parser.add_argument("--checkpoint", default="60s")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--import", dest="modules", action="append", default=[])
    given = parser.parse_args(list(arguments))
    sys.path.insert(0, os.getcwd())
    for module in given.modules:
        importlib.import_module(module)
    part = None
    if given.shard is not None:
        i, _, n = given.shard.partition("/")
        part = checked_part((int(i), int(n)) if i.isdigit() and n.isdigit() else given.shard)
    limit = None if given.limit is None else seconds("--limit", given.limit)
    work = work_of(Path(given.folder), given.threads, seconds("--checkpoint", given.checkpoint))
    goes_on = shlex.join([sys.executable, "-m", "ensemble", "work", *arguments])
    with Holding() as holding, Ending(limit) as ending:
        work.all(holding, ending, part, failing=True)
        if ending.by and work.missing(part):
            try:
                ended(work, ending, work.settings, part, goes_on)
            except Stopped:
                return EXIT_STATUS
            except KeyboardInterrupt as error:
                print(error, file=sys.stderr)
            return 130
    failed = list(all_failures(work.folder))
    for one, times, why in failed:
        print(f"instances {one.first} to {one.last} failed {times} times: {why}", file=sys.stderr)
    return 1 if work.missing(part) else 0


def work_of(folder: Path, threads: int | None, every: float) -> Work:
    """The work that a store says is to be done.

    Raises:
        ValueError: a part of yours is not defined here, or another version began it.
    """
    said = description.read(folder)
    if said.code != code():
        raise ValueError(description.of_another_version(said, folder))
    try:
        settings = said.experiments()
    except Exception as error:
        raise ValueError(f"{folder}: {error}; give --import MODULE, which defines it.") from error
    engine, why = engine_for(said.backend, threads, settings.values())
    options = {"backend": engine.name, "backend_reason": why, "keep_x": said.keep_x, "threads": threads}
    work = Work(folder, settings, said.at, said.shard, options, engine, every)
    work.folders()
    return work
