"""Stores whose processes are killed, told to end, meet each other or a full disk, and whose files are damaged. The faults are real."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from stored_runs import data_digest, python, simulate

import ensemble as en
from ensemble.__main__ import main

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals, limits and permissions of POSIX"),
    pytest.mark.filterwarnings("ignore:.*starts already satisfy the event"),
]
TESTS = Path(__file__).parents[1]
BEGIN = f"""
import os, random, resource, signal, sys, time, warnings
sys.path.insert(0, {str(TESTS)!r})
warnings.simplefilter("ignore")
import ensemble as en
from stored_runs import data_digest, simulate
store = sys.argv[1]
LONG = dict(steps=700, instances=60, record=en.Record("value", at=en.log_spaced(12), instances=25))
"""
LONG = {"steps": 700, "instances": 60, "record": en.Record("value", at=en.log_spaced(12), instances=25)}


def run(code, *arguments, timeout=300, **options):
    return python(*arguments, code=BEGIN + code, timeout=timeout, **options)


def began(code, *arguments):
    """A process at work, once it has said so."""
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN + "print('began', flush=True)\n" + code, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "began\n"
    return process


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


# ---- killed

KILLED = """
whole = data_digest(simulate(**LONG))
simulate(store=store, **LONG, shard=(5, 6))  # cut in six
rounds, killed, longest = int(sys.argv[2]), 0, 0.6
random.seed(rounds)
for k in range(100 * rounds):
    child = os.fork()
    if not child:
        simulate(store=store, **LONG, checkpoint=random.choice([0.001, 0.02, 0.2]))
        os._exit(0)
    time.sleep(random.uniform(0, longest))
    os.kill(child, signal.SIGKILL)
    if not os.WIFSIGNALED(os.waitpid(child, 0)[1]):  # it was through: begin again
        longest = max(0.05, 0.7 * longest)
        for kind in ("shards", "checkpoints"):
            for name in os.listdir(os.path.join(store, kind))[:4]:
                os.unlink(os.path.join(store, kind, name))
        continue
    killed += 1
    there = en.open(store)  # a reader is never told that anything is damaged
    assert not there.count("damaged"), there
    there.dataset["x"].load()
    if killed == rounds:
        break
print(killed, data_digest(simulate(store=store, **LONG)) == whole)
left = [name for _, _, names in os.walk(store) for name in names if name.endswith((".part", "lock"))]
print(left, os.listdir(os.path.join(store, "checkpoints")), os.listdir(os.path.join(store, "claims")))
"""


@pytest.mark.ci
@pytest.mark.parametrize("rounds", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_after_kills_at_random_moments_the_same_call_ends_with_the_same_bits(rounds, tmp_path):
    done = run(KILLED, tmp_path / "run", rounds, timeout=1200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{rounds} True", "[] [] []"]


@pytest.mark.ci
def test_a_writer_killed_between_writing_and_renaming_leaves_nothing_that_looks_like_a_shard(tmp_path):
    script = "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\nsimulate(store=store)"
    assert run(script, tmp_path / "run").returncode == -signal.SIGKILL
    assert [path.suffix for path in (tmp_path / "run" / "shards").iterdir()] == [".part"]
    assert en.open(tmp_path / "run").count("missing") == 50
    assert data_digest(simulate(store=tmp_path / "run")) == data_digest(simulate())
    assert [path.suffix for path in (tmp_path / "run" / "shards").iterdir()] == [".nc"]


# ---- told to end


@pytest.mark.ci
@pytest.mark.parametrize(
    "by", ["SIGTERM", *(pytest.param(by, marks=pytest.mark.slow) for by in ("SIGUSR1", "its limit of time"))]
)
def test_what_is_told_to_end_ends_at_a_checkpoint_with_status_75_and_the_command_that_goes_on(by, tmp_path):
    script = tmp_path / "study.py"
    limit = ", limit='0.7s'" if by.startswith("its") else ""
    script.write_text(BEGIN + f"print('began', flush=True)\nsimulate(store=store, steps=10**6, instances=20{limit})\n")
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "run")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "began\n"
    if not limit:
        until(lambda: (tmp_path / "run" / "claims").is_dir() and list((tmp_path / "run" / "claims").glob("*.json")))
        time.sleep(0.3)
        process.send_signal(getattr(signal, by))
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 75, said
    assert re.search(rf"ended by {by}: 0 of 1 shards .* To go on: .*study\.py {tmp_path}/run\n", said)
    (one,) = en.open(tmp_path / "run").shards
    assert one.state == "missing"
    if not limit:
        assert one.steps[""] > 0


@pytest.mark.ci
def test_ctrl_c_returns_what_is_finished_or_raises_and_the_same_call_goes_on(tmp_path):
    simulate(store=tmp_path / "run", **LONG, shard=(0, 6))
    code = """
