// Small matrices kept in a Vec row by row: coordinate i*cols + a is entry (i, a). cols is small and known to the compiler.
#pragma once
#include "arrays.cuh"
#include "calls.cuh"

HD constexpr int floor_of(int a, int b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

// Coordinate i of the result is x[i + K], zero past the ends, for any K.
template <int K>
struct Moved : Expression {
    static constexpr bool pointwise = K == 0;
    const Vec& vec;
    HD Moved(const Vec& v) : vec(v) {}
    HD Quad<scalar> at(int j) const {
        if constexpr (K == 0) {
            return vec.block[j];
        } else {
            Quad<scalar> r;
            EACH_COORDINATE r.c[c] = fetch(j, c);
            return r;
        }
    }

private:
    HD scalar in_row(int row, int c) const {
        bool here = row >= 0 && row < held();
        return here ? vec.block[here ? row : 0].c[c] : broadcast(real(0));
    }
    HD scalar fetch(int j, int c) const {
        if (windowed) return needs_all_coordinates();
        int on = floor_of(c + K, block_width);  // so many blocks on
        int k = c + K - on * block_width;
        if constexpr (lanes == 1) {
            return in_row(j + on, k);
        } else {
            // Lane l wants lane l + step, `rows` rows on, or one more where that is past the last lane. Seen from the
            // lane that gives: those below `step` are wanted by the last lanes, one row down.
            int rows = floor_of(on, lanes), step = on - rows * lanes;
            scalar low = in_row(j + rows, k);
            if (step == 0) return low;
            scalar high = in_row(j + rows + 1, k);
            return from_lane(lane_in_group() < step ? high : low, (lane_in_group() + step) & (lanes - 1));
        }
    }
};

// Row and column of coordinate c of held block j. In a group of lanes what depends on the lane is one remainder for all.
template <int cols>
HD int column_of(int j, int c) {
    if constexpr (lanes == 1) {
        return (block_width * block_of(j) + c) % cols;
    } else {
        int column = block_width * lane_in_group() % cols + (block_width * lanes * j + c) % cols;
        return column >= cols ? column - cols : column;
    }
}
template <int cols>
HD int row_of(int j, int c) {
    return is_coordinate(j, c) ? (block_width * block_of(j) + c) / cols : 0;
}
// The column of each coordinate.
template <int cols>
struct Column : Expression {
    static constexpr bool pointwise = true;
    HD Quad<int> at(int j) const {
        Quad<int> r;
        EACH_COORDINATE r.c[c] = column_of<cols>(j, c);
        return r;
    }
};

// A number that is read whether it is chosen or not: compilers would choose an address instead, and keep the matrix in memory.
HD scalar in_register(scalar value) {
#if defined(__CUDACC__) && ENSEMBLE_DOUBLE
    asm("" : "+d"(value));
#elif defined(__CUDACC__)
    asm("" : "+f"(value));
#endif
    return value;
}

// A small matrix, the same in every lane.
template <int rows, int cols>
struct Small {
    scalar e[rows][cols];
    HD scalar column_entry(int a, int b) const {  // b may differ from lane to lane
        scalar value = e[a][0];
        UNROLL for (int k = 1; k < cols; ++k) value = b == k ? e[a][k] : value;
        return value;
    }
};

// U^T W, both of `cols` columns: one reduction for each entry. Symmetric: the lower half is copied from the upper.
template <int cols, int d>
CALLED scalar gram_entry(const Vec& u, const Vec& w, int a) {
    return sum(where(Column<cols>() == a, u * Moved<d>(w), real(0)));
}
template <int cols, bool symmetric = false, int d = symmetric ? 0 : 1 - cols>
HD void gram(Small<cols, cols>& g, const Vec& u, const Vec& w) {
    if constexpr (d < cols) {
        UNROLL_HELD for (int a = d < 0 ? -d : 0; a < (d < 0 ? cols : cols - d); ++a) {
            g.e[a][a + d] = gram_entry<cols, d>(u, w, a);
            if (symmetric) g.e[a + d][a] = g.e[a][a + d];
        }
        gram<cols, symmetric, d + 1>(g, u, w);
    }
}

// U S: entry (i, b) is sum_a U(i, a) S(a, b), from a = 0 on.
template <int cols>
struct RowsTimes : Expression {
    static constexpr bool pointwise = false;
    const Vec& u;
    const Small<cols, cols>& s;
    HD RowsTimes(const Vec& u_, const Small<cols, cols>& s_) : u(u_), s(s_) {}
    HD Quad<scalar> at(int j) const {
        Quad<scalar> r;
        EACH_COORDINATE r.c[c] = broadcast(real(0));
        add<1 - cols>(r, j);
        return r;
    }

private:
    template <int d>
    HD void add(Quad<scalar>& r, int j) const {
        if constexpr (d < cols) {
            Quad<scalar> from = Moved<d>(u).at(j);
            EACH_COORDINATE {
                int b = column_of<cols>(j, c);
                scalar factor = broadcast(real(0));
                UNROLL for (int k = 0; k < cols; ++k) {
                    if (k + d >= 0 && k + d < cols) factor = b == k ? s.e[k + d < 0 ? 0 : (k + d) % cols][k] : factor;
                }
                bool inside = b + d >= 0 && b + d < cols;
                r.c[c] = inside ? muladd(from.c[c], factor, r.c[c]) : r.c[c];
            }
            add<d + 1>(r, j);
        }
    }
};
template <int cols>
HD RowsTimes<cols> times(const Vec& u, const Small<cols, cols>& s) {
    return RowsTimes<cols>(u, s);
}

// With a matrix F of `inside` columns in memory, row by row, as many rows as the one in the Vec.
// Entry c of the row of F that belongs to the coordinate's row.
template <int cols, int inside>
struct RowEntry : Expression {
    static constexpr bool pointwise = true;
    const real* f;
    int entry;
    HD RowEntry(const real* f_, int entry_) : f(f_), entry(entry_) {}
    HD Quad<real> at(int j) const {
        Quad<real> r;
        EACH_COORDINATE r.c[c] = f[row_of<cols>(j, c) * inside + entry];
        return r;
    }
};
// F^T U
template <int cols, int inside>
CALLED scalar gram_with_entry(const real* f, const Vec& u, int a, int b) {
    return sum(where(Column<cols>() == b, RowEntry<cols, inside>(f, a) * u, real(0)));
}
template <int cols, int inside>
HD void gram_with(Small<inside, cols>& g, const real* f, const Vec& u) {
    UNROLL_HELD for (int a = 0; a < inside; ++a) {
        UNROLL_HELD for (int b = 0; b < cols; ++b) g.e[a][b] = gram_with_entry<cols, inside>(f, u, a, b);
    }
}
// F S: entry (i, b) is sum_a F(i, a) S(a, b), from a = 0 on.
template <int cols, int inside>
struct TimesFactor : Expression {
    static constexpr bool pointwise = true;
    const real* f;
    const Small<inside, cols>& s;
    HD TimesFactor(const real* f_, const Small<inside, cols>& s_) : f(f_), s(s_) {}
    HD Quad<scalar> at(int j) const {
        Quad<scalar> r;
        EACH_COORDINATE {
            int i = row_of<cols>(j, c), b = column_of<cols>(j, c);
            scalar total = broadcast(real(0));
            UNROLL for (int a = 0; a < inside; ++a) {
                total = muladd(broadcast(f[i * inside + a]), s.column_entry(a, b), total);
            }
            r.c[c] = total;
        }
        return r;
    }
};
// Entry (i, 0) is the inner product of rows i and k of F, the others zero.
template <int cols, int inside>
struct RowProducts : Expression {
    static constexpr bool pointwise = true;
    const real* f;
    int k;
    HD RowProducts(const real* f_, int k_) : f(f_), k(k_) {}
    HD Quad<real> at(int j) const {
        Quad<real> r;
        EACH_COORDINATE {
            bool first = is_coordinate(j, c) && column_of<cols>(j, c) == 0;
            const real* row = f + row_of<cols>(j, c) * inside;
            real total = 0;
            for (int a = 0; a < inside; ++a) total = first ? muladd(row[a], f[k * inside + a], total) : total;
            r.c[c] = total;
        }
        return r;
    }
};

// Every coordinate in every lane, and back: for the few numbers of a small network.
template <int n>
struct Everything {
    scalar e[n];
    HD Everything() {}
    HD explicit Everything(const Vec& x) { UNROLL for (int i = 0; i < n; ++i) e[i] = at(x, i); }
    HD Vec spread() const {
        Vec r;
        EACH_BLOCK(j) {
            EACH_COORDINATE {
                scalar value = broadcast(real(0));
                UNROLL for (int l = 0; l < lanes; ++l) {
                    int i = block_width * (j * lanes + l) + c;
                    if (i < n && lane_in_group() == l) value = e[i < n ? i : 0];
                }
                r.block[j].c[c] = value;
            }
        }
        return r;
    }
};
