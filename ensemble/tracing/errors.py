"""What a method may not do while it is recorded, told with the line that did it."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from types import FrameType

import numpy as np

_LIBRARY = str(Path(__file__).resolve().parents[1])
_NUMPY = str(Path(np.__file__).parent)


class TraceError(ValueError):
    """A method does what cannot be recorded: the message names its file, its line and the remedy."""


def failed(message: str) -> TraceError:
    """The error, with the line of the method that is being recorded."""
    return TraceError(f"{place()}{message}"[:300])


def place() -> str:
    """``file:line: `text`: `` of the innermost frame that is not the library's own machinery; empty where there is none."""
    frame = user_frame()
    if frame is None:
        return ""
    name = frame.f_code.co_filename
    text = linecache.getline(name, frame.f_lineno).strip()
    return f"{Path(name).name}:{frame.f_lineno}: {f'`{text[:80]}`: ' if text else ''}"


def user_frame() -> FrameType | None:
    """The innermost frame that is not the library's own machinery, nor what makes an object."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (machinery(frame.f_code.co_filename) or frame.f_code.co_name == "__init__"):
        frame = frame.f_back
    return frame


def machinery(name: str) -> bool:
    """Whether a file is the library's or NumPy's own, and no part that is written as a user writes one."""
    tail = name[len(_LIBRARY) :].lstrip("/\\") if name.startswith(_LIBRARY) else ""
    parts = Path(tail).parts
    own = bool(parts) and not (parts[0] in ("landscapes", "optimizers") or parts[0] in ("noises.py", "events.py"))
    return own or name.startswith((_NUMPY, "<frozen"))
