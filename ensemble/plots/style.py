"""One look for all pictures, and what they share: labels, laws, the data drawn, and how they are saved."""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import xarray as xr
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from numpy.typing import ArrayLike

from ..results.result import load

COLUMN, DOUBLE = 3.4, 7.0  # widths of one journal column and of two, in inches
COLOURS = ("#7F7F7F", "#E69F00", "#0072B2", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")
STYLES: tuple[Any, ...] = ("-", (0, (7, 2)), "-", (0, (7, 2, 1.5, 2)), "-", (0, (4, 2)), (0, (7, 2)))
MARKERS = "osD^vPX"
LAW: dict[str, Any] = {"color": "black", "linewidth": 0.8, "linestyle": (0, (1.2, 1.8))}
STYLE: Any = {
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    "svg.fonttype": "none",
    "svg.hashsalt": "descent-ensemble",
}

Rows = list[dict[str, Any]]
Law = tuple[ArrayLike, ArrayLike]
_tables: WeakKeyDictionary[Figure, Rows] = WeakKeyDictionary()


def palette(labels: Iterable[str]) -> dict[str, int]:
    """A place in the order of colours for each label: give it to several figures, and a label looks the same in all."""
    return {label: place for place, label in enumerate(dict.fromkeys(labels))}


def table(figure: Figure) -> Rows:
    """What a figure of this module shows: one row for each point drawn. ValueError for any other figure."""
    if figure not in _tables:
        raise ValueError("table: this figure was not made here; give one that a function of ensemble.plots returned.")
    return _tables[figure]


def save(figure: Figure, path: str | os.PathLike[str], formats: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Writes ``path`` with each format's ending (PNG at 200 dpi) and its data as ``.csv`` beside them; returns the files."""
    rows, base, engine = table(figure), Path(path), figure.get_layout_engine()
    written: list[Path] = []
    with rc_context(STYLE):
        for ending in formats:
            written.append(base.with_name(f"{base.name}.{ending}"))
            # Without a date the same data give the same file.
            figure.savefig(written[-1], metadata={"Date": None} if ending in ("svg", "pdf") else None)
            figure.set_layout_engine("none")  # one layout for all formats
        figure.set_layout_engine(engine)
    written.append(base.with_name(f"{base.name}.csv"))
    with open(written[-1], "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["curve"])
        writer.writeheader()
        writer.writerows(rows)
    return written


# ---- what pictures are made of


def remember(figure: Figure, rows: Rows) -> Figure:
    """Keeps the data drawn with the figure, for :func:`table` and :func:`save`."""
    _tables[figure] = rows
    return figure


def look(places: Mapping[str, int], name: str) -> tuple[str, Any, str]:
    """Colour, line style and marker of a label."""
    k = places.get(name, len(places))
    turn = k + k // len(COLOURS)  # past the last colour, each comes again with another style
    return COLOURS[k % len(COLOURS)], STYLES[turn % len(STYLES)], MARKERS[turn % len(MARKERS)]


def sources(data: Any) -> Iterator[tuple[str, Any]]:
    """(label, dataset or array) of one source or of several."""
    given = data if isinstance(data, Mapping) and not isinstance(data, xr.Dataset) else {"": data}
    for name, one in given.items():
        found = load(one) if isinstance(one, (str, os.PathLike)) else one
        yield name, getattr(found, "dataset", found)


def groups(
    source: str, found: xr.Dataset, variable: str, keep: Collection[str] = ()
) -> Iterator[tuple[str, xr.Dataset]]:
    """(name, data of one configuration): ``variable``'s dimensions but ``keep`` are its configurations.

    The name is made of the source's and of what was swept.
    """
    dims = [d for d in found[variable].dims if d not in keep]
    for index in np.ndindex(*(found.sizes[d] for d in dims)):
        one, said = found.isel(dict(zip(dims, index, strict=True))), [source] * bool(source)
        for d, k in zip(dims, index, strict=True):
            names = [c for c in found.coords if found[c].dims == (d,)]  # fields swept together share a dimension
            said += [_said(str(c), one[c].item()) for c in names] or [f"{d} {k}"]
        yield ", ".join(filter(None, said)) or "all", one


def _said(field: str, value: Any) -> str:
    """``field = value``; a name says itself, and a field that an optimizer lacks is not said."""
    if isinstance(value, str):
        return value
    return "" if np.isnan(value) else f"{field} = {value:g}"


def rows_of(name: str, kind: str, x: Any, y: Any, lower: Any = None, upper: Any = None) -> Rows:
    blank = np.full(len(x), np.nan)
    columns = [np.asarray(blank if c is None else c).tolist() for c in (x, y, lower, upper)]
    keys = ("curve", "kind", "x", "y", "lower", "upper")
    return [dict(zip(keys, (name, kind, *point), strict=True)) for point in zip(*columns, strict=True)]


def draw_laws(axes: Axes, laws: Mapping[str, Law], known: Mapping[str, Any], shared: str, **look: Any) -> Rows:
    """Dotted lines; those of a curve that is drawn have one name in the legend together."""
    rows: Rows = []
    for name, (x, y) in laws.items():
        words = name if name not in known else "_" if any(r["curve"] in known for r in rows) else shared
        axes.plot(np.asarray(x, float), np.asarray(y, float), label=words, **LAW, **look)
        rows += rows_of(name, "law", np.asarray(x, float), np.asarray(y, float))
    return rows


def logarithmic(axes: Axes, which: str) -> None:
    """Ticks at 1, 2, 5, 10, ... within three decades, evenly within less than one, at powers of ten beyond."""
    if which == "x":
        axes.set_xscale("log", nonpositive="mask")  # a curve from step 0 begins at its first step, not at the edge
    else:
        axes.set_yscale("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axis.get_view_interval()
    if high < 1000 * low:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if high > 8 * low else MaxNLocator(5))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())


def numbers_along(who: str, found: xr.Dataset, variable: str, dim: str, *, text: bool = False) -> None:
    """Refuses a variable that is not there, or ``dim`` that is no dimension of it with numbers (or ``text``)."""
    if variable not in found:
        has = ", ".join(map(str, found.data_vars)) or "nothing"
        raise ValueError(f"{who}: the data have no {variable!r} (they have {has}); give the name of a variable.")
    if dim not in found[variable].dims or dim not in found.coords or found[dim].dtype.kind not in "iuf" + "UO" * text:
        raise ValueError(
            f"{who}: {variable} has dimensions {tuple(map(str, found[variable].dims))}, not {dim!r} with numbers; "
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


def finish(figure: Figure, axes: Axes, drawn: list[xr.Dataset], note: str, legend: bool = False) -> None:
    """States what :func:`stated` says over the axes; puts a legend of more than one, or any, under them."""
    # A line of a column holds about 60 characters, and fewer where it begins at the axes.
    letters = int(17 * figure.get_figwidth())
    axes.set_title("\n".join(wrap(stated(drawn, note), letters - 4)), loc="left", color="0.35")
    axes.set_ylabel("\n".join(wrap(axes.get_ylabel(), int(14 * figure.get_figheight()))))
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) > 1 - legend:
        # Laws, black in a black-free palette, come last.
        order = sorted(range(len(labels)), key=lambda k: getattr(handles[k], "get_color", str)() == "black")
        handles, labels = [handles[k] for k in order], [labels[k] for k in order]
        longest = max(map(len, labels))
        columns = next((n for n in (4, 3, 2) if n * (longest + 7) <= letters + 12), 1)
        for fewer in range(columns, 0, -1):  # the letters are a guess, handles differ in width
            below = figure.legend(handles, labels, loc="outside lower center", ncols=fewer, columnspacing=1.2)
            if fewer == 1 or below.get_window_extent().width <= figure.bbox.width:
                break
            below.remove()
