"""How an instance is spread over the threads of a device, so that it stays in registers or streams through memory."""

from __future__ import annotations

from dataclasses import dataclass

from ..events import Never
from .layout import Layout
from .program import Program
from .teams import shares_normals

COORDINATES_PER_LANE = 16
"""Four blocks: enough independent work to hide latencies, few enough for their state to stay in registers. Landscapes may want
fewer (``Landscape.coordinates_per_lane``)."""
COORDINATES_PER_PROCESSOR = 2048 * COORDINATES_PER_LANE
"""Of the threads that a multiprocessor holds, at most: a run of fewer fills no device."""
KEPT_PER_LANE = 64
"""Registers of a lane that x and the optimizer's vectors may fill; as many again serve one step."""
KEPT_DOUBLES_PER_LANE = 48
"""The same in float64, down to 8 coordinates: a quarter of a multiprocessor's threads fit then, for 2 % more instructions."""
MOST_LANES = 1024
"""Threads that a block may have, and so an instance; in float64 half of that: 64 registers are too few to compute in."""
KEPT_AT_MOST_LANES = 28
"""The same as ``KEPT_PER_LANE`` where 1024 lanes share the registers: 64 each. Counted, not guessed:
``tests/test_counts.py`` holds every optimizer at its largest dimension to no spill."""
THREADS = 128
"""Threads in a block whose groups fit a warp."""
THREADS_PER_PROCESSOR = 256
"""Where fewer would run, instances are spread over more lanes: two warps for each of a processor's four schedulers."""
STREAMED_LANES = 512
"""Lanes of an instance whose state streams through memory: 128 registers each, so that none spills; half of that
in float64, and for landscapes that say that fewer coordinates fit a lane."""
STREAMED_PER_PROCESSOR = 1024
"""Threads of a multiprocessor whose instances stream at once: enough accesses under way to keep the memory busy, and few
enough instances for the caches to hold what they can."""


SHARED_BYTES = 40 * 1024
"""Of the 48 KiB that a block may share without asking, what points whose coordinates all lanes read may take."""
TEAM_KEPT = {8: 64, 4: 48}
"""By the coordinates of a lane that holds a team: registers that the members' x and optimizers' vectors may fill, so that a quarter of a
multiprocessor's threads fit and nothing spills. Gradient descent and rules with one vector go in teams of 4 with 8 coordinates of each,
Adam with 4 (``tests/test_counts.py``)."""
TEAM_KEPT_WITH_NUMBERS = 90
"""The same with their numbers, such as Adam's betas: RMSProp's are few enough for teams of 4 with 8 coordinates, Lion's are not."""
MOST_ON_DEVICE = 4
TEAM_LANES = 512
"""Lanes of a team, at most: they have 128 registers each."""


@dataclass(frozen=True)
class Group:
    """The threads that hold one instance (``lanes``), those of a block, and whether its state lies in memory (``streamed``).

    ``window``: blocks of four coordinates that a lane holds where the group takes a window of an instance; 0: all of it. ``team``:
    configurations of the instance that the group advances together, drawing their normals once.
    """

    lanes: int
    threads: int
    streamed: bool = False
    window: int = 0
    team: int = 1

    def blocks(self, groups: int) -> int:
        """Thread blocks for so many groups."""
        return -(-groups * self.lanes // self.threads)

    def slices(self, instances: int) -> int:
        """Groups of those blocks, the ones without an instance of their own among them."""
        return self.blocks(instances) * self.threads // self.lanes

    def windows(self, dim: int) -> int:
        """Groups that an instance of so many coordinates takes."""
        return -(-dim // (4 * self.lanes * self.window)) if self.window else 1


def team_of(program: Program, processors: int) -> Group | None:
    """The lanes of a team of paired configurations; None where one draws for itself: where there is nothing to share, where registers
    hold no second member, where steps are recorded within launches, and where teams would leave a device's threads idle.
    """
    if program.dim <= 2 or program.dtype.itemsize > 4 or program.recorded or not shares_normals(program):
        return None
    most = min(MOST_ON_DEVICE, len(program.configurations))
    numbers = Layout(program, ("landscape", "optimizer", "noise")).itemsize // program.dtype.itemsize
    fits = {}
    for per_lane, kept in TEAM_KEPT.items():
        vectors = per_lane * program.registers_held
        fits[per_lane] = min(kept // vectors, TEAM_KEPT_WITH_NUMBERS // (vectors + numbers), most)
    # An event's reductions take as many instructions however few coordinates a lane has.
    watched = type(program.part("event")) is not Never
    wide = program.landscape.coordinates_per_lane >= 8 and fits[8] >= (2 if watched else fits[4])
    per_lane, team = (8, fits[8]) if wide else (4, fits[4])
    lanes = power_of_two(-(-program.dim // per_lane))
    if team < 2 or lanes > TEAM_LANES or program.rows // team * lanes < processors * THREADS_PER_PROCESSOR:
        return None
    return Group(lanes, max(lanes, THREADS), team=team)


def group_of(program: Program, processors: int) -> Group:
    """How many lanes an instance takes on a device of so many multiprocessors. Results do not depend on it.

    Enough that no registers spill, which tests hold it to, and at most one for each block of four coordinates, rounded up to a power
    of two: then some own none. What would not fit the registers of a block with the most lanes is cut into windows that advance in
    registers, each by itself, where the step treats every coordinate by itself; else it lies in memory, and streams through the
    lanes once for every expression of a step.
    """
    team = team_of(program, processors)
    if team is not None:
        return team
    blocks = -(-program.dim // 4)
    most = MOST_LANES // (program.dtype.itemsize // 4)
    kept = program.registers_held
    per_lane, wanted = COORDINATES_PER_LANE, program.landscape.coordinates_per_lane
    if wanted < per_lane:
        per_lane = max(4, wanted // (program.dtype.itemsize // 4))
    if program.dtype.itemsize == 8 and per_lane > 8 and per_lane * kept > KEPT_DOUBLES_PER_LANE:
        per_lane = 8
    while per_lane > 4 and per_lane * kept > KEPT_PER_LANE:
        per_lane //= 2
    lanes = min(power_of_two(-(-program.dim // per_lane)), most)
    if program.dim > most_coordinates(program):
        if not program.pointwise:
            return streamed_group(program)
        window = per_lane // 4
        while window > 1 and program.rows * blocks < window * processors * THREADS_PER_PROCESSOR:
            window //= 2
        return Group(THREADS, THREADS, window=window)
    while 2 * lanes <= min(power_of_two(blocks), most) and program.rows * lanes < processors * THREADS_PER_PROCESSOR:
        lanes *= 2
    return Group(lanes, max(lanes, THREADS) if lanes <= 32 else lanes)


def streamed_group(program: Program) -> Group:
    """The lanes through which an instance streams that lies in memory."""
    wanted = COORDINATES_PER_LANE // program.landscape.coordinates_per_lane
    lanes = STREAMED_LANES // max(1, program.dtype.itemsize // 4, wanted)
    return Group(lanes, lanes, streamed=True)


def most_coordinates(program: Program) -> int:
    """The largest dimension whose state stays in the registers of one block, and what its lanes share in its memory."""
    per_lane = COORDINATES_PER_LANE
    while per_lane > 2 and per_lane * program.registers_held > KEPT_AT_MOST_LANES:
        per_lane //= 2
    most, shared = per_lane * MOST_LANES, program.landscape.shared_points
    return min(most, SHARED_BYTES // (shared * program.dtype.itemsize)) if shared else most


def power_of_two(n: int) -> int:
    """The smallest power of two that is at least n."""
    return 1 << (n - 1).bit_length()
