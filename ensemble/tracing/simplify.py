"""The algebra in which derivatives are written: the same operations, with what is zero, one, alike or masked put together.

What an author writes is never changed. What derivatives add is: terms of one product are merged, factors that two terms share are
taken out, constants are multiplied together, and a mask moves outwards, so that the result is near what one would write by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from .nodes import MASK, Graph, Level, Node, in_order

Term = tuple[float, Node | None]
"""A constant times a product; None: the constant alone."""


class Algebra:
    """Operations on the nodes of one graph, simplified."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._given = len(graph)
        self.zero, self.one = graph.constant(0.0), graph.constant(1.0)

    def _of_author(self, node: Node) -> bool:
        """Whether an operation was there before: what is made of it stays in one piece, to be computed once."""
        return node.order < self._given

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
        if node.op == "/" and node.args[1].constant:
            a, left = self._factors(node.args[0])
            return a / node.args[1].constant, left
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
        if constant != 1:
            head = self._scaled_within(constant, ordered, counted)
            if head is not None:
                return head
        if abs(constant) != 1:
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

    def _constants(self, node: Node) -> int:
        """How many multiplications by constants a sum or a choice has; of what is the same for all instances they cost nothing."""
        if node.op == "where":
            return self._constants(node.args[1]) + self._constants(node.args[2])
        terms = self._terms(node)
        return sum(abs(c) != 1 for c, core in terms if core is not None and core.level > Level.NUMBER)

    def _scaled_within(self, constant: float, factors: Sequence[Node], counted: Counter[Node]) -> Node | None:
        """The product with its constant inside a factor that is a sum or a choice, where fewer constants are left."""
        free = abs(constant) == 1 or any(n.level == Level.NUMBER for n in factors)
        for node in factors:
            if node.op not in ("+", "-", "where") or counted[node] > 1 or node.level == Level.NUMBER:
                continue
            if node.op != "where" and (constant == -1 or self._of_author(node)):
                continue
            before = self._constants(node) + (not free)
            if node.op == "where":
                scaled = self.where(node.args[0], *(self.multiply(self.number(constant), n) for n in node.args[1:]))
                fewer = self._constants(scaled) < before
            else:
                terms = self._terms(node)
                scaled = self._sum([(constant * c, core) for c, core in terms])
                alone = any(core is None or core.level == Level.NUMBER for _, core in terms)
                fewer = self._constants(scaled) < before + (alone and not free)
            if fewer:
                rest = [n for n in factors for _ in range(counted[n]) if n is not node]
                return self.multiply(scaled, self._product(1.0, rest)) if rest else scaled
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
        return self._product(constant, self._joined(factors))

    def _joined(self, factors: list[Node]) -> list[Node]:
        """Factors, choices under one condition made one."""
        choices: dict[Node, Node] = {}
        kept: list[Node] = []
        for node in factors:
            if node.op != "where":
                kept.append(node)
            elif node.args[0] in choices:
                condition, a, b = choices[node.args[0]].args
                choices[condition] = self.where(
                    condition, self.multiply(a, node.args[1]), self.multiply(b, node.args[2])
                )
            else:
                choices[node.args[0]] = node
        for node in choices.values():
            kept += self._factors(node)[1] if node.op != "where" else [node]
        return kept

    def negative(self, node: Node) -> Node:
        return self.multiply(self.number(-1.0), node)

    def divide(self, a: Node, b: Node) -> Node:
        if self.is_zero(a):
            return self.zero
        if b.constant:
            return self.multiply(self.number(1.0 / b.constant), a)
        if b.level == Level.NUMBER and a is not self.one:  # once for all instances
            constant, factors = self._factors(a)
            if b in factors:
                factors.remove(b)
                return self._product(constant, factors)
            return self.multiply(self.number(constant), self.graph.apply("/", self.one, b), *factors)
        if a.op == "where" and any(self.is_zero(n) for n in a.args[1:]):
            return self.where(a.args[0], self.divide(a.args[1], b), self.divide(a.args[2], b))
        if a is b:
            return self.one
        constant, factors = self._factors(a)
        if b in factors:
            factors.remove(b)
            return self._product(constant, factors)
        for node in factors:
            if node.op == "/" and node.level == b.level and not self._of_author(node):  # one division less
                factors.remove(node)
                above = self.multiply(self.number(constant), *factors, node.args[0])
                return self.divide(above, self.multiply(node.args[1], b))
        low = [n for n in factors if n.level <= b.level]
        high = [n for n in factors if n.level > b.level]
        if high:  # divide what is the same for all coordinates once
            return self.multiply(self.graph.apply("/", self._product(constant, low), b), *high)
        return self.graph.apply("/", a, b)

    # ---- sums

    def _terms(self, node: Node, through: bool = False) -> list[Term]:
        """What a sum adds up; ``through``: also what the author's sums add up, and those within a constant times a sum."""
        if node.op in ("+", "-") and (through or not self._of_author(node)):
            sign = 1.0 if node.op == "+" else -1.0
            second = self._terms(node.args[1], through)
            return self._terms(node.args[0], through) + [(sign * c, core) for c, core in second]
        constant, factors = self._factors(node)
        if len(factors) == 1 and factors[0].op in ("+", "-") and (through or not self._of_author(factors[0])):
            return [(constant * c, core) for c, core in self._terms(factors[0], through)]
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
        joined = self._joined_sum(a, b)
        if joined is not None:
            return joined
        parts = self._terms(a) + self._terms(b)
        if len({core for _, core in parts}) < len(parts):
            return self._sum(parts)
        single = self._terms(a, through=True) + self._terms(b, through=True)
        if len({core for _, core in single}) < min(len(single), len(parts) + 1):
            return self._sum(single)
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
        if abs(ca) == abs(cb) != 1 and left and right and all(max(n.level for n in f) for f in (left, right)):
            inside = self.add(self._product(1.0, left), self._product(cb / ca, right))
            return self.multiply(self.number(ca), inside)
        if cb < 0:
            return self.graph.apply("-", a, self._product(-cb, right))
        if ca < 0:
            return self.graph.apply("-", b, self._product(-ca, left))
        return self.graph.apply("+", a, b)

    def _joined_sum(self, a: Node, b: Node) -> Node | None:
        """The sum of two products with choices under one condition, as one choice."""
        parts = [self._factors(node) for node in (a, b)]
        choices = [{n.args[0]: n for n in factors if n.op == "where"} for _, factors in parts]
        shared = sorted(choices[0].keys() & choices[1].keys(), key=lambda n: n.order)
        if not shared or any(choices[0][c] is choices[1][c] for c in shared):
            return None
        rest = []
        for (constant, factors), found in zip(parts, choices, strict=True):
            others = list(factors)
            others.remove(found[shared[0]])
            rest.append(self._product(constant, others))
        sides = (
            self.add(*(self.multiply(r, found[shared[0]].args[k]) for r, found in zip(rest, choices, strict=True)))
            for k in (1, 2)
        )
        return self.where(shared[0], *sides)

    def subtract(self, a: Node, b: Node) -> Node:
        return self.add(a, self.negative(b))

    # ---- choices

    def where(self, condition: Node, a: Node, b: Node) -> Node:
        condition, holds = self._usual(condition)
        if condition.constant is not None:
            return a if condition.constant == holds else b
        if not holds:
            a, b = b, a
        a, b = self._assumed(a, condition, True), self._assumed(b, condition, False)
        if a is b:
            return a
        outer = self._outer(condition, a, b)
        if outer is not None:
            p, q = ([n.args[k] if n.op == "where" and n.args[0] is outer else n for n in (a, b)] for k in (1, 2))
            return self.where(outer, self.where(condition, *p), self.where(condition, *q))
        return self.graph.apply("where", condition, a, b)

    def _usual(self, condition: Node) -> tuple[Node, bool]:
        """A condition on coordinates' numbers in the form ``index < n`` or ``index == n``, and whether it must hold or not."""
        if condition.op not in _NEAR or condition.args[0].op != "index":
            return condition, True
        limit = _whole(condition.args[1])
        if limit is None:
            offset = condition.args[0].args[0]
            if not offset:
                return condition, True
            to = self.graph.apply("+", condition.args[1], self.number(-offset))
            return self.graph.apply(condition.op, self.index(), to), True
        of_dim, n = limit[0], limit[1] - condition.args[0].args[0]
        more, holds = _NEAR[condition.op]
        op = "==" if condition.op in ("==", "!=") else "<"
        if op == "==" and (of_dim, n) == (False, 0):
            op, n = "<", 1
        elif op == "==" and (of_dim, n) == (True, -1):
            op, holds = "<", not holds
        elif op == "<":
            n += more
        if op == "<" and (n >= 0 if of_dim else n <= 0):
            return self.graph.constant(of_dim), holds
        node = self.graph.constant(n)
        if of_dim:
            size = self.graph.leaf("dim", level=Level.NUMBER)
            node = self.graph.apply("-", size, self.graph.constant(-n)) if n < 0 else size
        return self.graph.apply(op, self.index(), node), holds

    def _outer(self, condition: Node, a: Node, b: Node) -> Node | None:
        """A condition of a branch that was there before: choices are nested in one order, so that they can be joined."""
        earlier = [n.args[0] for n in (a, b) if n.op == "where" and n.args[0].order < condition.order]
        if not earlier:
            return None
        first = min(earlier, key=lambda n: n.order)
        plain = [n for n in (a, b) if not (n.op == "where" and n.args[0] is first)]
        return first if all(self.is_zero(n) for n in plain) else None

    def _assumed(self, node: Node, condition: Node, holds: bool) -> Node:
        """What a choice is where a condition holds, or does not."""
        if node.op != "where":
            return node
        asked, a, b = node.args
        known = self._decided(condition, holds, asked)
        if known is not None:
            return self._assumed(a if known else b, condition, holds)
        p, q = self._assumed(a, condition, holds), self._assumed(b, condition, holds)
        return node if p is a and q is b else self.where(asked, p, q)

    def _decided(self, condition: Node, holds: bool, asked: Node) -> bool | None:
        """Whether another condition holds where one holds, or does not; None where that says nothing."""
        if asked is condition:
            return holds
        known, other = _place(condition), _place(asked)
        if known is None or other is None or known[1] is not other[1]:
            return None
        apart = other[2] - known[2]
        if known[0] == "==":
            return (apart > 0 if other[0] == "<" else apart == 0) if holds else None
        if holds and apart >= 0:
            return other[0] == "<"
        if not holds and (apart < 0 or (apart == 0 and other[0] == "<")):
            return False
        return None

    def by_cases(self, node: Node) -> Node:
        """The same, one case after another, where several conditions compare coordinates' numbers with one of the instance."""
        of: dict[Node, list[Node]] = {}
        for each in in_order(node):
            place = _place(each.args[0]) if each.op == "where" else None
            if place is not None and place[1] is not None and place[1].level == Level.INSTANCE:
                of.setdefault(place[1], [])
                if each.args[0] not in of[place[1]]:
                    of[place[1]].append(each.args[0])
        for conditions in of.values():
            if len(conditions) > 1:
                node = self._split(node, sorted(conditions, key=lambda n: n.order))
        return node

    def _split(self, node: Node, conditions: Sequence[Node]) -> Node:
        if not conditions:
            return node
        yes, no = (self._within(node, conditions[0], holds) for holds in (True, False))
        if yes is node and no is node:
            return self._split(node, conditions[1:])
        return self.where(conditions[0], self._split(yes, conditions[1:]), self._split(no, conditions[1:]))

    def _within(self, node: Node, condition: Node, holds: bool) -> Node:
        """What a formula is in the coordinates where a condition holds, or does not."""
        found: dict[Node, Node] = {}
        for each in in_order(node):
            args = [found[a] for a in each.inputs]
            unchanged = all(p is q for p, q in zip(args, each.inputs, strict=True))
            if each.op == "where" and (known := self._decided(condition, holds, each.args[0])) is not None:
                found[each] = args[1] if known else args[2]
            elif unchanged or each.level < Level.VECTOR or each.op not in _MADE:
                found[each] = each
            else:
                found[each] = _MADE[each.op](self, *args)
        return found[node]

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
        if len(inside) == 1 and self._is_of_first(inside[0]):
            return self.multiply(self.number(constant), *outside, inside[0].args[1])
        return self.multiply(self.number(constant), *outside, self.graph.apply("total", self._product(1.0, inside)))

    def _is_of_first(self, node: Node) -> bool:
        """Whether a choice is 0 in all coordinates but the first, and there a number of the instance."""
        if node.op != "where" or not self.is_zero(node.args[2]) or node.args[1].level == Level.VECTOR:
            return False
        first = self.graph.apply("<", self.index(), self.graph.constant(1))
        return self._usual(node.args[0]) == (first, True)

    def index(self, offset: int = 0) -> Node:
        return self.graph.leaf("index", offset, level=Level.VECTOR)

    def only(self, i: int, value: Node) -> Node:
        """A vector that is ``value`` in coordinate i, and 0 elsewhere."""
        return self.where(self.graph.apply("==", self.index(), self.graph.constant(i)), value, self.zero)


