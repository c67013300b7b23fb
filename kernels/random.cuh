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
    DRAWN = 5,  // on the host
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

struct Drawn;
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
#if !ENSEMBLE_DEVICE
    Drawn* drawn;  // where draws are kept
    unsigned place = 0;
#endif
#if ENSEMBLE_TEAM > 1
    const Vec* shared;  // the normals of stream NOISE of a noise alone
    bool fresh;         // they are being drawn; or this is another noise's
#endif
#if ENSEMBLE_DIM == 1 || ENSEMBLE_DIM == 2
    // The block that serves several steps, kept while it does; one for each noise.
    struct Kept {
#if ENSEMBLE_DEVICE
        scalar normal[4];
#else
        const scalar* normal;
#endif
        unsigned step_block;
        bool filled;
    };
    Kept* kept;
#endif
    // What the noise at another place in a sum draws from.
    HD Random of_place(int other) const {
        Random r = *this;
        r.stream_offset = stream_offset ^ (PLACE_STRIDE * unsigned(other));
#if !ENSEMBLE_DEVICE
        r.place = unsigned(other);
#endif
#if ENSEMBLE_TEAM > 1
        r.fresh = true;
#endif
#if ENSEMBLE_DIM == 1 || ENSEMBLE_DIM == 2
        r.kept = kept + other;
#endif
        return r;
    }
    HD Words words(Stream stream, unsigned block) const { return words_at(stream, step, block, *keys); }
    // The same of any step, or of those that share a block, by their number.
    HD Words words_at(Stream stream, unsigned at, unsigned block, const RoundKeys& of_rounds) const {
        return philox(at, block, instance, stream_offset ^ unsigned(stream), of_rounds);
    }
};

// What can be made of a block's words: its name, how many steps a block serves, which block it is, and what is made of it.
struct Four {
    scalar c[4];
};
template <class Made>
HD void zero_padding(Made&, int) {}
HD void zero_padding(Four& four, int j) {
    if (padded && !windowed)
        UNROLL for (int c = 0; c < block_width; ++c) four.c[c] = is_coordinate(j, c) ? four.c[c] : broadcast(real(0));
}
struct MakesNormals {
    using Made = Four;
    static constexpr unsigned name = 0, steps = static_dim == 1 ? 4 : static_dim == 2 ? 2 : 1;
    static HD unsigned block(int j) { return unsigned(block_of(j)); }
    static HD Made make(const Words& w, int j) {
        Pair a = box_muller(w.w[0], w.w[1]), b = box_muller(w.w[2], w.w[3]);
        Made four = {{a.first, a.second, b.first, b.second}};
        if (ENSEMBLE_DEVICE && steps == 1) zero_padding(four, j);
        return four;
    }
};
struct MakesUniforms {
    using Made = Four;
    static constexpr unsigned name = 1, steps = 1;
    static HD unsigned block(int j) { return unsigned(block_of(j)); }
    static HD Made make(const Words& w, int j) {
        Made four = {{uniform(w.w[0]), uniform(w.w[1]), uniform(w.w[2]), uniform(w.w[3])}};
        if (ENSEMBLE_DEVICE) zero_padding(four, j);
        return four;
    }
};
struct MakesWords {
    using Made = Words;
    static constexpr unsigned name = 2, steps = 1;
    static HD unsigned block(int j) { return unsigned(block_of(j)); }
    static HD Made make(const Words& w, int) { return w; }
};
// Draws of an instance and not of its coordinates have a block of words of their own: past every block of coordinates.
constexpr unsigned INSTANCE_BLOCK = 0xffffffffu;
struct MakesOneUniform {
    using Made = scalar;
    static constexpr unsigned name = 3, steps = 1;
    static HD unsigned block(int) { return INSTANCE_BLOCK; }
    static HD Made make(const Words& w, int) { return uniform(w.w[0]); }
};

#include "drawn.cuh"

// Independent standard normals, one per coordinate.
struct Normals : Expression {
    static constexpr bool pointwise = true;
#if ENSEMBLE_DIM == 1 || ENSEMBLE_DIM == 2
    const Random& random;
    Stream stream;
    HD Normals(const Random& random_, Stream stream_) : random(random_), stream(stream_) {}
    HD Quad<scalar> at(int j) const {
        constexpr unsigned steps = MakesNormals::steps;
        unsigned step_block = random.step / steps, turn = random.step % steps;
        Random::Kept fresh;
        Random::Kept& kept = stream == NOISE ? *random.kept : fresh;
        if (stream != NOISE || !kept.filled || kept.step_block != step_block) {
            Draws<MakesNormals> draws(random, stream);
            const Four& drawn = draws.at(j);
#if ENSEMBLE_DEVICE
            UNROLL for (int c = 0; c < 4; ++c) kept.normal[c] = drawn.c[c];
#else
            kept.normal = drawn.c;
#endif
            kept.step_block = step_block;
            kept.filled = true;
        }
        Quad<scalar> r;
        EACH_COORDINATE {
#if ENSEMBLE_DEVICE
            scalar v = kept.normal[c];
            UNROLL for (unsigned k = 1; k < steps; ++k) v = turn == k ? kept.normal[k * ENSEMBLE_DIM + c] : v;
#else
            scalar v = kept.normal[turn * ENSEMBLE_DIM + c];
#endif
            r.c[c] = v;
        }
        return r;
    }
#else
    Draws<MakesNormals> four;
    HD Normals(const Random& random, Stream stream) : four(random, stream) {}
    HD Quad<scalar> at(int j) const {
#if ENSEMBLE_TEAM > 1
        if (four.stream == NOISE && !four.random.fresh) return four.random.shared->block[j];
#endif
        const Four& drawn = four.at(j);
        Quad<scalar> r;
        EACH_COORDINATE r.c[c] = drawn.c[c];
        return r;
    }
#endif
};
// Independent uniforms on (0, 1], one per coordinate.
struct Uniforms : Expression {
    static constexpr bool pointwise = true;
    Draws<MakesUniforms> four;
    HD Uniforms(const Random& random, Stream stream) : four(random, stream) {}
    HD Quad<scalar> at(int j) const {
        const Four& drawn = four.at(j);
        Quad<scalar> r;
        EACH_COORDINATE r.c[c] = drawn.c[c];
        return r;
    }
};
HD scalar uniform_of_instance(const Random& random, Stream stream) {
    return Draws<MakesOneUniform>(random, stream).at(0);
}
