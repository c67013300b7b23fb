// Per-instance values on the CPU: a scalar is a pack of ENSEMBLE_WIDTH instances, made of native SIMD vectors.
#pragma once
#include <stddef.h>

constexpr int width = ENSEMBLE_WIDTH;
static_assert(width >= 1 && (width & (width - 1)) == 0, "a tile width is a power of two");
#define TILE_BYTES (ENSEMBLE_WIDTH * (ENSEMBLE_DOUBLE ? 8 : 4))
#if defined(__AVX512F__) && defined(__AVX512DQ__)
#define NATIVE_BYTES 64
#elif defined(__AVX2__) && defined(__FMA__)
#define NATIVE_BYTES 32
#else
#define NATIVE_BYTES 16
#endif
#define PACK_BYTES (TILE_BYTES < NATIVE_BYTES ? TILE_BYTES : NATIVE_BYTES)
constexpr int pack_bytes = PACK_BYTES;
constexpr int native_width = pack_bytes / int(sizeof(real));
constexpr int parts = width / native_width;

#include "native.cuh"

typedef real native_real __attribute__((vector_size(pack_bytes)));
typedef int_of_real native_int __attribute__((vector_size(pack_bytes)));
typedef unsigned_of_real native_unsigned __attribute__((vector_size(pack_bytes)));

// One struct serves reals, signed and unsigned integers and masks: N is the native vector, T one of its elements.
template <class N, class T>
struct Pack {
    N v[parts];
    static HD Pack broadcast(T value) {
        Pack r;
        for (int p = 0; p < parts; ++p) r.v[p] = N{} + value;
        return r;
    }
    HD T get(int w) const { return v[w / native_width][w % native_width]; }
    HD void set(int w, T value) { v[w / native_width][w % native_width] = value; }
};
using scalar = Pack<native_real, real>;
using integer = Pack<native_int, int_of_real>;
using word = Pack<native_unsigned, unsigned_of_real>;  // a 32-bit word in a lane as wide as a real
struct mask {
    native_int v[parts];
    HD bool get(int w) const { return v[w / native_width][w % native_width] != 0; }
    HD void set(int w, bool value) { v[w / native_width][w % native_width] = value ? -1 : 0; }
};
#if ENSEMBLE_MIXED
using number = scalar;  // a parameter: one value for each instance of the tile
#else
using number = real;
#endif

template <class T>
constexpr bool is_pack = same_type<T, scalar> || same_type<T, integer> || same_type<T, word>;

HD scalar broadcast(real value) { return scalar::broadcast(value); }
HD scalar broadcast(const scalar& value) { return value; }

#define PACK_BINARY(OP)                                                                    \
    template <class N, class T>                                                            \
    HD Pack<N, T> operator OP(const Pack<N, T>& a, const Pack<N, T>& b) {                  \
        Pack<N, T> r;                                                                      \
        for (int p = 0; p < parts; ++p) r.v[p] = a.v[p] OP b.v[p];                         \
        return r;                                                                          \
    }                                                                                      \
    template <class N, class T, class S, typename enable_if<__is_arithmetic(S)>::type = 0> \
    HD Pack<N, T> operator OP(const Pack<N, T>& a, S b) {                                  \
        Pack<N, T> r;                                                                      \
        for (int p = 0; p < parts; ++p) r.v[p] = a.v[p] OP T(b);                           \
        return r;                                                                          \
    }                                                                                      \
    template <class N, class T, class S, typename enable_if<__is_arithmetic(S)>::type = 0> \
    HD Pack<N, T> operator OP(S a, const Pack<N, T>& b) {                                  \
        Pack<N, T> r;                                                                      \
        for (int p = 0; p < parts; ++p) r.v[p] = T(a) OP b.v[p];                           \
        return r;                                                                          \
    }
#if !defined(__clang__)
template <class T>
constexpr bool arithmetic_type = false;
template <>
constexpr bool arithmetic_type<int> = true;
template <>
constexpr bool arithmetic_type<unsigned> = true;
template <>
constexpr bool arithmetic_type<long long> = true;
template <>
constexpr bool arithmetic_type<unsigned long long> = true;
template <>
constexpr bool arithmetic_type<float> = true;
template <>
constexpr bool arithmetic_type<double> = true;
#define __is_arithmetic(S) arithmetic_type<S>
#endif
PACK_BINARY(+)
PACK_BINARY(-)
PACK_BINARY(*)
PACK_BINARY(/)
PACK_BINARY(&)
PACK_BINARY(|)
PACK_BINARY(^)
#undef PACK_BINARY

