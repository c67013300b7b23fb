"""What tells the configurations of several optimizers apart: a column for every field that one of them sweeps.

A field is the same for two optimizers where it has the same place: it belongs to the rule inside all wrappers, or to the same wrapper.
The ``lr`` of ``Adam`` is that of ``WeightDecay(Adam(lr=0.1), lr=1.0)`` that is 0.1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..part import Part
from ..run.experiment import Experiment
from ..sweep import Axis, Path
from ..words import stable

OPTIMIZER = "optimizer"


class Place(NamedTuple):
    """Where a field is: whose, and the names that lead to it from there.

    ``owner`` is a role; or of an optimizer the class of a wrapper, None for the rule inside all of them. ``number``: which of several.
    """

    owner: str | type | None
    number: int
    names: Path

    def words(self) -> str:
        """Whose it is, as part of a name."""
        whose = OPTIMIZER if self.owner is None else self.owner if isinstance(self.owner, str) else self.owner.__name__
        return whose if not self.number else f"{whose}{self.number + 1}"


def place_of(setting: Experiment, path: Path) -> Place:
    role, names = path[0], path[1:]
    if role != OPTIMIZER:
        return Place(role, 0, names)
    owners = _owners(setting.optimizer)
    key = max((k for k, (to, _) in owners.items() if names[: len(to)] == to), key=lambda k: len(owners[k][0]))
    return Place(*key, names[len(owners[key][0]) :])


def value_at(setting: Experiment, place: Place) -> Any:
    """What a setting has in a place; None where it has no such place, or a grid there."""
    found: Any
    if isinstance(place.owner, str):
        found = getattr(setting, place.owner)
    else:
        _, found = _owners(setting.optimizer).get((place.owner, place.number), ((), None))
    for name in place.names:
        found = getattr(found, name, None)
    return found


def _owners(optimizer: Part) -> dict[tuple[type | None, int], tuple[Path, Part]]:
    """(class of a wrapper or None, number) -> names that lead to it, and the part."""
    found: dict[tuple[type | None, int], tuple[Path, Part]] = {}
    for names, part in _nested(optimizer, ()):
        wraps = any(f.metadata.get("kind") == "inner" for f in dataclasses.fields(part))
        kind = type(part) if wraps else None
        found[kind, sum(k == kind for k, _ in found)] = names, part
    return found


def _nested(part: Part, names: Path) -> Iterator[tuple[Path, Part]]:
    yield names, part
    for f in dataclasses.fields(part):
        if f.metadata.get("kind") == "inner":
            yield from _nested(getattr(part, f.name), (*names, f.name))


def named(places: list[Place], reserved: frozenset[str]) -> dict[Place, str]:
    """A name for each: the field's own, with the owner's where another has the same."""
    made: dict[Place, str] = {}
    for place in places:
        last = place.names[-1]
        alike = [other for other in places if other.names[-1] == last]
        if len(alike) == 1 and last not in reserved:
            name = last
        elif sum(other[:2] == place[:2] for other in alike) == 1:
            name = f"{place.words()}_{last}"
        else:
            name = "_".join((place.words(), *place.names))
        while name in made.values() or name in reserved:
            name += "_"
        made[place] = name
    return made


def columns(settings: Mapping[str, Experiment]) -> tuple[dict[str, list[Any]], dict[str, NDArray[np.float64]]]:
    """Name -> values over all configurations of all optimizers, and the same of vectors (configurations, coordinates).

    Every optimizer has a value in the columns of the fields it has, swept or not; NaN, or no word, where it has no such field.
    """
    axes = {name: [(axis, _places(s, axis)) for axis in s.sweep().axes] for name, s in settings.items()}
    swept = [place for of_one in axes.values() for _, places in of_one for place in places.values()]
    reserved = next(iter(settings.values())).reserved
    names = named(list(dict.fromkeys(swept)), reserved)
    total = sum(len(s.sweep().parts) for s in settings.values())
    found: dict[str, list[Any]] = {name: [np.nan] * total for name in names.values()}
    vectors: dict[str, NDArray[np.float64]] = {}
    for of_one in axes.values():
        for axis, places in of_one:
            for field, rows in axis.vectors.items():
                vectors.setdefault(names[places[field]], np.full((total, rows.shape[1]), np.nan))
    at = 0
    for setting_name, setting in settings.items():
        shape = setting.sweep().shape
        count = len(setting.sweep().parts)
        index = np.indices(shape).reshape(len(shape), count)
        here = slice(at, at + count)
        for place, name in names.items():
            _fill_fixed(found, vectors, name, here, count, value_at(setting, place))
        for k, (axis, places) in enumerate(axes[setting_name]):
            for field, values in axis.coordinates.items():
                found[names[places[field]]][here] = [values[i] for i in index[k].tolist()]
            for field, rows in axis.vectors.items():
                vectors[names[places[field]]][here] = rows[index[k]]
        at += count
    return {name: _one_type(column) for name, column in found.items()}, vectors


def _places(setting: Experiment, axis: Axis) -> dict[str, Place]:
    return {field: place_of(setting, path) for field, path in axis.paths.items()}


def _fill_fixed(
    found: dict[str, list[Any]], vectors: dict[str, NDArray[Any]], name: str, here: slice, count: int, value: Any
) -> None:
    """What is swept for one optimizer may be fixed for another."""
    if name in vectors:
        if isinstance(value, (int, float, tuple)):
            vectors[name][here] = value
    elif isinstance(value, (int, float)):
        found[name][here] = [value] * count
    elif isinstance(value, Part):  # a schedule
        found[name][here] = [stable(value)] * count


def _one_type(column: list[Any]) -> list[Any]:
    """Numbers, or words where there are any."""
    if any(isinstance(v, str) for v in column):
        return [v if isinstance(v, str) else "" if v != v else str(v) for v in column]
    return column
