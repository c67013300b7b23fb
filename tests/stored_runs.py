"""Runs that tests of stores make, and what is compared of them."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import ensemble as en
from ensemble.run.progress import Reporter

ESCAPE = {
    "landscape": en.QuarticSaddle(dim=16),
    "optimizer": en.Adam(lr=en.grid(0.01, 0.03)),
    "noise": en.Gaussian(sigma=0.2),
    "start": en.NormalCloud(scale=0.1),
    "event": en.LeftBall(radius=1.6),
    "instances": 50,
    "steps": 60,
    "seed": 5,
    "backend": "numpy",
    "progress": False,
}


def simulate(**arguments):
    given = ESCAPE | arguments
    if isinstance(given["optimizer"], dict):
        return en.compare(given.pop("optimizer"), **given)
    return en.simulate(**given)


def data_digest(result):
    """SHA-256 of all that was computed: every variable, and the state by which a run goes on."""
    total = hashlib.sha256()
    for name in sorted(map(str, result.dataset.variables)):
        variable = result.dataset[name]
        values = variable.to_numpy()
        text = repr(values.tolist()).encode() if values.dtype.kind in "OU" else np.ascontiguousarray(values).tobytes()
        total.update(f"{name} {variable.dims} {values.dtype}".encode() + text)
    for name, outcome in result.outcomes.items():
        total.update(name.encode())
        for array in (outcome.x, outcome.vectors, outcome.integers, outcome.event_step):
            total.update(f"{array.shape} {array.dtype}".encode() + np.ascontiguousarray(array).tobytes())
        total.update(repr((outcome.reached, outcome.started_inside)).encode())
    return total.hexdigest()


def in_pieces(store, segments=3, **arguments):
    """A stored run that SIGTERM ends after every few segments, each time with a checkpoint; (its result, how often)."""
    update = Reporter.update
    for times in range(1000):
        count = iter(range(10**9))

        def ending(*given, count=count):
            update(*given)
            if next(count) == segments - 1:
                os.kill(os.getpid(), signal.SIGTERM)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Reporter, "update", ending)
            try:
                return simulate(**arguments, store=store, checkpoint=1e6), times
            except en.Stopped as ended:
                code = ended.code
        assert code == 75
    raise AssertionError("it never came to its end")


def python(*arguments, code=None, timeout=120, **options):
    """A process of Python that has ended."""
    command = [sys.executable, *(["-c", code] if code is not None else []), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)
