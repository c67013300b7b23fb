"""Runs on a device that end early: it is done before its memory is freed. Devices here are stand-ins."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest
from standins import needs_nvrtc, two_devices

import ensemble as en
from ensemble.backends import choice, libraries
from ensemble.backends.cuda import CudaBrokenError, CudaEngine
from ensemble.backends.device import DeviceEngine
from ensemble.backends.program import Program

__all__ = ["two_devices"]


class Noted(DeviceEngine):
    """A device in the host's memory that does nothing and notes what it is asked."""

    name = "noted"

    def __init__(self):
        super().__init__(lanes=None, processors=1)
        self.said, self.fail = [], None

    def address(self, array):
        return int(array.ctypes.data)

    def launch(self, source, entry, blocks, threads, launch):
        self.said.append(entry)
        if self.fail:
            raise self.fail

    def wait(self):
        self.said.append("waited")

    def prepare(self, program, looks=False):
        """Nothing to compile."""

    def describe(self, program):
        return {}

    def memory_available(self):
        return 1 << 30


def program():
    parts = {
        "landscape": en.Quadratic(1.0, dim=8),
        "optimizer": en.GradientDescent(0.1),
        "noise": en.Gaussian(0.1),
        "event": en.Never(),
    }
    return Program((parts,), 8, 5, 0, np.dtype(np.float32), "fast", 0, 1, True)


class Struck(Exception):  # noqa: N818
    """What a signal's handler raises."""


def struck(*_):
    raise Struck


def test_an_interrupt_while_a_device_is_at_work_leaves_when_it_is_done():
    engine, some = Noted(), program()
    state, active = engine.new_state(some), np.arange(5, dtype=np.int32)
    with pytest.raises(Struck):
        engine.advance(some, state, active, 1, 3, struck)
    assert engine.said[0] == "advance"
    assert engine.said[-1] == "waited"
    for call in (
        lambda: engine.observe(some, state.x, ("value",), 0),
        lambda: engine.normals(some, 0, 0, np.arange(5, dtype=np.uint32)),
    ):
        engine.said, engine.fail = [], Struck()
        with pytest.raises(Struck):
            call()
        assert engine.said[0] in ("observe", "draw")
        assert engine.said[-1] == "waited"


@pytest.fixture
def cuda(two_devices):
    return CudaEngine()


@needs_nvrtc
def test_what_is_on_its_way_from_a_device_is_kept_until_it_is_there(cuda):
    """Also where an interrupt has dropped the only one that would wait for it."""
    cuda.fetch({"x": cuda.to_device(np.arange(3.0))})
    ((there, device, host),) = cuda._on_the_way
    assert not there.done
    assert device["x"].size == 3
    assert np.isnan(host["x"]).all()
    found = cuda.fetch({"x": cuda.to_device(np.arange(2.0))})()
    assert found["x"].tolist() == [0.0, 1.0]
    assert host["x"].tolist() == [0.0, 1.0, 2.0]
    cuda.fetch({"x": cuda.to_device(np.ones(3))})()
    assert not cuda._on_the_way


@needs_nvrtc
def test_programs_compile_at_the_same_time_and_each_once(cuda, two_devices, monkeypatch):
    building, most, compiled = [], [], []

    def get_function(module, entry):
        building.append(entry)
        most.append(len(building))
        time.sleep(0.05)
        building.pop()
        compiled.append(module.code)
        return entry

    monkeypatch.setattr(two_devices.RawModule, "get_function", get_function)
    threads = [threading.Thread(target=cuda.kernel, args=(f"source {n % 3}", "advance")) for n in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 2 <= max(most) <= 3
    assert sorted(compiled) == ["source 0", "source 1", "source 2"]


def test_without_a_compiler_of_kernels_cuda_names_the_remedy_and_auto_goes_on_and_says_so(two_devices, monkeypatch):
    """CuPy installed without its ``ctk``: a device is there, and the first kernel would fail."""

    def lacking(*_):
        raise OSError("libnvrtc.so.13 cannot be opened")

    monkeypatch.setattr(two_devices.RawModule, "get_function", lacking)
    monkeypatch.setattr(libraries, "_told", set())
    with pytest.raises(CudaBrokenError, match=r"pip install.*libnvrtc.*Or use backend='cpu'") as caught:
        choice.choose("cuda")
    assert len(str(caught.value)) <= 300
    with pytest.warns(UserWarning, match="goes without cuda: .*libnvrtc"):
        engine, reason = choice.choose("auto")
    assert engine.name in ("cpu", "numpy")
    assert "libnvrtc" in reason


@needs_nvrtc
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_forked_from_a_process_that_used_cuda_is_refused_in_one_line(cuda):
    cuda._lock.acquire()  # as another thread may hold it
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            for call in (
                lambda: cuda.kernel("source", "advance"),
                cuda.memory_available,
                lambda: cuda.to_device(np.ones(1)),
            ):
                try:
                    call()
                except RuntimeError as error:
                    os.write(write, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(0)
    os.close(write)
    cuda._lock.release()
    with open(read) as said:
        lines = said.read().splitlines()
    os.waitpid(child, 0)
    assert len(lines) == 3
    for line in lines:
        assert line.startswith("ForkedError: backend='cuda' was used before this process was forked")
        assert "get_context('spawn')" in line
        assert len(line) <= 300
