// Events: the twins of ensemble/events.py. check() is asked after each update; it returns a label, 0 where nothing holds.
#pragma once
#include "base.cuh"

struct Never {
    enum Column { columns };
    template <class Landscape, class Now>
    HD integer check(const Vec&, const Landscape&, const Now&) const {
        return where(as_mask(false), integer_of(1), integer_of(0));
    }
};

template <class Center>
struct LeftBall {
    number radius;
    Center center;
    number radius_squared;
    enum Column { columns };
    template <class Landscape, class Now>
    HD integer check(const Vec& x, const Landscape&, const Now&) const {
        auto away = x - center;
        return where(sum(away * away) >= radius_squared, integer_of(1), integer_of(0));
    }
};

template <class Normal>
struct Crossed {
    Normal normal;
    number offset;
    enum Column { columns };
    template <class Landscape, class Now>
    HD integer check(const Vec& x, const Landscape&, const Now&) const {
        return where(dot(normal, x) >= offset, integer_of(1), integer_of(0));
    }
};

template <class Normal>
struct LeftSlab {
    Normal normal;
    number half_width;
    enum Column { columns };
    template <class Landscape, class Now>
    HD integer check(const Vec& x, const Landscape&, const Now&) const {
        return where(absolute(dot(normal, x)) >= half_width, integer_of(1), integer_of(0));
    }
};

struct Below {
    number value;
    enum Column { columns };
    template <class Landscape, class Now>
    HD integer check(const Vec& x, const Landscape& landscape, const Now& now) const {
        return where(landscape.value(x, now) <= value, integer_of(1), integer_of(0));
    }
};
