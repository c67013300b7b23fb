// For functions that would take a minute to compile if the CPU, too, inlined every call and unrolled every loop.
#pragma once
#include "../base.cuh"

// On the device a Vec is held in registers, which only inlined functions and unrolled loops can name. On the CPU a call is
// a call and a loop a loop.
#if ENSEMBLE_DEVICE
#define CALLED HD
#define UNROLL_HELD UNROLL
#else
#define CALLED __attribute__((noinline)) inline
#define UNROLL_HELD
#endif
