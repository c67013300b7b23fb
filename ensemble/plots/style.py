"""One look for all pictures, and what they share: labels, laws, the data drawn, and how they are saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    StrMethodFormatter,
    SymmetricalLogLocator,
)
from numpy.typing import ArrayLike, NDArray

from ..words import told
from .labels import legible, numbers_as_text
from .picture import STANDARD, STYLE, Picture, Rows

COLUMN, DOUBLE = 3.4, 7.0  # widths of one journal column and of two, in inches
COLOURS = ("#7F7F7F", "#E69F00", "#0072B2", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")
STYLES: tuple[Any, ...] = ("-", (0, (7, 2)), "-", (0, (7, 2, 1.5, 2)), "-", (0, (4, 2)), (0, (7, 2)))
MARKERS = "osD^vPX"
LAW: dict[str, Any] = {"color": "black", "linewidth": 0.8, "linestyle": (0, (1.2, 1.8))}
Law = tuple[ArrayLike, ArrayLike]
CURVES_NAMED = 60
"""Curves that a legend names at most."""
LEGEND_HEIGHT = 0.6
"""Inches of a figure's height that a legend takes; the figure of a higher one is higher by the rest."""


def palette(labels: Iterable[str]) -> dict[str, int]:
    """A place in the order of colours for each label: give it to several figures, and a label looks the same in all."""
    labels = list(labels) if isinstance(labels, Iterable) and not isinstance(labels, str) else [labels]
    if not all(isinstance(label, str) for label in labels):
        raise ValueError(f"palette(labels={told(labels)}): give a list of texts.")
    return {label: place for place, label in enumerate(dict.fromkeys(labels))}


# ---- what pictures are made of


def remember(figure: Picture, rows: Rows) -> Picture:
    """Keeps the data drawn with the figure, for :func:`~ensemble.plots.table` and :func:`~ensemble.plots.save`."""
    figure.rows = rows
    return figure


def look(places: Mapping[str, int], name: str) -> tuple[str, Any, str]:
    """Colour, line style and marker of a label."""
    k = places.get(name, len(places))
    turn = k + k // len(COLOURS)  # past the last colour, each comes again with another style
    return COLOURS[k % len(COLOURS)], STYLES[turn % len(STYLES)], MARKERS[turn % len(MARKERS)]


def rows_of(name: str, kind: str, x: Any, y: Any, lower: Any = None, upper: Any = None) -> Rows:
    blank = np.full(len(x), np.nan)
    columns = [np.asarray(blank if c is None else c).tolist() for c in (x, y, lower, upper)]
    keys = ("curve", "kind", "x", "y", "lower", "upper")
    return [dict(zip(keys, (name, kind, *point), strict=True)) for point in zip(*columns, strict=True)]


def draw_laws(axes: Axes, laws: Mapping[str, Law], known: Mapping[str, Any], shared: str, **look: Any) -> Rows:
    """Dotted lines; those of a curve that is drawn have one name in the legend together."""
    rows: Rows = []
    for name, (x, y) in laws.items():
        shown = any(r["curve"] in known for r in rows)
        words = legible(name) if name not in known else "_" if shown else legible(shared)
        axes.plot(np.asarray(x, float), np.asarray(y, float), label=words, **LAW, **look)
        rows += rows_of(name, "law", np.asarray(x, float), np.asarray(y, float))
    return rows


