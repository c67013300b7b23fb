"""Logarithm, exponential, hyperbolic tangent and powers; the logarithm of a random word."""

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..primitive import primitive
from .formats import Format, Real, Word, format_of, horner, in_blocks, selected


def _mantissa_of(form: Format, x: Real) -> tuple[Real, Real]:
    """(e, m - 1) with x = m 2^e and m in [sqrt(1/2), sqrt(2)), for positive normal x."""
    pattern = x.view(form.integer)
    exponent = pattern - form.bits(form.root_half)
    exponent >>= form.mantissa_bits
    fraction = (pattern - (exponent << form.mantissa_bits)).view(form.real)
    fraction -= 1
    return exponent.astype(form.real), fraction


def _log_normal(form: Format, x: Real) -> Real:
    exponent, f = _mantissa_of(form, x)
    result = horner(f, form.log_tail)
    result *= f * f
    result += f
    exponent *= form.ln2
    result += exponent
    return result


def _log(form: Format, x: Real) -> Real:
    result = _log_normal(form, x)
    ordinary = x >= form.smallest
    ordinary &= x <= form.largest
    if not ordinary.all():
        result = np.where(ordinary, result, x)
        result[x < form.smallest] = -np.inf
        result[x <= -form.smallest] = np.nan
    return result


@primitive
def log(x: ArrayLike) -> Real:
    """Natural logarithm; -inf at zero, NaN below, inf at inf.

    x = m 2^e with m in [sqrt(1/2), sqrt(2)) and f = m - 1: log x = e log 2 + (f + f^2 p(f)).
    """
    x = np.asarray(x)
    return in_blocks(_log, format_of(x.dtype), x)


def _exp_of(form: Format, rounded: Real, r: Real) -> Real:
    """exp(r) 2^n, where `rounded` is n plus the rounder, whose low bits are those of n."""
    result = horner(r, form.exp_tail)
    result *= r * r
    result += r
    result += 1
    pattern = result.view(form.integer)
    pattern += rounded.view(form.integer) << form.mantissa_bits
    return result


def _exp_limited(form: Format, x: Real, result: Real) -> Real:
    """The result of exp, in place, with the right values where x is out of range."""
    ordinary = x >= form.exp_low
    ordinary &= x <= form.exp_high
    if not ordinary.all():
        result[x > form.exp_high] = np.inf
        result[x < form.exp_low] = 0
        result[np.isnan(x)] = np.nan
    return result


def _exp(form: Format, x: Real) -> Real:
    rounded = x * form.one_over_ln2
    rounded += form.rounder
    n = rounded - form.rounder
    r = n * -form.ln2_high
    r += x
    n *= -form.ln2_low
    r += n
    return _exp_limited(form, x, _exp_of(form, rounded, r))


@primitive
def exp(x: ArrayLike) -> Real:
    """Exponential; inf above the largest number, 0 below the smallest normal one.

    n = round(x / log 2), r = x - n log 2 in two parts: exp x = 2^n (1 + (r + r^2 p(r))).
    """
    x = np.asarray(x)
    return in_blocks(_exp, format_of(x.dtype), x)


def _tanh(form: Format, x: Real) -> Real:
    size = np.abs(x)
    z = size * size
    small = horner(z, form.tanh_tail)
    small *= size * z
    small += size
    large = _exp(form, size + size)
    large += 1
    np.divide(-2, large, out=large)
    large += 1
    below = size.view(form.integer) - form.bits(0.625)
    below >>= 8 * below.itemsize - 1
    result = selected(form, below, small, large)
    pattern = result.view(form.integer)
    pattern |= x.view(form.integer) ^ size.view(form.integer)
    return result


@primitive
def tanh(x: ArrayLike) -> Real:
    """Hyperbolic tangent: x + x z p(z) with z = x^2 for |x| < 0.625, else 1 - 2 / (exp(2 |x|) + 1) with x's sign."""
    x = np.asarray(x)
    return in_blocks(_tanh, format_of(x.dtype), x)


# An unevaluated sum of two numbers, the second at most half a unit in the last place of the first.
Twofold = tuple[Real, Real]


