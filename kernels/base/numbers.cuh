// A few numbers of an instance that are not its coordinates, such as the units of a network, and loops over them whose turns the
// lanes of a group share out. On the CPU arrays and loops.
//
// Every loop waits for all lanes when it ends, and none when it begins: numbers are written again only after a loop that begins
// where they have been read for the last time.
#pragma once
#include "calls.cuh"

#if ENSEMBLE_DEVICE
constexpr int groups_of_block = ENSEMBLE_THREADS > lanes ? ENSEMBLE_THREADS / lanes : 1;
// A group's own part of what its block shares.
HD int group_of_block() { return groups_of_block == 1 ? 0 : int(threadIdx.x) / lanes; }
HD void wait_for_lanes() {
    if constexpr (lanes > 32) {
        __syncthreads();
    } else if constexpr (lanes > 1) {
        __syncwarp(whole_warp);
    }
}
#endif

// `which` tells apart what is alive at once.
template <int which, int n>
struct Numbers {
#if ENSEMBLE_DEVICE
    HD Numbers() {
        ENSEMBLE_SHARED(real, of_block, groups_of_block * n);
        own = of_block + group_of_block() * n;
    }
    HD scalar operator[](int i) const { return own[i]; }
    HD void set(int i, scalar value) { own[i] = value; }

private:
    real* own;
#else
    HD const scalar& operator[](int i) const { return own[i]; }
    HD void set(int i, const scalar& value) { own[i] = value; }

private:
    scalar own[n];
#endif
};

// All coordinates of a Vec, for any lane to read.
template <int which>
struct Coordinates {
#if ENSEMBLE_ARENA && ENSEMBLE_DEVICE
    // Blocks lie in memory in their order, whichever lane they belong to.
    HD explicit Coordinates(const Vec& x) : own((const real*)room_of(x.block)) { wait_for_lanes(); }
#elif ENSEMBLE_DEVICE
    HD explicit Coordinates(const Vec& x) {
        if (windowed) needs_all_coordinates();
        constexpr int n = block_width * static_blocks;
        ENSEMBLE_SHARED(real, of_block, groups_of_block * n);
        real* to = of_block + group_of_block() * n;
        EACH_BLOCK(j) {
            if (block_of(j) < static_blocks) EACH_COORDINATE to[block_width * block_of(j) + c] = x.block[j].c[c];
        }
        own = to;
        wait_for_lanes();
    }
#else
    HD explicit Coordinates(const Vec& x) : own((const scalar*)&x.block[0]) {}
#endif
#if ENSEMBLE_DEVICE
    HD scalar operator[](int i) const { return own[i]; }

private:
    const real* own;
#else
    HD const scalar& operator[](int i) const { return own[i]; }

private:
    const scalar* own;
#endif
};

// turn(i) for i = 0 ... n - 1; it asks for no other lane.
template <int n, class Turn>
HD void share_out(const Turn& turn) {
#if ENSEMBLE_DEVICE
    ROLLED for (int i = lane_in_group(); i < n; i += lanes) turn(i);
    wait_for_lanes();
#else
    for (int i = 0; i < n; ++i) turn(i);
#endif
}

// put(s, j, sum_i weight(j, i) input(s, i)) for every row j and s = 0 ... several - 1, through blocks of four and the tree of every
// reduction. Some lanes take a row together, each of them some leaves of its tree.
template <int several, int rows, int columns, class Weight, class Input, class Put>
HD void rows_times(const Weight& weight, const Input& input, const Put& put) {
    constexpr int blocks = (columns + 3) / 4, leaves = power_of_two_at_least(blocks);
#if ENSEMBLE_DEVICE
    static_assert(several == 1, "lanes share out the rows of one");
    constexpr int most = lanes < 32 ? lanes : 32, side = leaves < most ? leaves : most, at_once = lanes / side;
    const int lane = lane_in_group() % side;
    ROLLED for (int first = 0; first < rows; first += at_once) {  // as many turns in every lane
        const int asked = first + lane_in_group() / side, j = asked < rows ? asked : rows - 1;
        scalar part[leaves / side];
        UNROLL for (int m = 0; m < leaves / side; ++m) {
            const int i = 4 * (lane + m * side);
            scalar whole = real(0);
            if (i < columns) whole = weight(j, i) * input(0, i);
            UNROLL for (int c = 1; c < 4; ++c) {
                if (i + c < columns) whole = muladd(weight(j, i + c), input(0, i + c), whole);
            }
            part[m] = whole;
        }
        UNROLL for (int s = leaves / side / 2; s >= 1; s /= 2) {
            UNROLL for (int m = 0; m < s; ++m) part[m] = part[m] + part[m + s];
        }
        if constexpr (side > 1) part[0] = reduce_warp<side / 2>(part[0], Add{});
        if (lane == 0 && asked < rows) put(0, j, part[0]);
    }
    wait_for_lanes();
#else
    for (int j = 0; j < rows; ++j) {
        scalar part[several][leaves];
        for (int q = 0; q < leaves; ++q) {
            for (int s = 0; s < several; ++s) part[s][q] = broadcast(real(0));
            for (int c = 0; c < 4; ++c) {
                const int i = 4 * q + c;
                if (i >= columns) continue;
                const scalar w = weight(j, i);
                for (int s = 0; s < several; ++s)
                    part[s][q] = c == 0 ? w * input(s, i) : muladd(w, input(s, i), part[s][q]);
            }
        }
        for (int s = 0; s < several; ++s) {
            for (int half = leaves / 2; half >= 1; half /= 2)
                for (int q = 0; q < half; ++q) part[s][q] = part[s][q] + part[s][q + half];
            put(s, j, part[s][0]);
        }
    }
#endif
}
