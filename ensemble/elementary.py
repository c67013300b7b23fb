"""Elementary functions with the same bits in NumPy, in C++ and on the device: the twin of `kernels/elementary.cuh`.

NumPy's, libm's and CUDA's functions differ in the last bit. These use only `+ - * /`, operations on bit patterns,
conversions, selections and `muladd(a, b, c) = a*b + c`, in one written order. Polynomials are evaluated by Horner's
rule; `tests/derive_elementary.py` derives every coefficient and constant. Arguments are float32 or float64 arrays and
the result is of their type. `log` and `pow` count subnormal arguments as zero, `exp` and `pow` give zero for subnormal
results: the device flushes float32's, and so every type and backend does the same.

Largest errors found on 1e7 to 3e7 arguments of each, in units in the last place of the exact result (ulp):

    function         float32                float64                where
    log              1.2 ulp                1.6 ulp                everywhere
    exp              1.0 ulp                1.0 ulp                everywhere
    tanh             1.4 ulp                1.4 ulp                everywhere
    pow              1.2 ulp                1.2 ulp                everywhere
    sin, cos         1.5 ulp                1.6 ulp                |x| <= 1
    sin, cos         9.3e-8 absolute        2.2e-16 absolute       everywhere
    log_uniform      1.2 ulp                1.6 ulp                for the uniform as rounded: see there
    sin_cos_turn     1.2e-7 absolute        1.8e-16 absolute       everywhere

With fused operations in C++ none of them is larger by more than 0.05 ulp, and `sin_cos_turn` is within 1.0e-7.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Real = NDArray[Any]  # float32 or float64
Integer = NDArray[Any]  # int32 or int64: the bit patterns of a Real
Word = NDArray[np.uint32]

BLOCK_BYTES = 1 << 16  # of an array handled at a time, so that the temporaries stay in the cache


@dataclass(frozen=True)
class Format:
    """The constants of the functions for one floating-point type, named as in `tests/derive_elementary.py`."""

    real: type[np.floating]
    integer: type[np.signedinteger]
    mantissa_bits: int
    smallest: float
    largest: float
    root_half: float
    ln2: float
    ln2_high: float
    ln2_low: float
    one_over_ln2: float
    exp_high: float
    exp_low: float
    rounder: float
    half_pi_1: float
    half_pi_2: float
    half_pi_3: float
    two_over_pi: float
    sin_limit: float
    two_thirds: float
    two_thirds_low: float
    splitter: float
    pow_limit: float
    log_tail: tuple[float, ...]
    exp_tail: tuple[float, ...]
    tanh_tail: tuple[float, ...]
    sin_tail: tuple[float, ...]
    cos_tail: tuple[float, ...]
    sin_turn: tuple[float, ...]
    cos_turn: tuple[float, ...]
    atanh_tail: tuple[float, ...]

    def bits(self, value: float) -> int:
        """The bit pattern of a number rounded to this type."""
        return int(self.real(value).view(self.integer))


SINGLE = Format(
    real=np.float32,
    integer=np.int32,
    mantissa_bits=23,
    smallest=1.1754943508222875e-38,
    largest=3.4028234663852886e38,
    root_half=0.7071067690849304,
    ln2=0.6931471824645996,
    ln2_high=0.693359375,
    ln2_low=-0.00021219444170128554,
    one_over_ln2=1.4426950216293335,
    exp_high=88.72283172607422,
    exp_low=-87.33654022216797,
    rounder=12582912.0,
    half_pi_1=1.5703125,
    half_pi_2=0.0004837512969970703,
    half_pi_3=7.549790126404332e-08,
    two_over_pi=0.6366197466850281,
    sin_limit=12288.0,
    two_thirds=0.6666666865348816,
    two_thirds_low=-1.9868215517249155e-08,
    splitter=4097.0,
    pow_limit=1099511627776.0,
    log_tail=(
        -0.49999991059303284,
        0.3333394527435303,
        -0.2500177323818207,
        0.19962240755558014,
        -0.16570410132408142,
        0.14916439354419708,
        -0.14306971430778503,
        0.08737563341856003,
    ),
    exp_tail=(
        0.4999999403953552,
        0.1666652262210846,
        0.04166828840970993,
        0.008368529379367828,
        0.0013818597653880715,
    ),
    tanh_tail=(
        -0.3333328068256378,
        0.13331405818462372,
        -0.053736522793769836,
        0.02062821201980114,
        -0.005692364182323217,
    ),
    sin_tail=(
        -0.16666655242443085,
        0.008332189172506332,
        -0.0001951829472091049,
    ),
    cos_tail=(
        0.04166664555668831,
        -0.0013887309469282627,
        2.4432327336398885e-05,
    ),
    sin_turn=(
        1.570796251296997,
        -0.6459610462188721,
        0.07965986430644989,
        -0.004554164595901966,
    ),
    cos_turn=(
        -1.2336980104446411,
        0.25360697507858276,
        -0.020427824929356575,
    ),
    atanh_tail=(
        0.40000152587890625,
        0.2854708731174469,
        0.23419760167598724,
    ),
)
DOUBLE = Format(
    real=np.float64,
    integer=np.int64,
    mantissa_bits=52,
    smallest=2.2250738585072014e-308,
    largest=1.7976931348623157e308,
    root_half=0.7071067811865476,
    ln2=0.6931471805599453,
    ln2_high=0.6931471806019545,
    ln2_low=-4.2009150726810846e-11,
    one_over_ln2=1.4426950408889634,
    exp_high=709.782712893384,
    exp_low=-708.3964185322641,
    rounder=6755399441055744.0,
    half_pi_1=1.5707963267341256,
    half_pi_2=6.077100506303966e-11,
    half_pi_3=2.0222662487959506e-21,
    two_over_pi=0.6366197723675814,
    sin_limit=1572864.0,
    two_thirds=0.6666666666666666,
    two_thirds_low=3.700743415417188e-17,
    splitter=134217729.0,
    pow_limit=1.1805916207174113e21,
    log_tail=(
        -0.4999999999999997,
        0.3333333333332812,
        -0.2500000000001263,
        0.20000000001736942,
        -0.16666666666238877,
        0.1428571408751561,
        -0.12499999831454026,
        0.11111122005988693,
        -0.1000001812742219,
        0.09090583511382752,
        -0.08332553321117148,
        0.07697709019434924,
        -0.07160245051230454,
        0.06621604274294272,
        -0.0604121922349563,
        0.059736585278680955,
        -0.06786852316054753,
        0.06324570243590869,
        -0.028297197403677143,
    ),
    exp_tail=(
        0.5000000000000011,
        0.16666666666666466,
        0.04166666666652875,
        0.008333333333469705,
        0.001388888894371231,
        0.0001984126954772089,
        2.480149316311668e-05,
        2.755755706639808e-06,
        2.7630196082710816e-07,
        2.500766167713042e-08,
    ),
    tanh_tail=(
        -0.33333333333332854,
        0.13333333333261926,
        -0.05396825393119415,
        0.021869487574492703,
        -0.008863220982589511,
        0.003591989018391296,
        -0.0014549581058584877,
        0.0005863140800385882,
        -0.00022855934961815277,
        7.71389451726697e-05,
        -1.60699625206047e-05,
    ),
    sin_tail=(
        -0.1666666666666663,
        0.008333333333321844,
        -0.00019841269829362518,
        2.755731354013475e-06,
        -2.5050734668723494e-08,
        1.58954506810897e-10,
    ),
    cos_tail=(
        0.041666666666666595,
        -0.0013888888888873344,
        2.480158728900433e-05,
        -2.7557314217872087e-07,
        2.087570552778871e-09,
        -1.1358756796100208e-11,
    ),
    sin_turn=(
        1.5707963267948966,
        -0.6459640975062377,
        0.07969262624582421,
        -0.0046817541292375085,
        0.00016044112942026608,
        -3.5985732568093676e-06,
        5.625094539972477e-08,
    ),
    cos_turn=(
        -1.233700550136157,
        0.2536695079000552,
        -0.020863480737609495,
        0.0009192599680182912,
        -2.5200193307043725e-05,
        4.65601542559815e-07,
    ),
    atanh_tail=(
        0.4000000000000221,
        0.2857142857011731,
        0.22222222517176568,
        0.18181784581422164,
        0.1538674835725398,
        0.13257010396006266,
        0.13194662639049248,
    ),
)


def format_of(dtype: DTypeLike) -> Format:
    if np.dtype(dtype) == np.float32:
        return SINGLE
    if np.dtype(dtype) == np.float64:
        return DOUBLE
    raise TypeError(f"got an array of {np.dtype(dtype)}; give float32 or float64")


def _in_blocks(function: Callable[..., Real], form: Format, *arrays: NDArray[Any]) -> Real:
    """A function of short flat arrays applied to arrays of one shape, whatever its size."""
    block = BLOCK_BYTES // np.dtype(form.real).itemsize
    shape, flat = arrays[0].shape, [array.reshape(-1) for array in arrays]
    with np.errstate(all="ignore"):
        if flat[0].size <= block:
            return function(form, *flat).reshape(shape)
        result = np.empty(flat[0].size, form.real)
        for start in range(0, result.size, block):
            piece = slice(start, start + block)
            result[piece] = function(form, *(array[piece] for array in flat))
    return result.reshape(shape)


def _horner(x: Real, coefficients: tuple[float, ...]) -> Real:
    """The polynomial whose coefficients start with the constant."""
    total = x * coefficients[-1]
    total += coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        total *= x
        total += coefficient
    return total


def _selected(form: Format, mask: Integer, a: Real, b: Real) -> Real:
    """A where all bits of the mask are set, b where none is, at an eighth of the cost of `np.where`."""
    either = a.view(form.integer) ^ b.view(form.integer)
    either &= mask
    either ^= b.view(form.integer)
    return either.view(form.real)


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
    result = _horner(f, form.log_tail)
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


def log(x: ArrayLike) -> Real:
    """Natural logarithm; -inf at zero, NaN below, inf at inf.

    x = m 2^e with m in [sqrt(1/2), sqrt(2)) and f = m - 1: log x = e log 2 + (f + f^2 p(f)).
    """
    x = np.asarray(x)
    return _in_blocks(_log, format_of(x.dtype), x)


def _exp_of(form: Format, rounded: Real, r: Real) -> Real:
    """exp(r) 2^n, where `rounded` is n plus the rounder, whose low bits are those of n."""
    result = _horner(r, form.exp_tail)
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


def exp(x: ArrayLike) -> Real:
    """Exponential; inf above the largest number, 0 below the smallest normal one.

    n = round(x / log 2), r = x - n log 2 in two parts: exp x = 2^n (1 + (r + r^2 p(r))).
    """
    x = np.asarray(x)
    return _in_blocks(_exp, format_of(x.dtype), x)


def _tanh(form: Format, x: Real) -> Real:
    size = np.abs(x)
    z = size * size
    small = _horner(z, form.tanh_tail)
    small *= size * z
    small += size
    large = _exp(form, size + size)
    large += 1
    np.divide(-2, large, out=large)
    large += 1
    below = size.view(form.integer) - form.bits(0.625)
    below >>= 8 * below.itemsize - 1
    result = _selected(form, below, small, large)
    pattern = result.view(form.integer)
    pattern |= x.view(form.integer) ^ size.view(form.integer)
    return result


def tanh(x: ArrayLike) -> Real:
    """Hyperbolic tangent: x + x z p(z) with z = x^2 for |x| < 0.625, else 1 - 2 / (exp(2 |x|) + 1) with x's sign."""
    x = np.asarray(x)
    return _in_blocks(_tanh, format_of(x.dtype), x)


