"""Exact laws of first exits of noisy gradient descent in one dimension, by its transfer operator.

One step is x' = x - lr (f'(x) + sigma(x) xi), xi ~ N(0, 1): a Gaussian kernel k(x, y) of width s = lr sigma(x) about
x - lr f'(x). The exit time is the first t >= 1 with x_t <= lower or x_t >= upper; the start is not tested. With K the
kernel cut to the interval, P(T > t) is the mass K leaves after t steps, and the mean solves (I - K) m = 1. Integrals
are Gauss-Legendre sums on panels a few s wide; they are exact as far as twice the nodes give the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, eye_array
from scipy.sparse.linalg import splu
from scipy.special import ndtr

from ..plain import is_real
from ..words import told

FloatArray = NDArray[np.float64]
Gradient = Callable[[FloatArray], FloatArray]

_NODES = 16  # Gauss-Legendre nodes in a panel
_REACH = 8.5  # kernel widths beyond which the normal density (below 1e-16) is dropped
_PANEL = 6.0  # kernel widths in the panels of the first try
_MOST_NODES = 100_000
_TOLERANCE = 1e-9  # agreement asked of the doubled rule; rare exits are ill-conditioned, so more is allowed there
_LEAK = 1e-13  # probability of ever passing the cut that stands for an infinite end


@dataclass(frozen=True)
class TimeLaw:
    """Law of a first-passage time T, in steps.

    `survival` (steps+1,) is P(T > t), t = 0 ... steps; `mean` and `sd` are of the whole law, whatever `steps`;
    `median` is the first t with P(T > t) <= 1/2.

    >>> TimeLaw(np.array([1.0, 0.5, 0.0]), mean=1.5, sd=0.5, median=1).median
    1
    """

    survival: FloatArray
    mean: float
    sd: float
    median: int


@dataclass(frozen=True)
class ExitLaw(TimeLaw):
    """Law of an exit time: `exit_lower` and `exit_upper` are the probabilities of the two ends.

    `error` is the largest change of any of these numbers, relative where they exceed 1, when the nodes doubled to
    `nodes`.

    >>> exit_law(lambda x: -x, 0.05, 1.0, -1.0, 1.0, 0.0, 40).error < 1e-9
    True
    """

    exit_lower: float
    exit_upper: float
    nodes: int
    error: float


def exit_law(
    gradient: Gradient, lr: float, sigma: float | Gradient, lower: float, upper: float, x0: float, steps: int
) -> ExitLaw:
    """Exact law of the first exit from (lower, upper) of x' = x - lr (gradient(x) + sigma xi), from x0.

    Transfer operator with Gauss-Legendre quadrature (Nystrom's method; Atkinson 1997): mean by (I - K) m = 1, second
    moment by (I - K) q = 1 + 2 K m. `gradient` and, where it is no number, `sigma` map (nodes,) to (nodes,); both are to be
    smooth: where one jumps the nodes do not resolve it. One end may be infinite: it is then cut so
    far out that the chance of ever coming there is below 1e-13. Times in steps. Rounding limits the relative error of
    mean and sd to about 1e-14 times the mean: rare exits lose digits, and `error` shows how many.

    ValueError: lr or sigma not positive, an empty interval, steps negative, more nodes needed than 100,000, or an
    infinite end to which the gradient does not keep the iterate from running.

    >>> law = exit_law(lambda x: -x, lr=0.05, sigma=lambda x: np.sqrt(1.0 + x * x), lower=-1.0, upper=1.0, x0=0.0, steps=40)
    >>> round(law.mean, 4), round(law.exit_upper, 6)
    (52.6065, 0.5)
    """
    require_steps(steps)
    noise = noise_of(sigma)
    bounds, first = _start(gradient, lr, noise, lower, upper, x0)
    return _law(gradient, lr, noise, bounds, first, steps)


def saddle_exit(
    lr: float, gamma: float, sigma: float, radius: float, steps: int, x0: float = 0.0, start_scale: float = 0.0
) -> ExitLaw:
    """Exact law of the first t >= 1 with |x_t| >= radius on the saddle -gamma x^2/2.

    x' = (1 + lr gamma) x - lr sigma xi from x_0 ~ N(x0, start_scale^2); see `exit_law`. Stable directions do not
    matter to a coordinate's exit (independent noise). Times in steps.

    ValueError: lr, sigma or radius not positive, start_scale or steps negative. Without noise: `random_start_exit`.

    >>> law = saddle_exit(lr=0.05, gamma=1.0, sigma=1.0, radius=1.0, steps=40)
    >>> round(law.mean, 6), round(law.sd, 6), law.median, round(float(law.survival[40]), 8)
    (51.695537, 22.539613, 47, 0.63891907)
    """
    require_positive({"lr": lr, "sigma": sigma, "radius": radius})
    require_steps(steps)
    if start_scale < 0:
        raise ValueError(f"start_scale={start_scale}; give 0 (a point) or more")
    growth = 1.0 + lr * gamma
    first = (growth * x0, math.hypot(growth * start_scale, lr * sigma))
    return _law(lambda x: -gamma * x, lr, noise_of(sigma), (-radius, radius), first, steps)


def mean_first_passage(
    gradient: Gradient, lr: float, sigma: float | Gradient, lower: float, upper: float, x0: float
) -> float:
    """Mean number of steps to leave (lower, upper) from x0: the mean of `exit_law` alone, faster. ValueError as there.

    >>> round(mean_first_passage(lambda x: -x, lr=0.05, sigma=1.0, lower=-1.0, upper=1.0, x0=0.0), 6)
    51.695537
    """
    noise = noise_of(sigma)
    bounds, first = _start(gradient, lr, noise, lower, upper, x0)
    found, _, _ = _resolved(gradient, lr, noise, bounds, lambda op: np.array([*_solve(op, first, bounds), 0.0]))
    return float(found[0])


def require_positive(numbers: Mapping[str, float]) -> None:
    """Refuse numbers that are not positive, by name."""
    wrong = [f"{name}={told(value)}" for name, value in numbers.items() if not is_real(value) or not value > 0]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}; give a positive number")


def noise_of(sigma: float | Gradient) -> Gradient:
    """The size of the noise as a function of the point, checked wherever it is asked for."""
    if not callable(sigma):
        require_positive({"sigma": sigma})
        size = float(sigma)
        return lambda x: np.full(np.shape(x), size)

    def checked(x: FloatArray) -> FloatArray:
        width = np.asarray(sigma(x), float)
        if width.shape != np.shape(x) or not np.all(width > 0) or not np.all(np.isfinite(width)):
            bad = (
                f"of shape {width.shape}"
                if width.shape != np.shape(x)
                else f"{width[~(width > 0) | np.isinf(width)][0]}"
            )
            raise ValueError(f"sigma(x) is {bad} for x of shape {np.shape(x)}; give positive, finite noise at every x")
        return width

    return checked


def require_steps(steps: int) -> None:
    """Refuse a negative number of steps."""
    if steps < 0:
        raise ValueError(f"steps={steps}; give 0 or more")


def _start(
    gradient: Gradient, lr: float, noise: Gradient, lower: float, upper: float, x0: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return finite ends, and mean and sd of the first iterate."""
    require_positive({"lr": lr})
    if not lower < upper or (math.isinf(lower) and math.isinf(upper)):
        raise ValueError(f"lower={lower}, upper={upper}; give lower < upper, at least one of them finite")
    if not math.isfinite(x0):
        raise ValueError(f"x0={x0}; give a finite start")
    at = np.array([x0])
    ahead, width = x0 - lr * float(gradient(at)[0]), lr * float(noise(at)[0])
    return _cut(gradient, lr, noise, lower, upper, min(max(ahead, lower), upper)), (ahead, width)


def _cut(
    gradient: Gradient, lr: float, noise: Gradient, lower: float, upper: float, inside: float
) -> tuple[float, float]:
    """Replace an infinite end by one that is practically never reached."""
    if math.isfinite(lower) and math.isfinite(upper):
        return lower, upper
    side = -1.0 if math.isinf(lower) else 1.0
    width = lr * float(noise(np.array([inside]))[0])
    reach = 8.0 * width
    while True:
        bounds = (inside - reach, upper) if side < 0 else (lower, inside + reach)
        panels = _panels(bounds, lr, noise)
        if 4 * panels * _NODES > _MOST_NODES:
            end = f"{'lower' if side < 0 else 'upper'}={side * math.inf}"
            raise ValueError(f"the gradient does not keep the iterate from running to {end}; give a finite end")
        operator = _operator(gradient, lr, noise, bounds, panels)
        _, _, below, above = _solve(operator, (inside, width), bounds)
        if (below if side < 0 else above) < _LEAK:
            return bounds
        reach *= 1.3


def _narrowest(bounds: tuple[float, float], lr: float, noise: Gradient) -> float:
    """Of the kernel's widths between the bounds: what the nodes have to resolve."""
    return lr * float(np.min(noise(np.linspace(*bounds, 66)[1:-1])))


def _panels(bounds: tuple[float, float], lr: float, noise: Gradient) -> int:
    return max(2, math.ceil((bounds[1] - bounds[0]) / (_PANEL * _narrowest(bounds, lr, noise))))


def _normal(z: FloatArray) -> FloatArray:
    return np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


@dataclass(frozen=True)
class _Operator:
    """The kernel cut to an interval: `matrix` (nodes, nodes) holds k(x_i, y_j) w_j.

    `out_lower` and `out_upper` (nodes,) are the probabilities to leave by either end in one step.
    """

    node: FloatArray
    weight: FloatArray
    matrix: csc_array
    out_lower: FloatArray
    out_upper: FloatArray


def _operator(gradient: Gradient, lr: float, noise: Gradient, bounds: tuple[float, float], panels: int) -> _Operator:
    edge = np.linspace(*bounds, panels + 1)
    unit, unit_weight = np.polynomial.legendre.leggauss(_NODES)
    half = np.diff(edge)[:, None] / 2
    node = ((edge[:-1, None] + edge[1:, None]) / 2 + half * unit).ravel()
    weight = (half * unit_weight).ravel()
    image, width = node - lr * np.asarray(gradient(node), float), lr * noise(node)
    # Only nodes within reach of the image count: the matrix is a band along the map.
    first = np.searchsorted(node, image - _REACH * width)
    count = np.searchsorted(node, image + _REACH * width) - first
    row = np.repeat(np.arange(node.size), count)
    column = np.arange(row.size) - np.repeat(np.cumsum(count) - count - first, count)
    entry = _normal((node[column] - image[row]) / width[row]) / width[row] * weight[column]
    matrix = csc_array((entry, (row, column)), shape=(node.size, node.size))
    return _Operator(node, weight, matrix, ndtr((bounds[0] - image) / width), ndtr((image - bounds[1]) / width))


def _solve(
    operator: _Operator, first: tuple[float, float], bounds: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Return mean, sd and the exit probabilities of lower and upper end, the first iterate being N(first)."""
    mean, sd = first
    mass = _normal((operator.node - mean) / sd) / sd * operator.weight
    factors = splu((eye_array(mass.size, format="csc") - operator.matrix).tocsc())
    once = factors.solve(np.ones(mass.size))
    twice = factors.solve(1.0 + 2.0 * (operator.matrix @ once))
    ends = factors.solve(np.stack([operator.out_lower, operator.out_upper], axis=1))
    time = 1.0 + mass @ once
    square = 1.0 + 2.0 * (mass @ once) + mass @ twice
    out = mass @ ends + ndtr(np.array([bounds[0] - mean, mean - bounds[1]]) / sd)
    return float(time), math.sqrt(max(square - time**2, 0.0)), float(out[0]), float(out[1])


def _survival(operator: _Operator, first: tuple[float, float], steps: int) -> tuple[FloatArray, int]:
    """Return P(T > t) for t = 0 ... steps and the median."""
    mean, sd = first
    mass = _normal((operator.node - mean) / sd) / sd * operator.weight
    out = operator.out_lower + operator.out_upper
    forward = operator.matrix.T.tocsr()
    survival, hazard, look = [1.0, float(mass.sum())], 0.0, max(steps, 100)
    while len(survival) <= steps or survival[-1] > 0.5:
        mass = forward @ mass
        mass[mass < 1e-200] = 0.0  # subnormal tails would slow every product many times
        survival.append(float(mass.sum()))
        if len(survival) > look and survival[-1] > 0.5:
            before, hazard = hazard, float(np.sum(mass * out)) / survival[-1]
            if abs(hazard - before) <= 1e-9 * hazard:
                # The hazard has settled, so the rest of the law is geometric and the median has a closed form.
                left = math.ceil(math.log(0.5 / survival[-1]) / math.log1p(-hazard))
                return np.minimum(survival[: steps + 1], 1.0), len(survival) - 1 + left
            look *= 2
    return np.minimum(survival[: steps + 1], 1.0), int(np.argmax(np.array(survival) <= 0.5))


def _law(
    gradient: Gradient, lr: float, noise: Gradient, bounds: tuple[float, float], first: tuple[float, float], steps: int
) -> ExitLaw:
    def numbers(operator: _Operator) -> FloatArray:
        survival, median = _survival(operator, first, steps)
        return np.array([*_solve(operator, first, bounds), *survival, median])

    found, nodes, error = _resolved(gradient, lr, noise, bounds, numbers)
    mean, sd, exit_lower, exit_upper = found[:4].tolist()
    return ExitLaw(found[4:-1], mean, sd, int(found[-1]), exit_lower, exit_upper, nodes, error)


def _resolved(
    gradient: Gradient,
    lr: float,
    noise: Gradient,
    bounds: tuple[float, float],
    numbers: Callable[[_Operator], FloatArray],
) -> tuple[FloatArray, int, float]:
    """Double the nodes until the numbers agree; return them, the nodes and the largest change.

    The change is relative where a number is above 1. The first number is the mean; the last, a whole step, may jump
    and is not compared.
    """
    panels = _panels(bounds, lr, noise)
    before: FloatArray | None = None
    # The first try is never the answer: where it cannot be doubled there is no point in making it.
    while (2 * panels if before is None else panels) * _NODES <= _MOST_NODES:
        found = numbers(_operator(gradient, lr, noise, bounds, panels))
        if before is not None:
            error = float((np.abs(found - before) / np.maximum(1.0, np.abs(found)))[:-1].max())
            if error <= _TOLERANCE + 1e-14 * found[0]:
                return found, panels * _NODES, error
        before = found
        panels *= 2
    narrow = _narrowest(bounds, lr, noise)
    width = (bounds[1] - bounds[0]) / narrow
    raise ValueError(
        f"the interval is {width:.3g} kernel widths lr*sigma={narrow:.3g} wide and {_MOST_NODES} nodes do not "
        "resolve it; give a larger lr*sigma, a shorter interval, or use an asymptotic law"
    )
