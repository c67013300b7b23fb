"""Symbols: what stands for arrays while a method is recorded. They do what arrays do in the algebra, and write it down.

In a method of a part an array is (instances, dim) or (instances, 1), as NumPy's own would be. In a function of one point it is
(dim,) or a single number, and may be sliced: ``x[1:] - x[:-1]``.
"""

from __future__ import annotations

import numbers
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..arithmetic.coordinates import whole_power
from ..arithmetic.primitive import Recorded
from .errors import failed
from .nodes import INTEGER, MASK, Graph, Level, Node

FARTHEST = 4
"""How many coordinates a single shift reaches."""
_UFUNCS: dict[Any, str] = {
    np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/", np.less: "<", np.less_equal: "<=", np.greater: ">",
    np.greater_equal: ">=", np.equal: "==", np.not_equal: "!=", np.logical_and: "&", np.logical_or: "|", np.bitwise_and: "&",
    np.bitwise_or: "|", np.maximum: "maximum", np.minimum: "minimum", np.negative: "negative", np.absolute: "absolute",
    np.fabs: "absolute", np.sqrt: "sqrt", np.exp: "exp", np.log: "log", np.tanh: "tanh", np.sin: "sin", np.cos: "cos",
}  # fmt: skip
KNOWN = (
    "total, dot, largest, smallest, first_index, index, dim, where, shift, at, sqrt, exp, log, sin, cos, tanh, power, absolute, "
    "maximum, minimum"
)
"""What the algebra has, as errors tell it."""


