// Values, gradients, their norms and Hessian-vector products at a set of points, from the structs that the step uses.
#pragma once
#include "rows.cuh"

// Points are listed in `active` like rows in a Launch, the same in every slot: a slot holds the points of one step. Any
// output may be null.
struct LookLaunch {
    const void* parameters;  // Landscape, one per configuration; on the CPU with ENSEMBLE_MIXED one per tile
    const int* active;
    const int* steps;       // (slot)
    const real* x;          // (slot, row, dim)
    const real* direction;  // (slot, row, dim), for the Hessian product
    real* value;            // (slot, row)
    real* gradient_norm;    // (slot, row)
    real* gradient;         // (slot, row, dim)
    real* product;          // (slot, row, dim)
    long long rows;         // of a slot
    int count;              // entries of active
    int instances;          // of a slot, per configuration
    int dim;
    char* scratch;            // ENSEMBLE_STREAMED: a slice for each group
    long long scratch_bytes;  // of a slice
};
struct LookNow {
    int t;
};

#if ENSEMBLE_DEVICE
template <class Landscape>
HD void look(const LookLaunch& launch) {
    const unsigned blocks = unsigned(((long long)launch.count * lanes + ENSEMBLE_THREADS - 1) / ENSEMBLE_THREADS);
    const int slot = int(blockIdx.x / blocks);
    Seat seat;
    if (!seat.take(launch.active, launch.count, blockIdx.x % blocks)) return;
    open_workspace(launch.scratch, launch.scratch_bytes);
    const Landscape landscape = ((const Landscape*)launch.parameters)[seat.row / launch.instances];
    const long long row = slot * launch.rows + seat.row;
    LookNow now{launch.steps[slot]};
    Vec x;
    load_row(x, launch.x + row * dim());
    if (launch.value) {
        scalar value = landscape.value(x, now);
        if (seat.writes()) launch.value[row] = value;
    }
    if (launch.gradient_norm || launch.gradient) {
        Vec g = landscape.gradient(x, now);
        if (launch.gradient && seat.present) save_row(g, launch.gradient + row * dim());
        if (launch.gradient_norm) {
            scalar norm = length(g);
            if (seat.writes()) launch.gradient_norm[row] = norm;
        }
    }
    if (launch.product) {
        Vec v;
        load_row(v, launch.direction + row * dim());
        Vec p = landscape.hessian_product(x, v, now);
        if (seat.present) save_row(p, launch.product + row * dim());
    }
}
#define ENSEMBLE_OBSERVE(...)                                                                                 \
    static_assert(sizeof(__VA_ARGS__) == ENSEMBLE_PARTS_BYTES && sizeof(LookLaunch) == ENSEMBLE_LAUNCH_BYTES, \
                  "ensemble/backends/layout.py lays the structs out in the same way");                        \
    extern "C" __global__ void ENSEMBLE_BOUNDS observe(const LookLaunch launch) { look<__VA_ARGS__>(launch); }
#else
template <class Landscape>
void look_tile(const LookLaunch& launch, int tile, int slot) {
    Rows rows(launch.active + (long long)tile * width);
#if ENSEMBLE_MIXED
    const Landscape& landscape = ((const Landscape*)launch.parameters)[tile];
#else
    const Landscape& landscape = ((const Landscape*)launch.parameters)[rows.row[0] / launch.instances];
#endif
    for (int w = 0; w < width; ++w) rows.row[w] += slot * launch.rows;
    LookNow now{launch.steps[slot]};
    Vec x;
    load_rows(x, rows, launch.x);
    if (launch.value) save_lanes(rows, rows.present, landscape.value(x, now), launch.value, 1);
    if (launch.gradient_norm || launch.gradient) {
        Vec g = landscape.gradient(x, now);
        if (launch.gradient) save_rows(g, rows, rows.present, launch.gradient);
        if (launch.gradient_norm) save_lanes(rows, rows.present, length(g), launch.gradient_norm, 1);
    }
    if (launch.product) {
        Vec v;
        load_rows(v, rows, launch.direction);
        Vec p = landscape.hessian_product(x, v, now);
        save_rows(p, rows, rows.present, launch.product);
    }
}
#define ENSEMBLE_OBSERVE(...)                                                                                       \
    extern "C" int observe(const LookLaunch* launch, int first_tile, int last_tile, char* arena, long long bytes) { \
        const int tiles = launch->count / width;                                                                    \
        int failed = 0;                                                                                             \
        for (int i = first_tile; i < last_tile; ++i) {                                                              \
            open_workspace(launch->dim, arena, bytes);                                                              \
            look_tile<__VA_ARGS__>(*launch, i % tiles, i / tiles);                                                  \
            failed |= workspace_overflowed();                                                                       \
        }                                                                                                           \
        return failed;                                                                                              \
    }                                                                                                               \
    extern "C" long long size_of_parts() { return sizeof(__VA_ARGS__); }                                            \
    extern "C" long long size_of_launch() { return sizeof(LookLaunch); }
#endif
