"""Runs the Python of every hand-written page, block after block as a notebook's cells, in an empty folder.

A picture that a page saves as ``name`` is shown by it as ``/_made/pages/<page>/name.png``.
"""

from __future__ import annotations

import re

from .running import DOCS, kept

BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def scripts() -> dict[str, str]:
    """The Python of each page that has some, by its name: ``how-sweeps`` for how/sweeps.md."""
    found = {}
    for path in sorted([*DOCS.glob("*.md"), *DOCS.glob("how/*.md"), *DOCS.glob("concepts/*.md")]):
        blocks = BLOCK.findall(path.read_text(encoding="utf-8"))
        if blocks:
            found["-".join(path.relative_to(DOCS).with_suffix("").parts)] = "\n".join(blocks)
    return found


def write() -> None:
    kept("pages", scripts())
