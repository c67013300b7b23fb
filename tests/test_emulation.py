"""The emulated device path computes what serial code computes, and a wrong mask or a missing lane ends the program."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

COMPILERS = [compiler for compiler in ("g++", "clang++") if shutil.which(compiler)]

pytestmark = pytest.mark.skipif(not COMPILERS, reason="no C++ compiler on PATH")

PROGRAM = r"""
#define EMULATION_TIMEOUT 2
#include "emulation.cuh"
#include <cstring>

static void check(bool right, const char* what) {
    if (right) return;
    std::printf("wrong: %s\n", what);
    std::exit(1);
}

// Sums within groups of `lanes` lanes, by shuffles up to a warp and through shared memory above.
template <int lanes, class T>
__device__ __forceinline__ T group_sum(T value) {
    if constexpr (lanes > 32) {
        SHARED(T, parts, lanes);
        parts[threadIdx.x] = value;
        __syncthreads();
        for (int stride = lanes / 2; stride >= 32; stride /= 2) {
            T sum = parts[threadIdx.x % stride] + parts[threadIdx.x % stride + stride];
            __syncthreads();
            parts[threadIdx.x] = sum;
            __syncthreads();
        }
        value = parts[threadIdx.x];
        __syncthreads();
    }
    constexpr int within = lanes < 32 ? lanes : 32;
    const unsigned first = threadIdx.x % 32 / within * within;
    const unsigned mask = within == 32 ? 0xffffffffu : ((1u << within % 32) - 1u) << first;
    for (int stride = within / 2; stride > 0; stride /= 2) value += __shfl_xor_sync(mask, value, stride);
    return value;
}

template <int lanes, class T>
__global__ void __launch_bounds__(64) sums(const T* values, T* result, int steps, int groups) {
    const int group = int(blockIdx.x * blockDim.x + threadIdx.x) / lanes;
    if (group >= groups) return;  // the last block is not full
    T sum = 0;
    for (int t = 0; t < steps; ++t) {
        sum = group_sum<lanes>(T(values[group * lanes + int(threadIdx.x) % lanes] + sum / T(lanes)));
        if (group % 3 == 1 && t >= steps / 2) break;  // groups of one warp part ways
    }
    if (threadIdx.x % lanes == 0) result[group] = sum;
}

template <int lanes, class T>
void test_sums(int steps) {
    const int threads = lanes > 16 ? lanes : 16, groups = lanes > 32 ? 5 : 3 * threads / lanes - (lanes < 16);
    std::vector<T> values(groups * lanes), result(groups, -1);
    for (int i = 0; i < groups * lanes; ++i) values[i] = T((i * 37) % 101) / T(7);
    emulate((groups * lanes + threads - 1) / threads, threads,
            [&] { sums<lanes, T>(values.data(), result.data(), steps, groups); });
    for (int group = 0; group < groups; ++group) {
        T sum = 0;
        for (int t = 0; t < steps; ++t) {
            T part[lanes];
            for (int k = 0; k < lanes; ++k) part[k] = values[group * lanes + k] + sum / T(lanes);
            for (int stride = lanes / 2; stride > 0; stride /= 2) {
                for (int k = 0; k < stride; ++k) part[k] += part[k + stride];
            }
            sum = part[0];
            if (group % 3 == 1 && t >= steps / 2) break;
        }
        check(std::memcmp(&sum, &result[group], sizeof(T)) == 0, "a sum differs from the serial tree");
    }
}

// Every way to shuffle, against the definition, in groups of `width` lanes.
template <class T>
void test_shuffles(int width) {
    std::vector<T> found(4 * 32);
    emulate(1, 32, [&] {
        const int lane = int(threadIdx.x);
        const T value = T(lane) * T(3) - T(40);
        const unsigned all = 0xffffffffu;
        found[lane] = __shfl_sync(all, value, 5, width);
        found[32 + lane] = __shfl_xor_sync(all, value, 3, width);
        found[64 + lane] = __shfl_up_sync(all, value, 2, width);
        found[96 + lane] = __shfl_down_sync(all, value, 2, width);
    });
    for (int lane = 0; lane < 32; ++lane) {
        const int first = lane / width * width, last = first + width - 1;
        const int sources[] = {first + 5 % width, (lane ^ 3) > last ? lane : lane ^ 3,
                               lane - 2 < first ? lane : lane - 2, lane + 2 > last ? lane : lane + 2};
        for (int k = 0; k < 4; ++k) check(found[32 * k + lane] == T(sources[k]) * T(3) - T(40), "a shuffle");
    }
}

