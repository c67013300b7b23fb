"""load: a result from a file, each thing in it checked as if it had been given to simulate."""

from __future__ import annotations

import os
from pathlib import Path

import xarray as xr

from ..version import __version__
from . import rebuild
from .files import UnreadableFileError, checked_path, opened, reason, shown
from .provenance import FORMAT
from .reading import read
from .restored import STATE, format_number, restored
from .result import Result


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
    number, newest = format_number(dataset.attrs.get("format")), format_number(FORMAT)
    if not number:
        raise UnreadableFileError(
            f"load({shown(source)}): another program wrote it: it names no format of this one. Give a file that Result.save "
            f"wrote, or open this one with xarray."
        )
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
    outcomes, then, history = restored(dataset, settings, options, number)
    dataset = dataset.drop_vars([v for v in dataset.variables if STATE.fullmatch(str(v))])
    return Result(dataset, settings, outcomes, options, history, then)
