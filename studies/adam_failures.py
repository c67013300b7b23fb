"""Where does Adam fail, and what repairs it?

Question. Five known failures, each on the smallest example: linear losses on which Adam goes to the worst point (Reddi et al. 2018), in
fixed and in random order; the two-cycle that it settles on in a parabola; weight decay that is divided like a gradient; and a rotation of
the coordinates. How sure, how fast and how large are they over an ensemble, and how do AMSGrad, AdamW and SGD fare?

Expected. Losses 3x, -x, -x, ... on [-1, 1], beta1 = 0, beta2 = 0.1, rate 0.5/sqrt(t), no bias correction: x_(3t+1) = 1 for every t, so that
the regret is at least 2/3 a round, where AMSGrad's and SGD's are O(1/sqrt(T)) a round (Reddi, Kale and Kumar 2018, theorems 1 and 4,
arXiv:1904.09237; Zinkevich 2003). In random order (11x with probability 0.1, else -x, mean slope 0.2) Adam drifts uphill: exactly
E x_t = x_0 - lr sum_s sqrt(1 - beta2^s) E g_s/sqrt(v_s) while no wall is met, by the transfer operator of v. On h x^2/2 Adam has the cycle
x = A, -A, ..., A = lr (1 - beta1)/(2 (1 + beta1)) - eps/h, stable where the Jacobian of two steps says so: not at the defaults
(Bock and Weiss 2019). Coupled decay w has SGD's fixed point, (H + w) x = H a; decoupled decay keeps |x_k| <= 1/w (Xie and Li 2024,
arXiv:2404.04454): without noise the best point of that box, with much noise sigma nearly (H + w sigma) x = H a. SGD does not see a
rotation: E f follows the same exact recursion.

Found. All 101 comparisons hold, |z| <= 1.9 (seed 0, 20,000 instances). In fixed order all starts end at 1 exactly; after 3,000
rounds the regret a round is 0.672 (Adam), 0.031 (SGD) and 0.015 (AMSGrad). In random order Adam climbs 0.123 lr a step where SGD
falls 0.2 lr: after 4,000 steps at rate 0.02 99.9 % of Adam's instances are in the worse half, 15 % of SGD's (its noise is 11
times as large) and 0.1 % of AMSGrad's. The two-cycle takes in every start wherever its eigenvalue is below 1 by enough for the
horizon, none where it is above. Decay 0.5 takes x_2 of Booth's function from 3 to 2.746 if coupled, whatever the noise; if
decoupled to 1.99 without noise (the box, 1/w = 2) and 1.54 with noise 10. A rotation of a quadratic of condition 100 multiplies
Adam's mean loss by 4.2 at step 306; SGD's is the same.

Run `python studies/adam_failures.py`, or with `--quick`. Optimizers that are compared are paired. In fixed order nothing is random but the
start: 1,001 evenly spaced ones suffice. Exit status 1: an exact law lies more than four standard errors from the sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import report
import xarray as xr
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import lsq_linear, root

import ensemble as en
from ensemble import plots, statistics
from ensemble.statistics import laws

FloatArray = NDArray[np.float64]
RATE, FORGET = 0.5, 0.1  # of the counterexample: rate / sqrt(t), and beta2
SLOPE, OFTEN, MEMORY = 11.0, 0.1, 0.9  # in random order: the rare slope, how often it comes, and beta2
CYCLE_LR = 0.1
DECAYS, NOISES, DECAY_LR, DECAY_BETA2 = (0.1, 0.25, 0.5, 1.0), (0.0, 3.0, 10.0), 0.01, 0.99
SPECTRUM = np.geomspace(0.1, 10.0, 8)
TURN_LR, TURN_SIGMA = 0.02, 0.3
BOOTH = np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([7.0, 5.0])  # f = |A x - b|^2
STARTS = 1_001  # of the counterexample in fixed order
PLACES = plots.palette(["SGD", "AMSGrad", "Adam"])


@dataclass(frozen=True)
class Size(report.Size):
    """How much to run: ``steps`` of the counterexample in fixed order, the others' own."""

    random_steps: int = 4_000
    cycle_steps: int = 3_000
    decay_steps: int = 4_000
    turn_steps: int = 1_500
    beta1s: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4, 0.6, 0.9)
    beta2s: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9, 0.999)


