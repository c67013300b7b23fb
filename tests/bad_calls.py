"""What a bad call is and what its message must be; the good runs that bad calls are made of."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import NamedTuple

import pytest

import ensemble as en

PACKAGE = Path(en.__file__).parent
RUN = {
    "landscape": en.QuarticSaddle(dim=3),
    "optimizer": en.GradientDescent(lr=0.1),
    "noise": en.Gaussian(sigma=0.2),
    "start": en.NormalCloud(scale=0.1),
    "event": en.LeftBall(radius=0.5),
    "instances": 12,
    "steps": 30,
    "backend": "numpy",
    "progress": False,
}
RULES = {"a": en.GradientDescent(0.1), "b": en.HeavyBall(0.1)}
SHARED = {name: value for name, value in RUN.items() if name != "optimizer"}
RESULT = en.simulate(**RUN | {"optimizer": en.GradientDescent(en.grid(0.1, 0.2)), "paired": False})
PAIRED = en.simulate(**RUN | {"optimizer": en.GradientDescent(en.grid(0.1, 0.2))})
COMPARED = en.compare(RULES, **SHARED)


class Row(NamedTuple):
    """``says``: regular expressions, all found in the message: what was given, and what to give."""

    argument: str
    call: object
    says: tuple[str, ...]


def row(argument, call, *says):
    return Row(argument, call, says)


def complaint(call):
    """The message of the error that a call raises, after a look at where it comes from."""
    with pytest.raises((ValueError, TypeError, AttributeError, OSError, RuntimeError, MemoryError)) as caught:
        call()
    raised_in = Path(traceback.extract_tb(caught.value.__traceback__)[-1].filename)
    message = str(caught.value)
    assert PACKAGE in raised_in.parents, f"raised inside {raised_in}: {message}"
    assert message
    assert "\n" not in message, f"more than one line: {message}"
    assert len(message) < 600, message
    return message
