// Expressions evaluated: stored into a Vec, or reduced to one number of the instance.
#pragma once
#include "expressions.cuh"

// ---- evaluation
template <class E>
HD void store(Vec& to, const E& from) {
    const int of_dim = dim();
    EACH_BLOCK(j) {
        auto q = from.at(j);
        Quad<scalar> r;
        EACH_COORDINATE r.c[c] = broadcast(q.c[c]);
        zero_padding(r, j, of_dim);
        to.block[j] = r;
    }
}
// Stores and shows every coordinate to `seen` (NaN is never within a bound).
template <class E>
HD void store_within(Vec& to, const E& from, real bound, Within& seen) {
    if constexpr (!E::pointwise) {
        Vec whole(from);
        store_within(to, whole, bound, seen);
    } else {
        const int of_dim = dim();
        EACH_BLOCK(j) {
            auto q = from.at(j);
            Quad<scalar> r;
            EACH_COORDINATE r.c[c] = broadcast(q.c[c]);
            zero_padding(r, j, of_dim);
#if ENSEMBLE_WINDOW
            EACH_COORDINATE seen.take(is_coordinate(j, c) ? r.c[c] : real(0), bound);
#else
            EACH_COORDINATE seen.take(r.c[c], bound);
#endif
            to.block[j] = r;
        }
    }
}

// ---- reductions over the coordinates: in a block from first to last; over the blocks one binary tree, padded with
// the neutral value to a power of two and halved by strides from large to small. The same bits for every layout.
struct Add {
    static constexpr bool is_sum = true, commutes = true;
    static HD real neutral() { return 0; }
    template <class T>
    HD T operator()(const T& a, const T& b) const {
        return a + b;
    }
};
struct Maximum {
    static constexpr bool is_sum = false, commutes = false;  // not for NaN, nor for zeros of two signs
    static HD real neutral() { return -real(ENSEMBLE_DOUBLE ? 1.7976931348623157e308 : 3.4028234663852886e38); }
    template <class T>
    HD T operator()(const T& a, const T& b) const {
        return where(a > b, a, b);
    }
};
struct Minimum {
    static constexpr bool is_sum = false, commutes = false;  // not for NaN, nor for zeros of two signs
    static HD real neutral() { return real(ENSEMBLE_DOUBLE ? 1.7976931348623157e308 : 3.4028234663852886e38); }
    template <class T>
    HD T operator()(const T& a, const T& b) const {
        return where(a < b, a, b);
    }
};
template <class Op, class E>
HD scalar reduce_block(const E& e, int j, Op op, int of_dim = dim()) {
    scalar r = broadcast(Op::neutral());
    if constexpr (Op::is_sum && is_product<E>) {
        auto p = e.a.at(j);
        auto q = e.b.at(j);
        EACH_COORDINATE {
            scalar next = c == 0 ? broadcast(p.c[c] * q.c[c]) : muladd(p.c[c], q.c[c], r);
            r = is_coordinate(j, c, of_dim) ? next : r;
        }
    } else {
        auto p = e.at(j);
        EACH_COORDINATE {
            scalar next = c == 0 ? broadcast(p.c[c]) : op(r, broadcast(p.c[c]));
            r = is_coordinate(j, c, of_dim) ? next : r;
        }
    }
    return r;
}
#if ENSEMBLE_WINDOW
template <class Op, class E>
HD scalar reduce(const E&, Op) {
    return needs_all_coordinates();
}
#elif ENSEMBLE_STREAMED
// The tree's leaves in the order in which it takes them, so that one value for each level is all that waits.
template <class Op, class E>
HD scalar reduce(const E& e, Op op) {
    constexpr int leaves = tree_blocks(), levels = level_of(leaves);
    scalar waiting[levels + 1], value = broadcast(Op::neutral());
    ROLLED for (int k = 0; k < leaves; ++k) {
        int j = reversed<levels>(k);
        value = broadcast(Op::neutral());
        if (j < held_blocks) value = reduce_block(e, j, op);
        UNROLL for (int level = 0; level < levels; ++level) {
            bool whole =
                (k + 1) % (1 << level) == 0;  // value is a whole subtree of this level, the right or the left one
            bool right = k >> level & 1;
            if (whole && right) value = op(waiting[level], value);
            if (whole && !right) waiting[level] = value;
        }
    }
    return reduce_lanes(value, op);
}
#elif ENSEMBLE_DEVICE || ENSEMBLE_DIM > 0
template <class Op, class E>
HD scalar reduce(const E& e, Op op) {
    constexpr int padded_blocks = power_of_two_at_least((static_dim + 3) / 4) / lanes;
    scalar part[padded_blocks];
    UNROLL for (int j = 0; j < padded_blocks; ++j) {
        part[j] = j < held_blocks ? reduce_block(e, j < held_blocks ? j : 0, op) : broadcast(Op::neutral());
    }
    UNROLL for (int s = padded_blocks / 2; s >= 1; s /= 2) {
        UNROLL for (int j = 0; j < padded_blocks; ++j) {
            if (j < s) part[j] = op(part[j], part[j + s]);
        }
    }
    return reduce_lanes(part[0], op);
}
#else
template <class Op, class E>
HD scalar reduce(const E& e, Op op) {
    int n = tree_blocks();
    scalar* part = (scalar*)workspace_room(long(sizeof(scalar)) * n);
    const int have = held(), of_dim = dim();
    for (int j = 0; j < have; ++j) part[j] = reduce_block(e, j, op, of_dim);
    for (int j = have; j < n; ++j) part[j] = broadcast(Op::neutral());
    for (int s = n / 2; s >= 1; s /= 2)
        for (int j = 0; j < s; ++j) part[j] = op(part[j], part[j + s]);
    return part[0];
}
#endif
template <class E>
HD scalar sum(E&& e) {
    return reduce(make_operand<E>(static_cast<E&&>(e)), Add{});
}
template <class A, class B>
HD scalar dot(const A& a, const B& b) {
    return sum(a * b);
}
template <class E>
HD scalar max(E&& e) {
    return reduce(make_operand<E>(static_cast<E&&>(e)), Maximum{});
}
template <class E>
HD scalar min(E&& e) {
    return reduce(make_operand<E>(static_cast<E&&>(e)), Minimum{});
}
// The smallest coordinate number where the predicate holds, or dim; a real, exact below 2^24.
template <class E>
HD scalar first_index(E&& predicate) {
    return min(where(static_cast<E&&>(predicate), index() * real(1), real(dim())));
}
