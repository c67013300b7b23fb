"""Pictures of escape times: survival curves, and medians against a swept number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import rc_context
from matplotlib.axes import Axes

from ..statistics import survival as survival_curves
from ..words import told
from .arguments import checked
from .labels import curves_of, datasets, legible
from .picture import STYLE, Picture
from .style import COLUMN, Law, draw_laws, few_ticks, finish, logarithmic, look, palette, remember, rows_of

RISK_HEIGHT = 0.16
"""Inches of a line of numbers at risk."""


@checked
def survival(
    data: Any,
    *,
    laws: Mapping[str, Law] | None = None,
    law_name: str = "law",
    label: int | None = None,
    confidence: float = 0.95,
    log: bool = False,
    limits: tuple[float, float] | None = None,
    numbers_at_risk: bool = False,
    places: Mapping[str, int] | None = None,
    width: float = COLUMN,
    height: float = 2.9,
) -> Picture:
    """Survival curves P(T > t) of escape times with pointwise bands, one for each configuration.

    ``laws`` are dotted lines ``{label: (steps, probability)}``; those under the label of a curve, what it should be, the
    legend calls ``law_name``. ``label`` counts events of that label only; ``log`` and ``limits`` are of the steps;
    ``numbers_at_risk`` writes under the axes how many instances were still at risk at each tick, in a line for each curve;
    ``width`` and ``height`` in inches. ValueError where `statistics.survival` refuses the data.
    """
    estimated = [
        (source, survival_curves(runs, label=label, confidence=confidence, max_steps=600))
        for source, runs in datasets("survival", data)
    ]
    curves = curves_of(estimated, "median")
    places = places or palette(curves)
    with rc_context(STYLE):
        lines = len(curves) if numbers_at_risk else 0
        figure, rows = Picture(width, height + lines * RISK_HEIGHT), []
        if lines:
            axes, under = figure.subplots(2, 1, sharex=True, height_ratios=(height, (lines + 1.4) * RISK_HEIGHT))
        else:
            axes = figure.subplots()
        for name, curve in curves.items():
            curve = curve.isel(step=np.isfinite(curve["survival"].to_numpy()))
            step, colour, style, _ = curve["step"].to_numpy(), *look(places, name)
            y, low, high = (curve[v].to_numpy() for v in ("survival", "lower", "upper"))
            axes.fill_between(step, low, high, step="post", color=colour, alpha=0.25, linewidth=0)
            axes.step(step, y, where="post", color=colour, linestyle=style, label=legible(name))
            rows += rows_of(name, "data", step, y, low, high)
        rows += draw_laws(axes, laws or {}, curves, law_name, drawstyle="steps-post", zorder=3)
        axes.set(xlabel="step t", ylabel="P(T > t), share not yet escaped", ylim=(-0.02, 1.02))
        axes.set_xlim(*(limits or (float(log), max(r["x"] for r in rows if r["kind"] == "data"))))
        if log:
            logarithmic(axes, "x")
        if lines:
            _at_risk(axes, under, curves, places)
        finish(figure, axes, list(curves.values()), f"bands {100 * confidence:g} %, pointwise")
    return remember(figure, rows)


def _at_risk(axes: Axes, under: Axes, curves: Mapping[str, xr.Dataset], places: Mapping[str, int]) -> None:
    """The table under the curves: how many were at risk just before the step of each tick."""
    low, high = axes.get_xlim()
    ticks = [t for t in axes.get_xticks() if max(low, 0) <= t <= high]
    most = max(len(f"{int(curve['at_risk'].max()):,}") for curve in curves.values())
    ticks = ticks[:: 1 + len(ticks) * (most + 2) // 50]  # a line of a column holds about 50 digits
    for line, (name, curve) in enumerate(curves.items()):
        step, risk = curve["step"].to_numpy(), curve["at_risk"].to_numpy()
        for tick in ticks:
            at = min(int(np.searchsorted(step, tick, side="left")), step.size - 1)
            under.text(tick, line, f"{risk[at]:,}", color=look(places, name)[0], ha="center", va="center")
    under.set_ylim(len(curves) - 0.4, -1.8)
    under.text(0, 1, "at risk", transform=under.transAxes, ha="left", va="top", color="0.35")
    under.set_yticks([])
    under.grid(False)
    for side in under.spines.values():
        side.set_visible(False)
    under.tick_params(bottom=False, labelbottom=False)
    axes.tick_params(labelbottom=True)


@checked
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
) -> Picture:
    """Median escape time, with its interval, against a swept number.

    ``data`` are runs swept along ``dim``, or what `statistics.survival` made of them (which keep their confidence).
    ``laws`` are dotted lines ``{label: (values of dim, steps)}``; ``x_label`` gives words and unit for ``dim``; ``log``
    says which axes, (x, y), are logarithmic; the rest is as in :func:`survival`. A median that the horizon hides is left
    out, and the figure says so; around values that are not positive a logarithmic axis is linear. ValueError where ``dim``
    is no dimension of the data, or has no numbers.
    """
    estimated: list[tuple[str, xr.Dataset]] = []
    for source, runs in datasets("against", data):
        found = runs if "median_lower" in runs else survival_curves(runs, label=label, confidence=confidence)
        confidence = float(found.attrs.get("confidence", confidence))
        if dim not in found["median"].dims or dim not in found.coords or found[dim].dtype.kind not in "iuf":
            raise ValueError(
                f"against(dim={told(dim)}): {source or 'the data'} has {tuple(map(str, found['median'].dims))}; "
                f"give a dimension with numbers."
            )
        estimated.append((source, found))
    series = curves_of(estimated, "median", {dim})
    places = places or palette(series)
    with rc_context(STYLE):
        figure = Picture(width, height)
        axes, rows = figure.subplots(), []
        for name, one in series.items():
            x, colour, _, marker = one[dim].to_numpy(), *look(places, name)
            y, low, high = (one[v].to_numpy() for v in ("median", "median_lower", "median_upper"))
            axes.plot(x, y, color=colour, linewidth=0.8, alpha=0.5)
            axes.errorbar(
                x, y, [y - low, high - y], color=colour, marker=marker, linestyle="", capsize=2, label=legible(name)
            )
            rows += rows_of(name, "data", x, y, low, high)
        rows += draw_laws(axes, laws or {}, series, law_name, zorder=3)
        values = np.unique(np.concatenate([one[dim].to_numpy() for one in series.values()]))
        medians = np.concatenate([one["median"].to_numpy() for one in series.values()])
        for axis, wanted, seen in zip("xy", log, (values, medians), strict=True):
            if wanted:
                logarithmic(axes, axis, seen)
        few_ticks(axes, values)
        axes.set(xlabel=x_label or dim, ylabel="median of T (steps)")
        hidden = any(np.isnan(row["y"]) for row in rows if row["kind"] == "data")
        note = f"bars {100 * confidence:g} %" + ("; left out: fewer than half escaped" if hidden else "")
        finish(figure, axes, list(series.values()), note)
    return remember(figure, rows)
