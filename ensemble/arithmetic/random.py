"""Philox4x32-10, uniforms and normals in NumPy: the twin of ``kernels/random.cuh``, and the specification.

Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). Randomness is a pure function of who
and when: key = the 64-bit seed, counter = (step, block of four coordinates, instance id, stream). For dimension 1 and 2
one block of four normals serves four and two consecutive steps. Uniforms use all 32 bits, ``(word + 1/2) 2^-32``, in both
precisions; normals are Box and Muller's (1958), both outputs used, and reach 6.7 standard deviations.

The float32 normals of ``math="fast"`` on the CPU, against the same formula in float64 over 1e8 draws: root mean square error
7.5e-8, at most 7.9e-7 where the radius is 0.1 or more, at most 2.2e-4 below (a uniform within 2^-25 of 1 rounds to 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import vec
from .elementary import log_uniform, sin_cos_turn

ROUNDS = 10
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
INSTANCE_BLOCK = 0xFFFFFFFF
"""The block of per-instance draws: past every block of coordinates."""
CONFIGURATION_STRIDE = 256
"""What an unpaired configuration adds to the stream for each place in the list of configurations."""
PLACE_STRIDE = 16
"""What a noise adds to the stream for its place in a sum of noises; at most 16 of them."""

Words = NDArray[np.uint32]


class Stream(IntEnum):
    """Every use of randomness, once, below 16. The CUDA twin has the same list."""

    NOISE = 0
    START = 1
    PERTURBATION = 2
    MINIBATCH = 3
    PROBE = 4
    DRAWN = 5  # numbers of parts that every instance draws for itself
    NOISE_SECOND = 6  # of noises that take two words for each coordinate
    SHUFFLE = 7  # keys of permutations of samples
    DISORDER = 8  # of landscapes that are drawn, by their own seed
    DATA = 9  # of sets of data, by theirs


def round_keys(seed: int) -> NDArray[np.uint32]:
    """The two key words of each round, (20,), from the 64-bit seed."""
    low, high = seed & 0xFFFFFFFF, seed >> 32
    keys = [((low + r * _WEYL[0]) & 0xFFFFFFFF, (high + r * _WEYL[1]) & 0xFFFFFFFF) for r in range(ROUNDS)]
    return np.array(keys, dtype=np.uint32).ravel()


def philox(step: Any, block: Any, instance: Any, stream: Any, keys: NDArray[np.uint32]) -> tuple[Words, ...]:
    """Four words for each counter; the counter's parts broadcast against each other.

    What is common to all instances is a scalar here, so the first rounds on it cost nothing.
    """
    c0, c1, c2, c3 = (np.asarray(c).astype(np.uint64) for c in (step, block, instance, stream))
    for r in range(ROUNDS):
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0 = (p1 >> _HALF) ^ c1 ^ np.uint64(keys[2 * r])
        c2 = (p0 >> _HALF) ^ c3 ^ np.uint64(keys[2 * r + 1])
        c1, c3 = p1 & _LOW, p0 & _LOW
    return tuple(c.astype(np.uint32) for c in np.broadcast_arrays(c0, c1, c2, c3))


def uniform(words: Words, dtype: Any) -> NDArray[Any]:
    """``(word + 1/2) 2^-32`` in ``dtype``: never 0; in float32 the largest words give 1."""
    kind = np.dtype(dtype).type
    return words.astype(dtype) * kind(2.0**-32) + kind(2.0**-33)


def box_muller(w0: Words, w1: Words, dtype: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Two independent standard normals for each pair of words: radius from the first, angle from the second."""
    radius = np.sqrt(np.dtype(dtype).type(-2.0) * log_uniform(w0, dtype))
    sine, cosine = sin_cos_turn(w1, dtype)
    return radius * cosine, radius * sine


FINEST = 2.0**-53
"""The smallest of the uniforms in 52 bits; 1 less it is the largest."""


