"""The C++ text of recorded nodes, as a person would have written it: the author's operations in the author's order.

What is used once stands where it is used. A vector is stored where another operation moves its coordinates, where a call needs it,
where it is dear and used again, and where a state that it was made of is about to change; other names stand for expressions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .nodes import INTEGER, LEAVES, MASK, OPERATIONS, Handed, Level, Node, in_order

DEAR = 15.0
"""Instructions for a coordinate from which on a vector that is used twice is stored, wherever it is used."""
WORTH_KEEPING = 6.0
"""The same where it is used in several passes over the coordinates, which no compiler joins."""
MOVERS = frozenset({"shift", "at", "butterfly", "others", "others_change"})
"""Operations that need their vectors stored."""
REDUCTIONS = frozenset({"total", "largest", "smallest", "first_index", "product", "rescale"})
_INFIX = {"*": 8, "/": 8, "+": 7, "-": 7, "<": 6, "<=": 6, ">": 6, ">=": 6, "==": 5, "!=": 5, "&": 4, "|": 3}
_PRIMARY, _UNARY = 10, 9
_REDUCERS = {"total": "sum", "largest": "max", "smallest": "min", "first_index": "first_index", "product": "product"}
_OF_LENGTHS = {"length_size": "size", "length_unit": "unit"}
_OF_VECTORS = {
    "sqrt": "sqrt",
    "absolute": "abs",
    "ratio": "ratio_of",
    "others": "others_of",
    "others_change": "others_change_of",
    "butterfly": "butterfly_of",
}
_OF_NUMBERS = {
    "sqrt": "square_root",
    "absolute": "absolute",
    "/": "quotient",
    "ratio": "ratio_of_scalars",
    "power": "elementary::pow",
}
RESERVED = frozenset(
    "alignas alignof and asm auto bool break case catch char class compl const constexpr continue decltype default delete do double "
    "else enum explicit export extern false float for friend goto if inline int long mutable namespace new noexcept not nullptr "
    "operator or private protected public register return short signed sizeof static struct switch template this throw true try "
    "typedef typeid typename union unsigned using virtual void volatile while xor x v s now state gradient landscape index dim sum max "
    "min dot where shift at real scalar mask integer number quotient broadcast absolute square_root muladd elementary Vec Vector Array "
    "Scope scope "
    "columns Column State step value apply check project lanes width dim words exp log sin cos tanh sqrt abs power larger smaller "
    "maximum minimum y result product others random Gradient Now Landscape Stream NOISE START PERTURBATION MINIBATCH PROBE "
    "EVENT SHUFFLE any all sign places passed settled rescale zero lane_in_group held t".split()
)
"""Names that mean something in the text of a struct: a field called so has an underscore after it there."""


_KEYWORDS = RESERVED - frozenset("x v s now state index dim sum max min y t words".split()) | {
    "visit",
    "each",
}


def of_state(name: str) -> str:
    """A state's name in C++, a member of ``s``."""
    name = "".join(c if c.isascii() else f"_u{ord(c):x}" for c in name)
    return f"{name}_" if name in _KEYWORDS else name


def safe(name: str) -> str:
    """A field's or a class's name in C++, whose letters are those of English."""
    name = "".join(c if c.isascii() else f"_u{ord(c):x}" for c in name)
    return f"{name}_" if name in RESERVED or name.startswith("ENSEMBLE") else name


@dataclass(frozen=True)
class Assignment:
    """A state that is changed, at its place among the operations. ``order``: how many nodes there were before."""

    name: str
    old: Node
    value: Node
    order: int


@dataclass(frozen=True)
class Effect:
    """A call that changes what a wrapped part remembers, at its place among the operations."""

    call: Node
    order: int


@dataclass(frozen=True)
class Body:
    """Statements and the result of a method. ``of_locals``: the result refers to vectors of the method's own.

    ``pointwise``: what it does to one coordinate depends on no other. ``held``: its own vectors that live at once while a sum is
    taken, coordinates move or a function is called; elsewhere a coordinate of each is enough at a time.
    """

    lines: Sequence[str]
    result: str
    of_locals: bool
    passes_on: bool
    pointwise: bool
    held: int


