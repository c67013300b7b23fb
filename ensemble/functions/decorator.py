"""``landscape``: the decorator that makes a class of landscapes of a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, field, make_dataclass
from inspect import Parameter
from typing import Any, Protocol, overload

import numpy as np

from ..fields import ANY, checked_array, checked_number
from ..landscapes.base import Landscape
from ..part import array, number, structure
from ..plain import is_flag, is_real
from ..sweep import RESERVED
from ..words import told
from .function import Function
from .surroundings import place_of

TAKEN = frozenset(dir(Landscape)) | RESERVED | {"dim", "function", "coordinates", "gradient_norm", "distance", "t"}
"""Names that a landscape and a result have for something else: no parameter can be called so."""


class FunctionClass(Protocol):
    """A class of landscapes made of a function: called with its numbers by name, it makes a landscape."""

    __name__: str
    function: Callable[..., Any]

    def __call__(self, **numbers: Any) -> Function: ...


@overload
def landscape(function: Callable[..., Any], *, dim: int | None = None, name: str | None = None) -> FunctionClass: ...
@overload
def landscape(
    function: None = None, *, dim: int | None = None, name: str | None = None
) -> Callable[[Callable[..., Any]], FunctionClass]: ...
def landscape(function: Any = None, *, dim: int | None = None, name: str | None = None) -> Any:
    """Makes a class of landscapes of a plain Python function, whose value it is: ``@en.landscape`` above it.

    With ``dim`` the first ``dim`` arguments are the coordinates, ``@en.landscape(dim=2) def valley(x, y, a=1.0)``. Without it the
    first is a point x (dim,), which may be sliced, indexed and summed in NumPy's words or in the algebra's (``en.total``), and
    the class takes ``dim``: ``chain(dim=64)``. So too where ``dim`` is given and the function has one argument without default.

    The other arguments are fields of the class, given by name: numbers, with or without a default, which may be grids and are
    used as real numbers also where the default is a whole one; those whose default is True or False, or that are annotated
    ``: int`` or ``: bool``, stay Python's own, for ``if``, ``range`` and powers, and cannot be grids; those whose default is a
    list or an array are arrays (annotated ``: np.ndarray`` where there is no default).

    The function runs once with symbols in place of numbers; its gradient and Hessian follow from what it did, and it is
    compiled for every backend. Numbers of its surroundings are constants, and part of what it is.

    Args:
        function: of the coordinates or of one point; what it returns is a number.
        dim: how many coordinates; None: each landscape says.
        name: of the class; None: the function's.

    Raises:
        TypeError, ValueError: the function's arguments cannot be used; the message names its line.
    """
    if function is None:
        return lambda given: landscape(given, dim=dim, name=name)
    if isinstance(function, type) or not callable(function) or not hasattr(function, "__code__"):
        hint = f"; for {function} coordinates write @en.landscape(dim={function})" if isinstance(function, int) else ""
        raise TypeError(f"landscape({told(function)}): give a Python function{hint}.")
    where = place_of(function)
    if dim is not None and (isinstance(dim, bool) or not isinstance(dim, (int, np.integer)) or dim < 1):
        raise ValueError(f"{where}landscape(dim={told(dim)}): dim must be a whole number of at least 1.")
    if name is not None and not (isinstance(name, str) and name.isidentifier()):
        raise ValueError(f"{where}landscape(name={told(name)}): give a name as Python's classes have.")
    called = name or ("Function" if function.__code__.co_name == "<lambda>" else function.__name__)
    parameters = list(inspect.signature(function).parameters.values())
    for p in parameters:
        if p.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            raise TypeError(f"{where}{called}({p}): a landscape's function has arguments with names of their own.")
    count = _coordinates(where, called, parameters, dim)
    members = [member(where, called, p) for p in parameters[count or 1 :]]
    space: dict[str, Any] = {
        "function": staticmethod(function),
        "coordinates": tuple(p.name for p in parameters[:count]),
        "__doc__": inspect.getdoc(function) or _formula(called, parameters),
    }
    if count:
        space["dim"] = count
    else:
        first: Any = structure(MISSING if dim is None else int(dim), low=1)
        members.insert(0, ("dim", int, first))
    made = make_dataclass(called, members, bases=(Function,), namespace=space, frozen=True, kw_only=True)
    made.__module__ = function.__module__ or "__main__"
    made.__qualname__ = called if name or function.__code__.co_name == "<lambda>" else function.__qualname__
    return made


def _coordinates(where: str, called: str, parameters: list[Parameter], dim: int | None) -> int:
    """How many of a function's arguments are coordinates; 0: the first is a point."""
    free = [p for p in parameters if p.default is p.empty and p.kind is not p.KEYWORD_ONLY]
    if not free or parameters[0].default is not Parameter.empty:
        raise TypeError(f"{where}{called}() takes no point; its first argument is one, without a default.")
    if dim is None or (len(free) == 1 and dim > 1):
        return 0
    if len(free) < dim:
        raise TypeError(
            f"{where}{called}({', '.join(p.name for p in free)}) with dim={dim}: give {dim} coordinates as arguments, or one point."
        )
    return int(dim)


def member(where: str, called: str, p: Parameter) -> tuple[str, Any, Any]:
    """An argument of a function as a field of its class."""
    if p.name in TAKEN or p.name.startswith("_"):
        raise ValueError(f"{where}{called}({p.name}=...): landscapes use the name {p.name} themselves; give another.")
    if p.kind is p.POSITIONAL_ONLY:
        raise TypeError(f"{where}{called}({p.name}, /): parameters are given by name; put the / before it.")
    given = p.default
    annotation = p.annotation if isinstance(p.annotation, str) else getattr(p.annotation, "__name__", str(p.annotation))
    try:
        if annotation == "bool" or is_flag(given):
            return p.name, bool, field(default=_or_missing(given), metadata={"kind": "structure", "flag": True})
        if annotation == "int":
            return p.name, int, structure(_or_missing(given), low=-(2**31))
        if isinstance(given, (np.ndarray, list, tuple)) and np.ndim(given):
            return (
                p.name,
                Any,
                array(_nested(checked_array(called, p.name, given, "finite numbers, in lists of one length").tolist())),
            )
        if given is p.empty:
            return p.name, Any, array() if "array" in annotation.lower() else number()
        if is_real(given):
            return p.name, float, number(checked_number(called, p.name, given, ANY))
    except ValueError as error:
        raise ValueError(f"{where}{error}"[:300]) from None
    raise TypeError(
        f"{where}{called}({p.name}={told(given)}): give a number, True or False, or an array as the default of {p.name}."
    )


def _or_missing(default: Any) -> Any:
    return MISSING if default is Parameter.empty else default


def _nested(values: Any) -> Any:
    return tuple(map(_nested, values)) if isinstance(values, list) else values


def _formula(called: str, parameters: list[Parameter]) -> str:
    """What stands for a docstring where there is none."""
    return f"``{called}({', '.join(p.name for p in parameters)})``, a function given to ensemble.landscape."
