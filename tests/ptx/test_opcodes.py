"""Each instruction computes what PTX ISA says of it, on random operands and on those at the edges."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from . import oracle
from .approximate import FUNCTIONS, Approximation
from .arithmetic import OPCODES
from .engine import execute
from .kinds import KINDS, PtxError

THREADS = 128
BLOCKS = 4
COUNT = THREADS * BLOCKS
WARP = 32


def kernel_of(text: str, sources: tuple[str, ...], result: str) -> str:
    """PTX that applies an instruction to an operand of each thread. ``text``: with d, a, b, c, e for its operands."""
    loads = []
    for k, kind in enumerate(sources):
        size = KINDS[kind].itemsize
        loads += [f"ld.param.u64 %q, [probe_param_{k}];", f"mad.wide.u32 %q, %t, {size}, %q;"]
        if kind == "pred":
            loads += ["ld.global.u8 %h, [%q];", f"setp.ne.s16 %{'abce'[k]}, %h, 0;"]
        else:
            loads += [f"ld.global.{kind} %{'abce'[k]}, [%q];"]
    declared = [f".reg .{kind} %{'abce'[k]};" for k, kind in enumerate(sources)]
    save = (
        ["selp.u16 %h, 1, 0, %d;", "st.global.u8 [%q], %h;"] if result == "pred" else [f"st.global.{result} [%q], %d;"]
    )
    parameters = ", ".join(f".param .u64 probe_param_{k}" for k in range(len(sources) + 1))
    lines = [
        ".version 8.0", ".target sm_90", ".address_size 64", f".visible .entry probe({parameters})", "{",
        ".reg .b32 %t, %n, %i;", ".reg .b64 %q;", ".reg .b16 %h;", *declared, f".reg .{result} %d;", ".reg .pred %v;",
        "mov.u32 %i, %tid.x;", "mov.u32 %t, %ctaid.x;", "mov.u32 %n, %ntid.x;", "mad.lo.s32 %t, %t, %n, %i;",
        *loads, text,
        f"ld.param.u64 %q, [probe_param_{len(sources)}];", f"mad.wide.u32 %q, %t, {KINDS[result].itemsize}, %q;",
        *save, "ret;", "}",
    ]  # fmt: skip
    return "\n".join(lines)


def launched(text: str, operands: list[np.ndarray], sources: tuple[str, ...], result: str, **how: Any) -> np.ndarray:
    found = np.zeros(COUNT, KINDS[result])
    addresses = np.array([a.ctypes.data for a in (*operands, found)], np.uint64)
    execute(kernel_of(text, sources, result), "probe", addresses.tobytes(), BLOCKS, THREADS, [*operands, found], **how)
    return found


def operands_of(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Any bits, small numbers, and those at the edges."""
    dtype = KINDS[kind]
    if kind == "pred":
        return rng.random(COUNT) < 0.5
    bits = rng.integers(0, 256, (COUNT, dtype.itemsize), dtype=np.uint8).view(dtype)[:, 0]
    if dtype.kind == "f":
        tiny, most = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
        edges = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            np.inf,
            -np.inf,
            np.nan,
            tiny,
            -tiny,
            most,
            -most,
            np.finfo(dtype).tiny,
            2.0**31,
            -(2.0**63),
        ]
        small = rng.normal(size=COUNT) * 2.0 ** rng.integers(-8, 9, COUNT)
    else:
        edges = [0, 1, np.iinfo(dtype).max, np.iinfo(dtype).min, 8 * dtype.itemsize, 8 * dtype.itemsize - 1]
        small = rng.integers(0, 100, COUNT)
    value = np.where(rng.random(COUNT) < 0.5, bits, small.astype(dtype))
    return np.where(rng.random(COUNT) < 0.3, rng.choice(np.array(edges, dtype), COUNT), value)


Case = tuple[tuple[str, ...], str, Callable[..., Any]]
"""Kinds of the operands, kind of the result, and the definition."""


