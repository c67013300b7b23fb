// Not derived: a recorded loss has a line for each weight, and there are hundreds; here rows of weights are loops.
#pragma once
#include "../base/numbers.cuh"
#include "finite_sum.cuh"

// What is alive at once of the numbers of a sample on its way through the network.
enum OfASample {
    sums,
    units,
    slopes,
    bends,
    turns,
    changes,
    results,
    moves,
    turned,
    powers,
    shares,
    errors,
    bent,
    backs
};
enum Points { point, direction };

// What a network is made of, for one number of each instance.
struct Smooth {  // log(1 + exp(z)), and 1/(1 + exp(-z))
    scalar soft, share;
    HD explicit Smooth(const scalar& z) {
        scalar e = elementary::exp(where(z > real(0), -z, z));
        soft = where(z > real(0), z, broadcast(real(0))) + elementary::log(real(1) + e);
        scalar more = quotient(broadcast(real(1)), real(1) + e);
        share = where(z > real(0), more, e * more);
    }
};
// tanh, relu or softplus, with two derivatives.
template <int activation>
struct Unit {
    scalar h, slope, bend;
    HD Unit() {}
    HD explicit Unit(const scalar& z) {
        if constexpr (activation == 0) {
            h = elementary::tanh(z);
            slope = real(1) - h * h;
            bend = real(-2) * h * slope;
        } else if constexpr (activation == 1) {
            scalar none = broadcast(real(0));
            h = where(z > real(0), z, none);
            slope = where(z > real(0), broadcast(real(1)), none);
            bend = none;
        } else {
            Smooth s(z);
            h = s.soft;
            slope = s.share;
            bend = s.share * (real(1) - s.share);
        }
    }
};
// The loss of a network's outputs and its first derivatives d; `along` and `own` are of the second. `only` makes nothing of d where
// an instance has no such sample.
template <int loss_kind, int outputs>
struct LossOf {
    scalar loss;
    Numbers<errors, outputs> d;
    Numbers<shares, outputs> p;
    template <class O, class Only>
    HD LossOf(const O& o, const scalar& y, const Only& only) {
        if constexpr (loss_kind == 0) {  // 1/2 (o - y)^2
            const scalar off = o[0] - y;
            loss = real(0.5) * (off * off);
            share_out<1>([&](int) INLINED {
                d.set(0, only(off));
                p.set(0, broadcast(real(1)));
            });
        } else if constexpr (loss_kind == 1) {  // log(1 + exp(-y o)), y = +-1
            const Smooth s(-(y * o[0]));
            loss = s.soft;
            share_out<1>([&](int) INLINED {
                d.set(0, only(-(y * s.share)));
                p.set(0, s.share * (real(1) - s.share));
            });
        } else {  // -log softmax(o)_y
            Numbers<powers, outputs> e;
            scalar most = o[0], whole = broadcast(real(0)), right = whole;
            for (int k = 1; k < outputs; ++k) most = where(o[k] > most, o[k], most);
            share_out<outputs>([&](int k) INLINED { e.set(k, elementary::exp(o[k] - most)); });
            for (int k = 0; k < outputs; ++k) {
                whole = whole + e[k];
                right = where(y == real(k), o[k], right);
            }
            loss = (elementary::log(whole) + most) - right;
            share_out<outputs>([&](int k) INLINED {
                const scalar share = quotient(e[k], whole);
                p.set(k, share);
                d.set(k, only(where(y == real(k), share - real(1), share)));
            });
        }
    }
    // The second derivative times a change of the outputs: for one of them, where `mean` is that of the change.
    template <class Change>
    HD scalar mean(const Change& change) const {
        scalar whole = broadcast(real(0));
        if constexpr (loss_kind == 2) {
            for (int k = 0; k < outputs; ++k) whole = whole + p[k] * change(k);
        }
        return whole;
    }
    HD scalar along(int k, const scalar& change, const scalar& mean_) const {
        return loss_kind == 2 ? p[k] * (change - mean_) : p[k] * change;
    }
    // Its diagonal.
    HD scalar own(int k) const { return loss_kind == 2 ? p[k] * (real(1) - p[k]) : p[k]; }
};
// 0 where the class of the largest output, or of the output's sign, is the label, else 1.
template <int loss_kind, int outputs, class O>
HD scalar error_of(const O& o, const scalar& y) {
    scalar one = broadcast(real(1)), none = broadcast(real(0));
    if constexpr (loss_kind == 3) {
        return where(y * o[0] > real(0), none, one);
    } else {
        scalar most = o[0], which = none;
        for (int k = 1; k < outputs; ++k) {
            which = where(o[k] > most, broadcast(real(k)), which);
            most = where(o[k] > most, o[k], most);
        }
        return where(which == y, none, one);
    }
}

