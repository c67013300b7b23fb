"""Large ensembles of optimizers in custom kernels, and the statistics of what they do."""

import importlib as _importlib
import typing as _typing

from . import (
    algebra,
    data,
    distributions,
    events,
    landscapes,
    minibatches,
    noises,
    optimizers,
    schedules,
    starts,
)
from . import names as _names
from .algebra import *
from .arithmetic.random import Stream
from .backends.written import source
from .checks.check import check
from .distributions import *
from .events import *
from .functions import finite_sum, from_sympy, landscape
from .grids import grid, zipped
from .landscapes import *
from .landscapes.finite_sum import FiniteSum
from .minibatches import *
from .noises import *
from .optimizers import *
from .records import Record, lin_spaced, log_spaced
from .results.files import UnreadableFileError
from .results.loading import load
from .results.replay import replay
from .results.result import Result, UnfinishedError
from .run.paths import path_between
from .run.stationary import find_stationary_points
from .schedules import *
from .simulate import compare, simulate
from .starts import *
from .stores.clients import ShardsFailedError
from .stores.description import OtherExperimentError
from .stores.locks import StoreInUseError
from .stores.merging import merge
from .stores.opened import Store
from .stores.opened import open as open  # not among those of import *, which would hide Python's own
from .stores.stored import Stopped
from .version import __version__ as __version__

if _typing.TYPE_CHECKING:
    from . import cluster, plots, report, statistics


def __getattr__(name: str) -> _typing.Any:
    """``statistics``, ``plots``, ``report`` and ``cluster`` when they are first asked for: SciPy, matplotlib and Dask come with them,
    and a run needs none of these.
    """
    if name in ("cluster", "plots", "report", "statistics"):
        return _importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{_names.instead(name, __all__)}")


def __dir__() -> list[str]:
    return sorted((*__all__, "__version__", "open"))


__all__ = [
    "FiniteSum",
    "OtherExperimentError",
    "Record",
    "Result",
    "ShardsFailedError",
    "Stopped",
    "Store",
    "StoreInUseError",
    "Stream",
    "UnfinishedError",
    "UnreadableFileError",
    "check",
    "cluster",
    "compare",
    "data",
    "find_stationary_points",
    "finite_sum",
    "from_sympy",
    "grid",
    "landscape",
    "lin_spaced",
    "load",
    "log_spaced",
    "merge",
    "path_between",
    "plots",
    "replay",
    "report",
    "simulate",
    "source",
    "statistics",
    "zipped",
]
__all__ += algebra.__all__
__all__ += distributions.__all__
__all__ += events.__all__
__all__ += landscapes.__all__
__all__ += minibatches.__all__
__all__ += noises.__all__
__all__ += optimizers.__all__
__all__ += schedules.__all__
__all__ += starts.__all__
