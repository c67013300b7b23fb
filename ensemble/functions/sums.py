"""``finite_sum``: the decorator that makes a class of finite sums of a function, the loss of one sample."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, make_dataclass
from inspect import Parameter
from typing import Any, ClassVar

from ..arithmetic.permutations import MOST_SAMPLES
from ..arithmetic.vec import Array
from ..landscapes.finite_sum import FiniteSum
from ..part import data, structure
from ..tracing.errors import place
from ..tracing.finite_sums import Sample
from ..tracing.recording import ArrayField
from ..tracing.symbols import Symbol
from ..words import told
from .decorator import member
from .surroundings import check_unchanged, place_of, surroundings


@dataclass(frozen=True)
class SumFunction(FiniteSum):
    """A finite sum made of a Python function by :func:`ensemble.finite_sum`; the function itself is the class's ``function``."""

    function: ClassVar[Callable[..., Any]]
    _held: ClassVar[dict[str, str] | None] = None

    def __post_init__(self) -> None:
        try:
            super().__post_init__()
        except ValueError as error:
            raise type(error)(f"{place()}{error}"[:300]) from None
        check_unchanged(type(self), self.remembered())

    def validate(self) -> None:
        table = self.data  # type: ignore[attr-defined]
        if table.ndim != 2 or 0 in table.shape or len(table) > MOST_SAMPLES:
            raise ValueError(
                f"{type(self).__name__}(data of shape {table.shape}): give one row of numbers for each sample, "
                f"(samples, numbers), of at most {MOST_SAMPLES:,}."
            )
        self.samples_are(table)

    @classmethod
    def remembered(cls) -> dict[str, str]:
        """Constants that the function takes from where it was defined, and its code: what it is beside its numbers."""
        return surroundings(cls.function, cls.__name__)

    def loss(self, x: Array, sample: Any) -> Array:
        kind, dim = type(self), self.dimension
        numbers = {}
        for f in fields(self):
            if f.name in _OWN:
                continue
            value: Any = getattr(self, f.name)
            if isinstance(value, ArrayField):
                raise ValueError(
                    f"{kind.__name__}({f.name}=...): the loss of a sample has no arrays; put them into data."
                )
            numbers[f.name] = _point(value, dim) if isinstance(value, Symbol) else value
        return kind.function(_point(x, dim), _PointSample(sample, dim), **numbers)


_OWN = frozenset(f.name for f in fields(FiniteSum)) | {"data", "dim"}


def _point(symbol: Any, dim: int) -> Symbol:
    return Symbol(symbol.node, point=True, size=dim)


class _PointSample:
    """A sample as a function of one point sees it."""

    def __init__(self, sample: Sample, dim: int) -> None:
        self._sample, self._dim = sample, dim

    @property
    def row(self) -> Symbol:
        return _point(self._sample.row, self._dim)

    def __len__(self) -> int:
        return len(self._sample)

    def __getitem__(self, k: Any) -> Symbol:
        return _point(self._sample[k], self._dim)


def finite_sum(function: Any = None, *, name: str | None = None) -> Any:
    """Makes a class of finite sums of a plain Python function, the loss of one sample: ``@en.finite_sum`` above it.

    ``def loss(x, sample, delta=1.0)`` takes a point x (dim,), in NumPy's words or the algebra's, and a sample: ``sample[k]`` is its
    k-th number, ``sample.row`` its first dim numbers as a vector (dim,). What it returns is a number. The other arguments are
    numbers, as of :func:`ensemble.landscape`. The class takes the data (samples, numbers) and the dimension,
    ``loss(data=data, dim=6, delta=0.5)``, and ``l2``. Where x enters through ``x @ sample.row`` alone the sum is as fast as one of
    the catalogue: one product, one function of a number and one addition for each sample.

    Args:
        function: of one point and one sample.
        name: of the class; None: the function's.

    Raises:
        TypeError, ValueError: the function's arguments cannot be used; the message names its line.
    """
    if function is None:
        return lambda given: finite_sum(given, name=name)
    if isinstance(function, type) or not callable(function) or not hasattr(function, "__code__"):
        raise TypeError(f"finite_sum({told(function)}): give a Python function of a point and a sample.")
    where = place_of(function)
    if name is not None and not (isinstance(name, str) and name.isidentifier()):
        raise ValueError(f"{where}finite_sum(name={told(name)}): give a name as Python's classes have.")
    called = name or ("Sum" if function.__code__.co_name == "<lambda>" else function.__name__)
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) < 2 or any(p.default is not Parameter.empty for p in parameters[:2]):
        raise TypeError(f"{where}{called}() is no loss of a sample; its first arguments are a point and a sample.")
    for p in parameters:
        if p.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            raise TypeError(f"{where}{called}({p}): a loss has arguments with names of their own.")
    members = [
        ("data", Any, data()),
        ("dim", int, structure(low=1)),
        *(member(where, called, p) for p in parameters[2:]),
    ]
    if taken := sorted({m[0] for m in members[2:]} & (_OWN | {"samples"})):
        raise ValueError(
            f"{where}{called}({taken[0]}=...): finite sums use the name {taken[0]} themselves; give another."
        )
    space = {
        "function": staticmethod(function),
        "__doc__": inspect.getdoc(function) or f"``{called}``, the loss of a sample given to ensemble.finite_sum.",
    }
    made = make_dataclass(called, members, bases=(SumFunction,), namespace=space, frozen=True, kw_only=True)
    made.__module__ = function.__module__ or "__main__"
    made.__qualname__ = called if name or function.__code__.co_name == "<lambda>" else function.__qualname__
    return made
