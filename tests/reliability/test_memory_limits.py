"""Limits of memory, set for real on a process of its own: plans read them, runs keep within them, and say so where they cannot."""

from __future__ import annotations

import os
import resource
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from ensemble.backends.memory import available_memory, of_control_groups

LIMITED = """
import sys
sys.modules["dask"] = None  # xarray imports it where it is there: 27 MB of others in a limit of 200
import os, resource, numpy as np, ensemble as en
from ensemble.backends.cpu import CpuEngine
from ensemble.backends.memory import available_memory, least_memory
CpuEngine.batch_coordinates = None  # batches as large as memory lets them be
MB = 1 << 20
parts = dict(landscape=en.QuarticSaddle(dim=64), optimizer=en.GradientDescent(0.1), start=en.NormalCloud(0.1),
             noise=en.Gaussian(0.1), steps=2, backend="cpu", threads=1)
en.simulate(**parts, instances=64)
def room(kind, size):
    taken = [line.split()[1] for line in open("/proc/self/status")
             if line.startswith({"RLIMIT_AS": "VmSize:", "RLIMIT_DATA": "VmData:"}[kind])]
    limit = int(taken[0]) * 1024 + size
    resource.setrlimit(getattr(resource, kind), (limit, resource.RLIM_INFINITY))
"""


def limited(script, before=None):
    done = subprocess.run([sys.executable, "-c", LIMITED + script], capture_output=True, text=True, preexec_fn=before)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return done.stdout.split()


