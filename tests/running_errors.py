"""Numbers with a bound on what roundings may have done to them: networks' derivatives, whose formulas no tracer records.

A running error analysis as in ``conditioning.py``, operation by operation: each number carries, in units of ``eps``, how far the roundings
of all operations before it may have taken it, in whatever order sums are taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Bounded:
    """Values and their bounds, arrays of one shape."""

    def __init__(self, value: Any, error: Any = 0.0) -> None:
        self.value = np.asarray(value, float)
        self.error: Floats = np.broadcast_to(np.asarray(error, float), self.value.shape)

    @classmethod
    def rounded(cls, value: Any, carried: Any) -> Self:
        """What an operation gives: its own rounding on top of what it carries on."""
        return cls(value, carried + np.abs(value))

    def __getitem__(self, key: Any) -> Bounded:
        return Bounded(self.value[key], self.error[key])

    def __neg__(self) -> Bounded:
        return Bounded(-self.value, self.error)

    def __add__(self, other: Any) -> Bounded:
        other = bounded(other)
        return Bounded.rounded(self.value + other.value, self.error + other.error)

    def __sub__(self, other: Any) -> Bounded:
        return self + -bounded(other)

    def __rsub__(self, other: Any) -> Bounded:
        return bounded(other) + -self

    def __mul__(self, other: Any) -> Bounded:
        other = bounded(other)
        carried = np.abs(self.value) * other.error + np.abs(other.value) * self.error
        return Bounded.rounded(self.value * other.value, carried)

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other: Any) -> Bounded:
        other = bounded(other)
        found = self.value / other.value
        return Bounded.rounded(found, (self.error + np.abs(found) * other.error) / np.abs(other.value))

    def sum(self, axis: int) -> Bounded:
        """The sum in any order: every term takes part in all roundings but one, at most."""
        terms = self.value.shape[axis]
        carried = self.error.sum(axis) + (terms - 1) * np.abs(self.value).sum(axis)
        return Bounded(self.value.sum(axis), carried)

    def of(self, function: Callable[[Floats], Floats], slope: Callable[[Floats], Floats]) -> Bounded:
        """A function of each number, with its derivative."""
        return Bounded.rounded(function(self.value), np.abs(slope(self.value)) * self.error)


def bounded(given: Any) -> Bounded:
    return given if isinstance(given, Bounded) else Bounded(given)


def chosen(condition: Any, one: Any, other: Any) -> Bounded:
    one, other = bounded(one), bounded(other)
    return Bounded(np.where(condition, one.value, other.value), np.where(condition, one.error, other.error))


def joined(parts: list[Bounded]) -> Bounded:
    return Bounded(*(np.concatenate([getattr(p, n) for p in parts], axis=-1) for n in ("value", "error")))


def smooth(z: Bounded) -> tuple[Bounded, Bounded]:
    """``log(1 + exp(z))`` and its derivative."""
    e = chosen(z.value > 0, -z, z).of(np.exp, np.exp)
    more = bounded(1.0) / (e + 1.0)
    soft = chosen(z.value > 0, z, 0.0) + (e + 1.0).of(np.log, lambda v: 1 / v)
    return soft, chosen(z.value > 0, more, e * more)


def unit(activation: str, z: Bounded) -> tuple[Bounded, Bounded, Bounded]:
    """A unit's output and its two derivatives, as everybody computes them: 1 - h^2 cancels."""
    if activation == "tanh":
        h = z.of(np.tanh, lambda v: 1 - np.tanh(v) ** 2)
        slope = 1.0 - h * h
        return h, slope, -2.0 * h * slope
    if activation == "relu":
        return chosen(z.value > 0, z, 0.0), bounded((z.value > 0) * 1.0), bounded(0.0 * z.value)
    soft, share = smooth(z)
    return soft, share, share * (1.0 - share)


