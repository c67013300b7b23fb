"""How much memory this process may still take: of the machine, of its control groups, of its own limits."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

UNKNOWN = 4 << 30
"""Where the system does not say."""
NO_LIMIT = 1 << 60
"""A control group of version 1 without a limit states a number about as large as 2^63."""
LIMITS = {"RLIMIT_AS": "VmSize:", "RLIMIT_DATA": "VmData:"}
"""Limits of a process, and what ``/proc/self/status`` calls that which they limit."""


def available_memory() -> int:
    """Bytes that can be used without swapping and without passing a limit; :data:`UNKNOWN` where nothing says."""
    return least_memory()[0]


def least_memory() -> tuple[int, str]:
    """The same, and what allows no more: the machine, a control group or a limit of the process."""
    return min([(max(0, left), name) for name, left in _rooms()], default=(UNKNOWN, "a guess"))


def _rooms() -> Iterator[tuple[str, int]]:
    """(what limits, bytes that it leaves)."""
    yield from _of_machine()
    yield from of_control_groups()
    yield from _of_process()


def _of_machine() -> Iterator[tuple[str, int]]:
    try:
        found = _numbers(Path("/proc/meminfo"))
        if "MemAvailable:" in found:
            yield "this machine", found["MemAvailable:"] * 1024
            return
        yield "this machine", os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (OSError, ValueError, AttributeError):
        return


def _of_process() -> Iterator[tuple[str, int]]:
    """What ``ulimit -v`` and ``ulimit -d`` leave."""
    if sys.platform == "win32":
        return
    import resource

    try:
        taken = _numbers(Path("/proc/self/status"))
    except OSError:
        taken = {}
    for name, counted in LIMITS.items():
        limit = resource.getrlimit(getattr(resource, name))[0] if hasattr(resource, name) else resource.RLIM_INFINITY
        if limit != resource.RLIM_INFINITY:
            yield name, limit - taken.get(counted, 0) * 1024


def of_control_groups(proc: Path = Path("/proc/self")) -> Iterator[tuple[str, int]]:
    """What the process's control group and those that hold it leave, in both versions. ``proc``: what the kernel says of it.

    What a group takes counts the files that the system has read for it, which it gives back when asked: those unused of late
    (``inactive_file``) are counted as free.
    """
    try:
        own, mounts = (proc / "cgroup").read_text(), (proc / "mountinfo").read_text()
    except OSError:
        return
    paths = {}
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        paths["memory" if "memory" in controllers.split(",") else controllers] = path
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, place = (field.replace(r"\040", " ") for field in before.split()[3:5])
        kind, _, options = (after.split() + ["", "", ""])[:3]
        if kind == "cgroup2" and "" in paths:
            yield from _of_groups(root, place, paths[""], V2)
        elif kind == "cgroup" and "memory" in options.split(",") and "memory" in paths:
            yield from _of_groups(root, place, paths["memory"], V1)


V1 = ("memory.usage_in_bytes", ("memory.limit_in_bytes",), "total_inactive_file")
V2 = ("memory.current", ("memory.max", "memory.high"), "inactive_file")


def _of_groups(root: str, place: str, path: str, names: tuple[str, tuple[str, ...], str]) -> Iterator[tuple[str, int]]:
    """Of one hierarchy, mounted at ``place`` from its group ``root`` on, of which ``path`` is the process's."""
    usage, limits, unused = names
    inside = PurePosixPath(path)
    if root != "/":  # a container sees its own group as the topmost
        inside = inside.relative_to(root) if inside.is_relative_to(root) else PurePosixPath("/")
    parts = [part for part in inside.parts if part not in ("/", "..")]
    for depth in range(len(parts), -1, -1):
        group = Path(place, *parts[:depth])
        for limit in limits:
            try:
                most = int((group / limit).read_text())  # "max" where there is none
                if most < NO_LIMIT:
                    taken = int((group / usage).read_text())
                    free = _numbers(group / "memory.stat").get(unused, 0)
                    yield f"the control group {'/' + '/'.join(parts[:depth])}", most - max(0, taken - free)
            except (OSError, ValueError):
                continue


def _numbers(file: Path) -> dict[str, int]:
    """``name number`` lines."""
    lines = [line.split() for line in file.read_text().splitlines()]
    return {line[0]: int(line[1]) for line in lines if len(line) > 1 and line[1].isdigit()}