def logarithmic(axes: Axes, which: str, values: ArrayLike = ()) -> None:
    """Ticks at 1, 2, 5, 10, ... within three decades, evenly within less than one, at powers of ten beyond.

    Where ``values`` that must be seen are not all positive, the axis is linear around 0, up to the smallest of them, and
    logarithmic on both sides beyond.
    """
    axis = axes.xaxis if which == "x" else axes.yaxis
    seen = np.ravel(np.asarray(values, float))
    seen = seen[np.isfinite(seen)]
    if (seen <= 0).any():
        sizes = np.abs(seen[seen != 0])
        if sizes.size:  # zeros alone are as well seen on a linear axis
            near = float(sizes.min())
            far = max(float(sizes.max()), *(abs(float(end)) for end in axis.get_view_interval()))
            between = max(1.0, np.log10(far / near) / 4)  # room for the labels on both sides of 0
            (axes.set_xscale if which == "x" else axes.set_yscale)("symlog", linthresh=near, linscale=between)
            few = SymmetricalLogLocator(base=10, linthresh=near)
            few.set_params(numticks=7)
            axis.set_major_locator(few)
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        return
    if which == "x":
        axes.set_xscale("log", nonpositive="mask")  # a curve from step 0 begins at its first step, not at the edge
    else:
        axes.set_yscale("log")
    low, high = axis.get_view_interval()
    if high < 1000 * low:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if high > 8 * low else MaxNLocator(5))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())


def few_ticks(axes: Axes, x: NDArray[Any]) -> None:
    """The values themselves as ticks where they are few."""
    values = np.unique(x)
    if values.size <= 8 and _apart(axes, values):
        axes.set_xticks(values, labels=numbers_as_text(values))
        axes.xaxis.set_minor_locator(NullLocator())


def _apart(axes: Axes, values: NDArray[Any]) -> bool:
    """Whether labels at these places would stand clear of each other."""
    if values.size < 2:
        return True
    at = axes.xaxis.get_transform().transform(values)
    longest = max(map(len, numbers_as_text(values)))
    return bool(np.diff(at).min() > 0.028 * longest * (at[-1] - at[0]))


def numbers_along(who: str, found: xr.Dataset, variable: str, dim: str, *, text: bool = False) -> None:
    """Refuses a variable that is not there, or ``dim`` that is no dimension of it with numbers (or ``text``)."""
    if variable not in found:
        has = ", ".join(map(str, found.data_vars)) or "nothing"
        raise ValueError(f"{who}: the data have no {told(variable)} (they have {has}); give the name of a variable.")
    if dim not in found[variable].dims or dim not in found.coords or found[dim].dtype.kind not in "iuf" + "UO" * text:
        raise ValueError(
            f"{who}: {variable} has dimensions {tuple(map(str, found[variable].dims))}, not {told(dim)} with numbers; "
            f"give one of them."
        )


def along(who: str, found: xr.Dataset, variable: str, name: str) -> xr.Dataset:
    """The data with ``name``, a dimension, a coordinate or a variable along one, as the dimension of ``variable``."""
    if name in found and name not in found.dims and len(found[name].dims) == 1:
        (dim,) = found[name].dims
        others = [c for c in found.coords if found[c].dims == (dim,) and c != name]
        found = found.set_coords(name).drop_vars(others).swap_dims({dim: name})
    numbers_along(who, found, variable, name)
    return found


def values_of(array: xr.DataArray) -> NDArray[np.float64]:
    """The numbers of a variable in one row, NaN where an instance has none: the -1 of steps and labels among them."""
    values = array.to_numpy().astype(float).ravel()
    marked = array.name in ("event_step", "diverged_step") or any(
        "-1 where" in str(array.attrs.get(a, "")) for a in ("comment", "long_name")
    )
    return np.where(values == -1, np.nan, values) if marked else values


def limits_of(found: xr.Dataset, variable: str) -> tuple[xr.DataArray, xr.DataArray] | None:
    """Lower and upper limit of a variable: ``<variable>_lower`` and ``_upper``, or ``lower`` and ``upper`` of its shape."""
    for low, high in ((f"{variable}_lower", f"{variable}_upper"), ("lower", "upper")):
        if low in found and high in found and found[low].dims == found[variable].dims:
            return found[low], found[high]
    return None


def refuse_empty(axes: Axes, who: str, variable: str) -> None:
    """No panel without data."""
    drawn = [np.asarray(line.get_ydata(), float) for line in axes.lines]
    if not any(np.isfinite(y).any() for y in drawn):
        raise ValueError(f"{who}: {variable} has nothing finite to show on these axes; give data, or other axes.")


