"""Progress as notebooks show it: a bar in the output of the cell, which is gone when the run has ended."""

from __future__ import annotations

import sys
import time
from typing import Any
from uuid import uuid4

PATIENCE = 0.5
"""Seconds that pass before a bar is shown: short runs end without one."""
PAUSE = 0.1
"""Seconds between two changes of it."""


def in_notebook() -> bool:
    """Whether a kernel of Jupyter runs this, whose front end shows what is displayed."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return getattr(shell, "kernel", None) is not None


class Bar:
    """A bar with a line of text beside it."""

    def __init__(self, label: str, total: int) -> None:
        self._label, self._total = label, total
        self._name = uuid4().hex
        self._began = self._last = time.monotonic()
        self._shown = False

    def update(self, completed: int, counts: str) -> None:
        """Shows how far a run is, where a look at it is due."""
        now = time.monotonic()
        if now - self._began < PATIENCE or now - self._last < PAUSE:
            return
        self._last = now
        words = f"{self._label} step {completed:,}/{self._total:,}  {counts}".strip()
        bar = f"<progress value='{completed}' max='{self._total}' style='width: 16em'></progress>"
        self._display({"text/html": f"<div>{bar} <small>{words}</small></div>", "text/plain": words})

    def stop(self) -> None:
        """Takes the bar away."""
        if self._shown:
            self._display({"text/html": "", "text/plain": ""})

    def _display(self, data: dict[str, Any]) -> None:
        from IPython.display import display, update_display

        if self._shown:
            update_display(data, display_id=self._name, raw=True)  # type: ignore[no-untyped-call,unused-ignore]
        else:
            display(data, display_id=self._name, raw=True)  # type: ignore[no-untyped-call,unused-ignore]
        self._shown = True
