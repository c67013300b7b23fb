"""A page for every study: its question, what is expected and what was found, from its docstring, with a picture of its full run."""

from __future__ import annotations

import ast
import re
import shutil

from .running import DOCS, ROOT, written

FOLDER = DOCS / "studies"
PICTURES = {"saddle_escape": "survival", "heavy_tails": "height", "sharp_flat": "phases", "rosenbrock": "adam_time"}
"""What a full run of a study drew and docs/pictures has, where it has not the study's own name."""
ORDER = (
    "saddle_escape", "octopus", "kramers", "heavy_tails", "sharp_flat", "convergence_rates", "rosenbrock", "adam_failures",
    "schedules", "cliffs_and_plateaus",
)  # fmt: skip
"""These first; then the others by name."""


def docstring(name: str) -> str:
    return ast.get_docstring(ast.parse((ROOT / "studies" / f"{name}.py").read_text(encoding="utf-8"))) or ""


def listed() -> list[tuple[str, str, str]]:
    """Name, question and picture of every study that says what it asked and found; no picture yet: an empty name."""
    names = [path.stem for path in (ROOT / "studies").glob("*.py")]
    names = [n for n in names if n not in ("performance", "normals_quality") and "\nQuestion. " in docstring(n)]
    names.sort(key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    found = []
    for name in names:
        picture = f"{PICTURES.get(name, name)}.png"
        found.append((name, docstring(name).splitlines()[0], picture if (DOCS / "pictures" / picture).exists() else ""))
    return found


def literal(text: str) -> str:
    """Formulas as they stand: what Markdown would take for markup is escaped outside of backticks."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if k % 2 else re.sub(r"([*_<>\[\]|$])", r"\\\1", part) for k, part in enumerate(parts))


def page(name: str, picture: str) -> str:
    title, *paragraphs = docstring(name).split("\n\n")
    lines = [f"# {title}", "", *([f"![{title}](/pictures/{picture})", ""] if picture else [])]
    for paragraph in paragraphs:
        word = re.match(r"(Question|Expected|Found)\. ", paragraph)
        if word:
            lines += [f"## {word[1]}", ""]
            paragraph = paragraph[word.end() :]
        lines += [literal(paragraph), ""]
    lines += [
        f"The whole program: `studies/{name}.py`; it writes figures, data, tables and a report with every law that it checks."
    ]
    return "\n".join([*lines, ""])


def write() -> None:
    for name, _, picture in listed():
        written(FOLDER / f"{name}.md", page(name, picture))
    (FOLDER / "pictures").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "studies" / "results" / "performance" / "cells.png", FOLDER / "pictures" / "performance.png")
