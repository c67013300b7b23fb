"""Data that a known law makes: a teacher's answers, and a mixture of normal clouds."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..arithmetic.drawn import drawn_normals, drawn_order
from ..arithmetic.elementary import tanh
from ..arithmetic.random import Stream
from ..arithmetic.vec import dot, total
from ..plain import is_real, is_whole
from ..words import told
from .split import Data, check_seed, split

INPUTS, WEIGHTS, OUTPUTS, LABELS, CENTERS, NOISE = 10, 11, 12, 13, 14, 15
"""What draws of one seed are told apart by, beside those of the split."""


def teacher(
    samples: int = 512,
    columns: int = 16,
    *,
    hidden: int = 0,
    classes: int = 0,
    noise: float = 0.0,
    test: float = 0.2,
    seed: int = 0,
    label_noise: float = 0.0,
) -> Data:
    """Standard normal inputs, and what a random teacher says of them (Gardner and Derrida 1989; Saad and Solla 1995).

    ``hidden=0``: a linear teacher, ``y = w . x`` with ``|w| = 1``. Else a network with ``hidden`` units,
    ``y = sum_j v_j tanh(w_j . x) / sqrt(hidden)``, ``|w_j| = 1`` and normal ``v``. ``noise`` is the standard deviation of a normal error of
    all answers, of training and of test: the smallest mean square error that any student can have is its square.
    ``classes=2``: labels 1 where the answer, error included, is above 0, else 0.

    Inputs and targets are not standardised. ``known["weights"]`` (max(hidden, 1), columns) and ``known["outputs"]`` are the teacher's.
    The other arguments are those of :func:`~ensemble.data.split`.

    Raises:
        ValueError: a bad argument.
    """
    check_counts("teacher", samples=(samples, 2), columns=(columns, 1), hidden=(hidden, 0))
    if classes not in (0, 2) or isinstance(classes, bool):
        raise ValueError(f"teacher(classes={told(classes)}): give 0 for targets, or 2.")
    if not is_real(noise) or not 0 <= noise < float("inf"):
        raise ValueError(f"teacher(noise={told(noise)}): give a number of at least 0.")
    check_seed(seed)
    x = _normals(seed, (samples, columns), INPUTS)
    w = _normals(seed, (max(hidden, 1), columns), WEIGHTS)
    w = w / np.sqrt(total(w * w))
    v = _normals(seed, (hidden,), OUTPUTS) if hidden else np.ones(1)
    units = [dot(x, row[None]) for row in w]
    y = total(np.concatenate([tanh(unit) for unit in units], axis=1) * v / np.sqrt(hidden)) if hidden else units[0]
    y = y[:, 0] + noise * _normals(seed, (samples,), NOISE)
    labels: Any = (y > 0).astype(np.int64) if classes else y
    made = split(x, labels, test=test, seed=seed, standardize=False, label_noise=label_noise, name="teacher")
    return dataclasses.replace(made, known={"weights": w, "outputs": v, "noise": float(noise)})


def gaussian_mixture(
    samples: int = 512,
    columns: int = 16,
    *,
    classes: int = 2,
    separation: float = 3.0,
    test: float = 0.2,
    seed: int = 0,
    label_noise: float = 0.0,
) -> Data:
    """Clouds of standard normal samples, one for each class, whose centres all lie ``separation`` apart; classes are of equal size.

    The best that any rule can do is known: it errs with probability ``Phi(-separation/2)`` for two classes,
    ``1 - E Phi(z + separation/sqrt(2))^(classes - 1)`` over a standard normal z in general: ``known["error"]``. Samples are
    not standardised; ``known["centers"]`` (classes, columns) are the centres. The other arguments are those of
    :func:`~ensemble.data.split`.

    Raises:
        ValueError: fewer columns than classes, or another bad argument.
    """
    check_counts("gaussian_mixture", samples=(samples, 2), columns=(columns, 1), classes=(classes, 2))
    if columns < classes:
        raise ValueError(
            f"gaussian_mixture(columns={columns}, classes={classes}): give at least as many columns as classes."
        )
    if not is_real(separation) or not 0 <= separation < float("inf"):
        raise ValueError(f"gaussian_mixture(separation={told(separation)}): give a number of at least 0.")
    check_seed(seed)
    frame: list[Any] = []  # orthonormal rows, by Gram and Schmidt
    for row in _normals(seed, (classes, columns), CENTERS)[:, None]:
        for other in (*frame, *frame):  # twice is enough
            row = row - dot(row, other) * other
        frame.append(row / np.sqrt(dot(row, row)))
    rows = np.concatenate(frame)
    centers = separation / np.sqrt(2) * (rows - total(rows.T).T / classes)
    labels = drawn_order(seed, Stream.DATA, samples, LABELS) % classes
    x = centers[labels] + _normals(seed, (samples, columns), INPUTS)
    made = split(
        x,
        labels.astype(np.int64),
        test=test,
        seed=seed,
        standardize=False,
        label_noise=label_noise,
        name="gaussian_mixture",
    )
    return dataclasses.replace(made, known={"centers": centers, "error": _best(float(separation), classes)})


def _best(separation: float, classes: int) -> float:
    """Error of the rule that names the nearest centre."""
    from scipy.special import ndtr

    z, weights = np.polynomial.hermite_e.hermegauss(200)
    right = ndtr(z + separation / np.sqrt(2)) ** (classes - 1)
    return float(1 - weights @ right / weights.sum())


def check_counts(name: str, **given: tuple[Any, int]) -> None:
    """Raises unless each is a whole number of at least so many."""
    for argument, (value, low) in given.items():
        if not is_whole(value, low) or value > 10**7:
            raise ValueError(f"{name}({argument}={told(value)}): give a whole number from {low} to 10,000,000.")


def _normals(seed: int, shape: tuple[int, ...], part: int) -> Any:
    return drawn_normals(seed, Stream.DATA, int(np.prod(shape)), part).reshape(shape)
