"""Part: the immutable values an experiment is made of, and how a kernel sees them.

A part is a frozen dataclass. Its fields are declared with the functions below; what is evaluated inside the step has
a CUDA twin, a struct with the same fields in the same order, derived from its methods (``tracing/``) or brought along:

* ``number``    one real, packed into the struct; may be a :func:`~ensemble.grids.grid`;
* ``vector``    one number for each coordinate, or one for all (then packed like a number) where that means one thing; may be a grid;
* ``array``     numbers of any shape behind a read-only pointer;
* ``data``      numbers of any shape that the part makes an array of: a kernel sees that one;
* ``structure`` an integer or a name that selects code: a template argument, the same for all configurations;
* ``scheduled`` a number or a :class:`~ensemble.schedules.Schedule`: a column of the per-step tables, not a struct field;
* ``seeded``    a whole number that arrays are drawn from, before any step; may be a grid;
* ``inner``     another part of the same kind that this one wraps;
* ``outside``   True or False: what the run looks at and no step sees, the same for all configurations (an event's ``stop``).

``constants()`` adds numbers derived in float64 and rounded once; ``tables(t)`` adds numbers for each step.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from . import classes
from .fields import (
    ANY,
    COUNT,
    FRACTION,
    NOT_NEGATIVE,
    POSITIVE,
    WHOLE,
    Domain,
    array,
    check_length,
    checked_array,
    checked_flag,
    checked_number,
    checked_seed,
    checked_structure,
    checked_vector,
    data,
    derived,
    fail,
    flag,
    inner,
    number,
    scheduled,
    seeded,
    structure,
    vector,
)
from .grids import Drawn, Grid
from .held import values_at
from .names import field_instead
from .packed import LONG, packed
from .plain import is_real
from .values import Value
from .words import name_of, told

__all__ = [
    "ANY",
    "COUNT",
    "FRACTION",
    "NOT_NEGATIVE",
    "POSITIVE",
    "WHOLE",
    "Domain",
    "Part",
    "array",
    "data",
    "derived",
    "flag",
    "inner",
    "nested",
    "now_for",
    "number",
    "plain",
    "put_column",
    "scheduled",
    "seeded",
    "structure",
    "vector",
]


@dataclass(frozen=True)
class Part(Value):
    """Base of every part: validation, and the part as the kernel sees it."""

    vectors: ClassVar[tuple[str, ...]] = ()
    """Names of the per-coordinate state, in the order of the CUDA twin's ``State::each``."""
    integers: ClassVar[tuple[str, ...]] = ()
    """Names of the per-instance whole-number state, likewise."""
    scratch: ClassVar[int] = 0
    """Of a class that brings its own struct: vectors that a step holds at once beyond the iterate, its state and one gradient. A group
    of lanes has room for them. Where the struct is derived, so is this."""
    pointwise: ClassVar[bool] = False
    """Of a class that brings its own struct: whether what it does in a step to one coordinate depends on no other; for a landscape: its
    derivatives and its projection, not its value. A wrapper says it of what it adds. Where the struct is derived, so is this."""

    kernel: ClassVar[str | Path] = ""
    """The CUDA struct of a class that is not the library's: its text, or a path to a file beside the class (``classes.py``)."""
    kernel_header: ClassVar[str] = ""
    """The header of ``kernels/`` that structs of this kind of part build on; empty: no step sees such a part."""
    made_like: ClassVar[str] = "a part"
    """What a part of this kind is, with an example: said where another kind was given."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        own = [f.name for f in fields(cls) if f.init]
        if unknown := [name for name in kwargs if name not in own]:
            with contextlib.suppress(TypeError):  # a class may bring a constructor of its own
                inspect.signature(cls.__init__).bind(None, *args, **kwargs)
                unknown = []
        for name in unknown:
            raise TypeError(
                f"{cls.__name__}({name}={told(kwargs[name])}): there is no {name}; {field_instead(name, own)}."
            )
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Grid):
                object.__setattr__(self, f.name, self._checked_grid(f, value))
            elif isinstance(value, Drawn):
                self._check_drawn(f, value)
            else:
                object.__setattr__(self, f.name, self._checked(f, value))
        self.validate()
        self._lock_arrays()

    def with_checked(self, changes: Mapping[str, Any]) -> Self:
        """This part with some fields changed to what their own grids hold, which was checked: many of a sweep are made like that."""
        own = {f.name: f.metadata.get("kind") for f in fields(self)}
        numbers_inside = any(own[name] == "inner" and not isinstance(value, Part) for name, value in changes.items())
        if numbers_inside or type(self).__post_init__ is not Part.__post_init__:
            return dataclasses.replace(self, **changes)
        made = object.__new__(type(self))
        made.__dict__.update({name: self.__dict__[name] for name in own} | {**changes})
        made.validate()
        made._lock_arrays()
        return made

    def _checked_grid(self, f: dataclasses.Field[Any], grid: Grid) -> Grid:
        owner, kind = type(self).__name__, f.metadata.get("kind")
        if kind == "outside":
            fail(owner, f.name, grid, "True or False")
        if kind in ("number", "vector", "scheduled", "seed"):
            if (
                kind != "seed"
                and all(type(v) is float and math.isfinite(v) for v in grid.values)
                and all(map(f.metadata["domain"].holds, grid.values))
            ):
                return grid  # what each by itself would give, of thousands
            return grid.each(lambda v: self._checked(f, v))
        raise ValueError(
            f"{owner}({f.name}=grid(...)): {f.name} selects code and cannot be a grid; run the variants side by side "
            f"with ensemble.compare."
        )

    def _check_drawn(self, f: dataclasses.Field[Any], value: Drawn) -> None:
        """Whether all that a law may draw is what the field may be."""
        owner, kind = type(self).__name__, f.metadata.get("kind")
        if kind not in ("number", "vector", "scheduled"):
            raise ValueError(
                f"{owner}({f.name}={told(value)}): {f.name} is no number, and cannot be drawn for each instance; run variants "
                f"side by side with ensemble.compare."
            )
        domain = f.metadata["domain"]
        if bad := [v for v in value.law.extremes() if not domain.holds(v)]:
            raise ValueError(
                f"{owner}({f.name}={told(value)}): the law draws {bad[0]:g} or numbers as near to it as may be, and {f.name} must be "
                f"{domain.words}; give a law of such numbers."
            )

    def _checked(self, f: dataclasses.Field[Any], value: Any) -> Any:
        owner, name, kind = type(self).__name__, f.name, f.metadata.get("kind")
        if kind == "number":
            return checked_number(owner, name, value, f.metadata["domain"])
        if kind == "vector":
            return checked_vector(owner, name, value, f.metadata["domain"])
        if kind in ("array", "data"):
            return checked_array(owner, name, value, "finite numbers, in lists of one length")
        if kind == "scheduled":
            made = schedule_of(value)
            return checked_number(owner, name, value, f.metadata["domain"]) if made is None else made
        if kind == "inner":
            return self._checked_inner(f, value)
        if kind == "seed":
            return checked_seed(owner, name, value)
        if kind == "outside" or (kind == "structure" and f.metadata.get("flag")):
            return checked_flag(owner, name, value)
        if kind == "structure" and (value is not None or f.default is not None):
            return checked_structure(owner, name, value, f.metadata["low"])
        return value

    def _checked_inner(self, f: dataclasses.Field[Any], value: Any) -> Any:
        """A part of this one's own kind."""
        kind = _kind_of(type(self))
        if not isinstance(value, kind):
            given = f"the class {value.__name__}" if isinstance(value, type) else f"{type(value).__name__}"
            fail(type(self).__name__, f.name, value, f"{kind.made_like}, not {given}")
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
                    check_length(type(self).__name__, f, v, dim)
            if kind == "inner":
                changes[f.name] = value.at_dim(dim)
        return dataclasses.replace(self, **changes) if changes else self

    # ---- as the kernel sees it

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
        for f in fields(self):
            if f.metadata.get("kind") == "scheduled":
                value = getattr(self, f.name)
                if isinstance(value, Part):  # a schedule
                    yield prefix + f.name, values_at(type(self).__name__, f.name, value, f.metadata["domain"], t)
                else:  # of many parts at once the value is (parts, 1), and t (1, steps)
                    yield prefix + f.name, np.full(np.broadcast_shapes(t.shape, np.shape(value)), value)
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

    def describe(self) -> dict[str, Any]:
        """Every field, as plain values, and whose they are: what provenance stores."""
        result: dict[str, Any] = {"part": classes.full_name(type(self))}
        if own := classes.identity(type(self)):
            text = classes.formula(self)
            result["class"] = own | ({"formula": classes.digest(text)} if text else {})
        for f in fields(self):
            value = getattr(self, f.name)
            result[f.name] = plain(value)
        return result


