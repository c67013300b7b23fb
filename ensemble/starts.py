"""Starts: where instances begin. Drawn on the device by the same Philox and normals, with the same bits on every backend.

A start is a function of an instance's id, the seed and its own parameters: never of how many instances there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from .arithmetic.elementary import pow as power
from .arithmetic.random import uniform
from .arithmetic.vec import directions
from .grids import Varied
from .landscapes.base import Landscape, StationaryPoint, listed_points
from .part import NOT_NEGATIVE, POSITIVE, Part, array, flag, number, structure, vector
from .words import told

__all__ = [
    "Ball",
    "Initialisation",
    "LatinHypercube",
    "NearStationary",
    "NormalCloud",
    "Point",
    "Points",
    "Sobol",
    "Sphere",
    "Start",
    "UniformBox",
]


class Source(Protocol):
    """What a start draws from: the ids of the instances, their stream, and the engine that draws for a program."""

    @property
    def engine(self) -> Any: ...

    @property
    def program(self) -> Any: ...

    @property
    def ids(self) -> NDArray[np.uint32]: ...

    def normals(self) -> Any:
        """Standard normals (ids, dim), an array of the engine's library."""

    def uniforms(self) -> Any:
        """Uniforms on (0, 1] (ids, dim), an array of the engine's library."""

    def placed(self, draws: Any, scale: Any, center: Any) -> Any:
        """``center + scale * draws``, in the draws' own memory."""

    def uniform_of_instance(self) -> NDArray[Any]:
        """One uniform for each instance, (ids, 1), on the host."""

    def shared_words(self) -> NDArray[np.uint32]:
        """One word for each coordinate, (dim,), the same for all instances: from the seed and the stream alone."""

    def as_row(self, value: Any) -> Any:
        """A number or one number per coordinate, (1, dim), in the ensemble's dtype and the engine's library."""


@dataclass(frozen=True)
class Start(Part):
    """A distribution of starting points."""

    made_like = "a start, such as NormalCloud(scale=0.1)"

    at_once: ClassVar[bool] = False
    """Whether all instances are drawn in one call, because drawing some of them costs as much."""

    def check_ids(self, dim: int, last: int) -> None:
        """Asked before a run whose largest instance id is ``last``: refuses, with ValueError, what it cannot draw in the end."""

    def draw(self, source: Source) -> Any:
        """Starting points (ids, dim), an array of the engine's library in the ensemble's dtype."""
        raise TypeError(f"{type(self).__name__} does not say where to start; define draw(self, source).")


