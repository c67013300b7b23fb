"""The site: every public name has an entry, every block of code runs, every page of catalogue and gallery has its picture."""

import ast
import importlib
import inspect
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import ensemble as en
from ensemble import plots, report

pytest.importorskip("matplotlib")
from docs.make import catalogue, links, pages, reference, running, studies, thumbnails

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
EXAMPLES = {path.stem: path.read_text() for path in sorted((DOCS / "examples").glob("*.py"))}
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


# ---- the reference


def test_every_public_name_has_an_entry():
    public = {f"ensemble.{name}" for name in en.__all__ if not inspect.ismodule(getattr(en, name))}
    public |= {f"ensemble.statistics.{name}" for name in en.statistics.__all__ if name != "laws"}
    public |= {f"ensemble.statistics.laws.{name}" for name in reference.laws()}
    public |= {f"ensemble.plots.{name}" for name in plots.__all__}
    public |= {f"ensemble.report.{name}" for name in report.__all__}
    assert public <= reference.documented()


NAMES = {
    en: en.__all__, en.statistics: en.statistics.__all__, en.statistics.laws: reference.laws(), plots: plots.__all__,
    report: report.__all__,
}  # fmt: skip
FUNCTIONS = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module, names in NAMES.items()
    for name in names
    if inspect.isfunction(getattr(module, name)) and name not in en.algebra.__all__
}  # fmt: skip
NEVER_FAIL = {"ensemble.log_spaced", "ensemble.lin_spaced", "ensemble.plots.palette"}


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - NEVER_FAIL))
def test_every_function_says_which_errors_it_raises(name):
    text = inspect.getdoc(FUNCTIONS[name])
    assert re.search(r"\w+Error|Raises:|refuses|as `?\w+`?\.? ", text), text


@pytest.mark.parametrize("name", sorted(n for n in en.statistics.__all__ if n != "laws"))
def test_every_statistic_says_what_it_returns_and_in_which_shape_or_over_which_dimensions(name):
    text = inspect.getdoc(getattr(en.statistics, name))
    assert re.search(r"[Rr]eturn", text) or "As `" in text, text
    assert re.search(r"\([\w., |]+,\)|\(\w+, \w+\)|\.\.\., |over |one row|As `", text), text


def test_every_part_but_the_simplest_names_its_source():
    for kind in (en.Optimizer, en.Landscape):
        for part in catalogue.public_parts(kind):
            text = inspect.getdoc(part)
            sourced = re.search(
                r"\((19|20)\d\d\w?\)|\(\w+ et al\., (19|20)\d\d\)|arXiv|(19|20)\d\d|torch|optax|:class:", text
            )
            assert sourced or part.__name__ in PLAIN, part.__name__


PLAIN = {
    "AdaGradRMS", "RMSPropMomentum", "Booth", "Composed", "DegenerateSaddle", "DoubleWell", "Plateau", "Quadratic", "QuarticSaddle",
    "Rotated", "Scaled", "MultiWell", "LeastSquares", "LogisticRegression",
}  # fmt: skip
"""Formulas of a line, or made here: nobody's to cite."""


# ---- the catalogue


@pytest.mark.parametrize("kind", list(catalogue.KINDS), ids=lambda kind: kind.__name__)
def test_every_part_of_the_catalogue_can_be_drawn(kind):
    """The whole drawing is a slow test; what is drawn must be known for all."""
    listed = getattr(thumbnails, f"{kind.__name__.upper()}S")
    assert set(listed) <= {part.__name__ for part in catalogue.public_parts(kind)}, "a picture of a part that is gone"
    page = catalogue.page(kind)
    for part in catalogue.public_parts(kind):
        assert f"pictures/{part.__name__}.png" in page
        assert f"autoclass:: ensemble.{part.__name__}" in page


