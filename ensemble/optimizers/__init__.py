"""Optimizers."""

from . import adaptive, base, curvature, descent, line_search, orthogonal, outer, quasi_newton, relatives, wrappers
from .adaptive import *
from .base import *
from .base import Passed as Passed
from .curvature import *
from .descent import *
from .line_search import *
from .orthogonal import *
from .outer import *
from .quasi_newton import *
from .relatives import *
from .wrappers import *

__all__: list[str] = []
__all__ += base.__all__
__all__ += descent.__all__
__all__ += adaptive.__all__
__all__ += relatives.__all__
__all__ += curvature.__all__
__all__ += line_search.__all__
__all__ += orthogonal.__all__
__all__ += quasi_newton.__all__
__all__ += wrappers.__all__
__all__ += outer.__all__
