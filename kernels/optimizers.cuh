// Optimizers: the twins of ensemble/optimizers.py, fields in the same order. step() returns the new iterate.
// `gradient` is a function of a Vec; now[lr] is the scheduled rate, other columns are the part's own tables.
// A step that uses a local Vec in its result returns Vec; an expression of x and the state may return auto.
#pragma once
#include "random.cuh"

struct GradientDescent {
    enum Column { lr, columns };
    struct State {
        template <class Visit>
        HD void each(Visit&&) {}
    };
    template <class Gradient, class Now>
    HD auto step(const Vec& x, const Gradient& gradient, State&, const Now& now) const {
        return x - now[lr] * gradient(x);
    }
};

struct HeavyBall {
    number beta;
    enum Column { lr, columns };
    struct State {
        Vec v;
        template <class Visit>
        HD void each(Visit&& visit) {
            visit(v);
        }
    };
    template <class Gradient, class Now>
    HD auto step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        s.v = beta * s.v - now[lr] * gradient(x);
        return x + s.v;
    }
};

struct Nesterov {
    number beta;
    enum Column { lr, columns };
    struct State {
        Vec v;
        template <class Visit>
        HD void each(Visit&& visit) {
            visit(v);
        }
    };
    template <class Gradient, class Now>
    HD auto step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        Vec ahead = x + beta * s.v;
        s.v = beta * s.v - now[lr] * gradient(ahead);
        return x + s.v;
    }
};

struct Adam {
    number beta1, beta2, eps;
    number gain1, gain2;
    enum Column { lr, correction1, correction2, columns };
    struct State {
        Vec m, v;
        template <class Visit>
        HD void each(Visit&& visit) {
            visit(m);
            visit(v);
        }
    };
    template <class Gradient, class Now>
    HD auto step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        Vec g = gradient(x);
        s.m = beta1 * s.m + gain1 * g;
        s.v = beta2 * s.v + gain2 * (g * g);
        return x - (now[lr] * now[correction1]) * s.m / (sqrt(now[correction2] * s.v) + eps);
    }
};

// A point drawn uniformly from the ball around 0: a normal direction, a radius by the d-th root of a uniform.
template <class Now>
HD Vec ball_of(const Now& now, Stream stream, const number& radius) {
    Vec z = Normals(now.random, stream);
    scalar u = uniform_of_instance(now.random, stream);
    scalar length = radius * elementary::pow(u, broadcast(real(1) / real(dim())));
    return (length / square_root(dot(z, z))) * z;
}

struct PerturbedGD {
    number radius, g_thres, t_thres;
    number g_thres_squared;
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
        mask kick = (dot(g, g) <= g_thres_squared) & (s.quiet_until < integer_of(now.t));
        if (any(kick)) {
            Vec y = where(kick, x + ball_of(now, PERTURBATION, radius), x);
            s.quiet_until = where(kick, to_integer(t_thres) + integer_of(now.t), s.quiet_until);
            g = gradient(y);
            return y - now[lr] * g;
        }
        return x - now[lr] * g;
    }
};
