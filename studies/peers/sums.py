"""Finite sums over real data, a batch of its own for each replica and step: ours, and JAX + optax in both of its forms.

Logistic regression on breast_cancer (569 x 30), and a network of one hidden layer on digits (1,797 x 64): SGD by batches drawn with
replacement. Every contestant reads the same standardised data and starts at the same law.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np

import ensemble as en
from peers import ours
from peers.costs import of_rounds, rounds
from peers.work import BOUND, Contestant, Outcome, Run, Work, cores, host, joined, split

HIDDEN = 16
CLASSES = 10
SETS = {"logistic": "breast_cancer", "network": "digits"}


def works(quick: bool) -> list[Work]:
    """One cell of each; dim follows from the data."""
    scale = 4 if quick else 1
    sizes = (("logistic", 4_096, 30, 8), ("network", 1_024, 65 * HIDDEN + (HIDDEN + 1) * CLASSES, 16))
    return [Work(name, "SGD", n // scale, dim, batch=batch) for name, n, dim, batch in sizes]


@cache
def samples(name: str) -> tuple[np.ndarray, np.ndarray]:
    """All samples (n, columns), standardised, and their labels (n,)."""
    data = en.data.load(SETS[name], test=0.0)
    return data.train.X, data.train.y


@cache
def landscape(name: str) -> Any:
    X, y = samples(name)
    if name == "logistic":
        return en.LogisticRegression(X, y)
    return en.TwoLayerNetwork(HIDDEN, loss="softmax", X=X, y=y)


def arguments(work: Work, steps: int, backend: str, seed: int = 0) -> dict[str, Any]:
    """What `simulate` is given for this work."""
    return {
        "landscape": landscape(work.landscape),
        "optimizer": en.GradientDescent(lr=work.lr),
        "noise": en.Minibatch(work.batch),
        "start": en.NormalCloud(scale=work.start),
        "instances": work.instances,
        "steps": steps,
        "seed": seed,
        "backend": backend,
        "dtype": work.dtype,
    }


def turned(contestant: Contestant) -> Contestant:
    """The contestant with its coordinates from the last on, of which the first two are compared.

    The first ones of the network belong to pixels that are always white.
    """

    def prepare(work: Work, steps: int) -> Run:
        run = contestant.prepare(work, steps)

        def from_the_last(seed: int) -> Outcome:
            outcome = run(seed)
            return Outcome(outcome.x[:, ::-1], outcome.diverged)

        return from_the_last

    return replace(contestant, prepare=prepare)


def contestants(backends: list[str], say: Callable[[str], None]) -> tuple[list[Contestant], list[Contestant]]:
    """Ours, one for each backend, and JAX's where it is installed."""
    mine = [turned(one) for one in ours.contestants(backends, arguments)]
    try:
        import jax
    except ImportError as error:
        say(f"JAX left out ({error}): pip install 'descent-ensemble[peers]'")
        return mine, []
    forms = [
        Contestant("JAX, jit(vmap(scan)) of grad, threefry", mapped("threefry2x32"), "jax"),
        Contestant("JAX, hand-batched jit(scan), threefry", batched("threefry2x32"), "jax"),
        Contestant("JAX, jit(vmap(scan)) of grad, rbg", mapped("rbg"), "jax rbg"),
        Contestant("JAX, hand-batched jit(scan), rbg", batched("rbg"), "jax rbg"),
    ]
    if jax.default_backend() == "cpu" and cores() > 1:
        name = f"JAX, hand-batched jit(scan), threefry, {cores()} threads"
        forms.append(Contestant(name, batched("threefry2x32", cores()), "jax threads"))
    return mine, [turned(one) for one in forms]


