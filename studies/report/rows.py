"""Rows of a study: those of some settings, tables by kind, and what is drawn of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from ensemble.report.words import Row, Table, table_of


def where(rows: Sequence[dict[str, Any]], **settings: Any) -> list[dict[str, Any]]:
    """The rows that have these settings."""
    return [row for row in rows if all(row[name] == value for name, value in settings.items())]


def tables_by(rows: Sequence[Row], kind: str, headings: Mapping[str, str] | None = None) -> dict[str, Table]:
    """A table for every value of the column ``kind``, without that column, under ``headings`` or ``Table: <value>``."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[kind], []).append({name: cell for name, cell in row.items() if name != kind})
    headings = headings or {value: f"Table: {value}" for value in found}
    return {headings[value]: table_of(own) for value, own in found.items()}


def points(rows: Sequence[Row], field: str, value: str, *others: str) -> xr.Dataset:
    """What :func:`ensemble.plots.curves` draws of rows: ``value`` with its limits, n and ``others``, over ``field``."""
    columns = (value, f"{value}_lower", f"{value}_upper", "n", *others)
    found = {column: (field, [row[column] for row in rows]) for column in columns}
    return xr.Dataset(found, {field: [row[field] for row in rows]}, {"confidence": 0.95})
