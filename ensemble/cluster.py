"""Workers for ``simulate(..., client=...)``: one process for each GPU of this machine."""

from __future__ import annotations

import importlib
import os
import subprocess
from collections.abc import Sequence
from typing import Any

from .plain import is_whole
from .words import told


def local_gpus(devices: Sequence[int | str] | None = None, **options: Any) -> Any:
    """A cluster of ``distributed`` with one worker process for each GPU of this machine, which sees no other.

    ``with en.cluster.local_gpus() as cluster: en.simulate(..., store="runs/escape", client=cluster)``. A
    ``distributed.Client(cluster)`` does as well.

    Args:
        devices: numbers (or UUIDs) of GPUs as ``CUDA_VISIBLE_DEVICES`` takes them; None: all that this process may use.
        options: of the scheduler, as ``distributed.Scheduler`` takes them, such as ``dashboard_address=":8787"``.

    Raises:
        RuntimeError: there is no GPU, or distributed is not installed.
        ValueError: ``devices`` is no list of them.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError as error:
        raise RuntimeError(
            "local_gpus: workers need distributed: pip install 'descent-ensemble[distributed]'."
        ) from error
    found = _visible() if devices is None else devices
    given = isinstance(found, (list, tuple, range)) and len(found) > 0
    if not given or not all(is_whole(d, 0) or (isinstance(d, str) and d.strip()) for d in found):
        raise ValueError(f"local_gpus(devices={told(devices)}): give numbers of GPUs, such as [0, 1].")
    workers = {
        f"gpu-{device}": {
            "cls": distributed.Nanny,
            "options": {"nthreads": 1, "memory_limit": None, "env": {"CUDA_VISIBLE_DEVICES": str(device)}},
        }
        for device in found
    }
    scheduler = {"dashboard_address": None, "port": 0, "host": "127.0.0.1"} | options
    return distributed.SpecCluster(workers=workers, scheduler={"cls": distributed.Scheduler, "options": scheduler})


def _visible() -> list[str]:
    """The GPUs that this process may use, without CUDA being woken in it."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    if said is not None:
        found = [device.strip() for device in said.split(",") if device.strip()]
    else:
        try:
            query = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
            found = subprocess.run(query, capture_output=True, text=True, check=True, timeout=60).stdout.split()
        except (OSError, subprocess.SubprocessError):
            found = []
    if not found:
        raise RuntimeError(
            "local_gpus: no GPU was found (nvidia-smi lists none); give devices=[0, 1] to say which there are."
        )
    return found


__all__ = ["local_gpus"]
