// What landscapes share: no constraint, arrays of parameters, and elementary functions of whole vectors.
//
// A function that returns a Vec declares it before all others: on the CPU they are taken from an arena like a stack, and
// one that is still needed keeps those below it.
#pragma once
#include "../base/arrays.cuh"
#include "../base/calls.cuh"
#include "../elementary.cuh"

// No constraint: the projection is the identity. A landscape on a set declares its own project(), which returns an
// expression (or a Vec) for the point of the set nearest to the one given. A landscape that wraps another derives from
// NoConstraint of itself: two empty bases of one type would have to lie at two addresses.
template <class Of>
struct NoConstraint {
    template <class E, class Now>
    HD auto project(E&& x, const Now&) const {
        return make_operand<E>(static_cast<E&&>(x));
    }
};
struct Unconstrained : NoConstraint<void> {};

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

HD Same<real> zero() { return Same<real>(real(0)); }
