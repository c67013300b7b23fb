"""Result: what simulate and compare return; saved, loaded, resumed and replayed."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ..plain import is_flag
from ..run.experiment import Experiment
from ..run.outcome import Outcome
from ..words import told
from .dataset import assemble
from .files import checked_path, write_whole
from .history import Piece, as_text, decided, piece, unchanged
from .image import image
from .provenance import provenance
from .restored import check_restorable

if TYPE_CHECKING:
    from ..run.field import Field


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
    :func:`ensemble.replay` know whether it is still the same.
    """

    dataset: xr.Dataset
    settings: dict[str, Experiment]
    outcomes: dict[str, Outcome]
    options: dict[str, Any]
    history: tuple[Piece, ...] = ()
    ran: dict[str, Any] = field(default_factory=dict, repr=False)

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
        write_whole(target, made.size, made.blocks())
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
        from ..run.running import resumed

        return resumed(self, steps, progress, force)

    def fields(self, dtype: str = "float64", *, force: bool = False) -> tuple[Field, ...]:
        """The landscape of every configuration, in the dataset's order, on the backend that ran it.

        A :class:`~ensemble.run.field.Field` gives values, gradients and Hessian-vector products at any points, in ``dtype``; it
        is what statistics of sharpness and saddles evaluate points with. ``force=True`` takes the landscape as it is now, although
        it is not the one that ran.

        Raises:
            ValueError: ``dtype`` is not ``"float32"`` or ``"float64"``, or the landscape has changed since the run.
            RuntimeError: the backend is absent here.
        """
        from ..run.field import fields_of

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
) -> Result:
    """Assembles the dataset and its provenance.

    ``ended_by``: the signal or the error that ended the run early, if one did. ``before``: what ran that this goes on from;
    ``forced``: what had changed since.
    """
    dataset = assemble(settings, outcomes, keep_x=options["keep_x"])
    ran = decided(settings, options)
    history = (*before, piece(outcomes, options, ran, before, forced))
    dataset.attrs |= provenance(settings, outcomes, options, ended_by) | {"history": as_text(history)}
    if not options["keep_x"]:
        empty = {"x": np.empty(0), "reported": None, "vectors": np.empty(0), "integers": np.empty(0)}
        outcomes = {name: dataclasses.replace(o, **empty) for name, o in outcomes.items()}  # type: ignore[arg-type]
    return Result(dataset, settings, outcomes, options, history, ran)


# ---- replay


def replay(
    result: Result,
    instance: int,
    configuration: Mapping[str, Any] | int | None = None,
    optimizer: str | None = None,
    steps: int | None = None,
    force: bool = False,
) -> xr.Dataset:
    """The full path of one instance, recomputed bit for bit.

    Args:
        result: of :func:`ensemble.simulate` or :func:`ensemble.compare`.
        instance: its id.
        configuration: which one, if several were run: coordinates (``{"lr": 1e-3}``) or the place in the list.
        optimizer: whose, if several were compared.
        steps: how far; None: to the run's end.
        force: recompute although settings, a part of yours or the version of this package are no longer what ran.

    Returns:
        ``x`` (step, coordinate), ``value`` (step) and ``gradient_norm`` (step), from the start (step 0) to the instance's
        event, divergence or the horizon; attrs say which ended it.

    Raises:
        ValueError: no such instance, configuration or optimizer; or something has changed that decides the numbers.
    """
    from ..simulate import replayed

    return replayed(result, instance, configuration, optimizer, steps, force)
