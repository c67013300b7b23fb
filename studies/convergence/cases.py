"""Cases of the study of convergence rates: how they are run, what is fitted, and how exact laws are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import report
import xarray as xr
from numpy.typing import ArrayLike, NDArray

import ensemble as en
from ensemble import statistics

FloatArray = NDArray[np.float64]
BETA = 0.9
MOMENTA = {"heavy ball": report.LinearMethod(BETA), "Nesterov": report.LinearMethod(BETA, ahead=True)}
METHODS = {"GD": report.LinearMethod(), **MOMENTA}
NOISY_METHODS = {"SGD": report.LinearMethod(), **MOMENTA}
"""The same under the names that they have where the gradient is noisy."""


@dataclass(frozen=True)
class Size(report.Size):
    """Says how much to run; ``steps`` is the horizon of the runs with noise."""

    horizons: tuple[int, ...]
    resamples: int


Study = report.Study[Size]


def descend(
    study: Study, name: str, optimizers: Mapping[str, en.Optimizer], landscape: en.Landscape, **more: Any
) -> xr.Dataset:
    """Runs one case, and returns the records of all its optimizers."""
    given: dict[str, Any] = {"start": en.NormalCloud(1.0), "noise": en.Gaussian(0.0)}
    given |= {"record": en.Record(["value"], at=en.log_spaced(60))} | more
    return study.compare(name, optimizers, landscape=landscape, dtype="float64", keep_x=False, **given)


def fit(study: Study, problem: str, rate: str, runs: xr.Dataset, theorem: Mapping[str, str], **more: Any) -> xr.Dataset:
    """Fits the rates of a case, which become rows of the table."""
    found = statistics.convergence_rate(runs, resamples=study.size.resamples, **more)
    study.rows += report.rate_rows(found, {"problem": problem, "rate": rate}, theorem)
    return found


def note_power(
    study: Study, problem: str, rate: str, name: str, x: ArrayLike, fitted: tuple[float, float], theorem: str
) -> None:
    """Adds a row of the table for a power that was fitted across configurations: its exponent and standard error."""
    fixed = {"problem": problem, "rate": rate, "optimizer": name, "n": study.size.instances}
    study.rows.append(report.power_row(np.asarray(x), *fitted, fixed, theorem))


def check_law(study: Study, what: str, runs: xr.Dataset, law: tuple[FloatArray, FloatArray]) -> None:
    """Compares the mean of f with the exact one, at three of the recorded steps."""
    steps = runs["step"].to_numpy()
    for t in steps[np.linspace(0, steps.size - 1, 4).astype(int)[1:]].tolist():
        study.check(report.Check.mean(f"E f at step {t}, {what}", runs["value"].sel(step=t), law[0][t], law[1][t]))


def check_exponent(study: Study, what: str, fitted: xr.Dataset, mean: FloatArray, allowed: float) -> None:
    """Compares a fitted exponent with that of the exact mean over the same window."""
    t = np.unique(np.geomspace(int(fitted["since"]), int(fitted["until"]), 40).astype(int))
    exact = -np.polyfit(np.log(t), np.log(mean[t]), 1)[0]
    error = float(fitted["exponent_upper"] - fitted["exponent_lower"]) / 4
    study.check(report.Check.asymptotic(f"exponent, {what}", float(fitted["exponent"]), exact, allowed, error))
