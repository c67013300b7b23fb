"""Settings made again from what a file says of them, through the same checks as what is given to simulate."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import sys
import uuid
from collections.abc import Mapping, Sequence, Set
from typing import Any

from ..backends.cached import cached_property
from ..classes import full_name, in_library, short_name, unlike
from ..distributions import Law, drawn
from ..grids import Grid, moment
from ..landscapes.base import StationaryPoint
from ..packed import is_packed, unpacked
from ..part import Part
from ..plain import flag, one_of, whole
from ..records import Record, Spaced
from ..run.experiment import Experiment
from ..run.given import checked_setting
from .files import UnreadableFileError

ROLES = ("landscape", "optimizer", "noise", "start", "event")
NUMBERS = ("instances", "first_instance", "steps", "seed", "dtype", "math", "check_every", "paired")
SINCE_FORMAT_1: dict[str, dict[str, Any]] = {
    "Adam": {"bias_correction": True},
    "AdamL2": {"bias_correction": True},
    "AdamW": {"bias_correction": True},
    "PhaseRetrieval": {"l2": 0.0},
}
"""Fields that parts have got since format 1, each with the value that means what the part did before."""
SINCE_RECORDS: dict[str, Any] = {"observables": [], "state": [], "points": None, "histograms": []}
"""Fields that records have got since the first."""


_NAMED = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*(?:\.(?:<locals>|[A-Za-z_]\w*))*)")
"""What a class of a user's own is called in a file, ``module:name``."""


class UndefinedError(Exception):
    """A file uses a class of somebody's own that is not defined here: its data can be read, and its run cannot go on."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


def _may_be_defined(name: str) -> bool:
    """Whether a name can be that of a class of a user's own: of no module of Python's or ours, nothing with two underscores in it."""
    found = _NAMED.fullmatch(name) if len(name) <= 200 else None
    if found is None:
        return False
    module, inside = found[1].split("."), found[2].split(".")
    names = module[module == ["__main__"] :] + inside
    ours = __name__.partition(".")[0]
    return module[0] not in sys.stdlib_module_names | {"builtins", ours} and not any(n.startswith("__") for n in names)


def _below(kind: type[Part]) -> list[type[Part]]:
    return [c for s in kind.__subclasses__() for c in (s, *_below(s))]


@dataclasses.dataclass
class Rebuilder:
    """Makes settings from descriptions of one format."""

    format: int
    given: Sequence[type[Part]] = ()
    """Classes that the caller names: they stand for those of their names in the file, of whatever module."""

    @cached_property
    def known(self) -> dict[str, list[type[Part]]]:
        """Every class of part that has been imported, by the name that files call it: a bare one in format 1; newest first."""
        found: dict[str, list[type[Part]]] = {}
        classes = _below(Part)
        classes.reverse()
        for kind in sorted(classes, key=in_library, reverse=self.format == 1):
            found.setdefault(kind.__name__ if self.format == 1 else full_name(kind), []).append(kind)
        return found

    def kind(self, described: Mapping[str, Any]) -> type[Part]:
        """The class that a file names: of several of one name, as a notebook makes them, the newest that is as the file's was."""
        name = described.get("part")
        if isinstance(name, str) and (own := self._given(name, described.get("class", {}))) is not None:
            return own
        if not isinstance(name, str) or name not in self.known:
            if isinstance(name, str) and isinstance(described.get("class"), dict) and _may_be_defined(name):
                raise UndefinedError(name, f"it uses the part {name!r}, which is not defined here")
            raise UnreadableFileError(f"it uses the part {name!r}, which is not defined here; import its module first")
        named = self.known[name]
        return next((kind for kind in named if not unlike(described.get("class", {}), kind)), named[0])

    def _given(self, name: str, described: Any) -> type[Part] | None:
        """The class that the caller names for one of the file's.

        Raises:
            UndefinedError: it is another than the file's.
        """
        short = short_name(name)
        named = [
            kind for kind in self.given if short_name(full_name(kind)) == short and (":" in name or in_library(kind))
        ]
        if not named or not isinstance(described, dict):
            return None
        kinds = {kind: unlike(described, kind) for kind in named}
        if (same := next((kind for kind, other in kinds.items() if not other), None)) is not None:
            return same
        raise UndefinedError(name, f"the {short} given is not the {name!r} that ran: {kinds[named[0]]} differ")

    def settings(self, text: str, configurations: int) -> dict[str, Experiment]:
        """All settings of a file, of which there are results of so many configurations in all.

        Raises:
            UnreadableFileError: a field is unknown, missing or not allowed.
        """
        described = _mapping(json.loads(text), "the settings")
        if not described:
            raise UnreadableFileError("there is no setting")
        count = sum(_configurations(_mapping(d, "a setting")) for d in described.values())
        if count < configurations:
            raise UnreadableFileError(f"there are {configurations} configurations, and settings of {count}")
        if count > configurations and "" in described:
            raise UnreadableFileError(f"there are {configurations} configurations, and settings of {count}")
        return {name: self.setting(d) for name, d in described.items()}

    def setting(self, described: Mapping[str, Any]) -> Experiment:
        """One setting."""
        _same_names("a setting", {*ROLES, *NUMBERS, "grids"}, set(described) - {"record"})
        swept = _Swept(_mapping(described["grids"], "the grids"))
        parts = {role: self.part(described[role], role, swept) for role in ROLES}
        record = None if described.get("record") is None else self._record(described["record"])
        given = {name: described[name] for name in NUMBERS}
        return checked_setting(**parts, **given, record=record, schedules=False)  # a function's name is not called

    def _record(self, described: Any) -> Record:
        given = SINCE_RECORDS | dict(_mapping(described, "the record"))
        _same_names("the record", {f.name for f in dataclasses.fields(Record)}, set(given))
        at = given["at"]
        if isinstance(at, dict):
            _same_names("the record", {f.name for f in dataclasses.fields(Spaced)}, set(at))
            at = Spaced(one_of("kind", at["kind"], ("log", "lin")), whole("count", at["count"], 2, 10**7))
        seen = [(name, self.part(part, f"record.{name}", _Swept({}))) for name, part in given["observables"]]
        points = None if given["points"] is None else [self._point(point) for point in given["points"]]
        return Record(**given | {"at": at, "observables": seen, "points": points})

    def _point(self, described: Any) -> StationaryPoint:
        given: dict[str, Any] = dict(_mapping(described, "a stationary point"))
        _same_names("a stationary point", {f.name for f in dataclasses.fields(StationaryPoint)}, set(given))
        lists = {name: tuple(v) for name, v in given.items() if isinstance(v, list)}
        return StationaryPoint(**given | lists)

    def part(self, described: Any, path: str, swept: _Swept) -> Part:
        """A part, from what its ``describe`` gave."""
        kind = self.kind(_mapping(described, path))
        given = {k: v for k, v in described.items() if k not in ("part", "class")}
        if self.format == 1:
            for base in filter(in_library, kind.__mro__):
                given = SINCE_FORMAT_1.get(base.__name__, {}) | given
        fields = {f.name: f.init for f in dataclasses.fields(kind)}
        _same_names(kind.__name__, {f for f, init in fields.items() if init}, {f for f in given if fields.get(f, True)})
        return kind(**{f: self._value(given[f], f"{path}.{f}", swept) for f, init in fields.items() if init})

    def _value(self, value: Any, path: str, swept: _Swept) -> Any:
        if isinstance(value, dict) and "grid" in value:
            return swept.grid(path, tuple(self._value(v, path, swept) for v in value["grid"]))
        if isinstance(value, dict) and "drawn" in value:
            law = self.part(value["drawn"], f"{path}.law", swept)
            if not isinstance(law, Law):
                raise UnreadableFileError(f"{path} is drawn from {type(law).__name__}, which is no law")
            return drawn(law)
        if is_packed(value):
            return unpacked(value)
        if isinstance(value, dict):
            return self.part(value, path, swept)
        return tuple(value) if isinstance(value, list) else value


