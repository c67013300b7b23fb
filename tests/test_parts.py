"""Landscapes against finite differences, optimizers against their formulas written out again."""

from __future__ import annotations

import inspect
import math
from functools import cache, partial

import numpy as np
import pytest
from parts import BASIC, example, kinds

import ensemble as en
from ensemble.arithmetic.random import Random, Stream, round_keys
from ensemble.backends.numpy import NumpyEngine, seen_by_kernel
from ensemble.backends.program import Program

DOUBLE = np.dtype(np.float64)
SEED = 11


def program(landscape, instances):
    return Program(
        configurations=(
            {"landscape": landscape, "optimizer": en.GradientDescent(0.1), "noise": en.NoNoise(), "event": en.Never()},
        ),
        dim=landscape.dimension, instances=instances, first_instance=0, dtype=DOUBLE, math="precise", seed=SEED,
        check_every=1, paired=True,
    )  # fmt: skip


# ---- landscapes


VARIANTS = {
    "Quadratic, one number": lambda dim: en.Quadratic(-0.7, dim=dim),
    "QuarticSaddle, two unstable": lambda dim: en.QuarticSaddle(
        dim=dim, unstable=min(2, dim), gamma=0.7, stiffness=1.3
    ),
    "QuarticSaddle, none unstable": lambda dim: en.QuarticSaddle(dim=dim, unstable=0, stiffness=1.3),
    "Rosenbrock, others": lambda dim: en.Rosenbrock(dim=max(2, dim), a=0.5, b=3.0),
    "DoubleWell, others": lambda dim: en.DoubleWell(dim=dim, stiffness=0.3),
}
LANDSCAPES = {kind.__name__: partial(example, kind, per_coordinate=True) for kind in kinds("landscape")} | VARIANTS


def at_dimensions(name, dims=(1, 2, 3, 4, 7, 16, 21)):
    """A landscape at those of the dimensions that it can have, at least one."""
    return {landscape.dimension: landscape for landscape in (LANDSCAPES[name](dim=dim) for dim in dims)}.items()


def central(f, x, direction, h=1e-5):
    """Directional derivative of ``f`` along unit coordinates or vectors, by a difference of fourth order."""
    return (8 * (f(x + h * direction) - f(x - h * direction)) - f(x + 2 * h * direction) + f(x - 2 * h * direction)) / (
        12 * h
    )


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7 * (1 + np.abs(expected).max()))


DEAR = ("RandomField",)


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in DEAR else n for n in LANDSCAPES])
def test_gradient_and_hessian_are_those_of_the_value(name):
    for dim, landscape in at_dimensions(name):
        x, v = np.random.default_rng(dim).normal(size=(2, 6, dim))
        v, before = landscape.tangent(x, v), x.copy()
        units = np.eye(dim)

        gradient = np.concatenate([central(landscape.value, x, unit) for unit in units], axis=1)
        close(landscape.gradient(x), gradient)
        close(landscape.hessian_product(x, v), landscape.tangent(x, central(landscape.gradient, x, v)))

        columns = np.stack([landscape.hessian_product(x, np.broadcast_to(unit, x.shape)) for unit in units], axis=2)
        close(columns, columns.transpose(0, 2, 1))
        close(landscape.hessian_diagonal(x), np.einsum("nii->ni", columns))
        assert np.array_equal(x, before), "the points are left alone"


OBSERVED = ("value", "gradient", "gradient_norm", "product", "slope", "direction_length")


OBSERVED_AT = [*((kind, 11) for kind in BASIC), (en.Rosenbrock, 2)]
REST = [(kind, dim) for kind in kinds("landscape") for dim in (2, 11) if (kind, dim) not in OBSERVED_AT]


@pytest.fixture(scope="module")
def compiled(cpu, compile_together):
    some = [example(kind, dim, True) for kind, dim in OBSERVED_AT]
    compile_together([partial(cpu._library, program(landscape, 8), "observe") for landscape in some])
    return cpu


