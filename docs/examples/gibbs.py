"""Langevin dynamics samples Gibbs' law

SGLD on a tilted double well, after 4,000 steps, from one point. The distribution of twenty thousand instances is
exp(-f / temperature): the dotted line.
"""

import numpy as np

import ensemble as en
from ensemble import plots


@en.landscape(dim=1)
def tilted(x, tilt=0.1):
    return (x**2 - 1) ** 2 / 4 + tilt * x


temperature = 0.12
result = en.simulate(
    landscape=tilted(), optimizer=en.SGLD(0.02, temperature), start=en.Point(1.0), instances=20_000, steps=4_000
)
x = np.sort(result.dataset["x"].to_numpy().ravel())
seen, edges = np.histogram(x, bins=60, range=(-2, 2), density=True)
middle = (edges[1:] + edges[:-1]) / 2
weight = np.exp(-tilted().value(middle[:, None])[:, 0] / temperature)
law = {"Gibbs": (middle, weight / weight.sum() / (middle[1] - middle[0]))}
figure = plots.curves({"SGLD": (middle, seen)}, laws=law, x_label="x", y_label="density", note="n = 20,000")
plots.save(figure, "gibbs")
