"""Random fields and glasses: exact moments over the disorder, counts of stationary points, and seeds that may be grids."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import xarray as xr
from emulated import EmulatedEngine

import ensemble as en
from ensemble.arithmetic.drawn import drawn_normals
from ensemble.arithmetic.random import Stream
from ensemble.backends.numpy import NumpyEngine
from ensemble.backends.program import Program
from ensemble.landscapes.spherical import _rank, _sorted_indices
from ensemble.statistics import laws

FIELDS = 1000


def counts(landscape, starts, backend="numpy"):
    points = en.find_stationary_points(landscape, starts=starts, backend=backend)
    found = Counter(p.index for p in points)
    return [found[k] for k in range(landscape.dimension)]


def within(found, law, error, what=""):
    z = (np.asarray(found) - law) / error
    assert np.abs(z).max() <= 4, f"{what}: z = {z}"


# ---- moments over the disorder


def test_a_field_has_its_moments_at_any_number_of_features():
    dim, sigma, size = 3, 1.3, 0.7
    x = np.array([[0.3, -1.1, 2.0], [0.3, -1.1, 2.0], [0.5, -1.0, 1.6]])
    drawn = [en.RandomField(dim, features=4, length=size, sigma=sigma, seed=k) for k in range(FIELDS)]
    value = np.array([f.value(x)[:, 0] for f in drawn])
    slope = np.array([(f.gradient(x[:1]) ** 2).sum() for f in drawn])
    near = math.exp(-((x[1] - x[2]) ** 2).sum() / (2 * size**2))
    fourth = sigma**4 * (3 - 3 / (2 * 4))
    for sample, law in (
        (value[:, 0], 0.0),
        (value[:, 0] ** 2, sigma**2),
        (value[:, 0] ** 4, fourth),
        (slope, dim * sigma**2 / size**2),
        (value[:, 1] * value[:, 2], sigma**2 * near),
    ):
        within(sample.mean(), law, sample.std() / math.sqrt(FIELDS))


@pytest.mark.parametrize("p", [3, *(pytest.param(p, marks=pytest.mark.slow) for p in (2, 4))])
def test_the_covariance_of_a_glass_is_the_power_of_the_overlap(p):
    dim = 4
    x = en.SphericalPSpin(dim).project(np.array([[1.0, 0.5, -0.3, 2.0], [0.8, 1.0, 0.2, 1.0], [-1.0, 1.0, 0.0, 0.0]]))
    for kind, options in ((en.SphericalPSpin, {}), (en.PSpinFeatures, {"features": 30})):
        h = np.array([kind(dim, p=p, disorder_seed=k, **options).value(x)[:, 0] for k in range(FIELDS)])
        for a, b in ((0, 0), (0, 1), (0, 2)):
            product = h[:, a] * h[:, b]
            law = dim * ((x[a] @ x[b]) / dim) ** p
            within(product.mean(), law, product.std() / math.sqrt(FIELDS), f"{kind.__name__} {a} {b}")


def test_disorder_is_a_function_of_its_seed_alone():
    few, more = drawn_normals(5, Stream.DISORDER, 10), drawn_normals(5, Stream.DISORDER, 1000)
    assert np.array_equal(few, more[:10])
    assert not np.array_equal(drawn_normals(6, Stream.DISORDER, 10), few)
    assert not np.array_equal(drawn_normals(5, Stream.DISORDER, 10, part=1), few)
    assert abs(more.mean()) < 4 / math.sqrt(1000)
    run = {"optimizer": en.GradientDescent(0.1), "start": en.Point(0.3), "instances": 1, "steps": 5, "backend": "numpy"}
    ends = [
        en.simulate(landscape=en.RandomField(2, 8), seed=s, progress=False, **run).dataset["x"].to_numpy()
        for s in (1, 2)
    ]
    assert np.array_equal(*ends)  # the run's seed is another


def test_monomials_are_ranked_in_their_order():
    for dim, p in ((2, 3), (5, 3), (4, 4), (3, 1)):
        assert _rank(_sorted_indices(dim, p), dim).tolist() == list(range(math.comb(dim + p - 1, p)))


# ---- stationary points


@pytest.mark.parametrize(("dim", "fields"), [(2, 60), pytest.param(3, 60, marks=pytest.mark.slow)])
def test_counts_of_stationary_points_have_their_exact_mean(dim, fields):
    check_counts(dim, fields)


@pytest.mark.slow
@pytest.mark.parametrize(("dim", "fields"), [(2, 1200), (3, 1200), (4, 100)])
def test_counts_of_stationary_points_have_their_exact_mean_in_many_fields(dim, fields):
    check_counts(dim, fields)


def check_counts(dim, fields):
    starts = {2: 64, 3: 256, 4: 1024}[dim]
    found = np.array([counts(en.SphericalPSpin(dim, disorder_seed=k), starts) for k in range(fields)])
    euler = found @ (-1.0) ** np.arange(dim)
    assert (euler == 1 + (-1) ** (dim - 1)).all()  # in every single field
    mean, error = laws.pspin_points(dim)
    within(found.mean(axis=0), mean, np.hypot(found.std(axis=0) / math.sqrt(fields), error))


@pytest.mark.parametrize(("fields", "features"), [(4, 128), pytest.param(60, 512, marks=pytest.mark.slow)])
def test_in_the_plane_a_quarter_are_minima_a_half_saddles_a_quarter_maxima(fields, features, cpu):
    side = 8.0
    found = []
    for k in range(fields):
        field = en.RandomField(2, features=features, seed=k)
        points = en.find_stationary_points(field, (-side / 2, side / 2), starts=600, backend="cpu")
        found.append([sum(p.index == index for p in points) for index in range(3)])
    found = np.array(found, dtype=float)
    assert found.sum() > 15 * fields
    share = found / found.sum()
    spread = np.maximum(found.std(axis=0), np.sqrt(found.mean(axis=0)) / 2) * math.sqrt(fields) / found.sum()
    within(share.sum(axis=0), [0.25, 0.5, 0.25], spread, "shares")
    law = laws.gaussian_field_points(2) * side**2
    within(found.mean(axis=0), law, np.maximum(found.std(axis=0), np.sqrt(law) / 2) / math.sqrt(fields), "density")


# ---- laws


def test_the_laws_of_glasses_have_their_printed_values():
    assert laws.pspin_threshold(3) == pytest.approx(1.6329932, abs=1e-7)
    assert laws.pspin_ground_state(3) == pytest.approx(1.6569984, abs=1e-7)
    assert laws.pspin_ground_state(3, index=1) == pytest.approx(1.6528732, abs=1e-7)
    assert laws.pspin_complexity(-laws.pspin_threshold(3)) == pytest.approx(0.5 * math.log(2) - 1 / 3)
    assert laws.pspin_complexity(0.5, 3) == pytest.approx(0.5 * math.log(2))
    np.testing.assert_allclose(laws.pspin_index([-2.0, 2.0, 0.0]), [0, 1, 0.5])
    mean, error = laws.pspin_points(2, samples=200_000)
    within(mean.sum(), 2 * math.sqrt(7), error.sum(), "Kac and Rice on the circle")
    mean, error = laws.pspin_points(3)
    within(mean[0] - mean[1] + mean[2], 2.0, error.sum(), "Euler characteristic")


def test_the_hessian_at_a_stationary_point_has_the_index_of_its_energy():
    dim = 32
    f = en.SphericalPSpin(dim, disorder_seed=1)
    x = f.project(np.random.default_rng(0).normal(size=(6, dim)))
    spectra = np.stack([np.linalg.eigvalsh(f.hessian(point)) for point in x])
    # away from stationary points too the Hessian is Wigner's matrix shifted by -p u, u the energy
    below, energy = (spectra < -1e-9).mean(axis=1) * dim / (dim - 1), f.value(x)[:, 0] / dim
    assert np.abs(below - laws.pspin_index(energy)).max() < 0.06


# ---- grids over the disorder


def test_a_grid_over_seeds_is_every_field_by_itself(cpu):
    run = {
        "optimizer": en.Adam(0.05),
        "noise": en.Gaussian(0.1),
        "start": en.NormalCloud(1.0),
        "instances": 5,
        "steps": 20,
        "math": "precise",
        "dtype": "float64",
        "progress": False,
    }
    seeds = (3, 9)
    for backend in ("numpy", "cpu"):
        swept = en.simulate(landscape=en.RandomField(3, 12, seed=en.grid(*seeds)), backend=backend, **run).dataset
        assert swept["x"].dims == ("seed", "instance", "coordinate")
        assert swept["seed"].to_numpy().tolist() == list(seeds)
        for k, seed in enumerate(seeds):
            alone = en.simulate(landscape=en.RandomField(3, 12, seed=seed), backend=backend, **run).dataset
            assert np.array_equal(alone["x"], swept["x"][k])


@pytest.mark.ci
@pytest.mark.parametrize(
    ("made", "field"),
    [
        (lambda seed: en.SphericalPSpin(4, disorder_seed=seed), "disorder_seed"),
        (lambda seed: en.Rotated(en.RandomField(4, 12, seed=seed)), "seed"),
    ],
)
@pytest.mark.parametrize("rate", [0.1, en.drawn(en.LogUniform(0.01, 0.1))])
def test_seeds_inside_of_parts_and_beside_drawn_numbers_are_each_their_own(made, field, rate, cpu):
    run = {
        "optimizer": en.GradientDescent(rate), "noise": en.Gaussian(0.1), "start": en.NormalCloud(1.0), "instances": 3,
        "steps": 6, "seed": 2, "progress": False, "event": en.LeftBall(1.9),
        "record": en.Record(at=(3, 6), quantities=("value", "gradient_norm")),
    }  # fmt: skip
    for backend in ("numpy", "cpu"):
        swept = en.simulate(landscape=made(en.grid(0, 1)), backend=backend, **run).dataset
        assert not np.array_equal(swept["x"][0], swept["x"][1])
        for k in range(2):
            alone = en.simulate(landscape=made(k), backend=backend, **run).dataset
            for name in ("x", "value", "gradient_norm"):
                assert np.array_equal(alone[name], swept[name].sel({field: k})), (backend, name)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [en.RandomField, en.SphericalPSpin])
def test_on_a_device_each_configuration_has_its_own_field(kind):
    seed = "seed" if kind is en.RandomField else "disorder_seed"
    parts = tuple(
        {
            "landscape": kind(9, **{seed: k}),
            "optimizer": en.HeavyBall(0.1),
            "noise": en.Gaussian(0.1),
            "event": en.Never(),
        }
        for k in range(3)
    )
    p, ends = Program(parts, 9, 2, 0, np.dtype(np.float32), "precise", 5, 1, True), []
    for engine in (NumpyEngine(), EmulatedEngine(2)):
        state = engine.new_state(p)
        state.x[:] = np.random.default_rng(1).normal(size=state.x.shape)
        engine.advance(p, state, np.arange(p.rows, dtype=np.int32), 1, 4)
        seen = engine.observe(p, state.x, ("value", "gradient"), 1)
        ends.append(np.concatenate([state.x, seen["value"][:, None], seen["gradient"]], axis=1))
    assert np.isfinite(ends[0]).all()
    assert np.array_equal(*ends)


def test_a_swept_field_is_saved_and_read_with_its_seeds(tmp_path):
    result = en.simulate(
        landscape=en.SphericalPSpin(4, disorder_seed=en.grid(1, 2)), optimizer=en.GradientDescent(0.1), start=en.NormalCloud(1.0),
        instances=3, steps=5, backend="numpy", progress=False,
    )  # fmt: skip
    result.save(tmp_path / "glass.nc")
    again = en.load(tmp_path / "glass.nc")
    assert np.array_equal(again.dataset["x"], result.dataset["x"])
    values = [field.values(again.dataset["x"][k].to_numpy().astype(float)) for k, field in enumerate(again.fields())]
    assert not np.array_equal(values[0], values[1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: en.RandomField(2, seed=-1), r"seed must be a whole number from 0 to 2\^64 - 1"),
        (lambda: en.RandomField(2, seed=2**64), r"seed must be a whole number from 0 to 2\^64 - 1"),
        (lambda: en.RandomField(2, seed=en.grid(1, 0.5)), r"seed must be a whole number"),
        (lambda: en.RandomField(2, features=en.grid(8, 16)), "run the variants side by side"),
        (lambda: en.RandomField(2, length=0.0), "length must be a number greater than 0"),
        (lambda: en.RandomField(10_000, features=10_000), "give a product of at most"),
        (lambda: en.SphericalPSpin(1), "dim must be a whole number of at least 2"),
        (lambda: en.SphericalPSpin(1000), r"or PSpinFeatures\(dim=1000, features=16000, p=3\)"),
        (lambda: en.PSpinFeatures(4), "features"),
        (lambda: en.Rotated(en.SphericalPSpin(4)), "give a landscape on the whole space"),
        (lambda: laws.pspin_complexity(0.0, p=2), "give a whole number of at least 3"),
        (lambda: laws.pspin_complexity(0.0, index=-1), "give a whole number of at least 0"),
        (lambda: laws.pspin_points(1), "give a whole number of at least 2"),
        (lambda: laws.gaussian_field_points(3), "give 1 or 2"),
    ],
)
def test_bad_input_has_one_clear_line(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_an_average_over_disorder_counts_landscapes_and_not_instances():
    rng = np.random.default_rng(0)
    covered, widths = 0, []
    for _ in range(400):
        drawn = rng.normal(size=(12, 1)) + 0.5 * rng.normal(size=(12, 50))
        found = en.statistics.quenched(xr.DataArray(drawn, dims=("seed", "instance")), "seed")
        covered += bool(found["lower"] <= 0 <= found["upper"])
        widths.append((float(found["between"]), float(found["within"])))
    assert 0.92 < covered / 400 < 0.98
    assert np.mean(np.square(widths), axis=0) == pytest.approx([1.0, 0.25], rel=0.05)
    with pytest.raises(ValueError, match=r"the dimensions \['seed'\]; give the one"):
        en.statistics.quenched(xr.DataArray(drawn, dims=("seed", "instance")), "lr")
    with pytest.raises(ValueError, match="4 landscapes cannot bear an interval"):
        en.statistics.quenched(xr.DataArray(drawn[:4], dims=("seed", "instance")), "seed")
