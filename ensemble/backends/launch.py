"""What a launch hands to a kernel, the same for the CPU, for CUDA and for its emulation in the tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..part import nested
from . import sources
from .layout import draw_dtype, launch_dtype, look_dtype
from .program import DIVERGED_BEYOND, ROLES, Program, Ring
from .twins import Twin, twin_of

Place = Callable[[NDArray[Any]], int]
"""Brings an array to where the kernel runs, keeps it there, and says its address."""


def roles_of(entry: str) -> tuple[str, ...]:
    """The parts that a kernel is made of: ``advance``, ``check``, ``observe`` or ``draw``."""
    return {"advance": ROLES, "check": ROLES, "observe": ("landscape",), "draw": ()}[entry]


def types_of(program: Program, entry: str) -> tuple[str, ...]:
    """The kernel's template arguments."""
    return tuple(program.cpp_type(role) for role in roles_of(entry))


def twins_of(program: Program, entry: str) -> tuple[Twin, ...]:
    """The structs that a kernel is made of, each once."""
    parts = (part for role in roles_of(entry) for part in nested(program.part(role)))
    return tuple(dict.fromkeys(twin_of(part) for part in parts))


def program_source(types: tuple[str, ...], macros: dict[str, int], entry: str, twins: Sequence[Twin]) -> str:
    """The text of one program: macros, the structs of its parts, the header of ``entry`` (advance, check, observe or draw), and its entry.

    Only what the program uses is read, so an error in another part's header does not touch it. The digest makes a cache
    that looks at this text alone see a changed header.
    """
    own = {twin.space: twin.text for twin in twins if twin.text}
    asked = [name for text in own.values() for name in sources.INCLUDE.findall(text)]
    used = tuple(dict.fromkeys((*(twin.header for twin in twins), *asked, f"{entry}.cuh")))
    lines = [f"// kernels {sources.digest(used)}"]
    lines += [f"#define ENSEMBLE_{name} {value}" for name, value in macros.items()]
    lines += [f'#include "{name}"' for name in used]
    for space, text in own.items():  # headers that it asks for are above: not in its namespace
        lines += [
            f"namespace {space} {{",
            f'#line 1 "{space}"',
            sources.INCLUDE.sub("", text),
            "}",
            '#line 1 "program"',
        ]
    call = f"({', '.join(types)})" if types else ""
    lines.append(f"ENSEMBLE_{entry.upper()}{call}")
    return "\n".join(lines) + "\n"


def table_rows(program: Program, first: int, last: int, threads: int) -> NDArray[Any]:
    """The columns of steps first ... last, (owners or 1, steps, ``Parts::table_row``), made by so many threads."""
    return program.tables(first, last, row_width(program) - len(program.column_names), threads)


def row_width(program: Program) -> int:
    """``Parts::table_row``."""
    columns = len(program.column_names)
    return columns + (-columns % 4 if columns > 2 else 0)


def advance_launch(
    program: Program,
    addresses: Mapping[str, int],
    tables: NDArray[Any],
    count: int,
    first: int,
    last: int,
    ring: Ring | None,
) -> NDArray[Any]:
    """``struct Launch``, an array of one. ``count`` is the number of entries of ``active``."""
    launch = np.zeros((), dtype=launch_dtype(program.dtype, program.recording))
    launch["rows"], launch["instances"], launch["count"] = program.rows, program.instances, count
    launch["table_stride"] = 0 if tables.shape[0] == 1 else tables.shape[1]
    launch["team"] = launch["together"] = 1
    launch["first_instance"], launch["stream_stride"] = program.first_instance, program.stream_stride
    launch["first"], launch["last"], launch["check_every"] = first, last, program.check_every
    launch["dim"], launch["stop"], launch["bound"] = program.dim, program.stop, DIVERGED_BEYOND
    launch["alike"], launch["steady_columns"] = program.alike, sum(1 << place for place in program.steady)
    if "apart" in addresses:
        launch["apart_columns"] = sum(1 << place for place in program.apart)
    launch["keys"] = program.keys
    assert (ring is not None) == program.recorded
    if ring is not None:
        launch["slots"] = ring.steps.size
    if program.recorded_vectors:
        assert ring is not None
        launch["places"] = ring.vectors.shape[1]
        launch["ring_vectors"] = sum(1 << slot for slot in program.recorded_vectors)
    return _with(launch, addresses)


def look_launch(
    addresses: Mapping[str, int], count: int, rows: int, alike: int, dim: int, shared: bool = False
) -> NDArray[Any]:
    """``struct LookLaunch`` for slots of so many rows, of which ``alike`` have one struct, an array of one; outputs without an address
    are not computed. ``shared``: all slots look at the same points.
    """
    launch = np.zeros((), dtype=look_dtype())
    launch["rows"], launch["alike"] = rows, alike
    launch["next_points"] = 0 if shared else rows
    launch["count"], launch["dim"] = count, dim
    return _with(launch, addresses)


def draw_launch(
    program: Program, addresses: Mapping[str, int], count: int, step: int, stream: int, what: int
) -> NDArray[Any]:
    """``struct DrawLaunch``, an array of one. ``what``: 0 normals, 1 uniforms."""
    launch = np.zeros((), dtype=draw_dtype())
    launch["count"], launch["step"], launch["stream"] = count, step, stream
    launch["dim"], launch["what"], launch["keys"] = program.dim, what, program.keys
    return _with(launch, addresses)


def looked_at(name: str, rows: int, dim: int) -> tuple[int, ...]:
    """The shape of what is found of so many rows: a number of each, or a vector."""
    return (rows, dim) if name in ("gradient", "product") else (rows,)


def point_of(program: Program, point: NDArray[Any] | None, lanes: int = 1) -> NDArray[Any]:
    """A point (dim) in whole blocks for each of ``lanes``, as kernels read it."""
    padded = np.zeros(-(-program.dim // (4 * lanes)) * 4 * lanes, dtype=program.dtype)
    if point is not None:
        padded[: program.dim] = point
    return padded


def _with(launch: NDArray[Any], addresses: Mapping[str, int]) -> NDArray[Any]:
    for name, address in addresses.items():
        launch[name] = address
    return launch
