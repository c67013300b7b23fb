"""What instances have learned: loss and accuracy on samples that they were, and were not, trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..landscapes.base import Landscape
from ..landscapes.finite_sum import FiniteSum
from ..landscapes.logistic import LogisticRegression
from ..landscapes.network import TwoLayerNetwork
from ..landscapes.regression import Huber, LeastSquares
from ..plain import array_of_numbers
from ..run.field import Field
from ..words import told
from .intervals import FEWEST, mean_interval
from .lifetimes import FloatArray, check_confidence
from .points import Points, points_of
from .ranks import rank_correlation
from .sharpness import MEASURES, sharpness

_WORDS = {
    "train_loss": ("mean loss of the training samples", "units of the loss"),
    "test_loss": ("mean loss of the test samples", "units of the loss"),
    "gap": ("test loss less training loss", "units of the loss"),
    "train_accuracy": ("share of training samples whose class is told right", "1"),
    "test_accuracy": ("share of test samples whose class is told right", "1"),
}


def generalisation(
    data: Any, test: Any, *, sharpness_measure: str | None = "largest_eigenvalue", confidence: float = 0.95
) -> xr.Dataset:
    """Training and test loss and accuracy of every instance, the gap, and how it goes with sharpness; agreement between replicas.

    `data` is a result on TwoLayerNetwork, LogisticRegression, LeastSquares or Huber, `test` a pair (X, y) of samples that it was
    not trained on, such as `en.data.load("digits").test`. Losses are means over samples, without l2, evaluated on the backend that
    ran the ensemble in float64; so are a network's accuracies. `sharpness_measure` is one of the names that
    `sharpness` takes, of the training loss with its l2 where the instance ended; None: none, which spares most of the time.

    Returns over (configuration..., instance) `train_loss`, `test_loss`, `gap`, `train_accuracy`, `test_accuracy`, `sharpness`; and over
    the configurations the mean of each over instances, `<name>_mean`, with Hall's interval (1992), `_mean_lower`, `_mean_upper`;
    `tau`, Kendall's rank correlation (tau-b, which knows ties) of sharpness with the test loss, `tau_lower`, `tau_upper` and the p
    of independence `tau_pvalue`, and the same as `tau_gap` with the gap; `agreement`, how often two replicas drawn by chance tell a test
    sample's class alike, and `contested`, the share of test samples on whose class not all replicas agree. NaN where an
    instance diverged, and in means of fewer than 10.

    Raises:
        ValueError: no result, another landscape, test samples with other columns or labels, or a bad argument.
    """
    check_confidence(confidence)
    if sharpness_measure is not None and (not isinstance(sharpness_measure, str) or sharpness_measure not in MEASURES):
        raise ValueError(
            f"generalisation(sharpness_measure={told(sharpness_measure)}): give one of {', '.join(MEASURES)}, or None"
        )
    points = points_of(data)
    X, y = _samples(test)
    models: dict[int, _Model] = {}

    def model(field: Field) -> _Model:
        if id(field) not in models:
            models[id(field)] = _Model.of(field.landscape, X, y)
        return models[id(field)]

    found = points.each(lambda field, x: _looked(field, model(field), x))
    if sharpness_measure is not None:
        found["sharpness"] = _sharpness(data, sharpness_measure, points)
    words = dict(_WORDS) | {
        "sharpness": (f"sharpness, {sharpness_measure}", MEASURES.get(str(sharpness_measure), ("", "", ""))[2])
    }
    told_apart = {name: (found[name], *words[name], ()) for name in words if name in found}
    made = points.dataset(told_apart, confidence=confidence, test_samples=len(y))
    for name in told_apart:
        _means(made, points, found, name, words[name], confidence)
    if "sharpness" in found:
        _correlations(made, points, found, confidence)
    if "test_class" in found:
        _agreement(made, points, found["test_class"])
    return made


@dataclass(frozen=True)
class _Model:
    """A landscape on its training samples and on others: mean losses, shares of errors, and what it says of samples X.

    Shares of errors are None where there are no classes, or where what it says is all that they are counted from.
    """

    train: Landscape
    test: Landscape
    train_errors: Landscape | None
    test_errors: Landscape | None
    predict: Callable[[FloatArray, FloatArray], NDArray[Any]] | None
    samples: tuple[FloatArray, FloatArray]
    others: tuple[FloatArray, FloatArray]

    @classmethod
    def of(cls, landscape: Landscape, X: FloatArray, y: FloatArray) -> _Model:
        if not isinstance(landscape, (TwoLayerNetwork, LogisticRegression, LeastSquares, Huber)):
            raise ValueError(
                f"generalisation: a result on {type(landscape).__name__} was given; give one on TwoLayerNetwork, LogisticRegression, "
                f"LeastSquares or Huber, which say a sample's loss"
            )
        inputs = _columns(landscape)
        if X.shape[1] != inputs:
            raise ValueError(
                f"generalisation(test): its samples have {X.shape[1]} columns, those of training {inputs}; give as many"
            )
        train: FiniteSum = dataclasses.replace(landscape, l2=0.0)
        others = X, y
        if isinstance(landscape, TwoLayerNetwork):
            test: FiniteSum = landscape.on(X, y)
            samples = landscape.X, landscape.y
            if landscape.loss == "squared":
                return cls(train, test, None, None, None, samples, others)
            errors = landscape.errors_on(*samples), landscape.errors_on(X, y)
            return cls(train, test, *errors, landscape.predict, samples, others)
        if isinstance(landscape, LogisticRegression):
            test = dataclasses.replace(landscape, X=X, y=y, l2=0.0)
            if test.classes != landscape.classes:
                raise ValueError(
                    f"generalisation(test): it has {test.classes} classes, the training samples {landscape.classes}; give as many"
                )
            return cls(train, test, None, None, _told_by(landscape.classes), (landscape.X, landscape.y), others)
        test = dataclasses.replace(landscape, A=X, y=y, l2=0.0)
        return cls(train, test, None, None, None, (landscape.A, landscape.y), others)


def _columns(landscape: Any) -> int:
    """Numbers of a training sample, without its target."""
    if isinstance(landscape, TwoLayerNetwork):
        return landscape.inputs
    return int((landscape.X if isinstance(landscape, LogisticRegression) else landscape.A).shape[1])


def _told_by(classes: int) -> Callable[[FloatArray, FloatArray], NDArray[Any]]:
    """What logistic regressions x (points, dim) say of samples X (n, columns): classes (points, n)."""

    def told_classes(x: FloatArray, X: FloatArray) -> NDArray[Any]:
        if classes == 2:
            return (x @ X.T > 0).astype(np.int64)
        return np.einsum("icp,np->inc", x.reshape(len(x), classes, -1), X, optimize=True).argmax(axis=2)

    return told_classes


def _samples(test: Any) -> tuple[FloatArray, FloatArray]:
    pair = tuple(test) if isinstance(test, (tuple, list)) else ()
    X, y = (array_of_numbers(a) for a in pair) if len(pair) == 2 else (None, None)
    if X is None or y is None or X.ndim != 2 or y.shape != X.shape[:1] or 0 in X.shape:
        raise ValueError(
            f"generalisation(test={told(test)}): give a pair (X, y) of samples (n, columns) and their labels or targets (n,)"
        )
    if not np.isfinite(X).all() or not np.isfinite(y).all():
        raise ValueError("generalisation(test): some of its numbers are not finite; leave those samples out")
    return X.astype(np.float64), y.astype(np.float64)


def _looked(field: Field, model: _Model, x: FloatArray) -> dict[str, NDArray[Any]]:
    """What is found at points x (points, dim)."""

    def values(landscape: Landscape) -> FloatArray:
        beside = dataclasses.replace(field, landscape=landscape)
        return np.asarray(beside.fetch(beside.values(beside.place(x))), dtype=np.float64)

    found: dict[str, NDArray[Any]] = {"train_loss": values(model.train), "test_loss": values(model.test)}
    found["gap"] = found["test_loss"] - found["train_loss"]
    if model.predict is not None:
        found["test_class"] = told_classes = _told(model, x, model.others[0])
        if model.train_errors is not None and model.test_errors is not None:
            found["train_accuracy"] = 1.0 - values(model.train_errors)
            found["test_accuracy"] = 1.0 - values(model.test_errors)
        else:
            found["train_accuracy"] = (_told(model, x, model.samples[0]) == model.samples[1]).mean(axis=1)
            found["test_accuracy"] = (told_classes == model.others[1]).mean(axis=1)
    return found


def _told(model: _Model, x: FloatArray, X: FloatArray) -> NDArray[Any]:
    assert model.predict is not None
    return np.concatenate([model.predict(x[a : a + 256], X) for a in range(0, len(x), 256)])


def _sharpness(data: Any, measure: str, points: Points) -> FloatArray:
    made = sharpness(data, measures=[measure])[measure]
    return np.asarray(made.transpose(*points.frame.dims, "instance").values.reshape(points.x.shape[:2]))


def _means(
    made: xr.Dataset, points: Points, found: dict[str, NDArray[Any]], name: str, words: Sequence[str], confidence: float
) -> None:
    rows = [row[np.isfinite(row)] for row in found[name]]
    table = np.array([mean_interval(row, confidence) if row.size >= FEWEST else (np.nan,) * 3 for row in rows])
    for i, end in enumerate(("", "_lower", "_upper")):
        said = f"{f'{end[1:]} {100 * confidence:g} % limit of the ' if end else ''}mean over instances of {words[0]}"
        made[f"{name}_mean{end}"] = points.frame.variable(table[:, i], said, words[1])


def _correlations(made: xr.Dataset, points: Points, found: dict[str, NDArray[Any]], confidence: float) -> None:
    for name, other, what in (("tau", "test_loss", "test loss"), ("tau_gap", "gap", "gap")):
        rows = [rank_correlation(a, b, confidence) for a, b in zip(found["sharpness"], found[other], strict=True)]
        said = f"Kendall's tau-b of sharpness and {what}"
        for end, part in (("", "tau"), ("_lower", "lower"), ("_upper", "upper"), ("_pvalue", "pvalue")):
            long_name = {"": said, "_pvalue": f"two-sided p of independence, {said}"}.get(
                end, f"{end[1:]} limit of {said}"
            )
            made[f"{name}{end}"] = points.frame.variable(np.array([getattr(r, part) for r in rows]), long_name, "1")


def _agreement(made: xr.Dataset, points: Points, classes: NDArray[Any]) -> None:
    """`classes` (groups, instances, samples), -1 where the instance diverged."""
    agreement, contested = np.full(len(classes), np.nan), np.full(len(classes), np.nan)
    for group, told_classes in enumerate(classes):
        seen = told_classes[told_classes[:, 0] >= 0]
        n = len(seen)
        if n < 2:
            continue
        counts = np.stack([(seen == c).sum(axis=0) for c in range(int(seen.max()) + 1)]).astype(float)
        agreement[group] = float((counts * (counts - 1)).sum(axis=0).mean() / (n * (n - 1)))
        contested[group] = float((counts.max(axis=0) < n).mean())
    made["agreement"] = points.frame.variable(agreement, "share of test samples that two replicas tell alike", "1")
    made["contested"] = points.frame.variable(contested, "share of test samples that not all replicas tell alike", "1")


__all__ = ["generalisation"]
