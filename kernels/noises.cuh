// Gradient noise: the twins of ensemble/noises.py. apply() turns the exact gradient at y into what the optimizer sees;
// every call within one step sees the same draw.
#pragma once
#include "random.cuh"

struct NoNoise {
    enum Column { columns };
    template <class G, class Landscape, class Now>
    HD auto apply(const Vec&, G&& gradient, const Landscape&, const Now&) const {
        return make_operand<G>(static_cast<G&&>(gradient));
    }
};

struct Gaussian {
    number sigma;
    enum Column { columns };
    template <class G, class Landscape, class Now>
    HD auto apply(const Vec&, G&& gradient, const Landscape&, const Now& now) const {
        return static_cast<G&&>(gradient) + sigma * Normals(now.random, NOISE);
    }
};
