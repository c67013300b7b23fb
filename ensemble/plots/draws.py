"""Pictures of what became of instances against a number that each drew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import LogNorm
from matplotlib.ticker import LogFormatterSciNotation, LogLocator

from ..statistics import against_drawn as medians_against
from ..statistics.drawn import drawn_numbers, values_at_end
from ..statistics.lifetimes import DIVERGED, read
from .arguments import checked
from .labels import curves_of, datasets, legible
from .picture import STYLE, Picture
from .style import COLUMN, described, finish, logarithmic, look, palette, remember, rows_of

POINTS = 3000
"""Instances that are drawn one by one, at most; more are counted in cells."""
CELLS = 60


@checked
def against_drawn(
    data: Any,
    of: str,
    *,
    value: str | None = None,
    bins: int = 12,
    label: int | None = None,
    confidence: float = 0.95,
    log: tuple[bool, bool] = (True, True),
    x_label: str | None = None,
    places: Mapping[str, int] | None = None,
    width: float = COLUMN,
    height: float = 2.9,
) -> Picture:
    """Escape times, or another variable, against a number that every instance drew: each instance, and medians with bands.

    ``data``, ``of``, ``value``, ``bins``, ``label`` and ``confidence`` are as in `statistics.against_drawn`. Of one configuration,
    instances are points, or cells whose grey says how many there are where they are more than 3,000; who had no event by the
    horizon lies there, as a triangle, and the band's line ends where fewer than half had it. Of several configurations the medians
    alone are drawn. ``log`` says which axes, (x, y), are logarithmic. ValueError where the statistic refuses the data.
    """
    given = datasets("against_drawn", data)
    estimated = [
        (source, medians_against(runs, of, value=value, bins=bins, label=label, confidence=confidence))
        for source, runs in given
    ]
    series = curves_of(estimated, "median", {"bin"})
    places = places or palette(series)
    with rc_context(STYLE):
        figure = Picture(width, height)
        axes, rows = figure.subplots(), []
        hidden, censored, seen = 0, 0, [np.concatenate([one["median"].to_numpy() for one in series.values()])]
        if len(series) == 1:
            x, y, ended = _instances(given[0][1], of, value, label)
            hidden = int((~np.isfinite(y)).sum())
            shown = np.isfinite(x) & np.isfinite(y) & ((y > 0) | (not log[1]))
            x, y, ended = x[shown], y[shown], ended[shown]
            seen.append(y)
            rows += _draw_instances(axes, x, y, ended, log)
            censored = int(np.count_nonzero(~ended)) if x.size <= POINTS else 0
        for name, one in series.items():
            x, colour, style, marker = one[of].to_numpy(), *look(places, name)
            if len(series) == 1:
                colour = "#0072B2"
            y, low, high = (one[v].to_numpy() for v in ("median", "median_lower", "median_upper"))
            top = np.where(np.isfinite(high), high, np.where(np.isfinite(low), float(one_horizon(given)), np.nan))
            axes.fill_between(x, low, top, color=colour, alpha=0.3, linewidth=0, zorder=3)
            axes.plot(x, y, color=colour, linestyle=style, marker=marker, markersize=3, label=legible(name), zorder=4)
            rows += rows_of(name, "median", x, y, low, high)
        numbers = np.concatenate([one[of].to_numpy() for one in series.values()])
        for axis, wanted, all_of in zip("xy", log, (numbers, np.concatenate(seen)), strict=True):
            if wanted:
                logarithmic(axes, axis, all_of)
        if (
            log[0] and numbers.size and 0 < 30 * np.nanmin(numbers) < np.nanmax(numbers)
        ):  # no room for ticks between decades
            axes.xaxis.set_major_locator(LogLocator())
            axes.xaxis.set_major_formatter(LogFormatterSciNotation())
        runs = given[0][1]
        what = "T (steps)" if value is None else described(runs[value], value)
        axes.set(xlabel=x_label or of, ylabel=what)
        note = f"medians in {bins} bins, bands {100 * confidence:g} %" + f"; {hidden:,} not shown" * bool(hidden)
        note += f"; triangles: {censored:,} had none by the horizon" * bool(censored)
        totals = [one.drop_vars("diverged") for one in (e.sum("bin") for e in series.values())]
        finish(figure, axes, totals, note)
    return remember(figure, rows)


def one_horizon(given: list[tuple[str, Any]]) -> float:
    """The last step of all."""
    return float(max(int(runs["horizon"].max()) for _, runs in given))


def _instances(runs: Any, of: str, value: str | None, label: int | None) -> tuple[Any, Any, Any]:
    """Of every instance the number drawn, what is shown of it, and whether that is its own or the horizon's."""
    lives = read(runs, label)
    x, group = drawn_numbers(runs, of, lives)[0], lives.group(0)
    if value is None:
        return x, group.time.astype(float), group.had
    lost = (lives.status[0] == DIVERGED) & ~group.had
    y = np.where(lost, np.inf, values_at_end(runs, value, lives)[0])
    return x, y, np.ones(x.size, dtype=bool)


def _draw_instances(axes: Any, x: Any, y: Any, ended: Any, log: tuple[bool, bool]) -> list[dict[str, Any]]:
    rows = rows_of("instances", "data", x[ended], y[ended]) + rows_of("instances", "censored", x[~ended], y[~ended])
    if x.size <= POINTS:
        axes.plot(x[ended], y[ended], ".", color="0.6", markersize=2, zorder=2)
        axes.plot(x[~ended], y[~ended], "^", color="#D55E00", markersize=2.5, alpha=0.5, zorder=2, clip_on=False)
        return rows
    edges = []
    for values, wanted in zip((x, y), log, strict=True):
        low, high = float(values.min()), float(values.max())
        spaced = np.geomspace(low, high, CELLS + 1) if wanted and low > 0 else np.linspace(low, high, CELLS + 1)
        spaced[0], spaced[-1] = low, high
        edges.append(np.unique(spaced))
    counts, *_ = np.histogram2d(x, y, bins=edges)
    cells = axes.pcolormesh(
        *edges, np.where(counts > 0, counts, np.nan).T, cmap="Greys", norm=LogNorm(1, max(counts.max(), 2)), zorder=1
    )
    axes.figure.colorbar(cells, ax=axes, label="instances")
    middle = [np.sqrt(e[1:] * e[:-1]) if e[0] > 0 else (e[1:] + e[:-1]) / 2 for e in edges]
    at = np.nonzero(counts)
    return [
        {**row, "upper": int(counts[i, j])}
        for row, i, j in zip(rows_of("instances", "count", middle[0][at[0]], middle[1][at[1]]), *at, strict=True)
    ]
