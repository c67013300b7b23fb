"""What optimizers must do on landscapes where it can be said in closed form: constant slopes, cycles, symmetries, bounds."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import ensemble as en
from ensemble.backends.numpy import seen_by_kernel
from ensemble.part import structure, vector

DOUBLE: dict[str, Any] = {"dtype": "float64", "backend": "numpy", "progress": False}


def path(landscape, optimizer, start, steps, instances=1, **more):
    """Every iterate from the start on, (instances, steps + 1, dim)."""
    found = en.simulate(
        landscape=landscape, optimizer=optimizer, start=start, instances=instances, steps=steps,
        record=en.Record("x", at=range(steps + 1)), **DOUBLE | more,
    ).dataset["path"]  # fmt: skip
    return found.transpose("instance", "step", "coordinate").to_numpy()


# ---- a constant gradient


@dataclass(frozen=True)
class Slope(en.Landscape):
    """``slope . x``."""

    slope: Any = vector()
    dim: int = structure(3, low=1)

    def value(self, x, now=None):
        return (self.slope * x).sum(axis=1, keepdims=True)

    def gradient(self, x, now=None):
        return self.slope * np.ones_like(x)

    def hessian_product(self, x, v, now=None):
        return np.zeros_like(x)

    def hessian_diagonal(self, x, now=None):
        return np.zeros_like(x)


G = np.array([3.0, -0.5, 1e-3])
NORM = math.sqrt((G**2).sum())
LR, STEPS = 0.01, 40
T = np.arange(1.0, STEPS + 1)[:, None]
ONES = np.ones_like(T)


def accumulated(beta):
    """``sum_{s<t} beta^s``, the velocity that a constant push of 1 has made."""
    return (1 - beta**T) / (1 - beta)


def nadam(beta, decay):
    """The factor of a constant gradient's sign, (steps, 1)."""
    mu = [beta * (1 - 0.5 * 0.96 ** (decay * t)) for t in range(1, STEPS + 2)]
    found = [
        (1 - mu[k]) / (1 - math.prod(mu[: k + 1])) + mu[k + 1] * (1 - beta ** (k + 1)) / (1 - math.prod(mu[: k + 2]))
        for k in range(STEPS)
    ]
    return np.array(found)[:, None]


_MOST = 2 / (1 - 0.99) - 1
_LENGTH = _MOST - 2 * T * 0.99**T / (1 - 0.99**T)
RECTIFIED = np.sqrt(
    np.where(_LENGTH > 5, (_LENGTH - 4) * (_LENGTH - 2) * _MOST / ((_MOST - 4) * (_MOST - 2) * _LENGTH), 0.0)
)
"""RAdam's factor at beta2 = 0.99, (steps, 1); 0 where it is not rectified."""

POLISHED = 1.0
for _ in range(5):
    POLISHED = 3.4445 * POLISHED - 4.7750 * POLISHED**3 + 2.0315 * POLISHED**5


