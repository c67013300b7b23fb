"""The laws that ensembles are held to: printed numbers, other ways to the same law, and small simulations."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy import integrate, linalg, stats

from ensemble.statistics import laws


def printed(value, text):
    """Say whether the value rounds to the digits of the text."""
    decimals = len(text.split(".")[1]) if "." in text else 0
    return f"{value:.{decimals}f}" == text


def simulate_exit(gradient, lr, sigma, left, x, steps, seed):
    """Return first-passage steps (instances,) of noisy descent, steps + 1 where none."""
    rng = np.random.default_rng(seed)
    time = np.full(x.size, steps + 1)
    running = np.arange(x.size)
    for t in range(1, steps + 1):
        x = x - lr * (gradient(x) + sigma * rng.standard_normal(x.size))
        gone = left(x)
        time[running[gone]] = t
        running, x = running[~gone], x[~gone]
    return time


def largest_z(time, law):
    """Return the largest |z| between the counts of first passages and the law, over all steps where it can be told."""
    told = (law.survival > 1e-3) & (law.survival < 1 - 1e-3)
    expected = law.survival[told]
    seen = (time[:, None] > np.flatnonzero(told)).mean(axis=0)
    return np.abs((seen - expected) / np.sqrt(expected * (1 - expected) / time.size)).max()


# Quadratics


def test_sgd_on_a_quadratic_has_the_printed_moments():
    mean, variance = laws.sgd_quadratic(h=2, lr=0.1, sigma=1, x0=1, t=20)
    assert printed(mean, "0.011529215")
    assert printed(variance, "0.0277740855")
    assert laws.sgd_variance(h=2, lr=0.1, sigma=1) == pytest.approx(1 / 36)
    assert laws.sgd_correlation(h=2, lr=0.1, lag=3) == pytest.approx(0.8**3)


@pytest.mark.parametrize("h", [2.0, -1.0, 0.0, 20.0])
def test_sgd_moments_follow_the_recursion(h):
    a, mean, variance = 1 - 0.1 * h, 1.5, 0.0
    found = laws.sgd_quadratic(h, 0.1, 0.7, 1.5, np.arange(30))
    for t in range(30):
        assert found[0][t] == pytest.approx(mean)
        assert found[1][t] == pytest.approx(variance)
        mean, variance = a * mean, a * a * variance + 0.07**2


def heavy_ball_matrix(h, lr, beta):
    """Act on (x, v): v' = beta v + h x, x' = x - lr v'."""
    return np.array([[1 - lr * h, -lr * beta], [h, beta]])


def nesterov_matrix(h, lr, beta):
    """Act on (x_t, x_t-1): the gradient is taken at x_t + beta (x_t - x_t-1)."""
    c = 1 - lr * h
    return np.array([[c * (1 + beta), -c * beta], [1.0, 0.0]])


def test_momentum_has_the_printed_variance():
    assert printed(laws.heavy_ball_variance(h=2, lr=0.1, sigma=1, beta=0.9), "0.2638888889")
    assert laws.heavy_ball_variance(2, 0.1, 1, 0.0) == pytest.approx(laws.sgd_variance(2, 0.1, 1))


@pytest.mark.parametrize(("h", "lr", "sigma", "beta"), [(2, 0.1, 1, 0.9), (0.5, 3.0, 0.2, 0.5), (30, 0.1, 2, 0.7)])
def test_momentum_variance_solves_the_lyapunov_equation(h, lr, sigma, beta):
    push = sigma * np.array([-lr, 1.0])
    covariance = linalg.solve_discrete_lyapunov(heavy_ball_matrix(h, lr, beta), np.outer(push, push))
    assert laws.heavy_ball_variance(h, lr, sigma, beta) == pytest.approx(covariance[0, 0])
    averaged = laws.averaged_momentum_variance(h, lr / (1 - beta), sigma, beta)
    assert averaged == pytest.approx(covariance[0, 0])


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
def test_a_rate_is_stable_exactly_below_its_edge(beta):
    h = 3.0
    for edge, matrix in (
        (laws.gradient_descent_edge(h), lambda h, lr, _: np.array([[1 - lr * h]])),
        (laws.heavy_ball_edge(h, beta), heavy_ball_matrix),
        (laws.nesterov_edge(h, beta), nesterov_matrix),
    ):
        radius = [np.abs(np.linalg.eigvals(matrix(h, k * edge, beta))).max() for k in (0.999, 1.001)]
        assert radius[0] < 1 < radius[1]


