"""Twins: which CUDA struct stands for a part's class in a kernel. It is found by the class, never by its name alone.

The library's structs lie in ``kernels/``. A class that is not the library's carries its own as the attribute ``kernel``, text or a
``Path`` to a file beside the class; it is compiled in a namespace made from its text, so that two of one name never meet. A class
that says no struct runs that of the class it derives from, as long as it changes nothing of what a step does; else the struct is
derived from its methods (``tracing/``).
"""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass
from typing import Any

from ..classes import digest, in_library, kernel_text
from ..part import Part, nested
from ..tracing import Struct, TraceError, derived_struct, structure_key
from ..tracing.text import safe
from . import sources

HOST = frozenset({"validate", "describe", "stationary_points", "smoothness", "box", "picture", "filters", "hessian", "kernel"}) | {
    "_stationary_points", "_smoothness", "_box", "_picture", "smooth_everywhere", "coordinates_per_lane", "shared_points", "scratch"
}  # fmt: skip
"""What a class may say anew and still run the struct of the class it derives from: no step sees it."""


MOST_DERIVED = 1024
"""Derived structs that a process keeps."""


class NoTwinError(ValueError):
    """A part that is evaluated within the step has no CUDA struct of its own."""


@dataclass(frozen=True)
class Twin:
    """The struct that stands for a class. ``text`` is empty where it is the library's: then ``header`` defines it."""

    kind: type
    text: str
    header: str
    found: Struct | None = None
    """What follows from the class's methods, for structure fields as they are, where the text does."""

    @property
    def derived(self) -> bool:
        """Whether the text follows from the class's methods."""
        return self.found is not None

    @property
    def digest(self) -> str:
        """Of the text; it names the namespace."""
        return digest(self.text)

    @property
    def space(self) -> str:
        """The namespace of a user's struct, and what the compiler calls its text in messages."""
        return f"own_{self.digest}"

    @property
    def struct(self) -> str:
        """The struct's whole name in a program."""
        name = safe(self.kind.__name__) if self.derived else self.kind.__name__
        return f"{self.space}::{name}" if self.text else name


OWN: dict[str, Twin] = {}
"""Every struct of a user's that was asked for in this process, by its namespace: what compilers speak of."""


def twin_of(part: Part) -> Twin:
    """The struct that a part runs in a kernel: its class's own, the library's, or the one derived from its methods.

    Raises:
        NoTwinError: there is none, and a method does what cannot be recorded; with the remedy.
        ValueError: ``kernel`` is no text and no file, or holds no struct of the class's name.
    """
    kind = type(part)
    for base in kind.__mro__:
        header: str = getattr(base, "kernel_header", "")
        if vars(base).get("kernel"):
            twin = Twin(base, kernel_text(base), header)
            OWN[twin.space] = twin
            break
        if in_library(base) and header and base.__name__ in sources.headers():
            twin = Twin(base, "", sources.headers()[base.__name__])
            break
    else:
        return _derived(part)
    return twin if not _changed(kind, twin.kind) else _derived(part)


_DERIVED: dict[Any, Twin] = {}


def _derived(part: Part) -> Twin:
    """The struct that follows from the methods of a part, or of the class that it derives from and changes nothing of."""
    part = _as_base(part)
    key = structure_key(part)
    if key not in _DERIVED:
        kind = type(part)
        if not kind.kernel_header:
            raise NoTwinError(f"{kind.__name__} is no part that a step sees.")
        try:
            found = derived_struct(part)
        except TraceError as error:
            raise NoTwinError(f"{kind.__name__} cannot run on cpu and cuda: {error}"[:300]) from None
        if len(_DERIVED) >= MOST_DERIVED:
            _DERIVED.clear()
        _DERIVED[key] = Twin(kind, f'#include "elementwise.cuh"\n{found.text}', kind.kernel_header, found)
    return _DERIVED[key]


def pointwise(part: Part) -> bool:
    """Whether what a part, and all that it wraps, does in a step to one coordinate depends on no other; of a landscape: what its
    derivatives and its projection do.

    Raises:
        NoTwinError: as :func:`twin_of`.
    """
    found = ((p, twin_of(p).found) for p in nested(part))
    return all(p.pointwise if of is None else of.pointwise for p, of in found)


def vectors_held(part: Part) -> int:
    """Vectors that a step holds beside the iterate: those that the part and all that it wraps keep between steps, and those it
    works with.

    Raises:
        NoTwinError: as :func:`twin_of`.
    """
    found = ((p, twin_of(p).found) for p in nested(part))
    return sum(len(p.vectors) + (p.scratch if of is None else of.held) for p, of in found)


def _as_base(part: Part) -> Part:
    """The part as one of the library's class that its own derives from, where that changes nothing of a step."""
    kind = type(part)
    base = next((b for b in kind.__mro__ if in_library(b) and issubclass(b, Part) and not _changed(kind, b)), kind)
    if base is kind:
        return part
    made: Part = object.__new__(base)
    made.__dict__.update(part.__dict__)
    return made


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


def cpp_type(part: Part, as_vector: frozenset[str] = frozenset(), prefix: str = "") -> str:
    """The type of a part's CUDA twin: the struct of the class and its structure fields, in order.

    ``as_vector`` holds the paths of vector fields that some configuration gives coordinate by coordinate.

    Raises:
        NoTwinError: a class has no struct.
    """
    arguments, twin = [], twin_of(part)
    for f in dataclasses.fields(part):
        kind, value = f.metadata.get("kind"), getattr(part, f.name)
        if kind == "structure" and f.name != "dim" and not twin.derived:
            arguments.append(str(int(value)))
        elif kind == "vector":
            arguments.append("Vector" if prefix + f.name in as_vector else "number")
        elif kind == "inner":
            arguments.append(cpp_type(value, as_vector, f"{prefix}{f.name}."))
    return f"{twin.struct}<{', '.join(arguments)}>" if arguments else twin.struct
