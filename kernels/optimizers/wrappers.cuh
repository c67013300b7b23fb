// Wrappers: they act on the gradient handed down, on the result handed up, or on where the gradient is taken. Twins of
// ensemble/optimizers/wrappers.py. A wrapper's own columns and state come before its base's.
#pragma once
#include "base.cuh"

// A gradient that passes everything on but the call itself.
template <class Gradient>
struct Passed {
    const Gradient& gradient;
    HD explicit Passed(const Gradient& g) : gradient(g) {}
    HD auto hessian_product(const Vec& y, const Vec& v) const { return gradient.hessian_product(y, v); }
    HD auto hessian_diagonal(const Vec& y) const { return gradient.hessian_diagonal(y); }
    template <class E>
    HD auto project(E&& y) const {
        return gradient.project(static_cast<E&&>(y));
    }
    void operator()(Vec&&) const = delete;
};
template <class Base>
struct BaseState {
    typename Base::State base;
    template <class Visit>
    HD void each(Visit&& visit) {
        base.each(visit);
    }
};
template <class Base>
HD const Vec& reported(const BaseState<Base>& s, const Vec& x) {
    return reported(s.base, x);
}

template <class Gradient>
struct ClippedByNorm : Passed<Gradient> {
    const number& norm;
    HD ClippedByNorm(const Gradient& g, const number& n) : Passed<Gradient>(g), norm(n) {}
    HD Vec operator()(const Vec& y) const {
        Vec g = this->gradient(y);
        Length l = rescale(g);
        return where(l.value() > norm, norm / l.size, l.unit) * g;
    }
};
template <class Base>
struct Clip {
    Base base;
    number norm;
    enum Column { columns = int(Base::columns) };
    using State = BaseState<Base>;
    template <class Gradient, class Now>
    HD auto step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        ClippedByNorm<Gradient> clipped(gradient, norm);
        return base.step(x, clipped, s.base, now);
    }
};

template <class Gradient>
struct ClippedByValue : Passed<Gradient> {
    const number& limit;
    HD ClippedByValue(const Gradient& g, const number& l) : Passed<Gradient>(g), limit(l) {}
    HD Vec operator()(const Vec& y) const { return larger(smaller(this->gradient(y), limit), -limit); }
};
template <class Base>
struct ClipValue {
    Base base;
    number limit;
    enum Column { columns = int(Base::columns) };
    using State = BaseState<Base>;
    template <class Gradient, class Now>
    HD auto step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        ClippedByValue<Gradient> clipped(gradient, limit);
        return base.step(x, clipped, s.base, now);
    }
};

template <class Gradient>
struct WithL2 : Passed<Gradient> {
    const number& weight_decay;
    HD WithL2(const Gradient& g, const number& w) : Passed<Gradient>(g), weight_decay(w) {}
    HD Vec operator()(const Vec& y) const { return this->gradient(y) + weight_decay * y; }
};
template <class Base>
struct L2 {
    Base base;
    number weight_decay;
    enum Column { columns = int(Base::columns) };
    using State = BaseState<Base>;
    template <class Gradient, class Now>
    HD auto step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        WithL2<Gradient> decayed(gradient, weight_decay);
        return base.step(x, decayed, s.base, now);
    }
};

template <class Base>
struct WeightDecay {
    Base base;
    number weight_decay;
    enum Column { lr, own, columns = own + int(Base::columns) };
    using State = BaseState<Base>;
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        Vec y = base.step(x, gradient, s.base, now.template after<own>());
        return y - (now[lr] * weight_decay) * x;
    }
};

template <class Gradient>
struct AtWorst : Passed<Gradient> {
    const number& rho;
    HD AtWorst(const Gradient& g, const number& r) : Passed<Gradient>(g), rho(r) {}
    HD Vec operator()(const Vec& y) const {
        Vec g = this->gradient(y);
        scalar square = dot(g, g);
        Vec worst = y + (rho / square_root(square)) * g;
        Vec result = this->gradient(worst);
        if (seldom(any(has_no_length(square)))) {  // at the end: a branch in between would draw the noise of both again
            Vec again = this->gradient(y);
            Length l = rescale(again);
            Vec at = y + where(l.size > real(0), rho / l.size, broadcast(real(0))) * again;
            result = this->gradient(at);
        }
        return result;
    }
};
template <class Base>
struct SAM {
    Base base;
    number rho;
    enum Column { columns = int(Base::columns) };
    using State = BaseState<Base>;
    template <class Gradient, class Now>
    HD auto step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        AtWorst<Gradient> worst(gradient, rho);
        return base.step(x, worst, s.base, now);
    }
};

template <class Base>
struct AverageState {
    Vec mean;
    typename Base::State base;
    template <class Visit>
    HD void each(Visit&& visit) {
        visit(mean);
        base.each(visit);
    }
};
template <class Base>
HD const Vec& reported(const AverageState<Base>& s, const Vec&) {
    return s.mean;
}
// Average and EMA differ in the weight of the newest iterate, which is a column.
template <class Base>
struct Averaged {
    enum Column { weight, own, columns = own + int(Base::columns) };
    using State = AverageState<Base>;
    template <class Gradient, class Now>
    HD static Vec averaged_step(const Base& base, const Vec& x, const Gradient& gradient, State& s, const Now& now) {
        Vec y = gradient.project(base.step(x, gradient, s.base, now.template after<own>()));
        s.mean = s.mean + now[weight] * (y - s.mean);
        return y;
    }
};
template <class Base>
struct Average : Averaged<Base> {
    Base base;
    number after;
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, typename Averaged<Base>::State& s, const Now& now) const {
        return this->averaged_step(base, x, gradient, s, now);
    }
};
template <class Base>
struct EMA : Averaged<Base> {
    Base base;
    number beta;
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, typename Averaged<Base>::State& s, const Now& now) const {
        return this->averaged_step(base, x, gradient, s, now);
    }
};
