"""``experiment.json``: the whole setting of a store, canonical, with its digest."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..part import Part
from ..records import Spaced
from ..results.files import UnreadableFileError, put_whole, reason, shown, write_all
from ..results.history import code, decided_of, differences
from ..results.provenance import definitions, described
from ..results.rebuild import Rebuilder
from ..run.experiment import Experiment
from ..version import __version__

FORMAT = "descent-ensemble store 1"
NAME = "experiment.json"
SAID = 6
"""So many differences are named."""


class OtherExperimentError(ValueError):
    """A store holds another experiment than the one that was asked for, or was made by another version."""


@dataclass(frozen=True)
class Description:
    """What a store is to hold, in JSON's types: as much as decides its numbers, and how it is cut.

    ``settings``: name -> a setting as files describe it, ``instances`` and ``steps`` in total. ``at``: name -> the steps recorded, where
    the horizon was moved and they are no longer those that the setting says. ``shard``: instances of a shard, at most; places are counted
    from the first instance on. ``forced``: what had changed where it was accepted all the same.
    """

    settings: dict[str, dict[str, Any]]
    at: dict[str, list[int]]
    backend: str
    keep_x: bool
    shard: int
    version: str
    code: str
    definitions: dict[str, dict[str, str]]
    forced: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Mapping[str, Experiment], backend: str, keep_x: bool, shard: int) -> Description:
        return cls(
            settings=json.loads(json.dumps({name: described(setting) for name, setting in settings.items()})),
            at={},
            backend=backend,
            keep_x=keep_x,
            shard=shard,
            version=__version__,
            code=code(),
            definitions=definitions(dict(settings)),
        )

    # ---- what it says

    @property
    def first(self) -> int:
        """The id of the first instance."""
        return int(next(iter(self.settings.values()))["first_instance"])

    @property
    def instances(self) -> int:
        """Of each configuration, in total."""
        return int(next(iter(self.settings.values()))["instances"])

    @property
    def steps(self) -> dict[str, int]:
        return {name: int(setting["steps"]) for name, setting in self.settings.items()}

    def experiments(self, parts: Sequence[type[Part]] = ()) -> dict[str, Experiment]:
        """The settings, made again; ``parts``: classes of a user's own.

        Raises:
            Exception: of some kind, where a class is not defined here or something is not allowed.
        """
        rebuilder = Rebuilder(2, parts)
        return {name: rebuilder.setting(setting) for name, setting in self.settings.items()}

    def numbers(self) -> dict[str, Any]:
        """What decides the numbers of every instance: not how many there are, nor their steps."""
        found = decided_of(self.settings, {"backend": self.backend})
        for one in found.values():
            if isinstance(one, dict):
                del one["instances"]
        return found | {"keep_x": self.keep_x}

    # ---- on the disk

    def text(self) -> str:
        """Canonical: the same experiment has the same bytes."""
        return json.dumps(self._body() | {"digest": self.digest()}, sort_keys=True, indent=1, allow_nan=True) + "\n"

    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self._body(), sort_keys=True).encode()).hexdigest()

    def _body(self) -> dict[str, Any]:
        found = dataclasses.asdict(self)
        return json.loads(json.dumps(found | {"format": FORMAT, "names": list(self.settings)}))

    def write(self, folder: Path) -> None:
        """Puts it in its place, whole."""
        text = self.text().encode()

        put_whole(folder / NAME, lambda file: write_all(file, text), len(text), "nothing was changed")

    def create(self, folder: Path) -> bool:
        """Puts it where none is; whether it was the first."""
        text, part = self.text().encode(), folder / f".{NAME}.{secrets.token_hex(4)}.part"
        try:
            try:
                with open(part, "xb") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                failed = OSError(f"{shown(folder / NAME)} cannot be written ({reason(error)}); give another place.")
                failed.errno = error.errno
                raise failed from error
            try:
                os.link(part, folder / NAME)
            except FileExistsError:
                return False
            except OSError:  # a place without links
                if (folder / NAME).exists():
                    return False
                os.replace(part, folder / NAME)
            return True
        finally:
            part.unlink(missing_ok=True)


def read(folder: Path) -> Description:
    """What a store says of itself.

    Raises:
        FileNotFoundError: the folder is no store.
        UnreadableFileError: it is damaged, or of a later version.
    """
    try:
        found = json.loads((folder / NAME).read_bytes())
        if not isinstance(found, dict):
            raise ValueError("it holds no names and values")
    except FileNotFoundError:
        raise FileNotFoundError(f"{shown(folder)} is no store: it has no {NAME}; give the folder of one.") from None
    except (OSError, ValueError) as error:
        raise UnreadableFileError(f"{shown(folder / NAME)} cannot be read ({reason(error)}).") from error
    if found.pop("format", None) != FORMAT:
        raise UnreadableFileError(f"{shown(folder / NAME)} is of another version than {FORMAT!r}; use a newer version.")
    said, names = found.pop("digest", ""), found.pop("names", [])
    try:
        settings = {name: found["settings"][name] for name in names}
        if settings.keys() != found["settings"].keys():
            raise ValueError("its names are not those of its settings")
        description = Description(**{**found, "settings": settings, "forced": tuple(found["forced"])})
        description.first, description.instances, description.steps  # noqa: B018
        if description.digest() != said:
            raise ValueError("its digest is another")
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise UnreadableFileError(
            f"{shown(folder / NAME)} is damaged ({reason(error)}); put back the file that was there."
        ) from error
    return description


# ---- growing


def grown(there: Description, asked: Description, folder: Path) -> Description:
    """What a store is to hold after ``asked``, which may have more instances and more steps.

    Raises:
        OtherExperimentError: it is another experiment, or fewer; the difference is named.
    """
    found = list(differences(there.numbers(), asked.numbers(), ""))
    found = [
        text for text in found if "grids." not in text.split(" has changed")[0]
    ] or found  # said of the fields, too
    if there.code != asked.code:
        found.append(
            f"descent-ensemble has changed from {there.version} (code {there.code[:8]}) to {asked.version} (code "
            f"{asked.code[:8]})"
        )
    for name, setting in asked.settings.items():
        then = there.settings.get(name)
        if then is not None:
            where = f"of {name} " if name else ""
            if setting["steps"] < then["steps"]:
                found.append(f"steps {where}are {then['steps']:,} there and {setting['steps']:,} here")
            if setting["steps"] == then["steps"] and _at(then) != _at(setting):
                found.append(f"record.at {where}has changed")
    if asked.instances < there.instances:
        found.append(f"instances are {there.instances:,} there and {asked.instances:,} here")
    if found:
        more = f"; and {len(found) - SAID} more" if len(found) > SAID else ""
        remedy = (
            "en.open reads it as it is" if len(found) == 1 and "instances are" in found[0] else "give another folder"
        )
        if there.code != asked.code:
            remedy += f", or accept the other version: python -m ensemble store repair --accept-version {folder}"
        raise OtherExperimentError(
            f"store={shown(folder)} holds another experiment: {'; '.join(found[:SAID])}{more}. Undo that, or {remedy}."
        )
    at = dict(there.at)
    for name, setting in asked.settings.items():
        then = there.settings[name]
        if setting["steps"] > then["steps"] and "record" in setting:
            before = at.get(name) or _recorded(then)
            after = [step for step in _recorded(setting) if step > then["steps"]]
            at[name] = [*before, *after]
    return dataclasses.replace(there, settings=asked.settings, at=at)


def of_another_version(there: Description, folder: Path) -> str:
    """What to say where another version of this package began a store."""
    return (
        f"{shown(folder)}: descent-ensemble has changed from {there.version} (code {there.code[:8]}) to {__version__} (code "
        f"{code()[:8]}). Use that version, or accept this one: python -m ensemble store repair --accept-version {folder}"
    )


def accepted(there: Description) -> Description:
    """The same, to be gone on with by this version; what had changed is kept."""
    changed = f"{there.version} (code {there.code[:8]}) to {__version__} (code {code()[:8]})"
    return dataclasses.replace(there, version=__version__, code=code(), forced=(*there.forced, changed))


def _at(setting: Mapping[str, Any]) -> Any:
    return (setting.get("record") or {}).get("at")


def _recorded(setting: Mapping[str, Any]) -> list[int]:
    """The steps that a described setting records."""
    at, steps = _at(setting), int(setting["steps"])
    if isinstance(at, dict):
        return Spaced(at["kind"], at["count"]).steps(steps).tolist()
    return np.asarray(at, dtype=np.int64).tolist()
