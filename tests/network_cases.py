"""Networks, data and batches that torch and this library train on alike."""

from __future__ import annotations

import numpy as np

import ensemble as en
from ensemble.arithmetic.random import Random, round_keys

STEPS, EVERY, SEED, INSTANCES, BATCH = 300, 50, 5, 2, 16
NETWORKS = (("tanh", "softmax"), ("relu", "logistic"), ("softplus", "squared"))
ORDER = "reshuffle"  # of 100 samples: the last batch of an epoch has 4


def network(activation, loss):
    data = (
        en.data.teacher(125, 8, hidden=3, noise=0.1, seed=1)
        if loss == "squared"
        else en.data.gaussian_mixture(125, 8, classes=2 if loss == "logistic" else 4, seed=1)
    )
    return en.TwoLayerNetwork(6, activation, loss, X=data.train.X, y=data.train.y)


OPTIMIZERS = {
    "sgd": en.GradientDescent(0.1),
    "momentum": en.HeavyBall(0.02, beta=0.9),
    "adam": en.Adam(0.01),
    "adamw": en.AdamW(0.01, weight_decay=0.1),
}


def batches(landscape):
    """The samples of every step and instance, (steps, instances, 16), -1 where a batch is shorter."""
    noise = en.Minibatch(BATCH, ORDER).on(landscape)
    columns = dict(noise.columns(np.arange(1.0, STEPS + 1)))
    ids = np.arange(INSTANCES, dtype=np.uint64)[:, None]
    random = Random(round_keys(SEED), ids, np.uint64(0), 0, landscape.dimension, np.float64)
    found = np.full((STEPS, INSTANCES, BATCH), -1)
    for k in range(STEPS):
        random.step = k + 1
        drawn, _ = noise.batches(random, columns["batch"][k], columns["epoch"][k], columns["place"][k])
        found[k, :, : drawn.shape[1]] = drawn
    return found


def run(landscape, optimizer, backend):
    """Weights along the way, (instances, times, dim)."""
    result = en.simulate(
        landscape=landscape,
        optimizer=optimizer,
        noise=en.Minibatch(BATCH, ORDER),
        start=en.Initialisation.of(landscape, "torch"),
        record=en.Record(["x"], at=range(0, STEPS + 1, EVERY)),
        instances=INSTANCES,
        steps=STEPS,
        seed=SEED,
        dtype="float64",
        math="precise",
        backend=backend,
        progress=False,
    )
    return result.dataset["path"].to_numpy()
