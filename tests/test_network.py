"""Networks: torch's training to rounding, the same bits everywhere, published initialisations, what they say of other samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from device_runs import same_bits
from emulated import EmulatedEngine
from network_cases import NETWORKS, OPTIMIZERS, batches, network, run

import ensemble as en
from ensemble.backends.numpy import NumpyEngine
from ensemble.backends.program import Program
from ensemble.run.field import Field

GOLDEN = np.load(Path(__file__).parent / "golden" / "networks.npz")


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("activation", "loss"), NETWORKS)
def test_torch_trains_the_same_network_on_the_same_batches_to_the_same_weights(activation, loss, name):
    landscape = network(activation, loss)
    weights = run(landscape, OPTIMIZERS[name], "numpy")
    torch = GOLDEN[f"{activation} {loss} {name}"]
    assert np.abs(torch[:, -1] - torch[:, 0]).max() > 0.3  # 300 steps led somewhere
    np.testing.assert_allclose(weights, torch, rtol=0, atol=1e-10)


def test_the_batches_are_those_that_torch_was_given():
    for activation, loss in NETWORKS:
        drawn = batches(network(activation, loss))
        assert np.array_equal(drawn, GOLDEN[f"{activation} {loss} batches"])
        epoch = drawn[:7].transpose(1, 0, 2).reshape(2, -1)
        assert all(np.array_equal(np.sort(e[e >= 0]), np.arange(100)) for e in epoch)


def test_the_cpu_trains_to_the_bits_of_numpy(cpu):
    landscape = network("tanh", "softmax")
    for batch in (16, en.grid(3, 5)):  # tiles of one configuration, and of both
        ends = [
            en.simulate(
                landscape=landscape, optimizer=en.Adam(0.01), noise=en.Minibatch(batch, "reshuffle"), instances=3, steps=20,
                start=en.Initialisation.of(landscape, "glorot"), record=en.Record(["value", "gradient_norm"], at=[0, 20]),
                math="precise", backend=backend, progress=False,
            ).dataset
            for backend in ("numpy", "cpu")
        ]  # fmt: skip
        for name in ("x", "value", "gradient_norm"):
            assert np.array_equal(ends[0][name], ends[1][name]), name


def program(landscape, noise, dtype="float32"):
    part = {"landscape": landscape, "optimizer": en.Nesterov(0.1), "noise": noise.on(landscape), "event": en.Never()}
    return Program((part,), landscape.dimension, 3, 0, np.dtype(dtype), "precise", 5, 1, True)


@pytest.mark.ci
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("lanes", "inputs", "loss"),
    [
        (4, 5, "softmax"),
        (64, 150, "softmax"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [
                (1, 5, "softmax"),
                (2, 5, "softmax"),
                (2, 5, "logistic"),
                (8, 5, "squared"),
                (1, 150, "softmax"),
            ]
        ),
    ],
)
def test_every_number_of_lanes_has_the_same_bits(lanes, inputs, loss, streamed):
    """Of 150 inputs the product's tree has more leaves than a warp has lanes."""
    draw = np.random.default_rng(0)
    labels = np.arange(7) % {"softmax": 3, "logistic": 2, "squared": 7}[loss]
    f = en.TwoLayerNetwork(
        3, "softplus" if loss == "squared" else "tanh", loss, X=draw.normal(size=(7, inputs)), y=labels
    )
    ends = []
    for engine in (NumpyEngine(), EmulatedEngine(lanes, streamed=streamed)):
        p = program(f, en.Minibatch(3, "no_replacement"))
        state = engine.new_state(p)
        state.x[:] = np.random.default_rng(1).normal(size=state.x.shape)
        engine.advance(p, state, np.arange(p.rows, dtype=np.int32), 1, 4)
        direction = np.random.default_rng(2).normal(size=state.x.shape).astype(np.float32)
        names = ("value", "gradient", "product")
        seen = [engine.observe(p, state.x, (name,), 1, direction)[name] for name in names]
        ends.append([state.x, *seen])
    for a, b in zip(*ends, strict=True):
        assert same_bits(np.asarray(a), np.asarray(b))


# ---- starts


@pytest.mark.parametrize(
    ("law", "first", "second"),
    [
        ("lecun", 1 / 8, 1 / 50),
        ("glorot", 2 / 58, 2 / 53),
        ("he", 2 / 8, 2 / 50),
        ("lecun_uniform", 1 / 8, 1 / 50),
        ("he_uniform", 2 / 8, 2 / 50),
        ("torch", 1 / 24, 1 / 150),
    ],
)
def test_initialisations_have_their_published_variances(law, first, second):
    f = en.TwoLayerNetwork(50, loss="softmax", X=np.zeros((3, 8)), y=[0, 1, 2])
    x = en.simulate(
        landscape=f, optimizer=en.GradientDescent(0.0), start=en.Initialisation.of(f, law), instances=60, steps=1, backend="numpy",
        dtype="float64", progress=False,
    ).dataset["x"].to_numpy()  # fmt: skip
    w1, b1, w2, b2 = (part.ravel() for part in f._weights(x))
    uniform = "uniform" in law or law in ("glorot", "torch")
    for weights, variance in ((w1, first), (w2, second)):
        error = np.sqrt((0.8 if uniform else 2.0) / weights.size)
        assert abs(weights.var() / variance - 1) < 5 * error
        assert abs(weights.mean()) < 5 * np.sqrt(variance / weights.size)
        assert (np.abs(weights).max() <= np.sqrt(3 * variance) * (1 + 1e-12)) == uniform
    assert (np.std(b1) > 0) == (np.std(b2) > 0) == (law == "torch")


