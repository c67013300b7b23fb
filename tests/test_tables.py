"""Tables of what was found: every interval beside its number, in pandas and in LaTeX."""

import re

import numpy as np
import pytest

import ensemble as en
from ensemble import plots
from ensemble.statistics import escape_rate, shares, survival, to_dataframe, to_latex

COMMON = {
    "landscape": en.QuarticSaddle(dim=9),
    "noise": en.Gaussian(0.1),
    "start": en.NormalCloud(0.1),
    "event": en.LeftBall(0.8),
    "instances": 40,
    "steps": 40,
    "backend": "numpy",
}


@pytest.fixture(scope="module")
def swept():
    return en.simulate(optimizer=en.GradientDescent(en.grid(0.1, 0.2)), **COMMON, record=en.Record("value", at=[0, 40]))


def test_a_row_of_runs_is_an_instance_with_what_happened_to_it(swept):
    frame = to_dataframe(swept)
    assert list(frame.columns[:3]) == ["lr", "instance", "event_step"]
    assert len(frame) == 80
    one = frame[(frame["lr"] == 0.2) & (frame["instance"] == 7)]["event_step"].item()
    assert one == int(swept.dataset["event_step"].sel(lr=0.2, instance=7))
    along = to_dataframe(swept, ["value"])
    assert len(along) == 160
    assert set(along.columns) == {"lr", "instance", "step", "value"}


def test_limits_stand_beside_their_number(swept):
    for found in (survival(swept), escape_rate(swept), shares(swept)):
        columns = list(to_dataframe(found).columns)
        for name in columns:
            if f"{name}_lower" in columns:
                at = columns.index(name)
                assert columns[at : at + 3] == [name, f"{name}_lower", f"{name}_upper"]
    columns = list(to_dataframe(shares(swept)).columns)
    at = columns.index("share")
    assert columns[at : at + 3] == ["share", "lower", "upper"]


def test_every_cell_in_latex_is_the_number_with_its_interval(swept):
    found = survival(swept)
    text = to_latex(found, ["median", "n"], words={"lr": r"$\eta$"})
    assert text.startswith("\\begin{tabular}{rrr}\n\\toprule\n$\\eta$ & median & n \\\\\n")
    rows = re.findall(r"^([0-9.]+) & (\S+) \[(\S+), (\S+)\] & (\d+) \\\\$", text, re.MULTILINE)
    assert len(rows) == 2
    for k, (lr, middle, low, high, n) in enumerate(rows):
        assert float(lr) == found["lr"][k]
        wanted = [float(found[name][k]) for name in ("median", "median_lower", "median_upper")]
        np.testing.assert_allclose([float(middle), float(low), float(high)], wanted, rtol=5e-3)
        assert int(n) == 40


def test_one_configuration_is_one_row():
    found = survival(en.simulate(optimizer=en.GradientDescent(0.1), **COMMON))
    assert len(to_dataframe(found)) == 1
    assert to_latex(found, ["median"]).count(r"\\") == 2


def test_what_latex_reads_as_commands_is_written_out(swept):
    found = shares(swept).assign_coords(outcome=["a_b & 5 %", "$x^2$ {y}", "#~\\"])
    text = to_latex(found)
    assert r"a\_b \& 5 \%" in text
    assert r"\$x\textasciicircum{}2\$ \{y\}" in text
    assert r"\#\textasciitilde{}\textbackslash{}" in text
    nothing = survival(en.simulate(optimizer=en.GradientDescent(0.0), **COMMON))
    assert "-- \\\\" in to_latex(nothing, ["median"]) or "-- [" in to_latex(nothing, ["median"])


@pytest.mark.parametrize("bad", [
    lambda r: to_dataframe(3), lambda r: to_dataframe(r, "value"), lambda r: to_dataframe(r, ["nobody"]), lambda r: to_dataframe(r, []),
    lambda r: to_dataframe(survival(r), ["survival", "x"]), lambda r: to_latex(r.dataset[["horizon"]]),
    lambda r: to_latex(survival(r), digits=0), lambda r: to_latex(survival(r), words={"z": "w"}), lambda r: to_latex(survival(r), [3]),
    lambda r: to_dataframe(survival(r), ["quantile", "survival"]),
])  # fmt: skip
def test_what_is_no_table_is_refused_in_one_line(bad, swept):
    with pytest.raises(ValueError, match=r"to_(dataframe|latex)") as error:
        bad(swept)
    assert "\n" not in str(error.value)


