"""Every noise against its law, and the same bits on numpy and cpu."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import ensemble as en

DRAWS = 1_000_000
FIRST32 = ["float32", pytest.param("float64", marks=pytest.mark.slow)]
FIRST64 = ["float64", pytest.param("float32", marks=pytest.mark.slow)]
DIM = 8
"""Coordinates that take one million draws in 125,000 instances."""


def noise_of(
    noise, curvature=0.0, at=0.0, dim=DIM, draws=DRAWS, dtype="float32", steps=1, lr=1.0, backend="cpu", **more
):
    """What one step of descent at rate 1 adds, (instances, dim): minus the gradient that the optimizer saw."""
    found = en.simulate(
        landscape=en.Quadratic(curvature, dim=None if np.ndim(curvature) else dim),
        optimizer=en.GradientDescent(lr=lr),
        noise=noise,
        start=en.Point(at),
        event=en.Never(),
        instances=draws // dim,
        steps=steps,
        seed=5,
        backend=backend,
        dtype=dtype,
        progress=False,
        **more,
    )
    return np.asarray(found.dataset["x"], dtype=np.float64) - at


def fits_moments(g, mean, variance, kurtosis):
    """Whether mean and covariance (dim, dim) of g (draws, dim), coordinates independent, are within 4 standard errors."""
    n, dim = g.shape
    mean, variance = np.broadcast_to(mean, dim), np.broadcast_to(variance, dim)
    assert (np.abs(g.mean(axis=0) - mean) <= 4 * np.sqrt(variance / n)).all()
    covariance = np.cov(g.T)
    spread = np.sqrt(np.outer(variance, variance) / n)
    spread[np.diag_indices(dim)] *= np.sqrt(kurtosis - 1)
    assert (np.abs(covariance - np.diag(variance)) <= 4.5 * spread + 20 / n * variance.max()).all()
    return True


def tail_fits(x, survival, levels=(1e-2, 1e-3, 1e-4)):
    """Whether |x| exceeds the law's high quantiles as often as it should; ``survival`` is of one side of a symmetric law."""
    x = np.abs(x.ravel())
    for level in levels:
        beyond = (x > survival(level / 2)).mean()
        assert abs(beyond - level) <= 4 * np.sqrt(level / x.size), (level, beyond)
    return True


SIZES = np.linspace(0.0, 2.0, DIM)


def test_diagonal_gaussian_has_its_own_size_in_each_coordinate(cpu):
    assert fits_moments(noise_of(en.DiagonalGaussian(tuple(SIZES))), 0, SIZES**2, 3)
    some = {"draws": 1000, "math": "precise"}
    assert np.array_equal(noise_of(en.DiagonalGaussian(0.7), **some), noise_of(en.Gaussian(0.7), **some))


def test_hessian_aligned_noise_has_the_hessian_over_the_batch_as_covariance(cpu):
    h = np.array([-2.0, -0.5, 0.0, 0.25, 0.5, 1.0, 2.0, 3.0])
    assert fits_moments(noise_of(en.HessianAligned(batch=8), h), 0, np.abs(h) / 8, 3)


def test_the_batch_of_hessian_aligned_noise_may_be_a_schedule(cpu):
    batch = en.ExponentialDecay(1.0, 0.25)  # 1, then 1/4: variances h and 4 h
    curvature = 1e-3  # so small that the first step's noise stays where it is
    g = noise_of(en.HessianAligned(batch), curvature, draws=200_000, steps=2)
    factors = [curvature / float(b) for b in batch(np.array([1.0, 2.0]))]
    assert np.isclose(factors[1], 4 * factors[0])
    assert fits_moments(g, 0, factors[0] * (1 - curvature) ** 2 + factors[1], 3)


def test_gaussian_noise_may_follow_a_growing_batch(cpu):
    sigma = en.PerBatch(0.6, en.StepDecay(1.0, factor=4.0, every=1))  # batches of 1, 4, 16
    assert sigma(np.array([1.0, 2.0, 3.0])).tolist() == [0.6, 0.3, 0.15]
    g = noise_of(en.Gaussian(sigma), draws=400_000, steps=3)
    assert fits_moments(g, 0, 0.6**2 * (1 + 1 / 4 + 1 / 16), 3)
    some = {"draws": 1000, "math": "precise", "steps": 3}
    assert np.array_equal(noise_of(en.Gaussian(en.Constant(0.7)), **some), noise_of(en.Gaussian(0.7), **some))
    with pytest.raises(ValueError, match="the batch is 0; give a size above 0"):
        en.PerBatch(1.0, en.LinearDecay(1.0, steps=2))(np.array([1.0, 3.0]))


