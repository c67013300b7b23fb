"""Every landscape against finite differences, automatic differentiation, what it declares of itself, and its CUDA twin."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cubin import compile_cubin
from emulated import EmulatedEngine

import ensemble as en
from ensemble import landscapes
from ensemble.arithmetic.drawn import drawn_normals
from ensemble.arithmetic.matrices import gram, times
from ensemble.arithmetic.products import others, others_change, product
from ensemble.arithmetic.random import Stream
from ensemble.arithmetic.rotations import random_frame, rotate, rotate_back
from ensemble.backends import compiler
from ensemble.backends.cpu import CpuEngine
from ensemble.backends.numpy import NumpyEngine
from ensemble.backends.program import Program
from ensemble.landscapes.base import Landscape
from ensemble.landscapes.spherical import OnSphere
from ensemble.part import NOT_NEGATIVE, scheduled

KERNELS = Path(__file__).parent.parent / "kernels"
POINTS = 1000
FIRST_STEP = SimpleNamespace(t=1)
WELLS = en.MultiWell.scattered(dim=3, wells=5, smoothing=0.3)
WAVES = en.PhaseRetrieval.random(dim=5, measurements=12)
FORMS = en.MatrixSensing.random(size=3, rank=2, measurements=10)
MATRIX = en.MatrixFactorization.random(size=6, rank=2, true_rank=3)
NETWORK = en.DeepLinear(layers=3, width=2, target=[[1.0, 0.3], [-0.2, 0.7]])
LINES = en.LeastSquares.random(12, 4)
LINES = en.LeastSquares(LINES.A, LINES.y, l2=0.3)
BENT = en.Huber(LINES.A, LINES.y, 0.7)
CLASSES = en.LogisticRegression.random(12, 4)
CLASSES = en.LogisticRegression(CLASSES.X, CLASSES.y, l2=0.1)
SEVERAL = en.LogisticRegression.random(12, 4, 3)
SEVERAL = en.LogisticRegression(SEVERAL.X, SEVERAL.y, l2=0.1)
FIELD = en.RandomField(dim=3, features=24, length=0.8, sigma=1.2, confinement=0.3, seed=5)
GLASS = en.SphericalPSpin(dim=5, disorder_seed=3)
FOUR_SPIN = en.SphericalPSpin(dim=4, p=4, disorder_seed=1)
TWO_SPIN = en.SphericalPSpin(dim=4, p=2)
GLASSY = en.PSpinFeatures(dim=5, features=40, disorder_seed=2)
NET = en.TwoLayerNetwork.random(samples=9)
TURNED = en.Rotated(en.Rosenbrock(dim=8, b=3.0), seed=1)


def box_of(landscape, rng, n):
    low, high = landscape.box
    return rng.uniform(low, high, size=(n, landscape.dimension))


def normal_points(landscape, rng, n):
    return rng.normal(size=(n, landscape.dimension))


def tube(landscape, rng, n):
    """Points of the octopus' tube: coordinates near 4 tau, then one on its way, then small ones."""
    tau, dim = landscape.tau, landscape.dimension
    at = rng.integers(0, dim + 1, size=(n, 1))
    k = np.arange(dim)
    size = np.where(
        k < at, rng.uniform(2, 6, (n, dim)), np.where(k == at, rng.uniform(0, 2, (n, dim)), rng.uniform(0, 1, (n, dim)))
    )
    return tau * size * rng.choice((-1.0, 1.0), size=(n, dim))


# ---- the formulas again, for automatic differentiation: x is a torch tensor (n, dim), the result (n)


def octopus(x, torch, f):
    L, g, t = f.L, f.gamma, f.tau

    def g1(u):
        return -g * u**2 + (-14 * L + 10 * g) * (u - t) ** 3 / (3 * t) + (5 * L - 3 * g) * (u - t) ** 4 / (2 * t**2)

    def g2(u):
        w = u - 2 * t
        return -g - 10 * (L + g) * w**3 / t**3 - 15 * (L + g) * w**4 / t**4 - 6 * (L + g) * w**5 / t**5

    nu, values = -g1(2 * t) + 4 * L * t**2, []
    for row in x:
        a = row.abs()
        i = next((k for k in range(len(row)) if a[k] <= 2 * t), len(row))
        value = L * ((a[:i] - 4 * t) ** 2).sum() - i * nu
        if i < len(row) and a[i] <= t:
            value = value - g * a[i] ** 2 + L * (row[i + 1 :] ** 2).sum()
        elif i < len(row):
            value = value + g1(a[i]) + L * (row[i + 2 :] ** 2).sum()
            if i + 1 < len(row):
                value = value + g2(a[i]) * row[i + 1] ** 2
        values.append(value)
    return torch.stack(values)


def ackley(x, torch):
    cone = 20 * torch.exp(-0.2 * (x**2).mean(1).sqrt())
    return -cone - torch.exp(torch.cos(2 * math.pi * x).mean(1)) + 20 + math.e


def levy(x, torch):
    w = 1 + (x - 1) / 4
    middle = (w[:, :-1] - 1) ** 2 * (1 + 10 * torch.sin(math.pi * w[:, :-1] + 1) ** 2)
    last = (w[:, -1] - 1) ** 2 * (1 + torch.sin(2 * math.pi * w[:, -1]) ** 2)
    return torch.sin(math.pi * w[:, 0]) ** 2 + middle.sum(1) + last


def griewank(x, torch):
    cosines = torch.cos(x / torch.arange(1, x.shape[1] + 1, dtype=x.dtype).sqrt())
    return (
        1 + (x**2).sum(1) / 4000 - functools.reduce(torch.mul, cosines.unbind(1))
    )  # prod's derivatives divide by cosines


def rosenbrock(x, a=1.0, b=100.0):
    return (b * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (a - x[:, :-1]) ** 2).sum(1)


def beale(x):
    a, b = x.T
    return (1.5 - a + a * b) ** 2 + (2.25 - a + a * b**2) ** 2 + (2.625 - a + a * b**3) ** 2


def two_parabolas(x, f, softly=None):
    first = f.sharp * (x[:, 0] + f.sharp_at) ** 2 / 2 - f.sharp_depth
    second = f.flat * (x[:, 0] - f.flat_at) ** 2 / 2 - f.flat_depth
    return (first.minimum(second) if softly is None else softly(first, second)) + f.stiffness * (x[:, 1:] ** 2).sum(
        1
    ) / 2


def softplus(z, torch):
    return z.clamp(min=0) + torch.log1p(torch.exp(-z.abs()))  # PyTorch's own is linear beyond 20


def wells(x, torch, f):
    away = x[:, None] - torch.tensor(f.centers)
    energy = torch.tensor(f.curvatures) * (away**2).sum(2) / 2 - torch.tensor(f.depths)
    return -f.smoothing * torch.logsumexp(-energy / f.smoothing, 1)


