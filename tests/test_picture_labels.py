"""Curves, bars, panels and ticks: as many as there are configurations, each under a name that tells it apart and that is seen."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from simulated_runs import geometric, runs

import ensemble as en
from ensemble import plots
from ensemble.plots.labels import short
from ensemble.statistics import escape_rate, shares

NEAR = {
    "beta2": [0.99, 0.9999999, 0.99999999],
    "t_thres": [1_000_000, 1_000_001, 1_000_002],
    "lr": [1.0, np.nextafter(1.0, 2.0), 2.0],
    "twice": [0.5, 0.5, 0.5],
}
"""Values that six digits do not tell apart, and one that is given again and again."""


def swept(field):
    """300 instances at each of three values, two events, with what pictures look at."""
    time = geometric(0.1, (3, 300)) * np.array([[1], [2], [4]])
    found = runs(time, 60, dims=(field, "instance"), coords={field: NEAR[field]}, event=np.where(time % 2, 1, 2))
    steps = np.arange(4)
    size = np.ones((3, 300, 1)) * np.array([1.0, 2.0, 4.0])[:, None, None] * 0.5**steps
    found["value"] = ((field, "instance", "step"), size + np.linspace(0, 0.1, 300)[:, None])
    found["sharpness"] = ((field, "instance"), np.arange(900.0).reshape(3, 300))
    return found.assign_coords(step=steps)


def rates(field):
    return escape_rate(swept(field)).expand_dims({"temperature": [0.1, 0.2]}).copy()


def map_of(field):
    values = np.arange(12.0).reshape(3, 2, 2)
    return xr.Dataset({"median": ((field, "a", "b"), values)}, {field: NEAR[field], "a": [1, 2], "b": [1, 2]})


def indices(field):
    index = np.tile(np.arange(300) % 3, (3, 1))
    variables = {"saddle_index": ((field, "instance"), index), "final_value": ((field, "instance"), 1.0 + index)}
    return xr.Dataset(variables, {field: NEAR[field]}, {"dim": 4})


DRAWN = {
    "survival": lambda field: plots.survival(swept(field)),
    "ecdf": lambda field: plots.ecdf(swept(field)),
    "fan": lambda field: plots.fan(swept(field), "value"),
    "curves": lambda field: plots.curves(swept(field).mean("instance"), "value", "step"),
    "bars": lambda field: plots.bars(shares(swept(field))),
    "violins": lambda field: plots.violins(swept(field), "sharpness"),
    "arrhenius": lambda field: plots.arrhenius(rates(field)),
    "against": lambda field: plots.against(swept(field).expand_dims(sigma=[0.1, 0.2]), "sigma"),
    "index_against_loss": lambda field: plots.index_against_loss(indices(field)),
}
ONE_OF_EACH = {"against_drawn", "heat_map", "paths", "plane", "spectrum", "animate"}
"""Pictures whose labels are the user's own, or that have panels (tested below)."""


def test_every_picture_of_configurations_is_among_those_tested():
    others = {"COLUMN", "DOUBLE", "Picture", "Plane", "compare_all", "palette", "save", "style", "table"}
    assert set(plots.__all__) - others == set(DRAWN) | ONE_OF_EACH


@pytest.mark.parametrize("field", NEAR)
@pytest.mark.parametrize("picture", DRAWN)
def test_every_configuration_is_drawn_under_a_name_of_its_own(picture, field):
    figure = DRAWN[picture](field)
    curves = list(dict.fromkeys(row["curve"] for row in plots.table(figure)))
    assert len(curves) == 3
    if figure.legends:
        assert len({text.get_text() for text in figure.legends[0].get_texts()} & set(curves)) == 3 or picture == "bars"


@pytest.mark.parametrize("field", NEAR)
def test_every_panel_and_every_tick_is_named_apart(field):
    figure = plots.heat_map(map_of(field), "a", "b", "median")
    titles = [axes.get_title() for axes in figure.axes if axes.get_visible() and axes.get_title()]
    assert len(set(titles)) == 3
    one = map_of(field).isel(b=0, drop=True)
    ticks = [text.get_text() for text in plots.heat_map(one, field, "a", "median").axes[0].get_xticklabels()]
    assert len(set(ticks)) == (1 if field == "twice" else 3)


