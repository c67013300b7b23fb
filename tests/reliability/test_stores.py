"""Stores: whatever cuts the work, the same bits; grown, refused, read at any moment, merged."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from stored_runs import ESCAPE, data_digest, in_pieces, python, simulate

import ensemble as en
from ensemble.__main__ import main

pytestmark = pytest.mark.filterwarnings("ignore:.*starts already satisfy the event")

TWO = {"Adam": en.Adam(en.grid(0.01, 0.1)), "PGD": en.PerturbedGD(0.1, 0.1, 0.5, 3)}
SHAPES = {
    "a grid": {},
    "some records": {"record": en.Record(["x", "value"], at=en.log_spaced(7), instances=[3, 30, 49], survivors=True)},
    "all records": {"record": en.Record(["value", "distance"], at=[0, 9, 60])},
    "observables": {
        "record": en.Record("value", at=[0, 9], observables={"other": en.Quadratic([1.0] * 16)}, instances=30)
    },
    "a summary": {"record": en.Record(["x", "value"], at=en.lin_spaced(5), summary=True)},
    "few are recorded": {"record": en.Record("value", at=[0, 9, 60], instances=3)},
    "no iterates": {"keep_x": False},
    "an average": {"optimizer": en.Average(en.Adam(lr=0.02), after=3), "record": en.Record("x", at=[0, 40])},
    "compared": {"optimizer": {"Adam": en.Adam(0.01), "GD": en.GradientDescent(0.1)}},
    "compared, unlike": {"optimizer": TWO, "first_instance": 99, "paired": False},
    "several horizons": {"optimizer": TWO, "steps": {"Adam": 60, "PGD": 45}},
}


OFTEN = {"a summary", "compared, unlike", "observables"}


def rarely(names, often):
    return [name if name in often else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("shape", rarely(SHAPES, OFTEN))
def test_a_stored_run_equals_an_unbroken_one_in_one_piece_and_in_many(shape, tmp_path):
    more = SHAPES[shape]
    whole = data_digest(simulate(**more))
    assert data_digest(simulate(**more, store=tmp_path / "one")) == whole
    simulate(**more, store=tmp_path / "five", shard=(2, 5))  # cut in five
    assert len(en.open(tmp_path / "five").shards) == 5
    result, _ = in_pieces(tmp_path / "five", **more)
    assert data_digest(result) == whole
    assert data_digest(simulate(**more, store=tmp_path / "five")) == whole  # nothing is left to do
    assert data_digest(en.open(tmp_path / "five").result()) == whole


def test_checkpoints_are_gone_on_from(tmp_path):
    more = {"steps": 400, "record": en.Record(["value"], at=en.log_spaced(20), instances=7)}
    whole = data_digest(simulate(**more))
    result, times = in_pieces(tmp_path / "run", **more)
    assert times > 2  # or nothing was shown
    assert data_digest(result) == whole
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


@pytest.mark.parametrize("cut", rarely([1, 7, 49, 50], {7}))
def test_shards_of_any_size_have_the_same_bits(cut, tmp_path):
    simulate(store=tmp_path / "run", shard=(0, -(-50 // cut)))
    assert data_digest(simulate(store=tmp_path / "run")) == data_digest(simulate())


# ---- growing


@pytest.mark.parametrize("optimizer", [ESCAPE["optimizer"], TWO], ids=["one", "compared"])
def test_more_instances_and_more_steps_add_to_what_is_there(optimizer, tmp_path):
    more = {"optimizer": optimizer, "record": en.Record("value", at=en.log_spaced(6), instances=9)}
    small = simulate(**more, store=tmp_path / "run", instances=20, steps=30)
    assert data_digest(small) == data_digest(simulate(**more, instances=20, steps=30))
    wide = simulate(**more, store=tmp_path / "run", instances=50, steps=30)
    assert data_digest(wide) == data_digest(simulate(**more, instances=50, steps=30))
    long = simulate(**more, store=tmp_path / "run", instances=50, steps=80)
    assert data_digest(long) == data_digest(simulate(**more, instances=50, steps=30).resume(80))
    assert [(p.first_step, p.last_step) for p in long.history] == [(0, 30), (30, 80)]
    both = simulate(**more, store=tmp_path / "run", instances=70, steps=90)
    assert data_digest(both) == data_digest(simulate(**more, instances=70, steps=30).resume(80).resume(90))


@pytest.mark.slow
def test_a_grown_run_that_is_ended_again_and_again(tmp_path):
    simulate(store=tmp_path / "run", shard=(0, 3), steps=100)
    in_pieces(tmp_path / "run", steps=100, segments=5)
    result, times = in_pieces(tmp_path / "run", steps=200, instances=70, segments=5)
    assert times
    assert data_digest(result) == data_digest(simulate(steps=200, instances=70))


def test_grids_written_before_are_nothing_of_the_experiment(tmp_path):
    """Another process, or a longer script, has written other grids by the time it asks for the same runs."""

    def rates():
        return {"optimizer": en.HeavyBall(lr=en.grid(0.01, 0.03), beta=en.grid(0.5, 0.9)), "instances": 20}

    one = simulate(store=tmp_path / "run", **rates())
    for _ in range(3):
        en.grid(1.0, 2.0)
    again = simulate(store=tmp_path / "run", **rates())
    assert data_digest(again) == data_digest(one)
    turned = en.HeavyBall(beta=en.grid(0.5, 0.9), lr=en.grid(0.01, 0.03))  # whose dimensions come in another order
    with pytest.raises(en.OtherExperimentError, match="grids"):
        simulate(store=tmp_path / "run", **rates() | {"optimizer": turned})


@pytest.mark.parametrize(("change", "said"), [
    ({"optimizer": en.Adam(lr=en.grid(0.01, 0.04))}, r"optimizer\.lr has changed from grid\(0\.01, 0\.03\) to grid\(0\.01, 0\.04\)"),
    ({"optimizer": en.HeavyBall(lr=0.1)}, "optimizer has changed from Adam to HeavyBall"),
    ({"seed": 6, "dtype": "float64"}, r"dtype has changed from \"float32\" to \"float64\"; seed has changed from 5 to 6"),
    ({"start": en.NormalCloud(0.2)}, r"start\.scale has changed from 0\.1 to 0\.2"),
    ({"record": en.Record("value", at=[1])}, r"record has changed"),
    ({"keep_x": False}, r"keep_x has changed from true to false"),
    ({"steps": 50}, r"steps are 60 there and 50 here"),
    ({"instances": 40}, r"instances are 50 there and 40 here.*en\.open"),
    ({"optimizer": TWO}, "settings of Adam has changed"),
])  # fmt: skip
def test_another_setting_is_refused_field_by_field(change, said, tmp_path):
    simulate(store=tmp_path / "run")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=said) as caught:
        simulate(store=tmp_path / "run", **change)
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_another_version_is_refused_until_it_is_accepted(tmp_path, capsys):
    whole = data_digest(simulate(store=tmp_path / "run", instances=20))
    place = tmp_path / "run" / "experiment.json"
    said = en.stores.description.read(tmp_path / "run")
    en.stores.description.Description(**{**said.__dict__, "code": "0123456789abcdef"}).write(tmp_path / "run")
    with pytest.raises(ValueError, match=r"changed from .*code 01234567.*repair --accept-version"):
        simulate(store=tmp_path / "run", instances=20)
    assert main(["work", str(tmp_path / "run")]) == 1
    assert main(["store", "repair", "--accept-version", str(tmp_path / "run")]) == 0
    assert "code 01234567" in json.loads(place.read_text())["forced"][0]
    assert data_digest(simulate(store=tmp_path / "run", instances=20)) == whole


@pytest.mark.parametrize(("given", "said"), [
    ({"store": 5}, "store=5: give the path of a folder"),
    ({"store": "run", "shard": (3, 3)}, r"shard=\(3, 3\): give \(i, n\)"),
    ({"store": "run", "limit": "soon"}, "limit='soon': give seconds above 0, or a text such as"),
    ({"store": "run", "checkpoint": -1}, "checkpoint=-1: give seconds"),
    ({"shard": (0, 3)}, "give store= a folder, too"),
    ({"limit": 3}, "give store= a folder, too"),
])  # fmt: skip
def test_what_cannot_be_used_is_refused_in_one_line(given, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, TypeError), match=said):
        simulate(**given)
    assert not list(tmp_path.iterdir())


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OSError, match="the folder holds other things"):
        simulate(store=tmp_path)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="no folder can be made there"):
        simulate(store=tmp_path / "file")


def test_experiment_json_is_canonical_and_damage_in_it_is_named(tmp_path):
    simulate(store=tmp_path / "a")
    simulate(store=tmp_path / "b")
    place = tmp_path / "a" / "experiment.json"
    assert place.read_bytes() == (tmp_path / "b" / "experiment.json").read_bytes()
    place.write_text(place.read_text().replace("0.03", "0.04"))
    with pytest.raises(en.UnreadableFileError, match=r"experiment\.json' is damaged \(its digest is another\)"):
        simulate(store=tmp_path / "a")


# ---- reading


def test_finished_running_and_missing_are_told_apart_and_missing_is_not_censored(tmp_path):
    more = {"record": en.Record("value", at=[0, 60], instances=[1, 25, 45])}
    whole = simulate(**more)
    for part in (0, 2):
        simulate(**more, store=tmp_path / "run", shard=(part, 5))
    with pytest.raises(SystemExit):
        simulate(**more, store=tmp_path / "run", shard=(3, 5), limit=0.0001, checkpoint=0.0001)
    there = en.open(tmp_path / "run")
    assert [shard.state for shard in there.shards] == ["finished", "missing", "finished", "missing", "missing"]
    assert (there.count("finished"), there.count("missing"), there.complete) == (20, 30, False)
    assert "20 finished in 2 shards, 30 missing" in repr(there)
    found = there.dataset
    assert found["instance"].to_numpy().tolist() == [*range(10), *range(20, 30)]
    assert found["recorded_instance"].to_numpy().tolist() == [1, 25]
    same = whole.dataset.sel(instance=found["instance"], recorded_instance=found["recorded_instance"])
    for name in same.variables:
        assert np.array_equal(found[name], same[name], equal_nan=same[name].dtype.kind == "f"), name
    assert int((found["status"] == 0).sum()) == int((same["status"] == 0).sum())
    assert (found.attrs["unfinished"], found.attrs["interrupted"]) == ("20 of 50 instances", 1)
    with pytest.raises(ValueError, match="not complete"):
        there.result()


def test_statistics_run_on_a_store_without_loading_the_iterates(tmp_path):
    simulate(store=tmp_path / "run", shard=(0, 5))
    result = simulate(store=tmp_path / "run")
    there = en.open(tmp_path / "run")
    found, wanted = en.statistics.survival(there), en.statistics.survival(result)
    for name in wanted.variables:
        assert np.array_equal(found[name], wanted[name], equal_nan=True), name
    assert not there.dataset["x"].variable._in_memory


@pytest.mark.parametrize("pick", [
    {"instance": [5, 49, 7, 7, 0]}, {"instance": slice(3, 44, 7)}, {"instance": 17}, {"instance": slice(None, None, -1)},
    {"instance": slice(0, 0)}, {"instance": [33, 2], "coordinate": 4, "lr": [1, 0]}, {"lr": 1}, {},
])  # fmt: skip
def test_what_is_picked_of_a_store_is_that_of_the_whole(pick, stored):
    folder, result = stored
    found = en.open(folder).dataset["x"].isel(pick)
    assert np.array_equal(found, result.dataset["x"].isel(pick))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored") / "run"
    simulate(store=folder, shard=(0, 5))
    return folder, simulate(store=folder)


def test_each_shard_is_a_file_that_xarray_and_load_open(stored):
    folder, result = stored
    one = sorted((folder / "shards").iterdir())[1]
    assert one.name == "0000000010-0000000019.nc"
    assert np.array_equal(en.load(one).dataset["x"], result.dataset["x"].isel(instance=slice(10, 20)))


@pytest.mark.slow
def test_a_store_that_was_continued_since_it_was_opened_says_so(tmp_path):
    simulate(store=tmp_path / "run", steps=30)
    before = en.open(tmp_path / "run")
    simulate(store=tmp_path / "run", steps=60)
    with pytest.raises(en.UnreadableFileError, match="was continued since the store was opened; open the store again"):
        before.dataset["x"].load()


def test_no_store_and_a_later_version_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no store"):
        en.open(tmp_path)
    simulate(store=tmp_path / "run")
    place = tmp_path / "run" / "experiment.json"
    place.write_text(place.read_text().replace("descent-ensemble store 1", "descent-ensemble store 2"))
    with pytest.raises(en.UnreadableFileError, match="use a newer version"):
        en.open(tmp_path / "run")


# ---- merging


@pytest.mark.parametrize("optimizer", [ESCAPE["optimizer"], TWO], ids=["one", "compared"])
def test_stores_results_and_files_of_other_instances_are_joined(optimizer, tmp_path):
    more = {"optimizer": optimizer, "record": en.Record("value", at=[0, 9])}
    whole = simulate(**more)
    simulate(**more, store=tmp_path / "a", instances=20)
    result = simulate(**more, instances=12, first_instance=18)  # two of them are in both
    file = simulate(**more, instances=20, first_instance=30).save(tmp_path / "last.nc")
    merged = en.merge([tmp_path / "a", result, file], tmp_path / "c")
    assert merged.complete
    assert data_digest(merged.result()) == data_digest(whole)
    assert data_digest(simulate(**more, store=tmp_path / "c", instances=60)) == data_digest(
        simulate(**more, instances=60)
    )
    with_gap = en.merge([tmp_path / "a", file], tmp_path / "d")
    assert [shard.state for shard in with_gap.shards] == ["finished", "missing", "finished"]
    assert data_digest(simulate(**more, store=tmp_path / "d")) == data_digest(whole)


def test_what_cannot_be_joined_is_refused(tmp_path):
    simulate(store=tmp_path / "a", instances=20)
    other = simulate(instances=20, first_instance=20, seed=6)
    with pytest.raises(ValueError, match=r"another experiment than .*seed has changed from 5 to 6"):
        en.merge([tmp_path / "a", other], tmp_path / "c")
    changed = simulate(instances=30, first_instance=10)
    next(iter(changed.outcomes.values())).x[0, 3, 2] += 1
    changed.dataset["x"][0, 3, 2] = next(iter(changed.outcomes.values())).x[0, 3, 2]
    with pytest.raises(ValueError, match=r"instances 10 to 19 .* differ from those merged before, in 'x'"):
        en.merge([tmp_path / "a", changed], tmp_path / "e")
    summary = simulate(record=en.Record("value", at=[0], summary=True))
    with pytest.raises(ValueError, match="moments and quantiles"):
        en.merge([summary], tmp_path / "f")
    with pytest.raises(OSError, match="is a store already"):
        en.merge([simulate(instances=9)], tmp_path / "a")


# ---- the command


def test_exit_statuses_tell(tmp_path, capsys):
    folder = str(tmp_path / "run")
    assert main(["store", "status", folder]) == 2
    assert "is no store" in capsys.readouterr().err
    simulate(store=folder, shard=(0, 5))
    assert main(["store", "status", folder]) == 1
    assert re.search(
        r"finished +10 instances in 1 shards\n +missing +40 instances in 4 shards", capsys.readouterr().out
    )
    assert main(["work", folder]) == 0
    assert main(["store", "status", folder]) == 0
    assert main(["store", "verify", folder]) == 0
    assert data_digest(simulate(store=folder)) == data_digest(simulate())
    assert main(["store", "merge", folder, str(tmp_path / "copy")]) == 0
    assert main(["store", "status", str(tmp_path / "copy")]) == 0
    shard = sorted((tmp_path / "run" / "shards").iterdir())[2]
    shard.write_bytes(shard.read_bytes()[:-300])
    capsys.readouterr()
    assert main(["store", "verify", folder]) == 1
    assert shard.name in capsys.readouterr().out
    assert main(["store", "repair", folder]) == 0
    assert main(["store", "status", folder]) == 1
    assert main(["work", folder]) == 0
    assert main(["store", "verify", folder]) == 0
    assert main(["store"]) == main(["store", "status"]) == main(["store", "mend", folder]) == 2


@pytest.mark.slow
def test_work_needs_the_module_of_parts_of_ones_own(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\nfrom ensemble import HeavyBall\n@dataclass(frozen=True)\nclass Mine(HeavyBall):\n    pass\n"
    )
    script = (
        "import mine, ensemble as en\nen.simulate(landscape=en.Quadratic([1.0, 2.0]), optimizer=mine.Mine(0.1), "
        "start=en.Point(1.0), instances=6, steps=5, backend='numpy', store='run', shard=(0, 3))"
    )
    done = python(code=script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    without = python("-m", "ensemble", "work", "run", cwd=tmp_path)
    assert (without.returncode, "give --import MODULE" in without.stderr) == (1, True)
    assert python("-m", "ensemble", "work", "run", "--import", "mine", cwd=tmp_path).returncode == 0
    assert en.open(tmp_path / "run").complete
    assert en.open(tmp_path / "run").dataset["x"].shape == (6, 2)
