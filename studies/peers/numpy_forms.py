"""Array NumPy, and CuPy, written well: coordinates first, in place, cache-sized chunks, one `Generator` each."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from peers.work import BOUND, Contestant, Outcome, Run, Work, cores, host, joined


def add_gradient(xp: Any, work: Work, x: Any, g: Any) -> None:
    """Add the landscape's gradient at `x` (dim, instances) to `g`, in place."""
    if work.landscape == "QuarticSaddle":
        first = x[0]
        g += x
        g[0] += first * first * first - 2 * first
        return
    left = x[:-1]
    d = xp.square(left)
    xp.subtract(x[1:], d, out=d)
    d *= 200
    g[1:] += d
    d *= left
    d *= 2
    d -= 2 * left
    d += 2
    g[:-1] -= d


def trajectories(xp: Any, work: Work, steps: int, instances: int, generator: Any) -> tuple[Any, Any]:
    """Advance one chunk; `x` (dim, instances) and the first diverged step of each instance, -1 where none."""
    real = np.dtype(work.dtype).type
    shape = (work.dim, instances)
    x = generator.standard_normal(shape, dtype=real) * real(work.start)
    m, v, w, g = xp.zeros_like(x), xp.zeros_like(x), xp.empty_like(x), xp.empty_like(x)
    first_bad = xp.full(instances, -1)
    for t in range(1, steps + 1):
        generator.standard_normal(dtype=real, out=g)
        g *= real(work.sigma)
        add_gradient(xp, work, x, g)
        if work.optimizer == "Adam":
            xp.subtract(g, m, out=w)
            w *= real(0.1)
            m += w
            xp.square(g, out=g)
            g -= v
            g *= real(1e-3)
            v += g
            xp.sqrt(v, out=w)
            w *= real(1 / np.sqrt(1 - 0.999**t))
            w += real(1e-8)
            xp.divide(m, w, out=w)
            w *= real(work.lr / (1 - 0.9**t))
            x -= w
        else:
            v *= real(0.9)
            g *= real(work.lr)
            v -= g
            x += v
        if xp is not np or not (x.max() < BOUND and x.min() > -BOUND):
            outside = ~(xp.abs(x) < BOUND).all(axis=0)
            first_bad = xp.where(outside & (first_bad < 0), t, first_bad)
    return x, first_bad


def chunked(threads: int) -> Any:
    """`prepare` of the NumPy form on `threads` threads."""

    def prepare(work: Work, steps: int) -> Run:
        sizes = work.parts(threads)

        def run(seed: int) -> Outcome:
            children = np.random.SeedSequence(seed).spawn(len(sizes))

            def one(k: int) -> Outcome:
                generator = np.random.Generator(np.random.SFC64(children[k]))
                return host(*trajectories(np, work, steps, sizes[k], generator), axis=0)

            if threads == 1:
                return joined([one(k) for k in range(len(sizes))])
            with ThreadPoolExecutor(threads) as pool:
                return joined(list(pool.map(one, range(len(sizes)))))

        return run

    return prepare


def on_gpu(work: Work, steps: int) -> Run:
    """`prepare` of the CuPy form: the same lines on the device, all instances at once."""
    import cupy

    class Normals:
        """CuPy's `Generator.standard_normal` under NumPy's arguments, from Philox4x32-10."""

        def __init__(self, seed: int) -> None:
            self.generator = cupy.random.Generator(cupy.random.Philox4x3210(seed))

        def standard_normal(self, size: Any = None, dtype: Any = None, out: Any = None) -> Any:
            return self.generator.standard_normal(size=size, dtype=dtype, out=out)

    def run(seed: int) -> Outcome:
        x, first_bad = trajectories(cupy, work, steps, work.instances, Normals(seed))
        return host(cupy.asnumpy(x), cupy.asnumpy(first_bad), axis=0)

    return run


def contestants() -> list[Contestant]:
    """The NumPy forms on one core and on all."""
    forms = [Contestant("NumPy, in place, cached chunks, 1 thread", chunked(1), "numpy")]
    if cores() > 1:
        forms.append(
            Contestant(f"NumPy, in place, cached chunks, {cores()} threads", chunked(cores()), "numpy threads")
        )
    return forms


def gpu_contestants() -> list[Contestant]:
    """The CuPy form, where CuPy and a device are present."""
    try:
        import cupy

        present = cupy.cuda.runtime.getDeviceCount() > 0
    except Exception:  # CuPy absent, or a driver too old for it: its own error classes are not importable then
        return []
    return [Contestant("CuPy, in place, Philox4x32-10", on_gpu, "cupy")] if present else []
