"""Sweep: the list of configurations that the grids of some parts make, what they are called, and what every instance draws."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from .arithmetic.random import CONFIGURATION_STRIDE, Stream, fine_uniforms
from .grids import Drawn, Grid
from .many import Column, Many, as_column
from .part import Constant, Part, Schedule
from .words import stable

Path = tuple[str, ...]
"""A role and the names of the fields that lead from its part to a swept one: ``("optimizer", "base", "lr")``."""

RESERVED = frozenset(
    "configuration coordinate diverged_step event event_step horizon instance layer optimizer path quantile recorded_instance "
    "samples_seen status step x".split()
)
"""Names that a result's own variables and dimensions have; a swept field called so is named ``role_field``."""


@dataclass(frozen=True, eq=False)
class Axis:
    """One dimension of a sweep.

    ``coordinates`` maps a coordinate's name to its values (length of the axis); ``vectors`` those that are vectors. ``paths`` says
    which field each is.
    """

    name: str
    size: int
    coordinates: dict[str, tuple[Any, ...]]
    vectors: dict[str, NDArray[np.float64]]
    paths: dict[str, Path]


class Configurations(Sequence[Mapping[str, Part]]):
    """All configurations of an experiment, each a mapping from role to part; made when they are asked for.

    C order over the groups of grids. Configurations that have the same part in a role share one object.
    """

    def __init__(self, roles: Mapping[str, Part], groups: Sequence[Sequence[tuple[Path, Grid]]]) -> None:
        self._roles, self._groups = dict(roles), [list(members) for members in groups]
        self._sizes = [len(members[0][1].values) for members in groups]
        self._count = int(np.prod(self._sizes, dtype=np.int64))
        self._own = {
            role: [k for k, members in enumerate(groups) if any(path[0] == role for path, _ in members)]
            for role in roles
        }
        self._made: dict[tuple[str, tuple[int, ...]], Part] = {}
        self._many: dict[str, Many] = {}
        self.drawn: dict[str, Any] = {}
        """Role -> what was drawn last, and by whom (``backends/program.py``)."""
        for role, part in roles.items():
            if self._own[role] and any(_checks(p) for p in _holders(part)):
                for index in np.ndindex(*(self._sizes[k] for k in self._own[role])):
                    self._part(role, tuple(index))

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, c: int) -> dict[str, Part]: ...
    @overload
    def __getitem__(self, c: slice) -> list[dict[str, Part]]: ...
    def __getitem__(self, c: Any) -> Any:
        if isinstance(c, slice):
            return [self[k] for k in range(*c.indices(self._count))]
        if not -self._count <= c < self._count:
            raise IndexError(c)
        index = [int(i) for i in np.unravel_index(c % self._count, self._sizes)] if self._sizes else []
        return {role: self._part(role, tuple(index[k] for k in own)) for role, own in self._own.items()}

    def _part(self, role: str, index: tuple[int, ...]) -> Part:
        if (role, index) not in self._made:
            chosen = {
                path: g.values[i]
                for k, i in zip(self._own[role], index, strict=True)
                for path, g in self._groups[k]
                if path[0] == role
            }
            self._made[role, index] = substituted(self._roles[role], (role,), chosen)
        return self._made[role, index]

    def many(self, role: str) -> Many:
        """The parts of a role, one for each configuration; what they draw is still to be drawn."""
        if role not in self._many and self._own[role] and _derives(self[0][role]):
            self._many[role] = Many.of([self[c][role] for c in range(self._count)])
        if role not in self._many:
            differing: dict[Path, Column] = {}
            for k in self._own[role]:
                place = np.arange(self._count) // int(np.prod(self._sizes[k + 1 :], dtype=np.int64)) % self._sizes[k]
                for path, g in self._groups[k]:
                    if path[0] == role:
                        inside, values = path[1:], g.values
                        holder = _at(self[0][role], inside[:-1])
                        if isinstance(holder, Schedule) and isinstance(getattr(holder, inside[-1]), Part):
                            values = tuple(v if isinstance(v, Part) else Constant(v) for v in values)  # each a schedule
                        column = as_column(values)
                        differing[inside] = column[place]
            self._many[role] = Many(self[0][role], self._count, differing)
        return self._many[role]


