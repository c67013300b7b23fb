"""Function: a landscape whose value is a Python function of the coordinates, or of one point, and whose derivatives follow."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from ..arithmetic.vec import Array
from ..landscapes.base import Landscape
from ..tracing.arrays import PointArray
from ..tracing.derived import recorded_landscape, taken_from
from ..tracing.errors import TraceError, failed, place
from ..tracing.evaluate import evaluate
from ..tracing.nodes import REAL, Level
from ..tracing.recording import ArrayField, node_of, run
from ..tracing.symbols import Symbol
from .surroundings import check_unchanged, place_of, surroundings


@dataclass(frozen=True)
class Function(Landscape):
    """A landscape made of a Python function by :func:`ensemble.landscape` or :func:`ensemble.from_sympy`.

    The function itself is the class's ``function``: ``valley.function(0.5, 1.0)`` calls it.
    """

    function: ClassVar[Callable[..., Any]]
    coordinates: ClassVar[tuple[str, ...]] = ()
    """Names of the coordinates; empty: the function is one of a point."""
    _held: ClassVar[dict[str, str] | None] = None

    def __new__(cls, *arguments: Any, **numbers: Any) -> Function:
        made = f"{cls.__name__} is a landscape, made by {cls.signature()}"
        if any(isinstance(a, Symbol) for a in arguments):
            raise failed(f"{made}; a function that calls itself cannot be recorded")
        if arguments:
            raise TypeError(f"{place()}{made}; give its numbers by name, or call {cls.__name__}.function."[:300])
        if unknown := sorted(set(numbers) - {f.name for f in fields(cls)}):
            raise TypeError(f"{place()}{made}; there is no {unknown[0]}."[:300])
        return super().__new__(cls)

    def __post_init__(self) -> None:
        try:
            super().__post_init__()
        except ValueError as error:
            raise type(error)(f"{place()}{error}"[:300]) from None
        check_unchanged(type(self), self.remembered())

    @classmethod
    def signature(cls) -> str:
        """How the class is called, as messages show it."""
        return f"{cls.__name__}({', '.join(f.name + '=...' for f in fields(cls))})"

    @classmethod
    def remembered(cls) -> dict[str, str]:
        """Constants that the function takes from where it was defined, and its code: what it is beside its numbers."""
        return surroundings(cls.function, cls.__name__)

    def value(self, x: Array, now: Any = None) -> Array:
        """f(x), (instances, 1): the function's operations, in its order."""
        if isinstance(x, Symbol):
            return self._recorded(x)
        return evaluate(recorded_landscape(self)["value"].result, x, None, taken_from(self), now)

    def _recorded(self, x: Symbol) -> Symbol:
        """The function called with symbols: twice, for a formula is the same each time."""
        kind, graph = type(self), x.graph
        called = f"{kind.__name__}()"
        found = []
        graph.living = []
        for _ in range(2):
            result = run(graph, self._called, x, what=called)
            found.append(self._result(x, result))
            del result
        living, graph.living = graph.living, None
        if found[0] is not found[1]:
            raise self._wrong(
                f"{called} is another formula when it is called again; draw no random numbers and change nothing"
            )
        if _kept(living):
            raise self._wrong(
                f"{called} keeps values that it computed, in a list or a variable outside; a recorded function only returns them"
            )
        return Symbol(found[0])

    def _called(self, x: Symbol) -> Any:
        kind, dim = type(self), self.dimension
        point = Symbol(x.node, point=True, size=dim)
        given = [point[k] for k in range(dim)] if kind.coordinates else [point]
        numbers: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Symbol):
                value = Symbol(value.node, point=True, size=dim)
            elif isinstance(value, ArrayField):
                value = PointArray.of(value, dim, whole=not kind.coordinates)
            if f.name != "dim":
                numbers[f.name] = value
        return kind.function(*given, **numbers)

    def _result(self, x: Symbol, result: Any) -> Any:
        """The node of what the function returned, a number for each point."""
        name = type(self).__name__
        if isinstance(result, Symbol) and result.node.level == Level.VECTOR:
            raise self._wrong(
                f"{name}() returns a number for each of {result.size - result.trim} coordinates; give one number, as np.sum(...)"
            )
        if isinstance(result, Symbol) and result.node.kind != REAL:
            raise self._wrong(f"{name}() returns a condition; give a number, as np.where(condition, a, b)")
        if isinstance(result, (int, float, np.number)) and not np.isfinite(result):
            raise self._wrong(f"{name}() returns {result}, whatever the point is; give a finite number")
        if not isinstance(result, (Symbol, int, float, np.number)) or isinstance(result, bool):
            given = "nothing" if result is None else f"a {type(result).__name__}"
            raise self._wrong(f"{name}() returns {given}; give one number")
        return node_of(x.graph, result, f"what {name}() returns")

    def _wrong(self, message: str) -> TraceError:
        return TraceError(f"{place_of(type(self).function)}{message}."[:300])


def _kept(living: list[weakref.ref[Symbol]]) -> list[Symbol]:
    """Symbols that are still held somewhere, though the function has returned."""
    alive = [s for ref in living if (s := ref()) is not None]
    if alive:
        del alive
        gc.collect()  # those that only hold each other
        alive = [s for ref in living if (s := ref()) is not None]
    return alive
