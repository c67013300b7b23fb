"""Twins: which CUDA struct stands for a part's class in a kernel. It is found by the class, never by its name alone.

The library's structs lie in ``kernels/``. A class that is not the library's carries its own as the attribute ``kernel``, text or a
``Path`` to a file beside the class; it is compiled in a namespace made from its text, so that two of one name never meet. A class
that says no struct may run that of the class it derives from, as long as it changes nothing of what a step does.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from . import sources

HOST = frozenset({"validate", "describe", "stationary_points", "smoothness", "box", "picture", "filters", "hessian", "kernel"}) | {
    "_stationary_points", "_smoothness", "_box", "_picture", "smooth_everywhere", "coordinates_per_lane", "scratch"
}  # fmt: skip
"""What a class may say anew and still run the struct of the class it derives from: no step sees it."""


class NoTwinError(ValueError):
    """A part that is evaluated within the step has no CUDA struct of its own."""


@dataclass(frozen=True)
class Twin:
    """The struct that stands for a class. ``text`` is empty where it is the library's: then ``header`` defines it."""

    kind: type
    text: str
    header: str

    @property
    def digest(self) -> str:
        """Of the text; it names the namespace."""
        return _digest(self.text)

    @property
    def space(self) -> str:
        """The namespace of a user's struct, and what the compiler calls its text in messages."""
        return f"own_{self.digest}"

    @property
    def struct(self) -> str:
        """The struct's whole name in a program."""
        return f"{self.space}::{self.kind.__name__}" if self.text else self.kind.__name__


OWN: dict[str, Twin] = {}
"""Every struct of a user's that was asked for in this process, by its namespace: what compilers speak of."""


def in_library(kind: type) -> bool:
    """Whether a class is the library's own."""
    return kind.__module__.startswith(f"{__package__}.")


def full_name(kind: type) -> str:
    """What a file calls a class: its name where it is the library's, else ``module:name``, so that the two are never mixed up."""
    return kind.__name__ if in_library(kind) else f"{kind.__module__}:{kind.__qualname__}"


def twin_of(kind: type) -> Twin:
    """The struct that a class runs in a kernel.

    Raises:
        NoTwinError: there is none, with the remedy.
        ValueError: ``kernel`` is no text and no file, or holds no struct of the class's name.
    """
    for base in kind.__mro__:
        header: str = getattr(base, "kernel_header", "")
        if vars(base).get("kernel"):
            twin = Twin(base, _text(base), header)
            OWN[twin.space] = twin
            break
        if in_library(base) and header and base.__name__ in sources.headers():
            twin = Twin(base, "", sources.headers()[base.__name__])
            break
    else:
        raise NoTwinError(f"{kind.__name__} has no CUDA struct for cpu and cuda: {_remedy(kind)}.")
    changed = _changed(kind, twin.kind)
    if changed:
        raise NoTwinError(
            f"{kind.__name__} has {changed} other than {_whose(twin.kind)}, and no CUDA struct for cpu and cuda: {_remedy(kind)}."
        )
    return twin


def _whose(kind: type) -> str:
    return f"the library's {kind.__name__}" if in_library(kind) else kind.__name__


def _remedy(kind: type) -> str:
    return (
        f"give the class kernel = \"struct {kind.__name__} {{...}};\", or a Path to such a file, or use backend='numpy'"
    )


def _text(kind: type) -> str:
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


def _changed(kind: type, base: type) -> str:
    """What a class says unlike the class it derives from, of all that a step may see; empty: nothing."""
    if kind is base:
        return ""
    kinds = [[(f.name, f.metadata.get("kind")) for f in dataclasses.fields(k)] for k in (kind, base)]
    if kinds[0] != kinds[1]:
        return "fields"
    fields = {f.name for f in dataclasses.fields(base)}
    for name in sorted({name for k in base.__mro__ for name in vars(k)} - HOST - fields):
        own, given = (inspect.getattr_static(k, name, None) for k in (kind, base))
        if own is not given and not (name.startswith("__") and name.endswith("__")):
            return f"a {name}()" if callable(own) else f"{name}"
    return ""


# ---- what a file keeps of a class that is not the library's


def identity(kind: type) -> dict[str, str]:
    """Digests of the struct and of the methods of a class, by which a file knows it again; nothing of the library's own.

    Methods compare within one version of Python: what is kept is their compiled form.
    """
    own = [k for k in kind.__mro__ if k is not object and not in_library(k)]
    if not own:
        return {}
    code = "".join(f"{name} {_code(f.__code__)}" for k in own for name, f in sorted(_functions(k).items()))
    found = {"code": f"{sys.version_info.major}.{sys.version_info.minor} {_digest(code)}"}
    texts = [_text(k) for k in own if vars(k).get("kernel")]
    return found | ({"kernel": _digest(texts[0])} if texts else {})


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


def _code(code: CodeType) -> str:
    """A function's compiled form without its place and its docstring: the same wherever it was defined."""
    constants = [_constant(c) for c in code.co_consts]
    return repr((code.co_code.hex(), constants, code.co_names, code.co_varnames))


def _constant(value: Any) -> str:
    if isinstance(value, CodeType):
        return _code(value)
    return repr(sorted(map(repr, value))) if isinstance(value, frozenset) else repr(value)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
