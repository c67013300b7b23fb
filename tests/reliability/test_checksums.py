"""Promise 8: a file with a flipped bit, cut short or empty is refused, and what is damaged in it has a name. The faults are real."""

from __future__ import annotations

import re

import pytest

import ensemble as en
from ensemble.results.files import checksums


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    result = en.simulate(
        landscape=en.QuarticSaddle(dim=20),
        optimizer=en.Adam(lr=en.grid(0.01, 0.02)),
        start=en.NormalCloud(0.1),
        record=en.Record("value", at=[0, 2, 5]),
        steps=5,
        instances=30,
        backend="numpy",
        progress=False,
    )
    return result.save(tmp_path_factory.mktemp("saved") / "run.nc")


def named(path):
    with open(path, "rb") as file:
        found = checksums(file, path.stat().st_size)
    assert found is not None
    return found


def told(path):
    with pytest.raises(en.UnreadableFileError, match=re.escape(path.name)) as caught:
        en.load(path)
    assert len(str(caught.value)) < 300
    return str(caught.value)


def test_every_variable_and_what_a_run_is_made_again_from_has_a_checksum(saved):
    names = {name for name, *_ in named(saved)}
    assert names >= {
        "event_step",
        "event",
        "status",
        "diverged_step",
        "x",
        "value",
        "horizon",
        "lr",
        "instance",
        "step",
    }
    assert names >= {f"attribute {name}" for name in ("settings", "options", "outcomes", "history")}
    assert "_vectors_0" in names  # the optimizer's memory


def test_sixty_flipped_bits_of_sixty_are_found_and_named(saved, tmp_path):
    whole, known = saved.read_bytes(), named(saved)
    inside = 0
    for k in range(60):
        place, flipped = k * len(whole) // 60 + 5, bytearray(whole)
        flipped[place] ^= 1 << k % 8
        (tmp_path / "flipped.nc").write_bytes(flipped)
        said = told(tmp_path / "flipped.nc")
        wanted = [name for name, offset, size, _ in known if offset <= place < offset + size]
        inside += len(wanted)
        if wanted:
            assert re.search(rf"the bytes of '{wanted[0]}' do not match", said)
        else:
            assert re.search("its structure|its bytes|not a netCDF-4 file", said)
    assert inside > 25


def test_a_bit_of_every_variable_and_attribute_is_named(saved, tmp_path):
    whole = saved.read_bytes()
    for name, offset, size, _ in named(saved):
        flipped = bytearray(whole)
        flipped[offset + size // 2] ^= 1
        (tmp_path / "flipped.nc").write_bytes(flipped)
        assert f"{name!r} do not match their checksum" in told(tmp_path / "flipped.nc")


def test_a_file_cut_short_anywhere_or_empty_is_refused(saved, tmp_path):
    whole = saved.read_bytes()
    for k in range(20):
        (tmp_path / "short.nc").write_bytes(whole[: k * len(whole) // 20])
        told(tmp_path / "short.nc")
