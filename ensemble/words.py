"""Values as messages show them: one line, however long the value is."""

from __future__ import annotations

import functools
import hashlib
import re
import reprlib
import sys
import types
from typing import Any

import numpy as np

MOST = 80
"""Letters of a value in a message, at most."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class _Short(reprlib.Repr):
    """``repr`` that looks at the first few members alone, so that it takes no longer for long values."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 6
        self.maxstring = self.maxlong = self.maxother = MOST

    def repr_ndarray(self, value: np.ndarray[Any, Any], level: int) -> str:
        if value.size > 6:
            return f"an array of shape {value.shape}"
        return f"array({value.tolist()})"


_short = _Short()


def told(value: object) -> str:
    """A value as a message shows it: one line, no longer than :data:`MOST` letters."""
    try:
        words = " ".join(_short.repr(value).split())
    except Exception:  # whose repr fails
        words = f"a {type(value).__name__}"
    return words if len(words) <= MOST else f"{words[: MOST - 3]}..."


def name_of(function: Any) -> str:
    """A function's name: the same in every process, and another for another function.

    What its module knows by that name says it. A lambda, and what a function returns, have nothing of their own but their code and
    what they remember: a digest of these follows. Never an address in memory.
    """
    if isinstance(function, str):
        return function
    if isinstance(function, functools.partial):
        given = [*map(_content, function.args), *(f"{k}={_content(v)}" for k, v in function.keywords.items())]
        return f"{name_of(function.func)}({', '.join(given)})"
    known = (getattr(function, "__qualname__", None), getattr(function, "__name__", None))
    whole = next(filter(None, known), type(function).__qualname__)
    name = whole.rpartition(".")[2].replace("<lambda>", "lambda")
    code = getattr(function, "__code__", None)
    if isinstance(code, types.CodeType):
        module = sys.modules.get(function.__module__)
        if getattr(module, whole, None) is function:
            return name
        owner = getattr(function, "__self__", None)
        own = (code, function.__defaults__, function.__kwdefaults__, _cells(function.__closure__), owner)
    elif getattr(function, "__dict__", None) and not hasattr(function, "__name__"):
        own = vars(function)  # an object that can be called
    else:
        return name
    return f"{name}-{hashlib.sha256(_content(own).encode()).hexdigest()[:8]}"


def _cells(closure: tuple[Any, ...] | None) -> list[Any]:
    """What a function remembers of where it was made; a name that has no value yet is left out."""
    found = []
    for cell in closure or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            continue
    return found


def _content(value: Any, depth: int = 0) -> str:
    """Words for what a value holds, the same in every process."""
    if depth > 6:  # it may hold itself
        return type(value).__qualname__
    deeper = depth + 1
    if isinstance(value, (type(None), bool, int, float, complex, str, bytes)):
        return repr(value)
    if isinstance(value, (tuple, list)):
        return f"({', '.join(_content(v, deeper) for v in value)})"
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(_content(v, deeper) for v in value))}}}"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_content(k, deeper)}: {_content(v, deeper)}' for k, v in value.items())}}}"
    if isinstance(value, (np.ndarray, np.generic)):
        return f"{value.dtype}{value.shape}{hashlib.sha256(value.tobytes()).hexdigest()}"
    if isinstance(value, types.CodeType):
        return _content((value.co_code, value.co_consts, value.co_names, value.co_varnames), deeper)
    if isinstance(value, types.ModuleType):
        return value.__name__
    if isinstance(value, type):
        return value.__qualname__
    if callable(value) and depth < 4:
        return name_of(value)
    return type(value).__qualname__ + (_content(vars(value), deeper) if hasattr(value, "__dict__") else "")


def stable(value: Any) -> str:
    """What a value is called among others of a sweep: the same in every process, and another for another value."""
    words = " ".join(str(value).split())
    if "..." in words or _ADDRESS.search(words):  # it does not say all that it holds, or where it lies
        return f"{_ADDRESS.sub('', words)[:MOST]}-{hashlib.sha256(_content(value).encode()).hexdigest()[:8]}"
    return words
