// The only file that knows the hardware: numbers, per-instance scalars and Vec.
//
// A program is compiled with these macros:
//   ENSEMBLE_DIM      dimension of the landscape; 0 on the CPU: a run-time bound
//   ENSEMBLE_LANES    device: threads that share one instance (1, 2, ..., 1024; at most ceil(dim / 4) rounded up to such a number)
//   ENSEMBLE_WIDTH    CPU: instances in a tile (a power of two)
//   ENSEMBLE_DOUBLE   1: real is double, 0: float
//   ENSEMBLE_FAST     1: a*b+c is fused and, on CUDA, hardware functions are used; 0: the same bits everywhere
//   ENSEMBLE_MIXED    CPU: 1: the instances of a tile may have different parts
//   ENSEMBLE_STREAMED device: 1: Vecs lie in memory and every step streams through them; 0: in registers
//   ENSEMBLE_WINDOW   device: blocks of a lane where the windows of an instance are advanced each by itself; 0: instances whole
//   ENSEMBLE_REPORTS  device: 1: the optimizer reports another point than the iterate, and events of it ask for its state (check.cuh)
//   ENSEMBLE_NO_EPSILON 1: an optimizer's eps is 0 in some configuration, and 0/0 is to be seen to
//   ENSEMBLE_TEAM     device: configurations of an instance that a group advances together, drawing their normals once
//   ENSEMBLE_RECORDED 1: what is shown after some of a launch's steps is written to memory; 2: and some of the optimizer's
//                       vectors; 0: nothing is
//   ENSEMBLE_STEADY   device: 1: some columns of the tables are the same at every step, and read once
//   ENSEMBLE_EMULATED the device path executed on the CPU, one thread per lane (tests only)
//
// Coordinates come in blocks of four: block q owns 4q ... 4q+3 and lies whole in lane q mod lanes. On the device a
// lane holds its blocks in registers, or where they are too many in memory; on the CPU a tile of instances holds all blocks, each coordinate a SIMD pack.
// Coordinates past the dimension are zero: every store puts them back to zero and no reduction sees them.
//
// Where every coordinate is treated by itself, a group need not hold an instance: it takes a window of it, lanes x
// ENSEMBLE_WINDOW blocks in registers, through many steps. Nothing but the step is asked there, and no reduction; what lies
// past the dimension is anything, and never looked at.
#pragma once

#if defined(__CUDACC__) || defined(ENSEMBLE_EMULATED)
#define ENSEMBLE_DEVICE 1
#else
#define ENSEMBLE_DEVICE 0
#endif
#ifndef ENSEMBLE_STREAMED
#define ENSEMBLE_STREAMED 0
#endif
#ifndef ENSEMBLE_WINDOW
#define ENSEMBLE_WINDOW 0
#endif
#ifndef ENSEMBLE_NO_EPSILON
#define ENSEMBLE_NO_EPSILON 0
#endif
#ifndef ENSEMBLE_TEAM
#define ENSEMBLE_TEAM 1
#endif
#ifndef ENSEMBLE_STEADY
#define ENSEMBLE_STEADY 0
#endif
#ifndef ENSEMBLE_RECORDED
#define ENSEMBLE_RECORDED 0
#endif
// Whether Vecs are taken from an arena, like a stack.
#if ENSEMBLE_DEVICE
#define ENSEMBLE_ARENA ENSEMBLE_STREAMED
#else
#define ENSEMBLE_ARENA (ENSEMBLE_DIM == 0)
#endif
#if defined(__CUDACC__) && ENSEMBLE_FAST && !ENSEMBLE_DOUBLE
#define ENSEMBLE_HARDWARE 1
#else
#define ENSEMBLE_HARDWARE 0
#endif

#if defined(__CUDACC__)
#define HD __device__ __forceinline__
#define INLINED
#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("unroll 1")
#elif defined(ENSEMBLE_EMULATED)
#define HD inline
#define INLINED
#define UNROLL
#define ROLLED
#elif defined(__clang__)
#define HD inline __attribute__((always_inline))
#define INLINED __attribute__((always_inline))
#define UNROLL _Pragma("unroll")
#define ROLLED
#else
#define HD inline __attribute__((always_inline))
#define INLINED __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 8")
#define ROLLED
#endif

// On the CPU: once in a program, not wherever it is called. Inlined, it would take as long to compile as all else.
#define ONCE static __attribute__((noinline, unused))

#if ENSEMBLE_DOUBLE
using real = double;
using int_of_real = long long;
using unsigned_of_real = unsigned long long;
#else
using real = float;
using int_of_real = int;
using unsigned_of_real = unsigned;
#endif
static_assert(sizeof(real) == sizeof(int_of_real), "bit patterns of a real fit its integer");

template <bool, class T = int>
struct enable_if {};
template <class T>
struct enable_if<true, T> {
    using type = T;
};
template <class A, class B>
constexpr bool same_type = false;
template <class A>
constexpr bool same_type<A, A> = true;
struct Expression {};  // base of everything that has a value at each coordinate
template <class E>
constexpr bool is_expression = __is_base_of(Expression, E);
constexpr bool windowed = ENSEMBLE_WINDOW > 0;
constexpr int power_of_two_at_least(int n) { return n <= 1 ? 1 : 2 * power_of_two_at_least((n + 1) / 2); }

#if ENSEMBLE_DEVICE
#include "base/device.cuh"
#else
#include "base/tile.cuh"
#endif
#include "base/vec.cuh"
