"""The device path of the kernels, executed: lanes, shuffles, votes and barriers, by the emulation of ``emulation.cuh``.

Every program runs through the code that a CUDA device would run, with one thread of the CPU for each lane, and must give
the bits of the NumPy specification, whatever the number of lanes. With a GPU the same programs run on it (``-m gpu``).
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from device_runs import differences, program, run, same_bits
from emulated import COMPILERS, EmulatedEngine
from parts import example, kinds

import ensemble as en
from ensemble.backends import compiler as cpu_compiler
from ensemble.backends import device, sources
from ensemble.backends.cpu import CpuEngine
from ensemble.backends.cuda import CudaEngine, CudaMissingError
from ensemble.backends.groups import Group, group_of
from ensemble.backends.numpy import NumpyEngine
from ensemble.backends.program import Program, State
from ensemble.events import Below, Crossed, LeftBall, Never, Reported
from ensemble.landscapes import DoubleWell, Landscape, Quadratic, QuarticSaddle, Rosenbrock
from ensemble.noises import Gaussian, HessianAligned, Rademacher, StudentT
from ensemble.optimizers import EMA, SAM, Adam, GradientDescent, HeavyBall, Lion, Muon, Nesterov, Optimizer, PerturbedGD

needs_compiler = pytest.mark.skipif(not COMPILERS, reason="no C++ compiler on PATH")


KICKS = PerturbedGD(lr=0.1, radius=0.5, g_thres=2.5, t_thres=5)


@dataclass(frozen=True)
class Case:
    program: Program
    lanes: tuple[int, ...]
    steps: int = 30
    scale: float = 0.1


CASES = {
    "saddle": Case(program(QuarticSaddle(dim=64), Adam(0.1), LeftBall(1.6), dtype="float32"), (1, 4, 8)),
    "saddle, 64 lanes": Case(
        program(QuarticSaddle(dim=256), Adam(0.1), LeftBall(2.56), instances=3, dtype="float32"), (64,)
    ),
    "shifts across lanes": Case(
        program(Rosenbrock(dim=130, b=3.0), GradientDescent(0.01), Crossed(np.linspace(-1, 2, 130), 21.4)), (4, 32)
    ),
    "shifts across warps": Case(program(Rosenbrock(dim=300, b=3.0), Nesterov(0.003), instances=2), (64,), steps=15),
    "shifts, padded": Case(program(Rosenbrock(dim=21), Nesterov(1e-4), Below(20.0), dtype="float32"), (4,)),
    "one number for each coordinate": Case(
        program(Quadratic(curvature=np.linspace(-1, 3, 10)), HeavyBall(0.05), LeftBall(8.0, np.linspace(0, 0.1, 10))),
        (2,),
    ),
    "four steps from a block": Case(program(DoubleWell(), Adam(0.05), Crossed(1.0, 0.8), dtype="float32"), (1,)),
    "two steps from a block of each noise": Case(
        program(Rosenbrock(), HeavyBall(5e-3), LeftBall(1.0), Gaussian(0.3) + StudentT(3.0, 0.1) + Gaussian(0.2)), (1,)
    ),
    "three coordinates": Case(program(DoubleWell(dim=3), Nesterov(0.1), LeftBall(1.0)), (1,)),
    "kicks": Case(program(QuarticSaddle(dim=64), KICKS, LeftBall(1.1)), (1, 8)),
    "kicks, 64 lanes": Case(
        program(QuarticSaddle(dim=258), dataclasses.replace(KICKS, g_thres=5.0), instances=2, dtype="float32"),
        (64,),
        steps=12,
    ),
    "unpaired configurations": Case(
        program(
            QuarticSaddle(dim=40, unstable=2),
            Adam(0.05),
            LeftBall(1.5),
            HessianAligned(9.0) + (Rademacher(0.1) + Gaussian(0.2)),
            others=[
                {"optimizer": Adam(0.1, beta2=0.9), "event": LeftBall(1.8)},
                {"landscape": QuarticSaddle(dim=40, unstable=2, gamma=0.5), "event": LeftBall(1.4, 0.05)},
            ],
            instances=5,
            first_instance=1000,
            check_every=3,
            paired=False,
        ),
        (4,),
    ),
    "divergence": Case(
        program(
            Quadratic(curvature=1.0, dim=64),
            GradientDescent(3.0),
            LeftBall(2.5e18),
            others=[{"optimizer": GradientDescent(1e9)}, {"optimizer": GradientDescent(0.1)}],
            instances=9,
            dtype="float32",
        ),
        (1, 8),
        steps=75,
    ),
    "wide matrices across lanes": Case(
        program(
            Rosenbrock(dim=36, b=3.0), Muon(0.02, row_length=6, rows=3), LeftBall(6.0), instances=7, dtype="float32"
        ),
        (8,),
        steps=4,
    ),
    "tall matrices across warps": Case(
        program(Rosenbrock(dim=258, b=3.0), Muon(0.02, row_length=3, rows=43), instances=2), (64,), steps=3
    ),
    "events that do not stop": Case(program(QuarticSaddle(dim=20), HeavyBall(0.05), LeftBall(1.0, stop=False)), (2,)),
}
PRECISE = [(name, lanes) for name, case in CASES.items() for lanes in case.lanes]
SELDOM = {
    "saddle, 64 lanes",
    "three coordinates",
    "one number for each coordinate",
    "four steps from a block",
    "shifts across lanes",
    "shifts, padded",
    "kicks, 64 lanes",
    "wide matrices across lanes",
    "tall matrices across warps",
}  # what they show, others show with them, or the same programs as executed PTX (tests/ptx)
ALWAYS = {"saddle", "divergence", "shifts across warps", "kicks", "events that do not stop"}
_ONCE = [(name, lanes) for name, lanes in PRECISE if lanes == CASES[name].lanes[-1] and name not in SELDOM]
OFTEN = [pytest.param(*each, marks=[] if each[0] in ALWAYS else pytest.mark.slow) for each in _ONCE]
RARELY = [pytest.param(*each, marks=pytest.mark.slow) for each in PRECISE if each not in _ONCE]
WINDOWS = {
    "stopping, padded": Case(program(QuarticSaddle(dim=70), Adam(0.1), LeftBall(1.6), dtype="float32"), (2,)),
    "of averages, aligned, for each coordinate": Case(
        program(
            Quadratic(curvature=np.linspace(-1, 3, 37)),
            EMA(HeavyBall(0.05)),
            Reported(LeftBall(1.0, np.linspace(0, 0.1, 37)), stop=False),
            HessianAligned(batch=8.0),
            others=[{"landscape": Quadratic(curvature=np.linspace(2, -0.5, 37)), "optimizer": EMA(HeavyBall(0.1))}],
            instances=7,
            paired=False,
        ),
        (2,),
        steps=14,
    ),
    "diverging": Case(
        program(
            Quadratic(curvature=np.where(np.arange(64) == 41, 4.0, 0.5)),  # of one window only
            HeavyBall(2.0),
            LeftBall(5e17),
            others=[{"optimizer": HeavyBall(1e9)}, {"optimizer": HeavyBall(0.1)}],
            instances=9,
            dtype="float32",
        ),
        (2,),
        steps=60,
    ),
    "never": Case(program(DoubleWell(dim=33), HeavyBall(0.1)), (4,)),
}
STREAMED = [("shifts across warps", 64), ("kicks", 1)]
STREAMED_SELDOM = [("saddle", 8)]
FAST = [("kicks", 8)]
FAST_SELDOM = [("saddle", 4), ("shifts across lanes", 32)]


def as_fast(p: Program) -> Program:
    return dataclasses.replace(p, math="fast")


@cache
def reference(name: str) -> State:
    case = CASES[name]
    return run(NumpyEngine(), case.program, case.steps, scale=case.scale)


# ---- what is computed


@needs_compiler
@pytest.mark.parametrize(("name", "lanes"), [*OFTEN, *RARELY])
def test_any_number_of_lanes_gives_the_bits_of_the_specification(name: str, lanes: int) -> None:
    case = CASES[name]
    found = run(EmulatedEngine(lanes), case.program, case.steps, segment=11, scale=case.scale)
    assert differences(found, reference(name)) == []


@needs_compiler
@pytest.mark.parametrize(
    ("name", "lanes"), [*STREAMED, *(pytest.param(*each, marks=pytest.mark.slow) for each in STREAMED_SELDOM)]
)
@pytest.mark.parametrize("at_once", [1024, 64])
def test_instances_in_memory_have_the_bits_of_the_specification_in_any_number_of_rounds(
    name: str, lanes: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "STREAMED_PER_PROCESSOR", at_once)
    case = CASES[name]
    found = run(EmulatedEngine(lanes, streamed=True), case.program, case.steps, segment=11, scale=case.scale)
    assert differences(found, reference(name)) == []


OPTIMIZERS = [
    kind if kind in (Lion, SAM) else pytest.param(kind, marks=pytest.mark.slow) for kind in kinds("optimizer")
]


@pytest.mark.skipif(not COMPILERS, reason="no C++ compiler on PATH")
@pytest.mark.parametrize("kind", OPTIMIZERS, ids=lambda kind: kind.__name__)
def test_no_step_of_an_instance_in_memory_leaves_vectors_behind(kind: type[Optimizer]) -> None:
    """A launch of many steps takes no more memory than one of a few."""
    p = program(Rosenbrock(dim=21), example(kind, 21), Never(), instances=3)
    assert differences(run(EmulatedEngine(4, streamed=True), p, 120), run(NumpyEngine(), p, 120)) == []


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("check_every", [1, 3])
@pytest.mark.parametrize("segment", [11, 100])
@pytest.mark.parametrize("name", WINDOWS)
def test_windows_that_advance_by_themselves_have_the_bits_of_the_specification(
    name: str, segment: int, check_every: int
) -> None:
    case = WINDOWS[name]
    p = dataclasses.replace(case.program, check_every=check_every)
    engine = EmulatedEngine(*case.lanes, window=2)
    assert engine.group(p).windows(p.dim) > 1
    found = run(engine, p, case.steps, segment=segment, scale=case.scale)
    assert differences(found, run(NumpyEngine(), p, case.steps, segment=segment, scale=case.scale)) == []


def test_the_windows_reach_what_they_are_for() -> None:
    found = {name: run(NumpyEngine(), c.program, c.steps, scale=c.scale) for name, c in WINDOWS.items()}
    for name in ("stopping, padded", "of averages, aligned, for each coordinate"):
        hit = found[name].event_step
        assert (hit > 0).any(), name
        assert (hit < 0).any(), name
        assert len(np.unique(hit)) > 2, name
    events = found["diverging"].event_step.reshape(3, -1)
    bad = found["diverging"].diverged_step.reshape(3, -1)
    assert ((bad > 0) == (events < 0))[:2].all()
    assert (bad[:2] > 0).any()
    assert (events[:2] > 0).any()
    assert (bad[2] < 0).all()
    assert np.isnan(found["diverging"].x[found["diverging"].diverged_step > 0]).all()


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("name", ["saddle", "unpaired configurations", "divergence"])
def test_the_cpu_gives_the_same_bits(name: str) -> None:
    case = CASES[name]
    assert differences(run(CpuEngine(), case.program, case.steps, scale=case.scale), reference(name)) == []


@needs_compiler
@pytest.mark.parametrize(
    ("name", "lanes"), [*FAST, *(pytest.param(*each, marks=pytest.mark.slow) for each in FAST_SELDOM)]
)
def test_fused_arithmetic_gives_the_bits_of_the_cpu(name: str, lanes: int) -> None:
    case = CASES[name]
    p = as_fast(case.program)
    found = run(EmulatedEngine(lanes), p, case.steps, segment=11, scale=case.scale)
    expected = run(CpuEngine(), p, case.steps, scale=case.scale)
    assert differences(found, expected) == []
    assert differences(found, reference(name)) != []


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize(
    ("how", "case", "lanes"),
    [
        ({"window": 2}, WINDOWS["diverging"], 2),
        pytest.param({"streamed": True}, CASES["shifts across warps"], 64, marks=pytest.mark.slow),
        pytest.param({"streamed": True}, CASES["kicks"], 1, marks=pytest.mark.slow),
        pytest.param({"window": 2}, WINDOWS["of averages, aligned, for each coordinate"], 2, marks=pytest.mark.slow),
    ],
    ids=["windows", "streamed", "streamed, kicks", "windows, averages"],
)
def test_fused_doubles_in_memory_and_in_windows_have_the_bits_of_the_cpu(how, case: Case, lanes: int) -> None:
    p = dataclasses.replace(as_fast(case.program), dtype=np.dtype(np.float64))
    found = run(EmulatedEngine(lanes, **how), p, case.steps, segment=11, scale=case.scale)
    expected = run(CpuEngine(), p, case.steps, segment=11, scale=case.scale)
    assert differences(found, expected) == []


def test_the_cases_reach_what_they_are_for() -> None:
    for name in ("saddle", "shifts across lanes", "shifts, padded", "kicks", "unpaired configurations"):
        hit = reference(name).event_step
        assert (hit > 0).any(), name
        assert (hit < 0).any(), name
        assert len(np.unique(hit)) > 2, name
    assert (reference("kicks, 64 lanes").integers > 0).all()
    diverged = reference("divergence")
    assert np.isnan(diverged.x[diverged.diverged_step > 0]).all()
    rates = diverged.diverged_step.reshape(3, -1)
    events = diverged.event_step.reshape(3, -1)
    for row in (0, 1):  # some leave the ball before they diverge, some at that very step, which does not count
        assert ((rates[row] > 0) == (events[row] < 0)).all()
        assert (rates[row] > 0).any()
        assert (events[row] > 0).any()
    assert (rates[2] < 0).all()
    assert (events[2] < 0).all()
    passing = reference("events that do not stop")
    assert (passing.event_step > 0).any()


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize(
    ("dim", "lanes", "dtype"),
    [
        (130, 32, "float32"),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in [(130, 32, "float64"), (21, 4, "float32")]),
    ],
)
def test_observed_quantities_have_the_bits_of_the_specification(dim: int, lanes: int, dtype: str) -> None:
    others = [{"landscape": Rosenbrock(dim=dim, a=0.5, b=7.0)}]
    p = program(Rosenbrock(dim=dim), GradientDescent(0.1), others=others, instances=5, dtype=dtype)
    x, v = np.random.default_rng(0).normal(size=(2, p.rows, dim)).astype(dtype)
    quantities = ("value", "gradient_norm", "gradient", "product", "slope", "direction_length")
    expected = NumpyEngine().observe(p, x, quantities, 0, v)
    again, vs, steps = np.stack([x, 2 * x, x[::-1]]), np.stack([v, v, 3 * v]), np.arange(3, dtype=np.int32)
    apart = [NumpyEngine().observe(p, *each) for each in zip(again, [quantities] * 3, range(3), vs, strict=True)]
    assert all(same_bits(apart[0][q], expected[q]) for q in quantities)
    for engine in (EmulatedEngine(lanes), EmulatedEngine(lanes, streamed=True), CpuEngine(), NumpyEngine()):
        found = engine.observe(p, x, quantities, 0, v)
        assert [q for q in quantities if not same_bits(found[q], expected[q])] == []
        found = engine.observe(p, again.reshape(-1, dim), quantities, steps, vs.reshape(-1, dim))
        assert [q for q in quantities if not same_bits(found[q], np.concatenate([a[q] for a in apart]))] == []


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("dim", [1, 2, 10])
def test_draws_have_the_bits_of_the_specification(dim: int, dtype: str) -> None:
    p = program(Quadratic(1.0, dim=dim), GradientDescent(0.1), dtype=dtype, math="fast")
    ids = np.arange(5, 300, 7, dtype=np.uint32)
    for engine in (EmulatedEngine(1), CpuEngine()):
        for kind in ("normals", "uniforms"):
            assert same_bits(getattr(engine, kind)(p, 0, 257, ids), getattr(NumpyEngine(), kind)(p, 0, 257, ids)), kind


# ---- how it is spread


@pytest.mark.parametrize(
    ("landscape", "optimizer", "dtype", "lanes"),
    [
        (QuarticSaddle(dim=2), Adam(), "float32", 1),
        (QuarticSaddle(dim=16), Adam(), "float32", 1),
        (QuarticSaddle(dim=17), Adam(), "float32", 2),
        (QuarticSaddle(dim=64), Adam(), "float32", 4),
        (QuarticSaddle(dim=256), Adam(), "float32", 16),
        (QuarticSaddle(dim=1024), Adam(), "float32", 64),
        (QuarticSaddle(dim=1024), Adam(), "float64", 128),
        (QuarticSaddle(dim=1024), GradientDescent(0.1), "float64", 64),
        (QuarticSaddle(dim=8192), Adam(), "float32", 512),
        (QuarticSaddle(dim=16384), GradientDescent(0.1), "float32", 1024),
    ],
)
def test_lanes_follow_the_dimension_and_the_state(
    landscape: Landscape, optimizer: Optimizer, dtype: str, lanes: int
) -> None:
    group = group_of(program(landscape, optimizer, instances=10**6, dtype=dtype), 132)
    assert group.lanes == lanes
    assert group.threads == max(lanes, 128 if lanes <= 32 else lanes)
    assert group.blocks(1000) * group.threads >= 1000 * lanes


def test_few_instances_are_spread_over_more_lanes() -> None:
    lanes = [group_of(program(QuarticSaddle(dim=1024), Adam(), instances=n), 132).lanes for n in (1, 100, 1000, 10**5)]
    assert lanes == sorted(lanes, reverse=True)
    assert lanes[0] == 256  # a block of four coordinates each


@pytest.mark.parametrize(
    ("optimizer", "dtype", "most"),
    [(Adam(), "float32", 8192), (Adam(), "float64", 4096), (GradientDescent(0.1), "float32", 16384)],
)
def test_what_does_not_fit_the_registers_of_a_block_streams(optimizer: Optimizer, dtype: str, most: int) -> None:
    for instances in (1, 10**6):
        for landscape in (QuarticSaddle, Rosenbrock):
            fits, more = (
                group_of(program(landscape(dim=dim), optimizer, instances=instances, dtype=dtype), 132)
                for dim in (most, most + 1)
            )
            assert not fits.streamed
            assert not fits.window
            if landscape is Rosenbrock:
                lanes = {"float32": 512, "float64": 256}[dtype]
                assert more == Group(lanes, lanes, streamed=True)
            else:
                assert not more.streamed
                assert more.lanes == more.threads == 128
                assert more.window in (1, 2, 4)
                assert more.windows(most + 1) * 4 * more.lanes * more.window > most


def test_the_plan_says_what_streams_through_memory() -> None:
    engine = EmulatedEngine(None, processors=132)
    for landscape, event, streams in [
        (QuarticSaddle, Never(), False),
        (QuarticSaddle, LeftBall(1.0), True),
        (Rosenbrock, Never(), True),
    ]:
        below, beyond = (program(landscape(dim=dim), Adam(), event, dtype="float32") for dim in (8192, 8193))
        assert not engine.streams(below)
        assert engine.streams(beyond) == streams
        assert engine.other_bytes(below, 1) == 0
        assert (engine.other_bytes(beyond, 1, looks=False) > 0) == streams
        assert engine.other_bytes(beyond, 1) > 0  # whole instances, where they are looked at


def test_what_is_planned_on_a_device_counts_the_questions_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmulatedEngine, "thread_instructions", lambda self: 1e13)
    monkeypatch.setattr(
        sys.modules["ensemble.run.estimate"], "_tried", lambda *_: 1e12
    )  # the emulation's pace says nothing
    monkeypatch.setattr(
        sys.modules["ensemble.run.engines"], "choose", lambda *_: (EmulatedEngine(None, processors=132), "")
    )

    def plan(landscape: type[Landscape], event: en.Event) -> en.Plan:
        return en.simulate(
            landscape=landscape(dim=9000),
            optimizer=Adam(),
            noise=en.Gaussian(0.1),
            start=en.NormalCloud(0.01),
            event=event,
            instances=3,
            steps=1000,
            check_every=10,
            plan_only=True,
        )

    coupled, windows, endless = (
        plan(Rosenbrock, Below(1.0)),
        plan(QuarticSaddle, Below(1.0)),
        plan(QuarticSaddle, Never()),
    )
    assert [p.streamed for p in (coupled, windows, endless)] == [True, True, False]
    assert "in memory" in str(windows)
    assert "in memory" not in str(endless)
    assert windows.launches >= 200 + 1
    assert endless.launches < 100


@pytest.mark.parametrize("wrong", [{"window": 3}, {"window": -1}, {"window": 2, "streamed": True}])
def test_windows_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"was given; give|were given; give"):
        EmulatedEngine(4, **wrong)


def test_memory_of_instances_that_stream_is_planned_and_bounded() -> None:
    engine = EmulatedEngine(None, processors=132)
    large = program(Rosenbrock(dim=100_000), Adam(), instances=10**6, dtype="float32")
    vector = 4 * 512 * 4 * -(-100_000 // (4 * 512))
    assert engine.other_bytes(large, 1) == engine.slice_bytes(large) >= 4 * vector
    assert engine.other_bytes(large, 10**6) == 264 * engine.slice_bytes(large)  # two blocks for each of 132
    assert engine.other_bytes(program(QuarticSaddle(dim=8192), Adam(), dtype="float32"), 10**6) == 0


@needs_compiler
def test_a_slice_that_is_too_small_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    case, engine = CASES["saddle"], EmulatedEngine(8, streamed=True)
    few = engine.slice_bytes(case.program) // 64 * 4
    monkeypatch.setattr(engine, "slice_bytes", lambda p: few)
    with pytest.raises(RuntimeError, match=r"hold more vectors at once .* use backend='numpy'"):
        run(engine, case.program, 1)


def test_lanes_are_a_power_of_two() -> None:
    with pytest.raises(ValueError, match="lanes=3 was given; give a power of two from 1 to 1024"):
        EmulatedEngine(3)


def has_device() -> bool:
    try:
        CudaEngine()
    except CudaMissingError:
        return False
    return True


def test_the_cuda_engine_has_all_that_an_engine_needs() -> None:
    assert not CudaEngine.__abstractmethods__


@pytest.mark.skipif(has_device(), reason="a CUDA device is present")
def test_an_absent_device_is_named_with_the_remedy() -> None:
    with pytest.raises(CudaMissingError, match=r"pip install 'descent-ensemble\[cuda13\]'.* Or use backend='cpu'"):
        CudaEngine()


# ---- compilers

WARNED = [
    program(landscape, optimizer, event, dtype="float32", math="fast")
    for landscape, optimizer, event in [
        (Rosenbrock(dim=10), Nesterov(0.1), Below(1.0)),
        (QuarticSaddle(dim=64), Adam(), LeftBall(1.0)),
        (Rosenbrock(dim=10), KICKS, Below(1.0)),
        (Quadratic([1.0] * 6), HeavyBall(0.1), Crossed([1.0] * 6)),
    ]
]


# The emulated programs above are all compiled with the same warning.
@pytest.mark.parametrize(
    ("compiler", "path"), [*((c, "cpu") for c in COMPILERS), *((c, "device") for c in COMPILERS[1:])]
)
def test_the_float_build_has_no_stray_double(compiler: str, path: str, tmp_path: Path) -> None:
    warnings = ["-Wdouble-promotion", "-Wno-psabi", "-Wno-unknown-pragmas", "-Wno-ignored-attributes", "-Werror"]
    for k, p in enumerate(WARNED):
        entry = "observe" if k == 0 else "advance"
        text = CpuEngine().source(p, entry) if path == "cpu" else EmulatedEngine(2).source(p, entry)
        (tmp_path / f"{k}.cpp").write_text(text)
    flags = ["-std=c++17", cpu_compiler.native_flag()]
    if path == "device":
        flags = ["-std=c++20", "-include", str(Path(__file__).parent / "emulation.cuh")]
    command = [compiler, *flags, *warnings, "-fsyntax-only", f"-I{sources.kernels()}"]
    for file in sorted(tmp_path.iterdir()):
        done = subprocess.run([*command, str(file)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("compiler", COMPILERS[1:])
def test_another_compiler_gives_the_same_bits(compiler: str) -> None:
    for name in ("saddle", "shifts across lanes", "kicks"):
        case = CASES[name]
        found = run(EmulatedEngine(case.lanes[-1], compiler=compiler), case.program, case.steps, segment=11)
        assert differences(found, reference(name)) == []


@pytest.mark.gpu
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("name", "lanes"), PRECISE)
def test_the_gpu_gives_the_bits_of_the_specification(name: str, lanes: int, streamed: bool) -> None:
    case = CASES[name]
    found = run(CudaEngine(lanes=lanes, streamed=streamed), case.program, case.steps, segment=11, scale=case.scale)
    assert differences(found, reference(name)) == []


@pytest.mark.gpu
@pytest.mark.parametrize("check_every", [1, 3])
@pytest.mark.parametrize("name", WINDOWS)
def test_windows_on_the_gpu_give_the_bits_of_the_specification(name: str, check_every: int) -> None:
    case = WINDOWS[name]
    p = dataclasses.replace(case.program, check_every=check_every)
    found = run(CudaEngine(lanes=case.lanes[0], window=2), p, case.steps, segment=11, scale=case.scale)
    assert differences(found, run(NumpyEngine(), p, case.steps, segment=11, scale=case.scale)) == []


@pytest.mark.gpu
@pytest.mark.parametrize("landscape", [QuarticSaddle, Rosenbrock])
def test_instances_beyond_registers_on_the_gpu_have_the_bits_of_the_specification(landscape: type[Landscape]) -> None:
    p = program(landscape(dim=9001), Adam(0.01), LeftBall(11.0), instances=5, dtype="float32", check_every=2)
    assert differences(run(CudaEngine(), p, 30, segment=11), run(NumpyEngine(), p, 30)) == []
