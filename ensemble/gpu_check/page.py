"""The report as one HTML file, complete in itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222; background: #fff; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; width: 100%; font-size: 0.9em; }
th, td { text-align: left; padding: 0.3em 0.8em 0.3em 0; border-bottom: 1px solid #ddd; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.ok { color: #126a2f; } .fault { color: #b00020; font-weight: bold; } .other { color: #666; }
.bar { background: #e4e4e4; width: 10em; height: 0.8em; display: inline-block; }
.bar span { background: #2b6cb0; height: 100%; display: block; }
pre { background: #f6f6f6; padding: 0.8em; overflow-x: auto; font-size: 0.8em; }
"""
WORDS = {"wrong": "", "fast": "fast, off by", "rate": "coordinate-steps/s", "share": "share of ceiling"}
"""What columns are called whose keys do not say it."""


def _cell(key: str, value: Any) -> str:
    if key == "wrong":
        return '<td class="fault">' + escape(value) + "</td>" if value else '<td class="ok">the bits of NumPy</td>'
    if key == "share" and isinstance(value, float):
        width = min(100.0, 100 * value)
        return f'<td><span class="bar"><span style="width:{width:.1f}%"></span></span> {value:.1%}</td>'
    if isinstance(value, bool) or value is None:
        return f"<td>{ {True: 'yes', False: 'no', None: ''}[value] }</td>"
    if isinstance(value, (int, float)):
        text = f"{value:,}" if isinstance(value, int) else f"{value:.3g}"
        return f'<td class="number">{text}</td>'
    return f"<td>{escape(str(value))}</td>"


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    yield "<table><tr>" + "".join(f"<th>{escape(WORDS.get(key, key.replace('_', ' ')))}</th>" for key in keys) + "</tr>"
    for row in rows:
        yield "<tr>" + "".join(_cell(key, row.get(key)) for key in keys) + "</tr>"
    yield "</table>"


def _summary(steps: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Iterable[str]:
    yield "<table><tr><th>step</th><th></th><th>s</th><th>what</th><th>found</th></tr>"
    for step in steps:
        kind = {"ok": "ok", "FAULT": "fault"}.get(step["status"], "other")
        yield (
            f'<tr><td>{escape(step["name"])}</td><td class="{kind}">{escape(step["status"])}</td>'
            f'<td class="number">{step["seconds"]:.1f}</td><td>{escape(step["what"])}</td><td>{escape(step["said"])}</td></tr>'
        )
    done = {step["name"] for step in steps}
    for name in names:
        if name not in done:
            yield f'<tr><td>{escape(name)}</td><td class="other">to come</td><td></td><td></td><td></td></tr>'
    yield "</table>"


def page(report: Mapping[str, Any], names: Sequence[str]) -> str:
    """The report's text; ``names``: of the steps that there are to be."""
    steps, machine = report["steps"], report["machine"]
    faults = report["faults"]
    verdict = (
        f'<span class="fault">FAULT in {escape(", ".join(faults))}</span>'
        if faults
        else '<span class="ok">no fault</span>'
    )
    lines = [
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
        f"<title>gpu-check: {escape(str(machine['device']))}</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(str(machine['device']))}: {verdict}</h1>",
        f"<p>descent-ensemble {escape(report['version'])}, kernels {escape(report['kernels'][:12])}, {escape(report['date'])}"
        f"{', in its quick form' if report['quick'] else ''}.</p>",
        *_summary(steps, names),
    ]
    for step in steps:
        if step["rows"]:
            lines += [f"<h2>{escape(step['name'])}: {escape(step['what'])}</h2>", *_table(step["rows"])]
    lines += ["<h2>machine</h2>", "<table>"]
    lines += [f"<tr><td>{escape(key)}</td>{_cell(key, value)}</tr>" for key, value in machine.items()]
    lines += ["</table>", "<h2>what the steps printed</h2>"]
    for step in steps:
        if step["printed"]:
            text = escape("\n".join(step["printed"]))
            shown = " open" if step["status"] == "FAULT" else ""
            lines.append(f"<details{shown}><summary>{escape(step['name'])}</summary><pre>{text}</pre></details>")
    return "\n".join([*lines, "</body></html>"]) + "\n"
