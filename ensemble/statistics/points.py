"""Points on landscapes as the statistics of minima and saddles read them: where instances are, and what to look with.

Nothing here knows a backend: a field says values, gradients and Hessian-vector products at a batch of points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arithmetic.random import Random, Stream, round_keys
from ..plain import array_of_numbers, is_flag, is_number
from ..run.field import Field, field_of
from ..words import told
from .lifetimes import INSTANCE, BoolArray, FloatArray, Frame, check_seed

HELD = 1 << 27
"""Bytes of work arrays held at once."""
DENSE_DIM = 512
"""Coordinates up to which a whole Hessian is made."""


@dataclass(frozen=True)
class Points:
    """Where the instances of every configuration are: `x` (groups, instances, dim) in float64, `fields` one a group.

    NaN in x where an instance diverged; statistics are NaN there.
    """

    frame: Frame
    instances: Any
    x: FloatArray
    fields: tuple[Field, ...]

    @property
    def found(self) -> BoolArray:
        """Which instances are somewhere (groups, instances)."""
        return np.asarray(np.isfinite(self.x).all(axis=2))

    def each(self, look: Callable[[Field, FloatArray], dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
        """What `look(field, x (points, dim))` finds, each (groups, instances, ...); NaN, False or -1 where x is not finite.

        Configurations with one landscape are looked at together. ValueError: x is finite nowhere.
        """
        shape, found = self.x.shape[:2], self.found
        if not found.any():
            raise ValueError("every instance diverged: there is nowhere to look; give a run with a smaller lr")
        members: dict[Field, list[int]] = {}
        for group, field in enumerate(self.fields):
            members.setdefault(field, []).append(group)
        whole: dict[str, NDArray[Any]] = {}
        for field, groups in members.items():
            here = found[groups]
            if not here.any():
                continue
            for name, values in look(field, self.x[groups][here]).items():
                if name not in whole:
                    nothing = {"f": np.nan, "b": False}.get(values.dtype.kind, -1)
                    whole[name] = np.full((*shape, *values.shape[1:]), nothing, dtype=values.dtype)
                filled = whole[name][groups]
                filled[here] = values
                whole[name][groups] = filled
        return whole

    def dataset(
        self, variables: Mapping[str, tuple[NDArray[Any], str, str, tuple[str, ...]]], **attrs: Any
    ) -> xr.Dataset:
        """Name -> (values (groups, instances, ...), long name, units, further dimensions), as a dataset."""
        made = {
            name: self.frame.variable(values, long_name, units, INSTANCE, *extra)
            for name, (values, long_name, units, extra) in variables.items()
        }
        return self.frame.dataset(made, {INSTANCE: self.instances}, attrs)


def points_of(data: Any, dtype: str = "float64") -> Points:
    """Read the final points out of a result, or out of anything with `.dataset` and `.fields(dtype)` such as `quench`'s.

    ValueError: there is no dataset or no landscape to look at, or the run kept no x.
    """
    dataset = getattr(data, "dataset", None)
    if not isinstance(dataset, xr.Dataset) or not callable(getattr(data, "fields", None)):
        raise ValueError(
            f"data={told(data)} ({type(data).__name__}); give a result of simulate, compare or load, or what quench() returned: "
            f"a dataset alone does not know its landscape"
        )
    if "x" not in dataset:
        raise ValueError("the dataset lacks x; give a run with keep_x=True")
    x = dataset["x"].transpose(..., INSTANCE, "coordinate")
    dims = x.dims[:-2]
    if 0 in x.shape:
        raise ValueError(f"x has sizes {dict(x.sizes)}; give at least one instance")
    coords = {name: c for name, c in dataset.coords.items() if set(c.dims) <= set(dims)}
    frame = Frame(dims, x.shape[:-2], coords)
    values = x.values.astype(np.float64).reshape(-1, *x.shape[-2:])
    fields = data.fields(dtype)
    if len(fields) != len(values):
        raise ValueError(
            f"{len(fields)} landscapes belong to {len(values)} configurations; give the result as it was made"
        )
    return Points(frame, dataset[INSTANCE], values, tuple(fields))


def placed(landscape: Any, x: Any) -> tuple[Field, FloatArray]:
    """Return the field of a landscape (or of a result's `fields()`) and points x (points, dim) in float64.

    ValueError: no landscape, or points of another shape or not finite.
    """
    field = field_of(landscape)
    points = array_of_numbers(x)
    if points is None:
        raise ValueError(f"x={told(x)}; give points (points, {field.dim}) of the landscape, in numbers")
    if points.ndim != 2 or points.shape[1] != field.dim or not len(points):
        raise ValueError(f"x of shape {points.shape}; give points (points, {field.dim}) of the landscape")
    points = points.astype(np.float64)
    if not np.isfinite(points).all():
        raise ValueError(f"x has {int((~np.isfinite(points)).any(axis=1).sum())} points not finite; leave them out")
    return field, points


def check_flag(name: str, value: object) -> None:
    """Refuse what is not True or False, by its name."""
    if not is_flag(value):
        raise ValueError(f"{name}={told(value)}; give True or False")


def check_number(name: str, value: object, low: float, high: float, wanted: str) -> None:
    """Refuse what is no number strictly between two, by its name and with what is wanted."""
    if not is_number(value) or not low < float(value) < high:  # type: ignore[arg-type]
        raise ValueError(f"{name}={told(value)}; give {wanted}")


def chunks(count: int, bytes_each: int) -> Iterator[slice]:
    """Cut `count` points into slices whose work arrays take at most `HELD` bytes, or one point each."""
    size = max(1, HELD // max(1, bytes_each))
    for first in range(0, count, size):
        yield slice(first, min(first + size, count))


class Probes:
    """Random vectors (points, dim) for points numbered from `first` on: the same however points are cut into chunks."""

    def __init__(self, seed: int, first: int, count: int, dim: int) -> None:
        check_seed(seed)
        self._random = Random(
            round_keys(seed),
            np.arange(first, first + count, dtype=np.uint64)[:, None],
            np.uint64(0),
            0,
            dim,
            np.float64,
        )

    def normal(self, number: int) -> FloatArray:
        """Independent standard normals: the probe of that number."""
        self._random.step = number
        return self._random.normals(Stream.PROBE)

    def sign(self, number: int) -> FloatArray:
        """Independent +1 and -1 (Rademacher)."""
        self._random.step = number
        return np.where(self._random.words(Stream.PROBE) >> 31, 1.0, -1.0)

    def uniform(self, number: int) -> FloatArray:
        """Independent uniforms on (-1, 1)."""
        self._random.step = number
        return 2.0 * self._random.uniforms(Stream.PROBE) - 1.0