# What each step subtracts from x, (steps, 3).
STEPS_OF = {
    "GradientDescent": (en.GradientDescent(LR), LR * G * ONES),
    "HeavyBall": (en.HeavyBall(LR, beta=0.8), LR * G * accumulated(0.8)),
    "Momentum": (en.Momentum(LR, beta=0.8), LR * G * (1 - 0.8**T)),
    "Nesterov": (en.Nesterov(LR, beta=0.8), LR * G * accumulated(0.8)),
    "Nesterov shifted": (en.Nesterov(LR, beta=0.8, shifted=True), LR * G * (1 + 0.8 * accumulated(0.8))),
    "SignSGD": (en.SignSGD(LR), LR * np.sign(G) * ONES),
    "Lion": (en.Lion(LR), LR * np.sign(G) * ONES),
    "AdaGrad": (en.AdaGrad(LR, eps=0.0), LR * np.sign(G) / np.sqrt(T)),
    "AdaGradRMS": (en.AdaGradRMS(LR, eps=0.0), LR * np.sign(G) * ONES),
    "RMSProp": (en.RMSProp(LR, rho=0.7, eps=0.0), LR * np.sign(G) / np.sqrt(1 - 0.7**T)),
    "RMSPropMomentum": (
        en.RMSPropMomentum(LR, beta=0.8, rho=0.7, eps=0.0), LR * np.sign(G) * (1 - 0.8**T) / np.sqrt(1 - 0.7**T)
    ),
    "Adam": (en.Adam(LR, eps=0.0), LR * np.sign(G) * ONES),
    "Adam, epsilon outside": (en.Adam(LR, eps=0.1), LR * G / (np.abs(G) + 0.1) * ONES),
    "Adam, epsilon inside": (en.Adam(LR, eps=0.1, eps_inside_root=True), LR * G / np.sqrt(G**2 + 0.1) * ONES),
    "Adam, moments as they are": (
        en.Adam(LR, beta1=0.8, beta2=0.7, eps=0.0, bias_correction=False),
        LR * np.sign(G) * (1 - 0.8**T) / np.sqrt(1 - 0.7**T),
    ),
    "AMSGrad": (en.AMSGrad(LR, eps=0.0), LR * np.sign(G) * ONES),
    "AMSGrad, as optax": (en.AMSGrad(LR, eps=0.0, max_of_corrected=True), LR * np.sign(G) * ONES),
    "AMSGrad, as printed": (
        en.AMSGrad(LR, beta1=0.8, beta2=0.7, eps=0.0, bias_correction=False),
        LR * np.sign(G) * (1 - 0.8**T) / np.sqrt(1 - 0.7**T),
    ),
    "AdamL2 without decay": (en.AdamL2(LR, weight_decay=0.0, eps=0.0), LR * np.sign(G) * ONES),
    "AdamW without decay": (en.AdamW(LR, weight_decay=0.0, eps=0.0), LR * np.sign(G) * ONES),
    "Adai": (en.Adai(LR), LR * G * ONES),
    "NAdam": (en.NAdam(LR, beta1=0.8, beta2=0.7, eps=0.0, momentum_decay=0.1), LR * np.sign(G) * nadam(0.8, 0.1)),
    "RAdam": (en.RAdam(LR, beta2=0.99, eps=0.0), LR * np.where(RECTIFIED > 0, np.sign(G) * RECTIFIED, G)),
    "Adamax": (en.Adamax(LR, eps=0.0), LR * np.sign(G) * ONES),
    "AdaBelief": (
        en.AdaBelief(LR, beta1=0.8, beta2=0.7, eps=0.0, eps_root=0.0),  # g - m = 0.8^t g
        LR * np.sign(G) / np.sqrt(0.3 * 0.64 * (0.64**T - 0.7**T) / (0.64 - 0.7) / (1 - 0.7**T)),
    ),
    "Lookahead": (
        en.Lookahead(en.GradientDescent(LR), period=5, alpha=0.4), LR * G * np.where(T % 5 == 0, 0.4 * 5 - 4, 1.0)
    ),
    "ScheduleFree": (en.ScheduleFree(en.GradientDescent(LR)), LR * G * np.where(T == 1, 1.0, 0.5)),
    "SGLD at temperature 0": (en.SGLD(LR, temperature=0.0), LR * G * ONES),
    "PerturbedGD": (en.PerturbedGD(LR, radius=1.0, g_thres=NORM / 2, t_thres=5), LR * G * ONES),
    "Preconditioned": (en.Preconditioned(LR, damping=4.0), LR * G / 4 * ONES),
    "Newton": (en.Newton(LR, damping=4.0, iterations=2), LR * G / 4 * ONES),
    "SaddleFreeNewton": (
        en.SaddleFreeNewton(LR, damping=4.0, smoothness=32.0, iterations=9),
        LR * G / 4 * (1 - math.exp(-20 * math.asinh(4.0 / 32.0))) * ONES,  # what the series lacks at curvature 0
    ),
    "Armijo": (en.Armijo(LR, c=0.9), LR * G * ONES),  # a plane falls as its slope says
    "SteepestDescent": (en.SteepestDescent(LR / 2, iterations=2), LR * G * ONES),  # which has no lowest point
    "LBFGS": (en.LBFGS(LR), LR * G * np.where(T == 1, min(1.0, 1.0 / np.abs(G).sum()), 1.0)),  # no curvature to remember
    "Muon": (en.Muon(LR, row_length=3), LR * G / NORM * POLISHED * ONES),  # a row's only singular vector is its direction
    "Clip": (en.Clip(en.GradientDescent(LR), norm=NORM / 3), LR * G / 3 * ONES),
    "ClipValue": (en.ClipValue(en.GradientDescent(LR), limit=0.4), LR * np.clip(G, -0.4, 0.4) * ONES),
    "SAM": (en.SAM(en.HeavyBall(LR, beta=0.8)), LR * G * accumulated(0.8)),
}  # fmt: skip
# Decay makes the gradient depend on x; Adadelta's steps grow by a recursion without a closed form; averages do not move x.
OTHERS = {"Adadelta", "AdamL2", "AdamW", "L2", "WeightDecay", "Average", "EMA"}


