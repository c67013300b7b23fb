"""Laws of momentum, of sign descent, of several unstable directions and of noise that depends on the place.

Each against a derivation by other means (a Lyapunov equation, a transfer matrix, a sum over exact variances) and against ensembles.
"""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from scipy import linalg, stats
from scipy.special import erf

import ensemble as en
from ensemble.statistics import laws

INSTANCES = 40_000


def z_of(sample, expected, model_error=0.0):
    """Standard errors between a sample's mean and what it should be, beyond what the law itself may be wrong by."""
    sample = np.asarray(sample, dtype=float).ravel()
    away = max(abs(sample.mean() - expected) - model_error * abs(expected), 0.0)
    return away / (sample.std(ddof=1) / math.sqrt(sample.size))


def run(optimizer, landscape, steps, noise, *, start=0.0, event=None, instances=INSTANCES):
    return en.simulate(
        landscape=landscape, optimizer=optimizer, noise=noise, start=en.Point(start), event=event, instances=instances,
        steps=steps, seed=11, dtype="float64", backend="numpy", progress=False,
    ).dataset  # fmt: skip


@pytest.mark.parametrize("name", laws.__all__)
def test_every_law_has_an_example_that_is_true(name):
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner(verbose=False)
    found = finder.find(getattr(laws, name), name, globs={**vars(laws), "np": np})
    examples = [test for test in found if test.examples]
    assert examples, f"{name} shows no example; give one with >>> in its docstring"
    for test in examples:
        runner.run(test)
    assert runner.failures == 0


# ---- momentum

COEFFICIENTS = {
    "heavy ball": lambda lr, h, beta: (1 + beta - lr * h, -beta),
    "averaged": lambda lr, h, beta: (1 + beta - lr * (1 - beta) * h, -beta),
    "Nesterov": lambda lr, h, beta: ((1 + beta) * (1 - lr * h), -beta * (1 - lr * h)),
}
"""x_{t+1} = p x_t + q x_{t-1} - push xi."""


@pytest.mark.parametrize(("h", "lr", "beta"), [(2.0, 0.1, 0.9), (1.0, 0.3, 0.5), (3.0, 0.2, 0.0), (1.0, 0.6, 0.99)])
def test_nesterov_s_variance_solves_the_lyapunov_equation(h, lr, beta):
    p, q = COEFFICIENTS["Nesterov"](lr, h, beta)
    push = np.array([[(lr * 0.7) ** 2, 0.0], [0.0, 0.0]])
    solved = linalg.solve_discrete_lyapunov(np.array([[p, q], [1.0, 0.0]]), push)[0, 0]
    assert laws.nesterov_variance(h, lr, 0.7, beta) == pytest.approx(solved, rel=1e-10)


def test_nesterov_s_variance_is_an_ensemble_s_and_ends_at_the_edge():
    x = run(en.Nesterov(0.1, beta=0.9), en.Quadratic(2.0, dim=1), 400, en.Gaussian(0.5))["x"]
    assert z_of(x**2, laws.nesterov_variance(2.0, 0.1, 0.5, 0.9)) <= 4
    edge = laws.nesterov_edge(2.0, 0.9)
    assert laws.nesterov_variance(2.0, 0.9999 * edge, 0.5, 0.9) > 100
    with pytest.raises(ValueError, match="no stationary state; give a rate between 0 and the stability edge"):
        laws.nesterov_variance(2.0, edge, 0.5, 0.9)


SADDLES = {
    "heavy ball": (en.HeavyBall(0.05, beta=0.8), laws.heavy_ball_saddle_mean_asymptotic),
    "averaged": (en.Momentum(0.05, beta=0.8), laws.averaged_momentum_saddle_mean_asymptotic),
    "Nesterov": (en.Nesterov(0.05, beta=0.8), laws.nesterov_saddle_mean_asymptotic),
}