#define PACK_SHIFT(OP)                                        \
    template <class N, class T>                               \
    HD Pack<N, T> operator OP(const Pack<N, T>& a, int n) {   \
        Pack<N, T> r;                                         \
        for (int p = 0; p < parts; ++p) r.v[p] = a.v[p] OP n; \
        return r;                                             \
    }
PACK_SHIFT(<<)
PACK_SHIFT(>>)
#undef PACK_SHIFT

#define PACK_COMPARE(OP)                                                                   \
    template <class N, class T>                                                            \
    HD mask operator OP(const Pack<N, T>& a, const Pack<N, T>& b) {                        \
        mask r;                                                                            \
        for (int p = 0; p < parts; ++p) r.v[p] = (native_int)(a.v[p] OP b.v[p]);           \
        return r;                                                                          \
    }                                                                                      \
    template <class N, class T, class S, typename enable_if<__is_arithmetic(S)>::type = 0> \
    HD mask operator OP(const Pack<N, T>& a, S b) {                                        \
        return a OP Pack<N, T>::broadcast(T(b));                                           \
    }                                                                                      \
    template <class N, class T, class S, typename enable_if<__is_arithmetic(S)>::type = 0> \
    HD mask operator OP(S a, const Pack<N, T>& b) {                                        \
        return Pack<N, T>::broadcast(T(a)) OP b;                                           \
    }
PACK_COMPARE(<)
PACK_COMPARE(<=)
PACK_COMPARE(>)
PACK_COMPARE(>=)
PACK_COMPARE(==)
PACK_COMPARE(!=)
#undef PACK_COMPARE

HD scalar operator-(const scalar& a) {
    scalar r;
    for (int p = 0; p < parts; ++p) r.v[p] = -a.v[p];
    return r;
}
HD mask operator&(const mask& a, const mask& b) {
    mask r;
    for (int p = 0; p < parts; ++p) r.v[p] = a.v[p] & b.v[p];
    return r;
}
HD mask operator|(const mask& a, const mask& b) {
    mask r;
    for (int p = 0; p < parts; ++p) r.v[p] = a.v[p] | b.v[p];
    return r;
}
HD mask operator!(const mask& a) {
    mask r;
    for (int p = 0; p < parts; ++p) r.v[p] = ~a.v[p];
    return r;
}
HD mask all_of_tile(bool value) {
    mask r;
    for (int p = 0; p < parts; ++p) r.v[p] = native_int{} - (value ? 1 : 0);
    return r;
}
HD mask as_mask(bool value) { return all_of_tile(value); }
HD mask as_mask(const mask& value) { return value; }

// True if the mask holds for any instance of the tile: a branch that skips work nobody needs.
HD bool any(const mask& m) {
    native_int all = m.v[0];
    for (int p = 1; p < parts; ++p) all |= m.v[p];
#if defined(NATIVE_ANY)
    return NATIVE_ANY(all);
#endif
    int_of_real found = 0;
    for (int w = 0; w < native_width; ++w) found |= all[w];
    return found != 0;
}

template <class N, class T>
HD Pack<N, T> where(const mask& m, const Pack<N, T>& a, const Pack<N, T>& b) {
    Pack<N, T> r;
    for (int p = 0; p < parts; ++p) r.v[p] = m.v[p] ? a.v[p] : b.v[p];
    return r;
}
template <class N, class T, class S, typename enable_if<__is_arithmetic(S)>::type = 0>
HD Pack<N, T> where(const mask& m, const Pack<N, T>& a, S b) {
    return where(m, a, Pack<N, T>::broadcast(T(b)));
}
template <class N, class T, class S, typename enable_if<__is_arithmetic(S)>::type = 0>
HD Pack<N, T> where(const mask& m, S a, const Pack<N, T>& b) {
    return where(m, Pack<N, T>::broadcast(T(a)), b);
}
HD scalar where(const mask& m, real a, real b) { return where(m, broadcast(a), broadcast(b)); }
template <class T>
HD T where(bool m, const T& a, const T& b) {
    return m ? a : b;
}
HD scalar where(bool m, const scalar& a, real b) { return m ? a : broadcast(b); }
HD scalar where(bool m, real a, const scalar& b) { return m ? broadcast(a) : b; }

