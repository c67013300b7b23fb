"""Files of every released format are still read; tests/files/N holds what the release with format N wrote.

Those of format 2 that are here have no checksums of each variable, which came later.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import resealed

import ensemble as en
from ensemble.results.history import differences
from ensemble.results.provenance import FORMAT
from ensemble.results.rebuild import Rebuilder

FILES = Path(__file__).parent / "files"
FORMATS = sorted(int(file.parent.name) for file in FILES.glob("*/parts.json"))
NEWEST = int(FORMAT.split()[-1])


@pytest.mark.parametrize("file", sorted(FILES.glob("*/*.nc")), ids=lambda file: f"{file.parent.name} {file.stem}")
def test_a_file_of_an_older_format_is_read_to_the_bit_and_says_that_it_keeps_no_checksums(file):
    with pytest.warns(UserWarning, match=rf"{file.name}.*keeps no checksum of each variable.*[Ss]ave it again"):
        result = en.load(file)
    known = json.loads((file.parent / "digests.json").read_text())[file.stem]
    for name, digest in known.items():
        array = np.ascontiguousarray(result.dataset[name].to_numpy())
        assert hashlib.sha256(array.tobytes()).hexdigest() == digest, name
    for name, setting in result.settings.items():
        assert result.outcomes[name].reached == setting.steps == 40


@pytest.mark.parametrize("number", FORMATS)
def test_every_part_of_an_older_format_is_made_again(number):
    """A part that gets a field says in SINCE_FORMAT_1 (and so on) what it did before."""
    described = json.loads((FILES / str(number) / "parts.json").read_text())
    parts = Rebuilder(number)
    assert len(described) > 90
    for name, one in described.items():
        part = parts.part(one, name, None)
        now = part.describe()
        assert list(differences(one, {field: now[field] for field in one}, "")) == []


@pytest.mark.filterwarnings("ignore:.*keeps no checksum")
@pytest.mark.parametrize("file", sorted((FILES / "1").glob("*.nc")), ids=lambda file: file.stem)
def test_who_ran_a_file_of_format_1_is_not_known_so_resuming_is_forced_and_said(file):
    result = en.load(file)
    with pytest.raises(ValueError, match=r"from 0\.1\.0 \(which kept no digest of its code\).*force=True"):
        result.resume(60)
    resumed = result.resume(60, force=True)
    assert [(p.first_step, p.last_step, bool(p.forced)) for p in resumed.history] == [(0, 40, False), (40, 60, True)]
    assert resumed.history[0].version == "0.1.0"


@pytest.mark.filterwarnings("ignore:.*keeps no checksum")
def test_a_newer_format_is_refused_politely(tmp_path):
    place = en.load(FILES / "1" / "grid.nc").resume(41, force=True).save(tmp_path / "run.nc")
    with resealed.changed(place) as file:
        file.attrs["format"] = f"descent-ensemble {NEWEST + 1}"
    with pytest.raises(en.UnreadableFileError) as caught:
        en.load(place)
    assert re.search(
        rf"run\.nc.*format {NEWEST + 1}.*{re.escape(en.__version__)} reads those from 1 to {NEWEST}. Use a newer version",
        str(caught.value),
    )
