#pragma once
#include "base.cuh"

// sum_{k<unstable} (-gamma x_k^2/2 + x_k^4/4) + sum_{others} stiffness x_k^2/2
template <int unstable>
struct QuarticSaddle : Unconstrained {
    number gamma, stiffness;
    enum Column { columns };
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        return sum(where(index() < unstable, (x * x) * (real(0.25) * (x * x) - real(0.5) * gamma),
                         (real(0.5) * stiffness) * (x * x)));
    }
    template <class Now>
    HD auto gradient(const Vec& x, const Now&) const {
        return where(index() < unstable, (x * x - gamma) * x, stiffness * x);
    }
    template <class Now>
    HD auto hessian_product(const Vec& x, const Vec& v, const Now&) const {
        return where(index() < unstable, (real(3) * (x * x) - gamma) * v, stiffness * v);
    }
    template <class Now>
    HD auto hessian_diagonal(const Vec& x, const Now&) const {
        return where(index() < unstable, real(3) * (x * x) - gamma, stiffness);
    }
};
