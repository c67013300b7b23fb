"""The C++ struct of a part, derived from its methods: what a compiled backend runs where nobody wrote one by hand."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..events import Event
from ..grids import Drawn, Grid
from ..landscapes.base import Landscape
from ..landscapes.finite_sum import FiniteSum
from ..noises import Noise
from ..optimizers.base import Optimizer
from ..part import Part
from .derived import recorded_landscape, structure_key
from .errors import TraceError, failed
from .finite_sums import summand
from .nodes import INTEGER, MASK, Graph, Level, Node, in_order
from .recording import Recording, State, argument, now_of, own_columns, parameter, record, wrapped
from .symbols import Symbol
from .text import DEAR, Assignment, Body, Writer, of_state, safe
from .wrapped import Callee

WIDE = 60
"""Lines' worth of operations from which on a method of a landscape is a function of its own on the CPU, and not inlined everywhere."""
DEAR_OF_POINTS = 8.0
"""Instructions from which on a landscape keeps a vector that it uses twice: CPU compilers compute long formulas again and again."""
_GRADIENT = {
    "gradient": "gradient({})",
    "gradient.value": "gradient.value({})",
    "gradient.hessian_product": "gradient.hessian_product({}, {})",
    "gradient.hessian_diagonal": "gradient.hessian_diagonal({})",
    "gradient.project": "gradient.project({})",
}


def _of_landscape(target: str, now: str, here: str = "landscape") -> dict[str, str]:
    one = {
        f"{target}.{name}": f"{here}.{name}({{}}, {now})"
        for name in ("value", "gradient", "hessian_diagonal", "project")
    }
    return one | {f"{target}.hessian_product": f"{here}.hessian_product({{}}, {{}}, {now})"}


@dataclass(frozen=True)
class Struct:
    """What follows from a part's methods: the text of its struct, and what a step needs of a device.

    ``pointwise``: what it does to one coordinate depends on no other; of a landscape: its derivatives and its projection. ``held``:
    vectors that a step holds at once beside the iterate, its state and one gradient.
    """

    text: str
    pointwise: bool
    held: int = 0


def struct_of(part: Part) -> str:
    """The text of the struct of a part's class, for its structure fields as they are.

    Raises:
        TraceError: a method does what cannot be recorded; the message names its line.
    """
    return derived_struct(part).text


def derived_struct(part: Part) -> Struct:
    """All that follows from the methods of a part.

    Raises:
        TraceError: a method does what cannot be recorded; the message names its line.
    """
    for kind, write in _KINDS.items():
        if isinstance(part, kind):
            try:
                return write(_one_of(part))
            except RecursionError:
                raise TraceError(
                    f"{type(part).__name__}: too many operations are nested in one another, as in a loop over coordinates; write it with "
                    f"slices, such as np.sum((x[1:] - x[:-1]) ** 2), or use backend='numpy'."
                ) from None
    raise TypeError(f"{type(part).__name__} is no part that a step sees.")


_FORMULAS: dict[tuple[Any, ...], str] = {}


def formula(part: Part) -> str:
    """The text of a part's struct, whatever its numbers are; empty where a method cannot be recorded."""
    one = _one_of(part)
    key = structure_key(one)
    if key not in _FORMULAS:
        try:
            _FORMULAS[key] = struct_of(one)
        except (TraceError, TypeError):
            _FORMULAS[key] = ""
    return _FORMULAS[key]


def _one_of(part: Part) -> Part:
    """The part with the first value of every grid."""
    changes = {}
    for f in fields(part):
        value = getattr(part, f.name)
        if isinstance(value, Grid):
            value = value.values[0]
        if isinstance(value, Drawn):
            value = value.law.typical()
        if isinstance(value, Part):
            value = _one_of(value)
        if value is not getattr(part, f.name) and f.init:
            changes[f.name] = value
    return dataclasses.replace(part, **changes) if changes else part


# ---- pieces that all structs have


def _members(part: Part) -> list[str]:
    """Declarations of the fields that lie in the struct, in order."""
    lines: list[str] = []
    numbers: list[str] = []

    def flush() -> None:
        if numbers:
            lines.append(f"number {', '.join(numbers)};")
            numbers.clear()

    for f in fields(part):
        kind = f.metadata.get("kind")
        if kind == "number":
            numbers.append(safe(f.name))
        elif kind in ("vector", "array", "inner"):
            flush()
            type_name = "Array" if kind == "array" else parameter(f.name)
            lines.append(f"{type_name} {safe(f.name)};")
    flush()
    numbers += [safe(name) for name in part.constants()]
    flush()
    return lines


def _template(part: Part) -> str:
    names = [f"class {parameter(f.name)}" for f in fields(part) if f.metadata.get("kind") in ("vector", "inner")]
    return f"template <{', '.join(names)}>\n" if names else ""


