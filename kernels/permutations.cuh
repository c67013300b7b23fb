// Random numbers below n, and permutations of 0 ... n-1 that are computed place by place: the twin of
// ensemble/arithmetic/permutations.py, which says whose they are.
#pragma once
#include "random.cuh"

// floor(word n 2^-32)
HD integer below(const word& w, unsigned n) { return as_integer(join(multiply(n, split(w)).high)); }
// The product's low 32 bits.
HD word low_product(const word& w, unsigned by) {
#if ENSEMBLE_DEVICE
    return {unsigned_of_real(unsigned(w.bits) * by)};
#else
    return (w * by) & 0xffffffffu;
#endif
}

struct Permutation {
    static constexpr int rounds = 16;
    Words key[rounds / 4];
#if !ENSEMBLE_DEVICE
    integer turn[rounds];  // on the device one multiplication each time is cheaper than sixteen registers
#endif
    unsigned n;
    HD Permutation() {}
    // Of the instance: the one of an epoch's or a step's number.
    template <class T>
    HD Permutation(const Random& random, const T& number, unsigned n_) : n(n_) {
        UNROLL for (unsigned b = 0; b < rounds / 4; ++b) {
            key[b] = philox(number, b, random.instance, random.stream_offset ^ unsigned(SHUFFLE), *random.keys);
#if !ENSEMBLE_DEVICE
            for (int k = 0; k < 4; ++k) turn[4 * b + k] = below(key[b].w[k], n);
#endif
        }
    }
    // Several places at once, each a chain of its own. No masks: a comparison is a sign, and a choice of bits.
    template <int several>
    HD void at(integer (&v)[several]) const {
        unsigned size = n;
#if defined(__CUDACC__)
        asm volatile("" : "+r"(size));  // else the turns are kept all the same, and other things spill
#endif
        UNROLL for (int r = 0; r < rounds; ++r) {
            UNROLL for (int k = 0; k < several; ++k) {
                integer partner = turn_of(r, size) - v[k];
                partner = partner + (signs(partner) & int(size));
                const integer ahead = partner - v[k];
                const integer larger = partner - (ahead & signs(ahead));
                word h = low_product(as_word(larger) + key[r / 4].w[r % 4], 0x9E3779B9u);
                h = low_product(h ^ (h >> 15), 0x85EBCA6Bu);
                v[k] = v[k] ^ ((partner ^ v[k]) & (integer_of(0) - as_integer(h >> 31)));
            }
        }
    }

private:
    HD integer turn_of(int r, unsigned size) const {
#if ENSEMBLE_DEVICE
        return below(key[r / 4].w[r % 4], size);
#else
        return turn[r];
#endif
    }
    // All bits set where a number is below 0.
    static HD integer signs(const integer& a) { return a >> (8 * int(sizeof(real)) - 1); }
};
