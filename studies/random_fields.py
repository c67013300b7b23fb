"""At which energy has a random landscape its saddles, and where does each optimizer stop?

Question. On the spherical 3-spin glass: how many stationary points of which index are there, how many directions lead down at one of
a given energy, and at which energy do gradient descent, heavy ball, Nesterov, Adam and gradient descent with noise stop? On a smooth
Gaussian field of the plane: which share of the stationary points are minima?

Expected. Auffinger, Ben Arous and Cerny (2013), arXiv:1003.1129: the mean number of stationary points of index k is an integral over
the k-th eigenvalue of a random matrix, exact at every N; in every field the numbers with alternating signs add up to the Euler
characteristic of the sphere, 2 (N odd) or 0 (N even). At an energy u per coordinate the share of directions that lead down is
alpha(u) = 1/2 + (z sqrt(1 - z^2) + asin z)/pi, z = u/E_inf, E_inf = 1.633, as N goes to infinity (compared with Dauphin et al. 2014,
arXiv:1406.2572, figure 1); we allow 1/N. Gradient flow from a random start ends at -E_inf as first N and then time go to infinity
(Sellke 2024, arXiv:2305.07956), and nothing lies below the ground state, -1.657: energies fall with N and stay above -E_inf.
In the plane a quarter of the points are minima, a half saddles, a quarter maxima, 2/(sqrt(3) pi) = 0.368 in a unit of area.

Found. All 36 comparisons with laws hold (seed 0; 24 fields of each size, 8 instances each, 1,200 steps). The sphere's Euler
characteristic is met in 800 of 800 fields. At N = 20 the share of directions down follows alpha(u) to within its errors: 0.245 (law
0.243) near -0.68, 0.609 (0.611) near 0.29. Gradient descent stops at -1.404, -1.471 and -1.526 for N = 16, 32 and 64, on its way to
-1.633; at N = 64 heavy ball stops at -1.5282, Nesterov at -1.5266, Adam at -1.5238, gradient descent with noise at -1.5261: within a
standard error (0.004) they are one. Of 566 stationary points in the plane 0.235 are minima, 0.518 saddles, 0.247 maxima.

Run `python studies/random_fields.py`, or with `--quick`. Intervals of energies are over disorder, one landscape one observation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import report
import xarray as xr
from numpy.typing import NDArray

import ensemble as en
from ensemble import plots
from ensemble.statistics import laws, quenched

RATES = {"GD": 0.1, "heavy ball": 0.02, "Nesterov": 0.02, "Adam": 0.02, "GD with noise": 0.1}
SIGMA = 0.1  # of the noise, in each coordinate
SIDE = 8.0  # of the square in which points of the plane are counted
EDGES = np.linspace(-1.6, 0.4, 11)  # of the energies in which indices are averaged
FEWEST = 20  # points in such a bin
PLACES = plots.palette(list(RATES))


@dataclass(frozen=True)
class Size(report.Size):
    """``instances`` in each field; ``fields`` of each size for descents, ``counted`` for counts, ``plane`` of the plane."""

    dims: tuple[int, ...] = (16, 32, 64)
    fields: int = 24
    counted: int = 400
    plane: int = 24
    features: int = 512
    saddles: int = 20
    saddle_dim: int = 20


def note(
    study: report.Study[Size],
    what: str,
    seen: float,
    law: float,
    error: float,
    between: float = np.nan,
    within: float = np.nan,
) -> None:
    """A row of the table."""
    row = {"what": what, "seen": seen, "law": law, "standard error": error}
    study.rows.append(row | {"between fields": between, "within a field": within})


def count_on_spheres(study: report.Study[Size]) -> None:
    """Numbers of stationary points at N = 2 and 3 against their exact means, and the Euler characteristic in every field."""
    for dim, starts in ((2, 64), (3, 256)):
        found = []
        for seed in range(study.size.counted):
            points = en.find_stationary_points(
                en.SphericalPSpin(dim, disorder_seed=seed), starts=starts, backend="numpy"
            )
            found.append([sum(p.index == k for p in points) for k in range(dim)])
        counts = np.array(found)
        euler = counts @ (-1) ** np.arange(dim)
        right = int((euler == 1 + (-1) ** (dim - 1)).sum())
        study.check(report.Check.equal(f"N = {dim}: fields with the sphere's Euler characteristic", right, len(counts)))
        mean, error = laws.pspin_points(dim, samples=1_000_000)
        for k in range(dim):
            spread = np.hypot(counts[:, k].std(ddof=1) / np.sqrt(len(counts)), error[k])
            what = f"N = {dim}: mean number of points of index {k}"
            study.check(report.Check.exact(what, counts[:, k].mean(), mean[k], spread))
            note(study, what, counts[:, k].mean(), mean[k], spread)


def indices_against_energy(study: report.Study[Size]) -> None:
    """Stationary points that Newton's method finds, whatever their index: the share of directions down against the energy."""
    dim = study.size.saddle_dim
    energy, share = [], []
    for seed in range(study.size.saddles):
        glass = en.SphericalPSpin(dim, disorder_seed=seed)
        for p in en.find_stationary_points(glass, starts=200, seed=seed, backend=study.backend):
            energy.append(p.value / dim)
            share.append(p.index / (dim - 1))
    u, down = np.array(energy), np.array(share)
    place, middles, seen, errors = np.digitize(u, EDGES) - 1, [], [], []
    for k in range(len(EDGES) - 1):
        here = place == k
        if here.sum() < FEWEST:
            continue
        law = laws.pspin_index(u[here]).mean()
        mean, error = down[here].mean(), down[here].std(ddof=1) / np.sqrt(here.sum())
        what = f"N = {dim}: share of directions down, energies {EDGES[k]:.1f} to {EDGES[k + 1]:.1f}"
        study.check(report.Check.at_most(f"{what}: distance to the law", abs(mean - law), 1 / dim, error))
        note(study, what, mean, law, error)
        middles.append(u[here].mean())
        seen.append(mean)
        errors.append(error)
    x, y, e = (np.array(a) for a in (middles, seen, errors))
    line = np.linspace(-1.633, 0.5, 100)
    study.draw(
        "index",
        plots.curves(
            {f"N = {dim}": (x, y, y - 1.96 * e, y + 1.96 * e)},
            laws={f"N = {dim}": (line, laws.pspin_index(line))},
            x_label="energy per coordinate",
            y_label="share of directions down",
        ),
        f"{u.size:,} stationary points of {study.size.saddles} glasses: the share of directions that lead down against the energy.",
    )
    study.find(
        f"{u.size:,} stationary points of {study.size.saddles} glasses with N = {dim}: at energies near {x[0]:.2f} a share of "
        f"{y[0]:.3f} of the directions leads down (law {laws.pspin_index(x[:1])[0]:.3f}), near "
        f"{x[-1]:.2f} {y[-1]:.3f} ({laws.pspin_index(x[-1:])[0]:.3f})."
    )


