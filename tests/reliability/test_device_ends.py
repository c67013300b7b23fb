"""Runs on a device that end early: it is done before its memory is freed. Devices here are stand-ins that note what is asked."""

from __future__ import annotations

import os
import sys
import threading
import time
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import ensemble as en
from ensemble.backends import choice, libraries
from ensemble.backends.cuda import CudaBrokenError, CudaEngine
from ensemble.backends.device import DeviceEngine
from ensemble.backends.program import Program


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
def cuda(monkeypatch):
    """A CUDA engine over a stand-in for CuPy: arrays in the host's memory, copies that arrive when they are asked to."""
    events = []

    class Device:
        id, mem_info = 0, (1 << 30, 1 << 30)

        def __init__(self, number=0):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    class Event:
        done = False

        def __init__(self):
            events.append(self)

        def synchronize(self):
            self.done = True

    class Stream:
        def __init__(self, non_blocking=False):
            pass

        def wait_event(self, event):
            pass

        def record(self):
            return Event()

    class Module:
        building = most = 0

        fails = False

        def __init__(self, code, options):
            if self.fails:
                raise OSError("libnvrtc.so.13 cannot be opened")

        def get_function(self, entry):
            Module.building += 1
            Module.most = max(Module.most, Module.building)
            time.sleep(0.05)
            Module.building -= 1
            return entry

    class OnDevice(np.ndarray):
        @property
        def data(self):
            return SimpleNamespace(copy_to_host_async=lambda *_: None)

    runtime = SimpleNamespace(
        getDeviceCount=lambda: 1,
        getDeviceProperties=lambda _: {"name": b"a stand-in", "multiProcessorCount": 1},
        deviceGetAttribute=lambda *_: 1,
        CUDARuntimeError=RuntimeError,
    )
    cupy, cupyx = ModuleType("cupy"), ModuleType("cupyx")
    cupy.cuda = SimpleNamespace(runtime=runtime, Device=Device, Stream=Stream, get_current_stream=Stream)
    cupy.RawModule, cupy.asarray, cupy.asnumpy = Module, np.asarray, np.asarray
    cupy.ascontiguousarray = lambda a: np.ascontiguousarray(a).view(OnDevice)
    cupyx.empty_pinned = np.empty
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setitem(sys.modules, "cupyx", cupyx)
    engine = CudaEngine()
    Module.most = 0
    engine.module, engine.events = Module, events
    return engine


def test_what_is_on_its_way_from_a_device_is_kept_until_it_is_there(cuda):
    """Also where an interrupt has dropped the only one that would wait for it."""
    cuda.fetch({"x": np.ones(3)})
    dropped = cuda.events[-1]
    cuda.fetch({"x": np.ones(3)})()
    assert [copy[0] for copy in cuda._on_the_way] == [dropped]
    assert {name for _, device, host in cuda._on_the_way for name in (*device, *host)} == {"x"}
    dropped.synchronize()
    cuda.fetch({"x": np.ones(3)})()
    assert not cuda._on_the_way


def test_programs_compile_at_the_same_time_and_each_once(cuda):
    threads = [threading.Thread(target=cuda.kernel, args=(f"source {n % 3}", "advance")) for n in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 2 <= cuda.module.most <= 3
    assert len(cuda._kernels) == 3


def test_without_a_compiler_of_kernels_cuda_names_the_remedy_and_auto_goes_on_and_says_so(cuda, monkeypatch):
    """CuPy installed without its ``ctk``: a device is there, and the first kernel would fail."""
    monkeypatch.setattr(cuda.module, "fails", True)
    monkeypatch.setattr(libraries, "_told", set())
    choice._made.cache_clear()
    with pytest.raises(CudaBrokenError, match=r"pip install.*libnvrtc.*Or use backend='cpu'") as caught:
        choice.choose("cuda")
    assert len(str(caught.value)) <= 300
    with pytest.warns(UserWarning, match="goes without cuda: .*libnvrtc"):
        engine, reason = choice.choose("auto")
    assert engine.name in ("cpu", "numpy")
    assert "libnvrtc" in reason


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
