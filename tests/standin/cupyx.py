"""What the library uses of cupyx: see ``cupy``."""

from cupy.memory import PINNED

empty_pinned = PINNED.empty
