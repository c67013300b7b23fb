"""Pictures of Hessians: their eigenvalues, and the index of stationary points against the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .style import (
    COLUMN,
    STYLE,
    Law,
    Rows,
    described,
    draw_laws,
    finish,
    groups,
    logarithmic,
    look,
    palette,
    remember,
    rows_of,
    sources,
)

DRAWN = 2_000
"""Points of a cloud at most."""


def spectrum(
    data: Any,
    *,
    bins: int = 40,
    laws: Mapping[str, Law] | None = None,
    law_name: str = "law",
    x_label: str = "eigenvalue of the Hessian",
    log: bool = False,
    limits: tuple[float, float] | None = None,
    places: Mapping[str, int] | None = None,
    width: float = COLUMN,
    height: float = 2.9,
) -> Figure:
    """Density of the eigenvalues of Hessians, over all points of each label; the label says how many are negative.

    ``data`` are arrays of eigenvalues (points, dim) or (dim,), as `statistics.spectrum` returns them, or a mapping from
    label to such. ``bins`` of one width serve all labels; ``log`` is of the density; ``limits`` of the eigenvalues, of
    which those beyond count in the density and are not shown. ``laws`` are densities, dotted:
    ``{label: (eigenvalues, densities)}``. The rest is as in :func:`survival`. Points with NaN are left out, and the figure
    says so. ValueError where nothing is left.
    """
    given = {name or "all": np.atleast_2d(np.asarray(one, float)) for name, one in sources(data)}
    found = {name: one[np.isfinite(one).all(axis=1)] for name, one in given.items()}
    empty = [name for name, one in found.items() if one.ndim != 2 or not one.size]
    if empty:
        raise ValueError(f"spectrum: {empty[0]!r} has no finite eigenvalues (points, dim); give some.")
    places = places or palette(found)
    everything = np.concatenate([one.ravel() for one in found.values()])
    low, high = limits or (float(everything.min()), float(everything.max()))
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        axes, rows = figure.subplots(), Rows()
        for name, one in found.items():
            colour, style, _ = look(places, name)
            density = np.histogram(one, edges)[0] / (one.size * np.diff(edges))
            label = f"{name}, {100 * np.mean(one < 0):.3g} % < 0"
            shown = np.where(density > 0, density, np.nan) if log else density
            if not log:
                axes.stairs(shown, edges, color=colour, alpha=0.25, fill=True)
            axes.stairs(shown, edges, color=colour, linestyle=style, linewidth=1.3, label=label)
            rows += rows_of(name, "data", (edges[:-1] + edges[1:]) / 2, density)
        rows += draw_laws(axes, laws or {}, found, law_name, zorder=3)
        if low < 0 < high:
            axes.axvline(0, color="0.4", linewidth=0.8, zorder=0)
        axes.set(xlabel=x_label, ylabel="density", xlim=(low, high))
        if log:
            logarithmic(axes, "y")
        else:
            axes.set_ylim(bottom=0)
        dims = sorted({one.shape[1] for one in found.values()})
        counted = [xr.Dataset({"n": len(one)}) for one in found.values()]
        left = sum(len(one) for one in given.values()) - sum(len(one) for one in found.values())
        note = f"Hessians of dim {' and '.join(map(str, dims))}; {bins} bins" + f"; {left} without value" * bool(left)
        finish(figure, axes, counted, note, legend=len(found) > 0)
    return remember(figure, rows)


def index_against_loss(
    data: Any,
    index: str = "saddle_index",
    loss: str = "final_value",
    *,
    laws: Mapping[str, Law] | None = None,
    law_name: str = "law",
    x_label: str | None = None,
    y_label: str | None = None,
    places: Mapping[str, int] | None = None,
    width: float = COLUMN,
    height: float = 2.9,
) -> Figure:
    """Index of stationary points, the number or share of negative eigenvalues, against their loss: a point an instance.

    Dauphin et al. (2014), arXiv:1406.2572, figure 1. ``data`` have both variables
    (configuration..., instance), as `statistics.saddle_index` returns them. The line
    joins the means of ten groups of equally many points by loss, with bars of two standard errors. Of each label the
    first 2,000 points are drawn; an index below 0 is none. ``laws``, dotted, are ``{label: (losses, indices)}``; the rest
    is as in :func:`survival`. ValueError where a variable is missing or nothing is finite.
    """
    found: dict[str, xr.Dataset] = {}
    for source, one in sources(data):
        for variable in (index, loss):
            if variable not in one or "instance" not in one[variable].dims:
                raise ValueError(
                    f"index_against_loss: the data have no {variable!r} over instances; name one that they have."
                )
        found |= dict(groups(source, one[[index, loss]], index, {"instance"}))
    points = {name: _finite(one[loss].to_numpy(), one[index].to_numpy()) for name, one in found.items()}
    if not any(x.size for x, _ in points.values()):
        raise ValueError(f"index_against_loss: no instance has a finite {index} and {loss}; give some that have.")
    places = places or palette(found)
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        axes, rows = figure.subplots(), Rows()
        for name, (x, y) in points.items():
            colour, _, marker = look(places, name)
            few = x.size <= 200
            axes.plot(
                x[:DRAWN],
                y[:DRAWN],
                marker,
                color=colour,
                markersize=3 if few else 2,
                alpha=0.6 if few else 0.25,
                markeredgewidth=0,
                rasterized=True,
            )
            middle, mean, error = _means(x, y)
            axes.errorbar(middle, mean, 2 * error, color=colour, linewidth=1.3, capsize=2, label=name)
            rows += rows_of(name, "data", x, y)
            rows += rows_of(name, "mean", middle, mean, mean - 2 * error, mean + 2 * error)
        rows += draw_laws(axes, laws or {}, found, law_name, zorder=4)
        first = next(iter(found.values()))
        axes.set(xlabel=x_label or described(first[loss], loss), ylabel=y_label or described(first[index], index))
        axes.set_ylim(bottom=min(0.0, *(float(y.min(initial=0)) for _, y in points.values())) - 0.01)
        most = max(x.size for x, _ in points.values())
        note = "lines: means of tenths, bars 2 s.e." + f"; the first {DRAWN:,} drawn" * (most > DRAWN)
        counted = [xr.Dataset({"n": x.size}) for x, _ in points.values()]
        finish(figure, axes, counted, note)
    return remember(figure, rows)


def _finite(x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = x.astype(float).ravel(), y.astype(float).ravel()
    kept = np.isfinite(x) & np.isfinite(y) & (y >= 0)
    return x[kept], y[kept]


def _means(x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Mean loss, mean index and its standard error in up to ten groups of equally many points, by loss."""
    order = np.argsort(x, kind="stable")
    parts = [part for part in np.array_split(order, min(10, max(1, x.size // 5))) if part.size > 1]
    columns = [(x[p].mean(), y[p].mean(), y[p].std(ddof=1) / np.sqrt(p.size)) for p in parts]
    middle, mean, error = (np.array(c) for c in zip(*columns, strict=True)) if columns else (np.empty(0),) * 3
    return middle, mean, error