def factorization(x, torch, f):
    u, v = x.reshape(-1, f.size, f.rank), torch.tensor(f.factor)
    return ((u @ u.transpose(1, 2) - v @ v.T) ** 2).sum((1, 2)) / 4


def quadratic_forms(x, torch, f):
    u = x.reshape(len(x), f.rank, -1).transpose(1, 2)
    seen = torch.einsum("mi,nia->nma", torch.tensor(f.sensing), u).square().sum(2)
    return (seen - torch.tensor(f.squares)).square().mean(1) / 4


def phases(x, torch, f):
    return (((x @ torch.tensor(f.sensing).T) ** 2 - torch.tensor(f.squares)) ** 2).mean(1) / 4


def network(x, torch, f):
    whole = torch.eye(f.width, dtype=x.dtype)
    for w in x.reshape(-1, f.layers, f.width, f.width).unbind(1):
        whole = w @ whole
    return ((whole - torch.tensor(f.target)) ** 2).sum((1, 2)) / 2


def waves(x, torch, f):
    angles = x / f.length @ torch.tensor(f.frequencies).T + torch.tensor(f.phases)
    return f.sigma * math.sqrt(2 / f.features) * torch.cos(angles).sum(1) + f.confinement / 2 * (x**2).sum(1)


def glass(x, torch, f):
    n, y = f.dim, x * (math.sqrt(f.dim) / x.norm(dim=1, keepdim=True))
    monomials = list(itertools.combinations_with_replacement(range(n), f.p))
    drawn = drawn_normals(f.disorder_seed, Stream.DISORDER, len(monomials)) * n ** (-(f.p - 1) / 2)
    orders = [len(set(itertools.permutations(m))) for m in monomials]
    return sum(math.sqrt(k) * z * y[:, list(m)].prod(1) for k, z, m in zip(orders, drawn, monomials, strict=True))


def glass_of_features(x, torch, f):
    z = x / x.norm(dim=1, keepdim=True) @ torch.tensor(f.frequencies).T
    return math.sqrt(f.dim / (6 * f.features)) * ((z**3 - 3 * z) * torch.tensor(f.weights)).sum(1)


def two_layers(x, torch, f):
    n, p, m = f.hidden, f.inputs, f.outputs
    w1, b1, w2, b2 = torch.split(x, [n * p, n, m * n, m], dim=1)
    h = torch.tanh(torch.tensor(f.X) @ w1.reshape(-1, n, p).transpose(1, 2) + b1[:, None])
    o = h @ w2.reshape(-1, m, n).transpose(1, 2) + b2[:, None]
    y = torch.tensor(f.y).long().expand(len(x), -1)
    return -torch.log_softmax(o, 2).gather(2, y[..., None])[..., 0].mean(1)


@dataclasses.dataclass(frozen=True)
class Example:
    """A landscape, its formula in torch, where to draw points, and a rate at which descent does not fly apart."""

    landscape: Landscape
    formula: Callable[..., Any]
    lr: float = 0.01
    points: Callable[..., Any] = box_of


def _saddle(x, c):
    return x[:, 0] ** 3 - 3 * x[:, 0] * x[:, 1] ** 2 + c / 4 * (x**2).sum(1) ** 2


def _first_and(x, first, stiffness):
    return first(x[:, 0]) + stiffness * (x[:, 1:] ** 2).sum(1) / 2


