// Cheap orthogonal maps: signs, a mix of all coordinates, signs again; O(dim log dim) and no matrix.
#pragma once
#include "../base.cuh"
#include "calls.cuh"

// One stage: coordinates i and i xor s become (sum, difference) / sqrt(2) where both exist; others stay as they are.
CALLED void mix_stage(Vec& x, int s) {
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
HD int mixing_passes() { return is_power_of_two() ? 1 : 3; }
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
// x <- R x and x <- R^T x; signs(p) is the expression of the p-th vector of signs, p = 0 ... mixing_passes().
template <class Signs>
HD void rotate(Vec& x, const Signs& signs) {
    for (int p = 0; p < mixing_passes(); ++p) {
        x = signs(p) * x;
        mix(x, false);
    }
    x = signs(mixing_passes()) * x;
}
template <class Signs>
HD void rotate_back(Vec& x, const Signs& signs) {
    x = signs(mixing_passes()) * x;
    for (int p = mixing_passes() - 1; p >= 0; --p) {
        mix(x, true);
        x = signs(p) * x;
    }
}
