"""Starts: where instances begin. Drawn on the device by the same Philox and normals, with the same bits on every backend.

A start is a function of an instance's id, the seed and its own parameters: never of how many instances there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backends.program import Engine, Program
from .elementary import pow as power
from .part import NOT_NEGATIVE, POSITIVE, Part, number, vector
from .random import Random, Stream
from .vec import lengths

__all__ = ["Ball", "NormalCloud", "Point", "Sphere", "Start", "UniformBox"]


@dataclass(frozen=True)
class Source:
    """What a start draws from: the ids of the instances, their stream, and the engine that draws."""

    engine: Engine
    program: Program
    ids: NDArray[np.uint32]
    stream_offset: int

    def normals(self) -> Any:
        """Standard normals (ids, dim), an array of the engine's library."""
        return self.engine.normals(self.program, 0, Stream.START + self.stream_offset, self.ids)

    def uniforms(self) -> Any:
        """Uniforms on (0, 1] (ids, dim), an array of the engine's library."""
        return self.engine.uniforms(self.program, 0, Stream.START + self.stream_offset, self.ids)

    def uniform_of_instance(self) -> NDArray[Any]:
        """One uniform for each instance, (ids, 1), on the host."""
        offset = np.uint64(self.stream_offset)
        ids = self.ids.astype(np.uint64).reshape(-1, 1)
        random = Random(self.program.keys, ids, offset, 0, self.program.dim, self.program.dtype)
        return random.uniform_of_instance(Stream.START)

    def as_row(self, value: Any) -> Any:
        """A number or one number per coordinate, (1, dim), in the ensemble's dtype and the engine's library."""
        row = np.broadcast_to(np.asarray(value, dtype=self.program.dtype), (1, self.program.dim))
        return self.engine.to_device(np.ascontiguousarray(row))


@dataclass(frozen=True)
class Start(Part):
    """A distribution of starting points."""

    def draw(self, source: Source) -> Any:
        """Starting points (ids, dim), an array of the engine's library in the ensemble's dtype."""
        raise TypeError(f"{type(self).__name__} does not say where to start; define draw(self, source).")


@dataclass(frozen=True)
class Point(Start):
    """Every instance starts at ``x``: one number for all coordinates, or one for each."""

    x: Any = vector()

    def draw(self, source: Source) -> Any:
        return source.engine.xp.repeat(source.as_row(self.x), source.ids.size, axis=0)


@dataclass(frozen=True)
class NormalCloud(Start):
    """``center + scale z``, z standard normal in each coordinate."""

    scale: float = number(domain=NOT_NEGATIVE)
    center: Any = vector(0.0)

    def draw(self, source: Source) -> Any:
        return source.normals() * source.as_row(self.scale) + source.as_row(self.center)


@dataclass(frozen=True)
class UniformBox(Start):
    """Uniform between ``low`` and ``high``, numbers for all coordinates or for each."""

    low: Any = vector()
    high: Any = vector()

    def validate(self) -> None:
        from .grids import Grid

        if not isinstance(self.low, Grid) and not isinstance(self.high, Grid):
            low, high = np.asarray(self.low), np.asarray(self.high)
            if low.ndim and high.ndim and low.shape != high.shape:
                raise ValueError(
                    f"UniformBox: low has {low.size} numbers and high {high.size}; give one or equally many."
                )
            if np.any(low > high):
                raise ValueError(f"UniformBox(low={self.low}, high={self.high}): give low <= high in every coordinate.")

    def draw(self, source: Source) -> Any:
        width = np.asarray(self.high, dtype=np.float64) - np.asarray(self.low, dtype=np.float64)
        return source.uniforms() * source.as_row(width) + source.as_row(self.low)


@dataclass(frozen=True)
class Sphere(Start):
    """Uniform on the sphere of ``radius`` around ``center``."""

    radius: float = number(domain=POSITIVE)
    center: Any = vector(0.0)

    def draw(self, source: Source) -> Any:
        z = source.normals()
        return z / lengths(z, source.engine.xp) * source.as_row(self.radius) + source.as_row(self.center)


@dataclass(frozen=True)
class Ball(Start):
    """Uniform in the ball of ``radius`` around ``center``: a normal direction, a d-th root for the length."""

    radius: float = number(domain=POSITIVE)
    center: Any = vector(0.0)

    def draw(self, source: Source) -> Any:
        u = source.uniform_of_instance()
        share = power(u, np.full(u.shape, 1.0 / source.program.dim, dtype=u.dtype))
        length = share * u.dtype.type(self.radius)
        z = source.normals()
        return z / lengths(z, source.engine.xp) * source.engine.to_device(length) + source.as_row(self.center)
