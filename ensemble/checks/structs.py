"""The CUDA struct of a part beside its Python, in a child process."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..backends.complaints import KernelError
from ..backends.program import Engine, Program
from ..backends.trial import TrialEngine, TrialError, difference
from ..backends.twins import NoTwinError, twin_of
from ..landscapes import Landscape
from ..part import Part, nested
from .companions import Probe, points_of, program_of
from .findings import Finding


def struct_fault(program: Program, part: Part, engine: Engine) -> str:
    """What a struct does otherwise than the part's Python; empty: nothing."""
    try:
        if isinstance(engine, TrialEngine):
            for wrong in engine.sizes(program):
                return wrong
        x, direction = points_of(program, part)
        vectors = None
        if isinstance(program.part("optimizer"), Probe):
            vectors = np.zeros((program.slots[0], *x.shape), dtype=x.dtype)
            vectors[0] = direction
        found = difference(program, engine, x, vectors)
    except TrialError as error:
        return f"its struct {error}"
    return f"its struct does not do what its Python does: {found}" if found else ""


def structs(part: Part, landscape: Landscape) -> Iterator[Finding]:
    try:
        for each in nested(part):
            twin_of(each)
        engines = [TrialEngine(), TrialEngine(width=1)]
    except NoTwinError as error:
        yield Finding("struct", None, str(error))
        return
    except (ValueError, RuntimeError) as error:  # a kernel that is no text; no compiler
        yield Finding("struct", False if isinstance(error, ValueError) else None, str(error))
        return
    for dtype, engine in (("float64", engines[0]), ("float64", engines[1]), ("float32", engines[0])):
        program = program_of(part, landscape, dtype)
        what = f"struct, {dtype}, {engine.width(program)} at once"
        try:
            wrong = struct_fault(program, part, engine)
        except (KernelError, RuntimeError) as error:
            yield Finding("struct", False, str(error))
            return
        yield Finding(what, not wrong, wrong or "the bits of its Python, step by step")