FULL = Size(20_000, 3_000)
QUICK = Size(2_000, 450, 1_500, 1_000, 2_500, 400, (0.0, 0.2, 0.9), (0.1, 0.5, 0.999))


# ---- the laws


def counterexample(amsgrad: bool, steps: int) -> FloatArray:
    """x_1 ... x_(steps + 1) from x_1 = 1 on the losses in fixed order, written out by hand."""
    x, v, largest, path = 1.0, 0.0, 0.0, [1.0]
    for t in range(1, steps + 1):
        g = 3.0 if t % 3 == 1 else -1.0
        v = FORGET * v + (1 - FORGET) * g * g
        largest = max(largest, v)
        x = min(1.0, max(-1.0, x - RATE / math.sqrt(t) * g / math.sqrt(largest if amsgrad else v)))
        path.append(x)
    return np.array(path)


def amsgrad_bound(steps: int) -> float:
    """Theorem 4 with beta1 = 0: R_T <= D^2 sqrt(T vmax)/lr + lr sqrt(1 + log T)/sqrt(1 - beta2) |g_1:T|."""
    t = np.arange(1, steps + 1)
    g = np.where(t % 3 == 1, 3.0, -1.0)
    most = (1 - FORGET) * (9 + FORGET + FORGET**2) / (1 - FORGET**3)
    second = RATE * math.sqrt(1 + math.log(steps)) / math.sqrt(1 - FORGET) * float(np.linalg.norm(g))
    return 4 * math.sqrt(steps * most) / RATE + second


def drifts(steps: int) -> FloatArray:
    """E g_t / sqrt(v_t), t = 1 ... steps, v_0 = 0: the expectation carried back through v <- beta2 v + (1 - beta2) g^2."""
    v = np.concatenate([[0.0], np.geomspace(1e-4, SLOPE**2, 4_000)])

    def after(g: float) -> FloatArray:
        return np.asarray(MEMORY * v + (1 - MEMORY) * g * g)

    u = OFTEN * SLOPE / np.sqrt(after(SLOPE)) - (1 - OFTEN) / np.sqrt(after(1.0))
    found = []
    for _ in range(steps):
        found.append(u[0])
        line = CubicSpline(v, u)
        u = OFTEN * line(after(SLOPE)) + (1 - OFTEN) * line(after(1.0))
    return np.array(found)


def cycle_radius(beta1: float, beta2: float, eps: float = 1e-8) -> float:
    """Largest eigenvalue, in size, of the Jacobian of two steps of Adam at its cycle on x^2/2."""
    size = laws.adam_two_cycle(CYCLE_LR, beta1, eps, 1.0)

    def two_steps(point: FloatArray) -> FloatArray:
        x, m, v = point
        for _ in range(2):
            m, v = beta1 * m + (1 - beta1) * x, beta2 * v + (1 - beta2) * x * x
            x -= CYCLE_LR * m / (math.sqrt(v) + eps)
        return np.array([x, m, v])

    cycle = np.array([size, -size * (1 - beta1) / (1 + beta1), size**2])
    change = [(two_steps(cycle + d) - two_steps(cycle - d)) / (2 * d.sum()) for d in np.diag(1e-6 * np.abs(cycle))]
    return float(np.abs(np.linalg.eigvals(np.stack(change, axis=1))).max())


def decayed_point(decoupled: bool, w: float, sigma: float) -> FloatArray:
    """Where decay w takes Adam on Booth's function as lr -> 0 and v is settled."""
    a, b = BOOTH
    h = 2 * a.T @ a
    if not decoupled:
        return np.asarray(np.linalg.solve(h + w * np.eye(2), 2 * a.T @ b))
    if sigma == 0:
        return np.asarray(lsq_linear(a, b, (-1 / w, 1 / w), tol=1e-14).x)

    def balance(x: FloatArray) -> FloatArray:
        g = 2 * a.T @ (a @ x - b)
        return np.asarray(g / np.sqrt(g * g + sigma**2) + w * x)

    return np.asarray(root(balance, np.linalg.solve(h + w * sigma * np.eye(2), 2 * a.T @ b), tol=1e-12).x)


