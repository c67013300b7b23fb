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

from numpy.typing import NDArray

from ensemble.backends import sources
from ensemble.backends.device import DeviceEngine
from ensemble.backends.libraries import cache_folder
from ensemble.backends.program import Program

HERE = Path(__file__).parent
# Hidden: libraries of different programs must not share the static arrays that stand for shared memory.
FLAGS = (
    "-fvisibility=hidden",
    "-std=c++20",
    "-O0",
    "-ffp-contract=off",
    "-fno-strict-aliasing",
    "-pthread",
    "-fPIC",
    "-shared",
)
WARNINGS = ("-Wdouble-promotion", "-Werror")
COMPILERS = tuple(name for name in ("g++", "clang++") if shutil.which(name))
THREADS = 64

# The device flushes subnormals where math="fast" in float; on the CPU that is a mode of each thread.
CALL = """
extern "C" __attribute__((visibility("default"))) void call_{entry}(const void* launch, int blocks, int threads) {{
    auto copy = *static_cast<const {struct}*>(launch);
    emulate(blocks, threads, [&] {{
#if ENSEMBLE_FAST && !ENSEMBLE_DOUBLE && defined(__x86_64__)
        __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040u);
#endif
        {entry}(copy);
    }});
}}
"""
STRUCTS = {"advance": "Launch", "check": "Launch", "observe": "LookLaunch", "draw": "DrawLaunch"}


class EmulatedEngine(DeviceEngine):
    """Runs programs through the emulation: ``lanes`` threads for an instance, blocks of ``threads``.

    ``lanes=None`` and ``processors`` choose as the CUDA engine would: what the counts of instructions are made for.
    """

    name = "emulated"

    def __init__(
        self,
        lanes: int | None,
        threads: int = THREADS,
        processors: int = 1,
        compiler: str | None = None,
        streamed: bool | None = None,
        window: int | None = None,
        team: int | None = None,
    ) -> None:
        super().__init__(lanes, processors, streamed, window, team)
        self.threads = threads
        self.compiler = compiler or COMPILERS[0]

    def threads_per_block(self) -> int:
        return self.threads

    def prepare(self, program: Program, looks: bool = False) -> None:
        for entry in self.entries(program):
            build_emulated(self.source(program, entry), entry, self.compiler)

    def address(self, array: NDArray[Any]) -> int:
        assert array.flags.c_contiguous
        return int(array.ctypes.data)

    def launch(self, source: str, entry: str, blocks: int, threads: int, launch: NDArray[Any]) -> None:
        function = getattr(library(build_emulated(source, entry, self.compiler)), f"call_{entry}")
        function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int], None
        function(launch.ctypes.data, blocks, threads)

    def wait(self) -> None:
        """A launch is over when it returns."""

    def describe(self, program: Program) -> dict[str, Any]:
        return {"device": "emulated", "lanes": self.group(program).lanes}

    def memory_available(self) -> int:
        return 1 << 30


@functools.cache
def library(path: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(path))


@functools.cache
def emulation_flags(compiler: str) -> list[str]:
    """What includes the emulation header, translated once: it takes as long as a program."""
    header = HERE / "emulation.cuh"
    clang = "clang" in Path(compiler).name
    key = "\0".join([header.read_text(), compiler, *FLAGS, str(cache_folder())])
    folder = cache_folder() / "emulated" / hashlib.sha256(key.encode()).hexdigest()[:32]
    made = folder / ("emulation.pch" if clang else "emulation.cuh.gch")
    if not made.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            if not (folder / header.name).is_file():  # clang remembers where the header was, and when it was written
                os.replace(shutil.copy(header, scratch), folder / header.name)
            built = Path(scratch) / made.name
            flags = [flag for flag in FLAGS if flag != "-shared"]
            subprocess.run(
                [compiler, *flags, "-w", "-x", "c++-header", str(folder / header.name), "-o", str(built)], check=True
            )
            os.replace(built, made)
    return ["-include-pch", str(made)] if clang else ["-include", str(folder / header.name)]


def build_emulated(source: str, entry: str, compiler: str = "", call: str = CALL) -> Path:
    """The compiled program, kept in the cache folder under a digest of everything it is made from."""
    compiler = compiler or COMPILERS[0]
    text = source + call.format(entry=entry, struct=STRUCTS.get(entry, ""))
    emulation = HERE / "emulation.cuh"
    key = "\0".join([text, emulation.read_text(), compiler, *FLAGS, *WARNINGS])
    folder = cache_folder() / "emulated"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.so"
    if not path.is_file():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            program, built = Path(scratch) / "program.cpp", Path(scratch) / "program.so"
            program.write_text(text)
            included = emulation_flags(compiler)
            command = [compiler, *FLAGS, *WARNINGS, *included, f"-I{sources.kernels()}", str(program)]
            done = subprocess.run([*command, "-o", str(built)], capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
            os.replace(built, path)
    return path
