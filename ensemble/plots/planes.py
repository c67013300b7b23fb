"""Pictures of paths on the contours of a landscape: of two coordinates, or in a plane of many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from ..landscapes import Landscape
from ..words import told
from .arguments import are_numbers, checked
from .directions import Plane, values_at
from .labels import curves_of, legible, short, sources
from .picture import STYLE, Picture, Rows
from .style import COLUMN, DOUBLE, look, palette, remember

SIDE = 121
"""Points of the contours' grid along each axis."""
Window = tuple[tuple[float, float], tuple[float, float]]


@checked
def paths(
    landscape: Landscape,
    tracks: Any,
    *,
    limits: Window | None = None,
    columns: int = 3,
    places: Mapping[str, int] | None = None,
    width: float = DOUBLE,
) -> Picture:
    """Paths on the filled contours of a two-dimensional landscape, a panel for each label and each configuration.

    ``tracks`` are data with a record of ``x``, what ``replay`` returned, or arrays (paths, steps, 2) or (steps, 2).
    ``limits`` are ((left, right), (bottom, top)), all paths and a margin where None; contours part the window into
    nearly equal areas; circles are starts, crosses ends. ValueError where there are not two coordinates, or no paths.
    """
    if landscape.dimension != 2:
        raise ValueError(
            f"paths: the landscape has {landscape.dimension} coordinates; give one of two, or take plane()."
        )
    found = {name: tracks_of("paths", name, one, 2) for name, one in labelled(tracks).items()}
    surface = surface_of(landscape, Plane.axes(2), list(found.values()), limits)
    figure = _panels(surface, found, places, columns, width)
    rows = [
        {"curve": name, "path": k, "point": t, "x": x, "y": y}
        for name, one in found.items()
        for k, track in enumerate(one)
        for t, (x, y) in enumerate(track)
    ]
    return remember(figure, rows)


@checked
def plane(
    landscape: Landscape,
    plane: Plane,
    tracks: Any = None,
    *,
    limits: Window | None = None,
    columns: int = 3,
    places: Mapping[str, int] | None = None,
    width: float | None = None,
) -> Picture:
    """Filled contours of a landscape of any dimension in a plane, with paths projected onto it, a panel for each label.

    ``plane`` is a :class:`Plane`: ``Plane.random`` (filter-normalised with ``filters=``), ``Plane.hessian``,
    ``Plane.principal``, ``Plane.axes`` or your own. ``tracks`` are as in :func:`paths`, with dim coordinates; a title says
    how much of their squared distance from the plane's center lies in it: where that is little, the contours are not
    those that the paths felt. ``limits`` are ((left, right), (bottom, top)) in units of the directions, -1 to 1 where
    there are no tracks. The data kept are the surface and, at the paths, f where they really were. ValueError where
    dimensions differ.
    """
    dim = landscape.dimension
    if not isinstance(plane, Plane):
        raise ValueError(f"plane(plane={told(plane)}): give a Plane, such as Plane.random(center).")
    if plane.center.size != dim:
        raise ValueError(
            f"plane: the landscape has {dim} coordinates and the plane {plane.center.size}; give one of {dim}."
        )
    given = (
        {} if tracks is None else {name: tracks_of("plane", name, one, dim) for name, one in labelled(tracks).items()}
    )
    shares = {name: plane.share(one) for name, one in given.items()}
    found = {name: plane.project(one) for name, one in given.items()}
    surface = surface_of(landscape, plane, list(found.values()), limits)
    notes = {name: f", {100 * share:.2g} % in the plane" for name, share in shares.items()}
    width = width or (COLUMN if len(found) < 2 else DOUBLE)
    figure = _panels(surface, found or {"": np.empty((0, 1, 2))}, places, columns, width, notes)
    rows: Rows = [
        {"curve": "surface", "path": "", "point": "", "x": x, "y": y, "value": value}
        for x, y, value in zip(*(a.ravel().tolist() for a in (*surface.grid, surface.values)), strict=True)
    ]
    for name, one in found.items():
        felt = values_at(landscape, given[name])
        for k, t in np.ndindex(*felt.shape):
            x, y = one[k, t].tolist()
            rows.append({"curve": name, "path": k, "point": t, "x": x, "y": y, "value": float(felt[k, t])})
    return remember(figure, rows)


@dataclass(frozen=True)
class Surface:
    """Values of a landscape on a grid in a window of a plane, and the levels of their contours."""

    grid: tuple[NDArray[Any], NDArray[Any]]
    values: NDArray[Any]
    levels: NDArray[Any]
    window: Window
    names: tuple[str, str]

    @property
    def aspect(self) -> float:
        (left, right), (bottom, top) = self.window
        return (top - bottom) / (right - left)

    def draw(self, axes: Axes) -> Any:
        """Fills the contours, sets the window and names the axes; returns what a colour bar needs."""
        # A colour for each stretch between levels, so that a steep wall does not make the valley one white.
        norm = BoundaryNorm(self.levels, 256, extend="both")
        shade = axes.contourf(*self.grid, self.values, self.levels, norm=norm, cmap="Blues", alpha=0.65, extend="both")
        axes.contour(*self.grid, self.values, self.levels, colors="white", linewidths=0.4, linestyles="solid")
        across, up = self.window
        axes.set(xlim=across, ylim=up, aspect="equal", xlabel=self.names[0], ylabel=self.names[1])
        return shade


