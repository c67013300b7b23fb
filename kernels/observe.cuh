// Values, gradients, their norms, distances, slopes and Hessian-vector products at a set of points.
#pragma once
#include "measure.cuh"

// Points are listed in `active` like rows in a Launch, the same in every slot: a slot holds the points of one step. Any
// output may be null.
struct LookLaunch {
    const void* parameters;  // Landscape, one per owner; on the CPU with ENSEMBLE_MIXED one per tile
    const int* active;
    const int* steps;        // (slot)
    const real* x;           // (slot, row, dim)
    const real* direction;   // (slot, row, dim), for what is asked along one
    Measured measured;       // each (slot, row)
    real* gradient;          // (slot, row, dim)
    real* product;           // (slot, row, dim)
    real* slope;             // (slot, row): the gradient's product with the direction
    real* direction_length;  // (slot, row)
    long long rows;          // of a slot
    long long next_points;   // from a slot's points to those of the next: rows, or 0 where all look at the same
    int count;               // entries of active
    int alike;               // rows of a slot, one after another, that have one owner
    int dim;
    char* scratch;            // ENSEMBLE_STREAMED: a slice for each group
    long long scratch_bytes;  // of a slice
};
#if ENSEMBLE_DEVICE
template <class Landscape>
HD void look(const LookLaunch& launch) {
    const unsigned blocks = unsigned(((long long)launch.count * lanes + ENSEMBLE_THREADS - 1) / ENSEMBLE_THREADS);
    const int slot = int(blockIdx.x / blocks);
    Seat seat;
    if (!seat.take(launch.active, launch.count, blockIdx.x % blocks)) return;
    open_workspace(launch.scratch, launch.scratch_bytes);
    const Landscape landscape = ((const Landscape*)launch.parameters)[seat.row / launch.alike];
    const long long row = slot * launch.rows + seat.row;
    LookNow now{launch.steps[slot]};
    Vec x;
    load_row(x, launch.x + (slot * launch.next_points + seat.row) * dim());
    const auto put = [&](real* to, scalar number) {
        if (seat.writes()) to[row] = number;
    };
    measure(launch.measured, landscape, x, now, put);
    if (launch.gradient || launch.slope) {
        Vec g = landscape.gradient(x, now);
        if (launch.gradient && seat.present) save_row(g, launch.gradient + row * dim());
        if (launch.slope) {
            Vec v;
            load_row(v, launch.direction + row * dim());
            put(launch.slope, dot(g, v));
        }
    }
    if (launch.product || launch.direction_length) {
        Vec v;
        load_row(v, launch.direction + row * dim());
        if (launch.direction_length) put(launch.direction_length, length(v));
        if (launch.product) {
            Vec p = landscape.hessian_product(x, v, now);
            if (seat.present) save_row(p, launch.product + row * dim());
        }
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
    const Landscape& landscape = ((const Landscape*)launch.parameters)[rows.row[0] / launch.alike];
#endif
    LookNow now{launch.steps[slot]};
    Vec x;
    load_rows(x, rows, launch.x + slot * launch.next_points * dim());
    for (int w = 0; w < width; ++w) rows.row[w] += slot * launch.rows;
    const auto put = [&](real* to, const scalar& number) { save_lanes(rows, rows.present, number, to, 1); };
    measure(launch.measured, landscape, x, now, put);
    if (launch.gradient || launch.slope) {
        Vec g = landscape.gradient(x, now);
        if (launch.gradient) save_rows(g, rows, rows.present, launch.gradient);
        if (launch.slope) {
            Vec v;
            load_rows(v, rows, launch.direction);
            put(launch.slope, dot(g, v));
        }
    }
    if (launch.product || launch.direction_length) {
        Vec v;
        load_rows(v, rows, launch.direction);
        if (launch.direction_length) put(launch.direction_length, length(v));
        if (launch.product) {
            Vec p = landscape.hessian_product(x, v, now);
            save_rows(p, rows, rows.present, launch.product);
        }
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
