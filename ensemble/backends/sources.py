"""Where the kernel sources are, what they are called by, and their digest."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path


@cache
def kernels() -> Path:
    """The folder of kernel sources: inside the installed package, or beside it in a checkout.

    Raises:
        RuntimeError: neither place has them.
    """
    here = Path(__file__).resolve().parents[1]  # the package
    for folder in (here / "kernels", here.parent / "kernels"):
        if (folder / "advance.cuh").is_file():
            return folder
    raise RuntimeError(
        f"The kernel sources are missing: looked in {here / 'kernels'} and {here.parent / 'kernels'}. "
        f"Install descent-ensemble again, or run from a whole checkout."
    )


INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.MULTILINE)
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
def text_of(header: str) -> str:
    """The text of a header."""
    return (kernels() / header).read_text()


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
        for name in INCLUDE.findall(text):
            waiting.append(next((f for f in (path.parent / name, kernels() / name) if f.is_file()), path))
    return total.hexdigest()
