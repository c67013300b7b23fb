// Cheap orthogonal maps: signs, mixes of all coordinates, reflections; O(dim log dim) and no matrix.
#pragma once
#include "arrays.cuh"
#include "calls.cuh"

// One stage: coordinates i and i xor s become (sum, difference) / sqrt(2) where both exist; others stay as they are.
CALLED void mix_stage(Vec& x, int s) {
    if (windowed) needs_all_coordinates();
    const real half = real(0.7071067811865476);
    auto mixed = [&](const scalar& mine, const scalar& other, bool upper, bool both) {
        scalar total = upper ? other - mine : mine + other;
        return both ? total * half : mine;
    };
    if (s < block_width) {
        EACH_BLOCK(j) {
            Quad<scalar> q = x.block[j];
            EACH_COORDINATE {
                int partner = c ^ s, inside = partner < block_width ? partner : c;
                bool both = partner < block_width && is_coordinate(j, partner);
                x.block[j].c[c] = mixed(q.c[c], q.c[inside], c & s, both);
            }
        }
        return;
    }
    if constexpr (block_width == 4) {
        int step = s / 4;  // in blocks
        if (step < lanes) {
            EACH_BLOCK(j) EACH_COORDINATE {
                scalar mine = x.block[j].c[c];
                scalar other = from_lane(mine, lane_in_group() ^ step);
                x.block[j].c[c] = mixed(mine, other, lane_in_group() & step, 4 * (block_of(j) ^ step) + c < dim());
            }
        } else {
            int row = step / lanes, have = held();
            EACH_BLOCK(j) {
                if (!(j & row) && (j | row) < have) {
                    int high = (j | row) < have ? (j | row) : j;
                    EACH_COORDINATE {
                        scalar a = x.block[j].c[c], b = x.block[high].c[c];
                        bool both = is_coordinate(high, c);
                        x.block[j].c[c] = mixed(a, b, false, both);
                        x.block[high].c[c] = mixed(b, a, true, both);
                    }
                }
            }
        }
    }
}
// A power of two has all partners: the Walsh-Hadamard transform over sqrt(dim), its own inverse. Else the stages from
// small strides to large; back: the other way round.
HD bool is_power_of_two() { return (dim() & (dim() - 1)) == 0; }
CALLED void mix(Vec& x, bool back) {
    if (is_power_of_two()) {
        butterfly(x);
        x = (real(1) / square_root(real(dim()))) * x;
        return;
    }
#if ENSEMBLE_DEVICE || ENSEMBLE_DIM > 0
    constexpr int top = power_of_two_at_least(static_dim) / 2;
    if (back) {
        UNROLL for (int s = top; s >= 1; s /= 2) mix_stage(x, s);
    } else {
        UNROLL for (int s = 1; s <= top; s *= 2) mix_stage(x, s);
    }
#else
    int top = 1;
    while (2 * top < dim()) top *= 2;
    if (back) {
        for (int s = top; s >= 1; s /= 2) mix_stage(x, s);
    } else {
        for (int s = 1; s <= top; s *= 2) mix_stage(x, s);
    }
#endif
}
HD void mirror(Vec& x, const Slice& u) {
    scalar along = sum(u * x);
    x = x - (along + along) * u;
}
// x <- R x and x <- R^T x. `frame` holds vectors (2 or 4, dim): signs, two unit vectors to reflect at unless dim is a
// power of two, signs.
CALLED void rotate(Vec& x, const Array& frame) {
    x = frame.row(0) * x;
    mix(x, false);
    if (!is_power_of_two()) {
        mirror(x, frame.row(1));
        mix(x, false);
        mirror(x, frame.row(2));
        mix(x, false);
    }
    x = frame.row(is_power_of_two() ? 1 : 3) * x;
}
CALLED void rotate_back(Vec& x, const Array& frame) {
    x = frame.row(is_power_of_two() ? 1 : 3) * x;
    mix(x, true);
    if (!is_power_of_two()) {
        mirror(x, frame.row(2));
        mix(x, true);
        mirror(x, frame.row(1));
        mix(x, true);
    }
    x = frame.row(0) * x;
}
