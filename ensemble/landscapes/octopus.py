"""The octopus: saddles in a row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..algebra import absolute, index, where
from ..arithmetic.vec import Array, first_index, shift, total
from ..part import POSITIVE, number, structure
from .base import Box, Landscape, Picture, StationaryPoint, everywhere


@dataclass(frozen=True)
class Octopus(Landscape):
    """A tube of ``dim`` saddles, one after another: gradient descent takes time exponential in ``dim``, with perturbations not.

    Du, Jin, Lee, Jordan, Singh and Poczos (2017), arXiv:1705.10412, section 4. With ``a = |x|``, i = 0, 1, ... the first
    coordinate with ``a_i <= 2 tau`` and ``nu = 4 L tau^2 - g1(2 tau)``::

        f(x) = L sum_{k<i} (a_k - 4 tau)^2 - i nu
               + [a_i <= tau]  -gamma a_i^2 + L sum_{k>i} x_k^2
               + [a_i >  tau]  g1(a_i) + g2(a_i) x_{i+1}^2 + L sum_{k>i+1} x_k^2

    g1 (degree 4) and g2 (degree 5) join the pieces with two continuous derivatives. Saddle j is at ``(4 tau, ..., 4 tau, 0,
    ..., 0)`` with j leading entries, of either sign, value ``-j nu`` and one direction down, of curvature ``-2 gamma``; the minima
    are at ``(+-4 tau)^dim``. f is meant for the tube of the paper: entries of about 4 tau, then one between 0 and 2 tau, then
    entries up to tau. ``smoothness`` holds in the tube.

    Waiting coordinates are halved at every step (at ``lr = 1/(4 L)``), and become 0 after some 126 steps in float32, 1,022 in
    float64: gradient descent without noise never passes a saddle whose turn comes later, with L = gamma the fifth (in float32) or the
    seventh or eighth (in float64) from most starts. That is arithmetic, not optimization, and a run that ends so warns. A little
    noise or :class:`PerturbedGD` keeps coordinates from vanishing; more precision only delays the end.
    """

    coordinates_per_lane = 8

    dim: int = structure(5, low=1)
    L: float = number(1.0, POSITIVE)
    gamma: float = number(1.0, POSITIVE)
    tau: float = number(math.e, POSITIVE)

    def constants(self) -> Mapping[str, float]:
        L, gamma, tau = self.L, self.gamma, self.tau
        cubic, quartic = (10 * gamma - 14 * L) * tau**2 / 3, (5 * L - 3 * gamma) * tau**2 / 2
        return {"cubic": cubic, "quartic": quartic, "nu": 4 * L * tau**2 + 4 * gamma * tau**2 - cubic - quartic}

    def _constants(self) -> tuple[Any, Any, Any]:
        own = self.__dict__
        if "nu" not in own:  # asked directly, and not as a kernel sees it
            own = dict(self.constants())
        return own["cubic"], own["quartic"], own["nu"]

    # In the middle piece r = (a - tau) / tau goes from 0 to 1, w = r - 1 from -1 to 0.

    def _g1(self, a: Array, order: int) -> Array:
        cubic, quartic, _ = self._constants()
        r = (a - self.tau) / self.tau
        if order == 0:
            return (r * r) * (cubic * r + quartic * (r * r)) - self.gamma * (a * a)
        if order == 1:
            return (r * r) * ((3.0 * cubic) + (4.0 * quartic) * r) / self.tau - (2.0 * self.gamma) * a
        return r * ((6.0 * cubic) + (12.0 * quartic) * r) / (self.tau * self.tau) - 2.0 * self.gamma

    def _g2(self, a: Array, order: int) -> Array:
        w, jump = (a - 2.0 * self.tau) / self.tau, self.L + self.gamma
        if order == 0:
            return -self.gamma - jump * ((w * w) * w * ((6.0 * w + 15.0) * w + 10.0))
        if order == 1:
            return (-30.0 * jump / self.tau) * ((w * (1.0 + w)) * (w * (1.0 + w)))
        return (-60.0 * jump / (self.tau * self.tau)) * (w * (1.0 + w) * (1.0 + 2.0 * w))

    def _where(self, x: Array, behind: Any, here: Array, next_one: Array, waiting: Any) -> Array:
        """Each coordinate's own term: before the first one in [0, 2 tau], at it, just after it, further on."""
        first, k = self._first(x), index(x)
        return where(k < first, behind, where(k == first, here, where(k == first + 1.0, next_one, waiting)))

    def _first(self, x: Array) -> Array:
        return first_index(absolute(x) <= 2.0 * self.tau, x.dtype)

    def value(self, x: Array, now: Any = None) -> Array:
        a, after, square = absolute(x), shift(x, 1), x * x
        before, gap, waiting = shift(a, -1), a - 4.0 * self.tau, self.L * square
        turning = self._g1(a, 0) + self._g2(a, 0) * (after * after)
        terms = self._where(
            x,
            self.L * (gap * gap),
            where(a <= self.tau, -self.gamma * square, turning),
            where(before <= self.tau, waiting, 0.0),
            waiting,
        )
        return total(terms) - self._first(x) * self._constants()[2]

    def gradient(self, x: Array, now: Any = None) -> Array:
        a, after = absolute(x), shift(x, 1)
        before, sign, waiting = shift(a, -1), where(x < 0.0, -1.0, 1.0).astype(x.dtype), (2.0 * self.L) * x
        turning = (self._g1(a, 1) + self._g2(a, 1) * (after * after)) * sign
        return self._where(
            x,
            (2.0 * self.L) * (a - 4.0 * self.tau) * sign,
            where(a <= self.tau, (-2.0 * self.gamma) * x, turning),
            where(before <= self.tau, waiting, 2.0 * self._g2(before, 0) * x),
            waiting,
        )

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        a, after = absolute(x), shift(x, 1)
        before, waiting, sign = shift(a, -1), (2.0 * self.L) * v, where(x < 0.0, -1.0, 1.0).astype(x.dtype)
        turning = (self._g1(a, 2) + self._g2(a, 2) * (after * after)) * v
        turning = turning + (2.0 * self._g2(a, 1) * sign) * (after * shift(v, 1))
        turned = 2.0 * self._g2(before, 0) * v + (2.0 * self._g2(before, 1) * shift(sign, -1)) * (x * shift(v, -1))
        return self._where(
            x,
            waiting,
            where(a <= self.tau, (-2.0 * self.gamma) * v, turning),
            where(before <= self.tau, waiting, turned),
            waiting,
        )

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        a, after, waiting = absolute(x), shift(x, 1), 2.0 * self.L
        before = shift(a, -1)
        return self._where(
            x,
            waiting,
            where(a <= self.tau, -2.0 * self.gamma, self._g1(a, 2) + self._g2(a, 2) * (after * after)),
            where(before <= self.tau, waiting, 2.0 * self._g2(before, 0)),
            waiting,
        )

    def passed(self, x: Array) -> Array:
        """How many saddles the points ``x`` (instances, dim) have behind them, (instances, 1): leading entries beyond 2 tau."""
        return self._first(np.asarray(x))

    def _stationary_points(self) -> tuple[StationaryPoint, ...]:
        up, nu = 2 * self.L, self._constants()[2]
        saddles = (
            StationaryPoint(
                f"saddle {j}",
                everywhere(4 * self.tau, j) + everywhere(0.0, self.dim - j),
                -j * nu,
                1,
                everywhere(up, j) + (-2 * self.gamma,) + everywhere(up, self.dim - j - 1),
            )
            for j in range(self.dim)
        )
        end = everywhere(4 * self.tau, self.dim)
        return (*saddles, StationaryPoint("minimum", end, -self.dim * nu, 0, everywhere(up, self.dim)))

    def _smoothness(self) -> float:
        # Gershgorin in the plane of x_i and x_{i+1}, |x_{i+1}| <= tau: |g1''| is largest at an end or at its extremum, the
        # polynomials of g2' and g2'' are at most 1/16 and 1/(6 sqrt 3).
        ends = [0.0, 1.0]
        cubic, quartic, _ = self._constants()
        if quartic:
            ends += [r for r in (-cubic / (4 * quartic),) if 0 < r < 1]
        bend = max(abs(float(self._g1(np.array(self.tau * (1 + r)), 2))) for r in ends)
        jump = self.L + self.gamma
        across = 60 / 16 * jump
        return max(bend + 60 / (6 * np.sqrt(3)) * jump + across, 2 * max(self.L, self.gamma) + across)

    def _box(self) -> Box:
        return -self.tau, self.tau

    def _picture(self) -> Picture:
        return (0.0, 6 * self.tau), (0.0, 6 * self.tau)
