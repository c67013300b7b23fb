"""Coordinates say what each configuration had: by the field's place, the same in every process."""

from __future__ import annotations

import dataclasses
import functools
import os
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from bad_calls import RUN
from parts import allowed, kinds

import ensemble as en

SHARED = {name: value for name, value in RUN.items() if name not in ("optimizer", "event")} | {
    "steps": 3,
    "instances": 2,
}
WRAPPERS = [k for k in kinds("optimizer") if any(f.metadata.get("kind") == "inner" for f in dataclasses.fields(k))]


def compared(**optimizers):
    return en.compare(optimizers, **SHARED).dataset


def columns(data):
    return {
        str(c): data[c].values.tolist() for c in data.coords if data[c].dims == ("configuration",) and c != "optimizer"
    }


def wrapped(kind, base):
    """A wrapper of ``base`` whose own numbers are 0.7 or what is allowed instead."""
    own = {
        f.name: 0.7 if f.metadata["domain"].holds(0.7) else allowed(f)[-1]
        for f in dataclasses.fields(kind)
        if f.metadata.get("kind") in ("number", "scheduled")
    }
    return kind(base, **own), own


@pytest.mark.parametrize("kind", WRAPPERS)
def test_what_is_fixed_inside_a_wrapper_is_read_there(kind):
    """Beside the same rule swept bare, in the same wrapper, and in another."""
    fixed, _ = wrapped(kind, en.HeavyBall(lr=0.05, beta=0.9))
    for swept in (
        en.HeavyBall(lr=en.grid(0.01, 0.02), beta=en.grid(0.5, 0.6)),
        wrapped(kind, en.HeavyBall(lr=en.grid(0.01, 0.02), beta=en.grid(0.5, 0.6)))[0],
        en.SAM(en.HeavyBall(lr=en.grid(0.01, 0.02), beta=en.grid(0.5, 0.6))),
    ):
        found = columns(compared(a=swept, b=fixed))
        assert found == {"lr": [0.01, 0.01, 0.02, 0.02, 0.05], "beta": [0.5, 0.6, 0.5, 0.6, 0.9]}


@pytest.mark.parametrize("kind", WRAPPERS)
def test_what_a_wrapper_has_is_read_off_the_same_wrapper_alone(kind):
    fixed, own = wrapped(kind, en.HeavyBall(lr=0.05, beta=0.9))
    domains = {f.name: f.metadata.get("domain") for f in dataclasses.fields(kind)}
    other = en.SAM if kind is en.Clip else en.Clip
    for name, value in own.items():
        grid = en.grid(*((1.0, 2.0) if domains[name].holds(1.0) and domains[name].holds(2.0) else (0.5, 0.6)))
        swept = dataclasses.replace(fixed, **{name: grid})
        found = columns(compared(a=swept, b=fixed, c=en.HeavyBall(lr=0.05, beta=0.9), d=other(fixed)))
        (column,) = found.values()
        assert column[:3] == [*grid.values, value]
        assert np.isnan(column[3])
        assert column[4] == value


def test_cases():
    found = compared(
        a=en.WeightDecay(en.Adam(lr=en.grid(0.01, 0.02)), lr=0.5), b=en.WeightDecay(en.Adam(lr=0.05), lr=0.7)
    )
    assert columns(found) == {"lr": [0.01, 0.02, 0.05]}
    found = compared(a=en.HeavyBall(0.1, beta=en.grid(0.8, 0.7)), b=en.EMA(en.HeavyBall(0.1, beta=0.9), beta=0.999))
    assert columns(found) == {"beta": [0.8, 0.7, 0.9]}
    assert columns(compared(a=en.Adam(lr=en.grid(0.1, 0.2)), b=en.Clip(en.Adam(lr=0.05)))) == {"lr": [0.1, 0.2, 0.05]}


def test_two_fields_of_one_name_have_a_column_each():
    found = compared(a=en.Adam(en.grid(0.1, 0.2)), b=en.WeightDecay(en.Adam(0.05), lr=en.grid(0.1, 0.2)))
    assert columns(found)["optimizer_lr"] == [0.1, 0.2, 0.05, 0.05]
    assert columns(found)["WeightDecay_lr"][2:] == [0.1, 0.2]
    alone = en.simulate(**SHARED, optimizer=en.WeightDecay(en.Adam(lr=en.grid(0.1, 0.2)), lr=en.grid(0.5, 0.6, 0.7)))
    assert dict(alone.dataset["event"].sizes) == {"optimizer_base_lr": 2, "optimizer_lr": 3, "instance": 2}


def test_the_same_grid_of_the_same_field_is_one_dimension_and_of_another_is_not():
    rates = (0.1, 0.2)
    same = compared(a=en.Adam(en.grid(*rates)), b=en.Clip(en.Adam(en.grid(*rates))))
    assert same["event"].dims == ("optimizer", "lr", "instance")
    other = compared(a=en.Adam(en.grid(*rates)), b=en.WeightDecay(en.Adam(0.1), lr=en.grid(*rates)))
    assert other["event"].dims == ("configuration", "instance")


