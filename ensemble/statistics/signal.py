"""How large is the gradient's noise beside the gradient, along the way?"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import xarray as xr

from ..arithmetic.random import Random, round_keys
from ..landscapes.base import Landscape
from ..minibatches import Minibatch
from ..noises import AlphaStable, Noise, StudentT
from ..part import nested, now_for, put_column
from ..run.field import seen_in_step
from ..words import told
from .configurations import alike, configurations
from .intervals import median_interval
from .lifetimes import MOST_WORK, FloatArray, check_confidence, check_seed, check_whole
from .recorded import Recorded, check_landscape, recorded


def noise_to_signal(
    data: Any, landscape: Landscape, noise: Noise, *, draws: int = 64, confidence: float = 0.95, seed: int = 0
) -> xr.Dataset:
    """Ratio of the noise's variance to the squared gradient, E|g - grad f|^2 / |grad f|^2, at the recorded points.

    Where it is below 1 steps go mostly downhill, above they are mostly noise; a batch B times as large divides it by B
    (Bottou, Curtis & Nocedal 2018, s4, arXiv:1606.04838; McCandlish et al. 2018's simple noise scale is this times the
    batch, arXiv:1812.06162). The expectation is the mean over `draws` fresh draws of the noise at each point and step, with
    a relative error of about sqrt(2/(dim draws)) for Gaussian noise. `landscape` and `noise` are those of the runs, with
    their grids; configurations see the same draws.

    Returns over the configuration dimensions `ratio` (..., instance, step), infinite where the gradient is 0 and NaN
    where the instance diverged, and its `median` over instances with the interval between order
    statistics (Hettmansperger & Sheather 1986), `median_lower`, `median_upper` (..., step).

    ValueError: x not recorded of instances; noise of infinite variance; another dimension, or other grids than the runs'; draws below 2;
    a bad seed.
    """
    check_confidence(confidence)
    check_whole("draws", draws, 2, "a whole number of draws, at least 2 and at most 10^6", MOST_WORK)
    check_seed(seed)
    _check_noise(noise)
    found = recorded(data, "path", dims=1)
    groups, n, steps, dim = found.values.shape
    check_landscape(landscape, dim)
    values = np.empty((groups, n, steps))
    for parts, members in alike(configurations(data, found.frame, landscape=landscape, noise=noise)):
        values[members] = _ratio(parts["landscape"], parts["noise"], found, members, draws, seed)
    table = np.array([[median_interval(v[~np.isnan(v)], confidence) for v in group.T] for group in values])
    frame, percent = found.frame, f"{100 * confidence:g} %"
    variables = {"ratio": frame.variable(values, "noise variance over squared gradient", "1", "instance", "step")}
    for i, end in enumerate(("", "_lower", "_upper")):
        which = f"{end[1:]} {percent} limit of the " if end else ""
        variables[f"median{end}"] = frame.variable(table[:, :, i], f"{which}median ratio", "1", "step")
    coords = {"step": found.step, "instance": found.ids}
    return frame.dataset(variables, coords, {"confidence": confidence, "draws": draws, "seed": seed})


def _ratio(landscape: Any, noise: Any, found: Recorded, members: list[int], draws: int, seed: int) -> FloatArray:
    """Return the ratio (members, instances, steps) in the groups of one configuration of landscape and noise."""
    noise = noise.on(landscape)
    for part in nested(noise):
        if (isinstance(part, AlphaStable) and part.alpha < 2) or (isinstance(part, StudentT) and part.df <= 2):
            raise ValueError(f"{told(part)} has no finite variance, so there is no such ratio; give noise that has one")
        if isinstance(part, Minibatch) and part.in_epochs:
            raise ValueError(
                f"{told(part)} draws no batches that are independent of each other; give Minibatch(..., order='no_replacement')"
            )
    values = found.values[members]
    dim, ids = values.shape[3], np.tile(found.ids, len(members)).astype(np.uint64)[:, None]
    seen, surface = seen_in_step(noise, dim), seen_in_step(landscape, dim)
    ratio = np.empty((ids.size, found.step.size))
    for k, step in enumerate(found.step):
        x = values[:, :, k].astype(float).reshape(-1, dim)
        t = max(int(step), 1)
        # The draws of an instance are its own, at steps 1 ... draws for the first point, and on for the next.
        random = Random(round_keys(seed), ids, np.uint64(0), 1, dim, np.dtype(float))
        now = now_for(noise, SimpleNamespace(t=t, random=random, landscape=SimpleNamespace(t=t)))
        for path, column in noise.columns(np.array([float(t)])):
            put_column(now, path, column[0])
        with np.errstate(all="ignore"):
            gradient = surface.gradient(x, SimpleNamespace(t=t))
            power = np.zeros(len(x))
            for draw in range(draws):
                random.step = k * draws + draw + 1
                given = seen.gradient(x, surface, now) if noise.draws_batches else gradient
                power += ((seen.apply(x, given, surface, now) - gradient) ** 2).sum(axis=1)
            ratio[:, k] = power / draws / (gradient**2).sum(axis=1)
    return ratio.reshape(values.shape[:3])


def _check_noise(noise: Noise) -> None:
    if not isinstance(noise, Noise):
        raise ValueError(f"noise={told(noise)}; give the noise of the runs, made like Gaussian(sigma=0.1)")
