"""A swept field may have any name that a part's field has: statistics and pictures that use the same name go on.

Every good call of a statistic or a picture is made again with its swept dimension called after every field there is. By default
after those alone that a statistic gives a meaning of its own.
"""

from __future__ import annotations

import dataclasses
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from bad_calls import RUN
from good_calls import GROUPS
from parts import all_kinds

import ensemble as en
from ensemble.sweep import RESERVED, names_of

SWEPT = sorted({
    f.name for kind in all_kinds() for f in dataclasses.fields(kind)
    if f.init and f.metadata.get("kind") in ("number", "vector", "scheduled", "inner") and not issubclass(kind, en.Law)
})  # fmt: skip
CALLS = {f"{group}.{name}": call for group in ("statistics", "pictures") for name, call in GROUPS[group].items()}


def dataset_of(value):
    found = getattr(value, "dataset", value)
    return found if isinstance(found, xr.Dataset) else None


@cache
def found_with(call):
    function, given = CALLS[call]
    found = function(**given)
    plt.close("all")
    return found


def known():
    """Names that some statistic has in its results."""
    found = [dataset_of(found_with(call)) for call in CALLS if call.startswith("statistics.")]
    return {str(n) for data in found if data is not None for n in (*data.variables, *data.dims)}


def renamed(value, old, new):
    """An argument, its swept dimension ``old`` called ``new``."""
    if isinstance(value, str):
        return new if value == old else value
    data = dataset_of(value)
    if data is None or old not in data.dims:
        return value
    data = data.rename({old: new})
    return data if isinstance(value, xr.Dataset) else dataclasses.replace(value, dataset=data)


def swept_dimension(given):
    dims = {d for v in given.values() if (data := dataset_of(v)) is not None for d in data.dims}
    return next((d for d in ("lr", "sigma", "a") if d in dims), None)


def as_dimension(field, given):
    """What a result calls the dimension of a swept field, where it has recorded what the arguments hold."""
    recorded = {str(n) for v in given.values() if (data := dataset_of(v)) is not None for n in data.data_vars}
    return names_of([("noise", field)], RESERVED | recorded)[0]


def check(call, field):
    function, given = CALLS[call]
    old = swept_dimension(given)
    new = as_dimension(field, given)
    others = {d for v in given.values() if (data := dataset_of(v)) is not None for d in (*data.dims, *data.coords)} - {
        old
    }
    if new in others:
        return  # these data have a dimension of that name already
    found = function(**{name: renamed(value, old, new) for name, value in given.items()})
    plt.close("all")
    expected = found_with(call)
    here, before = dataset_of(found), dataset_of(expected)
    if before is None:
        return
    assert len(here.dims) == len(before.dims)
    for name in before.data_vars:
        assert np.array_equal(here[name].values, before[name].values, equal_nan=before[name].dtype.kind == "f"), name


SWEEPING = [call for call, (_, given) in CALLS.items() if swept_dimension(given)]
CLASHING = [field for field in SWEPT if field in known() - RESERVED] + ["gamma"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """What is saved lands in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("call", SWEEPING)
def test_statistics_and_pictures_go_on_where_a_swept_field_has_the_name_of_one_of_theirs(call):
    for field in CLASHING:
        check(call, field)


@pytest.mark.slow
@pytest.mark.parametrize("call", SWEEPING)
def test_statistics_and_pictures_go_on_whatever_a_swept_field_is_called(call):
    for field in SWEPT:
        check(call, field)


def test_the_fields_that_some_statistic_names_too_are_found():
    assert {"probability", "factor", "temperature"} <= set(CLASHING)
    assert len(SWEEPING) > 20
    unswept = {
        call.removeprefix("statistics.") for call in CALLS if call not in SWEEPING and call.startswith("statistics.")
    }
    assert unswept <= {
        "keskar", "largest_eigenvalue", "log_determinant", "sam_sharpness", "smallest_eigenvalue", "spectrum", "trace",
        "noise_to_signal", "regret", "occupancy_against_sharpness", "survival_table",
        "against_drawn", "generalisation", "noise_covariance", "quenched", "instances_for_interval", "instances_for_power",
    }  # fmt: skip


def test_escape_rate_over_probabilities_of_spikes():
    runs = en.simulate(**RUN | {"noise": en.Spikes(en.grid(0.1, 0.2), 3.0), "start": en.NormalCloud(0.3)})
    found = en.statistics.escape_rate(runs)
    assert found["probability"].dims == ("swept_probability",)
    assert found["swept_probability"].values.tolist() == [0.1, 0.2]
    for k, probability in enumerate((0.1, 0.2)):
        alone = en.statistics.escape_rate(runs.dataset.isel(probability=k, drop=True))
        assert float(found["rate"].sel(swept_probability=probability)) == float(alone["rate"])


def test_convergence_rate_over_the_factor_of_a_decay():
    lr = en.ExponentialDecay(0.1, factor=en.grid(0.999, 0.99))
    runs = en.simulate(**RUN | {
        "landscape": en.Quadratic([1.0, 2.0, 0.5]), "optimizer": en.GradientDescent(lr), "noise": None, "event": None,
        "steps": 200, "record": en.Record("value", at=en.log_spaced(40)), "dtype": "float64",
    })  # fmt: skip
    found = en.statistics.convergence_rate(runs, until=50)
    assert found["factor"].dims == ("swept_factor",)
    assert found["factor"].sel(swept_factor=0.99) > found["factor"].sel(swept_factor=0.999)


def test_fields_swept_together_and_along_configurations_are_renamed_too():
    z = en.zipped(probability=(0.1, 0.2), size=(3.0, 2.0))
    runs = en.simulate(**RUN | {"noise": en.Spikes(z.probability, z.size), "start": en.NormalCloud(0.3)})
    found = en.statistics.escape_rate(runs)
    assert found["probability"].dims == ("probability_size",)
    assert found["swept_probability"].values.tolist() == [0.1, 0.2]
    assert np.isfinite(found["rate"]).all()
