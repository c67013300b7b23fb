"""Configurations of the same instances draw once for all, and nobody can tell: every team's bits are those of lone runs."""

from __future__ import annotations

import dataclasses
import itertools
import json
from functools import partial
from typing import Any

import numpy as np
import pytest
from device_runs import differences, program, run
from emulated import EmulatedEngine

import ensemble as en
from ensemble.backends import teams
from ensemble.backends.cpu import CpuEngine
from ensemble.backends.numpy import NumpyEngine
from ensemble.backends.program import Program, State
from ensemble.backends.teams import team_size, teams_of, teams_of_ids

SIZES = (1, 2, 3, 8)
# Rates of which one diverges at once, one late and some escape, each at a step of its own.
RATES = (0.05, 0.3, 0.6, 1.0, 1.7, 2.05, 2.2, 40.0)


def sweep(dim: int = 21, optimizer: Any = en.GradientDescent, **given: Any) -> Program:
    """Eight rates of an optimizer on a saddle, small noise."""
    others = [{"optimizer": optimizer(rate)} for rate in RATES[1:]]
    given = {"noise": en.Gaussian(0.1), "event": en.Below(-0.05), "instances": 37} | given
    return program(en.QuarticSaddle(dim=dim), optimizer(RATES[0]), others=others, **given)


def alone(p: Program, c: int) -> Program:
    return dataclasses.replace(p, configurations=(p.configurations[c],))


def of_team(p: Program, size: int, monkeypatch: pytest.MonkeyPatch, **given: Any) -> Any:
    monkeypatch.setattr(teams, "MOST_MEMBERS", size)
    monkeypatch.setattr(teams, "_cost", lambda teams, tiles, threads: teams)  # as large as they may be, always
    return run(CpuEngine(threads=2), p, 60, **given)


def changed(one: State, other: State) -> list[str]:
    """The arrays that differ; what diverged keeps no memory worth a bit."""
    for state in (one, other):
        for kept in (state.vectors, state.integers):
            kept[:, state.diverged_step >= 0] = 0
    return differences(one, other)


