"""The studies of escapes past saddles in a row, over barriers and under heavy tails: their laws, and their pages in small."""

from __future__ import annotations

import csv
import math
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "studies"))

import heavy_tails
import kramers
import octopus
import report
from exits import stable, wells

import ensemble as en
from ensemble.statistics import laws

SMALL = {
    octopus: octopus.Size(200, 300, ratios=(1.0,), dims=(5,), long=500),
    kramers: kramers.Size(150, 10_000, (0.4, 0.5), (0.05, 0.2), (2,), turned=False),
    heavy_tails: heavy_tails.Size(150, 10_000, (1.0, 1.5), (1.0, 2.0)),
}


def page_of(study, out, monkeypatch):
    """Runs a study in small on numpy, without pictures."""
    monkeypatch.setattr(report.Study, "draw", lambda self, name, figure, caption: None)
    monkeypatch.setattr(kramers, "BASE", 0.5)  # and short waits
    monkeypatch.setattr(kramers, "WARM", 1.0)
    monkeypatch.setattr(heavy_tails, "exit_times", partial(heavy_tails.exit_times, points=30))
    monkeypatch.setattr(heavy_tails, "SCALES", {2.0: math.sqrt(10), 1.5: 1.5, 1.0: 0.5})
    app = report.command(study.run, SMALL[study], SMALL[study])
    return CliRunner().invoke(app, ["--backend", "numpy", "--seed", "5", "--out", str(out)])


@pytest.mark.ci
@pytest.mark.parametrize("study", SMALL, ids=lambda study: study.__name__)
def test_a_small_study_holds_its_laws_and_says_so(study, tmp_path, monkeypatch):
    found = page_of(study, tmp_path, monkeypatch)
    assert found.exit_code == 0, found.output
    with open(tmp_path / "checks.csv", newline="") as file:
        checks = list(csv.DictReader(file))
    assert len(checks) > 8
    assert all(check["holds"] == "True" for check in checks)
    assert f"{len(checks)} of {len(checks)} comparisons with laws hold" in (tmp_path / "report.md").read_text()
    assert list((tmp_path / "data").glob("*.nc"))
    assert (tmp_path / "table.csv").stat().st_size > 300


def test_a_wrong_law_makes_the_study_of_heavy_tails_fail(tmp_path, monkeypatch):
    true = heavy_tails.exit_times
    monkeypatch.setattr(
        heavy_tails,
        "exit_times",
        lambda *given, points: stable.ExitTimes(2 * true(*given, points).mean, true(*given, points).sd),
    )
    found = page_of(heavy_tails, tmp_path, monkeypatch)
    assert found.exit_code == 1
    assert "law fails: E T, alpha = 1, width = 1.5" in " ".join(found.output.split())


# ---- the octopus


def test_the_law_of_passages_is_the_published_one():
    assert octopus.passages(np.full(5, 0.5), 1.0, 10**6).tolist() == [6, 21, 62, 173, 472]
    assert octopus.passages(np.full(5, 0.5), 1.0, 172).tolist() == [6, 21, 62, -1, -1]


@pytest.mark.parametrize("L", [1.0, 3.0])
def test_the_law_of_passages_is_met_by_descent_to_the_step(L):
    x = np.random.default_rng(1).uniform(-1, 1, size=(30, 4))
    law = [octopus.passages(start, L, 300) for start in x]
    f, seen = en.Octopus(dim=4, L=L), np.full(x.shape, -1)
    for t in range(1, 301):
        x = x - f.gradient(x) / (4 * L)
        seen[(seen < 0) & (np.abs(x) >= 2 * octopus.TAU)] = t
    assert np.array_equal(seen, law)


def test_stages_grow_by_kappa_where_no_float_can_follow():
    for L in (1.0, 1.5, 3.0):
        law = octopus.passages(np.full(10, 0.5), L, 10**12)
        kappa = laws.octopus_stage_growth(L, octopus.GAMMA)
        assert (law[-1] - law[-2]) / (law[-2] - law[-3]) == pytest.approx(kappa, rel=1e-3)


