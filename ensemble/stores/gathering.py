"""Shards put together: arrays made beforehand and filled, shard after shard, without another copy."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..results.dataset import Stack
from ..results.files import UnreadableFileError, reason, shown
from ..results.history import Piece, pieces_of
from ..results.reading import looked_at
from ..results.restored import add_facts
from ..run.experiment import Experiment
from ..run.outcome import Outcome
from .shards import Range, ShardFile

BY_INSTANCE = ("event_step", "event", "diverged_step", "x")


@dataclasses.dataclass(frozen=True)
class Layout:
    """What the variables of a store's shards are: their kinds and, but for the instances, their shapes, as one of them says."""

    dtypes: dict[str, np.dtype[Any]]
    shapes: dict[str, tuple[int, ...]]

    @classmethod
    def of(cls, path: Path) -> Layout:
        """As a file says that has been checked.

        Raises:
            UnreadableFileError: it holds what no file of ours does.
        """
        try:
            with open(path, "rb") as file:
                shapes = looked_at(file, os.fstat(file.fileno()).st_size)
                file.seek(0)
                with h5py.File(file, "r") as inside:
                    return cls({name: inside[name].dtype for name in shapes}, shapes)
        except UnreadableFileError:
            raise
        except Exception as error:  # h5py raises many kinds
            raise UnreadableFileError(f"{shown(path)} cannot be read as netCDF ({reason(error)}).") from error


