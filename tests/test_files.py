"""Saving, loading, resuming and replaying from files: whole or not at all, and nothing lost."""

from __future__ import annotations

import dataclasses
import json
import stat
import subprocess
import sys
from functools import cache, partial

import numpy as np
import pytest
import xarray as xr
from parts import all_kinds, example

import ensemble as en
from ensemble.results.loading import _result
from ensemble.results.rebuild import Rebuilder

RUN = {
    "landscape": en.QuarticSaddle(dim=3, gamma=en.grid(0.5, 1.0)),
    "optimizer": en.Adam(lr=en.grid(0.01, 0.03), beta2=0.99),
    "noise": en.Gaussian(sigma=0.2),
    "start": en.NormalCloud(scale=0.1, center=[0.0, 0.1, 0.2]),
    "event": en.LeftBall(radius=0.8),
    "instances": 12,
    "steps": 40,
    "seed": 2**64 - 3,
    "dtype": "float64",
    "backend": "numpy",
    "progress": False,
}


def simulate(**arguments):
    return en.simulate(**RUN | arguments)


@pytest.fixture
def place(tmp_path):
    """Where files go; nothing else may be left there."""
    yield tmp_path / "run.nc"
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= {"run.nc"}, f"stray files: {left}"


def compare(optimizers, **arguments):
    rest = {name: value for name, value in (RUN | arguments).items() if name != "optimizer"}
    return en.compare(optimizers, **rest)


SWEEP = en.zipped(lr=(0.01, 0.02), sigma=(0.1, 0.3))
SCHEDULES = en.grid(0.1, en.InverseTime(0.1), en.Warmup(en.Cosine(0.1, 40), 5))
# Runs of every shape that a file must hold.
RUNS = {
    "one configuration": partial(simulate, landscape=en.QuarticSaddle(dim=3), optimizer=en.GradientDescent(0.1)),
    "a grid": simulate,
    "zipped": partial(simulate, optimizer=en.Adam(lr=SWEEP.lr), noise=en.Gaussian(sigma=SWEEP.sigma)),
    "vectors": partial(simulate, start=en.Point(en.grid([0.0, 0.1, 0.2], [0.1, 0.1, 0.1], 0.3))),
    "schedules": partial(simulate, optimizer=en.HeavyBall(lr=SCHEDULES)),
    "records": partial(
        simulate, record=en.Record(["x", "value", "distance"], at=en.log_spaced(7), point=[1.0, 2.0, 3.0])
    ),
    "some records": partial(simulate, record=en.Record("x", at=[3, 40], instances=[7, 2], survivors=True)),
    "a summary": partial(simulate, record=en.Record("value", at=en.lin_spaced(4), summary=True, quantiles=(0.5,))),
    "a summary of x": partial(
        simulate, record=en.Record(["x", "value"], at=[0, 9, 40], summary=True, quantiles=(0.1, 0.5))
    ),
    "no iterates": partial(simulate, keep_x=False),
    "float32": partial(simulate, dtype="float32", math="precise", check_every=4, paired=False, first_instance=99),
    "diverged": partial(simulate, optimizer=en.GradientDescent(en.grid(0.1, 9.0)), event=None, steps=80),
    "integers": partial(simulate, optimizer=en.PerturbedGD(lr=0.1, radius=0.1, g_thres=0.5, t_thres=en.grid(3, 5))),
    "an average": partial(simulate, optimizer=en.Average(en.Adam(lr=0.02), after=3), record=en.Record("x", at=[0, 40])),
    "events that derive fields": partial(
        simulate, event=en.AnyOf(en.NearMinimum([[1.0, 0.0, 0.0]], en.grid(0.3, 0.5)), en.Below(-0.2), stop=False)
    ),
    "compared": partial(compare, {"Adam": en.Adam(0.01), "GD": en.GradientDescent(0.1)}),
    "compared, unlike": partial(
        compare, {"Adam": en.Adam(en.grid(0.01, 0.1)), "PGD": en.PerturbedGD(0.1, 0.1, 0.5, 3)}
    ),
    "compared, horizons": partial(
        compare, {"a": en.Adam(0.01), "b": en.GradientDescent(0.1)}, steps={"a": 40, "b": 20}
    ),
}
KINDS = pytest.mark.parametrize("kind", RUNS)


@cache
def result_of(kind):
    return RUNS[kind]()


# ---- saved and loaded


