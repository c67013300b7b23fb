"""What ensembles do agrees with exact laws, at Monte-Carlo error alone: |z| <= 4."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from scipy import stats

import ensemble as en
from ensemble.statistics import laws

QUIET = en.Gaussian(sigma=0.0)
EXACT = 9
"""Coordinates of the quadratics: each is an ensemble of its own, for their noises are independent."""
FIRST = [1.0] + [0.0] * (EXACT - 1)
DOUBLE = {"dtype": "float64", "progress": False}

# One row for each combination of parts that the tests run on cpu.
COMPILED = [
    (en.Quadratic([1.0] * EXACT), en.GradientDescent(0.1), en.Never()),
    (en.Quadratic([1.0] * EXACT), en.HeavyBall(0.1), en.Never()),
    (en.Quadratic([1.0] * EXACT), en.Nesterov(0.1), en.Never()),
    (en.Quadratic([1.0] * EXACT), en.Adam(0.1), en.Never()),
    (en.Quadratic([1.0] * EXACT), en.GradientDescent(0.1), en.LeftSlab(FIRST, 9.0)),
    (en.Quadratic([1.0] * EXACT), en.PerturbedGD(0.1, 0.1, 0.1, 1), en.LeftSlab(FIRST, 9.0)),
    (en.Quadratic([1.0]), en.GradientDescent(0.1), en.LeftBall(9.0)),
    (en.DoubleWell(), en.GradientDescent(0.1), en.Crossed(1.0, 9.0)),
]


@pytest.fixture(scope="module")
def cpu(cpu, compile_together):
    compile_together(
        partial(
            en.simulate, landscape=f, optimizer=o, noise=QUIET, event=e, start=en.Point(1.0),
            instances=16, steps=1, backend="cpu", **DOUBLE,
        )
        for f, o, e in COMPILED
    )  # fmt: skip
    return cpu


@pytest.fixture(params=["cpu", "numpy"])
def backend(request):
    if request.param == "cpu":
        request.getfixturevalue("cpu")
    return request.param


@pytest.fixture
def instances(backend):
    return 40_000 if backend == "cpu" else 4_000


def z_of_mean(sample, mean, variance):
    return (np.mean(sample) - mean) / math.sqrt(variance / np.size(sample))


def z_of_variance(sample, variance, mean=0.0):
    """Of a normal sample whose mean is known."""
    return (np.mean((sample - mean) ** 2) / variance - 1.0) / math.sqrt(2.0 / np.size(sample))


def z_of_curve(time, law):
    """The largest |z| between a sample of times and P(T > t), over all steps where it can be told."""
    steps = np.flatnonzero((law.survival > 1e-3) & (law.survival < 1 - 1e-3))
    seen = 1.0 - np.searchsorted(np.sort(time), steps, side="right") / time.size
    expected = law.survival[steps]
    return np.abs((seen - expected) / np.sqrt(expected * (1 - expected) / time.size)).max()


def times(result):
    """Escape times of a run in which everyone escaped."""
    found = result.dataset["event_step"].to_numpy()
    assert found.min() > 0, "the horizon is too short for the test"
    return found.ravel()


# ---- noise on a quadratic


def test_sgd_has_the_exact_moments_at_step_20_and_when_stationary(backend, instances):
    run = en.simulate(
        landscape=en.Quadratic([2.0] * EXACT),
        optimizer=en.GradientDescent(lr=0.1),
        noise=en.Gaussian(sigma=1.0),
        start=en.Point(1.0),
        record=en.Record("x", at=[20, 200, 203]),
        instances=instances // EXACT + 1 if backend == "numpy" else instances,
        steps=203,
        backend=backend,
        **DOUBLE,
    )
    x20, x200, x203 = (run.dataset["path"].sel(step=t).to_numpy().ravel() for t in (20, 200, 203))

    assert abs(z_of_mean(x20, 0.011529215, 0.0277740855)) <= 4
    assert abs(z_of_variance(x20, 0.0277740855, mean=0.011529215)) <= 4
    assert abs(z_of_mean(x203, 0.0, 1 / 36)) <= 4
    assert abs(z_of_variance(x203, 1 / 36)) <= 4

    lag3 = 0.8**3
    seen = np.mean(x200 * x203) * 36
    assert abs(seen - lag3) <= 4 * math.sqrt((1 + lag3**2) / x200.size)


def test_heavy_ball_has_its_stationary_variance(backend, instances):
    run = en.simulate(
        landscape=en.Quadratic([2.0] * EXACT),
        optimizer=en.HeavyBall(lr=0.1, beta=0.9),
        noise=en.Gaussian(sigma=1.0),
        start=en.Point(0.0),
        instances=instances // EXACT + 1 if backend == "numpy" else instances,
        steps=300,
        backend=backend,
        **DOUBLE,
    )
    x = run.dataset["x"].to_numpy().ravel()
    assert abs(z_of_mean(x, 0.0, 0.2638888889)) <= 4
    assert abs(z_of_variance(x, 0.2638888889)) <= 4


def test_the_linear_scaling_rule_holds_to_first_order_only(cpu):
    """Four times the rate with four times the batch: the variance is not the same but (2 - lr h)/(2 - 4 lr h) of it."""
    sweep = en.zipped(lr=(0.1, 0.4), sigma=(1.0, 0.5))
    run = en.simulate(
        landscape=en.Quadratic([2.0] * EXACT),
        optimizer=en.GradientDescent(lr=sweep.lr),
        noise=en.Gaussian(sigma=sweep.sigma),
        start=en.Point(0.0),
        instances=40_000,
        steps=200,
        paired=False,
        backend="cpu",
        **DOUBLE,
    )
    small, large = (run.dataset["x"][k].to_numpy() for k in range(2))
    ratio = np.mean(large**2) / np.mean(small**2)
    assert abs(ratio / 1.5 - 1.0) <= 4 * math.sqrt(4 / small.size)


# ---- leaving saddles


def test_the_first_exit_from_a_saddle_has_its_exact_law(backend, instances):
    run = en.simulate(
        landscape=en.Quadratic(curvature=[-1.0]),
        optimizer=en.GradientDescent(lr=0.05),
        noise=en.Gaussian(sigma=1.0),
        start=en.Point(0.0),
        event=en.LeftBall(radius=1.0),
        instances=instances,
        steps=2000,
        backend=backend,
        **DOUBLE,
    )
    time = times(run)
    share = np.mean(time > 40)
    assert abs(z_of_mean(time, 51.695537, 22.539613**2)) <= 4
    assert abs(np.std(time) / 22.539613 - 1) <= 4 * math.sqrt((stats.kurtosis(time) + 2) / 4 / time.size)
    assert abs(share - 0.63891907) <= 4 * math.sqrt(0.63891907 * 0.36108093 / time.size)
    assert np.median(time) == 47
    assert z_of_curve(time, laws.saddle_exit(0.05, 1.0, 1.0, 1.0, steps=400)) <= 4


def test_stable_directions_do_not_matter_to_the_exit(cpu):
    run = en.simulate(
        landscape=en.Quadratic(curvature=[-1.0, 1.0, 5.0, 0.3, 10.0, 0.0, 2.0, 2.0, 1.0]),
        optimizer=en.GradientDescent(lr=0.05),
        noise=en.Gaussian(sigma=1.0),
        start=en.Point([0.0, 3.0, -1.0, 0.1, 5.0, 0.0, 1.0, 2.0, -7.0]),
        event=en.LeftSlab(normal=FIRST, half_width=1.0),
        instances=40_000,
        steps=2000,
        backend="cpu",
        **DOUBLE,
    )
    assert abs(z_of_mean(times(run), 51.695537, 22.539613**2)) <= 4
    assert z_of_curve(times(run), laws.saddle_exit(0.05, 1.0, 1.0, 1.0, steps=400)) <= 4


SADDLE10 = {
    "landscape": en.Quadratic(curvature=[-1.0] + [1.0] * 9),
    "noise": QUIET,
    "event": en.LeftSlab(normal=[1.0] + [0.0] * 9, half_width=1.0),
    "steps": 2000,
    **DOUBLE,
}
IN_BALL = laws.random_start_exit(0.1, 1.0, 1.0, laws.BallStart(0.01, 10), steps=400)
ON_SPHERE = laws.random_start_exit(0.1, 1.0, 1.0, laws.SphereStart(0.01, 10), steps=400)


def test_the_laws_of_a_ball_and_of_a_sphere_have_the_means_known():
    assert IN_BALL.mean == pytest.approx(68.068690, abs=5e-7)
    assert ON_SPHERE.mean == pytest.approx(67.019485, abs=5e-7)


@pytest.mark.parametrize(
    ("start", "law", "other"),
    [(en.Ball(radius=0.01), IN_BALL, ON_SPHERE), (en.Sphere(radius=0.01), ON_SPHERE, IN_BALL)],
    ids=["ball", "sphere"],
)
def test_without_noise_the_start_decides_the_exit(backend, instances, start, law, other):
    run = en.simulate(
        optimizer=en.GradientDescent(lr=0.1), start=start, instances=instances, backend=backend, **SADDLE10
    )
    assert abs(z_of_mean(times(run), law.mean, law.sd**2)) <= 4
    assert z_of_curve(times(run), law) <= 4
    if backend == "cpu":
        assert abs(z_of_mean(times(run), other.mean, other.sd**2)) > 10, "a ball can be told from a sphere"


def test_perturbed_descent_leaves_the_saddle_like_a_start_in_the_ball(backend, instances):
    """From the saddle itself the first perturbation is the start, and it is not multiplied by the rate."""
    run = en.simulate(
        optimizer=en.PerturbedGD(lr=0.1, radius=0.01, g_thres=1e-6, t_thres=1000),
        start=en.Point(0.0),
        instances=instances,
        backend=backend,
        **SADDLE10,
    )
    assert abs(z_of_mean(times(run), IN_BALL.mean, IN_BALL.sd**2)) <= 4
    assert z_of_curve(times(run), IN_BALL) <= 4


# ---- crossing a barrier


def test_the_double_well_is_left_after_the_discrete_mean_time(cpu):
    """Not after the continuous one (66.269), nor Kramers' (54.125): 40,000 instances cannot tell the first from 65.916."""
    lr, temperature = 0.05, 0.1
    sigma = math.sqrt(2 * temperature / lr)
    law = laws.exit_law(lambda x: x**3 - x, lr, sigma, -math.inf, 1.0, -1.0, steps=6000)
    assert lr * law.mean == pytest.approx(65.916, abs=5e-4)
    run = en.simulate(
        landscape=en.DoubleWell(),
        optimizer=en.GradientDescent(lr=lr),
        noise=en.Gaussian(sigma=sigma),
        start=en.Point(-1.0),
        event=en.Crossed(normal=1.0, offset=1.0),
        instances=40_000,
        steps=60_000,
        backend="cpu",
        **DOUBLE,
    )
    assert abs(z_of_mean(times(run), 65.916 / lr, law.sd**2)) <= 4
    assert z_of_curve(times(run), law) <= 4


