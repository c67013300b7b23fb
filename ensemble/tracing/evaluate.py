"""Recorded nodes computed in NumPy: the same operations in the same order as in the C++ text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arithmetic import elementary, products, vec
from .nodes import Level, Node, in_order

_COMPUTED: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "negative": lambda a: -a,
    "absolute": abs,
    "sqrt": np.sqrt,
    "exp": elementary.exp,
    "log": elementary.log,
    "tanh": elementary.tanh,
    "sin": elementary.sin,
    "cos": elementary.cos,
    "power": lambda a, b: elementary.pow(*np.broadcast_arrays(a, b)),
    "larger": vec.larger,
    "smaller": vec.smaller,
    "maximum": vec.maximum,
    "minimum": vec.minimum,
    "ratio": lambda a, b: a / np.where(a == 0, np.ones((), dtype=a.dtype), b),
    "settled": lambda undecided, a: np.where(undecided, np.zeros((), dtype=a.dtype), a),
    "total": vec.total,
    "largest": vec.largest,
    "smallest": vec.smallest,
    "product": products.product,
    "others": products.others,
    "others_change": products.others_change,
    "butterfly": vec.butterfly,
    "first_index": lambda p: vec.first_index(p),
    "rescale": vec.rescaled,
    "rescaled": lambda made: made[0],
    "length_size": lambda made: made[1],
    "length_unit": lambda made: made[2],
}


def evaluate(
    root: Node,
    x: NDArray[Any],
    v: NDArray[Any] | None,
    field: Callable[[str], Any],
    now: Any = None,
    more: Mapping[str, Any] | None = None,
) -> NDArray[Any]:
    """The value of a node at points ``x`` (instances, dim), along ``v``: (instances, dim), or (instances, 1).

    ``field`` gives a field of the part by its name; ``more``: other arguments by theirs.
    """
    kind = x.dtype.type
    found: dict[Node, Any] = {}
    arguments: Mapping[str, Any] = {"x": x, "v": v, **(more or {})}

    def whole(node: Node) -> Any:
        value = found[node]
        if node.level == Level.VECTOR and np.shape(value) != x.shape:
            value = np.broadcast_to(np.asarray(value), x.shape)
        return value

    with np.errstate(all="ignore"):
        for node in in_order(root):
            args = node.args
            if node.op == "constant":
                value: Any = args[0] if isinstance(args[0], bool) else kind(args[0])
            elif node.op == "argument":
                value = arguments[args[0]]
            elif node.op == "field":
                value = field(args[0])
                value = kind(value) if isinstance(value, (int, float)) else np.asarray(value, dtype=x.dtype)
            elif node.op == "dim":
                value = kind(x.shape[1])
            elif node.op == "index":
                value = np.arange(args[0], x.shape[1] + args[0], dtype=x.dtype)[None, :]
            elif node.op == "element":
                value = kind(np.asarray(field(args[0])).reshape(-1)[args[1]])
            elif node.op == "row":
                array = np.asarray(field(args[0]), dtype=x.dtype)
                value = array.reshape(-1, array.shape[-1])[args[1]]
            elif node.op == "column":
                value = getattr(now, args[0])
            elif node.op == "step":
                value = kind(now.t)
            elif node.op == "call":
                target, name = args[0].rsplit(".", 1)
                value = getattr(field(target), name)(*(whole(n) for n in node.inputs), now)
            elif node.op == "shift":
                value = vec.shift(whole(args[0]), args[1])
            elif node.op == "at":
                at = args[1] + (x.shape[1] if args[1] < 0 else 0)
                value = whole(args[0])[:, at : at + 1]
            elif node.op == "where":
                value = np.where(found[args[0]], found[args[1]], found[args[2]]).astype(x.dtype, copy=False)
            elif node.op in (
                "total",
                "largest",
                "smallest",
                "product",
                "first_index",
                "others",
                "others_change",
                "butterfly",
                "rescale",
            ):
                value = _COMPUTED[node.op](*(whole(n) for n in node.inputs))
                if node.op == "first_index":
                    value = value.astype(x.dtype)
            else:
                value = _COMPUTED[node.op](*(found[n] for n in node.inputs))
            found[node] = value
    shape = x.shape if root.level == Level.VECTOR else (x.shape[0], 1)
    return np.ascontiguousarray(np.broadcast_to(np.asarray(found[root], dtype=x.dtype), shape))
