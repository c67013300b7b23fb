#pragma once
#include "base.cuh"

// (x^2 + y - 11)^2 + (x + y^2 - 7)^2
struct Himmelblau : Unconstrained {
    enum Column { columns };
    struct Terms {
        scalar a, b, u, w;
        HD Terms(const Vec& x) : a(at(x, 0)), b(at(x, 1)), u(a * a + b - real(11)), w(a + b * b - real(7)) {}
        HD scalar first() const { return real(8) * (a * a) + real(4) * u + real(2); }
        HD scalar second() const { return real(8) * (b * b) + real(4) * w + real(2); }
    };
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        Terms t(x);
        return t.u * t.u + t.w * t.w;
    }
    template <class Now>
    HD auto gradient(const Vec& x, const Now&) const {
        Terms t(x);
        return where(index() < 1, real(4) * (t.a * t.u) + real(2) * t.w, real(2) * t.u + real(4) * (t.b * t.w));
    }
    template <class Now>
    HD auto hessian_product(const Vec& x, const Vec& v, const Now&) const {
        Terms t(x);
        scalar p = at(v, 0), q = at(v, 1), cross = real(4) * (t.a + t.b);
        return where(index() < 1, t.first() * p + cross * q, cross * p + t.second() * q);
    }
    template <class Now>
    HD auto hessian_diagonal(const Vec& x, const Now&) const {
        Terms t(x);
        return where(index() < 1, t.first(), t.second());
    }
};

// (1.5 - x + x y)^2 + (2.25 - x + x y^2)^2 + (2.625 - x + x y^3)^2
struct Beale : Unconstrained {
    enum Column { columns };
    struct Terms {
        scalar a, b, square, d1, d2, d3, t1, t2, t3;
        HD Terms(const Vec& x) : a(at(x, 0)), b(at(x, 1)) {
            square = b * b;
            d1 = real(1) - b, d2 = real(1) - square, d3 = real(1) - square * b;
            t1 = real(1.5) - a * d1, t2 = real(2.25) - a * d2, t3 = real(2.625) - a * d3;
        }
        HD scalar turn() const { return t1 + real(2) * (b * t2) + real(3) * (square * t3); }
        HD scalar first() const { return real(2) * (d1 * d1 + d2 * d2 + d3 * d3); }
        HD scalar second() const {
            scalar bend =
                a * (real(1) + real(4) * square + real(9) * (square * square)) + real(2) * t2 + real(6) * (b * t3);
            return real(2) * (a * bend);
        }
        HD scalar cross() const {
            return real(2) * turn() - real(2) * (a * (d1 + real(2) * (b * d2) + real(3) * (square * d3)));
        }
    };
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        Terms t(x);
        return t.t1 * t.t1 + t.t2 * t.t2 + t.t3 * t.t3;
    }
    template <class Now>
    HD auto gradient(const Vec& x, const Now&) const {
        Terms t(x);
        return where(index() < 1, real(-2) * (t.t1 * t.d1 + t.t2 * t.d2 + t.t3 * t.d3), real(2) * (t.a * t.turn()));
    }
    template <class Now>
    HD auto hessian_product(const Vec& x, const Vec& v, const Now&) const {
        Terms t(x);
        scalar p = at(v, 0), q = at(v, 1), cross = t.cross();
        return where(index() < 1, t.first() * p + cross * q, cross * p + t.second() * q);
    }
    template <class Now>
    HD auto hessian_diagonal(const Vec& x, const Now&) const {
        Terms t(x);
        return where(index() < 1, t.first(), t.second());
    }
};

// (x + 2 y - 7)^2 + (2 x + y - 5)^2
struct Booth : Unconstrained {
    enum Column { columns };
    struct Terms {
        scalar u, w;
        HD Terms(const Vec& x) {
            scalar a = at(x, 0), b = at(x, 1);
            u = a + real(2) * b - real(7), w = real(2) * a + b - real(5);
        }
    };
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        Terms t(x);
        return t.u * t.u + t.w * t.w;
    }
    template <class Now>
    HD auto gradient(const Vec& x, const Now&) const {
        Terms t(x);
        return where(index() < 1, real(2) * t.u + real(4) * t.w, real(4) * t.u + real(2) * t.w);
    }
    template <class Now>
    HD auto hessian_product(const Vec&, const Vec& v, const Now&) const {
        scalar p = at(v, 0), q = at(v, 1);
        return where(index() < 1, real(10) * p + real(8) * q, real(8) * p + real(10) * q);
    }
    template <class Now>
    HD auto hessian_diagonal(const Vec&, const Now&) const {
        return Same<real>(real(10));
    }
};
