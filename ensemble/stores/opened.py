"""open: a store read at any moment, what is finished of it as a dataset that loads what is asked for."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from ..part import Part
from ..plain import check_kind
from ..results.files import UnreadableFileError, opened, shown
from ..results.history import Piece, as_text, digest, pieces_of
from ..results.loading import checked_classes
from ..results.reading import read
from ..results.restored import STATE
from ..results.result import Result
from . import checkpoints, description
from .description import Description
from .gathering import merged_history
from .locks import ALIVE, look
from .shards import LOCK, Range, ShardFile, cut, listed, pieces, steps_of
from .stored import result_of
from .working import Work

FINISHED, RUNNING, MISSING, DAMAGED = "finished", "running", "missing", "damaged"


@dataclass(frozen=True)
class Shard:
    """A range of instances of a store: ``state`` is finished, running, missing or damaged.

    ``steps``: name -> the last step that all of them have come to; ``by``: who works on it.
    """

    first: int
    last: int
    state: str
    steps: Mapping[str, int]
    by: str = ""

    @property
    def count(self) -> int:
        return self.last - self.first + 1


class Store:
    """A store as it was when it was opened; it may grow meanwhile.

    ``dataset``: what is finished, as ``Result.dataset``; its variables are read from the shards when they are first asked for, and
    ``isel`` reads no more than it names. Instances that are running or missing are not in it: they are not censored. Where the horizon
    is being moved, it has the shards of the furthest step that any has come to. Statistics take the store as they take a result.
    ``shards`` tells all of them apart; ``holder`` says who has the store's lock, empty: nobody.
    """

    def __init__(self, path: Path, parts: Sequence[type[Part]] = ()) -> None:
        self.path, self._parts = path, tuple(parts)
        self._said: Description = description.read(path)
        self._files: dict[Range, _File] = {}
        self.shards: tuple[Shard, ...] = tuple(self._looked_at())
        held = look(path / LOCK)
        self.holder = "" if held is None else f"{held} ({held.state})"
        self._dataset: xr.Dataset | None = None

    # ---- what there is

    @property
    def instances(self) -> int:
        """Of each configuration there are to be."""
        return self._said.instances

    @property
    def steps(self) -> dict[str, int]:
        """Name of the optimizer, empty where one was run -> the steps there are to be."""
        return self._said.steps

    def count(self, state: str) -> int:
        """Instances of shards in a state."""
        return sum(shard.count for shard in self.shards if shard.state == state)

    @property
    def complete(self) -> bool:
        return self.count(FINISHED) == self.instances

    def __repr__(self) -> str:
        counts = Counter(shard.state for shard in self.shards)
        states = ", ".join(
            f"{self.count(state):,} {state} in {counts[state]:,} shards"
            for state in (FINISHED, RUNNING, MISSING, DAMAGED)
            if counts[state]
        )
        return f"<ensemble.Store {str(self.path)!r}: {self.instances:,} instances, {states}>"

    def _looked_at(self) -> Iterator[Shard]:
        said, there = self._said, []
        end = said.first + said.instances - 1
        for one in listed(self.path):
            if one.first < said.first or one.last > end:
                continue
            there.append(one)
        missing = cut(said.first, said.instances, said.shard, there)
        for one in sorted([*there, *missing]):
            claim = look(one.claim(self.path))
            by = str(claim.holder) if claim is not None and claim.state == ALIVE else ""
            steps, state = dict.fromkeys(said.settings, 0), MISSING
            try:
                file = _File.of(one.shard(self.path))
                self._files[one], steps = file, file.steps
                state = FINISHED if steps == said.steps else RUNNING if by else MISSING
            except FileNotFoundError:
                state = RUNNING if by else MISSING
            except (OSError, UnreadableFileError):
                state = RUNNING if by else DAMAGED
            if state in (RUNNING, MISSING):
                steps = self._under_way(one, steps)
            yield Shard(one.first, one.last, state, steps, by if state == RUNNING else "")

    def _under_way(self, one: Range, steps: dict[str, int]) -> dict[str, int]:
        """The last steps that all of a shard have come to, by its checkpoint."""
        try:
            found = checkpoints.progress(one.checkpoint(self.path))
        except (OSError, UnreadableFileError, LookupError, TypeError):
            return steps
        for name, come in found.items():
            if name in steps and sum(count for count, _ in come) == one.count:
                steps[name] = max(steps[name], min(step for _, step in come))
        return steps

    # ---- the data

    @property
    def dataset(self) -> xr.Dataset:
        """What is finished; see the class."""
        if self._dataset is None:
            self._dataset = self._made()
        return self._dataset

    def _made(self) -> xr.Dataset:
        horizons = Counter(tuple(sorted(file.steps.items())) for file in self._files.values())
        if not horizons:
            raise ValueError(f"open({shown(self.path)}): no shard is finished yet; {self!r}.")
        furthest = max(horizons, key=lambda steps: sum(step for _, step in steps))
        files = {one: file for one, file in self._files.items() if tuple(sorted(file.steps.items())) == furthest}
        parts = [(files[one], one, here) for one, here in pieces(files)]
        return lazily(parts, self._said)

    def result(self) -> Result:
        """The whole, in memory, as the call that made the store returns it.

        Raises:
            ValueError: it is not complete, or a part of yours is not defined here.
            MemoryError: it does not fit.
            UnreadableFileError: a shard is damaged.
        """
        if not self.complete:
            raise ValueError(f"{self!r} is not complete: give .dataset, which has what is finished, or run the rest.")
        try:
            settings = self._said.experiments(self._parts)
        except Exception as error:
            raise ValueError(
                f"open({shown(self.path)}).result(): {error}; define it, or give parts=[...] to open."
            ) from error
        options = {
            "backend": self._said.backend,
            "backend_reason": "it ran the store",
            "keep_x": self._said.keep_x,
            "threads": None,
        }
        engine: Any = None
        work = Work(self.path, settings, self._said.at, self._said.shard, options, engine)
        return result_of(work, settings, None)


@dataclass(frozen=True)
class _File:
    """A shard's file as it was when the store was opened."""

    path: Path
    identity: tuple[int, int, int]
    steps: dict[str, int]

    @classmethod
    def of(cls, path: Path) -> _File:
        with ShardFile(path) as file:
            return cls(path, file.identity, steps_of(file))

    def opened(self) -> ShardFile:
        file = ShardFile(self.path)
        if file.identity != self.identity:
            file.__exit__(None, None, None)
            raise UnreadableFileError(
                f"{shown(self.path)} was continued since the store was opened; open the store again."
            )
        return file


