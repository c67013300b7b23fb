"""Builds the explorer: the kernels compiled to WebAssembly, one module for each landscape and optimizer, in one page.

`python docs/explorer/build.py [--out FOLDER]`, or `make -C docs explorer`. The compiler is Zig's clang, from PyPI
(`pip install ziglang`): nothing else is needed, and the page needs no server. The sources are those of the cpu backend in
`math="precise"`, float32, tiles of eight instances, and so are its bits.
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import gzip
import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from shown import OPTIMIZERS, OWN, SCENES, Scene, call_of, first_rate, said

import ensemble as en
from ensemble.backends.cpu import CpuEngine
from ensemble.backends.launch import types_of
from ensemble.backends.layout import Layout
from ensemble.backends.program import ROLES, Program
from ensemble.backends.sources import kernels
from ensemble.tracing.text import safe

HERE = Path(__file__).parent
WIDTH = 8
"""Instances of a tile: two native vectors of WebAssembly."""
FLAGS = (
    "-target wasm32-freestanding -mcpu=generic+simd128+bulk_memory -std=c++17 -O3 -nostdlib -ffp-contract=off "
    "-fno-math-errno -fno-trapping-math -fno-exceptions -fno-rtti -Wno-invalid-offsetof -s -Wl,--no-entry"
).split()


def program_of(scene: Scene, optimizer: en.Optimizer) -> Program:
    """The program that a page runs."""
    parts = {
        "landscape": scene.landscape,
        "optimizer": optimizer,
        "noise": en.Gaussian(scene.sigma),
        "event": scene.event,
    }
    return Program(
        configurations=(parts,),
        dim=2,
        instances=4096,
        first_instance=0,
        dtype=np.dtype("float32"),
        math="precise",
        seed=0,
        check_every=1,
        paired=True,
    )


def text_of(program: Program) -> str:
    """The C++ of a module: the program as the cpu backend has it, and what the page calls."""
    members = members_of(program)
    written = [".".join((role, *map(safe, names))) for role, *names in (m.split(".") for m in members)]
    cases = " ".join(f"case {k}: return int(__builtin_offsetof(Explored, {m}));" for k, m in enumerate(written))
    more = [
        f"#define EXPLORER_PARTS {', '.join(types_of(program, 'advance'))}",
        f"#define EXPLORER_MEMBERS {cases}",
        '#include "shim.h"\n',
    ]
    return CpuEngine(width=WIDTH).source(program, "advance") + "\n".join(more)


def members_of(program: Program) -> list[str]:
    """The paths of what lies in the struct of a program's parts."""
    return list(Layout(program, ROLES).paths)


def compiled(text: str, cache: Path) -> bytes:
    """The module of a C++ text; one that was compiled before is taken from the cache."""
    key = hashlib.sha256((text + (HERE / "shim.h").read_text() + " ".join(FLAGS)).encode()).hexdigest()
    kept = cache / f"{key}.wasm"
    if not kept.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            source, made = Path(folder) / "module.cpp", Path(folder) / "module.wasm"
            source.write_text(text)
            command = [sys.executable, "-m", "ziglang", "c++", *FLAGS, "-I", str(kernels()), "-I", str(HERE)]
            done = subprocess.run([*command, str(source), "-o", str(made)], capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"Zig's compiler failed (pip install ziglang):\n{done.stderr[-3000:]}")
            part = kept.with_suffix(f".{os.getpid()}")
            part.write_bytes(made.read_bytes())
            os.replace(part, kept)
    return kept.read_bytes()


def numbers_of(part: Any, role: str) -> dict[str, Any]:
    """What a page puts into the struct of a part that has no sliders: numbers and vectors by path."""
    found: dict[str, Any] = {}
    for f in dataclasses.fields(part):
        kind, value = f.metadata.get("kind"), getattr(part, f.name)
        if kind == "number":
            found[f"{role}.{f.name}"] = float(value)
        elif kind == "vector":
            found[f"{role}.{f.name}"] = (
                [float(v) for v in np.broadcast_to(value, 2)] if np.ndim(value) else float(value)
            )
    return found | {f"{role}.{name}": float(value) for name, value in part.constants().items()}


