// Not derived: the algebra has no products of a chain of matrices, which here lie in every lane.
#pragma once
#include "../base/matrices.cuh"
#include "base.cuh"

// 1/2 |W_layers ... W_1 - target|^2, matrices n x n. Every lane holds all weights and does all the work: the products
// mix all of them, and there are few.
template <int layers, int n>
struct DeepLinear : Unconstrained {
    Array target;
    enum Column { columns };
    struct Matrix {
        scalar e[n][n];
        HD Matrix transposed() const {
            Matrix r;
            UNROLL for (int i = 0; i < n; ++i) { UNROLL for (int j = 0; j < n; ++j) r.e[i][j] = e[j][i]; }
            return r;
        }
        friend HD Matrix operator*(const Matrix& a, const Matrix& b) {
            Matrix r;
            UNROLL for (int i = 0; i < n; ++i) {
                UNROLL for (int j = 0; j < n; ++j) {
                    r.e[i][j] = a.e[i][0] * b.e[0][j];
                    UNROLL for (int k = 1; k < n; ++k) r.e[i][j] = muladd(a.e[i][k], b.e[k][j], r.e[i][j]);
                }
            }
            return r;
        }
        friend HD Matrix operator+(const Matrix& a, const Matrix& b) {
            Matrix r;
            UNROLL for (int i = 0; i < n; ++i) { UNROLL for (int j = 0; j < n; ++j) r.e[i][j] = a.e[i][j] + b.e[i][j]; }
            return r;
        }
    };
    struct Weights {
        Everything<layers * n * n> all;
        HD Weights() {}
        HD explicit Weights(const Vec& x) : all(x) {}
        HD Matrix layer(int l) const {
            Matrix m;
            UNROLL for (int i = 0; i < n; ++i) {
                UNROLL for (int j = 0; j < n; ++j) m.e[i][j] = all.e[(l * n + i) * n + j];
            }
            return m;
        }
        HD void set(int l, const Matrix& m) {
            UNROLL for (int i = 0; i < n; ++i) {
                UNROLL for (int j = 0; j < n; ++j) all.e[(l * n + i) * n + j] = m.e[i][j];
            }
        }
    };
    struct Forward {
        Matrix passed[layers];
        Matrix residual;
    };
    HD Forward forward(const Weights& w) const {
        Forward f;
        f.passed[0] = w.layer(0);
        UNROLL for (int l = 1; l < layers; ++l) f.passed[l] = w.layer(l) * f.passed[l - 1];
        UNROLL for (int i = 0; i < n; ++i) {
            UNROLL for (int j = 0; j < n; ++j) f.residual.e[i][j] = f.passed[layers - 1].e[i][j] - target[i * n + j];
        }
        return f;
    }
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {
        Forward f = forward(Weights(x));
        scalar whole = f.residual.e[0][0] * f.residual.e[0][0];
        UNROLL for (int k = 1; k < n * n; ++k) {
            scalar r = f.residual.e[k / n][k % n];
            whole = muladd(r, r, whole);
        }
        return real(0.5) * whole;
    }
    template <class Now>
    CALLED Vec gradient(const Vec& x, const Now&) const {
        Weights w(x), g;
        Forward f = forward(w);
        Matrix back = f.residual;
        UNROLL for (int l = layers - 1; l >= 0; --l) {
            g.set(l, l ? back * f.passed[l ? l - 1 : 0].transposed() : back);
            back = w.layer(l).transposed() * back;
        }
        return g.all.spread();
    }
    template <class Now>
    CALLED Vec hessian_product(const Vec& x, const Vec& v, const Now&) const {
        Weights w(x), turn(v), h;
        Forward f = forward(w);
        Matrix change[layers];
        change[0] = turn.layer(0);
        UNROLL for (int l = 1; l < layers; ++l) {
            change[l] = turn.layer(l) * f.passed[l - 1] + w.layer(l) * change[l - 1];
        }
        Matrix back = f.residual, back_change = change[layers - 1];
        UNROLL for (int l = layers - 1; l >= 0; --l) {
            int before = l ? l - 1 : 0;
            h.set(l,
                  l ? back_change * f.passed[before].transposed() + back * change[before].transposed() : back_change);
            back_change = turn.layer(l).transposed() * back + w.layer(l).transposed() * back_change;
            back = w.layer(l).transposed() * back;
        }
        return h.all.spread();
    }
    template <class Now>
    CALLED Vec hessian_diagonal(const Vec& x, const Now&) const {
        Weights w(x), h;
        Forward f = forward(w);
        Matrix one;
        UNROLL for (int i = 0; i < n; ++i) { UNROLL for (int j = 0; j < n; ++j) one.e[i][j] = broadcast(real(i == j)); }
        Matrix ahead = one;
        UNROLL for (int l = layers - 1; l >= 0; --l) {
            const Matrix& before = l ? f.passed[l ? l - 1 : 0] : one;
            Matrix own;
            UNROLL for (int i = 0; i < n; ++i) {
                UNROLL for (int j = 0; j < n; ++j) {
                    scalar column = ahead.e[0][i] * ahead.e[0][i], row = before.e[j][0] * before.e[j][0];
                    UNROLL for (int k = 1; k < n; ++k) {
                        column = muladd(ahead.e[k][i], ahead.e[k][i], column);
                        row = muladd(before.e[j][k], before.e[j][k], row);
                    }
                    own.e[i][j] = column * row;
                }
            }
            h.set(l, own);
            ahead = ahead * w.layer(l);
        }
        return h.all.spread();
    }
};
