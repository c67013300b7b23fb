"""What a user holds can be copied, sent to another process, compared and used as a key, and is the same sweep afterwards."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
from bad_calls import RUN
from parts import all_kinds, example, kinds

import ensemble as en
from ensemble.grids import Grid

WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "twice": lambda value: pickle.loads(pickle.dumps(copy.deepcopy(value))),
}


def made(kind):
    return en.FromFunction(math.sqrt) if kind is en.FromFunction else example(kind, per_coordinate=True)


def swept(kind):
    """An example with a grid in every field that may have one."""
    good = made(kind)
    if isinstance(good, en.Law):
        return good
    given = {f.name: getattr(good, f.name) for f in dataclasses.fields(kind) if f.init}
    for f in dataclasses.fields(kind):
        if f.init and f.metadata.get("kind") in ("number", "scheduled"):
            given[f.name] = en.grid(given[f.name], given[f.name])
    return kind(**given)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", all_kinds())
def test_every_part_equals_its_copy_and_has_its_hash(kind, way):
    for part in (made(kind), swept(kind)):
        other = WAYS[way](part)
        assert type(other) is kind
        assert other == part
        assert hash(other) == hash(part)
        assert {part: 1}[other] == 1
        assert dataclasses.replace(part) == part
        for f in dataclasses.fields(kind):
            a, b = getattr(part, f.name), getattr(other, f.name)
            assert np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b
            if isinstance(b, np.ndarray):
                assert not b.flags.writeable, f.name


@pytest.mark.parametrize("kind", all_kinds())
def test_a_part_with_another_number_or_of_another_class_is_another(kind):
    good = made(kind)
    given = {f.name: getattr(good, f.name) for f in dataclasses.fields(kind) if f.init}
    for f in dataclasses.fields(kind):
        value = given.get(f.name)
        if f.metadata.get("kind") in ("number", "array", "vector") and f.init:
            changed = (
                tuple(np.asarray(value) * 0.97) if isinstance(value, tuple) else value * 0.97 + (value == 0) * 0.01
            )
            if f.metadata["kind"] == "number" and not f.metadata["domain"].holds(changed):
                changed = value + 1.0
            assert kind(**given | {f.name: changed}) != good, f.name
    assert good != example(next(k for k in kinds("start") if k is not kind))
    twin = dataclasses.make_dataclass(kind.__name__, [], bases=(kind,), frozen=True)
    assert twin(**given) != good


def test_parts_of_a_users_own_with_arrays_compare_and_hash():
    @dataclasses.dataclass(frozen=True)
    class Own(en.Start):
        table: object = en.starts.array()

    assert Own([[1.0, 2.0]]) == Own(np.array([[1, 2]]))
    assert hash(Own([[1.0, 2.0]])) == hash(Own(np.array([[1, 2]])))
    assert Own([[1.0, 2.0]]) != Own([[1.0], [2.0]])
    with pytest.raises(ValueError, match="read-only"):
        Own([[1.0]]).table[0] = 3


RECORD = en.Record(["value", "x"], at=en.log_spaced(5), instances=[0, 2], point=[0.0, 1.0, 0.0])
THINGS = {
    "grid": en.grid(0.1, 0.2),
    "grid of vectors": en.grid(np.array([1.0, 2.0]), [3.0, 4.0]),
    "zipped": en.zipped(lr=(0.1, 0.2), sigma=(0.3, 0.4)),
    "Record": RECORD,
    "Record of a list": en.Record("distance", at=[0, 3], summary=True),
    "log_spaced": en.log_spaced(7),
    "lin_spaced": en.lin_spaced(7),
    "Plan": en.simulate(**RUN | {"plan_only": True}),
    "plan of a run": en.simulate(**RUN | {"record": RECORD, "plan_only": True}),
    "Experiment": en.simulate(**RUN | {"record": RECORD, "optimizer": en.GradientDescent(en.grid(0.1, 0.2))}).settings[""],
    "Result": en.simulate(**RUN | {"record": RECORD}),
    "diverged Result": en.simulate(**RUN | {"optimizer": en.GradientDescent(1e6), "start": en.Point(5.0), "event": None}),
    "compared Result": en.compare(
        {"a": en.Average(en.Adam(en.grid(0.1, 0.2))), "b": en.PerturbedGD(0.1, 0.1, 0.1, 5)},
        **{k: v for k, v in RUN.items() if k != "optimizer"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", THINGS)
def test_what_is_no_part_equals_its_copy_and_has_its_hash(name, way):
    thing = THINGS[name]
    other = WAYS[way](thing)
    assert other == thing
    assert hash(other) == hash(thing)
    assert other != "another"


def test_results_of_other_runs_are_other_results():
    first, again, other = (en.simulate(**RUN | {"seed": seed}) for seed in (1, 1, 2))
    assert first.settings == again.settings
    assert first.outcomes[""].x.tolist() == again.outcomes[""].x.tolist()
    assert first != other
    assert first.settings != other.settings


def sweep_of(optimizer, noise):
    return en.simulate(**RUN | {"optimizer": optimizer, "noise": noise}).dataset


def joint():
    sweep = en.zipped(lr=(0.1, 0.2), sigma=(0.3, 0.4))
    return en.GradientDescent(sweep.lr), en.Gaussian(sweep.sigma)


def shared():
    one = en.grid(0.1, 0.2)
    return en.GradientDescent(one), en.Gaussian(one)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("parts", [joint, shared])
def test_what_is_swept_together_is_swept_together_after_copying_one_by_one_or_both(parts, way):
    optimizer, noise = parts()
    expected = sweep_of(optimizer, noise)
    assert dict(expected.sizes)["lr_sigma"] == 2
    for both in (
        (WAYS[way](optimizer), WAYS[way](noise)),
        WAYS[way]((optimizer, noise)),
        (WAYS[way](optimizer), noise),
    ):
        found = sweep_of(*both)
        assert found.sizes == expected.sizes
        assert found["x"].identical(expected["x"])


@pytest.mark.parametrize("way", WAYS)
def test_a_copied_zipped_makes_the_same_sweep(way):
    sweep = en.zipped(lr=(0.1, 0.2), sigma=(0.3, 0.4))
    other = WAYS[way](sweep)
    assert dict(other) == dict(sweep)
    assert sweep_of(en.GradientDescent(sweep.lr), en.Gaussian(other.sigma)).sizes["lr_sigma"] == 2
    assert en.Adam(**WAYS[way](en.zipped(lr=(0.1, 0.2), beta2=(0.9, 0.99)))).lr == en.grid(0.1, 0.2)


@pytest.mark.ci
def test_parts_from_another_process_are_swept_together_and_never_with_others():
    """Whatever number the other process counted its grids by."""
    script = (
        "import pickle, sys, ensemble as en; s = en.zipped(lr=(0.1, 0.2), sigma=(0.3, 0.4)); "
        "sys.stdout.buffer.write(pickle.dumps((en.GradientDescent(s.lr), en.Gaussian(s.sigma))))"
    )
    sent = [subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout for _ in range(2)]
    (optimizer, noise), (_, other) = (pickle.loads(data) for data in sent)
    assert sweep_of(optimizer, noise).sizes["lr_sigma"] == 2
    assert {"lr", "sigma"} <= set(sweep_of(optimizer, other).sizes)


def test_settings_that_sweep_together_and_one_by_one_are_not_equal():
    product = en.GradientDescent(en.grid(0.1, 0.2)), en.Gaussian(en.grid(0.3, 0.4))
    settings = [en.simulate(**RUN | {"optimizer": o, "noise": n}).settings[""] for o, n in (joint(), joint(), product)]
    assert settings[0] == settings[1]
    assert hash(settings[0]) == hash(settings[1])
    assert settings[0] != settings[2]


def test_a_grid_that_two_parts_share_is_changed_by_neither():
    one = en.grid(1, 2)
    en.UniformBox(low=en.grid(0, 0), high=one), en.GradientDescent(one)
    assert one.values == (1, 2)
    assert all(type(v) is int for v in one.values)
    assert isinstance(one, Grid)