@pytest.mark.parametrize("name", STEPS_OF)
def test_on_a_constant_slope_every_step_is_the_one_worked_out(name):
    optimizer, expected = STEPS_OF[name]
    x = path(Slope(tuple(G)), optimizer, en.Point(0.0), STEPS)[0]
    np.testing.assert_allclose(-np.diff(x, axis=0), expected, rtol=1e-11, atol=1e-15)


def test_every_optimizer_is_on_that_slope_or_has_a_reason_not_to_be():
    seen = {type(optimizer).__name__ for optimizer, _ in STEPS_OF.values()}
    kinds = {name for name in en.optimizers.__all__ if name not in ("Optimizer", "Gradient")}
    assert kinds - {"Wrapper"} <= seen | OTHERS


@pytest.mark.parametrize("curvature", [0.3, 7.0])
def test_along_one_direction_the_second_step_of_lbfgs_is_newton_s(curvature):
    x = path(en.Quadratic(curvature, dim=1), en.LBFGS(1.0), en.Point(5.0), 2)[0, :, 0]
    assert x[1] == pytest.approx(5.0 - min(1.0, 1.0 / (5.0 * curvature)) * 5.0 * curvature, rel=1e-15)
    assert abs(x[2]) < 1e-14


def test_on_a_constant_slope_averages_report_the_middle_of_the_way():
    at = {
        name: en.simulate(
            landscape=Slope(tuple(G)), optimizer=o, start=en.Point(0.0), instances=1, steps=STEPS, **DOUBLE
        ).dataset["x"].to_numpy()[0]
        for name, o in (("mean", en.Average(en.Adam(LR, eps=0.0))), ("ema", en.EMA(en.Adam(LR, eps=0.0), beta=0.7)))
    }  # fmt: skip
    np.testing.assert_allclose(at["mean"], -LR * np.sign(G) * (STEPS + 1) / 2, rtol=1e-12)
    weights = 0.7 ** np.arange(STEPS - 1, -1, -1.0)
    np.testing.assert_allclose(at["ema"], -LR * np.sign(G) * (weights @ T[:, 0]) / weights.sum(), rtol=1e-12)


# ---- decay


def test_coupled_decay_under_adam_is_a_stiffer_bowl_and_decoupled_decay_shrinks_alone():
    h, w = np.array([0.0, 1.0, 30.0]), 0.5
    start = en.Point([1.0, -2.0, 3.0])
    coupled = path(en.Quadratic(h), en.AdamL2(LR, weight_decay=w), start, 60)
    np.testing.assert_allclose(coupled, path(en.Quadratic(h + w), en.Adam(LR), start, 60), rtol=1e-12)
    decoupled = path(en.Quadratic(h), en.AdamW(LR, weight_decay=w), start, 60)
    np.testing.assert_allclose(decoupled[0, :, 0], (1 - LR * w) ** np.arange(61.0), rtol=1e-13)
    # Where nothing else acts the coupled decay of 0.5 x is a full step of Adam, whatever its size.
    np.testing.assert_allclose(np.diff(coupled[0, :6, 0]), -LR, rtol=1e-2)
    np.testing.assert_array_equal(
        path(en.Quadratic(h), en.AdamL2(LR, weight_decay=0.0), start, 60),
        path(en.Quadratic(h), en.AdamW(LR, weight_decay=0.0), start, 60),
    )


