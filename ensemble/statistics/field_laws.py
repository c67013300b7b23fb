"""Laws of random fields: stationary points of the spherical p-spin glass by energy and index, and of Gaussian fields.

Energies u are those per coordinate, H/dim, of ``SphericalPSpin``: the ground state of p = 3 lies at -1.657.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from .exit_laws import FloatArray, require_positive

_AT_ONCE = 1 << 22  # numbers of random matrices held at once


def pspin_threshold(p: int = 3) -> float:
    """E_inf = 2 sqrt((p - 1)/p): above energy -E_inf a p-spin glass has saddles, below it minima. Gradient flow ends at -E_inf.

    Auffinger, Ben Arous and Cerny (2013), arXiv:1003.1129, eq. 2.11; the flow, as dim and then time go to infinity: Sellke (2024),
    arXiv:2305.07956.

    ValueError: p below 2.

    >>> round(pspin_threshold(3), 6)
    1.632993
    """
    _spins(p)
    return 2 * math.sqrt((p - 1) / p)


def pspin_complexity(u: ArrayLike, p: int = 3, index: int | None = None) -> FloatArray:
    """Theta(u), the shape of u: dim times it is the logarithm of the mean number of stationary points at energies up to u, for large dim.

    ``index``: of those of that index alone, Theta_k; None: of all. Auffinger, Ben Arous and Cerny (2013), arXiv:1003.1129,
    theorems 2.5 and 2.8.

    ValueError: p below 3, or an index below 0.

    >>> [round(float(pspin_complexity(-1.6330, index=k)), 3) for k in (0, 1)]
    [0.013, 0.013]
    """
    _spins(p, 3)
    if index is not None and (not isinstance(index, int) or index < 0):
        raise ValueError(f"pspin_complexity(index={index!r}): give a whole number of at least 0, or None.")
    u = np.asarray(u, dtype=np.float64)
    edge = pspin_threshold(p)
    deep = np.minimum(u, -edge)
    root = np.sqrt(deep**2 - edge**2)
    rate = -deep / edge**2 * root - np.log(-deep + root) + math.log(edge)
    below = 0.5 * math.log(p - 1) - (p - 2) / (4 * (p - 1)) * deep**2
    if index is not None:
        return np.asarray(below - (index + 1) * rate)
    between = 0.5 * math.log(p - 1) - (p - 2) / (4 * (p - 1)) * np.minimum(u, 0.0) ** 2
    return np.asarray(np.where(u <= -edge, below - rate, between))


def pspin_ground_state(p: int = 3, index: int = 0) -> float:
    """E_k: the lowest energy at which there are stationary points of index k is -E_k as dim goes to infinity; E_0 is the ground state.

    The zero of :func:`pspin_complexity`; for p = 3 the ground state is 1.657.

    ValueError: p below 3, or an index below 0.

    >>> round(pspin_ground_state(3), 6), round(pspin_ground_state(3, index=1), 6)
    (1.656998, 1.652873)
    """
    edge = pspin_threshold(p)
    zero = brentq(lambda u: float(pspin_complexity(u, p, index)), -4 * edge, -edge, xtol=1e-14)
    return -float(zero)


def pspin_index(u: ArrayLike, p: int = 3) -> FloatArray:
    """The share of directions that lead down at a stationary point of energy u, the shape of u, as dim goes to infinity.

    ``1/2 + (z sqrt(1 - z^2) + asin z)/pi`` with ``z = u/E_inf``: the Hessian there is a random matrix of Wigner's law with radius
    ``2 sqrt(p (p - 1))``, shifted by ``-p u`` (Auffinger, Ben Arous and Cerny 2013; Dauphin et al. 2014, arXiv:1406.2572, figure 1).
    0 below -E_inf, 1 above E_inf.

    ValueError: p below 2.

    >>> pspin_index([-1.7, -1.2, -0.6, 0.0]).round(4).tolist()
    [0.0, 0.0786, 0.2715, 0.5]
    """
    z = np.clip(np.asarray(u, dtype=np.float64) / pspin_threshold(p), -1.0, 1.0)
    return np.asarray(0.5 + (z * np.sqrt(1 - z**2) + np.arcsin(z)) / math.pi)


def pspin_points(dim: int, p: int = 3, *, samples: int = 100_000, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Mean numbers of stationary points of a p-spin glass of ``dim`` coordinates by index, (dim,), and standard errors, (dim,).

    ``E N_k = 2 sqrt(2/p) (p - 1)^(dim/2) E exp(-dim (p - 2)/(2 p) l_k^2)``, l_0 <= l_1 ... the eigenvalues of a symmetric dim x dim matrix
    of normals with ``E M_ij^2 = (1 + [i = j])/(2 dim)``: exact at every dim (Auffinger, Ben Arous and Cerny 2013, arXiv:1003.1129, theorem
    2.1). The mean over matrices is taken over ``samples``. In every single field the numbers satisfy
    ``N_0 - N_1 + N_2 ... = 1 + (-1)^(dim - 1)``, the Euler characteristic of the sphere.

    ValueError: dim or p below 2, or fewer than 2 samples.

    >>> mean, error = pspin_points(3, samples=1_000_000)
    >>> mean.round(1).tolist()
    [3.1, 4.3, 3.1]
    """
    _spins(p)
    if not isinstance(dim, int) or dim < 2:
        raise ValueError(f"pspin_points(dim={dim!r}): give a whole number of at least 2.")
    if not isinstance(samples, int) or samples < 2:
        raise ValueError(f"pspin_points(samples={samples!r}): give a whole number of at least 2.")
    rng, size = np.random.default_rng(seed), 2 * math.sqrt(2 / p) * (p - 1) ** (dim / 2)
    whole, squares, left = np.zeros(dim), np.zeros(dim), samples
    while left:
        count = min(left, max(1, _AT_ONCE // dim**2))
        m = rng.normal(size=(count, dim, dim)) * math.sqrt(1 / (4 * dim))
        values = np.linalg.eigvalsh(m + m.transpose(0, 2, 1))
        weights = size * np.exp(-dim * (p - 2) / (2 * p) * values**2)
        whole, squares, left = whole + weights.sum(axis=0), squares + (weights**2).sum(axis=0), left - count
    mean = whole / samples
    variance = np.maximum(squares / samples - mean**2, 0.0) * samples / (samples - 1)
    return mean, np.sqrt(variance / samples)


def gaussian_field_points(dim: int, length: float = 1.0) -> FloatArray:
    """Mean numbers of stationary points in a unit of length or area of a Gaussian field, by index, (dim + 1,), in 1 or 2 dimensions.

    Of the covariance ``sigma^2 exp(-|x - y|^2 / (2 length^2))``, that of ``RandomField`` with many features and no confinement. From the
    formula of Kac (1943) and Rice (1945): ``sqrt(3)/(2 pi length)`` minima and as many maxima on a line; ``2/(sqrt(3) pi length^2)``
    points of a plane, a quarter minima, a half saddles, a quarter maxima (Longuet-Higgins 1957).

    ValueError: another dim, or length not positive.

    >>> gaussian_field_points(2).round(4).tolist()
    [0.0919, 0.1838, 0.0919]
    """
    require_positive({"length": length})
    if dim not in (1, 2):
        raise ValueError(f"gaussian_field_points(dim={dim!r}): give 1 or 2.")
    if dim == 1:
        return np.full(2, math.sqrt(3) / (2 * math.pi * length))
    return 2 / (math.sqrt(3) * math.pi * length**2) * np.array([0.25, 0.5, 0.25])


def _spins(p: int, low: int = 2) -> None:
    if not isinstance(p, int) or p < low:
        raise ValueError(f"p={p!r}: give a whole number of at least {low}.")
