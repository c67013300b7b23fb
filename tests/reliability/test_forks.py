"""Processes forked after use, or in the midst of it: every child computes what a fresh process does, and ends."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import HAS_COMPILER

import ensemble

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
    pytest.mark.skipif(not HAS_COMPILER, reason="no C++ compiler on PATH"),
]

USED = """
import os, signal, sys, threading, time, warnings, multiprocessing, concurrent.futures
import numpy as np
import ensemble as en
warnings.filterwarnings("ignore", category=DeprecationWarning)  # Python 3.12 warns of forks where there are threads

def run(seed, threads=None, dim=8):
    d = en.simulate(landscape=en.QuarticSaddle(dim=dim), optimizer=en.Adam(lr=0.02), noise=en.Gaussian(0.1),
                    start=en.NormalCloud(1e-3), event=en.LeftBall(0.5), record=en.Record(["value"], at=[0, 100]),
                    instances=500, steps=300, seed=seed, backend="cpu", threads=threads, progress=False).dataset
    return float(d["event_step"].median()), float(d["value"].sum()), d["x"].to_numpy().tobytes()

def begun(work):
    child = os.fork()
    if not child:
        try:
            os._exit(work() or 0)
        except BaseException as error:
            print("child:", repr(error), file=sys.stderr)
            os._exit(99)
    return child

def forked(work):
    return said(begun(work))

def said(child):
    "A child's exit status, or that it does not end within a minute."
    for _ in range(600):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hangs"
"""


def script(text, timeout=240, **environment):
    """What a fresh process prints; it is ended, and the test fails, where it hangs."""
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=timeout, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def fresh():
    """What a fresh process finds for seeds 1, 2 and 3."""
    return script(USED + "print(*(hash(run(seed)) for seed in (1, 2, 3)), sep='\\n')", PYTHONHASHSEED="0")


@pytest.mark.ci
def test_forked_workers_find_what_a_fresh_process_does(fresh):
    """By a pool, by an executor, with other threads, and two forks deep."""
    told = script(
        USED
        + """
from functools import partial
fork = multiprocessing.get_context("fork")
def deeper(seed):
    read, write = os.pipe()
    assert forked(lambda: os.write(write, str(hash(run(seed))).encode()) and 0) == 0
    os.close(write)
    return open(read).read()
run(0)
run(0, threads=3)
with fork.Pool(2) as pool:
    print(*map(hash, pool.map(run, [1, 2, 3])))
    print(*map(hash, pool.map(partial(run, threads=3), [1, 2, 3])))
    print(*pool.map(deeper, [1, 2, 3]))
with concurrent.futures.ProcessPoolExecutor(2, fork) as pool:
    print(*map(hash, pool.map(run, [1, 2, 3])))
print(*(hash(run(seed)) for seed in (1, 2, 3)))
""",
        PYTHONHASHSEED="0",
    )
    assert told == [" ".join(fresh)] * 5


@pytest.mark.slow
def test_a_process_forked_while_another_thread_runs_and_compiles(fresh, tmp_path):
    """The thread holds the locks of a program being compiled, then threads of the crew: the child has neither, and goes on."""
    told = script(
        USED
        + """
def busy():
    run(1)
    while True:
        run(0)
thread = threading.Thread(target=busy, daemon=True)
thread.start()
cache = os.environ["ENSEMBLE_CACHE"]
same = lambda: hash(run(1)) != int(sys.argv[1])
while not (os.path.isdir(cache) and any(name.startswith("compiling-") for name in os.listdir(cache))):
    time.sleep(0.001)
children = []
for _ in range(3):  # three while it compiles
    children.append(begun(same))
    time.sleep(0.02)
seen = [said(child) for child in children]
while thread.is_alive() and len(seen) < 9:  # and six while it runs
    time.sleep(0.003 * len(seen))
    seen.append(forked(same))
