"""Pages: report.md and report.html of a study, from the same pieces."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from .checks import NAMES, Check, verdict
from .words import Table, html_list, html_table, html_words, markdown

TEMPLATE = Path(__file__).with_name("page.html")


@dataclass(frozen=True)
class Page:
    """What a study's page says: ``figures`` are name -> caption of pictures in ``folder``, ``made`` is what made it."""

    folder: Path
    said: Mapping[str, str]
    findings: Sequence[str]
    figures: Mapping[str, str]
    checks: Sequence[Check]
    tables: Mapping[str, Table]
    made: Mapping[str, str]

    def all_tables(self) -> dict[str, Table]:
        """The laws first, the failed of them on top."""
        laws = {"Laws": (NAMES, [c.cells() for c in sorted(self.checks, key=lambda c: c.holds)])} if self.checks else {}
        return {**laws, **self.tables}

    def write(self) -> None:
        """report.md, and report.html, which needs no other file."""
        (self.folder / "report.md").write_text(self.markdown(), encoding="utf-8")
        (self.folder / "report.html").write_text(self.html(), encoding="utf-8")

    def sentences(self) -> list[str]:
        return [*([verdict(self.checks)] if self.checks else []), *self.findings]

    def markdown(self) -> str:
        text = [f"# {self.said['Title']}", "", "## Question", "", self.said["Question"], ""]
        text += ["## Expected law", "", self.said["Expected"], ""]
        text += ["## Finding", "", *[f"- {line}" for line in self.sentences()], ""]
        for name, caption in self.figures.items():
            text += [f"![{name}]({name}.png)", "", f"*{caption}* ([SVG]({name}.svg), [data]({name}.csv))", ""]
        for heading, table in self.all_tables().items():
            text += [f"## {heading}", "", markdown(table), ""]
        text += ["## How it was made", "", *[f"- {name}: {value}" for name, value in self.made.items()], ""]
        return "\n".join(text)

    def html(self) -> str:
        body = ["<h2>Question</h2>", f"<p>{html_words(self.said['Question'])}</p>"]
        body += ["<h2>Expected law</h2>", f"<p>{html_words(self.said['Expected'])}</p>"]
        failed = [f"law fails: {'; '.join(check.cells()[:5])}" for check in self.checks if not check.holds]
        body += [f'<p class="failed">{html_words(line)}</p>' for line in failed]
        body += ["<h2>Finding</h2>", html_list(self.sentences())]
        for name, caption in self.figures.items():
            picture = base64.b64encode((self.folder / f"{name}.png").read_bytes()).decode()
            image = f'<img alt="{html.escape(name)}" src="data:image/png;base64,{picture}">'
            body += [f"<figure>{image}<figcaption>{html_words(caption)}</figcaption></figure>"]
        for heading, table in self.all_tables().items():
            body += [f"<h2>{html.escape(heading)}</h2>", html_table(table)]
        body += ["<h2>How it was made</h2>", html_list(f"{name}: {value}" for name, value in self.made.items())]
        return fill(self.said["Title"], "\n".join(body))


def fill(title: str, body: str) -> str:
    """The one template of all pages."""
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(title=html.escape(title), body=body)
