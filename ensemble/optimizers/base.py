"""Optimizer: a rule that turns gradients into steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ..arithmetic.vec import Array
from ..part import Part

__all__ = ["Optimizer"]


class Gradient(Protocol):
    """What a step calls: the noisy gradient at a point, and the landscape's exact value, curvature and constraint."""

    def __call__(self, y: Array) -> Array: ...

    def value(self, y: Array) -> Array: ...

    def hessian_product(self, y: Array, v: Array) -> Array: ...

    def hessian_diagonal(self, y: Array) -> Array: ...

    def project(self, y: Array) -> Array: ...


@dataclass(frozen=True)
class Passed:
    """A gradient whose call is changed; value, curvature and constraint pass through."""

    gradient: Gradient
    call: Callable[[Array], Array]

    def __call__(self, y: Array) -> Array:
        return self.call(y)

    def value(self, y: Array) -> Array:
        return self.gradient.value(y)

    def hessian_product(self, y: Array, v: Array) -> Array:
        return self.gradient.hessian_product(y, v)

    def hessian_diagonal(self, y: Array) -> Array:
        return self.gradient.hessian_diagonal(y)

    def project(self, y: Array) -> Array:
        return self.gradient.project(y)


@dataclass(frozen=True)
class Optimizer(Part):
    """A rule that turns gradients into steps.

    ``step(x, gradient, state, now)`` returns the new iterate (instances, dim). ``gradient`` is a function of a point:
    methods that look ahead or evaluate twice have the same shape as plain ones, and all calls in one step see the same
    noise. ``now`` holds ``t`` (1, 2, ...), the scheduled rate ``now.lr``, the part's other tables by name and
    ``now.random``. ``state`` starts at 0 and is changed in place. Every operation is elementwise unless stated.
    """

    kernel_header = "optimizers/base.cuh"
    made_like = "an optimizer, such as Adam(lr=1e-3)"

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        """The new iterate (instances, dim); ``state`` is changed in place."""
        raise TypeError(f"{type(self).__name__} does not say its step; define step(self, x, gradient, state, now).")

    def reported(self) -> str | None:
        """Path of the state vector that records and the final x show in place of the iterate; None: the iterate."""
        return None
