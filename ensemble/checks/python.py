"""The Python of a part: shapes, arguments left alone, derivatives against differences, declarations."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..arithmetic.primitive import Recorded
from ..arithmetic.vec import Array
from ..backends.numpy import NumpyEngine, seen_by_kernel
from ..backends.program import Program, State
from ..functions import Function
from ..landscapes import Landscape
from ..noises import HessianAligned, NoNoise
from ..optimizers import GradientDescent
from ..part import Part
from .companions import Probe, answers, points_of, program_of, role_of, says
from .findings import Finding

CLOSE = 1e-6
"""How far a derivative may be from differences, of the largest there is."""
SIZES = (1e-2, 1e-3, 1e-4, 1e-5)
"""Of differences: the best of them counts, since nobody knows on what scale a function bends."""


# ---- shapes, and what is left alone


def _wanted(name: str, n: int, dim: int) -> tuple[int, ...]:
    return {"value": (n, 1), "check": (n,)}.get(name, (n, dim))


WATCHED = ("value", "gradient", "hessian_product", "hessian_diagonal", "project", "step", "apply", "check")


def _watched(part: Part, faults: list[str], upcasts: list[str]) -> Part:
    """A part that does the same and writes down what its methods, and those of what it wraps, do wrong."""
    kind = type(part)

    def watch(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(self: Any, x: Array, *rest: Any, **named: Any) -> Any:
            if isinstance(x, Recorded):
                return method(self, x, *rest, **named)
            arrays = [a for a in (x, *rest, *named.values()) if isinstance(a, np.ndarray)]
            before = [a.copy() for a in arrays]
            found = method(self, x, *rest, **named)
            said = f"{kind.__name__}.{name}"
            if any(a.tobytes() != b.tobytes() for a, b in zip(arrays, before, strict=True)):
                faults.append(f"{said} changes its argument in place; compute a new array")
            wanted, given = _wanted(name, *x.shape), np.shape(found)
            broadcast = name == "hessian_diagonal" and given in ((), (1,), x.shape[1:], (x.shape[0], 1))
            column = name == "check" and given == (x.shape[0], 1)
            if given != wanted and not broadcast and not column:
                faults.append(
                    f"{said} returns shape {given} for {x.shape[0]} points of {x.shape[1]} coordinates; give {wanted}"
                )
            dtype = getattr(found, "dtype", None)
            if name != "check" and dtype is not None and dtype != x.dtype:
                upcasts.append(f"{said} returns {dtype} for {x.dtype}")
            return found

        return call

    names = {name: watch(name, getattr(kind, name)) for name in WATCHED if says(part, name)}
    seen: Any = object.__new__(type(kind.__name__, (kind,), {**names, "__module__": f"watched.{kind.__module__}"}))
    for name, value in vars(part).items():
        is_part = isinstance(value, Part) and role_of(value)
        object.__setattr__(seen, name, _watched(value, faults, upcasts) if is_part else value)
    return seen


def python_faults(program: Program, part: Part) -> tuple[list[str], list[str]]:
    """What the Python of a part does wrong in a step: faults, and results of another precision."""
    faults: list[str] = []
    upcasts: list[str] = []
    role = role_of(part)
    watched = [{**c, role: _watched(c[role], faults, upcasts)} for c in program.configurations]
    program = dataclasses.replace(program, configurations=tuple(watched))
    engine = NumpyEngine()
    state = engine.new_state(program)
    state.x[:], direction = points_of(program, part)
    if isinstance(program.part("optimizer"), Probe):
        state.vectors[0] = direction
    try:
        engine.advance(program, state, np.arange(program.rows, dtype=np.int32), 1, 3)
    except Exception as error:  # whatever a user's method raises
        first = (str(error).splitlines() or [""])[0]
        if not faults:  # else they are its cause
            faults.append(f"{type(part).__name__} fails in a step: {type(error).__name__}: {first}")
    return list(dict.fromkeys(faults)), list(dict.fromkeys(upcasts))


# ---- derivatives


def _differences(f: Callable[[Array], Array], x: Array, directions: Array) -> Array:
    """Derivatives of f along directions, of fourth order: (sizes of step, directions, points, numbers that f returns)."""
    return np.array(
        [
            [(8 * (f(x + h * d) - f(x - h * d)) - (f(x + 2 * h * d) - f(x - 2 * h * d))) / (12 * h) for d in directions]
            for h in SIZES
        ]
    )


def as_written(part: Function, x: Array) -> Finding:
    """Whether the recorded formula has the value of the function itself, called with plain numbers at points ``x``."""
    given = {f.name: getattr(part, f.name) for f in dataclasses.fields(part) if f.name != "dim"}
    try:
        with np.errstate(all="ignore"):
            called = [part.function(*(p if part.coordinates else (p,)), **given) for p in x]
        wanted = np.array(called, dtype=np.float64)
    except Exception as error:  # what it may not do with plain numbers
        said = (str(error).splitlines() or [""])[0]
        return Finding("function", None, f"it cannot be called with plain numbers: {type(error).__name__}: {said}")
    found = np.asarray(part.value(x))[:, 0]
    near = np.isclose(found, wanted, rtol=1e-9, atol=1e-9, equal_nan=True)
    if near.all():
        return Finding("function", True, "the recorded formula has the value of the function")
    k = int(np.flatnonzero(~near)[0])
    return Finding("function", False, f"point {k} has the value {wanted[k]:.6g}, and {found[k]:.6g} as it was recorded")


def _compared(name: str, of: str, found: Array, differences: Array) -> Finding:
    """Whether ``found`` (points, coordinates) is what differences (sizes of step, points, coordinates) say."""
    known = np.isfinite(differences).any(axis=0)
    if not known.any():
        return Finding(name, None, f"its {of} has no derivative at the points that were tried")
    errors = np.nan_to_num(np.abs(found - differences), nan=np.inf).min(axis=0) / (
        1.0 + np.nanmax(np.abs(found), initial=0.0)
    )
    errors[~known] = 0.0
    point, k = divmod(int(errors.argmax()), errors.shape[1])
    if errors[point, k] <= CLOSE:
        return Finding(name, True, f"within {errors[point, k]:.1e} of differences of its {of}")
    wanted = differences[2, point, k]
    return Finding(name, False, f"coordinate {k} is {found[point, k]:.6g}, and {wanted:.6g} by differences of its {of}")


def derivatives(part: Landscape, dim: int) -> list[Finding]:
    """Gradient, Hessian product and diagonal against differences, in float64 at a few points; of 32 coordinates at most.

    Of a landscape on a set the Hessian's are compared along the set.
    """
    program = program_of(part, part, "float64", 3)
    x, v = (a[:3] for a in points_of(program, part))
    now, few = SimpleNamespace(t=1), min(dim, 32 if dim <= 1000 else 4)
    landscape: Any = seen_by_kernel([program.part("landscape")], None, program.dtype, dim)
    units = np.eye(few, dim)[:, None, :]

    def gradient(y: Array) -> Array:
        return np.asarray(landscape.gradient(y, now))

    found = []
    try:
        with np.errstate(all="ignore"):
            if says(part, "value"):
                slopes = _differences(lambda y: landscape.value(y, now), x, units)[..., 0].transpose(0, 2, 1)
                found.append(_compared("gradient", "value", gradient(x)[:, :few], slopes))
            if answers(part, "hessian_product"):
                v = landscape.tangent(x, v)
                products = _along(landscape, x, _differences(gradient, x, v[None])[:, 0])
                found.append(_compared("hessian_product", "gradient", landscape.hessian_product(x, v, now), products))
            if answers(part, "hessian_diagonal"):
                directions = [landscape.tangent(x, np.broadcast_to(unit, x.shape)) for unit in units]
                turned = _differences(gradient, x, np.stack(directions))
                curvatures = np.stack(
                    [_along(landscape, x, turned[:, k])[..., k] for k in range(few)],
                    axis=2,
                )
                diagonal = np.broadcast_to(landscape.hessian_diagonal(x, now), x.shape)[:, :few]
                found.append(_compared("hessian_diagonal", "gradient", diagonal, curvatures))
    except Exception as error:  # whatever a user's method raises
        found.append(Finding("derivatives", False, f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"))
    return found


def _along(landscape: Landscape, x: Array, differences: Array) -> Array:
    """What of ``differences`` (sizes of step, points, coordinates) leads along the landscape's set."""
    return np.stack([landscape.tangent(x, d) for d in differences])


