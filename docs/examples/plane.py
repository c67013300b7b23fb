"""Paths of many coordinates in a plane

The principal plane of forty paths in twenty coordinates: contours are those of the landscape in that plane, and the
title says how much of the paths' way lies in it.
"""

import numpy as np

import ensemble as en
from ensemble import plots

generator = np.random.default_rng(4)
wells = en.MultiWell(centers=1.5 * generator.normal(size=(5, 20)), curvatures=1.0, smoothing=2.0)
result = en.simulate(
    landscape=wells,
    optimizer=en.HeavyBall(0.02, beta=0.9),
    start=en.NormalCloud(2.0),
    noise=en.Gaussian(1.0),
    record=en.Record(["x"], at=range(0, 201, 2)),
    instances=40,
    steps=200,
)
tracks = result.dataset["path"].to_numpy().astype(float)
principal = plots.Plane.principal(tracks)
plots.save(plots.plane(wells, principal, tracks, width=4.5), "plane")
