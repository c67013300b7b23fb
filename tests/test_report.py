"""What studies are made with: checks of laws, the command, the pages, the list of all studies."""

from __future__ import annotations

import csv
import importlib
import json
import math
import os
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm, poisson, t
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "studies"))

import report
from report import Check

from ensemble.statistics import laws

ALL = importlib.import_module("all")
STUDIES = Path(__file__).parents[1] / "studies"


def test_a_mean_is_compared_in_standard_errors():
    sample = np.array([1.0, 2.0, 3.0, 4.0])
    check = Check.mean("m", sample, 2.0)
    assert check.distance == pytest.approx(0.5 / (sample.std(ddof=1) / 2))
    assert (check.seen, check.kind, check.measure, check.allowed) == (2.5, "exact", "z", 4.0)
    assert (check.upper - check.lower) / 2 == pytest.approx(1.96 * sample.std(ddof=1) / 2, rel=1e-4)
    assert not Check.mean("m", np.full(100, 1.0) + 0.01 * np.arange(100), 9.0).holds
    with pytest.raises(ValueError, match=r"use Check\.equal"):
        Check.exact("m", 1.0, 1.0, 0.0)


def test_a_share_of_a_million_is_normal_and_a_miss_refutes_a_law_of_one():
    check = Check.share("p", 501_000, 1_000_000, 0.5)
    assert check.distance == pytest.approx(2.0, abs=0.01)
    assert not Check.share("p", 999_999, 1_000_000, 1.0).holds
    assert Check.share("p", 1_000, 1_000, 1.0).holds
    rare = Check.share("p", 0, 1_000, 0.002).distance  # no more likely than 0 of Poisson's 2: 0, 4, 5, ...
    assert rare < 0
    assert 2 * norm.sf(-rare) == pytest.approx(poisson.pmf(0, 2) + poisson.sf(3, 2), abs=1e-3)


def test_the_share_of_false_alarms_of_a_share_is_its_level():
    """At 2 standard errors a true law is refuted at most as often as a normal variable passes 2, here 4.55 %."""
    counts = np.random.default_rng(0).binomial(400, 0.03, 2_000)
    found = [abs(Check.share("p", k, 400, 0.03).distance) > 2 for k in np.unique(counts)]
    refuted = np.isin(counts, np.unique(counts)[found]).mean()
    assert 0.01 < refuted < 0.0455 + 4 * math.sqrt(0.0455 / 2_000)


def test_escape_times_are_compared_with_and_without_a_horizon_that_hides_some():
    law = laws.random_start_exit(0.1, 1.0, 1.0, laws.NormalStart(0.05), 400)
    x = np.abs(np.random.default_rng(0).normal(scale=0.05, size=4_000))
    step = np.maximum(1, np.ceil(np.log(1 / x) / np.log(1.1)).astype(int))
    mean, share = Check.times("T", law, step, 400)
    assert mean.what.startswith("E T")
    assert mean.holds
    assert share.holds
    cut, share = Check.times("T", law, np.where(step <= 30, step, -1), 30)
    assert cut.what.startswith("E min(T, 30)")
    assert cut.holds
    assert share.holds
    assert not all(check.holds for check in Check.times("T", law, step + 3, 400))
    sure = laws.random_start_exit(0.1, 1.0, 1.0, laws.NormalStart(0.05), 60)
    (alone,) = Check.times("T", sure, np.full(50, -1), 1)[-1:]
    assert alone.holds


def test_laws_without_chance_asymptotic_laws_and_bounds():
    assert Check.equal("x", 1 + 1e-9, 1.0).holds
    assert not Check.equal("x", 1.1, 1.0).holds
    assert Check.equal("x", 0.0, 0.0).measure == "absolute"
    assert Check.asymptotic("x", 1.05, 1.0, 0.06).holds
    assert not Check.asymptotic("x", 1.07, 1.0, 0.06).holds
    assert Check.asymptotic("x", 1.07, 1.0, 0.06, error=0.01).holds
    assert not Check.asymptotic("x", 0.85, 1.0, 0.06, error=0.01).holds
    assert Check.at_most("x", 0.9, 1.0).distance == 0
    assert not Check.at_most("x", 1.01, 1.0).holds
    assert Check.at_most("x", 1.01, 1.0, error=0.01).holds
    assert not Check.at_least("x", 0.9, 1.0, error=0.01).holds


