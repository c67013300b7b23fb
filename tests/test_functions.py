"""Functions of a user's own as landscapes: plain Python, its derivatives and kernels derived, on every backend."""

import cProfile
import inspect
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import own_functions
import pytest
from device_runs import differences, program, run
from emulated import COMPILERS, EmulatedEngine
from own_functions import algebra_chain, chain, everything, valley

import ensemble as en
from ensemble.backends.numpy import NumpyEngine
from ensemble.tracing import recorded_landscape

ROOT = Path(__file__).parents[1]
PARTS = {
    "valley": valley(a=0.5),
    "chain": chain(dim=6),
    "algebra": algebra_chain(dim=21, stiffness=3.0),
    "everything": everything(dim=3, offset=0.2),
    "deep": everything(dim=3, offset=-0.2, deep=True, powers=5, w=np.array([0.5, 1.0, -1.0])),
}
GIVEN = {
    "optimizer": en.Adam(lr=0.02),
    "noise": en.Gaussian(0.1),
    "event": en.LeftBall(4.0),
    "instances": 37,
    "steps": 30,
    "math": "precise",
    "progress": False,
}


def of_numpy(part, points):
    """The function itself, in plain NumPy, with the part's numbers."""
    fields = {n: getattr(part, n) for n in inspect.signature(type(part)).parameters if n != "dim"}
    return np.array([part.function(*(p if part.coordinates else (p,)), **fields) for p in points])


ALL = pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)


