"""Makes ``tests/golden/optimizers.npz``: trajectories of optimizers that nobody here wrote, PyTorch's and optax's.

Needs torch, jax and optax, which the ordinary tests do not. ``python tests/make_golden.py --check`` makes the trajectories
again and compares them with the file, so that neither side can drift unseen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch

jax.config.update("jax_enable_x64", True)
torch.set_default_dtype(torch.float64)  # what NAdam keeps of its momenta, too

FILE = Path(__file__).parent / "golden" / "optimizers.npz"
STEPS = 300
KEEP = np.arange(0, STEPS + 1, 10)
START = np.array([-0.7, 0.9, 0.3, -0.2, 1.1])
MATRIX = np.array([-0.7, 0.9, 0.3, -0.2, 1.1, 0.5])
B = 3.0


def by_torch(make: Callable[[list[Any]], Any], scheduler: Any = None, clip: Any = None) -> np.ndarray:
    """The path of a torch optimizer on the chained Rosenbrock function."""
    x = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = make([x])
    schedule = scheduler(optimizer) if scheduler else None
    path = [x.detach().numpy().copy()]
    for _ in range(STEPS):
        optimizer.zero_grad()
        f = (B * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
        f.backward()
        if clip:
            clip([x])
        optimizer.step((lambda f=f: f) if isinstance(optimizer, torch.optim.LBFGS) else None)  # the gradient is there
        if schedule:
            schedule.step()
        path.append(x.detach().numpy().copy())
    return np.array(path)[KEEP]


def rosenbrock(x: Any) -> Any:
    return (B * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def by_optax(transformation: Any) -> np.ndarray:
    """The path of an optax optimizer on the same function."""
    gradient = jax.grad(rosenbrock)
    x = jnp.array(START)
    state = transformation.init(x)

    @jax.jit
    def step(x: Any, state: Any) -> Any:
        updates, state = transformation.update(gradient(x), state, x)
        return optax.apply_updates(x, updates), state

    path = [np.array(x)]
    for _ in range(STEPS):
        x, state = step(x, state)
        path.append(np.array(x))
    return np.array(path)[KEEP]


def by_optax_search(rate: float) -> np.ndarray:
    """Gradient descent by optax's backtracking, which begins at the same rate in every step."""
    rule = optax.chain(
        optax.sgd(1.0),
        optax.scale_by_backtracking_linesearch(
            30, decrease_factor=0.5, increase_factor=jnp.inf, max_learning_rate=rate
        ),
    )
    x = jnp.array(START)
    state, path = rule.init(x), [np.array(x)]
    for _ in range(STEPS):
        value, g = jax.value_and_grad(rosenbrock)(x)
        updates, state = rule.update(g, state, x, value=value, grad=g, value_fn=rosenbrock)
        x = optax.apply_updates(x, updates)
        path.append(np.array(x))
    return np.array(path)[KEEP]


def by_torch_muon(shape: tuple[int, int], **given: Any) -> np.ndarray:
    """The path of torch's Muon, but in float64 throughout, on the chained Rosenbrock function of a matrix's entries."""
    x = torch.tensor(MATRIX.reshape(shape), requires_grad=True)
    optimizer = torch.optim.Muon([x], **given)
    path = [MATRIX.copy()]
    with mock.patch.object(torch.Tensor, "bfloat16", torch.Tensor.clone):
        for _ in range(STEPS):
            optimizer.zero_grad()
            y = x.reshape(-1)
            (B * (y[1:] - y[:-1] ** 2) ** 2 + (1 - y[:-1]) ** 2).sum().backward()
            optimizer.step()
            path.append(x.detach().numpy().ravel().copy())
    return np.array(path)[KEEP]


def by_optax_sam(rho: float, base: Any) -> np.ndarray:
    """Sharpness-aware minimization, the gradient at the worst point given to an optax optimizer."""
    gradient = jax.grad(rosenbrock)
    x = jnp.array(START)
    state = base.init(x)
    normalize = optax.contrib.normalize()
    path = [np.array(x)]
    for _ in range(STEPS):
        direction, _ = normalize.update(gradient(x), normalize.init(x))
        updates, state = base.update(gradient(x + rho * direction), state, x)
        x = optax.apply_updates(x, updates)
        path.append(np.array(x))
    return np.array(path)[KEEP]


class Setting:
    """A torch "scheduler" of any number of a parameter group: ``value(s)`` after s steps."""

    def __init__(self, optimizer: Any, name: str, value: Callable[[int], float]) -> None:
        self.optimizer, self.name, self.value, self.taken = optimizer, name, value, -1
        self.step()

    def step(self) -> None:
        self.taken += 1
        self.optimizer.param_groups[0][self.name] = self.value(self.taken)


