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
#include "own_rows.cuh"

HD int whole_number(const number& n) {
#if !ENSEMBLE_DEVICE && ENSEMBLE_MIXED
    return int(n.get(0));
#else
    return int(n);
#endif
}
HD constexpr int whole_blocks_of(int entries) { return (entries + 3) / 4 * 4; }

// The first numbers of a sample. What follows them in a block of four is read, too: it enters no sum and is never stored.
struct SampleRow : Expression {
    static constexpr bool pointwise = true;
    const real* numbers;
    HD SampleRow(const real* numbers_) : numbers(numbers_) {}
    HD Quad<real> at(int j) const {
        Quad<real> r;
#if ENSEMBLE_DEVICE
        // Lanes may own no block of the last ones.
        const bool there = is_coordinate(j, 0);
        EACH_COORDINATE r.c[c] = there ? numbers[block_width * block_of(j) + c] : real(0);
#else
        EACH_COORDINATE r.c[c] = numbers[block_width * j + c];
#endif
        return r;
    }
};

// A sample that is the same for all instances.
struct SharedSample {
    const real* from;
    HD explicit SharedSample(const real* from_) : from(from_) {}
    HD SampleRow row() const { return SampleRow(from); }
    HD scalar operator[](int k) const { return broadcast(from[k]); }
    // The first ones, to be read again and again.
    HD const real* numbers(int) const { return from; }
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
    HD Vec row() const { return SampleRow(from); }
    HD const real* numbers(int) const { return from; }
    HD scalar operator[](int k) const { return from[k]; }
    HD scalar after(int k) const { return from[dim() + k]; }
#else
    const real* table;
    alignas(64) int_of_real from[width];  // where each instance's sample begins: a table has fewer than 2^31 entries
    mutable scalar next;                  // the number after the row's, where it was read with them
    mutable bool has_next = false;
    HD OwnSample(const real* table_, const integer& index, int stride, const mask& active_)
        : table(table_), active(active_) {
        const integer start = index * stride;
        __builtin_memcpy(from, &start, sizeof(from));
#if defined(__x86_64__)
        asm("" : "+m"(from));  // read one by one from memory: out of a vector's register each takes two instructions
#endif
    }
    // Whole squares are read and turned: past the last sample the table has as many entries more. Places in a square are
    // known when this is compiled, or it would lie in memory.
    HD Vec row() const {
        Vec r;
        scalar* to = &r.block[0].c[0];
        const int there = held() * block_width, rest = there % native_width;
        has_next = dim() % native_width != 0;
        int k = 0;
        for (; k + native_width <= there; k += native_width) {
            for (int p = 0; p < parts; ++p) {
                native_real square[native_width];
                take(square, k, p);
                UNROLL_ALL for (int i = 0; i < native_width; ++i) to[k + i].v[p] = square[i];
            }
        }
        if (rest != 0) {
            for (int p = 0; p < parts; ++p) {
                native_real square[native_width];
                take(square, k, p);
                UNROLL_ALL for (int i = 0; i < native_width; ++i) if (i < rest) to[k + i].v[p] = square[i];
                if (has_next && there == dim()) next.v[p] = square[rest];
            }
        }
        if (has_next && there != dim()) next = to[dim()];
        return r;
    }
    // In memory that the caller's Scope gives back; where the dimension is compiled in, of the caller's own.
    struct Numbers {
#if ENSEMBLE_DIM > 0
        scalar at[whole_blocks_of(ENSEMBLE_DIM) + native_width];
#else
        scalar* at;
#endif
        HD const scalar& operator[](int k) const { return at[k]; }
    };
    HD Numbers numbers(int count) const {
        Numbers r;
#if ENSEMBLE_DIM == 0
        char* room = workspace_room(long(sizeof(scalar)) * (count + native_width));
        r.at = (scalar*)room;
        workspace_reset(room + long(sizeof(scalar)) * (count + native_width));
#endif
        for (int k = 0; k < count; k += native_width) {
            for (int p = 0; p < parts; ++p) {
                native_real square[native_width];
                take(square, k, p);
                UNROLL_ALL for (int i = 0; i < native_width; ++i) r.at[k + i].v[p] = square[i];
            }
        }
        return r;
    }
    HD scalar operator[](int k) const {
        alignas(64) real each[width];
        for (int w = 0; w < width; ++w) each[w] = table[from[w] + k];
        scalar r;
        __builtin_memcpy(&r, each, sizeof(r));
        return r;
    }
    HD scalar after(int k) const { return has_next && k == 0 ? next : (*this)[dim() + k]; }
#endif
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

#if !ENSEMBLE_DEVICE
    // A vector of each instance's entries from the k-th on, turned: of the p-th part of a tile.
    HD void take(native_real (&square)[native_width], int k, int p) const {
        const real* at = table + k;
        UNROLL_ALL for (int i = 0; i < native_width; ++i)
            __builtin_memcpy(&square[i], at + from[p * native_width + i], sizeof(native_real));
        turn_from(square);
    }
#endif

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
        int i = 0;
#if !ENSEMBLE_DEVICE
        for (; i + 3 < count(); i += 4) {
            const SharedSample four[4] = {sample(i), sample(i + 1), sample(i + 2), sample(i + 3)};
            own().add_gradients(g, x, four);
        }
#endif
        ROLLED for (; i < count(); ++i) own().add_gradient(g, x, sample(i));
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
        using Sample = OwnSample<Batch::masked>;
        const int stride = own().stride();
        auto drawn = [&](int k) INLINED { return Sample(table, batch.index(k), stride, batch.has(k)); };
        int k = 0;
#if !ENSEMBLE_DEVICE
        for (; batch.goes_on(k + 3); k += 4) {
            const Sample four[4] = {drawn(k), drawn(k + 1), drawn(k + 2), drawn(k + 3)};
            own().add_gradients(g, x, four);
        }
#endif
        ROLLED for (; batch.goes_on(k); ++k) own().add_gradient(g, x, drawn(k));
        g = share * g + own().l2 * x;
        return g;
    }
    HD int count() const { return whole_number(own().sample_count); }
    // Of four samples, one after another: a struct may do better, with the same bits.
    template <class S>
    HD void add_gradients(Vec& g, const Vec& x, const S (&sample)[4]) const {
        for (int s = 0; s < 4; ++s) own().add_gradient(g, x, sample[s]);
    }