@pytest.mark.parametrize("name", SADDLES)
def test_momentum_leaves_a_saddle_when_its_law_says(name):
    optimizer, law = SADDLES[name]
    lr, gamma, sigma, beta = 0.05, 1.0, 1e-3, 0.8
    expected = law(lr, gamma, sigma, 1.0, beta)
    # By other means: the exact variance of x_t, which grows so fast that who is once outside stays there.
    p, q = COEFFICIENTS[name](lr, -gamma, beta)
    push = lr * sigma * (1 - beta if name == "averaged" else 1)
    step, variance, mean = np.array([[p, q], [1.0, 0.0]]), np.zeros((2, 2)), 1.0
    for _ in range(2000):
        variance = step @ variance @ step.T + np.diag([push**2, 0.0])
        mean += erf(1.0 / math.sqrt(2 * variance[0, 0]))
    assert expected == pytest.approx(mean, rel=1e-4)
    found = run(optimizer, en.Quadratic(-gamma, dim=1), 1500, en.Gaussian(sigma), event=en.LeftBall(1.0))["event_step"]
    assert (found > 0).all()
    assert z_of(found, expected, model_error=1e-4) <= 4


def test_without_momentum_the_saddle_s_laws_are_gradient_descent_s():
    for law in (laws.heavy_ball_saddle_mean_asymptotic, laws.averaged_momentum_saddle_mean_asymptotic,
                laws.nesterov_saddle_mean_asymptotic):  # fmt: skip
        assert law(0.05, 1.0, 0.1, 1.0, 0.0) == pytest.approx(
            laws.saddle_exit_mean_asymptotic(0.05, 1.0, 0.1, 1.0), rel=1e-12
        )
    with pytest.raises(ValueError, match=r"beta=1\.0; give 0 or more and less than 1"):
        laws.nesterov_saddle_mean_asymptotic(0.05, 1.0, 0.1, 1.0, 1.0)


# ---- several unstable directions


def test_the_first_of_several_directions_leaves_when_its_law_says():
    law = laws.first_direction_exit(0.05, 1.0, 1.0, 1.0, directions=4, steps=60)
    alone = run(en.GradientDescent(0.05), en.Quadratic(-1.0, dim=1), 600, en.Gaussian(1.0), event=en.LeftBall(1.0),
                instances=4 * INSTANCES)["event_step"]  # fmt: skip
    first = alone.to_numpy().reshape(INSTANCES, 4).min(axis=1)
    assert z_of(first, law.mean) <= 4
    assert first.std() == pytest.approx(law.sd, rel=4 / math.sqrt(INSTANCES))
    assert np.median(first) == law.median
    for t in (15, 30, 60):
        assert z_of(first > t, law.survival[t]) <= 4
    one = laws.first_direction_exit(0.05, 1.0, 1.0, 1.0, directions=1, steps=60)
    assert one.mean == pytest.approx(laws.saddle_exit(0.05, 1.0, 1.0, 1.0, 60).mean, rel=1e-9)
    with pytest.raises(ValueError, match="directions=0; give a whole number"):
        laws.first_direction_exit(0.05, 1.0, 1.0, 1.0, directions=0, steps=60)


def radial_exit_mean(lr, gamma, sigma, radius, k):
    """Exact: the norm of k coordinates is a Markov chain with a non-central chi kernel; (I - K) m = 1 on its nodes."""
    a, s = 1 + lr * gamma, lr * sigma
    unit, weight = np.polynomial.legendre.leggauss(12)
    edges = np.linspace(0.0, radius, math.ceil(radius / (5 * s)) + 1)
    half = np.diff(edges)[:, None] / 2
    r = ((edges[1:] + edges[:-1])[:, None] / 2 + half * unit).ravel()

    def density(centre):
        return stats.ncx2.pdf((r / s) ** 2, k, (centre / s) ** 2) * 2 * r / s**2 * (half * weight).ravel()

    kernel = np.array([density(a * centre) for centre in r])
    once = np.linalg.solve(np.eye(r.size) - kernel, np.ones(r.size))
    return 1 + stats.chi2.pdf((r / s) ** 2, k) * 2 * r / s**2 * (half * weight).ravel() @ once


