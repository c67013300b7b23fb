"""A class of a user's own, whatever it is called, runs its own rule on every backend, or is refused with the remedy."""

from __future__ import annotations

import ast
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import own_parts
import pytest
from cubin import CompilationError, compile_cubin
from device_runs import differences, program, run
from emulated import COMPILERS, EmulatedEngine
from parts import example, kinds

import ensemble as en
from ensemble.backends import sources
from ensemble.backends.complaints import KernelError, explained
from ensemble.backends.cost import ceiling, instructions
from ensemble.backends.numpy import NumpyEngine
from ensemble.backends.twins import NoTwinError, twin_of
from ensemble.classes import full_name
from ensemble.part import number

ROOT = Path(en.__file__).parents[1]
H, X = np.array([1.0, 2.0, 0.5]), np.array([1.0, -0.7, 0.3])
RUN: dict[str, Any] = {
    "landscape": en.Quadratic(H.tolist()),
    "start": en.Point(X.tolist()),
    "instances": 3,
    "steps": 20,
    "dtype": "float64",
    "math": "precise",
    "progress": False,
}


def ends(backend, **given):
    return en.simulate(**RUN | given, backend=backend).dataset["x"].to_numpy()[0]


BACKENDS = pytest.mark.parametrize("backend", ["numpy", "cpu"])


# ---- by class


@pytest.mark.slow
@BACKENDS
def test_a_class_named_like_the_library_s_runs_its_own_rule_beside_it(backend, cpu):
    own, other = own_parts.HeavyBall(0.1), own_parts.doubled()(0.1)
    rules = {"own": own, "other": other, "library": en.HeavyBall(0.1), "wrapped": en.ClipValue(own, 1e9)}
    found = en.compare(rules, **RUN, backend=backend).dataset["x"].to_numpy()[:, 0]
    for k, factor in ((0, 1), (1, 2), (3, 1)):
        np.testing.assert_allclose(found[k], of := own_parts.of_signs(H, X, 0.1, 0.9, 20, factor), rtol=1e-13)
        assert np.abs(found[2] - of).max() > 0.05, "the library's rule leads elsewhere"


@BACKENDS
def test_landscapes_noises_and_events_of_a_user_s_own_run(backend, cpu):
    x = X.copy()
    for _ in range(20):
        x = x - 0.1 * (2.0 * x**3 - x + 0.3)
    given = {"optimizer": en.GradientDescent(0.1), "noise": own_parts.Gaussian(0.3)}
    np.testing.assert_allclose(ends(backend, landscape=own_parts.Quartic(3, a=2.0), **given), x, rtol=1e-12)
    with pytest.warns(UserWarning, match="3 of 3 starts already satisfy the event"):
        found = en.simulate(**RUN, **given, event=own_parts.Never(), backend=backend).dataset
    assert found["event_step"].to_numpy().tolist() == [1, 1, 1]


def test_an_event_named_never_gives_horizons_that_differ():
    rules = {"a": en.GradientDescent(0.1), "b": en.HeavyBall(0.1)}
    given = RUN | {"steps": {"a": 20, "b": 10}, "backend": "numpy"}
    with pytest.raises(ValueError, match="different horizons need an event"):
        en.compare(rules, **given, event=en.Never())
    with pytest.warns(UserWarning, match="already satisfy"):
        assert (en.compare(rules, **given, event=own_parts.Never()).dataset["event_step"] == 1).all()


def test_no_code_compares_or_looks_up_the_names_of_classes():
    """``type(x).__name__ == "Never"`` and ``table[type(x).__name__]`` mix up classes of one name."""
    found = []
    for path in [p for folder in ("ensemble", "studies") for p in (ROOT / folder).rglob("*.py")]:
        if path.name == "twins.py":  # which asks first whether the class is the library's
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Compare, ast.Subscript, ast.DictComp, ast.Dict)):
                keys = node.keys if isinstance(node, ast.Dict) else [getattr(node, "key", getattr(node, "slice", node))]
                inside = [n for key in keys if key is not None for n in ast.walk(key)]
                if any(isinstance(n, ast.Attribute) and n.attr in ("__name__", "__qualname__") for n in inside):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


# ---- which struct a class runs


@pytest.mark.parametrize("role", ["landscape", "optimizer", "noise", "event"])
def test_every_part_of_the_library_runs_its_own_struct(role):
    for kind in kinds(role):
        twin = twin_of(example(kind, 5))
        assert twin.kind is kind
        assert twin.struct.split("::")[-1] == kind.__name__
        assert twin.derived or Path(twin.header).parts[0].removesuffix(".cuh") == f"{role}s", (
            "a struct of this kind of part"
        )


class Renamed(en.Adam):
    """Nothing else."""


@dataclass(frozen=True)
class Checked(en.Adam):
    """Refuses more than the library's, and steps like it."""

    eps: float = number(1e-3)

    def validate(self) -> None:
        super().validate()
        if self.eps == 0.5:
            raise ValueError("not one half")


class Constants(en.Adam):
    def constants(self):
        return super().constants()


