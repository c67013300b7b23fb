"""Derive the polynomial coefficients of `ensemble/arithmetic/elementary` and `kernels/elementary.cuh`.

Each polynomial is the minimax solution of a weighted problem on a grid of Chebyshev points: errors in 40 digits,
corrections from a linear program. Its coefficients are rounded to the working precision one at a time from the
constant upwards, and after each rounding the remaining ones are fitted anew, so that they make up for it.

    python tests/derive_elementary.py

prints every polynomial, constant first, with the largest weighted error of the rounded one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mpmath as mp
import numpy as np
from scipy.optimize import linprog

Function = Callable[[mp.mpf], mp.mpf]
DIGITS = 40


@dataclass(frozen=True)
class Fit:
    """A polynomial p with p(x) ~ target(x) on (low, high); what counts is |weight(x) (p(x) - target(x))|.

    `degrees` are those in float32 and in float64.
    """

    target: Function
    weight: Function
    low: mp.mpf
    high: mp.mpf
    degrees: tuple[int, int]


def polynomial(x: mp.mpf, coefficients: list[mp.mpf]) -> mp.mpf:
    total = mp.mpf(0)
    for coefficient in reversed(coefficients):
        total = total * x + coefficient
    return total


def chebyshev_points(low: mp.mpf, high: mp.mpf, count: int) -> list[mp.mpf]:
    middle, half = (high + low) / 2, (high - low) / 2
    return [middle - half * mp.cos(mp.pi * (i + mp.mpf(1) / 2) / count) for i in range(count)]


def improved(
    coefficients: list[mp.mpf], first: int, grid: list[mp.mpf], target: list[mp.mpf], weight: list[mp.mpf]
) -> list[mp.mpf]:
    """The coefficients from index `first` on changed so that the largest weighted error on the grid is smallest."""
    reach = max(abs(x) for x in grid)
    powers = range(first, len(coefficients))
    basis = np.array([[float(w * (x / reach) ** k) for k in powers] for x, w in zip(grid, weight, strict=True)])
    for _ in range(2):  # the second pass repairs what double precision lost in the first
        errors = weighted_errors(coefficients, grid, target, weight)
        scale = max(abs(error) for error in errors)
        scaled = np.array([float(error / scale) for error in errors])
        ones = np.ones((len(grid), 1))
        answer = linprog(
            [0.0] * len(powers) + [1.0],
            A_ub=np.block([[basis, -ones], [-basis, -ones]]),
            b_ub=np.concatenate([-scaled, scaled]),
            bounds=(None, None),
        )
        if answer.status != 0 or answer.x[-1] > 1:
            break
        change = dict(zip(powers, answer.x, strict=False))
        coefficients = [c + scale * mp.mpf(change.get(k, 0.0)) / reach**k for k, c in enumerate(coefficients)]
    return coefficients


def weighted_errors(
    coefficients: list[mp.mpf], grid: list[mp.mpf], target: list[mp.mpf], weight: list[mp.mpf]
) -> list[mp.mpf]:
    return [w * (polynomial(x, coefficients) - f) for x, f, w in zip(grid, target, weight, strict=True)]


def derive(fit: Fit, dtype: type[np.floating]) -> tuple[list[float], float]:
    """Rounded coefficients, constant first, and their largest weighted error."""
    degree = fit.degrees[0 if dtype is np.float32 else 1]
    points = chebyshev_points(fit.low, fit.high, degree + 1)
    powers = mp.matrix([[x**k for k in range(degree + 1)] for x in points])
    coefficients = list(mp.lu_solve(powers, mp.matrix([fit.target(x) for x in points])))
    grid = chebyshev_points(fit.low, fit.high, 16 * (degree + 2))
    target, weight = [fit.target(x) for x in grid], [abs(fit.weight(x)) for x in grid]
    for k in range(degree + 1):
        coefficients = improved(coefficients, k, grid, target, weight)
        coefficients[k] = mp.mpf(nearest(coefficients[k], dtype))
    errors = weighted_errors(coefficients, grid, target, weight)
    return [float(c) for c in coefficients], float(max(abs(error) for error in errors))


def fits() -> dict[str, Fit]:
    """Every polynomial of the two files by its name there."""
    one, two = mp.mpf(1), mp.mpf(2)
    root_half, quarter_pi, zero = mp.sqrt(one / 2), mp.pi / 4, mp.mpf(0)
    return {
        # log(1 + f) = f + f^2 p(f), relative
        "log_tail": Fit(
            lambda f: (mp.log1p(f) - f) / f**2, lambda f: f**2 / mp.log1p(f), root_half - 1, 2 * root_half - 1, (7, 18)
        ),
        # exp(r) = 1 + (r + r^2 p(r)), relative
        "exp_tail": Fit(
            lambda r: (mp.expm1(r) - r) / r**2, lambda r: r**2 / mp.exp(r), -mp.log(2) / 2, mp.log(2) / 2, (4, 9)
        ),
        # tanh(x) = x + x z p(z), z = x^2, relative
        "tanh_tail": Fit(
            lambda z: (mp.tanh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
            lambda z: z * mp.sqrt(z) / mp.tanh(mp.sqrt(z)),
            zero,
            mp.mpf(0.625) ** 2,
            (4, 10),
        ),
        # sin(r) = r + r z p(z), z = r^2, relative
        "sin_tail": Fit(
            lambda z: (mp.sin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
            lambda z: z * mp.sqrt(z) / mp.sin(mp.sqrt(z)),
            zero,
            quarter_pi**2,
            (2, 5),
        ),
        # cos(r) = (1 - z/2) + z^2 p(z), z = r^2, relative
        "cos_tail": Fit(
            lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2,
            lambda z: z**2 / mp.cos(mp.sqrt(z)),
            zero,
            quarter_pi**2,
            (2, 5),
        ),
        # sin(y quarter turns) = y p(z), z = y^2, absolute
        "sin_turn": Fit(
            lambda z: mp.sin(mp.pi / 2 * mp.sqrt(z)) / mp.sqrt(z), lambda z: mp.sqrt(z), zero, one / 4, (3, 6)
        ),
        # cos(y quarter turns) = 1 + z p(z), z = y^2, absolute
        "cos_turn": Fit(lambda z: (mp.cos(mp.pi / 2 * mp.sqrt(z)) - 1) / z, lambda z: z, zero, one / 4, (2, 5)),
        # log((1 + s)/(1 - s)) = 2 s + s z (2/3 + z p(z)), z = s^2, relative
        "atanh_tail": Fit(
            lambda z: ((mp.log((1 + mp.sqrt(z)) / (1 - mp.sqrt(z))) / mp.sqrt(z) - 2) / z - two / 3) / z,
            lambda z: z**2 / 2,
            zero,
            (3 - 2 * mp.sqrt(2)) ** 2,
            (2, 6),
        ),
    }


def nearest(value: mp.mpf, dtype: type[np.floating]) -> float:
    return float(np.float32(float(value))) if dtype is np.float32 else float(value)


def cut(value: mp.mpf, bits: int) -> mp.mpf:
    """The value rounded to a number of bits."""
    unit = mp.mpf(2) ** (mp.floor(mp.log(abs(value), 2)) + 1 - bits)
    return mp.nint(value / unit) * unit


def toward_zero(value: mp.mpf, dtype: type[np.floating]) -> float:
    rounded = nearest(value, dtype)
    return rounded if abs(mp.mpf(rounded)) <= abs(value) else float(np.nextafter(dtype(rounded), dtype(0)))


def constants_of(dtype: type[np.floating]) -> dict[str, float]:
    """Every other constant of the two files by its name there.

    What is subtracted n times from an argument is split so that n times its leading parts is exact: |n| <= 2^8 (2^11)
    for log(2), and |n| < 2^13 (2^20) quarter turns, in float32 (float64).
    """
    digits, top, split, ln2_bits, half_pi_bits, power = (
        (24, 128, 12, 10, 11, 40) if dtype is np.float32 else (53, 1024, 27, 33, 33, 70)
    )
    two = mp.mpf(2)
    with mp.workdps(DIGITS):
        ln2, half_pi, two_thirds = mp.log(2), mp.pi / 2, two / 3
        largest, smallest = two**top - two ** (top - digits), two ** (2 - top)
        ln2_high, half_pi_1 = cut(ln2, ln2_bits), cut(half_pi, half_pi_bits)
        half_pi_2 = cut(half_pi - half_pi_1, half_pi_bits)
        return {
            "smallest": float(smallest),
            "largest": float(largest),
            "root_half": nearest(mp.sqrt(1 / two), dtype),
            "ln2": nearest(ln2, dtype),
            "ln2_high": float(ln2_high),
            "ln2_low": nearest(ln2 - ln2_high, dtype),
            "one_over_ln2": nearest(1 / ln2, dtype),
            "exp_high": toward_zero(mp.log(largest), dtype),
            "exp_low": toward_zero(mp.log(smallest), dtype),
            "rounder": float(3 * two ** (digits - 2)),  # a number this large has no room for a fraction
            "half_pi_1": float(half_pi_1),
            "half_pi_2": float(half_pi_2),
            "half_pi_3": nearest(half_pi - half_pi_1 - half_pi_2, dtype),
            "two_over_pi": nearest(1 / half_pi, dtype),
            "sin_limit": float(3 * two ** (12 if dtype is np.float32 else 19)),  # fewer quarter turns than that n
            "two_thirds": nearest(two_thirds, dtype),
            "two_thirds_low": nearest(two_thirds - mp.mpf(nearest(two_thirds, dtype)), dtype),
            "splitter": float(two**split + 1),
            "pow_limit": float(two**power),  # to this power every number but 1 is 0 or inf
        }


def digits_of_two_over_pi() -> tuple[int, ...]:
    """Two zeros, then the first 36 words of 32 binary digits of 2/pi."""
    with mp.workprec(36 * 32 + 64):
        digits = int(mp.floor(2 / mp.pi * mp.mpf(2) ** (36 * 32)))
    return (0, 0, *((digits >> 32 * (35 - i)) & 0xFFFFFFFF for i in range(36)))


def constants() -> dict[str, tuple[float, float]]:
    """Name -> (float32's, float64's)."""
    single, double = constants_of(np.float32), constants_of(np.float64)
    return {name: (single[name], double[name]) for name in single}


def error_of(name: str, coefficients: Sequence[float]) -> float:
    """The largest weighted error of given coefficients."""
    with mp.workdps(DIGITS):
        fit = fits()[name]
        grid = chebyshev_points(fit.low, fit.high, 16 * (len(coefficients) + 1))
        target, weight = [fit.target(x) for x in grid], [fit.weight(x) for x in grid]
        errors = weighted_errors([mp.mpf(c) for c in coefficients], grid, target, weight)
        return float(max(abs(error) for error in errors))


def derive_all() -> dict[str, dict[type[np.floating], tuple[list[float], float]]]:
    with mp.workdps(DIGITS):
        return {name: {dtype: derive(fit, dtype) for dtype in (np.float32, np.float64)} for name, fit in fits().items()}


if __name__ == "__main__":
    for name, by_dtype in derive_all().items():
        for dtype, (coefficients, error) in by_dtype.items():
            print(f"{name} {dtype.__name__} (largest weighted error {error:.2e})")
            print("    " + ", ".join(repr(c) for c in coefficients))
    for name, (single, double) in constants().items():
        print(f"{name} = {single!r} or {double!r}")
