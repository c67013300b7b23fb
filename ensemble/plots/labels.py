"""What curves are called: labels made of what was swept, as long as it takes to tell them apart."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from ..results.loading import load
from ..words import told

SOURCE = "give a result, its dataset, the name of its file, or a mapping from label to any of these"


def sources(data: Any) -> Iterator[tuple[str, Any]]:
    """(label, dataset or array) of one source or of several."""
    given = data if isinstance(data, Mapping) and not isinstance(data, xr.Dataset) else {"": data}
    for name, one in given.items():
        if not isinstance(name, str):
            raise ValueError(f"the data have the label {told(name)}; give text as labels")
        found = load(one) if isinstance(one, (str, os.PathLike)) else one
        yield name, getattr(found, "dataset", found)


def datasets(who: str, data: Any) -> list[tuple[str, xr.Dataset]]:
    """(label, dataset) of one source or of several.

    ValueError: there is none, or one is no dataset.
    """
    found = list(sources(data))
    for _, one in found:
        if not isinstance(one, xr.Dataset):
            raise ValueError(f"{who}(data={told(one)}): {SOURCE}.")
    if not found:
        raise ValueError(f"{who}(data={told(data)}): {SOURCE}.")
    return found


def curves_of(
    given: Iterable[tuple[str, xr.Dataset]], variable: str, keep: Collection[str] = ()
) -> dict[str, xr.Dataset]:
    """The data of every configuration of every source, each under a label of its own, in their order.

    ``variable``'s dimensions but ``keep`` are its configurations. A label is made of the source's and of what was swept; numbers
    have the digits that tell them apart, and what is equal all the same is counted.
    """
    found: dict[str, xr.Dataset] = {}
    for source, runs in given:
        for label, one in _configurations(source, runs, variable, keep):
            free, k = label, 1
            while free in found:
                free, k = f"{label} ({k + 1})", k + 1
            found[free] = one
    return found


def _configurations(
    source: str, runs: xr.Dataset, variable: str, keep: Collection[str]
) -> Iterator[tuple[str, xr.Dataset]]:
    dims = [d for d in runs[variable].dims if d not in keep]
    said: dict[Any, list[list[str]]] = {}
    for d in dims:
        names = [c for c in runs.coords if runs[c].dims == (d,)]  # fields swept together share a dimension
        columns = [_said(str(c), runs[c].to_numpy()) for c in names]
        said[d] = [list(words) for words in zip(*columns, strict=True)] or [[f"{d} {k}"] for k in range(runs.sizes[d])]
    for index in np.ndindex(*(runs.sizes[d] for d in dims)):
        places = dict(zip(dims, index, strict=True))
        words = [source] * bool(source) + [word for d, k in places.items() for word in said[d][k]]
        yield ", ".join(filter(None, words)) or "all", runs.isel(places)


def _said(field: str, values: Any) -> list[str]:
    """``field = value`` of each; a name says itself, and a field that an optimizer lacks is not said."""
    if values.dtype.kind not in "iufb":
        return [str(v) for v in values]
    return ["" if v != v else f"{field} = {word}" for v, word in zip(values, numbers_as_text(values), strict=True)]


def numbers_as_text(values: Any, digits: int = 6) -> list[str]:
    """Numbers in ``digits`` digits, or in as many as it takes to tell different ones apart."""
    kinds = np.unique(values).size
    for more in range(digits, 18):
        words = [f"{v:.{more}g}" for v in values]
        if len(set(words)) >= kinds:
            break
    return words


def short(value: float, place: int | None = None) -> str:
    """A number of two digits, as people write it: 2,800 and not 2.8e+03. ``place``: matplotlib's, not used."""
    rounded = f"{value:.2g}"
    return f"{float(rounded):,.0f}" if "e+" in rounded and abs(value) < 1e6 else rounded


def legible(name: str) -> str:
    """A name as matplotlib shows it letter by letter: no formula between dollars, and not hidden for its underscore."""
    words = name.replace("$", r"\$")
    return f" {words}" if words.startswith("_") else words
