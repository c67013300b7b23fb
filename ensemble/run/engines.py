"""Which engine runs an experiment, once what is a user's own in it was looked at."""

from __future__ import annotations

from collections.abc import Iterable

from ..backends.choice import choose
from ..backends.program import ROLES, Engine
from ..checks.first_use import first_use
from ..classes import in_library
from ..part import nested
from .experiment import Experiment


def engine_for(backend: str, threads: int | None, settings: Iterable[Experiment]) -> tuple[Engine, str]:
    """The engine for settings, and why it was taken, after a look at every user's part that is used for the first time.

    Raises:
        PartError: one cannot be run as it is.
        RuntimeError, NoTwinError: as :func:`~ensemble.backends.choice.choose`.
    """
    settings = tuple(settings)
    engine, reason = choose(backend, threads, [part for setting in settings for part in setting.in_step()])
    for setting in settings:
        for role in ROLES:
            part = getattr(setting, role)
            if not all(in_library(type(p)) for p in nested(part)):
                first_use(part, setting.landscape, setting.dtype, engine)
    return engine, reason
