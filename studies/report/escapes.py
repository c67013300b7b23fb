"""Rows of escape times: medians and means with intervals, and the law beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ensemble import statistics
from ensemble.report.checks import Check
from ensemble.report.words import Row, Table, interval
from ensemble.statistics import laws

from .means import with_limits
from .rows import points

LawOf = Callable[..., tuple[str, laws.TimeLaw | None]]
CELLS = ["median T [95 %]", "mean T [95 %]", "mean by law"]


def escape_rows(sweep: str, runs: xr.Dataset, fixed: Row, law_of: LawOf) -> list[dict[str, Any]]:
    """A row for every optimizer and configuration: counts, median and mean with intervals, and the law's.

    ``fixed`` are the settings that ``runs`` does not sweep; ``law_of(optimizer, **settings)`` returns the kind of law
    ("exact", "asymptotic" or "") and the law.
    """
    curves = statistics.survival(runs)
    rows = []
    for place in places(curves["median"]):
        found, one = curves.isel(place), runs.isel(place)
        here = dict(fixed) | {d: one[d].item() for d in place if d != "optimizer"}
        kind, law = law_of(one["optimizer"].item(), **here)
        row: dict[str, Any] = {"sweep": sweep, "optimizer": one["optimizer"].item(), **here}
        row |= {key: int(found[key]) for key in ("n", "events_total", "censored", "diverged")}
        row |= with_limits(found, "median") | with_limits(found, "restricted_mean", "mean")
        row |= {"law": kind} | dict.fromkeys(("law_median", "law_mean", "law_sd"), math.nan)
        if law is not None:
            row |= {"law_median": float(law.median), "law_mean": law.mean, "law_sd": law.sd}
        rows.append(row)
    return rows


def time_checks(runs: xr.Dataset, fixed: Row, law_of: LawOf, what: str, allowed: float | None = None) -> list[Check]:
    """Compares the times of every optimizer and configuration with its law, where one is known.

    ``what`` names them, a format of the optimizer and the settings: "{optimizer}, noise {sigma:g}". An asymptotic
    law is compared only where it is ``allowed`` a relative error, and then its mean alone, if no time is hidden.
    """
    checks = []
    for place in places(runs["event_step"].isel(instance=0)):
        one = runs.isel(place)
        name, here = one["optimizer"].item(), dict(fixed) | {d: one[d].item() for d in place if d != "optimizer"}
        kind, law = law_of(name, **here)
        said, steps = what.format(optimizer=name, **here), one["event_step"].to_numpy()
        if kind == "exact" and law is not None:
            checks += Check.times(said, law, steps, int(one["horizon"]))
        elif law is not None and allowed is not None and np.all(steps > 0):
            error = law.sd / np.sqrt(steps.size)
            checks.append(Check.asymptotic(f"E T, {said}", steps.mean(), law.mean, allowed, error))
    return checks


def places(array: xr.DataArray) -> Iterable[dict[str, int]]:
    """Every place of an array, as what ``isel`` takes."""
    for index in np.ndindex(*array.shape):
        yield dict(zip(map(str, array.dims), index, strict=True))


def time_law(tail: NDArray[np.float64]) -> laws.TimeLaw:
    """The law with P(T > t) = ``tail`` (0, 1, ... to where nothing is left)."""
    mean, square = float(tail.sum()), float(((2.0 * np.arange(tail.size) + 1) * tail).sum())
    return laws.TimeLaw(tail, mean, math.sqrt(square - mean**2), int(np.argmax(tail <= 0.5)))


def medians(
    rows: Sequence[Row], sweep: str, field: str, names: Iterable[str]
) -> tuple[dict[str, xr.Dataset], dict[str, tuple[list[float], list[float]]]]:
    """What :func:`ensemble.plots.against` draws: medians against a field by optimizer, and the laws' medians."""
    seen, lines = {}, {}
    for name in names:
        own = [row for row in rows if row["sweep"] == sweep and row["optimizer"] == name]
        if own:
            seen[name] = points(own, field, "median", "diverged")
            if own[0]["law"]:
                lines[name] = ([row[field] for row in own], [row["law_median"] for row in own])
    return seen, lines


def cells(row: Row) -> list[str]:
    """Median and mean with intervals, the law's mean and kind, as people read them."""
    law = f"{row['law_mean']:.5g} ({row['law']})" if row["law"] else ""
    return [interval(row, "median"), interval(row, "mean"), law]


def escape_table(rows: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> tuple[list[str], list[list[Any]]]:
    """Header and lines of a table of escape rows, with the optimizer and ``fields`` in front."""
    return ["optimizer", *fields, *CELLS], [[row["optimizer"], *(row[f] for f in fields), *cells(row)] for row in rows]


def escape_tables(rows: Sequence[Row], fields: Mapping[str, Sequence[str]]) -> dict[str, Table]:
    """Makes such a table of the rows of each sweep, with the ``fields`` of that sweep."""
    return {
        f"Table: {sweep}": escape_table([row for row in rows if row["sweep"] == sweep], names)
        for sweep, names in fields.items()
    }
