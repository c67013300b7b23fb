// By hand, since classes share a sample's features: rows of weights in a point, and the functions of all of them at once.
#pragma once
#include "../base/segments.cuh"
#include "finite_sum.cuh"

// log(sum_c exp(z_c)) - z_label with z_c = dot(x_c, a), x (classes, features) row by row
template <int classes>
struct LogisticRegression : FiniteSum<LogisticRegression<classes>> {
    number l2;
    Array table;
    number sample_count, sample_share;
    enum Column { columns };
    HD static int features() { return dim() / classes; }
    HD int stride() const { return whole_blocks_of(features() + 1); }

    template <class S>
    HD scalar loss(const Vec& x, const S& sample) const {
        const Scope scope;
        const auto a = sample.numbers(features());
        Each z = products(x, a);
        const scalar label = sample[features()], top = z.largest();
        scalar own = z.e[0], whole = elementary::exp(z.e[0] - top);
        UNROLL_HELD for (int c = 1; c < classes; ++c) {
            own = where(as_mask(label == real(c)), z.e[c], own);
            whole = whole + elementary::exp(z.e[c] - top);
        }
        return (top + elementary::log(whole)) - own;
    }
    template <class S>
    HD void add_gradient(Vec& g, const Vec& x, const S& sample) const {
        const Scope scope;
        const auto a = sample.numbers(features());
        Each factor = chances(products(x, a));
        const scalar label = sample[features()];
        UNROLL_HELD for (int c = 0; c < classes; ++c) {
            factor.e[c] = sample.only(where(as_mask(label == real(c)), factor.e[c] - real(1), factor.e[c]));
        }
        add(g, factor, a, One());
    }
    template <class S>
    HD void add_product(Vec& h, const Vec& x, const Vec& v, const S& sample) const {
        const Scope scope;
        const auto a = sample.numbers(features());
        Each chance = chances(products(x, a));
        const Each along = products(v, a);
        scalar mean = chance.e[0] * along.e[0];
        UNROLL_HELD for (int c = 1; c < classes; ++c) mean = mean + chance.e[c] * along.e[c];
        UNROLL_HELD for (int c = 0; c < classes; ++c) chance.e[c] = chance.e[c] * (along.e[c] - mean);
        add(h, chance, a, One());
    }
    template <class S>
    HD void add_diagonal(Vec& h, const Vec& x, const S& sample) const {
        const Scope scope;
        const auto a = sample.numbers(features());
        Each chance = chances(products(x, a));
        UNROLL_HELD for (int c = 0; c < classes; ++c) chance.e[c] = chance.e[c] * (real(1) - chance.e[c]);
        add(h, chance, a, Square());
    }

private:
    struct One {
        template <class T>
        HD T operator()(const T& a) const {
            return a;
        }
    };
    struct Square {
        template <class T>
        HD T operator()(const T& a) const {
            return a * a;
        }
    };
    // A number of each class.
    struct Each {
        scalar e[classes];
        HD scalar largest() const {
            scalar top = e[0];
            UNROLL_HELD for (int c = 1; c < classes; ++c) top = where(as_mask(top < e[c]), e[c], top);
            return top;
        }
        HD scalar of(int c) const {  // c may differ from lane to lane
            scalar value = e[0];
            UNROLL for (int k = 1; k < classes; ++k) value = c == k ? e[k] : value;
            return value;
        }
    };
    // The features again and again, one for each coordinate.
    template <class A>
    struct Tiled : Expression {
        static constexpr bool pointwise = true;
        const A& a;
        HD explicit Tiled(const A& a_) : a(a_) {}
        HD auto at(int j) const {
            Quad<plain_type<decltype(a[0])>> r;
            EACH_COORDINATE r.c[c] = a[is_coordinate(j, c) ? (block_width * block_of(j) + c) % features() : 0];
            return r;
        }
    };
    template <class A>
    static HD Each products(const Vec& x, const A& a) {
        Each z;
        const Tiled<A> tiled(a);
        UNROLL_HELD for (int c = 0; c < classes; ++c) {
            z.e[c] = sum_within(tiled, x, c * features(), (c + 1) * features());
        }
        return z;
    }
    static HD Each chances(Each z) {
        const scalar top = z.largest();
        UNROLL_HELD for (int c = 0; c < classes; ++c) z.e[c] = elementary::exp(z.e[c] - top);
        scalar whole = z.e[0];
        UNROLL_HELD for (int c = 1; c < classes; ++c) whole = whole + z.e[c];
        UNROLL_HELD for (int c = 0; c < classes; ++c) z.e[c] = quotient(z.e[c], whole);
        return z;
    }
    // g + factor (x) of(a)
    template <class A, class F>
    static HD void add(Vec& g, const Each& factor, const A& a, F of) {
#if ENSEMBLE_DEVICE
        EACH_BLOCK(j) {
            Quad<scalar> q = g.block[j];
            EACH_COORDINATE {
                const int i = is_coordinate(j, c) ? block_width * block_of(j) + c : 0;
                q.c[c] = muladd(factor.of(i / features()), of(a[i % features()]), q.c[c]);
            }
            zero_padding(q, j);
            g.block[j] = q;
        }
#else
        scalar* to = &g.block[0].c[0];
        for (int c = 0; c < classes; ++c) {
            for (int k = 0; k < features(); ++k, ++to) *to = muladd(factor.e[c], of(a[k]), *to);
        }
#endif
    }
};

// Of two classes one row of weights: log(1 + exp(-s z)), s = 1 and -1.
template <>
struct LogisticRegression<2> : LinearSum<LogisticRegression<2>> {
    number l2;
    Array table;
    number sample_count, sample_share;
    enum Column { columns };
    HD int stride() const { return whole_blocks_of(dim() + 1); }
    template <class S>
    HD scalar loss_of(const scalar& z, const S& sample) const {
        const scalar u = sample.after(0) * z;
        const mask right = as_mask(u >= real(0));
        const scalar small = elementary::log(real(1) + elementary::exp(where(right, -u, u)));
        return where(right, small, small - u);
    }
    template <class S>
    HD scalar slope_of(const scalar& z, const S& sample) const {
        const scalar s = sample.after(0), u = s * z;
        const mask right = as_mask(u >= real(0));
        const scalar e = elementary::exp(where(right, -u, u));
        return quotient(-s * where(right, e, broadcast(real(1))), real(1) + e);
    }
    template <class S>
    HD scalar bend_of(const scalar& z, const S& sample) const {
        const scalar u = sample.after(0) * z;
        const scalar e = elementary::exp(where(as_mask(u >= real(0)), -u, u));
        const scalar whole = real(1) + e;
        return quotient(e, whole * whole);
    }
};
