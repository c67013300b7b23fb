"""What a function sees beside its arguments: numbers around it are constants, and part of what it is."""

from __future__ import annotations

import builtins
import dis
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..classes import code_of, digest
from ..tracing.errors import machinery
from ..words import told

_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic)


def place_of(function: Callable[..., Any]) -> str:
    """``file:line: `` where a function is defined; empty where that is not known."""
    if hasattr(function, "defined_at"):  # it was made, and stands for something that has a place
        return str(function.defined_at)
    code = getattr(function, "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}: " if isinstance(code, types.CodeType) else ""


def surroundings(function: Callable[..., Any], name: str) -> dict[str, str]:
    """What a function's formula depends on beside its arguments: constants by their name, and helper functions' code.

    Raises:
        ValueError: it uses an array, which may change and is no part of the class; with the remedy.
    """
    found: dict[str, str] = dict(getattr(function, "stands_for", {}))
    waiting, seen = [function], set()
    while waiting:
        each = waiting.pop()
        code = getattr(each, "__code__", None)
        if not isinstance(code, types.CodeType) or id(each) in seen or machinery(code.co_filename):
            continue
        seen.add(id(each))
        found[f"{getattr(each, '__qualname__', '')}()"] = digest(code_of(code))
        for word, value in _used(each):
            if (isinstance(value, np.ndarray) and value.ndim) or _is_list_of_numbers(value):
                raise ValueError(
                    f"{place_of(function)}{name} uses {word}={told(value)} from outside; make it a parameter: "
                    f"def {name}(x, {word}={word})."[:300]
                )
            value = getattr(value, "function", value) if isinstance(value, type) else value  # another landscape's
            if isinstance(value, (types.FunctionType, types.MethodType)):
                waiting.append(value)
            elif isinstance(value, np.ndarray):
                found[word] = repr(value.item())
            elif isinstance(value, _PLAIN) or (isinstance(value, tuple) and all(isinstance(v, _PLAIN) for v in value)):
                found[word] = repr(value)
    return found


def _is_list_of_numbers(value: Any) -> bool:
    """A list that holds numbers: it may grow, and what it holds would be a constant."""
    return isinstance(value, list) and bool(value) and all(isinstance(v, (int, float, np.number)) for v in value)


def _used(function: Any) -> Iterator[tuple[str, Any]]:
    """Names of a function's closure and of its module that its code reads, with what they are now."""
    function = getattr(function, "__func__", function)
    code, around = function.__code__, function.__globals__
    for word, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield word, cell.cell_contents
        except ValueError:  # it has no value yet
            continue
    for word in sorted(_globals_of(code)):
        if word in around and not hasattr(builtins, word):
            yield word, around[word]


def _globals_of(code: types.CodeType) -> set[str]:
    found = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _globals_of(constant)
    return found


def check_unchanged(kind: Any, now: dict[str, str]) -> None:
    """Refuses what a function takes from where it was defined, where that is no longer what its class held when it was first made."""
    if kind._held is None:
        kind._held = now
    for word in {**kind._held, **now}:
        if kind._held.get(word) != now.get(word):
            raise ValueError(
                f"{place_of(kind.function)}{word}, which {kind.__name__} uses, was {kind._held.get(word)} and is "
                f"{now.get(word)}; make it a parameter, or define {kind.__name__} again."[:300]
            )
