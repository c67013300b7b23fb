"""Flat or sharp, by learning rate and batch

Two minima of one depth, one four times as sharp. The noise is that of a minibatch: its covariance is the Hessian over
the batch size. From the sharp minimum instances either stay (top left), gather in the flat one, or are too hot to
choose.
"""

import ensemble as en
from ensemble import plots

result = en.simulate(
    landscape=en.SharpFlat(dim=1, sharp=4.0, flat=1.0),
    optimizer=en.GradientDescent(lr=en.grid(0.025, 0.05, 0.1, 0.2, 0.4)),
    noise=en.HessianAligned(batch=en.grid(0.0125, 0.025, 0.05, 0.1, 0.2, 0.4)),
    start=en.Point(-1.0),
    instances=4_000,
    steps=4_000,
)
share = (result.dataset["x"].isel(coordinate=0) > 0).mean("instance").to_dataset(name="share")
figure = plots.heat_map(
    share, "lr", "batch", "share", value_label="share in the flat minimum", limits=(0, 1), note="n = 4,000"
)
plots.save(figure, "flat_or_sharp")
