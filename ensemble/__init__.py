"""Large ensembles of optimizers in custom kernels, and the statistics of what they do."""

__version__ = "0.1.0"

from . import statistics
from .events import Below, Crossed, Event, LeftBall, LeftSlab, Never
from .grids import grid, zipped
from .landscapes import DoubleWell, Landscape, Quadratic, QuarticSaddle, Rosenbrock
from .noises import Gaussian, Noise, NoNoise
from .optimizers import Adam, GradientDescent, HeavyBall, Nesterov, Optimizer, PerturbedGD
from .records import Record, lin_spaced, log_spaced
from .result import Result, load, replay
from .schedules import Constant, Schedule
from .simulate import compare, simulate
from .starts import Ball, NormalCloud, Point, Sphere, Start, UniformBox

__all__ = [
    "Adam",
    "Ball",
    "Below",
    "Constant",
    "Crossed",
    "DoubleWell",
    "Event",
    "Gaussian",
    "GradientDescent",
    "HeavyBall",
    "Landscape",
    "LeftBall",
    "LeftSlab",
    "Nesterov",
    "Never",
    "NoNoise",
    "Noise",
    "NormalCloud",
    "Optimizer",
    "PerturbedGD",
    "Point",
    "Quadratic",
    "QuarticSaddle",
    "Record",
    "Result",
    "Rosenbrock",
    "Schedule",
    "Sphere",
    "Start",
    "UniformBox",
    "compare",
    "grid",
    "lin_spaced",
    "load",
    "log_spaced",
    "replay",
    "simulate",
    "statistics",
    "zipped",
]
