"""Rates that are looked for: theorems, exact lines, and descent whatever the rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from device_runs import ends_on_numpy_and_cpu, same_bits

import ensemble as en

DOUBLE: dict[str, Any] = {"dtype": "float64", "backend": "numpy", "progress": False}


def run(landscape, optimizer, start, steps, instances=1, **more):
    record = en.Record(["x", "value", "effective_rate"], at=range(steps + 1))
    return en.simulate(
        landscape=landscape,
        optimizer=optimizer,
        start=start,
        instances=instances,
        steps=steps,
        record=record,
        **DOUBLE | more,
    ).dataset


@pytest.mark.parametrize("c", [1e-4, 0.3, 0.9])
@pytest.mark.parametrize(
    "landscape", [en.Rosenbrock(dim=5), en.QuarticSaddle(dim=4), en.Ackley(dim=3)], ids=lambda f: type(f).__name__
)
def test_backtracking_takes_the_first_rate_with_enough_descent_and_never_climbs(landscape, c):
    lr, shrink, trials = 4.0, 0.7, 60
    found = run(landscape, en.Armijo(lr, c=c, shrink=shrink, trials=trials), en.NormalCloud(1.0), 12, instances=8)
    x, f = found["path"].to_numpy(), found["value"].to_numpy()
    assert (np.diff(f, axis=1) <= 0).all()
    ladder = lr * shrink ** np.arange(trials)
    several = set()
    for i, t in np.ndindex(8, 12):
        at = x[i, t][None]
        g, before = landscape.gradient(at)[0], landscape.value(at)[0, 0]
        tried = landscape.value(at - ladder[:, None] * g)[:, 0]
        margin = tried - (before - c * ladder * (g @ g))
        enough = np.flatnonzero(margin <= 0)
        if not enough.size:  # near a kink, none
            assert (x[i, t + 1] == x[i, t]).all()
            continue
        first = int(enough[0])
        if np.abs(margin[: first + 1]).min() > 1e-9 * (1 + abs(before)):  # no trial is a tie but for rounding
            np.testing.assert_allclose(x[i, t + 1], at[0] - ladder[first] * g, rtol=1e-9, atol=1e-12)
            several.add(first)
    assert len(several) > 2


def test_backtracking_on_a_smooth_function_takes_at_least_the_rate_of_the_theorem_and_converges_as_it_says():
    """Of smoothness L: a >= min(lr, 2 (1 - c) shrink / L), and f - f* falls by 1 - 2 mu c a (strong convexity mu)."""
    curvatures, c, shrink, lr = np.geomspace(0.05, 3.0, 6), 0.4, 0.6, 50.0
    found = run(en.Quadratic(curvatures), en.Armijo(lr, c=c, shrink=shrink), en.NormalCloud(1.0), 60, instances=50)
    rates, f = found["effective_rate"].to_numpy()[:, 1:], found["value"].to_numpy()
    least = 2 * (1 - c) * shrink / curvatures.max()
    assert (rates >= least * (1 - 1e-12)).all()
    assert (rates < lr).any()
    steps = np.log(rates / lr) / np.log(shrink)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)  # all are of the ladder
    assert (f[:, 1:] <= f[:, :-1] * (1 - 2 * curvatures.min() * c * rates) * (1 + 1e-12)).all()


def test_where_no_trial_helps_an_instance_stays():
    found = run(
        en.Quadratic(1.0, dim=2), en.Armijo(64.0, c=0.5, trials=3), en.Point(1.0), 5
    )  # 64, 32 and 16 are all too long
    assert (found["path"] == 1.0).all()
    assert (found["effective_rate"][:, 1:] == 0).all()
    at_rest = run(en.Quadratic(1.0, dim=2), en.Armijo(0.3, trials=60), en.Point(1.0), 2000)["value"][0].to_numpy()
    assert at_rest[-1] < 1e-30
    assert (np.diff(at_rest) <= 0).all()


def test_steepest_descent_ends_lowest_on_the_line():
    curvatures = np.array([0.3, 1.0, 4.0])
    found = run(en.Quadratic(curvatures), en.SteepestDescent(), en.NormalCloud(1.0), 10, instances=5)
    for i, t in np.ndindex(5, 10):
        g = curvatures * found["path"][i, t].to_numpy()
        assert found["effective_rate"][i, t + 1] == pytest.approx((g @ g) / (g @ (curvatures * g)), rel=1e-12)
    f = en.DoubleWell(dim=3)  # of fourth order along a line, which may have two minima
    one = run(f, en.SteepestDescent(iterations=25), en.UniformBox(1.5, 2.0), 1, instances=20)
    x, y = one["path"][:, 0].to_numpy(), one["path"][:, 1].to_numpy()
    g = f.gradient(x)
    across = (f.gradient(y) * g).sum(axis=1)
    assert (np.abs(across) <= 1e-12 * (g * g).sum(axis=1)).all()
    assert ((f.hessian_product(y, g) * g).sum(axis=1) > 0).all()  # no top of the line
    assert (f.value(y) < f.value(x)).all()


def test_steepest_descent_keeps_kantorovichs_ratio_and_reaches_it_from_the_worst_start():
    low, high = 0.2, 5.0
    ratio = ((high - low) / (high + low)) ** 2
    cloud = run(en.Quadratic([low, 1.0, high]), en.SteepestDescent(), en.NormalCloud(1.0), 20, instances=300)[
        "value"
    ].to_numpy()
    assert (cloud[:, 1:] <= cloud[:, :-1] * ratio * (1 + 1e-9)).all()
    worst = run(en.Quadratic([low, high]), en.SteepestDescent(), en.Point((1 / low, 1 / high)), 20)["value"][
        0
    ].to_numpy()
    np.testing.assert_allclose(worst[1:] / worst[:-1], ratio, rtol=1e-9)


def test_where_the_line_curves_down_steepest_descent_takes_lr_and_doubles_it():
    for iterations in (1, 2, 3):  # which falls on and on
        found = run(en.Quadratic([-1.0, -2.0]), en.SteepestDescent(0.1, iterations=iterations), en.Point(1.0), 4)
        np.testing.assert_allclose(found["effective_rate"][:, 1:], 0.1 * 2 ** (iterations - 1), rtol=1e-12)


def test_a_search_sees_the_exact_value_through_wrappers_and_of_the_whole_sum():
    rng = np.random.default_rng(0)
    A, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    losses = en.LeastSquares(A, y)
    found = run(
        losses, en.Clip(en.Armijo(30.0, c=0.1), 1e9), en.NormalCloud(1.0), 50, instances=20, noise=en.Minibatch(4)
    )
    assert (np.diff(found["value"], axis=1) <= 1e-15).all()  # of all samples, though gradients are of four
    plain = run(losses, en.Armijo(30.0, c=0.1), en.NormalCloud(1.0), 50, instances=20, noise=en.Minibatch(4))
    np.testing.assert_allclose(found["path"], plain["path"], rtol=1e-12)


@dataclass(frozen=True)
class Polyak(en.Optimizer):
    """Polyak's step (1969), where the lowest value is 0: a rule of one's own that asks for values."""

    def step(self, x, gradient, state, now):
        g = gradient(x)
        return x - gradient.value(x) / en.dot(g, g) * g


@pytest.mark.ci
def test_a_rule_of_ones_own_may_ask_for_values():
    found = run(en.Quadratic([0.1, 1.0, 7.0]), Polyak(), en.NormalCloud(1.0), 40, instances=30)
    far = np.linalg.norm(found["path"], axis=2)
    assert (np.diff(far, axis=1) <= 1e-15).all()  # no step leads away from the minimum, whatever the curvatures
    given = {
        "landscape": en.Rosenbrock(dim=6),
        "start": en.NormalCloud(0.5),
        "instances": 30,
        "steps": 30,
        "math": "precise",
    }
    each = [en.simulate(optimizer=Polyak(), **given, backend=b, progress=False).dataset["x"] for b in ("numpy", "cpu")]
    assert np.array_equal(*each)


@pytest.mark.ci
@pytest.mark.parametrize(
    "optimizer", [en.Armijo(en.grid(0.5, 8.0), c=0.2), en.SteepestDescent(iterations=3)], ids=lambda o: type(o).__name__
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_cpu_has_the_bits_of_numpy(optimizer, dtype):
    assert same_bits(*ends_on_numpy_and_cpu(landscape=en.Rosenbrock(dim=6), optimizer=optimizer, dtype=dtype))
