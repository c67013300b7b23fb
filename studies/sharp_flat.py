"""Does a noisy optimizer end in the flat minimum or in the sharp one?

Question. Two minima of equal depth with curvatures 4 (sharp, at -1) and 1 (flat, at 2), the barrier between them 2 high above both: what
share of an ensemble is in the flat one, against temperature, learning rate and batch size, for white noise and for noise whose covariance
is the Hessian over the batch size; and for SGD, heavy ball, Adam, AdamW, Adai and SAM?

Expected. SGD: exact at every step by the transfer operator of x' = x - lr (f'(x) + sigma(x) xi). White noise of temperature
D = lr sigma^2 / 2 selects by a power: as lr -> 0 the ratio flat : sharp is sqrt(sharp / flat) = 2 at every D (Gibbs; the barriers are
equal). Hessian-aligned noise, sigma^2 = h / B, has the temperature lr h / (2 B) in a well of curvature h and selects exponentially:
d ln(ratio) / dB -> (2 E / lr) (1/flat - 1/sharp) (Jastrzebski et al. 2017; Xie et al. 2021, arXiv:2002.03495). Heavy ball at
lr (1 - beta) and Adai at lr have SGD's temperature. Adam divides by sqrt(v), which noise makes sqrt(h / B): its step is SGD's with
potential sqrt(B / h) f at the temperature lr / 2, so that d ln(ratio) / d sqrt(B) -> (2 E / lr) (1/sqrt(flat) - 1/sqrt(sharp)): it
selects less (Xie et al. 2022, arXiv:2006.15815). AdamW adds w x^2 / 2 to that potential and so draws to the minimum nearer to 0, which
takes about w (2^2 - 1^2) / lr off ln(ratio).

Found. All 156 comparisons hold, |z| <= 2.5 (seed 0, 20,000 instances each). White noise: flat : sharp is 2.37 at temperature 0.5 and rate
0.05 (exact 2.357; Gibbs 2), 2.1 at rate 0.025 and 3.9 at rate 0.2, where the sharp minimum is close to its edge of stability: the rate
selects, the temperature hardly does. Noise along the Hessian: from 7.3 at batch 0.0125 to 908 at batch 0.1, d ln(ratio)/dB = 57.5 +- 6.7
(60 expected). From the sharp minimum at a finite horizon there are three phases: frozen (large batch, small rate), collected in the flat
minimum, and too hot to choose, where 70 % are in the flat one. Heavy ball (136 +- 8), Adai (142 +- 9) and SGD (145 +- 9, 150 expected)
select alike; SAM selects more, 416 : 1 against SGD's 281 : 1 at batch 0.03. Adam's slope in sqrt(B) is 8.5 +- 0.9 (10 expected), and
there it has 12.7 : 1; decoupled decay of 0.02 leaves AdamW with 9.9 : 1.

Run `python studies/sharp_flat.py`, or with `--quick`. An instance is in the minimum on whose side of the crossing it is, to which
descent without noise would take it. All configurations are independent. A stationary law is compared only where starts in the sharp
and in the flat minimum are forgotten. Exit status 1: an exact law lies more than four standard errors from the sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import report
import xarray as xr
from minima.selection import BARRIER, WELLS, Noise, adam_slope, decay_law, stationary_ratio, white
from minima.shares import against, hold, log_ratio, ratios, settle, settling

import ensemble as en
from ensemble import plots
from ensemble.statistics import laws

LR, WARM = 0.05, 0.7  # of SGD, and the temperature at which the rate is swept
OPTIMIZER_LR, ADAM_LR = 0.02, 0.2
BETA, ADAM_BETA2, DECAY, RHO = 0.9, 0.99, 0.02, 0.1
OPTIMIZERS = ("SGD", "heavy ball", "Adai", "SAM", "Adam", "AdamW")


@dataclass(frozen=True)
class Size(report.Size):
    """How much to run: ``steps`` of white noise, which settles last; the others' own."""

    temperatures: tuple[float, ...] = (0.5, 0.7, 1.0, 1.5, 2.0)
    rates: tuple[float, ...] = (0.025, 0.05, 0.1, 0.2)
    aligned_steps: int = 1_000
    batches: tuple[float, ...] = (0.0125, 0.025, 0.05, 0.075, 0.1)
    phase_steps: int = 2_000
    phase_rates: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2, 0.4)
    phase_batches: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
    optimizer_steps: int = 4_000
    optimizer_batches: tuple[float, ...] = (0.005, 0.01, 0.02, 0.03)


