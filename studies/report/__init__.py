"""What studies share: the command with its options, laws as checks, tables, figures, and the pages made of them."""

from .checks import LIMIT, Check, verdict, write_checks
from .escapes import CELLS, cells, escape_rows, escape_table, medians, places, time_law
from .page import Page, fill
from .study import RESULTS, Backend, Size, Study, command, prepare
from .words import command_line, facts, html_list, html_table, html_words, interval, markdown, parts, shown, table_of

__all__ = [
    "CELLS",
    "LIMIT",
    "RESULTS",
    "Backend",
    "Check",
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
    "prepare",
    "shown",
    "table_of",
    "time_law",
    "verdict",
    "write_checks",
]
