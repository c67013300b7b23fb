// Events that are written by hand. check() is asked after each update; it returns a label, 0 where nothing holds.
#pragma once
#include "base/arrays.cuh"
#include "random.cuh"

// By hand, since the loop knows it by its name and asks nothing.
struct Never {
    enum Column { columns };
    template <class Landscape, class Now>
    HD integer check(const Vec&, const Landscape&, const Now&) const {
        return where(as_mask(false), integer_of(1), integer_of(0));
    }
};

// By hand, since its loop over any number of wells stays rolled. minima is (wells, dim); the label is the first that is near, from 1.
template <int wells>
struct NearMinimum {
    Array minima;
    number radius;
    number scale, radius_squared;
    enum Column { columns };
    template <class Landscape, class Now>
    HD integer check(const Vec& x, const Landscape&, const Now&) const {
        integer label = integer_of(0);
        ROLLED for (int k = wells - 1; k >= 0; --k) {
            auto away = scale * x - scale * minima.row(k);
            label = where(sum(away * away) <= radius_squared, integer_of(k + 1), label);
        }
        return label;
    }
};

// By hand, since its loops stay rolled, and a branch spares most steps the search for the lowest curvature.
template <int iterations>
struct SecondOrderStationary {
    number eps, rho;
    number scale, eps_squared, level;
    enum Column { columns };
    // A direction of unit length; where there is none, v as it is.
    HD static Vec unit(Vec& v) {
        Length l = rescale(v);
        return v / where(l.size > real(0), l.size, broadcast(real(1)));
    }
    // The Rayleigh quotient after power steps on the Hessian, for its size, and on size - Hessian, for its lower end.
    template <class Landscape, class Now>
    HD scalar lowest(const Vec& x, const Landscape& landscape, const Now& now) const {
        Random fixed = now.random;  // the same probe at every step
        fixed.step = 0;
        Vec v = Normals(fixed, PROBE);
        v = v / length_of_direction(v);
        Vec h = landscape.hessian_product(x, v, now);
        scalar size = length(h);
        ROLLED for (int k = 0; k < iterations; ++k) {
            h = unit(h);
            Vec next = landscape.hessian_product(x, h, now);
            h = next;
            scalar found = length(h);
            size = where(found > size, found, size);
        }
        ROLLED for (int k = 0; k < iterations; ++k) {
            Vec product = landscape.hessian_product(x, v, now);
            Vec next = size * v - product;
            v = unit(next);
        }
        Vec product = landscape.hessian_product(x, v, now);
        return dot(v, product);
    }
    template <class Landscape, class Now>
    HD integer check(const Vec& x, const Landscape& landscape, const Now& now) const {
        Vec g = scale * landscape.gradient(x, now);
        mask flat = as_mask(dot(g, g) <= eps_squared);
        integer label = integer_of(0);
        if (any(flat)) label = where(flat & as_mask(lowest(x, landscape, now) >= level), integer_of(1), integer_of(0));
        return label;
    }
};
