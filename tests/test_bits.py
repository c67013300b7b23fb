"""The same bits, however the work is cut: tiles, threads, batches, segments, backends, resumed, replayed, a part of it."""

from __future__ import annotations

import dataclasses
import itertools
import platform
import random
from functools import partial

import numpy as np
import pytest
from parts import combined, covering, example, kinds, variants

import ensemble as en
from ensemble.backends import compiler
from ensemble.backends.cpu import CpuEngine
from ensemble.backends.draws import Draws
from ensemble.backends.numpy import NumpyEngine
from ensemble.run.experiment import Experiment
from ensemble.run.plan import MEMORY_SHARE, plan_run
from ensemble.run.runs import execute

DIM = 21

# One combination of parts, and one for what diverges, stand for all where the cut alone is in question.
ESCAPE = {
    "landscape": en.QuarticSaddle(dim=DIM),
    "optimizer": en.Adam(lr=en.grid(0.01, 0.02)),
    "noise": en.Gaussian(sigma=0.3),
    "start": en.NormalCloud(scale=0.05),
    "event": en.LeftBall(radius=1.1),
    "instances": 150,
    "steps": 120,
    "seed": 3,
    "backend": "cpu",
    "progress": False,
}
DIVERGING = ESCAPE | {
    "optimizer": en.GradientDescent(lr=en.grid(0.1, 2.5)),
    "start": en.UniformBox(low=-1.0, high=1.0),
    "event": en.Never(),
    "math": "precise",
}


@pytest.fixture(scope="module")
def cpu(cpu, compile_together, request):
    asked = {item.callspec.params.get("i") for item in request.session.items if hasattr(item, "callspec")}
    some = [ESCAPE, DIVERGING, *map(mixing, (3, 40)), *(covered(i, "cpu") for i in range(len(COVERING)) if i in asked)]
    compile_together(
        [partial(cpu.prepare, program(arguments)) for arguments in some]
        + [partial(cpu._library, program(arguments), "observe") for arguments in (ESCAPE, DIVERGING)]
        + [partial(CpuEngine(width=w)._library, program(ESCAPE), "advance") for w in WIDTHS]
    )
    return cpu


def setting(arguments):
    """What ``simulate`` makes of its arguments."""
    usual = {
        "seed": 0,
        "first_instance": 0,
        "dtype": "float32",
        "math": "fast",
        "check_every": 1,
        "paired": True,
        "record": None,
    }
    names = [field.name for field in dataclasses.fields(Experiment)]
    given = usual | arguments | {"optimizer": arguments["optimizer"].at_dim(arguments["landscape"].dimension)}
    return Experiment(**{name: given[name] for name in names})


def program(arguments):
    s = setting(arguments)
    return s.program(s.sweep().parts, 0, s.instances)


