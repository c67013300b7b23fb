// Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011), normals and uniforms: the twin of ensemble/arithmetic/random.py.
//
// Randomness is a pure function of who and when: key = the 64-bit seed, counter = (step, block of four coordinates,
// instance id, stream). For dimension 1 and 2 one block of four normals serves four and two consecutive steps.
#pragma once
#include "base.cuh"
#include "elementary.cuh"

// The one list of streams, below 16. What draws beside its like adds its place among them times 16, below 256; a configuration
// that must not share randomness adds its number times 256.
enum Stream : unsigned {
    NOISE = 0,
    START = 1,
    PERTURBATION = 2,
    MINIBATCH = 3,
    PROBE = 4,
    EVENT = 5,
    NOISE_SECOND = 6,
    SHUFFLE = 7,
    DISORDER = 8,
    DATA = 9
};

constexpr unsigned PLACE_STRIDE = 16;
// How many noises there are in a noise, each of which draws for itself: more than one in those that say so.
template <class T>
struct when_there {
    using type = int;
};
template <class Noise, class = int>
struct NoisesIn {
    static constexpr int count = 1;
};
template <class Noise>
struct NoisesIn<Noise, typename when_there<decltype(Noise::places)>::type> {
    static constexpr int count = Noise::places;
};
template <class Noise>
constexpr int places_of = NoisesIn<Noise>::count;

// Whether a noise gives the gradient that it, and what it is added to, acts on: that of a batch, and not the exact one.
template <class Noise, class = int>
struct GradientFrom {
    static constexpr bool noise = false;
};
template <class Noise>
struct GradientFrom<Noise, typename when_there<decltype(Noise::gives_gradient)>::type> {
    static constexpr bool noise = Noise::gives_gradient;
};
template <class Noise>
constexpr bool gives_gradient = GradientFrom<Noise>::noise;

constexpr int philox_rounds = 10;
struct RoundKeys {  // derived on the host once: two words for each round
    unsigned word[2 * philox_rounds];
};

template <class A, class B, class C, class D>
struct Block {
    A c0;
    B c1;
    C c2;
    D c3;
};
// The types carry what is common to all instances (plain unsigned) and what is not (counter): the first rounds on
// the step, the block and the stream are then done once, not for every instance.
template <int Round, class A, class B, class C, class D>
HD auto philox_rounds_from(const Block<A, B, C, D>& block, const RoundKeys& keys) {
    if constexpr (Round == philox_rounds) {
        return block;
    } else {
        auto p0 = multiply(0xD2511F53u, block.c0);
        auto p1 = multiply(0xCD9E8D57u, block.c2);
        auto c0 = p1.high ^ block.c1 ^ keys.word[2 * Round];
        auto c2 = p0.high ^ block.c3 ^ keys.word[2 * Round + 1];
        return philox_rounds_from<Round + 1>(
            Block<decltype(c0), decltype(p1.low), decltype(c2), decltype(p0.low)>{c0, p1.low, c2, p0.low}, keys);
    }
}
struct Words {
    word w[4];
};
template <class T, class S>
HD Words philox(const T& step, unsigned block, const counter& instance, const S& stream, const RoundKeys& keys) {
    auto out = philox_rounds_from<0>(Block<T, unsigned, counter, S>{step, block, instance, stream}, keys);
    return {{join(out.c0), join(out.c1), join(out.c2), join(out.c3)}};
}

// u = (word + 1/2) 2^-32: all 32 bits, never 0.
HD scalar uniform(const word& w) {
    return muladd(to_real(w), real(2.3283064365386963e-10), real(1.1641532182693481e-10));
}

struct Pair {
    scalar first, second;
};
// Box and Muller (1958), both outputs: radius from the first word, angle from the second.
HD Pair box_muller(const word& w0, const word& w1) {
#if ENSEMBLE_HARDWARE
    // lg2.approx is within 2^-22 absolute near 1, sin and cos within 2^-21 on [-pi, pi]; fabs guards lg2(1 - ulp) > 0.
    float u = __fmaf_rn(float(w0.bits), 2.3283064e-10f, 1.1641532e-10f);
    float log2_of_u;
    asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(log2_of_u) : "f"(u));
    float radius = square_root(fabsf(log2_of_u) * 1.3862944f);
    float angle = __fmaf_rn(float(int(w1.bits)), 1.4629181e-9f, 7.3145904e-10f);
    return {radius * __cosf(angle), radius * __sinf(angle)};