# ---- stability and rates

EDGES = {
    "GradientDescent": (en.GradientDescent, {}, laws.gradient_descent_edge(2.0)),
    "HeavyBall": (en.HeavyBall, {"beta": 0.9}, laws.heavy_ball_edge(2.0, 0.9)),
    "Nesterov": (en.Nesterov, {"beta": 0.9}, laws.nesterov_edge(2.0, 0.9)),
}


@pytest.mark.parametrize("rule", EDGES)
def test_a_rule_converges_just_below_its_edge_and_diverges_just_above(cpu, rule):
    kind, more, edge = EDGES[rule]
    run = en.simulate(
        landscape=en.Quadratic([2.0] * EXACT),
        optimizer=kind(lr=en.grid(0.999 * edge, 1.001 * edge), **more),
        noise=QUIET,
        start=en.Point(1.0),
        instances=16,
        steps=25_000,
        backend="cpu",
        **DOUBLE,
    ).dataset
    assert (run["status"][0] == 0).all()
    assert np.abs(run["x"][0]).max() < 1e-15
    assert (run["status"][1] == 2).all()
    assert (run["diverged_step"][1] > 0).all()
    assert np.isnan(run["x"][1]).all()


def companion(curvature, lr, beta, steps):
    """|x_t| of heavy ball from 1 in every direction, t = 0 ... steps, by powers of each direction's companion matrix."""
    norms = np.empty(steps + 1)
    pairs = np.ones((len(curvature), 2))
    for t in range(steps + 1):
        norms[t] = np.linalg.norm(pairs[:, 0])
        now, before = pairs.T
        pairs = np.stack([(1 + beta - lr * np.array(curvature)) * now - beta * before, now], axis=1)
    return norms


