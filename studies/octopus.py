"""How long does gradient descent take past saddles in a row, and what does a small kick change?

Question. On the octopus of Du et al. (2017), a tube of d saddles one after another, with L/gamma = 1, 1.5, 2, 3: at which step
is each saddle passed (the first with |x_j| >= 2 tau), by gradient descent and by perturbed gradient descent?

Expected. Du, Jin, Lee, Jordan, Singh and Poczos (2017), arXiv:1705.10412, section 4, with tau = e and lr = 1/(4L). The
coordinate of a saddle not yet reached is halved at every step, and at its saddle grows by 1 + gamma/(2L): what t steps have
taken away needs t ln 2 / ln(1 + gamma/(2L)) steps more, so each passage comes kappa = 1 + ln 2 / ln(1 + gamma/(2L)) times as late
as the one before. Between tau and 2 tau the step is a scalar map: every passage is a whole number, known beforehand. A kick
uniform in a ball gives every coordinate the same size at every saddle: perturbed gradient descent (radius tau/100, at gradients
up to gamma tau/100, every second step) spends one and the same time at each; and after a single kick at any saddle,
P(T > t) = P(|x_1| <= tau (1 + gamma/(2L))^-t) exactly, with x_1 a coordinate of the ball. In float32 a coordinate is zero
after some 130 halvings, in float64 after some 1,070: the saddle whose turn comes later is never passed. That is arithmetic, in both
precisions, and the run says so.

Found. All 46 comparisons with laws hold (seed 0, 20,000 instances). From 1/2 in every coordinate gradient descent passes at
steps 6, 21, 62, 173, 472, 1,284 (L = gamma) and 14, 89, 495, 2,732 (L = 3 gamma), and 500 random starts pass as the law says, to the
step, in all eight settings. kappa is 2.71, 3.41, 4.11 and 5.50: the tenth saddle comes at step 69,339 (L = gamma) and 75,381,781
(L = 3 gamma) by law. Perturbed gradient descent spends 26, 33, 40 and 53 steps at every saddle and is past the tenth at a median of 232
and 491 steps. Arithmetic: in float32 88 % of the starts never pass the fifth saddle (L = gamma), which in float64 they do at a median of
500; in float64 the seventh is never passed: its turn, step 3,483, would come after 1,284 halvings.

Run `python studies/octopus.py`, or with `--quick`. Gradient descent has no chance in it, and where its passages are compared
start by start (dim 10, and float32) a tenth of the instances is enough.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import report
import xarray as xr
from exits.saddle_chain import GAMMA, HALVINGS, SUBNORMAL, TAU, passages, underflows
from numpy.typing import NDArray

import ensemble as en
from ensemble import plots
from ensemble.statistics import laws, survival

KICK, QUIET = TAU / 100, GAMMA * TAU / 100
COMPARED = 500  # starts whose every passage is compared with the law
SETTLED = 3  # from this saddle on the stages of perturbed gradient descent are alike: the start is forgotten
ALIKE = 0.02  # relative: how much alike
ARRIVED = 3.99 * TAU  # of the last coordinate, whose minimum is at 4 tau
CUBE = en.UniformBox(-1.0, 1.0)
NAMES = ("GD", "perturbed GD")


@dataclass(frozen=True)
class Size(report.Size):
    """How much to run; ``long`` steps for the one descent that shows where float64 ends."""

    ratios: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0)
    dims: tuple[int, ...] = (5, 10)
    long: int = 4_000


# ---- the runs


def descend(study: report.Study[Size], name: str, optimizer: str, dim: int, dtype: str, **given: Any) -> xr.Dataset:
    """The passage of every saddle and, last along ``normal_half_width``, the arrival at a minimum, at every ratio."""
    both = en.zipped(lr=[1 / (4 * L) for L in study.size.ratios], L=study.size.ratios)
    kicked = en.PerturbedGD(both.lr, radius=KICK, g_thres=QUIET, t_thres=1)
    ends = np.eye(dim)[[*range(dim), dim - 1]]
    gone = en.zipped(normal=[tuple(row) for row in ends], half_width=[2 * TAU] * dim + [ARRIVED])
    with warnings.catch_warnings():
        if dtype == "float64":  # where that ends is known, and compared with the law
            warnings.filterwarnings("ignore", "In .* a coordinate was flushed to 0")
        return study.simulate(
            name,
            landscape=en.Octopus(dim=dim, L=both.L, gamma=GAMMA, tau=TAU),
            optimizer=kicked if optimizer == "perturbed GD" else en.GradientDescent(both.lr),
            event=en.LeftSlab(normal=gone.normal, half_width=gone.half_width),
            record=en.Record(["value"], at=en.lin_spaced(200), summary=True),
            dtype=dtype,
            **given,
        )


def starts(seed: int, dim: int, count: int) -> NDArray[np.float64]:
    """The first starts of the random descents, (count, dim): drawn alike on every backend, so here by the one with no compiler."""
    result = en.simulate(
        landscape=en.Octopus(dim=dim),
        optimizer=en.GradientDescent(0.25),
        start=CUBE,
        record=en.Record(["x"], at=[0]),
        instances=count,
        steps=1,
        seed=seed,
        backend="numpy",
        dtype="float64",
    )
    return np.asarray(result.dataset["path"].isel(step=0))


# ---- what is seen


def from_one_half(study: report.Study[Size], dim: int) -> list[list[Any]]:
    """Every coordinate from 1/2: each passage at the law's step, up to where float64 loses a coordinate; lines of a table."""
    one = {"start": en.Point(0.5), "instances": 1, "steps": study.size.long}
    runs, lines = descend(study, f"half_{dim}", "GD", dim, "float64", **one), []
    for k, L in enumerate(study.size.ratios):
        seen = runs["event_step"].isel(L_lr=k, instance=0).to_numpy()[:dim]
        known = passages(np.full(dim, 0.5), L)
        lost = underflows(known, "float64")
        law = np.where(lost | (known > study.size.long), -1, known)
        what = f"GD from 1/2, d = {dim}, L = {L:g}"
        study.check(report.Check.equal(f"{what}: saddles passed, or not, as by law", int(np.sum(seen == law)), dim))
        for j in range(dim):
            why = "" if law[j] > 0 else "underflow" if lost[j] else "later than watched"
            lines.append([dim, L, j + 1, int(known[j]), int(seen[j]) if seen[j] > 0 else math.nan, why])
        three = np.diff(seen[seen > 0])[-2:]
        if three.size == 2:
            ratio, kappa = three[1] / three[0], laws.octopus_stage_growth(L, GAMMA)
            study.check(report.Check.asymptotic(f"{what}: growth of the last stage", ratio, kappa, 1.5 / three[0]))
    return lines


