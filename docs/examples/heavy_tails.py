"""Out of a valley by one long jump

Normal noise climbs the wall: the mean exit time grows exponentially with its height. Alpha-stable noise leaves in one
long jump: the time grows like a power of the width, and hardly knows the height.
"""

import numpy as np

import ensemble as en
from ensemble import plots

heights = np.geomspace(0.25, 2.0, 6)
found = {}
for alpha, scale in ((2.0, 2.0), (1.5, 0.9), (1.0, 0.25)):
    result = en.simulate(
        landscape=en.Quadratic(curvature=en.grid(*(2 * heights)), dim=1),  # of width 1
        optimizer=en.GradientDescent(0.05),
        noise=en.AlphaStable(alpha, scale),
        start=en.Point(0.0),
        event=en.LeftBall(1.0),
        instances=2_000,
        steps=100_000,
        paired=False,
    )
    rate = en.statistics.escape_rate(result).rename(curvature="height").assign_coords(height=heights)
    found[f"alpha = {alpha:g}"] = rate[["mean", "mean_lower", "mean_upper"]]
figure = plots.curves(
    found, "mean", "height", x_label="height of the wall", y_label="mean exit time (steps)", log=(True, True)
)
plots.save(figure, "heavy_tails")
