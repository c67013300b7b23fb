"""A cloud leaves a maximum

Two hundred instances of SGD and of Adam start on the maximum of Himmelblau's function. Both see the same noise. SGD
runs off, ever faster, along the steepest ways; Adam leaves at nearly one speed.
"""

import ensemble as en
from ensemble import plots

hills = en.Himmelblau()
cloud = en.compare(
    {"SGD": en.GradientDescent(0.003), "Adam": en.Adam(0.06)},
    landscape=hills,
    noise=en.Gaussian(10.0),
    start=en.NormalCloud(0.1, center=(-0.27, -0.92)),
    record=en.Record(["x"], at=range(0, 81, 2)),
    instances=200,
    steps=80,
)
plots.animate(hills, cloud, "film.gif", limits=((-5, 5), (-5, 5)), width=4.0, dpi=80)
