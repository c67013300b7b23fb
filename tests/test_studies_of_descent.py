"""The studies of descent run through, small and on numpy, and the laws they are held to are right."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "studies"))

import cliffs_and_plateaus
import convergence_rates
import report
import rosenbrock
from adam.steps import longest_step
from minima import near

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


def test_adams_longest_step_is_taken_under_the_gradients_that_make_it():
    """Gradients w/u give equality in Cauchy and Schwarz; any others give less."""
    t = 30
    age = np.arange(t)[::-1]
    longest = longest_step(t)
    gradients = {"worst": (0.9 / 0.999) ** age, "other": np.random.default_rng(0).normal(size=t)}
    found = {}
    for name, g in gradients.items():
        m = 0.1 * (0.9**age * g).sum() / (1 - 0.9**t)
        v = 0.001 * (0.999**age * g**2).sum() / (1 - 0.999**t)
        found[name] = abs(m) / np.sqrt(v)
    assert found["worst"] == pytest.approx(longest, rel=1e-12)
    assert found["other"] < longest
    assert longest_step(100_000) == pytest.approx(7.2703, abs=1e-4)


@pytest.mark.parametrize("name", ["GD", "heavy ball"])
def test_the_way_off_the_plateau_is_that_of_the_map(name):
    """3,000 starts under the rule itself."""
    x = np.random.default_rng(1).uniform(1.9, 2.1, size=3_000)
    v, step = np.zeros_like(x), np.full(x.size, -1)
    for t in range(1, 80):
        v = cliffs_and_plateaus.BETA * (name == "heavy ball") * v - 0.1 * x * (1 - np.tanh(x * x / 2) ** 2)
        x = x + v
        step[(step < 0) & (np.abs(x) <= 1)] = t
    law = cliffs_and_plateaus.plateau_law(name, 0.0, 2.0)[1]
    assert all(check.holds for check in report.Check.times(name, law, step, 79))


@pytest.mark.parametrize("name", ["heavy ball", "Nesterov"])
def test_the_speed_near_rosenbrocks_minimum_is_that_of_the_linear_law(name):
    method = report.LinearMethod.named(name, 0.9)
    mean = method.value_law(rosenbrock.CURVATURES, near.LR, 4_000)[0]
    factor = method.factor(rosenbrock.CURVATURES, near.LR)
    assert (mean[4_000] / mean[3_000]) ** (1 / 2_000) == pytest.approx(factor, rel=1e-9)


@pytest.mark.slow
def test_rosenbrocks_valley_is_gone_down(tmp_path):
    pictures = ("paths", "paths_beta", "loss", "gradient_norm", "loss_noise", "beta", "adam_share", "adam_time", "ecdf")
    size = rosenbrock.Size(100, 3_000, 800, (0.95, 0.99), (0.5, 0.9), (0.9, 0.999))
    rows, checks, status = run_small(rosenbrock, size, tmp_path, pictures)
    assert status == 0
    assert all(check["holds"] == "True" for check in checks)
    assert {row["sweep"] for row in rows} == {"near the minimum", "beta", "adam"}


@pytest.mark.slow
def test_cliffs_throw_and_plateaus_hold(tmp_path):
    size = cliffs_and_plateaus.Size(200, 150, cliffs_and_plateaus.SOME, (5.0, 10.0), (1.5, 2.0), 500)
    rows, checks, status = run_small(cliffs_and_plateaus, size, tmp_path, ("paths", "thrown", "plateau"))
    assert status == 0
    assert all(check["holds"] == "True" for check in checks)
    gone = {
        row["optimizer"]: int(row["events_total"]) for row in rows if row["sweep"] == "valley" and row["sigma"] == "5.0"
    }
    assert gone["GD"] > gone["clipped norm"] > gone["Adam"] == 0
