"""Where does Adam fail, and what repairs it?

Question. Five known failures, each on the smallest example: linear losses on which Adam goes to the worst point (Reddi
et al. 2018), in fixed and in random order; the two-cycle that it settles on in a parabola; weight decay that is divided
like a gradient; and a rotation of the coordinates. How sure, how fast and how large are they over an ensemble, and how
do AMSGrad, AdamW and SGD fare?

Expected. Losses 3x, -x, -x, ... on [-1, 1], beta1 = 0, beta2 = 0.1, rate 0.5/sqrt(t), no bias correction: x_(3t+1) = 1
for every t, so that the regret is at least 2/3 a round, where AMSGrad's and SGD's are O(1/sqrt(T)) a round (Reddi, Kale
and Kumar 2018, theorems 1 and 4, arXiv:1904.09237; Zinkevich 2003). In random order (11x with probability 0.1, else -x,
mean slope 0.2) Adam drifts uphill: exactly E x_t = x_0 - lr sum_s sqrt(1 - beta2^s) E g_s/sqrt(v_s) while no wall is
met, by the transfer operator of v. On h x^2/2 Adam has the cycle x = A, -A, ..., A = lr (1 - beta1)/(2 (1 + beta1)) -
eps/h, stable where the Jacobian of two steps says so: not at the defaults (Bock and Weiss 2019). Coupled decay w has
SGD's fixed point, (H + w) x = H a; decoupled decay keeps |x_k| <= 1/w (Xie and Li 2024, arXiv:2404.04454): without
noise the best point of that box, with much noise sigma nearly (H + w sigma) x = H a. SGD does not see a rotation: E f
follows the same exact recursion.

Found. All 101 comparisons hold, |z| <= 1.9 (seed 0, 20,000 instances). In fixed order all starts end at 1 exactly;
after 3,000 rounds the regret a round is 0.672 (Adam), 0.031 (SGD) and 0.015 (AMSGrad). In random order Adam climbs
0.123 lr a step where SGD falls 0.2 lr: after 4,000 steps at rate 0.02 99.9 % of Adam's instances are in the worse half,
15 % of SGD's (its noise is 11 times as large) and 0.1 % of AMSGrad's. The two-cycle takes in every start wherever its
eigenvalue is below 1 by enough for the horizon, none where it is above. Decay 0.5 takes x_2 of Booth's function from 3
to 2.746 if coupled, whatever the noise; if decoupled to 1.99 without noise (the box, 1/w = 2) and 1.54 with noise 10. A
rotation of a quadratic of condition 100 multiplies Adam's mean loss by 4.2 at step 306; SGD's is the same.

Run `python studies/adam_failures.py`, or with `--quick`. Optimizers that are compared are paired. In fixed order
nothing is random but the start: 1,001 evenly spaced ones suffice. Exit status 1: an exact law lies more than four
standard errors from the sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import report
from adam import linear_losses, rotation, two_cycle, weight_decay


@dataclass(frozen=True)
class Size(report.Size):
    """How much to run: ``steps`` of the counterexample in fixed order, the others' own."""

    random_steps: int = 4_000
    cycle_steps: int = 3_000
    decay_steps: int = 4_000
    turn_steps: int = 1_500
    beta1s: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4, 0.6, 0.9)
    beta2s: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9, 0.999)


FULL = Size(20_000, 3_000)
QUICK = Size(2_000, 450, 1_500, 1_000, 2_500, 400, (0.0, 0.2, 0.9), (0.1, 0.5, 0.999))


def run(study: report.Study[Size]) -> None:
    """Five failures of Adam, each beside its law."""
    size = study.size
    linear_losses.fixed_order(study, size.steps)
    linear_losses.random_order(study, size.random_steps)
    two_cycle.run(study, size.cycle_steps, size.beta1s, size.beta2s)
    weight_decay.run(study, size.decay_steps)
    rotation.run(study, size.turn_steps)
    for part in dict.fromkeys(row["part"] for row in study.rows):
        rows = [{k: v for k, v in row.items() if k != "part"} for row in study.rows if row["part"] == part]
        study.tables[f"Table: {part}"] = report.table_of(rows)


app = report.command(run, FULL, QUICK)

if __name__ == "__main__":
    app()