class Clipping:
    """Clipping to ``norm(s)`` at the step after s."""

    def __init__(self, norm: Callable[[int], float]) -> None:
        self.norm, self.taken = norm, 0

    def __call__(self, x: Any) -> None:
        size = torch.linalg.vector_norm(x[0].grad)
        x[0].grad.mul_(min(1.0, self.norm(self.taken) / float(size)))
        self.taken += 1


def by_optax_lookahead(base: Any, period: int, alpha: float) -> np.ndarray:
    """The fast point of Lookahead around an optax optimizer."""
    rule, gradient = optax.lookahead(base, sync_period=period, slow_step_size=alpha), jax.grad(rosenbrock)
    x = optax.LookaheadParams.init_synced(jnp.array(START))
    state, path = rule.init(x), [np.array(x.fast)]
    for _ in range(STEPS):
        updates, state = rule.update(gradient(x.fast), state, x)
        x = optax.apply_updates(x, updates)
        path.append(np.array(x.fast))
    return np.array(path)[KEEP]


def by_optax_schedule_free(base: Any, lr: Any) -> np.ndarray:
    """The averaged point of schedule-free learning around an optax optimizer."""
    rule, gradient = optax.contrib.schedule_free(base, lr, b1=0.9), jax.grad(rosenbrock)
    y = jnp.array(START)
    state, path = rule.init(y), [np.array(y)]
    for _ in range(STEPS):
        updates, state = rule.update(gradient(y), state, y)
        y = optax.apply_updates(y, updates)
        path.append(np.array(optax.contrib.schedule_free_eval_params(state, y)))
    return np.array(path)[KEEP]


