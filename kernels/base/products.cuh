// Products over the coordinates, with the reductions' tree, and for each coordinate the product of all others.
#pragma once
#include "../base.cuh"

struct Multiply {
    static constexpr bool is_sum = false, commutes = true;
    static HD real neutral() { return 1; }
    template <class T>
    HD T operator()(const T& a, const T& b) const {
        return a * b;
    }
};
template <class E>
HD scalar product(E&& e) {
    return reduce(make_operand<E>(static_cast<E&&>(e)), Multiply{});
}

// A number and its derivative along a direction. Never fused, so that a*b and b*a have the same bits.
struct Dual {
    scalar value, slope;
};
HD Dual operator*(const Dual& a, const Dual& b) { return {a.value * b.value, a.value * b.slope + a.slope * b.value}; }
HD Dual from_lane(const Dual& a, int source) { return {from_lane(a.value, source), from_lane(a.slope, source)}; }
struct One {
    HD operator scalar() const { return broadcast(real(1)); }
    HD operator Dual() const { return {broadcast(real(1)), broadcast(real(0))}; }
};

// Along the tree, what lies outside a subtree is multiplied together from the leaves up: a node's sibling, its parent's
// sibling, and so on. `T` is scalar or Dual; get(j, c) is a coordinate, put(j, c, rest) takes what the others make.
template <class T, class Get>
HD T block_product(const Get& get, int j) {
    T whole = is_coordinate(j, 0) ? get(j, 0) : T(One{});
    UNROLL for (int c = 1; c < block_width; ++c) {
        if (is_coordinate(j, c)) whole = whole * get(j, c);
    }
    return whole;
}
template <class Entries>
HD void climb(Entries part, Entries outside, int n) {
#if !ENSEMBLE_ARENA
    constexpr int leaves = power_of_two_at_least((static_dim + 3) / 4) / lanes;
#define EACH_LEAF(j) UNROLL for (int j = 0; j < leaves; ++j)
    UNROLL for (int s = leaves / 2; s >= 1; s /= 2) {
#else
    const int leaves = n;
#define EACH_LEAF(j) ROLLED for (int j = 0; j < leaves; ++j)
    ROLLED for (int s = leaves / 2; s >= 1; s /= 2) {
#endif
        EACH_LEAF(j) outside[j] = outside[j] * part[(j & (2 * s - 1)) ^ s];
        EACH_LEAF(j) {
            if (j < s) part[j] = part[j] * part[j + s];
        }
    }
#if ENSEMBLE_DEVICE
    UNROLL for (int s = lanes / 2; s >= 1; s /= 2) {
        auto other = from_lane(part[0], lane_in_group() ^ s);
        EACH_LEAF(j) outside[j] = outside[j] * other;
        part[0] = part[0] * other;
    }
#endif
#undef EACH_LEAF
}
template <class T, class Get, class Put>
HD void products_of_others(const Get& get, const Put& put) {
    if (windowed) needs_all_coordinates();
#if !ENSEMBLE_ARENA
    constexpr int leaves = power_of_two_at_least((static_dim + 3) / 4) / lanes;
    T part[leaves], outside[leaves];
    UNROLL for (int j = 0; j < leaves; ++j) {
        part[j] = j < held_blocks ? block_product<T>(get, j < held_blocks ? j : 0) : T(One{});
        outside[j] = One{};
    }
#else
    int leaves = tree_blocks(), have = held();
    const long bytes = bytes_of_entries<T>(leaves);
    char* mark = workspace_top();
    char* room = workspace_room(2 * bytes);
    workspace_reset(room + 2 * bytes);
    const Entries<T> part = entries_at<T>(room), outside = entries_at<T>(room + bytes);
    ROLLED for (int j = 0; j < leaves; ++j) {
        part[j] = j < have ? block_product<T>(get, j < have ? j : 0) : T(One{});
        outside[j] = One{};
    }
#endif
    climb(part, outside, leaves);
    EACH_BLOCK(j) {
        T before = One{};
        EACH_COORDINATE {
            T after = One{};
            UNROLL for (int k = 1; k < block_width; ++k) {
                if (k > c && is_coordinate(j, k)) after = after * get(j, k);
            }
            put(j, c, before * after * outside[j]);
            if (is_coordinate(j, c)) before = before * get(j, c);
        }
    }
#if ENSEMBLE_ARENA
    workspace_reset(mark);
#endif
}
// Coordinate i of `rest` is the product of a's coordinates but the i-th; no division, so zeros are welcome.
HD void others(const Vec& a, Vec& rest) {
    products_of_others<scalar>([&](int j, int c) { return a.block[j].c[c]; },
                               [&](int j, int c, const scalar& r) { rest.block[j].c[c] = r; });
    EACH_BLOCK(j) zero_padding(rest.block[j], j);
}
// The same, and its derivative as a changes along `slope`.
HD void others(const Vec& a, const Vec& slope, Vec& rest, Vec& change) {
    products_of_others<Dual>([&](int j, int c) { return Dual{a.block[j].c[c], slope.block[j].c[c]}; },
                             [&](int j, int c, const Dual& r) {
                                 rest.block[j].c[c] = r.value;
                                 change.block[j].c[c] = r.slope;
                             });
    EACH_BLOCK(j) {
        zero_padding(rest.block[j], j);
        zero_padding(change.block[j], j);
    }
}
