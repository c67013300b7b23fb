"""The studies of random fields, finite sums and generalisation: their laws another way, and a small run of each."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "studies"))

import batch_size
import finite_sums
import generalisation
import random_fields
import report


def test_the_recursion_of_the_gap_is_the_mean_over_all_paths():
    """Three steps of single samples, every one of 40^3 paths with its chance."""
    f = finite_sums.problem(0.5)
    x = np.zeros((1, finite_sums.DIM))
    rates, lowest = np.array([0.1, 0.05, 0.02]), float(f.value(f.solution()[None])[0, 0])
    found = [float(f.value(x).mean()) - lowest]
    for lr in rates:
        step = lr * (np.einsum("id,nd->in", x, f.A) - f.y)[..., None] * f.A
        x = (x[:, None] - step).reshape(-1, finite_sums.DIM)
        found.append(float(f.value(x[:: max(1, len(x) // 64_000)]).mean()) - lowest)
    np.testing.assert_allclose(finite_sums.gaps(f, 0.0, rates, 1.0), found, rtol=1e-10)


def small(study, size, tmp_path, *options):
    app = report.command(study.run, size, size)
    done = CliRunner().invoke(app, ["--backend", "numpy", "--out", str(tmp_path), *options])
    with (tmp_path / "checks.csv").open() as file:
        checks = list(csv.DictReader(file))
    assert done.exit_code == 0, done.output
    assert (tmp_path / "report.html").exists()
    return checks


@pytest.mark.slow
def test_a_small_run_of_finite_sums_meets_its_laws(tmp_path, monkeypatch):
    monkeypatch.setattr(finite_sums, "exponents", lambda study: study.find("left out"))
    pytest.importorskip("sklearn")
    checks = small(finite_sums, finite_sums.Size(200, 200, descent=2500, epochs=3), tmp_path)
    assert len(checks) > 15


@pytest.mark.slow
def test_a_small_run_of_random_fields_meets_its_laws(tmp_path):
    size = random_fields.Size(2, 60, dims=(6, 10), fields=10, counted=60, plane=4, features=64, saddles=3, saddle_dim=8)
    assert len(small(random_fields, size, tmp_path)) > 15


@pytest.mark.slow
def test_a_small_run_of_generalisation_meets_its_laws(tmp_path):
    pytest.importorskip("sklearn")
    assert len(small(generalisation, generalisation.Size(12, 30, sharp=12, fits=1500), tmp_path)) == 14


def test_the_floor_is_where_the_recursion_of_the_gap_ends():
    f = finite_sums.problem(0.5)
    for lr, batch in batch_size.SCALED:
        settled = finite_sums.gaps(f, 0.3, np.full(2000, lr), batch)[-1]
        assert batch_size._floor(f, lr, batch) == pytest.approx(settled, rel=1e-8)


@pytest.mark.slow
def test_a_small_run_of_batch_size_meets_its_laws(tmp_path):
    pytest.importorskip("sklearn")
    assert len(small(batch_size, batch_size.Size(10, 40, floors=4000, batches=(4, 16), rates=(0.4,)), tmp_path)) == 3
