"""The CUDA backend: the kernel sources compiled by NVRTC through CuPy. The only file that imports CuPy."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import sources
from .complaints import explained
from .cost import INSTRUCTIONS_PER_CLOCK
from .device import DeviceEngine
from .groups import COORDINATES_PER_PROCESSOR, power_of_two
from .memory import available_memory
from .program import Program

OPTIONS = ("-std=c++17", "--fmad=false")
"""Never a global fast-math flag, and no contraction: Vec fuses what may be fused. CuPy itself adds ``-ftz=true``."""

PROBE = 'extern "C" __global__ void probe() {}'
"""The least that must compile and load."""

PINNED_UNIT = 512
"""The least that CuPy's pool of pinned memory takes."""

CLOCK_RATE = 13
"""CUDA's ``cudaDevAttrClockRate``: the highest clock, in kHz."""
KERNEL_EXEC_TIMEOUT = 17
"""CUDA's ``cudaDevAttrKernelExecTimeout``: whether a watchdog ends kernels that take long."""

_device_seen = 0
"""The device that was current when somebody asked last."""


def current_device() -> int:
    """The number of the thread's current device; where CuPy is absent or does not say, the one that was seen last."""
    global _device_seen
    with contextlib.suppress(Exception):  # whoever makes an engine is told what is wrong
        import cupy

        _device_seen = int(cupy.cuda.Device().id)
    return _device_seen


def each_device() -> Iterator[int]:
    """The numbers of all devices, each the thread's current one while it is looked at."""
    import cupy

    for number in range(cupy.cuda.runtime.getDeviceCount()):
        with cupy.cuda.Device(number):
            yield number


class CudaMissingError(RuntimeError):
    """CuPy or a CUDA device was not found."""

    worth_a_warning = False  # where ``auto`` goes on without: most machines have none


class CudaBrokenError(CudaMissingError):
    """There are CuPy and a device, and no kernel can be compiled and loaded."""

    worth_a_warning = True


class ForkedError(RuntimeError):
    """This process was forked from one that used CUDA."""


