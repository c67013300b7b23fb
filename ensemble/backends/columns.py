"""Many configurations of a part at once: what differs between them field by field, not one after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..part import Part, nested


def distinct(parts: Sequence[Part]) -> tuple[list[Part], NDArray[np.intp]]:
    """Each object once, in order, and which of them every configuration has (configurations,)."""
    places: dict[int, int] = {}
    found: list[Part] = []
    index = np.empty(len(parts), dtype=np.intp)
    for c, part in enumerate(parts):
        place = places.setdefault(id(part), len(found))
        if place == len(found):
            found.append(part)
        index[c] = place
    return found, index


def _same(values: Sequence[Any]) -> bool:
    first = values[0]
    return all(v is first or (not isinstance(v, np.ndarray) and type(v) is type(first) and v == first) for v in values)


def packed_columns(parts: Sequence[Part], prefix: str = "") -> Iterator[tuple[str, str, list[Any]]]:
    """(path, kind, values) of everything in the structs of ``parts``, in its order: one value where all have the same."""
    alike = True
    for f in fields(parts[0]):
        kind = f.metadata.get("kind")
        values = [getattr(part, f.name) for part in parts]
        if kind == "inner":
            yield from packed_columns(values, f"{prefix}{f.name}.")
            alike = alike and _same(values)
        elif kind in ("number", "vector", "array"):
            same = _same(values)
            alike = alike and same
            yield prefix + f.name, kind, values[:1] if same else values
    constants = [part.constants() for part in (parts[:1] if alike else parts)]
    for name in constants[0]:
        yield prefix + name, "number", [c[name] for c in constants]


def scheduled_numbers(parts: Sequence[Part], prefix: str = "") -> Iterator[tuple[str, NDArray[np.float64]]]:
    """(path, values (parts,)) of every scheduled field that is a number in all of ``parts``."""
    for f in fields(parts[0]):
        kind = f.metadata.get("kind")
        if kind in ("scheduled", "inner"):
            values = [getattr(part, f.name) for part in parts]
            if kind == "inner":
                yield from scheduled_numbers(values, f"{prefix}{f.name}.")
            elif not any(isinstance(v, Part) for v in values):
                yield prefix + f.name, np.array(values, dtype=np.float64)


def _others(parts: Sequence[Part]) -> Iterator[list[Any]]:
    """Values of the fields that differ between ``parts``, but for scheduled numbers."""
    for f in fields(parts[0]):
        values = [getattr(part, f.name) for part in parts]
        numbers = f.metadata.get("kind") == "scheduled" and not any(isinstance(v, Part) for v in values)
        if numbers or _same(values):
            continue
        if f.metadata.get("kind") == "inner":
            yield from _others(values)
        else:
            yield [id(v) if isinstance(v, np.ndarray) else v for v in values]


@dataclass(frozen=True)
class Tabled:
    """The per-step tables of one role: made once for each group of configurations that differ in scheduled numbers alone.

    ``makers`` stand for their groups; ``group`` (configurations,) says which. ``numbers`` are columns that are the same at every step,
    path -> (configurations,), where these differ.
    """

    makers: list[Part]
    group: NDArray[np.intp]
    numbers: dict[str, NDArray[np.float64]]

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Tabled:
        found, index = distinct(parts)
        if len(found) == 1 or any(type(part).columns is not Part.columns for part in nested(found[0])):
            return cls(found, index, {})
        numbers = {path: values[index] for path, values in scheduled_numbers(found) if (values != values[0]).any()}
        columns = list(_others(found))
        places: dict[Any, int] = {}
        makers: list[Part] = []
        group = np.zeros(len(found), dtype=np.intp)
        for k, key in enumerate(zip(*columns, strict=True) if columns else [()] * len(found)):
            place = places.setdefault(key, len(makers))
            if place == len(makers):
                makers.append(found[k])
            group[k] = place
        return cls(makers, group[index], numbers)

    def columns(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """(makers or 1, steps, columns): 1 where all are the same."""
        made = [
            np.stack(columns, axis=1) if columns else np.zeros((t.size, 0)) for columns in map(_made(t), self.makers)
        ]
        if all(np.array_equal(made[0], one) for one in made[1:]):
            made = made[:1]
        return np.stack(made)


def _made(t: NDArray[np.float64]) -> Any:
    return lambda part: [values for _, values in part.columns(t)]
