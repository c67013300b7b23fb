#pragma once
#include "base.cuh"

// sum_{i<dim-1} b (x_{i+1} - x_i^2)^2 + (a - x_i)^2
struct Rosenbrock : Unconstrained {
    number a, b;
    enum Column { columns };
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        auto rise = shift<1>(x) - x * x;
        auto gap = a - x;
        return sum(where(index() < dim() - 1, b * (rise * rise) + gap * gap, real(0)));
    }
    template <class Now>
    HD auto gradient(const Vec& x, const Now&) const {
        auto before = shift<-1>(x);
        auto from_next = real(-4) * b * (x * (shift<1>(x) - x * x)) - real(2) * (a - x);
        auto from_before = (real(2) * b) * (x - before * before);
        return where(index() < dim() - 1, from_next, real(0)) + where(index() > 0, from_before, real(0));
    }
    template <class Now>
    HD auto hessian_product(const Vec& x, const Vec& v, const Now&) const {
        auto ahead =
            (real(12) * (x * x) - real(4) * shift<1>(x)) * b * v - real(4) * b * (x * shift<1>(v)) + real(2) * v;
        auto behind = (real(2) * b) * v - real(4) * b * (shift<-1>(x) * shift<-1>(v));
        return where(index() < dim() - 1, ahead, real(0)) + where(index() > 0, behind, real(0));
    }
    template <class Now>
    HD auto hessian_diagonal(const Vec& x, const Now&) const {
        auto ahead = (real(12) * (x * x) - real(4) * shift<1>(x)) * b + real(2);
        return where(index() < dim() - 1, ahead, real(0)) + where(index() > 0, real(2) * b, real(0));
    }
};