@pytest.mark.parametrize(
    ("kind", "dim"), [*OBSERVED_AT, *(pytest.param(*rest, marks=pytest.mark.slow) for rest in REST)]
)
def test_the_cpu_observes_what_numpy_observes_and_what_differences_say(compiled, kind, dim):
    landscape, cpu = example(kind, dim, True), compiled
    dim = landscape.dimension
    x, v = np.random.default_rng(dim).normal(size=(2, 37, dim))
    if landscape.normals:  # on a sphere derivatives are those along it
        x = landscape.project(x)
        v = landscape.tangent(x, v)
    seen = cpu.observe(program(landscape, 37), x, OBSERVED, 0, v)
    specified = NumpyEngine().observe(program(landscape, 37), x, OBSERVED, 0, v)
    for name in OBSERVED:
        assert np.array_equal(seen[name], specified[name]), name

    def value(y):
        return cpu.observe(program(landscape, 37), np.ascontiguousarray(y), ("value",), 0)["value"]

    def gradient(y):
        return cpu.observe(program(landscape, 37), np.ascontiguousarray(y), ("gradient",), 0)["gradient"]

    differences = np.stack([central(value, x, unit) for unit in np.eye(dim)], axis=1)
    close(seen["gradient"], differences)
    close(seen["gradient_norm"], np.linalg.norm(differences, axis=1))
    close(seen["product"], landscape.tangent(x, central(gradient, x, v)))
    close(seen["slope"], (seen["gradient"] * v).sum(axis=1))
    close(seen["direction_length"], np.linalg.norm(v, axis=1))


def test_minima_and_saddles_are_where_the_docstrings_say():
    well, saddle, valley = en.DoubleWell(dim=3), en.QuarticSaddle(dim=3, unstable=2, gamma=4.0), en.Rosenbrock(dim=3)
    minimum, top = np.array([[-1.0, 0, 0], [1, 0, 0]]), np.zeros((1, 3))
    assert (well.gradient(minimum) == 0).all()
    assert (well.value(minimum) == 0).all()
    assert (well.hessian_diagonal(minimum)[:, 0] == 2).all()
    assert well.value(top) == 0.25
    assert well.hessian_diagonal(top)[0, 0] == -1

    corner = np.array([[2.0, -2.0, 0.0]])
    assert (saddle.gradient(corner) == 0).all()
    assert saddle.value(corner) == -2 * 4.0**2 / 4
    assert saddle.hessian_diagonal(corner)[0, 0] == 2 * 4.0
    assert (saddle.hessian_diagonal(top) == [[-4, -4, 1]]).all()

    assert (valley.gradient(np.ones((1, 3))) == 0).all()
    assert valley.value(np.ones((1, 3))) == 0


# ---- optimizers: one instance, one coordinate at a time, from the papers' formulas

H = np.array([-0.05, 1.0, 0.3, 2.0, 0.7, 1.0, 0.1, 3.0, 1.5])
SIGMA = 0.1
STEPS = 200


@cache
def normals(stream, t, instance):
    """Normals (coordinates,) and a uniform that an instance may draw in a step."""
    random = Random(round_keys(SEED), np.array([[instance]], dtype=np.uint64), np.uint64(0), t, H.size, DOUBLE)
    return random.normals(stream)[0], float(random.uniform_of_instance(stream)[0, 0])


def noisy(x, t, instance):
    """The gradient at ``x`` in step ``t``, as a list."""
    z, _ = normals(Stream.NOISE, t, instance)
    return [H[k] * x[k] + SIGMA * z[k] for k in range(H.size)]


def descend(x, t, instance, memory, lr):
    g = noisy(x, t, instance)
    return [x[k] - lr * g[k] for k in range(H.size)]


def heavy_ball(x, t, instance, memory, lr, beta):
    """Polyak's two-point form: x_{t+1} = x_t - lr g + beta (x_t - x_{t-1})."""
    g, before = noisy(x, t, instance), memory.get("x", x)
    memory["x"] = x
    return [x[k] - lr * g[k] + beta * (x[k] - before[k]) for k in range(H.size)]


def nesterov(x, t, instance, memory, lr, beta):
    """Y = x_t + beta (x_t - x_{t-1}); x_{t+1} = y - lr grad(y)."""
    before = memory.get("x", x)
    memory["x"] = x
    y = [x[k] + beta * (x[k] - before[k]) for k in range(H.size)]
    g = noisy(y, t, instance)
    return [y[k] - lr * g[k] for k in range(H.size)]


