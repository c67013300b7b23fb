"""Functions of a user's own as landscapes: plain Python of the coordinates or of one point, or an expression of SymPy."""

from .decorator import landscape
from .function import Function
from .symbolic import from_sympy

__all__ = ["Function", "from_sympy", "landscape"]
