"""The studies of descent run through, small and on numpy, and the laws they are held to are right."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "studies"))

import convergence_rates
import report

import ensemble as en


def run_small(study, size, out, pictures=()):
    """The study of this size on numpy: its rows, its checks and its exit status."""
    found = CliRunner().invoke(report.command(study.run, size, size), ["--backend", "numpy", "--out", str(out)])
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    for name in pictures:
        assert all((out / f"{name}.{ending}").stat().st_size > 100 for ending in ("png", "svg", "csv"))
    tables = []
    for name in ("table", "checks"):
        with open(out / f"{name}.csv", newline="") as file:
            tables.append(list(csv.DictReader(file)))
    return *tables, found.exit_code


def test_the_law_of_linear_methods_is_that_of_their_paths():
    """Mean and spread of f over 4,000 paths of every method, with noise and a rate that falls."""
    h, steps, schedule = np.array([0.1, 1.0, 1.5]), 40, en.InverseTime(0.3, 0.05)
    for method in convergence_rates.METHODS.values():
        value = en.simulate(
            landscape=en.Quadratic(tuple(h)),
            optimizer=method.optimizer(schedule),
            noise=en.Gaussian(0.5),
            start=en.NormalCloud(0.8),
            instances=4_000,
            steps=steps,
            record=en.Record(["value"], at=[3, steps]),
            backend="numpy",
        ).dataset["value"]
        mean, spread = method.value_law(h, schedule, steps, 0.5, 0.8)
        for t in (3, steps):
            seen = value.sel(step=t).to_numpy()
            assert report.Check.mean("E f", seen, mean[t], spread[t]).holds
            assert seen.std() == pytest.approx(spread[t], rel=0.15)


def test_exponents_of_paired_samples_have_the_error_that_repetition_shows():
    rng = np.random.default_rng(0)
    x, found = np.array([1.0, 2.0, 4.0]), []
    for _ in range(300):
        common = rng.exponential(size=(1, 200))
        found.append(report.power(x, x[:, None] ** 1.5 * (common + rng.exponential(size=(3, 200)))))
    exponents, errors = np.array(found).T
    assert exponents.mean() == pytest.approx(1.5, abs=0.01)
    assert errors.mean() == pytest.approx(exponents.std(), rel=0.15)


@pytest.mark.slow
def test_rates_of_convergence_are_fitted_and_bounds_hold(tmp_path):
    size = convergence_rates.Size(100, 400, (16, 32, 64), 201)
    rows, checks, status = run_small(convergence_rates, size, tmp_path, ("linear", "falling", "floors", "bounds"))
    bounds = [check for check in checks if check["kind"] == "bound"]
    assert len(bounds) == 11
    assert all(check["holds"] == "True" for check in bounds)
    exact = [check for check in checks if check["kind"] == "exact"]
    assert sum(check["holds"] == "True" for check in exact) == len(exact)
    tuned = {row["optimizer"]: row for row in rows if row["problem"] == "quadratic, condition 100"}
    assert tuned["GD"]["regime"] == tuned["Nesterov"]["regime"] == "linear"
    assert float(tuned["GD"]["factor"]) == pytest.approx((99 / 101) ** 2, rel=1e-9)
    assert status in (0, 1)
