"""Every part there is, found by itself, and an example of each: what tests of all parts run over."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import itertools
import math

import numpy as np

import ensemble as en

ROLES = {
    "landscape": (en.landscapes, en.Landscape),
    "optimizer": (en.optimizers, en.Optimizer),
    "noise": (en.noises, en.Noise),
    "start": (en.starts, en.Start),
    "event": (en.events, en.Event),
    "schedule": (en.schedules, en.Schedule),
    "law": (en.distributions, en.Law),
}


BASIC = (en.DoubleWell, en.Quadratic, en.QuarticSaddle, en.Rosenbrock)
"""Landscapes that stand for all where a test compiles a program for each."""


def kinds(role):
    """The classes that may play a role."""
    module, base = ROLES[role]
    listed = [getattr(module, name) for name in module.__all__]
    return [c for c in listed if inspect.isclass(c) and issubclass(c, base) and c is not base]


def all_kinds():
    return [kind for role in ROLES for kind in kinds(role)]


def example(kind, dim=5, per_coordinate=False):
    """A part of a kind, its numbers unlike each other; vectors as one number, or ``per_coordinate``.

    A landscape has ``dim`` coordinates, or another number where it cannot have so many.
    """
    for possible in (dim, 16, 8, 4, 2, 1):
        try:
            return _example(kind, possible, per_coordinate)
        except ValueError as error:
            refused = error
    raise refused


def _example(kind, dim, per_coordinate):
    row_length = next(k for k in (3, 2, 1) if dim % k == 0)
    given = {
        en.Piecewise: ([0.1, 0.3, 0.05], [3, 20]),
        en.Integers: (2, 7),
        en.Choice: ([1.0, 3.0], [1.0, 2.0]),
        en.Muon: (0.01, row_length),
    }
    if kind in given:
        return kind(*given[kind])
    given = {}
    for place, field in enumerate(f for f in dataclasses.fields(kind) if f.init):
        what, optional = field.metadata.get("kind"), field.default is not dataclasses.MISSING
        if field.name == "dim" and not any(
            f.init and f.metadata.get("kind") == "array" for f in dataclasses.fields(kind)
        ):
            given["dim"] = dim
        elif what == "vector" and (per_coordinate or not optional):
            low = 0.3 + 0.2 * place
            each = per_coordinate or not field.metadata["one_for_all"]
            given[field.name] = tuple((low + 0.1 * np.arange(dim)).tolist()) if each else low
        elif optional:
            continue
        elif what == "scheduled":
            given[field.name] = 0.01
        elif field.name == "smoothness":
            given[field.name] = 9.0  # no curvature of most basic landscapes' examples is larger
        elif what == "number":
            given[field.name] = allowed(field)[place % 2]
        elif what == "structure":
            given[field.name] = max(1, field.metadata["low"])
        elif what == "inner":
            given[field.name] = example(innermost(kind), dim, per_coordinate)
        elif what in ("array", "data") and hasattr(kind, "random"):
            return kind.random()
        elif what == "array":
            given[field.name] = np.sin(1.0 + np.arange(3 * dim)).reshape(3, dim)
        else:
            given[field.name] = np.tanh if issubclass(kind, en.Landscape) else math.sqrt
    return kind(**given)


def variants(kind, dim=5):
    """The example of a kind in every variant that its flags select, the default apart."""
    part = example(kind, dim)
    flags = [f.name for f in dataclasses.fields(kind) if f.init and f.metadata.get("flag")]
    for chosen in itertools.product((False, True), repeat=len(flags)):
        given = dict(zip(flags, chosen, strict=True))
        if any(getattr(part, name) != value for name, value in given.items()):
            with contextlib.suppress(ValueError):  # a combination that the part refuses
                yield dataclasses.replace(part, **given)


def allowed(field):
    """Some numbers that a field's domain allows."""
    return [v for v in (0.3, 0.7, 1.5, 3.0, 0.0) if field.metadata["domain"].holds(v)]


def innermost(kind):
    """A kind of the same role that wraps no other."""
    role = next(role for role, (_, base) in ROLES.items() if issubclass(kind, base))
    if role == "schedule":
        return en.Constant  # others may be 0 at some step
    some = BASIC if role == "landscape" else kinds(role)
    return next(k for k in some if not any(f.metadata.get("kind") == "inner" for f in dataclasses.fields(k)))


def combined(kind_of_role, dim, per_coordinate):
    """Examples (role -> part) that fit together."""
    landscape = example(kind_of_role["landscape"], dim, per_coordinate)
    others = {
        role: example(kind, landscape.dimension, per_coordinate)
        for role, kind in kind_of_role.items()
        if role != "landscape"
    }
    return {"landscape": landscape, **others}


def covering(dim):
    """Few combinations of parts in which every basic landscape, every optimizer, noise and event occurs."""
    lists = {"landscape": BASIC, **{role: kinds(role) for role in ("optimizer", "noise", "event")}}
    for i in range(len(kinds("optimizer"))):
        chosen = {role: some[i % len(some)] for role, some in lists.items()}
        if i >= max(len(BASIC), len(kinds("noise")), len(kinds("event"))):  # the rest are new optimizers alone
            chosen |= {"landscape": en.Quadratic, "noise": en.Gaussian, "event": en.Never}
        yield combined(chosen, dim, i % 2 == 1)
