"""eps = 0: 0/0 is taken as 0, nothing else changes, on every backend; and whole numbers that do not wrap."""

from __future__ import annotations

import ctypes
import dataclasses
import inspect
import subprocess

import numpy as np
import pytest
from device_runs import differences, program, run
from emulated import COMPILERS, HERE, EmulatedEngine
from parts import kinds

import ensemble as en
from ensemble.backends.numpy import NumpyEngine
from ensemble.backends.sources import kernels

needs_compiler = pytest.mark.skipif(not COMPILERS, reason="no C++ compiler on PATH")


def without_epsilon():
    """Every variant of every optimizer that has an ``eps``, with 0 in its place."""
    for kind in kinds("optimizer"):
        if "eps" not in [f.name for f in dataclasses.fields(kind)]:
            continue
        flags = {f.name: f.default for f in dataclasses.fields(kind) if f.metadata.get("flag")}
        shape = {"row_length": 3} if kind is en.Muon else {}
        for chosen in ({}, *({name: not usual} for name, usual in flags.items() if name != "max_of_corrected")):
            yield kind(lr=0.01, eps=0.0, **shape, **chosen)


ALL = list(without_epsilon())
EACH = pytest.mark.parametrize("optimizer", ALL, ids=repr)


def moved(optimizer, backend="numpy", scale=1.0, dtype="float32", **more):
    given = {
        "landscape": en.QuarticSaddle(dim=6, stiffness=0.0),  # no slope in coordinates 1 ... 5
        "optimizer": optimizer,
        "noise": en.NoNoise(),
        "start": en.Point([0.5, 0.0, 0.0, 1.0, -1.0, 2.0]),
        "event": en.Never(),
        "instances": 3,
        "steps": 20,
        "backend": backend,
        "dtype": dtype,
        "math": "precise",
        "progress": False,
    }
    return en.simulate(**given | more).dataset


def test_there_are_optimizers_with_an_epsilon():
    assert {type(o).__name__ for o in ALL} >= {
        "Adam",
        "AMSGrad",
        "RMSProp",
        "AdaGrad",
        "AdaGradRMS",
        "Adadelta",
        "Adai",
    }


@EACH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_coordinate_without_slope_stays(optimizer, dtype):
    found = moved(optimizer, dtype=dtype)
    still = found["x"].values[:, 1:]
    kept = still if not isinstance(optimizer, (en.AdamW, en.AdamL2)) else still[:, :2]  # the others decay
    assert (found["status"] == 0).all()
    assert np.isfinite(found["x"]).all()
    assert (kept == np.array([0.0, 0.0, 1.0, -1.0, 2.0])[: kept.shape[1]]).all()
    assert (found["x"][:, 0] != 0.5).all() or isinstance(optimizer, en.Adadelta)  # whose first steps are sqrt(eps) long


@EACH
def test_each_says_what_no_epsilon_means(optimizer):
    assert "``eps = 0``: 0/0 is taken as 0" in inspect.getdoc(type(optimizer))


@pytest.mark.parametrize("optimizer", [en.Adam(0.01, eps=0.0), en.RMSProp(0.01, eps=0.0)], ids=repr)
def test_a_power_of_two_on_the_gradient_changes_no_bit(optimizer):
    plain, scaled = (
        moved(optimizer, landscape=en.Quadratic([0.0, h, 3 * h], dim=3), start=en.Point([1.0, 2.0, 3.0]))
        for h in (1.0, 2.0**-20)
    )
    assert np.array_equal(plain["x"], scaled["x"])


def test_preconditioned_descent_stays_where_slope_and_curvature_are_zero():
    found = moved(en.Preconditioned(1.0))
    assert (found["x"].values[:, 1:] == [0.0, 0.0, 1.0, -1.0, 2.0]).all()


RARE = [pytest.param(o, marks=() if i == 0 else pytest.mark.slow) for i, o in enumerate(ALL)]


@pytest.mark.parametrize("optimizer", RARE, ids=repr)
def test_compiled_kernels_take_it_likewise_beside_configurations_with_an_epsilon(cpu, optimizer):
    flat = en.QuarticSaddle(dim=6, stiffness=0.0)
    others = [{"optimizer": dataclasses.replace(optimizer, eps=0.01)}]
    p = program(flat, optimizer, noise=en.NoNoise(), others=others, instances=5, dtype="float32")
    reference = run(NumpyEngine(), p, 12)
    assert (reference.diverged_step < 0).all()
    assert not differences(run(cpu, p, 12), reference)
    if COMPILERS:
        assert not differences(run(EmulatedEngine(2), p, 12), reference)


# ---- whole numbers


def kicks_at(engine, dtype, first, t_thres):
    """The steps, of three from ``first`` on, in which perturbed descent has moved."""
    kick = en.PerturbedGD(lr=0.0, radius=1.0, g_thres=1.0, t_thres=t_thres)
    p = program(en.Quadratic(0.0, dim=4), kick, noise=en.NoNoise(), dtype=dtype, instances=2)
    state, found = engine.new_state(p), []
    for t in range(first, first + 3):
        before = state.x.copy()
        engine.advance(p, state, np.arange(2, dtype=np.int32), t, t)
        if (state.x != before).all():
            found.append(t)
    return found


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@pytest.mark.parametrize("first", [1, 1_200_000_000, 2**31 - 4])
def test_perturbed_descent_waits_as_long_as_it_says_however_late_it_is(cpu, dtype, first):
    """1.2e9 and 1e9 steps are more than 32 bits hold."""
    for engine in (NumpyEngine(), cpu, *([EmulatedEngine(1)] if COMPILERS else [])):
        assert kicks_at(engine, dtype, first, 1e9) == [first]
        assert kicks_at(engine, dtype, first, 1) == [first, first + 2]


HARNESS = """
#include "emulation.cuh"
#include "base.cuh"
extern "C" __attribute__((visibility("default"))) int run_group(unsigned block, unsigned thread) {
    blockIdx = {block}, blockDim = {ENSEMBLE_THREADS}, threadIdx = {thread};
    return group_of_launch();
}
"""


@needs_compiler
def test_groups_are_found_where_their_threads_are_more_than_32_bits_count(tmp_path):
    """A block of 128 threads holds 16 groups of 8 lanes; 1.3e8 blocks hold 1.7e10 threads."""
    macros = {"DIM": 4096, "LANES": 8, "THREADS": 128, "DOUBLE": 0, "FAST": 0, "WINDOW": 2}
    (tmp_path / "group.cpp").write_text(HARNESS)
    command = ["g++", "-std=c++20", "-O1", "-w", "-fPIC", "-shared", "-pthread", f"-I{kernels()}", f"-I{HERE}"]
    command += [f"-DENSEMBLE_{name}={value}" for name, value in macros.items()]
    subprocess.run([*command, str(tmp_path / "group.cpp"), "-o", str(tmp_path / "group.so")], check=True)
    function = ctypes.CDLL(str(tmp_path / "group.so")).run_group
    for block in (0, 7, 130_000_000):
        assert [function(block, thread) for thread in (0, 7, 8, 127)] == [16 * block + k for k in (0, 0, 1, 15)]
