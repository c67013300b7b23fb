"""The reference: every public name that the catalogue does not have, a page for each purpose."""

from __future__ import annotations

import inspect
from types import ModuleType

import ensemble as en
from ensemble import plots, report
from ensemble.part import Part

from .running import DOCS, written

FOLDER = DOCS / "reference"
RUNNING = (
    "simulate",
    "compare",
    "Result",
    "Record",
    "log_spaced",
    "lin_spaced",
    "load",
    "open",
    "replay",
    "UnfinishedError",
    "UnreadableFileError",
)
SWEEPS = ("grid", "zipped")
OWN = (
    "landscape",
    "finite_sum",
    "from_sympy",
    "check",
    "source",
    "find_stationary_points",
    "StationaryPoint",
    "Stream",
)
BASES = ("Landscape", "FiniteSum", "Optimizer", "Noise", "Start", "Event", "Schedule")


def in_catalogue() -> list[str]:
    """Public parts but the bases of their kinds: their entries are in the catalogue."""
    return [
        n for n in en.__all__ if n not in BASES and inspect.isclass(getattr(en, n)) and issubclass(getattr(en, n), Part)
    ]


def others() -> list[str]:
    """Public names of the top level that no list here names: the words of the algebra have a page, the rest stand with what runs."""
    known = {*RUNNING, *SWEEPS, *OWN, *BASES, *in_catalogue(), *en.algebra.__all__}
    return [n for n in en.__all__ if n not in known and not inspect.ismodule(getattr(en, n))]


def directive(module: str, name: str, thing: object) -> list[str]:
    what = "autoclass" if inspect.isclass(thing) else "autofunction" if callable(thing) else "autodata"
    members = ["   :members:", "   :exclude-members: set"] if inspect.isclass(thing) else []
    return [f".. {what}:: {module}.{name}", *members, ""]


def entries(module: ModuleType, names: list[str]) -> list[str]:
    lines = [f".. currentmodule:: {module.__name__}", ""]
    for name in names:
        lines += directive(module.__name__, name, getattr(module, name))
    return lines


def laws() -> list[str]:
    module = en.statistics.laws
    return list(getattr(module, "__all__", [n for n in vars(module) if not n.startswith("_")]))


def pages() -> dict[str, list[str]]:
    """File name -> title, a line of text, and directives."""
    statistics = [n for n in en.statistics.__all__ if n != "laws"]
    own = [".. autoclass:: ensemble.run.plan.Plan", "", ".. autoclass:: ensemble.run.field.Field", "   :members:", ""]
    words = {
        "running": ("Running, results, records", "Everything that starts a run, and what comes out of it."),
        "sweeps": ("Sweeps", "Many values of any number of any part in one run; see :doc:`/how/sweeps`."),
        "own": ("Functions and parts of your own", "See :doc:`/own_parts`."),
        "algebra": (
            "Words of the algebra",
            "What a part is written in, beside ``+ - * /`` and NumPy's own; x is (instances, dim).",
        ),
        "statistics": ("Statistics", "Their formulas in one place: :doc:`/statistics`."),
        "laws": (
            "Laws",
            "What ensembles must reproduce: ``en.statistics.laws``. Steps count from 1; sigma is the noise of one gradient.",
        ),
        "plots": ("Pictures", "``from ensemble import plots``; needs matplotlib."),
        "report": ("Pages", "``en.report``; needs matplotlib, and for formulas latex2mathml."),
    }
    found = {
        "running": [*entries(en, [*RUNNING, *others()]), *own],
        "sweeps": entries(en, list(SWEEPS)),
        "own": entries(en, [*OWN, *BASES]),
        "algebra": entries(en, list(en.algebra.__all__)),
        "statistics": entries(en.statistics, statistics),
        "laws": entries(en.statistics.laws, laws()),
        "plots": entries(plots, list(plots.__all__)),
        "report": entries(report, list(report.__all__)),
    }
    return {name: [*words[name], *found[name]] for name in words}


def documented() -> set[str]:
    """Full names that have an entry, of catalogue and reference."""
    lines = [line for page in pages().values() for line in page]
    return {line.split(":: ")[1] for line in lines if line.startswith(".. auto")} | {
        f"ensemble.{n}" for n in in_catalogue()
    }


def write() -> None:
    found = pages()
    for name, (title, words, *lines) in found.items():
        written(FOLDER / f"{name}.rst", "\n".join([title, "=" * len(title), "", words, "", *lines]))
    index = [
        "Reference",
        "=========",
        "",
        "Every public name with its arguments, shapes, units, errors and source. Parts stand in the :doc:`catalogue </catalogue/index>`.",
    ]
    written(
        FOLDER / "index.rst",
        "\n".join([*index, "", ".. toctree::", "   :maxdepth: 2", "", *(f"   {name}" for name in found), ""]),
    )
