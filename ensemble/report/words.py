"""Words: the facts of the runs, numbers as people read them, tables in Markdown, HTML and CSV."""

from __future__ import annotations

import csv
import html
import json
import math
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..words import told

Row = Mapping[str, Any]
Table = tuple[Sequence[str], Sequence[Sequence[Any]]]
"""Header and lines."""
LONG = 12
"""Lines of a table that a page shows; longer ones are folded."""


def facts(attributes: Sequence[Row], command: str = "", seconds: float | None = None) -> dict[str, str]:
    """What made the numbers, from the attributes of the runs' datasets; ``seconds`` is the whole wall time of what ran them."""
    wall = sum(float(a["wall_time"]) for a in attributes)
    work = sum(float(a["coordinate_steps"]) for a in attributes)
    first = attributes[0]
    versions = dict(json.loads(first["versions"]))
    try:
        versions["matplotlib"] = version("matplotlib")
    except PackageNotFoundError:
        versions["matplotlib"] = "absent"
    arithmetic = dict.fromkeys(
        f"{a['dtype']}, math={a['math']}, events checked every {a['check_every']} step(s)" for a in attributes
    )
    places = dict.fromkeys(f"{a['backend']} on {a['device']}" for a in attributes)
    spent = f"{wall:.1f} s in the steps" if seconds is None else f"{seconds:.1f} s, of which {wall:.1f} s in the steps"
    return ({"command": f"`{command}`"} if command else {}) | {
        "seed": str(first["seed"]),
        "backend": f"{' and '.join(places)} ({_cores()}, {platform.system()})",
        "arithmetic": "; ".join(arithmetic),
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
        "made": str(first["created"]),
        "wall time": spent,
        "speed": f"{work:.3g} coordinate-steps, {work / wall if wall else 0.0:.3g} per second",
    }


def _cores() -> str:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{usable} core" + ("s" if usable > 1 else "")


def missing(value: Any) -> bool:
    return value is None or (isinstance(value, (float, np.floating)) and math.isnan(value))


def shown(value: Any) -> str:
    """A cell as people read it."""
    value = value.item() if isinstance(value, np.generic) else value
    if missing(value):
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if value == round(value) and abs(value) < 1e6 and value != 0 else f"{value:.5g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def interval(row: Row, name: str) -> str:
    """``median [lower, upper]`` of a row."""
    if missing(row[name]):
        return "not reached"
    return f"{row[name]:.4g} [{row[f'{name}_lower']:.4g}, {row[f'{name}_upper']:.4g}]"


def table_of(rows: Sequence[Row]) -> Table:
    """Header and lines of rows of one kind; a number is joined by its ``_lower`` and ``_upper``."""
    names = [k for k in rows[0] if not re.fullmatch(r"(.+)_(lower|upper)", k) or k.rpartition("_")[0] not in rows[0]]
    lines = [[interval(row, k) if f"{k}_lower" in row else row[k] for k in names] for row in rows]
    return [f"{k} [interval]" if f"{k}_lower" in rows[0] else k for k in names], lines


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """All rows as CSV; a number that does not exist is an empty cell, as is a column that a row lacks."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=names, restval="")
        writer.writeheader()
        writer.writerows({k: "" if missing(v) else v for k, v in row.items()} for row in rows)


def markdown(table: Table) -> str:
    """A table of strings and numbers."""
    header, lines = table
    body = ["| " + " | ".join(shown(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]
    return "\n".join(
        ["| " + " | ".join(h.replace("|", "\\|") for h in header) + " |", "|" + "---|" * len(header), *body]
    )


def html_table(table: Table) -> str:
    """The same in HTML, which scrolls sideways where the screen is narrow, and is folded where it is long."""
    header, lines = table
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in header)
    body = "\n".join("<tr>" + "".join(f"<td>{html.escape(shown(c))}</td>" for c in line) + "</tr>" for line in lines)
    whole = f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'
    if len(lines) <= LONG:
        return whole
    return f"<details><summary>{len(lines):,} lines</summary>\n{whole}\n</details>"


def html_list(lines: Iterable[str]) -> str:
    return "<ul>\n" + "\n".join(f"<li>{html_words(line)}</li>" for line in lines) + "\n</ul>"


def html_words(text: str) -> str:
    """Escaped, with what stands in backquotes as code, and what stands between dollars as a formula."""
    pieces = _MARKED.split(text)
    return "".join(html.escape(piece, quote=False) if k % 2 == 0 else _marked(piece) for k, piece in enumerate(pieces))


_MARKED = re.compile(r"(`[^`]+`|\$(?=\S)[^$`]+(?<=\S)\$)")


def _marked(piece: str) -> str:
    inner = piece[1:-1]
    if piece.startswith("$") and find_spec("latex2mathml"):
        from latex2mathml.converter import convert

        try:
            return str(convert(inner))
        except Exception as error:  # its errors have no class in common
            raise ValueError(
                f"{told(piece)} is no formula that latex2mathml knows ({type(error).__name__}); give another, or `code`."
            ) from error
    return f"<code>{html.escape(inner, quote=False)}</code>"