class Symbol(Recorded):
    """What stands for one array. ``trim``: how many coordinates at the end a slice has not."""

    __slots__ = ("node", "point", "size", "trim")
    __array_priority__ = 1e6
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, node: Node, trim: int = 0, point: bool = False, size: int = 0) -> None:
        self.node, self.trim, self.point, self.size = node, trim, point, size
        if node.graph.living is not None:
            node.graph.living.append(weakref.ref(self))

    # ---- what it is

    def _like(self, node: Node, trim: int | None = None) -> Symbol:
        return Symbol(
            node, (self.trim if trim is None else trim) if node.level == Level.VECTOR else 0, self.point, self.size
        )

    @property
    def graph(self) -> Graph:
        return self.node.graph

    @property
    def dtype(self) -> _Dtype:
        return _Dtype()

    @property
    def ndim(self) -> int:
        return 2 if not self.point else int(self.node.level == Level.VECTOR)

    @property
    def shape(self) -> tuple[Any, ...]:
        coordinates = self._dim() if self.node.level == Level.VECTOR else 1
        if self.point:
            return (coordinates,) if self.node.level == Level.VECTOR else ()
        return ("instances", coordinates)

    @property
    def T(self) -> Symbol:  # noqa: N802
        if self.point:
            return self
        raise failed(
            "an array of many instances cannot be transposed while it is recorded; write total(a * b) for a product"
        )

    def _dim(self) -> Any:
        whole = self._like(self.graph.leaf("dim", level=Level.NUMBER))
        return whole - self.trim if self.trim else whole

    def __len__(self) -> int:
        if self.point and self.node.level == Level.VECTOR:
            return self.size - self.trim
        raise failed(
            "how many instances there are is not known while a method is recorded; write dim(x) for the coordinates"
        )

    # ---- operations

    def _operand(self, other: Any) -> Node:
        if isinstance(other, Symbol):
            if other.graph is not self.graph:
                raise failed("a value of another recording was kept; compute it anew in each call")
            vectors = self.node.level == other.node.level == Level.VECTOR
            if vectors and self.trim != other.trim:
                raise failed(
                    f"the operands have {_counted(self.trim)} and {_counted(other.trim)} coordinates; slice both alike, as x[1:] - x[:-1]"
                )
            return other.node
        if isinstance(other, (bool, np.bool_)):
            return self.graph.constant(bool(other))
        if isinstance(other, (numbers.Real, np.floating, np.integer)):
            return self.graph.constant(other if isinstance(other, int) else float(other))
        if isinstance(other, np.ndarray) and other.ndim == 0:
            return self.graph.constant(float(other))
        if isinstance(other, np.ndarray):
            remedy = "make it a parameter" if self.point else "give it to the part as a field (array or vector)"
            numbered = ", and write en.index(x) for the coordinates' numbers" if self.point else ""
            raise failed(f"an array of shape {other.shape} cannot enter what is recorded as it is; {remedy}{numbered}")
        if hasattr(other, "shape"):
            raise failed(
                f"{other.name} is an array {other.shape} and no vector of a point; take its entries, {other.name}[k]"
            )
        raise failed(
            f"a {type(other).__name__} cannot be combined with coordinates; give a number or an array of the algebra"
        )

    def _apply(self, op: str, *arguments: Any) -> Symbol:
        nodes = [self._operand(a) for a in arguments]
        trims = {a.trim for a in arguments if isinstance(a, Symbol) and a.node.level == Level.VECTOR}
        if len(trims) > 1:
            raise failed("the operands have different numbers of coordinates; slice all alike, as in x[1:] - x[:-1]")
        return self._like(self.graph.apply(op, *nodes), trims.pop() if trims else 0)

    def __add__(self, other: Any) -> Symbol:
        return self._apply("+", self, other)

    def __radd__(self, other: Any) -> Symbol:
        return self._apply("+", other, self)

    def __sub__(self, other: Any) -> Symbol:
        return self._apply("-", self, other)

    def __rsub__(self, other: Any) -> Symbol:
        return self._apply("-", other, self)

    def __mul__(self, other: Any) -> Symbol:
        return self._apply("*", self, other)

    def __rmul__(self, other: Any) -> Symbol:
        return self._apply("*", other, self)

    def __truediv__(self, other: Any) -> Symbol:
        return self._apply("/", self, other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return self._apply("/", other, self)

    def __neg__(self) -> Symbol:
        return self._apply("negative", self)

    def __pos__(self) -> Symbol:
        return self

    def __abs__(self) -> Symbol:
        return self._apply("absolute", self)

    def __lt__(self, other: Any) -> Symbol:
        return self._apply("<", self, other)

    def __le__(self, other: Any) -> Symbol:
        return self._apply("<=", self, other)

    def __gt__(self, other: Any) -> Symbol:
        return self._apply(">", self, other)

    def __ge__(self, other: Any) -> Symbol:
        return self._apply(">=", self, other)

    def __eq__(self, other: object) -> Symbol:  # type: ignore[override]
        return self._apply("==", self, other)

    def __ne__(self, other: object) -> Symbol:  # type: ignore[override]
        return self._apply("!=", self, other)

    def __and__(self, other: Any) -> Symbol:
        return self._masks("&", self, other)

    def __rand__(self, other: Any) -> Symbol:
        return self._masks("&", other, self)

    def __or__(self, other: Any) -> Symbol:
        return self._masks("|", self, other)

    def __ror__(self, other: Any) -> Symbol:
        return self._masks("|", other, self)

    def __invert__(self) -> Symbol:
        if self.node.kind != MASK:
            raise failed("~ turns a condition round, and this is a number")
        return self._apply("==", self, False)

    def _masks(self, op: str, *arguments: Any) -> Symbol:
        made = self._apply(op, *arguments)
        if any(n.kind != MASK for n in made.node.inputs):
            raise failed(
                f"{op} joins conditions, and one of these is a number; write, for example, (a > 0) {op} (b > 0)"
            )
        return made

    def __pow__(self, exponent: Any) -> Symbol:
        if isinstance(exponent, Symbol):
            raise failed("a power by a traced number is power(base, exponent), for a base above 0")
        if isinstance(exponent, (float, np.floating)) and float(exponent).is_integer():
            exponent = int(exponent)
        if isinstance(exponent, (int, np.integer)) and not isinstance(exponent, bool):
            return whole_power(self, int(exponent))
        if exponent == 0.5:
            return self._apply("sqrt", self)
        if isinstance(exponent, (float, np.floating)):
            return self._apply("power", self, float(exponent))
        raise failed(f"x**{exponent!r}: give a number as the exponent")

    def __rpow__(self, base: Any) -> Symbol:
        return self._apply("power", base, self)

    def __matmul__(self, other: Any) -> Symbol:
        if self.point:
            return self.recorded("dot", self, other)
        raise failed("@ multiplies matrices, and these are arrays of many instances; write dot(a, b)")

    __rmatmul__ = __matmul__

    # ---- coordinates

    def __getitem__(self, key: Any) -> Symbol:
        if not self.point:
            return self._of_instances(key)
        if self.node.level != Level.VECTOR:
            raise failed("this is a single number, which has no coordinates to take")
        if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
            here = int(key) + (self.size - self.trim if key < 0 else 0)
            if not 0 <= here < self.size - self.trim:
                raise failed(
                    f"coordinate {key} was asked of {self.size - self.trim}; count from 0 to {self.size - self.trim - 1}"
                )
            return self._like(self.graph.apply("at", self.node, here))
        if isinstance(key, slice) and key.step in (None, 1):
            start, stop, _ = key.indices(self.size - self.trim)
            if start >= stop:
                raise failed(f"a slice [{key.start}:{key.stop}] of {self.size - self.trim} coordinates is empty")
            return self._like(shifted(self.node, start), self.size - (stop - start))
        raise failed("coordinates are taken as x[3], x[1:], x[:-1] or x[1:-1]")

    def _of_instances(self, key: Any) -> Symbol:
        every = slice(None)
        if isinstance(key, tuple) and len(key) == 2 and key[0] == every:
            coordinate = key[1]
            if self.node.level < Level.VECTOR:
                if coordinate in (0, every, slice(None, 1)):
                    return self
            elif coordinate == every:
                return self
            elif isinstance(coordinate, slice) and coordinate.step is None:
                start, stop = coordinate.start or 0, coordinate.stop
                if stop is not None and stop - start == 1 and start >= 0:
                    return self._like(self.graph.apply("at", self.node, start))
        raise failed("coordinates of all instances are taken as x[:, 3:4] or at(x, 3), and moved by shift(x, 1)")

    def __setitem__(self, key: Any, value: Any) -> None:
        raise failed("arrays are not changed in place while a method is recorded; write where(index(x) == 0, a, b)")

    def __iter__(self) -> Iterator[Symbol]:
        if self.point and self.node.level == Level.VECTOR:
            return iter([self[k] for k in range(self.size - self.trim)])
        raise failed(
            "a loop over instances cannot be recorded; write total, shift, at or where, which act on all at once"
        )

    # ---- what arrays do and symbols cannot

    def __bool__(self) -> bool:
        raise failed(
            "a method is recorded before there are numbers: `if`, `and`, `while` cannot look at one; write where(condition, a, b)"
        )

    def __float__(self) -> float:
        raise failed("a method is recorded before there are numbers; write en.sin(x) or np.sin(x) and not math.sin(x)")

    __int__ = __complex__ = __float__

    def __index__(self) -> int:
        raise failed(
            "a whole number is needed here, and this one is only known when it runs; annotate a parameter of the function as "
            "`n: int`, or make a field of the class a structure()"
        )

    def __round__(self, digits: int = 0) -> Any:
        raise failed(f"round() cannot be recorded; there are {KNOWN}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise failed(f".{name} cannot be recorded; there are {KNOWN}")

    def astype(self, dtype: Any, copy: bool = True) -> Symbol:
        kind = np.dtype(dtype).kind if not isinstance(dtype, _Dtype) else "f"
        if kind in "iu" and self.node.kind != INTEGER:
            one = self.graph.constant(1)
            if self.node.kind == MASK:
                return self._like(
                    self.graph.apply("to_integer", self.graph.apply("where", self.node, one, self.graph.constant(0)))
                )
            return self._like(self.graph.apply("to_integer", self.node))
        return self._like(self.graph.apply("to_real", self.node)) if kind == "f" and self.node.kind == INTEGER else self

    def copy(self) -> Symbol:
        return self

    def sum(self) -> Symbol:
        return self.recorded("total", self)

    def mean(self) -> Symbol:
        return self.sum() / self._dim()

    def dot(self, other: Any) -> Symbol:
        return self.recorded("dot", self, other)

    def min(self) -> Symbol:
        return self.recorded("smallest", self)

    def max(self) -> Symbol:
        return self.recorded("largest", self)

    # ---- NumPy's and our own functions

    def __array__(self, *arguments: Any, **options: Any) -> Any:
        raise failed(f"this function of NumPy cannot be recorded; there are {KNOWN}, and NumPy's of the same names")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options.get("out") is not None:
            raise failed(
                f"np.{ufunc.__name__}.{method} or with out= cannot be recorded; write a = np.{ufunc.__name__}(...)"
            )
        if ufunc is np.power:
            base, exponent = inputs
            return base**exponent if isinstance(base, Symbol) else exponent.__rpow__(base)
        if ufunc in (np.square, np.positive, np.reciprocal):
            return {np.square: lambda a: a * a, np.positive: lambda a: a, np.reciprocal: lambda a: 1.0 / a}[ufunc](
                inputs[0]
            )
        if ufunc is np.logical_not or ufunc is np.invert:
            return ~inputs[0]
        if ufunc is np.sign:
            return self.recorded("sign", inputs[0])
        if ufunc is np.matmul:
            return self @ inputs[1] if inputs[0] is self else self @ inputs[0]
        if ufunc not in _UFUNCS:
            raise failed(f"np.{ufunc.__name__} cannot be recorded; there are {KNOWN}, and NumPy's of the same names")
        return self._apply(_UFUNCS[ufunc], *inputs)

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        name = function.__name__
        if function is np.where and len(arguments) == 3:
            return self._apply("where", *arguments)
        if function in (np.zeros_like, np.ones_like, np.full_like):
            value = {np.zeros_like: 0.0, np.ones_like: 1.0}.get(function, arguments[-1])
            of = arguments[0]
            if of.node.level < Level.VECTOR:
                return value
            if isinstance(value, Symbol):
                return value + of._like(of.graph.everywhere(0.0), of.trim)
            return of._like(of.graph.everywhere(value), of.trim)
        if function in (np.broadcast_to, np.asarray, np.copy, np.ascontiguousarray):
            return arguments[0]
        if function is np.clip:
            low, high = (*arguments[1:], options.get("a_min"), options.get("a_max"))[:2]
            return self.recorded("minimum", self.recorded("maximum", arguments[0], low), high)
        point = {
            np.sum: "total",
            np.dot: "dot",
            np.inner: "dot",
            np.vdot: "dot",
            np.max: "largest",
            np.min: "smallest",
            np.prod: "product",
        }
        if self.point and not options.keys() - {"axis"} and options.get("axis") in (None, 0, -1):
            if function in point:
                return self.recorded(point[function], *arguments)
            if function is np.mean:
                return arguments[0].mean()
            if function is np.linalg.norm:
                return self.recorded("dot", arguments[0], arguments[0])._apply(
                    "sqrt", self.recorded("dot", arguments[0], arguments[0])
                )
            if function in (np.diff, np.roll):
                raise failed(f"np.{name} cannot be recorded; write x[1:] - x[:-1]")
        if function in point:
            raise failed(f"np.{name} adds up over instances, too; write {point[function]}(...) for each instance's own")
        raise failed(f"np.{name} cannot be recorded; there are {KNOWN}, and NumPy's of the same names")

    def recorded(self, name: str, *arguments: Any) -> Any:
        rule = _PRIMITIVES.get(name)
        if rule is None:
            raise failed(f"{name} cannot be recorded; there are {KNOWN}")
        return rule(self, *arguments)

    # ---- primitives that are more than one operation

    def _vector(self, name: str, value: Any) -> Symbol:
        if not isinstance(value, Symbol) or value.node.level != Level.VECTOR:
            given = "one number for each instance" if isinstance(value, Symbol) else type(value).__name__
            raise failed(f"{name} goes over the coordinates of a vector, and was given {given}")
        return value

    def _reduced(self, name: str, value: Any) -> Symbol:
        v = self._vector(name, value)
        node = v.node
        if v.trim:
            if name in ("largest", "smallest", "first_index", "product"):
                raise failed(
                    f"{name} of a slice cannot be recorded; take it of whole vectors, with where() for those that count"
                )
            node = within(node, v.trim)
        return self._like(self.graph.apply(name, node))


def within(node: Node, trim: int) -> Node:
    """A vector with 0 in its last ``trim`` coordinates."""
    graph = node.graph
    end = graph.apply("-", graph.leaf("dim", level=Level.NUMBER), graph.constant(trim))
    return graph.apply(
        "where", graph.apply("<", graph.leaf("index", 0, level=Level.VECTOR), end), node, graph.constant(0.0)
    )


def shifted(node: Node, k: int) -> Node:
    """``node`` moved by any number of coordinates."""
    while k:
        step = max(-FARTHEST, min(FARTHEST, k))
        node, k = node.graph.apply("shift", node, step), k - step
    return node


def _counted(trim: int) -> str:
    return f"dim - {trim}" if trim else "dim"


class _Dtype:
    """What stands for a number's type: the program's own."""

    kind = "f"

    @staticmethod
    def type(value: Any) -> Any:
        return value

    def __getattr__(self, name: str) -> Any:
        raise failed(f"dtype.{name} is not known while a method is recorded: it serves float32 and float64")


def _sign(s: Symbol, a: Any) -> Any:
    return s._apply("where", a > 0, 1.0, s._apply("where", a < 0, -1.0, 0.0 * a))


def _index(s: Symbol, x: Any) -> Symbol:
    return Symbol(s.graph.leaf("index", 0, level=Level.VECTOR), x.trim, s.point, s.size)


def _first_index(s: Symbol, predicate: Any, dtype: Any = None) -> Symbol:
    return s._reduced("first_index", predicate)


def _dot(s: Symbol, a: Any, b: Any) -> Symbol:
    return s._reduced("total", s._vector("dot", a * b))


def _shift(s: Symbol, x: Any, k: Any) -> Symbol:
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
        raise failed(f"shift(x, {k!r}): give a whole number of coordinates")
    return s._like(shifted(s._vector("shift", x).node, int(k)))


def _at(s: Symbol, x: Any, i: Any) -> Symbol:
    if isinstance(i, bool) or not isinstance(i, (int, np.integer)):
        raise failed(f"at(x, {i!r}): give the whole number of a coordinate")
    return s._like(s.graph.apply("at", s._vector("at", x).node, int(i)))


def _rescaled(s: Symbol, v: Any) -> tuple[Symbol, Symbol, Symbol]:
    if v.trim:
        raise failed("the length of a slice cannot be recorded; take sqrt(dot(v, v))")
    made = s.graph.apply("rescale", s._vector("length", v).node)
    vector, size, unit = (s._like(s.graph.apply(op, made)) for op in ("rescaled", "length_size", "length_unit"))
    return vector, size, unit


def _product(s: Symbol, a: Any) -> Symbol:
    return s._reduced("product", a)


def _elementwise(op: str) -> Callable[..., Symbol]:
    return lambda s, *arguments: s._apply(op, *arguments)


_PRIMITIVES: dict[str, Callable[..., Any]] = {
    "total": lambda s, a: s._reduced("total", a),
    "largest": lambda s, a: s._reduced("largest", a),
    "smallest": lambda s, a: s._reduced("smallest", a),
    "first_index": _first_index,
    "dot": _dot,
    "shift": _shift,
    "at": _at,
    "index": _index,
    "dim": lambda s, x: x._dim(),
    "in_type_of": lambda s, x, given: given,
    "product": _product,
    "rescaled": _rescaled,
    "as_labels": lambda s, found: found.astype(np.int32),
    "others": lambda s, a: s._like(s.graph.apply("others", s._vector("others", a).node)),
    "others_change": lambda s, a, slope: s._like(
        s.graph.apply("others_change", s._vector("others_change", a).node, s._vector("others_change", slope).node)
    ),
    "butterfly": lambda s, a: s._like(s.graph.apply("butterfly", s._vector("butterfly", a).node)),
    "sign": _sign,
    "where": _elementwise("where"),
    "quotient": lambda s, a, b, eps: s._apply("ratio", a, b),
    "settled": lambda s, undecided, value, eps: s._apply("settled", undecided, value),
    "pow": _elementwise("power"),
    **{name: _elementwise(name) for name in ("larger", "smaller", "maximum", "minimum", "power", "sqrt", "absolute")},
    **{name: _elementwise(name) for name in ("exp", "log", "tanh", "sin", "cos")},
}
