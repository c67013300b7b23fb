"""Recording: a part's method run once with symbols in place of its vectors, numbers and draws."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..arithmetic.random import Stream
from ..noises import Noise
from ..part import Part
from .errors import TraceError, failed, machinery
from .nodes import INTEGER, REAL, Graph, Level, Node
from .symbols import Symbol
from .text import Assignment, Effect
from .wrapped import Inside, InsideNow, Memory

PLAIN_NUMBERS = (bool, int, float, np.floating, np.integer, np.bool_)


@dataclass
class Recording:
    """What a method did: its result, and the states that it changed, in order."""

    graph: Graph
    result: Node
    assignments: list[Assignment | Effect] = field(default_factory=list)


# ---- what a method sees


def shadow(part: Part, graph: Graph, changed: Callable[[Node], None] = lambda call: None) -> Any:
    """The part as a recorded method sees it: symbols for its numbers, vectors and arrays, everything else as it is.

    ``changed`` is told of every call that changes what a wrapped part remembers.
    """
    seen = object.__new__(type(part))
    for f in fields(part):
        kind, value = f.metadata.get("kind"), getattr(part, f.name)
        if kind == "number":
            value = Symbol(graph.leaf("field", f.name, level=Level.NUMBER))
        elif kind == "vector":
            value = Symbol(graph.leaf("field", f.name, level=Level.VECTOR))
        elif kind == "array":
            value = ArrayField(f.name, np.shape(value), graph)
        elif kind in ("scheduled", "data"):
            value = None  # a column: now.lr
        elif kind == "inner":
            value = Inside(value, f.name, graph, changed)
        object.__setattr__(seen, f.name, value)
    for name in part.constants():
        object.__setattr__(seen, name, Symbol(graph.leaf("field", name, level=Level.NUMBER)))
    return seen


@dataclass(frozen=True)
class ArrayField:
    """What stands for an array of a part: its rows are vectors where they are as long as a point, its entries numbers."""

    name: str
    shape: tuple[int, ...]
    graph: Graph

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(self.shape[0]))

    def astype(self, dtype: Any) -> ArrayField:
        return self

    def __getitem__(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        keys = tuple(k for k in keys if k is not None and k != slice(None))
        whole = [
            int(k) + (size if k < 0 else 0)
            for k, size in zip(keys, self.shape, strict=False)
            if isinstance(k, (int, np.integer))
        ]
        if len(whole) != len(keys) or any(not 0 <= k < size for k, size in zip(whole, self.shape, strict=False)):
            raise failed(f"{self.name}[{key}] of an array {self.shape}: give whole numbers within it")
        if len(whole) == len(self.shape):
            flat = int(np.ravel_multi_index(tuple(whole), self.shape))
            return Symbol(self.graph.leaf("element", self.name, flat, level=Level.NUMBER))
        if len(whole) == len(self.shape) - 1:
            row = int(np.ravel_multi_index(tuple(whole), self.shape[:-1])) if whole else 0
            return Symbol(self.graph.leaf("row", self.name, row, level=Level.VECTOR))
        raise failed(f"{self.name}[{key}] of an array {self.shape}: take one row (a vector), or one entry (a number)")


class State:
    """What stands for an optimizer's memory: a name holds what was last assigned to it."""

    def __init__(self, part: Part, graph: Graph, assignments: list[Assignment | Effect]) -> None:
        versions: dict[str, int] = {}
        kinds = dict.fromkeys(part.vectors, (Level.VECTOR, REAL)) | dict.fromkeys(
            part.integers, (Level.INSTANCE, INTEGER)
        )
        vars(self)["_memory"] = (graph, assignments, versions, kinds)
        vars(self).update((name, Memory(name)) for name in wrapped(part))

    def _leaf(self, name: str) -> Node:
        graph, _, versions, kinds = vars(self)["_memory"]
        if name not in kinds:
            raise failed(
                f"state.{name}: the class keeps {', '.join(kinds) or 'nothing'}; name it in vectors or integers"
            )
        level, kind = kinds[name]
        return graph.leaf("state", name, versions.get(name, 0), level=level, kind=kind)

    def __getattr__(self, name: str) -> Symbol:
        if name.startswith("__"):
            raise AttributeError(name)
        return Symbol(self._leaf(name))

    def __setattr__(self, name: str, value: Any) -> None:
        graph, assignments, versions, _ = vars(self)["_memory"]
        if isinstance(vars(self).get(name), Memory):
            raise failed(f"state.{name} is the wrapped part's own; its step changes it")
        old = self._leaf(name)
        node = node_of(graph, value, f"state.{name}")
        assignments.append(Assignment(name, old, node, len(graph)))
        versions[name] = versions.get(name, 0) + 1