class CudaEngine(DeviceEngine):
    """Runs programs on a CUDA device: the current one of the thread that makes the engine.

    ``lanes``: threads for one instance, a power of two (None: as many as suit the program; results do not depend on it).
    ``options``: more options for the compiler. ``streamed``: whether instances lie in memory (None: where registers do not
    suffice). ``window``: blocks of a lane where instances are cut into windows (0: none are; None: where registers do not suffice).

    Raises:
        CudaMissingError: CuPy or a device is absent, with the remedy.
        CudaBrokenError: they are there, and no kernel compiles and loads.
    """

    name = "cuda"
    on_host = False
    ring_bytes = 1 << 28

    def __init__(
        self,
        lanes: int | None = None,
        options: tuple[str, ...] = (),
        streamed: bool | None = None,
        window: int | None = None,
    ) -> None:
        try:
            import cupy
            import cupyx
        except Exception as error:  # a broken installation raises more than ImportError
            raise CudaMissingError(_remedy(f"CuPy cannot be imported ({_first_line(error)})")) from error
        try:
            count = cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError as error:
            raise CudaMissingError(_remedy(f"CuPy finds no device ({_first_line(error)})")) from error
        if not count:
            raise CudaMissingError(_remedy("CuPy finds no device"))
        try:
            cupy.RawModule(code=PROBE, options=OPTIONS).get_function("probe")
        except Exception as error:  # without NVRTC or its headers, for a driver too old: each its own class
            found = f"CuPy compiles or loads no kernel ({_first_line(error)[:60]})"
            raise CudaBrokenError(_remedy(found)) from error
        self.xp = cupy
        self._errors = cupy.cuda.runtime.CUDARuntimeError
        self.device = int(cupy.cuda.Device().id)
        self.options = (*OPTIONS, f"-I{sources.kernels()}", *options)
        self._process = os.getpid()
        self._kernels: dict[str, Any] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._on_the_way: list[tuple[Any, dict[str, Any], dict[str, Any]]] = []
        self._pinned, self._pinned_pool = cupyx.empty_pinned, cupy.get_default_pinned_memory_pool()
        self._copies = cupy.cuda.Stream(non_blocking=True)
        properties = cupy.cuda.runtime.getDeviceProperties(self.device)
        self.device_name = properties["name"].decode()
        clock = 1e3 * cupy.cuda.runtime.deviceGetAttribute(CLOCK_RATE, self.device)
        self.watched = bool(cupy.cuda.runtime.deviceGetAttribute(KERNEL_EXEC_TIMEOUT, self.device))
        self._instructions = INSTRUCTIONS_PER_CLOCK * clock * properties["multiProcessorCount"]
        fills = properties["multiProcessorCount"] * COORDINATES_PER_PROCESSOR
        self.trial_coordinates = max(self.trial_coordinates, fills)
        super().__init__(lanes, properties["multiProcessorCount"], streamed, window)

    def is_of_device(self, error: BaseException) -> bool:
        return isinstance(error, self._errors)

    def here(self) -> Any:
        if os.getpid() != self._process:
            raise ForkedError(
                "backend='cuda' was used before this process was forked, and CUDA does not survive that. Start the processes "
                "with multiprocessing.get_context('spawn'), or use CUDA in the children alone."
            )
        return self.xp.cuda.Device(self.device)  # one of its own for each use: it remembers the thread's device before

    def kernel(self, source: str, entry: str) -> Any:
        """The compiled kernel of a program's source; CuPy keeps it on disk under the source's digest."""
        with self.here(), self._lock:  # in this order: a forked child, refused first, may find locks held
            lock = self._locks.setdefault(source, threading.Lock())
        with lock, self.here():
            if source not in self._kernels:  # get_function compiles
                try:
                    self._kernels[source] = self.xp.RawModule(code=source, options=self.options).get_function(entry)
                except Exception as error:  # CuPy's own, with the log of the compiler
                    raise explained(error) from error
            return self._kernels[source]

    def prepare(self, program: Program, looks: bool = False) -> None:
        for entry in (*self.entries(program), "draw", *("observe",) * looks):
            self.kernel(self.source(program, entry), entry)

    def launch(self, source: str, entry: str, blocks: int, threads: int, launch: NDArray[Any]) -> None:
        kernel = self.kernel(source, entry)
        with self.here():
            kernel((blocks,), (threads,), (launch,))

    def wait(self) -> None:
        with self.here():
            self.xp.cuda.get_current_stream().synchronize()

    def address(self, array: Any) -> int:
        return int(array.data.ptr)

    def to_device(self, a: NDArray[Any]) -> Any:
        with self.here():
            return self.xp.asarray(a)

    def to_numpy(self, a: Any) -> NDArray[Any]:
        with self.here():
            return np.asarray(self.xp.asnumpy(a))

    def fetch(self, arrays: dict[str, Any]) -> Callable[[], dict[str, NDArray[Any]]]:
        """On a stream of its own, so that kernels launched meanwhile run at the same time."""
        found: dict[str, NDArray[Any]] = {}
        with self.here():
            arrays = {name: self.xp.ascontiguousarray(array) for name, array in arrays.items()}
            self._copies.wait_event(self.xp.cuda.get_current_stream().record())
            for name, array in arrays.items():
                found[name] = self._pinned(array.shape, array.dtype)
                if array.nbytes:
                    array.data.copy_to_host_async(ctypes.c_void_p(found[name].ctypes.data), array.nbytes, self._copies)
            there = self._copies.record()
        # An interrupt may drop what is returned: until the copies are there their memory must not serve anything else.
        self._on_the_way = [copy for copy in self._on_the_way if not copy[0].done]
        self._on_the_way.append((there, dict(arrays), found))

        def wait() -> dict[str, NDArray[Any]]:
            there.synchronize()
            self._on_the_way = [copy for copy in self._on_the_way if copy[0] is not there]
            arrays.clear()  # until now their memory was being read
            return found

        return wait

    def memory_available(self) -> int:
        with self.here() as device:
            return int(device.mem_info[0]) + int(self.xp.get_default_memory_pool().free_bytes())

    def release(self) -> None:
        with self.here():
            self.xp.get_default_memory_pool().free_all_blocks()

    def release_host(self) -> None:
        with self.here():
            self._pinned_pool.free_all_blocks()

    def arrival_bytes(self, sizes: Sequence[int]) -> int:
        """CuPy's pool rounds up to a power of two, and keeps what of each size was used at once: 1 + 1/2 + 1/4 ... of the largest."""
        return sum(2 * power_of_two(max(size, PINNED_UNIT)) for size in sizes)

    def thread_instructions(self) -> float | None:
        return self._instructions

    def host_memory_available(self) -> int:
        return available_memory()

    def describe(self, program: Program) -> dict[str, Any]:
        group = self.group(program)
        kernel = self.kernel(self.source(program, "advance"), "advance")
        return {
            "device": self.device_name,
            "compute_capability": self.here().compute_capability,
            "cupy": self.xp.__version__,
            "cuda_runtime": int(self.xp.cuda.runtime.runtimeGetVersion()),
            "lanes": group.lanes,
            "team": group.team,
            "threads": group.threads,
            "streamed": group.streamed,
            "windows": group.windows(program.dim),
            "registers": int(kernel.num_regs),
            "local_memory": int(kernel.local_size_bytes),
            # no ceiling where memory is what limits
            **({} if self.streams(program) else {"thread_instructions_per_second": self._instructions}),
        }


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _remedy(found: str) -> str:
    return (
        f"backend='cuda' needs CuPy and a CUDA device: pip install 'descent-ensemble[cuda13]' (or [cuda12] for drivers "
        f"of CUDA 12), and check that nvidia-smi lists a device. Here {found}. Or use backend='cpu'."
    )
