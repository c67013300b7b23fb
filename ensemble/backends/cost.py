"""What a step costs on a GPU: instructions counted from machine code, and the speed that they allow.

``counts.csv`` holds, for every optimizer with Gaussian noise on a quartic saddle (sm_90, float32, ``math="fast"``, no event), the
instructions that a lane executes for one coordinate and one step. It is made by ``tests/make_counts.py`` and held by
``tests/test_counts.py``: no entry may grow by more than a twentieth.
"""

from __future__ import annotations

import csv
from dataclasses import MISSING, fields
from functools import cache
from importlib import resources

from ..classes import full_name
from ..part import Part

INSTRUCTIONS_PER_CLOCK = 128
"""Thread-instructions that a multiprocessor issues in a clock: four schedulers, a warp each. One H200: 3.35e13 a second."""

NORMAL, OF_TEAM = 15.4, 1.5
"""Of the instructions for a coordinate and a step those that draw its normal, and what a team takes beside, since a lane holds fewer of
its coordinates: counted, within a tenth (``tests/test_counts.py``)."""


def named(part: Part) -> str:
    """A part and those it wraps, without their numbers: ``Clip(Adam)``. A class that is not the library's has its module's name."""
    inside = [named(getattr(part, f.name)) for f in fields(part) if f.metadata.get("kind") == "inner"]
    return full_name(type(part)) + (f"({', '.join(inside)})" if inside else "")


@cache
def counts() -> dict[tuple[str, int], float]:
    """(optimizer, dim) -> instructions for a coordinate and a step."""
    with (resources.files(__package__) / "counts.csv").open(encoding="utf-8") as file:
        return {(row["optimizer"], int(row["dim"])): float(row["instructions"]) for row in csv.DictReader(file)}


def instructions(optimizer: Part, dim: int) -> float | None:
    """For a coordinate and a step; None where the optimizer, or its variant, was not counted.

    A wrapper adds what it adds to gradient descent.
    """
    table = counts()
    counted = sorted({d for _, d in table})
    near = max((d for d in counted if d <= dim), default=counted[0])
    for f in fields(optimizer):
        if f.metadata.get("kind") == "structure" and (f.default is MISSING or f.default != getattr(optimizer, f.name)):
            return None
    inner = [getattr(optimizer, f.name) for f in fields(optimizer) if f.metadata.get("kind") == "inner"]
    if not inner:
        return table.get((named(optimizer), near))
    base = instructions(inner[0], dim)
    around = table.get((f"{full_name(type(optimizer))}(GradientDescent)", near))
    if base is None or around is None:
        return None
    return base + around - table["GradientDescent", near]


def ceiling(optimizer: Part, dim: int, thread_instructions: float, team: int = 1) -> float | None:
    """Coordinate-steps/s of a device that issues so many thread-instructions/s, if it did nothing else.

    ``team``: configurations that draw once for all.
    """
    each = instructions(optimizer, dim)
    if each is not None and team > 1:
        each += OF_TEAM - NORMAL * (1 - 1 / team)
    return None if each is None else thread_instructions / each
