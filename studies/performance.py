"""How much faster is the ensemble kernel than what a user would otherwise write, and where does the time go?

Question. The same work (Adam or heavy ball, Gaussian noise of full precision, divergence watched) done by every backend
present and by JAX + optax, PyTorch, array NumPy and array CuPy, each written as a skilled user would: how many
coordinate-steps per second, and does that depend on the number of instances, on the dimension, on the steps of a call?
What do heavy-tailed escapes, gradients that follow from the value alone, a cold start and memory cost?

Expected. State kept in registers or in cache and many steps per call: a rate that depends on none of the three once
the machine is filled, a small multiple of the cost of drawing the normals. Array libraries pay for every pass over
memory and, with one generator per call, draw their noise on one core.

Found. On two cores of an AMD EPYC (AVX-512, no GPU), float32: 1.6 to 2.5e9 coordinate-steps/s. That is 7.8 to 12.3 times
the fastest form of JAX + optax on one thread (150 to 290e6), 16 to 21 times array NumPy on one thread and 8.0 to 10.6 times on two, and
4.5 to 5.6 times the fastest form of PyTorch, with one cached chunk of instances on each core (310 to 460e6). The rate is
the same from dimension 2 to 4,096 (1.65 to 1.75e9, Adam); from 4,000 to 10 million instances it falls from 1.78 to 1.43e9.
In float64 it is 8.8 to 11.5 times JAX, 7.7 to 11 times PyTorch and 4.4 to 5 times NumPy on two threads. Passages with a heavy
tail take 1.12 times the steps really taken. A first result comes 0.9 s after the start of Python, 2.6 s where the kernel is
compiled first.
Eight paired configurations, which draw once for all, take 0.23 (gradient descent), 0.30 (heavy ball) and 0.45 (Adam) of the time
of one configuration of eight times the instances.
A call costs some 3 ms and 0.07 microseconds per instance beside its steps, so that a single step per call is no faster
than in an array library.

Run `python studies/performance.py`, or with `--quick`. Rule of measurement: all contestants are compiled and warm
before the first timing, run interleaved A B A B; ratios are taken inside a round, then their median; a timing is the
wall time from the call to the result on the host; every timed output has the mean and variance of ours (coordinates 0
and 1, same number of steps) within five standard errors, or the table says that it differs.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from peers import costs, curves, derivatives, measure, numpy_forms, ours, processes, report, sums, work
from peers.work import Contestant

PARTS = (
    "cells",
    "own",
    "sums",
    "instances",
    "dimension",
    "steps",
    "escapes",
    "records",
    "teams",
    "saving",
    "stores",
    "derivatives",
    "cold",
    "memory",
)
SWEEPS = {
    "instances": curves.against_instances,
    "dimension": curves.against_dimension,
    "steps": curves.against_steps,
}
OUT = Path(__file__).parent / "results" / "performance"
Say = Callable[[str], None]


def peers(say: Say) -> list[Contestant]:
    """Every peer that can run here; the absent ones are named."""
    found: list[Contestant] = []
    try:
        from peers import jax_forms

        found += jax_forms.contestants()
    except ImportError as error:
        say(f"JAX + optax left out ({error}): pip install 'descent-ensemble[peers]'")
    try:
        from peers import torch_forms

        found += torch_forms.contestants()
    except ImportError as error:
        say(f"PyTorch left out ({error}): pip install 'descent-ensemble[peers]'")
    return found + numpy_forms.contestants() + numpy_forms.gpu_contestants()


def drawn(contestants: Sequence[Contestant]) -> list[Contestant]:
    """One form of each library for the curves: hand-batched JAX, and the best of the others."""
    chosen: dict[str, Contestant] = {}
    for contestant in contestants:
        library = contestant.family.split()[0]
        if contestant.family not in ("jax rbg", "jax threads") and "compile" not in contestant.name:
            chosen[library] = contestant
    return list(chosen.values())


def measured(
    works: Sequence[work.Work],
    mine: Sequence[Contestant],
    others: Sequence[Contestant],
    rounds: int,
    seconds: float,
    say: Say,
) -> list[list[measure.Row]]:
    """All contestants on every work."""
    found = []
    for one in works:
        say(one.label)
        found.append(measure.compare(one, [*mine, *others], mine[0], rounds, seconds))
        for row in found[-1]:
            say(f"  {row.name}: {row.rate / 1e6:,.1f} M coordinate-steps/s, max z {row.z:.1f}")
        for family, against in report.bars(found[-1]).items():
            say(f"  {family} over " + ", ".join(f"{name} {r.median:.2f}" for name, r in against.items()))
    return found


def main(
    quick: Annotated[bool, typer.Option(help="Two rounds and short sweeps: a few minutes.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for the data, the table and the figures.")] = OUT,
    backend: Annotated[list[str] | None, typer.Option(help="Our backends to measure; by default all present.")] = None,
    only: Annotated[list[str] | None, typer.Option(help=f"Parts to run: {', '.join(PARTS)}.")] = None,
    dtype: Annotated[list[str] | None, typer.Option(help="Precisions of the cells; float32 by default.")] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Interleaved rounds of the cells; 5, or 2 with --quick.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.01, help="Length of a timing; 0.6 s, or 0.3 s with --quick.")
    ] = None,
) -> None:
    """How fast is every backend here, next to the same work in JAX + optax, PyTorch and NumPy?"""
    say: Say = typer.echo
    unknown = set(only or ()) - set(PARTS)
    if unknown:
        raise typer.BadParameter(f"--only was given {', '.join(sorted(unknown))}; give any of {', '.join(PARTS)}")
    wrong = set(dtype or ()) - {"float32", "float64"}
    if wrong:
        raise typer.BadParameter(f"--dtype was given {', '.join(sorted(wrong))}; give float32 or float64")
    parts = only or list(PARTS)
    rounds = rounds or (2 if quick else 5)
    seconds = seconds or (0.3 if quick else 0.6)
    out.mkdir(parents=True, exist_ok=True)
    data: dict[str, Any] = {"machine": report.machine(), "rounds": rounds}
    usable, data["absent"] = ours.present(backend or ["cuda", "cpu", "numpy"])
    for name, reason in data["absent"].items():
        say(f"backend {name} left out: {reason}")
    if not usable:
        raise typer.BadParameter("none of our backends runs here; the reasons stand above")
    mine, others = ours.contestants(usable), peers(say)
    compiled = [name for name in usable if name != "numpy"]
    text = [report.heading(data)]
    if "cells" in parts:
        cells = measured(work.cells(dtype or ["float32"]), mine, others, rounds, seconds, say)
        data["cells"] = report.cells_json(cells)
        text.append(report.table(cells))
        report.draw_cells(cells, out)
    if "own" in parts:
        jax = [one for one in others if one.family.startswith("jax")]
        own = measured(work.own(quick), [one for one in mine if "numpy" not in one.name], jax, rounds, seconds, say)
        data["own"] = report.cells_json(own)
        text.append(report.table(own))
    if "sums" in parts:
        rows = measured(sums.works(quick), *sums.contestants(compiled, say), rounds, seconds, say)
        data["sums"] = report.cells_json(rows)
        text.append(report.table(rows))
        data["linearity"] = [row for name in compiled for row in sums.linearity(name, quick, say)]
        text.append(
            report.plain_table("Finite sums: time of four times as much, over four times the time", data["linearity"])
        )
    for name, sweep in SWEEPS.items():
        if name in parts:
            curve = sweep([*mine, *drawn(others)], quick, say)
            data[name] = report.curve_json(curve)
            text.append(report.curve_table(curve))
            report.draw_curve(curve, out)
    if "escapes" in parts:
        data["escapes"] = [curves.escapes(name, quick, say) for name in compiled]
        text.append(report.plain_table("Heavy-tailed escapes", data["escapes"]))
    if "records" in parts:
        data["records"] = [row for name in compiled for row in costs.records(name, quick, say)]
        text.append(report.plain_table("Every step recorded, times the run alone; writing beside it", data["records"]))
    if "teams" in parts:
        data["teams"] = [row for name in compiled for row in costs.teams(name, quick, say)]
        text.append(
            report.plain_table("Paired configurations, times as fast as one of as many instances", data["teams"])
        )
    if "saving" in parts:
        data["saving"] = [costs.saving(usable[0], quick, say)]
        text.append(report.plain_table("Saving, times writing and flushing the same bytes", data["saving"]))
    if "stores" in parts:
        data["stores"] = costs.stores(usable[0], quick, say)
        text.append(
            report.plain_table("In a store, with checkpoints and checksums, times the run alone", data["stores"])
        )
    if "derivatives" in parts:
        rows = [
            row
            for name in compiled
            for row in derivatives.compared(name, 2 if quick else 3, 0.1 if quick else 0.3, say)
        ]
        data["derivatives"] = rows
        text.append(report.plain_table("Gradients from the value alone, coordinate-steps/s", rows))
    if "cold" in parts:
        data["cold"] = [processes.cold_start(name, of, quick, say) for name in usable for of in processes.FIRST]
        text.append(report.plain_table("Cold start to the first result, seconds", data["cold"]))
    if "memory" in parts:
        data["memory"] = [row for name in usable for row in processes.peak_memory(name, quick, say)]
        text.append(report.plain_table("Peak memory beyond the loaded library, bytes", data["memory"]))
    report.write(out, data, "\n".join(text))
    say(f"written to {out}")


if __name__ == "__main__":
    typer.run(main)