def _examples():
    spectrum = en.Quadratic.spectrum(5, condition=100.0)
    flat = en.SharpFlat(dim=3, sharp=5.0, flat=0.7, sharp_at=0.8, flat_at=1.5, sharp_depth=0.1, flat_depth=0.4)
    soft = en.SmoothSharpFlat(dim=3, sharp=5.0, flat=0.7, flat_at=1.5, flat_depth=0.4, smoothing=0.3)
    tall = en.Plateau(en.Rosenbrock(dim=4, b=2.0), height=30.0)
    return (
        Example(spectrum, lambda x, torch: (torch.tensor(spectrum.curvature, dtype=x.dtype) * x**2).sum(1) / 2, 0.1),
        Example(
            en.QuarticSaddle(dim=4, unstable=2, gamma=0.7, stiffness=1.3),
            lambda x, torch: (x[:, :2] ** 4 / 4 - 0.35 * x[:, :2] ** 2).sum(1) + 0.65 * (x[:, 2:] ** 2).sum(1),
        ),
        Example(en.MonkeySaddle(confinement=0.8), lambda x, torch: _saddle(x, 0.8)),
        Example(en.MonkeySaddle(confinement=0.0), lambda x, torch: _saddle(x, 0.0)),
        Example(
            en.DegenerateSaddle(dim=3, stiffness=0.7, confinement=1.3),
            lambda x, torch: _first_and(x, lambda y: 1.3 * y**6 / 6 - y**4 / 4, 0.7),
        ),
        Example(
            en.Octopus(dim=5, gamma=0.8), lambda x, torch: octopus(x, torch, en.Octopus(dim=5, gamma=0.8)), 0.1, tube
        ),
        Example(en.Rosenbrock(dim=5, a=0.9, b=7.0), lambda x, torch: rosenbrock(x, 0.9, 7.0), 1e-3),
        Example(en.Rastrigin(dim=3, A=7.0), lambda x, torch: (x**2 + 7 - 7 * torch.cos(2 * math.pi * x)).sum(1), 1e-3),
        Example(en.Ackley(dim=4), ackley, 0.1, lambda f, rng, n: rng.normal(size=(n, f.dimension)) * 4),
        Example(en.Griewank(dim=7), griewank, 0.1, lambda f, rng, n: rng.normal(size=(n, f.dimension)) * 8),
        Example(en.StyblinskiTang(dim=3), lambda x, torch: (x**4 - 16 * x**2 + 5 * x).sum(1) / 2, 1e-3),
        Example(en.Levy(dim=5), levy),
        Example(en.Schwefel(dim=3), lambda x, torch: (418.9828872724338 - x * torch.sin(x.abs().sqrt())).sum(1), 1.0),
        Example(
            en.Himmelblau(),
            lambda x, torch: (x[:, 0] ** 2 + x[:, 1] - 11) ** 2 + (x[:, 0] + x[:, 1] ** 2 - 7) ** 2,
            1e-3,
        ),
        Example(en.Beale(), lambda x, torch: beale(x), 1e-5),
        Example(en.Booth(), lambda x, torch: (x[:, 0] + 2 * x[:, 1] - 7) ** 2 + (2 * x[:, 0] + x[:, 1] - 5) ** 2),
        Example(
            en.DoubleWell(dim=3, stiffness=0.6), lambda x, torch: _first_and(x, lambda y: (y**2 - 1) ** 2 / 4, 0.6)
        ),
        Example(flat, lambda x, torch: two_parabolas(x, flat)),
        Example(
            soft,
            lambda x, torch: two_parabolas(
                x, soft, lambda a, b: a.minimum(b) - 0.3 * torch.log1p(torch.exp((a - b).abs() / -0.3))
            ),
        ),
        Example(
            en.Cliff(dim=3, slope=0.5, wall=20.0, width=0.2, stiffness=0.4),
            lambda x, torch: _first_and(x, lambda y: 4.1 * softplus(y / 0.2, torch) - 0.5 * y, 0.4),
        ),
        Example(tall, lambda x, torch: 30 * torch.tanh(rosenbrock(x, b=2.0) / 30)),
        Example(en.PolyakLojasiewicz(dim=3), lambda x, torch: (x**2 + 3 * torch.sin(x) ** 2).sum(1)),
        Example(TURNED, lambda x, torch: rosenbrock(x @ torch.tensor(TURNED.turned(np.eye(8))), b=3.0), 1e-3),
        Example(WELLS, lambda x, torch: wells(x, torch, WELLS)),
        Example(en.OnlineLinear(dim=2, C=5.0), lambda x, torch: 5 * x.sum(1), 0.1),
        Example(en.StochasticLinear(dim=2), lambda x, torch: (0.01 * 1010 - 0.99 * 10) * x.sum(1), 1e-3),
        Example(MATRIX, lambda x, torch: factorization(x, torch, MATRIX)),
        Example(WAVES, lambda x, torch: phases(x, torch, WAVES), 1e-3),
        Example(FORMS, lambda x, torch: quadratic_forms(x, torch, FORMS), 1e-3),
        Example(NETWORK, lambda x, torch: network(x, torch, NETWORK)),
        Example(
            LINES,
            lambda x, torch: (
                ((x @ torch.tensor(LINES.A.T) - torch.tensor(LINES.y)) ** 2).mean(1) / 2 + 0.15 * (x**2).sum(1)
            ),
        ),
        Example(
            BENT,
            lambda x, torch: torch.nn.functional.huber_loss(
                x @ torch.tensor(BENT.A.T), torch.tensor(BENT.y).expand(len(x), -1), reduction="none", delta=0.7
            ).mean(1),
        ),
        Example(
            CLASSES,
            lambda x, torch: (
                torch.nn.functional.binary_cross_entropy_with_logits(
                    x @ torch.tensor(CLASSES.X.T), torch.tensor(CLASSES.y).expand(len(x), -1), reduction="none"
                ).mean(1)
                + 0.05 * (x**2).sum(1)
            ),
        ),
        Example(
            SEVERAL,
            lambda x, torch: (
                torch.stack(
                    [
                        torch.nn.functional.cross_entropy(
                            torch.tensor(SEVERAL.X) @ w.reshape(3, 4).T, torch.tensor(SEVERAL.y.astype(int))
                        )
                        for w in x
                    ]
                )
                + 0.05 * (x**2).sum(1)
            ),
        ),
        Example(
            en.Wilson(2, 1),
            lambda x, torch: (
                ((x @ torch.tensor(en.Wilson(2, 1).data()[0].T) - torch.tensor([1.0, 1.0, -1.0])) ** 2).mean(1) / 2
            ),
        ),
        Example(
            en.WuTwoMinima(),
            lambda x, torch: sum((x**2).minimum(c * (x - 1) ** 2) for c in (0.1, 1.9))[:, 0] / 2,
        ),
        Example(NET, lambda x, torch: two_layers(x, torch, NET), 0.1, normal_points),
        Example(FIELD, lambda x, torch: waves(x, torch, FIELD)),
        Example(GLASS, lambda x, torch: glass(x, torch, GLASS)),
        Example(FOUR_SPIN, lambda x, torch: glass(x, torch, FOUR_SPIN)),
        Example(TWO_SPIN, lambda x, torch: glass(x, torch, TWO_SPIN)),
        Example(GLASSY, lambda x, torch: glass_of_features(x, torch, GLASSY)),
        Example(en.Scaled(en.Rosenbrock(dim=4, b=2.0), -0.3), lambda x, torch: -0.3 * rosenbrock(x, b=2.0), 1e-3),
        Example(
            en.Composed(lambda f: np.log(1.0 + f), en.Rosenbrock(dim=4, b=2.0)),
            lambda x, torch: torch.log(1.0 + rosenbrock(x, b=2.0)),
        ),
    )


EXAMPLES = _examples()
LARGER = (
    en.Quadratic.spectrum(11, condition=10.0), en.QuarticSaddle(dim=9), en.DegenerateSaddle(dim=9), en.Octopus(dim=10),
    en.Rosenbrock(dim=9, b=7.0), en.Rastrigin(dim=13), en.Ackley(dim=13), en.Griewank(dim=23), en.StyblinskiTang(dim=9),
    en.Levy(dim=13), en.Schwefel(dim=9), en.DoubleWell(dim=9), en.SharpFlat(dim=9), en.SmoothSharpFlat(dim=9),
    en.Cliff(dim=9),
    en.Plateau(en.Griewank(dim=9)), en.PolyakLojasiewicz(dim=9), en.Rotated(en.Rosenbrock(dim=16, b=3.0)),
    en.Rotated(en.Rosenbrock(dim=23, b=3.0)), en.MultiWell.scattered(dim=9, wells=4), en.OnlineLinear(dim=9), en.StochasticLinear(dim=9),
    en.MatrixFactorization.random(20, 3), en.MatrixFactorization.random(7, 5, 6), en.PhaseRetrieval.random(9, 20),
    en.MatrixSensing.random(9, 2, 20),
    en.DeepLinear(3, 3), en.DeepLinear(12, 1), en.LeastSquares.random(20, 9),
    en.LogisticRegression.random(20, 7, 3), en.LogisticRegression.random(20, 9),
    en.TwoLayerNetwork.random(9, 9), en.RandomField(9, 20), en.SphericalPSpin(9), en.PSpinFeatures(9, 20, p=4),
)  # fmt: skip
"""The same kinds in dimensions that the CPU knows at run time alone, and that need several lanes of a device."""
each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: type(e.landscape).__name__)


def draw(example, n=POINTS, seed=0):
    return example.points(example.landscape, np.random.default_rng(seed), n)


def close(found, expected, relative, what):
    scale = np.abs(expected).max(axis=1, keepdims=True) + 1e-3 * np.abs(expected).max() + 1e-300
    assert (np.abs(found - expected) / scale).max() <= relative, what