def _at(part: Any, path: Path) -> Any:
    """What a part has in a field of a field ..."""
    for name in path:
        part = getattr(part, name)
    return part


def _holders(part: Part) -> Iterator[Part]:
    """The part and all that it holds, schedules too."""
    yield part
    for f in dataclasses.fields(part):
        value = getattr(part, f.name)
        for inside in value.values if isinstance(value, Grid) else (value,):
            if isinstance(inside, Part):
                yield from _holders(inside)


def _checks(part: Part) -> bool:
    """Whether a part relates several fields, so that each configuration's has to be made to be checked."""
    kind = type(part)
    return kind.validate is not Part.validate or kind.__post_init__ is not Part.__post_init__


def _derives(part: Part) -> bool:
    """Whether it makes arrays of its own of its fields, as of a seed: they differ where nothing says so."""
    return any(
        f.metadata.get("kind") == "array" and not f.init for held in _holders(part) for f in dataclasses.fields(held)
    )


@dataclass(frozen=True, eq=False)
class Sweep:
    """All configurations of an experiment: ``parts[c]`` maps role to part; C order over ``axes``.

    ``drawn``: names of the fields that every instance draws a number for, in the order of the roles and of their fields, and which
    field each is.
    """

    axes: tuple[Axis, ...]
    parts: Configurations
    drawn: dict[str, Path]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(axis.size for axis in self.axes)


def grids_of(part: Part, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Grid]]:
    """Every grid in a part and in the parts it holds, with the names of the fields that lead to it from `path` on."""
    for f in dataclasses.fields(part):
        value = getattr(part, f.name)
        if isinstance(value, Grid):
            yield (*path, f.name), value
        elif isinstance(value, Part):
            yield from grids_of(value, (*path, f.name))


def substituted(part: Part, path: Path, chosen: Mapping[Path, Any]) -> Part:
    """The part with other values, of those that its grids hold, in the fields that `chosen` names by the names that lead to them
    from `path` on.
    """
    changes: dict[str, Any] = {}
    for f in dataclasses.fields(part):
        here, value = (*path, f.name), getattr(part, f.name)
        if here in chosen:
            changes[f.name] = chosen[here]
        elif isinstance(value, Part):
            inside = substituted(value, here, chosen)
            if inside is not value:
                changes[f.name] = inside
    return part.with_checked(changes) if changes else part


def names_of(paths: Sequence[Path], reserved: Collection[str]) -> list[str]:
    """A name for each swept field: its own, with the role where another has the same, the whole path where that is not enough."""
    made: list[str] = []
    for path in paths:
        alike = [other for other in paths if other[-1] == path[-1]]
        if len(alike) == 1 and path[-1] not in reserved:
            name = path[-1]
        elif sum(other[0] == path[0] for other in alike) == 1:
            name = f"{path[0]}_{path[-1]}"
        else:
            name = "_".join(path)
        while name in made or name in reserved:
            name += "_"
        made.append(name)
    return made


def sweep(roles: Mapping[str, Part], reserved: Collection[str] = RESERVED) -> Sweep:
    """The configurations that the grids in ``roles`` (role -> part) span; no dimension has a ``reserved`` name."""
    found = [item for role, part in roles.items() for item in grids_of(part, (role,))]
    found.sort(key=lambda item: item[1].order)
    random = [path for role, part in roles.items() for path, _ in drawn_in(part, (role,))]
    paths = [*(path for path, _ in found), *random]
    names = dict(zip(paths, names_of(paths, reserved), strict=True))
    groups: dict[str, list[tuple[Path, Grid]]] = {}
    for path, g in found:
        groups.setdefault(g.group, []).append((path, g))
    axes = tuple(_axis({names[path]: (path, g) for path, g in members}) for members in groups.values())
    return Sweep(axes, Configurations(roles, list(groups.values())), {names[path]: path for path in random})