@pytest.mark.parametrize(
    "kind", [k for k in all_kinds() if k not in (en.FromFunction, en.Composed)], ids=lambda k: k.__name__
)
def test_every_part_comes_back_from_the_description_that_a_file_keeps(kind):
    part = example(kind, 4, False)
    back = Rebuilder(2).part(json.loads(json.dumps(part.describe())), "part", None)
    assert back == part
    assert back.describe() == part.describe()


@KINDS
def test_a_loaded_result_is_the_saved_one(kind, place):
    result = result_of(kind)
    assert result.save(place) == place
    loaded = en.load(place)
    assert loaded.dataset.identical(result.dataset)
    assert loaded.options == result.options
    assert loaded.settings == result.settings
    for name, outcome in result.outcomes.items():
        for array in ("x", "event_step", "event", "diverged_step"):
            assert np.array_equal(getattr(loaded.outcomes[name], array), getattr(outcome, array), equal_nan=True)


@KINDS
def test_the_file_opens_in_plain_xarray_with_everything_in_it(kind, place):
    result = result_of(kind)
    result.save(str(place), state=False)
    with xr.open_dataset(place) as plain:
        assert plain.drop_attrs().identical(result.dataset.drop_attrs())
        assert plain.attrs.keys() == result.dataset.attrs.keys()
        assert plain["event_step"].attrs == result.dataset["event_step"].attrs