void test_votes() {
    std::vector<unsigned> ballots(24);
    std::vector<int> anyone(24), everyone(24);
    emulate(1, 24, [&] {
        const unsigned lane = threadIdx.x, mask = 0xffu << (lane / 8 * 8);
        ballots[lane] = __ballot_sync(mask, lane % 3 == 0);
        anyone[lane] = __any_sync(mask, lane == 9);
        everyone[lane] = __all_sync(mask, lane < 16);
        __syncwarp(mask);
    });
    for (unsigned lane = 0; lane < 24; ++lane) {
        check(ballots[lane] == (0x00249249u & (0xffu << (lane / 8 * 8))), "a ballot");
        check(anyone[lane] == (lane / 8 == 1), "any");
        check(everyone[lane] == (lane / 8 < 2), "all");
    }
}

void test_layout() {
    std::vector<int> seen(2 * 3 * 4 * 8);
    int count = 0;
    emulate(dim3(2, 3), dim3(4, 4, 2), [&] {
        const unsigned block = blockIdx.x + gridDim.x * blockIdx.y;
        const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
        seen[block * 32 + thread] += 1;
        atomicAdd(&count, 2);
    });
    for (int times : seen) check(times == 1, "every thread of every block runs once");
    check(count == 2 * 6 * 32, "atomicAdd");
}

void test_intrinsics() {
    check(__umulhi(0xD2511F53u, 0xffffffffu) == 0xD2511F52u, "umulhi");
    check(__float2int_rz(-2.7f) == -2 && __float2int_rz(3e9f) == 2147483647 && __float2int_rz(NAN) == 0, "float2int");
    check(__float_as_int(1.0f) == 0x3f800000 && __int_as_float(0x40000000) == 2.0f, "float bits");
    check(__double_as_longlong(1.0) == 0x3ff0000000000000ll && __longlong_as_double(0) == 0.0, "double bits");
    const float a = 1.0f + 0x1p-12f;
    check(__fmaf_rn(a, a, -1.0f) == 0x1p-11f + 0x1p-24f, "fused");
    check(__fadd_rn(__fmul_rn(a, a), -1.0f) == 0x1p-11f, "rounded twice");
    check(__fma_rn(3.0, 4.0, 5.0) == 17.0 && __int2float_rn(3) == 3.0f && __ldg(&a) == a, "plain");
    check(__fsqrt_rn(9.0f) == 3.0f && __dsqrt_rn(9.0) == 3.0 && __fdiv_rn(1.0f, 4.0f) == 0.25f, "root and quotient");
}

// ---- mistakes, each of which must be found
void faulty(const std::string& which) {
    const unsigned all = 0xffffffffu;
    if (which == "not in mask") emulate(1, 32, [&] { __shfl_xor_sync(0xffu, 1.0f, 1); });
    if (which == "source outside") emulate(1, 32, [&] { __shfl_xor_sync(0xffu << (threadIdx.x / 8 * 8), 1.0f, 8); });
    if (which == "masks differ") {
        emulate(1, 32, [&] { __shfl_xor_sync(threadIdx.x < 16 ? 0x1ffffu : all, 1.0f, 1); });
    }
    if (which == "lane absent") emulate(1, 8, [&] { __shfl_xor_sync(all, 1.0f, 1); });
    if (which == "lane exited") {
        emulate(1, 32, [&] {
            if (threadIdx.x != 3) __shfl_xor_sync(all, 1.0f, 1);
        });
    }
    if (which == "lane diverged") {
        emulate(1, 32, [&] {
            if (threadIdx.x != 3) __shfl_xor_sync(all, 1.0f, 1);
            __syncthreads();
        });
    }
    if (which == "kinds differ") {
        emulate(1, 32, [&] { threadIdx.x == 7 ? __shfl_down_sync(all, 1, 1) : __shfl_up_sync(all, 1, 1); });
    }
    if (which == "types differ") {
        emulate(1, 32, [&] {
            if (threadIdx.x == 7) {
                __shfl_xor_sync(all, 1, 1);
            } else {
                __shfl_xor_sync(all, 1.0f, 1);
            }
        });
    }
    if (which == "barrier after exit") {
        emulate(1, 64, [&] {
            if (threadIdx.x >= 32) return;
            __syncthreads();
        });
    }
    if (which == "spinning") {
        std::atomic<bool> never{false};
        emulate(1, 2, [&] {
            while (threadIdx.x == 1 && !never.load(std::memory_order_relaxed)) std::this_thread::yield();
            __syncthreads();
        });
    }
    if (which == "race") {  // what the sanitizer is for: a barrier is missing
        emulate(1, 64, [&] {
            SHARED(int, parts, 64);
            for (int t = 0; t < 100; ++t) {
                parts[threadIdx.x] = t;
                __syncthreads();
                if (parts[63 - threadIdx.x] < t) std::printf("early\n");
            }
        });
    }
    std::printf("not found\n");
}

