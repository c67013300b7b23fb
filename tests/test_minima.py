"""Where the instances end: shares of outcomes, quenching, and which minimum it is."""

from __future__ import annotations

import signal

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from simulated_runs import covers, runs

import ensemble as en
from ensemble.backends.numpy import NumpyEngine
from ensemble.run.progress import Reporter
from ensemble.statistics import nearest_minimum, occupancy_against_sharpness, points, quench, shares

# ---- shares of outcomes


def outcomes(censored, first, second, diverged):
    """Return runs of which so many were censored, had event 1, had event 2, and diverged."""
    n = censored + first + second + diverged
    code = np.repeat([0, 1, 2, 3], [censored, first, second, diverged])
    time = np.where((code == 1) | (code == 2), 5, 99)
    return runs(time, 10, event=np.where(code < 3, code, 0), diverged_step=np.where(code == 3, 4, -1)), n


@pytest.mark.parametrize("counts", [(0, 40, 0, 0), (7, 3, 20, 1), (5, 5, 5, 5), (1, 0, 0, 0), (0, 0, 1000, 1)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_shares_and_their_intervals_are_statsmodels_and_scipys(counts, confidence):
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    data, n = outcomes(*counts)
    found = shares(data, labels=[1, 2], confidence=confidence)
    assert found.outcome.values.tolist() == ["censored", "event 1", "event 2", "diverged"]
    np.testing.assert_array_equal(found["count"], counts)
    np.testing.assert_allclose(found.share, np.array(counts) / n)
    assert found.n == n
    for k, low, high in zip(counts, found.lower.values, found.upper.values, strict=True):
        oracle = stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
        np.testing.assert_allclose([low, high], [oracle.low, oracle.high], atol=1e-14)
        np.testing.assert_allclose(
            [low, high], proportion.proportion_confint(k, n, 1 - confidence, "wilson"), atol=1e-12
        )


def test_every_configuration_has_its_own_shares():
    time = np.array([[1, 2, 99, 99], [1, 1, 1, 99]])
    data = runs(time, 10, dims=("lr", "instance"), coords={"lr": [0.1, 0.2]})
    found = shares(data)
    assert found.share.dims == ("lr", "outcome")
    np.testing.assert_array_equal(found.share.sel(outcome="event 1"), [0.5, 0.75])
    np.testing.assert_array_equal(found.share.sum("outcome"), 1.0)
    assert found.label.values.tolist() == [0, 1, -1]


def test_an_event_that_nobody_had_is_listed_where_it_is_asked_for():
    data = outcomes(3, 4, 0, 0)[0]
    assert shares(data).sizes["outcome"] == 3
    never = shares(data, labels=[1, 2]).sel(outcome="event 2")
    assert never.share == never.lower == 0
    assert never.upper > 0
    with pytest.raises(ValueError, match=r"labels=\[2\], and events were \[1\]; give"):
        shares(data, labels=[2])


@pytest.mark.slow
@pytest.mark.parametrize("p", [0.05, 0.3, 0.5])
def test_ninety_five_percent_intervals_of_a_share_cover_ninety_five_percent(p):
    had = np.random.default_rng(3).random((2000, 300)) < p
    found = shares(runs(np.where(had, 5, 99), 10, dims=("trial", "instance"))).sel(outcome="event 1")
    assert 0.93 <= float(((found.lower <= p) & (p <= found.upper)).mean()) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 20, 100])
def test_at_any_size_they_do_on_average_over_shares(n):
    """For one share Wilson's coverage swings with n (Brown, Cai & DasGupta 2001): 2,000 data sets, each with its own."""
    rng = np.random.default_rng(4)
    p = rng.uniform(0.02, 0.98, (2000, 1))
    had = rng.random((2000, n)) < p
    found = shares(runs(np.where(had, 5, 99), 10, dims=("trial", "instance"))).sel(outcome="event 1")
    assert 0.93 <= float(((found.lower <= p[:, 0]) & (p[:, 0] <= found.upper)).mean()) <= 0.97


# ---- which minimum