class Draws:
    """What stands for ``now.random``: each draw is one node, whoever asks for it."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def _drawn(self, text: str, level: Level) -> Symbol:
        return Symbol(self._graph.leaf("draw", text, level=level))

    def normals(self, stream: Stream) -> Symbol:
        return self._drawn(f"Normals(now.random, {Stream(stream).name})", Level.VECTOR)

    def uniforms(self, stream: Stream) -> Symbol:
        return self._drawn(f"Uniforms(now.random, {Stream(stream).name})", Level.VECTOR)

    def uniform_of_instance(self, stream: Stream) -> Symbol:
        return self._drawn(f"uniform_of_instance(now.random, {Stream(stream).name})", Level.INSTANCE)

    def __getattr__(self, name: str) -> Any:
        raise failed(f"now.random.{name} cannot be recorded; there are normals, uniforms and uniform_of_instance")


def now_of(part: Part, graph: Graph, **more: Any) -> Any:
    """What stands for ``now``: the step, the part's own columns, and its draws."""
    step = Symbol(graph.leaf("step", level=Level.NUMBER))
    now = SimpleNamespace(t=step, random=Draws(graph), **more)
    own = own_columns(part)
    for name in own:
        setattr(now, name, Symbol(graph.leaf("column", name, level=Level.NUMBER)))
    before = ["own_"] if own else []
    for name in wrapped(part):
        after = " + ".join(before)
        text = f"now.template after<{after}>()" if after else "now"
        if isinstance(part, Noise):
            text = f"now.template after<{after}, 0>(now.random)" if after else "now"
        setattr(now, name, InsideNow(text, name, now))
        before.append(f"int({parameter(name)}::columns)")
    return now


def wrapped(part: Part) -> list[str]:
    """Names of the fields that hold other parts."""
    return [f.name for f in fields(part) if f.metadata.get("kind") == "inner"]


def parameter(name: str) -> str:
    """What the type of a field is called, where it is a template's parameter."""
    return f"Of_{name}"


def own_columns(part: Part) -> list[str]:
    """Names of a part's own columns, in order; those of parts that it wraps are not among them."""
    return [path for path, _ in part.columns(np.ones(1)) if "." not in path]


def node_of(graph: Graph, value: Any, what: str) -> Node:
    """The node of what a method returned or assigned."""
    if isinstance(value, Symbol):
        if value.graph is not graph:
            raise failed(f"{what} is a value of another recording; compute it anew in each call")
        if value.trim:
            raise failed(f"{what} has {value.trim} coordinates less than the point; give all of them")
        return value.node
    if isinstance(value, PLAIN_NUMBERS):
        return graph.constant(bool(value) if isinstance(value, np.bool_) else value)  # type: ignore[arg-type]
    given = "nothing" if value is None else f"a {type(value).__name__}"
    raise failed(f"{what} is {given}; give an array of the algebra")


# ---- running


@contextmanager
def names_into(graph: Graph) -> Iterator[None]:
    """Keeps what the author called the nodes: the local names of the functions that ran, when each returned."""

    def seen(frame: Any, event: str, argument: Any) -> None:
        if event == "return" and not machinery(frame.f_code.co_filename):
            for name, value in frame.f_locals.items():
                if type(value) is Symbol and value.node.graph is graph and not value.trim:
                    graph.names.setdefault(value.node, name)

    if sys.getprofile() is not None:  # somebody measures: it is theirs, and not all of them can be put back
        yield
        return
    sys.setprofile(seen)
    try:
        yield
    finally:
        sys.setprofile(None)


def run(graph: Graph, method: Callable[..., Any], *arguments: Any, what: str) -> Any:
    """The method's result; whatever else it raises is told as the author's mistake, with its line.

    Raises:
        TraceError: the method does what cannot be recorded.
    """
    try:
        with names_into(graph):
            return method(*arguments)
    except TraceError:
        raise
    except RecursionError as error:
        raise TraceError(
            f"{_where(error)}{what} calls itself without end; a recorded method is a finite formula."
        ) from None
    except Exception as error:
        where = _where(error)
        raise TraceError(f"{where}{type(error).__name__}: {error}"[:300]) from error


def _where(error: Exception) -> str:
    """``file:line: `text`: `` of the author's innermost line that an error came through; empty where there is none."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not machinery(f.filename)]
    if not frames:
        return ""
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}: `{(frames[-1].line or '')[:80]}`: "


def record(part: Part, name: str, prepare: Callable[[Graph, Mapping[str, Any]], tuple[Any, ...]]) -> Recording:
    """A method of a part, recorded. ``prepare`` makes its arguments of the graph and of what it needs to know."""
    graph = Graph()
    assignments: list[Assignment | Effect] = []
    arguments = prepare(graph, {"assignments": assignments})
    what = f"{type(part).__name__}.{name}"
    seen = shadow(part, graph, lambda call: assignments.append(Effect(call, len(graph))))
    result = run(graph, getattr(type(part), name), seen, *arguments, what=what)
    return Recording(graph, node_of(graph, result, f"what {what} returns"), assignments)


def argument(graph: Graph, name: str, handed: bool = False) -> Symbol:
    """What stands for a vector that is an argument; ``handed``: an expression, not a stored vector."""
    return Symbol(graph.leaf("argument", name, handed, level=Level.VECTOR))
