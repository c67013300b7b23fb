"""What counts as a number, a flag or an array of numbers in what somebody gives: one answer for parts, runs, statistics, pictures.

Functions that begin with ``is`` say whether it does; the others refuse what does not, in one line.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .names import VALUES
from .words import told


def is_flag(value: object) -> bool:
    """Whether it is True or False."""
    return isinstance(value, (bool, np.bool_))


def is_real(value: object) -> bool:
    """Whether it is a real number, finite or not; truth values, durations, fractions and decimals are none."""
    number = isinstance(value, (int, float, np.integer, np.floating))
    return number and not is_flag(value) and not isinstance(value, np.timedelta64)


def is_number(value: object) -> bool:
    """Whether it is a finite real number that a float holds."""
    with contextlib.suppress(OverflowError):
        return is_real(value) and math.isfinite(float(value))  # type: ignore[arg-type]
    return False


def is_whole(value: object, low: int | None = None, high: int | None = None) -> bool:
    """Whether it is a whole number from ``low`` to ``high``, both among them."""
    if not is_real(value) or not isinstance(value, (int, np.integer)):
        return False
    return (low is None or int(value) >= low) and (high is None or int(value) <= high)


def array_of_numbers(value: object) -> NDArray[Any] | None:
    """Real numbers in an array, NaN and infinities among them; None where it is anything else, or something in it is masked."""
    if is_real(value):
        return np.asarray(float(value)) if is_number(value) or isinstance(value, (float, np.floating)) else None  # type: ignore[arg-type]
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable) or np.ma.is_masked(value):
        return None
    if isinstance(value, range) and len(value) > 10**8:
        return None
    with contextlib.suppress(Exception):  # lists of several lengths, and objects that do not let themselves be read
        array = np.asarray(value)
        if array.dtype.kind == "O" and all(map(is_number, array.flat)):  # whole numbers that only a float holds
            array = array.astype(np.float64)
        return array if array.dtype.kind in "iuf" else None
    return None


# ---- refusals


def check_kind(name: str, value: object, kind: type, example: str) -> None:
    """Refuses anything but an instance of ``kind``, with TypeError."""
    if not isinstance(value, kind):
        given = f"the class {value.__name__}" if isinstance(value, type) else f"{told(value)} ({type(value).__name__})"
        raise TypeError(f"{name} must be {kind.__name__.lower()} made like {example}; {given} was given.")


def whole(name: str, value: object, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both among them; anything else is a ValueError."""
    if not is_whole(value, low, high):
        raise ValueError(f"{name}={told(value)}: give a whole number from {low} to {high}.")
    return int(value)  # type: ignore[call-overload]


def one_of(name: str, value: object, choices: tuple[str, ...]) -> str:
    """One of several words; anything else is a ValueError."""
    if not isinstance(value, str) or value not in choices:
        meant = VALUES.get(value.lower(), "") if isinstance(value, str) else ""
        wanted = repr(meant) if meant in choices else f"one of {', '.join(repr(c) for c in choices)}"
        raise ValueError(f"{name}={told(value)}: give {wanted}.")
    return value


def flag(name: str, value: object) -> bool:
    """True or False; anything else is a ValueError."""
    if not is_flag(value):
        raise ValueError(f"{name}={told(value)}: give True or False.")
    return bool(value)
