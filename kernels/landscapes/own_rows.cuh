// Samples of each instance's own on a CPU, in sums that are linear in their rows: a tile's lanes are instances, and each has
// another row. To turn whole rows, so that a vector holds one number of all, takes longer than all that is done with them. Here a
// product turns blocks of four numbers alone, and its tree goes on from instances' blocks to instances; what is added is added to
// rows as they lie in memory, turned once for a batch. The same operations on the same numbers: the same bits.
#pragma once
#include "../rows.cuh"

#if ENSEMBLE_CHUNKS  // vectors' worths of numbers that a row takes
class OwnRows {
    static constexpr int chunks = ENSEMBLE_CHUNKS, folds = power_of_two_at_least(chunks);
    // Of four instances; a chunk has as many blocks of four numbers.
    static constexpr int groups = native_width >= 4 ? native_width / 4 : 1;
    using All = typename UpTo<native_width>::type;

    const int size = dim();
    native_int inside[4], after_row;  // which places of the last chunk are coordinates; where what follows them is
    native_real x[parts][groups][chunks][4];
    alignas(64) real g[width][chunks * native_width];

public:
    HD explicit OwnRows(const Vec& at) {
        for (int i = 0; i < native_width; ++i) {
            const int k = (chunks - 1) * native_width + i / 4 * 4;
            UNROLL_ALL for (int c = 0; c < 4; ++c) inside[c][i] = k + c < size ? -1 : 0;
            after_row[i] = size % native_width / 4 * 4 + i % 4;
        }
        const scalar* from = &at.block[0].c[0];
        const int there = held() * block_width;
        for (int p = 0; p < parts; ++p) {
            UNROLL_ALL for (int m = 0; m < chunks; ++m) {
                UNROLL_ALL for (int c = 0; c < 4; ++c) {
                    native_real v[groups];
                    UNROLL_ALL for (int j = 0; j < groups; ++j) {
                        const int k = m * native_width + 4 * j + c;
                        v[j] = k < there ? from[k].v[p] : native_real{};
                    }
                    turn_blocks(v);
                    UNROLL_ALL for (int q = 0; q < groups; ++q) x[p][q][m][c] = v[q];
                }
            }
        }
        __builtin_memset(g, 0, sizeof(g));
    }
    // Whether a pack has blocks of four, and the tree as many leaves as a chunk has blocks.
    HD static bool possible() { return native_width % 4 == 0 && block_width == 4 && tree_blocks() >= groups; }

