"""Study: what a study's ``run`` is given, and the command made of it."""

from __future__ import annotations

import inspect
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import typer
import xarray as xr
from matplotlib.figure import Figure
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Printed

import ensemble as en
from ensemble import plots
from ensemble.report.checks import NAMES, Check, write_checks
from ensemble.report.report import Report
from ensemble.report.words import Table, facts, shown, table_of, write_table

from .words import command_line, parts

LINES = 12
"""Of each table on the terminal; the laws are all there."""
RESULTS = Path(__file__).parents[1] / "results"


class Backend(StrEnum):
    """Where to run."""

    auto = "auto"
    cuda = "cuda"
    cpu = "cpu"
    numpy = "numpy"


@dataclass(frozen=True)
class Size:
    """How much to run; a study that has more to say inherits and adds fields."""

    instances: int
    steps: int


S = TypeVar("S", bound=Size)


@dataclass
class Study(Generic[S]):
    """Collects what a study keeps, sees, draws and says; ``finish`` writes it all.

    ``backend`` and ``seed`` go to ``simulate``; ``rows`` becomes table.csv; ``tables`` are what the page and the
    terminal show in its place where the rows are too many or of several kinds.
    """

    name: str
    docstring: str
    size: S
    backend: str
    seed: int
    out: Path
    command: str = ""
    console: Console = field(default_factory=Console)
    began: float = field(default_factory=time.perf_counter)
    attributes: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    tables: dict[str, Table] = field(default_factory=dict)
    figures: dict[str, str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    def keep(self, name: str, result: en.Result) -> en.Result:
        """Saves a result as data/<name>.nc without the optimizers' memory, notes what made it, and hands it back."""
        (self.out / "data").mkdir(exist_ok=True)
        path = result.save(self.out / "data" / f"{name}.nc", state=False)
        attrs = dict(result.dataset.attrs)
        self.attributes.append(attrs)
        if attrs["interrupted"]:
            self.console.print(f"stopped; what was reached is in {path}")
            raise typer.Exit(130)
        speed = attrs["coordinate_steps"] / attrs["wall_time"] if attrs["wall_time"] else 0.0
        self.console.print(f"{name}: {attrs['wall_time']:.1f} s, {speed:.3g} coordinate-steps/s", highlight=False)
        return result

    def simulate(self, name: str, *, number: int = 0, **given: Any) -> xr.Dataset:
        """Keeps what :func:`ensemble.simulate` returns under ``name``, and hands back its data.

        Instances, steps, seed and backend are the study's where none are given. ``number`` is added to the seed, for runs
        that draw noise of their own.
        """
        return self.keep(name, en.simulate(**(self._usual(number) | given))).dataset

    def compare(
        self, name: str, optimizers: Mapping[str, en.Optimizer], *, number: int = 0, **given: Any
    ) -> xr.Dataset:
        """Does the same with :func:`ensemble.compare`."""
        return self.keep(name, en.compare(optimizers, **(self._usual(number) | given))).dataset

    def _usual(self, number: int) -> dict[str, Any]:
        size = {"instances": self.size.instances, "steps": self.size.steps}
        return {**size, "seed": (self.seed + number) % 2**64, "backend": self.backend}

    def check(self, *checks: Check) -> None:
        """Notes laws and what was seen of them: one that fails makes the study fail."""
        self.checks += checks

    def draw(self, name: str, figure: Figure, caption: str) -> None:
        """Writes a figure of :mod:`ensemble.plots` as PNG, SVG and CSV, and puts it on the page."""
        plots.save(figure, self.out / name)
        self.figures[name] = caption

    def find(self, sentence: str) -> None:
        """A sentence with numbers in it; the first of them stands in the list of all studies."""
        self.findings.append(sentence)

    def finish(self) -> None:
        """Writes table.csv, checks.csv, report.md, report.html and summary.json; exit status 1 where a law fails."""
        if not self.attributes or not self.findings:
            raise ValueError(f"{self.name}: give study.keep a result and study.find a sentence before the study ends.")
        if self.rows:
            write_table(self.out / "table.csv", self.rows)
            self.tables = self.tables or {"Table": table_of(self.rows)}
        write_checks(self.out / "checks.csv", self.checks)
        said = parts(self.docstring)
        seconds = time.perf_counter() - self.began
        made = facts(self.attributes, self.command, seconds)
        page = Report(
            said["Title"],
            self.out,
            said.get("Question", ""),
            said.get("Expected", ""),
            sentences=self.findings,
            figures=self.figures,
            checks=self.checks,
            tables=self.tables,
            made=made,
        )
        page.write()
        failed = [check for check in self.checks if not check.holds]
        summary = {"study": self.name, "title": said["Title"], "finding": self.findings[0], "seconds": seconds}
        summary |= {"laws": len(self.checks), "failed": len(failed), "picture": next(iter(self.figures), None)}
        (self.out / "summary.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
        self._print(page)
        for check in failed:
            self.console.print(f"[bold red]law fails[/]: {escape('; '.join(check.cells()[1:6]))}", highlight=False)
        if failed:
            raise typer.Exit(1)

    def _print(self, page: Report) -> None:
        for heading, (header, lines) in {"Laws": (NAMES, [c.cells() for c in self.checks]), **self.tables}.items():
            table = Printed(title=heading, title_justify="left", padding=(0, 0))
            for head in header:
                table.add_column(escape(head))
            for line in lines[: LINES if heading != "Laws" else None]:
                table.add_row(*[escape(shown(cell)) for cell in line])
            if lines:
                self.console.print(table)
            if heading != "Laws" and len(lines) > LINES:
                self.console.print(f"{len(lines) - LINES} more lines in report.html", style="dim")
        for sentence in page.findings():
            self.console.print(f"• {sentence}", highlight=False, markup=False)
        made = page.made
        self.console.print(f"{made['backend']}; {made['wall time']}; {made['speed']}", style="dim", highlight=False)
        count = sum(file.is_file() for file in self.out.rglob("*"))
        self.console.print(f"{count} files in {self.out}: report.html, report.md, table.csv, checks.csv, ...")


def prepare(backend: Backend, out: Path) -> None:
    """Refuses a backend that is absent and a folder that cannot be made, before anything is run."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"--out {out} cannot be made ({error}); give a folder that can") from error
    try:
        en.simulate(
            landscape=en.Quadratic(1.0, dim=1),
            optimizer=en.GradientDescent(0.1),
            start=en.Point(1.0),
            steps=1,
            instances=1,
            backend=backend.value,
            plan_only=True,
        )
    except RuntimeError as error:
        raise typer.BadParameter(str(error)) from error


def command(run: Callable[[Study[S]], None], full: S, small: S, small_numpy: S | None = None) -> typer.Typer:
    """The command of a study: ``run(study)`` in one of three sizes, the smallest for ``--quick --backend numpy``.

    The study is named after the file of ``run``; that file's docstring has paragraphs Question, Expected and Found.
    """
    name, docstring = Path(inspect.getfile(run)).stem, sys.modules[run.__module__].__doc__ or ""
    lacking = {"Question", "Expected", "Found"} - parts(docstring).keys()
    if lacking:
        raise ValueError(f"{name}.py: its docstring lacks {', '.join(sorted(lacking))}; begin a paragraph with each.")
    usual = RESULTS / name

    def main(
        instances: Annotated[int | None, typer.Option(min=2, help="Of each configuration.")] = None,
        steps: Annotated[int | None, typer.Option(min=1, help="Horizon.")] = None,
        backend: Annotated[Backend, typer.Option(help="Where to run.")] = Backend.auto,
        seed: Annotated[int, typer.Option(min=0, max=2**64 - 1, help="Of the starts and the noise.")] = 0,
        out: Annotated[Path, typer.Option(help="Folder for figures, data and report.")] = usual,
        quick: Annotated[bool, typer.Option("--quick", help="A smaller form, in seconds.")] = False,
    ) -> None:
        size = full if not quick else small_numpy if backend is Backend.numpy and small_numpy else small
        size = replace(size, instances=instances or size.instances, steps=steps or size.steps)
        prepare(backend, out)
        options: dict[str, Any] = {"instances": size.instances, "steps": size.steps, "backend": backend.value}
        options |= {"seed": seed, "out": None if out == usual else out, "quick": quick}
        study = Study(name, docstring, size, backend.value, seed, out, command_line(f"{name}.py", options))
        run(study)
        study.finish()

    main.__doc__ = parts(docstring)["Title"]
    app = typer.Typer(add_completion=False)
    app.command()(main)
    return app
