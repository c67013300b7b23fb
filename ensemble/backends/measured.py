"""What a GPU was measured to reach, beside what its counted instructions allow: written by ``gpu-check``, read by plans."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from ..part import Part
from . import sources
from .cost import named
from .libraries import cache_folder, digest_of


class Rate(NamedTuple):
    """An optimizer with Gaussian noise on a quartic saddle: its ``share`` of the ceiling of the instructions counted in float32."""

    optimizer: str
    dim: int
    dtype: str
    share: float


def _file(device: str) -> Path:
    return cache_folder() / "rates" / f"{digest_of(device.encode())}.json"


def _kernels() -> str:
    return sources.digest(("advance.cuh",))


def keep(device: str, day: str, rates: Iterable[Rate]) -> Path:
    """Writes down what devices of this name reach with the kernels of this version, in the cache folder; the file."""
    path = _file(device)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = json.dumps({"device": device, "day": day, "kernels": _kernels(), "rates": list(rates)})
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write(text)
    os.replace(file.name, path)
    return path


def _read(device: str) -> tuple[str, list[Rate]]:
    """The day and the rates that were measured; none: nobody did, or of other kernels, or the file is not what was written."""
    try:
        found: Mapping[str, Any] = json.loads(_file(device).read_text())
        rates = [Rate(str(o), int(dim), str(dtype), float(share)) for o, dim, dtype, share in found["rates"]]
        if found["kernels"] == _kernels() and all(0 < rate.share < math.inf and rate.dim > 0 for rate in rates):
            return str(found["day"]), rates
    except (OSError, ValueError, TypeError, KeyError):
        pass
    return "", []


def share(device: str, optimizer: Part, dim: int, dtype: str) -> tuple[float, str] | None:
    """The share of the ceiling that was measured nearest to a program, and the day; None: nothing of its precision was.

    Of the same optimizer, else the median of all, at the nearest dimension.
    """
    day, rates = _read(device)
    rates = [rate for rate in rates if rate.dtype == dtype]
    rates = [rate for rate in rates if rate.optimizer == named(optimizer)] or rates
    if not rates:
        return None
    nearest = min((abs(math.log(rate.dim / dim)), rate.dim) for rate in rates)[1]
    return median(rate.share for rate in rates if rate.dim == nearest), day
