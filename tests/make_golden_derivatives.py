"""Makes ``tests/golden/derivatives.npz``: values, gradients, Hessian products and diagonals of PyTorch's automatic differentiation.

Of every landscape's formula as ``test_landscapes.py`` writes it again for PyTorch, in float64, at the first ``KEPT`` of its points.
Needs torch, which the ordinary tests do not. ``python tests/make_golden_derivatives.py --check`` compares the file with what is made
again, and shows how far the landscapes, and what follows from their values alone, are from PyTorch at 1,000 points: in rounding
errors as ``conditioning.py`` bounds them, and of sums over samples, whose formulas are not recorded, as :func:`sums` and, of networks,
``running_errors.py`` do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from conditioning import NAMES, apart, ask, conditioning
from running_errors import NetworkBounds
from test_derivatives import FORMULAS, KEPT, ULPS, directions, from_value
from test_landscapes import BENT, CLASSES, EXAMPLES, FORMS, LINES, SEVERAL, WAVES, Example, draw

import ensemble as en

FILE = Path(__file__).parent / "golden" / "derivatives.npz"


def by_torch(example: Example, x: np.ndarray, v: np.ndarray) -> dict[str, np.ndarray]:
    """The four at points ``x`` (n, dim): each (n, dim), or (n, 1)."""
    points = torch.tensor(x, requires_grad=True)
    value = example.formula(points, torch)
    (slope,) = torch.autograd.grad(value.sum(), points, create_graph=True)

    def along(direction: torch.Tensor) -> np.ndarray:
        if not slope.requires_grad:
            return np.zeros_like(x)
        given = {"retain_graph": True, "allow_unused": True}
        (found,) = torch.autograd.grad((slope * direction).sum(), points, **given)
        return np.zeros_like(x) if found is None else found.numpy()

    whole = [along(torch.eye(x.shape[1], dtype=points.dtype)[k].expand_as(points))[:, k] for k in range(x.shape[1])]
    found = (value.detach().numpy()[:, None], slope.detach().numpy(), along(torch.tensor(v)), np.stack(whole, axis=1))
    return dict(zip(NAMES, found, strict=True))


def made() -> dict[str, np.ndarray]:
    """What the file holds, by the example's number and the method's name."""
    found = {}
    for k, example in enumerate(FORMULAS):
        x = draw(example)[:KEPT]
        found |= {f"{k}.{name}": array for name, array in by_torch(example, x, directions(x)).items()}
    return found


def _bent(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    far = (z[0] - y).abs()
    return torch.where(far <= BENT.delta, far**2 / 2, BENT.delta * (far - BENT.delta / 2))


def _crossed(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.logsumexp(z, 0) - torch.gather(z, 0, y.long()[None])[0]


SUMS: dict[Any, tuple[Any, Any, Callable[..., torch.Tensor], Callable[..., torch.Tensor]]] = {
    LINES: (LINES.A, LINES.y, lambda x, a: (a @ x)[None], lambda z, y: ((z - y) ** 2).sum() / 2),
    BENT: (BENT.A, BENT.y, lambda x, a: (a @ x)[None], _bent),
    CLASSES: (
        CLASSES.X,
        CLASSES.y,
        lambda x, a: (a @ x)[None],
        lambda z, y: torch.nn.functional.softplus((1 - 2 * y) * z[0]),
    ),
    WAVES: (WAVES.sensing, WAVES.squares, lambda x, a: (a @ x)[None], lambda z, y: (z[0] ** 2 - y) ** 2 / 4),
    FORMS: (FORMS.sensing, FORMS.squares, lambda x, a: x.reshape(2, -1) @ a, lambda z, y: ((z**2).sum() - y) ** 2 / 4),
    SEVERAL: (SEVERAL.X, SEVERAL.y, lambda x, a: x.reshape(3, -1) @ a, _crossed),
}
"""Data, the outputs of a sample at one x, and the loss of outputs. Of a network a bound to first order in x is none: the slopes of
its units, 1 - h^2, cancel."""


def sums(example: Example, x: np.ndarray, v: np.ndarray) -> dict[str, np.ndarray]:
    """What a rounding of every coordinate and of every sample's term does to the four, in units of ``eps``: as ``conditioning``.

    To first order: each sample's derivatives by x times x, and the terms themselves; of the value the outputs, too.
    """
    X, y, outputs, loss_of = SUMS[example.landscape]
    l2 = float(example.landscape.l2)

    def at(point: torch.Tensor, along: torch.Tensor) -> tuple[torch.Tensor, ...]:
        def of_sample(a: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, ...]:
            def loss(z: torch.Tensor) -> torch.Tensor:
                return loss_of(outputs(z, a), label)

            bend, slope = torch.func.hessian(loss), torch.func.grad(loss)
            turned = torch.func.jacfwd(lambda z: bend(z) @ along)(point).abs()
            flat = torch.func.jacfwd(lambda z: torch.diagonal(bend(z)))(point).abs()
            h, g, size = bend(point), slope(point).abs(), point.abs()
            value = loss(point).abs() + g @ size + outputs(point, a).abs().sum()
            return (
                value[None],
                g + h.abs() @ size,
                h.abs() @ along.abs() + turned @ size,
                torch.diagonal(h).abs() + flat @ size,
            )

        found = torch.vmap(of_sample)(torch.tensor(X), torch.tensor(y, dtype=torch.float64))
        means = [part.mean(0) for part in found]
        own = (l2 / 2 * (point**2).sum()[None], l2 * point.abs(), l2 * along.abs(), torch.full_like(point, l2))
        return tuple(a + b for a, b in zip(means, own, strict=True))

    found = torch.vmap(at, chunk_size=50)(torch.tensor(x), torch.tensor(v))
    return {name: part.numpy() for name, part in zip(NAMES, found, strict=True)}


def networks() -> list[en.TwoLayerNetwork]:
    """Every activation with every loss."""
    data = np.random.default_rng(4)
    X, targets = data.normal(size=(12, 4)), data.normal(size=12)
    y = {"squared": targets, "logistic": np.arange(12) % 2, "softmax": np.arange(12) % 3}
    return [
        en.TwoLayerNetwork(3, activation, loss, X=X, y=y[loss], l2=0.1)
        for activation in ("tanh", "relu", "softplus")
        for loss in ("squared", "logistic", "softmax")
    ]


def _softplus(z: torch.Tensor) -> torch.Tensor:
    return torch.logaddexp(z, torch.zeros_like(z))  # PyTorch's own is z beyond 20, 2e-9 off


def network_formula(network: en.TwoLayerNetwork) -> Callable[..., torch.Tensor]:
    """The mean loss at points (n, dim), in PyTorch's own words."""
    X = torch.tensor(np.asarray(network.X))
    act = {"tanh": torch.tanh, "relu": torch.relu, "softplus": _softplus}[network.activation]
    n, p, m = network.hidden, network.inputs, network.outputs

    def formula(x: torch.Tensor, _: Any) -> torch.Tensor:
        w1, b1, w2, b2 = torch.split(x, [n * p, n, m * n, m], dim=1)
        h = act(torch.einsum("ijk,sk->isj", w1.reshape(-1, n, p), X) + b1[:, None])
        o = torch.einsum("imj,isj->ism", w2.reshape(-1, m, n), h) + b2[:, None]
        if network.loss == "softmax":
            label = torch.tensor(np.asarray(network.y)).long()[None, :, None].expand(len(x), -1, 1)
            each = torch.logsumexp(o, 2) - torch.gather(o, 2, label)[..., 0]
        elif network.loss == "squared":
            each = (o[..., 0] - torch.tensor(np.asarray(network.y))) ** 2 / 2
        else:  # the labels 0 and 1 as they were given
            each = _softplus((1 - 2 * torch.tensor(np.asarray(network.y), dtype=x.dtype)) * o[..., 0])
        return each.mean(1) + float(network.l2) / 2 * (x**2).sum(1)

    return formula


