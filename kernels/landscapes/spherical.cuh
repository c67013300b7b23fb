// Not derived: a recorded method has a line for each row of couplings or each feature, and there are thousands; here they are loops.
#pragma once
#include "base.cuh"

// A function on the sphere |x|^2 = dim, by its value, gradient and Hessian in the space around; elsewhere that of the nearest point.
template <class Of>
struct OnSphere {
    // The nearest point y of the sphere, and |y| / |x|.
    HD scalar onto(Vec& y, const number& root) const {
        scalar scale = quotient(broadcast(root), length(y));
        y = scale * y;
        return scale;
    }
    template <class E, class Now>
    HD Vec project(E&& x, const Now&) const {
        Vec y = static_cast<E&&>(x);
        onto(y, of().root);
        return y;
    }
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        Vec y = x;
        onto(y, of().root);
        return of().level(y);
    }
    template <class Now>
    CALLED Vec gradient(const Vec& x, const Now&) const {
        Vec g, y = x;
        scalar scale = onto(y, of().root);
        g = of().slope(y);
        scalar pull = quotient(dot(g, y), real(dim()));
        g = scale * (g - pull * y);
        return g;
    }
    template <class Now>
    CALLED Vec hessian_product(const Vec& x, const Vec& v, const Now&) const {
        Vec h, y = x, along;
        scalar scale = onto(y, of().root);
        h = of().slope(y);
        scalar pull = quotient(dot(h, y), real(dim()));
        scalar out = quotient(dot(v, y), real(dim()));
        along = v - out * y;
        h = of().bend(y, along);
        h = h - pull * along;
        scalar rest = quotient(dot(h, y), real(dim()));
        h = (scale * scale) * (h - rest * y);
        return h;
    }
    template <class Now>
    CALLED Vec hessian_diagonal(const Vec& x, const Now&) const {
        Vec d, y = x, h;
        scalar scale = onto(y, of().root);
        h = of().slope(y);
        scalar pull = quotient(dot(h, y), real(dim()));
        h = of().bend(y, y);
        h = h - pull * y;
        scalar both = quotient(dot(h, y), real(dim()) * real(dim()));
        h = (h * y) / real(dim());
        d = of().bends(y);
        d = (scale * scale) * ((d - pull) - real(2) * h + both * (y * y));
        return d;
    }

private:
    HD const Of& of() const { return static_cast<const Of&>(*this); }
};

// The sum over i_1 <= ... <= i_depth of y_(i_1) ... y_(i_depth) times the next row.
template <int depth>
HD void add_monomials(Vec& whole, const Vec& y, const Array& rows, const scalar& weight, int first, int& row) {
    if constexpr (depth == 0) {
        whole = whole + rows.row(row++);
    } else {
        ROLLED for (int i = first; i < dim(); ++i) {
            scalar product = weight * at(y, i);
            if constexpr (depth == 1) {
                whole = whole + product * rows.row(row++);
            } else {
                add_monomials<depth - 1>(whole, y, rows, product, i, row);
            }
        }
    }
}
// The same of how the monomials change along v.
template <int depth>
HD void add_changes(Vec& whole, const Vec& y, const Vec& v, const Array& rows, const scalar& weight,
                    const scalar& change, int first, int& row) {
    ROLLED for (int i = first; i < dim(); ++i) {
        scalar here = at(y, i), there = at(v, i);
        scalar product = weight * here, slope = change * here + weight * there;
        if constexpr (depth == 1) {
            whole = whole + slope * rows.row(row++);
        } else {
            add_changes<depth - 1>(whole, y, v, rows, product, slope, i, row);
        }
    }
}

// dim^(-(p-1)/2) sum J x ... x; couplings is (monomials of p - 1 factors, dim), squares (of p - 2 factors, dim)
template <int p>
struct SphericalPSpin : OnSphere<SphericalPSpin<p>> {
    Array couplings, squares;
    number root;
    enum Column { columns };
    HD scalar level(const Vec& y) const {
        Vec g = slope(y);
        return quotient(dot(g, y), real(p));  // Euler's relation
    }
    CALLED Vec slope(const Vec& y) const {
        Vec g = zero();
        int row = 0;
        add_monomials<p - 1>(g, y, couplings, broadcast(real(1)), 0, row);
        return g;
    }
    CALLED Vec bend(const Vec& y, const Vec& v) const {
        Vec h = zero();
        int row = 0;
        add_changes<p - 1>(h, y, v, couplings, broadcast(real(1)), broadcast(real(0)), 0, row);
        return h;
    }
    CALLED Vec bends(const Vec& y) const {
        Vec d = zero();
        int row = 0;
        add_monomials<p - 2>(d, y, squares, broadcast(real(1)), 0, row);
        return d;
    }
};

// He_(n+1) = z He_n - n He_(n-1)
template <int order>
HD scalar hermite(const scalar& z) {
    scalar before = broadcast(real(1)), here = z;
    if constexpr (order == 0) return before;
    UNROLL for (int n = 1; n < order; ++n) {
        scalar next = z * here - real(n) * before;
        before = here;
        here = next;
    }
    return here;
}

// level sum_m g_m He_p(w_m . x / sqrt(dim)); frequencies is (features, dim), weights (features)
template <int features, int p>
struct PSpinFeatures : OnSphere<PSpinFeatures<features, p>> {
    Array frequencies, weights;
    number root, per_root, size, rise, turn;
    enum Column { columns };
    template <int order>
    HD scalar term(const Vec& y, int m) const {
        return weights[m] * hermite<order>(sum(frequencies.row(m) * y) * per_root);
    }
    HD scalar level(const Vec& y) const {
        scalar whole = broadcast(real(0));
        ROLLED for (int m = 0; m < features; ++m) whole = whole + term<p>(y, m);
        return size * whole;
    }
    CALLED Vec slope(const Vec& y) const {
        Vec g = zero();
        ROLLED for (int m = 0; m < features; ++m) g = g + term<p - 1>(y, m) * frequencies.row(m);
        g = rise * g;
        return g;
    }
    CALLED Vec bend(const Vec& y, const Vec& v) const {
        Vec h = zero();
        ROLLED for (int m = 0; m < features; ++m) {
            scalar along = sum(frequencies.row(m) * v);
            h = h + (term<p - 2>(y, m) * along) * frequencies.row(m);
        }
        h = turn * h;
        return h;
    }
    CALLED Vec bends(const Vec& y) const {
        Vec d = zero();
        ROLLED for (int m = 0; m < features; ++m) d = d + term<p - 2>(y, m) * (frequencies.row(m) * frequencies.row(m));
        d = turn * d;
        return d;
    }
};
