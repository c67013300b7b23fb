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

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import report
from scipy.special import erf

import ensemble as en
from ensemble import plots, statistics
from ensemble.statistics import laws

LR, BETA, ADAM_LR = 0.05, 0.9, 1e-3
CLOUD, KICK, SIGMA, EXIT = 1e-3, 1e-3, 1e-2, 0.25
NOISY = ("SGD", "heavy ball", "Nesterov", "Adam")
SIX = ("GD", *NOISY, "perturbed GD")
PLACES = plots.palette(["GD", "SGD", "heavy ball", "Nesterov", "Adam", "perturbed GD", "Adam, no noise"])
PATH_STEPS = 300
MOMENTUM_ERROR = 0.01  # relative, of the mean by its asymptotic law up to noise 0.1


@dataclass(frozen=True)
class Size(report.Size):
    """How much to run. The sweeps of noise and curvature are in the first dimension."""

    dims: tuple[int, ...]
    sigmas: tuple[float, ...]
    gammas: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    kinds: tuple[str, ...] = ("Momentum", "Clip", "RMSProp", "Lion")


FULL = Size(20_000, 4_000, (8, 32, 128, 512, 1024), (1e-3, 3e-3, 1e-2, 3e-2, 1e-1), kinds=())  # (): all
QUICK = Size(4_000, 2_500, (16, 64, 256), (3e-3, 1e-2, 3e-2, 1e-1))
QUICK_NUMPY = Size(1_000, 1_500, (16, 64), (3e-3, 1e-2, 3e-2, 1e-1), (0.5, 1.0, 2.0, 4.0))


# ---- the laws


def escape_of_map(gamma: float, start: laws.StartLaw) -> laws.TimeLaw:
    """Exact law of T without noise: x_1 moves by phi(x) = x + lr (gamma x - x^3), which grows on [0, 1/4]."""
    u, tail = EXIT, [1.0]
    while tail[-1] > 1e-15:
        target = u
        for _ in range(6):  # Newton's method from the right of the root of a concave function
            u -= (u + LR * (gamma * u - u**3) - target) / (1 + LR * (gamma - 3 * u**2))
        tail.append(float(start.within(np.array(u))))
    return report.time_law(np.array(tail))


@cache
def escape_with_noise(gamma: float, sigma: float) -> laws.TimeLaw:
    """Exact law of T for SGD from the saddle; the whole curve where it is drawn, to beyond the median elsewhere."""
    reach = 2.5 if (gamma, sigma) == (1.0, SIGMA) else 1.1
    steps = int(reach * laws.saddle_exit_mean_asymptotic(LR, gamma, sigma, EXIT)) + 40
    return laws.exit_law(lambda x: x**3 - gamma * x, LR, sigma, -EXIT, EXIT, 0.0, steps)


def escape_with_momentum(ahead: bool, gamma: float, sigma: float, lr: float = LR) -> laws.TimeLaw:
    """Law of T for noise small against 1/4: all noise that matters falls while the saddle is still quadratic.

    (x, v) moves by a matrix there and x -> lambda^t Z s; how far a path without noise lags behind its linear amplitude
    when it arrives at 1/4 (Koenigs' linearisation of the unstable manifold) is computed by following some.
    """
    a = lr * gamma
    keep = BETA * (1 + a) if ahead else BETA
    roots, vectors = np.linalg.eig(np.array([[1 + a, keep], [a, keep]]))
    k = int(np.argmax(roots))
    growth, along = float(roots[k]), vectors[1, k] / vectors[0, k]
    left = np.linalg.inv(vectors)[k] * vectors[0, k]
    amplitude = 1e-4 * EXIT * growth ** np.linspace(0, 1, 200)
    x, v = amplitude, along * amplitude
    seen = [(x, amplitude)]
    while x.min() < EXIT:
        y = x + BETA * v if ahead else x
        v = BETA * v + lr * (gamma * y - y**3)
        x, amplitude = x + v, amplitude * growth
        seen.append((x, amplitude))
    arrived, linear = (np.concatenate(column) for column in zip(*seen, strict=True))
    order = np.argsort(arrived)
    level = np.interp(EXIT, arrived[order], linear[order])
    t = np.arange(1, int((np.log(level / (lr * sigma)) + 36.0) / np.log(growth)))  # to P(T > t) of 1e-15
    spread = lr * sigma * abs(left.sum()) * np.sqrt((growth ** (2.0 * t) - 1) / (growth**2 - 1))
    return report.time_law(np.append(1.0, erf(level / (spread * np.sqrt(2)))))