@pytest.fixture(scope="module", autouse=True)
def _compiled(cpu, compile_together):
    compile_together(
        [partial(cpu.prepare, sweep(math=m, dtype=d)) for m in ("precise", "fast") for d in ("float32", "float64")]
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("math", ["precise", "fast"])
def test_no_size_of_a_team_changes_a_bit(math, dtype, monkeypatch):
    p = sweep(math=math, dtype=dtype)
    lone = [of_team(alone(p, c), 1, monkeypatch) for c in range(len(RATES))]
    ends = {
        name: np.concatenate([getattr(s, name) for s in lone], axis=1 if name in ("vectors", "integers") else 0)
        for name in lone[0].arrays()
    }
    steps = ends["event_step"].reshape(len(RATES), -1)
    assert len({tuple(s) for s in steps}) > 4  # events at steps of their own
    assert (ends["diverged_step"].reshape(len(RATES), -1)[-1] > 0).all()
    assert (ends["diverged_step"] < 0).any()
    for size in SIZES:
        for segment in (None, 7):
            found = of_team(p, size, monkeypatch, segment=segment)
            assert changed(found, State(**ends)) == [], (size, segment)


def test_a_team_has_the_bits_of_numpy(monkeypatch):
    p = sweep()
    assert changed(of_team(p, 8, monkeypatch), run(NumpyEngine(), p, 60)) == []


NOISES = [
    en.Gaussian(0.3) + en.Rademacher(0.1) + en.StudentT(3.0, 0.1),
    en.Spikes(0.2, 3.0),
    en.AlphaStable(1.5, 0.1),
]
OPTIMIZERS = [
    lambda lr: en.PerturbedGD(lr, radius=0.5, g_thres=2.0, t_thres=3),
    lambda lr: en.SGLD(lr, temperature=0.01),
    lambda lr: en.Clip(en.Adam(lr), 1.0),
    lambda lr: en.SAM(en.HeavyBall(lr), rho=0.1),
]
SLOW = pytest.mark.slow
CASES = [
    sweep(dim=1),
    sweep(dim=2, noise=NOISES[0]),
    sweep(dim=1, instances=3, optimizer=OPTIMIZERS[1]),
    sweep(dim=70, noise=NOISES[1], optimizer=OPTIMIZERS[0], event=en.SecondOrderStationary(eps=0.5, rho=1.0)),
    sweep(dim=130, instances=3, noise=NOISES[0]),
    *(sweep(dim=d, instances=(1, 37)[k % 2], noise=z, optimizer=o, dtype=("float64", "float32")[k // 2 % 2])
      for k, (d, z, o) in enumerate(itertools.product((1, 2, 3, 5, 8, 70), NOISES, OPTIMIZERS))),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("k", [k if k < 5 else pytest.param(k, marks=SLOW) for k in range(len(CASES))])
def test_whatever_a_team_draws_has_the_bits_of_numpy(k, monkeypatch):
    with np.errstate(all="ignore"):
        expected = run(NumpyEngine(), CASES[k], 60)
    for segment in (None, 11):
        assert changed(of_team(CASES[k], 8, monkeypatch, segment=segment), expected) == []


# ---- on the device, emulated: one configuration in a lane group's registers beside the others

DEVICE = [
    (sweep(dim=21, instances=9), 2, 4),
    (sweep(dim=5, instances=9), 1, 3),
    (sweep(dim=140, instances=5, dtype="float32"), 32, 3),
    (sweep(dim=21, instances=9, event=en.Never(), optimizer=OPTIMIZERS[2]), 4, 2),
    (sweep(dim=21, instances=9, noise=NOISES[0]), 2, 8),
    (sweep(dim=140, instances=1, optimizer=OPTIMIZERS[3]), 64, 2),
]


@pytest.mark.parametrize("k", [k if k < 1 else pytest.param(k, marks=SLOW) for k in range(len(DEVICE))])
def test_a_team_on_the_device_has_the_bits_of_numpy(k):
    p, lanes, size = DEVICE[k]
    engine = EmulatedEngine(lanes, team=size)
    assert engine.team(p) == size
    with np.errstate(all="ignore"):
        expected = run(NumpyEngine(), p, 40)
    for segment in (None, 13):
        assert changed(run(engine, p, 40, segment=segment), expected) == []


def test_teams_are_formed_on_the_device_of_what_is_left():
    p = sweep(instances=7)
    rows = np.flatnonzero(np.random.default_rng(1).random(p.rows) < 0.4).astype(np.int32)
    for size in (2, 3, 4):
        found = teams_of_ids(p, rows, size, np)
        assert np.array_equal(np.sort(found[found >= 0]), rows)
        ids = np.where(found >= 0, found % 7, -1)
        assert ((ids < 0) | (ids == ids.max(axis=1, keepdims=True))).all()
        assert (found >= 0).any(axis=1).all()


def test_the_device_has_teams_where_they_fill_it_and_share_normals():
    def team(**given: Any) -> int:
        return EmulatedEngine(None, processors=132).team(
            sweep(dim=64, **{"dtype": "float32", "instances": 10**6} | given)
        )

    assert team() == 4
    assert team(instances=1000) == team(noise=NOISES[1]) == team(optimizer=OPTIMIZERS[0]) == team(dtype="float64") == 1
    assert team(paired=False) == 1
    assert (
        EmulatedEngine(None, processors=132, streamed=True).team(sweep(dim=64, instances=10**6, dtype="float32")) == 1
    )


# ---- through simulate

ESCAPE = {
    "landscape": en.QuarticSaddle(dim=21),
    "optimizer": en.GradientDescent(lr=en.grid(*RATES)),
    "noise": en.Gaussian(sigma=0.1),
    "start": en.NormalCloud(scale=0.1),
    "event": en.Below(-0.05),
    "record": en.Record(["x", "value"], at=[0, 3, 50, 120], instances=5),
    "instances": 100,
    "steps": 120,
    "backend": "cpu",
    "progress": False,
}


def same(one, other):
    assert set(one.data_vars) == set(other.data_vars)
    return all(np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f") for name in one.data_vars)


def test_a_configuration_of_a_team_is_the_run_of_it_alone_recorded_resumed_replayed_and_cut_short():
    whole = en.simulate(**ESCAPE)
    assert json.loads(whole.dataset.attrs["launch"])["team"] == 8
    for rate in (RATES[1], RATES[4], RATES[7]):
        lone = en.simulate(**ESCAPE | {"optimizer": en.GradientDescent(rate)})
        assert json.loads(lone.dataset.attrs["launch"])["team"] == 1
        assert same(whole.dataset.sel(lr=rate, drop=True), lone.dataset)
    resumed = en.simulate(**ESCAPE | {"steps": 50, "record": None}).resume(120)
    assert same(resumed.dataset, en.simulate(**ESCAPE | {"record": None}).dataset)
    few = en.simulate(**ESCAPE | {"instances": 21})
    assert same(few.dataset, whole.dataset.sel(instance=slice(0, 20)))
    path = en.replay(whole, instance=3, configuration={"lr": RATES[1]})
    assert np.array_equal(path["x"][-1], whole.dataset["x"].sel(lr=RATES[1], instance=3))


def test_what_is_not_paired_draws_for_itself():
    unpaired = en.simulate(**ESCAPE | {"paired": False}).dataset
    assert json.loads(unpaired.attrs["launch"])["team"] == 1
    for name in ("event_step", "x"):
        numpy = en.simulate(
            **ESCAPE | {"paired": False, "backend": "numpy", "math": "precise", "dtype": "float64"}
        ).dataset
        cpu = en.simulate(**ESCAPE | {"paired": False, "math": "precise", "dtype": "float64"}).dataset
        assert np.array_equal(numpy[name], cpu[name], equal_nan=True)


def test_a_plan_says_the_team():
    plan = en.simulate(**ESCAPE, plan_only=True)
    assert plan.team == 8
    assert "8 configurations of an instance advance together and draw once" in str(plan)
    assert en.simulate(**ESCAPE | {"noise": en.NoNoise()}, plan_only=True).team == 1
    assert "together" not in str(en.simulate(**ESCAPE | {"paired": False}, plan_only=True))


# ---- how teams are formed


@pytest.mark.parametrize("instances", [1, 3, 16, 37])
@pytest.mark.parametrize("share", [1.0, 0.6, 0.03])
def test_teams_hold_every_row_once_and_a_lane_one_id(instances, share):
    p = sweep(instances=instances)
    rows = np.flatnonzero(np.random.default_rng(instances).random(p.rows) < share).astype(np.int32)
    for mixed in (False, True):
        for size in SIZES:
            form = teams._of_ids if mixed else teams._of_tiles
            found = form(rows, p, 16, size)[0]
            assert np.array_equal(np.sort(found[found >= 0]), rows)
            ids = np.where(found >= 0, found % instances, -1)
            assert ((ids < 0) | (ids == ids.max(axis=1, keepdims=True))).all()
            of = np.where(found >= 0, found // instances, -1)
            assert mixed or ((of < 0) | (of == of.max(axis=2, keepdims=True))).all()
            assert (found >= 0).any(axis=(1, 2)).all()


def test_teams_are_smaller_where_threads_would_wait_and_none_where_they_spare_nothing():
    p = sweep(instances=160)
    assert team_size(p, p.rows, 16, 1) == team_size(p, p.rows, 16, 2) == 8
    assert 1 < team_size(p, p.rows, 16, 40) < 8
    assert team_size(p, p.rows, 16, 80) == 1
    large = sweep(dim=200_000, optimizer=en.Adam)
    assert team_size(large, large.rows, 16, 1) == 1  # no cache holds two
    starts = 176 * np.arange(8)  # sixteen instances of each of eight configurations, no id in common
    apart = (starts[:, None] + np.arange(16)).ravel()
    assert teams_of(p, apart, 16, 2, False).shape == (8, 1, 16)
    assert teams_of(p, apart[::4], 16, 2, False).shape == (2, 4, 16)  # each in lanes of its own
