"""Methods that scale each coordinate by its own gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..arithmetic.primitive import primitive
from ..arithmetic.vec import Array, larger, smaller, total
from ..part import FRACTION, NOT_NEGATIVE, flag, number, scheduled
from ..schedules import at_steps, product_to
from .base import Gradient, Optimizer

__all__ = [
    "AMSGrad",
    "AdaGrad",
    "AdaGradRMS",
    "Adadelta",
    "Adai",
    "Adam",
    "AdamL2",
    "AdamW",
    "RMSProp",
    "RMSPropMomentum",
]


def root(v: Array, eps: Any, inside: bool) -> Array:
    """``sqrt(v + eps)`` or ``sqrt(v) + eps``: the two places where papers and libraries put epsilon."""
    return np.sqrt(v + eps) if inside else np.sqrt(v) + eps


@primitive
def quotient(a: Array, b: Array, eps: Any) -> Array:
    """``a / b``, where 0/0, which nothing but eps = 0 brings about, is taken as 0."""
    return a / b if np.all(eps) else a / np.where(a == 0, b.dtype.type(1), b)


@primitive
def settled(undecided: Array, value: Array, eps: Any) -> Array:
    """``value``, and 0 where ``undecided`` holds: a 0/0, which nothing but eps = 0 brings about."""
    return value if np.all(eps) else np.where(undecided, value.dtype.type(0), value)


@dataclass(frozen=True)
class AdaGrad(Optimizer):
    """AdaGrad: ``s <- s + g^2; x <- x - lr g / sqrt(s + eps)``.

    Duchi, Hazan, Singer (2011), the diagonal form. ``eps_inside_root=False`` is ``sqrt(s) + eps``: torch.optim.Adagrad
    (eps=1e-10). optax.adagrad has epsilon inside and starts s at 0.1.

    With ``eps = 0``: 0/0 is taken as 0, so that a coordinate whose gradients have all been 0 stays where it is.
    """

    lr: Any = scheduled(1e-2, NOT_NEGATIVE)
    eps: float = number(1e-10, NOT_NEGATIVE)
    eps_inside_root: bool = flag(True)
    vectors = ("v",)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        g = gradient(x)
        state.v = state.v + g * g
        return x - quotient(now.lr * g, root(state.v, self.eps, self.eps_inside_root), self.eps)


@dataclass(frozen=True)
class AdaGradRMS(Optimizer):
    """AdaGrad with the mean of all squares: ``x <- x - lr g / (sqrt(sum g^2 / t) + eps)``.

    The form taught in introductory courses: with a constant gradient every step is lr, where AdaGrad's shrink like 1/sqrt(t).

    With ``eps = 0``: 0/0 is taken as 0, so that a coordinate whose gradients have all been 0 stays where it is.
    """

    lr: Any = scheduled(1e-2, NOT_NEGATIVE)
    eps: float = number(1e-10, NOT_NEGATIVE)
    vectors = ("v",)

    def tables(self, t: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        return {"share": 1.0 / t}

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        g = gradient(x)
        state.v = state.v + g * g
        return x - quotient(now.lr * g, np.sqrt(now.share * state.v) + self.eps, self.eps)


@dataclass(frozen=True)
class RMSProp(Optimizer):
    """RMSProp: ``s <- rho s + (1 - rho) g^2; x <- x - lr g / sqrt(s + eps)``.

    Tieleman and Hinton (2012), lecture 6.5. ``eps_inside_root=False`` is ``sqrt(s) + eps``: torch.optim.RMSprop (rho = alpha =
    0.99). optax.rmsprop has epsilon inside.

    With ``eps = 0``: 0/0 is taken as 0, so that a coordinate whose gradients have all been 0 stays where it is.
    """

    lr: Any = scheduled(1e-3, NOT_NEGATIVE)
    rho: Any = scheduled(0.9, FRACTION)
    eps: float = number(1e-8, NOT_NEGATIVE)
    eps_inside_root: bool = flag(True)
    vectors = ("v",)

    def tables(self, t: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        return {"square_gain": 1.0 - at_steps(self.rho, t)}

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        g = gradient(x)
        state.v = now.rho * state.v + now.square_gain * (g * g)
        return x - quotient(now.lr * g, root(state.v, self.eps, self.eps_inside_root), self.eps)


@dataclass(frozen=True)
class RMSPropMomentum(Optimizer):
    """Averaged momentum over RMSProp's denominator: Adam without bias correction.

    ``m <- beta m + (1 - beta) g; s <- rho s + (1 - rho) g^2; x <- x - lr m / sqrt(s + eps)``. Not torch's
    RMSprop(momentum), which accumulates the scaled gradient.

    With ``eps = 0``: 0/0 is taken as 0, so that a coordinate whose gradients have all been 0 stays where it is.
    """

    lr: Any = scheduled(1e-3, NOT_NEGATIVE)
    beta: Any = scheduled(0.9, FRACTION)
    rho: Any = scheduled(0.999, FRACTION)
    eps: float = number(1e-8, NOT_NEGATIVE)
    eps_inside_root: bool = flag(True)
    vectors = ("m", "v")

    def tables(self, t: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        return {"gain": 1.0 - at_steps(self.beta, t), "square_gain": 1.0 - at_steps(self.rho, t)}

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        g = gradient(x)
        state.m = now.beta * state.m + now.gain * g
        state.v = now.rho * state.v + now.square_gain * (g * g)
        return x - quotient(now.lr * state.m, root(state.v, self.eps, self.eps_inside_root), self.eps)


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """Adadelta: the update's own running square replaces the rate.

    Zeiler (2012), algorithm 1 (arXiv:1212.5701)::

        s <- rho s + (1 - rho) g^2;   d = g sqrt(u + eps) / sqrt(s + eps)
        u <- rho u + (1 - rho) d^2;   x <- x - lr d

    The paper's has lr = 1, the default here and in torch.optim.Adadelta; optax.adadelta asks for a rate.

    With ``eps = 0``: 0/0 is taken as 0, so that a coordinate whose gradients have all been 0 stays where it is.
    """

    lr: Any = scheduled(1.0, NOT_NEGATIVE)
    rho: Any = scheduled(0.9, FRACTION)
    eps: float = number(1e-6, NOT_NEGATIVE)
    vectors = ("v", "u")

    def tables(self, t: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        return {"square_gain": 1.0 - at_steps(self.rho, t)}

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        g = gradient(x)
        state.v = now.rho * state.v + now.square_gain * (g * g)
        with np.errstate(all="ignore"):
            delta = (np.sqrt(state.u + self.eps) / np.sqrt(state.v + self.eps)) * g
        delta = settled((state.v == 0) & ((state.u == 0) | (g == 0)), delta, self.eps)
        state.u = now.rho * state.u + now.square_gain * (delta * delta)
        return x - now.lr * delta


@dataclass(frozen=True)
class _Moments(Optimizer):
    """What Adam and its relatives share: two running moments and their bias corrections."""

    vectors: ClassVar[tuple[str, ...]] = ("m", "v")

    def tables(self, t: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        beta1, beta2 = self.beta1, self.beta2  # type: ignore[attr-defined]
        second = 1.0 / (1.0 - product_to(beta2, t))
        return {
            "gain1": 1.0 - at_steps(beta1, t),
            "gain2": 1.0 - at_steps(beta2, t),
            "correction1": 1.0 / (1.0 - product_to(beta1, t)),
            **({"correction2": second} if self._corrects_squares else {"root_correction2": np.sqrt(second)}),
        }

    @property
    def _corrects_squares(self) -> bool:
        """Whether v itself is corrected, and not its root, which takes one operation less."""
        return getattr(self, "eps_inside_root", False) or getattr(self, "max_of_corrected", False)

    def _update(self, g: Array, state: Any, now: Any) -> None:
        state.m = now.beta1 * state.m + now.gain1 * g
        state.v = now.beta2 * state.v + now.gain2 * (g * g)

    def _direction(self, m: Array, v: Array, now: Any, inside: bool = False) -> Array:
        """``lr m / (sqrt(v) + eps)``, the moments corrected or as they are."""
        seen: Any = self
        if seen.bias_correction:
            ahead = (now.lr * now.correction1) * m
            if inside:
                return quotient(ahead, np.sqrt(now.correction2 * v + seen.eps), seen.eps)
            return quotient(ahead, now.root_correction2 * np.sqrt(v) + seen.eps, seen.eps)
        return quotient(now.lr * m, root(v, seen.eps, inside), seen.eps)


@dataclass(frozen=True)
class Adam(_Moments):
    """Adam with bias correction, epsilon outside the root.

    Kingma and Ba (2015), algorithm 1 (arXiv:1412.6980)::

        m <- beta1 m + (1 - beta1) g;   v <- beta2 v + (1 - beta2) g^2
        x <- x - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    The same as torch.optim.Adam and optax.adam. ``eps_inside_root=True`` has ``sqrt(v / (1 - beta2^t) + eps)``, as some
    lecture notes print it and optax.adam(eps=0, eps_root=eps) computes it. A step is at most about ``lr`` per coordinate.
    ``bias_correction=False`` leaves m and v as they are, as analyses (Reddi, Kale, Kumar 2018) and BERT's optimizer have it: the
    first step is then ``lr (1 - beta1)/sqrt(1 - beta2)`` where eps is small, 3.2 lr at the defaults.

    With ``eps = 0``: 0/0 is taken as 0, so that a coordinate whose gradients have all been 0 stays where it is.
    """

    lr: Any = scheduled(1e-3, NOT_NEGATIVE)
    beta1: Any = scheduled(0.9, FRACTION)
    beta2: Any = scheduled(0.999, FRACTION)
    eps: float = number(1e-8, NOT_NEGATIVE)
    eps_inside_root: bool = flag(False)
    bias_correction: bool = flag(True)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        self._update(gradient(x), state, now)
        return x - self._direction(state.m, state.v, now, self.eps_inside_root)


@dataclass(frozen=True)
class AMSGrad(_Moments):
    """AMSGrad: Adam over the largest second moment so far.

    Reddi, Kale, Kumar (2018), algorithm 2 (arXiv:1904.09237): ``vmax <- max(vmax, v); x <- x - lr m / (sqrt(vmax) + eps)``,
    printed without bias correction: ``bias_correction=False``. The default corrects like torch.optim.Adam(amsgrad=True): the
    maximum of the plain v, corrected afterwards. ``max_of_corrected=True`` takes the maximum of the corrected v: optax.amsgrad.

    With ``eps = 0``: 0/0 is taken as 0, so that a coordinate whose gradients have all been 0 stays where it is.
    """

    lr: Any = scheduled(1e-3, NOT_NEGATIVE)
    beta1: Any = scheduled(0.9, FRACTION)
    beta2: Any = scheduled(0.999, FRACTION)
    eps: float = number(1e-8, NOT_NEGATIVE)
    bias_correction: bool = flag(True)
    max_of_corrected: bool = flag(False)
    vectors: ClassVar[tuple[str, ...]] = ("m", "v", "vmax")

    def validate(self) -> None:
        if self.max_of_corrected and not self.bias_correction:
            raise ValueError(
                "AMSGrad(bias_correction=False, max_of_corrected=True): without correction there is nothing corrected to take "
                "the maximum of; give bias_correction=True or max_of_corrected=False."
            )

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        self._update(gradient(x), state, now)
        if self.bias_correction and self.max_of_corrected:
            corrected = now.correction2 * state.v
            state.vmax = larger(corrected, state.vmax)
            return x - quotient((now.lr * now.correction1) * state.m, np.sqrt(state.vmax) + self.eps, self.eps)
        state.vmax = larger(state.v, state.vmax)
        return x - self._direction(state.m, state.vmax, now)


@dataclass(frozen=True)
class AdamL2(_Moments):
    """Adam on the regularised gradient, weight decay coupled: ``g <- g + weight_decay x``, then Adam.

    torch.optim.Adam(weight_decay). The decay is divided by sqrt(v) like everything else; compare :class:`AdamW`.
    ``bias_correction=False`` leaves the moments as they are.

    With ``eps = 0``: 0/0 is taken as 0, so that a coordinate whose gradients have all been 0 stays where it is.
    """

    lr: Any = scheduled(1e-3, NOT_NEGATIVE)
    weight_decay: Any = scheduled(1e-2, NOT_NEGATIVE)
    beta1: Any = scheduled(0.9, FRACTION)
    beta2: Any = scheduled(0.999, FRACTION)
    eps: float = number(1e-8, NOT_NEGATIVE)
    bias_correction: bool = flag(True)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        self._update(gradient(x) + now.weight_decay * x, state, now)
        return x - self._direction(state.m, state.v, now)


@dataclass(frozen=True)
class AdamW(_Moments):
    """Adam with decoupled weight decay: ``x <- x - lr (adam direction + weight_decay x)``, by the scheduled rate.

    Loshchilov and Hutter (2019), algorithm 2 (arXiv:1711.05101), as torch.optim.AdamW and optax.adamw compute it: the decay
    is multiplied by ``lr``. ``bias_correction=False`` leaves the moments as they are (transformers' AdamW(correct_bias=False), which
    decays the iterate after the step and not before).

    With ``eps = 0``: 0/0 is taken as 0, so that a coordinate whose gradients have all been 0 stays where it is.
    """

    lr: Any = scheduled(1e-3, NOT_NEGATIVE)
    weight_decay: Any = scheduled(1e-2, NOT_NEGATIVE)
    beta1: Any = scheduled(0.9, FRACTION)
    beta2: Any = scheduled(0.999, FRACTION)
    eps: float = number(1e-8, NOT_NEGATIVE)
    bias_correction: bool = flag(True)

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        self._update(gradient(x), state, now)
        kept = x - (now.lr * now.weight_decay) * x
        return kept - self._direction(state.m, state.v, now)


@dataclass(frozen=True)
class Adai(Optimizer):
    """Adai, adaptive inertia: momentum per coordinate, adapted; the rate is not.

    Xie, Wang, Zhang, Sato, Sugiyama (2022), algorithm 2 (arXiv:2006.15815)::

        v <- beta2 v + (1 - beta2) g^2;  v^ = v / (1 - beta2^t);  vbar = mean of v^ over the coordinates
        beta1 = clip(1 - beta0 v^ / vbar, 0, 1 - eps)
        m <- beta1 m + (1 - beta1) g;   x <- x - lr m / (1 - prod of beta1 so far)

    With ``eps = 0``: 0/0 is taken as 0, so that a coordinate whose gradients have all been 0 stays where it is.
    """

    lr: Any = scheduled(1.0, NOT_NEGATIVE)
    beta0: float = number(0.1, NOT_NEGATIVE)
    beta2: Any = scheduled(0.99, FRACTION)
    eps: float = number(1e-3, FRACTION)
    vectors = ("m", "v", "lost")

    def constants(self) -> Mapping[str, float]:
        return {"most": 1.0 - self.eps}

    def tables(self, t: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        return {"gain2": 1.0 - at_steps(self.beta2, t), "correction2": 1.0 / (1.0 - product_to(self.beta2, t))}

    def step(self, x: Array, gradient: Gradient, state: Any, now: Any) -> Array:
        seen: Any = self
        g = gradient(x)
        state.v = now.beta2 * state.v + now.gain2 * (g * g)
        mean = total(now.correction2 * state.v) / x.dtype.type(x.shape[1])
        mean = np.where(mean == 0, x.dtype.type(1), mean)  # of gradients that were all 0: 0/0 is taken as 0
        ratio = (now.correction2 * state.v) / mean
        beta1 = smaller(larger(1.0 - self.beta0 * ratio, x.dtype.type(0)), seen.most)
        state.m = beta1 * state.m + (1.0 - beta1) * g
        state.lost = 1.0 - beta1 * (1.0 - state.lost)
        with np.errstate(all="ignore"):
            direction = state.m / state.lost
        return x - now.lr * settled(state.lost == 0, direction, self.eps)
