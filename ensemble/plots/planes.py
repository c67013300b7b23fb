"""Pictures of paths: on the contours of a landscape of two coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..landscapes import Landscape
from .style import DOUBLE, STYLE, Rows, look, palette, remember, sources


def paths(
    landscape: Landscape,
    tracks: Any,
    *,
    limits: tuple[tuple[float, float], tuple[float, float]] | None = None,
    columns: int = 3,
    places: Mapping[str, int] | None = None,
    width: float = DOUBLE,
) -> Figure:
    """Paths on the filled contours of a two-dimensional landscape, a panel for each label.

    ``tracks`` are data with a record of ``x``, what ``replay`` returned, or arrays (paths, steps, 2) or (steps, 2).
    ``limits`` are ((left, right), (bottom, top)), all paths and a margin where None; contours part the window into
    nearly equal areas; circles are starts, crosses ends. ValueError where there are not two coordinates, or no paths.
    """
    if landscape.dimension != 2:
        raise ValueError(f"paths: the landscape has {landscape.dimension} coordinates; give one of two.")
    found = {name: _tracks(name, one) for name, one in sources(tracks)}
    places = places or palette(found)
    everything = np.concatenate([one.reshape(-1, 2) for one in found.values()])
    low, high = np.nanmin(everything, axis=0), np.nanmax(everything, axis=0)
    margin = 0.12 * (high - low) + 1e-9
    (left, right), (bottom, top) = limits or zip(low - margin, high + margin, strict=True)
    grid = np.meshgrid(np.linspace(left, right, 121), np.linspace(bottom, top, 121))
    values = np.asarray(landscape.value(np.stack(grid, axis=-1).reshape(-1, 2))).reshape(121, 121)
    # Of two digits, so that the colour bar can be read.
    levels = np.unique([float(f"{v:.2g}") for v in np.quantile(values, np.linspace(0.02, 0.98, 13))])
    columns = min(columns, len(found))
    lines = -(-len(found) // columns)
    panel = (width - 1.2) / columns * (top - bottom) / (right - left)
    with rc_context(STYLE | {"axes.grid": False}):
        figure = Figure(figsize=(width, lines * (panel + 0.25) + 0.35), layout="compressed")
        panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        rows: Rows = []
        for axes, (name, one) in zip(panels.flat, found.items(), strict=False):
            shade = axes.contourf(*grid, values, levels, cmap="Blues", alpha=0.65, extend="both")
            axes.contour(*grid, values, levels, colors="white", linewidths=0.4, linestyles="solid")
            colour = look(places, name)[0]
            for k, track in enumerate(one):
                axes.plot(track[:, 0], track[:, 1], color=colour, linewidth=0.8, alpha=0.8)
                axes.plot(*track[0], "o", color="white", markeredgecolor=colour, markersize=3, zorder=3)
                axes.plot(*track[-1], "X", color="black", markeredgecolor="white", markersize=5.5, zorder=4)
                rows += [{"curve": name, "path": k, "point": t, "x": x, "y": y} for t, (x, y) in enumerate(track)]
            title = f"{name}, n = {len(one)}" if name else f"n = {len(one)}"
            axes.set(
                title=title, xlim=(left, right), ylim=(bottom, top), aspect="equal", xlabel="$x_1$", ylabel="$x_2$"
            )
            axes.label_outer()
        for axes in panels.flat[len(found) :]:
            axes.set_visible(False)
        figure.colorbar(shade, ax=panels, shrink=0.9, pad=0.015, label="f(x)", format="%.2g")
    return remember(figure, rows)


def _tracks(name: str, one: Any) -> NDArray[Any]:
    """Paths (paths, steps, 2) out of a record of x, a replay or an array."""
    if isinstance(one, xr.Dataset):
        found = one.get("path", one.get("x"))
        if found is None or not {"step", "coordinate"} <= set(found.dims):
            raise ValueError(f"paths: {name or 'the data'} holds no paths; run with record=Record(['x'], at=...).")
        one = found.transpose(..., "step", "coordinate").to_numpy()
    array = np.asarray(one, float)
    if array.ndim < 2 or array.shape[-1] != 2:
        raise ValueError(f"paths: {name or 'the data'} has shape {array.shape}; give (paths, steps, 2) or (steps, 2).")
    return array.reshape(-1, *array.shape[-2:])