# ---- wells


@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_the_density_of_the_distance_is_the_noncentral_chi(k):
    r, center, s = np.linspace(0.05, 3, 40), np.array([0.7]), 0.4
    law = stats.ncx2(k, (center / s) ** 2).pdf((r / s) ** 2) * 2 * r / s**2
    assert wells.distance_density(r, center, s, k) == pytest.approx(law, rel=1e-9)


def test_the_exact_law_between_wells_is_met_by_paths_in_three_dimensions():
    lr, temperature, way = 0.2, 0.5, wells.WAYS[0]
    mean, sd = wells.exact(way, 3, temperature, lr)
    rng, f = np.random.default_rng(2), wells.wells(3)
    x, step = np.tile([way.start, 0.0, 0.0], (4_000, 1)), np.full(4_000, -1)
    for t in range(1, 60 * math.ceil(mean)):
        inside = step < 0
        noise = rng.normal(scale=math.sqrt(2 * temperature * lr), size=(int(inside.sum()), 3))
        x[inside] = x[inside] - lr * f.gradient(x[inside]) + noise
        step[inside & (x[:, 0] >= way.end)] = t
        if np.all(step > 0):
            break
    assert report.Check.mean("E T", step, mean, sd).holds


def test_the_backward_equation_becomes_the_law_of_eyring_and_kramers():
    way = wells.WAYS[1]
    ratio = kramers.at_zero(lambda d: wells.continuous(way, 4, d, 200, 100) / wells.eyring_kramers(way, 4, d), 0.02)
    assert ratio == pytest.approx(1, abs=0.01)


# ---- stable noise


@pytest.mark.ci
@pytest.mark.parametrize("alpha", [1.5, 1.8])
def test_the_tail_is_scipys_and_its_integral_is_half_the_mean_size(alpha):
    z = np.array([0.0, 0.01, 0.5, 2.0, 10.0, 29.9, 30.1, 60.0])
    assert stable.tail(z, alpha) == pytest.approx(stats.levy_stable.sf(z, alpha, 0), rel=1e-4)
    whole = stable.tail_integral(np.array([1e30]), alpha)[0]
    assert whole == pytest.approx(math.gamma(1 - 1 / alpha) / math.pi, rel=1e-6)


def test_the_ends_of_alpha_are_cauchys_law_and_the_normal():
    z = np.array([0.3, 2.0, 30.0])
    h = 1e-4
    for alpha, law in ((1.0, stats.cauchy()), (2.0, stats.norm(scale=math.sqrt(2)))):
        slope = (stable.tail_integral(z + h, alpha) - stable.tail_integral(z - h, alpha)) / (2 * h)
        assert slope == pytest.approx(law.sf(z), abs=1e-8)


def test_normal_noise_leaves_as_the_transfer_operator_of_the_library_says():
    found = stable.exit_times(2.0, 2.2, 0.05, 2.0, 1.0)
    law = laws.exit_law(lambda x: 2.0 * x, 0.05, 2.2 * math.sqrt(2), -1.0, 1.0, 0.0, 0)
    assert (found.mean, found.sd) == pytest.approx((law.mean, law.sd), rel=1e-5)


@pytest.mark.parametrize("alpha", [1.0, 1.5])
def test_heavy_tails_leave_as_paths_with_scipys_noise_do(alpha):
    lr, scale, h, width, n = 0.1, 3.0, 0.5, 1.0, 2_000
    law = stable.exit_times(alpha, scale, lr, h, width)
    rng = np.random.default_rng(3)
    x, step = np.zeros(n), np.full(n, -1)
    for t in range(1, math.ceil(15 * law.mean)):
        x = x - lr * (h * x + scale * stats.levy_stable.rvs(alpha, 0, size=n, random_state=rng))
        x = np.where(step > 0, 0.0, x)
        step[(step < 0) & (np.abs(x) >= width)] = t
    assert step.min() > 0
    assert report.Check.mean("E T", step, law.mean, law.sd).holds