def look_at(study: report.Study[Size], dim: int, name: str, runs: xr.Dataset, law: NDArray[np.int64]) -> None:
    """Rows of the table: the median of every passage, and the mean time at every saddle where all got past it."""
    curves, step = survival(runs), runs["event_step"].transpose("L_lr", "normal_half_width", "instance").to_numpy()
    stages = np.where(step > 0, np.diff(step, axis=1, prepend=0), math.nan)
    for k, L in enumerate(study.size.ratios):
        for j, stage in enumerate(stages[k, :dim]):
            found = curves.isel(L_lr=k, normal_half_width=j)
            row: dict[str, Any] = {"d": dim, "L": L, "optimizer": name, "saddle": j + 1}
            row |= {"n": int(found["n"]), "passed": int(found["events_total"])}
            row |= {column: float(found[column]) for column in ("median", "median_lower", "median_upper")}
            row |= report.mean_columns("stage", stage)
            row["law_median"] = float(np.median(law[k, :, j])) if name == "GD" else math.nan
            study.rows.append(row)


def compare_starts(study: report.Study[Size], dim: int, runs: xr.Dataset, law: NDArray[np.int64]) -> None:
    """Start by start: every passage within the horizon at the law's step."""
    step = runs["event_step"].transpose("L_lr", "instance", "normal_half_width").to_numpy()[:, : law.shape[1], :dim]
    for L, seen, known in zip(study.size.ratios, step, law, strict=True):
        right = np.all(seen == np.where(known > study.size.steps, -1, known), axis=1)
        what = f"GD from random starts, d = {dim}, L = {L:g}: starts with every passage at the law's step"
        study.check(report.Check.equal(what, int(right.sum()), right.size))


def settled(study: report.Study[Size], dim: int, L: float) -> list[dict[str, Any]]:
    """The rows of perturbed gradient descent at the saddles where the start is forgotten."""
    return report.where(study.rows, d=dim, L=L, optimizer="perturbed GD")[SETTLED - 1 :]


