"""Runs every study as one command, and writes a page that lists what each found.

    python studies/all.py --quick

A study is a file beside this one whose docstring has a paragraph that begins with `Question.`. Two are left out:
`performance.py`, since it measures time and wants a quiet machine and, for its peers, packages that nothing else needs, and
`normals_quality.py`, which draws 1e9 numbers. Each study runs in a process of its own, into `<out>/<study>`. The exit status
is 1 where any of them failed, by a law or otherwise.
"""

from __future__ import annotations

import ast
import html
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import report
import typer
from rich.console import Console

FOLDER = Path(__file__).parent
LEFT_OUT = ("performance", "normals_quality")
ORDER = (
    "saddle_escape",
    "octopus",
    "kramers",
    "heavy_tails",
    "sharp_flat",
    "convergence_rates",
    "rosenbrock",
    "adam_failures",
    "schedules",
    "cliffs_and_plateaus",
)
"""These first, where they are there; then the others by name."""


def studies(folder: Path = FOLDER) -> list[Path]:
    """Every study of a folder, in order."""
    found = [
        path
        for path in folder.glob("*.py")
        if path.stem not in LEFT_OUT
        and "Question" in report.parts(ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "")
    ]
    place = {name: k for k, name in enumerate(ORDER)}
    return sorted(found, key=lambda path: (place.get(path.stem, len(place)), path.stem))


def run_study(path: Path, options: Sequence[str], out: Path) -> dict[str, Any]:
    """Runs one study; what its summary.json says, with its exit status and its time."""
    summary = out / path.stem / "summary.json"
    summary.unlink(missing_ok=True)  # of an earlier run
    began = time.perf_counter()
    status = subprocess.run([sys.executable, str(path), *options, "--out", str(out / path.stem)]).returncode
    found: dict[str, Any] = {"study": path.stem, "title": path.stem, "finding": "It did not reach its end."}
    found |= {"laws": 0, "failed": 0, "picture": None}
    if summary.exists():
        found |= json.loads(summary.read_text(encoding="utf-8"))
    return found | {"status": status, "seconds": time.perf_counter() - began}


def verdict(one: Mapping[str, Any]) -> str:
    """How a study ended."""
    laws = f"{one['laws'] - one['failed']} of {one['laws']} laws hold"
    ended = "" if not one["status"] else f", exit status {one['status']}"
    return f"{laws}{ended}, {one['seconds']:.0f} s"


def write_index(out: Path, found: Sequence[Mapping[str, Any]], command: str) -> None:
    """index.md and index.html: a finding and a picture of each study."""
    text, body = (
        ["# Studies", "", f"Made by `{command}`.", ""],
        [f"<p>Made by <code>{html.escape(command)}</code>.</p>"],
    )
    for one in found:
        name, there = one["study"], (out / one["study"] / "report.html").exists()
        title = f"[{one['title']}]({name}/report.md)" if there else one["title"]
        text += [f"## {title}", "", one["finding"], "", f"*{verdict(one)}*", ""]
        picture = f"{name}/{one['picture']}.png" if one["picture"] else ""
        text += [f"![{name}]({picture})", ""] if picture else []
        image = f'<a href="{name}/report.html"><img alt="{name}" src="{picture}"></a>' if picture else ""
        link = html.escape(one["title"])
        link = f'<a href="{name}/report.html">{link}</a>' if there else link
        look = ' class="failed"' if one["status"] else ""
        words = f"<h2>{link}</h2><p>{report.html_words(one['finding'])}</p><p{look}>{verdict(one)}</p>"
        body += [f'<div class="study">{image}<div>{words}</div></div>']
    (out / "index.md").write_text("\n".join(text), encoding="utf-8")
    (out / "index.html").write_text(report.fill("Studies", "\n".join(body)), encoding="utf-8")


def main(
    backend: Annotated[report.Backend, typer.Option(help="Where to run.")] = report.Backend.auto,
    seed: Annotated[int, typer.Option(min=0, max=2**64 - 1, help="Of the starts and the noise.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for the studies' folders and the list.")] = report.RESULTS,
    quick: Annotated[bool, typer.Option("--quick", help="The smaller form of each study.")] = False,
) -> None:
    """Runs every study and writes a page that lists what each found."""
    console = Console()
    report.prepare(backend, out)
    options = ["--backend", backend.value, "--seed", str(seed), *["--quick"] * quick]
    found = []
    for path in studies():
        console.rule(path.stem)
        found.append(run_study(path, options, out))
        console.print(f"{path.stem}: {verdict(found[-1])}", highlight=False)
    asked = {"backend": backend.value, "seed": seed, "quick": quick, "out": None if out == report.RESULTS else out}
    write_index(out, found, report.command_line("all.py", asked))
    console.rule("all")
    for one in found:
        console.print(f"{one['study']}: {verdict(one)}", style="bold red" if one["status"] else "", highlight=False)
    console.print(f"the list is in {out / 'index.html'}")
    if any(one["status"] for one in found):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
