"""Records that follow from iterates, of the optimizer's memory, and histograms: against laws and brute force."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest

import ensemble as en
from ensemble import plots

SLOPE = np.array([0.5, -2.0, 1.0])
RUN = {"start": en.Point(0.0), "instances": 3, "steps": 40, "backend": "numpy", "dtype": "float64", "progress": False}


@en.landscape
def plane(x):
    return 0.5 * x[0] - 2.0 * x[1] + x[2]


WORDS = {f.name for f in dataclasses.fields(en.Record)} - {"instances"}


def recorded(quantities, at=range(41), **given):
    arguments = {"landscape": plane(dim=3), "optimizer": en.GradientDescent(0.1)} | RUN
    words = {k: given.pop(k) for k in list(given) if k in WORDS}
    return en.simulate(**arguments | given, record=en.Record(quantities, at=at, **words)).dataset


# ---- steps


def test_the_effective_rate_of_gradient_descent_is_its_learning_rate_and_of_heavy_ball_that_over_one_minus_beta():
    rates = recorded(["effective_rate"])["effective_rate"]
    np.testing.assert_allclose(rates[:, 1:], 0.1, rtol=1e-14)
    assert np.isnan(rates[:, 0]).all()
    t = np.arange(1, 41)
    rates = recorded(["effective_rate"], optimizer=en.HeavyBall(0.1, beta=0.8))["effective_rate"]
    np.testing.assert_allclose(rates[0, 1:], 0.1 * (1 - 0.8**t) / (1 - 0.8), rtol=1e-13)  # a geometric series


def test_of_noisy_gradients_the_effective_rate_is_the_learning_rate_on_average():
    n, sigma, lr = 40_000, 0.7, 0.1
    rates = recorded(["effective_rate"], noise=en.Gaussian(sigma), instances=n)["effective_rate"][:, 1:].to_numpy()
    error = lr * sigma / np.linalg.norm(SLOPE)  # of -lr (g + noise) . g / |g|^2, exactly, at every step
    z = (rates.mean(axis=0) - lr) / (error / np.sqrt(n))
    assert np.abs(z).max() < 4.5  # of 40 steps
    chi = (rates.var(axis=0, ddof=1) / error**2 - 1) / np.sqrt(2 / (n - 1))
    assert np.abs(chi).max() < 4.5


def test_adagrad_begins_with_a_burst_of_lr_over_the_gradient_in_one_dimension_and_decays_as_the_root_of_time():
    @en.landscape
    def line(x):
        return 0.01 * x[0]

    found = recorded(["effective_rate", "step_size"], landscape=line(dim=1), optimizer=en.AdaGrad(0.1, eps=0.0))
    t = np.arange(1, 41)
    np.testing.assert_allclose(found["effective_rate"][0, 1:], 0.1 / (0.01 * np.sqrt(t)), rtol=1e-12)
    np.testing.assert_allclose(found["step_size"][0, 1:], 0.1 / np.sqrt(t), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_step_sizes_are_those_of_the_path_of_steps_far_apart_too(dtype):
    common = {
        "landscape": en.Rosenbrock(dim=7), "optimizer": en.Adam(0.05), "noise": en.Gaussian(0.3), "start": en.NormalCloud(0.5),
        "instances": 20, "dtype": dtype,
    }  # fmt: skip
    path = recorded(["x"], **common)["path"].to_numpy().astype(np.float64)
    at = [0, 1, 2, 17, 18, 31, 40]
    found = recorded(["step_size", "effective_rate"], at, **common)
    steps = np.diff(path, axis=1)
    rounding = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(
        found["step_size"][:, 1:], np.linalg.norm(steps, axis=2)[:, np.array(at[1:]) - 1], rtol=rounding
    )
    g = en.Rosenbrock(dim=7).gradient(path[:, :-1].reshape(-1, 7)).reshape(steps.shape)
    rates = -(steps * g).sum(axis=2) / (g * g).sum(axis=2)
    far = np.abs(steps * g).sum(axis=2) / (g * g).sum(axis=2)  # what a sum of both signs is rounded from
    error = np.abs(found["effective_rate"][:, 1:] - rates[:, np.array(at[1:]) - 1])
    assert (error <= 300 * np.finfo(dtype).eps * far[:, np.array(at[1:]) - 1]).all()


def test_an_instance_that_has_stopped_takes_no_step_and_of_one_that_diverged_nothing_is_known():
    stopped = recorded(["step_size", "effective_rate"], event=en.LeftBall(1.0))
    end = int(stopped["event_step"][0])
    assert 1 < end < 30
    assert (stopped["step_size"][:, 1 : end + 1] > 0).all()
    assert (stopped["step_size"][:, end + 1 :] == 0).all()
    assert (stopped["effective_rate"][:, end + 1 :] == 0).all()
    survivors = recorded(["step_size"], event=en.LeftBall(1.0), survivors=True)
    assert np.isnan(survivors["step_size"][:, end + 1 :]).all()
    lost = recorded(
        ["step_size", "nearest"],
        landscape=en.DoubleWell(dim=2),
        optimizer=en.HeavyBall(5.0),
        start=en.Point(3.0),
        state=["v"],
    )
    assert (lost["status"] == 2).all()
    gone = int(lost["diverged_step"][0])
    for name in ("step_size", "nearest", "v"):
        assert np.isfinite(lost[name][:, 1:gone]).all(), name
        assert np.isnan(lost[name][:, gone:]).all(), name


# ---- the optimizer's memory


def test_the_moments_of_adam_are_moving_averages_whose_corrected_mean_is_the_gradient():
    n, sigma, beta1, beta2, t = 20_000, 0.7, 0.9, 0.99, np.arange(41)[:, None]
    steady = recorded([], optimizer=en.Adam(0.1, beta1=beta1, beta2=beta2), state=["m", "v"])
    np.testing.assert_allclose(steady["m"][0], (1 - beta1**t) * SLOPE, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(steady["v"][0], (1 - beta2**t) * SLOPE**2, rtol=1e-12, atol=1e-15)
    noisy = recorded(
        [], optimizer=en.Adam(0.1, beta1=beta1, beta2=beta2), state=["m", "v"], noise=en.Gaussian(sigma), instances=n
    )
    m = noisy["m"][:, 1:].to_numpy() / (1 - beta1 ** t[1:])
    spread = sigma * np.sqrt((1 - beta1) * (1 - beta1 ** (2 * t[1:])) / (1 + beta1)) / (1 - beta1 ** t[1:])
    assert np.abs((m.mean(axis=0) - SLOPE) / (spread / np.sqrt(n))).max() < 4.5
    assert np.abs((m.var(axis=0) / spread**2 - 1) / np.sqrt(2 / n)).max() < 4.5
    second = noisy["v"][:, 1:].mean("instance") / (1 - beta2 ** t[1:])
    np.testing.assert_allclose(second, np.broadcast_to(SLOPE**2 + sigma**2, second.shape), rtol=0.05)


def test_vectors_of_wrapped_optimizers_go_by_their_names_or_their_paths():
    alone = recorded([], optimizer=en.Adam(0.1), state="m")["m"]
    for inner, name in ((en.Clip(en.Adam(0.1), 1e9), "m"), (en.Clip(en.Adam(0.1), 1e9), "base.m")):
        found = recorded([], optimizer=inner, state=[name])
        assert np.array_equal(found[name], alone)
        assert found[name].dims == ("instance", "step", "coordinate")
    both = recorded([], optimizer=en.Clip(en.Adam(0.1), 1e9), state=["v", "m", "base.m"])
    assert np.array_equal(both["m"], alone)
    assert np.array_equal(both["base.m"], alone)  # of one vector under two names
    assert np.array_equal(both["v"], recorded([], optimizer=en.Adam(0.1), state=["v"])["v"])
    averaged = recorded(["x"], optimizer=en.EMA(en.Adam(0.1), 0.5), state=["mean", "m"])
    assert np.array_equal(averaged["m"], alone)
    assert np.array_equal(averaged["mean"][:, 1:], averaged["path"][:, 1:])  # it is what this one reports


# ---- stationary points


@pytest.mark.parametrize("points", [False, True])
def test_the_nearest_stationary_point_is_the_one_that_all_distances_say(points):
    landscape = en.DoubleWell(dim=3, stiffness=en.grid(2.0, -0.1))
    given = (
        (en.StationaryPoint("a", (2.0, 0.0, 0.0), 0.0, 0), en.StationaryPoint("b", (-0.5, 0.5, 0.0), 0.0, 2))
        if points
        else None
    )
    found = recorded(
        ["nearest", "nearest_index", "x"], landscape=landscape, noise=en.Gaussian(2.0), start=en.NormalCloud(1.0), instances=50,
        points=given,
    )  # fmt: skip
    seen = set()
    for k, stiffness in enumerate((2.0, -0.1)):
        listed = given or en.DoubleWell(dim=3, stiffness=stiffness).stationary_points()
        here = found.isel(stiffness=k)
        away = np.linalg.norm(here["path"].to_numpy()[:, :, None] - np.array([p.x for p in listed]), axis=3)
        assert np.array_equal(here["nearest"], away.argmin(axis=2))
        assert np.array_equal(here["nearest_index"], np.array([p.index for p in listed])[away.argmin(axis=2)])
        seen |= set(np.unique(here["nearest_index"]).tolist())
    assert len(seen) > 1


# ---- layers


def network():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 4))
    return en.TwoLayerNetwork(5, loss="softmax", X=X, y=rng.integers(0, 3, 30))


@pytest.mark.parametrize("landscape", [network(), en.DeepLinear(layers=4, width=3)], ids=["network", "deep linear"])
def test_norms_by_layer_are_of_the_layers_weights_and_biases(landscape):
    found = recorded(
        ["layer_gradient_norm", "gradient_norm", "x"],
        landscape=landscape,
        start=en.NormalCloud(0.7),
        at=[0, 3, 40],
        instances=6,
    )
    layers = landscape.layer_of
    g = landscape.gradient(found["path"].to_numpy().reshape(-1, landscape.dimension)).reshape(found["path"].shape)
    for layer in range(layers.max() + 1):
        norm = np.linalg.norm(g[:, :, layers == layer], axis=2)
        np.testing.assert_allclose(found["layer_gradient_norm"][:, :, layer], norm, rtol=1e-12)
    np.testing.assert_allclose(
        np.sqrt((found["layer_gradient_norm"] ** 2).sum("layer", skipna=False)), found["gradient_norm"], rtol=1e-12
    )
    sizes = np.bincount(layers).tolist()
    assert sizes == ([(4 + 1) * 5, (5 + 1) * 3] if len(sizes) == 2 else [9] * 4)
    filters = landscape.filters  # no filter lies in two layers
    assert all(len(set(layers[filters == k].tolist())) == 1 for k in set(filters.tolist()))


def test_gradients_vanish_with_depth_at_small_weights_and_no_layer_is_ahead():
    """Of the scalar chain at w_1 = ... = w_L = w each layer's gradient is |w^L - 1| w^(L-1)."""
    found = recorded(["layer_gradient_norm"], landscape=en.DeepLinear(layers=6, width=1), start=en.Point(0.5), at=[0])
    np.testing.assert_allclose(found["layer_gradient_norm"][0, 0], (1 - 0.5**6) * 0.5**5, rtol=1e-14)


