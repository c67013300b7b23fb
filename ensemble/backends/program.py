"""What a backend runs: the program (parts, sizes, arithmetic), the ensemble's state, and the interface of an engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..arithmetic.random import CONFIGURATION_STRIDE, round_keys
from ..classes import in_library
from ..landscapes.base import Landscape
from ..many import Many
from ..part import Part, nested
from ..sweep import Configurations, drawn_in, draws, settled, with_draws
from ..words import told
from .cached import cached_property
from .crew import share
from .twins import cpp_type, pointwise, vectors_held

Meanwhile = Callable[[], None]
Steps = int | NDArray[np.int32]
"""The step at which points are looked at, or several in order."""
ROLES = ("landscape", "optimizer", "noise", "event")
TABLED = ("optimizer", "noise", "landscape", "event")
"""Roles in the order of their columns in the tables."""
MOST_COLUMNS = 64
"""Columns that a step may have where owners differ: a word's bits say in which, and how."""
TABLE_PIECE = 1 << 15
"""Numbers of a column that are made at once: what they are made of stays near the processor."""
DIVERGED_BEYOND = 1e18
"""A coordinate beyond this size, or not finite, has diverged: its square is still finite in float32."""


@dataclass(frozen=True)
class Program:
    """A batch of an ensemble: ``instances`` of every configuration, ids from ``first_instance`` on.

    Rows are ordered (configuration, instance). ``configurations[c]`` maps role to part; where fields are drawn, every instance of it
    has parts of its own. Rows that share theirs are one owner. ``recorded``: whether what is shown after
    some of a launch's steps is written to a :class:`Ring`; ``recorded_vectors``: the slots of the optimizer's vectors that are, in order.
    """

    configurations: Sequence[Mapping[str, Part]]
    dim: int
    instances: int
    first_instance: int
    dtype: np.dtype[Any]
    math: str
    seed: int
    check_every: int
    paired: bool
    recorded: bool = False
    recorded_vectors: tuple[int, ...] = ()
    kept: dict[Any, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What engines have made of it that does not change while it runs."""

    @property
    def rows(self) -> int:
        return self.instances * len(self.configurations)

    @property
    def recording(self) -> int:
        """What kernels call ``ENSEMBLE_RECORDED``."""
        return 0 if not self.recorded else 2 if self.recorded_vectors else 1

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
        return self.part("optimizer").state_slots()

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
            path.rpartition(".")[2] == "eps" and min(values) < least
            for path, kind, values in self.many("optimizer").packed(derived=False)
            if kind == "number"
        )

    @property
    def integer_dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int64 if self.dtype == np.float64 else np.int32)

    def part(self, role: str) -> Part:
        """That of the first configuration, with a typical number where instances draw one."""
        if ("part", role) not in self.kept:
            self.kept["part", role] = settled(self.configurations[0][role])
        part: Part = self.kept["part", role]
        return part

    @cached_property
    def drawn_roles(self) -> tuple[str, ...]:
        """Roles of the step in which instances draw numbers."""
        first = self.configurations[0]
        return tuple(role for role in ROLES if any(True for _ in drawn_in(first[role])))

    @property
    def alike(self) -> int:
        """Rows, one after another, that have the same parts: those of a configuration, or each by itself where instances draw."""
        return 1 if self.drawn_roles else self.instances

    @property
    def owners(self) -> int:
        """How many have parts of their own: configurations, or rows."""
        return self.rows // self.alike

    def many(self, role: str) -> Many:
        """The parts of a role, one for each owner; of starts, which no step sees, for each configuration or, where drawn, each row."""
        if ("many", role) not in self.kept:
            self.kept["many", role] = self._many(role)
        many: Many = self.kept["many", role]
        return many

    def of_rows(self, role: str, rows: NDArray[Any]) -> Many:
        """The parts of a role, one for each of some rows."""
        many = self.many(role)
        return many.taken(np.asarray(rows) // (self.rows // many.count))

    def _of_configurations(self, role: str) -> Many:
        given = self.configurations
        return given.many(role) if isinstance(given, Configurations) else Many.of([c[role] for c in given])

    @property
    def starts_differ(self) -> bool:
        """Whether configurations, or instances, draw from starts of their own."""
        given = self._of_configurations("start")
        return bool(given.differing) or any(True for _ in drawn_in(given.part))

    def _many(self, role: str) -> Many:
        given, many = self.configurations, self._of_configurations(role)
        random = role in self.drawn_roles or (role not in ROLES and any(True for _ in drawn_in(many.part)))
        if not random and (role not in ROLES or self.alike == self.instances):
            return many
        which = (role, self.seed, self.first_instance, self.instances, self.paired)
        kept = given.drawn if isinstance(given, Configurations) else {}
        if kept.get(role, ((),))[0] != which:  # programs that are made of one another draw once
            configuration = np.repeat(np.arange(len(given)), self.instances)
            ids = self.first_instance + np.tile(np.arange(self.instances, dtype=np.int64), len(given))
            apart = None if self.paired or len(given) == 1 else configuration
            kept[role] = which, with_draws(many.taken(configuration), draws(role, many.part, ids, apart, self.keys))
        found: Many = kept[role][1]
        return found

    @property
    def landscape(self) -> Landscape:
        part = self.part("landscape")
        assert isinstance(part, Landscape)
        return part

    @cached_property
    def vector_paths(self) -> frozenset[str]:
        """``role.path`` of the vector fields that some configuration gives coordinate by coordinate."""
        return frozenset(f"{role}.{path}" for role in ROLES for path in self._of_configurations(role).vectors())

    def owners_of(self, points: int, rows: NDArray[Any] | None) -> NDArray[Any]:
        """The owner of each of so many points, as many of every configuration; ``rows``: those that they are of."""
        if rows is None:
            rows = np.arange(points) // (points // len(self.configurations)) * self.instances
        return np.asarray(rows) // self.alike

    @cached_property
    def arrays_differ(self) -> bool:
        """Whether owners have different numbers in an array of a part, as where configurations draw each its own."""
        few = (
            replace(self, instances=min(self.instances, 2)) if self.drawn_roles else self
        )  # of many rows it is the same
        return any(
            kind == "array" and len(values) > 1
            for role in ROLES
            for _, kind, values in few.many(role).packed(derived=False)
        )

    def by_arrays(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """Rows, in order, whose parts NumPy may look at together: all, or each owner's by themselves where arrays differ."""
        edges = np.flatnonzero(np.diff(rows // self.alike)) + 1 if self.arrays_differ else np.empty(0, dtype=np.intp)
        return np.split(rows, edges)

    def cpp_type(self, role: str) -> str:
        paths = frozenset(p.removeprefix(f"{role}.") for p in self.vector_paths if p.startswith(f"{role}."))
        return cpp_type(self.part(role), paths)

    @cached_property
    def column_names(self) -> tuple[tuple[str, str], ...]:
        """(role, path) of every column of the tables, in the kernel's order: optimizer, noise, landscape, event."""
        t = np.ones(1)
        return tuple((role, path) for role in TABLED for path, _ in self.part(role).columns(t))

    @cached_property
    def steady(self) -> dict[int, NDArray[np.float64]]:
        """Columns that are the same at every step and differ between owners: their place -> (owners,). Tables do not have them.

        ValueError: they are too many columns for a kernel to tell which are which.
        """
        places = {name: k for k, name in enumerate(self.column_names)}
        if self.owners > 1 and len(places) > MOST_COLUMNS:
            raise ValueError(
                f"{len(places)} numbers of a step, scheduled or tabled, were given to several configurations or drawn; give at most "
                f"{MOST_COLUMNS}, or one configuration."
            )
        return {places[role, path]: values for role in TABLED for path, values in self.many(role).steady()}

    @property
    def steady_places(self) -> tuple[int, ...]:
        """Where :attr:`steady` columns are, asked for without drawing anything."""
        few = replace(self, instances=min(self.instances, 2)) if self.drawn_roles else self
        return tuple(few.steady)

    def steady_row(self, width: int) -> NDArray[Any]:
        """The same as a kernel reads it, (owners, width)."""
        whole = np.zeros((self.owners, width), dtype=self.dtype)
        for place, values in self.steady.items():
            whole[:, place] = values
        return whole

    @cached_property
    def differing(self) -> tuple[int, int]:
        """Fields in which owners differ, and numbers of their structs that do."""
        few = (
            replace(self, instances=min(self.instances, 2)) if self.drawn_roles else self
        )  # of many rows it is the same
        many = [few.many(role) for role in ROLES]
        given = sum(len(m.differing) for m in many)
        return given, sum(len(values) > 1 for m in many for _, _, values in m.packed()) if few.owners > 1 else 0

    @cached_property
    def first_owner(self) -> Program:
        """The program of the first owner's parts alone."""
        return replace(self, configurations=({role: self.many(role).part for role in ROLES},), instances=1)

    @cached_property
    def apart(self) -> tuple[int, ...]:
        """Places of the columns in which owners have tables of their own; of the others there is one for all."""
        few = replace(self, instances=min(self.instances, 2))  # of many rows it is the same
        t = np.ones(1)
        made = [values for role in TABLED for _, values in few.many(role).columns(t)] if self.owners > 1 else []
        return tuple(k for k, values in enumerate(made) if len(values) > 1)

    def tables(self, first: int, last: int, spare: int = 0, threads: int = 1) -> NDArray[Any]:
        """The columns for steps first ... last: (owners or 1, steps, columns + spare); 1 if all are the same.

        Of :attr:`steady` columns the first owner's stand in all of them. ``threads`` make them.

        ValueError: a schedule leaves what its field may be, or a number is more than the dtype holds.
        """
        whole = np.zeros(
            (self.owners if self.apart else 1, last - first + 1, len(self.column_names) + spare), self.dtype
        )
        self._make(np.arange(len(whole)), first, last, threads, whole)
        same = len(whole) > 1 and np.array_equal(whole[0], whole[-1]) and (whole == whole[:1]).all()
        return whole[:1] if same else whole

    def tables_by_tile(self, owners: NDArray[Any], first: int, last: int, threads: int = 1) -> NDArray[Any]:
        """The columns :attr:`apart` for steps first ... last of the owners of tiles (tiles, width): (tiles, steps, columns, width)."""
        tiles, width = owners.shape
        raw = np.zeros(
            (tiles * (last - first + 1) * len(self.apart) * width + 64 // self.dtype.itemsize), dtype=self.dtype
        )
        start = -raw.ctypes.data % 64 // self.dtype.itemsize  # on a cache line
        whole = raw[start : start + raw.size - 64 // self.dtype.itemsize].reshape(
            tiles, last - first + 1, len(self.apart), width
        )
        self._make(owners.ravel(), first, last, threads, whole)
        return whole

    def _make(self, owners: NDArray[Any], first: int, last: int, threads: int, whole: NDArray[Any]) -> None:
        """Fills tables, piece by piece: of owners (owners, steps, columns), or of their tiles (tiles, steps, columns apart, width)."""
        t = np.arange(first, last + 1, dtype=np.float64)
        width = whole.shape[3] if whole.ndim == 4 else 1
        piece = max(width, TABLE_PIECE // t.size // width * width)

        def make(a: int) -> None:
            here, place = owners[a : a + piece], 0
            for role in TABLED:
                names = [path for of, path in self.column_names if of == role]
                if whole.ndim == 4 and not any(place <= k < place + len(names) for k in self.apart):
                    place += len(names)
                    continue
                with np.errstate(all="ignore"):
                    for path, values in self.many(role).taken(here).columns(t):
                        cast = values.astype(self.dtype)
                        if not np.isfinite(cast).all():
                            self._refuse(role, path, values, cast, first, here)
                        if whole.ndim == 3:
                            whole[a : a + here.size, :, place] = cast
                        elif place in self.apart:
                            of_tiles = (
                                np.broadcast_to(cast, (here.size, t.size)).reshape(-1, width, t.size).transpose(0, 2, 1)
                            )
                            whole[a // width : (a + here.size) // width, :, self.apart.index(place)] = of_tiles
                        place += 1

        pieces = range(0, owners.size, piece)
        share(pieces, [make] * min(threads, len(pieces)) if len(pieces) > 1 else [make])

    def _refuse(
        self, role: str, path: str, made: NDArray[Any], cast: NDArray[Any], first: int, owners: NDArray[Any]
    ) -> None:
        place, step = (int(k) for k in np.argwhere(~np.isfinite(cast))[0])
        part = told(self.many(role).at(int(owners[place])))
        raise ValueError(
            f"{role}={part}: its {path} is {made[place, step]:g} at step {first + step:,}, which {self.dtype} does not hold; "
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
    asked for by name, (places, slots), ``x`` (places, slots, dim); ``vectors``: those of the optimizer's that the program records,
    (vectors, places, slots, dim); ``point`` (dim): what distances are taken from. All but steps and point are arrays of the engine's
    library.
    """

    steps: NDArray[np.int32]
    places: Any
    found: dict[str, Any]
    vectors: Any = None
    point: NDArray[Any] | None = None

    def arrays(self) -> dict[str, Any]:
        """What a launch is to be told of, by its name there."""
        found = {"ring" if name == "x" else name: array for name, array in self.found.items()}
        if self.vectors is not None:
            found["vector_ring"] = self.vectors
        return {"recorded_places": self.places, **found}

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
        rows: NDArray[Any] | None = None,
    ) -> dict[str, Any]:
        """``value``, ``gradient_norm``, ``distance`` (points), ``gradient`` (points, dim) at ``x`` (points, dim); and along ``direction``
        (points, dim) the Hessian's ``product`` (points, dim), the gradient's, ``slope``, and its own ``direction_length`` (points).

        Points are ordered (step, configuration, point): as many for each step of ``t`` and each configuration. ``shared``: ``x`` has
        the points of one step, and all look at them. ``point`` (dim): what distances are taken from. ``rows``: the rows that points
        are of, the same for each step; asked for where instances draw numbers of the landscape.
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

    def owner_bytes(self, program: Program) -> float:
        """Memory that an owner of parts takes: what it has in the fields in which owners differ, and what follows from that."""
        given, packed = program.differing
        return 8 * (given + packed)

    def table_numbers(self, program: Program) -> int:
        """Numbers that a step has in the tables of a segment."""
        return max(1, len(program.column_names) * (program.owners if program.apart else 1))

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

    def is_of_device(self, error: BaseException) -> bool:
        """Whether an error is one of a device's own runtime, after which its context may be lost."""
        return False

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
