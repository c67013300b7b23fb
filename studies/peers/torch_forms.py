"""PyTorch, batched by hand, coordinates first: eager in place, and the step through `torch.compile`.

On the CPU the noise is drawn outside the compiled step: drawn inside it, TorchInductor's generator makes the whole run
4 to 8 times slower. The generator of one call runs on one core, so one chunk per core is 1.6 times as fast as
PyTorch's own threads; both are measured. On a GPU the whole step is compiled with CUDA graphs.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from peers.work import BOUND, Contestant, Outcome, Run, Work, cores, host, joined, split

Tensor = torch.Tensor


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def add_gradient(work: Work, x: Tensor, g: Tensor) -> None:
    """Add the landscape's gradient at `x` (dim, instances) to `g`, in place."""
    if work.landscape == "QuarticSaddle":
        g.add_(x)
        g[0].add_(x[0] ** 3 - 2 * x[0])
    else:
        d = torch.addcmul(x[1:], x[:-1], x[:-1], value=-1)
        g[1:].add_(d, alpha=200)
        g[:-1].addcmul_(x[:-1], d, value=-400).add_(x[:-1], alpha=2).sub_(2)


def gradient(work: Work, x: Tensor) -> Tensor:
    """The same out of place: in place on slices, the compiled step of Rosenbrock and Adam has a third of the rate."""
    if work.landscape == "QuarticSaddle":
        return torch.cat([x[:1] ** 3 - x[:1], x[1:]])
    d = x[1:] - x[:-1] ** 2
    zero = torch.zeros_like(x[:1])
    return torch.cat([-400 * x[:-1] * d - 2 * (1 - x[:-1]), zero]) + torch.cat([zero, 200 * d])


def update(work: Work, x: Tensor, m: Tensor, v: Tensor, g: Tensor, c: Any, w: Tensor) -> None:
    """One step of the rule, in place; `c` holds Adam's two bias corrections."""
    if work.optimizer == "Adam":
        m.lerp_(g, 0.1)
        v.mul_(0.999).addcmul_(g, g, value=1e-3)
        torch.sqrt(v, out=w).mul_(c[1]).add_(1e-8)
        x.addcdiv_(m, w, value=-work.lr * c[0])
    else:
        v.mul_(0.9).add_(g)
        x.add_(v, alpha=-work.lr)


def watch(x: Tensor, first_bad: Tensor, t: Any) -> None:
    """Keep the first step at which an instance left the bound."""
    outside = ~(x.abs() < BOUND).all(0)
    first_bad.copy_(torch.where(outside & (first_bad < 0), t, first_bad))


def corrections(t: int) -> tuple[float, float]:
    """`1 / (1 - beta1^t)` and `1 / sqrt(1 - beta2^t)`."""
    return 1 / (1 - 0.9**t), (1 - 0.999**t) ** -0.5


def state(work: Work, instances: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Fresh `x`, `m`, `v`, `g` and a spare, each (dim, instances)."""
    x = torch.empty((work.dim, instances), dtype=getattr(torch, work.dtype), device=device())
    x.normal_(generator=generator).mul_(work.start)
    return x, torch.zeros_like(x), torch.zeros_like(x), torch.empty_like(x), torch.empty_like(x)


def eager(work: Work, steps: int, instances: int, seed: int) -> Outcome:
    generator = torch.Generator(device()).manual_seed(seed)
    x, m, v, g, w = state(work, instances, generator)
    first_bad = torch.full((instances,), -1, device=x.device)
    for t in range(1, steps + 1):
        g.normal_(generator=generator).mul_(work.sigma)
        add_gradient(work, x, g)
        update(work, x, m, v, g, corrections(t), w)
        if x.is_cuda:
            watch(x, first_bad, t)
            continue
        low, high = torch.aminmax(x)  # not a number propagates, and fails both comparisons
        if not (low.item() > -BOUND and high.item() < BOUND):
            watch(x, first_bad, t)
    return host(x.cpu(), first_bad.cpu(), axis=0)


def compiled(work: Work) -> Callable[[Work, int, int, int], Outcome]:
    """The same run around a compiled step."""
    on_gpu = device() == "cuda"

    def step(x: Tensor, m: Tensor, v: Tensor, g: Tensor, first_bad: Tensor, t: Tensor, c: Tensor) -> None:
        g = gradient(work, x) + work.sigma * (torch.randn_like(x) if on_gpu else g)
        if work.optimizer == "Adam":
            m.lerp_(g, 0.1)
            v.mul_(0.999).addcmul_(g, g, value=1e-3)
            x.sub_(work.lr * c[0] * m / (torch.sqrt(v) * c[1] + 1e-8))
        else:
            v.mul_(0.9).add_(g)
            x.add_(v, alpha=-work.lr)
        watch(x, first_bad, t)

    torch._dynamo.config.recompile_limit = 1_000  # each cell is a new shape of the same function
    fast = torch.compile(step, dynamic=False, mode="reduce-overhead" if on_gpu else "default")

    def run(work: Work, steps: int, instances: int, seed: int) -> Outcome:
        generator = torch.Generator(device()).manual_seed(seed)
        x, m, v, g, _ = state(work, instances, generator)
        first_bad = torch.full((instances,), -1, device=x.device)
        t = torch.zeros((), dtype=first_bad.dtype, device=x.device)
        table = torch.tensor([corrections(k) for k in range(1, steps + 1)], dtype=x.dtype, device=x.device)
        c = torch.empty_like(table[0])
        for k in range(steps):
            t += 1
            c.copy_(table[k])
            if not on_gpu:
                g.normal_(generator=generator)
            fast(x, m, v, g, first_bad, t, c)
        return host(x.cpu(), first_bad.cpu(), axis=0)

    return run


def whole(compile_step: bool) -> Callable[[Work, int], Run]:
    """`prepare` of the form that leaves the cores to PyTorch."""

    def prepare(work: Work, steps: int) -> Run:
        advance = compiled(work) if compile_step else eager

        def run(seed: int) -> Outcome:
            torch.set_num_threads(cores())
            with torch.no_grad():
                return advance(work, steps, work.instances, seed)

        run(0)
        return run

    return prepare


def per_core(compile_step: bool) -> Callable[[Work, int], Run]:
    """`prepare` of the form with cache-sized chunks of instances, one generator each, on Python threads."""

    def prepare(work: Work, steps: int) -> Run:
        advance = compiled(work) if compile_step else eager
        sizes = split(work.instances, cores()) if compile_step else work.parts(cores())

        def one(seed: int, k: int) -> Outcome:
            torch.set_num_threads(1)
            with torch.no_grad():
                return advance(work, steps, sizes[k], seed * 100_003 + k)

        def run(seed: int) -> Outcome:
            with ThreadPoolExecutor(cores()) as pool:
                return joined(list(pool.map(lambda k: one(seed, k), range(len(sizes)))))

        one(0, 0)
        run(0)
        return run

    return prepare


def contestants() -> list[Contestant]:
    """Eager and compiled, on PyTorch's own threads and, on the CPU, with one chunk per core."""
    on = "CUDA graphs" if device() == "cuda" else "noise outside"
    forms = [
        Contestant("PyTorch eager, in place", whole(False), "torch"),
        Contestant(f"PyTorch torch.compile, {on}", whole(True), "torch"),
    ]
    if device() == "cpu" and cores() > 1:
        forms.append(
            Contestant(f"PyTorch eager, in place, cached chunks, {cores()} threads", per_core(False), "torch threads")
        )
        forms.append(Contestant(f"PyTorch torch.compile, {on}, {cores()} threads", per_core(True), "torch threads"))
    return forms
