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

// x^3 - 3 x y^2 + confinement/4 (x^2 + y^2)^2
struct MonkeySaddle : Unconstrained {
    number confinement;
    enum Column { columns };
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        scalar a = at(x, 0), b = at(x, 1);
        scalar square = a * a + b * b;
        return a * (a * a - real(3) * (b * b)) + (real(0.25) * confinement) * (square * square);
    }
    template <class Now>
    HD auto gradient(const Vec& x, const Now&) const {
        scalar a = at(x, 0), b = at(x, 1);
        scalar pull = confinement * (a * a + b * b);
        return where(index() < 1, real(3) * (a * a - b * b) + pull * a, pull * b - real(6) * (a * b));
    }
    template <class Now>
    HD auto hessian_product(const Vec& x, const Vec& v, const Now&) const {
        scalar a = at(x, 0), b = at(x, 1), p = at(v, 0), q = at(v, 1);
        scalar pull = confinement * (a * a + b * b), along = (real(2) * confinement) * (a * p + b * q);
        return where(index() < 1, real(6) * (a * p - b * q) + pull * p + along * a,
                     pull * q + along * b - real(6) * (b * p + a * q));
    }
    template <class Now>
    HD auto hessian_diagonal(const Vec& x, const Now&) const {
        scalar a = at(x, 0), b = at(x, 1);
        scalar pull = confinement * (a * a + b * b);
        return where(index() < 1, real(6) * a + pull + (real(2) * confinement) * (a * a),
                     pull + (real(2) * confinement) * (b * b) - real(6) * a);
    }
};

// -x_0^4/4 + confinement x_0^6/6 + stiffness/2 sum_{k>=1} x_k^2
struct DegenerateSaddle : Unconstrained {
    number stiffness, confinement;
    enum Column { columns };
    HD auto curvature(const Vec& x) const {
        auto square = x * x;
        return ((real(5) * confinement) * square - real(3)) * square;
    }
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        auto square = x * x;
        auto first = (square * square) * (quotient(confinement, real(6)) * square - real(0.25));
        return sum(where(index() < 1, first, (real(0.5) * stiffness) * square));
    }
    template <class Now>
    HD auto gradient(const Vec& x, const Now&) const {
        auto square = x * x;
        return where(index() < 1, (confinement * square - real(1)) * (square * x), stiffness * x);
    }
    template <class Now>
    HD auto hessian_product(const Vec& x, const Vec& v, const Now&) const {
        return where(index() < 1, curvature(x) * v, stiffness * v);
    }
    template <class Now>
    HD auto hessian_diagonal(const Vec& x, const Now&) const {
        return where(index() < 1, curvature(x), stiffness);
    }
};
