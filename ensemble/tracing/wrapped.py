"""What stands for a part that another wraps, for what it remembers, and for the gradient that is handed down to it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..events import Event
from ..noises import Noise
from ..optimizers.base import Optimizer, Passed
from ..part import Part
from .errors import failed
from .nodes import INTEGER, REAL, Graph, Handed, Level, Node
from .symbols import Symbol


@dataclass(frozen=True)
class Callee:
    """A function that is called as it is: a gradient, or a method of another part. It returns a vector, ``value`` a number."""

    graph: Graph
    target: str
    name: str = ""

    def __call__(self, *arguments: Any) -> Symbol:
        nodes = [a.node for a in arguments if isinstance(a, Symbol)]
        if any(n.level < Level.VECTOR for n in nodes) or not nodes:
            raise failed(
                f"{self.target}{'.' if self.name else ''}{self.name}() was given no point; give vectors (instances, dim)"
            )
        level = Level.INSTANCE if self.name == "value" else Level.VECTOR
        return Symbol(self.graph.leaf("call", f"{self.target}.{self.name}".rstrip("."), *nodes, level=level))

    def __getattr__(self, name: str) -> Callee:
        if name.startswith("_") or self.name:
            raise AttributeError(name)
        return Callee(self.graph, self.target, name)


@dataclass(frozen=True)
class Memory:
    """What a wrapped part remembers: it alone looks at it."""

    path: str

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise failed(f"state.{self.path}.{name} is the wrapped part's own; hand state.{self.path} down as it is")


class InsideNow:
    """What stands for ``now`` as a wrapped part sees it. ``text``: what it is in C++."""

    def __init__(self, text: str, path: str, outer: Any) -> None:
        self._text, self._path, self._outer = text, path, outer

    def __getattr__(self, name: str) -> Any:
        if name in ("t", "random", "landscape", "shown"):
            return getattr(self._outer, name)
        raise failed(f"now.{self._path}.{name} is the wrapped part's own; hand now.{self._path} down as it is")


_ASKED: dict[type[Part], tuple[str, tuple[str, ...]]] = {
    Optimizer: ("step", ("x", "gradient", "state.{}", "now.{}")),
    Noise: ("apply", ("x", "gradient", "landscape", "now.{}")),
    Event: ("check", ("x", "landscape", "now.{}")),
}
"""The method of a wrapped part that a step calls, and its arguments."""


class Inside:
    """What stands for a part that another wraps: its method is called, not recorded."""

    def __init__(self, part: Part, path: str, graph: Graph, changed: Callable[[Node], None]) -> None:
        self._part, self._path, self._graph, self._changed = part, path, graph, changed

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        kinds = {f.name: f.metadata.get("kind") for f in fields(self._part)} | dict.fromkeys(
            self._part.constants(), "number"
        )
        path = f"{self._path}.{name}"
        if kinds.get(name) in ("number", "vector"):
            level = Level.NUMBER if kinds[name] == "number" else Level.VECTOR
            return Symbol(self._graph.leaf("field", path, level=level))
        if kinds.get(name) in ("scheduled", "array"):
            raise failed(f"{path} is the wrapped part's own: {kinds[name]} fields are seen by itself alone")
        if kinds.get(name) == "inner":
            return Inside(getattr(self._part, name), path, self._graph, self._changed)
        found = getattr(self._part, name)
        if not callable(found):
            return found
        for kind, (method, _) in _ASKED.items():
            if isinstance(self._part, kind):
                if name != method:
                    raise failed(f"{path}() cannot be recorded; a wrapped part is asked for its {method}()")
                return self._asked
        return Callee(self._graph, self._path, name)

    def _asked(self, *arguments: Any) -> Symbol:
        kind = next(k for k in _ASKED if isinstance(self._part, k))
        method, wanted = _ASKED[kind]
        names = [w.format(self._path) for w in wanted]
        if len(arguments) != len(names):
            raise failed(f"{self._path}.{method}() was given {len(arguments)} arguments; give ({', '.join(names)})")
        given = [self._argument(name, value) for name, value in zip(names, arguments, strict=True)]
        level = Level.INSTANCE if kind is Event else Level.VECTOR
        kept = [n for g in given if isinstance(g, Handed) for n in _states(g.result)]
        extra: tuple[Any, ...] = (len(self._graph),) if kind is Optimizer else ()  # each call is one of its own
        node = self._graph.leaf(
            "call",
            f"{self._path}.{method}",
            *given,
            *extra,
            *kept,
            level=level,
            kind=INTEGER if kind is Event else REAL,
        )
        if kind is Optimizer:
            self._changed(node)
        return Symbol(node)

    def _argument(self, name: str, value: Any) -> Any:
        """A node, a function that was recorded, or the text of what is handed down."""
        if isinstance(value, Symbol) and name in ("x", "gradient"):
            if value.node.level < Level.VECTOR or value.trim:
                raise failed(f"{self._path} was given no point as {name}; give a vector (instances, dim)")
            return value.node
        if name == "gradient" and isinstance(self._part, Optimizer):
            return handed(self._graph, value)
        if name == "landscape" and isinstance(value, Callee) and not value.name:
            return value.target
        if name.startswith("state.") and isinstance(value, Memory) and value.path == self._path:
            return f"s.{self._path}"
        if name.startswith("now.") and isinstance(value, InsideNow) and value._path == self._path:
            return value._text
        raise failed(f"{self._path} was given a {type(value).__name__} as its {name}; give {name}")


def handed(graph: Graph, value: Any) -> Any:
    """A gradient that is handed down: the text of the one that was given, or what another does to a point."""
    if isinstance(value, Callee) and value.target == "gradient" and not value.name:
        return "gradient"
    root = value
    while isinstance(root, Passed):
        root = root.gradient
    of_function = inspect.isroutine(value)
    if not of_function and not (isinstance(root, Callee) and root.target == "gradient" and not root.name):
        raise failed(
            f"a {type(value).__name__} was handed down as a gradient; give gradient, or Passed(gradient, function)"
        )
    function = value if of_function else value.call
    point = graph.leaf("argument", "y", False, level=Level.VECTOR)
    made = value(Symbol(point))
    if not isinstance(made, Symbol) or made.graph is not graph or made.trim:
        raise failed("what a gradient handed down returns is no vector (instances, dim)")
    return Handed(getattr(function, "__name__", "changed"), point, made.node)


def _states(root: Node) -> Sequence[Node]:
    """The states that a function reads."""
    found, seen, waiting = [], {root}, [root]
    while waiting:
        node = waiting.pop()
        if node.op == "state":
            found.append(node)
        for argument in node.inputs:
            if argument not in seen:
                seen.add(argument)
                waiting.append(argument)
    return found
