"""``check``: whether a part does what it says, as a report."""

from __future__ import annotations

import contextlib
import dataclasses

import numpy as np

from ..backends import twins
from ..events import Event
from ..functions import Function
from ..landscapes import Landscape, LeastSquares, QuarticSaddle
from ..noises import Noise
from ..part import Part, nested
from ..plain import check_kind, whole
from ..words import told
from .companions import points_of, program_of, role_of
from .findings import Check, Finding
from .python import as_written, derivatives, pointwise, python_faults, same_again
from .structs import structs


def check(part: Part, *, dim: int | None = None, landscape: Landscape | None = None) -> Check:
    """Whether a landscape, optimizer, noise or event does what it says; a report, whose ``ok`` is False where something fails.

    A landscape's gradient is compared with differences of its value, its Hessian product and diagonal with differences of its
    gradient. Of every part are asked: the shapes and precision that its methods return, that they change no argument in place,
    that a second run has the same bits, that a ``pointwise`` part is, and that its CUDA struct has the bits of its Python.

    Args:
        part: any part that a step sees, a wrapper too.
        dim: how many coordinates to try it with; None: as many as its vectors have, else 5 or the first number above that fits it.
        landscape: to try it on, for parts that are no landscape; None: :class:`~ensemble.QuarticSaddle`, for batches
            :class:`~ensemble.LeastSquares`.

    Raises:
        TypeError: ``part`` is none of those.
    """
    if not isinstance(part, Part) or not role_of(part):
        raise TypeError(f"check(part={told(part)}): give a landscape, an optimizer, a noise or an event.")
    if dim is not None:
        whole("dim", dim, 1, 4096)
    if landscape is not None:
        check_kind("landscape", landscape, Landscape, "QuarticSaddle(dim=16)")
    if isinstance(part, Landscape):
        landscape = part
    elif landscape is None:
        size = dim or _length(part) or _fitting(part)
        batches = isinstance(part, Noise) and part.draws_batches
        landscape = LeastSquares.random(dim=size) if batches else QuarticSaddle(dim=size)
    if dim is not None and landscape.dimension != dim:
        raise ValueError(f"check(dim={dim}): the landscape has {landscape.dimension} coordinates; leave dim out.")
    program = program_of(part, landscape, "float64")
    faults, _ = python_faults(program, part)
    _, upcasts = python_faults(program_of(part, landscape, "float32"), part)
    findings = [Finding("methods", False, fault) for fault in faults] or [
        Finding("methods", True, "shapes are right, no argument is changed")
    ]
    findings += [Finding("precision", False, text) for text in upcasts]
    if not faults:
        if isinstance(part, Landscape):
            findings += derivatives(part, landscape.dimension)
        if isinstance(part, Function):
            findings.append(as_written(part, points_of(program_of(part, part, "float64", 3), part)[0][:3]))
        findings.append(same_again(program, part))
        if not isinstance(part, Event) and program.dim > 1 and _says_pointwise(part):
            findings.append(pointwise(program, part))
        findings += structs(part, landscape)
    return Check(part, tuple(findings))


def _says_pointwise(part: Part) -> bool:
    """Whether a part says, or it follows from its methods, that no coordinate feels another."""
    try:
        return all(p.pointwise for p in nested(part)) or twins.pointwise(part)
    except ValueError:  # no struct, of which more is said
        return False


def _fitting(part: Part) -> int:
    """The first dimension from 5 on that the part does not refuse; 5 if all are."""
    for dim in range(5, 65):
        with contextlib.suppress(ValueError):
            part.at_dim(dim)
            return dim
    return 5


def _length(part: Part) -> int | None:
    """How many coordinates a part's vectors or arrays of points have."""
    for each in nested(part):
        for f in dataclasses.fields(each):
            value = getattr(each, f.name)
            if f.metadata.get("kind") == "vector" and isinstance(value, tuple):
                return len(value)
            if f.metadata.get("kind") == "array" and np.ndim(value) == 2:
                return int(np.shape(value)[1])
    return None
