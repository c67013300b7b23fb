"""Pictures of what became of the instances: shares as bars, distributions as violins."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import rc_context
from numpy.typing import NDArray
from scipy.stats import gaussian_kde

from ..words import told
from .arguments import checked
from .labels import curves_of, datasets, legible
from .picture import STYLE, Picture, Rows
from .style import COLUMN, LAW, described, finish, limits_of, look, palette, remember, values_of

QUARTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@checked
def bars(
    data: Any,
    share: str = "share",
    dim: str = "outcome",
    *,
    laws: Mapping[str, Mapping[str, float]] | None = None,
    law_name: str = "law",
    names: Mapping[str, str] | None = None,
    x_label: str | None = None,
    limits: tuple[float, float] | None = None,
    places: Mapping[str, int] | None = None,
    width: float = COLUMN,
    height: float | None = None,
) -> Picture:
    """Shares with their intervals as lying bars: a group for each member of ``dim``, a bar for each configuration.

    ``data`` are what `shares` returns: ``share`` (configuration..., outcome) with ``lower`` and ``upper``, or the
    ``<share>_lower`` and ``_upper`` of another variable over ``dim``. ``laws`` are what shares should be, dotted:
    ``{label: {member: share}}``. ``names`` are other words for members of ``dim``, in the order in which they are to
    stand; those not among them are left out, and all are kept where None. The rest is as in :func:`survival`.
    ValueError where ``share`` has no dimension ``dim``, or ``names`` has what is not in it.
    """
    given = datasets("bars", data)
    for _, one in given:
        if share not in one or dim not in one[share].dims:
            raise ValueError(
                f"bars: the data have no {told(share)} over {told(dim)}; give shares, as statistics.shares makes."
            )
    found = curves_of(given, share, {dim})
    members = list(dict.fromkeys(str(m) for one in found.values() for m in one[dim].to_numpy()))
    names = names or {member: member for member in members}
    unknown = set(names) - set(members)
    if unknown:
        raise ValueError(f"bars(names=...): {', '.join(sorted(unknown))} not in {dim}, which has {', '.join(members)}.")
    places = places or palette(found)
    thick = 0.8 / len(found)
    height = height or 0.75 + 0.17 * len(names) * max(len(found), 1.6) + 0.16 * -(-len(found) // 2)
    with rc_context(STYLE | {"axes.grid.axis": "x"}):
        figure = Picture(width, height)
        axes, rows, seen = figure.subplots(), Rows(), [0.0]
        drawn_laws = False
        for k, (name, one) in enumerate(found.items()):
            mine = {str(m): i for i, m in enumerate(one[dim].to_numpy())}
            kept = [(row, mine[m], m) for row, m in enumerate(names) if m in mine]
            at = np.array([row for row, _, _ in kept]) + thick * (k - (len(found) - 1) / 2)
            y = one[share].to_numpy().astype(float)[[i for _, i, _ in kept]]
            low, high = _limits(one, share, [i for _, i, _ in kept], y)
            axes.barh(at, y, 0.9 * thick, color=look(places, name)[0], alpha=0.75, label=legible(name))
            axes.errorbar(y, at, xerr=[y - low, high - y], color="0.15", linestyle="", linewidth=0.8, capsize=1.5)
            seen += high[np.isfinite(high)].tolist()
            for (_, _, m), value, lower, upper in zip(kept, y, low, high, strict=True):
                law = (laws or {}).get(name, {}).get(m, np.nan)
                rows.append(
                    {
                        "curve": name,
                        dim: m,
                        share: float(value),
                        "lower": float(lower),
                        "upper": float(upper),
                        "law": law,
                    }
                )
            for place, (_, _, m) in zip(at, kept, strict=True):
                if m in (laws or {}).get(name, {}):
                    law = (laws or {})[name][m]
                    ends = [place - thick / 2, place + thick / 2]
                    axes.plot([law, law], ends, label="_" if drawn_laws else law_name, **LAW | {"linewidth": 1.4})
                    drawn_laws, seen = True, [*seen, law]
        axes.set_yticks(range(len(names)), labels=[legible(words) for words in names.values()])
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        first = next(iter(found.values()))
        axes.set(
            xlabel=x_label or described(first[share], share), xlim=limits or (0, min(1.0, 1.06 * max(seen)) or 1.0)
        )
        level = float(first.attrs.get("confidence", 0.95))
        finish(figure, axes, list(found.values()), f"intervals {100 * level:g} %, each by itself")
    return remember(figure, rows)


@checked
def violins(
    data: Any,
    value: str,
    *,
    laws: Mapping[str, float] | None = None,
    law_name: str = "law",
    y_label: str | None = None,
    log: bool = False,
    limits: tuple[float, float] | None = None,
    places: Mapping[str, int] | None = None,
    width: float = COLUMN,
    height: float = 2.9,
) -> Picture:
    """How a number of the instances is distributed, such as sharpness where they ended, for each configuration.

    ``data`` have ``value`` (configuration..., instance). A violin is a Gaussian kernel density (Scott's bandwidth, of
    the logarithm where ``log``), all of one width; the bar is the middle half, the line the middle 90 %, the dot the
    median; a violin ends where the sample does. A sample of one value is a line. NaN, what a logarithm cannot show, and the -1 of
    steps and labels that an instance does not have, are left out, and the figure says how many.
    ``laws`` are dotted lines ``{label: value}``; the rest is as in :func:`survival`. ValueError where the variable is
    missing or has nothing finite.
    """
    given = datasets("violins", data)
    for _, runs in given:
        if value not in runs or "instance" not in runs[value].dims:
            raise ValueError(
                f"violins: the data have no {told(value)} over instances; give the name of such a variable."
            )
    found = curves_of(given, value, {"instance"})
    samples = {name: values_of(one[value]) for name, one in found.items()}
    samples = {name: one[np.isfinite(one) & ((one > 0) | (not log))] for name, one in samples.items()}
    left = {name: one for name, one in samples.items() if one.size}
    if not left:
        raise ValueError(f"violins: {value} has nothing {'positive ' * log}finite; give data that have.")
    places = places or palette(found)
    with rc_context(STYLE | {"axes.grid.axis": "y"}):
        figure = Picture(width, height)
        axes, rows = figure.subplots(), Rows()
        for k, (name, one) in enumerate(left.items()):
            colour = look(places, name)[0]
            grid, density = _density(np.log(one) if log else one)
            grid = np.exp(grid) if log else grid
            half = 0.42 * density / density.max()
            axes.fill_betweenx(grid, k - half, k + half, color=colour, alpha=0.35, linewidth=0)
            low, first, middle, third, high = np.quantile(one, QUARTILES)
            axes.plot([k, k], [low, high], color=colour, linewidth=0.8)
            axes.plot([k, k], [first, third], color=colour, linewidth=3.5, solid_capstyle="butt")
            axes.plot([k], [middle], "o", color="white", markeredgecolor=colour, markersize=4, zorder=3)
            if name in (laws or {}):
                axes.plot([k - 0.45, k + 0.45], [(laws or {})[name]] * 2, **LAW | {"linewidth": 1.2}, zorder=4)
            quantiles = {
                f"quantile {q:g}": v for q, v in zip(QUARTILES, (low, first, middle, third, high), strict=True)
            }
            rows.append(
                {
                    "curve": name,
                    "n": one.size,
                    **{q: float(v) for q, v in quantiles.items()},
                    "law": (laws or {}).get(name, np.nan),
                }
            )
        if log:
            axes.set_yscale("log")
        if limits:
            axes.set_ylim(limits)
        room = int(14 * width / len(left))  # letters beside each other
        upright = any(len(word) > room for name in left for word in name.split())
        labels = [legible(name) if upright else "\n".join(wrap(legible(name), room)) for name in left]
        axes.set_xticks(range(len(left)), labels=labels, rotation=90 * upright)
        axes.tick_params(axis="x", length=0)
        first_one = next(iter(found.values()))
        axes.set(ylabel=y_label or described(first_one[value], value), xlim=(-0.6, len(left) - 0.4))
        lost = sum(one[value].size for one in found.values()) - sum(one.size for one in left.values())
        below = log and any((values_of(one[value]) <= 0).any() for one in found.values())
        note = (
            "bars: middle half; lines: 90 %"
            + f"; dotted: {law_name}" * bool(laws)
            + f"; {lost:,} without {'positive ' * below}value" * bool(lost)
        )
        counted = [found[name].drop_vars("n", errors="ignore").assign(n=one.size) for name, one in left.items()]
        finish(figure, axes, counted, note)
        figure.set_figheight(figure.get_figheight() + upright * 0.055 * max(map(len, left)))
    return remember(figure, rows)


def _limits(one: xr.Dataset, share: str, kept: list[int], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    ends = limits_of(one, share)
    if ends is None:
        return y, y
    low, high = (end.to_numpy().astype(float)[kept] for end in ends)
    return low, high


def _density(sample: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """A kernel density over the sample's range; of one value, a spike."""
    spread = float(np.std(sample))
    if not spread > 1e-12 * max(1.0, float(np.abs(sample).max())):
        return np.array([sample[0], sample[0]]), np.array([1.0, 1.0])
    # Ten thousand points say where a density lies as well as a million do.
    thinned = np.sort(sample)[:: max(1, sample.size // 10_000)]
    kernel = gaussian_kde(thinned)
    grid = np.linspace(sample.min(), sample.max(), 200)
    return grid, kernel(grid)
