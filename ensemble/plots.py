"""Pictures of ensembles: functions that take datasets and return a matplotlib figure.

Every function takes a dataset, a result, the name of a file that ``Result.save`` wrote, or a mapping from label to any of
these, and returns a :class:`matplotlib.figure.Figure` in one style: one journal column (3.4 in) or two (7 in) wide, type
of 7 to 8 pt, the colours of Okabe and Ito (2008), which colour-blind readers tell apart, and line styles that differ too.
Each figure states its number of instances and its confidence. :func:`table` is the data drawn, :func:`save` writes both.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from .landscapes import Landscape
from .result import load
from .statistics import survival as survival_curves

try:
    from matplotlib import rc_context
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator, StrMethodFormatter
except ImportError as error:
    raise ImportError("pictures need matplotlib: pip install 'descent-ensemble[studies]'") from error

__all__ = ["COLUMN", "DOUBLE", "against", "palette", "paths", "save", "survival", "table"]

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


# ---- pictures


def survival(
    data: Any,
    *,
    laws: Mapping[str, Law] | None = None,
    law_name: str = "law",
    label: int | None = None,
    confidence: float = 0.95,
    log: bool = False,
    limits: tuple[float, float] | None = None,
    places: Mapping[str, int] | None = None,
    width: float = COLUMN,
    height: float = 2.9,
) -> Figure:
    """Survival curves P(T > t) of escape times with pointwise bands, one for each configuration.

    ``laws`` are dotted lines ``{label: (steps, probability)}``; those under the label of a curve, what it should be, the
    legend calls ``law_name``. ``label`` counts events of that label only; ``log`` and ``limits`` are of the steps;
    ``width`` and ``height`` in inches. ValueError where `statistics.survival` refuses the data.
    """
    curves = {
        name: curve
        for source, runs in _sources(data)
        for name, curve in _groups(source, survival_curves(runs, label=label, confidence=confidence, max_steps=600))
    }
    places = places or palette(curves)
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        axes, rows = figure.subplots(), []
        for name, curve in curves.items():
            curve = curve.isel(step=np.isfinite(curve["survival"].to_numpy()))
            step, colour, style, _ = curve["step"].to_numpy(), *_look(places, name)
            y, low, high = (curve[v].to_numpy() for v in ("survival", "lower", "upper"))
            axes.fill_between(step, low, high, step="post", color=colour, alpha=0.25, linewidth=0)
            axes.step(step, y, where="post", color=colour, linestyle=style, label=name)
            rows += _rows(name, "data", step, y, low, high)
        rows += _draw_laws(axes, laws or {}, curves, law_name, drawstyle="steps-post", zorder=3)
        axes.set(xlabel="step t", ylabel="P(T > t), share not yet escaped", ylim=(-0.02, 1.02))
        axes.set_xlim(*(limits or (float(log), max(r["x"] for r in rows if r["kind"] == "data"))))
        if log:
            _logarithmic(axes, "x")
        _finish(figure, axes, list(curves.values()), f"bands {100 * confidence:g} %, pointwise")
    _tables[figure] = rows
    return figure


def against(
    data: Any,
    dim: str,
    *,
    laws: Mapping[str, Law] | None = None,
    law_name: str = "law",
    label: int | None = None,
    confidence: float = 0.95,
    x_label: str | None = None,
    log: tuple[bool, bool] = (True, True),
    places: Mapping[str, int] | None = None,
    width: float = COLUMN,
    height: float = 2.9,
) -> Figure:
    """Median escape time, with its interval, against a swept number.

    ``data`` are runs swept along ``dim``, or what `statistics.survival` made of them (which keep their confidence).
    ``laws`` are dotted lines ``{label: (values of dim, steps)}``; ``x_label`` gives words and unit for ``dim``; ``log``
    says which axes, (x, y), are logarithmic; the rest is as in :func:`survival`. A median that the horizon hides is left
    out, and the figure says so. ValueError where ``dim`` is no dimension of the data, or has no numbers.
    """
    series: dict[str, xr.Dataset] = {}
    for source, runs in _sources(data):
        found = runs if "median_lower" in runs else survival_curves(runs, label=label, confidence=confidence)
        confidence = float(found.attrs.get("confidence", confidence))
        if dim not in found["median"].dims or dim not in found.coords or found[dim].dtype.kind not in "iuf":
            raise ValueError(
                f"against(dim={dim!r}): {source or 'the data'} has {tuple(map(str, found['median'].dims))}; "
                f"give a dimension with numbers."
            )
        series |= dict(_groups(source, found, keep=dim))
    places = places or palette(series)
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        axes, rows = figure.subplots(), []
        for name, one in series.items():
            x, colour, _, marker = one[dim].to_numpy(), *_look(places, name)
            y, low, high = (one[v].to_numpy() for v in ("median", "median_lower", "median_upper"))
            axes.plot(x, y, color=colour, linewidth=0.8, alpha=0.5)
            axes.errorbar(x, y, [y - low, high - y], color=colour, marker=marker, linestyle="", capsize=2, label=name)
            rows += _rows(name, "data", x, y, low, high)
        rows += _draw_laws(axes, laws or {}, series, law_name, zorder=3)
        for axis, wanted in zip("xy", log, strict=True):
            if wanted:
                _logarithmic(axes, axis)
        values = np.unique(np.concatenate([one[dim].to_numpy() for one in series.values()]))
        if values.size <= 8:
            axes.set_xticks(values, labels=[f"{v:g}" for v in values])
            axes.xaxis.set_minor_locator(NullLocator())
        axes.set(xlabel=x_label or dim, ylabel="median of T (steps)")
        hidden = any(np.isnan(row["y"]) for row in rows if row["kind"] == "data")
        note = f"bars {100 * confidence:g} %" + ("; left out: fewer than half escaped" if hidden else "")
        _finish(figure, axes, list(series.values()), note)
    _tables[figure] = rows
    return figure


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
    found = {name: _tracks(name, one) for name, one in _sources(tracks)}
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
            colour = _look(places, name)[0]
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
    _tables[figure] = rows
    return figure


# ---- what they share


def _look(places: Mapping[str, int], name: str) -> tuple[str, Any, str]:
    """Colour, line style and marker of a label."""
    k = places.get(name, len(places))
    turn = k + k // len(COLOURS)  # past the last colour, each comes again with another style
    return COLOURS[k % len(COLOURS)], STYLES[turn % len(STYLES)], MARKERS[turn % len(MARKERS)]


def _sources(data: Any) -> Iterator[tuple[str, Any]]:
    """(label, dataset or array) of one source or of several."""
    given = data if isinstance(data, Mapping) and not isinstance(data, xr.Dataset) else {"": data}
    for name, one in given.items():
        found = load(one) if isinstance(one, (str, os.PathLike)) else one
        yield name, getattr(found, "dataset", found)


def _groups(source: str, found: xr.Dataset, keep: str | None = None) -> Iterator[tuple[str, xr.Dataset]]:
    """(name, data of one configuration), the name made of the source's and of what was swept."""
    dims = [d for d in found["median"].dims if d != keep]
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


