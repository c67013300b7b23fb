"""Interrupts while threads write: nothing leaves before they have ended, nothing crashes, no array is half of another."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from conftest import HAS_COMPILER

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="signals of a POSIX system"),
    pytest.mark.skipif(not HAS_COMPILER, reason="no C++ compiler on PATH"),
]

INTERRUPTED = """
import faulthandler, gc, os, random, signal, sys, threading, time
import numpy as np
import ensemble as en
from ensemble.backends import crew
faulthandler.enable()
COUNT = int(sys.argv[1])
kind = dict(landscape=en.QuarticSaddle(dim=64), optimizer=en.Adam(lr=0.02), noise=en.Gaussian(0.1), start=en.NormalCloud(0.1),
            instances=4000, backend="cpu", threads=4, progress=False, seed=3)

class Struck(Exception):
    "What a handler raises, as pytest-timeout's does."

def strike(*_):
    raise Struck

signal.signal(signal.SIGALRM, strike)
draw = random.Random(5)
times = {}

def struck(work):
    "Strikes at a random moment of the work, at times twice; whether that came before its end."
    if work not in times:
        work()
        began = time.perf_counter()
        work()
        times[work] = time.perf_counter() - began
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, draw.uniform(1e-4, times[work]), draw.choice([0, 0, 0.002]))
            work()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Struck:
        return True
    return False
"""

SIMULATE = """
whole = en.simulate(**kind, steps=60).dataset["x"].to_numpy()
def work():
    return en.simulate(**kind, steps=60)
hits = tries = 0
while hits < COUNT and tries < 10 * COUNT:
    tries += 1
    hits += struck(work)
    held = [np.full(100_000, 7.0) for _ in range(3)]  # takes the place of what was freed too early
    time.sleep(0.002)
    assert all((a == 7.0).all() for a in held)
assert np.array_equal(work().dataset["x"], whole)
print(hits, len(crew._crew._threads) <= 3)
"""

FIELDS = """
field = en.simulate(**kind, steps=1).fields()[0]
x = np.random.default_rng(0).normal(size=(40_000, 64)).astype(np.float32)
whole = field.gradients(x).copy()
def work():
    return field.gradients(x)
hits = tries = 0
while hits < COUNT and tries < 10 * COUNT:
    tries += 1
    hits += struck(work)
    held = [np.full(40_000 * 64, 7.0, np.float32) for _ in range(2)]
    time.sleep(0.002)
    assert all((a == 7.0).all() for a in held)
assert np.array_equal(work(), whole)
print(hits, len(crew._crew._threads) <= 3)
"""


def told(script, count, timeout=500):
    command = [sys.executable, "-c", INTERRUPTED + script, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr
    hits, few_threads = done.stdout.split()
    return int(hits), few_threads == "True"


@pytest.mark.ci
@pytest.mark.parametrize("script", [SIMULATE, FIELDS], ids=["simulate", "fields"])
def test_a_handler_that_raises_at_a_random_moment_leaves_no_thread_at_work(script):
    hits, few_threads = told(script, 6)
    assert hits == 6
    assert few_threads


@pytest.mark.slow
@pytest.mark.parametrize("script", [SIMULATE, FIELDS], ids=["simulate", "fields"])
def test_two_hundred_interrupts_corrupt_nothing(script):
    hits, few_threads = told(script, 200)
    assert hits == 200
    assert few_threads


CAUGHT_TWICE = """
def press(wait, caught):
    while not caught.is_set():
        time.sleep(wait)
        os.kill(os.getpid(), signal.SIGINT)
for n in range(COUNT):
    caught = threading.Event()
    thread = threading.Thread(target=press, args=(0.01 + 0.005 * n, caught))
    try:
        thread.start()
        while True:
            en.simulate(**kind, steps=2_000_000)
    except KeyboardInterrupt:
        pass
    while thread.is_alive():
        try:
            caught.set()
            time.sleep(0.005)
        except KeyboardInterrupt:
            pass
print(COUNT, len(crew._crew._threads) <= 3)
"""


@pytest.mark.ci
def test_ctrl_c_twice_and_caught_again_and_again():
    assert told(CAUGHT_TWICE, 4) == (4, True)


WRITES_ON = """
import ctypes
from ensemble.backends.crew import share
out, cut = np.zeros(64), 0
slow = ctypes.CDLL(None).usleep  # outside the interpreter, as a kernel is
def piece(k):
    slow(20_000)
    out[k] += 1
for n in range(COUNT):
    out[:] = 0
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.005 + 0.0005 * n, 0.003)
        try:
            share(range(64), [piece] * 4)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Struck:
        seen = out.copy()
        time.sleep(0.05)
        assert np.array_equal(seen, out), "somebody wrote after the exception had left"
        cut += seen.sum() < 64
assert cut, "all pieces were taken although the work was struck"
print(COUNT, len(crew._crew._threads) <= 3)
"""


def test_no_piece_of_shared_work_ends_after_the_exception_has_left_and_none_is_begun():
    assert told(WRITES_ON, 20) == (20, True)


STRUCK_WHERE_IT_GOES_BACK = """
import ctypes, linecache
from ensemble.backends.crew import share
slow = ctypes.CDLL(None).usleep
begun, went_on = threading.Event(), []
def of_a_helper(k):
    begun.set()
    slow(200_000)
    went_on.append(k)
def here(k):
    begun.wait()
    raise Struck
strikes = []
class Pieces:
    "Two of them; who asks once more, because the work was struck, is struck himself."
    def __init__(self):
        self.given = 0
    def __iter__(self):
        return self
    def __next__(self):
        self.given += 1
        if self.given <= 2:
            return self.given
        if threading.current_thread() is threading.main_thread() and not strikes:
            strikes.append("as it asks for what is left")
            raise Struck
        raise StopIteration
def trace(frame, event, argument):
    if frame.f_code is not share.__code__:
        return None
    if event == "line" and len(strikes) == 1 and "while" in linecache.getline(frame.f_code.co_filename, frame.f_lineno):
        strikes.append("where the loop goes back")
        raise Struck
    return trace
sys.settrace(trace)
try:
    share(Pieces(), [here, of_a_helper])
except Struck:
    sys.settrace(None)
    seen = len(went_on)
time.sleep(0.3)
assert len(strikes) == 2, strikes
print(seen, len(went_on) == 1)
"""


def test_an_interrupt_where_the_last_loop_goes_back_leaves_nobody_at_work():
    assert told(STRUCK_WHERE_IT_GOES_BACK, 1) == (1, True)
