"""The landscape of a formula that is typed into the page: a list of operations, carried out one after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ensemble as en
from ensemble.part import array

MOST = 400
"""Operations of a formula and its slopes together."""


@dataclass(frozen=True)
class Typed(en.Landscape):
    """A function of two coordinates and its slopes, as operations that own.js writes.

    ``tape`` is (register of f, operations that f takes, register of each slope, operations in all, 0, 0, 0), and four numbers
    for each operation: what it is, the registers of its operands, a constant. It writes the register of its own number.
    """

    dim = 2
    tape: Any = array()
    kernel = f"""
struct Typed : Unconstrained {{
    Array tape;
    enum Column {{ columns }};
    CALLED void play(const Vec& x, scalar* r, int count) const {{
        const real* op = tape.data() + 8;
        for (int k = 0; k < count; ++k, op += 4) {{
            const scalar &a = r[int(op[1])], &b = r[int(op[2])];
            switch (int(op[0])) {{
                case 0: r[k] = broadcast(op[3]); break;
                case 1: r[k] = at(x, 0); break;
                case 2: r[k] = at(x, 1); break;
                case 3: r[k] = a + b; break;
                case 4: r[k] = a - b; break;
                case 5: r[k] = a * b; break;
                case 6: r[k] = quotient(a, b); break;
                case 7: r[k] = -a; break;
                case 8: r[k] = elementary::sin(a); break;
                case 9: r[k] = elementary::cos(a); break;
                case 10: r[k] = elementary::exp(a); break;
                case 11: r[k] = elementary::log(a); break;
                case 12: r[k] = square_root(a); break;
                case 13: r[k] = elementary::tanh(a); break;
                case 14: r[k] = absolute(a); break;
                case 15: {{
                    const scalar rest = where(as_mask(a < real(0)), broadcast(real(-1)), real(0) * a);
                    r[k] = where(as_mask(a > real(0)), broadcast(real(1)), rest);
                    break;
                }}
                default: r[k] = elementary::pow(a, broadcast(op[3]));
            }}
        }}
    }}
    template <class Now>
    HD scalar value(const Vec& x, const Now&) const {{
        scalar r[{MOST}];
        play(x, r, int(tape[1]));
        return r[int(tape[0])];
    }}
    template <class Now>
    HD auto gradient(const Vec& x, const Now&) const {{
        scalar r[{MOST}];
        play(x, r, int(tape[4]));
        const scalar first = r[int(tape[2])], second = r[int(tape[3])];
        return where(index() < 1, first, second);
    }}
}};
"""