def trajectories() -> dict[str, np.ndarray]:
    """Name -> (kept steps, dim). The names are those of the cases in ``tests/test_optimizers.py``."""
    t, schedules = torch.optim, torch.optim.lr_scheduler
    return {
        "sgd": by_torch(lambda p: t.SGD(p, lr=0.01)),
        "sgd momentum": by_torch(lambda p: t.SGD(p, lr=0.003, momentum=0.9)),
        "sgd nesterov": by_torch(lambda p: t.SGD(p, lr=0.003, momentum=0.9, nesterov=True)),
        "sgd weight decay": by_torch(lambda p: t.SGD(p, lr=0.01, weight_decay=0.1)),
        "sgd momentum weight decay": by_torch(lambda p: t.SGD(p, lr=0.003, momentum=0.9, weight_decay=0.1)),
        "adagrad": by_torch(lambda p: t.Adagrad(p, lr=0.1)),
        "rmsprop": by_torch(lambda p: t.RMSprop(p, lr=0.0004, alpha=0.9)),
        "adadelta": by_torch(lambda p: t.Adadelta(p, lr=0.5, rho=0.9, eps=1e-6)),
        "adam": by_torch(lambda p: t.Adam(p, lr=0.01)),
        "adam amsgrad": by_torch(lambda p: t.Adam(p, lr=0.01, amsgrad=True)),
        "adam weight decay": by_torch(lambda p: t.Adam(p, lr=0.01, weight_decay=0.1)),
        "adamw": by_torch(lambda p: t.AdamW(p, lr=0.01, weight_decay=0.1)),
        "adam cosine": by_torch(lambda p: t.Adam(p, lr=0.002), lambda o: schedules.CosineAnnealingLR(o, STEPS)),
        "sgd step decay": by_torch(lambda p: t.SGD(p, lr=0.01), lambda o: schedules.StepLR(o, 70, 0.5)),
        "adamw exponential": by_torch(
            lambda p: t.AdamW(p, lr=0.02, weight_decay=0.1), lambda o: schedules.ExponentialLR(o, 0.99)
        ),
        "rmsprop linear": by_torch(
            lambda p: t.RMSprop(p, lr=0.0008, alpha=0.9), lambda o: schedules.LinearLR(o, 1.0, 0.1, 200)
        ),
        "adam warmup": by_torch(lambda p: t.Adam(p, lr=0.02), lambda o: schedules.LinearLR(o, 1 / 50, 1.0, 49)),
        "sgd clip value": by_torch(
            lambda p: t.SGD(p, lr=0.01, momentum=0.9), clip=lambda p: torch.nn.utils.clip_grad_value_(p, 0.5)
        ),
        "optax clip norm": by_optax(optax.chain(optax.clip_by_global_norm(1.5), optax.sgd(0.01, momentum=0.9))),
        "optax adam eps_root": by_optax(optax.adam(0.01, eps=0.0, eps_root=1e-4)),
        "optax amsgrad": by_optax(optax.amsgrad(0.01)),
        "optax adagrad": by_optax(optax.adagrad(0.1, initial_accumulator_value=0.0, eps=1e-7)),
        "optax rmsprop": by_optax(optax.rmsprop(0.0004, decay=0.9, eps=1e-8)),
        "optax adadelta": by_optax(optax.adadelta(0.5, rho=0.9, eps=1e-6)),
        "optax ema momentum": by_optax(optax.chain(optax.ema(0.9, debias=False), optax.scale(-0.02))),
        "optax lion": by_optax(optax.lion(0.002, b1=0.9, b2=0.99, weight_decay=0.1)),
        "optax sign": by_optax(optax.sign_sgd(0.002)),
        "optax nesterov": by_optax(optax.sgd(0.003, momentum=0.9, nesterov=True)),
        "optax adamw warmup cosine": by_optax(
            optax.adamw(optax.warmup_cosine_decay_schedule(0.0, 0.01, 50, 250), weight_decay=0.1)
        ),
        "optax weight decay": by_optax(
            optax.chain(optax.trace(0.9), optax.add_decayed_weights(0.1), optax.scale(-0.003))
        ),
        "optax sam": by_optax_sam(0.05, optax.sgd(0.003)),
        "adamw decaying less": by_torch(
            lambda p: t.AdamW(p, lr=0.01), lambda o: Setting(o, "weight_decay", lambda s: 0.2 / (1 + 0.01 * s))
        ),
        "sgd decaying less": by_torch(
            lambda p: t.SGD(p, lr=0.003, momentum=0.9),
            lambda o: Setting(o, "weight_decay", lambda s: 0.2 / (1 + 0.01 * s)),
        ),
        "sgd clipped less": by_torch(
            lambda p: t.SGD(p, lr=0.01, momentum=0.9), clip=Clipping(lambda s: 1.0 + min(s, 200) / 200)
        ),
        "nadam": by_torch(lambda p: t.NAdam(p, lr=0.01)),
        "radam": by_torch(lambda p: t.RAdam(p, lr=0.01)),
        "adamax": by_torch(lambda p: t.Adamax(p, lr=0.01)),
        "lbfgs": by_torch(
            lambda p: t.LBFGS(p, lr=0.3, max_iter=1, history_size=5, tolerance_grad=0, tolerance_change=0)
        ),
        "sgd rising momentum": by_torch(
            lambda p: t.SGD(p, lr=0.003, momentum=0.5),
            lambda o: Setting(o, "momentum", lambda s: 0.5 + 0.4 * min(1.0, s / 200)),
        ),
        "rmsprop rising": by_torch(
            lambda p: t.RMSprop(p, lr=0.0004, alpha=0.5),
            lambda o: Setting(o, "alpha", lambda s: 0.5 + 0.49 * min(1.0, s / 200)),
        ),
        "adadelta rising": by_torch(
            lambda p: t.Adadelta(p, lr=0.5, rho=0.5),
            lambda o: Setting(o, "rho", lambda s: 0.5 + 0.49 * min(1.0, s / 200)),
        ),
        "optax lion rising": by_optax(
            optax.inject_hyperparams(optax.lion)(
                0.002, b1=optax.linear_schedule(0.5, 0.9, 200), b2=0.99, weight_decay=0.1
            )
        ),
        "muon tall": by_torch_muon((3, 2), lr=0.002, weight_decay=0.1),
        "muon wide": by_torch_muon((2, 3), lr=0.002, weight_decay=0.0, momentum=0.9, nesterov=False),
        "optax backtracking": by_optax_search(0.3),
        "optax adabelief": by_optax(optax.adabelief(0.002)),
        "optax lookahead": by_optax_lookahead(optax.adam(0.01), 6, 0.5),
        "optax schedule-free sgd": by_optax_schedule_free(optax.sgd(0.005), 0.005),
        "optax schedule-free adam": by_optax_schedule_free(optax.adam(0.02, b1=0.0), 0.02),
        "adam one cycle": by_torch(
            lambda p: t.Adam(p, lr=0.01), lambda o: schedules.OneCycleLR(o, 0.01, STEPS, cycle_momentum=False)
        ),
        "adam warm restarts": by_torch(
            lambda p: t.Adam(p, lr=0.005), lambda o: schedules.CosineAnnealingWarmRestarts(o, 40, 2, 0.0001)
        ),
        "sgd multi step": by_torch(lambda p: t.SGD(p, lr=0.01), lambda o: schedules.MultiStepLR(o, [80, 200], 0.5)),
        "optax sam adam": by_optax_sam(0.05, optax.adam(0.01)),
    }


def main() -> None:
    made = trajectories()
    if "--check" in sys.argv:
        with np.load(FILE) as kept:
            for name, path in made.items():
                np.testing.assert_allclose(path, kept[name], rtol=1e-9, atol=1e-12, err_msg=name)
        print(f"{len(made)} trajectories agree with {FILE.name}")
        return
    versions = f"torch {torch.__version__}, jax {jax.__version__}, optax {optax.__version__}, numpy {np.__version__}"
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, versions=np.array(versions), steps=KEEP, start=START, **made)
    print(f"{FILE}: {len(made)} trajectories, {FILE.stat().st_size} bytes, {versions}")


if __name__ == "__main__":
    main()
