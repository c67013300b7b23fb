"""Result: what simulate and compare return; saved, loaded, resumed and replayed."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..backends.program import Engine
from ..plain import flag, is_flag, whole
from ..run.engines import engine_for
from ..run.experiment import Experiment
from ..run.field import Field, fields_of
from ..run.given import MOST_STEPS, check_schedules
from ..run.outcome import Outcome, standing
from ..run.plan import Plan, plan_runs
from ..run.running import taken, with_records_of
from ..warned import warn_with
from ..words import told
from .dataset import assemble
from .files import checked_path, write_whole
from .history import Piece, Undefined, as_text, decided, piece, unchanged
from .image import image
from .provenance import provenance
from .restored import check_restorable
from .shown import html


@dataclass(eq=False)
class Result:
    """An ensemble: finished, or as much of it as there was when a signal or an error ended it.

    ``dataset`` is an :class:`xarray.Dataset` that needs nothing of this package: dimensions are the swept fields in the
    order written (``optimizer`` first for :func:`ensemble.compare`), then ``instance`` and ``coordinate``; see its
    variables' ``long_name`` and ``units``. ``settings`` and ``outcomes`` have one entry for each optimizer compared, and
    one, under the empty name, otherwise. Settings say what was asked, outcomes what was found: of a run that was ended early,
    those may be of fewer steps and fewer instances, equally many of each optimizer, and of an optimizer that had not begun there
    is none. ``dataset`` holds what was found; its attributes say what was asked (``instances_asked``), what is missing
    (``unfinished``) and why (``interrupted_by``: SIGINT, SIGTERM or an error's name). ``history`` says which version, code and
    device took which steps; ``ran`` what decided the numbers when they were made, by which :meth:`resume` and
    :func:`ensemble.replay` know whether it is still the same. Of a file whose parts are not defined here ``undefined`` says what
    to define; settings and outcomes are empty then.
    """

    dataset: xr.Dataset
    settings: dict[str, Experiment]
    outcomes: dict[str, Outcome]
    options: dict[str, Any]
    history: tuple[Piece, ...] = ()
    ran: dict[str, Any] = field(default_factory=dict, repr=False)
    undefined: Undefined | None = field(default=None, repr=False)

    def __eq__(self, other: object) -> bool:
        """A result equals its copies: settings, options, outcomes and dataset, to the bit."""
        if self is other:
            return True
        if not isinstance(other, Result):
            return NotImplemented
        made = (self.settings, self.options, self.outcomes) == (other.settings, other.options, other.outcomes)
        return made and self.dataset.identical(other.dataset)

    def __hash__(self) -> int:
        return hash(tuple(self.settings.items()))

    def __repr__(self) -> str:
        return f"<ensemble.Result {summary(self)}>\n{self.dataset!r}"

    def _repr_html_(self) -> str:
        """The result as notebooks show it."""
        return html(self.dataset, self.settings, summary(self))

    def save(self, path: str | os.PathLike[str], *, state: bool = True) -> Path:
        """Writes a netCDF-4 file that any netCDF reader opens; whole or not at all.

        The file is written under a temporary name, flushed to the disk and renamed: it needs room beside the one that it
        replaces. A link is followed, and permissions stay. Numbers are not compressed. ``state=False`` leaves out the
        optimizers' memory: smaller, and :meth:`resume` then starts again from the beginning, with the same bits.

        Raises:
            OSError: the place cannot be written; what was there stays, and the result is still in memory.
            ValueError: something that was added to the dataset has no form in netCDF, or something was changed or taken out without
                which it could not be loaded again.
        """
        if self.undefined is not None:
            self.undefined.refuse("save")
        target = checked_path("save", path)
        if not is_flag(state):
            raise ValueError(f"save(state={told(state)}): give True or False.")
        dataset = self.dataset.copy()
        if state and self.options["keep_x"]:
            for k, outcome in enumerate(self.outcomes.values()):
                for name in ("x", "vectors", "integers") if outcome.reported is not None else ("vectors", "integers"):
                    array = getattr(outcome, name)
                    dims = [f"_{name}_{k}_{axis}" for axis in range(array.ndim)]
                    if array.size:
                        dataset[f"_{name}_{k}"] = (dims, array)
        check_restorable(dataset, self.settings)
        made = image(dataset)
        write_whole(target, made.size, made.blocks, made.named())
        return target

    def resume(self, steps: int | None = None, *, progress: bool | None = None, force: bool = False) -> Result:
        """The same ensemble taken on to ``steps`` in total: equal, bit for bit, to one run of that length.

        What a signal or an error kept a run from doing is done: steps, instances and optimizers that are missing. ``steps`` None:
        what was asked, and no more.

        Records made so far stay. Those of :func:`ensemble.log_spaced` and :func:`ensemble.lin_spaced` are continued with
        the steps that belong to the longer run.

        ``force=True`` goes on although settings, a part of yours or the version of this package are no longer what ran; the
        difference is written into ``history``.

        Raises:
            ValueError: ``steps`` is not beyond the steps already taken, or nothing is left to do; or something has changed that
                decides the numbers.
            UnfinishedError: an error came after something had been finished, and has the result of that.
        """
        return _resumed(self, steps, progress, force)

    def fields(self, dtype: str = "float64", *, force: bool = False) -> tuple[Field, ...]:
        """The landscape of every configuration, in the dataset's order, on the backend that ran it.

        A :class:`~ensemble.run.field.Field` gives values, gradients and Hessian-vector products at any points, in ``dtype``; it
        is what statistics of sharpness and saddles evaluate points with. ``force=True`` takes the landscape as it is now, although
        it is not the one that ran.

        Raises:
            ValueError: ``dtype`` is not ``"float32"`` or ``"float64"``, or the landscape has changed since the run.
            RuntimeError: the backend is absent here.
        """
        if not isinstance(dtype, str) or dtype not in ("float32", "float64"):
            raise ValueError(f"fields(dtype={told(dtype)}): give 'float32' or 'float64'.")
        unchanged("fields", self, force, landscape_alone=True)
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


def make_result(
    settings: dict[str, Experiment],
    outcomes: dict[str, Outcome],
    options: dict[str, Any],
    ended_by: str,
    before: tuple[Piece, ...] = (),
    forced: str = "",
    history: tuple[Piece, ...] = (),
) -> Result:
    """Assembles the dataset and its provenance.

    ``ended_by``: the signal or the error that ended the run early, if one did. ``before``: what ran that this goes on from;
    ``forced``: what had changed since; or ``history``: all that ran.
    """
    dataset = assemble(settings, outcomes, keep_x=options["keep_x"])
    ran = decided(settings, options)
    history = history or (*before, piece(outcomes, options, ran, before, forced))
    dataset.attrs |= provenance(settings, outcomes, options, ended_by) | {"history": as_text(history)}
    if not options["keep_x"]:
        empty = {"x": np.empty(0), "reported": None, "vectors": np.empty(0), "integers": np.empty(0)}
        outcomes = {name: dataclasses.replace(o, **empty) for name, o in outcomes.items()}  # type: ignore[arg-type]
    return Result(dataset, settings, outcomes, options, history, ran)


class UnfinishedError(RuntimeError):
    """A run was ended by an error after some of it had been finished.

    ``result`` is the :class:`~ensemble.Result` of what was finished: instances that have reached the horizon, optimizers that were
    compared before; or, where no instance of an optimizer has, the steps that all had taken. It is as valid as any, says in its
    attributes what is missing, and its ``resume()`` does the rest. The error itself is the cause (``__cause__``). An error before
    anything was finished is raised as it is.
    """

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result


def carry_out(
    settings: Mapping[str, Experiment],
    ran: Mapping[str, Experiment],
    engine: Engine,
    plans: Mapping[str, Plan],
    options: dict[str, Any],
    show: bool | None,
    found: Mapping[str, Outcome],
    history: tuple[Piece, ...] = (),
    forced: str = "",
) -> Result:
    """The result of every setting taken to its horizon, or to where a signal or an error ends that.

    ``ran``: the settings as they are run, which may record at other steps. ``found``: what earlier runs found; ``history``: what
    those were; ``forced``: what has changed since.

    Raises:
        UnfinishedError: an error came after something had been finished.
    """
    ended = taken(ran, engine, plans, options["keep_x"], show, found)
    late, missing = ended.late, standing(settings, ended.outcomes)
    earlier = history if ended.goes_on else ()
    result = make_result(dict(settings), ended.outcomes, options, ended.by if missing else "", earlier, forced)
    words = list(ended.words)
    if missing and late is None:
        words.append(
            f"This run was ended early by {ended.by} ({missing}). Its result holds what there is; its resume() does the rest."
        )
    for text in words:
        with contextlib.suppress(*[Warning] if late is not None else []):  # the error has the result, and comes first
            warn_with(result, text, stacklevel=4)
    if late is not None:
        raise UnfinishedError(
            f"{type(late).__name__} ({(str(late).splitlines() or [''])[0][:100]}) after part of the run was finished; missing: "
            f"{missing[:80]}. This error's .result holds what there is, and its resume() does the rest.",
            result,
        ) from late
    return result


def _resumed(result: Result, steps: object, progress: object, force: object) -> Result:
    """Takes a result on to ``steps`` in total; see :meth:`Result.resume`."""
    if result.undefined is not None:
        result.undefined.refuse("resume")
    options, found = result.options, result.outcomes
    show = None if progress is None else flag("progress", progress)
    reached = [o.reached for o in found.values()]
    missing = standing(result.settings, found)
    if steps is None:
        if not missing:
            raise ValueError(f"resume(steps=None): all that was asked is done; give steps beyond {max(reached)}.")
        settings = dict(result.settings)
    else:
        fewer = any(name not in found or found[name].instances < s.instances for name, s in result.settings.items())
        least = max(reached) if fewer else max(min(reached) + 1, max(reached))
        horizon = whole("steps", steps, max(1, least), MOST_STEPS)
        settings = {name: dataclasses.replace(s, steps=horizon) for name, s in result.settings.items()}
    forced = unchanged("resume", result, force)
    furthest = max(found.values(), key=lambda o: o.reached)
    ran = {name: with_records_of(furthest, setting) for name, setting in settings.items()}
    for setting in settings.values():
        check_schedules(setting)
    engine, _ = engine_for(options["backend"], options["threads"], result.settings.values())
    plans = plan_runs(ran, engine, options["keep_x"])
    return carry_out(settings, ran, engine, plans, options, show, found, result.history, forced)
