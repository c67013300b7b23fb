"""Derivatives of recorded formulas: gradient by one reverse pass, Hessian product by a forward pass over it, Hessian diagonal exactly."""

from __future__ import annotations

from collections.abc import Callable

from .nodes import OPERATIONS, Level, Node, in_order, replaced
from .simplify import Algebra
from .symbols import FARTHEST, shifted
from .text import DEAR

Rule = Callable[[Algebra, Node, Node], list[Node | None]]


class NotDerivedError(ValueError):
    """An operation of which there is no derivative of that kind."""


# ---- one operation: what its arguments' derivatives are multiplied by


def partials(k: Algebra, node: Node) -> list[Node]:
    """The derivative of an elementwise operation by each of its arguments; a choice's condition has none."""
    args = node.inputs
    if node.op == "+":
        return [k.one, k.one]
    if node.op == "-":
        return [k.one, k.number(-1.0)]
    if node.op == "negative":
        return [k.number(-1.0)]
    if node.op == "*":
        return [args[1], args[0]]
    if node.op in ("/", "ratio"):
        inverse = k.divide(k.one, args[1]) if node.op == "/" else k.apply("ratio", k.one, args[1])
        return [inverse, k.negative(k.multiply(node, inverse))]
    if node.op == "sqrt":
        return [k.divide(k.number(0.5), node)]
    if node.op == "exp":
        return [node]
    if node.op == "log":
        return [k.divide(k.one, args[0])]
    if node.op == "tanh":
        return [k.subtract(k.one, k.multiply(node, node))]
    if node.op == "sin":
        return [k.apply("cos", args[0])]
    if node.op == "cos":
        return [k.negative(k.apply("sin", args[0]))]
    if node.op == "absolute":
        return [k.where(k.apply("<", args[0], 0.0), k.number(-1.0), k.one)]
    if node.op == "power":
        base, exponent = args
        by_base = k.multiply(exponent, k.apply("power", base, k.subtract(exponent, k.one)))
        return [by_base, k.multiply(node, k.apply("log", base))]
    choice = choice_of(k, node)
    if choice is not None:
        condition, first = choice
        mine, other = k.where(condition, k.one, k.zero), k.where(condition, k.zero, k.one)
        if node.op == "where":
            return [k.zero, mine, other]
        return [mine, other] if first else [other, mine]
    raise NotDerivedError(node.op)


def choice_of(k: Algebra, node: Node) -> tuple[Node, bool] | None:
    """The condition under which an operation takes one of its arguments, and whether that is the first."""
    args = node.inputs
    if node.op == "where":
        return args[0], True
    if node.op == "larger":
        return k.apply("<", *args), False
    if node.op == "smaller":
        return k.apply(">", *args), False
    if node.op in ("maximum", "minimum"):
        order = k.apply(">=" if node.op == "maximum" else "<=", *args)
        return k.apply("|", order, k.apply("!=", args[0], args[0])), True
    return None


ELEMENTWISE = frozenset(
    "+ - * / negative sqrt exp log tanh sin cos absolute power where larger smaller maximum minimum ratio".split()
)


# ---- gradient


def gradient(k: Algebra, root: Node, x: Node, size: int = 0) -> Node:
    """The gradient of ``root``, one number for each instance, by the vector ``x``. ``size``: the dimension, where it is fixed."""
    order = in_order(root)
    depends = {x}
    for node in order:
        if any(a in depends for a in node.inputs):
            depends.add(node)
    adjoints: dict[Node, Node] = {root: k.one}
    single: dict[int, Node] = {}

    def give(to: Node, value: Node, of: Node) -> None:
        if to not in depends or k.is_zero(value):
            return
        if of.level == Level.VECTOR and to.level < Level.VECTOR:
            value = k.total(value)
        adjoints[to] = k.add(adjoints[to], value) if to in adjoints else value

    for node in reversed(order):
        if node not in adjoints or node not in depends or node is x:
            continue
        g = adjoints[node]
        if node.op in ELEMENTWISE:
            if node.op == "*" and node.args[0] is node.args[1]:
                give(node.args[0], k.multiply(k.number(2.0), g, node.args[0]), node)
                continue
            choice = choice_of(k, node)
            if choice is not None:
                condition, in_front = choice
                a, b = node.inputs[-2:] if in_front else reversed(node.inputs[-2:])
                give(a, k.where(condition, g, k.zero), node)
                give(b, k.where(condition, k.zero, g), node)
                continue
            if node.op == "/":
                share = k.divide(g, node.args[1])
                give(node.args[0], share, node)
                if node.args[1] in depends:
                    give(node.args[1], k.negative(k.multiply(share, node)), node)
                continue
            if node.op in ("sqrt", "log"):
                scale = k.number(0.5) if node.op == "sqrt" else k.one
                give(node.args[0], k.divide(k.multiply(scale, g), node if node.op == "sqrt" else node.args[0]), node)
                continue
            for argument, partial in zip(node.inputs, partials(k, node), strict=True):
                give(argument, k.multiply(g, partial), node)
        elif node.op == "total":
            give(node.args[0], g, node.args[0])
        elif node.op == "product":
            give(node.args[0], k.multiply(g, k.apply("others", node.args[0])), node.args[0])
        elif node.op in ("largest", "smallest"):
            first = k.apply("first_index", k.apply("==", node.args[0], node))
            give(node.args[0], k.where(k.apply("==", k.index(), first), g, k.zero), node.args[0])
        elif node.op == "at":
            if node.args[0] is x:
                at = node.args[1] + (size if node.args[1] < 0 else 0)
                single[at] = k.add(single[at], g) if at in single else g
            else:
                give(node.args[0], k.only(node.args[1], g), node.args[0])
        elif node.op == "shift":
            give(node.args[0], moved(k, g, -node.args[1]), node.args[0])
        elif node.op == "call":
            _give_call(k, node, g, give)
        elif node.op not in ("first_index", "to_real"):
            raise NotDerivedError(node.op)
    return k.by_cases(k.add(adjoints.get(x, k.zero), _chosen(k, single, size)))


