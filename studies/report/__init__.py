"""What studies share: the command with its options, laws as checks, tables, figures, and the pages made of them."""

from .checks import LIMIT, Z95, Check, verdict, write_checks
from .escapes import CELLS, LawOf, cells, escape_rows, escape_table, medians, places, time_law
from .estimates import around, mean_of_summary, sides
from .linear import LinearMethod
from .page import Page, fill
from .rates import power, power_row, rate_rows, rate_table, weighted_slope
from .rows import points, tables_by, where
from .study import RESULTS, Backend, Size, Study, command, prepare
from .words import command_line, facts, html_list, html_table, html_words, interval, markdown, parts, shown, table_of

__all__ = [
    "CELLS",
    "LIMIT",
    "RESULTS",
    "Z95",
    "Backend",
    "Check",
    "LawOf",
    "LinearMethod",
    "Page",
    "Size",
    "Study",
    "around",
    "cells",
    "command",
    "command_line",
    "escape_rows",
    "escape_table",
    "facts",
    "fill",
    "html_list",
    "html_table",
    "html_words",
    "interval",
    "markdown",
    "mean_of_summary",
    "medians",
    "parts",
    "places",
    "points",
    "power",
    "power_row",
    "prepare",
    "rate_rows",
    "rate_table",
    "shown",
    "sides",
    "table_of",
    "tables_by",
    "time_law",
    "verdict",
    "weighted_slope",
    "where",
    "write_checks",
]
