"""Sweep: the list of configurations that the grids of some parts make, and what they are called."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .grids import Grid
from .part import Part
from .words import stable

Path = tuple[str, ...]
"""A role and the names of the fields that lead from its part to a swept one: ``("optimizer", "base", "lr")``."""

RESERVED = frozenset(
    "configuration coordinate diverged_step event event_step horizon instance optimizer path quantile recorded_instance "
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


@dataclass(frozen=True, eq=False)
class Sweep:
    """All configurations of an experiment: ``parts[c]`` maps role to concrete part; C order over ``axes``.

    Configurations that have the same part in a role share one object.
    """

    axes: tuple[Axis, ...]
    parts: tuple[dict[str, Part], ...]

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
    names = dict(zip((path for path, _ in found), names_of([path for path, _ in found], reserved), strict=True))
    groups: dict[str, list[tuple[Path, Grid]]] = {}
    for path, g in found:
        groups.setdefault(g.group, []).append((path, g))
    axes = tuple(_axis({names[path]: (path, g) for path, g in members}) for members in groups.values())
    return Sweep(axes, _parts(roles, list(groups.values())))


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


def _parts(roles: Mapping[str, Part], groups: Sequence[Sequence[tuple[Path, Grid]]]) -> tuple[dict[str, Part], ...]:
    """Role -> part of every configuration: each part is made once for every combination of its own grids."""
    sizes = [len(members[0][1].values) for members in groups]
    columns: dict[str, list[Part]] = {}
    for role, part in roles.items():
        own = [k for k, members in enumerate(groups) if any(path[0] == role for path, _ in members)]
        made: dict[tuple[int, ...], Part] = {}
        for index in itertools.product(*(range(sizes[k]) for k in own)):
            chosen = {
                path: g.values[i] for k, i in zip(own, index, strict=True) for path, g in groups[k] if path[0] == role
            }
            made[index] = substituted(part, (role,), chosen)
        if len(own) == len(sizes):
            columns[role] = list(made.values())
        elif not own:
            columns[role] = [made[()]] * int(np.prod(sizes, dtype=np.int64))
        else:
            columns[role] = [made[tuple(i[k] for k in own)] for i in itertools.product(*map(range, sizes))]
    return tuple(dict(zip(columns, parts, strict=True)) for parts in zip(*columns.values(), strict=True))