def law_of(optimizer: str, dim: int, gamma: float, sigma: float) -> tuple[str, laws.TimeLaw | None]:
    """What is known of an optimizer's T: "exact", "asymptotic" or "" and the law."""
    if optimizer == "GD":
        return "exact", escape_of_map(gamma, laws.NormalStart(CLOUD))
    if optimizer == "perturbed GD":
        return "exact", escape_of_map(gamma, laws.BallStart(KICK, dim))
    if optimizer == "SGD":
        return "exact", escape_with_noise(gamma, sigma)
    if optimizer in ("heavy ball", "Nesterov"):
        return "asymptotic", escape_with_momentum(optimizer == "Nesterov", gamma, sigma)
    return "", None


# ---- the whole catalogue

DECAY, WARM, NORM = 0.2, SIGMA**2 * LR / 2, 0.02
"""Weight decay; the temperature whose noise is as large as the gradient's; a norm below that of most gradients."""
CATALOGUE: dict[str, en.Optimizer] = {
    "GradientDescent": en.GradientDescent(LR),
    "HeavyBall": en.HeavyBall(LR, BETA),
    "Momentum": en.Momentum(LR, BETA),
    "Nesterov": en.Nesterov(LR, BETA),
    "PerturbedGD": en.PerturbedGD(LR, radius=KICK, g_thres=0.03, t_thres=10),
    "SGLD": en.SGLD(LR, temperature=WARM),
    "SignSGD": en.SignSGD(ADAM_LR),
    "Lion": en.Lion(ADAM_LR),
    "AdaGrad": en.AdaGrad(ADAM_LR),
    "AdaGradRMS": en.AdaGradRMS(ADAM_LR),
    "RMSProp": en.RMSProp(ADAM_LR),
    "RMSPropMomentum": en.RMSPropMomentum(ADAM_LR),
    "Adadelta": en.Adadelta(),
    "Adam": en.Adam(ADAM_LR),
    "AMSGrad": en.AMSGrad(ADAM_LR),
    "AdamL2": en.AdamL2(ADAM_LR, weight_decay=DECAY),
    "AdamW": en.AdamW(ADAM_LR, weight_decay=DECAY),
    "Adai": en.Adai(LR),
    "Newton": en.Newton(LR, iterations=2),
    "Preconditioned": en.Preconditioned(LR, absolute_values=True),
    "SaddleFreeNewton": en.SaddleFreeNewton(LR, damping=0.1, smoothness=1.0),
    "Clip": en.Clip(en.GradientDescent(LR), norm=NORM),
    "ClipValue": en.ClipValue(en.GradientDescent(LR), limit=NORM),
    "L2": en.L2(en.GradientDescent(LR), weight_decay=DECAY),
    "WeightDecay": en.WeightDecay(en.GradientDescent(LR), lr=LR, weight_decay=DECAY),
    "SAM": en.SAM(en.GradientDescent(LR)),
    "Average": en.Average(en.GradientDescent(LR)),
    "EMA": en.EMA(en.GradientDescent(LR)),
    "NAdam": en.NAdam(ADAM_LR),
    "RAdam": en.RAdam(ADAM_LR),
    "Adamax": en.Adamax(ADAM_LR),
    "AdaBelief": en.AdaBelief(ADAM_LR),
    "Lookahead": en.Lookahead(en.GradientDescent(LR)),
    "ScheduleFree": en.ScheduleFree(en.GradientDescent(LR)),
}
"""Every optimizer that the library has, at the rates of the six; wrappers are around gradient descent."""


def law_in_catalogue(optimizer: str, dim: int, gamma: float, sigma: float) -> tuple[str, laws.TimeLaw | None]:
    """What is known of T under the catalogue's settings: "exact", "asymptotic" or "" and the law."""
    if optimizer in ("GradientDescent", "Average", "EMA"):
        return "exact", escape_with_noise(gamma, sigma)
    if optimizer == "SGLD":
        return "exact", escape_with_noise(gamma, float(np.sqrt(sigma**2 + 2 * WARM / LR)))
    if optimizer in ("L2", "WeightDecay"):  # a saddle that is flatter by the decay
        return "exact", escape_with_noise(gamma - DECAY, sigma)
    if optimizer in ("HeavyBall", "Nesterov"):
        return "asymptotic", escape_with_momentum(optimizer == "Nesterov", gamma, sigma)
    if optimizer == "Momentum":
        return "asymptotic", escape_with_momentum(False, gamma, sigma, LR * (1 - BETA))
    return "", None


