// Not derived: a recorded loss has a line for each weight, and there are hundreds; here rows of weights are loops.
#pragma once
#include "finite_sum.cuh"

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
// The loss of a network's outputs and its first derivatives; `along` and `own` are of the second.
template <int loss_kind, int outputs>
struct LossOf {
    scalar loss, d[outputs], p[outputs];
    HD LossOf(const scalar (&o)[outputs], const scalar& y) {
        if constexpr (loss_kind == 0) {  // 1/2 (o - y)^2
            d[0] = o[0] - y;
            p[0] = broadcast(real(1));
            loss = real(0.5) * (d[0] * d[0]);
        } else if constexpr (loss_kind == 1) {  // log(1 + exp(-y o)), y = +-1
            Smooth s(-(y * o[0]));
            loss = s.soft;
            d[0] = -(y * s.share);
            p[0] = s.share * (real(1) - s.share);
        } else {  // -log softmax(o)_y
            scalar most = o[0];
            for (int k = 1; k < outputs; ++k) most = where(o[k] > most, o[k], most);
            scalar whole = broadcast(real(0)), right = broadcast(real(0));
            for (int k = 0; k < outputs; ++k) {
                p[k] = elementary::exp(o[k] - most);
                whole = whole + p[k];
                right = where(y == real(k), o[k], right);
            }
            loss = (elementary::log(whole) + most) - right;
            for (int k = 0; k < outputs; ++k) {
                p[k] = quotient(p[k], whole);
                d[k] = where(y == real(k), p[k] - real(1), p[k]);
            }
        }
    }
    // The second derivative times a change of the outputs.
    HD void along(const scalar (&change)[outputs], scalar (&r)[outputs]) const {
        if constexpr (loss_kind == 2) {
            scalar mean = broadcast(real(0));
            for (int k = 0; k < outputs; ++k) mean = mean + p[k] * change[k];
            for (int k = 0; k < outputs; ++k) r[k] = p[k] * (change[k] - mean);
        } else {
            r[0] = p[0] * change[0];
        }
    }
    // Its diagonal.
    HD scalar own(int k) const { return loss_kind == 2 ? p[k] * (real(1) - p[k]) : p[k]; }
};
// 0 where the class of the largest output, or of the output's sign, is the label, else 1.
template <int loss_kind, int outputs>
HD scalar error_of(const scalar (&o)[outputs], const scalar& y) {
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
// A row's product with its inputs goes through blocks of four and the reductions' tree. On a device every lane holds what all
// units give, and takes weights from the lanes that have them.
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

    template <class S>
    CALLED scalar loss(const Vec& x, const S& sample) const {
        Seen<1, inputs> seen;
        seen.take(0, sample);
        scalar z[1][hidden], o[outputs];
        Unit<activation> units[hidden];
        sums<1>(x, seen, z);
        ROLLED for (int j = 0; j < hidden; ++j) units[j] = Unit<activation>(z[0][j]);
        ROLLED for (int k = 0; k < outputs; ++k) o[k] = output(x, units, k);
        if constexpr (counts_errors) {
            return error_of<loss_kind>(o, seen.target(0));
        } else {
            return LossOf<loss_kind, outputs>(o, seen.target(0)).loss;
        }
    }
    template <class S>
    HD void add_gradient(Vec& g, const Vec& x, const S& sample) const {
        Seen<1, inputs> seen;
        seen.take(0, sample);
        const S* const samples[1] = {&sample};
        add_gradients<1>(g, x, seen, samples);
    }
    template <class S>
    CALLED void add_product(Vec& r, const Vec& x, const Vec& v, const S& sample) const {
        if constexpr (!counts_errors) {
            Seen<1, inputs> seen;
            seen.take(0, sample);
            scalar z[1][hidden], turn_[1][hidden], o[outputs], turned[outputs], bent[outputs];
            Unit<activation> units[hidden];
            scalar change[hidden], delta[hidden];
            sums<1>(x, seen, z);
            sums<1>(v, seen, turn_);
            ROLLED for (int j = 0; j < hidden; ++j) {
                units[j] = Unit<activation>(z[0][j]);
                change[j] = units[j].slope * turn_[0][j];
            }
            ROLLED for (int k = 0; k < outputs; ++k) {
                o[k] = output(x, units, k);
                scalar by_weights = dotted<hidden>([&](int j) { return weight(x, second + k * hidden + j); },
                                                   [&](int j) { return change[j]; });
                turned[k] = output(v, units, k) + by_weights;
            }
            const LossOf<loss_kind, outputs> loss(o, seen.target(0));
            loss.along(turned, bent);
            ROLLED for (int j = 0; j < hidden; ++j) {
                scalar back = broadcast(real(0)), turn_back = broadcast(real(0));
                ROLLED for (int k = 0; k < outputs; ++k) {
                    back = muladd(weight(x, second + k * hidden + j), loss.d[k], back);
                    turn_back = muladd(weight(v, second + k * hidden + j), loss.d[k], turn_back);
                    turn_back = muladd(weight(x, second + k * hidden + j), bent[k], turn_back);
                }
                delta[j] = units[j].bend * turn_[0][j] * back + units[j].slope * turn_back;
            }
            each(r, [&](int i, const scalar& t) {
                if (i < first_bias) return muladd(delta[i / inputs], seen.input(0, i % inputs), t);
                if (i < second) return t + delta[i - first_bias];
                if (i >= last_bias) return t + bent[i - last_bias];
                int k = (i - second) / hidden, j = (i - second) % hidden;
                return t + (bent[k] * units[j].h + loss.d[k] * change[j]);
            });
        }
    }
    template <class S>
    CALLED void add_diagonal(Vec& r, const Vec& x, const S& sample) const {
        if constexpr (!counts_errors) {
            Seen<1, inputs> seen;
            seen.take(0, sample);
            scalar z[1][hidden], o[outputs], own[hidden];
            Unit<activation> units[hidden];
            sums<1>(x, seen, z);
            ROLLED for (int j = 0; j < hidden; ++j) units[j] = Unit<activation>(z[0][j]);
            ROLLED for (int k = 0; k < outputs; ++k) o[k] = output(x, units, k);
            const LossOf<loss_kind, outputs> loss(o, seen.target(0));
            ROLLED for (int j = 0; j < hidden; ++j) {
                scalar back = broadcast(real(0)), column[outputs], bent[outputs];
                ROLLED for (int k = 0; k < outputs; ++k) {
                    column[k] = weight(x, second + k * hidden + j);
                    back = muladd(column[k], loss.d[k], back);
                }
                loss.along(column, bent);
                scalar turn_back = broadcast(real(0));
                ROLLED for (int k = 0; k < outputs; ++k) turn_back = muladd(column[k], bent[k], turn_back);
                own[j] = units[j].bend * back + units[j].slope * units[j].slope * turn_back;
            }
            each(r, [&](int i, const scalar& t) {
                if (i < first_bias) {
                    scalar a = seen.input(0, i % inputs);
                    return t + own[i / inputs] * (a * a);
                }
                if (i < second) return t + own[i - first_bias];
                if (i >= last_bias) return t + loss.own(i - last_bias);
                int k = (i - second) / hidden, j = (i - second) % hidden;
                return t + loss.own(k) * (units[j].h * units[j].h);
            });
        }
    }

    // Several samples at once: weights are read, and the gradient written, once for all of them, in the samples' order.
    static constexpr int together = ENSEMBLE_DEVICE ? 1 : 4;
    template <class Now>
    CALLED Vec gradient(const Vec& x, const Now&) const {
        Vec g;
        g = zero();
        const int n = this->count();
        int i = 0;
        const real* from = read_again(table.data());
        for (; i + together <= n; i += together)
            add_some<together>(g, x, [&](int s) { return SharedSample(from + (long long)(i + s) * stride()); });
        for (; i < n; ++i) add_some<1>(g, x, [&](int) { return SharedSample(from + (long long)i * stride()); });
        g = sample_share * g + l2 * x;
        return g;
    }
    template <class Batch>
    CALLED Vec batch_gradient(const Vec& x, Batch& batch, const number& share) const {
        Vec g;
        g = zero();
        const real* from = table.data();
        auto one = [&](int k) { return OwnSample<Batch::masked>(from, batch.index(k), stride(), batch.has(k)); };
        int k = 0;
        for (; batch.goes_on(k + together - 1); k += together)
            add_some<together>(g, x, [&](int s) { return one(k + s); });
        for (; batch.goes_on(k); ++k) add_some<1>(g, x, [&](int) { return one(k); });
        g = share * g + l2 * x;
        return g;
    }

private:
#if ENSEMBLE_DEVICE
    HD static scalar weight(const Vec& x, int i) { return at(x, i); }
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
    HD static const scalar& weight(const Vec& x, int i) { return ((const scalar*)&x.block[0])[i]; }
    template <class Term>
    HD static void each(Vec& g, const Term& term) {
        scalar* all = (scalar*)&g.block[0];
        for (int i = 0; i < last_bias + outputs; ++i) all[i] = term(i, all[i]);
    }
#endif
    // The product of two rows, by blocks of four and the tree.
    template <int n, class A, class B>
    HD static scalar dotted(const A& a, const B& b) {
        constexpr int blocks = (n + 3) / 4, leaves = power_of_two_at_least(blocks);
        scalar part[leaves];
        ROLLED for (int q = 0; q < leaves; ++q) {
            part[q] = q < blocks ? a(4 * q) * b(4 * q) : broadcast(real(0));
            for (int i = 4 * q + 1; i < 4 * q + 4 && i < n; ++i) part[q] = muladd(a(i), b(i), part[q]);
        }
        return folded<leaves>(part);
    }
    template <int leaves>
    HD static scalar folded(scalar (&part)[leaves]) {
        ROLLED for (int s = leaves / 2; s >= 1; s /= 2) for (int q = 0; q < s; ++q) part[q] = part[q] + part[q + s];
        return part[0];
    }
    // W1 a + b1 of some samples.
    template <int several>
    HD static void sums(const Vec& x, const Seen<several, inputs>& seen, scalar (&z)[several][hidden]) {
        constexpr int blocks = (inputs + 3) / 4, leaves = power_of_two_at_least(blocks);
        ROLLED for (int j = 0; j < hidden; ++j) {
            scalar part[several][leaves];
            ROLLED for (int q = 0; q < leaves; ++q) {
                for (int s = 0; s < several; ++s) part[s][q] = broadcast(real(0));
                for (int c = 0; c < 4; ++c) {
                    const int i = 4 * q + c;
                    if (i >= inputs) continue;
                    const scalar w = weight(x, j * inputs + i);
                    for (int s = 0; s < several; ++s)
                        part[s][q] = c == 0 ? w * seen.input(s, i) : muladd(w, seen.input(s, i), part[s][q]);
                }
            }
            const scalar bias = weight(x, first_bias + j);
            for (int s = 0; s < several; ++s) z[s][j] = folded<leaves>(part[s]) + bias;
        }
    }
    HD static scalar output(const Vec& x, const Unit<activation> (&units)[hidden], int k) {
        scalar whole = dotted<hidden>([&](int j) { return weight(x, second + k * hidden + j); },
                                      [&](int j) { return units[j].h; });
        return whole + weight(x, last_bias + k);
    }
    template <int several, class Take>
    HD void add_some(Vec& g, const Vec& x, const Take& take) const {
        using Sample = decltype(take(0));
        if constexpr (several == 4) {
            const Sample a = take(0), b = take(1), c = take(2), d = take(3);
            const Sample* const samples[4] = {&a, &b, &c, &d};
            add_taken<4>(g, x, samples);
        } else {
            const Sample a = take(0);
            const Sample* const samples[1] = {&a};
            add_taken<1>(g, x, samples);
        }
    }
    template <int several, class S>
    HD void add_taken(Vec& g, const Vec& x, const S* const (&samples)[several]) const {
        Seen<several, inputs> seen;
        for (int s = 0; s < several; ++s) seen.take(s, *samples[s]);
        add_gradients<several>(g, x, seen, samples);
    }
    template <int several, class S>
    CALLED void add_gradients(Vec& g, const Vec& x, const Seen<several, inputs>& seen,
                              const S* const (&samples)[several]) const {
        if constexpr (!counts_errors) {
            scalar z[several][hidden], h[several][hidden], delta[several][hidden], d[several][outputs];
            sums<several>(x, seen, z);
            for (int s = 0; s < several; ++s) {
                Unit<activation> units[hidden];
                scalar o[outputs];
                ROLLED for (int j = 0; j < hidden; ++j) {
                    units[j] = Unit<activation>(z[s][j]);
                    h[s][j] = units[j].h;
                }
                ROLLED for (int k = 0; k < outputs; ++k) o[k] = output(x, units, k);
                const LossOf<loss_kind, outputs> loss(o, seen.target(s));
                ROLLED for (int k = 0; k < outputs; ++k) d[s][k] = samples[s]->only(loss.d[k]);
                ROLLED for (int j = 0; j < hidden; ++j) {
                    scalar back = broadcast(real(0));
                    ROLLED for (int k = 0; k < outputs; ++k) back =
                        muladd(weight(x, second + k * hidden + j), d[s][k], back);
                    delta[s][j] = units[j].slope * back;
                }
            }
#if ENSEMBLE_DEVICE
            each(g, [&](int i, scalar t) {
                for (int s = 0; s < several; ++s) {
                    if (i < first_bias) {
                        t = muladd(delta[s][i / inputs], seen.input(s, i % inputs), t);
                    } else if (i < second) {
                        t = t + delta[s][i - first_bias];
                    } else if (i >= last_bias) {
                        t = t + d[s][i - last_bias];
                    } else {
                        t = muladd(d[s][(i - second) / hidden], h[s][(i - second) % hidden], t);
                    }
                }
                return t;
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
};
