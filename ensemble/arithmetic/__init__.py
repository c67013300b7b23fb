"""Arithmetic with the same bits on every backend: the NumPy twins of `kernels/base`, `kernels/random.cuh` and `kernels/elementary.cuh`."""
