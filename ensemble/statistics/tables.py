"""Tables of what was found: tidy, for pandas and parquet, and in LaTeX, with every interval beside its number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ..plain import is_whole
from ..words import told

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped,unused-ignore]

ALONG = ("step", "q", "quantile", "coordinate", "age", "tolerance")
"""Dimensions of curves, which a table of one row for each configuration has no place for."""
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def to_dataframe(data: Any, variables: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a tidy pandas table: one row for each configuration, or for each instance of runs, one column for each variable.

    `data` are a result, its dataset, or what a statistic returns. Without `variables` the columns are all that have one number for
    each row; curves and iterates, which have more, are left out. Coordinates come first, in the order of the dimensions; an interval's
    limits follow their number. `to_dataframe(result).to_parquet(...)` and `.to_csv(...)` write it.

    ValueError: no dataset, or a variable that it does not have or that has more than one number for a row.
    """
    found = _dataset("to_dataframe", data)
    rows, names = _rows_and_names("to_dataframe", found, variables)
    (dims, _), whole = rows, found[names]
    if not dims:  # one configuration: one row
        import pandas as pd

        coordinates = {str(c): whole[c].item() for c in whole.coords}
        return pd.DataFrame([coordinates | {name: whole[name].item() for name in names}])
    for dim in dims:
        if dim not in whole.coords:
            whole = whole.assign_coords({dim: np.arange(whole.sizes[dim])})
    frame = whole.to_dataframe(dim_order=list(dims)).reset_index()
    others = [c for c in frame.columns if c not in names and c not in dims]
    return frame[[*dims, *others, *names]]


