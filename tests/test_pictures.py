"""Pictures of sweeps, records, shares and Hessians: what they say in words and numbers, without looking at pixels."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ensemble import plots


def swept(dims=("beta1", "beta2"), shape=(3, 2), **variables):
    """A statistic over a sweep, with its intervals."""
    coords = {dim: 0.1 * np.arange(1, size + 1) for dim, size in zip(dims, shape, strict=True)}
    values = np.arange(1.0, np.prod(shape) + 1).reshape(shape)
    found = {"median": values, "median_lower": 0.9 * values, "median_upper": 1.2 * values, **variables}
    data = xr.Dataset({name: (dims, v) for name, v in found.items()}, coords, {"confidence": 0.9})
    data["median"].attrs = {"long_name": "median of T", "units": "step"}
    return data.assign(n=50)


def said(figure):
    """The line over a figure that states n and confidence."""
    words = figure.get_suptitle() or figure.axes[0].get_title(loc="left")
    return words.replace("\n", " ")


def test_a_heat_map_has_a_cell_for_each_pair_with_its_interval():
    figure = plots.heat_map(swept(), "beta1", "beta2", "median", x_label="β₁")
    axes, bar = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel(), bar.get_ylabel()) == ("β₁", "beta2", "median of T (step)")
    assert said(figure) == "n = 50; widest 90 % interval ± 15 %"
    np.testing.assert_array_equal(axes.collections[0].get_array(), [[1, 3, 5], [2, 4, 6]])
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0.1", "0.2", "0.3"]
    assert [t.get_text() for t in axes.texts] == ["1", "3", "5", "2", "4", "6"]
    assert plots.table(figure)[1] == {
        "panel": "all",
        "beta1": 0.2,
        "beta2": 0.1,
        "median": 3.0,
        "lower": 2.7,
        "upper": pytest.approx(3.6),
    }


def test_a_heat_map_has_a_panel_for_each_further_configuration_and_one_scale_of_colours():
    data = swept(("optimizer", "lr", "sigma"), (2, 2, 3)).assign_coords(optimizer=["SGD", "Adam"])
    data["median"][1, 0, 0] = np.nan
    figure = plots.heat_map(data, "lr", "sigma", "median", log=True)
    left, right, _ = figure.axes
    assert (left.get_title(), right.get_title()) == ("SGD", "Adam")
    assert left.collections[0].norm is right.collections[0].norm
    assert said(figure).endswith("; hatched: no value")
    assert len(plots.table(figure)) == 12


def test_a_heat_map_refuses_what_it_cannot_show():
    with pytest.raises(ValueError, match="not 'lr' with numbers"):
        plots.heat_map(swept(), "lr", "beta2", "median")
    with pytest.raises(ValueError, match=r"the data have no 'mode' \(they have median, "):
        plots.heat_map(swept(), "beta1", "beta2", "mode")
    with pytest.raises(ValueError, match="no positive finite value"):
        plots.heat_map(-swept(), "beta1", "beta2", "median", log=True)
