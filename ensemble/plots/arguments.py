"""What pictures may be given: an argument of one name means the same in all of them, and is checked here for all."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from ..landscapes import Landscape
from ..plain import array_of_numbers, is_flag, is_number, is_whole
from ..sweep import grids_of
from ..words import told

P = ParamSpec("P")
R = TypeVar("R")
Check = Callable[[Any], bool]
SMALLEST, LARGEST = 0.5, 100.0
"""Inches of a figure's side."""


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """A picture whose arguments are checked by their names before it is drawn.

    ValueError: an argument cannot be used; the message says what was given and what to give.
    """
    signature = inspect.signature(function)
    defaults = {name: parameter.default for name, parameter in signature.parameters.items()}

    @functools.wraps(function)
    def picture(*args: P.args, **kwargs: P.kwargs) -> R:
        given = signature.bind(*args, **kwargs).arguments
        for name, value in given.items():
            if value is None and defaults[name] is None:
                continue
            for check, wanted in _wanted(function.__name__, name, defaults[name]):
                if not holds(check, value):
                    raise ValueError(f"{function.__name__}({name}={told(value)}): give {wanted}.")
        return function(*args, **kwargs)

    return picture


def holds(check: Check, value: Any) -> bool:
    """Whether a value passes a check, which odd objects may break."""
    with contextlib.suppress(Exception):  # odd objects raise odd errors where they are compared
        return bool(check(value))
    return False


def _wanted(picture: str, name: str, default: Any) -> list[tuple[Check, str]]:
    """What an argument must be, and the words for it."""
    if name == "laws":
        return [LAWS.get(picture, CURVES)]
    if name == "limits":
        return [WINDOW if picture in ("paths", "plane", "animate") else INTERVAL]
    if name == "log":
        return [PAIR_OF_FLAGS if isinstance(default, tuple) else FLAG]
    return [NAMED[name]] if name in NAMED else []


# ---- what an argument may be


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def are_numbers(value: Any, dimensions: int | None = None) -> bool:
    """Numbers in an array or lists of one length, NaN and infinities among them."""
    array = array_of_numbers(value)
    return array is not None and (dimensions is None or array.ndim == dimensions)


def _is_interval(value: Any) -> bool:
    low, high = value
    return is_number(low) and is_number(high) and bool(low < high)


def _is_law(value: Any) -> bool:
    x, y = value
    return are_numbers(x, 1) and are_numbers(y, 1) and len(x) == len(y)


def _are_laws(value: Any, one: Check) -> bool:
    return isinstance(value, Mapping) and all(is_text(name) and one(law) for name, law in value.items())


def _is_landscape(value: Any) -> bool:
    return isinstance(value, Landscape) and not any(True for _ in grids_of(value))


CURVES = (lambda v: _are_laws(v, _is_law), "a mapping from label to two lists of numbers of one length")
LAWS = {
    "bars": (
        lambda v: _are_laws(v, lambda law: _are_laws(law, is_number)),
        "a mapping from label to a mapping from member to number",
    ),
    "violins": (lambda v: _are_laws(v, is_number), "a mapping from label to number"),
}
INTERVAL = (_is_interval, "two numbers, the lower one first")
WINDOW = (
    lambda v: len(v) == 2 and all(map(_is_interval, v)),
    "((left, right), (bottom, top)), numbers of which the lower come first",
)
FLAG = (is_flag, "True or False")
PAIR_OF_FLAGS = (lambda v: len(v) == 2 and all(map(is_flag, v)), "two of True or False, for x and for y")
SIDE = (lambda v: is_number(v) and SMALLEST <= v <= LARGEST, f"inches from {SMALLEST:g} to {LARGEST:g}")
TEXT = (is_text, "text")
COUNT = (lambda v: is_whole(v, 1, 1000), "a whole number from 1 to 1000")
NAME = (is_text, "the name of a dimension, a coordinate or a variable")
NAMED: dict[str, tuple[Check, str]] = {
    "width": SIDE,
    "height": SIDE,
    "law_name": TEXT,
    "x_label": TEXT,
    "y_label": TEXT,
    "value_label": TEXT,
    "note": TEXT,
    "columns": COUNT,
    "tail": (lambda v: is_whole(v, 0, 10**9), "a whole number of at least 0"),
    "frames_per_second": COUNT,
    "dpi": COUNT,
    "center": (is_number, "a finite number"),
    "confidence": (lambda v: is_number(v) and 0 < v < 1, "a number between 0 and 1, such as 0.95"),
    "label": (lambda v: is_whole(v, 1, 2**31 - 1), "an event's label (1, 2, ...), or None for all"),
    "places": (
        lambda v: isinstance(v, Mapping) and all(is_text(n) and is_whole(k, 0, 10**9) for n, k in v.items()),
        "a mapping from label to a whole number of at least 0, as palette makes it",
    ),
    "names": (
        lambda v: isinstance(v, Mapping) and all(is_text(n) and is_text(words) for n, words in v.items()),
        "a mapping from member to words",
    ),
    "quantiles": (
        lambda v: are_numbers(v, 1) and len(v) > 0 and all(0 <= q <= 1 for q in v),
        "a list of numbers from 0 to 1",
    ),
    "variable": NAME,
    "quantity": NAME,
    "share": NAME,
    "value": NAME,
    "dim": NAME,
    "of": NAME,
    "bins": COUNT,
    "temperature": NAME,
    "x": NAME,
    "y": NAME,
    "landscape": (_is_landscape, "a landscape without grids"),
}
