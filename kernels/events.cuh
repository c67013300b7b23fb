// Events: the twins of ensemble/events.py. check() is asked after each update; it returns a label, 0 where nothing holds.
#pragma once
#include "base/arrays.cuh"
#include "random.cuh"

struct Never {
    enum Column { columns };
    template <class Landscape, class Now>
    HD integer check(const Vec&, const Landscape&, const Now&) const {
        return where(as_mask(false), integer_of(1), integer_of(0));
    }
};

template <class Center>
struct LeftBall {
    number radius;
    Center center;
    number scale, radius_squared;
    enum Column { columns };
    template <class Landscape, class Now>
    HD integer check(const Vec& x, const Landscape&, const Now&) const {
        auto away = scale * x - scale * center;
        return where(sum(away * away) >= radius_squared, integer_of(1), integer_of(0));
    }
};

template <class Normal>
struct Crossed {
    Normal normal;
    number offset;
    enum Column { columns };
    template <class Landscape, class Now>
    HD integer check(const Vec& x, const Landscape&, const Now&) const {
        return where(dot(normal, x) >= offset, integer_of(1), integer_of(0));
    }
};

template <class Normal>
struct LeftSlab {
    Normal normal;
    number half_width;
    enum Column { columns };
    template <class Landscape, class Now>
    HD integer check(const Vec& x, const Landscape&, const Now&) const {
        return where(absolute(dot(normal, x)) >= half_width, integer_of(1), integer_of(0));
    }
};

struct Below {
    number value;
    enum Column { columns };
    template <class Landscape, class Now>
    HD integer check(const Vec& x, const Landscape& landscape, const Now& now) const {
        return where(landscape.value(x, now) <= value, integer_of(1), integer_of(0));
    }
};

// minima is (wells, dim); the label is the first that is near, from 1
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

struct GradientBelow {
    number eps;
    number scale, eps_squared;
    enum Column { columns };
    template <class Landscape, class Now>
    HD integer check(const Vec& x, const Landscape& landscape, const Now& now) const {
        Vec g = scale * landscape.gradient(x, now);
        return where(dot(g, g) <= eps_squared, integer_of(1), integer_of(0));
    }
};

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

// The label of the first; where there is none the second's, after the first's `labels`.
template <class First, class Second, int labels>
struct AnyOf {
    First first;
    Second second;
    enum Column { columns = int(First::columns) + int(Second::columns) };
    template <class Landscape, class Now>
    HD integer check(const Vec& x, const Landscape& landscape, const Now& now) const {
        integer a = first.check(x, landscape, now);
        integer b = second.check(x, landscape, now.template after<int(First::columns)>());
        return where(a != integer_of(0), a, where(b != integer_of(0), b + integer_of(labels), b));
    }
};

// The label of the first, where the second holds, too.
template <class First, class Second>
struct AllOf {
    First first;
    Second second;
    enum Column { columns = int(First::columns) + int(Second::columns) };
    template <class Landscape, class Now>
    HD integer check(const Vec& x, const Landscape& landscape, const Now& now) const {
        integer a = first.check(x, landscape, now);
        integer b = second.check(x, landscape, now.template after<int(First::columns)>());
        return where(b != integer_of(0), a, integer_of(0));
    }
};

// An event of the point that the optimizer reports.
template <class Inner>
struct Reported {
    Inner event;
    enum Column { columns = int(Inner::columns) };
    template <class Landscape, class Now>
    HD integer check(const Vec&, const Landscape& landscape, const Now& now) const {
        return event.check(now.shown, landscape, now);
    }
};