class _Swept:
    """The grids of one setting: those of one group are swept together."""

    def __init__(self, orders: Mapping[str, Any]) -> None:
        self.orders = orders
        self.groups: dict[Any, str] = {}
        places = {whole(f"the place of {path}", order, 0, 2**62) for path, (order, _) in orders.items()}
        self.moments = {place: moment() for place in sorted(places)}  # written here and now, one after another

    def grid(self, path: str, values: tuple[Any, ...]) -> Grid:
        order, group = self.orders[path]
        return Grid(values, self.groups.setdefault(group, uuid.uuid4().hex), self.moments[order])


def _configurations(described: Mapping[str, Any]) -> int:
    """How many configurations a setting has, counted before they are made."""
    orders, sizes = _mapping(described.get("grids"), "the grids"), {}

    def count(value: Any, path: str) -> None:
        if isinstance(value, dict):
            if "grid" in value:
                sizes[orders[path][1]] = len(value["grid"])
            for name, inside in value.items():
                count(inside, f"{path}.{name}")

    for role in ROLES:
        count(described.get(role), role)
    return math.prod(sizes.values())


def options(text: str) -> dict[str, Any]:
    """What a file says of how it was run.

    Raises:
        UnreadableFileError, ValueError: something is unknown, missing or not allowed.
    """
    found = dict(_mapping(json.loads(text), "the options"))
    _same_names("the options", {"backend", "backend_reason", "keep_x", "threads"}, set(found))
    one_of("backend", found["backend"], ("cuda", "cpu", "numpy"))
    flag("keep_x", found["keep_x"])
    if found["threads"] is not None:
        whole("threads", found["threads"], 1, 4096)
    if not isinstance(found["backend_reason"], str):
        raise UnreadableFileError("the backend's reason is no text")
    return found


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UnreadableFileError(f"{what} should be names and values, not {type(value).__name__}")
    return value


def _same_names(what: str, known: Set[str], given: Set[str]) -> None:
    """Refuses what is unknown, for it may have decided the numbers, and what is missing, for today's default may not have."""
    if unknown := sorted(given - known):
        raise UnreadableFileError(f"{what} has {', '.join(map(repr, unknown[:3]))}, unknown here")
    if missing := sorted(known - given):
        raise UnreadableFileError(f"{what} lacks {', '.join(map(repr, missing[:3]))}")
