"""Six rules in Rosenbrock's valley

Four instances of each, from the same starts. Gradient descent creeps, momentum swings, Nesterov's looks ahead; Adam
has the direction of the diagonal at first; Newton's method, where curvatures have both signs, climbs before it
arrives.
"""

import ensemble as en
from ensemble import plots

valley = en.Rosenbrock()
result = en.compare(
    {
        "gradient descent": en.GradientDescent(5e-4),
        "heavy ball": en.HeavyBall(5e-4, beta=0.9),
        "Nesterov": en.Nesterov(5e-4, beta=0.9),
        "Adam": en.Adam(0.02),
        "sign descent": en.SignSGD(0.01),
        "Newton": en.Newton(0.2),
    },
    landscape=valley,
    start=en.NormalCloud(0.15, center=(-1.2, 1.6)),
    record=en.Record(["x"], at=range(301)),
    instances=4,
    steps=300,
)
plots.save(plots.paths(valley, result, limits=((-1.9, 1.7), (-0.7, 2.3))), "valley_paths")
