"""Arrays in JSON's types: as bytes in a text, not as a list of numbers."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

LONG = 1024
"""Numbers of an array from which on it goes into a text as bytes, which a list takes a hundred times as long to be."""
DTYPES = ("<f8", "<f4", "<i8", "<i4", "|b1")


def packed(array: NDArray[Any]) -> dict[str, Any]:
    """An array in JSON's types: ``{"array": its bytes in base64, "dtype": ..., "shape": [...]}``, little-endian and in C order."""
    plainly = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    text = base64.b64encode(plainly.data).decode("ascii")
    return {"array": text, "dtype": plainly.dtype.str, "shape": list(array.shape)}


def is_packed(value: object) -> bool:
    """Whether this is what :func:`packed` gave, and not a part that has a field of the name ``array``."""
    return isinstance(value, dict) and "array" in value and "part" not in value


def unpacked(found: Mapping[str, Any]) -> NDArray[Any]:
    """The array that :func:`packed` gave.

    Raises:
        ValueError: it is none.
    """
    kind, shape, text = found.get("dtype"), found.get("shape"), found.get("array")
    if set(found) != {"array", "dtype", "shape"} or kind not in DTYPES or not isinstance(text, str):
        raise ValueError("an array is not bytes in base64, their dtype and their shape")
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("the shape of an array is no list of whole numbers")
    try:
        array = np.frombuffer(base64.b64decode(text, validate=True), dtype=kind)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"an array is not bytes in base64 ({error})") from None
    if array.size != math.prod(shape):
        raise ValueError(f"an array of shape {shape} has {array.size} numbers")
    return array.reshape(shape)
