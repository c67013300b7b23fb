"""The two floating-point types: the constants of the elementary functions, and what these are all built with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

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


def in_blocks(function: Callable[..., Real], form: Format, *arrays: NDArray[Any]) -> Real:
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


def horner(x: Real, coefficients: tuple[float, ...]) -> Real:
    """The polynomial whose coefficients start with the constant."""
    total = x * coefficients[-1]
    total += coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        total *= x
        total += coefficient
    return total


def selected(form: Format, mask: Integer, a: Real, b: Real) -> Real:
    """A where all bits of the mask are set, b where none is, at an eighth of the cost of `np.where`."""
    either = a.view(form.integer) ^ b.view(form.integer)
    either &= mask
    either ^= b.view(form.integer)
    return either.view(form.real)
