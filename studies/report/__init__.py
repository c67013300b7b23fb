"""What studies share: the command with its options, laws as checks, tables, figures, and the pages made of them."""

from .checks import LIMIT, Check, verdict, write_checks
from .escapes import CELLS, LawOf, cells, escape_rows, escape_table, medians, places, time_law
from .linear import LinearMethod
from .page import Page, fill
from .rates import power, power_row, rate_rows, rate_table
from .study import RESULTS, Backend, Size, Study, command, prepare
from .words import command_line, facts, html_list, html_table, html_words, interval, markdown, parts, shown, table_of

__all__ = [
    "CELLS",
    "LIMIT",
    "RESULTS",
    "Backend",
    "Check",
    "LawOf",
    "LinearMethod",
    "Page",
    "Size",
    "Study",
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
    "medians",
    "parts",
    "places",
    "power",
    "power_row",
    "prepare",
    "rate_rows",
    "rate_table",
    "shown",
    "table_of",
    "time_law",
    "verdict",
    "write_checks",
]
