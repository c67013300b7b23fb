"""Random bad calls of everything public: each works, or is refused in one line that says what was given and what to give."""

from __future__ import annotations

import contextlib
import inspect
import linecache
import signal
import threading
import traceback
import warnings
from pathlib import Path

import good_calls
import pytest
import xarray as xr
from bad_calls import PACKAGE
from good_calls import GROUPS, call
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wild_values import wild

import ensemble as en
from ensemble import plots
from ensemble.words import told

SECONDS = 30
"""After which a call that has not ended hangs, on however slow a machine."""
MOST_LETTERS = 300
ENDLESS = {("resume", "steps"), ("replay", "steps")}
"""Whole numbers of steps that are allowed and would take days."""


def test_there_is_a_good_call_of_everything_public():
    named = set(good_calls.CONSTRUCTORS) | set(good_calls.RUNNING)
    public = {name for name in en.__all__ if callable(getattr(en, name)) and not _is_base(getattr(en, name))}
    public -= set(en.algebra.__all__)  # functions of arrays, called where a part computes
    assert public - named == {"Result", "StationaryPoint", "Store", "Stream", "drawn", "grid", "zipped"}
    functions = {name for name in en.statistics.__all__ if callable(getattr(en.statistics, name))}
    assert functions == set(good_calls.STATISTICS)
    assert {name for name in plots.__all__ if callable(getattr(plots, name))} == set(good_calls.PICTURES) | {"Picture"}


def _is_base(thing):
    bases = (en.FiniteSum, en.Landscape, en.Optimizer, en.Noise, en.Start, en.Event, en.Schedule)
    return (
        thing in bases
        or (inspect.isclass(thing) and issubclass(thing, BaseException))
        or not inspect.signature(thing).parameters
    )


@pytest.mark.parametrize("group", GROUPS)
def test_the_good_calls_are_good(group, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in GROUPS[group]:
        if name != "load":
            with quiet():
                call(group, name)()


class Late(BaseException):
    """A call has not ended."""


@contextlib.contextmanager
def in_time():
    """Ends what takes too long, where signals can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_):
        raise Late(f"still at it after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def quiet():
    """Users' warnings may pass, those of NumPy and of Python itself may not."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def refused_well(error, names, values):
    """Asserts that the error was raised by the library, in one line, and says what it is about."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{last.filename}:{last.lineno}"
    assert PACKAGE in Path(last.filename).parents, f"raised inside {where}: {error!r}"
    assert "raise" in linecache.getline(last.filename, last.lineno), f"not raised but happened in {where}: {error!r}"
    message = str(error)
    assert "\n" not in message, message
    assert len(message) <= MOST_LETTERS, f"{len(message)} letters: {message}"
    known = [*names]
    for value in values:
        known += [told(value), *((str(value)[:60], str(value)[-60:]) if isinstance(value, (str, Path)) else ())]
        data = getattr(value, "dataset", value)
        if isinstance(data, xr.Dataset):
            known += ["dataset", *map(str, [*data.variables, *data.dims, *data.attrs])]
    assert any(word in message for word in known if word), f"says neither {names} nor {values!r:.100}: {message}"


def calls(group):
    """(name, changed arguments): one argument of a good call, or two, are something else."""
    names = [name for name in GROUPS[group] if GROUPS[group][name][1]]

    def of(name):
        arguments = [a for a in GROUPS[group][name][1] if a != "self"]
        some = st.lists(st.sampled_from(arguments), min_size=1, max_size=2, unique=True)
        return some.flatmap(lambda chosen: st.fixed_dictionaries(dict.fromkeys(chosen, wild)).map(lambda d: (name, d)))

    return st.sampled_from(names).flatmap(of)


def check(group, name, changed):
    for argument, value in changed.items():
        if (name, argument) in ENDLESS and isinstance(value, int) and value > 10_000:
            return
    with in_time(), quiet():
        try:
            call(group, name, **changed)()
        except (ValueError, TypeError, OSError, MemoryError) as error:
            refused_well(error, changed, changed.values())


def examples(count):
    return settings(
        max_examples=count, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )


FEW = {"constructors": 300, "runs": 60, "statistics": 120, "pictures": 80}
MANY = {"constructors": 900, "runs": 300, "statistics": 500, "pictures": 300}
"""Together 2,000."""


def many(group, counts):
    @examples(counts[group])
    @given(calls(group))
    def run(one):
        check(group, *one)

    run()


@pytest.mark.ci
@pytest.mark.parametrize("group", GROUPS)
def test_random_bad_calls_work_or_are_refused_in_one_line(group, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    many(group, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_two_thousand_random_bad_calls_work_or_are_refused_in_one_line(group, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    many(group, MANY)
