"""SGD at a saddle, on its exact law

On a quadratic saddle the first exit of SGD is a problem of one dimension, and its law can be computed to rounding:
the transfer operator of the step. Fifty thousand instances in sixteen dimensions lie on it at every noise.
"""

import numpy as np

import ensemble as en
from ensemble import plots

sigmas = (0.03, 0.1, 0.3, 1.0)
result = en.simulate(
    landscape=en.Quadratic([-1.0] + [1.0] * 15),
    optimizer=en.GradientDescent(0.05),
    noise=en.Gaussian(sigma=en.grid(*sigmas)),
    start=en.Point(0.0),
    event=en.LeftSlab([1.0] + [0.0] * 15, 1.0),
    instances=50_000,
    steps=250,
)
exact = {s: en.statistics.laws.saddle_exit(lr=0.05, gamma=1.0, sigma=s, radius=1.0, steps=250) for s in sigmas}
found = en.statistics.against_law(result, lambda sigma: exact[sigma])
print(found[["law_median", "z_restricted_mean", "distance"]].to_dataframe())
laws = {f"sigma = {s:g}": (np.arange(251), law.survival) for s, law in exact.items()}
plots.save(plots.survival(result, laws=laws, law_name="exact law"), "exact_law")
