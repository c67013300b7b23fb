"""Ctrl-C and SIGTERM, sent for real: a run ends soon with a valid result and says so, or goes on where they are ignored."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings

import pytest

import ensemble as en
from ensemble.run.progress import Interrupt, Reporter

ESCAPE = {
    "landscape": en.QuarticSaddle(dim=3),
    "optimizer": en.GradientDescent(lr=0.1),
    "noise": en.Gaussian(sigma=0.2),
    "start": en.NormalCloud(scale=0.1),
    "event": en.LeftBall(radius=1.6),
    "instances": 40,
    "backend": "numpy",
    "dtype": "float64",
}
BEGINNING = """
import sys, signal, ensemble as en
signal.alarm(300)  # whatever becomes of the test: a run of so many steps would outlive it
def run(**more):
    return en.simulate(**dict(
        landscape=en.QuarticSaddle(dim=3), optimizer=en.GradientDescent(lr=0.1), noise=en.Gaussian(sigma=0.2),
        start=en.NormalCloud(scale=0.1), event=en.LeftBall(radius=1.6), instances=40, steps=10**8, backend="numpy",
        dtype="float64") | more)
run(steps=2)
"""


@pytest.fixture
def sent(monkeypatch):
    """Sends a signal to this process when so many segments have been reported."""

    def after(segments, number=signal.SIGINT):
        count = iter(range(10**9))
        monkeypatch.setattr(
            Reporter, "update", lambda *_: os.kill(os.getpid(), number) if next(count) == segments - 1 else None
        )

    return after


def started(script, before=None, arguments=(), options=()):
    running = subprocess.Popen(
        [sys.executable, *options, "-c", BEGINNING + script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )
    assert running.stdout.readline() == "running\n"
    threading.Event().wait(0.2)
    return running


@pytest.mark.ci
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_from_outside_ends_a_run_which_is_then_saved_and_resumed(name, tmp_path):
    running = started(
        "print('running', flush=True)\nresult = run()\nresult.save(sys.argv[1])\n"
        "print(result.dataset.attrs['interrupted'], result.dataset.attrs['interrupted_by'])",
        arguments=[tmp_path / "part.nc"],
    )
    running.send_signal(signal.Signals[name])
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert out == f"1 {name}\n"
    assert f"ended early by {name}" in err
    assert "resume()" in err
    part = en.load(tmp_path / "part.nc")
    reached = int(part.dataset["horizon"])
    assert 0 < reached < 10**8
    whole = en.simulate(**ESCAPE, steps=reached + 20)
    assert part.resume(reached + 20).dataset.equals(whole.dataset)


MANY = """
large = dict(landscape=en.QuarticSaddle(dim=64), optimizer=en.Adam(1e-3), start=en.NormalCloud(0.1), event=en.Never(),
             instances=int(sys.argv[3]), backend=sys.argv[2], dtype="float32")
from ensemble.run.progress import Reporter
told = iter(["running"])
Reporter.update = lambda *_: [print(word, flush=True) for word in told]  # once, after the first segment
result = run(**large, record=en.Record("value", at=range(0, 10**6, 50)))
result.save(sys.argv[1])
print(result.dataset.attrs['interrupted_by'])
"""


@pytest.mark.ci
@pytest.mark.parametrize(
    ("backend", "rounds"), [("cpu", 1), *(pytest.param(b, 20, marks=pytest.mark.slow) for b in ("cpu", "numpy"))]
)
def test_ctrl_c_at_any_moment_of_a_long_run_ends_the_script_with_what_was_done(
    backend, rounds, cpu, tmp_path, record_property
):
    """The time that it takes is a property of the report (``--junitxml``): a segment and the interpreter's end."""
    rng, took = random.Random(1), []
    for k in range(rounds):
        running = started(MANY, arguments=[tmp_path / "part.nc", backend, 200 if k % 2 else 2000])
        threading.Event().wait(rng.uniform(0.0, 1.5))
        began = time.monotonic()
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
        took.append(time.monotonic() - began)
        assert (running.returncode, out) == (0, "SIGINT\n"), err
        part = en.load(tmp_path / "part.nc").dataset
        reached = int(part["horizon"])
        assert 0 < reached < 10**8
        assert part["step"].to_numpy().tolist() == list(range(0, min(reached, 10**6 - 1) + 1, 50))
        assert (part["status"] == 0).all()
    record_property("seconds", [round(t, 2) for t in took])
    print(f"{backend}: {sorted(round(t, 2) for t in took)} s")


def ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.ci
def test_a_run_whose_parent_ignores_ctrl_c_runs_on():
    """As `command &` in a script does: such a process never sees the Ctrl-C that is meant for what runs in front."""
    running = started(
        "print('running', flush=True)\nresult = run(steps=2_000, event=en.Never(), instances=1)\n"
        "print(int(result.dataset['horizon']), result.dataset.attrs['interrupted'])\n"
        "print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)",
        before=ignored,
    )
    assert running.poll() is None
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=280)
    assert running.returncode == 0, err
    assert out == "2000 0\nTrue\n"
    assert err == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_handler_of_ones_own_is_called_and_decides(number, sent):
    called = []
    before = signal.signal(number, lambda *_: called.append(1))
    try:
        sent(2, number)
        result = en.simulate(**ESCAPE, steps=200)
    finally:
        own = signal.signal(number, before)
    assert called == [1]
    assert own is not before
    assert result.dataset.attrs["interrupted"] == 0
    assert int(result.dataset["horizon"]) == 200