_NEAR = {"<": (0, True), "<=": (1, True), ">": (1, False), ">=": (0, False), "==": (0, True), "!=": (0, False)}
"""Comparisons with a whole number, told by ``index < n + more`` or its contrary."""


def _whole(node: Node) -> tuple[bool, int] | None:
    """A whole number, or one that is told from the dimension: whether it is, and the rest."""
    if node.constant is not None and float(node.constant).is_integer():
        return False, int(node.constant)
    if node.op == "dim":
        return True, 0
    if node.op in ("+", "-") and node.args[0].op == "dim":
        rest = _whole(node.args[1])
        if rest is not None and not rest[0]:
            return True, rest[1] if node.op == "+" else -rest[1]
    return None


_MADE: dict[str, Callable[..., Node]] = {
    "+": Algebra.add,
    "-": Algebra.subtract,
    "*": Algebra.multiply,
    "/": Algebra.divide,
    "negative": Algebra.negative,
    "where": Algebra.where,
}
"""Operations that are made anew of other arguments."""


def _place(condition: Node) -> tuple[str, Node | None, float] | None:
    """A condition on coordinates' numbers as ``index < of + n`` or ``index == of + n``: the comparison, ``of`` and n."""
    if condition.op not in ("<", "==") or condition.args[0].op != "index":
        return None
    offset, limit = condition.args[0].args[0], condition.args[1]
    if limit.constant is not None:
        return condition.op, None, limit.constant - offset
    if limit.op in ("+", "-") and limit.args[1].constant is not None:
        n = limit.args[1].constant
        return condition.op, limit.args[0], (n if limit.op == "+" else -n) - offset
    return condition.op, limit, -offset
