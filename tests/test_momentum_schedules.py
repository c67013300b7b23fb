"""Momentum, and every other number of a rule, that follows a schedule: against theorems and closed forms."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from device_runs import ends_on_numpy_and_cpu, same_bits
from parts import example, kinds

import ensemble as en

DOUBLE: dict[str, Any] = {"dtype": "float64", "backend": "numpy", "progress": False}
SLOPE = np.array([0.5, -2.0])


@en.landscape
def plane(x):
    return 0.5 * x[0] - 2.0 * x[1]


@en.landscape
def chain(x):
    """The function on which no method of first order is fast: Nesterov (2004), section 2.1.2, of smoothness 1."""
    return 0.25 * (0.5 * (x[0] ** 2 + x[-1] ** 2 + np.sum((x[1:] - x[:-1]) ** 2)) - x[0])


def values(optimizer, steps, dim=401):
    """What f of the chain is above f* at each step from 0 on, over the squared distance that it begins at."""
    best = 1 - np.arange(1, dim + 1) / (dim + 1)
    record = en.Record("value", at=range(steps + 1))
    found = en.simulate(
        landscape=chain(dim=dim), optimizer=optimizer, start=en.Point(0.0), instances=1,
        steps=steps, record=record, **DOUBLE,
    ).dataset["value"][0]  # fmt: skip
    return (found.to_numpy() - 0.125 * (-1 + 1 / (dim + 1))) / (best @ best)


def test_accelerated_momentum_keeps_nesterovs_bound_where_none_can_be_faster():
    dim = 401
    steps = (dim - 1) // 2
    t = np.arange(steps + 1)
    least = 3 / 32 / (steps + 1.0) ** 2  # of any method whose steps are sums of gradients, at this step: theorem 2.1.7
    found = values(en.Nesterov(1.0, en.AcceleratedMomentum()), steps, dim)
    assert (found <= 2 / (t + 1.0) ** 2).all()
    assert least <= found[-1] < 4 * least
    plain = values(en.GradientDescent(1.0), steps, dim)
    assert (plain[1:] <= 0.5 / t[1:]).all()
    assert plain[-1] > 2 / (steps + 1.0) ** 2  # descent does not keep it


def test_accelerated_momentum_is_that_of_the_theorem():
    schedule, t = en.AcceleratedMomentum(), np.arange(1.0, 50.0)
    k = t - 1
    np.testing.assert_allclose(schedule(t), np.maximum(0, (k - 1) / (k + 2)), rtol=1e-15)
    assert schedule(np.array([1.0, 2.0])).tolist() == [0, 0]
    assert en.AcceleratedMomentum(1.0)(np.array([1.0]))[0] == 0


FADING = en.ExponentialDecay(0.9, factor=0.95)
RISING = en.Warmup(en.Constant(0.99), 30.0)


def moments(optimizer, steps=60, **more):
    record = en.Record([], at=range(steps + 1), state=["m", "v"])
    return en.simulate(
        landscape=plane(dim=2),
        optimizer=optimizer,
        start=en.Point(0.0),
        instances=2,
        steps=steps,
        record=record,
        **DOUBLE | more,
    )


@pytest.mark.parametrize("kind", [en.Adam, en.AdamW, en.AdamL2, en.AMSGrad])
def test_corrected_moments_of_a_constant_gradient_are_the_gradient_whatever_the_schedules(kind):
    given = {"weight_decay": 0.0} if kind in (en.AdamW, en.AdamL2) else {}
    optimizer = kind(0.1, beta1=FADING, beta2=RISING, **given)
    found, t = moments(optimizer).dataset, np.arange(1.0, 61.0)
    for name, schedule, gradient in (("m", FADING, SLOPE), ("v", RISING, SLOPE**2)):
        lost = np.cumprod(schedule(t))
        np.testing.assert_allclose(
            found[name][0, 1:] / (1 - lost)[:, None], np.broadcast_to(gradient, (60, 2)), rtol=1e-12
        )
    # So that each step is lr sign(g), exactly but for eps (Kingma and Ba 2015, section 2.1).
    x = en.simulate(
        landscape=plane(dim=2),
        optimizer=optimizer,
        start=en.Point(0.0),
        instances=1,
        steps=60,
        record=en.Record("x", at=range(61)),
        **DOUBLE,
    ).dataset["path"][0]
    np.testing.assert_allclose(x, -0.1 * np.arange(61)[:, None] * np.sign(SLOPE), rtol=1e-7)


def test_the_products_are_the_same_at_any_cut():
    optimizer = en.Adam(0.1, beta1=FADING, beta2=RISING)
    noisy = {"noise": en.Gaussian(0.3)}
    whole = moments(optimizer, **noisy)
    half = moments(optimizer, steps=25, **noisy).resume(60)
    assert np.array_equal(whole.dataset["x"], half.dataset["x"])
    swept = moments(en.Adam(0.1, beta1=en.grid(FADING, en.Constant(0.8)), beta2=RISING), **noisy).dataset
    assert np.array_equal(swept["m"].isel(beta1=0), whole.dataset["m"])
    drawn = moments(
        en.Adam(0.1, beta1=en.ExponentialDecay(en.grid(0.9, 0.5), factor=0.95), beta2=RISING), **noisy
    ).dataset
    assert drawn["m"].shape == (2, *whole.dataset["m"].shape)
    assert np.array_equal(drawn["m"][0], whole.dataset["m"])


@pytest.mark.parametrize(
    ("optimizer", "factor"),
    [
        (en.HeavyBall(0.1, FADING), lambda v, x, b: (b * v - 0.1 * x, lambda v, x: x + v)),
        (en.Nesterov(0.1, FADING), lambda v, x, b: (b * v - 0.1 * (x + b * v), lambda v, x: x + v)),
        (en.Momentum(0.1, FADING), lambda v, x, b: (b * v + (1 - b) * x, lambda v, x: x - 0.1 * v)),
    ],
    ids=["HeavyBall", "Nesterov", "Momentum"],
)
def test_momentum_of_a_schedule_on_a_parabola_is_the_recursion(optimizer, factor):
    found = en.simulate(
        landscape=en.Quadratic(1.0, dim=1), optimizer=optimizer, start=en.Point(1.0), instances=1, steps=60,
        record=en.Record("x", at=range(61)), **DOUBLE,
    ).dataset["path"][0, :, 0]  # fmt: skip
    v, x = 0.0, 1.0
    for t in range(1, 61):
        v, after = factor(v, x, 0.9 * 0.95 ** (t - 1))
        x = after(v, x)
        assert found[t] == pytest.approx(x, rel=1e-12, abs=1e-15)


# ---- every number that may follow a schedule


def scheduled_numbers():
    """(optimizer, field) of every kind and every field that takes a schedule and holds a number."""
    for kind in kinds("optimizer"):
        one = example(kind, 6)
        for f in dataclasses.fields(one):
            if f.metadata.get("kind") == "scheduled":
                yield pytest.param(one, f.name, id=f"{kind.__name__}-{f.name}")


@pytest.mark.parametrize(("optimizer", "name"), list(scheduled_numbers()))
def test_a_constant_schedule_is_the_number_and_another_is_not(optimizer, name):
    """But for the rounding of a product of so many factors, where the number has a power."""

    def end(value):
        return en.simulate(
            landscape=en.QuarticSaddle(dim=6, unstable=3), optimizer=dataclasses.replace(optimizer, **{name: value}),
            noise=en.Gaussian(0.3), start=en.NormalCloud(0.5), instances=20, steps=20, **DOUBLE,
        ).dataset["x"].to_numpy()  # fmt: skip

    value = getattr(optimizer, name)
    np.testing.assert_allclose(end(en.Constant(value)), end(value), rtol=1e-11, atol=1e-13)
    other = en.LinearDecay(value if value else 0.1, steps=20, final=value / 4)
    assert np.nanmax(np.abs(end(other) - end(value))) > 1e-6  # some of Adai diverge


@pytest.mark.parametrize("kind", [en.AdaBelief, en.RAdam])
def test_corrected_momentum_of_a_constant_gradient_is_the_gradient_in_adams_relatives_too(kind):
    found = moments(kind(0.1, beta1=FADING)).dataset["m"][0, 1:]
    lost = np.cumprod(FADING(np.arange(1.0, 61.0)))
    np.testing.assert_allclose(found / (1 - lost)[:, None], np.broadcast_to(SLOPE, (60, 2)), rtol=1e-12)


def test_on_a_slope_a_step_of_adamax_is_the_rate_whatever_the_schedules():
    x = en.simulate(
        landscape=plane(dim=2), optimizer=en.Adamax(0.1, beta1=FADING, beta2=en.ExponentialDecay(0.999, factor=0.9)),
        start=en.Point(0.0), instances=1, steps=60, record=en.Record("x", at=range(61)), **DOUBLE,
    ).dataset["path"][0]  # fmt: skip
    np.testing.assert_allclose(x, -0.1 * np.arange(61)[:, None] * np.sign(SLOPE), rtol=1e-7)


def on_a_parabola(optimizer, steps=40):
    return en.simulate(
        landscape=en.Quadratic(1.0, dim=1), optimizer=optimizer, start=en.Point(1.0), instances=1, steps=steps,
        record=en.Record("x", at=range(steps + 1)), **DOUBLE,
    ).dataset  # fmt: skip


def test_wrappers_of_a_schedule_on_a_parabola_are_their_recursions():
    t = np.arange(1.0, 41.0)
    beta = FADING(t)
    x = 0.9 ** np.arange(41.0)
    mean = on_a_parabola(en.EMA(en.GradientDescent(0.1), beta=FADING))["path"][0, :, 0].to_numpy()
    for k in range(
        1, 41
    ):  # the weight of x_s is (1 - beta_s) times all betas after it; together they are 1 - the product
        weights = np.array([(1 - beta[s]) * np.prod(beta[s + 1 : k]) for s in range(k)])
        assert weights.sum() == pytest.approx(1 - np.prod(beta[:k]), rel=1e-12)
        assert mean[k] == pytest.approx(weights @ x[1 : k + 1] / weights.sum(), rel=1e-12)
    reach = en.LinearDecay(0.3, steps=30, final=0.05)
    path = on_a_parabola(en.SAM(en.GradientDescent(0.1), rho=reach))["path"][0, :, 0].to_numpy()
    for k in range(1, 41):  # the gradient a reach further out
        assert path[k] == pytest.approx(
            path[k - 1] - 0.1 * (path[k - 1] + reach(t)[k - 1] * np.sign(path[k - 1])), rel=1e-12
        )
    found = on_a_parabola(en.ScheduleFree(en.GradientDescent(0.1), beta=FADING))["path"][0, :, 0].to_numpy()
    z = here = 1.0
    for k in range(1, 41):
        z -= 0.1 * ((1 - beta[k - 1]) * z + beta[k - 1] * here)
        here += (z - here) / k
        assert found[k] == pytest.approx(here, rel=1e-12)


@pytest.mark.ci
@pytest.mark.parametrize(
    "optimizer",
    [
        en.Lion(0.01, beta1=FADING, beta2=RISING),
        en.SAM(en.AdaBelief(0.01, beta1=FADING), rho=en.LinearDecay(0.3, steps=30, final=0.05)),
        en.EMA(en.Adadelta(rho=RISING), beta=FADING),
        en.Adam(0.1, beta1=FADING, beta2=RISING),
        en.Nesterov(en.grid(0.05, 0.1), en.AcceleratedMomentum(en.grid(3.0, 5.0))),
        en.HeavyBall(0.1, en.drawn(en.Uniform(0.0, 0.99))),
    ],
    ids=["Lion", "SAM", "EMA", "Adam", "Nesterov", "HeavyBall"],
)
def test_the_cpu_has_the_bits_of_numpy(optimizer):
    assert same_bits(
        *ends_on_numpy_and_cpu(landscape=en.DoubleWell(dim=5), optimizer=optimizer, noise=en.Gaussian(0.5))
    )


def test_momentum_that_reaches_one_is_refused_before_the_run():
    with pytest.raises(ValueError, match=r"beta is 1 at step 11"):
        en.simulate(
            landscape=plane(dim=2), optimizer=en.HeavyBall(0.1, en.Warmup(en.Constant(1.0), 11.0)), start=en.Point(0.0), instances=1,
            steps=60, **DOUBLE,
        )  # fmt: skip