def test_every_landscape_has_an_example():
    def kinds(base):
        says = {"value", "loss", "summand"}
        return {c for sub in base.__subclasses__() for c in ({sub} if says & set(vars(sub)) else set()) | kinds(sub)}

    ours = {kind for kind in kinds(Landscape) if kind.__module__.startswith("ensemble.landscapes.")}
    ours -= {en.FiniteSum, OnSphere}
    assert ours <= {type(example.landscape) for example in EXAMPLES}
    assert {kind.__name__ for kind in ours} <= set(landscapes.__all__)


# ---- derivatives


@each_example
def test_derivatives_are_those_of_the_value(example):
    f, x, rng = example.landscape, draw(example), np.random.default_rng(1)
    v = rng.normal(size=x.shape)
    v = f.tangent(x, v)
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    h = 1e-4 * max(1.0, np.abs(x).max() / 10)

    def along(function):
        """Fourth-order difference along v."""
        near = function(x + h * v, FIRST_STEP) - function(x - h * v, FIRST_STEP)
        far = function(x + 2 * h * v, FIRST_STEP) - function(x - 2 * h * v, FIRST_STEP)
        return (8 * near - far) / (12 * h)

    smooth = np.ones(POINTS, dtype=bool)
    if isinstance(f, en.SharpFlat) and not isinstance(f, en.SmoothSharpFlat):
        smooth = np.abs(x[:, 0] - f.crossing) > 4 * h
    if isinstance(f, en.Schwefel):
        smooth = (np.abs(x) > 1).all(axis=1)
    if isinstance(f, en.Huber):
        smooth = (np.abs(np.abs(x @ f.A.T - f.y) - f.delta) > 20 * h).all(axis=1)
    if isinstance(f, en.WuTwoMinima):
        smooth = (np.abs(np.abs(x) - np.sqrt(f.curvatures) * np.abs(x - 1)) > 8 * h).all(axis=1)
    if isinstance(f, en.Octopus):  # third derivatives jump where the pieces meet
        edges = np.abs(np.abs(x)[:, :, None] - f.tau * np.arange(3)).min(axis=(1, 2))
        smooth = edges > 4 * h
    gradient, product_ = f.gradient(x, FIRST_STEP), f.hessian_product(x, v, FIRST_STEP)
    slope = np.sum(gradient * v, axis=1, keepdims=True)
    floor = np.abs(f.value(x, FIRST_STEP)) * 1e-15 / h + 1e-9 * np.linalg.norm(gradient, axis=1, keepdims=True)
    error = np.abs(slope - along(f.value))
    assert (error <= 20 * floor + 1e-7 * (1 + np.abs(slope)))[smooth].all(), "gradient"
    close(product_[smooth], f.tangent(x, along(f.gradient))[smooth], 2e-7, "Hessian product")

    some = x[:10]
    columns = np.stack(
        [f.hessian_product(some, np.broadcast_to(e, some.shape).copy(), FIRST_STEP) for e in np.eye(f.dimension)],
        axis=2,
    )
    close(columns.reshape(10, -1), columns.transpose(0, 2, 1).reshape(10, -1), 1e-12, "symmetry")
    close(f.hessian_diagonal(some, FIRST_STEP), np.einsum("nii->ni", columns), 1e-10, "diagonal")


@each_example
def test_derivatives_are_those_of_automatic_differentiation(example):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)  # of two, the second once gave cosines that were 1e-8 off: by mpmath ours were right
    f, x = example.landscape, draw(example)
    v = f.tangent(x, np.random.default_rng(1).normal(size=x.shape))
    points, direction = torch.tensor(x, requires_grad=True), torch.tensor(v)
    value = example.formula(points, torch)
    (gradient,) = torch.autograd.grad(value.sum(), points, create_graph=True)
    (again,) = (
        torch.autograd.grad((gradient * direction).sum(), points, allow_unused=True)
        if gradient.requires_grad
        else (torch.zeros_like(points),)
    )

    close(f.value(x, FIRST_STEP), value.detach().numpy()[:, None], 1e-11, "value")
    close(f.gradient(x, FIRST_STEP), gradient.detach().numpy(), 1e-10, "gradient")
    close(f.hessian_product(x, v, FIRST_STEP), f.tangent(x, again.numpy()), 1e-9, "Hessian product")


# ---- what landscapes declare


KNOWN = (
    *(example.landscape for example in EXAMPLES if not isinstance(example.landscape, (en.OnlineLinear, en.StochasticLinear))),
    en.Quadratic.bowl(), en.Quadratic.ravine(), en.Quadratic.cross_ravine(), en.Quadratic((1.0, -2.0, 3.0)),
    en.QuarticSaddle(dim=12, unstable=10, stiffness=-0.5), en.Octopus(dim=3), en.Octopus(dim=1, gamma=0.3), en.Rosenbrock(),
    en.Rosenbrock(dim=6), en.DegenerateSaddle(dim=1, confinement=0.0), en.StyblinskiTang(dim=6), en.Levy(dim=1),
    en.SharpFlat(), en.SmoothSharpFlat(), en.SmoothSharpFlat(smoothing=50.0), en.Rotated(en.StyblinskiTang(dim=3), seed=4),
    en.Rotated(en.Rastrigin(dim=16)), en.Plateau(en.DoubleWell(dim=2), height=0.2), en.MultiWell.lattice(2),
    en.MatrixFactorization.random(4, 3, 1), en.MatrixFactorization.of(np.diag([3.0, 2.0, 1.0]), rank=2),
    en.PhaseRetrieval.random(3, 2), en.PhaseRetrieval(WAVES.sensing, WAVES.squares),
    en.PhaseRetrieval(WAVES.sensing, WAVES.squares, WAVES.signal, l2=0.2), en.PhaseRetrieval.random(3, 12),
    en.MatrixSensing.random(3, 1), en.MatrixSensing.random(4, 3), en.MatrixSensing(FORMS.sensing, FORMS.squares, 2, l2=0.1),
    en.DeepLinear(2, 2), en.DeepLinear(2, 1), en.DeepLinear(5, 1, target=-2.0),
    en.DeepLinear(1, 2, target=[[0.0, 1.0], [2.0, 3.0]]),
)  # fmt: skip
each_known = pytest.mark.parametrize("f", KNOWN, ids=lambda f: f"{type(f).__name__}-{f.dimension}")


@each_known
def test_declared_stationary_points_are_what_they_are_said_to_be(f):
    points = f.stationary_points()
    assert len({p.name for p in points}) == len(points)
    for p in points:
        x = np.array([p.x])
        assert x.shape == (1, f.dimension), p.name
        hessian = f.hessian(p.x)
        size = max(1.0, np.abs(hessian).max())
        assert np.abs(f.gradient(x)).max() <= 1e-12 * size * max(1.0, np.abs(x).max()), p.name
        assert f.value(x)[0, 0] == pytest.approx(
            p.value, rel=1e-12, abs=1e-12 * size * max(1.0, np.abs(x).max()) ** 2
        ), p.name
        curvatures = np.linalg.eigvalsh(hessian)
        assert np.sum(curvatures < -1e-9 * size) == p.index, p.name
        if p.curvatures is not None:
            np.testing.assert_allclose(curvatures, np.sort(p.curvatures), rtol=1e-9, atol=1e-9 * size, err_msg=p.name)


