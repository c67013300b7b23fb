"""Averages of a noisy path

SGD at a constant rate ends on a floor of noise. The mean of its iterates (Polyak and Ruppert) goes on falling like
1/t at every curvature, without any schedule; a moving average has a lower floor.
"""

import numpy as np

import ensemble as en
from ensemble import plots

rule = en.GradientDescent(0.2)
result = en.compare(
    {"SGD": rule, "moving average": en.EMA(rule, beta=0.98), "mean of all": en.Average(rule)},
    landscape=en.Quadratic([0.25, 0.5, 1.0, 2.0]),
    start=en.Point(2.0),
    noise=en.Gaussian(1.0),
    record=en.Record(["value"], at=en.log_spaced(50), summary=True, quantiles=(0.25, 0.5, 0.75)),
    instances=5_000,
    steps=10_000,
)
t = np.geomspace(100, 10_000, 20)
best = sum(0.5 / (h * t) for h in (0.25, 0.5, 1.0, 2.0))  # sigma^2 / (h^2 t) in each coordinate, times h/2
figure = plots.fan(result, "value", quantiles=(0.25, 0.5, 0.75), laws={"mean, best possible": (t, best)})
plots.save(figure, "averages")