@pytest.mark.parametrize(
    "check",
    [
        Check.exact("x", math.nan, 1.0, 1.0),
        Check.equal("x", math.nan, 1.0),
        Check.asymptotic("x", math.nan, 1.0, 0.5),
        Check.asymptotic("x", 1.0, math.nan, 0.5),
        Check.at_most("x", math.nan, 1.0),
        Check.at_least("x", math.nan, 1.0, 0.1),
    ],
    ids=lambda check: check.kind,
)
def test_what_is_no_number_holds_no_law(check):
    assert not check.holds


def test_the_verdict_counts_what_holds():
    checks = [Check.exact("a", 5.0, 0.0, 1.0), Check.equal("b", 1.0, 1.0), Check.at_most("c", 0.0, 1.0)]
    assert report.verdict(checks) == (
        "2 of 3 comparisons with laws hold (2 exact, 0 asymptotic, 1 bound); the largest |z| is 5.00."
    )


def test_columns_and_curves_of_means_and_shares_have_limits_of_95_percent():
    sample = np.array([1.0, 2.0, 3.0, 4.0])
    half, of_three = (quantile * sample.std(ddof=1) / 2 for quantile in (norm.isf(0.025), t.isf(0.025, 3)))
    row = report.mean_row(sample, 2.0)
    assert (row["seen"], row["law"], row["n"]) == (2.5, 2.0, 4)
    assert (row["seen_lower"], row["seen_upper"]) == pytest.approx((2.5 - of_three, 2.5 + of_three))  # nothing skew
    assert all(math.isnan(value) for value in report.mean_columns("T", [1.0, math.nan]).values())
    _, mean, lower, upper = report.mean_curve([1.0, 2.0], np.stack([sample, 2 * sample]))
    np.testing.assert_allclose([mean - lower, upper - mean], [[half, 2 * half]] * 2)
    share, check = report.share_row(3, 10, 0.5), Check.share("p", 3, 10, 0.5)
    seen = [share[name] for name in ("seen", "seen_lower", "seen_upper")]
    assert seen == pytest.approx([check.seen, check.lower, check.upper])


def test_runs_are_taken_apart_by_optimizer():
    runs = xr.Dataset({"count": (("optimizer", "outcome"), [[1, 2], [3, 0]])}, {"optimizer": ["a", "b"]})
    apart = report.by_optimizer(runs, ["b", "a"])
    assert list(apart) == ["b", "a"]
    assert apart["a"]["count"].to_numpy().tolist() == [1, 2]
    assert apart["b"]["count"].to_numpy().tolist() == [3, 0]


def test_times_are_compared_with_the_laws_that_are_exact():
    runs = xr.Dataset(
        {"event_step": (("optimizer", "sigma", "instance"), np.full((2, 2, 5), 3)), "horizon": 9},
        {"optimizer": ["SGD", "Adam"], "sigma": [1.0, 2.0]},
    )
    law = report.time_law(np.array([1.0, 1.0, 1.0, 0.5, 0.0]))

    def law_of(optimizer, dim, sigma):
        return ("exact", law) if (optimizer, dim, sigma) == ("SGD", 4, 2.0) else ("asymptotic", law)

    mean, share = report.time_checks(runs, {"dim": 4}, law_of, "{optimizer}, noise {sigma:g}")
    assert (mean.what, mean.law, mean.seen) == ("E T, SGD, noise 2", 3.5, 3.0)
    assert (share.what, share.law, share.seen) == ("P(T > 3), SGD, noise 2", 0.5, 0.0)


