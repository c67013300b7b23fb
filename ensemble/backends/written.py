"""``source``: the CUDA C++ that a part runs, to be read."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..part import Part
from ..words import told
from . import sources
from .twins import twin_of


def source(part: Part | type[Part]) -> str:
    """The CUDA C++ of a landscape, optimizer, noise or event: the struct that a compiled step runs, under the class's docstring.

    It is the struct derived from the part's methods, for its structure fields as they are, or the one written by hand. The parts
    that it wraps have their own.

    Args:
        part: a part, or a class of parts, of which one is then made with small numbers.

    Raises:
        TypeError: it is no part that a step sees.
        NoTwinError: it cannot be compiled; the message says why.
    """
    kind = part if isinstance(part, type) else type(part)
    if not issubclass(kind, Part) or not kind.kernel_header:
        raise TypeError(f"source({told(part)}): give a landscape, an optimizer, a noise or an event.")
    made = example(kind) if isinstance(part, type) else part
    twin = twin_of(made)
    text = twin.text or _cut(twin.kind.__name__, (sources.kernels() / twin.header).read_text())
    if twin.derived:
        text = sources.INCLUDE.sub("", text).lstrip()
        lines = text.splitlines()
        while lines[0].startswith("//"):  # the whole docstring takes the place of its beginning
            lines.pop(0)
        text = "\n".join(lines)
    about = "".join(f"// {line}".rstrip() + "\n" for line in (inspect.getdoc(kind) or "").splitlines())
    return f"{about}{text.rstrip()}\n"


def _cut(name: str, text: str) -> str:
    """The struct of that name in a header, with the comment and the template line above it."""
    lines = text.splitlines()
    at = next(k for k, line in enumerate(lines) if line.split("{")[0].split(":")[0].split() == ["struct", name])
    first = at
    while first and lines[first - 1].startswith(("template", "//")):
        first -= 1
    last = at if lines[at].rstrip().endswith("};") else next(k for k in range(at, len(lines)) if lines[k] == "};")
    found = "\n".join(lines[first : last + 1])
    base = re.search(rf"struct {name} : (\w+)", found)
    if base and re.search(rf"^struct {base[1]}\b", text, re.MULTILINE):  # of the same header: it says most of it
        return f"{_cut(base[1], text)}\n{found}"
    return found


# ---- a part to show


NUMBERS = (0.1, 1.0, 2.0, 0.5, 0.0)
"""Of these a required number gets the first that it may be."""


def example(kind: type[Part]) -> Part:
    """A part of a class, its required fields filled in.

    Raises:
        ValueError: none was found that the class accepts.
    """
    if hasattr(kind, "random"):
        return kind.random()
    wanted = [f for f in dataclasses.fields(kind) if f.init and f.default is dataclasses.MISSING]
    sized = [f for f in dataclasses.fields(kind) if f.init and f.name == "dim"]
    error: Exception = ValueError("none of the numbers that were tried will do; give a part of it")
    for fields, shape, size in itertools.product((wanted, wanted + sized), ((2,), (2, 2), (3, 2)), (2, 3, 4)):
        try:
            return kind(**{f.name: _value(kind, f, shape, size) for f in fields})
        except (ValueError, TypeError) as refused:
            error = refused
    raise ValueError(f"source({kind.__name__}): {error}"[:300])


def _value(kind: type[Part], f: dataclasses.Field[Any], shape: tuple[int, ...], size: int) -> Any:
    how = f.metadata.get("kind")
    if how in ("number", "scheduled", "vector"):
        number = next(v for v in NUMBERS if f.metadata["domain"].holds(v))
        return number if how != "vector" or f.metadata["one_for_all"] else [number] * size
    if how == "array":
        return (np.arange(1.0, 1.0 + np.prod(shape)) / np.prod(shape)).reshape(shape)
    if how == "inner":
        return _inside(kind)
    if how is None:  # a function
        return np.tanh
    return max(size, f.metadata.get("low", 0))


def _inside(kind: type[Part]) -> Part:
    """A part that another may wrap: the first of its kind that needs no more than numbers."""
    base = next(b for b in kind.__mro__ if Part in b.__bases__)
    for candidate in _below(base):
        if not any(f.metadata.get("kind") in ("inner", "array") for f in dataclasses.fields(candidate)):
            try:
                return example(candidate)
            except ValueError:
                continue
    raise ValueError(f"{kind.__name__} wraps another part; give one made in Python.")


def _below(kind: type[Part]) -> Iterator[type[Part]]:
    for each in kind.__subclasses__():
        if each.__module__.startswith("ensemble.") and not each.__module__.startswith("ensemble.checks"):
            yield each
            yield from _below(each)
