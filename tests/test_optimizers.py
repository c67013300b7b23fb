"""Every optimizer against an implementation that nobody here wrote, or the paper's formulas derived again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ensemble as en

GOLDEN = np.load(Path(__file__).parent / "golden" / "optimizers.npz")
STEPS, START = GOLDEN["steps"], GOLDEN["start"]
LANDSCAPE = en.Rosenbrock(dim=5, b=3.0)
RISING = en.LinearDecay(0.5, 200, final=0.99)

AGAINST_LIBRARIES = {
    "sgd": en.GradientDescent(0.01),
    "sgd momentum": en.HeavyBall(0.003),
    "sgd nesterov": en.Nesterov(0.003, shifted=True),
    "sgd weight decay": en.L2(en.GradientDescent(0.01), weight_decay=0.1),
    "sgd momentum weight decay": en.L2(en.HeavyBall(0.003), weight_decay=0.1),
    "adagrad": en.AdaGrad(0.1, eps_inside_root=False),
    "rmsprop": en.RMSProp(0.0004, eps_inside_root=False),
    "adadelta": en.Adadelta(0.5),
    "adam": en.Adam(0.01),
    "adam amsgrad": en.AMSGrad(0.01),
    "adam weight decay": en.AdamL2(0.01, weight_decay=0.1),
    "adamw": en.AdamW(0.01, weight_decay=0.1),
    "adam cosine": en.Adam(en.Cosine(0.002, steps=300)),
    "sgd step decay": en.GradientDescent(en.StepDecay(0.01, factor=0.5, every=70)),
    "adamw exponential": en.AdamW(en.ExponentialDecay(0.02, factor=0.99), weight_decay=0.1),
    "rmsprop linear": en.RMSProp(en.LinearDecay(0.0008, steps=200, final=0.00008), eps_inside_root=False),
    "adam warmup": en.Adam(en.Warmup(en.Constant(0.02), steps=50)),
    "sgd clip value": en.ClipValue(en.HeavyBall(0.01), limit=0.5),
    "optax clip norm": en.Clip(en.HeavyBall(0.01), norm=1.5),
    "optax adam eps_root": en.Adam(0.01, eps=1e-4, eps_inside_root=True),
    "optax amsgrad": en.AMSGrad(0.01, max_of_corrected=True),
    "optax adagrad": en.AdaGrad(0.1, eps=1e-7),
    "optax rmsprop": en.RMSProp(0.0004),
    "optax adadelta": en.Adadelta(0.5),
    "optax ema momentum": en.Momentum(0.02),
    "optax lion": en.Lion(0.002, weight_decay=0.1),
    "optax sign": en.SignSGD(0.002),
    "optax nesterov": en.Nesterov(0.003, shifted=True),
    "optax adamw warmup cosine": en.AdamW(en.Cosine(0.01, steps=250, warmup=50), weight_decay=0.1),
    "optax weight decay": en.WeightDecay(en.HeavyBall(0.003), lr=0.003, weight_decay=0.1),
    "optax sam": en.SAM(en.GradientDescent(0.003), rho=0.05),
    "adamw decaying less": en.AdamW(0.01, weight_decay=en.InverseTime(0.2, k=0.01)),
    "sgd decaying less": en.L2(en.HeavyBall(0.003), weight_decay=en.InverseTime(0.2, k=0.01)),
    "sgd clipped less": en.Clip(en.HeavyBall(0.01), norm=en.LinearDecay(1.0, 200, final=2.0)),
    "nadam": en.NAdam(0.01),
    "radam": en.RAdam(0.01),
    "adamax": en.Adamax(0.01),
    "lbfgs": en.LBFGS(0.3),
    "sgd rising momentum": en.HeavyBall(0.003, beta=en.LinearDecay(0.5, 200, final=0.9)),
    "rmsprop rising": en.RMSProp(0.0004, rho=RISING, eps_inside_root=False),
    "adadelta rising": en.Adadelta(0.5, rho=RISING),
    "optax lion rising": en.Lion(0.002, beta1=en.LinearDecay(0.5, 200, final=0.9), weight_decay=0.1),
    "optax backtracking": en.Armijo(0.3),
    "optax adabelief": en.AdaBelief(0.002),
    "optax lookahead": en.Lookahead(en.Adam(0.01), period=6, alpha=0.5),
    "optax schedule-free sgd": en.ScheduleFree(en.GradientDescent(0.005)),
    "optax schedule-free adam": en.ScheduleFree(en.Adam(0.02, beta1=0.0)),
    "adam one cycle": en.Adam(en.OneCycle(0.01, steps=300)),
    "adam warm restarts": en.Adam(en.WarmRestarts(0.005, first=40, factor=2, final=0.0001)),
    "sgd multi step": en.GradientDescent(en.Piecewise([0.01, 0.005, 0.0025], at=[80, 200])),
    "optax sam adam": en.SAM(en.Adam(0.01), rho=0.05),
}

MATRIX = np.array([-0.7, 0.9, 0.3, -0.2, 1.1, 0.5])
OF_MATRICES = {
    "muon tall": en.WeightDecay(en.Muon(0.002, row_length=2), lr=0.002, weight_decay=0.1),
    "muon wide": en.Muon(0.002, row_length=3, beta=0.9, nesterov=False),
}
"""On six coordinates, from a start of their own."""


def path_of(
    optimizer: en.Optimizer, landscape: en.Landscape = LANDSCAPE, start: np.ndarray = START, **more
) -> np.ndarray:
    """The path (kept steps, dim) of one float64 instance on the numpy backend."""
    result = en.simulate(
        landscape=landscape,
        optimizer=optimizer,
        start=en.Point(start),
        instances=1,
        steps=int(STEPS[-1]),
        record=en.Record(["x"], at=list(STEPS)),
        dtype="float64",
        backend="numpy",
        **more,
    )
    return result.dataset["path"].to_numpy()[0]


def close(ours: np.ndarray, theirs: np.ndarray, bound: float = 1e-12) -> None:
    """Over the whole path. The rates are small enough that no path has entered its final jitter around a minimum, where
    steps no longer shrink with the gradient and a difference in the last bit grows to the size of a step.
    """
    scale = np.abs(theirs).max()
    assert np.abs(ours - theirs).max() / scale < bound


# optax evaluates its schedules in float32, also where everything else is float64.
LOOSER = {
    "optax adamw warmup cosine": 1e-6,
    "optax adabelief": 1e-10,
}  # the latter takes the difference of nearly equal numbers


@pytest.mark.parametrize("name", AGAINST_LIBRARIES)
def test_an_optimizer_takes_the_librarys_path(name: str) -> None:
    close(path_of(AGAINST_LIBRARIES[name]), GOLDEN[name], LOOSER.get(name, 1e-12))


@pytest.mark.parametrize("name", OF_MATRICES)
def test_a_rule_of_matrices_takes_the_librarys_path(name: str) -> None:
    close(path_of(OF_MATRICES[name], en.Rosenbrock(dim=6, b=3.0), MATRIX), GOLDEN[name])


def test_every_golden_path_is_used() -> None:
    assert set(AGAINST_LIBRARIES) | set(OF_MATRICES) == set(GOLDEN.files) - {"versions", "steps", "start"}


# ---- the authors' formulas, derived again


def gradient(x: np.ndarray) -> np.ndarray:
    g = np.zeros_like(x)
    g[:-1] += -12.0 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2.0 * (1.0 - x[:-1])
    g[1:] += 6.0 * (x[1:] - x[:-1] ** 2)
    return g


def walked(rule) -> np.ndarray:
    """The path of a rule (x, t) -> x, kept where the golden paths are."""
    x, path = START.copy(), [START.copy()]
    for t in range(1, int(STEPS[-1]) + 1):
        x = rule(x, t)
        path.append(x.copy())
    return np.array(path)[STEPS]


def test_nesterov_evaluates_the_gradient_ahead() -> None:
    v = np.zeros(5)

    def rule(x: np.ndarray, t: int) -> np.ndarray:
        nonlocal v
        v = 0.9 * v - 0.003 * gradient(x + 0.9 * v)
        return x + v

    close(path_of(en.Nesterov(0.003)), walked(rule))


def test_adagrad_rms_divides_by_the_root_of_the_mean_square() -> None:
    squares = []

    def rule(x: np.ndarray, t: int) -> np.ndarray:
        g = gradient(x)
        squares.append(g**2)
        return x - 0.01 * g / (np.sqrt(np.mean(squares, axis=0)) + 1e-10)

    close(path_of(en.AdaGradRMS(0.01)), walked(rule))


def test_rmsprop_momentum_is_adam_without_correction() -> None:
    m, s = np.zeros(5), np.zeros(5)

    def rule(x: np.ndarray, t: int) -> np.ndarray:
        nonlocal m, s
        g = gradient(x)
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
        return x - 0.001 * m / np.sqrt(s + 1e-8)

    close(path_of(en.RMSPropMomentum(0.001)), walked(rule))


@pytest.mark.parametrize("kind", [en.Adam, en.AdamW, en.AdamL2])
def test_adam_and_its_relatives_leave_their_moments_as_they_are_where_asked(kind) -> None:
    m, v = np.zeros(5), np.zeros(5)
    coupled, decoupled = (0.1 if kind is k else 0.0 for k in (en.AdamL2, en.AdamW))

    def rule(x: np.ndarray, t: int) -> np.ndarray:
        nonlocal m, v
        g = gradient(x) + coupled * x
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        return x - 0.002 * decoupled * x - 0.002 * m / (np.sqrt(v) + 1e-8)

    decay = {} if kind is en.Adam else {"weight_decay": 0.1}
    close(path_of(kind(0.002, bias_correction=False, **decay)), walked(rule))


def test_without_correction_adam_is_momentum_over_rmsprop_to_the_bit() -> None:
    for inside in (False, True):
        one = path_of(en.Adam(0.002, bias_correction=False, eps_inside_root=inside))
        assert np.array_equal(one, path_of(en.RMSPropMomentum(0.002, eps_inside_root=inside)))


def test_amsgrad_as_printed_has_no_bias_correction() -> None:
    m, v, vmax = np.zeros(5), np.zeros(5), np.zeros(5)

    def rule(x: np.ndarray, t: int) -> np.ndarray:
        nonlocal m, v, vmax
        g = gradient(x)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        vmax = np.maximum(vmax, v)
        return x - 0.002 * m / (np.sqrt(vmax) + 1e-8)

    close(path_of(en.AMSGrad(0.002, bias_correction=False)), walked(rule))


def test_adai_adapts_the_inertia_and_not_the_rate() -> None:
    m, v, product = np.zeros(5), np.zeros(5), np.ones(5)

    def rule(x: np.ndarray, t: int) -> np.ndarray:
        nonlocal m, v, product
        g = gradient(x)
        v = 0.99 * v + 0.01 * g**2
        corrected = v / (1 - 0.99**t)
        beta1 = np.clip(1 - 0.1 / corrected.mean() * corrected, 0, 1 - 1e-3)
        m = beta1 * m + (1 - beta1) * g
        product = product * beta1
        return x - 0.01 * m / (1 - product)

    close(path_of(en.Adai(0.01)), walked(rule))


def test_newton_solves_with_the_whole_hessian() -> None:
    points = np.random.default_rng(1).normal(size=(40, 5))
    steps = []
    for x in points:
        h = np.zeros((5, 5))
        for i in range(4):
            h[i, i] += -12.0 * (x[i + 1] - x[i] ** 2) + 24.0 * x[i] ** 2 + 2.0
            h[i + 1, i + 1] += 6.0
            h[i, i + 1] = h[i + 1, i] = -12.0 * x[i]
        steps.append(x - 0.5 * np.linalg.solve(h + 0.1 * np.eye(5), gradient(x)))
    for x, expected in zip(points, steps, strict=True):
        result = en.simulate(
            landscape=LANDSCAPE, optimizer=en.Newton(0.5, damping=0.1, iterations=12), start=en.Point(x), instances=1,
            steps=1, dtype="float64", backend="numpy",
        )  # fmt: skip
        # Conjugate residuals lose digits where eigenvalues of both signs nearly cancel.
        np.testing.assert_allclose(result.dataset["x"].to_numpy()[0], expected, rtol=1e-6, atol=1e-6)


def whole_hessian(landscape: en.Landscape, x: np.ndarray) -> np.ndarray:
    """(dim, dim) at a point (dim)."""
    return landscape.hessian_product(np.repeat(x[None], x.size, axis=0), np.eye(x.size))


def step_of(optimizer: en.Optimizer, landscape: en.Landscape, x: np.ndarray) -> np.ndarray:
    """What one step subtracts from a point (dim)."""
    result = en.simulate(
        landscape=landscape, optimizer=optimizer, start=en.Point(x), instances=1, steps=1, dtype="float64", backend="numpy",
    )  # fmt: skip
    return x - result.dataset["x"].to_numpy()[0]


BENT = {
    "diagonal": en.Quadratic([-2.0, -0.3, 0.0, 1e-3, 0.5, 2.0]),
    "turned": en.Rotated(en.Quadratic([-2.0, -0.3, 0.0, 1e-3, 0.5, 2.0, 1.0]), seed=4),
    "factors": en.MatrixFactorization.random(size=6, rank=2, seed=1),
}


@pytest.mark.parametrize("name", BENT)
@pytest.mark.parametrize("iterations", [16, 40, 120])
def test_saddle_free_newton_takes_the_absolute_hessian_s_eigenvalues(name: str, iterations: int) -> None:
    landscape, rng = BENT[name], np.random.default_rng(2)
    signs = set()
    for x in 0.2 * rng.normal(size=(4, landscape.dimension)):
        h = whole_hessian(landscape, x)
        values, vectors = np.linalg.eigh((h + h.T) / 2)
        signs |= set(np.sign(values))
        smoothness = 1.1 * np.abs(values).max()
        damping = smoothness / 12
        along = vectors.T @ landscape.gradient(x[None])[0]
        optimizer = en.SaddleFreeNewton(1.0, damping=damping, smoothness=smoothness, iterations=iterations)
        step = vectors.T @ step_of(optimizer, landscape, x)
        exact = along / np.hypot(values, damping)
        off = np.exp(-2 * (iterations + 1) * np.arcsinh(1 / 12))
        assert (np.abs(step - exact) <= off * np.abs(exact) + 1e-12 * np.abs(exact).max()).all()
    assert {-1.0, 1.0} <= signs


def test_what_a_saddle_free_series_lacks_is_what_it_says_and_it_never_climbs() -> None:
    h = np.linspace(-3.0, 3.0, 601)
    at = np.delete(h, 300)
    for damping, iterations in ((0.21, 16), (0.5, 7), (3.0, 1), (40.0, 1)):
        optimizer = en.SaddleFreeNewton(1.0, damping=damping, smoothness=3.0, iterations=iterations)
        found = step_of(optimizer, en.Quadratic(at.tolist()), np.ones(600)) / at
        lacking = np.exp(-2 * (iterations + 1) * np.arcsinh(damping / 3))
        relative = np.abs(found * np.hypot(at, damping) - 1)
        assert relative.max() <= lacking + 1e-9
        assert relative[299] == pytest.approx(lacking, rel=0.02), "all of it is missing near curvature 0"
        assert (found > 0).all()


def test_saddles_attract_newton_and_repel_saddle_free_newton() -> None:
    landscape = en.Rotated(en.QuarticSaddle(dim=6, unstable=2, gamma=1.0, stiffness=0.5), seed=3)
    start = landscape.turned_back([[0.02, -0.03, 0.4, -0.3, 0.2, 0.1]])[0]

    def end(optimizer: en.Optimizer) -> np.ndarray:
        result = en.simulate(
            landscape=landscape, optimizer=optimizer, start=en.Point(start), instances=1, steps=120, dtype="float64",
            backend="numpy",
        )  # fmt: skip
        return landscape.turned(result.dataset["x"].to_numpy())[0]

    np.testing.assert_allclose(end(en.Newton(0.5)), np.zeros(6), atol=1e-9)
    free = end(en.SaddleFreeNewton(0.5, damping=1.0, smoothness=8.0))
    np.testing.assert_allclose(free, [1.0, -1.0, 0, 0, 0, 0], atol=1e-9)


def test_a_series_too_short_for_its_damping_is_refused_with_the_numbers_to_give() -> None:
    few = {"lr": 1.0, "smoothness": 2.0}
    with pytest.raises(ValueError, match=r"71% short.*iterations of at least 115 or a damping of at least 0\.137\."):
        en.SaddleFreeNewton(**few, damping=0.02)
    en.SaddleFreeNewton(**few, damping=0.02, iterations=115)
    en.SaddleFreeNewton(**few, damping=0.137)
    for bad in ({"iterations": 114, "damping": 0.02}, {"damping": 0.135}, {"damping": 1e-30}):
        with pytest.raises(ValueError, match=r"give .*a damping of at least"):
            en.SaddleFreeNewton(**few | bad)
    with pytest.raises(ValueError, match="71% short"):
        en.simulate(
            landscape=LANDSCAPE, optimizer=en.SaddleFreeNewton(**few, damping=en.grid(0.5, 0.02)), start=en.Point(START),
            instances=1, steps=1, backend="numpy",
        )  # fmt: skip


def test_the_diagonal_preconditioner_divides_by_the_absolute_curvature() -> None:
    landscape = en.QuarticSaddle(dim=5, stiffness=3.0)

    def rule(x: np.ndarray, t: int) -> np.ndarray:
        g = np.concatenate([[(x[0] ** 2 - 1) * x[0]], 3.0 * x[1:]])
        h = np.concatenate([[3 * x[0] ** 2 - 1], np.full(4, 3.0)])
        return x - 0.1 * g / (np.abs(h) + 0.2)

    ours = path_of(en.Preconditioned(0.1, damping=0.2, absolute_values=True), landscape)
    close(ours, walked(rule))


def test_averages_report_and_leave_the_dynamics_alone() -> None:
    plain = en.simulate(
        landscape=LANDSCAPE, optimizer=en.Adam(0.01), start=en.Point(START), instances=1, steps=50,
        record=en.Record(["x"], at=range(51)), dtype="float64", backend="numpy",
    ).dataset["path"].to_numpy()[0]  # fmt: skip
    for wrapped, weights in (
        (en.Average(en.Adam(0.01)), np.ones(50)),
        (en.Average(en.Adam(0.01), after=20), np.r_[np.zeros(20), np.ones(30)]),
        (en.EMA(en.Adam(0.01), beta=0.8), 0.8 ** np.arange(49, -1, -1)),
    ):
        result = en.simulate(
            landscape=LANDSCAPE, optimizer=wrapped, start=en.Point(START), instances=1, steps=50, dtype="float64",
            backend="numpy",
        )  # fmt: skip
        expected = (weights[:, None] * plain[1:]).sum(axis=0) / weights.sum()
        np.testing.assert_allclose(result.dataset["x"].to_numpy()[0], expected, rtol=1e-12)
        np.testing.assert_array_equal(result.outcomes[""].x[0, 0], plain[-1])


def test_sgld_samples_the_gibbs_law() -> None:
    # On h x^2/2 without gradient noise the stationary variance is 2 lr T / (1 - (1 - lr h)^2), exactly.
    h, lr, temperature = 2.0, 0.05, 0.3
    result = en.simulate(
        landscape=en.Quadratic(h, dim=64), optimizer=en.SGLD(lr, temperature=temperature), start=en.Point(0.0),
        instances=1000, steps=200,
    )  # fmt: skip
    x = result.dataset["x"].to_numpy().ravel().astype(np.float64)
    exact = 2 * lr * temperature / (1 - (1 - lr * h) ** 2)
    z = (np.mean(x**2) - exact) / (exact * np.sqrt(2 / x.size))
    assert abs(z) <= 4


def test_coupled_and_decoupled_decay_agree_for_plain_descent_only() -> None:
    def end(optimizer: en.Optimizer) -> np.ndarray:
        return path_of(optimizer)[-1]

    lr, w = 0.01, 0.1
    close(end(en.L2(en.GradientDescent(lr), w)), end(en.WeightDecay(en.GradientDescent(lr), lr=lr, weight_decay=w)))
    a, b = end(en.L2(en.HeavyBall(lr), w)), end(en.WeightDecay(en.HeavyBall(lr), lr=lr, weight_decay=w))
    assert np.abs(a - b).max() > 1e-3


@pytest.mark.parametrize("power", [-8, 5])
def test_adam_does_not_see_the_scale_of_the_gradient(power: int) -> None:
    scale = 2.0**power
    runs = [
        en.simulate(
            landscape=en.Quadratic([1.0 * s, 3.0 * s, 0.5 * s]), optimizer=en.Adam(0.01, eps=0.0),
            noise=en.Gaussian(0.5 * s), start=en.NormalCloud(1.0), instances=64, steps=100, math="precise",
        ).dataset["x"].to_numpy()
        for s in (1.0, scale)
    ]  # fmt: skip
    np.testing.assert_array_equal(*runs)


def test_with_a_constant_gradient_adam_and_adagrad_rms_move_exactly_lr() -> None:
    slope = en.Quadratic([1e-12])  # the gradient at 1e12 is 1 and does not change over these steps
    for optimizer in (en.Adam(1e-3, eps=0.0), en.AdaGradRMS(1e-3, eps=0.0)):
        result = en.simulate(
            landscape=slope, optimizer=optimizer, start=en.Point(1e12), instances=1, steps=100, dtype="float64",
            backend="numpy",
        )  # fmt: skip
        moved = 1e12 - result.dataset["x"].to_numpy().item()
        assert abs(moved - 0.1) < 1e-2  # spacing of float64 at 1e12 is 1.2e-4 a step


def test_plain_descent_commutes_with_multiplying_everything() -> None:
    # GD on s f with rate lr/s is GD on f: a power of two for the bits.
    a = path_of(en.GradientDescent(0.01), en.Quadratic([1.0, 2.0, 3.0, 4.0, 5.0]))
    b = path_of(en.GradientDescent(0.01 / 4), en.Quadratic([4.0, 8.0, 12.0, 16.0, 20.0]))
    np.testing.assert_array_equal(a, b)
