"""How sharp the landscape is where the instances are: five measures, at many points at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..run.field import Field
from ..words import told
from .ascent import Ball, Box, highest
from .eigenvalues import Eigenpair, Estimate, hessians, largest_eigenvalue, smallest_eigenvalue, spectrum
from .lifetimes import MOST_WORK, FloatArray, check_whole
from .points import DENSE_DIM, Probes, check_number, chunks, placed, points_of

Measure = Callable[[Field, FloatArray], Any]


def trace(landscape: Any, x: Any, *, probes: int | None = None, seed: int = 0) -> Estimate:
    """Trace of the Hessian at points x (points, dim), the sum of all curvatures.

    `probes` None: exact, the sum of the diagonal. Else Hutchinson's estimate (1990, doi:10.1080/03610919008812866), the
    mean of `z.H z` over so many random z of +1 and -1, with its standard error as `error`: one probe's variance is
    2 (|H|_F^2 - sum H_ii^2), so a diagonal Hessian takes one probe and error 0.

    Returns `value`, `error` (0 where exact), `converged`, each (points,).

    ValueError: fewer than two probes, which have no standard error; no landscape; x of another shape or not finite.
    """
    field, points = placed(landscape, x)
    count = len(points)
    if probes is None:
        return Estimate(_diagonal_sums(field, points), np.zeros(count), np.ones(count, dtype=bool))
    check_whole(
        "probes", probes, 2, "a whole number of at least 2 and at most 10^6, or None for the exact trace", MOST_WORK
    )
    value, error = np.empty(count), np.empty(count)
    for part in chunks(count, 8 * (4 * field.dim + probes)):
        at, random = field.place(points[part]), Probes(seed, part.start, part.stop - part.start, field.dim)
        found = np.empty((part.stop - part.start, probes))
        with field.here():
            for number in range(probes):
                z = field.place(random.sign(number))
                found[:, number] = field.fetch((z * field.products(at, z)).sum(axis=1))
        value[part], error[part] = found.mean(axis=1), found.std(axis=1, ddof=1) / probes**0.5
    return Estimate(value, error, np.ones(count, dtype=bool))


def _diagonal_sums(field: Field, x: FloatArray) -> FloatArray:
    try:
        return np.concatenate(
            [field.fetch(field.diagonals(field.place(x[p]))).sum(axis=1) for p in chunks(len(x), 64 * field.dim)]
        ).astype(np.float64)
    except TypeError:  # the landscape does not say its diagonal
        if field.dim > DENSE_DIM:
            raise ValueError(
                f"{type(field.landscape).__name__} has no hessian_diagonal, and an exact trace takes dim = {field.dim} "
                f"products; give probes=100, or define hessian_diagonal(self, x, now)"
            ) from None
        parts = chunks(len(x), 3 * 8 * field.dim**2)
        return np.concatenate([np.trace(hessians(field, x[part]), axis1=1, axis2=2) for part in parts])


def keskar(
    landscape: Any,
    x: Any,
    *,
    epsilon: float = 1e-3,
    floor: float = 0.0,
    starts: int = 4,
    steps: int = 20,
    seed: int = 0,
) -> Estimate:
    """Keskar et al.'s sharpness at points x (points, dim), in percent: how far f rises in a small box.

    Keskar et al. 2017, arXiv:1609.04836, metric 2.1 with the whole space (A the identity):
    `100 (max f(x + y) - f(x)) / (1 + f(x) - floor)` over `|y_k| <= epsilon (|x_k| + 1)`. At a quadratic's minimum 0 it is
    `100 sum_k h_k epsilon^2/2`. The maximum is sought by projected ascent, `steps` steps from the corners along the
    gradient and the sharpest direction and from `starts` random points: what is found is a lower bound, and
    `converged` where the best ascent had come to rest. (Theirs is 10 steps of L-BFGS-B.)

    `floor` is f's lowest value: the measure is relative to the loss, and means something from 0 up.

    Returns `value`, `error` (NaN: not known) and `converged`, each (points,).

    ValueError: f below `floor` somewhere; no landscape; x of another shape or not finite.
    """
    field, points = placed(landscape, x)
    check_number("epsilon", epsilon, 0.0, np.inf, "the box's half width, a number above 0 such as 1e-3")
    check_number("floor", floor, -np.inf, np.inf, "a finite number, the landscape's lowest value")
    base = field.fetch(field.values(field.place(points))).astype(np.float64)
    low = base < floor - 1e-9 * np.maximum(np.abs(base), 1.0)
    if low.any():
        raise ValueError(
            f"f is {base[low].min():g} at {int(low.sum())} of {len(base)} points, below floor={told(floor)}: relative to such a "
            f"loss the measure means nothing; give floor, the landscape's lowest value"
        )
    rise, settled = highest(field, points, Box(epsilon * (np.abs(points) + 1.0)), starts, steps, seed)
    return Estimate(100.0 * rise / (1.0 + np.maximum(base - floor, 0.0)), np.full(len(base), np.nan), settled)


def sam_sharpness(
    landscape: Any, x: Any, *, rho: float = 0.05, starts: int = 4, steps: int = 20, seed: int = 0
) -> Estimate:
    """How far f rises in a ball around points x (points, dim): `max f(x + y) - f(x)` over `|y| <= rho`.

    Foret et al. 2021, arXiv:2010.01412, eq. 1 for p = 2. At a quadratic's minimum it is `rho^2 h_max/2`. The maximum is
    sought as in `keskar`, from the gradient's direction, both ends of the sharpest one and `starts` random directions:
    a lower bound, `converged` where the best ascent had come to rest.

    Returns `value` (units of f), `error` (NaN: not known) and `converged`, each (points,).

    ValueError: no landscape; x of another shape or not finite.
    """
    field, points = placed(landscape, x)
    check_number("rho", rho, 0.0, np.inf, "the ball's radius, a number above 0 such as 0.05")
    rise, settled = highest(field, points, Ball(rho), starts, steps, seed)
    return Estimate(rise, np.full(len(rise), np.nan), settled)


def log_determinant(landscape: Any, x: Any, *, tolerance: float = 1e-10) -> Estimate:
    """Logarithm of the Hessian's determinant at points x (points, dim): the sum of the logarithms of all curvatures.

    The volume of a minimum: at temperature T its Gibbs weight is `exp(-f/T) (2 pi T)^(dim/2) det^(-1/2)`.

    Returns `value`, NaN where some eigenvalue is not above `tolerance` times the largest (no strict minimum, so no
    volume), `error` (0) and `converged` (whether it is one), each (points,).

    ValueError: more than 512 coordinates; no landscape; x of another shape or not finite.
    """
    check_number("tolerance", tolerance, 0.0, 1.0, "a share of the largest eigenvalue, such as 1e-10")
    curvatures = spectrum(landscape, x)
    strict = curvatures[:, 0] > tolerance * np.abs(curvatures).max(axis=1)
    value = np.log(np.where(strict[:, None], curvatures, 1.0)).sum(axis=1)
    return Estimate(np.where(strict, value, np.nan), np.zeros(len(value)), strict)


_CURVATURE = "units of f per unit of x squared"
MEASURES: dict[str, tuple[Measure, str, str]] = {
    "largest_eigenvalue": (largest_eigenvalue, "largest eigenvalue of the Hessian", _CURVATURE),
    "smallest_eigenvalue": (smallest_eigenvalue, "smallest eigenvalue of the Hessian", _CURVATURE),
    "trace": (trace, "trace of the Hessian", _CURVATURE),
    "keskar": (keskar, "Keskar et al.'s sharpness", "%"),
    "sam_sharpness": (sam_sharpness, "rise of f in a ball", "units of f"),
    "log_determinant": (log_determinant, "logarithm of the Hessian's determinant", "1"),
}
"""Name -> (function, long name, units)."""


def sharpness(
    data: Any, *, measures: Sequence[str] | Mapping[str, Measure] = ("largest_eigenvalue", "trace")
) -> xr.Dataset:
    """Sharpness where the instances ended, on the backend that ran them, in float64.

    `data` is a result, or what `quench` returned: sharpness is a property of minima, and noise leaves instances beside
    them (`gradient_norm` says how far). `measures` are names out of `largest_eigenvalue`, `smallest_eigenvalue`, `trace`,
    `keskar`, `sam_sharpness`, `log_determinant`; or a mapping from a name of your choice to a function of (field, x)
    that returns (points,) numbers or an `Estimate`, such as
    `{"sam": functools.partial(en.statistics.sam_sharpness, rho=0.1)}`.

    Returns over (configuration..., instance) each measure, its `_error` and `_converged`, `final_value` and `gradient_norm`;
    NaN where an instance diverged or the measure did not converge.

    ValueError: no result or no x kept; a measure that is not known, or refuses these points.
    """
    chosen = _measures(measures)
    points = points_of(data)

    def look(field: Field, x: FloatArray) -> dict[str, NDArray[Any]]:
        at = field.place(x)
        found = {"final_value": field.fetch(field.values(at)), "gradient_norm": field.fetch(field.gradient_norms(at))}
        for name, (measure, _, _) in chosen.items():
            made = measure(field, x)
            if not isinstance(made, (Estimate, Eigenpair)):
                number = np.asarray(made, dtype=np.float64)
                if number.shape != (len(x),):
                    raise ValueError(
                        f"measures: {told(name)} gave shape {number.shape}; give ({len(x)},), one number a point"
                    )
                made = Estimate(number, np.full(len(x), np.nan), np.isfinite(number))
            found |= {name: made.value, f"{name}_error": made.error, f"{name}_converged": made.converged}
        return found

    found = points.each(look)
    words = {
        "final_value": ("f(x), without noise", "units of f"),
        "gradient_norm": ("norm of the exact gradient", "units of f per unit of x"),
    }
    for name, (_, long_name, units) in chosen.items():
        words[name] = long_name, units
        words[f"{name}_error"] = f"error of {long_name}", units
        words[f"{name}_converged"] = f"whether {long_name} converged", "1"
    return points.dataset({name: (values, *words[name], ()) for name, values in found.items()})


def _measures(given: Any) -> dict[str, tuple[Measure, str, str]]:
    if isinstance(given, Mapping) and given and all(isinstance(n, str) and callable(f) for n, f in given.items()):
        return {name: (function, name, "") for name, function in given.items()}
    known = not isinstance(given, (str, Mapping)) and isinstance(given, Sequence) and len(given) > 0
    if not known or any(not isinstance(name, str) or name not in MEASURES for name in given):
        raise ValueError(
            f"measures={told(given)}; give names out of {', '.join(MEASURES)}, or a mapping from name to function of (field, x)"
        )
    return {name: MEASURES[name] for name in given}
