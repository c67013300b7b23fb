"""JAX + optax: `jit(vmap(scan))` over whole trajectories, and `jit(scan)` over hand-batched arrays.

Tried and left out because slower: `unroll` of 4 (0.2 to 0.7 of the rate), drawing 8 or 10 steps of noise at once (0.4),
hand-batched arrays with instances first (0.9), `jax.grad` in the hand-batched form (0.3 to 1.0). Starts are donated.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import optax

from peers.own import CENTRES, REACH
from peers.work import BOUND, Contestant, Outcome, Run, Work, cores, host, joined, split

Gradient = Callable[[jax.Array], jax.Array]


def optimizer(work: Work) -> optax.GradientTransformation:
    return optax.adam(work.lr) if work.optimizer == "Adam" else optax.sgd(work.lr, momentum=0.9)


def value(work: Work, x: jax.Array) -> jax.Array:
    """The landscape at one point (dim,)."""
    if work.landscape == "QuarticSaddle":
        return -(x[0] ** 2) / 2 + x[0] ** 4 / 4 + (x[1:] ** 2).sum() / 2
    if work.landscape == "valley":
        return x[0] ** 4 - 3 * x[0] ** 2 * x[1] + x[1] ** 2 + (x[0] ** 2 + x[1] ** 2) ** 2
    if work.landscape == "chain":
        return ((x[1:] - x[:-1]) ** 2).sum() + (x**4).sum() / 4
    if work.landscape == "mixture":
        centres = REACH * jnp.eye(CENTRES, work.dim, dtype=x.dtype)
        density = jnp.exp(-((x - centres) ** 2).sum(axis=1) / 2).sum()
        return -jnp.log(density) + (x**2).sum() / 200
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def gradient(work: Work, x: jax.Array) -> jax.Array:
    """The gradient at every point of `x` (dim, instances): by hand where the function is ours, else JAX's own."""
    if work.landscape not in ("QuarticSaddle", "Rosenbrock"):
        return jax.vmap(jax.grad(lambda one: value(work, one)), in_axes=1, out_axes=1)(x)
    if work.landscape == "QuarticSaddle":
        return jnp.concatenate([x[:1] ** 3 - x[:1], x[1:]])
    d = x[1:] - x[:-1] ** 2
    zero = jnp.zeros_like(x[:1])
    return jnp.concatenate([-400 * x[:-1] * d - 2 * (1 - x[:-1]), zero]) + jnp.concatenate([zero, 200 * d])


def scan(work: Work, steps: int, grad: Gradient, key: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Advance `x` (dim, ...) by `steps`; also the first diverged step, -1 where none."""
    rule = optimizer(work)

    def step(carry: Any, t: jax.Array) -> tuple[Any, None]:
        x, state, key, first_bad = carry
        key, draw = jax.random.split(key)
        g = grad(x) + work.sigma * jax.random.normal(draw, x.shape, x.dtype)
        update, state = rule.update(g, state, x)
        x = optax.apply_updates(x, update)
        outside = ~jnp.all(jnp.abs(x) < BOUND, axis=0)
        return (x, state, key, jnp.where(outside & (first_bad < 0), t, first_bad)), None

    start = (x, rule.init(x), key, jnp.full(x.shape[1:], -1, jnp.int32))
    (x, _, _, first_bad), _ = jax.lax.scan(step, start, jnp.arange(1, steps + 1, dtype=jnp.int32))
    return x, first_bad


def vmapped(prng: str) -> Callable[[Work, int], Run]:
    """`prepare` of the form that maps one trajectory over all instances, a key each."""

    def prepare(work: Work, steps: int) -> Run:
        grad = jax.grad(lambda x: value(work, x))
        advance = jax.jit(jax.vmap(lambda key, x: scan(work, steps, grad, key, x)), donate_argnums=1)

        def run(seed: int) -> Outcome:
            with jax.enable_x64(work.dtype == "float64"):
                start, noise = jax.random.split(jax.random.key(seed, impl=prng))
                x = work.start * jax.random.normal(start, (work.instances, work.dim), work.dtype)
                x, first_bad = advance(jax.random.split(noise, work.instances), x)
                return host(x, first_bad, axis=1)

        run(0)
        return run

    return prepare


def batched(prng: str, threads: int = 1) -> Callable[[Work, int], Run]:
    """`prepare` of the hand-batched form; with `threads`, one chunk of instances each, so that no core waits."""

    def prepare(work: Work, steps: int) -> Run:
        advance = jax.jit(lambda key, x: scan(work, steps, lambda y: gradient(work, y), key, x), donate_argnums=1)
        sizes = [size for size in split(work.instances, threads) if size]

        def one(seed: int, k: int) -> Outcome:
            with jax.enable_x64(work.dtype == "float64"):
                start, noise = jax.random.split(jax.random.fold_in(jax.random.key(seed, impl=prng), k))
                x = work.start * jax.random.normal(start, (work.dim, sizes[k]), work.dtype)
                x, first_bad = advance(noise, x)
                return host(x, first_bad, axis=0)

        def run(seed: int) -> Outcome:
            if threads == 1:
                return one(seed, 0)
            with ThreadPoolExecutor(threads) as pool:
                return joined(list(pool.map(lambda k: one(seed, k), range(len(sizes)))))

        run(0)
        return run

    return prepare


def contestants() -> list[Contestant]:
    """Both forms with the default generator (threefry) and with rbg; on the CPU also one chunk per core."""
    forms = [
        Contestant("JAX + optax, jit(vmap(scan)), threefry", vmapped("threefry2x32"), "jax"),
        Contestant("JAX + optax, hand-batched jit(scan), threefry", batched("threefry2x32"), "jax"),
        Contestant("JAX + optax, jit(vmap(scan)), rbg", vmapped("rbg"), "jax rbg"),
        Contestant("JAX + optax, hand-batched jit(scan), rbg", batched("rbg"), "jax rbg"),
    ]
    if jax.default_backend() == "cpu" and cores() > 1:
        name = f"JAX + optax, hand-batched jit(scan), threefry, {cores()} threads"
        forms.append(Contestant(name, batched("threefry2x32", cores()), "jax threads"))
    return forms
