// Not derived: a gradient outside of a step has no draws and is the mean, which the struct tells from what `now` holds.
#pragma once
#include "../random.cuh"
#include "base.cuh"

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
        return larger(smaller(static_cast<E&&>(x), real(1)), real(-1));
    }
};

// The same losses in random order: C sum x with the probability given, else -small sum x. Each instance draws for itself,
// once a step; looked at without a step's randomness, the mean.
struct StochasticLinear {
    number C, small, probability;
    number mean;
    enum Column { columns };
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        return mean * sum(x);
    }
    template <class Now>
    HD auto gradient(const Vec&, const Now& now) const {
        return make_operand(slope(now, 0));
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
        return larger(smaller(static_cast<E&&>(x), real(1)), real(-1));
    }

private:
    template <class Now, class = decltype(((const Now*)0)->random)>
    HD scalar slope(const Now& now, int) const {
        return where(uniform_of_instance(now.random, MINIBATCH) < probability, broadcast(C), broadcast(-small));
    }
    template <class Now>
    HD scalar slope(const Now&, ...) const {
        return broadcast(mean);
    }
};
