"""Laws that numbers of a part are drawn from, one for each instance, and :func:`drawn`, which stands in a field for that.

A law is its quantile function; the uniform that it is asked for comes from the counter-based generator, so that the number of an
instance depends on the seed, the instance's id and the field alone. Only ``+ - * /``, the square root and the library's own
elementary functions are used: the numbers have the same bits on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arithmetic.elementary import exp, log
from .arithmetic.random import FINEST
from .grids import Drawn, Grid
from .part import POSITIVE, Domain, Part, array, inner, number
from .words import told

__all__ = ["Choice", "Integers", "Law", "LogNormal", "LogUniform", "Normal", "OneMinus", "Uniform", "drawn"]

Numbers = NDArray[np.float64]
BETWEEN = 0.381966011250105
"""A uniform that is no round number: what a law gives there shows whether it draws whole numbers alone."""


@dataclass(frozen=True)
class Law(Part):
    """A distribution of numbers. A class of one's own says ``quantile``, in the operations that steps use."""

    made_like = "a law, such as LogUniform(1e-4, 1e-1)"

    def quantile(self, u: Numbers) -> Numbers:
        """The number below which a share ``u`` of all lies, both (numbers,), ``u`` within (0, 1)."""
        raise TypeError(f"{type(self).__name__} does not say its quantiles; define quantile(self, u).")

    def extremes(self) -> tuple[float, ...]:
        """Numbers that tell whether a field may hold all that is drawn: the ends, and one between."""
        return tuple(float(v) for v in self.quantile(np.array([FINEST, 1.0 - FINEST, BETWEEN])))

    def typical(self) -> float:
        """Its median, which stands for it where one number must."""
        return float(self.quantile(np.array([0.5]))[0])

    def _checked_grid(self, f: Any, grid: Grid) -> Grid:
        raise ValueError(
            f"{type(self).__name__}({f.name}={told(grid)}): a law has one number there; sweep over fields of parts."
        )

    def _check_drawn(self, f: Any, value: Drawn) -> None:
        raise ValueError(f"{type(self).__name__}({f.name}={told(value)}): a law has one number there.")


def _ordered(law: Any) -> None:
    if not law.low < law.high:
        raise ValueError(f"{type(law).__name__}(low={law.low:g}, high={law.high:g}): give low < high.")


@dataclass(frozen=True)
class Uniform(Law):
    """Uniform between ``low`` and ``high``: ``low + (high - low) u``."""

    low: float = number()
    high: float = number()

    def validate(self) -> None:
        _ordered(self)

    def quantile(self, u: Numbers) -> Numbers:
        return np.clip(self.low + (self.high - self.low) * u, self.low, self.high)

    def extremes(self) -> tuple[float, ...]:
        return (self.low, self.high, *super().extremes())


@dataclass(frozen=True)
class LogUniform(Law):
    """The logarithm is uniform between those of ``low`` and ``high``, both above 0: as many from 1e-4 to 1e-3 as from 1e-3 to 1e-2.

    The usual law of a rate in random search (Bergstra and Bengio 2012, JMLR 13:281); scipy.stats.loguniform.
    """

    low: float = number(domain=POSITIVE)
    high: float = number(domain=POSITIVE)

    def validate(self) -> None:
        _ordered(self)

    def quantile(self, u: Numbers) -> Numbers:
        first, last = log(np.array([self.low, self.high]))
        return np.clip(exp(first + (last - first) * u), self.low, self.high)

    def extremes(self) -> tuple[float, ...]:
        return (self.low, self.high, *super().extremes())


@dataclass(frozen=True)
class Normal(Law):
    """``mean + deviation z``, z standard normal; the largest of so many numbers as there may be lies 8.2 deviations away.

    Wichura (1988), algorithm AS 241, to 16 digits. A field with a bound wants a law that keeps within it, such as :class:`LogNormal`.
    """

    mean: float = number()
    deviation: float = number(domain=POSITIVE)

    def quantile(self, u: Numbers) -> Numbers:
        return self.mean + self.deviation * normal_quantile(u)


@dataclass(frozen=True)
class LogNormal(Law):
    """``median exp(sigma z)``, z standard normal: scipy.stats.lognorm(s=sigma, scale=median)."""

    median: float = number(domain=POSITIVE)
    sigma: float = number(domain=POSITIVE)

    def quantile(self, u: Numbers) -> Numbers:
        return self.median * exp(self.sigma * normal_quantile(u))