def fine_uniforms(block: Any, instance: Any, stream: Any, keys: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Uniforms in 52 bits, ``(k + 1/2) 2^-52``, of two words: within (0, 1), neither end among them."""
    high, low, *_ = philox(0, block, instance, stream, keys)
    k = (high.astype(np.uint64) << np.uint64(20)) | (low.astype(np.uint64) >> np.uint64(12))
    return (k.astype(np.float64) + 0.5) * 2.0**-52


@dataclass
class Random:
    """What a set of instances may draw from at one step.

    ``instance`` holds their ids (instances, 1); ``stream_offset`` is 0, or (instances, 1) for unpaired configurations.
    """

    keys: NDArray[np.uint32]
    instance: NDArray[np.uint64]
    stream_offset: Any
    step: int
    dim: int
    dtype: Any
    drawn: Callable[[Any], Any] = np.asarray
    """What draws are handed out as."""
    _kept: dict[Stream, tuple[int, list[NDArray[Any]]]] = field(default_factory=dict, init=False, repr=False)
    _places: dict[int, Random] = field(default_factory=dict, init=False, repr=False)
    _whole: Random | None = field(default=None, init=False, repr=False)

    def of_place(self, place: int) -> Random:
        """What the noise at that place of a sum draws from at this step; place 0 draws what it would alone."""
        if place == 0:
            return self
        if place not in self._places:
            self._places[place] = replace(self, stream_offset=self.stream_offset + np.uint64(PLACE_STRIDE * place))
            self._places[place]._whole = self
        self._places[place].step = self.step
        return self._places[place]

    @property
    def whole(self) -> Random:
        """What a noise draws from that is one, and not a place in a sum: batches do not depend on what noise is added to them."""
        return self._whole or self

    def normals(self, stream: Stream) -> NDArray[Any]:
        """Independent standard normals, (instances, dim)."""
        dim, rows = self.dim, self.instance.shape[0]
        offset = self.stream_offset + np.uint64(stream)
        if dim <= 2:  # one block serves several steps, and is kept while it does
            block, turn = divmod(self.step, vec.BLOCK // dim)
            kept = self._kept.get(stream)
            if kept is None or kept[0] != block:
                w = philox(block, 0, self.instance, offset, self.keys)
                four = [*box_muller(w[0], w[1], self.dtype), *box_muller(w[2], w[3], self.dtype)]
                steps = [np.concatenate(four[k : k + dim], axis=1) for k in range(0, vec.BLOCK, dim)]
                for array in steps:
                    array.setflags(write=False)
                kept = self._kept[stream] = (block, steps)
            return self.drawn(kept[1][turn])
        count = vec.blocks(dim)
        w = philox(self.step, np.arange(count, dtype=np.uint64)[None, :], self.instance, offset, self.keys)
        result = np.empty((rows, count, vec.BLOCK), dtype=self.dtype)
        result[..., 0], result[..., 1] = box_muller(w[0], w[1], self.dtype)
        result[..., 2], result[..., 3] = box_muller(w[2], w[3], self.dtype)
        return self.drawn(result.reshape(rows, count * vec.BLOCK)[:, :dim])

    def words(self, stream: Stream) -> Words:
        """Independent words, (instances, dim)."""
        count = vec.blocks(self.dim)
        offset = self.stream_offset + np.uint64(stream)
        w = philox(self.step, np.arange(count, dtype=np.uint64)[None, :], self.instance, offset, self.keys)
        return np.stack(w, axis=-1).reshape(self.instance.shape[0], count * vec.BLOCK)[:, : self.dim]

    def words_of_instance(self, stream: Stream, block: Any, step: Any = None) -> tuple[Words, ...]:
        """Four independent words for each instance, in block ``block`` of ``step``, which may be an epoch's number: each (instances, 1)."""
        at = self.step if step is None else step
        return philox(at, block, self.instance, self.stream_offset + np.uint64(stream), self.keys)

    def uniforms(self, stream: Stream) -> NDArray[Any]:
        """Independent uniforms on (0, 1], (instances, dim)."""
        return self.drawn(uniform(self.words(stream), self.dtype))

    def uniform_of_instance(self, stream: Stream) -> NDArray[Any]:
        """One uniform on (0, 1] for each instance, (instances, 1)."""
        w = philox(self.step, INSTANCE_BLOCK, self.instance, self.stream_offset + np.uint64(stream), self.keys)
        return self.drawn(uniform(w[0], self.dtype))