def adam(x, t, instance, memory, lr, beta1, beta2, eps):
    """Moments as the weighted sums that the recursions stand for."""
    past = memory.setdefault("g", [])
    past.append(noisy(x, t, instance))
    w1 = [(1 - beta1) * beta1 ** (t - s) for s in range(1, t + 1)]
    w2 = [(1 - beta2) * beta2 ** (t - s) for s in range(1, t + 1)]
    result = []
    for k in range(H.size):
        m = math.fsum(w * g[k] for w, g in zip(w1, past, strict=True)) / (1 - beta1**t)
        v = math.fsum(w * g[k] ** 2 for w, g in zip(w2, past, strict=True)) / (1 - beta2**t)
        result.append(x[k] - lr * m / (math.sqrt(v) + eps))
    return result


def perturbed(x, t, instance, memory, lr, radius, g_thres, t_thres):
    g = noisy(x, t, instance)
    if math.sqrt(math.fsum(c * c for c in g)) <= g_thres and t - memory.get("kicked", -math.inf) > t_thres:
        memory["kicked"] = t
        memory["kicks"] = memory.get("kicks", 0) + 1
        z, u = normals(Stream.PERTURBATION, t, instance)
        length = radius * u ** (1 / H.size) / math.sqrt(math.fsum(c * c for c in z))
        x = [x[k] + length * z[k] for k in range(H.size)]
        g = noisy(x, t, instance)
    return [x[k] - lr * g[k] for k in range(H.size)]


RULES = {
    "GradientDescent": (descend, {"lr": 0.1}),
    "HeavyBall": (heavy_ball, {"lr": 0.03, "beta": 0.8}),
    "Nesterov": (nesterov, {"lr": 0.03, "beta": 0.8}),
    "Adam": (adam, {"lr": 0.02, "beta1": 0.85, "beta2": 0.97, "eps": 1e-3}),
    "PerturbedGD": (perturbed, {"lr": 0.1, "radius": 0.4, "g_thres": 0.4, "t_thres": 7.0}),
}


@cache
def path(rule, instance):
    """Iterates 1 ... STEPS (steps, coordinates) by the formula, and what it remembers."""
    step, numbers = RULES[rule]
    x, memory, visited = [1.0] * H.size, {}, []
    for t in range(1, STEPS + 1):
        x = step(x, t, instance, memory, **numbers)
        visited.append(x)
    return np.array(visited), memory


@pytest.mark.parametrize("backend", ["numpy", pytest.param("cpu", marks=pytest.mark.ci)])
@pytest.mark.parametrize("rule", RULES)
def test_an_optimizer_takes_the_path_of_its_formula(request, rule, backend):
    if backend == "cpu":
        request.getfixturevalue("cpu")
    run = (
        en.simulate(
            landscape=en.Quadratic(H.tolist()),
            optimizer=getattr(en, rule)(**RULES[rule][1]),
            noise=en.Gaussian(sigma=SIGMA),
            start=en.Point(1.0),
            event=en.LeftSlab([1.0] + [0.0] * 8, half_width=1e9) if rule == "PerturbedGD" else None,
            record=en.Record("x", at=range(1, STEPS + 1)),
            instances=2,
            steps=STEPS,
            seed=SEED,
            dtype="float64",
            backend=backend,
        )
        .dataset["path"]
        .to_numpy()
    )
    for instance in range(2):
        expected, memory = path(rule, instance)
        size = np.abs(expected).max(axis=1)
        assert (np.abs(run[instance] - expected).max(axis=1) < 1e-12 * size).all()
        if rule == "PerturbedGD":
            assert 3 < memory["kicks"] <= STEPS // 8, "the test is of perturbations"


# ---- what every part has


@pytest.mark.parametrize("role", ["landscape", "optimizer", "noise", "start", "event", "schedule"])
def test_every_part_is_immutable_comparable_and_documented(role):
    for kind in kinds(role):
        one, other = example(kind), example(kind)
        assert one == other
        assert hash(one) == hash(other)
        assert inspect.getdoc(kind).splitlines()[0]
        assert type(one).__name__ in repr(one)
        for name in one.__dict__:
            with pytest.raises(AttributeError):
                setattr(one, name, 0)


@pytest.mark.parametrize("role", ["landscape", "noise", "event"])
def test_numbers_are_rounded_once_to_the_ensemble_s_precision(role):
    for kind in kinds(role):
        part = example(kind, 5, True)
        seen = seen_by_kernel([part], None, np.dtype(np.float32), 5)
        for name, value in part.constants().items():
            assert getattr(seen, name) == np.float32(value)