#if ENSEMBLE_DOUBLE
#define REAL_FMA __builtin_fma
#define REAL_SQRT __builtin_sqrt
#else
#define REAL_FMA __builtin_fmaf
#define REAL_SQRT __builtin_sqrtf
#endif
// One native vector through an element loop where no instruction is known: right everywhere, fast where it matters.
HD native_real native_muladd(native_real a, native_real b, native_real c) {
#if !ENSEMBLE_FAST
    return a * b + c;
#elif HAS_NATIVE
    return (native_real)NATIVE_MULADD(a, b, c);
#else
    native_real r;
    for (int w = 0; w < native_width; ++w) r[w] = REAL_FMA(a[w], b[w], c[w]);
    return r;
#endif
}
HD native_real native_sqrt(native_real a) {
#if HAS_NATIVE
    return (native_real)NATIVE_SQRT(a);
#else
    native_real r;
    for (int w = 0; w < native_width; ++w) r[w] = REAL_SQRT(a[w]);
    return r;
#endif
}

HD scalar muladd(const scalar& a, const scalar& b, const scalar& c) {
    scalar r;
    for (int p = 0; p < parts; ++p) r.v[p] = native_muladd(a.v[p], b.v[p], c.v[p]);
    return r;
}
template <class A, class B, class C,
          typename enable_if<same_type<A, scalar> || same_type<B, scalar> || same_type<C, scalar>>::type = 0>
HD scalar muladd(const A& a, const B& b, const C& c) {
    return muladd(broadcast(a), broadcast(b), broadcast(c));
}
HD real muladd(real a, real b, real c) { return ENSEMBLE_FAST ? REAL_FMA(a, b, c) : a * b + c; }
HD scalar square_root(const scalar& a) {
    scalar r;
    for (int p = 0; p < parts; ++p) r.v[p] = native_sqrt(a.v[p]);
    return r;
}
HD real square_root(real a) { return REAL_SQRT(a); }
template <class A, class B>
HD auto quotient(const A& a, const B& b) {
    return a / b;
}

HD integer bits(const scalar& a) {
    integer r;
    for (int p = 0; p < parts; ++p) r.v[p] = (native_int)a.v[p];
    return r;
}
HD scalar from_bits(const integer& a) {
    scalar r;
    for (int p = 0; p < parts; ++p) r.v[p] = (native_real)a.v[p];
    return r;
}
HD integer as_integer(const word& a) {
    integer r;
    for (int p = 0; p < parts; ++p) r.v[p] = (native_int)a.v[p];
    return r;
}
HD word as_word(const integer& a) {
    word r;
    for (int p = 0; p < parts; ++p) r.v[p] = (native_unsigned)a.v[p];
    return r;
}
HD scalar to_real(const integer& a) {
    scalar r;
    for (int p = 0; p < parts; ++p) r.v[p] = __builtin_convertvector(a.v[p], native_real);
    return r;
}
HD scalar to_real(const word& a) {  // words are below 2^32: exact in double, nearest in float
    scalar r;
    for (int p = 0; p < parts; ++p) r.v[p] = __builtin_convertvector(a.v[p], native_real);
    return r;
}
HD integer to_integer(const scalar& a) {
    integer r;
    for (int p = 0; p < parts; ++p) r.v[p] = __builtin_convertvector(a.v[p], native_int);
    return r;
}
HD integer to_integer(real a) { return integer::broadcast(int_of_real(a)); }
HD integer integer_of(int a) { return integer::broadcast(a); }
HD scalar absolute(const scalar& a) {
    constexpr unsigned_of_real sign = unsigned_of_real(1) << (8 * sizeof(real) - 1);
    scalar r;
    for (int p = 0; p < parts; ++p) r.v[p] = (native_real)((native_unsigned)a.v[p] & ~sign);
    return r;
}
HD real absolute(real a) { return a < 0 ? -a : a; }
// Whether all of some numbers are finite and within a bound.
struct Within {
    mask fine = as_mask(true);
    HD void take(const scalar& a, real bound) { fine = fine & (absolute(a) <= bound); }
    HD mask all(real) const { return fine; }
};

