"""Events against what they say, worked out here from recorded paths; and the same bits on numpy and cpu."""

from __future__ import annotations

import numpy as np
import pytest

import ensemble as en

STEPS, INSTANCES = 40, 60
COMMON = {
    "optimizer": en.GradientDescent(lr=0.1),
    "noise": en.Gaussian(sigma=0.3),
    "start": en.NormalCloud(scale=0.6),
    "instances": INSTANCES,
    "steps": STEPS,
    "dtype": "float64",
    "math": "precise",
    "progress": False,
}
SADDLE = en.QuarticSaddle(dim=3, unstable=2)
pytestmark = pytest.mark.filterwarnings("ignore:.*already satisfy the event")


def path(landscape, **more):
    """Every iterate, (instances, steps, dim), of runs that nothing ends."""
    found = en.simulate(
        landscape=landscape,
        event=en.Never(),
        record=en.Record("x", at=range(1, STEPS + 1)),
        backend="numpy",
        **COMMON | more,
    )
    return found.dataset["path"].transpose("instance", "step", "coordinate").to_numpy()


def happened(landscape, event, backend="numpy", **more):
    found = en.simulate(landscape=landscape, event=event, backend=backend, **COMMON | more).dataset
    return found["event_step"].to_numpy(), found["event"].to_numpy()


def first(labels):
    """(event_step, event) from the label at every step (instances, steps)."""
    hit = labels != 0
    step = np.where(hit.any(axis=1), hit.argmax(axis=1), -1)
    return np.where(step >= 0, step + 1, -1), np.where(step >= 0, labels[np.arange(len(labels)), step], 0)


def agrees(landscape, event, label, labels_seen, found=None, **more):
    """Whether the event (``found``: what it did, where that is known) is the first step, and the label there, of ``label(x)``."""
    x = path(landscape, **more)
    labels = np.array([[label(point) for point in points] for points in x])
    step, name = first(labels)
    found = happened(landscape, event, **more) if found is None else found
    assert np.array_equal(found[0], step)
    assert np.array_equal(found[1], name)
    assert set(np.unique(name)) >= set(labels_seen)
    return True


def near(minima, radius):
    def label(x):
        return next((j + 1 for j, m in enumerate(minima) if np.linalg.norm(x - m) <= radius), 0)

    return label


def gradient_norm(landscape, x):
    return np.linalg.norm(landscape.gradient(x[None])[0])


def test_near_minimum_labels_the_minimum_by_its_place():
    minima = np.array([[1.0, 0.5, 0.0], [-1.0, 0.5, 0.0], [0.9, 0.4, 0.0], [0.0, -1.0, 0.0]])
    assert agrees(SADDLE, en.NearMinimum(minima, 0.6), near(minima, 0.6), {1, 2, 4})


def test_near_minimum_takes_the_minima_that_a_landscape_lists():
    event = en.NearMinimum.of(en.DoubleWell(dim=2), 0.2)
    assert event.minima.tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    assert event.labels == 2
    assert len(en.NearMinimum.of(en.MonkeySaddle(), 0.1).minima) > 0
    assert all(
        np.abs(m).max() > 0 for m in en.NearMinimum.of(en.MonkeySaddle(), 0.1).minima
    )  # not the saddle of index 0
    assert event == en.NearMinimum([[-1.0, 0.0], [1.0, 0.0]], 0.2)
    assert hash(event) == hash(en.NearMinimum([[-1.0, 0.0], [1.0, 0.0]], 0.2))
    assert event != en.NearMinimum.of(en.DoubleWell(dim=2), 0.3)


def test_gradient_below_asks_the_exact_gradient():
    assert agrees(SADDLE, en.GradientBelow(0.15), lambda x: int(gradient_norm(SADDLE, x) <= 0.15), {0, 1})


SECOND = {"separable": (SADDLE, 0.5, 0.02), "coupled": (en.Rotated(en.QuarticSaddle(dim=4, unstable=2)), 0.6, 0.02)}


