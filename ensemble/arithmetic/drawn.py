"""Whole arrays from counters: what a landscape or a set of data is made of, a pure function of a seed, the same on every machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .random import Stream, Words, box_muller, philox, round_keys, uniform
from .vec import BLOCK

Real = NDArray[np.float64]
CHUNK = 1 << 16
"""Blocks of four numbers drawn at once."""


def drawn_normals(seed: int, stream: Stream, count: int, part: int = 0) -> Real:
    """``count`` standard normals in float64, (count,). Fewer are the first of more; ``part`` tells arrays of one seed apart."""
    drawn = []
    for words in _words(seed, stream, count, part):
        pairs = [*box_muller(words[0], words[1], np.float64), *box_muller(words[2], words[3], np.float64)]
        drawn.append(np.stack(pairs, axis=1).ravel())
    return np.concatenate(drawn)[:count]


def drawn_uniforms(seed: int, stream: Stream, count: int, part: int = 0) -> Real:
    """``count`` uniforms on (0, 1) in float64, (count,), as :func:`drawn_normals`."""
    return np.asarray(uniform(_flat(seed, stream, count, part), np.float64))


def drawn_order(seed: int, stream: Stream, count: int, part: int = 0) -> NDArray[np.intp]:
    """A permutation of 0 ... count - 1, (count,): places in the order of a word of 32 bits that each has drawn."""
    return np.argsort(_flat(seed, stream, count, part), kind="stable")


def _flat(seed: int, stream: Stream, count: int, part: int) -> Words:
    return np.concatenate([np.stack(words, axis=1).ravel() for words in _words(seed, stream, count, part)])[:count]


def _words(seed: int, stream: Stream, count: int, part: int) -> list[tuple[Words, ...]]:
    """The counter is (part, block of four numbers, 0, stream), the key the seed."""
    blocks, keys = np.arange(max(1, -(-count // BLOCK)), dtype=np.uint64), round_keys(seed)
    return [philox(part, blocks[a : a + CHUNK], 0, stream, keys) for a in range(0, blocks.size, CHUNK)]