class Gathered:
    """All that shards hold of consecutive instances.

    ``settings``: of these, as they are run; ``whole``: of all instances of the shards' experiment.
    """

    def __init__(self, settings: Mapping[str, Experiment], whole: Mapping[str, Experiment]) -> None:
        self.settings = dict(settings)
        self.stack = Stack(self.settings)
        self.axis = len(self.stack.dims)
        setting = next(iter(self.settings.values()))
        self.first, self.instances = setting.first_instance, setting.instances
        self.record = setting.record
        everyone = next(iter(whole.values()))
        self.recorded = np.empty(0, dtype=np.int64)
        if everyone.record is not None:
            self.recorded = everyone.record.places(everyone.instances) + everyone.first_instance
        self.layout = Layout({}, {})
        self.arrays: dict[str, NDArray[Any]] = {}
        self.outcomes: list[dict[str, Outcome]] = []
        self.history: list[Piece] = []
        self.steps: NDArray[np.int64] | None = None

    def add(self, path: Path, whole: Range, part: Range) -> None:
        """Reads from the file of a range what it has of one of its parts.

        Raises:
            OSError, UnreadableFileError: it cannot be read, or is damaged.
        """
        with ShardFile(path) as file:
            for name in BY_INSTANCE:
                self._put(file, name, self.axis, whole, part)
            for k in range(len(self.settings)):
                for name, axis in ((f"_x_{k}", 1), (f"_vectors_{k}", 2), (f"_integers_{k}", 2)):
                    self._put(file, name, axis, whole, part)
            if self.record is not None:
                for name in ("path" if q == "x" else q for q in self.record.names):
                    self._put(file, name, self.axis, whole, part, recorded=True)
                if "step" in file and self.steps is None:
                    self.steps = file.array("step", *self._kind(file, "step"))
            self._add_facts(file, whole, part)

    def _kind(self, file: ShardFile, name: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
        """The type and shape of a variable, as the first file that has it says: HDF5 need not look at every one."""
        if name not in self.layout.shapes:
            other = Layout.of(file.path)
            self.layout = Layout(other.dtypes | self.layout.dtypes, other.shapes | self.layout.shapes)
        return self.layout.dtypes[name], self.layout.shapes[name]

    def _put(self, file: ShardFile, name: str, axis: int, whole: Range, part: Range, recorded: bool = False) -> None:
        if name not in file:
            return
        dtype, shape = self._kind(file, name)
        here, there, count, all_there = self._slices(whole, part, recorded)
        shape = (*shape[:axis], all_there, *shape[axis + 1 :])
        if name not in self.arrays:
            self.arrays[name] = np.empty((*shape[:axis], count, *shape[axis + 1 :]), dtype)
        before = (slice(None),) * axis
        into = self.arrays[name][(*before, here)]
        if into.flags.c_contiguous and into.shape == shape and into.size:
            file.into(name, into.reshape(-1).view(np.uint8))
        else:
            into[...] = file.array(name, dtype, shape)[(*before, there)]

    def _slices(self, whole: Range, part: Range, recorded: bool) -> tuple[slice, slice, int, int]:
        """Where a part lies among all instances, and in its file; how many there are of all, and in the file."""
        edges = np.array(
            [part.first, part.last + 1, whole.first, whole.last + 1, self.first, self.first + self.instances]
        )
        if recorded:
            edges = np.searchsorted(self.recorded, edges)
        a, b, c, d, first, end = edges.tolist()
        return slice(a - first, b - first), slice(a - c, b - c), end - first, d - c

    def _add_facts(self, file: ShardFile, whole: Range, part: Range) -> None:
        none: Any = np.empty(0)
        each = {name: Outcome(0, none, none, none, none, none, none) for name in self.settings}
        add_facts(each, file.text("outcomes"))
        for outcome in each.values():
            if part != whole:  # how many of them is not known
                first = part.first - whole.first
                outcome.inside = tuple(
                    (end - first, inside) for end, inside in outcome.inside if first < end <= first + part.count
                )
        self.outcomes.append(each)
        self.history += pieces_of(file.text("history"))
        offset = part.first - self.first
        for outcome in each.values():
            outcome.inside = tuple((end + offset, inside) for end, inside in outcome.inside)

    # ---- all of them

    def outcome(self) -> dict[str, Outcome]:
        """The outcomes of all instances, summaries not yet made; memory is shared."""
        found = {}
        for k, (name, setting) in enumerate(self.settings.items()):
            each = [outcomes[name] for outcomes in self.outcomes]
            if len({outcome.reached for outcome in each}) != 1:
                raise UnreadableFileError(f"shards have come to different steps: {sorted({o.reached for o in each})}.")
            x = self._split("x", k) if "x" in self.arrays else np.empty(0)
            hidden = self.arrays.get(f"_x_{k}")
            size = (len(setting.sweep().parts), self.instances)
            dtype = np.dtype(setting.dtype)
            integer = setting.program(setting.sweep().parts, 0, 1).integer_dtype
            dim = setting.landscape.dimension if "x" in self.arrays else 0  # type: ignore[attr-defined]
            record_names = [] if setting.record is None else list(setting.record.names)
            records = {q: self._split(v, k) for q in record_names if (v := "path" if q == "x" else q) in self.arrays}
            found[name] = Outcome(
                reached=each[0].reached,
                x=x if hidden is None else hidden,
                reported=None if hidden is None else x,
                vectors=self.arrays.get(f"_vectors_{k}", np.empty((0, *size, dim), dtype)),
                integers=self.arrays.get(f"_integers_{k}", np.empty((0, *size), integer)),
                event_step=self._split("event_step", k).astype(np.int32),
                event=self._split("event", k),
                diverged_step=self._split("diverged_step", k).astype(np.int32),
                records=records,
                record_steps=self.steps if records else None,
                wall_time=sum(o.wall_time for o in each),
                segments=sum(o.segments for o in each),
                batches=sum(o.batches for o in each),
                inside=tuple(i for o in each for i in o.inside),
                flushed=sum(o.flushed for o in each),
                device=each[0].device,
            )
        return found

    def _split(self, name: str, k: int) -> NDArray[Any]:
        return self.stack.split(self.arrays[name])[k]


def gather(
    folder: Path,
    settings: Mapping[str, Experiment],
    whole: Mapping[str, Experiment],
    parts: Sequence[tuple[Range, Range]],
) -> Gathered:
    """What shards hold of the instances of these settings, some of the ``whole``'s; ``parts``: (shard, the part of it that is wanted).

    Raises:
        OSError, UnreadableFileError: one cannot be read, or is damaged.
    """
    found = Gathered(settings, whole)
    for one, part in parts:
        found.add(one.shard(folder), one, part)
    return found


def merged_history(history: Sequence[Piece], settings: str) -> tuple[Piece, ...]:
    """The history of a store: stretches that the same version took on the same device, put together; ``settings``: a digest."""
    found: dict[tuple[Any, ...], Piece] = {}
    for piece in history:
        key = (piece.first_step, piece.last_step, piece.version, piece.code, piece.backend, piece.device, piece.forced)
        before = found.get(key)
        if before is None:
            found[key] = dataclasses.replace(piece, settings=settings)
        else:
            found[key] = dataclasses.replace(
                before,
                instances=before.instances + piece.instances,
                wall_time=before.wall_time + piece.wall_time,
                created=max(before.created, piece.created),
            )
    return tuple(sorted(found.values(), key=lambda piece: (piece.last_step, piece.created)))