def test_multiplicative_noise_is_in_proportion_to_the_gradient(cpu):
    h = np.array([0.0, 0.5, 1.0, 2.0, -1.0, -2.0, 3.0, 4.0])
    assert fits_moments(noise_of(en.Multiplicative(0.5), h, at=2.0), -2 * h, h**2, 3)


def test_rademacher_noise_takes_two_values_equally_often(cpu):
    g = noise_of(en.Rademacher(0.5))
    assert set(np.unique(g)) == {-0.5, 0.5}
    assert fits_moments(g, 0, 0.25, 1)


@pytest.mark.parametrize("dtype", FIRST32)
@pytest.mark.parametrize("df", [1.0, 2.5, 30.0, 1e6])
def test_student_t_noise_has_student_s_law(cpu, df, dtype):
    g = noise_of(en.StudentT(df, scale=0.5), dtype=dtype) / 0.5
    law = stats.t(df)
    assert stats.kstest(g.ravel()[:200_000], law.cdf).pvalue > 1e-4
    assert tail_fits(g, law.isf)
    assert abs(np.corrcoef(np.arctan(g[:, :2]).T)[0, 1]) <= 4 / np.sqrt(len(g))
    if df > 4:
        assert fits_moments(g, 0, df / (df - 2), 3 + 6 / (df - 4))


STABLE = {1.0: stats.cauchy, 2.0: stats.norm(scale=np.sqrt(2))}


@pytest.mark.parametrize("dtype", FIRST32)
@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.3, 1.7, 2.0])
def test_alpha_stable_noise_has_its_characteristic_function_and_tail(cpu, alpha, dtype):
    scale = 0.5
    g = noise_of(en.AlphaStable(alpha, scale), dtype=dtype).ravel() / scale
    g = g[np.isfinite(g)]  # an alpha of 1/2 passes the bound of divergence about once in 1e9 draws
    assert g.size > 0.9999 * DRAWS
    for t in (0.05, 0.3, 1.0, 2.0, 3.0):
        expected = np.exp(-(t**alpha))
        error = np.sqrt((1 + np.exp(-((2 * t) ** alpha)) - 2 * expected**2) / 2 / g.size)
        assert abs(np.cos(t * g).mean() - expected) <= 4 * error, t
        assert abs(np.sin(t * g).mean()) <= 4 / np.sqrt(2 * g.size)
    if alpha in STABLE:
        assert stats.kstest(g[:200_000], STABLE[alpha].cdf).pvalue > 1e-4
        assert tail_fits(g, STABLE[alpha].isf)
    elif alpha < 2:  # P(|s| > r) -> 2 sin(pi a/2) gamma(a) / pi r^-a
        from scipy.special import gamma

        r = 1e8 ** (1 / (2 * alpha))
        expected = 2 * np.sin(np.pi * alpha / 2) * gamma(alpha) / np.pi / r**alpha
        assert abs((np.abs(g) > r).mean() - expected) <= 4 * np.sqrt(expected / g.size) + 0.05 * expected


def test_alpha_stable_quantiles_are_those_of_scipy(cpu):
    g = noise_of(en.AlphaStable(1.5), draws=400_000).ravel()
    for level in (0.6, 0.75, 0.9, 0.99):
        at = stats.levy_stable.ppf(level, 1.5, 0.0)
        assert abs((g > at).mean() - (1 - level)) <= 4 * np.sqrt(level * (1 - level) / g.size)


@pytest.mark.parametrize("alpha", [1.0, 1.5])
def test_alpha_stable_sgd_on_a_bowl_has_the_stationary_scale(cpu, alpha):
    """x_t is a sum of (1 - lr h)^k lr sigma s_k, so its scale to the alpha is the sum of theirs."""
    lr, h, sigma = 0.3, 1.0, 0.2
    x = noise_of(en.AlphaStable(alpha, sigma), h, steps=60, lr=lr, draws=400_000).ravel()
    scale = lr * sigma / (1 - abs(1 - lr * h) ** alpha) ** (1 / alpha)
    for t in (0.3, 1.0, 2.0):
        expected = np.exp(-(t**alpha))
        error = np.sqrt((1 + np.exp(-((2 * t) ** alpha)) - 2 * expected**2) / 2 / x.size)
        assert abs(np.cos(t / scale * x).mean() - expected) <= 4 * error


