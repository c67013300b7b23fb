"""What a batch has recorded so far, and moments and quantiles of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..records import Record


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
        """Records steps: quantities (steps, configurations, instances[, dim]); ``finished``: whose event is over and shall be NaN."""
        began, ended = len(self.taken), len(self.taken) + steps.size
        for name in self.record.quantities:
            values = np.moveaxis(found[name], 0, 2)
            if name not in self.values:
                shape = (*values.shape[:2], self.steps.size, *values.shape[3:])
                self.values[name] = np.empty(shape, dtype=values.dtype)
            self.values[name][:, :, began:ended] = values
            if finished is not None:
                self.values[name][:, :, began:ended][np.moveaxis(finished, 0, 2)] = np.nan
        self.taken += steps.tolist()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Name -> (configurations, recorded instances, steps[, dim])."""
        return {name: values[:, :, : len(self.taken)] for name, values in self.values.items()}


def summarise(name: str, values: NDArray[Any], quantiles: Sequence[float]) -> dict[str, NDArray[Any]]:
    """Moments and quantiles over instances of ``values`` (configurations, instances, steps[, dim]), in float64.

    Instances with a value that is not finite (diverged ones) are left out and ``<name>_n`` (configurations, steps) counts what
    is left. The others are (configurations, steps[, dim]), quantiles (configurations, steps[, dim], quantile).
    """
    configurations, _, steps, *dims = values.shape
    n = np.zeros((configurations, steps), dtype=np.int64)
    mean, variance = np.full((*n.shape, *dims), np.nan), np.full((*n.shape, *dims), np.nan)
    q = np.full((*n.shape, *dims, len(quantiles)), np.nan)
    for c, k in np.ndindex(*n.shape):
        column = values[c, :, k]
        finite = np.isfinite(column)
        found = column[finite.all(axis=1) if dims else finite].astype(np.float64)
        n[c, k] = found.shape[0]
        if found.size:
            mean[c, k] = found.mean(axis=0)
            q[c, k] = np.moveaxis(np.quantile(found, quantiles, axis=0), 0, -1)
        if found.shape[0] > 1:
            found -= mean[c, k]
            variance[c, k] = np.square(found, out=found).sum(axis=0) / (found.shape[0] - 1)
    return {f"{name}_mean": mean, f"{name}_variance": variance, f"{name}_quantile": q, f"{name}_n": n}
