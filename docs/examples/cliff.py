"""A cliff, and what clipping saves

At the foot of a steep wall noise may put an instance on it, and one step then throws it far back along the slope.
Clipping the gradient, and the bounded steps of Adam and of signs, keep nearly all in the valley.
"""

import ensemble as en
from ensemble import plots

step = 0.1
result = en.compare(
    {
        "SGD": en.GradientDescent(step),
        "clipped at 10": en.Clip(en.GradientDescent(step), norm=10.0),
        "RMSProp": en.RMSProp(step),
        "Adam": en.Adam(step),
        "sign descent": en.SignSGD(step),
    },
    landscape=en.Cliff(dim=2, slope=1.0, wall=100.0),
    start=en.Point((-0.46, 0.0)),
    noise=en.Gaussian(3.0),
    event=en.LeftSlab([1.0, 0.0], 4.0),
    instances=5_000,
    steps=2_000,
)
shares = en.statistics.shares(result)
names = {"event 1": "thrown out", "censored": "still in the valley"}
plots.save(plots.bars(shares, names=names, height=3.2), "cliff")
