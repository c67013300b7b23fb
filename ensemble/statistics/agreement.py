"""Do escape times follow a law? Standard errors from its mean and median, and a distance with a bound."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from ..words import told
from .exit_laws import TimeLaw
from .lifetimes import IntArray, Lifetimes, check_number, check_whole, numbers_in, read

LawOf = Callable[..., TimeLaw]


def against_law(data: Any, law: TimeLaw | LawOf, *, label: int | None = None) -> xr.Dataset:
    """Compare the escape times of every configuration with a law of first-passage times, such as `laws.saddle_exit`.

    `law` is one law for all, or is called with each configuration's coordinates, law(lr=0.1, sigma=1.0), and returns its
    law. Times are compared up to the step `until`: the horizon, or where the law's survival curve ends. Where the law is
    exact and the sample follows it:

    - `z_mean` = (mean T - law's mean)/(law's sd/sqrt(n)) is standard normal for large n; NaN where not all escaped;
    - `z_restricted_mean`: the same of min(T, until), whose law follows from S(t): E = sum S, E of its square =
      sum (2t+1) S over t < until; censored runs count as `until`, so nothing is lost;
    - `z_median`: that of the share with T > t at the law's median (or `until`, if earlier), binomial; its variance is
      taken as at least that of one instance;
    - `distance` = max over 0 <= t <= until of |share with T > t - S(t)|, Kolmogorov's. A law on whole steps has jumps, for
      which Kolmogorov's own law is too cautious; the bound P(distance >= d) <= 2 exp(-2 n d^2) holds for every law
      (Dvoretzky, Kiefer & Wolfowitz 1956; Massart 1990): `pvalue_bound`. It is small only where the law is wrong.

    An instance that diverged, or whose event has another label, never escapes, as in `survival`.

    Returns over the configuration dimensions these, `until` (steps), `n`, `escaped` (by `until`), `mean` of min(T,
    until), `law_mean`, `law_sd`, `law_median` of the whole law and `law_restricted_mean`.

    ValueError: events checked only every k steps (the law is of the first step); `law` not a law, not to be called with
    the configurations' coordinates, without a survival curve of at least one step, or one that rises or does not begin
    with 1; moments that no such time has; variables missing; no instances.
    """
    lives = read(data, label)
    if lives.check_every > 1:
        raise ValueError(
            f"events were checked every {lives.check_every} steps, and a law of first passages is of every step; run with "
            "check_every=1"
        )
    frame = lives.frame
    if isinstance(law, TimeLaw):
        found = [law] * len(lives)
    elif callable(law):
        places = _places(lives)
        _check_call(law, places[0])
        found = [law(**place) for place in places]
    else:
        raise ValueError(
            f"law={told(law)}; give a TimeLaw, such as laws.exit_law returns, or a function that returns one"
        )
    for one in found:
        _check(one)
    rows = [_scores(lives, number, one) for number, one in enumerate(found)]
    variables = {name: frame.variable([row[name] for row in rows], *words) for name, words in _WORDS.items()}
    return frame.dataset(variables, attrs={"label": "any" if label is None else int(label)})


_WORDS = {
    "z_mean": ("standard errors of the mean from the law's", "1"),
    "z_restricted_mean": ("standard errors of the mean of min(T, until) from the law's", "1"),
    "z_median": ("standard errors of P(T > law's median) from the law's", "1"),
    "distance": ("largest difference of the survival curves", "1"),
    "pvalue_bound": ("bound on the chance of such a distance under the law", "1"),
    "until": ("step to which times are compared", "step"),
    "n": ("instances", "1"),
    "escaped": ("instances that escaped by `until`", "1"),
    "mean": ("mean of min(T, until)", "step"),
    "law_mean": ("mean by the law", "step"),
    "law_sd": ("standard deviation by the law", "step"),
    "law_median": ("median by the law", "step"),
    "law_restricted_mean": ("mean of min(T, until) by the law", "step"),
}


def _places(lives: Lifetimes) -> list[dict[str, Any]]:
    """Return each configuration's coordinates by name."""
    frame = lives.frame
    scalars = {str(name): c.item() for name, c in frame.coords.items() if c.ndim == 0}
    places = []
    for index in np.ndindex(*frame.shape):
        here = dict(zip(frame.dims, index, strict=True))
        own = {str(name): c.isel({d: here[d] for d in c.dims}).item() for name, c in frame.coords.items() if c.ndim}
        places.append(scalars | own)
    return places


def _check_call(law: LawOf, place: dict[str, Any]) -> None:
    """Refuse a function that cannot be called with the coordinates of a configuration."""
    try:
        inspect.signature(law).bind(**place)
    except TypeError as error:
        names = ", ".join(place) or "none"
        raise ValueError(
            f"law={told(law)} cannot be called with the configurations' coordinates ({names}): {error}; give a function of "
            "these, or one TimeLaw for all"
        ) from None
    except ValueError:  # a builtin does not tell its arguments
        return


def _check(law: TimeLaw) -> None:
    if not isinstance(law, TimeLaw):
        raise ValueError(f"the function gave {told(law)}; let it return a TimeLaw, such as laws.exit_law does")
    survival = numbers_in(law.survival)
    falling = survival.ndim == 1 and survival.size > 1 and np.all(np.diff(survival) <= 1e-12)
    if not falling or abs(survival[0] - 1.0) > 1e-6 or survival[-1] < 0.0:
        raise ValueError(
            f"the law's survival curve {told(law.survival)} has shape {np.shape(survival)}; give P(T > t) for t = 0, 1, ..., "
            "falling from 1"
        )
    check_number("the law's mean", law.mean, "the mean of T in steps")
    check_number("the law's sd", law.sd, "the standard deviation of T in steps, at least 0")
    if law.sd < 0:
        raise ValueError(f"the law's sd={told(law.sd)}; give the standard deviation of T in steps, at least 0")
    check_whole("the law's median", law.median, 1, "the first step t with P(T > t) <= 1/2")


def _scores(lives: Lifetimes, number: int, law: TimeLaw) -> dict[str, float]:
    group, n = lives.group(number), lives.instances
    horizon = int(lives.horizon[number].min())
    curve = numbers_in(law.survival)
    until = min(horizon, curve.size - 1)
    time: IntArray = np.where(group.had, group.time, np.iinfo(np.int64).max)
    capped = np.minimum(time, until)
    left = 1.0 - np.cumsum(np.bincount(np.minimum(time, until + 1), minlength=until + 2))[:-1] / n
    expected = curve[: until + 1]
    steps = np.arange(until)
    mean = float(expected[:-1].sum())
    variance = float(((2.0 * steps + 1.0) * expected[:-1]).sum()) - mean**2
    t = min(law.median, until)
    spread = max(expected[t] * (1.0 - expected[t]), 1.0 / n)
    distance = float(np.abs(left - expected).max())
    everyone = bool(np.all(time <= horizon))
    return {
        "z_mean": (time.mean() - law.mean) / (law.sd / np.sqrt(n)) if everyone and law.sd > 0 else np.nan,
        "z_restricted_mean": (capped.mean() - mean) / np.sqrt(variance / n) if variance > 0 else np.nan,
        "z_median": (left[t] - expected[t]) / np.sqrt(spread / n),
        "distance": distance,
        "pvalue_bound": min(1.0, 2.0 * np.exp(-2.0 * n * distance**2)),
        "until": until,
        "n": n,
        "escaped": int(np.sum(time <= until)),
        "mean": float(capped.mean()),
        "law_mean": law.mean,
        "law_sd": law.sd,
        "law_median": law.median,
        "law_restricted_mean": mean,
    }
