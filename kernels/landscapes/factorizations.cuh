// Not derived: matrix products, and sums over measurements, of which there are as many as the data has.
#pragma once
#include "../base/matrices.cuh"
#include "base.cuh"

// 1/4 |U U^T - V V^T|^2; U is (size, rank) row by row, factor is V (size, true_rank)
template <int rank, int size, int true_rank>
struct MatrixFactorization : Unconstrained {
    Array factor;
    enum Column { columns };
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        Vec squares = zero();
        for (int k = 0; k < size; ++k) {
            Small<rank, rank> row;  // row k of U, in the first column
            for (int a = 0; a < rank; ++a) {
                for (int b = 0; b < rank; ++b) row.e[a][b] = broadcast(real(0));
                row.e[a][0] = at(x, k * rank + a);
            }
            Vec rest = times(x, row) - RowProducts<rank, true_rank>(known(), k);
            squares = squares + rest * rest;
        }
        return real(0.25) * sum(squares);
    }
    template <class Now>
    CALLED Vec gradient(const Vec& x, const Now&) const {
        Small<rank, rank> inner;
        Small<true_rank, rank> with;
        gram<rank, true>(inner, x, x);
        gram_with<rank, true_rank>(with, known(), x);
        return times(x, inner) - TimesFactor<rank, true_rank>(known(), with);
    }
    template <class Now>
    CALLED Vec hessian_product(const Vec& x, const Vec& v, const Now&) const {
        Small<rank, rank> inner, cross, both;
        Small<true_rank, rank> with;
        gram<rank, true>(inner, x, x);
        gram<rank>(cross, v, x);
        gram_with<rank, true_rank>(with, known(), v);
        for (int a = 0; a < rank; ++a)
            for (int b = 0; b < rank; ++b) both.e[a][b] = cross.e[a][b] + cross.e[b][a];
        return times(v, inner) + times(x, both) - TimesFactor<rank, true_rank>(known(), with);
    }
    template <class Now>
    CALLED Vec hessian_diagonal(const Vec& x, const Now&) const {
        Small<rank, rank> inner, ones;
        gram<rank, true>(inner, x, x);
        for (int a = 0; a < rank; ++a)
            for (int b = 0; b < rank; ++b) ones.e[a][b] = broadcast(real(1));
        Vec result, square = x * x;
        result = Own{inner} + square + (times(square, ones) - Rows{known()});
        return result;
    }

private:
    HD const real* known() const { return read_again(factor.data()); }
    struct Own : Expression {  // entry (a, a) of a small matrix in column a
        static constexpr bool pointwise = true;
        const Small<rank, rank>& s;
        HD Own(const Small<rank, rank>& s_) : s(s_) {}
        HD Quad<scalar> at(int j) const {
            Quad<scalar> r;
            EACH_COORDINATE {
                int b = column_of<rank>(j, c);
                r.c[c] = s.e[0][0];
                UNROLL for (int k = 1; k < rank; ++k) r.c[c] = b == k ? s.e[k][k] : r.c[c];
            }
            return r;
        }
    };
    struct Rows : Expression {  // the squared length of the row of V
        static constexpr bool pointwise = true;
        const real* f;
        HD Rows(const real* f_) : f(f_) {}
        HD Quad<real> at(int j) const {
            Quad<real> r;
            EACH_COORDINATE {
                const real* row = f + row_of<rank>(j, c) * true_rank;
                real total = 0;
                for (int a = 0; a < true_rank; ++a) {
                    total = muladd(row[a], row[a], total);
                }
                r.c[c] = total;
            }
            return r;
        }
    };
};
