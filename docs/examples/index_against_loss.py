"""The lower, the fewer ways down

Stationary points of the function of Styblinski and Tang in twelve coordinates, found by Newton's method, which is
drawn to saddles of every index. The higher the value, the larger the share of directions that lead down: what Dauphin
et al. (2014) report for networks.
"""

import ensemble as en
from ensemble import plots

result = en.simulate(
    landscape=en.StyblinskiTang(dim=12),
    optimizer=en.Preconditioned(lr=0.5),  # Newton's method, as the Hessian is diagonal
    start=en.UniformBox(-4.0, 4.0),
    instances=4_000,
    steps=80,
    dtype="float64",
)
found = en.statistics.saddle_index(result)
print("at stationary points:", int((found["gradient_norm"] < 1e-6).sum()), "of", found.sizes["instance"])
plots.save(plots.index_against_loss(found, bins=10), "index_against_loss")