@pytest.mark.ci
def test_the_file_opens_where_this_package_is_not(place):
    result_of("a grid").save(place)
    code = f"""
import sys
sys.modules["ensemble"] = None
import xarray
d = xarray.open_dataset({str(place)!r})
print(dict(d.sizes)["lr"], d.status.attrs["flag_meanings"], d.attrs["seed"])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/").stdout
    assert out.split() == ["2", "censored", "event", "diverged", str(2**64 - 3)]


def test_a_file_replaces_an_older_one_and_has_ordinary_permissions(place):
    result_of("a grid").save(place)
    result_of("compared").save(place)
    assert "optimizer" in en.load(place).dataset.dims
    plain = place.parent / "plain"
    plain.write_text("")
    assert stat.S_IMODE(place.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    plain.unlink()


def test_two_loaded_results_do_not_share_their_zips(place):
    result_of("zipped").save(place)
    one, other = en.load(place).settings[""], en.load(place).settings[""]
    d = simulate(optimizer=one.optimizer, noise=other.noise).dataset
    assert d["event_step"].dims[-3:] == ("lr", "sigma", "instance")


# ---- resumed and replayed


@pytest.mark.parametrize(
    ("kind", "state"), [*((kind, True) for kind in RUNS), ("a grid", False), ("integers", False), ("compared", False)]
)
def test_a_loaded_result_resumes_to_the_bits_of_one_long_run(kind, state, place):
    steps = 60 if kind != "diverged" else 90
    result_of(kind).save(place, state=state)
    resumed = en.load(place).resume(steps)
    for name, setting in result_of(kind).settings.items():
        parts = {f.name: getattr(setting, f.name) for f in dataclasses.fields(setting)} | {
            "steps": steps,
            "record": None,
        }
        unbroken = en.simulate(**parts, backend="numpy", progress=False).outcomes[""]
        found = resumed.outcomes[name]
        for array in ("event_step", "event", "diverged_step", *(["x"] if kind != "no iterates" else [])):
            assert np.array_equal(getattr(found, array), getattr(unbroken, array), equal_nan=True)
    if state:
        assert resumed.dataset.equals(result_of(kind).resume(steps).dataset)


def test_records_of_a_resumed_file_go_on_where_they_stopped(place):
    at = [0, 5, 40, 45, 60]
    short = simulate(record=en.Record(["x", "value"], at=at[:3]))
    short.save(place)
    again = en.load(place)
    again.settings[""] = dataclasses.replace(again.settings[""], record=en.Record(["x", "value"], at=at))
    assert again.resume(60).dataset.equals(simulate(record=en.Record(["x", "value"], at=at), steps=60).dataset)


@pytest.mark.parametrize("state", [True, False])
def test_spaced_records_keep_what_was_taken_and_go_on(state, place):
    short = simulate(record=en.Record("value", at=en.lin_spaced(5)))
    short.save(place, state=state)
    resumed = en.load(place).resume(100).dataset
    assert resumed["step"].to_numpy().tolist() == [0, 10, 20, 30, 40, 50, 75, 100]
    assert resumed["value"].sel(step=short.dataset["step"]).equals(short.dataset["value"])


@pytest.mark.parametrize("kind", ["a grid", "zipped", "vectors", "float32", "diverged", "compared, unlike"])
def test_an_instance_can_be_replayed_from_a_file(kind, place):
    result_of(kind).save(place)
    loaded = en.load(place)
    for name, outcome in loaded.outcomes.items():
        c = outcome.x.shape[0] - 1
        first = loaded.settings[name].first_instance
        path = en.replay(loaded, instance=first + 5, configuration=c, optimizer=name or None)
        assert np.array_equal(path["x"][-1], outcome.x[c, 5], equal_nan=True)


def test_a_part_defined_elsewhere_is_asked_for_by_name(place):
    class Elsewhere(en.GradientDescent):
        pass

    simulate(optimizer=Elsewhere(0.1)).save(place)
    assert en.load(place).settings[""].optimizer == Elsewhere(0.1)
    Elsewhere.__qualname__ = "Renamed"
    loaded = en.load(place)
    assert loaded.dataset["x"].shape[0] > 0
    assert loaded.settings == {}
    wanted = r"the part 'test_files:.*Elsewhere', which is not defined here: define it, and load with load\(path, parts=\[Elsewhere\]\)"
    for call in (lambda: loaded.resume(60), loaded.fields, lambda: en.replay(loaded, 0), lambda: loaded.save(place)):
        with pytest.raises(ValueError, match=wanted) as error:
            call()
        assert len(str(error.value)) <= 300
        assert "class Elsewhere(en.GradientDescent):" in "".join(error.value.__notes__)


def test_a_part_that_is_given_stands_for_that_of_its_name(place):
    class Elsewhere(en.GradientDescent):
        def step(self, x, gradient, state, now):
            return x - 0.5 * now.lr * gradient(x)

    result = simulate(optimizer=Elsewhere(0.1))
    result.save(place)
    same, Elsewhere.__module__ = Elsewhere, "moved"
    assert en.load(place, parts=[same]).settings[""].optimizer == same(0.1)

    class Elsewhere(en.GradientDescent):
        def step(self, x, gradient, state, now):
            return x - 0.25 * now.lr * gradient(x)

    with pytest.raises(
        ValueError, match=r"the Elsewhere given is not the 'test_files:.*' that ran: its methods differ"
    ) as error:
        en.load(place, parts=[Elsewhere])
    assert "0.5 * now.lr" in error.value.__notes__[0]
    assert "class Elsewhere" in error.value.__notes__[1]
    for wrong in (3, [3], [en.Adam(0.1)], "valley"):
        with pytest.raises(ValueError, match=r"load\(parts=.*give classes of parts"):
            en.load(place, parts=wrong)


ATTACKS = (
    "os:system",
    "builtins:eval",
    "__main__:__import__",
    "a.b:c.__globals__",
    "../../x:y",
    "a b:c",
    "x:y;import os",
    ":y",
    "x:",
    "pathlib:Path",
)


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_that_a_file_names_is_imported_or_run(name, place, tmp_path):
    class Elsewhere(en.GradientDescent):
        pass

    simulate(optimizer=Elsewhere(0.1)).save(place)
    with xr.open_dataset(place) as dataset:
        changed = dataset.load()
    settings = json.loads(changed.attrs["settings"])
    settings[""]["optimizer"]["part"] = name
    changed.attrs["settings"] = json.dumps(settings)
    modules, seen = set(sys.modules), []

    def watch(event, arguments):
        if watching and event in ("import", "exec", "compile", "os.system", "subprocess.Popen"):
            seen.append((event, arguments))

    sys.addaudithook(watch)
    watching = True
    try:
        with pytest.raises(ValueError, match="which is not defined here"):
            _result(changed, 2, (), place)
    finally:
        watching = False
    assert seen == []
    assert set(sys.modules) == modules


def test_a_function_is_kept_by_name_only_and_cannot_be_resumed_from_a_file(place):
    result = simulate(optimizer=en.GradientDescent(lr=en.FromFunction(lambda t: 0.1 / t)))
    assert result.resume(50).dataset["horizon"] == 50
    result.save(place)
    loaded = en.load(place)
    assert loaded.dataset.identical(result.dataset)
    with pytest.raises(ValueError, match=r"FromFunction.*this is a function's name.*run simulate again"):
        loaded.resume(50)
