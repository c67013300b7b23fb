"""The study of schedules: its laws against others, and a small run of it."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "studies"))

import report
import schedules
from descent import moments, steep_starts

import ensemble as en
from ensemble.statistics import laws

H, START = schedules.CURVATURES, schedules.START


def test_the_moments_of_a_constant_rate_are_the_library_s():
    found = moments.second_moments(H, np.full(60, 0.3), np.full(60, 0.7), START)
    for k, h in enumerate(H):
        mean, variance = laws.sgd_quadratic(h, 0.3, 0.7, START, np.arange(61))
        np.testing.assert_allclose(found[:, k], mean**2 + variance, rtol=1e-12)


def test_the_moments_of_an_average_are_those_of_the_gaussian_vector_of_iterates():
    """The mean of x_1 ... x_t, written as a linear function of the start and of all noise."""
    lr = en.InverseSqrt(1.0)(np.arange(1.0, 31))
    found = moments.averaged_moments(H, lr, 1.0, START)
    for k, h in enumerate(H):
        of_start, of_noise, rows = 1.0, np.zeros(30), []
        for t, rate in enumerate(lr):
            of_start, of_noise = (1 - rate * h) * of_start, (1 - rate * h) * of_noise
            of_noise[t] = -rate
            rows.append([of_start, *of_noise])
        mean = np.mean(rows, axis=0)
        assert found[30, k] == pytest.approx((mean[0] * START) ** 2 + (mean[1:] ** 2).sum(), rel=1e-12)


def test_no_schedule_gets_below_the_bound_which_one_of_them_attains():
    t = np.arange(1.0, 101)
    best = moments.best_moments(H, np.arange(101.0), 1.0, START)
    for schedule in schedules.schedules_of(100).values():
        assert (moments.second_moments(H, schedule(t), 1.0, START) >= best * (1 - 1e-12)).all()
    for k, h in enumerate(H):
        attained = moments.second_moments(H, 1 / (h * t + 1 / (h * START**2)), 1.0, START)
        np.testing.assert_allclose(attained[:, k], best[:, k], rtol=1e-12)


def test_without_warm_up_those_beyond_the_edge_of_the_first_step_run_away():
    """|x - lr (x^3 - x)| > |x| where x^2 > 1 + 2/lr."""
    edge = np.sqrt(1 + 2 / steep_starts.LR) / steep_starts.CLOUD
    assert steep_starts.lost_share(1) == pytest.approx(2 * norm.sf(edge), rel=1e-3)


def test_a_small_run_meets_its_laws(tmp_path, monkeypatch):
    monkeypatch.setattr(report.Study, "draw", lambda study, name, figure, caption: None)
    small = schedules.Size(300, 48, (0.4,))
    app = report.command(schedules.run, small, small)
    found = CliRunner().invoke(app, ["--backend", "numpy", "--out", str(tmp_path)])
    assert found.exit_code == 0, found.output
    with open(tmp_path / "table.csv", newline="") as file:
        assert {row["part"] for row in csv.DictReader(file)} == set(schedules.PARTS)