int main(int count, char** arguments) {
    if (count > 1) return faulty(arguments[1]), 0;
    test_sums<1, float>(7), test_sums<4, float>(7), test_sums<8, float>(7), test_sums<32, float>(7);
    test_sums<64, float>(25), test_sums<8, double>(7), test_sums<64, double>(7);
    for (int width : {4, 8, 32}) test_shuffles<float>(width), test_shuffles<long long>(width);
    test_shuffles<int>(32), test_shuffles<unsigned>(32), test_shuffles<double>(16);
    test_votes(), test_layout(), test_intrinsics();
    std::printf("right\n");
}
"""

WARNINGS = ("-Wall", "-Wextra", "-Wdouble-promotion", "-Werror")

Build = Callable[..., Path]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Compiles the program once for each set of flags."""
    folder = tmp_path_factory.mktemp("emulation")
    (folder / "program.cpp").write_text(PROGRAM)
    done: dict[tuple[str, ...], Path] = {}

    def compiled(compiler: str, *flags: str) -> Path:
        key = (compiler, *flags)
        if key not in done:
            done[key] = folder / f"program{len(done)}"
            standard = ("-std=c++20", "-O2", "-pthread", *WARNINGS, f"-I{Path(__file__).parent}")
            subprocess.run([*key, *standard, "program.cpp", "-o", str(done[key])], cwd=folder, check=True)
        return done[key]

    return compiled


def run(program: Path, *arguments: str, command: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, str(program), *arguments], capture_output=True, text=True, timeout=600, check=False
    )


@pytest.mark.ci
@pytest.mark.parametrize(
    "compiler", [*COMPILERS[:1], *(pytest.param(c, marks=pytest.mark.slow) for c in COMPILERS[1:])]
)
def test_emulated_groups_equal_serial_code(build: Build, compiler: str) -> None:
    done = run(build(compiler))
    assert (done.returncode, done.stdout, done.stderr) == (0, "right\n", "")


@pytest.mark.ci
@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("not in mask", "with mask 0x000000ff: the calling lane is not in the mask"),
        ("source outside", "is not in the mask"),
        ("masks differ", "of the mask waits in __shfl_xor_sync with mask 0x"),
        ("lane absent", "lane 8 of the mask does not exist in a block of 8"),
        ("lane exited", "exited"),
        ("lane diverged", "deadlock in block (0, 0, 0), every thread waits or has exited"),
        ("kinds differ", "lanes disagree: this one calls __shfl_"),
        ("types differ", "of type f and width 32"),
        ("barrier after exit", "__syncthreads"),
        pytest.param("spinning", "no progress for 2 s", marks=pytest.mark.slow),
    ],
)
def test_a_mistake_aborts_and_is_named(build: Build, mistake: str, message: str) -> None:
    done = run(build(COMPILERS[0]), mistake)
    assert done.returncode < 0  # aborted
    assert "not found" not in done.stdout
    assert done.stderr.startswith("emulation: ")
    # Lanes that arrive at the same instant do not see each other wait: then it is the deadlock that is found.
    assert message in done.stderr or (mistake == "masks differ" and "deadlock" in done.stderr)


@pytest.mark.slow
def test_the_thread_sanitizer_is_silent_on_right_code_and_finds_a_missing_barrier(build: Build) -> None:
    program = build(COMPILERS[0], "-fsanitize=thread")
    # Without address randomisation: older sanitizers cannot place their shadow on kernels that randomise much.
    command = ("setarch", "-R") if shutil.which("setarch") else ()
    if run(Path("/bin/true"), command=command).returncode != 0:
        command = ()
    done = run(program, command=command)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("the thread sanitizer of this compiler cannot start on this kernel")
    assert (done.returncode, done.stdout, done.stderr) == (0, "right\n", "")
    assert "data race" in run(program, "race", command=command).stderr
