"""Minibatch: the noise that stochastic gradients of finite sums really have."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arithmetic.permutations import below, keys_of, permuted
from .arithmetic.random import Stream
from .arithmetic.vec import Array
from .grids import Drawn, Grid
from .landscapes.base import Landscape
from .landscapes.finite_sum import FiniteSum
from .noises import Noise
from .part import Domain, Part, Schedule, derived, scheduled
from .words import told

__all__ = ["Minibatch"]

ORDERS = ("replacement", "no_replacement", "reshuffle", "once", "cyclic", "full")
SIZE = Domain(lambda v: v >= 1 and v == math.floor(v), "a whole number of at least 1")

MOST_EPOCHS = 1 << 24
"""Epochs that a table of float32 tells apart."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Minibatch(Noise):
    """Real minibatch noise: the gradient of a batch of the samples of a finite sum, such as ``LeastSquares``, in place of that of all.

    Every gradient within a step is of one batch (Nesterov's and SAM's too); Hessians, values, events and records are of all samples.
    Batches are a function of seed, instance and step, whatever the optimizer and its numbers: runs are paired, and with
    ``order="replacement"`` and ``"no_replacement"`` the first 8 samples of a batch of 32 are the batch of 8.

    ``batch`` is a whole number, a grid, or a schedule of whole numbers (batches that grow). ``order``:

    * ``"replacement"``: independent samples, each with chance 1/n (to within 2^-32);
    * ``"no_replacement"``: distinct samples within a batch, batches independent;
    * ``"reshuffle"``: a new permutation in every epoch, of each instance, as torch's DataLoader with shuffle=True;
    * ``"once"``: one permutation of each instance, gone through again and again;
    * ``"cyclic"``: the samples as they come;
    * ``"full"``: all of them, the exact gradient; ``batch`` is left out.

    In the three orders with epochs the last batch of an epoch has what is left, and is the mean over its own size; ``drop_last``
    leaves it out. Permutations are those of ``arithmetic/permutations.py``: computed, never stored.
    """

    gives_gradient = True
    scratch = 2

    batch: Any = scheduled(1.0, SIZE)
    order: str = "replacement"
    drop_last: bool = field(default=False, metadata={"kind": "outside"})
    number: int = derived()
    _: KW_ONLY
    samples: int | None = field(default=None, repr=False, compare=False)

    def validate(self) -> None:
        if not isinstance(self.order, str) or self.order not in ORDERS:
            raise ValueError(f"Minibatch(order={told(self.order)}): give one of {', '.join(map(repr, ORDERS))}.")
        object.__setattr__(self, "number", ORDERS.index(self.order))
        if self.drop_last and not self.in_epochs:
            raise ValueError(
                f"Minibatch(order={self.order!r}, drop_last=True): its batches are all whole; leave drop_last out."
            )

    @property
    def in_epochs(self) -> bool:
        """Whether every sample is seen once before one is seen again."""
        return self.order in ("reshuffle", "once", "cyclic")

    def on(self, landscape: Landscape) -> Noise:
        if not isinstance(landscape, FiniteSum):
            raise ValueError(
                f"Minibatch on {type(landscape).__name__}, which is no mean over samples; give a FiniteSum, such as LeastSquares(A, y)."
            )
        n = landscape.samples
        for size in self._sizes():
            self._check_size(size, n)
        return replace(self, samples=n)

    def _sizes(self) -> Sequence[Any]:
        """Of batches: all of a grid, the least and the greatest of a law."""
        if isinstance(self.batch, Drawn):
            return tuple(self.batch.law.extremes())
        return self.batch.values if isinstance(self.batch, Grid) else (self.batch,)

    def check_before(self, last: int, dtype: str) -> None:
        """Refuses what step ``last`` would bring: more samples than there are, where a schedule says so, and epochs beyond counting."""
        for size in self._sizes():
            within = size.range(1, last) if isinstance(size, Schedule) else None
            if within is not None:
                self._refuse_more(size, within[1])
            steps = 1 if isinstance(size, Part) else replace(self, batch=size).steps_of(1)
            if self.in_epochs and dtype == "float32" and last / steps > MOST_EPOCHS:
                raise ValueError(
                    f"Minibatch(order={self.order!r}): {last:,} steps are more than the {MOST_EPOCHS:,} epochs that float32 can count; "
                    f"give dtype='float64'."
                )

    def _refuse_more(self, size: Any, most: float) -> None:
        if most > self._samples():
            raise ValueError(
                f"Minibatch(batch={told(size)}): it comes to {most:g}, and there are {self._samples()} samples."
            )

    def _check_size(self, size: Any, n: int) -> None:
        if isinstance(size, Part):
            return
        if size > n:
            raise ValueError(f"Minibatch(batch={size:g}): there are {n} samples; give at most as many.")
        if self.order == "full" and size not in (1, n):
            raise ValueError(f"Minibatch(batch={size:g}, order='full'): all {n} samples are a batch; leave batch out.")

    # ---- which samples

    def columns(self, t: Floats, prefix: str = "") -> Iterator[tuple[str, Floats]]:
        sizes = dict(super().columns(t, prefix))[f"{prefix}batch"]
        size, epoch, place, _ = self._positions(t, sizes)
        yield f"{prefix}batch", size
        yield f"{prefix}share", 1.0 / size
        yield f"{prefix}epoch", epoch
        yield f"{prefix}place", place

    def samples_seen(self, t: Floats) -> Floats:
        """How many samples steps 1 ... t have seen, for each step t (0 for the start)."""
        sizes = dict(super().columns(np.maximum(t, 1.0), ""))["batch"]
        return np.where(t < 1, 0.0, self._positions(np.maximum(t, 1.0), sizes)[3])

    def steps_of(self, epochs: int) -> int:
        """The steps that so many epochs take: of passes through the data, or of as many samples."""
        n = self._samples()
        if isinstance(self.batch, Drawn):
            raise ValueError(
                f"Minibatch(batch={told(self.batch)}): every instance has epochs of its own length; give steps=."
            )
        if self.order == "full":
            return epochs
        if not isinstance(self.batch, Part):
            size = int(self.batch)
            if self.in_epochs:
                return epochs * (n // size if self.drop_last else -(-n // size))
            return -(-epochs * n // size)
        steps = 1
        while True:
            t = np.array([float(steps)])
            _, epoch, _, seen = self._positions(t, dict(super().columns(t))["batch"])
            if self.in_epochs and epoch[0] >= epochs:
                return steps - 1
            if not self.in_epochs and seen[0] >= epochs * n:
                return steps
            steps += 1

    def _samples(self) -> int:
        if self.samples is None:
            raise ValueError("this Minibatch is of no landscape yet; a run, or on(landscape), makes it one.")
        return self.samples

    def _positions(self, t: Floats, sizes: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """(size, epoch, place in the epoch, samples seen in the end) of the batch of each step t."""
        if self.samples is None:  # its names alone are asked for
            return sizes, np.zeros_like(t), np.zeros_like(t), t * sizes
        n = self.samples
        if self.order == "full":
            return np.full(t.shape, float(n)), t - 1.0, np.zeros_like(t), t * n
        if isinstance(self.batch, Part):
            self._refuse_more(self.batch, sizes.max(initial=0.0))
            found = _positions_of(self, int(t.max()) if t.size else 0)
            return tuple(row[t.astype(np.int64) - 1] for row in found)  # type: ignore[return-value]
        if not self.in_epochs:
            return sizes, np.zeros_like(t), np.zeros_like(t), t * sizes
        size = float(self.batch)
        steps = float(n // int(size) if self.drop_last else -(-n // int(size)))
        epoch = np.floor((t - 1.0) / steps)
        place = (t - 1.0 - epoch * steps) * size
        whole = steps * size if self.drop_last else float(n)
        taken = np.minimum(size, n - place)
        return taken, epoch, place, epoch * whole + place + taken

    def batches(
        self, random: Any, batch: Any, epoch: Any, place: Any
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
        """The samples that each instance sees, (instances, size), and which of them count where sizes differ; None: all."""
        n = self._samples()
        size = np.asarray(batch)
        most = int(size.max())
        has = None if size.ndim == 0 or (size == most).all() else np.arange(most)[None, :] < size
        if self.order == "replacement":
            words = [w for b in range(-(-most // 4)) for w in random.words_of_instance(Stream.MINIBATCH, b)]
            return below(np.concatenate(words[:most], axis=1), n), has
        at = np.arange(most, dtype=np.int64)[None, :]
        if self.order == "no_replacement":
            return permuted(at, n, keys_of(random, None)), has
        at = at + np.asarray(place).astype(np.int64)
        at = np.where(at < n, at, 0)
        if self.order == "cyclic":
            return np.broadcast_to(at, (len(random.instance), most)), has
        return permuted(at, n, keys_of(random, 0 if self.order == "once" else np.asarray(epoch).astype(np.int64))), has

    def gradient(self, x: Array, landscape: Any, now: Any) -> Array:
        if self.order == "full":
            return landscape.gradient(x, now.landscape)
        drawn, has = self.batches(now.random.whole, now.batch, now.epoch, now.place)
        return landscape.batch_gradient(x, drawn, now.share, has)

    def apply(self, x: Array, gradient: Array, landscape: Any, now: Any) -> Array:
        return gradient


@lru_cache(maxsize=8)
def _positions_of(noise: Minibatch, last: int) -> tuple[Floats, Floats, Floats, Floats]:
    """The same at steps 1 ... last where the batch's size has a schedule."""
    n = noise._samples()
    wanted = dict(Part.columns(noise, np.arange(1.0, last + 1.0)))["batch"]
    if not noise.in_epochs:
        zeros = np.zeros(last)
        return wanted, zeros, zeros, np.cumsum(wanted)
    found = np.empty((4, last))
    epoch, place, seen = 0, 0, 0
    for k, size in enumerate(wanted.astype(np.int64).tolist()):
        if place >= n or (noise.drop_last and place + size > n):
            epoch, place = epoch + 1, 0
        taken = min(size, n - place)
        found[:, k] = taken, epoch, place, seen + taken
        place, seen = place + taken, seen + taken
    return tuple(found)  # type: ignore[return-value]