@pytest.mark.parametrize("f", [GLASS, GLASSY], ids=lambda f: type(f).__name__)
def test_on_a_sphere_gradients_and_hessian_products_are_tangential(f):
    rng = np.random.default_rng(0)
    x = f.project(rng.normal(size=(50, f.dim)))
    np.testing.assert_allclose((x**2).sum(axis=1), f.dim, rtol=1e-14)
    v = rng.normal(size=x.shape)
    assert np.abs((f.gradient(x) * x).sum(axis=1)).max() < 1e-12
    assert np.abs((f.hessian_product(x, v) * x).sum(axis=1)).max() < 1e-11
    np.testing.assert_allclose(f.hessian_product(x, x), 0.0, atol=1e-12)
    np.testing.assert_allclose(f.value(3.0 * x), f.value(x), rtol=1e-12)


@each_known
def test_declared_smoothness_is_never_exceeded(f):
    if f.smoothness is None:
        pytest.skip("it declares none")
    rng = np.random.default_rng(2)
    x, y = (
        (tube(f, rng, 3000), tube(f, rng, 3000))
        if isinstance(f, en.Octopus)
        else (box_of(f, rng, 3000), box_of(f, rng, 3000))
    )
    if f.smooth_everywhere:
        x = 5 * x
    if isinstance(f, en.Octopus):
        y = x + 1e-6 * rng.normal(size=x.shape)
    else:
        y[::2] = (x + 1e-4 * (y - x))[::2]
    rise = np.linalg.norm(f.gradient(x) - f.gradient(y), axis=1)
    assert (rise <= f.smoothness * np.linalg.norm(x - y, axis=1) * (1 + 1e-6)).all()


def test_boxes_fit_starts_and_pictures_are_ordered():
    for f in KNOWN:
        if f.box is not None:
            en.UniformBox(*f.box)
        if f.picture is not None:
            assert all(low < high for low, high in f.picture)


@pytest.mark.parametrize(
    ("f", "x", "value", "digits"),
    [
        (en.Rastrigin(dim=2), (4.52299366, 4.52299366), 80.70658039, 1e-8),  # the highest point of the box
        (en.StyblinskiTang(dim=1), (-2.903534,), -39.16616570377142, 1e-9),
        (en.StyblinskiTang(dim=1), (2.746803,), -25.02944665528, 1e-9),
        (en.Schwefel(dim=2), (420.9687, 420.9687), 0.0, 3e-5),
        (en.Himmelblau(), (3.0, 2.0), 0.0, 0),
        (en.Himmelblau(), (-0.270845, -0.923039), 181.617, 1e-3),
        (en.Himmelblau(), (0.0, 0.0), 170.0, 0),
        (en.Beale(), (3.0, 0.5), 0.0, 0),
        (en.Booth(), (1.0, 3.0), 0.0, 0),
        (en.Booth(), (0.0, 0.0), 74.0, 0),
        (en.Rosenbrock(), (-1.2, 1.0), 24.2, 1e-12),
        (en.Rosenbrock(dim=4), (-1.0, 1.0, 1.0, 1.0), 4.0, 0),
        (en.Ackley(dim=2), (0.0, 0.0), 0.0, 4.5e-16),
        (en.Ackley(dim=2), (1.0, 1.0), 3.6253849384403627, 1e-14),
        (en.Griewank(dim=2), (math.pi, math.pi * math.sqrt(2)), 1 + 3 * math.pi**2 / 4000 - 1, 1e-14),
        (en.Levy(dim=2), (-3.0, 1.0), 1 + 10 * math.sin(1) ** 2, 1e-14),
        (en.PolyakLojasiewicz(dim=1), (math.pi / 2,), math.pi**2 / 4 + 3, 1e-14),
        (en.MonkeySaddle(confinement=0.0), (2.0, 1.0), 2.0, 0),
        (en.Quadratic.ravine(), (1.0, 1.0), 6.0, 0),
        (en.Quadratic.cross_ravine(), (1.0, 1.0), 5.5, 0),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, Landscape) else "",
)
def test_values_are_the_published_ones(f, x, value, digits):
    assert f.value(np.array([x]))[0, 0] == pytest.approx(value, abs=digits, rel=0)


# ---- laws


def test_gradient_descent_passes_the_octopus_saddles_at_the_known_steps():
    f = en.Octopus(dim=5)
    x, passed, steps = np.full((1, 5), 0.5), 0, []
    for t in range(1, 500):
        x = x - 0.25 * f.gradient(x)
        while int(f.passed(x)[0, 0]) > passed:
            passed += 1
            steps.append(t)
    assert steps == [6, 21, 62, 173, 472]


def test_in_float32_the_last_octopus_coordinate_underflows_before_its_turn():
    f, rate = en.Octopus(dim=5), np.float32(0.25)
    x = np.full((1, 5), 0.5, dtype=np.float32)
    for _ in range(3000):
        x = x - rate * f.gradient(x)
    assert f.passed(x)[0, 0] < 5
    assert abs(x[0, -1]) < np.finfo(np.float32).smallest_normal


def test_sharp_flat_chooses_curvature_depth_and_distance_apart():
    f = en.SharpFlat(sharp=9.0, flat=0.5, sharp_at=0.7, flat_at=1.9, sharp_depth=0.3, flat_depth=0.8)
    x = np.array([[-0.7], [1.9], [f.crossing - 1e-9], [f.crossing + 1e-9]])
    value = f.value(x)[:, 0]
    assert value[:2] == pytest.approx([-0.3, -0.8], abs=1e-15)
    assert value[2] == pytest.approx(value[3], abs=1e-7)
    assert f.hessian_diagonal(x)[:, 0].tolist() == [9.0, 0.5, 9.0, 0.5]
    assert f.barriers == pytest.approx((value[2] + 0.3, value[2] + 0.8), abs=1e-7)
    with pytest.raises(ValueError, match=r"swallows .* give minima further apart"):
        en.SharpFlat(flat_depth=50.0)


def test_the_gibbs_measure_of_many_wells_is_the_mixture_it_is_said_to_be():
    f = en.MultiWell([[-2.0], [0.5], [3.0]], curvatures=[4.0, 1.0, 9.0], depths=[0.1, 0.0, 0.2], smoothing=0.2)
    x = np.linspace(-12, 12, 400_001)[:, None]
    density = np.exp(-f.value(x)[:, 0] / f.smoothing)
    mixture = sum(
        w * np.sqrt(h / f.smoothing) * np.exp(-h * (x[:, 0] - c) ** 2 / (2 * f.smoothing))
        for w, h, c in zip(f.gibbs_weights(), f.curvatures, f.centers[:, 0], strict=True)
    )
    np.testing.assert_allclose(density / density.sum(), mixture / mixture.sum(), rtol=1e-10, atol=1e-14)


