// Not derived: a recorded method has a line for each well, and there are as many as the data has; here wells are a loop.
#pragma once
#include "base.cuh"

// -smoothing log sum_k exp(-E_k / smoothing), E_k = h_k |x - c_k|^2/2 - depth_k; centers is (wells, dim)
template <int wells>
struct MultiWell : Unconstrained {
    Array centers, curvatures, depths;
    number smoothing;
    enum Column { columns };
    struct Shares {
        scalar share[wells];
        scalar lowest, whole;
    };
    // exp((lowest - E_k) / smoothing) in share, their sum in whole.
    HD Shares weights(const Vec& x) const {
        Shares s;
        for (int k = 0; k < wells; ++k) {
            auto away = x - centers.row(k);
            s.share[k] = (curvatures[k] * real(0.5)) * dot(away, away) - depths[k];
            s.lowest = k == 0 ? s.share[0] : where(s.share[k] < s.lowest, s.share[k], s.lowest);
        }
        for (int k = 0; k < wells; ++k) {
            s.share[k] = elementary::exp((s.lowest - s.share[k]) / smoothing);
            s.whole = k == 0 ? s.share[0] : s.whole + s.share[k];
        }
        return s;
    }
    HD Shares shares(const Vec& x) const {
        Shares s = weights(x);
        for (int k = 0; k < wells; ++k) s.share[k] = s.share[k] / s.whole;
        return s;
    }
    CALLED Vec slope(const Vec& x, const Shares& s) const {
        Vec g = zero();
        for (int k = 0; k < wells; ++k) g = g + (s.share[k] * curvatures[k]) * (x - centers.row(k));
        return g;
    }
    HD scalar bend(const Shares& s) const {
        scalar b = broadcast(real(0));
        for (int k = 0; k < wells; ++k) b = b + s.share[k] * curvatures[k];
        return b;
    }
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        Shares s = weights(x);
        return s.lowest - smoothing * elementary::log(s.whole);
    }
    template <class Now>
    CALLED Vec gradient(const Vec& x, const Now&) const {
        return slope(x, shares(x));
    }
    template <class Now>
    CALLED Vec hessian_product(const Vec& x, const Vec& v, const Now&) const {
        Shares s = shares(x);
        Vec spread = zero(), g = slope(x, s);
        scalar mean = dot(g, v);
        for (int k = 0; k < wells; ++k) {
            auto away = x - centers.row(k);
            scalar off = s.share[k] * (curvatures[k] * dot(away, v) - mean) * curvatures[k];
            spread = spread + off * away;
        }
        spread = bend(s) * v - spread / smoothing;
        return spread;
    }
    template <class Now>
    CALLED Vec hessian_diagonal(const Vec& x, const Now&) const {
        Shares s = shares(x);
        Vec spread = zero(), g = slope(x, s);
        for (int k = 0; k < wells; ++k) {
            auto off = curvatures[k] * (x - centers.row(k)) - g;
            spread = spread + s.share[k] * (off * off);
        }
        spread = bend(s) - spread / smoothing;
        return spread;
    }
};
