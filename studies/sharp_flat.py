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
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import report
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.sparse import csr_array

import ensemble as en
from ensemble import plots, statistics
from ensemble.statistics import laws

FloatArray = NDArray[np.float64]
WELLS = en.SharpFlat()  # sharp at -1, flat at 2, crossing at 0
OUTER = (
    -4.0
)  # where the parabolas cross again: beyond it the flat one is the lower, but the way down leads to the sharp minimum
STARTS = {"sharp": -WELLS.sharp_at, "flat": WELLS.flat_at}
BARRIER = WELLS.barriers[0]
BETA, ADAM_BETA2, DECAY, RHO = 0.9, 0.99, 0.02, 0.1
OPTIMIZERS = ("SGD", "heavy ball", "Adai", "SAM", "Adam", "AdamW")
FORGOTTEN = 0.2
"""A law is stationary where shares from both starts differ by less than so many standard errors, by the exact law."""


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
    (0.7, 1.0, 2.0),
    (0.1, 0.2),
    600,
    (0.0125, 0.025, 0.05),
    500,
    (0.02, 0.05, 0.1, 0.2),
    optimizer_steps=1_500,
    optimizer_batches=(0.005, 0.01, 0.02),
)

LR, WARM = 0.05, 0.7  # of SGD, and the temperature at which the rate is swept
OPTIMIZER_LR, ADAM_LR = 0.02, 0.2


# ---- the laws


@dataclass(frozen=True)
class Noise:
    """White noise of size ``sigma``, or aligned noise of a ``batch``."""

    sigma: float | None = None
    batch: float | None = None

    def size(self, x: FloatArray) -> FloatArray:
        """sigma(x)."""
        if self.batch is None:
            return np.full(x.shape, self.sigma)
        return np.sqrt(np.where(on_sharp(x), WELLS.sharp, WELLS.flat) / self.batch)


def on_sharp(x: FloatArray) -> NDArray[np.bool_]:
    return (x > OUTER) & (x < WELLS.crossing)


def slope(x: FloatArray) -> FloatArray:
    """f'(x)."""
    return np.where(on_sharp(x), WELLS.sharp * (x + WELLS.sharp_at), WELLS.flat * (x - WELLS.flat_at))


def white(temperature: float, lr: float) -> Noise:
    return Noise(sigma=math.sqrt(2 * temperature / lr))


@cache
def stationary_ratio(lr: float, noise: Noise) -> float:
    """Mass of the flat well over that of the sharp one in the long run, exact."""
    mass = laws.stationary_law(slope, lr, noise.size, [OUTER, WELLS.crossing]).mass
    return float(mass[2] / (mass[0] + mass[1]))


@cache
def flat_shares(lr: float, noise: Noise, at: tuple[int, ...]) -> FloatArray:
    """P(x_t in the flat well) from the sharp and from the flat minimum, (2, steps): exact, the transfer operator's powers.

    Gauss-Legendre nodes on panels of four kernel widths, to nine spreads beyond both minima.
    """
    sizes = noise.size(np.array(list(STARTS.values()))).tolist()
    spreads = [math.sqrt(laws.sgd_variance(h, lr, s)) for h, s in zip((WELLS.sharp, WELLS.flat), sizes, strict=True)]
    reach = 9 * max(*spreads, *(lr * s for s in sizes))
    ends = (STARTS["sharp"] - reach, STARTS["flat"] + reach)
    narrow = lr * min(sizes)
    unit, unit_weight = np.polynomial.legendre.leggauss(16)
    nodes, weights = [], []
    for low, high in pairwise(sorted({ends[0], max(ends[0], OUTER), WELLS.crossing, ends[1]})):
        edge = np.linspace(low, high, math.ceil((high - low) / (4 * narrow)) + 1)
        half = np.diff(edge)[:, None] / 2
        nodes.append(((edge[:-1, None] + edge[1:, None]) / 2 + half * unit).ravel())
        weights.append((half * unit_weight).ravel())
    node, weight = np.concatenate(nodes), np.concatenate(weights)

    def moved(x: FloatArray) -> FloatArray:
        """Mass on the nodes one step after x, (points, nodes)."""
        width = (lr * noise.size(x))[:, None]
        z = (node - (x - lr * slope(x))[:, None]) / width
        return np.exp(-z * z / 2) / (width * math.sqrt(2 * math.pi)) * weight

    dense = moved(node)
    step = csr_array(np.where(dense > 1e-18 * weight, dense, 0.0).T)
    mass = moved(np.array(list(STARTS.values()))).T
    found, t = np.empty((2, len(at))), 1
    for k, wanted in enumerate(at):
        if wanted == 0:
            found[:, k] = 0.0, 1.0
            continue
        for _ in range(wanted - t):
            mass = step @ mass
        t = wanted
        if np.abs(mass.sum(axis=0) - 1).max() > 1e-9:
            raise ArithmeticError(f"the law at lr={lr}, {noise} has lost mass: {mass.sum(axis=0)}.")
        found[:, k] = mass[node > WELLS.crossing].sum(axis=0)
    return found


