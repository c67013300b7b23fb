"""Do groups of instances have one survival curve? Log-rank tests, weighted and stratified, for groups that are independent.

Configurations and optimizers share starts and noise by default: instance i is the same draw in every group
(attrs["paired"] = 1). Tests that assume independent groups are then wrong, mostly far too cautious, and are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import chi2

from ..plain import is_number
from ..words import told
from .lifetimes import FloatArray, Frame, Group, IntArray, Lifetimes, read

_CELLS = 4_000_000  # steps times groups held in memory at once
DECLARE = "set attrs['paired'] to 0 if each group drew its own starts and noise, to 1 if instance i is the same in all"
Weights = str | tuple[float, float]
NAMED = ("logrank", "gehan", "tarone-ware")


def logrank(
    data: Any,
    dim: str,
    *,
    label: int | None = None,
    strata: str | Sequence[str] | None = None,
    weights: Weights = "logrank",
) -> xr.Dataset:
    """Test whether the groups along `dim` have one survival curve; for independent groups only.

    Mantel 1966; Peto & Peto 1972; k groups and ties as in Kalbfleisch & Prentice 1980, eq. 1.18. With d_j events
    among n_j at risk at step j, of which n_gj in group g: U_g = sum_j w_j (d_gj - d_j n_gj/n_j), covariance
    V_gh = sum_j w_j^2 d_j (n_j - d_j)/(n_j - 1) (n_gj/n_j) (delta_gh - n_hj/n_j), statistic U' V^-1 U ~ chi2(k-1). All in
    float64: a million subjects with ties overflow nothing.

    `weights` say when differences count: "logrank" always (w = 1, best where hazards are proportional), "gehan" early ones
    (w = n_j; Gehan 1965, Breslow 1970), "tarone-ware" in between (w = sqrt(n_j); Tarone & Ware 1977), a pair (rho, gamma)
    as Fleming & Harrington 1991: w = S^rho (1 - S)^gamma, S the survival of all groups together just before the step, so
    that (0, 1) looks for late differences. Choose before looking: the smallest of several p-values is none.

    `strata` are other configuration dimensions, one name or several, whose members are compared each within itself; their
    U and V are added (Mantel & Haenszel 1959), so that what differs between strata is no difference between groups.

    Returns over the other configuration dimensions `statistic`, `degrees`, `pvalue`, and `observed` and `expected`
    events (..., dim), sums of w_j d. NaN where nothing can be told: no events (attrs["note"] says so), or nobody left to
    be compared with those that had one.

    ValueError: paired groups or no attrs["paired"], `dim` or `strata` unknown or of one member, no events at all, other
    weights.
    """
    lives = read(data, label)
    table = lives.frame.members(dim)
    rest, strata_of = _strata(lives.frame, dim, strata)
    rule = _rule(weights)
    if lives.paired is None:
        raise ValueError(f"attrs['paired'] is missing, so groups along {told(dim)} may share their noise; {DECLARE}")
    if lives.paired:
        raise ValueError(
            f"the groups along {told(dim)} are paired (same starts and noise for the same instance id), the log-rank test "
            "assumes independent groups; use compare_survival(), or run with paired=False"
        )
    require_events(lives)
    tests = [
        sum((_counted(lives, table[row], rule) for row in rows), Counted.nothing(table.shape[1])) for rows in strata_of
    ]
    names = lives.frame.names(dim)
    observed, expected = np.array([test.observed for test in tests]), np.array([test.expected for test in tests])
    found = [test.statistic() for test in tests]
    statistic, degrees = np.array([s for s, _ in found]), np.array([d for _, d in found])
    variables = {
        "statistic": rest.variable(statistic, "log-rank statistic"),
        "degrees": rest.variable(degrees, "degrees of freedom"),
        "pvalue": rest.variable(chi2.sf(statistic, degrees), "P(chi2 >= statistic) if all groups share one law"),
        "observed": rest.variable(observed, "events seen", "1", dim),
        "expected": rest.variable(expected, "events expected if all groups share one law", "1", dim),
    }
    attrs = {"note": note(observed.sum(axis=1) == 0)}
    if weights != "logrank":
        attrs["weights"] = weights if isinstance(weights, str) else f"Fleming and Harrington's {weights}"
    if strata is not None:
        attrs["strata"] = ", ".join([strata] if isinstance(strata, str) else strata)
    return rest.dataset(variables, {dim: names}, attrs, dim)


@dataclass(frozen=True)
class Counted:
    """What one stratum adds: weighted events observed and expected (groups,), covariance (groups, groups)."""

    observed: FloatArray
    expected: FloatArray
    covariance: FloatArray

    @staticmethod
    def nothing(groups: int) -> Counted:
        return Counted(np.zeros(groups), np.zeros(groups), np.zeros((groups, groups)))

    def __add__(self, other: Counted) -> Counted:
        return Counted(
            self.observed + other.observed, self.expected + other.expected, self.covariance + other.covariance
        )

    def statistic(self) -> tuple[float, int]:
        """Return the statistic, NaN without any degree of freedom, and how many there are."""
        # The k rows sum to zero; further ranks are lost where groups are never at risk together.
        V = self.covariance
        degrees = int(np.linalg.matrix_rank(V, tol=1e-9 * max(V.max(), 1e-300), hermitian=True))
        difference = self.observed - self.expected
        statistic = difference @ np.linalg.pinv(V, rcond=1e-9, hermitian=True) @ difference
        return float(statistic) if degrees else np.nan, degrees


def _counted(lives: Lifetimes, row: IntArray, rule: tuple[float, float, float]) -> Counted:
    """Count one stratum, whose groups are those of `row`."""
    groups: list[Group] = [lives.group(number) for number in row]
    at_risk_power, rho, gamma = rule
    steps = np.unique(np.concatenate([np.unique(group.time[group.had]) for group in groups]))
    k, survival = len(groups), 1.0
    observed, expected, covariance = np.zeros(k), np.zeros(k), np.zeros((k, k))
    sorted_times = [np.sort(group.time) for group in groups]
    sorted_events = [np.sort(group.time[group.had]) for group in groups]
    for first in range(0, steps.size, max(1, _CELLS // k)):
        block = steps[first : first + max(1, _CELLS // k)]
        risk = np.array([time.size - np.searchsorted(time, block) for time in sorted_times], float)
        deaths = np.array(
            [np.searchsorted(e, block, side="right") - np.searchsorted(e, block, side="left") for e in sorted_events],
            float,
        )
        total, died = risk.sum(axis=0), deaths.sum(axis=0)
        share = risk / total
        after = survival * np.cumprod(1.0 - died / total)
        before = np.concatenate([[survival], after[:-1]])
        survival = float(after[-1])
        weight = total**at_risk_power * before**rho * (1.0 - before) ** gamma
        observed += deaths @ weight
        expected += share @ (weight * died)
        # A step with one instance left has no variance: n - d = 0 there.
        spread = weight * weight * died * (total - died) / np.maximum(total - 1.0, 1.0)
        covariance += np.diag(share @ spread) - (share * spread) @ share.T
    return Counted(observed, expected, covariance)


def _rule(weights: Any) -> tuple[float, float, float]:
    """Return the powers of n_j, S and 1 - S that weights are products of."""
    if isinstance(weights, str) and weights in NAMED:
        return {"logrank": 0.0, "gehan": 1.0, "tarone-ware": 0.5}[weights], 0.0, 0.0
    if (
        isinstance(weights, (tuple, list))
        and len(weights) == 2
        and all(is_number(p) and 0 <= p <= 100 for p in weights)
    ):
        return 0.0, float(weights[0]), float(weights[1])
    raise ValueError(
        f"weights={told(weights)}; give one of {', '.join(map(repr, NAMED))} or Fleming and Harrington's pair (rho, gamma) of "
        "numbers from 0 to 100"
    )


def _strata(frame: Frame, dim: str, strata: Any) -> tuple[Frame, NDArray[np.intp]]:
    """Return the frame that results have, and the rows of its table (results, strata) that belong together."""
    rest = frame.without(dim)
    rows = np.arange(np.prod(rest.shape, dtype=int)).reshape(rest.shape)
    if strata is None:
        return rest, rows.reshape(-1, 1)
    names = [strata] if isinstance(strata, str) else list(strata) if isinstance(strata, (tuple, list)) else []
    if not names or len(set(map(str, names))) < len(names) or not all(isinstance(n, str) for n in names):
        raise ValueError(f"strata={told(strata)}; give names of configuration dimensions, each once")
    for name in names:
        if name == dim or name not in rest.dims:
            known = ", ".join(str(d) for d in rest.dims) or "none"
            raise ValueError(f"strata={told(strata)}; give dimensions of the dataset other than {told(dim)}: {known}")
    axes = [rest.dims.index(name) for name in names]
    last = np.moveaxis(rows, axes, range(-len(axes), 0))
    for name in names:
        rest = rest.without(name)
    return rest, last.reshape(np.prod(rest.shape, dtype=int), -1)


def require_events(lives: Lifetimes) -> None:
    """Refuse groups among which nobody had an event."""
    counted = lives.event_step > 0 if lives.label is None else (lives.event_step > 0) & (lives.event == lives.label)
    if not counted.any():
        what = "" if lives.label is None else f" with label {lives.label}"
        raise ValueError(f"no events{what} in any group: nothing to compare; run more steps or choose another event")


def note(empty: NDArray[np.bool_]) -> str:
    """Say how many comparisons there was nothing for."""
    return f"no events in {int(empty.sum())} of {empty.size} comparisons: their results are NaN" if empty.any() else ""
