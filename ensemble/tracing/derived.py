"""What a landscape can be asked, recorded from its methods, or derived from those that it has."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..classes import identity
from ..landscapes.base import DERIVATIONS, Landscape
from ..landscapes.finite_sum import FiniteSum
from ..part import Part
from .derivatives import NotDerivedError, diagonal, gradient, tangent
from .errors import TraceError, failed
from .evaluate import evaluate
from .nodes import REAL, Graph, Level, Node
from .recording import Recording, argument, node_of, now_of, run, shadow
from .simplify import Algebra
from .symbols import Symbol

METHODS = ("value", "gradient", "hessian_product", "hessian_diagonal")


def says(part: Part, name: str) -> bool:
    """Whether the class of a part has a method of its own."""
    return getattr(type(part), name) is not getattr(Landscape, name)


def recorded_landscape(part: Landscape) -> dict[str, Recording]:
    """Value, gradient, Hessian product and diagonal, as far as they are given or can be derived, each by its name.

    Raises:
        TraceError: a method does what cannot be recorded.
    """
    key = structure_key(part)
    if key not in _KNOWN:
        if len(_KNOWN) > 256:
            _KNOWN.clear()
        _KNOWN[key] = _recorded(part)
    return _KNOWN[key]


_KNOWN: dict[Any, dict[str, Recording]] = {}


def structure_key(part: Part) -> tuple[Any, ...]:
    """What a recording depends on: the class, and the fields that are not numbers."""
    found: list[Any] = [type(part), *identity(type(part)).values()]
    for f in fields(part):
        kind, value = f.metadata.get("kind"), getattr(part, f.name)
        if kind in ("array", "data"):
            found.append((f.name, np.shape(value)))
        elif kind == "inner":
            found.append((f.name, structure_key(value)))
        elif kind not in ("number", "vector", "scheduled"):
            found.append((f.name, value))
    return tuple(found)


def _recorded(part: Landscape) -> dict[str, Recording]:
    if isinstance(part, FiniteSum):
        raise failed(f"{type(part).__name__} is a sum over samples, whose loss is recorded and not the sum")
    graph = Graph()
    found: dict[str, Recording] = {}
    x, v = argument(graph, "x"), argument(graph, "v")
    now = now_of(part, graph)
    seen = shadow(part, graph)
    for name in (*METHODS, "project"):
        if says(part, name):
            given = {"hessian_product": (x, v), "project": (argument(graph, "x", handed=True),)}.get(name, (x,))
            what = f"{type(part).__name__}.{name}"
            method = getattr(type(part), name)
            made = node_of(graph, run(graph, method, seen, *given, now, what=what), f"what {what} returns")
            if made.kind != REAL:
                raise failed(f"what {what} returns is a condition or a whole number; give real numbers")
            if name == "value" and made.level == Level.VECTOR:
                raise failed(
                    f"what {what} returns has a number for each coordinate; give one for each point, as total(...) does"
                )
            found[name] = Recording(graph, made)
    derive(graph, found, x.node, v.node, _size(part))
    return found


def _size(part: Landscape) -> int:
    return part.dimension


def derive(graph: Graph, found: dict[str, Recording], x: Node, v: Node, size: int) -> None:
    """Adds what is not given and follows from what is."""
    k = Algebra(graph)
    if "gradient" not in found and "value" in found:
        found["gradient"] = Recording(graph, gradient(k, found["value"].result, x, size))
    if "gradient" not in found:
        return
    slope = found["gradient"].result
    if "hessian_product" not in found:
        found["hessian_product"] = Recording(graph, tangent(k, slope, x, v))
    if "hessian_diagonal" not in found:
        with contextlib.suppress(NotDerivedError):  # else coordinate by coordinate, from Hessian products
            found["hessian_diagonal"] = Recording(graph, diagonal(k, slope, x, size))


def derived(name: str) -> Callable[..., NDArray[Any]]:
    """A landscape's method that is derived from others: what a class runs in NumPy that does not say it itself."""

    def method(self: Any, *arguments: Any) -> Any:
        if isinstance(arguments[0], Symbol):
            return _recorded_within(self, name, *arguments)
        x, v = arguments[0], arguments[1] if name == "hessian_product" else None
        now = arguments[2 if name == "hessian_product" else 1] if len(arguments) > (2 if v is not None else 1) else None
        try:
            recording = recorded_landscape(self).get(name)
        except TraceError as error:  # then only what products give
            if name != "hessian_diagonal" or not says(self, "hessian_product"):
                raise TypeError(
                    f"{type(self).__name__} does not say its {name}, and it does not follow: {error}"
                ) from error
            recording = None
        if recording is None:
            return _diagonal_by_products(self, x, now)
        found = evaluate(recording.result, x, v, taken_from(self), now)
        return found if found.shape == x.shape else np.repeat(found, x.shape[1], axis=1)  # the same for all coordinates

    return method


def _recorded_within(part: Any, name: str, x: Symbol, *rest: Any) -> Symbol:
    """A derivative that another method of the same part asks for while it is recorded."""
    graph, k = x.graph, Algebra(x.graph)
    now = rest[-1] if len(rest) > (name == "hessian_product") else None
    slope = (
        part.gradient(x, now).node
        if type(part).gradient is not Landscape.gradient
        else gradient(k, node_of(graph, part.value(x, now), "value"), x.node)
    )
    if name == "gradient":
        return Symbol(slope)
    if name == "hessian_product":
        return Symbol(tangent(k, slope, x.node, rest[0].node))
    try:
        return Symbol(diagonal(k, slope, x.node))
    except NotDerivedError as error:
        raise failed(
            f"the Hessian's diagonal does not follow from {error}; define hessian_diagonal(self, x, now)"
        ) from None


def taken_from(part: Any) -> Callable[[str], Any]:
    """What gives a field, or a derived constant, of a part by its name."""
    return lambda name: getattr(part, name) if hasattr(part, name) else part.constants()[name]


def _diagonal_by_products(part: Landscape, x: NDArray[Any], now: Any) -> NDArray[Any]:
    found = np.empty_like(x)
    for i in range(x.shape[1]):
        direction = np.zeros_like(x)
        direction[:, i] = 1
        found[:, i] = part.hessian_product(x, direction, now)[:, i]
    return found


DERIVATIONS.update({name: derived(name) for name in ("gradient", "hessian_product", "hessian_diagonal")})