@dataclass(frozen=True)
class OneMinus(Law):
    """1 less a number of ``law``: ``OneMinus(LogUniform(1e-4, 1e-1))`` is the usual law of a ``beta2``, from 0.9 to 0.9999."""

    law: Law = inner()

    def quantile(self, u: Numbers) -> Numbers:
        return 1.0 - self.law.quantile(1.0 - u)

    def extremes(self) -> tuple[float, ...]:
        return tuple(1.0 - v for v in self.law.extremes())


_A_WHOLE = Domain(lambda v: v == np.floor(v), "a whole number")


@dataclass(frozen=True)
class Integers(Law):
    """Whole numbers from ``low`` to ``high``, both among them, all as likely."""

    low: float = number(domain=_A_WHOLE)
    high: float = number(domain=_A_WHOLE)

    def validate(self) -> None:
        _ordered(self)

    def quantile(self, u: Numbers) -> Numbers:
        return np.minimum(self.low + np.floor((self.high - self.low + 1.0) * u), self.high)

    def extremes(self) -> tuple[float, ...]:
        return (self.low, self.high, *super().extremes())


@dataclass(frozen=True)
class Choice(Law):
    """One of ``values`` (values,), all as likely, or in proportion to ``weights`` (values,)."""

    values: Any = array()
    weights: Any = array(())

    def validate(self) -> None:
        if self.values.ndim != 1 or not self.values.size:
            raise ValueError(f"Choice(values={told(self.values)}): give a list of one number or more.")
        if self.weights.size and (self.weights.shape != self.values.shape or not (self.weights > 0).all()):
            raise ValueError(
                f"Choice(weights={told(self.weights)}): give a number above 0 for each of {self.values.size} values."
            )

    def quantile(self, u: Numbers) -> Numbers:
        if not self.weights.size:
            place = np.floor(u * self.values.size).astype(np.int64)
        else:
            upto = np.cumsum(self.weights)
            place = np.searchsorted(upto / upto[-1], u, side="left")
        return np.asarray(self.values[np.minimum(place, self.values.size - 1)], dtype=np.float64)

    def extremes(self) -> tuple[float, ...]:
        return tuple(self.values.tolist())


def drawn(law: Law) -> Any:
    """Has every instance draw a number of its own: ``Adam(lr=drawn(LogUniform(1e-4, 1e-1)))``.

    In any field that may be a :func:`~ensemble.grid`, one number or a number for all coordinates alike. The result has the numbers
    as a variable over ``instance``, named as a swept field is. They depend on the seed, the instance's id and the field alone:
    the first N of 2N instances have those of N, configurations of a grid and optimizers side by side have the same (with
    ``paired=False`` configurations draw for themselves), and every field draws for itself, whatever else is drawn. A rule keeps its
    numbers inside wrappers.

    Raises:
        ValueError: what is given is no law.
    """
    if not isinstance(law, Law):
        raise ValueError(f"drawn({told(law)}): give {Law.made_like}.")
    return Drawn(law)


# ---- quantiles of the normal law: Wichura (1988), Applied Statistics 37:477, algorithm AS 241, PPND16


_CENTRE = (
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
     1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
     5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0),
)  # fmt: skip
_TAIL = (
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
     3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
     6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0),
)  # fmt: skip
_FAR = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
     2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
     1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0),
)  # fmt: skip


def _ratio(pair: tuple[tuple[float, ...], tuple[float, ...]], x: Numbers) -> Numbers:
    above, below = np.zeros_like(x), np.zeros_like(x)
    for a, b in zip(*pair, strict=True):
        above, below = above * x + a, below * x + b
    return above / below


def normal_quantile(u: Numbers) -> Numbers:
    """Where the standard normal law has the share ``u`` below it, both (numbers,)."""
    q = u - 0.5
    r = np.sqrt(-log(np.minimum(u, 1.0 - u)))
    tail = np.where(r <= 5.0, _ratio(_TAIL, r - 1.6), _ratio(_FAR, r - 5.0))
    centre = q * _ratio(_CENTRE, 0.180625 - q * q)
    return np.where(np.abs(q) <= 0.425, centre, np.where(q < 0, -tail, tail))