class _Column(BackendArray):
    """A variable that lies in several shards, one after another along ``axis``.

    ``parts``: (file, places in the file, of how many). What is read is held against its checksum.
    """

    def __init__(self, name: str, like: xr.Variable, axis: int, parts: Sequence[tuple[_File, slice, int]]) -> None:
        self.name, self.axis, self.parts = name, axis, parts
        self.edges = np.cumsum([0, *(here.stop - here.start for _, here, _ in parts)])
        self.dtype = like.dtype
        self.before, self.after = like.shape[:axis], like.shape[axis + 1 :]
        self.shape = (*self.before, int(self.edges[-1]), *self.after)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        wanted = key[self.axis]
        everyone = isinstance(wanted, slice) and wanted == slice(None)
        places = np.arange(self.shape[self.axis])[wanted] if not everyone else np.empty(0, dtype=np.int64)
        rest = (*key[: self.axis], slice(None), *key[self.axis + 1 :])
        count = self.shape[self.axis] if everyone else np.size(places)
        if everyone and all(isinstance(k, slice) and k == slice(None) for k in key):
            found = np.empty(self.shape, self.dtype)
            for k, a in enumerate(self.edges[:-1].tolist()):
                found[(slice(None),) * self.axis + (slice(a, int(self.edges[k + 1])),)] = self._part(k)
            return found
        owners = np.searchsorted(self.edges, np.atleast_1d(places), side="right") - 1 if not everyone else None
        picked: list[NDArray[Any]] = []
        order: list[NDArray[Any]] = []
        for k in range(len(self.parts)):
            if owners is None:
                picked.append(self._part(k)[rest])
                continue
            mine = np.flatnonzero(owners == k)
            if mine.size:
                block = self._part(k)
                block = np.take(block, np.atleast_1d(places)[mine] - self.edges[k], axis=self.axis)
                picked.append(block[rest])
                order.append(mine)
        axis = sum(not isinstance(k, (int, np.integer)) for k in key[: self.axis])
        if not picked:
            shape = np.empty(self.before)[key[: self.axis]].shape
            return np.empty((*shape, count, *np.empty(self.after)[key[self.axis + 1 :]].shape), self.dtype)
        found = np.concatenate(picked, axis=axis)
        if owners is not None:
            found = np.take(found, np.argsort(np.concatenate(order)), axis=axis)
        return found[(slice(None),) * axis + (0,)] if np.ndim(places) == 0 and not everyone else found

    def _part(self, k: int) -> NDArray[Any]:
        file, here, of = self.parts[k]
        with file.opened() as shard:
            whole = shard.array(self.name, self.dtype, (*self.before, of, *self.after))
        return whole[(slice(None),) * self.axis + (here,)]


