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
