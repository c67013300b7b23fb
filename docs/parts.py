"""Writes the tables of parts in README.md from the parts themselves. ``--check`` says whether they are up to date."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from pathlib import Path

import ensemble as en
from ensemble.__main__ import public_parts
from ensemble.part import Part

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- parts: written by docs/parts.py -->", "<!-- end of parts -->"
KINDS: dict[str, type[Part]] = {
    "landscape": en.Landscape,
    "optimizer": en.Optimizer,
    "noise of the gradient": en.Noise,
    "start": en.Start,
    "event, the first step at which": en.Event,
    "schedule": en.Schedule,
    "law of a drawn number": en.Law,
}


def signature(part: type[Part]) -> str:
    """``Adam(lr=0.001, beta1=0.9)``."""
    given = []
    for f in (f for f in dataclasses.fields(part) if f.init and not f.kw_only):
        given.append(f.name if f.default is dataclasses.MISSING else f"{f.name}={f.default!r}")
    return f"{part.__name__}({', '.join(given)})"


def first_line(part: type[Part]) -> str:
    """The docstring's first line, as Markdown in a table."""
    line = (inspect.getdoc(part) or "").splitlines()[0].rstrip(".")
    return line.replace("``", "`").replace("|", "\\|")


def tables() -> str:
    """Every public part, a table for each kind."""
    lines = []
    for title, kind in KINDS.items():
        lines += [f"| {title} | |", "|---|---|"]
        lines += [f"| `{signature(p)}` | {first_line(p)} |" for p in public_parts(kind)]
        lines.append("")
    return "\n".join(lines)


def written(text: str) -> str:
    """``text`` with its tables as the parts have them now."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


def main() -> None:
    text = README.read_text()
    if "--check" in sys.argv:
        if written(text) != text:
            sys.exit("README.md: the tables of parts are stale; run python docs/parts.py.")
        return
    README.write_text(written(text))


if __name__ == "__main__":
    main()
