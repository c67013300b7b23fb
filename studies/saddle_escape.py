"""How long do optimizers stay at a strict saddle, and what does the time depend on?

Question. On f(x) = -gamma x_1^2/2 + x_1^4/4 + sum_{k>1} x_k^2/2 the origin is a strict saddle between two minima at x_1
= +-sqrt(gamma). T is the first step with |x_1| >= 1/4. How is T distributed for gradient descent from a random cloud,
for SGD, heavy ball, Nesterov's method and Adam kept moving by gradient noise from the saddle itself, and for perturbed
gradient descent, which is kicked once from there; and how does T grow with the dimension, the noise and the curvature?
And how long does every other optimizer of the catalogue stay there at such rates?

Expected. x_1 never sees the other coordinates, so one-dimensional laws are exact at every dimension. Gradient descent
and perturbed gradient descent: P(T > t) = P(|x_1(0)| <= phi^-t(1/4)) with phi the step without noise and x_1(0) from
the cloud or from a coordinate of the ball. SGD: the transfer operator of its step. Momentum: x_1 grows by lambda each
step, the larger root of its characteristic polynomial, so asymptotically P(T > t) = erf(A/(s_t sqrt 2)) with s_t the
spread of the linear process and A its amplitude when the real one arrives at 1/4. All of these are logarithms: a
growing x_1 takes ln(1/4 / what it starts from) / ln lambda. Only the kick knows the dimension, as the share of x_1 in
it is radius / sqrt(dim): half a logarithm. Adam divides the gradient by its size: without noise its early steps do not
know gamma at all. Langevin noise adds to the variance of the gradient's, decay makes the saddle flatter, averages do
not move x: SGD's law holds for them.

Found. All 84 comparisons with exact laws hold, |z| <= 2.9 (seed 0, 20,000 instances each; lr 0.05, momentum 0.9, Adam's
rate 0.001, noise 0.01, cloud and kick 0.001), and all 33 with the law of momentum, whose means are right to 1 %. From
dimension 8 to 1024 the medians of gradient descent (122 steps), SGD (113), heavy ball (29), Nesterov (27) and Adam
(178) do not move; that of perturbed gradient descent goes from 145 to 194. A hundred times the noise takes SGD from 160
to 66 and heavy ball from 42 to 17, but Adam from 170 to 451: noise fills its denominator and shortens its steps.
Sixteen times the curvature takes gradient descent from 488 to 33 and heavy ball from 58 to 16, Adam without noise only
from 173 to 169: on a flat saddle it beats gradient descent, on a steep one everybody beats it. Adam's times hardly
spread (standard deviation 7 steps against 23 of SGD's): it leaves on schedule rather than by chance. Of the catalogue's
28 kinds Adadelta (28 steps), heavy ball (29) and RMSProp with momentum (40, no correction: its first steps are long)
are as fast as Nesterov (27); most others take between 106 and 183; clipping (297 to 342), RMSProp (229) and the signs
(256, 266) are slow, and three never leave in 4,000 steps: Newton, whom saddles attract, AdaGrad, whose steps at rate
.001 add up to .13, and SAM, which looks for its gradient across the saddle and is pushed back.

Run `python studies/saddle_escape.py`, or with `--quick`. Every dimension draws its own starts and noise; within one,
the optimizers are paired. Exit status 1: an exact law lies more than four standard errors from the sample, or a mean
more than four and 1 % from the law of momentum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import report
import xarray as xr
from exits.catalogue import CATALOGUE, law_in_catalogue
from exits.quartic_saddle import ADAM_LR, BETA, CLOUD, EXIT, KICK, LR, SIGMA, law_of

import ensemble as en
from ensemble import plots, statistics

NOISY: dict[str, en.Optimizer] = {
    "SGD": en.GradientDescent(LR),
    "heavy ball": en.HeavyBall(LR, BETA),
    "Nesterov": en.Nesterov(LR, BETA),
    "Adam": en.Adam(ADAM_LR),
}
SIX = ("GD", *NOISY, "perturbed GD")
PLACES = plots.palette(["GD", "SGD", "heavy ball", "Nesterov", "Adam", "perturbed GD", "Adam, no noise"])
PATH_STEPS = 300
MOMENTUM_ERROR = 0.01  # relative, of the mean by its asymptotic law up to noise 0.1


@dataclass(frozen=True)
class Size(report.Size):
    """Says how much to run; the sweeps of noise and curvature are in the first dimension."""

    dims: tuple[int, ...]
    sigmas: tuple[float, ...]
    gammas: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    kinds: tuple[str, ...] = ("Momentum", "Clip", "RMSProp", "Lion")


FULL = Size(20_000, 4_000, (8, 32, 128, 512, 1024), (1e-3, 3e-3, 1e-2, 3e-2, 1e-1), kinds=())  # (): all
QUICK = Size(4_000, 2_500, (16, 64, 256), (3e-3, 1e-2, 3e-2, 1e-1))
QUICK_NUMPY = Size(1_000, 1_500, (16, 64), (3e-3, 1e-2, 3e-2, 1e-1), (0.5, 1.0, 2.0, 4.0))


# ---- the runs


def leave(
    study: report.Study[Size],
    sweep: str,
    name: str,
    number: int,
    optimizers: dict[str, en.Optimizer],
    start: en.Start,
    fixed: dict[str, Any],
    law_of: report.LawOf = law_of,
) -> xr.Dataset:
    """Runs optimizers from one start until they are out; notes a row for each configuration, and a check by its law.

    ``fixed`` are dimension, curvature and noise; runs of one ``number`` draw the same noise.
    """
    dim = fixed["dim"]
    runs = study.compare(
        name,
        optimizers,
        number=number,
        landscape=en.QuarticSaddle(dim=dim, gamma=fixed["gamma"]),
        start=start,
        noise=en.NoNoise() if fixed["sigma"] == 0 else en.Gaussian(fixed["sigma"]),
        event=en.LeftSlab(normal=np.eye(dim)[0], half_width=EXIT),
        keep_x=False,
    )
    what = f"{{optimizer}}, {sweep}, dim = {{dim:g}}, gamma = {{gamma:g}}, sigma = {{sigma:g}}"
    study.rows += report.escape_rows(sweep, runs, fixed, law_of)
    study.check(*report.time_checks(runs, fixed, law_of, what, MOMENTUM_ERROR))
    return runs


def sweep_six(
    study: report.Study[Size], sweep: str, dim: int, number: int, gamma: Any = 1.0, sigma: Any = SIGMA
) -> dict[str, xr.Dataset]:
    """Runs all optimizers of a sweep: those with noise, those from the cloud, and the one that is kicked."""
    quiet: dict[str, en.Optimizer] = {"GD": en.GradientDescent(LR)}
    if sweep == "curvature":
        quiet["Adam, no noise"] = en.Adam(ADAM_LR)
    kicked = {"perturbed GD": en.PerturbedGD(LR, radius=KICK, g_thres=1e-9, t_thres=study.size.steps)}
    groups: dict[str, tuple[dict[str, en.Optimizer], en.Start, Any]] = {"noisy": (NOISY, en.Point(0.0), sigma)}
    if sweep != "noise":
        groups |= {"cloud": (quiet, en.NormalCloud(CLOUD), 0.0), "kicked": (kicked, en.Point(0.0), 0.0)}
    title = f"{sweep}_{dim}" if sweep == "dimension" else sweep
    results = {}
    for name, (optimizers, start, noise) in groups.items():
        fixed = {"dim": dim, "gamma": gamma, "sigma": noise}
        results[name] = leave(study, sweep, f"{title}_{name}", number, optimizers, start, fixed)
    return results


def leave_with_all(study: report.Study[Size]) -> xr.Dataset:
    """Runs the whole catalogue, or ``kinds`` of it, from the saddle with noise; SGD is the yardstick."""
    kinds = study.size.kinds or tuple(CATALOGUE)
    optimizers = {name: CATALOGUE[name] for name in dict.fromkeys(("GradientDescent", *kinds))}
    fixed = {"dim": study.size.dims[0], "gamma": 1.0, "sigma": SIGMA}
    runs = leave(study, "catalogue", "catalogue", 1_002, optimizers, en.Point(0.0), fixed, law_in_catalogue)
    plain = runs["event_step"].sel(optimizer="GradientDescent").to_numpy()
    for name in ("Average", "EMA"):
        if name in kinds:
            other = int(np.sum(runs["event_step"].sel(optimizer=name).to_numpy() != plain))
            study.check(report.Check.equal(f"instances whose T is not SGD's, {name}", other, 0.0))
    return runs


# ---- pictures and words


def paths_of(seed: int) -> tuple[en.QuarticSaddle, Any]:
    """Runs a few paired paths of the six past a two-dimensional saddle, with NumPy: there is nothing to compile."""
    landscape, moved = en.QuarticSaddle(dim=2), NOISY | {"Adam": en.Adam(10 * ADAM_LR)}
    optimizers: dict[str, tuple[en.Optimizer, en.Noise]] = {
        "GD": (en.GradientDescent(LR), en.NoNoise()),
        **{name: (optimizer, en.Gaussian(0.3)) for name, optimizer in moved.items()},
        "perturbed GD": (en.PerturbedGD(LR, radius=0.1, g_thres=0.05, t_thres=PATH_STEPS), en.NoNoise()),
    }
    found = {
        name: en.simulate(
            landscape=landscape,
            optimizer=optimizer,
            noise=noise,
            start=en.UniformBox(low=(-3e-4, 0.7), high=(3e-4, 1.1)),
            record=en.Record(["x"], at=range(PATH_STEPS + 1)),
            instances=5,
            steps=PATH_STEPS,
            seed=seed,
            backend="numpy",
        )
        for name, (optimizer, noise) in optimizers.items()
    }
    return landscape, found


def draw(study: report.Study[Size], base: dict[str, xr.Dataset]) -> None:
    """Draws the figures, survival curves from the runs of ``base``."""
    dim = study.size.dims[0]
    groups = {name: base["cloud" if name == "GD" else "kicked" if name == "perturbed GD" else "noisy"] for name in SIX}
    curves = {name: one.sel(optimizer=name).drop_vars("optimizer") for name, one in groups.items()}
    latest = max(20, *(int(one["event_step"].max()) for one in curves.values()))
    known = {name: law_of(name, dim, 1.0, SIGMA)[1] for name in SIX}
    lines = {
        name: (np.arange(law.survival.size)[: latest + 1], law.survival[: latest + 1])
        for name, law in known.items()
        if law is not None
    }
    dotted = "dotted: the laws, exact for GD, SGD and perturbed GD, asymptotic for momentum"
    study.draw(
        "survival",
        plots.survival(curves, laws=lines, log=True, limits=(10, latest), places=PLACES),
        f"Share still at the saddle, dim {dim}, noise {SIGMA:g}, cloud and kick {CLOUD:g}; {dotted}.",
    )
    words = {
        "dimension": ("dim", "dimension", "dimension"),
        "noise": ("sigma", "gradient noise σ", f"gradient noise, dim {dim}"),
        "curvature": ("gamma", "curvature γ", f"the curvature of the saddle, dim {dim}"),
    }
    for sweep, (field_name, label, against) in words.items():
        seen, law = report.medians(study.rows, sweep, field_name, PLACES)
        figure = plots.against(seen, field_name, laws=law, x_label=label, places=PLACES)
        study.draw(sweep, figure, f"Median escape time against {against}; {dotted}.")
    landscape, tracks = paths_of(study.seed)
    study.draw(
        "paths",
        plots.paths(landscape, tracks, places=PLACES, limits=((-1.45, 1.45), (-0.75, 1.2))),
        f"Paired paths on a two-dimensional saddle, {PATH_STEPS} steps: noise 0.3, kick 0.1, Adam's rate 0.01.",
    )


def draw_catalogue(study: report.Study[Size], runs: xr.Dataset) -> None:
    """Draws the median times of the catalogue, the fastest on top."""
    curves = statistics.survival(runs)
    order = curves["optimizer"].to_numpy()[np.argsort(curves["median"].to_numpy())].tolist()
    known = {row["optimizer"]: row["law_median"] for row in study.rows if row["sweep"] == "catalogue" and row["law"]}
    figure = plots.bars(
        {"median": curves},
        "median",
        "optimizer",
        laws={"median": known},
        names={name: name for name in order if np.isfinite(curves["median"].sel(optimizer=name))},
        x_label="median of T (steps)",
        limits=(0.0, 1.08 * float(curves["median"].max())),
        height=1.2 + 0.12 * len(order),
    )
    study.draw("catalogue", figure, f"The catalogue, dim {study.size.dims[0]}, noise {SIGMA:g}; dotted: laws. ")


def findings(study: report.Study[Size]) -> None:
    """Says what the table says, in sentences."""
    size, keys = study.size, ("sweep", "optimizer", "dim", "gamma", "sigma")
    medians = {tuple(row[k] for k in keys): row["median"] for row in study.rows}

    def said(name: str, *times: float) -> str:
        return f"{name} " + " -> ".join(report.shown(t) or "beyond the horizon" for t in times)

    def spans(sweep: str, names: Iterable[str], key: str, values: Sequence[float]) -> str:
        """Says the medians at the first and the last of the swept values."""
        place, ends = keys.index(key), (values[0], values[-1])
        return "; ".join(
            said(name, *(m for at, m in medians.items() if at[:2] == (sweep, name) and at[place] in ends))
            for name in names
        )

    dims, sigmas, gammas = size.dims, size.sigmas, size.gammas
    growth = np.log1p(LR)
    kick, quieter = np.log(dims[-1] / dims[0]) / 2 / growth, np.log(sigmas[-1] / sigmas[0]) / growth
    study.find(
        f"Dimension {dims[0]} -> {dims[-1]}, median of T: {spans('dimension', SIX, 'dim', dims)}. "
        f"Half a logarithm of the dimension, for the kick alone: {kick:.1f} steps expected."
    )
    study.find(
        f"Noise {sigmas[0]:g} -> {sigmas[-1]:g}: {spans('noise', NOISY, 'sigma', sigmas)}. "
        f"A logarithm for SGD ({quieter:.0f} steps less expected); Adam is slowed."
    )
    curvature = spans("curvature", (*SIX, "Adam, no noise"), "gamma", gammas)
    study.find(f"Curvature {gammas[0]:g} -> {gammas[-1]:g}: {curvature}.")
    base = {name: medians["dimension", name, dims[0], 1.0, SIGMA] for name in NOISY}
    study.find(
        f"Momentum {BETA:g} at the same rate divides SGD's median by "
        f"{base['SGD'] / base['heavy ball']:.2f} (heavy ball) and {base['SGD'] / base['Nesterov']:.2f} (Nesterov)."
    )
    whole = [said(row["optimizer"], row["median"]) for row in study.rows if row["sweep"] == "catalogue"]
    study.find(f"The catalogue, median of T: {'; '.join(whole)}.")


# ---- the command


def run(study: report.Study[Size]) -> None:
    """Lets six optimizers and the catalogue leave a strict saddle, and draws curves, medians and paths."""
    size = study.size
    base = sweep_six(study, "dimension", size.dims[0], 0)
    for number, dim in enumerate(size.dims[1:], start=1):
        sweep_six(study, "dimension", dim, number)
    sweep_six(study, "noise", size.dims[0], 1_000, sigma=en.grid(size.sigmas))
    sweep_six(study, "curvature", size.dims[0], 1_001, gamma=en.grid(size.gammas))
    draw(study, base)
    draw_catalogue(study, leave_with_all(study))
    sweeps = ("dimension", "noise", "curvature", "catalogue")
    study.tables |= report.escape_tables(study.rows, dict.fromkeys(sweeps, ("dim", "gamma", "sigma")))
    findings(study)


app = report.command(run, FULL, QUICK, QUICK_NUMPY)

if __name__ == "__main__":
    app()