def mean_loss(steps: int) -> FloatArray:
    """E f of SGD from the standard normal cloud, in any frame (steps + 1,)."""
    squares, found = np.ones(SPECTRUM.size), [SPECTRUM.sum() / 2]
    for _ in range(steps):
        squares = (1 - TURN_LR * SPECTRUM) ** 2 * squares + (TURN_LR * TURN_SIGMA) ** 2
        found.append(float(SPECTRUM @ squares) / 2)
    return np.array(found)


# ---- the runs


def race(
    study: report.Study[Size],
    name: str,
    optimizers: dict[str, en.Optimizer],
    landscape: en.Landscape,
    start: en.Start,
    steps: int,
    *,
    noise: en.Noise | None = None,
    record: en.Record | None = None,
    instances: int | None = None,
    dtype: str = "float32",
) -> xr.Dataset:
    """Paired runs of some optimizers, kept under ``name``."""
    result = en.compare(
        optimizers,
        landscape=landscape,
        start=start,
        noise=noise,
        record=record,
        instances=instances or study.size.instances,
        steps=steps,
        seed=study.seed,
        backend=study.backend,
        dtype=dtype,
    )
    return study.keep(name, result).dataset


def note(study: report.Study[Size], part: str, optimizer: str, what: str, sample: FloatArray, law: float) -> None:
    """A row of a mean, with its interval."""
    mean, half = float(sample.mean()), 1.959963984540054 * float(sample.std(ddof=1)) / math.sqrt(sample.size)
    row = {"part": part, "optimizer": optimizer, "quantity": what, "seen": mean, "seen_lower": mean - half}
    study.rows.append(row | {"seen_upper": mean + half, "law": law, "n": sample.size})


