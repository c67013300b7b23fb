"""What a class of parts is to those who meet it again: whose it is, what a file calls it, the kernel it brings, its digests."""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

MOST_TEXT = 20_000
"""Letters of a class's text that a file keeps."""


def in_library(kind: type) -> bool:
    """Whether a class is the library's own."""
    return kind.__module__.startswith(f"{__package__}.")


def full_name(kind: type) -> str:
    """What a file calls a class: its name where it is the library's, else ``module:name``, so that the two are never mixed up."""
    return kind.__name__ if in_library(kind) else f"{kind.__module__}:{kind.__qualname__}"


def short_name(name: str) -> str:
    """The last part of what a file calls a class: what its author called it."""
    return name.rpartition(":")[2].rpartition(".")[2]


# ---- the kernel that a class brings


def kernel_text(kind: type) -> str:
    """The text of the CUDA struct that a class brings.

    ValueError: ``kernel`` is no text and no file, or holds no struct of the class's name.
    """
    given = vars(kind)["kernel"]
    if not isinstance(given, (str, Path)):
        raise ValueError(
            f"{kind.__name__}.kernel={given!r}: give the text of a CUDA struct, or a Path to a file that holds it."
        )
    text = given if isinstance(given, str) else read(file_of(kind))
    if not re.search(rf"\bstruct\s+{kind.__name__}\b", text):
        where = "the text" if isinstance(given, str) else str(file_of(kind))
        raise ValueError(
            f"{kind.__name__}.kernel: {where} holds no struct {kind.__name__}; give a struct of the class's name."
        )
    return text


def file_of(kind: type) -> Path:
    """The file that a class names as its ``kernel``: beside the class's own, unless the path is absolute."""
    module: Any = sys.modules.get(kind.__module__)
    return Path(getattr(module, "__file__", None) or "").parent / vars(kind)["kernel"]


@cache
def read(path: Path) -> str:
    """The text of a file, read once for a run: what changes meanwhile counts from the next."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ValueError(f"kernel=Path({str(path)!r}): cannot be read ({error}); give a file of UTF-8 text.") from error


# ---- what follows from a part's methods

FORMULAS: list[Callable[[Any], str]] = []
"""How the text that follows from a part's methods is found (``tracing/`` says it)."""


def formula(part: Any) -> str:
    """The text that follows from the methods of a part of a user's own; empty: they cannot be recorded."""
    return FORMULAS[0](part) if FORMULAS else ""


def source_text(kind: type) -> str:
    """A class as its author wrote it; empty where nobody can tell, as of what was typed into an interpreter."""
    try:
        return textwrap.dedent(inspect.getsource(getattr(kind, "function", kind)))[:MOST_TEXT]
    except (OSError, TypeError):
        return ""


# ---- what a file keeps of a class that is not the library's


def identity(kind: type) -> dict[str, str]:
    """Digests of the struct and of the methods of a class, by which a file knows it again; nothing of the library's own.

    Methods compare within one version of Python: what is kept is their compiled form.
    """
    own = [k for k in kind.__mro__ if k is not object and not in_library(k)]
    if not own:
        return {}
    code = "".join(f"{name} {code_of(f.__code__)}" for k in own for name, f in sorted(_functions(k).items()))
    # of a function: the constants that it takes from where it was defined
    around: dict[str, str] = getattr(kind, "remembered", dict)()
    code += "".join(f"{name}={value}" for name, value in sorted(around.items()))
    found = {"code": f"{sys.version_info.major}.{sys.version_info.minor} {digest(code)}"}
    texts = [kernel_text(k) for k in own if vars(k).get("kernel")]
    return found | ({"kernel": digest(texts[0])} if texts else {})


def unlike(described: dict[str, str], kind: type) -> str:
    """What differs between a class and the one that a file was made with: its kernel, or its methods; empty: nothing."""
    now = identity(kind)
    if described.get("kernel") != now.get("kernel"):
        return "its kernel"
    before, here = described.get("code", ""), now.get("code", "")
    return "its methods" if before != here and before.split(" ")[0] == here.split(" ")[0] else ""


def _functions(kind: type) -> dict[str, FunctionType]:
    plain = {name: getattr(value, "__func__", getattr(value, "fget", value)) for name, value in vars(kind).items()}
    return {name: f for name, f in plain.items() if isinstance(f, FunctionType) and not name.startswith("__")}


def code_of(code: CodeType) -> str:
    """A function's compiled form without its place and its docstring: the same wherever it was defined."""
    constants = [_constant(c) for c in code.co_consts]
    return repr((code.co_code.hex(), constants, code.co_names, code.co_varnames))


def _constant(value: Any) -> str:
    if isinstance(value, CodeType):
        return code_of(value)
    return repr(sorted(map(repr, value))) if isinstance(value, frozenset) else repr(value)


def digest(text: str) -> str:
    """Twelve digits that no other text has."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
