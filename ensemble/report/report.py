"""A page that says what was found: a headline and its picture, sentences, laws, tables, and what made them."""

from __future__ import annotations

import base64
import html
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from .. import plots
from ..results.result import Result
from ..statistics import to_dataframe
from ..statistics.tables import ALONG
from ..words import told
from .checks import NAMES, Check, verdict
from .words import Row, Table, facts, html_list, html_table, html_words, markdown, table_of

TEMPLATE = Path(__file__).with_name("page.html")
_NAME = re.compile(r"[\w][\w .-]*")


@dataclass
class Report:
    """Collects sentences, pictures, laws and tables, and writes them as one page.

    The page, ``report.html`` in ``folder``, loads nothing from elsewhere; ``report.md`` says the same, and every picture lies
    beside it as PNG, SVG and the numbers drawn. The first sentence is the headline, over the first picture. In sentences
    ``$...$`` is a formula in TeX, where the package latex2mathml is installed, and what stands in backquotes is code.

    Args:
        title: the page's heading.
        folder: where it is written; made where it is not there.
        question: what was asked, and
        expected: the law or guess that was to be compared; both may be left out.

    Raises:
        ValueError: a title that is no words, or a folder that is none.
    """

    title: str
    folder: str | os.PathLike[str]
    question: str = ""
    expected: str = ""
    sentences: list[str] = field(default_factory=list, repr=False)
    figures: dict[str, str] = field(default_factory=dict, repr=False)
    checks: list[Check] = field(default_factory=list, repr=False)
    tables: dict[str, Table] = field(default_factory=dict, repr=False)
    made: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.title = _words("title", self.title)
        if not isinstance(self.folder, (str, os.PathLike)) or not str(self.folder):
            raise ValueError(f"Report(folder={told(self.folder)}): give the name of a folder to write into.")
        for name in ("question", "expected"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"Report({name}={told(getattr(self, name))}): give a sentence.")

    @property
    def path(self) -> Path:
        """The folder of the page."""
        return Path(self.folder)

    def say(self, sentence: str) -> None:
        """Add a sentence; the first is the page's headline.

        ValueError: no words.
        """
        self.sentences.append(_words("sentence", sentence))

    def draw(self, name: str, figure: Figure, caption: str) -> None:
        """Write a figure as ``<name>.png``, ``.svg`` and, one of ``ensemble.plots``, ``.csv``, and put it on the page.

        ValueError: a name that is none of a file, or no figure.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > 100:
            raise ValueError(
                f"draw(name={told(name)}): give a name for the files, of letters, digits, '-', '_' and '.'."
            )
        if not isinstance(figure, Figure):
            raise ValueError(f"draw(figure={told(figure)}): give a figure, such as plots.survival(result).")
        said = _words("caption", caption)
        self.path.mkdir(parents=True, exist_ok=True)
        if hasattr(figure, "rows"):
            plots.save(figure, self.path / name)
        else:  # somebody's own, which does not know what it shows
            for kind in ("png", "svg"):
                figure.savefig(self.path / f"{name}.{kind}", dpi=200)
        self.figures[name] = said

    def check(self, *checks: Check) -> None:
        """Note laws and what was seen of them.

        ValueError: what is no :class:`Check`.
        """
        for one in checks:
            if not isinstance(one, Check):
                raise ValueError(f"check({told(one)}): give what Check.mean(...) and its kin return.")
        self.checks += checks

    def table(self, heading: str, data: Any) -> None:
        """Add a table: what a statistic returns, a pandas table, or a list of mappings from columns to cells.

        A number whose limits are there, ``<name>_lower`` and ``<name>_upper``, is shown with them.

        ValueError: no table, or one without a row.
        """
        rows: Any = data
        if isinstance(data, (xr.Dataset, Result)):
            rows = to_dataframe(data, _columns(data)).rename(columns=_limits(data)).to_dict("records")
        elif hasattr(data, "to_dict") and hasattr(data, "columns"):
            rows = data.to_dict("records")
        if not isinstance(rows, (list, tuple)) or not rows or not all(isinstance(row, Mapping) and row for row in rows):
            raise ValueError(
                f"table(data={told(data)}): give a dataset of statistics, a pandas table or a list of mappings, with a row at least."
            )
        plain: list[Row] = [{str(key): cell for key, cell in row.items()} for row in rows]
        self.tables[_words("heading", heading)] = table_of(plain)

    def made_by(self, *results: Any) -> None:
        """Note what ran: seed, backend, arithmetic, versions and time of results, as their files have them.

        ValueError: what is no result.
        """
        datasets = [one if isinstance(one, xr.Dataset) else getattr(one, "dataset", None) for one in results]
        for one, dataset in zip(results, datasets, strict=True):
            if not isinstance(dataset, xr.Dataset) or "versions" not in dataset.attrs:
                raise ValueError(f"made_by({told(one)}): give results of simulate, compare or load.")
        if not datasets:
            raise ValueError("made_by(): give results of simulate, compare or load.")
        self.made |= facts([dataset.attrs for dataset in datasets if dataset is not None])

    def write(self) -> Path:
        """Write report.md and report.html, and return the path of the second.

        ValueError: nothing was said and nothing drawn. OSError: the folder cannot be written to.
        """
        if not self.sentences and not self.figures:
            raise ValueError("write(): say a sentence or draw a picture first.")
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "report.md").write_text(self.markdown(), encoding="utf-8")
        page = self.path / "report.html"
        page.write_text(self.html(), encoding="utf-8")
        return page

    # ---- the page

    def all_tables(self) -> dict[str, Table]:
        """The laws first, the failed of them on top."""
        laws = {"Laws": (NAMES, [c.cells() for c in sorted(self.checks, key=lambda c: c.holds)])} if self.checks else {}
        return {**laws, **self.tables}

    def findings(self) -> list[str]:
        """The sentences, and how many laws hold."""
        headline, rest = self.sentences[:1], self.sentences[1:]
        return [*headline, *([verdict(self.checks)] if self.checks else []), *rest]

    def markdown(self) -> str:
        """The page in Markdown."""
        text = [f"# {self.title}", ""]
        findings, figures = self.findings(), list(self.figures.items())
        if findings:
            text += [f"**{findings[0]}**", ""]
        for name, caption in figures[:1]:
            text += _figure(name, caption)
        for heading, words in (("Question", self.question), ("Expected law", self.expected)):
            text += [f"## {heading}", "", words, ""] if words else []
        text += ["## Findings", "", *[f"- {line}" for line in findings[1:]], ""] if findings[1:] else []
        for name, caption in figures[1:]:
            text += _figure(name, caption)
        for heading, table in self.all_tables().items():
            text += [f"## {heading}", "", markdown(table), ""]
        if self.made:
            text += ["## How it was made", "", *[f"- {name}: {value}" for name, value in self.made.items()], ""]
        return "\n".join(text)

    def html(self) -> str:
        """The page in HTML, with its pictures within."""
        findings, figures = self.findings(), [self._html_figure(*one) for one in self.figures.items()]
        top = [f'<p class="headline">{html_words(line)}</p>' for line in findings[:1]] + figures[:1]
        failed = [f"law fails: {'; '.join(check.cells()[1:6])}" for check in self.checks if not check.holds]
        top += [f'<p class="failed">{html_words(line)}</p>' for line in failed]
        sections = {
            heading: f"<p>{html_words(words)}</p>"
            for heading, words in (("Question", self.question), ("Expected law", self.expected))
            if words
        }
        if findings[1:]:
            sections["Findings"] = html_list(findings[1:])
        if figures[1:]:
            sections["Pictures"] = "\n".join(figures[1:])
        sections |= {heading: html_table(table) for heading, table in self.all_tables().items()}
        if self.made:
            sections["How it was made"] = html_list(f"{name}: {value}" for name, value in self.made.items())
        links = [f'<a href="#s{k}">{html.escape(heading)}</a>' for k, heading in enumerate(sections)]
        top += [f"<nav>{' '.join(links)}</nav>"] if len(links) > 2 else []
        body = [f'<h2 id="s{k}">{html.escape(h)}</h2>\n{text}' for k, (h, text) in enumerate(sections.items())]
        return fill(self.title, "\n".join([*top, *body]))

    def _html_figure(self, name: str, caption: str) -> str:
        picture = base64.b64encode((self.path / f"{name}.png").read_bytes()).decode()
        image = f'<img alt="{html.escape(name)}" src="data:image/png;base64,{picture}">'
        return f"<figure>{image}<figcaption>{html_words(caption)}</figcaption></figure>"


def _columns(data: Any) -> list[str] | None:
    """All variables, of a statistic that has curves alone; else those that stand for themselves."""
    if isinstance(data, xr.Dataset) and all(set(v.dims) & set(ALONG) for v in data.data_vars.values()):
        return [str(name) for name in data.data_vars]
    return None


def _limits(data: Any) -> dict[str, str]:
    """What the limits are called that a statistic of one number calls ``lower`` and ``upper``."""
    if not isinstance(data, xr.Dataset) or not {"lower", "upper"} <= set(data.data_vars):
        return {}
    first = str(next(iter(data.data_vars)))
    return {end: f"{first}_{end}" for end in ("lower", "upper")}


def _figure(name: str, caption: str) -> list[str]:
    return [f"![{name}]({name}.png)", "", f"*{caption}* ([SVG]({name}.svg))", ""]


def _words(name: str, given: object) -> str:
    if not isinstance(given, str) or not given.strip():
        raise ValueError(f"{name}={told(given)}: give words.")
    return given


def fill(title: str, body: str) -> str:
    """Put a page's body into the one template of all pages."""
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(title=html.escape(title), body=body)