@pytest.mark.ci
@pytest.mark.parametrize("case", SECOND)
def test_second_order_stationarity_asks_the_lowest_curvature(case):
    landscape, eps, rho = SECOND[case]
    tolerance = np.sqrt(rho * eps)

    def label(x):
        lowest = np.linalg.eigvalsh(landscape.hessian(x))[0]
        return int(gradient_norm(landscape, x) <= eps and lowest >= -tolerance)

    event = en.SecondOrderStationary(eps, rho, iterations=100)
    found = happened(landscape, event, noise=en.Gaussian(0.2))
    assert agrees(landscape, event, label, {0, 1}, found, noise=en.Gaussian(0.2))
    of_gradient = happened(landscape, en.GradientBelow(eps), noise=en.Gaussian(0.2))[0]
    assert (of_gradient != found[0]).any()  # some were flat and not stable


def test_the_estimate_of_the_lowest_curvature_is_never_below_it_and_comes_near():
    landscape = en.Rotated(en.Quadratic(tuple(np.linspace(-0.3, 1.0, 16))))
    x = np.random.default_rng(0).normal(size=(200, 16))
    few, many = (en.SecondOrderStationary(1.0, 1.0, iterations=k).lowest(x, landscape, None) for k in (3, 300))
    assert (few >= -0.3 - 1e-12).all()
    assert (many <= few + 1e-12).all()
    assert np.abs(many + 0.3).max() < 1e-3


def test_a_flat_place_without_curvature_is_second_order_stationary():
    flat = en.Quadratic(0.0, dim=3)
    step, _ = happened(flat, en.SecondOrderStationary(0.1, 1.0))
    assert (step == 1).all()


MINIMA = np.array([[1.0, 1.0, 0.0], [-1.0, -1.0, 0.0]])


def far(x):
    return int(np.linalg.norm(x) >= 1.6)


def test_any_of_several_events_takes_the_lowest_label():
    label_near = near(MINIMA, 0.5)

    def label(x):
        if label_near(x):
            return label_near(x)
        return 3 if far(x) else 4 if gradient_norm(SADDLE, x) <= 0.2 else 0

    event = en.AnyOf.each(en.NearMinimum(MINIMA, 0.5), en.LeftBall(1.6), en.GradientBelow(0.2))
    assert event.labels == 4
    assert agrees(SADDLE, event, label, {1, 2, 3, 4})
    other = en.AnyOf(en.NearMinimum(MINIMA, 0.5), en.AnyOf(en.LeftBall(1.6), en.GradientBelow(0.2)))
    assert all(np.array_equal(a, b) for a, b in zip(happened(SADDLE, other), happened(SADDLE, event), strict=True))


def test_all_of_several_events_hold_at_one_step():
    def label(x):
        return near(MINIMA, 0.5)(x) if gradient_norm(SADDLE, x) <= 0.4 else 0

    event = en.AllOf.each(en.NearMinimum(MINIMA, 0.5), en.GradientBelow(0.4))
    assert event.labels == 2
    assert agrees(SADDLE, event, label, {0, 1, 2})


AVERAGED = {"optimizer": en.Clip(en.EMA(en.GradientDescent(lr=0.1), beta=0.8), norm=2.0)}


def test_a_reported_event_asks_the_average_and_not_the_iterate():
    event = en.LeftBall(1.2)
    assert agrees(SADDLE, en.Reported(event), lambda x: int(np.linalg.norm(x) >= 1.2), {0, 1}, **AVERAGED)
    step = happened(SADDLE, event, **AVERAGED)[0]
    assert (step < happened(SADDLE, en.Reported(event), **AVERAGED)[0]).any()
    assert np.array_equal(step, happened(SADDLE, event, optimizer=en.Clip(en.GradientDescent(lr=0.1), norm=2.0))[0])
    plain = {"optimizer": en.GradientDescent(lr=0.1)}
    assert np.array_equal(happened(SADDLE, en.Reported(event), **plain)[0], happened(SADDLE, event, **plain)[0])


def test_any_of_asks_the_average_where_it_is_told_to_and_the_iterate_elsewhere():
    both = en.AnyOf(en.Reported(en.NearMinimum(MINIMA, 0.5)), en.LeftBall(1.6))
    assert both.labels == 3
    parts = [happened(SADDLE, e, **AVERAGED) for e in (both.first, both.second)]
    step, label = happened(SADDLE, both, **AVERAGED)
    steps = np.array([np.where(s < 0, STEPS + 1, s) for s, _ in parts])
    assert np.array_equal(np.where(step < 0, STEPS + 1, step), steps.min(axis=0))
    assert np.array_equal(label[label == 3], 3 * parts[1][1][label == 3])
    assert set(label) >= {0, 1, 2, 3}


