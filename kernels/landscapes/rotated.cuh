// Not derived: the butterflies and reflections of a rotation go over an array of numbers that depends on the dimension.
#pragma once
#include "../base/rotations.cuh"
#include "base.cuh"

// base(R x), R orthogonal
template <class Base>
struct Rotated : NoConstraint<Rotated<Base>> {
    Base base;
    Array frame;
    enum Column { columns = Base::columns };
    CALLED Vec turned(const Vec& x) const {
        Vec y = x;
        rotate(y, frame);
        return y;
    }
    template <class Now>
    HD scalar value(const Vec& x, const Now& now) const {
        Vec y = turned(x);
        return base.value(y, now);
    }
    template <class Now>
    CALLED Vec gradient(const Vec& x, const Now& now) const {
        Vec g, y = turned(x);
        g = base.gradient(y, now);
        rotate_back(g, frame);
        return g;
    }
    template <class Now>
    CALLED Vec hessian_product(const Vec& x, const Vec& v, const Now& now) const {
        Vec product, y = turned(x), direction = turned(v);
        product = base.hessian_product(y, direction, now);
        rotate_back(product, frame);
        return product;
    }
    template <class Now>
    CALLED Vec hessian_diagonal(const Vec& x, const Now& now) const {
        Vec diagonal = zero(), y = turned(x);
        ROLLED for (int i = 0; i < dim(); ++i) {
            Vec e = where(index() == i, real(1), real(0));
            rotate(e, frame);
            Vec product = base.hessian_product(y, e, now);
            scalar own = dot(e, product);
            diagonal = where(index() == i, own, diagonal);
        }
        return diagonal;
    }
};