TWO_OVER_PI = (
    0x00000000,
    0x00000000,
    0xA2F9836E,
    0x4E441529,
    0xFC2757D1,
    0xF534DDC0,
    0xDB629599,
    0x3C439041,
    0xFE5163AB,
    0xDEBBC561,
    0xB7246E3A,
    0x424DD2E0,
    0x06492EEA,
    0x09D1921C,
    0xFE1DEB1C,
    0xB129A73E,
    0xE88235F5,
    0x2EBB4484,
    0xE99C7026,
    0xB45F7E41,
    0x3991D639,
    0x835339F4,
    0x9C845F8B,
    0xBDF9283B,
    0x1FF897FF,
    0xDE05980F,
    0xEF2F118B,
    0x5A0A6D1F,
    0x6D367ECF,
    0x27CB09B7,
    0x4F463F66,
    0x9E5FEA2D,
    0x7527BAC7,
    0xEBE5F17B,
    0x3D0739F7,
    0x8A5292EA,
    0x6BFB5FB1,
    0x1F8D5D08,
)
"""2/pi: 64 zeros, then its binary digits, in words of 32."""
HALF_PI_OF_DIGITS = 8.515303950216386e-20
"""Half pi over 2^64."""


def _far_turn(form: Format, x: Real) -> tuple[Integer, Real]:
    """(quarters, rest) with x = quarters pi/2 + rest, |rest| to pi/4, of numbers from 2^-10 on (Payne and Hanek 1983).

    Of m 2^e times 2/pi the digits of weight 4 and more do not matter, nor do those after the 128 next ones.
    """
    word, low_half, half = np.uint64, np.uint64(0xFFFFFFFF), np.uint64(32)
    size = np.where(np.isfinite(x), np.abs(x), form.real(form.largest))
    pattern = size.view(form.integer).astype(np.int64)
    bias = (127 if form is SINGLE else 1023) + form.mantissa_bits
    m = ((pattern & ((1 << form.mantissa_bits) - 1)) | (1 << form.mantissa_bits)).astype(word)
    first = (pattern >> form.mantissa_bits) - bias + 62
    table, shift = np.array(TWO_OVER_PI, dtype=word), (first & 31).astype(word)
    at = first >> 5
    w = [((((table[at + k] << half) | table[at + k + 1]) << shift) >> half) for k in range(4)]
    low, high = m & low_half, m >> half
    middle = low * w[2] + ((low * w[3]) >> half)
    other = high * w[3] + (middle & low_half)
    turn = m * ((w[0] << half) | w[1]) + high * w[2] + (middle >> half) + (other >> half)
    rest = (turn << word(2)).view(np.int64)
    quarters = (turn >> word(62)).astype(np.int64) + (rest < 0)
    r = rest.astype(form.real) * form.real(HALF_PI_OF_DIGITS)
    below = x < 0
    r = np.where(np.isfinite(x), np.where(below, -r, r), x - x)
    return np.where(below, -quarters, quarters).astype(form.integer), r


