"""Makes ``tests/golden/networks.npz``: two-layer networks that torch has trained, on the batches that this library draws.

Needs torch, which the ordinary tests do not. ``python tests/make_golden_networks.py --check`` trains them again and compares.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from network_cases import EVERY, INSTANCES, NETWORKS, OPTIMIZERS, STEPS, batches, network, run

FILE = Path(__file__).parent / "golden" / "networks.npz"
ACTIVATIONS = {"tanh": torch.nn.Tanh(), "relu": torch.nn.ReLU(), "softplus": torch.nn.Softplus(threshold=1e9)}


def loss_of(name, outputs, y):
    if name == "squared":
        return 0.5 * torch.nn.functional.mse_loss(outputs[:, 0], y)
    if name == "logistic":
        return torch.nn.functional.binary_cross_entropy_with_logits(outputs[:, 0], y)
    return torch.nn.functional.cross_entropy(outputs, y.long())


MAKERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
}


def trained(landscape, make, start, drawn):
    """Weights every so many steps, (times, dim)."""
    n = landscape
    model = torch.nn.Sequential(
        torch.nn.Linear(n.inputs, n.hidden), ACTIVATIONS[n.activation], torch.nn.Linear(n.hidden, n.outputs)
    ).double()
    parameters = list(model.parameters())
    torch.nn.utils.vector_to_parameters(torch.tensor(start), parameters)
    optimizer, path = make(parameters), [start]
    x, y = torch.tensor(n.X), torch.tensor(n.y)
    for k in range(STEPS):
        rows = torch.tensor(drawn[k][drawn[k] >= 0])
        optimizer.zero_grad()
        loss_of(n.loss, model(x[rows]), y[rows]).backward()
        optimizer.step()
        if (k + 1) % EVERY == 0:
            path.append(torch.nn.utils.parameters_to_vector(parameters).detach().numpy().copy())
    return np.array(path)


def main() -> None:
    made = {}
    for activation, loss in NETWORKS:
        landscape = network(activation, loss)
        drawn = batches(landscape)
        starts = run(landscape, OPTIMIZERS["sgd"], "numpy")[:, 0]
        for name, make in MAKERS.items():
            paths = [trained(landscape, make, starts[i], drawn[:, i]) for i in range(INSTANCES)]
            made[f"{activation} {loss} {name}"] = np.array(paths)
        made[f"{activation} {loss} batches"] = drawn.astype(np.int16)
    if "--check" in sys.argv:
        for name, values in np.load(FILE).items():
            np.testing.assert_allclose(made[name], values, rtol=1e-9, atol=1e-11, err_msg=name)
        print(f"{FILE.name} is what torch {torch.__version__} gives")
    else:
        np.savez_compressed(FILE, **made)


if __name__ == "__main__":
    main()
