"""The notebooks, executed and shown as pages: what they print and draw comes from the kernel that ran them, not from the file."""

from __future__ import annotations

import base64
import logging
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from .running import AT_ONCE, DOCS, ROOT, digest, written

logging.getLogger("traitlets").setLevel(logging.WARNING)
FOLDER, NOTEBOOKS = DOCS / "lessons", ROOT / "notebooks"


def executed(path: Path) -> nbformat.NotebookNode:
    """A notebook with its outputs, as nbclient runs it in an empty folder; CellExecutionError where a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    quiet = ["--IPKernelApp.log_level=ERROR"]
    NotebookClient(notebook, timeout=600, kernel_name="python3", extra_arguments=quiet).execute()
    return notebook


def shown(notebook: nbformat.NotebookNode, name: str) -> str:
    """The notebook as Markdown; pictures are files beside it."""
    lines: list[str] = []
    pictures = FOLDER / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    count = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            lines += [cell.source, ""]
            continue
        lines += ["```python", cell.source, "```", ""]
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" in data:
                count += 1
                (pictures / f"{name}-{count}.png").write_bytes(base64.b64decode(data["image/png"]))
                width = output.get("metadata", {}).get("image/png", {}).get("width")
                lines += [f"```{{image}} pictures/{name}-{count}.png", f":alt: what the cell above drew, {count}"]
                lines += [f":width: {width}px"] * bool(width) + ["```", ""]
            elif "text/html" in data:
                if not data["text/html"].strip():  # a bar that has been taken away
                    continue
                lines += ["```{raw} html", data["text/html"], "```", ""]
            elif text := data.get("text/plain") or (output.get("text") if output.get("name") == "stdout" else ""):
                lines += ["```text", text.rstrip(), "```", ""]
    return "\n".join(lines)


def title(path: Path) -> str:
    return str(nbformat.read(path, as_version=4).cells[0].source).splitlines()[0].removeprefix("# ")


def write() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    paths = sorted(NOTEBOOKS.glob("*.ipynb"))

    def one(path: Path) -> None:
        mark, now = FOLDER / f"{path.stem}.digest", digest(path.read_text(encoding="utf-8"), Path(__file__).read_text())
        page = FOLDER / f"{path.stem}.md"
        if page.exists() and mark.exists() and mark.read_text() == now:
            return
        download = (
            f"\nThis page is the notebook {{download}}`{path.name} <{path.name}>`, run when the site was built.\n"
        )
        shutil.copy(path, FOLDER / path.name)
        written(page, shown(executed(path), path.stem) + download)
        mark.write_text(now)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, paths))
    lines = ["# Lessons", "", "Notebooks, to read here or to run and change: `jupyter lab notebooks/`.", ""]
    lines += [f"- [{title(path)}]({path.stem}.md)" for path in paths]
    written(
        FOLDER / "index.md",
        "\n".join([*lines, "", "```{toctree}", ":hidden:", "", *(p.stem for p in paths), "```", ""]),
    )
