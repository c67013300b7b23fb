"""Logistic regression, of two classes and of several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..arithmetic.elementary import exp, log
from ..arithmetic.vec import Array, total
from ..part import data, derived
from .base import Box
from .finite_sum import FiniteSum, Formulas, checked_samples


@dataclass(frozen=True)
class LogisticRegression(FiniteSum):
    """``f(x) = 1/n sum_i -log p(y_i | a_i, x) + l2/2 |x|^2``: logistic regression; X (n, p) holds the a_i, y (n,) the labels 0, 1, ...

    Two classes: dim = p, and ``p(1 | a, x) = 1/(1 + exp(-dot(a, x)))``. More: the softmax of ``z_c = dot(a, x_c)``, where x is
    (classes, p) row by row, as PyTorch's Linear keeps its weight: dim = classes p. Nothing overflows: exponents are at most 0. Without
    l2, and where planes part the classes, there is no minimum; with more than two classes there is a direction without curvature
    for each feature, the same in all classes.
    """

    X: Any = data()
    y: Any = data()
    classes: int = derived()

    smooth_everywhere = True

    def validate(self) -> None:
        checked_samples("LogisticRegression", ("X", "y"), self.X, self.y)
        found = np.unique(self.y)
        wrong = found[(found < 0) | (found != np.floor(found))]
        if wrong.size:
            raise ValueError(
                f"LogisticRegression(y=...): there is the label {wrong[0]:g}; give labels 0, 1, ..., whole numbers."
            )
        if found.size == 1:
            raise ValueError(
                f"LogisticRegression(y=...): all labels are {found[0]:g}; give samples of two classes or more."
            )
        if found[-1] >= found.size:
            missing = np.setdiff1d(np.arange(found[-1]), found)[0]
            raise ValueError(
                f"LogisticRegression(y=...): labels go up to {found[-1]:g}, and none is {missing:g}; number the classes 0, 1, ... in turn."
            )
        object.__setattr__(self, "classes", found.size)
        self.samples_are(self.X, 2.0 * self.y - 1.0 if found.size == 2 else self.y)

    @property
    def dimension(self) -> int:
        return int(self.X.shape[1]) * (1 if self.classes == 2 else self.classes)

    @classmethod
    def random(cls, samples: int = 40, dim: int = 6, classes: int = 2, seed: int = 0) -> Self:
        """Normal rows of ``dim`` features, and labels with the chances that a normal x gives them."""
        draw = np.random.default_rng(seed)
        rows, x = draw.normal(size=(samples, dim)), draw.normal(size=(classes, dim))
        labels = np.argmax(rows @ x.T + draw.gumbel(size=(samples, classes)), axis=1).astype(float)
        labels[:classes] = np.arange(classes)
        return cls(rows, labels)

    def summand(self) -> Formulas:
        return _TwoClasses() if self.classes == 2 else _Softmax(self.classes)

    def _smoothness(self) -> float:
        most = 0.25 if self.classes == 2 else 0.5
        return most * float(np.linalg.norm(self.X, 2) ** 2 / self.samples) + self.l2

    def _box(self) -> Box:
        return -2.0, 2.0


class _TwoClasses:
    """``log(1 + exp(-s z))``, s = 1 where the label is 1 and -1 where it is 0; the twin of ``kernels/landscapes/logistic.cuh``."""

    linear, extras = True, 1

    def evaluate(self, name: str, part: Any, x: Array, v: Array | None, sample: Array, repeat: int) -> Array:
        one, s = x.dtype.type(1), sample[:, part.dimension][:, None]
        u = s * x
        right = u >= 0
        e = exp(np.where(right, -u, u))
        if name == "loss":
            small = log(one + e)
            return np.where(right, small, small - u)
        if name == "slope":
            return -s * np.where(right, e, one) / (one + e)
        whole = one + e
        return e / (whole * whole)


class _Softmax:
    """``log(sum_c exp(z_c)) - z_label``; likewise."""

    linear, extras = False, 0

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def evaluate(self, name: str, part: Any, x: Array, v: Array | None, sample: Array, repeat: int) -> Array:
        count = x.shape[1] // self.classes
        a, label = sample[:, :count], sample[:, count : count + 1]
        z = self._products(x, a)
        top = z[0]
        for one in z[1:]:
            top = np.where(top < one, one, top)
        e = [exp(one - top) for one in z]
        whole = e[0]
        for one in e[1:]:
            whole = whole + one
        if name == "loss":
            own = z[0]
            for c in range(1, self.classes):
                own = np.where(label == c, z[c], own)
            return (top + log(whole)) - own
        chance = [one / whole for one in e]
        unit = x.dtype.type(1)
        if name == "slope":
            factor = [np.where(label == c, p - unit, p) for c, p in enumerate(chance)]
        elif name == "bend":
            assert v is not None
            along = self._products(v, a)
            mean = chance[0] * along[0]
            for p, u in zip(chance[1:], along[1:], strict=True):
                mean = mean + p * u
            factor = [p * (u - mean) for p, u in zip(chance, along, strict=True)]
        else:
            factor, a = [p * (unit - p) for p in chance], a * a
        return np.concatenate([f * a for f in factor], axis=1)

    def _products(self, x: Array, a: Array) -> list[Array]:
        """The product of each class's weights with the features, by the tree over all coordinates: (instances, 1) each."""
        count, found = x.shape[1] // self.classes, []
        for c in range(self.classes):
            here = slice(c * count, (c + 1) * count)
            product = np.zeros_like(x)
            product[:, here] = a * x[:, here]
            found.append(total(product))
        return found
