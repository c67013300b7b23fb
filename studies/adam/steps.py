"""How far Adam can go in one step, by the weights of its two averages."""

from __future__ import annotations

import numpy as np


def longest_step(t: int, beta1: float = 0.9, beta2: float = 0.999) -> float:
    """Returns the most that step t can be in a coordinate, over lr, whatever the gradients: (sum_i w_i^2/u_i)^(1/2).

    w and u are the weights of the gradients in the two corrected averages, and the step is sum w g over
    (sum u g^2)^(1/2): the inequality of Cauchy and Schwarz, with equality for gradients proportional to w/u.
    """
    age = np.arange(float(t))
    w = (1 - beta1) * beta1**age / (1 - beta1**t)
    u = (1 - beta2) * beta2**age / (1 - beta2**t)
    return float(np.sqrt((w**2 / u).sum()))
