"""grid and zipped: values that fields of parts take in turn; and what stands in a field whose number every instance draws."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import numpy as np

from .words import told

_written = itertools.count()
SAID = 12
"""Values of a grid that its ``repr`` says, at most."""


MANY = 64
"""Numbers of a grid whose text is made once, wherever it is asked for."""


class Listed(list[float]):
    """Finite numbers, with their text in JSON."""

    def __init__(self, values: Iterable[float]) -> None:
        super().__init__(values)
        pieces = (", ".join(map(repr, self[k : k + 1024])) for k in range(0, len(self), 1024))
        self.text = f"[{', '.join(pieces)}]"


def moment() -> int:
    """When a grid is written: after all that were written before."""
    return next(_written)


class Varied:
    """What stands in a field that is not one value: checks that relate several fields wait until each has its own."""


class Drawn(Varied):
    """A number drawn for each instance from ``law``; made by :func:`~ensemble.drawn`. It never changes."""

    def __init__(self, law: Any) -> None:
        self.law = law

    def __repr__(self) -> str:
        return f"drawn({self.law!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Drawn) and self.law == other.law

    def __hash__(self) -> int:
        return hash((Drawn, self.law))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class Grid(Varied):
    """Values that a field takes in turn; made by :func:`grid` or :func:`zipped`. It never changes.

    ``group``: fields whose grids have the same one are swept together. It is a word that no other grid has, so that copies, and
    those that another process was sent, still belong together. ``order`` is the moment of writing: dimensions of a result follow
    it.
    """

    def __init__(self, values: Iterable[Any], group: str | None = None, order: int | None = None) -> None:
        self.values = tuple(v if type(v) is float else _hashable(v) for v in values)
        self.group = uuid.uuid4().hex if group is None else group
        self.order = moment() if order is None else order
        self._listed: Listed | None = None

    def each(self, check: Callable[[Any], Any]) -> Grid:
        """The grid of what ``check`` makes of every value, swept together with this one."""
        return Grid((check(v) for v in self.values), self.group, self.order)

    def listed(self) -> Listed | None:
        """The values as a list with its text, where they are many plain numbers."""
        if self._listed is None and len(self.values) >= MANY and all(type(v) is float for v in self.values):
            self._listed = Listed(self.values)
        return self._listed

    def __repr__(self) -> str:
        if len(self.values) <= SAID:
            return f"grid({', '.join(map(repr, self.values))})"
        some = ", ".join(map(repr, self.values[:3]))
        return f"grid({some}, ..., {self.values[-1]!r}: {len(self.values):,} values)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grid) and self.values == other.values

    def __hash__(self) -> int:
        return hash(self.values)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def _hashable(value: Any) -> Any:
    """Lists and arrays as tuples, NumPy's numbers as Python's."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    return tuple(_hashable(v) for v in value) if isinstance(value, (list, tuple)) else value


def grid(*values: Any) -> Any:
    """Sweep a field over values: ``Adam(lr=grid(1e-3, 1e-2))``.

    Several grids make the product of their values; each becomes a dimension of the result, named after its field, in the
    order written. One argument that is itself a list or array is taken as the list of values.

    Raises:
        ValueError: no value is given.
    """
    if len(values) == 1 and isinstance(values[0], (list, tuple, np.ndarray, range)):
        values = tuple(values[0].tolist() if isinstance(values[0], np.ndarray) else values[0])
    if not values:
        raise ValueError("grid() was given no value; give at least one: grid(1e-3, 1e-2).")
    return Grid(values)


class Zipped:
    """Fields that are swept together; made by :func:`zipped`."""

    def __init__(self, grids: dict[str, Grid]) -> None:
        self._grids = grids

    def keys(self) -> Iterator[str]:
        return iter(self._grids)

    def __getitem__(self, name: str) -> Any:
        return self._grids[name]

    def __getattr__(self, name: str) -> Any:
        grids = self.__dict__.get("_grids", {})  # a copy is asked for names before it has any
        if name not in grids:
            raise AttributeError(f"zipped(...) has no field {told(name)}; it was given {', '.join(grids)}.")
        return grids[name]

    def __repr__(self) -> str:
        return f"zipped({', '.join(f'{name}={grid!r}' for name, grid in self._grids.items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Zipped) and self._grids == other._grids

    def __hash__(self) -> int:
        return hash(tuple(self._grids.items()))


def zipped(**values: Any) -> Zipped:
    """Sweep several fields jointly: the first with the first, the second with the second.

    ``sweep = zipped(lr=(1e-3, 1e-2), sigma=(0.1, 0.3))``, then ``Adam(lr=sweep.lr)`` and ``Gaussian(sigma=sweep.sigma)``;
    or, for fields of one part, ``Adam(**zipped(lr=..., beta2=...))``. The result has one dimension for all of them,
    named after the fields joined by ``_``, with one coordinate for each field.

    Raises:
        ValueError: fewer than two fields, no values, or lists of different lengths.
    """
    if len(values) < 2:
        raise ValueError(f"zipped() was given {len(values)} field(s); give at least two, or use grid.")
    lists = {
        name: tuple(v.tolist() if isinstance(v, np.ndarray) else v)
        if isinstance(v, (list, tuple, np.ndarray, range))
        else (v,)
        for name, v in values.items()
    }
    lengths = {name: len(v) for name, v in lists.items()}
    if len(set(lengths.values())) != 1 or not next(iter(lengths.values())):
        raise ValueError(f"zipped() was given lists of lengths {lengths}; give lists of one and the same length.")
    group, order = uuid.uuid4().hex, next(_written)
    return Zipped({name: Grid(v, group, order) for name, v in lists.items()})
