"""Logarithmic axes hide nothing, distributions leave out who has no value, and figures are seen and saved where they are asked for."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from simulated_runs import geometric, runs

from ensemble import plots
from ensemble.statistics import hazard


def swept(values):
    time = geometric(0.1, (3, 300)) * np.array([[1], [2], [4]])
    return runs(time, 60, dims=("sigma", "instance"), coords={"sigma": values})


@pytest.mark.parametrize("values", [[0.0, 0.1, 0.2], [-1.0, 0.0, 10.0], [0.0, 1e-12, 1.0]])
def test_swept_values_that_are_not_positive_are_seen_on_a_logarithmic_axis(values):
    figure = plots.against(swept(values), "sigma")
    axes = figure.axes[0]
    figure.draw_without_rendering()
    low, high = axes.get_xlim()
    assert axes.get_xscale() == "symlog"
    assert low <= min(values)
    assert max(values) <= high
    at = axes.transData.transform([[v, 1.0] for v in values])[:, 0]
    assert np.isfinite(at).all()
    assert (np.diff(at) > 10).all()


def test_all_zero_values_fall_back_to_a_linear_axis():
    data = swept([0.0, 1.0, 2.0]).isel(sigma=[0])
    assert plots.against(data, "sigma").axes[0].get_xscale() == "linear"


def recorded(values):
    return xr.Dataset(
        {"value": (("instance", "step"), values, {"long_name": "f(x)", "units": ""})},
        {"step": np.arange(values.shape[1])},
    )


def test_negative_records_are_seen_in_a_fan(tmp_path):
    values = np.linspace(-1, 1, 50)[:, None] * np.array([1.0, 10.0, 100.0, 1000.0])
    figure = plots.fan(recorded(values), "value")
    axes = figure.axes[0]
    assert axes.get_yscale() == "symlog"
    low, high = axes.get_ylim()
    assert low <= np.quantile(values, 0.05, axis=0).min()
    assert np.quantile(values, 0.95, axis=0).max() <= high
    middle = [row["y"] for row in plots.table(figure) if row["kind"] == "quantile 0.05"]
    assert np.isfinite(middle).all()
    assert (np.array(middle) < 0).all()
    plots.save(figure, tmp_path / "fan")


def test_zeros_of_a_fan_lie_below_its_edge_and_in_its_table():
    values = np.ones((50, 1)) * np.array([8.0, 4.0, 2.0, 0.0])
    figure = plots.fan(recorded(values), "value")
    axes, rows = figure.axes[0], plots.table(figure)
    assert axes.get_yscale() == "log"
    assert [row["y"] for row in rows if row["kind"] == "quantile 0.5"] == [4.0, 2.0, 0.0]
    assert axes.lines[0].get_ydata()[-1] < axes.get_ylim()[0] < 2.0


def test_points_at_zero_or_below_are_seen_among_curves():
    figure = plots.curves({"a": ([0.0, 1.0, 10.0], [-1.0, 0.0, 1.0])}, log=(True, True))
    axes = figure.axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("symlog", "symlog")
    figure.draw_without_rendering()
    assert np.isfinite(axes.transData.transform(np.c_[[0.0, 1.0, 10.0], [-1.0, 0.0, 1.0]])).all()


def test_violins_leave_out_the_instances_that_have_no_such_step():
    time = geometric(0.01, 1000)
    data = runs(time, 60)
    never = int((data["event_step"] == -1).sum())
    assert never > 300
    figure = plots.violins(data, "event_step")
    (row,) = plots.table(figure)
    seen = data["event_step"].to_numpy()
    assert row["n"] == 1000 - never
    assert row["quantile 0.5"] == np.median(seen[seen > 0])
    assert f"{never} without value" in figure.axes[0].get_title(loc="left").replace("\n", " ")
    (body,) = (c.get_paths()[0].vertices[:, 1] for c in figure.axes[0].collections)
    assert body.min() >= seen[seen > 0].min()
    assert body.max() <= seen.max()


def test_labels_of_minima_that_nobody_came_to_are_left_out():
    values = np.array([0, 1, 1, 2, -1, -1])
    about = {"long_name": "number of the stationary point, -1 where none is near"}
    data = xr.Dataset({"minimum": ("instance", values, about)})
    (row,) = plots.table(plots.violins(data, "minimum"))
    assert row["n"] == 4


def figure():
    return plots.survival(swept([0.1, 0.2, 0.4]))


@pytest.mark.parametrize(
    ("name", "formats", "made"),
    [
        ("escape", None, {"escape.png", "escape.svg", "escape.csv"}),
        ("escape.png", None, {"escape.png", "escape.csv"}),
        ("escape.PDF", None, {"escape.pdf", "escape.csv"}),
        ("escape", "png", {"escape.png", "escape.csv"}),
        ("escape.png", ("png", "svg"), {"escape.png", "escape.svg", "escape.csv"}),
        ("escape.v2", "pdf", {"escape.v2.pdf", "escape.v2.csv"}),
    ],
)
def test_save_writes_what_the_name_and_the_formats_say(tmp_path, name, formats, made):
    written = plots.save(figure(), tmp_path / name, **({} if formats is None else {"formats": formats}))
    assert {path.name for path in written} == {path.name for path in tmp_path.iterdir()} == made


@pytest.mark.parametrize(
    ("name", "formats", "kind", "words"),
    [
        ("a", "bmp2", ValueError, "give formats out of"),
        ("a", (), ValueError, "give formats out of"),
        ("a", 3, ValueError, "give formats out of"),
        ("a.png", "svg", ValueError, "give one of the two"),
        ("nowhere/a", None, FileNotFoundError, "does not exist"),
        ("", None, TypeError, "give the path of a file"),
        (3, None, TypeError, "give the path of a file"),
    ],
)
def test_save_refuses_in_one_line(tmp_path, monkeypatch, name, formats, kind, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=words) as refused:
        plots.save(figure(), name, formats)
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_a_notebook_shows_the_picture_itself():
    ipython = pytest.importorskip("IPython.core.formatters")
    shown, about = ipython.DisplayFormatter().format(figure())
    assert shown["image/png"].startswith(b"\x89PNG")
    assert about["image/png"]["width"] > 400


def test_a_picture_is_a_png_of_print_quality():
    data, about = figure()._repr_png_()
    width = int.from_bytes(data[16:20], "big")
    assert data.startswith(b"\x89PNG")
    assert width == round(200 * plots.COLUMN)
    assert about["width"] == round(150 * plots.COLUMN)


def test_a_hazard_of_many_stretches_takes_the_memory_of_the_lifetimes(monkeypatch):
    resource = pytest.importorskip("resource")
    time = np.random.default_rng(0).geometric(1e-5, 200_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = hazard(runs(time, 2_000_000), bins=1000)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 200e6  # 200,000 lifetimes in 1,000 stretches were 1.6 GB
    few = hazard(runs(time[:500], 2_000_000), bins=[0, 7, 1000, 30_000, 2_000_000])
    ends = np.array([0, 7, 1000, 30_000, 2_000_000])
    by_hand = np.diff(np.minimum(time[:500, None], ends).sum(axis=0))
    np.testing.assert_array_equal(few["exposure"].to_numpy().ravel(), by_hand)
    assert found.sizes["bin"] == 1000
