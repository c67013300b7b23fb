"""Sine and cosine, of an angle in radians and of a random word read as a share of a full turn."""

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..primitive import primitive
from . import formats
from .formats import SINGLE, Format, Integer, Real, Word, format_of, horner, in_blocks, selected

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
    sine = horner(z, form.sin_tail)
    sine *= r * z
    sine += r
    cosine = horner(z, form.cos_tail)
    cosine *= z * z
    z *= -0.5
    z += 1
    cosine += z
    result = selected(form, -(quadrant & 1), cosine, sine)
    quadrant &= 2
    quadrant <<= 8 * quadrant.itemsize - 2
    pattern = result.view(form.integer)
    pattern ^= quadrant
    return result


def _cos(form: Format, x: Real) -> Real:
    return _sin(form, x, quarters=1)


@primitive
def sin(x: ArrayLike) -> Real:
    """Sine of x radians, of every finite x; NaN at infinity.

    sin(-0) is +0. n = round(2 x / pi), r = x - n pi/2 in three parts (Cody and Waite 1980), from 12288 (float32) or 1572864
    (float64) on by the digits of 2/pi (Payne and Hanek 1983), then a polynomial in r for the quadrant.
    """
    x = np.asarray(x)
    return in_blocks(_sin, format_of(x.dtype), x)


@primitive
def cos(x: ArrayLike) -> Real:
    """Cosine of x radians, as `sin` a quarter turn on."""
    x = np.asarray(x)
    return in_blocks(_cos, format_of(x.dtype), x)


def _sin_cos_turn(form: Format, word: Word) -> tuple[Real, Real]:
    y = (word << 2).view(np.int32).astype(form.real)  # four times the remainder
    y *= 2.0**-32
    y += 2.0**-31
    z = y * y
    s = horner(z, form.sin_turn)
    s *= y
    c = horner(z, form.cos_turn)
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
    block = formats.BLOCK_BYTES // np.dtype(form.real).itemsize
    sine, cosine = np.empty(flat.size, form.real), np.empty(flat.size, form.real)
    for start in range(0, flat.size, block):
        piece = slice(start, start + block)
        sine[piece], cosine[piece] = _sin_cos_turn(form, flat[piece])
    return sine.reshape(word.shape), cosine.reshape(word.shape)
