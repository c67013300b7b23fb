"""Words of a study: the paragraphs of its docstring, and the command that runs it again."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from ensemble.report.words import Row


def parts(docstring: str) -> dict[str, str]:
    """The paragraphs of a study's docstring by the word they begin with: Question, Expected, Found; and its Title."""
    found = {"Title": docstring.strip().split("\n")[0]}
    for paragraph in re.split(r"\n\s*\n", docstring):
        name, stop, text = paragraph.strip().partition(". ")
        if stop and name.isalpha():
            found[name] = " ".join(text.split())
    return found


def command_line(script: str, options: Row) -> str:
    """The command that runs a study again: ``python studies/<script> --name value ...``."""
    said = [
        f"--{k}" if v is True else f"--{k} {shlex.quote(str(v))}"
        for k, v in options.items()
        if v is not None and v is not False
    ]
    python = Path(sys.executable).stem or "python"
    return " ".join([re.sub(r"[\d.]+$", "", python), f"studies/{script}", *said])
