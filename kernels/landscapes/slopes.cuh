#pragma once
#include "base.cuh"
#include "wells.cuh"

// -slope x_0 + (slope + wall) width log(1 + exp(x_0 / width)) + stiffness/2 sum_{k>=1} x_k^2
struct Cliff : Unconstrained {
    number slope, wall, width, stiffness;
    enum Column { columns };
    HD Profile profile(const Vec& x) const {
        scalar a = at(x, 0);
        scalar z = a / width;
        scalar e = elementary::exp(-absolute(z));
        scalar more = real(1) / (real(1) + e), less = e * more;
        number jump = slope + wall;
        auto uphill = z > real(0);
        scalar soft = where(uphill, z, broadcast(real(0))) + elementary::log(real(1) + e);
        return {jump * width * soft - slope * a, jump * where(uphill, more, less) - slope,
                jump / width * (more * less)};
    }
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        return value_with(profile(x), x, stiffness);
    }
    template <class Now>
    HD auto gradient(const Vec& x, const Now&) const {
        return gradient_with(profile(x), x, stiffness);
    }
    template <class Now>
    HD auto hessian_product(const Vec& x, const Vec& v, const Now&) const {
        return product_with(profile(x), v, stiffness);
    }
    template <class Now>
    HD auto hessian_diagonal(const Vec& x, const Now&) const {
        return diagonal_with(profile(x), stiffness);
    }
};

// height tanh(base(x) / height)
template <class Base>
struct Plateau : NoConstraint<Plateau<Base>> {
    Base base;
    number height;
    enum Column { columns = Base::columns };
    struct Level {
        scalar level, slope;
    };
    template <class Now>
    HD Level level_at(const Vec& x, const Now& now) const {
        scalar level = elementary::tanh(base.value(x, now) / height);
        return {level, real(1) - level * level};
    }
    template <class Now>
    HD scalar value(const Vec& x, const Now& now) const {
        return height * level_at(x, now).level;
    }
    template <class Now>
    HD auto gradient(const Vec& x, const Now& now) const {
        return level_at(x, now).slope * base.gradient(x, now);
    }
    template <class Now>
    CALLED Vec hessian_product(const Vec& x, const Vec& v, const Now& now) const {
        Level k = level_at(x, now);
        Vec result = base.hessian_product(x, v, now), g = base.gradient(x, now);
        scalar along = dot(g, v);
        result = k.slope * result - (real(2) * k.level * k.slope / height * along) * g;
        return result;
    }
    template <class Now>
    CALLED Vec hessian_diagonal(const Vec& x, const Now& now) const {
        Level k = level_at(x, now);
        Vec result = base.hessian_diagonal(x, now), g = base.gradient(x, now);
        result = k.slope * result - (real(2) * k.level * k.slope / height) * (g * g);
        return result;
    }
};

// sum x^2 + 3 sin^2 x
struct PolyakLojasiewicz : Unconstrained {
    enum Column { columns };
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        Vec s = sin(x);
        return sum(x * x + real(3) * (s * s));
    }
    template <class Now>
    HD auto gradient(const Vec& x, const Now&) const {
        return real(2) * x + real(3) * sin(real(2) * x);
    }
    template <class Now>
    HD auto hessian_diagonal(const Vec& x, const Now&) const {
        return real(2) + real(6) * cos(real(2) * x);
    }
    template <class Now>
    HD auto hessian_product(const Vec& x, const Vec& v, const Now& now) const {
        return hessian_diagonal(x, now) * v;
    }
};
