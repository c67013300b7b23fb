"""Random numbers below n, and permutations of 0 ... n-1 that are computed place by place: the twin of ``kernels/permutations.cuh``.

A permutation is a function of sixteen words: swap-or-not (Hoang, Morris and Rogaway 2012, "An enciphering scheme based on a card
shuffle", arXiv:1208.1176), here of sixteen rounds. In each a place v has a partner ``K - v mod n``, and a bit of a hash of the larger
of the two says whether they change places, so that any n gives a bijection without walking, and nothing is stored.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .random import Random, Stream, Words

ROUNDS = 16
MOST_SAMPLES = 1 << 24
"""Numbers of samples, and of places, are exact in float32."""
_WEYL, _MULTIPLIER = np.uint64(0x9E3779B9), np.uint64(0x85EBCA6B)
_LOW = np.uint64(0xFFFFFFFF)

Places = NDArray[np.int64]


def below(words: Words, n: int) -> Places:
    """A number below n from each word, ``floor(word n 2^-32)``: no chance is off by more than 2^-32."""
    return ((words.astype(np.uint64) * np.uint64(n)) >> np.uint64(32)).astype(np.int64)


def keys_of(random: Random, number: Any) -> Words:
    """The words of permutation ``number`` of each instance: of an epoch, or of a step. (instances, 16)."""
    drawn = [random.words_of_instance(Stream.SHUFFLE, block, number) for block in range(ROUNDS // 4)]
    return np.concatenate([word for four in drawn for word in four], axis=1)


def permuted(place: Any, n: int, keys: Words) -> Places:
    """What lies at ``place`` (instances or 1, k) of each instance's permutation of n, ``keys`` (instances, 16): (instances, k)."""
    v = np.broadcast_to(np.asarray(place, dtype=np.int64), np.broadcast_shapes(np.shape(place), (len(keys), 1)))
    for r in range(ROUNDS):
        key = keys[:, r : r + 1]
        partner = below(key, n) - v
        partner = np.where(partner < 0, partner + n, partner)
        h = ((np.maximum(v, partner).astype(np.uint64) + key) * _WEYL) & _LOW
        h = ((h ^ (h >> np.uint64(15))) * _MULTIPLIER) & _LOW
        v = np.where(h >> np.uint64(31), partner, v)
    return v