def linearity(backend: str, quick: bool, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """The time of logistic regression with four times the batch, the columns or the replicas, over four times its time."""
    base = {"batch": 32, "columns": 32, "replicas": 4_096}
    steps = 50 if quick else 300

    def call(batch: int, columns: int, replicas: int) -> Callable[[], Any]:
        return partial(
            en.simulate,
            landscape=en.LogisticRegression.random(569, columns),
            optimizer=en.GradientDescent(lr=0.05),
            noise=en.Minibatch(batch),
            start=en.NormalCloud(scale=0.1),
            instances=replicas,
            steps=steps,
            backend=backend,
        )

    found = []
    for name, size in base.items():
        seconds = rounds([call(**base), call(**base | {name: 4 * size})], 3 if quick else 7)
        row = {"backend": backend, "of": name, "from": size, "to": 4 * size} | of_rounds(
            seconds[:, 1] / (4 * seconds[:, 0])
        )
        say(f"{name} {size} to {4 * size}, {backend}: {row['times']:.2f} of four times the time")
        found.append(row)
    return found


def loss(name: str, x: Any, a: Any, y: Any) -> Any:
    """The mean loss of a batch, a (batch, columns) and y (batch,), at one x (dim,): what `jax.grad` is taken of."""
    import jax
    import jax.numpy as jnp

    if name == "logistic":
        return jax.nn.softplus(-(2 * y - 1) * (a @ x)).mean()
    at = a.shape[1] * HIDDEN
    W1, b1 = x[:at].reshape(HIDDEN, -1), x[at : at + HIDDEN]
    W2, b2 = x[at + HIDDEN : -CLASSES].reshape(CLASSES, HIDDEN), x[-CLASSES:]
    out = jnp.tanh(a @ W1.T + b1) @ W2.T + b2
    return -jnp.take_along_axis(jax.nn.log_softmax(out), y[:, None].astype(int), 1).mean()


def gradient(name: str, x: Any, a: Any, y: Any) -> Any:
    """The gradients at x (replicas, dim) on batches a (replicas, batch, columns), y (replicas, batch), written by hand."""
    import jax
    import jax.numpy as jnp

    n, batch, columns = a.shape
    if name == "logistic":
        sign = 2 * y - 1
        slope = -sign * jax.nn.sigmoid(-sign * jnp.einsum("rbd,rd->rb", a, x)) / batch
        return jnp.einsum("rb,rbd->rd", slope, a)
    at = columns * HIDDEN
    W1, b1 = x[:, :at].reshape(n, HIDDEN, columns), x[:, None, at : at + HIDDEN]
    W2, b2 = x[:, at + HIDDEN : -CLASSES].reshape(n, CLASSES, HIDDEN), x[:, None, -CLASSES:]
    hidden = jnp.tanh(jnp.einsum("rbd,rhd->rbh", a, W1) + b1)
    out = jax.nn.softmax(jnp.einsum("rbh,rch->rbc", hidden, W2) + b2)
    out = (out - jax.nn.one_hot(y.astype(int), CLASSES, dtype=x.dtype)) / batch
    back = jnp.einsum("rbc,rch->rbh", out, W2) * (1 - hidden**2)
    first, second = jnp.einsum("rbh,rbd->rhd", back, a), jnp.einsum("rbc,rbh->rch", out, hidden)
    return jnp.concatenate([first.reshape(n, -1), back.sum(1), second.reshape(n, -1), out.sum(1)], axis=1)


def walk(work: Work, steps: int, slope: Callable[..., Any], key: Any, x: Any, shape: tuple[int, ...]) -> Any:
    """The iterate after `steps` of SGD on batches with indices of `shape`, and the first diverged step, -1 where none."""
    import jax
    import jax.numpy as jnp
    import optax

    X, y = (jnp.asarray(part, work.dtype) for part in samples(work.landscape))
    rule = optax.sgd(work.lr)

    def step(carry: Any, t: Any) -> Any:
        x, state, key, first_bad = carry
        key, draw = jax.random.split(key)
        which = jax.random.randint(draw, shape, 0, len(X))
        update, state = rule.update(slope(x, X[which], y[which]), state, x)
        x = optax.apply_updates(x, update)
        outside = ~jnp.all(jnp.abs(x) < BOUND, axis=-1)
        return (x, state, key, jnp.where(outside & (first_bad < 0), t, first_bad)), None

    start = (x, rule.init(x), key, jnp.full(x.shape[:-1], -1, jnp.int32))
    (x, _, _, first_bad), _ = jax.lax.scan(step, start, jnp.arange(1, steps + 1, dtype=jnp.int32))
    return x, first_bad


def mapped(prng: str) -> Callable[[Work, int], Run]:
    """`prepare` of the form that maps one trajectory over all replicas, a key each."""
    import jax

    def prepare(work: Work, steps: int) -> Run:
        slope = jax.grad(lambda x, a, y: loss(work.landscape, x, a, y))
        advance = jax.jit(jax.vmap(lambda key, x: walk(work, steps, slope, key, x, (work.batch,))), donate_argnums=1)

        def run(seed: int) -> Outcome:
            with jax.enable_x64(work.dtype == "float64"):
                start, noise = jax.random.split(jax.random.key(seed, impl=prng))
                x = work.start * jax.random.normal(start, (work.instances, work.dim), work.dtype)
                return host(*advance(jax.random.split(noise, work.instances), x), axis=1)

        run(0)
        return run

    return prepare


def batched(prng: str, threads: int = 1) -> Callable[[Work, int], Run]:
    """`prepare` of the hand-batched form; with `threads`, one chunk of replicas each."""
    import jax

    def prepare(work: Work, steps: int) -> Run:
        sizes = [size for size in split(work.instances, threads) if size]

        def walked(key: Any, x: Any) -> Any:
            return walk(work, steps, lambda *given: gradient(work.landscape, *given), key, x, (len(x), work.batch))

        advance = jax.jit(walked, donate_argnums=1)

        def one(seed: int, k: int) -> Outcome:
            with jax.enable_x64(work.dtype == "float64"):
                start, noise = jax.random.split(jax.random.fold_in(jax.random.key(seed, impl=prng), k))
                x = work.start * jax.random.normal(start, (sizes[k], work.dim), work.dtype)
                return host(*advance(noise, x), axis=1)

        def run(seed: int) -> Outcome:
            with ThreadPoolExecutor(threads) as pool:
                return joined(list(pool.map(lambda k: one(seed, k), range(len(sizes)))))

        run(0)
        return run

    return prepare
