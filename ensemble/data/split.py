"""Data: samples for training and for testing, standardised, with labels that may be wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arithmetic.drawn import drawn_normals, drawn_order, drawn_uniforms
from ..arithmetic.random import Stream
from ..arithmetic.vec import total
from ..plain import array_of_numbers, is_flag, is_real, is_whole
from ..words import told

Real = NDArray[np.float64]
ORDER, WHICH, OTHER, ERROR = 0, 1, 2, 3
"""What draws of one seed are told apart by: the split, which labels are wrong, what they become, the error of targets."""


class Samples(NamedTuple):
    """``X`` (n, columns) in float64 and ``y`` (n,): classes from 0 on in int64, or targets in float64."""

    X: Real
    y: NDArray[Any]

    def __repr__(self) -> str:
        return f"Samples(X {self.X.shape}, y {self.y.shape})"


@dataclass(frozen=True, eq=False)
class Data:
    """A set of data: ``train`` and ``test``, each ``(X, y)``, and how they were made.

    ``classes`` is how many there are, 0 where y are targets of a regression. ``wrong`` (n,) says which of the training labels are not
    what they were, by ``label_noise``. ``center`` and ``scale`` (columns,) take a column of the raw data to the one here,
    ``(raw - center)/scale``; ``target_center`` and ``target_scale`` the targets. ``known`` holds what the law behind made-up data says.
    """

    name: str
    train: Samples
    test: Samples
    classes: int
    wrong: NDArray[np.bool_]
    center: Real
    scale: Real
    target_center: float = 0.0
    target_scale: float = 1.0
    known: Mapping[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> int:
        """Numbers of a sample."""
        return int(self.train.X.shape[1])

    def __repr__(self) -> str:
        what = f"{self.classes} classes" if self.classes else "targets"
        return f"Data({self.name}: {len(self.train.y)} to train, {len(self.test.y)} to test, {self.columns} columns, {what})"


def split(
    X: ArrayLike,
    y: ArrayLike,
    *,
    test: float = 0.2,
    seed: int = 0,
    standardize: bool = True,
    label_noise: float = 0.0,
    name: str = "data",
) -> Data:
    """Any arrays as :class:`Data`: shuffled by ``seed``, split, and standardised.

    Args:
        X: samples, (n, columns), finite numbers.
        y: whole numbers, which are classes and are numbered from 0 in their order, or floats, which are targets.
        test: share of the samples that is for testing, from 0 to below 1; rounded, and at least one sample where it is not 0.
        seed: of the order of the samples and of wrong labels.
        standardize: whether columns, and targets, get mean 0 and variance 1 over the training samples. A column that
            does not vary there becomes 0.
        label_noise: of classes, the share of training labels that become another class, each wrong by chance and apart from the
            others, any other class with the same probability; of targets, the standard deviation of a normal error that is added
            in training, in units of the targets' own.
        name: what the data are called.

    Raises:
        ValueError: arrays that do not fit each other, numbers that are not finite, one class only, or another bad argument.
    """
    if not isinstance(name, str):
        raise ValueError(f"split(name={told(name)}): give a text.")
    samples, targets, classes = _checked(X, y)
    _check_options(test, seed, standardize, label_noise, classes)
    n = len(samples)
    held = min(max(1, round(test * n)), n - 1) if test else 0
    order = drawn_order(seed, Stream.DATA, n, ORDER)
    for_test, for_training = np.sort(order[:held]), np.sort(order[held:])
    center, scale, target = np.zeros(samples.shape[1]), np.ones(samples.shape[1]), (0.0, 1.0)
    if standardize:
        center, scale = _moments(samples[for_training])
        samples = (samples - center) / scale
        if not classes:
            middle, spread = _moments(targets[for_training, None])
            target = float(middle[0]), float(spread[0])
            targets = (targets - target[0]) / target[1]
    if classes and len(np.unique(targets[for_training])) < 2:
        raise ValueError(
            f"split(test={test:g}, seed={seed}): all {len(for_training)} training samples are of one class; give more samples."
        )
    labels, wrong = _noisy(targets[for_training], classes, float(label_noise), seed)
    made = [samples[for_training], labels, samples[for_test], targets[for_test], center, scale, wrong]
    for array in made:
        array.setflags(write=False)
    train, held_out = Samples(made[0], made[1]), Samples(made[2], made[3])
    return Data(name, train, held_out, classes, wrong, center, scale, *target)


def _checked(X: Any, y: Any) -> tuple[Real, NDArray[Any], int]:
    """Samples, labels and how many classes there are."""
    samples, given = array_of_numbers(X), array_of_numbers(y)
    if samples is None or samples.ndim != 2 or 0 in samples.shape:
        raise ValueError(f"split(X={told(X)}): give numbers (samples, columns).")
    if given is None or given.ndim != 1 or len(given) != len(samples):
        raise ValueError(f"split(y={told(y)}): give one number for each of {len(samples)} samples, (samples,).")
    if len(samples) < 2:
        raise ValueError(f"split(X of shape {samples.shape}): give at least two samples.")
    for what, array in (("X", samples), ("y", given)):
        if not np.isfinite(array).all():
            count = int((~np.isfinite(array)).sum())
            raise ValueError(f"split: {what} has {count:,} numbers that are not finite; leave those samples out.")
    if given.dtype.kind not in "iu":
        return samples.astype(np.float64), given.astype(np.float64), 0
    kinds, labels = np.unique(given, return_inverse=True)
    if len(kinds) < 2:
        raise ValueError(f"split(y): all labels are {kinds[0]}; give at least two classes, or targets as floats.")
    if len(kinds) > max(2, len(given) // 2):
        raise ValueError(
            f"split(y): {len(given)} labels are {len(kinds)} classes; give targets of a regression as floats."
        )
    return samples.astype(np.float64), labels.astype(np.int64), len(kinds)


def _check_options(test: Any, seed: Any, standardize: Any, label_noise: Any, classes: int) -> None:
    if not is_real(test) or not 0 <= test < 1:
        raise ValueError(f"test={told(test)}: give a share of the samples from 0 to below 1.")
    check_seed(seed)
    if not is_flag(standardize):
        raise ValueError(f"standardize={told(standardize)}: give True or False.")
    most = 1.0 if classes else float("inf")
    if not is_real(label_noise) or not 0 <= label_noise <= most or label_noise == float("inf"):
        wanted = "a share of labels from 0 to 1" if classes else "a number of at least 0"
        raise ValueError(f"label_noise={told(label_noise)}: give {wanted}.")


def check_seed(seed: Any) -> None:
    """Raises unless it is a whole number below 2^64."""
    if not is_whole(seed, 0) or seed >= 2**64:
        raise ValueError(f"seed={told(seed)}: give a whole number from 0 to 2^64 - 1.")


def _moments(a: Real) -> tuple[Real, Real]:
    """Mean and standard deviation of columns, 1 where a column does not vary; summed in one order on every machine."""
    center = total(a.T)[:, 0] / len(a)
    away = (a - center).T
    scale = np.sqrt(total(away * away)[:, 0] / len(a))
    return center, np.where(scale > 1e-12 * (1.0 + np.abs(center)), scale, 1.0)


def _noisy(labels: NDArray[Any], classes: int, noise: float, seed: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Training labels with errors, and which are wrong."""
    n = len(labels)
    if not noise:
        return labels.copy(), np.zeros(n, dtype=bool)
    if not classes:
        spread = float(_moments(labels[:, None])[1][0])
        return labels + noise * spread * drawn_normals(seed, Stream.DATA, n, ERROR), np.ones(n, dtype=bool)
    wrong = drawn_uniforms(seed, Stream.DATA, n, WHICH) < noise
    further = 1 + np.floor(drawn_uniforms(seed, Stream.DATA, n, OTHER) * (classes - 1)).astype(np.int64)
    return np.where(wrong, (labels + further) % classes, labels), wrong