print(*seen)
""".replace("int(sys.argv[1])", fresh[0]),
        ENSEMBLE_CACHE=str(tmp_path / "cache"),
        PYTHONHASHSEED="0",
    )
    assert told == [" ".join(["0"] * 9)]


@pytest.mark.slow
def test_a_child_that_ends_does_not_touch_what_its_parent_compiles(tmp_path):
    """A forked child that runs Python's own exit (not ``os._exit``) must not clean up after its parent."""
    told = script(
        USED
        + """
thread = threading.Thread(target=lambda: print(len(run(0)[2])))
thread.start()
cache = os.environ["ENSEMBLE_CACHE"]
while not (os.path.isdir(cache) and any(name.startswith("compiling-") for name in os.listdir(cache))):
    time.sleep(0.001)
if not os.fork():
    sys.exit(0)
os.wait()
thread.join()
""",
        ENSEMBLE_CACHE=str(tmp_path),
    )
    assert told == [str(500 * 8 * 4)]


@pytest.mark.ci
def test_a_handler_that_forks_in_the_middle_of_a_run_gives_the_child_an_error_and_the_parent_its_result(fresh):
    told = script(
        USED
        + """
run(1, threads=3)
children, left = [], [1, 2, 3]
def fork(*_):
    signal.setitimer(signal.ITIMER_REAL, 0)  # where alarms come faster than a fork is made, the system begins it for ever anew
    if left:
        left.pop()
        children.append(os.fork())
        if children[-1]:
            signal.setitimer(signal.ITIMER_REAL, 0.01)
signal.signal(signal.SIGALRM, fork)
signal.setitimer(signal.ITIMER_REAL, 0.01)
try:
    for _ in range(40):
        found = run(1, threads=3)
except RuntimeError as error:
    os._exit(7 if 0 in children and "forked in the middle of a run" in str(error) else 8)
except BaseException:
    os._exit(9)
if 0 in children:  # forked between two runs, or before a thread had begun: it may go on
    os._exit(7)
signal.setitimer(signal.ITIMER_REAL, 0)
print(hash(found))
print(*(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
""",
        PYTHONHASHSEED="0",
    )
    assert told == [fresh[0], "7 7 7"]


MADE_ANEW = {
    "backends/crew.py": "_renew replaces the crew; helpers live within one piece of shared work",
    "backends/libraries.py": "_renew replaces the locks; the loader's lock is held across a fork",
    "backends/cuda.py": "a forked child is refused",
    "run/watch.py": "its own function at a fork replaces the lock and forgets the watch",
    "gpu_check/command.py": "a folder of one call, which waits for what runs in it",
    "results/files.py": "a pool of one call, which waits for it",
    "results/image.py": "likewise",
    "results/reading.py": "likewise",
    "stores/clients.py": "held by a task of a worker, which is not forked",
    "stores/locks.py": "a thread of one call, which waits for it",
}


def test_every_lock_and_pool_of_the_package_is_made_anew_in_a_child():
    """What keeps a lock, a thread or a pool must register with ``os.register_at_fork`` or refuse: a new one belongs in the table.

    So does what the standard library locks: ``functools.cached_property`` in Python 3.11 (``ensemble.backends.cached`` has one without).
    """
    kinds = {
        "Lock",
        "RLock",
        "Condition",
        "Semaphore",
        "BoundedSemaphore",
        "Event",
        "Barrier",
        "Thread",
        "Timer",
        "start_new_thread",
    }
    kinds |= {
        "ThreadPoolExecutor",
        "ProcessPoolExecutor",
        "Queue",
        "SimpleQueue",
        "Pool",
        "ThreadPool",
        "TemporaryDirectory",
    }
    found = set()
    root = Path(ensemble.__file__).parent
    for path in root.rglob("*.py"):
        for node in ast.walk(tree := ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "functools":
                assert "cached_property" not in {a.name for a in node.names}, path
            name = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
            if name in kinds and _comes_from_threading(tree, node):
                found.add(path.relative_to(root).as_posix())
    assert found == set(MADE_ANEW)


def _comes_from_threading(tree, call):
    """Whether what is called is the standard library's, not a part of ours that is called Event."""
    if isinstance(call.func, ast.Attribute):
        return getattr(call.func.value, "id", "") in {
            "threading",
            "queue",
            "multiprocessing",
            "concurrent",
            "futures",
            "tempfile",
        }
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return any(not i.level and call.func.id in {a.asname or a.name for a in i.names} for i in imports)
