"""Nodes: what a method does, one operation each, recorded while the method runs once with symbols for its vectors.

A node has a level (one value for a configuration, for an instance, or for each coordinate) and a kind of value (real, mask,
integer). Within a :class:`Graph` there is one node for each operation and its arguments, so that what is written twice is
computed once.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from .errors import failed


class Level(IntEnum):
    """How many values a node has."""

    NUMBER = 0  # one for a configuration: a field, a column of the tables, the dimension
    INSTANCE = 1  # one for each instance
    VECTOR = 2  # one for each coordinate


MOST_NODES = 20_000
"""Operations of one method, at most: a compiler would take minutes over more."""
MOST_ASKED = 20 * MOST_NODES
"""Times that a node is asked for, at most: a loop that does the same again makes no new ones."""
REAL, MASK, INTEGER = "real", "mask", "integer"


@dataclass(frozen=True)
class Operation:
    """An operation on nodes: what it makes of their levels and kinds, and what one coordinate of it costs in instructions."""

    name: str
    cost: float = 1.0
    result: str = ""
    """Kind of the result; empty: that of its last argument."""
    least: Level = Level.NUMBER
    """Lowest level of the result."""
    level: Level | None = None
    """Level of the result where it does not follow from its arguments."""


def _operations() -> dict[str, Operation]:
    made = [Operation(name, 1.0, REAL) for name in ("+", "-", "*", "negative", "absolute")]
    made += [Operation(name, 1.0, MASK) for name in ("<", "<=", ">", ">=", "==", "!=", "&", "|")]
    made += [Operation(name, 2.0, REAL) for name in ("larger", "smaller", "maximum", "minimum")]
    made += [Operation(name, 6.0, REAL) for name in ("/", "sqrt", "ratio")]
    made += [Operation(name, 20.0, REAL, Level.INSTANCE) for name in ("exp", "log", "tanh", "sin", "cos")]
    made += [Operation("power", 60.0, REAL, Level.INSTANCE), Operation("where", 1.0), Operation("settled", 1.0, REAL)]
    reductions = ("total", "largest", "smallest", "first_index", "product")
    made += [Operation(name, 2.0, REAL, level=Level.INSTANCE) for name in reductions]
    made += [Operation("shift", 1.0, REAL, level=Level.VECTOR), Operation("at", 1.0, REAL, level=Level.INSTANCE)]
    made += [Operation(name, 20.0, REAL, level=Level.VECTOR) for name in ("butterfly", "others", "others_change")]
    made += [
        Operation("rescale", 4.0, REAL, level=Level.INSTANCE),
        Operation("rescaled", 0.0, REAL, level=Level.VECTOR),
    ]
    made += [Operation(name, 0.0, REAL) for name in ("length_size", "length_unit")]
    made += [Operation("to_real", 1.0, REAL), Operation("to_integer", 1.0, INTEGER, Level.INSTANCE)]
    return {operation.name: operation for operation in made}


OPERATIONS = _operations()
LEAVES = frozenset(
    {"constant", "field", "column", "step", "dim", "index", "argument", "state", "draw", "row", "element", "call"}
)
"""Nodes that compute nothing of others: values, memory, draws, and calls of what is not traced (whose arguments are nodes)."""


class Node:
    """One operation. ``args`` are nodes, or plain numbers and names that say which operation it is."""

    __slots__ = ("args", "graph", "kind", "level", "op", "order")

    def __init__(self, graph: Graph, op: str, args: tuple[Any, ...], level: Level, kind: str, order: int) -> None:
        self.graph, self.op, self.args, self.level, self.kind, self.order = graph, op, args, level, kind, order

    def __repr__(self) -> str:
        return f"{self.op}({', '.join(map(repr, self.args))})" if self.args else self.op

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The nodes among the arguments."""
        return tuple(a for a in self.args if isinstance(a, Node))

    @property
    def constant(self) -> float | None:
        """The number that a constant is."""
        return self.args[0] if self.op == "constant" else None


