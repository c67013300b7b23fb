"""What only a fresh process can show: cold start, and peak memory against the plan."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Progress = Callable[[str], None]

FIRST_RESULT = """
from dataclasses import dataclass
from typing import Any
import numpy as np
import ensemble as en
from ensemble.part import scheduled

@en.landscape
def chain(x, stiffness=1.0):
    return np.sum(stiffness * (x[1:] - x[:-1]) ** 2) + np.sum(x**4) / 4

@dataclass(frozen=True)
class Signs(en.Optimizer):
    lr: Any = scheduled()

    def step(self, x, gradient, state, now):
        return x - now.lr * np.sign(gradient(x))

result = en.simulate(landscape={landscape}, optimizer={optimizer}, noise=en.Gaussian(sigma=0.1),
                     start=en.NormalCloud(scale=0.1), event=en.Never(), instances=4096, steps=100, backend={backend!r})
assert result.dataset["x"].shape == (4096, 64)
"""
FIRST = {
    "catalogue": {"landscape": "en.QuarticSaddle(dim=64)", "optimizer": "en.Adam()"},
    "own function": {"landscape": "chain(dim=64)", "optimizer": "en.Adam()"},
    "own function and optimizer": {"landscape": "chain(dim=64)", "optimizer": "Signs(0.01)"},
}
"""What the first result is of."""

PEAK = """
import json, sys
import ensemble as en

def status(field):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))

def run(instances, **more):
    return en.simulate(landscape=en.QuarticSaddle(dim={dim}), optimizer=en.Adam(), noise=en.Gaussian(sigma=0.1),
                       start=en.NormalCloud(scale=0.1), event=en.Never(), instances=instances, steps=20,
                       backend={backend!r}, **more)

run(64)
plan = run({instances}, plan_only=True)
before = status("VmRSS:")
with open("/proc/self/clear_refs", "w") as reset:
    reset.write("5")
result = run({instances})
print(json.dumps({{"planned": int(plan.bytes_needed), "peak": status("VmHWM:") - before}}))
"""


def wall(program: str, cache: str) -> float:
    """Seconds from starting a fresh Python to its end, with the compiled kernels kept under `cache`."""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "ENSEMBLE_CACHE": cache},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the fresh process failed:\n{done.stderr}")
    return time.perf_counter() - begin


def cold_start(backend: str, parts: str, quick: bool, say: Progress) -> dict[str, Any]:
    """Seconds to a first result of 4,096 x 64, 100 steps: with an empty compile cache, and with a warm one."""
    program = FIRST_RESULT.format(backend=backend, **FIRST[parts])
    empty: list[float] = []
    warm: list[float] = []
    for _ in range(1 if quick else 3):
        with tempfile.TemporaryDirectory() as cache:
            empty.append(wall(program, cache))
            warm.extend(wall(program, cache) for _ in range(2))
    result = {
        "backend": backend,
        "parts": parts,
        "empty_cache": float(np.median(empty)),
        "warm_cache": float(np.median(warm)),
    }
    say(
        f"cold start, {backend}, {parts}: {result['warm_cache']:.1f} s warm, {result['empty_cache']:.1f} s with an empty cache"
    )
    return result


def peak_memory(backend: str, quick: bool, say: Progress) -> list[dict[str, Any]]:
    """Growth of the resident set at its peak, beyond the loaded library, against the plan's number."""
    found = []
    for instances, dim in (
        ((200_000, 64),) if quick else ((200_000, 64), (2_000_000, 16), (20_000_000, 2), (8_192, 4_096))
    ):
        program = PEAK.format(backend=backend, instances=instances, dim=dim)
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the fresh process failed:\n{done.stderr}")
        row = {"backend": backend, "instances": instances, "dim": dim, **json.loads(done.stdout.splitlines()[-1])}
        found.append(row)
        megabytes = f"{row['peak'] / 1e6:,.0f} MB, planned {row['planned'] / 1e6:,.0f}"
        say(f"memory, {backend}, {instances:,} x {dim:,}: {megabytes}")
    return found