@pytest.mark.parametrize(
    ("optimizer", "beta", "rate", "late", "near"),
    [
        (en.GradientDescent(lr=2 / 101), 0.0, 0.98019802, 3000, 1e-8),
        (en.HeavyBall(lr=4 / 121, beta=(9 / 11) ** 2), (9 / 11) ** 2, 0.81818182, 300, 1e-3),
    ],
    ids=["GradientDescent", "HeavyBall"],
)
def test_optimal_tunings_have_their_rates_at_condition_number_100(cpu, optimizer, beta, rate, late, near):
    """Heavy ball's double roots add a factor t, and are known to fewer digits."""
    curvature = np.geomspace(1.0, 100.0, EXACT).tolist()
    run = en.simulate(
        landscape=en.Quadratic(curvature),
        optimizer=optimizer,
        noise=QUIET,
        start=en.Point(1.0),
        record=en.Record("distance", at=[late // 3, late // 2, late]),
        instances=1,
        steps=late,
        backend="cpu",
        **DOUBLE,
    ).dataset
    norms = run["distance"].to_numpy().ravel()
    np.testing.assert_allclose(norms, companion(curvature, optimizer.lr, beta, late)[run["step"]], rtol=1e-7)
    growth = norms[2] / norms[1] / (2.0 if beta else 1.0)
    assert growth ** (2 / late) == pytest.approx(rate, rel=near)


# ---- Adam


def adam(curvature, *, optimizer, start, steps, noise=QUIET, record=None, backend="cpu", dtype="float64"):
    return en.simulate(
        landscape=en.Quadratic(curvature), optimizer=optimizer, noise=noise, start=start, record=record,
        instances=20, steps=steps, backend=backend, progress=False, dtype=dtype,
    ).dataset  # fmt: skip


def test_adam_moves_by_alpha_in_each_step_of_a_constant_gradient(cpu):
    """So far out on a slope that the gradient, 1 in every coordinate, stays what it is."""
    run = adam([1e-8] * EXACT, optimizer=en.Adam(lr=0.1, eps=0.0), start=en.Point(1e8), steps=100)
    np.testing.assert_allclose(run["x"], 1e8 - 0.1 * 100, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("backend", "dtype"), [("cpu", "float64"), ("numpy", "float64"), ("numpy", "float32")])
def test_adam_does_not_feel_a_power_of_two_on_the_gradient(cpu, backend, dtype):
    scales = np.array([1.0, 1024.0, 2.0**-7])
    sweep = en.zipped(
        curvature=[(s * np.linspace(0.5, 2.0, EXACT)).tolist() for s in scales], sigma=(0.3 * scales).tolist()
    )
    run = adam(
        sweep.curvature,
        optimizer=en.Adam(lr=0.01, eps=0.0),
        noise=en.Gaussian(sigma=sweep.sigma),
        start=en.NormalCloud(scale=1.0),
        steps=100,
        backend=backend,
        dtype=dtype,
    )
    assert np.isfinite(run["x"]).all()
    assert np.array_equal(run["x"][0], run["x"][1])
    assert np.array_equal(run["x"][0], run["x"][2])


def test_adam_has_a_stable_two_cycle_at_small_betas(cpu):
    alpha, beta1, beta2, c, eps = 0.1, 0.2, 0.5, 2.0, 1e-3
    run = adam(
        [c] * EXACT,
        optimizer=en.Adam(lr=alpha, beta1=beta1, beta2=beta2, eps=eps),
        start=en.Point(0.04),
        steps=3000,
        record=en.Record("x", at=[2999, 3000]),
    )
    amplitude = alpha * (1 - beta1) / (2 * (1 + beta1)) - eps / c
    before, after = (run["path"].sel(step=t).to_numpy() for t in (2999, 3000))
    np.testing.assert_allclose(np.abs(after), amplitude, rtol=1e-9)
    np.testing.assert_allclose(before, -after, rtol=1e-9)


# ---- starts


def drawn(start, dim, instances=20_000):
    """Starting points (instances, dim), as a run sees them."""
    return en.simulate(
        landscape=en.Quadratic(1.0, dim=dim), optimizer=en.GradientDescent(lr=0.1), start=start, instances=instances, steps=1,
        record=en.Record("x", at=[0]), backend="numpy", **DOUBLE,
    ).dataset["path"].to_numpy()[:, 0]  # fmt: skip


def follows(sample, law):
    return stats.kstest(sample, law).pvalue > 1e-4


@pytest.mark.parametrize("dim", [1, 2, 3, 10])
def test_starts_in_a_ball_fill_it_evenly(dim):
    x = drawn(en.Ball(radius=0.5, center=2.0), dim) - 2.0
    r = np.linalg.norm(x, axis=1) / 0.5
    assert follows(r**dim, "uniform")
    assert follows(x[:, 0] ** 2 / 0.25, stats.beta(0.5, (dim + 1) / 2).cdf)
    assert abs(z_of_mean(x[:, -1] > 0, 0.5, 0.25)) <= 4


@pytest.mark.parametrize("dim", [1, 2, 3, 10])
def test_starts_on_a_sphere_lie_on_it_evenly(dim):
    x = drawn(en.Sphere(radius=0.5, center=2.0), dim) - 2.0
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 0.5, rtol=1e-14)
    assert abs(z_of_mean(x[:, -1] > 0, 0.5, 0.25)) <= 4
    if dim > 1:
        assert follows(x[:, 0] ** 2 / 0.25, stats.beta(0.5, (dim - 1) / 2).cdf)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_starts_in_a_cloud_and_a_box_have_their_laws_in_every_coordinate(dim):
    low, high = np.arange(dim) - 3.0, np.arange(dim) * 2.0
    cloud = (drawn(en.NormalCloud(scale=0.3, center=low.tolist()), dim) - low) / 0.3
    box = (drawn(en.UniformBox(low=low.tolist(), high=high.tolist()), dim) - low) / (high - low)
    for k in range(dim):
        assert follows(cloud[:, k], "norm")
        assert follows(box[:, k], "uniform")
    if dim > 1:
        assert abs(np.corrcoef(cloud.T)[0, 1]) <= 4 / math.sqrt(len(cloud))
        assert abs(np.corrcoef(box.T)[0, 1]) <= 4 / math.sqrt(len(box))


def test_a_point_is_where_everyone_starts():
    assert (drawn(en.Point([1.5, -2.0]), 2, instances=7) == [1.5, -2.0]).all()
