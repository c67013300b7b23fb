"""Sets of data: what they hold, how they are split, and what is known of those that a law made."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import ensemble as en


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [
        ("iris", (150, 4), 3),
        ("wine", (178, 13), 3),
        ("breast_cancer", (569, 30), 2),
        ("digits", (1797, 64), 10),
        ("diabetes", (442, 10), 0),
    ],
)
def test_shipped_sets_are_whole_standardised_and_split(name, shape, classes):
    datasets = pytest.importorskip("sklearn.datasets")
    data = en.data.load(name, seed=3)
    options = {"scaled": False} if name == "diabetes" else {}
    raw, labels = getattr(datasets, f"load_{name}")(return_X_y=True, **options)
    assert raw.shape == shape
    assert data.classes == classes
    assert len(data.test.y) == round(0.2 * shape[0])
    both = np.concatenate([data.train.X, data.test.X]) * data.scale + data.center
    order = np.lexsort(both.round(6).T)
    np.testing.assert_allclose(both[order], raw[np.lexsort(raw.round(6).T)], atol=1e-9)  # every sample, once
    y = np.concatenate([data.train.y, data.test.y]) * data.target_scale + data.target_center
    assert y.sum() == pytest.approx(labels.sum())
    np.testing.assert_allclose(data.train.X.mean(axis=0), 0, atol=1e-12)
    varies = data.train.X.std(axis=0) > 0
    np.testing.assert_allclose(data.train.X.std(axis=0)[varies], 1, rtol=1e-12)
    again, other = en.data.load(name, seed=3), en.data.load(name, seed=4)
    assert np.array_equal(again.train.X, data.train.X)
    assert not np.array_equal(other.train.X, data.train.X)


def test_a_share_of_labels_is_wrong_and_the_test_set_is_not():
    x, y = np.zeros((20_000, 1)), np.arange(20_000) % 4
    clean = en.data.split(x, y, seed=1)
    noisy = en.data.split(x, y, seed=1, label_noise=0.3)
    changed = clean.train.y != noisy.train.y
    assert np.array_equal(changed, noisy.wrong)
    assert abs(changed.mean() - 0.3) < 4 * np.sqrt(0.21 / 16_000)
    became = np.bincount((noisy.train.y - clean.train.y)[changed] % 4, minlength=4)
    assert became[0] == 0
    assert np.abs(became[1:] / changed.sum() - 1 / 3).max() < 4 * np.sqrt(2 / 9 / changed.sum())
    assert np.array_equal(clean.test.y, noisy.test.y)
    more = en.data.split(x, y, seed=1, label_noise=0.5)
    assert (more.wrong | ~noisy.wrong).all()  # what is wrong at less noise is wrong at more


def test_classes_are_numbered_in_their_order_and_floats_are_targets():
    x = np.arange(12.0)[:, None]
    data = en.data.split(x, [5, 5, -1, -1, 7, 7] * 2, test=0.0)
    assert data.train.y.tolist() == [1, 1, 0, 0, 2, 2] * 2
    assert data.classes == 3
    assert len(data.test.y) == 0
    targets = en.data.split(x, 3.0 * x[:, 0] + 1, test=0.25)
    assert targets.classes == 0
    np.testing.assert_allclose(targets.train.y, targets.train.X[:, 0], atol=1e-12)  # both standardised
    noisy = en.data.split(x.repeat(1000, axis=0), x.repeat(1000), label_noise=0.5)
    assert np.std(noisy.train.y - noisy.train.X[:, 0]) == pytest.approx(0.5, rel=0.03)


def test_a_teacher_s_answers_are_what_it_says():
    data = en.data.teacher(4000, 8, noise=0.3, seed=2)
    w = data.known["weights"][0]
    assert w @ w == pytest.approx(1.0)
    rest = data.test.y - data.test.X @ w
    assert np.std(rest) == pytest.approx(0.3, rel=0.1)
    found = np.linalg.lstsq(data.train.X, data.train.y, rcond=None)[0]
    assert np.abs(found - w).max() < 5 * 0.3 / np.sqrt(3200)
    network = en.data.teacher(100, 5, hidden=3, seed=1)
    w, v = network.known["weights"], network.known["outputs"]
    np.testing.assert_allclose(network.train.y, np.tanh(network.train.X @ w.T) @ v / np.sqrt(3), rtol=1e-12)
    labels = en.data.teacher(100, 5, hidden=3, seed=1, classes=2)
    assert np.array_equal(labels.train.y, network.train.y > 0)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_best_rule_for_a_mixture_errs_as_often_as_it_says(classes):
    data = en.data.gaussian_mixture(50_000, 6, classes=classes, separation=2.5, seed=1)
    centers = data.known["centers"]
    apart = np.linalg.norm(centers[:, None] - centers, axis=2)
    np.testing.assert_allclose(apart[~np.eye(classes, dtype=bool)], 2.5)
    x, y = data.train
    wrong = ((x[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1) != y
    assert abs(wrong.mean() - data.known["error"]) < 4 * np.sqrt(data.known["error"] / len(y))
    assert np.ptp(np.bincount(y)) < 4 * np.sqrt(len(y))


@pytest.mark.ci
def test_without_scikit_learn_one_line_says_what_to_install():
    code = (
        "import sys; sys.modules['sklearn'] = None; import ensemble as en\n"
        "try:\n    en.data.load('iris')\nexcept ImportError as error:\n    print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "data.load('iris') reads files of scikit-learn: pip install 'descent-ensemble[data]'\n"
