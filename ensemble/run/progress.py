"""Live progress, Ctrl-C and SIGTERM."""

from __future__ import annotations

import signal
import sys
import threading
import time
import traceback
from types import FrameType, TracebackType
from typing import Any, Self

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from .notebook import Bar, in_notebook
from .watch import Watch, watch


class Reporter:
    """A progress bar with the counts of running, finished and diverged instances; silent where nobody looks.

    ``show`` None: only on a terminal and in a notebook. ``begun`` and ``share`` of the whole: what was done before, and what this is.
    """

    def __init__(self, show: bool | None, label: str, total: int, begun: float = 0.0, share: float = 1.0) -> None:
        self._begun, self._share = begun * total, share
        visible = _seen(sys.stderr) if show is None else show and sys.stderr is not None and not _closed(sys.stderr)
        self._progress: Progress | None = None
        self._bar = Bar(label, total) if show is not False and in_notebook() else None
        if visible and not self._bar:
            from rich.console import Console

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("step {task.completed}/{task.total}  {task.fields[counts]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._progress.add_task(label, total=total, completed=round(self._begun), counts="")

    def __enter__(self) -> Reporter:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self._progress:
            self._progress.stop()
        if self._bar:
            self._bar.stop()

    def update(self, step: int, running: int, finished: int, diverged: int) -> None:
        if self._progress or self._bar:
            counts = f"running {running:,}  finished {finished:,}  diverged {diverged:,}"
            completed = round(self._begun + self._share * step)
            if self._progress:
                self._progress.update(self._task, completed=completed, counts=counts)
            if self._bar:
                self._bar.update(completed, counts)


def _closed(stream: Any) -> bool:
    return bool(getattr(stream, "closed", False))


def _seen(stream: Any) -> bool:
    """Whether a stream is a terminal: there may be none, a closed one, or one of the program's own that cannot say."""
    try:
        return stream is not None and not _closed(stream) and bool(stream.isatty())
    except (AttributeError, OSError, ValueError):
        return False


def raised_by_handler(error: BaseException) -> bool:
    """Whether a signal's handler raised it, such as that of an alarm: it is no error of what ran, and nobody wants to wait for it."""
    handlers = (signal.getsignal(number) for number in signal.valid_signals())
    codes = {code for code in (getattr(handler, "__code__", None) for handler in handlers) if code is not None}
    return any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__))


class Interrupt:
    """While entered, a first Ctrl-C or SIGTERM asks what runs to end soon; a second Ctrl-C raises KeyboardInterrupt.

    Only where nobody else has decided: a signal that is ignored (``command &`` in a script ignores Ctrl-C) stays ignored, and a
    handler of the program's own stays in place and alone says what its signal does. Signals reach the main thread: in other
    threads nothing is caught. A second SIGTERM within :data:`PATIENCE` seconds is taken for the first one, since some senders
    signal a process and then its group; a later one does what it did before. What was there before is always put back.

    Both wait for the kernel that is at work, which writes to memory that would be freed. Where one never returns, a third Ctrl-C, some
    seconds later, ends the process (:mod:`ensemble.run.watch`).
    """

    PATIENCE = 1.0
    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.by = ""
        """The name of the signal that asked, such as SIGINT."""
        self._when = 0.0
        self._before: dict[signal.Signals, Any] = {}
        self._watch: Watch | None = None
        self._late: int | None = None

    @property
    def asked(self) -> bool:
        """Whether what runs is to end."""
        return bool(self.by)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self.by:
            self.by, self._when = signal.Signals(number).name, time.monotonic()
        elif frame is not None and frame.f_code is Interrupt.__exit__.__code__:
            self._late = number  # nothing may be raised there: it would keep the handlers from being put back
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
        elif time.monotonic() - self._when > self.PATIENCE:
            signal.signal(number, self._before.pop(signal.Signals(number)))
            signal.raise_signal(number)

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self
        own = watch()
        try:
            for number in self.SIGNALS:
                before = signal.getsignal(number)
                if before is signal.SIG_DFL or before is signal.default_int_handler:
                    self._before[number] = before
                    signal.signal(number, self._handle)
            if own is not None and own.running is None and signal.SIGINT in self._before:
                self._watch = own
                own.before = signal.set_wakeup_fd(own.wakeup, warn_on_full_buffer=False)
                own.running = self
        except BaseException as error:
            self.__exit__(None, None, None)
            if not isinstance(error, ValueError):  # the main thread of another interpreter
                raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self._watch is not None:
            self._watch.running = None
            signal.set_wakeup_fd(self._watch.before)
            self._watch = None
        while self._before:
            number, before = next(iter(self._before.items()))
            signal.signal(number, before)
            del self._before[number]
        if self._late is not None:
            late, self._late = self._late, None
            signal.raise_signal(late)
