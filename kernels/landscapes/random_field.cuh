// Not derived: a recorded method has a line for each feature, and there are hundreds; here features are a loop.
#pragma once
#include "base.cuh"

// confinement/2 |x|^2 + amplitude sum_m cos(w_m . x / length + phase_m); frequencies is (features, dim), phases (features)
template <int features>
struct RandomField : Unconstrained {
    number length, sigma, confinement;
    Array frequencies, phases;
    number per_length, amplitude, slope, bend;
    enum Column { columns };
    // The argument of feature m at y = x / length.
    HD scalar angle(const Vec& y, int m) const { return sum(frequencies.row(m) * y) + phases[m]; }
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        Vec y = per_length * x;
        scalar whole = broadcast(real(0));
        ROLLED for (int m = 0; m < features; ++m) whole = whole + elementary::cos(angle(y, m));
        return amplitude * whole + (real(0.5) * confinement) * dot(x, x);
    }
    template <class Now>
    CALLED Vec gradient(const Vec& x, const Now&) const {
        Vec g = zero(), y = per_length * x;
        ROLLED for (int m = 0; m < features; ++m) g = g + elementary::sin(angle(y, m)) * frequencies.row(m);
        g = confinement * x - slope * g;
        return g;
    }
    template <class Now>
    CALLED Vec hessian_product(const Vec& x, const Vec& v, const Now&) const {
        Vec h = zero(), y = per_length * x;
        ROLLED for (int m = 0; m < features; ++m) {
            scalar along = sum(frequencies.row(m) * v);
            h = h + (elementary::cos(angle(y, m)) * along) * frequencies.row(m);
        }
        h = confinement * v - bend * h;
        return h;
    }
    template <class Now>
    CALLED Vec hessian_diagonal(const Vec& x, const Now&) const {
        Vec h = zero(), y = per_length * x;
        ROLLED for (int m = 0; m < features; ++m) h =
            h + elementary::cos(angle(y, m)) * (frequencies.row(m) * frequencies.row(m));
        h = confinement - bend * h;
        return h;
    }
};