def decay_law(batch: float) -> float:
    """What decoupled decay adds to Adam's ln(ratio): springs w and sqrt(B h) in series, and how they narrow the wells."""
    flat, sharp = math.sqrt(batch * WELLS.flat), math.sqrt(batch * WELLS.sharp)
    lifted = DECAY * (flat / (flat + DECAY) * WELLS.flat_at**2 - sharp / (sharp + DECAY) * WELLS.sharp_at**2) / ADAM_LR
    return 0.5 * math.log((1 + DECAY / sharp) / (1 + DECAY / flat)) - lifted


def adam_slope() -> float:
    """Slope of ln(ratio) in sqrt(B) for Adam as lr -> 0."""
    return 2 * BARRIER / ADAM_LR * (WELLS.flat**-0.5 - WELLS.sharp**-0.5)


# ---- the runs


def settle(
    study: report.Study[Size],
    name: str,
    optimizer: en.Optimizer | dict[str, en.Optimizer],
    noise: en.Noise,
    steps: int,
    number: int,
    *,
    at: Sequence[int] = (),
    starts: Sequence[str] = tuple(STARTS),
    dim: int = 1,
) -> xr.Dataset:
    """Shares of the two wells, over configurations, starts and (where ``at`` is given) steps."""
    places = [[STARTS[s], *[0.0] * (dim - 1)] for s in starts]
    result = en.compare(
        optimizer if isinstance(optimizer, dict) else {"SGD": optimizer},
        landscape=en.SharpFlat(dim=dim),
        noise=noise,
        start=en.Point(en.grid(places)),
        record=en.Record(["x"], at=list(at)) if at else None,
        instances=study.size.instances,
        steps=steps,
        seed=(study.seed + number) % 2**64,
        backend=study.backend,
        paired=False,
    )
    runs = study.keep(name, result).dataset
    dims = [d for d in runs["event_step"].dims if d != "instance"]
    axis = str(dims[-1])  # of the starts: written last
    found = shares_of(runs["path"] if at else runs["x"], runs)
    return found.assign_coords({axis: list(starts)}).rename({axis: "from"})


def shares_of(x: xr.DataArray, runs: xr.Dataset) -> xr.Dataset:
    """Wilson's shares of what is left and right of the crossing, from ``x`` (..., instance, ..., coordinate)."""
    first = x.isel(coordinate=0)
    if "recorded_instance" in first.dims:
        first = first.rename(recorded_instance="instance")
    first = first.transpose(..., "instance")
    label = xr.where(first > WELLS.crossing, 2, 1).astype("int32")
    ones = xr.ones_like(label)
    horizon = ones.astype("int64") * int(runs["horizon"].max())
    data = {
        "event_step": horizon,
        "event": label,
        "status": ones.astype("int8"),
        "diverged_step": -ones.astype("int64"),
    }
    named = xr.Dataset(data).assign(horizon=int(runs["horizon"].max()))
    found = statistics.shares(named.assign_attrs(paired=runs.attrs["paired"]), labels=[1, 2])
    return found.sel(outcome=["event 1", "event 2"]).assign_coords(outcome=["sharp", "flat"])