try:
    found = simulate(store=store, **LONG)
except KeyboardInterrupt as error:
    print("interrupted", error)
else:
    print(found.dataset.attrs["interrupted_by"], found.dataset.sizes["instance"], found.dataset["value"].shape[1])
"""
    process = began(code, tmp_path / "run")
    until(lambda: list((tmp_path / "run" / "claims").glob("*.json")))
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    by, instances, recorded = said.split()
    assert by == "SIGINT"
    assert 10 <= int(instances) <= 60
    assert int(recorded) == min(25, int(instances))
    assert data_digest(simulate(store=tmp_path / "run", **LONG)) == data_digest(simulate(**LONG))


# ---- several processes


def test_a_second_writer_is_refused_at_once_with_the_number_and_machine_of_the_first(tmp_path):
    first = began("simulate(store=store, steps=10**6)", tmp_path / "run")
    try:
        until(lambda: (tmp_path / "run" / "lock").exists() and (tmp_path / "run" / "experiment.json").exists())
        start = time.monotonic()
        with pytest.raises(en.StoreInUseError) as caught:
            simulate(store=tmp_path / "run", steps=10**6)
        assert time.monotonic() - start < 30
        assert f"process {first.pid} on {socket.gethostname()}" in str(caught.value)
        assert main(["store", "repair", str(tmp_path / "run")]) == 1  # a living one's lock stays
        assert f"process {first.pid}" in en.open(tmp_path / "run").holder
    finally:
        first.kill()
        first.communicate()


@pytest.mark.ci
def test_the_lock_of_a_dead_process_of_this_machine_stands_in_nobodys_way(tmp_path):
    simulate(store=tmp_path / "run", instances=20)
    process = began("simulate(store=store, instances=40, steps=1500)", tmp_path / "run")
    until(lambda: (tmp_path / "run" / "lock").exists())
    process.kill()
    process.communicate()
    assert "(dead)" in en.open(tmp_path / "run").holder
    simulate(store=tmp_path / "run", instances=40, steps=1500)
    assert en.open(tmp_path / "run").holder == ""


@pytest.mark.parametrize("silent", [False, True])
def test_the_lock_of_another_machine_is_explained_and_broken_by_repair_once_it_is_silent(silent, tmp_path, capsys):
    simulate(store=tmp_path / "run", instances=20)
    lock = tmp_path / "run" / "lock"
    lock.write_text(
        json.dumps({"pid": 77, "host": "node17", "machine": "another", "began": "1", "since": "2026-01-01"})
    )
    if silent:
        os.utime(lock, (time.time() - 7200,) * 2)
    said = "silent for 120 min.*repair" if silent else r"in use by process 77 on node17.*ensemble work"
    with pytest.raises(en.StoreInUseError, match=said):
        simulate(store=tmp_path / "run")
    assert main(["store", "repair", str(tmp_path / "run")]) == (0 if silent else 1)
    assert lock.exists() != silent
    if silent:
        assert "broke the lock of process 77 on node17" in capsys.readouterr().out
        assert data_digest(simulate(store=tmp_path / "run")) == data_digest(simulate())


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_any_number_of_processes_work_on_one_folder_and_one_that_is_killed_costs_nothing(processes, tmp_path):
    simulate(store=tmp_path / "run", **LONG, shard=(0, 12))
    started = [
        subprocess.Popen([sys.executable, "-m", "ensemble", "work", str(tmp_path / "run"), "--checkpoint", "0.05"])
        for _ in range(processes + 1)
    ]
    until(lambda: list((tmp_path / "run" / "claims").glob("*.json")))
    victim = json.loads(next((tmp_path / "run" / "claims").glob("*.json")).read_text())["pid"]
    killed = next(process for process in started if process.pid == victim)
    killed.kill()
    assert [process.wait(timeout=120) for process in started if process is not killed] == [0] * processes
    assert en.open(tmp_path / "run").complete
    assert data_digest(simulate(store=tmp_path / "run", **LONG)) == data_digest(simulate(**LONG))


READ = """
child = os.fork()
if not child:
    for n in range(5, 10**6, 5):
        simulate(store=store, instances=n, steps=20, shard=None)
        if os.path.exists(store + "/over"):
            os._exit(0)
whole = simulate(instances=3000, steps=20).dataset["x"].to_numpy()
times, before = int(sys.argv[2]), 0
while not os.path.exists(store + "/experiment.json"):
    time.sleep(0.01)
