"""Three functions of a user's own, as `ensemble` is given them; `jax_forms.value` has the same for JAX."""

import numpy as np

import ensemble as en

CENTRES = 8
REACH = 0.75


@en.landscape(dim=2)
def valley(x, y, a=1.0):  # type: ignore[no-untyped-def]
    """Flat along x at 0, and yet a saddle."""
    return x**4 - 3 * x**2 * y + y**2 + a * (x**2 + y**2) ** 2


@en.landscape
def chain(x, stiffness=1.0):  # type: ignore[no-untyped-def]
    """Quartic springs in a row."""
    return np.sum(stiffness * (x[1:] - x[:-1]) ** 2) + np.sum(x**4) / 4


@en.landscape
def mixture(x):  # type: ignore[no-untyped-def]
    """Minus the logarithm of a mixture of Gaussians, at REACH from 0 along the first coordinates, in a wide bowl."""
    density = 0.0
    for k in range(CENTRES):
        away = np.sum(x**2) - 2 * REACH * x[k] + REACH**2
        density = density + np.exp(-away / 2)
    return -np.log(density) + np.sum(x**2) / 200


LANDSCAPES = {"valley": valley(), "chain": chain(dim=64), "mixture": mixture(dim=32)}
