"""What simulate and compare make of their arguments: dimensions, coordinates, events, records, provenance."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import threading
import warnings

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import ensemble as en
from ensemble.backends.numpy import NumpyEngine
from ensemble.backends.program import Engine
from ensemble.records import QUANTITIES
from ensemble.run.plan import MEMORY_SHARE
from ensemble.run.progress import Interrupt, Reporter
from ensemble.run.runs import Run

HERE = {"instances": 6, "steps": 8, "backend": "numpy", "progress": False, "dtype": "float64"}
SADDLE = {
    "landscape": en.QuarticSaddle(dim=3),
    "optimizer": en.GradientDescent(lr=0.1),
    "noise": en.Gaussian(sigma=0.2),
    "start": en.NormalCloud(scale=0.1),
} | HERE
ESCAPE = SADDLE | {"event": en.LeftBall(radius=0.7), "instances": 40, "steps": 30}


def simulate(**arguments):
    return en.simulate(**SADDLE | arguments)


def escape(**arguments):
    return en.simulate(**ESCAPE | arguments)


# ---- dimensions and coordinates


def test_one_configuration_has_no_dimensions_but_instance_and_coordinate():
    d = simulate().dataset
    assert d["event_step"].dims == ("instance",)
    assert d["x"].dims == ("instance", "coordinate")
    assert d["x"].shape == (6, 3)
    assert d["instance"].to_numpy().tolist() == list(range(6))


def test_swept_fields_become_dimensions_in_the_order_written():
    noise = en.Gaussian(sigma=en.grid(0.1, 0.2, 0.3))
    optimizer = en.Adam(beta2=en.grid(0.9, 0.99), lr=en.grid(1e-3, 1e-2))
    landscape = en.QuarticSaddle(dim=3, gamma=en.grid(0.5, 1.0))
    d = simulate(landscape=landscape, optimizer=optimizer, noise=noise).dataset
    assert d["x"].dims == ("sigma", "beta2", "lr", "gamma", "instance", "coordinate")
    assert d["x"].shape == (3, 2, 2, 2, 6, 3)
    assert d["sigma"].to_numpy().tolist() == [0.1, 0.2, 0.3]
    assert d["lr"].to_numpy().tolist() == [1e-3, 1e-2]


def test_each_configuration_is_the_run_of_its_own_numbers():
    d = simulate(optimizer=en.HeavyBall(lr=en.grid(0.01, 0.1), beta=en.grid(0.0, 0.5, 0.9))).dataset
    for lr in (0.01, 0.1):
        for beta in (0.0, 0.5, 0.9):
            alone = simulate(optimizer=en.HeavyBall(lr=lr, beta=beta)).dataset
            assert np.array_equal(d["x"].sel(lr=lr, beta=beta), alone["x"])


def test_fields_of_one_name_are_told_apart_by_their_part():
    d = escape(start=en.Ball(radius=en.grid(0.1, 0.2)), event=en.LeftBall(radius=en.grid(1.0, 2.0, 3.0))).dataset
    assert d["event_step"].dims == ("start_radius", "event_radius", "instance")
    assert d["event_radius"].to_numpy().tolist() == [1.0, 2.0, 3.0]


def test_a_field_named_like_a_variable_of_the_result_is_named_by_its_part():
    d = simulate(start=en.Point(x=en.grid(0.1, 0.2)), event=en.Below(value=en.grid(-0.1, -0.2))).dataset
    assert d["x"].dims == ("start_x", "value", "instance", "coordinate")
    recorded = simulate(event=en.Below(value=en.grid(-0.1, -0.2)), record=en.Record("value", at=[0])).dataset
    assert recorded["value"].dims == ("event_value", "instance", "step")


def test_zipped_fields_share_one_dimension():
    sweep = en.zipped(lr=(1e-3, 1e-2, 1e-1), sigma=(0.3, 0.2, 0.1))
    d = simulate(optimizer=en.Adam(lr=sweep.lr, beta1=en.grid(0.5, 0.9)), noise=en.Gaussian(sigma=sweep.sigma)).dataset
    assert d["x"].dims == ("lr_sigma", "beta1", "instance", "coordinate")
    assert d["lr"].dims == d["sigma"].dims == ("lr_sigma",)
    assert d["lr"].to_numpy().tolist() == [1e-3, 1e-2, 1e-1]
    assert d["sigma"].to_numpy().tolist() == [0.3, 0.2, 0.1]
    alone = simulate(optimizer=en.Adam(lr=1e-2, beta1=0.9), noise=en.Gaussian(sigma=0.2)).dataset
    assert np.array_equal(d["x"].isel(lr_sigma=1, beta1=1), alone["x"])


def test_zipped_fields_of_one_part_can_be_unpacked():
    d = simulate(optimizer=en.Adam(**en.zipped(lr=(1e-3, 1e-2), beta2=(0.9, 0.99)))).dataset
    assert d["lr"].dims == d["beta2"].dims == ("lr_beta2",)


def test_a_grid_of_vectors_has_an_integer_coordinate_and_the_vectors_beside_it():
    d = simulate(start=en.Point(en.grid([1.0, 2.0, 3.0], 0.5))).dataset
    assert d["start_x"].to_numpy().tolist() == [0, 1]
    assert d["start_x_vector"].dims == ("start_x", "coordinate")
    assert d["start_x_vector"].to_numpy().tolist() == [[1, 2, 3], [0.5, 0.5, 0.5]]
    curved = simulate(landscape=en.Quadratic(en.grid([1.0, 2.0], [3.0, 4.0]))).dataset
    assert curved["curvature_vector"].to_numpy().tolist() == [[1, 2], [3, 4]]


def test_a_grid_of_schedules_is_labelled_and_numbers_of_a_schedule_can_be_swept():
    d = simulate(optimizer=en.GradientDescent(lr=en.grid(0.1, en.InverseTime(lr=0.1)))).dataset
    assert d["x"].dims[0] == "lr"
    assert d["lr"].to_numpy().tolist() == ["0.1", "InverseTime(lr=0.1, k=1.0)"]
    inside = simulate(optimizer=en.GradientDescent(lr=en.InverseTime(lr=en.grid(0.1, 0.2), k=0.5))).dataset
    assert inside["x"].dims[0] == "lr"
    assert np.array_equal(
        inside["x"][0], simulate(optimizer=en.GradientDescent(lr=en.InverseTime(0.1, 0.5))).dataset["x"]
    )


def test_a_grid_on_what_selects_code_is_an_error_that_names_compare():
    with pytest.raises(ValueError, match=r"QuarticSaddle\(dim=grid\(.*ensemble\.compare"):
        en.QuarticSaddle(dim=en.grid(2, 3))


SHAPES = st.lists(st.integers(1, 3), min_size=0, max_size=4)


@given(shape=SHAPES)
@settings(max_examples=20, deadline=None)
def test_the_sweep_has_the_shape_of_its_grids(shape):
    fields = ["lr", "beta1", "beta2", "eps"][: len(shape)]
    values = {f: [0.1 * (k + 1) for k in range(n)] for f, n in zip(fields, shape, strict=True)}
    d = simulate(optimizer=en.Adam(**{f: en.grid(*v) for f, v in values.items()}), steps=1, instances=2).dataset
    assert d["x"].shape == (*shape, 2, 3)
    assert d["x"].dims[: len(shape)] == tuple(fields)
    for f, v in values.items():
        assert d[f].to_numpy().tolist() == v


@given(lists=st.lists(st.lists(st.floats(0.01, 0.9), min_size=2, max_size=2), min_size=2, max_size=4))
@settings(max_examples=20, deadline=None)
def test_a_zipped_sweep_is_as_long_as_its_lists(lists):
    values = dict(zip(["lr", "beta1", "beta2", "eps"], lists, strict=False))
    d = simulate(optimizer=en.Adam(**en.zipped(**values)), steps=1, instances=2).dataset
    assert d["x"].shape == (2, 2, 3)
    for f, v in values.items():
        assert d[f].to_numpy().tolist() == v


# ---- compare


def compare(optimizers, **arguments):
    rest = {name: value for name, value in (ESCAPE | arguments).items() if name != "optimizer"}
    return en.compare(optimizers, **rest)


def test_compared_optimizers_are_stacked():
    d = compare({"Adam": en.Adam(0.01), "GD": en.GradientDescent(0.1)}).dataset
    assert d["x"].dims == ("optimizer", "instance", "coordinate")
    assert d["optimizer"].to_numpy().tolist() == ["Adam", "GD"]
    assert np.array_equal(d["x"].sel(optimizer="GD"), escape(optimizer=en.GradientDescent(0.1)).dataset["x"])


def test_equal_grids_stay_dimensions():
    both = {"Adam": en.Adam(en.grid(0.01, 0.1)), "GD": en.GradientDescent(en.grid(0.01, 0.1))}
    d = compare(both, noise=en.Gaussian(sigma=en.grid(0.1, 0.2, 0.3))).dataset
    assert d["event_step"].dims == ("optimizer", "lr", "sigma", "instance")
    assert d["event_step"].shape == (2, 2, 3, 40)


def test_differing_grids_lie_along_one_dimension_and_nothing_is_padded():
    optimizers = {
        "Adam": en.Adam(lr=en.grid(0.01, 0.1), beta2=en.grid(0.9, 0.99)),
        "GD": en.GradientDescent(en.grid(0.1, 0.2, 0.3)),
        "HB": en.HeavyBall(0.05),
    }
    start = en.Point(x=en.grid([0.0, 0.1, 0.2], [0.1, 0.1, 0.1]))
    result = compare(optimizers, start=start)
    d = result.dataset
    assert d["event_step"].dims == ("configuration", "instance")
    assert d["event_step"].shape == (2 * (4 + 3 + 1), 40)
    assert d["optimizer"].to_numpy().tolist() == ["Adam"] * 8 + ["GD"] * 6 + ["HB"] * 2
    assert d["lr"].to_numpy().tolist() == [0.01] * 4 + [0.1] * 4 + [0.1, 0.1, 0.2, 0.2, 0.3, 0.3] + [0.05] * 2
    assert d["beta2"][:8].to_numpy().tolist() == [0.9, 0.9, 0.99, 0.99] * 2
    assert np.isnan(d["beta2"][8:]).all()
    assert d["start_x"].to_numpy().tolist() == [0, 1] * 8
    assert d["start_x_vector"].dims == ("configuration", "coordinate")
    assert d["start_x_vector"][1].to_numpy().tolist() == [0.1, 0.1, 0.1]
    alone = escape(optimizer=en.GradientDescent(0.2), start=en.Point([0.1, 0.1, 0.1])).dataset
    assert np.array_equal(d["x"][11], alone["x"])


def test_schedules_beside_numbers_keep_their_names_as_coordinates(tmp_path):
    schedules = {"a": en.GradientDescent(en.grid(0.1, en.InverseTime(0.1))), "b": en.HeavyBall(0.05)}
    result = compare(schedules)
    assert result.dataset["lr"].to_numpy().tolist() == ["0.1", "InverseTime(lr=0.1, k=1.0)", "0.05"]
    result.save(tmp_path / "schedules.nc")


def test_horizons_may_differ_where_there_is_an_event():
    result = compare({"Adam": en.Adam(0.01), "GD": en.GradientDescent(0.1)}, steps={"Adam": 50, "GD": 20})
    assert result.dataset["horizon"].dims == ("optimizer",)
    assert result.dataset["horizon"].to_numpy().tolist() == [50, 20]
    assert np.array_equal(
        result.dataset["x"].sel(optimizer="GD"), escape(optimizer=en.GradientDescent(0.1), steps=20).dataset["x"]
    )
    longer = result.resume(50)
    assert longer.dataset["horizon"] == 50
    assert longer.dataset.equals(compare({"Adam": en.Adam(0.01), "GD": en.GradientDescent(0.1)}, steps=50).dataset)


def test_horizons_of_unlike_grids_are_told_for_each_configuration():
    optimizers = {"Adam": en.Adam(en.grid(0.01, 0.1)), "GD": en.GradientDescent(0.1)}
    d = compare(optimizers, steps={"Adam": 50, "GD": 20}).dataset
    assert d["horizon"].dims == ("configuration",)
    assert d["horizon"].to_numpy().tolist() == [50, 50, 20]


# ---- events


def test_the_event_step_is_the_first_at_which_the_predicate_holds():
    free = escape(event=None, record=en.Record("distance", at=range(31))).dataset["distance"]
    d = escape().dataset
    assert {0, 1} == set(d["status"].to_numpy())
    for i in range(40):
        outside = np.flatnonzero(free[i, 1:] >= 0.7)
        assert d["event_step"][i] == (outside[0] + 1 if outside.size else -1)
        assert d["event"][i] == bool(outside.size)
        if outside.size:
            assert np.linalg.norm(d["x"][i]) == pytest.approx(free[i, outside[0] + 1])


def test_with_check_every_it_is_the_first_checked_one():
    free = escape(event=None, record=en.Record("distance", at=range(31))).dataset["distance"]
    d = escape(check_every=4).dataset
    for i in range(40):
        outside = np.flatnonzero(free[i, 4::4] >= 0.7)
        assert d["event_step"][i] == (4 * (outside[0] + 1) if outside.size else -1)
    assert d.attrs["check_every"] == 4


def test_starts_already_inside_are_counted_and_warned_of_but_not_tested():
    with pytest.warns(UserWarning, match=r"40 of 40 starts already satisfy the event") as caught:
        d = escape(start=en.Point([0.0, 1.0, 0.0]), noise=None, steps=3).dataset
    assert caught[0].filename == __file__, "the warning points at the caller"
    assert d.attrs["started_inside"] == 40
    assert (d["event_step"] == 1).all()
    with pytest.warns(UserWarning, match="40 of 40"):
        left = escape(start=en.Point([0.0, 0.75, 0.0]), noise=None, steps=3).dataset
    assert (left["event_step"] == -1).all(), "after the first update, no instance is outside any more"


def test_a_start_outside_is_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert escape().dataset.attrs["started_inside"] == 0


def test_an_instance_that_diverged_has_no_event_and_no_iterate_and_harms_nobody():
    growing = {"optimizer": en.GradientDescent(en.grid(0.1, 5.0)), "start": en.NormalCloud(scale=1.0)}
    d = simulate(**growing, event=en.Crossed(normal=[0.0] * 3, offset=1.0), steps=60, instances=20).dataset
    assert (d["status"][0] == 0).all()
    assert (d["status"][1] == 2).all()
    assert np.isnan(d["x"][1]).all()
    assert (d["event_step"][1] == -1).all()
    assert (d["diverged_step"][1] > 0).all()
    alone = simulate(start=en.NormalCloud(scale=1.0), optimizer=en.GradientDescent(0.1), steps=60, instances=20).dataset
    assert np.array_equal(d["x"][0], alone["x"])


def test_an_event_counts_only_strictly_before_divergence():
    """From 1 the step goes to where the value is beyond the bound: the event would hold there too."""
    far = en.Quadratic([1e19, 1.0])
    d = simulate(
        landscape=far, optimizer=en.GradientDescent(1.0), noise=None, start=en.Point(1.0), event=en.LeftBall(10.0)
    )
    assert (d.dataset["status"] == 2).all()
    assert (d.dataset["diverged_step"] == 1).all()
    assert (d.dataset["event_step"] == -1).all()


# ---- records


def test_recorded_quantities_are_those_of_the_recorded_iterates():
    quantities = [name for name in QUANTITIES if "layer" not in QUANTITIES[name].dims]  # it has none
    record = en.Record(quantities, at=[0, 3, 8], point=[1.0, 0.0, -1.0])
    d = simulate(record=record).dataset
    x = d["path"].to_numpy().reshape(-1, 3)
    f = en.QuarticSaddle(dim=3)
    assert d["path"].dims == ("instance", "step", "coordinate")
    assert d["step"].to_numpy().tolist() == [0, 3, 8]
    assert np.array_equal(d["path"].sel(step=8), d["x"])
    np.testing.assert_allclose(d["value"].to_numpy().ravel(), f.value(x)[:, 0], rtol=1e-14)
    np.testing.assert_allclose(d["gradient_norm"].to_numpy().ravel(), np.linalg.norm(f.gradient(x), axis=1), rtol=1e-14)
    np.testing.assert_allclose(d["distance"].to_numpy().ravel(), np.linalg.norm(x - [1, 0, -1], axis=1), rtol=1e-14)
    for name in ("path", *(name for name in quantities if name != "x")):
        assert d[name].attrs["long_name"]
        assert d[name].attrs["units"]


def test_records_of_some_instances_have_their_ids():
    everyone = simulate(record=en.Record("x", at=[8]), first_instance=100).dataset
    d = simulate(record=en.Record(["x", "value"], at=[8], instances=[5, 0, 2]), first_instance=100).dataset
    assert d["path"].dims == ("recorded_instance", "step", "coordinate")
    assert d["recorded_instance"].to_numpy().tolist() == [100, 102, 105]
    assert np.array_equal(d["path"], everyone["path"].isel(instance=[0, 2, 5]))
    assert simulate(record=en.Record("value", at=[8], instances=2)).dataset["recorded_instance"].size == 2


def test_after_its_event_an_instance_repeats_its_last_value_or_is_nan_among_survivors():
    every = range(31)
    frozen = escape(record=en.Record("distance", at=every)).dataset
    survivors = escape(record=en.Record("distance", at=every, survivors=True)).dataset
    gone = (frozen["event_step"] > 0) & (frozen["step"] > frozen["event_step"])
    assert 0 < int(gone.sum()) < gone.size
    last = frozen["distance"].sel(step=frozen["event_step"].where(frozen["event_step"] > 0, 30))
    assert (xr.where(gone, frozen["distance"] == last, True)).all()
    assert np.array_equal(np.isnan(survivors["distance"]), gone.transpose("instance", "step"))
    assert (xr.where(gone, True, survivors["distance"] == frozen["distance"])).all()


def test_records_are_nan_from_divergence_on():
    d = simulate(
        optimizer=en.GradientDescent(5.0), start=en.NormalCloud(scale=1.0), steps=60,
        record=en.Record(["value", "distance", "x"], at=range(61)),
    ).dataset  # fmt: skip
    gone = (d["step"] >= d["diverged_step"]).transpose("instance", "step")
    assert 0 < int(gone.sum()) < gone.size
    for name in ("value", "distance", "path"):
        missing = np.isnan(d[name])
        assert np.array_equal(missing if name != "path" else missing.all("coordinate"), gone)


@pytest.mark.parametrize("survivors", [False, True])
def test_a_summary_is_that_of_the_instances(survivors):
    arguments = {"optimizer": en.GradientDescent(en.grid(0.1, 0.15)), "instances": 41}
    at, quantiles = [0, 10, 30], (0.1, 0.5)
    each = escape(record=en.Record("distance", at=at, survivors=survivors), **arguments).dataset["distance"]
    d = escape(
        record=en.Record("distance", at=at, survivors=survivors, summary=True, quantiles=quantiles), **arguments
    ).dataset
    assert d["distance_mean"].dims == ("lr", "step")
    assert d["distance_quantile"].dims == ("lr", "step", "quantile")
    assert d["quantile"].to_numpy().tolist() == list(quantiles)
    assert np.array_equal(d["distance_n"], np.isfinite(each).sum("instance"))
    np.testing.assert_allclose(d["distance_mean"], each.mean("instance"), rtol=1e-13)
    np.testing.assert_allclose(d["distance_variance"], each.var("instance", ddof=1), rtol=1e-12)
    np.testing.assert_allclose(
        d["distance_quantile"], each.quantile(quantiles, "instance").transpose("lr", "step", "quantile"), rtol=1e-13
    )
    if survivors:
        assert (d["distance_n"].isel(step=-1) < 41).all()


@pytest.mark.parametrize("survivors", [False, True])
def test_a_summary_of_the_iterate_has_the_moments_and_quantiles_of_each_coordinate(survivors):
    arguments = {"optimizer": en.GradientDescent(en.grid(0.1, 0.15)), "instances": 41}
    at, quantiles = [0, 10, 30], (0.1, 0.5)
    x = (
        escape(record=en.Record("x", at=at, survivors=survivors), **arguments).dataset["path"].to_numpy()
    )  # (lr, instance, step, k)
    d = escape(
        record=en.Record(["x", "value"], at=at, survivors=survivors, summary=True, quantiles=quantiles), **arguments
    ).dataset
    assert d["x_mean"].dims == d["x_variance"].dims == ("lr", "step", "coordinate")
    assert d["x_quantile"].dims == ("lr", "step", "coordinate", "quantile")
    assert d["x_n"].dims == ("lr", "step")
    assert np.array_equal(d["x_n"], d["value_n"])
    assert np.array_equal(d["x_n"], np.isfinite(x[..., 0]).sum(axis=1))
    np.testing.assert_allclose(d["x_mean"], np.nanmean(x, axis=1), rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(d["x_variance"], np.nanvar(x, axis=1, ddof=1), rtol=1e-11)
    expected = np.moveaxis(np.nanquantile(x, quantiles, axis=1), 0, -1)
    np.testing.assert_allclose(d["x_quantile"], expected, rtol=1e-12, atol=1e-16)
    assert d["x_variance"].attrs["units"] == "(units of x)^2"
    if survivors:
        assert (d["x_n"].isel(step=-1) < 41).all()


def test_a_summary_of_the_iterate_resumes():
    resumed = escape(record=en.Record("x", at=en.lin_spaced(4), summary=True), steps=20).resume(30).dataset
    steps = resumed["step"].to_numpy().tolist()
    assert steps == [0, 7, 13, 20, 30]
    whole = escape(record=en.Record("x", at=steps, summary=True)).dataset
    for name in ("x_mean", "x_variance", "x_quantile", "x_n"):
        assert resumed[name].equals(whole[name]), name


def test_a_summary_leaves_out_what_diverged():
    arguments = {"optimizer": en.GradientDescent(5.0), "start": en.NormalCloud(scale=1.0), "steps": 60, "instances": 20}
    d = simulate(record=en.Record("value", at=[0, 60], summary=True), **arguments).dataset
    assert d["value_n"].to_numpy().tolist() == [20, 0]
    assert np.isnan([d["value_mean"][1], d["value_variance"][1]]).all()
    assert np.isnan(d["value_quantile"][1]).all()


def test_a_summary_in_float32_does_not_overflow_and_is_made_in_float64():
    huge = simulate(
        dtype="float32", start=en.Point(3e15), noise=None, optimizer=en.GradientDescent(0.0),
        landscape=en.Quadratic(1.0, dim=3), record=en.Record("value", at=[0], summary=True),
    ).dataset  # fmt: skip
    assert huge["value_mean"].dtype == np.float64
    assert huge["value_mean"].item() == pytest.approx(1.5 * 9e30, rel=1e-6)
    assert huge["value_variance"].item() == pytest.approx(0.0, abs=1e20)


@given(count=st.integers(2, 50), horizon=st.integers(1, 5000))
@settings(max_examples=100, deadline=None)
def test_spaced_steps_begin_at_the_start_end_at_the_horizon_and_rise(count, horizon):
    for spaced in (en.log_spaced(count), en.lin_spaced(count)):
        steps = en.Record("value", at=spaced).steps(horizon)
        assert steps[0] == 0
        assert steps[-1] == horizon
        assert (np.diff(steps) > 0).all()
        assert steps.size <= count
        assert steps.dtype == np.int64


@given(at=st.lists(st.integers(0, 500), min_size=1, max_size=30))
def test_listed_steps_are_taken_in_order_and_once(at):
    steps = en.Record("value", at=at).steps(500)
    assert steps.tolist() == sorted(set(at))


@given(at=st.sets(st.integers(0, 30), min_size=1, max_size=8))
@settings(max_examples=15, deadline=None)
def test_what_is_recorded_does_not_depend_on_what_else_is(at):
    everything = ALL_DISTANCES[0] if ALL_DISTANCES else escape(record=en.Record("distance", at=range(31))).dataset
    ALL_DISTANCES[:] = [everything]
    some = escape(record=en.Record("distance", at=sorted(at))).dataset
    assert np.array_equal(some["distance"], everything["distance"].sel(step=some["step"]))


ALL_DISTANCES = []


# ---- progress, Ctrl-C


def test_progress_is_silent_where_nobody_looks(capfd):
    escape(progress=None)
    assert capfd.readouterr() == ("", "")


def test_progress_counts_the_running_the_finished_and_the_diverged(monkeypatch, capfd):
    told = []
    monkeypatch.setattr(Reporter, "update", lambda self, *counts: told.append(counts))
    d = escape(
        optimizer=en.GradientDescent(en.grid(0.1, 9.0)), start=en.NormalCloud(0.01), steps=200, progress=True
    ).dataset
    step, running, finished, diverged = told[-1]
    assert step == 200
    assert finished == int((d["status"] == 1).sum())
    assert diverged == int((d["status"] == 2).sum())
    assert running <= 80


@pytest.fixture
def interrupted(monkeypatch):
    """Presses Ctrl-C once, when so many segments have been reported; each ends where something is recorded."""
    monkeypatch.setattr(Engine, "ring_bytes", 0)

    def after(segments):
        count = iter(range(10**9))
        monkeypatch.setattr(
            Reporter, "update", lambda *_: os.kill(os.getpid(), signal.SIGINT) if next(count) == segments - 1 else None
        )

    return after


LONG = {"steps": 1500, "event": en.LeftBall(radius=1.45), "record": en.Record(["distance", "x"], at=en.lin_spaced(51))}


def test_ctrl_c_leaves_a_valid_result_to_the_step_reached(interrupted):
    interrupted(3)
    part = escape(**LONG)
    reached = int(part.dataset["horizon"])
    assert 0 < reached < 1500
    assert part.dataset.attrs["interrupted"] == 1
    assert part.dataset.attrs["steps"] == reached
    assert part.dataset["step"].max() <= reached
    shorter = escape(**LONG | {"steps": reached, "record": None}).dataset
    assert np.array_equal(part.dataset["x"], shorter["x"])
    assert np.array_equal(part.dataset["event_step"], shorter["event_step"])
    assert en.statistics.survival(part)["horizon"] == reached

    whole, resumed = escape(**LONG), part.resume(1500)
    assert resumed.dataset.equals(whole.dataset)
    assert resumed.dataset.attrs["interrupted"] == 0


def test_ctrl_c_before_anything_has_begun_leaves_a_valid_result_at_its_start(monkeypatch):
    whole = escape(**LONG)
    enter = Interrupt.__enter__
    monkeypatch.setattr(Interrupt, "__enter__", lambda self: (enter(self), os.kill(os.getpid(), signal.SIGINT))[0])
    with pytest.warns(UserWarning, match=r"ended early by SIGINT \(at step 0 of 1,500\)"):
        part = escape(**LONG)
    assert part.dataset.attrs["steps"] == 0
    assert (part.dataset["event_step"] == -1).all()
    with pytest.warns(UserWarning, match=r"b: not begun"):
        both = compare({"a": en.GradientDescent(0.1), "b": en.HeavyBall(0.02)}, **LONG)
    assert both.dataset["optimizer"].to_numpy().tolist() == ["a"]
    with pytest.raises(KeyboardInterrupt, match="replay was ended at step 0"):
        en.replay(whole, 0)
    monkeypatch.undo()
    assert part.resume(1500).dataset.equals(whole.dataset)


@pytest.fixture
def interrupted_in_batch(monkeypatch):
    """Presses Ctrl-C in the batch with this number, from 1; the list that is returned says which there were."""
    begun = []
    monkeypatch.setattr(Run, "next_batch", lambda run, *a: begun.append((run.label, run.done)) or NEXT_BATCH(run, *a))

    def press(number):
        begun.clear()
        monkeypatch.setattr(Reporter, "update", lambda *_: len(begun) == number and os.kill(os.getpid(), signal.SIGINT))
        return begun

    return press


NEXT_BATCH = Run.next_batch


@pytest.fixture
def in_batches(monkeypatch):
    """Leaves NumPy as little memory as makes several batches of a run."""

    def leave(share=0.9, **arguments):
        at_once = escape(**arguments, plan_only=True).bytes_needed
        monkeypatch.setattr(NumpyEngine, "memory_available", lambda self: share * at_once / MEMORY_SHARE)
        assert escape(**arguments, plan_only=True).batches > 1

    return leave


@pytest.mark.parametrize(
    "record",
    [
        LONG["record"],
        en.Record("value", at=en.log_spaced(9), instances=[1, 5, 22, 39]),
        en.Record("value", at=en.log_spaced(9), summary=True),
    ],
)
def test_ctrl_c_among_batches_leaves_the_batches_that_were_finished(
    record, interrupted_in_batch, in_batches, monkeypatch
):
    arguments = LONG | {"record": record, "steps": 300}
    whole, longer = escape(**arguments), escape(**arguments | {"steps": 400})
    in_batches(**arguments)
    interrupted_in_batch(2)
    part = escape(**arguments)
    n = part.dataset.sizes["instance"]
    assert 0 < n < 40
    assert part.dataset.attrs["interrupted"] == 1
    assert (part.dataset.attrs["instances"], part.dataset.attrs["instances_asked"]) == (n, 40)
    assert part.dataset.attrs["unfinished"] == f"{n} of 40 instances, at step 300 of 300"
    assert part.settings[""].instances == 40
    assert part.settings[""].record == record
    assert part.dataset["horizon"] == 300
    if not record.summary:
        first = {"instance": slice(n)}
        if record.instances is not None:
            first["recorded_instance"] = slice(sum(place < n for place in record.instances))
        assert part.dataset.equals(whole.dataset.isel(first))
    monkeypatch.undo()
    with pytest.raises(ValueError, match="from 300 to"):
        part.resume(299)
    for resumed in (part.resume(), part.resume(300)):
        assert resumed.dataset.equals(whole.dataset)
        assert (resumed.dataset.attrs["interrupted"], resumed.dataset.attrs["unfinished"]) == (0, "")
        assert resumed.dataset.attrs["started_inside"] == whole.dataset.attrs["started_inside"]
    further = part.resume(400).dataset
    assert np.array_equal(further["x"], longer.dataset["x"])
    assert np.array_equal(further["event_step"], longer.dataset["event_step"])
    with pytest.raises(ValueError, match="all that was asked is done"):
        whole.resume()


def test_ctrl_c_in_the_first_of_several_batches_leaves_it_at_the_step_it_came_to(interrupted, in_batches, monkeypatch):
    whole = escape(**LONG | {"steps": 300})
    in_batches(**LONG | {"steps": 300})
    interrupted(3)
    part = escape(**LONG | {"steps": 300})
    n, reached = part.dataset.sizes["instance"], int(part.dataset["horizon"])
    assert n < 40
    assert 0 < reached < 300
    assert part.dataset.attrs["unfinished"] == f"{n} of 40 instances, at step {reached} of 300"
    monkeypatch.undo()
    assert part.resume().dataset.equals(whole.dataset)


def test_ctrl_c_between_optimizers_keeps_those_that_ran(interrupted, tmp_path):
    optimizers = {"a": en.GradientDescent(0.1), "b": en.HeavyBall(0.02), "c": en.Adam(0.01)}
    whole = compare(optimizers, **LONG | {"steps": 300}).dataset
    segments = len(np.unique(whole["step"]))
    interrupted(segments + 20)
    part = compare(optimizers, **LONG | {"steps": 300})
    assert part.dataset["optimizer"].to_numpy().tolist() == ["a", "b"]
    assert part.dataset.attrs["interrupted"] == 1
    reached = part.dataset["horizon"].to_numpy()
    assert reached[0] == 300 > reached[1] > 0
    assert part.dataset.sel(optimizer="a")["distance"].equals(whole.sel(optimizer="a")["distance"])
    told = part.dataset["distance"].sel(optimizer="b")
    assert np.isnan(told.where(told["step"] > reached[1], drop=True)).all()
    assert np.isfinite(told.where(told["step"] <= reached[1], drop=True)).all()
    assert list(part.settings) == ["a", "b", "c"]
    assert part.dataset.attrs["unfinished"] == f"b: at step {reached[1]} of 300; c: not begun"
    with pytest.raises(ValueError, match="had not begun"):
        en.replay(part, 0, optimizer="c")
    assert len(part.fields()) == 2

    part.save(tmp_path / "part.nc")
    for kept in (part, en.load(tmp_path / "part.nc")):
        resumed = kept.resume(300)
        assert resumed.dataset.equals(whole)
        assert resumed.dataset.attrs["interrupted"] == 0
        assert kept.resume().dataset.equals(whole)


def test_records_of_optimizers_that_came_differently_far_go_on_at_the_same_steps(interrupted):
    """Logarithmic steps of 700 are others than those of 300: each row of the table must be of the step it names."""
    optimizers = {"a": en.GradientDescent(0.1), "b": en.HeavyBall(0.02)}
    arguments = LONG | {"record": en.Record("x", at=en.log_spaced(40)), "steps": 300}
    interrupted(len(en.log_spaced(40).steps(300)) + 20)
    part = compare(optimizers, **arguments)
    assert part.dataset["horizon"].to_numpy()[1] < 300
    resumed = part.resume(700)
    for name, setting in resumed.settings.items():
        record = en.Record("x", at=resumed.dataset["step"].to_numpy().tolist())
        alone = escape(**LONG | {"steps": 700, "optimizer": setting.optimizer, "record": record}).dataset
        assert np.array_equal(resumed.dataset["path"].sel(optimizer=name), alone["path"])


def test_compared_optimizers_take_turns_so_that_an_interrupt_leaves_equally_many_instances(
    interrupted_in_batch, monkeypatch, tmp_path
):
    optimizers = {"a": en.GradientDescent(0.1), "b": en.Adam(0.02), "c": en.HeavyBall(0.02)}
    arguments = LONG | {"record": None, "steps": 400}
    whole = compare(optimizers, **arguments)
    at_once = compare(optimizers, **arguments, plan_only=True)
    results = sum(plan.bytes_of_results for plan in at_once.values())
    room = results + 0.3 * (at_once["b"].bytes_needed - at_once["b"].bytes_of_results)
    monkeypatch.setattr(NumpyEngine, "memory_available", lambda self: room / MEMORY_SHARE)
    plans = compare(optimizers, **arguments, plan_only=True)
    assert len({plan.instances_per_batch for plan in plans.values()}) == 1
    assert plans["a"].batches > 2
    done = interrupted_in_batch(5)
    part = compare(optimizers, **arguments)
    n = plans["a"].instances_per_batch
    assert done == [("a", 0), ("b", 0), ("c", 0), ("a", n), ("b", n)]
    assert part.dataset.sizes["instance"] == n
    assert part.dataset.attrs["unfinished"].startswith(f"a: {n} of 40 instances, at step 400 of 400; b: {n} of 40")
    monkeypatch.undo()
    part.save(tmp_path / "part.nc")
    for kept in (part, en.load(tmp_path / "part.nc")):
        assert kept.resume().dataset.equals(whole.dataset)


def test_a_simulation_runs_in_a_thread_where_no_signal_can_be_caught():
    found = []
    thread = threading.Thread(target=lambda: found.append(escape().dataset))
    thread.start()
    thread.join()
    assert found[0].equals(escape().dataset)


# ---- plans and memory


def test_a_plan_tells_the_work_and_runs_nothing(monkeypatch):
    monkeypatch.setattr(NumpyEngine, "advance", None)
    monkeypatch.setattr(
        sys.modules["ensemble.simulate"], "estimated", lambda plan, setting, engine: plan
    )  # whose trial does run
    plan = simulate(optimizer=en.Adam(en.grid(0.1, 0.2)), plan_only=True)
    assert plan.configurations == 2
    assert plan.coordinate_steps == 2 * 6 * 3 * 8
    assert plan.batches == 1
    assert plan.backend == "numpy"
    assert 0 < plan.bytes_needed < plan.bytes_available
    plans = compare({"a": en.Adam(), "b": en.GradientDescent(0.1)}, plan_only=True)
    assert set(plans) == {"a", "b"}


def test_what_cannot_fit_is_refused_with_the_numbers():
    with pytest.raises(
        MemoryError, match=r"1 configurations x 4000000000 instances x 1000000 coordinates need \d+.*GiB"
    ):
        simulate(landscape=en.QuarticSaddle(dim=10**6), instances=4_000_000_000)


def test_records_count_towards_memory(monkeypatch):
    monkeypatch.setattr(NumpyEngine, "memory_available", lambda self: 40_000)
    assert simulate(plan_only=True).batches == 1
    with pytest.raises(MemoryError, match="record less"):
        simulate(record=en.Record("x", at=range(9)), instances=100, plan_only=True)


# ---- provenance and types


ATTRIBUTES = {
    "backend", "backend_reason", "batches", "check_every", "Conventions", "coordinate_steps", "coordinate_steps_per_second",
    "created", "definitions", "device", "dim", "dtype", "event_stops", "format", "history", "instances", "instances_asked", "interrupted",
    "interrupted_by", "launch", "math", "options", "outcomes", "paired", "seed",
    "segments", "settings", "source", "started_inside", "steps", "title", "unfinished", "versions", "wall_time",
}  # fmt: skip


def test_the_attributes_hold_the_whole_provenance():
    arguments = ESCAPE | {
        "optimizer": en.Adam(lr=en.grid(1e-3, 1e-2)),
        "record": en.Record(["value"], at=en.log_spaced(5), instances=[0, 3]),
        "seed": 2**63 + 5, "check_every": 3, "paired": False, "math": "precise", "first_instance": 7,
    }  # fmt: skip
    attrs = en.simulate(**arguments).dataset.attrs
    assert attrs.keys() == ATTRIBUTES
    assert all(isinstance(value, (str, int, float)) for value in attrs.values())
    assert (attrs["seed"], attrs["backend"], attrs["dtype"], attrs["math"]) == (
        str(2**63 + 5),
        "numpy",
        "float64",
        "precise",
    )
    assert (attrs["check_every"], attrs["paired"], attrs["dim"], attrs["instances"]) == (3, 0, 3, 40)
    assert json.loads(attrs["versions"])["descent-ensemble"] == en.__version__
    assert attrs["backend_reason"] == "backend='numpy' was asked for"
    told = json.loads(attrs["settings"])[""]
    for role in ("landscape", "optimizer", "noise", "start", "event"):
        part = arguments[role]
        assert told[role]["part"] == type(part).__name__
        assert set(told[role]) == {"part", *(f.name for f in dataclasses.fields(part))}
    assert told["optimizer"]["lr"] == {"grid": [1e-3, 1e-2]}
    assert told["record"]["instances"] == [0, 3]
    assert told["record"]["at"] == {"kind": "log", "count": 5}
    assert told["first_instance"] == 7


def test_coordinate_steps_count_what_was_really_done():
    d = escape().dataset
    taken = np.where(d["event_step"] > 0, d["event_step"], 30).sum()
    assert d.attrs["coordinate_steps"] == 3 * taken


def test_variables_have_the_types_labels_and_units_promised():
    d = escape().dataset
    assert d["event_step"].dtype == np.int64
    assert d["event"].dtype == np.int32
    assert d["x"].dtype == np.float64
    assert escape(dtype="float32").dataset["x"].dtype == np.float32
    assert d["horizon"].item() == 30
    assert d["status"].attrs["flag_values"].tolist() == [0, 1, 2]
    assert d["status"].attrs["flag_meanings"] == "censored event diverged"
    for name in d.variables:
        assert name == "coordinate" or d[name].attrs["long_name"], name
    for name in ("event_step", "diverged_step", "horizon"):
        assert d[name].attrs["units"] == "steps"


def test_a_result_says_in_one_line_what_became_of_its_instances():
    line = repr(escape()).splitlines()[0]
    assert "40 instances of dim 3 on numpy" in line
    assert "with event" in line
    assert "diverged" in line


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**64 - 1])
def test_every_seed_is_another_ensemble_and_the_same_one_each_time(seed):
    assert simulate(seed=seed).dataset.equals(simulate(seed=seed).dataset)
    assert not np.array_equal(simulate(seed=seed).dataset["x"], simulate(seed=seed ^ (1 << 40)).dataset["x"])


def test_the_last_instances_there_can_be_run():
    d = simulate(first_instance=2**32 - 1 - 6).dataset
    assert d["instance"][-1] == 2**32 - 2
    assert d["instance"].dtype == np.int64
    assert np.isfinite(d["x"]).all()
