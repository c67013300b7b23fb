"""The edge of stability of momentum

Heavy ball on a parabola diverges above lr = 2 (1 + beta) / h, whatever the start. The map is the share of instances
that had diverged by step 2,000; the edge is a staircase because the grid is one.
"""

import numpy as np

import ensemble as en
from ensemble import plots

betas = (0.0, 0.2, 0.4, 0.6, 0.8, 0.95)
rates = tuple(np.round(np.arange(1.8, 4.01, 0.2), 2).tolist())
result = en.simulate(
    landscape=en.Quadratic([1.0, 0.5]),
    optimizer=en.HeavyBall(lr=en.grid(*rates), beta=en.grid(*betas)),
    start=en.NormalCloud(1.0),
    instances=100,
    steps=2_000,
)
share = (result.dataset["status"] == 2).mean("instance").to_dataset(name="share")
for beta in betas:
    edge = en.statistics.laws.heavy_ball_edge(1.0, beta)
    assert (share["share"].sel(beta=beta) == (share["lr"] > edge + 1e-9)).all(), beta
figure = plots.heat_map(share, "lr", "beta", "share", value_label="share diverged", limits=(0, 1), width=plots.DOUBLE)
plots.save(figure, "edge")