def _columns(part: Part) -> str:
    own = [safe(name) for name in own_columns(part)]
    inside = " + ".join(f"int({parameter(name)}::columns)" for name in wrapped(part))
    if inside:
        return f"enum Column {{ {', '.join([*own, f'own_, columns = own_ + {inside}' if own else f'columns = {inside}'])} }};"
    return f"enum Column {{ {', '.join([*own, 'columns'])} }};"


def _taken(part: Part) -> list[str]:
    return [safe(f.name) for f in fields(part)] + [safe(n) for n in part.constants()] + own_columns(part)


def _about(part: Part) -> str:
    """The first sentence of the class's docstring, as a comment."""
    text = inspect.getdoc(type(part)) or ""
    lines = (
        text.strip().split("\n\n")[0].splitlines() if text and not text.startswith(f"{type(part).__name__}(") else []
    )
    return "".join(f"// {line.strip()}\n" for line in lines)


def _struct(part: Part, base: str, members: Sequence[str], methods: Sequence[str]) -> str:
    name = safe(type(part).__name__)
    inside = [*members, *(line for method in methods for line in method.splitlines())]
    body = "\n".join(f"    {line}" if line else "" for line in inside)
    return f"{_about(part)}{_template(part)}struct {name}{base} {{\n{body}\n}};\n"


def _method(head: str, body: Body, last: Callable[[Body], list[str]]) -> str:
    lines = [*body.lines, *last(body)]
    return head + " {\n" + "\n".join(f"    {line}" for line in lines) + "\n}"


def _vector_result(result: Node) -> Callable[[Body], list[str]]:
    def last(body: Body) -> list[str]:
        if result.level < Level.VECTOR or result.op == "field":  # a vector's field may be one number for all
            return [f"return everywhere({body.result});"]
        if body.passes_on:
            return [f"return make_operand<const Vec&>({body.result});"]
        return [f"return {body.result};"]

    return last


def _used(name: str, body: Body) -> str:
    return f" {name}" if any(re.search(rf"\b{name}\b", line) for line in (*body.lines, body.result)) else ""


# ---- optimizers


def _optimizer(part: Part) -> Struct:
    assert isinstance(part, Optimizer)

    def prepare(graph: Graph, known: Mapping[str, Any]) -> tuple[Any, ...]:
        state = State(part, graph, known["assignments"])
        return argument(graph, "x"), Callee(graph, "gradient"), state, now_of(part, graph)

    recording = record(part, "step", prepare)
    body = _written(
        part, recording, _GRADIENT | {f"{n}.step": f"{safe(n)}.step({{}}, {{}}, {{}}, {{}})" for n in wrapped(part)}
    )
    result = "Vec" if body.of_locals else "auto"
    names = [_used(n, body) for n in ("x", "gradient", "s", "now")]
    head = (
        "template <class Gradient, class Now>\n"
        f"HD {result} step(const Vec&{names[0]}, const Gradient&{names[1]}, State&{names[2]}, const Now&{names[3]}) const"
    )
    method = _method(head, body, _vector_result(recording.result))
    text = _struct(part, "", [*_members(part), _columns(part), *_state(part)], [method])
    draws = sum(n.op == "draw" and n.level == Level.VECTOR for n in in_order(recording.result, *_changes(recording)))
    return Struct(text, body.pointwise, body.held + draws)


def _changes(recording: Recording) -> list[Node]:
    return [a.value for a in recording.assignments if isinstance(a, Assignment)]


def _state(part: Part) -> list[str]:
    kept = [(f"Vec {of_state(n)};", f"visit({of_state(n)});") for n in part.vectors]
    kept += [(f"integer {of_state(n)};", f"visit({of_state(n)});") for n in part.integers]
    kept += [(f"typename {parameter(n)}::State {n};", f"{n}.each(visit);") for n in wrapped(part)]
    if not kept:
        return ["using State = Stateless;"]
    lines = ["struct State {", *(f"    {declared}" for declared, _ in kept)]
    lines += [
        "    template <class Visit>",
        "    HD void each(Visit&& visit) {",
        *(f"        {v}" for _, v in kept),
        "    }",
    ]
    shown = part.reported()  # type: ignore[attr-defined]
    if shown is not None:
        path = ".".join(of_state(name) for name in shown.split("."))
        lines.append(f"    friend HD const Vec& reported(const State& s, const Vec&) {{ return s.{path}; }}")
    return [*lines, "};"]


def _written(part: Part, recording: Recording, calls: Mapping[str, str], dear: float = DEAR) -> Body:
    writer = Writer(calls, _taken(part), recording.graph.names, dear)
    return writer.write(recording.assignments, recording.result)


# ---- noises


