"""Compiles kernel sources for this machine's CPU with the C++ compiler at hand, and keeps the libraries."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path

from .. import sources

# Peeling loops of more than eight turns, as g++ would, doubles the time to compile and gains no speed.
FLAGS = (
    "-std=c++17 -O3 --param=max-completely-peel-times=8 -ffp-contract=off -fno-math-errno -fno-trapping-math "
    "-fno-strict-aliasing -fPIC -shared -Wno-psabi -Wno-ignored-attributes -Wno-unknown-pragmas -Wno-maybe-uninitialized "
    "-Wno-unknown-warning-option -Wno-unused-command-line-argument"
).split()


class CompilerMissingError(RuntimeError):
    """No C++ compiler was found."""


@cache
def compiler() -> str:
    """The C++ compiler: ``$CXX`` where it is set, else g++ or clang++ on the PATH.

    Raises:
        CompilerMissingError: none is found, with what to install.
    """
    if sys.platform == "win32":
        raise CompilerMissingError("backend='cpu' runs on Linux and macOS; on Windows use backend='numpy', or WSL.")
    asked = os.environ.get("CXX")
    for name in [asked] if asked else ["g++", "clang++", "c++"]:
        if name and (found := shutil.which(name)):
            return found
    where = f"$CXX is {asked!r}, which is not on the PATH" if asked else "no g++ or clang++ is on the PATH"
    raise CompilerMissingError(
        f"backend='cpu' needs a C++17 compiler, and {where}. Install one (Debian, Ubuntu: apt install g++; Fedora: dnf "
        f"install gcc-c++; macOS: xcode-select --install), or use backend='numpy'."
    )


@cache
def compiler_version() -> str:
    """The compiler's first line about itself."""
    try:
        run = subprocess.run([compiler(), "--version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise CompilerMissingError(
            f"The C++ compiler {compiler()!r} does not run: {error}. Set $CXX to one that does."
        ) from error
    return run.stdout.splitlines()[0] if run.stdout else compiler()


@cache
def processor() -> str:
    """What the machine code depends on: the CPU's model and instruction sets."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        keep = {line.split(":")[0].strip(): line.split(":", 1)[1].strip() for line in lines if ":" in line}
        return " ".join(keep.get(k, "") for k in ("model name", "flags", "Features")) or platform.processor()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"


@cache
def has_wide_vectors() -> bool:
    """Whether the machine has 512-bit vectors, which makes its natural tile wider."""
    return {"avx512f", "avx512dq"} <= set(processor().split())


def cache_folder() -> Path:
    """Where compiled libraries are kept: ``$ENSEMBLE_CACHE``, else the user's cache folder."""
    if given := os.environ.get("ENSEMBLE_CACHE"):
        return Path(given)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "descent-ensemble"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "descent-ensemble"


def native_flag() -> str:
    return "-march=native" if platform.machine() in ("x86_64", "AMD64", "i686") else "-mcpu=native"


_locks: dict[str, threading.Lock] = {}
_locks_lock = threading.Lock()
_libraries: dict[str, ctypes.CDLL] = {}


def library(source: str) -> ctypes.CDLL:
    """The compiled and loaded form of a program's source; compiled once for each machine, compiler and source.

    Raises:
        CompilerMissingError: no compiler.
        RuntimeError: the source does not compile; the message has the compiler's own.
    """
    flags = [*FLAGS, native_flag()]
    text = "\0".join([source, *flags, compiler_version(), processor()])
    key = hashlib.sha256(text.encode()).hexdigest()[:32]
    with _locks_lock:
        lock = _locks.setdefault(key, threading.Lock())
    with lock:
        if key not in _libraries:
            path = _writable_folder() / f"{key}.so"
            if not path.is_file():
                _compile(source, flags, path)
            _libraries[key] = ctypes.CDLL(str(path))
        return _libraries[key]


@cache
def _writable_folder() -> Path:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix="descent-ensemble-"))  # a read-only home costs a compilation, nothing else


def _compile(source: str, flags: list[str], path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        text, made = Path(folder) / "program.cpp", Path(folder) / "program.so"
        text.write_text(source)
        for less in ([], ["-fno-tree-slp-vectorize"], ["-O1"]):  # g++ 12 breaks down over some very large programs
            command = [compiler(), *flags, *less, f"-I{sources.kernels()}", str(text), "-o", str(made)]
            run = subprocess.run(command, capture_output=True, text=True)
            if "internal compiler error" not in run.stderr:
                break
        if run.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{run.stderr[-4000:]}")
        os.replace(made, path)