def test_spikes_are_rare_and_large_and_keep_the_mean(cpu):
    probability, size = 0.05, 9.0
    g = noise_of(en.Spikes(probability, size), 1.0, at=-1.0, dim=2, draws=2_000_000)
    usual = 1 - size * probability / (1 - probability)
    assert np.array_equal(g[:, 0], g[:, 1])  # once per instance, not per coordinate
    spiked = g[:, 0] > 5
    assert np.allclose(g[spiked], 1 + size)
    assert np.allclose(g[~spiked], usual)
    assert abs(spiked.mean() - probability) <= 4 * np.sqrt(probability * (1 - probability) / spiked.size)
    deviation = np.sqrt(probability * (1 - probability)) * (1 + size - usual)
    assert abs(g[:, 0].mean() - 1) <= 4 * deviation / np.sqrt(len(g))


# ---- sums: by the specification, whose bits every backend has


def sum_of(noise, *given, **more):
    return noise_of(noise, *given, backend="numpy", **more)


@pytest.mark.parametrize(
    ("noise", "variance", "kurtosis"),
    [
        (en.Gaussian(0.3) + en.Gaussian(0.4), 0.25, 3),  # one draw for both would give 0.49
        (en.Rademacher(0.6) + en.Rademacher(0.8), 1.0, 3 - 2 * (0.6**4 + 0.8**4)),
        (en.Gaussian(0.3) + (en.Gaussian(0.4) + en.Gaussian(1.2)), 1.69, 3),
        (en.Gaussian(0.3) + en.Gaussian(0.4) + en.DiagonalGaussian(tuple(SIZES)), 0.25 + SIZES**2, 3),
        (en.HessianAligned(batch=4.0) + en.Gaussian(0.5), 0.25 + 0.25, 3),
    ],
    ids=["two of a kind", "bits", "nested", "left", "aligned"],
)
def test_the_variances_of_added_noises_add(noise, variance, kurtosis):
    curvature = 1.0  # of which the gradient at 0 is 0
    assert fits_moments(sum_of(noise, curvature), 0, variance, kurtosis)


@pytest.mark.parametrize("dim", [1, 2])
def test_added_noises_draw_anew_where_one_block_serves_several_steps(dim):
    """The sum over four steps; a block of one in place of the other's would correlate them."""
    g = sum_of(en.Gaussian(0.3) + en.Gaussian(0.4), dim=dim, steps=4, draws=400_000)
    assert fits_moments(g.reshape(-1, dim), 0, 4 * 0.25, 3)
    some = {"dim": dim, "draws": 400, "steps": 7, "math": "precise"}
    one, both = sum_of(en.Gaussian(0.3), **some), sum_of(en.Gaussian(0.3) + en.Rademacher(0.0), **some)
    np.testing.assert_array_equal(one, both)


def test_noises_in_proportion_to_the_gradient_add_and_do_not_multiply():
    h = np.array([0.0, 0.5, 1.0, 2.0, -1.0, -2.0, 3.0, 4.0])
    noise = en.Multiplicative(0.3) + en.Multiplicative(0.4) + en.Gaussian(0.5)
    assert fits_moments(sum_of(noise, h, at=2.0), -2 * h, 0.25 * (2 * h) ** 2 + 0.25, 3)  # else 0.25 + 0.0144 and more
    spiked = sum_of(en.Spikes(0.05, 9.0) + en.Spikes(0.05, 9.0), 1.0, at=-1.0, dim=2)
    usual = 1 - 9 * 0.05 / 0.95
    values, counts = np.unique(spiked[:, 0].round(4), return_counts=True)
    np.testing.assert_allclose(values, [1 + 2 * (usual - 1), 1 + 9 + usual - 1, 1 + 9 + 9], atol=1e-4)
    expected = len(spiked) * np.array([0.95**2, 2 * 0.95 * 0.05, 0.05**2])
    assert (np.abs(counts - expected) <= 4 * np.sqrt(expected)).all()


