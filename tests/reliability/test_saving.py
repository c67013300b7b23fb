"""Saving where the disk fails, the writer is killed or interrupted, or the place is not an ordinary file. The faults are real."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bad_calls import COMPARED, RESULT, complaint

import ensemble as en
from ensemble.results.files import opened

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals, limits and permissions of POSIX")

BEGIN = """
import os, random, resource, signal, sys, time
import ensemble as en

target, argument = sys.argv[1], sys.argv[2]
some = dict(
    landscape=en.QuarticSaddle(dim=64), optimizer=en.Adam(lr=0.01), noise=en.Gaussian(0.1), start=en.NormalCloud(0.1),
    steps=2, backend="numpy", progress=False,
)
small, large, other = (en.simulate(**some, instances=n, seed=n) for n in (20, 1500, 1501))
here = os.path.dirname(target)
size = os.path.getsize(large.save(target))

def parts():
    return [name for name in os.listdir(here) if name.endswith(".part")]
"""


def run(code, *arguments, timeout=120):
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code, *map(str, arguments)], capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stderr}"
    return done.stdout.splitlines()


# ---- no room

LIMITED = """
small.save(target)
for share in (0.0, 1e-6, 1e-4, 0.01, 0.1, 0.3, 0.5, 0.7, 0.99, 1 - 50 / size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * size), resource.RLIM_INFINITY))
    try:
        large.save(target)
    except OSError as error:
        print(error.errno, error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    assert en.load(target).dataset.identical(small.dataset)
    assert os.listdir(here) == ["run.nc"]
large.save(target)
assert en.load(target).dataset.identical(large.dataset)
"""

FULL = """
small.save(target)
for share in (0.0, 1e-6, 1e-4, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97):
    with open(os.path.join(here, "ballast"), "wb") as ballast:
        free = os.statvfs(here)
        os.posix_fallocate(ballast.fileno(), 0, int(free.f_bavail * free.f_frsize - share * size) // 4096 * 4096)
    try:
        large.save(target)
    except OSError as error:
        print(error.errno, error)
    assert en.load(target).dataset.identical(small.dataset)
    assert sorted(os.listdir(here)) == ["ballast", "run.nc"]
    os.unlink(ballast.name)
large.save(target)
assert en.load(target).dataset.identical(large.dataset)
"""


def told(lines, why):
    """20 of 20: each message names the place and the bytes, and the process lived to the end."""
    assert len(lines) == 10
    for line in lines:
        assert re.search(rf"save\(.*run\.nc'\): \d,\d{{3}},\d{{3}} bytes cannot be written there \({why}\)", line)
        assert "still in memory" in line
        assert len(line) < 300


@pytest.mark.ci
def test_a_limit_on_the_size_of_files_costs_neither_the_process_nor_the_old_file(tmp_path):
    told(run(LIMITED, tmp_path / "run.nc", ""), "File too large")


def test_a_full_disk_costs_neither_the_process_nor_the_old_file(tmp_path):
    if sys.platform != "linux" or os.geteuid() or shutil.which("mount") is None:
        pytest.skip("only root may mount a small disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", tmp_path], capture_output=True)
    if mounted.returncode:
        pytest.skip("this root may not mount")
    try:
        told(run(FULL, tmp_path / "run.nc", ""), "No space left on device")
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)


# ---- a writer that is ended

KILLED = """
killed = 0
random.seed(int(argument))
rounds = int(argument)
small.save(target)
for k in range(rounds):
    child = os.fork()
    if not child:
        while True:
            large.save(target)
            other.save(target)
    if k % 2:
        time.sleep(random.uniform(0.0, 0.2))
    else:
        while not parts():
            pass
        time.sleep(random.uniform(0.0, 0.003))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    killed += bool(parts())
    found = en.load(target).dataset
    assert any(found.identical(result.dataset) for result in (small, large, other))
    assert os.listdir(here) == ["run.nc"], "what the dead left is swept"
print(killed)
"""


def killed(folder, rounds):
    (count,) = run(KILLED, folder / "run.nc", rounds, timeout=500)
    assert int(count) > 0, "no writer was killed while it wrote: the test saw nothing"
    return int(count)


@pytest.mark.ci
def test_a_writer_that_is_killed_leaves_a_whole_file_and_what_it_left_is_swept(tmp_path):
    killed(tmp_path, 5)


@pytest.mark.slow
def test_fifty_writers_that_are_killed_leave_a_whole_file(tmp_path):
    assert killed(tmp_path, 50) > 15


def test_the_next_save_sweeps_what_dead_writers_of_that_name_left_and_no_more(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    dead = [tmp_path / f".run.nc.{k:08x}.part" for k in range(60)]
    living, others, folder = (
        tmp_path / f".{n}.part" for n in ("run.nc.aaaaaaaa", "other.nc.00000000", "run.nc.bbbbbbbb")
    )
    for part in (*dead, living, others):
        part.write_bytes(b"left")
    folder.mkdir()
    with open(living, "rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        RESULT.save(tmp_path / "run.nc")
        assert {p.name for p in tmp_path.iterdir()} == {"run.nc", living.name, others.name, folder.name}
    en.load(tmp_path / "run.nc")
    assert {p.name for p in tmp_path.iterdir()} == {"run.nc", others.name, folder.name}


INTERRUPTED = """
import threading

def interrupt(after):
    time.sleep(after)
    os.kill(os.getpid(), signal.SIGINT)

random.seed(1)
began = time.perf_counter()
large.save(target)
took = time.perf_counter() - began
small.save(target)
interrupted = 0
for k in range(int(argument)):
    alarm = threading.Thread(target=interrupt, args=(random.uniform(0.0, took),))
    try:
        alarm.start()
        large.save(target)
        alarm.join()
    except KeyboardInterrupt:
        interrupted += 1
    alarm.join()
    found = en.load(target).dataset
    assert found.identical(large.dataset) or found.identical(small.dataset)
    assert os.listdir(here) == ["run.nc"]
print(interrupted)
"""


@pytest.mark.ci
@pytest.mark.parametrize("rounds", [6, pytest.param(200, marks=pytest.mark.slow)])
def test_an_interrupted_save_leaves_a_whole_file_and_a_whole_process(rounds, tmp_path):
    (count,) = run(INTERRUPTED, tmp_path / "run.nc", rounds, timeout=500)
    assert int(count) == rounds


READ = """
child = os.fork()
if not child:
    while True:
        small.save(target)
        large.save(target)
try:
    for _ in range(int(argument)):
        found = en.load(target).dataset
        assert found.identical(small.dataset) or found.identical(large.dataset)
finally:
    os.kill(child, signal.SIGKILL)
"""


@pytest.mark.ci
@pytest.mark.parametrize("times", [8, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_reader_gets_a_whole_file_while_a_writer_replaces_it(times, tmp_path):
    run(READ, tmp_path / "run.nc", times, timeout=500)


def test_a_file_that_is_replaced_while_it_is_read_is_read_to_its_end(tmp_path):
    place = RESULT.save(tmp_path / "run.nc")
    whole = place.read_bytes()
    with opened(place) as file:
        COMPARED.save(place)
        assert file.read() == whole


# ---- places that are not ordinary files


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.parametrize("permissions", [0o600, 0o640, 0o644, 0o664])
def test_a_replaced_file_keeps_its_permissions(permissions, tmp_path):
    place = RESULT.save(tmp_path / "run.nc")
    os.chmod(place, permissions)
    COMPARED.save(place)
    assert mode(place) == permissions
    assert en.load(place).dataset.identical(COMPARED.dataset)


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_new_file_has_the_permissions_that_the_process_gives(umask, tmp_path):
    before = os.umask(umask)
    try:
        assert mode(RESULT.save(tmp_path / "run.nc")) == 0o666 & ~umask
    finally:
        os.umask(before)


def test_a_replaced_file_keeps_its_owner_where_that_is_allowed(tmp_path):
    if os.geteuid():
        pytest.skip("only root may give files away")
    place = RESULT.save(tmp_path / "run.nc")
    os.chown(place, 1234, 2345)
    COMPARED.save(place)
    assert (os.stat(place).st_uid, os.stat(place).st_gid) == (1234, 2345)


@pytest.mark.parametrize("there", ["a file", "nothing"])
def test_a_link_is_followed(there, tmp_path):
    (tmp_path / "disk").mkdir()
    real, link = tmp_path / "disk" / "real.nc", tmp_path / "link.nc"
    link.symlink_to(Path("disk") / "real.nc")
    if there == "a file":
        real.write_text("old")
        real.chmod(0o600)
    assert RESULT.save(link) == link
    assert link.is_symlink()
    assert not real.is_symlink()
    assert mode(real) == 0o600 or there == "nothing"
    assert en.load(link).dataset.identical(RESULT.dataset)
    assert [p.name for p in real.parent.iterdir()] == ["real.nc"]


def test_a_device_a_pipe_and_a_link_in_a_circle_are_refused_and_stay(tmp_path):
    pipe, circle, device = tmp_path / "pipe", tmp_path / "circle", tmp_path / "device"
    os.mkfifo(pipe)
    circle.symlink_to(circle)
    places = {pipe: "a device or a pipe", circle: "symbolic links"}
    if not os.geteuid():
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        places[device] = "a device or a pipe"
    places[Path("/dev/null")] = "a device or a pipe"
    for place, words in places.items():
        kind = os.lstat(place).st_mode
        assert re.search(words, complaint(lambda place=place: RESULT.save(place)))
        assert os.lstat(place).st_mode == kind
        if place != circle:
            assert "not a file" in complaint(lambda place=place: en.load(place))
    assert {p.name for p in tmp_path.iterdir()} <= {"pipe", "circle", "device"}


def test_a_read_only_file_stays(tmp_path):
    place = RESULT.save(tmp_path / "run.nc")
    place.chmod(0o444)
    if os.access(place, os.W_OK):
        pytest.skip("this user may write everything")
    assert "read-only" in complaint(lambda: COMPARED.save(place))
    assert en.load(place).dataset.identical(RESULT.dataset)


# ---- a dataset that someone has changed


NEEDED = ("format", "options", "settings", "outcomes", "history", "wall_time", "segments", "started_inside")


def taken_out(dataset):
    """(words, the dataset) without what load needs, each by itself; and without the rest."""
    for name in NEEDED:
        others = {other: value for other, value in dataset.attrs.items() if other != name}
        yield f"without the attribute {name}", dataset.drop_attrs(deep=False).assign_attrs(others)
    for name in dataset.variables:
        yield f"without {name}", dataset.drop_vars(name)
    yield "without other attributes", dataset.drop_attrs().assign_attrs({name: dataset.attrs[name] for name in NEEDED})


def changed(dataset):
    """(words, the dataset) with something changed."""
    for name in dataset.attrs:
        yield f"another attribute {name}", dataset.assign_attrs({name: "something else"})
        yield f"{name} a number", dataset.assign_attrs({name: 3.5})
    for name in dataset.variables:
        yield f"{name} renamed", dataset.rename({name: "other"})
        yield f"{name} as text", dataset.assign({name: dataset[name].astype(str)})
        yield f"{name} of another kind", dataset.assign({name: dataset[name] == dataset[name]})
    for dim in dataset.dims:
        yield f"half of {dim}", dataset.isel({dim: slice(None, None, 2)})
        yield f"{dim} turned round", dataset.isel({dim: slice(None, None, -1)})


def added(dataset):
    """(words, the dataset) with something of one's own."""
    notes = {
        "note": "mine",
        "tags": ["a", "b"],
        "numbers": [1, 2],
        "empty": "",
        "nothing": None,
        "deep": {"a": 1},
        "yes": True,
    }
    for name, note in notes.items():
        yield f"the attribute {name}", dataset.assign_attrs({name: note})
        yield f"the attribute {name} of x", dataset.assign(x=dataset["x"].assign_attrs({name: note}))
    yield "a mean", dataset.assign(mean=dataset["x"].mean("instance"))
    yield "a time", dataset.assign(when=("instance", np.arange(dataset.sizes["instance"]).astype("datetime64[s]")))
    yield "truths", dataset.assign(inside=dataset["x"] > 0)
    yield "complex numbers", dataset.assign(z=dataset["x"] * 1j)
    yield "names", dataset.assign(who=("instance", ["me"] * dataset.sizes["instance"]))
    yield "objects", dataset.assign(who=("instance", np.array([object()] * dataset.sizes["instance"])))
    yield "an axis of steps", dataset.assign(more=("step", np.arange(4.0)))


@pytest.mark.parametrize("change", [taken_out, added, pytest.param(changed, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["simulate", "compare"])
def test_what_is_saved_is_loaded_again_whatever_was_done_to_the_dataset(name, change, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # so many files, and none needs to outlive a power cut
    record = en.Record(["value", "x"], at=range(4))
    some = {"landscape": en.QuarticSaddle(dim=3), "start": en.NormalCloud(0.1), "instances": 4, "steps": 3}
    some |= {"record": record, "backend": "numpy", "progress": False}
    rules = {"a": en.Adam(lr=en.grid(0.1, 0.2)), "b": en.Momentum(lr=en.grid(0.1, 0.2))}
    result = en.compare(rules, **some) if name == "compare" else en.simulate(optimizer=rules["a"], **some)
    target, refused, taken = tmp_path / "run.nc", {}, set()
    for words, dataset in change(result.dataset):
        try:
            dataclasses.replace(result, dataset=dataset).save(target)
        except ValueError as error:
            refused[words] = str(error)
            assert not target.exists(), words
            continue
        taken.add(words)
        assert list(en.load(target).outcomes) == list(result.outcomes), words
        target.unlink()
    for words, text in refused.items():
        wanted = r"save: (the result's dataset was changed so that load|the dataset cannot be written)"
        assert re.match(wanted, text), (words, text)
        assert len(text) <= 300, text
        assert "\n" not in text
    if change is taken_out:
        assert {f"without the attribute {name}" for name in NEEDED} <= set(refused)
        assert {"without event_step", "without x", "without horizon"} <= set(refused)
        assert "without other attributes" in taken
    elif change is added:
        assert {"the attribute note", "the attribute numbers", "a mean", "truths", "names"} <= taken
    else:
        assert {"instance turned round", "lr turned round", "half of instance", "x of another kind"} <= set(refused)