# ---- histograms


def test_histograms_count_what_numpy_counts():
    common = {
        "landscape": en.DoubleWell(dim=2),
        "optimizer": en.GradientDescent(0.8),
        "noise": en.Gaussian(1.5),
        "start": en.NormalCloud(1.5),
    }
    common |= {"instances": 500, "steps": 10}
    edges = {"value": np.geomspace(0.01, 4.0, 12), "x": np.linspace(-1.5, 1.0, 6), "step_size": [0.0, 1.0, 2.0]}
    quantities, at = ["value", "x", "step_size"], [1, 4, 10]
    each = recorded(quantities, at, **common)
    summary = recorded(quantities, at, **common, summary=True, histograms=edges)
    assert (each["status"] == 2).any()
    for s, step in enumerate(at):
        here, there = each.sel(step=step), summary.sel(step=step)
        for name in ("value", "step_size"):
            counts, _ = np.histogram(here[name].to_numpy(), edges[name])
            assert np.array_equal(there[f"{name}_histogram"], counts), (name, s)
        for c in range(2):
            counts, _ = np.histogram(here["path"][:, c].to_numpy(), edges["x"])
            assert np.array_equal(there["x_histogram"][c], counts)
    assert np.array_equal(summary["value_bin_low"], edges["value"][:-1])
    assert np.array_equal(summary["value_bin_high"], edges["value"][1:])
    assert summary["x_histogram"].dims == ("step", "coordinate", "x_bin")


