"""The work: missing shards claimed, run and written, one after another, with checkpoints along the way."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..backends.crew import share
from ..backends.program import Engine
from ..plain import array_of_numbers
from ..results.files import UnreadableFileError, put_whole, reason, write_all
from ..results.history import Piece
from ..results.result import make_result
from ..run.experiment import Experiment
from ..run.outcome import Outcome
from ..run.plan import plan_runs
from ..run.progress import Interrupt
from ..run.running import goes_on, prepare
from ..run.runs import Run
from ..words import told
from . import checkpoints
from .gathering import gather
from .locks import Holding
from .shards import CHECKPOINTS, CLAIMS, FAILED, SHARDS, Range, at_horizon, cut, listed, piece_of

AGAIN = 0.5
"""Seconds until it is looked again whether a shard that another works on is there."""
TRIES = 3
"""A shard that failed so often is not tried again."""


class Ending(Interrupt):
    """What ends work at its next checkpoint: Ctrl-C, SIGTERM, SIGUSR1 (a queue's warning), or a limit of time."""

    SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))

    def __init__(self, limit: float | None = None) -> None:
        super().__init__()
        self._until = None if limit is None else time.monotonic() + limit
        self.limit = limit

    @property
    def asked(self) -> bool:
        if not self.by and self._until is not None and time.monotonic() >= self._until:
            self.by = "its limit of time"
        return bool(self.by)


def seconds(name: str, given: object) -> float:
    """A length of time: a number of seconds, or text such as ``"3h"``, ``"90min"``, ``"45s"`` or ``"1h30min"``.

    Raises:
        ValueError: it is neither.
    """
    units = {"d": 86400.0, "h": 3600.0, "min": 60.0, "m": 60.0, "s": 1.0}
    with contextlib.suppress(ValueError, TypeError):
        given = float(given) if isinstance(given, str) else given
    if isinstance(given, str):
        parts = re.findall(r"(\d+(?:\.\d+)?) *(d|h|min|m|s)(?![a-z])", given.strip())
        if parts and re.sub(r"(\d+(?:\.\d+)?) *(d|h|min|m|s)(?![a-z])", "", given.strip()).strip() == "":
            return sum(float(number) * units[unit] for number, unit in parts)
    else:
        number = array_of_numbers(given)
        if number is not None and number.ndim == 0 and 0 < float(number) < 1e9:
            return float(number)
    raise ValueError(f"{name}={told(given)}: give seconds above 0, or a text such as '90s', '45min' or '3h'.")


