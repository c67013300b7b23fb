"""Wrappers of a user's own: what they hand down and what the wrapped part remembers are derived with them, to the bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import ensemble as en
from ensemble.backends.twins import NoTwinError, pointwise, twin_of, vectors_held
from ensemble.optimizers import Passed
from ensemble.part import FRACTION, NOT_NEGATIVE, inner, number, scheduled
from ensemble.tracing import struct_of


@dataclass(frozen=True)
class Still(en.Optimizer):
    """No numbers, no columns, no state: what wraps it finds ``now`` and ``state`` all the same."""

    def step(self, x, gradient, state, now):
        return x - 0.125 * gradient(x)


@dataclass(frozen=True)
class Centred(en.Optimizer):
    """Hands down the gradient minus its running mean, as long as the base steps, and pulls back what it hands up."""

    base: en.Optimizer = inner()
    lr: Any = scheduled(0.01, NOT_NEGATIVE)
    beta: float = number(0.9, FRACTION)
    vectors = ("mean",)

    def step(self, x, gradient, state, now):
        before = state.mean

        def centred(y):
            return gradient(y) - self.beta * before

        y = self.base.step(x, Passed(gradient, centred), state.base, now.base)
        state.mean = self.beta * state.mean + (1.0 - self.beta) * (x - y)
        return y - now.lr * state.mean


@dataclass(frozen=True)
class Twice(en.Optimizer):
    """Two steps of the base, the second along a gradient of unit length."""

    base: en.Optimizer = inner()

    def step(self, x, gradient, state, now):
        def unit(y):
            g = gradient(y)
            return g / en.sqrt(1.0 + en.dot(g, g))

        y = self.base.step(x, gradient, state.base, now.base)
        return self.base.step(y, Passed(gradient, unit), state.base, now.base)


@dataclass(frozen=True)
class Larger(en.Noise):
    """The wrapped noise's deviation, so many times."""

    noise: en.Noise = inner()
    factor: Any = scheduled(2.0, NOT_NEGATIVE)

    def apply(self, x, gradient, landscape, now):
        seen = self.noise.apply(x, gradient, landscape, now.noise)
        return gradient + now.factor * (seen - gradient)


@dataclass(frozen=True)
class Otherwise(en.Event):
    """The label of one, or the next where the value is high."""

    event: en.Event = inner()
    value: float = number(2.0)

    @property
    def labels(self):
        return self.event.labels + 1

    def check(self, x, landscape, now):
        label = self.event.check(x, landscape, None if now is None else now.event)
        return en.where(label != 0, label, en.where(landscape.value(x, now) >= self.value, 2, 0))


@dataclass(frozen=True)
class Grabs(en.Optimizer):
    base: en.Optimizer = inner()
    how: str = "now"

    def step(self, x, gradient, state, now):
        if self.how == "now":
            return self.base.step(x, gradient, state.base, now)
        if self.how == "state":
            return x - state.base.v
        if self.how == "method":
            return self.base.reported()
        return self.base.step(x, 1.0, state.base, now.base)


def ends(backend, dtype="float64", **parts):
    given = {"landscape": en.QuarticSaddle(dim=5), "optimizer": en.GradientDescent(0.05), "noise": en.Gaussian(0.2)}
    given |= {"start": en.NormalCloud(0.5), "instances": 19, "steps": 25, "progress": False, "math": "precise"}
    found = en.simulate(**{**given, **parts}, backend=backend, dtype=dtype).dataset
    return [found[name].to_numpy().tobytes() for name in ("x", "event_step", "event")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parts", "dtype"),
    [
        pytest.param({"optimizer": Centred(en.Adam(0.02))}, "float32", marks=pytest.mark.slow),
        (
            {"optimizer": Centred(Centred(Still()), beta=0.5), "noise": en.Gaussian(0.1) + Larger(en.StudentT(3.0))},
            "float64",
        ),
        (
            {"optimizer": Twice(en.Average(en.HeavyBall(0.02))), "event": en.Reported(Otherwise(en.LeftBall(1.5)))},
            "float32",
        ),
        pytest.param(
            {"optimizer": en.Clip(Twice(en.Preconditioned(0.1, 3.0))), "noise": Larger(en.HessianAligned(5))},
            "float64",
            marks=pytest.mark.slow,
        ),
        (
            {
                "landscape": en.DoubleWell(dim=2),
                "noise": Larger(en.Gaussian(0.1) + en.Rademacher(0.1)) + Larger(en.Gaussian(0.2)),
                "event": en.AnyOf(Otherwise(en.Crossed((1.0, 0.0), 1.2)), en.Below(-0.1)),
            },
            "float32",
        ),
    ],
)
def test_programs_of_own_wrappers_have_the_bits_of_their_python(parts, dtype, cpu):
    assert ends("cpu", dtype, **parts) == ends("numpy", dtype, **parts)


def test_numbers_of_wrapped_parts_may_be_swept(cpu):
    swept = {
        "optimizer": Centred(en.Adam(0.02, beta1=en.grid(0.5, 0.9)), beta=en.grid(0.3, 0.7)),
        "event": Otherwise(en.LeftBall(radius=en.grid(1.0, 2.0))),
    }
    assert ends("cpu", **swept) == ends("numpy", **swept)


def test_a_wrapper_is_pointwise_where_what_it_hands_down_is():
    assert pointwise(Centred(en.Adam()))
    assert not pointwise(Twice(en.Adam()))
    assert vectors_held(Twice(en.Adam())) == 3  # two of Adam's, and where the second step begins


def test_the_text_of_a_wrapper_is_what_one_would_write():
    text = struct_of(Centred(Still()))
    assert "const auto centred = [&](const Vec& y) INLINED -> Vec {" in text
    assert "base.step(x, passed(gradient, centred), s.base, now.template after<own_>())" in text


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("now", "base was given a .* as its now.base; give now.base"),
        ("state", "state.base.v is the wrapped part's own"),
        ("method", r"base.reported\(\) cannot be recorded; a wrapped part is asked for its step\(\)"),
        ("gradient", "a float was handed down as a gradient; give gradient, or Passed"),
    ],
)
def test_what_a_wrapper_may_not_do_is_told_with_its_line(how, message):
    part = Grabs(en.HeavyBall(0.1))
    object.__setattr__(part, "how", how)
    with pytest.raises(
        NoTwinError, match=f"Grabs cannot run on cpu and cuda: test_wrapped_parts.py:[0-9]+: `.*`: {message}"
    ):
        twin_of(part)


def test_what_a_wrapped_part_remembers_starts_at_zero_and_is_its_own():
    x = en.simulate(
        landscape=en.Quadratic([1.0]), optimizer=Twice(en.HeavyBall(0.1)), start=en.Point(1.0), instances=1, steps=1,
        backend="numpy", math="precise", dtype="float64", progress=False,
    ).dataset["x"].item()  # fmt: skip
    v = -0.1
    y = 1.0 + v
    v = 0.9 * v - 0.1 * y / np.sqrt(1.0 + y * y)
    assert x == pytest.approx(y + v, rel=1e-15)
