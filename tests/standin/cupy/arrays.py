"""Arrays that live on a device: they mix with no NumPy array and with none of another device, and none is made of them unasked."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import numpy as np

from .cuda import Stream, current
from .memory import Block

METHODS = ("sum", "transpose", "astype", "reshape", "max", "min", "any", "all", "copy", "ravel")


class ndarray:  # noqa: N801
    """An array on a device: ``held`` is a view of the bytes of ``block``."""

    __array_ufunc__ = None  # NumPy's operators give way, and ours refuse

    def __init__(self, held: np.ndarray, block: Block) -> None:
        self.held, self.block = held, block

    def __array__(self, *_: object) -> None:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    @property
    def device(self) -> SimpleNamespace:
        return SimpleNamespace(id=self.block.device)

    @property
    def data(self) -> Pointer:
        return Pointer(self)

    def get(self) -> np.ndarray:
        return self.held.copy()

    def __bool__(self) -> bool:
        return bool(self.held)  # waits for the device, and is allowed

    def __int__(self) -> int:
        return int(self.held)  # likewise

    def __float__(self) -> float:
        return float(self.held)

    def __len__(self) -> int:
        return len(self.held)

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "dtype", "ndim", "size", "nbytes", "itemsize"):
            return getattr(self.held, name)
        if name in METHODS:
            here = self.held if name in ("transpose", "reshape", "ravel") else reached(self)
            return lambda *given, **named: self._part(getattr(here, name)(*given, **named))
        raise AttributeError(name)

    def _part(self, value: Any) -> ndarray:
        """A view of this array, or a new one."""
        if isinstance(value, np.ndarray) and np.may_share_memory(value, self.block.bytes):
            return ndarray(value, self.block)
        return made(value)

    def __getitem__(self, key: Any) -> ndarray:
        found = self.held[bare(key)]
        if not (isinstance(found, np.ndarray) and np.may_share_memory(found, self.block.bytes)):
            reached(self)
        return self._part(found)

    def __setitem__(self, key: Any, value: Any) -> None:
        held, key, value = reached(self), bare(key), bare(value)
        held[key] = value
        self.block.mark(held, key)


class Pointer:
    """Where an array starts."""

    def __init__(self, array: ndarray) -> None:
        self.array, self.ptr = array, array.held.__array_interface__["data"][0]

    def copy_to_host_async(self, to: ctypes.c_void_p, nbytes: int, stream: Stream) -> None:
        stream.copy(to, self.ptr, nbytes, self.array)


def reached(array: ndarray) -> np.ndarray:
    """What an array holds, for work of the current device."""
    if array.block.device != current():
        raise ValueError(
            f"Array device must be same as the current device: array device = {array.block.device} while current = {current()}"
        )
    return array.held


def bare(value: Any) -> Any:
    """What an operation of the device takes."""
    if isinstance(value, (tuple, list)):
        return type(value)(bare(each) for each in value)
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    return reached(value) if isinstance(value, ndarray) else value


def new(shape: Any, dtype: Any, known: bool) -> ndarray:
    dtype = np.dtype(dtype)
    block = Block(int(np.prod(shape)) * dtype.itemsize, known)
    return ndarray(block.bytes.view(dtype).reshape(shape), block)


def made(value: Any) -> ndarray:
    """A new array of the current device."""
    value = np.asarray(value)
    array = new(value.shape, value.dtype, True)
    array.held[...] = value
    return array


def empty(shape: Any, dtype: Any = float) -> ndarray:
    return new(shape, dtype, False)


def zeros(shape: Any, dtype: Any = float) -> ndarray:
    return made(np.zeros(shape, dtype))


def full(shape: Any, value: Any, dtype: Any = None) -> ndarray:
    return made(np.full(shape, value, dtype))


def arange(*given: Any, **named: Any) -> ndarray:
    return made(np.arange(*given, **named))


def asarray(value: Any, dtype: Any = None) -> ndarray:
    if isinstance(value, ndarray):
        return value if dtype in (None, value.dtype) else value.astype(dtype)
    return made(np.asarray(value, dtype))


def ascontiguousarray(value: Any, dtype: Any = None) -> ndarray:
    array = asarray(value, dtype)
    return array if array.held.flags.c_contiguous else made(reached(array))


def asnumpy(value: Any) -> np.ndarray:
    return value.get() if isinstance(value, ndarray) else np.asarray(value)


def _operator(name: str) -> Any:
    def apply(self: ndarray, *others: Any) -> Any:
        found = getattr(reached(self), name)(*(bare(each) for each in others))
        return found if found is NotImplemented else made(found)

    return apply


def _in_place(name: str) -> Any:
    def apply(self: ndarray, other: Any) -> ndarray:
        held = reached(self)
        getattr(held, name)(bare(other))
        self.block.mark(held, ...)
        return self

    return apply


for _name in "add radd sub rsub mul rmul truediv rtruediv lt le gt ge eq ne and or xor neg invert".split():
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
for _name in "iadd isub imul itruediv iand ior".split():
    setattr(ndarray, f"__{_name}__", _in_place(f"__{_name}__"))