class Helper(en.AMSGrad):
    def _update(self, g, state):
        super()._update(g, state)


class Wider(en.HeavyBall):
    vectors = ("v", "w")


@dataclass(frozen=True)
class Longer(en.Adam):
    more: float = number(1.0)


class Mixin:
    def step(self, x, gradient, state, now):
        return x


class Mixed(Mixin, en.Adam):
    pass


class Derived(own_parts.HeavyBall):
    """Of a class with its own struct."""


class Changed(own_parts.HeavyBall):
    def step(self, x, gradient, state, now):
        return x


@pytest.mark.parametrize(("kind", "base"), [(Renamed, en.Adam), (Checked, en.Adam), (Derived, own_parts.HeavyBall)])
def test_a_class_that_changes_nothing_of_a_step_runs_the_struct_it_inherits(kind, base, cpu):
    assert twin_of(kind(lr=0.1)) == twin_of(base(lr=0.1))
    assert ends("cpu", optimizer=kind(lr=0.1)).tolist() == ends("numpy", optimizer=kind(lr=0.1)).tolist()


@pytest.mark.ci
@pytest.mark.parametrize(
    "kind",
    [
        own_parts.Adam,
        Constants,
        Mixed,
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in (Helper, Wider, Longer, Changed)),
    ],
)
def test_a_class_that_changes_a_step_runs_its_own_rule_on_every_backend(kind, cpu):
    part = kind(lr=0.1)
    twin = twin_of(part)
    assert twin.derived
    assert twin.kind is kind
    assert ends("cpu", optimizer=part).tolist() == ends("numpy", optimizer=part).tolist()
    assert ends("cpu", optimizer=en.Clip(part)).tolist() == ends("numpy", optimizer=en.Clip(part)).tolist()


def test_a_step_that_cannot_be_recorded_is_refused_with_its_line_and_auto_takes_numpy(cpu):
    class Looks(en.GradientDescent):
        def step(self, x, gradient, state, now):
            g = gradient(x)
            if (g > 0).all():
                return x
            return x - now.lr * g

    part = Looks(lr=0.1)
    what = r"Looks cannot run on cpu and cuda: test_own_parts.py:\d+: `if \(g > 0\).all\(\):`: .all cannot be recorded"
    with pytest.raises(NoTwinError, match=f"^backend='cpu': {what}") as error:
        ends("cpu", optimizer=en.Clip(part))
    assert len(str(error.value)) <= 300
    with pytest.warns(UserWarning, match=f"backend='auto' takes numpy: {what}"):
        result = en.simulate(**RUN, optimizer=part)
    assert result.dataset.attrs["backend"] == "numpy"
    assert "only numpy can: Looks cannot run" in result.dataset.attrs["backend_reason"]
    assert np.array_equal(result.dataset["x"], en.simulate(**RUN, optimizer=part, backend="numpy").dataset["x"])
    result.resume(steps=30)


def test_a_kernel_that_is_none_is_refused():
    class Wrong(en.GradientDescent):
        kernel = 3

    class Empty(en.GradientDescent):
        kernel = "struct Other {};"

    class Missing(en.GradientDescent):
        kernel = Path("nowhere.cuh")

    for kind, message in (
        (Wrong, "give the text"),
        (Empty, "no struct Empty"),
        (Missing, "nowhere.cuh.*cannot be read"),
    ):
        with pytest.raises(ValueError, match=message):
            ends("cpu", optimizer=kind(0.1))


def test_a_kernel_may_lie_in_a_file_beside_its_class_and_is_read_anew_by_the_next_run(tmp_path, monkeypatch, cpu):
    text = own_parts.HeavyBall.kernel
    source = 'import own_parts\nfrom pathlib import Path\nclass HeavyBall(own_parts.HeavyBall):\n    kernel = Path("ball.cuh")\n'
    (tmp_path / "mine_beside.py").write_text(source)
    (tmp_path / "ball.cuh").write_text('#include "optimizers/curvature.cuh"\n' + text)
    monkeypatch.syspath_prepend(tmp_path)
    import mine_beside

    part = mine_beside.HeavyBall(0.1)
    found = ends("cpu", optimizer=part)
    assert found.tolist() == ends("cpu", optimizer=own_parts.HeavyBall(0.1)).tolist()
    (tmp_path / "ball.cuh").write_text(text.replace("gradient(x)", "gradiant(x)"))
    with pytest.raises(KernelError, match=r"^HeavyBall.kernel does not compile, line 14 of ball.cuh: .*gradiant"):
        ends("cpu", optimizer=part)


def test_the_example_of_contributing_runs(capsys, cpu):
    text = (ROOT / "CONTRIBUTING.md").read_text().split("## A part of your own")[1]
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    space = {"__name__": "__main__"}
    exec(compile(code, "<cell>", "exec"), space)  # as a notebook does
    said = capsys.readouterr().out
    assert said.startswith("HeavyBall: nothing fails")
    assert said.count("the bits of its Python, step by step") == 3
    for backend in ("numpy", "cpu"):
        found = ends(backend, optimizer=space["HeavyBall"](lr=0.1))
        np.testing.assert_allclose(found, own_parts.of_signs(H, X, 0.1, 0.9, 20), rtol=1e-13)


