"""Where sharpness-aware steps end

A linear network of two layers has a manifold of global minima, from flat to as sharp as you like. Where SGD and sign
descent end on it depends on the start; SAM carries nearly all to its flat part.
"""

import ensemble as en
from ensemble import plots

result = en.compare(
    {
        "descent": en.GradientDescent(0.02),
        "SAM": en.SAM(en.GradientDescent(0.02), rho=0.2),
        "sign descent": en.SignSGD(0.002),
    },
    landscape=en.DeepLinear(layers=2, width=2),
    start=en.NormalCloud(1.0),
    noise=en.Gaussian(0.3),
    instances=1_000,
    steps=4_000,
)
ended = en.statistics.quench(result, lr=0.01, progress=False)
found = en.statistics.sharpness(ended, measures=["largest_eigenvalue"])
plots.save(plots.violins(found, "largest_eigenvalue", y_label="largest eigenvalue of the Hessian"), "sharpness")
