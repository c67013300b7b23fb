"""The generator: Random123's known answers on every path, the law of the draws, and the error of the fast normals."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
from device_runs import program, same_bits
from emulated import COMPILERS, build_emulated, library
from numpy.typing import NDArray
from scipy import stats

from ensemble.arithmetic.random import CONFIGURATION_STRIDE, Random, Stream, box_muller, philox, round_keys, uniform
from ensemble.backends import compiler
from ensemble.backends.cpu import CpuEngine
from ensemble.backends.numpy import NumpyEngine
from ensemble.backends.program import Engine
from ensemble.landscapes import Quadratic
from ensemble.noises import Gaussian
from ensemble.optimizers import GradientDescent

KNOWN = [
    [int(word, 16) for word in line.split()]
    for line in (Path(__file__).parent / "philox.txt").read_text().splitlines()
    if not line.startswith("#")
]
needs_compiler = pytest.mark.skipif(not COMPILERS, reason="no C++ compiler on PATH")

# On the CPU every instance of a tile answers, with the stream as a plain word and as a word of each instance.
WORDS = """
#define ENSEMBLE_DIM {dim}
#define ENSEMBLE_{size}
#define ENSEMBLE_DOUBLE {double}
#define ENSEMBLE_FAST 1
#define ENSEMBLE_MIXED 0
#include "random.cuh"
struct Launch {{
    unsigned counter[4];
    RoundKeys keys;
    unsigned* out;
}};
#if ENSEMBLE_DEVICE
extern "C" __global__ void words(const Launch launch) {{
    const unsigned* c = launch.counter;
    Words found = philox(c[0], c[1], c[2], c[3], launch.keys);
    for (int k = 0; k < 4; ++k) launch.out[4 * threadIdx.x + k] = unsigned(found.w[k].bits);
}}
#else
extern "C" void words(const Launch* launch) {{
    const unsigned* c = launch->counter;
    Words one = philox(c[0], c[1], split(c[2]), c[3], launch->keys);
    Words each = philox(c[0], c[1], split(c[2]), split(c[3]), launch->keys);
    for (int k = 0; k < 4; ++k) {{
        for (int w = 0; w < width; ++w) {{
            launch->out[8 * w + k] = unsigned(one.w[k].get(w));
            launch->out[8 * w + 4 + k] = unsigned(each.w[k].get(w));
        }}
    }}
}}
#endif
"""
CALL = """
extern "C" __attribute__((visibility("default"))) void call_{entry}(const void* launch) {{
    auto copy = *static_cast<const Launch*>(launch);
    emulate(1, 32, [&] {{ {entry}(copy); }});
}}
"""


class Launch(ctypes.Structure):
    _fields_ = (("counter", ctypes.c_uint * 4), ("keys", ctypes.c_uint * 20), ("out", ctypes.c_void_p))


def answers(function: ctypes._CFuncPtr, counter: list[int], key: list[int], lanes: int) -> NDArray[np.uint32]:
    out = np.zeros((lanes, 4), dtype=np.uint32)
    keys = round_keys(key[0] | key[1] << 32)
    function(ctypes.byref(Launch((ctypes.c_uint * 4)(*counter), (ctypes.c_uint * 20)(*keys), out.ctypes.data)))
    return out


def test_numpy_gives_the_known_answers() -> None:
    assert len(KNOWN) == 3
    for known in KNOWN:
        found = philox(*known[:4], round_keys(known[4] | known[5] << 32))
        assert [int(word) for word in found] == known[6:]


@needs_compiler
@pytest.mark.parametrize(("width", "double"), [(1, 0), (4, 1), (16, 0), (16, 1)])
def test_the_cpu_gives_the_known_answers_in_every_lane_of_a_tile(width: int, double: int) -> None:
    text = WORDS.format(dim=0, size=f"WIDTH {width}", double=double)
    function = compiler.library(text).words
    for known in KNOWN:
        assert (answers(function, known[:4], known[4:6], 2 * width) == np.array(known[6:], dtype=np.uint32)).all()


@needs_compiler
@pytest.mark.parametrize("double", [0, 1])
def test_the_device_path_gives_the_known_answers(double: int) -> None:
    text = WORDS.format(dim=64, size="LANES 4", double=double)
    function = library(build_emulated(text, "words", call=CALL)).call_words
    for known in KNOWN:
        assert (answers(function, known[:4], known[4:6], 32) == np.array(known[6:], dtype=np.uint32)).all()


# ---- who draws what


def random(dim: int, step: int, dtype: str = "float64", offset: int = 0, ids: int = 5, seed: int = 3) -> Random:
    instances = np.arange(ids, dtype=np.uint64).reshape(-1, 1)
    return Random(round_keys(seed), instances, np.uint64(offset), step, dim, np.dtype(dtype))


@pytest.mark.parametrize(("dim", "steps"), [(1, 4), (2, 2)])
def test_small_dimensions_share_a_block_of_four_normals_over_several_steps(dim: int, steps: int) -> None:
    for block in (0, 1, 7):
        w = philox(block, 0, np.arange(5), Stream.NOISE, round_keys(3))
        four = np.stack([*box_muller(w[0], w[1], np.float64), *box_muller(w[2], w[3], np.float64)], axis=1)
        found = [random(dim, steps * block + k).normals(Stream.NOISE) for k in range(steps)]
        assert same_bits(np.concatenate(found, axis=1), four)
    one = random(dim, 0)  # and one set of instances keeps it, whatever else it draws, in whatever order
    for step in (5, 6, 7, 8, 7, 2):
        one.step = step
        assert same_bits(one.normals(Stream.PERTURBATION), random(dim, step).normals(Stream.PERTURBATION))
        assert same_bits(one.normals(Stream.NOISE), random(dim, step).normals(Stream.NOISE))


def test_from_three_coordinates_on_every_step_has_blocks_of_its_own() -> None:
    a, b = random(3, 4).normals(Stream.NOISE), random(3, 5).normals(Stream.NOISE)
    assert len(np.unique(np.concatenate([a, b]))) == 30
    assert same_bits(random(9, 4).normals(Stream.NOISE)[:, :3].copy(), a)  # a coordinate's draw does not depend on dim


def test_streams_instances_seeds_and_configurations_draw_apart() -> None:
    draws = [random(4, 1).normals(stream) for stream in Stream]
    draws += [
        random(4, 1, offset=CONFIGURATION_STRIDE).normals(Stream.NOISE),
        random(4, 1, seed=4).normals(Stream.NOISE),
    ]
    assert len(np.unique(draws)) == np.size(draws)
    assert same_bits(random(4, 1, ids=9).normals(Stream.NOISE)[:5].copy(), draws[0])


def test_uniforms_use_all_bits_and_are_never_zero() -> None:
    words = np.array([0, 1, 2**31, 2**32 - 1], dtype=np.uint32)
    assert uniform(words, np.float64).tolist() == [2.0**-33, 3 * 2.0**-33, 0.5 + 2.0**-33, 1 - 2.0**-33]
    assert uniform(words, np.float32).tolist() == [2.0**-33, 3 * 2.0**-33, 0.5, 1.0]


# ---- the law


def fast_normals(engine: Engine, dim: int, instances: int, step: int) -> NDArray[np.floating]:
    """What the float32 step with ``math="fast"`` draws as noise: ``x = 0 - 1 (0 x + 1 z)`` has the bits of -z."""
    p = program(
        Quadratic(0.0, dim=dim),
        GradientDescent(1.0),
        noise=Gaussian(1.0),
        instances=instances,
        dtype="float32",
        math="fast",
    )
    state = engine.new_state(p)
    engine.advance(p, state, np.arange(instances, dtype=np.int32), step, step)
    return -engine.to_numpy(state.x)


def check_law(z: NDArray[np.floating]) -> None:
    z = z.astype(np.float64).ravel()
    n = z.size
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**power).mean() - mean) <= 4 * np.sqrt(variance / n), power
    assert stats.kstest(z, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(z[:-1], z[1:])[0, 1]) <= 4 / np.sqrt(n)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_million_normals_follow_their_law(dtype: str) -> None:
    check_law(random(100, 17, dtype, ids=10_000).normals(Stream.NOISE))


@needs_compiler
def test_a_million_fast_normals_of_the_cpu_follow_their_law() -> None:
    check_law(fast_normals(CpuEngine(), 100, 10_000, 17))


def test_a_million_uniforms_follow_their_law() -> None:
    u = random(100, 17, ids=10_000).uniforms(Stream.START).ravel()
    assert stats.kstest(u, "uniform").pvalue > 1e-3


def exact_normals(dim: int, instances: int, step: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Box and Muller's formula in float64 with NumPy's own functions, on the words of the same counters; the radii."""
    w = philox(step, np.arange(dim // 4)[None, :], np.arange(instances)[:, None], Stream.NOISE, round_keys(seed))
    pairs = []
    for first, second in ((w[0], w[1]), (w[2], w[3])):
        radius = np.sqrt(-2.0 * np.log((first + 0.5) * 2.0**-32))
        angle = 2 * np.pi * ((second + 0.5) * 2.0**-32)
        pairs += [(radius * np.cos(angle), radius), (radius * np.sin(angle), radius)]
    z, radii = (np.stack([pair[k] for pair in pairs], axis=-1).reshape(instances, dim) for k in (0, 1))
    return z, radii


def fast_errors(engine: Engine, batches: int) -> tuple[float, float, float]:
    """Of a million draws a batch: the largest error, the largest where the radius is 0.1 or more, the root mean square."""
    dim, instances, seed = 1000, 1000, program(Quadratic(0.0, dim=1), GradientDescent(1.0)).seed
    largest = largest_ordinary = squares = 0.0
    for step in range(1, batches + 1):
        exact, radius = exact_normals(dim, instances, step, seed)
        error = np.abs(fast_normals(engine, dim, instances, step) - exact)
        largest = max(largest, float(error.max()))
        largest_ordinary = max(largest_ordinary, float(error[radius >= 0.1].max()))
        squares += float((error**2).mean())
    return largest, largest_ordinary, (squares / batches) ** 0.5


# A uniform within 2^-25 of 1 rounds to 1 in float32: the radius is then 0, and was at most sqrt(2^-24) = 2.44e-4.
STATED = (2.45e-4, 1e-6, 8e-8)


@needs_compiler
def test_fast_normals_are_close_to_exact_ones() -> None:
    found = fast_errors(CpuEngine(), 2)
    assert all(error <= bound for error, bound in zip(found, STATED)), found


@pytest.mark.slow
@needs_compiler
def test_the_error_of_fast_normals_over_1e8_draws_is_as_stated() -> None:
    found = fast_errors(CpuEngine(), 100)
    assert all(error <= bound for error, bound in zip(found, STATED)), found


@pytest.mark.gpu
def test_the_error_of_the_hardwares_normals_over_1e8_draws_is_as_stated() -> None:
    from ensemble.backends.cuda import CudaEngine

    # log2 within 2^-22 where it is near 0, sine and cosine within 2^-21: PTX ISA, lg2.approx, sin.approx, cos.approx.
    found = fast_errors(CudaEngine(), 100)
    assert all(error <= bound for error, bound in zip(found, (6e-4, 6e-6, 1e-6))), found


@needs_compiler
def test_engines_draw_the_same_noise() -> None:
    for dim in (1, 2, 7):
        p = program(Quadratic(0.0, dim=dim), GradientDescent(1.0), noise=Gaussian(1.0), instances=40)
        states = []
        for engine in (NumpyEngine(), CpuEngine()):
            state = engine.new_state(p)
            for t in range(1, 10):  # one at a time: a block of several steps is met in the middle
                engine.advance(p, state, np.arange(40, dtype=np.int32), t, t)
            states.append(state.x)
        assert same_bits(*states)
