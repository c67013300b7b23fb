"""Laws of sign descent, x' = x - lr sign(f'(x) + sigma xi), in one dimension: it walks on the lattice x0 + lr Z."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from .exit_laws import FloatArray, Gradient, require_positive

_NEGLIGIBLE = 45.0  # in the logarithm: masses below 1e-19 of the largest are left out
_MOST = 1_000_000


@dataclass(frozen=True)
class SignLaw:
    """Law in the long run: a walk by one place a step has a law for even and one for odd numbers of steps.

    `position` (places,) rises; `even` and `odd` (places,) are probabilities after an even and an odd number of steps, and
    `variance` and `mean` those of their mixture, what is seen over many steps.

    >>> law = sign_descent_law(np.sign, lr=0.5, sigma=1.0, x0=0.25)
    >>> round(float(law.even @ law.position), 9), round(float(law.odd @ law.position), 9)
    (0.116516236, -0.116516236)
    """

    position: FloatArray
    even: FloatArray
    odd: FloatArray
    mean: float
    variance: float


def sign_descent_cycle(lr: float, x0: float) -> tuple[int, tuple[float, float]]:
    """Steps after which sign descent without noise first passes 0 from x0, and the two points that it then visits in turn.

    For any f in one dimension that rises on both sides of 0, such as |x| or x^2/2, whatever its size: floor(|x0|/lr) + 1 steps, then
    r - lr and r for x0 > 0, r = |x0| mod lr, of the other sign for x0 < 0. Where r is 0 it comes to rest in 0 instead, one step
    sooner (the sign of 0 is 0): (|x0|/lr, (0, 0)). In floating point x0/lr is what rounding makes of it.

    ValueError: lr not positive.

    >>> sign_descent_cycle(lr=0.25, x0=1.125)
    (5, (-0.125, 0.125))
    """
    require_positive({"lr": lr})
    whole, rest = divmod(abs(x0), lr)
    if rest == 0:
        return int(whole), (0.0, 0.0)
    side = math.copysign(1.0, x0)
    return int(whole) + 1, (side * (rest - lr), side * rest)


def sign_descent_law(gradient: Gradient, lr: float, sigma: float, x0: float = 0.0) -> SignLaw:
    """Exact law in the long run of x' = x - lr sign(gradient(x) + sigma xi), xi ~ N(0, 1), from x0.

    A walk on x0 + lr Z, down with probability Phi(gradient(x)/sigma): p(x + lr)/p(x) = Phi(-gradient(x)/sigma)/Phi(gradient(x +
    lr)/sigma), by detailed balance (Feller 1968, XV.7). `gradient` maps (places,) to (places,). On h x^2/2 with small
    lr the variance is about lr sigma sqrt(pi/8)/h: of the power one of sigma, where SGD's is of the power two. On |x|, the gradient
    np.sign, p falls by Phi(-1/sigma)/Phi(1/sigma) a place.

    ValueError: lr or sigma not positive, or a gradient that does not keep the walk from running away within 1,000,000 places.

    >>> law = sign_descent_law(lambda x: 2.0 * x, lr=0.1, sigma=1.0)
    >>> round(law.variance, 6), round(float(law.even.sum()), 9)
    (0.033333, 1.0)
    """
    require_positive({"lr": lr, "sigma": sigma})
    reach = 64
    while True:
        place = np.arange(-reach, reach + 1)
        position: FloatArray = np.asarray(x0 + lr * place, float)
        pull: FloatArray = np.asarray(gradient(position), float) / sigma
        log_mass = np.concatenate([[0.0], np.cumsum(log_ndtr(-pull[:-1]) - log_ndtr(pull[1:]))])
        log_mass -= log_mass.max()
        if max(log_mass[0], log_mass[-1]) < -_NEGLIGIBLE:
            break
        reach *= 2
        if reach > _MOST:
            raise ValueError(
                f"the gradient does not keep the walk from running away within {_MOST} steps of lr={lr}; give one that does"
            )
    mass = np.exp(log_mass)
    kept = log_mass > -_NEGLIGIBLE
    place, position, mass = place[kept], position[kept], mass[kept] / mass[kept].sum()
    even, odd = (np.where(place % 2 == rest, mass, 0.0) for rest in (0, 1))
    mean = float(mass @ position)
    return SignLaw(position, even / even.sum(), odd / odd.sum(), mean, float(mass @ (position - mean) ** 2))
