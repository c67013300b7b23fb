"""Compiles kernel sources for this machine's CPU with the C++ compiler at hand, and keeps the libraries."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from . import libraries, sources

# Peeling loops of more than eight turns, as g++ would, doubles the time to compile and gains no speed.
FLAGS = (
    "-std=c++17 -O3 --param=max-completely-peel-times=8 -ffp-contract=off -fno-math-errno -fno-trapping-math "
    "-fno-strict-aliasing -fPIC -shared -Wno-psabi -Wno-ignored-attributes -Wno-unknown-pragmas -Wno-maybe-uninitialized "
    "-Wno-unknown-warning-option -Wno-unused-command-line-argument"
).split()


class CompilerMissingError(RuntimeError):
    """No C++ compiler was found that works."""


class CompileError(RuntimeError):
    """The compiler refused a program; ``log`` is all that it said."""

    def __init__(self, text: str, log: str) -> None:
        super().__init__(text)
        self.log = log

    def __reduce__(self) -> tuple[type[CompileError], tuple[str, str]]:
        return CompileError, (str(self), self.log)


def compiler() -> tuple[str, ...]:
    """The C++ compiler as a command: ``$CXX`` where it is set, options and all, else g++ or clang++ on the PATH.

    Raises:
        CompilerMissingError: none is found, with what to install.
    """
    return _compiler(os.environ.get("CXX", "").strip())


@cache
def _compiler(asked: str) -> tuple[str, ...]:
    if sys.platform == "win32":
        raise CompilerMissingError("backend='cpu' runs on Linux and macOS; on Windows use backend='numpy', or WSL.")
    try:
        commands = [shlex.split(asked)] if asked else [["g++"], ["clang++"], ["c++"]]
    except ValueError as error:
        raise CompilerMissingError(
            f"backend='cpu' needs a C++17 compiler, and $CXX={asked!r} is no command line ({error}). Set $CXX to one, "
            f"such as 'g++', or use backend='numpy'."
        ) from error
    for name, *options in commands:
        if found := shutil.which(name):
            return (os.path.abspath(found), *options)
    where = f"$CXX is {asked[:80]!r}, which is not on the PATH" if asked else "no g++ or clang++ is on the PATH"
    raise CompilerMissingError(
        f"backend='cpu' needs a C++17 compiler, and {where}. Install one (Debian, Ubuntu: apt install g++; Fedora: dnf "
        f"install gcc-c++; macOS: xcode-select --install), or use backend='numpy'."
    )


def compiler_version() -> str:
    """The compiler's first line about itself."""
    return _version(compiler())


@cache
def _version(command: tuple[str, ...]) -> str:
    try:
        run = _spoken([*command, "--version"], timeout=60)
        run.check_returncode()
    except (OSError, subprocess.SubprocessError) as error:
        reason = "ends with an error" if isinstance(error, subprocess.CalledProcessError) else _first_line(str(error))
        raise CompilerMissingError(
            f"backend='cpu': the C++ compiler {shlex.join(command)[:80]!r} does not run ({reason[:80]}). "
            f"Set $CXX to one that does, or use backend='numpy'."
        ) from error
    return _first_line(run.stdout) or shlex.join(command)


def _spoken(command: list[str], timeout: float | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs a command and keeps what it says, in English, so that it can be understood."""
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, "LC_ALL": "C", **more},
        timeout=timeout,
    )


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0]


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


def native_flag() -> str:
    return "-march=native" if platform.machine() in ("x86_64", "AMD64", "i686") else "-mcpu=native"


PROBE = """template <class T> T twice(T x) { return x + x; }
extern "C" int probe(int x) { return twice(x); }
"""
"""The least that a compiler must be able to do."""


def check() -> None:
    """Compiles a small program, loads it and calls it.

    Raises:
        CompilerMissingError: there is no compiler, or it fails at that, with the remedy.
        LibraryError: what it makes can be kept and loaded nowhere.
    """
    compiler_version()
    try:
        found = library(PROBE).probe(21)
    except CompileError as error:
        raise CompilerMissingError(
            f"backend='cpu': the C++ compiler {shlex.join(compiler())[:80]!r} fails at a small program: "
            f"{_complaint(error.log)[:80]}. Set $CXX to one that works, or use backend='numpy'."
        ) from error
    if found != 42:
        raise CompilerMissingError(
            f"backend='cpu': what the C++ compiler {shlex.join(compiler())[:80]!r} makes says that twice 21 is {found}. "
            f"Set $CXX to one that works, or use backend='numpy'."
        )


def library(source: str, *more: str) -> ctypes.CDLL:
    """The compiled and loaded form of a program's source; compiled once for each machine, compiler and source.

    ``more``: options of the compiler that come last, and so win.

    Raises:
        CompilerMissingError: no compiler.
        CompileError: the source does not compile.
        LibraryError: there is no folder to keep it in.
    """
    command = [*compiler(), *FLAGS, native_flag(), *more]
    text = "\0".join([source, *command, compiler_version(), platform.machine(), processor()])
    key = hashlib.sha256(text.encode()).hexdigest()[:32]
    return libraries.load(key, lambda scratch: _compiled(source, command, scratch))


# What compilers say of a folder that they cannot write to: then another folder is tried.
_NO_ROOM = ("No space left on device", "Disk quota exceeded", "Read-only file system")


def _compiled(source: str, command: list[str], scratch: Path) -> bytes:
    text, made = scratch / "program.cpp", scratch / "program.so"
    text.write_text(source)
    for less in ([], ["-fno-tree-slp-vectorize"], ["-O1"]):  # g++ 12 breaks down over some very large programs
        whole = [*command, *less, f"-I{sources.kernels()}", str(text), "-o", str(made)]
        try:
            run = _spoken(whole, TMPDIR=str(scratch))
        except OSError as error:  # not the folder's fault: another would not help
            raise CompileError(f"backend='cpu': {command[0]} does not run: {error.strerror}.", str(error)) from error
        if "internal compiler error" not in run.stderr:
            break
    if any(words in run.stderr for words in _NO_ROOM):
        raise OSError(next(words for words in _NO_ROOM if words in run.stderr))
    if run.returncode or not made.is_file():
        raise CompileError(
            f"backend='cpu': {Path(command[0]).name} does not compile this program: {_complaint(run.stderr)[:160]}. "
            f"Set $CXX to another compiler, or use backend='numpy'.",
            f"{shlex.join(whole)} ended with {run.returncode}:\n{run.stderr}",
        )
    return made.read_bytes()


def _complaint(log: str) -> str:
    """The line of a compiler's log that says what is wrong, after the name of the file."""
    lines = log.strip().splitlines()
    worst = next((line for line in lines if "error:" in line), lines[-1] if lines else "it says nothing")
    return worst[worst.rfind("/", 0, worst.find("error:")) + 1 :].strip()
