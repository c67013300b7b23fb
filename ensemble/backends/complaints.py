"""What a compiler says of a user's own struct, in one line that names the class and where its text says so."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from ..classes import file_of
from .twins import OWN, Twin

_ERROR = re.compile(
    r"^(?P<place>.*?)[:(](?P<line>\d+)\)?(?::\d+)?: (?:fatal |catastrophic )?error\s*(?:#\d+-D\s*)?: (?P<says>.*)$",
    re.MULTILINE,
)
_SPACE = re.compile(r"own_[0-9a-f]{12}")
_LINE = re.compile(r"(own_[0-9a-f]{12})[:(](\d+)")


class KernelError(ValueError):
    """The CUDA struct of a user's class does not compile. ``log``: all that the compiler says."""

    def __init__(self, message: str, log: str) -> None:
        super().__init__(message)
        self.log = log


def explained(error: Exception) -> Exception:
    """The error to raise where a program did not compile: the same, unless the compiler speaks of a user's own struct."""
    log = str(getattr(error, "log", error))
    found = _ERROR.search(log)
    own = [OWN[space] for space in dict.fromkeys(_SPACE.findall(log)) if space in OWN]
    if found is None or not own:
        return error
    says = re.sub(r"own_[0-9a-f]{12}::", "", found["says"]).strip()
    at = _LINE.search(log, found.start()) or _LINE.search(log)
    if at is None or at[1] not in OWN:
        names = " or ".join(dict.fromkeys(twin.kind.__name__ for twin in own))
        return KernelError(f"The kernel of {names} does not compile with the rest of its program: {says}"[:300], log)
    twin = OWN[at[1]]
    return KernelError(
        f"{twin.kind.__name__}.kernel does not compile, line {at[2]}{_place(twin, int(at[2]))}: {says}"[:300], log
    )


def _place(twin: Twin, line: int) -> str:
    """Where a line of a struct stands in the user's files, in brackets; empty where that is not known."""
    if isinstance(vars(twin.kind)["kernel"], Path):
        return f" of {file_of(twin.kind).name}"
    try:
        path = inspect.getsourcefile(twin.kind)
        before, found, _ = Path(path or "").read_text(encoding="utf-8").partition(twin.text)
    except (OSError, TypeError, UnicodeError):
        return ""
    return f" ({Path(path or '').name}:{before.count(chr(10)) + line})" if found else ""
