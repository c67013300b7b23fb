"""Shards run by the workers of a ``distributed.Client``. Nothing of Dask is imported unless one is given."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import secrets
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..results.files import seal_of, shown
from ..results.history import code
from ..run.engines import engine_for
from ..run.experiment import Experiment
from ..run.progress import Interrupt, Reporter
from ..version import __version__
from ..words import told
from .locks import Holding
from .shards import Range
from .working import TRIES, Ending, Work, failed

AHEAD = 3
"""Tasks that the scheduler knows of for each thread of the workers: it has no more to remember, and no worker waits."""
LOOKS = 0.25
"""Seconds until it is looked again whether the run is to end."""
LONELY = 60.0
"""Seconds without any worker after which it is said that the run waits for one."""


class ShardsFailedError(RuntimeError):
    """Some shards failed three times; all others are in the store. ``reasons``: (first instance, last instance, why)."""

    def __init__(self, folder: Path, reasons: list[tuple[int, int, str]]) -> None:
        said = "; ".join(f"instances {first} to {last}: {why}" for first, last, why in reasons[:3])
        more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        super().__init__(
            f"store={shown(folder)}: {len(reasons)} shards failed {TRIES} times ({said}{more}). All others are there; the same call "
            f"tries these again."
        )
        self.reasons = reasons


@dataclass(frozen=True)
class Job:
    """What a worker needs to know beside the shard."""

    folder: Path
    settings: Mapping[str, Experiment]
    at: Mapping[str, list[int]]
    size: int
    options: Mapping[str, Any]
    every: float
    code: str
    version: str


_one_at_a_time = threading.Lock()


class _Waiting:
    """Says once, each time the last worker has gone, that nobody works: the scheduler would wait for ever without a word."""

    def __init__(self, client: Any) -> None:
        self._client, self._since, self._said = client, time.monotonic(), False

    def look(self, shards: int) -> None:
        if self._client.nthreads():
            self._since, self._said = time.monotonic(), False
        elif not self._said and time.monotonic() - self._since > LONELY:
            self._said = True
            warnings.warn(
                f"client: it has had no worker for {LONELY:.0f} s, and {shards} shards wait for one; start workers, or end the run "
                f"by Ctrl-C: the same call goes on from the shards that are there.",
                stacklevel=2,
            )


def run_shard(job: Job, one: Range) -> tuple[str, str]:
    """A task: runs a shard on a worker and writes its file; (its name, the digest of its bytes).

    Raises:
        RuntimeError: the worker has another version of this package.
    """
    if code() != job.code:
        raise RuntimeError(
            f"a worker has descent-ensemble {__version__} (code {code()[:8]}), and the client {job.version} (code {job.code[:8]}); "
            f"install the same on both"
        )
    options = dict(job.options)
    engine, options["backend_reason"] = engine_for(options["backend"], options["threads"], job.settings.values())
    work = Work(job.folder, dict(job.settings), dict(job.at), job.size, options, engine, job.every, show=False)
    work.folders()
    with Holding() as holding:
        holding.take(
            one.claim(work.folder), also_living=True
        )  # the scheduler gives a shard away again only if its worker is lost
        if not work.done(one):
            with Interrupt() as interrupt, _engine(engine), _context(engine):
                work.run(one, interrupt)
    return one.shard(work.folder).name, seal_of(one.shard(work.folder))


@contextlib.contextmanager
def _context(engine: Any) -> Iterator[None]:
    """Ends the process of a worker whose GPU's context is lost, as an illegal access leaves it: nothing would run there any more, and
    it would fail shard after shard. Its nanny starts another.
    """
    try:
        yield
    except Exception as error:
        if engine.is_of_device(error):
            try:
                engine.wait()
            except Exception as lost:
                print(
                    f"ensemble: the context of the GPU is lost ({lost}); this worker ends.", file=sys.stderr, flush=True
                )
                os._exit(1)
        raise


def _engine(engine: Any) -> Any:
    """One shard of a device at a time: two would share its memory."""
    return contextlib.nullcontext() if engine.on_host else _one_at_a_time


def checked_client(client: object) -> Any:
    """A client, or that of a cluster, found by their classes' names.

    Raises:
        TypeError: it is something else.
    """
    kinds = {k.__name__ for k in type(client).__mro__ if k.__module__.partition(".")[0] == "distributed"}
    given: Any = client
    if client is None or "Client" in kinds:
        return given
    if "Cluster" in kinds:
        return given.get_client()
    raise TypeError(
        f"client={told(client)}: give a distributed.Client or a cluster (pip install 'descent-ensemble[distributed]'), such as "
        f"en.cluster.local_gpus()."
    )


def by_workers(
    work: Work, client: Any, ending: Ending, part: tuple[int, int] | None, task: Callable[..., Any] = run_shard
) -> None:
    """Has the workers of a client do what is missing, each by a ``task``. A lost worker's shard is run again by another.

    Raises:
        ShardsFailedError: some failed three times; the others are there.
        OSError: workers write where this process cannot read.
    """
    job = Job(
        work.folder.resolve(),
        work.settings,
        work.at,
        work.size,
        _for_workers(work.options),
        work.every,
        code(),
        __version__,
    )
    killed: Any = importlib.import_module("distributed.scheduler").KilledWorker
    todo = work.missing(part)
    total, tries, wrong = len(work.shards(part)), dict.fromkeys(todo, 0), list[tuple[int, int, str]]()
    left = iter(todo)
    with Reporter(work.show, "shards", total, begun=(total - len(todo)) / max(total, 1)) as reporter:
        running: dict[Any, Range] = {}
        finished, waiting = 0, _Waiting(client)
        try:
            while not ending.asked:
                waiting.look(len(todo) - finished - len(wrong))
                for one in _some(left, AHEAD * _threads(client) - len(running)):
                    running[_submitted(client, task, job, one)] = one
                if not running:
                    break
                for future in _done(running):
                    one = running.pop(future)
                    if future.status == "finished":
                        finished += 1
                        _check(work, one, *future.result())
                        reporter.update(finished, len(running), finished, len(wrong))
                        continue
                    error = future.exception()
                    tries[one] += 1
                    if isinstance(error, killed) and tries[one] < TRIES and not one.claim(work.folder).exists():
                        # The scheduler blames all that waited at a worker which ended; this one never began there.
                        running[_submitted(client, task, job, one)] = one
                        continue
                    failed(work.folder, one, error)
                    if tries[one] < TRIES and not isinstance(error, killed):
                        running[_submitted(client, task, job, one)] = one
                    else:
                        wrong.append((one.first, one.last, f"{type(error).__name__}: {error}"[:200]))
        finally:
            if running:
                with contextlib.suppress(Exception):  # the scheduler may be gone
                    client.cancel(list(running))
    if wrong:
        raise ShardsFailedError(work.folder, sorted(wrong))


def _for_workers(options: Mapping[str, Any]) -> dict[str, Any]:
    """A task has a thread of its worker, and takes no more of the processor than that."""
    return dict(options) | {"threads": options["threads"] or 1}


def _threads(client: Any) -> int:
    return max(1, sum(client.nthreads().values()))


def _submitted(client: Any, task: Callable[..., Any], job: Job, one: Range) -> Any:
    return client.submit(task, job, one, pure=False, key=f"shard-{one.name}-{secrets.token_hex(4)}")


def _some(left: Iterator[Range], count: int) -> list[Range]:
    return list(itertools.islice(left, max(count, 0)))


def _done(running: Mapping[Any, Range]) -> list[Any]:
    """The futures that have ended, after a moment in which some may."""
    distributed: Any = importlib.import_module("distributed")
    with contextlib.suppress(TimeoutError):
        distributed.wait(list(running), timeout=LOOKS, return_when="FIRST_COMPLETED")
    return [future for future in running if future.done()]


def _check(work: Work, one: Range, name: str, digest: str) -> None:
    """Refuses what a worker has written where nobody else sees it."""
    path = one.shard(work.folder)
    with contextlib.suppress(OSError):
        if path.name == name and seal_of(path) == digest:
            return
    raise OSError(
        f"store={shown(work.folder)}: a worker has written {name}, which is not there: give a folder on a disk that all of them share."
    )
