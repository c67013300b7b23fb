// Between rows of memory, (row, dim) in C order, and the Vecs that hold them.
#pragma once
#include "base.cuh"

#if ENSEMBLE_DEVICE
// The row that this thread's group works on. Where groups share a warp its last ones may have none of their own: they
// follow the last row and never write, since every lane takes part in the shuffles.
struct Seat {
    long long row;
    bool present;
    HD bool take(const int* active, int count) { return take(active, count, blockIdx.x); }
    HD bool take(const int* active, int count, unsigned block) {
        long long thread = (long long)block * blockDim.x + threadIdx.x;
        constexpr int together = shares_warp ? 32 : lanes;
        if (thread / together * (together / lanes) >= count) return false;
        long long group = thread / lanes;
        present = group < count;
        row = active[present ? group : count - 1];
        return true;
    }
    HD bool writes() const { return present && lane_in_group() == 0; }
};
// Rows of whole blocks, of instances too large for registers: a block is one access.
constexpr bool whole_blocks = (ENSEMBLE_STREAMED || ENSEMBLE_WINDOW) && static_dim % 4 == 0;
HD void load_row(Vec& v, const real* from) {
    EACH_BLOCK(j) {
        Quad<scalar> q;
        if constexpr (whole_blocks) {
            EACH_COORDINATE q.c[c] = real(0);
            if (is_coordinate(j, 0)) q = ((const Quad<scalar>*)from)[block_of(j)];
        } else {
            EACH_COORDINATE q.c[c] = is_coordinate(j, c) ? from[block_width * block_of(j) + c] : real(0);
        }
        v.block[j] = q;
    }
}
HD void save_row(const Vec& v, real* to) {
    EACH_BLOCK(j) {
        if constexpr (whole_blocks) {
            if (is_coordinate(j, 0)) ((Quad<scalar>*)to)[block_of(j)] = v.block[j];
        } else {
            EACH_COORDINATE if (is_coordinate(j, c)) to[block_width * block_of(j) + c] = v.block[j].c[c];
        }
    }
}
#else
// The first row of a tile, -1 where it has none.
HD int first_row(const int* active) {
    int w = 0;
    while (w < width - 1 && active[w] < 0) ++w;
    return active[w];
}
// The rows of a tile; a lane without a row of its own follows the tile's first and is never written.
struct Rows {
    long long row[width];
    bool present[width];
    explicit Rows(const int* active) {
        const int first = first_row(active);
        for (int w = 0; w < width; ++w) {
            present[w] = active[w] >= 0;
            row[w] = active[w] >= 0 ? active[w] : first;
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
// ---- a square of coordinates, one native vector of each row, turned: row i of the result holds coordinate i of all rows
template <int... P>
struct Places {};
template <int N, int... P>
struct UpTo : UpTo<N - 1, N - 1, P...> {};
template <int... P>
struct UpTo<0, P...> {
    using type = Places<P...>;
};
#if defined(__clang__)
#define UNROLL_ALL _Pragma("unroll")
#define CHOOSE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define UNROLL_ALL _Pragma("GCC unroll 16")
#define CHOOSE(a, b, ...) __builtin_shuffle(a, b, native_int{__VA_ARGS__})
#endif
// Exchanges the elements of `a` whose place has the bit S with those of `b` whose place lacks it.
template <int S, int... P>
HD void exchange(native_real& a, native_real& b, Places<P...>) {
    native_real low = CHOOSE(a, b, (P & S ? native_width + P - S : P)...);
    b = CHOOSE(a, b, (P & S ? native_width + P : P + S)...);
    a = low;
}
#undef CHOOSE
template <int S = 1>
HD void turn_from(native_real (&row)[native_width]) {
    if constexpr (S < native_width) {
        UNROLL_ALL for (int i = 0; i < native_width; ++i) if (!(i & S))
            exchange<S>(row[i], row[i | S], typename UpTo<native_width>::type());
        turn_from<2 * S>(row);
    }
}
ONCE void turn(native_real (&row)[native_width]) { turn_from(row); }
HD native_real picked(const native_real& a, const native_int& places) {
#if defined(__clang__)
    native_real r;
    for (int i = 0; i < native_width; ++i) r[i] = a[places[i]];
    return r;
#else
    return __builtin_shuffle(a, places);
#endif
}
// Calls f(first coordinate, how many of them there are, the pack's number) for every square of a tile.
template <class F>
HD void each_square(F f) {
    for (int k = 0; k < held() * block_width; k += native_width)
        for (int p = 0; p < parts; ++p) f(k, dim() - k < native_width ? dim() - k : native_width, p);
}
ONCE void load_rows(Vec& v, const Rows& rows, const real* from) {
    each_square([&](int k, int count, int p) {
        native_real square[native_width];
        UNROLL_ALL for (int i = 0; i < native_width; ++i) {
            const real* row = from + rows.row[p * native_width + i] * dim() + k;
            if (count == native_width) {
                __builtin_memcpy(&square[i], row, sizeof(native_real));
            } else {
                square[i] = native_real{};
                for (int c = 0; c < count; ++c) square[i][c] = row[c];
            }
        }
        turn(square);
        int there = held() * block_width - k;
        UNROLL_ALL for (int i = 0; i < native_width; ++i) if (i < there) v.block[(k + i) / block_width]
            .c[(k + i) % block_width]
            .v[p] = square[i];
    });
}
// Turns a square and writes the first `count` coordinates of each row to where `row_at(i)` says, unless that is nowhere.
template <class F>
HD void store_square(native_real (&square)[native_width], int count, F row_at) {
    turn(square);
    UNROLL_ALL for (int i = 0; i < native_width; ++i) {
        real* row = row_at(i);
        if (!row) continue;
        if (count == native_width)
            __builtin_memcpy(row, &square[i], sizeof(native_real));
        else
            for (int c = 0; c < count; ++c) row[c] = square[i][c];
    }
}
ONCE void save_rows(const Vec& v, const Rows& rows, const bool* which, real* to) {
    each_square([&](int k, int count, int p) {
        native_real square[native_width];
        UNROLL_ALL for (int i = 0; i < native_width; ++i) square[i] =
            i < count ? v.block[(k + i) / block_width].c[(k + i) % block_width].v[p] : native_real{};
        store_square(square, count, [&](int i) {
            int w = p * native_width + i;
            return which[w] ? to + rows.row[w] * dim() + k : nullptr;
        });
    });
}
#endif
