"""Files made by someone who knows the format: refused by name, without a look outside the file, a crash or a hang."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import resealed
from bad_calls import COMPARED, RESULT, RUN, complaint

import ensemble as en

TESTS = Path(__file__).parents[1]
RECORDED = en.simulate(**RUN | {"optimizer": en.PerturbedGD(0.1, 0.1, 0.5, 3), "record": en.Record("value", at=[0, 9])})


@pytest.fixture
def place(tmp_path):
    return RECORDED.save(tmp_path / "run.nc")


def refusal(place):
    """The message: of our one class, in one line, with the file's name."""
    with pytest.raises(en.UnreadableFileError):
        en.load(place)
    message = complaint(lambda: en.load(place))
    assert place.name in message
    assert len(message) <= 300
    return message


def test_a_sound_file_that_was_sealed_again_is_read(place):
    with resealed.changed(place):
        pass
    assert en.load(place).dataset.identical(RECORDED.dataset)


# ---- what HDF5 would follow or run


def outside(file, folder, name="event_step"):
    """Where a file that is none of the reader's business keeps numbers of the right kind."""
    array = np.array(file[name])
    with h5py.File(folder / "secret.h5", "w") as secret:
        secret[name] = np.arange(array.size, dtype=array.dtype).reshape(array.shape)
    (folder / "secret.bin").write_bytes(np.arange(array.size, dtype=array.dtype).tobytes())
    del file[name]
    return array


def external_link(file, folder):
    outside(file, folder)
    file["event_step"] = h5py.ExternalLink("secret.h5", "/event_step")


def external_storage(file, folder):
    array = outside(file, folder)
    file.create_dataset("event_step", array.shape, array.dtype, external=[(folder / "secret.bin", 0, array.nbytes)])


def virtual(file, folder):
    array = outside(file, folder)
    layout = h5py.VirtualLayout(array.shape, array.dtype)
    layout[:] = h5py.VirtualSource(folder / "secret.h5", "event_step", array.shape)
    file.create_virtual_dataset("event_step", layout)


def soft_link(file, folder):
    del file["event_step"]
    file["event_step"] = h5py.SoftLink("/diverged_step")


def group(file, folder):
    del file["event_step"]
    file.create_group("event_step")


def named_type(file, folder):
    file["kind"] = np.dtype("f8")


def records_of_c(file, folder):
    del file["event_step"]
    file["event_step"] = np.zeros((12,), dtype=[("a", "i8")])


def references(file, folder):
    del file["event_step"]
    file["event_step"] = np.array([file["x"].ref] * 12, dtype=h5py.ref_dtype)


def another_filter(file, folder):
    array = np.array(file["event_step"])
    del file["event_step"]
    file.create_dataset("event_step", data=array, compression="lzf")


def nothing_stored(file, folder):
    del file["event_step"]
    file.create_dataset("event_step", (1 << 40,), "i8", chunks=(1 << 20,))


