"""Pages of one's own, and the page that a result makes of itself."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import ensemble as en
from ensemble import plots
from ensemble.report import Check, Report, write
from ensemble.report.words import html_words

RUN = {
    "landscape": en.QuarticSaddle(dim=9),
    "noise": en.Gaussian(0.1),
    "start": en.NormalCloud(0.1),
    "event": en.LeftBall(0.8),
    "instances": 40,
    "steps": 60,
    "backend": "numpy",
}


@pytest.fixture(scope="module")
def result():
    rules = {"SGD": en.GradientDescent(en.grid(0.05, 0.1)), "Adam": en.Adam(en.grid(0.05, 0.1))}
    return en.compare(rules, **RUN, record=en.Record("value", at=[0, 10, 60]))


def test_a_result_makes_its_page(result, tmp_path):
    path = write(result, tmp_path / "page")
    assert path == tmp_path / "page" / "report.html"
    page, text = path.read_text(), (path.parent / "report.md").read_text()
    assert page.index('class="headline"') < page.index("<figure>") < page.index("<nav>") < page.index("<h2")
    assert "data:image/png;base64," in page
    for words in (
        "SGD, Adam on QuarticSaddle",
        "Shares of 40 instances in each of 4 configurations",
        "LeftBall(radius=0.8",
    ):
        assert words in text
    shares = en.statistics.shares(result)["share"].sel(outcome="event 1")
    low, high = float(shares.min()), float(shares.max())
    assert f"event 1 {low:.3g} to {high:.3g}" in text
    median = float(en.statistics.survival(result)["median"].sel(optimizer="SGD", lr=0.1))
    assert f"| {median:.4g} [" in text
    assert "share [interval]" in text
    assert "seed: 0" in text


def test_a_file_makes_the_same_page(result, tmp_path):
    result.save(tmp_path / "runs.nc")
    for folder, given in (("a", result), ("b", tmp_path / "runs.nc")):
        write(given, tmp_path / folder, title="T")
    assert (tmp_path / "a" / "report.md").read_text() == (tmp_path / "b" / "report.md").read_text()


def test_a_run_without_events_has_its_page(tmp_path):
    one = en.simulate(**RUN | {"event": None}, optimizer=en.Adam(0.05))
    text = write(one, tmp_path, title="Nothing happens").parent.joinpath("report.md").read_text()
    assert "# Nothing happens" in text
    assert "censored 1" in text
    assert "Escape times" not in text


def test_a_page_of_ones_own_says_the_headline_first_and_failed_laws_on_top(result, tmp_path):
    page = Report("Do they leave?", tmp_path, question="Does $x$ leave?", expected="At `once`.")
    page.say("They do.")
    page.say("All of them.")
    page.draw("curves", plots.survival(result), "Survival")
    figure = Figure()
    figure.subplots().plot([0, 1])
    page.draw("own", figure, "A figure that knows nothing of us")
    page.check(Check.equal("one", 1.0, 1.0), Check.equal("two", 1.0, 2.0))
    page.table("Many", [{"n": k, "square": k * k} for k in range(40)])
    page.table("Frame", pd.DataFrame({"m": [1.0], "m_lower": [0.5], "m_upper": [2.0]}))
    page.table("Means", en.statistics.mean(result, "value", at=[60]))
    page.made_by(result)
    html = page.write().read_text()
    assert html.index("They do.") < html.index("<figure>") < html.index("law fails: two") < html.index("<nav>")
    assert html.index("All of them.") > html.index(">Findings</h2>")
    laws = html[html.index(">Laws</h2>") :]
    assert laws.index("<th>holds</th>") < laws.index("<th>check</th>")
    assert laws.index("<td>NO</td>") < laws.index("<td>yes</td>")
    assert "<summary>40 lines</summary>" in html
    assert "<math" in html
    assert "1 [0.5, 2]" in html
    assert "mean [interval]" in html
    for name in ("curves.png", "curves.svg", "curves.csv", "own.png", "own.svg", "report.md"):
        assert (tmp_path / name).stat().st_size > 0
    for heading in ("Question", "Expected law", "Findings", "Pictures", "Laws", "Many", "Frame", "How it was made"):
        assert html.count(f">{heading}</a>") == html.count(f">{heading}</h2>") == 1


def test_words_between_dollars_are_formulas_and_money_is_not():
    assert html_words(r"$\sqrt{x}$ is").startswith("<math")
    assert "<math" not in html_words("from $5 to $6 a day")
    assert html_words("`$x$`") == "<code>$x$</code>"
    assert html_words("$a < b$").count("<math") == 1


def test_what_is_no_formula_is_refused_by_name():
    with pytest.raises(ValueError, match=r"x\^.*no formula.*give another"):
        html_words("$x^$")


@pytest.mark.ci
def test_a_page_needs_no_package_for_formulas():
    code = (
        "import sys; import importlib.util as u; u.find_spec = lambda name: None\n"
        "from ensemble.report.words import html_words\n"
        "assert html_words('$x<1$') == '<code>x&lt;1</code>', html_words('$x<1$')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda page: Report("", "x"), "title=''.*give words"),
        (lambda page: Report("T", ""), "folder=''.*give the name of a folder"),
        (lambda page: Report("T", "x", question=3), "question=3.*give a sentence"),
        (lambda page: page.say(3), "sentence=3.*give words"),
        (lambda page: page.draw("a/b", Figure(), "c"), "name='a/b'.*give a name"),
        (lambda page: page.draw("a", "b", "c"), "figure='b'.*give a figure"),
        (lambda page: page.draw("a", Figure(), ""), "caption=''.*give words"),
        (lambda page: page.check(True), "True.*Check"),
        (lambda page: page.table("a", []), r"data=\[\].*give a dataset"),
        (lambda page: page.table("a", 3), "data=3.*give a dataset"),
        (lambda page: page.table("", [{"a": 1}]), "heading=''.*give words"),
        (lambda page: page.made_by(3), "3.*give results"),
        (lambda page: page.made_by(), "give results"),
        (lambda page: page.write(), "say a sentence or draw"),
        (lambda page: write(3, "x"), "result=3.*give a result"),
    ],
)
def test_what_is_no_page_is_refused(call, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=words) as refused:
        call(Report("T", tmp_path / "page"))
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_numbers_of_any_kind_are_shown(tmp_path):
    page = Report("T", tmp_path)
    page.say("x")
    page.table("kinds", [{"a": np.float32(0.5), "b": np.int64(3), "c": True, "d": None, "e": "|"}])
    assert "| 0.5 | 3 | True |  | \\| |" in page.write().with_suffix(".md").read_text()