def test_both_edges_are_of_the_last_bin_alone():
    found = recorded(["distance"], [0, 5], landscape=en.Quadratic(0.0, dim=1), start=en.Point(2.0), summary=True,
                     histograms={"distance": [0.0, 2.0]})  # fmt: skip
    assert (found["distance_histogram"] == 3).all()
    found = recorded(["distance"], [0, 5], landscape=en.Quadratic(0.0, dim=1), start=en.Point(2.0), summary=True,
                     histograms={"distance": [0.0, 2.0, 3.0]})  # fmt: skip
    assert (found["distance_histogram"] == [0, 3]).all()


# ---- in pictures


def test_they_are_on_the_page_of_everything_with_zeros_where_they_are_counts():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runs = recorded(
            ["step_size", "effective_rate", "nearest", "nearest_index"], landscape=en.DoubleWell(dim=3), noise=en.Gaussian(0.5),
            start=en.NormalCloud(0.1), instances=30,
        )  # fmt: skip
        assert plots.compare_all(runs).axes
        index = plots.fan(runs, "nearest_index", log=(True, False))
        assert index.axes[0].get_ylim()[0] < 0
        summary = recorded(
            ["step_size", "nearest_index"], landscape=en.DoubleWell(dim=3), noise=en.Gaussian(0.5), summary=True
        )
        assert plots.compare_all(summary).axes


# ---- on files, and words


