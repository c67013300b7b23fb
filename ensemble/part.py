"""Part: the immutable values an experiment is made of, and how a kernel sees them.

A part is a frozen dataclass. Its fields are declared with the functions below; what is evaluated inside the step has
a CUDA twin, a struct of the same name with the same fields in the same order:

* ``number``    one real, packed into the struct; may be a :func:`~ensemble.grids.grid`;
* ``vector``    one number for each coordinate, or one for all (then packed like a number) where that means one thing; may be a grid;
* ``array``     numbers of any shape behind a read-only pointer;
* ``structure`` an integer or a name that selects code: a template argument, the same for all configurations;
* ``scheduled`` a number or a :class:`~ensemble.schedules.Schedule`: a column of the per-step tables, not a struct field;
* ``inner``     another part of the same kind that this one wraps;
* ``outside``   True or False: what the run looks at and no step sees, the same for all configurations (an event's ``stop``).

``constants()`` adds numbers derived in float64 and rounded once; ``tables(t)`` adds numbers for each step.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import numbers
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray

from . import twins
from .grids import Grid

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


def structure(default: Any = dataclasses.MISSING, low: int = 0) -> Any:
    """A field that selects code: an integer of at least ``low``. ``dim`` is one."""
    return field(default=default, metadata={"kind": "structure", "low": low})


def flag(default: bool) -> Any:
    """A field that chooses between two published variants, True or False: it selects code."""
    return field(default=default, metadata={"kind": "structure", "flag": True})


def scheduled(default: Any = dataclasses.MISSING, domain: Domain = ANY) -> Any:
    """A field of one number for each step: a number or a schedule."""
    return field(default=default, metadata={"kind": "scheduled", "domain": domain})


def inner(default: Any = dataclasses.MISSING) -> Any:
    """A field that holds the part which this one wraps."""
    return field(default=default, metadata={"kind": "inner"})


def _fail(part: Part, name: str, given: object, wanted: str) -> None:
    raise ValueError(f"{type(part).__name__}({name}={given!r}): {name} must be {wanted}.")


def _number(part: Part, name: str, value: object, domain: Domain) -> float:
    if isinstance(value, bool) or not isinstance(value, (numbers.Real, np.floating, np.integer)):
        _fail(part, name, value, f"{domain.words}, not {type(value).__name__}")
    result = math.inf
    with contextlib.suppress(OverflowError):  # a whole number of hundreds of digits
        result = float(cast(float, value))
    if not math.isfinite(result) or not domain.holds(result):
        _fail(part, name, value, domain.words)
    return result


def _real_array(part: Part, name: str, value: object, wanted: str) -> NDArray[np.float64]:
    """``value`` as finite float64 numbers of any shape; text, truth values and ragged lists are refused."""
    values = np.full(1, np.nan)
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        given = np.asarray(value)
        if given.dtype.kind in "iuf" or all(
            isinstance(v, numbers.Real) and not isinstance(v, bool) for v in given.flat
        ):
            values = given.astype(np.float64)
    if not np.isfinite(values).all():
        _fail(part, name, value, wanted)
    return values


def _vector(part: Part, name: str, value: object, domain: Domain) -> float | tuple[float, ...]:
    wanted = f"{domain.words}, or a list of such numbers, one for each coordinate"
    if isinstance(value, (numbers.Real, str, bytes)) or value is None:
        return _number(part, name, value, domain)
    values = _real_array(part, name, value, wanted)
    if values.ndim == 0:
        return _number(part, name, values.item(), domain)
    if values.ndim != 1 or values.size == 0:
        _fail(part, name, value, f"{wanted}, not an array of shape {values.shape}")
    return tuple(_number(part, name, float(v), domain) for v in values)


def _check_length(part: Part, f: dataclasses.Field[Any], value: Any, dim: int) -> None:
    """Refuses a vector that a landscape of ``dim`` coordinates cannot have."""
    for_all = f.metadata["one_for_all"]
    if isinstance(value, tuple) and len(value) != dim:
        of_dim = f"{dim}, the landscape's dimension"
        _fail(part, f.name, f"{len(value)} numbers", f"one number or {of_dim}" if for_all else f"a list of {of_dim}")
    if not isinstance(value, tuple) and not for_all and dim > 1:
        first, total = (f"[{', '.join(['1', rest, rest][:dim])}{', ...' if dim > 3 else ''}]" for rest in ("0", "1"))
        _fail(part, f.name, value, f"a list of {dim} numbers: {first} is the first coordinate, {total} the sum of all")


@dataclass(frozen=True)
class Part:
    """Base of every part: validation, and the part as the kernel sees it."""

    vectors: ClassVar[tuple[str, ...]] = ()
    """Names of the per-coordinate state, in the order of the CUDA twin's ``State::each``."""
    integers: ClassVar[tuple[str, ...]] = ()
    """Names of the per-instance whole-number state, likewise."""
    scratch: ClassVar[int] = 0
    """Vectors that a step holds at once beyond the iterate, its state and one gradient: a group of lanes has room for them."""
    pointwise: ClassVar[bool] = False
    """Whether what the CUDA twin does in a step to one coordinate depends on no other; for a landscape: its derivatives and its
    projection, not its value. A wrapper says it of what it adds."""

    kernel: ClassVar[str | Path] = ""
    """The CUDA struct of a class that is not the library's: its text, or a path to a file beside the class (``twins.py``)."""
    kernel_header: ClassVar[str] = ""
    """The header of ``kernels/`` that structs of this kind of part build on; empty: no step sees such a part."""

    def __post_init__(self) -> None:
        from .schedules import Schedule  # a schedule is itself a part

        for f in fields(self):
            kind, value = f.metadata.get("kind"), getattr(self, f.name)
            if isinstance(value, Grid) and kind != "outside":
                if kind in ("structure", "inner", "array", None):
                    raise ValueError(
                        f"{type(self).__name__}({f.name}=grid(...)): {f.name} selects code and cannot be a grid; "
                        f"run the variants side by side with ensemble.compare."
                    )
                value.each(lambda v, f=f, kind=kind: self._checked(f, kind, v, Schedule))  # type: ignore[misc]
            else:
                object.__setattr__(self, f.name, self._checked(f, kind, value, Schedule))
        self.validate()

    def _checked(self, f: dataclasses.Field[Any], kind: str | None, value: Any, schedule: type) -> Any:
        if kind == "number":
            return _number(self, f.name, value, f.metadata["domain"])
        if kind == "vector":
            return _vector(self, f.name, value, f.metadata["domain"])
        if kind == "array":
            return _real_array(self, f.name, value, "finite numbers, in lists of one length")
        if kind == "scheduled":
            if isinstance(value, schedule):
                return value
            if callable(value) and not isinstance(value, type):
                from .schedules import FromFunction

                return FromFunction(value)
            return _number(self, f.name, value, f.metadata["domain"])
        if kind == "inner" and not isinstance(value, Part):
            _fail(self, f.name, value, "the part to wrap, such as Adam(lr=1e-3)")
        if kind == "outside" or (kind == "structure" and f.metadata.get("flag")):
            if not isinstance(value, (bool, np.bool_)):
                _fail(self, f.name, value, "True or False")
            return bool(value)
        if kind == "structure" and (value is not None or f.default is not None):
            low = f.metadata["low"]
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
                _fail(self, f.name, value, f"a whole number of at least {low}")
            return int(value)
        return value

    def validate(self) -> None:
        """Checks that relate several fields; overridden where there are any."""

    def constants(self) -> Mapping[str, float]:
        """Numbers derived from the fields in float64, rounded once; they follow the fields in the CUDA twin."""
        return {}

    def tables(self, t: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        """Numbers for each step ``t`` (steps,); they follow the scheduled fields in the CUDA twin's ``Column``."""
        return {}

    def at_dim(self, dim: int) -> Self:
        """This part for a landscape of ``dim`` coordinates; raises where a vector has another length."""
        changes: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            kind = f.metadata.get("kind")
            if kind == "vector" and f.name != "curvature":
                for v in value.values if isinstance(value, Grid) else (value,):
                    _check_length(self, f, v, dim)
            if kind == "inner":
                changes[f.name] = value.at_dim(dim)
        return dataclasses.replace(self, **changes) if changes else self

    # ---- as the kernel sees it

    def cpp_type(self, as_vector: frozenset[str] = frozenset(), prefix: str = "") -> str:
        """The CUDA twin's type: the struct of the class and its structure fields, in order.

        ``as_vector`` holds the paths of vector fields that some configuration gives coordinate by coordinate.

        Raises:
            NoTwinError: a class has no struct.
        """
        arguments = []
        for f in fields(self):
            kind, value = f.metadata.get("kind"), getattr(self, f.name)
            if kind == "structure" and f.name != "dim":
                arguments.append(str(int(value)))
            elif kind == "vector":
                arguments.append("Vector" if prefix + f.name in as_vector else "number")
            elif kind == "inner":
                arguments.append(value.cpp_type(as_vector, f"{prefix}{f.name}."))
        name = twins.twin_of(type(self)).struct
        return f"{name}<{', '.join(arguments)}>" if arguments else name

    def packed(self, prefix: str = "") -> Iterator[tuple[str, str, Any]]:
        """(path, kind, value) of everything in the CUDA struct, in its order; kind is number, vector or array."""
        for f in fields(self):
            kind, value = f.metadata.get("kind"), getattr(self, f.name)
            if kind == "inner":
                yield from value.packed(f"{prefix}{f.name}.")
            elif kind in ("number", "vector", "array"):
                yield prefix + f.name, kind, value
        for name, value in self.constants().items():
            yield prefix + name, "number", value

    def columns(self, t: NDArray[np.float64], prefix: str = "") -> Iterator[tuple[str, NDArray[np.float64]]]:
        """(path, values (steps,)) of the per-step tables, in the order of the CUDA twin's ``Column``."""
        from .schedules import Schedule

        for f in fields(self):
            if f.metadata.get("kind") == "scheduled":
                value = getattr(self, f.name)
                yield prefix + f.name, value(t) if isinstance(value, Schedule) else np.full(t.shape, value)
        for name, values in self.tables(t).items():
            yield prefix + name, values
        for f in fields(self):
            if f.metadata.get("kind") == "inner":
                yield from getattr(self, f.name).columns(t, f"{prefix}{f.name}.")

    def state_slots(self) -> tuple[int, int]:
        """How many vectors and how many whole numbers an instance keeps between steps."""
        vectors, integers = len(self.vectors), len(self.integers)
        for f in fields(self):
            if f.metadata.get("kind") == "inner":
                more = getattr(self, f.name).state_slots()
                vectors, integers = vectors + more[0], integers + more[1]
        return vectors, integers

    def vectors_held(self) -> int:
        """Vectors that a step holds beside the iterate: those kept between steps, and those it works with."""
        inside = [getattr(self, f.name).vectors_held() for f in fields(self) if f.metadata.get("kind") == "inner"]
        return len(self.vectors) + self.scratch + sum(inside)

    def describe(self) -> dict[str, Any]:
        """Every field, as plain values, and whose they are: what provenance stores."""
        result: dict[str, Any] = {"part": twins.full_name(type(self))}
        if own := twins.identity(type(self)):
            result["class"] = own
        for f in fields(self):
            value = getattr(self, f.name)
            result[f.name] = plain(value)
        return result


def nested(part: Part) -> Iterator[Part]:
    """The part itself and all that it wraps, however deep."""
    yield part
    for f in fields(part):
        if f.metadata.get("kind") == "inner":
            yield from nested(getattr(part, f.name))


def plain(value: Any) -> Any:
    """A field's value in JSON's types."""
    if isinstance(value, Part):
        return value.describe()
    if isinstance(value, Grid):
        return {"grid": [plain(v) for v in value.values]}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    if isinstance(value, (np.integer, np.floating)):
        return value.item()
    return value