def optimizers() -> dict[str, en.Optimizer]:
    """What descends."""
    return {
        "GD": en.GradientDescent(RATES["GD"]),
        "heavy ball": en.HeavyBall(RATES["heavy ball"], beta=0.9),
        "Nesterov": en.Nesterov(RATES["Nesterov"], beta=0.9),
        "Adam": en.Adam(RATES["Adam"]),
    }


def descend(study: report.Study[Size], dim: int) -> dict[str, xr.Dataset]:
    """Every optimizer in the same fields from the same starts: records of the energy."""
    shared: dict[str, Any] = {
        "landscape": en.SphericalPSpin(dim, disorder_seed=en.grid(range(study.size.fields))),
        "start": en.Sphere(np.sqrt(dim)),
        "record": en.Record(["value", "gradient_norm"], at=en.log_spaced(40)),
        "instances": study.size.instances,
        "steps": study.size.steps,
        "seed": study.seed,
        "backend": study.backend,
        "keep_x": False,
    }
    runs = {
        name: study.keep(f"{name.replace(' ', '_')}_{dim}", en.simulate(optimizer=optimizer, **shared)).dataset
        for name, optimizer in optimizers().items()
    }
    noisy = en.simulate(optimizer=en.GradientDescent(RATES["GD with noise"]), noise=en.Gaussian(SIGMA), **shared)
    return runs | {"GD with noise": study.keep(f"noise_{dim}", noisy).dataset}


