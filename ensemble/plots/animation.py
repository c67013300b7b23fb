"""Animations: the cloud of instances moving over the contours."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import rc_context
from matplotlib.animation import writers
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from ..landscapes import Landscape
from ..words import told
from .arguments import checked
from .directions import Plane
from .labels import legible, short
from .picture import STYLE
from .planes import Surface, Window, labelled, surface_of, tracks_of
from .style import look, palette

WRITERS = {
    ".gif": ("pillow", "pip install pillow"),
    ".mp4": ("ffmpeg", "install ffmpeg, or give a path that ends in .gif"),
}


@checked
def animate(
    landscape: Landscape,
    tracks: Any,
    path: str | os.PathLike[str],
    *,
    plane: Plane | None = None,
    limits: Window | None = None,
    tail: int = 10,
    frames_per_second: int = 12,
    places: Mapping[str, int] | None = None,
    width: float = 4.5,
    dpi: int = 110,
) -> Path:
    """Writes the instances of each label moving over the contours, a frame for each recorded step; returns the path.

    ``tracks`` are as in :func:`paths`, all with the same recorded steps. ``path`` ends in .gif (written by Pillow) or
    .mp4 (by ffmpeg). A ``plane`` is needed where the landscape has not two coordinates. The last ``tail`` records are a
    line behind each of the first 200 instances. ``width`` in inches, ``dpi`` dots in each. ValueError for
    another ending, one record alone, or different steps; RuntimeError where the writer is absent.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"animate(path={told(path)}): give the path of a file.")
    if plane is not None and not isinstance(plane, Plane):
        raise ValueError(f"animate(plane={told(plane)}): give a Plane, such as Plane.random(center).")
    target = Path(path)
    if target.suffix not in WRITERS:
        raise ValueError(f"animate(path={told(str(path))}): give a path that ends in {' or '.join(WRITERS)}.")
    kind, remedy = WRITERS[target.suffix]
    if not writers.is_available(kind):
        raise RuntimeError(f"animate({told(str(path))}): {kind} is not installed; {remedy}.")
    dim = landscape.dimension
    if plane is None and dim != 2:
        raise ValueError(f"animate: the landscape has {dim} coordinates; give one of two, or a plane=.")
    plane = plane or Plane.axes(2)
    given = labelled(tracks)
    found = {name: plane.project(tracks_of("animate", name, one, dim)) for name, one in given.items()}
    steps = _steps(given, found)
    places = places or palette(found)
    surface = surface_of(landscape, plane, list(found.values()), limits)
    with rc_context(STYLE | {"axes.grid": False}):
        ground, window = _ground(surface, found, places, width, dpi)
        figure = Figure(figsize=(ground.shape[1] / dpi, ground.shape[0] / dpi), dpi=dpi)
        figure.set_layout_engine("none")
        FigureCanvasAgg(figure)
        figure.figimage(ground)
        axes = figure.add_axes(window, zorder=1)
        axes.set(xlim=surface.window[0], ylim=surface.window[1])
        axes.set_axis_off()
        title = axes.set_title("", loc="left")
        clouds, tails = [], []
        for name in found:
            colour, looks = look(places, name)[0], _dots(found, places, name)
            tails.append(LineCollection([], colors=colour, linewidths=0.7, alpha=0.35))
            axes.add_collection(tails[-1])
            clouds.append(axes.plot([], [], **looks)[0])
        writer = writers[kind](fps=frames_per_second)
        with writer.saving(figure, str(target), dpi):
            for t, step in enumerate(steps):
                title.set_text(f"step {step:,}")
                for cloud, lines, one in zip(clouds, tails, found.values(), strict=True):
                    cloud.set_data(one[:, t, 0], one[:, t, 1])
                    lines.set_segments(list(one[:200, max(0, t - tail) : t + 1]))
                writer.grab_frame()
    return target


def _ground(
    surface: Surface, found: Mapping[str, NDArray[Any]], places: Mapping[str, int], width: float, dpi: int
) -> tuple[NDArray[Any], tuple[float, float, float, float]]:
    """What does not move, drawn once: the picture (height, width, 4), and where its axes are."""
    figure = Figure(figsize=(width, (width - 1.3) * surface.aspect + 0.8), dpi=dpi, layout="compressed")
    canvas, axes = FigureCanvasAgg(figure), figure.subplots()
    shade = surface.draw(axes)
    axes.set_title(" ", loc="left")  # room for the step
    for name, one in found.items():
        label = f"{legible(name)}, n = {len(one)}" if name else f"n = {len(one)}"
        axes.plot([], [], label=label, **_dots(found, places, name))
    figure.colorbar(shade, ax=axes, shrink=0.9, pad=0.02, label="f(x)", format=FuncFormatter(short))
    figure.legend(loc="outside lower center", ncols=2)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba()).copy(), axes.get_position().bounds  # type: ignore[no-untyped-call]


def _dots(found: Mapping[str, NDArray[Any]], places: Mapping[str, int], name: str) -> dict[str, Any]:
    """How the instances of a label look."""
    colour, _, marker = look(places, name)
    size = 4.0 if len(found[name]) <= 200 else 2.0
    edge = {"markeredgecolor": "white", "markeredgewidth": 0.3}
    return {"marker": marker, "linestyle": "", "color": colour, "markersize": size, **edge}


def _steps(given: Mapping[str, Any], found: Mapping[str, NDArray[Any]]) -> list[int]:
    """The recorded steps, of which all have the same."""
    all_steps = {
        name: one["step"].to_numpy().tolist()
        if isinstance(one, xr.Dataset) and "step" in one.coords
        else list(range(found[name].shape[1]))
        for name, one in given.items()
    }
    first, *others = all_steps.values()
    if any(other != first for other in others):
        raise ValueError("animate: the labels have different recorded steps; record all at the same.")
    if len(first) < 2:
        raise ValueError("animate: there is one recorded step alone; record more.")
    return [int(step) for step in np.asarray(first)]