# ---- declarations


def _ended(program: Program, x: Array) -> State:
    """Where a few steps lead from ``x``, by NumPy."""
    state = NumpyEngine().new_state(program)
    state.x[:] = x
    NumpyEngine().advance(program, state, np.arange(program.rows, dtype=np.int32), 1, 4)
    return state


def pointwise(program: Program, part: Part) -> Finding:
    """Whether a coordinate feels another, where the part says that none does."""
    x, _ = points_of(program, part)
    if isinstance(part, Landscape):  # its derivatives: the value, which the probe asks, is a sum
        noise = HessianAligned(1.0) if answers(part, "hessian_diagonal") else NoNoise()
        step = {"optimizer": GradientDescent(1e-3), "noise": noise}
        program = dataclasses.replace(program, configurations=tuple({**c, **step} for c in program.configurations))
    moved = x.copy()
    moved[:, -1] += 0.25
    a, b = _ended(program, x), _ended(program, moved)
    alone = all(p[..., :-1].tobytes() == q[..., :-1].tobytes() for p, q in ((a.x, b.x), (a.vectors, b.vectors)))
    return Finding("pointwise", alone, "no coordinate feels another" if alone else "others feel the last coordinate")


def same_again(program: Program, part: Part) -> Finding:
    """Whether a second run has the same bits."""
    x, _ = points_of(program, part)
    a, b = (_ended(program, x).arrays() for _ in range(2))
    same = all(a[name].tobytes() == b[name].tobytes() for name in a)
    return Finding(
        "again", same, "a second run has the same bits" if same else "two runs differ: draw from now.random alone"
    )