def described(array: xr.DataArray, name: str) -> str:
    """``long name (units)``, of what the attributes say."""
    units = array.attrs.get("units", "")
    words = str(array.attrs.get("long_name", name))
    return words if units in ("", "1") else f"{words} ({units})"


def stated(drawn: list[xr.Dataset], note: str) -> str:
    """n, a note, the diverged and how often events were checked."""
    said = _range("n = ", drawn, "n", "") or _range("", drawn, "events_total", " events")
    lost = sum(int(one["diverged"].sum()) for one in drawn if "diverged" in one)
    every = max(int(one.attrs.get("check_every", 1)) for one in drawn)
    said += [*[note] * bool(note), *[f"{lost:,} diverged"] * bool(lost)]
    return "; ".join([*said, *[f"events checked every {every} steps"] * (every > 1)])


def _range(before: str, drawn: list[xr.Dataset], variable: str, after: str) -> list[str]:
    counts = [int(n) for one in drawn if variable in one for n in np.ravel(one[variable])]
    if not counts:
        return []
    return [f"{before}{min(counts):,}" + f" to {max(counts):,}" * (max(counts) > min(counts)) + after]


def finish(
    figure: Figure, axes: Axes, drawn: list[xr.Dataset], note: str, legend: bool = False, panels: Sequence[Axes] = ()
) -> None:
    """States what :func:`stated` says over the axes, or over several ``panels``; puts a legend of more than one, or any, under them."""
    # A line of a column holds about 60 characters, and fewer where it begins at the axes.
    letters = int(17 * figure.get_figwidth() * STANDARD["font.size"] / STYLE["font.size"])
    # Labels of more than four letters stand in the way of it; powers of ten, written as formulas, have five at most.
    ticks = axes.yaxis.get_major_formatter().format_ticks(list(axes.yaxis.get_majorticklocs()))
    beside = max((5 * ("-" in t) if t.startswith("$") else max(map(len, t.split("\n"))) for t in ticks), default=0)
    said = wrap(axes.get_ylabel(), int(14 * figure.get_figheight()))
    axes.set_ylabel("\n".join(said))
    before = max(4, min(3 * beside - 8, beside + 4)) + 3 * max(0, len(said) - 1)
    if panels:
        words = "\n".join(wrap(stated(drawn, note), letters))
        figure.suptitle(words, x=0.01, ha="left", color="0.35", fontsize=STYLE["axes.titlesize"])
    else:
        axes.set_title("\n".join(wrap(stated(drawn, note), letters - before)), loc="left", color="0.35")
    named = [dict(zip(*one.get_legend_handles_labels()[::-1], strict=True)) for one in panels or (axes,)]
    first = {name: handle for of_one in reversed(named) for name, handle in of_one.items()}
    labels = list(dict.fromkeys(name for of_one in named for name in of_one))
    handles = [first[name] for name in labels]
    if len(handles) > 1 - legend:
        # Laws, black in a black-free palette, come last.
        order = sorted(range(len(labels)), key=lambda k: getattr(handles[k], "get_color", str)() == "black")
        handles, labels = [handles[k] for k in order], [labels[k] for k in order]
        if len(labels) > CURVES_NAMED:
            handles = [*handles[: CURVES_NAMED - 1], Line2D([], [], linestyle="")]
            labels = [
                *labels[: CURVES_NAMED - 1],
                f"and {len(labels) - CURVES_NAMED + 1:,} more, in the figure's table",
            ]
        longest = max(map(len, labels))
        columns = next((n for n in (4, 3, 2) if n * (longest + 7) <= letters + 12), 1)
        for fewer in range(columns, 0, -1):  # the letters are a guess, handles differ in width
            below = figure.legend(handles, labels, loc="outside lower center", ncols=fewer, columnspacing=1.2)
            if fewer == 1 or below.get_window_extent().width <= figure.bbox.width:
                break
            below.remove()
        high = below.get_window_extent().height / figure.dpi
        figure.set_figheight(figure.get_figheight() + max(0.0, high - LEGEND_HEIGHT))
