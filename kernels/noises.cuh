// Gradient noise that is written by hand. apply() turns the exact gradient at y into what the optimizer sees; every call within
// one step sees the same draw.
#pragma once
#include "random.cuh"

// Laws by hand, since they take words apart: one number per coordinate from one word of its own, or from two. Law::words says how
// many, Law::deviate what it makes.
template <class Law>
struct Deviates : Expression {
    static constexpr bool pointwise = true;
    Draws<MakesWords> first_words, second_words;
    const Law& law;
    const int of_dim;
    HD Deviates(const Random& random, const Law& law_)
        : first_words(random, NOISE), second_words(random, NOISE_SECOND), law(law_), of_dim(dim()) {}
    HD Quad<scalar> at(int j) const {
        Quad<scalar> r;
        const Words& first = first_words.at(j);
        if constexpr (Law::words == 2) {
            const Words& second = second_words.at(j);
            EACH_COORDINATE r.c[c] = law.deviate(first.w[c], second.w[c]);
        } else {
            EACH_COORDINATE r.c[c] = law.deviate(first.w[c]);
        }
        zero_padding(r, j, of_dim);
        return r;
    }
};
HD mask top_bit_of(const word& w) { return as_mask(as_integer(w >> 31) != 0); }
// A word's distance from the nearer end, below 2^31.
HD word folded(const word& w, const mask& upper) {
    return as_word(where(upper, as_integer(w ^ 0xffffffffu), as_integer(w)));
}

struct Rademacher {
    number sigma;
    enum Column { columns };
    static constexpr int words = 1;
    HD scalar deviate(const word& w) const { return where(top_bit_of(w), broadcast(real(1)), broadcast(real(-1))); }
    template <class G, class Landscape, class Now>
    HD auto apply(const Vec&, G&& gradient, const Landscape&, const Now& now) const {
        return static_cast<G&&>(gradient) + sigma * Deviates<Rademacher>(now.random, *this);
    }
};

// exp(y) - 1 for y >= 0
HD scalar expm1_of(const scalar& y) {
    scalar h = elementary::tanh(y * real(0.5));
    return where(y < real(1), real(2) * h / (real(1) - h), elementary::exp(y) - real(1));
}

// A draw's size, the largest number where it is beyond the format: what is infinite times 0 would be no number.
HD scalar kept_finite(const scalar& size) {
    return where(size > elementary::largest, broadcast(elementary::largest), size);
}

struct StudentT {
    number df, scale;
    number exponent, spread;
    enum Column { columns };
    static constexpr int words = 2;
    HD scalar deviate(const word& first, const word& second) const {
        return kept_finite(square_root(expm1_of(exponent * log_uniform(first)))) * sin_cos_turn(second).cos;
    }
    template <class G, class Landscape, class Now>
    HD auto apply(const Vec&, G&& gradient, const Landscape&, const Now& now) const {
        return static_cast<G&&>(gradient) + spread * Deviates<StudentT>(now.random, *this);
    }
};

struct AlphaStable {
    number alpha, scale;
    number sine_start, ratio_start, ratio_slope, of_cosine, of_ratio;
    enum Column { columns };
    static constexpr int words = 2;
    HD scalar deviate(const word& first, const word& second) const {
        mask sign = top_bit_of(first), upper = top_bit_of(second);
        scalar d = muladd(to_real(folded(first, sign)), real(7.314590396335798e-10), real(3.657295198167899e-10));
        scalar v = uniform(folded(second, upper));  // u, or 1 - u where u > 1/2
        scalar u = real(1) - v;
        scalar log_u = elementary::log(where(upper, u, v));
        scalar near_one = where(u < real(1), -(log_u * (v / (real(1) - u))), v);
        scalar w = where(upper, near_one, -log_u);
        scalar ratio =
            elementary::log(elementary::near_sine(muladd(ratio_slope, d, ratio_start), 0)) - elementary::log(w);
        scalar power = muladd(of_cosine, elementary::log(elementary::near_sine(d, 0)), of_ratio * ratio);
        scalar size = elementary::near_sine(muladd(alpha, d, sine_start), 0) * kept_finite(elementary::exp(power));
        return where(sign, size, -size);
    }
    template <class G, class Landscape, class Now>
    HD auto apply(const Vec&, G&& gradient, const Landscape&, const Now& now) const {
        return static_cast<G&&>(gradient) + scale * Deviates<AlphaStable>(now.random, *this);
    }
};

// By hand, since each of the two draws at a place of its own: g and the deviations of both from it.
template <class First, class Second, int places_of_first>
struct Superposition {
    First first;
    Second second;
    enum Column { columns = int(First::columns) + int(Second::columns) };
    static constexpr int places = places_of<First> + places_of<Second>;
    static constexpr bool gives_gradient = ::gives_gradient<First> || ::gives_gradient<Second>;
    template <class Landscape, class Now>
    HD Vec gradient(const Vec& y, const Landscape& landscape, const Now& now) const {
        if constexpr (::gives_gradient<First>) {
            return first.gradient(y, landscape, now);
        } else {
            const Random own = now.template random_after<places_of_first>();
            return second.gradient(y, landscape, now.template after<int(First::columns), places_of_first>(own));
        }
    }
    template <class G, class Landscape, class Now>
    HD Vec apply(const Vec& y, G&& gradient, const Landscape& landscape, const Now& now) const {
        Vec g = static_cast<G&&>(gradient);
        const Random own = now.template random_after<places_of_first>();
        return first.apply(y, g, landscape, now) +
               (second.apply(y, g, landscape, now.template after<int(First::columns), places_of_first>(own)) - g);
    }
};
