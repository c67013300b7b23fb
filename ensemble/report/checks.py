"""Checks: what a law says beside what was seen, and whether the two agree."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest, norm

from ..statistics import laws
from ..words import told

LIMIT = 4.0
"""A law that is exact and lies further than this many standard errors from what was seen has failed."""
Z95 = 1.959963984540054
"""So many standard errors to both sides are an interval of 95 %."""
NAMES = ("holds", "check", "seen [95 %]", "law", "kind", "distance", "allowed")


@dataclass(frozen=True)
class Check:
    """One law and one number that was seen; made by the functions below, each a kind of comparison.

    ``distance`` is a z-score, or a relative error (absolute where the law is 0), as ``measure`` says; the law holds if
    it is a number and at most ``allowed`` in size. A bound that is kept has distance 0.
    """

    what: str
    seen: float
    lower: float
    upper: float
    law: float
    kind: str
    distance: float
    measure: str
    allowed: float

    @property
    def holds(self) -> bool:
        return abs(self.distance) <= self.allowed

    @staticmethod
    def exact(what: str, seen: float, law: float, error: float) -> Check:
        """A law without an error of its own, and a number with the standard error ``error`` > 0: |z| <= 4."""
        if not error > 0:
            raise ValueError(f"Check.exact({what!r}, error={error!r}): give a standard error > 0, or use Check.equal.")
        return Check(what, *_around(seen, error), float(law), "exact", (seen - law) / error, "z", LIMIT)

    @staticmethod
    def mean(what: str, sample: ArrayLike, law: float, sd: float | None = None) -> Check:
        """The mean of a sample of independent numbers; ``sd`` by the law where that is known, else the sample's own."""
        numbers = np.asarray(sample, float).ravel()
        spread = float(numbers.std(ddof=1)) if sd is None else sd
        return Check.exact(what, float(numbers.mean()), law, spread / math.sqrt(numbers.size))

    @staticmethod
    def share(what: str, count: int, n: int, law: float) -> Check:
        """``count`` of ``n`` independent instances, by the exact binomial test: any miss refutes a law of 0 or 1."""
        test = binomtest(int(count), int(n), float(law))
        interval = test.proportion_ci(0.95, "wilson")
        z = math.copysign(float(norm.isf(test.pvalue / 2)), count / n - law)
        return Check(what, count / n, float(interval.low), float(interval.high), float(law), "exact", z, "z", LIMIT)

    @staticmethod
    def times(what: str, law: laws.TimeLaw, event_step: ArrayLike, horizon: int) -> list[Check]:
        """Escape times (-1 where none by the horizon): their mean, cut at the horizon if it hides any, and P(T > median)."""
        step = np.asarray(event_step).ravel()
        last = min(int(horizon), law.survival.size - 1)
        late = (step < 0) | (step > last)
        if np.any(step < 0):
            tail = law.survival[:last]
            mean = float(tail.sum())
            square = float(((2.0 * np.arange(last) + 1) * tail).sum())
            cut, sd = np.where(late, last, step), math.sqrt(max(square - mean**2, 0.0))
            # A law under which nothing leaves by the horizon has no spread; the share below compares it.
            means = [Check.mean(f"E min(T, {last}), {what}", cut, mean, sd)] if sd > 0 else []
        else:
            means = [Check.mean(f"E T, {what}", step, law.mean, law.sd)]
        t = min(law.median, last)
        stayed = int(np.sum((step < 0) | (step > t)))
        return [*means, Check.share(f"P(T > {t}), {what}", stayed, step.size, float(law.survival[t]))]

    @staticmethod
    def equal(what: str, seen: float, law: float, allowed: float = 1e-6) -> Check:
        """A law without chance: the relative error is at most ``allowed``."""
        return Check(what, float(seen), math.nan, math.nan, float(law), "exact", *_relative(seen, law), allowed)

    @staticmethod
    def asymptotic(what: str, seen: float, law: float, allowed: float, error: float = 0.0) -> Check:
        """A law with an error of its own: right to a relative ``allowed``, beyond four standard errors of chance."""
        off = math.copysign(max(abs(seen - law) - LIMIT * error, 0.0), seen - law) if abs(seen - law) >= 0 else math.nan
        return Check(what, *_around(seen, error), float(law), "asymptotic", *_relative(law + off, law), allowed)

    @staticmethod
    def at_most(what: str, seen: float, bound: float, error: float = 0.0) -> Check:
        """A bound from above; with a standard error it may be passed by four of them, without one by rounding alone."""
        return _bound(f"{what}, at most", seen, bound, seen - bound, error)

    @staticmethod
    def at_least(what: str, seen: float, bound: float, error: float = 0.0) -> Check:
        """A bound from below, in the same way."""
        return _bound(f"{what}, at least", seen, bound, bound - seen, error)

    def cells(self) -> list[str]:
        """The check as people read it, under ``NAMES``."""
        seen = f"{self.seen:.5g}"
        if self.lower < self.upper:
            seen += f" [{self.lower:.5g}, {self.upper:.5g}]"
        far = f"z = {self.distance:.2f}" if self.measure == "z" else f"{self.distance:.2g} {self.measure}"
        return ["yes" if self.holds else "NO", self.what, seen, f"{self.law:.5g}", self.kind, far, f"{self.allowed:g}"]


def _around(seen: float, error: float) -> tuple[float, float, float]:
    half = Z95 * error
    return float(seen), float(seen - half), float(seen + half)


def _relative(seen: float, law: float) -> tuple[float, str]:
    return (float((seen - law) / abs(law)), "relative") if law != 0 else (float(seen - law), "absolute")


def _bound(what: str, seen: float, bound: float, excess: float, error: float) -> Check:
    over = max(excess, 0.0) if excess == excess else math.nan
    if error > 0:
        return Check(what, *_around(seen, error), float(bound), "bound", over / error, "z", LIMIT)
    far = _relative(bound + over, bound)
    return Check(what, float(seen), math.nan, math.nan, float(bound), "bound", *far, 1e-9)


def verdict(checks: Sequence[Check]) -> str:
    """Say in a sentence how many laws hold, and how the worst z-score did; of a list of :class:`Check`, and refuses anything else."""
    if not isinstance(checks, (list, tuple)) or not all(isinstance(check, Check) for check in checks):
        raise ValueError(f"verdict(checks={told(checks)}): give a list of what Check.mean(...) and its kin return.")
    worst = max((abs(c.distance) for c in checks if c.measure == "z"), default=None)
    said = f"{sum(c.holds for c in checks)} of {len(checks)} comparisons with laws hold"
    kinds = [f"{sum(c.kind == kind for c in checks)} {kind}" for kind in ("exact", "asymptotic", "bound")]
    return f"{said} ({', '.join(kinds)})" + ("." if worst is None else f"; the largest |z| is {worst:.2f}.")


def write_checks(path: Path, checks: Sequence[Check]) -> None:
    """All checks as CSV, with every digit."""
    names = ("what", "seen", "lower", "upper", "law", "kind", "distance", "measure", "allowed", "holds")
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([_cell(getattr(check, name)) for name in names] for check in checks)


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value
