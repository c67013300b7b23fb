"""What a batch has recorded so far, and moments and quantiles of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..records import Record

AT_ONCE = 1 << 18
"""Numbers that a summary handles at once: its temporaries then stay small."""


@dataclass
class Recorder:
    """Collects one run's records: arrays (configurations, recorded instances, steps[, dim])."""

    record: Record
    steps: NDArray[np.int64]
    places: NDArray[np.int64]
    values: dict[str, NDArray[Any]] = field(default_factory=dict)
    taken: list[int] = field(default_factory=list)

    def take(
        self, steps: NDArray[np.int64], found: Mapping[str, NDArray[Any]], finished: NDArray[np.bool_] | None
    ) -> None:
        """Records steps: quantities (configurations, instances, steps[, dim]); ``finished``: whose event is over and shall be NaN."""
        began, ended = len(self.taken), len(self.taken) + steps.size
        for name in self.record.names:
            values = found[name]
            if name not in self.values:
                shape = (*values.shape[:2], self.steps.size, *values.shape[3:])
                self.values[name] = np.empty(shape, dtype=values.dtype)
            self.values[name][:, :, began:ended] = values
            if finished is not None:
                self.values[name][:, :, began:ended][finished] = np.nan
        self.taken += steps.tolist()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Name -> (configurations, recorded instances, steps[, dim])."""
        return {name: values[:, :, : len(self.taken)] for name, values in self.values.items()}


def _alike(values: NDArray[Any]) -> Iterator[tuple[slice, NDArray[np.bool_]]]:
    """Steps one after another at which the same instances are finite, as many as are handled at once, and which those are.

    ``values``: (instances, steps[, dim]).
    """
    steps = values.shape[1]
    piece = max(1, AT_ONCE // max(1, values.size // max(1, steps)))
    for a in range(0, steps, piece):
        finite = np.isfinite(values[:, a : a + piece])
        if finite.ndim == 3:
            finite = finite.all(axis=2)
        edges = np.flatnonzero((finite[:, 1:] != finite[:, :-1]).any(axis=0)) + 1
        for first, last in itertools.pairwise([0, *edges.tolist(), finite.shape[1]]):
            yield slice(a + first, a + last), finite[:, first]


def summarise(
    name: str, values: NDArray[Any], quantiles: Sequence[float], edges: Sequence[float] | None = None
) -> dict[str, NDArray[Any]]:
    """Moments and quantiles over instances of ``values`` (configurations, instances, steps[, dim]), in float64.

    Instances with a value that is not finite (diverged ones) are left out and ``<name>_n`` (configurations, steps) counts what
    is left. The others are (configurations, steps[, dim]), quantiles (configurations, steps[, dim], quantile). With the ``edges`` of bins
    ``<name>_histogram`` (configurations, steps[, dim], bin) counts those of the same instances that lie in each.
    """
    configurations, _, steps, *dims = values.shape
    n = np.zeros((configurations, steps), dtype=np.int64)
    mean, variance = np.full((*n.shape, *dims), np.nan), np.full((*n.shape, *dims), np.nan)
    q = np.full((*n.shape, *dims, len(quantiles)), np.nan)
    bins = None if edges is None else np.asarray(edges, dtype=np.float64)
    counts = np.zeros((*n.shape, *dims, 0 if bins is None else bins.size - 1), dtype=np.int64)
    alone = values.size // max(1, configurations) > AT_ONCE
    together = 1 if alone or not np.isfinite(values).all() else max(1, AT_ONCE * configurations // max(1, values.size))
    for c in range(0, configurations, together):
        for here, who in _alike(values[c]):
            which = (slice(c, c + together), here)
            count = int(np.count_nonzero(who))
            n[which] = count
            if not count:
                continue
            some = values[c : c + together, :, here] if count == who.size else values[c : c + 1, who, here]
            found = np.ascontiguousarray(np.moveaxis(some, 1, -1), dtype=np.float64)  # each step by itself
            mean[which] = found.mean(axis=-1)
            q[which] = np.moveaxis(np.quantile(found, quantiles, axis=-1), 0, -1)
            if bins is not None:
                counts[which] = _counted(found, bins)
            if count > 1:
                found -= mean[which][..., None]
                variance[which] = np.square(found, out=found).sum(axis=-1) / (count - 1)
    result = {f"{name}_mean": mean, f"{name}_variance": variance, f"{name}_quantile": q, f"{name}_n": n}
    return result if bins is None else result | {f"{name}_histogram": counts}


def _counted(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many of the last axis lie in each bin: (..., bin)."""
    flat, size = values.reshape(-1, values.shape[-1]), edges.size - 1
    place = np.searchsorted(edges, flat, side="right") - 1
    place[flat == edges[-1]] = size - 1
    inside = (place >= 0) & (place < size)
    of_line = np.arange(len(flat))[:, None] * size + place
    return np.bincount(of_line[inside], minlength=len(flat) * size).reshape(*values.shape[:-1], size)
