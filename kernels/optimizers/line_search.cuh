// The line search is written by hand: a loop over trials that stays rolled, and ends where all instances have found their rate.
#pragma once
#include "base.cuh"

template <int trials>
struct Armijo {
    number c, shrink;
    enum Column { lr, columns };
    using State = Stateless;
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, State&, const Now& now) const {
        Vec g = gradient(x);
        scalar before = gradient.value(x), square = dot(g, g);
        scalar rate = broadcast(real(1)) * now[lr];
        scalar taken = broadcast(real(0));
        ROLLED for (int k = 0; k < trials; ++k) {
            Vec y = gradient.project(x - rate * g);
            scalar value = gradient.value(y);
            mask enough = as_mask(taken == real(0)) & as_mask(value <= before - (c * rate) * square);
            taken = where(enough, rate, taken);
            if (!any(as_mask(taken == real(0)))) break;
            rate = shrink * rate;
        }
        return x - taken * g;
    }
};
