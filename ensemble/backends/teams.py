"""Teams: configurations of the same instances that advance together, so that what they all see is drawn once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..part import nested
from . import sources
from .launch import twins_of
from .layout import tiles_of
from .program import Program
from .twins import twin_of

MOST_MEMBERS = 8
"""Configurations of a team, at most: the eighth that shares a draw still spares a seventh of what is left of it."""
TEAM_BYTES = 1 << 25
"""State of a team's tiles, at most: it should stay in some cache of the processor."""
DRAWING = 1.5
"""What drawing a step's noise costs, in steps without: the least that was found, Adam's. Gradient descent's are 17."""


def draws(program: Program) -> bool:
    """Whether a step may draw anything."""
    return any("random" in (twin.text or sources.text_of(twin.header)) for twin in twins_of(program, "advance"))


def most_members(program: Program) -> int:
    """Configurations of a team, at most; 1 where none see the same draws, there are no draws to see, or every row has parts of its own."""
    several = min(len(program.configurations), MOST_MEMBERS)
    return several if several > 1 and program.paired and not program.drawn_roles and draws(program) else 1


def shares_normals(program: Program) -> bool:
    """Whether what a step's noise draws are normals of its own stream, which a device draws once for a team.

    Not where an optimizer is written by hand: those branch and loop, and what a team has fewer coordinates in a lane for costs more.
    """
    texts = [twin_of(part).text or "" for part in nested(program.part("noise"))]
    derived = all(twin_of(part).derived for part in nested(program.part("optimizer")))
    return most_members(program) > 1 and derived and any("Normals(now.random, NOISE)" in text for text in texts)


def teams_of_ids(program: Program, active: Any, size: int, xp: Any) -> Any:
    """Rows as teams for groups of lanes (teams, size), -1 where there is none, in an array library: a team has one id, and those of
    which the same configurations are left stand side by side.
    """
    left = xp.zeros((len(program.configurations), program.instances), dtype=bool)
    left.reshape(-1)[active] = True
    configurations = xp.flatnonzero(left.any(axis=1))
    groups = -(-int(configurations.size) // size)
    ids = xp.arange(program.instances, dtype=np.int32)
    teams = xp.full((groups, program.instances, size), -1, dtype=np.int32)
    members = xp.zeros((groups, program.instances), dtype=np.uint8)
    for i, c in enumerate(configurations.tolist()):
        teams[i // size, :, i % size] = xp.where(left[c], ids + c * program.instances, -1)
        members[i // size] |= left[c].astype(np.uint8) << (i % size)
    flat, members = teams.reshape(-1, size), members.reshape(-1)
    order = xp.argsort(members, kind="stable")[int(xp.count_nonzero(members == 0)) :]
    return flat[order]


def team_size(program: Program, rows: int, width: int, threads: int) -> int:
    """How many configurations advance together where so many rows are left: enough teams are formed to keep every thread at work."""
    configurations = min(len(program.configurations), rows)
    tiles = max(1, -(-rows // (configurations * width)))

    def cost(size: int) -> float:
        return _cost(-(-configurations // size) * tiles, configurations * tiles, threads)

    held = width * program.dim * program.dtype.itemsize * (1 + program.slots[0])
    return min(range(1, max(1, min(most_members(program), TEAM_BYTES // held)) + 1), key=cost)


def _cost(teams: int, tiles: int, threads: int) -> float:
    """Of a step of so many tiles in so many teams, in steps of a tile that draw nothing."""
    return -(-teams // threads) * (DRAWING + tiles / teams)


def teams_of(program: Program, active: NDArray[Any], width: int, threads: int, mixed: bool) -> NDArray[np.int32]:
    """Rows, in order, as teams of tiles (teams, tiles, width), -1 where there is none: a lane of a team has one id.

    The tiles of a team have one configuration each, or several where they are ``mixed``. Where too few instances are left of the
    same configurations for teams to spare anything, teams are of one: :func:`~ensemble.backends.layout.tiles_of`.
    """
    rows = np.asarray(active, dtype=np.int32)
    size = team_size(program, rows.size, width, threads)
    if size > 1:
        formed = _of_ids if mixed else _of_tiles
        teams, alone = formed(rows, program, width, size)
        tiles = int(np.count_nonzero((teams >= 0).any(axis=2)))
        if _cost(len(teams), tiles, threads) < _cost(alone, alone, threads):
            return teams
    return tiles_of(rows, program.alike, width, mixed)[:, None]


def _of_tiles(rows: NDArray[np.int32], program: Program, width: int, size: int) -> tuple[NDArray[np.int32], int]:
    """The next configurations that are left, so many at a time, and how many tiles there would be of one configuration each.

    Instances of which the same configurations are left lie in the same tiles.
    """
    left = np.zeros((len(program.configurations), program.instances), dtype=bool)
    left.reshape(-1)[rows] = True
    counts = np.count_nonzero(left, axis=1)
    configurations = np.flatnonzero(counts).astype(np.int32)
    groups, blocks = -(-configurations.size // size), -(-program.instances // width)
    members = np.zeros((groups, blocks * width), dtype=np.uint8)  # a bit for each configuration of the group
    for i, c in enumerate(configurations):
        members[i // size, : program.instances] |= left[c].astype(np.uint8) << (i % size)
    ids = np.argsort(members - np.uint8(1), axis=1, kind="stable")  # those of which none is left come last
    members = np.take_along_axis(members, ids, axis=1)
    ids = ids.astype(np.int32)
    teams = np.empty((groups, blocks, size, width), dtype=np.int32)
    first = np.zeros(groups * size, dtype=np.int32)
    first[: configurations.size] = configurations * np.int32(program.instances)
    for k in range(size):
        found = np.where(members >> k & 1, ids + first[k::size, None], np.int32(-1))
        teams[:, :, k] = found.reshape(groups, blocks, width)
    kept = members.reshape(-1, width).any(axis=1)
    formed = teams.reshape(-1, size, width)
    return (formed if kept.all() else formed[kept]), int((-(-counts // width)).sum())


def _of_ids(rows: NDArray[np.int32], program: Program, width: int, size: int) -> tuple[NDArray[np.int32], int]:
    """All rows of an id after one another, so that every team has one id, and how many tiles there would be of any ids."""
    ids = rows % np.int32(program.instances)
    counts = np.bincount(ids, minlength=program.instances)
    order = np.argsort(ids, kind="stable").astype(
        np.int32
    )  # of half the size, as there may be little memory beside structs
    del ids
    sizes = -(-counts // (width * size)) * (width * size)
    moved = np.cumsum(sizes) - sizes - (np.cumsum(counts) - counts)  # how far the rows of an id go to their places
    places = np.repeat(moved.astype(np.int32), counts)
    places += np.arange(rows.size, dtype=np.int32)
    teams = np.full(int(sizes.sum()), -1, dtype=np.int32)
    teams[places] = rows[order]
    return teams.reshape(-1, size, width), -(-rows.size // width)
