"""Statistics of ensembles: array functions on datasets, each with shapes, units, source, intervals and refusals."""

from . import laws
from .comparison import compare_survival, logrank
from .escape import escape_rate
from .shares import shares
from .survival import survival, survival_table

__all__ = ["compare_survival", "escape_rate", "laws", "logrank", "shares", "survival", "survival_table"]
