"""Small sets of real data, from the files that come with scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..words import told
from .split import Data, split

SETS = {
    "iris": "load_iris",
    "wine": "load_wine",
    "breast_cancer": "load_breast_cancer",
    "digits": "load_digits",
    "diabetes": "load_diabetes",
}


def load(name: str, *, test: float = 0.2, seed: int = 0, standardize: bool = True, label_noise: float = 0.0) -> Data:
    """A set of real data that comes with scikit-learn: nothing is downloaded.

    ``"iris"`` 150 x 4, 3 classes (Fisher 1936); ``"wine"`` 178 x 13, 3 classes; ``"breast_cancer"`` 569 x 30, 2 classes; ``"digits"``
    1797 x 64, 10 classes; ``"diabetes"`` 442 x 10, targets (Efron et al. 2004), as measured and not as scikit-learn scales them.
    The other arguments are those of :func:`~ensemble.data.split`.

    Raises:
        ValueError: no such set, or another bad argument.
        ImportError: scikit-learn is not installed.
    """
    if not isinstance(name, str) or name not in SETS:
        raise ValueError(f"data.load({told(name)}): give one of {', '.join(map(repr, SETS))}.")
    try:
        import sklearn.datasets as shipped
    except ImportError as error:
        raise ImportError(
            f"data.load({name!r}) reads files of scikit-learn: pip install 'descent-ensemble[data]'"
        ) from error
    options: dict[str, Any] = {"scaled": False} if name == "diabetes" else {}
    X, y = getattr(shipped, SETS[name])(return_X_y=True, **options)
    y = y.astype(np.float64 if name == "diabetes" else np.int64)
    return split(X, y, test=test, seed=seed, standardize=standardize, label_noise=label_noise, name=name)
