"""load: a result from a file, each thing in it checked as if it had been given to simulate."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..given import MOST_INSTANCES, whole
from ..setting import Outcome, Setting
from . import rebuild
from .dataset import assemble, disassemble
from .files import UnreadableFileError, checked_path, opened, reason, shown
from .history import Piece, decided, decided_of, digest, pieces
from .provenance import FORMAT, facts
from .reading import read
from .result import Result

_STATE = re.compile(r"_(x|vectors|integers)_(\d+)")


def load(path: str | os.PathLike[str]) -> Result:
    """Reads a file written by :meth:`Result.save`, of this version or of an earlier one.

    Nothing in a file is run or imported: it names parts, and those that are not the library's must have been imported before.

    Raises:
        FileNotFoundError: there is no such file.
        UnreadableFileError: the file is not ours, is damaged or cut short, comes from a later version, or names what is not here.
        OSError: it cannot be opened.
    """
    source = checked_path("load", path)
    with opened(source) as file:
        dataset = read(source, file)
    number = _format(dataset, source)
    try:
        return _result(dataset, number)
    except (
        Exception
    ) as error:  # what is given to simulate is refused with ValueError and TypeError; a file may hold anything
        raise UnreadableFileError(
            f"load({shown(source)}): {reason(error, 150)}. Give a file that Result.save wrote and nothing changed."
        ) from error


def _format(dataset: xr.Dataset, source: Path) -> int:
    """The number of the format."""
    from .. import __version__

    said = re.fullmatch(r"descent-ensemble (\d{1,6})", str(dataset.attrs.get("format")))
    if said is None:
        raise UnreadableFileError(
            f"load({shown(source)}): another program wrote it: it names no format of this one. Give a file that Result.save "
            f"wrote, or open this one with xarray."
        )
    number, newest = int(said[1]), int(FORMAT.split()[-1])
    if not 1 <= number <= newest:
        raise UnreadableFileError(
            f"load({shown(source)}): it has format {number}, and descent-ensemble {__version__} reads those from 1 to {newest}. "
            f"Use a newer version, or open it with xarray."
        )
    return number


def _result(dataset: xr.Dataset, number: int) -> Result:
    attrs = dataset.attrs
    options = rebuild.options(attrs["options"])
    configurations = dataset["event_step"].size // max(dataset.sizes["instance"], 1)
    settings = rebuild.Rebuilder(number).settings(attrs["settings"], configurations)
    outcomes = disassemble(dataset, settings)
    _add_state(dataset, outcomes)
    if number == 1:
        then = decided(settings, options)
        history: tuple[Piece, ...] = (
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
        _add_facts(outcomes, json.loads(attrs["outcomes"]))
        then = decided_of(json.loads(attrs["settings"]), options)
        history = pieces(attrs["history"])
        if digest(then) != history[-1].settings:
            raise UnreadableFileError("its settings are not those that its history names")
    _check(dataset, settings, outcomes, options["keep_x"])
    dataset = dataset.drop_vars([v for v in dataset.variables if _STATE.fullmatch(str(v))])
    return Result(dataset, settings, outcomes, options, history, then)


def _add_facts(outcomes: Mapping[str, Outcome], found: Any) -> None:
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
        if said := _STATE.fullmatch(str(variable)):
            name, outcome = said[1], found[int(said[2])]
            if name == "x":
                outcome.reported = outcome.x
            setattr(outcome, name, dataset[variable].to_numpy())


def _check(dataset: xr.Dataset, settings: Mapping[str, Setting], outcomes: dict[str, Outcome], keep_x: bool) -> None:
    """Refuses arrays that are not those of the settings: their kind and shape, and steps beyond the last."""
    settings = {name: settings[name] for name in outcomes}
    for name, wanted in assemble(settings, outcomes, keep_x=False).data_vars.items():
        _same_kind(str(name), dataset[name], wanted.dims, wanted.shape, wanted.dtype)
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
            for quantity in record.quantities:
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