DEEP = 0.515673126  # share of [-5, 5] left of Styblinski and Tang's maximum at 0.15673126


def spread(landscape, *, instances, **changes):
    """Return a result whose instances are still about where they started: all over the landscape's box."""
    given = {
        "landscape": landscape,
        "optimizer": en.GradientDescent(lr=1e-6),
        "start": en.UniformBox(*landscape.box),
        "steps": 1,
        "instances": instances,
        "backend": "numpy",
        "dtype": "float64",
    }
    return en.simulate(**given | changes)


@pytest.fixture(scope="module")
def quenched():
    return quench(spread(en.StyblinskiTang(dim=2), instances=20_000))


def test_quenched_starts_fill_the_basins_in_proportion_to_their_width(quenched):
    found = nearest_minimum(quenched)
    names = found.stationary_name.values
    for k, law in (("deep deep", DEEP**2), ("deep shallow", DEEP * (1 - DEEP)), ("shallow shallow", (1 - DEEP) ** 2)):
        share = float((names[found.minimum] == k).mean())
        assert abs(share - law) <= 4 * np.sqrt(law * (1 - law) / 20_000), k
    deep = (quenched.dataset.x < 0).values
    assert abs(deep.mean() - DEEP) <= 4 * np.sqrt(DEEP * (1 - DEEP) / 40_000)


def test_quenching_ends_at_stationary_points(quenched):
    data = quenched.dataset
    assert data.descent_lr == 1 / 134
    assert data.converged.all()
    assert data.gradient_norm.max() <= 1e-6
    assert 0 < data.descent_steps.min() < data.descent_steps.max() < 10_000
    found = nearest_minimum(quenched)
    assert (found.minimum_index == 0).all()
    assert found.distance.max() < 1e-7
    np.testing.assert_allclose(data.final_value, found.minimum_value, rtol=1e-12)
    np.testing.assert_allclose(np.unique(found.minimum_curvature.round(5)), [29.26955, 34.58306])


def test_ctrl_c_leaves_the_descent_where_it_is(monkeypatch):
    """The signal is a real one, sent while the third stretch of steps is taken."""
    result = spread(en.StyblinskiTang(dim=2), instances=50)
    whole = quench(result, lr=1e-4, gradient_tolerance=1e-9, steps=400)
    calls, advance = [], NumpyEngine.advance

    def advanced(self, program, state, active, first, last, *more):
        calls.append(last)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return advance(self, program, state, active, first, last, *more)

    monkeypatch.setattr(NumpyEngine, "advance", advanced)
    with pytest.warns(UserWarning, match=r"ended early by SIGINT: 0 of 50 instances have converged"):
        found = quench(result, lr=1e-4, gradient_tolerance=1e-9, steps=400)
    monkeypatch.undo()
    taken = calls[-1]
    assert taken < 400
    assert (found.dataset["descent_steps"] == taken).all()
    assert (found.dataset.attrs["interrupted"], whole.dataset.attrs["interrupted"]) == (1, 0)
    np.testing.assert_array_equal(found.dataset["x"], quench(result, lr=1e-4, steps=taken).dataset["x"])


def test_progress_of_quenching_counts_the_running_the_converged_and_the_diverged(monkeypatch):
    result = en.simulate(
        landscape=en.Quadratic(en.grid(1.0, 30.0), dim=1),
        optimizer=en.GradientDescent(lr=1e-6),
        start=en.Point(1.0),
        instances=25,
        steps=1,
        backend="numpy",
        progress=False,
    )
    told = []
    monkeypatch.setattr(Reporter, "update", lambda self, *counts: told.append((self._progress.tasks[0].total, *counts)))
    monkeypatch.setattr(points, "HELD", 4 * 15)  # at once 15 of the 25 instances on either landscape
    assert quench(result, lr=0.1, steps=300, progress=True).dataset.converged.sum() == 25
    told = np.array(told)
    assert (told[:, 0] == 1200).all()
    assert (np.diff(told[:, 1]) >= 0).all()
    assert np.isin(told[:, 2:].sum(axis=1), [15, 10]).all()
    ends = told[told[:, 2] == 0, 1:]
    assert ends.tolist() == [[300, 0, 15, 0], [600, 0, 10, 0], [900, 0, 0, 15], [1200, 0, 0, 10]]