def test_they_are_on_files_and_go_on_from_there(tmp_path):
    points = en.DoubleWell(dim=3).stationary_points()
    record = en.Record(
        ["step_size", "effective_rate", "nearest", "nearest_index"], at=range(41), state=["v"], points=points
    )
    run = {"landscape": en.DoubleWell(dim=3), "optimizer": en.HeavyBall(0.1), "noise": en.Gaussian(0.5)} | RUN
    whole = en.simulate(**run, record=record)
    half = en.simulate(**run | {"steps": 20}, record=dataclasses.replace(record, at=en.lin_spaced(21)))
    half.save(tmp_path / "half.nc")
    loaded = en.load(tmp_path / "half.nc")
    assert loaded == half
    assert loaded.settings == half.settings
    onward = loaded.resume(40).dataset
    assert onward.sizes["step"] == 31
    for name in ("step_size", "effective_rate", "nearest", "nearest_index", "v"):
        np.testing.assert_array_equal(onward[name], whole.dataset[name].sel(step=onward["step"]), name)
    moments = en.simulate(**run, record=dataclasses.replace(record, summary=True, histograms={"v": [-1, 0, 1]}))
    moments.save(tmp_path / "moments.nc")
    assert en.load(tmp_path / "moments.nc") == moments
    for part in (0, 1):
        en.simulate(**run, record=record, store=tmp_path / "run", shard=(part, 2))
    stored = en.simulate(**run, record=record, store=tmp_path / "run")
    for name in ("step_size", "effective_rate", "nearest", "nearest_index", "v"):
        np.testing.assert_array_equal(stored.dataset[name], whole.dataset[name], name)


def test_an_observable_whose_name_ends_like_a_summary_s_is_none():
    losses = {"loss_n": en.Quadratic(1.0, dim=3)}
    half = en.simulate(
        landscape=plane(dim=3),
        optimizer=en.GradientDescent(0.1),
        record=en.Record([], at=[0, 5], observables=losses),
        **RUN | {"steps": 5},
    )
    assert half.resume(8).dataset["loss_n"].shape == (3, 2)


def test_many_vectors_of_a_rule_of_ones_own_are_recorded_too():
    @dataclasses.dataclass(frozen=True)
    class Many(en.Optimizer):
        vectors = tuple(f"k{k}" for k in range(70))

        def step(self, x, gradient, state, now):
            state.k69 = state.k69 + gradient(x)
            return x - 0.1 * state.k69

    found = recorded(["x"], optimizer=Many(), state=["k69"])
    np.testing.assert_allclose(found["k69"][0], np.arange(41)[:, None] * SLOPE, rtol=1e-12)


def test_what_is_recorded_beside_does_not_change_what_is_recorded():
    alone = recorded(["value"], [0, 5, 40], noise=en.Gaussian(0.3))
    beside = recorded(
        ["step_size", "value", "effective_rate"],
        [0, 5, 40],
        noise=en.Gaussian(0.3),
        state=["v"],
        optimizer=en.HeavyBall(0.1, beta=0.0),
    )
    assert np.array_equal(alone["value"], beside["value"])


def test_an_observable_and_a_vector_have_names_of_their_own():
    with pytest.raises(ValueError, match="give it another name"):
        en.Record([], at=[0], state=["v"], observables={"v": en.Quadratic(1.0, dim=2)})


UNFIT = [
    ({"state": ["m"]}, {}, r"Record\(state=\['m'\]\): the optimizer keeps no vector of that name; leave state= out"),
    ({"state": ["m"]}, {"optimizer": en.HeavyBall(0.1)}, r"keeps no vector of that name; give names out of v\."),
    ({"state": ["v"]}, {"optimizer": en.Lookahead(en.SAM(en.HeavyBall(0.1)))}, None),
    ({"quantities": ["nearest"]}, {}, r"Record\(\['nearest'\]\): plane lists no stationary point; give points="),
    ({"quantities": ["nearest"], "points": en.DoubleWell(dim=2).stationary_points()}, {}, r"they have 2 coordinates; give points of 3"),
    ({"quantities": ["layer_gradient_norm"]}, {}, r"plane has no layers; give a network, or drop it"),
    ({"quantities": ["nearest"]}, {"landscape": en.DoubleWell(dim=3, stiffness=en.drawn(en.Uniform(1.0, 2.0)))},
     r"is drawn for each instance; give points="),
]  # fmt: skip


@pytest.mark.parametrize(("given", "run", "words"), UNFIT, ids=[str(k) for k in range(len(UNFIT))])
def test_a_record_of_what_the_run_has_not_is_refused(given, run, words):
    arguments = {"quantities": []} | given
    if words is None:
        recorded(**arguments, **run)
        return
    with pytest.raises(ValueError, match=words) as refused:
        recorded(**arguments, **run)
    assert "\n" not in str(refused.value)
