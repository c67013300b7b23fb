// Methods that scale each coordinate by its own gradients: twins of ensemble/optimizers/adaptive.py.
#pragma once
#include "base.cuh"

// sqrt(v) + eps, or sqrt(v + eps): the two places where papers and libraries put epsilon.
template <int inside, class E, class N>
HD auto root(E&& v, const N& eps) {
    if constexpr (inside) {
        return sqrt(static_cast<E&&>(v) + eps);
    } else {
        return sqrt(static_cast<E&&>(v)) + eps;
    }
}

struct OneVector {
    Vec v;
    template <class Visit>
    HD void each(Visit&& visit) {
        visit(v);
    }
};
struct TwoVectors {
    Vec m, v;
    template <class Visit>
    HD void each(Visit&& visit) {
        visit(m);
        visit(v);
    }
};

template <int eps_inside_root>
struct AdaGrad {
    number eps;
    enum Column { lr, columns };
    using State = OneVector;
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        Vec g = gradient(x);
        s.v = s.v + g * g;
        return x - ratio_of(now[lr] * g, root<eps_inside_root>(s.v, eps));
    }
};

struct AdaGradRMS {
    number eps;
    enum Column { lr, share, columns };
    using State = OneVector;
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        Vec g = gradient(x);
        s.v = s.v + g * g;
        return x - ratio_of(now[lr] * g, sqrt(now[share] * s.v) + eps);
    }
};

template <int eps_inside_root>
struct RMSProp {
    number rho, eps;
    number gain;
    enum Column { lr, columns };
    using State = OneVector;
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        Vec g = gradient(x);
        s.v = rho * s.v + gain * (g * g);
        return x - ratio_of(now[lr] * g, root<eps_inside_root>(s.v, eps));
    }
};

template <int eps_inside_root>
struct RMSPropMomentum {
    number beta, rho, eps;
    number gain, square_gain;
    enum Column { lr, columns };
    using State = TwoVectors;
    template <class Gradient, class Now>
    HD auto step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        Vec g = gradient(x);
        s.m = beta * s.m + gain * g;
        s.v = rho * s.v + square_gain * (g * g);
        return x - ratio_of(now[lr] * s.m, root<eps_inside_root>(s.v, eps));
    }
};

struct Adadelta {
    number rho, eps;
    number gain;
    enum Column { lr, columns };
    struct State {
        Vec v, u;  // running squares of gradients and of updates
        template <class Visit>
        HD void each(Visit&& visit) {
            visit(v);
            visit(u);
        }
    };
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        Vec g = gradient(x);
        s.v = rho * s.v + gain * (g * g);
        Vec delta = (sqrt(s.u + eps) / sqrt(s.v + eps)) * g;
        if constexpr (ENSEMBLE_NO_EPSILON) {
            auto undecided = (s.v == real(0)) & ((s.u == real(0)) | (g == real(0)));
            delta = where(undecided, real(0), delta);
        }
        s.u = rho * s.u + gain * (delta * delta);
        return x - now[lr] * delta;
    }
};

// What is subtracted by Adam and its relatives: lr m / (sqrt(v) + eps), the moments corrected or as they are.
template <int eps_inside_root, int bias_correction, class P, class Now>
HD auto direction(const P& p, const Vec& m, const Vec& v, const Now& now) {
    if constexpr (bias_correction) {
        return ratio_of((now[P::lr] * now[P::correction1]) * m, root<eps_inside_root>(now[P::correction2] * v, p.eps));
    } else {
        return ratio_of(now[P::lr] * m, root<eps_inside_root>(v, p.eps));
    }
}

template <int eps_inside_root, int bias_correction>
struct Adam {
    number beta1, beta2, eps;
    number gain1, gain2;
    enum Column { lr, correction1, correction2, columns };
    using State = TwoVectors;
    template <class Gradient, class Now>
    HD auto step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        Vec g = gradient(x);
        s.m = beta1 * s.m + gain1 * g;
        s.v = beta2 * s.v + gain2 * (g * g);
        return x - direction<eps_inside_root, bias_correction>(*this, s.m, s.v, now);
    }
};

template <int bias_correction, int max_of_corrected>
struct AMSGrad {
    number beta1, beta2, eps;
    number gain1, gain2;
    enum Column { lr, correction1, correction2, columns };
    struct State {
        Vec m, v, vmax;
        template <class Visit>
        HD void each(Visit&& visit) {
            visit(m);
            visit(v);
            visit(vmax);
        }
    };
    template <class Gradient, class Now>
    HD auto step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        Vec g = gradient(x);
        s.m = beta1 * s.m + gain1 * g;
        s.v = beta2 * s.v + gain2 * (g * g);
        if constexpr (bias_correction && max_of_corrected) {
            s.vmax = larger(now[correction2] * s.v, s.vmax);
            return x - ratio_of((now[lr] * now[correction1]) * s.m, sqrt(s.vmax) + eps);
        } else {
            s.vmax = larger(s.v, s.vmax);
            return x - direction<0, bias_correction>(*this, s.m, s.vmax, now);
        }
    }
};

template <int bias_correction>
struct AdamL2 {
    number weight_decay, beta1, beta2, eps;
    number gain1, gain2;
    enum Column { lr, correction1, correction2, columns };
    using State = TwoVectors;
    template <class Gradient, class Now>
    HD auto step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        Vec g = gradient(x) + weight_decay * x;
        s.m = beta1 * s.m + gain1 * g;
        s.v = beta2 * s.v + gain2 * (g * g);
        return x - direction<0, bias_correction>(*this, s.m, s.v, now);
    }
};

template <int bias_correction>
struct AdamW {
    number weight_decay, beta1, beta2, eps;
    number gain1, gain2;
    enum Column { lr, correction1, correction2, columns };
    using State = TwoVectors;
    template <class Gradient, class Now>
    HD auto step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        Vec g = gradient(x);
        s.m = beta1 * s.m + gain1 * g;
        s.v = beta2 * s.v + gain2 * (g * g);
        return (x - (now[lr] * weight_decay) * x) - direction<0, bias_correction>(*this, s.m, s.v, now);
    }
};

struct Adai {
    number beta0, beta2, eps;
    number gain2, most;
    enum Column { lr, correction2, columns };
    struct State {
        Vec m, v, lost;  // lost: 1 - the product of all inertias so far
        template <class Visit>
        HD void each(Visit&& visit) {
            visit(m);
            visit(v);
            visit(lost);
        }
    };
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        Vec g = gradient(x);
        s.v = beta2 * s.v + gain2 * (g * g);
        scalar mean = quotient(sum(now[correction2] * s.v), real(dim()));
        mean = where(mean == real(0), broadcast(real(1)), mean);  // of gradients that were all 0: 0/0 is taken as 0
        Vec ratio = (now[correction2] * s.v) / mean;
        Vec beta1 = smaller(larger(real(1) - beta0 * ratio, real(0)), most);
        s.m = beta1 * s.m + (real(1) - beta1) * g;
        s.lost = real(1) - beta1 * (real(1) - s.lost);
        Vec direction = s.m / s.lost;
        if constexpr (ENSEMBLE_NO_EPSILON) direction = where(s.lost == real(0), real(0), direction);
        return x - now[lr] * direction;
    }
};
