"""Stationary laws, Eyring and Kramers' formula, heavy-tailed exits and laws of descent: printed numbers and other ways there."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

import ensemble as en
from ensemble.statistics import laws

WELLS = en.SharpFlat(sharp=4.0, flat=1.0, sharp_at=1.0, flat_at=2.0)
CROSSINGS = (-4.0, 0.0)  # beyond -4 the flat parabola is the lower one again


def slope(x):
    return WELLS.gradient(np.asarray(x)[:, None])[:, 0]


def curvature(x):
    return WELLS.hessian_diagonal(np.asarray(x)[:, None])[:, 0]


# Stationary laws


@pytest.mark.parametrize(("h", "lr", "sigma"), [(2.0, 0.1, 1.0), (1.0, 1.9, 0.3), (3.0, 0.01, 5.0)])
def test_the_stationary_law_on_a_quadratic_is_normal_with_the_exact_variance(h, lr, sigma):
    law = laws.stationary_law(lambda x: h * x, lr, sigma)
    variance = laws.sgd_variance(h, lr, sigma)
    assert law.variance == pytest.approx(variance, rel=1e-9)
    np.testing.assert_allclose(
        law.density, stats.norm.pdf(law.node, 0, np.sqrt(variance)), atol=1e-8 * law.density.max()
    )
    assert law.mass.tolist() == pytest.approx([1.0])


def test_white_noise_prefers_the_flat_well_by_the_exact_ratio():
    law = laws.stationary_law(slope, 0.05, math.sqrt(2 * 0.5 / 0.05), CROSSINGS)
    ratio = law.mass[2] / law.mass[:2].sum()
    assert ratio == pytest.approx(2.356602, abs=5e-7)
    assert law.error < 1e-9


def test_white_noise_tends_to_gibbs_law_as_the_rate_falls():
    def height(x):
        return min(2 * (x + 1) ** 2, (x - 2) ** 2 / 2)

    mass = [integrate.quad(lambda x: math.exp(-height(x) / 0.5), *ends)[0] for ends in ((-9, -4), (-4, 0), (0, 12))]
    gibbs = mass[2] / (mass[0] + mass[1])
    away = []
    for lr in (0.04, 0.02, 0.01):
        law = laws.stationary_law(slope, lr, math.sqrt(2 * 0.5 / lr), CROSSINGS)
        away.append(law.mass[2] / law.mass[:2].sum() - gibbs)
    # At least in proportion to the rate: the kink at the crossing keeps the first orders from standing alone.
    assert away[0] / away[1] > 2
    assert away[1] / away[2] > 2
    assert away[2] == pytest.approx(0, abs=0.05)


def test_hessian_aligned_noise_selects_exponentially_in_the_batch_size():
    slopes = []
    for lr in (0.1, 0.05, 0.02):
        batches = np.array([4.0, 5.0]) * lr / 2
        ratio = []
        for batch in batches:
            law = laws.stationary_law(slope, lr, lambda x, b=batch: np.sqrt(curvature(x) / b), CROSSINGS)
            ratio.append(law.mass[2] / law.mass[:2].sum())
        seen = np.diff(np.log(ratio)) / np.diff(batches)
        slopes.append(seen.item() / laws.hessian_aligned_selection(2.0, lr, 4.0, 1.0))
    assert np.all(np.diff(slopes) > 0) or np.ptp(slopes) < 0.02
    assert slopes[-1] == pytest.approx(1, abs=0.06)
    assert laws.hessian_aligned_selection(2.0, 0.05, 4.0, 1.0) == pytest.approx(2 * 2 / 0.05 * (1 - 1 / 4))


@pytest.mark.parametrize("noise", [en.Gaussian(sigma=math.sqrt(20.0)), en.HessianAligned(batch=0.08)])
def test_simulated_sgd_is_where_the_stationary_law_says(noise):
    run = en.simulate(
        landscape=WELLS, optimizer=en.GradientDescent(lr=0.05), noise=noise, start=en.Point(2.0),
        instances=4000, steps=1500, dtype="float64", backend="numpy", progress=False,
    )  # fmt: skip
    sigma = noise.sigma if isinstance(noise, en.Gaussian) else lambda x: np.sqrt(curvature(x) / 0.08)
    expected = laws.stationary_law(slope, 0.05, sigma, CROSSINGS).mass[2]
    share = float((run.dataset["x"] > 0).mean())
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / 4000)


# Kramers


def test_kramers_formula_is_the_one_dimensional_one_with_the_determinants_of_the_rest():
    assert laws.kramers_mean(0.25, 0.1, [2.0], [-1.0]) == pytest.approx(laws.double_well_mean_kramers(0.1))
    wide = laws.kramers_mean(0.25, 0.1, [2.0] + [3.0] * 900, [-1.0] + [3.0] * 900)
    assert wide == pytest.approx(laws.double_well_mean_kramers(0.1))
    narrow_pass = laws.kramers_mean(0.25, 0.1, [2.0, 1.0], [-1.0, 4.0])
    assert narrow_pass == pytest.approx(2 * laws.double_well_mean_kramers(0.1))


def test_kramers_formula_is_approached_as_the_temperature_falls():
    ratio = [laws.double_well_mean_continuous(t) / laws.kramers_mean(0.25, t, [2.0], [-1.0]) for t in (0.1, 0.05, 0.02)]
    assert 1.3 > ratio[0] > ratio[1] > ratio[2] > 1
    assert ratio[2] == pytest.approx(1, abs=0.05)


# Heavy tails


def test_normal_noise_as_a_stable_law_has_the_exact_mean():
    found = laws.stable_exit_mean(lambda x: x, 0.1, 1.0, 2.0, -0.5, 0.5, 0.0)
    assert found == pytest.approx(laws.mean_first_passage(lambda x: x, 0.1, math.sqrt(2), -0.5, 0.5, 0.0), rel=1e-6)


def test_cauchy_noise_leaves_by_single_jumps():
    assert laws.stable_exit_mean_asymptotic(0.05, 0.05, 1.0, 0.3) == pytest.approx(math.pi * 0.3 / (2 * 0.05 * 0.05))
    ratio = []
    for r in (0.03, 0.06, 0.12):
        exact = laws.stable_exit_mean(lambda x: x, 0.05, 0.05, 1.0, -r, r, 0.0)
        ratio.append(exact / laws.stable_exit_mean_asymptotic(0.05, 0.05, 1.0, r))
    assert ratio[0] < ratio[1] < ratio[2] < 1
    assert ratio[2] > 0.85  # 0.96 at r = 0.5: a jump need not be that long, for x is seldom at 0 exactly


@pytest.mark.parametrize("alpha", [1.0, 1.5])
def test_simulated_sgd_with_stable_noise_has_the_exact_mean_exit_time(alpha):
    run = en.simulate(
        landscape=en.Quadratic([1.0]), optimizer=en.GradientDescent(lr=0.1), start=en.Point(0.0),
        noise=en.AlphaStable(alpha=alpha, scale=0.5), event=en.LeftBall(0.4),
        instances=4000, steps=1000, dtype="float64", backend="numpy", progress=False,
    )  # fmt: skip
    time = run.dataset["event_step"].values
    assert time.min() > 0
    mean = laws.stable_exit_mean(lambda x: x, 0.1, 0.5, alpha, -0.4, 0.4, 0.0)
    assert abs(time.mean() - mean) < 4 * time.std() / math.sqrt(4000)


def test_the_tail_of_a_stable_law_is_scipys():
    for alpha in (0.7, 1.5):
        chance = 2 * stats.levy_stable.sf(200.0, alpha, 0.0)
        assert 1 / laws.stable_exit_mean_asymptotic(1.0, 1.0, alpha, 200.0) == pytest.approx(chance, rel=0.03)


# Descent without noise


def test_optimal_rates_at_condition_number_100_are_the_printed_ones():
    found = [tune(0.1, 10.0).factor for tune in (laws.gradient_descent_tuning, laws.heavy_ball_tuning)]
    assert found == pytest.approx([0.98019802, 0.81818182], abs=5e-9)
    assert laws.nesterov_tuning(0.1, 10.0).factor == pytest.approx(1 - 2 / math.sqrt(301))


@pytest.mark.parametrize("tune", [laws.gradient_descent_tuning, laws.heavy_ball_tuning, laws.nesterov_tuning])
def test_a_tuning_has_its_factor_as_spectral_radius_and_none_near_it_is_better(tune):
    m, big = 0.3, 20.0

    def radius(lr, beta):
        worst = 0.0
        for h in np.geomspace(m, big, 60):
            c = 1 - lr * h
            if tune is laws.nesterov_tuning:
                matrix = [[c * (1 + beta), -c * beta], [1, 0]]
            else:
                matrix = [[c + beta, -beta], [1, 0]]
            worst = max(worst, np.abs(np.linalg.eigvals(matrix)).max())
        return worst

    best = tune(m, big)
    # Double roots are as ill-conditioned as the root of the rounding.
    assert radius(best.lr, best.beta) == pytest.approx(best.factor, abs=1e-6)
    for a in (0.97, 1.0, 1.03):
        for b in (0.97, 1.0, 1.03) if best.beta else (1.0,):
            assert radius(best.lr * a, best.beta * b) > best.factor - 1e-6


def test_bounds_hold_for_gradient_descent_where_nothing_is_convex():
    f = en.PolyakLojasiewicz(dim=1)
    x = np.linspace(-6, 6, 101)[:, None]
    start = f.value(x)
    least = np.full_like(start, np.inf)
    for t in range(200):
        allowed = laws.polyak_lojasiewicz_bound(1 / 32, 8.0, t) * start
        assert (f.value(x) <= allowed * (1 + 1e-12) + 1e-300).all()
        g = f.gradient(x)
        least = np.minimum(least, g**2)
        for k in (10, 60):
            assert least[k] <= laws.smooth_gradient_bound(8.0, float(start[k, 0]), t + 1) * (1 + 1e-12)
        x = x - g / 8.0
    assert np.isinf(laws.smooth_gradient_bound(8.0, 1.0, 0))


def test_adam_stays_on_its_two_cycle():
    lr, beta1, beta2, eps, c = 0.1, 0.2, 0.5, 1e-3, 2.0
    amplitude = laws.adam_two_cycle(lr, beta1, eps, c)
    run = en.simulate(
        landscape=en.Quadratic([c]),
        optimizer=en.Adam(lr=lr, beta1=beta1, beta2=beta2, eps=eps),
        start=en.Point(0.3),
        record=en.Record("x", at=[999, 1000]),
        instances=1,
        steps=1000,
        dtype="float64",
        backend="numpy",
        progress=False,
    )
    a, b = run.dataset["path"].values.ravel()
    assert a == pytest.approx(-b)
    assert abs(a) == pytest.approx(amplitude, rel=1e-9)


def test_the_octopus_keeps_descent_ever_longer():
    passed = np.array([6, 21, 62, 173, 472])
    growth = np.diff(passed)[1:] / np.diff(passed)[:-1]
    assert laws.octopus_stage_growth(1.0, 1.0) == pytest.approx(growth[-1], abs=0.02)
    assert laws.octopus_stage_growth(1.0, 1.0) == pytest.approx(1 + math.log(2) / math.log(1.5))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: laws.stationary_law(slope, 0.1, 0.0), "sigma=0.0"),
        (lambda: laws.stationary_law(slope, -0.1, 1.0), "lr=-0.1"),
        (lambda: laws.stationary_law(slope, 0.1, 1.0, [1, 0]), r"breaks=\[1, 0\]; give finite points in rising order"),
        (lambda: laws.stationary_law(lambda x: -x, 0.1, 1.0), "running away"),
        (lambda: laws.stationary_law(slope, 0.1, lambda x: 0 * x), "give positive, finite noise at every x"),
        (lambda: laws.hessian_aligned_selection(0, 0.1, 1, 1), "barrier=0"),
        (lambda: laws.kramers_mean(1, 0.1, [1.0], [1.0]), "exactly one negative"),
        (lambda: laws.kramers_mean(1, 0.1, [1.0, 2.0], [-1.0]), "all eigenvalues at both"),
        (lambda: laws.stable_exit_mean(np.sin, 0.1, 1, 0.3, -1, 1, 0), "alpha=0.3"),
        (
            lambda: laws.stable_exit_mean(lambda x: np.sign(np.sin(1e4 * x)), 0.1, 0.05, 1, -1, 1, 0),
            "a smoother gradient",
        ),
        (lambda: laws.stable_exit_mean(np.sin, 0.1, 1, 1, -math.inf, 1, 0), "give finite numbers"),
        (lambda: laws.stable_exit_mean_asymptotic(0.1, 1, 2, 1), "alpha=2"),
        (lambda: laws.gradient_descent_tuning(2, 1), "curvatures from 2 to 1"),
        (lambda: laws.polyak_lojasiewicz_bound(1, 2, -1), "smallest t=-1"),
        (lambda: laws.smooth_gradient_bound(1, -2, 1), "gap=-2"),
        (lambda: laws.adam_two_cycle(0.1, 0.9, 1.0, 1.0), "eps=1.0 is too large"),
        (lambda: laws.adam_two_cycle(0.1, 1.0, 0.0, 1.0), "beta1=1.0"),
        (lambda: laws.octopus_stage_growth(0, 1), "smoothness=0"),
    ],
)
def test_what_has_no_law_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
