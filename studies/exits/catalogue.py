"""Every optimizer that the library has, at rates alike, and the law of its time at the quartic saddle if one is known.

Averages do not move x, Langevin noise adds to the variance of the gradient's, and decay makes the saddle flatter: the
law of SGD holds for them, with another noise or another curvature. Averaged momentum is heavy ball at lr (1 - beta).
"""

from __future__ import annotations

import numpy as np

import ensemble as en
from ensemble.statistics import laws

from .quartic_saddle import ADAM_LR, BETA, KICK, LR, SIGMA, escape_with_momentum, escape_with_noise

DECAY, WARM, NORM = 0.2, SIGMA**2 * LR / 2, 0.02
"""Weight decay; the temperature whose noise is as large as the gradient's; a norm below that of most gradients."""
CATALOGUE: dict[str, en.Optimizer] = {
    "GradientDescent": en.GradientDescent(LR),
    "HeavyBall": en.HeavyBall(LR, BETA),
    "Momentum": en.Momentum(LR, BETA),
    "Nesterov": en.Nesterov(LR, BETA),
    "PerturbedGD": en.PerturbedGD(LR, radius=KICK, g_thres=0.03, t_thres=10),
    "SGLD": en.SGLD(LR, temperature=WARM),
    "SignSGD": en.SignSGD(ADAM_LR),
    "Lion": en.Lion(ADAM_LR),
    "AdaGrad": en.AdaGrad(ADAM_LR),
    "AdaGradRMS": en.AdaGradRMS(ADAM_LR),
    "RMSProp": en.RMSProp(ADAM_LR),
    "RMSPropMomentum": en.RMSPropMomentum(ADAM_LR),
    "Adadelta": en.Adadelta(),
    "Adam": en.Adam(ADAM_LR),
    "AMSGrad": en.AMSGrad(ADAM_LR),
    "AdamL2": en.AdamL2(ADAM_LR, weight_decay=DECAY),
    "AdamW": en.AdamW(ADAM_LR, weight_decay=DECAY),
    "Adai": en.Adai(LR),
    "Newton": en.Newton(LR, iterations=2),
    "Preconditioned": en.Preconditioned(LR, absolute_values=True),
    "SaddleFreeNewton": en.SaddleFreeNewton(LR, damping=0.1, smoothness=1.0),
    "LBFGS": en.LBFGS(LR),
    "Armijo": en.Armijo(LR),
    "SteepestDescent": en.SteepestDescent(LR),
    "Muon": en.Muon(ADAM_LR, row_length=4),
    "Clip": en.Clip(en.GradientDescent(LR), norm=NORM),
    "ClipValue": en.ClipValue(en.GradientDescent(LR), limit=NORM),
    "L2": en.L2(en.GradientDescent(LR), weight_decay=DECAY),
    "WeightDecay": en.WeightDecay(en.GradientDescent(LR), lr=LR, weight_decay=DECAY),
    "SAM": en.SAM(en.GradientDescent(LR)),
    "Average": en.Average(en.GradientDescent(LR)),
    "EMA": en.EMA(en.GradientDescent(LR)),
    "NAdam": en.NAdam(ADAM_LR),
    "RAdam": en.RAdam(ADAM_LR),
    "Adamax": en.Adamax(ADAM_LR),
    "AdaBelief": en.AdaBelief(ADAM_LR),
    "Lookahead": en.Lookahead(en.GradientDescent(LR)),
    "ScheduleFree": en.ScheduleFree(en.GradientDescent(LR)),
}
"""Every optimizer that the library has, at the rates of the study; wrappers are around gradient descent."""


def law_in_catalogue(optimizer: str, dim: int, gamma: float, sigma: float) -> tuple[str, laws.TimeLaw | None]:
    """Returns what is known of T under these settings: "exact", "asymptotic" or "" and the law."""
    if optimizer in ("GradientDescent", "Average", "EMA"):
        return "exact", escape_with_noise(gamma, sigma)
    if optimizer == "SGLD":
        return "exact", escape_with_noise(gamma, float(np.sqrt(sigma**2 + 2 * WARM / LR)))
    if optimizer in ("L2", "WeightDecay"):  # a saddle that is flatter by the decay
        return "exact", escape_with_noise(gamma - DECAY, sigma)
    if optimizer in ("HeavyBall", "Nesterov"):
        return "asymptotic", escape_with_momentum(optimizer == "Nesterov", gamma, sigma)
    if optimizer == "Momentum":
        return "asymptotic", escape_with_momentum(False, gamma, sigma, LR * (1 - BETA))
    return "", None