def with_ratio(found: xr.Dataset) -> xr.Dataset:
    """The ratio flat : sharp, with the interval that the share's makes; NaN where everybody is in the flat minimum."""
    one = found.sel(outcome="flat")
    one = one.where(one["share"] < 1)
    odds = {
        name: one[old] / (1 - one[old])
        for name, old in (("ratio", "share"), ("ratio_lower", "lower"), ("ratio_upper", "upper"))
    }
    return (
        found.drop_dims("outcome")
        .assign({k: v.drop_vars(["outcome", "label"]) for k, v in odds.items()})
        .assign_attrs(found.attrs)
    )


def log_ratio(one: xr.Dataset) -> tuple[float, float]:
    """ln(flat : sharp) of one configuration, and its standard error by the delta method."""
    flat, sharp = (int(one["count"].sel(outcome=k)) for k in ("flat", "sharp"))
    if not (flat and sharp):
        return math.nan, math.nan
    return math.log(flat / sharp), math.sqrt(1 / flat + 1 / sharp)


def hold(
    study: report.Study[Size],
    part: str,
    optimizer: str,
    one: xr.Dataset,
    lr: float,
    noise: Noise,
    step: int,
    exact: bool,
) -> None:
    """A row for each start and, where SGD's law holds, checks of the share at this step and of the stationary one."""
    both = flat_shares(lr, noise, (step,))[:, 0] if exact else np.full(2, math.nan)
    middle = float(both.mean())
    settled = exact and abs(both[0] - both[1]) < FORGOTTEN * math.sqrt(middle * (1 - middle) / study.size.instances)
    for number, start in enumerate(STARTS):
        if start not in one["from"].to_numpy():
            continue
        here = one.sel({"from": start, "outcome": "flat"})
        count, n = int(here["count"]), int(here["n"])
        known = {"sigma": noise.sigma, "batch": noise.batch}
        said = ", ".join(f"{k} {v:.4g}" for k, v in known.items() if v is not None)
        if exact:
            what = f"{optimizer}, {part}: share flat at step {step} from {start}, lr {lr:g}, {said}"
            study.check(report.Check.share(what, count, n, min(max(float(both[number]), 0.0), 1.0)))
        law = stationary_ratio(lr, noise) if settled else math.nan
        if settled:
            what = f"{optimizer}, {part}: stationary share flat, from {start}, lr {lr:g}, {said}"
            study.check(report.Check.share(what, count, n, law / (1 + law)))
        study.rows.append(
            {
                "part": part,
                "optimizer": optimizer,
                "lr": lr,
                "sigma": noise.sigma,
                "batch": noise.batch,
                "from": start,
                "step": step,
            }
            | {"flat": float(here["share"]), "flat_lower": float(here["lower"]), "flat_upper": float(here["upper"])}
            | {
                "law": float(both[number]),
                "ratio": count / (n - count) if count < n else math.nan,
                "stationary": law,
                "n": n,
            }
        )


