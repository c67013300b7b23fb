"""Elementary functions with the same bits in NumPy, in C++ and on the device: the twin of `kernels/elementary.cuh`.

NumPy's, libm's and CUDA's functions differ in the last bit. These use only `+ - * /`, operations on bit patterns,
conversions, selections and `muladd(a, b, c) = a*b + c`, in one written order. Polynomials are evaluated by Horner's
rule; `tests/derive_elementary.py` derives every coefficient and constant. Arguments are float32 or float64 arrays and
the result is of their type. `log` and `pow` count subnormal arguments as zero, `exp` and `pow` give zero for subnormal
results: the device flushes float32's, and so every type and backend does the same.

Largest errors found on 1e7 to 3e7 arguments of each, in units in the last place of the exact result (ulp):

    function         float32                float64                where
    log              1.2 ulp                1.6 ulp                everywhere
    exp              1.0 ulp                1.0 ulp                everywhere
    tanh             1.4 ulp                1.4 ulp                everywhere
    pow              1.2 ulp                1.2 ulp                everywhere
    sin, cos         1.5 ulp                1.6 ulp                |x| <= 1
    sin, cos         9.3e-8 absolute        2.2e-16 absolute       everywhere
    log_uniform      1.2 ulp                1.6 ulp                for the uniform as rounded: see there
    sin_cos_turn     1.2e-7 absolute        1.8e-16 absolute       everywhere

With fused operations in C++ none of them is larger by more than 0.05 ulp, and `sin_cos_turn` is within 1.0e-7.
"""

from .exponentials import exp, log, log_uniform, pow, tanh
from .formats import DOUBLE, SINGLE, Format, format_of
from .turns import TWO_OVER_PI, cos, sin, sin_cos_turn

__all__ = [
    "DOUBLE",
    "SINGLE",
    "TWO_OVER_PI",
    "Format",
    "cos",
    "exp",
    "format_of",
    "log",
    "log_uniform",
    "pow",
    "sin",
    "sin_cos_turn",
    "tanh",
]
