"""Who took which steps of a result, and whether what would take the next is still the same."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from ..backends.sources import kernels
from ..grids import Listed
from ..packed import is_packed, unpacked
from ..plain import flag
from ..run.experiment import Experiment
from ..run.outcome import Outcome
from ..version import __version__
from .provenance import as_json, described

NOT_IN_NUMBERS = {"plots", "statistics", "results", "stores", "cluster.py"}
"""Folders and files of the package that decide no number of a run."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a run: the steps after ``first_step`` to ``last_step``, and what took them.

    ``instances`` of each configuration are there after it: fewer than were asked where something ended it early.
    ``code`` is a digest of the package's kernels and of its Python that decides numbers, ``settings`` one of the settings;
    ``forced`` says what had changed where a run was continued all the same, and is empty otherwise.
    """

    first_step: int
    last_step: int
    instances: int
    version: str
    code: str
    settings: str
    backend: str
    device: str
    wall_time: float
    created: str
    forced: str = ""


@cache
def code() -> str:
    """A digest of all of the package that decides numbers: its kernels and its Python, apart from pictures and statistics."""
    package, total = Path(__file__).resolve().parents[1], hashlib.sha256()
    found = {f"kernels/{p.relative_to(kernels()).as_posix()}": p for p in kernels().rglob("*.cuh")}
    for path in package.rglob("*.py"):
        inside = path.relative_to(package)
        if inside.parts[0] not in NOT_IN_NUMBERS:
            found[inside.as_posix()] = path
    for name, path in sorted(found.items()):
        total.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]


def decided(settings: Mapping[str, Experiment], options: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the numbers of a run of any length, in JSON's types: settings, but for their steps, and the backend."""
    return decided_of({name: described(setting) for name, setting in settings.items()}, options)


def decided_of(settings: Mapping[str, Mapping[str, Any]], options: Mapping[str, Any]) -> dict[str, Any]:
    """The same of settings as a file describes them."""
    found: dict[str, Any] = {"backend": options["backend"]}
    for name, setting in settings.items():
        one = {key: value for key, value in setting.items() if key != "steps"}
        if "record" in one:
            one["record"] = {key: value for key, value in one["record"].items() if key != "at"}
        found[_called(name)] = one
    return _in_json(found)


def _in_json(value: Any) -> Any:
    """The same as JSON gives it back."""
    if isinstance(value, Listed):
        return value
    if isinstance(value, dict):
        return {str(name): _in_json(inside) for name, inside in value.items()}
    if isinstance(value, (list, tuple)):
        return [_in_json(inside) for inside in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else json.loads(json.dumps(value))


def _called(name: str) -> str:
    return f"settings of {name}" if name else "settings"


def digest(decided: Mapping[str, Any]) -> str:
    """Of what :func:`decided` returns."""
    return hashlib.sha256(as_json(decided, sort_keys=True).encode()).hexdigest()[:16]


def piece(
    outcomes: Mapping[str, Outcome],
    options: Mapping[str, Any],
    decided: Mapping[str, Any],
    before: tuple[Piece, ...],
    forced: str,
) -> Piece:
    """The stretch that has just been run, after those before it."""
    return Piece(
        first_step=before[-1].last_step if before else 0,
        last_step=max(o.reached for o in outcomes.values()),
        instances=next(iter(outcomes.values())).instances,
        version=__version__,
        code=code(),
        settings=digest(decided),
        backend=options["backend"],
        device=str(next(iter(outcomes.values())).device.get("device", "")),
        wall_time=float(sum(o.wall_time for o in outcomes.values()) - sum(p.wall_time for p in before)),
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        forced=forced,
    )


def as_text(history: tuple[Piece, ...]) -> str:
    return json.dumps([dataclasses.asdict(p) for p in history])


def pieces(text: str) -> tuple[Piece, ...]:
    """The history that :func:`as_text` wrote.

    Raises:
        ValueError: it is another text.
    """
    return pieces_of(json.loads(text))


def pieces_of(found: Any) -> tuple[Piece, ...]:
    """The same of what JSON has read."""
    kinds = {f.name: {"int": int, "float": float, "str": str}[str(f.type)] for f in dataclasses.fields(Piece)}
    if not isinstance(found, list) or not found:
        raise ValueError("its history is empty")
    for one in found:
        if not isinstance(one, dict) or one.keys() != kinds.keys():
            raise ValueError("its history holds other things than this version knows")
        if any(type(value) is not kinds[name] for name, value in one.items()):
            raise ValueError("its history holds a value of another kind")
    return tuple(Piece(**one) for one in found)


# ---- comparing


@dataclass(frozen=True)
class Undefined:
    """A class that a loaded result's run needs and that is not defined here: what to do, and its text as far as the file has it."""

    remedy: str
    text: str

    def refuse(self, what: str) -> None:
        """Raises ValueError: ``what`` needs the class."""
        error = ValueError(f"{what}: {self.remedy}.")
        if self.text:
            error.add_note(f"The definition that ran:\n{self.text}")
        raise error


class Ran(Protocol):
    """What is known of a run when it is to go on: a :class:`~ensemble.Result` says it."""

    @property
    def settings(self) -> Mapping[str, Experiment]: ...

    @property
    def outcomes(self) -> Mapping[str, Outcome]: ...

    @property
    def options(self) -> Mapping[str, Any]: ...

    @property
    def history(self) -> tuple[Piece, ...]: ...

    @property
    def ran(self) -> Mapping[str, Any]: ...

    @property
    def undefined(self) -> Undefined | None: ...


def unchanged(what: str, result: Ran, force: object, landscape_alone: bool = False) -> str:
    """What differs between what ran and what would run now, in words, where it was forced; empty: nothing.

    Raises:
        ValueError: something differs, and it was not forced; or it differs so that nothing can be joined to what was found.
    """
    if result.undefined is not None:
        result.undefined.refuse(what)
    allowed, now = flag(f"{what}(force)", force), decided(result.settings, result.options)
    if landscape_alone:
        found = list(differences(_landscapes(result.ran), _landscapes(now), ""))
    else:
        found = list(differences(result.ran, now, "")) or _other_code(result.history[-1])
    said = "; ".join(found[:2]) + (f"; and {len(found) - 2} more" if len(found) > 2 else "")
    if found and not allowed:
        raise ValueError(f"{what}: since the run {said}. Undo that, or give force=True to go on all the same.")
    if found and not landscape_alone:
        for name, outcome in result.outcomes.items():
            if other := _other_shape(result.settings.get(name), outcome, result.ran[_called(name)]):
                raise ValueError(f"{what}(force=True): since the run {other} changed, and nothing can be joined to it.")
    return said


def _other_shape(setting: Experiment | None, outcome: Outcome, ran: Mapping[str, Any]) -> str:
    """What makes arrays of another shape, in words; empty: nothing."""
    if setting is None or len(setting.sweep().parts) != outcome.event_step.shape[0]:
        return "the number of configurations"
    if setting.instances < outcome.instances:
        return "the number of instances"
    if outcome.x.size and setting.landscape.dimension != outcome.x.shape[-1]:  # type: ignore[attr-defined]
        return "the dimension"
    slots = setting.optimizer.state_slots()
    if any(a.size and a.shape[0] != n for a, n in zip((outcome.vectors, outcome.integers), slots, strict=True)):
        return "what the optimizer remembers"
    if decided_of({"": described(setting)}, {"backend": ""})["settings"].get("record") != ran.get("record"):
        return "what is recorded"
    return ""


def _landscapes(decided: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"landscape": one["landscape"]} for name, one in decided.items() if isinstance(one, dict)}


