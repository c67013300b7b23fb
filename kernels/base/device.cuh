// Per-instance values on the device: plain numbers, the same in every lane of the group that holds the instance.
#pragma once

constexpr int lanes = ENSEMBLE_LANES;
static_assert(lanes >= 1 && lanes <= 1024 && (lanes & (lanes - 1)) == 0, "a group has 1, 2, 4, ..., 1024 lanes");

using scalar = real;
using number = real;
using integer = int_of_real;
using mask = bool;
struct word {  // a 32-bit word in an unsigned integer as wide as a real
    unsigned_of_real bits;
};
using counter = unsigned;

#if !defined(__CUDACC__)
#define ENSEMBLE_SHARED(type, name, count) SHARED(type, name, count)
#else
#define ENSEMBLE_SHARED(type, name, count) __shared__ type name[count]
#endif

HD word operator+(word a, word b) { return {a.bits + b.bits}; }
HD word operator-(word a, word b) { return {a.bits - b.bits}; }
HD word operator&(word a, word b) { return {a.bits & b.bits}; }
HD word operator|(word a, word b) { return {a.bits | b.bits}; }
HD word operator^(word a, word b) { return {a.bits ^ b.bits}; }
template <class S>
HD word operator+(word a, S b) {
    return {a.bits + unsigned_of_real(b)};
}
template <class S>
HD word operator-(word a, S b) {
    return {a.bits - unsigned_of_real(b)};
}
template <class S>
HD word operator&(word a, S b) {
    return {a.bits & unsigned_of_real(b)};
}
template <class S>
HD word operator|(word a, S b) {
    return {a.bits | unsigned_of_real(b)};
}
template <class S>
HD word operator^(word a, S b) {
    return {a.bits ^ unsigned_of_real(b)};
}
HD word operator<<(word a, int n) { return {a.bits << n}; }
HD word operator>>(word a, int n) { return {a.bits >> n}; }

HD scalar broadcast(real value) { return value; }
HD bool as_mask(bool m) { return m; }
template <class T, typename enable_if<!is_expression<T>>::type = 0>
HD T where(bool m, T a, T b) {
    return m ? a : b;
}
template <class A, class B, typename enable_if<!same_type<A, B> && !is_expression<A> && !is_expression<B>>::type = 0>
HD auto where(bool m, A a, B b) {
    return m ? decltype(a + b)(a) : decltype(a + b)(b);
}

#if ENSEMBLE_FAST
#if ENSEMBLE_DOUBLE
HD real muladd(real a, real b, real c) { return __fma_rn(a, b, c); }
#else
HD real muladd(real a, real b, real c) { return __fmaf_rn(a, b, c); }
#endif
#else
HD real muladd(real a, real b, real c) { return a * b + c; }
#endif

#if ENSEMBLE_HARDWARE
// PTX ISA, float32: root within 2^-23 relative, reciprocal within 1 ulp; subnormals are flushed.
HD real square_root(real a) {
    real r;
    asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(a));
    return r;
}
HD real reciprocal(real a) {
    real r;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(a));
    return r;
}
HD real quotient(real a, real b) { return a * reciprocal(b); }
#else
// Not a / b of floats: NVRTC 13 makes a * (1 / b) of it where b is a constant, for compute capability 10 and newer.
#if ENSEMBLE_DOUBLE
HD real square_root(real a) { return __dsqrt_rn(a); }
HD real quotient(real a, real b) { return a / b; }
#else
HD real square_root(real a) { return __fsqrt_rn(a); }
HD real quotient(real a, real b) { return __fdiv_rn(a, b); }
#endif
#endif

#if ENSEMBLE_DOUBLE
HD integer bits(real a) { return __double_as_longlong(a); }
HD real from_bits(integer a) { return __longlong_as_double(a); }
#else
HD integer bits(real a) { return __float_as_int(a); }
HD real from_bits(integer a) { return __int_as_float(a); }
#endif
HD integer as_integer(word a) { return integer(a.bits); }
HD word as_word(integer a) { return {unsigned_of_real(a)}; }
HD real to_real(integer a) { return real(a); }
HD real to_real(word a) { return real(a.bits); }
HD integer to_integer(real a) { return integer(a); }
HD integer integer_of(int a) { return a; }
#if ENSEMBLE_DOUBLE
HD real absolute(real a) { return fabs(a); }
#else
HD real absolute(real a) { return fabsf(a); }
#endif

// Whether all of some numbers are finite and within a bound: the largest of them says it, where an instruction keeps NaN.
struct Within {
#if defined(__CUDACC__) && !ENSEMBLE_DOUBLE && __CUDA_ARCH__ >= 800
    real most = 0;
    // Not fabsf: where subnormals are flushed that is an instruction of its own.
    HD void take(real a, real) {
        asm("{.reg .f32 size; abs.f32 size, %1; max.NaN.f32 %0, %0, size;}" : "+f"(most) : "f"(a));
    }
    HD bool all(real bound) const { return most <= bound; }
#else
    bool fine = true;
    HD void take(real a, real bound) { fine = fine & (absolute(a) <= bound); }
    HD bool all(real) const { return fine; }
#endif
};