def test_gradient_descent_does_not_see_a_rotation():
    plain, turned = en.Rosenbrock(dim=12, b=2.0), en.Rotated(en.Rosenbrock(dim=12, b=2.0), seed=3)
    y = np.random.default_rng(0).normal(size=(20, 12)) / 2
    x = turned.turned_back(y)
    for _ in range(50):
        x, y = x - 0.01 * turned.gradient(x), y - 0.01 * plain.gradient(y)
    np.testing.assert_allclose(turned.turned(x), y, atol=1e-12)


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 5, 7, 8, 12, 16, 37, 64, 100])
def test_rotations_are_orthogonal_and_mix_all_coordinates(dim):
    f = en.Rotated(en.PolyakLojasiewicz(dim=dim), seed=dim)
    matrix = f.turned(np.eye(dim))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(dim), atol=1e-13)
    np.testing.assert_allclose(f.turned_back(matrix), np.eye(dim), atol=1e-13)
    if dim > 3:
        assert np.abs(matrix).max() < 0.95
        assert np.mean(np.abs(matrix) > 0.05 / math.sqrt(dim)) > 0.5


def test_the_online_loss_turns_with_the_step_and_stays_in_its_box():
    f = en.OnlineLinear()
    x = np.array([[0.5]])
    assert [float(f.gradient(x, SimpleNamespace(t=t))[0, 0]) for t in range(1, 8)] == [3, -1, -1, 3, -1, -1, 3]
    projected = f.project(np.array([[-7.0], [0.3], [1.2], [np.nan]]))
    assert np.array_equal(projected, [[-1.0], [0.3], [1.0], [np.nan]], equal_nan=True)
    assert f.gradient(x)[0, 0] == pytest.approx(1 / 3)


def test_the_stochastic_loss_is_drawn_once_for_each_instance_and_step():
    f, instances = en.StochasticLinear(dim=3, probability=0.2), 20_000
    p = program(f, "float64", instances, 0.001, en.GradientDescent)
    engine, x = NumpyEngine(), []
    for steps in (1, 2):
        state = engine.new_state(p)
        engine.advance(p, state, np.arange(instances, dtype=np.int32), 1, steps)
        assert (state.x == state.x[:, :1]).all()
        x.append(state.x[:, 0])
    assert set(x[0]) == {-1.0, 0.01}  # -1.01 is projected
    for moved in (x[0], x[1] - x[0]):
        share = np.mean(moved < 0) if moved is x[0] else np.mean(moved[x[0] > 0] < 0)
        assert abs(share - 0.2) < 4 * math.sqrt(0.16 / (0.8 * instances))


def test_others_multiply_without_dividing():
    rng = np.random.default_rng(0)
    for dim in (1, 2, 3, 4, 5, 8, 13, 40):
        a, slope = rng.normal(size=(2, 30, dim))
        a[::3, rng.integers(dim)] = 0.0
        expected = np.stack([np.delete(a, i, axis=1).prod(axis=1) for i in range(dim)], axis=1)
        np.testing.assert_allclose(others(a), expected, rtol=1e-12)
        change = others_change(a, slope)
        difference = (others(a + 1e-5 * slope) - others(a - 1e-5 * slope)) / 2e-5
        np.testing.assert_allclose(change, difference, rtol=1e-6, atol=1e-6 * np.abs(difference).max())
        np.testing.assert_allclose(product(a)[:, 0], a.prod(axis=1), rtol=1e-12)


def test_small_matrices_multiply_like_matrices():
    u, w = np.random.default_rng(0).normal(size=(2, 5, 7, 3))
    np.testing.assert_allclose(gram(u, w), u.transpose(0, 2, 1) @ w, rtol=1e-12)
    np.testing.assert_allclose(times(u, gram(u, w)), u @ gram(u, w), rtol=1e-12)


def test_landscapes_with_arrays_compare_by_content_and_can_be_keys():
    again = dataclasses.replace(WELLS)
    assert again == WELLS
    assert hash(again) == hash(WELLS)
    assert en.MultiWell.scattered(dim=3, wells=5, seed=1) != WELLS
    assert len({WELLS, again, MATRIX, dataclasses.replace(MATRIX)}) == 2
    assert en.Rotated(WELLS, seed=1) == en.Rotated(again, seed=1) != en.Rotated(again, seed=2)