def leave_with_all(study: report.Study[Size]) -> en.Result:
    """The whole catalogue, or ``kinds`` of it, from the saddle with noise; SGD is the yardstick."""
    kinds = study.size.kinds or tuple(CATALOGUE)
    dim = study.size.dims[0]
    result = en.compare(
        {name: CATALOGUE[name] for name in dict.fromkeys(("GradientDescent", *kinds))},
        landscape=en.QuarticSaddle(dim=dim),
        start=en.Point(0.0),
        noise=en.Gaussian(SIGMA),
        event=en.LeftSlab(normal=np.eye(dim)[0], half_width=EXIT),
        instances=study.size.instances,
        steps=study.size.steps,
        seed=(study.seed + 1_002) % 2**64,
        backend=study.backend,
        keep_x=False,
    )
    study.keep("catalogue", result)
    fixed = {"dim": dim, "gamma": 1.0, "sigma": SIGMA}
    study.rows += report.escape_rows("catalogue", result.dataset, fixed, law_in_catalogue)
    compare_with_laws(study, "catalogue", result.dataset, fixed, law_in_catalogue)
    plain = result.dataset["event_step"].sel(optimizer="GradientDescent").to_numpy()
    for name in {"Average", "EMA"} & set(kinds):
        other = int(np.sum(result.dataset["event_step"].sel(optimizer=name).to_numpy() != plain))
        study.check(report.Check.equal(f"instances whose T is not SGD's, {name}", other, 0.0))
    return result


def draw_catalogue(study: report.Study[Size], result: en.Result) -> None:
    """Median times of all, the fastest on top."""
    curves = statistics.survival(result.dataset)
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


# ---- the runs


def leave(
    study: report.Study[Size], sweep: str, dim: int, number: int, gamma: Any = 1.0, sigma: Any = SIGMA
) -> dict[str, en.Result]:
    """All optimizers that the sweep is about, from the saddle or the cloud until they are out."""
    steps = study.size.steps
    noisy = {
        "SGD": en.GradientDescent(LR),
        "heavy ball": en.HeavyBall(LR, BETA),
        "Nesterov": en.Nesterov(LR, BETA),
        "Adam": en.Adam(ADAM_LR),
    }
    kicked = {"perturbed GD": en.PerturbedGD(LR, radius=KICK, g_thres=1e-9, t_thres=steps)}
    quiet: dict[str, en.Optimizer] = {"GD": en.GradientDescent(LR)}
    if sweep == "curvature":
        quiet["Adam, no noise"] = en.Adam(ADAM_LR)
    groups: dict[str, tuple[Any, en.Start, en.Noise]] = {
        "noisy": (noisy, en.Point(0.0), en.Gaussian(sigma)),
        "cloud": (quiet, en.NormalCloud(CLOUD), en.NoNoise()),
        "kicked": (kicked, en.Point(0.0), en.NoNoise()),
    }
    if sweep == "noise":
        del groups["cloud"], groups["kicked"]
    results = {}
    for name, (optimizers, start, noise) in groups.items():
        result = en.compare(
            optimizers,
            landscape=en.QuarticSaddle(dim=dim, gamma=gamma),
            start=start,
            noise=noise,
            event=en.LeftSlab(normal=np.eye(dim)[0], half_width=EXIT),
            instances=study.size.instances,
            steps=steps,
            seed=(study.seed + number) % 2**64,
            backend=study.backend,
            keep_x=False,
        )
        results[name] = study.keep(f"{sweep}{f'_{dim}' if sweep == 'dimension' else ''}_{name}", result)
        fixed = {"dim": dim, "gamma": gamma, "sigma": sigma if name == "noisy" else 0.0}
        study.rows += report.escape_rows(sweep, result.dataset, fixed, law_of)
        compare_with_laws(study, sweep, result.dataset, fixed)
    return results


def compare_with_laws(
    study: report.Study[Size], sweep: str, runs: Any, fixed: dict[str, Any], law_of: report.LawOf = law_of
) -> None:
    """A check for every optimizer and configuration whose law is known."""
    for place in report.places(runs["event_step"].isel(instance=0)):
        one = runs.isel(place)
        name, here = one["optimizer"].item(), fixed | {d: one[d].item() for d in place if d != "optimizer"}
        kind, law = law_of(name, **here)
        what = f"{name}, {sweep}, " + ", ".join(f"{k} = {v:g}" for k, v in here.items())
        steps = one["event_step"].to_numpy()
        if kind == "exact" and law is not None:
            study.check(*report.Check.times(what, law, steps, int(one["horizon"])))
        elif law is not None and np.all(steps > 0):
            error = law.sd / np.sqrt(steps.size)
            study.check(report.Check.asymptotic(f"E T, {what}", steps.mean(), law.mean, MOMENTUM_ERROR, error))


