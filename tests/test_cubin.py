"""The instruction counts of ``cubin.report`` are those of loops whose work is known by construction."""

import functools
import platform
from pathlib import Path

import pytest
from cubin import CompilationError, Report, compile_cubin, functions, instructions_per_coordinate, report

pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the NVRTC and disassembler wheels these tests use are for Linux x86-64",
)

ARCHITECTURES = ("sm_80", "sm_90", pytest.param("sm_100", marks=pytest.mark.slow), "sm_120")

# Per step: 2 special functions; FMUL.RZ (in the sine), FMUL, FADD, 2 FFMA.
STRAIGHT = """
extern "C" __global__ void advance(float* x, int steps, float decay) {
    float a = x[threadIdx.x], b = 0.0f;
    #pragma unroll 1
    for (int t = 0; t < steps; ++t) {
        float sine, root;
        sine = __sinf(a);
        asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(root) : "f"(b));
        a = __fmul_rn(__fadd_rn(sine, root), decay);
        b = __fmaf_rn(b, decay, __fmaf_rn(a, a, decay));
    }
    x[threadIdx.x] = a + b;
}
"""

# Per step: 20 wide multiplies at the most (the compiler hoists some out of the loop), no special function.
PHILOX = """
extern "C" __global__ void advance(unsigned* x, int steps, unsigned k0, unsigned k1) {
    unsigned sum = 0;
    #pragma unroll 1
    for (int t = 0; t < steps; ++t) {
        unsigned c0 = t, c1 = threadIdx.x, c2 = sum, c3 = 0, l0 = k0, l1 = k1;
        #pragma unroll
        for (int round = 0; round < 10; ++round) {
            const unsigned h0 = __umulhi(0xD2511F53u, c0), h1 = __umulhi(0xCD9E8D57u, c2);
            c0 *= 0xD2511F53u; c2 *= 0xCD9E8D57u;
            const unsigned n0 = h1 ^ c1 ^ l0, n2 = h0 ^ c3 ^ l1;
            c1 = c2; c3 = c0; c0 = n0; c2 = n2;
            l0 += 0x9E3779B9u; l1 += 0xBB67AE85u;
        }
        sum ^= c0 ^ c1 ^ c2 ^ c3;
    }
    x[threadIdx.x] = sum;
}
"""

RARE = """
extern "C" __global__ void advance(float* x, int steps, float bound, float* log) {
    float a = x[threadIdx.x];
    #pragma unroll 1
    for (int t = 0; t < steps; ++t) {
        a = __fmaf_rn(a, a, bound);
        if (__builtin_expect(a > bound, 0)) {
            float z = a;
            for (int k = 0; k < 6; ++k) z = __logf(z) * a;
            log[threadIdx.x] = z;
        }
    }
    x[threadIdx.x] = a;
}
"""

DIVISION = """
extern "C" __global__ void advance(float* x, int steps, float divisor) {
    float a = x[threadIdx.x];
    #pragma unroll 1
    for (int t = 0; t < steps; ++t) a = __fadd_rn(__fdiv_rn(a, divisor), __fsqrt_rn(a));
    x[threadIdx.x] = a;
}
"""

SHUFFLES = """
extern "C" __global__ void advance(float* x, int steps) {
    const unsigned mask = 0xffu << (threadIdx.x / 8 % 4 * 8);
    float a = x[threadIdx.x];
    #pragma unroll 1
    for (int t = 0; t < steps; ++t) {
        #pragma unroll
        for (int stride = 4; stride > 0; stride /= 2) a = __fadd_rn(a, __shfl_xor_sync(mask, a, stride));
    }
    x[threadIdx.x] = a;
}
"""

BARRIERS = """
extern "C" __global__ void advance(float* x, int steps, float bound, int* event_step) {
    __shared__ float parts[64];
    float a = x[threadIdx.x];
    #pragma unroll 1
    for (int t = 0; t < steps; ++t) {
        parts[threadIdx.x] = a;
        __syncthreads();
        a = __fadd_rn(parts[63 - threadIdx.x], a);
        __syncthreads();
        if (a > bound) {
            event_step[threadIdx.x] = t;
            break;
        }
    }
    x[threadIdx.x] = a;
}
"""