def test_what_depends_on_the_configuration_is_refused_for_a_grid():
    f = en.Cliff(wall=en.grid(10.0, 100.0))
    for ask in (lambda: f.stationary_points(), lambda: f.smoothness, lambda: f.box, lambda: f.picture):
        with pytest.raises(ValueError, match=r"Cliff\(wall=grid.*every configuration has its own"):
            ask()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: en.Rotated(en.OnlineLinear()), "OnlineLinear lives on a set .* give a landscape on the whole space"),
        (lambda: en.Plateau(en.Adam()), "base must be a landscape"),
        (lambda: en.Rotated(en.Rosenbrock(), seed=-1), "seed must be a whole number of at least 0"),
        (lambda: en.MultiWell([1.0, 2.0]), r"give an array \(wells, dim\)"),
        (lambda: en.MultiWell([[1.0]], curvatures=[1.0, 2.0]), "one for each of 1 wells"),
        (lambda: en.MultiWell([[1.0]], curvatures=-1.0), "greater than 0"),
        (lambda: en.MatrixFactorization([1.0, 2.0]), "give V as"),
        (lambda: en.MatrixFactorization(np.ones((2, 1)), rank=3), "give a rank of at most 2"),
        (lambda: en.MatrixFactorization.of([[0.0, 1.0], [1.0, 0.0]], rank=1), "none below 0"),
        (lambda: en.PhaseRetrieval(np.ones((4, 2)), np.ones(3)), "give one of squares for each of the 4"),
        (lambda: en.PhaseRetrieval(np.ones(4), np.ones(4)), r"give one row for each sample"),
        (lambda: en.PhaseRetrieval(np.ones((4, 2)), np.ones(4), [1.0]), "signal of 1 numbers.*give 2"),
        (lambda: en.MatrixSensing(np.ones((4, 2)), np.ones(4), 3), "give a rank of at most 2"),
        (
            lambda: en.MatrixSensing(np.ones((4, 2)), np.ones(4), 1, [[1.0, 2.0], [1.0, 2.0]]),
            "give 2 rows of 1 to 1 numbers",
        ),
        (lambda: en.MatrixSensing(np.ones((4, 2)), np.ones(4), 1, "u"), "give 2 rows of 1 to 1 numbers"),
        (lambda: en.DeepLinear(layers=100, width=4), "give at most 256"),
        (lambda: en.DeepLinear(width=2, target=[1.0, 2.0, 3.0]), "give a number or a 2 x 2 matrix"),
        (lambda: en.Quadratic.spectrum(1, 10.0), "give dim >= 2"),
    ],
)
def test_errors_say_what_to_give(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ---- the CUDA twin


PROBE = """
struct Probe {
    enum Column { lr, columns };
    struct State {
        Vec direction, level, product, diagonal;
        template <class Visit>
        HD void each(Visit&& visit) { visit(direction), visit(level), visit(product), visit(diagonal); }
    };
    template <class Gradient, class Now>
    HD Vec step(const Vec& x, const Gradient& gradient, State& s, const Now& now) const {
        s.level = make_operand(gradient.parts.landscape.value(x, now));
        s.product = gradient.hessian_product(x, s.direction);
        s.diagonal = gradient.hessian_diagonal(x);
        return x - now[lr] * gradient(x);
    }
};
"""


@dataclasses.dataclass(frozen=True)
class Probe(en.Optimizer):
    """Gradient descent that keeps all it can ask: value, Hessian product with ``direction`` and Hessian diagonal."""

    lr: Any = scheduled(domain=NOT_NEGATIVE)
    vectors = ("direction", "level", "product", "diagonal")
    kernel = PROBE

    def step(self, x, gradient, state, now):
        state.level = np.broadcast_to(gradient.landscape.value(x, gradient.landscape_now), x.shape).copy()
        state.product = gradient.hessian_product(x, state.direction)
        state.diagonal = np.broadcast_to(gradient.hessian_diagonal(x), x.shape).copy()
        return x - now.lr * gradient(x)


@pytest.fixture(scope="module")
def probed():
    """Programs are compiled in a hurry, since the bits do not depend on it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiler, "FLAGS", tuple("-O0" if flag == "-O3" else flag for flag in compiler.FLAGS))
        yield


def program(landscape, dtype, instances=19, lr=0.01, optimizer=Probe):
    part = {"landscape": landscape, "optimizer": optimizer(lr), "noise": en.NoNoise(), "event": en.Never()}
    return Program((part,), landscape.dimension, instances, 0, np.dtype(dtype), "precise", 5, 1, True)


def run(engine, p, start, direction, steps):
    state = engine.new_state(p)
    state.x[:], state.vectors[0] = start, direction
    engine.advance(p, state, np.arange(p.rows, dtype=np.int32), 1, steps)
    return state


def check_bits(engine, landscape, dtype, lr=0.01, instances=19, steps=30):
    """The engine gives NumPy's bits for the path and everything that the probe keeps, at every coordinate."""
    p = program(landscape, dtype, instances, lr)
    rng = np.random.default_rng(3)
    low, high = landscape.box or (-1.0, 1.0)
    if isinstance(landscape, en.Octopus):
        start = tube(landscape, rng, instances).astype(dtype)
    else:
        start = rng.uniform(low, high, size=(instances, landscape.dimension)).astype(dtype)
    direction = rng.normal(size=start.shape).astype(dtype)
    wanted, found = (run(e, p, start, direction, steps) for e in (NumpyEngine(), engine))
    assert np.isfinite(wanted.x).mean() > 0.5, "most of the paths say something"
    for name, array in wanted.arrays().items():
        other = getattr(found, name)
        same = array.view(f"u{array.itemsize}") == other.view(f"u{array.itemsize}")
        if array.dtype.kind == "f":
            same |= np.isnan(array) & np.isnan(other)
        assert same.all(), f"{name} differs in {np.mean(~same):.3%}"
    for name in ("value", "gradient", "gradient_norm", "product"):
        if instances > 8:
            break  # the probe has seen them
        a, b = (e.observe(p, start, (name,), 4, direction)[name] for e in (NumpyEngine(), engine))
        assert a.tobytes() == b.tobytes(), name


def rate_of(landscape):
    same = [e.lr for e in EXAMPLES if type(e.landscape) is type(landscape)]
    return same[0] if same else 0.01


@cache
def cpu_engine():
    return CpuEngine(threads=2)


@pytest.fixture(scope="module")
def compiled(probed):
    """All default programs, two at a time."""
    pytest.importorskip("ctypes")
    engine = cpu_engine()
    programs = [program(f, dtype) for f, dtype in DEFAULT]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda p: engine._library(p, "advance"), programs))
    return engine


FIRST = {type(f): f for f in reversed(LARGER)}  # one of each kind
DEFAULT = [(f, ("float32", "float64")[k % 2]) for k, f in enumerate(LARGER) if FIRST[type(f)] is f]
EVERY = [(f, dtype) for f in (*(e.landscape for e in EXAMPLES), *LARGER) for dtype in ("float32", "float64")]


def name_of(value):
    return f"{type(value).__name__}-{value.dimension}" if isinstance(value, Landscape) else str(value)


@pytest.mark.slow  # test_bits.py runs one of each kind too
@pytest.mark.parametrize(("f", "dtype"), DEFAULT, ids=name_of)
def test_numpy_and_cpu_have_the_same_bits(compiled, f, dtype):
    check_bits(compiled, f, dtype, rate_of(f))


@pytest.mark.slow
@pytest.mark.parametrize(("f", "dtype"), [pair for pair in EVERY if pair not in DEFAULT], ids=name_of)
def test_numpy_and_cpu_have_the_same_bits_everywhere(probed, f, dtype):
    check_bits(cpu_engine(), f, dtype, rate_of(f), instances=7)
    check_bits(cpu_engine(), f, dtype, rate_of(f))


