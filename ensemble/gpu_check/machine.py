"""What the machine is: a step of ``gpu-check``. The exit status is 3 where there is no GPU to check."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from importlib import metadata
from typing import Any

from ..backends import compiler
from ..backends.choice import choose
from ..backends.cpu import available_threads
from ..version import __version__

NO_GPU = 3
PROPERTIES = (
    "multiProcessorCount",
    "totalGlobalMem",
    "l2CacheSize",
    "memoryBusWidth",
    "regsPerMultiprocessor",
    "sharedMemPerMultiprocessor",
    "maxThreadsPerMultiProcessor",
    "ECCEnabled",
)
PACKAGES = (
    "numpy",
    "scipy",
    "xarray",
    "cupy-cuda12x",
    "cupy-cuda13x",
    "nvidia-cuda-nvrtc",
    "nvidia-cuda-nvrtc-cu12",
    "jax",
    "optax",
    "torch",
    "pytest",
)


def _installed() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _driver() -> str:
    """What ``nvidia-smi`` says of driver, clocks and power; empty where it is not installed."""
    asked = "name,driver_version,clocks.sm,clocks.max.sm,clocks.max.mem,power.limit,temperature.gpu,mig.mode.current"
    try:
        done = subprocess.run(
            ["nvidia-smi", f"--query-gpu={asked}", "--format=csv"], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def found() -> dict[str, Any]:
    """The current device and what it is driven by.

    CudaMissingError: there is none, with the remedy.
    """
    engine: Any = choose("cuda")[0]
    runtime = engine.xp.cuda.runtime
    properties = runtime.getDeviceProperties(engine.device)
    return {
        "device": engine.device_name,
        "devices": int(runtime.getDeviceCount()),
        "compute_capability": engine.xp.cuda.Device(engine.device).compute_capability,
        "cuda_driver": int(runtime.driverGetVersion()),
        "cuda_runtime": int(runtime.runtimeGetVersion()),
        "cupy": engine.xp.__version__,
        "thread_instructions_per_second": engine.thread_instructions(),
        "watchdog": engine.watched,
        "memory_available": engine.memory_available(),
        **{name: int(properties[name]) for name in PROPERTIES if name in properties},
        "nvidia_smi": _driver(),
        "processor": compiler.processor().split(" fpu ")[0].strip() or platform.machine(),
        "threads": available_threads(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "descent-ensemble": __version__,
        **_installed(),
    }


if __name__ == "__main__":
    try:
        print(json.dumps(found()))
    except (RuntimeError, ImportError) as error:
        print(json.dumps({"missing": str(error)}))
        sys.exit(NO_GPU)