def white_noise(study: report.Study[Size]) -> None:
    """The temperature at one rate, and the rate at one temperature."""
    size = study.size
    joint = [(LR, d) for d in size.temperatures] + [(lr, WARM) for lr in size.rates]
    sweep = en.zipped(lr=[lr for lr, _ in joint], sigma=[white(d, lr).sigma for lr, d in joint])
    at = [round(size.steps * k / 10) for k in range(11)]
    runs = settle(study, "white", en.GradientDescent(sweep.lr), en.Gaussian(sweep.sigma), size.steps, 0, at=at).isel(
        optimizer=0
    )
    runs = runs.assign(n=runs["n"])
    odds = with_ratio(runs).sel(step=size.steps)
    for k, (lr, d) in enumerate(joint):
        hold(
            study, "white noise", "SGD", runs.sel(step=size.steps).isel(lr_sigma=k), lr, white(d, lr), size.steps, True
        )
    first = len(size.temperatures)
    clean = odds.sel({"from": "sharp"}).drop_vars(["lr", "sigma", "from", "step", "optimizer"], errors="ignore")
    for name, dim, values, part, note in (
        ("temperature", "D", list(size.temperatures), clean.isel(lr_sigma=slice(0, first)), f"lr = {LR:g}"),
        ("rate", "lr", list(size.rates), clean.isel(lr_sigma=slice(first, None)), f"D = {WARM:g}"),
    ):
        one = part.rename(lr_sigma=dim).assign_coords({dim: values})
        settings = [(LR, v) if dim == "D" else (v, WARM) for v in values]
        law = [stationary_ratio(lr, white(d, lr)) for lr, d in settings]
        figure = plots.curves(
            {
                "SGD, white noise": one,
                "Gibbs, √(sharp/flat)": (values, [math.sqrt(WELLS.sharp / WELLS.flat)] * len(values)),
            },
            "ratio",
            dim,
            laws={"SGD, white noise": (values, law)},
            law_name="exact",
            x_label="temperature D" if dim == "D" else "learning rate",
            y_label="flat : sharp",
            log=(dim == "lr", False),
            note=note,
        )
        against = "the temperature" if dim == "D" else "the learning rate at one temperature"
        study.draw(name, figure, f"White noise: how many more are in the flat minimum, against {against}.")
    curve = runs.isel(lr_sigma=0).sel(outcome="flat")
    shown = {f"white, from {s}": curve.sel({"from": s}).drop_vars(NAMES, errors="ignore") for s in STARTS}
    lines = dict(
        zip(shown, ((at, y) for y in flat_shares(LR, white(size.temperatures[0], LR), tuple(at))), strict=True)
    )
    study.draw(
        "settling_white",
        settling(shown, lines),
        f"White noise, temperature {size.temperatures[0]:g}: from both starts the share comes to the same.",
    )
    cold = odds["ratio"].sel({"from": "sharp"}).to_numpy()
    ends = (size.temperatures[0], size.temperatures[-1])
    exact = [stationary_ratio(LR, white(d, LR)) for d in ends]
    study.find(
        f"White noise selects by a power: flat : sharp is {cold[0]:.3g} at temperature {ends[0]:g}, {cold[first - 1]:.3g} at {ends[1]:g} "
        f"(rate {LR:g}; exact {exact[0]:.4g} and {exact[1]:.4g}, Gibbs 2)."
    )


NAMES = ["lr", "sigma", "from", "optimizer", "outcome", "label", "batch", "lr_sigma"]


def aligned_noise(study: report.Study[Size]) -> None:
    """The batch size at one rate."""
    size = study.size
    at = [round(size.aligned_steps * k / 10) for k in range(11)]
    optimizer, noise = en.GradientDescent(LR), en.HessianAligned(en.grid(size.batches))
    runs = settle(study, "aligned", optimizer, noise, size.aligned_steps, 1, at=at).isel(optimizer=0)
    end = runs.sel(step=size.aligned_steps)
    for k, batch in enumerate(size.batches):
        hold(study, "aligned noise", "SGD", end.isel(batch=k), LR, Noise(batch=batch), size.aligned_steps, True)
    one = with_ratio(end).sel({"from": "flat"}).drop_vars(["from", "step", "optimizer"], errors="ignore")
    ratio = one["ratio"].to_numpy()
    study.find(
        f"Noise along the Hessian selects exponentially: flat : sharp grows from {ratio[0]:.3g} at batch {size.batches[0]:g} to "
        f"{ratio[-1]:.3g} at {size.batches[-1]:g} (rate {LR:g})."
    )
    fit_slope(study, "SGD", end.sel({"from": "flat"}), LR, 0.1)
    fine = np.linspace(size.batches[0], size.batches[-1], 15)
    law = [stationary_ratio(LR, Noise(batch=float(b))) for b in fine]
    figure = plots.curves(
        {"SGD, noise along the Hessian": one, "white noise, as lr → 0": (fine, [2.0] * fine.size)},
        "ratio",
        "batch",
        laws={"SGD, noise along the Hessian": (fine, law)},
        law_name="exact",
        x_label="batch size B",
        y_label="flat : sharp",
        log=(False, True),
        note=f"lr = {LR:g}",
    )
    study.draw("batch", figure, "Hessian-aligned noise: how many more are in the flat minimum, against the batch size.")
    curve = runs.isel(batch=1).sel(outcome="flat")
    shown = {f"from {s}": curve.sel({"from": s}).drop_vars(NAMES, errors="ignore") for s in STARTS}
    lines = dict(zip(shown, ((at, y) for y in flat_shares(LR, Noise(batch=size.batches[1]), tuple(at))), strict=True))
    study.draw(
        "settling_aligned",
        settling(shown, lines),
        f"Hessian-aligned noise, batch {size.batches[1]:g}: from both starts the share comes to the same, sooner.",
    )


