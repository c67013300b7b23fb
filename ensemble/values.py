"""Value: a frozen dataclass that may hold arrays, compared, hashed, copied and pickled by what it holds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np


@dataclass(frozen=True)
class Value:
    """Base of what never changes; its fields of kind ``array`` and ``data`` are read only."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if "__eq__" not in cls.__dict__:  # else each dataclass would make its own, which is not for arrays
            cls.__eq__ = Value.__eq__  # type: ignore[method-assign]
            cls.__hash__ = Value.__hash__  # type: ignore[method-assign]

    def _content(self) -> tuple[Any, ...]:
        values = (getattr(self, f.name) for f in fields(self) if f.compare)
        return tuple((v.shape, (v + 0.0).tobytes()) if isinstance(v, np.ndarray) else v for v in values)

    def __eq__(self, other: object) -> bool:
        """They are equal where they are of one class and their fields, arrays too, hold the same."""
        if self is other:
            return True
        return isinstance(other, Value) and type(self) is type(other) and self._content() == other._content()

    def __hash__(self) -> int:
        return hash((type(self), self._content()))

    def __copy__(self) -> Self:
        return self  # nothing in it ever changes

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock_arrays()

    def _lock_arrays(self) -> None:
        for f in fields(self):
            if f.metadata.get("kind") in ("array", "data"):
                getattr(self, f.name).setflags(write=False)
