"""Pictures of ensembles: functions that take datasets and return a matplotlib figure.

Every function takes a dataset, a result, the name of a file that ``Result.save`` wrote, or a mapping from label to any of
these, and returns a :class:`Picture`, a matplotlib figure, in one style: one journal column (3.4 in) or two (7 in) wide, type
of 7 to 8 pt, the colours of Okabe and Ito (2008), which colour-blind readers tell apart, and line styles that differ too.
Each figure states its number of instances and its confidence. :func:`table` is the data drawn, :func:`save` writes both.
"""

try:
    import matplotlib  # noqa: F401
except ImportError as error:
    raise ImportError("pictures need matplotlib: pip install 'descent-ensemble[studies]'") from error

from .animation import animate
from .directions import Plane
from .draws import against_drawn
from .escapes import against, survival
from .hessians import index_against_loss, spectrum
from .lines import curves, fan
from .maps import heat_map
from .overview import compare_all
from .picture import Picture, save, style, table
from .planes import paths, plane
from .shares import bars, violins
from .style import COLUMN, DOUBLE, palette
from .times import arrhenius, ecdf

__all__ = [
    "COLUMN",
    "DOUBLE",
    "Picture",
    "Plane",
    "against",
    "against_drawn",
    "animate",
    "arrhenius",
    "bars",
    "compare_all",
    "curves",
    "ecdf",
    "fan",
    "heat_map",
    "index_against_loss",
    "palette",
    "paths",
    "plane",
    "save",
    "spectrum",
    "style",
    "survival",
    "table",
    "violins",
]
