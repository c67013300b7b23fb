"""The arena of the cpu backend: room for every vector that any composition of parts holds at once, and a clear word if not."""

from __future__ import annotations

import pytest
from device_runs import program, run, same_bits
from emulated import COMPILERS

import ensemble as en
from ensemble.backends import compiler, cpu
from ensemble.backends.numpy import NumpyEngine

pytestmark = pytest.mark.skipif(not COMPILERS, reason="no C++ compiler on PATH")


@pytest.fixture
def in_a_hurry(monkeypatch):
    monkeypatch.setattr(compiler, "FLAGS", tuple("-O0" if flag == "-O3" else flag for flag in compiler.FLAGS))


def deep():
    """Everything that holds vectors, inside everything else that does."""
    optimizer = en.SAM(en.Average(en.EMA(en.Newton(0.1, iterations=2))))
    event = en.AnyOf(en.Reported(en.Below(-1.0)), en.GradientBelow(1e-6))
    landscape = en.Rotated(en.Griewank(dim=16))
    return program(landscape, optimizer, event, en.HessianAligned(8.0), instances=5)


@pytest.mark.ci
def test_no_depth_of_composition_overflows_the_arena_and_an_arena_too_small_is_named(in_a_hurry, monkeypatch):
    p, engine = deep(), cpu.CpuEngine(threads=1)
    found, wanted = run(engine, p, 10, scale=0.5), run(NumpyEngine(), p, 10, scale=0.5)
    assert all(same_bits(a, getattr(found, name)) for name, a in wanted.arrays().items())
    monkeypatch.setattr(cpu, "VECS_PER_PART", 4)  # half as much suffices: what is given is not what barely fits
    run(engine, p, 10, scale=0.5)
    monkeypatch.setattr(cpu, "VECS_PER_PART", 0.3)
    monkeypatch.setattr(cpu, "aligned", lambda size, made=cpu.aligned: made(int(size)))
    with pytest.raises(RuntimeError, match=r"hold more vectors at once .* use backend='numpy'"):
        run(engine, p, 10, scale=0.5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "landscape",
    [
        en.DeepLinear(4, 5),
        en.MatrixFactorization.random(20, 5),
        en.PhaseRetrieval.random(16, 40),
        en.MultiWell.scattered(dim=16, wells=6),
        en.Griewank(dim=21),
        en.Octopus(dim=21),
        en.Levy(dim=21),
    ],
    ids=lambda f: type(f).__name__,
)
@pytest.mark.parametrize(
    "optimizer",
    [en.GradientDescent(0.01), en.Newton(0.1), en.SaddleFreeNewton(0.01, damping=1e3, smoothness=1e4)],
    ids=lambda o: type(o).__name__,
)
def test_a_landscape_s_own_vectors_fit_with_nothing_around_it(in_a_hurry, landscape, optimizer):
    """The fewest parts there can be: nobody else's room is left to fill."""
    p = program(landscape, optimizer, en.Never(), en.NoNoise(), instances=5)
    for quantity in ("value", "gradient_norm", "gradient", "product"):
        state = run(NumpyEngine(), p, 1)
        seen = [
            e.observe(p, state.x, (quantity,), 1, state.x)[quantity] for e in (NumpyEngine(), cpu.CpuEngine(threads=1))
        ]
        assert same_bits(*seen)
    assert same_bits(run(NumpyEngine(), p, 3).x, run(cpu.CpuEngine(threads=1), p, 3).x)