def run(arguments, engine, segment_steps=None, per_batch=None):
    """The outcome of a run that is cut in a given way."""
    s = setting(arguments)
    plan = plan_run(s, engine, True)
    if per_batch:
        plan = dataclasses.replace(plan, batches=-(-s.instances // per_batch), instances_per_batch=per_batch)
    return execute(s, engine, plan, False, "test", segment_steps=segment_steps)


def same(one, other):
    """Whether two outcomes agree in every bit that means something; what diverged keeps no memory worth a bit."""
    kept = one.diverged_step < 0
    for name in ("event_step", "event", "diverged_step"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert np.array_equal(one.x, other.x, equal_nan=True)
    assert np.isfinite(one.x[kept]).all()
    assert np.isnan(one.x[~kept]).all()
    assert np.array_equal(one.vectors[:, kept], other.vectors[:, kept])
    assert np.array_equal(one.integers[:, kept], other.integers[:, kept])
    assert one.records.keys() == other.records.keys()
    for name, values in one.records.items():
        assert np.array_equal(values, other.records[name], equal_nan=True), name
    return True


def same_result(one, other):
    return set(one.outcomes) == set(other.outcomes) and all(same(o, other.outcomes[k]) for k, o in one.outcomes.items())


# ---- how the work is cut


def test_the_ensembles_of_these_tests_see_events_censoring_and_divergence(cpu):
    escape, diverging = en.simulate(**ESCAPE).dataset["status"], en.simulate(**DIVERGING).dataset
    assert 0.1 < float((escape == 1).mean()) < 0.9
    assert (diverging["status"][0] == 0).all()
    assert (diverging["status"][1] == 2).all()
    assert len(np.unique(diverging["diverged_step"][1])) > 3


WIDTHS = (1, 32)


@pytest.mark.parametrize("width", [*WIDTHS, *(pytest.param(w, marks=pytest.mark.slow) for w in (2, 4, 8, 16, 64))])
def test_no_tile_width_changes_a_bit(cpu, width):
    ensemble = program(ESCAPE)
    start = 0.05 * NumpyEngine().normals(ensemble, 0, 1, np.arange(ensemble.instances, dtype=np.uint32))
    ends = []
    for engine in (cpu, CpuEngine(width=width)):
        state = engine.new_state(ensemble)
        state.x[:] = np.tile(start, (2, 1))
        engine.advance(ensemble, state, np.arange(ensemble.rows, dtype=np.int32), 1, 90)
        ends.append(state)
    assert (ends[0].event_step > 0).any()
    for name, array in ends[0].arrays().items():
        assert np.array_equal(array, getattr(ends[1], name)), name


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names of x86 instructions")
@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize("machine", ["x86-64-v4", "x86-64-v3", "x86-64"])
def test_no_set_of_instructions_and_no_way_to_call_them_changes_a_bit(cpu, machine, by_name, monkeypatch):
    """Packs of 64, 32 and 16 bytes; instructions by the compiler's own names, or through its header."""
    if {"x86-64-v4": "avx512dq", "x86-64-v3": "fma"}.get(machine, "sse2") not in compiler.processor().split():
        pytest.skip("this processor has not got them")
    expected = run(ESCAPE, cpu)
    flags = [*compiler.FLAGS, *([] if by_name else ["-DENSEMBLE_INTRINSICS"])]
    monkeypatch.setattr(compiler, "FLAGS", flags)
    monkeypatch.setattr(compiler, "native_flag", lambda: f"-march={machine}")
    for width in (4, 16):
        assert same(run(ESCAPE, CpuEngine(width=width)), expected)


@pytest.mark.parametrize("arguments", [ESCAPE, DIVERGING], ids=["escape", "diverging"])
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_no_number_of_threads_changes_a_bit(cpu, arguments, threads):
    assert same(run(arguments, CpuEngine(threads=threads)), run(arguments, cpu))


@pytest.mark.parametrize("arguments", [ESCAPE, DIVERGING], ids=["escape", "diverging"])
@pytest.mark.parametrize("segment_steps", [1, 7, 119, 120])
@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_no_segment_length_changes_a_bit(cpu, arguments, segment_steps, backend):
    """With one segment nothing is ever compacted away; with segments of one step everything at once."""
    engine = cpu if backend == "cpu" else NumpyEngine()
    assert same(run(arguments, engine, segment_steps), run(arguments, engine))


@pytest.mark.parametrize("chunk", [DIM, 5 * DIM, 10**6])
def test_no_chunk_of_the_numpy_backend_changes_a_bit(chunk):
    few = ESCAPE | {"instances": 7}
    assert same(run(few, NumpyEngine(chunk_elements=chunk)), run(few, NumpyEngine()))


def test_no_cut_into_batches_changes_what_diverges(cpu):
    assert same(run(DIVERGING, cpu, per_batch=16), run(DIVERGING, cpu))


@pytest.mark.parametrize("per_batch", [1, 16, 149])
def test_no_cut_into_batches_changes_a_bit(cpu, per_batch):
    some = ESCAPE | {
        "instances": 150 if per_batch > 1 else 5,
        "record": en.Record(["x", "value", "distance"], at=[0, 10, 120], instances=[4, 2, 0]),
    }
    assert same(run(some, cpu, per_batch=per_batch), run(some, cpu))
    summary = some | {"record": en.Record(["gradient_norm", "x"], at=en.log_spaced(9), summary=True)}
    assert same(run(summary, cpu, per_batch=per_batch), run(summary, cpu))


def test_little_memory_cuts_an_ensemble_into_batches_with_the_same_bits(cpu, monkeypatch):
    whole = en.simulate(**ESCAPE)
    at_once = en.simulate(**ESCAPE, plan_only=True).bytes_needed
    monkeypatch.setattr(CpuEngine, "memory_available", lambda self: 0.9 * at_once / MEMORY_SHARE)
    cut = en.simulate(**ESCAPE)
    assert cut.dataset.attrs["batches"] > 1
    assert same_result(cut, whole)


# ---- parts of an ensemble


def test_the_first_n_of_2n_are_those_of_n(cpu):
    few, many = en.simulate(**ESCAPE | {"instances": 75}), en.simulate(**ESCAPE)
    assert same(few.outcomes[""], many.outcomes[""].first_only(75))


def test_the_first_n_of_reported_averages_are_those_of_n():
    some = ESCAPE | {"optimizer": en.Average(en.Adam(lr=0.02)), "backend": "numpy"}
    few, many = (
        en.simulate(**some | {"instances": 5}).outcomes[""],
        en.simulate(**some | {"instances": 10}).outcomes[""],
    )
    assert same(few, many.first_only(5))
    assert np.array_equal(few.reported, many.first_only(5).reported)
    assert not np.array_equal(few.reported, few.x)


def test_shards_are_pieces_of_the_whole(cpu):
    whole = en.simulate(**ESCAPE).dataset
    shard = en.simulate(**ESCAPE | {"instances": 50, "first_instance": 37}).dataset
    piece = whole.sel(instance=shard["instance"])
    assert shard["instance"].to_numpy().tolist() == list(range(37, 87))
    for name in ("event_step", "status", "x"):
        assert np.array_equal(shard[name], piece[name]), name


def test_keeping_no_iterates_changes_nothing_else(cpu):
    kept, dropped = en.simulate(**ESCAPE).dataset, en.simulate(**ESCAPE | {"keep_x": False}).dataset
    assert "x" not in dropped
    assert kept.drop_vars("x").equals(dropped)


def test_a_configuration_does_not_know_of_the_others(cpu):
    both = en.simulate(**ESCAPE).dataset
    alone = en.simulate(**ESCAPE | {"optimizer": en.Adam(lr=0.02)}).dataset
    assert np.array_equal(both["x"].sel(lr=0.02), alone["x"])


# ---- taken up again


@pytest.mark.parametrize("arguments", [ESCAPE, DIVERGING], ids=["escape", "diverging"])
@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_a_resumed_run_is_the_unbroken_one(cpu, arguments, backend):
    arguments = arguments | {"backend": backend}
    unbroken = en.simulate(**arguments)
    assert same_result(en.simulate(**arguments | {"steps": 50}).resume(51).resume(120), unbroken)


def test_a_run_that_kept_no_iterates_resumes_to_the_same_bits(cpu):
    few = ESCAPE | {"keep_x": False}
    assert en.simulate(**few | {"steps": 50}).resume(120).dataset.equals(en.simulate(**few).dataset)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_a_replayed_instance_takes_the_same_path(cpu, backend, paired):
    arguments = ESCAPE | {"backend": backend, "paired": paired, "instances": 40}
    result = en.simulate(**arguments, record=en.Record("x", at=range(121)))
    seen = set()
    for c, instance in itertools.product((0, 1), (0, 3, 39)):
        here = result.dataset.isel(lr=c, instance=instance)
        again = en.replay(result, instance=instance, configuration=c)
        seen.add(again.attrs["ended_by"])
        assert np.array_equal(again["x"], here["path"].sel(step=again["step"]))
        assert np.array_equal(again["x"][-1], here["x"])
        if again.attrs["ended_by"] == "event":
            assert again["step"][-1] == here["event_step"]
    assert seen == {"event", "horizon"}


def test_a_replay_shows_where_an_instance_diverged(cpu):
    result = en.simulate(**DIVERGING)
    again = en.replay(result, instance=5, configuration={"lr": 2.5})
    assert again.attrs["ended_by"] == "diverged"
    assert again["step"][-1] == result.dataset["diverged_step"].sel(lr=2.5, instance=5)
    assert np.isfinite(again["x"][:-1]).all()
    assert np.isnan(again["x"][-1]).all()


# ---- checks and divergence


@pytest.mark.parametrize("segment_steps", [1, 4, 7, None])
@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_checks_come_at_multiples_of_check_every_however_segments_fall(cpu, backend, segment_steps):
    engine = cpu if backend == "cpu" else NumpyEngine()
    checked = run(ESCAPE | {"check_every": 5}, engine, segment_steps)
    assert same(checked, run(ESCAPE | {"check_every": 5}, engine))
    steps = checked.event_step[checked.event_step > 0]
    assert steps.size
    assert (steps % 5 == 0).all()


def test_divergence_is_seen_at_the_same_step_by_both_backends(cpu):
    assert same(run(DIVERGING, cpu), run(DIVERGING, NumpyEngine()))


# ---- numpy = cpu

COVERING = list(covering(11))


def covered(i, backend, dtype=None, combination=None):
    """Arguments of a run with one of the combinations, a grid over every role, and whatever happens in it."""
    combination = COVERING[i] if combination is None else combination
    return {
        **combination,
        "start": en.NormalCloud(scale=en.grid(0.1, 0.3)),
        "instances": 33,
        "steps": 60,
        "seed": 9,
        "dtype": dtype or ("float64", "float32")[i % 2],
        "math": "precise",
        "backend": backend,
        "progress": False,
    }


def quietly(arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # starts already inside: not this test's subject
        return en.simulate(**arguments)


def named(combination):
    return "-".join(kind.__name__ for kind in combination)


OFTEN = 3
"""Of so many combinations the default suite has one."""


@pytest.mark.parametrize(
    "i",
    [pytest.param(i, marks=[] if i % OFTEN == 0 else pytest.mark.slow) for i in range(len(COVERING))],
    ids=lambda i: named(map(type, COVERING[i].values())),
)
def test_every_part_has_the_same_bits_on_numpy_and_cpu(cpu, i):
    assert same_result(quietly(covered(i, "numpy")), quietly(covered(i, "cpu")))


ROLES = ("landscape", "optimizer", "noise", "event")
ALL = list(itertools.product(*map(kinds, ROLES)))


def agree(combination, dtype):
    for per_coordinate in (False, True):
        made = combined(dict(zip(ROLES, combination, strict=True)), 11, per_coordinate)
        arguments = [covered(0, backend, dtype, made) for backend in ("numpy", "cpu")]
        assert same_result(*map(quietly, arguments))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("combination", random.Random(0).sample(ALL, min(200, len(ALL))), ids=named)
def test_many_combinations_have_the_same_bits_on_numpy_and_cpu(cpu, combination, dtype):
    agree(combination, dtype)


VARIANTS = [part for kind in kinds("optimizer") for part in variants(kind, 11)]
OFTEN = en.AdamW(bias_correction=False)


@pytest.mark.parametrize("variant", [OFTEN, *(pytest.param(v, marks=pytest.mark.slow) for v in VARIANTS)], ids=repr)
def test_every_variant_of_an_optimizer_has_the_same_bits_on_numpy_and_cpu(cpu, variant):
    """Those that flags select, such as ``eps_inside_root``."""
    some = combined(dict(zip(ROLES, (en.Rosenbrock, type(variant), en.Gaussian, en.Never), strict=True)), 11, False)
    assert same_result(*(quietly(covered(0, b, None, some | {"optimizer": variant})) for b in ("numpy", "cpu")))


def test_perturbations_have_the_same_bits_on_numpy_and_cpu(cpu):
    """Kicked often, at different steps for different instances: a configuration each of the covering run's parts."""
    i = next(k for k, c in enumerate(COVERING) if isinstance(c["optimizer"], en.PerturbedGD))
    kicked = en.PerturbedGD(lr=en.grid(0.05, 0.01), radius=0.3, g_thres=en.grid(1.2, 5.0), t_thres=en.grid(0, 3, 9.5))
    one, other = (quietly(covered(i, backend) | {"optimizer": kicked}) for backend in ("numpy", "cpu"))
    assert same_result(one, other)
    assert len(np.unique(one.outcomes[""].integers)) > 5


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("dim", [1, 2, 3, 8, 21])
@pytest.mark.parametrize("kind", kinds("start"), ids=lambda k: k.__name__)
def test_every_start_has_the_same_bits_on_numpy_and_cpu(cpu, kind, dim, dtype):
    ids = np.array([0, 1, 2, 77, 2**31, 2**32 - 2], dtype=np.uint32)
    if kind is en.Sobol:
        ids = ids % 2**16  # its later points are out of reach
    draws = program(ESCAPE | {"landscape": en.Quadratic(1.0, dim=dim), "dtype": dtype, "seed": 2**64 - 1})
    for part in (example(kind, dim), example(kind, dim, True)):
        drawn = [part.draw(Draws(engine, draws, ids, 256)) for engine in (NumpyEngine(), cpu)]
        assert drawn[0].dtype == dtype
        assert np.array_equal(*drawn)


# ---- configurations: grids over every role, vectors as grids, zipped, unpaired; tiles that mix them


def mixing(instances, backend="cpu", paired=True):
    """24 configurations; with 3 instances of each a tile of the cpu backend holds several configurations."""
    some = np.linspace(0.5, 1.5, 11)
    swept = en.zipped(lr=(0.02, 0.05), sigma=(0.4, 0.2))
    return {
        "landscape": en.Quadratic(curvature=en.grid(some.tolist(), 2.0)),
        "optimizer": en.Adam(lr=swept.lr, beta1=en.grid(0.9, 0.5), eps=1e-3),
        "noise": en.Gaussian(sigma=swept.sigma),
        "start": en.NormalCloud(scale=en.grid(0.1, 0.6)),
        "event": en.LeftBall(radius=1.5, center=en.grid(0.0, (some - 1.0).tolist(), [0.2] * 11)),
        "instances": instances,
        "steps": 50,
        "backend": backend,
        "paired": paired,
        "progress": False,
        "math": "precise",
        "dtype": "float64",
    }


@pytest.mark.parametrize("paired", [True, False])
def test_tiles_that_mix_configurations_change_nothing(cpu, paired):
    mixed, unmixed = quietly(mixing(3, paired=paired)), quietly(mixing(40, paired=paired))
    assert '"mixed_tiles": true' in mixed.dataset.attrs["launch"]
    assert '"mixed_tiles": false' in unmixed.dataset.attrs["launch"]
    assert same(mixed.outcomes[""], unmixed.outcomes[""].first_only(3))
    assert same_result(mixed, quietly(mixing(3, "numpy", paired=paired)))


def test_mixed_tiles_have_the_same_bits_however_they_are_cut(cpu):
    whole = quietly(mixing(3))
    some = mixing(3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        for cut in ({"segment_steps": 7}, {"per_batch": 2}, {"segment_steps": 1, "per_batch": 1}):
            assert same(run(some, cpu, **cut), whole.outcomes[""])


def test_paired_configurations_see_the_same_draws_and_unpaired_ones_others(cpu):
    """The same part twice: equal where paired, unlike where not."""
    twice = ESCAPE | {"optimizer": en.Adam(lr=en.grid(0.01, 0.01))}
    paired, unpaired = en.simulate(**twice).dataset["x"], en.simulate(**twice, paired=False).dataset["x"]
    assert np.array_equal(paired[0], paired[1])
    assert np.array_equal(paired[0], unpaired[0])
    assert not (unpaired[0] == unpaired[1]).any()


def test_compared_optimizers_run_as_they_would_alone(cpu):
    rest = {name: value for name, value in ESCAPE.items() if name != "optimizer"}
    both = en.compare({"a": ESCAPE["optimizer"], "b": en.Adam(lr=en.grid(0.01, 0.02), beta1=0.5)}, **rest)
    assert same(both.outcomes["a"], en.simulate(**ESCAPE).outcomes[""])
    assert not np.array_equal(both.outcomes["a"].x, both.outcomes["b"].x)
