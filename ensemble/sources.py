"""Where the kernel sources are, what they are called by, and their digest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .twins import Twin


@cache
def kernels() -> Path:
    """The folder of kernel sources: inside the installed package, or beside it in a checkout.

    Raises:
        RuntimeError: neither place has them.
    """
    here = Path(__file__).resolve().parent
    for folder in (here / "kernels", here.parent / "kernels"):
        if (folder / "advance.cuh").is_file():
            return folder
    raise RuntimeError(
        f"The kernel sources are missing: looked in {here / 'kernels'} and {here.parent / 'kernels'}. "
        f"Install descent-ensemble again, or run from a whole checkout."
    )


_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.MULTILINE)
_STRUCT = re.compile(r"^struct (\w+)", re.MULTILINE)


@cache
def headers() -> dict[str, str]:
    """Name of every struct in the kernel sources -> the header that defines it, relative to the folder."""
    found: dict[str, str] = {}
    for path in sorted(kernels().rglob("*.cuh")):
        for name in _STRUCT.findall(path.read_text()):
            found.setdefault(name, path.relative_to(kernels()).as_posix())
    return found


@cache
def digest(roots: tuple[str, ...]) -> str:
    """A digest of the headers ``roots`` and everything they include: compiled programs are kept under it."""
    total, waiting, seen = hashlib.sha256(), [kernels() / r for r in roots], set()
    while waiting:
        path = waiting.pop(0).resolve()
        if path in seen:
            continue
        seen.add(path)
        text = path.read_text()
        total.update(path.relative_to(kernels().resolve()).as_posix().encode() + b"\0" + text.encode() + b"\0")
        for name in _INCLUDE.findall(text):
            waiting.append(next((f for f in (path.parent / name, kernels() / name) if f.is_file()), path))
    return total.hexdigest()


def program_source(types: tuple[str, ...], macros: dict[str, int], entry: str, twins: Sequence[Twin]) -> str:
    """The text of one program: macros, the structs of its parts, the header of ``entry`` (advance, check, observe or draw), and its entry.

    Only what the program uses is read, so an error in another part's header does not touch it. The digest makes a cache
    that looks at this text alone see a changed header.
    """
    own = {twin.space: twin.text for twin in twins if twin.text}
    asked = [name for text in own.values() for name in _INCLUDE.findall(text)]
    used = tuple(dict.fromkeys((*(twin.header for twin in twins), *asked, f"{entry}.cuh")))
    lines = [f"// kernels {digest(used)}"]
    lines += [f"#define ENSEMBLE_{name} {value}" for name, value in macros.items()]
    lines += [f'#include "{name}"' for name in used]
    for space, text in own.items():  # headers that it asks for are above: not in its namespace
        lines += [f"namespace {space} {{", f'#line 1 "{space}"', _INCLUDE.sub("", text), "}", '#line 1 "program"']
    call = f"({', '.join(types)})" if types else ""
    lines.append(f"ENSEMBLE_{entry.upper()}{call}")
    return "\n".join(lines) + "\n"