// The numbers of some samples: input(s, i) and target(s).
template <int several, int inputs>
struct Seen {
#if ENSEMBLE_DEVICE
    const real* from[several];
    template <class S>
    HD void take(int s, const S& sample) {
        from[s] = sample.from;
    }
    HD scalar input(int s, int i) const { return from[s][i]; }
    HD scalar target(int s) const { return from[s][inputs]; }
#else
    scalar numbers[several][inputs + 1];
    HD void take(int s, const SharedSample& sample) {
        for (int i = 0; i <= inputs; ++i) numbers[s][i] = broadcast(sample.from[i]);
    }
    // Whole squares are read, as in OwnSample::row.
    template <bool masked>
    HD void take(int s, const OwnSample<masked>& sample) {
        constexpr int rest = (inputs + 1) % native_width, whole = inputs + 1 - rest;
        for (int p = 0; p < parts; ++p) {
            native_real square[native_width];
            for (int k = 0; k < whole; k += native_width) {
                sample.take(square, k, p);
                UNROLL_ALL for (int i = 0; i < native_width; ++i) numbers[s][k + i].v[p] = square[i];
            }
            if (rest == 1) {
                UNROLL_ALL for (int i = 0; i < native_width; ++i) square[0][i] =
                    sample.table[sample.from[p * native_width + i] + whole];
            } else if (rest > 1) {
                sample.take(square, whole, p);
            }
            UNROLL_ALL for (int i = 0; i < native_width; ++i) if (i < rest) numbers[s][whole + i].v[p] = square[i];
        }
    }
    HD const scalar& input(int s, int i) const { return numbers[s][i]; }
    HD const scalar& target(int s) const { return numbers[s][inputs]; }
#endif
};

// f_i = loss(W2 act(W1 a_i + b1) + b2, y_i); coordinates are W1 row by row, b1, W2 row by row, b2.
//
// Rows' products go through blocks of four and the reductions' tree. On a device the lanes share out units and outputs, and all of
// them read what each has found.
template <int hidden, int activation, int loss_kind, int inputs, int outputs>
struct TwoLayerNetwork : FiniteSum<TwoLayerNetwork<hidden, activation, loss_kind, inputs, outputs>> {
    number l2;
    Array table;
    number sample_count, sample_share;
    enum Column { columns };
    static constexpr int first_bias = hidden * inputs, second = first_bias + hidden,
                         last_bias = second + outputs * hidden;
    static constexpr bool counts_errors = loss_kind > 2;
    HD int stride() const { return whole_blocks_of(inputs + 1); }

