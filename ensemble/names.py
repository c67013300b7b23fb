"""What others call the things here: the name to give, where one is given that another library has."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

TOP = {
    "SGD": "GradientDescent, with a noise",
    "GD": "GradientDescent",
    "NAG": "Nesterov",
    "Polyak": "HeavyBall",
    "AdaDelta": "Adadelta",
    "Langevin": "SGLD",
    "StepLR": "StepDecay",
    "MultiStepLR": "Piecewise",
    "OneCycleLR": "OneCycle",
    "CosineAnnealingWarmRestarts": "WarmRestarts",
    "ExponentialLR": "ExponentialDecay",
    "CosineAnnealingLR": "Cosine",
    "run": "simulate",
    "stats": "statistics",
    "plot": "plots",
    "plt": "plots",
}
"""Names of other libraries -> ours."""
FIELDS = {
    "learning_rate": ("lr",),
    "step_size": ("lr",),
    "stepsize": ("lr",),
    "eta": ("lr",),
    "alpha": ("lr",),
    "betas": ("beta1", "beta2"),
    "b1": ("beta1",),
    "b2": ("beta2",),
    "momentum": ("beta",),
    "epsilon": ("eps",),
    "wd": ("weight_decay",),
    "decay": ("weight_decay",),
    "std": ("sigma", "scale"),
    "n": ("dim",),
    "d": ("dim",),
    "dimension": ("dim",),
    "num_steps": ("steps",),
    "n_steps": ("steps",),
}
"""Names that other libraries give to numbers -> ours, of which a part has some."""

VALUES = {"gpu": "cuda", "cupy": "cuda", "nvidia": "cuda", "float": "float32", "double": "float64", "single": "float32"}
"""Values that others give -> ours."""


def instead(name: str, known: Iterable[str]) -> str:
    """``; give ...`` where another of the ``known`` names is meant, else nothing."""
    if name in TOP:
        return f"; give {TOP[name]}"
    known = list(known)
    folded = {one.lower().replace("_", ""): one for one in known}
    same = folded.get(name.lower().replace("_", ""))
    near = [same] if same else difflib.get_close_matches(name, known, 1, 0.8)
    return f"; give {near[0]}" if near else ""


def field_instead(name: str, known: Iterable[str]) -> str:
    """What to give in place of an argument that a part lacks: the one that is meant, or all that it has."""
    known = list(known)
    meant = [one for one in FIELDS.get(name, ()) if one in known] or difflib.get_close_matches(name, known, 1, 0.7)
    if meant:
        return f"give {' and '.join(f'{one}=' for one in meant)}"
    return f"it has {', '.join(f'{one}=' for one in known)}" if known else "it takes none"
