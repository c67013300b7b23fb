"""Deep linear networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arithmetic.matrices import product, transpose
from ..arithmetic.vec import Array
from ..part import array, structure
from .base import Box, Landscape, Picture, StationaryPoint, everywhere, numbers

MOST_WEIGHTS = 256
"""Weights of the largest network: on a device every lane holds them all."""


@dataclass(frozen=True)
class DeepLinear(Landscape):
    """``f(W_1, ..., W_layers) = 1/2 |W_layers ... W_1 - target|_F^2``, all matrices width x width.

    Saxe, McClelland and Ganguli (2014), arXiv:1312.6120; every local minimum is global, and 0 is a saddle that for three layers or
    more is not strict: Kawaguchi (2016), arXiv:1605.07110. Coordinates are the layers one after another, each row by row:
    dim = layers width^2. ``width=1`` is the scalar chain ``1/2 (w_1 ... w_layers - target)^2``. ``target`` is a number (times the
    identity) or a matrix.

    Every lane of a device holds all weights and computes the whole product: at most 256 weights.
    """

    coordinates_per_lane = 4

    layers: int = structure(3, low=1)
    width: int = structure(1, low=1)
    target: Any = array(1.0)

    def validate(self) -> None:
        if self.dimension > MOST_WEIGHTS:
            raise ValueError(
                f"DeepLinear(layers={self.layers}, width={self.width}) has {self.dimension} weights; give at most {MOST_WEIGHTS}."
            )
        target = self.target
        if target.size == 1:
            target = target.reshape(()) * np.eye(self.width)
        if target.shape != (self.width, self.width):
            raise ValueError(
                f"DeepLinear(width={self.width}, target of shape {target.shape}): give a number or a "
                f"{self.width} x {self.width} matrix."
            )
        object.__setattr__(self, "target", np.ascontiguousarray(target))

    @property
    def dimension(self) -> int:
        return self.layers * self.width**2

    @property
    def filters(self) -> NDArray[np.int64]:
        return np.arange(self.dimension) // self.width

    @property
    def layer_of(self) -> NDArray[np.int64]:
        return np.arange(self.dimension) // self.width**2

    def _weights(self, x: Array) -> list[Array]:
        w = x.reshape(x.shape[0], self.layers, self.width, self.width)
        return [w[:, layer] for layer in range(self.layers)]

    def _forward(self, x: Array) -> tuple[list[Array], list[Array], Array]:
        """The layers, what each passes on (W_1, W_2 W_1, ...), and the residual."""
        weights = self._weights(x)
        passed = [weights[0]]
        for w in weights[1:]:
            passed.append(product(w, passed[-1]))
        return weights, passed, passed[-1] - self.target.astype(x.dtype)

    def value(self, x: Array, now: Any = None) -> Array:
        residual = self._forward(x)[2].reshape(x.shape[0], -1)
        whole = residual[:, :1] * residual[:, :1]
        for k in range(1, residual.shape[1]):
            whole = whole + residual[:, k : k + 1] * residual[:, k : k + 1]
        return 0.5 * whole

    def gradient(self, x: Array, now: Any = None) -> Array:
        weights, passed, back = self._forward(x)
        g = np.empty((x.shape[0], self.layers, self.width, self.width), dtype=x.dtype)
        for layer in reversed(range(self.layers)):
            g[:, layer] = product(back, transpose(passed[layer - 1])) if layer else back
            back = product(transpose(weights[layer]), back)
        return g.reshape(x.shape)

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        weights, passed, back = self._forward(x)
        turns = self._weights(v)
        change = [turns[0]]
        for layer in range(1, self.layers):
            change.append(product(turns[layer], passed[layer - 1]) + product(weights[layer], change[-1]))
        back_change = change[-1]
        h = np.empty((x.shape[0], self.layers, self.width, self.width), dtype=x.dtype)
        for layer in reversed(range(self.layers)):
            if layer:
                through = product(back_change, transpose(passed[layer - 1]))
                h[:, layer] = through + product(back, transpose(change[layer - 1]))
            else:
                h[:, layer] = back_change
            by_turn, by_weight = transpose(turns[layer]), transpose(weights[layer])
            back_change = product(by_turn, back) + product(by_weight, back_change)
            back = product(by_weight, back)
        return h.reshape(x.shape)

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        weights, passed, _ = self._forward(x)
        h = np.empty((x.shape[0], self.layers, self.width, self.width), dtype=x.dtype)
        ahead = np.broadcast_to(np.eye(self.width, dtype=x.dtype), (x.shape[0], self.width, self.width))
        for layer in reversed(range(self.layers)):
            before = passed[layer - 1] if layer else np.broadcast_to(np.eye(self.width, dtype=x.dtype), ahead.shape)
            rows, columns = before[:, :, 0] * before[:, :, 0], ahead[:, 0, :] * ahead[:, 0, :]
            for k in range(1, self.width):
                rows, columns = rows + before[:, :, k] * before[:, :, k], columns + ahead[:, k, :] * ahead[:, k, :]
            h[:, layer] = columns[:, :, None] * rows[:, None, :]
            ahead = product(ahead, weights[layer])
        return h.reshape(x.shape)

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        left, sizes, right = np.linalg.svd(self.target)
        n = self.width
        strict = n * int(np.sum(sizes > 0)) if self.layers == 2 else 0
        flat = None
        if (
            self.layers == 2
        ):  # the Hessian at 0 is -<target, W_2 W_1>: -s and +s, each width times, for each singular value s
            flat = numbers([sign * s for s in sizes for sign in (-1.0, 1.0) for _ in range(n)])
        elif self.layers > 2:
            flat = everywhere(0.0, self.dimension)
        share = np.diag(sizes ** (1 / self.layers))
        layers = [share] * self.layers
        layers[0], layers[-1] = layers[0] @ right, left @ (layers[-1] if self.layers > 1 else share @ right)
        minimum = StationaryPoint("minimum", numbers(np.stack(layers)), 0.0, 0)
        if self.layers == 1:
            return (minimum,)
        saddle = StationaryPoint(
            "origin", everywhere(0.0, self.dimension), float(np.sum(self.target**2) / 2), strict, flat
        )
        return (saddle, minimum)

    def _smoothness(self) -> float:
        # |W| <= width =: b on the box. J^T J is at most layers b^(2 layers - 2); the residual meets second derivatives of
        # at most (layers - 1) b^(layers - 2).
        n, b = self.layers, float(self.width)
        residual = np.sqrt(self.width) * b**n + np.linalg.norm(self.target)
        return float(n * b ** (2 * n - 2) + (residual * (n - 1) * b ** (n - 2) if n > 1 else 0.0))

    def _box(self) -> Box:
        return -1.0, 1.0

    def _picture(self) -> Picture | None:
        return ((-2.0, 2.0), (-2.0, 2.0)) if self.dimension == 2 else None
