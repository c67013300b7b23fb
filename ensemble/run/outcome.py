"""What a run found, and what is left of what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .experiment import Experiment


@dataclass(eq=False)
class Outcome:
    """What a run found. Arrays are (configurations, instances, ...); ``reached`` is the last step taken."""

    reached: int
    x: NDArray[Any]
    vectors: NDArray[Any]
    integers: NDArray[Any]
    event_step: NDArray[np.int32]
    event: NDArray[np.int32]
    diverged_step: NDArray[np.int32]
    records: dict[str, NDArray[Any]] = field(default_factory=dict)
    record_steps: NDArray[np.int64] | None = None
    record_places: NDArray[np.int64] | None = None
    wall_time: float = 0.0
    segments: int = 0
    batches: int = 1
    inside: tuple[tuple[int, int], ...] = ()
    """Starts that already satisfy the event, batch by batch: (instances up to the batch's end, how many in it)."""
    flushed: int = 0
    """Instances that arithmetic holds where the landscape would let them go."""
    device: dict[str, Any] = field(default_factory=dict)
    reported: NDArray[Any] | None = None
    """What is shown in place of x, where the optimizer averages."""

    def __eq__(self, other: object) -> bool:
        """Outcomes are equal where all that was found is, NaN with NaN."""
        return isinstance(other, Outcome) and _same(self.__dict__, other.__dict__)

    @property
    def instances(self) -> int:
        return int(self.event_step.shape[1])

    @property
    def started_inside(self) -> int:
        """Starts that already satisfy the event."""
        return sum(count for _, count in self.inside)

    @property
    def summarised(self) -> bool:
        """Whether the records are moments and quantiles over instances, and not each instance's own."""
        return any(
            f"{name.removesuffix('_n')}_quantile" in self.records for name in self.records if name.endswith("_n")
        )

    def first_only(self, count: int) -> Outcome:
        """The same of the first ``count`` instances. Summaries stay those of all that were summarised."""
        found = self.part(0, count)
        if found.record_places is not None and not found.record_places.size and not self.summarised:
            found.records, found.record_steps = {}, None
        return found

    def part(self, first: int, count: int) -> Outcome:
        """The same of some of the instances: views."""
        here = slice(first, first + count)
        found = replace(
            self,
            x=_cut(self.x, 1, here),
            reported=None if self.reported is None else _cut(self.reported, 1, here),
            vectors=_cut(self.vectors, 2, here),
            integers=_cut(self.integers, 2, here),
            event_step=self.event_step[:, here],
            event=self.event[:, here],
            diverged_step=self.diverged_step[:, here],
            inside=tuple((end - first, inside) for end, inside in self.inside if first < end <= first + count),
        )
        if self.record_places is not None:
            recorded = slice(*np.searchsorted(self.record_places, (first, first + count)))
            found.record_places = self.record_places[recorded] - first
            if not self.summarised:
                found.records = {name: array[:, recorded] for name, array in self.records.items()}
        return found


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    return type(a) is type(b) and bool(a == b)


def _cut(array: NDArray[Any], axis: int, here: slice) -> NDArray[Any]:
    """Some of an array along one axis; all of one that was not kept."""
    return array[(slice(None),) * axis + (here,)] if array.ndim > axis else array


def standing(settings: Mapping[str, Experiment], outcomes: Mapping[str, Outcome]) -> str:
    """What is unfinished of what was asked, in words; nothing where all is done."""
    lines = []
    for name, setting in settings.items():
        found, left = outcomes.get(name), []
        if found is None:
            left = ["not begun"]
        else:
            if found.instances < setting.instances:
                left.append(f"{found.instances:,} of {setting.instances:,} instances")
            if found.reached < setting.steps or left:
                left.append(f"at step {found.reached:,} of {setting.steps:,}")
        if left:
            lines.append((f"{name}: " if name else "") + ", ".join(left))
    if len(lines) > 3:
        lines[2:] = [f"and {len(lines) - 2} more"]
    return "; ".join(line if len(line) <= 60 else f"{line[:56]} ..." for line in lines)
