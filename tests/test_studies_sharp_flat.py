"""The study of sharp and flat minima: its laws against others, and a small run of it."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "studies"))

import report
import sharp_flat
from minima.selection import WELLS, Noise, flat_shares, slope, stationary_ratio, white


def test_the_slope_is_the_landscape_s_beyond_both_crossings():
    x = np.linspace(-7, 7, 1401)
    np.testing.assert_allclose(slope(x), WELLS.gradient(x[:, None])[:, 0], atol=1e-12)
    bend = WELLS.hessian_diagonal(x[:, None])[:, 0]
    np.testing.assert_allclose(Noise(batch=0.5).size(x), np.sqrt(bend / 0.5))


@pytest.mark.parametrize(("lr", "noise"), [(0.1, white(1.0, 0.1)), (0.1, Noise(batch=0.05)), (0.4, Noise(batch=0.05))])
def test_shares_from_both_starts_come_to_the_stationary_law(lr, noise):
    from_sharp, from_flat = flat_shares(lr, noise, (0, 1, 700)).tolist()
    ratio = stationary_ratio(lr, noise)
    assert (from_sharp[0], from_flat[0]) == (0.0, 1.0)
    assert from_sharp[2] == pytest.approx(ratio / (1 + ratio), abs=1e-6)
    assert from_flat[2] == pytest.approx(ratio / (1 + ratio), abs=1e-6)


def test_shares_on_the_way_are_those_of_a_plain_simulation():
    rng, x, lr, noise = np.random.default_rng(5), np.full(40_000, -1.0), 0.05, Noise(batch=0.05)
    for _ in range(40):
        x = x - lr * (slope(x) + noise.size(x) * rng.normal(size=x.size))
    assert report.Check.share("x", int((x > 0).sum()), x.size, float(flat_shares(lr, noise, (40,))[0, 0])).holds


def test_the_ratio_tends_to_gibbs_and_the_slope_to_the_exponential_law():
    ratios = [stationary_ratio(lr, white(0.7, lr)) for lr in (0.05, 0.025, 0.0125)]
    assert ratios[0] > ratios[1] > ratios[2] > 2
    assert 2 * ratios[2] - ratios[1] == pytest.approx(2, abs=0.02)  # the error is of first order in lr
    low, high = (np.log(stationary_ratio(0.05, Noise(batch=b))) for b in (0.1, 0.15))
    assert (high - low) / 0.05 == pytest.approx(60, rel=0.03)


def test_a_small_run_meets_its_laws(tmp_path, monkeypatch):
    monkeypatch.setattr(report.Study, "draw", lambda study, name, figure, caption: None)
    for name in ("ADAM_LR", "OPTIMIZER_LR"):  # faster, to forget the start sooner
        monkeypatch.setattr(sharp_flat, name, 5 * getattr(sharp_flat, name))
    small = sharp_flat.Size(300, 120, (1.5,), (0.2,), 80, (0.025, 0.05), 60, (0.1,), (0.1, 0.4), 200, (0.05,))
    app = report.command(sharp_flat.run, small, small)
    found = CliRunner().invoke(app, ["--backend", "numpy", "--out", str(tmp_path)])
    assert found.exit_code == 0, found.output
    with open(tmp_path / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["optimizer"] for row in rows} == set(sharp_flat.OPTIMIZERS)
    assert all(float(row["flat_lower"]) <= float(row["flat"]) <= float(row["flat_upper"]) for row in rows)