def _rows(name: str, kind: str, x: Any, y: Any, lower: Any = None, upper: Any = None) -> Rows:
    blank = np.full(len(x), np.nan)
    columns = [np.asarray(blank if c is None else c).tolist() for c in (x, y, lower, upper)]
    keys = ("curve", "kind", "x", "y", "lower", "upper")
    return [dict(zip(keys, (name, kind, *point), strict=True)) for point in zip(*columns, strict=True)]


def _draw_laws(axes: Axes, laws: Mapping[str, Law], known: Mapping[str, Any], shared: str, **look: Any) -> Rows:
    """Dotted lines; those of a curve that is drawn have one name in the legend together."""
    rows: Rows = []
    for name, (x, y) in laws.items():
        words = name if name not in known else "_" if any(r["curve"] in known for r in rows) else shared
        axes.plot(np.asarray(x, float), np.asarray(y, float), label=words, **LAW, **look)
        rows += _rows(name, "law", np.asarray(x, float), np.asarray(y, float))
    return rows


def _logarithmic(axes: Axes, which: str) -> None:
    """Ticks at 1, 2, 5, 10, ... within three decades, evenly within less than one, at powers of ten beyond."""
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axis.get_view_interval()
    if high < 1000 * low:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if high > 8 * low else MaxNLocator(5))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())


def _finish(figure: Figure, axes: Axes, drawn: list[xr.Dataset], note: str) -> None:
    """States n, confidence, the diverged and how often events were checked; puts the legend under the axes."""
    counts = [int(n) for one in drawn if "n" in one for n in np.ravel(one["n"])]
    lost = sum(int(one["diverged"].sum()) for one in drawn if "diverged" in one)
    every = max(int(one.attrs.get("check_every", 1)) for one in drawn)
    said = [f"n = {min(counts):,}" + (f" to {max(counts):,}" if max(counts) > min(counts) else "")] if counts else []
    said += [note, *[f"{lost:,} diverged"] * bool(lost), *[f"events checked every {every} steps"] * (every > 1)]
    # A line of a column holds about 60 characters.
    axes.set_title("\n".join(wrap("; ".join(said), int(17 * figure.get_figwidth()))), loc="left", color="0.35")
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) > 1:
        # Laws, black in a black-free palette, come last.
        order = sorted(range(len(labels)), key=lambda k: getattr(handles[k], "get_color", str)() == "black")
        handles, labels = [handles[k] for k in order], [labels[k] for k in order]
        columns = 3 if max(map(len, labels)) <= 16 else 2
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, columnspacing=1.2)
