"""A gradient that is not an ordinary number, at one step of some instances: what tests of NaN, infinity and the like inject."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

import ensemble as en
from ensemble.arithmetic.random import Stream
from ensemble.part import inner, structure

SHARE = 0.3
KINDS = {"nan": 0, "inf": 1, "-inf": 2, "-0": 3, "subnormal": 4}


@dataclass(frozen=True)
class Poisoned(en.Noise):
    """Another noise, but in step ``at`` the first coordinate of three instances in ten is ``what`` (of :data:`KINDS`)."""

    base: en.Noise = inner()
    at: int = structure(1, low=1)
    what: int = structure(0)
    kernel = """
template <class Base, int at_step, int what>
struct Poisoned {
    Base base;
    enum Column { columns = int(Base::columns) };
    template <class G, class Landscape, class Now>
    HD Vec apply(const Vec& y, G&& gradient, const Landscape& landscape, const Now& now) const {
        Vec g = base.apply(y, static_cast<G&&>(gradient), landscape, now);
        if (now.t != at_step) return g;
        scalar u = uniform_of_instance(now.random, PROBE);
        scalar bad = elementary::not_a_number();
        if (what == 1) bad = elementary::infinity();
        if (what == 2) bad = -elementary::infinity();
        if (what == 3) bad = broadcast(real(-0.0));
        if (what == 4) bad = from_bits(bits(broadcast(real(0))) + 1);
        mask hit = as_mask(u <= real(0.3));
        return where(index() < 1, where(hit, bad, g), g);
    }
};
"""

    def apply(self, x: Any, gradient: Any, landscape: Any, now: Any) -> Any:
        own = vars(getattr(now, "base", SimpleNamespace()))  # the columns of the noise inside
        inside = SimpleNamespace(**vars(now) | own | {"t": now.t, "random": now.random})
        g = self.base.apply(x, gradient, landscape, inside)
        if now.t != self.at:
            return g
        numbers = (np.nan, np.inf, -np.inf, -0.0, np.finfo(x.dtype).smallest_subnormal)
        hit = now.random.uniform_of_instance(Stream.PROBE) <= x.dtype.type(SHARE)
        first = np.arange(x.shape[1]) < 1
        return np.where(hit & first, x.dtype.type(numbers[self.what]), g)


def poisoned_instances(instances: int, dtype: Any, step: int = 1, seed: int = 0) -> Any:
    """Which instances of a run are hit, (instances,)."""
    from ensemble.arithmetic.random import Random, round_keys

    ids = np.arange(instances, dtype=np.uint64)[:, None]
    random = Random(round_keys(seed), ids, np.uint64(0), step, 4, np.dtype(dtype))
    return random.uniform_of_instance(Stream.PROBE)[:, 0] <= np.dtype(dtype).type(SHARE)
