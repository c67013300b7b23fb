"""Result: what simulate and compare return; saved, loaded, resumed and replayed."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import platform
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from .cost import ceiling
from .dataset import assemble
from .grids import Grid
from .part import Part, plain
from .records import Record, Spaced
from .setting import Outcome, Setting

if TYPE_CHECKING:
    from .field import Field

FORMAT = "descent-ensemble 1"


@dataclass
class Result:
    """A finished (or interrupted) ensemble.

    ``dataset`` is an :class:`xarray.Dataset` that needs nothing of this package: dimensions are the swept fields in the
    order written (``optimizer`` first for :func:`ensemble.compare`), then ``instance`` and ``coordinate``; see its
    variables' ``long_name`` and ``units``. ``settings`` and ``outcomes`` have one entry for each optimizer compared, and
    one, under the empty name, otherwise.
    """

    dataset: xr.Dataset
    settings: dict[str, Setting]
    outcomes: dict[str, Outcome]
    options: dict[str, Any]

    def __repr__(self) -> str:
        return f"<ensemble.Result {summary(self)}>\n{self.dataset!r}"

    def save(self, path: str | os.PathLike[str], *, state: bool = True) -> Path:
        """Writes a netCDF-4 file that any netCDF reader opens; whole or not at all.

        The file is written under a temporary name, flushed to the disk and renamed. ``state=False`` leaves out the
        optimizers' memory: smaller, and :meth:`resume` then starts again from the beginning, with the same bits.

        Raises:
            OSError: the place cannot be written; nothing is left there and the result is still in memory.
        """
        target = _path("save", path)
        if not isinstance(state, (bool, np.bool_)):
            raise ValueError(f"save(state={state!r}): give True or False.")
        dataset = self.dataset.copy()
        if state and self.options["keep_x"]:
            for k, outcome in enumerate(self.outcomes.values()):
                for name in ("x", "vectors", "integers") if outcome.reported is not None else ("vectors", "integers"):
                    array = getattr(outcome, name)
                    dims = [f"_{name}_{k}_{axis}" for axis in range(array.ndim)]
                    if array.size:
                        dataset[f"_{name}_{k}"] = (dims, array)
        if not os.path.isdir(target.parent):
            raise OSError(f"save({str(target)!r}): the folder {str(target.parent)!r} does not exist; make it first.")
        if os.path.isdir(target):
            raise OSError(f"save({str(target)!r}): this is a folder; give the name of a file in it.")
        numeric = [v for v in dataset.variables if dataset[v].ndim and dataset[v].dtype.kind in "iuf"]
        encoding = {v: {"zlib": True, "complevel": 1, "fletcher32": True} for v in numeric}
        part = target.parent / f".{target.name[:80]}.{secrets.token_hex(4)}.part"
        try:
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            dataset.to_netcdf(part, engine="h5netcdf", encoding=encoding)
            _seal(part)
            os.replace(part, target)
        except BaseException as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            if not isinstance(error, Exception):
                raise  # Ctrl-C
            why = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise OSError(
                f"save({str(target)!r}): cannot write there ({why}); give another place, the result is still in memory."
            ) from error
        return target

    def resume(self, steps: int, *, progress: bool | None = None) -> Result:
        """The same ensemble taken on to ``steps`` in total: equal, bit for bit, to one run of that length.

        Records made so far stay. Those of :func:`ensemble.log_spaced` and :func:`ensemble.lin_spaced` are continued with
        the steps that belong to the longer run.

        Raises:
            ValueError: ``steps`` is not beyond the steps already taken.
        """
        from .simulate import resumed

        return resumed(self, steps, progress)

    def fields(self, dtype: str = "float64") -> tuple[Field, ...]:
        """The landscape of every configuration, in the dataset's order, on the backend that ran it.

        A :class:`~ensemble.field.Field` gives values, gradients and Hessian-vector products at any points, in ``dtype``; it
        is what statistics of sharpness and saddles evaluate points with.

        Raises:
            ValueError: ``dtype`` is not ``"float32"`` or ``"float64"``.
            RuntimeError: the backend is absent here.
        """
        from .field import fields_of

        if dtype not in ("float32", "float64"):
            raise ValueError(f"fields(dtype={dtype!r}): give 'float32' or 'float64'.")
        return fields_of(self.settings, self.outcomes, self.options, dtype)


def summary(result: Result) -> str:
    """One line: who, how many, what became of them."""
    d = result.dataset
    status = np.bincount(d["status"].to_numpy().ravel(), minlength=3)
    n = int(status.sum())
    return (
        f"{n:,} instances of dim {d.attrs['dim']} on {d.attrs['backend']} ({d.attrs['device']}): {status[1]:,} with event, "
        f"{status[0]:,} censored, {status[2]:,} diverged; {d.attrs['coordinate_steps_per_second']:.3g} coordinate-steps/s"
    )


def make_result(settings: dict[str, Setting], outcomes: dict[str, Outcome], options: dict[str, Any]) -> Result:
    """Assembles the dataset and its provenance."""
    dataset = assemble(settings, outcomes, keep_x=options["keep_x"])
    dataset.attrs |= _provenance(settings, outcomes, options)
    if not options["keep_x"]:
        empty = {"x": np.empty(0), "reported": None, "vectors": np.empty(0), "integers": np.empty(0)}
        outcomes = {name: dataclasses.replace(o, **empty) for name, o in outcomes.items()}  # type: ignore[arg-type]
    return Result(dataset, settings, outcomes, options)


def _provenance(settings: dict[str, Setting], outcomes: dict[str, Outcome], options: dict[str, Any]) -> dict[str, Any]:
    import scipy

    from . import __version__

    first = next(iter(settings.values()))
    taken, at_ceiling = 0, 0.0
    for name, outcome in outcomes.items():
        ended = (outcome.event_step >= 0) & settings[name].event.stop  # type: ignore[attr-defined]
        ends = np.where(ended, outcome.event_step, np.int32(outcome.reached))
        ended = outcome.diverged_step >= 0
        ends[ended] = np.minimum(ends[ended], outcome.diverged_step[ended])
        own = int(ends.sum(dtype=np.int64)) * settings[name].landscape.dimension  # type: ignore[attr-defined]
        taken, at_ceiling = taken + own, at_ceiling + _at_ceiling(settings[name], outcome, own)
    wall = sum(o.wall_time for o in outcomes.values())
    device = next(iter(outcomes.values())).device
    share = {"share_of_ceiling": at_ceiling / wall} if wall > 0 and np.isfinite(at_ceiling) else {}
    return share | {
        "title": "ensemble of optimizers",
        "Conventions": "CF-1.11",
        "format": FORMAT,
        "source": f"descent-ensemble {__version__}",
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": json.dumps(
            {
                "descent-ensemble": __version__,
                "python": platform.python_version(),
                "numpy": np.__version__,
                "scipy": scipy.__version__,
                "xarray": xr.__version__,
            }
        ),
        "seed": str(first.seed),
        "backend": options["backend"],
        "backend_reason": options["backend_reason"],
        "device": str(device.get("device", "")),
        "launch": json.dumps(device),
        "dtype": first.dtype,
        "math": first.math,
        "check_every": first.check_every,
        "event_stops": int(first.event.stop),  # type: ignore[attr-defined]
        "paired": int(first.paired),
        "dim": first.landscape.dimension,  # type: ignore[attr-defined]
        "instances": first.instances,
        "steps": max(o.reached for o in outcomes.values()),
        "interrupted": int(any(o.interrupted for o in outcomes.values())),
        "segments": sum(o.segments for o in outcomes.values()),
        "batches": max(o.batches for o in outcomes.values()),
        "started_inside": sum(o.started_inside for o in outcomes.values()),
        "wall_time": wall,
        "coordinate_steps": taken,
        "coordinate_steps_per_second": taken / wall if wall > 0 else 0.0,
        "settings": json.dumps({name: _described(s) for name, s in settings.items()}),
        "options": json.dumps(options),
    }


def _at_ceiling(setting: Setting, outcome: Outcome, coordinate_steps: int) -> float:
    """Seconds that the steps would take at the ceiling of counted instructions; NaN where it is not known."""
    allowed = outcome.device.get("thread_instructions_per_second")
    if allowed is None or setting.dtype != "float32":
        return math.nan
    most = ceiling(setting.optimizer, setting.landscape.dimension, allowed)  # type: ignore[attr-defined]
    return math.nan if most is None else coordinate_steps / most


def _described(setting: Setting) -> dict[str, Any]:
    described = {f.name: plain(getattr(setting, f.name)) for f in dataclasses.fields(setting) if f.name != "record"}
    if setting.record is not None:
        record = {f.name: plain(getattr(setting.record, f.name)) for f in dataclasses.fields(setting.record)}
        if isinstance(setting.record.at, Spaced):
            record["at"] = {"kind": setting.record.at.kind, "count": setting.record.at.count}
        described["record"] = record
    groups: dict[int, int] = {}
    orders = {}
    for role, part in setting.roles().items():
        for path, g in _grids(part, role):
            orders[path] = [g.order, groups.setdefault(id(g.group), len(groups))]
    described["grids"] = orders
    return described


def _grids(part: Part, path: str) -> list[tuple[str, Grid]]:
    found = []
    for f in dataclasses.fields(part):
        value = getattr(part, f.name)
        if isinstance(value, Grid):
            found.append((f"{path}.{f.name}", value))
        elif isinstance(value, Part):
            found += _grids(value, f"{path}.{f.name}")
    return found


# ---- files: a netCDF-4 file followed by the digest of its bytes, which netCDF readers do not look at

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SEAL = b"descent-ensemble sha256 "
_SEAL_SIZE = len(_SEAL) + 64 + 1


def _path(function: str, path: object) -> Path:
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise TypeError(f"{function}({path!r}): give the path of a file.")
    return Path(path)


def _digest(path: Path, size: int) -> bytes:
    total = hashlib.sha256()
    with open(path, "rb") as file:
        while size > 0 and (block := file.read(min(size, 1 << 22))):
            total.update(block)
            size -= len(block)
    return total.hexdigest().encode()


def _seal(path: Path) -> None:
    """Appends the digest of a whole file and flushes it to the disk."""
    seal = _SEAL + _digest(path, path.stat().st_size) + b"\n"
    with open(path, "ab") as file:
        file.write(seal)
        file.flush()
        os.fsync(file.fileno())


def _check_seal(path: Path) -> None:
    """Refuses a file that is not, byte for byte, what :func:`_seal` closed."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        first = file.read(len(_SIGNATURE))
        file.seek(max(0, size - _SEAL_SIZE))
        seal = file.read()
    remedy = "Give a file that Result.save wrote."
    if first != _SIGNATURE:
        raise ValueError(f"load({str(path)!r}): this is not a netCDF-4 file. {remedy}")
    if not seal.startswith(_SEAL):
        raise ValueError(
            f"load({str(path)!r}): the seal at the end of the file is missing: it was cut short, or another program wrote it. "
            f"{remedy} Other netCDF files open with xarray.open_dataset."
        )
    if seal[len(_SEAL) : -1] != _digest(path, size - _SEAL_SIZE):
        raise ValueError(f"load({str(path)!r}): the file is damaged: its bytes do not match their digest. {remedy}")