# Saddles


def test_the_saddle_has_the_printed_exit_law():
    law = laws.saddle_exit(lr=0.05, gamma=1, sigma=1, radius=1, steps=200)
    assert printed(law.mean, "51.695537")
    assert printed(law.sd, "22.539613")
    assert law.median == 47
    assert printed(law.survival[40], "0.63891907")
    assert law.error < 1e-10
    assert law.exit_lower == pytest.approx(0.5) == law.exit_upper


def test_the_law_is_normal_after_one_step_and_an_integral_after_two():
    law = laws.saddle_exit(0.3, 1, 1, 1, steps=2, x0=0.4)

    def stays(x):
        return stats.norm.cdf((1 - 1.3 * x) / 0.3) - stats.norm.cdf((-1 - 1.3 * x) / 0.3)

    assert law.survival[0] == 1
    assert law.survival[1] == pytest.approx(stays(0.4), abs=1e-13)
    twice = integrate.quad(lambda x: stats.norm.pdf(x, 0.52, 0.3) * stays(x), -1, 1, epsabs=1e-13)[0]
    assert law.survival[2] == pytest.approx(twice, abs=1e-12)


def test_mean_and_sd_of_the_linear_system_are_those_of_the_curve():
    law = laws.saddle_exit(0.05, 1, 1, 1, steps=2000, x0=0.1)
    t = np.arange(2001)
    assert law.mean == pytest.approx(law.survival.sum(), rel=1e-12)
    assert law.sd == pytest.approx(math.sqrt(((2 * t + 1) * law.survival).sum() - law.mean**2), rel=1e-11)
    assert law.survival[law.median] <= 0.5 < law.survival[law.median - 1]
    assert law.exit_lower + law.exit_upper == pytest.approx(1)
    assert law.exit_upper > 0.5


def test_the_saddle_is_the_general_law_with_a_linear_gradient():
    saddle = laws.saddle_exit(0.05, 0.7, 0.8, 1.2, 60, x0=0.3)
    general = laws.exit_law(lambda x: -0.7 * x, 0.05, 0.8, -1.2, 1.2, 0.3, 60)
    np.testing.assert_allclose(saddle.survival, general.survival, rtol=0, atol=1e-14)
    assert laws.mean_first_passage(lambda x: -0.7 * x, 0.05, 0.8, -1.2, 1.2, 0.3) == pytest.approx(saddle.mean)


def test_the_saddle_law_is_what_a_simulation_does():
    law = laws.saddle_exit(0.05, 1, 1, 1, 150, start_scale=0.1)
    start = np.random.default_rng(1).normal(0, 0.1, 40_000)
    time = simulate_exit(lambda x: -x, 0.05, 1, lambda x: np.abs(x) >= 1, start, 150, seed=2)
    assert largest_z(time, law) < 4


def test_the_quartic_law_is_what_a_simulation_does():
    def gradient(x):
        return x**3 - x

    law = laws.exit_law(gradient, 0.05, 1, -0.9, 0.9, 0.0, 200)
    time = simulate_exit(gradient, 0.05, 1, lambda x: np.abs(x) >= 0.9, np.zeros(40_000), 200, seed=3)
    assert largest_z(time, law) < 4
    assert law.mean > laws.saddle_exit(0.05, 1, 1, 0.9, 0).mean


def test_small_noise_needs_many_nodes_and_gets_them():
    law = laws.saddle_exit(0.05, 1, 0.05, 1, 900)
    assert law.nodes > 3000
    assert law.error < 1e-9
    assert law.mean == pytest.approx(law.survival.sum(), rel=1e-12)


@pytest.mark.parametrize(("sigma", "within"), [(1.0, 0.0024), (0.3, 0.0005), (0.1, 0.0005)])
def test_the_asymptotic_mean_is_as_good_as_claimed(sigma, within):
    exact = laws.saddle_exit(0.05, 1, sigma, 1, 0).mean
    assert laws.saddle_exit_mean_asymptotic(0.05, 1, sigma, 1) == pytest.approx(exact, rel=within)


