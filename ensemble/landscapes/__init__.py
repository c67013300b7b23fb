"""Landscapes: functions to descend. Twins in ``kernels/landscapes/``."""

from .base import Landscape
from .quadratic import Quadratic
from .saddles import QuarticSaddle
from .valleys import Rosenbrock
from .wells import DoubleWell

__all__ = ["DoubleWell", "Landscape", "Quadratic", "QuarticSaddle", "Rosenbrock"]