# ---- loading


def load(path: str | os.PathLike[str]) -> Result:
    """Reads a file written by :meth:`Result.save`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not ours, or is damaged or cut short.
    """
    source = _path("load", path)
    if not os.path.isfile(source):
        raise FileNotFoundError(f"load({str(source)!r}): there is no such file; give one that Result.save wrote.")
    _check_seal(source)
    try:
        with xr.open_dataset(source, engine="h5netcdf") as opened:
            dataset = opened.load()
    except Exception as error:  # h5py raises many kinds
        raise ValueError(
            f"load({str(source)!r}): the file cannot be read as netCDF ({type(error).__name__}: {error}). "
            f"Give a file that Result.save wrote."
        ) from error
    if dataset.attrs.get("format") != FORMAT:
        raise ValueError(
            f"load({str(source)!r}): its format is {dataset.attrs.get('format')!r}, not {FORMAT!r}; "
            f"give a file that Result.save wrote, or open this one with xarray."
        )
    kinds = {c.__name__: c for c in sorted(_subclasses(Part), key=lambda c: c.__module__.startswith("ensemble."))}
    options = json.loads(dataset.attrs["options"])
    settings = {name: _rebuilt(d, kinds) for name, d in json.loads(dataset.attrs["settings"]).items()}
    from .dataset import disassemble

    outcomes = disassemble(dataset, settings)
    own = [v for v in dataset.variables if str(v).startswith("_")]
    for k, name in enumerate(outcomes):
        for array in ("vectors", "integers"):
            if f"_{array}_{k}" in dataset:
                setattr(outcomes[name], array, dataset[f"_{array}_{k}"].to_numpy())
        if f"_x_{k}" in dataset:
            outcomes[name].reported, outcomes[name].x = outcomes[name].x, dataset[f"_x_{k}"].to_numpy()
    return Result(dataset.drop_vars(own), settings, outcomes, options)