@pytest.mark.ci
@pytest.mark.parametrize("kind", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_a_limited_process_plans_within_its_limit_and_runs_in_batches(kind):
    """224 MB of iterates where 150 MB may be taken: a plan that looks at the machine alone dies there."""
    told = limited(f"""
whole = en.simulate(**parts, instances=3000).dataset["x"].to_numpy()
room("{kind}", 150 * MB)
print(least_memory()[1], available_memory() // MB)
plan = en.simulate(**parts, instances=900_000, keep_x=False, plan_only=True)
print(plan.batches, plan.bytes_available // MB, plan.bytes_needed // MB)
d = en.simulate(**parts, instances=900_000, keep_x=False).dataset
print(d.attrs["batches"], d.sizes["instance"])
print(np.array_equal(en.simulate(**parts, instances=3000).dataset["x"], whole))
""")
    name, left, batches, available, needed, ran, instances, same = told
    assert name == kind
    assert 100 <= int(left) <= 150
    assert 1 < int(batches) == int(ran)
    assert int(needed) <= int(available) <= 105
    assert (instances, same) == ("900000", "True")


def test_what_cannot_fit_a_limited_process_is_refused_and_the_limit_named():
    told = limited("""
room("RLIMIT_AS", 150 * MB)
try:
    en.simulate(**parts, instances=100_000_000)
except MemoryError as error:
    print(str(error).replace(" ", "_"))
""")
    assert "100000000_instances" in told[0]
    assert "GiB_are_free_under_RLIMIT_AS." in told[0]
    assert len(told[0]) <= 300


@pytest.fixture
def control_group():
    """A control group of 200 MiB made for this test, where this process may make one; the function that a process enters it with."""
    found = None
    for kind, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = Path(kind, f"ensemble-{secrets.token_hex(4)}")
        try:
            group.mkdir()
            inner = group / "inner"
            inner.mkdir()
            found = group
            (group / limit).write_text(str(200 << 20))
            break
        except OSError:
            if found is not None:
                (found / "inner").rmdir()
                found.rmdir()
                found = None
    if found is None:
        pytest.skip("no control group can be made here: that takes root and a memory controller")
    yield lambda: (found / "inner" / "cgroup.procs").write_text(str(os.getpid()))
    (found / "inner").rmdir()
    found.rmdir()


@pytest.mark.ci
def test_a_control_group_is_kept_to_where_one_larger_would_be_killed(control_group):
    """The limit stands on the group that holds the process's own, as a container's does: 450 MB of iterates in 200 MiB."""
    told = limited(
        """
print(least_memory()[1].replace(" ", "_"), available_memory() // MB)
plan = en.simulate(**parts, instances=1_800_000, keep_x=False, plan_only=True)
print(plan.batches, plan.bytes_available // MB)
print(en.simulate(**parts, instances=1_800_000, keep_x=False).dataset.sizes["instance"])
""",
        before=control_group,
    )
    name, left, batches, available, instances = told
    assert name.startswith("the_control_group_/")
    assert 20 < int(left) < 200
    assert int(batches) > 1
    assert int(available) <= 0.7 * 200
    assert instances == "1800000"


# ---- what kernels write of control groups, by their documentation (cgroup-v1/memory, cgroup-v2), in folders of the same shape

GIB = 1 << 30


def tree(place: Path, groups, names):
    for path, (usage, limits, unused) in groups.items():
        folder = place / path.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in zip(names, (usage, *limits), strict=True):
            (folder / file).write_text(f"{text}\n")
        key = "inactive_file" if "memory.max" in names else "total_inactive_file"
        (folder / "memory.stat").write_text(f"anon 12\nfile 7\n{key} {unused}\nslab 3\n")


def process(place: Path, cgroup: str, mountinfo: str):
    place.mkdir(parents=True)
    (place / "cgroup").write_text(cgroup)
    (place / "mountinfo").write_text(mountinfo)
    return dict(of_control_groups(place))


V2 = ("memory.current", "memory.max", "memory.high")
V1 = ("memory.usage_in_bytes", "memory.limit_in_bytes")
NONE = 9223372036854771712


def test_version_2_counts_the_group_and_those_that_hold_it_and_files_unused_as_free(tmp_path):
    mount = tmp_path / "with space" / "cgroup"
    tree(
        mount,
        {
            "/user.slice": (3 * GIB, ("max", 4 * GIB), 0),
            "/user.slice/job": (2 * GIB, (GIB * 5 // 2, "max"), GIB),
            "/user.slice/job/step": (GIB, ("max", "max"), 0),
        },
        V2,
    )
    found = process(
        tmp_path / "self",
        "0::/user.slice/job/step\n",
        f"30 23 0:26 / {str(mount).replace(' ', chr(92) + '040')} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
        "22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/root rw\n",
    )
    assert found == {
        "the control group /user.slice": GIB,
        "the control group /user.slice/job": GIB * 3 // 2,
    }


def test_version_1_and_a_container_that_sees_its_own_group_as_the_topmost(tmp_path):
    mount = tmp_path / "memory"
    tree(mount, {"/": (GIB, (4 * GIB,), GIB // 2), "/inner": (GIB // 2, (NONE,), 0)}, V1)
    found = process(
        tmp_path / "self",
        "9:name=systemd:/docker/abc\n4:cpu,cpuacct:/docker/abc\n3:memory:/docker/abc/inner\n0::/docker/abc\n",
        f"41 30 0:36 /docker/abc {mount} ro,nosuid - cgroup cgroup rw,memory\n"
        f"42 30 0:37 /docker/abc {tmp_path / 'cpu'} ro,nosuid master:9 - cgroup cgroup rw,cpu,cpuacct\n",
    )
    assert found == {"the control group /": GIB * 7 // 2}


def test_where_nothing_is_said_there_is_no_limit(tmp_path):
    assert process(tmp_path / "self", "0::/\n", "") == {}
    assert dict(of_control_groups(tmp_path / "nowhere")) == {}
    assert available_memory() > 0
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY or available_memory() < GIB * 1000


@pytest.mark.ci
def test_nothing_is_made_for_steps_that_nobody_takes():
    """Everyone finishes at step 1 of 10^8, and of 2^31 - 2: tables of all the steps left would be 3 GB and more."""
    told = limited(
        """
import time
from ensemble.backends.program import Program
made = []
tables = Program.tables
Program.tables = lambda self, first, last, *room: made.append(last - first + 1) or tables(self, first, last, *room)
for backend in ("numpy", "cpu"):
    for steps in (10**8, 2**31 - 2):
        d = en.simulate(**parts | dict(start=en.Point(2.0), event=en.LeftBall(1.0), steps=steps, backend=backend),
                        instances=8).dataset
        assert int(d["horizon"]) == steps and (d["event_step"] == 1).all()
print(max(made))
made.clear()
en.simulate(**parts | dict(optimizer=en.GradientDescent(en.InverseTime(0.1, 0.01)), landscape=en.Quadratic([1.0]),
            steps=1_200_000), instances=1)
print(max(made))
made.clear()
en.simulate(**parts | dict(optimizer=en.GradientDescent(en.InverseTime(0.1, 0.01)), landscape=en.Quadratic([1.0]),
            steps=10**9), instances=1, plan_only=True)
print(max(made))
""".replace("import time\n", "import warnings\nwarnings.simplefilter('ignore')\n"),
        before=lambda: resource.setrlimit(resource.RLIMIT_AS, (3 * GIB, resource.RLIM_INFINITY)),
    )
    finished, running, planned = map(int, told)
    assert finished <= 32
    assert running <= 1_000_000
    assert planned <= 1_000_000