# Random starts without noise


def test_ball_and_sphere_have_the_printed_means():
    ball = laws.random_start_exit(0.1, 1, 1, laws.BallStart(radius=0.01, dim=10), 100)
    sphere = laws.random_start_exit(0.1, 1, 1, laws.SphereStart(radius=0.01, dim=10), 100)
    assert printed(ball.mean, "68.068690")
    assert printed(sphere.mean, "67.019485")


@pytest.mark.parametrize("start", [laws.NormalStart(0.02), laws.BallStart(0.05, 3), laws.SphereStart(0.05, 2)])
def test_random_starts_are_what_a_simulation_does(start):
    rng = np.random.default_rng(4)
    if isinstance(start, laws.NormalStart):
        x = start.scale * rng.standard_normal(40_000)
    else:
        direction = rng.standard_normal((40_000, start.dim))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        shrink = rng.random(40_000) ** (1 / start.dim) if isinstance(start, laws.BallStart) else 1.0
        x = start.radius * shrink * direction[:, 0]
    law = laws.random_start_exit(0.1, 1, 1, start, 150)
    time = simulate_exit(lambda x: -x, 0.1, 0.0, lambda x: np.abs(x) >= 1, x, 150, seed=5)
    assert largest_z(time, law) < 4
    assert abs(time.mean() - law.mean) < 4 * law.sd / 200
    assert law.survival[law.median] <= 0.5 < law.survival[law.median - 1]


def test_vanishing_noise_on_a_random_start_is_no_noise():
    noisy = laws.saddle_exit(0.1, 1, 0.01, 1, 80, start_scale=0.1)
    quiet = laws.random_start_exit(0.1, 1, 1, laws.NormalStart(0.1), 80)
    assert noisy.mean == pytest.approx(quiet.mean, rel=1e-3)
    np.testing.assert_allclose(noisy.survival, quiet.survival, atol=0.02)


def test_a_start_outside_leaves_in_the_first_step():
    law = laws.random_start_exit(0.1, 1, 1, laws.NormalStart(1e6), 3)
    assert law.median == 1
    assert law.mean == pytest.approx(1, abs=1e-4)


# The double well


def test_the_double_well_has_the_printed_means():
    assert printed(laws.double_well_mean(lr=0.05, temperature=0.1), "65.916")
    assert printed(laws.double_well_mean_continuous(0.1), "66.269")
    assert printed(laws.double_well_mean_kramers(0.1), "54.125")


def test_small_rates_approach_the_continuous_mean_as_whole_steps_must():
    """Watching at whole steps moves the target by -zeta(1/2)/sqrt(2 pi) step widths (Siegmund 1979)."""
    d = 0.1
    limit = laws.double_well_mean_continuous(d)
    slopes = [(laws.double_well_mean(lr, d) - limit) / math.sqrt(lr) for lr in (4e-4, 1e-4)]
    mass = integrate.quad(lambda z: math.exp(-((z * z - 1) ** 2) / 4 / d), -4, 1)[0]
    expected = 0.5825971579 * math.sqrt(2 * d) * mass / d
    assert 2 * slopes[1] - slopes[0] == pytest.approx(expected, rel=0.01)


def test_cold_wells_approach_kramers():
    ratios = [laws.double_well_mean_continuous(d) / laws.double_well_mean_kramers(d) for d in (0.05, 0.02, 0.01)]
    assert 1.11 > ratios[0] > ratios[1] > ratios[2] > 1
    assert ratios[2] - 1 == pytest.approx((ratios[1] - 1) / 2, rel=0.1)  # the error is of first order in D


def test_the_double_well_law_is_what_a_simulation_does():
    def gradient(x):
        return x**3 - x

    law = laws.exit_law(gradient, 0.2, 1.5, -math.inf, 1.0, -1.0, 300)
    time = simulate_exit(gradient, 0.2, 1.5, lambda x: x >= 1, np.full(40_000, -1.0), 300, seed=6)
    assert largest_z(time, law) < 4
    mirrored = laws.exit_law(gradient, 0.2, 1.5, -1.0, math.inf, 1.0, 300)
    assert mirrored.mean == pytest.approx(law.mean)
    assert mirrored.exit_lower == pytest.approx(1)


