// What may be written down of a point: its value, its gradient's norm, its distance from another point. From the structs
// that the step uses, wherever it is looked at: within a launch (advance.cuh) or between two (observe.cuh).
#pragma once
#include "rows.cuh"

struct LookNow {
    int t;
};
// Where it goes, null where it is not asked for; `point` (dim), whole blocks for every lane: what the distance is taken from.
struct Measured {
    real* value;
    real* gradient_norm;
    real* distance;
    const real* point;
};
HD Vector the_same_for_all(const real* coordinates) {
    Vector v;
#if !ENSEMBLE_DEVICE && ENSEMBLE_MIXED
    for (int w = 0; w < width; ++w) v.coordinates[w] = coordinates;
#else
    v.coordinates = coordinates;
#endif
    return v;
}
// Calls put(where, number) for each quantity that is asked for.
template <class Landscape, class Put>
HD void measure(const Measured& asked, const Landscape& landscape, const Vec& x, const LookNow& now, const Put& put) {
    if (asked.value) put(asked.value, landscape.value(x, now));
    if (asked.gradient_norm) {
        Vec g = landscape.gradient(x, now);
        put(asked.gradient_norm, length(g));
    }
    if (asked.distance) {
        Vec away = x - the_same_for_all(asked.point);
        put(asked.distance, length(away));
    }
}
