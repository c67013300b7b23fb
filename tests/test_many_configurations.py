"""What is made for many configurations at once is what each has by itself: tables and structs, for every part."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from bad_calls import RUN
from parts import ROLES, example, kinds

import ensemble as en
from ensemble.backends.layout import tiles_of, values_of

SEEN = [(role, kind) for role in ("landscape", "optimizer", "noise", "event") for kind in kinds(role)]
BASE = {"landscape": en.Quadratic, "optimizer": en.GradientDescent, "noise": en.NoNoise, "event": en.Never}


def variants(kind):
    """A part with another number in each of its fields in turn, schedules among them, and with none."""
    good = example(kind, dim=16)
    found = [good]
    for f in dataclasses.fields(kind):
        if not f.init or f.metadata.get("kind") not in ("number", "scheduled", "inner"):
            continue
        value = getattr(good, f.name)
        others = [value * 0.9] if isinstance(value, float) else []
        if f.metadata["kind"] == "scheduled":
            others += [value * 1.1, en.LinearDecay(value, 50, value / 2), en.Constant(value)]
        elif f.metadata["kind"] == "inner" and isinstance(value, en.Optimizer):
            others = [dataclasses.replace(value, lr=0.3), dataclasses.replace(value, lr=en.InverseTime(0.2))]
        for other in others:
            try:
                found.append(dataclasses.replace(good, **{f.name: other}))
            except ValueError:
                continue  # not what the field may be
    return found


@pytest.mark.parametrize(("role", "kind"), SEEN, ids=[k.__name__ for _, k in SEEN])
def test_tables_and_structs_of_many_are_those_of_each(role, kind):
    parts = variants(kind)
    dim = parts[0].dimension if role == "landscape" else 16
    given = {name: example(base, dim) for name, base in BASE.items()}
    setting = en.simulate(**RUN | {
        "landscape": en.Quadratic(1.0, dim=dim), "start": en.Point(0.0), "event": None, "noise": None, "plan_only": False,
        "steps": 1, "instances": 1, "check_every": 1, "dtype": "float64",
    }).settings[""]  # fmt: skip
    many = setting.program(tuple(given | {role: p} for p in parts), 0, 3)
    for first, last in ((1, 7), (60, 61)):
        whole = np.array(
            np.broadcast_to(many.tables(first, last), (len(parts), last - first + 1, len(many.column_names)))
        )
        for place, values in many.steady.items():
            whole[:, :, place] = values[:, None]
        for c in range(len(parts)):
            alone = setting.program((many.configurations[c],), 0, 3).tables(first, last)
            assert np.array_equal(whole[c], alone[0]), (c, first)
    stored, own = [], []
    whole = values_of(
        many, tuple(ROLES)[:1] if role == "landscape" else (role,), lambda a: stored.append(a) or len(stored) - 1
    )
    for c in range(len(parts)):
        program = setting.program((many.configurations[c],), 0, 3)
        alone = values_of(program, (role,), lambda a: own.append(a) or len(own) - 1)
        assert whole.keys() == alone.keys()
        for path, values in alone.items():
            if values.dtype.kind == "u":
                assert np.array_equal(stored[int(whole[path][min(c, len(whole[path]) - 1)])], own[int(values[0])]), path
            else:
                assert whole[path][min(c, len(whole[path]) - 1)] == values[0], path


def test_schedules_and_numbers_in_one_grid_and_many_rates_at_once():
    sweep = en.grid(0.1, en.LinearDecay(0.2, 10), 0.3, lambda t: 0.1 / t)
    together = en.simulate(**RUN | {"optimizer": en.Momentum(sweep, beta=en.grid(0.5, 0.9)), "event": None}).dataset
    for k, lr in enumerate(sweep.values):
        for beta in (0.5, 0.9):
            alone = en.simulate(**RUN | {"optimizer": en.Momentum(lr, beta=beta), "event": None}).dataset
            assert np.array_equal(together["x"].isel(lr=k).sel(beta=beta), alone["x"])


def test_numbers_inside_wrappers_that_float32_loses_are_refused():
    with pytest.raises(ValueError, match=r"base\.lr has the size 1e-60"):
        en.simulate(**RUN | {"optimizer": en.Clip(en.GradientDescent(en.grid(0.1, 1e-60)))})


def test_programs_made_from_one_another_keep_nothing_of_each_other():
    setting = en.simulate(**RUN).settings[""]
    program = setting.program(setting.sweep().parts, 0, 2)
    program.kept["something"] = 1
    assert not dataclasses.replace(program, seed=5).kept


def test_tiles_hold_every_row_once_and_mix_no_configurations():
    random = np.random.default_rng(0)
    for instances, width in ((9, 8), (3, 8), (16, 8), (1, 4)):
        rows = np.flatnonzero(random.random(40 * instances) < 0.7).astype(np.int32)
        tiles = tiles_of(rows, instances, width, False)
        assert np.array_equal(tiles[tiles >= 0], rows)
        for tile in tiles:
            assert len({int(r) // instances for r in tile if r >= 0}) == 1
            assert (np.diff((tile >= 0).astype(int)) <= 0).all()