def where_they_stop(study: report.Study[Size]) -> None:
    """Energies per coordinate at the end, for every optimizer and size, averaged over disorder."""
    ends: dict[str, list[tuple[float, float, float]]] = {name: [] for name in RATES}
    threshold = laws.pspin_threshold(3)
    for dim in study.size.dims:
        for name, runs in descend(study, dim).items():
            found = quenched(runs["value"].isel(step=-1) / dim, "disorder_seed")
            mean, low, high = (float(found[v]) for v in ("mean", "lower", "upper"))
            ends[name].append((mean, low, high))
            between, within = float(found["between"]), float(found["within"])
            what = f"N = {dim}, {name}: energy per coordinate"
            note(study, what, mean, np.nan, (high - low) / 3.92, between, within)
            what = f"N = {dim}, {name}: energy above the threshold that it tends to"
            study.check(report.Check.at_least(what, mean, -threshold, (high - low) / 3.92))
            if name == "GD" and dim == study.size.dims[-1]:
                curves = quenched(runs["value"] / dim, "disorder_seed")
                draw_time(study, dim, {name: curves})
    dims = np.array(study.size.dims, dtype=float)
    data = {name: (dims, *(np.array(column) for column in zip(*rows, strict=True))) for name, rows in ends.items()}
    for name, (_, mean, low, high) in data.items():
        error = float(np.hypot(high[0] - low[0], high[-1] - low[-1])) / 3.92
        what = f"{name}: energy at N = {dims[0]:g} less that at N = {dims[-1]:g}"
        study.check(report.Check.at_least(what, mean[0] - mean[-1], 0.0, error))
    study.draw(
        "ends",
        plots.curves(
            data,
            laws={"GD": (dims, np.full(dims.size, -threshold))},
            law_name="threshold",
            x_label="N",
            y_label="energy per coordinate",
            log=(True, False),
            places=PLACES,
        ),
        f"Where optimizers stop after {study.size.steps:,} steps: energy per coordinate, averaged over {study.size.fields} fields.",
    )
    last = {name: rows[-1][0] for name, rows in ends.items()}
    study.find(
        f"After {study.size.steps:,} steps at N = {int(dims[-1])} the energies per coordinate are "
        + ", ".join(f"{value:.4f} ({name})" for name, value in last.items())
        + f"; the threshold is {-threshold:.4f}. GD stops at {', '.join(f'{row[0]:.3f}' for row in ends['GD'])} for N = "
        f"{', '.join(str(n) for n in study.size.dims)}."
    )


def draw_time(study: report.Study[Size], dim: int, curves: dict[str, xr.Dataset]) -> None:
    """The energy against the step."""
    threshold = laws.pspin_threshold(3)
    data: dict[str, tuple[NDArray[np.float64], ...]] = {}
    for name, one in curves.items():
        after = one.isel(step=one["step"] > 0)
        columns = (np.asarray(after[v]) + threshold for v in ("mean", "lower", "upper"))
        data[name] = (np.asarray(after["step"], dtype=float), *columns)
    study.draw(
        "relaxation",
        plots.curves(data, x_label="step", y_label="energy above the threshold", log=(True, True), places=PLACES),
        f"Gradient descent at N = {dim}: the energy per coordinate above -E_inf against the step.",
    )


def types_in_the_plane(study: report.Study[Size]) -> None:
    """Minima, saddles and maxima of Gaussian fields in a square."""
    found = []
    for seed in range(study.size.plane):
        field = en.RandomField(2, features=study.size.features, seed=seed)
        box = (-SIDE / 2, SIDE / 2)
        points = en.find_stationary_points(field, box, starts=600, backend=study.backend)
        found.append([sum(p.index == k for p in points) for k in range(3)])
    counts = np.array(found, dtype=float)
    law = laws.gaussian_field_points(2) * SIDE**2
    for k, name in enumerate(("minima", "saddles", "maxima")):
        error = counts[:, k].std(ddof=1) / np.sqrt(len(counts))
        what = f"plane: mean number of {name} in a square of side {SIDE:g}"
        study.check(report.Check.exact(what, counts[:, k].mean(), law[k], error))
        note(study, what, counts[:, k].mean(), law[k], error)
    share = counts.sum(axis=0) / counts.sum()
    study.find(
        f"Of {int(counts.sum()):,} stationary points of fields in the plane {share[0]:.3f} are minima, {share[1]:.3f} saddles, "
        f"{share[2]:.3f} maxima (1/4, 1/2, 1/4)."
    )


def run(study: report.Study[Size]) -> None:
    """Everything."""
    where_they_stop(study)
    indices_against_energy(study)
    count_on_spheres(study)
    types_in_the_plane(study)


app = report.command(
    run,
    Size(8, 1200),
    Size(4, 300, dims=(8, 16), fields=12, counted=40, plane=12, features=128, saddles=6, saddle_dim=12),
)

if __name__ == "__main__":
    app()
