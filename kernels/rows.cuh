// Between rows of memory, (row, dim) in C order, and the Vecs that hold them.
#pragma once
#include "base.cuh"

#if ENSEMBLE_DEVICE
// The row that this thread's group works on. Where groups share a warp its last ones may have none of their own: they
// follow the last row and never write, since every lane takes part in the shuffles.
struct Seat {
    long long row;
    bool present;
    HD bool take(const int* active, int count) {
        long long thread = (long long)blockIdx.x * blockDim.x + threadIdx.x;
        constexpr int together = shares_warp ? 32 : lanes;
        if (thread / together * (together / lanes) >= count) return false;
        long long group = thread / lanes;
        present = group < count;
        row = active[present ? group : count - 1];
        return true;
    }
    HD bool writes() const { return present && lane_in_group() == 0; }
};
HD void load_row(Vec& v, const real* from) {
    EACH_BLOCK(j) {
        Quad<scalar> q;
        EACH_COORDINATE q.c[c] = is_coordinate(j, c) ? from[block_width * block_of(j) + c] : real(0);
        v.block[j] = q;
    }
}
HD void save_row(const Vec& v, real* to) {
    EACH_BLOCK(j) EACH_COORDINATE if (is_coordinate(j, c)) to[block_width * block_of(j) + c] = v.block[j].c[c];
}
#else
// The rows of a tile; a lane without a row of its own follows the tile's first and is never written.
struct Rows {
    long long row[width];
    bool present[width];
    explicit Rows(const int* active) {
        for (int w = 0; w < width; ++w) {
            present[w] = active[w] >= 0;
            row[w] = active[w] >= 0 ? active[w] : active[0];
        }
    }
};
template <class T, class E>
HD void load_lanes(const Rows& rows, T& value, const E* from, long long stride) {
    alignas(64) E stage[width];
    for (int w = 0; w < width; ++w) stage[w] = from[rows.row[w] * stride];
    __builtin_memcpy(&value, stage, sizeof(value));
}
template <class T, class E>
HD void save_lanes(const Rows& rows, const bool* which, const T& value, E* to, long long stride) {
    alignas(64) E stage[width];
    __builtin_memcpy(stage, &value, sizeof(value));
    for (int w = 0; w < width; ++w)
        if (which[w]) to[rows.row[w] * stride] = stage[w];
}
// A cache line of each row at a time: rows whose distance is a power of two share few places in the cache, and would lose
// a line before its next coordinate is asked for.
constexpr int blocks_at_once = 4;
HD void load_rows(Vec& v, const Rows& rows, const real* from) {
    for (int first = 0, blocks = held(); first < blocks; first += blocks_at_once) {
        alignas(64) real stage[blocks_at_once * block_width][width] = {};
        int begin = block_width * first, end = begin + blocks_at_once * block_width;
        if (end > dim()) end = dim();
        for (int w = 0; w < width; ++w) {
            const real* row = from + rows.row[w] * dim();
            for (int k = begin; k < end; ++k) stage[k - begin][w] = row[k];
        }
        for (int j = first; j < blocks && j < first + blocks_at_once; ++j) {
            Quad<scalar> q;
            EACH_COORDINATE __builtin_memcpy(&q.c[c], stage[block_width * (j - first) + c], sizeof(scalar));
            v.block[j] = q;
        }
    }
}
HD void save_rows(const Vec& v, const Rows& rows, const bool* which, real* to) {
    for (int first = 0, blocks = held(); first < blocks; first += blocks_at_once) {
        alignas(64) real stage[blocks_at_once * block_width][width];
        int begin = block_width * first, end = begin + blocks_at_once * block_width;
        if (end > dim()) end = dim();
        for (int j = first; j < blocks && j < first + blocks_at_once; ++j)
            EACH_COORDINATE __builtin_memcpy(stage[block_width * (j - first) + c], &v.block[j].c[c], sizeof(scalar));
        for (int w = 0; w < width; ++w) {
            if (!which[w]) continue;
            real* row = to + rows.row[w] * dim();
            for (int k = begin; k < end; ++k) row[k] = stage[k - begin][w];
        }
    }
}
#endif