def _give_call(k: Algebra, node: Node, g: Node, give: Callable[[Node, Node, Node], None]) -> None:
    target, _, name = str(node.args[0]).rpartition(".")
    y = node.inputs[0]
    if name == "value":
        slope = k.graph.leaf("call", f"{target}.gradient", y, level=Level.VECTOR)
        give(y, k.multiply(g, slope), y)
    elif name == "gradient":
        give(y, k.graph.leaf("call", f"{target}.hessian_product", y, g, level=Level.VECTOR), y)
    else:
        raise NotDerivedError(f"{target}.{name}")


def _chosen(k: Algebra, single: dict[int, Node], size: int) -> Node:
    """A vector of which some coordinates are given, 0 elsewhere."""
    whole = k.zero
    for i in sorted(single, reverse=True):
        if size and i == size - 1 and len(single) == size:
            whole = single[i]
        elif size and len(single) == size:
            whole = k.where(k.apply("<", k.index(), k.graph.constant(i + 1)), single[i], whole)
        else:
            whole = k.where(k.apply("==", k.index(), k.graph.constant(i)), single[i], whole)
    return whole


def moved(k: Algebra, node: Node, by: int) -> Node:
    """What a vector is in the coordinate ``by`` further on, 0 past the ends."""
    if by == 0 or (node.level < Level.VECTOR and k.is_zero(node)):
        return node
    cheap = all(OPERATIONS[n.op].cost < DEAR for n in in_order(node) if n.op in OPERATIONS and n.level == Level.VECTOR)
    cheap = cheap and not any(n.op in ("call", "draw", "butterfly", "others", "state", "row") for n in in_order(node))
    if node.level == Level.VECTOR and not cheap:
        return shifted(node, by)

    def change(n: Node) -> Node | None:
        if n.level < Level.VECTOR:
            return n
        if n.op == "shift":
            base, total = n.args[0], n.args[1] + by
            return base if not total else shifted(base, total) if abs(total) <= FARTHEST else shifted(n, by)
        if n.op == "index":
            return k.index(n.args[0] + by)
        return shifted(n, by) if n.op in ("argument", "field") else None

    memo: dict[Node, Node] = {}
    for n in in_order(node):  # what a shift moves is moved as a whole
        if n.op == "shift":
            memo[n] = change(n) or n
    inside = replaced(node, change, memo, lambda op, args: k.where(*args) if op == "where" else None)
    graph = k.graph
    here = k.index()
    if by < 0:
        return k.where(graph.apply(">=", here, graph.constant(-by)), inside, k.zero)
    end = graph.apply("-", graph.leaf("dim", level=Level.NUMBER), graph.constant(by))
    return k.where(graph.apply("<", here, end), inside, k.zero)


# ---- Hessian times a vector


def tangent(k: Algebra, root: Node, x: Node, v: Node) -> Node:
    """The derivative of ``root`` as ``x`` moves along ``v``."""
    moving: dict[Node, Node] = {x: v}
    for node in in_order(root):
        if node in moving or not any(a in moving for a in node.inputs):
            continue
        moving[node] = _slope(k, node, [moving.get(a, k.zero) for a in node.inputs])
    return k.by_cases(moving.get(root, k.zero))


