// What optimizers build on.
#pragma once
#include "../elementwise.cuh"
#include "../random.cuh"

struct Stateless {
    template <class Visit>
    HD void each(Visit&&) {}
};
// What is reported in place of the iterate: x, but for optimizers that average (wrappers.cuh).
template <class State>
HD const Vec& reported(const State&, const Vec& x) {
    return x;
}
template <class E>
HD auto sign(E&& e) {
    return where(e > real(0), real(1), where(e < real(0), real(-1), real(0) * e));
}
