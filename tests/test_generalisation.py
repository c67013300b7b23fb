"""What instances have learned, against counting by hand; rank correlations against SciPy and their coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import ensemble as en
from ensemble.statistics.ranks import rank_correlation

DATA = en.data.gaussian_mixture(150, 4, classes=3, separation=2.0, seed=2)


@pytest.fixture(scope="module")
def trained():
    f = en.TwoLayerNetwork(3, loss="softmax", X=DATA.train.X, y=DATA.train.y, l2=0.01)
    return en.simulate(
        landscape=f, optimizer=en.GradientDescent(en.grid(0.1, 0.5)), noise=en.Minibatch(10), instances=12, steps=60,
        start=en.Initialisation.of(f, "glorot"), dtype="float64", backend="numpy", progress=False,
    )  # fmt: skip


def test_losses_accuracies_and_agreement_are_those_counted_by_hand(trained):
    found = en.statistics.generalisation(trained, DATA.test)
    f = trained.fields()[0].landscape
    for k in range(2):
        here, x = found.isel(lr=k), trained.dataset["x"][k].to_numpy()
        classes = f.predict(x, DATA.test.X)
        np.testing.assert_allclose(here["test_accuracy"], (classes == DATA.test.y).mean(axis=1))
        np.testing.assert_allclose(here["train_accuracy"], (f.predict(x, DATA.train.X) == DATA.train.y).mean(axis=1))
        np.testing.assert_allclose(here["train_loss"], f.value(x)[:, 0] - 0.005 * (x * x).sum(axis=1), rtol=1e-9)
        np.testing.assert_allclose(here["test_loss"], f.on(*DATA.test).value(x)[:, 0], rtol=1e-12)
        np.testing.assert_allclose(here["gap"], here["test_loss"] - here["train_loss"])
        alike = [(classes[i] == classes[j]).mean() for i in range(12) for j in range(i)]
        assert float(here["agreement"]) == pytest.approx(np.mean(alike))
        assert float(here["contested"]) == pytest.approx((classes != classes[0]).any(axis=0).mean())
        assert float(here["tau"]) == pytest.approx(stats.kendalltau(here["sharpness"], here["test_loss"]).statistic)
        assert float(here["test_accuracy_mean"]) == pytest.approx(float(here["test_accuracy"].mean()))
        assert here["test_accuracy_mean_lower"] <= here["test_accuracy_mean"] <= here["test_accuracy_mean_upper"]
    largest = en.statistics.sharpness(trained, measures=["largest_eigenvalue"])["largest_eigenvalue"]
    np.testing.assert_allclose(found["sharpness"], largest)


def test_planes_and_lines_generalise_too():
    two = en.data.gaussian_mixture(200, 4, separation=2.0, seed=1)
    run = {
        "optimizer": en.GradientDescent(0.2),
        "start": en.NormalCloud(1.0),
        "instances": 10,
        "steps": 3,
        "backend": "numpy",
    }
    result = en.simulate(landscape=en.LogisticRegression(*two.train), dtype="float64", progress=False, **run)
    found = en.statistics.generalisation(result, two.test, sharpness_measure=None)
    x = result.dataset["x"].to_numpy()
    said = x @ two.test.X.T > 0
    np.testing.assert_allclose(found["test_accuracy"], (said == two.test.y).mean(axis=1))
    np.testing.assert_allclose(
        found["test_loss"], np.logaddexp(0, (1 - 2 * two.test.y) * (x @ two.test.X.T)).mean(axis=1), rtol=1e-12
    )
    assert "sharpness" not in found
    three = en.LogisticRegression(*DATA.train)
    result = en.simulate(landscape=three, dtype="float64", progress=False, **run)
    found = en.statistics.generalisation(result, DATA.test, sharpness_measure=None)
    z = np.einsum("icp,np->inc", result.dataset["x"].to_numpy().reshape(10, 3, 4), DATA.test.X)
    np.testing.assert_allclose(found["test_accuracy"], (z.argmax(axis=2) == DATA.test.y).mean(axis=1))
    line = en.data.teacher(100, 4, noise=0.1, seed=1)
    result = en.simulate(landscape=en.LeastSquares(*line.train), dtype="float64", progress=False, **run)
    found = en.statistics.generalisation(result, line.test, sharpness_measure="trace")
    rest = result.dataset["x"].to_numpy() @ line.test.X.T - line.test.y
    np.testing.assert_allclose(found["test_loss"], 0.5 * (rest**2).mean(axis=1), rtol=1e-12)
    assert "test_accuracy" not in found
    assert np.isnan(found["tau"])  # least squares are equally sharp everywhere


def test_intervals_of_rank_correlations_cover_what_they_should():
    rng = np.random.default_rng(0)
    for rho, ties in ((0.0, False), (0.6, False), (0.6, True)):
        law = 2 / np.pi * np.arcsin(rho) if not ties else None
        if ties:  # the law of tau-b with ties, from many
            z = rng.normal(size=(4000, 2)) @ np.linalg.cholesky([[1, rho], [rho, 1]]).T
            law = stats.kendalltau(*np.round(z).T).statistic
        covered = 0
        for _ in range(400):
            z = rng.normal(size=(60, 2)) @ np.linalg.cholesky([[1, rho], [rho, 1]]).T
            found = rank_correlation(*(np.round(z) if ties else z).T, 0.95)
            covered += found.lower <= law <= found.upper
        assert 0.92 <= covered / 400 <= 0.98, (rho, ties, covered / 400)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: en.statistics.generalisation(r, DATA.test.X), r"give a pair \(X, y\)"),
        (lambda r: en.statistics.generalisation(r, (DATA.test.X, DATA.test.y[:-1])), r"give a pair \(X, y\)"),
        (lambda r: en.statistics.generalisation(r, (DATA.test.X * np.nan, DATA.test.y)), "leave those samples out"),
        (
            lambda r: en.statistics.generalisation(r, (DATA.test.X[:, :3], DATA.test.y)),
            "3 columns, those of training 4",
        ),
        (lambda r: en.statistics.generalisation(r, (DATA.test.X, DATA.test.y + 1)), "the label 3; give labels 0 ... 2"),
        (
            lambda r: en.statistics.generalisation(r, DATA.test, sharpness_measure="flatness"),
            "give one of largest_eigenvalue",
        ),
    ],
)
def test_bad_input_has_one_clear_line(trained, call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(trained)
    assert "\n" not in str(caught.value)