def lazily(parts: Sequence[tuple[_File, Range, Range]], said: Description) -> xr.Dataset:
    """The dataset of parts of shards: (file, its range, what of it). Only what does not grow with instances is in memory."""
    first_file = parts[0][0]
    with opened(first_file.path) as file:
        like = read(first_file.path, file)
    ids = np.concatenate([np.arange(here.first, here.last + 1) for _, _, here in parts])
    recorded = _recorded(parts, said)
    variables: dict[Any, Any] = {}
    for name, variable in like.variables.items():
        if STATE.fullmatch(str(name)) or name in ("instance", "recorded_instance"):
            continue
        dims = variable.dims
        if "step" in dims and dims != ("step",) and name not in like.coords:
            axis = dims.index("recorded_instance") if "recorded_instance" in dims else dims.index("instance")
            where = [
                (file, _within(own, own_ids, here), own_ids.size)
                for (file, own, here), own_ids in zip(parts, recorded, strict=True)
                if own_ids.size
            ]
            everyone = sum(here.stop - here.start for _, here, _ in where) == ids.size
            dims = tuple(
                ("instance" if everyone else "recorded_instance") if k == axis else d for k, d in enumerate(dims)
            )
            variables[name] = (dims, _column(name, variable, axis, where), variable.attrs)
        elif "instance" in dims:
            axis = dims.index("instance")
            where = [(file, slice(h.first - r.first, h.last + 1 - r.first), r.count) for file, r, h in parts]
            variables[name] = (dims, _column(name, variable, axis, where), variable.attrs)
        else:
            variables[name] = variable
    coords = {name: variables.pop(name) for name in like.coords if name in variables}
    coords["instance"] = ("instance", ids, like["instance"].attrs)
    if any("recorded_instance" in v[0] for v in variables.values() if isinstance(v, tuple)):
        who = np.concatenate([i[(i >= h.first) & (i <= h.last)] for i, (_, _, h) in zip(recorded, parts, strict=True)])
        coords["recorded_instance"] = ("recorded_instance", who, like["instance"].attrs)
    return xr.Dataset(variables, coords, _attributes(like.attrs, parts, said, ids.size))


def _column(name: Any, variable: xr.Variable, axis: int, where: Sequence[tuple[_File, slice, int]]) -> Any:
    lazy: Any = indexing.LazilyIndexedArray(_Column(str(name), variable, axis, where))
    kept: Any = indexing.MemoryCachedArray  # loaded once where all of it is asked for
    return kept(indexing.CopyOnWriteArray(lazy))


def _within(own: Range, ids: NDArray[np.int64], here: Range) -> slice:
    return slice(*np.searchsorted(ids, (here.first, here.last + 1)).tolist())


def _recorded(parts: Sequence[tuple[_File, Range, Range]], said: Description) -> list[NDArray[np.int64]]:
    """The ids that are recorded in each file."""
    record = next(iter(said.settings.values())).get("record")
    if record is None:
        return [np.empty(0, dtype=np.int64) for _ in parts]
    who = record["instances"]
    if who is None:
        return [np.arange(own.first, own.last + 1) for _, own, _ in parts]
    ids = np.sort(np.arange(who) if isinstance(who, int) else np.asarray(who)) + said.first
    return [ids[(ids >= own.first) & (ids <= own.last)] for _, own, _ in parts]


SUMS = ("segments", "batches", "started_inside", "wall_time", "coordinate_steps")


def _attributes(
    attrs: Mapping[str, Any], parts: Sequence[tuple[_File, Range, Range]], said: Description, count: int
) -> dict[str, Any]:
    """Those of the whole, as far as shards say it."""
    history: list[Piece] = []
    facts: Counter[str] = Counter()
    for file, _, _ in parts:
        with file.opened() as shard:
            history += pieces_of(shard.text("history"))
            for one in shard.text("outcomes").values():
                facts.update({name: one[name] for name in ("segments", "batches", "wall_time")})
                facts["started_inside"] += sum(inside for _, inside in one["inside"])
    missing = f"{count:,} of {said.instances:,} instances" if count < said.instances else ""
    found = {
        name: value
        for name, value in attrs.items()
        if name not in (*SUMS, "coordinate_steps_per_second", "share_of_ceiling")
    }
    return found | {
        "segments": int(facts["segments"]),
        "batches": int(facts["batches"]),
        "started_inside": int(facts["started_inside"]),
        "wall_time": float(facts["wall_time"]),
        "instances": count,
        "instances_asked": said.instances,
        "unfinished": missing,
        "interrupted": int(bool(missing)),
        "settings": json.dumps(said.settings),
        "history": as_text(merged_history(history, digest(said.numbers()))),
    }


def open(store: str | os.PathLike[str], parts: Sequence[type[Part]] = ()) -> Store:
    """Opens a store that :func:`ensemble.simulate` or :func:`ensemble.compare` made: at any moment, whoever works on it.

    Args:
        store: its folder.
        parts: classes of one's own that it uses; only :meth:`Store.result` needs them.

    Raises:
        FileNotFoundError: the folder is no store.
        UnreadableFileError: it is damaged, or of a later version.
    """
    if not isinstance(store, (str, os.PathLike)):
        check_kind("store", store, str, "'runs/escape'")
    return Store(Path(store), checked_classes("open", parts))
