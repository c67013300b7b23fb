"""What became of instances that drew a number of their own, against that number."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ..words import told
from .intervals import median_interval, wilson
from .lifetimes import (
    DIVERGED,
    INSTANCE,
    BoolArray,
    FloatArray,
    Frame,
    Group,
    IntArray,
    Lifetimes,
    check_confidence,
    check_whole,
    read,
)
from .survival import kaplan_meier

BIN = "bin"
MOST_BINS = 1000


def against_drawn(
    data: Any,
    of: str,
    *,
    value: str | None = None,
    bins: int = 12,
    label: int | None = None,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Median of the escape time, or of another variable, in bins of a number that every instance drew.

    `data` is a dataset, or an object that carries one, of a run with `of` drawn: `Adam(lr=drawn(...))` makes a variable
    `lr` (instance). Bins hold equally many instances of all configurations together, the same for each.

    `value` None: the step of the event, and who has none by the horizon is censored there, as in `survival`: in each bin
    the Kaplan-Meier median with the limits of its band; NaN where fewer than half had the event, however many had.
    `label` counts events of that label alone. `value` names a variable over the instances, of which the last step is
    taken where it has steps: its median in each bin, limits between order statistics (`median_interval`). Instances
    that diverged are above every number.

    An interval is of one bin by itself; it holds for the median of all who draw numbers of that bin. Bins of one configuration
    are independent of each other, those of paired configurations are not (attrs["paired"] = 1).

    Returns over the configurations' dimensions and `bin`: `median`, `median_lower`, `median_upper`; `share` that had the
    event with `share_lower` and `share_upper` (Wilson) where `value` is None; counts `n`, `events_total`, `censored`,
    `diverged`. Coordinates over `bin`: `of`'s name, the median number drawn in it, `from` and `to`, its edges.

    ValueError: nothing of that name was drawn, `value` is no variable over instances, fewer instances than bins.
    """
    check_confidence(confidence)
    check_whole("bins", bins, 1, f"a whole number of bins from 1 to {MOST_BINS}", MOST_BINS)
    lives = read(data, label)
    dataset: xr.Dataset = data if isinstance(data, xr.Dataset) else data.dataset
    drawn = drawn_numbers(dataset, of, lives)
    edges = _edges(drawn, bins, of)
    wanted = None if value is None else values_at_end(dataset, value, lives)
    shape = (len(lives), bins)
    found = {name: np.full(shape, np.nan) for name in ("median", "median_lower", "median_upper")}
    counts = {name: np.zeros(shape, np.int64) for name in ("n", "events_total", "censored", "diverged")}
    for g in range(len(lives)):
        place = np.where(
            np.isnan(drawn[g]), -1, np.clip(np.searchsorted(edges, drawn[g], side="right") - 1, 0, bins - 1)
        )
        group = lives.group(g)
        lost = (lives.status[g] == DIVERGED) & ~group.had
        for b in range(bins):
            here = place == b
            counts["n"][g, b] = here.sum()
            counts["events_total"][g, b] = group.had[here].sum()
            counts["diverged"][g, b] = lost[here].sum()
            if here.any():
                limits = _limits(group, here, None if wanted is None else wanted[g], lost, confidence)
                for name, number in zip(found, limits, strict=True):
                    found[name][g, b] = number
    counts["censored"] = counts["n"] - counts["events_total"] - counts["diverged"]
    attrs = {"confidence": confidence, "of": of, "value": value or "event_step", "check_every": lives.check_every}
    if lives.paired is not None:
        attrs["paired"] = int(lives.paired)
    variables = _variables(lives.frame, found, counts, dataset, value, confidence)
    return lives.frame.dataset(variables, _bins(dataset, drawn, edges, of), attrs)


def drawn_numbers(dataset: xr.Dataset, of: str, lives: Lifetimes) -> FloatArray:
    """Return what instances drew, (groups, instances), NaN where one has no such number.

    ValueError: nothing of that name was drawn.
    """
    known = [str(name) for name, array in dataset.data_vars.items() if "drawn" in array.attrs]
    if not isinstance(of, str) or of not in known:
        raise ValueError(
            f"of={told(of)} is no number that instances drew (they drew: {', '.join(known) or 'none'}); give one of them"
        )
    return _over_instances(dataset[of], lives)