# ---- a whole study: the example of studies/README.md


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The example of studies/README.md as a file, and its module."""
    folder = tmp_path_factory.mktemp("studies")
    code = re.search(r"```python\n(.*?)```", (STUDIES / "README.md").read_text(), re.DOTALL)[1]
    (folder / "parabola_example.py").write_text(code)
    sys.path.insert(0, str(folder))
    try:
        return folder, __import__("parabola_example")
    finally:
        sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def ran(example):
    folder, module = example
    found = CliRunner().invoke(
        module.app, ["--quick", "--backend", "numpy", "--steps", "40", "--out", str(folder / "out")]
    )
    assert found.exit_code == 0, found.output
    return folder / "out", found.output


class _Outline(HTMLParser):
    """Tags opened and not closed, and what the page would load from elsewhere."""

    def __init__(self):
        super().__init__()
        self.open, self.loads, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)
        self.loads += [v for k, v in attrs if k in ("src", "href") and not v.startswith("data:")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_example_of_the_studies_readme_runs_and_says_what_made_it(ran):
    out, said = ran
    assert "2 of 2 comparisons with laws hold" in said
    command = "parabola_example.py --instances 5000 --steps 40 --backend numpy --seed 0"
    for page in ("report.md", "report.html"):
        text = (out / page).read_text()
        for fact in (command, "seed: 0", "numpy on", "numpy 2", "wall time: ", "coordinate-steps, ", "1/36"):
            assert fact in text, (page, fact)
    with open(out / "table.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["variance"]) == pytest.approx(1 / 36, rel=0.1)
    assert {path.name for path in (out / "data").iterdir()} == {"parabola.nc"}


def test_the_html_page_is_whole_fits_a_phone_and_loads_nothing(ran):
    page = (ran[0] / "report.html").read_text()
    outline = _Outline()
    outline.feed(page)
    assert not outline.open
    assert all(link.startswith("#") for link in outline.loads)
    assert '<meta name="viewport" content="width=device-width' in page
    assert page.count("<table>") == page.count('<div class="wide"><table>') == 2


def test_words_with_angles_and_bars_stay_words():
    table = (["a|b", "<i>"], [["x < 1", 0.5]])
    assert report.markdown(table).splitlines()[0] == "| a\\|b | <i> |"
    assert "<th>&lt;i&gt;</th>" in report.html_table(table)
    assert report.html_words("`a<b` & c") == "<code>a&lt;b</code> &amp; c"


def test_a_number_is_shown_with_its_interval_and_one_that_is_missing_as_nothing():
    rows = [{"k": 1, "m": 2.0, "m_lower": 1.0, "m_upper": 3.0, "none": math.nan, "half": np.float32(0.5)}]
    header, lines = report.table_of(rows)
    assert header == ["k", "m [interval]", "none", "half"]
    assert lines == [[1, "2 [1, 3]", rows[0]["none"], np.float32(0.5)]]
    assert [report.shown(cell) for cell in lines[0]] == ["1", "2 [1, 3]", "", "0.5"]


def test_a_study_that_says_nothing_or_has_no_question_is_refused(tmp_path):
    study = report.Study("mute", "", report.Size(1, 1), "numpy", 0, tmp_path)
    with pytest.raises(ValueError, match=r"mute: give study.keep a result and study.find"):
        study.finish()

    def run(study):
        pass

    with pytest.raises(ValueError, match="its docstring lacks Expected, Found, Question"):
        report.command(run, report.Size(2, 1), report.Size(2, 1))


# ---- all of them


def test_all_finds_the_studies_and_leaves_the_measurement_out():
    names = [path.stem for path in ALL.studies(STUDIES)]
    assert names[0] == "saddle_escape"
    assert "performance" not in names
    assert "all" not in names
    for path in ALL.studies(STUDIES):
        assert {"Question", "Expected", "Found"} <= report.parts(
            ALL.ast.get_docstring(ALL.ast.parse(path.read_text()))
        ).keys()


@pytest.mark.ci
def test_all_runs_each_lists_what_it_found_and_fails_where_one_fails(example, tmp_path, monkeypatch):
    folder, _ = example
    (folder / "wrong.py").write_text('"""No.\n\nQuestion. Why?\n"""\nraise SystemExit(3)\n')
    monkeypatch.setattr(ALL, "FOLDER", folder)
    monkeypatch.setattr(ALL, "studies", lambda: [folder / "parabola_example.py", folder / "wrong.py"])
    monkeypatch.setenv("PYTHONPATH", f"{STUDIES}{os.pathsep}{STUDIES.parent}")
    app = ALL.typer.Typer()
    app.command()(ALL.main)
    found = CliRunner().invoke(app, ["--quick", "--backend", "numpy", "--out", str(tmp_path)])
    assert found.exit_code == 1
    assert "2 of 2 laws hold" in found.output
    assert "exit status 3" in found.output
    for page in ("index.md", "index.html"):
        text = (tmp_path / page).read_text()
        assert "The variance is 0.02" in text
        assert "It did not reach its end." in text
        assert "all.py --backend numpy --seed 0 --quick" in text
    assert json.loads((tmp_path / "parabola_example" / "summary.json").read_text())["laws"] == 2
