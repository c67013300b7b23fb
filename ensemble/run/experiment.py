"""What decides a run's numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..backends.cached import cached_property
from ..backends.program import ROLES, Program
from ..part import Part, nested
from ..records import Record
from ..sweep import RESERVED, Sweep, grids_of, sweep


@dataclass(frozen=True)
class Experiment:
    """Everything that decides a run's numbers."""

    landscape: Part
    optimizer: Part
    noise: Part
    start: Part
    event: Part
    instances: int
    first_instance: int
    steps: int
    seed: int
    dtype: str
    math: str
    check_every: int
    paired: bool
    record: Record | None

    def roles(self) -> dict[str, Part]:
        return {role: getattr(self, role) for role in ("landscape", "optimizer", "noise", "start", "event")}

    def in_step(self) -> Iterator[Part]:
        """The parts that a step sees, and those that they wrap."""
        for role in ROLES:
            yield from nested(getattr(self, role))

    @cached_property
    def _sweep(self) -> Sweep:
        return sweep(self.roles(), self.reserved)

    @property
    def reserved(self) -> frozenset[str]:
        """Names that the result's own variables and dimensions have."""
        return RESERVED if self.record is None else RESERVED | set(self.record.names)

    def sweep(self) -> Sweep:
        return self._sweep

    def swept(self) -> tuple[tuple[tuple[str, ...], int], ...]:
        """(names that lead to a swept field, number of its sweep), in the order written: fields of one number go together."""
        found = [item for role, part in self.roles().items() for item in grids_of(part, (role,))]
        numbers: dict[str, int] = {}
        return tuple(
            (path, numbers.setdefault(g.group, len(numbers)))
            for path, g in sorted(found, key=lambda item: item[1].order)
        )

    def __eq__(self, other: object) -> bool:
        """Settings are equal where they make the same runs: equal parts, swept together and in the same order."""
        if self is other:
            return True
        if not isinstance(other, Experiment):
            return NotImplemented
        same = all(getattr(self, f.name) == getattr(other, f.name) for f in fields(self))
        return same and self.swept() == other.swept()

    def __getstate__(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}  # not the configurations, which are made again

    def program(self, configurations: Sequence[Mapping[str, Part]], first: int, count: int) -> Program:
        return Program(
            configurations=configurations,
            dim=self.landscape.dimension,  # type: ignore[attr-defined]
            instances=count,
            first_instance=self.first_instance + first,
            dtype=np.dtype(self.dtype),
            math=self.math,
            seed=self.seed,
            check_every=self.check_every,
            paired=self.paired,
        )
