"""FiniteSum: a mean of a loss over samples, of which a step may see a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..arithmetic.permutations import MOST_SAMPLES
from ..arithmetic.vec import Array, dot, total
from ..part import NOT_NEGATIVE, number
from .base import Landscape, derived_array

MOST_ENTRIES = 2**31 - 1 - 64
"""Of a table, whose places a CPU counts in 32 bits."""
TAIL = 16
"""Entries past the last sample of a table: a CPU reads whole vectors."""
DIGITS_LOST = 1e-3
"""Of the spread of a column of data, what rounding to float32 may change."""
CHUNK = 1 << 19
"""Numbers that NumPy works with at once."""


class Formulas(Protocol):
    """The loss of one sample and its derivatives, as they follow from a class's ``loss`` (``tracing/finite_sums.py``)."""

    linear: bool
    """Whether x enters through the product z with the sample's row alone: ``slope`` and ``bend`` are then derivatives by z."""
    extras: int
    """How many of a sample's numbers come after those of its row; 0 where it has no row."""

    def evaluate(self, name: str, part: Any, x: Array, v: Array | None, sample: NDArray[Any], repeat: int) -> Array:
        """``loss``, ``slope``, ``bend`` or ``diagonal`` at x for samples (instances or 1, entries); see the class."""
        ...


FORMULAS: list[Callable[[Any], Formulas]] = []
"""What finds the formulas of a part (``tracing/finite_sums.py`` fills it)."""


