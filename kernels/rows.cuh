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
HD void load_rows(Vec& v, const Rows& rows, const real* from) {
    EACH_BLOCK(j) {
        Quad<scalar> q;
        EACH_COORDINATE {
            q.c[c] = broadcast(real(0));
            if (is_coordinate(j, c)) load_lanes(rows, q.c[c], from + block_width * j + c, dim());
        }
        v.block[j] = q;
    }
}
HD void save_rows(const Vec& v, const Rows& rows, const bool* which, real* to) {
    EACH_BLOCK(j)
    EACH_COORDINATE if (is_coordinate(j, c)) save_lanes(rows, which, v.block[j].c[c], to + block_width * j + c, dim());
}
#endif
