"""PTX's types as NumPy's, and its constants."""

from __future__ import annotations

import re

import numpy as np

_SIZES = {"8": 1, "16": 2, "32": 4, "64": 8}
KINDS: dict[str, np.dtype] = {
    **{f"{letter}{bits}": np.dtype(f"u{size}") for letter in "ub" for bits, size in _SIZES.items()},
    **{f"s{bits}": np.dtype(f"i{size}") for bits, size in _SIZES.items()},
    "f32": np.dtype("f4"),
    "f64": np.dtype("f8"),
    "pred": np.dtype(bool),
}
_FLOAT = re.compile(r"0[fF]([0-9a-fA-F]{8})|0[dD]([0-9a-fA-F]{16})")


class PtxError(RuntimeError):
    """The program does what it must not, or holds what the interpreter does not know; one line."""


def is_float(kind: str) -> bool:
    return kind in ("f32", "f64")


def constant(text: str, kind: str) -> np.generic:
    """The value of a literal, as PTX's ``kind``. PtxError: it is none of that kind."""
    dtype = KINDS[kind]
    if match := _FLOAT.fullmatch(text):
        digits = match[1] or match[2]
        bits = np.dtype(f"u{len(digits) // 2}").type(int(digits, 16))
        if bits.itemsize == dtype.itemsize:
            return bits.view(dtype)
        raise PtxError(f"{text} is no {kind}")
    digits = text.removesuffix("U")
    try:
        value = int(digits, 8) if re.fullmatch(r"-?0[0-7]+", digits) else int(digits, 0)
    except ValueError:
        raise PtxError(f"{text} is no constant") from None
    if kind == "pred":
        return np.bool_(value)
    if is_float(kind):
        raise PtxError(f"{text} is no {kind}")
    return np.dtype(f"u{dtype.itemsize}").type(value & (1 << 8 * dtype.itemsize) - 1).view(dtype)
