"""What a method may not do while it is recorded, told with the line that did it."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from types import FrameType

_LIBRARY = str(Path(__file__).resolve().parents[1])


class TraceError(ValueError):
    """A method does what cannot be recorded: the message names its file, its line and the remedy."""


def failed(message: str) -> TraceError:
    """The error, with the line of the method that is being recorded."""
    return TraceError(f"{place()}{message}"[:300])


def place() -> str:
    """``file:line: `text`: `` of the innermost frame that is not the library's own machinery; empty where there is none."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not _machinery(name):
            text = linecache.getline(name, frame.f_lineno).strip()
            return f"{Path(name).name}:{frame.f_lineno}: {f'`{text[:80]}`: ' if text else ''}"
        frame = frame.f_back
    return ""


def _machinery(name: str) -> bool:
    tail = name[len(_LIBRARY) :].lstrip("/\\") if name.startswith(_LIBRARY) else ""
    parts = Path(tail).parts
    own = bool(parts) and not (parts[0] in ("landscapes", "optimizers") or parts[0] in ("noises.py", "events.py"))
    return own or "numpy" in Path(name).parts or name.startswith("<frozen")
