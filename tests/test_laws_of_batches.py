"""Exact laws of stochastic gradients of finite sums: moments, epochs, edges of stability, floors, interpolation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import ensemble as en

MOST = 4.0
"""Standard errors."""


def path(landscape, optimizer, noise, steps, instances, at=None, start=None, **more):
    """The recorded points, (instances, times, dim), in float64."""
    every = list(range(steps + 1)) if at is None else at
    given = {"start": en.Point(start if start is not None else 0.0), "dtype": "float64", "progress": False, "seed": 5}
    result = en.simulate(
        landscape=landscape, optimizer=optimizer, noise=noise, steps=steps, instances=instances,
        record=en.Record(["x"], at=every), **(given | more),
    )  # fmt: skip
    return result.dataset["path"].to_numpy()


def z_scores(sample, expected):
    """Of means over the first axis."""
    off, spread = np.abs(sample.mean(axis=0) - expected), sample.std(axis=0, ddof=1) / math.sqrt(len(sample))
    return np.where(off < 1e-12 * (1 + np.abs(expected)), 0.0, off / np.maximum(spread, 1e-300))


def products(x):
    """X x^T of every point (..., dim)."""
    return x[..., :, None] * x[..., None, :]


def moments(a, y, x0, lr, batch, steps, distinct=False):
    """Mean and second moment (steps + 1, ...) of SGD on least squares: with z = (x, 1), ``E z z^T`` of a step from those before.

    x' = x - lr (H_B x - c_B): with G = E over batches of the whole map's second moment, from the samples' own.
    """
    n = len(a)
    h, c = a.T @ a / n, a.T @ y / n
    m, second = np.array(x0, dtype=float), np.outer(x0, x0)
    found = [(m, second)]
    share = 1 / batch * ((n - batch) / (n - 1) if distinct else 1.0)
    for _ in range(steps):
        g = h @ second - np.outer(c, m)
        one = (
            sum((r @ second @ r - 2 * t * (r @ m) + t * t) * np.outer(r, r) for r, t in zip(a, y, strict=True)) / n
        )  # E g_i g_i^T
        whole = h @ second @ h - np.outer(h @ m, c) - np.outer(c, h @ m) + np.outer(c, c)
        second = second - lr * (g + g.T) + lr**2 * (whole + (one - whole) * share)
        m = m - lr * (h @ m - c)
        found.append((m, second))
    return tuple(np.array(each) for each in zip(*found, strict=True))


DRAW = np.random.default_rng(3)
ROWS, TARGETS = DRAW.normal(size=(11, 3)), DRAW.normal(size=11)
FROM = (1.0, -0.5, 2.0)


def check_moments(order, batch, instances):
    noise = en.Minibatch(order="full") if batch is None else en.Minibatch(batch, order)
    x = path(en.LeastSquares(ROWS, TARGETS), en.GradientDescent(0.15), noise, 12, instances, start=FROM)
    size = 11 if batch is None else batch
    mean, second = moments(ROWS, TARGETS, FROM, 0.15, size, 12, order == "no_replacement" or batch is None)
    assert z_scores(x, mean).max() < MOST
    assert z_scores(products(x), second).max() < MOST


@pytest.mark.parametrize(
    ("order", "batch"), [("replacement", 1), ("replacement", 4), ("no_replacement", 4), ("", None)]
)
def test_moments_of_sgd_on_least_squares_are_exact_at_every_step(order, batch, cpu):
    check_moments(order, batch, 4000 if batch else 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("order", "batch"), [("replacement", 1), ("replacement", 4), ("no_replacement", 4), ("no_replacement", 11)]
)
def test_moments_of_sgd_on_least_squares_are_exact_for_many(order, batch, cpu):
    check_moments(order, batch, 40_000)


# ---- all orders, one by one


def ends(a, b, batches, lr, x0):
    """X after a pass with these batches, on the mean of ``a_i x^2/2 - b_i x``."""
    x = x0
    for batch in batches:
        x = x - lr * (a[batch] * x - b[batch]).mean()
    return x


def cut(order, batch):
    return [np.array(order[k : k + batch]) for k in range(0, len(order), batch)]


CURVED = np.array([0.5, 1.0, 1.5, 3.0, 2.0])
PULLS = np.array([1.0, -1.0, 0.5, 0.0, 2.0])


def squares(a, b):
    """The sum of ``a_i x^2/2 - b_i x`` as least squares, up to a constant."""
    return en.LeastSquares(np.sqrt(a)[:, None], b / np.sqrt(a))


@pytest.mark.parametrize("instances", [4000, pytest.param(40_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("batch", [1, 2])
def test_a_reshuffled_epoch_ends_as_the_enumeration_of_all_orders_says(batch, instances, cpu):
    """N = 5: with batches of two the last one has one sample and is its mean."""
    steps = -(-5 // batch)
    x = path(
        squares(CURVED, PULLS),
        en.GradientDescent(0.2),
        en.Minibatch(batch, "reshuffle"),
        steps,
        instances,
        [steps],
        0.7,
    )
    all_ends = np.sort([ends(CURVED, PULLS, cut(o, batch), 0.2, 0.7) for o in itertools.permutations(range(5))])
    distinct = all_ends[np.append(True, np.diff(all_ends) > 1e-9)]
    near = np.abs(x[:, 0] - distinct[None]).argmin(axis=1)
    assert np.abs(x[:, 0, 0] - distinct[near]).max() < 1e-12
    counts = np.bincount(near, minlength=distinct.size)
    share = np.array([(np.abs(all_ends - d) < 1e-9).sum() for d in distinct]) / 120
    chi = np.sum((counts - instances * share) ** 2 / (instances * share))
    assert abs(chi - distinct.size + 1) / math.sqrt(2 * (distinct.size - 1)) < MOST


def test_steps_without_replacement_are_those_of_the_enumeration(cpu):
    n, batch, lr = 5, 3, 0.2
    x = path(squares(CURVED, PULLS), en.GradientDescent(lr), en.Minibatch(batch, "no_replacement"), 2, 4000, [2], 0.7)
    chosen = [np.array(c) for c in itertools.combinations(range(n), batch)]
    every = np.array([ends(CURVED, PULLS, two, lr, 0.7) for two in itertools.product(chosen, repeat=2)])
    assert np.abs(x[:, 0] - every[None]).min(axis=1).max() < 1e-12
    assert z_scores(x[:, 0], every.mean()).max() < MOST
    assert z_scores(x[:, 0] ** 2, (every**2).mean()).max() < MOST


@pytest.mark.parametrize("instances", [4000, pytest.param(40_000, marks=pytest.mark.slow)])
def test_reshuffling_has_its_mean_and_variance_at_the_ends_of_epochs(instances, cpu):
    """Equal curvature a: the mean b/a exactly, the variance from the sum over places; with replacement 15 times as much."""
    a, b, lr = 1.3, np.array([1.0, -2.0, 0.5, 3.0, -1.0, 0.25]), 0.1
    f, epochs = squares(np.full(6, a), b), 20
    x = path(
        f, en.GradientDescent(lr), en.Minibatch(1, "reshuffle"), 6 * epochs, instances, [6 * epochs], b.mean() / a
    )[:, 0, 0]
    weights = (1 - lr * a) ** np.arange(6)
    variance = lr**2 * b.var(ddof=1) * ((weights**2).sum() - weights.sum() ** 2 / 6) / (1 - (1 - lr * a) ** 12)
    assert abs(variance - 0.00643716) < 1e-8
    variance *= 1 - (1 - lr * a) ** (12 * epochs)
    assert z_scores(x, b.mean() / a) < MOST
    assert z_scores((x - b.mean() / a) ** 2, variance) < MOST
    x = path(f, en.GradientDescent(lr), en.Minibatch(1), 60, instances, [60], b.mean() / a)[:, 0, 0]
    assert z_scores((x - b.mean() / a) ** 2, lr * b.var() / (a * (2 - lr * a)) * (1 - (1 - lr * a) ** 120)) < MOST


# ---- floors, edges, what is interpolated


def test_the_floor_of_a_constant_rate_is_the_autoregression_s(cpu):
    """``f_i = a (x - b_i)^2/2``: variance ``lr a var(b)/(B (2 - lr a))`` in the long run, from any start."""
    a, b, lr, batch = 2.0, np.array([0.0, 1.0, 3.0, -2.0]), 0.3, 2
    x = path(squares(np.full(4, a), a * b), en.GradientDescent(lr), en.Minibatch(batch), 200, 4000, [200], 9.0)[:, 0, 0]
    assert z_scores(x, b.mean()) < MOST
    assert z_scores((x - b.mean()) ** 2, lr * a * b.var() / (batch * (2 - lr * a))) < MOST


def mean_square_edge(a, batch):
    """The rate at which ``E (1 - lr a_B)^2`` is 1."""
    return 2 * a.mean() / (a.mean() ** 2 + a.var() / batch)


@pytest.mark.parametrize("batch", [1, 2])
def test_the_edge_of_stability_in_mean_square_is_where_it_is_said_to_be(batch):
    """Every batch of an interpolating problem, one by one: the mean square after a step from 1, at 0.999 and 1.001 of the edge."""
    a = np.array([0.2, 3.8, 1.0])
    f = squares(a, np.zeros(3))
    batches = np.array(list(itertools.product(range(3), repeat=batch)))
    step = f.batch_gradient(np.ones((len(batches), 1)), batches)
    for share in (0.999, 1.001):
        after = np.mean((1 - share * mean_square_edge(a, batch) * step) ** 2)
        assert (after < 1) == (share < 1)


@pytest.mark.slow
def test_the_edge_of_almost_sure_stability_is_where_the_mean_of_the_logarithm_is_zero(cpu):
    """``E log |1 - lr a|`` = 0: at 0.999 of the edge |x| falls in the long run, at 1.001 it rises."""
    a = np.array([0.2, 3.8])
    low, high = 0.53, 2.0
    while high - low > 1e-14:
        middle = (low + high) / 2
        low, high = (middle, high) if np.log(np.abs(1 - middle * a)).mean() < 0 else (low, middle)
    for share in (0.999, 1.001):
        x = path(squares(a, np.zeros(2)), en.GradientDescent(share * low), en.Minibatch(1), 200, 40_000, [200], 1e-8)
        logs = np.log(np.abs(x[:, 0, 0] / 1e-8)) / 200
        error = logs.std() / math.sqrt(logs.size)
        assert abs(logs.mean() - np.log(np.abs(1 - share * low * a)).mean()) < MOST * error
        assert logs.mean() / error < -3 if share < 1 else logs.mean() / error > 3


def test_sgd_leaves_the_minimum_that_gradient_descent_does_not_distinguish(cpu):
    """Wu, Ma and E: at lr = 0.7 both minima hold gradient descent; SGD with batch 1 ends at 0, whatever minimum it is near."""
    given = {
        "landscape": en.WuTwoMinima(),
        "optimizer": en.GradientDescent(0.7),
        "instances": 200,
        "steps": 2000,
        "dtype": "float64",
    }
    given |= {"start": en.UniformBox(0.999, 1.001), "progress": False}
    assert np.abs(en.simulate(**given).dataset["x"] - 1).max() < 1e-12
    assert np.abs(en.simulate(noise=en.Minibatch(1), **given).dataset["x"]).max() < 1e-6
    slow = given | {"optimizer": en.GradientDescent(0.3)}
    assert np.abs(en.simulate(noise=en.Minibatch(1), **slow).dataset["x"] - 1).max() < 1e-6


@pytest.mark.ci
def test_what_is_interpolated_is_the_solution_nearest_to_the_start(cpu):
    """SGD and heavy ball, in any order of samples, stay in the start and the span of the rows."""
    draw = np.random.default_rng(0)
    a, y = draw.normal(size=(3, 6)), draw.normal(size=3)
    x0 = draw.normal(size=6)
    nearest = x0 + np.linalg.pinv(a) @ (y - a @ x0)
    f = en.LeastSquares(a, y)
    for optimizer in (en.GradientDescent(0.05), en.HeavyBall(0.02)):
        for order in ("replacement", "reshuffle"):
            x = path(f, optimizer, en.Minibatch(1, order), 5000, 4, [5000], x0)
            assert np.abs(x - nearest).max() < 1e-9
    assert np.abs(path(f, en.Adam(0.01), None, 5000, 1, [5000], x0) - nearest).max() > 1e-2


def test_label_noise_flattens_by_an_exact_factor_each_step(cpu):
    """(u v - y)^2/2 with y = 1 +- sigma: u^2 - v^2 is multiplied by ``1 - lr^2 r^2``, r the residual of the sample seen."""

    @en.finite_sum(name="LabelNoise")
    def loss(x, sample):
        return 0.5 * (x[0] * x[1] - sample[0]) ** 2

    lr, sigma = 0.05, 0.5
    f = loss(data=np.array([[1 + sigma], [1 - sigma]]), dim=2)
    x = path(f, en.GradientDescent(lr), en.Minibatch(1), 400, 300, start=(2.0, 0.5))
    u, v = x[..., 0], x[..., 1]
    gap = u**2 - v**2
    factor = gap[:, 1:] / gap[:, :-1]
    residuals = (u * v)[:, :-1, None] - np.array([1 + sigma, 1 - sigma])
    off = np.abs(factor[:, :, None] - (1 - lr**2 * residuals**2))
    assert off.min(axis=2).max() < 1e-13
    assert 0.3 < (off[..., 0] < off[..., 1]).mean() < 0.7


@pytest.mark.ci
def test_adaptive_methods_err_on_every_fresh_negative_example_of_wilson_s_and_sgd_on_none(cpu):
    """From 0 with all samples AdaGrad without eps goes along sign(A^T y): it errs on no positive example and on every negative one."""
    f = en.Wilson(positive=6, negative=4)
    given = {"steps": 5000, "instances": 3, "at": [5000]}
    adaptive = path(f, en.AdaGrad(0.05, eps=0.0), None, **given)[0, 0]
    rows, labels = f.data()
    direction = np.sign(rows.T @ labels)
    np.testing.assert_allclose(adaptive, adaptive[0] * direction, atol=1e-9)
    np.testing.assert_allclose(rows @ adaptive, labels, atol=1e-9)
    assert f.errors(adaptive) == (False, True)
    others = (
        (en.GradientDescent(0.1), None),
        (en.GradientDescent(0.05), en.Minibatch(2)),
        (en.HeavyBall(0.01), en.Minibatch(1, "reshuffle")),
    )
    for optimizer, noise in others:
        x = path(f, optimizer, noise, **given)[:, 0]
        np.testing.assert_allclose(x @ rows.T, np.broadcast_to(labels, (3, 10)), atol=1e-6)
        assert not np.any(f.errors(x))


def test_the_covariance_of_a_batch_is_that_of_its_gradients(cpu):
    """``noise_covariance`` against many draws, and Tr(H S) against what a step adds to a quadratic's loss."""
    f, x0, lr = en.LeastSquares(ROWS, TARGETS), np.array(FROM), 0.1
    for order, batch in (("replacement", 2), ("no_replacement", 4)):
        found = en.statistics.noise_covariance(f, x0, batch, order=order)
        x = path(f, en.GradientDescent(lr), en.Minibatch(batch, order), 1, 4000, [1], FROM)[:, 0]
        off = (x - (x0 - lr * f.gradient(x0[None]))) / lr
        assert z_scores((off**2).sum(axis=1), float(found["trace"])) < MOST
        h = ROWS.T @ ROWS / 11
        assert z_scores(np.einsum("ni,ij,nj->n", off, h, off), float(found["trace_hessian"])) < MOST
        np.testing.assert_allclose(found["eigenvalues"].sum(), found["trace"])


def test_the_ratio_of_a_batch_s_noise_to_the_gradient_is_that_of_its_covariance():
    f, noise = en.LeastSquares(ROWS, TARGETS), en.Minibatch(2)
    given = {
        "landscape": f,
        "optimizer": en.GradientDescent(0.1),
        "noise": noise,
        "start": en.Point(FROM),
        "instances": 200,
    }
    ran = en.simulate(steps=1, dtype="float64", backend="numpy", record=en.Record(["x"], at=[0, 1]), **given)
    found = en.statistics.noise_to_signal(ran, f, noise, draws=50)["ratio"].sel(step=0).to_numpy()
    at_start = en.statistics.noise_covariance(f, FROM, 2)
    assert z_scores(found, float(at_start["trace"] / at_start["gradient_norm"] ** 2)) < MOST
    with pytest.raises(ValueError, match="no_replacement"):
        en.statistics.noise_to_signal(ran, f, en.Minibatch(2, "reshuffle"))