class Writer:
    """Writes one method. ``calls``: how what is not recorded is called, with ``{}`` for its arguments."""

    def __init__(
        self, calls: Mapping[str, str], taken: Iterable[str], names: Mapping[Node, str], dear: float = DEAR
    ) -> None:
        self.calls, self.given, self.dear = calls, names, dear
        self.taken = {*RESERVED, *taken} - {"y"}
        self.lines: list[str] = []
        self.named: dict[Node, str] = {}
        self.stored: set[Node] = set()
        self.local: set[Node] = set()
        self.how: dict[Node, str] = {}
        self.uses: dict[Node, int] = {}
        self.results: set[Node] = set()
        self.pointwise = True
        self.life: list[Node | None] = []
        """Vectors of the method's own where they are made or read, in order; None where all coordinates are gone through."""
        self.most_inside = 0

    # ---- what is named, and how

    def plan(self, roots: Sequence[Node]) -> None:
        """Decides which nodes have names of their own: parents before what they are made of."""
        nodes = in_order(*roots)
        parents: dict[Node, list[Node]] = defaultdict(list)
        for node in nodes:
            for argument in node.inputs:
                parents[argument].append(node)
        self.results = {roots[-1]}
        self.uses = {node: len(parents[node]) + sum(root is node for root in roots) for node in nodes}
        costs = self._costs(nodes)
        passes: dict[Node, set[object]] = {}
        for node in reversed(nodes):
            found: set[object] = {("root", k) for k, root in enumerate(roots) if root is node}
            moved = False
            for parent in parents[node]:
                head = parent.level < Level.VECTOR or parent.op in MOVERS or parent.op == "call"
                if head or self.how.get(parent) == "stored":
                    found.add(parent)
                else:
                    found |= passes[parent]
                moved |= parent.op in MOVERS or (parent.op == "call" and parent.args[0] != "gradient.project")
            passes[node] = found
            self.how[node] = self._decision(node, costs[node], len(found), moved)

    def _costs(self, nodes: Sequence[Node]) -> dict[Node, float]:
        costs: dict[Node, float] = {}
        for node in nodes:
            own = OPERATIONS[node.op].cost if node.op in OPERATIONS else {"call": 100.0, "draw": 40.0}.get(node.op, 0.0)
            inside = sum(
                0.0 if (self.uses[a] > 1 and costs[a] >= self.dear) or a.level < Level.VECTOR else costs[a]
                for a in node.inputs
            )
            costs[node] = own + (inside if node.op not in ("call", *MOVERS) else 0.0)
        return costs

    def _decision(self, node: Node, cost: float, passes: int, moved: bool) -> str:
        if node.op == "argument" and node.args[1]:  # an expression that is handed down
            return "stored" if moved or self.uses[node] > 1 else "inline"
        if node.op in LEAVES - {"call", "draw"}:
            return (
                "stored" if moved and node.op not in ("argument", "state") and node.level == Level.VECTOR else "inline"
            )
        if node.level < Level.VECTOR:
            alone = node.op not in REDUCTIONS and node.op != "call"
            return "inline" if self.uses[node] == 1 and (alone or node in self.results) else "named"
        if node.kind == MASK:
            return "named" if self.uses[node] > 1 and cost > 1 else "inline"
        if moved:
            return "stored"
        if self.uses[node] > 1:
            if cost >= self.dear or (passes > 1 and cost >= WORTH_KEEPING):
                return "stored"
            return "named" if cost > 1 else "inline"
        return "inline"

    # ---- statements

    def write(self, done: Sequence[Assignment | Effect], result: Node) -> Body:
        """The whole method."""
        assignments = [a for a in done if isinstance(a, Assignment)]
        roots = [*(a.value for a in assignments), result]
        reached = set(in_order(*roots))
        alone = [e.call for e in done if isinstance(e, Effect) and e.call not in reached]
        self.plan([*alone, *roots])
        k = -1
        for place, assignment in enumerate(done):
            if isinstance(assignment, Effect):
                if not self._waits(assignment, done[place + 1 :], result):
                    self._store(assignment.call)
                continue
            k += 1
            value = self.expression(assignment.value)
            for node in self._to_keep(assignment, roots[k + 1 :]):
                self._store(node)
            target = f"s.{of_state(assignment.name)}"
            if assignment.value.level < assignment.old.level:
                value = f"everywhere({value})"
            self.lines.append(f"{target} = {value};")
        text = self.expression(result)
        of_locals = any(n in self.local for n in self._reached(result))
        return Body(self.lines, text, of_locals, result.op == "argument", self.pointwise, self._held())

    def _held(self) -> int:
        """Vectors of its own that live at once where all coordinates are gone through."""
        first: dict[Node, int] = {}
        last: dict[Node, int] = {}
        for place, node in enumerate(self.life):
            if node is not None:
                first.setdefault(node, place)
                last[node] = place
        through = [place for place, node in enumerate(self.life) if node is None]
        return max([self.most_inside, *(sum(first[n] < p < last[n] for n in first) for p in through)])

    def _gone_through(self, node: Node) -> None:
        """Notes an operation that needs all coordinates of its vectors at once."""
        if node.op == "call":
            name = node.args[0].rpartition(".")[2]
            self.pointwise &= name != "value"
            if name in ("hessian_diagonal", "project", "apply", "check"):
                return
            read = [n for a in node.inputs for n in self._reached(a) if n in self.local]
            self.life += [*read, None, *read]
        elif node.op in MOVERS or node.op in REDUCTIONS:
            self.pointwise = False
            self.life.append(None)

    def _waits(self, effect: Effect, later: Sequence[Assignment | Effect], result: Node) -> bool:
        """Whether a call may stand where its result is used: nothing is done before."""
        following = later[0] if later else None
        if isinstance(following, Effect):
            return False
        return effect.call in in_order(following.value if following else result)

    def _to_keep(self, assignment: Assignment, later: Sequence[Node]) -> list[Node]:
        """What was made of a state before it changes, and is used afterwards."""
        nodes = in_order(*later)
        old: set[Node] = {assignment.old}
        for node in nodes:
            if not self._settled(node) and any(a in old for a in node.inputs):
                old.add(node)
        kept = []
        for node in nodes:
            if node not in old or node.order >= assignment.order:
                continue
            used_later = any(root is node for root in later) or any(
                node in parent.inputs and parent.order >= assignment.order and parent not in self.named
                for parent in nodes
            )
            if used_later:
                kept.append(node)
        return kept

    def _settled(self, node: Node) -> bool:
        """Whether a node's numbers are already at hand, and not only an expression of them."""
        return node in self.stored or (node in self.named and node.level < Level.VECTOR)

    def _reached(self, node: Node) -> list[Node]:
        """The nodes that the text of ``node`` refers to, through names of expressions but not of stored values."""
        found, waiting = [], [node]
        while waiting:
            each = waiting.pop()
            found.append(each)
            if self._settled(each):
                continue
            waiting += [a for a in each.inputs if a.level == Level.VECTOR]
        return found

    def _fresh(self, node: Node) -> str:
        wanted = self.given.get(node, "")
        if not wanted.strip("_") or not wanted.isidentifier() or not wanted.isascii():
            wanted = {Level.VECTOR: "w", Level.INSTANCE: "r", Level.NUMBER: "n"}[node.level]
        return self._free(wanted)

    def _free(self, wanted: str) -> str:
        name, k = wanted, 1
        while name in self.taken:
            name, k = f"{wanted.rstrip('_')}{k}", k + 1
        self.taken.add(name)
        return name

    def _store(self, node: Node) -> None:
        if node not in self.named:
            self._declare(node, self._text(node)[0], stored=True)
        if node.level == Level.VECTOR and node not in self.stored:  # an expression, of what is about to change
            self._evaluate(node)

    def _evaluate(self, node: Node) -> None:
        """Has what was named as an expression be numbers."""
        name = self.named[node]
        place = next((k for k, line in enumerate(self.lines) if line.startswith(f"const auto {name} = ")), None)
        if place is None:
            return
        if node.kind == MASK:
            text, kept = (
                self.lines[place].removeprefix(f"const auto {name} = ").removesuffix(";"),
                self._free(f"{name}_kept"),
            )
            new = [f"const Vec {kept} = where({text}, everywhere(real(1)), everywhere(real(0)));"]
            self.lines[place : place + 1] = [*new, f"const auto {name} = {kept} > real(0);"]
        else:
            self.lines[place] = self.lines[place].replace("const auto", "const Vec", 1)
        self._hold(node)

    def _declare(self, node: Node, text: str, stored: bool) -> None:
        name = self._fresh(node)
        if node.level == Level.VECTOR:
            kind = "const Vec" if stored and node.kind != MASK else "const auto"
        elif node.level == Level.INSTANCE:
            # not const: what g++ makes of constant vectors' sums is a sixth slower
            kind = {MASK: "const mask", INTEGER: "const integer"}.get(node.kind, "scalar")
            text = f"as_mask({text})" if node.kind == MASK else text
        else:
            kind = "const auto"
        if stored and node.level == Level.VECTOR:
            self._hold(node)
        self.lines.append(f"{kind} {name} = {text};")
        self.named[node] = name

    def _rescale(self, node: Node) -> None:
        """A vector that is divided by its length's unit in place, and its length."""
        rescale = node.args[0]
        if rescale in self.named:
            return
        text, name, length = self.expression(rescale.args[0]), self._fresh(node), self._free("l")
        self._gone_through(rescale)
        self.lines += [f"Vec {name} = {text};", f"const Length {length} = rescale({name});"]
        self.named |= {node: name, rescale: length}
        self._hold(node)

    def _hold(self, node: Node) -> None:
        self.stored.add(node)
        self.local.add(node)
        self.life.append(node)

    # ---- expressions

    def expression(self, node: Node) -> str:
        """The text of a node, after the statements that it needs."""
        return self._inside(node)[0]

    def _inside(self, node: Node) -> tuple[str, int]:
        if node.op == "rescaled":
            self._rescale(node)
        if node in self.named:
            self.life += [n for n in self._reached(node) if n in self.local]
            return self.named[node], _PRIMARY
        how = self.how[node]
        if how == "inline":
            return self._text(node)
        self._declare(node, self._text(node)[0], how == "stored")
        return self.named[node], _PRIMARY

    def _at_least(self, node: Node, level: int) -> str:
        text, own = self._inside(node)
        return text if own >= level else f"({text})"

    def _text(self, node: Node) -> tuple[str, int]:
        text = self._of_operation(node)
        self._gone_through(node)
        return text

    def _of_operation(self, node: Node) -> tuple[str, int]:
        op, args = node.op, node.args
        if op in _INFIX:
            return self._infix(node)
        if op in LEAVES:
            return self._leaf(node)
        if op == "negative":
            return f"-{self._at_least(args[0], _UNARY)}", _UNARY
        if op in _OF_LENGTHS:
            self._rescale(next(n for n in self.how if n.op == "rescaled" and n.args[0] is args[0]))
            return f"{self.named[args[0]]}.{_OF_LENGTHS[op]}", _PRIMARY
        if op == "shift":
            return f"shift<{args[1]}>({self.expression(args[0])})", _PRIMARY
        if op == "at":
            place = str(args[1]) if args[1] >= 0 else f"dim() - {-args[1]}"
            return f"at({self.expression(args[0])}, {place})", _PRIMARY
        if op in ("to_real", "to_integer"):
            return self._converted(node)
        if op == "where":
            return self._where(node), _PRIMARY
        if op in _REDUCERS:
            return f"{_REDUCERS[op]}({self.expression(args[0])})", _PRIMARY
        texts = [self.expression(a) for a in node.inputs]
        if node.level < Level.VECTOR:
            texts = [t if a.level else f"broadcast({t})" for t, a in zip(texts, node.inputs, strict=True)]
            if op in ("sqrt", "absolute") and not node.inputs[0].level:
                texts = [self.expression(node.inputs[0])]
            name = _OF_NUMBERS.get(
                op, f"elementary::{op}" if op in ("exp", "log", "tanh", "sin", "cos") else f"{op}_of"
            )
        else:
            name = _OF_VECTORS.get(op, op)
        return f"{name}({', '.join(texts)})", _PRIMARY

    def _infix(self, node: Node) -> tuple[str, int]:
        a, b = node.args
        own = _INFIX[node.op]
        if node.op in ("&", "|"):  # in brackets: compilers warn of a < b & c
            return f"{self._mask(a, node.level)} {node.op} {self._mask(b, node.level)}", own
        if node.op == "/" and node.level < Level.VECTOR:
            return f"quotient({self.expression(a)}, {self.expression(b)})", _PRIMARY
        if INTEGER in (a.kind, b.kind) and node.level < Level.VECTOR:
            texts = [self._integer(n, own + k) for k, n in enumerate((a, b))]
        elif "index" in (a.op, b.op) and node.kind == MASK:
            texts = [self._whole(n, own + k) for k, n in enumerate((a, b))]
        else:
            texts = [self._at_least(n, own + k) for k, n in enumerate((a, b))]
        return f"{texts[0]} {node.op} {texts[1]}", own

    def _mask(self, node: Node, level: Level) -> str:
        text = self.expression(node)
        if node in self.named:
            return text
        return f"({text})" if level == Level.VECTOR else f"as_mask({text})"

    def _whole(self, node: Node, level: int) -> str:
        """A side of a comparison with coordinates' numbers, as a whole number where it is one."""
        if node.op == "index":
            return (
                f"index() + {node.args[0]}"
                if node.args[0] > 0
                else f"index() - {-node.args[0]}"
                if node.args[0]
                else "index()"
            )
        if node.constant is not None and float(node.constant).is_integer():
            return str(int(node.constant))
        if node.op == "dim":
            return "dim()"
        if node.op in ("+", "-") and node.args[0].op == "dim" and node.args[1].constant is not None:
            return f"dim() {node.op} {int(node.args[1].constant)}"
        return self._at_least(node, level)

    def _where(self, node: Node) -> str:
        condition, a, b = node.args
        if node.level < Level.VECTOR:
            test = (
                f"as_mask({self.expression(condition)})" if condition not in self.named else self.expression(condition)
            )
            if node.kind == INTEGER:
                return f"where({test}, {self._integer(a, 0)}, {self._integer(b, 0)})"
            sides = [t if n.level else f"broadcast({t})" for n, t in ((n, self.expression(n)) for n in (a, b))]
            return f"where({test}, {sides[0]}, {sides[1]})"
        return f"where({self.expression(condition)}, {self.expression(a)}, {self.expression(b)})"

    def _converted(self, node: Node) -> tuple[str, int]:
        inside = node.args[0]
        if node.op == "to_integer":
            return self._integer(inside, 0), _PRIMARY
        return f"to_real({self.expression(inside)})", _PRIMARY

    def _integer(self, node: Node, level: int) -> str:
        """A whole number of the instance."""
        if node.constant is not None:
            return f"integer_of({int(node.constant)})"
        if node.op == "step":
            return "integer_of(now.t)"
        if node.kind == INTEGER:
            return self._at_least(node, level)
        if node.op == "where" and node not in self.named:
            condition = node.args[0]
            test = f"as_mask({self.expression(condition)})"
            return f"where({test}, {self._integer(node.args[1], 0)}, {self._integer(node.args[2], 0)})"
        return f"to_integer({self.expression(node)})"

    def _leaf(self, node: Node) -> tuple[str, int]:
        op, args = node.op, node.args
        if op == "constant":
            return constant(args[0]) if node.level < Level.VECTOR else (f"everywhere({constant(args[0])[0]})", _PRIMARY)
        if op == "field":
            return safe(args[0]), _PRIMARY
        if op == "column":
            return f"now[{safe(args[0])}]", _PRIMARY
        if op == "step":
            return "real(now.t)", _PRIMARY
        if op == "dim":
            return "real(dim())", _PRIMARY
        if op == "index":
            return f"(index() * real(1){f' + real({args[0]})' if args[0] else ''})", _PRIMARY
        if op == "state":
            return f"s.{of_state(args[0])}", _PRIMARY
        if op == "argument":
            return (f"static_cast<G&&>({args[0]})" if args[1] else args[0]), _PRIMARY
        if op == "draw":
            return args[0], _PRIMARY
        if op == "row":
            return f"{safe(args[0])}.row({args[1]})", _PRIMARY
        if op == "element":
            return f"{safe(args[0])}[{args[1]}]", _PRIMARY
        texts = [self._handed_down(a) for a in args[1:]]
        return self.calls[args[0]].format(*texts), _PRIMARY

    def _handed_down(self, given: object) -> str:
        """An argument of a call."""
        if isinstance(given, Node):
            return self.expression(given)
        if isinstance(given, Handed):
            return self._function(given)
        return str(given)

    def _function(self, function: Handed) -> str:
        """A gradient that is changed on its way: a function of its own, written before it is handed down."""
        inside = Writer(self.calls, (), self.given)
        point = self._free("y")
        inside.taken, inside.named = self.taken, {**self.named, function.point: point}
        body = inside.write([], function.result)
        self.pointwise &= body.pointwise
        self.most_inside = max(self.most_inside, body.held)
        name = self._free(function.name if function.name.isidentifier() else "changed")
        text = f"everywhere({body.result})" if function.result.level < Level.VECTOR else body.result
        self.lines += [f"const auto {name} = [&](const Vec& {point}) INLINED -> Vec {{"]
        self.lines += [*(f"    {line}" for line in body.lines), f"    return {text};", "};"]
        return f"passed(gradient, {name})"


def constant(value: float) -> tuple[str, int]:
    """A number as a literal of the program's type."""
    if isinstance(value, bool):
        return str(value).lower(), _PRIMARY
    whole = isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e15)
    if value != value or value in (float("inf"), float("-inf")):
        return {"nan": 'real(__builtin_nan(""))', "inf": "real(__builtin_inf())"}.get(
            str(value), "real(-__builtin_inf())"
        ), _PRIMARY
    text = repr(int(value)) if whole and str(float(value)) != "-0.0" else repr(float(value))
    return f"real({text})", _PRIMARY