def of_all(opcode: str, letters: str = "su") -> str:
    """An opcode of every width of integers."""
    return " ".join(f"{opcode}.{letter}{bits}" for letter in letters for bits in (16, 32, 64))


def integers(names: str, arity: int, definition: Callable[..., int]) -> dict[str, Case]:
    """Instructions on integers of one kind whose result wraps around."""
    found: dict[str, Case] = {}
    for name in names.split():
        kind = name.rpartition(".")[2]
        number = kind if kind[0] in "us" else f"u{kind[1:]}"
        found[name] = (number,) * arity, number, lambda *a, k=number: oracle.wrapped(definition(*a), k)
    return found


def floats(names: str, arity: int, definition: Callable[[str], Callable[..., float]]) -> dict[str, Case]:
    """Instructions on floats of one kind, flushed where they say so."""
    found: dict[str, Case] = {}
    for name in names.split():
        kind = name.rpartition(".")[2]
        plain = definition(kind)
        if ".ftz" in name:
            found[name] = (kind,) * arity, kind, lambda *a, f=plain: oracle.flushed(f(*map(oracle.flushed, a)))
        else:
            found[name] = (kind,) * arity, kind, plain
    return found


def comparisons() -> dict[str, Case]:
    found: dict[str, Case] = {}
    names = {"f": [*oracle.COMPARISONS, *("nan", "num"), *(n + "u" for n in oracle.COMPARISONS)], "b": ["eq", "ne"]}
    for kind in ("b16", "b32", "b64", "s16", "s32", "s64", "u16", "u32", "u64", "f64", "f32"):
        for name in names.get(kind[0], oracle.COMPARISONS):
            definition = oracle.compared(name)
            if kind == "f32":
                found[f"setp.{name}.ftz.f32"] = (
                    (kind, kind),
                    "pred",
                    lambda a, b, f=definition: f(*map(oracle.flushed, (a, b))),
                )
            else:
                found[f"setp.{name}.{kind}"] = (kind, kind), "pred", definition
    return found


def conversions() -> dict[str, Case]:
    found: dict[str, Case] = {}
    for to in ("s64", "u32", "u64", "u16", "s16", "s32"):
        for source in ("s16", "u16", "s32", "u32", "u64", "s64"):
            found[f"cvt.{to}.{source}"] = (source,), to, lambda a, to=to: oracle.wrapped(a, to)
    for to in ("f32", "f64"):
        for source in ("s16", "u16", "s32", "u32", "s64", "u64"):
            found[f"cvt.rn.{to}.{source}"] = (source,), to, lambda a, to=to: oracle.nearest(oracle.Fraction(a), to)
    for source in ("f32", "f64"):
        for to in ("s32", "s64", "u32", "u64"):
            found[f"cvt.rzi.{to}.{source}"] = (source,), to, oracle.to_integer(source, to)
    found["cvt.rzi.ftz.s32.f32"] = ("f32",), "s32", oracle.to_integer("f32", "s32")
    found["cvt.rn.f32.f64"] = (
        ("f64",),
        "f32",
        lambda a: oracle.nearest(oracle.Fraction(a), "f32", a) if math.isfinite(a) else a,
    )
    found["cvt.f64.f32"] = ("f32",), "f64", lambda a: a
    return found


def either(plain: Any, exact: Any = None) -> Callable[[str], Callable[..., float]]:
    return lambda kind: oracle.rounded(plain, exact or plain, kind)


