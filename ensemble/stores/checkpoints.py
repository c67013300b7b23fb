"""Checkpoints: what a shard has come to, in a file from which it goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..results.files import UnreadableFileError, opened, reason, shown, write_whole
from ..results.history import code
from ..results.image import image
from ..results.provenance import described, facts
from ..results.reading import read
from ..results.restored import add_facts
from ..run.experiment import Experiment
from ..run.outcome import Outcome
from .shards import ShardFile

FORMAT = "descent-ensemble checkpoint 1"
ARRAYS = ("x", "vectors", "integers", "reported", "event_step", "event", "diverged_step", "record_steps")

Found = Mapping[str, Sequence[Outcome]]
"""Name -> what there is of consecutive instances, each at its own step."""


def write(path: Path, settings: Mapping[str, Experiment], found: Found) -> int:
    """Puts a checkpoint in its place, whole; its bytes.

    Raises:
        OSError: the place cannot be written; what was there stays.
    """
    dataset, said = xr.Dataset(), {}
    for k, (name, outcomes) in enumerate(found.items()):
        said[name] = [
            {"facts": facts(outcome), "arrays": _put(dataset, f"{k}_{j}", outcome)}
            for j, outcome in enumerate(outcomes)
        ]
    dataset.attrs = {"format": FORMAT, "settings": _key(settings), "outcomes": json.dumps(said)}
    made = image(dataset)
    write_whole(path, made.size, made.blocks, made.named(), "what was there stays")
    return made.size


def _key(settings: Mapping[str, Experiment]) -> str:
    """What a checkpoint must be of to go on from it."""
    return json.dumps({"code": code(), "settings": {name: described(setting) for name, setting in settings.items()}})


def _put(dataset: xr.Dataset, prefix: str, outcome: Outcome) -> dict[str, Any]:
    """Puts an outcome's arrays into a dataset; name -> (dtype, shape)."""
    arrays = {name: getattr(outcome, name) for name in ARRAYS}
    arrays |= {f"record {name}": array for name, array in outcome.records.items()}
    found = {}
    for name, array in arrays.items():
        if array is None:
            continue
        found[name] = [array.dtype.str, list(array.shape)]
        if array.size:
            variable = f"{prefix}_{name.replace(' ', '_')}"
            dataset[variable] = ([f"{variable}_{axis}" for axis in range(array.ndim)], array)
    return found


def load(path: Path, settings: Mapping[str, Experiment]) -> dict[str, list[Outcome]]:
    """What a checkpoint has of these settings.

    Raises:
        FileNotFoundError: there is none.
        UnreadableFileError: it is damaged, or of something else.
    """
    with opened(path) as file:
        dataset = read(path, file)
    try:
        if dataset.attrs["format"] != FORMAT or json.loads(dataset.attrs["settings"]) != json.loads(_key(settings)):
            raise ValueError("it is of another experiment")
        said, found = json.loads(dataset.attrs["outcomes"]), dict[str, list[Outcome]]()
        for k, name in enumerate(said):
            found[name] = [_taken(dataset, f"{k}_{j}", one) for j, one in enumerate(said[name])]
            _check(settings[name], found[name])
    except Exception as error:  # a file may hold anything
        raise UnreadableFileError(f"{shown(path)}: no checkpoint to go on from ({reason(error)}).") from error
    return found


def _taken(dataset: xr.Dataset, prefix: str, said: Mapping[str, Any]) -> Outcome:
    arrays: dict[str, Any] = {}
    for name, (dtype, shape) in said["arrays"].items():
        variable = f"{prefix}_{name.replace(' ', '_')}"
        array = dataset[variable].to_numpy() if variable in dataset else np.empty(shape, dtype)
        if array.dtype != np.dtype(dtype) or list(array.shape) != shape:
            raise ValueError(f"{variable} has another shape")
        arrays[name] = array
    records = {name.removeprefix("record "): arrays.pop(name) for name in list(arrays) if name.startswith("record ")}
    outcome = Outcome(reached=0, records=records, **arrays)
    add_facts({"": outcome}, {"": said["facts"]})
    return outcome


def _check(setting: Experiment, outcomes: Sequence[Outcome]) -> None:
    """Refuses what does not fit the setting, and says which of the instances were recorded."""
    configurations, first = len(setting.sweep().parts), 0
    places = None if setting.record is None else setting.record.places(setting.instances)
    for outcome in outcomes:
        if outcome.event_step.shape != (configurations, outcome.instances):
            raise ValueError("its configurations are others")
        if not 0 <= outcome.reached <= setting.steps:
            raise ValueError(f"it was at step {outcome.reached} of {setting.steps}")
        if places is not None:
            here = places[(places >= first) & (places < first + outcome.instances)]
            outcome.record_places = here - first
        first += outcome.instances
    if first > setting.instances:
        raise ValueError("it has more instances")


def progress(path: Path) -> dict[str, Any]:
    """How far a checkpoint has come: name -> [(instances, step)].

    Raises:
        OSError, UnreadableFileError: there is none, or it is damaged.
    """
    with ShardFile(path) as file:
        said = file.text("outcomes")
    return {
        name: [(one["arrays"]["event_step"][1][1], one["facts"]["reached"]) for one in outcomes]
        for name, outcomes in said.items()
    }