def _axis(members: Mapping[str, tuple[Path, Grid]]) -> Axis:
    coordinates: dict[str, tuple[Any, ...]] = {}
    vectors: dict[str, NDArray[np.float64]] = {}
    for name, (_, g) in members.items():
        if all(isinstance(v, (int, float)) for v in g.values):
            coordinates[name] = g.values
        elif any(isinstance(v, tuple) for v in g.values):
            length = max(len(v) for v in g.values if isinstance(v, tuple))
            vectors[name] = np.array([np.broadcast_to(v, (length,)) for v in g.values], dtype=np.float64)
            coordinates[name] = tuple(range(len(g.values)))
        else:
            coordinates[name] = tuple(map(stable, g.values))
    size = len(next(iter(members.values()))[1].values)
    return Axis("_".join(members), size, coordinates, vectors, {name: path for name, (path, _) in members.items()})


# ---- numbers that every instance draws


DRAWN_AT_ONCE = 1 << 14
"""Numbers drawn together: what they are made of stays small."""


def drawn_in(part: Part, path: Path = ()) -> Iterator[tuple[Path, Drawn]]:
    """Every field of a part and of those it holds that instances draw, with the names that lead to it from `path` on."""
    for f in dataclasses.fields(part):
        value = getattr(part, f.name)
        if isinstance(value, Drawn):
            yield (*path, f.name), value
        elif isinstance(value, Grid):
            for inside in value.values:
                if isinstance(inside, Part) and any(True for _ in drawn_in(inside)):
                    raise ValueError(
                        f"{type(part).__name__}({f.name}={value!r}): a schedule in a grid cannot have drawn numbers; run them side "
                        f"by side with ensemble.compare."
                    )
        elif isinstance(value, Part):
            yield from drawn_in(value, (*path, f.name))


def settled(part: Part) -> Part:
    """The part with the typical number of each law in place of what instances draw."""
    typical = {path: value.law.typical() for path, value in drawn_in(part)}
    return substituted(part, (), typical) if typical else part


def _called(role: str, part: Part, path: Path) -> str:
    """Whose a field is: the same for a rule whatever wraps it, and for a wrapper whatever it wraps."""
    if role != "optimizer":
        return f"{role}..{'.'.join(path)}"
    owners: list[type] = [type(part)]
    names = list(path)
    while len(names) > 1 and (inside := getattr(part, names[0])) and not isinstance(inside, Schedule):
        part = inside
        owners.append(type(part))
        names.pop(0)
    wraps = any(f.metadata.get("kind") == "inner" for f in dataclasses.fields(part))
    number = sum(owner is owners[-1] for owner in owners[:-1])
    whose = f"{owners[-1].__name__}{number + 1 if number else ''}" if wraps else ""
    return f"{role}.{whose}.{'.'.join(names)}"


def draws(
    role: str, part: Part, ids: NDArray[Any], configurations: NDArray[Any] | None, keys: NDArray[np.uint32]
) -> dict[Path, NDArray[np.float64]]:
    """What instances ``ids`` (rows,) draw for the fields of a part: names that lead there -> numbers (rows,).

    ``configurations`` (rows,): whose they are, where configurations draw for themselves; else None.
    """
    found = {}
    for path, value in drawn_in(part):
        block, numbers = zlib.crc32(_called(role, part, path).encode()), np.empty(len(ids))
        for a in range(0, len(ids), DRAWN_AT_ONCE):
            here = slice(a, a + DRAWN_AT_ONCE)
            stream = np.full(1, Stream.DRAWN, dtype=np.uint64)
            if configurations is not None:
                stream = configurations[here].astype(np.uint64) * np.uint64(CONFIGURATION_STRIDE) + stream
            numbers[here] = value.law.quantile(fine_uniforms(block, ids[here].astype(np.uint64), stream, keys))
        found[path] = numbers
    return found


def with_draws(many: Many, drawn: Mapping[Path, NDArray[np.float64]]) -> Many:
    """``many`` with what each draws; of classes that relate several fields each is made once, to be checked."""
    if not drawn:
        return many
    base, differing = settled(many.part), {**many.differing, **drawn}
    if any(_checks(part) for part in _holders(base)):
        rows = zip(*(column.tolist() for column in differing.values()), strict=True)
        made = (substituted(base, (), dict(zip(differing, row, strict=True))) for row in rows)
        if _derives(base):
            return Many.of(list(made))
        for _ in made:
            pass
    return Many(Many(base, many.count, differing).at(0), many.count, differing)
