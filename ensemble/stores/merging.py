"""merge: stores and results of disjoint instances of one experiment in one store."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..plain import check_kind
from ..results.files import UnreadableFileError, opened, put_whole, shown
from ..results.history import Piece, decided, differences, digest
from ..results.loading import load
from ..results.result import Result, make_result
from ..run.outcome import Outcome
from ..run.runs import finished
from ..words import told
from . import description
from .description import NAME, Description, OtherExperimentError
from .gathering import Gathered, merged_history
from .opened import Store
from .shards import SHARDS, Range, cut, listed, piece_of
from .stored import checked_store, made
from .working import Work

COMPARED = ("event_step", "event", "diverged_step", "x", "vectors", "integers", "reported")


@dataclasses.dataclass
class _Source:
    """A store or a result that is merged: what it says of itself, and the ranges that it has."""

    name: str
    said: Description
    ranges: list[Range]
    folder: Path | None
    result: Result | None

    @classmethod
    def of(cls, given: Any, place: int) -> _Source:
        if isinstance(given, Result):
            return cls._of_result(given, f"sources[{place}]")
        if not isinstance(given, (str, os.PathLike)):
            check_kind(f"merge(sources[{place}])", given, Result, "'runs/a', a store's folder, or simulate(...)")
        path = Path(given)
        if path.is_dir():
            said = description.read(path)
            ranges = [r for r in listed(path) if r.first >= said.first and r.last < said.first + said.instances]
            for one in ranges:
                with opened(one.shard(path)):  # every byte is looked at
                    pass
            return cls(shown(path), said, ranges, path, None)
        return cls._of_result(load(path), shown(path))

    @classmethod
    def _of_result(cls, result: Result, name: str) -> _Source:
        if result.undefined is not None:
            result.undefined.refuse("merge")
        short = [
            n for n, s in result.settings.items() if n not in result.outcomes or result.outcomes[n].reached < s.steps
        ]
        if short:
            raise ValueError(f"merge: {name} is not at its horizon; take it there with its resume().")
        if any(o.summarised for o in result.outcomes.values()):
            raise ValueError(f"merge: {name} keeps moments and quantiles of its own instances, which cannot be joined.")
        said = Description.of(result.settings, result.options["backend"], result.options["keep_x"], 1)
        last, at = result.history[-1], {}
        for key, setting in result.settings.items():
            taken = result.outcomes[key].record_steps
            if setting.record is None or taken is None:
                continue
            if not np.array_equal(taken, setting.record.steps(setting.steps)):  # its horizon was moved
                at[key] = taken.tolist()
        said = dataclasses.replace(said, code=last.code, version=last.version, at=at)
        count = next(iter(result.outcomes.values())).instances
        return cls(name, said, [Range(said.first, said.first + count - 1)], None, result)

    def recorded(self) -> set[int] | None:
        """Ids of the instances that are recorded; None: all."""
        record = next(iter(self.said.settings.values())).get("record")
        who = None if record is None else record["instances"]
        if who is None:
            return None
        return set((np.arange(who) if isinstance(who, int) else np.asarray(who)) + self.said.first)

    def recorded_ids(self) -> set[int]:
        found = self.recorded()
        return set(range(self.said.first, self.said.first + self.said.instances)) if found is None else found


def merge(sources: Sequence[str | os.PathLike[str] | Result], store: str | os.PathLike[str]) -> Store:
    """Joins stores and results of one experiment into a new store: ``merge(["runs/a", "runs/b"], "runs/c")``.

    ``sources``: stores' folders, files that :meth:`Result.save` wrote, or results, each of other instances (``first_instance``).
    Where two have the same instances, those must be equal, to the bit. Instances between them that none has are missing in the store;
    :func:`ensemble.simulate` runs them.

    Raises:
        OtherExperimentError: they are of different experiments; the difference is named.
        ValueError: instances that two have differ, or a source is not finished, or keeps a summary.
        OSError, UnreadableFileError: one cannot be read, or the store cannot be written.
    """
    if isinstance(sources, (str, os.PathLike, Result)) or not isinstance(sources, Iterable):
        raise TypeError(f"merge(sources={told(sources)}): give a list of folders, files or results.")
    found = [_Source.of(given, k) for k, given in enumerate(sources)]
    if not found:
        raise ValueError("merge(sources=[]): give at least one store or result.")
    for other in found[1:]:
        _same_experiment(found[0], other)
    _check_recorded(found)
    folder = made(checked_store(store))
    if (folder / NAME).exists():
        raise OSError(f"merge: {shown(folder)} is a store already; give a new folder.")
    said = _of_all(found)
    work = _work(folder, said, found)
    work.folders()
    apart = folder / ".merging"
    try:
        for k, source in enumerate(found):
            _as_store(work, source, apart / str(k))
            for one in source.ranges:
                _bring(work, source, one)
    finally:
        shutil.rmtree(apart, ignore_errors=True)
    dataclasses.replace(said, shard=work.size).create(folder)
    return Store(folder)


def _same_experiment(one: _Source, other: _Source) -> None:
    then, now = (_apart_from_places(source.said) for source in (one, other))
    wrong = list(differences(then, now, ""))
    if one.said.code != other.said.code:
        wrong.append(
            f"the version has changed from {one.said.version} (code {one.said.code[:8]}) to {other.said.code[:8]}"
        )
    if one.said.steps != other.said.steps:
        wrong.append(f"steps are {one.said.steps} and {other.said.steps}")
    if one.said.at != other.said.at:
        wrong.append("they were recorded at different steps")
    if wrong:
        raise OtherExperimentError(
            f"merge: {other.name} is another experiment than {one.name}: {'; '.join(wrong[:6])}."
        )


def _check_recorded(found: Sequence[_Source]) -> None:
    """Refuses sources of which one records an instance that another has and does not."""
    for k, one in enumerate(found):
        for other in found[k + 1 :]:
            first = max(one.said.first, other.said.first)
            end = min(one.said.first + one.said.instances, other.said.first + other.said.instances)
            mine, theirs = ({i for i in source.recorded() or () if first <= i < end} for source in (one, other))
            every = [source.recorded() is None for source in (one, other)]
            if first < end and (mine != theirs or every[0] != every[1]):
                raise OtherExperimentError(
                    f"merge: {one.name} and {other.name} both have instances {first} to {end - 1}, and record different ones of "
                    f"them; merge shards of one run, or results of other instances."
                )


def _apart_from_places(said: Description) -> dict[str, Any]:
    found = said.numbers()
    for one in found.values():
        if isinstance(one, dict):
            del one["first_instance"]
            if "record" in one:
                del one["record"]["instances"]
    return found


def _of_all(found: Sequence[_Source]) -> Description:
    """What the store of all of them says."""
    ranges = [one for source in found for one in source.ranges]
    if not ranges:
        raise ValueError("merge: no shard of the sources is finished.")
    first, last = min(r.first for r in ranges), max(r.last for r in ranges)
    first = min([first, *(s.said.first for s in found)])
    last = max([last, *(s.said.first + s.said.instances - 1 for s in found)])
    recorded = [source.recorded() for source in found]
    ids = None if all(who is None for who in recorded) else sorted(set().union(*(s.recorded_ids() for s in found)))
    settings = {}
    for name, setting in found[0].said.settings.items():
        setting = setting | {"instances": last - first + 1, "first_instance": first}
        if setting.get("record") is not None and ids is not None:
            setting["record"] = setting["record"] | {"instances": [int(i) - first for i in ids]}
        settings[name] = setting
    definitions = {key: text for source in found for key, text in source.said.definitions.items()}
    forced = tuple(dict.fromkeys(text for source in found for text in source.said.forced))
    size = max([s.said.shard for s in found] + [r.count for r in ranges])
    return dataclasses.replace(found[0].said, settings=settings, definitions=definitions, forced=forced, shard=size)


def _work(folder: Path, said: Description, found: Sequence[_Source]) -> Work:
    own = next((source.result for source in found if source.result is not None), None)
    parts = [] if own is None else [type(part) for s in own.settings.values() for part in s.roles().values()]
    try:
        settings = said.experiments(parts)
    except Exception as error:
        raise UnreadableFileError(f"merge: {error}; import what defines it first.") from error
    options = {"backend": said.backend, "backend_reason": "it ran the store", "keep_x": said.keep_x, "threads": None}
    engine: Any = None
    return Work(folder, settings, said.at, said.shard, options, engine)


def _bring(work: Work, source: _Source, one: Range) -> None:
    """Puts what a source has of a range into the store: what is new of it, once what is there is found equal."""
    assert source.folder is not None
    there = listed(work.folder)
    for other in there:
        both = Range(max(one.first, other.first), min(one.last, other.last))
        if both.count > 0:
            _equal(work, source, one, other, both)
    new = cut(one.first, one.count, one.count, there)
    for part in new:
        if part == one:
            _copy(one.shard(source.folder), one.shard(work.folder))
        else:
            gathered = _read(work, source.folder, one, part)
            _write(work, work.folder, part, gathered.outcome(), tuple(gathered.history))


def _write(work: Work, folder: Path, part: Range, outcomes: dict[str, Outcome], history: tuple[Piece, ...]) -> None:
    """Puts a shard in its place."""
    settings = {name: piece_of(s, work.at.get(name), part) for name, s in work.settings.items()}
    outcomes = {name: finished(outcome, settings[name], None) for name, outcome in outcomes.items()}
    history = merged_history(history, digest(decided(settings, work.options)))
    make_result(settings, outcomes, work.options, "", history=history).save(part.shard(folder))


def _as_store(work: Work, source: _Source, folder: Path) -> None:
    """Writes a result as a shard, apart, to be read as those of stores are."""
    if source.result is not None:
        source.folder = folder
        (folder / SHARDS).mkdir(parents=True)
        whole = source.ranges[0]
        outcomes = {name: dataclasses.replace(o, records=dict(o.records)) for name, o in source.result.outcomes.items()}
        _write(work, folder, whole, outcomes, source.result.history)


def _copy(there: Path, here: Path) -> None:
    def write(file: BinaryIO) -> None:
        with open(there, "rb") as source:
            shutil.copyfileobj(source, file, 1 << 22)

    put_whole(here, write, there.stat().st_size, "what was merged is unchanged")


def _read(work: Work, folder: Path, one: Range, part: Range) -> Gathered:
    settings = {name: piece_of(s, work.at.get(name), part) for name, s in work.settings.items()}
    found = Gathered(settings, work.settings)
    found.add(one.shard(folder), one, part)
    return found


def _equal(work: Work, source: _Source, one: Range, other: Range, both: Range) -> None:
    """Raises ValueError where two have instances that differ."""
    assert source.folder is not None
    mine, theirs = _read(work, source.folder, one, both), _read(work, work.folder, other, both)
    for name in sorted(mine.arrays.keys() & theirs.arrays.keys()):
        if not np.array_equal(mine.arrays[name], theirs.arrays[name], equal_nan=mine.arrays[name].dtype.kind == "f"):
            raise ValueError(
                f"merge: instances {both.first} to {both.last} of {source.name} differ from those merged before, in {name!r}."
            )
