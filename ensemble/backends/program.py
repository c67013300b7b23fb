"""What a backend runs: the program (parts, sizes, arithmetic), the ensemble's state, and the interface of an engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..arithmetic.random import CONFIGURATION_STRIDE, round_keys
from ..classes import in_library
from ..landscapes.base import Landscape
from ..part import Part, nested
from ..words import told
from .cached import cached_property
from .columns import Tabled, distinct, packed_columns
from .twins import cpp_type, pointwise, vectors_held

Meanwhile = Callable[[], None]
Steps = int | NDArray[np.int32]
"""The step at which points are looked at, or several in order."""
ROLES = ("landscape", "optimizer", "noise", "event")
TABLED = ("optimizer", "noise", "landscape", "event")
"""Roles in the order of their columns in the tables."""
DIVERGED_BEYOND = 1e18
"""A coordinate beyond this size, or not finite, has diverged: its square is still finite in float32."""


@dataclass(frozen=True)
class Program:
    """A batch of an ensemble: ``instances`` of every configuration, ids from ``first_instance`` on.

    Rows are ordered (configuration, instance). ``configurations[c]`` maps role to part. ``recorded``: whether what is shown after
    some of a launch's steps is written to a :class:`Ring`.
    """

    configurations: tuple[Mapping[str, Part], ...]
    dim: int
    instances: int
    first_instance: int
    dtype: np.dtype[Any]
    math: str
    seed: int
    check_every: int
    paired: bool
    recorded: bool = False
    kept: dict[Any, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What engines have made of it that does not change while it runs."""

    @property
    def rows(self) -> int:
        return self.instances * len(self.configurations)

    @property
    def stop(self) -> bool:
        return bool(self.part("event").stop)  # type: ignore[attr-defined]

    @cached_property
    def keys(self) -> NDArray[np.uint32]:
        return round_keys(self.seed)

    @property
    def stream_stride(self) -> int:
        return 0 if self.paired else CONFIGURATION_STRIDE

    @cached_property
    def slots(self) -> tuple[int, int]:
        """Vectors and whole numbers that an instance's optimizer keeps."""
        return self.configurations[0]["optimizer"].state_slots()

    @property
    def registers_held(self) -> int:
        """Registers of 32 bits that a step holds for each coordinate."""
        held = 1 + vectors_held(self.part("optimizer")) + vectors_held(self.part("noise"))
        return held * self.dtype.itemsize // 4

    @property
    def pointwise(self) -> bool:
        """Whether a step treats every coordinate by itself: landscape, optimizer and noise, and all that they wrap."""
        return not self.slots[1] and all(pointwise(self.part(role)) for role in ("landscape", "optimizer", "noise"))

    @cached_property
    def has_own_parts(self) -> bool:
        """Whether a part's class is not the library's."""
        return any(not in_library(type(part)) for role in ROLES for part in nested(self.part(role)))

    @cached_property
    def no_epsilon(self) -> bool:
        """Whether an optimizer's ``eps`` is 0, or flushed to 0, in some configuration: only then is 0/0 looked for in a step."""
        least = np.finfo(self.dtype).tiny
        return any(
            path.rpartition(".")[2] == "eps" and value < least
            for c in self.configurations
            for path, _, value in c["optimizer"].packed()
        )

    @property
    def integer_dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int64 if self.dtype == np.float64 else np.int32)

    def part(self, role: str) -> Part:
        return self.configurations[0][role]

    @property
    def landscape(self) -> Landscape:
        part = self.part("landscape")
        assert isinstance(part, Landscape)
        return part

    @cached_property
    def vector_paths(self) -> frozenset[str]:
        """``role.path`` of the vector fields that some configuration gives coordinate by coordinate."""
        return frozenset(
            f"{role}.{path}"
            for role in ROLES
            for path, kind, values in packed_columns(distinct([c[role] for c in self.configurations])[0])
            if kind == "vector" and any(isinstance(value, tuple) for value in values)
        )

    @cached_property
    def arrays_differ(self) -> bool:
        """Whether configurations have different numbers in an array of a part, as where each draws its own."""
        return any(
            kind == "array" and not all(v is values[0] or np.array_equal(v, values[0]) for v in values)
            for role in ROLES
            for _, kind, values in packed_columns(distinct([c[role] for c in self.configurations])[0])
        )

    def cpp_type(self, role: str) -> str:
        paths = frozenset(p.removeprefix(f"{role}.") for p in self.vector_paths if p.startswith(f"{role}."))
        return cpp_type(self.part(role), paths)

    @cached_property
    def column_names(self) -> tuple[tuple[str, str], ...]:
        """(role, path) of every column of the tables, in the kernel's order: optimizer, noise, landscape, event."""
        t = np.ones(1)
        return tuple((role, path) for role in TABLED for path, _ in self.part(role).columns(t))

    @cached_property
    def _tabled(self) -> dict[str, Tabled]:
        return {role: Tabled.of([c[role] for c in self.configurations]) for role in TABLED}

    def tables(self, first: int, last: int, spare: int = 0) -> NDArray[Any]:
        """The columns for steps first ... last: (configurations or 1, steps, columns + spare); 1 if all are the same.

        ValueError: a schedule leaves what its field may be, or a number is more than the dtype holds.
        """
        t = np.arange(first, last + 1, dtype=np.float64)
        with np.errstate(all="ignore"):
            made = {role: tabled.columns(t) for role, tabled in self._tabled.items()}
            cast = {role: columns.astype(self.dtype) for role, columns in made.items()}
        for role, columns in cast.items():
            if not np.isfinite(columns).all():
                self._refuse(role, made[role], columns, first)
        several = any(len(cast[role]) > 1 or tabled.numbers for role, tabled in self._tabled.items())
        whole = np.zeros(
            (len(self.configurations) if several else 1, t.size, len(self.column_names) + spare), dtype=self.dtype
        )
        at = 0
        for role, tabled in self._tabled.items():
            columns, end = cast[role], at + cast[role].shape[2]
            whole[:, :, at:end] = columns if len(columns) == 1 else columns[tabled.group]
            paths = [path for owner, path in self.column_names if owner == role]
            for path, values in tabled.numbers.items():
                whole[:, :, at + paths.index(path)] = values[:, None]
            at = end
        return whole

    def _refuse(self, role: str, made: NDArray[Any], cast: NDArray[Any], first: int) -> None:
        place, step, column = (int(k) for k in np.argwhere(~np.isfinite(cast))[0])
        path = [path for owner, path in self.column_names if owner == role][column]
        part = told(self._tabled[role].makers[place])
        raise ValueError(
            f"{role}={part}: its {path} is {made[place, step, column]:g} at step {first + step:,}, which {self.dtype} does not hold; "
            f"give another schedule."
        )