# ---- pictures and words


def paths_of(seed: int) -> tuple[en.QuarticSaddle, Any]:
    """A few paired paths of the six optimizers down to a two-dimensional saddle and out of it (NumPy: nothing to compile)."""
    landscape = en.QuarticSaddle(dim=2)
    optimizers: dict[str, tuple[en.Optimizer, en.Noise]] = {
        "GD": (en.GradientDescent(LR), en.NoNoise()),
        "SGD": (en.GradientDescent(LR), en.Gaussian(0.3)),
        "heavy ball": (en.HeavyBall(LR, BETA), en.Gaussian(0.3)),
        "Nesterov": (en.Nesterov(LR, BETA), en.Gaussian(0.3)),
        "Adam": (en.Adam(10 * ADAM_LR), en.Gaussian(0.3)),
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


def findings(rows: list[dict[str, Any]], size: Size) -> list[str]:
    """What the table says, in sentences."""
    medians = {tuple(row[k] for k in ("sweep", "optimizer", "dim", "gamma", "sigma")): row["median"] for row in rows}

    def span(sweep: str, name: str, place: int, values: tuple[float, ...]) -> str:
        found = [m for key, m in medians.items() if key[:2] == (sweep, name) and key[place] in (values[0], values[-1])]
        return f"{name} " + " -> ".join(report.shown(m) or "beyond the horizon" for m in found)

    low, high = size.dims[0], size.dims[-1]
    base = {name: medians["dimension", name, low, 1.0, SIGMA] for name in NOISY}
    growth = np.log1p(LR)
    return [
        f"Dimension {low} -> {high}, median of T: "
        + "; ".join(span("dimension", name, 2, size.dims) for name in SIX)
        + f". Half a logarithm of the dimension, for the kick alone: {np.log(high / low) / 2 / growth:.1f} steps expected.",
        f"Noise {size.sigmas[0]:g} -> {size.sigmas[-1]:g}: "
        + "; ".join(span("noise", name, 4, size.sigmas) for name in NOISY)
        + f". A logarithm for SGD ({np.log(size.sigmas[-1] / size.sigmas[0]) / growth:.0f} steps less expected); Adam is slowed.",
        f"Curvature {size.gammas[0]:g} -> {size.gammas[-1]:g}: "
        + "; ".join(span("curvature", name, 3, size.gammas) for name in (*SIX, "Adam, no noise"))
        + ".",
        f"Momentum {BETA:g} at the same rate divides SGD's median by {base['SGD'] / base['heavy ball']:.2f} (heavy ball) "
        f"and {base['SGD'] / base['Nesterov']:.2f} (Nesterov).",
        "The catalogue, median of T: "
        + "; ".join(
            f"{row['optimizer']} {report.shown(row['median']) or 'beyond the horizon'}"
            for row in rows
            if row["sweep"] == "catalogue"
        )
        + ".",
    ]


def draw(study: report.Study[Size], base: dict[str, en.Result]) -> None:
    """The figures, survival curves from the runs of ``base``."""
    dim = study.size.dims[0]
    groups = {name: base["cloud" if name == "GD" else "kicked" if name == "perturbed GD" else "noisy"] for name in SIX}
    curves = {name: one.dataset.sel(optimizer=name).drop_vars("optimizer") for name, one in groups.items()}
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


# ---- the command


def run(study: report.Study[Size]) -> None:
    """Six optimizers leave a strict saddle: survival curves, medians against dimension, noise and curvature, paths."""
    size = study.size
    base = leave(study, "dimension", size.dims[0], 0)
    for number, dim in enumerate(size.dims[1:], start=1):
        leave(study, "dimension", dim, number)
    leave(study, "noise", size.dims[0], 1_000, sigma=en.grid(size.sigmas))
    leave(study, "curvature", size.dims[0], 1_001, gamma=en.grid(size.gammas))
    draw(study, base)
    draw_catalogue(study, leave_with_all(study))
    for sweep in ("dimension", "noise", "curvature", "catalogue"):
        rows = [row for row in study.rows if row["sweep"] == sweep]
        study.tables[f"Table: {sweep}"] = report.escape_table(rows, ["dim", "gamma", "sigma"])
    for sentence in findings(study.rows, size):
        study.find(sentence)


app = report.command(run, FULL, QUICK, QUICK_NUMPY)

if __name__ == "__main__":
    app()