# ---- pictures of everything, and their looks


def test_numbers_at_risk_are_those_of_the_curve(swept):
    found = survival(swept)
    figure = plots.survival(swept, numbers_at_risk=True)
    under = figure.axes[1]
    written = [(t.get_position(), t.get_text()) for t in under.texts if t.get_text() != "at risk"]
    assert len(written) >= 6
    for (tick, line), text in written:
        times = swept.dataset["event_step"][int(line)].to_numpy()
        at_risk = np.count_nonzero((times >= tick) | (times < 0))
        assert int(text.replace(",", "")) == at_risk
    assert figure.rows == plots.survival(swept).rows
    assert found.sizes["lr"] == 2


def test_a_page_has_a_panel_for_all_that_there_is(swept):
    page = plots.compare_all(swept)
    kinds = {row["panel"] for row in page.rows}
    assert len(kinds) == 5  # shares, survival, running times, medians against lr, values
    drawn = [{k: v for k, v in row.items() if k != "panel"} for row in page.rows if row["panel"] == 2]
    assert drawn == plots.survival(swept).rows
    with pytest.raises(ValueError, match="give one result"):
        plots.compare_all({"a": swept, "b": swept})
    with pytest.raises(ValueError, match="no runs"):
        plots.compare_all(survival(swept))


def test_a_style_holds_for_the_pictures_made_from_then_on(swept, tmp_path):
    before = plots.survival(swept)
    try:
        plots.style("talk")
        talk = plots.survival(swept)
        plots.style("paper")
        paper = plots.survival(swept)
    finally:
        plots.style()
    assert talk.get_figwidth() > before.get_figwidth() == plots.survival(swept).get_figwidth()
    assert talk.axes[0].xaxis.label.get_size() > before.axes[0].xaxis.label.get_size()
    assert paper.axes[0].xaxis.label.get_family() == ["serif"]
    for k, figure in enumerate((before, talk, paper)):
        assert plots.save(figure, tmp_path / f"{k}.png")[0].stat().st_size > 5000
    with pytest.raises(ValueError, match="'standard', 'paper', 'talk'"):
        plots.style("poster")


def test_a_picture_that_no_window_can_show_says_to_save_it(swept):
    with pytest.raises(RuntimeError, match=r"plots.save\(figure"):
        plots.survival(swept).show()


# ---- names that other libraries have


@pytest.mark.parametrize(("call", "hint"), [
    (lambda: en.Adam(learning_rate=1e-3), "give lr="), (lambda: en.Adam(betas=(0.9, 0.999)), "give beta1= and beta2="),
    (lambda: en.HeavyBall(0.1, momentum=0.9), "give beta="), (lambda: en.Adam(epsilon=1e-8), "give eps="),
    (lambda: en.AdamW(wd=0.1), "give weight_decay="), (lambda: en.Gaussian(std=0.1), "give sigma="),
    (lambda: en.Quadratic(1.0, n=3), "give dim="), (lambda: en.Adam(colour=1), "it has lr=, beta1="),
    (lambda: en.NoNoise(a=1), "takes none"),
])  # fmt: skip
def test_an_argument_by_another_librarys_name_is_answered_with_ours(call, hint):
    with pytest.raises(TypeError, match=hint):
        call()


@pytest.mark.parametrize(("name", "hint"), [
    ("SGD", "GradientDescent"), ("RMSprop", "RMSProp"), ("Adagrad", "AdaGrad"), ("adam", "Adam"), ("heavyball", "HeavyBall"),
])  # fmt: skip
def test_a_part_by_another_librarys_name_is_answered_with_ours(name, hint):
    with pytest.raises(AttributeError, match=f"give {hint}"):
        getattr(en, name)


def test_a_backend_by_another_name_is_answered_with_ours():
    with pytest.raises(ValueError, match="backend='gpu': give 'cuda'"):
        en.simulate(optimizer=en.Adam(), **COMMON | {"backend": "gpu"})


def test_the_package_lists_what_there_is_to_use():
    assert {"plots", "statistics", "simulate", "Adam"} <= set(dir(en))
    assert not {"tracing", "classes", "words", "backends"} & set(dir(en))
    assert en.plots is plots