@pytest.mark.parametrize("k", [1, 3])
def test_the_norm_of_several_directions_leaves_a_ball_when_its_law_says(k):
    exact = radial_exit_mean(0.2, 1.0, 0.05, 1.0, k)
    assert laws.ball_exit_mean_asymptotic(0.2, 1.0, 0.05, 1.0, k) == pytest.approx(exact, rel=2e-3)
    if k == 1:
        assert exact == pytest.approx(laws.saddle_exit(0.2, 1.0, 0.05, 1.0, 0).mean, rel=1e-7)
        return
    found = run(en.GradientDescent(0.2), en.Quadratic(-1.0, dim=k), 300, en.Gaussian(0.05), event=en.LeftBall(1.0))[
        "event_step"
    ]
    assert z_of(found, exact) <= 4


# ---- signs


def test_sign_descent_without_noise_ends_in_the_cycle_of_its_law():
    for x0 in (1.125, -0.8125, 0.0625, 1.0):
        steps, pair = laws.sign_descent_cycle(0.25, x0)
        for landscape in (en.Quadratic(3.0, dim=1), en.DoubleWell(dim=1)):  # around 0, and around the minimum at 1
            at = 1.0 if isinstance(landscape, en.DoubleWell) else 0.0
            if at and not 0 < x0 + at < 3:
                continue
            for after in range(4):
                x = (
                    run(en.SignSGD(0.25), landscape, max(1, steps) + after, None, start=x0 + at, instances=1)[
                        "x"
                    ].item()
                    - at
                )
                assert x == pair[(max(1, steps) - steps + after) % 2]


def test_sign_descent_with_noise_has_the_law_of_its_lattice():
    law = laws.sign_descent_law(lambda x: 2.0 * x, lr=0.1, sigma=1.0, x0=0.03)
    # By other means: the transfer matrix, many times.
    n = law.position.size
    down = stats.norm.cdf(2.0 * law.position)
    step = np.diag(1 - down[:-1], 1) + np.diag(down[1:], -1)
    mass = np.where(np.isclose(law.position, 0.03), 1.0, 0.0) @ np.linalg.matrix_power(step, 2000)
    np.testing.assert_allclose(mass, law.even, atol=1e-10)
    np.testing.assert_allclose(mass @ step, law.odd, atol=1e-10)
    for steps, expected in ((200, law.even), (201, law.odd)):
        x = run(en.SignSGD(0.1), en.Quadratic(2.0, dim=1), steps, en.Gaussian(1.0), start=0.03)["x"].to_numpy().ravel()
        place = np.rint((x - law.position[0]) / 0.1).astype(int)
        np.testing.assert_allclose(x, law.position[place], atol=1e-12)
        counts, often = np.bincount(place, minlength=n), expected * INSTANCES > 5
        assert (
            stats.chisquare(counts[often], expected[often] / expected[often].sum() * counts[often].sum()).pvalue > 1e-4
        )
        assert z_of(x**2, expected @ law.position**2) <= 4
    small = laws.sign_descent_law(lambda x: 2.0 * x, lr=1e-3, sigma=1.0)
    assert small.variance == pytest.approx(1e-3 * math.sqrt(math.pi / 8) / 2, rel=2e-3)


def test_sign_descent_on_the_absolute_value_has_a_geometric_law():
    law = laws.sign_descent_law(np.sign, lr=0.5, sigma=1.0, x0=0.25)
    mass = law.even + law.odd
    right = mass[law.position > 0]
    np.testing.assert_allclose(right[1:] / right[:-1], stats.norm.cdf(-1) / stats.norm.cdf(1), rtol=1e-9)
    assert law.mean == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(ValueError, match="does not keep the walk from running away"):
        laws.sign_descent_law(np.zeros_like, lr=0.5, sigma=1.0)


