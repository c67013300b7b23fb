"""Functions of a user's own as landscapes: plain Python of the coordinates, of one point or of a sample, or an expression of SymPy."""

from .decorator import landscape
from .function import Function
from .sums import finite_sum
from .symbolic import from_sympy

__all__ = ["Function", "finite_sum", "from_sympy", "landscape"]
