"""Rows of bad input to sets of data."""

from __future__ import annotations

from functools import partial

import numpy as np
from bad_calls import row

import ensemble as en

X, Y = np.arange(20.0).reshape(10, 2), np.arange(10) % 2
MAKERS = {"split": partial(en.data.split, X, Y), "load": partial(en.data.load, "iris"), "teacher": en.data.teacher,
          "gaussian_mixture": en.data.gaussian_mixture}  # fmt: skip
ROWS = [
    *(row("data.load.name", partial(en.data.load, bad), "load", "give one of 'iris', 'wine'") for bad in ("mnist", None, 3)),
    *(row("data.split.X", partial(en.data.split, bad, Y), "X", "give numbers|leave those samples out|at least two")
      for bad in (None, np.zeros(10), np.zeros((10, 0)), "x", X + np.nan)),
    *(row("data.split.y", partial(en.data.split, X, bad), "y", "give")
      for bad in (None, Y[:9], np.ones(10, dtype=int), np.arange(10), "labels")),
    row("data.split.y", partial(en.data.split, X, Y + np.nan), "y has 10 numbers", "leave those samples out"),
    row("data.split.y", partial(en.data.split, X, np.eye(10, dtype=int)[3], test=0.5, seed=3), "of one class", "give more samples"),
    row("data.split.name", partial(en.data.split, X, Y, name=3), "name=3", "give a text"),
    *(row(f"data.{n}.test", partial(f, test=bad), f"test={bad!r}", "give a share")
      for n, f in MAKERS.items() for bad in (1, -0.1, "all", None)),
    *(row(f"data.{n}.seed", partial(f, seed=bad), f"seed={bad!r}", "give a whole number")
      for n, f in MAKERS.items() for bad in (-1, 0.5, None)),
    *(row(f"data.{n}.label_noise", partial(f, label_noise=bad), f"label_noise={bad!r}", "give")
      for n, f in MAKERS.items() for bad in (-0.1, float("inf"), "some")),
    *(row(f"data.{n}.standardize", partial(MAKERS[n], standardize=bad), f"standardize={bad!r}", "True or False")
      for n in ("split", "load") for bad in (1, "yes")),
    *(row(f"data.{n}.{a}", partial(MAKERS[n], **{a: bad}), f"{a}={bad!r}", "give a whole number")
      for n in ("teacher", "gaussian_mixture") for a in ("samples", "columns") for bad in (0, 1.5, "many")),
    *(row("data.teacher.hidden", partial(en.data.teacher, hidden=bad), f"hidden={bad!r}", "give") for bad in (-1, 0.5)),
    *(row("data.teacher.classes", partial(en.data.teacher, classes=bad), f"classes={bad!r}", "give 0") for bad in (1, 3, True)),
    *(row("data.teacher.noise", partial(en.data.teacher, noise=bad), f"noise={bad!r}", "give") for bad in (-1.0, "loud")),
    row("data.gaussian_mixture.classes", partial(en.data.gaussian_mixture, classes=1), "classes=1", "give"),
    row("data.gaussian_mixture.columns", partial(en.data.gaussian_mixture, columns=2, classes=3), "columns=2", "as many columns"),
    row("data.gaussian_mixture.separation", partial(en.data.gaussian_mixture, separation=-1.0), "separation=-1", "give"),
]  # fmt: skip
