"""Pictures: what they say in words and numbers, without looking at pixels."""

from __future__ import annotations

import csv
import subprocess
import sys

import numpy as np
import pytest
from figure_texts import stand_clear
from matplotlib.figure import Figure
from simulated_runs import geometric, runs

import ensemble as en
from ensemble import plots
from ensemble.statistics import survival

KINDS = ("curve", "kind", "x", "y", "lower", "upper")


def swept(horizon=60, **attributes):
    """300 instances at each of three rates, geometric escape."""
    time = geometric(0.1, (3, 300)) * np.array([[1], [2], [4]])
    return runs(time, horizon, dims=("lr", "instance"), coords={"lr": [0.1, 0.2, 0.4]}, **attributes)


def compared():
    """Two optimizers."""
    time = geometric(0.05, (2, 400))
    return runs(time, 200, dims=("optimizer", "instance"), coords={"optimizer": ["SGD", "Adam"]})


def legend(figure):
    return [t.get_text() for t in figure.legends[0].get_texts()]


def test_survival_draws_every_curve_with_its_band_and_says_n_and_confidence():
    figure = plots.survival(compared(), confidence=0.9)
    (axes,) = figure.axes
    assert axes.get_xlabel() == "step t"
    assert "P(T > t)" in axes.get_ylabel()
    assert axes.get_title(loc="left") == "n = 400; bands 90 %, pointwise"
    assert legend(figure) == ["SGD", "Adam"]
    found = survival(compared(), confidence=0.9, max_steps=600).sel(optimizer="Adam")
    own = [row for row in plots.table(figure) if row["curve"] == "Adam"]
    for column, name in (("x", "step"), ("y", "survival"), ("lower", "lower"), ("upper", "upper")):
        np.testing.assert_array_equal([row[column] for row in own], found[name])
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), found["survival"])
    assert len(axes.collections) == 2


def test_laws_of_curves_share_one_name_and_others_have_their_own():
    law = (np.arange(5), 0.5 ** np.arange(5))
    figure = plots.survival(compared(), laws={"SGD": law, "Adam": law, "a guess": law}, law_name="exact law", log=True)
    assert legend(figure) == ["SGD", "Adam", "exact law", "a guess"]
    rows = [row for row in plots.table(figure) if row["kind"] == "law"]
    assert [row["y"] for row in rows] == [1.0, 0.5, 0.25, 0.125, 0.0625] * 3
    assert figure.axes[0].get_xscale() == "log"


def test_check_every_and_the_diverged_are_stated():
    diverged = np.full(300, -1)
    diverged[:7] = 5
    data = runs(np.full(300, 8), 60, check_every=4, diverged_step=diverged)
    said = plots.survival(data).axes[0].get_title(loc="left").replace("\n", " ")
    assert said == "n = 300; bands 95 %, pointwise; 7 diverged; events checked every 4 steps"


def test_against_draws_medians_with_intervals_and_the_law():
    law = ([0.1, 0.2, 0.4], [7.0, 14.0, 28.0])
    figure = plots.against({"SGD": swept()}, "lr", laws={"SGD": law}, x_label="learning rate")
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("learning rate", "median of T (steps)")
    assert axes.get_title(loc="left") == "n = 300; bars 95 %"
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0.1", "0.2", "0.4"]
    found = survival(swept())
    own = [row for row in plots.table(figure) if row["kind"] == "data"]
    for column, name in (("x", "lr"), ("y", "median"), ("lower", "median_lower"), ("upper", "median_upper")):
        np.testing.assert_array_equal([row[column] for row in own], found[name])
    assert legend(figure) == ["SGD", "law"]
    same = plots.table(plots.against({"SGD": found}, "lr", laws={"SGD": law}))
    np.testing.assert_equal(same, plots.table(figure))


def test_a_median_beyond_the_horizon_is_left_out_and_the_figure_says_so():
    figure = plots.against(swept(horizon=20), "lr")
    assert "left out: fewer than half escaped" in figure.axes[0].get_title(loc="left").replace("\n", " ")
    assert np.isnan(plots.table(figure)[-1]["y"])


@pytest.mark.parametrize("dim", ["instance", "optimizer", "nothing"])
def test_against_refuses_what_is_not_a_swept_number(dim):
    with pytest.raises(ValueError, match="give a dimension with numbers"):
        plots.against(compared(), dim)


def test_fields_swept_together_are_named_together():
    coords = {"lr": ("lr_beta", [0.1, 0.2]), "beta": ("lr_beta", [0.9, np.nan]), "optimizer": ("lr_beta", ["a", "b"])}
    figure = plots.survival(runs(geometric(0.1, (2, 50)), 90, dims=("lr_beta", "instance"), coords=coords))
    assert legend(figure) == ["lr = 0.1, beta = 0.9, a", "lr = 0.2, b"]


@pytest.fixture(scope="module")
def recorded():
    return en.simulate(
        landscape=en.QuarticSaddle(dim=2),
        optimizer=en.GradientDescent(0.05),
        start=en.NormalCloud(0.3),
        record=en.Record(["x"], at=range(4)),
        instances=3,
        steps=3,
        backend="numpy",
    )


