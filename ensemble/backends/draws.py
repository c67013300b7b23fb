"""What starts draw from, on any backend: the same Philox and normals, with the same bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arithmetic.random import Random, Stream, philox
from ..arithmetic.vec import blocks
from .program import Engine, Program

NOBODY = 0xFFFFFFFF
"""The instance id of draws that all instances share."""


@dataclass(frozen=True)
class Draws:
    """A start's :class:`~ensemble.starts.Source`: an engine, and the stream of a program's configuration.

    ``stream_offset`` may be (ids, 1) with the engine of NumPy.
    """

    engine: Engine
    program: Program
    ids: NDArray[np.uint32]
    stream_offset: Any

    def normals(self) -> Any:
        """Standard normals (ids, dim), an array of the engine's library."""
        return self.engine.normals(self.program, 0, Stream.START + self.stream_offset, self.ids)

    def uniforms(self) -> Any:
        """Uniforms on (0, 1] (ids, dim), an array of the engine's library."""
        return self.engine.uniforms(self.program, 0, Stream.START + self.stream_offset, self.ids)

    def placed(self, draws: Any, scale: Any, center: Any) -> Any:
        """``center + scale * draws``, in the draws' own memory."""
        draws *= self.as_row(scale)
        draws += self.as_row(center)
        return draws

    def uniform_of_instance(self) -> NDArray[Any]:
        """One uniform for each instance, (ids, 1), on the host."""
        offset = np.asarray(self.stream_offset, dtype=np.uint64)
        ids = self.ids.astype(np.uint64).reshape(-1, 1)
        random = Random(self.program.keys, ids, offset, 0, self.program.dim, self.program.dtype)
        return random.uniform_of_instance(Stream.START)

    def shared_words(self) -> NDArray[np.uint32]:
        """One word for each coordinate, (dim,), the same for all instances: from the seed and the stream alone."""
        stream = np.uint64(Stream.START + self.stream_offset)
        w = philox(0, np.arange(blocks(self.program.dim)), NOBODY, stream, self.program.keys)
        return np.stack(w, axis=-1).reshape(-1)[: self.program.dim]

    def as_row(self, value: Any) -> Any:
        """A number or one number per coordinate, (1, dim), in the ensemble's dtype and the engine's library; of each instance where
        ``value`` has as many rows.
        """
        given = np.asarray(value, dtype=self.program.dtype)
        row = np.broadcast_to(given, (given.shape[0] if given.ndim == 2 else 1, self.program.dim))
        return self.engine.to_device(np.ascontiguousarray(row))
