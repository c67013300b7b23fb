"""Landscapes: functions to descend. Their twins are derived from them; those that are not lie in ``kernels/landscapes/``."""

from .base import Landscape, StationaryPoint
from .composed import Composed, Scaled
from .deep_linear import DeepLinear
from .factorizations import MatrixFactorization, MatrixSensing, PhaseRetrieval
from .logistic import LogisticRegression
from .multimodal import Ackley, Griewank, Levy, Rastrigin, Schwefel, StyblinskiTang
from .multiwell import MultiWell
from .network import TwoLayerNetwork
from .octopus import Octopus
from .online import OnlineLinear, StochasticLinear
from .planar import Beale, Booth, Himmelblau
from .quadratic import Quadratic
from .random_field import RandomField
from .regression import Huber, LeastSquares, Wilson, WuTwoMinima
from .rotated import Rotated
from .saddles import DegenerateSaddle, MonkeySaddle, QuarticSaddle
from .slopes import Cliff, Plateau, PolyakLojasiewicz
from .spherical import PSpinFeatures, SphericalPSpin
from .valleys import Rosenbrock
from .wells import DoubleWell, SharpFlat, SmoothSharpFlat

__all__ = [
    "Ackley",
    "Beale",
    "Booth",
    "Cliff",
    "Composed",
    "DeepLinear",
    "DegenerateSaddle",
    "DoubleWell",
    "Griewank",
    "Himmelblau",
    "Huber",
    "Landscape",
    "LeastSquares",
    "Levy",
    "LogisticRegression",
    "MatrixFactorization",
    "MatrixSensing",
    "MonkeySaddle",
    "MultiWell",
    "Octopus",
    "OnlineLinear",
    "PSpinFeatures",
    "PhaseRetrieval",
    "Plateau",
    "PolyakLojasiewicz",
    "Quadratic",
    "QuarticSaddle",
    "RandomField",
    "Rastrigin",
    "Rosenbrock",
    "Rotated",
    "Scaled",
    "Schwefel",
    "SharpFlat",
    "SmoothSharpFlat",
    "SphericalPSpin",
    "StationaryPoint",
    "StochasticLinear",
    "StyblinskiTang",
    "TwoLayerNetwork",
    "Wilson",
    "WuTwoMinima",
]
