#pragma once
#include "../base/rotations.cuh"
#include "base.cuh"

// base(R x), R orthogonal; signs is (mixing_passes() + 1, dim)
template <class Base>
struct Rotated : NoConstraint<Rotated<Base>> {
    Base base;
    Array signs;
    enum Column { columns = Base::columns };
    HD Vec turned(const Vec& x) const {
        Vec y = x;
        rotate(y, [&](int p) { return signs.row(p); });
        return y;
    }
    HD void turn_back(Vec& y) const {
        rotate_back(y, [&](int p) { return signs.row(p); });
    }
    template <class Now>
    HD scalar value(const Vec& x, const Now& now) const {
        Vec y = turned(x);
        return base.value(y, now);
    }
    template <class Now>
    HD Vec gradient(const Vec& x, const Now& now) const {
        Vec y = turned(x);
        Vec g = base.gradient(y, now);
        turn_back(g);
        return g;
    }
    template <class Now>
    HD Vec hessian_product(const Vec& x, const Vec& v, const Now& now) const {
        Vec y = turned(x), direction = turned(v);
        Vec product = base.hessian_product(y, direction, now);
        turn_back(product);
        return product;
    }
    template <class Now>
    HD Vec hessian_diagonal(const Vec& x, const Now& now) const {
        Vec diagonal = zero(), y = turned(x);
        ROLLED for (int i = 0; i < dim(); ++i) {
            Vec e = where(index() == i, real(1), real(0));
            rotate(e, [&](int p) { return signs.row(p); });
            Vec product = base.hessian_product(y, e, now);
            scalar own = dot(e, product);
            diagonal = where(index() == i, own, diagonal);
        }
        return diagonal;
    }
};