while before < times:
    there = en.open(store)
    if there.count("finished"):
        x = there.dataset["x"].to_numpy()
        assert there.dataset["instance"].to_numpy().tolist() == list(range(x.shape[1]))
        assert (x == whole[:, :x.shape[1]]).all()
        before += 1
open(store + "/over", "w").close()
print(os.waitpid(child, 0)[1], before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("times", [20, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_reader_gets_a_consistent_prefix_while_a_writer_works(times, tmp_path):
    done = run(READ, tmp_path / "run", times, timeout=900)
    assert done.stdout == f"0 {times}\n", done.stderr


# ---- no room, damage

FULL = """
simulate(store=store, instances=20, steps=30)
before = {name: open(os.path.join(store, "shards", name), "rb").read() for name in os.listdir(store + "/shards")}
for most in (0, 1000, 20_000):
    for step in (30, 60):
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        try:
            simulate(store=store, instances=50, steps=step, checkpoint=0.001)
        except OSError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        for name, content in before.items():
            assert open(os.path.join(store, "shards", name), "rb").read() == content
print(data_digest(simulate(store=store, steps=60)) == data_digest(simulate(instances=50, steps=60)))
"""


@pytest.mark.ci
def test_a_full_disk_loses_nothing_that_was_there_and_names_the_place(tmp_path):
    done = run(FULL, tmp_path / "run")
    assert done.returncode == 0, done.stderr
    *said, last = done.stdout.splitlines()
    assert last == "True"
    assert len(said) == 6
    for line in said:
        assert re.search(r"(bytes cannot be written|no folder can be made|File too large)", line), line
        assert "/run" in line


def test_sixty_flipped_bits_of_a_shard_are_found_by_verify_and_the_same_call_runs_it_again(tmp_path, capsys):
    simulate(store=tmp_path / "run", shard=(0, 5))
    whole = data_digest(simulate(store=tmp_path / "run"))
    shard = sorted((tmp_path / "run" / "shards").iterdir())[3]
    content = shard.read_bytes()
    for k in range(60):
        flipped = bytearray(content)
        flipped[k * len(content) // 60 + 3] ^= 1 << k % 8
        shard.write_bytes(flipped)
        capsys.readouterr()
        assert main(["store", "verify", str(tmp_path / "run")]) == 1
        assert re.search(rf"{shard.name}.*(do not match their checksum|not a netCDF-4)", capsys.readouterr().out)
    for damaged in (flipped, content[: len(content) // 2], b""):
        shard.write_bytes(damaged)
        with pytest.warns(UserWarning, match=rf"1 damaged shards are run again \({shard.name}\)"):
            assert data_digest(simulate(store=tmp_path / "run")) == whole
    assert main(["store", "verify", str(tmp_path / "run")]) == 0


@pytest.mark.slow
def test_a_damaged_checkpoint_costs_only_what_it_had(tmp_path):
    with pytest.raises(en.Stopped):
        simulate(store=tmp_path / "run", **LONG | {"steps": 10**6}, limit=1.0)
    (checkpoint,) = (tmp_path / "run" / "checkpoints").iterdir()
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 4
    checkpoint.write_bytes(content)
    assert main(["store", "verify", str(tmp_path / "run")]) == 1
    with pytest.raises(en.Stopped):
        simulate(store=tmp_path / "run", **LONG | {"steps": 10**6}, limit=1.0)
    assert main(["store", "verify", str(tmp_path / "run")]) == 0


MANY = """
def taken():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return len(os.listdir("/proc/self/fd")), int(status["VmRSS"].split()[0]) / 1024
count = int(sys.argv[2])
some = dict(instances=count, steps=2, optimizer=en.GradientDescent(0.1), landscape=en.Quadratic([1.0, 2.0]), event=None)
simulate(store=store, **some | {"instances": count // 10}, shard=None)
simulate(store=store + "2", **some, shard=(0, count))
before = []
for i in (1, 2, 3):
    simulate(store=store + "2", **some, shard=(i, 4))
    before.append(taken())
print(len(en.open(store + "2").shards))
print(before[-1][0] - before[0][0], before[-1][1] - before[0][1])
"""


@pytest.mark.slow
def test_ten_thousand_shards_leave_descriptors_and_memory_flat(tmp_path, printed):
    done = run(MANY, tmp_path / "run", 10_000, timeout=3000)
    assert done.returncode == 0, done.stderr
    shards, growth = done.stdout.splitlines()
    assert int(shards) == 10_000
    descriptors, megabytes = map(float, growth.split())
    printed(f"10,000 shards: {descriptors:.0f} descriptors and {megabytes:.1f} MB more")
    assert descriptors == 0
    assert megabytes < 20
