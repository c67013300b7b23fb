"""Studies run through, say what they found, and fail where a law fails."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "studies"))

import report
import saddle_escape

import ensemble as en
from ensemble.statistics import laws

TINY = saddle_escape.Size(300, 700, (3, 9), (1e-2, 1e-1), (1.0, 4.0))


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The quick form, smaller still, on numpy."""
    out = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saddle_escape, "QUICK_NUMPY", TINY)
        found = CliRunner().invoke(
            saddle_escape.app, ["--quick", "--backend", "numpy", "--seed", "3", "--out", str(out)]
        )
    assert found.exit_code == 0, found.output
    return out, found.output


def rows_of(out):
    with open(out / "table.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_the_quick_study_writes_figures_data_table_and_report(ran):
    out, said = ran
    for name in ("survival", "dimension", "noise", "curvature", "paths"):
        assert all((out / f"{name}.{ending}").stat().st_size > 100 for ending in ("png", "svg", "csv"))
        assert f"({name}.png)" in (out / "report.md").read_text()
    assert str(out).replace("\n", "") in said.replace("\n", "")
    assert "comparisons with exact laws hold" in said


def test_the_report_names_question_law_finding_and_what_made_it(ran):
    out, _ = ran
    page = (out / "report.md").read_text()
    for heading in ("Question", "Expected law", "Finding", "How it was made"):
        assert f"## {heading}\n\n" in page
    assert "--instances 300 --steps 700 --backend numpy --seed 3" in page
    for fact in ("seed: 3", "backend: numpy", "versions: descent-ensemble", "wall time: ", "coordinate-steps, "):
        assert fact in page


def test_the_table_has_intervals_and_laws(ran):
    rows = rows_of(ran[0])
    assert {row["optimizer"] for row in rows} == {*saddle_escape.SIX, "Adam, no noise"}
    for row in rows:
        assert int(row["n"]) == 300 == int(row["events_total"]) + int(row["censored"]) + int(row["diverged"])
        assert float(row["mean_lower"]) < float(row["mean"]) < float(row["mean_upper"])
        assert float(row["median_lower"]) <= float(row["median"]) <= float(row["median_upper"])
        assert (row["law"] == "") == (row["z_median"] == "") == row["optimizer"].startswith("Adam")
        if row["law"] == "exact":
            assert abs(float(row["z_mean"])) <= 4


def test_the_datasets_open_again(ran):
    files = sorted((ran[0] / "data").glob("*.nc"))
    assert len(files) == 3 * len(TINY.dims) + 1 + 3
    loaded = en.load(ran[0] / "data" / "noise_noisy.nc").dataset
    assert loaded["event_step"].sizes == {"optimizer": 4, "sigma": 2, "instance": 300}
    assert loaded["optimizer"].to_numpy().tolist() == list(saddle_escape.NOISY)
    assert json.loads(loaded.attrs["versions"])["numpy"] == np.__version__


def test_a_law_that_fails_makes_the_study_fail(tmp_path, monkeypatch):
    monkeypatch.setattr(saddle_escape, "QUICK_NUMPY", saddle_escape.Size(200, 400, (3,), (1e-1,), (4.0,)))
    true = saddle_escape.escape_of_map
    monkeypatch.setattr(saddle_escape, "escape_of_map", lambda gamma, start: true(0.7 * gamma, start))
    monkeypatch.setattr(saddle_escape, "draw", lambda runs, base: {})
    found = CliRunner().invoke(saddle_escape.app, ["--quick", "--backend", "numpy", "--out", str(tmp_path)])
    assert found.exit_code == 1
    assert "law fails: sweep=dimension, optimizer=GD" in found.output
    assert "law fails: sweep=curvature, optimizer=perturbed GD" in found.output
    assert (tmp_path / "report.md").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--instances", "1"], "--instances"),
        (["--backend", "abacus"], "abacus"),
        (["--out", __file__], "cannot be made"),
    ],
)
def test_a_wrong_option_is_named(arguments, said):
    found = CliRunner().invoke(saddle_escape.app, arguments)
    assert found.exit_code == 2
    assert said in found.output.replace("\n", "")


def test_the_law_without_noise_is_that_of_the_map():
    """50,000 points under phi against the law by its inverse; and where the quartic does not matter, the library's."""
    x = np.random.default_rng(0).normal(scale=saddle_escape.CLOUD, size=50_000)
    step = np.full(x.size, -1)
    for t in range(1, 600):
        x = x + saddle_escape.LR * (2 - x * x) * x
        step[(step < 0) & (np.abs(x) >= saddle_escape.EXIT)] = t
    law = saddle_escape.escape_of_map(2.0, laws.NormalStart(saddle_escape.CLOUD))
    assert all(abs(z) < 4 for z in report.scores(law, step, 599).values())
    steep = saddle_escape.escape_of_map(19.0, laws.NormalStart(saddle_escape.CLOUD))
    linear = laws.random_start_exit(
        saddle_escape.LR, 19.0, saddle_escape.EXIT, laws.NormalStart(saddle_escape.CLOUD), 9
    )
    assert steep.mean == pytest.approx(linear.mean, abs=0.01)


@pytest.mark.parametrize("ahead", [False, True])
def test_the_law_of_momentum_is_met(ahead):
    """100,000 paths of two numbers, noise 0.01: the asymptotic law is right to 0.1 step."""
    rng = np.random.default_rng(1)
    x, v, step = np.zeros(100_000), np.zeros(100_000), np.full(100_000, -1)
    for t in range(1, 130):
        y = x + saddle_escape.BETA * v if ahead else x
        v = saddle_escape.BETA * v - saddle_escape.LR * (y * y * y - y + 0.01 * rng.normal(size=x.size))
        x = x + v
        step[(step < 0) & (np.abs(x) >= saddle_escape.EXIT)] = t
    assert step.min() > 0
    assert step.mean() == pytest.approx(saddle_escape.escape_with_momentum(ahead, 1.0, 0.01).mean, abs=0.1)


def test_a_horizon_before_the_median_still_compares_survival():
    law = laws.random_start_exit(0.1, 1.0, 1.0, laws.NormalStart(0.7), 60)
    found = report.scores(law, np.where(np.arange(1000) < 1000 * (1 - law.survival[5]), 3, -1), horizon=5)
    assert abs(found["z_median"]) < 0.1
    assert "z_mean" not in found
    sure = laws.random_start_exit(0.1, 1.0, 1.0, laws.NormalStart(0.05), 60)
    with np.errstate(divide="raise", invalid="raise"):
        assert report.scores(sure, np.full(50, -1), horizon=1)["z_median"] == pytest.approx(0, abs=0.5)


def test_only_exact_laws_fail_a_study():
    row = {
        "sweep": "s",
        "optimizer": "o",
        "dim": 1,
        "gamma": 1.0,
        "sigma": 0.0,
        "z_mean": 9.0,
        "z_median": float("nan"),
    }
    assert report.failures([row | {"law": "asymptotic"}]) == []
    assert report.failures([row | {"law": "exact"}]) == ["sweep=s, optimizer=o, dim=1, gamma=1, sigma=0: z_mean = 9.0"]
    assert report.verdict([row | {"law": "exact"}]).startswith("0 of 1 comparisons")