FULL = Size(20_000, 5_000)
QUICK = Size(
    2_000,
    1_500,
    temperatures=(0.7, 1.0, 2.0),
    rates=(0.1, 0.2),
    aligned_steps=600,
    batches=(0.0125, 0.025, 0.05),
    phase_steps=500,
    phase_rates=(0.02, 0.05, 0.1, 0.2),
    optimizer_steps=1_500,
    optimizer_batches=(0.005, 0.01, 0.02),
)


def tenths(steps: int) -> list[int]:
    """The start, and ten steps up to the last."""
    return [round(steps * k / 10) for k in range(11)]


def white_noise(study: report.Study[Size]) -> None:
    """The temperature at one rate, and the rate at one temperature."""
    size, steps, at = study.size, study.size.steps, tenths(study.size.steps)
    swept = [(LR, d) for d in size.temperatures] + [(lr, WARM) for lr in size.rates]
    noises = [white(d, lr) for lr, d in swept]
    sweep = en.zipped(lr=[lr for lr, _ in swept], sigma=[noise.sigma for noise in noises])
    optimizer = en.GradientDescent(sweep.lr)
    runs = settle(study, "white", optimizer, en.Gaussian(sweep.sigma), steps, 0, at=at).isel(optimizer=0)
    end = runs.sel(step=steps)
    for k, ((lr, _), noise) in enumerate(zip(swept, noises, strict=True)):
        hold(study, "white noise", end.isel(lr_sigma=k), lr, noise, steps)
    ratio = ratios(end).sel({"from": "sharp"}).reset_coords(drop=True)
    law = [stationary_ratio(lr, noise) for (lr, _), noise in zip(swept, noises, strict=True)]

    def draw(name: str, dim: str, part: slice, x_label: str, note: str, what: str) -> None:
        values = [lr if dim == "lr" else d for lr, d in swept[part]]
        gibbs = [math.sqrt(WELLS.sharp / WELLS.flat)] * len(values)
        sgd = ratio.isel(lr_sigma=part).rename(lr_sigma=dim).assign_coords({dim: values})
        seen = {"SGD, white noise": sgd, "Gibbs, √(sharp/flat)": (values, gibbs)}
        figure = against(seen, dim, {"SGD, white noise": (values, law[part])}, x_label, (dim == "lr", False), note)
        study.draw(name, figure, f"White noise: how many more are in the flat minimum, against {what}.")

    last = len(size.temperatures) - 1
    draw("temperature", "D", slice(last + 1), "temperature D", f"lr = {LR:g}", "the temperature")
    rates = slice(last + 1, None)
    draw("rate", "lr", rates, "learning rate", f"D = {WARM:g}", "the learning rate at one temperature")
    cold, hot = size.temperatures[0], size.temperatures[-1]
    study.draw(
        "settling_white",
        settling(runs.isel(lr_sigma=0), at, LR, noises[0], "white, from"),
        f"White noise, temperature {cold:g}: from both starts the share comes to the same.",
    )
    seen = ratio["ratio"].to_numpy()
    study.find(
        f"White noise selects by a power: flat : sharp is {seen[0]:.3g} at temperature {cold:g}, {seen[last]:.3g} at {hot:g} "
        f"(rate {LR:g}; exact {law[0]:.4g} and {law[last]:.4g}, Gibbs 2)."
    )


