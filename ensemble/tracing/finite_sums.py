"""The loss of one sample, recorded: its derivatives, its struct, and what NumPy computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..landscapes.finite_sum import FORMULAS, FiniteSum
from .derivatives import diagonal, gradient, tangent
from .derived import structure_key, taken_from
from .errors import failed
from .evaluate import evaluate
from .nodes import REAL, Graph, Level, Node, in_order, replaced
from .recording import argument, node_of, run, shadow
from .simplify import Algebra
from .symbols import Symbol

Array = NDArray[Any]


class Sample:
    """What stands for a sample while a loss is recorded."""

    def __init__(self, part: FiniteSum, graph: Graph) -> None:
        self._graph, self._entries, self._dim = graph, part.entries, part.dimension
        self._name = type(part).__name__

    @property
    def row(self) -> Symbol:
        """The first numbers of the sample, as many as a point has, as a vector."""
        if self._entries < self._dim:
            raise failed(
                f"sample.row of {self._name}: a sample has {self._entries} numbers, a point {self._dim}; take single ones, sample[k]"
            )
        return Symbol(self._graph.leaf("argument", "row", False, level=Level.VECTOR))

    def __len__(self) -> int:
        return self._entries

    def __getitem__(self, k: Any) -> Symbol:
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not -self._entries <= k < self._entries:
            raise failed(
                f"sample[{k}] of {self._name}: give a whole number from {-self._entries} to {self._entries - 1}"
            )
        k = int(k) % self._entries
        after = k - self._dim  # counted from the row's end, a program is the same for all dimensions
        name = f"sample.after({after})" if after >= 0 else f"sample[{k}]"
        return Symbol(self._graph.leaf("argument", name, False, level=Level.INSTANCE))


@dataclass
class Summand:
    """The loss of a sample and its derivatives; ``linear``: by the product z of the point with the sample's row."""

    graph: Graph
    linear: bool
    loss: Node
    slope: Node
    bend: Node
    diagonal: Node
    extras: int

    def evaluate(self, name: str, part: Any, x: Array, v: Array | None, sample: Array, repeat: int) -> Array:
        """One of them for samples (instances or 1, entries) at x. Linear: x is z (instances repeat, 1)."""
        taken, dim = taken_from(part), part.dimension
        more: dict[str, Array] = {"z": x, "row": sample[:, :dim]}
        for node in in_order(getattr(self, name)):
            if node.op == "argument" and node.args[0].startswith("sample"):
                more[node.args[0]] = sample[:, _place(node.args[0], dim)][:, None]

        def field(path: str) -> Any:
            value = taken(path)
            return np.repeat(value, repeat, axis=0) if repeat > 1 and np.ndim(value) == 2 else value

        return evaluate(getattr(self, name), x, v, field, None, more)


def _place(name: str, dim: int) -> int:
    number = int(name[name.index("(" if "(" in name else "[") + 1 : -1])
    return number + dim if "(" in name else number


def summand(part: FiniteSum) -> Summand:
    """The recorded loss of a part's samples.

    Raises:
        TraceError: it does what cannot be recorded.
    """
    key = structure_key(part)
    if key not in _KNOWN:
        if len(_KNOWN) > 256:
            _KNOWN.clear()
        _KNOWN[key] = _recorded(part)
    return _KNOWN[key]


_KNOWN: dict[Any, Summand] = {}
FORMULAS.append(summand)


def _recorded(part: FiniteSum) -> Summand:
    graph = Graph()
    k = Algebra(graph)
    x, v = argument(graph, "x"), argument(graph, "v")
    what = f"{type(part).__name__}.loss"
    method = type(part).loss
    loss = node_of(
        graph, run(graph, method, shadow(part, graph), x, Sample(part, graph), what=what), f"what {what} returns"
    )
    if loss.kind != REAL or loss.level == Level.VECTOR:
        raise failed(f"what {what} returns is no number for each instance; give one, as total(...) does")
    extras = max(0, part.entries - part.dimension)
    z = graph.leaf("argument", "z", False, level=Level.INSTANCE)
    row = graph.leaf("argument", "row", False, level=Level.VECTOR)

    def product(node: Node) -> Node | None:
        inside = node.args[0] if node.op == "total" else None
        return z if inside is not None and inside.op == "*" and set(inside.args) == {x.node, row} else None

    alone = replaced(loss, product)
    if not {x.node, row} & set(in_order(alone)) and z in in_order(alone):
        slope = tangent(k, alone, z, k.one)
        bend = tangent(k, slope, z, k.one)
        return Summand(graph, True, alone, slope, bend, bend, extras)
    slope = gradient(k, loss, x.node, part.dimension)
    bend = tangent(k, slope, x.node, v.node)
    return Summand(graph, False, loss, slope, bend, diagonal(k, slope, x.node, part.dimension), extras)