    // A row's products with x; the number after the row is known then, too.
    template <class S>
    HD scalar product(const S& sample) const {
        scalar z;
        for (int p = 0; p < parts; ++p) {
            native_real of_group[groups], after[groups];
            UNROLL_ALL for (int q = 0; q < groups; ++q) {
                const int first = p * native_width + 4 * q;
                const real* row[4] = {row_of(sample, first), row_of(sample, first + 1), row_of(sample, first + 2),
                                      row_of(sample, first + 3)};
                native_real part[folds];
                UNROLL_ALL for (int m = 0; m < folds; ++m) {
                    part[m] = native_real{};
                    if (m >= chunks) continue;
                    const native_real(&by)[4] = x[p][q][m];
                    native_real a[4];
                    turned(a, row, m);
                    if (m < chunks - 1) {
                        part[m] = a[0] * by[0];
                        UNROLL_ALL for (int c = 1; c < 4; ++c) part[m] = native_muladd(a[c], by[c], part[m]);
                    } else {  // what is no coordinate enters no sum
                        part[m] = inside[0] ? a[0] * by[0] : native_real{};
                        UNROLL_ALL for (int c = 1; c < 4; ++c) part[m] =
                            inside[c] ? native_muladd(a[c], by[c], part[m]) : part[m];
                        const int c = size % 4;
                        after[q] = picked(c == 0 ? a[0] : c == 1 ? a[1] : c == 2 ? a[2] : a[3], after_row);
                    }
                }
                UNROLL_ALL for (int half = folds / 2; half >= 1; half /= 2) UNROLL_ALL for (int m = 0; m < half; ++m)
                    part[m] = part[m] + part[m + half];
                of_group[q] = part[0];
            }
            fold<groups / 2>(of_group);
            z.v[p] = of_group[0];
            choose<groups / 2>(after);
            sample.next.v[p] = after[0];
        }
        sample.has_next = size % native_width != 0;
        return z;
    }
    // Adds `factor` times the rows, one sample after another.
    template <int several, class S>
    HD void add(const scalar (&factor)[several], const S (&sample)[several]) {
        alignas(64) real by[several][width];
        for (int s = 0; s < several; ++s) __builtin_memcpy(by[s], &factor[s], sizeof(by[s]));
        for (int w = 0; w < width; ++w) {
            const real* row[several];
            native_real times[several];
            for (int s = 0; s < several; ++s) {
                row[s] = row_of(sample[s], w);
                times[s] = by[s][w] - native_real{};
            }
            real* to = g[w];
            UNROLL_ALL for (int m = 0; m < chunks; ++m, to += native_width) {
                native_real sum, numbers;
                __builtin_memcpy(&sum, to, sizeof(sum));
                for (int s = 0; s < several; ++s) {
                    __builtin_memcpy(&numbers, row[s] + m * native_width, sizeof(numbers));
                    sum = native_muladd(times[s], numbers, sum);
                }
                __builtin_memcpy(to, &sum, sizeof(sum));
            }
        }
    }
    HD void into(Vec& to) const {
        scalar* all = &to.block[0].c[0];
        const int there = held() * block_width;
        for (int p = 0; p < parts; ++p) {
            UNROLL_ALL for (int m = 0; m < chunks; ++m) {
                native_real square[native_width];
                UNROLL_ALL for (int i = 0; i < native_width; ++i)
                    __builtin_memcpy(&square[i], &g[p * native_width + i][m * native_width], sizeof(native_real));
                turn_from(square);
                UNROLL_ALL for (int i = 0; i < native_width; ++i) {
                    const int k = m * native_width + i;
                    if (k < there) all[k].v[p] = k < size ? square[i] : native_real{};
                }
            }
        }
    }

private:
    template <class S>
    HD static const real* row_of(const S& sample, int w) {
        return sample.table + sample.from[w];
    }
    // The m-th chunk of four rows: c-th numbers of all blocks.
    HD static void turned(native_real (&a)[4], const real* const (&row)[4], int m) {
        UNROLL_ALL for (int r = 0; r < 4; ++r) __builtin_memcpy(&a[r], row[r] + m * native_width, sizeof(native_real));
        if constexpr (native_width >= 4) {
            exchange<1>(a[0], a[1], All());
            exchange<1>(a[2], a[3], All());
            exchange<2>(a[0], a[2], All());
            exchange<2>(a[1], a[3], All());
        }
    }
    // Blocks of four as the elements of a square.
    template <int S = 1>
    HD static void turn_blocks(native_real (&row)[groups]) {
        if constexpr (S < groups) {
            UNROLL_ALL for (int i = 0; i < groups; ++i) if (!(i & S)) exchange<4 * S>(row[i], row[i | S], All());
            turn_blocks<2 * S>(row);
        }
    }
    // The tree's last levels: from blocks of four instances each to one number of each instance.
    template <int S>
    HD static void fold(native_real (&v)[groups]) {
        if constexpr (S >= 1) {
            UNROLL_ALL for (int q = 0; q < S; ++q) {
                exchange<4 * S>(v[q], v[q + S], All());
                v[q] = v[q] + v[q + S];
            }
            fold<S / 2>(v);
        }
    }
    // Of vectors whose blocks are all the same, each group's in its place.
    template <int S>
    HD static void choose(native_real (&v)[groups]) {
        if constexpr (S >= 1) {
            UNROLL_ALL for (int q = 0; q < S; ++q) exchange<4 * S>(v[q], v[q + S], All());
            choose<S / 2>(v);
        }
    }
};
#endif
