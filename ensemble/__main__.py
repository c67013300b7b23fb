"""What was found on this machine, and a self-check: ``python -m ensemble``. With ``parts``: every part there is; with ``gpu-check``:
all that there is to find out about a GPU; with ``store`` and ``work``: runs in folders.

``--help`` says this. The exit status is 1 if a check fails, 2 if the argument is not understood.
"""

from __future__ import annotations

import difflib
import inspect
import platform
import shlex
import sys
from importlib import metadata

from rich.console import Console
from rich.markup import escape
from rich.table import Table

import ensemble

from . import __version__
from .backends import compiler, libraries, sources
from .backends.choice import choose
from .backends.cpu import available_threads
from .backends.memory import available_memory
from .backends.program import Engine
from .distributions import Law
from .events import Event
from .gpu_check.command import main as gpu_check
from .landscapes import Landscape
from .noises import Noise
from .optimizers import Optimizer
from .part import Part
from .schedules import Schedule
from .self_check import CHECKS
from .starts import Start
from .stores.command import main as store_command

USAGE = """Usage: python -m ensemble [parts | source NAME | store COMMAND DIR | work DIR | gpu-check --out DIR | --help]

  without argument  what was found on this machine, and a self-check of a few seconds; exit status 1 if a check fails
  parts             every landscape, optimizer, noise, start, event and schedule, with its formula
  source NAME       the CUDA C++ that a landscape, optimizer, noise or event runs: source Adam
  store COMMAND DIR status, verify, repair or merge of a folder that simulate(..., store=DIR) made; store alone says more
  work DIR          runs what is missing of such a folder, with any number of other processes
  gpu-check         everything about a GPU, in half an hour or less, and a report to send back; gpu-check --help says more"""
KINDS: tuple[type[Part], ...] = (Landscape, Optimizer, Noise, Start, Event, Schedule, Law)


def versions(*names: str) -> str:
    """Names and versions of those distributions that are installed."""
    present = []
    for name in names:
        try:
            present.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(present) or "none"


def compiler_row() -> str:
    """The C++ compiler and its version, or what to install."""
    try:
        return f"{shlex.join(compiler.compiler())}: {compiler.compiler_version()}"
    except RuntimeError as error:
        return str(error)


def show_found(console: Console) -> dict[str, Engine]:
    """Prints what this machine offers; returns the engines that are present."""
    engines: dict[str, Engine] = {}
    table = Table(title=f"descent-ensemble {__version__}", title_justify="left", show_header=False)
    for name in ("cuda", "cpu", "numpy"):
        try:
            engines[name] = choose(name)[0]
            table.add_row(f"backend {name}", "[green]present[/]")
        except (RuntimeError, ImportError) as error:
            table.add_row(f"backend {name}", f"[yellow]absent[/]: {escape(str(error))}")
    taken, reason = choose("auto")
    processor = compiler.processor().split(" fpu ")[0].strip() or platform.machine()
    rows = {
        "backend auto": f"takes {taken.name}: {reason.split(' (')[0]}",
        "CUDA device": str(getattr(engines.get("cuda"), "device_name", "none")),
        "CuPy": versions("cupy", "cupy-cuda12x", "cupy-cuda13x"),
        "C++ compiler": compiler_row(),
        "processor": f"{processor}, {available_threads()} threads, {available_memory() / 2**30:.1f} GiB free",
        "kernel sources": str(sources.kernels()),
        "compiled kernels": libraries.place_of(libraries.cache_folder),
        "system": f"{platform.platform()}, Python {platform.python_version()}",
        "versions": versions("numpy", "scipy", "xarray", "h5netcdf", "h5py", "rich"),
    }
    for name, text in rows.items():
        table.add_row(name, escape(text))
    console.print(table)
    return engines


def show_self_check(console: Console, engines: dict[str, Engine]) -> bool:
    """Runs every check on every engine and prints a row for each; returns whether all hold."""
    table, failed = Table("backend", "check", "", "seen", title="self-check", title_justify="left"), 0
    for name, engine in engines.items():
        for title, check in CHECKS.items():
            try:
                table.add_row(name, title, "[green]holds[/]", escape(check(engine)))
            except Exception as error:  # whatever goes wrong on this machine is what the table is for
                table.add_row(name, title, "[red]FAILS[/]", escape(f"{type(error).__name__}: {error}"))
                failed += 1
    console.print(table)
    return not failed


def show_parts(console: Console) -> None:
    """Prints every public part, with the first line of its docstring."""
    for kind in KINDS:
        table = Table(title=f"{kind.__name__.lower()}s", title_justify="left", show_header=False)
        for part in public_parts(kind):
            table.add_row(part.__name__, escape((part.__doc__ or "").strip().splitlines()[0].replace("``", "")))
        console.print(table)


def show_source(console: Console, names: list[str]) -> int:
    """Prints the struct of a part; returns the exit status."""
    compiled = [c for kind in KINDS if kind.kernel_header for c in public_parts(kind)]
    found = getattr(ensemble, names[0], None) if len(names) == 1 else None
    if found not in compiled:
        given = f"was given {' '.join(names)!r}" if names else "was given no name"
        near = difflib.get_close_matches(" ".join(names), [c.__name__ for c in compiled], 3)
        hint = f"; did you mean {' or '.join(near)}" if near else ""
        console.print(
            f"python -m ensemble source {given}; give a landscape, optimizer, noise or event of 'parts'{hint}. "
            f"Of a class of your own: ensemble.source(part).",
            highlight=False,
        )
        return 2
    print(ensemble.source(found), end="")
    return 0


def public_parts(kind: type[Part]) -> list[type[Part]]:
    """The public classes of a kind, whether or not others derive from them, by name."""
    public = [getattr(ensemble, name) for name in ensemble.__all__]
    found = [c for c in public if inspect.isclass(c) and issubclass(c, kind) and c is not kind]
    return sorted(found, key=lambda c: c.__name__.lower())


def main(arguments: list[str]) -> int:
    """Does what the arguments ask; returns the exit status."""
    console = Console() if sys.stdout.isatty() else Console(width=160)
    if arguments in (["--help"], ["-h"]):
        console.print(escape(USAGE), highlight=False)
        return 0
    if arguments == ["parts"]:
        show_parts(console)
        return 0
    if arguments[:1] == ["source"]:
        return show_source(console, arguments[1:])
    if arguments[:1] == ["gpu-check"]:
        return gpu_check(arguments[1:])
    if arguments[:1] in (["store"], ["work"]):
        return store_command(arguments)
    if arguments:
        console.print(
            f"python -m ensemble was given {' '.join(arguments)!r}; give nothing, 'parts', 'source NAME', 'store', 'work', 'gpu-check' "
            f"or '--help'."
        )
        return 2
    engines = show_found(console)
    return 0 if show_self_check(console, engines) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
