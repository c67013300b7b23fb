"""Kernels: compiled by NVRTC, executed by the interpreter of PTX."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from cubin import CUPY_OPTIONS, kept_ptx
from ptx.parser import parse
from ptx.threads import Launch, Program

from .arrays import ndarray
from .cuda import current
from .memory import memory_of_device


@cache
def _program(code: str, options: tuple[str, ...], name: str) -> Program:
    # Where headers lie says nothing of what they say: programs name the digest of what they include.
    include = tuple(option for option in options if option.startswith("-I"))
    flags = ["--gpu-architecture=compute_90", *CUPY_OPTIONS, *(o for o in options if o not in include)]
    return Program(parse(kept_ptx(code, flags, include))[name])


class RawModule:
    """CUDA C++ that is compiled when a kernel of it is asked for."""

    def __init__(self, code: str, options: tuple[str, ...] = ()) -> None:
        self.code, self.options = code, tuple(options)

    def get_function(self, name: str) -> Kernel:
        return Kernel(_program(self.code, self.options, name))


class Kernel:
    """A kernel of any device: it runs on the current one."""

    num_regs, local_size_bytes = 32, 0  # ptxas says; nothing here does

    def __init__(self, program: Program) -> None:
        self.program = program

    def __call__(self, grid: tuple[int], block: tuple[int], arguments: tuple[Any, ...]) -> None:
        for each in arguments:
            assert not isinstance(each, ndarray) or each.device.id == current()
        parameters = np.frombuffer(b"".join(np.asarray(each).tobytes() for each in arguments), np.uint8)
        with memory_of_device() as memory:
            Launch(self.program, grid[0], block[0], parameters, memory).run()