@dataclass(frozen=True)
class Handed:
    """A function of a point that is handed down to a wrapped part: what it makes of ``point``."""

    name: str
    point: Node
    result: Node


class Graph:
    """The nodes of one trace."""

    def __init__(self) -> None:
        self._made: dict[tuple[Any, ...], Node] = {}
        self.names: dict[Node, str] = {}
        """What the author calls a node."""
        self.living: list[weakref.ref[Any]] | None = None
        """Every symbol that is made while a function is called, where somebody looks at them."""
        self._asked = 0

    def __len__(self) -> int:
        return len(self._made)

    def leaf(self, op: str, *args: Any, level: Level, kind: str = REAL) -> Node:
        """A value that is there, or a call of what is not traced."""
        return self._node(op, args, level, kind)

    def constant(self, value: float) -> Node:
        """A number that was written down."""
        kind = MASK if isinstance(value, bool) else REAL
        return self._node("constant", (value,), Level.NUMBER, kind)

    def everywhere(self, value: float) -> Node:
        """A number that was written down, for each coordinate."""
        return self._node("constant", (float(value), "everywhere"), Level.VECTOR, REAL)

    def apply(self, op: str, *args: Any) -> Node:
        """An operation on nodes; plain numbers among ``args`` are constants, but for what an operation needs to be one."""
        operation = OPERATIONS[op]
        made = tuple(
            a if isinstance(a, Node) or (op in ("shift", "at") and k) else self.constant(a) for k, a in enumerate(args)
        )
        nodes = [a for a in made if isinstance(a, Node)]
        level = operation.level if operation.level is not None else max(operation.least, *(n.level for n in nodes))
        sides = nodes[1:] if op == "where" else nodes
        kind = operation.result or next((n.kind for n in reversed(sides) if n.constant is None), sides[-1].kind)
        if op in ("+", "-", "*", "negative") and any(n.kind == INTEGER for n in nodes):
            kind = INTEGER
        return self._node(op, made, Level(level), kind)

    def _node(self, op: str, args: tuple[Any, ...], level: Level, kind: str) -> Node:
        self._asked += 1
        if self._asked > MOST_ASKED:
            raise failed(f"more than {MOST_ASKED:,} operations were done; does a loop not end?")
        key = (op, *((id(a) if isinstance(a, Node) else (type(a), _signed(a))) for a in args))
        if key not in self._made:
            if len(self._made) >= MOST_NODES:
                raise failed(f"more than {MOST_NODES:,} operations were recorded; does a loop not end?")
            self._made[key] = Node(self, op, args, level, kind, len(self._made))
        return self._made[key]


def _signed(value: Any) -> Any:
    return repr(value) if isinstance(value, float) else value  # 0.0 and -0.0 are two


def in_order(*roots: Node) -> list[Node]:
    """Everything that ``roots`` are made of, arguments first."""
    found: list[Node] = []
    seen: set[Node] = set()
    waiting: list[tuple[Node, Iterator[Node]]] = []
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        waiting.append((root, iter(root.inputs)))
        while waiting:
            node, rest = waiting[-1]
            following = next((n for n in rest if n not in seen), None)
            if following is None:
                waiting.pop()
                found.append(node)
            else:
                seen.add(following)
                waiting.append((following, iter(following.inputs)))
    return found


def replaced(
    root: Node,
    change: Callable[[Node], Node | None],
    memo: dict[Node, Node] | None = None,
    made: Callable[[str, tuple[Any, ...]], Node | None] = lambda op, args: None,
) -> Node:
    """The node with those exchanged for which ``change`` says another. ``made``: how what contains them is made, where not as it was."""
    memo = {} if memo is None else memo
    for node in in_order(root):
        if node in memo:
            continue
        other = change(node)
        if other is None:
            args = tuple(memo[a] if isinstance(a, Node) else a for a in node.args)
            unchanged = all(p is q for p, q in zip(args, node.args, strict=True))
            graph = node.graph
            other = node if unchanged else made(node.op, args) or graph._node(node.op, args, node.level, node.kind)
        memo[node] = other
    return memo[root]
