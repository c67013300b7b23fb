"""A part's methods run once with symbols, and what they do written out: as C++ text, and as derivatives."""

from ..classes import FORMULAS
from .derived import recorded_landscape, structure_key
from .errors import TraceError
from .structs import Struct, derived_struct, formula, struct_of

FORMULAS[:] = [formula]

__all__ = ["Struct", "TraceError", "derived_struct", "recorded_landscape", "struct_of", "structure_key"]
