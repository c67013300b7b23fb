"""Basins of attraction, and what momentum makes of them

Every point of a grid is a start; its colour is the minimum that gradient descent, heavy ball and Adam reach from
there. The borders are no longer those of the hills once there is inertia.
"""

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

import ensemble as en

hills, side = en.Himmelblau(), 200
line = np.linspace(-5, 5, side)
points = np.column_stack([a.ravel() for a in np.meshgrid(line, line)])
result = en.compare(
    {"descent": en.GradientDescent(0.005), "heavy ball": en.HeavyBall(0.005, beta=0.9), "Adam": en.Adam(0.3)},
    landscape=hills,
    start=en.Points(points),
    instances=side * side,
    steps=2_000,
)
found = en.statistics.nearest_minimum(result, tolerance=0.3)["minimum"]
figure = Figure(figsize=(7, 2.7), layout="constrained")
colours = ListedColormap(["white", "#0072B2", "#E69F00", "#009E73", "#CC79A7"])
panels = figure.subplots(1, 3, sharey=True)
panels[0].set(ylabel="$x_2$")
for axes, name in zip(panels, found["optimizer"].to_numpy()):
    one = found.sel(optimizer=name)
    picture = np.where(one < 4, one, -1).reshape(side, side)
    axes.imshow(picture, origin="lower", extent=(-5, 5, -5, 5), cmap=colours, vmin=-1, vmax=3, interpolation="nearest")
    axes.set(title=name, xlabel="$x_1$", xticks=[-4, -2, 0, 2, 4])
figure.savefig("basins.png", dpi=200)
