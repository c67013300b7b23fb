// Plain descent, momentum, and methods that explore: twins of ensemble/optimizers/descent.py.
#pragma once
#include "base.cuh"

struct GradientDescent {
    enum Column { lr, columns };
    using State = Stateless;
    template <class Gradient, class Now>
    HD auto step(const Vec& x, const Gradient& gradient, State&, const Now& now) const {
        return x - now[lr] * gradient(x);
    }
};

struct Velocity {
    Vec v;
    template <class Visit>
    HD void each(Visit&& visit) {
        visit(v);
    }
};

struct HeavyBall {
    number beta;
    enum Column { lr, columns };
    using State = Velocity;
    template <class Gradient, class Now>
    HD auto step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        s.v = beta * s.v - now[lr] * gradient(x);
        return x + s.v;
    }
};

struct Momentum {
    number beta;
    number gain;
    enum Column { lr, columns };
    using State = Velocity;
    template <class Gradient, class Now>
    HD auto step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        s.v = beta * s.v + gain * gradient(x);
        return x - now[lr] * s.v;
    }
};

template <int shifted>
struct Nesterov {
    number beta;
    enum Column { lr, columns };
    using State = Velocity;
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        if constexpr (shifted) {
            Vec g = gradient(x);
            s.v = beta * s.v + g;
            return x - now[lr] * (g + beta * s.v);
        } else {
            Vec ahead = x + beta * s.v;
            s.v = beta * s.v - now[lr] * gradient(ahead);
            return x + s.v;
        }
    }
};

struct SignSGD {
    enum Column { lr, columns };
    using State = Stateless;
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, State&, const Now& now) const {
        Vec g = gradient(x);
        return x - now[lr] * sign(g);
    }
};

struct Lion {
    number beta1, beta2, weight_decay;
    number gain1, gain2;
    enum Column { lr, columns };
    using State = Velocity;
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        Vec g = gradient(x);
        Vec direction = beta1 * s.v + gain1 * g;
        s.v = beta2 * s.v + gain2 * g;
        return (x - (now[lr] * weight_decay) * x) - now[lr] * sign(direction);
    }
};

struct SGLD {
    enum Column { lr, spread, columns };
    using State = Stateless;
    template <class Gradient, class Now>
    HD auto step(const Vec& x, const Gradient& gradient, State&, const Now& now) const {
        return (x - now[lr] * gradient(x)) + now[spread] * Normals(now.random, PERTURBATION);
    }
};

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
