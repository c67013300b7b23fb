"""What was given for a run: checked where it enters, and made a :class:`~ensemble.run.experiment.Experiment`."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..backends.choice import check_python_goes_on
from ..backends.numpy import state_names
from ..classes import in_library
from ..events import Event, Never
from ..grids import Grid
from ..held import check_before
from ..landscapes.base import Landscape
from ..landscapes.finite_sum import FiniteSum
from ..many import Many
from ..minibatches import Minibatch
from ..noises import Noise, NoNoise
from ..optimizers import Optimizer
from ..part import Part, nested
from ..plain import check_kind, flag, one_of, whole
from ..records import Record
from ..starts import Start
from ..sweep import drawn_in, settled, substituted
from ..words import told
from .experiment import Experiment

MOST_STEPS = 2**31 - 2
MOST_INSTANCES = 2**32 - 1
FLOAT32 = np.finfo(np.float32)


def checked_setting(
    landscape: object,
    optimizer: object,
    start: object,
    steps: object,
    instances: object,
    noise: object,
    event: object,
    record: object,
    seed: object,
    dtype: object,
    math: object,
    check_every: object,
    paired: object,
    first_instance: object,
    schedules: bool = True,
) -> Experiment:
    """The setting, once all that was given is checked; ``schedules``: those too, at every step."""
    check_python_goes_on()
    check_kind("landscape", landscape, Landscape, "QuarticSaddle(dim=16)")
    check_kind("optimizer", optimizer, Optimizer, "Adam(lr=1e-3)")
    check_kind("start", start, Start, "NormalCloud(scale=0.1)")
    check_kind("noise", noise := NoNoise() if noise is None else noise, Noise, "Gaussian(sigma=0.1)")
    check_kind("event", event := Never() if event is None else event, Event, "LeftBall(radius=1.0)")
    if record is not None:
        check_kind("record", record, Record, "Record(['value'], at=log_spaced(60))")
    kind = dtype
    with contextlib.suppress(TypeError):
        kind = dtype if dtype is None else np.dtype(cast(Any, dtype)).name  # NumPy takes None for float64
    last = whole("steps", steps, 1, MOST_STEPS)
    first = whole("first_instance", first_instance, 0, MOST_INSTANCES - 1)
    count = whole("instances", instances, 1, MOST_INSTANCES - first)
    dim = cast(Landscape, landscape).dimension
    if isinstance(record, Record):
        record.steps(last)
        record.places(count)
    setting = Experiment(
        landscape=cast(Part, landscape).at_dim(dim),
        optimizer=cast(Part, optimizer).at_dim(dim),
        noise=cast(Noise, noise).at_dim(dim).on(cast(Landscape, landscape)),
        start=cast(Part, start).at_dim(dim),
        event=cast(Part, event).at_dim(dim),
        instances=count,
        first_instance=first,
        steps=last,
        seed=whole("seed", seed, 0, 2**64 - 1),
        dtype=one_of("dtype", kind, ("float32", "float64")),
        math=one_of("math", math, ("fast", "precise")),
        check_every=whole("check_every", check_every, 1, last),
        paired=flag("paired", paired),
        record=record if isinstance(record, Record) else None,
    )
    if setting.record is not None:
        check_record(setting.record, setting)
    for part in nested(setting.noise):
        if isinstance(part, Minibatch):
            part.check_before(last, setting.dtype)
    if schedules:
        check_schedules(setting)
    starts = setting.sweep().parts.many("start")
    for part in [starts.part] if in_library(type(starts.part)) else starts.distinct():
        cast(Start, settled(part)).check_ids(dim, first + count - 1)
    if setting.dtype == "float32":
        for part in nested(setting.landscape):
            if isinstance(part, FiniteSum):
                part.check_digits()
        for role in setting.roles():
            _fits_float32(setting.sweep().parts.many(role))
    return setting


def check_record(record: Record, setting: Experiment) -> None:
    """Refuses a record that asks of a run what it does not have.

    Raises:
        ValueError: points or observables of other dimensions, no stationary points, no layers, or a vector that no optimizer keeps.
    """
    landscape = cast(Landscape, setting.landscape)
    dim, name = landscape.dimension, type(landscape).__name__
    point = np.asarray(record.point, dtype=np.float64)
    if point.shape not in ((), (dim,)):
        raise ValueError(f"Record(point=...): {point.size} numbers were given; give one or {dim}, the dimension.")
    for word, observable in record.observables:
        if observable.dimension != dim:
            raise ValueError(
                f"Record(observables={{{word!r}: ...}}): it has {observable.dimension} coordinates; give one of {dim}, the dimension."
            )
    record.slots(state_names(setting.optimizer)[0])
    if asked := next((q for q in record.quantities if q.startswith("nearest")), None):
        if record.points is not None and len(record.points[0].x) != dim:
            raise ValueError(
                f"Record(points=...): they have {len(record.points[0].x)} coordinates; give points of {dim}, the dimension."
            )
        if record.points is None and any(True for _ in drawn_in(setting.landscape)):
            raise ValueError(f"Record([{asked!r}]): the landscape is drawn for each instance; give points=.")
        landscapes = setting.sweep().parts.many("landscape").distinct()
        if record.points is None and not all(cast(Landscape, part).stationary_points() for part in landscapes):
            raise ValueError(
                f"Record([{asked!r}]): {name} lists no stationary point; give points=find_stationary_points(landscape, box)."
            )
    if "layer_gradient_norm" in record.quantities and landscape.layer_of is None:
        raise ValueError(f"Record(['layer_gradient_norm']): {name} has no layers; give a network, or drop it.")


def horizon(steps: object, epochs: object, noise: object, landscape: object) -> object:
    """The steps to take: those given, or those that so many epochs of the noise's batches take.

    Raises:
        ValueError: both or neither were given, or the noise draws no batches, or configurations have different numbers of steps.
    """
    if epochs is None:
        if steps is None:
            raise ValueError(
                f"steps=None: give a whole number from 1 to {MOST_STEPS}, or epochs= with noise=Minibatch(...)."
            )
        return steps
    if steps is not None:
        raise ValueError(f"steps={told(steps)} and epochs={told(epochs)} were given; give one of the two.")
    count = whole("epochs", epochs, 1, MOST_STEPS)
    check_kind("landscape", landscape, Landscape, "LeastSquares(A, y)")
    bound = noise.on(cast(Landscape, landscape)) if isinstance(noise, Noise) else None
    batches = [] if bound is None else [part for part in nested(bound) if isinstance(part, Minibatch)]
    if not batches:
        raise ValueError(f"epochs={count}: an epoch is one of batches; give noise=Minibatch(...), or steps=.")
    sizes = batches[0].batch
    found: dict[int, Any] = {}
    for size in sizes.values if isinstance(sizes, Grid) else (sizes,):
        found.setdefault(dataclasses.replace(batches[0], batch=size).steps_of(count), size)
    if len(found) > 1:
        some = ", ".join(f"{n} steps with batch={told(size)}" for n, size in list(found.items())[:2])
        raise ValueError(f"epochs={count}: configurations would take {some}; give steps=.")
    return next(iter(found))


def check_schedules(setting: Experiment) -> None:
    """Refuses schedules that would leave what their field may be, or what the dtype holds, before the horizon."""
    for role in setting.roles():
        for part in setting.sweep().parts.many(role).within_schedules().distinct():
            for one in _with_extremes(part):
                check_before(one, setting.steps, setting.dtype)


def _with_extremes(part: Part) -> Iterator[Part]:
    """The part itself or, where instances draw its numbers, with the typical one of each law and with its ends."""
    laws = {path: value.law for path, value in drawn_in(part)}
    for k in range(len(next(iter(laws.values())).extremes()) if laws else 0):
        ends = {path: law.extremes() for path, law in laws.items()}
        yield substituted(part, (), {path: each[min(k, len(each) - 1)] for path, each in ends.items()})
    yield settled(part)


def _fits_float32(many: Many) -> None:
    """Refuses a number, given or derived, that float32 would make infinite or lose."""
    settled_many = (
        Many(typical, many.count, many.differing) if (typical := settled(many.part)) is not many.part else many
    )
    numbers = [(path, v) for path, _, values in settled_many.packed() for v in _flat(values)]
    numbers += [(path, values) for path, values in settled_many.scheduled_numbers()]
    numbers += [(".".join(path), np.array(value.law.extremes())) for path, value in drawn_in(many.part)]
    for path, values in numbers:
        size = np.abs(values)
        wrong = size[(size > FLOAT32.max) | ((size > 0) & (size < FLOAT32.tiny))]
        if wrong.size:
            raise ValueError(
                f"{type(many.part).__name__}: {path} has the size {wrong[0]:g}, and float32 holds 0 and "
                f"{FLOAT32.tiny:.3g} to {FLOAT32.max:.3g}; give another number, or dtype='float64'."
            )


def _flat(values: Any) -> Iterator[NDArray[np.float64]]:
    """Numbers as one array, vectors that differ in length one after another."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        yield values
    else:
        for value in {id(v): v for v in values}.values():
            yield np.atleast_1d(np.asarray(value, dtype=np.float64))
