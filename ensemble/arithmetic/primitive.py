"""Primitives: the operations of whole-vector algebra. They compute with arrays, and are recorded where symbols stand for them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class Recorded:
    """What stands for an array while a method is recorded (``tracing/symbols.py``)."""

    def recorded(self, name: str, *arguments: Any) -> Any:
        """What stands for the result of the primitive ``name`` on ``arguments``."""
        raise NotImplementedError


def primitive(function: F) -> F:
    """A function of arrays that is recorded, by its name, where one of its arguments stands for an array."""
    name = function.__name__

    @functools.wraps(function)
    def called(*arguments: Any, **options: Any) -> Any:
        for argument in arguments:
            if isinstance(argument, Recorded):
                return argument.recorded(name, *arguments, *options.values())
        return function(*arguments, **options)

    return called  # type: ignore[return-value]