@dataclass(frozen=True)
class Point(Start):
    """Every instance starts at ``x``: one number for all coordinates, or one for each."""

    x: Any = vector()

    def draw(self, source: Source) -> Any:
        row = source.as_row(self.x)
        return source.engine.xp.repeat(row, source.ids.size // len(row), axis=0)


@dataclass(frozen=True)
class NormalCloud(Start):
    """``center + scale z``, z standard normal in each coordinate."""

    scale: float = number(domain=NOT_NEGATIVE)
    center: Any = vector(0.0)

    def draw(self, source: Source) -> Any:
        return source.placed(source.normals(), self.scale, self.center)


@dataclass(frozen=True)
class Initialisation(Start):
    """Weights of a network as published: normal, or uniform, around 0, with the standard deviation ``spread`` in each coordinate.

    ``Initialisation.of(network, "glorot")`` knows the spreads.
    """

    spread: Any = vector(domain=NOT_NEGATIVE)
    uniform: bool = flag(False)

    @classmethod
    def of(cls, network: Landscape, law: str) -> Self:
        """The start of a network with ``layers``, such as TwoLayerNetwork: by how many numbers go in and out of each; biases are 0.

        ``"lecun"`` normal of variance 1/in (LeCun et al. 1998); ``"glorot"`` uniform of variance 2/(in + out) (Glorot and Bengio 2010);
        ``"he"`` normal of variance 2/in (He et al. 2015); each of the other shape as ``"lecun_uniform"``, ``"glorot_normal"``,
        ``"he_uniform"``; ``"torch"`` uniform within 1/sqrt(in), biases too, as ``torch.nn.Linear`` has it.

        Raises:
            ValueError: another name, or a landscape without layers.
        """
        layers = getattr(network, "layers", None)
        if not isinstance(network, Landscape) or layers is None or isinstance(layers, int):
            raise ValueError(
                f"Initialisation.of({told(network)}): give a network, such as TwoLayerNetwork(16, X=X, y=y)."
            )
        variances = {"lecun": lambda n, m: 1 / n, "glorot": lambda n, m: 2 / (n + m), "he": lambda n, m: 2 / n}
        shapes = {"lecun": False, "glorot": True, "he": False, "torch": True}
        shapes |= {f"{name}_uniform": True for name in variances} | {f"{name}_normal": False for name in variances}
        if not isinstance(law, str) or law not in shapes:
            raise ValueError(f"Initialisation.of({told(law)}): give one of {', '.join(map(repr, shapes))}.")
        spread: list[float] = []
        for fan_in, out in layers:
            variance = variances.get(law.partition("_")[0], lambda n, m: 1 / (3 * n))(fan_in, out)
            size = float(np.sqrt(variance))
            spread += [size] * (fan_in * out) + [size if law == "torch" else 0.0] * out
        return cls(tuple(spread), shapes[law])

    def draw(self, source: Source) -> Any:
        spread = np.asarray(self.spread, dtype=np.float64)
        if self.uniform:
            return source.placed(source.uniforms(), 2 * np.sqrt(3.0) * spread, -np.sqrt(3.0) * spread)
        return source.placed(source.normals(), spread, 0.0)


@dataclass(frozen=True)
class _Box(Start):
    def validate(self) -> None:
        given: Any = self
        if not isinstance(given.low, Varied) and not isinstance(given.high, Varied):
            name, low, high = type(self).__name__, np.asarray(given.low), np.asarray(given.high)
            if low.ndim and high.ndim and low.shape != high.shape:
                raise ValueError(f"{name}: low has {low.size} numbers and high {high.size}; give one or equally many.")
            if np.any(low > high):
                raise ValueError(
                    f"{name}(low={told(given.low)}, high={told(given.high)}): give low <= high in every coordinate."
                )

    def between(self, source: Source, shares: NDArray[np.float64]) -> Any:
        """The points at ``shares`` (ids, dim) of the way from low to high."""
        given: Any = self
        low, high = np.asarray(given.low, dtype=np.float64), np.asarray(given.high, dtype=np.float64)
        return source.engine.to_device((low + (high - low) * shares).astype(source.program.dtype))


@dataclass(frozen=True)
class UniformBox(_Box):
    """Uniform between ``low`` and ``high``, numbers for all coordinates or for each."""

    low: Any = vector()
    high: Any = vector()

    def draw(self, source: Source) -> Any:
        width = np.asarray(self.high, dtype=np.float64) - np.asarray(self.low, dtype=np.float64)
        return source.placed(source.uniforms(), width, self.low)


@dataclass(frozen=True)
class Sphere(Start):
    """Uniform on the sphere of ``radius`` around ``center``."""

    radius: float = number(domain=POSITIVE)
    center: Any = vector(0.0)

    def draw(self, source: Source) -> Any:
        unit = directions(source.normals(), source.engine.xp)
        return unit * source.as_row(self.radius) + source.as_row(self.center)


@dataclass(frozen=True)
class Ball(Start):
    """Uniform in the ball of ``radius`` around ``center``: a normal direction, a d-th root for the length."""

    radius: float = number(domain=POSITIVE)
    center: Any = vector(0.0)

    def draw(self, source: Source) -> Any:
        u = source.uniform_of_instance()
        share = power(u, np.full(u.shape, 1.0 / source.program.dim, dtype=u.dtype))
        length = share * u.dtype.type(self.radius)
        unit = directions(source.normals(), source.engine.xp)
        return unit * source.engine.to_device(length) + source.as_row(self.center)


@dataclass(frozen=True)
class Points(Start):
    """Listed ``points`` (points, dim), dealt out in turn: instance i starts at ``points[i mod len(points)]``."""

    points: Any = array()

    def validate(self) -> None:
        if self.points.ndim != 2 or 0 in self.points.shape:
            raise ValueError(
                f"Points(points of shape {self.points.shape}): give an array (points, dim), such as [[-1.0, 0.0], [1.0, 0.0]]."
            )

    def at_dim(self, dim: int) -> Self:
        if self.points.shape[1] != dim:
            raise ValueError(
                f"Points(points of shape {self.points.shape}): give {dim} numbers for each point, the landscape's dimension."
            )
        return super().at_dim(dim)

    def draw(self, source: Source) -> Any:
        chosen = self.points[source.ids.astype(np.int64) % len(self.points)]
        return source.engine.to_device(chosen.astype(source.program.dtype))


@dataclass(frozen=True)
class NearStationary(Start):
    """Normal around a point: ``x + scale along z``, z standard normal in each coordinate.

    ``along`` says how far in which coordinates: 1 for all of them, or a number for each, 0 where it
    stays at x. :meth:`of` takes a stationary point that a landscape lists, and may keep to its stable manifold's tangent.
    """

    x: Any = vector()
    scale: float = number(domain=NOT_NEGATIVE)
    along: Any = vector(1.0, NOT_NEGATIVE)

    @classmethod
    def of(
        cls,
        landscape: Landscape,
        name: str,
        scale: float,
        stable_only: bool = False,
        *,
        points: Sequence[StationaryPoint] | None = None,
    ) -> Self:
        """Around the stationary point of that name, one that the landscape lists or one of ``points``.

        ``stable_only``: only along the coordinates of positive curvature, which span the stable directions where the Hessian at
        the point is diagonal.

        Raises:
            ValueError: there is no such point, or its Hessian is not diagonal.
        """
        kind = type(landscape).__name__
        named = {p.name: p for p in reversed(listed_points(f"NearStationary.of({kind})", landscape, points))}
        if name not in named:
            known = ", ".join(repr(n) for n in reversed(named)) or "none"
            raise ValueError(
                f"NearStationary.of({kind}, name={told(name)}): the landscape lists no such point, but {known}; "
                f"give one of them or NearStationary(x, scale)."
            )
        x = named[name].x
        if not stable_only:
            return cls(x, scale)
        at = np.array([x])
        diagonal = landscape.hessian_diagonal(at)
        for probe in np.random.default_rng(0).normal(size=(2, 1, len(x))):
            off = np.abs(landscape.hessian_product(at, probe) - diagonal * probe).max()
            if off > 1e-9 * np.abs(diagonal * probe).max():
                raise ValueError(
                    f"NearStationary.of({kind}, {told(name)}, stable_only=True): the Hessian there is not diagonal, so the "
                    f"stable directions are no coordinates; give points of that subspace as Points(points)."
                )
        return cls(x, scale, tuple((diagonal[0] > 0).astype(float)))

    def draw(self, source: Source) -> Any:
        size = np.asarray(self.along, dtype=np.float64) * self.scale
        return source.placed(source.normals(), size, self.x)


SOBOL_POINTS = 1 << 24
"""How many points of a Sobol sequence can be reached: scipy draws all that come before."""


@dataclass(frozen=True)
class Sobol(_Box):
    """A Sobol sequence between ``low`` and ``high``: instance i starts at its point i. More even than :class:`UniformBox`.

    Sobol (1967), with the direction numbers of Joe and Kuo (2008), from scipy.stats.qmc; up to 21,201 coordinates. The seed
    shifts it: an exclusive or with one random word for each coordinate, which keeps every power of two of points as even as before
    and makes each point uniform. Most even for a power of two of instances.
    """

    at_once = True

    low: Any = vector()
    high: Any = vector()

    def check_ids(self, dim: int, last: int) -> None:
        from scipy.stats import qmc

        if dim > qmc.Sobol.MAXDIM:
            raise ValueError(
                f"Sobol: at most {qmc.Sobol.MAXDIM} coordinates, not {dim}; use UniformBox or LatinHypercube."
            )
        if last >= SOBOL_POINTS:
            raise ValueError(
                f"Sobol: instance ids below {SOBOL_POINTS:,} have a point, not {last:,}: reaching a later one takes as long as "
                f"drawing all before it. Use UniformBox."
            )

    def draw(self, source: Source) -> Any:
        from scipy.stats import qmc

        dim, ids = source.program.dim, source.ids.astype(np.int64)
        self.check_ids(dim, int(ids.max()))
        block, words = 1 << 10, np.empty((ids.size, dim), dtype=np.uint32)
        sequence = qmc.Sobol(d=dim, scramble=False, bits=32)
        for b in np.unique(ids // block):
            if b * block > sequence.num_generated:
                sequence.fast_forward(int(b * block - sequence.num_generated))
            points = sequence.random(block)
            here = ids // block == b
            words[here] = (points * 2.0**32).astype(np.uint32)[ids[here] % block]
        return self.between(source, uniform(words ^ source.shared_words(), np.float64))


@dataclass(frozen=True)
class LatinHypercube(_Box):
    """A Latin hypercube of ``points`` points between ``low`` and ``high``; instance i starts at point ``i mod points``.

    McKay, Beckman, Conover (1979), from scipy.stats.qmc: in every coordinate each of ``points`` equal slices holds one point.
    Give as many points as instances; the design is one of the seed and of ``points``.
    """

    at_once = True

    low: Any = vector()
    high: Any = vector()
    points: int = structure(low=1)

    def draw(self, source: Source) -> Any:
        from scipy.stats import qmc

        generator = np.random.default_rng(source.shared_words())
        design = qmc.LatinHypercube(d=source.program.dim, seed=generator).random(self.points)
        return self.between(source, design[source.ids.astype(np.int64) % self.points])