def listed_text(file, folder):
    file.attrs["options"] = ["a" * 1000] * 1000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (external_link, "'event_step' is a link to somewhere else"),
        (external_storage, "'event_step' lies in another file"),
        (virtual, "'event_step' is made of other arrays"),
        (soft_link, "'event_step' is a link to somewhere else"),
        (group, "'event_step' is not an array"),
        (named_type, "'kind' is not an array"),
        (records_of_c, "'event_step' holds neither numbers nor text"),
        (references, "'event_step' holds neither numbers nor text"),
        (another_filter, "'event_step' is packed in another way"),
        (nothing_stored, "its arrays are larger than what is in it"),
        (listed_text, "the attribute 'options' holds neither numbers nor a text"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_nothing_outside_the_file_is_followed(change, words, place, tmp_path):
    with resealed.changed(place) as file:
        change(file, tmp_path)
    assert words in refusal(place)


# ---- settings that simulate would refuse


def with_settings(change):
    def edit(attrs):
        found = json.loads(attrs["settings"])
        change(found[""])
        attrs["settings"] = json.dumps(found)

    return edit


def with_options(**changes):
    def edit(attrs):
        attrs["options"] = json.dumps(json.loads(attrs["options"]) | changes)

    return edit


def put(*path, value):
    def change(setting):
        for key in path[:-1]:
            setting = setting[key]
        setting[path[-1]] = value

    return with_settings(change)


def nested(depth):
    part = {"part": "Clip", "limit": 1.0, "base": {"part": "GradientDescent", "lr": 0.1}}
    for _ in range(depth):
        part = {"part": "Clip", "limit": 1.0, "base": part}
    return part


NOISE = {"part": "Gaussian", "sigma": 0.1}
CASES = {
    "check_every 0": (put("check_every", value=0), "check_every=0"),
    "no steps": (put("steps", value=0), "steps=0"),
    "too many steps": (put("steps", value=2**40), "steps=1099511627776"),
    "instances below 0": (put("instances", value=-1), "instances=-1"),
    "a seed that is none": (put("seed", value=2**64), "seed="),
    "another dtype": (put("dtype", value="object"), "dtype='object'"),
    "other math": (put("math", value="exact"), "math='exact'"),
    "paired is a number": (put("paired", value=1), "paired=1"),
    "a part in another's role": (put("optimizer", value=NOISE), "optimizer must be optimizer"),
    "a wrapped part in another's role": (put("optimizer", value={"part": "Clip", "base": NOISE, "limit": 1.0}), "Clip"),
    "a number that is none": (put("landscape", "gamma", value="1"), "gamma"),
    "a number that is not finite": (put("landscape", "gamma", value=float("nan")), "gamma"),
    "a field that is unknown": (put("landscape", "delta", value=1.0), "QuarticSaddle has 'delta', unknown here"),
    "a field that is missing": (with_settings(lambda s: s["landscape"].pop("gamma")), "QuarticSaddle lacks 'gamma'"),
    "a setting that is unknown": (put("colour", value="red"), "a setting has 'colour', unknown here"),
    "a setting that is missing": (with_settings(lambda s: s.pop("paired")), "a setting lacks 'paired'"),
    "a record's field that is unknown": (put("record", "colour", value=1), "the record has 'colour', unknown here"),
    "a part that is unknown": (put("noise", "part", value="Pink"), "'Pink', which is not defined here; import its module"),
    "a part that is no part": (put("noise", "part", value="os:system"), "'os:system', which is not defined here"),
    "a part that is a list": (put("noise", value=[1, 2]), "noise should be names and values, not list"),
    "parts without end": (put("optimizer", value=nested(300)), ""),
    "records without end": (put("record", "at", value={"kind": "log", "count": 10**15}), "count=1000000000000000"),
    "a grid that is in no list": (put("noise", "sigma", value={"grid": [0.1, 0.2]}), ""),
    "more configurations than arrays": (
        with_settings(
            lambda s: (
                s["noise"].update(sigma={"grid": list(np.linspace(0.1, 1, 1000))}),
                s["landscape"].update(gamma={"grid": list(np.linspace(0.1, 1, 1000))}),
                s.update(grids={"noise.sigma": [0, 0], "landscape.gamma": [1, 1]}),
            )
        ),
        "1 configurations, and settings of 1000000",
    ),
    "another dim": (put("landscape", "dim", value=4), ""),
    "a dim without end": (put("landscape", "dim", value=10**12), ""),
    "an unknown backend": (with_options(backend="tpu"), "backend='tpu'"),
    "threads that are none": (with_options(threads=-1), "threads=-1"),
    "an option that is unknown": (with_options(colour=1), "the options has 'colour', unknown here"),
    "no iterates, and iterates": (with_options(keep_x=False), "iterates"),
    "text that is no JSON": (lambda attrs: attrs.update({"settings": "{" * 100_000}), ""),
    "a number of many digits": (lambda attrs: attrs.update({"settings": '{"": ' + "9" * 10_000 + "}"}), ""),
    "no settings": (lambda attrs: attrs.pop("settings"), "settings"),
    "no history": (lambda attrs: attrs.update(history="[]"), "its history is empty"),
    "a history of others": (lambda attrs: attrs.update(history='[{"who": "me"}]'), "its history holds other things"),
    "an outcome that is unknown": (lambda attrs: attrs.update(outcomes='{"": {"colour": 1}}'), "'colour' = 1, unknown here"),
    "another program's format": (lambda attrs: attrs.update(format="other 1"), "another program wrote it"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_simulate_would_refuse_is_refused_by_name(case, place):
    change, words = CASES[case]
    with resealed.changed(place) as file:
        attrs = dict(file.attrs)
        change(attrs)
        for name in set(file.attrs) - set(attrs):
            del file.attrs[name]
        for name, value in attrs.items():
            file.attrs[name] = value
    assert words in refusal(place)


# ---- arrays that are not those of the settings


def replaced(name, make):
    def change(file):
        dims = [scales[0] for scales in file[name].dims]
        array = make(np.array(file[name]))
        del file[name]
        file[name] = array
        for axis, scale in zip(file[name].dims, dims, strict=False):
            axis.attach_scale(scale)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (replaced("event_step", lambda a: a + 1000), "event_step holds steps beyond 30"),
        (replaced("diverged_step", lambda a: a - 5), "diverged_step holds steps beyond 30"),
        (replaced("event_step", lambda a: a.astype("f8")), "'event_step'"),
        (replaced("x", lambda a: a.astype("f8")), "its x are float64"),
        (replaced("_integers_0", lambda a: a[:, :, :2]), "'_integers_0' has not the size of its dimensions"),
        (replaced("_integers_0", lambda a: a.astype("f4")), "its integers are"),
        (lambda file: file.pop("x"), "iterates"),
        (lambda file: file.pop("event"), "event"),
        (lambda file: file.pop("value"), "value was recorded, and is not there"),
    ],
)
def test_arrays_that_are_not_those_of_the_settings_are_refused(change, words, place):
    with resealed.changed(place) as file:
        change(file)
    assert re.search(words, refusal(place))


# ---- nothing is imported, unpickled or run

WATCHED = """
import sys
import ensemble as en
place, *files = sys.argv[1:]
en.load(place)  # whatever netCDF needs is imported once
seen = []
sys.addaudithook(lambda event, args: seen.append((event, args)))
for file in files:
    try:
        en.load(file)
    except en.UnreadableFileError as error:
        print(error)
watched = ("import", "exec", "compile", "pickle.find_class", "marshal.loads", "os.system", "subprocess.Popen", "ctypes.dlopen")
assert not [s for s in seen if s[0] in watched], [s for s in seen if s[0] in watched]
names = {str(args[0]) for event, args in seen if event == "open" and isinstance(args[0], str)}
assert names <= set(files), names
"""


@pytest.mark.ci
def test_loading_imports_unpickles_runs_and_opens_nothing_that_a_file_names(place, tmp_path):
    files = []
    for k, name in enumerate(["os:system", "antigravity:Part", "ensemble.plots:save", "this", "subprocess.Popen"]):
        file = RECORDED.save(tmp_path / f"{k}.nc")
        with resealed.changed(file) as inside:
            found = json.loads(inside.attrs["settings"])
            found[""]["noise"] = {"part": name, "sigma": 0.1, "class": {"code": name, "kernel": name}}
            inside.attrs["settings"] = json.dumps(found)
            inside.attrs["format"] = "descent-ensemble 2"
        files.append(str(file))
    pickled = tmp_path / "pickled.nc"
    payload = b"\x89HDF\r\n\x1a\ncos\nsystem\n(S'true'\ntR."
    pickled.write_bytes(resealed.seal(payload))
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, place, *files, pickled], capture_output=True, text=True, cwd=TESTS.parent
    )
    assert not done.returncode, done.stderr
    assert len(done.stdout.splitlines()) == 6


# ---- mutations

MUTATED = Path(__file__).with_name("mutations.py")


@pytest.mark.ci
@pytest.mark.parametrize("count", [60, pytest.param(1500, marks=pytest.mark.slow)])
def test_mutated_files_are_read_or_refused_and_nothing_else(count, tmp_path):
    """Bits flipped with and without a new seal, pieces cut and repeated, texts, arrays and attributes replaced."""
    for name, result in {"recorded": RECORDED, "compared": COMPARED, "swept": RESULT}.items():
        result.save(tmp_path / f"{name}.nc")
    done = subprocess.run(
        [sys.executable, MUTATED, tmp_path, str(count)], capture_output=True, text=True, timeout=1200, cwd=TESTS
    )
    assert not done.returncode, f"{done.returncode}: {done.stdout[-300:]} {done.stderr[-3000:]}"
    refused, read = map(int, done.stdout.split()[-2:])
    assert refused + read == count
    assert refused > count / 3
    assert read > 0