def _other_code(last: Piece) -> list[str]:
    if last.code == code():
        return []
    then = (
        f"{last.version} (code {last.code[:8]})" if last.code else f"{last.version} (which kept no digest of its code)"
    )
    return [f"descent-ensemble has changed from {then} to {__version__} (code {code()[:8]})"]


def differences(then: Any, now: Any, path: str) -> Iterator[str]:
    """What differs between two of what :func:`decided` returns, field by field, in words."""
    if then == now:
        return
    then, now = _numbers(then), _numbers(now)
    if isinstance(then, dict) and isinstance(now, dict):
        if path.endswith(".class"):
            yield from _classes(then, now, path)
            return
        if then.get("part") != now.get("part") or ("grid" in then and "grid" in now and then != now):
            yield f"{path.removeprefix('settings.')} has changed from {_short(then)} to {_short(now)}"
            return
        for name in sorted(then.keys() | now.keys()):
            yield from differences(then.get(name), now.get(name), f"{path}.{name}" if path else name)
    elif then != now:
        yield f"{path.removeprefix('settings.')} has changed from {_short(then)} to {_short(now)}"


def _numbers(value: Any) -> Any:
    """What was packed as the list that shorter arrays are, and that files had before any was packed."""
    return unpacked(value).tolist() if is_packed(value) else value


def _classes(then: Mapping[str, str], now: Mapping[str, str], path: str) -> Iterator[str]:
    """Of a class that is not the library's: methods compare within one version of Python, and what follows from them in any."""
    if then.get("formula") and then.get("formula") == now.get("formula") and then.get("kernel") == now.get("kernel"):
        then, now = ({k: v for k, v in each.items() if k != "code"} for each in (then, now))
    elif then.get("code") != now.get("code") or then.get("kernel") != now.get("kernel"):  # said of those
        then, now = ({k: v for k, v in each.items() if k != "formula"} for each in (then, now))
    for name in sorted(then.keys() | now.keys()):
        one, other = str(then.get(name, "")), str(now.get(name, ""))
        if one != other and (name != "code" or one.split(" ")[0] == other.split(" ")[0]):
            words = {"code": "methods", "kernel": "struct", "formula": "operations"}.get(name, name)
            yield f"the {words} of {path.removesuffix('.class').removeprefix('settings.')} have changed"


def _short(value: Any) -> str:
    if isinstance(value, dict):
        text = f"grid({', '.join(map(_short, value['grid']))})" if "grid" in value else str(value.get("part", "..."))
    else:
        text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
