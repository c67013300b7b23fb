"""The gallery: every file of docs/examples is run in an empty folder; its page has its picture, its code and the time it took."""

from __future__ import annotations

import ast
from pathlib import Path

from . import studies
from .running import DOCS, kept, told, written

FOLDER, EXAMPLES = DOCS / "gallery", DOCS / "examples"


def examples() -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.py"))}


def picture_of(folder: Path) -> str:
    """The name of what an example drew: a film, or a picture."""
    found = sorted(folder.glob("*.gif")) or sorted(folder.glob("*.png"))
    if not found:
        raise RuntimeError(f"docs/examples/{folder.name}.py drew nothing")
    return found[0].name


def page(name: str, code: str, folder: Path) -> str:
    title, _, text = (ast.get_docstring(ast.parse(code)) or "").partition("\n\n")
    ran = told(folder)
    lines = [f"# {title}", "", text, "", f"![{title}](/_made/gallery/{name}/{picture_of(folder)})", ""]
    lines += [f"```{{literalinclude}} ../examples/{name}.py", ":language: python", ":start-at: import", "```", ""]
    if output := str(ran["output"]).strip():
        lines += ["```text", output, "```", ""]
    lines += [f"*{ran['seconds']:.1f} s on the machine that built this page, Python's start and the compiler included. "
              f"{{download}}`{name}.py <../examples/{name}.py>`*"]  # fmt: skip
    return "\n".join([*lines, ""])


def sheet(items: list[tuple[str, str, str]]) -> list[str]:
    """Thumbnails with a line under each: (page, title, picture)."""
    lines = ["```````{container} sheet wide"]
    for link, title, picture in items:
        lines += [f"``````{{figure}} {picture}", f":alt: {title}", f":target: {link}.html", "", title, "``````"]
    return [*lines, "```````", ""]


def write() -> None:
    scripts = examples()
    folders = kept("gallery", scripts)
    items = []
    for name, folder in folders.items():
        written(FOLDER / f"{name}.md", page(name, scripts[name], folder))
        title = (ast.get_docstring(ast.parse(scripts[name])) or "").splitlines()[0]
        items.append((name, title, f"/_made/gallery/{name}/{picture_of(folder)}"))
    asked = studies.listed()
    found = [(f"../studies/{name}", title, f"/pictures/{picture}") for name, title, picture in asked if picture]
    lines = [
        "# Gallery",
        "",
        "Examples of at most forty lines, run when this site was built. Take the code and change it.",
        "",
        *sheet(items),
    ]
    lines += [
        "## Studies",
        "",
        "One question each, with the laws that are expected, what was found, and a report with data and intervals.",
        "",
        *sheet(found),
        *(f"- [{title}](../studies/{name}.md)" for name, title, picture in asked if not picture),
        "",
    ]
    lines += [
        "```{toctree}",
        ":hidden:",
        "",
        *folders,
        *(f"../studies/{name}" for name, _, _ in asked),
        "```",
        "",
    ]
    written(FOLDER / "index.md", "\n".join(lines))
