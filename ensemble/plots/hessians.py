"""Pictures of Hessians: their eigenvalues, and the index of stationary points against the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import rc_context
from numpy.typing import ArrayLike, NDArray

from ..plain import is_whole
from ..statistics import index_against_loss as binned_index
from ..words import told
from .arguments import are_numbers, checked
from .labels import curves_of, datasets, legible, sources
from .picture import STYLE, Picture, Rows
from .style import COLUMN, Law, draw_laws, finish, logarithmic, look, palette, remember, rows_of

DRAWN = 2_000
"""Points of a cloud at most."""


@checked
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
) -> Picture:
    """Density of the eigenvalues of Hessians, over all points of each label; the label says how many are negative.

    ``data`` are arrays of eigenvalues (points, dim) or (dim,), as `statistics.spectrum` returns them, or a mapping from
    label to such. ``bins`` of one width serve all labels; ``log`` is of the density; ``limits`` of the eigenvalues, of
    which those beyond count in the density and are not shown. ``laws`` are densities, dotted:
    ``{label: (eigenvalues, densities)}``. The rest is as in :func:`survival`. Points with NaN are left out, and the figure
    says so. ValueError where nothing is left.
    """
    if not is_whole(bins, 1, 100_000):
        raise ValueError(f"spectrum(bins={told(bins)}): give a whole number from 1 to 100000.")
    given: dict[str, NDArray[np.float64]] = {}
    for name, one in sources(data):
        if isinstance(one, xr.Dataset):
            raise ValueError(
                "spectrum(data=...): got the dataset of a run; give what statistics.spectrum(landscape, x) returned."
            )
        if not are_numbers(one):
            raise ValueError(
                f"spectrum(data={told(one)}): give eigenvalues (points, dim), or a mapping from label to such."
            )
        given[name or "all"] = np.atleast_2d(np.asarray(one, float))
    found = {name: one[np.isfinite(one).all(axis=1)] for name, one in given.items()}
    empty = [name for name, one in found.items() if one.ndim != 2 or not one.size]
    if empty:
        raise ValueError(f"spectrum(data=...): {told(empty[0])} has no finite eigenvalues (points, dim); give some.")
    places = places or palette(found)
    everything = np.concatenate([one.ravel() for one in found.values()])
    low, high = limits or (float(everything.min()), float(everything.max()))
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    with rc_context(STYLE):
        figure = Picture(width, height)
        axes, rows = figure.subplots(), Rows()
        for name, one in found.items():
            colour, style, _ = look(places, name)
            density = np.histogram(one, edges)[0] / (one.size * np.diff(edges))
            label = f"{legible(name)}, {100 * np.mean(one < 0):.3g} % < 0"
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


@checked
def index_against_loss(
    data: Any,
    *,
    bins: int | ArrayLike = 12,
    confidence: float = 0.95,
    laws: Mapping[str, Law] | None = None,
    law_name: str = "law",
    x_label: str = "f(x)",
    y_label: str = "share of negative eigenvalues",
    places: Mapping[str, int] | None = None,
    width: float = COLUMN,
    height: float = 2.9,
) -> Picture:
    """Share of the Hessian's eigenvalues that are negative, against the loss: a point an instance, and means in bins.

    Dauphin et al. (2014), arXiv:1406.2572, figure 1. ``data`` are what `statistics.saddle_index` returned; the means and
    their bars are of `statistics.index_against_loss`; edges of ``bins`` are also the window. Of each label the first
    2,000 points are drawn. ``laws``, dotted, are ``{label: (losses, shares)}``; the rest is as in :func:`survival`.
    ValueError where the statistics refuse the data.
    """
    given = datasets("index_against_loss", data)
    binned = [(source, binned_index(one, bins=bins, confidence=confidence)) for source, one in given]
    found = curves_of(given, "saddle_index", {"instance"})
    means = curves_of(binned, "fraction", {"bin"})
    places = places or palette(found)
    with rc_context(STYLE):
        figure = Picture(width, height)
        axes, rows, counted = figure.subplots(), Rows(), []
        for name, one in found.items():
            index, loss = (one[v].to_numpy().astype(float) for v in ("saddle_index", "final_value"))
            there = (index >= 0) & np.isfinite(loss)
            x, y = loss[there], index[there] / one.attrs["dim"]
            counted.append(xr.Dataset({"n": x.size, "diverged": np.sum(index < 0)}))
            colour, _, marker = look(places, name)
            size, alpha = (3.0, 0.6) if x.size <= 200 else (2.0, 0.25)
            axes.plot(
                x[:DRAWN],
                y[:DRAWN],
                marker,
                color=colour,
                markersize=size,
                alpha=alpha,
                markeredgewidth=0,
                rasterized=True,
            )
            seen = means[name].isel(bin=means[name]["count"].to_numpy() > 0)
            middle = seen["bin"].to_numpy()
            mean, low, high = (seen[f"fraction{end}"].to_numpy() for end in ("", "_lower", "_upper"))
            axes.errorbar(
                middle, mean, [mean - low, high - mean], color=colour, linewidth=1.3, capsize=2, label=legible(name)
            )
            rows += rows_of(name, "data", x, y)
            rows += rows_of(name, "mean", middle, mean, low, high)
        rows += draw_laws(axes, laws or {}, found, law_name, zorder=4)
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.set_ylim(bottom=-0.02)
        if np.ndim(bins):
            axes.set_xlim(np.min(bins), np.max(bins))
        most = max(int(one["n"]) for one in counted)
        note = f"lines: means in bins, bars {100 * confidence:g} %" + f"; the first {DRAWN:,} drawn" * (most > DRAWN)
        finish(figure, axes, counted, note)
    return remember(figure, rows)