@ALL
def test_the_value_is_the_function_s_and_the_derivatives_follow(part):
    rng = np.random.default_rng(1)
    x, v, h = rng.normal(size=(20, part.dimension)), rng.normal(size=(20, part.dimension)), 1e-5
    np.testing.assert_allclose(part.value(x)[:, 0], of_numpy(part, x), rtol=1e-13)
    units = np.eye(part.dimension)
    slopes = [(of_numpy(part, x + h * e) - of_numpy(part, x - h * e)) / (2 * h) for e in units]
    np.testing.assert_allclose(part.gradient(x), np.stack(slopes, axis=1), rtol=1e-6, atol=1e-8)
    along = (part.gradient(x + h * v) - part.gradient(x - h * v)) / (2 * h)
    np.testing.assert_allclose(part.hessian_product(x, v), along, rtol=1e-6, atol=1e-6)
    columns = [part.hessian_product(x, np.tile(e, (20, 1)))[:, k] for k, e in enumerate(units)]
    np.testing.assert_allclose(part.hessian_diagonal(x), np.stack(columns, axis=1), rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@ALL
def test_a_run_has_the_same_bits_on_numpy_and_cpu(part, cpu):
    if part.dimension == 2:
        part = valley(a=en.grid(0.05, 0.1))
    starts = en.NormalCloud(0.5)
    a, b = (en.simulate(landscape=part, start=starts, **GIVEN, backend=name).dataset for name in ("numpy", "cpu"))
    for name in ("x", "event_step", "event"):
        assert a[name].to_numpy().tobytes() == b[name].to_numpy().tobytes()
    assert np.isfinite(a["x"]).all()


@pytest.mark.skipif(not COMPILERS, reason="no C++ compiler on PATH")
def test_the_device_path_has_those_bits_too(cpu):
    p = program(chain(dim=21), en.HeavyBall(0.01), en.Never(), en.HessianAligned(0.1))
    assert differences(run(EmulatedEngine(4), p, 3), run(NumpyEngine(), p, 3)) == []


@pytest.mark.ci
def test_check_finds_nothing(cpu):
    found = en.check(PARTS["everything"])
    assert found.ok, found
    assert "the recorded formula has the value of the function" in str(found)


def test_check_sees_a_function_that_does_otherwise_with_numbers():
    @en.landscape
    def sly(x):
        return np.sum(x**2) if isinstance(x, np.ndarray) else np.sum(x**2) * 2

    found = en.check(sly(dim=3))
    assert not found.ok
    assert "as it was recorded" in str(found)


def test_the_class_is_the_function_s(tmp_path):
    assert (valley.__name__, valley.__module__, valley.__qualname__) == ("valley", "own_functions", "valley")
    assert valley.__doc__.startswith("A curved valley")
    assert "chain(x, stiffness)" in chain.__doc__
    assert isinstance(valley(), en.Landscape)
    assert valley.function(1.0, 2.0, a=0.0) == -1.0
    assert repr(valley(a=3)) == "valley(a=3.0)"
    assert (valley().dimension, chain(dim=64).dimension) == (2, 64)
    assert list(inspect.signature(chain).parameters) == ["dim", "stiffness"]
    for part in (*PARTS.values(), valley(a=en.grid(0.1, 0.2))):
        assert pickle.loads(pickle.dumps(part)) == part
    assert valley(a=1) == valley()
    assert valley(a=2) != valley()


def test_unknown_things_are_none_and_pictures_work():
    plots = pytest.importorskip("ensemble.plots")
    assert valley().box is None
    assert valley().picture is None
    assert valley().stationary_points() == ()
    result = en.simulate(
        landscape=valley(),
        start=en.NormalCloud(0.5),
        **GIVEN,
        backend="numpy",
        record=en.Record(["value", "x"], at=en.lin_spaced(4)),
    )
    assert plots.paths(valley(), result)


def test_whole_numbers_are_numbers_and_annotated_ones_stay_whole():
    kinds = {f.name: f.metadata["kind"] for f in everything.__dataclass_fields__.values() if f.metadata}
    assert kinds == {
        "dim": "structure", "scale": "number", "powers": "structure", "deep": "structure", "offset": "number",
        "centers": "array", "w": "array",
    }  # fmt: skip
    assert everything(dim=3, offset=1, scale=en.grid(1, 2)).scale.values == (1.0, 2.0)
    with pytest.raises(ValueError, match="powers selects code and cannot be a grid"):
        everything(dim=3, offset=1, powers=en.grid(1, 2))
    with pytest.raises(TypeError, match="missing 2 required keyword-only arguments: 'dim' and 'offset'"):
        everything()


def test_a_number_called_like_another_swept_field_gets_its_role():
    @en.landscape
    def bowl(x, lr=1.0):
        return lr * np.sum(x**2)

    found = en.simulate(
        landscape=bowl(dim=2, lr=en.grid(1, 2)), optimizer=en.GradientDescent(lr=en.grid(0.1, 0.2)),
        start=en.Point(1.0), instances=2, steps=3, backend="numpy", progress=False,
    )  # fmt: skip
    assert {"landscape_lr", "optimizer_lr"} <= set(found.dataset.coords)


def test_numbers_around_a_function_are_constants_and_part_of_what_it_is(tmp_path):
    def made(k):
        @en.landscape
        def bowl(x):
            return k * np.sum(x**2)

        return bowl

    two, three = made(2.0), made(3.0)
    x = np.ones((1, 2))
    assert (two(dim=2).value(x), three(dim=2).value(x)) == (4.0, 6.0)
    assert two(dim=2) != three(dim=2)
    assert two(dim=2).describe()["class"] != three(dim=2).describe()["class"]
    assert two(dim=2).describe()["class"] == made(2.0)(dim=2).describe()["class"]
    result = en.simulate(landscape=two(dim=2), start=en.Point(1.0), **GIVEN | {"event": None}, backend="numpy")
    result.save(tmp_path / "bowl.nc")
    del two
    back = en.load(tmp_path / "bowl.nc")
    assert back.settings[""].landscape.value(x) == 4.0


def test_a_function_of_functions_is_another_where_one_of_them_is():
    def made(k):
        @en.landscape(dim=2)
        def inside(x, y):
            return k * x * y

        def helper(x):
            return inside.function(x[0], x[1])

        return en.landscape(lambda x: helper(x) + chain.function(x), name="both")(dim=4)

    x = np.ones((1, 4))
    assert (made(2.0).value(x), made(3.0).value(x)) == (3.0, 4.0)
    assert made(2.0).describe()["class"] == made(2.0).describe()["class"] != made(3.0).describe()["class"]


def test_two_classes_of_one_name_run_beside_each_other(cpu):
    def made(k):
        @en.landscape
        def bowl(x, a=1.0):
            return a * np.sum(x**k)

        return bowl

    x = [
        en.simulate(landscape=made(k)(dim=2), start=en.Point(0.5), **GIVEN, backend="cpu").dataset["x"].to_numpy()
        for k in (2, 4)
    ]
    assert not np.array_equal(*x)


def test_names_that_c_has_taken_are_names_of_functions_and_numbers_all_the_same(cpu):
    space = {"en": en, "np": np}
    exec(
        "@en.landscape\ndef double(x, sum=1.0, λ=2.0, words=3.0):\n    return np.sum(sum * x**2 + λ * x + words)", space
    )
    found = [
        en.simulate(landscape=space["double"](dim=3), start=en.Point(0.5), **GIVEN, backend=b) for b in ("numpy", "cpu")
    ]
    assert found[0].dataset["x"].equals(found[1].dataset["x"])


SCRIPT = """
import numpy as np, ensemble as en
def outer(k):
    @en.landscape
    def bowl(x): return np.sum(k * x**2)
    return bowl
quartic = en.landscape(lambda x, a=1.0: np.sum(a * x**4), name="quartic")
for part in (outer(2)(dim=3), quartic(dim=3, a=2), en.landscape(lambda x, y: x * x + y**4, dim=2)()):
    r = en.simulate(landscape=part, optimizer=en.GradientDescent(0.1), start=en.Point(1.0), instances=2, steps=2,
                    backend="numpy", progress=False)
    print(type(part).__name__, float(r.dataset["x"][0, 0]))
"""


@pytest.mark.ci
@pytest.mark.parametrize("way", ["script", "-c", "stdin", "cell"])
def test_it_works_wherever_it_is_written(way, tmp_path):
    if way == "cell":
        script = f"exec(compile({SCRIPT!r}, '<ipython-input-1>', 'exec'))"
    else:
        script = SCRIPT
    (tmp_path / "mine.py").write_text(script)
    arguments = {"-c": ["-c", script], "stdin": ["-"]}.get(way, ["mine.py"])
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, input=script if way == "stdin" else None, capture_output=True,
        text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["bowl", "quartic", "Function"]
    np.testing.assert_allclose(
        [float(line.split()[1]) for line in done.stdout.splitlines()], [0.36, 0.1936, 0.64], atol=2e-6
    )


def test_a_profiler_is_left_alone():
    profiler = cProfile.Profile()
    with profiler:

        @en.landscape
        def bowl(x):
            return np.sum(x**2)

        assert bowl(dim=3).gradient(np.ones((1, 3))).tolist() == [[2.0, 2.0, 2.0]]
        assert sys.getprofile() is profiler
    assert any("bowl" in str(entry.code) for entry in profiler.getstats())


def test_recordings_are_made_once_for_a_function_and_its_dimension():
    a, b = recorded_landscape(chain(dim=6)), recorded_landscape(chain(dim=6, stiffness=9.0))
    assert a is b
    assert recorded_landscape(chain(dim=7)) is not a


def test_a_chain_of_ones_is_at_rest():
    """Springs between equal coordinates pull nothing: the gradient is x^3."""
    x = np.full((1, 5), 2.0)
    np.testing.assert_array_equal(own_functions.chain(dim=5, stiffness=7.0).gradient(x), x**3)