def test_quenching_is_silent_where_nobody_looks(capfd):
    quench(spread(en.StyblinskiTang(dim=1), instances=5))
    assert capfd.readouterr() == ("", "")


def test_too_few_steps_are_not_called_converged():
    found = quench(spread(en.StyblinskiTang(dim=1), instances=50), lr=1e-4, steps=10).dataset
    assert not found.converged.all()
    np.testing.assert_array_equal(found.converged, found.gradient_norm <= 1e-6)
    np.testing.assert_array_equal(found.descent_steps[~found.converged], 10)


def test_every_configuration_is_quenched_on_its_own_landscape():
    landscape = en.Quadratic(en.grid((1.0, 4.0), (2.0, 3.0)))
    result = en.simulate(
        landscape=landscape,
        optimizer=en.GradientDescent(lr=en.grid(0.01, 0.7)),
        start=en.NormalCloud(scale=1.0),
        steps=3000,
        instances=3,
        backend="numpy",
    )
    found = quench(result)
    assert found.dataset.x.dims == ("curvature", "lr", "instance", "coordinate")
    np.testing.assert_array_equal(found.dataset.descent_lr, [[0.25, 0.25], [1 / 3, 1 / 3]])
    diverged = result.dataset.status.values == 2
    assert diverged[:, 1].all()
    assert not diverged[:, 0].any()
    np.testing.assert_array_equal(found.dataset.converged, ~diverged)
    at = nearest_minimum(found)
    np.testing.assert_array_equal(at.minimum, np.where(diverged, -1, 0))
    np.testing.assert_array_equal(at.minimum_curvature[:, 0, 0], [4.0, 3.0])


def test_what_is_found_survives_a_file(quenched, tmp_path):
    at = nearest_minimum(quenched)
    for i, found in enumerate((quenched.dataset, at, occupancy_against_sharpness(at), shares(outcomes(1, 2, 3, 4)[0]))):
        found.to_netcdf(tmp_path / f"{i}.nc", engine="h5netcdf")
        with xr.open_dataset(tmp_path / f"{i}.nc", engine="h5netcdf") as back:
            xr.testing.assert_equal(back, found)


def test_an_instance_far_from_all_stationary_points_is_at_none():
    found = nearest_minimum(spread(en.StyblinskiTang(dim=2), instances=100), tolerance=0.5)
    np.testing.assert_array_equal(found.minimum >= 0, found.distance <= 0.5)
    assert 0 < (found.minimum < 0).sum() < 100
    points = np.array([point.x for point in en.StyblinskiTang(dim=2).stationary_points()])
    x = spread(en.StyblinskiTang(dim=2), instances=100).dataset.x.values
    away = np.linalg.norm(x[:, None] - points, axis=2)
    np.testing.assert_allclose(found.distance, away.min(axis=1))
    np.testing.assert_array_equal(found.minimum[found.minimum >= 0], away.argmin(axis=1)[found.minimum >= 0])


def test_what_a_landscape_does_not_say_is_asked_for():
    with pytest.raises(ValueError, match=r"Ackley states no smoothness.*give lr"):
        quench(spread(en.Ackley(dim=2), instances=3))
    with pytest.raises(ValueError, match=r"OnlineLinear lists no stationary point; give points=find_stationary_points"):
        nearest_minimum(spread(en.OnlineLinear(), instances=3))


def test_the_compiled_backend_quenches_to_the_same_minima(cpu):
    run = {"instances": 200, "math": "precise"}
    ours = quench(spread(en.StyblinskiTang(dim=2), **run))
    compiled = quench(spread(en.StyblinskiTang(dim=2), **run, backend="cpu"))
    np.testing.assert_array_equal(ours.dataset.x, compiled.dataset.x)


# ---- occupancy


