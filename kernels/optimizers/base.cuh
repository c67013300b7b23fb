// What optimizers build on.
#pragma once
#include "../random.cuh"

struct Stateless {
    template <class Visit>
    HD void each(Visit&&) {}
};
template <class E>
HD auto sign(E&& e) {
    return where(e > real(0), real(1), where(e < real(0), real(-1), real(0) * e));
}
