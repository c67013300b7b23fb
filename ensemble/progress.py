"""Live progress and Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class Reporter:
    """A progress bar with the counts of running, finished and diverged instances; silent where nobody looks.

    ``show`` None: only on a terminal.
    """

    def __init__(self, show: bool | None, label: str, total: int) -> None:
        visible = sys.stderr.isatty() if show is None else show
        self._progress: Progress | None = None
        if visible:
            from rich.console import Console

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("step {task.completed}/{task.total}  {task.fields[counts]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._progress.add_task(label, total=total, counts="")

    def __enter__(self) -> Reporter:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self._progress:
            self._progress.stop()

    def update(self, step: int, running: int, finished: int, diverged: int) -> None:
        if self._progress:
            counts = f"running {running:,}  finished {finished:,}  diverged {diverged:,}"
            self._progress.update(self._task, completed=step, counts=counts)


class Interrupt:
    """While entered, the first Ctrl-C asks the run to end after its segment; a second one raises KeyboardInterrupt."""

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