def _sin(form: Format, x: Real, quarters: int = 0) -> Real:
    """sin(x + quarters pi/2)."""
    rounded = x * form.two_over_pi
    rounded += form.rounder
    n = rounded - form.rounder
    r = n * -form.half_pi_1
    r += x
    r += n * -form.half_pi_2
    n *= -form.half_pi_3
    r += n
    quadrant = rounded.view(form.integer)
    ordinary = np.abs(x) <= form.sin_limit
    if not ordinary.all():
        quadrant[~ordinary], r[~ordinary] = _far_turn(form, x[~ordinary])
    quadrant += quarters
    z = r * r
    sine = _horner(z, form.sin_tail)
    sine *= r * z
    sine += r
    cosine = _horner(z, form.cos_tail)
    cosine *= z * z
    z *= -0.5
    z += 1
    cosine += z
    result = _selected(form, -(quadrant & 1), cosine, sine)
    quadrant &= 2
    quadrant <<= 8 * quadrant.itemsize - 2
    pattern = result.view(form.integer)
    pattern ^= quadrant
    return result


def _cos(form: Format, x: Real) -> Real:
    return _sin(form, x, quarters=1)


def sin(x: ArrayLike) -> Real:
    """Sine of x radians, of every finite x; NaN at infinity.

    sin(-0) is +0. n = round(2 x / pi), r = x - n pi/2 in three parts (Cody and Waite 1980), from 12288 (float32) or 1572864
    (float64) on by the digits of 2/pi (Payne and Hanek 1983), then a polynomial in r for the quadrant.
    """
    x = np.asarray(x)
    return _in_blocks(_sin, format_of(x.dtype), x)