def check_networks() -> float:
    """The largest distance from PyTorch, in rounding errors."""
    worst = 0.0
    for network in networks():
        x = np.random.default_rng(5).normal(scale=1.5, size=(1000, network.dimension))
        v, bounds = directions(x), NetworkBounds(network, x)
        scales = (bounds.values(), bounds.gradient(), bounds.hessian_product(v), bounds.hessian_diagonal())
        theirs = by_torch(Example(network, network_formula(network), None), x, v)
        found = [apart(ask(network, n, x, v), theirs[n], scale) for n, scale in zip(NAMES, scales, strict=True)]
        print(f"{network.activation + ' ' + str(network.loss):20}", *(f"{one:.2f}" for one in found), flush=True)
        worst = max(worst, *found)
    return worst


def main() -> None:
    """Makes the file, or compares it with what is made again and ourselves with it at all points."""
    if "--check" not in sys.argv:
        np.savez_compressed(FILE, **made())
        return
    kept, again = np.load(FILE), made()
    assert set(kept.files) == set(again)
    for name in kept.files:
        np.testing.assert_allclose(again[name], kept[name], rtol=1e-12, atol=1e-12, err_msg=name)
    worst = 0.0
    for example in (e for e in EXAMPLES if e.landscape in SUMS):
        f, x = example.landscape, draw(example)
        v = directions(x)
        scales = sums(example, x, v)
        found = {n: apart(ask(f, n, x, v), each, scales[n]) for n, each in by_torch(example, x, v).items()}
        print(f"{type(f).__name__:20}", *(f"{one:.2f}" for one in found.values()), flush=True)
        worst = max(worst, *found.values())
    worst = max(worst, check_networks())
    assert worst <= ULPS, worst
    for example in FORMULAS:
        f, x = example.landscape, draw(example)
        v, alone = directions(x), from_value(example.landscape)
        shown = [f"{type(f).__name__:20}"]
        for name, expected in by_torch(example, x, v).items():
            scale = conditioning(alone, name, x, v)
            both = [apart(ask(part, name, x, v), expected, scale) for part in (f, alone)]
            assert max(both) <= ULPS, (f, name, both)
            shown += [f"{one:.2f}" for one in both]
        print(*shown, flush=True)


if __name__ == "__main__":
    main()
