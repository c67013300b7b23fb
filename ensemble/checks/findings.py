"""What was found of a part."""

from __future__ import annotations

from dataclasses import dataclass

from ..part import Part


@dataclass(frozen=True)
class Finding:
    """One thing that was asked: ``holds`` is None where it could not be."""

    what: str
    holds: bool | None
    seen: str

    def __str__(self) -> str:
        return f"{ {True: 'holds', False: 'FAILS', None: '-'}[self.holds]:5s}  {self.what}: {self.seen}"


@dataclass(frozen=True)
class Check:
    """What :func:`check` found. ``ok``: nothing fails."""

    part: Part
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return all(finding.holds is not False for finding in self.findings)

    def __repr__(self) -> str:
        head = f"{type(self.part).__name__}: {'nothing fails' if self.ok else 'not what it says'}"
        return "\n  ".join([head, *map(str, self.findings)])