def aligned_noise(study: report.Study[Size]) -> None:
    """The batch size at one rate."""
    batches, steps, at = study.size.batches, study.size.aligned_steps, tenths(study.size.aligned_steps)
    noise = en.HessianAligned(en.grid(batches))
    runs = settle(study, "aligned", en.GradientDescent(LR), noise, steps, 1, at=at).isel(optimizer=0)
    end = runs.sel(step=steps)
    for k, batch in enumerate(batches):
        hold(study, "aligned noise", end.isel(batch=k), LR, Noise(batch=batch), steps)
    one = ratios(end).sel({"from": "flat"}).reset_coords(drop=True)
    ratio = one["ratio"].to_numpy()
    study.find(
        f"Noise along the Hessian selects exponentially: flat : sharp grows from {ratio[0]:.3g} at batch {batches[0]:g} to "
        f"{ratio[-1]:.3g} at {batches[-1]:g} (rate {LR:g})."
    )
    fit_slope(study, "SGD", end.sel({"from": "flat"}), LR, 0.1)
    fine = np.linspace(batches[0], batches[-1], 15)
    name, law = "SGD, noise along the Hessian", [stationary_ratio(LR, Noise(batch=float(b))) for b in fine]
    seen = {name: one, "white noise, as lr → 0": (fine, [2.0] * fine.size)}
    figure = against(seen, "batch", {name: (fine, law)}, "batch size B", (False, True), f"lr = {LR:g}")
    study.draw("batch", figure, "Hessian-aligned noise: how many more are in the flat minimum, against the batch size.")
    study.draw(
        "settling_aligned",
        settling(runs.isel(batch=1), at, LR, Noise(batch=batches[1])),
        f"Hessian-aligned noise, batch {batches[1]:g}: from both starts the share comes to the same, sooner.",
    )


