"""An engine that runs the device path of the kernels on the CPU, one thread for each lane (``emulation.cuh``).

It shares everything with the CUDA engine but the array library and the way a kernel is called: the source, the structs,
the choice of addresses and the launch are those of ``ensemble/backends/device.py``.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensemble import sources
from ensemble.backends.compiler import cache_folder
from ensemble.backends.device import DeviceEngine
from ensemble.backends.program import Program

HERE = Path(__file__).parent
FLAGS = ("-std=c++20", "-O1", "-ffp-contract=off", "-fno-strict-aliasing", "-pthread", "-fPIC", "-shared", "-fvisibility=hidden")
WARNINGS = ("-Wall", "-Wdouble-promotion", "-Wno-unknown-pragmas", "-Wno-maybe-uninitialized", "-Werror")
COMPILERS = tuple(name for name in ("g++", "clang++") if shutil.which(name))
THREADS = 64

# The device flushes subnormals where math="fast" in float; on the CPU that is a mode of each thread.
CALL = """
#if defined(__x86_64__)
#include <immintrin.h>
#endif
extern "C" __attribute__((visibility("default"))) void call_{entry}(const void* launch, int blocks, int threads) {{
    auto copy = *static_cast<const {struct}*>(launch);
    emulate(blocks, threads, [&] {{
#if ENSEMBLE_FAST && !ENSEMBLE_DOUBLE && defined(__x86_64__)
        _mm_setcsr(_mm_getcsr() | 0x8040u);
#endif
        {entry}(copy);
    }});
}}
"""
STRUCTS = {"advance": "Launch", "observe": "LookLaunch", "draw": "DrawLaunch"}


class EmulatedEngine(DeviceEngine):
    """Runs programs through the emulation: ``lanes`` threads for an instance, blocks of ``threads``."""

    name = "emulated"

    def __init__(self, lanes: int, threads: int = THREADS) -> None:
        super().__init__(lanes, processors=1)
        self.threads = threads

    def threads_per_block(self) -> int:
        return self.threads

    def prepare(self, program: Program) -> None:
        library(self.source(program, "advance"), "advance")

    def address(self, array: NDArray[Any]) -> int:
        assert array.flags.c_contiguous
        return int(array.ctypes.data)

    def launch(self, source: str, entry: str, blocks: int, threads: int, launch: NDArray[Any]) -> None:
        function = getattr(library(source, entry), f"call_{entry}")
        function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int], None
        function(launch.ctypes.data, blocks, threads)

    def describe(self, program: Program) -> dict[str, Any]:
        return {"device": "emulated", "lanes": self.group(program).lanes}

    def memory_available(self) -> int:
        return 1 << 30


@functools.cache
def library(source: str, entry: str) -> ctypes.CDLL:
    """The compiled program; kept in the cache folder under a digest of everything it is made from."""
    text = source + CALL.format(entry=entry, struct=STRUCTS[entry])
    emulation = (HERE / "emulation.cuh").read_text()
    key = hashlib.sha256("\0".join([text, emulation, *FLAGS, *WARNINGS]).encode()).hexdigest()[:32]
    folder = cache_folder() / "emulated"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{key}.so"
    if not path.is_file():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            built = compile_emulated(text, Path(scratch), COMPILERS[0])
            os.replace(built, path)
    return ctypes.CDLL(str(path))


def compile_emulated(text: str, folder: Path, compiler: str) -> Path:
    """Compiles a program's text with the emulation in front; raises with the compiler's message where it fails."""
    program, built = folder / "program.cpp", folder / "program.so"
    program.write_text(text)
    command = [compiler, *FLAGS, *WARNINGS, "-include", str(HERE / "emulation.cuh"), f"-I{sources.kernels()}"]
    done = subprocess.run([*command, str(program), "-o", str(built)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
    return built


def zeros_like_state(program: Program) -> dict[str, NDArray[Any]]:
    return {"x": np.zeros((program.rows, program.dim), dtype=program.dtype)}
