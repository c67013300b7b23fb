#pragma once
#include "../base/products.cuh"
#include "base.cuh"

constexpr real pi = real(3.141592653589793);
constexpr real two_pi = real(6.283185307179586);

// A dim + sum x^2 - A cos(2 pi x)
struct Rastrigin : Unconstrained {
    number A;
    enum Column { columns };
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        return sum(x * x + A * (real(1) - cos(two_pi * x)));
    }
    template <class Now>
    HD auto gradient(const Vec& x, const Now&) const {
        return real(2) * x + (two_pi * A) * sin(two_pi * x);
    }
    template <class Now>
    HD auto hessian_diagonal(const Vec& x, const Now&) const {
        return real(2) + (real(39.47841760435743) * A) * cos(two_pi * x);
    }
    template <class Now>
    HD auto hessian_product(const Vec& x, const Vec& v, const Now& now) const {
        return hessian_diagonal(x, now) * v;
    }
};

// -a exp(-b |x| / sqrt(dim)) - exp(mean cos(c x)) + a + e
struct Ackley : Unconstrained {
    number a, b, c;
    enum Column { columns };
    HD real size() const { return real(dim()); }
    struct Cone {
        scalar r, tall, pull;
    };
    HD Cone cone(const Vec& x) const {
        scalar r = square_root(quotient(sum(x * x), size()));
        scalar tall = a * elementary::exp(-b * r);
        return {r, tall, where(r > real(0), tall * b / (size() * r), broadcast(real(0)))};
    }
    HD scalar egg_box(const Vec& x) const { return elementary::exp(quotient(sum(cos(c * x)), size())); }
    struct Bends {
        scalar pull, bend, egg;
    };
    HD Bends bends(const Vec& x) const {
        Cone k = cone(x);
        scalar bend = where(k.r > real(0), k.pull * (b + real(1) / k.r) / (size() * k.r), broadcast(real(0)));
        return {k.pull, bend, quotient(egg_box(x) * c, size())};
    }
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        return a - cone(x).tall + (real(2.718281828459045) - egg_box(x));
    }
    template <class Now>
    HD auto gradient(const Vec& x, const Now&) const {
        return cone(x).pull * x + quotient(egg_box(x) * c, size()) * sin(c * x);
    }
    template <class Now>
    HD auto hessian_product(const Vec& x, const Vec& v, const Now&) const {
        Bends k = bends(x);
        auto cosine = cos(c * x);
        auto sine = sin(c * x);
        scalar along = sum(x * v), across = sum(sine * v);
        auto cone = k.pull * v - (k.bend * along) * x;
        return cone + (k.egg * c) * (cosine * v) - (quotient(k.egg * c, size()) * across) * sine;
    }
    template <class Now>
    HD auto hessian_diagonal(const Vec& x, const Now&) const {
        Bends k = bends(x);
        auto cosine = cos(c * x);
        auto sine = sin(c * x);
        return k.pull - k.bend * (x * x) + (k.egg * c) * cosine - quotient(k.egg * c, size()) * (sine * sine);
    }
};

// 1 + sum x^2 / 4000 - prod cos(x_k / sqrt(k)), k = 1, 2, ...
struct Griewank : Unconstrained {
    enum Column { columns };
    HD auto root() const { return sqrt(index() * real(1) + real(1)); }
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        return real(1) + quotient(sum(x * x), real(4000)) - product(cos(x / root()));
    }
    template <class Now>
    CALLED Vec gradient(const Vec& x, const Now&) const {
        Vec result, cosine = cos(x / root());
        others(cosine, result);
        result = x / real(2000) + result * sin(x / root()) / root();
        return result;
    }
    template <class Now>
    CALLED Vec hessian_product(const Vec& x, const Vec& v, const Now&) const {
        auto turn = v / root();
        Vec rest, change, cosine = cos(x / root()), sine = sin(x / root()), slope = -sine * turn;
        others(cosine, slope, rest, change);
        rest = v / real(2000) + (change * sine + rest * (cosine * turn)) / root();
        return rest;
    }
    template <class Now>
    CALLED Vec hessian_diagonal(const Vec& x, const Now&) const {
        Vec rest, cosine = cos(x / root());
        others(cosine, rest);
        rest = real(1) / real(2000) + rest * cosine / (root() * root());
        return rest;
    }
};