@dataclass
class State:
    """Everything that changes: arrays of the engine's own library, one row per instance and configuration.

    ``x`` (rows, dim); ``vectors`` (slots, rows, dim) and ``integers`` (slots, rows): what optimizers keep; ``event_step``,
    ``event``, ``diverged_step`` (rows) int32: -1, 0 and -1 while nothing happened.
    """

    x: Any
    vectors: Any
    integers: Any
    event_step: Any
    event: Any
    diverged_step: Any

    def arrays(self) -> dict[str, Any]:
        return dict(self.__dict__)


@dataclass
class Ring:
    """Memory for what is recorded after some steps of a segment.

    ``steps`` (slots,) int32, in order; ``places`` (rows,) int32: where a row is recorded, -1 where it is not; ``found``: what is
    asked for by name, (places, slots), ``x`` (places, slots, dim); ``point`` (dim): what distances are taken from. ``places`` and
    what is found are arrays of the engine's library.
    """

    steps: NDArray[np.int32]
    places: Any
    found: dict[str, Any]
    point: NDArray[Any] | None = None

    def ahead(self) -> NDArray[np.int32]:
        """The steps, and then one that does not come: what a kernel compares the next step with."""
        return np.append(self.steps, np.int32(np.iinfo(np.int32).max))


class Engine(ABC):
    """Runs programs on one kind of hardware. ``xp`` is the array library its state lives in."""

    name: ClassVar[str]
    xp: Any = np

    def here(self) -> AbstractContextManager[Any]:
        """Within it the engine's own device is the thread's current one, as every operation on its arrays wants: they are made on the
        current one, and mix with none of another.
        """
        return nullcontext()

    @abstractmethod
    def prepare(self, program: Program, looks: bool = False) -> None:
        """Compiles what the program needs, before anything runs. ``looks``: values or gradients are recorded along the way."""

    @abstractmethod
    def normals(self, program: Program, step: int, stream: int, ids: NDArray[np.uint32]) -> Any:
        """Standard normals (ids, dim), the same bits on every engine."""

    @abstractmethod
    def uniforms(self, program: Program, step: int, stream: int, ids: NDArray[np.uint32]) -> Any:
        """Uniforms on (0, 1] (ids, dim), the same bits on every engine."""

    @abstractmethod
    def advance(
        self,
        program: Program,
        state: State,
        active: Any,
        first: int,
        last: int,
        meanwhile: Meanwhile | None = None,
        ring: Ring | None = None,
    ) -> None:
        """Takes steps first ... last of the rows listed in ``active``, in place; finished rows are frozen.

        ``meanwhile`` is called while a device is at work; where there is none, it need not be. ``ring`` is given where the program
        is ``recorded``, and takes what is shown of those of the rows that go on.
        """

    @abstractmethod
    def observe(
        self,
        program: Program,
        x: Any,
        quantities: tuple[str, ...],
        t: Steps,
        direction: Any = None,
        point: NDArray[Any] | None = None,
        shared: bool = False,
    ) -> dict[str, Any]:
        """``value``, ``gradient_norm``, ``distance`` (rows), ``gradient`` or ``product`` (rows, dim) at ``x`` (rows, dim).

        Rows are ordered (step, configuration, point): as many points for each step of ``t`` and each configuration. ``shared``: ``x``
        has the points of one step, and all look at them. ``point`` (dim): what distances are taken from.
        """

    def records_within(self, program: Program) -> bool:
        """Whether a launch may record: what is measured of an instance needs all of its coordinates at hand."""
        return True

    @abstractmethod
    def describe(self, program: Program) -> dict[str, Any]:
        """Device and launch configuration, for provenance."""

    def to_numpy(self, a: Any) -> NDArray[Any]:
        return np.asarray(a)

    def fetch(self, arrays: dict[str, Any]) -> Callable[[], dict[str, NDArray[Any]]]:
        """Starts bringing arrays, which must stay as they are, to the host; what is returned waits for them."""
        found = {name: self.to_numpy(array) for name, array in arrays.items()}
        return lambda: found

    def to_device(self, a: NDArray[Any]) -> Any:
        return a

    batch_coordinates: ClassVar[int | None] = None
    """Coordinates of a batch, at most, where there is room for more: those that stay near the processor are advanced faster, and
    their segments' own cost is small, so that segments are short. None: on a device, more are always as good."""

    ring_bytes: ClassVar[int] = 1 << 26
    """Memory that what is recorded within a segment may take until the segment is over."""

    on_host: ClassVar[bool] = True
    """Whether the state lies in the host's memory, and becomes the result without a copy."""

    def working_bytes(self, program: Program) -> int:
        """Memory that a row takes while it runs, beside its state: the list of those that go on and what makes it."""
        return 6

    def looking_bytes(self, program: Program) -> int:
        """Memory that a row takes while it is looked at, beside its state and what is found."""
        return 2

    def other_bytes(self, program: Program, rows: int, looks: bool = True) -> int:
        """Memory that running so many rows takes beside what each of them does. ``looks``: whether they are observed, too."""
        return 0

    @abstractmethod
    def memory_available(self) -> int:
        """Bytes that may be used."""

    def host_memory_available(self) -> int:
        """Bytes that results may use, where the state lies elsewhere."""
        return self.memory_available()

    def release(self) -> None:  # noqa: B027
        """Gives back memory that nobody holds, after an allocation failed."""

    def release_host(self) -> None:  # noqa: B027
        """Gives back memory of the host that served what was recorded on its way from a device, after a batch."""

    def arrival_bytes(self, sizes: Sequence[int]) -> int:
        """Memory of the host that arrays of so many bytes take, at most, on their way from a device, again and again."""
        return 0

    device_name: str = ""
    """What a GPU calls itself."""

    trial_coordinates: int = 65_536
    """Coordinates of a trial: enough for every thread to have tiles, few enough to be advanced at once."""

    watched: bool = False
    """Whether the system ends kernels that take long, as where a GPU serves a display."""

    def streams(self, program: Program) -> bool:
        """Whether a device reads the program's instances from memory again and again, since its registers do not suffice."""
        return False

    def launches_to_ask(self, program: Program) -> int:
        """Launches that it takes to ask the event once, beside those of segments."""
        return 0

    def team(self, program: Program) -> int:
        """Configurations that advance together, so that what they all see is drawn once."""
        return 1

    def thread_instructions(self) -> float | None:
        """Thread-instructions/s that a GPU can issue; None elsewhere."""
        return None

    def new_state(self, program: Program) -> State:
        xp, rows, (vectors, integers) = self.xp, program.rows, program.slots
        with self.here():
            return State(
                x=xp.zeros((rows, program.dim), dtype=program.dtype),
                vectors=xp.zeros((vectors, rows, program.dim), dtype=program.dtype),
                integers=xp.zeros((integers, rows), dtype=program.integer_dtype),
                event_step=xp.full(rows, -1, dtype=np.int32),
                event=xp.zeros(rows, dtype=np.int32),
                diverged_step=xp.full(rows, -1, dtype=np.int32),
            )
