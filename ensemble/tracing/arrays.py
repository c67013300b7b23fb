"""What stands for an array parameter in a function of the coordinates, or of one point."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import failed
from .nodes import Graph, Level
from .recording import ArrayField
from .symbols import Symbol


class ArrayVector(Symbol):
    """A row of an array that is as long as the point: a vector, whose entries are numbers of the array."""

    __slots__ = ("first", "name")
    name: str
    first: int

    def __getitem__(self, key: Any) -> Symbol:
        if isinstance(key, (int, np.integer)) and not isinstance(key, bool) and -self.size <= key < self.size:
            flat = self.first + int(key) % self.size
            return self._like(self.graph.leaf("element", self.name, flat, level=Level.NUMBER))
        return super().__getitem__(key)


@dataclass(frozen=True)
class PointArray:
    """An array, or what is left of it after indices: entries are numbers, rows as long as a point vectors, and else it is indexed on."""

    name: str
    shape: tuple[int, ...]
    first: int
    dim: int
    whole: bool
    graph: Graph

    @staticmethod
    def of(array: ArrayField, dim: int, whole: bool) -> Any:
        """``whole``: the function is one of a point, and not of its coordinates."""
        return PointArray(array.name, array.shape, 0, dim, whole, array.graph)._left()

    def _left(self) -> Any:
        if not self.shape:
            return Symbol(
                self.graph.leaf("element", self.name, self.first, level=Level.NUMBER), point=True, size=self.dim
            )
        if self.whole and self.shape == (self.dim,):
            node = self.graph.leaf("row", self.name, self.first // self.dim, level=Level.VECTOR)
            row = ArrayVector(node, point=True, size=self.dim)
            row.first, row.name = self.first, self.name
            return row
        return self

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            found: Any = self
            for k in key:
                found = found[k]
            return found
        if isinstance(key, slice):
            return tuple(self[k] for k in range(len(self))[key])
        if isinstance(key, bool) or not isinstance(key, (int, np.integer)) or not -len(self) <= key < len(self):
            raise failed(f"{self.name}[{key}] of an array {self.shape}: give whole numbers within it")
        rest = self.shape[1:]
        return PointArray(
            self.name, rest, self.first + int(key) % len(self) * math.prod(rest), self.dim, self.whole, self.graph
        )._left()
