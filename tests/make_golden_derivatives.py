"""Makes ``tests/golden/derivatives.npz``: values, gradients, Hessian products and diagonals of PyTorch's automatic differentiation.

Of every landscape's formula as ``test_landscapes.py`` writes it again for PyTorch, in float64, at the first ``KEPT`` of its points.
Needs torch, which the ordinary tests do not. ``python tests/make_golden_derivatives.py --check`` compares the file with what is made
again, and shows how far the landscapes, and what follows from their values alone, are from PyTorch at 1,000 points: in rounding
errors as ``conditioning.py`` bounds them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from conditioning import NAMES, apart, ask, conditioning
from test_derivatives import FORMULAS, KEPT, directions, from_value
from test_landscapes import Example, draw

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


def main() -> None:
    """Makes the file, or compares it with what is made again and ourselves with it at all points."""
    if "--check" not in sys.argv:
        np.savez_compressed(FILE, **made())
        return
    kept, again = np.load(FILE), made()
    assert set(kept.files) == set(again)
    for name in kept.files:
        np.testing.assert_allclose(again[name], kept[name], rtol=1e-12, atol=1e-12, err_msg=name)
    for example in FORMULAS:
        f, x = example.landscape, draw(example)
        v, alone = directions(x), from_value(example.landscape)
        shown = [f"{type(f).__name__:20}"]
        for name, expected in by_torch(example, x, v).items():
            scale = conditioning(alone, name, x, v)
            shown += [f"{apart(ask(part, name, x, v), expected, scale):.2f}" for part in (f, alone)]
        print(*shown, flush=True)


if __name__ == "__main__":
    main()