def surface_of(landscape: Landscape, plane: Plane, tracks: list[NDArray[Any]], limits: Window | None) -> Surface:
    """The surface around tracks (..., 2) in coordinates of the plane, or in ``limits``."""
    window: Window = limits or ((-1.0, 1.0), (-1.0, 1.0))
    if limits is None and tracks:
        everything = np.concatenate([one.reshape(-1, 2) for one in tracks])
        low, high = np.nanmin(everything, axis=0), np.nanmax(everything, axis=0)
        reach = high - low
        # No side of the window is shorter than a quarter of the other.
        margin = 0.12 * reach + np.maximum(0.0, reach.max() / 4 - 1.24 * reach) / 2 + 1e-9
        low, high = low - margin, high + margin
        window = ((float(low[0]), float(high[0])), (float(low[1]), float(high[1])))
    (left, right), (bottom, top) = window
    across, up = np.meshgrid(np.linspace(left, right, SIDE), np.linspace(bottom, top, SIDE))
    values = values_at(landscape, plane.points(across, up))
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise ValueError("the landscape is finite nowhere in this window; give limits around the paths.")
    # Of two digits, so that the colour bar can be read.
    levels = np.unique([float(f"{v:.2g}") for v in np.quantile(finite, np.linspace(0.02, 0.98, 13))])
    if levels.size < 2:
        levels = np.array([levels[0] - 0.5, levels[0] + 0.5])
    return Surface((across, up), values, levels, window, plane.names)


def labelled(tracks: Any) -> dict[str, Any]:
    """The tracks of every label; those of several configurations each under one of its own."""
    found: dict[str, Any] = {}
    for name, one in sources(tracks):
        recorded = next((v for v in ("path", "x") if isinstance(one, xr.Dataset) and v in one), None)
        own = ("instance", "step", "coordinate")
        if recorded and set(one[recorded].dims) - set(own):
            found |= curves_of([(name, one)], recorded, own)
        else:
            found[name] = one
    return found


def tracks_of(who: str, name: str, one: Any, dim: int) -> NDArray[Any]:
    """Paths (paths, steps, dim) out of a record of x, a replay or an array."""
    if isinstance(one, xr.Dataset):
        found = one.get("path", one.get("x"))
        if found is None or not {"step", "coordinate"} <= set(found.dims):
            raise ValueError(
                f"{who}(tracks=...): {name or 'the data'} holds no paths; run with record=Record(['x'], at=...)."
            )
        one = found.transpose(..., "step", "coordinate").to_numpy()
    if not are_numbers(one):
        raise ValueError(
            f"{who}(tracks={told(one)}): give arrays of numbers (paths, steps, {dim}), or runs that recorded x."
        )
    array = np.asarray(one, float)
    if array.ndim < 2 or array.shape[-1] != dim:
        raise ValueError(
            f"{who}(tracks=...): {name or 'the data'} has shape {array.shape}; give (paths, steps, {dim}) or (steps, {dim})."
        )
    return array.reshape(-1, *array.shape[-2:])


def _panels(
    surface: Surface,
    found: Mapping[str, NDArray[Any]],
    places: Mapping[str, int] | None,
    columns: int,
    width: float,
    notes: Mapping[str, str] | None = None,
) -> Picture:
    """A panel for each label's paths (paths, steps, 2) on the surface."""
    places = places or palette(found)
    columns = min(columns, len(found))
    lines = -(-len(found) // columns)
    panel = (width - 1.2) / columns * surface.aspect
    with rc_context(STYLE | {"axes.grid": False}):
        figure = Picture(width, lines * (panel + 0.25) + 0.35, layout="compressed")
        panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        for axes, (name, one) in zip(panels.flat, found.items(), strict=False):
            shade = surface.draw(axes)
            colour = look(places, name)[0]
            faint = min(0.8, max(0.1, 12 / max(len(one), 1)))  # many paths are a density, not one mass
            for track in one:
                axes.plot(track[:, 0], track[:, 1], color=colour, linewidth=0.8, alpha=faint)
                axes.plot(*track[0], "o", color="white", markeredgecolor=colour, markersize=3, zorder=3)
                axes.plot(*track[-1], "X", color="black", markeredgecolor="white", markersize=5.5, zorder=4)
            said = f"n = {len(one)}" + (notes or {}).get(name, "") if len(one) else ""
            axes.set_title(", ".join(filter(None, (legible(name), said))))
            axes.label_outer()
        for axes in panels.flat[len(found) :]:
            axes.set_visible(False)
        figure.colorbar(shade, ax=panels, shrink=0.9, pad=0.015, label="f(x)", format=FuncFormatter(short))
    return figure
