"""Runs pieces of Python in empty folders, two at a time, and keeps what they drew until they or the package change."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
MADE = DOCS / "_made"
AT_ONCE = 2


@cache
def package() -> str:
    """A digest of everything that the package runs."""
    files = sorted([*(ROOT / "ensemble").rglob("*.py"), *(ROOT / "kernels").rglob("*.cuh")])
    whole = hashlib.sha256()
    for file in files:
        whole.update(file.read_bytes())
    return whole.hexdigest()


def digest(*texts: str) -> str:
    return hashlib.sha256("\0".join([package(), *texts]).encode()).hexdigest()


def run(code: str, folder: Path) -> None:
    """Runs ``code`` in the empty ``folder``; RuntimeError with its last words where it fails."""
    variables = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "PYTHONDONTWRITEBYTECODE": "1"}
    script = folder / "script.py"
    script.write_text(code, encoding="utf-8")
    began = time.perf_counter()
    done = subprocess.run([sys.executable, script.name], cwd=folder, env=variables, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{folder.name}: {done.stderr[-2000:]}")
    found = {"seconds": time.perf_counter() - began, "output": done.stdout, "warnings": done.stderr}
    (folder / "done.json").write_text(json.dumps(found), encoding="utf-8")


def kept(kind: str, scripts: Mapping[str, str]) -> dict[str, Path]:
    """A folder for each script, with what it wrote and ``done.json``; run again only where something changed."""
    folders = {name: MADE / kind / name for name in scripts}

    def one(name: str) -> None:
        folder, mark = folders[name], digest(scripts[name])
        stamp = folder / "digest"
        if stamp.exists() and stamp.read_text() == mark:
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        run(scripts[name], folder)
        stamp.write_text(mark)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, scripts))
    return folders


def told(folder: Path) -> dict[str, object]:
    """Seconds, output and warnings of a run."""
    return dict(json.loads((folder / "done.json").read_text(encoding="utf-8")))


def written(path: Path, text: str) -> None:
    """Writes a generated page, unless it is so already: Sphinx then need not read it again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