def test_a_level_of_a_loss_that_changes_is_asked_of_the_step_s_own_loss():
    """``3 x`` at steps 1, 4, 7, ..., else ``-x``: from 1/2 at rate 1/10 the levels are reached at known steps."""
    at = {"start": en.Point(0.5), "noise": en.NoNoise()}  # 0.2, 0.3, 0.4, 0.1, 0.2, 0.3, 0, ...
    for level, expected in ((-0.25, 2), (-0.35, 3), (0.05, 2), (-0.8, 16), (-9.0, -1)):
        step, _ = happened(en.OnlineLinear(), en.Below(level), **at)
        assert (step == expected).all(), level


# ---- the same bits

EVERY = {
    "near": en.NearMinimum([[1.0, 1.0] + [0.0] * 7, [-1.0, 1.0] + [0.0] * 7, [0.0] * 9], en.grid(0.7, 1.0)),
    "gradient": en.GradientBelow(en.grid(0.5, 0.8)),
    "second order": en.SecondOrderStationary(en.grid(0.8, 1.0), 0.05, iterations=7),
    "any": en.AnyOf(
        en.LeftBall(en.grid(1.5, 2.0), center=tuple(np.linspace(0, 0.1, 9))),
        en.AllOf(en.Below(0.0), en.GradientBelow(0.7)),
    ),
    "reported": en.AnyOf(en.Reported(en.LeftBall(en.grid(1.0, 1.3))), en.Reported(en.Below(-0.3))),
    "any second order": en.AnyOf(en.Below(-0.4), en.SecondOrderStationary(0.8, 0.05, iterations=3)),
}

# Every event has a run in test_bits.py.
SOME = [n if n in ("second order", "any", "reported") else pytest.param(n, marks=pytest.mark.slow) for n in EVERY]


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SOME)
def test_numpy_and_cpu_agree_to_the_bit(cpu, name, dtype):
    landscape = (
        en.Rotated(en.QuarticSaddle(dim=9, unstable=2))
        if name == "second order"
        else en.QuarticSaddle(dim=9, unstable=2)
    )
    more = {"noise": en.Gaussian(0.15), "dtype": dtype} | (AVERAGED if name == "reported" else {})
    numpy, compiled = (happened(landscape, EVERY[name], backend, **more) for backend in ("numpy", "cpu"))
    assert np.array_equal(numpy[0], compiled[0])
    assert np.array_equal(numpy[1], compiled[1])
    assert (numpy[0] > 0).any()


# ---- events that label and go on

GOING = {"landscape": en.Quadratic((1.0, -0.6, 9.0)), "backend": "numpy", "record": en.Record("x", at=(0, 10, STEPS))}
GOING = COMMON | GOING | {"optimizer": en.GradientDescent(lr=en.grid(0.1, 0.24)), "steps": STEPS}


def test_an_event_that_does_not_stop_records_the_same_step_and_changes_no_path():
    free, stopped, passed = (
        en.simulate(event=event, **GOING).dataset
        for event in (en.Never(), en.LeftBall(3.0), en.LeftBall(3.0, stop=False))
    )
    assert passed["event_step"].equals(stopped["event_step"])
    assert passed["event"].equals(stopped["event"])
    assert passed["x"].equals(free["x"])
    assert passed["path"].equals(free["path"])
    assert not passed["x"].equals(stopped["x"])
    assert (passed.attrs["event_stops"], stopped.attrs["event_stops"]) == (0, 1)
    assert passed.attrs["coordinate_steps"] == free.attrs["coordinate_steps"]


def test_an_instance_that_went_on_and_diverged_keeps_its_event_and_ended_diverged():
    more = GOING | {"optimizer": en.GradientDescent(lr=1.0), "steps": 60, "record": en.Record("value", at=(0, 60))}
    found = en.simulate(event=en.LeftBall(3.0, stop=False), **more)
    assert (found.dataset["event_step"] > 0).all()
    assert (found.dataset["diverged_step"] > found.dataset["event_step"]).all()
    assert (found.dataset["status"] == 2).all()
    assert en.statistics.survival(found).attrs == en.statistics.survival(found.dataset).attrs
    assert float(en.statistics.shares(found)["share"].sel(outcome="event 1")) == 1
    times = en.statistics.time_to_tolerance(found, [1e-3], optimum=-1e30)
    assert float(times["share"].sel(fate="diverged").squeeze()) == 1


