#pragma once
#include "base.cuh"

// NaN stays NaN, so that divergence is seen.
OPERATION(AtMost, where(a > b, broadcast(b), broadcast(a)))
OPERATION(AtLeast, where(a < b, broadcast(b), broadcast(a)))
ELEMENTWISE(at_most, AtMost)
ELEMENTWISE(at_least, AtLeast)

// C sum x where t mod period = 1, else -small sum x, on the box |x_k| <= 1
template <int period>
struct OnlineLinear {
    number C, small;
    enum Column { columns };
    template <class Now>
    HD number slope(const Now& now) const {
        return now.t % period == 1 ? C : -small;
    }
    template <class Now>
    HD scalar value(const Vec& x, const Now& now) const {
        return slope(now) * sum(x);
    }
    template <class Now>
    HD auto gradient(const Vec&, const Now& now) const {
        return make_operand(slope(now));
    }
    template <class Now>
    HD auto hessian_product(const Vec&, const Vec&, const Now&) const {
        return zero();
    }
    template <class Now>
    HD auto hessian_diagonal(const Vec&, const Now&) const {
        return zero();
    }
    template <class E, class Now>
    HD auto project(E&& x, const Now&) const {
        return at_least(at_most(static_cast<E&&>(x), real(1)), real(-1));
    }
};
