"""The algebra in which derivatives are written: the same operations, with what is zero, one, alike or masked put together.

What an author writes is never changed. What derivatives add is: terms of one product are merged, factors that two terms share are
taken out, constants are multiplied together, and a mask moves outwards, so that the result is near what one would write by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .nodes import MASK, Graph, Level, Node

Term = tuple[float, Node | None]
"""A constant times a product; None: the constant alone."""


class Algebra:
    """Operations on the nodes of one graph, simplified."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.zero, self.one = graph.constant(0.0), graph.constant(1.0)

    def number(self, value: float) -> Node:
        return self.graph.constant(float(value))

    def is_zero(self, node: Node) -> bool:
        return node.kind != MASK and node.constant is not None and node.constant == 0

    # ---- products

    def _factors(self, node: Node) -> tuple[float, list[Node]]:
        """A node as a constant and what it is multiplied by."""
        if node.constant is not None and node.kind != MASK:
            return float(node.constant), []
        if node.op == "negative":
            c, rest = self._factors(node.args[0])
            return -c, rest
        if node.op == "*":
            (a, left), (b, right) = (self._factors(n) for n in node.args)
            return a * b, left + right
        return 1.0, [node]

    def _power(self, node: Node, n: int) -> Node:
        if n == 1:
            return node
        half = self._power(node, n // 2)
        square = self.graph.apply("*", half, half)
        return self.graph.apply("*", square, node) if n % 2 else square

    def _product(self, constant: float, factors: Sequence[Node]) -> Node:
        """The product, what is the same for all coordinates first."""
        if constant == 0:
            return self.zero
        counted = Counter(factors)
        ordered = sorted(counted, key=lambda n: (n.level, n.order))
        groups: list[Node | None] = []
        for level in Level:
            made: Node | None = None
            for node in ordered:
                if node.level == level:
                    powered = self._power(node, counted[node])
                    made = powered if made is None else self.graph.apply("*", made, powered)
            groups.append(made)
        if abs(constant) != 1:
            head = self._scaled_sum(constant, ordered, counted)
            if head is not None:
                return head
            low = next((k for k, g in enumerate(groups) if g is not None), 0)
            group = groups[low]
            groups[low] = (
                self.number(constant) if group is None else self.graph.apply("*", self.number(constant), group)
            )
        whole: Node | None = None
        for group in groups:
            if group is not None:
                whole = group if whole is None else self.graph.apply("*", whole, group)
        if whole is None:
            return self.number(constant)
        return self.graph.apply("negative", whole) if constant == -1 else whole

    def _scaled_sum(self, constant: float, factors: Sequence[Node], counted: Counter[Node]) -> Node | None:
        """The product with its constant inside a factor that is a sum, where fewer constants are left."""
        for node in factors:
            if node.op not in ("+", "-") or counted[node] > 1:
                continue
            terms = self._terms(node)
            before = 1 + sum(abs(c) != 1 for c, core in terms if core is not None)
            scaled = [(constant * c, core) for c, core in terms]
            if sum(abs(c) != 1 for c, core in scaled if core is not None) < before:
                rest = [n for n in factors for _ in range(counted[n]) if n is not node]
                return self.multiply(self._sum(scaled), self._product(1.0, rest)) if rest else self._sum(scaled)
        return None

    def multiply(self, *nodes: Node) -> Node:
        """The product of all."""
        if any(self.is_zero(n) for n in nodes):
            return self.zero
        for k, node in enumerate(nodes):
            if node.op == "where" and any(self.is_zero(n) for n in node.args[1:]):
                condition, a, b = node.args
                rest = nodes[:k] + nodes[k + 1 :]
                return self.where(condition, self.multiply(a, *rest), self.multiply(b, *rest)) if rest else node
        constant = 1.0
        factors: list[Node] = []
        for node in nodes:
            c, more = self._factors(node)
            constant, factors = constant * c, factors + more
        return self._product(constant, factors)

    def negative(self, node: Node) -> Node:
        return self.multiply(self.number(-1.0), node)

    def divide(self, a: Node, b: Node) -> Node:
        if self.is_zero(a):
            return self.zero
        if b.constant is not None:
            return self.multiply(self.number(1.0 / b.constant), a)
        if a.op == "where" and any(self.is_zero(n) for n in a.args[1:]):
            return self.where(a.args[0], self.divide(a.args[1], b), self.divide(a.args[2], b))
        if a is b:
            return self.one
        constant, factors = self._factors(a)
        if b in factors:
            factors.remove(b)
            return self._product(constant, factors)
        low = [n for n in factors if n.level <= b.level]
        high = [n for n in factors if n.level > b.level]
        if high:  # divide what is the same for all coordinates once
            return self.multiply(self.graph.apply("/", self._product(constant, low), b), *high)
        return self.graph.apply("/", a, b)

    # ---- sums

    def _terms(self, node: Node) -> list[Term]:
        if node.op == "+":
            return self._terms(node.args[0]) + self._terms(node.args[1])
        if node.op == "-":
            return self._terms(node.args[0]) + [(-c, core) for c, core in self._terms(node.args[1])]
        constant, factors = self._factors(node)
        if not factors:
            return [(constant, None)]
        return [(constant, self._product(1.0, factors))]

    def _sum(self, terms: Sequence[Term]) -> Node:
        merged: dict[Node | None, float] = {}
        for constant, core in terms:
            merged[core] = merged.get(core, 0.0) + constant
        kept = [(c, core) for core, c in merged.items() if c != 0]
        if not kept:
            return self.zero
        kept.sort(key=lambda term: term[0] < 0)
        whole: Node | None = None
        for constant, core in kept:
            size = abs(constant)
            text = (
                self.number(size)
                if core is None
                else core
                if size == 1
                else self._product(size, self._factors(core)[1])
            )
            if whole is None:
                whole = self.negative(text) if constant < 0 else text
            else:
                whole = self.graph.apply("+" if constant > 0 else "-", whole, text)
        assert whole is not None
        return whole

    def add(self, a: Node, b: Node) -> Node:
        if self.is_zero(a):
            return b
        if self.is_zero(b):
            return a
        if a.op == "where" and b.op == "where" and a.args[0] is b.args[0]:
            return self.where(a.args[0], self.add(a.args[1], b.args[1]), self.add(a.args[2], b.args[2]))
        both = self._terms(a) + self._terms(b)
        if len({core for _, core in both}) < len(both):
            return self._sum(both)
        (ca, left), (cb, right) = self._factors(a), self._factors(b)
        shared = list((Counter(left) & Counter(right)).elements())
        if shared:
            for node in shared:
                left.remove(node)
                right.remove(node)
            if (left and right) or len(shared) > 1:
                inside = self.add(self._product(ca, left), self._product(cb, right))
                return self.multiply(self._product(1.0, shared), inside)
        (ca, left), (cb, right) = self._factors(a), self._factors(b)
        if cb < 0:
            return self.graph.apply("-", a, self._product(-cb, right))
        if ca < 0:
            return self.graph.apply("-", b, self._product(-ca, left))
        return self.graph.apply("+", a, b)

    def subtract(self, a: Node, b: Node) -> Node:
        return self.add(a, self.negative(b))

    # ---- choices

    def where(self, condition: Node, a: Node, b: Node) -> Node:
        if condition.constant is not None:
            return a if condition.constant else b
        if _always(condition):
            return a
        a, b = self._assumed(a, condition, True), self._assumed(b, condition, False)
        if a is b:
            return a
        return self.graph.apply("where", condition, a, b)

    def _assumed(self, node: Node, condition: Node, holds: bool) -> Node:
        """What a choice is where a condition holds, or does not."""
        while node.op == "where":
            other = node.args[0]
            if other is condition:
                node = node.args[1 if holds else 2]
            elif holds and _exclude(condition, other):
                node = node.args[2]
            else:
                break
        return node

    # ---- the rest

    def apply(self, op: str, *arguments: Node | float | int) -> Node:
        return self.graph.apply(op, *arguments)

    def total(self, node: Node) -> Node:
        """The sum over the coordinates; of what is the same for all, that many times it."""
        if self.is_zero(node):
            return self.zero
        if node.level < Level.VECTOR:
            return self.multiply(self.graph.leaf("dim", level=Level.NUMBER), node)
        constant, factors = self._factors(node)
        outside = [n for n in factors if n.level < Level.VECTOR]
        inside = [n for n in factors if n.level == Level.VECTOR]
        return self.multiply(self.number(constant), *outside, self.graph.apply("total", self._product(1.0, inside)))

    def index(self, offset: int = 0) -> Node:
        return self.graph.leaf("index", offset, level=Level.VECTOR)

    def only(self, i: int, value: Node) -> Node:
        """A vector that is ``value`` in coordinate i, and 0 elsewhere."""
        return self.where(self.graph.apply("==", self.index(), self.graph.constant(i)), value, self.zero)


def _always(condition: Node) -> bool:
    """Whether a condition on coordinates' numbers holds for all of them."""
    if condition.kind != MASK or len(condition.inputs) != 2 or condition.args[0].op != "index":
        return False
    offset, limit = condition.args[0].args[0], condition.args[1]
    if condition.op == ">=" and limit.constant is not None:
        return bool(limit.constant <= offset)
    if condition.op == "<":
        if limit.op == "dim":
            return bool(offset <= 0)
        if limit.op == "-" and limit.args[0].op == "dim" and limit.args[1].constant is not None:
            return bool(offset + limit.args[1].constant <= 0)
    return False


def _exclude(a: Node, b: Node) -> bool:
    """Whether two conditions ask for different coordinates."""
    same = a.op == b.op == "==" and a.args[0] is b.args[0] and a.args[0].op == "index"
    return same and a.args[1].constant is not None and b.args[1].constant is not None and a.args[1] is not b.args[1]
