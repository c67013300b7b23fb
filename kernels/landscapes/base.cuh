// What landscapes share: no constraint, and arrays of parameters.
//
// A function that returns a Vec declares it before all others: on the CPU they are taken from an arena like a stack, and
// one that is still needed keeps those below it.
#pragma once
#include "../base/arrays.cuh"
#include "../base/calls.cuh"
#include "../elementwise.cuh"

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

HD Same<real> zero() { return Same<real>(real(0)); }
