"""Work shared among threads: one crew for the whole process, whichever engine asks, made anew in a forked child."""

from __future__ import annotations

import os
import threading
from _thread import start_new_thread
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")

LOOKS_AGAIN = 0.05
"""Seconds after which one who waits for a thread looks for itself: an interrupt may have swallowed the news that it ended."""


class Crew:
    """Threads that wait for tasks: as many as were ever busy at once, and no more.

    Nobody need join them: whoever shares work waits for those that have begun, and does alone what none begins. They are
    started without ``threading.Thread``, which waits for its thread to begin: an interrupt may strike there, or a fork.
    """

    def __init__(self) -> None:
        self._tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = threading.Lock()
        self._given: set[Callable[[], None]] = set()
        self._threads: set[int] = set()

    def hand(self, task: Callable[[], None]) -> None:
        """Gives a task to a thread that is free, or to a new one; where none can be had it may never begin."""
        with self._lock:
            self._given.add(task)
            short = len(self._given) > len(self._threads)
        if short:
            try:
                self._threads.add(start_new_thread(self._serve, ()))
            except RuntimeError:  # the system has no more, or Python is about to end
                return
        self._tasks.put(task)

    def over(self, task: Callable[[], None]) -> None:
        """Says that a task needs no thread any more, whether it was handed out, has ended or never begins."""
        self._given.discard(task)

    def _serve(self) -> None:
        self._threads.add(threading.get_ident())  # here too: an interrupt may strike the one who started it
        while True:
            task = self._tasks.get()
            task()
            self.over(task)
            del task  # one who waits holds no arrays


_crew = Crew()


def _renew() -> None:
    global _crew
    _crew = Crew()  # a forked child has none of the parent's threads, and the lock may have been held


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


class _Helper:
    """A task that takes pieces of shared work, one after another, until none is left."""

    def __init__(self, pieces: Iterator[T], do: Callable[[T], object]) -> None:
        self._work: tuple[Iterator[T], Callable[[T], object]] | None = (pieces, do)
        self._running = self._dismissed = False
        self._over = threading.Lock()
        self._over.acquire()
        self.error: BaseException | None = None

    def __call__(self) -> None:
        self._running = True  # said before asking: either the one who dismisses sees it, or this sees the dismissal
        try:
            if not self._dismissed and self._work:
                pieces, do = self._work
                try:
                    for piece in pieces:
                        do(piece)
                except BaseException as error:  # raised again where the work was shared
                    self.error = error
                    exhaust(pieces)
        finally:
            self._running = False
            self._over.release()

    def dismiss(self, crew: Crew) -> None:
        """Returns when it is not at work, and never will be."""
        self._dismissed = True
        while self._running and crew is _crew:
            self._over.acquire(timeout=LOOKS_AGAIN)
        self._work = None  # a task that never began still waits, and must not hold arrays
        crew.over(self)


def exhaust(pieces: Iterator[T]) -> None:
    """Takes all that is left, so that nobody does it."""
    for _ in pieces:
        pass


def share(pieces: Iterable[T], doers: Sequence[Callable[[T], object]]) -> None:
    """Does every piece once: the first doer in this thread, the others in threads of the crew.

    ``pieces``: what :func:`iter` takes as one step, such as a range or a list. Whatever ends the work, an error or an interrupt,
    nothing leaves here while a doer is at work in memory that the caller may free: no more pieces are taken, those begun are
    waited for, and then the error goes on.

    RuntimeError: the process was forked within, and this is the child.
    """
    crew, left = _crew, iter(pieces)
    helpers = [_Helper(left, do) for do in doers[1:]]
    late: BaseException | None = None
    try:
        for helper in helpers:
            crew.hand(helper)
        for piece in left:
            doers[0](piece)
    finally:
        # Interrupts strike at calls and where a loop goes back. The outer loop is there for the one that strikes just where the
        # inner one, which another has interrupted, goes back: it would leave while others are at work.
        while True:
            try:
                while True:
                    try:
                        exhaust(left)
                        for helper in helpers:
                            helper.dismiss(crew)
                        break
                    except BaseException as error:
                        late = error
                break
            except BaseException as error:
                late = error
    if crew is not _crew:
        raise RuntimeError("The process was forked in the middle of a run; only the parent can go on with it.")
    for found in (late, *(helper.error for helper in helpers)):
        if found is not None:
            raise found
