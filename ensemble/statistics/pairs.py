"""How do optimizers differ that saw the same starts and the same noise? Differences instance by instance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import binomtest, wilcoxon

from .intervals import FEWEST, mean_interval, median_interval
from .lifetimes import FloatArray, check_confidence, check_whole
from .recorded import recorded


def paired_difference(
    data: Any,
    dim: str = "optimizer",
    quantity: str = "value",
    *,
    step: int | None = None,
    reference: Any = None,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Compare a recorded quantity of paired groups instance by instance: member minus reference, at one step.

    Instance i has the same start and noise in every group (attrs["paired"] = 1), so what they share cancels. `step` is a
    recorded one, by default the last that all reached; `reference` a member of `dim`, by default the first. For escape
    times, which may be censored, there is `compare_survival`.

    - mean difference: Student's interval after Hall's (1992) transformation, which keeps the coverage for skewed
      differences (at 20 pairs 95 % intervals cover 93 to 95 % on exponential, chi-square and lognormal ones);
    - median difference: interval between order statistics, whatever the law (Hettmansperger & Sheather 1986);
    - `sign_pvalue`: exact sign test, ties left out (Arbuthnott 1710); `wilcoxon_pvalue`: signed ranks (Wilcoxon 1945;
      Pratt's zeros), which asks the differences to be symmetric; neither is adjusted for the number of comparisons;
    - `correlation` (Pearson) of the two, and `variance_reduction` = (var a + var b)/var(a - b): so many times as many
      unpaired instances give the same error of the mean difference (infinite where differences do not vary).

    An instance that diverged in one group only differs by infinity, in its disfavour: it counts in the median and in both
    tests, and is left out of the mean and of what rests on variances; one that diverged in both is left out altogether.
    `n` pairs are in the median, `n_mean` in the mean.

    Returns over the other configuration dimensions and the other members of `dim`: `mean`, `median` (units of the
    quantity) with `_lower`, `_upper`; `sign_pvalue`, `wilcoxon_pvalue`, `correlation`, `variance_reduction`,
    `better`, `worse`, `ties` (pairs with a negative, positive, no difference), `n`, `n_mean`. NaN in a mean: fewer
    than 10 finite pairs.

    ValueError: unpaired data or no attrs["paired"]; fewer than 10 instances; `dim` unknown or of one member; unknown
    reference; quantity or step not recorded.
    """
    check_confidence(confidence)
    found = recorded(data, quantity)
    lives, frame = found.lives, found.frame
    if found.ids.size < FEWEST:
        raise ValueError(f"{found.ids.size} instances per group cannot bear an interval; give at least {FEWEST}")
    if not lives.paired:
        why = "attrs['paired'] is missing" if lives.paired is None else "attrs['paired'] is 0"
        raise ValueError(
            f"{why}: instance i of one group has nothing to do with instance i of another; run with paired=True, or compare "
            "the groups' own means and medians"
        )
    table, names = frame.members(dim), frame.names(dim)
    base = frame.base(dim, reference)
    others = [member for member in range(len(names)) if member != base]
    reached = found.step[found.step <= lives.horizon.max(axis=1).min()]
    if step is not None:
        check_whole("step", step, 0, f"a recorded step, such as {reached[-1]}")
        if step not in reached:
            raise ValueError(f"step={step} was not recorded of all groups; give one such as {reached[-1]}")
    at = int(reached[-1] if step is None else step)
    column = int(np.flatnonzero(found.step == at)[0])
    final = np.array([found.curves(number)[:, column] for number in range(len(lives))])
    if np.isnan(final).any():
        raise ValueError(
            f"{quantity} at step {at} is not a number for some instance that did not diverge; give another step"
        )
    pairs = [(final[row[m]], final[row[base]]) for row in table for m in others]
    results = [_one(a, b, confidence) for a, b in pairs]
    means = np.array([result["mean"] for result in results])

    rest, percent = frame.without(dim), f"{100 * confidence:g} %"

    def variable(values: Any, words: str, units: str = "1") -> xr.Variable:
        return rest.variable(np.asarray(values).reshape(len(table), len(others)), words, units, dim)

    variables = {}
    for i, end in enumerate(("", "_lower", "_upper")):
        which = f"{end[1:]} {percent} limit of the " if end else ""
        variables[f"mean{end}"] = variable(means[:, i], f"{which}mean difference", found.units)
        variables[f"median{end}"] = variable(
            [r["median"][i] for r in results], f"{which}median difference", found.units
        )
    for name, words in _WORDS.items():
        variables[name] = variable([r[name] for r in results], words)
    coords = {name: c.isel({dim: others}) if dim in c.dims else c for name, c in frame.coords.items()}
    if dim not in coords:
        coords[dim] = xr.DataArray(others, dims=dim)
    attrs = {
        "quantity": quantity,
        "step": at,
        "reference": str(names[base]),
        "confidence": confidence,
    }
    return replace(frame, coords=coords).dataset(variables, attrs=attrs)


_WORDS = {
    "sign_pvalue": "two-sided p of the sign test",
    "wilcoxon_pvalue": "two-sided p of the signed-rank test",
    "correlation": "correlation of the two groups over instances",
    "variance_reduction": "variance of the mean difference unpaired over paired",
    "better": "pairs in which the member is below the reference",
    "worse": "pairs in which the member is above the reference",
    "ties": "pairs without a difference",
    "n": "pairs in the median and the tests",
    "n_mean": "pairs in the mean",
}


def _one(a: FloatArray, b: FloatArray, confidence: float) -> dict[str, Any]:
    """Return all that is said of member a and reference b (instances,)."""
    known = np.isfinite(a) | np.isfinite(b)
    difference = a[known] - b[known]
    finite = np.isfinite(difference)
    x, y = a[known][finite], b[known][finite]
    better, worse = int(np.sum(difference < 0)), int(np.sum(difference > 0))
    told = better + worse > 0
    spread = np.var(x - y) if x.size else np.nan
    total = np.var(x) + np.var(y) if x.size else np.nan
    # Where neither varies, pairing cannot help.
    varies = x.size > 1 and np.ptp(x) > 0 and np.ptp(y) > 0
    return {
        "mean": mean_interval(x - y, confidence) if x.size >= FEWEST else (np.nan, np.nan, np.nan),
        "median": median_interval(difference, confidence),
        "sign_pvalue": binomtest(better, better + worse).pvalue if told else 1.0,
        "wilcoxon_pvalue": wilcoxon(difference, zero_method="pratt").pvalue if told else 1.0,
        "correlation": np.corrcoef(x, y)[0, 1] if varies else np.nan,
        "variance_reduction": np.inf if spread == 0 < total else total / spread if spread > 0 else np.nan,
        "better": better,
        "worse": worse,
        "ties": difference.size - better - worse,
        "n": difference.size,
        "n_mean": x.size,
    }
