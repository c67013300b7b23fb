// Not derived: with Newton in float64 the derived struct spills some registers where an instance streams through memory.
#pragma once
#include "base.cuh"

// Du et al. 2017: a tube of saddles. Coordinates before the first one in [0, 2 tau] have passed, it turns from tau on,
// the next one waits and is turned loose, the others wait. The twin states the pieces.
struct Octopus : Unconstrained {
    number L, gamma, tau;
    number cubic, quartic, nu;
    enum Column { columns };
    template <class A>
    HD auto ratio(const A& a) const {
        return (a - tau) / tau;
    }
    template <class A>
    HD auto g1(const A& a) const {
        auto r = ratio(a);
        return (r * r) * (cubic * r + quartic * (r * r)) - gamma * (a * a);
    }
    template <class A>
    HD auto g1_slope(const A& a) const {
        auto r = ratio(a);
        return (r * r) * ((real(3) * cubic) + (real(4) * quartic) * r) / tau - (real(2) * gamma) * a;
    }
    template <class A>
    HD auto g1_bend(const A& a) const {
        auto r = ratio(a);
        return r * ((real(6) * cubic) + (real(12) * quartic) * r) / (tau * tau) - real(2) * gamma;
    }
    template <class A>
    HD auto g2(const A& a) const {
        auto w = (a - real(2) * tau) / tau;
        return -gamma - (L + gamma) * ((w * w) * w * ((real(6) * w + real(15)) * w + real(10)));
    }
    template <class A>
    HD auto g2_slope(const A& a) const {
        auto w = (a - real(2) * tau) / tau;
        return (real(-30) * (L + gamma) / tau) * ((w * (real(1) + w)) * (w * (real(1) + w)));
    }
    template <class A>
    HD auto g2_bend(const A& a) const {
        auto w = (a - real(2) * tau) / tau;
        return (real(-60) * (L + gamma) / (tau * tau)) * (w * (real(1) + w) * (real(1) + real(2) * w));
    }
    HD scalar first(const Vec& x) const { return first_index(abs(x) <= real(2) * tau); }
    template <class Behind, class Here, class NextOne, class Waiting>
    HD auto choose(const Vec& x, const Behind& behind, const Here& here, const NextOne& next_one,
                   const Waiting& waiting) const {
        scalar i = first(x);
        auto k = index() * real(1);
        return where(k < i, behind, where(k == i, here, where(k == i + real(1), next_one, waiting)));
    }
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        auto a = abs(x);
        auto after = shift<1>(x);
        auto before = abs(shift<-1>(x));
        auto gap = a - real(4) * tau;
        auto waiting = L * (x * x);
        auto turning = g1(a) + g2(a) * (after * after);
        return sum(choose(x, L * (gap * gap), where(a <= tau, -gamma * (x * x), turning),
                          where(before <= tau, waiting, real(0)), waiting)) -
               first(x) * nu;
    }
    template <class Now>
    HD auto gradient(const Vec& x, const Now&) const {
        auto a = abs(x);
        auto after = shift<1>(x);
        auto before = abs(shift<-1>(x));
        auto sign = where(x < real(0), real(-1), real(1));
        auto waiting = (real(2) * L) * x;
        auto turning = (g1_slope(a) + g2_slope(a) * (after * after)) * sign;
        return choose(x, (real(2) * L) * (a - real(4) * tau) * sign, where(a <= tau, (real(-2) * gamma) * x, turning),
                      where(before <= tau, waiting, real(2) * g2(before) * x), waiting);
    }
    template <class Now>
    HD auto hessian_product(const Vec& x, const Vec& v, const Now&) const {
        auto a = abs(x);
        auto after = shift<1>(x);
        auto x_before = shift<-1>(x);
        auto before = abs(x_before);
        auto sign = where(x < real(0), real(-1), real(1));
        auto sign_before = where(x_before < real(0), real(-1), real(1));
        auto waiting = (real(2) * L) * v;
        auto bent = (g1_bend(a) + g2_bend(a) * (after * after)) * v;
        auto turning = bent + (real(2) * g2_slope(a) * sign) * (after * shift<1>(v));
        auto turned = real(2) * g2(before) * v + (real(2) * g2_slope(before) * sign_before) * (x * shift<-1>(v));
        return choose(x, waiting, where(a <= tau, (real(-2) * gamma) * v, turning),
                      where(before <= tau, waiting, turned), waiting);
    }
    template <class Now>
    HD auto hessian_diagonal(const Vec& x, const Now&) const {
        auto a = abs(x);
        auto after = shift<1>(x);
        auto before = abs(shift<-1>(x));
        auto waiting = real(2) * L;
        return choose(x, waiting, where(a <= tau, real(-2) * gamma, g1_bend(a) + g2_bend(a) * (after * after)),
                      where(before <= tau, waiting, real(2) * g2(before)), waiting);
    }
};