def _kind_of(part: type[Part]) -> type[Part]:
    """Landscape, Optimizer, ...: the one of a part's bases that is a kind of part."""
    return next((base for base in part.__mro__ if Part in base.__bases__), part)


def nested(part: Part) -> Iterator[Part]:
    """The part itself and all that it wraps, however deep."""
    yield part
    for f in fields(part):
        if f.metadata.get("kind") == "inner":
            yield from nested(getattr(part, f.name))


class Inside(SimpleNamespace):
    """What a part that another wraps sees of a step: its own columns, and of the rest what the other sees."""

    def __init__(self, outer: Any) -> None:
        super().__init__()
        self._outer = outer

    def __getattr__(self, name: str) -> Any:
        if name in ("t", "random", "landscape", "shown"):
            return getattr(self._outer, name)
        raise AttributeError(name)

    def within(self, outer: Any) -> Inside:
        """The same as a part sees it whose ``now`` is ``outer``."""
        made = Inside(outer)
        for name, value in vars(self).items():
            if name != "_outer":
                setattr(made, name, value.within(made) if isinstance(value, Inside) else value)
        return made


def now_for(part: Part, now: Any) -> Any:
    """``now`` with what each part that ``part`` wraps sees of it, under its field's name."""
    for f in fields(part):
        if f.metadata.get("kind") == "inner":
            setattr(now, f.name, now_for(getattr(part, f.name), Inside(now)))
    return now


