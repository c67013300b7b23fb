// Landscapes that are the mean of a loss over samples, and l2/2 |x|^2. The twin of ensemble/landscapes/finite_sum.py.
//
// A struct says the loss of one sample: `struct Mine : FiniteSum<Mine>` with the members
//
//     number l2; Array table; ... its own ...; number sample_count, sample_share;
//     HD int stride() const;                                        entries of a sample in the table, a multiple of four
//     template <class S> HD scalar loss(const Vec& x, const S& sample) const;
//     template <class S> HD void add_gradient(Vec& g, const Vec& x, const S& sample) const;
//     template <class S> HD void add_product(Vec& h, const Vec& x, const Vec& v, const S& sample) const;
//     template <class S> HD void add_diagonal(Vec& h, const Vec& x, const S& sample) const;
//
// A sample has its numbers, sample[k], and its first dim() as a vector, sample.row(). What is added goes through sample.only(...),
// which is 0 for an instance whose batch is smaller than those of its neighbours.
//
// Sums run over the samples in order, with one accumulator: of all orders it is the one that no cut into fours or eights, no group
// of lanes and no tile has to know of.
#pragma once
#include "../rows.cuh"
#include "base.cuh"

HD int whole_number(const number& n) {
#if !ENSEMBLE_DEVICE && ENSEMBLE_MIXED
    return int(n.get(0));
#else
    return int(n);
#endif
}
HD constexpr int whole_blocks_of(int entries) { return (entries + 3) / 4 * 4; }

// A sample that is the same for all instances.
struct SharedSample {
    const real* from;
    HD explicit SharedSample(const real* from_) : from(from_) {}
    HD Slice row() const { return Slice(from); }
    HD scalar operator[](int k) const { return broadcast(from[k]); }
    HD scalar after(int k) const { return broadcast(from[dim() + k]); }
    template <class T>
    HD const T& only(const T& value) const {
        return value;
    }
};

// A sample of each instance. Masked: the batches of instances that advance together may differ in size.
template <bool masked>
struct OwnSample {
#if ENSEMBLE_DEVICE
    const real* from;
    HD OwnSample(const real* table, const integer& index, int stride, const mask& active_)
        : from(table + (long long)index * stride), active(active_) {}
    HD Vec row() const {
        Vec r;
        EACH_BLOCK(j) {
            Quad<scalar> q;
            const bool there = is_coordinate(j, 0);
            EACH_COORDINATE q.c[c] = there ? from[block_width * block_of(j) + c] : real(0);
            zero_padding(q, j);
            r.block[j] = q;
        }
        return r;
    }
    HD scalar operator[](int k) const { return from[k]; }
#else
    const real* from[width];
    HD OwnSample(const real* table, const integer& index, int stride, const mask& active_) : active(active_) {
        alignas(64) int_of_real each[width];
        __builtin_memcpy(each, &index, sizeof(each));
        for (int w = 0; w < width; ++w) from[w] = table + (long long)each[w] * stride;
    }
    // Whole squares are read: past the last sample the table has as many entries more.
    HD Vec row() const {
        Vec r;
        for (int k = 0; k < held() * block_width; k += native_width) {
            const int there = held() * block_width - k;
            for (int p = 0; p < parts; ++p) {
                native_real square[native_width];
                UNROLL_ALL for (int i = 0; i < native_width; ++i)
                    __builtin_memcpy(&square[i], from[p * native_width + i] + k, sizeof(native_real));
                turn(square);
                UNROLL_ALL for (int i = 0; i < native_width; ++i) if (i < there) r.block[(k + i) / block_width]
                    .c[(k + i) % block_width]
                    .v[p] = k + i < dim() ? square[i] : native_real{};
            }
        }
        return r;
    }
    HD scalar operator[](int k) const {
        alignas(64) real each[width];
        for (int w = 0; w < width; ++w) each[w] = from[w][k];
        scalar r;
        __builtin_memcpy(&r, each, sizeof(r));
        return r;
    }
#endif
    HD scalar after(int k) const { return (*this)[dim() + k]; }
    HD scalar only(const scalar& value) const {
        if constexpr (masked) {
            return where(active, value, broadcast(real(0)));
        } else {
            return value;
        }
    }
    template <class E, typename enable_if<is_expression<E>>::type = 0>
    HD auto only(const E& value) const {
        if constexpr (masked) {
            return where(active, value, real(0));
        } else {
            return value;
        }
    }

private:
    mask active;
};

