"""Who works on what: files that only one can make, touched while their maker lives. No file is locked: not every disk can.

That two work on one shard is possible where a disk or a clock misleads, and harmless: both write the same numbers, each file whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import secrets
import socket
import threading
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import TracebackType

from ..results.files import reason, shown

BEAT = 5.0
"""Seconds between two signs of life."""
SILENT = 120.0
"""Seconds without one after which a holder on another machine is not waited for any longer."""
ALIVE, DEAD, SILENCE = "alive", "dead", "silent"


@cache
def _machine() -> str:
    """This machine since it was started, and what numbers its processes: another container has other processes of the same numbers."""
    found = [platform.node()]
    with contextlib.suppress(OSError):
        found.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with contextlib.suppress(OSError):
        found.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(found)


def _began(pid: int) -> str:
    """When a process of this machine began, in its own units; empty: there is none any more, or nothing says."""
    with contextlib.suppress(OSError, IndexError):
        found = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if found[0] in "ZX" else found[19]  # ended, and its parent has not asked yet
    return ""


@dataclass(frozen=True)
class Holder:
    """Who holds a file."""

    pid: int
    host: str
    machine: str
    began: str
    since: str

    @classmethod
    def me(cls) -> Holder:
        pid = os.getpid()
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return cls(pid, socket.gethostname(), _machine(), _began(pid), now)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


@dataclass(frozen=True)
class Held:
    """A file that somebody holds, or held: ``state`` is alive, dead (a process of this machine that is no more) or silent."""

    holder: Holder
    silence: float
    state: str
    content: bytes

    def __str__(self) -> str:
        return f"{self.holder} (last sign of life {self.silence:.0f} s ago)"


def look(path: Path) -> Held | None:
    """Who holds a file; None: nobody does."""
    try:
        content, silence = path.read_bytes(), max(0.0, time.time() - path.stat().st_mtime)
    except FileNotFoundError:
        return None
    try:
        said = json.loads(content)
        holder = Holder(int(said["pid"]), *(str(said[name]) for name in ("host", "machine", "began", "since")))
    except (ValueError, KeyError, TypeError):  # another program's, or damaged
        holder = Holder(0, "an unknown machine", "", "", "an unknown time")
    if holder.machine == _machine():
        return Held(holder, silence, ALIVE if _lives(holder) else DEAD, content)
    return Held(holder, silence, ALIVE if silence <= SILENT else SILENCE, content)


def _lives(holder: Holder) -> bool:
    """Whether a process of this machine is still there."""
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return not holder.began or _began(holder.pid) == holder.began


class Holding:
    """What this process holds, with signs of life while it is entered; all is let go of at the end."""

    def __init__(self) -> None:
        self._held: dict[Path, bytes] = {}
        self._ended = threading.Event()
        self._heart: threading.Thread | None = None

    def take(self, path: Path, also_silent: bool = True, also_living: bool = False) -> Held | None:
        """Takes a file; or says who holds it. ``also_silent``: from one on another machine that has been silent for long, too."""
        content = json.dumps(asdict(Holder.me())).encode()
        for _ in range(10):
            if _made(path, content):
                self._held[path] = content
                return None
            held = look(path)
            if held is None:
                continue
            if not also_living and (held.state == ALIVE or (held.state == SILENCE and not also_silent)):
                return held
            remove(path, held.content)
        return look(path)

    def let_go(self, path: Path) -> None:
        content = self._held.pop(path, None)
        if content is not None:
            with contextlib.suppress(OSError):
                remove(path, content)

    def __enter__(self) -> Holding:
        self._heart = threading.Thread(target=self._beat, name="ensemble heartbeat", daemon=True)
        self._heart.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._ended.set()
        if self._heart is not None:
            self._heart.join()
        for path in list(self._held):
            self.let_go(path)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            for path in list(self._held):
                with contextlib.suppress(OSError):
                    os.utime(path)


def _made(path: Path, content: bytes) -> bool:
    """Makes a file whole where there is none; whether it was made."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        try:
            part.write_bytes(content)
        except OSError as error:
            failed = OSError(
                f"{shown(path)} cannot be written ({reason(error)}); make room there, or give another place."
            )
            failed.errno = error.errno
            raise failed from error
        try:
            os.link(part, path)
        except FileExistsError:
            return False
        except OSError:  # a place without links
            with contextlib.suppress(FileExistsError), open(path, "xb") as file:
                file.write(content)
                return True
            return False
        return True
    finally:
        part.unlink(missing_ok=True)


def remove(path: Path, content: bytes) -> None:
    """Removes a file that holds ``content``, and puts back another's that has come in its place meanwhile."""
    apart = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        os.rename(path, apart)
    except FileNotFoundError:
        return
    try:
        if apart.read_bytes() != content:
            with contextlib.suppress(OSError):
                os.link(apart, path)
    finally:
        apart.unlink(missing_ok=True)


class StoreInUseError(RuntimeError):
    """Somebody else works on a store, or seems to."""


def in_use(folder: Path, held: Held) -> StoreInUseError:
    """What to say of a store that somebody holds."""
    if held.state == SILENCE:
        return StoreInUseError(
            f"store={shown(folder)} is locked by {held.holder}, another machine, silent for {held.silence / 60:.0f} min. If that "
            f"process is gone, break the lock: python -m ensemble store repair {folder}"
        )
    return StoreInUseError(
        f"store={shown(folder)} is in use by {held}. Wait for it, or work with it: python -m ensemble work {folder}"
    )
