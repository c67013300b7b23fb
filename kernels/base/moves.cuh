// Primitives that move coordinates: shift, at, butterfly, and products of small matrices kept in a Vec.
#pragma once
#include "reductions.cuh"

// shift(x, k): coordinate i of the result is x[i + k], zero past the ends; |k| <= block width. Not pointwise.
template <int K>
struct Shift : Expression {
    static_assert(K >= -block_width && K <= block_width && K != 0, "a shift reaches the neighbouring block at most");
    static constexpr bool pointwise = false;
    const Vec& vec;
    HD Shift(const Vec& v) : vec(v) {}
    HD Quad<scalar> at(int j) const {
        constexpr int reach = K > 0 ? K : -K;
        Quad<scalar> from;  // the neighbouring block's coordinates that are needed
        EACH_COORDINATE {
            bool needed = K > 0 ? c < reach : c >= block_width - reach;
            from.c[c] = needed ? neighbour(j, c) : broadcast(real(0));
        }
        Quad<scalar> r;
        EACH_COORDINATE {
            int i = c + K;
            scalar v = i >= 0 && i < block_width ? vec.block[j].c[i < 0 ? 0 : (i < block_width ? i : 0)]
                                                 : from.c[(i + 2 * block_width) % block_width];
            r.c[c] = v;
        }
        return r;
    }

private:
    HD scalar neighbour(int j, int c) const {
        if (windowed) return needs_all_coordinates();
        constexpr int way = K > 0 ? 1 : -1;
        int held_here = held();
        if constexpr (lanes == 1) {
            int other = j + way;
            return other >= 0 && other < held_here ? vec.block[other < 0 ? 0 : (other < held_here ? other : 0)].c[c]
                                                   : broadcast(real(0));
        } else {
            // Lane l wants block j*lanes + l + way. Only one lane looks into another row of blocks.
            int lane = lane_in_group();
            int edge = way > 0 ? 0 : lanes - 1;  // the lane whose contribution comes from row j + way
            int row = j + way;
            scalar from_row = row >= 0 && row < held_here ? vec.block[row < 0 ? 0 : (row < held_here ? row : 0)].c[c]
                                                          : broadcast(real(0));
            scalar mine = lane == edge ? from_row : vec.block[j].c[c];
            return from_lane(mine, (lane + way + lanes) & (lanes - 1));
        }
    }
};
template <int K>
HD Shift<K> shift(const Vec& x) {
    return Shift<K>(x);
}
template <int K>
Shift<K> shift(Vec&&) = delete;  // the shifted Vec must outlive the expression

// Coordinate i of the instance, in every lane.
HD scalar at(const Vec& x, int i) {
    if (windowed) return needs_all_coordinates();
    int block = i / block_width, c = i % block_width;
    scalar value = broadcast(real(0));
#if ENSEMBLE_ARENA
    value = x.block[block / lanes].c[c];
#else
    EACH_BLOCK(j) {
        UNROLL for (int k = 0; k < block_width; ++k) {
            scalar here = x.block[j].c[k];  // loaded in any case: a choice of addresses would need x in memory
            value = j == block / lanes && k == c ? here : value;
        }
    }
#endif
    return from_lane(value, block % lanes);
}

// The Walsh-Hadamard transform, unnormalised, in place; dim must be a power of two. Within blocks first, then across
// blocks by strides from small to large.
HD void butterfly(Vec& x) {
    if (windowed) needs_all_coordinates();
    if constexpr (block_width >= 2) {
        EACH_BLOCK(j) {
            UNROLL for (int s = 1; s < block_width; s *= 2) {
                Quad<scalar> q = x.block[j];
                EACH_COORDINATE {
                    x.block[j].c[c] = c & s ? q.c[c ^ s] - q.c[c] : q.c[c] + q.c[c ^ (s < block_width ? s : 0)];
                }
            }
        }
    }
#if ENSEMBLE_DEVICE
    UNROLL for (int s = 1; s < lanes; s *= 2) {
        bool upper = lane_in_group() & s;
        EACH_BLOCK(j) EACH_COORDINATE {
            scalar mine = x.block[j].c[c];
            scalar other = from_lane(mine, lane_in_group() ^ s);
            x.block[j].c[c] = upper ? other - mine : mine + other;
        }
    }
#endif
#if ENSEMBLE_DEVICE && !ENSEMBLE_ARENA
    UNROLL for (int s = 1; s < held_blocks; s *= 2) {
        UNROLL for (int j = 0; j < held_blocks; ++j) {
            if (j & s) continue;
            EACH_COORDINATE {
                scalar low = x.block[j].c[c], high = x.block[(j | s) < held_blocks ? (j | s) : j].c[c];
                x.block[j].c[c] = low + high;
                if ((j | s) < held_blocks) x.block[j | s].c[c] = low - high;
            }
        }
    }
#else
    ROLLED for (int s = 1; s < held(); s *= 2) {
        ROLLED for (int j = 0; j < held(); ++j) {
            if (j & s) continue;
            EACH_COORDINATE {
                scalar low = x.block[j].c[c], high = x.block[j | s].c[c];
                x.block[j].c[c] = low + high;
                x.block[j | s].c[c] = low - high;
            }
        }
    }
#endif
}