def _slope(k: Algebra, node: Node, slopes: list[Node]) -> Node:
    if node.op in ELEMENTWISE:
        choice = choice_of(k, node)
        if choice is not None:
            condition, in_front = choice
            a, b = slopes[-2:] if in_front else slopes[:-3:-1]
            return k.where(condition, a, b)
        if node.op == "*" and node.args[0] is node.args[1]:
            return k.multiply(k.number(2.0), node.args[0], slopes[0])
        if node.op == "/":
            return k.divide(k.subtract(slopes[0], k.multiply(node, slopes[1])), node.args[1])
        if node.op == "sqrt":
            return k.divide(k.multiply(k.number(0.5), slopes[0]), node)
        if node.op == "log":
            return k.divide(slopes[0], node.args[0])
        whole = k.zero
        for partial, slope in zip(partials(k, node), slopes, strict=True):
            if not k.is_zero(slope):
                whole = k.add(whole, k.multiply(partial, slope))
        return whole
    if node.op == "total":
        return k.total(slopes[0])
    if node.op == "at":
        return slopes[0] if slopes[0].level < Level.VECTOR else k.apply("at", slopes[0], node.args[1])
    if node.op == "shift":
        if slopes[0].level < Level.VECTOR:
            return moved(k, k.add(k.multiply(k.zero, k.index()), slopes[0]), node.args[1])
        return shifted(slopes[0], node.args[1])
    if node.op == "product":
        return k.total(k.multiply(k.apply("others", node.args[0]), slopes[0]))
    if node.op == "others":
        return k.apply("others_change", node.args[0], slopes[0])
    if node.op in ("largest", "smallest"):
        first = k.apply("first_index", k.apply("==", node.args[0], node))
        return k.total(k.where(k.apply("==", k.index(), first), slopes[0], k.zero))
    if node.op == "call":
        target, _, name = str(node.args[0]).rpartition(".")
        y = node.inputs[0]
        if name == "value":
            return k.total(k.multiply(k.graph.leaf("call", f"{target}.gradient", y, level=Level.VECTOR), slopes[0]))
        if name == "gradient":
            return k.graph.leaf("call", f"{target}.hessian_product", y, slopes[0], level=Level.VECTOR)
    if node.op in ("first_index", "to_real", "<", "<=", ">", ">=", "==", "!=", "&", "|"):
        return k.zero
    raise NotDerivedError(node.op)


# ---- diagonal of the Hessian


class Diagonal:
    """How coordinate i of a node changes with x_(i + m): exact, for what is elementwise, shifted or made of sums."""

    def __init__(self, k: Algebra, x: Node, size: int) -> None:
        self.k, self.x, self.size = k, x, size
        self._known: dict[tuple[Node, int], Node] = {}

    def of(self, node: Node, m: int = 0) -> Node:
        for each in in_order(node):
            if (each, m) not in self._known:
                self._known[each, m] = self._made(each, m)
        return self._known[node, m]

    def _by_itself(self, node: Node) -> bool:
        """Whether each coordinate of a vector depends on the same coordinate of x alone."""
        of_x = [n for n in in_order(node) if self.x in in_order(n)]
        return all(n is self.x or (n.op in ELEMENTWISE and n.level == Level.VECTOR) for n in of_x)

    def _made(self, node: Node, m: int) -> Node:
        k = self.k
        if node is self.x:
            return k.one if m == 0 else k.zero
        if not any(self.x in in_order(a) for a in node.inputs):
            return k.zero
        if node.level < Level.VECTOR:
            if node.kind != "real":
                return k.zero
            slope = gradient(k, node, self.x, self.size)
            return slope if m == 0 else moved(k, slope, m)
        if node.op == "shift":
            inside, by = node.args
            return moved(k, self.of(inside, m - by), by)
        if node.op in ELEMENTWISE:
            return _slope(k, node, [self.of(a, m) for a in node.inputs])
        if node.op == "others":
            if m == 0 and self._by_itself(node.args[0]):
                return k.zero
            raise NotDerivedError(node.op)
        if node.op == "call" and node.args[0].endswith(".gradient") and node.inputs[0] is self.x and m == 0:
            target = node.args[0].removesuffix(".gradient")
            return k.graph.leaf("call", f"{target}.hessian_diagonal", self.x, level=Level.VECTOR)
        if node.kind != "real":
            return k.zero
        raise NotDerivedError(node.op)


def diagonal(k: Algebra, slope: Node, x: Node, size: int = 0) -> Node:
    """The diagonal of the Hessian, given the gradient ``slope``.

    Raises:
        NotDerivedError: the formula has an operation that mixes coordinates otherwise than by sums and shifts.
    """
    return k.by_cases(Diagonal(k, x, size).of(slope))
