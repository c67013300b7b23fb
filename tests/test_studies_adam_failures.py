"""The study of Adam's failures: its laws against others, and a small run of it."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "studies"))

import adam_failures
import report
from adam import linear_losses, two_cycle, weight_decay

import ensemble as en


def test_the_drift_is_that_of_all_sequences_of_losses():
    """Every sequence of six losses with its probability."""
    drift = np.zeros(6)
    for code in range(64):
        rare = [(code >> k) & 1 == 1 for k in range(6)]
        v, chance, terms = 0.0, 1.0, []
        for is_rare in rare:
            g = linear_losses.SLOPE if is_rare else -1.0
            chance *= linear_losses.OFTEN if is_rare else 1 - linear_losses.OFTEN
            v = linear_losses.MEMORY * v + (1 - linear_losses.MEMORY) * g * g
            terms.append(g / np.sqrt(v))
        drift += chance * np.array(terms)
    np.testing.assert_allclose(linear_losses.drifts(6), drift, rtol=1e-7)


def test_adam_s_cycle_is_stable_at_small_betas_and_not_at_the_defaults():
    assert two_cycle.radius(0.2, 0.5) < 1 < two_cycle.radius(0.9, 0.999)
    assert two_cycle.radius(0.0, 0.5) == pytest.approx(0.5, abs=1e-3)  # x forgets at once, v by beta2 a step


@pytest.mark.parametrize("w", [0.1, 0.5, 1.0])
def test_fixed_points_of_decay_balance_the_gradient_of_booth_s_function(w):
    booth = en.Booth()

    def gradient(x):
        return booth.gradient(x[None])[0]

    x = weight_decay.fixed_point(False, w, 3.0)
    np.testing.assert_allclose(gradient(x), -w * x, atol=1e-9)
    x = weight_decay.fixed_point(True, w, 1e4)  # noise makes the decay a coupled one, of w sigma
    np.testing.assert_allclose(gradient(x), -w * 1e4 * x, rtol=0.01)
    x = weight_decay.fixed_point(
        True, w, 0.0
    )  # at the wall of the box the gradient pushes outward, inside there is none
    at_wall = np.abs(np.abs(x) - 1 / w) < 1e-6
    assert (np.abs(x) <= 1 / w + 1e-9).all()
    np.testing.assert_allclose(gradient(x)[~at_wall], 0, atol=1e-5)
    assert (gradient(x)[at_wall] * x[at_wall] <= 1e-6).all()


def test_a_small_run_meets_its_laws(tmp_path, monkeypatch):
    monkeypatch.setattr(report.Study, "draw", lambda study, name, figure, caption: None)
    monkeypatch.setattr(linear_losses, "STARTS", 21)
    for name, value in {"DECAYS": (0.5,), "NOISES": (0.0, 3.0), "LR": 0.02, "BETA2": 0.98}.items():
        monkeypatch.setattr(weight_decay, name, value)
    small = adam_failures.Size(200, 300, 150, 150, 900, 60, (0.1,), (0.3,))
    app = report.command(adam_failures.run, small, small)
    found = CliRunner().invoke(app, ["--backend", "numpy", "--out", str(tmp_path)])
    assert found.exit_code == 0, found.output
    with open(tmp_path / "table.csv", newline="") as file:
        parts = {row["part"] for row in csv.DictReader(file)}
    assert parts == {"fixed order", "random order", "two-cycle", "decay", "rotation"}
