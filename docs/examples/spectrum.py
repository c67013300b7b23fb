"""Curvatures at the start and at the end

Eigenvalues of the Hessian of a chain of particles in double wells, where two hundred instances start and where they
end: almost a third of the directions leads down at first, none at the end.
"""

import numpy as np

import ensemble as en
from ensemble import plots


@en.landscape
def chain(x, stiffness=0.3):
    return np.sum(x**4 - 2 * x**2) / 4 + stiffness * np.sum((x[1:] - x[:-1]) ** 2)


particles = chain(dim=24)
given = {"landscape": particles, "start": en.NormalCloud(0.5), "instances": 200}
result = en.simulate(optimizer=en.GradientDescent(0.1), steps=1_000, record=en.Record(["x"], at=[0, 1_000]), **given)
where = result.dataset["path"].to_numpy().astype(float)
spectra = {name: en.statistics.spectrum(particles, where[:, k]) for k, name in enumerate(("start", "end"))}
plots.save(plots.spectrum(spectra, bins=60), "spectrum")
