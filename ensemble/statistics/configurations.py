"""The parts that each group of a dataset had, from parts with the grids that the runs were given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from ..grids import Grid
from ..part import Part
from ..plain import is_real
from ..sweep import drawn_in, grids_of, substituted
from ..words import stable, told
from .lifetimes import Frame

Path = tuple[str, ...]


def configurations(data: Any, frame: Frame, **parts: Part) -> list[dict[str, Part]]:
    """Return role -> part without grids for each group of the dataset, from `parts` (role -> part) as the runs had them.

    A group's values are looked up by the dataset's coordinates, so that a selection of the runs takes the parts of all.

    ValueError: a field that every instance drew; a grid that the dataset has no dimension for or with other values, or one it has
    where a part has none.
    """
    dataset: xr.Dataset = data if isinstance(data, xr.Dataset) else data.dataset
    for role, part in parts.items():
        for path in (*(path for path, _ in drawn_in(part)), *_drawn(dataset, role)):
            raise ValueError(
                f"{role}={told(part)}; every instance drew its own {'.'.join(path)}, and has no part in common with others; "
                "give runs with one number there"
            )
    swept = _swept(dataset)
    given = {path: grid for role, part in parts.items() for path, grid in grids_of(part, (role,))}
    chosen: list[dict[Path, Any]] = [{} for _ in range(int(np.prod(frame.shape, dtype=int)))]
    for path, grid in given.items():
        column = _column(dataset, frame, path) if swept is None or path in swept else None
        if column is None:
            have = ", ".join(map(str, frame.dims)) or "a single configuration"
            raise ValueError(
                f"{path[0]}={told(parts[path[0]])}; the runs did not sweep its {'.'.join(path[1:])} (they have: {have}); "
                "give the value they had"
            )
        for group, value in zip(chosen, column, strict=True):
            group[path] = _member(grid, value, parts[path[0]], path)
    for path in (swept or set()) - set(given):
        role = path[0]
        column = _column(dataset, frame, path) if role in parts else None
        own = _at(parts[role], path[1:]) if role in parts else None
        if column is not None and not all(_same(own, value) for value in column):
            values = ", ".join(dict.fromkeys(f"{value}" for value in column))
            name = ".".join(path[1:])
            raise ValueError(
                f"{role}={told(parts[role])}; the runs swept its {name} over {values}; give it with that grid"
            )
    return [{role: substituted(part, (role,), group) for role, part in parts.items()} for group in chosen]


def alike(groups: list[dict[str, Part]]) -> list[tuple[dict[str, Part], list[int]]]:
    """Return each configuration of the parts once, with the numbers of the groups that have it."""
    found: dict[tuple[Part, ...], tuple[dict[str, Part], list[int]]] = {}
    for number, parts in enumerate(groups):
        found.setdefault(tuple(parts.values()), (parts, []))[1].append(number)
    return list(found.values())


def _swept(dataset: xr.Dataset) -> set[Path] | None:
    """Return the fields that the runs swept, or None where the dataset does not say."""
    if "settings" not in dataset.attrs:
        return None
    settings = json.loads(dataset.attrs["settings"]).values()
    return {tuple(name.split(".")) for setting in settings for name in setting["grids"]}


def _drawn(dataset: xr.Dataset, role: str) -> list[Path]:
    """Return the fields of a role that every instance of the runs drew; none where the dataset does not say."""
    settings = json.loads(dataset.attrs.get("settings", "{}")).values()
    return [path for setting in settings for path in _drawn_of(setting.get(role), ())]


def _drawn_of(described: Any, path: Path) -> Iterator[Path]:
    if isinstance(described, dict):
        if set(described) == {"drawn"}:
            yield path
        for name, value in described.items():
            yield from _drawn_of(value, (*path, name))


def _column(dataset: xr.Dataset, frame: Frame, path: Path) -> list[Any] | None:
    """Return the value of a swept field in every group, as coordinates have it; None where no coordinate is named so."""
    for name in ("_".join(path), f"{path[0]}_{path[-1]}", path[-1]):
        if name not in frame.coords:
            continue
        coordinate = frame.coords[name]
        values: list[Any] = coordinate.values.ravel().tolist()
        if f"{name}_vector" in dataset:
            rows = dataset[f"{name}_vector"].transpose(*coordinate.dims, ...).values
            values = list(map(tuple, rows.reshape(len(values), -1).tolist()))
        number = xr.DataArray(np.arange(len(values)).reshape(coordinate.shape), dims=coordinate.dims)
        whole = xr.DataArray(np.empty(frame.shape), dims=frame.dims)
        return [values[k] for k in number.broadcast_like(whole).transpose(*frame.dims).values.ravel()]
    return None


def _member(grid: Grid, value: Any, part: Part, path: Path) -> Any:
    for member in grid.values:
        if _same(member, value):
            return member
    name = ".".join(path[1:])
    raise ValueError(f"{path[0]}={told(part)}; the runs had {name}={value} as well; give it with their grid")


def _same(member: Any, value: Any) -> bool:
    """Whether a part's value is what a coordinate says: a number, a tuple for all coordinates, or words for the rest."""
    if isinstance(value, str):
        return stable(member) == value
    if isinstance(value, tuple) and isinstance(member, tuple):
        return member == value
    if isinstance(value, tuple):  # one number for all coordinates
        return is_real(member) and all(float(member) == v for v in value)
    return is_real(member) and float(member) == float(value)


def _at(part: Any, path: Path) -> Any:
    """Return what a part has in a field of a field ..., None where it has no such field."""
    for name in path:
        part = getattr(part, name, None)
    return part