CHOICE = """
extern "C" __global__ void advance(float* x, int steps, const int* kind) {
    float a = x[threadIdx.x];
    #pragma unroll 1
    for (int t = 0; t < steps; ++t) {
        switch (kind[t]) {
            case 0: a = __sinf(a); break;
            case 1: a = __sinf(__sinf(a)); break;
            case 2: a = __sinf(__sinf(__sinf(a))); break;
            case 3: a = __sinf(__sinf(__sinf(__sinf(a)))); break;
            case 4: a = __sinf(__sinf(__sinf(__sinf(__sinf(a))))); break;
            case 5: a = __sinf(__sinf(__sinf(__sinf(__sinf(__sinf(a)))))); break;
            default: a += 1.0f;
        }
    }
    x[threadIdx.x] = a;
}
"""

NESTED = """
extern "C" __global__ void advance(float* x, int instances, int steps) {
    #pragma unroll 1
    for (int i = threadIdx.x; i < instances; i += blockDim.x) {
        float a = __cosf(x[i]);
        #pragma unroll 1
        for (int t = 0; t < steps; ++t) a = __sinf(__sinf(a));
        x[i] = a;
    }
}
"""

MANY_VALUES = """
extern "C" __global__ void advance(float* x, int steps) {
    float a[64];
    #pragma unroll
    for (int i = 0; i < 64; ++i) a[i] = x[i * 32 + threadIdx.x];
    #pragma unroll 1
    for (int t = 0; t < steps; ++t) {
        #pragma unroll
        for (int i = 0; i < 64; ++i) a[i] = __fmaf_rn(a[i], a[(i + 17) % 64], 1.0f);
    }
    #pragma unroll
    for (int i = 0; i < 64; ++i) x[i * 32 + threadIdx.x] = a[i];
}
"""

TEMPLATE = """
namespace house {
template <int Shift> __global__ void advance(float* x) { x[threadIdx.x] += Shift; }
}
"""


@functools.cache
def reported(
    source: str, arch: str = "sm_90", options: tuple[str, ...] = (), cold: tuple[str, ...] = (), depth: int = 0
) -> Report:
    return report(compile_cubin(source, Path(__file__).parent, arch, options), cold=cold, depth=depth)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_straight_loop_counts_what_it_was_written_with(arch: str) -> None:
    found = reported(STRAIGHT, arch)
    assert found.step.special == 2
    assert found.step.floating == 5
    assert found.step.opcodes["FFMA"] == 2
    assert found.step.opcodes["MUFU.SIN"] == 1
    assert found.step.local == found.step.barrier == found.step.shuffle == 0
    assert found.shortest == found.step.total == found.loop.total
    assert found.cold == found.inner_loops == 0
    assert found.step.total < found.instructions
    # Beside the arithmetic: the counter, its test, the branch back, and moves at most.
    assert 10 <= found.step.total <= 14
    assert instructions_per_coordinate(found, 4) == found.step.total / 4


@pytest.mark.ci
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_kinds_add_up_to_the_total(arch: str) -> None:
    for source in (STRAIGHT, PHILOX, RARE, SHUFFLES, BARRIERS):
        step = reported(source, arch).step
        kinds = {name: value for name, value in vars(step).items() if name not in ("total", "opcodes")}
        assert sum(kinds.values()) == step.total == sum(step.opcodes.values())


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_philox_is_seen_as_wide_multiplies(arch: str) -> None:
    step = reported(PHILOX, arch).step
    assert 15 <= step.wide_multiply <= 20
    assert step.special == 0
    assert step.logic >= 18