    template <class Now>
    CALLED scalar value(const Vec& x, const Now&) const {
        const Point w(x);
        scalar whole = broadcast(real(0));
        ROLLED for (int i = 0; i < this->count(); ++i) whole = whole + loss(w, sample(i));
        return sample_share * whole + (real(0.5) * l2) * dot(x, x);
    }
    // Several samples at once: weights are read, and the gradient written, once for all of them, in the samples' order.
    static constexpr int together = ENSEMBLE_DEVICE ? 1 : 4;
    template <class Now>
    CALLED Vec gradient(const Vec& x, const Now&) const {
        const Point w(x);
        Vec g;
        g = zero();
        const int n = this->count();
        int i = 0;
        ROLLED for (; i + together <= n; i += together) add_some<together>(g, w, [&](int s) { return sample(i + s); });
        ROLLED for (; i < n; ++i) add_some<1>(g, w, [&](int) { return sample(i); });
        g = sample_share * g + l2 * x;
        return g;
    }
    template <class Batch>
    CALLED Vec batch_gradient(const Vec& x, Batch& batch, const number& share) const {
        const Point w(x);
        Vec g;
        g = zero();
        const real* from = table.data();
        auto one = [&](int k) { return OwnSample<Batch::masked>(from, batch.index(k), stride(), batch.has(k)); };
        int k = 0;
        ROLLED for (; batch.goes_on(k + together - 1); k += together)
            add_some<together>(g, w, [&](int s) { return one(k + s); });
        ROLLED for (; batch.goes_on(k); ++k) add_some<1>(g, w, [&](int) { return one(k); });
        g = share * g + l2 * x;
        return g;
    }
    template <class Now>
    CALLED Vec hessian_product(const Vec& x, const Vec& v, const Now&) const {
        const Point w(x);
        const Direction turn(v);
        Vec h;
        h = zero();
        ROLLED for (int i = 0; i < this->count(); ++i) add_product(h, w, turn, sample(i));
        h = sample_share * h + l2 * v;
        return h;
    }
    template <class Now>
    CALLED Vec hessian_diagonal(const Vec& x, const Now&) const {
        const Point w(x);
        Vec h;
        h = zero();
        ROLLED for (int i = 0; i < this->count(); ++i) add_diagonal(h, w, sample(i));
        h = sample_share * h + l2;
        return h;
    }

private:
    using Point = Coordinates<point>;
    using Direction = Coordinates<direction>;
    using One = Seen<1, inputs>;
    HD SharedSample sample(int i) const { return SharedSample(read_again(table.data()) + (long long)i * stride()); }
    HD static One seen_of(const SharedSample& sample) {
        One seen;
        seen.take(0, sample);
        return seen;
    }
    // Whatever an instance has, where all have the same samples.
    struct Whole {
        HD const scalar& operator()(const scalar& value) const { return value; }
    };

