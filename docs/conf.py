"""The site: what Sphinx is to do. `make -C docs html` builds it; everything drawn is drawn by `docs/make` beforehand."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import ensemble  # noqa: E402

project = "descent-ensemble"
author = "The descent-ensemble developers"
project_copyright = author
version = release = ensemble.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "examples", "make", "_made/pages/**/*.md"]  # the last: what code of pages has written
nitpicky = True

html_theme = "furo"
html_title = f"descent-ensemble {version}"
html_static_path = ["look"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_theme_options = {"sidebar_hide_name": False}

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]

autodoc_typehints = "none"
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
python_display_short_literal_types = True

nitpick_ignore = [
    ("py:mod", "ensemble.arithmetic.rotations"),
    ("py:exc", "NoTwinError"),
    ("py:exc", "UnreadableFileError"),
]
nitpick_ignore_regex = [
    ("py:.*", r"(xarray|np|numpy)\..*")
]  # pages of others, which a build without a network cannot see

LITERAL = re.compile(r"``.+?``|:[\w:]+:`.+?`|`[^`\n]+(?:\n[^`\n]+)?`", re.DOTALL)


def as_restructured(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Docstrings are written to be read in a terminal: their bars, stars and single backticks are meant as they stand."""
    done: list[str] = []
    block: list[str] = []

    def flush() -> None:
        done.extend(prose("\n".join(block)).split("\n") if block else [])
        block.clear()

    inside = None  # the indentation of the paragraph that began a literal block
    for line in lines:
        depth = len(line) - len(line.lstrip())
        if inside is not None and (not line.strip() or depth > inside):
            done.append(line)
            continue
        inside = None
        if line.lstrip().startswith(">>>") or (
            done and done[-1].lstrip().startswith(">>>") and not block and line.strip()
        ):
            flush()
            done.append(line)
            continue
        block.append(line)
        if not line.strip() or line.rstrip().endswith("::"):
            inside = depth if line.rstrip().endswith("::") else None
            flush()
    flush()
    if what not in ("attribute", "property", "data"):
        done = GoogleDocstring(done, Config(napoleon_use_rtype=False), app, what, name, obj, options).lines()
    lines[:] = done


def prose(text: str) -> str:
    """Text with what reStructuredText would take for markup escaped, outside literals."""
    out, last = [], 0
    for found in LITERAL.finditer(text):
        out += [escaped(text[last : found.start()]), literal(found.group())]
        last = found.end()
    return "".join([*out, escaped(text[last:])])


def literal(text: str) -> str:
    return f"`{text}`" if text.startswith("`") and not text.startswith("``") else text


def escaped(text: str) -> str:
    return re.sub(
        r"(?<=\w)_(?=\W|$)",
        r"\\_",
        re.sub(r"(?<!^)(?<!\n)([|*])", r"\\\1", re.sub(r"^(\s*)\|", r"\1\\|", text, flags=re.M)),
    )


def with_own_links(app: Sphinx, docname: str, source: list[str]) -> None:
    """Pages that are also read on the repository's pages link to files there; on the site those are pages."""
    text = source[0].replace("](../CONTRIBUTING.md)", "](contributing.md)").replace("](../README.md)", "](index.md)")
    source[0] = text


def math(self: object, node: nodes.math) -> None:
    """A formula as MathML: no network, no fonts to load."""
    self.body.append(tex2mathml(node.astext()))  # type: ignore[attr-defined]
    raise nodes.SkipNode


def displayed(self: object, node: nodes.math_block) -> None:
    self.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')  # type: ignore[attr-defined]
    raise nodes.SkipNode


def draw(app: Sphinx) -> None:
    """Runs the examples, pages and notebooks, and writes the generated pages."""
    from docs.make import everything

    everything()


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer("mathml", (math, None), (displayed, None))
    app.connect("builder-inited", draw)
    app.connect("source-read", with_own_links)
    app.connect("autodoc-process-docstring", as_restructured)
