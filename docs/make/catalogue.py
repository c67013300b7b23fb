"""The catalogue: every part with its picture and its docstring, a page for each kind."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Collection

import ensemble as en
from ensemble import __main__ as command

from . import thumbnails
from .running import DOCS, digest, written

FOLDER = DOCS / "catalogue"
KINDS: dict[type, tuple[str, str, str]] = {
    en.Landscape: ("landscapes", "Landscapes", "What is descended: ``simulate(landscape=...)``."),
    en.Optimizer: ("optimizers", "Optimizers", "The rules, and the wrappers of rules: ``simulate(optimizer=...)``."),
    en.Noise: ("noises", "Noises", "What a step sees in place of the exact gradient: ``simulate(noise=...)``."),
    en.Start: ("starts", "Starts", "Where instances begin: ``simulate(start=...)``."),
    en.Event: ("events", "Events", "The first step at which something holds: ``simulate(event=...)``."),
    en.Schedule: ("schedules", "Schedules", "Numbers that change with the step: ``Adam(lr=Cosine(...))``."),
}


BASES = ("FiniteSum",)
"""Parts that others are written on: they stand in the reference."""


def public_parts(kind: type) -> list[type]:
    """The public parts of a kind that can be run."""
    return [part for part in command.public_parts(kind) if part.__name__ not in BASES]


def first_line(part: type) -> str:
    return (inspect.getdoc(part) or "").splitlines()[0]


def sheet(names: list[str], link: str = "", folder: str = "pictures") -> list[str]:
    """A sheet of thumbnails that lead to the entries."""
    lines = [".. container:: sheet", ""]
    for name in names:
        lines += [
            f"   .. figure:: {folder}/{name}.png",
            f"      :alt: {name}",
            f"      :target: {link}#ensemble.{name}",
            "",
            f"      {name}",
            "",
        ]
    return lines


def undrawn() -> set[str]:
    """Parts of which there is no picture: of something new that ``thumbnails`` cannot guess."""
    names = [p.__name__ for kind in KINDS for p in public_parts(kind)]
    return {name for name in names if not (FOLDER / "pictures" / f"{name}.png").exists()}


def page(kind: type, without: Collection[str] = ()) -> str:
    """``without``: parts that have no picture."""
    _, title, words = KINDS[kind]
    parts = public_parts(kind)
    lines = [title, "=" * len(title), "", f"{words} Pictures: {thumbnails.caption(kind)}", ""]
    lines += sheet([p.__name__ for p in parts if p.__name__ not in without])
    lines += ["", ".. currentmodule:: ensemble", ""]
    for part in parts:
        name = part.__name__
        picture = [f".. image:: pictures/{name}.png", f"   :alt: {name}, drawn", "   :class: part", ""]
        lines += [name, "-" * len(name), "", *([] if name in without else picture)]
        lines += [f".. autoclass:: ensemble.{name}", "   :members:", ""]
    return "\n".join(lines)


def write() -> None:
    mark = FOLDER / "pictures" / "digest"
    now = digest(inspect.getsource(thumbnails))
    (FOLDER / "pictures").mkdir(parents=True, exist_ok=True)
    stale = not mark.exists() or mark.read_text() != now
    for kind in KINDS:
        for part in public_parts(kind):
            picture = FOLDER / "pictures" / f"{part.__name__}.png"
            if stale or not picture.exists():
                with contextlib.suppress(ValueError):  # a slow test names it
                    thumbnails.save(kind, part, picture)
    mark.write_text(now)
    without = undrawn()
    for kind, (name, _, _) in KINDS.items():
        written(FOLDER / f"{name}.rst", page(kind, without))
    lines = [
        "Catalogue",
        "=========",
        "",
        "Every part, each with its formula, its source and a picture; what a part is: :doc:`/concepts/parts`.",
    ]
    lines += ["", ".. toctree::", "   :hidden:", "", *(f"   {name}" for name, _, _ in KINDS.values()), ""]
    for kind, (name, title, words) in KINDS.items():
        lines += [f":doc:`{title} <{name}>`", "-" * (len(title) + len(name) + 10), "", words, ""]
        names = [p.__name__ for p in public_parts(kind)]
        lines += sheet([n for n in names if n not in without], f"{name}.html")
        lines += [""]
    written(FOLDER / "index.rst", "\n".join(lines))
