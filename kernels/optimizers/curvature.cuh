// Newton's methods are written by hand: loops over Hessian products that stay rolled, however many iterations there are.
#pragma once
#include "base.cuh"

template <int iterations>
struct Newton {
    number damping;
    enum Column { lr, columns };
    using State = Stateless;
    // Conjugate residuals (Stiefel 1955) on (H + damping) p = g: H may have eigenvalues of both signs.
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, State&, const Now& now) const {
        Vec r = gradient(x);
        Vec p = real(0) * r;
        Vec d = r;
        Vec h_r = gradient.hessian_product(x, r) + damping * r;
        Vec h_d = h_r;
        scalar r_h_r = dot(r, h_r);
        ROLLED for (int k = 0; k < iterations; ++k) {
            scalar square = dot(h_d, h_d);
            scalar rate = where(square > real(0), r_h_r / square, broadcast(real(0)));
            p = p + rate * d;
            r = r - rate * h_d;
            h_r = gradient.hessian_product(x, r) + damping * r;
            scalar next = dot(r, h_r);
            scalar turn = where(absolute(r_h_r) > real(0), next / r_h_r, broadcast(real(0)));
            d = r + turn * d;
            h_d = h_r + turn * h_d;
            r_h_r = next;
        }
        return x - now[lr] * p;
    }
};

template <int iterations>
struct SaddleFreeNewton {
    number damping, smoothness, ratio, ratio_squared, bend, scale;
    enum Column { lr, columns };
    using State = Stateless;
    // Legendre polynomials P_k of 1 - 2 H^2 / smoothness^2 by their recurrence; q is ratio^k P_k g.
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, State&, const Now& now) const {
        Vec q = gradient(x);
        Vec before = real(0) * q;
        Vec sum = q;
        ROLLED for (int k = 0; k < iterations; ++k) {
            real share = real(1) / real(k + 1);
            Vec once = gradient.hessian_product(x, q);
            Vec y = gradient.hessian_product(x, once);
            y = q - bend * y;
            y = (ratio * (real(2) - share)) * y - (ratio_squared * (real(1) - share)) * before;
            before = q;
            q = y;
            sum = sum + q;
        }
        return x - now[lr] * (scale * sum);
    }
};
