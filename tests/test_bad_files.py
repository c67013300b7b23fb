"""A file that cannot be written or read says so in one line, and costs neither the old file nor the result."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from bad_calls import RESULT, complaint

import ensemble as en


@pytest.fixture
def saved(tmp_path):
    return RESULT.save(tmp_path / "run.nc")


def still_good(result, folder):
    """The result is as usable as before, and nothing was left in the folder beyond what was there."""
    again = result.save(folder / "again.nc")
    assert en.load(again).dataset.identical(result.dataset)
    again.unlink()
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("place", ["read only", "/proc/run.nc", "a file/run.nc", "x" * 300 + ".nc"])
def test_an_unwritable_place_loses_nothing(place, tmp_path):
    (tmp_path / "a file").write_text("")
    target = tmp_path / place
    if place == "read only":
        target = tmp_path / "closed" / "run.nc"
        target.parent.mkdir(mode=0o500)
        if os.access(target.parent, os.W_OK):
            pytest.skip("this user may write everywhere")
    if place.startswith("/proc"):
        if not os.path.isdir("/proc/self"):
            pytest.skip("no /proc")
        target = Path(place)
    before = sorted(p.name for p in tmp_path.iterdir())
    message = complaint(lambda: RESULT.save(target))
    assert target.name[:20] in message
    assert re.search("the result is still in memory|make it first", message)
    assert still_good(RESULT, tmp_path) == before


def test_what_netcdf_cannot_hold_is_refused_and_costs_nothing(saved):
    changed = en.load(saved)
    changed.dataset["mine"] = ("instance", [{"a": 1}] * changed.dataset.sizes["instance"])
    assert re.search("cannot be written as netCDF.*take out again", complaint(lambda: changed.save(saved)))
    assert en.load(saved).dataset.identical(RESULT.dataset)
    assert still_good(RESULT, saved.parent) == ["run.nc"]


def test_a_file_that_is_not_ours_is_told_apart(tmp_path):
    text, other, empty = tmp_path / "notes.txt", tmp_path / "other.nc", tmp_path / "empty.nc"
    text.write_text("escape times\n" * 100)
    RESULT.dataset.drop_attrs().to_netcdf(other, engine="h5netcdf")
    empty.write_bytes(b"")
    for file, words in (
        (text, "not a netCDF-4 file"),
        (empty, "not a netCDF-4 file"),
        (other, "another program wrote it"),
    ):
        message = complaint(lambda file=file: en.load(file))
        assert re.search(rf"{file.name}.*{words}.*Give a file that Result.save wrote", message)


def test_a_file_that_another_program_changed_is_refused(saved):
    with en.load(saved).dataset as dataset:
        dataset.to_netcdf(saved, engine="h5netcdf")
    assert re.search("another program wrote it.*xarray.open_dataset", complaint(lambda: en.load(saved)))


def test_a_file_cut_short_is_refused_wherever_it_was_cut(saved):
    whole = saved.read_bytes()
    places = [1, 8, 9, 100, len(whole) // 3, len(whole) // 2, *(len(whole) - k for k in (1000, 200, 90, 89, 88, 30, 1))]
    for size in places:
        saved.write_bytes(whole[:size])
        message = complaint(lambda: en.load(saved))
        assert re.search(
            r"run\.nc.*(cut short|damaged|not a netCDF-4).*Give a file that Result\.save wrote", message
        ), size
    saved.write_bytes(whole)
    assert en.load(saved).dataset.identical(RESULT.dataset)


def test_a_file_with_a_flipped_bit_is_refused_wherever_it_is(saved):
    whole = bytearray(saved.read_bytes())
    rng = np.random.default_rng(0)
    for place in [0, 5, *rng.integers(0, len(whole), 100).tolist(), *range(len(whole) - 92, len(whole) - 1, 7)]:
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        saved.write_bytes(changed)
        message = complaint(lambda: en.load(saved))
        assert re.search(r"run\.nc.*(damaged|cut short|not a netCDF-4).*Give a file", message), place