def _subclasses(kind: type[Part]) -> list[type[Part]]:
    return [c for s in kind.__subclasses__() for c in (s, *_subclasses(s))]


def _part(described: Mapping[str, Any], kinds: Mapping[str, type[Part]], path: str, orders: dict[str, Any]) -> Part:
    name = described["part"]
    if name not in kinds:
        raise ValueError(f"load: the file uses the part {name!r}, which is not defined here; import its module first.")
    arguments: dict[str, Any] = {}
    for f in dataclasses.fields(kinds[name]):
        if f.name not in described or not f.init:
            continue
        value, here = described[f.name], f"{path}.{f.name}"
        if isinstance(value, dict) and "grid" in value:
            order, group = orders[here]
            values = tuple(_value(v, kinds, here, orders) for v in value["grid"])
            arguments[f.name] = Grid(values, orders.setdefault(f"group {group}", object()), order)
        else:
            arguments[f.name] = _value(value, kinds, here, orders)
    return kinds[name](**arguments)


def _value(value: Any, kinds: Mapping[str, type[Part]], path: str, orders: dict[str, Any]) -> Any:
    if isinstance(value, dict) and "part" in value:
        return _part(value, kinds, path, orders)
    return tuple(value) if isinstance(value, list) else value


def _rebuilt(described: Mapping[str, Any], kinds: Mapping[str, type[Part]]) -> Setting:
    roles = ("landscape", "optimizer", "noise", "start", "event")
    orders = dict(described["grids"])
    parts = {role: _part(described[role], kinds, role, orders) for role in roles}
    record = None
    if described.get("record"):
        given = dict(described["record"])
        at = given.pop("at")
        record = Record(at=Spaced(**at) if isinstance(at, dict) else at, **given)
    names = ("instances", "first_instance", "steps", "seed", "dtype", "math", "check_every", "paired")
    return Setting(**parts, **{n: described[n] for n in names}, record=record)  # type: ignore[arg-type]


# ---- replay


def replay(
    result: Result,
    instance: int,
    configuration: Mapping[str, Any] | int | None = None,
    optimizer: str | None = None,
    steps: int | None = None,
) -> xr.Dataset:
    """The full path of one instance, recomputed bit for bit.

    Args:
        result: of :func:`ensemble.simulate` or :func:`ensemble.compare`.
        instance: its id.
        configuration: which one, if several were run: coordinates (``{"lr": 1e-3}``) or the place in the list.
        optimizer: whose, if several were compared.
        steps: how far; None: to the run's end.

    Returns:
        ``x`` (step, coordinate), ``value`` (step) and ``gradient_norm`` (step), from the start (step 0) to the instance's
        event, divergence or the horizon; attrs say which ended it.

    Raises:
        ValueError: no such instance, configuration or optimizer.
    """
    from .simulate import replayed

    return replayed(result, instance, configuration, optimizer, steps)
