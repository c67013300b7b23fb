"""The figure that every function here returns: it keeps the data it shows, is saved with them, and is seen in notebooks."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..words import told

STYLE: Any = {
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.hashsalt": "descent-ensemble",
}
STANDARD = dict(STYLE)
LOOKS: dict[str, Any] = {
    "standard": {},
    "paper": {
        "font.family": "serif",
        "font.serif": ["Latin Modern Roman", "CMU Serif", "STIXGeneral", "DejaVu Serif"],
        "mathtext.fontset": "cm",
        "savefig.dpi": 300,
    },
    "talk": {
        "font.size": 11.0,
        "axes.titlesize": 9.0,
        "axes.linewidth": 1.0,
        "lines.linewidth": 2.2,
        "lines.markersize": 6,
        "savefig.dpi": 300,
    },
}
"""Name of a style -> what differs from the standard one."""
FORMATS = ("png", "svg")
"""What is written where nothing else is asked for."""
SCREEN = 150
"""Pixels of a notebook for an inch of paper: type of 7.5 pt is then as large as the text around it."""

Rows = list[dict[str, Any]]


def style(name: str = "standard") -> None:
    """Sets how the pictures made from here on look: ``standard``, ``paper`` or ``talk``.

    ``paper`` has the serif type of LaTeX where it is installed, else one like it, at 300 dpi; ``talk`` has larger type and thicker
    lines, on figures a quarter larger. Pictures made before stay as they are. ValueError for another name.
    """
    if not isinstance(name, str) or name not in LOOKS:
        raise ValueError(f"style({told(name)}): give one of {', '.join(map(repr, LOOKS))}.")
    STYLE.clear()
    STYLE.update(STANDARD | LOOKS[name])


def enlarged() -> float:
    """How many times as large as the standard one a figure's sides are in the style that is set."""
    return 1.25 if float(STYLE["font.size"]) > float(STANDARD["font.size"]) else 1.0


class Picture(Figure):
    """A figure with the data it shows, ``rows``: one for each point drawn."""

    def __init__(self, width: float, height: float, **options: Any) -> None:
        super().__init__(figsize=(enlarged() * width, enlarged() * height), **options)
        FigureCanvasAgg(self)
        self.rows: Rows = []
        self.style: Any = dict(STYLE)

    def show(self, warn: bool = True) -> None:
        """Opens a window with the picture, or shows it in a notebook. RuntimeError where there is neither: save it."""
        from matplotlib import pyplot

        if "inline" in pyplot.get_backend():
            from IPython.display import display

            display(self)  # type: ignore[no-untyped-call,unused-ignore]
            return
        if pyplot.get_backend().lower() in ("agg", "pdf", "svg", "ps", "cairo", "template"):
            raise RuntimeError(
                f"show(): no window can be opened here (matplotlib's backend is {pyplot.get_backend()}); write the picture to a file: "
                f"plots.save(figure, 'name')."
            )
        window = pyplot.figure(figsize=self.get_size_inches()).canvas.manager
        assert window is not None
        window.canvas.figure = self
        self.set_canvas(window.canvas)
        with rc_context(self.style):
            pyplot.show()
        FigureCanvasAgg(self)

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """The picture as notebooks show it."""
        file = io.BytesIO()
        with rc_context(self.style):
            self.savefig(file, format="png")
        return file.getvalue(), {"width": round(SCREEN * self.get_figwidth())}


def table(figure: Figure) -> Rows:
    """What a figure of this module shows: one row for each point drawn. ValueError for any other figure."""
    if not isinstance(figure, Picture):
        raise ValueError("table: this figure was not made here; give one that a function of ensemble.plots returned.")
    return figure.rows


def save(figure: Figure, path: str | os.PathLike[str], formats: str | Sequence[str] | None = None) -> list[Path]:
    """Writes the figure in each format, and its data as ``.csv`` beside them; returns the files.

    ``path`` with the ending of a format is written in that one; without, ``formats`` are written, each with its ending: PNG at
    200 dpi and SVG where None. ValueError where a format is unknown, or ``path`` ends in another than ``formats`` name;
    OSError where the folder is not there.
    """
    rows, base = table(figure), _path(path)
    known = sorted(figure.canvas.get_supported_filetypes())
    ending = base.suffix[1:].lower()
    if formats is None:
        wanted: tuple[str, ...] = (ending,) if ending in known else FORMATS
    else:
        wanted = (formats,) if isinstance(formats, str) else tuple(formats) if isinstance(formats, Iterable) else ()
    if not wanted or not all(isinstance(one, str) and one in known for one in wanted):
        raise ValueError(f"save(formats={told(formats)}): give formats out of {', '.join(known)}.")
    if ending in known:
        if ending not in wanted:
            raise ValueError(
                f"save({told(str(path))}, formats={told(formats)}): give one of the two, or the same in both."
            )
        base = base.with_suffix("")
    if not base.parent.is_dir():
        raise FileNotFoundError(
            f"save({told(str(path))}): the folder {str(base.parent)!r} does not exist; make it first."
        )
    written, engine = [base.with_name(f"{base.name}.{one}") for one in wanted], figure.get_layout_engine()
    with rc_context(figure.style if isinstance(figure, Picture) else STYLE):
        for file in written:
            # Without a date the same data give the same file.
            dated = {"svg": "Date", "pdf": "CreationDate"}.get(file.suffix[1:])
            figure.savefig(file, metadata={dated: None} if dated else None)
            figure.set_layout_engine("none")  # one layout for all formats
        figure.set_layout_engine(engine)
    written.append(base.with_name(f"{base.name}.csv"))
    with open(written[-1], "w", newline="", encoding="utf-8") as text:
        names = dict.fromkeys(name for row in rows for name in row)  # panels of a page have columns of their own
        writer = csv.DictWriter(text, fieldnames=list(names) or ["curve"])
        writer.writeheader()
        writer.writerows(rows)
    return written


def _path(path: object) -> Path:
    if not isinstance(path, (str, os.PathLike)) or not Path(path).name:
        raise TypeError(f"save({told(path)}): give the path of a file.")
    return Path(path)
