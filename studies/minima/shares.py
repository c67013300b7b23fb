"""Shares of an ensemble in the sharp and in the flat minimum: measured, held to the exact laws of SGD, and drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import report
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

import ensemble as en
from ensemble import plots, statistics

from .selection import STARTS, WELLS, Noise, flat_shares, stationary_ratio

FORGOTTEN = 0.2
"""A law is stationary where shares from both starts differ by less than so many standard errors, by the exact law."""


def settle(
    study: report.Study[Any],
    name: str,
    optimizer: en.Optimizer | dict[str, en.Optimizer],
    noise: en.Noise,
    steps: int,
    number: int,
    *,
    at: Sequence[int] = (),
    starts: Sequence[str] = tuple(STARTS),
    dim: int = 1,
) -> xr.Dataset:
    """Shares of the two wells, over configurations, starts (``from``) and, where ``at`` is given, steps."""
    runs = study.compare(
        name,
        optimizer if isinstance(optimizer, dict) else {"SGD": optimizer},
        number=number,
        landscape=en.SharpFlat(dim=dim),
        noise=noise,
        start=en.Point(en.grid([[STARTS[s], *[0.0] * (dim - 1)] for s in starts])),
        record=en.Record(["x"], at=list(at)) if at else None,
        steps=steps,
        paired=False,
    )
    *_, axis = (str(d) for d in runs["event_step"].dims if d != "instance")  # of the starts: written last
    x = runs["path" if at else "x"].isel(coordinate=0)
    found = statistics.shares(runs, where={"sharp": x <= WELLS.crossing, "flat": x > WELLS.crossing})
    return found.assign_coords({axis: list(starts)}).rename({axis: "from"})


def ratios(found: xr.Dataset) -> xr.Dataset:
    """The ratio flat : sharp, with the interval that the share's makes; NaN where everybody is in the flat minimum."""
    one = found.sel(outcome="flat").drop_vars("outcome")
    one = one.where(one["share"] < 1)
    columns = {"ratio": "share", "ratio_lower": "lower", "ratio_upper": "upper"}
    odds = {name: one[column] / (1 - one[column]) for name, column in columns.items()}
    return xr.Dataset(odds | {"n": found["n"]}, attrs=found.attrs)


def log_ratio(one: xr.Dataset) -> tuple[float, float]:
    """ln(flat : sharp) of one configuration, and its standard error by the delta method."""
    flat, sharp = (int(one["count"].sel(outcome=k)) for k in ("flat", "sharp"))
    if not (flat and sharp):
        return math.nan, math.nan
    return math.log(flat / sharp), math.sqrt(1 / flat + 1 / sharp)


def hold(
    study: report.Study[Any],
    part: str,
    one: xr.Dataset,
    lr: float,
    noise: Noise,
    step: int,
    *,
    optimizer: str = "SGD",
) -> None:
    """A row for each start of one configuration and, for SGD, checks of the share at this step and in the long run."""
    exact = optimizer == "SGD"
    both = flat_shares(lr, noise, (step,))[:, 0] if exact else np.full(2, math.nan)
    middle = float(both.mean())
    settled = exact and abs(both[0] - both[1]) < FORGOTTEN * math.sqrt(middle * (1 - middle) / study.size.instances)
    stationary = stationary_ratio(lr, noise) if settled else math.nan
    for start, law in zip(STARTS, both.tolist(), strict=True):
        if start not in one["from"].to_numpy():
            continue
        here = one.sel({"from": start, "outcome": "flat"})
        count, n = int(here["count"]), int(here["n"])
        if exact:
            what = f"{optimizer}, {part}: share flat at step {step} from {start}, lr {lr:g}, {noise}"
            study.check(report.Check.share(what, count, n, min(max(law, 0.0), 1.0)))
        if settled:
            what = f"{optimizer}, {part}: stationary share flat, from {start}, lr {lr:g}, {noise}"
            study.check(report.Check.share(what, count, n, stationary / (1 + stationary)))
        setting = {"part": part, "optimizer": optimizer, "lr": lr, "sigma": noise.sigma, "batch": noise.batch}
        seen = {"flat": float(here["share"]), "flat_lower": float(here["lower"]), "flat_upper": float(here["upper"])}
        ratio = count / (n - count) if count < n else math.nan
        known = {"law": law, "ratio": ratio, "stationary": stationary, "n": n}
        study.rows.append(setting | {"from": start, "step": step} | seen | known)


# ---- pictures


def against(
    seen: Mapping[str, Any],
    dim: str,
    exact: Mapping[str, tuple[ArrayLike, ArrayLike]],
    x_label: str,
    log: tuple[bool, bool],
    note: str = "",
) -> Figure:
    """The ratio flat : sharp against a parameter, and the exact law of SGD."""
    return plots.curves(
        seen,
        "ratio",
        dim,
        laws=exact,
        law_name="exact",
        x_label=x_label,
        y_label="flat : sharp",
        log=log,
        note=note,
    )


def settling(runs: xr.Dataset, at: Sequence[int], lr: float, noise: Noise, label: str = "from") -> Figure:
    """The share in the flat minimum of one configuration against the step, from both starts, with its law."""
    curve, law = runs.sel(outcome="flat"), flat_shares(lr, noise, tuple(at))
    shown = {f"{label} {start}": curve.sel({"from": start}).reset_coords(drop=True) for start in STARTS}
    return plots.curves(
        shown,
        "share",
        "step",
        laws={name: (at, shares) for name, shares in zip(shown, law, strict=True)},
        y_label="share in the flat minimum",
        x_label="step t",
        limits=(-0.03, 1.03),
    )
