// Perturbed descent is written by hand: a branch spares all but a few steps the kick and its second gradient.
#pragma once
#include "base.cuh"

// A point drawn uniformly from the ball around 0: a normal direction, a radius by the d-th root of a uniform.
template <class Now>
HD Vec ball_of(const Now& now, Stream stream, const number& radius) {
    Vec z = Normals(now.random, stream);
    scalar u = uniform_of_instance(now.random, stream);
    scalar length = radius * elementary::pow(u, broadcast(real(1) / real(dim())));
    scalar share = length / length_of_direction(z);
    return share * z;
}

constexpr int last_step = 2147483647;  // no run has so many steps
struct PerturbedGD {
    number radius, g_thres, t_thres;
    number g_scale, g_thres_squared;
    enum Column { lr, columns };
    struct State {
        integer quiet_until;  // the last step at which no perturbation may happen
        template <class Visit>
        HD void each(Visit&& visit) {
            visit(quiet_until);
        }
    };
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        Vec g = gradient(x);
        auto scaled = g_scale * g;
        mask kick = as_mask(sum(scaled * scaled) <= g_thres_squared) & (s.quiet_until < integer_of(now.t));
        if (any(kick)) {
            Vec y = where(kick, x + ball_of(now, PERTURBATION, radius), x);
            integer last = integer_of(now.t), room = integer_of(last_step - now.t), wait = to_integer(t_thres);
            s.quiet_until = where(kick, where(wait > room, room, wait) + last, s.quiet_until);
            g = gradient(y);
            return y - now[lr] * g;
        }
        return x - now[lr] * g;
    }
};
