"""What a schedule of the rate reaches

SGD with noise on a quadratic. A constant rate ends on its floor; schedules that fall to zero sit on that floor until
they fall; the rate 1/t goes down all the way.
"""

import ensemble as en
from ensemble import plots

top, steps = 0.2, 4_000
rates = {
    "constant": en.Constant(top),
    "steps": en.StepDecay(top, factor=0.3, every=1000),
    "cosine": en.Cosine(top, steps=steps),
    "1/t": en.InverseTime(top, k=0.1),
    "1/sqrt(t)": en.InverseSqrt(top),
}
result = en.compare(
    {name: en.GradientDescent(rate) for name, rate in rates.items()},
    landscape=en.Quadratic([0.25, 0.5, 1.0, 2.0]),
    start=en.Point(2.0),
    noise=en.Gaussian(1.0),
    record=en.Record(["value"], at=en.log_spaced(60), summary=True, quantiles=(0.4, 0.5, 0.6)),
    instances=5_000,
    steps=steps,
)
plots.save(plots.fan(result, "value", quantiles=(0.4, 0.5, 0.6)), "schedules")
