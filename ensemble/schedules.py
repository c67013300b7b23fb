"""Schedules: a number for every step. They become columns of the per-step tables and have no kernel twin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .part import Part, number


@dataclass(frozen=True)
class Schedule(Part):
    """A number for every step: called with ``t`` (steps,) = 1, 2, ... it returns values (steps,) in float64."""

    def __call__(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        raise TypeError(f"{type(self).__name__} does not say its value at a step; define __call__(self, t).")


@dataclass(frozen=True)
class Constant(Schedule):
    """The same value at every step."""

    value: float = number()

    def __call__(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(t.shape, self.value)
