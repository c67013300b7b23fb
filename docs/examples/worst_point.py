"""Adam goes to the worst point, AMSGrad to the best

Reddi, Kale and Kumar (2018): the loss is 3x at every third step and -x otherwise, on [-1, 1]. The best point is -1.
Adam with a short memory ends at +1 from every start, and its regret a round does not fall.
"""

import ensemble as en
from ensemble import plots

losses = en.OnlineLinear(dim=1, period=3, C=3.0)
rate = en.InverseSqrt(0.5)
result = en.compare(
    {
        "Adam": en.Adam(rate, beta1=0.0, beta2=0.1, bias_correction=False),
        "AMSGrad": en.AMSGrad(rate, beta1=0.0, beta2=0.1, bias_correction=False),
        "SGD": en.GradientDescent(rate),
    },
    landscape=losses,
    start=en.UniformBox(-1.0, 1.0),
    record=en.Record(["x"], at=range(1501)),
    instances=500,
    steps=1_500,
)
regret = en.statistics.regret(result, losses)
figure = plots.curves(
    regret, "mean", "round", x_label="round", y_label="regret a round", log=(True, True), limits=(0.01, 3)
)
plots.save(figure, "worst_point")
