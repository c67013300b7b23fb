// What every landscape inherits.
#pragma once
#include "../base.cuh"

// No constraint: the projection is the identity. A landscape on a set declares its own project(), which returns an
// expression (or a Vec) for the point of the set nearest to the one given.
struct Unconstrained {
    template <class E, class Now>
    HD auto project(E&& x, const Now&) const {
        return make_operand<E>(static_cast<E&&>(x));
    }
};
