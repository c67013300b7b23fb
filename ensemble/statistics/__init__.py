"""Statistics of ensembles: array functions on datasets, each with shapes, units, source, intervals and refusals."""

from . import laws
from .agreement import against_law
from .arrhenius import arrhenius
from .comparison import compare_survival
from .convergence import convergence_rate
from .drawn import against_drawn
from .eigenvalues import largest_eigenvalue, smallest_eigenvalue, spectrum
from .escape import escape_rate
from .generalisation import generalisation
from .gradient_noise import noise_covariance
from .hazards import hazard
from .logranks import logrank
from .means import mean
from .minima import nearest_minimum, quench
from .occupancy import occupancy_against_sharpness
from .online import regret
from .pairs import paired_difference
from .quenched import quenched
from .running_time import time_to_tolerance
from .saddles import index_against_loss, saddle_index, second_order_stationarity
from .shares import shares
from .sharpness import keskar, log_determinant, sam_sharpness, sharpness, trace
from .signal import noise_to_signal
from .sizes import instances_for_interval, instances_for_power
from .survival import survival, survival_table
from .tables import to_dataframe, to_latex

__all__ = [
    "against_drawn",
    "against_law",
    "arrhenius",
    "compare_survival",
    "convergence_rate",
    "escape_rate",
    "generalisation",
    "hazard",
    "index_against_loss",
    "instances_for_interval",
    "instances_for_power",
    "keskar",
    "largest_eigenvalue",
    "laws",
    "log_determinant",
    "logrank",
    "mean",
    "nearest_minimum",
    "noise_covariance",
    "noise_to_signal",
    "occupancy_against_sharpness",
    "paired_difference",
    "quench",
    "quenched",
    "regret",
    "saddle_index",
    "sam_sharpness",
    "second_order_stationarity",
    "shares",
    "sharpness",
    "smallest_eigenvalue",
    "spectrum",
    "survival",
    "survival_table",
    "time_to_tolerance",
    "to_dataframe",
    "to_latex",
    "trace",
]