def to_latex(
    data: Any,
    variables: Sequence[str] | None = None,
    *,
    words: Mapping[str, str] | None = None,
    digits: int = 3,
) -> str:
    r"""Return a LaTeX table (booktabs) of a statistic: one row for each configuration, `number [lower, upper]` in its columns.

    Without `variables` its columns are those with intervals. `words` are other headings, in LaTeX as they stand; `digits` are
    significant ones, whole numbers keep all of theirs; what there is none of is a dash. The document needs
    `\usepackage{booktabs}`.

    ValueError: as :func:`to_dataframe`; words for what is no column; digits out of 1 to 15.
    """
    found = _dataset("to_latex", data)
    if not is_whole(digits, 1, 15):
        raise ValueError(f"to_latex(digits={told(digits)}): give a whole number from 1 to 15.")
    if variables is None:
        variables = [name for name in _rows_and_names("to_latex", found, None)[1] if _limits(found, name)]
        if not variables:
            raise ValueError("to_latex: the data have no intervals; name the variables=[...] to show.")
    else:
        _rows_and_names("to_latex", found, variables)
        limits = [limit for name in variables for limit in _limits(found, name)]
        _rows_and_names("to_latex", found, [*variables, *limits])
    frame = to_dataframe(found, list(dict.fromkeys(n for name in variables for n in (name, *_limits(found, name)))))
    limits_of = {name: _limits(found, name) for name in variables}
    ends = {limit for pair in limits_of.values() for limit in pair}
    columns = [c for c in frame.columns if c not in ends or c in variables]
    if words is not None and not (isinstance(words, Mapping) and all(isinstance(w, str) for w in words.values())):
        raise ValueError(f"to_latex(words={told(words)}): give a mapping from column to words.")
    heads = dict(words or {})
    if unknown := [name for name in heads if name not in columns]:
        has = ", ".join(columns[:8]) + ", ..." * (len(columns) > 8)
        raise ValueError(f"to_latex(words={told(words)}): there is no column {told(unknown[0])}; the table has {has}.")
    body = []
    for _, row in frame.iterrows():
        cells = []
        for column in columns:
            cell = _number(row[column], digits)
            if ends_here := limits_of.get(column):
                low, high = (_number(row[end], digits) for end in ends_here)
                cell += f" [{low}, {high}]" if cell != "--" or low != "--" else ""
            cells.append(cell)
        body.append(" & ".join(cells) + r" \\")
    head = " & ".join(heads.get(c, _escaped(c.replace("_", " "))) for c in columns) + r" \\"
    numeric = ["l" if frame[c].dtype.kind in "OUb" else "r" for c in columns]
    begin = f"\\begin{{tabular}}{{{''.join(numeric)}}}"
    return "\n".join([begin, r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}", ""])


def _dataset(who: str, data: Any) -> xr.Dataset:
    found = getattr(data, "dataset", data)
    if not isinstance(found, xr.Dataset):
        raise ValueError(f"{who}(data={told(data)}): give a result, its dataset, or what a statistic returns.")
    return found


def _limits(found: xr.Dataset, name: str) -> tuple[str, ...]:
    """The names of a variable's interval; none where it has no interval."""
    for pair in ((f"{name}_lower", f"{name}_upper"), ("lower", "upper")):
        there = name not in pair and all(end in found and found[end].dims == found[name].dims for end in pair)
        if there and (pair != ("lower", "upper") or name == _bare(found)):
            return pair
    return ()


def _bare(found: xr.Dataset) -> str:
    """The variable that `lower` and `upper` without a name belong to: the first of their dimensions."""
    return next((str(n) for n in found.data_vars if found[n].dims == found["lower"].dims), "")


def _rows_and_names(
    who: str, found: xr.Dataset, variables: Sequence[str] | None
) -> tuple[tuple[tuple[str, ...], str], list[str]]:
    """The dimensions that rows go over, with a variable that has them, and the variables that are columns."""
    if variables is not None:
        if isinstance(variables, str) or not isinstance(variables, Sequence) or not variables:
            raise ValueError(f"{who}(variables={told(variables)}): give a list of names of variables.")
        for name in variables:
            if name not in found.data_vars:
                names = [str(n) for n in found.data_vars if not str(n).endswith(("lower", "upper"))]
                has = ", ".join(names[:8]) + ", ..." * (len(names) > 8) or "nothing"
                raise ValueError(f"{who}(variables={told(variables)}): the data have no {told(name)}; they have {has}.")
        names = list(dict.fromkeys(variables))
    else:
        names = [str(n) for n in found.data_vars if not set(found[n].dims) & set(ALONG)]
    if not names:
        raise ValueError(f"{who}: the data have curves alone; name the variables=[...] to show.")
    widest = max(names, key=lambda n: found[n].ndim)
    dims = tuple(map(str, found[widest].dims))
    for name in names:
        if not set(found[name].dims) <= set(dims):
            raise ValueError(
                f"{who}: {name} goes over {tuple(map(str, found[name].dims))} and {widest} over {dims}; make a table of each."
            )
    if variables is None:  # of runs there is a row for each instance, and of their sizes none
        names = sorted(names, key=lambda n: (_place(found, n, names), n.endswith("_upper"), 0))
    return (dims, widest), names


def _place(found: xr.Dataset, name: str, names: list[str]) -> int:
    """Where a column stands: a limit beside its number."""
    for ending in ("_lower", "_upper"):
        if name.endswith(ending) and name.removesuffix(ending) in names:
            return names.index(name.removesuffix(ending))
    if name in ("lower", "upper") and "lower" in found and _bare(found) in names:
        return names.index(_bare(found))
    return names.index(name)


def _number(value: Any, digits: int) -> str:
    """A cell: text as it is, numbers with their significant digits, powers of ten as LaTeX writes them."""
    if isinstance(value, str):
        return _escaped(value)
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if value is None or value != value:
        return "--"
    if np.isinf(value):
        return r"$\infty$" if value > 0 else r"$-\infty$"
    if float(value).is_integer() and abs(value) < 1e6:
        return f"${int(value)}$" if value < 0 else str(int(value))
    mantissa, _, exponent = f"{float(value):.{digits}g}".partition("e")
    if exponent:
        return f"${mantissa} \\times 10^{{{int(exponent)}}}$"
    return f"${mantissa}$" if value < 0 else mantissa


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in text)