def cos(x: ArrayLike) -> Real:
    """Cosine of x radians, as `sin` a quarter turn on."""
    x = np.asarray(x)
    return _in_blocks(_cos, format_of(x.dtype), x)


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
    u_low = (z * z) * _horner(z, form.atanh_tail) + u_low
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


def pow(x: ArrayLike, y: ArrayLike) -> Real:
    """X to the power y for x >= 0: exp(y log x), the logarithm and the product carried in twice the digits.

    0 and inf give 0 or inf by the sign of y; y = 0 gives 1; x < 0 gives NaN, even for whole y, whose powers are
    products. `y` takes the type of `x` and is broadcast against it.
    """
    x = np.asarray(x)
    x, y = np.broadcast_arrays(x, np.asarray(y, x.dtype))
    return _in_blocks(_pow, format_of(x.dtype), x, y)


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
    return _in_blocks(_log_uniform, format_of(dtype), np.asarray(word, np.uint32))


def _sin_cos_turn(form: Format, word: Word) -> tuple[Real, Real]:
    y = (word << 2).view(np.int32).astype(form.real)  # four times the remainder
    y *= 2.0**-32
    y += 2.0**-31
    z = y * y
    s = _horner(z, form.sin_turn)
    s *= y
    c = _horner(z, form.cos_turn)
    c *= z
    c += 1
    turn = word + np.uint32(1 << 29)
    swap = (turn << 1).view(np.int32) >> 31
    change: Integer = (s.view(form.integer) ^ c.view(form.integer)) & swap
    for values in (s, c):
        pattern = values.view(form.integer)
        pattern ^= change
        negative = (turn & np.uint32(1 << 31)).view(np.int32)
        pattern ^= negative if form is SINGLE else negative.astype(np.int64) << 32
        turn += np.uint32(1 << 30)
    return s, c


def sin_cos_turn(word: Word, dtype: DTypeLike) -> tuple[Real, Real]:
    """(sin, cos) of 2 pi (word + 1/2) 2^-32, the angle that a 32-bit word is of a full turn.

    The two top bits of word + 2^29 are the nearest quarter turn q. The lower 30 bits of the word, read as a signed
    number, are the remainder: y = (remainder + 1/2) 2^-30 quarter turns in [-1/2, 1/2]. Polynomials in y^2 give the
    sine and cosine of those, which q swaps and negates.
    """
    word = np.asarray(word, np.uint32)
    form, flat = format_of(dtype), word.reshape(-1)
    block = BLOCK_BYTES // np.dtype(form.real).itemsize
    sine, cosine = np.empty(flat.size, form.real), np.empty(flat.size, form.real)
    for start in range(0, flat.size, block):
        piece = slice(start, start + block)
        sine[piece], cosine[piece] = _sin_cos_turn(form, flat[piece])
    return sine.reshape(word.shape), cosine.reshape(word.shape)