def _exact_product(form: Format, a: Real, b: Real) -> Twofold:
    """a*b without error (Dekker 1971, with Veltkamp's splitting)."""
    a_high = a * form.splitter
    a_high = a_high - (a_high - a)
    a_low = a - a_high
    b_high = b * form.splitter
    b_high = b_high - (b_high - b)
    b_low = b - b_high
    product = a * b
    return product, (((a_high * b_high - product) + a_high * b_low) + a_low * b_high) + a_low * b_low


def _log_twofold(form: Format, x: Real) -> Twofold:
    """Log x in about one and a half times the working precision.

    With s = f / (2 + f) and z = s^2: log(1 + f) = 2 s + s z (2/3 + z p(z)), each leading term carried twofold.
    """
    e, f = _mantissa_of(form, x)
    m = f + 1
    d = m + 1
    d_low = m - (d - 1)
    s = f / d
    p, p_low = _exact_product(form, s, d)
    s_low = (((f - p) - p_low) - s * d_low) / d
    z, z_low = _exact_product(form, s, s)
    z_low = (s + s) * s_low + z_low
    u, u_low = _exact_product(form, z, np.full_like(z, form.two_thirds))
    u_low = z_low * form.two_thirds + u_low
    u_low = z * form.two_thirds_low + u_low
    u_low = (z * z) * horner(z, form.atanh_tail) + u_low
    t = u + u_low
    t_low = u_low - (t - u)
    v, v_low = _exact_product(form, s, t)
    v_low = s_low * t + v_low
    v_low = s * t_low + v_low
    twice = s + s
    a = twice + v
    a_low = (twice - a) + v
    a_low = a_low + (s_low * 2 + v_low)
    b = e * form.ln2_high
    high = b + a
    low = (b - high) + a
    low = e * form.ln2_low + (low + a_low)
    total = high + low
    return total, low - (total - high)


def _pow(form: Format, x: Real, y: Real) -> Real:
    log_x, log_x_low = _log_twofold(form, x)
    bounded = np.minimum(np.maximum(y, -form.pow_limit), form.pow_limit)
    w, w_low = _exact_product(form, bounded, log_x)
    w_low = bounded * log_x_low + w_low
    rounded = w * form.one_over_ln2 + form.rounder
    n = rounded - form.rounder
    r = n * -form.ln2_high + w
    r = n * -form.ln2_low + r
    r += w_low
    result = _exp_limited(form, w, _exp_of(form, rounded, r))
    result = np.where(x < form.smallest, np.where(y < 0, form.real(np.inf), form.real(0)), result)
    result = np.where(x > form.largest, np.where(y < 0, form.real(0), form.real(np.inf)), result)
    result[x <= -form.smallest] = np.nan
    result[np.isnan(x)] = np.nan
    result[np.isnan(y)] = np.nan
    result[y == 0] = 1
    return result


@primitive
def pow(x: ArrayLike, y: ArrayLike) -> Real:
    """X to the power y for x >= 0: exp(y log x), the logarithm and the product carried in twice the digits.

    0 and inf give 0 or inf by the sign of y; y = 0 gives 1; x < 0 gives NaN, even for whole y, whose powers are
    products. `y` takes the type of `x` and is broadcast against it.
    """
    x = np.asarray(x)
    x, y = np.broadcast_arrays(x, np.asarray(y, x.dtype))
    return in_blocks(_pow, format_of(x.dtype), x, y)


def _log_uniform(form: Format, word: Word) -> Real:
    uniform = word.astype(form.real)
    uniform *= 2.0**-32
    uniform += 2.0**-33
    return _log_normal(form, uniform)


def log_uniform(word: Word, dtype: DTypeLike) -> Real:
    """log((word + 1/2) 2^-32) of 32-bit words.

    float64 holds the uniform exactly. In float32 it is rounded first, which moves the logarithm by at most 9e-8; it is
    then 1, and the logarithm 0, for the 128 largest words. The logarithm is never above 0.
    """
    return in_blocks(_log_uniform, format_of(dtype), np.asarray(word, np.uint32))
