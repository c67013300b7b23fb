"""How far two ways of computing the same in float64 may be apart: what the rounding of every operation adds up to.

A running error analysis (Wilkinson; Higham 2002, *Accuracy and stability of numerical algorithms*, section 3.3) over the recorded
formula: each node's value with a bound, in units of ``eps``, on how far the roundings of all operations before it may take it.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from ensemble.arithmetic import vec
from ensemble.tracing import recorded_landscape
from ensemble.tracing.evaluate import evaluate
from ensemble.tracing.nodes import in_order

NOW = SimpleNamespace(t=1)
NAMES = ("value", "gradient", "hessian_product", "hessian_diagonal")
EPS = np.finfo(np.float64).eps
EXACT = frozenset("constant field element row argument index dim step where negative absolute larger smaller at".split()) | {
    "maximum", "minimum", "shift", "largest", "smallest", "first_index",
}  # fmt: skip
"""Operations that round nothing."""


def ask(landscape, name, x, v):
    """One of the four, (instances, dim) or (instances, 1), in the type of x."""
    given = (x, v, NOW) if name == "hessian_product" else (x, NOW)
    found = np.asarray(getattr(landscape, name)(*given))
    return np.broadcast_to(found, (len(x), 1 if name == "value" else x.shape[1]))


def conditioning(landscape, name, x, v):
    """The bound on one of the four, (instances, dim) or (instances, 1), in units of ``eps``.

    Raises:
        KeyError: the method does not follow, or is not recorded.
    """
    root = recorded_landscape(landscape)[name].result
    errors = {}

    def value(node):
        return evaluate(node, x, v, lambda field: _field(landscape, field), NOW)

    def all_alike(node):
        return np.broadcast_to(errors[node], x.shape)

    with np.errstate(all="ignore"):
        for node in in_order(root):
            if node.kind != "real" and node.op != "first_index":
                errors[node] = np.zeros((1, 1))
                continue
            own = value(node)
            a = [value(n) for n in node.inputs] if node.op not in ("call", "at", "shift") else []
            e = [errors[n] for n in node.inputs]
            errors[node] = _carried(landscape, node, a, e, own, x, v, all_alike)
            if node.op not in EXACT and node.op != "call":
                errors[node] = errors[node] + np.abs(own)
    return np.broadcast_to(errors[root], (len(x), 1 if name == "value" else x.shape[1]))


def _carried(landscape, node, a, e, own, x, v, all_alike):
    """What the errors of the arguments make of the result's."""
    op = node.op
    if op == "field":  # float64 numbers of the part, rounded once where they are constants()
        return np.abs(own) if node.args[0] in landscape.constants() else np.zeros((1, 1))
    if op in ("+", "-", "negative", "absolute"):
        return sum(e)
    if op == "*":
        return np.abs(a[0]) * e[1] + np.abs(a[1]) * e[0]
    if op in ("/", "ratio"):
        return (e[0] + np.abs(own) * e[1]) / np.abs(a[1])
    if op == "sqrt":
        return e[0] / (2 * own)
    if op == "exp":
        return np.abs(own) * e[0]
    if op == "log":
        return e[0] / np.abs(a[0])
    if op == "tanh":
        return e[0] * (1 - own * own)
    if op in ("sin", "cos"):
        return e[0] * np.abs((np.cos if op == "sin" else np.sin)(a[0]))
    if op == "where":
        return np.where(a[0] != 0, np.broadcast_to(e[1], x.shape), np.broadcast_to(e[2], x.shape))[:, : own.shape[1]]
    if op in ("larger", "smaller", "maximum", "minimum"):
        return np.maximum(e[0], e[1])
    if op in ("total", "largest", "smallest"):
        spread = np.abs(a[0]) if op == "total" else 0.0 * a[0]  # a sum of few coordinates: a rounding for each at most
        return (vec.total if op == "total" else vec.largest)(all_alike(node.inputs[0]) + spread * (x.shape[1] - 1))
    if op in ("product", "others"):
        share = all_alike(node.inputs[0]) / np.abs(a[0])
        return np.abs(own) * (vec.total(share) + x.shape[1])
    if op == "others_change":
        share = all_alike(node.inputs[0]) / np.abs(a[0])
        part = np.abs(a[1]) / np.abs(a[0])
        scale = np.abs(np.prod(a[0], axis=1, keepdims=True) / a[0])
        return scale * (
            vec.total(all_alike(node.inputs[1]) / np.abs(a[0])) + vec.total(part) * (vec.total(share) + x.shape[1])
        )
    if op == "shift":
        return vec.shift(all_alike(node.inputs[0]).copy(), node.args[1])
    if op == "at":
        return all_alike(node.inputs[0])[:, node.args[1] % x.shape[1]][:, None]
    if op == "call":
        target, name = node.args[0].rsplit(".", 1)
        return conditioning(getattr(landscape, target), name, x, v)
    return np.zeros((1, 1))


def _field(part, name):
    return getattr(part, name) if hasattr(part, name) else part.constants()[name]


def apart(found, expected, scale):
    """The largest difference, in units of ``scale`` times ``eps``; where ``scale`` is 0 there may be none."""
    known = np.isfinite(expected) & np.isfinite(scale)
    differs = np.abs(found - expected)[known]
    return float((differs / np.maximum(EPS * scale[known], np.finfo(np.float64).tiny)).max(initial=0.0))
