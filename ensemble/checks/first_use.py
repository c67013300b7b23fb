"""What a run uses of a user's own is looked at when it is first used in a process, and refused where it would make the run wrong.

The library's own parts are not looked at: the tests do that.
"""

from __future__ import annotations

import warnings
from typing import Any

from ..backends.program import Engine
from ..backends.trial import TrialEngine
from ..classes import in_library
from ..functions import Function
from ..landscapes import Landscape
from ..part import Part, nested
from .companions import program_of, role_of
from .python import derivatives, python_faults
from .structs import struct_fault


class PartError(ValueError):
    """A part of a user's own cannot be run as it is."""


_used: set[tuple[Any, ...]] = set()


def first_use(part: Part, landscape: Any, dtype: str, engine: Engine) -> None:
    """A look at a part with a user's own in it, unless this process has looked at the like: what is wrong raises PartError."""
    compiled = engine.name != "numpy"
    program = program_of(part, landscape, dtype)
    structs = program.cpp_type(role_of(part)) if compiled else ""
    key = (structs, compiled and dtype, *(type(p) for p in nested(part)))
    if key in _used:
        return
    name = " in ".join(type(p).__name__ for p in reversed([*nested(part)]) if not in_library(type(p)) or p is part)
    faults, _ = python_faults(program, part)
    if faults:
        raise PartError(f"{faults[0]}; ensemble.check(part) says more."[:300])
    if all(in_library(type(p)) or isinstance(p, Function) for p in nested(part)):
        _used.add(key)  # derivatives and struct follow from one formula, which NumPy computes, too
        return
    if isinstance(part, Landscape):
        wrong = [finding for finding in derivatives(part, program.dim) if finding.holds is False]
        if wrong:
            warnings.warn(f"{name}.{wrong[0].what}: {wrong[0].seen}; ensemble.check(part) says more.", stacklevel=5)
    if compiled:
        try:
            trial: Engine = TrialEngine(quick=True)
        except RuntimeError:  # no compiler: on the device itself
            trial = engine
        if wrong_struct := struct_fault(program, part, trial):
            raise PartError(f"{name}: {wrong_struct}; ensemble.check(part) says more."[:300])
    _used.add(key)
