"""Values that somebody may give by mistake, of every kind and size."""

from __future__ import annotations

import datetime
import decimal
import fractions
import itertools
import pathlib

import numpy as np
import xarray as xr
from bad_calls import COMPARED, RESULT
from hypothesis import strategies as st
from parts import all_kinds, example

import ensemble as en


class Odd:
    """An object whose representation is long and of several lines."""

    def __repr__(self) -> str:
        return "<Odd\n" + "odd " * 500 + ">"


NUMBERS = [
    0,
    -1,
    1,
    3,
    10**6,
    2**31,
    2**32,
    2**63,
    2**64,
    -(2**63),
    10**400,
    0.0,
    -0.0,
    0.5,
    -0.5,
    1.5,
    1e-320,
    1e-45,
    1e39,
    1e308,
    -1e308,
]
NOT_NUMBERS = [float("nan"), float("inf"), float("-inf"), 1j, True, False, np.bool_(True), None, ..., NotImplemented]
SCALARS = [
    np.float32(0.5),
    np.float64("nan"),
    np.int8(-3),
    np.uint64(2**64 - 1),
    np.float16(7),
    np.str_("a"),
    np.datetime64("2020-01-01"),
    np.timedelta64(3, "s"),
    decimal.Decimal("0.5"),
    decimal.Decimal("NaN"),
    fractions.Fraction(1, 3),
    datetime.date(2020, 1, 1),
]
TEXTS = [
    "",
    " ",
    "a",
    "lr",
    "value",
    "x",
    "all",
    "instance",
    "step",
    "cpu",
    "nan",
    "0.5",
    "1e3",
    "a\nb",
    "\0",
    "é" * 40,
    "long " * 400,
    "$x$",
    "_",
    "../x",
    "/nowhere/at/all",
    b"bytes",
]
ARRAYS = [
    np.array([]),
    np.array(0.5),
    np.zeros(3),
    np.ones(5) * np.nan,
    np.array([1.0, np.inf]),
    np.zeros((2, 3)),
    np.zeros((2, 3, 4)),
    np.zeros((0, 3)),
    np.zeros((3, 1)),
    np.arange(3),
    np.arange(100_000.0),
    np.array([1, "a", None], dtype=object),
    np.array(["a", "b"]),
    np.array([1 + 2j]),
    np.array(["2020-01-01"], dtype="datetime64[D]"),
    np.ma.masked_array([1.0, 2.0, 3.0], mask=[0, 1, 0]),
    np.zeros(2, dtype=[("a", "f4"), ("b", "i4")]),
    np.array([True, False]),
]
CONTAINERS = [
    [],
    (),
    {},
    set(),
    [1],
    [0.5, 0.7],
    (1, 2, 3),
    [1, [2, 3]],
    [None],
    ["a", "b"],
    [float("nan")],
    [10**400],
    {"a": 1},
    {"lr": 0.1},
    {1: 2},
    {"a": None},
    {1, 2},
    frozenset(),
    range(4),
    range(10**12),
    [[0.0, 1.0], [1.0]],
    ((0, 1), (0, 1)),
    ((1, 0), (1, 0)),
    [Odd()],
    {"": ([1], [2])},
]
THINGS = [
    object(),
    Odd(),
    Odd,
    int,
    float,
    len,
    (lambda t: 0.1),
    (lambda *_: None),
    (lambda: 1),
    np,
    pathlib.Path("x"),
    slice(3),
    iter([1]),
    (k for k in ()),
    itertools.count(),
    ValueError("x"),
    xr.Dataset(),
    xr.DataArray([1.0, 2.0]),
    xr.Dataset({"value": ("instance", [1.0])}),
    RESULT,
    COMPARED,
    RESULT.dataset,
    COMPARED.dataset,
    RESULT.dataset.isel(instance=slice(0, 0)),
    RESULT.dataset.drop_attrs(),
    en.grid(0.1, 0.2),
    en.grid(1, -1),
    en.grid("a", "b"),
    en.grid([1.0, 2.0, 3.0], 1.0),
    en.zipped(lr=[0.1, 0.2], sigma=[1, 2]),
    en.Record("value", at=[0]),
    en.log_spaced(5),
]
PARTS = [example(kind, dim) for kind in all_kinds() for dim in (2, 3)]
WILD = [*NUMBERS, *NOT_NUMBERS, *SCALARS, *TEXTS, *ARRAYS, *CONTAINERS, *THINGS]

wild = st.one_of(
    st.sampled_from(WILD),
    st.sampled_from(WILD),
    st.sampled_from(PARTS),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.one_of(st.floats(), st.integers(), st.text(max_size=3), st.none()), max_size=4),
    st.tuples(st.floats(), st.floats()),
)
"""Anything, the values above more often than not."""
