"""A kernel that never returns, long after it was looked at: Ctrl-C ends the process, since nothing else may."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading

import pytest
from test_own_kernels import PART

import ensemble as en
from ensemble.run.progress import Interrupt
from ensemble.run.watch import PATIENCE

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
ENDLESS = (
    PART.replace("return x + s.w;", "if (now.t == 1000) for (volatile int spin = 1; spin;) {} return x + s.w;")
    + """
from ensemble.run.progress import Reporter
Reporter.update = lambda self, step, *_: print(step, flush=True)
en.simulate(landscape=en.Quadratic([1.0, 2.0]), optimizer=Mine(1e-4), start=en.Point(1.0), instances=100, steps=2000,
            backend="cpu", progress=False, threads=THREADS)
"""
)


@pytest.mark.ci
@pytest.mark.parametrize("threads", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_ctrl_c_ends_a_process_whose_kernel_never_returns(threads, cpu, tmp_path):
    script, wait = tmp_path / "script.py", threading.Event().wait
    script.write_text(ENDLESS.replace("THREADS", str(threads)))
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            while int(running.stdout.readline()) < 100:  # the next segment, or the one after it, never ends
                pass
            wait(1.0)
            for _ in range(2):
                assert running.poll() is None
                running.send_signal(signal.SIGINT)
                wait(0.3)
            assert running.stderr.readline().startswith("ensemble: what runs has not ended 2 s after a second Ctrl-C")
            assert running.poll() is None, "the user decides"
            running.send_signal(signal.SIGINT)
            assert running.wait(timeout=20) == 130
        finally:
            running.kill()


def test_whoever_was_told_of_signals_before_is_told_still():
    """An event loop, such as a notebook's, learns of signals through a descriptor."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = signal.set_wakeup_fd(write)
    try:
        with Interrupt() as interrupt:
            signal.raise_signal(signal.SIGINT)
        assert interrupt.by == "SIGINT"
        assert os.read(read, 8) == bytes([signal.SIGINT])
        assert signal.set_wakeup_fd(before) == write
    finally:
        signal.set_wakeup_fd(before)
        os.close(read)
        os.close(write)


def test_a_run_within_an_event_loop_leaves_its_signals_alone():
    async def run():
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, told.set)
        en.simulate(
            landscape=en.Quadratic([1.0]),
            optimizer=en.GradientDescent(0.1),
            start=en.Point(1.0),
            instances=1,
            steps=1,
            backend="numpy",
        )
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.wait_for(told.wait(), 20)
        loop.remove_signal_handler(signal.SIGUSR1)

    asyncio.run(run())


def with_two_ctrl_c():
    with Interrupt():
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.ci
def test_what_ends_in_time_after_two_ctrl_c_is_not_ended_by_a_later_one():
    with pytest.raises(KeyboardInterrupt):
        with_two_ctrl_c()
    threading.Event().wait(PATIENCE + 0.3)
    with Interrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        threading.Event().wait(0.2)
    assert interrupt.asked
