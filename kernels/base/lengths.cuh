// Euclidean lengths, also of vectors whose squares are too large or too small for the format.
#pragma once
#include "reductions.cuh"

// A sum of squares from `least_square` on is right to rounding in any dimension, whichever of its terms have vanished. Below,
// or where it has overflowed, it is taken again of v times a power of two, which rounds nothing: lengths keep their bits.
#if ENSEMBLE_DOUBLE
constexpr real least_square = real(0x1p-900), most_square = real(0x1.fffffffffffffp+1023);
constexpr real magnified = real(0x1p+700), reduced = real(0x1p-700);
#else
constexpr real least_square = real(0x1p-74), most_square = real(0x1.fffffep+127);
constexpr real magnified = real(0x1p+96), reduced = real(0x1p-96);
#endif

// Whether a branch is taken for any instance that should hardly ever be. The device's instruction marks its code for those who
// count what a step costs (tests/counting.py).
HD bool seldom(bool taken) {
#if defined(__CUDACC__)
    if (__builtin_expect(taken, 0)) asm volatile("nanosleep.u32 0;");
#endif
    return __builtin_expect(taken, 0);
}
HD mask has_no_length(const scalar& square) { return as_mask(!((square >= least_square) & (square <= most_square))); }
struct Rescaling {
    scalar by, back;  // powers of two, 1 where none is needed
    HD explicit Rescaling(const scalar& square) {
        mask needed = has_no_length(square);
        scalar one = broadcast(real(1));
        by = where(needed, where(square > real(1), broadcast(reduced), broadcast(magnified)), one);
        back = where(needed, where(square > real(1), broadcast(magnified), broadcast(reduced)), one);
    }
};
// |v| is `size` times `unit`.
struct Length {
    scalar size, unit;
    HD scalar value() const { return size * unit; }
};
// Divides v by its length's unit, 1 but where its squares need another. NaN and infinity stay what they are.
HD Length rescale(Vec& v) {
    scalar square = dot(v, v), unit = broadcast(real(1));
    if (seldom(any(has_no_length(square)))) {
        Rescaling scale(square);
        v = scale.by * v;
        square = dot(v, v);
        unit = scale.back;
    }
    return {square_root(square), unit};
}
template <class E>
HD scalar length(const E& e) {
    scalar square = sum(e * e), unit = broadcast(real(1));
    if (seldom(any(has_no_length(square)))) {
        Rescaling scale(square);
        square = sum((scale.by * e) * (scale.by * e));
        unit = scale.back;
    }
    return square_root(square) * unit;
}
HD scalar one_signed_like(const scalar& a) {
    constexpr int top = 8 * int(sizeof(real)) - 1;
    return from_bits(bits(broadcast(real(1))) | ((bits(a) >> top) << top));
}
ELEMENTWISE_FUNCTION(signed_ones, SignedOnes, one_signed_like(broadcast(a)))
// The length of normals v, whose squares never vanish; where they are 0, v becomes the direction of their signs.
HD scalar length_of_direction(Vec& v) {
    scalar square = dot(v, v);
    mask still = as_mask(square == real(0));
    v = where(still, signed_ones(v), v);
    return square_root(where(still, broadcast(real(dim())), square));
}