def compare_stages(study: report.Study[Size], dim: int) -> None:
    """Perturbed gradient descent: the longest of the stages against their mean, once the start is forgotten."""
    for L in study.size.ratios:
        rows = settled(study, dim, L)
        stages = np.array([r["stage"] for r in rows])
        error = max(report.error_of(r, "stage") for r in rows) / stages.mean()
        what = f"perturbed GD, d = {dim}, L = {L:g}: longest stage from saddle {SETTLED} on, over their mean"
        study.check(report.Check.asymptotic(what, stages.max() / stages.mean(), 1.0, ALIKE, error))


def compare_kicks(study: report.Study[Size], dim: int) -> None:
    """One kick at the first, the middle and the last saddle, until its own coordinate has the size tau: one law."""
    saddles = sorted({0, dim // 2, dim - 1})
    here = [(4 * TAU,) * j + (0.0,) * (dim - j) for j in saddles]
    each = en.zipped(x=here, normal=[tuple(np.eye(dim)[j]) for j in saddles])
    runs = study.simulate(
        f"one_kick_{dim}",
        landscape=en.Octopus(dim=dim, L=GAMMA, gamma=GAMMA, tau=TAU),
        optimizer=en.PerturbedGD(1 / (4 * GAMMA), radius=KICK, g_thres=QUIET, t_thres=study.size.steps),
        start=en.Point(each.x),
        event=en.LeftSlab(normal=each.normal, half_width=TAU),
        dtype="float64",
        keep_x=False,
    )
    law = laws.random_start_exit(1 / (4 * GAMMA), 2 * GAMMA, TAU, laws.BallStart(KICK, dim), study.size.steps)
    for j, step in zip(saddles, runs["event_step"].transpose(..., "instance").to_numpy(), strict=True):
        study.check(*report.Check.times(f"one kick, d = {dim}, saddle {j + 1}", law, step, study.size.steps))


def lose_precision(study: report.Study[Size], double: xr.Dataset, law: NDArray[np.int64]) -> None:
    """The same starts in float32: a saddle whose coordinate has been halved too often is never passed."""
    dim, steps, L = study.size.dims[0], study.size.steps, study.size.ratios[0]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        few = {"instances": study.size.instances // 10, "backend": "numpy"}  # and nothing to compile
        single = descend(study, "float32", "GD", dim, "float32", start=CUBE, **few)
    warned = sum("flushed to 0" in str(one.message) for one in said)
    study.check(report.Check.at_least("GD in float32: warnings of a coordinate flushed to 0", warned, 1))
    gone = np.flatnonzero(np.median(law[0], axis=0)[:-1] > HALVINGS["float32"])
    saddle = int(gone[0]) + 2 if gone.size else dim  # the first one whose coordinate waits so long
    share = float(np.mean(law[0, :, saddle - 2] <= SUBNORMAL))
    own, other = (runs["event_step"].isel(L_lr=0, normal_half_width=saddle - 1) > 0 for runs in (single, double))
    seen, known = float(own[: law.shape[1]].mean()), float(other.mean())
    what = f"GD in float32, d = {dim}, L = {L:g}: share past saddle {saddle}"
    study.check(report.Check.at_most(f"{what} (whose coordinate is not halved to nothing)", seen, share))
    x = single["x"].isel(L_lr=0, normal_half_width=dim).to_numpy()
    lost = float(np.mean(np.any(np.abs(x) < np.finfo(np.float32).smallest_normal, axis=-1)))
    study.find(
        f"Arithmetic: in float32 {100 * seen:.3g} % of the starts pass saddle {saddle} of {dim} within {steps:,} steps, in "
        f"float64 {100 * known:.3g} %; {100 * lost:.3g} % end with a coordinate below the smallest normal number, at a saddle they "
        f"cannot leave."
    )
    curves = {
        f"{kind}, saddle {j}": runs.isel(L_lr=0, normal_half_width=j - 1)
        for kind, runs in (("float64", double), ("float32", single))
        for j in (saddle - 1, saddle)
    }
    study.draw(
        "float32",
        plots.survival(curves, log=True, limits=(10, steps)),
        f"Share of descents not yet past saddles {saddle - 1} and {saddle}, d = {dim}, L = {L:g}, in two precisions.",
    )


def draw_descents(study: report.Study[Size], dim: int, runs: dict[str, xr.Dataset]) -> None:
    """The paper's figure of ``dim`` saddles: f against the step, a picture for each L."""
    for k, L in enumerate(study.size.ratios):
        stair = en.Octopus(dim=dim, L=L, gamma=GAMMA, tau=TAU).constants()["nu"]
        own = {name: one.isel(L_lr=k, normal_half_width=dim) for name, one in runs.items()}
        both = {name: one.assign(value_quantile=one["value_quantile"] / stair) for name, one in own.items()}
        study.draw(
            f"descent_{dim}_{L:g}",
            plots.fan(both, "value", log=(False, False), y_label="f(x) / nu", height=2.4),
            f"f against the step, d = {dim}, L = {L:g} gamma, from random starts: one stair, nu = {stair:.4g}, for every saddle passed.",
        )


def draw_passages(study: report.Study[Size]) -> None:
    """Median passage against the saddle's number in the highest dimension, and the law far beyond the horizon."""
    dim, seen, lines = study.size.dims[-1], {}, {}
    for name in NAMES:
        for L in (study.size.ratios[0], study.size.ratios[-1]):
            rows, label = report.where(study.rows, d=dim, L=L, optimizer=name), f"{name}, L = {L:g}"
            seen[label] = report.points(rows, "saddle", "median")
            if name == "GD":
                lines[label] = ([r["saddle"] for r in rows], [r["law_median"] for r in rows])
    figure = plots.curves(
        seen, "median", "saddle", laws=lines, x_label="saddle", y_label="median step of its passage", log=(False, True)
    )
    study.draw(
        "passages",
        figure,
        f"Median step at which each of {dim} saddles is passed, from random starts; dotted: the law, exact. L is in units of gamma.",
    )


# ---- the command


def run(study: report.Study[Size]) -> None:
    """Both figures of the paper, the passages against their laws, one kick at a time, and where arithmetic ends."""
    size, lines, descents = study.size, [], {}
    for dim in size.dims:
        lines += from_one_half(study, dim)
        points = starts(study.seed, dim, min(COMPARED, size.instances // 10))
        law = np.array([[passages(x, L) for x in points] for L in size.ratios])
        kept: dict[str, xr.Dataset] = {}
        for name in NAMES:
            n = size.instances if name != "GD" or dim == min(size.dims) else size.instances // 10
            given = {"start": CUBE, "instances": n, "keep_x": False}
            kept[name] = descend(study, f"{name.replace(' ', '_')}_{dim}", name, dim, "float64", **given)
            look_at(study, dim, name, kept[name], law)
        compare_starts(study, dim, kept["GD"], law)
        compare_stages(study, dim)
        compare_kicks(study, dim)
        draw_descents(study, dim, kept)
        descents[dim] = kept["GD"], law
    say(study)
    lose_precision(study, *descents[size.dims[0]])
    draw_passages(study)
    columns = ["d", "L", "saddle", "by law", "seen", "why not"]
    study.tables["From 1/2 in every coordinate: the step of each passage"] = (columns, lines)
    study.tables["From random starts"] = report.table_of(study.rows)


def say(study: report.Study[Size]) -> None:
    """What the table says, in sentences."""
    dim, ratios = study.size.dims[-1], study.size.ratios
    stages = [float(np.mean([r["stage"] for r in settled(study, dim, L)])) for L in ratios]
    last = passages(np.full(dim, 0.5), ratios[0])
    kicked = report.where(study.rows, d=dim, L=ratios[0], optimizer="perturbed GD")[-1]
    study.find(
        f"Each passage of gradient descent comes kappa = "
        f"{', '.join(f'{laws.octopus_stage_growth(L, GAMMA):.3g}' for L in ratios)} times as late as the one before "
        f"(L = {', '.join(f'{L:g}' for L in ratios)}); perturbed gradient descent spends "
        f"{', '.join(f'{s:.1f}' for s in stages)} steps at every saddle. The last of {dim} saddles at L = {ratios[0]:g}: "
        f"step {last[-1]:,} from 1/2 by law, against a median of {report.shown(kicked['median'])}."
    )


FULL = Size(20_000, 1_500)
QUICK = Size(1_000, 1_000, ratios=(1.0, 3.0), dims=(5,), long=1_500)
QUICK_NUMPY = Size(200, 600, ratios=(1.0, 3.0), dims=(5,), long=600)
app = report.command(run, FULL, QUICK, QUICK_NUMPY)

if __name__ == "__main__":
    app()
