"""Makes ``ensemble/backends/counts.csv``: what every optimizer costs. Run ``python tests/make_counts.py`` after a change that is meant."""

from __future__ import annotations

import csv
from pathlib import Path

from counting import count_all, counted, every_optimizer, instructions, occupancy, special

from ensemble.backends.cost import named

TABLE = Path(__file__).parents[1] / "ensemble" / "backends" / "counts.csv"
COLUMNS = ("optimizer", "dim", "lanes", "instructions", "special", "registers", "occupancy")


def main() -> None:
    """Counts and writes."""
    rows = every_optimizer()
    count_all(rows)
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in sorted(rows, key=lambda r: (named(r.optimizer), r.dim)):
            group, found = counted(row)
            numbers = (
                group.lanes,
                f"{instructions(row):.2f}",
                f"{special(row):.2f}",
                found.registers,
                f"{occupancy(row):.4g}",
            )
            writer.writerow((named(row.optimizer), row.dim, *numbers))


if __name__ == "__main__":
    main()