def settling(shown: dict[str, xr.Dataset], lines: dict[str, tuple[Sequence[int], NDArray[np.float64]]]) -> Figure:
    """The share in the flat minimum against the step, from both starts, with its law."""
    return plots.curves(
        shown,
        "share",
        "step",
        laws=lines,
        y_label="share in the flat minimum",
        x_label="step t",
        limits=(-0.03, 1.03),
    )


def fit_slope(study: report.Study[Size], name: str, found: xr.Dataset, lr: float, allowed: float) -> None:
    """The slope of ln(ratio) in the batch or, for Adam, its root over the larger batches, beside its limit as lr -> 0."""
    adam = name.startswith("Adam")
    scale = found["batch"].to_numpy() ** (0.5 if adam else 1.0)
    law = adam_slope() if adam else laws.hessian_aligned_selection(BARRIER, lr, WELLS.sharp, WELLS.flat)
    variable = "sqrt(B)" if adam else "B"
    seen = [log_ratio(found.isel(batch=k)) for k in range(scale.size)]
    use = [k for k in range(scale.size) if k >= (scale.size - 1) // 2 and seen[k][1] < 0.5]
    if len(use) < 2:
        return
    y, error, x = np.array([seen[k][0] for k in use]), np.array([seen[k][1] for k in use]), scale[use]
    weight = error**-2
    middle = (weight * x).sum() / weight.sum()
    spread = (weight * (x - middle) ** 2).sum()
    value = float((weight * (x - middle) * y).sum() / spread)
    study.check(
        report.Check.asymptotic(
            f"d ln(ratio) / d {variable}, {name}, rate {lr:g}", value, law, allowed, 1 / math.sqrt(spread)
        )
    )
    study.find(
        f"{name} at rate {lr:g}: d ln(ratio) / d {variable} = {value:.3g} ± {1.96 / math.sqrt(spread):.2g}; {law:.3g} as lr -> 0."
    )


def phases(study: report.Study[Size]) -> None:
    """Learning rate and batch size, from the sharp minimum, at a finite horizon."""
    size = study.size
    optimizer, noise = en.GradientDescent(en.grid(size.phase_rates)), en.HessianAligned(en.grid(size.phase_batches))
    found = settle(study, "phases", optimizer, noise, size.phase_steps, 2, starts=["sharp"]).isel(optimizer=0)
    for i, j in np.ndindex(len(size.phase_rates), len(size.phase_batches)):
        lr, batch = size.phase_rates[i], size.phase_batches[j]
        hold(study, "phases", "SGD", found.isel(lr=i, batch=j), lr, Noise(batch=batch), size.phase_steps, True)
    one = found.sel({"from": "sharp", "outcome": "flat"}).drop_vars(["from", "outcome", "label", "optimizer"])
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
        note=f"95 % intervals to ± {widest:.2g}; step {size.phase_steps:,}, from the sharp minimum",
    )
    study.draw(
        "phases",
        figure,
        "SGD with Hessian-aligned noise: frozen in the sharp minimum (large batch, small rate), collected in the flat one, or too hot "
        "to choose.",
    )
    share = one["share"].to_numpy()
    study.find(
        f"After {size.phase_steps:,} steps from the sharp minimum, of {share.size} pairs of rate and batch {np.sum(share < 0.01)} are "
        f"frozen there (less than 1 % in the flat one), {np.sum(share > 0.99)} have more than 99 % in the flat one, the hottest has "
        f"{100 * share[-1, 0]:.1f} %."
    )


