"""Machine description, tables and figures of the performance study."""

import importlib.metadata
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from peers.curves import Curve
from peers.measure import AGREE, Ratio, Row, ratio
from peers.work import cores

PACKAGES = ("descent-ensemble", "numpy", "jax", "jaxlib", "optax", "torch", "cupy-cuda12x", "cupy-cuda13x")
COLOURS = {"ensemble": "#0b5fa5", "jax": "#d9822b", "torch": "#b03a48", "numpy": "#5c7f3b", "cupy": "#7d5ba6"}


def processor() -> str:
    """The CPU's model name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def accelerator() -> str | None:
    """The GPU's name, as its driver gives it."""
    try:
        query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip() or None
    except (OSError, subprocess.CalledProcessError):
        return None


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": processor(),
        "cores": cores(),
        "gpu": accelerator(),
        "platform": platform.platform(),
        "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "versions": versions,
        "command": " ".join(["python", "studies/performance.py", *sys.argv[1:]]),
    }


def heading(data: dict[str, Any]) -> str:
    """What the tables below were measured on, and how."""
    on = data["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in on["versions"].items())
    gpu = f"; {on['gpu']}" if on["gpu"] else ""
    return (
        f"# Performance\n\n{on['cpu']}, {on['cores']} cores{gpu}; {on['date']}; {versions}.\n\n"
        f"`{on['command']}`: medians of {data['rounds']} interleaved rounds; ratios are taken inside a round, the\n"
        f"lowest and highest round in brackets. `max z`: the largest difference of mean or variance of coordinates 0\n"
        f"and 1 from ours after the same number of steps, in standard errors (the same law up to {AGREE:.0f}).\n"
    )


def ours(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.family.startswith("ensemble")]


def bars(rows: Sequence[Row]) -> dict[str, dict[str, Ratio]]:
    """Each of our backends against the fastest of each family of peers, round by round."""
    families = list(dict.fromkeys(row.family for row in rows if not row.family.startswith("ensemble")))
    found: dict[str, dict[str, Ratio]] = {}
    for mine in ours(rows):
        against = {f: ratio(mine.rates, [row.rates for row in rows if row.family == f]) for f in families}
        others = [row for row in ours(rows) if row is not mine]
        against.update({row.family: ratio(mine.rates, [row.rates]) for row in others})
        found[mine.family] = against
    return found


def spread(found: Ratio) -> str:
    return f"{found.median:.2f} ({found.low:.2f}-{found.high:.2f})"


def table(cells: Sequence[Sequence[Row]]) -> str:
    """Markdown: per work every contestant's rate and our ratio to it; then our ratio to each family's fastest form."""
    lines = []
    for rows in cells:
        mine = ours(rows)
        heads = "".join(f" {row.family} / this |" for row in mine)
        lines += [f"### {rows[0].work.label}", "", f"| contestant | steps | M coordinate-steps/s |{heads} max z |"]
        lines.append("|---|---:|---:|" + "---:|" * len(mine) + "---:|")
        for row in sorted(rows, key=lambda row: -row.rate):
            shown = "".join(" |" if m is row else f" {spread(ratio(m.rates, [row.rates]))} |" for m in mine)
            z = "" if row.z is None else f"{row.z:.1f}" + ("" if row.z <= AGREE else " **differs**")
            lines.append(f"| {row.name} | {row.steps} | {row.rate / 1e6:,.1f} |{shown} {z} |")
        lines.append("")
        for family, against in bars(rows).items():
            said = "; ".join(f"{name} {r.median:.2f}" for name, r in against.items())
            lines.append(f"{family} over the fastest form of each family: {said}.")
            lines.append("")
    return "\n".join(lines)


def curve_table(curve: Curve) -> str:
    """Markdown: millions of coordinate-steps/s."""
    lines = [f"## {curve.title}: against {curve.x_label}", "", f"| {curve.x_label} | " + " | ".join(curve.lines) + " |"]
    lines.append("|---:|" + "---:|" * len(curve.lines))
    for k, x in enumerate(curve.x):
        shown = ["" if math.isnan(line[k]) else f"{line[k] / 1e6:,.1f}" for line in curve.lines.values()]
        lines.append(f"| {x:,} | " + " | ".join(shown) + " |")
    return "\n".join([*lines, ""])


def plain_table(title: str, rows: Sequence[dict[str, Any]]) -> str:
    """Markdown of equal dictionaries."""
    if not rows:
        return f"## {title}\n\nNot measured: no compiled backend runs here.\n"
    lines = [f"## {title}", "", "| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    for row in rows:
        shown = [
            f"{v:,.3g}" if isinstance(v, float) else f"{v:,}" if isinstance(v, int) else str(v) for v in row.values()
        ]
        lines.append("| " + " | ".join(shown) + " |")
    return "\n".join([*lines, ""])


def curve_json(curve: Curve) -> dict[str, Any]:
    """Plain data; null where a contestant was left out."""
    lines = {name: [None if math.isnan(rate) else rate for rate in line] for name, line in curve.lines.items()}
    return {**vars(curve), "lines": lines}


def cells_json(cells: Sequence[Sequence[Row]]) -> list[dict[str, Any]]:
    """The same as plain data, every timing kept."""
    found = []
    for rows in cells:
        work = rows[0].work
        entries = [
            {
                "name": r.name,
                "family": r.family,
                "steps": r.steps,
                "seconds": r.seconds,
                "rate": r.rate,
                "max_z": r.z,
                "diverged": r.diverged,
            }
            for r in rows
        ]
        ratios = {mine: {f: vars(r) for f, r in against.items()} for mine, against in bars(rows).items()}
        found.append({"work": vars(work), "label": work.label, "contestants": entries, "ratios": ratios})
    return found


def colour(name: str) -> str:
    lowered = name.lower().replace("pytorch", "torch")
    return next((c for key, c in COLOURS.items() if lowered.startswith(key)), "0.4")


def save(figure: Figure, out: Path, name: str) -> None:
    for suffix in ("png", "svg"):
        figure.savefig(out / f"{name}.{suffix}", dpi=200, bbox_inches="tight")


def draw_curve(curve: Curve, out: Path) -> None:
    """Throughput against one quantity, both axes logarithmic."""
    figure = Figure(figsize=(6.4, 4.2))
    axes = figure.subplots()
    styles: dict[str, int] = {}
    for name, line in curve.lines.items():
        kind = colour(name)
        style = ["-", "--", ":", "-."][styles.setdefault(kind, 0) % 4]
        styles[kind] += 1
        axes.loglog(curve.x, line, style, color=kind, marker="o", markersize=3.5, linewidth=1.6, label=name)
    axes.set(xlabel=curve.x_label, ylabel="coordinate-steps per second", title=curve.title)
    axes.grid(True, which="major", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=7)
    save(figure, out, curve.name)


def draw_cells(cells: Sequence[Sequence[Row]], out: Path) -> None:
    """One panel of horizontal bars per work."""
    columns = min(2, len(cells))
    height = math.ceil(len(cells) / columns)
    figure = Figure(figsize=(7.5 * columns, 3.2 * height))
    panels = figure.subplots(height, columns, squeeze=False)
    for panel in panels.flat[len(cells) :]:
        panel.set_visible(False)
    for panel, rows in zip(panels.flat, cells, strict=False):
        ordered = sorted(rows, key=lambda row: row.rate)
        rates = [row.rate / 1e6 for row in ordered]
        panel.barh([row.name for row in ordered], rates, color=[colour(row.name) for row in ordered], height=0.7)
        for k, rate in enumerate(rates):
            panel.text(rate, k, f" {rate:,.0f}", va="center", fontsize=7)
        panel.set_title(rows[0].work.label, fontsize=9)
        panel.set_xlabel("million coordinate-steps per second", fontsize=8)
        panel.tick_params(labelsize=7)
        panel.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    save(figure, out, "cells")


def write(out: Path, data: dict[str, Any], text: str) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "performance.json").write_text(json.dumps(data, indent=1, allow_nan=False) + "\n")
    (out / "performance.md").write_text(text)