def ended(counts, curvatures):
    """Return what nearest_minimum would for so many instances in minima of these curvatures, and three in none."""
    at = np.concatenate([np.repeat(np.arange(len(counts)), counts), [-1] * 3])
    names = [f"h={h}" for h in curvatures]
    listing = {
        "stationary_name": names,
        "stationary_value": np.zeros(len(names)),
        "stationary_curvature": np.asarray(curvatures, float),
        "stationary_index": np.zeros(len(names), int),
    }
    listing = {name: ("stationary", values) for name, values in listing.items()}
    return xr.Dataset({"minimum": ("instance", at), **listing})


def test_the_exponent_is_that_of_poisson_regression():
    api = pytest.importorskip("statsmodels.api")
    counts, curvatures = [700, 300, 90, 0, 12], [0.5, 2.0, 9.0, 40.0, 100.0]
    fit = api.GLM(counts, api.add_constant(np.log(curvatures)), family=api.families.Poisson()).fit()
    found = occupancy_against_sharpness(ended(counts, curvatures))
    assert found.exponent.item() == pytest.approx(-fit.params[1], rel=1e-6)
    np.testing.assert_array_equal(found["count"], counts)
    assert (found.n, found.elsewhere) == (1105, 3)
    np.testing.assert_allclose(found.share, np.array(counts) / 1105)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("b", "n"), [(0.0, 20), (0.5, 20), (0.0, 50), (0.5, 50), (1.5, 50), (0.0, 300), (0.5, 300), (1.5, 300)]
)
def test_intervals_of_the_exponent_cover_ninety_five_percent(b, n):
    curvatures = np.array([1.0, 3.0, 10.0])
    p = curvatures**-b / (curvatures**-b).sum()
    counts = np.random.default_rng(0).multinomial(n, p, 2000)
    data = xr.concat([ended(c, curvatures) for c in counts], "trial")
    assert 0.93 <= covers(occupancy_against_sharpness(data), "exponent", b) <= 0.97


def test_an_exponent_that_the_sample_cannot_bear_is_not_given():
    for counts in ([200, 0, 0], [0, 0, 200], [4, 3, 2]):
        found = occupancy_against_sharpness(ended(counts, [1.0, 2.0, 3.0]))
        assert np.isnan(found.exponent)
        assert "no exponent in 1 of 1" in found.attrs["note"]
    with pytest.raises(ValueError, match=r"curvatures \[2\.0, 2\.0\]: nothing to set shares against; give"):
        occupancy_against_sharpness(ended([10, 10], [2.0, 2.0]))


def test_the_shares_of_basins_are_set_against_their_curvature(quenched):
    found = occupancy_against_sharpness(nearest_minimum(quenched))
    assert found.minimum_name.values.tolist() == ["deep deep", "deep shallow", "shallow deep", "shallow shallow"]
    np.testing.assert_allclose(found.minimum_curvature, [34.58306, 34.58306, 34.58306, 29.26955], rtol=1e-6)
    assert found.elsewhere == 0
    np.testing.assert_allclose(found.share.sum(), 1.0)
    law = -np.log(3 * (1 - DEEP) ** 2 / (1 - (1 - DEEP) ** 2)) / np.log(29.26955 / 34.58306)
    assert abs(found.exponent - law) <= 4 / 1.96 * (found.exponent_upper - found.exponent)


@pytest.mark.slow
def test_white_noise_prefers_the_flat_well_as_the_exact_masses_say(cpu):
    rate, diffusion = 0.05, 0.5
    result = en.simulate(
        landscape=en.SharpFlat(sharp=4.0, flat=1.0, sharp_at=1.0, flat_at=2.0),
        optimizer=en.GradientDescent(lr=rate),
        noise=en.Gaussian(sigma=np.sqrt(2 * diffusion / rate)),
        start=en.UniformBox(-2.0, 4.0),
        steps=4000,
        instances=40_000,
        backend="cpu",
        progress=False,
    )
    found = occupancy_against_sharpness(nearest_minimum(quench(result, lr=0.1)))
    law = np.log(2.356602) / np.log(4.0)
    assert abs(found.exponent - law) <= 4 / 1.96 * (found.exponent_upper - found.exponent)
