#pragma once
#include "base.cuh"

// 1/2 sum h_k x_k^2; Curvature is a number or a Vector.
template <class Curvature>
struct Quadratic : Unconstrained {
    Curvature curvature;
    enum Column { columns };
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        return sum((real(0.5) * (curvature * x)) * x);
    }
    template <class Now>
    HD auto gradient(const Vec& x, const Now&) const {
        return curvature * x;
    }
    template <class Now>
    HD auto hessian_product(const Vec&, const Vec& v, const Now&) const {
        return curvature * v;
    }
    template <class Now>
    HD auto hessian_diagonal(const Vec&, const Now&) const {
        return make_operand<const Curvature&>(curvature);
    }
};
