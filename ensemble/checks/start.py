"""A look at where instances begin, on a landscape of a user's own: without a value there, nothing can be descended."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..functions.surroundings import place_of
from ..landscapes import Landscape

LOOKED_AT = 64
"""Starts that are looked at, of each configuration."""


def look_at_start(landscape: Any, x: NDArray[Any]) -> None:
    """Whether ``landscape`` has a value and a gradient at starts ``x`` (instances, dim).

    Raises:
        ValueError: it has none at any of them; where some have one, a warning says how many.
    """
    if type(landscape).value is Landscape.value:
        return
    with np.errstate(all="ignore"):
        whole = np.isfinite(np.asarray(landscape.gradient(x, None))).all(axis=1)
        value = np.asarray(landscape.value(x, None))[:, 0]
    lost = ~(whole & np.isfinite(value)) & np.isfinite(x).all(axis=1)
    if not lost.any():
        return
    name = type(landscape).__name__
    where = place_of(getattr(type(landscape), "function", type(landscape).value))
    row = int(np.flatnonzero(lost)[0])
    point = ", ".join(f"{c:.4g}" for c in x[row, :4]) + (", ..." if x.shape[1] > 4 else "")
    seen = f"{value[row]:.4g}" if not np.isfinite(value[row]) else "finite, and its gradient is not"
    message = f"{name} is {seen} at the start ({point})"
    if lost.all():
        raise ValueError(f"{where}{message}; start where it has a value and a gradient."[:300])
    warnings.warn(f"{where}{message}; {lost.sum()} of the first {len(x)} starts are like that."[:300], stacklevel=2)