def test_the_median_of_a_rare_exit_needs_no_million_steps():
    law = laws.exit_law(lambda x: x**3 - x, 0.05, 1.0, -math.inf, 1.0, -1.0, 10)
    assert law.mean > 2e6
    assert law.median == pytest.approx(law.mean * math.log(2), rel=1e-4)
    for sigma in (1.5, 2.0):
        direct = laws.exit_law(lambda x: x**3 - x, 0.05, sigma, -math.inf, 1.0, -1.0, 20_000)
        short = laws.exit_law(lambda x: x**3 - x, 0.05, sigma, -math.inf, 1.0, -1.0, 0)
        assert short.median == direct.median == np.argmax(direct.survival <= 0.5)


# Perturbed gradient descent


def test_jin_constants_are_those_of_algorithm_2():
    found = laws.jin_constants(dim=10, smoothness=2, hessian_lipschitz=4, eps=1e-2, c=0.25, delta=0.1, gap=3)
    chi = 3 * math.log(10 * 2 * 3 / (0.25 * 1e-4 * 0.1))
    expected = (
        chi,
        0.125,
        0.5 * 1e-2 / (2 * chi**2),
        0.5 * 1e-2 / chi**2,
        0.25 * 5e-4 / chi**3,
        chi * 2 / (0.0625 * 0.2),
    )
    assert dataclasses.astuple(found) == pytest.approx(expected)
    assert laws.jin_constants(2, 1, 1, 0.5, 1, 0.5, 0.1).chi == 12


# Refusals


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: laws.sgd_quadratic(1, 0, 1, 1, 1), "lr=0; give a positive"),
        (lambda: laws.sgd_quadratic(1, 0.1, 1, 1, [-1]), "smallest t=-1"),
        (lambda: laws.sgd_variance(2, 1.0, 1), "stability edge 1"),
        (lambda: laws.sgd_correlation(2, 1.5, 1), "stability edge 1"),
        (lambda: laws.heavy_ball_variance(2, 2.0, 1, 0.9), "stability edge 1.9"),
        (lambda: laws.gradient_descent_edge(-1), "h=-1"),
        (lambda: laws.nesterov_edge(1, 1), "beta=1; give 0 or more and less than 1"),
        (lambda: laws.saddle_exit(0.1, 1, 0, 1, 5), "sigma=0; give a positive"),
        (lambda: laws.saddle_exit(0.1, 1, 1, 1, -5), "steps=-5"),
        (lambda: laws.saddle_exit(0.1, 1, 1, 1, 5, start_scale=-1), "start_scale=-1"),
        (lambda: laws.saddle_exit(1e-3, 1, 1e-4, 1, 5), "nodes do not resolve it"),
        (lambda: laws.exit_law(np.sin, 0.1, 1, 1, -1, 0, 5), "give lower < upper"),
        (lambda: laws.exit_law(np.sin, 0.1, 1, -math.inf, math.inf, 0, 5), "at least one of them finite"),
        (lambda: laws.exit_law(np.sin, 0.1, 1, -1, 1, math.nan, 5), "x0=nan"),
        (lambda: laws.exit_law(lambda x: 1 + 0 * x, 0.1, 1, -math.inf, 1, 0, 5), "does not keep the iterate"),
        (lambda: laws.saddle_exit_mean_asymptotic(0.1, 0, 1, 1), "gamma=0"),
        (lambda: laws.random_start_exit(0.1, 1, 1, laws.NormalStart(1), -1), "steps=-1"),
        (lambda: laws.NormalStart(0), "scale=0"),
        (lambda: laws.BallStart(1, 0), "dim=0"),
        (lambda: laws.SphereStart(1, 1), "dim=1; give 2 or more"),
        (lambda: laws.double_well_mean_continuous(0), "temperature=0"),
        (lambda: laws.jin_constants(2, 1, 1, 0.1, 2, 0.1, 1), "c=2, delta=0.1; give c at most 1"),
    ],
)
def test_what_has_no_law_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
