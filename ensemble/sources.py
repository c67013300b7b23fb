"""Where the kernel sources are, what they are called by, and their digest."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path


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


@cache
def digest() -> str:
    """A digest of every kernel source: compiled programs are kept under it."""
    total = hashlib.sha256()
    for path in sorted(kernels().rglob("*.cuh")):
        total.update(path.relative_to(kernels()).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def program_source(types: tuple[str, ...], macros: dict[str, int], entry: str) -> str:
    """The text of one program: macros, the header of ``entry`` (advance, observe or draw) and its instantiation."""
    lines = [f"// kernels {digest()}"]
    lines += [f"#define ENSEMBLE_{name} {value}" for name, value in macros.items()]
    lines.append(f'#include "{entry}.cuh"')
    call = f"({', '.join(types)})" if types else ""
    lines.append(f"ENSEMBLE_{entry.upper()}{call}")
    return "\n".join(lines) + "\n"
