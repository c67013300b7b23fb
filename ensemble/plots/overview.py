"""One page of everything that a result can show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ..records import QUANTITIES
from ..statistics import shares
from ..statistics import survival as survival_curves
from ..words import told
from .escapes import against, survival
from .labels import datasets, sources
from .lines import fan
from .maps import heat_map
from .picture import STYLE, Picture, Rows
from .shares import bars
from .style import COLUMN, remember
from .times import ecdf

DOTS = 220
"""Dots of a panel for an inch: they are pictures of their own, drawn as they come."""
ACROSS = 2


def compare_all(data: Any, *, label: int | None = None, confidence: float = 0.95) -> Picture:
    """One page of all that runs can show: what became of the instances, escape times, records, and what a sweep did to them.

    ``data`` are a result, its dataset or the name of its file. Panels are those that the data have something for: shares of the
    outcomes; survival curves and running times where there are events; medians against each swept number, or over two, where most
    configurations have one; a fan for each recorded quantity. They are the pictures of this module, drawn at 220 dots an inch: make
    one by itself for a figure in lines and letters. ``label`` counts events of that label only.

    ValueError: no dataset of runs, or nothing to show.
    """
    given = list(sources(data))
    if len(given) != 1 or given[0][0]:
        raise ValueError(
            f"compare_all(data={told(data)}): give one result; compare(...) makes one of several optimizers."
        )
    ((_, runs),) = datasets("compare_all", data)
    if "status" not in runs or "instance" not in runs.dims:
        raise ValueError("compare_all: these are no runs; give a result, as simulate and compare return.")
    panels = [draw() for draw in _panels(runs, label, confidence)]
    with rc_context(STYLE):
        return _page(panels)


def _panels(runs: xr.Dataset, label: int | None, confidence: float) -> Iterator[Callable[[], Picture]]:
    happened = bool((runs["event_step"] >= 0).any())
    yield lambda: bars(shares(runs, confidence=confidence))
    if happened:
        yield lambda: survival(runs, label=label, confidence=confidence)
        yield lambda: ecdf(runs, confidence=confidence)
        found = survival_curves(runs, label=label, confidence=confidence)
        swept = [str(d) for d in found["median"].dims if found[d].dtype.kind in "iuf" and found.sizes[d] > 1]
        if np.isfinite(found["median"]).mean() >= 0.5:
            if len(swept) == 2:
                yield lambda: heat_map(found, swept[0], swept[1], "median")
            elif swept:
                yield lambda: against(found, swept[0])
    for quantity, said in QUANTITIES.items():
        if said.dims or quantity == "nearest":  # a place in a list
            continue
        for name in (quantity, f"{quantity}_quantile"):
            if name in runs and "step" in runs[name].dims:
                counts = said.units == "1"
                yield lambda quantity=quantity, counts=counts: fan(runs, quantity, log=(True, not counts))  # type: ignore[misc]


def _page(panels: list[Picture]) -> Picture:
    """The panels side by side, each as wide as a column, in the order in which they come."""
    images = []
    for panel in panels:
        panel.set_dpi(DOTS)
        canvas = FigureCanvasAgg(panel)
        canvas.draw()  # type: ignore[no-untyped-call]
        images.append(np.asarray(canvas.buffer_rgba()))  # type: ignore[no-untyped-call]
    lines = [images[k : k + ACROSS] for k in range(0, len(images), ACROSS)]
    heights = [max(image.shape[0] for image in line) for line in lines]
    wide = max(image.shape[1] for image in images)
    sheet = np.full((sum(heights), ACROSS * wide, 4), 255, dtype=np.uint8)
    top = 0
    for line, height in zip(lines, heights, strict=True):
        for k, image in enumerate(line):
            sheet[top : top + image.shape[0], k * wide : k * wide + image.shape[1]] = image
        top += height
    scale = COLUMN / (wide / DOTS)
    page = Picture(ACROSS * COLUMN, scale * sheet.shape[0] / DOTS, layout="none", dpi=DOTS)
    axes = page.add_axes((0, 0, 1, 1))
    axes.imshow(sheet, interpolation="none", aspect="auto")
    axes.set_axis_off()
    rows: Rows = [{"panel": k + 1, **row} for k, panel in enumerate(panels) for row in panel.rows]
    return remember(page, rows)
