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
from exits import quartic_saddle

import ensemble as en
from ensemble.statistics import laws

TINY = saddle_escape.Size(300, 700, (3, 9), (1e-2, 1e-1), (1.0, 4.0), ("Average", "Lion"))


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The quick form, smaller still, on numpy."""
    out = tmp_path_factory.mktemp("study")
    app = report.command(saddle_escape.run, saddle_escape.FULL, saddle_escape.QUICK, TINY)
    found = CliRunner().invoke(app, ["--quick", "--backend", "numpy", "--seed", "3", "--out", str(out)])
    assert found.exit_code == 0, found.output
    return out, found.output


def rows_of(out):
    with open(out / "table.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.ci
def test_the_quick_study_writes_figures_data_table_and_report(ran):
    out, said = ran
    for name in ("survival", "dimension", "noise", "curvature", "paths", "catalogue"):
        assert all((out / f"{name}.{ending}").stat().st_size > 100 for ending in ("png", "svg", "csv"))
        assert f"({name}.png)" in (out / "report.md").read_text()
    assert str(out).replace("\n", "") in said.replace("\n", "")
    assert "comparisons with laws hold" in said


def test_the_report_names_question_law_finding_and_what_made_it(ran):
    out, _ = ran
    page = (out / "report.md").read_text()
    for heading in ("Question", "Expected law", "Findings", "How it was made"):
        assert f"## {heading}\n\n" in page
    assert "--instances 300 --steps 700 --backend numpy --seed 3" in page
    for fact in ("seed: 3", "backend: numpy", "versions: descent-ensemble", "wall time: ", "coordinate-steps, "):
        assert fact in page


def test_the_table_has_intervals_and_laws(ran):
    rows = rows_of(ran[0])
    swept = {row["optimizer"] for row in rows if row["sweep"] != "catalogue"}
    assert swept == {*saddle_escape.SIX, "Adam, no noise"}
    assert {row["optimizer"] for row in rows} - swept == {"GradientDescent", "Average", "Lion"}
    for row in rows:
        assert int(row["n"]) == 300 == int(row["events_total"]) + int(row["censored"]) + int(row["diverged"])
        assert float(row["mean_lower"]) < float(row["mean"]) < float(row["mean_upper"])
        assert float(row["median_lower"]) <= float(row["median"]) <= float(row["median_upper"])
        assert (row["law"] == "") == (row["law_mean"] == "") == row["optimizer"].startswith(("Adam", "Lion"))
    with open(ran[0] / "checks.csv", newline="") as file:
        checks = list(csv.DictReader(file))
    known = [row["law"] for row in rows if row["law"]]
    assert len(checks) == 2 * known.count("exact") + known.count("asymptotic") + 1  # averages leave SGD alone
    assert all(check["holds"] == "True" for check in checks)


def test_the_datasets_open_again(ran):
    files = sorted((ran[0] / "data").glob("*.nc"))
    assert len(files) == 3 * len(TINY.dims) + 1 + 3 + 1
    loaded = en.load(ran[0] / "data" / "noise_noisy.nc").dataset
    assert loaded["event_step"].sizes == {"optimizer": 4, "sigma": 2, "instance": 300}
    assert loaded["optimizer"].to_numpy().tolist() == list(saddle_escape.NOISY)
    assert json.loads(loaded.attrs["versions"])["numpy"] == np.__version__


def test_a_seed_that_no_key_holds_is_refused_in_a_line(tmp_path):
    for seed in (-1, 2**64):
        found = CliRunner().invoke(saddle_escape.app, ["--seed", str(seed), "--out", str(tmp_path)])
        assert found.exit_code == 2
        assert "Invalid value for '--seed'" in found.output
        assert "Traceback" not in found.output


def test_a_law_that_fails_makes_the_study_fail(tmp_path, monkeypatch):
    small = saddle_escape.Size(200, 400, (3,), (1e-1,), (4.0,), ("Average",))
    true = quartic_saddle.escape_of_map
    monkeypatch.setattr(quartic_saddle, "escape_of_map", lambda gamma, start: true(0.7 * gamma, start))
    monkeypatch.setattr(saddle_escape, "draw", lambda study, base: None)
    monkeypatch.setattr(saddle_escape, "draw_catalogue", lambda study, result: None)
    app = report.command(saddle_escape.run, small, small)
    found = CliRunner().invoke(app, ["--backend", "numpy", "--out", str(tmp_path)])
    assert found.exit_code == 1
    said = found.output.replace("\n", " ")
    assert "law fails: E T, GD, dimension" in said
    assert "law fails: E T, perturbed GD, curvature" in said
    assert '<p class="failed">law fails: E T, GD, dimension' in (tmp_path / "report.html").read_text()


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
    assert said in " ".join(found.output.replace("│", " ").split())


def test_the_law_without_noise_is_that_of_the_map():
    """50,000 points under phi against the law by its inverse; and where the quartic does not matter, the library's."""
    x = np.random.default_rng(0).normal(scale=saddle_escape.CLOUD, size=50_000)
    step = np.full(x.size, -1)
    for t in range(1, 600):
        x = x + saddle_escape.LR * (2 - x * x) * x
        step[(step < 0) & (np.abs(x) >= saddle_escape.EXIT)] = t
    law = quartic_saddle.escape_of_map(2.0, laws.NormalStart(saddle_escape.CLOUD))
    assert all(check.holds for check in report.Check.times("T", law, step, 599))
    steep = quartic_saddle.escape_of_map(19.0, laws.NormalStart(saddle_escape.CLOUD))
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
    assert step.mean() == pytest.approx(quartic_saddle.escape_with_momentum(ahead, 1.0, 0.01).mean, abs=0.1)


def test_the_catalogue_has_every_optimizer():
    kinds = {name for name in en.optimizers.__all__ if name not in ("Optimizer", "Gradient")}
    assert kinds == set(saddle_escape.CATALOGUE)
    assert all(type(one).__name__ == name for name, one in saddle_escape.CATALOGUE.items())