def optimizers(study: report.Study[Size]) -> None:
    """Six optimizers under aligned noise, in two dimensions, against the batch size."""
    size = study.size
    given: dict[str, en.Optimizer] = {
        "SGD": en.GradientDescent(OPTIMIZER_LR),
        "heavy ball": en.HeavyBall(OPTIMIZER_LR * (1 - BETA), BETA),
        "Adai": en.Adai(OPTIMIZER_LR),
        "SAM": en.SAM(en.GradientDescent(OPTIMIZER_LR), rho=RHO),
        "Adam": en.Adam(ADAM_LR, BETA, ADAM_BETA2),
        "AdamW": en.AdamW(ADAM_LR, DECAY, BETA, ADAM_BETA2),
    }
    batches, steps = size.optimizer_batches, size.optimizer_steps
    found = settle(study, "optimizers", given, en.HessianAligned(en.grid(batches)), steps, 3, dim=2)
    seen: dict[str, xr.Dataset] = {}
    for name in OPTIMIZERS:
        own = found.sel(optimizer=name)
        lr = ADAM_LR if name.startswith("Adam") else OPTIMIZER_LR
        for k, batch in enumerate(batches):
            one = own.isel(batch=k)
            sides = one["share"].sel(outcome="flat").to_numpy()
            middle = (float(sides.mean()) * size.instances + 1) / (
                size.instances + 2
            )  # never 1, so that there is an error
            error = math.sqrt(2 * middle * (1 - middle) / size.instances)
            study.check(
                report.Check.exact(
                    f"{name}, batch {batch:g}: share flat, from flat less from sharp", sides[1] - sides[0], 0.0, error
                )
            )
            hold(study, "optimizers", name, one, lr, Noise(batch=batch), steps, name == "SGD")
        end = own.sel({"from": "flat"})
        seen[name] = with_ratio(end).drop_vars(["from", "optimizer"])
        if name != "SAM":
            fit_slope(study, name, end, lr, 0.3 if name.startswith("Adam") else 0.15)
    for k, batch in enumerate(batches):
        (y, one), (z, two) = (
            log_ratio(found.sel({"optimizer": n, "from": "flat"}).isel(batch=k)) for n in ("AdamW", "Adam")
        )
        what = f"ln(ratio) of AdamW less that of Adam, batch {batch:g}"
        if math.isfinite(y - z):
            study.check(report.Check.asymptotic(what, y - z, decay_law(batch), 0.25, math.hypot(one, two)))
    last = {name: float(one["ratio"][-1]) for name, one in seen.items()}
    said = ", ".join(f"{ratio:.3g} ({name})" for name, ratio in last.items())
    study.find(
        f"Flat : sharp at batch {batches[-1]:g} and the rates {OPTIMIZER_LR:g} and, of Adam, {ADAM_LR:g}: {said}."
    )
    fine = np.linspace(batches[0], batches[-1], 9)
    law = [stationary_ratio(OPTIMIZER_LR, Noise(batch=float(b))) for b in fine]
    figure = plots.curves(
        seen,
        "ratio",
        "batch",
        laws={"SGD": (fine, law)},
        law_name="exact",
        x_label="batch size B",
        y_label="flat : sharp",
        log=(False, True),
    )
    study.draw(
        "optimizers", figure, "Six optimizers under Hessian-aligned noise: how many more are in the flat minimum."
    )


# ---- the command


def run(study: report.Study[Size]) -> None:
    """Selection by white and by Hessian-aligned noise, a phase diagram, and six optimizers."""
    aligned_noise(study)
    white_noise(study)
    phases(study)
    optimizers(study)
    for part in dict.fromkeys(row["part"] for row in study.rows):
        rows = [{k: v for k, v in row.items() if k != "part"} for row in study.rows if row["part"] == part]
        study.tables[f"Table: {part}"] = report.table_of(rows)


app = report.command(run, FULL, QUICK)

if __name__ == "__main__":
    app()
