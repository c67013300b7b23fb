// Muon is written by hand: products of matrices within iterations that stay rolled, however many there are.
#pragma once
#include "../base/matrices.cuh"
#include "base.cuh"

// The coordinates are matrices of rows x across, one after another, row by row. A matrix is seen with its shorter side as columns.
template <int across, int rows, int iterations, bool nesterov>
struct Muon {
    number eps, a, b, c, scale;
    enum Column { lr, beta, gain, columns };
    struct State {
        Vec m;
        template <class Visit>
        HD void each(Visit&& visit) {
            visit(m);
        }
    };
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        Vec g = gradient(x);
        s.m = now[beta] * s.m + now[gain] * g;
        Vec u = s.m;
        if constexpr (nesterov) u = now[beta] * s.m + now[gain] * g;
        ROLLED for (int first = 0; first < dim(); first += size) normalize(u, first);
        ROLLED for (int k = 0; k < iterations; ++k) {
            ROLLED for (int first = 0; first < dim(); first += size) turn(u, first);
        }
        return x - (now[lr] * scale) * u;
    }

private:
    static constexpr int size = rows * across;
    static constexpr bool wide = across > rows;
    static constexpr int side = wide ? rows : across;
    static constexpr int apart = wide ? across : 1;  // coordinates between neighbours along the shorter side

    // The number of each coordinate along the shorter side of the matrix that begins at `first`; -1 outside of it.
    struct Place : Expression {
        static constexpr bool pointwise = true;
        int first;
        HD Place(int first_) : first(first_) {}
        HD Quad<int> at(int j) const {
            Quad<int> r;
            EACH_COORDINATE {
                int k = block_width * block_of(j) + c - first;
                r.c[c] = k < 0 || k >= size ? -1 : wide ? k / across : k % across;
            }
            return r;
        }
    };
    CALLED void normalize(Vec& u, int first) const {
        Place place(first);
        Vec own = where(place >= 0, u, real(0));
        scalar size_of = larger_of(length(own), broadcast(eps));
        u = where(place >= 0, u / where(size_of > real(0), size_of, broadcast(real(1))), u);
    }
    template <int d>
    CALLED scalar entry(const Vec& u, int first, int i) const {
        return sum(where(Place(first) == i, u * Moved<d * apart>(u), real(0)));
    }
    template <int d = 0>
    HD void gram(Small<side, side>& g, const Vec& u, int first) const {
        if constexpr (d < side) {
            UNROLL_HELD for (int i = 0; i < side - d; ++i) g.e[i][i + d] = g.e[i + d][i] = entry<d>(u, first, i);
            gram<d + 1>(g, u, first);
        }
    }
    // u S, in the matrix that begins at `first`: the sum over the shorter side from 0 on.
    struct Times : Expression {
        static constexpr bool pointwise = false;
        const Vec& u;
        const Small<side, side>& s;
        Place place;
        HD Times(const Vec& u_, const Small<side, side>& s_, int first) : u(u_), s(s_), place(first) {}
        HD Quad<scalar> at(int j) const {
            Quad<scalar> r;
            EACH_COORDINATE r.c[c] = broadcast(real(0));
            add<1 - side>(r, place.at(j), j);
            return r;
        }

    private:
        template <int d>
        HD void add(Quad<scalar>& r, const Quad<int>& to, int j) const {
            if constexpr (d < side) {
                Quad<scalar> from = Moved<d * apart>(u).at(j);
                EACH_COORDINATE {
                    scalar factor = broadcast(real(0));
                    UNROLL for (int k = 0; k < side; ++k) {
                        if (k + d < 0 || k + d >= side) continue;
                        scalar value = in_register(s.e[k + d < 0 ? 0 : (k + d) % side][k]);
                        factor = to.c[c] == k ? value : factor;
                    }
                    bool inside = to.c[c] >= 0 && to.c[c] + d >= 0 && to.c[c] + d < side;
                    r.c[c] = inside ? muladd(from.c[c], factor, r.c[c]) : r.c[c];
                }
                add<d + 1>(r, to, j);
            }
        }
    };
    CALLED void turn(Vec& u, int first) const {
        Small<side, side> g, s;
        gram(g, u, first);
        UNROLL_HELD for (int i = 0; i < side; ++i) {
            UNROLL_HELD for (int j = i; j < side; ++j) {
                scalar square = g.e[i][0] * g.e[0][j];
                UNROLL_HELD for (int k = 1; k < side; ++k) square = muladd(g.e[i][k], g.e[k][j], square);
                s.e[i][j] = s.e[j][i] = c * square + b * g.e[i][j];
            }
        }
        Vec turned = Times(u, s, first);
        u = where(Place(first) >= 0, a * u + turned, u);
    }
};
