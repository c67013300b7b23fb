"""Ctrl-C seen by a thread of its own: where a kernel never returns, Python's own handlers are not called."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading

PATIENCE = 2.0
"""Seconds that what runs has to end after a second Ctrl-C; a segment takes less."""
SAID = (
    "ensemble: what runs has not ended {0:g} s after a second Ctrl-C, so a kernel may never return. Press Ctrl-C once more to end "
    "the process; what is in its memory is lost then.\n"
)


class Watch:
    """Sees the signals that reach this process, and may end it: a thread cannot be ended, nor may it be left in memory that is freed.

    ``running``: what asks for it, None where nothing does.
    """

    def __init__(self) -> None:
        read, self.wakeup = os.pipe()
        os.set_blocking(self.wakeup, False)
        self.running: object = None
        self.before = -1
        """Whoever else is told of signals, such as an event loop."""
        threading.Thread(target=self._look, args=(read,), name="ensemble Ctrl-C", daemon=True).start()

    def _look(self, read: int) -> None:
        asked_by: object = None
        presses, said, timeout = 0, False, None
        poll = select.poll()
        poll.register(read, select.POLLIN)
        while True:
            if not poll.poll(timeout):
                timeout = None
                if self.running is not None and self.running is asked_by:
                    said = True
                    with contextlib.suppress(Exception):  # there may be none
                        print(SAID.format(PATIENCE), end="", file=sys.stderr, flush=True)
                continue
            numbers = os.read(read, 64)
            if self.before >= 0:
                with contextlib.suppress(OSError):
                    os.write(self.before, numbers)
            if self.running is None or self.running is not asked_by:
                asked_by, presses, said, timeout = self.running, 0, False, None
            presses += numbers.count(signal.SIGINT)
            if said and signal.SIGINT in numbers:
                os._exit(128 + signal.SIGINT)
            if presses >= 2 and not said:
                timeout = 1e3 * PATIENCE


_lock = threading.Lock()
_watch: Watch | None = None


def watch() -> Watch | None:
    """The process's own, begun when it is first asked for; None where there is none."""
    global _watch
    if os.name != "posix":
        return None
    with _lock:
        if _watch is None:
            try:
                _watch = Watch()
            except (OSError, RuntimeError):  # no more pipes or threads
                return None
        return _watch


def _renew() -> None:
    """A forked child has none of the parent's threads, and tells the parent's of no signal of its own."""
    global _lock, _watch
    if _watch is not None and (told := signal.set_wakeup_fd(-1)) != _watch.wakeup:
        signal.set_wakeup_fd(told)
    _lock, _watch = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
