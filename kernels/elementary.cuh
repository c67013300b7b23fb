// Elementary functions that give the same bits on every backend when a*b+c is not fused: the twin of
// ensemble/arithmetic/elementary, which states the formulas, domains and special values, and the errors measured.
//
// Only + - * /, operations on bit patterns, conversions, selections and muladd, in the order of the twin. Polynomials
// are evaluated by Horner's rule; tests/derive_elementary.py derives every coefficient and constant.
#pragma once
#include "base.cuh"

#if defined(__CUDACC__)
#define ENSEMBLE_TABLE __device__ const
#define ENSEMBLE_CALLED __device__ __noinline__
#else
#define ENSEMBLE_CALLED static __attribute__((noinline, unused))
#define ENSEMBLE_TABLE static const
#endif

namespace elementary {

constexpr bool single = sizeof(real) == 4;
constexpr int mantissa_bits = single ? 23 : 52;
constexpr int top_bit = 8 * int(sizeof(real)) - 1;

constexpr real smallest = real(single ? 1.1754943508222875e-38 : 2.2250738585072014e-308);
constexpr real largest = real(single ? 3.4028234663852886e+38 : 1.7976931348623157e+308);
constexpr real root_half = real(single ? 0.7071067690849304 : 0.7071067811865476);
constexpr real ln2 = real(single ? 0.6931471824645996 : 0.6931471805599453);
constexpr real ln2_high = real(single ? 0.693359375 : 0.6931471806019545);
constexpr real ln2_low = real(single ? -0.00021219444170128554 : -4.2009150726810846e-11);
constexpr real one_over_ln2 = real(single ? 1.4426950216293335 : 1.4426950408889634);
constexpr real exp_high = real(single ? 88.72283172607422 : 709.782712893384);
constexpr real exp_low = real(single ? -87.33654022216797 : -708.3964185322641);
constexpr real rounder = real(single ? 12582912.0 : 6755399441055744.0);
constexpr real half_pi_1 = real(single ? 1.5703125 : 1.5707963267341256);
constexpr real half_pi_2 = real(single ? 0.0004837512969970703 : 6.077100506303966e-11);
constexpr real half_pi_3 = real(single ? 7.549790126404332e-08 : 2.0222662487959506e-21);
constexpr real half_pi_of_digits = real(8.515303950216386e-20);  // half pi over 2^64
constexpr real two_over_pi = real(single ? 0.6366197466850281 : 0.6366197723675814);
constexpr real sin_limit = real(single ? 12288.0 : 1572864.0);
constexpr real two_thirds = real(single ? 0.6666666865348816 : 0.6666666666666666);
constexpr real two_thirds_low = real(single ? -1.9868215517249155e-08 : 3.700743415417188e-17);
constexpr real splitter = real(single ? 4097.0 : 134217729.0);
constexpr real pow_limit = real(single ? 1099511627776.0 : 1.1805916207174113e+21);

HD scalar infinity() { return from_bits(bits(broadcast(largest)) + 1); }
HD scalar not_a_number() { return from_bits(bits(infinity()) | (int_of_real(1) << (mantissa_bits - 1))); }
HD integer sign_of(const integer& pattern) { return (pattern >> top_bit) << top_bit; }

// c + x (c1 + x (c2 + ...)); the coefficients are literals, rounded once to real.
template <class C>
HD scalar horner(const scalar&, C c) {
    return broadcast(real(c));
}
template <class C, class... Rest>
HD scalar horner(const scalar& x, C c, Rest... rest) {
    return muladd(horner(x, rest...), x, real(c));
}

// log(1 + f) = f + f^2 p(f), |f| to sqrt(1/2) - 1 and sqrt(2) - 1
HD scalar log_tail(const scalar& f) {
    if constexpr (single)
        return horner(f, -0.49999991059303284, 0.3333394527435303, -0.2500177323818207, 0.19962240755558014,
                      -0.16570410132408142, 0.14916439354419708, -0.14306971430778503, 0.08737563341856003);
    else
        return horner(f, -0.4999999999999997, 0.3333333333332812, -0.2500000000001263, 0.20000000001736942,
                      -0.16666666666238877, 0.1428571408751561, -0.12499999831454026, 0.11111122005988693,
                      -0.1000001812742219, 0.09090583511382752, -0.08332553321117148, 0.07697709019434924,
                      -0.07160245051230454, 0.06621604274294272, -0.0604121922349563, 0.059736585278680955,
                      -0.06786852316054753, 0.06324570243590869, -0.028297197403677143);
}
// exp(r) = 1 + (r + r^2 p(r)), |r| to log(2)/2
HD scalar exp_tail(const scalar& r) {
    if constexpr (single)
        return horner(r, 0.4999999403953552, 0.1666652262210846, 0.04166828840970993, 0.008368529379367828,
                      0.0013818597653880715);
    else
        return horner(r, 0.5000000000000011, 0.16666666666666466, 0.04166666666652875, 0.008333333333469705,
                      0.001388888894371231, 0.0001984126954772089, 2.480149316311668e-05, 2.755755706639808e-06,
                      2.7630196082710816e-07, 2.500766167713042e-08);
}
// tanh(x) = x + x z p(z), z = x^2, x to 0.625
HD scalar tanh_tail(const scalar& z) {
    if constexpr (single)
        return horner(z, -0.3333328068256378, 0.13331405818462372, -0.053736522793769836, 0.02062821201980114,
                      -0.005692364182323217);
    else
        return horner(z, -0.33333333333332854, 0.13333333333261926, -0.05396825393119415, 0.021869487574492703,
                      -0.008863220982589511, 0.003591989018391296, -0.0014549581058584877, 0.0005863140800385882,
                      -0.00022855934961815277, 7.71389451726697e-05, -1.60699625206047e-05);
}
// sin(r) = r + r z p(z), z = r^2, r to pi/4
HD scalar sin_tail(const scalar& z) {
    if constexpr (single)
        return horner(z, -0.16666655242443085, 0.008332189172506332, -0.0001951829472091049);
    else
        return horner(z, -0.1666666666666663, 0.008333333333321844, -0.00019841269829362518, 2.755731354013475e-06,
                      -2.5050734668723494e-08, 1.58954506810897e-10);
}
// cos(r) = (1 - z/2) + z^2 p(z), z = r^2, r to pi/4
HD scalar cos_tail(const scalar& z) {
    if constexpr (single)
        return horner(z, 0.04166664555668831, -0.0013887309469282627, 2.4432327336398885e-05);
    else
        return horner(z, 0.041666666666666595, -0.0013888888888873344, 2.480158728900433e-05, -2.7557314217872087e-07,
                      2.087570552778871e-09, -1.1358756796100208e-11);
}
// sin(y pi/2) = y p(z), z = y^2, y to 1/2
HD scalar sin_turn(const scalar& z) {
    if constexpr (single)
        return horner(z, 1.570796251296997, -0.6459610462188721, 0.07965986430644989, -0.004554164595901966);
    else
        return horner(z, 1.5707963267948966, -0.6459640975062377, 0.07969262624582421, -0.0046817541292375085,
                      0.00016044112942026608, -3.5985732568093676e-06, 5.625094539972477e-08);
}
// cos(y pi/2) = 1 + z p(z), z = y^2, y to 1/2
HD scalar cos_turn(const scalar& z) {
    if constexpr (single)
        return horner(z, -1.2336980104446411, 0.25360697507858276, -0.020427824929356575);
    else
        return horner(z, -1.233700550136157, 0.2536695079000552, -0.020863480737609495, 0.0009192599680182912,
                      -2.5200193307043725e-05, 4.65601542559815e-07);
}
// log((1 + s)/(1 - s)) = 2 s + s z (2/3 + z p(z)), z = s^2, s to 3 - 2 sqrt(2)
HD scalar atanh_tail(const scalar& z) {
    if constexpr (single)
        return horner(z, 0.40000152587890625, 0.2854708731174469, 0.23419760167598724);
    else
        return horner(z, 0.4000000000000221, 0.2857142857011731, 0.22222222517176568, 0.18181784581422164,
                      0.1538674835725398, 0.13257010396006266, 0.13194662639049248);
}

// x = (1 + f) 2^e with 1 + f in [sqrt(1/2), sqrt(2)), for positive normal x. `shifted_e` is e, times 2^23 in float: its
// bits as they stand convert as they are, and a power of two more or less changes no rounding.
struct Mantissa {
    scalar shifted_e, f;
};
constexpr real e_unit = real(single ? 1.1920928955078125e-07 : 1.0);
HD Mantissa mantissa_of(const scalar& x) {
    integer pattern = bits(x);
    integer above = pattern - bits(broadcast(root_half));
    integer exponent = above & -(int_of_real(1) << mantissa_bits);
    scalar f = from_bits(pattern - exponent) - real(1);
    return {to_real(single ? exponent : exponent >> mantissa_bits), f};
}

HD scalar log_normal(const scalar& x) {
    Mantissa m = mantissa_of(x);
    return muladd(m.shifted_e, ln2 * e_unit, muladd(log_tail(m.f), m.f * m.f, m.f));
}

HD scalar log(const scalar& x) {
    scalar result = where(x <= largest, log_normal(x), x);
    result = where(x < smallest, -infinity(), result);
    return where(x <= -smallest, not_a_number(), result);
}

// exp(r) 2^n, where `rounded` is n plus the rounder, whose low bits are those of n.
HD scalar exp_of(const scalar& rounded, const scalar& r) {
    scalar result = muladd(exp_tail(r), r * r, r) + real(1);
    return from_bits(bits(result) + (bits(rounded) << mantissa_bits));
}
HD scalar exp_limited(const scalar& x, const scalar& inside) {
    scalar result = where(x > exp_high, infinity(), inside);
    result = where(x < exp_low, broadcast(real(0)), result);
    return where(x == x, result, not_a_number());
}

HD scalar exp(const scalar& x) {
    scalar rounded = muladd(x, one_over_ln2, rounder);
    scalar n = rounded - rounder;
    scalar r = muladd(n, -ln2_low, muladd(n, -ln2_high, x));
    return exp_limited(x, exp_of(rounded, r));
}

HD scalar tanh(const scalar& x) {
    scalar size = absolute(x);
    scalar z = size * size;
    scalar small = muladd(tanh_tail(z), size * z, size);
    scalar large = real(-2) / (exp(size + size) + real(1)) + real(1);
    scalar result = where(size < real(0.625), small, large);
    return from_bits(bits(result) | sign_of(bits(x)));
}

// 2/pi: 64 zeros, then its binary digits.
ENSEMBLE_TABLE unsigned two_over_pi_digits[38] = {
    0x00000000, 0x00000000, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041,
    0xfe5163ab, 0xdebbc561, 0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e,
    0xe88235f5, 0x2ebb4484, 0xe99c7026, 0xb45f7e41, 0x3991d639, 0x835339f4, 0x9c845f8b, 0xbdf9283b,
    0x1ff897ff, 0xde05980f, 0xef2f118b, 0x5a0a6d1f, 0x6d367ecf, 0x27cb09b7, 0x4f463f66, 0x9e5fea2d,
    0x7527bac7, 0xebe5f17b, 0x3d0739f7, 0x8a5292ea, 0x6bfb5fb1, 0x1f8d5d08};
// x = quarters pi/2 + rest, |rest| to pi/4, of a number from 2^-10 on (Payne and Hanek 1983): of m 2^e times 2/pi the digits of
// weight 4 and more do not matter, nor do those after the 128 next ones.
struct FarTurn {
    int quarters;
    real rest;
};
ENSEMBLE_CALLED FarTurn far_turn(real x) {
    constexpr unsigned_of_real one = 1;
    real size = absolute(x);
    if (!(size <= largest)) return {0, x - x};
#if ENSEMBLE_DEVICE
    unsigned_of_real pattern = unsigned_of_real(bits(size));
#else
    unsigned_of_real pattern;
    __builtin_memcpy(&pattern, &size, sizeof(pattern));
#endif
    unsigned long long m = (pattern & ((one << mantissa_bits) - 1)) | (one << mantissa_bits);
    int first = int(pattern >> mantissa_bits) - (single ? 150 : 1075) + 62, at = first >> 5, shift = first & 31;
    unsigned long long w[4];
    for (int k = 0; k < 4; ++k) {
        unsigned long long both = (unsigned long long)two_over_pi_digits[at + k] << 32 | two_over_pi_digits[at + k + 1];
        w[k] = (both << shift) >> 32;
    }
    // The upper 64 of the 128 digits of m times these, the rest of which only carry.
    unsigned long long low = m & 0xffffffffull, high = m >> 32, middle = low * w[2] + ((low * w[3]) >> 32);
    unsigned long long other = high * w[3] + (middle & 0xffffffffull);
    unsigned long long turn = m * (w[0] << 32 | w[1]) + high * w[2] + (middle >> 32) + (other >> 32);
    long long rest = (long long)(turn << 2);
    int quarters = int(turn >> 62) + (rest < 0);
    real r = real(rest) * half_pi_of_digits;
    return x < real(0) ? FarTurn{-quarters, -r} : FarTurn{quarters, r};
}

// The sine of r + quadrant pi/2, |r| to pi/4.
HD scalar sine_of(const scalar& r, const integer& quadrant) {
    scalar z = r * r;
    scalar sine = muladd(sin_tail(z), r * z, r);
    scalar cosine = muladd(cos_tail(z), z * z, muladd(z, real(-0.5), real(1)));
    scalar result = where((quadrant & 1) != 0, cosine, sine);
    return from_bits(bits(result) ^ ((quadrant & 2) << (top_bit - 1)));
}
#if ENSEMBLE_DEVICE
HD scalar far_sine(real x, int quarters) {
    FarTurn turn = far_turn(x);
    return sine_of(turn.rest, integer(turn.quarters + quarters));
}
#else
static __attribute__((noinline, unused)) scalar far_sine(const scalar& x, int quarters) {
    scalar rest;
    integer quadrant;
    for (int w = 0; w < width; ++w) {
        bool far = !(absolute(x.get(w)) <= sin_limit);
        FarTurn turn = far ? far_turn(x.get(w)) : FarTurn{0, 0};
        rest.set(w, turn.rest);
        quadrant.set(w, turn.quarters + quarters);
    }
    return sine_of(rest, quadrant);
}
#endif

// sin(x + quarters pi/2), |x| to sin_limit
HD scalar near_sine(const scalar& x, int quarters) {
    scalar rounded = muladd(x, two_over_pi, rounder);
    scalar n = rounded - rounder;
    scalar r = muladd(n, -half_pi_3, muladd(n, -half_pi_2, muladd(n, -half_pi_1, x)));
    return sine_of(r, bits(rounded) + quarters);
}
// True where a branch is to be taken here, whatever the other lanes do.
#if ENSEMBLE_DEVICE
HD bool any_here(bool m) { return m; }
#else
HD bool any_here(const mask& m) { return any(m); }
#endif
HD mask is_far(const scalar& x) { return as_mask(!(absolute(x) <= sin_limit)); }
HD scalar sin_quarters(const scalar& x, int quarters) {
    scalar result = near_sine(x, quarters);
    mask far = is_far(x);
    if (__builtin_expect(any_here(far), 0)) result = where(far, far_sine(x, quarters), result);
    return result;
}
HD scalar sin(const scalar& x) { return sin_quarters(x, 0); }
HD scalar cos(const scalar& x) { return sin_quarters(x, 1); }

// An unevaluated sum of two numbers, the second at most half a unit in the last place of the first. What makes it exact
// must not be fused, hence no muladd there.
struct Twofold {
    scalar high, low;
};
HD Twofold exact_product(const scalar& a, const scalar& b) {
    scalar a_high = a * splitter;
    a_high = a_high - (a_high - a);
    scalar a_low = a - a_high;
    scalar b_high = b * splitter;
    b_high = b_high - (b_high - b);
    scalar b_low = b - b_high;
    scalar product = a * b;
    return {product, (((a_high * b_high - product) + a_high * b_low) + a_low * b_high) + a_low * b_low};
}
HD Twofold log_twofold(const scalar& x) {
    Mantissa mantissa = mantissa_of(x);
    scalar e = mantissa.shifted_e * e_unit;
    scalar f = mantissa.f;
    scalar m = f + real(1);
    scalar d = m + real(1);
    scalar d_low = m - (d - real(1));
    scalar s = f / d;
    Twofold p = exact_product(s, d);
    scalar s_low = (((f - p.high) - p.low) - s * d_low) / d;
    Twofold z = exact_product(s, s);
    scalar z_low = muladd(s + s, s_low, z.low);
    Twofold u = exact_product(z.high, broadcast(two_thirds));
    scalar u_low = muladd(z_low, two_thirds, u.low);
    u_low = muladd(z.high, two_thirds_low, u_low);
    u_low = muladd(z.high * z.high, atanh_tail(z.high), u_low);
    scalar t = u.high + u_low;
    scalar t_low = u_low - (t - u.high);
    Twofold v = exact_product(s, t);
    scalar v_low = muladd(s_low, t, v.low);
    v_low = muladd(s, t_low, v_low);
    scalar twice = s + s;
    scalar a = twice + v.high;
    scalar a_low = (twice - a) + v.high;
    a_low = a_low + muladd(s_low, real(2), v_low);
    scalar b = e * ln2_high;
    scalar high = b + a;
    scalar low = (b - high) + a;
    low = muladd(e, ln2_low, low + a_low);
    scalar total = high + low;
    return {total, low - (total - high)};
}
HD scalar pow(const scalar& x, const scalar& y) {
    Twofold log_x = log_twofold(x);
    scalar bounded = where(y > pow_limit, broadcast(pow_limit), where(y < -pow_limit, broadcast(-pow_limit), y));
    Twofold w = exact_product(bounded, log_x.high);
    scalar w_low = muladd(bounded, log_x.low, w.low);
    scalar rounded = muladd(w.high, one_over_ln2, rounder);
    scalar n = rounded - rounder;
    scalar r = muladd(n, -ln2_low, muladd(n, -ln2_high, w.high)) + w_low;
    scalar result = exp_limited(w.high, exp_of(rounded, r));
    scalar zero = broadcast(real(0));
    result = where(x < smallest, where(y < real(0), infinity(), zero), result);
    result = where(x > largest, where(y < real(0), zero, infinity()), result);
    result = where(x <= -smallest, not_a_number(), result);
    result = where(x == x, result, not_a_number());
    result = where(y == y, result, not_a_number());
    return where(y == real(0), broadcast(real(1)), result);
}

// log((w + 1/2) 2^-32)
HD scalar log_uniform(const word& w) {
    return log_normal(muladd(to_real(w), real(2.3283064365386963e-10), real(1.1641532182693481e-10)));
}

// (sin, cos) of 2 pi (w + 1/2) 2^-32
struct SinCos {
    scalar sin, cos;
};
HD SinCos sin_cos_turn(const word& w) {
    constexpr int quarter = 1 << 30;
    word turn = w + (quarter >> 1);
    // The remainder from the nearest quarter turn: 32-bit lanes keep it times 4, one operation less than sign
    // extension.
    integer remainder = single ? as_integer(w << 2) : as_integer(turn & (quarter - 1)) - (quarter >> 1);
    constexpr real unit = real(single ? 2.3283064365386963e-10 : 9.313225746154785e-10);
    scalar y = muladd(to_real(remainder), unit, real(4.656612873077393e-10));
    scalar z = y * y;
    scalar s = sin_turn(z) * y;
    scalar c = muladd(cos_turn(z), z, real(1));
    mask swap = as_integer(turn & quarter) != 0;
    constexpr int to_top = single ? 0 : 32;  // a word's top bit to the lane's
    integer sin_sign = sign_of(as_integer(turn << to_top));
    integer cos_sign = sign_of(as_integer((turn + quarter) << to_top));
    return {from_bits(bits(where(swap, c, s)) ^ sin_sign), from_bits(bits(where(swap, s, c)) ^ cos_sign)};
}

}  // namespace elementary

// The others stay in their namespace: CUDA has a log, exp, ... of its own for a plain real.
using elementary::log_uniform;
using elementary::sin_cos_turn;
using elementary::SinCos;