def put_column(now: Any, path: str, value: Any) -> None:
    """Puts a column where the part sees it: ``now.lr``, or ``now.base.lr`` for a part that another wraps."""
    *inside, name = path.split(".")
    for part in inside:
        now = getattr(now, part)
    setattr(now, name, value)


def plain(value: Any) -> Any:
    """A field's value in JSON's types."""
    if isinstance(value, Part):
        return value.describe()
    if isinstance(value, Grid):
        return {"grid": value.listed() or [plain(v) for v in value.values]}
    if isinstance(value, Drawn):
        return {"drawn": plain(value.law)}
    if isinstance(value, np.ndarray):
        return packed(value) if value.size >= LONG else value.tolist()
    if isinstance(value, (tuple, list)):
        if {int, float}.issuperset(map(type, value)):  # it may be every step of a run
            return list(value)
        return [plain(v) for v in value]
    if isinstance(value, (np.integer, np.floating)):
        return value.item()
    return name_of(value) if callable(value) else value


# ---- schedules: what a scheduled field of any part may hold; the others are in schedules.py


Steps = NDArray[np.float64]
Range = tuple[float, float]


@dataclass(frozen=True)
class Schedule(Part):
    """A number for every step: called with ``t`` (steps,) it returns values (steps,) in float64.

    They must be what the field may be that the schedule stands in, at every step; a schedule that says its ``range`` is held to that
    before a run, any other at the latest before the steps that would use a value.
    """

    made_like = "a number or a schedule, such as LinearDecay(0.1, 1000)"

    def __call__(self, t: Steps) -> Steps:
        raise TypeError(f"{type(self).__name__} does not say its value at a step; define __call__(self, t).")

    def range(self, first: int, last: int) -> Range | None:
        """Two numbers that its values at steps first ... last lie between; None: known only by evaluating it."""
        return None

    def _checked_inner(self, f: dataclasses.Field[Any], value: Any) -> Any:
        """A schedule; a number is a constant one, and a function makes one."""
        if is_real(value):
            return Constant(checked_number(type(self).__name__, f.name, value, f.metadata["domain"]))
        made = schedule_of(value)
        return super()._checked_inner(f, value if made is None else made)

    def _check_drawn(self, f: dataclasses.Field[Any], value: Drawn) -> None:
        if f.metadata.get("kind") != "inner":
            return super()._check_drawn(f, value)
        raise ValueError(
            f"{type(self).__name__}({f.name}={told(value)}): give Constant({value!r}), or a schedule of drawn numbers."
        )

    def _checked_grid(self, f: dataclasses.Field[Any], grid: Grid) -> Grid:
        if f.metadata.get("kind") != "inner":
            return super()._checked_grid(f, grid)
        # a number stays one, to be the coordinate
        return grid.each(lambda v: v if is_real(v) and self._checked(f, v) else self._checked(f, v))


@dataclass(frozen=True)
class Constant(Schedule):
    """The same value at every step."""

    lr: float = number(domain=NOT_NEGATIVE)

    def __call__(self, t: Steps) -> Steps:
        return np.full(t.shape, self.lr)

    def range(self, first: int, last: int) -> Range | None:
        return self.lr, self.lr


@dataclass(frozen=True, repr=False)
class FromFunction(Schedule):
    """Any Python function of the step: ``Adam(lr=lambda t: 1e-2 / t)`` makes one.

    It is called with each step's number and must return a number. Its text is not kept: a saved result can be read, but not
    resumed or replayed from its file.
    """

    function: Callable[[float], float]

    def validate(self) -> None:
        if not callable(self.function) and not isinstance(self.function, str):
            raise ValueError(f"FromFunction(function={told(self.function)}): give a function of the step's number.")

    def __call__(self, t: Steps) -> Steps:
        if isinstance(self.function, str):
            raise ValueError(
                f"FromFunction(function={told(self.function)}): this is a function's name, which is all that a file keeps; run "
                f"simulate again with the function itself."
            )
        values = np.empty(t.shape)
        for k, step in enumerate(t.tolist()):
            try:
                values[k] = float(self.function(step))
            except Exception as error:  # of the user's own
                words = told(f"{type(error).__name__}: {error}")
                raise ValueError(
                    f"the schedule {self.name} gives no number at step {step:.0f} ({words}); return a number at every step."
                ) from error
        return values

    @property
    def name(self) -> str:
        """What tells it from other functions, in every process."""
        return name_of(self.function)

    def __repr__(self) -> str:
        return f"FromFunction({self.name})"

    def __str__(self) -> str:
        return self.name

    def describe(self) -> dict[str, Any]:
        return {"part": "FromFunction", "function": self.name}


def schedule_of(value: object) -> Schedule | None:
    """A schedule, or the one that a function is; None for anything else."""
    if isinstance(value, Schedule):
        return value
    return FromFunction(value) if callable(value) and not isinstance(value, (type, Part)) else None
