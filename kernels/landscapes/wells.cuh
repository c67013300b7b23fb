#pragma once
#include "base.cuh"

// (x_0^2 - 1)^2/4 + stiffness/2 sum_{k>=1} x_k^2
struct DoubleWell : Unconstrained {
    number stiffness;
    enum Column { columns };
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        auto rise = x * x - real(1);
        return sum(where(index() < 1, real(0.25) * (rise * rise), (real(0.5) * stiffness) * (x * x)));
    }
    template <class Now>
    HD auto gradient(const Vec& x, const Now&) const {
        return where(index() < 1, (x * x - real(1)) * x, stiffness * x);
    }
    template <class Now>
    HD auto hessian_product(const Vec& x, const Vec& v, const Now&) const {
        return where(index() < 1, (real(3) * (x * x) - real(1)) * v, stiffness * v);
    }
    template <class Now>
    HD auto hessian_diagonal(const Vec& x, const Now&) const {
        return where(index() < 1, real(3) * (x * x) - real(1), stiffness);
    }
};

// A function of x_0, its Profile, and stiffness/2 sum_{k>=1} x_k^2.
struct Profile {
    scalar value, slope, bend;
};
HD scalar value_with(const Profile& p, const Vec& x, const number& stiffness) {
    return sum(where(index() < 1, real(0), (real(0.5) * stiffness) * (x * x))) + p.value;
}
HD auto gradient_with(const Profile& p, const Vec& x, const number& stiffness) {
    return where(index() < 1, p.slope, stiffness * x);
}
HD auto product_with(const Profile& p, const Vec& v, const number& stiffness) {
    return where(index() < 1, p.bend * v, stiffness * v);
}
HD auto diagonal_with(const Profile& p, const number& stiffness) { return where(index() < 1, p.bend, stiffness); }

// min(sharp (x_0 + sharp_at)^2/2 - sharp_depth, flat (x_0 - flat_at)^2/2 - flat_depth), or its soft form
template <class Derived>
struct TwoParabolas : Unconstrained {
    number sharp, flat, sharp_at, flat_at, sharp_depth, flat_depth, stiffness;
    enum Column { columns };
    struct Both {
        scalar first, second, first_slope, second_slope;
    };
    HD Both parabolas(const Vec& x) const {
        scalar u = at(x, 0) + sharp_at, w = at(x, 0) - flat_at;
        return {(real(0.5) * sharp) * (u * u) - sharp_depth, (real(0.5) * flat) * (w * w) - flat_depth, sharp * u,
                flat * w};
    }
    HD Profile profile(const Vec& x) const { return static_cast<const Derived&>(*this).profile_of(parabolas(x)); }
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        return value_with(profile(x), x, stiffness);
    }
    template <class Now>
    HD auto gradient(const Vec& x, const Now&) const {
        return gradient_with(profile(x), x, stiffness);
    }
    template <class Now>
    HD auto hessian_product(const Vec& x, const Vec& v, const Now&) const {
        return product_with(profile(x), v, stiffness);
    }
    template <class Now>
    HD auto hessian_diagonal(const Vec& x, const Now&) const {
        return diagonal_with(profile(x), stiffness);
    }
};
struct SharpFlat : TwoParabolas<SharpFlat> {
    HD Profile profile_of(const Both& p) const {
        auto in_sharp = p.first < p.second;
        return {where(in_sharp, p.first, p.second), where(in_sharp, p.first_slope, p.second_slope),
                where(in_sharp, broadcast(sharp), broadcast(flat))};
    }
};
struct SmoothSharpFlat : TwoParabolas<SmoothSharpFlat> {
    number smoothing;
    HD Profile profile_of(const Both& p) const {
        auto in_sharp = p.first < p.second;
        scalar e = elementary::exp(-(absolute(p.first - p.second) / smoothing));
        scalar more = real(1) / (real(1) + e), less = e * more;
        scalar of_first = where(in_sharp, more, less), of_second = where(in_sharp, less, more);
        scalar gap = p.first_slope - p.second_slope;
        return {where(in_sharp, p.first, p.second) - smoothing * elementary::log(real(1) + e),
                of_first * p.first_slope + of_second * p.second_slope,
                of_first * sharp + of_second * flat - (of_first * of_second / smoothing) * (gap * gap)};
    }
};