@pytest.mark.parametrize(
    "part",
    [
        pytest.param((kind, part), marks=[] if kind is en.Schedule else pytest.mark.slow, id=part.__name__)
        for kind in catalogue.KINDS
        for part in catalogue.public_parts(kind)
    ],
)
def test_every_picture_of_the_catalogue_shows_something(part, tmp_path):
    thumbnails.save(*part, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 4_000


# ---- pages, examples, notebooks

PAGES = pages.scripts()
SOME = {"concepts-events"}
"""Run by default; the site's build and the slow tests run all."""


@pytest.mark.ci
@pytest.mark.parametrize("name", [n if n in SOME else pytest.param(n, marks=pytest.mark.slow) for n in PAGES])
def test_every_block_of_code_of_a_page_runs_and_draws_what_the_page_shows(name, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    running.run(PAGES[name], folder)
    page = DOCS / f"{name.replace('-', '/', 1)}.md" if "-" in name else DOCS / f"{name}.md"
    for picture in re.findall(rf"/_made/pages/{name}/([\w.]+)", page.read_text()):
        assert (folder / picture).exists(), picture


def test_there_are_twenty_examples_of_at_most_forty_lines():
    assert len(EXAMPLES) >= 20
    for name, code in EXAMPLES.items():
        assert len(code.splitlines()) <= 40, name
        title, blank, *text = ast.get_docstring(ast.parse(code)).splitlines()
        assert title
        assert not blank
        assert text


@pytest.mark.ci
@pytest.mark.parametrize("name", [n if n == "edge" else pytest.param(n, marks=pytest.mark.slow) for n in EXAMPLES])
def test_an_example_runs_and_draws(name, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    running.run(EXAMPLES[name], folder)
    assert list(folder.glob("*.png")) or list(folder.glob("*.gif"))


def test_every_study_has_a_page_and_ten_have_a_picture():
    listed = studies.listed()
    assert sum(bool(picture) for _, _, picture in listed) >= 10
    for name, _, picture in listed:
        assert "## Found" in studies.page(name, picture), name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[0].source.startswith("# ")
    assert not [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_its_results_and_pictures_show_by_themselves(path):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    lessons = importlib.import_module("docs.make.lessons")
    outputs = [output for cell in lessons.executed(path).cells for output in cell.get("outputs", [])]
    shown = [data for output in outputs if (data := output.get("data"))]
    assert any("image/png" in data for data in shown)
    assert any("text/html" in data or "text/plain" in data for data in shown)
    assert not [output for output in outputs if output.get("name") == "stderr"]


# ---- links


def test_pages_link_to_pages_that_are_there():
    made = ("catalogue/", "gallery/", "reference/", "lessons/", "studies/")
    for page in [*DOCS.glob("*.md"), *DOCS.glob("how/*.md"), *DOCS.glob("concepts/*.md")]:
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[\w-]+)?\)", page.read_text()):
            target = DOCS / link.lstrip("/") if link.startswith("/") else page.parent / link
            inside = (
                target.resolve().relative_to(DOCS.resolve()).as_posix() if target.resolve().is_relative_to(DOCS) else ""
            )
            if not inside.startswith((*made, "_made/")):
                assert target.exists(), f"{page.name}: {link}"


def test_a_broken_link_of_the_built_site_is_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="here">A</h1><a href="b.html#there">b</a><a href="#here">a</a><img src="c.png">'
    )
    (tmp_path / "b.html").write_text(
        '<p id="there">B</p><a href="a.html#nowhere">a</a><a href="https://example.org/x">x</a>'
    )
    assert sorted(links.broken(tmp_path)) == ["a.html: c.png is not there", "b.html: a.html#nowhere has no such place"]


@pytest.mark.slow
def test_docstrings_are_taken_as_they_stand():
    pytest.importorskip("sphinx")
    sys.path.insert(0, str(DOCS))
    try:
        conf = importlib.import_module("conf")
    finally:
        sys.path.remove(str(DOCS))
    assert conf.prose("where |x| <= `radius`, x_t and 2*y") == r"where \|x\| <= ``radius``, x_t and 2\*y"
    assert conf.prose("``|x|`` and :class:`Adam`") == "``|x|`` and :class:`Adam`"


# ---- the explorer


def test_the_explorer_makes_every_column_of_the_optimizers_that_it_shows(monkeypatch):
    """Its script says again what a class's ``tables`` say: a column that it lacks would end the page."""
    monkeypatch.syspath_prepend(str(DOCS / "explorer"))
    shown = importlib.import_module("shown")
    made = set(re.findall(r"^  (\w+): \(p", (DOCS / "explorer" / "engine.js").read_text(), re.MULTILINE))
    assert len(made) >= 7
    for name, optimizer, *_ in shown.OPTIMIZERS:
        tables = getattr(optimizer, "tables", None)
        assert set(tables(np.array([1.0, 2.0])) if tables else ()) <= made, name