// ---- Philox's counter words: even and odd lanes apart, each in the low half of 64 bits, as the multiplier wants them.
constexpr bool split_words = HAS_NATIVE;
constexpr int counter_parts = split_words ? parts * (ENSEMBLE_DOUBLE ? 1 : 2) : width;
template <bool Split>
struct CounterStorage {
    typedef unsigned long long native __attribute__((vector_size(pack_bytes < 16 ? 16 : pack_bytes)));
};
template <>
struct CounterStorage<false> {
    typedef unsigned long long native;
};
using native_counter = CounterStorage<split_words>::native;
// The upper halves may hold anything: the multiplier ignores them and join() drops them.
struct counter {
    native_counter v[counter_parts];
};
template <class T>
struct Product {
    T high, low;
};
HD native_counter native_multiply(unsigned m, native_counter a) {
#if HAS_NATIVE
    return (native_counter)NATIVE_MULTIPLY(native_counter{} + (unsigned long long)m, a);
#else
    return (a & 0xffffffffull) * (unsigned long long)m;
#endif
}
HD Product<counter> multiply(unsigned m, const counter& a) {
    Product<counter> r;
    for (int p = 0; p < counter_parts; ++p) {
        r.low.v[p] = native_multiply(m, a.v[p]);
        r.high.v[p] = r.low.v[p] >> 32;
    }
    return r;
}
HD Product<unsigned> multiply(unsigned m, unsigned a) {
    unsigned long long product = (unsigned long long)m * a;
    return {unsigned(product >> 32), unsigned(product)};
}
HD counter operator^(const counter& a, const counter& b) {
    counter r;
    for (int p = 0; p < counter_parts; ++p) r.v[p] = a.v[p] ^ b.v[p];
    return r;
}
HD counter operator^(const counter& a, unsigned b) {
    counter r;
    for (int p = 0; p < counter_parts; ++p) r.v[p] = a.v[p] ^ (unsigned long long)b;
    return r;
}
HD counter operator^(unsigned a, const counter& b) { return b ^ a; }
HD counter split(const word& a) {
    counter r;
    if constexpr (split_words && !ENSEMBLE_DOUBLE) {
        for (int p = 0; p < parts; ++p) {
            native_counter both;
            __builtin_memcpy(&both, &a.v[p], sizeof(both));
            r.v[2 * p] = both;
            r.v[2 * p + 1] = both >> 32;
        }
    } else if constexpr (split_words) {
        for (int p = 0; p < parts; ++p) __builtin_memcpy(&r.v[p], &a.v[p], sizeof(native_counter));
    } else {
        unsigned_of_real each[width];
        __builtin_memcpy(each, a.v, sizeof(each));
        for (int w = 0; w < width; ++w) {
            unsigned long long one = each[w];
            __builtin_memcpy(&r.v[w], &one, 8);
        }
    }
    return r;
}
HD counter split(unsigned a) { return split(word::broadcast(a)); }
HD word join(const counter& a) {
    word r;
    if constexpr (split_words && !ENSEMBLE_DOUBLE) {
        for (int p = 0; p < parts; ++p) {
            native_counter both = (a.v[2 * p] & 0xffffffffull) | (a.v[2 * p + 1] << 32);
            __builtin_memcpy(&r.v[p], &both, sizeof(both));
        }
    } else if constexpr (split_words) {
        for (int p = 0; p < parts; ++p) {
            native_counter low = a.v[p] & 0xffffffffull;
            __builtin_memcpy(&r.v[p], &low, sizeof(low));
        }
    } else {
        unsigned_of_real each[width];
        for (int w = 0; w < width; ++w) {
            unsigned long long one;
            __builtin_memcpy(&one, &a.v[w], 8);
            each[w] = unsigned_of_real(one & 0xffffffffull);
        }
        __builtin_memcpy(r.v, each, sizeof(each));
    }
    return r;
}

// math="fast" in float flushes subnormals, as the device does: they are slow and mean nothing there.
struct FlushSubnormals {
#if ENSEMBLE_FAST && !ENSEMBLE_DOUBLE && defined(__x86_64__)
    unsigned before;
    FlushSubnormals() : before(READ_CONTROL()) { WRITE_CONTROL(before | 0x8040u); }
    ~FlushSubnormals() { WRITE_CONTROL(before); }
#elif ENSEMBLE_FAST && !ENSEMBLE_DOUBLE && defined(__aarch64__)
    unsigned long long before;
    FlushSubnormals() {
        __asm__ volatile("mrs %0, fpcr" : "=r"(before));
        unsigned long long flushed = before | (1ull << 24);
        __asm__ volatile("msr fpcr, %0" ::"r"(flushed));
    }
    ~FlushSubnormals() { __asm__ volatile("msr fpcr, %0" ::"r"(before)); }
#else
    FlushSubnormals() {}
#endif
};
