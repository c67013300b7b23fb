"""Escape times as the statistics read them: one group of instances after another.

Nothing here knows a backend or a result object: the input is a dataset, the output plain arrays.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..plain import array_of_numbers, is_number, is_real, is_whole
from ..words import told

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

INSTANCE = "instance"
EVENT, DIVERGED = 1, 2  # values of `status`; 0 is censored


@dataclass(frozen=True)
class Frame:
    """The configuration dimensions of a dataset and all that labels them; groups are numbered in C order of `shape`."""

    dims: tuple[Hashable, ...]
    shape: tuple[int, ...]
    coords: Mapping[Hashable, xr.DataArray]

    def names(self, dim: str) -> list[Any]:
        """Return the coordinate values along `dim`, or 0, 1, ... where it has none."""
        return self.coords[dim].values.tolist() if dim in self.coords else list(range(self.shape[self.dims.index(dim)]))

    def members(self, dim: str) -> IntArray:
        """Return group numbers (groups of the frame without `dim`, members of `dim`).

        ValueError where `dim` is no configuration dimension or has nothing to compare.
        """
        if not isinstance(dim, str) or dim not in self.dims:
            known = ", ".join(map(str, self.dims)) or "none, it is a single configuration"
            raise ValueError(f"dim={told(dim)} is not a configuration dimension of the dataset (it has: {known})")
        axis = self.dims.index(dim)
        if self.shape[axis] < 2:
            raise ValueError(f"dimension {told(dim)} has one member; give a dataset with at least two groups along it")
        numbers = np.arange(np.prod(self.shape, dtype=int)).reshape(self.shape)
        return np.moveaxis(numbers, axis, -1).reshape(-1, self.shape[axis])

    def base(self, dim: str, reference: Any) -> int:
        """Return which member of `dim` the reference is: the first where it is None.

        ValueError where `dim` has no such member.
        """
        if reference is None:
            return 0
        names = self.names(dim)
        if not (isinstance(reference, str) or is_real(reference)) or reference not in names:
            raise ValueError(f"reference={told(reference)} is not in {told(dim)}; give one of {names}")
        return names.index(reference)

    def without(self, dim: str) -> Frame:
        """Return the frame that is left once `dim` is compared away."""
        left = [(d, n) for d, n in zip(self.dims, self.shape, strict=True) if d != dim]
        coords = {name: c for name, c in self.coords.items() if dim not in c.dims}
        return Frame(tuple(d for d, _ in left), tuple(n for _, n in left), coords)

    def dataset(
        self,
        variables: Mapping[str, xr.Variable],
        coords: Mapping[str, Any] | None = None,
        attrs: Mapping[str, Any] | None = None,
        dim: str | None = None,
    ) -> xr.Dataset:
        """Put a statistic's variables and coordinates together with those of the configurations.

        A swept field that has the name of one of them, such as the `probability` of `Spikes` in `escape_rate`, is called
        `swept_probability`. `dim` is one that the statistic compared along, and that `coords` label: a swept one, too.
        """
        own = dict(coords or {})
        ours = {*variables, *own} - {dim}
        clash = [n for n in dict.fromkeys((*self.dims, *self.coords)) if n in ours] + [dim] * (dim in variables)
        called: dict[Any, str] = {n: f"swept_{n}" for n in clash}

        def variable(name: Any, given: Any) -> xr.Variable:
            if isinstance(given, xr.DataArray | xr.Variable | tuple):
                made = xr.as_variable(given)
            else:
                made = xr.Variable((name,), np.asarray(given))
            return xr.Variable([called.get(d, d) for d in made.dims], made.values, made.attrs)

        labels = {called.get(n, n): variable(n, c) for n, c in self.coords.items()}
        labels |= {called[n] if n == dim and n in called else n: variable(n, c) for n, c in own.items()}
        return xr.Dataset({n: variable(n, v) for n, v in variables.items()}, labels, attrs)

    def variable(self, values: Any, long_name: str, units: str = "1", *extra: str) -> xr.Variable:
        """Shape values (groups, ...extra) into a variable over the configuration dimensions and the extra ones."""
        array = np.asarray(values)
        array = array.reshape((*self.shape, *array.shape[1:]))
        return xr.Variable((*self.dims, *extra), array, {"long_name": long_name, "units": units})


@dataclass(frozen=True)
class Group:
    """Lifetimes of the instances of one configuration, in steps.

    `time` (instances,) is the step of the event where `had` (instances,) holds, elsewhere the last step at which
    the instance was watched; `horizon` is the last step at which any was. Everyone is counted once:
    n = events_total + censored + diverged + competing.
    """

    time: IntArray
    had: BoolArray
    horizon: int
    events_total: int
    censored: int
    diverged: int
    competing: int


@dataclass(frozen=True)
class Lifetimes:
    """All groups of a dataset: arrays (groups, instances), `horizon` (groups, instances or 1).

    An instance that diverged, or whose event carries another label than the one asked for, never has the event: its
    time is infinite, it stays at risk to the horizon, and S(t) = P(T > t) counts it among those still there.
    """

    frame: Frame
    event_step: IntArray
    event: NDArray[Any]
    status: NDArray[Any]
    diverged_step: IntArray
    horizon: IntArray
    label: int | None
    check_every: int
    paired: bool | None
    goes_on: bool = False
    """Whether instances went on after their event."""

    def __len__(self) -> int:
        return len(self.event_step)

    @property
    def instances(self) -> int:
        return int(self.event_step.shape[1])

    def group(self, number: int, *, stop: bool = False) -> Group:
        """Return one group with everyone at risk to the horizon or, with `stop`, only while still running.

        Running ends with step d-1 at a divergence in step d (an event counts only if strictly earlier) and with
        step s at a competing event in step s.
        """
        step, horizon = self.event_step[number], self.horizon[number]
        fired = step > 0
        had = fired if self.label is None else fired & (self.event[number] == self.label)
        lost = ~fired & (self.status[number] == DIVERGED)
        time = np.where(had, step, horizon)
        if stop:
            time = np.where(lost, self.diverged_step[number] - 1, time)
            time = np.where(fired, step, time)
        events, competing, diverged = int(had.sum()), int(fired.sum()) - int(had.sum()), int(lost.sum())
        censored = step.size - events - competing - diverged
        return Group(time, had, int(horizon.max()), events, censored, diverged, competing)


def check_confidence(confidence: float) -> None:
    """Refuse a confidence that is no probability strictly between 0 and 1."""
    if not is_number(confidence) or not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence={told(confidence)}; give a number between 0 and 1, such as 0.95")


MOST_WORK = 1_000_000
"""Draws, probes, resamples, products or bins that a statistic makes at most: more would not end."""


def check_whole(name: str, value: object, low: int, wanted: str, high: int | None = None) -> None:
    """Refuse what is no whole number from `low` to `high`, by its name and with what is wanted."""
    if not is_whole(value, low, high):
        raise ValueError(f"{name}={told(value)}; give {wanted}")


def check_seed(seed: object) -> None:
    """Refuse a seed that Philox's key of 64 bits does not hold."""
    wanted = "a whole number from 0 to 2^64 - 1"
    check_whole("seed", seed, 0, wanted)
    if not is_whole(seed, 0, (1 << 64) - 1):
        raise ValueError(f"seed={seed}; give {wanted}")


