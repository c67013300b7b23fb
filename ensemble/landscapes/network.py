"""Networks with one hidden layer, trained on data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..algebra import where
from ..arithmetic.elementary import exp, log, tanh
from ..arithmetic.vec import Array, total
from ..part import data, derived, structure
from ..plain import is_whole
from ..words import told
from .finite_sum import CHUNK, FiniteSum, checked_samples

ACTIVATIONS = ("tanh", "relu", "softplus")
LOSSES = ("squared", "logistic", "softmax", "logistic_error", "softmax_error")
"""The last two are 0 where a sample's class is told right, else 1: they have no derivative but 0, and measure."""


@dataclass(frozen=True)
class TwoLayerNetwork(FiniteSum):
    """``f = 1/n sum_i loss(W2 act(W1 a_i + b1) + b2, y_i) + l2/2 |x|^2``: a network with one hidden layer on samples X, y.

    X (n, inputs) holds the a_i, y (n,) the targets. ``activation``: ``"tanh"``, ``"relu"`` or ``"softplus"``, for each of ``hidden``
    units. ``loss``: ``"squared"``, ``(o - y)^2 / 2`` with one output; ``"logistic"``, ``log(1 + exp(-+o))`` with one output and labels 0
    and 1; ``"softmax"``, ``-log softmax(o)_y`` with an output for each class and labels 0 ... ``classes`` - 1 (None: as many as there
    are in y). Coordinates are W1 row by row, b1, W2 row by row, b2, as torch's parameters come: dim = (inputs + 1) hidden +
    (hidden + 1) outputs. The derivative of relu at 0 is 0, as there.

    Starts: ``Initialisation.of(network, "glorot")``. ``filters``: a unit's incoming weights and its bias belong together, and so do
    an output's.
    The Hessian's products and diagonal are exact, those of relu away from its kinks.
    """

    coordinates_per_lane = 16
    shared_points = 2

    hidden: int = structure(low=1)
    activation: str = "tanh"
    loss: str = "squared"  # type: ignore[assignment]
    _: KW_ONLY
    X: Any = data()
    y: Any = data()
    classes: int | None = None
    activation_kind: int = derived()
    loss_kind: int = derived()
    inputs: int = derived()
    outputs: int = derived()

    def validate(self) -> None:
        for name, value, known in (("activation", self.activation, ACTIVATIONS), ("loss", self.loss, LOSSES)):
            if not isinstance(value, str) or value not in known:
                said = ", ".join(map(repr, known[:3]))
                raise ValueError(f"TwoLayerNetwork({name}={told(value)}): give one of {said}.")
        checked_samples("TwoLayerNetwork", ("X", "y"), self.X, self.y)
        outputs, targets = self._targets()
        kinds = ACTIVATIONS.index(self.activation), LOSSES.index(str(self.loss)), int(self.X.shape[1]), outputs
        for name, number in zip(("activation_kind", "loss_kind", "inputs", "outputs"), kinds, strict=True):
            object.__setattr__(self, name, number)
        self.samples_are(self.X, targets)

    def _targets(self) -> tuple[int, NDArray[np.float64]]:
        """How many outputs there are, and the targets as a kernel has them."""
        if self.classes is not None and (not is_whole(self.classes, 2) or self.loss == "squared"):
            raise ValueError(
                f"TwoLayerNetwork(loss={str(self.loss)!r}, classes={told(self.classes)}): give a whole number of at least 2, or None."
            )
        if self.loss == "squared":
            return 1, self.y
        two = str(self.loss).startswith("logistic")
        most = 2 if two else self.classes
        wrong = (self.y < 0) | (self.y != np.floor(self.y)) | (self.y >= (most or math.inf))
        if wrong.any():
            end = f"0 ... {most - 1}" if most else "0, 1, 2, ..."
            raise ValueError(f"TwoLayerNetwork(y=...): there is the label {self.y[wrong][0]:g}; give labels {end}.")
        if self.y.min() == self.y.max() and not str(self.loss).endswith("error"):
            raise ValueError(
                f"TwoLayerNetwork(y=...): all labels are {self.y[0]:g}; give samples of two classes or more."
            )
        if two:
            return 1, 2.0 * self.y - 1.0
        return int(most or self.y.max() + 1), self.y

    @classmethod
    def random(cls, samples: int = 24, inputs: int = 5, hidden: int = 3, classes: int = 3, seed: int = 0) -> Self:
        """A softmax network on normal inputs with labels in turn."""
        draw = np.random.default_rng(seed)
        return cls(hidden, loss="softmax", X=draw.normal(size=(samples, inputs)), y=np.arange(samples) % classes)

    @property
    def dimension(self) -> int:
        return (self.inputs + 1) * self.hidden + (self.hidden + 1) * self.outputs

    @property
    def filters(self) -> NDArray[np.int64]:
        units, ends = np.arange(self.hidden), self.hidden + np.arange(self.outputs)
        return np.concatenate([np.repeat(units, self.inputs), units, np.repeat(ends, self.hidden), ends])

    @property
    def layers(self) -> tuple[tuple[int, int], ...]:
        """Numbers that go into each layer and come out of it: its coordinates are weights, row by row, and biases."""
        return (self.inputs, self.hidden), (self.hidden, self.outputs)

    @property
    def layer_of(self) -> NDArray[np.int64]:
        return np.repeat([0, 1], [(fan_in + 1) * out for fan_in, out in self.layers])

    # ---- other data

    def on(self, X: ArrayLike, y: ArrayLike) -> Self:
        """The same network on other samples, without l2: its value is their mean loss."""
        return dataclasses.replace(self, X=self._like(X), y=y, l2=0.0, classes=self._classes)

    def errors_on(self, X: ArrayLike, y: ArrayLike) -> Self:
        """A landscape whose value is the share of other samples whose class the network gets wrong.

        ValueError: the loss is not one of classes.
        """
        if self.loss == "squared":
            raise ValueError("TwoLayerNetwork(loss='squared') tells no classes; give the loss 'logistic' or 'softmax'.")
        name = str(self.loss).removesuffix("_error") + "_error"
        return dataclasses.replace(self, X=self._like(X), y=y, l2=0.0, loss=name, classes=self._classes)

    @property
    def _classes(self) -> int | None:
        return self.outputs if str(self.loss).startswith("softmax") else self.classes

    def _like(self, X: ArrayLike) -> Any:
        shape = np.shape(X)
        if len(shape) != 2 or shape[1] != self.inputs:
            raise ValueError(
                f"samples of shape {shape} were given; the network has {self.inputs} inputs: give (samples, {self.inputs})."
            )
        return X

    def predict(self, x: ArrayLike, X: ArrayLike) -> NDArray[Any]:
        """What networks x (..., dim) say of samples X (n, inputs): classes (..., n), or outputs (..., n) where the loss is squared."""
        x, inputs = np.asarray(x), np.asarray(self._like(X))
        w1, b1, w2, b2 = self._weights(x)
        z = np.einsum("...ji,ni->...nj", w1, inputs, optimize=True) + b1[..., None, :]
        if self.activation == "tanh":
            h = np.tanh(z)
        else:
            h = np.maximum(z, 0) if self.activation == "relu" else np.logaddexp(z, 0)
        o = np.einsum("...kj,...nj->...nk", w2, h, optimize=True) + b2[..., None, :]
        if self.loss == "squared":
            return np.asarray(o[..., 0])
        return np.asarray((o[..., 0] > 0).astype(np.int64) if self.outputs == 1 else o.argmax(axis=-1))

    # ---- what a kernel computes, in its order

    def _weights(self, x: Array) -> tuple[Array, Array, Array, Array]:
        """W1 (..., hidden, inputs), b1 (..., hidden), W2 (..., outputs, hidden), b2 (..., outputs)."""
        n, p, m = self.hidden, self.inputs, self.outputs
        ends = np.cumsum([n * p, n, m * n])
        w1, b1, w2, b2 = np.split(x, ends, axis=-1)
        return w1.reshape(*x.shape[:-1], n, p), b1, w2.reshape(*x.shape[:-1], m, n), b2

    def _added(
        self, name: str, x: Array, v: Array | None, batch: NDArray[np.int64] | None = None, has: Any = None
    ) -> Array:
        x = np.asarray(x)
        turn = None if v is None else self._weights(np.asarray(v))
        table, weights = self._samples(x), self._weights(x)
        whole = np.zeros_like(x[:, :1] if name == "loss" else x)
        size = len(table) if batch is None else batch.shape[1]
        together = max(1, CHUNK // x.size)
        for first in range(0, size, together):
            last = min(first + together, size)
            rows = table[None, first:last] if batch is None else table[batch[:, first:last]]
            terms = self._terms(name, weights, turn, rows[..., : self.inputs], rows[..., self.inputs : self.inputs + 1])
            for k in range(last - first):
                term = terms[:, k]
                whole = whole + (term if has is None else where(has[:, first + k, None], term, x.dtype.type(0)))
        return whole

    def _terms(self, name: str, weights: Any, turn: Any, a: Array, y: Array) -> Array:
        """The loss of samples or one of its derivatives, (instances, samples, 1 or dim); a and y (instances or 1, samples, ...)."""
        w1, b1, w2, b2 = weights
        z = _dotted(w1[:, None], a[:, :, None]) + b1[:, None]
        h, slope, bend = _unit(self.activation, z)
        o = _dotted(w2[:, None], h[:, :, None]) + b2[:, None]
        zero = np.zeros((), dtype=z.dtype)
        if str(self.loss).endswith("error"):
            return (
                _error(self.loss_kind, o, y)
                if name == "loss"
                else np.zeros((*o.shape[:2], self.dimension), dtype=o.dtype)
            )
        loss, d, p = _loss(str(self.loss), o, y)
        if name == "loss":
            return loss
        back = _added_up([w2[:, None, k] * d[..., k : k + 1] for k in range(self.outputs)], zero)
        a = np.broadcast_to(a, (*h.shape[:2], a.shape[2]))
        if name == "slope":
            delta = slope * back
            return _joined(delta[..., None] * a[:, :, None], delta, d[..., None] * h[:, :, None], d)
        if name == "bend":
            v1, c1, v2, c2 = turn
            turn_z = _dotted(v1[:, None], a[:, :, None]) + c1[:, None]
            change = slope * turn_z
            turned = (_dotted(v2[:, None], h[:, :, None]) + c2[:, None]) + _dotted(w2[:, None], change[:, :, None])
            bent = _along(str(self.loss), p, turned)
            terms = []
            for k in range(self.outputs):
                terms += [v2[:, None, k] * d[..., k : k + 1], w2[:, None, k] * bent[..., k : k + 1]]
            delta = bend * turn_z * back + slope * _added_up(terms, zero)
            ends = bent[..., None] * h[:, :, None] + d[..., None] * change[:, :, None]
            return _joined(delta[..., None] * a[:, :, None], delta, ends, bent)
        column = np.broadcast_to(np.moveaxis(w2, 1, 2)[:, None], (*h.shape, self.outputs))
        bent = _along(str(self.loss), p[:, :, None], column)
        own_bend = _added_up([column[..., k] * bent[..., k] for k in range(self.outputs)], zero)
        own = bend * back + slope * slope * own_bend
        ends = p * (1 - p) if self.loss == "softmax" else p
        return _joined(own[..., None] * (a * a)[:, :, None], own, ends[..., None] * (h * h)[:, :, None], ends)


def _dotted(a: Array, b: Array) -> Array:
    """The product of rows along the last axis, by blocks of four and the tree."""
    product = a * b
    return total(product.reshape(-1, product.shape[-1])).reshape(product.shape[:-1])


def _added_up(terms: Sequence[Array], zero: Array) -> Array:
    """The sum, from 0 on in order."""
    whole = zero + terms[0]
    for term in terms[1:]:
        whole = whole + term
    return whole


def _joined(w1: Array, b1: Array, w2: Array, b2: Array) -> Array:
    """Numbers of all layers as coordinates, (instances, samples, dim)."""
    rows = w1.shape[:2]
    return np.concatenate(
        [w1.reshape(*rows, -1), b1, w2.reshape(*rows, -1), np.broadcast_to(b2, (*rows, b2.shape[-1]))], axis=2
    )


def _smooth(z: Array) -> tuple[Array, Array]:
    """``log(1 + exp(z))`` and ``1/(1 + exp(-z))``."""
    kind = z.dtype.type
    e = exp(where(z > 0, -z, z))
    more = kind(1) / (kind(1) + e)
    return where(z > 0, z, kind(0)) + log(kind(1) + e), where(z > 0, more, e * more)


def _unit(activation: str, z: Array) -> tuple[Array, Array, Array]:
    """A unit's output and its two derivatives."""
    kind = z.dtype.type
    if activation == "tanh":
        h = tanh(z)
        slope = kind(1) - h * h
        return h, slope, kind(-2) * h * slope
    if activation == "relu":
        return where(z > 0, z, kind(0)), where(z > 0, kind(1), kind(0)), np.zeros_like(z)
    soft, share = _smooth(z)
    return soft, share, share * (kind(1) - share)


def _loss(loss: str, o: Array, y: Array) -> tuple[Array, Array, Array]:
    """The loss (instances, samples, 1), its derivatives by the outputs, and what the second ones are made of."""
    kind = o.dtype.type
    if loss == "squared":
        d = o - y
        return kind(0.5) * (d * d), d, np.ones_like(d)
    if loss == "logistic":
        soft, share = _smooth(-(y * o))
        return soft, -(y * share), share * (kind(1) - share)
    columns = [o[..., k : k + 1] for k in range(o.shape[-1])]
    most = columns[0]
    for column in columns[1:]:
        most = where(column > most, column, most)
    p = exp(o - most)
    whole = _added_up([p[..., k : k + 1] for k in range(o.shape[-1])], np.zeros((), dtype=o.dtype))
    right = np.zeros_like(most)
    for k, column in enumerate(columns):
        right = where(y == k, column, right)
    p = p / whole
    d = where(y == np.arange(o.shape[-1], dtype=o.dtype), p - kind(1), p)
    return (log(whole) + most) - right, d, p


def _along(loss: str, p: Array, change: Array) -> Array:
    """The second derivative by the outputs times a change of them."""
    if loss != "softmax":
        return p * change
    products = p * change
    mean = _added_up([products[..., k : k + 1] for k in range(p.shape[-1])], np.zeros((), dtype=p.dtype))
    return p * (change - mean)


def _error(kind: int, o: Array, y: Array) -> Array:
    """1 where a sample's class is told wrong, else 0: (instances, samples, 1)."""
    one, none = o.dtype.type(1), o.dtype.type(0)
    if LOSSES[kind] == "logistic_error":
        return where(y * o > 0, none, one)
    most, which = o[..., :1], np.zeros_like(o[..., :1])
    for k in range(1, o.shape[-1]):
        higher = o[..., k : k + 1] > most
        which, most = where(higher, o.dtype.type(k), which), where(higher, o[..., k : k + 1], most)
    return where(which == y, none, one)
