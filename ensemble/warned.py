"""Warnings after work was done: where a filter makes errors of them (``python -W error``), what was done is not lost."""

from __future__ import annotations

import warnings


def warn_with(result: object, text: str, stacklevel: int) -> None:
    """Warns as :func:`warnings.warn` does; as an error, the warning has ``result`` as its attribute of that name."""
    try:
        warnings.warn(text, stacklevel=stacklevel + 1)
    except Warning as error:
        error.result = result  # type: ignore[attr-defined]
        error.add_note(
            "A filter made an error of this warning. Nothing is lost: the error's .result holds what was computed."
        )
        raise