# ---- what a network says


def test_filters_hold_a_unit_s_weights_together():
    f = en.TwoLayerNetwork(2, loss="softmax", X=np.zeros((3, 4)), y=[0, 1, 2])
    assert f.filters.tolist() == [0] * 4 + [1] * 4 + [0, 1] + [2, 2, 3, 3, 4, 4] + [2, 3, 4]


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "loss"), NETWORKS[:2])
def test_losses_and_errors_of_other_samples_are_those_of_the_predictions(activation, loss, cpu):
    f = network(activation, loss)
    test = en.data.gaussian_mixture(125, 8, classes=2 if loss == "logistic" else 4, seed=1).test
    x = np.random.default_rng(0).normal(size=(6, f.dimension))
    wrong = (f.predict(x, test.X) != test.y).mean(axis=1)
    np.testing.assert_allclose(f.errors_on(*test).value(x)[:, 0], wrong)
    assert (f.errors_on(*test).gradient(x) == 0).all()
    w1, b1, w2, b2 = f._weights(x)
    h = np.tanh if activation == "tanh" else lambda z: np.maximum(z, 0)
    o = np.einsum("ikj,inj->ink", w2, h(np.einsum("ijp,np->inj", w1, test.X) + b1[:, None])) + b2[:, None]
    if loss == "logistic":
        losses = np.logaddexp(0, (1 - 2 * test.y)[:, None] * o)[..., 0]
    else:
        losses = np.log(np.exp(o).sum(axis=2)) - np.take_along_axis(o, test.y[None, :, None], axis=2)[..., 0]
    np.testing.assert_allclose(f.on(*test).value(x)[:, 0], losses.mean(axis=1), rtol=1e-12)
    for part in (f.on(*test), f.errors_on(*test)):
        np.testing.assert_allclose(Field(part, cpu).values(x), part.value(x)[:, 0], rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda X, y: en.TwoLayerNetwork(0, X=X, y=y), "hidden must be a whole number of at least 1"),
        (lambda X, y: en.TwoLayerNetwork(2, "gelu", X=X, y=y), "give one of 'tanh', 'relu', 'softplus'"),
        (lambda X, y: en.TwoLayerNetwork(2, loss="hinge", X=X, y=y), "give one of 'squared', 'logistic', 'softmax'"),
        (
            lambda X, y: en.TwoLayerNetwork(2, loss="softmax", X=X, y=y - 1),
            "there is the label -1; give labels 0, 1, 2, ...",
        ),
        (lambda X, y: en.TwoLayerNetwork(2, loss="softmax", X=X, y=y + 0.5), "there is the label 0.5"),
        (lambda X, y: en.TwoLayerNetwork(2, loss="softmax", X=X, y=y, classes=2), r"the label 2; give labels 0 ... 1"),
        (lambda X, y: en.TwoLayerNetwork(2, loss="logistic", X=X, y=y), r"the label 2; give labels 0 ... 1"),
        (lambda X, y: en.TwoLayerNetwork(2, loss="softmax", X=X, y=0 * y), "all labels are 0"),
        (lambda X, y: en.TwoLayerNetwork(2, X=X, y=y, classes=3), "classes=3"),
        (lambda X, y: en.TwoLayerNetwork(2, X=X[:4], y=y), "give one of y for each of the 4 samples"),
        (lambda X, y: en.TwoLayerNetwork(2, X=X * np.nan, y=y), "X must be finite numbers"),
        (
            lambda X, y: en.TwoLayerNetwork(2, loss="softmax", X=X, y=y).predict(np.zeros(21), X[:, :3]),
            r"give \(samples, 4\)",
        ),
        (lambda X, y: en.TwoLayerNetwork(2, X=X, y=y).errors_on(X, y), "tells no classes"),
        (lambda X, y: en.Initialisation.of(en.Rosenbrock(), "he"), "give a network"),
        (
            lambda X, y: en.Initialisation.of(en.TwoLayerNetwork(2, X=X, y=y), "xavier"),
            "give one of 'lecun', 'glorot', 'he'",
        ),
        (lambda X, y: en.Minibatch(8).on(en.TwoLayerNetwork(2, X=X, y=y)), "there are 6 samples"),
    ],
)
def test_bad_input_has_one_clear_line(make, message):
    X, y = np.random.default_rng(0).normal(size=(6, 4)), np.arange(6.0) % 3
    with pytest.raises(ValueError, match=message) as caught:
        make(X, y)
    assert "\n" not in str(caught.value)
