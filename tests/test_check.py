"""``check`` finds what is wrong with a part, and nothing wrong with the library's; what a run cannot use is refused at first use."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import own_parts
import pytest
from parts import ROLES, example, kinds

import ensemble as en
from ensemble.arithmetic.vec import dot, total
from ensemble.checks import check as door
from ensemble.checks import first_use
from ensemble.checks.first_use import PartError
from ensemble.part import NOT_NEGATIVE, number, scheduled, structure

RUN: dict[str, Any] = {"start": en.NormalCloud(1.0), "instances": 4, "steps": 5, "progress": False, "dtype": "float64"}
IN_STEP = [kind for role in ("landscape", "optimizer", "noise", "event") for kind in kinds(role)]


def failing(report):
    found = {}
    for finding in report.findings:
        if finding.holds is False:
            found.setdefault(finding.what, finding.seen)
    return found


@pytest.mark.ci
@pytest.mark.parametrize("per_coordinate", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_nothing_fails_of_the_python_of_any_part_of_the_library(monkeypatch, per_coordinate):
    monkeypatch.setattr(door, "structs", lambda part, landscape: [])
    for kind in IN_STEP:
        report = en.check(example(kind, 5, per_coordinate))
        assert report.ok, report
        names = {finding.what for finding in report.findings}
        assert {"methods", "again"} <= names
        if issubclass(kind, en.Landscape):
            assert {"gradient", "hessian_product", "hessian_diagonal"} <= names


SOME = (en.NearMinimum,)  # the others' bits are asked by runs of them, in other files


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=() if kind in SOME else pytest.mark.slow) for kind in IN_STEP],
    ids=lambda k: k.__name__,
)
def test_the_struct_of_a_part_of_the_library_has_the_bits_of_its_python(kind, cpu):
    report = en.check(example(kind, 5, True))
    assert report.ok, report
    assert sum(finding.what.startswith("struct, ") for finding in report.findings) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    [
        own_parts.HeavyBall(en.grid(0.1, 0.2)),
        own_parts.Quartic(5),
        own_parts.Gaussian(0.1),
        pytest.param(own_parts.Never(), marks=pytest.mark.slow),
        pytest.param(en.L2(own_parts.HeavyBall(0.1)), marks=pytest.mark.slow),
    ],
    ids=lambda part: type(part).__name__,
)
def test_nothing_fails_of_a_user_s_own_parts_that_are_right(part, cpu):
    report = en.check(part)
    assert report.ok, report
    assert "nothing fails" in repr(report)
    assert "the bits of its Python, step by step" in repr(report)


class Looks(en.GradientDescent):
    """Its step cannot be recorded."""

    def step(self, x, gradient, state, now):
        return x - now.lr * gradient(x) if np.isfinite(x).all() else x


def test_a_part_without_a_struct_is_told_so_and_does_not_fail_by_it():
    report = en.check(Looks(0.1))
    assert report.ok
    assert "-      struct: Looks cannot run on cpu and cuda: test_check.py:" in repr(report)


def test_what_is_no_part_of_a_step_is_refused():
    for wrong in (en.Point(1.0), 3, en.Adam):
        with pytest.raises(TypeError, match="give a landscape, an optimizer, a noise or an event"):
            en.check(wrong)
    with pytest.raises(ValueError, match="the landscape has 3 coordinates"):
        en.check(en.Quadratic([1.0, 2.0, 3.0]), dim=4)
    with pytest.raises(ValueError, match="dim=0: give a whole number"):
        en.check(en.Adam(), dim=0)
    with pytest.raises(TypeError, match="landscape must be landscape made like"):
        en.check(en.Adam(), landscape=en.Adam())


@dataclass(frozen=True)
class Slopes(en.Landscape):
    """A landscape that says its gradient alone, without a struct."""

    dim: int = structure(3, low=1)

    def gradient(self, x, now=None):
        return 2.0 * x


@pytest.mark.slow
@pytest.mark.parametrize("dim", [1, 3, 20_000])
def test_a_landscape_that_says_its_gradient_alone_is_asked_no_more(dim):
    report = en.check(Slopes(dim))
    assert report.ok, report
    run = en.simulate(**RUN, landscape=Slopes(dim), optimizer=en.GradientDescent(0.1), backend="numpy")
    assert np.isfinite(run.dataset["x"]).all()


# ---- Python that is wrong


class Sign(own_parts.Quartic):
    def gradient(self, x, now=None):
        return -super().gradient(x, now)


class Slope(own_parts.Quartic):
    def gradient(self, x, now=None):
        return super().gradient(x, now) * (1 + 1e-4)


class Product(own_parts.Quartic):
    def hessian_product(self, x, v, now=None):
        return 1.01 * super().hessian_product(x, v, now)


class Diagonal(own_parts.Quartic):
    def hessian_diagonal(self, x, now=None):
        return super().hessian_diagonal(x, now) + 0.01


class InPlace(own_parts.Quartic):
    def gradient(self, x, now=None):
        x *= 2.0
        return x


class Column(own_parts.Quartic):
    def gradient(self, x, now=None):
        return total(x)


class Flat(own_parts.Quartic):
    def value(self, x, now=None):
        return total(x * x)[:, 0]


class Raises(own_parts.Quartic):
    def gradient(self, x, now=None):
        return x @ np.eye(77)


class Coupled(own_parts.Quartic):
    def value(self, x, now=None):
        return total(x) * total(x)

    def gradient(self, x, now=None):
        return 2.0 * total(x) * np.ones_like(x)

    def hessian_product(self, x, v, now=None):
        return 2.0 * total(v) * np.ones_like(v)

    def hessian_diagonal(self, x, now=None):
        return 2.0 * np.ones_like(x)


@dataclass(frozen=True)
class Wide(en.Optimizer):
    lr: Any = scheduled(domain=NOT_NEGATIVE)

    def step(self, x, gradient, state, now):
        return x - np.float64(now.lr) * gradient(x)


@dataclass(frozen=True)
class Overwrites(en.Optimizer):
    lr: Any = scheduled(domain=NOT_NEGATIVE)

    def step(self, x, gradient, state, now):
        x -= now.lr * gradient(x)
        return x


@dataclass(frozen=True)
class Global(en.Noise):
    sigma: float = number(1.0)

    def apply(self, x, gradient, landscape, now):
        return gradient + self.sigma * np.random.default_rng().normal(size=x.shape)


@dataclass(frozen=True)
class Clips(en.Noise):
    pointwise = True

    def apply(self, x, gradient, landscape, now):
        return gradient / (1.0 + dot(gradient, gradient))


@dataclass(frozen=True)
class Square(en.Event):
    def check(self, x, landscape, now):
        return x * x > 1.0


WRONG = [
    (Sign(3), "gradient", r"coordinate \d is .* by differences of its value"),
    (Slope(3), "gradient", "by differences of its value"),
    (Product(3), "hessian_product", "by differences of its gradient"),
    (Diagonal(3), "hessian_diagonal", "by differences of its gradient"),
    (InPlace(3), "methods", "InPlace.gradient changes its argument in place; compute a new array"),
    (Column(3), "methods", r"Column.gradient returns shape \(70, 1\) for 70 points of 3 coordinates; give \(70, 3\)"),
    (Flat(3), "methods", r"Flat.value returns shape \(70,\) for 70 points of 3 coordinates; give \(70, 1\)"),
    (Raises(3), "methods", "Raises fails in a step: ValueError: matmul"),
    (Coupled(3), "pointwise", "others feel the last coordinate"),
    (Wide(0.1), "precision", "Wide.step returns float64 for float32"),
    (Overwrites(0.1), "methods", "Overwrites.step changes its argument in place"),
    (en.Clip(Overwrites(0.1)), "methods", "Overwrites.step changes its argument in place"),
    (Global(), "again", "two runs differ: draw from now.random alone"),
    (Clips(), "pointwise", "others feel the last coordinate"),
    (Square(), "methods", r"Square.check returns shape \(70, \d\)"),
]


@pytest.mark.ci
@pytest.mark.parametrize(("part", "what", "seen"), WRONG, ids=lambda v: type(v).__name__)
def test_what_is_wrong_in_python_is_found(part, what, seen):
    report = en.check(part)
    assert not report.ok
    assert what in failing(report), report
    assert re.search(seen, failing(report)[what]), report


def used(part, backend="numpy"):
    given: dict[str, Any] = {"landscape": en.QuarticSaddle(dim=3), "optimizer": en.GradientDescent(0.1)}
    role = next(role for role, (_, base) in ROLES.items() if isinstance(part, base))
    return en.simulate(**RUN | given | {role: part}, backend=backend)


@pytest.mark.parametrize("part", [part for part, what, _ in WRONG if what == "methods"], ids=lambda v: type(v).__name__)
def test_a_part_that_a_run_cannot_use_is_refused_at_first_use_on_every_backend(part):
    with pytest.raises(PartError, match=r"ensemble.check\(part\) says more") as error:
        used(part)
    assert len(str(error.value)) <= 300
    assert "\n" not in str(error.value)


def test_a_gradient_that_is_not_its_value_s_is_told_at_first_use_and_once():
    with pytest.warns(UserWarning, match=r"Sign.gradient: coordinate \d is"):
        used(Sign(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        used(Sign(3))
        used(en.QuarticSaddle(dim=3))


def test_the_library_s_parts_are_not_looked_at_and_a_user_s_own_once(monkeypatch, cpu):
    looks = []
    monkeypatch.setattr(first_use, "python_faults", lambda *given: looks.append("python") or ([], []))
    monkeypatch.setattr(first_use, "struct_fault", lambda *given: looks.append("struct") or "")
    used(en.Adam(), "cpu")
    assert looks == []

    class Mine(own_parts.HeavyBall):
        pass

    for part in (Mine(0.1), Mine(0.2, beta=0.5), Mine(en.grid(0.1, 0.2))):
        used(part, "cpu")
    assert looks == ["python", "struct"]
    used(Mine(0.1), "numpy")
    assert looks == ["python", "struct", "python"], "numpy needs no struct"
    monkeypatch.setattr(Mine, "kernel", own_parts.HeavyBall.kernel.replace("struct HeavyBall", "struct Mine"))
    used(Mine(0.1), "cpu")
    assert looks[3:] == ["python", "struct"], "another text"
