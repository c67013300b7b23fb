// The gradient of a batch in place of that of all samples: the twin of ensemble/minibatches.py. By hand, since it draws whole
// numbers and goes through samples.
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
    // Called for k = 0, 1, ... in order: places are looked up several at once, or one in each lane.
    HD integer index(int k) {
        if constexpr (order == with_replacement) {
            if (k % 4 == 0) words = random.words(MINIBATCH, unsigned(k / 4));
#if ENSEMBLE_DEVICE
            word one = words.w[0];  // a choice of addresses would need the words in memory
            UNROLL for (int i = 1; i < 4; ++i) one = k % 4 == i ? words.w[i] : one;
            return below(one, n);
#else
            return below(words.w[k % 4], n);
#endif
        } else if constexpr (order == in_turn) {
            return inside(place + k);
        } else {
#if ENSEMBLE_DEVICE
            if (k % lanes == 0) {
                ahead[0] = at(k + lane_in_group());
                permutation.at(ahead);
            }
            return from_lane(ahead[0], k % lanes);
#else
            if (k % together == 0) {
                for (int i = 0; i < together; ++i) ahead[i] = at(k + i);
                permutation.at(ahead);
            }
            return ahead[k % together];
#endif
        }
    }

private:
#if ENSEMBLE_DEVICE
    static constexpr int together = 1;
#else
    static constexpr int together = 4;
#endif
    integer ahead[together];
    // Past the end of a batch nothing is read that is not there.
    HD integer inside(const integer& at) const { return where(as_mask(at < int(n)), at, integer_of(0)); }
    HD integer at(int k) const {
        if constexpr (order == without_replacement) {
            return inside(integer_of(k));
        } else {
            return inside(place + k);
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