def test_paths_have_a_panel_each_with_labelled_axes_and_n(recorded):
    figure = plots.paths(en.QuarticSaddle(dim=2), {"GD": recorded, "an array": np.ones((5, 2))})
    left, right, bar = figure.axes
    assert (left.get_title(), right.get_title()) == ("GD, n = 3", "an array, n = 1")
    assert (left.get_xlabel(), left.get_ylabel(), right.get_xlabel(), right.get_ylabel()) == (
        "$x_1$",
        "$x_2$",
        "$x_1$",
        "",
    )
    assert bar.get_ylabel() == "f(x)"
    drawn = np.array([[row["x"], row["y"]] for row in plots.table(figure) if row["curve"] == "GD"])
    np.testing.assert_array_equal(drawn.reshape(3, 4, 2), recorded.dataset["path"])
    np.testing.assert_array_equal(np.stack(left.lines[0].get_data(), axis=1), recorded.dataset["path"][0])


def test_paths_take_a_replay_and_refuse_what_holds_none(recorded):
    replayed = en.replay(recorded, instance=1)
    assert len(plots.table(plots.paths(en.QuarticSaddle(dim=2), replayed))) == 4
    with pytest.raises(ValueError, match=r"run with record=Record\(\['x'\]"):
        plots.paths(en.QuarticSaddle(dim=2), recorded.dataset.drop_vars("path"))
    with pytest.raises(ValueError, match=r"shape \(4, 3\)"):
        plots.paths(en.QuarticSaddle(dim=2), np.ones((4, 3)))
    with pytest.raises(ValueError, match="3 coordinates; give one of two"):
        plots.paths(en.QuarticSaddle(dim=3), np.ones((4, 3)))


@pytest.mark.parametrize(
    "landscape",
    [en.Quadratic([1.0, -2.0]), en.QuarticSaddle(dim=2), en.Rosenbrock(dim=2), en.DoubleWell(dim=2)],
    ids=lambda landscape: type(landscape).__name__,
)
def test_every_landscape_of_two_coordinates_has_contours(landscape):
    figure = plots.paths(landscape, np.array([[-1.0, -1.0], [0.5, 1.0]]))
    assert len(figure.axes[0].collections) == 2


def test_save_writes_the_pictures_and_exactly_the_data_drawn(tmp_path):
    figure = plots.survival(compared())
    written = plots.save(figure, tmp_path / "a.curve")
    assert [path.name for path in written] == ["a.curve.png", "a.curve.svg", "a.curve.csv"]
    assert written[0].read_bytes()[1:4] == b"PNG"
    assert b"<svg" in written[1].read_bytes()[:500]
    with open(written[2], newline="") as file:
        rows = [{k: v if k in KINDS[:2] else float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    np.testing.assert_equal(rows, plots.table(figure))
    again = [path.read_bytes() for path in written]
    assert again == [path.read_bytes() for path in plots.save(plots.survival(compared()), tmp_path / "a.curve")]


def test_a_file_is_drawn_like_the_result_it_was_saved_from(tmp_path):
    result = en.simulate(
        landscape=en.QuarticSaddle(dim=2),
        optimizer=en.GradientDescent(lr=en.grid(0.1, 0.2)),
        start=en.NormalCloud(0.1),
        event=en.LeftBall(0.5),
        instances=20,
        steps=60,
        backend="numpy",
    )
    figure = plots.survival(str(result.save(tmp_path / "run.nc")))
    assert legend(figure) == ["lr = 0.1", "lr = 0.2"]
    np.testing.assert_equal(plots.table(figure), plots.table(plots.survival(result)))


def test_a_label_looks_the_same_in_every_figure_and_eight_labels_look_different():
    places = plots.palette(["GD", "SGD", "Adam"])
    first = plots.survival(compared(), places=places).axes[0].lines[1]
    second = plots.against({"Adam": swept()}, "lr", places=places).axes[0].lines[0]
    assert first.get_color() == second.get_color()
    many = plots.survival(runs(geometric(0.1, (8, 20)), 90, dims=("k", "instance"), coords={"k": range(8)}))
    assert len({(line.get_color(), str(line._dash_pattern)) for line in many.axes[0].lines}) == 8


SIX = ("AdaGrad", "GD", "heavy ball", "Adam", "sign", "RMSProp")  # of which four columns are a little too wide


def test_no_text_of_a_figure_overlaps_another():
    law = ([0.1, 0.2, 0.4], [7.0, 14.0, 28.0])
    figures = [
        plots.survival(compared(), laws={"SGD": (np.arange(9), np.ones(9))}, log=True),
        plots.against(
            {name: swept(check_every=2) for name in ("SGD", "heavy ball", "perturbed GD")}, "lr", laws={"SGD": law}
        ),
        plots.against({name: swept() for name in SIX}, "lr", laws={"GD": law}),
        plots.paths(en.QuarticSaddle(dim=2), {name: np.eye(2) for name in "abcd"}),
    ]
    for figure in figures:
        stand_clear(figure)


def test_a_foreign_figure_is_refused():
    with pytest.raises(ValueError, match="was not made here"):
        plots.table(Figure())


@pytest.mark.ci
def test_without_matplotlib_the_remedy_is_named_and_the_rest_of_the_package_works():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import ensemble\n"
        "try: import ensemble.plots\n"
        "except ImportError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "pictures need matplotlib: pip install 'descent-ensemble[studies]'\n"
