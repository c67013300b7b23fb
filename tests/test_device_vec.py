"""The primitives of Vec on the device path, for every number of lanes, against ``ensemble/arithmetic/vec.py``, bit for bit."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from device_runs import same_bits
from emulated import COMPILERS, FLAGS, HERE, THREADS, build_emulated, library
from numpy.typing import NDArray

from ensemble.arithmetic import vec
from ensemble.backends import sources

pytestmark = pytest.mark.skipif(not COMPILERS, reason="no C++ compiler on PATH")

SCALARS = ("sum", "dot", "max", "min", "first", "at_first", "at_middle", "at_last")
VECTORS = ("ahead_1", "behind_1", "ahead_3", "behind_4", "butterfly")
PROBE = """
#define ENSEMBLE_DIM {dim}
#define ENSEMBLE_LANES {lanes}
#define ENSEMBLE_DOUBLE {double}
#define ENSEMBLE_FAST 0
#define ENSEMBLE_THREADS {threads}
#define ENSEMBLE_STREAMED {streamed}
#include "rows.cuh"
struct Launch {{
    const real *x, *y;
    real *scalars, *vectors;  // (row, scalar, lane), (vector, row, dim)
    const int* active;
    int count;
    char* scratch;
    long long scratch_bytes;
}};
extern "C" __global__ void probe(const Launch launch) {{
    Seat seat;
    if (!seat.take(launch.active, launch.count)) return;
    open_workspace(launch.scratch, launch.scratch_bytes);
    Vec x, y;
    load_row(x, launch.x + seat.row * dim());
    load_row(y, launch.y + seat.row * dim());
    const scalar found[8] = {{sum(x), dot(x, y), max(x), min(x), first_index(x > real(1)), at(x, 0), at(x, dim() / 2),
                             at(x, dim() - 1)}};
    Vec moved[5] = {{Vec(shift<1>(x)), Vec(shift<-1>(x)), Vec(shift<3>(x)), Vec(shift<-4>(x)), x}};
    if constexpr ((static_dim & (static_dim - 1)) == 0) butterfly(moved[4]);
    if (!seat.present) return;
    for (int k = 0; k < 8; ++k) launch.scalars[(seat.row * 8 + k) * lanes + lane_in_group()] = found[k];
    for (int k = 0; k < 5; ++k) save_row(moved[k], launch.vectors + (k * launch.count + seat.row) * dim());
}}
"""
CALL = """
extern "C" __attribute__((visibility("default"))) void call_{entry}(const void* launch, int blocks, int threads) {{
    auto copy = *static_cast<const Launch*>(launch);
    emulate(blocks, threads, [&] {{ {entry}(copy); }});
}}
"""
# Padded to whole blocks, to all lanes, and a power of two, for which there is a butterfly; lanes that own no block.
DEFAULT = [(130, 2), (130, 8), (21, 8), (128, 4), (512, 128)]
SELDOM = [(128, 1), (300, 64)]
EVERY = [(dim, 1 << k) for dim in (4, 10, 67, 130, 256, 1030, 4096) for k in range(11) if 1 << k < -(-dim // 4) * 2]
EVERY += [*SELDOM, *((dim, 1) for dim in (1, 2, 3))]


class Launch(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "y", "scalars", "vectors", "active")),
        ("count", ctypes.c_int),
        ("scratch", ctypes.c_void_p),
        ("scratch_bytes", ctypes.c_longlong),
    )


def text_of(dim: int, lanes: int, dtype: str, streamed: bool = False) -> str:
    double, threads = int(dtype == "float64"), max(lanes, THREADS)
    text = PROBE.format(dim=dim, lanes=lanes, double=double, threads=threads, streamed=int(streamed))
    if dim < 4:  # a shift reaches as far as a block is wide
        text = text.replace("shift<3>", "shift<1>").replace("shift<-4>", "shift<-1>")
    return text


def points(dim: int, dtype: str) -> NDArray[np.floating]:
    """Ordinary rows, one of very unlike sizes, one of zeros of both signs, and one with NaN in places."""
    rng = np.random.default_rng(dim)
    x = rng.normal(size=(11, dim))
    x[1] *= 10.0 ** rng.integers(-12, 12, dim)
    x[2] = np.where(rng.random(dim) < 0.5, 0.0, -0.0)
    x[3, rng.integers(dim, size=3)] = np.nan
    return x.astype(dtype)


def expected(x: NDArray[np.floating], y: NDArray[np.floating]) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    dim = x.shape[1]
    scalars = {
        "sum": vec.total(x),
        "dot": vec.dot(x, y),
        "max": vec.largest(x),
        "min": vec.smallest(x),
        "first": vec.first_index(x > 1, x.dtype),
        "at_first": x[:, :1],
        "at_middle": x[:, dim // 2 : dim // 2 + 1],
        "at_last": x[:, -1:],
    }
    far = (3, -4) if dim >= 4 else (1, -1)
    vectors = {name: vec.shift(x, k) for name, k in zip(VECTORS[:4], (1, -1, *far))}
    vectors["butterfly"] = vec.butterfly(x) if dim & (dim - 1) == 0 else x
    return scalars, vectors


Execute = Callable[[str, Launch, int, int, Sequence[NDArray]], None]


def emulate(text: str, launch: Launch, blocks: int, threads: int, arrays: Sequence[NDArray]) -> None:
    library(build_emulated(text, "probe", call=CALL)).call_probe(ctypes.byref(launch), blocks, threads)


def check(dim: int, lanes: int, dtype: str, streamed: bool = False, execute: Execute = emulate) -> None:
    """Holds every primitive to ``ensemble/arithmetic/vec.py``. ``execute``: launches the probe's text with a struct of pointers."""
    x, y = points(dim, dtype), points(dim, dtype)[::-1].copy()
    rows = len(x)
    active = np.arange(rows, dtype=np.int32)
    scalars = np.zeros((rows, len(SCALARS), lanes), dtype=dtype)
    vectors = np.zeros((len(VECTORS), rows, dim), dtype=dtype)
    threads = max(lanes, THREADS)
    blocks = -(-rows * lanes // threads)
    block = -(-min(dim, 4) * x.itemsize // 16) * 16
    room = 10 * (dim // 4 + lanes) * block  # x, y, five that are moved, and some that make them
    scratch = np.zeros((blocks * threads // lanes, room), dtype=np.uint8)
    addresses = (a.ctypes.data for a in (x, y, scalars, vectors, active))
    launch = Launch(*addresses, rows, scratch.ctypes.data, room)
    execute(text_of(dim, lanes, dtype, streamed), launch, blocks, threads, (x, y, scalars, vectors, active, scratch))
    assert not scratch[:, -16:].any()
    right, moved = expected(x, y)
    for k, name in enumerate(SCALARS):
        assert same_bits(scalars[:, k], np.repeat(right[name], lanes, axis=1)), name  # in every lane
    for k, name in enumerate(VECTORS):
        assert same_bits(vectors[k], moved[name]), name


@pytest.fixture(scope="module")
def builds() -> None:
    """The default programs compiled, several at once."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for k, (dim, lanes) in enumerate(DEFAULT):
            pool.submit(build_emulated, text_of(dim, lanes, ("float32", "float64")[k % 2]), "probe", call=CALL)


@pytest.mark.slow
@pytest.mark.usefixtures("builds")
@pytest.mark.parametrize(
    ("dim", "lanes", "dtype"), [(*d, ("float32", "float64")[k % 2]) for k, d in enumerate(DEFAULT)]
)
def test_primitives_have_the_bits_of_the_specification(dim: int, lanes: int, dtype: str) -> None:
    check(dim, lanes, dtype)


@pytest.mark.slow
@pytest.mark.parametrize(("dim", "lanes", "dtype"), [(130, 8, "float32"), (512, 128, "float64")])
def test_primitives_in_memory_have_the_bits_of_the_specification(dim: int, lanes: int, dtype: str) -> None:
    check(dim, lanes, dtype, streamed=True)


@pytest.mark.slow
@pytest.mark.parametrize(("dim", "lanes"), EVERY)
def test_primitives_in_memory_in_every_shape(dim: int, lanes: int) -> None:
    check(dim, lanes, ("float32", "float64")[lanes.bit_length() % 2], streamed=True)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("dim", "lanes"), EVERY)
def test_primitives_in_every_shape(dim: int, lanes: int, dtype: str) -> None:
    check(dim, lanes, dtype)


MAIN = """
int main() {{
    std::vector<real> x(5 * {dim}, real(1)), scalars(5 * 8 * {lanes}), vectors(5 * 5 * {dim});
    std::vector<int> active{{0, 1, 2, 3, 4}};
    Launch launch{{x.data(), x.data(), scalars.data(), vectors.data(), active.data(), 5}};
    emulate(5 * {lanes} / {threads}, {threads}, [&] {{ probe(launch); }});
}}
"""


@pytest.mark.slow
@pytest.mark.parametrize(("dim", "lanes"), [(512, 128), (300, 64)])
def test_no_barrier_is_missing(dim: int, lanes: int, tmp_path: Path) -> None:
    def races(kernels: Path, name: str) -> str:
        program = text_of(dim, lanes, "float32") + MAIN.format(dim=dim, lanes=lanes, threads=lanes)
        (tmp_path / f"{name}.cpp").write_text(program)
        flags = [flag for flag in FLAGS if flag != "-shared"]
        include = ["-include", str(HERE / "emulation.cuh"), f"-I{kernels}"]
        command = [COMPILERS[0], "-fsanitize=thread", *flags, *include, f"{name}.cpp", "-o", name]
        subprocess.run(command, cwd=tmp_path, check=True)
        # Without address randomisation: older sanitizers cannot place their shadow on kernels that randomise much.
        plain = ["setarch", "-R"] if shutil.which("setarch") else []
        done = subprocess.run([*plain, str(tmp_path / name)], capture_output=True, text=True)
        if "unexpected memory mapping" in done.stderr or "setarch" in done.stderr:
            pytest.skip("the thread sanitizer cannot start here")
        return done.stderr

    assert races(sources.kernels(), "right") == ""
    faulty = Path(shutil.copytree(sources.kernels(), tmp_path / "kernels")) / "base" / "device.cuh"
    barrier = "by_column[column] = value;\n        __syncthreads();"
    assert barrier in faulty.read_text()
    faulty.write_text(faulty.read_text().replace(barrier, "by_column[column] = value;"))
    assert "data race" in races(tmp_path / "kernels", "wrong")
