// What optimizers build on.
#pragma once
#include "../elementwise.cuh"
#include "../random.cuh"

struct Stateless {
    template <class Visit>
    HD void each(Visit&&) {}
};
// What is reported in place of the iterate: x, but for optimizers that average.
template <class State>
HD const Vec& reported(const State&, const Vec& x) {
    return x;
}
template <class E>
HD auto sign(E&& e) {
    return where(e > real(0), real(1), where(e < real(0), real(-1), real(0) * e));
}

// A gradient that passes everything on but the call itself.
template <class Gradient>
struct Passed {
    const Gradient& gradient;
    HD explicit Passed(const Gradient& g) : gradient(g) {}
    HD auto value(const Vec& y) const { return gradient.value(y); }
    HD auto hessian_product(const Vec& y, const Vec& v) const { return gradient.hessian_product(y, v); }
    HD auto hessian_diagonal(const Vec& y) const { return gradient.hessian_diagonal(y); }
    template <class E>
    HD auto project(E&& y) const {
        return gradient.project(static_cast<E&&>(y));
    }
    void operator()(Vec&&) const = delete;
};
// The one that is handed down in place of a gradient: call(y) is a Vec.
template <class Gradient, class Call>
struct Changed : Passed<Gradient> {
    const Call& call;
    HD Changed(const Gradient& g, const Call& c) : Passed<Gradient>(g), call(c) {}
    HD Vec operator()(const Vec& y) const { return call(y); }
    void operator()(Vec&&) const = delete;
};
template <class Gradient, class Call>
HD Changed<Gradient, Call> passed(const Gradient& gradient, const Call& call) {
    return {gradient, call};
}