template <class Of>
struct FiniteSum : NoConstraint<FiniteSum<Of>> {
    template <class Now>
    CALLED scalar value(const Vec& x, const Now&) const {
        scalar whole = broadcast(real(0));
        ROLLED for (int i = 0; i < count(); ++i) whole = whole + own().loss(x, sample(i));
        return own().sample_share * whole + (real(0.5) * own().l2) * dot(x, x);
    }
    template <class Now>
    CALLED Vec gradient(const Vec& x, const Now&) const {
        Vec g;
        g = zero();
        ROLLED for (int i = 0; i < count(); ++i) own().add_gradient(g, x, sample(i));
        g = own().sample_share * g + own().l2 * x;
        return g;
    }
    template <class Now>
    CALLED Vec hessian_product(const Vec& x, const Vec& v, const Now&) const {
        Vec h;
        h = zero();
        ROLLED for (int i = 0; i < count(); ++i) own().add_product(h, x, v, sample(i));
        h = own().sample_share * h + own().l2 * v;
        return h;
    }
    template <class Now>
    CALLED Vec hessian_diagonal(const Vec& x, const Now&) const {
        Vec h;
        h = zero();
        ROLLED for (int i = 0; i < count(); ++i) own().add_diagonal(h, x, sample(i));
        h = own().sample_share * h + own().l2;
        return h;
    }
    // Of a batch (minibatch.cuh), whose sum is multiplied by `share`.
    template <class Batch>
    CALLED Vec batch_gradient(const Vec& x, Batch& batch, const number& share) const {
        Vec g;
        g = zero();
        const real* table = own().table.data();
        ROLLED for (int k = 0; batch.goes_on(k); ++k) {
            const OwnSample<Batch::masked> one(table, batch.index(k), own().stride(), batch.has(k));
            own().add_gradient(g, x, one);
        }
        g = share * g + own().l2 * x;
        return g;
    }
    HD int count() const { return whole_number(own().sample_count); }

private:
    HD const Of& own() const { return *static_cast<const Of*>(this); }
    HD SharedSample sample(int i) const {
        return SharedSample(read_again(own().table.data()) + (long long)i * own().stride());
    }
};

// Where the loss depends on x through the product with the sample's row alone: `loss_of`, `slope_of` and `bend_of` say it and its
// derivatives for the product z.
template <class Of>
struct LinearSum : FiniteSum<Of> {
    template <class S>
    HD scalar loss(const Vec& x, const S& sample) const {
        return own().loss_of(sum(sample.row() * x), sample);
    }
    template <class S>
    HD void add_gradient(Vec& g, const Vec& x, const S& sample) const {
        const auto a = sample.row();
        const scalar z = sum(a * x);
        const scalar c = sample.only(own().slope_of(z, sample));
        g = g + c * a;
    }
    template <class S>
    HD void add_product(Vec& h, const Vec& x, const Vec& v, const S& sample) const {
        const auto a = sample.row();
        const scalar z = sum(a * x), along = sum(a * v);
        h = h + (own().bend_of(z, sample) * along) * a;
    }
    template <class S>
    HD void add_diagonal(Vec& h, const Vec& x, const S& sample) const {
        const auto a = sample.row();
        const scalar z = sum(a * x);
        h = h + own().bend_of(z, sample) * (a * a);
    }

private:
    HD const Of& own() const { return *static_cast<const Of*>(this); }
};