def test_added_stable_noises_are_stable():
    """Scales to the power alpha add."""
    g = sum_of(en.AlphaStable(1.5, 0.3) + en.AlphaStable(1.5, 0.4)).ravel()
    scale = (0.3**1.5 + 0.4**1.5) ** (1 / 1.5)
    for t in (0.3, 1.0, 2.0):
        expected = np.exp(-(t**1.5))
        error = np.sqrt((1 + np.exp(-((2 * t) ** 1.5)) - 2 * expected**2) / 2 / g.size)
        assert abs(np.cos(t / scale * g).mean() - expected) <= 4 * error


def test_the_first_of_a_sum_draws_what_it_would_draw_alone_and_nothing_added_changes_nothing():
    some = {"draws": 1000, "math": "precise", "dtype": "float64"}
    alone, small = sum_of(en.Gaussian(0.7), **some), sum_of(en.Gaussian(0.7) + en.Rademacher(1e-9), **some)
    np.testing.assert_allclose(np.abs(small - alone), 1e-9, rtol=1e-5)
    assert en.Gaussian(0.7) + en.NoNoise() == en.NoNoise() + en.Gaussian(0.7) == en.Gaussian(0.7)
    assert sum([en.Gaussian(0.1), en.Rademacher(0.2)], en.NoNoise()) == en.Gaussian(0.1) + en.Rademacher(0.2)


def test_the_order_of_brackets_changes_rounding_alone():
    a, b, c = en.Gaussian(0.7), en.StudentT(3.0), en.Gaussian(0.2)
    left, right = (sum_of(n, draws=1000, dtype="float64") for n in ((a + b) + c, a + (b + c)))
    np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-14)


def test_a_sum_has_grids_and_schedules_inside_and_is_written_and_read(tmp_path):
    noise = en.Gaussian(en.grid(0.1, 0.2)) + en.AlphaStable(en.grid(1.2, 1.8), 0.01) + en.Gaussian(en.Cosine(0.3, 20))
    result = en.simulate(
        landscape=en.QuarticSaddle(dim=3), optimizer=en.GradientDescent(0.1), noise=noise, start=en.NormalCloud(0.1),
        instances=6, steps=20, backend="numpy", progress=False,
    )  # fmt: skip
    assert result.dataset["x"].dims == ("sigma", "alpha", "instance", "coordinate")
    result.save(tmp_path / "sum.nc")
    again = en.load(tmp_path / "sum.nc")
    assert again.settings[""].noise == noise
    assert again.resume(25).dataset["x"].equals(result.resume(25).dataset["x"])
    alone = en.Gaussian(0.2) + en.AlphaStable(1.8, 0.01) + en.Gaussian(en.Cosine(0.3, 20))
    one = en.simulate(
        landscape=en.QuarticSaddle(dim=3), optimizer=en.GradientDescent(0.1), noise=alone, start=en.NormalCloud(0.1),
        instances=6, steps=20, backend="numpy", progress=False,
    )  # fmt: skip
    assert np.array_equal(one.dataset["x"], result.dataset["x"].sel(sigma=0.2, alpha=1.8))


# ---- the same bits

EVERY = [
    en.Gaussian(en.grid(0.1, en.PerBatch(0.3, en.StepDecay(1.0, factor=2.0, every=5)))),
    en.DiagonalGaussian(tuple(np.linspace(0.0, 0.3, 9))),
    en.HessianAligned(batch=en.Cosine(16.0, 40)),
    en.Multiplicative(0.5),
    en.Rademacher(en.grid(0.1, 0.2)),
    en.StudentT(en.grid(1.5, 40.0), 0.2),
    en.AlphaStable(en.grid(0.8, 1.0, 1.5, 2.0), 0.05),
    en.Spikes(0.1, en.grid(3.0, 5.0)),
    en.Gaussian(en.grid(0.1, en.Cosine(0.3, 20))) + (en.HessianAligned(en.grid(8.0, 9.0)) + en.Multiplicative(0.5)),
]


OFTEN = (en.HessianAligned, en.StudentT, en.AlphaStable, en.Superposition)  # every noise has a run in test_bits.py
SOME = [n if isinstance(n, OFTEN) else pytest.param(n, marks=pytest.mark.slow) for n in EVERY]