def check_number(name: str, value: object, wanted: str) -> None:
    """Refuse what is no finite number, by its name and with what is wanted."""
    if not is_number(value):
        raise ValueError(f"{name}={told(value)}; give {wanted}")


def numbers_in(value: object) -> FloatArray:
    """Return a number or an array of them in float64: of one NaN where there is anything else in it."""
    array = array_of_numbers(value)
    return np.array([np.nan]) if array is None else array.astype(float)


def read(data: Any, label: int | None = None) -> Lifetimes:
    """Read the escape times out of a dataset, or out of anything that carries one as `.dataset`.

    Needs `event_step`, `event`, `status`, `diverged_step` over configuration dimensions and `instance`, and `horizon`
    (scalar or over any of these dimensions), all in steps. ValueError where one is missing or they contradict each
    other.
    """
    dataset = data if isinstance(data, xr.Dataset) else getattr(data, "dataset", None)
    if not isinstance(dataset, xr.Dataset):
        given = type(data).__name__
        raise ValueError(
            f"data={told(data)} ({given}); give an xarray.Dataset, or an object with one as `.dataset` such as a result"
        )
    if label is not None and not is_whole(label, 1, 2**31 - 1):
        raise ValueError(f"label={told(label)}; give an event's label (1, 2, ...), or None to count every label")
    needed = ("event_step", "event", "status", "diverged_step", "horizon")
    missing = [name for name in needed if name not in dataset]
    if missing:
        raise ValueError(f"the dataset lacks {', '.join(missing)}; give what a run with an event returns")
    steps = dataset["event_step"]
    if INSTANCE not in steps.dims or steps.sizes[INSTANCE] == 0:
        raise ValueError(f"event_step has sizes {dict(steps.sizes)}: no instances; give at least one along 'instance'")
    if 0 in steps.shape:
        raise ValueError(f"event_step has sizes {dict(steps.sizes)}; give at least one configuration")
    if INSTANCE in dataset.indexes and not dataset.indexes[INSTANCE].is_unique:
        raise ValueError("the same instance id occurs twice: the same draw would count double; give distinct instances")

    steps = steps.transpose(..., INSTANCE)
    shape = steps.shape

    def rows(name: str) -> NDArray[Any]:
        array = dataset[name].transpose(*steps.dims, missing_dims="ignore")
        if array.dims != steps.dims:
            raise ValueError(f"{name} has dimensions {array.dims}; give it over those of event_step, {steps.dims}")
        if array.dtype.kind not in "iu":
            raise ValueError(f"{name} is {array.dtype}; give integers (aligning or concatenating runs can make floats)")
        return array.values.reshape(-1, shape[-1])

    dims = steps.dims[:-1]
    coords = {name: c for name, c in dataset.coords.items() if set(c.dims) <= set(dims)}
    paired = dataset.attrs.get("paired")
    lifetimes = Lifetimes(
        frame=Frame(dims, shape[:-1], coords),
        event_step=rows("event_step"),
        event=rows("event"),
        status=rows("status"),
        diverged_step=rows("diverged_step"),
        horizon=_horizons(dataset["horizon"], steps),
        label=label,
        check_every=int(dataset.attrs.get("check_every", 1)),
        paired=None if paired is None else bool(paired),
        goes_on=not dataset.attrs.get("event_stops", 1),
    )
    _check(lifetimes)
    return lifetimes


