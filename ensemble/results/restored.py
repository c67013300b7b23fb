"""What a dataset says of a run, taken out of it and held against its settings: when it is loaded, and before it is saved."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from ..plain import whole
from ..run.experiment import Experiment
from ..run.given import MOST_INSTANCES
from ..run.outcome import Outcome
from . import rebuild
from .dataset import assemble, disassemble
from .files import UnreadableFileError, reason
from .history import Piece, decided, decided_of, digest, pieces
from .provenance import FORMAT, facts

STATE = re.compile(r"_(x|vectors|integers)_(\d+)")


def format_number(said: object) -> int:
    """The number of the format that a dataset names; 0: it names none."""
    found = re.fullmatch(r"descent-ensemble (\d{1,6})", str(said))
    return int(found[1]) if found else 0


def restored(
    dataset: xr.Dataset, settings: dict[str, Experiment], options: dict[str, Any], number: int
) -> tuple[dict[str, Outcome], dict[str, Any], tuple[Piece, ...]]:
    """What was found, what decided its numbers, and which versions made them; ``number``: of the dataset's format.

    Raises:
        Exception: of some kind, where it is not the dataset of these settings.
    """
    attrs, outcomes = dataset.attrs, disassemble(dataset, settings)
    _add_state(dataset, outcomes)
    history: tuple[Piece, ...]
    if number == 1:
        then = decided(settings, options)
        history = (
            Piece(
                first_step=0,
                last_step=max(o.reached for o in outcomes.values()),
                instances=dataset.sizes["instance"],
                version=str(json.loads(attrs["versions"])["descent-ensemble"]),
                code="",
                settings=digest(then),
                backend=options["backend"],
                device=str(attrs["device"]),
                wall_time=float(attrs["wall_time"]),
                created=str(attrs["created"]),
            ),
        )
    else:
        add_facts(outcomes, json.loads(attrs["outcomes"]))
        then, history = decided_of(json.loads(attrs["settings"]), options), pieces(attrs["history"])
        if digest(then) != history[-1].settings:
            raise UnreadableFileError("its settings are not those that its history names")
    _check(dataset, settings, outcomes, options["keep_x"])
    return outcomes, then, history


def check_restorable(dataset: xr.Dataset, settings: dict[str, Experiment]) -> None:
    """Refuses a dataset that someone has changed so that it could be written and not be loaded again.

    Raises:
        ValueError: what is missing or wrong.
    """
    number = format_number(dataset.attrs.get("format"))
    needed = ("options", "settings") if number == 1 else ("options", "settings", "outcomes", "history")
    try:
        if not 1 <= number <= format_number(FORMAT):
            raise UnreadableFileError("its attribute 'format' is missing or another")
        if missing := [name for name in needed if name not in dataset.attrs]:
            raise UnreadableFileError(f"its attribute {missing[0]!r} is missing")
        restored(dataset, settings, rebuild.options(dataset.attrs["options"]), number)
    except Exception as error:
        raise ValueError(
            f"save: the result's dataset was changed so that load could not read it back ({reason(error)}); undo that, or write a "
            f"plain file with .dataset.to_netcdf(path)."
        ) from error


def add_facts(outcomes: Mapping[str, Outcome], found: Any) -> None:
    """What outcomes hold beside arrays."""
    if not isinstance(found, dict) or list(found) != list(outcomes):
        raise UnreadableFileError("its outcomes are not those of its arrays")
    for name, outcome in outcomes.items():
        for fact, value in found[name].items():
            if fact == "inside":  # (instances, how many of them)
                value = tuple(
                    (whole("instances", n, 0, MOST_INSTANCES), whole("inside", k, 0, 2**62)) for n, k in value
                )
            known = getattr(outcome, fact, None)
            if fact not in facts(outcome) or type(value) is not type(known):
                raise UnreadableFileError(f"its outcome has {fact!r} = {value!r}, unknown here")
            if isinstance(value, (int, float)) and not 0 <= value < math.inf:
                raise UnreadableFileError(f"its outcome has {fact!r} = {value!r}; it should be at least 0")
            setattr(outcome, fact, value)


def _add_state(dataset: xr.Dataset, outcomes: Mapping[str, Outcome]) -> None:
    """The optimizers' memory, and the iterates where something else is shown in their place."""
    found = list(outcomes.values())
    for variable in dataset.variables:
        if said := STATE.fullmatch(str(variable)):
            name, outcome = said[1], found[int(said[2])]
            if name == "x":
                outcome.reported = outcome.x
            setattr(outcome, name, dataset[variable].to_numpy())


def _check(dataset: xr.Dataset, settings: Mapping[str, Experiment], outcomes: dict[str, Outcome], keep_x: bool) -> None:
    """Refuses arrays that are not those of the settings: their kind and shape, and steps beyond the last."""
    settings = {name: settings[name] for name in outcomes}
    made = assemble(settings, outcomes, keep_x=False)
    for name, wanted in made.data_vars.items():
        _same_kind(str(name), dataset[name], wanted.dims, wanted.shape, wanted.dtype)
        if "drawn" in wanted.attrs and not np.array_equal(dataset[name].to_numpy(), wanted.to_numpy(), equal_nan=True):
            raise UnreadableFileError(f"its {name!r} is not what its instances draw")
    for name, wanted in made.coords.items():
        if not np.array_equal(dataset[name].to_numpy(), wanted.to_numpy()):
            raise UnreadableFileError(f"its {name!r} are not those of its settings, in order")
    if keep_x != ("x" in dataset):
        raise UnreadableFileError("the final iterates are there, or are not, against its options")
    for name, outcome in outcomes.items():
        setting = settings[name]
        size = (len(setting.sweep().parts), outcome.instances)
        dim = setting.landscape.dimension  # type: ignore[attr-defined]
        dtype = np.dtype(setting.dtype)
        vectors, integers = setting.optimizer.state_slots()
        shapes = {
            "x": (*size, dim),
            "reported": (*size, dim),
            "vectors": (vectors, *size, dim),
            "integers": (integers, *size),
        }
        for array, shape in shapes.items():
            found = getattr(outcome, array)
            if found is None or not found.size:
                continue
            if found.shape != shape or (found.dtype != dtype if array != "integers" else found.dtype.kind not in "iu"):
                raise UnreadableFileError(f"its {array} are {found.dtype} {found.shape}, and should be {dtype} {shape}")
        places, record = outcome.record_places, setting.record
        if (
            record is not None
            and places is not None
            and places.size
            and record.steps(setting.steps)[0] <= outcome.reached
        ):
            for quantity in record.names:
                if quantity not in outcome.records and f"{quantity}_n" not in outcome.records:
                    raise UnreadableFileError(f"{quantity} was recorded, and is not there")
        if not 0 <= outcome.reached <= setting.steps:
            raise UnreadableFileError(f"it was at step {outcome.reached} of {setting.steps}")
        for array in ("event_step", "diverged_step"):
            steps = getattr(outcome, array)
            if steps.size and not (steps.min() >= -1 and steps.max() <= outcome.reached):
                raise UnreadableFileError(f"{array} holds steps beyond {outcome.reached}, the last")


def _same_kind(name: str, found: xr.DataArray, dims: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if found.dims != dims or found.shape != shape or found.dtype != dtype:
        raise UnreadableFileError(
            f"{name!r} is {found.dtype} {dict(found.sizes)}, and should be {dtype} {dict(zip(dims, shape, strict=True))}"
        )
