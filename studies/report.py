"""What studies share: the facts of their runs, tables with intervals and laws, and the page that names them."""

from __future__ import annotations

import csv
import json
import math
import os
import platform
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import typer
import xarray as xr
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import ensemble as en
from ensemble import statistics
from ensemble.statistics import laws

Row = Mapping[str, Any]
LawOf = Callable[..., tuple[str, laws.TimeLaw | None]]
LIMIT = 4.0
"""A law that is exact and lies further than this many standard errors from what was seen has failed."""


class Backend(StrEnum):
    """Where to run."""

    auto = "auto"
    cuda = "cuda"
    cpu = "cpu"
    numpy = "numpy"


def prepare(backend: Backend, out: Path) -> None:
    """Refuses a backend that is absent and a folder that cannot be made, before anything is run."""
    try:
        (out / "data").mkdir(parents=True, exist_ok=True)
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


def parts(docstring: str) -> dict[str, str]:
    """The paragraphs of a study's docstring by the word they begin with: Question, Expected, Found."""
    found = {}
    for paragraph in re.split(r"\n\s*\n", docstring):
        name, stop, text = paragraph.strip().partition(". ")
        if stop and name.isalpha():
            found[name] = " ".join(text.split())
    return found


def facts(attributes: Sequence[Mapping[str, Any]], command: str, seconds: float) -> dict[str, str]:
    """What made the numbers, from the attributes of the runs' datasets; ``seconds`` is the study's whole wall time."""
    wall = sum(float(a["wall_time"]) for a in attributes)
    work = sum(float(a["coordinate_steps"]) for a in attributes)
    first = attributes[0]
    versions = dict(json.loads(first["versions"]))
    try:
        versions["matplotlib"] = version("matplotlib")
    except PackageNotFoundError:
        versions["matplotlib"] = "absent"
    return {
        "command": f"`{command}`",
        "seed": str(first["seed"]),
        "backend": f"{first['backend']} on {first['device']} ({_cores()}, {platform.system()})",
        "arithmetic": f"{first['dtype']}, math={first['math']}, events checked every {first['check_every']} step(s)",
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
        "made": str(first["created"]),
        "wall time": f"{seconds:.1f} s, of which {wall:.1f} s in the steps",
        "speed": f"{work:.3g} coordinate-steps, {work / wall if wall else 0.0:.3g} per second",
    }


def _cores() -> str:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{usable} core" + ("s" if usable > 1 else "")


def escape_rows(sweep: str, runs: xr.Dataset, fixed: Row, law_of: LawOf) -> list[dict[str, Any]]:
    """A row for every optimizer and configuration: counts, median and mean with intervals, the law and its z-scores.

    ``fixed`` are the settings that ``runs`` does not sweep; ``law_of(optimizer, **settings)`` returns the kind of law
    ("exact", "asymptotic" or "") and the law.
    """
    curves = statistics.survival(runs)
    rows = []
    for index in np.ndindex(*curves["median"].shape):
        place = dict(zip(curves["median"].dims, index, strict=True))
        found, one = curves.isel(place), runs.isel(place)
        here = dict(fixed) | {str(d): one[d].item() for d in place if d != "optimizer"}
        kind, law = law_of(one["optimizer"].item(), **here)
        row: dict[str, Any] = {"sweep": sweep, "optimizer": one["optimizer"].item(), **here}
        row |= {key: int(found[key]) for key in ("n", "events_total", "censored", "diverged")}
        for key, column in (("median", "median"), ("restricted_mean", "mean")):
            row |= {column + end: float(found[key + end]) for end in ("", "_lower", "_upper")}
        row |= {"law": kind} | dict.fromkeys(("law_median", "law_mean", "law_sd", "z_mean", "z_median"), math.nan)
        if law is not None:
            row |= {"law_median": float(law.median), "law_mean": law.mean, "law_sd": law.sd}
            row |= scores(law, one["event_step"].to_numpy(), int(found["horizon"]))
        rows.append(row)
    return rows


def time_law(tail: NDArray[np.float64]) -> laws.TimeLaw:
    """The law with P(T > t) = ``tail`` (0, 1, ... to where nothing is left)."""
    mean, square = float(tail.sum()), float(((2.0 * np.arange(tail.size) + 1) * tail).sum())
    return laws.TimeLaw(tail, mean, math.sqrt(square - mean**2), int(np.argmax(tail <= 0.5)))


def scores(law: laws.TimeLaw, step: NDArray[np.int64], horizon: int) -> dict[str, float]:
    """Distance in standard errors of the mean (if all escaped) and of P(T > the law's median, or the horizon)."""
    t, n = min(law.median, horizon), step.size
    share, expected = float(np.mean((step < 0) | (step > t))), float(law.survival[t])
    found = {"z_median": (share - expected) / math.sqrt(max(expected * (1 - expected), 1 / n) / n)}
    if np.all(step > 0):
        found["z_mean"] = float((step.mean() - law.mean) / (law.sd / math.sqrt(n)))
    return found