# ---- symmetries


TURNED = en.Rotated(en.Rosenbrock(dim=8, b=3.0), seed=1)
EQUIVARIANT = {
    "GradientDescent": en.GradientDescent(0.01),
    "HeavyBall": en.HeavyBall(0.003),
    "Nesterov": en.Nesterov(0.003),
    "Newton": en.Newton(0.5, damping=5.0),
    "SaddleFreeNewton": en.SaddleFreeNewton(0.5, damping=5.0, smoothness=60.0),
    "SAM": en.SAM(en.GradientDescent(0.003)),
    "Clip": en.Clip(en.GradientDescent(0.01), norm=0.5),
}
NOT_EQUIVARIANT = {
    "Adam": en.Adam(0.01),
    "AdaGrad": en.AdaGrad(0.01),
    "SignSGD": en.SignSGD(0.01),
    "ClipValue": en.ClipValue(en.GradientDescent(0.01), limit=0.5),
}


def in_two_frames(optimizer):
    """The end on a landscape, and on the same turned, in the first one's coordinates."""
    y = np.random.default_rng(0).normal(size=(1, 8)) / 2
    plain = path(TURNED.base, optimizer, en.Point(y[0]), 100)[0]
    turned = path(TURNED, optimizer, en.Point(TURNED.turned_back(y)[0]), 100)[0]
    return plain[-1], TURNED.turned(turned[-1:])[0]


@pytest.mark.parametrize("name", EQUIVARIANT)
def test_methods_without_coordinates_do_not_see_a_rotation(name):
    plain, turned = in_two_frames(EQUIVARIANT[name])
    np.testing.assert_allclose(turned, plain, atol=1e-9)


@pytest.mark.parametrize("name", NOT_EQUIVARIANT)
def test_methods_that_scale_each_coordinate_see_a_rotation(name):
    plain, turned = in_two_frames(NOT_EQUIVARIANT[name])
    assert np.abs(turned - plain).max() > 0.01


# ---- Adam's two-cycle


def two_steps(optimizer, c):
    """Two late steps on ``c x^2/2``, a map of (x, m, v)."""
    seen = seen_by_kernel([optimizer], None, np.dtype(np.float64), 1)
    late = dict(optimizer.columns(np.array([1e5])))
    assert late["correction1"] == late["root_correction2"] == 1
    now = SimpleNamespace(**{name: float(values[0]) for name, values in late.items()})

    def walk(point):
        x, state = point[:1, None], SimpleNamespace(m=point[1:2, None], v=point[2:, None])
        for _ in range(2):
            x = seen.step(x, lambda y: c * y, state, now)
        return np.array([x[0, 0], state.m[0, 0], state.v[0, 0]])

    return walk


@pytest.mark.parametrize(
    ("alpha", "beta1", "beta2", "c", "stable"),
    [(0.1, 0.2, 0.5, 1.0, True), (0.1, 0.2, 0.5, 7.0, True), (1e-3, 0.9, 0.999, 1.0, False)],
)
def test_adam_s_two_cycle_has_its_amplitude_and_is_stable_at_small_betas_only(alpha, beta1, beta2, c, stable):
    optimizer = en.Adam(alpha, beta1=beta1, beta2=beta2)
    size = alpha * (1 - beta1) / (2 * (1 + beta1)) - optimizer.eps / c
    cycle = np.array([size, -c * size * (1 - beta1) / (1 + beta1), (c * size) ** 2])
    walk = two_steps(optimizer, c)
    np.testing.assert_allclose(walk(cycle), cycle, rtol=1e-12)
    small = 1e-6 * np.abs(cycle)
    change = np.stack([(walk(cycle + d) - walk(cycle - d)) / (2 * d.sum()) for d in np.diag(small)], axis=1)
    assert (np.abs(np.linalg.eigvals(change)).max() < 1) == stable


# ---- Adam does not converge, AMSGrad does (Reddi, Kale, Kumar 2018)


