"""Functions as a user gives them to ``ensemble.landscape``, importable by their names."""

import numpy as np

import ensemble as en


@en.landscape(dim=2)
def valley(x, y, a=1.0):
    """A curved valley: ``x^4 - 3 x^2 y + y^2 + a (x^2 + y^2)^2``."""
    return x**4 - 3 * x**2 * y + y**2 + a * (x**2 + y**2) ** 2


@en.landscape
def chain(x, stiffness=1.0):
    return np.sum(stiffness * (x[1:] - x[:-1]) ** 2) + np.sum(x**4) / 4


@en.landscape
def algebra_chain(x, stiffness=1.0):
    """The same in the algebra."""
    stretch = en.where(en.index(x) < en.dim(x) - 1, en.shift(x, 1) - x, 0.0)
    return en.total(stiffness * stretch**2) + en.total(x**4) / 4


@en.landscape
def everything(
    x, scale=2, powers: int = 3, deep: bool = False, *, offset, centers=((0.5, -0.5, 0.0), (1.0, 1.0, 1.0)), w=(1, 2, 3)
):
    """Arrays, loops over what is Python's own, a required number, and most of NumPy that is known."""
    wells = 0.0
    for center, weight in zip(centers, (1.0, 0.5)):
        wells = wells - weight * np.exp(-np.sum((x - center) ** 2) / scale)
    rest = sum(x[0] ** k for k in range(1, powers + 1)) / 10 + np.dot(w, np.tanh(x)) / 7 + w[1] * np.cos(x[-1])
    if deep:
        wells = 2 * wells
    size = np.sqrt(1 + x @ x) + np.mean(np.maximum(x, 0.0) ** 3) + np.abs(x).sum() / (3.0 + centers[0][1])
    return wells + rest + size + np.where(x[1] > offset, 0.25 * (x[1] - offset) ** 2, 0.0)
