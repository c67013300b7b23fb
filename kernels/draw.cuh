// Draws for many instances at once, outside the step: what starts are made of. Always compiled as `precise`, so that a
// start has the same bits on every backend.
#pragma once
#include "random.cuh"
#include "rows.cuh"

enum Draw { NORMALS = 0, UNIFORMS = 1 };
struct DrawLaunch {
    real* out;                 // (instance, dim)
    const unsigned* instance;  // ids
    long long count;
    unsigned step, stream;
    int dim, what;
    RoundKeys keys;
};
HD Quad<scalar> draw_block(const Words& w, int what) {
    Quad<scalar> r;
    if (what == UNIFORMS) {
        EACH_COORDINATE r.c[c] = uniform(w.w[c]);
    } else {
        Pair a = box_muller(w.w[0], w.w[1]), b = box_muller(w.w[2], w.w[3]);
        r.c[0] = a.first, r.c[1] = a.second, r.c[2] = b.first, r.c[3] = b.second;
    }
    return r;
}
#if ENSEMBLE_DEVICE
#define ENSEMBLE_DRAW                                                                                         \
    static_assert(sizeof(DrawLaunch) == ENSEMBLE_LAUNCH_BYTES,                                                \
                  "ensemble/backends/layout.py lays the struct out in the same way");                         \
    extern "C" __global__ void draw(const DrawLaunch launch) {                                                \
        int blocks = (launch.dim + 3) / 4;                                                                    \
        long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;                                       \
        if (i >= launch.count * blocks) return;                                                               \
        long long row = i / blocks;                                                                           \
        int q = int(i % blocks);                                                                              \
        Quad<scalar> r = draw_block(                                                                          \
            philox(launch.step, unsigned(q), launch.instance[row], launch.stream, launch.keys), launch.what); \
        for (int c = 0; c < 4; ++c)                                                                           \
            if (4 * q + c < launch.dim) launch.out[row * launch.dim + 4 * q + c] = r.c[c];                    \
    }
#else
// Rows first to last - 1, a tile of them at a time and, of their coordinates, as many as a native vector has.
HD void draw_rows(const DrawLaunch& launch, long long first, long long last) {
    constexpr int at_once = native_width < 4 ? 4 : native_width;
    for (long long row = first; row < last; row += width) {
        int here = last - row < width ? int(last - row) : width;
        word ids;
        for (int w = 0; w < width; ++w) ids.set(w, launch.instance[w < here ? row + w : row]);
        counter instance = split(ids);
        for (int k = 0; k < launch.dim; k += at_once) {
            scalar line[at_once];
            for (int q = 0; q < at_once / 4 && k + 4 * q < launch.dim; ++q) {
                Words words = philox(launch.step, unsigned(k / 4 + q), instance, launch.stream, launch.keys);
                Quad<scalar> r = draw_block(words, launch.what);
                for (int c = 0; c < 4; ++c) line[4 * q + c] = r.c[c];
            }
            for (int from = 0; from < at_once && k + from < launch.dim; from += native_width)
                for (int p = 0; p < parts; ++p) {
                    native_real square[native_width];
                    for (int i = 0; i < native_width; ++i) square[i] = line[from + i].v[p];
                    int left = launch.dim - k - from;
                    store_square(square, left < native_width ? left : native_width, [&](int i) -> real* {
                        int w = p * native_width + i;
                        return w < here ? launch.out + (row + w) * launch.dim + k + from : nullptr;
                    });
                }
        }
    }
}
#define ENSEMBLE_DRAW                                                                \
    extern "C" int draw(const DrawLaunch* launch, long long first, long long last) { \
        draw_rows(*launch, first, last);                                             \
        return 0;                                                                    \
    }                                                                                \
    extern "C" long long size_of_launch() { return sizeof(DrawLaunch); }
#endif