# ---- costs


def test_a_class_named_like_the_library_s_has_not_its_cost():
    assert instructions(en.Adam(), 16) is not None
    for optimizer in (own_parts.Adam(), en.Clip(own_parts.Adam()), own_parts.HeavyBall(0.1)):
        assert instructions(optimizer, 16) is None
        assert ceiling(optimizer, 16, 1e12) is None


# ---- files


def test_a_file_says_whose_class_it_is_and_gives_it_back(tmp_path, recwarn):
    place = tmp_path / "own.nc"
    namesake = own_parts.doubled()  # as where the cell of a notebook that defines a class was run again
    for part in (own_parts.Adam(lr=0.1), en.Clip(own_parts.HeavyBall(0.1)), namesake(0.1), en.Adam(lr=0.1)):
        result = en.simulate(**RUN, optimizer=part, backend="numpy")
        result.save(place)
        back = en.load(place)
        assert back.settings[""].optimizer == part
        assert type(back.settings[""].optimizer) is type(part)
        assert np.array_equal(back.resume(steps=30).dataset["x"], result.resume(steps=30).dataset["x"])
    assert full_name(own_parts.Adam) == "own_parts:Adam"
    assert not recwarn.list


@dataclass(frozen=True)
class Point(en.Start):
    """Begins at twice where it says."""

    x: float = number(1.0)

    def draw(self, source):
        return np.full((len(source.ids), source.program.dim), 2.0 * self.x)


class Cosine(en.Schedule):
    def __call__(self, t):
        return 0.1 / t


def test_starts_and_schedules_named_like_the_library_s_come_back_as_themselves(tmp_path):
    place, given = tmp_path / "own.nc", RUN | {"start": Point(0.5), "backend": "numpy"}
    result = en.simulate(**given, optimizer=en.GradientDescent(Cosine()))
    result.save(place)
    back = en.load(place)
    assert type(back.settings[""].start) is Point
    assert type(back.settings[""].optimizer.lr) is Cosine
    x = np.ones(3)
    for t in range(1, 31):
        x = x - 0.1 / t * H * x
    np.testing.assert_allclose(back.resume(steps=30).dataset["x"][0], x, rtol=1e-13)


@pytest.mark.parametrize("what", ["methods", "struct"])
def test_a_class_that_has_changed_since_reads_its_file_and_goes_no_further(what, tmp_path, monkeypatch):
    place, kind = tmp_path / "own.nc", own_parts.Quartic
    en.simulate(**RUN | {"landscape": kind(3)}, optimizer=en.GradientDescent(0.1), backend="numpy").save(place)
    if what == "methods":
        monkeypatch.setattr(kind, "gradient", lambda self, x, now=None: x)
    else:
        monkeypatch.setattr(kind, "kernel", kind.kernel.replace("-", "+"))
    back = en.load(place)
    for call in (lambda: back.resume(30), lambda: en.replay(back, 0), back.fields):
        with pytest.raises(ValueError, match=rf"since the run the {what} of landscape have changed"):
            call()
    assert back.resume(30, force=True).history[-1].forced == f"the {what} of landscape have changed"
    assert en.replay(back, 0, force=True)
    assert back.fields(force=True)


# ---- on the device


@pytest.mark.slow
@pytest.mark.skipif(not COMPILERS, reason="no C++ compiler on PATH")
@pytest.mark.parametrize("window", [0, 2])
def test_the_device_path_runs_a_user_s_own_structs(window):
    """Without windows and with them, where another kernel asks the event."""
    parts = own_parts.Quartic(dim=21), own_parts.HeavyBall(0.01), own_parts.Never(), own_parts.Gaussian(0.1)
    p, engine = program(*parts), EmulatedEngine(2, window=window)
    assert engine.entries(p) == (("advance", "check") if window else ("advance",))
    found = run(engine, p, 3)
    assert differences(found, run(NumpyEngine(), p, 3)) == []
    assert (found.event_step == 1).all()


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="NVRTC's wheel is for Linux x86-64"
)
def test_nvrtc_compiles_a_user_s_own_structs_and_its_complaints_are_led_to_their_lines(monkeypatch):
    parts = own_parts.Quartic(dim=21), own_parts.HeavyBall(0.01), own_parts.Never(), own_parts.Gaussian(0.1)
    engine = EmulatedEngine(2)
    assert compile_cubin(engine.source(program(*parts), "advance"), sources.kernels())
    monkeypatch.setattr(own_parts.HeavyBall, "kernel", own_parts.HeavyBall.kernel.replace("gradient(x)", "gradiant(x)"))
    with pytest.raises(CompilationError) as log:
        compile_cubin(engine.source(program(*parts), "advance"), sources.kernels())
    error = explained(log.value)
    assert isinstance(error, KernelError)
    assert re.match(r'HeavyBall.kernel does not compile, line 14: identifier "gradiant" is undefined', str(error)), (
        error
    )