def _noise(part: Part) -> Struct:
    def prepare(graph: Graph, known: Mapping[str, Any]) -> tuple[Any, ...]:
        now = now_of(part, graph, landscape=None)
        return argument(graph, "x"), argument(graph, "g", handed=True), Callee(graph, "landscape"), now

    recording = record(part, "apply", prepare)
    inside = {f"{n}.apply": f"{safe(n)}.apply({{}}, {{}}, {{}}, {{}})" for n in wrapped(part)}
    body = _written(part, recording, _of_landscape("landscape", "now.landscape()") | inside)
    result = "Vec" if body.of_locals else "auto"
    names = [_used(n, body) for n in ("x", "g", "landscape", "now")]
    head = (
        "template <class G, class Landscape, class Now>\n"
        f"HD {result} apply(const Vec&{names[0]}, G&&{names[1]}, const Landscape&{names[2]}, const Now&{names[3]}) const"
    )

    def last(body: Body) -> list[str]:
        if recording.result.op == "argument" and recording.result.args[1]:
            return [f"return make_operand<G>({body.result});"]
        return _vector_result(recording.result)(body)

    places = " + ".join(["1", *(f"places_of<{parameter(n)}>" for n in wrapped(part))])
    counted = [f"static constexpr int places = {places};"] if wrapped(part) else []
    methods = [*_gradient_of_inner(part), _method(head, body, last)]
    text = _struct(part, "", [*_members(part), _columns(part), *counted], methods)
    return Struct(text, body.pointwise, body.held)


def _gradient_of_inner(part: Part) -> list[str]:
    """Where a noise wraps others: the gradient of the one that draws batches."""
    names = wrapped(part)
    if not names:
        return []
    now = now_of(part, Graph(), landscape=None)
    says = " || ".join(f"::gives_gradient<{parameter(n)}>" for n in names)
    lines: list[str] = []
    for n in names:
        lines += [
            f"    {'} else ' if lines else ''}if constexpr (::gives_gradient<{parameter(n)}>) {{",
            f"        return {safe(n)}.gradient(x, landscape, {getattr(now, n)._text});",
        ]
    head = "template <class Landscape, class Now>\nHD Vec gradient(const Vec& x, const Landscape& landscape, const Now& now) const {"
    return [f"static constexpr bool gives_gradient = {says};", "\n".join([head, *lines, "    }", "}"])]


# ---- events


def _event(part: Part) -> Struct:
    def prepare(graph: Graph, known: Mapping[str, Any]) -> tuple[Any, ...]:
        shown = Symbol(graph.leaf("argument", "now.shown", False, level=Level.VECTOR))
        return argument(graph, "x"), Callee(graph, "landscape"), now_of(part, graph, shown=shown)

    recording = record(part, "check", prepare)
    graph, found = recording.graph, recording.result
    if found.level == Level.VECTOR:
        raise failed(
            f"{type(part).__name__}.check returns one value for each coordinate; give one for each instance, as of total(...)"
        )
    if found.kind == MASK:
        found = graph.apply("where", found, graph.constant(1), graph.constant(0))
    if found.kind != INTEGER:
        found = graph.apply("to_integer", found)
    recording.result = found
    inside = {f"{n}.check": f"{safe(n)}.check({{}}, {{}}, {{}})" for n in wrapped(part)}
    body = _written(part, recording, _of_landscape("landscape", "now") | inside)
    names = [_used(n, body) for n in ("x", "landscape", "now")]
    head = (
        "template <class Landscape, class Now>\n"
        f"HD integer check(const Vec&{names[0]}, const Landscape&{names[1]}, const Now&{names[2]}) const"
    )
    method = _method(head, body, lambda b: [f"return {b.result};"])
    return Struct(_struct(part, "", [*_members(part), _columns(part)], [method]), body.pointwise)


# ---- finite sums


