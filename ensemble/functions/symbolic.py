"""``from_sympy``: a class of landscapes of an expression of SymPy, which is read by a whitelist of its nodes."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from inspect import Parameter
from typing import Any

import numpy as np

from ..algebra import power
from ..tracing.errors import place, user_frame
from ..words import told
from .decorator import FunctionClass, landscape

READ = "numbers, + - * / **, exp, log, sin, cos, tan, sinh, cosh, tanh, sqrt, Abs, sign, Max, Min, Piecewise"
"""What is understood of SymPy, as errors tell it."""


def from_sympy(
    expression: Any,
    symbols: Iterable[Any],
    *,
    parameters: Mapping[str, float] | None = None,
    name: str = "Expression",
) -> FunctionClass:
    """Makes a class of landscapes of a SymPy expression, as :func:`ensemble.landscape` does of a function.

    ``en.from_sympy(a * x**4 - x * y, (x, y), parameters={"a": 1.0})`` is a class that is called with ``a=...``, which may be a
    grid. Nothing is evaluated but the nodes that are known: numbers, sums, products, powers, elementary functions, Piecewise.

    Args:
        expression: real, of symbols.
        symbols: those that are the coordinates, in order. All others are numbers of the class.
        parameters: defaults of those numbers by name; one that has none must be given.
        name: of the class.

    Raises:
        ImportError: SymPy is not installed.
        ValueError, TypeError: the expression has a node that is not known, or a symbol whose name Python cannot have.
    """
    try:
        import sympy
    except ImportError as error:
        raise ImportError("from_sympy needs SymPy; install it with pip install sympy.") from error
    where = place()
    given = tuple(sympy.symbols(symbols, seq=True)) if isinstance(symbols, str) and symbols.strip() else symbols
    given = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else ()
    if not given or not all(isinstance(s, sympy.Symbol) for s in given) or len(set(given)) < len(given):
        raise TypeError(
            f"{where}from_sympy(symbols={told(symbols)}): give the coordinates, different symbols of SymPy."
        )
    if not isinstance(expression, sympy.Expr):
        raise TypeError(f"{where}from_sympy({told(expression)}): give an expression of SymPy.")
    others = sorted(expression.free_symbols - set(given), key=lambda s: s.name)
    if not isinstance(parameters, (Mapping, type(None))) or not all(isinstance(p, str) for p in parameters or ()):
        raise TypeError(f"{where}from_sympy(parameters={told(parameters)}): give names and numbers, {{'a': 1.0}}.")
    defaults = dict(parameters or {})
    if unknown := sorted(set(defaults) - {s.name for s in others}):
        raise ValueError(f"{where}from_sympy(parameters={{{unknown[0]!r}: ...}}): the expression has no such symbol.")
    for s in others:
        if not s.name.isidentifier():
            raise ValueError(
                f"{where}from_sympy: the symbol {s.name!r} is no name that a parameter can have; rename it."
            )
    reader = _Reader(where)
    reader.value(expression, dict.fromkeys((*given, *others), 0.75))  # whether all of it is understood

    def function(*coordinates: Any, **numbers: Any) -> Any:
        known = dict(zip(given, coordinates, strict=True)) | {
            s: numbers.get(s.name, defaults.get(s.name)) for s in others
        }
        return reader.value(expression, known)

    names = [s.name if s.name.isidentifier() else f"x{k}" for k, s in enumerate(given)]
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [Parameter(n, Parameter.POSITIONAL_OR_KEYWORD) for n in names]
        + [Parameter(s.name, Parameter.KEYWORD_ONLY, default=defaults.get(s.name, Parameter.empty)) for s in others]
    )
    function.__doc__ = f"``f({', '.join(names)}) = {expression}``, an expression of SymPy."
    function.__qualname__ = function.__name__ = str(name)
    frame = user_frame()
    function.__module__ = frame.f_globals.get("__name__", "__main__") if frame is not None else "__main__"
    function.defined_at = where  # type: ignore[attr-defined]
    function.stands_for = {"expression": sympy.srepr(expression)}  # type: ignore[attr-defined]
    return landscape(function, dim=len(given), name=name)


class _Reader:
    """Computes an expression's nodes with numbers, arrays or symbols, each in one order."""

    def __init__(self, where: str) -> None:
        import sympy

        self.where, self.sp = where, sympy
        self.functions: dict[Any, Callable[..., Any]] = {
            sympy.exp: np.exp,
            sympy.log: np.log,
            sympy.sin: np.sin,
            sympy.cos: np.cos,
            sympy.tanh: np.tanh,
            sympy.tan: lambda a: np.sin(a) / np.cos(a),
            sympy.sinh: lambda a: 0.5 * (np.exp(a) - np.exp(-a)),
            sympy.cosh: lambda a: 0.5 * (np.exp(a) + np.exp(-a)),
            sympy.Abs: np.abs,
            sympy.sign: np.sign,
        }
        self.relations: dict[Any, Callable[..., Any]] = {
            sympy.StrictLessThan: lambda a, b: a < b,
            sympy.LessThan: lambda a, b: a <= b,
            sympy.StrictGreaterThan: lambda a, b: a > b,
            sympy.GreaterThan: lambda a, b: a >= b,
        }

    def value(self, e: Any, known: Mapping[Any, Any]) -> Any:
        memo: dict[Any, Any] = {}

        def of(e: Any) -> Any:
            if e not in memo:
                memo[e] = self._computed(e, of, known)
            return memo[e]

        return of(e)

    def _computed(self, e: Any, of: Callable[[Any], Any], known: Mapping[Any, Any]) -> Any:
        sp = self.sp
        if e in known:
            return known[e]
        if isinstance(e, (sp.Number, sp.NumberSymbol)):
            number = float(e)
            if not math.isfinite(number):
                raise self._unknown(e)
            return int(e) if isinstance(e, sp.Integer) else number
        if isinstance(e, sp.Add):
            return self._sum(e, of)
        if isinstance(e, sp.Mul):
            return self._product(e, of)
        if isinstance(e, sp.Pow):
            return self._power(e, of)
        if e.func in self.functions and len(e.args) == 1:
            return self.functions[e.func](of(e.args[0]))
        if isinstance(e, (sp.Max, sp.Min)):
            chosen = np.maximum if isinstance(e, sp.Max) else np.minimum
            return reduce(chosen, map(of, sorted(e.args, key=sp.default_sort_key, reverse=True)))
        if isinstance(e, sp.Piecewise):
            *pieces, (last, condition) = e.args
            if condition != sp.true:
                raise ValueError(
                    f"{self.where}from_sympy: {told(str(e))} has no value elsewhere; end it with (..., True)."
                )
            found = of(last)
            for piece, condition in reversed(pieces):
                found = np.where(self._holds(condition, of), of(piece), found)
            return found
        raise self._unknown(e)

    def _unknown(self, e: Any) -> ValueError:
        return ValueError(
            f"{self.where}from_sympy: {told(str(e))} ({type(e).__name__}) cannot be recorded; there are {READ}."[:300]
        )

    def _holds(self, condition: Any, of: Callable[[Any], Any]) -> Any:
        sp = self.sp
        if isinstance(condition, (sp.And, sp.Or)):
            parts = [self._holds(c, of) for c in sorted(condition.args, key=sp.default_sort_key)]
            return reduce(np.logical_and if isinstance(condition, sp.And) else np.logical_or, parts)
        if condition.func not in self.relations:
            raise self._unknown(condition)
        return self.relations[condition.func](*map(of, condition.args))

    def _sum(self, e: Any, of: Callable[[Any], Any]) -> Any:
        """Terms in SymPy's order of powers, those with a minus subtracted."""
        terms = e.as_ordered_terms()
        below = [t for t in terms if t.could_extract_minus_sign()]
        above = [t for t in terms if t not in below]
        found = reduce(lambda a, b: a + b, map(of, above)) if above else -of(-below.pop(0))
        for t in below:
            found = found - of(-t)
        return found

    def _product(self, e: Any, of: Callable[[Any], Any]) -> Any:
        sp = self.sp
        factor, rest = e.as_coeff_Mul()
        if factor == -1:
            return -of(rest)
        if factor.is_Rational and factor.q & (factor.q - 1) == 0:  # exactly a float
            top, bottom = [float(factor)] if factor != 1 else [], []
        elif factor.is_Rational:
            top, bottom = [int(factor.p)] if factor.p != 1 else [], [int(factor.q)]
        elif math.isfinite(factor):
            top, bottom = [float(factor)], []
        else:
            raise self._unknown(factor)
        for a in sp.Mul.make_args(rest):
            inverse = isinstance(a, sp.Pow) and a.exp.is_number and a.exp.is_negative
            (bottom if inverse else top).append(of(1 / a) if inverse else of(a))
        whole = reduce(lambda a, b: a * b, top) if top else 1.0
        return whole / reduce(lambda a, b: a * b, bottom) if bottom else whole

    def _power(self, e: Any, of: Callable[[Any], Any]) -> Any:
        base, exponent = e.args
        if base == self.sp.E:
            return np.exp(of(exponent))
        if exponent.is_number and exponent.is_negative:
            return 1.0 / of(base**-exponent)
        if exponent == self.sp.Rational(1, 2):
            return np.sqrt(of(base))
        if exponent.is_Rational and exponent.q == 2:
            return of(base) ** int(exponent - self.sp.Rational(1, 2)) * np.sqrt(of(base))
        raised = of(exponent)
        return of(base) ** raised if isinstance(raised, (int, float)) else power(of(base), raised)
