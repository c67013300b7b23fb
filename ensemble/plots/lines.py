"""Lines: fans of a recorded quantity, and curves with intervals."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import rc_context
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from ..words import told
from .arguments import are_numbers, checked
from .labels import curves_of, datasets, legible, sources
from .picture import STYLE, Picture, Rows
from .style import (
    COLUMN,
    DOUBLE,
    Law,
    along,
    described,
    draw_laws,
    few_ticks,
    finish,
    limits_of,
    logarithmic,
    look,
    palette,
    refuse_empty,
    remember,
    rows_of,
)

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MOST_PANELS = 36
FEW = 12
"""Up to so many points are drawn as points with error bars, more as a line with a band."""


@checked
def fan(
    data: Any,
    quantity: str,
    *,
    quantiles: Sequence[float] = QUANTILES,
    laws: Mapping[str, Law] | None = None,
    law_name: str = "law",
    y_label: str | None = None,
    log: tuple[bool, bool] = (True, True),
    limits: tuple[float, float] | None = None,
    places: Mapping[str, int] | None = None,
    width: float = COLUMN,
    height: float = 2.9,
) -> Picture:
    """Median over the instances of a recorded quantity against the step, in bands between quantiles, by configuration.

    ``data`` have ``quantity`` (configuration..., instance, step), of which ``quantiles``, 0.5 among them, are taken, or
    ``<quantity>_quantile`` (configuration..., step, quantile) from ``Record(summary=True)``. Bands lie between quantiles
    q and 1 - q: they show instances, they are no confidence. An instance that diverged counts as infinite from there on,
    where the data say when (``diverged_step``); one that a summary left out does not count. On a logarithmic axis step 0
    is left out, zeros lie below the edge, and where there are negative numbers the axis is linear around 0. ``limits`` of
    the quantity; ``laws`` are dotted lines ``{label: (steps, values)}``; the rest is as in :func:`survival`. ValueError
    where the quantity was not recorded.
    """
    summaries = [(source, _quantiles(runs, quantity, quantiles)) for source, runs in datasets("fan", data)]
    shown = curves_of(summaries, "fan", {"step", "quantile"})
    found = {name: one["fan"].transpose("quantile", "step") for name, one in shown.items()}
    places = places or palette(found)
    with rc_context(STYLE):
        figure = Picture(width, height)
        axes, rows = figure.subplots(), Rows()
        bands = {name: one[:, one["step"].to_numpy() > 0] if log[0] else one for name, one in found.items()}
        negative = any((one < 0).any() for one in bands.values())
        bottom, top = limits or _reach(bands, log[1] and not negative)
        for name, band in bands.items():
            step, colour, style, _ = band["step"].to_numpy(), *look(places, name)
            values, q = band.to_numpy(), band["quantile"].to_numpy()
            # A band to infinity goes up to the edge, and to 0, where it cannot be seen, down to it.
            beyond = np.where(np.isposinf(values), max(10 * top, top + (top - bottom)), values)
            if log[1] and not negative:
                beyond = np.where(beyond == 0, bottom / 10, beyond)
            for low, high in _pairs(q):
                axes.fill_between(step, beyond[low], beyond[high], color=colour, alpha=0.18, linewidth=0)
            axes.plot(
                step,
                np.where(np.isfinite(values), beyond, np.nan)[q == 0.5][0],
                color=colour,
                linestyle=style,
                label=legible(name),
            )
            for k, level in enumerate(q.tolist()):
                rows += rows_of(name, f"quantile {level:g}", step, values[k])
        axes.set_ylim(bottom, top)
        rows += draw_laws(axes, laws or {}, found, law_name, zorder=3)
        if log[0]:
            logarithmic(axes, "x")
        if log[1]:
            logarithmic(axes, "y", _sizeable(bands) if negative else ())
        first = next(iter(found.values()))
        axes.set(xlabel="step t", ylabel=y_label or described(first, quantity))
        axes.margins(x=0)
        middle = [f"{100 * (q[high] - q[low]):g} %" for low, high in _pairs(q)]
        note = "lines: medians" + f"; bands: {' and '.join(middle)} of the instances" * bool(middle)
        finish(figure, axes, list(shown.values()), note)
    return remember(figure, rows)


@checked
def curves(
    data: Any,
    variable: str = "y",
    dim: str = "x",
    *,
    by: str | None = None,
    laws: Mapping[str, Law] | None = None,
    law_name: str = "law",
    x_label: str | None = None,
    y_label: str | None = None,
    log: tuple[bool, bool] = (False, False),
    limits: tuple[float, float] | None = None,
    note: str = "",
    places: Mapping[str, int] | None = None,
    columns: int = 3,
    width: float | None = None,
    height: float = 2.9,
) -> Picture:
    """Any variable against any dimension with its intervals, a curve for each further configuration.

    ``data`` are datasets with ``variable`` over ``dim`` (or over the dimension of a coordinate ``dim``) and those of
    configurations, and where they have it ``<variable>_lower`` and ``_upper``, or ``lower`` and ``upper``; or a mapping
    from label to arrays ``(x, y)`` or ``(x, y, lower, upper)``. ``by`` is the dimension whose values are the curves; the others', and
    the labels of several data, then have panels of their own, in so many ``columns``, with the same axes and colours. Up to 12 points are
    drawn as points with bars, more as a line with a band. ``note`` is added to n and confidence; ``limits`` of the variable; ``width`` in
    inches, one column, or two for several panels; the rest is as in :func:`against`. ValueError where ``dim`` is no dimension of the
    variable with numbers, or ``by`` none of its dimensions.
    """
    sets = datasets(
        "curves",
        {
            source: _as_dataset(source, given, variable, dim) if isinstance(given, tuple) else given
            for source, given in sources(data)
        },
    )
    ready = [(source, along("curves", one, variable, dim)) for source, one in sets]
    panels = {"": curves_of(ready, variable, {dim})} if by is None else _panels(ready, variable, dim, by)
    drawn = [one for found in panels.values() for one in found.values()]
    places = places or palette(dict.fromkeys(name for found in panels.values() for name in found))
    columns = min(columns, len(panels))
    lines = -(-len(panels) // columns)
    across = np.concatenate([one[dim].to_numpy() for one in drawn])
    marked = _as_points(drawn, variable)
    with rc_context(STYLE):
        figure = Picture(width or (COLUMN if columns == 1 else DOUBLE), height if lines == 1 else 0.8 * height * lines)
        grid, rows, confidence = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False), Rows(), set()
        first = drawn[0]
        for axes, (panel, found) in zip(grid.flat, panels.items(), strict=False):
            of_panel = Rows()
            for name, one in found.items():
                one = one.sortby(dim)
                x, y, ends = one[dim].to_numpy(), one[variable].to_numpy().astype(float), limits_of(one, variable)
                low, high = (None, None) if ends is None else (end.to_numpy().astype(float) for end in ends)
                _draw(axes, x, y, low, high, look(places, name), name)
                of_panel += rows_of(name, "data", x, y, low, high)
                if ends is not None:
                    confidence.add(f"{100 * float(one.attrs['confidence']):g} %" if "confidence" in one.attrs else "")
            of_panel += draw_laws(axes, laws or {}, found, law_name, zorder=3)
            rows += [{"panel": panel, **row} for row in of_panel] if by else of_panel
            refuse_empty(axes, "curves", variable)
            axes.set_title(legible(panel) if len(panels) > 1 else "")
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        corner = grid[0, 0]
        for axis, wanted, seen in zip("xy", log, (across if dim != "step" else (), marked), strict=True):
            if wanted:
                logarithmic(corner, axis, seen)  # the others share its axes
        few_ticks(corner, across)
        for k in range(columns):
            lowest = [axes for axes in grid[:, k] if axes.get_visible()][-1]
            lowest.set_xlabel(x_label or described(first[dim], dim))
            lowest.tick_params(labelbottom=True)
        for axes in grid[:, 0]:
            axes.set_ylabel(y_label or described(first[variable], variable))
        if limits:
            corner.set_ylim(limits)
        levels = " and ".join(sorted(confidence - {""}))
        said = [f"intervals {levels}"] * bool(levels) + [note] * bool(note)
        finish(figure, corner, drawn, "; ".join(said), panels=list(grid.flat[: len(panels)]) if len(panels) > 1 else ())
    return remember(figure, rows)


# ---- what they share


def _quantiles(runs: xr.Dataset, quantity: str, quantiles: Sequence[float]) -> xr.Dataset:
    """``fan`` (configuration..., step, quantile), with n and the diverged where they are known."""
    summary = f"{quantity}_quantile"
    if summary in runs:
        if 0.5 not in runs["quantile"]:
            raise ValueError(f"fan: the summary of {quantity} has no median; record it with 0.5 among quantiles.")
        bands = runs[summary]
        found = xr.Dataset(
            {"fan": bands.assign_attrs(long_name=bands.attrs.get("long_name", quantity).split(" of ", 1)[-1])}
        )
        return found.assign(n=runs[f"{quantity}_n"].max("step")) if f"{quantity}_n" in runs else found
    who = "recorded_instance" if quantity in runs and "recorded_instance" in runs[quantity].dims else "instance"
    if quantity not in runs or not {who, "step"} <= set(runs[quantity].dims):
        has = ", ".join(str(v) for v in runs.data_vars if "step" in runs[v].dims) or "nothing"
        raise ValueError(
            f"fan: {told(quantity)} was not recorded (the data have {has}); run with record=Record([...], at=...)."
        )
    if 0.5 not in quantiles:
        raise ValueError(f"fan(quantiles={tuple(quantiles)}): give quantiles with 0.5 among them.")
    values, extra = runs[quantity].astype(float), {}
    if "diverged_step" in runs and "instance" in runs.coords:
        lost = runs["diverged_step"]
        if who != "instance":
            lost = lost.sel(instance=runs[who].to_numpy()).rename(instance=who).assign_coords({who: runs[who]})
        values = values.where(~((lost > 0) & (runs["step"] >= lost)), np.inf)
        extra["diverged"] = (lost > 0).sum(who)
    dims = [d for d in values.dims if d not in (who, "step")]
    array = values.transpose(*dims, "step", who).to_numpy()
    # Of sorted values, so that an infinite one is a number like others.
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "All-NaN slice", RuntimeWarning
        )  # of steps at which there is nothing, as at the start
        bands = np.moveaxis(np.nanquantile(array, quantiles, axis=-1, method="inverted_cdf"), 0, -1)
    coords = {d: c for d, c in runs.coords.items() if who not in c.dims and "quantile" not in c.dims}
    attrs = runs[quantity].attrs
    found = xr.Dataset(
        {"fan": ((*dims, "step", "quantile"), bands, attrs), **extra}, {**coords, "quantile": list(quantiles)}
    )
    return found.assign(n=runs.sizes[who])


def _panels(
    sets: Sequence[tuple[str, xr.Dataset]], variable: str, dim: str, by: str
) -> dict[str, dict[str, xr.Dataset]]:
    """The curves of each panel: one for each value of ``by``, a panel for everything else."""
    for _, one in sets:
        others = [str(d) for d in one[variable].dims if d != dim]
        if by not in others:
            raise ValueError(
                f"curves(by={told(by)}): {variable} has, beside {told(dim)}, the dimensions {others}; give one of them."
            )
    found = curves_of(sets, variable, {dim, by})
    if len(found) > MOST_PANELS:
        raise ValueError(
            f"curves(by={told(by)}): that is {len(found):,} panels; select data for at most {MOST_PANELS}."
        )
    return {panel: curves_of([("", one)], variable, {dim}) for panel, one in found.items()}


def _as_points(drawn: Sequence[xr.Dataset], variable: str) -> NDArray[Any]:
    """What an axis must show: every point that has a marker; of a line what is negative, for zeros run out at the bottom."""
    each = [one[variable].to_numpy().astype(float).ravel() for one in drawn]
    return np.concatenate([y if y.size <= FEW else y[y != 0] for y in each])


def _reach(bands: Mapping[str, xr.DataArray], log: bool) -> tuple[float, float]:
    """Limits that hold every median, and every quantile that does not go to infinity."""
    seen = []
    for one in bands.values():
        wild = np.isposinf(one.to_numpy()).any(axis=1) & (one["quantile"].to_numpy() != 0.5)
        values = one.to_numpy()[~wild]
        seen.append(values[np.isfinite(values) & ((values > 0) | (not log))])
    values = np.concatenate(seen)
    if not values.size:
        raise ValueError("fan: nothing finite is to be seen on these axes; give data, or other axes.")
    low, high = float(values.min()), float(values.max())
    if log:
        margin = max((high / low) ** 0.05, 1.05)
        return low / margin, high * margin
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _sizeable(bands: Mapping[str, xr.DataArray]) -> NDArray[Any]:
    """The numbers of all bands but those of less than a billionth of the largest: so many decades are not drawn."""
    values = np.concatenate([one.to_numpy().ravel() for one in bands.values()])
    sizes = np.where(np.isfinite(values), np.abs(values), 0.0)
    return values[sizes >= 1e-9 * sizes.max()]


def _pairs(q: NDArray[Any]) -> list[tuple[int, int]]:
    """Places of quantiles q and 1 - q, the widest first."""
    levels = np.round(q, 12).tolist()
    return [
        (levels.index(low), levels.index(round(1 - low, 12)))
        for low in sorted(levels)
        if low < 0.5 and round(1 - low, 12) in levels
    ]


def _as_dataset(label: str, given: tuple[ArrayLike, ...], variable: str, dim: str) -> xr.Dataset:
    """A curve out of arrays (x, y) or (x, y, lower, upper)."""
    if not all(are_numbers(one) for one in given):
        raise ValueError(f"curves(data={told(given)}): give arrays of numbers, (x, y) or (x, y, lower, upper).")
    arrays = [np.asarray(one, float) for one in given]
    if len(arrays) not in (2, 4) or any(one.shape != arrays[0].shape or one.ndim != 1 for one in arrays):
        shapes = ", ".join(str(one.shape) for one in arrays)
        raise ValueError(
            f"curves(data=...): {told(label)} has arrays of shapes {shapes}; give (x, y) or (x, y, lower, upper) of one length."
        )
    names = [variable, f"{variable}_lower", f"{variable}_upper"][: len(arrays) - 1]
    return xr.Dataset({name: (dim, one) for name, one in zip(names, arrays[1:], strict=True)}, {dim: arrays[0]})


def _draw(axes: Axes, x: Any, y: Any, low: Any, high: Any, looks: tuple[str, Any, str], name: str) -> None:
    """Points with bars where they are few, else a line with a band."""
    colour, style, marker = looks
    if len(x) <= FEW:
        axes.plot(x, y, color=colour, linewidth=0.8, alpha=0.5)
        shown = np.where(np.isfinite(y), y, np.nan)  # what is infinite has no place, and no bar
        y, bars = shown, None if low is None else [shown - low, high - shown]
        axes.errorbar(x, y, bars, color=colour, marker=marker, linestyle="", capsize=2, label=legible(name))
    else:
        if low is not None:
            axes.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0)
        axes.plot(x, y, color=colour, linestyle=style, label=legible(name))