def test_adam_ends_at_the_worst_point_of_the_counterexample_and_amsgrad_at_the_best():
    rate, beta2 = en.InverseSqrt(0.5), 0.1
    adam = path(en.OnlineLinear(), en.RMSProp(rate, rho=beta2, eps=0.0), en.Point(1.0), 300)[0, :, 0]
    assert (adam[::3] == 1.0).all()  # x_{3t+1}, exactly
    v, x = 0.0, 1.0
    for t in range(1, 301):
        g = 3.0 if t % 3 == 1 else -1.0
        v = beta2 * v + (1 - beta2) * g * g
        x = min(1.0, max(-1.0, x - 0.5 / math.sqrt(t) * g / math.sqrt(v)))
        assert adam[t] == pytest.approx(x, abs=1e-12)
    amsgrad = en.AMSGrad(rate, beta1=0.0, beta2=beta2, eps=0.0, bias_correction=False)
    x = path(en.OnlineLinear(), amsgrad, en.Point(1.0), 900)[0, :, 0]
    assert x[-100:].max() < -0.97
    # By then the largest v is that of a cycle, v = 9 (1 - b)(1 + b^2 / 9 + b / 9)/(1 - b^3) after the large gradient.
    largest = (1 - beta2) * (9 + beta2 + beta2**2) / (1 - beta2**3)
    moved = np.diff(x)
    t = next(t for t in range(600, 900) if t % 3 == 0 and moved[t - 1] > 0 and x[t] < 1)
    assert moved[t - 1] == pytest.approx(0.5 / math.sqrt(t) / math.sqrt(largest), rel=1e-9)


@pytest.mark.parametrize(
    ("C", "small", "probability", "lr", "steps"),
    [(11.0, 1.0, 0.1, 0.02, 2000), pytest.param(1010.0, 10.0, 0.01, 1e-3, 1_500_000, marks=pytest.mark.slow)],
)
def test_in_random_order_adam_goes_to_the_worst_point_and_amsgrad_to_the_best(C, small, probability, lr, steps):
    f = en.StochasticLinear(C=C, small=small, probability=probability)
    assert f.gradient(np.zeros((1, 1)))[0, 0] == pytest.approx(0.2)  # on average downhill is to the left
    memory = 1 - probability
    ends = [
        en.simulate(
            landscape=f, optimizer=o, start=en.Point(0.0), instances=100, steps=steps,
            **DOUBLE | {"backend": "cpu" if steps > 10_000 else "numpy"},
        ).dataset["x"].to_numpy()
        for o in (en.Adam(lr, beta1=0.0, beta2=memory), en.AMSGrad(lr, beta1=0.0, beta2=memory, bias_correction=False))
    ]  # fmt: skip
    assert ends[0].mean() > 0.8
    assert ends[1].mean() < -0.5


# ---- bounds that are never violated


def test_gradient_descent_at_one_over_l_keeps_the_polyak_lojasiewicz_rate():
    """``x^2 + 3 sin^2 x``: L = 8, mu = 1/32, per coordinate and so for their sum."""
    f = en.PolyakLojasiewicz(dim=3)
    assert f.smoothness == 8
    x = path(f, en.GradientDescent(1 / 8), en.UniformBox(-10.0, 10.0), 300, instances=200)
    value = np.stack([f.value(points)[:, 0] for points in x])
    assert (value[:, 0] > 10).any()
    assert (value <= (1 - 1 / 256) ** np.arange(301) * value[:, :1]).all()


SMOOTH = [
    (en.PolyakLojasiewicz(dim=4), 0.0),
    (en.Quadratic([0.0, 0.01, 1.0, 5.0]), 0.0),
    (en.Griewank(dim=6), 0.0),
    (en.Rastrigin(dim=3), 0.0),
    (en.StyblinskiTang(dim=2), 2 * -39.16616570377142),
    (en.DoubleWell(dim=2), 0.0),
]