def medians(
    rows: Sequence[Row], sweep: str, field: str, names: Iterable[str]
) -> tuple[dict[str, xr.Dataset], dict[str, tuple[list[float], list[float]]]]:
    """What :func:`ensemble.plots.against` draws: medians against a field by optimizer, and the laws' medians."""
    seen, lines = {}, {}
    for name in names:
        own = [row for row in rows if row["sweep"] == sweep and row["optimizer"] == name]
        if own:
            columns = ("median", "median_lower", "median_upper", "n", "diverged")
            found = {column: (field, [row[column] for row in own]) for column in columns}
            seen[name] = xr.Dataset(found, {field: [row[field] for row in own]}, {"confidence": 0.95})
            if own[0]["law"]:
                lines[name] = ([row[field] for row in own], [row["law_median"] for row in own])
    return seen, lines


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """All rows as CSV; a number that does not exist is an empty cell."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows({k: "" if _missing(v) else v for k, v in row.items()} for row in rows)


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def shown(value: Any) -> str:
    """A cell as people read it."""
    if _missing(value):
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if value == round(value) and abs(value) < 1e6 and value != 0 else f"{value:.5g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def interval(row: Row, name: str) -> str:
    """``median [lower, upper]`` of a row."""
    if _missing(row[name]):
        return "not reached"
    return f"{row[name]:.4g} [{row[f'{name}_lower']:.4g}, {row[f'{name}_upper']:.4g}]"


def cells(row: Row) -> list[str]:
    """Median and mean with intervals, the law's mean and kind, and both z-scores, as people read them."""
    law = f"{row['law_mean']:.5g} ({row['law']})" if row["law"] else ""
    z = ["" if _missing(row[k]) else f"{row[k]:.2f}" for k in ("z_mean", "z_median")]
    return [interval(row, "median"), interval(row, "mean"), law, *z]


CELLS = ["median T [95 %]", "mean T [95 %]", "mean by law", "z mean", "z median"]


def markdown(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    """A table of strings and numbers."""
    body = ["| " + " | ".join(shown(cell) for cell in line) + " |" for line in lines]
    return "\n".join(["| " + " | ".join(header) + " |", "|" + "---|" * len(header), *body])


def failures(rows: Sequence[Row]) -> list[str]:
    """One line for each exact law that the sample contradicts."""
    wrong = []
    for row in rows:
        for name in ("z_mean", "z_median"):
            if row["law"] == "exact" and not _missing(row[name]) and abs(row[name]) > LIMIT:
                where = ", ".join(f"{k}={shown(row[k])}" for k in ("sweep", "optimizer", "dim", "gamma", "sigma"))
                wrong.append(f"{where}: {name} = {row[name]:.1f}")
    return wrong


def verdict(rows: Sequence[Row]) -> str:
    """How many exact laws were compared, and how the worst of them did."""
    scores = [row[z] for row in rows if row["law"] == "exact" for z in ("z_mean", "z_median") if not _missing(row[z])]
    held = sum(abs(z) <= LIMIT for z in scores)
    worst = max(map(abs, scores), default=0.0)
    return (
        f"{held} of {len(scores)} comparisons with exact laws hold (|z| <= {LIMIT:g}); the worst is |z| = {worst:.2f}."
    )


def write_page(
    path: Path,
    title: str,
    said: Mapping[str, str],
    findings: Sequence[str],
    figures: Mapping[str, str],
    tables: Mapping[str, str],
    made: Mapping[str, str],
) -> None:
    """report.md: question, law, finding, figures (name -> caption), tables (title -> Markdown), and what made it."""
    text = [f"# {title}", "", "## Question", "", said["Question"], "", "## Expected law", "", said["Expected"], ""]
    text += ["## Finding", "", *[f"- {line}" for line in findings], ""]
    for name, caption in figures.items():
        text += [f"![{name}]({name}.png)", "", f"*{caption}* ([SVG]({name}.svg), [data]({name}.csv))", ""]
    for heading, table in tables.items():
        text += [f"## {heading}", "", table, ""]
    text += ["## How it was made", "", *[f"- {name}: {value}" for name, value in made.items()], ""]
    path.write_text("\n".join(text), encoding="utf-8")


def print_summary(
    console: Console,
    title: str,
    header: Sequence[str],
    lines: Iterable[Sequence[Any]],
    findings: Sequence[str],
    made: Mapping[str, str],
    out: Path,
) -> None:
    """The same on the terminal, and where the files are."""
    table = Table(title=title, title_justify="left", padding=(0, 0))
    for head in header:
        table.add_column(head, min_width=len(head.split(" [")[0]))
    for line in lines:
        table.add_row(*[shown(cell) for cell in line])
    console.print(table)
    for finding in findings:
        console.print(f"• {finding}", highlight=False)
    console.print(f"{made['backend']}; {made['wall time']}; {made['speed']}", style="dim", highlight=False)
    names = sorted(file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file())
    console.print(
        f"{len(names)} files in {out}: report.md and {', '.join(n for n in names if n.endswith('.png'))}, ..."
    )


def command_line(script: str, options: Mapping[str, Any]) -> str:
    """The command that runs a study again: ``python studies/<script> --name value ...``."""
    said = [
        f"--{k}" if v is True else f"--{k} {shlex.quote(str(v))}"
        for k, v in options.items()
        if v is not None and v is not False
    ]
    python = Path(sys.executable).stem or "python"
    return " ".join([re.sub(r"[\d.]+$", "", python), f"studies/{script}", *said])