// ---- Philox's counter words
template <class T>
struct Product {
    T high, low;
};
HD Product<unsigned> multiply(unsigned m, unsigned a) {
    unsigned long long product = (unsigned long long)m * a;
    return {unsigned(product >> 32), unsigned(product)};
}
HD counter split(word a) { return unsigned(a.bits); }
HD counter split(unsigned a) { return a; }
HD word join(counter a) { return {unsigned_of_real(a)}; }

// A row of the per-step tables: rows of more than two columns are padded to whole 16-byte loads.
template <int Columns>
HD void load_columns(number* to, const real* from) {
#if defined(__CUDACC__) && !ENSEMBLE_DOUBLE
    if constexpr (Columns > 2) {
        UNROLL for (int k = 0; k < Columns; k += 4) {
            float4 four = __ldg((const float4*)(from + k));
            const number each[4] = {four.x, four.y, four.z, four.w};
            UNROLL for (int c = 0; c < 4; ++c) {
                if (k + c < Columns) to[k + c] = each[c];
            }
        }
    } else
#endif
    {
        UNROLL for (int k = 0; k < Columns; ++k) to[k] = __ldg(from + k);
    }
}

// ---- the group of lanes that holds one instance
// Groups that share a warp stay together: all 32 lanes take part in every shuffle and vote, whether their own instance
// asked or has finished. A mask known to the compiler costs nothing; one made at run time is checked at every shuffle.
constexpr unsigned whole_warp = 0xffffffffu;
constexpr bool shares_warp = lanes > 1 && lanes < 32;
HD int lane_in_group() { return lanes == 1 ? 0 : int(threadIdx.x) & (lanes - 1); }
#if ENSEMBLE_WINDOW
HD int group_of_launch() {
    // Groups are counted, not threads: of those there may be more than 2^32.
    return int(blockIdx.x * (ENSEMBLE_THREADS / lanes) + threadIdx.x / lanes);
}
#endif
// What a window cannot know. Defined nowhere: a program that asks and yet says that it is pointwise has no machine code.
__device__ scalar needs_all_coordinates();

// Whether any instance that takes the same branches says so. Reductions may only be called where any() was asked, or
// unconditionally: a group that went another way than its warp would be waited for.
HD bool any(bool m) {
    if constexpr (shares_warp) {
        return __any_sync(whole_warp, m);
    } else {
        return m;
    }
}
// The value that lane `source` of the group holds, in every lane.
template <class T>
HD T from_lane(T value, int source) {
    if constexpr (lanes == 1) {
        return value;
    } else if constexpr (lanes <= 32) {
        return __shfl_sync(whole_warp, value, source, lanes);
    } else {
        ENSEMBLE_SHARED(T, exchange, lanes);
        exchange[lane_in_group()] = value;
        __syncthreads();
        T result = exchange[source];
        __syncthreads();
        return result;
    }
}
// One step of a tree for each stride from `First` down to 1: lane k takes lane k + stride. Op::commutes says that op(a, b)
// and op(b, a) have the same bits; else the lower lane's value comes first, so that every lane gets the same all the same.
template <int First, class T, class Op>
HD T reduce_warp(T value, Op op) {
    UNROLL for (int s = First; s >= 1; s /= 2) {
        T other = __shfl_xor_sync(whole_warp, value, s, 32);
        if constexpr (Op::commutes) {
            value = op(value, other);
        } else {
            bool upper = int(threadIdx.x) & s;
            value = op(upper ? other : value, upper ? value : other);
        }
    }
    return value;
}
// One tree over the lanes: strides lanes/2, ..., 1, from large to small. All lanes get the result.
template <class T, class Op>
HD T reduce_lanes(T value, Op op) {
    if constexpr (lanes > 32) {
        // The strides from 32 on go across warps: each warp takes some of the 32 columns, by shuffles as well. Two
        // arrays and two barriers: who writes one again knows from the other's barrier that all have read it.
        constexpr int warps = lanes > 32 ? lanes / 32 : 1, row = 33;  // not 32: a column's entries in different banks
        ENSEMBLE_SHARED(T, by_warp, warps * row);
        ENSEMBLE_SHARED(T, by_column, 32);
        int warp = lane_in_group() / 32, k = lane_in_group() & 31;
        int column = warp * (32 / warps) + k / warps;
        by_warp[warp * row + k] = value;
        __syncthreads();
        value = reduce_warp<warps / 2>(by_warp[k % warps * row + column], op);
        if (k % warps == 0) by_column[column] = value;
        __syncthreads();
        value = by_column[k];
    }
    return reduce_warp<(lanes < 32 ? lanes : 32) / 2>(value, op);
}