@dataclass
class Work:
    """Everything that shards of one store are run with.

    ``settings``: of all instances, as they are run: name -> experiment. ``every``: seconds between checkpoints, at least.
    """

    folder: Path
    settings: dict[str, Experiment]
    at: dict[str, list[int]]
    size: int
    options: dict[str, Any]
    engine: Engine
    every: float = 60.0
    show: bool | None = None
    _saved: float = field(default_factory=time.monotonic)

    @property
    def steps(self) -> dict[str, int]:
        return {name: setting.steps for name, setting in self.settings.items()}

    @property
    def everyone(self) -> Range:
        setting = next(iter(self.settings.values()))
        return Range(setting.first_instance, setting.first_instance + setting.instances - 1)

    def folders(self) -> None:
        for kind in (SHARDS, CHECKPOINTS, CLAIMS, FAILED):
            (self.folder / kind).mkdir(exist_ok=True)

    # ---- what is to be done

    def shards(self, part: tuple[int, int] | None = None) -> list[Range]:
        """All shards that there are to be, in order, each instance in one; ``part``: (i, n), those of one part of n."""
        there, everyone = listed(self.folder), self.everyone
        there = [one for one in there if one.first >= everyone.first and one.last <= everyone.last]
        missing = cut(everyone.first, everyone.count, self.size, there)
        found = sorted([*there, *missing])
        if part is None:
            return found
        here = part_of(everyone, self.size, part)
        return [one for one in found if here is not None and here.first <= one.first <= here.last]

    def done(self, one: Range) -> bool:
        return at_horizon(one.shard(self.folder), self.steps)

    def missing(self, part: tuple[int, int] | None = None) -> list[Range]:
        return [one for one in self.shards(part) if not self.done(one)]

    # ---- doing it

    def all(self, holding: Holding, ending: Ending, part: tuple[int, int] | None = None, failing: bool = False) -> None:
        """Does what is missing, until nothing is, or something ends it. What others work on is waited for.

        ``failing``: an error of a shard is written down, and the others are gone on with.
        """
        while not ending.asked and (todo := self._left(part, failing)):
            claimed = 0
            for one in todo:
                if ending.asked:
                    return
                if holding.take(one.claim(self.folder)) is not None:
                    continue
                try:
                    claimed += 1
                    if not self.done(one):
                        self._tried(one, ending, failing)
                finally:
                    holding.let_go(one.claim(self.folder))
            if not claimed:
                waited = time.monotonic() + AGAIN
                while time.monotonic() < waited and not ending.asked:
                    time.sleep(0.05)

    def _left(self, part: tuple[int, int] | None, failing: bool) -> list[Range]:
        missing = self.missing(part)
        return [one for one in missing if failures(self.folder, one)[0] < TRIES] if failing else missing

    def _tried(self, one: Range, ending: Ending, failing: bool) -> None:
        try:
            self.run(one, ending)
        except Exception as error:
            if not failing:
                raise
            failed(self.folder, one, error)

    def run(self, one: Range, ending: Interrupt) -> bool:
        """Runs a shard from where it is to the horizon, and writes it; whether it came there, and was not ended before."""
        settings = {name: piece_of(setting, self.at.get(name), one) for name, setting in self.settings.items()}
        keep = self.options["keep_x"]
        before, history = self._before(one)
        earlier = {name: found for name, found in before.items() if goes_on(found, settings[name])}
        begun = self._begun(one, settings)
        with self.engine.here():
            plans = plan_runs(settings, self.engine, keep)
        prepare(settings, self.engine, plans, earlier)
        runs: dict[str, Run] = {}
        there: dict[str, list[Outcome]] = dict(begun)

        def between() -> None:
            if time.monotonic() - self._saved < self.every and not ending.asked:
                return
            there.update({name: run.parts() for name, run in runs.items()})
            checkpoints.write(one.checkpoint(self.folder), settings, {n: there[n] for n in settings if there.get(n)})
            self._saved = time.monotonic()

        outcomes: dict[str, Outcome] = {}
        for name, setting in settings.items():
            label = f"{name or type(setting.optimizer).__name__} {one.first:,} to {one.last:,}"
            run = Run(
                setting,
                self.engine,
                plans[name],
                label,
                earlier.get(name),
                keep,
                begun=begun.get(name, ()),
                between=between,
            )
            runs = {name: run}
            while not run.over and not ending.asked:
                run.next_batch(self.show, ending)
            if not run.over or (found := run.outcome()).reached < setting.steps:
                return False
            there[name], outcomes[name] = [found], found
        self.write(one, settings, outcomes, history if earlier else ())
        return True

    def write(
        self, one: Range, settings: dict[str, Experiment], outcomes: dict[str, Outcome], history: tuple[Piece, ...] = ()
    ) -> None:
        """Puts a shard in its place: a result of its instances, which any program opens, and en.load."""
        result = make_result(settings, outcomes, self.options, "", history)
        result.save(one.shard(self.folder))
        self._saved = time.monotonic()
        for path in (one.checkpoint(self.folder), one.failed(self.folder)):
            path.unlink(missing_ok=True)

    def _before(self, one: Range) -> tuple[dict[str, Outcome], tuple[Piece, ...]]:
        """What there is of a shard that was run to fewer steps."""
        if not one.shard(self.folder).exists():
            return {}, ()
        settings = {name: piece_of(setting, self.at.get(name), one) for name, setting in self.settings.items()}
        try:
            found = gather(self.folder, settings, self.settings, [(one, one)])
            outcomes = found.outcome()
        except (UnreadableFileError, OSError):
            return {}, ()
        for name, outcome in outcomes.items():
            record = settings[name].record
            outcome.record_places = None if record is None else record.places(one.count)
        return outcomes, tuple(found.history)

    def _begun(self, one: Range, settings: Mapping[str, Experiment]) -> dict[str, list[Outcome]]:
        """What a checkpoint has; one that cannot be read is as none."""
        with contextlib.suppress(UnreadableFileError, OSError):
            return checkpoints.load(one.checkpoint(self.folder), settings)
        return {}


def by_devices(
    work: Work, engines: Sequence[Engine], holding: Holding, ending: Ending, part: tuple[int, int] | None
) -> None:
    """Does what is missing on several devices, each with a thread of its own.

    Raises:
        Exception: of some kind, the first that a shard raised; then no other is begun.
    """
    halted = Halted(ending)
    each = [replace(work, engine=engine, show=work.show if k == 0 else False) for k, engine in enumerate(engines)]

    def do(one: Work) -> None:
        try:
            one.all(holding, halted, part)
        except BaseException:
            halted.halt = True
            raise

    share(each, [do] * len(each))


class Halted(Ending):
    """Another's ending, and its own: an error on one device ends the others at their next checkpoint."""

    def __init__(self, other: Ending) -> None:
        super().__init__()
        self.other, self.halt = other, False

    @property
    def asked(self) -> bool:
        return self.halt or self.other.asked


def part_of(everyone: Range, size: int, part: tuple[int, int]) -> Range | None:
    """The instances of one part of n: whole shards as far as there are so many; None: nothing is left for it."""
    i, n = part
    shards = -(-everyone.count // size)
    a, b = shards * i // n, shards * (i + 1) // n
    if a == b:
        return None
    return Range(everyone.first + a * size, min(everyone.first + b * size, everyone.last + 1) - 1)


# ---- failures


def failures(folder: Path, one: Range) -> tuple[int, str]:
    """How often a shard has failed, and why the last time."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(one.failed(folder).read_bytes())
        return int(found["times"]), str(found["reason"])
    return 0, ""


def failed(folder: Path, one: Range, error: BaseException) -> int:
    """Writes down that a shard has failed; how often by now."""
    times = failures(folder, one)[0] + 1
    said = {"times": times, "reason": f"{type(error).__name__}: {reason(error)}"}
    text = json.dumps(said).encode()
    with contextlib.suppress(OSError):
        put_whole(one.failed(folder), lambda file: write_all(file, text), len(text), "")
    return times


def all_failures(folder: Path) -> Iterator[tuple[Range, int, str]]:
    """(shard, how often, why) of all that have failed and are not there."""
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(os.listdir(folder / FAILED)):
            first, _, last = name.removesuffix(".json").partition("-")
            if first.isdigit() and last.isdigit() and name.endswith(".json"):
                one = Range(int(first), int(last))
                times, why = failures(folder, one)
                if times and not one.shard(folder).exists():
                    yield one, times, why
