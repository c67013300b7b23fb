// Functions of whole vectors and of an instance's numbers, for parts whose text is derived from Python (ensemble/tracing).
#pragma once
#include "base/products.cuh"
#include "elementary.cuh"

ELEMENTWISE_FUNCTION(exp, ExpOf, elementary::exp(broadcast(a)))
ELEMENTWISE_FUNCTION(log, LogOf, elementary::log(broadcast(a)))
ELEMENTWISE_FUNCTION(tanh, TanhOf, elementary::tanh(broadcast(a)))

// Sines a number of quarter turns on. One branch for a block of coordinates: far arguments are rare, and dear.
template <int quarters, class A>
struct Sines : Expression {
    static constexpr bool pointwise = A::pointwise;
    A a;
    HD Sines(A&& a_) : a(static_cast<A&&>(a_)) {}
    HD Quad<scalar> at(int j) const {
        auto p = a.at(j);
        Quad<scalar> r;
        mask far = as_mask(false);
        EACH_COORDINATE {
            scalar x = broadcast(p.c[c]);
            r.c[c] = elementary::near_sine(x, quarters);
            far = far | elementary::is_far(x);
        }
        if (seldom(elementary::any_here(far)))
            EACH_COORDINATE r.c[c] = elementary::sin_quarters(broadcast(p.c[c]), quarters);
        return r;
    }
};
template <class A, typename enable_if<is_operand<A>>::type = 0>
HD auto sin(A&& a) {
    return Sines<0, operand<A>>(make_operand<A>(static_cast<A&&>(a)));
}
template <class A, typename enable_if<is_operand<A>>::type = 0>
HD auto cos(A&& a) {
    return Sines<1, operand<A>>(make_operand<A>(static_cast<A&&>(a)));
}

// a/b, where 0/0, which nothing but eps = 0 brings about, is taken as 0.
template <class A, class B>
HD auto ratio_of(const A& a, const B& b) {
    if constexpr (ENSEMBLE_NO_EPSILON) {
        return a / where(a == real(0), real(1), b);
    } else {
        return a / b;
    }
}
// What is 0 where it is undecided, a 0/0, which nothing but eps = 0 brings about.
template <class M, class A>
HD auto settled(M&& undecided, A&& value) {
    if constexpr (ENSEMBLE_NO_EPSILON) {
        return where(static_cast<M&&>(undecided), real(0), static_cast<A&&>(value));
    } else {
        return make_operand<A>(static_cast<A&&>(value));
    }
}

HD scalar ratio_of_scalars(const scalar& a, const scalar& b) {
    if constexpr (ENSEMBLE_NO_EPSILON) {
        return quotient(a, where(a == real(0), broadcast(real(1)), b));
    } else {
        return quotient(a, b);
    }
}

// As NumPy's maximum and minimum: NaN where one of the two is.
HD scalar maximum_of(const scalar& a, const scalar& b) { return where((a >= b) | (a != a), a, b); }
HD scalar minimum_of(const scalar& a, const scalar& b) { return where((a <= b) | (a != a), a, b); }
HD scalar larger_of(const scalar& a, const scalar& b) { return where(a < b, b, a); }
HD scalar smaller_of(const scalar& a, const scalar& b) { return where(a > b, b, a); }
OPERATION(MaximumOf, maximum_of(broadcast(a), broadcast(b)))
OPERATION(MinimumOf, minimum_of(broadcast(a), broadcast(b)))
OPERATION(PowerOf, elementary::pow(broadcast(a), broadcast(b)))
ELEMENTWISE(maximum, MaximumOf)
ELEMENTWISE(minimum, MinimumOf)
ELEMENTWISE(power, PowerOf)

// One value for every coordinate.
template <class T>
HD auto everywhere(const T& value) {
    return make_operand<const T&>(value);
}

// The product of all other coordinates, and how it changes as a changes along `slope`.
HD Vec others_of(const Vec& a) {
    Vec rest;
    others(a, rest);
    return rest;
}
HD Vec others_change_of(const Vec& a, const Vec& slope) {
    Vec change, rest;
    others(a, slope, rest, change);
    return change;
}
HD Vec butterfly_of(const Vec& a) {
    Vec r = a;
    butterfly(r);
    return r;
}
