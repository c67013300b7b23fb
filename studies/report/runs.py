"""Runs: by optimizer as pictures take them, and paths of a few instances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import xarray as xr

import ensemble as en


def by_optimizer(runs: xr.Dataset, names: Iterable[str] | None = None, **at: Any) -> dict[str, xr.Dataset]:
    """Takes runs apart: name -> those of that optimizer, of all or ``names``, at the other coordinates ``at``."""
    wanted = runs["optimizer"].to_numpy().tolist() if names is None else names
    return {name: runs.sel(optimizer=name, **at).drop_vars(["optimizer", *at]) for name in wanted}


def tracks(optimizers: Mapping[str, tuple[en.Optimizer, float]], *, steps: int, **parts: Any) -> dict[str, en.Result]:
    """Runs an optimizer under Gaussian noise of a size for each name, paired, for :func:`ensemble.plots.paths` to draw.

    ``parts`` are what else :func:`ensemble.simulate` is given; the runs are few and only drawn; no study keeps them.
    """
    record = en.Record(["x"], at=range(steps + 1))
    return {
        name: en.simulate(optimizer=optimizer, noise=en.Gaussian(sigma), record=record, steps=steps, **parts)
        for name, (optimizer, sigma) in optimizers.items()
    }