def test_every_interrupted_run_warns_and_says_what_there_is(sent):
    sent(3)
    with pytest.warns(UserWarning, match=r"ended early by SIGINT \(at step [\d,]+ of 3,000\).*resume\(\)"):
        part = en.simulate(**ESCAPE, steps=3_000)
    sent(2, signal.SIGTERM)
    with pytest.warns(UserWarning, match="ended early by SIGTERM"):
        part = part.resume(3_100)
    assert part.dataset.attrs["interrupted_by"] == "SIGTERM"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = part.resume(3_100)
    assert (whole.dataset.attrs["interrupted"], whole.dataset.attrs["interrupted_by"]) == (0, "")


@pytest.mark.ci
def test_a_warning_that_is_made_an_error_has_the_result(tmp_path):
    """``python -W error``: nothing of what was computed is lost."""
    running = started(
        "print('running', flush=True)\ntry:\n    run()\nexcept UserWarning as error:\n"
        "    print(error.result.save(sys.argv[1]).name, error.__notes__[0])",
        arguments=[tmp_path / "part.nc"],
        options=["-W", "error"],
    )
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (0, "")
    assert out.startswith("part.nc A filter made an error of this warning")
    part = en.load(tmp_path / "part.nc")
    assert 0 < int(part.dataset["horizon"]) < 10**8
    assert part.dataset.attrs["interrupted_by"] == "SIGINT"


@pytest.mark.filterwarnings("error")
def test_every_warning_of_what_was_computed_has_the_result_as_an_error(sent):
    inside = ESCAPE | {"start": en.Point([2.0, 0.0, 0.0])}
    with pytest.raises(UserWarning, match="starts already satisfy") as error:
        en.simulate(**inside, steps=5)
    assert int(error.value.result.dataset["horizon"]) == 5
    octopus = {"landscape": en.Octopus(dim=6), "optimizer": en.GradientDescent(0.25), "start": en.UniformBox(-1.0, 1.0)}
    with pytest.raises(UserWarning, match="flushed to 0") as error:
        en.simulate(**octopus, steps=2_000, instances=20, dtype="float32", backend="numpy")
    assert int(error.value.result.dataset["horizon"]) == 2_000
    whole = en.simulate(**ESCAPE, steps=2)
    sent(2)
    with pytest.raises(UserWarning, match="ended early by SIGINT") as error:
        whole.resume(3_000)
    assert 2 < int(error.value.result.dataset["horizon"]) < 3_000
    sent(1)
    with pytest.raises(UserWarning, match="quench was ended early") as error:
        en.statistics.quench(whole, gradient_tolerance=1e-30)
    assert error.value.result.dataset.attrs["interrupted"] == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_handlers_are_put_back_after_a_run_an_interrupt_and_an_error(number, sent):
    before = signal.getsignal(number)
    en.simulate(**ESCAPE, steps=5)
    assert signal.getsignal(number) is before
    sent(1, number)
    with pytest.warns(UserWarning, match="ended early"):
        en.simulate(**ESCAPE, steps=500)
    assert signal.getsignal(number) is before
    with pytest.raises(ZeroDivisionError), Interrupt():
        raise ZeroDivisionError
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_stops_at_once_and_later_ones_act_as_ever():
    running = started(
        "print('running', flush=True)\n"
        "from ensemble.run.progress import Reporter\n"
        "Reporter.update = lambda *_: [signal.raise_signal(signal.SIGINT) for _ in range(2)]\n"
        "try:\n    run()\nexcept KeyboardInterrupt:\n"
        "    print('stopped', signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    )
    running.wait(timeout=60)  # not communicate, which does not see what came with the first line
    assert (running.stdout.read(), running.stderr.read()) == ("stopped True\n", "")


@pytest.mark.ci
def test_a_repeated_sigterm_is_one_and_a_late_one_ends_the_process():
    with Interrupt() as interrupt:
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        assert interrupt.by == "SIGTERM"
    running = started(
        "import time\nfrom ensemble.run.progress import Interrupt\n"
        "with Interrupt():\n    print('running', flush=True)\n    time.sleep(60)"
    )
    running.send_signal(signal.SIGTERM)
    threading.Event().wait(Interrupt.PATIENCE + 0.3)
    assert running.poll() is None
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=30)
    assert running.returncode == -signal.SIGTERM


def test_signals_while_handlers_are_set_and_put_back_are_not_lost():
    """A thread fires all the while: whatever happens, the handler is the old one afterwards."""
    before, raised, over = signal.getsignal(signal.SIGINT), 0, threading.Event()

    def fire():
        for _ in range(150):
            os.kill(os.getpid(), signal.SIGINT)
            over.wait(2e-3)
        over.set()

    def enter_and_leave():
        while not over.is_set():
            with Interrupt():
                pass

    firing = threading.Thread(target=fire)
    try:
        firing.start()
    except KeyboardInterrupt:
        raised += 1
    while not over.is_set():
        try:
            enter_and_leave()
        except KeyboardInterrupt:
            raised += 1
    firing.join()
    assert raised > 0
    assert signal.getsignal(signal.SIGINT) is before