@dataclass(frozen=True)
class FiniteSum(Landscape):
    """``f(x) = 1/n sum_i f_i(x) + l2/2 |x|^2``: a class says the loss f_i of one sample, and hands its data to :meth:`samples_are`.

    A subclass defines ``loss(self, x, sample)`` for all instances at once: ``sample[k]`` (instances, 1) is the k-th number of a
    sample, ``sample.row`` (instances, dim) its first dim numbers as a vector, and the result (instances, 1). It is recorded once; the
    gradient, the Hessian product and the diagonal follow, of all samples and of any batch. Where x enters through
    ``dot(x, sample.row)`` alone, a sample costs one product, one function of a number and one addition of a multiple of its row.

    Sums run over the samples in order, one after another in the dtype of the run. Data (n, numbers) lie once in memory, for all
    instances and configurations. With :class:`~ensemble.Minibatch` as the noise a step sees the mean over a batch; without it, with
    curvature methods, and in records and events, all samples count.
    """

    coordinates_per_lane = 8

    kernel_header = "landscapes/finite_sum.cuh"

    _: KW_ONLY
    l2: float = number(0.0, NOT_NEGATIVE)
    table: Any = derived_array()
    entries: int = field(default=0, init=False, repr=False, compare=False)

    # ---- what a class says

    def loss(self, x: Array, sample: Any) -> Array:
        """The loss of one sample at x (instances, dim): (instances, 1)."""
        raise TypeError(f"{type(self).__name__} does not say the loss of one sample; define loss(self, x, sample).")

    def samples_are(self, *data: Any) -> None:
        """Called by ``validate``: arrays (n, numbers) or (n,) that lie side by side in a sample, the row's numbers first."""
        if np.ndim(self.table):
            return  # of the same data: configurations differ in numbers alone
        whole = np.column_stack([np.asarray(d, dtype=np.float64) for d in data])
        n, entries = whole.shape
        stride = -(-entries // 4) * 4
        if n * stride >= MOST_ENTRIES:
            raise ValueError(f"{type(self).__name__}: {n:,} samples of {entries} numbers are too many for one table.")
        table = np.zeros(n * stride + TAIL)
        table[: n * stride].reshape(n, stride)[:, :entries] = whole
        object.__setattr__(self, "table", table)
        object.__setattr__(self, "entries", entries)

    def check_digits(self) -> None:
        """Refuses data that float32 would round by more than a thousandth of what they vary by."""
        table = self._samples(np.zeros(1))[:, : self.entries]
        with np.errstate(over="ignore"):
            lost = np.abs(table.astype(np.float32) - table).max(axis=0)
        spread = table.std(axis=0)
        for k in np.flatnonzero((lost > DIGITS_LOST * spread) & (spread > 0)):
            raise ValueError(
                f"{type(self).__name__}: in float32 number {k} of the samples loses its digits, it is rounded by up to {lost[k]:.2g} "
                f"and varies by {spread[k]:.2g}; take its mean away, or give dtype='float64'."
            )

    def summand(self) -> Formulas:
        """The loss of a sample and its derivatives in NumPy: what follows from ``loss``. A class that brings its struct says its own."""
        return FORMULAS[0](self)

    # ---- the sum

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return int((self.table.size - TAIL) // self._stride)

    @property
    def _stride(self) -> int:
        return -(-self.entries // 4) * 4

    def constants(self) -> dict[str, float]:
        return {"sample_count": float(self.samples), "sample_share": 1.0 / self.samples}

    def value(self, x: Array, now: Any = None) -> Array:
        whole = self._added("loss", x, None)
        return self._constant("sample_share", x) * whole + (x.dtype.type(0.5) * self._l2(x)) * dot(x, x)

    def gradient(self, x: Array, now: Any = None) -> Array:
        return self._constant("sample_share", x) * self._added("slope", x, None) + self._l2(x) * x

    def hessian_product(self, x: Array, v: Array, now: Any = None) -> Array:
        return self._constant("sample_share", x) * self._added("bend", x, v) + self._l2(x) * v

    def hessian_diagonal(self, x: Array, now: Any = None) -> Array:
        return self._constant("sample_share", x) * self._added("diagonal", x, None) + self._l2(x)

    def batch_gradient(
        self, x: Array, batch: NDArray[np.int64], share: Any = None, has: NDArray[np.bool_] | None = None
    ) -> Array:
        """The gradient (instances, dim) of each instance's own batch, numbers of samples (instances, size).

        ``share``: what the sum is multiplied by; None: 1/size. ``has`` (instances, size): which of them count.
        """
        given = x.dtype.type(1.0 / batch.shape[1]) if share is None else share
        return given * self._added("slope", x, None, batch, has) + self._l2(x) * x

    # ---- inside

    def _l2(self, x: Array) -> Any:
        return x.dtype.type(self.l2) if isinstance(self.l2, float) else self.l2

    def _constant(self, name: str, x: Array) -> Any:
        own = self.__dict__
        return own[name] if name in own else x.dtype.type(self.constants()[name])

    def _samples(self, x: Array) -> NDArray[Any]:
        table = np.asarray(self.table)
        return table[: table.size - TAIL].reshape(-1, self._stride).astype(x.dtype, copy=False)

    def _added(
        self,
        name: str,
        x: Array,
        v: Array | None,
        batch: NDArray[np.int64] | None = None,
        has: NDArray[np.bool_] | None = None,
    ) -> Array:
        """The sum over the samples, or over each instance's batch, in order."""
        x = np.asarray(x)
        v = None if v is None else np.asarray(v)
        formulas, table = self.summand(), self._samples(x)
        whole = np.zeros_like(x[:, :1] if name == "loss" else x)
        size = len(table) if batch is None else batch.shape[1]
        together = max(1, CHUNK // max(1, x.size)) if formulas.linear else 1
        for first in range(0, size, together):
            last = min(first + together, size)
            rows = table[None, first:last] if batch is None else table[batch[:, first:last]]
            counts = None if has is None else has[:, first:last]
            add = _add_linear if formulas.linear else _add
            whole = add(self, formulas, name, whole, x, v, rows, counts)
        return whole


def _only(counts: NDArray[np.bool_] | None, k: int, value: Array) -> Array:
    return value if counts is None else np.where(counts[:, k : k + 1], value, value.dtype.type(0))


def _add(part: Any, formulas: Formulas, name: str, whole: Array, x: Array, v: Any, rows: Array, counts: Any) -> Array:
    for k in range(rows.shape[1]):
        whole = whole + _only(counts, k, formulas.evaluate(name, part, x, v, rows[:, k], 1))
    return whole


def _add_linear(
    part: Any, formulas: Formulas, name: str, whole: Array, x: Array, v: Any, rows: Array, counts: Any
) -> Array:
    """The same where x enters through one product alone: of several samples (instances or 1, several, entries) at once."""
    dim, several = x.shape[1], rows.shape[1]
    a = rows[:, :, :dim]

    def product(y: Array) -> Array:
        return total((a * y[:, None, :]).reshape(-1, dim)).reshape(-1, several)

    z = product(x)
    samples = np.broadcast_to(rows, (len(x), *rows.shape[1:])).reshape(-1, rows.shape[2])
    asked = {"loss": "loss", "slope": "slope"}.get(name, "bend")
    c = formulas.evaluate(asked, part, z.reshape(-1, 1), None, samples, several).reshape(-1, several)
    if name == "bend":
        c = c * product(v)
    for k in range(several):
        factor = _only(counts, k, c[:, k : k + 1])
        row = a[:, k]
        whole = whole + (factor if name == "loss" else factor * (row * row if name == "diagonal" else row))
    return whole


def checked_samples(owner: str, names: tuple[str, str], data: Any, targets: Any) -> None:
    """Refuses data (n, p) and targets (n,) that do not belong together, or are more than there is room for."""
    if data.ndim != 2 or 0 in data.shape:
        raise ValueError(f"{owner}({names[0]} of shape {data.shape}): give one row for each sample, (samples, dim).")
    if targets.shape != data.shape[:1]:
        raise ValueError(
            f"{owner}({names[0]} of shape {data.shape}, {names[1]} of shape {targets.shape}): give one of {names[1]} for each "
            f"of the {len(data)} samples."
        )
    if len(data) > MOST_SAMPLES:
        raise ValueError(f"{owner}: {len(data):,} samples were given; give at most {MOST_SAMPLES:,}.")