ROUNDED = "{0}.rn.f64 {0}.rn.ftz.f32 {0}.rn.f32"
CASES: dict[str, Case] = {
    **integers(of_all("add"), 2, operator.add),
    **integers(of_all("sub"), 2, operator.sub),
    **integers(of_all("mul.lo"), 2, operator.mul),
    **integers(of_all("mad.lo"), 3, lambda a, b, c: a * b + c),
    **integers(of_all("min"), 2, min),
    **integers(of_all("max"), 2, max),
    **integers(of_all("and", "b"), 2, operator.and_),
    **integers(of_all("or", "b"), 2, operator.or_),
    **integers(of_all("xor", "b"), 2, operator.xor),
    **integers(of_all("not", "b"), 1, operator.invert),
    **integers(of_all("neg", "s"), 1, operator.neg),
    **integers(of_all("div"), 2, oracle.quotient),
    **integers(of_all("rem"), 2, lambda a, b: a - oracle.quotient(a, b) * b),
    **{
        f"mul.hi.{kind}": ((kind, kind), kind, lambda a, b, kind=kind: a * b >> int(kind[1:]))
        for kind in ("s16", "u16", "s32", "u32", "s64", "u64")
    },
    "brev.b32": (("u32",), "u32", lambda a: int(f"{a:032b}"[::-1], 2)),
    "brev.b64": (("u64",), "u64", lambda a: int(f"{a:064b}"[::-1], 2)),
    **{
        f"mul.wide.{kind}": ((kind, kind), wide, operator.mul)
        for kind, wide in (("s32", "s64"), ("u32", "u64"), ("s16", "s32"), ("u16", "u32"))
    },
    **{
        f"mad.wide.{kind}": ((kind, kind, wide), wide, lambda a, b, c, wide=wide: oracle.wrapped(a * b + c, wide))
        for kind, wide in (("s32", "s64"), ("u32", "u64"), ("s16", "s32"), ("u16", "u32"))
    },
    **{
        f"shl.{kind}": ((f"u{kind[1:]}", "u32"), f"u{kind[1:]}", lambda a, n, k=kind: oracle.wrapped(a << min(n, 64), f"u{k[1:]}"))
        for kind in ("b32", "b64", "b16")
    },
    **{f"shr.{kind}": ((kind, "u32"), kind, oracle.shifted_right) for kind in ("s16", "s32", "s64", "u16", "u32", "u64")},
    **{
        f"shf.{side}.{mode}.b32": (("u32",) * 3, "u32", oracle.funnel(side, mode))
        for side in "lr" for mode in ("wrap", "clamp")
    },
    "prmt.b32": (("u32",) * 3, "u32", oracle.permuted),
    **{
        f"bfi.b{bits}": (
            (f"u{bits}", f"u{bits}", "u32", "u32"), f"u{bits}", lambda a, b, p, n, bits=bits: oracle.inserted(a, b, p, n, bits),
        )
        for bits in (32, 64)
    },
    **{f"{name}.pred": (("pred", "pred"), "pred", f) for name, f in (("and", operator.and_), ("or", operator.or_), ("xor", operator.xor))},
    "not.pred": (("pred",), "pred", operator.not_),
    **{f"selp.{k}": ((k, k, "pred"), k, lambda a, b, p: a if p else b) for k in ("b16", "b32", "b64", "f32", "f64", "u16", "u32", "u64")},
    **{f"mov.{kind}": ((kind,), kind, lambda a: a) for kind in ("b16", "b32", "b64", "u16", "u32", "u64", "f32", "f64", "pred")},
    **floats(ROUNDED.format("add"), 2, either(operator.add)),
    **floats(ROUNDED.format("sub"), 2, either(operator.sub)),
    **floats(ROUNDED.format("mul"), 2, either(operator.mul)),
    **floats(ROUNDED.format("div"), 2, either(operator.truediv)),
    **floats(ROUNDED.format("rcp"), 1, either(lambda a: 1 / a)),
    **floats(ROUNDED.format("fma"), 3, oracle.fused),
    **floats(ROUNDED.format("sqrt"), 1, oracle.root),
    **floats("min.f64 min.ftz.f32", 2, lambda kind: oracle.extreme(least=True)),
    **floats("max.f64 max.ftz.f32", 2, lambda kind: oracle.extreme(least=False)),
    **floats("max.NaN.f32", 2, lambda kind: oracle.extreme_of_numbers(least=False)),
    **floats("copysign.f32 copysign.f64", 2, lambda kind: lambda sign, size: math.copysign(size, sign)),
    **floats("abs.f64 abs.f32 abs.ftz.f32", 1, lambda kind: abs),
    **floats("neg.f64 neg.ftz.f32", 1, lambda kind: operator.neg),
    **comparisons(),
    **conversions(),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_instruction_gives_what_is_written_of_it(name: str) -> None:
    sources, result, definition = CASES[name]
    rng = np.random.default_rng(len(name))
    operands = [operands_of(kind, rng) for kind in sources]
    if name.startswith(("div.s", "div.u", "rem.")):
        operands[1][operands[1] == 0] = 3  # what PTX leaves open
    found = launched(
        f"{name} %d, {', '.join('%' + 'abce'[k] for k in range(len(sources)))};", operands, sources, result
    )
    expected = np.array([definition(*(v.item() for v in row)) for row in zip(*operands)], dtype=object)
    for k, (one, right) in enumerate(zip(found.tolist(), expected)):
        same = one == right and (not isinstance(one, float) or math.copysign(1, one) == math.copysign(1, right))
        assert same or (one != one and right != right), (name, [v[k] for v in operands], one, right)


def test_every_opcode_is_asked() -> None:
    assert {name.partition(".")[0] for name in CASES} == OPCODES


@pytest.mark.parametrize("text", [
    "add.rz.f32 %d, %a, %a;", "add.sat.s32 %d, %a, %a;", "lop3.b32 %d, %a, %a, %a, 3;", "sin.approx.f32 %d, %a;", "call f;",
    "tanh.approx.f32 %d, %a;", "div.full.ftz.f32 %d, %a, %a;", "div.approx.f32 %d, %a, %a;", "shf.l.clamp.b64 %d, %a, %a, %a;",
    "cvt.rm.f32.f64 %d, %a;", "ld.weak %d, [%a];", "mul.f32.weird %d, %a, %a;", "add.rn.f32 %d, %zz, %a;",
])  # fmt: skip
def test_what_is_not_known_is_never_guessed(text: str) -> None:
    with pytest.raises(PtxError, match=r"not known here|is no|not written"):
        launched(text, [np.zeros(COUNT, np.float32)], ("f32",), "f32")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_approximate_function_is_as_far_off_as_it_may_be_and_no_farther(name: str) -> None:
    rng = np.random.default_rng(4)
    x = (rng.uniform(-6, 6, COUNT) if name in ("sin", "cos", "ex2") else 2.0 ** rng.uniform(-20, 20, COUNT)).astype(
        np.float32
    )
    function, bound = FUNCTIONS[name]
    exact = function(x.astype(np.float64))
    room = bound(x.astype(np.float64), exact)
    nearest = launched(f"{name}.approx.ftz.f32 %d, %a;", [x], ("f32",), "f32")
    assert (nearest == exact.astype(np.float32)).all()
    for seed in (0, 1):
        far = launched(f"{name}.approx.ftz.f32 %d, %a;", [x], ("f32",), "f32", approximation=Approximation(1.0, seed))
        off = (far - exact) / room
        assert np.abs(off).max() <= 1
        assert (off > 0.2).any()
        assert (off < -0.2).any()
    special = np.array([0.0, -0.0, np.inf, np.nan, 1e-40] * (COUNT // 5 + 1), np.float32)[:COUNT]
    flat = np.where(special == np.float32(1e-40), np.float32(0), special)
    with np.errstate(all="ignore"):
        right = function(flat)
    found = launched(f"{name}.approx.ftz.f32 %d, %a;", [special], ("f32",), "f32", approximation=Approximation(1.0))
    assert ((found == right) & (np.signbit(found) == np.signbit(right)) | (np.isnan(found) & np.isnan(right))).all()