def fit_slope(study: report.Study[Size], name: str, found: xr.Dataset, lr: float, allowed: float) -> None:
    """The slope of ln(ratio) in the batch or, for Adam, its root over the larger batches, beside its limit as lr -> 0."""
    batch = found["batch"].to_numpy()
    variable, x, law = "B", batch, laws.hessian_aligned_selection(BARRIER, lr, WELLS.sharp, WELLS.flat)
    if name.startswith("Adam"):
        variable, x, law = "sqrt(B)", batch**0.5, adam_slope(lr)
    y, error = np.array([log_ratio(found.isel(batch=k)) for k in range(x.size)]).T
    use = (np.arange(x.size) >= (x.size - 1) // 2) & (error < 0.5)
    if use.sum() < 2:
        return
    value, off = report.weighted_slope(x[use], y[use], error[use])
    what = f"d ln(ratio) / d {variable}, {name}, rate {lr:g}"
    study.check(report.Check.asymptotic(what, value, law, allowed, off))
    study.find(
        f"{name} at rate {lr:g}: d ln(ratio) / d {variable} = {value:.3g} ± {1.96 * off:.2g}; {law:.3g} as lr -> 0."
    )


def phases(study: report.Study[Size]) -> None:
    """Learning rate and batch size, from the sharp minimum, at a finite horizon."""
    rates, batches, steps = study.size.phase_rates, study.size.phase_batches, study.size.phase_steps
    optimizer, noise = en.GradientDescent(en.grid(rates)), en.HessianAligned(en.grid(batches))
    found = settle(study, "phases", optimizer, noise, steps, 2, starts=["sharp"]).isel(optimizer=0)
    for i, lr in enumerate(rates):
        for j, batch in enumerate(batches):
            hold(study, "phases", found.isel(lr=i, batch=j), lr, Noise(batch=batch), steps)
    one = found.sel({"from": "sharp", "outcome": "flat"}).drop_vars(["from", "outcome", "optimizer"])
    widest = float((one["upper"] - one["lower"]).max()) / 2
    figure = plots.heat_map(
        one[["share", "n"]].round(3),
        "lr",
        "batch",
        "share",
        x_label="learning rate",
        y_label="batch size B",
        value_label="share in the flat minimum",
        limits=(0.0, 1.0),
        note=f"95 % intervals to ± {widest:.2g}; step {steps:,}, from the sharp minimum",
    )
    study.draw(
        "phases",
        figure,
        "SGD with Hessian-aligned noise: frozen in the sharp minimum (large batch, small rate), collected in the flat one, or too hot "
        "to choose.",
    )
    share = one["share"].to_numpy()
    study.find(
        f"After {steps:,} steps from the sharp minimum, of {share.size} pairs of rate and batch {np.sum(share < 0.01)} are "
        f"frozen there (less than 1 % in the flat one), {np.sum(share > 0.99)} have more than 99 % in the flat one, the hottest has "
        f"{100 * share[-1, 0]:.1f} %."
    )


def optimizers(study: report.Study[Size]) -> None:
    """Six optimizers under aligned noise, in two dimensions, against the batch size."""
    given: dict[str, en.Optimizer] = {
        "SGD": en.GradientDescent(OPTIMIZER_LR),
        "heavy ball": en.HeavyBall(OPTIMIZER_LR * (1 - BETA), BETA),
        "Adai": en.Adai(OPTIMIZER_LR),
        "SAM": en.SAM(en.GradientDescent(OPTIMIZER_LR), rho=RHO),
        "Adam": en.Adam(ADAM_LR, BETA, ADAM_BETA2),
        "AdamW": en.AdamW(ADAM_LR, DECAY, BETA, ADAM_BETA2),
    }
    batches, steps, n = study.size.optimizer_batches, study.size.optimizer_steps, study.size.instances
    found = settle(study, "optimizers", given, en.HessianAligned(en.grid(batches)), steps, 3, dim=2)
    end = found.sel({"from": "flat"})
    for name in OPTIMIZERS:
        adam = name.startswith("Adam")
        lr = ADAM_LR if adam else OPTIMIZER_LR
        for k, batch in enumerate(batches):
            one = found.sel(optimizer=name).isel(batch=k)
            sides = one["share"].sel(outcome="flat").to_numpy()
            middle = (float(sides.mean()) * n + 1) / (n + 2)  # never 1, so that there is an error
            error = math.sqrt(2 * middle * (1 - middle) / n)
            what = f"{name}, batch {batch:g}: share flat, from flat less from sharp"
            study.check(report.Check.exact(what, sides[1] - sides[0], 0.0, error))
            hold(study, "optimizers", one, lr, Noise(batch=batch), steps, optimizer=name)
        if name != "SAM":
            fit_slope(study, name, end.sel(optimizer=name), lr, 0.3 if adam else 0.15)
    for k, batch in enumerate(batches):
        (y, error), (z, other) = (log_ratio(end.sel(optimizer=name).isel(batch=k)) for name in ("AdamW", "Adam"))
        what = f"ln(ratio) of AdamW less that of Adam, batch {batch:g}"
        if math.isfinite(y - z):
            law = decay_law(batch, ADAM_LR, DECAY)
            study.check(report.Check.asymptotic(what, y - z, law, 0.25, math.hypot(error, other)))
    seen = {name: ratios(end.sel(optimizer=name)).reset_coords(drop=True) for name in OPTIMIZERS}
    said = ", ".join(f"{float(one['ratio'][-1]):.3g} ({name})" for name, one in seen.items())
    study.find(
        f"Flat : sharp at batch {batches[-1]:g} and the rates {OPTIMIZER_LR:g} and, of Adam, {ADAM_LR:g}: {said}."
    )
    fine = np.linspace(batches[0], batches[-1], 9)
    exact = [stationary_ratio(OPTIMIZER_LR, Noise(batch=float(b))) for b in fine]
    figure = against(seen, "batch", {"SGD": (fine, exact)}, "batch size B", (False, True))
    study.draw(
        "optimizers", figure, "Six optimizers under Hessian-aligned noise: how many more are in the flat minimum."
    )


def run(study: report.Study[Size]) -> None:
    """Selection by white and by Hessian-aligned noise, a phase diagram, and six optimizers."""
    aligned_noise(study)
    white_noise(study)
    phases(study)
    optimizers(study)
    study.tables = report.tables_by(study.rows, "part")


app = report.command(run, FULL, QUICK)

if __name__ == "__main__":
    app()