def minima_of(scene: Scene) -> list[dict[str, Any]]:
    """The minima within a scene's window: where Newton's steps from a grid of points end, and the Hessian is positive."""
    (left, right), (bottom, top) = scene.window
    size = np.array([right - left, top - bottom])
    x = np.stack(np.meshgrid(np.linspace(left, right, 81), np.linspace(bottom, top, 61)), axis=-1).reshape(-1, 2)
    moving = np.ones(len(x), bool)
    for _ in range(60):
        columns = [scene.landscape.hessian_product(x, np.broadcast_to(axis, x.shape)) for axis in np.eye(2)]
        hessian = np.stack(columns, axis=-1)
        moving &= np.linalg.eigvalsh(hessian)[:, 0] > 1e-9
        x, hessian = x[moving], hessian[moving]
        step = np.linalg.solve(hessian, scene.landscape.gradient(x)[:, :, None])[:, :, 0]
        x = x - step
        moving = np.all(np.abs(step) < size / 8, axis=1) & np.all((x >= [left, bottom]) & (x <= [right, top]), axis=1)
    x = x[moving & (np.abs(step).max(axis=1) < 1e-9)]
    distinct = np.unique(np.round(x, 6), axis=0) + 0.0
    return [{"name": f"({', '.join(f'{v:.3g}'.replace('-', '−') for v in at)})", "x": at.tolist()} for at in distinct]


def described(scene: Scene) -> dict[str, Any]:
    """What the page knows of a scene."""
    return {
        "name": scene.name,
        "formula": scene.formula,
        "timed": scene.timed,
        "center": scene.center,
        "spread": scene.spread,
        "sigma": scene.sigma,
        "lr": scene.lr,
        "window": scene.window,
        "minima": minima_of(scene) if scene is not OWN else [],
        "python": {"landscape": said(scene.landscape), "event": said(scene.event)},
        "numbers": numbers_of(scene.landscape, "landscape") | numbers_of(scene.event, "event"),
    }


def manifest(
    scenes: Sequence[Scene] = (*SCENES, OWN), optimizers: Any = OPTIMIZERS, cache: Path | None = None
) -> dict[str, Any]:
    """All that the page needs: scenes, optimizers and, by their numbers, the modules in base 64."""
    cache = cache or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "descent-ensemble" / "explorer"
    programs = {f"{a}.{b}": program_of(s, o) for a, s in enumerate(scenes) for b, (_, o, _, _) in enumerate(optimizers)}
    any_program = next(iter(programs.values()))
    texts = {key: text_of(p) for key, p in programs.items()}
    texts["draw"] = CpuEngine(width=WIDTH).source(any_program, "draw") + '#include "shim.h"\n'
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        modules = dict(zip(texts, pool.map(lambda text: compiled(text, cache), texts.values()), strict=True))
    rules = []
    for b, (name, optimizer, sliders, share) in enumerate(optimizers):
        program = programs[f"0.{b}"]
        fixed = {
            f.name: float(getattr(optimizer, f.name))
            for f in dataclasses.fields(optimizer)
            if f.metadata.get("kind") == "number"
        }
        rules.append(
            {
                "name": name,
                "class": type(optimizer).__name__,
                "sliders": sliders,
                "call": call_of(optimizer, sliders),
                "rates": [first_rate(scene, share) for scene in scenes],
                "fixed": fixed,
                "columns": [".".join(column) for column in program.column_names],
                "vectors": program.slots[0],
            }
        )
    return {
        "version": en.__version__,
        "compiler": f"Zig {importlib.metadata.version('ziglang')}",
        "width": WIDTH,
        "scenes": [described(scene) for scene in scenes],
        "optimizers": rules,
        "members": {key: members_of(p) for key, p in programs.items()},
        "modules": {key: base64.b64encode(module).decode() for key, module in modules.items()},
    }


def packed(modules: dict[str, str]) -> dict[str, Any]:
    """All modules one after another, as one gzip file in base 64: they have most of their code in common."""
    all_of_them = [base64.b64decode(module) for module in modules.values()]
    text = base64.b64encode(gzip.compress(b"".join(all_of_them), mtime=0)).decode()
    return {"names": list(modules), "sizes": [len(module) for module in all_of_them], "gzip": text}


def page(found: dict[str, Any]) -> str:
    """The whole page in one file: scripts, style and modules in it."""
    text = (HERE / "page.html").read_text()
    engine, own = (HERE / "engine.js").read_text(), (HERE / "own.js").read_text()
    for place, content in {
        "/*STYLE*/": (HERE / "style.css").read_text(),
        "/*ENGINE*/": engine,
        "/*WORKER*/": json.dumps(engine + (HERE / "worker.js").read_text()).replace("</", "<\\/"),
        "/*OWN*/": own,
        "/*PAGE*/": (HERE / "page.js").read_text(),
        "/*MANIFEST*/": json.dumps(found | {"modules": packed(found["modules"])}).replace("</", "<\\/"),
    }.items():
        text = text.replace(place, content)
    return text


def main() -> None:
    """Builds and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=HERE.parent / "_build" / "explorer", help="folder of index.html")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    text = page(manifest())
    (out / "index.html").write_text(text, encoding="utf-8")
    print(f"{out / 'index.html'}: {len(text.encode()) / 1e6:.2f} MB, open it in any browser")


if __name__ == "__main__":
    main()