class NetworkBounds:
    """The bounds of a :class:`~ensemble.TwoLayerNetwork`'s value and derivatives at points x (instances, dim)."""

    def __init__(self, network: Any, x: Floats) -> None:
        self.network, self.x = network, x
        self.a, self.samples = np.asarray(network.X, float), len(network.X)
        self.y = np.asarray(network.y, float)
        w1, b1, w2, b2 = self.weights = self._weights(x)
        z = (w1[:, None] * self.a[:, None]).sum(-1) + b1[:, None]
        self.h, self.slope, self.bend = unit(network.activation, z)
        self.o = (w2[:, None] * self.h[:, :, None]).sum(-1) + b2[:, None]
        self.loss, self.d, self.p = self._loss()
        self.back = (w2[:, None] * self.d[..., None]).sum(-2)

    def _weights(self, x: Floats) -> tuple[Bounded, ...]:
        n, p, m = self.network.hidden, self.network.inputs, self.network.outputs
        w1, b1, w2, b2 = np.split(x, np.cumsum([n * p, n, m * n]), axis=-1)
        return tuple(map(Bounded, (w1.reshape(-1, n, p), b1, w2.reshape(-1, m, n), b2)))

    def _loss(self) -> tuple[Bounded, Bounded, Bounded]:
        o = self.o
        if self.network.loss == "squared":
            d = o - self.y[:, None]
            return (0.5 * (d * d))[..., 0], d, bounded(np.ones_like(d.value))
        if self.network.loss == "logistic":
            sign = 2 * self.y[:, None] - 1
            soft, share = smooth(-1.0 * (Bounded(sign) * o))
            return soft[..., 0], -1.0 * (Bounded(sign) * share), share * (1.0 - share)
        most = o.value.max(-1, keepdims=True)
        e = (o - most).of(np.exp, np.exp)
        whole = e.sum(-1)
        p = e / whole[..., None]
        right = self.y[:, None] == np.arange(o.value.shape[-1])
        at = chosen(right, o, 0.0)
        value = whole.of(np.log, lambda v: 1 / v) + most[..., 0] - Bounded(at.value.sum(-1), at.error.sum(-1))
        return value, chosen(right, p - 1.0, p), p

    def _along(self, change: Bounded) -> Bounded:
        """The second derivative by the outputs, times a change of them."""
        if self.network.loss != "softmax":
            return self.p * change
        return self.p * (change - (self.p * change).sum(-1)[..., None])

    def _joined(self, w1: Bounded, b1: Bounded, w2: Bounded, b2: Bounded) -> Bounded:
        """The mean over samples, (instances, dim)."""
        rows = w1.value.shape[:2]
        flat = [Bounded(w.value.reshape(*rows, -1), w.error.reshape(*rows, -1)) for w in (w1, b1, w2, b2)]
        return joined(flat).sum(1) / float(self.samples)

    def _with_l2(self, mean: Bounded, of: Any) -> Floats:
        l2 = float(self.network.l2)
        return (mean + l2 * Bounded(of)).error if l2 else mean.error

    def values(self) -> Floats:
        mean = self.loss.sum(1) / float(self.samples)
        return (mean + 0.5 * float(self.network.l2) * (Bounded(self.x) * self.x).sum(1)).error[:, None]

    def gradient(self) -> Floats:
        delta = self.slope * self.back
        found = self._joined(delta[..., None] * self.a[:, None], delta, self.d[..., None] * self.h[:, :, None], self.d)
        return self._with_l2(found, self.x)

    def hessian_product(self, v: Floats) -> Floats:
        v1, c1, v2, c2 = self._weights(v)
        turn_z = (v1[:, None] * self.a[:, None]).sum(-1) + c1[:, None]
        change = self.slope * turn_z
        w2 = self.weights[2]
        turned = (v2[:, None] * self.h[:, :, None]).sum(-1) + c2[:, None] + (w2[:, None] * change[:, :, None]).sum(-1)
        bent = self._along(turned)
        inner = (v2[:, None] * self.d[..., None] + w2[:, None] * bent[..., None]).sum(-2)
        delta = self.bend * turn_z * self.back + self.slope * inner
        ends = bent[..., None] * self.h[:, :, None] + self.d[..., None] * change[:, :, None]
        return self._with_l2(self._joined(delta[..., None] * self.a[:, None], delta, ends, bent), v)

    def hessian_diagonal(self) -> Floats:
        """Of products with every coordinate's direction, each its own coordinate: what automatic differentiation computes."""
        dim = self.x.shape[1]
        return np.stack(
            [self.hessian_product(np.broadcast_to(e, self.x.shape))[:, k] for k, e in enumerate(np.eye(dim))], axis=1
        )
