"""Three optimizers leave a saddle

Twenty thousand instances of each start beside a strict saddle, from the same places, with the same noise in their
gradients. Momentum leaves first on the whole; Adam leaves late, but nearly all at once.
"""

import ensemble as en
from ensemble import plots

result = en.compare(
    {"SGD": en.GradientDescent(lr=0.01), "heavy ball": en.HeavyBall(lr=0.002), "Adam": en.Adam(lr=0.002)},
    landscape=en.QuarticSaddle(dim=64),
    start=en.NormalCloud(scale=1e-3),
    noise=en.Gaussian(sigma=0.1),
    event=en.LeftBall(radius=0.5),
    instances=20_000,
    steps=1_200,
)
print(en.statistics.survival(result)[["median", "median_lower", "median_upper"]].to_dataframe())
plots.save(plots.survival(result), "saddle_race")