// 1/2 sum x^4 - 16 x^2 + 5 x
struct StyblinskiTang : Unconstrained {
    enum Column { columns };
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        auto square = x * x;
        return sum(real(0.5) * (square * (square - real(16)) + real(5) * x));
    }
    template <class Now>
    HD auto gradient(const Vec& x, const Now&) const {
        return x * (real(2) * (x * x) - real(16)) + real(2.5);
    }
    template <class Now>
    HD auto hessian_diagonal(const Vec& x, const Now&) const {
        return real(6) * (x * x) - real(16);
    }
    template <class Now>
    HD auto hessian_product(const Vec& x, const Vec& v, const Now& now) const {
        return hessian_diagonal(x, now) * v;
    }
};

// sin^2(pi w_0) + sum_k (w_k - 1)^2 (1 + height sin^2(angle)), w = 1 + (x - 1)/4: height 10 and angle pi w + 1, but 1 and
// 2 pi w for the last coordinate
struct Levy : Unconstrained {
    enum Column { columns };
    HD auto is_last() const { return index() == dim() - 1; }
    HD auto rise(const Vec& x) const { return real(0.25) * (x - real(1)); }
    HD auto height() const { return where(is_last(), real(1), real(10)); }
    HD auto rate() const { return where(is_last(), real(2), real(1)); }
    HD Vec angle(const Vec& x) const {
        return (pi * rate()) * (real(1) + rise(x)) + where(is_last(), real(0), real(1));
    }
    HD scalar first(const Vec& x) const { return real(1) + real(0.25) * (at(x, 0) - real(1)); }
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        Vec phase = angle(x), s = sin(phase);
        scalar head = elementary::sin(pi * first(x));
        return sum(where(index() < 1, head * head, real(0)) + (rise(x) * rise(x)) * (real(1) + height() * (s * s)));
    }
    template <class Now>
    CALLED Vec gradient(const Vec& x, const Now&) const {
        Vec result, phase = angle(x), s = sin(phase), c = cos(phase);
        scalar head = (real(0.25) * pi) * elementary::sin(two_pi * first(x));
        auto slope = real(2) * rise(x) * (real(1) + height() * (s * s)) +
                     (two_pi * (height() * rate())) * (rise(x) * rise(x)) * (s * c);
        result = where(index() < 1, head, real(0)) + real(0.25) * slope;
        return result;
    }
    template <class Now>
    CALLED Vec hessian_diagonal(const Vec& x, const Now&) const {
        Vec result, phase = angle(x), s = sin(phase), c = cos(phase);
        scalar head = real(1.2337005501361697) * elementary::cos(two_pi * first(x));
        auto turn = pi * rate();
        auto bend = real(2) * (real(1) + height() * (s * s)) + (real(8) * (height() * turn)) * rise(x) * (s * c);
        auto whole = bend + (real(2) * (height() * turn * turn)) * (rise(x) * rise(x)) * (c * c - s * s);
        result = where(index() < 1, head, real(0)) + real(0.0625) * whole;
        return result;
    }
    template <class Now>
    CALLED Vec hessian_product(const Vec& x, const Vec& v, const Now& now) const {
        Vec result = hessian_diagonal(x, now);
        result = result * v;
        return result;
    }
};

// 418.98... dim - sum x sin(sqrt(|x|))
struct Schwefel : Unconstrained {
    enum Column { columns };
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        return sum(real(418.9828872724337) - x * sin(sqrt(abs(x))));
    }
    template <class Now>
    HD auto gradient(const Vec& x, const Now&) const {
        auto r = sqrt(abs(x));
        return -sin(r) - real(0.5) * (r * cos(r));
    }
    template <class Now>
    HD auto hessian_diagonal(const Vec& x, const Now&) const {
        auto r = sqrt(abs(x));
        auto bend = (r * sin(r) - real(3) * cos(r)) / (real(4) * r);
        return where(x > real(0), bend, where(x < real(0), -bend, real(0)));
    }
    template <class Now>
    HD auto hessian_product(const Vec& x, const Vec& v, const Now& now) const {
        return hessian_diagonal(x, now) * v;
    }
};