private:
    HD const Of& own() const { return *static_cast<const Of*>(this); }
    HD SharedSample sample(int i) const {
        return SharedSample(read_again(own().table.data()) + (long long)i * own().stride());
    }
};

#if !ENSEMBLE_DEVICE
// Four rows' products with x, by the tree of every reduction.
template <class Row>
HD void products_with(scalar (&z)[4], const Row (&a)[4], const Vec& x) {
    const int n = tree_blocks(), have = held(), whole = dim() / block_width;
#if ENSEMBLE_DIM == 0
    scalar* part = (scalar*)workspace_room(4 * long(sizeof(scalar)) * n);
#else
    scalar part[4 * power_of_two_at_least(held_blocks)];
#endif
    for (int j = 0; j < whole; ++j) {
        const Quad<scalar>& q = x.block[j];
        for (int s = 0; s < 4; ++s) {
            const auto& p = a[s].at(j);
            scalar r = broadcast(p.c[0] * q.c[0]);
            UNROLL for (int c = 1; c < block_width; ++c) r = muladd(p.c[c], q.c[c], r);
            part[4 * j + s] = r;
        }
    }
    for (int j = whole; j < have; ++j)
        for (int s = 0; s < 4; ++s) part[4 * j + s] = reduce_block(make_operand(a[s]) * x, j, Add{});
    for (int j = 4 * have; j < 4 * n; ++j) part[j] = broadcast(real(0));
    for (int half = n / 2; half >= 1; half /= 2)
        for (int j = 0; j < 4 * half; ++j) part[j] = part[j] + part[j + 4 * half];
    for (int s = 0; s < 4; ++s) z[s] = part[s];
}
#endif

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
#if !ENSEMBLE_DEVICE
    // x and g are read once for all four, whose chains of sums hide each other's latency.
    template <class S>
    HD void add_gradients(Vec& g, const Vec& x, const S (&sample)[4]) const {
        const decltype(sample[0].row()) a[4] = {sample[0].row(), sample[1].row(), sample[2].row(), sample[3].row()};
        scalar z[4], size[4];
        products_with(z, a, x);
        for (int s = 0; s < 4; ++s) size[s] = sample[s].only(own().slope_of(z[s], sample[s]));
        const int last = held() - 1;
        for (int j = 0; j <= last; ++j) {
            Quad<scalar> q = g.block[j];
            for (int s = 0; s < 4; ++s) {
                const auto& p = a[s].at(j);
                const scalar factor = size[s];
                EACH_COORDINATE q.c[c] = muladd(factor, p.c[c], q.c[c]);
            }
            if (j == last) zero_padding(q, j);
            g.block[j] = q;
        }
    }
#endif
#if ENSEMBLE_CHUNKS
    template <class Batch>
    CALLED Vec batch_gradient(const Vec& x, Batch& batch, const number& share) const {
        using Sample = OwnSample<Batch::masked>;
        const real* table = own().table.data();
        const int stride = own().stride();
        auto drawn = [&](int k) INLINED { return Sample(table, batch.index(k), stride, batch.has(k)); };
        Vec g;
        g = zero();
        int k = 0;
        if (OwnRows::possible() && batch.goes_on(3)) {  // for fewer it does not pay to turn x and the sum
            OwnRows rows(x);
            for (; batch.goes_on(k + 3); k += 4) {
                const Sample four[4] = {drawn(k), drawn(k + 1), drawn(k + 2), drawn(k + 3)};
                add_rows(rows, four);
            }
            for (; batch.goes_on(k); ++k) {
                const Sample one[1] = {drawn(k)};
                add_rows(rows, one);
            }
            rows.into(g);
        }
        ROLLED for (; batch.goes_on(k); ++k) add_gradient(g, x, drawn(k));
        g = share * g + own().l2 * x;
        return g;
    }
#endif
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
#if ENSEMBLE_CHUNKS
    template <int several, class S>
    HD void add_rows(OwnRows& rows, const S (&sample)[several]) const {
        scalar factor[several];
        for (int s = 0; s < several; ++s) factor[s] = rows.product(sample[s]);
        UNROLL_ALL for (int s = 0; s < several; ++s) factor[s] = sample[s].only(own().slope_of(factor[s], sample[s]));
        rows.add(factor, sample);
    }
#endif
    HD const Of& own() const { return *static_cast<const Of*>(this); }
};
