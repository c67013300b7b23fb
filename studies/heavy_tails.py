"""What decides how long noisy gradient descent stays in a valley: its height or its width?

Question. On the parabola h x^2/2 with gradient noise that is alpha-stable, alpha = 2 (normal), 1.5 and 1 (Cauchy's law), from 0 until
|x| >= R: how does the exit time T grow with the width R where the height E = h R^2/2 stays, and with the height where the width stays?

Expected. Simsekli, Sagun and Gurbuzbalaban (2019), arXiv:1901.06053, after Imkeller and Pavlyukevich (2006): heavy-tailed noise leaves
by one long jump, so that E T -> (R / (lr scale))^alpha / C with C = 2 sin(pi alpha/2) Gamma(alpha) / pi, pi R / (2 lr scale) for
Cauchy's law: the width to the power alpha, whatever the height. Normal noise climbs: E T grows as exp(E/D), D = lr scale^2, and at one
height as 1/h, the width to the power 2. All are limits; exact at every setting is the transfer operator of the step.

Found. All 40 comparisons with laws hold (seed 0, 20,000 instances; lr 0.05). At one height the exit time grows as the width to the
power 1.80 (alpha = 2; the exact law's is 1.80 too, 2 for widths that make the step of 0.2 small), 1.486 (1.5) and 0.980 (1). From height
1/4 to 4, at one width, normal noise takes 99 times as long, exp(E/D) less its prefactor; alpha = 1.5 takes 1.11 times and Cauchy's law
1.03 times as long. One long jump is the whole story: 1,352 and 625 steps against 1,364 and 628 by that law, and the last step ends beyond
twice the width in 34.5 % and 49.6 % of the instances (2^-alpha: 35.4 % and 50 %), with normal noise in none.

Run `python studies/heavy_tails.py`, or with `--quick`. Every alpha has a scale of its own: at one scale a normal would never leave
where a Cauchy's law is watched for long. The horizon is twenty times the longest mean unless --steps says less.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import report
import typer
from exits.stable import ExitTimes, exit_times, single_jump
from numpy.typing import NDArray

import ensemble as en
from ensemble import plots

LR = 0.05
SCALES = {2.0: math.sqrt(0.5 / LR), 1.5: 0.3, 1.0: 0.05}
TEMPERATURE = LR * SCALES[2.0] ** 2  # of the normal: its variance is twice the scale's square
HEIGHT, WIDTH = 2.0, 1.0  # what stays while the other is swept
LEAPS = np.geomspace(1, 20, 25)  # how far beyond the end, in widths
ALMOST = {2.0: 0.12, 1.5: 0.03, 1.0: 0.03}
"""Relative errors of a power of the width: heavy tails see a little of the path to the jump; a normal step, 0.2 long, a near end."""
SLIGHT = {1.5: 0.15, 1.0: 0.05}
"""Relative errors of "whatever the height": in the lowest valley the noise that came before the jump is not yet forgotten."""
PLACES = plots.palette(["alpha = 2", "alpha = 1.5", "alpha = 1"])


@dataclass(frozen=True)
class Size(report.Size):
    """How much to run: widths at HEIGHT, heights at WIDTH."""

    widths: tuple[float, ...]
    heights: tuple[float, ...]


Row = dict[str, Any]


def valleys(size: Size) -> list[tuple[str, float, float, float]]:
    """What is swept, alpha, width and height of every configuration."""
    return [
        *(("width", alpha, width, HEIGHT) for alpha in SCALES for width in size.widths),
        *(("height", alpha, WIDTH, height) for alpha in SCALES for height in size.heights),
    ]


def leave(study: report.Study[Size]) -> list[tuple[Row, ExitTimes, NDArray[np.int64], NDArray[np.float64]]]:
    """Every valley until it is left: settings, exact law, exit times and where it was left to, in widths."""
    all_of_them = valleys(study.size)
    swept = en.zipped(
        alpha=[alpha for _, alpha, _, _ in all_of_them],
        scale=[SCALES[alpha] for _, alpha, _, _ in all_of_them],
        curvature=[2 * height / width**2 for _, _, width, height in all_of_them],
        half_width=[width for _, _, width, _ in all_of_them],
    )
    result = en.simulate(
        landscape=en.Quadratic(swept.curvature, dim=1),
        optimizer=en.GradientDescent(LR),
        noise=en.AlphaStable(swept.alpha, swept.scale),
        start=en.Point(0.0),
        event=en.LeftSlab(normal=(1.0,), half_width=swept.half_width),
        instances=study.size.instances,
        steps=study.size.steps,
        seed=study.seed,
        backend=study.backend,
        paired=False,
    )
    runs = study.keep("valleys", result).dataset
    steps, ends = runs["event_step"].to_numpy(), np.abs(runs["x"].to_numpy()[..., 0].astype(float))
    found = []
    for (sweep, alpha, width, height), step, end in zip(all_of_them, steps, ends, strict=True):
        law = exit_times(alpha, SCALES[alpha], LR, 2 * height / width**2, width)
        found.append(({"sweep": sweep, "alpha": alpha, "width": width, "height": height}, law, step, end / width))
    return found


def note(study: report.Study[Size], what: Row, law: ExitTimes, step: NDArray[np.int64]) -> None:
    """A row and its check: the mean of T against the transfer operator, and one long jump beside it."""
    if np.any(step < 0):
        raise typer.BadParameter(
            f"{np.sum(step < 0):,} are still inside at step {study.size.steps:,}; give more --steps"
        )
    alpha = what["alpha"]
    said = ", ".join(f"{k} = {v:g}" for k, v in what.items() if k != "sweep")
    study.check(report.Check.mean(f"E T, {said}", step, law.mean, law.sd))
    jump = single_jump(what["width"], LR, SCALES[alpha], alpha) if alpha < 2 else math.nan
    row = {**what, "scale": SCALES[alpha], "n": step.size, **report.mean_columns("mean", step)}
    study.rows.append(row | {"exact": law.mean, "one jump": jump})


def rows_of(study: report.Study[Size], sweep: str, alpha: float) -> list[Row]:
    """The rows of one sweep at one alpha."""
    return report.where(study.rows, sweep=sweep, alpha=alpha)


def power_of_width(study: report.Study[Size], alpha: float) -> float:
    """The exponent of the width, by least squares of ln E T, against alpha."""
    rows = rows_of(study, "width", alpha)
    x, y = (np.log([row[name] for row in rows]) for name in ("width", "mean"))
    weight = report.slope_weights(x)
    error = float(
        np.linalg.norm(weight / math.sqrt(study.size.instances))
    )  # T is nearly exponential: its sd is its mean
    power = float(weight @ y)
    known = float(weight @ np.log([row["exact"] for row in rows]))
    study.check(
        report.Check.exact(f"power of the width, alpha = {alpha:g}, by the exact law", power, known, error),
        report.Check.asymptotic(f"power of the width, alpha = {alpha:g}", power, alpha, ALMOST[alpha], error),
    )
    return power


def growth_with_height(study: report.Study[Size], alpha: float) -> float:
    """How E T grows from the lowest valley to the highest: not at all with heavy tails, as E^(-3/2) exp(E/D) with normal noise."""
    rows, error = rows_of(study, "height", alpha), math.sqrt(2 / study.size.instances)
    growth = rows[-1]["mean"] / rows[0]["mean"]
    if alpha < 2:
        what = f"E T in the highest valley over the lowest, alpha = {alpha:g}"
        study.check(report.Check.asymptotic(what, growth, 1.0, SLIGHT[alpha], growth * error))
        return growth
    low, high = rows[-2:]
    # At one width h = 2 E / R^2, and Kramers' law of a valley cut off at a height is E T ~ exp(E/D) / (h sqrt(E/D)).
    climb = math.log(high["mean"] / low["mean"]) + 1.5 * math.log(high["height"] / low["height"])
    step = (high["height"] - low["height"]) / TEMPERATURE
    what = "normal noise: growth of ln(E^1.5 E T) with E/D, between the highest two valleys"
    study.check(report.Check.asymptotic(what, climb / step, 1.0, 0.1, error / step))
    return growth


def draw(study: report.Study[Size], leaps: Mapping[float, NDArray[np.float64]]) -> None:
    """Exit times against width and against height, and how far beyond the end the last step led."""
    said = f"n = {study.size.instances:,}; bars 95 %"
    words = {
        "width": (True, f"width R, height {HEIGHT:g}", f"width of the valley, at height {HEIGHT:g}"),
        "height": (False, f"height E, width {WIDTH:g}", f"height of the valley, at width {WIDTH:g}"),
    }
    for sweep, (log, label, against) in words.items():
        seen, lines = {}, {}
        for alpha in SCALES:
            rows, name = rows_of(study, sweep, alpha), f"alpha = {alpha:g}"
            seen[name] = tuple([row[column] for row in rows] for column in (sweep, "mean", "mean_lower", "mean_upper"))
            lines[name] = (seen[name][0], [row["exact"] for row in rows])
        figure = plots.curves(
            seen,
            laws=lines,
            law_name="exact",
            x_label=label,
            y_label="mean of T (steps)",
            log=(log, True),
            note=said,
            places=PLACES,
        )
        study.draw(
            sweep,
            figure,
            f"Mean exit time against the {against}, each alpha with a scale of its own; dotted: the exact law.",
        )
    shares = {
        f"alpha = {alpha:g}": (LEAPS, [max(float(np.mean(leap > u)), 1e-9) for u in LEAPS])
        for alpha, leap in leaps.items()
    }
    figure = plots.curves(
        shares,
        laws={f"alpha = {alpha:g}": (LEAPS, LEAPS**-alpha) for alpha in leaps if alpha < 2},
        law_name="u^-alpha",
        x_label="u",
        y_label="share with |x_T| > u R",
        log=(True, True),
        limits=(0.3 / study.size.instances, 1.5),
        note=f"n = {study.size.instances:,}",
        places=PLACES,
    )
    study.draw(
        "leaps",
        figure,
        f"Where the last step led, R = {WIDTH:g}, E = {HEIGHT:g}: heavy tails leap, normal noise steps over.",
    )


def run(study: report.Study[Size]) -> None:
    """Exit times against the exact law, their growth with width and height, and the leap that ended them."""
    leaps: dict[float, NDArray[np.float64]] = {}
    for what, law, step, leap in leave(study):
        note(study, what, law, step)
        if what["sweep"] == "width" and what["width"] == WIDTH:
            leaps[what["alpha"]] = leap
    powers = {alpha: power_of_width(study, alpha) for alpha in SCALES}
    growth = {alpha: growth_with_height(study, alpha) for alpha in SCALES}
    for alpha in (1.5, 1.0):
        row = next(r for r in rows_of(study, "width", alpha) if r["width"] == WIDTH)
        error = row["mean"] / math.sqrt(study.size.instances)
        study.check(
            report.Check.asymptotic(f"E T of one jump, alpha = {alpha:g}", row["mean"], row["one jump"], 0.02, error)
        )
        share, known = float(np.mean(leaps[alpha] > 2)), 2.0**-alpha
        error = math.sqrt(known * (1 - known) / study.size.instances)
        study.check(report.Check.asymptotic(f"share with |x_T| > 2 R, alpha = {alpha:g}", share, known, 0.03, error))
    draw(study, leaps)
    study.find(
        "The exit time grows with the width, at one height, to the power "
        + ", ".join(f"{p:.3f} (alpha = {alpha:g})" for alpha, p in powers.items())
        + "."
    )
    study.find(
        f"From height {study.size.heights[0]:g} to {study.size.heights[-1]:g}, at one width, it is multiplied by "
        + ", ".join(f"{g:.4g} (alpha = {alpha:g})" for alpha, g in growth.items())
        + "."
    )
    study.find(
        "The last step ends beyond twice the width in "
        + ", ".join(f"{100 * float(np.mean(leap > 2)):.3g} % (alpha = {alpha:g})" for alpha, leap in leaps.items())
        + " of the instances."
    )


FULL = Size(20_000, 600_000, (1.0, 2.0, 4.0, 8.0), (0.25, 0.5, 1.0, 2.0, 4.0))
QUICK = Size(2_000, 300_000, (1.0, 2.0, 4.0), (0.25, 1.0, 4.0))
QUICK_NUMPY = Size(200, 60_000, (1.0, 1.5), (1.0, 3.0))
app = report.command(run, FULL, QUICK, QUICK_NUMPY)

if __name__ == "__main__":
    app()
