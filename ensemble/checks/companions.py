"""A part in a program with parts that are known to be right, and the points from which it is tried."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..arithmetic.vec import Array
from ..backends.program import Program
from ..events import Event, Never
from ..landscapes import Landscape
from ..noises import Gaussian, Noise, NoNoise
from ..optimizers import GradientDescent, Optimizer
from ..part import NOT_NEGATIVE, Part, scheduled, structure
from ..sweep import settled, sweep

KINDS: Mapping[str, type[Part]] = {"landscape": Landscape, "optimizer": Optimizer, "noise": Noise, "event": Event}


@dataclass(frozen=True)
class Probe(Optimizer):
    """Gradient descent that keeps all that a landscape can be asked, at each step; ``direction`` is what its Hessian multiplies."""

    lr: Any = scheduled(domain=NOT_NEGATIVE)
    levels: int = structure(1)
    products: int = structure(1)
    diagonals: int = structure(1)
    vectors = ("direction", "level", "slope", "product", "diagonal")
    kernel: ClassVar[str] = """
template <int levels, int products, int diagonals>
struct Probe {
    enum Column { lr, columns };
    struct State {
        Vec direction, level, slope, product, diagonal;
        template <class Visit>
        HD void each(Visit&& visit) { visit(direction), visit(level), visit(slope), visit(product), visit(diagonal); }
    };
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        if constexpr (levels) s.level = make_operand(gradient.parts.landscape.value(x, now));
        s.slope = gradient(x);
        if constexpr (products) s.product = gradient.hessian_product(x, s.direction);
        if constexpr (diagonals) s.diagonal = gradient.hessian_diagonal(x);
        return x - now[lr] * s.slope;
    }
};
"""

    def step(self, x: Array, gradient: Any, state: Any, now: Any) -> Array:
        if self.levels:
            state.level = np.broadcast_to(gradient.landscape.value(x, gradient.landscape_now), x.shape).copy()
        state.slope = np.broadcast_to(gradient(x), x.shape).copy()
        if self.products:
            state.product = np.broadcast_to(gradient.hessian_product(x, state.direction), x.shape).copy()
        if self.diagonals:
            state.diagonal = np.broadcast_to(gradient.hessian_diagonal(x), x.shape).copy()
        return x - now.lr * state.slope


def says(part: Part, name: str) -> bool:
    """Whether a part defines a method that its kind of part leaves open."""
    given = getattr(type(part), name, None)
    return callable(given) and given is not getattr(KINDS[role_of(part)], name, None)


def answers(part: Part, name: str) -> bool:
    """Whether a landscape's derivative can be asked for: its class says it, or it follows from what the class says."""
    return says(part, name) or not getattr(type(part), "kernel", "")


def role_of(part: Part) -> str:
    return next((role for role, kind in KINDS.items() if isinstance(part, kind)), "")


def _companions(part: Part, landscape: Landscape) -> dict[str, Part]:
    """Parts of the library with which ``part`` makes a program that says most of it."""
    roles: dict[str, Part] = {
        "landscape": landscape,
        "optimizer": GradientDescent(1e-3),
        "noise": NoNoise(),
        "event": Never(),
    }
    role = role_of(part)
    if role == "landscape":
        asked = (int(answers(part, name)) for name in ("hessian_product", "hessian_diagonal"))
        roles["optimizer"] = Probe(1e-3, int(says(part, "value")), *asked)
    if role == "optimizer":
        roles["noise"] = Gaussian(0.1)
    return roles | {role: part}


def _varied(part: Part) -> Part:
    """The part with every number a little elsewhere, each by another factor: fields that were swapped then show."""
    changes: dict[str, Any] = {}
    for k, f in enumerate(dataclasses.fields(part), start=1):
        value, kind = getattr(part, f.name), f.metadata.get("kind")
        if kind == "number":
            near = [value * (1 + 0.07 * k), value * (1 - 0.02 * k)] if value else [0.07 * k]
            changes[f.name] = next((v for v in near if f.metadata["domain"].holds(v)), value)
        elif kind == "inner":
            changes[f.name] = _varied(value)
    try:
        return dataclasses.replace(part, **changes)
    except ValueError:  # numbers that must fit each other
        return part


def program_of(part: Part, landscape: Landscape, dtype: str, instances: int = 0) -> Program:
    roles = _companions(part, landscape)
    first, *_, last = (*sweep(roles).parts,) * 2
    dim = landscape.dimension
    configurations = [{role: settled(p.at_dim(dim)) for role, p in parts.items()} for parts in (first, last)]
    for c in configurations:
        noise = c["noise"]
        assert isinstance(noise, Noise)
        c["noise"] = noise.on(landscape)
    role = role_of(part)
    configurations[1][role] = _varied(configurations[1][role])
    if configurations[1][role].state_slots() != configurations[0][role].state_slots():
        configurations[1] = configurations[0]
    real = np.dtype(dtype)
    return Program(
        tuple(configurations), dim, instances or max(3, min(35, 40_000 // dim)), 0, real, "precise", 1, 1, True
    )


def points_of(program: Program, part: Part) -> tuple[NDArray[Any], NDArray[Any]]:
    """Where a trial begins, (rows, dim), and the direction of Hessian products; for events near 0 and far from it."""
    rng = np.random.default_rng(program.dim)
    shape = (program.rows, program.dim)
    box = program.landscape.box
    x = rng.normal(size=shape) if box is None else rng.uniform(np.asarray(box[0]), np.asarray(box[1]), shape)
    if isinstance(part, Event):
        x = x * 10.0 ** rng.uniform(-3, 1, (program.rows, 1))
    return x.astype(program.dtype), rng.normal(size=shape).astype(program.dtype)