#else
    scalar radius = square_root(real(-2) * log_uniform(w0));
    SinCos turn = sin_cos_turn(w1);
    return {radius * turn.cos, radius * turn.sin};
#endif
}

// What one instance may draw from at one step.
struct Random {
    const RoundKeys* keys;
    counter instance;
#if !ENSEMBLE_DEVICE && ENSEMBLE_MIXED
    counter stream_offset;  // a multiple of 256, so that adding a stream is an exclusive or
#else
    unsigned stream_offset;
#endif
    unsigned step;
#if ENSEMBLE_DIM == 1 || ENSEMBLE_DIM == 2
    // The block that serves several steps, kept while it does; one for each noise.
    struct Kept {
        scalar normal[4];
        unsigned step_block;
        bool filled;
    };
    Kept* kept;
#endif
    // What the noise at another place in a sum draws from.
    HD Random of_place(int place) const {
        Random r = *this;
        r.stream_offset = stream_offset ^ (PLACE_STRIDE * unsigned(place));
#if ENSEMBLE_DIM == 1 || ENSEMBLE_DIM == 2
        r.kept = kept + place;
#endif
        return r;
    }
    HD Words words(Stream stream, unsigned block) const {
        return philox(step, block, instance, stream_offset ^ unsigned(stream), *keys);
    }
};

// Independent standard normals, one per coordinate.
struct Normals : Expression {
    static constexpr bool pointwise = true;
    const Random& random;
    Stream stream;
    HD Normals(const Random& random_, Stream stream_) : random(random_), stream(stream_) {}
    HD Quad<scalar> at(int j) const {
        Quad<scalar> r;
#if ENSEMBLE_DIM == 1 || ENSEMBLE_DIM == 2
        constexpr unsigned steps_per_block = 4 / ENSEMBLE_DIM;
        unsigned step_block = random.step / steps_per_block, turn = random.step % steps_per_block;
        Random::Kept fresh;
        Random::Kept& kept = stream == NOISE ? *random.kept : fresh;
        if (stream != NOISE || !kept.filled || kept.step_block != step_block) {
            Words w = philox(step_block, 0, random.instance, random.stream_offset ^ unsigned(stream), *random.keys);
            Pair a = box_muller(w.w[0], w.w[1]), b = box_muller(w.w[2], w.w[3]);
            kept.normal[0] = a.first, kept.normal[1] = a.second, kept.normal[2] = b.first, kept.normal[3] = b.second;
            kept.step_block = step_block;
            kept.filled = true;
        }
        EACH_COORDINATE {
            scalar v = kept.normal[c];
            UNROLL for (unsigned k = 1; k < steps_per_block; ++k) v = turn == k ? kept.normal[k * ENSEMBLE_DIM + c] : v;
            r.c[c] = v;
        }
#else
        Words w = random.words(stream, unsigned(block_of(j)));
        Pair a = box_muller(w.w[0], w.w[1]);
        r.c[0] = a.first;
        r.c[1 % block_width] = a.second;
        if constexpr (block_width > 2) {
            Pair b = box_muller(w.w[2], w.w[3]);
            r.c[2 % block_width] = b.first;
            if constexpr (block_width > 3) r.c[3 % block_width] = b.second;
        }
        zero_padding(r, j);
#endif
        return r;
    }
};
// Independent uniforms on (0, 1], one per coordinate.
struct Uniforms : Expression {
    static constexpr bool pointwise = true;
    const Random& random;
    Stream stream;
    HD Uniforms(const Random& random_, Stream stream_) : random(random_), stream(stream_) {}
    HD Quad<scalar> at(int j) const {
        Words w = random.words(stream, unsigned(block_of(j)));
        Quad<scalar> r;
        EACH_COORDINATE r.c[c] = uniform(w.w[c]);
        zero_padding(r, j);
        return r;
    }
};
// A word block of its own for per-instance draws: past every block of coordinates.
constexpr unsigned INSTANCE_BLOCK = 0xffffffffu;
HD scalar uniform_of_instance(const Random& random, Stream stream) {
    return uniform(random.words(stream, INSTANCE_BLOCK).w[0]);
}
