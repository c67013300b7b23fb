"""A result knows what ran it: what has changed since is refused by name, or forced and written down."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bad_calls import COMPARED, RESULT, RUN, complaint

import ensemble as en
from ensemble.run.experiment import Experiment

ROOT = Path(en.__file__).parents[1]
RECORDED = en.simulate(**RUN | {"record": en.Record("value", at=[0, 10, 30])})
# Another value of everything that a setting holds but its steps.
OTHER = {
    "landscape": en.QuarticSaddle(dim=3, gamma=2.0),
    "optimizer": en.GradientDescent(0.2),
    "noise": en.Gaussian(0.3),
    "start": en.NormalCloud(0.2),
    "event": en.LeftBall(0.6),
    "instances": 13,
    "first_instance": 1,
    "seed": 1,
    "dtype": "float64",
    "math": "precise",
    "check_every": 2,
    "paired": False,
    "record": en.Record("distance", at=[0, 10, 30]),
}


def edited(result, **changes):
    settings = {name: dataclasses.replace(setting, **changes) for name, setting in result.settings.items()}
    return dataclasses.replace(result, settings=settings)


def test_everything_that_decides_numbers_is_looked_at():
    assert OTHER.keys() | {"steps"} == {f.name for f in dataclasses.fields(Experiment)}


@pytest.mark.parametrize("loaded", [False, True], ids=["in memory", "from a file"])
@pytest.mark.parametrize("name", OTHER)
def test_a_setting_that_was_edited_is_refused_by_name(name, loaded, tmp_path):
    result = en.load(RECORDED.save(tmp_path / "run.nc")) if loaded else RECORDED
    changed = edited(result, **{name: OTHER[name]})
    for call in (lambda: changed.resume(40), lambda: en.replay(changed, 3)):
        message = complaint(call)
        assert re.search(rf"since the run {name}\b.*has changed from .* to .*force=True", message)
        assert len(message) <= 300
    if name == "landscape":
        assert "since the run landscape.gamma has changed from 1.0 to 2.0" in complaint(changed.fields)
        assert changed.fields(force=True)
    else:
        assert changed.fields()
    assert result.resume(40).dataset["horizon"] == 40


def test_the_backend_and_every_optimizer_of_a_comparison_are_looked_at():
    other = dataclasses.replace(RESULT, options=RESULT.options | {"backend": "cpu"})
    assert 'backend has changed from "numpy" to "cpu"' in complaint(lambda: other.resume(40))
    changed = dataclasses.replace(COMPARED, settings=dict(COMPARED.settings))
    changed.settings["b"] = dataclasses.replace(changed.settings["b"], optimizer=en.HeavyBall(0.2))
    assert "settings of b.optimizer.lr has changed from 0.1 to 0.2" in complaint(lambda: changed.resume(40))


def test_what_was_forced_is_done_and_written_down(tmp_path):
    changed = edited(RECORDED, seed=1, noise=en.Gaussian(0.3))
    resumed = changed.resume(40, force=True)
    assert [(p.first_step, p.last_step) for p in resumed.history] == [(0, 30), (30, 40)]
    assert resumed.history[0] == RECORDED.history[0]
    assert resumed.history[1].forced == "noise.sigma has changed from 0.2 to 0.3; seed has changed from 0 to 1"
    back = en.load(resumed.save(tmp_path / "run.nc"))
    assert back.history == resumed.history
    assert json.loads(back.dataset.attrs["history"]) == [dataclasses.asdict(p) for p in resumed.history]
    assert back.resume(50).history[2].forced == ""
    assert en.replay(changed, 3, force=True).sizes["step"] > 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"landscape": en.QuarticSaddle(dim=4)}, "the dimension"),
        ({"optimizer": en.GradientDescent(en.grid(0.1, 0.2))}, "the number of configurations"),
        ({"instances": 11}, "the number of instances"),
        ({"optimizer": en.Adam(0.1)}, "what the optimizer remembers"),
        ({"record": None}, "what is recorded"),
    ],
)
def test_what_cannot_be_joined_cannot_be_forced(changes, words):
    run = en.simulate(**RUN | {"optimizer": en.HeavyBall(0.1), "record": RECORDED.settings[""].record})
    assert f"{words} changed, and nothing can be joined" in complaint(
        lambda: edited(run, **changes).resume(40, force=True)
    )


def test_steps_to_record_at_may_be_added():
    longer = edited(RECORDED, record=en.Record("value", at=[0, 10, 30, 35]))
    assert longer.resume(40).dataset["step"].to_numpy().tolist() == [0, 10, 30, 35]


def test_history_says_what_ran_and_when():
    (piece,) = RESULT.history
    assert (piece.first_step, piece.last_step, piece.version) == (0, 30, en.__version__)
    assert (piece.backend, piece.device) == ("numpy", RESULT.dataset.attrs["device"])
    assert re.fullmatch("[0-9a-f]{16}", piece.code)
    assert piece.settings == RESULT.resume(40).history[1].settings != COMPARED.history[0].settings
    resumed = RESULT.resume(40)
    assert np.isclose(sum(p.wall_time for p in resumed.history), resumed.dataset.attrs["wall_time"])


ELSEWHERE = """
import sys
import ensemble as en
result = en.load(sys.argv[1])
for call in (lambda: result.resume(40), lambda: en.replay(result, 3, 0)):
    try:
        call()
        print("went on")
    except ValueError as error:
        print(error)
print(result.resume(40, force=True).history[-1].forced)
"""


@pytest.mark.ci
@pytest.mark.parametrize(
    "touched", ["kernels/optimizers/descent.cuh", "ensemble/arithmetic/vec.py", "ensemble/plots/style.py"]
)
def test_a_file_of_other_code_is_read_and_goes_no_further(touched, tmp_path):
    """The package itself, copied, with one line more in one file: what decides no number may change."""
    for folder in ("ensemble", "kernels"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    with open(tmp_path / touched, "a", encoding="utf-8") as file:
        file.write("// one line more\n" if touched.endswith("cuh") else "# one line more\n")
    place = RESULT.save(tmp_path / "run.nc")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, place], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert not done.returncode, done.stderr
    *calls, forced = done.stdout.splitlines()
    if touched == "ensemble/plots/style.py":
        assert calls == ["went on"] * 2
        assert not forced
    else:
        code = RESULT.history[0].code[:8]
        words = rf"since the run descent-ensemble has changed from {en.__version__} \(code {code}\) to {en.__version__} \(code \w{{8}}\)"
        assert all(re.search(f"{words}.*force=True", call) for call in calls)
        assert forced.startswith("descent-ensemble has changed")
