"""Shards: ranges of instances, each in a file of its own, read without HDF5 by the places that its checksums name."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..results.files import UnreadableFileError, checksums, reason, shown, sweep
from ..run.experiment import Experiment

SHARDS, CHECKPOINTS, CLAIMS, FAILED, DAMAGED = "shards", "checkpoints", "claims", "failed", "damaged"
LOCK = "lock"
FOLDERS = (SHARDS, CHECKPOINTS, CLAIMS, FAILED)
_NAME = re.compile(r"(\d{10})-(\d{10})\.nc")


@dataclass(frozen=True, order=True)
class Range:
    """Instances from ``first`` to ``last``, both among them."""

    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    @property
    def name(self) -> str:
        return f"{self.first:010}-{self.last:010}"

    def shard(self, folder: Path) -> Path:
        return folder / SHARDS / f"{self.name}.nc"

    def checkpoint(self, folder: Path) -> Path:
        return folder / CHECKPOINTS / f"{self.name}.nc"

    def claim(self, folder: Path) -> Path:
        return folder / CLAIMS / f"{self.name}.json"

    def failed(self, folder: Path) -> Path:
        return folder / FAILED / f"{self.name}.json"


def listed(folder: Path, kind: str = SHARDS) -> list[Range]:
    """The ranges of which there are files, in order."""
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder / kind) as entries:
        for entry in entries:
            if said := _NAME.fullmatch(entry.name):
                one = Range(int(said[1]), int(said[2]))
                if one.last >= one.first:
                    found.append(one)
    return sorted(found)


def cut(first: int, instances: int, size: int, there: Iterable[Range] = ()) -> list[Range]:
    """Ranges of at most ``size`` that cover what of all instances is not ``there``: the same whoever asks."""
    found, place, end = [], first, first + instances
    for one in [*sorted(there), Range(end, end)]:
        while place < min(one.first, end):
            edge = first + (place - first) // size * size + size  # places that all agree on
            last = min(edge, one.first, end) - 1
            found.append(Range(place, last))
            place = last + 1
        place = max(place, one.last + 1)
    return found


def piece_of(setting: Experiment, at: list[int] | None, part: Range, summary: bool = False) -> Experiment:
    """The experiment of some of the instances: what is recorded of each, without a ``summary``, which is one of all."""
    record, offset = setting.record, part.first - setting.first_instance
    if record is not None:
        places = record.places(setting.instances)
        here = places[np.searchsorted(places, offset) : np.searchsorted(places, offset + part.count)] - offset
        if here.size:
            who = None if here.size == part.count else here.tolist()
            record = dataclasses.replace(
                record, instances=who, summary=summary and record.summary, at=record.at if at is None else tuple(at)
            )
        else:
            record = None
    return dataclasses.replace(setting, instances=part.count, first_instance=part.first, record=record)


class ShardFile:
    """An open shard: its variables' bytes, each held against its checksum as it is read.

    Raises:
        OSError, UnreadableFileError: it cannot be opened, or is no shard.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path, "rb")  # noqa: SIM115 - closed at the end of the block that enters it
        kind = os.fstat(self._file.fileno())
        self.identity = (kind.st_ino, kind.st_mtime_ns, kind.st_size)
        known = checksums(self._file, kind.st_size) if stat.S_ISREG(kind.st_mode) else None
        if known is None:
            self._file.close()
            raise UnreadableFileError(f"{shown(path)} is damaged: its checksums cannot be read.")
        self.known = {name: (offset, size, digest) for name, offset, size, digest in known}

    def __enter__(self) -> ShardFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._file.close()

    def __contains__(self, name: str) -> bool:
        return name in self.known

    def into(self, name: str, buffer: Any) -> None:
        """Reads a variable's bytes."""
        if name not in self.known:
            raise UnreadableFileError(f"{shown(self.path)} lacks {name!r}.")
        offset, size, digest = self.known[name]
        view = memoryview(buffer).cast("B")
        if len(view) != size:
            raise UnreadableFileError(f"{shown(self.path)} has {size} bytes of {name!r}, and should have {len(view)}.")
        self._file.seek(offset)
        if self._file.readinto(view) != size or hashlib.sha256(view).hexdigest() != digest:
            raise UnreadableFileError(
                f"{shown(self.path)} is damaged: the bytes of {name!r} do not match their checksum."
            )

    def array(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        found = np.empty(shape, dtype)
        if found.size:
            self.into(name, found.reshape(-1).view(np.uint8))
        return found

    def text(self, name: str) -> Any:
        """An attribute that is JSON."""
        found = bytearray(self.known.get(f"attribute {name}", (0, 0, ""))[1])
        self.into(f"attribute {name}", found)
        try:
            return json.loads(found)
        except ValueError as error:
            raise UnreadableFileError(f"{shown(self.path)}: {name!r} cannot be read ({reason(error)}).") from error


def steps_of(shard: ShardFile) -> dict[str, int]:
    """Name -> the step that all instances of a shard have come to."""
    facts = shard.text("outcomes")
    try:
        return {name: int(one["reached"]) for name, one in facts.items()}
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise UnreadableFileError(f"{shown(shard.path)}: its outcomes cannot be read ({reason(error)}).") from error


def at_horizon(path: Path, steps: Mapping[str, int]) -> bool:
    """Whether a shard is there, can be read and has come to the horizon."""
    try:
        with ShardFile(path) as shard:
            return steps_of(shard) == steps
    except (OSError, UnreadableFileError):
        return False


def without_overlap(ranges: Iterable[Range]) -> list[Range]:
    """Of ranges that overlap, those that begin first and reach furthest; parts of the others may be needed still."""
    found: list[Range] = []
    for one in sorted(ranges, key=lambda r: (r.first, -r.last)):
        if not found or one.last > found[-1].last:
            found.append(one)
    return found


def swept(folder: Path) -> None:
    """Removes what killed writers of shards and checkpoints left half written."""
    for kind in (SHARDS, CHECKPOINTS):
        for name in {name[1:].rsplit(".", 2)[0] for name in os.listdir(folder / kind) if name.endswith(".part")}:
            sweep(folder / kind / name)


def pieces(ranges: Iterable[Range]) -> Iterator[tuple[Range, Range]]:
    """(range, the part of it that no earlier one covers): together they cover every instance once."""
    end = -1
    for one in without_overlap(ranges):
        yield one, Range(max(one.first, end + 1), one.last)
        end = one.last