def test_a_branch_to_rare_work_counts_until_the_caller_calls_it_cold() -> None:
    everything = reported(RARE)
    hot = reported(RARE, cold=("STG",))
    assert everything.step.special == 6
    assert everything.step.opcodes["STG"] == 1
    assert hot.step.special == 0
    assert "STG" not in hot.step.opcodes
    assert hot.step.total == hot.shortest == everything.shortest
    assert hot.cold == everything.step.total - hot.step.total > 6
    assert hot.step.total + hot.cold == hot.loop.total


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_slow_paths_of_division_and_root_are_left_out(arch: str) -> None:
    found = reported(DIVISION, arch)
    assert found.loop.opcodes["CALL"] == 2
    assert "CALL" not in found.step.opcodes
    assert found.step.opcodes["MUFU.RSQ"] == 1
    assert found.cold > 0
    assert found.step.total + found.cold == found.loop.total
    assert found.shortest == found.step.total


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_shuffles_count_once_though_the_compiler_keeps_a_copy_for_diverged_warps(arch: str) -> None:
    found = reported(SHUFFLES, arch)
    assert found.step.shuffle == 3
    assert found.step.floating == 3
    assert found.step.opcodes["BRA"] == 2  # the way to the copy, and back to the header
    assert found.cold > 0
    assert found.step.total + found.cold == found.loop.total
    assert found.shortest == found.step.total


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_barriers_count_and_an_early_exit_is_no_part_of_the_loop(arch: str) -> None:
    found = reported(BARRIERS, arch)
    assert found.step.barrier == 2
    assert found.step.opcodes["LDS"] == found.step.opcodes["STS"] == 1
    assert "STG" not in found.loop.opcodes
    assert found.shared_memory == 64 * 4


def test_of_several_arms_the_longest_counts() -> None:
    found = reported(CHOICE)
    assert found.loop.special == 1 + 2 + 3 + 4 + 5 + 6
    assert found.step.special == 6
    assert found.shortest < found.step.total < found.loop.total
    assert found.loops == 1


def test_depth_steps_from_the_loop_over_instances_to_the_loop_over_steps() -> None:
    outer = reported(NESTED)
    inner = reported(NESTED, depth=1)
    assert outer.loops >= 2  # the compiler may write one more, for steps = 0
    assert (outer.inner_loops, inner.inner_loops) == (1, 0)
    assert outer.step.special == 3
    assert inner.step.special == 2
    assert inner.step.opcodes["MUFU.SIN"] == 2
    with pytest.raises(ValueError, match="depth=2 given, but loops are nested only 2 deep"):
        reported(NESTED, depth=2)


def test_spills_show_in_bytes_and_in_the_loop() -> None:
    roomy = reported(MANY_VALUES)
    tight = reported(MANY_VALUES, options=("--maxrregcount=32",))
    assert roomy.registers > 64
    assert roomy.spill_stores == roomy.spill_loads == roomy.local_memory == roomy.step.local == 0
    assert roomy.step.floating == 64
    assert tight.registers <= 32
    assert tight.spill_stores > 0
    assert tight.spill_loads > 0
    assert tight.local_memory >= 4 * 32
    assert tight.step.local > 0
    assert "STL" in tight.listing


def test_a_template_is_found_by_its_name_unless_two_instantiations_match() -> None:
    here = Path(__file__).parent
    one = compile_cubin(TEMPLATE, here, names=["house::advance<3>"])
    assert report(one).function == functions(one)[0]
    assert report(one).step.total == report(one).loops == 0
    with pytest.raises(ValueError, match="no loop to count"):
        instructions_per_coordinate(report(one), 4)
    two = compile_cubin(TEMPLATE, here, names=["house::advance<3>", "house::advance<4>"])
    with pytest.raises(ValueError, match="matches 2 kernels, give one symbol"):
        report(two)
    assert {report(two, symbol).function for symbol in functions(two)} == set(functions(two))
    with pytest.raises(ValueError, match="'observe' is not here"):
        report(one, "observe")


def test_a_refused_source_shows_the_log_of_the_compiler() -> None:
    with pytest.raises(CompilationError, match=r"identifier .* is undefined"):
        compile_cubin("__global__ void advance() { nonsense(); }", Path(__file__).parent)
    with pytest.raises(CompilationError, match="sm_1"):
        compile_cubin(STRAIGHT, Path(__file__).parent, arch="sm_1")


def test_headers_are_found_in_the_folder_given(tmp_path: Path) -> None:
    (tmp_path / "rate.cuh").write_text("constexpr float rate = 0.5f;\n")
    source = '#include "rate.cuh"\nextern "C" __global__ void advance(float* x) { *x = rate; }'
    assert functions(compile_cubin(source, tmp_path)) == ("advance",)
