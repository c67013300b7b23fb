"""The elementary functions: as accurate as stated, right at the edges, and the same bits in NumPy and in C++."""

import ctypes
import math
import re
import shutil
import subprocess
from pathlib import Path

import derive_elementary
import mpmath as mp
import numpy as np
import pytest
from device_runs import differences, program
from emulated import EmulatedEngine

import ensemble as en
from ensemble.arithmetic import elementary
from ensemble.arithmetic.elementary import formats
from ensemble.backends.numpy import NumpyEngine

ROOT = Path(__file__).parent.parent
KERNELS = ROOT / "kernels"
DTYPES = [np.float32, np.float64]
COUNT = 1 << 20
FUNCTIONS = ["log", "exp", "tanh", "sin", "cos"]

# The errors stated in the module, with a little room for arguments not yet tried: in units in the last place, those of
# sin and cos for |x| <= 1, and absolute for the rest.
ULPS = {
    "log": {np.float32: 1.3, np.float64: 1.7},
    "exp": {np.float32: 1.1, np.float64: 1.1},
    "tanh": {np.float32: 1.5, np.float64: 1.5},
    "sin": {np.float32: 1.6, np.float64: 1.7},
    "cos": {np.float32: 1.6, np.float64: 1.7},
    "pow": {np.float32: 1.3, np.float64: 1.3},
}
SIN_COS = {np.float32: 1.0e-7, np.float64: 2.1e-16}
FAR_SIN_COS = {np.float32: 1.0e-7, np.float64: 2.3e-16}  # beyond 1e6 too
TURN = {np.float32: 1.2e-7, np.float64: 2.0e-16}

each_dtype = pytest.mark.parametrize("dtype", DTYPES)
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


def wider(dtype):
    """A type with enough digits for a reference."""
    if dtype is np.float32:
        return np.float64
    if np.finfo(np.longdouble).nmant < 63:
        pytest.skip("long double has no more digits than double here")
    return np.longdouble


def ulps(got, exact):
    """Largest error in units in the last place of the exact value."""
    return np.max(np.abs(got - exact) / np.spacing(np.abs(exact).astype(got.dtype)))