@pytest.mark.slow
def test_tiles_that_mix_configurations_have_the_same_bits(probed):
    grids = [
        (en.SmoothSharpFlat(dim=9, smoothing=s, sharp=h) for s, h in ((0.1, 4.0), (0.3, 2.0), (0.2, 3.0))),
        (en.Plateau(en.Rosenbrock(dim=4, b=b), height=h) for b, h in ((1.0, 5.0), (2.0, 3.0), (3.0, 9.0))),
        (en.Rotated(en.Quadratic((1.0, h, 3.0, 2.0, 5.0))) for h in (2.0, 3.0, 4.0)),
        (dataclasses.replace(WELLS, smoothing=s) for s in (0.1, 0.3, 0.5)),
        (en.Octopus(dim=4, gamma=g) for g in (0.5, 0.8, 1.0)),
        (en.OnlineLinear(dim=2, C=c) for c in (3.0, 5.0, 1010.0)),
        (en.RandomField(dim=3, features=12, length=size) for size in (0.5, 1.0, 2.0)),
        (en.RandomField(dim=3, features=12, seed=k) for k in range(3)),  # arrays that differ: tiles of their own
        (en.SphericalPSpin(dim=5, disorder_seed=k) for k in range(3)),
    ]
    for grid in map(list, grids):
        parts = tuple(
            {"landscape": f, "optimizer": Probe(0.01), "noise": en.NoNoise(), "event": en.Never()} for f in grid
        )
        p = Program(parts, grid[0].dimension, 3, 0, np.dtype(np.float64), "precise", 5, 1, True)
        start, direction = np.random.default_rng(0).uniform(-1, 1, size=(2, p.rows, p.dim))
        wanted, found = (run(e, p, start, direction, 20) for e in (NumpyEngine(), cpu_engine()))
        assert wanted.x.tobytes() == found.x.tobytes(), type(grid[0]).__name__
        assert wanted.vectors.tobytes() == found.vectors.tobytes(), type(grid[0]).__name__


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [1, 2, 4, 8])
@pytest.mark.parametrize("f", [f for f in LARGER if f.dimension >= 9], ids=name_of)
def test_the_device_path_has_the_same_bits(probed, f, lanes):
    check_bits(
        EmulatedEngine(lanes),
        f,
        {1: "float64", 2: "float32", 4: "float64", 8: "float32"}[lanes],
        rate_of(f),
        instances=5,
        steps=5,
    )


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("f", [f for f in LARGER if f.dimension >= 9], ids=name_of)
def test_instances_in_memory_have_the_same_bits(probed, f, lanes):
    dtype = {1: "float32", 4: "float64"}[lanes]
    check_bits(EmulatedEngine(lanes, streamed=True), f, dtype, rate_of(f), instances=5, steps=5)


@pytest.mark.slow
@pytest.mark.parametrize("f", [en.Rotated(en.Griewank(dim=300)), en.Rotated(en.Griewank(dim=256))], ids=name_of)
def test_instances_that_fill_blocks_have_the_same_bits(probed, f):
    check_bits(EmulatedEngine(64), f, "float64", 0.1, instances=1, steps=1)


def device_source(landscape, lanes, math_="fast"):
    part = {"landscape": landscape, "optimizer": en.Adam(), "noise": en.Gaussian(0.1), "event": en.Never()}
    p = Program((part,), landscape.dimension, 4096, 0, np.dtype(np.float32), math_, 5, 1, True)
    return EmulatedEngine(lanes).source(p, "advance")


COMPILED = [en.Rotated(en.Griewank(dim=24)), en.Rotated(en.Levy(dim=10))]


@pytest.mark.ci
@pytest.mark.parametrize("f", COMPILED, ids=name_of)
def test_nvrtc_compiles_the_device_path(f):
    pytest.importorskip("nvidia")
    compile_cubin(device_source(f, lanes=2), KERNELS)


@pytest.mark.slow
@pytest.mark.parametrize("f", [*(e.landscape for e in EXAMPLES), *LARGER], ids=name_of)
def test_nvrtc_compiles_the_device_path_of_every_landscape(f):
    pytest.importorskip("nvidia")
    for lanes in (1, 4):
        if lanes <= f.dimension // 4 or lanes == 1:
            compile_cubin(device_source(f, lanes), KERNELS)


def test_rotations_take_float32_as_it_is():
    frame = random_frame(6, seed=0).astype(np.float32)
    x = np.arange(6, dtype=np.float32)[None]
    assert rotate(x, frame).dtype == np.float32
    np.testing.assert_allclose(rotate_back(rotate(x, frame), frame), x, atol=1e-5)


# ---- made of another


def test_a_scaled_landscape_is_descended_like_its_base_at_another_rate():
    run = {
        "start": en.NormalCloud(0.5),
        "instances": 8,
        "steps": 50,
        "backend": "numpy",
        "dtype": "float64",
        "progress": False,
    }
    base = en.Rosenbrock(dim=3)
    scaled = en.simulate(landscape=en.Scaled(base, 4.0), optimizer=en.GradientDescent(1e-4), **run)
    plain = en.simulate(landscape=base, optimizer=en.GradientDescent(4e-4), **run)
    np.testing.assert_allclose(scaled.dataset["x"], plain.dataset["x"], rtol=1e-13)
    down = en.Scaled(en.QuarticSaddle(dim=3, unstable=1), -2.0)
    for point in down.stationary_points():
        assert np.abs(down.gradient(np.array([point.x]))).max() < 1e-12
        np.testing.assert_allclose(np.sort(point.curvatures), np.linalg.eigvalsh(down.hessian(point.x)), atol=1e-12)
        assert point.index == (np.array(point.curvatures) < 0).sum()


@pytest.mark.slow
@pytest.mark.parametrize(
    "outer", [np.tanh, lambda f: np.log(1.0 + f), lambda f: f**2 - 3.0 * f], ids=["tanh", "log", "square"]
)
def test_any_function_of_a_value_has_its_derivatives(outer, cpu):
    landscape = en.Composed(outer, en.Rosenbrock(dim=4))
    x = 0.3 * np.random.default_rng(1).normal(size=(6, 4))
    h = 1e-6
    slopes = [(landscape.value(x + h * e) - landscape.value(x - h * e))[:, 0] / (2 * h) for e in np.eye(4)]
    np.testing.assert_allclose(landscape.gradient(x), np.stack(slopes, axis=1), rtol=1e-5, atol=1e-6)
    whole = np.stack([landscape.hessian_product(x, np.tile(e, (6, 1))) for e in np.eye(4)])
    np.testing.assert_allclose(whole, whole.transpose(2, 1, 0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(landscape.hessian_diagonal(x), np.einsum("knk->nk", whole), rtol=1e-9, atol=1e-9)
    given = {
        "landscape": landscape,
        "optimizer": en.HeavyBall(1e-4),
        "noise": en.HessianAligned(10.0),
        "start": en.NormalCloud(0.3),
    }
    ends = [
        en.simulate(**given, instances=9, steps=9, backend=backend, math="precise", progress=False)
        .dataset["x"]
        .to_numpy()
        for backend in ("numpy", "cpu")
    ]
    np.testing.assert_array_equal(*ends)


def test_what_is_no_function_of_a_value_is_told():
    with pytest.raises(ValueError, match=r"Composed\(outer=3\): give a function of one number"):
        en.Composed(3, en.Rosenbrock())
    with pytest.raises(ValueError, match="this is a function's name, which is all that a file keeps"):
        en.Composed("tanh", en.Rosenbrock()).value(np.zeros((1, 2)))
    with pytest.raises(ValueError, match=r"Scaled\(factor=0.0\): factor must be a number other than 0"):
        en.Scaled(en.Rosenbrock(), 0.0)