def _horizons(horizon: xr.DataArray, steps: xr.DataArray) -> IntArray:
    """Return horizons (groups, instances or 1); a horizon per group is not blown up to one per instance."""
    extra = set(horizon.dims) - set(steps.dims)
    if extra:
        raise ValueError(f"horizon varies along {sorted(map(str, extra))}, which event_step {steps.dims} does not have")
    like = steps if INSTANCE in horizon.dims else steps.isel({INSTANCE: slice(0, 1)})
    values = horizon.broadcast_like(like).transpose(*like.dims).values
    if not np.all(np.isfinite(values)) or np.any(values < 1):
        raise ValueError(f"horizon is {values.min()} somewhere; give the number of steps watched, at least 1")
    return values.astype(np.int64).reshape(-1, like.shape[-1])


def _check(lives: Lifetimes) -> None:
    """Refuse escape times that contradict the horizon, the status or the divergence."""
    if lives.check_every < 1:
        raise ValueError(f"attrs['check_every']={lives.check_every}; give how often events were checked, at least 1")
    step, fired = lives.event_step, lives.event_step > 0
    if np.any(~fired & (step != -1)):
        raise ValueError(f"event_step {step[~fired].min()} found; first passage is at step 1 or later, -1 where none")
    if np.any(step > lives.horizon):
        raise ValueError(f"event_step {step.max()} lies beyond its horizon; give the horizon the run really had")
    if np.any(~fired & (lives.status == EVENT)):
        raise ValueError("status says 'event' where event_step is -1; give the dataset as the run made it")
    lost = lives.status == DIVERGED
    if np.any(lost & (lives.diverged_step < 1)):
        raise ValueError("status says 'diverged' for instances without a diverged_step; give the step of divergence")
    if np.any(fired & (lives.diverged_step > 0) & (step >= lives.diverged_step)):
        raise ValueError("an event counts only strictly before divergence, but some have event_step >= diverged_step")
