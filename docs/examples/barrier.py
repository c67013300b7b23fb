"""Over a barrier, and Kramers' formula

SGD between two wells has the temperature lr sigma^2 / 2. Its escape rate falls like exp(-barrier / temperature). The
line is a fit; the dotted curve is Kramers' formula of 1940, which promises nothing at temperatures like these, and is
close all the same.
"""

import numpy as np

import ensemble as en
from ensemble import plots

lr, temperatures = 0.05, np.array([0.05, 0.06, 0.075, 0.1, 0.14])
result = en.simulate(
    landscape=en.DoubleWell(dim=1),
    optimizer=en.GradientDescent(lr),
    start=en.Point(-1.0),
    noise=en.Gaussian(sigma=en.grid(*np.sqrt(2 * temperatures / lr))),
    event=en.Crossed([1.0], 1.0),
    instances=2_000,
    steps=60_000,
    paired=False,
)
fit = en.statistics.arrhenius(result, "sigma", temperatures, time_per_step=lr, after=200)
fit.attrs.pop("note", None)
line = np.linspace(0.05, 0.14, 50)
kramers = [1 / en.statistics.laws.double_well_mean_kramers(temperature) for temperature in line]
figure = plots.arrhenius(fit, laws={"Kramers": (line, kramers)}, y_label="escape rate (1/unit of time)")
plots.save(figure, "barrier")