def test_a_landscape_swept_for_both_is_not_read_off_an_optimizer_with_a_field_of_its_name():
    run = SHARED | {
        "landscape": en.QuarticSaddle(dim=3, gamma=en.grid(1.0, 2.0)),
        "noise": en.Gaussian(en.grid(0.1, 0.2)),
    }
    found = en.compare({"a": en.Adam(en.grid(0.1, 0.2)), "b": en.Adam(0.3)}, **run).dataset
    assert columns(found)["lr"][-4:] == [0.3] * 4
    for c in range(found.sizes["configuration"]):  # each says what it ran with: its own run gives the same points
        here = found.isel(configuration=c)
        alone = en.simulate(**run | {
            "landscape": en.QuarticSaddle(dim=3, gamma=float(here["gamma"])), "noise": en.Gaussian(float(here["sigma"])),
            "optimizer": en.Adam(float(here["lr"])),
        }).dataset  # fmt: skip
        assert np.array_equal(alone["x"], here["x"])


def test_legends_say_the_place_s_number():
    run = {k: v for k, v in RUN.items() if k != "optimizer"} | {
        "steps": 400,
        "instances": 40,
        "start": en.NormalCloud(0.1),
    }
    rules = {
        "a": en.WeightDecay(en.Adam(lr=en.grid(0.01, 0.02)), lr=0.5),
        "b": en.WeightDecay(en.Adam(lr=0.05), lr=0.7),
    }
    from ensemble import plots

    figure = plots.survival(en.compare(rules, **run))
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    plt.close(figure)
    assert any("lr = 0.05" in words for words in said)
    assert not any("0.7" in words for words in said)


# ---- functions


def falling(t):
    return 0.1 / t


class Rate:
    def __init__(self, first):
        self.first = first

    def __call__(self, t):
        return self.first / t

    def method(self, t):
        return self.first / t


def made_of(first):
    return lambda t: first / t


def functions():
    return (
        lambda t: 0.1 / t, lambda t: 0.2 / t, falling, np.sqrt, Rate(0.1), Rate(0.2), Rate(0.1).method, Rate(0.2).method,
        functools.partial(np.power, 0.9), functools.partial(np.power, 0.8), *map(made_of, (0.1, 0.2)),
        *(lambda t, first=first: first / t for first in (0.1, 0.2)),
    )  # fmt: skip


def test_functions_have_names_of_their_own_the_same_each_time_they_are_made():
    first, again = ([en.FromFunction(f).name for f in functions()] for _ in range(2))
    assert first == again
    assert len(set(first)) == len(first)
    assert not any("0x" in name or "<" in name for name in first)
    assert first[2] == "falling"


def test_two_shards_of_a_sweep_over_functions_and_schedules_are_two_halves_of_one():
    def shard(first):
        sweep = en.grid(lambda t: 0.1 / t, lambda t: 0.2 / t, en.LinearDecay(0.1, 10), falling)
        return en.simulate(
            **RUN | {"optimizer": en.GradientDescent(sweep), "instances": 5, "first_instance": first}
        ).dataset

    whole = xr.concat([shard(0), shard(5)], dim="instance", data_vars="minimal", combine_attrs="drop_conflicts")
    assert dict(whole["event_step"].sizes) == {"lr": 4, "instance": 10}
    for data in (shard(0), shard(5)):
        assert "0x" not in f"{data['lr'].values}{data.attrs}"


SCRIPT = """
import ensemble as en
run = dict(landscape=en.Quadratic([1.0]), start=en.Point(1.0), instances=1, steps=2, backend="numpy")
sweep = en.grid(lambda t: 0.1 if t in {"a", "b", 1} else 0.2, lambda t: 0.2 / t)
data = en.simulate(**run, optimizer=en.Adam(lr=sweep), noise=en.Gaussian(lambda t: 0.1)).dataset
print(data["lr"].values.tolist(), data.attrs["settings"].replace(repr(data.attrs), ""))
"""


@pytest.mark.ci
def test_names_are_the_same_in_every_process():
    said = []
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        )  # fmt: skip
        said.append(done.stdout)
    assert said[0] == said[1]
    assert "0x" not in said[0]


def test_a_schedule_of_a_users_own_is_called_by_what_it_holds():
    @dataclasses.dataclass(frozen=True)
    class Table(en.Schedule):
        values: tuple
        how: object = None

        def __call__(self, t):
            return np.interp(t, np.arange(len(self.values)), self.values)

    grid = en.grid(Table((0.1,) * 9, falling), Table((0.1,) * 9, Rate(0.1)), Table((0.1,) * 9, Rate(0.2)))
    names = en.simulate(**RUN | {"optimizer": en.GradientDescent(grid)}).dataset["lr"].values.tolist()
    assert len(set(names)) == 3
    assert not any("0x" in name for name in names)
