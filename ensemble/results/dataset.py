"""Outcomes as an xarray dataset, and back."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arithmetic.random import round_keys
from ..minibatches import Minibatch
from ..part import nested
from ..plain import is_real
from ..run.experiment import Experiment
from ..run.outcome import Outcome
from ..sweep import Axis, Path, drawn_in, draws
from .columns import Place, columns, named, place_of, value_at

with contextlib.suppress(ImportError):
    # The first dataset would import dask, where it is there. Ctrl-C in the midst of that leaves modules that cannot be imported
    # again (PyYAML), and an exit status of 130 for a script that caught it.
    import dask.array  # noqa: F401

STATUS = {"censored": 0, "event": 1, "diverged": 2}


def _same_axis(a: Axis, b: Axis) -> bool:
    same = a.name == b.name and a.coordinates == b.coordinates and a.vectors.keys() == b.vectors.keys()
    return same and all(np.array_equal(a.vectors[field], b.vectors[field]) for field in a.vectors)


def _common_axes(settings: dict[str, Experiment]) -> tuple[Axis, ...] | None:
    """The axes that all runs share, of the same fields in the same places, or None if they differ."""

    def places(setting: Experiment) -> list[list[Place]]:
        return [[place_of(setting, path) for path in axis.paths.values()] for axis in setting.sweep().axes]

    first, *others = settings.values()
    axes = first.sweep().axes
    for other in others:
        its = other.sweep().axes
        if len(its) != len(axes) or not all(map(_same_axis, its, axes)) or places(other) != places(first):
            return None
    return axes


def status_of(outcome: Outcome) -> NDArray[np.int8]:
    """0 censored, 1 event, 2 diverged."""
    status = np.full(outcome.event_step.shape, STATUS["censored"], dtype=np.int8)
    status[outcome.event_step >= 0] = STATUS["event"]
    status[outcome.diverged_step >= 0] = STATUS["diverged"]  # an event before it did not end the instance
    return status


class Stack:
    """Puts the runs' arrays (configurations, ...) together under the right leading dimensions."""

    def __init__(self, settings: dict[str, Experiment]) -> None:
        self.settings = settings
        self.names = list(settings)
        self.sweeps = {name: s.sweep() for name, s in settings.items()}
        self.single = self.names == [""]
        self.axes = _common_axes(settings)
        if self.axes is None:
            self.dims: tuple[str, ...] = ("configuration",)
        else:
            self.dims = tuple(a.name for a in self.axes)
            if not self.single:
                self.dims = ("optimizer", *self.dims)

    def __call__(self, arrays: list[NDArray[Any]]) -> NDArray[Any]:
        if self.axes is None:
            return np.concatenate(arrays)
        shape = tuple(a.size for a in self.axes)
        shaped = [a.reshape(shape + a.shape[1:]) for a in arrays]
        return shaped[0] if self.single else np.stack(shaped)

    def split(self, array: NDArray[Any]) -> list[NDArray[Any]]:
        """The inverse."""
        counts = [len(s.parts) for s in self.sweeps.values()]
        if self.axes is None:
            return np.split(array, np.cumsum(counts)[:-1])
        flat = array.reshape((len(self.names), counts[0]) + array.shape[len(self.dims) :])
        return list(flat)

    def coordinates(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """(coordinates, variables) that name the configurations."""
        coords: dict[str, Any] = {}
        variables: dict[str, Any] = {}
        if self.axes is None:
            coords["optimizer"] = ("configuration", [n for n, s in self.sweeps.items() for _ in s.parts])
            fields, vectors = columns(self.settings)
            for field, column in fields.items():
                coords[field] = ("configuration", column)
            for field, rows in vectors.items():
                variables[f"{field}_vector"] = (("configuration", "coordinate"), rows)
            return coords, variables
        if not self.single:
            coords["optimizer"] = ("optimizer", self.names)
        for axis in self.axes:
            for field, values in axis.coordinates.items():
                coords[field] = (axis.name, list(values))
            for field, rows in axis.vectors.items():
                variables[f"{field}_vector"] = ((axis.name, "coordinate"), rows)
        return coords, variables


def assemble(settings: dict[str, Experiment], outcomes: dict[str, Outcome], keep_x: bool) -> xr.Dataset:
    """The dataset of one run, or of several that are compared: of those of which there are outcomes."""
    settings = {name: settings[name] for name in outcomes}
    stack = Stack(settings)
    found = list(outcomes.values())
    first_setting, instances = next(iter(settings.values())), found[0].instances
    dims = (*stack.dims, "instance")
    coords, variables = stack.coordinates()
    first = first_setting.first_instance
    ids = np.arange(first, first + instances, dtype=np.int64)
    coords["instance"] = ("instance", ids, {"long_name": "instance id"})

    def add(name: str, dims: tuple[str, ...], arrays: list[NDArray[Any]], **attrs: Any) -> None:
        variables[name] = (dims, stack(arrays), attrs)

    add(
        "event_step",
        dims,
        [o.event_step.astype(np.int64) for o in found],
        long_name="first step at which the event held",
        units="steps",
        comment="-1 where none",
    )
    add("event", dims, [o.event for o in found], long_name="label of the event", comment="0 where none")
    add(
        "status",
        dims,
        [status_of(o) for o in found],
        long_name="how the instance ended",
        flag_values=np.array(list(STATUS.values()), dtype=np.int8),
        flag_meanings=" ".join(STATUS),
    )
    add(
        "diverged_step",
        dims,
        [o.diverged_step.astype(np.int64) for o in found],
        long_name="first step with a coordinate not finite or beyond the bound",
        units="steps",
        comment="-1 where none",
    )
    for name, field in _drawn(settings).items():
        each = [_numbers_of(settings[one], field, instances) for one in outcomes]
        if all(np.array_equal(rows, each[0][:1].repeat(len(rows), axis=0), equal_nan=True) for rows in each):
            variables[name] = (("instance",), each[0][0], {})
        else:
            add(name, dims, each)
        variables[name][2].update(long_name=f"{name}, drawn by each instance", units="1", drawn=_law(settings, field))
    horizons = {o.reached for o in found}
    if len(horizons) == 1:
        variables["horizon"] = ((), np.int64(horizons.pop()))
    else:
        each = [np.full((len(stack.sweeps[n].parts),), o.reached, dtype=np.int64) for n, o in outcomes.items()]
        stacked = stack(each)
        along = stack.dims[:1]
        variables["horizon"] = (along, stacked if stack.axes is None else stacked.reshape(len(found), -1)[:, 0])
    if keep_x:
        add(
            "x",
            (*dims, "coordinate"),
            [o.x if o.reported is None else o.reported for o in found],
            long_name="final iterate",
            units="units of x",
        )
    if any(o.records for o in found):
        _add_records(stack, found, first_setting, coords, variables)
    dataset = xr.Dataset(variables, coords=coords)
    dataset["horizon"].attrs.update(long_name="last step taken", units="steps")
    return dataset


def _drawn(settings: Mapping[str, Experiment]) -> dict[str, Place]:
    """The fields that instances of some optimizer draw, by their names in the dataset."""
    places = [place_of(s, path) for s in settings.values() for path in s.sweep().drawn.values()]
    if list(settings) == [""]:
        return dict(zip(settings[""].sweep().drawn, places, strict=True))
    reserved = next(iter(settings.values())).reserved
    taken = {field for s in settings.values() for axis in s.sweep().axes for field in axis.coordinates}
    return {name: place for place, name in named(list(dict.fromkeys(places)), reserved | taken).items()}


def _path_of(setting: Experiment, field: Place) -> Path | None:
    """Where a setting has a field that its instances draw; None where they do not."""
    return next((path for path in setting.sweep().drawn.values() if place_of(setting, path) == field), None)


def _law(settings: Mapping[str, Experiment], field: Place) -> str:
    laws = (str(value_at(s, field).law) for s in settings.values() if _path_of(s, field) is not None)
    return "; ".join(dict.fromkeys(laws))


def _numbers_of(setting: Experiment, field: Place, instances: int) -> NDArray[np.float64]:
    """What instances have in a field, (configurations, instances): what they drew, what all have, or NaN where there is no such."""
    count, path, found = len(setting.sweep().parts), _path_of(setting, field), value_at(setting, field)
    if path is None:
        return np.full((count, instances), found if is_real(found) else np.nan, dtype=np.float64)
    apart = not setting.paired and count > 1
    configurations = np.repeat(np.arange(count if apart else 1), instances)
    ids = setting.first_instance + np.tile(np.arange(instances, dtype=np.int64), count if apart else 1)
    drawn = draws(path[0], setting.roles()[path[0]], ids, configurations if apart else None, round_keys(setting.seed))
    return np.broadcast_to(drawn[path[1:]].reshape(-1, instances), (count, instances))


def _add_records(
    stack: Stack, found: list[Outcome], setting: Experiment, coords: dict[str, Any], variables: dict[str, Any]
) -> None:
    record = setting.record
    assert record is not None
    first = max(found, key=lambda o: 0 if o.record_steps is None else o.record_steps.size)
    assert first.record_steps is not None  # of the run that got furthest; one that Ctrl-C ended has fewer
    coords["step"] = ("step", first.record_steps, {"long_name": "steps taken", "units": "steps"})
    places = first.record_places
    everyone = places is None or places.size == first.instances
    who = "instance" if everyone else "recorded_instance"
    if places is not None and not everyone and not record.summary:
        coords[who] = (who, places + setting.first_instance, {"long_name": "instance id"})
    _add_samples_seen(stack, first.record_steps, coords)
    for name in first.records:
        base, _, kind = name.rpartition("_") if record.summary else (name, "", "")
        quantity = record.quantity(base)
        long_name, units = quantity.long_name, quantity.units
        arrays = [_extended(o, name, first, 1 if record.summary else 2) for o in found]
        if record.summary:
            each = () if kind == "n" else quantity.dims
            last = {"quantile": ("quantile",), "histogram": (f"{base}_bin",)}.get(kind, ())
            tail: tuple[str, ...] = ("step", *each, *last)
            attrs = {"long_name": f"{kind} over instances of {long_name}", "units": _units(kind, units)}
        else:
            tail = (who, "step", *quantity.dims)
            attrs = {"long_name": long_name, "units": units}
        variables["path" if name == "x" else name] = ((*stack.dims, *tail), stack(arrays), attrs)
    if record.summary:
        coords["quantile"] = ("quantile", np.asarray(record.quantiles, dtype=np.float64))
        for name, edges in record.histograms:
            bins, said = f"{name}_bin", {"units": record.quantity(name).units}
            coords[f"{bins}_low"] = (bins, np.array(edges[:-1]), {"long_name": f"lower edge of a bin of {name}"} | said)
            coords[f"{bins}_high"] = (bins, np.array(edges[1:]), {"long_name": f"upper edge of a bin of {name}"} | said)


def _add_samples_seen(stack: Stack, steps: NDArray[Any], coords: dict[str, Any]) -> None:
    """How many samples each recorded step comes after, where the noise draws batches: over the configurations where they differ."""
    seen = []
    for setting in stack.settings.values():
        each = []
        for parts in setting.sweep().parts:
            found = [part for part in nested(parts["noise"]) if isinstance(part, Minibatch)]
            if not found or any(True for _ in drawn_in(found[0])):
                return
            each.append(found[0].samples_seen(steps.astype(np.float64)))
        seen.append(np.array(each).astype(np.int64))
    attrs = {"long_name": "samples seen by an instance", "units": "samples"}
    if all((one == seen[0][0]).all() for one in seen):
        coords["samples_seen"] = ("step", seen[0][0], attrs)
    else:
        coords["samples_seen"] = ((*stack.dims, "step"), stack(seen), attrs)


def _units(kind: str, units: str) -> str:
    """Of a moment or quantile of what has ``units``."""
    if kind in ("n", "histogram"):
        return "1"
    return f"({units})^2" if kind == "variance" else units


def _extended(outcome: Outcome, name: str, first: Outcome, axis: int) -> NDArray[Any]:
    """A record at all of ``first``'s steps: NaN, or a count of 0, at those that the run did not reach."""
    whole, array = first.records[name], outcome.records.get(name)
    assert first.record_steps is not None
    missing = first.record_steps.size - (0 if array is None else array.shape[axis])
    if not missing:
        return array if array is not None else whole
    shape = list(whole.shape)
    shape[axis] = missing
    filling = np.full(shape, np.nan if whole.dtype.kind == "f" else 0, dtype=whole.dtype)
    return filling if array is None else np.concatenate([array, filling], axis=axis)


def disassemble(dataset: xr.Dataset, settings: dict[str, Experiment]) -> dict[str, Outcome]:
    """The outcomes that :func:`assemble` was given, without the optimizers' memory."""
    if "optimizer" in dataset.coords:  # those that had begun
        begun = set(dataset["optimizer"].to_numpy().tolist())
        settings = {name: setting for name, setting in settings.items() if name in begun}
    stack = Stack(settings)
    instances = dataset.sizes["instance"]

    def parts(name: str) -> list[NDArray[Any]]:
        return stack.split(dataset[name].to_numpy())

    record_names = [v for v in dataset.data_vars if "step" in dataset[v].dims]
    steps = dataset["step"].to_numpy() if record_names else np.empty(0, dtype=np.int64)
    horizon = dataset["horizon"]
    outcomes = {}
    for k, name in enumerate(settings):
        h = horizon.to_numpy()
        reached = int(h) if h.ndim == 0 else int(parts("horizon")[k].ravel()[0]) if stack.axes is None else int(h[k])
        x = parts("x")[k] if "x" in dataset else np.empty(0)
        setting = settings[name]
        taken = steps[steps <= reached]
        axis = 1 if setting.record is not None and setting.record.summary else 2
        records = {
            ("x" if v == "path" else str(v)): parts(str(v))[k][(slice(None),) * axis + (slice(taken.size),)]
            for v in record_names
            if taken.size
        }
        places = None if setting.record is None else setting.record.places(setting.instances)
        outcome = Outcome(
            reached=reached,
            x=x,
            vectors=np.empty((0, *x.shape), dtype=setting.dtype),
            integers=np.empty((0, *x.shape[:2]), dtype=np.int64 if setting.dtype == "float64" else np.int32),
            event_step=parts("event_step")[k].astype(np.int32),
            event=parts("event")[k].astype(np.int32),
            diverged_step=parts("diverged_step")[k].astype(np.int32),
            records=records,
            record_steps=taken if records else None,
            record_places=None if places is None else places[: np.searchsorted(places, instances)],
            wall_time=float(dataset.attrs["wall_time"]) if k == 0 else 0.0,
            segments=int(dataset.attrs["segments"]) if k == 0 else 0,
            inside=((instances, int(dataset.attrs["started_inside"]) if k == 0 else 0),),
        )
        outcomes[name] = outcome
    return outcomes