def _finite_sum(part: Part) -> Struct:
    assert isinstance(part, FiniteSum)
    found = summand(part)

    def body(node: Node) -> Body:
        made = Writer({}, _taken(part), found.graph.names, DEAR_OF_POINTS).write([], node)
        row = ["const auto row = sample.row();"] if _used("row", made) else []
        return dataclasses.replace(made, lines=[*row, *made.lines])

    def number(name: str, first: str, node: Node) -> str:
        made = body(node)
        text = made.result if node.level == Level.INSTANCE else f"broadcast({made.result})"
        point = first if _used(first[-1], made) else first[:-2]
        head = f"template <class S>\nHD scalar {name}({point}, const S&{_used('sample', made)}) const"
        return _method(head, made, lambda b: [f"return {text};"])

    def addition(name: str, to: str, along: str, node: Node) -> str:
        made = body(node)
        text = made.result if node.level == Level.VECTOR else f"everywhere({made.result})"
        lines = [*made.lines, f"{to} = {to} + sample.only({text});"]
        head = f"template <class S>\nHD void {name}(Vec& {to}, const Vec& x, {along}const S& sample) const"
        return head + " {\n" + "\n".join(f"    {line}" for line in lines) + "\n}"

    entries = f"dim() + {found.extras}" if part.entries >= part.dimension else str(part.entries)
    methods = [f"HD int stride() const {{ return whole_blocks_of({entries}); }}"]
    if found.linear:
        asked = {"loss_of": found.loss, "slope_of": found.slope, "bend_of": found.bend}
        methods += [number(name, "const scalar& z", node) for name, node in asked.items()]
    else:
        methods += [
            number("loss", "const Vec& x", found.loss),
            addition("add_gradient", "g", "", found.slope),
            addition("add_product", "h", "const Vec& v, ", found.bend),
            addition("add_diagonal", "h", "", found.diagonal),
        ]
    base = f" : {'LinearSum' if found.linear else 'FiniteSum'}<{safe(type(part).__name__)}{_arguments(part)}>"
    return Struct(_struct(part, base, [*_members(part), _columns(part)], methods), False, 2)


# ---- landscapes


def _landscape(part: Part) -> Struct:
    assert isinstance(part, Landscape)
    found = recorded_landscape(part)
    calls: dict[str, str] = {}
    for f in fields(part):
        if f.metadata.get("kind") == "inner":
            calls |= _of_landscape(f.name, "now", safe(f.name))
    methods, pointwise = [], {"gradient", "hessian_product", "hessian_diagonal"} <= found.keys()
    for name, recording in found.items():
        body = _written(part, recording, calls, DEAR_OF_POINTS)
        pointwise &= body.pointwise or name == "value"
        methods.append(_of_a_landscape(name, body, recording.result))
    if "hessian_product" in found and "hessian_diagonal" not in found:
        methods.append(_DIAGONAL_BY_PRODUCTS)
    base = f" : NoConstraint<{safe(type(part).__name__)}{_arguments(part)}>" if calls else " : Unconstrained"
    text = _struct(part, base if "project" not in found else "", [*_members(part), _columns(part)], methods)
    return Struct(text, pointwise)


_DIAGONAL_BY_PRODUCTS = """\
template <class Now>
CALLED Vec hessian_diagonal(const Vec& x, const Now& now) const {
    Vec diagonal = zero();
    ROLLED for (int i = 0; i < dim(); ++i) {
        const Vec direction = where(index() == i, real(1), real(0));
        const Vec product = hessian_product(x, direction, now);
        diagonal = where(index() == i, product, diagonal);
    }
    return diagonal;
}"""
"""Coordinate by coordinate, where the diagonal does not follow otherwise: what ``derived.py`` does in NumPy."""


def _arguments(part: Part) -> str:
    names = [parameter(f.name) for f in fields(part) if f.metadata.get("kind") in ("vector", "inner")]
    return f"<{', '.join(names)}>" if names else ""


def _of_a_landscape(name: str, body: Body, result: Node) -> str:
    arguments = ["const Vec& x"] if name != "hessian_product" else ["const Vec& x", "const Vec& v"]
    arguments = [a if _used(a[-1], body) else a[:-2] for a in arguments]
    now = f"const Now&{_used('now', body)}"
    if name == "value":
        text = body.result if result.level == Level.INSTANCE else f"broadcast({body.result})"
        head = f"template <class Now>\nHD scalar value({', '.join(arguments)}, {now}) const"
        return _method(head, body, lambda b: [f"return {text};"])
    given = "class Now"
    if name == "project":  # of an expression
        given, arguments = "class G, class Now", [f"G&&{_used('x', body)}"]
    if not body.of_locals:
        head = f"template <{given}>\nHD auto {name}({', '.join(arguments)}, {now}) const"
        handed = name == "project" and result.op == "argument"
        last = [f"return make_operand<G>({body.result});"] if handed else _vector_result(result)(body)
        return _method(head, body, lambda b: last)
    # a vector that outlives those it was made of is taken first: on the CPU they lie in an arena like a stack
    lines = ["Vec result;", "const Scope scope;", *body.lines, f"store(result, {body.result});", "return result;"]
    kind = "CALLED" if len(body.lines) > WIDE // 10 else "HD"
    head = f"template <{given}>\n{kind} Vec {name}({', '.join(arguments)}, {now}) const"
    return head + " {\n" + "\n".join(f"    {line}" for line in lines) + "\n}"


_KINDS: dict[type[Part], Callable[[Part], Struct]] = {
    Optimizer: _optimizer,
    Noise: _noise,
    Event: _event,
    FiniteSum: _finite_sum,
    Landscape: _landscape,
}
