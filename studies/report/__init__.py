"""What studies share: the command with its options, laws as checks, tables, figures, and the pages made of them."""

from ensemble.report.checks import LIMIT, Z95, Check, verdict, write_checks
from ensemble.report.report import fill
from ensemble.report.words import facts, html_list, html_table, html_words, interval, markdown, shown, table_of

from .escapes import (
    CELLS,
    LawOf,
    cells,
    escape_rows,
    escape_table,
    escape_tables,
    medians,
    places,
    time_checks,
    time_law,
)
from .estimates import mean_of_summary
from .linear import LinearMethod
from .means import banded, error_of, mean_columns, mean_curve, mean_row, seen_row, share_row, with_limits
from .rates import power, power_row, rate_rows, rate_table, slope_weights, weighted_slope
from .rows import points, tables_by, where
from .runs import by_optimizer, tracks
from .study import RESULTS, Backend, Size, Study, command, prepare
from .words import command_line, parts

__all__ = [
    "CELLS",
    "LIMIT",
    "RESULTS",
    "Z95",
    "Backend",
    "Check",
    "LawOf",
    "LinearMethod",
    "Size",
    "Study",
    "banded",
    "by_optimizer",
    "cells",
    "command",
    "command_line",
    "error_of",
    "escape_rows",
    "escape_table",
    "escape_tables",
    "facts",
    "fill",
    "html_list",
    "html_table",
    "html_words",
    "interval",
    "markdown",
    "mean_columns",
    "mean_curve",
    "mean_of_summary",
    "mean_row",
    "medians",
    "parts",
    "places",
    "points",
    "power",
    "power_row",
    "prepare",
    "rate_rows",
    "rate_table",
    "seen_row",
    "share_row",
    "shown",
    "slope_weights",
    "table_of",
    "tables_by",
    "time_checks",
    "time_law",
    "tracks",
    "verdict",
    "weighted_slope",
    "where",
    "with_limits",
    "write_checks",
]