@pytest.mark.parametrize(("f", "lowest"), SMOOTH, ids=lambda v: type(v).__name__)
def test_descent_on_a_smooth_function_meets_a_small_gradient_in_time(f, lowest):
    """``min_{t<T} |g_t|^2 <= 2 L (f_0 - f*) / T`` at rate 1/L, for every start and every T; the value never rises."""
    assert f.smoothness is not None
    low, high = f.box
    x = path(f, en.GradientDescent(1 / f.smoothness), en.UniformBox(low, high), 120, instances=100)
    value = np.stack([f.value(points)[:, 0] for points in x])
    square = np.stack([(f.gradient(points) ** 2).sum(axis=1) for points in x])
    taken = np.arange(1, 121)
    bound = 2 * f.smoothness * (value[:, :1] - lowest) / taken
    assert (np.minimum.accumulate(square[:, :-1], axis=1) <= bound * (1 + 1e-12)).all()
    assert (np.diff(value, axis=1) <= 1e-12 * np.abs(value[:, :1])).all()


# ---- which minimum


def test_starts_in_the_box_of_styblinski_tang_end_in_the_deep_minimum_as_often_as_its_basin_is_wide():
    dim, instances, share = 20, 2000, 0.515673126
    f = en.StyblinskiTang(dim=dim)
    x = en.simulate(
        landscape=f, optimizer=en.GradientDescent(1 / 134), start=en.UniformBox(-5.0, 5.0), instances=instances, steps=150,
        **DOUBLE,
    ).dataset["x"].to_numpy()  # fmt: skip
    deep = np.abs(x + 2.90353403) < 1e-6
    assert (deep | (np.abs(x - 2.74680277) < 1e-6)).mean() > 0.999  # the others are still near the ridge between
    z = ((x < 0.156731).mean() - share) / math.sqrt(share * (1 - share) / x.size)
    assert abs(z) <= 4
    top = next(r for r in np.roots([2.0, 0.0, -16.0, 2.5]).real if abs(r) < 1)
    assert (top + 5) / 10 == pytest.approx(share, abs=1e-9)


# ---- the octopus


def passing_steps(optimizer, instances=1, steps=600, start=0.5):
    """The first step at which each saddle is behind, (instances, dim)."""
    f = en.Octopus(dim=5)
    x = path(f, optimizer, en.Point(start), steps, instances)
    passed = np.stack([f.passed(points)[:, 0] for points in x])
    return np.stack([np.where((passed >= k).any(1), (passed >= k).argmax(1), -1) for k in range(1, 6)], axis=1)


def test_gradient_descent_needs_ever_longer_for_the_saddles_of_the_octopus_and_perturbed_descent_does_not():
    steps = passing_steps(en.GradientDescent(0.25))
    assert steps.tolist() == [[6, 21, 62, 173, 472]]
    stages = np.diff(steps[0])
    kappa = 1 + math.log(2) / math.log(1.5)
    assert stages[-1] / stages[-2] == pytest.approx(kappa, rel=0.01)

    kicked = en.PerturbedGD(0.25, radius=math.e / 100, g_thres=math.e / 100, t_thres=1)
    perturbed = passing_steps(kicked, instances=50, steps=200)
    assert (perturbed > 0).all()
    stages = np.diff(perturbed, axis=1).mean(axis=0)[1:]  # the first two saddles are passed before any kick
    assert stages.max() / stages.min() < 1.05


def test_a_descent_that_float32_has_ended_is_reported_with_its_remedy():
    def ended(start=0.5, dtype="float32", temperature=0.0, keep_x=True):
        return en.simulate(
            landscape=en.Octopus(dim=5), optimizer=en.SGLD(0.25, temperature), start=en.Point(start), instances=3, steps=600,
            **DOUBLE | {"dtype": dtype, "keep_x": keep_x},
        )  # fmt: skip

    with pytest.warns(
        UserWarning,
        match=r'In 3 instances .* float32 ends at .* noise.* PerturbedGD, or dtype="float64", which ends later',
    ):
        result = ended()
    assert (np.abs(result.dataset["x"][:, -1]) < np.finfo(np.float32).tiny).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ended(dtype="float64")
        ended(temperature=1e-6)
        ended(start=[4 * math.e] * 4 + [0.0])  # it was put on the saddle: no arithmetic did that
    with pytest.warns(UserWarning, match="flushed to 0"):
        ended(keep_x=False)
    with pytest.warns(UserWarning, match="flushed to 0"):
        ended(start=[4 * math.e, 4 * math.e, 1.0, 1e-30, 1e-30])
