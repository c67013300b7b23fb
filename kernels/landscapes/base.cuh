// What landscapes share: no constraint, arrays of parameters, and elementary functions of whole vectors.
#pragma once
#include "../base.cuh"
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
ELEMENTWISE_FUNCTION(sin, SinOf, elementary::sin(broadcast(a)))
ELEMENTWISE_FUNCTION(cos, CosOf, elementary::cos(broadcast(a)))
ELEMENTWISE_FUNCTION(tanh, TanhOf, elementary::tanh(broadcast(a)))

// One number for each coordinate, from numbers that nobody padded.
struct Slice : Expression {
    static constexpr bool pointwise = true;
    const real* numbers;
    HD Slice(const real* numbers_) : numbers(numbers_) {}
    HD Quad<real> at(int j) const {
        Quad<real> r;
        EACH_COORDINATE r.c[c] = is_coordinate(j, c) ? numbers[block_width * block_of(j) + c] : real(0);
        return r;
    }
};
// Numbers of any shape in C order, the same for every configuration.
struct Array {
#if !ENSEMBLE_DEVICE && ENSEMBLE_MIXED
    const real* numbers[width];
    HD const real* data() const { return numbers[0]; }
#else
    const real* numbers;
    HD const real* data() const { return numbers; }
#endif
    HD real operator[](int i) const { return data()[i]; }
    HD Slice row(int i) const { return Slice(data() + (long long)i * dim()); }  // of an array (rows, dim)
};
HD Same<real> zero() { return Same<real>(real(0)); }
