"""Heat maps: a number over two swept parameters."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm, LogNorm, Normalize
from numpy.typing import NDArray

from .arguments import checked
from .labels import curves_of, datasets, legible, numbers_as_text
from .picture import STYLE, Picture, Rows
from .style import COLUMN, DOUBLE, described, limits_of, numbers_along, remember, stated


@checked
def heat_map(
    data: Any,
    x: str,
    y: str,
    value: str,
    *,
    value_label: str | None = None,
    x_label: str | None = None,
    y_label: str | None = None,
    log: bool = False,
    center: float | None = None,
    limits: tuple[float, float] | None = None,
    note: str = "",
    columns: int = 3,
    width: float | None = None,
) -> Picture:
    """A variable over two swept parameters, a cell for each pair; a panel for each further configuration.

    ``data`` are datasets with ``value`` over the dimensions ``x`` and ``y`` and those of further configurations, as
    statistics return them, say `survival(result)` with "median"; with ``<value>_lower`` and ``_upper``, or ``lower`` and
    ``upper``, the figure states the widest interval. Cells are equally wide, named by their parameters, and say their
    number where it fits. Hatched: no value. ``log`` colours the logarithm; ``center`` makes the colours diverge from that
    value; ``limits`` of the colours; ``note`` is added to n and confidence; ``width`` in inches, one column, or two for several panels.
    ValueError where ``x`` or ``y`` is no dimension of ``value``, or nothing is to be seen.
    """
    given = datasets("heat_map", data)
    for _, one in given:
        for dim in (x, y):
            numbers_along("heat_map", one, value, dim, text=True)
    found = curves_of(given, value, {x, y})
    cells = {name: one[value].transpose(y, x).to_numpy().astype(float) for name, one in found.items()}
    usable = np.concatenate([np.ravel(one[np.isfinite(one) & ((one > 0) | (not log))]) for one in cells.values()])
    if not usable.size:
        raise ValueError(f"heat_map: {value} has no {'positive ' * log}finite value; give data with one.")
    columns = min(columns, len(found))
    lines = -(-len(found) // columns)
    width = width or (COLUMN if columns == 1 else DOUBLE)
    first = next(iter(found.values()))
    panel = min(2.4, (width - 1.5) / columns * first.sizes[y] / first.sizes[x] + 0.1)
    with rc_context(STYLE | {"axes.grid": False, "hatch.linewidth": 0.5}):
        figure = Picture(width, lines * max(panel, 1.0) + 0.9)
        panels, rows = figure.subplots(lines, columns, squeeze=False), Rows()
        norm = _norm(usable, log, center, limits)
        colours = "PuOr_r" if center is not None else "viridis"
        for axes, (name, one) in zip(panels.flat, found.items(), strict=False):
            shown = np.where(np.isfinite(cells[name]) & ((cells[name] > 0) | (not log)), cells[name], np.nan)
            axes.set_facecolor("0.92")
            axes.patch.set_hatch("////")
            axes.patch.set_edgecolor("0.75")
            image = axes.pcolormesh(shown, norm=norm, cmap=colours, edgecolors="white", linewidth=0.5)
            _name_cells(axes, one, x, y)
            _say(axes, shown, image, (width - 1.5) / columns)
            axes.set(title=legible(name) if len(found) > 1 else "")
            rows += _rows(name, one, x, y, value, cells[name])
            axes.spines[:].set_visible(False)
            axes.tick_params(length=0)
        for axes in panels.flat[len(found) :]:
            axes.set_visible(False)
        for axes in panels[:, 0]:
            axes.set_ylabel(y_label or described(first[y], y))
        for k in range(columns):
            lowest = [axes for axes in panels[:, k] if axes.get_visible()][-1]
            lowest.set_xlabel(x_label or described(first[x], x))
        label = value_label or described(first[value], value)
        bar = figure.colorbar(image, ax=panels, pad=0.02, aspect=25, extend=_extend(usable, norm))
        bar.set_label("\n".join(wrap(label, int(14 * figure.get_figheight()))))
        bar.outline.set_visible(False)
        said = stated(list(found.values()), _widest(found, value, note))
        below = log and any((one <= 0).any() for one in cells.values())
        hatched = below or any(np.isnan(one).any() for one in cells.values())
        said += f"; hatched: no {'positive ' * below}value" * hatched
        figure.suptitle("\n".join(wrap(said, int(17 * width))), x=0.01, ha="left", color="0.35", fontsize=7.5)
    return remember(figure, rows)


def _norm(
    values: NDArray[Any], log: bool, center: float | None, limits: tuple[float, float] | None
) -> Normalize | LogNorm:
    low, high = limits or (float(values.min()), float(values.max()))
    if center is not None:
        half = max(abs(low - center), abs(high - center)) or 1.0
        return CenteredNorm(center, half)
    if log and low == high:  # one value alone: LogNorm would mask it
        low, high = low / 1.1, high * 1.1
    return LogNorm(low, high) if log else Normalize(low, high)


def _extend(values: NDArray[Any], norm: Normalize) -> str:
    """Arrows on the colour bar where colours are cut."""
    below, above = values.min() < norm.vmin, values.max() > norm.vmax
    return "both" if below and above else "min" if below else "max" if above else "neither"


def _name_cells(axes: Axes, one: xr.Dataset, x: str, y: str) -> None:
    """The parameters' values under and beside the cells; every second, third, ... where there are many."""
    for which, dim, most in (("x", x, 6), ("y", y, 12)):
        values = one[dim].to_numpy()
        every = -(-values.size // most)
        places = np.arange(values.size)[::every]
        words = [str(v) for v in values] if values.dtype.kind in "UO" else numbers_as_text(values, 3)
        labels = [legible(word) for word in words[::every]]
        axes.set(**{f"{which}ticks": places + 0.5, f"{which}ticklabels": labels})


def _say(axes: Axes, shown: NDArray[Any], image: Any, width: float) -> None:
    """The number of each cell, black or white, where it fits into it."""
    words = [[f"{v:.3g}" if np.isfinite(v) else "" for v in line] for line in shown]
    if max(len(w) for line in words for w in line) * 0.065 > width / shown.shape[1] or shown.shape[0] > 10:
        return
    for (j, i), value in np.ndenumerate(shown):
        red, green, blue, _ = image.cmap(image.norm(value)) if np.isfinite(value) else (1, 1, 1, 1)
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        axes.text(
            i + 0.5, j + 0.5, words[j][i], ha="center", va="center", fontsize=6.5, color="white" if dark else "black"
        )


def _widest(found: dict[str, xr.Dataset], value: str, note: str) -> str:
    """The largest half width of an interval, in words: of shares as it is, of other numbers relative to them."""
    parts = [note] * bool(note)
    widths, shares = [], True
    for one in found.values():
        limits = limits_of(one, value)
        if limits is not None:
            low, high, middle = (np.asarray(v, float) for v in (*limits, one[value]))
            shares &= bool(np.nanmin(low) >= 0 and np.nanmax(high) <= 1)
            with np.errstate(divide="ignore", invalid="ignore"):
                half = (high - low) / 2
                widths += np.stack([half, half / np.abs(middle)], axis=-1)[np.isfinite(half / middle)].tolist()
            level = f"{100 * float(one.attrs.get('confidence', 0.95)):g} %"
    if widths:
        absolute, relative = np.max(widths, axis=0)
        parts.append(f"widest {level} interval ± " + (f"{absolute:.2g}" if shares else f"{100 * relative:.2g} %"))
    return "; ".join(parts)


def _rows(name: str, one: xr.Dataset, x: str, y: str, value: str, cells: NDArray[Any]) -> Rows:
    limits = limits_of(one, value)
    low, high = (
        (np.full_like(cells, np.nan),) * 2
        if limits is None
        else (limit.transpose(y, x).to_numpy().astype(float) for limit in limits)
    )
    across, up = one[x].to_numpy().tolist(), one[y].to_numpy().tolist()
    return [
        {
            "panel": name,
            x: across[i],
            y: up[j],
            value: cells[j, i].item(),
            "lower": low[j, i].item(),
            "upper": high[j, i].item(),
        }
        for j, i in np.ndindex(*cells.shape)
    ]
