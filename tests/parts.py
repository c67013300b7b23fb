"""Every part there is, found by itself, and an example of each: what tests of all parts run over."""

from __future__ import annotations

import dataclasses
import inspect
import math

import numpy as np

import ensemble as en
from ensemble.part import Part

ROLES = {
    "landscape": (en.landscapes, en.Landscape),
    "optimizer": (en.optimizers, en.Optimizer),
    "noise": (en.noises, en.Noise),
    "start": (en.starts, en.Start),
    "event": (en.events, en.Event),
    "schedule": (en.schedules, en.Schedule),
}


def kinds(role):
    """The classes that may play a role."""
    module, base = ROLES[role]
    listed = [getattr(module, name) for name in module.__all__]
    return [c for c in listed if inspect.isclass(c) and issubclass(c, Part) and c is not base]


def all_kinds():
    return [kind for role in ROLES for kind in kinds(role)]


def example(kind, dim=5, per_coordinate=False):
    """A part of a kind, its numbers unlike each other; vectors as one number, or ``per_coordinate``."""
    arguments = {}
    for place, field in enumerate(dataclasses.fields(kind)):
        what, optional = field.metadata.get("kind"), field.default is not dataclasses.MISSING
        if field.name == "dim":
            arguments["dim"] = dim
        elif what == "vector":
            low = 0.3 + 0.2 * place
            if per_coordinate:
                arguments[field.name] = tuple((low + 0.1 * np.arange(dim)).tolist())
            elif not optional:
                arguments[field.name] = low
        elif optional:
            continue
        elif what == "scheduled":
            arguments[field.name] = 0.01
        elif what == "number":
            arguments[field.name] = allowed(field)[place % 2]
        elif what == "structure":
            arguments[field.name] = max(1, field.metadata["low"])
        elif what == "inner":
            arguments[field.name] = example(innermost(kind), dim, per_coordinate)
        else:
            arguments[field.name] = math.sqrt
    return kind(**arguments)


def allowed(field):
    """Some numbers that a field's domain allows."""
    return [v for v in (0.3, 0.7, 1.5, 3.0, 0.0) if field.metadata["domain"].holds(v)]


def innermost(kind):
    """A kind of the same role that wraps no other."""
    role = next(role for role, (_, base) in ROLES.items() if issubclass(kind, base))
    return next(k for k in kinds(role) if not any(f.metadata.get("kind") == "inner" for f in dataclasses.fields(k)))


def covering(dim):
    """Few combinations of parts in which every landscape, optimizer, noise and event occurs."""
    lists = {role: kinds(role) for role in ("landscape", "optimizer", "noise", "event")}
    for i in range(max(map(len, lists.values()))):
        yield {role: example(some[i % len(some)], dim, per_coordinate=i % 2 == 1) for role, some in lists.items()}
