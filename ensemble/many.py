"""Many parts of one class at once: what differs between them field by field, in arrays, not one part after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .part import Part

Path = tuple[str, ...]
"""The names of the fields that lead from a part to a field of it, or of one that it holds."""
Column = NDArray[Any]
"""What each of many has: (count,) float64, or objects where they are no plain numbers."""


@dataclass(frozen=True, eq=False)
class Many:
    """``count`` parts of one class. ``part`` is the first of them; ``differing`` says what each has in the fields that differ.

    What is no number there (vectors, schedules) is one and the same object in all parts that have it.
    """

    part: Part
    count: int
    differing: Mapping[Path, Column]
    _inside: dict[str, Many] = field(default_factory=dict, init=False, repr=False)
    _derived: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
    _learned: dict[Any, Any] = field(default_factory=dict, repr=False)
    """What was found out of the methods that make tables, the same for some of them as for all."""

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Many:
        """The parts of a list."""
        return cls(parts[0], len(parts), dict(_differences(parts, ())))

    # ---- one of them

    def at(self, k: int) -> Part:
        """Part number k."""
        return _changed(self.part, {path: column[k] for path, column in self.differing.items()})

    def inside(self, name: str) -> Many:
        """Those that they hold in a field."""
        if name not in self._inside:
            own = {path[1:]: column for path, column in self.differing.items() if path[0] == name and len(path) > 1}
            self._inside[name] = Many(getattr(self.part, name), self.count, own, self._learned.setdefault(name, {}))
        return self._inside[name]

    def taken(self, which: NDArray[Any]) -> Many:
        """Those numbered ``which`` (count,)."""
        if not self.differing or not len(which):
            return Many(self.part, len(which), {}, self._learned)
        some = Many(self.part, len(which), {path: column[which] for path, column in self.differing.items()})
        return Many(some.at(0), some.count, some.differing, self._learned)

    def distinct(self) -> Iterator[Part]:
        """Each that differs from those before it, once."""
        columns = [column if column.dtype != object else [id(v) for v in column] for column in self.differing.values()]
        seen = set()
        for k, key in enumerate(zip(*columns, strict=True) if columns else [()]):
            if key not in seen:
                seen.add(key)
                yield self.at(k)

    # ---- the structs of kernels

    def packed(self, prefix: str = "", derived: bool = True) -> Iterator[tuple[str, str, Any]]:
        """(path, kind, values) of everything in their structs, in its order: one value where all have the same, else (count,).

        ``derived``: constants, too.
        """
        for f in fields(self.part):
            kind = f.metadata.get("kind")
            if kind == "inner":
                yield from self.inside(f.name).packed(f"{prefix}{f.name}.", derived)
            elif kind in ("number", "vector", "array"):
                yield prefix + f.name, kind, self.values(f.name)
        for name, values in self.constants().items() if derived else ():
            yield prefix + name, "number", values

    def vectors(self, prefix: str = "") -> Iterator[str]:
        """Paths of the vector fields that one of them gives coordinate by coordinate."""
        for f in fields(self.part):
            kind = f.metadata.get("kind")
            if kind == "inner":
                yield from self.inside(f.name).vectors(f"{prefix}{f.name}.")
            elif kind == "vector" and any(isinstance(value, tuple) for value in self.values(f.name)):
                yield prefix + f.name

    def values(self, name: str) -> Any:
        """What they have in a field: a list of one where it is the same."""
        found = self.differing.get((name,))
        return [getattr(self.part, name)] if found is None else found

    def constants(self) -> dict[str, Any]:
        """Name -> values of ``Part.constants``: a list of one where they are the same, else (count,); made once."""
        if not self._derived:
            self._derived.update(self._constants())
        return self._derived

    def _constants(self) -> dict[str, Any]:
        first = self.part.constants()
        relevant = self._beyond_scheduled()
        if not relevant or not first:
            return {name: [value] for name, value in first.items()}
        inverse: Any = slice(None)
        if len(relevant) == 1 and (column := next(iter(relevant.values()))).dtype != object:
            _, chosen, inverse = np.unique(column, return_index=True, return_inverse=True)
            relevant = {path: column[chosen] for path, column in relevant.items()}
        each = [part.constants() for part in _each(self.part, relevant)]
        return {name: np.array([one[name] for one in each], dtype=np.float64)[inverse] for name in first}

    def _beyond_scheduled(self) -> dict[Path, Column]:
        """What differs that is not in a scheduled field: neither constants nor tables of others depend on those."""
        return {path: column for path, column in self.differing.items() if self._depth_of_schedule(path) is None}

    def within_schedules(self) -> Many:
        """The same, but that only schedules and their numbers differ."""
        depths = {path: self._depth_of_schedule(path) for path in self.differing}
        kept = {
            path: column
            for path, column in self.differing.items()
            if (depth := depths[path]) is not None and (depth < len(path) - 1 or column.dtype == object)
        }
        return Many(self.part, self.count, kept)

    def _depth_of_schedule(self, path: Path) -> int | None:
        """How many names of a path come before that of a scheduled field; None where none is."""
        part: Any = self.part
        for depth, name in enumerate(path):
            if {f.name: f.metadata.get("kind") for f in fields(part)}[name] == "scheduled":
                return depth
            part = getattr(part, name)
        return None

    # ---- the tables of steps

    def scheduled_numbers(self, prefix: str = "") -> Iterator[tuple[str, NDArray[np.float64]]]:
        """(path, values) of every scheduled field that is a number in all of them: one value where all have the same."""
        for f in fields(self.part):
            kind = f.metadata.get("kind")
            if kind == "inner":
                yield from self.inside(f.name).scheduled_numbers(f"{prefix}{f.name}.")
            elif kind == "scheduled" and not self.mixed(f.name):
                values = self.values(f.name)
                if not isinstance(values[0], Part):
                    yield prefix + f.name, np.asarray(values, dtype=np.float64)

    def mixed(self, name: str) -> bool:
        """Whether what they have in a field is no plain number everywhere."""
        column = self.differing.get((name,))
        return column is not None and column.dtype == object

    def steady(self, prefix: str = "") -> Iterator[tuple[str, NDArray[np.float64]]]:
        """(path, values (count,)) of the columns that are the same at every step and differ between parts."""
        if type(self.part).columns is not Part.columns:
            return
        for f in fields(self.part):
            kind, column = f.metadata.get("kind"), self.differing.get((f.name,))
            if kind == "scheduled" and column is not None and column.dtype != object:
                yield prefix + f.name, column
            elif kind == "inner":
                yield from self.inside(f.name).steady(f"{prefix}{f.name}.")

    def columns(self, t: NDArray[np.float64], prefix: str = "") -> Iterator[tuple[str, NDArray[np.float64]]]:
        """(path, values (1 or count, steps)) of the tables of steps ``t`` (steps,), in the order of ``Part.columns``.

        Those that are the same at every step are there for the first part alone: :meth:`steady` has them.
        """
        kind = type(self.part)
        if kind.columns is not Part.columns:
            names = [name for name, _ in self.part.columns(t, prefix)]
            made = self._made("columns", lambda part, t: [values for _, values in part.columns(t)], self.differing, t)
            yield from zip(names, made, strict=True)
            return
        for f in fields(self.part):
            if f.metadata.get("kind") == "scheduled":
                yield prefix + f.name, self._of_field(f.name, t)
        if kind.tables is not Part.tables:
            if "read" not in self._learned:
                self._learned["read"] = _read_by(kind.tables, self.part, t)
            read = self._learned["read"]
            relevant = {path: c for path, c in self.differing.items() if read is None or path[0] in read}
            made = self._made("tables", lambda part, t: list(part.tables(t).values()), relevant, t)
            yield from zip((prefix + name for name in self.part.tables(t)), made, strict=True)
        for f in fields(self.part):
            if f.metadata.get("kind") == "inner":
                yield from self.inside(f.name).columns(t, f"{prefix}{f.name}.")

    def _of_field(self, name: str, t: NDArray[np.float64]) -> NDArray[np.float64]:
        column = self.differing.get((name,))
        if column is not None and column.dtype == object:  # several schedules, or numbers among them
            of = {id(value): k for k, value in enumerate(column)}
            found = np.empty((len(of), t.size))
            for place, k in enumerate(of.values()):
                found[place] = _of_one(_changed(self.part, {(name,): column[k]}), name, t)
            places = {key: place for place, key in enumerate(of)}
            return found[[places[id(value)] for value in column]]
        relevant = {path: c for path, c in self.differing.items() if path[0] == name and len(path) > 1}
        return self._made(f"field {name}", lambda part, t: [_of_one(part, name, t)], relevant, t)[0]

    def _made(
        self,
        what: str,
        make: Callable[[Any, NDArray[np.float64]], list[NDArray[np.float64]]],
        relevant: Mapping[Path, Column],
        t: NDArray[np.float64],
    ) -> list[NDArray[np.float64]]:
        """(1 or count, steps) of each table that ``make`` gives, of which the fields in ``relevant`` are all that matters.

        Asked for all parts at once, each number a column; where a method does not bear that, or the first time gives other bits than
        for one part, one by one.
        """
        if not relevant:
            return [np.asarray(one, dtype=np.float64)[None] for one in make(self.part, t)]
        if (
            self.count > 1
            and self._learned.get(what, True)
            and all(column.dtype != object for column in relevant.values())
        ):
            try:
                together = _changed(self.part, {path: column[:, None] for path, column in relevant.items()})
                found = [np.atleast_2d(np.asarray(one, dtype=np.float64)) for one in make(together, t[None, :])]
                sound = all(one.shape in ((1, t.size), (self.count, t.size)) for one in found)
            except Exception:  # of a method that was written for one part
                sound = False
            if sound and what not in self._learned:
                some = sorted({0, self.count // 2, self.count - 1})
                parts = _each(self.part, {path: column[some] for path, column in relevant.items()})
                sound = all(_has(found, k, make(part, t)) for k, part in zip(some, parts, strict=True))
            self._learned[what] = sound
            if sound:
                return found
        each = [make(part, t) for part in _each(self.part, relevant)]
        return [np.array(one, dtype=np.float64) for one in zip(*each, strict=True)]


def _has(found: list[NDArray[np.float64]], k: int, alone: list[NDArray[np.float64]]) -> bool:
    """Whether tables made together have the bits of those of part number k."""
    return len(found) == len(alone) and all(
        one[min(k, len(one) - 1)].tobytes() == np.asarray(other, dtype=np.float64).tobytes()
        for one, other in zip(found, alone, strict=True)
    )


def _of_one(part: Part, name: str, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """The column of a scheduled field."""
    return next(values for path, values in Part.columns(part, t) if path == name)


def _read_by(method: Callable[..., Any], part: Part, t: NDArray[np.float64]) -> frozenset[str] | None:
    """The fields that a method of a part asks for; None where it asks for more than fields."""
    names = {f.name for f in fields(part)}
    seen: set[str] = set()

    class Asked:
        def __getattr__(self, name: str) -> Any:
            seen.add(name)
            return getattr(part, name)

    try:
        method(Asked(), t)
    except Exception:
        return None
    return frozenset(seen) if seen <= names else None


def _changed(part: Part, changes: Mapping[Path, Any]) -> Part:
    """The part with other values, which were checked, in the fields that paths lead to."""
    if not changes:
        return part
    made: Part = object.__new__(type(part))
    own = {f.name: part.__dict__[f.name] for f in fields(part)}
    deeper: dict[str, dict[Path, Any]] = {}
    for path, value in changes.items():
        if len(path) == 1:
            own[path[0]] = value
        else:
            deeper.setdefault(path[0], {})[path[1:]] = value
    for name, inside in deeper.items():
        own[name] = _changed(own[name], inside)
    made.__dict__.update(own)
    return made


def _each(part: Part, changes: Mapping[Path, Column]) -> Iterator[Part]:
    """A part for every row of the columns."""
    kind, base = type(part), {f.name: part.__dict__[f.name] for f in fields(part)}
    columns: dict[str, Iterable[Any]] = {path[0]: column.tolist() for path, column in changes.items() if len(path) == 1}
    for name in {path[0] for path in changes if len(path) > 1}:
        columns[name] = _each(base[name], {path[1:]: column for path, column in changes.items() if path[0] == name})
    names = list(columns)
    for row in zip(*columns.values(), strict=True):
        made: Part = object.__new__(kind)
        made.__dict__.update(base)
        made.__dict__.update(zip(names, row, strict=True))
        yield made


def as_column(values: Iterable[Any]) -> Column:
    """Plain numbers as float64, anything else as objects."""
    given = list(values)
    if all(type(v) is float for v in given):
        return np.array(given, dtype=np.float64)
    found = np.empty(len(given), dtype=object)
    for k, value in enumerate(given):
        found[k] = value
    return found


def _content(value: Any) -> Any:
    """What a value is equal to others by."""
    if isinstance(value, np.ndarray):
        return value.shape, value.tobytes()
    return type(value), value


def _differences(parts: Sequence[Part], path: Path) -> Iterator[tuple[Path, Column]]:
    for f in fields(parts[0]):
        values = [getattr(part, f.name) for part in parts]
        if all(v is values[0] for v in values):
            continue
        known: dict[Any, Any] = {}  # equal ones become one object
        if all(type(v) is float for v in values):
            column = as_column(values)
            if not (column == column[0]).all():
                yield (*path, f.name), column
            continue
        values = [known.setdefault(_content(v), v) for v in values]
        if len(known) == 1:
            continue
        if len({type(v) for v in values}) == 1 and isinstance(values[0], Part):
            yield from _differences(values, (*path, f.name))
        else:
            yield (*path, f.name), as_column(values)