# ---- noise that depends on the place


def test_exits_under_noise_that_depends_on_the_place_have_their_exact_law():
    def size(x):
        return 2.0 + 0.8 * np.tanh(x)

    law = laws.exit_law(lambda x: x**3 - x, 0.2, size, -math.inf, 1.0, -1.0, 200)
    rng = np.random.default_rng(3)
    x, step, out = np.full(INSTANCES, -1.0), 0, np.zeros(INSTANCES, dtype=int)
    while (out == 0).any() and step < 20_000:
        step += 1
        x = x - 0.2 * (x**3 - x + size(x) * rng.normal(size=INSTANCES))
        out[(x >= 1.0) & (out == 0)] = step
        x = np.where(out > 0, 2.0, x)
    assert (out > 0).all()
    assert z_of(out, law.mean) <= 4
    assert z_of(out > 200, law.survival[200]) <= 4
    assert laws.mean_first_passage(lambda x: x**3 - x, 0.2, size, -math.inf, 1.0, -1.0) == pytest.approx(
        law.mean, rel=1e-9
    )
    same = [laws.exit_law(lambda x: -x, 0.05, s, -1.0, 1.0, 0.0, 40).mean for s in (1.0, np.ones_like)]
    assert same[0] == pytest.approx(same[1], rel=1e-12)


@pytest.mark.parametrize(
    ("sigma", "says"),
    [(np.zeros_like, "0.0"), (lambda x: x / 0.0 + np.inf, "inf|nan"), (lambda x: np.ones(3), r"of shape \(3,\)")],
)
@pytest.mark.filterwarnings("ignore:divide by zero|invalid value")
def test_noise_that_is_none_is_refused_by_every_law_that_takes_a_function(sigma, says):
    for law in (
        lambda: laws.exit_law(lambda x: -x, 0.05, sigma, -1.0, 1.0, 0.0, 40),
        lambda: laws.mean_first_passage(lambda x: -x, 0.05, sigma, -1.0, 1.0, 0.0),
        lambda: laws.stationary_law(lambda x: x, 0.05, sigma),
    ):
        with pytest.raises(ValueError, match=rf"sigma\(x\) is ({says}).*give positive, finite noise at every x"):
            law()


# ---- stable noise


@pytest.mark.parametrize(
    ("scale", "alpha", "steps"),
    [
        (0.5, 1.0, 3000),
        pytest.param(0.05, 1.0, 12_000, marks=pytest.mark.slow),
        pytest.param(0.3, 1.5, 20_000, marks=pytest.mark.slow),
    ],
)
def test_exits_under_stable_noise_have_their_law_however_narrow_the_kernel(cpu, scale, alpha, steps):
    expected = laws.stable_exit_mean(lambda x: x, 0.05, scale, alpha, -1.0, 1.0, 0.0)
    found = en.simulate(
        landscape=en.Quadratic(1.0, dim=1), optimizer=en.GradientDescent(0.05), noise=en.AlphaStable(alpha, scale),
        start=en.Point(0.0), event=en.LeftBall(1.0), instances=INSTANCES, steps=steps, seed=2, backend="cpu", dtype="float64",
        progress=False,
    ).dataset["event_step"].to_numpy()  # fmt: skip
    assert (found > 0).all()
    assert z_of(found, expected) <= 4


def test_stable_exits_from_intervals_of_very_many_widths_come_near_the_law_of_single_jumps():
    for width in (1e-3, 1e-5):
        exact = laws.stable_exit_mean(lambda x: x, 0.05, width / 0.05, 1.0, -1.0, 1.0, 0.0)
        assert exact == pytest.approx(
            laws.stable_exit_mean_asymptotic(0.05, width / 0.05, 1.0, 1.0), rel=10 * width + 1e-3
        )