def test_steps_spent_on_a_tolerance_go_on_past_an_event_that_did_not_stop():
    more = GOING | {"landscape": en.Quadratic((1.0, 1.0)), "record": en.Record("value", at=range(STEPS + 1))}
    for stop in (True, False):
        found = en.simulate(event=en.LeftBall(1.0, stop=stop), **more)
        spent = en.statistics.time_to_tolerance(found, [0.02], optimum=0.0)
        step = np.where(found.dataset["event_step"] > 0, found.dataset["event_step"], STEPS)
        time = spent["time"].transpose("lr", "tolerance", "instance").to_numpy()[:, 0]
        steps = np.where(time >= 0, time, STEPS if not stop else step).sum(axis=1)
        expected = steps / (time >= 0).sum(axis=1)
        assert np.allclose(spent["expected_running_time"].to_numpy().ravel(), expected)


def test_a_run_past_its_events_is_resumed_replayed_and_read_back(tmp_path):
    event = en.NearMinimum([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]], 0.6, stop=False)
    half = en.simulate(event=event, **GOING | {"record": None, "steps": STEPS // 2})
    read = en.load(half.save(tmp_path / "half.nc"))
    whole = en.simulate(event=event, **GOING | {"record": None}).dataset
    resumed = read.resume(STEPS).dataset
    assert all(whole[v].equals(resumed[v]) for v in whole.data_vars)
    place = int(np.flatnonzero(whole["event_step"].isel(lr=0).to_numpy() > 0)[0])
    path = en.replay(read.resume(STEPS), place, configuration=0)
    assert path.attrs["ended_by"] == "horizon"
    assert np.array_equal(path["x"][-1], whole["x"].isel(lr=0, instance=place))
    late = en.Record("value", at=(STEPS,), survivors=True)
    assert en.simulate(event=event, **GOING | {"record": late}).dataset["value"].notnull().all()


def test_events_that_go_on_have_the_same_bits_on_numpy_and_cpu(cpu):
    event = en.LeftBall(en.grid(1.5, 2.0), center=tuple(np.linspace(0, 0.1, 9)), stop=False)
    saddle = en.QuarticSaddle(dim=9, unstable=2)
    numpy, compiled = (
        en.simulate(landscape=saddle, event=event, backend=b, **COMMON | {"dtype": "float32"}).dataset
        for b in ("numpy", "cpu")
    )
    assert all(numpy[v].equals(compiled[v]) for v in numpy.data_vars)
    assert (numpy["event_step"] > 0).any()


# ---- refusals


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: en.NearMinimum([1.0, 2.0], 0.1), r"minima of shape \(2,\)\): give an array \(points, dim\)"),
        (lambda: en.NearMinimum([[1.0, 2.0]], 0.0), "radius must be a number greater than 0"),
        (lambda: happened(SADDLE, en.NearMinimum([[1.0, 2.0]], 0.1)), "give 3 numbers for each point"),
        (lambda: en.NearMinimum.of(en.Quadratic(-1.0, dim=2), 0.1), "lists no minimum"),
        (lambda: en.GradientBelow(-1.0), "eps must be a number of at least 0"),
        (lambda: en.SecondOrderStationary(0.1, 1.0, iterations=0), "iterations must be a whole number of at least 1"),
        (lambda: en.AnyOf(en.Never(), en.NoNoise()), "must be an event, such as"),
        (lambda: en.AnyOf.each(), "was given no event"),
        (lambda: en.LeftBall(1.0, stop=0), "stop must be True or False"),
        (lambda: en.LeftBall(1.0, stop=en.grid(True, False)), "stop must be True or False"),
        (
            lambda: en.AnyOf(en.Never(), en.Below(0.0, stop=False)),
            r"outermost event says .* give AnyOf\(..., stop=False\)",
        ),
        (lambda: en.Reported(en.Below(0.0, stop=False)), "outermost event says whether to stop"),
        (lambda: en.Reported(en.NoNoise()), r"Reported\(event=NoNoise\(\)\): event must be an event, such as"),
    ],
)
def test_what_no_event_can_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