@pytest.mark.parametrize("field", ["beta2", "t_thres"])
def test_ticks_at_the_swept_values_tell_them_apart(field):
    figure = plots.against(swept(field), field, log=(False, True))
    words = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert len(set(words)) == len(words)


def test_two_sources_that_say_the_same_are_both_drawn():
    one = swept("beta2")
    figure = plots.survival({"": one, "beta2 = 0.99": one.isel(beta2=0, drop=True)})
    assert len({row["curve"] for row in plots.table(figure)}) == 4


@pytest.mark.parametrize("name", ["_hidden", "$a$ and $b$", "$", "_", "50 % \\alpha"])
def test_names_are_shown_letter_by_letter(name):
    time = geometric(0.05, (2, 100))
    data = runs(time, 200, dims=("optimizer", "instance"), coords={"optimizer": [name, "SGD"]})
    figure = plots.survival(data)
    figure.draw_without_rendering()
    texts = figure.legends[0].get_texts()
    assert [text.get_text().strip().replace(r"\$", "$") for text in texts] == [name, "SGD"]
    assert all("$" not in text.get_text().replace(r"\$", "") for text in texts)
    assert {row["curve"] for row in plots.table(figure)} == {name, "SGD"}


@pytest.mark.parametrize("count", [24, 59, 200])
def test_the_legend_of_many_curves_leaves_the_axes_their_room(count):
    time = geometric(0.05, (count, 40))
    data = runs(time, 200, dims=("lr", "instance"), coords={"lr": np.geomspace(1e-3, 1, count)})
    figure = plots.survival(data)
    figure.draw_without_rendering()
    (axes,), (legend,) = figure.axes, figure.legends
    box, below = axes.get_window_extent(), legend.get_window_extent()
    assert below.y1 <= box.y0
    assert below.y0 >= 0
    assert box.height / figure.dpi > 1.2
    words = [text.get_text() for text in legend.get_texts()]
    if count > 60:
        assert words[-1] == f"and {count - 59} more, in the figure's table"
    assert len(words) == min(count, 60)


def paths_of(field):
    found = swept(field)
    steps = np.arange(4.0)
    path = np.ones((3, 300, 4, 2)) * steps[:, None] + np.arange(3.0)[:, None, None, None]
    return found.assign(path=((field, "instance", "step", "coordinate"), path))


def test_paths_of_a_sweep_have_a_panel_each_and_those_of_one_run_one():
    bowl = en.Quadratic([1.0, 2.0])
    figure = plots.paths(bowl, paths_of("lr"))
    assert len({row["curve"] for row in plots.table(figure)}) == 3
    assert [axes.get_title() for axes in figure.axes if axes.get_title()][-1] == "lr = 2, n = 300"
    alone = plots.paths(bowl, paths_of("lr").isel(lr=0))
    assert {row["curve"] for row in plots.table(alone)} == {""}
    both = plots.paths(bowl, {"a": paths_of("lr").isel(lr=0), "b": paths_of("beta2")})
    assert len({row["curve"] for row in plots.table(both)}) == 4


@pytest.mark.parametrize("value", [0.023, 2_800.0, 1e9, -1_234.0, 3.0])
def test_the_numbers_of_a_colour_bar_are_written_as_people_write_them(value):
    words = {0.023: "0.023", 2_800.0: "2,800", 1e9: "1e+09", -1_234.0: "-1,200", 3.0: "3"}
    assert short(value) == words[value]


def test_what_is_said_over_the_axes_ends_within_the_figure():
    found = swept("lr")
    found["value"] = found["value"] * 1e-21 ** (found["step"] / 3)
    long = plots.bars(shares(found), names={"event 1": "out by the longer way", "event 2": "out by the shorter one"})
    for figure in (plots.fan(found, "value", log=(False, True)), plots.fan(found, "value", log=(True, True)), long):
        figure.draw_without_rendering()
        for axes in figure.axes:
            said = axes.get_title(loc="left")
            assert said
            assert axes._left_title.get_window_extent().x1 <= figure.bbox.x1, said
            assert said.count("\n") <= 2, said


def test_an_infinite_mean_has_no_place_and_no_bar():
    x, y = np.arange(3.0), np.array([1.0, np.inf, 2.0])
    figure = plots.curves({"a": (x, y, y - 0.5, y + 0.5)})
    assert len(plots.table(figure)) == 3