@pytest.mark.parametrize("dtype", FIRST64)
@pytest.mark.parametrize("noise", SOME, ids=lambda n: type(n).__name__)
def test_numpy_and_cpu_agree_to_the_bit(cpu, noise, dtype):
    numpy, compiled = (
        en.simulate(
            landscape=en.QuarticSaddle(dim=9, unstable=4),
            optimizer=en.Nesterov(lr=0.05),
            noise=noise,
            start=en.NormalCloud(scale=0.5),
            event=en.LeftBall(3.0),
            instances=60,
            steps=30,
            backend=backend,
            dtype=dtype,
            math="precise",
            progress=False,
        ).dataset
        for backend in ("numpy", "cpu")
    )
    for name in ("x", "event_step", "diverged_step"):
        assert np.array_equal(numpy[name], compiled[name], equal_nan=True), name


@pytest.mark.parametrize("dim", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_sums_have_the_same_bits_in_mixed_tiles_where_one_block_serves_several_steps(cpu, dim):
    one, other = (
        en.simulate(
            landscape=en.Quadratic(1.0, dim=dim),
            optimizer=en.HeavyBall(0.1),
            noise=en.Gaussian(en.grid(0.1, 0.2)) + (en.Gaussian(0.4) + en.Gaussian(en.grid(0.3, 0.5))),
            start=en.Point(1.0),
            instances=3,
            steps=11,
            math="precise",
            dtype="float64",
            paired=False,
            backend=backend,
            progress=False,
        ).dataset
        for backend in ("numpy", "cpu")
    )
    assert '"mixed_tiles": true' in other.attrs["launch"]
    assert np.array_equal(one["x"], other["x"])


@pytest.mark.parametrize(
    "noise",
    [pytest.param(en.StudentT(2.0), marks=pytest.mark.slow), en.AlphaStable(1.5), en.Rademacher(1.0)],
    ids=lambda n: type(n).__name__,
)
@pytest.mark.parametrize("dim", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_few_coordinates_draw_anew_at_every_step(cpu, noise, dim):
    """Their normals share a block over some steps; words do not, and no draw may be another's."""
    two = noise_of(noise, dim=dim, draws=200, steps=2)
    one = noise_of(noise, dim=dim, draws=200, steps=1)
    second = two - one
    assert not np.isclose(second, one).all()
    assert len(np.unique(second)) > (1 if isinstance(noise, en.Rademacher) else 150)


# ---- refusals


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: en.AlphaStable(0.0), r"AlphaStable\(alpha=0.0\): alpha must be a number greater than 0 and at most 2"),
        (lambda: en.AlphaStable(2.5), "at most 2"),
        (lambda: en.StudentT(0.0), "df must be a number greater than 0"),
        (lambda: en.Spikes(1.0, 2.0), "probability must be a number from 0 up to but not including 1"),
        (lambda: en.Spikes(0.1, -1.0), "size must be a number of at least 0"),
        (lambda: en.Rademacher(-1.0), "sigma must be"),
        (lambda: en.HessianAligned(0.0), "batch must be a number greater than 0"),
        (lambda: en.DiagonalGaussian([1.0, -1.0]), "sigma must be a number of at least 0"),
        (
            lambda: en.Superposition(en.Gaussian(0.1), en.Adam()),
            r"Superposition\(second=Adam\(.*second must be a noise",
        ),
        (lambda: en.Superposition(0.5, en.Gaussian(0.1)), "first must be a noise"),
        (lambda: sum([en.Gaussian(0.1)] * 17, en.NoNoise()), "17 noises were added; give at most 16"),
    ],
)
def test_what_no_noise_can_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_what_is_no_noise_cannot_be_added_to_one():
    with pytest.raises(TypeError, match=r"unsupported operand type\(s\) for \+: 'Gaussian' and 'float'"):
        en.Gaussian(0.1) + 0.1


def test_a_noise_with_another_number_of_coordinates_is_refused():
    with pytest.raises(ValueError, match="one number or 8, the landscape's dimension"):
        noise_of(en.DiagonalGaussian((1.0, 2.0)))
    with pytest.raises(ValueError, match="one number or 8, the landscape's dimension"):
        noise_of(en.Gaussian(0.1) + en.DiagonalGaussian((1.0, 2.0)))
