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

import ensemble as en
from ensemble.statistics import laws


def test_the_moments_of_a_constant_rate_are_the_library_s():
    found = schedules.second_moments(np.full(60, 0.3), np.full(60, 0.7))
    for k, h in enumerate(schedules.CURVATURES):
        mean, variance = laws.sgd_quadratic(h, 0.3, 0.7, schedules.START, np.arange(61))
        np.testing.assert_allclose(found[:, k], mean**2 + variance, rtol=1e-12)


def test_the_moments_of_an_average_are_those_of_the_gaussian_vector_of_iterates():
    """The mean of x_1 ... x_t, written as a linear function of the start and of all noise."""
    lr = en.InverseSqrt(1.0)(np.arange(1.0, 31))
    found = schedules.averaged_moments(lr)
    for k, h in enumerate(schedules.CURVATURES):
        of_start, of_noise, rows = 1.0, np.zeros(30), []
        for t, rate in enumerate(lr):
            of_start, of_noise = (1 - rate * h) * of_start, (1 - rate * h) * of_noise
            of_noise[t] = -rate
            rows.append([of_start, *of_noise])
        mean = np.mean(rows, axis=0)
        assert found[30, k] == pytest.approx((mean[0] * schedules.START) ** 2 + (mean[1:] ** 2).sum(), rel=1e-12)


def test_no_schedule_gets_below_the_bound_which_one_of_them_attains():
    t = np.arange(1.0, 101)
    best = schedules.best_moments(np.arange(101.0))
    for schedule in schedules.schedules_of(100).values():
        assert (schedules.second_moments(schedule(t), np.ones(100)) >= best * (1 - 1e-12)).all()
    for k, h in enumerate(schedules.CURVATURES):
        attained = schedules.second_moments(1 / (h * t + 1 / (h * schedules.START**2)), np.ones(100))
        np.testing.assert_allclose(attained[:, k], best[:, k], rtol=1e-12)


def test_without_warm_up_those_beyond_the_edge_of_the_first_step_run_away():
    """|x - lr (x^3 - x)| > |x| where x^2 > 1 + 2/lr."""
    edge = np.sqrt(1 + 2 / schedules.STEEP_LR) / schedules.STEEP_CLOUD
    assert schedules.lost_share(1) == pytest.approx(2 * norm.sf(edge), rel=1e-3)


def test_a_small_run_meets_its_laws(tmp_path, monkeypatch):
    monkeypatch.setattr(report.Study, "draw", lambda study, name, figure, caption: None)
    small = schedules.Size(300, 48, (0.4,))
    app = report.command(schedules.run, small, small)
    found = CliRunner().invoke(app, ["--backend", "numpy", "--out", str(tmp_path)])
    assert found.exit_code == 0, found.output
    with open(tmp_path / "table.csv", newline="") as file:
        assert {row["part"] for row in csv.DictReader(file)} == set(schedules.PARTS)
