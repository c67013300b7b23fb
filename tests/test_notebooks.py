"""What notebooks show: results and plans as tables, progress as a bar that is gone at the end."""

import sys
import types

import pytest

import ensemble as en
from ensemble.run import notebook
from ensemble.run.progress import Reporter

GIVEN = {
    "landscape": en.QuarticSaddle(dim=16),
    "start": en.NormalCloud(0.01),
    "noise": en.Gaussian(0.1),
    "event": en.LeftBall(0.5),
    "instances": 40,
    "steps": 200,
    "backend": "numpy",
}


def test_a_result_shows_its_parts_its_outcomes_and_its_dataset():
    rules = {"SGD": en.GradientDescent(en.grid(0.01, 0.03)), "Adam": en.Adam(0.02)}
    shown = en.compare(rules, **GIVEN)._repr_html_()
    assert "120 instances of dim 16" in shown
    assert shown.count("<code>QuarticSaddle(dim=16") == 1, "what all share is said once"
    assert "optimizer (SGD)" in shown
    assert "optimizer (Adam)" in shown
    assert "SGD, lr = 0.03" in shown
    assert "40 with event" in shown
    assert "<details>" in shown


def test_many_configurations_are_cut_and_counted():
    rates = en.grid(*[0.001 * k for k in range(1, 21)])
    shown = en.simulate(**GIVEN | {"instances": 2, "steps": 5}, optimizer=en.GradientDescent(rates))._repr_html_()
    assert "and 8 more configurations" in shown


def test_what_a_part_s_text_holds_is_shown_letter_by_letter():
    rates = {"<b>bold</b>": en.GradientDescent(0.01)}
    shown = en.compare(rates, **GIVEN | {"steps": 5})._repr_html_()
    assert "<b>bold</b>" not in shown
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown


def test_a_plan_shows_as_a_table():
    shown = en.simulate(**GIVEN, optimizer=en.Adam(0.01), plan_only=True)._repr_html_()
    assert "<b>Plan</b>: 1 configurations x 40 instances x 16 coordinates" in shown
    assert "memory" in shown
    assert "batches" in shown


@pytest.fixture
def kernel(monkeypatch):
    """IPython as a kernel of Jupyter has it, and what is displayed in it."""
    shown = []
    module, display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    module.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    display.display = lambda data, display_id, raw: shown.append(("display", display_id, data))
    display.update_display = lambda data, display_id, raw: shown.append(("update", display_id, data))
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(notebook, "PATIENCE", 0.0)
    monkeypatch.setattr(notebook, "PAUSE", 0.0)
    return shown


def test_progress_is_one_bar_in_a_notebook_and_gone_at_the_end(kernel):
    en.simulate(**GIVEN, optimizer=en.Adam(0.01))
    assert kernel, "a bar was shown"
    assert [what for what, _, _ in kernel[1:]] == ["update"] * (len(kernel) - 1)
    assert len({name for _, name, _ in kernel}) == 1
    assert "<progress" in kernel[0][2]["text/html"]
    assert kernel[-1][2]["text/html"] == ""


def test_a_notebook_is_silent_where_asked_and_about_short_runs(kernel, monkeypatch):
    en.simulate(**GIVEN, optimizer=en.Adam(0.01), progress=False)
    monkeypatch.setattr(notebook, "PATIENCE", 60.0)
    en.simulate(**GIVEN, optimizer=en.Adam(0.01))
    assert not kernel


def test_outside_of_notebooks_there_is_no_bar(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: None))
    assert not notebook.in_notebook()
    with Reporter(None, "", 10) as reporter:
        reporter.update(5, 1, 0, 0)