def values_at_end(dataset: xr.Dataset, value: str, lives: Lifetimes) -> FloatArray:
    """Return a variable over the instances, (groups, instances), at the last step where it has steps.

    ValueError: there is none of that name and kind.
    """
    array = dataset[value] if isinstance(value, str) and value in dataset else None
    if array is not None and "step" in array.dims and array.sizes["step"]:
        array = array.isel(step=-1)
    known = {*lives.frame.dims, INSTANCE}
    if array is None or INSTANCE not in array.dims or not set(array.dims) <= known or array.dtype.kind not in "iufb":
        has = [str(n) for n, a in dataset.data_vars.items() if INSTANCE in a.dims and set(a.dims) <= known | {"step"}]
        raise ValueError(f"value={told(value)} is no number of each instance; give one of {', '.join(has)}")
    return _over_instances(array, lives)


def _over_instances(array: xr.DataArray, lives: Lifetimes) -> FloatArray:
    dims = (*lives.frame.dims, INSTANCE)
    sizes = dict(zip(dims, (*lives.frame.shape, lives.instances), strict=True))
    whole = array.drop_vars(list(array.coords)).expand_dims({d: n for d, n in sizes.items() if d not in array.dims})
    return whole.transpose(*dims).values.reshape(-1, lives.instances).astype(float)


def _edges(drawn: FloatArray, bins: int, of: str) -> FloatArray:
    """Return edges (bins + 1,) between which equally many numbers lie."""
    known = np.sort(drawn[~np.isnan(drawn)])
    places = np.round(np.linspace(0, known.size, bins + 1)).astype(int)[1:-1]
    if known.size < bins or np.unique(known[places]).size < bins - 1 or (bins > 1 and known[places[0]] == known[0]):
        raise ValueError(f"bins={bins}; give fewer: {np.unique(known).size} different numbers of {of} were drawn")
    inside = (known[places - 1] + known[places]) / 2
    return np.concatenate([known[:1], np.where(known[places - 1] < known[places], inside, known[places]), known[-1:]])


def _limits(
    group: Group, here: BoolArray, values: FloatArray | None, lost: BoolArray, confidence: float
) -> tuple[float, float, float]:
    """Return the median of some instances and its limits."""
    if values is not None:
        seen = np.where(lost, np.inf, values)[here]
        return median_interval(seen[~np.isnan(seen)], confidence)
    if not group.had[here].any():
        return np.nan, np.nan, np.nan
    curve = kaplan_meier(group.time[here], group.had[here], group.horizon, confidence)
    middle, lower, upper = curve.quantile(np.array([0.5]))[:, 0]
    return float(middle), float(lower), float(upper)


def _variables(
    frame: Frame,
    found: dict[str, FloatArray],
    counts: dict[str, IntArray],
    dataset: xr.Dataset,
    value: str | None,
    confidence: float,
) -> dict[str, xr.Variable]:
    percent, name = f"{100 * confidence:g} %", "T"
    units = "step"
    if value is not None:
        name, units = str(dataset[value].attrs.get("long_name", value)), str(dataset[value].attrs.get("units", "1"))
    words = {"median": "", "median_lower": f"lower {percent} limit of ", "median_upper": f"upper {percent} limit of "}
    made = {n: frame.variable(array, f"{words[n]}median of {name}", units, BIN) for n, array in found.items()}
    made |= {n: frame.variable(array, f"instances: {n}", "1", BIN) for n, array in counts.items()}
    if value is None:
        for array in list(made.values())[:3]:
            array.attrs["note"] = "NaN: not reached by the horizon"
        share, lower, upper = wilson(counts["events_total"], counts["n"], confidence)
        for n, of_bins in (("share", share), ("share_lower", lower), ("share_upper", upper)):
            made[n] = frame.variable(of_bins, f"{n.replace('_', ', ')} of instances that had the event", "1", BIN)
    return made


def _bins(dataset: xr.Dataset, drawn: FloatArray, edges: FloatArray, of: str) -> dict[str, xr.Variable]:
    known = drawn[~np.isnan(drawn)]
    place = np.clip(np.searchsorted(edges, known, side="right") - 1, 0, edges.size - 2)
    middle = np.array([np.median(known[place == b]) if (place == b).any() else np.nan for b in range(edges.size - 1)])
    units = str(dataset[of].attrs.get("units", "1"))
    words = {of: (middle, f"median {of} drawn in the bin"), "from": (edges[:-1], "edge"), "to": (edges[1:], "edge")}
    return {
        name: xr.Variable((BIN,), numbers, {"long_name": long_name, "units": units})
        for name, (numbers, long_name) in words.items()
    }
