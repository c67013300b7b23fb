"""Our own runs of the same work, one contestant per backend."""

from collections.abc import Callable
from typing import Any

import numpy as np

import ensemble as en
from peers.own import LANDSCAPES
from peers.work import Contestant, Outcome, Run, Work


def arguments(work: Work, steps: int, backend: str, seed: int = 0) -> dict[str, Any]:
    """What `simulate` is given for this work."""
    catalogue = {"QuarticSaddle": en.QuarticSaddle, "Rosenbrock": en.Rosenbrock}
    landscape = catalogue[work.landscape](dim=work.dim) if work.landscape in catalogue else LANDSCAPES[work.landscape]
    optimizer = en.Adam(lr=work.lr) if work.optimizer == "Adam" else en.HeavyBall(lr=work.lr, beta=0.9)
    return {
        "landscape": landscape,
        "optimizer": optimizer,
        "noise": en.Gaussian(sigma=work.sigma),
        "start": en.NormalCloud(scale=work.start),
        "event": en.Never(),
        "instances": work.instances,
        "steps": steps,
        "seed": seed,
        "backend": backend,
        "dtype": work.dtype,
    }


Arguments = Callable[..., dict[str, Any]]


def prepared(backend: str, of: Arguments = arguments) -> Callable[[Work, int], Run]:
    """`prepare` of our form, of what `of` gives `simulate`: the first call compiles or finds the compiled kernel."""

    def prepare(work: Work, steps: int) -> Run:
        def run(seed: int) -> Outcome:
            dataset = en.simulate(**of(work, steps, backend, seed)).dataset
            return Outcome(np.asarray(dataset["x"]), int((np.asarray(dataset["status"]) == 2).sum()))

        en.simulate(**of(work, 1, backend))
        return run

    return prepare


def present(backends: list[str]) -> tuple[list[str], dict[str, str]]:
    """Which of these backends run here, and why the others do not."""
    usable, absent = [], {}
    for backend in backends:
        try:
            en.simulate(**arguments(Work("QuarticSaddle", "Adam", 16, 4), 2, backend))
            usable.append(backend)
        except Exception as error:  # whatever keeps a backend from running here is the answer itself
            absent[backend] = str(error)
    return usable, absent


def contestants(backends: list[str], of: Arguments = arguments) -> list[Contestant]:
    """One contestant per backend."""
    return [Contestant(f"ensemble, {name}", prepared(name, of), f"ensemble {name}") for name in backends]
