"""Adam sees the axes, SGD does not

The same quadratic bowl of condition number 1,000, as it is and turned by a random rotation. Gradient descent's curves
are one; Adam, which has a step for every coordinate, is slower when the axes are not those of the bowl.
"""

import numpy as np

import ensemble as en
from ensemble import plots

bowl = en.Quadratic(np.geomspace(0.01, 10.0, 16))
rules = {"descent": en.GradientDescent(0.05), "Adam": en.Adam(0.02)}
record = en.Record(["value"], at=en.log_spaced(60), summary=True, quantiles=(0.25, 0.5, 0.75))
found = {}
for name, landscape in (("", bowl), (", turned", en.Rotated(bowl, seed=3))):
    for rule, optimizer in rules.items():
        found[rule + name] = en.simulate(
            landscape=landscape,
            optimizer=optimizer,
            start=en.Sphere(1.0),
            record=record,
            instances=2_000,
            steps=3_000,
            dtype="float64",
        ).dataset
plots.save(plots.fan(found, "value", quantiles=(0.25, 0.5, 0.75), limits=(1e-8, 10)), "rotation")
