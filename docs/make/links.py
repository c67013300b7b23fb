"""Follows every link within the built site, without a network: ``python -m make.links _build/html``; exit status 1 if one is broken."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The places of a page that links lead to, and its links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.places: set[str] = {"", "top"}
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.places |= {v for v in (given.get("id"), given.get("name")) if v}
        self.links += [v for k in ("href", "src") if (v := given.get(k)) and tag != "base"]


def broken(site: Path) -> list[str]:
    """Links to a file or a place that is not there."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    found = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                found.append(f"{path.relative_to(site)}: {link} is not there")
            elif target in pages and target.suffix == ".html" and unquote(parts.fragment) not in pages[target].places:
                found.append(f"{path.relative_to(site)}: {link} has no such place")
    return found


if __name__ == "__main__":
    wrong = broken(Path(sys.argv[1]).resolve())
    for line in sorted(set(wrong)):
        print(line)
    sys.exit(bool(wrong))