    // W1 a + b1 of some samples.
    template <int several, class W, class Z>
    HD static void inner(const W& w, const Seen<several, inputs>& seen, Z (&z)[several]) {
        rows_times<several, hidden, inputs>([&](int j, int i) INLINED { return w[j * inputs + i]; },
                                            [&](int s, int i) INLINED { return seen.input(s, i); },
                                            [&](int s, int j, const scalar& row)
                                                INLINED { z[s].set(j, row + w[first_bias + j]); });
    }
    // W2 h + b2 of one.
    template <class W, class H, class To>
    HD static void outer(const W& w, const H& h, To& o) {
        rows_times<1, outputs, hidden>(
            [&](int k, int j) INLINED { return w[second + k * hidden + j]; }, [&](int, int j) INLINED { return h[j]; },
            [&](int, int k, const scalar& row) INLINED { o.set(k, row + w[last_bias + k]); });
    }
    CALLED scalar loss(const Point& w, const SharedSample& sample) const {
        const One seen = seen_of(sample);
        Numbers<sums, hidden> z[1];
        Numbers<units, hidden> h;
        Numbers<results, outputs> o;
        inner<1>(w, seen, z);
        share_out<hidden>([&](int j) INLINED { h.set(j, Unit<activation>(z[0][j]).h); });
        outer(w, h, o);
        if constexpr (counts_errors) {
            return error_of<loss_kind, outputs>(o, seen.target(0));
        } else {
            return LossOf<loss_kind, outputs>(o, seen.target(0), Whole()).loss;
        }
    }
    template <int several, class Take>
    HD void add_some(Vec& g, const Point& w, const Take& take) const {
        using Sample = decltype(take(0));
        if constexpr (several == 4) {
            const Sample a = take(0), b = take(1), c = take(2), d = take(3);
            const Sample* const samples[4] = {&a, &b, &c, &d};
            add_taken<4>(g, w, samples);
        } else {
            const Sample a = take(0);
            const Sample* const samples[1] = {&a};
            add_taken<1>(g, w, samples);
        }
    }
    template <int several, class S>
    HD void add_taken(Vec& g, const Point& w, const S* const (&samples)[several]) const {
        Seen<several, inputs> seen;
        for (int s = 0; s < several; ++s) seen.take(s, *samples[s]);
        add_gradients<several>(g, w, seen, samples);
    }
    template <int several, class S>
    CALLED void add_gradients(Vec& g, const Point& w, const Seen<several, inputs>& seen,
                              const S* const (&samples)[several]) const {
        if constexpr (!counts_errors) {
            Numbers<sums, hidden> z[several];
            Numbers<units, hidden> h[several];
            Numbers<backs, hidden> delta[several];
            Numbers<errors, outputs> d[several];
            inner<several>(w, seen, z);
            for (int s = 0; s < several; ++s) {
                Numbers<slopes, hidden> slope;
                Numbers<results, outputs> o;
                share_out<hidden>([&](int j) INLINED {
                    const Unit<activation> unit(z[s][j]);
                    h[s].set(j, unit.h);
                    slope.set(j, unit.slope);
                });
                outer(w, h[s], o);
                d[s] = LossOf<loss_kind, outputs>(o, seen.target(s), [&](const scalar& value) INLINED {
                           return samples[s]->only(value);
                       }).d;
                share_out<hidden>([&](int j) INLINED {
                    scalar back = broadcast(real(0));
                    for (int k = 0; k < outputs; ++k) back = muladd(w[second + k * hidden + j], d[s][k], back);
                    delta[s].set(j, slope[j] * back);
                });
            }
#if ENSEMBLE_DEVICE
            each(g, [&](int i, const scalar& t) {
                if (i < first_bias) return muladd(delta[0][i / inputs], seen.input(0, i % inputs), t);
                if (i < second) return t + delta[0][i - first_bias];
                if (i >= last_bias) return t + d[0][i - last_bias];
                return muladd(d[0][(i - second) / hidden], h[0][(i - second) % hidden], t);
            });
#else
            scalar* all = (scalar*)&g.block[0];
            for (int j = 0; j < hidden; ++j) {
                for (int i = 0; i < inputs; ++i) {
                    scalar t = all[j * inputs + i];
                    for (int s = 0; s < several; ++s) t = muladd(delta[s][j], seen.input(s, i), t);
                    all[j * inputs + i] = t;
                }
                for (int s = 0; s < several; ++s) all[first_bias + j] = all[first_bias + j] + delta[s][j];
            }
            for (int k = 0; k < outputs; ++k) {
                for (int j = 0; j < hidden; ++j) {
                    scalar t = all[second + k * hidden + j];
                    for (int s = 0; s < several; ++s) t = muladd(d[s][k], h[s][j], t);
                    all[second + k * hidden + j] = t;
                }
                for (int s = 0; s < several; ++s) all[last_bias + k] = all[last_bias + k] + d[s][k];
            }
#endif
        }
    }
    CALLED void add_product(Vec& r, const Point& w, const Direction& v, const SharedSample& sample) const {
        if constexpr (!counts_errors) {
            const One seen = seen_of(sample);
            Numbers<sums, hidden> z[1];
            Numbers<turns, hidden> turn[1];
            Numbers<units, hidden> h;
            Numbers<slopes, hidden> slope;
            Numbers<bends, hidden> bend;
            Numbers<changes, hidden> change;
            Numbers<backs, hidden> delta;
            Numbers<results, outputs> o;
            Numbers<moves, outputs> by_direction;
            Numbers<turned, outputs> moved;
            Numbers<bent, outputs> bent_;
            inner<1>(w, seen, z);
            inner<1>(v, seen, turn);
            share_out<hidden>([&](int j) INLINED {
                const Unit<activation> unit(z[0][j]);
                h.set(j, unit.h);
                slope.set(j, unit.slope);
                bend.set(j, unit.bend);
                change.set(j, unit.slope * turn[0][j]);
            });
            outer(w, h, o);
            outer(v, h, by_direction);
            rows_times<1, outputs, hidden>([&](int k, int j) INLINED { return w[second + k * hidden + j]; },
                                           [&](int, int j) INLINED { return change[j]; },
                                           [&](int, int k, const scalar& row)
                                               INLINED { moved.set(k, by_direction[k] + row); });
            const LossOf<loss_kind, outputs> loss(o, seen.target(0), Whole());
            const scalar mean = loss.mean([&](int k) INLINED { return moved[k]; });
            share_out<outputs>([&](int k) INLINED { bent_.set(k, loss.along(k, moved[k], mean)); });
            share_out<hidden>([&](int j) INLINED {
                scalar back = broadcast(real(0)), turn_back = back;
                for (int k = 0; k < outputs; ++k) {
                    back = muladd(w[second + k * hidden + j], loss.d[k], back);
                    turn_back = muladd(v[second + k * hidden + j], loss.d[k], turn_back);
                    turn_back = muladd(w[second + k * hidden + j], bent_[k], turn_back);
                }
                delta.set(j, bend[j] * turn[0][j] * back + slope[j] * turn_back);
            });
            each(r, [&](int i, const scalar& t) INLINED {
                if (i < first_bias) return muladd(delta[i / inputs], seen.input(0, i % inputs), t);
                if (i < second) return t + delta[i - first_bias];
                if (i >= last_bias) return t + bent_[i - last_bias];
                int k = (i - second) / hidden, j = (i - second) % hidden;
                return t + (bent_[k] * h[j] + loss.d[k] * change[j]);
            });
        }
    }
    CALLED void add_diagonal(Vec& r, const Point& w, const SharedSample& sample) const {
        if constexpr (!counts_errors) {
            const One seen = seen_of(sample);
            Numbers<sums, hidden> z[1];
            Numbers<units, hidden> h;
            Numbers<slopes, hidden> slope;
            Numbers<bends, hidden> bend;
            Numbers<backs, hidden> own;
            Numbers<results, outputs> o;
            inner<1>(w, seen, z);
            share_out<hidden>([&](int j) INLINED {
                const Unit<activation> unit(z[0][j]);
                h.set(j, unit.h);
                slope.set(j, unit.slope);
                bend.set(j, unit.bend);
            });
            outer(w, h, o);
            const LossOf<loss_kind, outputs> loss(o, seen.target(0), Whole());
            share_out<hidden>([&](int j) INLINED {
                auto column = [&](int k) INLINED { return w[second + k * hidden + j]; };
                const scalar mean = loss.mean(column);
                scalar back = broadcast(real(0)), turn_back = back;
                for (int k = 0; k < outputs; ++k) {
                    back = muladd(column(k), loss.d[k], back);
                    turn_back = muladd(column(k), loss.along(k, column(k), mean), turn_back);
                }
                own.set(j, bend[j] * back + slope[j] * slope[j] * turn_back);
            });
            each(r, [&](int i, const scalar& t) INLINED {
                if (i < first_bias) {
                    scalar a = seen.input(0, i % inputs);
                    return t + own[i / inputs] * (a * a);
                }
                if (i < second) return t + own[i - first_bias];
                if (i >= last_bias) return t + loss.own(i - last_bias);
                int k = (i - second) / hidden, j = (i - second) % hidden;
                return t + loss.own(k) * (h[j] * h[j]);
            });
        }
    }
#if ENSEMBLE_DEVICE
    template <class Term>
    HD static void each(Vec& g, const Term& term) {
        EACH_BLOCK(j) {
            EACH_COORDINATE {
                int i = block_width * block_of(j) + c;
                if (is_coordinate(j, c)) g.block[j].c[c] = term(i, g.block[j].c[c]);
            }
        }
    }
#else
    template <class Term>
    HD static void each(Vec& g, const Term& term) {
        scalar* all = (scalar*)&g.block[0];
        for (int i = 0; i < last_bias + outputs; ++i) all[i] = term(i, all[i]);
    }
#endif
};
