"""load: a result from a file, each thing in it checked as if it had been given to simulate."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from ..classes import MOST_TEXT, full_name, short_name, source_text
from ..part import Part
from ..version import __version__
from ..warned import warn_with
from ..words import told
from . import rebuild
from .files import UnreadableFileError, checked_path, checksums, opened, reason, shown
from .history import Undefined, pieces
from .provenance import FORMAT
from .reading import read
from .restored import STATE, format_number, restored
from .result import Result

OLD = (
    "it is of a version that keeps no checksum of each variable: damage would be found and have no name. Save it again "
    "to have them."
)


def load(path: str | os.PathLike[str], parts: Sequence[type[Part]] = ()) -> Result:
    """Reads a file written by :meth:`Result.save`, of this version or of an earlier one.

    Nothing in a file is run or imported: it names parts. Those of the library are made again, and so are a user's own, where a
    class of that module and name has been defined in this process, or is among ``parts``, whatever module it lies in now. Where
    one is neither, the dataset opens all the same, and what would run or evaluate it says which definition to give.

    Args:
        path: of the file.
        parts: classes of one's own that the file uses, such as ``[valley]``.

    Raises:
        ValueError: ``parts`` holds something else, or a class that is another than the one that ran: the error's notes hold both
            texts.
        FileNotFoundError: there is no such file.
        UnreadableFileError: the file is not ours, is damaged or cut short, comes from a later version, or names what is not here.
        OSError: it cannot be opened.
    """
    source = checked_path("load", path)
    given = checked_classes("load", parts)
    with opened(source) as file:
        dataset = read(source, file)
        summed = checksums(file, os.fstat(file.fileno()).st_size) is not None
    number = _format(dataset, source)
    try:
        result = _result(dataset, number, given, source)
    except OtherDefinitionError:
        raise
    except (
        Exception
    ) as error:  # what is given to simulate is refused with ValueError and TypeError; a file may hold anything
        raise UnreadableFileError(
            f"load({shown(source)}): {reason(error, 150)}. Give a file that Result.save wrote and nothing changed."
        ) from error
    if not summed:
        warn_with(result, f"load({shown(source)}): its bytes match their seal, and {OLD}", stacklevel=2)
    return result


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


def checked_classes(function: str, parts: Any) -> tuple[type[Part], ...]:
    if isinstance(parts, (list, tuple)) and all(isinstance(kind, type) and issubclass(kind, Part) for kind in parts):
        return tuple(parts)
    raise ValueError(f"{function}(parts={told(parts)}): give classes of parts, such as [valley].")


class OtherDefinitionError(ValueError):
    """A class that was given for one in a file is another than the one that ran."""


def _result(dataset: xr.Dataset, number: int, given: tuple[type[Part], ...], source: Path) -> Result:
    attrs = dataset.attrs
    options = rebuild.options(attrs["options"])
    configurations = dataset["event_step"].size // max(dataset.sizes["instance"], 1)
    try:
        settings = rebuild.Rebuilder(number, given).settings(attrs["settings"], configurations)
    except rebuild.UndefinedError as error:
        short = short_name(error.name)
        text = definition(attrs, error.name)
        if own := [kind for kind in given if short_name(full_name(kind)) == short]:
            wrong = OtherDefinitionError(
                f"load({shown(source)}): {error}. Give the definition that ran; the notes have both."
            )
            wrong.add_note(f"The definition that ran:\n{text}")
            wrong.add_note(f"The one given:\n{source_text(own[0])}")
            raise wrong from None
        dataset = dataset.drop_vars([v for v in dataset.variables if STATE.fullmatch(str(v))])
        missing = f"{error}: define it, and load with load(path, parts=[{short}])"
        return Result(dataset, {}, {}, options, pieces(attrs["history"]), {}, Undefined(missing, text))
    outcomes, then, history = restored(dataset, settings, options, number)
    dataset = dataset.drop_vars([v for v in dataset.variables if STATE.fullmatch(str(v))])
    return Result(dataset, settings, outcomes, options, history, then)


def definition(attrs: Mapping[str, Any], name: str) -> str:
    """What a file says of a class of its author's own; empty: nothing."""
    try:
        kept = json.loads(attrs.get("definitions", "{}"))[name]
        return str(kept.get("source") or kept.get("formula", ""))[: 2 * MOST_TEXT]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
