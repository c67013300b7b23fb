"""The kinds of field that parts declare, and what a value must be to lie in one."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from .plain import array_of_numbers, is_flag, is_real, is_whole
from .words import told

Check = Callable[[float], bool]


@dataclass(frozen=True)
class Domain:
    """What a number may be: a test and the words an error message says it with."""

    holds: Check
    words: str


ANY = Domain(lambda v: True, "a finite number")
POSITIVE = Domain(lambda v: v > 0, "a number greater than 0")
NOT_NEGATIVE = Domain(lambda v: v >= 0, "a number of at least 0")
COUNT = Domain(lambda v: 0 <= v <= 1e9, "a number from 0 to 1e9")
WHOLE = Domain(lambda v: v >= 0 and v == math.floor(v), "a whole number of at least 0")
FRACTION = Domain(lambda v: 0 <= v < 1, "a number from 0 up to but not including 1")


def number(default: Any = dataclasses.MISSING, domain: Domain = ANY) -> Any:
    """A field of one real number."""
    return field(default=default, metadata={"kind": "number", "domain": domain})


def vector(default: Any = dataclasses.MISSING, domain: Domain = ANY, *, one_for_all: bool = True) -> Any:
    """A field of one number for each coordinate, or one number for all.

    ``one_for_all=False``: of several coordinates one number is refused, since it could mean the first of them or their sum.
    """
    return field(default=default, metadata={"kind": "vector", "domain": domain, "one_for_all": one_for_all})


def array(default: Any = dataclasses.MISSING) -> Any:
    """A field of numbers of any shape."""
    return field(default=default, metadata={"kind": "array", "domain": ANY})


def data(default: Any = dataclasses.MISSING) -> Any:
    """A field of numbers of any shape from which ``validate`` makes what a kernel reads: it is no kernel's own."""
    return field(default=default, metadata={"kind": "data", "domain": ANY})


def structure(default: Any = dataclasses.MISSING, low: int = 0) -> Any:
    """A field that selects code: an integer of at least ``low``. ``dim`` is one."""
    return field(default=default, metadata={"kind": "structure", "low": low})


def derived() -> Any:
    """A whole number that selects code and that ``validate`` fills in."""
    return field(default=0, init=False, repr=False, metadata={"kind": "structure", "low": 0})


def seeded(default: int = 0) -> Any:
    """A field that arrays of numbers are drawn from, a whole number below 2^64: no step sees it, and it may be a grid."""
    return field(default=default, metadata={"kind": "seed"})


def flag(default: bool) -> Any:
    """A field that chooses between two published variants, True or False: it selects code."""
    return field(default=default, metadata={"kind": "structure", "flag": True})


def scheduled(default: Any = dataclasses.MISSING, domain: Domain = ANY) -> Any:
    """A field of one number for each step: a number or a schedule whose every value lies in ``domain``."""
    return field(default=default, metadata={"kind": "scheduled", "domain": domain})


def inner(default: Any = dataclasses.MISSING, domain: Domain = ANY) -> Any:
    """A field that holds a part of the same kind, which this one wraps. ``domain``: of a wrapped schedule's values."""
    return field(default=default, metadata={"kind": "inner", "domain": domain})


# ---- checks; ``owner`` is the name of the part's class


def fail(owner: str, name: str, given: object, wanted: str) -> NoReturn:
    raise ValueError(f"{owner}({name}={told(given)}): {name} must be {wanted}.")


def checked_number(owner: str, name: str, value: object, domain: Domain) -> float:
    """``value`` as a float in ``domain``."""
    several = isinstance(value, (list, tuple, range)) or (isinstance(value, np.ndarray) and value.ndim > 0)
    if several:
        fail(owner, name, value, f"{domain.words}, not several; to sweep over them give en.grid(...)")
    if not is_real(value):
        more = "; to draw one for each instance give en.drawn(...)" if hasattr(value, "quantile") else ""
        fail(owner, name, value, f"{domain.words}, not {type(value).__name__}{more}")
    result = math.inf
    with contextlib.suppress(OverflowError):  # a whole number of hundreds of digits
        result = float(cast(float, value))
    if not math.isfinite(result) or not domain.holds(result):
        fail(owner, name, value, domain.words)
    return result


def checked_array(owner: str, name: str, value: object, wanted: str) -> NDArray[np.float64]:
    """``value`` as finite float64 numbers of any shape, read only; text, truth values and ragged lists are refused."""
    given = array_of_numbers(value)
    if given is None or not np.isfinite(given).all():
        fail(owner, name, value, wanted)
    with np.errstate(over="ignore"):  # of a wider type
        values = given.astype(np.float64)
    if not np.isfinite(values).all():
        fail(owner, name, value, wanted)
    values.setflags(write=False)
    return values


def checked_vector(owner: str, name: str, value: object, domain: Domain) -> float | tuple[float, ...]:
    """``value`` as a float, or a tuple of one for each coordinate."""
    wanted = f"{domain.words}, or a list of such numbers, one for each coordinate"
    if is_real(value) or is_flag(value) or isinstance(value, (str, bytes)) or value is None:
        return checked_number(owner, name, value, domain)
    values = checked_array(owner, name, value, wanted)
    if values.ndim == 0:
        return checked_number(owner, name, values.item(), domain)
    if values.ndim != 1 or values.size == 0:
        fail(owner, name, value, f"{wanted}, not an array of shape {values.shape}")
    return tuple(checked_number(owner, name, v, domain) for v in values.tolist())


def check_length(owner: str, f: dataclasses.Field[Any], value: Any, dim: int) -> None:
    """Refuses a vector that a landscape of ``dim`` coordinates cannot have."""
    for_all = f.metadata["one_for_all"]
    if isinstance(value, tuple) and len(value) != dim:
        of_dim = f"{dim}, the landscape's dimension"
        fail(owner, f.name, f"{len(value)} numbers", f"one number or {of_dim}" if for_all else f"a list of {of_dim}")
    if not isinstance(value, tuple) and not for_all and dim > 1:
        first, total = (f"[{', '.join(['1', rest, rest][:dim])}{', ...' if dim > 3 else ''}]" for rest in ("0", "1"))
        fail(owner, f.name, value, f"a list of {dim} numbers: {first} is the first coordinate, {total} the sum of all")


def checked_structure(owner: str, name: str, value: object, low: int) -> int:
    if not is_whole(value, low):
        fail(owner, name, value, f"a whole number of at least {low}")
    return int(cast(int, value))


def checked_seed(owner: str, name: str, value: object) -> int:
    if not is_whole(value, 0) or int(cast(int, value)) >= 2**64:
        fail(owner, name, value, "a whole number from 0 to 2^64 - 1")
    return int(cast(int, value))


def checked_flag(owner: str, name: str, value: object) -> bool:
    if not is_flag(value):
        fail(owner, name, value, "True or False")
    return bool(value)