def fixed_order(study: report.Study[Size]) -> None:
    """The losses in fixed order: where everybody ends, and the regret on the way."""
    steps, landscape = study.size.steps // 3 * 3, en.OnlineLinear()
    optimizers: dict[str, en.Optimizer] = {
        "SGD": en.GradientDescent(en.InverseSqrt(RATE)),
        "AMSGrad": en.AMSGrad(en.InverseSqrt(RATE), beta1=0.0, beta2=FORGET, eps=0.0, bias_correction=False),
        "Adam": en.RMSProp(en.InverseSqrt(RATE), rho=FORGET, eps=0.0),
    }
    start = en.Points(np.linspace(1.0, -1.0, STARTS)[:, None])  # the first is the theorem's
    record = en.Record(["x"], at=range(steps), instances=range(0, STARTS, 10))
    runs = race(
        study, "fixed_order", optimizers, landscape, start, steps, record=record, instances=STARTS, dtype="float64"
    )
    found = statistics.regret(runs, landscape)
    first = runs["path"].isel(recorded_instance=0, coordinate=0)
    adam = first.sel(optimizer="Adam").to_numpy()
    study.check(report.Check.equal("largest 1 - x_(3t+1) of Adam from x_1 = 1", float(1 - adam[::3].min()), 0.0))
    end = runs["x"].sel(optimizer="Adam").to_numpy()
    study.check(report.Check.share(f"x = 1 after {steps} steps, Adam, all starts", int((end == 1).sum()), STARTS, 1.0))
    for name in ("Adam", "AMSGrad"):
        path = counterexample(name == "AMSGrad", steps)
        own = first.sel(optimizer=name).to_numpy()
        study.check(
            report.Check.equal(
                f"largest distance from the path by hand, {name}", float(np.abs(own - path[:-1]).max()), 0.0
            )
        )
    each = found["average_regret"].isel(round=slice(2, None, 3))
    lowest = float(each.sel(optimizer="Adam").isel(instance=0).min())
    study.check(report.Check.at_least("regret a round of Adam from 1, at every 3t", lowest, 2 / 3))
    t = np.arange(1, steps + 1)
    bounds = {"SGD": (2 / RATE + 9 * RATE) / np.sqrt(t), "AMSGrad": np.array([amsgrad_bound(int(k)) for k in t]) / t}
    for name, bound in bounds.items():
        closest = float((found["average_regret"].sel(optimizer=name) / bound).max())
        study.check(report.Check.at_most(f"regret over its bound, {name}, all rounds and starts", closest, 1.0))
    for name in optimizers:
        note(
            study,
            "fixed order",
            name,
            f"regret a round after {steps}",
            found["average_regret"].sel(optimizer=name)[:, -1].to_numpy(),
            math.nan,
        )
        note(study, "fixed order", name, f"x after {steps}", runs["x"].sel(optimizer=name).to_numpy().ravel(), math.nan)
    shown = found[["mean", "mean_lower", "mean_upper"]].isel(
        round=np.unique(np.geomspace(3, steps, 60).astype(int) // 3 * 3 - 1)
    )
    figure = plots.curves(
        {name: shown.sel(optimizer=name).drop_vars("optimizer") for name in optimizers},
        "mean",
        "round",
        laws={"2/3, Adam's least from 1": ((3, steps), (2 / 3, 2 / 3))},
        x_label="round T",
        y_label="mean regret a round",
        log=(True, True),
        note=f"{found.sizes['instance']} starts; bands: of their mean",
        places=PLACES,
    )
    study.draw("regret", figure, "Losses 3x, -x, -x, ...: what a round costs more than the best fixed point.")
    last = {name: float(found["mean"].sel(optimizer=name)[-1]) for name in optimizers}
    study.find(
        f"In fixed order every start ends at the worst point under Adam, exactly; after {steps:,} rounds the regret a round is "
        + ", ".join(f"{value:.3g} ({name})" for name, value in last.items())
        + "."
    )


def random_order(study: report.Study[Size]) -> None:
    """The losses in random order: the first steps by the exact drift, and the ends."""
    size, landscape = study.size, en.StochasticLinear(C=SLOPE, small=1.0, probability=OFTEN)
    slope = OFTEN * SLOPE - (1 - OFTEN)

    def three(lr: float) -> dict[str, en.Optimizer]:
        return {
            "SGD": en.GradientDescent(lr),
            "AMSGrad": en.AMSGrad(lr, beta1=0.0, beta2=MEMORY, eps=0.0, bias_correction=False),
            "Adam": en.Adam(lr, beta1=0.0, beta2=MEMORY, eps=0.0),
        }

    few, small = 150, 1e-3  # so few and so small steps that no wall is met
    at = [0, 10, 25, 50, 100, few]
    runs = race(
        study, "random_order_start", three(small), landscape, en.Point(0.0), few, record=en.Record(["x"], at=at)
    )
    t = np.arange(1, few + 1)
    drift = np.concatenate([[0.0], np.cumsum(np.sqrt(1 - MEMORY**t) * drifts(few))])
    for step in at[1:]:
        for name, law in (("SGD", -small * slope * step), ("Adam", -small * drift[step])):
            x = runs["path"].sel(optimizer=name, step=step).to_numpy().ravel().astype(float)
            study.check(report.Check.mean(f"E x_{step}, random order, rate {small:g}, {name}", x, law))
            note(study, "random order", name, f"x after {step}, rate {small:g}", x, law)
    mean = {name: runs["path"].sel(optimizer=name).mean(("instance", "coordinate")) for name in PLACES}
    spread = {name: runs["path"].sel(optimizer=name).std(("instance", "coordinate")) for name in PLACES}
    half = 1.96 / math.sqrt(size.instances)
    curves = {
        name: tuple(
            np.asarray(y) for y in (at, mean[name], mean[name] - half * spread[name], mean[name] + half * spread[name])
        )
        for name in PLACES
    }
    steps = np.arange(few + 1)
    figure = plots.curves(
        curves,
        laws={"SGD": (steps, -small * slope * steps), "Adam": (steps, -small * drift)},
        law_name="exact",
        x_label="step t",
        y_label="mean of x (best: -1)",
        note=f"n = {size.instances:,}; bars 95 %",
        places=PLACES,
    )
    study.draw(
        "drift",
        figure,
        "Losses in random order: Adam drifts uphill, SGD downhill, and AMSGrad turns once it has seen the rare slope.",
    )
    runs = race(study, "random_order_end", three(20 * small), landscape, en.Point(0.0), size.random_steps)
    x = runs["x"].isel(coordinate=0)
    label = xr.where(x > 0, 2, 1).astype("int32")
    ones = xr.ones_like(label)
    lives = {
        "event_step": ones.astype("int64"),
        "event": label,
        "status": ones.astype("int8"),
        "diverged_step": -ones.astype("int64"),
    }
    shares = statistics.shares(xr.Dataset(lives).assign(horizon=1).assign_attrs(paired=1), labels=[1, 2])
    words = {"event 1": "better half, x < 0", "event 2": "worse half, x > 0"}
    figure = plots.bars(
        {name: shares.sel(optimizer=name).drop_vars("optimizer") for name in PLACES}, names=words, places=PLACES
    )
    study.draw(
        "random_order",
        figure,
        f"Losses in random order: where the instances are after {size.random_steps:,} steps at rate {20 * small:g}.",
    )
    for name in PLACES:
        note(
            study,
            "random order",
            name,
            f"x after {size.random_steps}, rate {20 * small:g}",
            x.sel(optimizer=name).to_numpy().astype(float),
            math.nan,
        )
    worse = {name: 100 * float(shares["share"].sel(optimizer=name, outcome="event 2")) for name in PLACES}
    study.find(
        f"In random order the drift of Adam is {-drift[-1] / few:+.3g} lr a step, uphill, where SGD's is {-slope:+.3g}; after "
        f"{size.random_steps:,} steps {worse['Adam']:.1f} % of Adam's instances are in the worse half, {worse['AMSGrad']:.1f} % of "
        f"AMSGrad's and {worse['SGD']:.1f} % of SGD's."
    )


def two_cycle(study: report.Study[Size]) -> None:
    """Adam without noise on a parabola: who settles on the cycle, over beta1 and beta2."""
    size, steps = study.size, study.size.cycle_steps
    adam = en.Adam(CYCLE_LR, beta1=en.grid(size.beta1s), beta2=en.grid(size.beta2s))
    record = en.Record(["x"], at=[steps - 1, steps])
    runs = race(
        study,
        "two_cycle",
        {"Adam": adam},
        en.Quadratic([1.0]),
        en.NormalCloud(1.0),
        steps,
        record=record,
        dtype="float64",
    )
    path = runs["path"].isel(coordinate=0, optimizer=0)
    amplitude = xr.DataArray(
        [laws.adam_two_cycle(CYCLE_LR, b, 1e-8, 1.0) for b in size.beta1s], {"beta1": list(size.beta1s)}, "beta1"
    )
    before, last = path.isel(step=0), path.isel(step=1)
    on = (abs(abs(last) - amplitude) < 1e-3 * amplitude) & (abs(before + last) < 2e-3 * amplitude)
    share = xr.Dataset({"share": on.mean("instance"), "n": on.sizes["instance"]})
    for beta1 in size.beta1s:
        for beta2 in size.beta2s:
            radius = cycle_radius(beta1, beta2)
            count = int(on.sel(beta1=beta1, beta2=beta2).sum())
            n = on.sizes["instance"]
            row = {
                "part": "two-cycle",
                "optimizer": "Adam",
                "quantity": f"share on the cycle, beta1 {beta1:g}, beta2 {beta2:g}",
            }
            limits = statistics.intervals.wilson(np.array([count]), np.array([n]), 0.95)
            row |= dict(zip(("seen", "seen_lower", "seen_upper"), (float(v[0]) for v in limits), strict=True))
            study.rows.append(row | {"law": radius, "n": n})
            # Near 1 the horizon is too short to tell.
            if steps / 2 * math.log(radius) < -14 or radius > 1.001:
                what = f"share on the cycle, beta1 {beta1:g}, beta2 {beta2:g}, eigenvalue {radius:.3f}"
                study.check(report.Check.share(what, count, n, float(radius < 1)))
    figure = plots.heat_map(
        share.round(3),
        "beta1",
        "beta2",
        "share",
        x_label="β₁",
        y_label="β₂",
        value_label="share on the two-cycle",
        limits=(0.0, 1.0),
        note=f"step {steps:,}",
    )
    study.draw(
        "two_cycle",
        figure,
        f"Adam at rate {CYCLE_LR:g} on x²/2 without noise: share of the starts that settle on the two-cycle.",
    )
    seen = share["share"].to_numpy()
    slow = sum(cycle_radius(b1, b2) < 1 for b1 in size.beta1s for b2 in size.beta2s) - int((seen == 1).sum())
    study.find(
        f"Adam's two-cycle takes in every start at {(seen == 1).sum()} of {seen.size} pairs of betas, all with beta1 at most "
        f"{size.beta1s[int(np.flatnonzero((seen == 1).any(axis=1)).max())]:g}; at {slow} more it is stable, but slower than {steps:,} "
        f"steps, and at {seen.size - slow - int((seen == 1).sum())} it is unstable and nobody is on it."
    )


def decay(study: report.Study[Size]) -> None:
    """Coupled and decoupled decay on Booth's function: where they take x, without noise and with."""
    size = study.size
    w = en.grid(DECAYS)
    optimizers: dict[str, en.Optimizer] = {
        "coupled (Adam + L2)": en.AdamL2(DECAY_LR, w, beta2=DECAY_BETA2),
        "decoupled (AdamW)": en.AdamW(DECAY_LR, w, beta2=DECAY_BETA2),
    }
    noise = en.Gaussian(en.grid(NOISES))
    runs = race(study, "decay", optimizers, en.Booth(), en.Point(0.0), size.decay_steps, noise=noise)
    curves, lines = {}, {}
    fine = np.geomspace(DECAYS[0], DECAYS[-1], 40)
    for name in optimizers:
        decoupled = name.startswith("dec")
        for sigma in NOISES:
            own = (
                runs["x"]
                .sel(optimizer=name, sigma=sigma)
                .transpose("weight_decay", "instance", "coordinate")
                .to_numpy()
                .astype(float)
            )
            for k, strength in enumerate(DECAYS):
                law = decayed_point(decoupled, strength, sigma)
                allowed = (
                    0.02 if sigma else 0.04
                )  # without noise a coordinate with no gradient left chatters about its place
                for c in range(2):
                    sample = own[k, :, c]
                    what = f"E x_{c + 1}, {name}, w {strength:g}, noise {sigma:g}"
                    error = float(sample.std(ddof=1)) / math.sqrt(sample.size)
                    study.check(report.Check.asymptotic(what, float(sample.mean()), float(law[c]), allowed, error))
                    note(study, "decay", name, f"x_{c + 1}, w {strength:g}, noise {sigma:g}", sample, float(law[c]))
            mean = own[:, :, 1].mean(axis=1)
            half = 1.96 * own[:, :, 1].std(axis=1) / math.sqrt(own.shape[1])
            if decoupled or sigma == NOISES[0]:
                label = f"AdamW, noise {sigma:g}" if decoupled else "Adam + L2, any noise"
                curves[label] = (np.array(DECAYS), mean, mean - half, mean + half)
                lines[label] = (fine, [decayed_point(decoupled, f, sigma)[1] for f in fine])
    figure = plots.curves(
        curves,
        laws=lines,
        x_label="weight decay w",
        y_label="x₂ in the long run (3 without decay)",
        log=(True, False),
        note=f"n = {size.instances:,}",
    )
    study.draw(
        "decay",
        figure,
        "Booth's function: coupled decay has one fixed point, decoupled decay a box of 1/w that noise rounds off.",
    )
    say = {
        name: float(runs["x"].sel(optimizer=name, weight_decay=0.5, sigma=0.0).mean("instance")[1])
        for name in optimizers
    }
    noisy = {
        name: float(runs["x"].sel(optimizer=name, weight_decay=0.5, sigma=NOISES[-1]).mean("instance")[1])
        for name in optimizers
    }
    study.find(
        "Decay 0.5 takes x_2 from 3 to "
        + " and ".join(f"{say[name]:.4g} ({noisy[name]:.4g} with noise {NOISES[-1]:g}), {name}" for name in optimizers)
        + ": noise weighs on decoupled decay alone."
    )


def rotation(study: report.Study[Size]) -> None:
    """SGD and Adam along the axes and in a rotated frame."""
    size = study.size
    base = en.Quadratic(SPECTRUM)
    record = en.Record(["value"], at=en.log_spaced(25), summary=True)
    law = mean_loss(size.turn_steps)
    curves, last = {}, {}
    for frame, landscape in (("along the axes", base), ("rotated", en.Rotated(base, seed=1))):
        optimizers: dict[str, en.Optimizer] = {"SGD": en.GradientDescent(TURN_LR), "Adam": en.Adam(TURN_LR)}
        name = f"rotation_{frame.replace(' ', '_')}"
        runs = race(
            study,
            name,
            optimizers,
            landscape,
            en.NormalCloud(1.0),
            size.turn_steps,
            noise=en.Gaussian(TURN_SIGMA),
            record=record,
        )
        error = np.sqrt(runs["value_variance"] / runs["value_n"])
        for optimizer in optimizers:
            mean, own = runs["value_mean"].sel(optimizer=optimizer), error.sel(optimizer=optimizer)
            t = runs["step"].to_numpy()
            curves[f"{optimizer}, {frame}"] = tuple(
                np.asarray(v)[1:] for v in (t, mean, mean - 1.96 * own, mean + 1.96 * own)
            )
            last[optimizer, frame] = mean.to_numpy()
            for place in (int(t.searchsorted(30)), t.size - 1):
                seen, off = float(mean[place]), float(own[place])
                known = law[t[place]] if optimizer == "SGD" else math.nan
                row = {
                    "part": "rotation",
                    "optimizer": optimizer,
                    "quantity": f"f at step {t[place]}, {frame}",
                    "seen": seen,
                }
                study.rows.append(
                    row
                    | {
                        "seen_lower": seen - 1.96 * off,
                        "seen_upper": seen + 1.96 * off,
                        "law": known,
                        "n": size.instances,
                    }
                )
                if optimizer == "SGD":
                    study.check(report.Check.exact(f"E f at step {t[place]}, SGD, {frame}", seen, known, off))
    steps = np.arange(1, size.turn_steps + 1)
    figure = plots.curves(
        curves,
        laws={"SGD, along the axes": (steps, law[1:])},
        x_label="step t",
        y_label="mean of f",
        log=(True, True),
        note=f"n = {size.instances:,}; bands 95 %",
    )
    study.draw(
        "rotation",
        figure,
        "A quadratic of condition 100 along the axes and in a rotated frame: SGD sees no difference.",
    )
    ratio = last["Adam", "rotated"] / last["Adam", "along the axes"]
    worst = int(np.argmax(np.abs(np.log(ratio))))
    study.find(
        f"A rotation changes Adam's mean loss by a factor of up to {ratio[worst]:.3g} (at step {t[worst]}), {ratio[-1]:.3g} at the end; "
        "SGD's stays the same exact curve."
    )


# ---- the command


def run(study: report.Study[Size]) -> None:
    """Five failures of Adam, each beside its law."""
    fixed_order(study)
    random_order(study)
    two_cycle(study)
    decay(study)
    rotation(study)
    for part in dict.fromkeys(row["part"] for row in study.rows):
        rows = [{k: v for k, v in row.items() if k != "part"} for row in study.rows if row["part"] == part]
        study.tables[f"Table: {part}"] = report.table_of(rows)


app = report.command(run, FULL, QUICK)

if __name__ == "__main__":
    app()
