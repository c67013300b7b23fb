"""Pictures of times: how many are done by when, and rates against the inverse temperature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import rc_context
from numpy.typing import NDArray
from scipy.special import ndtri

from ..statistics.intervals import wilson
from ..words import told
from .arguments import checked
from .labels import curves_of, datasets, legible
from .picture import STYLE, Picture, Rows
from .style import (
    COLUMN,
    Law,
    along,
    draw_laws,
    finish,
    limits_of,
    logarithmic,
    look,
    palette,
    refuse_empty,
    remember,
    rows_of,
)

DRAWN = 600
"""Steps of a curve at most."""


@checked
def ecdf(
    data: Any,
    variable: str = "event_step",
    *,
    laws: Mapping[str, Law] | None = None,
    law_name: str = "law",
    confidence: float = 0.95,
    x_label: str = "step t",
    y_label: str = "share of instances done by t",
    log: bool = True,
    places: Mapping[str, int] | None = None,
    width: float = COLUMN,
    height: float = 2.9,
) -> Picture:
    """Empirical distribution of running times: the share of all instances that were done by step t.

    As in COCO: Hansen et al. (2021), arXiv:1603.08785. ``data`` have ``variable`` (configuration..., instance), by default
    the step of the event; -1, NaN or infinite where it was never reached: those, the diverged among them, stay in the
    denominator. Bands are Wilson's, pointwise, right where all instances are watched to one horizon, to which a curve is
    drawn. The rest is as in :func:`survival`. ValueError where the variable is missing, or nobody was done.
    """
    given = datasets("ecdf", data)
    for _, runs in given:
        if variable not in runs or "instance" not in runs[variable].dims:
            raise ValueError(
                f"ecdf: the data have no {told(variable)} over instances; give the name of such a variable."
            )
    found = curves_of(given, variable, {"instance"})
    places = places or palette(found)
    times = {name: _reached(one[variable].to_numpy().ravel()) for name, one in found.items()}
    if not any(done.size for done in times.values()):
        raise ValueError(f"ecdf: no instance has {variable} of 0 or more; give runs in which some were done.")
    end = max(
        float(one["horizon"].max()) if "horizon" in one else float(times[name].max(initial=1.0))
        for name, one in found.items()
    )
    with rc_context(STYLE):
        figure = Picture(width, height)
        axes, rows, first = figure.subplots(), Rows(), min(float(t[t > 0].min(initial=end)) for t in times.values())
        for name, one in found.items():
            n, colour, style, _ = one[variable].size, *look(places, name)
            last = float(one["horizon"].max()) if "horizon" in one else end
            step = np.unique(np.concatenate([[min(first, last)], _thinned(times[name]), [last]]))
            step = step[step > 0] if log else step
            count = np.searchsorted(times[name], step, side="right")
            share, low, high = wilson(count, n, confidence)
            axes.fill_between(step, low, high, step="post", color=colour, alpha=0.25, linewidth=0)
            axes.step(step, share, where="post", color=colour, linestyle=style, label=legible(name))
            rows += rows_of(name, "data", step, share, low, high)
        rows += draw_laws(axes, laws or {}, found, law_name, drawstyle="steps-post", zorder=3)
        axes.set(xlabel=x_label, ylabel=y_label, ylim=(-0.02, 1.02))
        if log:
            logarithmic(axes, "x")
        axes.set_xlim(first * 0.9 if log else 0, end)
        counted = [one.assign(n=one[variable].size) for one in found.values()]
        for k, one in enumerate(counted):
            if "status" in one:
                counted[k] = one.assign(diverged=(one["status"] == 2).sum())
        finish(figure, axes, counted, f"bands {100 * confidence:g} %, pointwise")
    return remember(figure, rows)


@checked
def arrhenius(
    data: Any,
    temperature: str = "temperature",
    *,
    laws: Mapping[str, Law] | None = None,
    law_name: str = "law",
    x_label: str = "1 / temperature",
    y_label: str = "escape rate (1/step)",
    places: Mapping[str, int] | None = None,
    width: float = COLUMN,
    height: float = 2.9,
) -> Picture:
    """Escape rates, logarithmic, with their intervals, against the inverse temperature: straight by Arrhenius' law.

    ``data`` are what `statistics.arrhenius` returns, drawn with its line and its barrier in the legend, or what
    `escape_rate` returns: ``rate`` with ``rate_lower`` and ``rate_upper``. The coordinate or variable ``temperature`` > 0
    varies along one dimension; the others are configurations. ``laws`` are dotted lines
    ``{label: (temperatures, rates)}``. A rate of 0 is not shown, its upper limit is, as an arrow. ValueError where there
    is no such dimension, or temperatures are not positive.
    """
    inverted: list[tuple[str, xr.Dataset]] = []
    for source, one in datasets("arrhenius", data):
        rates = along("arrhenius", _rates(one), "rate", temperature)
        if not (rates[temperature] > 0).all():
            raise ValueError(f"arrhenius: {told(temperature)} is not positive everywhere; give positive temperatures.")
        inverted.append((source, rates.assign_coords({temperature: 1.0 / rates[temperature]}).sortby(temperature)))
    found = curves_of(inverted, "rate", {temperature})
    places = places or palette(found)
    lines = {name: (1.0 / np.asarray(t, float), y) for name, (t, y) in (laws or {}).items()}
    with rc_context(STYLE):
        figure = Picture(width, height)
        axes, rows, confidence = figure.subplots(), Rows(), 0.95
        for name, one in found.items():
            x, y = one[temperature].to_numpy(), one["rate"].to_numpy().astype(float)
            ends, (colour, _, marker) = limits_of(one, "rate"), look(places, name)
            low, high = (y, y) if ends is None else (end.to_numpy().astype(float) for end in ends)
            confidence = float(one.attrs.get("confidence", confidence))
            some = y > 0
            bars = [(y - low)[some], (high - y)[some]]
            label = (
                ": ".join(filter(None, (legible(name) if len(found) > 1 or name != "all" else "", _barrier(one))))
                or name
            )
            axes.errorbar(x[some], y[some], bars, color=colour, marker=marker, linestyle="", capsize=2, label=label)
            axes.plot(x[~some], high[~some], color=colour, marker=r"$\downarrow$", linestyle="", markersize=6)
            rows += rows_of(name, "data", x, y, low, high)
            if "rate_fit" in one:
                axes.plot(x, one["rate_fit"], color=colour, linewidth=0.8)
                rows += rows_of(name, "fit", x, one["rate_fit"].to_numpy())
        rows += draw_laws(axes, lines, found, law_name, zorder=3)
        refuse_empty(axes, "arrhenius", "the rate")
        logarithmic(axes, "y")
        axes.set(xlabel=x_label, ylabel=y_label)
        hidden = any((one["rate"] <= 0).any() for one in found.values())
        fitted = any("rate_fit" in one for one in found.values())
        note = f"bars {100 * confidence:g} %" + "; arrows: upper limits, no events" * hidden + "; lines: fits" * fitted
        finish(figure, axes, list(found.values()), note, legend=fitted)
    return remember(figure, rows)


def _rates(one: xr.Dataset) -> xr.Dataset:
    """The rate with its limits and its fit, out of their logarithms where those are given."""
    if "log_rate" not in one:
        return one
    half = ndtri(0.5 + float(one.attrs.get("confidence", 0.95)) / 2) * one["log_rate_error"]
    logarithms = {"rate": one["log_rate"], "rate_lower": one["log_rate"] - half, "rate_upper": one["log_rate"] + half}
    return one.assign({name: np.exp(log) for name, log in (logarithms | {"rate_fit": one["fit"]}).items()})


def _barrier(one: xr.Dataset) -> str:
    """The fitted barrier with its interval, in words."""
    if "barrier" not in one:
        return ""
    middle, low, high = (float(one[f"barrier{end}"]) for end in ("", "_lower", "_upper"))
    return f"barrier {middle:.3g} [{low:.3g}, {high:.3g}]"


def _reached(times: NDArray[Any]) -> NDArray[np.float64]:
    """The times of those who were done, sorted."""
    found = times.astype(float)
    return np.sort(found[np.isfinite(found) & (found >= 0)])


def _thinned(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Times at which to draw the curve."""
    if times.size <= DRAWN:
        return times
    return times[np.linspace(0, times.size - 1, DRAWN).astype(int)]