def arguments(name, dtype, rng):
    """Arguments over the whole domain, dense where the function is delicate."""
    reach = 37 if dtype is np.float32 else 307
    if name == "log":
        near_one = 1 + rng.normal(size=COUNT) * 10 ** rng.uniform(-8, -1.5, COUNT)
        x = np.concatenate([10 ** rng.uniform(-reach, reach, COUNT), rng.uniform(0.3, 3, COUNT), near_one])
        return x.astype(dtype)[x.astype(dtype) != 1]
    if name == "exp":
        ends = (-87.3, 88.7) if dtype is np.float32 else (-708.3, 709.7)
        return np.concatenate([rng.uniform(*ends, COUNT), rng.normal(size=COUNT)]).astype(dtype)
    if name == "tanh":
        small = rng.choice([-1, 1], COUNT) * 10 ** rng.uniform(-20, 0, COUNT)
        return np.concatenate([small, rng.uniform(-2, 2, COUNT), 5 * rng.normal(size=COUNT)]).astype(dtype)
    return np.concatenate([rng.uniform(-r, r, COUNT // 2) for r in (1, 10, 100, 1e4)]).astype(dtype)


@pytest.fixture
def rng():
    return np.random.default_rng(20240229)


@each_dtype
@pytest.mark.parametrize("name", ["log", "exp", "tanh"])
def test_error_is_as_stated(name, dtype, rng):
    x = arguments(name, dtype, rng)
    exact = getattr(np, name)(x.astype(wider(dtype)))
    assert ulps(getattr(elementary, name)(x), exact) < ULPS[name][dtype]


@each_dtype
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_sine_and_cosine_are_as_near_as_stated(name, dtype, rng):
    x = arguments(name, dtype, rng)
    got, exact = getattr(elementary, name)(x), getattr(np, name)(x.astype(wider(dtype)))
    assert np.max(np.abs(got - exact)) < SIN_COS[dtype]
    near = np.abs(x) <= 1
    assert ulps(got[near], exact[near]) < ULPS[name][dtype]


def every_exponent(dtype, rng):
    """Numbers of both signs with every exponent of the format, the largest, and its neighbours of a limit."""
    form, info = elementary.format_of(dtype), np.finfo(dtype)
    sizes = [m * 2.0**k for k in range(info.minexp, info.maxexp) for m in (1.0, *rng.uniform(1, 2, 2))]
    ends = [np.nextafter(dtype(end), dtype(to)) for end in (form.sin_limit, form.exp_high) for to in (0, np.inf)]
    x = np.array([*sizes, form.largest, form.sin_limit, *ends]).astype(dtype)
    return np.concatenate([x, -x])


@each_dtype
@pytest.mark.parametrize("name", [*FUNCTIONS, "pow"])
def test_functions_are_total_and_right_at_every_exponent(name, dtype, rng):
    """Against mpmath: sine and cosine of the largest numbers too, which have no fraction of a turn left to spare."""
    x, form = every_exponent(dtype, rng), elementary.format_of(dtype)
    y = rng.permutation(x)
    got = elementary.pow(np.abs(x), y) if name == "pow" else getattr(elementary, name)(x)
    assert not np.isnan(got[x > 0]).any()
    with mp.workprec(1200):
        for value, argument, power in zip(
            got.astype(float).tolist(), x.astype(float).tolist(), y.tolist(), strict=True
        ):
            if name == "log" and argument < 0:
                assert np.isnan(value)
                continue
            if name == "pow":
                exact = mp.exp(power * mp.log(abs(argument))) if abs(power * math.log(abs(argument))) < 1e3 else None
                low = power * math.log(abs(argument)) < 0
            else:
                exact = getattr(mp, name)(mp.mpf(argument)) if name != "exp" or abs(argument) < 1e3 else None
                low = argument < 0
            if exact is None or abs(exact) < form.smallest or abs(exact) > form.largest:
                near = 0.0 if (exact is None and low) or (exact is not None and abs(exact) < 1) else np.inf
                assert value == near or (near == 0 and abs(value) <= 1.001 * form.smallest)
            elif name in ("sin", "cos"):
                assert abs(value - exact) < FAR_SIN_COS[dtype]
                assert abs(value) <= 1
            else:
                assert abs(value - exact) <= ULPS[name][dtype] * float(np.spacing(np.abs(dtype(float(exact)))))


@pytest.mark.ci
@needs_compiler
@each_dtype
def test_far_out_sine_and_cosine_have_the_same_bits_in_cpp(dtype, tmp_path, rng):
    x = cut(np.concatenate([every_exponent(dtype, rng) for _ in range(8)]))
    for width in (0, 16):
        (tmp_path / str(width)).mkdir()
        compiled = Compiled(tmp_path / str(width), dtype, width, fast=False)
        for name in ("sin", "cos"):
            assert_same_bits(compiled.call(name, x)[0], getattr(elementary, name)(x))


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_descents_from_far_away_come_home(cpu, backend):
    """The gradient of x^2 + 3 sin^2 x needs the sine of 1e7; that of Rastrigin's function, of 2 pi times whatever noise makes of x."""
    given = {"noise": en.NoNoise(), "event": en.Never(), "instances": 20, "backend": backend, "dtype": "float32"}
    far = {"landscape": en.PolyakLojasiewicz(), "optimizer": en.GradientDescent(0.125), "start": en.Point(5e6)}
    found = en.simulate(**given | far, steps=400, math="precise", progress=False).dataset
    assert (found["status"] == 0).all()
    assert np.abs(found["x"]).max() < 1e-3
    heavy = {"landscape": en.Rastrigin(), "optimizer": en.GradientDescent(1e-3), "start": en.Point(0.5)}
    heavy["noise"] = en.AlphaStable(0.8)
    found = en.simulate(**given | heavy, steps=300, math="precise", progress=False).dataset
    assert (found["status"] == 0).all()


@pytest.mark.slow
@each_dtype
def test_power_is_as_near_as_stated(dtype, rng):
    x = np.exp(rng.normal(size=3 * COUNT) * rng.choice([0.01, 1, 10], 3 * COUNT)).astype(dtype)
    y = (rng.normal(size=x.size) * 10 ** rng.uniform(-2, 3, x.size)).astype(dtype)
    wide, form = wider(dtype), elementary.format_of(dtype)
    with np.errstate(over="ignore", under="ignore"):
        exact = np.power(x.astype(wide), y.astype(wide))
    got, inside = elementary.pow(x, y), (exact >= form.smallest) & (exact <= form.largest)
    assert inside.sum() > COUNT
    assert ulps(got[inside], exact[inside]) < ULPS["pow"][dtype]
    assert np.all(got[exact < form.smallest / 2] == 0)
    assert np.all(got[exact > form.largest] == np.inf)


@each_dtype
def test_turn_is_as_near_as_stated(dtype, rng):
    word = rng.integers(0, 1 << 32, 2 * COUNT, dtype=np.uint32)
    wide = wider(dtype)
    eighth = np.arange(8, dtype=np.uint64) << 29
    word[:80] = (eighth[:, None] + np.arange(-5, 5).astype(np.uint64)).astype(np.uint32).ravel()
    turns = (word.astype(wide) + wide(0.5)) * wide(2) ** -32
    turns -= np.rint(turns)  # so that 2 pi times it is accurate near a whole turn
    angle = turns * (2 * wide(np.pi)) + turns * wide(2.4492935982947064e-16 if wide is np.longdouble else 0)
    sine, cosine = elementary.sin_cos_turn(word, dtype)
    assert np.max(np.abs(sine - np.sin(angle))) < TURN[dtype]
    assert np.max(np.abs(cosine - np.cos(angle))) < TURN[dtype]


def test_turn_of_the_opposite_angle_is_its_mirror_image_in_float64(rng):
    word = rng.integers(0, 1 << 32, COUNT, dtype=np.uint32)
    sine, cosine = elementary.sin_cos_turn(word, np.float64)
    mirrored_sine, mirrored_cosine = elementary.sin_cos_turn(~word, np.float64)
    assert np.array_equal(mirrored_sine, -sine)
    assert np.array_equal(mirrored_cosine, cosine)


@each_dtype
def test_log_of_uniform_is_as_near_as_stated(dtype, rng):
    word = rng.integers(0, 1 << 32, 2 * COUNT, dtype=np.uint32) >> rng.integers(0, 32, 2 * COUNT, dtype=np.uint32)
    wide = wider(dtype)
    exact = np.log((word.astype(wide) + wide(0.5)) * wide(2) ** -32)
    got = elementary.log_uniform(word, dtype)
    allowance = ULPS["log"][dtype] * np.spacing(np.abs(exact).astype(dtype)) + np.finfo(dtype).eps
    assert np.all(np.abs(got - exact) < allowance)
    assert np.all(got <= 0)
    ends = elementary.log_uniform(np.array([0, 0xFFFFFFFF], np.uint32), dtype)
    assert ends[0] == pytest.approx(-33 * np.log(2), rel=float(np.finfo(dtype).eps))
    assert ends[1] == (0 if dtype is np.float32 else pytest.approx(-(2.0**-33)))


@each_dtype
def test_hard_arguments_against_many_digits(dtype):
    """Neighbours of the points where a branch, an exponent or a quadrant changes."""
    real = np.dtype(dtype).type

    def around(points):
        points = np.asarray(points, dtype)
        steps = np.arange(-20, 21, dtype=f"i{points.itemsize}")
        return (points.view(steps.dtype)[:, None] + steps).view(dtype).ravel()

    half_pi = np.pi / 2
    cases = {
        "log": around([0.5, np.sqrt(0.5), 1, np.sqrt(2), 2, 1e-30, 1e30]),
        "exp": around([np.log(2) * (k + 0.5) for k in (-120, -60, -1, 0, 1, 60, 120)]),
        "tanh": around([1e-30, 1e-5, 0.625, -0.625, 9, -9]),
        "sin": around([half_pi * (k + 0.5) for k in range(8)]),
        "cos": around([half_pi * (k + 0.5) for k in range(8)]),
    }
    with mp.workdps(60):
        for name, x in cases.items():
            got = getattr(elementary, name)(x)
            for value, argument in zip(got, x, strict=True):
                exact = getattr(mp, name)(mp.mpf(float(argument)))
                error = abs(mp.mpf(float(value)) - exact)
                assert error <= ULPS[name][dtype] * float(np.spacing(np.abs(real(float(exact))))), (name, argument)


@each_dtype
def test_special_values(dtype):
    inf, nan = np.inf, np.nan
    form = elementary.format_of(dtype)
    subnormal = form.smallest / 2
    expected = {
        "log": [(0, -inf), (-0.0, -inf), (subnormal, -inf), (-1, nan), (-inf, nan), (inf, inf), (nan, nan), (1, 0)],
        "exp": [(0, 1), (-0.0, 1), (inf, inf), (-inf, 0), (nan, nan), (1e4, inf), (-1e4, 0), (1e30, inf), (-1e30, 0)],
        "tanh": [(0, 0), (-0.0, -0.0), (inf, 1), (-inf, -1), (nan, nan), (50, 1), (-1e30, -1), (1e-30, 1e-30)],
        "sin": [(0, 0), (-0.0, 0), (inf, nan), (-inf, nan), (nan, nan), (1e-30, 1e-30)],
        "cos": [(0, 1), (-0.0, 1), (inf, nan), (-inf, nan), (nan, nan)],
    }
    for name, table in expected.items():
        x, want = np.array(table, dtype).T
        got = getattr(elementary, name)(x)
        np.testing.assert_array_equal(got, want, err_msg=name)
        np.testing.assert_array_equal(np.signbit(got[want == 0]), np.signbit(want[want == 0]), err_msg=name)
    powers = [
        (0, 2, 0), (0, -2, inf), (0, 0, 1), (subnormal, 2, 0), (inf, 2, inf), (inf, -2, 0), (inf, 0, 1), (-1, 2, nan),
        (1, inf, 1), (1, 1e30, 1), (2, inf, inf), (2, -inf, 0), (0.5, inf, 0), (nan, 1, nan), (nan, 0, 1), (2, nan, nan),
        (2, 10, 1024), (4, 0.5, 2), (2, 1e30, inf), (2, -1e30, 0), (0, inf, 0), (0, -inf, inf), (2, 1e-30, 1),
    ]  # fmt: skip
    x, y, want = np.array(powers, dtype).T
    np.testing.assert_array_equal(elementary.pow(x, y), want)


@each_dtype
def test_ends_of_the_range_of_exp(dtype):
    form = elementary.format_of(dtype)
    ends = np.array([form.exp_high, form.exp_low], dtype)
    beyond = np.nextafter(ends, np.array([np.inf, -np.inf], dtype))
    inside = elementary.exp(ends)
    assert 0.999 * form.largest < inside[0] <= form.largest
    assert form.smallest <= inside[1] < 1.001 * form.smallest
    np.testing.assert_array_equal(elementary.exp(beyond), [np.inf, 0])


@each_dtype
@pytest.mark.parametrize("name", ["sin", "tanh"])
def test_odd_functions_are_odd_to_the_bit(name, dtype, rng):
    x = arguments(name, dtype, rng)
    function = getattr(elementary, name)
    assert np.array_equal(function(-x), -function(x))


@each_dtype
def test_shapes_and_types_are_kept_and_nothing_warns(dtype, recwarn):
    x = np.linspace(-2, 2, 24, dtype=dtype).reshape(2, 3, 4)
    for name in FUNCTIONS:
        got = getattr(elementary, name)(x)
        assert (got.shape, got.dtype) == (x.shape, x.dtype)
        assert np.array_equal(getattr(elementary, name)(x[:, ::2].T), got[:, ::2].T, equal_nan=True)
        assert getattr(elementary, name)(dtype(0.5)).shape == ()
        assert getattr(elementary, name)(x[:0]).shape == (0, 3, 4)
    assert elementary.pow(x, 2.5).dtype == x.dtype
    word = np.arange(6, dtype=np.uint32).reshape(2, 3)
    for got in (elementary.log_uniform(word, dtype), *elementary.sin_cos_turn(word, dtype)):
        assert (got.shape, got.dtype) == (word.shape, x.dtype)
    assert not recwarn.list


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="int64; give float32 or float64"):
        elementary.log(np.arange(3))


def test_blocks_do_not_show(rng, monkeypatch):
    x = rng.uniform(0.1, 5, 1000)
    word = rng.integers(0, 1 << 32, 1000, dtype=np.uint32)
    whole = elementary.pow(x, x), *elementary.sin_cos_turn(word, np.float64)
    monkeypatch.setattr(formats, "BLOCK_BYTES", 8 * 77)
    pieces = elementary.pow(x, x), *elementary.sin_cos_turn(word, np.float64)
    assert all(np.array_equal(a, b) for a, b in zip(whole, pieces, strict=True))


# ------------------------------------------------------------------------------------------------------- the two sources


def coefficients_in_cuda():
    """Every constant and polynomial of elementary.cuh: name -> (float32's, float64's)."""
    text = (KERNELS / "elementary.cuh").read_text()
    found = {}
    for name, single, double in re.findall(r"constexpr real (\w+) =\s*real\(single \? (\S+) : (\S+)\);", text):
        found[name] = (float(single), float(double))
    pattern = r"HD scalar (\w+_(?:tail|turn))\(const scalar& (\w)\) \{(.*?)\n\}"
    for name, variable, body in re.findall(pattern, text, re.DOTALL):
        lists = re.findall(rf"horner\({variable}, (.*?)\);", body, re.DOTALL)
        found[name] = tuple(tuple(float(item) for item in one.split(",")) for one in lists)
    return found


def digits_in_cuda():
    """The table of 2/pi's digits in elementary.cuh."""
    text = (KERNELS / "elementary.cuh").read_text()
    return tuple(
        int(word, 16)
        for word in re.findall(r"0x[0-9a-f]{8}", text.split("two_over_pi_digits[38] = {")[1].split("}")[0])
    )


@pytest.mark.ci
def test_both_sources_carry_the_derived_coefficients():
    in_cuda = coefficients_in_cuda()
    derived = derive_elementary.derive_all()
    for name in derived:
        here = (getattr(elementary.SINGLE, name), getattr(elementary.DOUBLE, name))
        assert here == in_cuda[name], name
        for dtype, rounded in zip(DTYPES, here, strict=True):
            # The linear program may stop elsewhere with another version of SciPy; its answer is as good.
            _, error = derived[name][dtype]
            assert derive_elementary.error_of(name, rounded) <= 1.01 * error, name
            assert all(float(dtype(c)) == c for c in rounded), name
    assert derive_elementary.digits_of_two_over_pi() == elementary.TWO_OVER_PI == digits_in_cuda()
    for name, values in derive_elementary.constants().items():
        assert (getattr(elementary.SINGLE, name), getattr(elementary.DOUBLE, name)) == values, name
        assert in_cuda[name] == values, name


HARNESS = """
#include "elementary.cuh"
#if ENSEMBLE_DEVICE
constexpr int width = 1;
scalar load(const real* p) { return *p; }
word load_word(const unsigned* p) { return {*p}; }
void store(real* p, scalar x) { *p = x; }
#else
scalar load(const real* p) { scalar x; for (int w = 0; w < width; ++w) x.set(w, p[w]); return x; }
word load_word(const unsigned* p) { word x; for (int w = 0; w < width; ++w) x.set(w, p[w]); return x; }
void store(real* p, const scalar& x) { for (int w = 0; w < width; ++w) p[w] = x.get(w); }
#endif
#define EACH for (long long i = 0; i < n; i += width)
#define FUNCTION(name) \\
    extern "C" void run_##name(long long n, const real* x, real* out) { \\
        EACH store(out + i, elementary::name(load(x + i))); \\
    }
FUNCTION(log) FUNCTION(exp) FUNCTION(tanh) FUNCTION(sin) FUNCTION(cos)
extern "C" void run_pow(long long n, const real* x, const real* y, real* out) {
    EACH store(out + i, elementary::pow(load(x + i), load(y + i)));
}
extern "C" void run_log_uniform(long long n, const unsigned* x, real* out) {
    EACH store(out + i, log_uniform(load_word(x + i)));
}
extern "C" void run_sin_cos_turn(long long n, const unsigned* x, real* sine, real* cosine) {
    EACH {
        SinCos r = sin_cos_turn(load_word(x + i));
        store(sine + i, r.sin);
        store(cosine + i, r.cos);
    }
}
"""


class Compiled:
    """The functions of elementary.cuh behind the signatures of ensemble.arithmetic.elementary."""

    def __init__(self, folder, dtype, width, fast):
        """`width` 0 stands for the device's plain numbers, executed here."""
        self.dtype = dtype
        source, library = folder / "harness.cpp", folder / "harness.so"
        device = '#include "emulation.cuh"\n' if width == 0 else ""
        source.write_text(device + HARNESS)
        macros = {
            "ENSEMBLE_DIM": 1 if width == 0 else 0,
            "ENSEMBLE_LANES": 1,
            "ENSEMBLE_WIDTH": width,
            "ENSEMBLE_DOUBLE": int(dtype is np.float64),
            "ENSEMBLE_FAST": int(fast),
            "ENSEMBLE_MIXED": 0,
        }
        command = ["g++", "-std=c++20", "-O1", "-march=native", "-fPIC", "-shared", "-ffp-contract=off", "-pthread"]
        command += ["-Wall", "-Wextra", "-Wdouble-promotion", "-Werror", "-Wno-psabi", "-Wno-ignored-attributes"]
        command += [f"-D{name}={value}" for name, value in macros.items()]
        command += [f"-I{KERNELS}", f"-I{Path(__file__).parent}", str(source), "-o", str(library)]
        subprocess.run(command, check=True)
        self.library = ctypes.CDLL(str(library))

    def call(self, name, *inputs, outputs=1):
        n = inputs[0].size
        assert n % 64 == 0, "whole tiles"
        results = [np.empty(n, self.dtype) for _ in range(outputs)]
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (*map(np.ascontiguousarray, inputs), *results)]
        getattr(self.library, f"run_{name}")(ctypes.c_longlong(n), *pointers)
        return results


def cut(x):
    return np.ascontiguousarray(x[: x.size // 64 * 64])


def with_edges(x, dtype):
    """X with every kind of special value and every exponent among it."""
    form = elementary.format_of(dtype)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 0.625, -0.625, form.smallest, -form.smallest, form.largest]
    special += [-form.largest, form.smallest / 2, form.exp_high, form.exp_low, form.sin_limit, 2 * form.sin_limit]
    reach = 127 if dtype is np.float32 else 1023
    special += [sign * 1.3 * 2.0**k for k in range(1 - reach, reach) for sign in (1, -1)]
    return cut(np.concatenate([np.array(special, dtype), x]))


def assert_same_bits(got, want):
    assert np.array_equal(np.isnan(got), np.isnan(want))
    number = ~np.isnan(want)
    assert np.array_equal(got[number].tobytes(), want[number].tobytes())


@needs_compiler
@each_dtype
@pytest.mark.parametrize("width", [0, pytest.param(1, marks=pytest.mark.slow), 16])
def test_numpy_and_cpp_give_the_same_bits(dtype, width, tmp_path, rng):
    compiled = Compiled(tmp_path, dtype, width, fast=False)
    for name in FUNCTIONS:
        x = with_edges(arguments(name, dtype, rng), dtype)
        assert_same_bits(compiled.call(name, x)[0], getattr(elementary, name)(x))
    x = with_edges(np.exp(3 * rng.normal(size=COUNT)).astype(dtype), dtype)
    for y in (rng.permutation(x), (10 * rng.normal(size=x.size)).astype(dtype)):
        assert_same_bits(compiled.call("pow", x, y)[0], elementary.pow(x, y))
    word = rng.integers(0, 1 << 32, COUNT, dtype=np.uint32)
    word[: 32 * 32] = [(1 << k) + j & 0xFFFFFFFF for k in range(32) for j in range(-16, 16)]
    assert_same_bits(compiled.call("log_uniform", word)[0], elementary.log_uniform(word, dtype))
    sine, cosine = elementary.sin_cos_turn(word, dtype)
    got_sine, got_cosine = compiled.call("sin_cos_turn", word, outputs=2)
    assert_same_bits(got_sine, sine)
    assert_same_bits(got_cosine, cosine)


@pytest.mark.slow
@needs_compiler
@each_dtype
def test_fused_operations_are_as_accurate(dtype, tmp_path, rng):
    compiled, wide = Compiled(tmp_path, dtype, 16, fast=True), wider(dtype)
    for name in FUNCTIONS:
        x = cut(arguments(name, dtype, rng))
        exact = getattr(np, name)(x.astype(wide))
        got = compiled.call(name, x)[0]
        if name in ("sin", "cos"):
            assert np.max(np.abs(got - exact)) < SIN_COS[dtype]
        else:
            assert ulps(got, exact) < ULPS[name][dtype]
    x = np.exp(rng.normal(size=COUNT)).astype(dtype)
    y = (10 * rng.normal(size=COUNT)).astype(dtype)
    exact = np.power(x.astype(wide), y.astype(wide))
    inside = (exact > 1e-37) & (exact < 1e38)
    assert ulps(compiled.call("pow", x, y)[0][inside], exact[inside]) < ULPS["pow"][dtype]
    word = rng.integers(0, 1 << 32, COUNT, dtype=np.uint32)
    precise = elementary.sin_cos_turn(word, dtype)
    for got, near in zip(compiled.call("sin_cos_turn", word, outputs=2), precise, strict=True):
        assert np.max(np.abs(got - near)) < 2 * TURN[dtype]
    got, near = compiled.call("log_uniform", word)[0], elementary.log_uniform(word, dtype)
    assert np.all(np.abs(got - near) <= 3 * np.spacing(np.abs(near)))


SINES = [en.Rastrigin, en.Levy, en.PolyakLojasiewicz, en.Ackley, en.Griewank, en.Schwefel]


@needs_compiler
@pytest.mark.parametrize("kind", [SINES[0], *(pytest.param(k, marks=pytest.mark.slow) for k in SINES[1:])])
def test_landscapes_of_sines_have_the_same_bits_near_and_far_in_a_tile_and_a_warp(cpu, kind):
    p = program(kind(dim=10), en.GradientDescent(1e-3), noise=en.NoNoise(), dtype="float32")
    states = []
    for engine in (NumpyEngine(), cpu, EmulatedEngine(2)):
        state = engine.new_state(p)
        state.x[:] = np.outer(10.0 ** np.linspace(-3, 15, p.rows), np.linspace(-1, 1, 10))
        engine.advance(p, state, np.arange(p.rows, dtype=np.int32), 1, 5)
        states.append(state)
    assert np.isfinite(states[0].x).mean() > 0.3
    assert not differences(states[1], states[0])
    assert not differences(states[2], states[0])
