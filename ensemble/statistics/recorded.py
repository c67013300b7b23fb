"""Recorded quantities as the statistics read them: one group of instances after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..landscapes.base import Landscape
from ..records import QUANTITIES
from ..words import told
from .lifetimes import DIVERGED, INSTANCE, BoolArray, FloatArray, Frame, IntArray, Lifetimes, read

SOME = "recorded_instance"


@dataclass(frozen=True)
class Recorded:
    """A quantity along the way: `values` (groups, instances, steps[, dim]) at `step` (steps,), of the instances recorded.

    `lives` are those instances' escape times, `ids` (instances,) their numbers.
    """

    lives: Lifetimes
    ids: IntArray
    step: IntArray
    values: NDArray[Any]
    long_name: str
    units: str

    @property
    def frame(self) -> Frame:
        return self.lives.frame

    @property
    def eps(self) -> float:
        """Relative rounding of the arithmetic it was recorded in."""
        return float(np.finfo(self.values.dtype).eps)

    @property
    def tiny(self) -> float:
        """The smallest number that has all its digits."""
        return float(np.finfo(self.values.dtype).tiny)

    def curves(self, number: int) -> FloatArray:
        """Return one group's values (instances, steps) in float64, infinite from the step of divergence on."""
        values = self.values[number].astype(float)
        lost = self.lives.status[number] == DIVERGED
        after = self.step >= self.lives.diverged_step[number][:, None]
        values[lost[:, None] & after] = np.inf
        values[np.isnan(values) & lost[:, None]] = np.inf
        return values

    def running(self, number: int) -> BoolArray:
        """Return where (instances, steps) a value is news: not a repetition after the event that stopped the run.

        A stopped instance repeats its last value: of the equal values that end a curve after its event, the first is
        kept. A run that went on after its event has none.
        """
        values = self.values[number]
        repeats = np.logical_and.accumulate((values == values[:, -1:])[:, ::-1], axis=1)[:, ::-1]
        repeats[:, 1:] &= repeats[:, :-1]  # all but the first of them
        repeats[:, 0] = False
        event_step = self.lives.event_step[number][:, None]
        beyond = self.step > self.lives.horizon[number][:, None]
        return ~(repeats & (event_step > 0) & (self.step > event_step)) & ~beyond


def recorded(data: Any, quantity: str, dims: int = 0) -> Recorded:
    """Read a quantity recorded of every instance, with `dims` dimensions after `step` (1 for the path).

    ValueError where it was not recorded, recorded as a summary, or without the values of finished instances.
    """
    lives = read(data)
    dataset: xr.Dataset = data if isinstance(data, xr.Dataset) else data.dataset
    if not isinstance(quantity, str) or quantity not in dataset:
        name = {"path": "x"}.get(str(quantity), str(quantity))
        if isinstance(quantity, str) and f"{quantity}_quantile" in dataset:
            raise ValueError(
                f"{quantity} was recorded as a summary, which has no instances to resample; record it with summary=False"
            )
        known = [str(v) for v in dataset.data_vars if "step" in dataset[v].dims]
        has = ", ".join(known) or "nothing"
        advice = (
            f"give Record([{told(name)}], at=...)" if name in QUANTITIES else "give the name of a recorded quantity"
        )
        raise ValueError(f"quantity={told(quantity)} was not recorded (the dataset has {has}); {advice}")
    values = dataset[quantity]
    who = SOME if SOME in values.dims else INSTANCE
    wanted = {*lives.frame.dims, who, "step"}
    if not wanted <= set(values.dims) or values.ndim != len(wanted) + dims:
        raise ValueError(
            f"quantity={told(quantity)} has dimensions {values.dims}; give one recorded over 'instance' and 'step'"
        )
    extra = [d for d in values.dims if d not in wanted]
    ids = dataset[INSTANCE].values if INSTANCE in dataset.coords else np.arange(dataset.sizes[INSTANCE])
    if who == SOME:
        ids = dataset[SOME].values
        lives = read(dataset.drop_dims(SOME).sel({INSTANCE: ids}))
    if "step" not in dataset.coords:
        raise ValueError("the dataset has no coordinate 'step'; give the steps of the records")
    array = values.transpose(*lives.frame.dims, who, "step", *extra).values
    array = array.reshape(-1, *array.shape[len(lives.frame.dims) :])
    if array.dtype.kind != "f":
        array = array.astype(float)
    steps = dataset["step"].values.astype(np.int64)
    if np.any(np.diff(steps) <= 0):
        raise ValueError("the recorded steps do not rise; give them in order, each once")
    found = Recorded(lives, ids, steps, array, values.attrs.get("long_name", quantity), values.attrs.get("units", "1"))
    _check_finished(found, quantity)
    return found


def check_landscape(landscape: Any, dim: int) -> None:
    """Refuse what cannot be the landscape of runs of `dim` coordinates; it may have grids."""
    if not isinstance(landscape, Landscape):
        raise ValueError(
            f"landscape={told(landscape)}; give the landscape of the runs, made like QuarticSaddle(dim=16)"
        )
    if dim != landscape.dimension:
        raise ValueError(
            f"the runs have {dim} coordinates, the landscape {landscape.dimension}; give the runs' landscape"
        )


def _check_finished(found: Recorded, quantity: str) -> None:
    """Refuse records that leave out finished instances: what is left is not the ensemble."""
    lives = found.lives
    if lives.goes_on:
        return  # none is finished by its event
    fired = (lives.event_step > 0)[:, :, None] & (found.step > lives.event_step[:, :, None])
    within = found.step <= lives.horizon[:, :, None]
    missing = np.isnan(found.values if found.values.ndim == 3 else found.values[..., 0])
    if np.any(missing & fired & within):
        raise ValueError(
            f"{quantity} was recorded with survivors=True: what is left late is a selection; record it with survivors=False"
        )
