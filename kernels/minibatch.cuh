// The gradient of a batch in place of that of all samples: the twin of ensemble/minibatches.py.
#pragma once
#include "landscapes/finite_sum.cuh"
#include "permutations.cuh"

enum Order { with_replacement, without_replacement, reshuffled, shuffled_once, in_turn, all_samples };

// Which samples a step sees: the k-th, of each instance. They are drawn as a noise alone draws, whatever it is added to.
template <int order>
struct Batch {
#if ENSEMBLE_DEVICE
    // Groups that share a warp stay together.
    static constexpr bool masked = shares_warp;
    int size;
    HD void take(const number& count) { size = int(count); }
    HD bool goes_on(int k) const { return masked ? any(k < size) : k < size; }
    HD mask has(int k) const { return k < size; }
    HD unsigned one(const number& n) const { return unsigned(int(n)); }
    HD integer place_of(const number& n) const { return integer_of(int(n)); }
#elif ENSEMBLE_MIXED
    static constexpr bool masked = true;
    integer size;
    int most;
    HD void take(const number& count) {
        size = to_integer(count);
        most = 0;
        for (int w = 0; w < width; ++w) most = size.get(w) > most ? int(size.get(w)) : most;
    }
    HD bool goes_on(int k) const { return k < most; }
    HD mask has(int k) const { return integer_of(k) < size; }
    HD counter one(const number& n) const { return split(as_word(to_integer(n))); }
    HD integer place_of(const number& n) const { return to_integer(n); }
#else
    static constexpr bool masked = false;
    int size;
    HD void take(const number& count) { size = int(count); }
    HD bool goes_on(int k) const { return k < size; }
    HD mask has(int) const { return as_mask(true); }
    HD unsigned one(const number& n) const { return unsigned(int(n)); }
    HD integer place_of(const number& n) const { return integer_of(int(n)); }
#endif
    const Random& random;
    unsigned n;
    integer place;
    Words words;
    Permutation permutation;

    HD Batch(const Random& random_, int n_, const number& count, const number& epoch, const number& place_)
        : random(random_), n(unsigned(n_)) {
        take(count);
        if constexpr (order == without_replacement) permutation = Permutation(random, random.step, n);
        if constexpr (order == reshuffled) permutation = Permutation(random, one(epoch), n);
        if constexpr (order == shuffled_once) permutation = Permutation(random, 0u, n);
        if constexpr (order == reshuffled || order == shuffled_once || order == in_turn) place = place_of(place_);
    }
    HD integer index(int k) {
        if constexpr (order == with_replacement) {
            if (k % 4 == 0) words = random.words(MINIBATCH, unsigned(k / 4));
            return below(words.w[k % 4], n);
        } else if constexpr (order == without_replacement) {
            return permutation.at(integer_of(k));
        } else {
            // Past the end of a shorter batch than its neighbours' nothing is read that is not there.
            integer at = place + k;
            if constexpr (masked) at = where(as_mask(at < int(n)), at, integer_of(0));
            if constexpr (order == in_turn) return at;
            return permutation.at(at);
        }
    }
};

template <int order>
struct Minibatch {
    enum Column { batch, share, epoch, place, columns };
    static constexpr bool gives_gradient = true;
    template <class Landscape, class Now>
    HD Vec gradient(const Vec& y, const Landscape& landscape, const Now& now) const {
        if constexpr (order == all_samples) {
            return landscape.gradient(y, now.landscape());
        } else {
            Batch<order> drawn(now.clock.random, landscape.count(), now[batch], now[epoch], now[place]);
            return landscape.batch_gradient(y, drawn, now[share]);
        }
    }
    template <class G, class Landscape, class Now>
    HD auto apply(const Vec&, G&& gradient, const Landscape&, const Now&) const {
        return make_operand<G>(static_cast<G&&>(gradient));
    }
};
