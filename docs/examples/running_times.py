"""Running times, counted as benchmarks do

The share of runs that reach a value of Rastrigin's function below 2 by step t, from uniform starts, with exact
gradients and with noise that fades. Most end in a minimum that is too high. Noise helps heavy ball, which adds it up;
the steps of descent are too short for it, and Adam divides by it.
"""

import ensemble as en
from ensemble import plots

falling = en.Gaussian(en.ExponentialDecay(30.0, factor=0.995))
rules = {"descent": en.GradientDescent(0.002), "heavy ball": en.HeavyBall(0.002, beta=0.9), "Adam": en.Adam(0.1)}
given = {
    "landscape": en.Rastrigin(dim=2),
    "start": en.UniformBox(-3.0, 3.0),
    "event": en.Below(2.0),
    "instances": 4_000,
    "steps": 2_000,
}
quiet = en.compare(rules, **given)
noisy = en.compare(rules, noise=falling, **given)
plots.save(plots.ecdf({"exact": quiet, "noisy": noisy}), "running_times")
